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
    net::{TcpListener, TcpSocket, UdpSocket},
    task::{JoinSet, spawn_blocking},
    time::{Sleep, sleep_until},
};
use zre_net::{Bound, Lookup};

use crate::tcp::Tcp;

pub(crate) struct Sockets {
    receiver: UdpSocket,
    listener: TcpListener,
    sleep: Pin<Box<Sleep>>,
    links: JoinSet<()>,
}

impl Sockets {
    /// Hands the sockets to the current runtime.
    pub(crate) fn new(bound: Bound) -> io::Result<Self> {
        Ok(Self {
            receiver: UdpSocket::from_std(bound.receiver)?,
            listener: TcpListener::from_std(bound.listener)?,
            sleep: Box::pin(sleep_until(Instant::now().into())),
            links: JoinSet::new(),
        })
    }
}

impl zre_net::Sockets for Sockets {
    type Stream = Tcp;

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        let received = self.receiver.poll_recv_from(cx, &mut buffer);
        received.map_ok(|from| (buffer.filled().len(), from))
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Tcp, SocketAddr)>> {
        let accepted = self.listener.poll_accept(cx);
        accepted.map_ok(|(stream, remote)| (Tcp(stream), remote))
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline.map(Into::into) else {
            return Poll::Pending;
        };
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx)
    }

    async fn connect(unconnected: std::net::TcpStream, remote: SocketAddr) -> io::Result<Tcp> {
        let socket = TcpSocket::from_std_stream(unconnected);
        Ok(Tcp(socket.connect(remote).await?))
    }

    async fn look_up(lookup: Lookup) -> io::Result<SocketAddr> {
        spawn_blocking(|| lookup.run()).await?
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        // Forgets those that have ended.
        while self.links.try_join_next().is_some() {}
        self.links.spawn(task);
    }

    async fn end_tasks(&mut self) {
        self.links.shutdown().await;
    }
}
