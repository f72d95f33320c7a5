//! A node and its connections: octets in and octets out.

mod connections;
mod outgoing;
mod receive;
mod unready;

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use zre_proto::{Content, Endpoint, GroupName, PeerId, Text, TooLong};

use crate::{
    config::Config,
    deadlines::Deadlines,
    error::Error,
    event::{Event, ExitReason, PeerInfo},
    link::{Inbox, Outbox},
    node::{Node, NodeOutput},
    notice::{Notice, Notices},
    time::Instant,
};
use connections::{Connection, Paths};
use outgoing::Room;
use unready::Unready;

/// A [`Node`] with its connections, without sockets: what an adapter drives.
///
/// The adapter tells it what happened on sockets, and carries out each [`Output`]:
///
/// * a datagram came: [`handle_datagram`](Engine::handle_datagram);
/// * a connection was accepted: [`handle_accepted`](Engine::handle_accepted);
/// * a connection asked for by [`Output::Open`] is there, or could not be had, or ended:
///   [`handle_connected`](Engine::handle_connected), [`handle_closed`](Engine::handle_closed);
/// * a connection has octets: read them into [`inbox`](Engine::inbox), then
///   [`handle_read`](Engine::handle_read), unless [`is_congested`](Engine::is_congested);
/// * a connection can be written: write [`outbox`](Engine::outbox), advance it, and say so with
///   [`handle_written`](Engine::handle_written);
/// * events have been taken, which may let reading go on: look for outputs once more.
#[derive(Debug)]
pub struct Engine {
    node: Node,
    phase: Phase,
    now: Instant,
    connections: BTreeMap<LinkId, Connection>,
    next_link: u64,
    unready: Unready,
    /// Octets of messages whose end has not come, of peers in their sessions.
    unfinished: usize,
    paths: BTreeMap<PeerId, Paths>,
    deadlines: Deadlines<Timer>,
    outputs: VecDeque<Output>,
    /// How many congestions have ended and reading may go on, as it was told.
    resumed: u64,
    notices: Notices,
    generator: ChaCha8Rng,
    spare_inbox: Inbox,
    nowhere: [u8; 64],
    lent_to: Option<LinkId>,
    header: BytesMut,
    forgot_at: Instant,
}

/// Which connection; never used twice by an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

impl LinkId {
    /// The id as a number, for a selector's token; they count from 0.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// What an engine wants done, in this order.
///
/// Whoever drives an engine has to carry out all of them, so a new one is meant to break the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Broadcast these octets on the discovery port.
    Datagram(Bytes),
    /// Open a connection, and answer with `handle_connected` or `handle_closed`.
    Open {
        /// Its id from now on.
        link: LinkId,
        /// Where to.
        endpoint: Endpoint,
    },
    /// There is something to write, as soon as the connection is there: write until the [`outbox`](Engine::outbox) is empty or the socket takes no more,
    /// and then as soon as it takes more. It comes again after that only if there is more.
    Writable(LinkId),
    /// Close the connection, whatever is unsent; its id means nothing any more.
    Close(LinkId),
    /// Reading may go on after a congestion.
    Resume,
}

/// What became of a shout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shouted {
    /// How many members it is on its way to.
    pub reached: usize,
    /// The members that more waits for than the outbound limit; they have not got it.
    pub full: Vec<PeerId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Asked to stop; peers still take what was sent.
    Draining,
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A connection has not belonged to a peer for long enough.
    Handshake(LinkId),
    /// Try again to connect.
    Reconnect(PeerId),
    /// See whether what waits for a peer has moved.
    Progress(PeerId),
    /// The connection to a peer is gone, and that from it has not ended yet.
    Lost(PeerId),
    /// Stopping has waited for long enough.
    Linger,
}

