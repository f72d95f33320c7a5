//! The loop that runs a node on an asynchronous runtime.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    ops::Deref,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use tracing::warn;
use zre_core::{LinkId, proto::Endpoint};

use crate::{
    hub::{Hub, Stream, Task},
    lookup::Lookup,
    socket,
};

/// The runtime's own parts: its sockets, its clock and its tasks.
pub trait Sockets: Send + Sized + 'static {
    /// A connection of the runtime's.
    type Stream: Stream + socket::AsSocket + 'static;

    /// Receives a datagram on the discovery port.
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;

    /// Accepts a connection.
    fn poll_accept(&mut self, cx: &mut Context<'_>)
    -> Poll<io::Result<(Self::Stream, SocketAddr)>>;

    /// Waits for a moment, for ever if there is none.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()>;

    /// Connects a socket that is bound already.
    fn connect(
        unconnected: std::net::TcpStream,
        remote: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Runs a look-up where waiting is allowed. It ends with its thread, also when this is dropped.
    fn look_up(lookup: Lookup) -> impl Future<Output = io::Result<SocketAddr>> + Send;

    /// Runs a task, no longer than these sockets are there.
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static);

    /// Ends the tasks.
    fn end_tasks(&mut self) -> impl Future<Output = ()> + Send;
}

/// Runs a node until it has stopped, then closes its sockets. Dropped before, even before it was polled, it ends the node.
pub fn drive<T: Sockets>(
    hub: Arc<Hub<T::Stream>>,
    sockets: T,
    local: IpAddr,
) -> impl Future<Output = ()> + Send {
    let mut driver = Driver {
        local,
        sockets,
        accept_again_at: None,
        datagrams_first: true,
        hub: Finisher(hub),
    };
    async move {
        driver.run().await;
        driver.sockets.end_tasks().await;
    }
}

struct Driver<T: Sockets> {
    local: IpAddr,
    sockets: T,
    /// Not before, for want of descriptors.
    accept_again_at: Option<Instant>,
    /// Whether datagrams have their turn before connections.
    datagrams_first: bool,
    // Dropped last, when all sockets are closed.
    hub: Finisher<T::Stream>,
}

/// A hub that is [finished](Hub::finish) when this is dropped: also when a runtime ends before the node does.
#[derive(Debug)]
pub struct Finisher<S: Stream>(Arc<Hub<S>>);

impl<S: Stream> Finisher<S> {
    /// Takes the driver's part in a hub.
    pub fn new(hub: Arc<Hub<S>>) -> Self {
        Self(hub)
    }
}

impl<S: Stream> Deref for Finisher<S> {
    type Target = Hub<S>;

    fn deref(&self) -> &Hub<S> {
        &self.0
    }
}

impl<S: Stream> Drop for Finisher<S> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

enum Happening<S> {
    Task(Task),
    Datagram(io::Result<(usize, SocketAddr)>),
    Accepted(io::Result<(S, SocketAddr)>),
    Deadline,
}

impl<T: Sockets> Driver<T> {
    async fn run(&mut self) {
        let hub = Arc::clone(&self.hub.0);
        let mut datagram = [0; socket::DATAGRAM_SIZE];
        let mut turns = 0;
        loop {
            turns = (turns + 1) % TURNS;
            if turns == 0 {
                let_others_run().await;
            }
            let deadline = self.next_deadline();
            match poll_fn(|cx| self.poll_next(cx, &mut datagram, deadline)).await {
                Happening::Task(Task::Open { link, endpoint }) => self.open(link, endpoint),
                Happening::Task(Task::Reschedule) => {}
                Happening::Task(Task::Finish) => return,
                Happening::Datagram(Ok((length, from))) => {
                    hub.datagram(from, datagram.get(..length).unwrap_or_default());
                }
                Happening::Datagram(Err(error)) => warn!(%error, "could not receive a beacon"),
                Happening::Accepted(Ok((stream, remote))) => self.accept(stream, remote),
                Happening::Accepted(Err(error)) if socket::is_one_connections(&error) => {}
                Happening::Accepted(Err(error)) => {
                    warn!(%error, "could not accept a connection");
                    self.accept_again_at = Some(Instant::now() + socket::ACCEPT_PAUSE);
                }
                Happening::Deadline => {
                    self.accept_again_at.take_if(|at| *at <= Instant::now());
                    hub.timeout();
                }
            }
        }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        datagram: &mut [u8],
        deadline: Option<Instant>,
    ) -> Poll<Happening<T::Stream>> {
        if let Poll::Ready(task) = self.hub.0.poll_task(cx) {
            return Poll::Ready(Happening::Task(task));
        }
        // Whoever floods the port must not hold up the clock.
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Poll::Ready(Happening::Deadline);
        }
        self.datagrams_first = !self.datagrams_first;
        for datagrams in [self.datagrams_first, !self.datagrams_first] {
            let happening = match datagrams {
                true => self
                    .sockets
                    .poll_recv(cx, datagram)
                    .map(Happening::Datagram),
                false if self.accept_again_at.is_some() => Poll::Pending,
                false => self.sockets.poll_accept(cx).map(Happening::Accepted),
            };
            if happening.is_ready() {
                return happening;
            }
        }
        self.sockets
            .poll_deadline(cx, deadline)
            .map(|()| Happening::Deadline)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let wanted = self.hub.deadline();
        wanted.into_iter().chain(self.accept_again_at).min()
    }

    fn accept(&mut self, stream: T::Stream, remote: SocketAddr) {
        if let Err(error) = socket::tune(&stream) {
            warn!(%error, %remote, "could not set the options of a connection");
        }
        let hub = Arc::clone(&self.hub.0);
        let stream = Arc::new(stream);
        let link = hub.accepted(Arc::clone(&stream), remote);
        self.sockets.spawn(carry(hub, link, stream));
    }

    fn open(&mut self, link: LinkId, endpoint: Endpoint) {
        let hub = Arc::clone(&self.hub.0);
        let local = self.local;
        self.sockets.spawn(async move {
            let mut connecting = Box::pin(connect::<T>(endpoint, local));
            let connected = poll_fn(|cx| match hub.poll_closed(link, cx) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => connecting.as_mut().poll(cx).map(Some),
            });
            match connected.await {
                Some(Ok(stream)) => {
                    let stream = Arc::new(stream);
                    hub.opened(link, Arc::clone(&stream));
                    carry(hub, link, stream).await;
                }
                Some(Err(error)) => hub.open_failed(link, &error),
                None => {}
            }
        });
    }
}

/// After so many turns of the driver, the runtime's other tasks have theirs.
const TURNS: u32 = 32;

async fn let_others_run() {
    let mut have_run = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut have_run, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn carry<S: Stream>(hub: Arc<Hub<S>>, link: LinkId, stream: Arc<S>) {
    poll_fn(|cx| hub.poll_link(link, &stream, cx)).await;
}

async fn connect<T: Sockets>(endpoint: Endpoint, local: IpAddr) -> io::Result<T::Stream> {
    let remote = match endpoint.to_socket_addr() {
        Some(address) => address,
        None => T::look_up(Lookup::of(&endpoint)?).await?,
    };
    let stream = T::connect(socket::connector(remote, Some(local))?, remote).await?;
    socket::refuse_self(&stream)?;
    socket::tune(&stream)?;
    Ok(stream)
}
