//! Starting a node.

use std::{
    io::{self, ErrorKind},
    mem,
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tracing::{debug, warn};
use zre_core::{
    Beacons, Engine, Instant,
    interfaces::{Interface, InterfaceChoice, Interfaces, IpVersion, choose},
};
use zre_net::{
    Process, Watcher,
    keys::{TrustDir, TrustWatcher},
    socket::{self, ListenPort},
};

use super::{
    Hub, Local, Stream,
    driving::Command,
    fork::Fork,
    networks::{ListenerId, NetworkSockets},
    state::State,
};
use crate::settings::{BindEndpoint, BindHost, Prepared, Settings, StartError, there, union};

impl<S: Stream + 'static> Hub<S> {
    /// Starts a node: opens its sockets, which wait for the driver.
    ///
    /// # Errors
    ///
    /// [`StartError`] names what is wrong with the settings, or what the system refuses.
    pub fn start(settings: &Settings) -> Result<Arc<Self>, StartError> {
        let mut prepared = settings.prepare()?;
        let trust = mem::take(&mut prepared.trust);
        let mut advice = mem::take(&mut prepared.advice);
        let hub = Arc::new(Self::new(prepared, Process::current()?));
        // Before the interfaces are listed, so that no change falls between.
        hub.lock_watchers().interfaces = Some(watch(&hub)?);
        let interfaces = list_interfaces()?;
        advice.extend(settings.advise(&interfaces)?);
        if let Some(at) = &settings.gossip_bind {
            hub.listen_to_gossip(at, &interfaces, settings.ip)?;
        }
        hub.open_networks(interfaces)?;
        hub.lock_watchers().trust = watch_trust(&hub, trust)?;
        advice.iter().for_each(|advice| warn!("{advice}"));
        Ok(hub)
    }

    fn new(prepared: Prepared, process: Process) -> Self {
        let Prepared {
            config,
            seed,
            sockets,
            ..
        } = prepared;
        let engine = Engine::new(config.clone(), seed, Instant::default());
        let local = Local {
            id: engine.node().id(),
            name: engine.node().name().clone(),
            key: config.security.as_ref().map(|it| it.keypair.public()),
        };
        Self {
            config,
            state: Mutex::new(State::new(engine, NetworkSockets::new(sockets.clone()))),
            local,
            fork: Fork::new(process, sockets),
            watchers: Mutex::default(),
        }
    }

    /// Opens the sockets of the networks that the node is to be on.
    fn open_networks(&self, interfaces: Vec<Interface>) -> Result<(), StartError> {
        // A failure to start is told by the error alone.
        self.lock().watch.hold_log(true);
        self.with(|state, now| state.handle_interfaces(interfaces, now));
        let (failures, endpoint) = {
            let mut state = self.lock();
            let endpoint = state.engine.node().endpoint().clone();
            (state.networks.take_failures(), endpoint)
        };
        let is_on_none = self.read(|node| node.networks().next().is_none());
        // What may come of itself, such as an address that is not ready yet, is tried again.
        let is_final = |error: &&io::Error| is_on_none || is_taken(error);
        if let Some(error) = failures.iter().find(is_final) {
            return Err(io::Error::new(error.kind(), error.to_string()).into());
        }
        self.with(|state, _| state.watch.hold_log(false));
        let Local { id, name, .. } = &self.local;
        debug!(%id, %name, %endpoint, network = %self.network(), "started");
        self.fork.note_endpoint(endpoint);
        Ok(())
    }

    fn listen_to_gossip(
        &self,
        at: &BindEndpoint,
        interfaces: &[Interface],
        ip: IpVersion,
    ) -> Result<(), StartError> {
        let mut state = self.lock();
        for listener in gossip_listeners(at, interfaces, ip)? {
            state.gossip_at.push(listener.local_addr()?);
            let listen = Command::Listen(ListenerId::Gossip, listener);
            state.driver.push(listen);
        }
        Ok(())
    }
}

impl<S> Hub<S> {
    /// Who drives the node holds them while it runs.
    pub(crate) fn take_watchers(&self) -> Watchers {
        mem::take(&mut *self.lock_watchers())
    }

