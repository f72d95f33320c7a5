//! Why a node could not be started.

use std::{convert::Infallible, fmt, io, net::IpAddr, time::Duration};

use thiserror::Error;
use zre_core::{
    ConfigError,
    interfaces::InterfaceChoice,
    proto::{EndpointError, KeyedEndpointError, TooLong},
};

use super::{BindError, SecurityError};

/// Why a node could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The name, a group or the name of a header is too long.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A name or a list is empty, which is mostly a variable that was not set.
    #[error("the {what} is empty; {remedy}")]
    Empty {
        /// What is empty, such as "node name".
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// An endpoint that was set is none.
    #[error("{setting}: {error}")]
    Endpoint {
        /// Which setting, such as "connect".
        setting: &'static str,
        /// What is wrong with it.
        error: KeyedEndpointError,
    },
    /// The place at which a gossip hub is to listen is none.
    #[error("gossip_bind: {0}")]
    GossipBind(#[from] BindError),
    /// Beacons are off, and the node has no other way to find peers.
    #[error(
        "beacons are off, and the node has nothing else to find peers by: name a peer with \
         connect, or a gossip hub with gossip_connect, be a hub with gossip_bind, or leave beacons \
         on"
    )]
    NoDiscovery,
    /// The address for multicast beacons is not a multicast address.
    #[error(
        "beacons cannot be multicast to {0}: multicast addresses are 224.0.0.0 to 239.255.255.255 \
         and those that begin with ff"
    )]
    NotMulticast(IpAddr),
    /// An address for beacons is not that of one host.
    #[error(
        "beacons to listed addresses cannot go to {0}: it is not the address of one host; \
         Beacons::Multicast is for multicast addresses"
    )]
    NotOneHost(IpAddr),
    /// An address that was set belongs to the version of IP that is not used.
    #[error(
        "{setting} is {address}, and the node uses {used} alone: take another address, or both \
         versions of IP"
    )]
    IpVersion {
        /// Which setting, such as "the interface".
        setting: &'static str,
        /// The address.
        address: IpAddr,
        /// "IPv4" or "IPv6".
        used: &'static str,
    },
    /// A time or a limit is one that no node can work with.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key of the node, or what it trusts, is none, or one without the other.
    #[error(transparent)]
    Security(#[from] SecurityError),
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
    /// No network interface has the name or the address that was asked for.
    #[error("no {}; there are: {there}", Asked(asked))]
    NoInterface {
        /// What was asked for.
        asked: InterfaceChoice,
        /// The interfaces that there are, as in `lo (127.0.0.1), eth0 (10.0.0.2, fd00::2)`.
        there: String,
    },
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

/// What an error message calls an interface that was asked for.
struct Asked<'a>(&'a InterfaceChoice);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            InterfaceChoice::Name(name) => write!(f, "interface \"{}\"", name.escape_debug()),
            other => write!(f, "interface with the address {other}"),
        }
    }
}

/// Something that was set and cannot be, to be told at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// A name of a group is too long.
    TooLong(TooLong),
    /// An endpoint is none.
    Endpoint {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it.
        error: EndpointError,
    },
    /// An endpoint is none, or what follows it is no key.
    KeyedEndpoint {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it.
        error: KeyedEndpointError,
    },
    /// The place at which a gossip hub is to listen is none.
    GossipBind(BindError),
}

impl From<Mistake> for StartError {
    fn from(mistake: Mistake) -> Self {
        match mistake {
            Mistake::TooLong(error) => Self::TooLong(error),
            Mistake::Endpoint { setting, error } => {
                let error = error.into();
                Self::Endpoint { setting, error }
            }
            Mistake::KeyedEndpoint { setting, error } => Self::Endpoint { setting, error },
            Mistake::GossipBind(error) => Self::GossipBind(error),
        }
    }
}
