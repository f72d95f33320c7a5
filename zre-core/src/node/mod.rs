//! One node: messages in and messages out, no bytes and no connections.
//!
//! [`Node`] is the public interface. Rules about one peer are in [`peer`], rules about several in
//! [`peers`]. A rule gets the peer and the [`context`] and returns a [`PeerEffect`], which `Node`
//! carries out. No file calls one that stands above it in this list:
//!
//! 1. `mod.rs`: the interface, and carrying out effects; [`connections`]: the part of the interface
//!    for callers who see connections; [`keys`]: who is trusted, and which key belongs to whom;
//!    [`queries`]: the part that changes nothing;
//! 2. [`groups`]: this node's own groups, and shouts;
//! 3. [`peers`], on a [`table`]: all peers, by identity, endpoint and group;
//! 4. [`peer`]: one peer; [`election`]: the election of a leader in one group;
//! 5. [`context`], [`networks`], [`members`], [`told`], [`output`]: what all of them touch;
//!    [`place`]: endpoints and sources, compared.

mod answered;
mod by_endpoint;
mod connections;
mod context;
mod election;
mod greeted;
mod groups;
mod hello;
mod keys;
mod leaving;
mod members;
mod networks;
mod output;
mod peer;
mod peers;
mod place;
mod queries;
mod refusals;
mod requests;
mod strangers;
mod table;
mod told;
mod tuples;

use alloc::vec::Vec;
use core::{net::SocketAddr, num::NonZeroU16};

use zre_proto::{
    Beacon, Body, Content, GroupName, KeyedEndpoint, Message, PeerId, RoutingId, Text,
    curve::PublicKey,
};

use crate::{
    backlog::Backlog,
    config::{Config, KEY_HEADER, check_own},
    error::{Error, Fault},
    event::{Event, ExitReason},
    interfaces::{NetworkId, OwnNetwork},
    notice::Notice,
    seed::Seed,
    time::Instant,
};
use context::{NodeContext, NodeTimer};
use networks::NetworkChange;
pub(crate) use output::SentSoFar;
pub use output::{Admission, Expectation, HelloOrigin, NodeOutput, Verdict};
use peer::{Peer, PeerEffect};
use peers::Peers;
use place::at_source;
use table::Heard;
pub(crate) use told::hello_weight;
pub(crate) use tuples::{Sought, Standing};

/// A ZRE node (RFC 36/ZRE), without sockets.
///
/// Whoever has a ZeroMQ library of their own drives a `Node` directly: a ROUTER socket gives
/// [`handle_message`](Node::handle_message), and each [`NodeOutput::Connect`] asks for a DEALER
/// socket. Everybody else drives an [`Engine`](crate::Engine), which holds a `Node`.
///
/// The calls that take `now` may come in any number between two drains of `poll_*`. A `now`
/// before that of an earlier call counts as no time passed.
///
/// # For callers who see connections
///
/// The calls above are enough. A caller who can tell connections apart, and sees how far they have
/// been read and written, does better with these, as the engine does:
///
/// * [`admits`](Node::admits) and [`check_bound`](Node::check_bound) before each message keep
///   strangers who use a peer's identity from ending its session; [`suspect`](Node::suspect) asks
///   the peer when one has come.
/// * In a node with a key, [`check_key`](Node::check_key) says whether a connection may speak under
///   an identity; [`handle_untrusted`](Node::handle_untrusted) and
///   [`handle_refused_key`](Node::handle_refused_key) tell who refuses whom. A HELLO counts only if
///   [`expect_hello`](Node::expect_hello) has been told the key of its connection.
/// * [`handle_disconnect`](Node::handle_disconnect) tells of the end of connections, and
///   [`remove_peer`](Node::remove_peer) ends a session for a reason that only connections know.
/// * [`overdue_suspects`](Node::overdue_suspects), [`suspicion_ping`](Node::suspicion_ping) and
///   [`extend_suspicion`](Node::extend_suspicion) give a peer more time to answer while its
///   connections move.
/// * [`prepare_whisper`](Node::prepare_whisper) gives a message for the caller to send at once.
/// * [`patience_until`](Node::patience_until) makes deadlines that stand still while the
///   application is behind and connections are not read.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Node {
    context: NodeContext,
    peers: Peers,
    running: bool,
    /// Whether peers have been told that the node leaves.
    has_said_goodbye: bool,
    /// Whether beacons without a key count: it has none itself, and takes in peers.
    hears_open: bool,
}