    fn lock_watchers(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tells a node of changes while it is held.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    /// Of the machine's interfaces.
    interfaces: Option<Watcher>,
    /// Of the certificates that are trusted.
    trust: Vec<TrustWatcher>,
}

/// Has the driver list the interfaces whenever they may have changed.
fn watch<S: Stream + 'static>(hub: &Arc<Hub<S>>) -> io::Result<Watcher> {
    let hub = Arc::downgrade(hub);
    Watcher::new(move || {
        if let Some(hub) = Weak::upgrade(&hub) {
            hub.list_interfaces();
        }
    })
}

/// Has the node trust what directories of certificates come to have, all of them together.
fn watch_trust<S: Stream + 'static>(
    hub: &Arc<Hub<S>>,
    dirs: Vec<TrustDir>,
) -> io::Result<Vec<TrustWatcher>> {
    let keys: Vec<_> = dirs.iter().map(|dir| dir.keys().clone()).collect();
    let keys = Arc::new(Mutex::new(keys));
    let watchers = dirs.into_iter().enumerate().map(|(index, dir)| {
        let (hub, keys) = (Arc::downgrade(hub), Arc::clone(&keys));
        dir.watch(move |mut change| {
            let mut all = keys.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(own) = all.get_mut(index) {
                *own = mem::take(&mut change.keys);
            }
            change.keys = union(all.iter());
            if let Some(hub) = Weak::upgrade(&hub) {
                hub.handle_trust(change);
            }
        })
    });
    watchers.collect()
}

/// The interfaces of this machine.
pub(crate) fn list_interfaces() -> io::Result<Vec<Interface>> {
    zre_net::interfaces().map_err(|error| {
        let message = format!("cannot list the network interfaces: {error}");
        io::Error::new(error.kind(), message)
    })
}

/// Whether somebody else has what was asked for.
fn is_taken(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == ErrorKind::AddrInUse || kind == ErrorKind::PermissionDenied
}

/// Opens the sockets of a gossip hub. To listen on all addresses takes one for each IP version.
fn gossip_listeners(
    at: &BindEndpoint,
    interfaces: &[Interface],
    ip: IpVersion,
) -> Result<Vec<TcpListener>, StartError> {
    let port = ListenPort::Fixed(at.port);
    let chosen = match &at.host {
        BindHost::Any => return gossip_listeners_at_any(port, ip),
        BindHost::Address(address) => InterfaceChoice::Address(*address),
        BindHost::Interface(name) => InterfaceChoice::Name(name.clone()),
    };
    let wanted = Interfaces::Chosen(vec![chosen.clone()]);
    let choice = choose(interfaces, &wanted, ip, &Beacons::Off, &[]);
    let listener = match (choice.used.first(), &at.host) {
        (Some(address), _) => socket::listen_on(address, port)?,
        // Of loopback, addresses can be used that are not listed.
        (None, BindHost::Address(address)) => socket::listener(*address, port)?,
        (None, _) => {
            let there = there(interfaces);
            let asked = chosen;
            return Err(StartError::NoInterface { asked, there });
        }
    };
    Ok(vec![listener])
}

fn gossip_listeners_at_any(
    port: ListenPort,
    ip: IpVersion,
) -> Result<Vec<TcpListener>, StartError> {
    let v4 = |port| socket::listener(Ipv4Addr::UNSPECIFIED, port);
    let v6 = |port| socket::listener(Ipv6Addr::UNSPECIFIED, port);
    let first = match ip {
        IpVersion::V6 => return Ok(vec![v6(port)?]),
        _ => v4(port)?,
    };
    if ip == IpVersion::V4 {
        return Ok(vec![first]);
    }
    let same = ListenPort::Fixed(first.local_addr()?.port());
    match v6(same) {
        Ok(second) => Ok(vec![first, second]),
        Err(error) if is_taken(&error) => Err(error.into()),
        // The system does without IPv6.
        Err(_) => Ok(vec![first]),
    }
}
