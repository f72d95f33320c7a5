//! The sockets, clock and tasks of a node, for whichever thread runs its loop.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    mem,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Registry, Token,
    net::{TcpListener, TcpStream, UdpSocket},
};
use zre_driver::{Bound, Connector, Driver, Hub, Runtime, zre_net::socket};

use crate::{
    tcp::{Source, Tcp},
    wake_queue::{WAKE, WakeQueue},
};

const RECEIVER: Token = Token(1);
const LISTENER: Token = Token(2);
const FIRST_TASK: usize = 3;

/// Runs a node turn by turn, on any thread. Dropped, it closes the sockets, and the node is over.
pub(crate) struct EventLoop {
    driver: Driver<Reactor>,
    waker: Waker,
    /// Whether the driver has something to do.
    is_due: bool,
}

impl EventLoop {
    pub(crate) fn new(hub: Arc<Hub<Tcp>>, bound: Bound) -> io::Result<Self> {
        let local = bound.local_address();
        let reactor = Reactor::new(bound)?;
        Ok(Self {
            waker: reactor.wake_queue.waker(WAKE),
            driver: Driver::new(hub, reactor, local),
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
    receiver: UdpSocket,
    listener: TcpListener,
    // The system tells once that a socket is ready; it is so until it would block.
    has_datagrams: bool,
    has_connections: bool,
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
    fn new(bound: Bound) -> io::Result<Self> {
        let selector = mio::Poll::new()?;
        let mut receiver = UdpSocket::from_std(bound.receiver);
        let mut listener = TcpListener::from_std(bound.listener);
        let registry = selector.registry();
        registry.register(&mut receiver, RECEIVER, Interest::READABLE)?;
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            registry: Arc::new(registry.try_clone()?),
            wake_queue: WakeQueue::new(registry)?,
            selector,
            events: Events::with_capacity(256),
            woken: Vec::new(),
            receiver,
            listener,
            has_datagrams: false,
            has_connections: false,
            deadline: None,
            tasks: HashMap::new(),
            spawned: Vec::new(),
            next_token: FIRST_TASK,
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

    fn handle_events(&mut self) -> bool {
        // Taken out, as a task that runs may use the rest of this. An empty list takes no memory.
        let events = mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            match event.token() {
                // It has done what it is for: the thread is out of the selector.
                WAKE => {}
                RECEIVER => self.has_datagrams = true,
                LISTENER => self.has_connections = true,
                token => {
                    if let Some(task) = self.tasks.get(&token) {
                        task.source.set_ready(event);
                        self.run(token);
                    }
                }
            }
        }
        self.events = events;
        self.has_datagrams || self.has_connections
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

    fn poll_recv(
        &mut self,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let receiver = &self.receiver;
        attempt(&mut self.has_datagrams, || receiver.recv_from(buffer))
    }

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<(Tcp, SocketAddr)>> {
        let listener = &self.listener;
        let accepted = attempt(&mut self.has_connections, || listener.accept());
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

/// Tries a socket that may be ready. While it is not, the selector wakes the driver.
fn attempt<T>(is_ready: &mut bool, act: impl FnOnce() -> io::Result<T>) -> Poll<io::Result<T>> {
    if !*is_ready {
        return Poll::Pending;
    }
    match act() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            *is_ready = false;
            Poll::Pending
        }
        done => Poll::Ready(done),
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
