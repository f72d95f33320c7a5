//! The loop that runs a node, over a runtime's own sockets, clock and tasks.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use zre_core::{LinkId, Notice, proto::Endpoint};
use zre_net::{Lookup, socket};

use crate::{
    hub::{Command, DriverHandle, Hub, LinkTask, Local, Stream},
    lookup::look_up,
};

/// A runtime's own parts: its sockets, its clock and its tasks.
pub trait Runtime: Send + Sized + 'static {
    /// A connection of the runtime's.
    type Stream: Stream + socket::AsSocket + 'static;

    /// What a task connects with.
    type Connector: Connector<Stream = Self::Stream>;

    /// A socket of the runtime's that receives datagrams.
    type Receiver: Send + 'static;

    /// A socket of the runtime's that accepts connections.
    type Listener: Send + 'static;

    /// Has a socket watched that does not block. To close it, the driver drops it.
    ///
    /// # Errors
    ///
    /// When the runtime cannot.
    fn receiver(&mut self, socket: UdpSocket) -> io::Result<Self::Receiver>;

    /// Has a socket watched that does not block. To close it, the driver drops it.
    ///
    /// # Errors
    ///
    /// When the runtime cannot.
    fn listener(&mut self, socket: TcpListener) -> io::Result<Self::Listener>;

    /// Receives a datagram.
    fn poll_recv(
        &mut self,
        receiver: &mut Self::Receiver,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;

    /// Accepts a connection.
    fn poll_accept(
        &mut self,
        listener: &mut Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, SocketAddr)>>;

    /// Waits for a moment, for ever if there is none.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()>;

    /// Runs the task of a connection that was accepted, no longer than this is there.
    fn spawn(&mut self, stream: &Self::Stream, task: impl Future<Output = ()> + Send + 'static);

    /// Runs a task that makes a connection and then moves what goes over it.
    fn spawn_connecting<F>(&mut self, task: impl FnOnce(Self::Connector) -> F)
    where
        F: Future<Output = ()> + Send + 'static;

    /// Ends the tasks.
    fn end_tasks(&mut self) -> impl Future<Output = ()> + Send;
}

/// How a runtime makes connections.
pub trait Connector: Send + Sync + 'static {
    /// A connection of the runtime's.
    type Stream;

    /// Connects a socket that is bound already.
    fn connect(
        &self,
        unconnected: TcpStream,
        remote: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// Runs a node. Dropped, even before it was polled, it closes the sockets and ends the node.
pub struct Driver<R: Runtime> {
    local: IpAddr,
    runtime: R,
    /// Not before, for want of descriptors.
    accept_again_at: Option<Instant>,
    /// Whether datagrams have their turn before connections.
    datagrams_first: bool,
    // Dropped last, when all sockets are closed: that ends the node, also when a runtime ends
    // before the node does.
    hub: DriverHandle<R::Stream>,
}

/// Something that the driver waits for.
enum DriverEvent<S> {
    Command(Command),
    Datagram(io::Result<(usize, SocketAddr)>),
    Accepted(io::Result<(S, SocketAddr)>),
    Deadline,
}

impl<R: Runtime> Driver<R> {
    /// After so many turns, the runtime's other tasks have theirs.
    const TURNS: u32 = 32;

    /// Drives a node whose connections begin at the address `local`.
    pub fn new(hub: Arc<Hub<R::Stream>>, runtime: R, local: IpAddr) -> Self {
        Self {
            local,
            runtime,
            accept_again_at: None,
            datagrams_first: true,
            hub: DriverHandle::new(hub),
        }
    }

    /// The runtime's parts.
    pub fn runtime(&mut self) -> &mut R {
        &mut self.runtime
    }

    /// Runs the node until it has stopped, then closes its sockets.
    pub async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
        // In a forked child the threads that run them may not be there.
        if !self.hub.is_forked() {
            self.runtime.end_tasks().await;
        }
    }

    /// Does what there is to do; ready when the node has stopped, or in a forked child of its
    /// process. Then drop this to close its sockets.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.hub.is_forked() {
            return Poll::Ready(());
        }
        let mut datagram = [0; socket::DATAGRAM_SIZE];
        for _ in 0..Self::TURNS {
            let deadline = self.next_deadline();
            match ready!(self.poll_next(cx, &mut datagram, deadline)) {
                DriverEvent::Command(Command::Open { link, endpoint }) => self.open(link, endpoint),
                DriverEvent::Command(Command::TaskPanicked(link)) => self.hub.task_panicked(link),
                DriverEvent::Command(Command::Reschedule) => {}
                DriverEvent::Command(Command::Finish) => return Poll::Ready(()),
                DriverEvent::Datagram(received) => self.receive(received, &datagram),
                DriverEvent::Accepted(accepted) => self.accept(accepted),
                DriverEvent::Deadline => {
                    self.accept_again_at.take_if(|at| *at <= Instant::now());
                    self.hub.timeout();
                }
            }
        }
        // There may be more to do, and nobody else will say so.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        datagram: &mut [u8],
        deadline: Option<Instant>,
    ) -> Poll<DriverEvent<R::Stream>> {
        if let Poll::Ready(command) = self.hub.poll_command(cx) {
            return Poll::Ready(DriverEvent::Command(command));
        }
        // Whoever floods the port must not hold up the clock.
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Poll::Ready(DriverEvent::Deadline);
        }
        // Nor must one kind of traffic hold up the other.
        self.datagrams_first = !self.datagrams_first;
        for datagrams in [self.datagrams_first, !self.datagrams_first] {
            let event = match datagrams {
                true => {
                    let received = self.runtime.poll_recv(cx, datagram);
                    received.map(DriverEvent::Datagram)
                }
                false if self.accept_again_at.is_some() => Poll::Pending,
                false => self.runtime.poll_accept(cx).map(DriverEvent::Accepted),
            };
            if event.is_ready() {
                return event;
            }
        }
        let waiting = self.runtime.poll_deadline(cx, deadline);
        waiting.map(|()| DriverEvent::Deadline)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let wanted = self.hub.deadline();
        wanted.into_iter().chain(self.accept_again_at).min()
    }

    fn receive(&mut self, received: io::Result<(usize, SocketAddr)>, datagram: &[u8]) {
        match received {
            Ok((length, from)) => {
                let datagram = datagram.get(..length).unwrap_or_default();
                self.hub.datagram(from, datagram);
            }
            Err(error) => {
                let error = error.to_string();
                self.hub.report(Notice::BeaconNotReceived { error });
            }
        }
    }

    fn accept(&mut self, accepted: io::Result<(R::Stream, SocketAddr)>) {
        match accepted {
            Ok((stream, remote)) => self.carry_accepted(stream, remote),
            // It went before it was accepted; the next may be fine.
            Err(error) if socket::is_per_connection(&error) => {}
            Err(error) => {
                let error = error.to_string();
                self.hub.report(Notice::NotAccepted { error });
                // At once it would fail again, and keep the driver busy.
                self.accept_again_at = Some(Instant::now() + socket::ACCEPT_PAUSE);
            }
        }
    }

    fn carry_accepted(&mut self, stream: R::Stream, remote: SocketAddr) {
        if let Err(error) = socket::tune(&stream, self.hub.patience()) {
            // Through the hub, which limits what is written to the log. The connection may do.
            let error = format!("cannot set the options of a connection from {remote}: {error}");
            self.hub.report(Notice::NotAccepted { error });
        }
        let stream = Arc::new(stream);
        let link = self.hub.accepted(Arc::clone(&stream), remote);
        self.runtime
            .spawn(&stream, carry(link, Arc::clone(&stream)));
    }

    fn open(&mut self, link: LinkId, endpoint: Endpoint) {
        let (link, source) = (self.hub.connecting(link), self.local);
        let local = self.hub.local().clone();
        let patience = self.hub.patience();
        self.runtime.spawn_connecting(move |connector| async move {
            // Boxed, as it is larger than what carries the connection, and soon over.
            let connecting = Box::pin(async move {
                let remote = locate(&endpoint, &local).await?;
                connect(connector, remote, source, patience).await
            });
            match while_wanted(connecting, &link).await {
                Some(Ok(stream)) => {
                    let stream = Arc::new(stream);
                    link.connected(Arc::clone(&stream));
                    carry(link, stream).await;
                }
                Some(Err(error)) => link.ended(&error.to_string()),
                None => {}
            }
        });
    }
}

