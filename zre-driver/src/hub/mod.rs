//! Where sockets, engine and application meet, without a runtime.

mod application;
mod coalesce;
mod connection;
mod driving;
mod feed;
mod log;
mod operations;
mod receiver;
mod report;
mod state;
mod waiters;

use std::{
    fmt, io,
    net::SocketAddrV4,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tracing::debug;
use zre_core::{
    Engine,
    proto::{Endpoint, PeerId, ShortText},
};
use zre_net::Interface;

use crate::settings::Bound;
use state::State;

pub use connection::Stream;
pub use driving::Command;
pub use feed::Lagged;
pub use operations::{GroupWait, PeerRef, PeerWait, Ping, Shout, Whisper};
pub use receiver::{EventReceiver, NoticeReceiver};
pub use report::{Network, Stats};
pub use state::Signal;

/// The engine of a node with its connections, shared by all who use or drive it.
///
/// Whoever calls holds a lock for a moment: to put a message into the engine and to write it to the
/// socket if that takes it. So a message needs no other task on its way out.
///
/// A [`Driver`](crate::Driver) runs, on the adapter's runtime: a loop over
/// [`poll_command`](Hub::poll_command), received [datagrams](Hub::datagram),
/// [accepted](Hub::accepted) connections and [`timeout`](Hub::timeout)s; and
/// [`poll_link`](Hub::poll_link) for each connection.
pub struct Hub<S> {
    state: Mutex<State<S>>,
    epoch: Instant,
    id: PeerId,
    name: ShortText,
    endpoint: Endpoint,
    interface: Interface,
    broadcast: SocketAddrV4,
}

impl<S: Stream> Hub<S> {
    /// A running node. The receiver and the listener of `bound` are the adapter's to give to its
    /// runtime.
    ///
    /// # Errors
    ///
    /// When the system has no descriptors left.
    pub fn new(bound: &Bound) -> io::Result<Self> {
        let now = zre_core::Instant::default();
        let engine = Engine::new(bound.config.clone(), bound.seed, now);
        let (epoch, broadcast) = (Instant::now(), bound.broadcast());
        let hub = Self {
            epoch,
            id: engine.node().id(),
            name: engine.node().name().clone(),
            endpoint: engine.node().endpoint().clone(),
            interface: bound.interface.clone(),
            broadcast,
            state: Mutex::new(State::new(
                epoch,
                engine,
                bound.sender.try_clone()?,
                broadcast,
            )),
        };
        let (id, name, endpoint) = (hub.id, &hub.name, &hub.endpoint);
        let (interface, port) = (&hub.interface, broadcast.port());
        debug!(%id, %name, %endpoint, %interface, port, "started");
        Ok(hub)
    }

    /// The identity of the node.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// The name of the node.
    pub fn name(&self) -> &ShortText {
        &self.name
    }

    /// Where the node accepts connections.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The network interface that the node is on.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        // A panic under the lock is a bug of ours; the node goes on as well as it can.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the engine, carries out what it then wants, and wakes whom it concerns.
    fn with<R>(&self, act: impl FnOnce(&mut State<S>, zre_core::Instant) -> R) -> R {
        self.with_time(|state| state.now(), act)
    }

    /// The same to send a message, for which the time need not be exact.
    fn with_message<R>(&self, act: impl FnOnce(&mut State<S>, zre_core::Instant) -> R) -> R {
        self.with_time(State::message_time, act)
    }

    fn with_time<R>(
        &self,
        time: impl FnOnce(&mut State<S>) -> zre_core::Instant,
        act: impl FnOnce(&mut State<S>, zre_core::Instant) -> R,
    ) -> R {
        let mut state = self.lock();
        let now = time(&mut state);
        let result = act(&mut state, now);
        state.settle(now);
        let (woken, unwritten) = state.take_aftermath();
        // Who is woken, or reads the log, may call the hub at once.
        drop(state);
        woken.wake();
        unwritten.iter().for_each(log::Entry::write);
        result
    }
}

impl<S> fmt::Debug for Hub<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The application's hold on a node: when the last one is dropped, the node stops in the
/// background.
#[derive(Debug)]
pub struct Handle<S: Stream>(Arc<Hub<S>>);

impl<S: Stream> Handle<S> {
    /// The handle of a node that an adapter has started.
    pub fn new(hub: Arc<Hub<S>>) -> Self {
        Self(hub)
    }

    /// The hub.
    pub fn hub(&self) -> &Arc<Hub<S>> {
        &self.0
    }
}

impl<S: Stream> Drop for Handle<S> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
