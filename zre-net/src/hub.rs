//! Where sockets, engine and application meet, without a runtime.

mod bursts;
mod journal;
mod links;

use std::{
    collections::VecDeque,
    fmt::Debug,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Instant,
};

use tracing::{debug, trace};
use zre_core::{
    Engine, Error, Event, LinkId, Output, PeerInfo,
    proto::{Content, Endpoint, GroupName, PeerId, ShortText},
};

use crate::{interface::Interface, settings::Bound, wakers::Wakers};
use bursts::PutOff;
use journal::{Entry, Journal};
use links::Links;
pub use links::Stream;

/// The engine of a node with its connections, shared by all who use or drive it.
///
/// Whoever calls holds a lock for a moment: to put a message into the engine and to write it to the
/// socket if that takes it. So a message needs no other task on its way out.
///
/// An adapter runs, on its runtime: a loop over [`poll_task`](Hub::poll_task), received
/// [datagrams](Hub::datagram), [accepted](Hub::accepted) connections and [`timeout`](Hub::timeout)s; and
/// [`poll_link`](Hub::poll_link) for each connection.
#[derive(Debug)]
pub struct Hub<S> {
    state: Mutex<State<S>>,
    epoch: Instant,
    id: PeerId,
    name: ShortText,
    endpoint: Endpoint,
    interface: Interface,
}

#[derive(Debug)]
struct State<S> {
    epoch: Instant,
    engine: Engine,
    links: Links<S>,
    put_off: PutOff,
    /// `None` when the node is over.
    sender: Option<UdpSocket>,
    broadcast: (Ipv4Addr, u16),
    tasks: VecDeque<Task>,
    /// What is to be written to the log when the lock is free again.
    journal: Journal,
    /// When the driver will call [`Hub::timeout`].
    scheduled: Option<zre_core::Instant>,
    finished: bool,
    receivers: Wakers,
    senders: Wakers,
    askers: Vec<Asker>,
    driver: Wakers,
    stoppers: Wakers,
    signals: Vec<Weak<dyn Signal>>,
    /// Who is to be woken when the lock is free again.
    woken: Wakers,
}

/// Shows whether events wait, to those who cannot be woken by a [`Waker`].
///
/// It is told while the hub is locked, so it must not call the hub.
pub trait Signal: Debug + Send + Sync {
    /// Events wait, or the node has stopped.
    fn raise(&self);

    /// No event waits.
    fn lower(&self);
}

/// Something for the driver to do.
#[derive(Debug)]
pub enum Task {
    /// Connect, then call [`Hub::opened`] or [`Hub::open_failed`].
    Open {
        /// The connection's id.
        link: LinkId,
        /// Where to.
        endpoint: Endpoint,
    },
    /// Ask for the [deadline](Hub::deadline) anew.
    Reschedule,
    /// The node has stopped: close the sockets, then call [`Hub::finish`].
    Finish,
}

impl<S: Stream> Hub<S> {
    /// A running node. The receiver and the listener of `bound` are the adapter's to give to its runtime.
    pub fn new(bound: &Bound) -> std::io::Result<Self> {
        let engine = Engine::new(
            bound.config.clone(),
            bound.seed,
            zre_core::Instant::default(),
        );
        let epoch = Instant::now();
        let hub = Self {
            epoch,
            id: engine.node().id(),
            name: engine.node().name().clone(),
            endpoint: engine.node().endpoint().clone(),
            interface: bound.interface.clone(),
            state: Mutex::new(State {
                epoch,
                engine,
                links: Links::default(),
                put_off: PutOff::default(),
                sender: Some(bound.sender.try_clone()?),
                broadcast: bound.broadcast(),
                tasks: VecDeque::new(),
                journal: Journal::default(),
                scheduled: None,
                finished: false,
                receivers: Wakers::default(),
                senders: Wakers::default(),
                askers: Vec::new(),
                driver: Wakers::default(),
                stoppers: Wakers::default(),
                signals: Vec::new(),
                woken: Wakers::default(),
            }),
        };
        let (
            Hub {
                id,
                name,
                endpoint,
                interface,
                ..
            },
            port,
        ) = (&hub, bound.port);
        debug!(%id, %name, %endpoint, %interface, port, "started");
        Ok(hub)
    }

    /// The identity of the node.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// The name of the node.
    pub fn name(&self) -> &ShortText {
        &self.name
    }

    /// Where the node accepts connections.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The network interface that the node is on.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Joins a group.
    ///
    /// # Errors
    ///
    /// As [`Engine::join`].
    pub fn join(&self, group: &GroupName) -> Result<(), Error> {
        self.with(|state, now| state.engine.join(group, now))
    }

