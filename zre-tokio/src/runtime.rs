//! tokio's sockets, clock and tasks, as the driver wants them.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tokio::{
    io::ReadBuf,
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
    time::{Sleep, sleep_until},
};
use zre_driver::{
    Connector, Runtime,
    zre_net::{ForkSafe, Process, socket},
};

use crate::tcp::Tcp;

/// A node's sockets and tasks on a tokio runtime.
pub(crate) struct Tokio {
    process: Process,
    sleep: Pin<Box<Sleep>>,
    /// The connections' tasks.
    tasks: JoinSet<()>,
}

impl Tokio {
    /// For sockets of a process. They run on the runtime on which they are handed over.
    pub(crate) fn new(process: Process) -> Self {
        Self {
            process,
            sleep: Box::pin(sleep_until(Instant::now().into())),
            tasks: JoinSet::new(),
        }
    }

    fn spawn_task(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        // Forgets those that have ended.
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task);
    }
}

impl Runtime for Tokio {
    type Stream = Tcp;
    type Connector = TokioConnector;

    type Receiver = ForkSafe<UdpSocket>;
    type Listener = ForkSafe<TcpListener>;

    fn receiver(&mut self, socket: std::net::UdpSocket) -> io::Result<Self::Receiver> {
        Ok(ForkSafe::new(UdpSocket::from_std(socket)?, &self.process))
    }

    fn listener(&mut self, socket: std::net::TcpListener) -> io::Result<Self::Listener> {
        Ok(ForkSafe::new(TcpListener::from_std(socket)?, &self.process))
    }

    fn poll_recv(
        &mut self,
        receiver: &mut Self::Receiver,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        let received = receiver.poll_recv_from(cx, &mut buffer);
        received.map_ok(|from| (buffer.filled().len(), from))
    }

    fn poll_accept(
        &mut self,
        listener: &mut Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Tcp, SocketAddr)>> {
        let accepted = listener.poll_accept(cx);
        accepted.map_ok(|(stream, remote)| (Tcp(ForkSafe::new(stream, &self.process)), remote))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline.map(Into::into) else {
            return Poll::Pending;
        };
        // Setting a timer anew costs more than the rest of a poll.
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx)
    }

    fn spawn(&mut self, _: &Tcp, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_task(task);
    }

    fn spawn_connecting<F>(&mut self, task: impl FnOnce(TokioConnector) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let process = self.process.clone();
        self.spawn_task(task(TokioConnector { process }));
    }

    async fn end_tasks(&mut self) {
        // Waits until they are dropped, and their sockets with them.
        self.tasks.shutdown().await;
    }
}

/// Connects on the runtime that the task runs on.
pub(crate) struct TokioConnector {
    process: Process,
}

impl Connector for TokioConnector {
    type Stream = Tcp;

    async fn connect(
        &self,
        unconnected: std::net::TcpStream,
        remote: SocketAddr,
    ) -> io::Result<Tcp> {
        socket::begin_connect(&unconnected, remote)?;
        // tokio would connect, too, but a child that drops this meanwhile would disturb its parent.
        let stream = ForkSafe::new(TcpStream::from_std(unconnected)?, &self.process);
        // Writable says that connecting is over, not that it went well.
        stream.writable().await?;
        match stream.take_error()? {
            Some(error) => Err(error),
            None => Ok(Tcp(stream)),
        }
    }
}