impl<R: Runtime> fmt::Debug for Driver<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

async fn carry<S: Stream>(link: LinkTask<S>, stream: Arc<S>) {
    poll_fn(|cx| link.poll(&stream, cx)).await;
}

/// Goes on with connecting; `None` if the connection is not wanted any more.
async fn while_wanted<S: Stream, T>(
    mut connecting: Pin<Box<impl Future<Output = T>>>,
    link: &LinkTask<S>,
) -> Option<T> {
    poll_fn(|cx| match link.poll_closed(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => connecting.as_mut().poll(cx).map(Some),
    })
    .await
}

/// Where an endpoint is, if a peer can be there.
async fn locate(endpoint: &Endpoint, local: &Local) -> io::Result<SocketAddr> {
    let remote = match endpoint.to_socket_addr() {
        Some(address) => address,
        // The engine ends an attempt that takes too long, and this with it.
        None => look_up(Lookup::of(endpoint)?)?.await?,
    };
    let advertised = local.endpoint.to_socket_addr();
    let own: Vec<_> = advertised.into_iter().chain([local.listening]).collect();
    zre_net::check_remote(remote, &local.interface, &own)?;
    Ok(zre_net::canonical(remote))
}

async fn connect<C>(
    connector: C,
    remote: SocketAddr,
    source: IpAddr,
    patience: Duration,
) -> io::Result<C::Stream>
where
    C: Connector<Stream: socket::AsSocket>,
{
    let unconnected = socket::connector(remote, Some(source))?;
    let stream = connector.connect(unconnected, remote).await?;
    // Where nobody listens, a socket can connect to itself.
    socket::refuse_self(&stream)?;
    socket::tune(&stream, patience)?;
    Ok(stream)
}
