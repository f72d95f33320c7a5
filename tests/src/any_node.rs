//! A node of any adapter, with methods that wait on the calling thread, so that what all adapters have
//! in common is tested by the same lines.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use futures_lite::{StreamExt as _, future};
use tokio::runtime;
use zre_core::{
    Error, Event, Limits, PeerInfo,
    proto::{Content, Endpoint, GroupName, PeerId},
};
use zre_net::{Builder, StartError};

/// How long anything may take that takes no time of its own.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a node stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flavour {
    /// zre-tokio on two worker threads.
    TokioMulti,
    /// zre-tokio on one thread, which is the runtime.
    TokioCurrent,
    /// zre-smol on an executor of one thread.
    Smol,
    /// zre-smol on async-std's global executor.
    AsyncStd,
    /// zre-blocking.
    Blocking,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::TokioMulti,
        Self::TokioCurrent,
        Self::Smol,
        Self::AsyncStd,
        Self::Blocking,
    ];

    /// Reads what is shown.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|flavour| flavour.to_string() == text)
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TokioMulti => "tokio-multi",
            Self::TokioCurrent => "tokio-current",
            Self::Smol => "smol",
            Self::AsyncStd => "async-std",
            Self::Blocking => "blocking",
        })
    }
}

/// How a node is started.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// Its name; none for that of its identity.
    pub name: Option<String>,
    /// Its identity.
    pub uuid: Option<uuid::Uuid>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// The groups that it is in from the start.
    pub groups: Vec<String>,
    /// Its network interface; none for the adapter's choice.
    pub interface: Option<String>,
    /// The discovery port.
    pub port: Option<u16>,
    /// The port on which it listens.
    pub tcp_port: Option<u16>,
    /// Where it says that it listens.
    pub advertise: Option<Endpoint>,
    /// The time between its beacons.
    pub beacon_interval: Option<Duration>,
    /// How long a peer may be silent until it is evasive.
    pub evasive: Option<Duration>,
    /// How long a peer may be silent until it is gone.
    pub expired: Option<Duration>,
    /// How long stopping waits for those who do not read.
    pub linger: Option<Duration>,
    /// How much it holds.
    pub limits: Option<Limits>,
}

impl NodeOptions {
    /// A node on loopback.
    pub fn local(name: &str, port: u16) -> Self {
        Self {
            name: Some(name.to_owned()),
            interface: Some("127.0.0.1".to_owned()),
            port: Some(port),
            ..Self::default()
        }
    }

    fn builder<R>(self) -> Builder<R> {
        let mut builder = match self.name {
            Some(name) => Builder::new(name),
            None => Builder::unnamed(),
        };
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        for group in self.groups {
            builder = builder.join(group);
        }
        builder = apply(builder, self.uuid, Builder::uuid);
        builder = apply(builder, self.interface, Builder::interface);
        builder = apply(builder, self.port, Builder::port);
        builder = apply(builder, self.tcp_port, Builder::tcp_port);
        builder = apply(builder, self.advertise, Builder::advertise);
        builder = apply(builder, self.beacon_interval, Builder::beacon_interval);
        builder = apply(builder, self.evasive, Builder::evasive_timeout);
        builder = apply(builder, self.expired, Builder::expired_timeout);
        builder = apply(builder, self.linger, Builder::linger);
        apply(builder, self.limits, Builder::limits)
    }
}

fn apply<R, T>(
    builder: Builder<R>,
    value: Option<T>,
    set: impl FnOnce(Builder<R>, T) -> Builder<R>,
) -> Builder<R> {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}

/// The runtime under some nodes of one flavour. When it is dropped, it ends, and with it the nodes on it.
pub struct Host(Kind);

