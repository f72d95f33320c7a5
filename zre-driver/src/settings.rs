//! What a user can set before a node starts, and the sockets that follow from it.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddrV4, TcpListener, UdpSocket},
    time::Duration,
};

use thiserror::Error;
use tracing::warn;
use zre_core::{
    Config, ConfigError, Limits,
    proto::{DISCOVERY_PORT, Endpoint, GroupName, PeerId, ShortText, Text, TooLong},
};
use zre_net::{
    Interface, InterfaceChoice, InterfaceError,
    socket::{self, ListenPort},
};

/// What has been set so far; an adapter's `Builder` says what each setting means.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the builder's methods of the same names document them"
)]
pub struct Settings {
    pub name: Option<Text>,
    pub id: Option<PeerId>,
    pub headers: Vec<(Text, Text)>,
    pub groups: Vec<GroupName>,
    pub interface: InterfaceChoice,
    pub port: Option<u16>,
    pub tcp_port: Option<u16>,
    pub advertise: Option<Endpoint>,
    pub beacon_interval: Option<Duration>,
    pub evasive_after: Option<Duration>,
    pub expired_after: Option<Duration>,
    pub handshake_timeout: Option<Duration>,
    pub reconnect_min: Option<Duration>,
    pub reconnect_max: Option<Duration>,
    pub linger: Option<Duration>,
    pub limits: Limits,
    pub seed: Option<[u8; 32]>,
    /// The first thing that was set and cannot be, to be told at the start.
    pub mistake: Option<TooLong>,
}

/// Why a node could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name, a group or the name of a header is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A name is empty, which is mostly a variable that was not set.
    #[error("the {what} is empty; {remedy}")]
    Empty {
        /// What is empty, such as "node name".
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A time or a limit is one that no node can work with.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Two times contradict each other.
    #[error(
        "{shorter} is {shorter_value:?} and {longer} is {longer_value:?}; \
         set {shorter} below {longer}"
    )]
    Contradiction {
        /// The setting that must be the shorter one.
        shorter: &'static str,
        /// Its value.
        shorter_value: Duration,
        /// The setting that must be the longer one.
        longer: &'static str,
        /// Its value.
        longer_value: Duration,
    },
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

impl From<Infallible> for StartError {
    fn from(never: Infallible) -> Self {
        match never {}
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
    /// The settings of a node with a name, and the default for everything else.
    pub fn named(name: impl Into<Text>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Adds a group, or remembers that it cannot be one.
    pub fn join<G>(&mut self, group: G)
    where
        G: TryInto<GroupName>,
        TooLong: From<G::Error>,
    {
        match group.try_into() {
            Ok(group) => self.groups.push(group),
            Err(error) => _ = self.mistake.get_or_insert(error.into()),
        }
    }

    /// Checks the settings and opens the sockets.
    ///
    /// # Errors
    ///
    /// [`StartError`] names what is wrong with the settings, or what the system refuses.
    pub fn bind(&self) -> Result<Bound, StartError> {
        self.check()?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let interface = Interface::choose(&self.interface)?;
        if interface.loopback && self.interface == InterfaceChoice::FirstBroadcast {
            warn!(
                "no network interface can broadcast: on loopback, only nodes on this machine can \
                 be found"
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

    /// Finds what contradicts itself, before anything is opened.
    fn check(&self) -> Result<(), StartError> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone().into());
        }
        if self
            .name
            .as_ref()
            .is_some_and(|name| name.as_bytes().is_empty())
        {
            return Err(StartError::Empty {
                what: "node name",
                remedy: "give it one, or leave the name to the node with Builder::unnamed",
            });
        }
        if self.groups.iter().any(|group| group.is_empty()) {
            return Err(StartError::Empty {
                what: "name of a group",
                remedy: "leave it out, or give it a name",
            });
        }
        // zyre's defaults, which nobody set, may cross what was set: then a peer expires at once.
        check_order(
            ("evasive_after", self.evasive_after),
            ("expired_after", self.expired_after),
            |evasive, expired| evasive < expired,
        )?;
        check_order(
            ("reconnect_min", self.reconnect_min),
            ("reconnect_max", self.reconnect_max),
            |min, max| min <= max,
        )
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
        config.uuid = self.id;
        let name = self.name.clone().map(ShortText::try_from).transpose();
        config.name = name.map_err(|error| error.named("node name"))?;
        config.limits = self.limits;
        for (name, value) in &self.headers {
            config.headers.set(name.clone(), value.clone())?;
        }
        config.groups.extend(self.groups.iter().cloned());
        for (setting, value) in [
            (&mut config.beacon_interval, self.beacon_interval),
            (&mut config.evasive_after, self.evasive_after),
            (&mut config.expired_after, self.expired_after),
            (&mut config.handshake_timeout, self.handshake_timeout),
            (&mut config.reconnect_min, self.reconnect_min),
            (&mut config.reconnect_max, self.reconnect_max),
            (&mut config.linger, self.linger),
        ] {
            *setting = value.unwrap_or(*setting);
        }
        config.validate()?;
        Ok(config)
    }
}

fn check_order(
    (shorter, shorter_value): (&'static str, Option<Duration>),
    (longer, longer_value): (&'static str, Option<Duration>),
    is_right: impl FnOnce(Duration, Duration) -> bool,
) -> Result<(), StartError> {
    match (shorter_value, longer_value) {
        (Some(shorter_value), Some(longer_value)) if !is_right(shorter_value, longer_value) => {
            Err(StartError::Contradiction {
                shorter,
                shorter_value,
                longer,
                longer_value,
            })
        }
        _ => Ok(()),
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

    pub(crate) fn broadcast(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.interface.broadcast, self.port)
    }
}
