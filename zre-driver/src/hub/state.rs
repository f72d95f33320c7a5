//! What the hub's lock guards, and what follows from each thing that the engine is told.

use std::{
    collections::VecDeque,
    fmt::Debug,
    io,
    net::{SocketAddrV4, UdpSocket},
    sync::{Arc, Weak},
    task::Context,
    thread,
    time::Instant,
};

use zre_core::{Engine, Event, LinkId, Notice, Output};

use super::{
    application::only_named,
    connection::{Connection, Connections, Stream, Written, is_transient, read},
    driving::Command,
    feed::{FeedLimit, Feeds},
    log::{Entry, LogQueue},
    report::Counters,
    waiters::{Awaited, OperationId, Waiters, WakerSet},
};

pub(super) struct State<S> {
    epoch: Instant,
    pub(super) engine: Engine,
    pub(super) phase: Phase,
    pub(super) connections: Connections<S>,
    pub(super) beacons: Beacons,
    pub(super) commands: VecDeque<Command>,
    /// When the driver will call [`Hub::timeout`](super::Hub::timeout).
    pub(super) scheduled: Option<zre_core::Instant>,
    pub(super) waiters: Waiters,
    signals: Vec<Weak<dyn Signal>>,
    pub(super) events: Feeds<Event>,
    pub(super) notices: Feeds<Notice>,
    /// How many events have been looked at: given to [`events`](State::events) and counted.
    seen_events: u64,
    pub(super) counters: Counters,
    /// What is to be written to the log when the lock is free again.
    pub(super) log: LogQueue,
    /// Who is to be woken when the lock is free again.
    pub(super) woken: WakerSet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Asked to stop: the engine refuses commands.
    Stopping,
    /// Nobody drives the node any more.
    Finished,
}

/// Shows whether events wait, to those who cannot be woken by a [`Waker`](std::task::Waker).
///
/// It is told while the hub is locked, so it must not call the hub.
pub trait Signal: Debug + Send + Sync {
    /// Events wait, or the node has stopped.
    fn raise(&self);

    /// No event waits.
    fn lower(&self);
}

/// Sends beacons.
pub(super) struct Beacons {
    /// `None` when the node is over.
    socket: Option<UdpSocket>,
    broadcast: SocketAddrV4,
    pub(super) sent: u64,
    /// Why the last beacon could not be sent.
    pub(super) error: Option<String>,
}

impl Beacons {
    /// A beacon that cannot be sent is not worth waiting for: the next comes in a second.
    fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        let sent = socket.send_to(datagram, self.broadcast);
        self.sent += u64::from(sent.is_ok());
        self.error = sent.as_ref().err().map(ToString::to_string);
        sent.map(|_| ())
    }
}

impl<S> State<S> {
    pub(super) fn new(
        epoch: Instant,
        engine: Engine,
        socket: UdpSocket,
        broadcast: SocketAddrV4,
    ) -> Self {
        let limits = &engine.node().config().limits;
        let events = FeedLimit {
            items: limits.events,
            weight: limits.event_bytes,
        };
        let notices = FeedLimit {
            items: 256,
            weight: usize::MAX,
        };
        Self {
            epoch,
            engine,
            phase: Phase::Running,
            connections: Connections::default(),
            beacons: Beacons {
                socket: Some(socket),
                broadcast,
                sent: 0,
                error: None,
            },
            commands: VecDeque::new(),
            scheduled: None,
            waiters: Waiters::default(),
            signals: Vec::new(),
            events: Feeds::new(events, Event::weight),
            notices: Feeds::new(notices, |_| 0),
            seen_events: 0,
            counters: Counters::default(),
            log: LogQueue::default(),
            woken: WakerSet::default(),
        }
    }

    pub(super) fn now(&self) -> zre_core::Instant {
        since(self.epoch)
    }

    /// The time of a message, which another just before may have shared.
    pub(super) fn message_time(&mut self) -> zre_core::Instant {
        let epoch = self.epoch;
        self.connections.message_time(|| since(epoch))
    }

    pub(super) fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    /// Takes what is to be done when the lock is free again.
    pub(super) fn take_aftermath(&mut self) -> (WakerSet, Vec<Entry>) {
        (std::mem::take(&mut self.woken), self.log.take())
    }

