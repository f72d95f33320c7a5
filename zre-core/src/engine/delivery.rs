//! What comes over connections, and whether it is handed to the node.

use zre_proto::{Body, Message, MessageLimits, PeerId, RoutingId};

use super::{Engine, context::Owner, output::LinkId};
use crate::{
    error::{Fault, LinkError},
    link::{Connection, LinkEvent},
    node::{Admission, Node, Verdict},
    notice::{Notice, Notices},
    time::Instant,
};

impl<C: Connection> Engine<C> {
    /// Handles all that has come over a connection.
    pub(super) fn receive(&mut self, link: LinkId, owner: Owner) {
        let owner = self.deliver_all(link, owner);
        let has_output = self.count_unfinished(link, owner);
        self.settle();
        if has_output {
            self.tell_writable(link);
        }
        self.watch_for_relief();
    }

    /// Hands on what has come over a connection, and says who owns the connection then.
    fn deliver_all(&mut self, link: LinkId, mut owner: Owner) -> Option<Owner> {
        let limits = self.node.config().limits.message();
        loop {
            let may_have_more = match owner {
                Owner::Unclaimed => self.receive_unclaimed(link, &limits),
                Owner::Outgoing(peer) => self.receive_outgoing(peer, &limits),
                Owner::Incoming(peer) => self.receive_incoming(peer, &limits),
            };
            if !may_have_more {
                return Some(owner);
            }
            self.carry_out();
            // A message may have bound the connection to a peer, or closed it.
            owner = self.cx.owner(link)?;
        }
    }

    /// Takes one event of a connection that carries no session yet; `false` if there is none.
    fn receive_unclaimed(&mut self, link: LinkId, limits: &MessageLimits) -> bool {
        let Some(unclaimed) = self.links.unclaimed.get_mut(link) else {
            return false;
        };
        let received = unclaimed.state.connection.receive(limits);
        match (received, unclaimed.said_peer()) {
            (Ok(None), _) => return false,
            (Ok(Some(LinkEvent::Open { peer })), _) => self.take_identity(link, peer),
            (Ok(Some(LinkEvent::Message(message))), Some(peer)) => {
                self.deliver_unclaimed(link, peer, message);
            }
            // Cannot happen: no message comes before the other side has said who it is.
            (Ok(Some(LinkEvent::Message(_))), None) => {}
            (Err(fault), said_peer) => self.refuse_unclaimed(link, said_peer, fault),
        }
        true
    }

    /// The handshake of an accepted connection is over, in which the other side said who it is.
    fn take_identity(&mut self, link: LinkId, identity: Option<RoutingId>) {
        let Some(unclaimed) = self.links.unclaimed.get_mut(link) else {
            return;
        };
        unclaimed.said_identity = identity;
        let said_peer = unclaimed.said_peer();
        if said_peer == Some(self.node.id()) {
            self.refuse_unclaimed(link, said_peer, LinkError::OwnIdentity.into());
        }
    }

    fn deliver_unclaimed(&mut self, link: LinkId, peer: PeerId, message: Message) {
        let links = self.links.of_peer(peer);
        let is_overtaken = links.is_some_and(|links| links.is_overtaken(link));
        let (now, notices) = (self.cx.now, &mut self.cx.notices);
        match judge_unclaimed(&mut self.node, peer, message, is_overtaken, now, notices) {
            Fate::Keep => {}
            Fate::Close => self.links.unclaimed.close(link, &mut self.cx),
            Fate::Bind => {
                // First what the node wants: a restart closes the old connections and opens a new
                // one, and would otherwise close the one that is bound here.
                self.settle();
                if self.node.is_ready(peer)
                    && let Some(unclaimed) = self.links.unclaimed.remove(link)
                {
                    let links = self.links.add_peer(peer);
                    links.bind(unclaimed.state, &mut self.cx);
                }
            }
        }
    }

    /// Closes a connection that carries no session for what came over it.
    fn refuse_unclaimed(&mut self, link: LinkId, said_peer: Option<PeerId>, fault: Fault) {
        let is_link_fault = match &fault {
            Fault::Link(error) => {
                let unclaimed = &mut self.links.unclaimed;
                unclaimed.refuse(link, error.clone(), &mut self.cx);
                true
            }
            _ => {
                self.links.unclaimed.close(link, &mut self.cx);
                false
            }
        };
        let Some(peer) = said_peer else {
            return;
        };
        if !self.node.is_ready(peer) {
            // The node keeps a pending peer for longer then, so that its next beacon does not begin
            // the same thing again. Of an unknown one there is only a notice.
            self.node.handle_fault(peer, fault, self.cx.now);
        } else if !is_link_fault {
            // A stranger must not end the session of a peer that has entered. What is wrong with a
            // link has been told above, with its address.
            self.cx.notices.push(Notice::Refused { peer, fault });
        }
    }

    /// Takes what came over the connection that we opened to a peer; no messages do.
    fn receive_outgoing(&mut self, peer: PeerId, limits: &MessageLimits) -> bool {
        let Some(links) = self.links.of_peer_mut(peer) else {
            return false;
        };
        let Some(to) = links.outgoing_mut() else {
            return false;
        };
        match to.connection.receive(limits) {
            Ok(None) => return false,
            Ok(Some(LinkEvent::Open { .. })) => links.opened(&mut self.cx),
            // Cannot happen: a link refuses messages where it only sends.
            Ok(Some(LinkEvent::Message(_))) => {}
            Err(fault) => {
                let effect = links.outgoing_broken(fault, &self.node, &mut self.cx);
                self.apply(peer, effect);
            }
        }
        true
    }

