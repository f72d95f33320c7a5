//! What connections hold together, and which of them lose when that is too much.
//!
//! Every budget exists for each peer and over all. Over it, those lose that stand still, then the
//! newest, and never one that moves.

use core::time::Duration;

use zre_proto::PeerId;

use super::{Engine, backpressure::SendCapacity, context::Owner, output::LinkId};
use crate::{
    error::{Fault, LinkError},
    link::Connection,
};

impl<C: Connection> Engine<C> {
    /// Counts what a connection holds of a message whose end has not come, now that it has been
    /// read. Whether something waits to be written to it.
    pub(super) fn count_unfinished(&mut self, link: LinkId, owner: Option<Owner>) -> bool {
        let Some(owner) = owner else {
            return false;
        };
        let Some(state) = self.links.get_mut(owner, link) else {
            return false;
        };
        // Before it is counted, which is for what the connection holds of its own.
        state.connection.return_memory(&mut self.memory);
        let has_output = state.connection.has_output();
        // Fixed peers that are not known yet are sent little and take nothing, gossip messages are
        // small, and the connections are few.
        if let Owner::Fixed(_) | Owner::GossipClient | Owner::GossipHub(_) = owner {
            return has_output;
        }
        let config = self.node.config();
        if owner == Owner::Unclaimed {
            // Strangers and peers have budgets of their own: a flood of connections that say
            // nothing must not take memory from the peers.
            let (unclaimed, limit) = (&mut self.links.unclaimed, config.limits.unclaimed_bytes);
            unclaimed.limit_unfinished(link, limit, &mut self.cx);
            return has_output;
        }
        let now = self.cx.now;
        state.count_unfinished(0, &mut self.cx.unfinished, now);
        if state.has_begun() {
            self.cx.begin_to_watch(config);
            self.limit_unfinished();
        }
        has_output
    }

    /// If the connections of all peers together hold too much of messages whose end has not come,
    /// those go that have stood still longest.
    fn limit_unfinished(&mut self) {
        let limit = self.node.config().limits.unfinished_bytes;
        while self.cx.unfinished > limit
            && let Some(owner) = self.links.stillest_begun()
        {
            self.break_link(owner, LinkError::TooMuchUnfinished { limit });
        }
    }

    /// Messages that peers have begun are looked at: those that have stood still for
    /// `expired_after` end their peers. One timer serves for all.
    pub(super) fn check_begun(&mut self) {
        self.cx.end_watch();
        let time = self.node.config().expired_after;
        for owner in self.links.check_begun(&self.node, &mut self.cx) {
            self.break_link(owner, LinkError::MessageStandsStill(time));
        }
    }

    /// How much may wait for one peer before sending to it is refused.
    pub(super) fn outbound_limit(&self) -> usize {
        self.cx.outbound.limit(&self.node.config().limits)
    }

    /// Whether a peer can be sent another message of the application.
    pub(super) fn capacity(&self, peer: PeerId) -> SendCapacity {
        let limit = self.outbound_limit();
        self.links.capacity(peer, limit, &self.node)
    }

    /// Counts what waits for all peers. Gives the part of each if that is more than the limit.
    pub(super) fn count_outbound(&mut self) -> Option<usize> {
        let limits = &self.node.config().limits;
        let (waiting, peers) = self.links.count_outbound(limits.outbound);
        let outbound = &mut self.cx.outbound;
        outbound.counted(waiting, peers, limits, self.cx.now)
    }

    /// The peer that is to be removed because what could not be refused is too much for all peers
    /// together.
    pub(super) fn overflowing_peer(&mut self) -> Option<PeerId> {
        if !self.cx.outbound.must_count(self.cx.now) {
            return None;
        }
        let share = self.count_outbound()?;
        let peer = self.links.overflowing(share, self.cx.now)?;
        self.cx.outbound.count_again();
        Some(peer)
    }

    /// Releases the memory of bursts. It walks over all connections, so that part is done at most
    /// once a second.
    pub(super) fn release_memory(&mut self) {
        const INTERVAL: Duration = Duration::from_secs(1);
        C::release_shared_memory(&mut self.memory);
        if C::KEEPS_MEMORY && self.cx.now.since(self.released_at) >= INTERVAL {
            self.released_at = self.cx.now;
            self.links.release_memory();
        }
    }

    /// A connection of a peer cannot go on.
    fn break_link(&mut self, owner: Owner, error: LinkError) {
        let fault = Fault::from(error);
        match owner {
            // Only peers are looked at.
            Owner::Unclaimed | Owner::Fixed(_) | Owner::GossipClient | Owner::GossipHub(_) => {}
            Owner::Outgoing(peer) => self.with_links(peer, |links, node, cx| {
                links.outgoing_broken(fault, node, cx)
            }),
            Owner::Incoming(peer) => {
                self.with_links(peer, |links, _, cx| links.incoming_broken(fault, cx));
            }
        }
        // The node disconnects the peer, and what its other connection holds is free, too.
        self.carry_out();
    }
}
