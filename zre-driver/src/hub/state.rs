//! What the hub's lock guards, and what follows from each thing that the engine is told.

use std::{net::SocketAddr, task::Context};

use zre_core::{
    Engine, Error, Event, Instant, Notice, Output,
    interfaces::{Interface, LocalAddress, NetworkId},
    proto::{Content, PeerId},
};

use super::{
    aftermath::Aftermath,
    application::only_named,
    clock::Clock,
    connection::Stream,
    connections::{Connections, Io},
    driving::{Command, DriverQueue},
    jam::JamWatch,
    networks::NetworkSockets,
    signals::Signals,
    waiters::{Awaited, Changes, Ticket, Waiters},
    watch::Watch,
};

pub(super) struct State<S> {
    pub(super) engine: Engine,
    phase: Phase,
    pub(super) clock: Clock,
    pub(super) connections: Connections<S>,
    pub(super) networks: NetworkSockets,
    /// What the engine was told last.
    pub(super) interfaces: Vec<Interface>,
    /// Where the node is a gossip hub.
    pub(super) gossip_at: Vec<SocketAddr>,
    pub(super) driver: DriverQueue,
    pub(super) watch: Watch,
    pub(super) signals: Signals,
    pub(super) waiters: Waiters,
    /// How many take requests of peers.
    pub(super) servers: usize,
    changes: Changes,
    /// How many events the application has taken.
    taken: u64,
    jam: JamWatch,
    pub(super) aftermath: Aftermath,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Asked to stop: the engine refuses commands.
    Stopping,
    /// Nobody drives the node any more.
    Finished,
}

impl<S> State<S> {
    pub(super) fn new(engine: Engine, networks: NetworkSockets) -> Self {
        Self {
            phase: Phase::Running,
            clock: Clock::new(),
            connections: Connections::default(),
            networks,
            interfaces: Vec::new(),
            gossip_at: Vec::new(),
            driver: DriverQueue::default(),
            watch: Watch::new(&engine.node().config().limits),
            signals: Signals::default(),
            waiters: Waiters::default(),
            servers: 0,
            changes: Changes::default(),
            taken: 0,
            jam: JamWatch::default(),
            aftermath: Aftermath::default(),
            engine,
        }
    }

    /// Closes the sockets and does nothing else. What waits for them is not woken.
    pub(super) fn close_sockets(&mut self) {
        self.driver.clear();
        self.networks.close_all();
        self.connections.close_sockets();
    }

    /// The connections, and what else moving bytes needs.
    pub(super) fn io(&mut self, now: Instant) -> (&mut Connections<S>, Io<'_>) {
        let io = Io {
            engine: &mut self.engine,
            clock: &mut self.clock,
            changes: &mut self.changes,
            aftermath: &mut self.aftermath,
            now,
        };
        (&mut self.connections, io)
    }

    /// Whether the node has been asked to stop, or is over.
    pub(super) fn is_stopping(&self) -> bool {
        self.phase != Phase::Running
    }

    /// Whether nobody drives the node any more.
    pub(super) fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// When there is something to do by the time.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let (engine, deferred) = (self.engine.poll_timeout(), self.connections.look_at());
        let next = earlier(engine, deferred);
        match self.waiters.has_operations() {
            // Hardly ever.
            true => earlier(
                next,
                earlier(self.waiters.next_moment(), self.jam.look_at()),
            ),
            false => next,
        }
    }

    /// Takes the next event for the application.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        let event = self.engine.poll_event();
        self.taken += u64::from(event.is_some());
        // When the node is over, the signals stay raised.
        if event.is_some() && !self.engine.node().has_events() && !self.is_finished() {
            self.signals.lower();
        }
        event
    }

    pub(super) fn report(&mut self, notice: Notice, now: Instant) {
        self.watch.see_notice(notice, now, &mut self.aftermath);
    }

    /// The interfaces of this machine are these.
    pub(super) fn handle_interfaces(&mut self, interfaces: Vec<Interface>, now: Instant) {
        // What watches them tells often for nothing.
        if self.interfaces != interfaces {
            self.engine.handle_interfaces(&interfaces, now);
            self.interfaces = interfaces;
        }
    }
}

impl<S: Stream> State<S> {
    /// That of a node that is over, and of which nothing is left.
    pub(super) fn over(engine: Engine, networks: NetworkSockets) -> Self {
        let mut state = Self::new(engine, networks);
        state.finish(Instant::default());
        while state.engine.poll_event().is_some() {}
        state
    }

