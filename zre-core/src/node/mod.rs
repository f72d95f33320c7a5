//! One node: messages in and messages out, no octets and no connections.

mod doubt;
mod groups;
mod peer;
mod presence;
mod session;
mod table;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::{net::SocketAddr, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_proto::{
    Beacon, Body, Content, Endpoint, GroupName, Headers, Hello, Message, PeerId, RoutingId,
    ShortText, Text, TooLong,
};

use crate::{
    backlog::Backlog,
    config::Config,
    deadlines::Deadlines,
    error::{Error, Fault},
    event::{Event, ExitReason, PeerInfo},
    notice::{Notice, Notices},
    time::Instant,
};
use peer::{Answer, Peer, Session};
use table::Table;

/// A ZRE node (RFC 36/ZRE), without sockets.
///
/// Whoever has a ZeroMQ library of their own drives a `Node` directly: a ROUTER socket gives
/// [`handle_message`](Node::handle_message), and each [`NodeOutput::Connect`] asks for a DEALER
/// socket. Everybody else drives an [`Engine`](crate::Engine), which holds a `Node`.
///
/// The calls that take `now` may come in any number between two drains of `poll_*`. A `now`
/// before that of an earlier call counts as no time passed.
#[derive(Debug)]
pub struct Node {
    config: Config,
    id: PeerId,
    name: ShortText,
    running: bool,
    now: Instant,
    own_groups: BTreeSet<GroupName>,
    status: u8,
    peers: Table,
    unready: usize,
    by_endpoint: BTreeMap<Endpoint, PeerId>,
    members: BTreeMap<GroupName, BTreeSet<PeerId>>,
    deadlines: Deadlines<Timer>,
    outputs: VecDeque<NodeOutput>,
    events: Backlog,
    /// The highest number of a PING so far.
    last_ping: u64,
    notices: Notices,
}

/// What a node wants done, in this order.
///
/// Whoever drives a node has to carry out all of them, so a new one is meant to break the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeOutput {
    /// Broadcast this.
    Beacon(Beacon),
    /// Connect to a peer, in place of an older connection to it; messages for it follow.
    Connect {
        /// The peer.
        peer: PeerId,
        /// Where it accepts connections.
        endpoint: Endpoint,
    },
    /// Send a message to a connected peer, in order and without loss.
    Send {
        /// The peer.
        peer: PeerId,
        /// The message.
        message: Message,
    },
    /// Close the connection to a peer, and that from it; what is still unsent can be dropped.
    Disconnect {
        /// The peer.
        peer: PeerId,
    },
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It belongs to the peer's session.
    Accepted,
    /// It belongs to no session and changed nothing.
    Ignored,
    /// The peer broke the protocol with it and is gone, if it was there.
    Refused(Fault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Beacon,
    /// Of the peers that have none of their own.
    Silence,
    Peer(PeerId),
}

impl Node {
    /// A running node, whose first output is a beacon. What users have set should have passed
    /// [`Config::validate`].
    ///
    /// The seed decides everything that is random: the identity, unless `config` gives one.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let id = config.uuid.unwrap_or_else(|| random_id(seed));
        let name = config.name.clone().unwrap_or_else(|| default_name(id));
        let mut node = Self {
            id,
            name,
            running: true,
            now,
            own_groups: config.groups.clone(),
            // Each group joined counts, also before the start.
            status: wrapping_count(config.groups.len()),
            peers: Table::default(),
            unready: 0,
            by_endpoint: BTreeMap::new(),
            members: BTreeMap::new(),
            deadlines: Deadlines::new(),
            outputs: VecDeque::new(),
            events: Backlog::new(&config.limits),
            last_ping: 0,
            notices: Notices::default(),
            config,
        };
        node.announce();
        node
    }

