//! The sockets, clock and tasks of a node, for whichever thread runs its loop.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    mem,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Registry, Token,
    net::{TcpListener, TcpStream, UdpSocket},
};
use zre_driver::{
    Connector, Driver, Hub, Runtime,
    zre_net::{Process, socket},
};

use crate::{
    tcp::{Source, Tcp},
    wake_queue::{WAKE, WakeQueue},
};

/// Behind that of the [`WakeQueue`].
const FIRST_TOKEN: usize = 1;

/// Runs a node turn by turn, on any thread. Dropped, it closes the sockets, and the node is over.
pub(crate) struct EventLoop {
    driver: Driver<Reactor>,
    waker: Waker,
    /// Whether the driver has something to do.
    is_due: bool,
}

impl EventLoop {
    pub(crate) fn new(hub: Arc<Hub<Tcp>>) -> io::Result<Self> {
        let reactor = Reactor::new(hub.process().clone())?;
        Ok(Self {
            waker: reactor.wake_queue.waker(WAKE),
            driver: Driver::new(hub, reactor),
            is_due: true,
        })
    }

    /// By what the loop is woken.
    pub(crate) fn wake_queue(&mut self) -> Arc<WakeQueue> {
        Arc::clone(&self.driver.runtime().wake_queue)
    }

    /// Does what there is to do, and if there is nothing, sleeps until there is or this moment
    /// comes; `false` when the node has stopped. With a number of [calls](WakeQueue::calls), sleeps
    /// only if there has been none since.
    ///
    /// # Errors
    ///
    /// When the selector fails; then the node cannot go on.
    pub(crate) fn turn(
        &mut self,
        calls: Option<usize>,
        until: Option<Instant>,
    ) -> io::Result<bool> {
        let now = Instant::now();
        let reactor = self.driver.runtime();
        self.is_due |= reactor.deadline.is_some_and(|deadline| deadline <= now);
        self.is_due |= reactor.run_woken();
        if !self.drive() {
            return Ok(false);
        }
        self.is_due |= self.driver.runtime().select(calls, until, now)?;
        // Now, and not in the next turn: this thread may be about to leave the loop to nobody.
        Ok(self.drive())
    }

    /// Lets the driver do what it has to; `false` when the node has stopped.
    fn drive(&mut self) -> bool {
        if !mem::take(&mut self.is_due) {
            return true;
        }
        let goes_on = self
            .driver
            .poll(&mut Context::from_waker(&self.waker))
            .is_pending();
        self.driver.runtime().run_spawned();
        goes_on
    }
}

/// What the driver needs, over mio.
pub(crate) struct Reactor {
    selector: mio::Poll,
    registry: Arc<Registry>,
    events: Events,
    wake_queue: Arc<WakeQueue>,
    woken: Vec<Token>,
    process: Process,
    /// What the receivers and listeners are ready for.
    sources: Vec<Weak<Source>>,
    deadline: Option<Instant>,
    tasks: HashMap<Token, Task>,
    /// Tasks that have not run yet.
    spawned: Vec<Token>,
    next_token: usize,
}

/// The task of a connection. Its token is that of its socket, too.
struct Task {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    source: Arc<Source>,
    waker: Waker,
}

impl Reactor {
    fn new(process: Process) -> io::Result<Self> {
        let selector = mio::Poll::new()?;
        let registry = selector.registry();
        Ok(Self {
            registry: Arc::new(registry.try_clone()?),
            wake_queue: WakeQueue::new(registry)?,
            selector,
            events: Events::with_capacity(256),
            woken: Vec::new(),
            process,
            sources: Vec::new(),
            deadline: None,
            tasks: HashMap::new(),
            spawned: Vec::new(),
            next_token: FIRST_TOKEN,
        })
    }

    /// Runs the tasks that have been woken; says whether the driver has been.
    fn run_woken(&mut self) -> bool {
        let mut woken = mem::take(&mut self.woken);
        self.wake_queue.swap(&mut woken);
        let mut is_driver_woken = false;
        for token in woken.drain(..) {
            match token {
                WAKE => is_driver_woken = true,
                token => self.run(token),
            }
        }
        // Its memory is used again.
        self.woken = woken;
        is_driver_woken
    }

    fn run_spawned(&mut self) {
        // A task has to run once before anything can wake it.
        for token in mem::take(&mut self.spawned) {
            self.run(token);
        }
    }

    fn run(&mut self, token: Token) {
        if let Some(task) = self.tasks.get_mut(&token)
            && task.poll().is_ready()
        {
            self.tasks.remove(&token);
        }
    }

    /// Waits for sockets and runs their tasks; says whether the driver has something to do.
    fn select(
        &mut self,
        calls: Option<usize>,
        until: Option<Instant>,
        now: Instant,
    ) -> io::Result<bool> {
        let time = match self.wake_queue.begin_sleep(calls) {
            true => self.time_to_sleep(now, until),
            // Something has been woken already, but sockets are looked at all the same.
            false => Some(Duration::ZERO),
        };
        let selected = self.selector.poll(&mut self.events, time);
        self.wake_queue.end_sleep();
        match selected {
            // A signal is no reason to end a node.
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            _ => Ok(self.handle_events()),
        }
    }

    fn time_to_sleep(&self, now: Instant, until: Option<Instant>) -> Option<Duration> {
        let first = self.deadline.into_iter().chain(until).min();
        first.map(|at| at.saturating_duration_since(now))
    }

