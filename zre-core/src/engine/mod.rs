//! A node and its connections: bytes in and bytes out, or whole messages.
//!
//! [`Engine`] is the interface and carries out what the rules return; the rules are in the modules
//! and do not see each other's state. [`unclaimed`] holds the connections that came in and carry no
//! session yet, [`peer_links`] the two connections of a peer, and [`fixed`] those to endpoints of
//! the user of which it is not known yet whose they are. [`claims`] decides who may speak for
//! a peer, [`delivery`] hands messages to the node, [`reading`] says which connections are read
//! while the application is behind, [`backpressure`] what happens when a peer does not take what is
//! sent to it, [`shouts`] what a slow member of a group does to the others, and [`trust`] with whom
//! the engine talks, by their keys.

mod attempts;
mod backpressure;
mod begun;
mod budget;
mod bytes;
mod claims;
mod context;
mod delivery;
mod fixed;
mod giving_way;
mod gossip;
mod gossip_links;
mod keys;
mod link_state;
mod links;
mod messages;
mod networks;
mod outbound;
mod output;
mod peer_links;
mod places;
mod reading;
mod renewals;
mod requests;
mod shouts;
mod stopping;
mod trust;
mod unclaimed;

use alloc::boxed::Box;
use core::net::SocketAddr;

use zre_proto::{Content, GroupName, KeyedEndpoint, Message, PeerId, Text};

use crate::{
    config::Config,
    error::Error,
    event::{Event, ExitReason},
    gossip::Gossip,
    link::{Connection, Link},
    node::{Node, NodeOutput},
    notice::Notice,
    seed::Seed,
    time::Instant,
};
use backpressure::SendCapacity;
pub use bytes::Reader;
use context::{EngineContext, EngineTimer, Owner};
pub use fixed::{FixedPeer, FixedState};
pub use gossip_links::GossipHubInfo;
use link_state::LinkState;
use links::Links;
use networks::Joining;
pub use output::{LinkId, OpenFor, Output, Shouted};
use peer_links::{LinksEffect, PeerLinks, capacity_unopened, new_connection};
use reading::Reading;
use renewals::Renewals;
use shouts::Laggards;

/// A [`Node`] with its connections, without sockets: what an adapter drives.
///
/// The adapter tells it what happened on sockets, and carries out each [`Output`]:
///
/// * the interfaces of the machine have changed:
///   [`handle_interfaces`](Engine::handle_interfaces);
/// * a datagram came: [`handle_datagram`](Engine::handle_datagram);
/// * a connection was accepted: [`handle_accepted`](Engine::handle_accepted);
/// * the address for a connection asked for by [`Output::Open`] is known:
///   [`handle_resolved`](Engine::handle_resolved);
/// * that connection is there, or could not be had, or ended:
///   [`handle_connected`](Engine::handle_connected), [`handle_closed`](Engine::handle_closed);
/// * a connection has bytes: read them with a [`reader`](Engine::reader), if it
///   [may be read](Engine::may_read);
/// * a connection can be written: write [`write_buffer`](Engine::write_buffer), advance it, and say
///   so with [`handle_written`](Engine::handle_written);
/// * events have been taken: look for outputs once more, as [`Output::Resume`] may be among them.
///
/// `C` is what connections carry. Callers with a ZeroMQ library, and simulations, drive an
/// `Engine<MessageLink>`, which takes and gives whole messages:
/// [`with_messages`](Engine::with_messages), [`handle_message`](Engine::handle_message),
/// [`next_message`](Engine::next_message). The rules are the same.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Engine<C: Connection = Link> {
    node: Node,
    phase: EnginePhase,
    cx: EngineContext,
    links: Links<C>,
    /// Only if the node gossips.
    gossip: Option<Box<Gossip>>,
    joining: Joining,
    reading: Reading,
    renewals: Renewals,
    laggards: Laggards,
    /// The connection of a peer that has given way, until the next output is carried out.
    given: Option<LinkState<C>>,
    memory: C::Memory,
    /// When the memory of bursts was last released.
    released_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EnginePhase {
    Running,
    /// Asked to stop; peers still take and confirm what was sent.
    Draining,
    Stopped,
}

