//! The peers of a node, in the order of their identities.

use alloc::{boxed::Box, vec::Vec};
use core::{net::Ipv4Addr, num::NonZeroU16, ops::Range, time::Duration};

use zre_proto::{Endpoint, Host, PeerId};

use super::peer::Peer;
use crate::time::Instant;

/// A map that is made for being looked at far oftener than changed: each beacon of each peer looks up its sender.
///
/// The identities lie side by side. They are mostly random, so where one stands can be guessed to within a few places.
/// Chosen identities make the guess worse, but a search never takes more than two steps for each doubling of the table.
#[derive(Debug, Default)]
pub(super) struct Table {
    ids: Vec<PeerId>,
    /// In the same order.
    #[expect(clippy::vec_box, reason = "to insert one moves the others")]
    peers: Vec<Box<Peer>>,
    /// In the same order.
    sources: Vec<Source>,
}

/// What there is to know of a peer to take one more beacon of it, beside the peers, each of which lies elsewhere in memory.
#[derive(Debug, Clone, Copy, Default)]
struct Source {
    /// Where its beacons come from while there is nothing else to learn from them.
    place: Option<(Ipv4Addr, NonZeroU16)>,
    /// Whether there is nothing to wait for but its silence.
    quiet: bool,
    /// The last beacon that was taken so. The peer may have been heard since.
    heard_at: Instant,
}

/// Whose beacon it was.
pub(super) enum Heard<'a> {
    Stranger,
    /// A peer's from where it is known; there is nothing else to learn from it.
    Again,
    Known(&'a mut Peer),
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn get(&self, id: &PeerId) -> Option<&Peer> {
        let place = self.find(id).ok()?;
        self.peers.get(place).map(|peer| &**peer)
    }

    pub(super) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        let place = self.find(id).ok()?;
        let source = self.sources.get(place)?;
        let peer = self.peers.get_mut(place)?;
        peer.heard_at = peer.heard_at.max(source.heard_at);
        Some(peer)
    }

    /// When the last sign of life came from a peer.
    pub(super) fn heard_at(&self, id: &PeerId) -> Option<Instant> {
        let place = self.find(id).ok()?;
        let source = self.sources.get(place)?;
        Some(self.peers.get(place)?.heard_at.max(source.heard_at))
    }

    /// Takes a beacon of a known peer; gives the peer if there is more to learn from it than that it is there.
    pub(super) fn hear(&mut self, id: &PeerId, endpoint: &Endpoint, now: Instant) -> Heard<'_> {
        let Ok(place) = self.find(id) else {
            return Heard::Stranger;
        };
        match (self.sources.get_mut(place), self.peers.get_mut(place)) {
            (Some(source), _) if source.place.is_some() && source.place == plain(endpoint) => {
                source.heard_at = now;
                Heard::Again
            }
            (Some(source), Some(peer)) => {
                peer.heard_at = peer.heard_at.max(source.heard_at);
                Heard::Known(peer)
            }
            _ => Heard::Stranger,
        }
    }

    /// From now on there is nothing else to learn from a peer's beacons, if they come from where it is known.
    pub(super) fn expect_beacons(&mut self, id: &PeerId) {
        if let Ok(place) = self.find(id)
            && let (Some(source), Some(peer)) = (self.sources.get_mut(place), self.peers.get(place))
        {
            source.place = plain(&peer.endpoint);
        }
    }

    /// Says whether there is nothing to wait for with a peer but its silence.
    pub(super) fn set_quiet(&mut self, id: &PeerId, quiet: bool) {
        if let Ok(place) = self.find(id)
            && let (Some(source), Some(peer)) = (self.sources.get_mut(place), self.peers.get(place))
        {
            source.quiet = quiet;
            source.heard_at = source.heard_at.max(peer.heard_at);
        }
    }

    /// The quiet peers that may have been silent for some time, and when the first of the others may have been.
    pub(super) fn silent(&self, time: Duration, now: Instant) -> (Vec<PeerId>, Option<Instant>) {
        let (mut silent, mut next) = (Vec::new(), None);
        for (id, source) in self.ids.iter().zip(&self.sources) {
            let at = source.heard_at + time;
            if source.quiet && at <= now {
                silent.push(*id);
            } else if source.quiet && next.is_none_or(|next| at < next) {
                next = Some(at);
            }
        }
        (silent, next)
    }

    /// Puts a peer in, in place of one with the same identity.
    pub(super) fn insert(&mut self, peer: Peer) {
        let id = peer.id;
        let peer = Box::new(peer);
        match self.find(&id) {
            Ok(place) => {
                if let (Some(old), Some(source)) =
                    (self.peers.get_mut(place), self.sources.get_mut(place))
                {
                    *old = peer;
                    *source = Source::default();
                }
            }
            Err(place) => {
                self.ids.insert(place, id);
                self.peers.insert(place, peer);
                self.sources.insert(place, Source::default());
            }
        }
    }

    pub(super) fn remove(&mut self, id: &PeerId) -> Option<Peer> {
        let place = self.find(id).ok()?;
        self.ids.remove(place);
        self.sources.remove(place);
        Some(*self.peers.remove(place))
    }

    pub(super) fn ids(&self) -> &[PeerId] {
        &self.ids
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().map(|peer| &**peer)
    }

    /// Where an identity stands, or would.
    fn find(&self, id: &PeerId) -> Result<usize, usize> {
        let Range { start, end } = self.bracket(id);
        let found = self
            .ids
            .get(start..end)
            .unwrap_or_default()
            .binary_search(id);
        found
            .map(|place| start + place)
            .map_err(|place| start + place)
    }

    /// Some places among which an identity must be, found from its guessed place with steps that double.
    fn bracket(&self, id: &PeerId) -> Range<usize> {
        let guess = guess(id, self.len());
        let is_before = |place: usize| self.ids.get(place).is_some_and(|other| other < id);
        let mut step = 4;
        if is_before(guess) {
            let (mut start, mut end) = (guess, guess + step);
            while is_before(end) {
                step *= 2;
                (start, end) = (end, end + step);
            }
            start..(end + 1).min(self.len())
        } else {
            let (mut start, mut end) = (guess.saturating_sub(step), guess + 1);
            while start > 0 && !is_before(start) {
                step *= 2;
                (start, end) = (start.saturating_sub(step), start + 1);
            }
            start..end.min(self.len())
        }
    }
}

