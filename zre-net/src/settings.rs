//! What a user can set before a node starts, the same for every adapter.

use std::{
    io,
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket},
    time::Duration,
};

use thiserror::Error;
use tracing::warn;
use uuid::Uuid;
use zre_core::{
    Config, ConfigError, Limits,
    proto::{DISCOVERY_PORT, Endpoint, PeerId, ShortText, Text, TooLong},
};

use crate::{
    interface::{Interface, InterfaceChoice, InterfaceError},
    socket::{self, ListenPort},
};

/// A node that has not been started yet.
///
/// Everything has a default. What is wrong with a setting is said by [`start`](Builder::start).
#[derive(Debug, Clone)]
#[must_use = "a node begins with `start`"]
pub struct Builder<R> {
    settings: Settings,
    runtime: PhantomData<R>,
}

/// What starts a node: implemented by each adapter.
pub trait Runtime {
    /// What [`Builder::start`] gives: a future of a node, or a node.
    type Starting;

    /// Starts a node.
    fn start(settings: Settings) -> Self::Starting;
}

/// What has been set so far.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    name: Option<Text>,
    uuid: Option<PeerId>,
    headers: Vec<(Text, Text)>,
    groups: Vec<Text>,
    interface: InterfaceChoice,
    port: Option<u16>,
    tcp_port: Option<u16>,
    advertise: Option<Endpoint>,
    beacon_interval: Option<Duration>,
    evasive_timeout: Option<Duration>,
    expired_timeout: Option<Duration>,
    handshake_timeout: Option<Duration>,
    linger: Option<Duration>,
    limits: Limits,
    seed: Option<[u8; 32]>,
}

/// Why a node could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name, a group or the name of a header is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A time or a limit is one that no node can work with.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no such network interface, or it cannot carry beacons.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// A socket could not be opened.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// There is no runtime to run the node on.
    #[error("{0}")]
    Runtime(String),
}

impl<R> Builder<R> {
    /// A node with a name of at most 255 octets, and the default for everything else.
    pub fn new(name: impl Into<Text>) -> Self {
        let settings = Settings {
            name: Some(name.into()),
            ..Settings::default()
        };
        Self {
            settings,
            runtime: PhantomData,
        }
    }

    /// A node whose name is the first six digits of its identity.
    pub fn unnamed() -> Self {
        Self {
            settings: Settings::default(),
            runtime: PhantomData,
        }
    }

    /// The node's identity; random unless set. No two nodes may have the same.
    pub fn uuid(self, uuid: impl Into<Uuid>) -> Self {
        self.set(|settings| settings.uuid = Some(uuid.into().into()))
    }

    /// Adds a header that peers see when they meet the node; its name has at most 255 octets.
    pub fn header(self, name: impl Into<Text>, value: impl Into<Text>) -> Self {
        self.set(|settings| settings.headers.push((name.into(), value.into())))
    }

    /// Is in a group from the start.
    pub fn join(self, group: impl Into<Text>) -> Self {
        self.set(|settings| settings.groups.push(group.into()))
    }

    /// The network interface, by name or by IPv4 address. Unless set, the first that can broadcast;
    /// on a machine that has none, loopback.
    pub fn interface(self, interface: impl Into<InterfaceChoice>) -> Self {
        self.set(|settings| settings.interface = interface.into())
    }

    /// The UDP port of the beacons; 5670 unless set. Only nodes on the same port find each other.
    pub fn port(self, port: u16) -> Self {
        self.set(|settings| settings.port = Some(port))
    }

    /// The TCP port for connections; a free one from 49152 to 65535 unless set. 0 lets the system choose.
    pub fn tcp_port(self, port: u16) -> Self {
        self.set(|settings| settings.tcp_port = Some(port))
    }

    /// Where peers shall connect to, if that is not where the node listens: behind a port mapping.
    pub fn advertise(self, endpoint: Endpoint) -> Self {
        self.set(|settings| settings.advertise = Some(endpoint))
    }

    /// How often the node announces itself; 1 s unless set, at least 10 ms. Peers of other
    /// implementations may give up a node after 5 s without a beacon.
    pub fn beacon_interval(self, interval: Duration) -> Self {
        self.set(|settings| settings.beacon_interval = Some(interval))
    }

