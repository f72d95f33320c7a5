//! An engine whose connections carry whole messages.

use core::net::SocketAddr;

use zre_proto::{GossipMessage, Message};

use super::{Engine, context::Owner, output::LinkId};
use crate::{
    config::Config,
    link::{Caller, Connection as _, MessageLink},
    seed::Seed,
    time::Instant,
};

impl Engine<MessageLink> {
    /// A running engine whose connections carry whole messages: for callers with a ZeroMQ library,
    /// and for simulations. See [`new`](Engine::new).
    pub fn with_messages(config: Config, seed: Seed, now: Instant) -> Self {
        Self::start(config, seed, now)
    }

    /// A connection came in from the node that `from` names. If more are unclaimed than the limit
    /// allows, the oldest of these is closed.
    pub fn handle_accepted(&mut self, remote: SocketAddr, from: Caller, now: Instant) -> LinkId {
        let connection = MessageLink::accepted(from, &self.cx.server_security());
        let link = self.accept(connection, remote, now);
        // There is no handshake to wait for: whom it comes from is judged now.
        self.receive(link, Owner::Unclaimed);
        link
    }

    /// A connection asked for by [`Output::Open`](crate::Output::Open) was refused: the other side
    /// does not trust the key of this node. This comes in place of
    /// [`handle_connected`](Engine::handle_connected); libzmq says it with
    /// `ZMQ_EVENT_HANDSHAKE_FAILED_AUTH`. The engine has closed the connection then.
    pub fn handle_refused(&mut self, link: LinkId, now: Instant) {
        self.cx.advance(now);
        self.refused(link);
        self.settle();
    }

    /// The node to which this connection was opened takes part in elections of leaders, as its
    /// READY says; see [`Node::handle_elector`](crate::Node::handle_elector). Say it behind
    /// [`handle_connected`](Engine::handle_connected).
    pub fn handle_elector(&mut self, link: LinkId, now: Instant) {
        self.cx.advance(now);
        if let Some(Owner::Outgoing(peer)) = self.cx.owner(link) {
            self.node.handle_elector(peer, self.cx.now);
            self.settle();
        }
    }

    /// A message came over a connection. Do not take messages from a connection that the engine
    /// [may not read](Engine::may_read).
    pub fn handle_message(&mut self, link: LinkId, message: Message, now: Instant) {
        self.cx.advance(now);
        let now = self.cx.now;
        if let Some(owner) = self.cx.owner(link)
            && let Some(state) = self.links.get_mut(owner, link)
        {
            state.read_at = now;
            state.connection.handle_message(message);
            self.receive(link, owner);
        }
    }

    /// Takes the next message for a connection that is there. When some have been taken, call
    /// [`handle_written`](Engine::handle_written).
    pub fn next_message(&mut self, link: LinkId) -> Option<Message> {
        let owner = self.cx.owner(link)?;
        let state = self.links.get_mut(owner, link)?;
        state.connection.next_message()
    }

    /// A message came over a connection for gossip.
    pub fn handle_gossip(&mut self, link: LinkId, message: GossipMessage, now: Instant) {
        self.cx.advance(now);
        let now = self.cx.now;
        if let Some(owner) = self.cx.owner(link)
            && let Some(state) = self.links.get_mut(owner, link)
        {
            state.read_at = now;
            state.connection.handle_gossip(message);
            self.receive(link, owner);
        }
    }

    /// Takes the next message for a connection for gossip. When some have been taken, call
    /// [`handle_written`](Engine::handle_written).
    pub fn next_gossip(&mut self, link: LinkId) -> Option<GossipMessage> {
        let owner = self.cx.owner(link)?;
        let state = self.links.get_mut(owner, link)?;
        state.connection.next_gossip()
    }

    /// How many bytes [`next_message`](Engine::next_message) or
    /// [`next_gossip`](Engine::next_gossip) would give, as on the wire.
    pub fn queued(&mut self, link: LinkId) -> usize {
        let owner = self.cx.owner(link);
        let found = owner.and_then(|owner| self.links.get_mut(owner, link));
        found.map_or(0, |state| state.connection.queued())
    }
}