/// What the network does.
impl<C: Connection> Engine<C> {
    /// A datagram came in on the discovery port.
    pub fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        self.cx.advance(now);
        self.node.handle_beacon(from, datagram, self.cx.now);
        self.settle();
    }

    /// A connection asked for by [`Output::Open`] is there.
    pub fn handle_connected(&mut self, link: LinkId, now: Instant) {
        self.cx.advance(now);
        match self.cx.owner(link) {
            Some(Owner::Outgoing(peer)) => {
                if let Some(links) = self.links.of_peer_mut(peer) {
                    let place = links.connected(&self.node, &mut self.cx);
                    self.note_place(peer, place);
                    self.links.unclaimed.note_change();
                }
            }
            Some(Owner::Fixed(number)) => self.fixed_connected(number),
            Some(owner @ Owner::GossipHub(_)) => self.gossip_connected(link, owner),
            _ => {}
        }
        self.settle();
    }

    /// A connection could not be had, or has ended, and everything read from it has been handled.
    ///
    /// `error` is what the system said, for the log.
    pub fn handle_closed(&mut self, link: LinkId, error: &str, now: Instant) {
        self.cx.advance(now);
        match self.cx.owner(link) {
            Some(Owner::Unclaimed) => {
                self.links.unclaimed.remove(link);
                self.cx.remove_link(link);
            }
            Some(Owner::Outgoing(peer)) => {
                self.with_links(peer, |links, node, cx| {
                    links.outgoing_ended(error, node, cx)
                });
            }
            Some(Owner::Incoming(peer)) => self.incoming_ended(peer),
            Some(Owner::Fixed(number)) => {
                self.cx.remove_link(link);
                self.fixed_failed(number, error);
            }
            Some(owner @ (Owner::GossipClient | Owner::GossipHub(_))) => {
                self.gossip_ended(link, owner, error);
            }
            // The engine closed it itself, and the adapter had not seen that yet.
            None => {}
        }
        self.links.unclaimed.note_change();
        self.settle();
    }

    /// Bytes from a write buffer were written to its socket.
    pub fn handle_written(&mut self, now: Instant) {
        self.cx.advance(now);
        // The buffers keep count themselves. Only a node that is stopping waits for them, and one
        // in which more waits than may.
        if self.cx.outbound.must_count(self.cx.now) {
            self.count_outbound();
        }
        self.gossip_written();
        if self.node.owes_refusals() {
            self.settle();
        }
        self.continue_stop();
    }

    /// Time has passed; see [`poll_timeout`](Engine::poll_timeout). Early and repeated calls are
    /// harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.cx.advance(now);
        self.release_memory();
        // Extend suspects first: `node.handle_timeout` removes overdue ones.
        for peer in self.node.overdue_suspects(self.cx.now) {
            let rest = self.node.suspect_may_rest(peer);
            let links = self.links.of_peer_mut(peer);
            if links.is_some_and(|links| links.deserves_more_time(rest, &self.node, self.cx.now))
                || self.give_up_own_connection(peer)
            {
                self.node.extend_suspicion(peer, self.cx.now);
            }
        }
        // Before others are removed: a parked connection may carry a session on.
        self.settle_claims();
        // Before the node gives up a peer whose HELLO has not come: that its connection cannot be
        // made says more.
        while let Some(timer) = self.cx.deadlines.pop_due(self.cx.now) {
            self.fire(timer);
        }
        self.node.handle_timeout(self.cx.now);
        self.links.unclaimed.note_change();
        self.settle();
    }
}

/// What the application wishes.
impl<C: Connection> Engine<C> {
    /// Joins a group; does nothing if the node is in it already.
    ///
    /// # Errors
    ///
    /// [`Error::OwnLimit`] if the node would be in more groups than its own limits allow, or
    /// [`Error::Stopped`].
    pub fn join(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        let status = self.node.own_status();
        let joined = self.node.join(group, self.cx.now);
        self.tell_fixed(status, group);
        self.settle();
        joined
    }