enum Kind {
    TokioMulti(runtime::Runtime),
    TokioCurrent(OwnThread<runtime::Handle>),
    Smol(OwnThread<Arc<smol::Executor<'static>>>),
    AsyncStd(Mutex<Vec<async_std::task::JoinHandle<()>>>),
    Blocking,
}

/// A thread that runs a runtime until this is dropped.
struct OwnThread<R> {
    runtime: R,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<R> Drop for OwnThread<R> {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported.
            let _ = thread.join();
        }
    }
}

impl Host {
    /// Starts a runtime.
    ///
    /// # Panics
    ///
    /// When the system has no threads left.
    pub fn new(flavour: Flavour) -> Arc<Self> {
        Arc::new(Self(match flavour {
            Flavour::TokioMulti => Kind::TokioMulti(
                runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .expect("threads"),
            ),
            Flavour::TokioCurrent => Kind::TokioCurrent(tokio_thread()),
            Flavour::Smol => Kind::Smol(smol_thread()),
            Flavour::AsyncStd => Kind::AsyncStd(Mutex::default()),
            Flavour::Blocking => Kind::Blocking,
        }))
    }

    /// Starts a node.
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    ///
    /// # Panics
    ///
    /// When it takes too long.
    pub fn start(self: &Arc<Self>, options: NodeOptions) -> Result<AnyNode, StartError> {
        let node = match &self.0 {
            Kind::TokioMulti(_) | Kind::TokioCurrent(_) => {
                let starting = async move { options.builder::<zre_tokio::Tcp>().start().await };
                Inner::Tokio(self.run(starting).wait()?)
            }
            Kind::Smol(thread) => {
                let (node, driver) = options.builder::<zre_smol::Tcp>().start()?;
                thread.runtime.spawn(driver).detach();
                Inner::Smol(node)
            }
            Kind::AsyncStd(drivers) => {
                let (node, driver) = options.builder::<zre_smol::Tcp>().start()?;
                let driver = async_std::task::spawn(driver);
                drivers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(driver);
                Inner::Smol(node)
            }
            Kind::Blocking => Inner::Blocking(options.builder::<zre_blocking::Tcp>().start()?),
        };
        Ok(AnyNode {
            node,
            host: Arc::clone(self),
        })
    }

    /// Runs a future as a task.
    pub fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Pending<T> {
        let (sender, receiver) = mpsc::channel();
        let task = async move {
            // Nobody waits any more if this fails.
            let _ = sender.send(future.await);
        };
        match &self.0 {
            Kind::TokioMulti(runtime) => _ = runtime.spawn(task),
            Kind::TokioCurrent(thread) => _ = thread.runtime.spawn(task),
            Kind::Smol(thread) => thread.runtime.spawn(task).detach(),
            Kind::AsyncStd(_) => _ = async_std::task::spawn(task),
            Kind::Blocking => unreachable!("no futures here"),
        }
        Pending(receiver)
    }

    /// Runs a future as a task, and drops it when it takes too long.
    fn run_within<T: Send + 'static>(
        &self,
        time: Duration,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let pending = match &self.0 {
            Kind::TokioMulti(_) | Kind::TokioCurrent(_) => {
                self.run(async move { tokio::time::timeout(time, future).await.ok() })
            }
            _ => self.run(future::or(async move { Some(future.await) }, async move {
                smol::Timer::after(time).await;
                None
            })),
        };
        pending.wait_for(time + PATIENCE)
    }

    /// Ends the runtime at once, or what runs the nodes on it. A thread of zre-blocking cannot be ended so: then `false`.
    ///
    /// # Panics
    ///
    /// When something else holds the host.
    pub fn end_abruptly(self: Arc<Self>) -> bool {
        let Self(kind) = Arc::into_inner(self).expect("the nodes are gone");
        match kind {
            Kind::TokioMulti(runtime) => runtime.shutdown_timeout(PATIENCE),
            Kind::TokioCurrent(thread) => drop(thread),
            Kind::Smol(thread) => drop(thread),
            Kind::AsyncStd(drivers) => {
                let drivers = drivers.into_inner().unwrap_or_else(PoisonError::into_inner);
                for driver in drivers {
                    smol::block_on(driver.cancel());
                }
            }
            Kind::Blocking => return false,
        }
        true
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host")
    }
}

