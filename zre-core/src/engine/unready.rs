//! Connections that came in and belong to no peer yet. Anybody can open them, so they are few and hold little.

use super::{
    Engine, LinkId,
    connections::{Connection, End},
};
use crate::notice::Notice;

/// All of them together.
#[derive(Debug, Default)]
pub(super) struct Unready {
    links: usize,
    /// Octets of memory that wait for the rest of a message.
    bytes: usize,
}

impl Unready {
    /// One of them belongs to a peer, or is gone.
    pub(super) fn remove(&mut self, connection: &mut Connection) {
        self.links -= 1;
        self.bytes -= core::mem::take(&mut connection.counted);
    }
}

impl Engine {
    /// One more has come in. If they are too many, the oldest goes.
    pub(super) fn count_unready(&mut self) {
        self.unready.links += 1;
        let limit = self.node.config().limits.unclaimed_links;
        if self.unready.links <= limit {
            return;
        }
        let mut unready = self.connections.iter().filter(|(_, it)| it.is_unready());
        if let Some((link, connection)) = unready.next() {
            if let End::Accepted { remote, .. } = connection.end {
                self.notices.push(Notice::LinkLimit { remote, limit });
            }
            self.close(*link);
        }
    }

    /// A connection has been read. If all that belong to nobody now hold too much, those that hold most go: what
    /// an honest peer says first mostly comes in one piece.
    pub(super) fn weigh_unready(&mut self, link: LinkId) {
        let connection = self.connections.get_mut(&link);
        let Some(connection) = connection.filter(|connection| connection.is_unready()) else {
            return;
        };
        let held = connection.link.held();
        self.unready.bytes -= core::mem::replace(&mut connection.counted, held);
        self.unready.bytes += held;
        let limit = self.node.config().limits.unclaimed_bytes;
        while self.unready.bytes > limit {
            let unready = self.connections.iter().filter(|(_, it)| it.is_unready());
            let Some((link, connection)) = unready.max_by_key(|(_, it)| it.counted) else {
                return;
            };
            if let End::Accepted { remote, .. } = connection.end {
                self.notices.push(Notice::UnclaimedBytes { remote, limit });
            }
            self.close(*link);
        }
    }
}