    /// Leaves a group; does nothing if the node is not in it.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn leave(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        let status = self.node.own_status();
        let left = self.node.leave(group, self.cx.now);
        self.tell_fixed(status, group);
        self.settle();
        left
    }

    /// Wants to lead a group from now on; see [`Node::contest`].
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn contest(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        let contested = self.node.contest(group, self.cx.now);
        self.settle();
        contested
    }

    /// Does not want to lead a group any more; see [`Node::withdraw`].
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn withdraw(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        let withdrawn = self.node.withdraw(group, self.cx.now);
        self.settle();
        withdrawn
    }

    /// Sets a header of this node; see [`Node::set_header`].
    ///
    /// # Errors
    ///
    /// As [`Node::set_header`].
    pub fn set_header(
        &mut self,
        name: impl Into<Text>,
        value: impl Into<Text>,
        now: Instant,
    ) -> Result<(), Error> {
        self.command(now)?;
        self.node.set_header(name, value, self.cx.now)
    }

    /// Removes a header of this node; see [`Node::remove_header`].
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn remove_header(&mut self, name: impl AsRef<[u8]>, now: Instant) -> Result<bool, Error> {
        self.command(now)?;
        self.node.remove_header(name, self.cx.now)
    }

    /// Sends a message to one peer. Content without a frame goes as one empty frame.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] if more waits for the peer than the outbound limit: try again when its
    /// connection has been written. [`Error::UnknownPeer`], [`Error::MessageTooLarge`],
    /// [`Error::Stopped`].
    pub fn whisper(
        &mut self,
        peer: PeerId,
        mut content: Content,
        now: Instant,
    ) -> Result<(), Error> {
        self.whisper_from(peer, &mut content, now)
    }

    /// Sends a message to one peer, as [`whisper`](Engine::whisper), and leaves the content where
    /// it is while the peer is full.
    ///
    /// # Errors
    ///
    /// As [`whisper`](Engine::whisper).
    pub fn whisper_from(
        &mut self,
        peer: PeerId,
        content: &mut Content,
        now: Instant,
    ) -> Result<(), Error> {
        self.send_prepared(peer, now, |node, now| {
            let content = core::mem::take(content);
            Ok(((), node.prepare_whisper(peer, content, now)?))
        })
    }

    /// Sends a message to one peer that the node prepares, if there is room for it.
    #[inline]
    fn send_prepared<T>(
        &mut self,
        peer: PeerId,
        now: Instant,
        prepare: impl FnOnce(&mut Node, Instant) -> Result<(T, Message), Error>,
    ) -> Result<T, Error> {
        self.command(now)?;
        // Not `Links::capacity`: one look-up serves for the question and for sending.
        let limit = self.outbound_limit();
        let mut links = self.links.of_peer_mut(peer);
        let capacity = match &links {
            Some(links) => links.capacity(limit, &self.node),
            None => capacity_unopened(peer, &self.node),
        };
        match capacity {
            SendCapacity::Available => {}
            SendCapacity::Lost => return Err(Error::UnknownPeer(peer)),
            SendCapacity::Full => return Err(Error::Full(peer)),
        }
        let (result, message) = prepare(&mut self.node, self.cx.now)?;
        if let Some(links) = &mut links {
            // Earlier calls ended with `settle`, so no output of the node waits that this message
            // could overtake.
            let effect = links.send(&message, &mut self.memory, &self.node, &mut self.cx);
            self.apply(peer, effect);
        }
        self.settle();
        Ok(result)
    }

    /// Sees to it that a peer confirms soon that it has all messages which were sent to it; see
    /// [`Node::confirm`]. [`Node::is_answered`] says with the number whether it has.
    ///
    /// # Errors
    ///
    /// As [`Node::confirm`].
    pub fn confirm(&mut self, peer: PeerId, now: Instant) -> Result<u64, Error> {
        self.command(now)?;
        let number = self.node.confirm(peer, self.cx.now);
        self.settle();
        number
    }

    /// Asks a peer for an answer (PING), and gives the question's number for
    /// [`Node::is_answered`]. When it is answered, the peer has handled all that was sent to it
    /// before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] or [`Error::Stopped`].
    pub fn ping(&mut self, peer: PeerId, now: Instant) -> Result<u64, Error> {
        self.command(now)?;
        let asked = self.node.ping(peer, self.cx.now);
        self.settle();
        asked
    }
}