/// What happens.
impl Node {
    /// A running node, whose first output is a beacon. What users have set should have passed
    /// [`Config::validate`].
    ///
    /// The seed decides everything that is random: the identity, unless `config` gives one.
    pub fn new(config: Config, seed: Seed, now: Instant) -> Self {
        Self::seeded(config, &seed, now)
    }

    pub(crate) fn seeded(config: Config, seed: &Seed, now: Instant) -> Self {
        let mut node = Self {
            hears_open: config.security.is_none(),
            context: NodeContext::new(config, seed, now),
            peers: Peers::default(),
            running: true,
            has_said_goodbye: false,
        };
        node.context.announce();
        for group in node.context.config.contest.clone() {
            node.peers.stand_in(&group, &mut node.context);
        }
        node
    }

    /// A datagram came in on the discovery port.
    pub fn handle_beacon(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        self.context.advance(now);
        // First of all, so that beacons in the open cost nothing more.
        if !self.hears_open || datagram.len() != Beacon::LEN_PLAIN {
            return self.hear_other(from, datagram);
        }
        match Beacon::decode(datagram) {
            Ok(beacon) if beacon.peer == self.context.id => self.hear_own(from, beacon.port),
            // RFC 36, "Node Discovery": port 0 says that the node leaves.
            Ok(Beacon {
                peer, port: None, ..
            }) => self.apply(peer, Peer::take_goodbye_beacon),
            Ok(Beacon {
                peer,
                port: Some(port),
                ..
            }) => self.peer_appears(peer, from, port, None),
            Err(error) => self.context.notices.push(Notice::BadBeacon { from, error }),
        }
    }

    /// The node is on these networks from now on, the best first. It announces itself at once on
    /// those that are new. [`Config::networks`](crate::Config#structfield.networks) says that they
    /// are told.
    pub fn handle_networks(&mut self, networks: Vec<OwnNetwork>, now: Instant) {
        self.context.advance(now);
        if !self.running || self.has_said_goodbye {
            return;
        }
        let known: Vec<_> = self.context.networks.announced().collect();
        let sought = self.peers.sought(&self.context.networks);
        let now = self.context.now;
        let change = self.context.networks.replace(networks, now);
        let is_known = |network| known.iter().any(|(known, _)| *known == network);
        self.context.announce_on(|network| !is_known(network));
        if let Some(change) = change {
            if !change.joined.is_empty() {
                self.context.hurry_beacons();
            }
            self.context.refusals.forget_losses();
            self.tell_network(change);
            for sought in sought {
                self.peers.seek_anew(&sought, &mut self.context);
            }
        }
    }

    /// A beacon has been sent on a network, or could not be. The first that fails, and the first
    /// that goes out again, are told; that they fail again is told once in ten seconds.
    pub fn handle_beacon_sent(&mut self, network: NetworkId, sent: Result<(), &str>, now: Instant) {
        self.context.advance(now);
        // `Event::Stop` is the last event, and the goodbye is a beacon, too.
        let (networks, now) = (&mut self.context.networks, self.context.now);
        if !self.running || !networks.note_beacon(network, sent.is_ok(), now) {
            return;
        }
        if let Err(error) = sent {
            let error = error.into();
            self.context.notices.push(Notice::BeaconNotSent { error });
        }
        // A node that is on one network for ever has nothing to tell of it.
        if self.context.config.networks.is_some() {
            let (joined, left) = (Vec::new(), Vec::new());
            self.tell_network(NetworkChange { joined, left });
        }
    }