fn tokio_thread() -> OwnThread<runtime::Handle> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    OwnThread {
        runtime: runtime.handle().clone(),
        end: Some(end),
        thread: Some(thread::spawn(move || {
            // Ends when the other side is dropped.
            let _ = runtime.block_on(ended);
        })),
    }
}

fn smol_thread() -> OwnThread<Arc<smol::Executor<'static>>> {
    let executor = Arc::new(smol::Executor::new());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    OwnThread {
        runtime: Arc::clone(&executor),
        end: Some(end),
        thread: Some(thread::spawn(move || {
            // Ends when the other side is dropped.
            let _ = smol::block_on(executor.run(ended));
        })),
    }
}

/// Something that is under way elsewhere.
#[derive(Debug)]
pub struct Pending<T>(Receiver<T>);

impl<T: Send + 'static> Pending<T> {
    fn on_thread(act: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // Nobody waits any more if this fails.
            let _ = sender.send(act());
        });
        Self(receiver)
    }

    /// Waits for the result.
    ///
    /// # Panics
    ///
    /// When it takes too long, or has panicked.
    #[track_caller]
    pub fn wait(self) -> T {
        self.wait_for(PATIENCE)
    }

    #[track_caller]
    fn wait_for(self, time: Duration) -> T {
        match self.0.recv_timeout(time) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => panic!("hangs"),
            Err(RecvTimeoutError::Disconnected) => panic!("its task has panicked or is gone"),
        }
    }

    /// The result, if it is there.
    ///
    /// # Panics
    ///
    /// When it has panicked.
    pub fn done(&self) -> Option<T> {
        match self.0.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("its task has panicked or is gone"),
        }
    }
}

/// What waiting for an event came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event.
    Event(Event),
    /// None will come: the node has stopped.
    Ended,
    /// None came in time.
    Late,
}

/// A node of any flavour. Like the adapters' nodes it is a handle.
#[derive(Clone, Debug)]
pub struct AnyNode {
    // Before its runtime, so that it goes first.
    node: Inner,
    host: Arc<Host>,
}

#[derive(Clone, Debug)]
enum Inner {
    Tokio(zre_tokio::Node),
    Smol(zre_smol::Node),
    Blocking(zre_blocking::Node),
}

/// The same at once, whatever the node.
macro_rules! at_once {
    ($self:ident, $node:ident => $call:expr) => {
        match &$self.node {
            Inner::Tokio($node) => $call,
            Inner::Smol($node) => $call,
            Inner::Blocking($node) => $call,
        }
    };
}

/// The same, whatever the node, in a task or on a thread of its own.
macro_rules! beside {
    ($self:ident, $node:ident => $call:expr) => {
        match &$self.node {
            Inner::Tokio($node) => {
                let $node = $node.clone();
                $self.host.run(async move { $call.await })
            }
            Inner::Smol($node) => {
                let $node = $node.clone();
                $self.host.run(async move { $call.await })
            }
            Inner::Blocking($node) => {
                let $node = $node.clone();
                Pending::on_thread(move || $call)
            }
        }
    };
}

/// The same as a future that is dropped after a while, and as a method of zre-blocking that ends by itself.
macro_rules! within {
    ($self:ident, $time:ident, $node:ident => $call:expr, $blocking:expr) => {
        match &$self.node {
            Inner::Tokio($node) => {
                let $node = $node.clone();
                $self.host.run_within($time, async move { $call.await })
            }
            Inner::Smol($node) => {
                let $node = $node.clone();
                $self.host.run_within($time, async move { $call.await })
            }
            Inner::Blocking($node) => $blocking,
        }
    };
}