    /// A datagram came in on the discovery port.
    pub fn handle_beacon(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        self.advance(now);
        match Beacon::decode(datagram) {
            _ if !self.running => {}
            Ok(beacon) if beacon.peer == self.id => {}
            Ok(Beacon {
                peer, port: None, ..
            }) => self.peer_leaves(peer),
            Ok(Beacon {
                peer,
                public_key: Some(_),
                ..
            }) => self.notices.push(Notice::SecuredPeer { peer, from }),
            Ok(Beacon {
                peer,
                port: Some(port),
                ..
            }) => self.peer_appears(peer, Endpoint::new(from.ip(), port)),
            Err(error) => self.notices.push(Notice::BadBeacon { from, error }),
        }
    }

    /// A message came in on a connection whose routing id is `from`.
    pub fn handle_message(&mut self, from: &RoutingId, message: Message, now: Instant) -> Verdict {
        self.take_message(from.peer(), message, now)
    }

    /// A message came in from a peer.
    pub(crate) fn take_message(&mut self, peer: PeerId, message: Message, now: Instant) -> Verdict {
        self.advance(now);
        if !self.running {
            return Verdict::Ignored;
        }
        match message.body {
            Body::Hello(hello) => self.hello(peer, message.sequence, *hello),
            body => self.message_in_session(peer, message.sequence, body),
        }
    }

    /// A peer broke the protocol below the level of messages.
    pub fn handle_fault(&mut self, peer: PeerId, fault: Fault, now: Instant) {
        self.advance(now);
        let _refused = self.refuse(peer, fault);
    }

    /// The connection to or from a peer is gone, no other has come in its place, and all that came over it
    /// has been handled.
    ///
    /// Report it a tenth of a second after it happened, and only if it is still so: a goodbye beacon, or the HELLO of a
    /// new session, may come behind the end of a connection. Two nodes that report at once can
    /// take turns in ending each other's sessions.
    pub fn handle_disconnect(&mut self, peer: PeerId, now: Instant) {
        self.advance(now);
        let reason = if self.is_leaving(peer) {
            ExitReason::Goodbye
        } else {
            ExitReason::ConnectionLost
        };
        self.exit(peer, reason);
    }