    /// A message came in on a connection whose routing id is `from`.
    ///
    /// A message that breaks the protocol ends the session of the peer that `from` names. Anybody
    /// can connect under that name: a caller who can tell connections apart asks
    /// [`admits`](Node::admits) or [`check_bound`](Node::check_bound) first.
    pub fn handle_message(&mut self, from: &RoutingId, message: Message, now: Instant) -> Verdict {
        self.handle_held_message(from, message, now, now)
    }

    /// Handles a message that came earlier and was held back, as
    /// [`handle_message`](Node::handle_message) would have handled it then.
    pub fn handle_held_message(
        &mut self,
        from: &RoutingId,
        message: Message,
        came_at: Instant,
        now: Instant,
    ) -> Verdict {
        self.context.advance(now);
        let (peer, sequence) = (from.peer(), message.sequence);
        match message.body {
            _ if !self.running => Verdict::Ignored,
            Body::Hello(hello) => self.take_hello(peer, sequence, hello, came_at),
            body => self.take_message(peer, sequence, body),
        }
    }

    /// A peer broke the protocol below the level of messages.
    pub fn handle_fault(&mut self, peer: PeerId, fault: Fault, now: Instant) {
        self.context.advance(now);
        let _violation = self.take_violation(peer, fault);
    }

    /// Time has passed; see [`poll_timeout`](Node::poll_timeout). Early and repeated calls are
    /// harmless.
    ///
    /// A suspected peer is one that somebody claims to be gone. It has been sent a PING, and is
    /// removed if it has not answered within
    /// [`evasive_after`](crate::Config#structfield.evasive_after). A node does not know how much
    /// waits in front of the PING or of the answer. A caller who does gives such peers more time
    /// before this call; see
    /// [`overdue_suspects`](Node::overdue_suspects).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.context.advance(now);
        self.context.note_timeout();
        while let Some(timer) = self.context.deadlines.pop_due(self.context.now) {
            match timer {
                NodeTimer::Beacon => self.context.announce(),
                NodeTimer::Peer(peer) => self.apply(peer, Peer::check),
                NodeTimer::Request => self.context.time_out_requests(),
                NodeTimer::Confirmation => self.peers.ask_for_confirmation(&mut self.context),
                NodeTimer::Election => self.peers.check_elections(&mut self.context),
                NodeTimer::Silence => {
                    // Collected first: a check may remove peers from the table.
                    for peer in self.peers.silent(&mut self.context) {
                        self.apply(peer, Peer::check);
                    }
                }
            }
        }
    }
}

/// What the application wishes.
impl Node {
    /// Joins a group; does nothing if the node is in it already.
    ///
    /// # Errors
    ///
    /// [`Error::OwnLimit`] if the node would be in more groups than its own limits allow, or
    /// [`Error::Stopped`].
    pub fn join(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        let own = &self.context.own;
        if !own.groups.contains(group) {
            let mut hello = own.clone();
            hello.groups.insert(group.clone());
            check_own(hello, &self.context.config.limits)?;
        }
        groups::join(group, &mut self.peers, &mut self.context);
        Ok(())
    }