#[allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "as the adapters' methods; and a panic when something hangs"
)]
impl AnyNode {
    /// The runtime that it is on.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The node, if it is one of zre-blocking.
    pub fn as_blocking(&self) -> Option<&zre_blocking::Node> {
        match &self.node {
            Inner::Blocking(node) => Some(node),
            _ => None,
        }
    }

    /// The node without its runtime, which can be ended then.
    pub fn into_bare(self) -> BareNode {
        BareNode(self.node)
    }

    /// Waits for an event.
    pub fn recv(&self, within: Duration) -> Next {
        let received = within!(self, within, node => node.recv(), match node.recv_timeout(within) {
            Ok(event) => Some(Some(event)),
            Err(zre_blocking::RecvTimeoutError::Stopped) => Some(None),
            Err(zre_blocking::RecvTimeoutError::Timeout) => None,
        });
        match received {
            Some(Some(event)) => Next::Event(event),
            Some(None) => Next::Ended,
            None => Next::Late,
        }
    }

    /// Begins to wait for an event, without an end.
    pub fn begin_recv(&self) -> Pending<Option<Event>> {
        beside!(self, node => node.recv())
    }

    /// Takes an event that is there.
    pub fn try_recv(&self) -> Option<Event> {
        at_once!(self, node => node.try_recv())
    }

    /// Begins to collect all that the stream or iterator of events gives.
    pub fn begin_events(&self) -> Pending<Vec<Event>> {
        match &self.node {
            Inner::Tokio(node) => self.host.run(node.events().collect()),
            Inner::Smol(node) => self.host.run(node.events().collect()),
            Inner::Blocking(node) => {
                let events = node.events();
                Pending::on_thread(move || events.collect())
            }
        }
    }