    /// Whispers if there is room, which takes the content.
    pub(super) fn whisper(
        &mut self,
        peer: PeerId,
        content: &mut Content,
        now: Instant,
    ) -> Result<(), Error> {
        self.engine.whisper_from(peer, content, now)?;
        self.watch.note_sent(1);
        Ok(())
    }

    /// Lets an operation wait for any of these. This thread sends no more now, so what it deferred
    /// is written.
    pub(super) fn wait_for_any(
        &mut self,
        ticket: &mut Ticket,
        awaited: impl IntoIterator<Item = Awaited>,
        cx: &Context<'_>,
        now: Instant,
    ) {
        // The waiter comes first: if the write makes room, it is woken.
        let aftermath = &mut self.aftermath;
        self.waiters.wait_for_any(ticket, awaited, cx, aftermath);
        self.write_own(now);
    }

    /// Lets an operation that has just sent something wait for answers. Its task may send more at
    /// once, so what is deferred is not written yet: one of those who wait is polled again when the
    /// task has come to its end, and then writes it.
    pub(super) fn wait_behind_message(
        &mut self,
        ticket: &mut Ticket,
        awaited: impl IntoIterator<Item = Awaited>,
        cx: &Context<'_>,
        now: Instant,
    ) {
        self.connections.set_burst(self.waiters.await_answers());
        let aftermath = &mut self.aftermath;
        self.waiters.wait_for_any(ticket, awaited, cx, aftermath);
        self.carry_out(now);
        self.connections.set_burst(false);
        if self.connections.is_to_ask() {
            self.aftermath.wake(cx.waker().clone());
        }
    }

    /// Writes what was deferred on this thread, as it sends no more now.
    pub(super) fn write_own(&mut self, now: Instant) {
        let (connections, mut io) = self.io(now);
        connections.write_own(&mut io);
    }

    /// Begins to stop. What was sent is still written, and answered.
    pub(super) fn stop(&mut self, now: Instant) {
        // A node that is over stays so.
        if self.phase == Phase::Running {
            self.phase = Phase::Stopping;
        }
        self.engine.stop(now);
        let (connections, mut io) = self.io(now);
        connections.write_all(&mut io);
    }

    /// Nobody drives the node any more, so it is over.
    pub(super) fn finish(&mut self, now: Instant) {
        self.engine.stop_now(now);
        // The goodbye is still sent, and the last event seen, before all is closed.
        self.settle(now);
        self.phase = Phase::Finished;
        self.networks.close_all();
        self.connections.clear(&mut self.aftermath);
        self.signals.raise();
        self.watch.end(&mut self.aftermath);
        self.waiters.wake_all(&mut self.aftermath);
    }

    /// Carries out what the engine wants, and finds out what has come true of all that somebody
    /// waits for. It follows every call of the engine, under the same lock.
    pub(super) fn settle(&mut self, now: Instant) {
        self.carry_out(now);
        let node = self.engine.node();
        if node.has_settled() || node.has_requests() {
            self.tell_of_requests(now);
        }
        self.watch
            .see_events(&self.engine, &mut self.changes, &mut self.aftermath);
        // Behind the outputs, which may have failed.
        while let Some(notice) = self.engine.poll_notice() {
            self.report(notice, now);
        }
        // All of them: one alone might have been dropped before it takes the event.
        if self.engine.node().has_events() {
            self.waiters.wake_for_event(&mut self.aftermath);
            self.signals.raise();
        }
        // Before the driver is told when there is something to do.
        if self.waiters.has_operations() {
            self.watch_for_jam(now);
        } else if self.jam.is_watching() {
            self.jam.end();
        }
        let is_stopped = self.engine.is_stopped();
        self.driver
            .wake_if_wanted(self.next_timeout(), is_stopped, &mut self.aftermath);
        if self.waiters.has_operations() {
            self.wake_operations(now);
        }
        self.changes.clear();
    }

