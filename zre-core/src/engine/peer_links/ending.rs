//! How the connections of a peer end.

use alloc::string::ToString as _;
use core::time::Duration;

use super::{LinksEffect, Outgoing, PeerLinks};
use crate::{
    backlog::{Backlog, Patience},
    engine::{
        context::{EngineContext, EngineTimer},
        output::Output,
    },
    error::Fault,
    event::ExitReason,
    link::Connection,
    node::Node,
};

/// How long the connection from a peer may be idle after the connection to it broke.
const LOST_GRACE: Duration = Duration::from_millis(500);
/// How long it may go on at most after that: what is sent to the peer meanwhile is refused, and a
/// program that sent something before is to hear of the end.
const LOST_AT_MOST: Duration = Duration::from_millis(500);
/// How much later than the end of the connections a goodbye beacon, or the HELLO of a new session,
/// may come.
const BEACON_GRACE: Duration = Duration::from_millis(100);

impl<C: Connection> PeerLinks<C> {
    /// The system says that the connection to the peer cannot be made, or has ended.
    pub(in crate::engine) fn outgoing_ended(
        &mut self,
        error: &str,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        match &mut self.outgoing {
            Outgoing::Opening { .. } => self.attempt_failed(error, node, cx),
            Outgoing::Open(link) => {
                link.uncount(&mut cx.unfinished);
                cx.remove_link(link.id);
                if !node.is_ready(self.peer) {
                    self.outgoing = Outgoing::Unopened;
                    return LinksEffect::Refused;
                }
                // While the peer's own connection goes on, what it sent may still come there.
                let grace = match self.incoming {
                    Some(_) => LOST_GRACE,
                    None => BEACON_GRACE,
                };
                self.lose(grace, node.backlog(), cx);
                LinksEffect::Nothing
            }
            Outgoing::Unopened | Outgoing::Retrying { .. } | Outgoing::Lost { .. } => {
                LinksEffect::Nothing
            }
        }
    }

    /// The connection from the peer has ended, and another may be its.
    pub(in crate::engine) fn drop_incoming(&mut self, cx: &mut EngineContext) {
        if let Some(mut incoming) = self.incoming.take() {
            incoming.uncount(&mut cx.unfinished);
            cx.remove_link(incoming.id);
        }
    }

    /// The connection from the peer has ended. No more messages can come, so the session is over
    /// and the connection to the peer is closed, too.
    pub(in crate::engine) fn incoming_ended(
        &mut self,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        self.drop_incoming(cx);
        cx.deadlines.clear(EngineTimer::Reconnect(self.peer));
        self.close_outgoing(cx);
        self.lose(BEACON_GRACE, node.backlog(), cx);
        match node.is_leaving(self.peer) {
            // Its goodbye is here already, so there is nothing to wait for.
            true => LinksEffect::Disconnected,
            false => LinksEffect::Nothing,
        }
    }

    /// What came over the connection to the peer breaks the protocol.
    pub(in crate::engine) fn outgoing_broken(
        &mut self,
        fault: Fault,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        if let Outgoing::Opening { link, .. } = &self.outgoing {
            let id = link.id;
            let effect = self.attempt_failed(fault.to_string(), node, cx);
            cx.outputs.push(Output::Close(id));
            return effect;
        }
        self.close_outgoing(cx);
        match node.is_ready(self.peer) {
            // For a pending peer a fault would only be noted, and it would wait without a
            // connection until its time is over.
            true => LinksEffect::Fault(fault),
            false => LinksEffect::Remove(ExitReason::ConnectionLost),
        }
    }

    /// The handshake is over, and shows that somebody else is there.
    pub(in crate::engine) fn refuse_opened(
        &mut self,
        error: &str,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        let Outgoing::Opening { link, .. } = &self.outgoing else {
            return LinksEffect::Nothing;
        };
        let id = link.id;
        let effect = self.attempt_failed(error, node, cx);
        cx.outputs.push(Output::Close(id));
        effect
    }

    /// What came over the connection from the peer breaks the protocol.
    pub(in crate::engine) fn incoming_broken(
        &mut self,
        fault: Fault,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        self.close_incoming(cx);
        LinksEffect::Fault(fault)
    }

    /// The connection to the peer broke some time ago. The peer may be gone, or only our connection
    /// to it. What it sent before still comes over its own connection. So the peer is removed when
    /// that ends, or when nothing more comes over it.
    pub(in crate::engine) fn check_lost(
        &mut self,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        let Outgoing::Lost { since, patience } = &mut self.outgoing else {
            return LinksEffect::Nothing;
        };
        let (now, since) = (cx.now, *since);
        let Some(incoming) = &self.incoming else {
            return LinksEffect::Disconnected;
        };
        let is_idle = now.since(incoming.read_at) >= LOST_GRACE;
        // A peer that sends on and on cannot be kept for ever, as it cannot be sent to.
        let may_be_over = is_idle || now.since(since) >= LOST_AT_MOST;
        if patience.is_over(now, LOST_GRACE, Some(self.peer), node.backlog()) {
            if may_be_over {
                return LinksEffect::Disconnected;
            }
            *patience = Patience::until(now + LOST_GRACE, node.backlog());
        }
        cx.deadlines
            .set(EngineTimer::Lost(self.peer), patience.deadline());
        LinksEffect::Nothing
    }

    pub(in crate::engine) fn is_lost(&self) -> bool {
        matches!(self.outgoing, Outgoing::Lost { .. })
    }

    pub(super) fn lose(&mut self, grace: Duration, backlog: &Backlog, cx: &mut EngineContext) {
        let patience = Patience::until(cx.now + grace, backlog);
        cx.deadlines
            .set(EngineTimer::Lost(self.peer), patience.deadline());
        let since = cx.now;
        self.outgoing = Outgoing::Lost { since, patience };
    }

    pub(super) fn close_outgoing(&mut self, cx: &mut EngineContext) {
        if let Outgoing::Opening { link, .. } | Outgoing::Open(link) =
            core::mem::take(&mut self.outgoing)
        {
            link.close(cx);
        }
    }

    /// Closes the connection that the peer opened to us, if there is one.
    pub(in crate::engine) fn close_incoming(&mut self, cx: &mut EngineContext) {
        if let Some(incoming) = self.incoming.take() {
            incoming.close(cx);
        }
    }

    pub(super) fn clear_timers(&self, cx: &mut EngineContext) {
        cx.deadlines.clear(EngineTimer::Reconnect(self.peer));
        cx.deadlines.clear(EngineTimer::Lost(self.peer));
    }
}
