//! Where a peer's beacons come from, beside the place where it is connected.

use alloc::{boxed::Box, vec::Vec};
use core::{net::SocketAddr, time::Duration};

use zre_proto::{Endpoint, KeyedEndpoint, curve::PublicKey};

use crate::{config::Config, node::networks::Networks, time::Instant};

/// The shortest time after which a peer may be thought to have moved, however often this node
/// sends beacons.
const LEAST: Duration = Duration::from_millis(500);

/// A peer that is not heard where it is connected for so long, but elsewhere, may have moved.
pub(crate) fn moved_after(config: &Config) -> Duration {
    (config.beacon_interval.saturating_mul(3) / 2).max(LEAST)
}

/// So long a peer that may have moved has to answer where it is connected.
pub(crate) fn moved_answer_time(config: &Config) -> Duration {
    config.beacon_interval.max(LEAST)
}

/// For so long after its last beacon a place counts as one where the peer is.
pub(crate) fn heard_for(config: &Config) -> Duration {
    moved_after(config).saturating_mul(2)
}

/// The other places. Boxed, for a peer with one address has none.
#[derive(Debug, Default, Clone)]
pub(crate) struct OtherPlaces(Option<Box<Places>>);

#[derive(Debug, Clone)]
struct Places {
    places: Vec<Place>,
}

/// A place that beacons come from.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The beacons' source, with the port that they name.
    source: SocketAddr,
    pub(crate) endpoint: Endpoint,
    /// The key that they name, if this node has one itself.
    key: Option<PublicKey>,
    /// When the last one came.
    pub(crate) at: Instant,
}

impl OtherPlaces {
    /// So many are remembered: with the one where the peer is connected, two networks with two
    /// versions of IP each.
    const MOST: usize = 3;

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.0.iter().flat_map(|it| &it.places)
    }

    /// A beacon has come from here. Says whether it is the first of late.
    pub(crate) fn note(
        &mut self,
        source: SocketAddr,
        endpoint: Endpoint,
        key: Option<PublicKey>,
        at: Instant,
    ) -> bool {
        let mut places = self.0.iter_mut().flat_map(|it| &mut it.places);
        let found = places.find(|place| place.source == source && place.key == key);
        if let Some(place) = found {
            place.at = at;
            return false;
        }
        let place = Place {
            source,
            endpoint,
            key,
            at,
        };
        let places = Vec::new;
        let known = self
            .0
            .get_or_insert_with(|| Box::new(Places { places: places() }));
        if known.places.len() < Self::MOST {
            known.places.push(place);
        } else if let Some(oldest) = known.places.iter_mut().min_by_key(|place| place.at) {
            *oldest = place;
        }
        true
    }

    /// Notes a beacon from a place that is known, with the key of the peer; `false` if it is not.
    pub(crate) fn note_again(&mut self, source: SocketAddr, at: Instant) -> bool {
        let Some(known) = &mut self.0 else {
            return false;
        };
        let mut places = known.places.iter_mut();
        let found = places.find(|place| place.source == source);
        found.map(|place| place.at = at).is_some()
    }

    /// Takes a place out, and says when the last beacon came from there.
    pub(crate) fn take(&mut self, endpoint: &Endpoint, key: Option<&PublicKey>) -> Option<Instant> {
        let known = self.0.as_mut()?;
        let mut places = known.places.iter();
        let is_it =
            |place: &Place| place.endpoint.is_same_place(endpoint) && place.key.as_ref() == key;
        let found = places.position(is_it)?;
        let at = known.places.remove(found).at;
        if known.places.is_empty() {
            self.0 = None;
        }
        Some(at)
    }

    /// No place counts any more that has another key.
    pub(crate) fn keep(&mut self, key: &PublicKey) {
        self.keep_where(|it| it == key);
    }

    /// No place counts any more whose key is not meant.
    pub(crate) fn keep_where(&mut self, is_meant: impl Fn(&PublicKey) -> bool) {
        if let Some(known) = &mut self.0 {
            known
                .places
                .retain(|place| place.key.as_ref().is_none_or(&is_meant));
        }
        self.0.take_if(|known| known.places.is_empty());
    }

    pub(crate) fn last_at(&self) -> Option<Instant> {
        self.iter().map(|place| place.at).max()
    }

    /// The likeliest of some: those on a network that this node is on come first, then those that
    /// were heard last.
    pub(crate) fn likeliest(
        &self,
        is_meant: impl Fn(&Place) -> bool,
        networks: &Networks,
    ) -> Option<&Place> {
        let meant = self.iter().filter(|place| is_meant(place));
        meant.max_by_key(|place| (networks.reach(&place.endpoint), place.at))
    }

    /// All of them, each with its key, the likeliest first.
    pub(crate) fn in_turn(&self, networks: &Networks) -> Vec<(&Endpoint, Option<PublicKey>)> {
        let mut places: Vec<_> = self.iter().collect();
        let rank = |place: &&Place| (networks.reach(&place.endpoint), place.at);
        places.sort_by_key(|place| core::cmp::Reverse(rank(place)));
        let places = places.into_iter();
        places.map(|place| (&place.endpoint, place.key)).collect()
    }
}

impl Place {
    pub(crate) fn keyed(&self) -> KeyedEndpoint {
        KeyedEndpoint {
            endpoint: self.endpoint.clone(),
            key: self.key,
        }
    }
}