    /// Outcomes are known, or requests of peers wait.
    #[inline(never)] // What is no message of others is not to make messages slow.
    fn tell_of_requests(&mut self, now: Instant) {
        if self.servers > 0 && self.engine.node().has_requests() {
            self.waiters.wake_for_request(&mut self.aftermath);
        }
        loop {
            while let Some(id) = self.engine.poll_settled() {
                self.waiters.wake_for_outcome(id, &mut self.aftermath);
            }
            if self.servers > 0 || !self.engine.node().has_requests() {
                return;
            }
            while let Some(request) = self.engine.poll_request() {
                // Who has gone hears nothing.
                if self.engine.refuse(&request, now).is_ok() {
                    self.watch.note_sent(1);
                }
            }
            // A peer may be read on then, and say more.
            self.carry_out(now);
        }
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Listen { network, address } => self.listen(network, &address, now),
                Output::Leave(network) => self.leave(network, now),
                Output::Datagram { network, datagram } => {
                    let sent = self.networks.send(network, &datagram);
                    let sent = sent.as_ref().copied().map_err(String::as_str);
                    self.engine.handle_beacon_sent(network, sent, now);
                }
                Output::Open {
                    link,
                    endpoint,
                    purpose,
                    ..
                } => {
                    self.connections.add(link);
                    self.changes.note_connections();
                    self.driver.push(Command::Open {
                        link,
                        endpoint,
                        purpose,
                    });
                }
                Output::Writable(link) => {
                    let (connections, mut io) = self.io(now);
                    connections.write(link, &mut io);
                }
                Output::Close(link) => {
                    self.connections.remove(link, &mut self.aftermath);
                    self.changes.note_connections();
                }
                Output::Resume => {
                    // The engine has gone on with what it had read, of whichever peers.
                    self.changes.note_connections();
                    self.connections
                        .wake_readers(&self.engine, &mut self.aftermath);
                }
            }
        }
    }

    /// Opens the sockets of a network. Those that the driver is to watch wait for it.
    #[inline(never)]
    fn listen(&mut self, network: NetworkId, address: &LocalAddress, now: Instant) {
        let opened = self.networks.open(network, address, &mut self.driver);
        match opened {
            Ok(port) => self.engine.handle_listening(network, port, now),
            Err(error) => {
                let error = error.to_string();
                self.engine.handle_not_listening(network, &error, now);
            }
        }
    }

    /// Closes the sockets and the connections of a network.
    #[inline(never)]
    fn leave(&mut self, network: NetworkId, now: Instant) {
        if let Some(address) = self.networks.close(network, &mut self.driver) {
            let (connections, mut io) = self.io(now);
            connections.leave(&address, &mut io);
        }
    }

    /// Tells if the application has taken no event for a second, while it waits for room to send,
    /// or for an answer that is not read.
    #[inline(never)] // What is rare is not to make each message slow.
    fn watch_for_jam(&mut self, now: Instant) {
        let (node, waiters) = (self.engine.node(), &self.waiters);
        let waits = waiters.await_capacity() || node.is_holding() && waiters.await_outcome();
        let is_jammed = node.has_events() && waits;
        if self.jam.is_new(is_jammed, self.taken, now) {
            let waiting = self.engine.node().waiting_events();
            self.report(Notice::EventsNotTaken { waiting }, now);
        }
    }

    /// Wakes those whose wait is over.
    fn wake_operations(&mut self, now: Instant) {
        let (engine, is_stopping) = (&self.engine, self.is_stopping());
        let peers_have_changed = self.changes.are_of_peers();
        let is_met = |awaited: &Awaited| match awaited {
            // They are woken by their number.
            Awaited::Outcome(id) => engine.node().has_outcome(*id),
            // What was sent before the stop is still answered.
            Awaited::Answer(peer, number) => {
                engine.is_stopped() || engine.node().is_answered(*peer, *number) != Some(false)
            }
            _ if is_stopping || engine.is_stopped() => true,
            Awaited::Moment(at) => *at <= now,
            Awaited::Capacity(peer) => !engine.is_full(*peer),
            Awaited::Peer(peer) => engine.node().is_ready(*peer),
            Awaited::Name(name) => only_named(engine.node(), name).is_some(),
            Awaited::Members(group, count) => engine.node().peers_by_group(group).count() >= *count,
            Awaited::PeerChange => peers_have_changed,
        };
        let (waiters, aftermath) = (&mut self.waiters, &mut self.aftermath);
        // Nearly all waits are over then, and what is left is soon.
        if is_stopping || engine.is_stopped() {
            waiters.wake_met(is_met, aftermath);
            return;
        }
        waiters.wake_moments(now, aftermath);
        if self.changes.are_general() {
            let changes = &self.changes;
            waiters.wake_met(
                |awaited| changes.concern(awaited) && is_met(awaited),
                aftermath,
            );
        }
        for link in self.changes.moved() {
            if let Some(peer) = engine.peer_of(link) {
                waiters.wake_met_by(peer, is_met, aftermath);
            }
        }
        // What else could make something come true would have to be noted among the changes.
        debug_assert!(!waiters.any_met(is_met), "somebody has not been woken");
    }
}

/// The earlier of two moments. Without comparing options, which takes twice as long; this is asked
/// for each message.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