    /// Time has passed; see [`poll_timeout`](Node::poll_timeout). Early and repeated calls are harmless.
    ///
    /// A peer of which somebody claims that it is gone is sent a PING, and gone when it has not answered within a second,
    /// or within half a second after a goodbye beacon. A node does not know how much stands before the PING or before the
    /// answer; an [`Engine`](crate::Engine) does, and gives a peer more time while its connections move.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        while let Some(timer) = self.deadlines.pop_due(self.now) {
            match timer {
                Timer::Beacon => self.announce(),
                Timer::Silence => self.check_silence(),
                Timer::Peer(peer) => self.check_presence(peer),
            }
        }
    }

    /// Joins a group; does nothing if the node is in it already.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn join(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        self.join_own(group);
        Ok(())
    }

    /// Leaves a group; does nothing if the node is not in it.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn leave(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        self.leave_own(group);
        Ok(())
    }

    /// Sends a message to one peer. Content without a frame goes as one empty frame.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`], [`Error::MessageTooLarge`] or [`Error::Stopped`]. [`Error::Full`] for a
    /// peer that gives the endpoint of another as its own, until it is known which of them is there.
    pub fn whisper(&mut self, peer: PeerId, content: Content, now: Instant) -> Result<(), Error> {
        let message = self.next_whisper(peer, content, now)?;
        self.outputs.push_back(NodeOutput::Send { peer, message });
        Ok(())
    }

    /// The message that [`whisper`](Node::whisper) sends, for the caller to send it.
    pub(crate) fn next_whisper(
        &mut self,
        peer: PeerId,
        content: Content,
        now: Instant,
    ) -> Result<Message, Error> {
        self.command(now)?;
        let content = self.sendable(content);
        let known = self.peers.get_mut(&peer).filter(|peer| peer.is_ready());
        let known = known.ok_or(Error::UnknownPeer(peer))?;
        if known.waits {
            return Err(Error::Full(peer));
        }
        let body = Body::Whisper { content: content? };
        let sequence = known.sequence.number_next();
        Ok(Message { sequence, body })
    }

    /// Sends a message to the members of a group, and says how many they are.
    ///
    /// The node need not be in the group. Content without a frame goes as one empty frame.
    ///
    /// # Errors
    ///
    /// [`Error::MessageTooLarge`] or [`Error::Stopped`].
    pub fn shout(
        &mut self,
        group: &GroupName,
        content: Content,
        now: Instant,
    ) -> Result<usize, Error> {
        let members: Vec<_> = self.peers_by_group(group).collect();
        self.shout_to(&members, group, content, now)
    }

    /// Sends a message for a group to some of its members, and says how many of them still are.
    ///
    /// # Errors
    ///
    /// As [`shout`](Node::shout).
    pub fn shout_to(
        &mut self,
        peers: &[PeerId],
        group: &GroupName,
        content: Content,
        now: Instant,
    ) -> Result<usize, Error> {
        self.command(now)?;
        let content = self.sendable(content)?;
        let Some(members) = self.members.get(group) else {
            return Ok(0);
        };
        let reached: Vec<_> = peers
            .iter()
            .copied()
            .filter(|peer| members.contains(peer) && !self.is_waiting(*peer))
            .collect();
        for peer in &reached {
            let (group, content) = (group.clone(), content.clone());
            self.send(*peer, Body::Shout { group, content });
        }
        Ok(reached.len())
    }

    /// Asks a peer for an answer (PING), and gives the question's number for
    /// [`is_answered`](Node::is_answered). When it is answered, the peer has handled all that was sent to it before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] or [`Error::Stopped`].
    pub fn ping(&mut self, peer: PeerId, now: Instant) -> Result<u64, Error> {
        self.command(now)?;
        if !self.is_ready(peer) {
            return Err(Error::UnknownPeer(peer));
        }
        self.send_ping(peer);
        Ok(self.peers.get(&peer).map_or(0, |peer| peer.pings.sent))
    }

    /// Says goodbye to the network and forgets every peer. The last event is [`Event::Stop`].
    pub fn stop(&mut self, now: Instant) {
        self.advance(now);
        if !self.running {
            return;
        }
        self.running = false;
        self.deadlines.clear_all();
        self.outputs.push_back(NodeOutput::Beacon(Beacon {
            peer: self.id,
            port: None,
            public_key: None,
        }));
        for peer in core::mem::take(&mut self.peers).ids().iter().copied() {
            self.outputs.push_back(NodeOutput::Disconnect { peer });
        }
        self.unready = 0;
        self.by_endpoint.clear();
        self.members.clear();
        self.events.push(Event::Stop);
    }

    /// Takes the next thing to do.
    pub fn poll_output(&mut self) -> Option<NodeOutput> {
        self.outputs.pop_front()
    }

    /// Takes the next event for the application.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    /// Whether an event waits.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// How many events there have been since the node began, taken or not.
    pub fn event_count(&self) -> u64 {
        self.events.queued()
    }

    /// The events that wait and were not among the first `count`, without taking them.
    pub fn events_after(&self, count: u64) -> impl Iterator<Item = &Event> {
        self.events.after(count)
    }

    /// Takes the next notice for the log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop()
    }

    /// When [`handle_timeout`](Node::handle_timeout) has something to do; `None` after [`stop`](Node::stop).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Whether no more messages should be handled: from when as many events wait as
    /// [`Limits`](crate::Limits) allow, until half of them have been taken.
    pub fn is_congested(&self) -> bool {
        self.events.is_congested()
    }

    /// How many congestions have ended.
    pub(crate) fn reliefs(&self) -> u64 {
        self.events.reliefs()
    }

    /// Whether a message with this sequence number is the next one in the peer's session.
    pub fn expects(&self, peer: PeerId, sequence: u16) -> bool {
        self.peers
            .get(&peer)
            .is_some_and(|peer| peer.is_ready() && peer.sequence.fits(sequence))
    }

    /// Whether the peer cannot be sent to yet, because another is known at its endpoint and is being asked.
    pub(crate) fn is_waiting(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.waits)
    }

    /// The sequence number that comes next in the peer's session.
    pub(crate) fn expected_sequence(&self, peer: PeerId) -> Option<u16> {
        Some(self.peers.get(&peer)?.sequence.expected())
    }

    /// Whether the peer has said that it leaves.
    pub(crate) fn is_leaving(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(Peer::is_leaving)
    }

    /// Whether the peer has entered and has not gone.
    pub fn is_ready(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(Peer::is_ready)
    }

    /// The identity of this node.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// The name of this node.
    pub fn name(&self) -> &ShortText {
        &self.name
    }

    /// Where this node accepts connections.
    pub fn endpoint(&self) -> &Endpoint {
        &self.config.endpoint
    }

    /// What the node was told at its start.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The peers that have entered, in the order of their identities.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.peers
            .iter()
            .filter(|peer| peer.is_ready())
            .map(|peer| peer.id)
    }

    /// What is known of a peer; `None` if it has not entered or is gone.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.peers.get(&peer).and_then(Peer::info)
    }

    /// What is known of all peers that have entered, in the order of their identities.
    pub fn peer_infos(&self) -> impl Iterator<Item = PeerInfo> {
        self.peers.iter().filter_map(Peer::info)
    }

    /// The peer of this name; `None` if there is none, or more than one.
    pub fn peer_by_name(&self, name: impl AsRef<[u8]>) -> Option<PeerId> {
        let name = name.as_ref();
        let mut named = self.peers.iter().filter(|peer| peer.has_name(name));
        let first = named.next()?.id;
        named.next().is_none().then_some(first)
    }

    /// The headers that peers see when they meet this node.
    pub fn headers(&self) -> &Headers {
        &self.config.headers
    }

    /// Sets a header, in place of an older one of that name. Peers that are met from now on see
    /// it; those that have been met keep what they saw.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if the name has more than 255 bytes.
    pub fn set_header(
        &mut self,
        name: impl Into<Text>,
        value: impl Into<Text>,
    ) -> Result<(), TooLong> {
        self.config.headers.set(name, value)
    }

    /// Removes a header for peers that are met from now on, and gives its value.
    pub fn remove_header(&mut self, name: impl AsRef<[u8]>) -> Option<Text> {
        self.config.headers.remove(name)
    }

    /// Where a peer may be reached, the likeliest first; nowhere for one that is not known.
    pub(crate) fn endpoints(&self, peer: PeerId) -> impl Iterator<Item = &Endpoint> {
        let endpoints = self.peers.get(&peer).into_iter().flat_map(Peer::endpoints);
        endpoints.filter(move |endpoint| {
            let owner = self.by_endpoint.get(*endpoint);
            owner.is_none_or(|owner| *owner == peer)
        })
    }

    /// When the last sign of life came from a peer; `None` if it has not entered or is gone.
    pub fn last_heard(&self, peer: PeerId) -> Option<Instant> {
        let heard_at = self.peers.heard_at(&peer);
        heard_at.filter(|_| self.is_ready(peer))
    }

    /// Whether a peer has answered the PING with this number; `None` if it will not: it is gone, or its session is
    /// another.
    pub fn is_answered(&self, peer: PeerId, number: u64) -> Option<bool> {
        let peer = self.peers.get(&peer).filter(|peer| peer.is_ready())?;
        peer.pings.is_answered(number)
    }

    /// The peers in a group, in the order of their identities.
    pub fn peers_by_group(&self, group: &GroupName) -> impl Iterator<Item = PeerId> {
        self.members.get(group).into_iter().flatten().copied()
    }

    /// The groups that this node is in, in the order of their names.
    pub fn own_groups(&self) -> impl Iterator<Item = &GroupName> {
        self.own_groups.iter()
    }

    /// The groups that any peer is in, in the order of their names.
    pub fn peer_groups(&self) -> impl Iterator<Item = &GroupName> {
        self.members.keys()
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn command(&mut self, now: Instant) -> Result<(), Error> {
        self.advance(now);
        if self.running {
            Ok(())
        } else {
            Err(Error::Stopped)
        }
    }

    fn announce(&mut self) {
        self.outputs.push_back(NodeOutput::Beacon(Beacon {
            peer: self.id,
            port: Some(self.config.endpoint.port()),
            public_key: None,
        }));
        self.events.release_memory();
        let interval = self.config.beacon_interval.max(MIN_INTERVAL);
        self.deadlines.set(Timer::Beacon, self.now + interval);
    }

    /// A peer that pyre runs dies of a message without content, so there is always a frame.
    fn sendable(&self, mut content: Content) -> Result<Content, Error> {
        let limits = &self.config.limits;
        let (size, frames) = (content.size(), content.len());
        if size > limits.message_size || frames > limits.message_frames {
            return Err(Error::MessageTooLarge {
                size,
                frames,
                size_limit: limits.message_size,
                frames_limit: limits.message_frames,
            });
        }
        if content.is_empty() {
            content.push(Default::default());
        }
        Ok(content)
    }

    /// Sends to a peer in its sequence; to one that is not there, nothing.
    fn send(&mut self, peer: PeerId, body: Body) {
        let Some(state) = self.peers.get_mut(&peer).filter(|peer| !peer.waits) else {
            return;
        };
        let sequence = state.sequence.number_next();
        let message = Message { sequence, body };
        self.outputs.push_back(NodeOutput::Send { peer, message });
    }

    fn send_ping(&mut self, peer: PeerId) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.pings.sent += 1;
            self.last_ping = self.last_ping.max(known.pings.sent);
            self.send(peer, Body::Ping);
        }
    }

    fn count_answer(&mut self, peer: PeerId) {
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        known.pings.count_answer();
        let answered = known.pings.answered;
        let Some(ready) = known.ready_mut() else {
            return;
        };
        if matches!(ready.answer, Answer::Asked { ping, .. } if ping <= answered) {
            ready.answer = Answer::Known;
        }
        if ready
            .doubt
            .as_ref()
            .is_some_and(|doubt| doubt.ping <= answered)
        {
            self.doubt_is_answered(peer);
        }
    }

    fn own_hello(&self) -> Hello {
        Hello {
            endpoint: self.config.endpoint.clone(),
            groups: self.own_groups.clone(),
            status: self.status,
            name: self.name.clone(),
            headers: self.config.headers.clone(),
        }
    }

    /// Removes a peer; the application hears of it if it had entered.
    pub(crate) fn exit(&mut self, peer: PeerId, reason: ExitReason) {
        let Some(state) = self.peers.remove(&peer) else {
            return;
        };
        if self.by_endpoint.get(&state.endpoint) == Some(&peer) {
            self.by_endpoint.remove(&state.endpoint);
        }
        self.deadlines.clear(Timer::Peer(peer));
        self.outputs.push_back(NodeOutput::Disconnect { peer });
        match state.session {
            Session::Greeting { .. } => self.unready -= 1,
            Session::Ready(ready) => {
                for group in &ready.groups {
                    self.remove_member(group, peer);
                }
                let name = ready.name;
                self.events.push(Event::Exit { peer, name, reason });
                let claimant = ready.doubt.and_then(|doubt| doubt.claimant);
                if let Some(claimant) = claimant.filter(|claimant| self.is_waiting(*claimant)) {
                    self.connect(claimant);
                }
            }
        }
    }
}

/// No setting makes a timer spin.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

fn random_id(seed: [u8; 32]) -> PeerId {
    let mut octets = [0; 16];
    ChaCha8Rng::from_seed(seed).fill_bytes(&mut octets);
    uuid::Builder::from_random_bytes(octets).into_uuid().into()
}

fn default_name(id: PeerId) -> ShortText {
    let digits = alloc::format!("{id:.6}");
    digits.try_into().unwrap_or_default()
}

fn wrapping_count(count: usize) -> u8 {
    count.to_le_bytes()[0]
}

#[cfg(test)]
mod tests;