impl Engine {
    /// A running engine, whose first output is a beacon. What users have set should have passed
    /// [`Config::validate`].
    ///
    /// The seed decides everything that is random.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        // The identity, which everybody sees, comes from another stream of the same seed.
        let mut generator = ChaCha8Rng::from_seed(seed);
        generator.set_stream(1);
        let mut engine = Self {
            node: Node::new(config, seed, now),
            phase: Phase::Running,
            now,
            connections: BTreeMap::new(),
            next_link: 0,
            unready: Unready::default(),
            unfinished: 0,
            paths: BTreeMap::new(),
            deadlines: Deadlines::new(),
            outputs: VecDeque::new(),
            resumed: 0,
            notices: Notices::default(),
            generator,
            spare_inbox: Inbox::default(),
            nowhere: [0; 64],
            lent_to: None,
            header: BytesMut::new(),
            forgot_at: now,
        };
        engine.settle();
        engine
    }

    /// A datagram came in on the discovery port.
    pub fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        self.advance(now);
        self.node.handle_beacon(from, datagram, self.now);
        self.settle();
    }

    /// Time has passed; see [`poll_timeout`](Engine::poll_timeout). Early and repeated calls are harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.forget_memory();
        self.wait_for_overdue();
        self.node.handle_timeout(self.now);
        while let Some(timer) = self.deadlines.pop_due(self.now) {
            match timer {
                Timer::Handshake(link) => self.handshake_timed_out(link),
                Timer::Reconnect(peer) => self.reconnect(peer),
                Timer::Progress(peer) => self.check_progress(peer),
                Timer::Lost(peer) => self.give_up_lost(peer),
                Timer::Linger => self.finish_stop(),
            }
        }
        self.settle();
    }

    /// Joins a group; does nothing if the node is in it already.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn join(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        let joined = self.node.join(group, self.now);
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
        let left = self.node.leave(group, self.now);
        self.settle();
        left
    }

    /// Sends a message to one peer. Content without a frame goes as one empty frame.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] if more waits for the peer than the outbound limit: try again when its
    /// connection has been written. [`Error::UnknownPeer`], [`Error::MessageTooLarge`], [`Error::Stopped`].
    pub fn whisper(
        &mut self,
        peer: PeerId,
        mut content: Content,
        now: Instant,
    ) -> Result<(), Error> {
        self.whisper_from(peer, &mut content, now)
    }

    /// Sends a message to one peer, as [`whisper`](Engine::whisper), and leaves the content where it is while the peer is full.
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
        self.command(now)?;
        match self.room(peer) {
            Room::Enough => {}
            Room::Lost => return Err(Error::UnknownPeer(peer)),
            Room::Full => return Err(Error::Full(peer)),
        }
        let content = core::mem::take(content);
        // Nothing that the node wanted before is left, so this may pass by its outputs.
        let message = self.node.next_whisper(peer, content, self.now)?;
        self.send(peer, &message);
        self.settle();
        Ok(())
    }

    /// Sends a message to the members of a group that have room for it.
    ///
    /// # Errors
    ///
    /// [`Error::MessageTooLarge`] or [`Error::Stopped`].
    pub fn shout(
        &mut self,
        group: &GroupName,
        content: Content,
        now: Instant,
    ) -> Result<Shouted, Error> {
        let members: Vec<_> = self.node.peers_by_group(group).collect();
        self.shout_to(&members, group, content, now)
    }

    /// Sends a message for a group to some of its members: to those that [`shout`](Engine::shout) found full.
    ///
    /// # Errors
    ///
    /// As [`shout`](Engine::shout).
    pub fn shout_to(
        &mut self,
        peers: &[PeerId],
        group: &GroupName,
        content: Content,
        now: Instant,
    ) -> Result<Shouted, Error> {
        self.command(now)?;
        let (mut full, mut ready) = (Vec::new(), Vec::new());
        for peer in peers {
            match self.room(*peer) {
                Room::Enough => ready.push(*peer),
                Room::Full => full.push(*peer),
                Room::Lost => {}
            }
        }
        let reached = self.node.shout_to(&ready, group, content, self.now)?;
        self.settle();
        Ok(Shouted { reached, full })
    }

    /// The first member of a group that has no room for another message.
    pub fn full_member(&self, group: &GroupName) -> Option<PeerId> {
        self.node
            .peers_by_group(group)
            .find(|peer| self.is_full(*peer))
    }

    /// Asks a peer for an answer (PING), and gives the question's number for
    /// [`is_answered`](Engine::is_answered). When it is answered, the peer has handled all that was sent to it before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] or [`Error::Stopped`].
    pub fn ping(&mut self, peer: PeerId, now: Instant) -> Result<u64, Error> {
        self.command(now)?;
        let asked = self.node.ping(peer, self.now);
        self.settle();
        asked
    }

    /// Begins to stop: commands are refused, and when peers have taken what was sent to them, or the
    /// linger time is over, the node says goodbye and closes everything. The last event is [`Event::Stop`].
    pub fn stop(&mut self, now: Instant) {
        self.advance(now);
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Draining;
        let at = self.now + self.node.config().linger;
        self.deadlines.set(Timer::Linger, at);
        self.settle();
    }

    /// Stops without waiting for anything but that the outputs are carried out.
    pub fn stop_now(&mut self, now: Instant) {
        self.advance(now);
        self.finish_stop();
    }

    /// Whether everything has been said and closed; outputs may still wait.
    pub fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// Takes the next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front().or_else(|| self.resume());
        if let Some(Output::Writable(link)) = output
            && let Some(connection) = self.connections.get_mut(&link)
        {
            connection.writable_told = false;
        }
        output
    }

    /// Tells once that a congestion has ended.
    fn resume(&mut self) -> Option<Output> {
        let told = core::mem::replace(&mut self.resumed, self.node.reliefs());
        (told != self.resumed).then_some(Output::Resume)
    }

    /// Takes the next event for the application. [`Output::Resume`] may come of it.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.node.poll_event()
    }

    /// Whether an event waits.
    pub fn has_events(&self) -> bool {
        self.node.has_events()
    }

    /// Takes the next notice for the log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.node.poll_notice().or_else(|| self.notices.pop())
    }

    /// When [`handle_timeout`](Engine::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (node, own) = (self.node.poll_timeout(), self.deadlines.next());
        match own {
            Some(own) => Some(node.map_or(own, |node| node.min(own))),
            None => node,
        }
    }

    /// Whether so many events wait for the application that no connection should be read, until
    /// [`Output::Resume`]. Datagrams are to be handled all the same.
    pub fn is_congested(&self) -> bool {
        self.node.is_congested()
    }

    /// Whether as many octets wait for a peer as the outbound limit allows.
    pub fn is_full(&self, peer: PeerId) -> bool {
        self.room(peer) == Room::Full
    }

    /// The node, to be asked what it knows.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Sets a header for peers that are met from now on; see [`Node::set_header`].
    ///
    /// # Errors
    ///
    /// As [`Node::set_header`].
    pub fn set_header(
        &mut self,
        name: impl Into<Text>,
        value: impl Into<Text>,
    ) -> Result<(), TooLong> {
        self.node.set_header(name, value)
    }

    /// Removes a header for peers that are met from now on; see [`Node::remove_header`].
    pub fn remove_header(&mut self, name: impl AsRef<[u8]>) -> Option<Text> {
        self.node.remove_header(name)
    }

    /// The identity of this node.
    pub fn id(&self) -> PeerId {
        self.node.id()
    }

    /// The name of this node.
    pub fn name(&self) -> &zre_proto::ShortText {
        self.node.name()
    }

    /// Where this node accepts connections.
    pub fn endpoint(&self) -> &Endpoint {
        self.node.endpoint()
    }

    /// The peers that have entered, in the order of their identities.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.node.peers()
    }

    /// What is known of a peer; `None` if it has not entered or is gone.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.node.peer(peer)
    }

    /// When the last sign of life came from a peer; `None` if it has not entered or is gone.
    pub fn last_heard(&self, peer: PeerId) -> Option<Instant> {
        self.node.last_heard(peer)
    }

    /// Whether a peer has answered the PING with this number; `None` if it will not: it is gone, or its session is
    /// another.
    pub fn is_answered(&self, peer: PeerId, number: u64) -> Option<bool> {
        self.node.is_answered(peer, number)
    }

    /// The peers in a group, in the order of their identities.
    pub fn peers_by_group(&self, group: &GroupName) -> impl Iterator<Item = PeerId> {
        self.node.peers_by_group(group)
    }

    /// The groups that this node is in, in the order of their names.
    pub fn own_groups(&self) -> impl Iterator<Item = &GroupName> {
        self.node.own_groups()
    }

    /// The groups that any peer is in, in the order of their names.
    pub fn peer_groups(&self) -> impl Iterator<Item = &GroupName> {
        self.node.peer_groups()
    }

    /// Room to read a connection's octets into: at least one. Then say how many were read, with
    /// [`handle_read`](Engine::handle_read), before anything else; if none were, there is nothing to say. Octets of a connection that the engine does not know go nowhere.
    pub fn inbox(&mut self, link: LinkId) -> &mut [u8] {
        self.take_back_inbox();
        match self.connections.get_mut(&link) {
            Some(connection) => {
                connection.link.lend_inbox(&mut self.spare_inbox);
                self.lent_to = Some(link);
                connection.link.inbox()
            }
            None => &mut self.nowhere,
        }
    }

    /// What is to be written to a connection; `None` for one that the engine does not know.
    pub fn outbox(&mut self, link: LinkId) -> Option<&mut Outbox> {
        Some(self.connections.get_mut(&link)?.link.outbox())
    }

    /// Lets go of the memory of bursts, once a second at most, as it takes a look at every connection.
    fn forget_memory(&mut self) {
        self.spare_inbox.forget_memory();
        if self.now.since(self.forgot_at) >= Duration::from_secs(1) {
            self.forgot_at = self.now;
            for connection in self.connections.values_mut() {
                connection.link.outbox().forget_memory();
            }
        }
    }

    /// Idle connections share one inbox: who was lent it last gives it back.
    fn take_back_inbox(&mut self) {
        let lent = self.lent_to.take();
        if let Some(connection) = lent.and_then(|link| self.connections.get_mut(&link)) {
            connection.link.return_inbox(&mut self.spare_inbox);
        }
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn command(&mut self, now: Instant) -> Result<(), Error> {
        self.advance(now);
        if self.phase == Phase::Running {
            Ok(())
        } else {
            Err(Error::Stopped)
        }
    }

    /// Carries out what the node wants, until it wants nothing more, and goes on with stopping.
    fn settle(&mut self) {
        self.carry_out();
        self.continue_stop();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                NodeOutput::Beacon(beacon) => {
                    self.outputs.push_back(Output::Datagram(beacon.encode()));
                }
                NodeOutput::Connect { peer, endpoint } => self.open_path(peer, endpoint),
                NodeOutput::Send { peer, message } => self.send(peer, &message),
                NodeOutput::Disconnect { peer } => self.close_paths(peer),
            }
        }
    }

    fn continue_stop(&mut self) {
        if self.phase == Phase::Draining && self.paths.keys().all(|peer| self.is_drained(*peer)) {
            self.finish_stop();
        }
    }

    fn finish_stop(&mut self) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.phase = Phase::Stopped;
        self.node.stop(self.now);
        self.settle();
        for link in self.connections.keys().copied().collect::<Vec<_>>() {
            self.close(link);
        }
        self.deadlines.clear_all();
    }

    /// Forgets a peer for a reason that only connections know.
    fn exit(&mut self, peer: PeerId, reason: ExitReason) {
        self.node.exit(peer, reason);
    }
}

#[cfg(test)]
mod tests;