    /// How long a peer may be silent before it is asked whether it is there; 5 s unless set, at least 10 ms.
    pub fn evasive_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.evasive_timeout = Some(timeout))
    }

    /// How long a peer may be silent before it is given up; 30 s unless set, at least 10 ms.
    pub fn expired_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.expired_timeout = Some(timeout))
    }

    /// How long a connection may take until its peer has presented itself; 10 s unless set, at least 10 ms.
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.handshake_timeout = Some(timeout))
    }

    /// How long stopping waits until peers have taken what was sent to them; 5 s unless set.
    pub fn linger(self, time: Duration) -> Self {
        self.set(|settings| settings.linger = Some(time))
    }

    /// How much the node holds; see [`Limits`] for the defaults.
    pub fn limits(self, limits: Limits) -> Self {
        self.set(|settings| settings.limits = limits)
    }

    /// What all that is random comes from; the operating system's random numbers unless set.
    pub fn seed(self, seed: [u8; 32]) -> Self {
        self.set(|settings| settings.seed = Some(seed))
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }
}

impl<R: Runtime> Builder<R> {
    /// Starts the node.
    ///
    /// # Errors
    ///
    /// [`StartError`] names what is wrong with the settings, or what the system refuses.
    pub fn start(self) -> R::Starting {
        R::start(self.settings)
    }
}

/// The sockets of a node that is about to start. All of them are non-blocking.
#[derive(Debug)]
#[non_exhaustive]
pub struct Bound {
    /// Where the node is.
    pub interface: Interface,
    /// Receives beacons.
    pub receiver: UdpSocket,
    /// Accepts connections.
    pub listener: TcpListener,
    pub(crate) sender: UdpSocket,
    pub(crate) port: u16,
    pub(crate) config: Config,
    pub(crate) seed: [u8; 32],
}

impl Settings {
    /// Checks the settings and opens the sockets.
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    pub fn bind(&self) -> Result<Bound, StartError> {
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let interface = Interface::choose(&self.interface)?;
        if interface.loopback && self.interface == InterfaceChoice::FirstBroadcast {
            warn!(
                "no network interface can broadcast: on loopback, only nodes on this machine can be found"
            );
        }
        let listener = socket::listener(interface.address, self.listen_port(seed))?;
        let config = self.config(&listener)?;
        let port = self.port.unwrap_or(DISCOVERY_PORT);
        Ok(Bound {
            receiver: socket::beacon_receiver(&interface, port)?,
            sender: socket::beacon_sender(&interface, port)?,
            interface,
            listener,
            port,
            config,
            seed,
        })
    }

    /// Nodes that start together begin to look for a free port at different places.
    fn listen_port(&self, [a, b, ..]: [u8; 32]) -> ListenPort {
        match self.tcp_port {
            Some(port) => ListenPort::Fixed(port),
            None => ListenPort::Free {
                start: u16::from_be_bytes([a, b]),
            },
        }
    }

    fn config(&self, listener: &TcpListener) -> Result<Config, StartError> {
        let endpoint = match &self.advertise {
            Some(endpoint) => endpoint.clone(),
            None => listening_endpoint(listener)?,
        };
        let mut config = Config::new(endpoint);
        config.id = self.uuid;
        let name = self.name.clone().map(ShortText::try_from).transpose();
        config.name = name.map_err(|error| error.named("node name"))?;
        config.limits = self.limits;
        for (name, value) in &self.headers {
            config.headers.set(name.clone(), value.clone())?;
        }
        for group in &self.groups {
            config.groups.insert(group.clone().try_into()?);
        }
        for (setting, value) in [
            (&mut config.beacon_interval, self.beacon_interval),
            (&mut config.evasive_after, self.evasive_timeout),
            (&mut config.expired_after, self.expired_timeout),
            (&mut config.handshake_timeout, self.handshake_timeout),
            (&mut config.linger, self.linger),
        ] {
            *setting = value.unwrap_or(*setting);
        }
        if self.evasive_timeout.is_none() {
            // Who sets only a short `expired_after` has not contradicted himself.
            config.evasive_after = config.evasive_after.min(config.expired_after);
        }
        config.validate()?;
        Ok(config)
    }
}

fn listening_endpoint(listener: &TcpListener) -> Result<Endpoint, StartError> {
    let address = listener.local_addr()?;
    Endpoint::from_socket_addr(address)
        .ok_or_else(|| io::Error::other(format!("cannot be reached at {address}")).into())
}

fn random_seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::from)?;
    Ok(seed)
}

impl Bound {
    /// The address that connections to peers begin at.
    pub fn local_address(&self) -> IpAddr {
        self.interface.address.into()
    }

    pub(crate) fn broadcast(&self) -> (Ipv4Addr, u16) {
        (self.interface.broadcast, self.port)
    }
}
