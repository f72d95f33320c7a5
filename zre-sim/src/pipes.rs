//! A `Node` with connections that carry whole messages: what somebody with a ZeroMQ library builds around it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use zre_core::{
    Admission, Config, Error, Event, Instant, Node, NodeOutput, Verdict,
    proto::{Body, Content, Endpoint, GroupName, Message, PeerId, RoutingId},
};

use crate::{
    station::{Action, Conn, wire_size},
    wire::release_if_empty,
};

/// How long after the end of a peer's connection the node is told of it; see [`Node::handle_disconnect`].
const REPORT_AFTER: Duration = Duration::from_millis(100);
/// The same where the peer's own connection is still there.
const REPORT_HALF_AFTER: Duration = Duration::from_millis(500);
/// How long until another attempt to connect.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// A node and its connections.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) node: Node,
    to: BTreeMap<PeerId, Outgoing>,
    from: BTreeMap<PeerId, u64>,
    ends: BTreeMap<u64, End>,
    next: u64,
    actions: VecDeque<Action>,
    timers: BTreeSet<(Instant, PeerId, Timer)>,
    now: Instant,
    phase: Phase,
    quirk: Option<EarlyWrap>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    To(PeerId),
    From(RoutingId),
}

#[derive(Debug)]
struct Outgoing {
    pipe: u64,
    to: Endpoint,
    open: bool,
    opened_at: Instant,
    retries: u32,
    queue: VecDeque<Message>,
    size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Retry,
    /// The peer's connections have ended; perhaps others have come since.
    Report {
        half: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Draining,
    Stopped,
}

impl Pipes {
    pub(crate) fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        Self {
            node: Node::new(config, seed, now),
            to: BTreeMap::new(),
            from: BTreeMap::new(),
            ends: BTreeMap::new(),
            next: 0,
            actions: VecDeque::new(),
            timers: BTreeSet::new(),
            now,
            phase: Phase::Running,
            quirk: None,
        }
    }

    /// Makes the node count its messages as pyre and zyre.js do.
    pub(crate) fn wrap_early(&mut self) {
        self.quirk = Some(EarlyWrap::default());
    }