/// What the engine wants and tells.
impl<C: Connection> Engine<C> {
    /// Takes the next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        // Last, as it is not queued: the relief shows only when events have been taken.
        if self.has_resumed() && self.cx.outputs.is_empty() {
            self.resume();
            return Some(Output::Resume);
        }
        // Nothing looks at it on its way, or it would be moved once more, in odd parts.
        self.cx.outputs.pop()
    }

    /// Takes the next event for the application. [`Output::Resume`] may come of it.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.node.poll_event()
    }

    /// Takes the next notice for the log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.node.poll_notice().or_else(|| self.cx.notices.pop())
    }

    /// When [`handle_timeout`](Engine::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (self.node.poll_timeout(), self.cx.deadlines.next()) {
            (Some(node), Some(own)) => Some(node.min(own)),
            (node, own) => node.or(own),
        }
    }

    /// Whether everything has been said and closed; outputs may still wait.
    pub fn is_stopped(&self) -> bool {
        self.phase == EnginePhase::Stopped
    }

    /// Whether as many bytes wait for a peer as the outbound limit allows.
    pub fn is_full(&self, peer: PeerId) -> bool {
        self.capacity(peer) == SendCapacity::Full
    }

    /// The peer that a connection is to or from; `None` for one that nobody has claimed, or that
    /// the engine does not know.
    pub fn peer_of(&self, link: LinkId) -> Option<PeerId> {
        match self.cx.owner(link)? {
            Owner::Unclaimed | Owner::Fixed(_) | Owner::GossipClient | Owner::GossipHub(_) => None,
            Owner::Outgoing(peer) | Owner::Incoming(peer) => Some(peer),
        }
    }

    /// The node: who it is, and what it knows of its peers and their groups.
    pub fn node(&self) -> &Node {
        &self.node
    }
}

/// What follows.
impl<C: Connection> Engine<C> {
    fn start(config: Config, seed: Seed, now: Instant) -> Self {
        let (seed, keys) = match config.security {
            // What else is random is seen by others, and remembered for as long as the node runs.
            Some(_) => {
                let (seed, keys) = seed.split();
                (seed, Some(keys))
            }
            None => (seed, None),
        };
        let mut cx = EngineContext::new(&config.limits, &seed, now);
        if let (Some(security), Some(keys)) = (&config.security, keys) {
            cx.secure(security, keys);
        }
        let links = Links::new(&config);
        let mut engine = Self {
            node: Node::seeded(config, &seed, now),
            phase: EnginePhase::Running,
            cx,
            links,
            gossip: None,
            joining: Joining::default(),
            reading: Reading::default(),
            renewals: Renewals::default(),
            laggards: Laggards::default(),
            given: None,
            memory: C::Memory::default(),
            released_at: now,
        };
        // The first beacon is an output from the start.
        engine.settle();
        engine.try_all_fixed();
        engine.start_gossip(&seed);
        engine
    }

    fn accept(&mut self, connection: C, remote: SocketAddr, now: Instant) -> LinkId {
        self.cx.advance(now);
        let (config, backlog) = (self.node.config(), self.node.backlog());
        let unclaimed = &mut self.links.unclaimed;
        let link = unclaimed.accept(connection, remote, config, backlog, &mut self.cx);
        self.tell_writable(link);
        // A listener may still accept while it is being closed.
        if self.is_stopped() {
            self.links.unclaimed.close(link, &mut self.cx);
        }
        link
    }

