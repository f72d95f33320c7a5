//! async-io's sockets and clock, as the driver wants them.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
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
        Ok(Watched::new(Async::new_nonblocking(socket)?, &self.process))
    }

    fn listener(&mut self, socket: TcpListener) -> io::Result<Self::Listener> {
        Ok(Watched::new(Async::new_nonblocking(socket)?, &self.process))
    }

    fn poll_recv(
        &mut self,
        receiver: &mut Self::Receiver,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        receiver.poll_with(cx, |receiver| receiver.recv_from(buffer))
    }

    fn poll_accept(
        &mut self,
        listener: &mut Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Tcp, SocketAddr)>> {
        let accepted = ready!(listener.poll_with(cx, TcpListener::accept));
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

/// A socket that is not tried again before async-io says that it is worth it: the driver is polled
/// for every message.
pub(crate) struct Watched<T: AsSocket> {
    socket: ForkSafe<Async<T>>,
    may_be_ready: bool,
}

impl<T: AsSocket> Watched<T> {
    fn new(socket: Async<T>, process: &Process) -> Self {
        Self {
            socket: ForkSafe::new(socket, process),
            may_be_ready: true,
        }
    }

    fn poll_with<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            if !self.may_be_ready {
                ready!(self.socket.poll_readable(cx))?;
                self.may_be_ready = true;
            }
            match attempt(self.socket.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.may_be_ready = false;
                }
                done => return Poll::Ready(done),
            }
        }
    }
}