    pub(crate) fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        self.now = self.now.max(now);
        self.node.handle_beacon(from, datagram, now);
    }

    pub(crate) fn handle_accepted(&mut self, from: RoutingId) -> u64 {
        self.add(End::From(from))
    }

    pub(crate) fn handle_connected(&mut self, pipe: u64) {
        if let Some(outgoing) = self.outgoing(pipe) {
            outgoing.open = true;
            self.actions.push_back(Action::Writable(Conn::Pipe(pipe)));
        }
    }

    pub(crate) fn handle_closed(&mut self, pipe: u64, now: Instant) {
        match self.ends.remove(&pipe) {
            Some(End::To(peer)) => self.outgoing_ended(peer, pipe, now),
            Some(End::From(id)) if self.from.get(&id.peer()) == Some(&pipe) => {
                self.from.remove(&id.peer());
                let timer = Timer::Report { half: false };
                self.timers.insert((now + REPORT_AFTER, id.peer(), timer));
            }
            Some(End::From(_)) | None => {}
        }
    }

    /// A message is the peer's if its session's connection carries it, or if it can begin to.
    pub(crate) fn handle_message(&mut self, pipe: u64, mut message: Message, now: Instant) {
        let Some(End::From(id)) = self.ends.get(&pipe).copied() else {
            return;
        };
        let peer = id.peer();
        if let Some(quirk) = &mut self.quirk {
            quirk.received(peer, &mut message);
        }
        let bound = self.from.get(&peer) == Some(&pipe);
        let begins = matches!(message.body, Body::Hello(_));
        if self.node.admits(peer, &message, bound) == Admission::Stray {
            return;
        }
        // A HELLO that a younger connection has overtaken belongs to a session that is over.
        if !bound && begins && self.from.get(&peer).is_some_and(|from| *from > pipe) {
            self.close(pipe);
            return;
        }
        match self.node.handle_message(&id, message, now) {
            Verdict::Accepted if !bound => {
                self.settle(now);
                if self.node.is_ready(peer)
                    && let Some(old) = self.from.insert(peer, pipe)
                {
                    self.close(old);
                }
            }
            Verdict::Accepted | Verdict::Ignored => {}
            Verdict::Refused(_) => {
                self.settle(now);
                self.close(pipe);
            }
        }
    }

    /// Takes the next message for a connection that is there.
    pub(crate) fn next_for(&mut self, pipe: u64, now: Instant) -> Option<Message> {
        self.settle(now);
        let End::To(peer) = *self.ends.get(&pipe)? else {
            return None;
        };
        let outgoing = self.outgoing(pipe).filter(|outgoing| outgoing.open)?;
        let mut message = outgoing.queue.pop_front()?;
        release_if_empty(&mut outgoing.queue);
        outgoing.size -= wire_size(&message);
        if let Some(quirk) = &mut self.quirk {
            quirk.sent(peer, &mut message);
        }
        Some(message)
    }

    pub(crate) fn queued_on(&self, pipe: u64) -> usize {
        match self.ends.get(&pipe) {
            Some(End::To(peer)) => self.to.get(peer).map_or(0, |outgoing| outgoing.size),
            Some(End::From(_)) | None => 0,
        }
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.settle(self.now);
        self.actions.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        let was_congested = self.node.is_congested();
        let event = self.node.poll_event();
        if was_congested && !self.node.is_congested() {
            self.actions.push_back(Action::Resume);
        }
        event
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let own = self.timers.first().map(|(at, ..)| *at);
        own.into_iter().chain(self.node.poll_timeout()).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.node.handle_timeout(now);
        while let Some((_, peer, timer)) =
            self.timers.first().copied().filter(|first| first.0 <= now)
        {
            self.timers.pop_first();
            match timer {
                Timer::Retry => self.retry(peer),
                Timer::Report { half } if half || !self.from.contains_key(&peer) => {
                    self.report(peer, half, now);
                }
                Timer::Report { .. } => {}
            }
        }
    }

    pub(crate) fn whisper(
        &mut self,
        peer: PeerId,
        content: Content,
        now: Instant,
    ) -> Result<(), Error> {
        self.check_running()?;
        if self.is_full(peer) {
            return Err(Error::Full(peer));
        }
        self.node.whisper(peer, content, now)?;
        self.settle(now);
        Ok(())
    }

    pub(crate) fn shout_to(
        &mut self,
        peer: PeerId,
        group: &GroupName,
        content: Content,
        now: Instant,
    ) -> Result<bool, Error> {
        self.check_running()?;
        let reached = !self.is_full(peer) && self.node.shout_to(&[peer], group, content, now)? == 1;
        self.settle(now);
        Ok(reached)
    }

    /// Says goodbye when all that waits has gone.
    pub(crate) fn stop(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            self.phase = Phase::Draining;
            self.settle(now);
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    fn check_running(&self) -> Result<(), Error> {
        match self.phase {
            Phase::Running => Ok(()),
            Phase::Draining | Phase::Stopped => Err(Error::Stopped),
        }
    }

    fn is_full(&self, peer: PeerId) -> bool {
        let most = self.node.config().limits.outbound;
        self.to
            .get(&peer)
            .is_some_and(|outgoing| outgoing.size >= most)
    }

    fn outgoing(&mut self, pipe: u64) -> Option<&mut Outgoing> {
        let End::To(peer) = *self.ends.get(&pipe)? else {
            return None;
        };
        self.to
            .get_mut(&peer)
            .filter(|outgoing| outgoing.pipe == pipe)
    }

    fn add(&mut self, end: End) -> u64 {
        let pipe = self.next;
        self.next += 1;
        self.ends.insert(pipe, end);
        pipe
    }

    /// Carries out what the node wants.
    fn settle(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while let Some(output) = self.node.poll_output() {
            match output {
                NodeOutput::Beacon(beacon) => {
                    self.actions.push_back(Action::Datagram(beacon.encode()));
                }
                NodeOutput::Connect { peer, endpoint } => self.connect(peer, endpoint),
                NodeOutput::Send { peer, message } => self.send(peer, message),
                NodeOutput::Disconnect { peer } => self.disconnect(peer),
            }
        }
        let waits = |outgoing: &Outgoing| outgoing.open && !outgoing.queue.is_empty();
        if self.phase == Phase::Draining && !self.to.values().any(waits) {
            self.phase = Phase::Stopped;
            self.node.stop(now);
            self.timers.clear();
            self.settle(now);
        }
    }

    fn connect(&mut self, peer: PeerId, to: Endpoint) {
        if let Some(old) = self.to.remove(&peer) {
            self.close(old.pipe);
        }
        self.timers
            .retain(|(_, whose, timer)| *whose != peer || *timer == Timer::Report { half: false });
        let pipe = self.add(End::To(peer));
        self.actions.push_back(Action::Open {
            conn: Conn::Pipe(pipe),
            to: to.clone(),
        });
        let outgoing = Outgoing {
            pipe,
            to,
            open: false,
            opened_at: self.now,
            retries: 0,
            queue: VecDeque::new(),
            size: 0,
        };
        self.to.insert(peer, outgoing);
    }

    fn send(&mut self, peer: PeerId, message: Message) {
        let Some(outgoing) = self.to.get_mut(&peer) else {
            return;
        };
        outgoing.size += wire_size(&message);
        outgoing.queue.push_back(message);
        if outgoing.open {
            self.actions
                .push_back(Action::Writable(Conn::Pipe(outgoing.pipe)));
        }
    }

    fn disconnect(&mut self, peer: PeerId) {
        if let Some(outgoing) = self.to.remove(&peer) {
            self.close(outgoing.pipe);
        }
        if let Some(pipe) = self.from.remove(&peer) {
            self.close(pipe);
        }
        self.timers.retain(|(_, whose, _)| *whose != peer);
    }

    fn close(&mut self, pipe: u64) {
        if self.ends.remove(&pipe).is_some() {
            self.actions.push_back(Action::Close(Conn::Pipe(pipe)));
        }
    }

    fn outgoing_ended(&mut self, peer: PeerId, pipe: u64, now: Instant) {
        let patience = self.node.config().handshake_timeout;
        let Some(outgoing) = self
            .to
            .get_mut(&peer)
            .filter(|outgoing| outgoing.pipe == pipe)
        else {
            return;
        };
        let fresh = !outgoing.open && now.since(outgoing.opened_at) < patience;
        outgoing.open = false;
        let (after, timer) = match fresh {
            true => (RETRY_AFTER, Timer::Retry),
            // A peer that has not presented itself must be forgotten before it does so, or it would find the session
            // complete at one end only.
            false if !self.from.contains_key(&peer) => (REPORT_AFTER, Timer::Report { half: true }),
            false => (REPORT_HALF_AFTER, Timer::Report { half: true }),
        };
        self.timers.insert((now + after, peer, timer));
    }

    /// A peer may have moved, or be reached otherwise than it says, so attempts take turns.
    fn retry(&mut self, peer: PeerId) {
        let pipe = self.add(End::To(peer));
        let own_words = self.node.peer(peer).map(|info| info.endpoint);
        match self.to.get_mut(&peer).filter(|outgoing| !outgoing.open) {
            Some(outgoing) => {
                outgoing.pipe = pipe;
                outgoing.retries += 1;
                let own_words = own_words.filter(|_| outgoing.retries % 2 == 1);
                let to = own_words.unwrap_or_else(|| outgoing.to.clone());
                let conn = Conn::Pipe(pipe);
                self.actions.push_back(Action::Open { conn, to });
            }
            None => _ = self.ends.remove(&pipe),
        }
    }

    fn report(&mut self, peer: PeerId, half: bool, now: Instant) {
        let is_open = self.to.get(&peer).is_some_and(|outgoing| outgoing.open);
        if !(half && is_open) {
            self.node.handle_disconnect(peer, now);
        }
    }
}

