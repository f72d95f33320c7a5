//! async-io's sockets and clock, as the driver wants them.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::Instant,
};

use async_executor::{Executor, Task};
use async_io::{Async, Timer};
use zre_driver::{
    Connector, Runtime,
    zre_net::{
        ForkSafe, Process,
        socket::{self, AsSocket},
    },
};

use crate::tcp::Tcp;

/// A node's sockets and tasks, which run wherever its driver is polled.
pub(crate) struct Smol {
    process: Process,
    driver: Arc<DriverWaker>,
    /// Whom that wakes now.
    woken: Option<Waker>,
    timer: Timer,
    deadline: Option<Instant>,
    /// The connections' tasks; they run inside the driver and nowhere else.
    executor: Arc<Executor<'static>>,
    tasks: Vec<Task<()>>,
}

impl Smol {
    /// For sockets of a process.
    pub(crate) fn new(process: Process) -> Self {
        Self {
            process,
            driver: Arc::default(),
            woken: None,
            timer: Timer::never(),
            deadline: None,
            executor: Arc::default(),
            tasks: Vec::new(),
        }
    }

    /// Runs the connections' tasks whenever it is polled.
    pub(crate) fn tasks(&self) -> Arc<Executor<'static>> {
        Arc::clone(&self.executor)
    }

    fn watch<T: AsSocket>(&self, socket: Async<T>) -> io::Result<Watched<T>> {
        let socket = ForkSafe::new(socket, &self.process);
        Ok(Watched::new(socket, &self.driver))
    }

    /// Sockets that become ready wake whoever polls the driver now.
    fn note_driver(&mut self, cx: &Context<'_>) {
        let is_known = |woken: &Waker| woken.will_wake(cx.waker());
        if !self.woken.as_ref().is_some_and(is_known) {
            self.woken = Some(cx.waker().clone());
            self.driver.set(cx.waker());
        }
    }

    fn spawn_task(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        // Forgets those that have ended.
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(self.executor.spawn(task));
    }
}

impl Runtime for Smol {
    type Stream = Tcp;
    type Connector = SmolConnector;

    type Receiver = Watched<UdpSocket>;
    type Listener = Watched<TcpListener>;

    fn receiver(&mut self, socket: UdpSocket) -> io::Result<Self::Receiver> {
        self.watch(Async::new_nonblocking(socket)?)
    }

    fn listener(&mut self, socket: TcpListener) -> io::Result<Self::Listener> {
        self.watch(Async::new_nonblocking(socket)?)
    }

    fn poll_recv(
        &mut self,
        receiver: &mut Self::Receiver,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        self.note_driver(cx);
        receiver.poll_with(|receiver| receiver.recv_from(buffer))
    }

    fn poll_accept(
        &mut self,
        listener: &mut Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Tcp, SocketAddr)>> {
        self.note_driver(cx);
        let accepted = ready!(listener.poll_with(TcpListener::accept));
        Poll::Ready(accepted.and_then(|(stream, remote)| {
            let stream = ForkSafe::new(Async::new(stream)?, &self.process);
            Ok((Tcp(stream), remote))
        }))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        // Setting a timer anew takes async-io's lock.
        if self.deadline != deadline {
            self.deadline = deadline;
            self.timer = deadline.map_or_else(Timer::never, Timer::at);
        }
        ready!(Pin::new(&mut self.timer).poll(cx));
        // A timer that has fired does so no more: the same deadline needs a new one.
        self.deadline = None;
        Poll::Ready(())
    }

    fn spawn(&mut self, _: &Tcp, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_task(task);
    }

    fn spawn_connecting<F>(&mut self, task: impl FnOnce(SmolConnector) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let process = self.process.clone();
        self.spawn_task(task(SmolConnector { process }));
    }

    async fn end_tasks(&mut self) {
        for task in self.tasks.drain(..) {
            // Waits until it is dropped, and its socket with it.
            task.cancel().await;
        }
    }
}

/// Connects by async-io, whatever the executor.
pub(crate) struct SmolConnector {
    process: Process,
}

impl Connector for SmolConnector {
    type Stream = Tcp;

    async fn connect(&self, unconnected: TcpStream, remote: SocketAddr) -> io::Result<Tcp> {
        socket::begin_connect(&unconnected, remote)?;
        let stream = ForkSafe::new(Async::new_nonblocking(unconnected)?, &self.process);
        // Writable says that connecting is over, not that it went well.
        stream.writable().await?;
        match stream.get_ref().take_error()? {
            Some(error) => Err(error),
            None => Ok(Tcp(stream)),
        }
    }
}

/// A receiver or a listener. The driver is polled for every message, and there may be a number of
/// these, so async-io is not asked again before it has said that this one is ready.
pub(crate) struct Watched<T: AsSocket> {
    socket: ForkSafe<Async<T>>,
    /// Whether the socket has said that it would block.
    waits: bool,
    news: Arc<News>,
    waker: Waker,
}

impl<T: AsSocket> Watched<T> {
    fn new(socket: ForkSafe<Async<T>>, driver: &Arc<DriverWaker>) -> Self {
        let news = Arc::new(News {
            are_some: AtomicBool::new(true),
            driver: Arc::clone(driver),
        });
        Self {
            socket,
            waits: false,
            waker: Arc::clone(&news).into(),
            news,
        }
    }

    fn poll_with<R>(
        &mut self,
        mut attempt: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            if self.waits {
                if !self.news.take() {
                    return Poll::Pending;
                }
                let mut cx = Context::from_waker(&self.waker);
                ready!(self.socket.poll_readable(&mut cx))?;
                self.waits = false;
            }
            match attempt(self.socket.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waits = true;
                    // So that it is asked once, and wakes from then on.
                    self.news.are_some.store(true, Ordering::Release);
                }
                done => return Poll::Ready(done),
            }
        }
    }
}

/// What async-io has said of a socket since it was asked last.
struct News {
    are_some: AtomicBool,
    driver: Arc<DriverWaker>,
}

impl News {
    fn take(&self) -> bool {
        // Mostly there are none, and looking is cheaper than taking.
        self.are_some.load(Ordering::Acquire) && self.are_some.swap(false, Ordering::AcqRel)
    }
}

impl Wake for News {
    fn wake(self: Arc<Self>) {
        self.are_some.store(true, Ordering::Release);
        self.driver.wake();
    }
}

/// Wakes whoever polls the driver.
#[derive(Default)]
struct DriverWaker(Mutex<Option<Waker>>);

impl DriverWaker {
    fn set(&self, waker: &Waker) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = known.replace(waker.clone());
        drop(known);
        // Dropping it may drop a task, which may do anything.
        drop(old);
    }

    fn wake(&self) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = known.clone();
        drop(known);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
