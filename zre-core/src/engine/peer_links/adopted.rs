//! Connections that were opened to a peer before it was known whose they would be; see
//! [`fixed`](crate::engine::fixed).

use alloc::boxed::Box;

use zre_proto::{Endpoint, KeyedEndpoint, curve::PublicKey};

use super::{Attempt, LinksEffect, Outgoing, PeerLinks};
use crate::{
    backlog::Patience,
    engine::{context::EngineContext, link_state::LinkState},
    link::Connection,
    node::Node,
};

impl<C: Connection> PeerLinks<C> {
    /// Whether we try to connect to the peer, or are connected.
    pub(in crate::engine) fn is_sought(&self) -> bool {
        !self.is_given_up()
    }

    /// Whether both connections have ended, so that the peer is about to be removed.
    pub(in crate::engine) fn is_ending(&self) -> bool {
        self.is_lost() && self.incoming.is_none()
    }

    /// Takes a connection that is being made to where the peer is, in place of an older one.
    pub(in crate::engine) fn adopt_unopened(
        &mut self,
        link: LinkState<C>,
        place: KeyedEndpoint,
        patience: Patience,
        cx: &mut EngineContext,
    ) {
        self.begin_anew(cx);
        cx.give_link(link.id, self.peer);
        // The user has given the endpoint, so nobody else makes us connect there.
        let attempt = Attempt::first(place, patience, true, cx.now);
        let attempt = Box::new(attempt);
        self.outgoing = Outgoing::Opening { link, attempt };
    }

    /// Takes a connection over which the peer has been sent HELLO, in place of an older one.
    pub(in crate::engine) fn adopt_greeted(
        &mut self,
        link: LinkState<C>,
        node: &Node,
        cx: &mut EngineContext,
    ) {
        self.begin_anew(cx);
        cx.give_link(link.id, self.peer);
        self.outgoing = Outgoing::Open(link);
        self.tell_writable(node, cx);
    }

    /// Takes the connection to the peer out, if it is open.
    pub(in crate::engine) fn take_open(&mut self) -> Option<LinkState<C>> {
        match core::mem::take(&mut self.outgoing) {
            Outgoing::Open(link) => Some(link),
            other => {
                self.outgoing = other;
                None
            }
        }
    }

    /// Where the connection that is being made goes.
    pub(in crate::engine) fn opening_to(&self) -> Option<&Endpoint> {
        match &self.outgoing {
            Outgoing::Opening { attempt, .. } => Some(&attempt.place.endpoint),
            _ => None,
        }
    }

    /// The key that the peer must have for the connection that is being made.
    pub(in crate::engine) fn opening_with(&self) -> Option<PublicKey> {
        match &self.outgoing {
            Outgoing::Opening { attempt, .. } => attempt.place.key,
            _ => None,
        }
    }

    /// Somebody else is where the peer was to be.
    pub(in crate::engine) fn refuse_place(
        &mut self,
        error: &str,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        let Outgoing::Opening { link, attempt } = core::mem::take(&mut self.outgoing) else {
            return LinksEffect::Nothing;
        };
        cx.notices.push(attempt.failure(self.peer, error.into()));
        link.close(cx);
        LinksEffect::Unreachable
    }
}
