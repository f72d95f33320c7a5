//! What waits for the application besides events.

use alloc::collections::BTreeMap;

use zre_proto::PeerId;

use super::{Backlog, Room};

/// What waits elsewhere, and counts in the limits of the backlog.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Aside {
    pub(super) total: Room,
    of_peers: BTreeMap<PeerId, Room>,
}

impl Aside {
    pub(super) fn of_peer(&self, peer: PeerId) -> Room {
        self.of_peers.get(&peer).copied().unwrap_or_default()
    }

    fn add(&mut self, peer: PeerId, room: Room) {
        self.total += room;
        *self.of_peers.entry(peer).or_default() += room;
    }

    fn remove(&mut self, peer: PeerId, room: Room) {
        self.total -= room;
        if let Some(of_peer) = self.of_peers.get_mut(&peer) {
            *of_peer -= room;
            if of_peer.is_nothing() {
                self.of_peers.remove(&peer);
            }
        }
    }
}

impl Backlog {
    /// Something of a peer waits elsewhere for the application. It counts like so many events that
    /// hold so many bytes.
    pub(crate) fn set_aside(&mut self, peer: PeerId, events: usize, weight: usize) {
        let room = Room { events, weight };
        if room.is_nothing() {
            return;
        }
        self.aside.add(peer, room);
        self.total.weight += weight;
        if !self.is_simple {
            self.total.events += events;
        }
        // Below half of the limits, no peer can have more than is free.
        if self.is_half() {
            self.end_simplicity(self.queued);
            self.hold(Some(peer));
            self.simplify();
        }
    }

    /// What was [set aside](Self::set_aside) has been taken.
    pub(crate) fn take_aside(&mut self, peer: PeerId, events: usize, weight: usize) {
        let room = Room { events, weight };
        if room.is_nothing() {
            return;
        }
        self.aside.remove(peer, room);
        self.total.weight -= weight;
        if !self.is_simple {
            self.total.events -= events;
        }
        if self.is_holding() {
            self.end_simplicity(self.queued);
            let enough = self.limits.enough();
            self.end_congestion(enough);
            self.release(peer, enough);
            self.simplify();
        }
    }
}