/// Translates between how the node counts and how pyre and zyre.js do: 65534 is followed by 0.
#[derive(Debug, Default)]
struct EarlyWrap {
    counts: BTreeMap<PeerId, Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    received: u64,
}

impl EarlyWrap {
    const EARLY: u64 = 65_535;
    const RIGHT: u64 = 65_536;

    fn sent(&mut self, peer: PeerId, message: &mut Message) {
        let counts = self.counts.entry(peer).or_default();
        counts.sent = match message.body {
            Body::Hello(_) => 1,
            _ => counts.sent + 1,
        };
        message.sequence = in_sequence(counts.sent, Self::EARLY);
    }

    /// What is not what it expects, the node shall not expect either.
    fn received(&mut self, peer: PeerId, message: &mut Message) {
        let counts = self.counts.entry(peer).or_default();
        counts.received = match message.body {
            Body::Hello(_) => 1,
            _ => counts.received + 1,
        };
        let fits = message.sequence == in_sequence(counts.received, Self::EARLY);
        let right = in_sequence(counts.received, Self::RIGHT);
        message.sequence = if fits {
            right
        } else {
            right.wrapping_add(1000)
        };
    }
}

fn in_sequence(count: u64, wrap: u64) -> u16 {
    u16::try_from(count % wrap).unwrap_or(0)
}