    fn command(&mut self, now: Instant) -> Result<(), Error> {
        self.cx.advance(now);
        if self.cx.outbound.must_count(self.cx.now) {
            self.count_outbound();
        }
        match self.phase {
            EnginePhase::Running => Ok(()),
            EnginePhase::Draining | EnginePhase::Stopped => Err(Error::Stopped),
        }
    }

    fn fire(&mut self, timer: EngineTimer) {
        match timer {
            EngineTimer::Handshake(link) => self.handshake_timed_out(link),
            EngineTimer::Reconnect(peer) => {
                let greeting = self.greeting_for_retry(peer);
                self.with_links(peer, |links, node, cx| links.retry(greeting, node, cx));
            }
            EngineTimer::Fixed(number) => self.try_fixed(number),
            EngineTimer::Progress => {
                for peer in self.links.check_progress(&self.node, &mut self.cx) {
                    self.apply(peer, LinksEffect::Remove(ExitReason::Stalled));
                }
            }
            EngineTimer::GossipConnect(hub) => self.open_gossip_hub(hub),
            EngineTimer::Gossip => self.gossip_timed_out(),
            EngineTimer::Listen => self.listen_again(),
            EngineTimer::Begun => self.check_begun(),
            EngineTimer::Lost(peer) => self.with_links(peer, PeerLinks::check_lost),
            EngineTimer::Relief => self.look_for_relief(),
            EngineTimer::Skipped => self.tell_skipped(),
            EngineTimer::Linger => self.finish_stop(),
        }
    }

    /// The next attempt to connect to a peer is made at another place, from which it may need
    /// another endpoint of this node's: a connection in which a HELLO waits that names this one.
    fn greeting_for_retry(&mut self, peer: PeerId) -> Option<C> {
        let place = self.links.of_peer(peer)?.next_place(&self.node)?;
        let hello = self.node.greet_anew(peer, &place.endpoint)?;
        let mut connection: C = new_connection(place.key, &self.node, &mut self.cx)?;
        connection.send(&hello, &mut self.memory);
        Some(connection)
    }

    /// A peer may have been reached elsewhere than the node expects.
    fn note_place(&mut self, peer: PeerId, place: Option<KeyedEndpoint>) {
        if let Some(place) = place {
            self.node.handle_reached(peer, &place, self.cx.now);
        }
        self.note_elector(peer);
    }

    /// A connection to a peer is there, and the other side has said whether it takes part in
    /// elections.
    fn note_elector(&mut self, peer: PeerId) {
        let links = self.links.of_peer(peer).filter(|links| links.is_open());
        if links.is_some_and(PeerLinks::is_to_elector) {
            self.node.handle_elector(peer, self.cx.now);
        }
    }

    fn handshake_timed_out(&mut self, link: LinkId) {
        match self.cx.owner(link) {
            Some(Owner::Unclaimed) => {
                let (unclaimed, backlog) = (&mut self.links.unclaimed, self.node.backlog());
                unclaimed.check_handshake(link, backlog, &mut self.cx);
            }
            Some(Owner::Outgoing(peer)) => self.with_links(peer, PeerLinks::handshake_timed_out),
            Some(Owner::Fixed(number)) => self.fixed_timed_out(number),
            Some(owner @ (Owner::GossipClient | Owner::GossipHub(_))) => {
                self.gossip_handshake_timed_out(link, owner);
            }
            // It was bound in time.
            Some(Owner::Incoming(_)) | None => {}
        }
    }

    /// Carries out what the node wants, until it wants nothing more, and goes on with stopping.
    fn settle(&mut self) {
        // Mostly it wants nothing: a beacon of a known peer changes nothing.
        if self.node.has_outputs() {
            self.carry_out();
        }
        if self.node.owes_refusals() {
            self.send_owed_refusals();
        }
        if self.links.unclaimed.has_changed() {
            self.settle_claims();
        }
        if self.gossip.is_some() {
            self.settle_gossip();
        }
        if self.phase == EnginePhase::Draining {
            self.continue_stop();
        }
    }