    /// Leaves a group.
    ///
    /// # Errors
    ///
    /// As [`Engine::leave`].
    pub fn leave(&self, group: &GroupName) -> Result<(), Error> {
        self.with(|state, now| state.engine.leave(group, now))
    }

    /// Whispers if there is room.
    ///
    /// # Errors
    ///
    /// As [`Engine::whisper`].
    pub fn try_whisper(&self, peer: PeerId, content: Content) -> Result<(), Error> {
        self.with_message(|state, now| {
            let whispered = state.engine.whisper(peer, content, now);
            if let Err(Error::Full(_)) = whispered {
                state.write_own(now);
            }
            whispered
        })
    }

    /// Whispers when there is room, which takes the content.
    pub fn poll_whisper(
        &self,
        cx: &Context<'_>,
        peer: PeerId,
        content: &mut Content,
    ) -> Poll<Result<(), Error>> {
        self.with_message(|state, now| {
            let whispered = state.engine.whisper_from(peer, content, now);
            if let Err(Error::Full(_)) = whispered {
                state.senders.register(cx);
                state.write_own(now);
                return Poll::Pending;
            }
            Poll::Ready(whispered)
        })
    }

    /// Shouts if there is room at every member, and says how many they are.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] if there is a member without room; then nobody gets it. As [`Engine::shout`].
    pub fn try_shout(&self, group: &GroupName, content: Content) -> Result<usize, Error> {
        self.with(|state, now| {
            if let Some(peer) = state.engine.full_member(group) {
                state.write_own(now);
                return Err(Error::Full(peer));
            }
            Ok(state.engine.shout(group, content, now)?.reached)
        })
    }

    /// Shouts to the members that have room, then to the others when they have.
    pub fn shout(&self, group: GroupName, content: Content) -> Shout<'_, S> {
        Shout {
            hub: self,
            group,
            content,
            waiting: None,
            reached: 0,
        }
    }

    /// Asks a peer for an answer.
    ///
    /// # Errors
    ///
    /// As [`Engine::ping`].
    pub fn ping(&self, peer: PeerId) -> Result<u64, Error> {
        self.with(|state, now| state.engine.ping(peer, now))
    }

    /// The answer to the [`ping`](Hub::ping) that gave this number, to be waited for.
    pub fn answer(&self, peer: PeerId, number: u64) -> Answer<'_, S> {
        Answer {
            hub: self,
            peer,
            number,
        }
    }

    /// Takes the next event; `None` behind [`Event::Stop`], or when nobody drives the node any more.
    pub fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.try_recv() {
            return Poll::Ready(Some(event));
        }
        self.with(|state, now| match state.next_event() {
            Some(event) => Poll::Ready(Some(event)),
            None if state.finished => Poll::Ready(None),
            None => {
                state.write_own(now);
                // Those who wait no longer do not say so; those who do register again.
                if state.receivers.are_many() {
                    state.receivers.move_to(&mut state.woken);
                }
                state.receivers.register(cx);
                Poll::Pending
            }
        })
    }

    /// Takes the next event if there is one.
    pub fn try_recv(&self) -> Option<Event> {
        let mut state = self.lock();
        let was_congested = state.engine.is_congested();
        let event = state.next_event();
        let is_relieved = was_congested && !state.engine.is_congested();
        drop(state);
        if is_relieved {
            // Nothing else comes of taking an event.
            self.with(|_, _| {});
        }
        if let Some(event) = &event {
            trace!(?event, "event");
        }
        event
    }

    /// Raises a signal while events wait, for as long as somebody holds it.
    pub fn signal(&self, signal: &Arc<dyn Signal>) {
        let mut state = self.lock();
        if state.engine.node().has_events() || state.finished {
            signal.raise();
        }
        state.signals.retain(|signal| signal.strong_count() > 0);
        state.signals.push(Arc::downgrade(signal));
    }

    /// The peers that have entered.
    pub fn peers(&self) -> Vec<PeerId> {
        self.lock().engine.node().peers().collect()
    }

    /// What is known of a peer.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.lock().engine.node().peer(peer)
    }

    /// The peers in a group.
    pub fn peers_by_group(&self, group: &GroupName) -> Vec<PeerId> {
        self.lock().engine.node().peers_by_group(group).collect()
    }

    /// The groups that this node is in.
    pub fn own_groups(&self) -> Vec<GroupName> {
        self.lock().engine.node().own_groups().cloned().collect()
    }

    /// The groups that peers are in.
    pub fn peer_groups(&self) -> Vec<GroupName> {
        self.lock().engine.node().peer_groups().cloned().collect()
    }

    /// Begins to stop; see [`Engine::stop`].
    pub fn stop(&self) {
        self.with(|state, now| {
            state.engine.stop(now);
            state.write_all(now);
            state.senders.move_to(&mut state.woken);
        });
    }

    /// Waits until the node has stopped and its sockets are closed.
    pub fn poll_finished(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.finished {
            return Poll::Ready(());
        }
        state.stoppers.register(cx);
        Poll::Pending
    }

    /// Takes the driver's next task.
    pub fn poll_task(&self, cx: &Context<'_>) -> Poll<Task> {
        self.with(|state, _| {
            if let Some(task) = state.tasks.pop_front() {
                return Poll::Ready(task);
            }
            if state.engine.is_stopped() {
                return Poll::Ready(Task::Finish);
            }
            if state.next_timeout() != state.scheduled {
                return Poll::Ready(Task::Reschedule);
            }
            state.driver.register(cx);
            Poll::Pending
        })
    }

    /// When [`timeout`](Hub::timeout) is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let mut state = self.lock();
        state.scheduled = state.next_timeout();
        let after = state.scheduled?.since(zre_core::Instant::default());
        Some(self.epoch + after)
    }

    /// The deadline is there.
    pub fn timeout(&self) {
        self.with(|state, now| {
            state.write_due(now);
            if state.engine.poll_timeout().is_some_and(|at| at <= now) {
                state.engine.handle_timeout(now);
                // A peer may be given up that somebody waits for.
                state.senders.move_to(&mut state.woken);
            }
        });
    }

    /// A datagram came in on the discovery port.
    pub fn datagram(&self, from: SocketAddr, datagram: &[u8]) {
        let SocketAddr::V4(from_v4) = from else {
            return;
        };
        if self.interface.contains(*from_v4.ip()) {
            self.with(|state, now| state.engine.handle_datagram(from, datagram, now));
        }
    }

    /// Nobody drives the node any more: its sockets are closed, or the runtime is gone.
    pub fn finish(&self) {
        self.with(|state, now| state.engine.stop_now(now));
        self.with(|state, _| {
            state.finished = true;
            state.sender = None;
            state.links.clear(&mut state.woken);
            state.raise_signals();
            state.receivers.move_to(&mut state.woken);
            state.stoppers.move_to(&mut state.woken);
            state.senders.move_to(&mut state.woken);
        });
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        // A panic under the lock is a bug of ours; the node goes on as well as it can.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the engine, carries out what it then wants, and wakes whom it concerns.
    fn with<R>(&self, act: impl FnOnce(&mut State<S>, zre_core::Instant) -> R) -> R {
        self.with_time(|state| state.now(), act)
    }

    /// The same to send a message, for which the time need not be exact.
    fn with_message<R>(&self, act: impl FnOnce(&mut State<S>, zre_core::Instant) -> R) -> R {
        self.with_time(State::message_time, act)
    }

    fn with_time<R>(
        &self,
        time: impl FnOnce(&mut State<S>) -> zre_core::Instant,
        act: impl FnOnce(&mut State<S>, zre_core::Instant) -> R,
    ) -> R {
        let mut state = self.lock();
        let now = time(&mut state);
        let result = act(&mut state, now);
        state.settle(now);
        let woken = std::mem::take(&mut state.woken);
        let unwritten = state.journal.take();
        drop(state);
        woken.wake();
        unwritten.iter().for_each(Entry::write);
        result
    }
}