    /// Leaves a group; does nothing if the node is not in it.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn leave(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        groups::leave(group, &mut self.peers, &mut self.context);
        Ok(())
    }

    /// Wants to lead a group from now on, and stands in its elections whenever the node is in it.
    /// The contestant with the lowest identity wins; [`Event::Leader`] tells who it is.
    ///
    /// Zyre nodes and nodes of this implementation take part in elections; others do not, and are
    /// left out. See [`Voters`](crate::Voters) for how they are told apart.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn contest(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        self.peers.stand_in(group, &mut self.context);
        Ok(())
    }

    /// Does not want to lead a group any more. If the node leads it and another member contests,
    /// that one is elected. If none does, it goes on leading until one does or it leaves the group.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn withdraw(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        self.peers.withdraw(group, &mut self.context);
        Ok(())
    }

    /// Sets a header of this node, in place of an earlier value.
    ///
    /// ZRE tells headers in HELLO alone. So peers that are met from now on see it, and so do those
    /// whose session begins again; for all others nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] if the name has more than 255 bytes, [`Error::OwnLimit`] if the node
    /// would have more headers than its own limits allow, [`Error::KeyHeader`] for `X-PUBLICKEY`,
    /// or [`Error::Stopped`].
    pub fn set_header(
        &mut self,
        name: impl Into<Text>,
        value: impl Into<Text>,
        now: Instant,
    ) -> Result<(), Error> {
        self.command(now)?;
        let (name, mut hello) = (name.into(), self.context.own.clone());
        if name.as_bytes() == KEY_HEADER.as_bytes() {
            return Err(Error::KeyHeader);
        }
        hello.headers.set(name, value)?;
        let headers = hello.headers.clone();
        check_own(hello, &self.context.config.limits)?;
        self.context.own.headers = headers;
        Ok(())
    }

    /// Removes a header of this node, and says whether there was one. Only peers that are met from
    /// now on see it, as with [`set_header`](Node::set_header).
    ///
    /// # Errors
    ///
    /// [`Error::KeyHeader`] for `X-PUBLICKEY`, or [`Error::Stopped`].
    pub fn remove_header(&mut self, name: impl AsRef<[u8]>, now: Instant) -> Result<bool, Error> {
        self.command(now)?;
        if name.as_ref() == KEY_HEADER.as_bytes() {
            return Err(Error::KeyHeader);
        }
        Ok(self.context.own.headers.remove(name).is_some())
    }

    /// Sends a message to one peer. Content without a frame goes as one empty frame.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`], [`Error::MessageTooLarge`] or [`Error::Stopped`]. [`Error::Full`]
    /// for a peer that gives the endpoint of another as its own, until it is known which of them is
    /// there.
    pub fn whisper(&mut self, peer: PeerId, content: Content, now: Instant) -> Result<(), Error> {
        let message = self.prepare_whisper(peer, content, now)?;
        let output = NodeOutput::Send { peer, message };
        self.context.outputs.push_back(output);
        Ok(())
    }

    /// The message that [`whisper`](Node::whisper) sends, for the caller to send it without another
    /// turn through [`poll_output`](Node::poll_output).
    ///
    /// The message has its sequence number already. So it must be sent, and after all outputs that
    /// wait: take those first.
    ///
    /// # Errors
    ///
    /// As [`whisper`](Node::whisper).
    pub fn prepare_whisper(
        &mut self,
        peer: PeerId,
        content: Content,
        now: Instant,
    ) -> Result<Message, Error> {
        self.command(now)?;
        let content = self.context.sendable(content);
        let channel = &mut self.peers.ready_mut(&peer)?.channel;
        if !channel.is_usable() {
            return Err(Error::Full(peer));
        }
        // Checked last: who cannot be sent to is the better answer. Nothing is numbered before.
        let body = Body::Whisper { content: content? };
        let sequence = channel.sequence.number_next();
        channel.pings.count_message();
        self.context.await_confirmation();
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
        let content = self.context.sendable(content)?;
        let (all, context) = (&mut self.peers, &mut self.context);
        Ok(groups::shout(peers, group, &content, all, context))
    }

    /// Sees to it that a peer confirms soon that it has all messages which were sent to it, and
    /// gives a number for [`is_answered`](Node::is_answered), which then says whether it has.
    ///
    /// While one question is under way to a peer, the next is asked only when some hundreds of
    /// messages have been sent behind it, so confirming each of a thousand messages takes few.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] or [`Error::Stopped`].
    pub fn confirm(&mut self, peer: PeerId, now: Instant) -> Result<u64, Error> {
        self.command(now)?;
        let known = self.peers.ready_mut(&peer)?;
        Ok(known.channel.confirm_all(&mut self.context))
    }

    /// Asks a peer for an answer (PING), and gives the question's number for
    /// [`is_answered`](Node::is_answered). When it is answered, the peer has handled all that was
    /// sent to it before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] or [`Error::Stopped`].
    pub fn ping(&mut self, peer: PeerId, now: Instant) -> Result<u64, Error> {
        self.command(now)?;
        let known = self.peers.ready_mut(&peer)?;
        Ok(known.channel.ping(&mut self.context))
    }
}