    /// Takes messages from the connection that carries a peer's session, until the node wants
    /// something done. So one look-up of the connection serves for all messages of a read.
    fn receive_incoming(&mut self, peer: PeerId, limits: &MessageLimits) -> bool {
        let now = self.cx.now;
        let Some(links) = self.links.of_peer_mut(peer) else {
            return false;
        };
        while let Some(from) = links.incoming_mut() {
            match from.connection.receive(limits) {
                Ok(None) => return false,
                Ok(Some(LinkEvent::Message(message))) => {
                    let verdict = deliver_in_session(&mut self.node, peer, message, now);
                    if let Verdict::Violation(_) = verdict {
                        links.close_incoming(&mut self.cx);
                    }
                }
                // A connection is open before it is bound.
                Ok(Some(LinkEvent::Open { .. })) => {}
                Err(fault) => {
                    let effect = links.incoming_broken(fault, &mut self.cx);
                    self.apply(peer, effect);
                    return true;
                }
            }
            // Behind a message and not before: a connection of whole messages holds only one.
            if !self.node.may_take(peer) {
                self.reading.leave_rest_of(peer);
                return false;
            }
            // An output may close this connection, so it is carried out before the next message.
            if self.node.has_outputs() {
                return true;
            }
        }
        false
    }

    /// Counts what a connection holds of a message whose end has not come, now that it has been
    /// read. Whether something waits to be written to it.
    fn count_unfinished(&mut self, link: LinkId, owner: Option<Owner>) -> bool {
        let limits = &self.node.config().limits;
        let (unclaimed_limit, limit) = (limits.unclaimed_bytes, limits.unfinished_bytes);
        let Some(owner) = owner else {
            return false;
        };
        let Some(state) = self.links.get_mut(owner, link) else {
            return false;
        };
        // Before it is counted, which is for what the connection holds of its own.
        state.connection.return_memory(&mut self.memory);
        let has_output = state.connection.has_output();
        if owner == Owner::Unclaimed {
            // Strangers and peers have budgets of their own: a flood of connections that say
            // nothing must not take memory from the peers.
            let unclaimed = &mut self.links.unclaimed;
            unclaimed.limit_unfinished(link, unclaimed_limit, &mut self.cx);
        } else {
            state.count_unfinished(&mut self.cx.unfinished);
            self.limit_unfinished(limit);
        }
        has_output
    }

    /// If the connections of all peers together hold too much of messages whose end has not come,
    /// those that hold most are closed.
    fn limit_unfinished(&mut self, limit: usize) {
        while self.cx.unfinished > limit
            && let Some(owner) = self.links.largest_unfinished()
        {
            let fault = Fault::from(LinkError::TooMuchUnfinished { limit });
            match owner {
                // `largest_unfinished` looks at peers only.
                Owner::Unclaimed => {}
                Owner::Outgoing(peer) => {
                    self.with_links(peer, |links, node, cx| {
                        links.outgoing_broken(fault, node, cx)
                    });
                }
                Owner::Incoming(peer) => {
                    self.with_links(peer, |links, _, cx| links.incoming_broken(fault, cx));
                }
            }
        }
    }
}

/// What becomes of an unclaimed connection after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
enum Fate {
    /// It stays as it is.
    Keep,
    /// It carries the peer's session from now on.
    Bind,
    Close,
}

/// Gives the node a message that came over the connection which carries a peer's session.
#[inline] // Else it is called for each message, which takes two hundredths of a small one's time.
fn deliver_in_session(node: &mut Node, peer: PeerId, message: Message, now: Instant) -> Verdict {
    match node.check_bound(peer, &message) {
        Ok(()) => node.handle_message(&peer.into(), message, now),
        Err(fault) => {
            node.handle_fault(peer, fault.clone(), now);
            Verdict::Violation(fault)
        }
    }
}

/// A message over a connection that carries no session, from somebody who says that it is `peer`.
///
/// `is_overtaken` says whether a younger connection carries the session.
fn judge_unclaimed(
    node: &mut Node,
    peer: PeerId,
    message: Message,
    is_overtaken: bool,
    now: Instant,
    notices: &mut Notices,
) -> Fate {
    let kind = message.body.kind();
    match node.admits(peer, &message) {
        Admission::Admitted if is_overtaken && matches!(message.body, Body::Hello(_)) => {
            // A younger connection carries the session, so this HELLO was sent before it and came
            // late: it belongs to a session that is over, and would end the present one.
            notices.push(Notice::Stray { peer, kind });
            return Fate::Close;
        }
        Admission::Admitted => {}
        Admission::Foreign(fault) => {
            // The node would end the session for it, which a stranger must not bring about.
            notices.push(Notice::Refused { peer, fault });
            return Fate::Close;
        }
        Admission::Stray => {
            notices.push(Notice::Stray { peer, kind });
            node.suspect(peer, now);
            return Fate::Keep;
        }
    }
    match node.handle_message(&peer.into(), message, now) {
        Verdict::Accepted => Fate::Bind,
        Verdict::Ignored => Fate::Keep,
        Verdict::Violation(_) => Fate::Close,
    }
}
