//! Whom the engine talks with, by the keys that connections prove.

use alloc::sync::Arc;
use core::time::Duration;

use zre_proto::{PeerId, RoutingId, curve::PublicKey};

use super::{
    Engine,
    context::{EngineTimer, Owner},
    output::LinkId,
};
use crate::{
    error::{Error, Fault},
    link::Connection,
    notice::Notice,
    security::{Security, Trust},
    time::Instant,
};

/// How long a connection that is refused may live until it has been written why.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(1);
/// Why whoever the user names is not connected to.
pub(super) const NOT_TRUSTED: &str = "its key is not trusted";

impl<C: Connection> Engine<C> {
    /// From now on these keys are trusted; see [`Node::set_trust`](crate::Node::set_trust).
    /// Connections of those that are not any more are closed.
    ///
    /// # Errors
    ///
    /// [`Error::NoSecurity`] if the node has no key itself, or [`Error::Stopped`].
    pub fn set_trust(&mut self, trust: Trust, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        self.node.set_trust(trust.clone(), self.cx.now)?;
        self.cx.set_trust(Arc::new(trust));
        self.carry_out();
        let node = &self.node;
        let is_meant = |key: &PublicKey| !node.trusts(key);
        self.links.unclaimed.close_where(is_meant, &mut self.cx);
        self.renew_gossip_trust();
        self.renew_fixed_trust();
        self.settle();
        Ok(())
    }

    /// The handshake of an accepted connection is over, in which the other side said who it is and,
    /// in a node with a key, proved to have one.
    pub(super) fn take_identity(
        &mut self,
        link: LinkId,
        identity: Option<RoutingId>,
        key: Option<PublicKey>,
    ) {
        let Some(unclaimed) = self.links.unclaimed.get_mut(link) else {
            return;
        };
        (unclaimed.said_identity, unclaimed.key) = (identity, key);
        let Some(peer) = unclaimed.said_peer() else {
            return;
        };
        if peer == self.node.id() {
            let fault = crate::LinkError::OwnIdentity.into();
            self.refuse_unclaimed(link, Some(peer), fault);
        } else {
            self.check_key(link, peer);
        }
    }

    /// Whether a connection may carry a message of a peer, by its key. If not, it is closed, and
    /// the peer does not suffer from it.
    pub(super) fn check_key(&mut self, link: LinkId, peer: PeerId) -> bool {
        let Some(key) = self.links.unclaimed.key(link) else {
            return true;
        };
        let Err(fault) = self.node.check_key(peer, Some(key)) else {
            return true;
        };
        if fault == Fault::NotTrusted {
            // It was trusted when the handshake began.
            self.node.handle_untrusted(peer, key, self.cx.now);
        } else {
            self.cx.notices.push(Notice::Refused { peer, fault });
        }
        self.links.unclaimed.close(link, &mut self.cx);
        false
    }

    /// An accepted connection is refused, as its key is not trusted. The other side is told, and
    /// mostly closes it then.
    pub(super) fn refuse_untrusted(
        &mut self,
        link: LinkId,
        identity: Option<RoutingId>,
        key: PublicKey,
    ) {
        if let Some(identity) = identity {
            let peer = identity.peer();
            self.node.handle_untrusted(peer, key, self.cx.now);
        }
        if let Some(unclaimed) = self.links.unclaimed.get_mut(link) {
            unclaimed.is_refused = true;
            let timer = EngineTimer::Handshake(link);
            self.cx.deadlines.set(timer, self.cx.now + REFUSED_FOR);
        }
    }

    /// Whether a connection has proved by its key to be a peer's, so that the peer need not be
    /// asked: one whose connections break, or that is restarted, goes on at once.
    pub(super) fn is_believed(&mut self, link: LinkId, peer: PeerId) -> bool {
        let key = self.links.unclaimed.key(link);
        // Most nodes have none.
        key.is_some()
            && key == self.node.proved_key(peer)
            && !self.node.security().is_some_and(Security::is_shared)
            && self.renewals.may_begin(peer, self.cx.now)
    }

    /// A connection asked for by [`Output::Open`](crate::Output::Open) was refused: the other side
    /// does not trust the key of this node. Only callers with whole messages see that, in place of
    /// `handle_connected`: with libzmq as `ZMQ_EVENT_HANDSHAKE_FAILED_AUTH`.
    pub(super) fn refused(&mut self, link: LinkId) {
        let error = crate::LinkError::RefusedKey("400".into());
        match self.cx.owner(link) {
            Some(Owner::Outgoing(peer)) => self.outgoing_broken(peer, error.into()),
            Some(Owner::Fixed(number)) => self.fixed_failed(number, &alloc::format!("{error}")),
            Some(owner @ Owner::GossipHub(_)) => {
                self.gossip_ended(link, owner, &alloc::format!("{error}"));
            }
            _ => {}
        }
    }
}