    /// Runs the tasks of the connections that are ready; says whether a receiver or a listener is.
    fn handle_events(&mut self) -> bool {
        // Taken out, as a task that runs may use the rest of this. An empty list takes no memory.
        let events = mem::replace(&mut self.events, Events::with_capacity(0));
        let mut is_driver_wanted = false;
        for event in &events {
            match event.token() {
                // It has done what it is for: the thread is out of the selector.
                WAKE => {}
                token => match self.tasks.get(&token) {
                    Some(task) => {
                        task.source.set_ready(event);
                        self.run(token);
                    }
                    None => is_driver_wanted |= self.set_ready(event),
                },
            }
        }
        self.events = events;
        is_driver_wanted
    }

    /// Says whether the event is that of a receiver or a listener.
    fn set_ready(&self, event: &mio::event::Event) -> bool {
        let mut sources = self.sources.iter().filter_map(Weak::upgrade);
        let source = sources.find(|source| source.token() == event.token());
        if let Some(source) = &source {
            source.set_ready(event);
        }
        source.is_some()
    }

    /// Watches a receiver or a listener until it is dropped.
    fn watch<T: mio::event::Source>(&mut self, mut socket: T) -> io::Result<Watched<T>> {
        let source = self.next_source();
        let interest = Interest::READABLE;
        self.registry
            .register(&mut socket, source.token(), interest)?;
        // Forgets those that are gone.
        self.sources.retain(|source| source.strong_count() > 0);
        self.sources.push(Arc::downgrade(&source));
        Ok(Watched {
            socket,
            source,
            registry: Arc::clone(&self.registry),
            process: self.process.clone(),
        })
    }

    fn next_source(&mut self) -> Arc<Source> {
        let token = Token(self.next_token);
        self.next_token += 1;
        Arc::new(Source::new(token))
    }

    fn add_task(&mut self, source: Arc<Source>, future: impl Future<Output = ()> + Send + 'static) {
        let token = source.token();
        let task = Task {
            future: Box::pin(future),
            source,
            waker: self.wake_queue.waker(token),
        };
        self.tasks.insert(token, task);
        self.spawned.push(token);
    }
}

impl Task {
    fn poll(&mut self) -> Poll<()> {
        let mut cx = Context::from_waker(&self.waker);
        self.future.as_mut().poll(&mut cx)
    }
}

impl Runtime for Reactor {
    type Stream = Tcp;
    type Connector = TaskConnector;

    type Receiver = Watched<UdpSocket>;
    type Listener = Watched<TcpListener>;

    fn receiver(&mut self, socket: std::net::UdpSocket) -> io::Result<Self::Receiver> {
        self.watch(UdpSocket::from_std(socket))
    }

    fn listener(&mut self, socket: std::net::TcpListener) -> io::Result<Self::Listener> {
        self.watch(TcpListener::from_std(socket))
    }

    fn poll_recv(
        &mut self,
        receiver: &mut Self::Receiver,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        receiver.attempt(|receiver| receiver.recv_from(buffer))
    }

    fn poll_accept(
        &mut self,
        listener: &mut Self::Listener,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<(Tcp, SocketAddr)>> {
        let accepted = listener.attempt(TcpListener::accept);
        accepted.map(|accepted| {
            let (stream, remote) = accepted?;
            let stream = Tcp::watched(stream, self.next_source(), &self.registry)?;
            Ok((stream, remote))
        })
    }

    /// The loop looks at the time itself.
    fn poll_deadline(&mut self, _: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        self.deadline = deadline;
        Poll::Pending
    }

    fn spawn(&mut self, stream: &Tcp, task: impl Future<Output = ()> + Send + 'static) {
        self.add_task(stream.source(), task);
    }

    fn spawn_connecting<F>(&mut self, task: impl FnOnce(TaskConnector) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let source = self.next_source();
        let connector = TaskConnector {
            registry: Arc::clone(&self.registry),
            source: Arc::clone(&source),
        };
        self.add_task(source, task(connector));
    }

    /// They end when this is dropped.
    async fn end_tasks(&mut self) {
        self.tasks.clear();
    }
}

/// A receiver or a listener.
#[derive(Debug)]
pub(crate) struct Watched<T: mio::event::Source> {
    socket: T,
    source: Arc<Source>,
    registry: Arc<Registry>,
    process: Process,
}

impl<T: mio::event::Source> Drop for Watched<T> {
    /// Closing it would not do while there is another descriptor of the socket. In a forked child
    /// the selector is the parent's.
    fn drop(&mut self) {
        if self.process.is_current() {
            // It is watched, or else it is closed all the same.
            let _unwatched = self.registry.deregister(&mut self.socket);
        }
    }
}

impl<T: mio::event::Source> Watched<T> {
    /// Tries the socket if it may be ready. While it is not, the selector wakes the driver.
    fn attempt<R>(&self, act: impl FnOnce(&T) -> io::Result<R>) -> Poll<io::Result<R>> {
        self.source.attempt_read(|| act(&self.socket))
    }
}

/// Connects for one task.
pub(crate) struct TaskConnector {
    registry: Arc<Registry>,
    source: Arc<Source>,
}

impl Connector for TaskConnector {
    type Stream = Tcp;

    async fn connect(
        &self,
        unconnected: std::net::TcpStream,
        remote: SocketAddr,
    ) -> io::Result<Tcp> {
        socket::begin_connect(&unconnected, remote)?;
        let stream = TcpStream::from_std(unconnected);
        let stream = Tcp::watched(stream, Arc::clone(&self.source), &self.registry)?;
        // The reactor runs the task again when the socket is ready.
        std::future::poll_fn(|_| stream.poll_connected()).await?;
        Ok(stream)
    }
}