    /// Takes the next event for the application.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        let event = self.engine.poll_event();
        if event.is_some() && !self.engine.node().has_events() && !self.is_finished() {
            self.signals.retain(|signal| {
                let signal = signal.upgrade();
                signal.is_some_and(|signal| {
                    signal.lower();
                    true
                })
            });
        }
        event
    }

    pub(super) fn add_signal(&mut self, signal: &Arc<dyn Signal>) {
        if self.engine.node().has_events() || self.is_finished() {
            signal.raise();
        }
        self.signals.retain(|signal| signal.strong_count() > 0);
        self.signals.push(Arc::downgrade(signal));
    }

    pub(super) fn raise_signals(&self) {
        let signals = self.signals.iter().filter_map(Weak::upgrade);
        signals.for_each(|signal| signal.raise());
    }

    /// When there is something to do by the time.
    pub(super) fn next_timeout(&self) -> Option<zre_core::Instant> {
        let (engine, deferred) = (self.engine.poll_timeout(), self.connections.look_at());
        match deferred {
            Some(at) => Some(engine.map_or(at, |engine| engine.min(at))),
            None => engine,
        }
    }

    pub(super) fn report(&mut self, notice: Notice, now: zre_core::Instant) {
        if !self.notices.is_empty() {
            self.notices.push(&notice, &mut self.woken);
        }
        self.log.add(notice, now);
    }

    /// Everything that nobody drives any more is over.
    pub(super) fn finish(&mut self) {
        self.phase = Phase::Finished;
        self.beacons.socket = None;
        self.connections.clear(&mut self.woken);
        self.raise_signals();
        self.waiters.wake_all(&mut self.woken);
        self.events.wake_all(&mut self.woken);
        self.notices.wake_all(&mut self.woken);
    }
}

impl<S: Stream> State<S> {
    /// Carries out what the engine wants, and finds out what has come true of all that somebody
    /// waits for. It follows every call of the engine, under the same lock.
    pub(super) fn settle(&mut self, now: zre_core::Instant) {
        self.carry_out(now);
        let has_new_events = self.look_at_events();
        while let Some(notice) = self.engine.poll_notice() {
            self.report(notice, now);
        }
        if self.engine.node().has_events() {
            self.waiters.events.move_to(&mut self.woken);
            self.raise_signals();
        }
        if self.driver_is_wanted() {
            self.waiters.driver.move_to(&mut self.woken);
        }
        if self.waiters.has_operations() {
            self.wake_operations(has_new_events);
        }
    }