/// A shout under way; see [`Hub::shout`].
#[derive(Debug)]
pub struct Shout<'h, S: Stream> {
    hub: &'h Hub<S>,
    group: GroupName,
    content: Content,
    /// The members that had no room; `None` before the first attempt.
    waiting: Option<Vec<PeerId>>,
    reached: usize,
}

/// The answer to a PING; see [`Hub::answer`]. Dropped, nobody waits for it any more.
#[derive(Debug)]
pub struct Answer<'h, S: Stream> {
    hub: &'h Hub<S>,
    peer: PeerId,
    number: u64,
}

impl<S: Stream> Answer<'_, S> {
    /// Waits until it has come.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] if the peer goes, or begins a new session, before it answers; [`Error::Stopped`].
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let Self { peer, number, .. } = *self;
        self.hub.with(
            |state, now| match state.engine.node().is_answered(peer, number) {
                _ if state.engine.is_stopped() => Poll::Ready(Err(Error::Stopped)),
                None => Poll::Ready(Err(Error::UnknownPeer(peer))),
                Some(true) => Poll::Ready(Ok(())),
                Some(false) => {
                    state.write_own(now);
                    state.add_asker(peer, number, cx);
                    Poll::Pending
                }
            },
        )
    }
}

impl<S: Stream> Drop for Answer<'_, S> {
    fn drop(&mut self) {
        let is_this = |asker: &Asker| asker.peer == self.peer && asker.number == self.number;
        let mut state = self.hub.lock();
        let askers = std::mem::take(&mut state.askers);
        // A waker is the runtime's, and is dropped when the lock is free again.
        let (_gone, waiting): (Vec<_>, _) = askers.into_iter().partition(is_this);
        state.askers = waiting;
        drop(state);
    }
}