/// What follows.
impl Node {
    /// Takes the next thing to do.
    pub fn poll_output(&mut self) -> Option<NodeOutput> {
        self.context.outputs.pop_front()
    }

    /// Takes the next event for the application.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.context.events.pop()
    }

    /// Whether an event waits.
    pub fn has_events(&self) -> bool {
        !self.context.events.is_empty()
    }

    /// Takes the next notice for the log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.context.notices.pop()
    }

    /// When [`handle_timeout`](Node::handle_timeout) has something to do; `None` after
    /// [`stop`](Node::stop).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.context.deadlines.next()
    }

    /// Whether no message of any peer should be handled: from when as many events wait as
    /// [`Limits`](crate::Limits) allow, until half of that is free again, or less if it lasts.
    pub fn is_congested(&self) -> bool {
        self.context.events.is_congested()
    }

    /// Whether messages of a peer should be handled. Not while the node
    /// [is congested](Node::is_congested), and not from when as much of this peer waits for the
    /// application as there is room left in the [`Limits`](crate::Limits), until about half of it
    /// has been taken. So a peer that sends much leaves room for the others.
    ///
    /// A caller whose ZeroMQ library reads all peers from one socket has no choice, and asks
    /// [`is_congested`](Node::is_congested).
    pub fn may_take(&self, peer: PeerId) -> bool {
        self.context.events.may_take(peer)
    }

    /// Whether there are peers of which no messages should be handled: some that it
    /// [may not take](Node::may_take) from, or all.
    pub fn is_holding(&self) -> bool {
        self.context.events.is_holding()
    }

    /// Ends what keeps peers from being read where there is some room, however little.
    pub(crate) fn relieve(&mut self) {
        self.context.events.relieve();
    }

    /// Tells the application something that only the engine knows.
    pub(crate) fn tell(&mut self, event: Event) {
        self.context.events.push(event);
    }

    /// The events that wait. The engine makes its [`Patience`] deadlines with them.
    pub(crate) fn backlog(&self) -> &Backlog {
        &self.context.events
    }

    /// Whether [`poll_output`](Node::poll_output) has something to give.
    pub(crate) fn has_outputs(&self) -> bool {
        !self.context.outputs.is_empty()
    }
}

/// Carrying out.
impl Node {
    fn tell_network(&mut self, change: NetworkChange) {
        let networks = self.context.networks.infos().collect();
        let NetworkChange { joined, left } = change;
        // What it is on now can be asked for, also by a program that is far behind.
        if !self.is_congested() {
            self.context.events.push(Event::Network {
                networks,
                joined,
                left,
            });
        }
    }

    /// A beacon came under our own identity. The system gives a broadcast to its sender, too.
    fn hear_own(&mut self, from: SocketAddr, port: Option<NonZeroU16>) {
        let now = self.context.now;
        let networks = &mut self.context.networks;
        let mut own = networks.announced();
        let is_own_port = port.is_none_or(|port| own.any(|(_, own)| own == port));
        drop(own);
        // A node that is not told its networks does not know all addresses of its machine.
        let is_own =
            networks.is_own_address(from.ip(), now) || self.context.config.networks.is_none();
        if is_own_port && is_own {
            networks.note_own(from.ip());
        } else if let Some(port) = port {
            let from = SocketAddr::new(from.ip(), port.get());
            self.context.notices.push(Notice::OwnIdentity { from });
        }
    }

