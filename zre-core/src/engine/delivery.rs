//! What comes over connections, and whether it is handed to the node.

use zre_proto::{Body, Message, MessageLimits, PeerId};

use super::{Engine, context::Owner, output::LinkId};
use crate::{
    error::{Fault, LinkError},
    link::{Connection, LinkEvent},
    node::{Admission, Node, Verdict},
    notice::{Notice, Notices},
    time::Instant,
};

impl<C: Connection> Engine<C> {
    /// Handles what has come over a connection.
    pub(super) fn receive(&mut self, link: LinkId) {
        let limits = self.node.config().limits.message();
        while let Some(owner) = self.cx.owner(link) {
            let may_have_more = match owner {
                Owner::Unclaimed => self.receive_unclaimed(link, &limits),
                Owner::Outgoing(peer) => self.receive_outgoing(peer, &limits),
                Owner::Incoming(peer) => self.receive_incoming(peer, &limits),
            };
            self.carry_out();
            if !may_have_more {
                break;
            }
        }
    }

    /// Takes what came over a connection that carries no session yet; `false` if nothing did.
    fn receive_unclaimed(&mut self, link: LinkId, limits: &MessageLimits) -> bool {
        let Some(unclaimed) = self.links.unclaimed.get_mut(link) else {
            return false;
        };
        let received = unclaimed.state.connection.receive(limits);
        match (received, unclaimed.claimed_peer()) {
            (Ok(None), _) => return false,
            (Ok(Some(LinkEvent::Open { peer })), _) => {
                unclaimed.claims = peer;
                let claims = unclaimed.claimed_peer();
                if claims == Some(self.node.id()) {
                    self.refuse_unclaimed(link, claims, LinkError::OwnIdentity);
                }
            }
            (Ok(Some(LinkEvent::Message(message))), Some(peer)) => {
                self.deliver_unclaimed(link, peer, message);
            }
            // No message comes before the other side has said who it is.
            (Ok(Some(LinkEvent::Message(_))), None) => {}
            (Err(Fault::Link(error)), claims) => self.refuse_unclaimed(link, claims, error),
            (Err(fault), peer) => {
                let (now, notices) = (self.cx.now, &mut self.cx.notices);
                malformed(&mut self.node, peer, fault, now, notices);
                self.links.unclaimed.close(link, &mut self.cx);
            }
        }
        true
    }

    fn deliver_unclaimed(&mut self, link: LinkId, peer: PeerId, message: Message) {
        let links = self.links.of_peer(peer);
        let is_overtaken = links.is_some_and(|links| links.is_overtaken(link));
        let (now, notices) = (self.cx.now, &mut self.cx.notices);
        match judge_unclaimed(&mut self.node, peer, message, is_overtaken, now, notices) {
            Fate::Keep => {}
            Fate::Close => self.links.unclaimed.close(link, &mut self.cx),
            Fate::Bind => {
                // A restart closes the old connections and opens a new one; that comes first.
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

    /// Closes a connection that carries no session for what came over it. If there is no session
    /// with the peer that it claims to be from, the node remembers the fault.
    fn refuse_unclaimed(&mut self, link: LinkId, claims: Option<PeerId>, error: LinkError) {
        let fault = Fault::from(error.clone());
        self.links.unclaimed.refuse(link, error, &mut self.cx);
        if let Some(peer) = claims.filter(|peer| !self.node.is_ready(*peer)) {
            self.node.handle_fault(peer, fault, self.cx.now);
        }
    }

    /// Takes what came over the connection that we opened to a peer; no messages do.
    fn receive_outgoing(&mut self, peer: PeerId, limits: &MessageLimits) -> bool {
        let Some(links) = self.links.of_peer_mut(peer) else {
            return false;
        };
        match links
            .outgoing_mut()
            .map(|link| link.connection.receive(limits))
        {
            None | Some(Ok(None)) => return false,
            Some(Ok(Some(LinkEvent::Open { .. }))) => links.opened(&mut self.cx),
            Some(Ok(Some(LinkEvent::Message(_)))) => {}
            Some(Err(fault)) => {
                let effect = links.outgoing_broken(fault, &self.node, &mut self.cx);
                self.apply(peer, effect);
            }
        }
        true
    }

    /// Takes messages from the connection that carries a peer's session, until the node wants
    /// something done: so one look-up serves for all that a read has brought.
    fn receive_incoming(&mut self, peer: PeerId, limits: &MessageLimits) -> bool {
        let now = self.cx.now;
        let Some(links) = self.links.of_peer_mut(peer) else {
            return false;
        };
        while let Some(from) = links.incoming_mut() {
            match from.connection.receive(limits) {
                Ok(None) => return false,
                Ok(Some(LinkEvent::Message(message))) => {
                    if judge_in_session(&mut self.node, peer, message, now) == Fate::Close {
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
            if self.node.has_outputs() {
                return true;
            }
        }
        false
    }

    /// All that came over a connection has been handled.
    pub(super) fn finish_receiving(&mut self, link: LinkId) {
        let limits = &self.node.config().limits;
        match self.cx.owner(link) {
            None => {}
            Some(Owner::Unclaimed) => {
                let limit = limits.unclaimed_bytes;
                let unclaimed = &mut self.links.unclaimed;
                unclaimed.limit_unfinished(link, limit, &mut self.cx);
            }
            Some(owner) => {
                let limit = limits.unfinished_bytes;
                if let Some(state) = self.links.get_mut(owner, link) {
                    state.count_unfinished(&mut self.cx.unfinished);
                }
                self.limit_unfinished(limit);
            }
        }
        self.settle();
        self.tell_writable(link);
    }

    /// If the connections of all peers together hold too much of messages whose end has not come,
    /// those that hold most are closed.
    fn limit_unfinished(&mut self, limit: usize) {
        while self.cx.unfinished > limit
            && let Some(owner) = self.links.largest_unfinished()
        {
            let fault = Fault::from(LinkError::TooMuchUnfinished { limit });
            match owner {
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

/// What becomes of a connection after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
enum Fate {
    /// It stays as it is.
    Keep,
    /// It carries the peer's session from now on.
    Bind,
    Close,
}

/// A message over the connection that carries a peer's session.
fn judge_in_session(node: &mut Node, peer: PeerId, message: Message, now: Instant) -> Fate {
    match node.admits(peer, &message, true) {
        Admission::Admitted => {}
        Admission::Violation(fault) | Admission::Refused(fault) => {
            node.handle_fault(peer, fault, now);
            return Fate::Close;
        }
        Admission::Stray => return Fate::Keep,
    }
    match node.handle_message(&peer.into(), message, now) {
        Verdict::Accepted | Verdict::Ignored => Fate::Keep,
        Verdict::Refused(_) => Fate::Close,
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
    match node.admits(peer, &message, false) {
        Admission::Admitted if is_overtaken && matches!(message.body, Body::Hello(_)) => {
            // It belongs to a session that is over.
            notices.push(Notice::Stray { peer, kind });
            return Fate::Close;
        }
        Admission::Admitted => {}
        Admission::Violation(fault) | Admission::Refused(fault) => {
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
        Verdict::Refused(_) => Fate::Close,
    }
}

/// Something that is no message, over a connection that carries no session; it is closed.
fn malformed(
    node: &mut Node,
    peer: Option<PeerId>,
    fault: Fault,
    now: Instant,
    notices: &mut Notices,
) {
    match peer {
        // A stranger must not end the session of a peer that has entered.
        Some(peer) if node.is_ready(peer) => notices.push(Notice::Refused { peer, fault }),
        Some(peer) => node.handle_fault(peer, fault, now),
        None => {}
    }
}