    fn carry_out(&mut self) {
        loop {
            // What is done for one output may add others: a queue that overflows removes its peer.
            while let Some(output) = self.node.poll_output() {
                self.carry_out_one(output);
            }
            // What cannot be refused may be too much for all peers together.
            match self.overflowing_peer() {
                Some(peer) => self.apply(peer, LinksEffect::Remove(ExitReason::Overflow)),
                None => return,
            }
        }
    }

    fn carry_out_one(&mut self, output: NodeOutput) {
        match output {
            NodeOutput::Beacon { network, beacon } => {
                let datagram = beacon.encode();
                self.cx.outputs.push(Output::Datagram { network, datagram });
            }
            NodeOutput::Connect {
                peer,
                endpoint,
                key,
            } => {
                let place = KeyedEndpoint { endpoint, key };
                let given = self.given.take();
                if self.adopt_fixed(peer, &place) {
                    if let Some(link) = given {
                        link.close(&mut self.cx);
                    }
                    return;
                }
                if let Some(link) = given {
                    self.take_over(peer, link);
                    return;
                }
                let endpoint = &place.endpoint;
                let address = endpoint.canonical().to_socket_addr().map(|it| it.ip());
                let is_proven = address
                    .is_some_and(|address| self.links.unclaimed.is_claimed_from(peer, address));
                let links = self.links.add_peer(peer);
                links.open(place, is_proven, &self.node, &mut self.cx);
            }
            NodeOutput::Send { peer, message } => {
                if let Some(links) = self.links.of_peer_mut(peer) {
                    let effect = links.send(&message, &mut self.memory, &self.node, &mut self.cx);
                    self.apply(peer, effect);
                }
            }
            NodeOutput::Disconnect { peer } => self.disconnect(peer),
            NodeOutput::GiveWay { peer, .. } => self.give_way(peer),
        }
    }

    /// Applies a rule to the connections of a peer and carries out what follows.
    fn with_links(
        &mut self,
        peer: PeerId,
        rule: impl FnOnce(&mut PeerLinks<C>, &Node, &mut EngineContext) -> LinksEffect,
    ) {
        if let Some(links) = self.links.of_peer_mut(peer) {
            let effect = rule(links, &self.node, &mut self.cx);
            self.apply(peer, effect);
        }
    }

    fn apply(&mut self, peer: PeerId, effect: LinksEffect) {
        match effect {
            LinksEffect::Nothing => {}
            LinksEffect::Remove(reason) => self.node.remove_peer(peer, reason, self.cx.now),
            LinksEffect::Disconnected => self.node.handle_disconnect(peer, self.cx.now),
            LinksEffect::Fault(fault) => self.node.handle_fault(peer, fault, self.cx.now),
            LinksEffect::AttemptFailed => self.node.handle_attempt_failed(peer, self.cx.now),
            LinksEffect::Refused => self.node.handle_refused(peer, self.cx.now),
            LinksEffect::RefusedKey(key) => self.node.handle_refused_key(peer, key, self.cx.now),
            LinksEffect::Unreachable => self.node.handle_unreachable(peer, self.cx.now),
        }
    }

    /// Asks that a connection is written, if there is something to write.
    fn tell_writable(&mut self, link: LinkId) {
        match self.cx.owner(link) {
            // This one is watched, too: a peer that takes nothing is removed in the end.
            Some(Owner::Outgoing(peer)) => {
                if let Some(links) = self.links.of_peer_mut(peer) {
                    links.tell_writable(&self.node, &mut self.cx);
                }
            }
            // To others, all that goes out are a greeting, READY, a HELLO and answers to ZMTP's
            // PING; or gossip, of which little waits at a time.
            Some(owner) => {
                if let Some(state) = self.links.get_mut(owner, link) {
                    state.tell_writable(&mut self.cx.outputs);
                }
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
