//! What comes in over connections.

use zre_proto::{Body, Message, MessageError, PeerId, RoutingId};

use super::{Engine, LinkId, connections::End};
use crate::{
    error::LinkError,
    link::Incoming,
    node::{Admission, Verdict},
    notice::Notice,
    time::Instant,
};

impl Engine {
    /// So many octets have been read into a connection's [`inbox`](Engine::inbox).
    ///
    /// # Panics
    ///
    /// Panics if there was not so much room.
    pub fn handle_read(&mut self, link: LinkId, count: usize, now: Instant) {
        self.advance(now);
        if let Some(connection) = self.connections.get_mut(&link) {
            connection.link.handle_read(count);
            connection.read_at = self.now;
        }
        let limits = self.node.config().limits.message();
        while let Some(connection) = self.connections.get_mut(&link) {
            match connection.link.next_incoming() {
                Ok(Some(Incoming::Open { peer })) => self.opened(link, peer),
                Ok(Some(Incoming::Message(content))) => match connection.end {
                    End::Accepted {
                        claims: Some(id),
                        bound,
                        ..
                    } => {
                        let (peer, bound) = (id.peer(), bound.is_some());
                        match Message::decode(connection.link.first(), content, &limits) {
                            Ok(message) => self.deliver(link, id, bound, message),
                            Err(error) => self.malformed(link, peer, bound, error),
                        }
                    }
                    // The link lets no message through before it has said whose it is, and none where we connected.
                    End::Accepted { claims: None, .. } | End::Outgoing(_) => {}
                },
                Ok(None) => break,
                Err(error) => self.close_faulty(link, error),
            }
            self.carry_out();
        }
        self.take_back_inbox();
        self.weigh(link);
        self.settle();
        self.tell_writable(link);
    }

    /// Counts what a connection holds of a message whose end has not come.
    fn weigh(&mut self, link: LinkId) {
        match self.connections.get(&link) {
            Some(connection) if connection.is_unready() => self.weigh_unready(link),
            Some(_) => self.weigh_unfinished(link),
            None => {}
        }
    }

    /// One of a peer in its session.
    fn weigh_unfinished(&mut self, link: LinkId) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        let held = connection.link.held();
        self.unfinished -= core::mem::replace(&mut connection.counted, held);
        self.unfinished += held;
        let limit = self.node.config().limits.unfinished_bytes;
        while self.unfinished > limit {
            let bound = self.connections.iter().filter(|(_, it)| !it.is_unready());
            let Some((link, _)) = bound.max_by_key(|(_, it)| it.counted) else {
                return;
            };
            self.close_faulty(*link, LinkError::TooMuchUnfinished { limit });
        }
    }

    /// A connection's handshake is over.
    fn opened(&mut self, link: LinkId, peer: Option<RoutingId>) {
        let Some(connection) = self.connections.get_mut(&link) else {
            return;
        };
        if let End::Accepted { claims, .. } = &mut connection.end {
            *claims = peer;
            if peer.is_some_and(|id| id.peer() == self.node.id()) {
                self.close_faulty(link, LinkError::OwnIdentity);
            }
        }
    }

    fn malformed(&mut self, link: LinkId, peer: PeerId, bound: bool, error: MessageError) {
        if bound || !self.node.is_ready(peer) {
            self.node.handle_fault(peer, error.into(), self.now);
        } else {
            let fault = error.into();
            self.notices.push(Notice::Refused { peer, fault });
        }
        self.close(link);
    }

    /// Hands a message to the node, if the connection can be the peer's; see
    /// [`Node::admits`](crate::Node::admits). A HELLO on a connection that a younger one has
    /// overtaken belongs to a session that is over.
    fn deliver(&mut self, link: LinkId, from: RoutingId, bound: bool, message: Message) {
        let (peer, kind) = (from.peer(), message.body.kind());
        match self.node.admits(peer, &message, bound) {
            Admission::Violation(fault) => {
                self.node.handle_fault(peer, fault, self.now);
                self.close(link);
                return;
            }
            Admission::Refused(fault) => {
                self.notices.push(Notice::Refused { peer, fault });
                self.close(link);
                return;
            }
            Admission::Stray => {
                self.notices.push(Notice::Stray { peer, kind });
                self.node.suspect(peer, self.now);
                return;
            }
            Admission::Admitted => {}
        }
        if matches!(message.body, Body::Hello(_)) && self.is_overtaken(link, peer) {
            self.notices.push(Notice::Stray { peer, kind });
            self.close(link);
            return;
        }
        match self.node.handle_message(&from, message, self.now) {
            Verdict::Accepted if !bound => {
                // A restart has closed the old paths and opened new ones; carry that out first.
                self.settle();
                self.bind(link, peer);
            }
            Verdict::Accepted | Verdict::Ignored => {}
            Verdict::Refused(_) => self.close(link),
        }
    }
}