impl<S: Stream> Shout<'_, S> {
    /// The error that names a member that it has not reached.
    pub fn full(&self) -> Error {
        let member = self.waiting.iter().flatten().next();
        member.map_or(Error::Stopped, |member| Error::Full(*member))
    }

    /// Goes on; says how many members it reached when there is none left that has no room.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<usize, Error>> {
        self.hub.with(|state, now| {
            let content = self.content.clone();
            let shouted = match &self.waiting {
                None => state.engine.shout(&self.group, content, now)?,
                Some(peers) => state.engine.shout_to(peers, &self.group, content, now)?,
            };
            self.reached += shouted.reached;
            if shouted.full.is_empty() {
                return Poll::Ready(Ok(self.reached));
            }
            self.waiting = Some(shouted.full);
            state.senders.register(cx);
            state.write_own(now);
            Poll::Pending
        })
    }
}

/// The engine's time, which counts from an epoch.
fn since(epoch: Instant) -> zre_core::Instant {
    zre_core::Instant::default() + epoch.elapsed()
}

impl<S: Stream> State<S> {
    fn now(&self) -> zre_core::Instant {
        since(self.epoch)
    }

    fn settle(&mut self, now: zre_core::Instant) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Datagram(datagram) => self.broadcast(&datagram),
                Output::Open { link, endpoint } => {
                    self.links.add_opening(link);
                    self.tasks.push_back(Task::Open { link, endpoint });
                    self.senders.move_to(&mut self.woken);
                }
                Output::Writable(link) => self.write(link, now),
                Output::Close(link) => {
                    self.links.remove(link, &mut self.woken);
                    self.senders.move_to(&mut self.woken);
                }
                Output::Resume => self.links.wake_all(&mut self.woken),
            }
        }
        self.wake_askers();
        while let Some(notice) = self.engine.poll_notice() {
            self.journal.add(notice, now);
        }
        if self.engine.node().has_events() {
            self.receivers.move_to(&mut self.woken);
            self.raise_signals();
        }
        if self.driver_is_wanted() {
            self.driver.move_to(&mut self.woken);
        }
        if self.engine.is_stopped() {
            self.senders.move_to(&mut self.woken);
        }
    }

    fn raise_signals(&self) {
        let signals = self.signals.iter().filter_map(Weak::upgrade);
        signals.for_each(|signal| signal.raise());
    }

    /// When there is something to do by the time.
    fn next_timeout(&self) -> Option<zre_core::Instant> {
        let (engine, put_off) = (self.engine.poll_timeout(), self.put_off.look_at());
        match put_off {
            Some(at) => Some(engine.map_or(at, |engine| engine.min(at))),
            None => engine,
        }
    }

    fn driver_is_wanted(&self) -> bool {
        let earlier = match (self.next_timeout(), self.scheduled) {
            (Some(wanted), Some(scheduled)) => wanted < scheduled,
            (Some(_), None) => true,
            (None, _) => false,
        };
        earlier || !self.tasks.is_empty() || self.engine.is_stopped()
    }

    fn next_event(&mut self) -> Option<Event> {
        let event = self.engine.poll_event();
        if event.is_some() && !self.engine.node().has_events() && !self.finished {
            self.signals.retain(|signal| {
                signal.upgrade().is_some_and(|signal| {
                    signal.lower();
                    true
                })
            });
        }
        event
    }

    /// A beacon that cannot be sent is not worth waiting for: the next comes in a second.
    fn broadcast(&mut self, datagram: &[u8]) {
        let Some(sender) = &self.sender else {
            return;
        };
        if let Err(error) = sender.send_to(datagram, self.broadcast) {
            self.journal.add_unsent_beacon(error);
        }
    }

    fn add_asker(&mut self, peer: PeerId, number: u64, cx: &Context<'_>) {
        let is_same = |asker: &Asker| asker.number == number && asker.waker.will_wake(cx.waker());
        if !self.askers.iter().any(is_same) {
            let waker = cx.waker().clone();
            self.askers.push(Asker {
                peer,
                number,
                waker,
            });
        }
    }

    fn wake_askers(&mut self) {
        let (engine, finished, woken) = (&self.engine, self.finished, &mut self.woken);
        self.askers.retain(|asker| {
            let waits = engine.node().is_answered(asker.peer, asker.number) == Some(false);
            if !waits || finished {
                woken.push(asker.waker.clone());
            }
            waits && !finished
        });
    }
}

/// Who waits for the answer to a PING.
#[derive(Debug)]
struct Asker {
    peer: PeerId,
    number: u64,
    waker: Waker,
}