/// An endpoint that takes little room, as nearly all are.
fn plain(endpoint: &Endpoint) -> Option<(Ipv4Addr, NonZeroU16)> {
    match endpoint.host() {
        Host::V4(address) => Some((*address, endpoint.port())),
        _ => None,
    }
}

/// Where an identity would stand among so many that are spread evenly.
fn guess(id: &PeerId, len: usize) -> usize {
    let share = u128::from_be_bytes(id.to_bytes()) >> 64;
    usize::try_from((share * len as u128) >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn table(ids: &[PeerId]) -> Table {
        Table {
            ids: ids.to_vec(),
            peers: vec![],
            sources: vec![],
        }
    }

    fn check(mut numbers: Vec<u128>) {
        numbers.sort_unstable();
        numbers.dedup();
        let id = |number: u128| PeerId::from(number.to_be_bytes());
        let ids: Vec<_> = numbers.iter().copied().map(id).collect();
        let table = table(&ids);
        for number in numbers {
            for probe in [number.saturating_sub(1), number, number.saturating_add(1)] {
                assert_eq!(
                    table.find(&id(probe)),
                    ids.binary_search(&id(probe)),
                    "{probe:x}"
                );
            }
        }
        for probe in [0, 1, u128::MAX / 2, u128::MAX] {
            assert_eq!(
                table.find(&id(probe)),
                ids.binary_search(&id(probe)),
                "{probe:x}"
            );
        }
    }

    #[test]
    fn an_identity_is_found_wherever_it_stands() {
        // As they come, as an adversary would choose them, and few.
        let spread = |count: u128| {
            (0..count).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
        };
        check(spread(1000).collect());
        check((0..1000).collect());
        check((0..1000).map(|n| u128::MAX - n).collect());
        check(
            (0..1000)
                .map(|n| (1 << 127) + n)
                .chain([3, u128::MAX])
                .collect(),
        );
        for count in 0..20 {
            check(spread(count).collect());
        }
    }
}
