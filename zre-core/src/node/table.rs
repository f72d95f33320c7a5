//! The table of peers, made for beacons: these come far more often than anything else.

use alloc::{boxed::Box, vec::Vec};
use core::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    ops::Range,
    time::Duration,
};

use zre_proto::{Endpoint, Host, PeerId};

use super::{peer::Peer, place::is_source};
use crate::{config::Config, time::Instant};

/// The peers, in the order of their identities.
///
/// Each beacon looks up its sender, so look-ups are far more frequent than comings and goings. The
/// identities lie in one sorted list. They are mostly random, so the position of one can be guessed
/// to within a few. Identities that somebody chose make the guess worse, but a search never takes
/// more than two steps for each doubling of the table.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Table {
    ids: Vec<PeerId>,
    /// In the order of `ids`.
    #[expect(
        clippy::vec_box,
        reason = "inserting moves the others, and a `Peer` is large"
    )]
    peers: Vec<Box<Peer>>,
    /// In the order of `ids`.
    sources: Vec<Source>,
}

/// The fields that a repeated beacon touches, kept together to avoid a cache miss on the boxed
/// [`Peer`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Source {
    /// A beacon from here only updates `heard_at`: the peer has entered and is connected here.
    cached_endpoint: Option<(Ipv4Addr, NonZeroU16)>,
    /// Whether nothing is awaited from the peer, so that it has no timer of its own.
    quiet: bool,
    /// Whether beacons have come from it. From one of which this is not known, silence means less.
    is_announced: bool,
    /// When the last beacon came that did not touch the peer. [`Peer::heard_at`] may be later.
    heard_at: Instant,
}

