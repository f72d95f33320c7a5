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
    Interface, InterfaceChoice, InterfaceError, Process, descriptor_limit,
    socket::{self, ListenPort},
};

use crate::descriptors;

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
    /// The first pause between attempts to connect would be longer than the longest.
    #[error(
        "reconnect_min is {min:?}, longer than reconnect_max, which is {max:?}: \
         lower the one or raise the other"
    )]
    ReconnectTimes {
        /// The first pause.
        min: Duration,
        /// The longest pause.
        max: Duration,
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
    /// Whose sockets these are.
    pub process: Process,
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
        if self.interface == InterfaceChoice::FirstBroadcast {
            warn_of_choice(&interface);
        }
        // Before the configuration, which names the port that the listener got.
        let listener = socket::listener(interface.address, self.listen_port(seed))?;
        let config = self.config(&listener)?;
        let port = self.port.unwrap_or(DISCOVERY_PORT);
        Ok(Bound {
            receiver: socket::beacon_receiver(&interface, port)?,
            sender: socket::beacon_sender(&interface, port)?,
            process: Process::current()?,
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
        self.check_reconnect()
    }

    /// Only what was set: a default that crosses it is not the user's mistake.
    fn check_reconnect(&self) -> Result<(), StartError> {
        match (self.reconnect_min, self.reconnect_max) {
            (Some(min), Some(max)) if min > max => Err(StartError::ReconnectTimes { min, max }),
            _ => Ok(()),
        }
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
        config.id = self.id;
        let name = self.name.clone().map(ShortText::try_from).transpose();
        config.name = name.map_err(|error| error.named("node name"))?;
        config.limits = descriptors::fit(self.limits, descriptor_limit());
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
        if self.evasive_after.is_none() {
            // A short `expired_after` alone leaves half of it for the answer; 10 ms is the least
            // that a node works with.
            let half = (config.expired_after / 2).max(Duration::from_millis(10));
            config.evasive_after = config.evasive_after.min(half);
        }
        config.validate()?;
        Ok(config)
    }
}

/// The choice was the node's, and the user may want another.
fn warn_of_choice(chosen: &Interface) {
    if chosen.loopback {
        let reasons = Interface::unusable().unwrap_or_default();
        let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        let reasons = match reasons.is_empty() {
            true => "there is none besides loopback".to_owned(),
            false => reasons.join("; "),
        };
        warn!(
            "no network interface can be used, so the node is on loopback, where only nodes on \
             this machine can be found ({reasons})"
        );
    }
    // Containers and virtual machines have networks of their own, often listed first.
    let default = zre_net::default_route().filter(|name| *name != chosen.name);
    if let Some(other) = default.and_then(|name| Interface::choose(&name.into()).ok()) {
        warn!(
            "the node is on {chosen}, but the default route is by {other}: set the interface if \
             that is the network that is meant"
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::named("alice");
        change(&mut settings);
        settings.check().expect_err("it is wrong").to_string()
    }

    #[test]
    fn a_group_may_be_text_or_a_name_and_one_that_is_too_long_is_told_at_the_start() {
        let mut settings = Settings::default();
        let name = GroupName::try_from("NAME").unwrap();
        settings.join("TEXT");
        settings.join("OWNED".to_owned());
        settings.join(Text::from("ZRE"));
        settings.join(&name);
        settings.join(name);
        assert!(settings.check().is_ok());
        assert_eq!(settings.groups.len(), 5);
        let error = refused(|settings| {
            settings.join("x".repeat(256));
            settings.join("y".repeat(256));
        });
        assert!(error.contains("\"xxx"), "the first of them: {error}");
    }

    #[test]
    fn a_short_expired_after_alone_leaves_half_of_it_for_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        for (expired_after, evasive_after) in [(3000, 1500), (10, 10), (20_000, 5000)] {
            let settings = Settings {
                expired_after: Some(Duration::from_millis(expired_after)),
                ..Settings::default()
            };
            let config = settings.config(&listener).expect("the times are valid");
            assert_eq!(config.evasive_after, Duration::from_millis(evasive_after));
        }
    }

    #[test]
    fn times_that_contradict_each_other_are_refused_with_the_remedy() {
        let time = |millis| Some(Duration::from_millis(millis));
        let error = refused(|settings| {
            (settings.reconnect_min, settings.reconnect_max) = (time(20), time(10));
        });
        assert_eq!(
            error,
            "reconnect_min is 20ms, longer than reconnect_max, which is 10ms: \
             lower the one or raise the other"
        );
        let mut settings = Settings::default();
        (settings.reconnect_min, settings.reconnect_max) = (time(10), time(10));
        assert!(settings.check().is_ok(), "no growth is a choice");
        // Only what was set is held against each other.
        settings.expired_after = time(10);
        assert!(settings.check().is_ok());
    }
}
