//! What a user can ask for.

use alloc::{borrow::ToOwned as _, string::String, vec::Vec};
use core::{
    convert::Infallible,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// On which interfaces a node is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interfaces {
    /// The interface with the default route. Without one, the first that can carry beacons; without
    /// that, loopback until there is another.
    ///
    /// When the default route moves to another interface, the node is there, too, and stays where
    /// it was for as long as that is connected.
    #[default]
    Default,
    /// All that can carry beacons, with each of their subnets, apart from loopback. One without a
    /// carrier is left while another has one.
    All,
    /// These. Of an interface that is chosen by its name, it is the first usable address of each IP
    /// version.
    Chosen(Vec<InterfaceChoice>),
}

/// An interface, or some of its addresses.
///
/// Made from text, `10.0.0.1` and `fe80::1` mean an [`Address`](Self::Address), `10.0.0.0/8` means
/// a [`Subnet`](Self::Subnet), and anything else is a [`Name`](Self::Name); so every text is a
/// choice, and whether it can be met shows only when the node starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InterfaceChoice {
    /// The interface of this name, or the address with this label, such as `eth0:home`.
    Name(String),
    /// Exactly this address.
    Address(IpAddr),
    /// The addresses in this subnet.
    Subnet {
        /// An address of the subnet.
        address: IpAddr,
        /// How many bits of it name the subnet: at most 32 or 128.
        prefix_len: u8,
    },
}

/// Which versions of IP a node uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IpVersion {
    /// IPv4 alone.
    V4,
    /// IPv6 alone, as zyre does with `ZSYS_IPV6=1`. Of an interface, a link-local address is used
    /// beside another, for hosts that have nothing else.
    V6,
    /// Both, where an interface has both. On loopback it is IPv4 alone.
    #[default]
    Both,
}

impl From<&str> for InterfaceChoice {
    fn from(text: &str) -> Self {
        if let Ok(address) = text.parse() {
            return Self::Address(address);
        }
        match parse_subnet(text) {
            Some((address, prefix_len)) => Self::Subnet {
                address,
                prefix_len,
            },
            None => Self::Name(text.to_owned()),
        }
    }
}

fn parse_subnet(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix_len) = text.split_once('/')?;
    let (address, prefix_len) = (address.parse().ok()?, prefix_len.parse().ok()?);
    let most = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    (prefix_len <= most).then_some((address, prefix_len))
}

impl From<String> for InterfaceChoice {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&String> for InterfaceChoice {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<IpAddr> for InterfaceChoice {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl From<Ipv4Addr> for InterfaceChoice {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address.into())
    }
}

impl From<Ipv6Addr> for InterfaceChoice {
    fn from(address: Ipv6Addr) -> Self {
        Self::Address(address.into())
    }
}

impl FromStr for InterfaceChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text))
    }
}

/// As it is written: a name, an address, or `address/bits`.
impl fmt::Display for InterfaceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => write!(f, "{address}"),
            Self::Subnet {
                address,
                prefix_len,
            } => write!(f, "{address}/{prefix_len}"),
        }
    }
}
