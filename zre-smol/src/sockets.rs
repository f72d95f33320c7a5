//! async-io's sockets and clock, as the driver wants them.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use async_executor::{Executor, Task};
use async_io::{Async, Timer};
use zre_net::{Bound, socket};

use crate::tcp::Tcp;

pub(crate) struct Sockets {
    receiver: Async<UdpSocket>,
    listener: Async<TcpListener>,
    timer: Timer,
    deadline: Option<Instant>,
    /// The connections' tasks; they run inside the driver and nowhere else.
    links: Arc<Executor<'static>>,
    tasks: Vec<Task<()>>,
}

impl Sockets {
    pub(crate) fn new(bound: Bound) -> io::Result<Self> {
        Ok(Self {
            receiver: Async::new_nonblocking(bound.receiver)?,
            listener: Async::new_nonblocking(bound.listener)?,
            timer: Timer::never(),
            deadline: None,
            links: Arc::default(),
            tasks: Vec::new(),
        })
    }

    /// Runs the connections' tasks whenever it is polled.
    pub(crate) fn links(&self) -> Arc<Executor<'static>> {
        Arc::clone(&self.links)
    }
}

impl zre_net::Sockets for Sockets {
    type Stream = Tcp;

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        loop {
            match self.receiver.get_ref().recv_from(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.receiver.poll_readable(cx))?;
                }
                received => return Poll::Ready(received),
            }
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Tcp, SocketAddr)>> {
        loop {
            match self.listener.get_ref().accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.listener.poll_readable(cx))?;
                }
                Ok((stream, remote)) => {
                    return Poll::Ready(Async::new(stream).map(|stream| (Tcp(stream), remote)));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        if self.deadline != deadline {
            self.deadline = deadline;
            self.timer = deadline.map_or_else(Timer::never, Timer::at);
        }
        ready!(Pin::new(&mut self.timer).poll(cx));
        self.deadline = None;
        Poll::Ready(())
    }

    async fn connect(unconnected: TcpStream, remote: SocketAddr) -> io::Result<Tcp> {
        socket::begin_connect(&unconnected, remote)?;
        let stream = Async::new_nonblocking(unconnected)?;
        stream.writable().await?;
        match stream.get_ref().take_error()? {
            Some(error) => Err(error),
            None => Ok(Tcp(stream)),
        }
    }

    async fn look_up(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        blocking::unblock(move || Ok((host, port).to_socket_addrs()?.collect())).await
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(self.links.spawn(task));
    }

    async fn end_tasks(&mut self) {
        for task in self.tasks.drain(..) {
            task.cancel().await;
        }
    }
}
