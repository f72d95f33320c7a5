//! What comes over connections, and whether it is handed to the node.

use zre_proto::{Message, MessageLimits, PeerId};

use super::{Engine, context::Owner, output::LinkId, peer_links::LinksEffect};
use crate::{
    error::{Fault, LinkError},
    link::{Connection, LinkEvent},
    node::{Node, Verdict},
    time::Instant,
};

impl<C: Connection> Engine<C> {
    /// Handles all that has come over a connection.
    pub(super) fn receive(&mut self, link: LinkId, owner: Owner) {
        let owner = self.deliver_all(link, owner);
        self.links.unclaimed.note_change();
        let has_output = self.count_unfinished(link, owner);
        self.settle();
        if has_output {
            self.tell_writable(link);
        }
        self.watch_for_relief();
    }

    /// Hands on what has come over a connection, and says who owns the connection then.
    pub(super) fn deliver_all(&mut self, link: LinkId, mut owner: Owner) -> Option<Owner> {
        let limits = self.node.config().limits.message();
        loop {
            let may_have_more = match owner {
                Owner::Unclaimed => self.receive_unclaimed(link, &limits),
                Owner::Fixed(number) => self.receive_fixed(number),
                Owner::Outgoing(peer) => self.receive_outgoing(peer, &limits),
                Owner::Incoming(peer) => self.receive_incoming(peer, &limits),
                Owner::GossipClient | Owner::GossipHub(_) => self.receive_gossip(link, owner),
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
        if unclaimed.is_parked() {
            return self.listen(link);
        }
        let received = unclaimed.state.connection.receive(limits);
        match (received, unclaimed.said_peer()) {
            (Ok(None), _) => return false,
            (Ok(Some(LinkEvent::Open { peer, key })), _) => {
                self.take_identity(link, peer, key.map(|key| *key));
            }
            (Ok(Some(LinkEvent::Refused { peer, key })), _) => {
                self.refuse_untrusted(link, peer, *key);
            }
            (Ok(Some(LinkEvent::Message(message))), Some(peer)) => {
                self.take_claim(link, peer, message);
            }
            // Cannot happen: no message comes before the other side has said who it is.
            (Ok(Some(LinkEvent::Message(_))), None) => {}
            (Err(fault), said_peer) => self.refuse_unclaimed(link, said_peer, fault),
        }
        true
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
            // A secured connection is to whoever has the key. That it is another node, only its
            // identity can tell.
            Ok(Some(LinkEvent::Open {
                peer: Some(said),
                key: Some(_),
            })) if said.peer() != peer => {
                let effect = links.refuse_opened("another node is there", &self.node, &mut self.cx);
                self.apply(peer, effect);
            }
            Ok(Some(LinkEvent::Open { .. })) => {
                let place = links.opened(&mut self.cx);
                self.note_place(peer, place);
            }
            // Cannot happen: a link refuses messages where it only sends, and only one that accepts
            // refuses the other side.
            Ok(Some(LinkEvent::Message(_) | LinkEvent::Refused { .. })) => {}
            Err(fault) => self.outgoing_broken(peer, fault),
        }
        true
    }

    /// What came over the connection that we opened to a peer breaks the protocol, or says that the
    /// peer does not want it.
    pub(super) fn outgoing_broken(&mut self, peer: PeerId, fault: Fault) {
        let Some(links) = self.links.of_peer_mut(peer) else {
            return;
        };
        let refused = match fault {
            Fault::Link(LinkError::RefusedKey(_)) => links.opening_with(),
            _ => None,
        };
        let effect = links.outgoing_broken(fault, &self.node, &mut self.cx);
        self.apply(peer, effect);
        if let Some(key) = refused {
            self.apply(peer, LinksEffect::RefusedKey(key));
        }
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
                Ok(None) => {
                    links.is_in_doubt = links.is_in_doubt && self.node.is_in_doubt(peer);
                    return false;
                }
                Ok(Some(LinkEvent::Message(message))) => {
                    let verdict = deliver_in_session(&mut self.node, peer, message, now);
                    if let Verdict::Violation(_) = verdict {
                        links.close_incoming(&mut self.cx);
                    }
                }
                // A connection is open before it is bound.
                Ok(Some(LinkEvent::Open { .. } | LinkEvent::Refused { .. })) => {}
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
}

/// Gives the node a message that came over the connection which carries a peer's session.
#[inline] // Else it is called for each message, which takes two hundredths of a small one's time.
pub(super) fn deliver_in_session(
    node: &mut Node,
    peer: PeerId,
    message: Message,
    now: Instant,
) -> Verdict {
    match node.check_bound(peer, &message) {
        Ok(()) => node.handle_message(&peer.into(), message, now),
        Err(fault) => {
            node.handle_fault(peer, fault.clone(), now);
            Verdict::Violation(fault)
        }
    }
}
