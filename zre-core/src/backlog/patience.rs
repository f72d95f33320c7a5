//! Deadlines that stand still while a peer is not read.

use alloc::collections::BTreeMap;
use core::time::Duration;

use zre_proto::PeerId;

use super::Backlog;
use crate::time::Instant;

/// When something that was not read could be read again.
#[derive(Debug, Default)]
pub(super) struct Reliefs {
    /// How many there have been.
    count: u64,
    /// Which of them was the last that ended a congestion.
    of_all: u64,
    /// Which of them was the last of each peer that has been held.
    of_peers: BTreeMap<PeerId, u64>,
}

impl Reliefs {
    /// A congestion has ended, or a peer is held no more.
    pub(super) fn note(&mut self, peer: Option<PeerId>) {
        self.count += 1;
        match peer {
            Some(peer) => _ = self.of_peers.insert(peer, self.count),
            None => self.of_all = self.count,
        }
    }

    /// Whether so few peers are remembered that some of them may be gone.
    pub(super) fn are_few(&self) -> bool {
        self.of_peers.len() < 1024
    }

    /// Nothing is awaited from a peer any more.
    pub(super) fn forget(&mut self, peer: PeerId) {
        self.of_peers.remove(&peer);
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.of_peers.len()
    }

    /// The last that concerns a peer; `None` is for what is no known peer's.
    fn last_of(&self, peer: Option<PeerId>) -> u64 {
        let own = peer.and_then(|peer| self.of_peers.get(&peer));
        own.copied().unwrap_or_default().max(self.of_all)
    }
}

/// A deadline for something that a peer must do, which stands still while the peer is not read.
///
/// While the application is behind, a node [does not take](crate::Node::may_take) messages of some
/// peers or of all. So such a peer may have done what it must do, and its message lies unread. Such
/// a deadline therefore never passes while the peer is not read, nor the first time afterwards: it
/// is extended instead. The extension is the time to read what lay unread. The deadlines of other
/// peers go on.
///
/// [`Node::patience_until`](crate::Node::patience_until) makes one, and
/// [`Node::is_patience_over`](crate::Node::is_patience_over) asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    until: Instant,
    /// How many reliefs there had been when the deadline was set.
    reliefs: u64,
}

impl Patience {
    /// When to ask whether the time is over.
    pub fn deadline(&self) -> Instant {
        self.until
    }

    /// A deadline at `until`.
    pub(crate) fn until(until: Instant, backlog: &Backlog) -> Self {
        let reliefs = backlog.reliefs.count;
        Self { until, reliefs }
    }

    /// Whether the time is over. If the peer was not read meanwhile, it is not: the deadline is
    /// then moved to `extension` from now. `None` is for what is no known peer's, which is not read
    /// only during a congestion.
    pub(crate) fn is_over(
        &mut self,
        now: Instant,
        extension: Duration,
        peer: Option<PeerId>,
        backlog: &Backlog,
    ) -> bool {
        if now < self.until {
            return false;
        }
        let is_read = match peer {
            Some(peer) => backlog.may_take(peer),
            None => !backlog.is_congested(),
        };
        if is_read && backlog.reliefs.last_of(peer) <= self.reliefs {
            return true;
        }
        // Made anew, so that it notices a further pause, and this one no more.
        *self = Self::until(now + extension, backlog);
        false
    }

    /// Moves the deadline. A pause that ended since it was first set still extends it.
    pub(crate) fn move_to(&mut self, until: Instant) {
        self.until = until;
    }
}

/// Notices that something can be read again.
#[derive(Debug, Default)]
pub(crate) struct ReliefWatch {
    /// How many reliefs there had been when it was asked last.
    seen: u64,
}

impl ReliefWatch {
    /// Whether something can be read again that could not when [`see`](ReliefWatch::see) was last
    /// called.
    pub(crate) fn has_news(&self, backlog: &Backlog) -> bool {
        self.seen != backlog.reliefs.count
    }

    /// That has been seen.
    pub(crate) fn see(&mut self, backlog: &Backlog) {
        self.seen = backlog.reliefs.count;
    }
}
