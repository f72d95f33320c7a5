//! A map of peers that is made for beacons.

use alloc::{boxed::Box, vec::Vec};
use core::{net::Ipv4Addr, num::NonZeroU16, ops::Range, time::Duration};

use zre_proto::{Endpoint, Host, PeerId};

use super::peer::Peer;
use crate::time::Instant;

/// The peers, in the order of their identities.
///
/// Peers are looked up far more often than they come and go: each beacon of each peer looks up its
/// sender. The identities lie side by side. They are mostly random, so where one stands can be
/// guessed to within a few places. Chosen identities make the guess worse, but a search never takes
/// more than two steps for each doubling of the table.
#[derive(Debug, Default)]
pub(super) struct Table {
    ids: Vec<PeerId>,
    /// In the same order.
    #[expect(clippy::vec_box, reason = "to insert one moves the others")]
    peers: Vec<Box<Peer>>,
    /// In the same order.
    sources: Vec<Source>,
}

/// The fields that a repeated beacon touches, kept together to avoid a cache miss on the boxed
/// [`Peer`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Source {
    /// Where its beacons come from while there is nothing else to learn from them.
    place: Option<(Ipv4Addr, NonZeroU16)>,
    /// Whether there is nothing to wait for but its silence.
    quiet: bool,
    /// The last beacon that was taken here. The peer may have been heard since.
    heard_at: Instant,
}

/// Whose beacon it was.
pub(super) enum Heard<'a> {
    Stranger,
    /// A known peer's, from the same place as before: nothing else follows from it.
    Again,
    Known(&'a mut Peer),
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn ids(&self) -> &[PeerId] {
        &self.ids
    }

    /// The peers. What beacons told of them last may be missing.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().map(|peer| &**peer)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.peers.iter_mut().map(|peer| &mut **peer)
    }

    /// A peer. What beacons told of it last may be missing.
    pub(super) fn get(&self, id: &PeerId) -> Option<&Peer> {
        let place = self.find(id).ok()?;
        self.peers.get(place).map(|peer| &**peer)
    }

    /// A peer with all that is known of it.
    pub(super) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.entry(id).map(|(peer, _)| peer)
    }

    /// A peer with all that is known of it, and its [`Source`].
    pub(super) fn entry(&mut self, id: &PeerId) -> Option<(&mut Peer, &mut Source)> {
        let place = self.find(id).ok()?;
        let source = self.sources.get_mut(place)?;
        let peer = self.peers.get_mut(place)?;
        peer.heard_at = peer.heard_at.max(source.heard_at);
        Some((peer, source))
    }

    /// A peer, and when the last sign of life came from it.
    pub(super) fn last_heard(&self, id: &PeerId) -> Option<(&Peer, Instant)> {
        let place = self.find(id).ok()?;
        let (peer, source) = (self.peers.get(place)?, self.sources.get(place)?);
        Some((peer, peer.heard_at.max(source.heard_at)))
    }

    /// Takes a beacon of a known peer; gives the peer if there is more to learn from it than that
    /// it is there.
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
                // The next one from here need not touch the peer.
                if peer.is_ready() && peer.endpoint == *endpoint {
                    source.place = plain(endpoint);
                }
                Heard::Known(peer)
            }
            _ => Heard::Stranger,
        }
    }

    /// The quiet peers that may have been silent for some time, and when the first of the others
    /// may have been.
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

    /// Puts a peer in that is not there yet.
    pub(super) fn insert(&mut self, peer: Peer) {
        let id = peer.id();
        if let Err(place) = self.find(&id) {
            self.ids.insert(place, id);
            self.peers.insert(place, Box::new(peer));
            self.sources.insert(place, Source::default());
        }
    }

    pub(super) fn remove(&mut self, id: &PeerId) -> Option<Peer> {
        let place = self.find(id).ok()?;
        self.ids.remove(place);
        self.sources.remove(place);
        Some(*self.peers.remove(place))
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

    /// Some places among which an identity must be, found from its guessed place with steps that
    /// double. A wrong guess costs time and nothing else.
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

impl Source {
    /// Notes whether there is nothing to wait for but the peer's silence.
    pub(super) fn set_quiet(&mut self, quiet: bool, heard_at: Instant) {
        self.quiet = quiet;
        self.heard_at = self.heard_at.max(heard_at);
    }
}

/// An endpoint in little memory, as nearly all fit in.
pub(super) fn plain(endpoint: &Endpoint) -> Option<(Ipv4Addr, NonZeroU16)> {
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