    fn carry_out(&mut self, now: zre_core::Instant) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Datagram(datagram) => {
                    if let Err(error) = self.beacons.send(&datagram) {
                        let error = error.to_string();
                        self.report(Notice::BeaconNotSent { error }, now);
                    }
                }
                Output::Open { link, endpoint } => {
                    self.connections.add(link, None);
                    self.commands.push_back(Command::Open { link, endpoint });
                }
                Output::Writable(link) => self.write(link, now),
                Output::Close(link) => self.connections.remove(link, &mut self.woken),
                Output::Resume => self.connections.wake_all(&mut self.woken),
            }
        }
    }

    /// Shows new events to the subscribers and counts them; says whether there were any.
    fn look_at_events(&mut self) -> bool {
        let node = self.engine.node();
        let count = node.event_count();
        let seen = std::mem::replace(&mut self.seen_events, count);
        if seen == count {
            return false;
        }
        for event in node.events_after(seen) {
            self.counters.note(event);
            if !self.events.is_empty() {
                self.events.push(event, &mut self.woken);
            }
        }
        true
    }

    fn driver_is_wanted(&self) -> bool {
        let earlier = match (self.next_timeout(), self.scheduled) {
            (Some(wanted), Some(scheduled)) => wanted < scheduled,
            (Some(_), None) => true,
            (None, _) => false,
        };
        earlier || !self.commands.is_empty() || self.engine.is_stopped()
    }

    fn wake_operations(&mut self, has_new_events: bool) {
        let (engine, phase) = (&self.engine, self.phase);
        let is_met = |awaited: &Awaited| match awaited {
            // What was sent before the stop is still answered.
            Awaited::Answer(peer, number) => {
                engine.is_stopped() || engine.node().is_answered(*peer, *number) != Some(false)
            }
            _ if phase != Phase::Running || engine.is_stopped() => true,
            awaited if awaited.needs_event() && !has_new_events => false,
            Awaited::Capacity(peer) => !engine.is_full(*peer),
            Awaited::Peer(peer) => engine.node().is_ready(*peer),
            Awaited::Name(name) => only_named(engine.node(), name).is_some(),
            Awaited::Members(group, count) => engine.node().peers_by_group(group).count() >= *count,
        };
        self.waiters.wake_met(is_met, &mut self.woken);
    }

    /// Lets an operation wait. This thread sends no more now, so what it deferred is written.
    pub(super) fn wait(
        &mut self,
        id: &mut OperationId,
        awaited: impl IntoIterator<Item = Awaited>,
        cx: &Context<'_>,
        now: zre_core::Instant,
    ) {
        self.waiters.wait(id, awaited, cx);
        self.write_own(now);
    }

    /// There is something to write to a connection: writes it, or defers it in a burst.
    fn write(&mut self, link: LinkId, now: zre_core::Instant) {
        let (epoch, engine) = (self.epoch, &mut self.engine);
        let clock = || since(epoch);
        let written = self
            .connections
            .write(link, engine, now, clock, &mut self.woken);
        self.note_written(link, written, now);
    }

    /// Writes what there is to write to a connection.
    pub(super) fn write_now(&mut self, link: LinkId, now: zre_core::Instant) {
        let (epoch, engine) = (self.epoch, &mut self.engine);
        let clock = || since(epoch);
        let written = self
            .connections
            .write_now(link, engine, clock, &mut self.woken);
        self.note_written(link, written, now);
    }

    fn note_written(&mut self, link: LinkId, written: Written, now: zre_core::Instant) {
        match written {
            Written::Not => return,
            Written::Done => {}
            Written::Failed(error) => self.ended(link, &error.to_string(), now),
        }
        self.engine.handle_written(now);
    }

    /// Writes what was deferred on this thread, as it sends no more now.
    pub(super) fn write_own(&mut self, now: zre_core::Instant) {
        let thread = thread::current().id();
        self.write_deferred(|connection| connection.is_deferred_by(thread), now);
    }

    /// Writes all that was deferred.
    pub(super) fn write_all(&mut self, now: zre_core::Instant) {
        self.write_deferred(|_| true, now);
    }

    /// Writes what has been deferred for long enough, if it is time to look.
    pub(super) fn write_overdue(&mut self, now: zre_core::Instant) {
        if self.connections.take_due(now) {
            self.write_deferred(|connection| connection.is_overdue(now), now);
            self.connections.looked(now);
        }
    }

    /// Writes what was deferred on a connection, or leaves it to the driver if the burst may still
    /// go on.
    pub(super) fn look_at_deferred(&mut self, link: LinkId, now: zre_core::Instant) {
        let Some(connection) = self.connections.get(link) else {
            return;
        };
        let thread = thread::current().id();
        if connection.is_deferred_by(thread) || connection.is_overdue(now) {
            self.write_now(link, now);
        } else {
            self.connections.leave_to_driver(now);
        }
    }

    fn write_deferred(
        &mut self,
        is_meant: impl Fn(&Connection<S>) -> bool,
        now: zre_core::Instant,
    ) {
        for link in self.connections.deferred(is_meant) {
            self.write_now(link, now);
        }
    }

    /// Reads a connection once.
    pub(super) fn read(&mut self, link: LinkId, stream: &S, now: zre_core::Instant) {
        if self.connections.get(link).is_none() {
            return;
        }
        match read(&mut self.engine, link, stream, now) {
            Ok(0) => self.ended(link, "the other side closed it", now),
            Ok(_) => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => self.ended(link, &error.to_string(), now),
        }
    }

    /// A connection is gone, or could not be had.
    pub(super) fn ended(&mut self, link: LinkId, error: &str, now: zre_core::Instant) {
        self.connections.remove(link, &mut self.woken);
        self.engine.handle_closed(link, error, now);
    }
}

/// The engine's time, which counts from an epoch.
fn since(epoch: Instant) -> zre_core::Instant {
    zre_core::Instant::default() + epoch.elapsed()
}