    #[inline(always)] // A node in the open has no key to look at, and hears most beacons.
    fn peer_appears(
        &mut self,
        peer: PeerId,
        from: SocketAddr,
        port: NonZeroU16,
        key: Option<&PublicKey>,
    ) {
        let mut source = from;
        // Only IPv6 has two spellings.
        if from.is_ipv6() {
            source.set_ip(from.ip().to_canonical());
        }
        source.set_port(port.get());
        let context = &mut self.context;
        match self.peers.hear(&peer, source, &context.config, context.now) {
            // Nearly all.
            Heard::Again => {}
            // Another node cannot be where this one is: the beacon is forged or misconfigured.
            _ if context.networks.is_own_source(source) => {}
            Heard::Stranger => {
                let place = KeyedEndpoint {
                    endpoint: at_source(source),
                    key: key.copied(),
                };
                self.peers.stranger_appears(peer, place, context);
            }
            Heard::Known(known) => {
                let effect = known.take_beacon(source, key, context);
                self.carry_out(peer, effect);
            }
        }
    }

    fn take_message(&mut self, peer: PeerId, sequence: u16, body: Body) -> Verdict {
        let known = self.peers.with_members(&peer);
        let Some((known, members)) = known.filter(|(known, _)| known.is_ready()) else {
            // Without a HELLO it is nobody's session. zyre, too, drops what comes before it.
            let kind = body.kind();
            self.context.notices.push(Notice::Stray { peer, kind });
            return Verdict::Ignored;
        };
        let effect = known.take_message(sequence, body, members, &mut self.context);
        match effect {
            // Nearly all messages.
            PeerEffect::Nothing => Verdict::Accepted,
            PeerEffect::Exit(ExitReason::ProtocolError(fault)) => self.take_violation(peer, fault),
            effect => {
                self.carry_out(peer, effect);
                Verdict::Accepted
            }
        }
    }

    /// The peer broke the protocol: it is gone if it had entered, and noted otherwise.
    pub(super) fn take_violation(&mut self, peer: PeerId, fault: Fault) -> Verdict {
        match self.peers.get_mut(&peer) {
            Some(known) => {
                let effect = known.take_violation(fault.clone(), &mut self.context);
                self.carry_out(peer, effect);
            }
            None => {
                let fault = fault.clone();
                self.context.notices.push(Notice::Refused { peer, fault });
            }
        }
        Verdict::Violation(fault)
    }

    /// Applies a rule to a peer, if it is there.
    fn apply(
        &mut self,
        peer: PeerId,
        rule: impl FnOnce(&mut Peer, &mut NodeContext) -> PeerEffect,
    ) {
        if let Some(known) = self.peers.get_mut(&peer) {
            let effect = rule(known, &mut self.context);
            self.carry_out(peer, effect);
        }
    }

    /// Carries out what a rule about a peer returned.
    fn carry_out(&mut self, peer: PeerId, effect: PeerEffect) {
        let (peers, context) = (&mut self.peers, &mut self.context);
        match effect {
            PeerEffect::Nothing => {}
            PeerEffect::Watch => peers.watch(&peer, context),
            PeerEffect::Move(place) => {
                peers.follow_to(&peer, place, context);
            }
            PeerEffect::Reconnect => {
                peers.connect(&peer, context);
                peers.watch(&peer, context);
            }
            PeerEffect::Redirect(endpoint) => {
                peers.redirect(&peer, endpoint, context);
                peers.watch(&peer, context);
            }
            PeerEffect::Election { group, word } => peers.take_word(&group, peer, word, context),
            PeerEffect::AsksEarly => peers.note_question(peer, context),
            PeerEffect::JoinedGroup(group) => peers.joined_group(&group, peer, context),
            PeerEffect::LeftGroup(group) => peers.left_group(&group, peer, context),
            PeerEffect::RejectClaimant(claimant) => peers.reject(&claimant, peer, context),
            PeerEffect::Exit(reason) => peers.exit(&peer, reason, context),
        }
    }

    /// Begins a command of the application: none is taken once the node has been stopped.
    fn command(&mut self, now: Instant) -> Result<(), Error> {
        self.context.advance(now);
        match self.running {
            true => Ok(()),
            false => Err(Error::Stopped),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
