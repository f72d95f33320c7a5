//! The loop that runs a node, over a runtime's own sockets, clock and tasks.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime},
};

use tracing::warn;
use zre_core::{LinkId, Notice, OpenFor, interfaces::IpVersion, proto::Endpoint};
use zre_net::{Lookup, socket};

use crate::{
    hub::{
        Command, DriverHandle, Ends, Hub, LinkTask, ListenerId, ReceiverId, Stream, Watchers,
        list_interfaces,
    },
    lookup::look_up,
    sockets::{Incoming, Sockets},
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
    sockets: Sockets<R>,
    runtime: R,
    time: Time,
    /// The node hears of changes of the machine while they are held.
    _watchers: Watchers,
    // Dropped last, when all sockets are closed: that ends the node, also when a runtime ends
    // before the node does.
    hub: DriverHandle<R::Stream>,
}

/// Something that the driver waits for.
enum DriverEvent<S> {
    Command(Command),
    Incoming(Incoming<S>),
    Deadline,
}

impl<R: Runtime> Driver<R> {
    /// After so many turns, the runtime's other tasks have theirs.
    const TURNS: u32 = 32;

    /// Drives a node.
    pub fn new(hub: Arc<Hub<R::Stream>>, runtime: R) -> Self {
        let hub = DriverHandle::new(hub);
        Self {
            sockets: Sockets::new(),
            runtime,
            time: Time::now(),
            _watchers: hub.take_watchers(),
            hub,
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
                DriverEvent::Command(Command::Finish) => return Poll::Ready(()),
                DriverEvent::Command(command) => self.carry_out(command),
                DriverEvent::Incoming(Incoming::Datagram(received)) => {
                    self.receive(received, &datagram);
                }
                DriverEvent::Incoming(Incoming::Accepted(listener, accepted)) => {
                    self.accept(listener, accepted);
                }
                DriverEvent::Deadline => self.handle_deadline(deadline),
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
        let incoming = self.sockets.poll(&mut self.runtime, cx, datagram);
        if let Poll::Ready(incoming) = incoming {
            return Poll::Ready(DriverEvent::Incoming(incoming));
        }
        let waiting = self.runtime.poll_deadline(cx, deadline);
        waiting.map(|()| DriverEvent::Deadline)
    }

    fn next_deadline(&self) -> Option<Instant> {
        let wanted = self.hub.deadline();
        wanted.into_iter().chain(self.sockets.deadline()).min()
    }

    fn handle_deadline(&mut self, deadline: Option<Instant>) {
        self.sockets.handle_deadline();
        self.hub.timeout();
        // What changed while the machine slept may not be told.
        if self.time.has_slept(deadline) {
            self.hub.list_interfaces();
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Open {
                link,
                endpoint,
                purpose,
            } => self.open(link, endpoint, purpose),
            Command::Listen(id, socket) => self.listen(id, socket),
            Command::Receive(id, socket) => self.watch_receiver(id, socket),
            Command::CloseListener(id) => self.sockets.close_listener(id),
            Command::CloseReceiver(id) => self.sockets.close_receiver(id),
            Command::ListInterfaces => match list_interfaces() {
                Ok(interfaces) => self.hub.interfaces(interfaces),
                Err(error) => warn!("{error}"),
            },
            Command::TaskPanicked(link) => self.hub.task_panicked(link),
            Command::Reschedule | Command::Finish => {}
        }
    }

    fn listen(&mut self, id: ListenerId, socket: TcpListener) {
        match self.runtime.listener(socket) {
            Ok(listener) => self.sockets.add_listener(id, listener),
            Err(error) => self.hub.not_listening(id, &error.to_string()),
        }
    }

    fn watch_receiver(&mut self, id: ReceiverId, socket: UdpSocket) {
        match self.runtime.receiver(socket) {
            Ok(receiver) => self.sockets.add_receiver(id, receiver),
            Err(error) => {
                let error = error.to_string();
                self.hub.report(Notice::BeaconNotReceived { error });
            }
        }
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

    fn accept(&mut self, listener: ListenerId, accepted: io::Result<(R::Stream, SocketAddr)>) {
        match accepted {
            Ok((stream, remote)) => self.carry_accepted(listener, stream, remote),
            // It went before it was accepted; the next may be fine.
            Err(error) if socket::is_per_connection(&error) => {}
            Err(error) => {
                let error = error.to_string();
                self.hub.report(Notice::NotAccepted { error });
                // At once it would fail again, and keep the driver busy.
                self.sockets.pause_accepting(socket::ACCEPT_PAUSE);
            }
        }
    }

    fn carry_accepted(&mut self, listener: ListenerId, stream: R::Stream, remote: SocketAddr) {
        if let Err(error) = socket::tune(&stream, self.hub.patience()) {
            // Through the hub, which limits what is written to the log. The connection may do.
            let error = format!("cannot set the options of a connection from {remote}: {error}");
            self.hub.report(Notice::NotAccepted { error });
        }
        let local = socket::local_end(&stream);
        let stream = Arc::new(stream);
        let ends = Ends { local, remote };
        let link = self.hub.accepted(listener, Arc::clone(&stream), ends);
        self.runtime
            .spawn(&stream, carry(link, Arc::clone(&stream)));
    }

    fn open(&mut self, link: LinkId, endpoint: Endpoint, purpose: OpenFor) {
        let link = self.hub.connecting(link);
        let patience = self.hub.patience();
        self.runtime.spawn_connecting(move |connector| async move {
            // Boxed, as it is larger than what carries the connection, and soon over.
            let connecting = Box::pin(reach(&connector, &link, &endpoint, purpose, patience));
            match while_wanted(connecting, &link).await {
                Some(Ok(stream)) => {
                    let stream = Arc::new(stream);
                    link.connected(Arc::clone(&stream), socket::local_end(&*stream));
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
        f.debug_struct("Driver").finish_non_exhaustive()
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

/// Connects to an endpoint, at the first of its addresses where that succeeds.
async fn reach<C>(
    connector: &C,
    link: &LinkTask<C::Stream>,
    endpoint: &Endpoint,
    purpose: OpenFor,
    patience: Duration,
) -> io::Result<C::Stream>
where
    C: Connector<Stream: Stream + socket::AsSocket>,
{
    let mut failed = None;
    for remote in locate(endpoint, link).await? {
        match connect(connector, link, remote, purpose, patience).await {
            Ok(stream) => return Ok(stream),
            // The first address is the likely one.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// Where an endpoint is, at an address of the IP versions that the node uses.
async fn locate<S: Stream>(endpoint: &Endpoint, link: &LinkTask<S>) -> io::Result<Vec<SocketAddr>> {
    let ip = link.ip();
    let mut found = match zre_net::plain_address(endpoint)? {
        Some(address) => vec![address],
        // The engine ends an attempt that takes too long, and this with it.
        None => look_up(Lookup::of(endpoint)?)?.await?,
    };
    found.retain(|address| match ip {
        IpVersion::V4 => address.is_ipv4(),
        IpVersion::V6 => address.is_ipv6(),
        _ => true,
    });
    if found.is_empty() {
        let message = format!("{endpoint} has no address of the IP version that the node uses");
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    Ok(found)
}

async fn connect<C>(
    connector: &C,
    link: &LinkTask<C::Stream>,
    remote: SocketAddr,
    purpose: OpenFor,
    patience: Duration,
) -> io::Result<C::Stream>
where
    C: Connector<Stream: Stream + socket::AsSocket>,
{
    let unconnected = link.begin(remote, purpose)?;
    let stream = connector.connect(unconnected, remote).await?;
    // Where nobody listens, a socket can connect to itself.
    socket::refuse_self(&stream)?;
    socket::tune(&stream, patience)?;
    Ok(stream)
}

/// The clocks when the driver looked last, to notice that the machine has slept.
#[derive(Debug, Clone, Copy)]
struct Time {
    monotonic: Instant,
    wall: SystemTime,
}

impl Time {
    /// More than a busy machine makes a driver wait.
    const LATE: Duration = Duration::from_secs(2);

    fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Whether the machine has slept since this was asked last: a deadline comes very late, or the
    /// time of day has gone on and the clock that counts running time has not.
    fn has_slept(&mut self, deadline: Option<Instant>) -> bool {
        let now = Self::now();
        let before = std::mem::replace(self, now);
        now.has_slept_since(before, deadline)
    }

    fn has_slept_since(self, before: Self, deadline: Option<Instant>) -> bool {
        let late = deadline.map(|at| self.monotonic.saturating_duration_since(at));
        let running = self.monotonic.saturating_duration_since(before.monotonic);
        // An error says that the time of day was set back.
        let passed = self.wall.duration_since(before.wall).unwrap_or_default();
        late.is_some_and(|late| late > Self::LATE) || passed > running + Self::LATE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_has_slept_is_noticed_by_either_clock() {
        let before = Time::now();
        let after = |monotonic: u64, wall: u64| Time {
            monotonic: before.monotonic + Duration::from_secs(monotonic),
            wall: before.wall + Duration::from_secs(wall),
        };
        let in_a_second = Some(before.monotonic + Duration::from_secs(1));
        assert!(!after(1, 1).has_slept_since(before, in_a_second));
        assert!(!after(60, 60).has_slept_since(before, None));
        assert!(after(1, 60).has_slept_since(before, in_a_second));
        assert!(after(60, 60).has_slept_since(before, in_a_second));
        // The time of day was set back.
        assert!(!before.has_slept_since(after(0, 60), in_a_second));
    }
}
