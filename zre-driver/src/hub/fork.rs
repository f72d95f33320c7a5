//! What is left of a node in a forked child of its process.

use std::sync::{Mutex, OnceLock, TryLockError};

use zre_core::{Beacons, Config, Engine, Error, Instant, Seed, proto::Endpoint};
use zre_net::Process;

use super::{
    Hub, Stream,
    networks::{NetworkSockets, SocketSettings},
    state::State,
};

/// Tells a child from the process that started the node, and stands in for the node there.
///
/// The sockets are the parent's. What a child reads from them is lost to the parent, and what it
/// writes ends the parent's sessions. The lock may be held for ever by a thread that the child does
/// not have. So a child touches neither: a node that is over answers all that is asked there.
pub(super) struct Fork<S> {
    process: Process,
    sockets: SocketSettings,
    /// Where the node was when it started.
    endpoint: OnceLock<Endpoint>,
    instead: OnceLock<Mutex<State<S>>>,
}

impl<S: Stream> Fork<S> {
    pub(super) fn new(process: Process, sockets: SocketSettings) -> Self {
        Self {
            process,
            sockets,
            endpoint: OnceLock::new(),
            instead: OnceLock::new(),
        }
    }

    /// The node has started there.
    pub(super) fn note_endpoint(&self, endpoint: Endpoint) {
        // It starts once.
        let _again = self.endpoint.set(endpoint);
    }

    /// The process of the node.
    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// The state of a node that is over.
    pub(super) fn instead(&self, config: &Config) -> &Mutex<State<S>> {
        self.instead.get_or_init(|| {
            let mut config = config.clone();
            if let Some(endpoint) = self.endpoint.get() {
                config.endpoint = endpoint.clone();
            }
            config.networks = None;
            config.security = None;
            config.beacons = Beacons::Off;
            config.connect.clear();
            config.gossip_connect.clear();
            let engine = Engine::new(config, Seed::predictable([0; 32]), Instant::default());
            Mutex::new(State::over(
                engine,
                NetworkSockets::new(self.sockets.clone()),
            ))
        })
    }
}

impl<S: Stream> Hub<S> {
    /// Whether the caller is in a forked child of the node's process.
    #[inline]
    pub fn is_forked(&self) -> bool {
        !self.fork.process.is_current()
    }

    /// The error of everything that the node is asked to do in a forked child.
    pub(super) fn check_process(&self) -> Result<(), Error> {
        match self.is_forked() {
            false => Ok(()),
            true => Err(Error::Forked),
        }
    }

    /// Closes, in a child, the sockets that can be had there, and tells nobody.
    pub(super) fn close_in_child(&self) {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // By a thread of the parent's: they stay open until the child ends.
            Err(TryLockError::WouldBlock) => return,
        };
        state.close_sockets();
    }
}
