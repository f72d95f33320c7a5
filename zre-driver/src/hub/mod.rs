//! Where sockets, engine and application meet, without a runtime.

mod aftermath;
mod application;
mod ask;
mod clock;
mod coalesce;
mod confirm;
mod connection;
mod connections;
mod driving;
mod feed;
mod fork;
mod jam;
mod link_task;
mod log;
mod networks;
mod operations;
mod peer_ref;
mod receiver;
mod report;
mod route;
mod serve;
mod signals;
mod start;
mod state;
#[cfg(test)]
mod tests;
mod trust;
mod waiters;
mod watch;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use zre_core::{
    Config, Instant,
    interfaces::IpVersion,
    proto::{PeerId, ShortText, curve::PublicKey},
};
use zre_net::Process;

use fork::Fork;
use state::State;

pub use application::only_named;
pub use ask::{Answer, Ask, AskAll, Recipient};
pub use confirm::{ConfirmedShout, ConfirmedWhisper, Delivery};
pub use connection::Stream;
pub use feed::Lagged;
pub use operations::{GroupWait, PeerWait, Ping, Recv, Shout, Stopped, Whisper};
pub use peer_ref::PeerRef;
pub use receiver::{EventReceiver, NoticeReceiver};
pub use report::{Network, NetworkState, Stats};
pub use serve::{Answering, Incoming, RequestReceiver};
pub use signals::Signal;

pub(crate) use driving::{Command, DriverHandle, Ends};
pub(crate) use link_task::LinkTask;
pub(crate) use networks::{ListenerId, ReceiverId, SocketSettings};
pub(crate) use start::{Watchers, list_interfaces};

/// The engine of a node with its connections, shared by all who use or drive it.
///
/// Whoever calls holds a lock for a moment: to put a message into the engine and to write it to the
/// socket if that takes it. So a message needs no other task on its way out.
///
/// A [`Driver`](crate::Driver) runs on the adapter's runtime: it tells the hub what the network
/// does, and does what the engine wants done. Each connection has a task of its own there.
pub struct Hub<S> {
    state: Mutex<State<S>>,
    local: Local,
    /// As it was when the node started.
    config: Config,
    fork: Fork<S>,
    /// What tells of changes of the machine; the driver takes it.
    watchers: Mutex<Watchers>,
}

/// Who a node is; it stays so.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Local {
    /// The identity of the node.
    pub id: PeerId,
    /// The name of the node.
    pub name: ShortText,
    /// The public key of the node, if it has one.
    pub key: Option<PublicKey>,
}

impl<S: Stream> Hub<S> {
    /// Who the node is.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// The process that the node's sockets belong to.
    pub fn process(&self) -> &Process {
        self.fork.process()
    }

    /// Which versions of IP the node uses.
    fn ip(&self) -> IpVersion {
        let networks = self.config.networks.as_ref();
        networks.map(|it| it.ip).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        let state = match self.is_forked() {
            false => &self.state,
            true => self.fork.instead(&self.config),
        };
        // A panic under the lock is a bug of ours; the node goes on as well as it can.
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the engine, carries out what it then wants, and wakes whom it concerns.
    fn with<R>(&self, act: impl FnOnce(&mut State<S>, Instant) -> R) -> R {
        self.with_time(|state| state.clock.now(), act)
    }

    /// The same to send a message, for which the time need not be exact.
    fn with_message<R>(&self, act: impl FnOnce(&mut State<S>, Instant) -> R) -> R {
        self.with_time(|state| state.clock.message_time(), act)
    }

    fn with_time<R>(
        &self,
        time: impl FnOnce(&mut State<S>) -> Instant,
        act: impl FnOnce(&mut State<S>, Instant) -> R,
    ) -> R {
        let mut state = self.lock();
        let now = time(&mut state);
        let result = act(&mut state, now);
        state.settle(now);
        let aftermath = state.aftermath.take();
        let unwritten = state.watch.take_log();
        // Who is woken, or reads the log, may call the hub at once.
        drop(state);
        if let Some(aftermath) = aftermath {
            aftermath.carry_out();
        }
        unwritten.iter().for_each(log::Entry::write);
        result
    }
}

impl<S> fmt::Debug for Hub<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("local", &self.local)
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