    /// Whispers, however long it takes.
    pub fn whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        self.begin_whisper(peer, content).wait()
    }

    /// Begins to whisper.
    pub fn begin_whisper(
        &self,
        peer: PeerId,
        content: impl Into<Content>,
    ) -> Pending<Result<(), Error>> {
        let content = content.into();
        beside!(self, node => node.whisper(peer, content))
    }

    /// Begins to whisper one after the other, each when the last has been taken.
    pub fn begin_whispers(
        &self,
        peer: PeerId,
        contents: Vec<Content>,
    ) -> Pending<Result<(), Error>> {
        macro_rules! each {
            ($node:ident) => {{
                let node = $node.clone();
                self.host.run(async move {
                    for content in contents {
                        node.whisper(peer, content).await?;
                    }
                    Ok(())
                })
            }};
        }
        match &self.node {
            Inner::Tokio(node) => each!(node),
            Inner::Smol(node) => each!(node),
            Inner::Blocking(node) => {
                let node = node.clone();
                Pending::on_thread(move || {
                    contents
                        .into_iter()
                        .try_for_each(|content| node.whisper(peer, content))
                })
            }
        }
    }

    /// Whispers, and gives up after a while: then [`Error::Full`].
    pub fn whisper_within(
        &self,
        within: Duration,
        peer: PeerId,
        content: impl Into<Content>,
    ) -> Result<(), Error> {
        let content = content.into();
        within!(self, within, node => node.whisper(peer, content),
            Some(node.whisper_timeout(peer, content, within)))
        .unwrap_or(Err(Error::Full(peer)))
    }

    /// Whispers if there is room.
    pub fn try_whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        at_once!(self, node => node.try_whisper(peer, content))
    }

    /// Shouts, however long it takes.
    pub fn shout(&self, group: &str, content: impl Into<Content>) -> Result<usize, Error> {
        self.begin_shout(group, content).wait()
    }

    /// Begins to shout.
    pub fn begin_shout(
        &self,
        group: &str,
        content: impl Into<Content>,
    ) -> Pending<Result<usize, Error>> {
        let (group, content) = (group.to_owned(), content.into());
        beside!(self, node => node.shout(group.as_str(), content))
    }

    /// Shouts, and gives up after a while: then `None`, and [`Error::Full`] of zre-blocking too.
    pub fn shout_within(
        &self,
        within: Duration,
        group: &str,
        content: impl Into<Content>,
    ) -> Option<Result<usize, Error>> {
        let (group, content) = (group.to_owned(), content.into());
        within!(self, within, node => node.shout(group.as_str(), content),
        match node.shout_timeout(group.as_str(), content, within) {
            Err(Error::Full(_)) => None,
            result => Some(result),
        })
    }

    /// Shouts if all members have room.
    pub fn try_shout(&self, group: &str, content: impl Into<Content>) -> Result<usize, Error> {
        at_once!(self, node => node.try_shout(group, content))
    }

    /// Joins a group.
    pub fn join(&self, group: &str) -> Result<(), Error> {
        at_once!(self, node => node.join(group))
    }

    /// Leaves a group.
    pub fn leave(&self, group: &str) -> Result<(), Error> {
        at_once!(self, node => node.leave(group))
    }

    /// Asks a peer for an answer.
    pub fn ping(&self, peer: PeerId) -> Result<Duration, Error> {
        self.begin_ping(peer).wait()
    }

    /// Begins to ask a peer for an answer.
    pub fn begin_ping(&self, peer: PeerId) -> Pending<Result<Duration, Error>> {
        beside!(self, node => node.ping(peer))
    }

    /// Stops it and waits until it has.
    pub fn stop(&self) {
        self.begin_stop().wait();
    }

    /// Begins to stop it.
    pub fn begin_stop(&self) -> Pending<()> {
        beside!(self, node => node.stop())
    }

    /// Its identity.
    pub fn id(&self) -> PeerId {
        at_once!(self, node => node.id())
    }

    /// Its name.
    pub fn name(&self) -> String {
        at_once!(self, node => node.name().to_string())
    }

    /// Where it listens.
    pub fn endpoint(&self) -> Endpoint {
        at_once!(self, node => node.endpoint().clone())
    }

    /// The address of its interface.
    pub fn address(&self) -> std::net::Ipv4Addr {
        at_once!(self, node => node.interface().address)
    }

    /// Its peers.
    pub fn peers(&self) -> Vec<PeerId> {
        at_once!(self, node => node.peers())
    }

    /// What it knows of a peer.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        at_once!(self, node => node.peer(peer))
    }

    /// The peers in a group.
    pub fn peers_by_group(&self, group: &str) -> Result<Vec<PeerId>, Error> {
        at_once!(self, node => node.peers_by_group(group))
    }

    /// The groups that it is in.
    pub fn own_groups(&self) -> Vec<GroupName> {
        at_once!(self, node => node.own_groups())
    }

    /// The groups that its peers are in.
    pub fn peer_groups(&self) -> Vec<GroupName> {
        at_once!(self, node => node.peer_groups())
    }
}

/// A node whose runtime is held by nobody.
#[derive(Debug)]
pub struct BareNode(Inner);

impl BareNode {
    /// What there is to be had of it when its runtime has ended: its last events, and what joining comes to.
    /// `None` if it hangs.
    pub fn after_the_end(self) -> Option<(Vec<Event>, String)> {
        let joined = match &self.0 {
            Inner::Tokio(node) => node.join("CHAT"),
            Inner::Smol(node) => node.join("CHAT"),
            Inner::Blocking(node) => node.join("CHAT"),
        };
        let events = Pending::on_thread(move || match self.0 {
            Inner::Tokio(node) => future::block_on(async {
                let events = node.events().collect().await;
                node.stop().await;
                events
            }),
            Inner::Smol(node) => future::block_on(async {
                let events = node.events().collect().await;
                node.stop().await;
                events
            }),
            Inner::Blocking(node) => node.events().collect(),
        });
        let events = events.0.recv_timeout(PATIENCE).ok()?;
        Some((events, format!("join: {joined:?}")))
    }
}