/// Whose beacon came.
pub(super) enum Heard<'a> {
    /// Of nobody in the table.
    Stranger,
    /// Of a known peer, from a place where it has been heard before: it has been noted, and nothing
    /// else follows.
    Again,
    /// Of a known peer, which may have something to learn from it.
    Known(&'a mut Peer),
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn ids(&self) -> &[PeerId] {
        &self.ids
    }

    /// The peers. Their `heard_at` may lack the last beacons.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().map(|peer| &**peer)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.peers.iter_mut().map(|peer| &mut **peer)
    }

    /// A peer. Its `heard_at` may lack the last beacons; see [`last_heard`](Self::last_heard).
    pub(super) fn get(&self, id: &PeerId) -> Option<&Peer> {
        let position = self.find(id).ok()?;
        self.peers.get(position).map(|peer| &**peer)
    }

    /// A peer, with its `heard_at` brought up to date.
    pub(super) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.entry(id).map(|(peer, _)| peer)
    }

    /// A peer, with its `heard_at` brought up to date, and its [`Source`].
    pub(super) fn entry(&mut self, id: &PeerId) -> Option<(&mut Peer, &mut Source)> {
        let position = self.find(id).ok()?;
        let source = self.sources.get_mut(position)?;
        let peer = self.peers.get_mut(position)?;
        peer.heard_at = peer.heard_at.max(source.heard_at);
        Some((peer, source))
    }

    /// A peer, and when the last sign of life came from it.
    pub(super) fn last_heard(&self, id: &PeerId) -> Option<(&Peer, Instant)> {
        let position = self.find(id).ok()?;
        let (peer, source) = (self.peers.get(position)?, self.sources.get(position)?);
        Some((peer, peer.heard_at.max(source.heard_at)))
    }

    /// Takes a beacon, and gives its sender if more follows from it than that it is there.
    #[inline(always)] // For each beacon in the open; that it is there for those with keys, too,
    // would make it a call of its own.
    pub(super) fn hear(
        &mut self,
        id: &PeerId,
        from: SocketAddr,
        config: &Config,
        now: Instant,
    ) -> Heard<'_> {
        let Ok(position) = self.find(id) else {
            return Heard::Stranger;
        };
        match (self.sources.get_mut(position), self.peers.get_mut(position)) {
            (Some(source), _)
                if source.cached_endpoint.is_some() && source.cached_endpoint == of_v4(from) =>
            {
                source.heard_at = now;
                Heard::Again
            }
            (Some(source), Some(peer)) => {
                peer.heard_at = peer.heard_at.max(source.heard_at);
                // The next one from here need not touch the peer. Before it has entered, each
                // beacon may change more than `heard_at`.
                if peer.is_ready() && is_source(&peer.endpoint, from) {
                    source.cached_endpoint = of_v4(from);
                } else if peer.hears_again(from, config, now) {
                    return Heard::Again;
                }
                Heard::Known(peer)
            }
            _ => Heard::Stranger,
        }
    }

    /// The quiet peers from which no beacon has come for a time, which depends on whether any ever
    /// have, and when this will first be true of another. They may have sent messages meanwhile.
    pub(super) fn silent(
        &self,
        time: impl Fn(bool) -> Duration,
        now: Instant,
    ) -> (Vec<PeerId>, Option<Instant>) {
        let (announced, unannounced) = (time(true), time(false));
        // A walk over the small sources, without touching the peers.
        let (mut silent, mut next) = (Vec::new(), None);
        for (id, source) in self.ids.iter().zip(&self.sources) {
            let time = match source.is_announced {
                true => announced,
                false => unannounced,
            };
            let at = source.heard_at + time;
            if source.quiet && at <= now {
                silent.push(*id);
            } else if source.quiet && next.is_none_or(|next| at < next) {
                next = Some(at);
            }
        }
        (silent, next)
    }

    /// Inserts a peer that is not in the table.
    pub(super) fn insert(&mut self, peer: Peer) {
        let id = peer.id();
        if let Err(position) = self.find(&id) {
            self.ids.insert(position, id);
            self.peers.insert(position, Box::new(peer));
            self.sources.insert(position, Source::default());
        }
    }

    pub(super) fn remove(&mut self, id: &PeerId) -> Option<Peer> {
        let position = self.find(id).ok()?;
        self.ids.remove(position);
        self.sources.remove(position);
        Some(*self.peers.remove(position))
    }

    /// The position of an identity, or where it would be inserted.
    fn find(&self, id: &PeerId) -> Result<usize, usize> {
        let Range { start, end } = self.bracket(id);
        let found = self
            .ids
            .get(start..end)
            .unwrap_or_default()
            .binary_search(id);
        found
            .map(|position| start + position)
            .map_err(|position| start + position)
    }

    /// The positions among which an identity must be, found from the guessed one with steps that
    /// double. A wrong guess costs time and nothing else.
    fn bracket(&self, id: &PeerId) -> Range<usize> {
        let guess = guess(id, self.len());
        let is_before = |position: usize| self.ids.get(position).is_some_and(|other| other < id);
        // Where a random identity stands differs from the guess by about the root of the length, so
        // the first step mostly does not suffice in large tables, and the doubling soon does.
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
    /// The peer is connected elsewhere from now on.
    pub(super) fn forget_endpoint(&mut self) {
        self.cached_endpoint = None;
    }

    /// Notes whether the peer has no timer of its own, and how and when it was last heard.
    pub(super) fn set_quiet(&mut self, quiet: bool, is_announced: bool, heard_at: Instant) {
        (self.quiet, self.is_announced) = (quiet, is_announced);
        self.heard_at = self.heard_at.max(heard_at);
    }
}

/// A place in little memory. One with a host name or IPv6 address is not cached.
pub(super) fn plain(endpoint: &Endpoint) -> Option<(Ipv4Addr, NonZeroU16)> {
    match endpoint.host() {
        Host::V4(address) => Some((*address, endpoint.port())),
        // It may be an IPv4 address in another spelling.
        _ => match endpoint.canonical().host() {
            Host::V4(address) => Some((*address, endpoint.port())),
            _ => None,
        },
    }
}

fn of_v4(source: SocketAddr) -> Option<(Ipv4Addr, NonZeroU16)> {
    let SocketAddr::V4(source) = source else {
        return None;
    };
    Some((*source.ip(), NonZeroU16::new(source.port())?))
}

/// The position of an identity among `len` that are spread evenly.
fn guess(id: &PeerId, len: usize) -> usize {
    // The first half of the identity, as a fraction of 2^64, times the length.
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
