//! The network interfaces of the machine, and on which of them a node is.
//!
//! The caller says what there is ([`Interface`]); [`choose`] decides by what the user has asked
//! for: [`Interfaces`], [`IpVersion`] and [`Beacons`](crate::Beacons). The result names the
//! addresses to be used, and says of all others why they were passed over.

mod choose;
#[cfg(test)]
mod tests;

use alloc::{string::String, vec::Vec};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use zre_proto::Endpoint;

pub use choice::{InterfaceChoice, Interfaces, IpVersion};
pub use choose::{Choice, PassedOver, WhyNot, choose};

/// A network interface of this machine, as the system describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Interface {
    /// What the system calls it, such as `eth0`; on Windows its friendly name, such as `Ethernet`.
    pub name: String,
    /// The system's number for it, which is the scope of its link-local addresses.
    pub index: u32,
    /// Whether it is switched on and has a carrier.
    pub state: InterfaceState,
    /// Whether it connects this machine only with itself.
    pub is_loopback: bool,
    /// Whether it has just one other end, as the interfaces of most VPNs have.
    pub is_point_to_point: bool,
    /// Whether it can broadcast (IPv4).
    pub can_broadcast: bool,
    /// Whether it can multicast.
    pub can_multicast: bool,
    /// The metric of the default route by it, of either IP version; the lowest counts. `None` if
    /// there is none.
    pub default_route: Option<u32>,
    /// Its addresses, in the order in which the system lists them.
    pub addresses: Vec<InterfaceAddress>,
}

/// Whether an interface can carry anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum InterfaceState {
    /// It is switched off.
    Down,
    /// It is switched on, but has no carrier: no cable, or no wireless network.
    NoCarrier,
    /// It is switched on and has a carrier.
    Connected,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// How many bits of it name the subnet: at most 32 or 128.
    pub prefix_len: u8,
    /// Where a broadcast reaches every host of the subnet. `None` with IPv6, and where it cannot be
    /// broadcast.
    pub broadcast: Option<Ipv4Addr>,
    /// What this address is called, such as `eth0:home`, if it has a name of its own.
    pub label: Option<String>,
}

/// An address of this machine on which a node is, or is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LocalAddress {
    /// The name of its interface.
    pub interface: String,
    /// The system's number for the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// How many bits of it name the subnet.
    pub prefix_len: u8,
    /// The broadcast address of the subnet, if there is one.
    pub broadcast: Option<Ipv4Addr>,
    /// Whether it connects this machine only with itself.
    pub is_loopback: bool,
}

/// Which network; never used twice by an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub(crate) u32);

impl NetworkId {
    /// The network of a node that is on one for ever.
    pub const ONLY: Self = Self(0);

    /// The id as a number; they count from 0.
    pub fn as_u32(self) -> u32 {
        self.0
    }
}

/// A network that a node is on: an address at which it accepts connections and announces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnNetwork {
    /// Its id.
    pub id: NetworkId,
    /// The address.
    pub address: LocalAddress,
    /// Where the node accepts connections there.
    pub endpoint: Endpoint,
}

impl Interface {
    /// An interface that is connected and can broadcast and multicast, without an address.
    pub fn new(name: impl Into<String>, index: u32) -> Self {
        Self {
            name: name.into(),
            index,
            state: InterfaceState::Connected,
            is_loopback: false,
            is_point_to_point: false,
            can_broadcast: true,
            can_multicast: true,
            default_route: None,
            addresses: Vec::new(),
        }
    }
}

impl InterfaceAddress {
    /// An address with this prefix. The broadcast address is the highest of an IPv4 subnet that has
    /// room for one.
    pub fn new(address: impl Into<IpAddr>, prefix_len: u8) -> Self {
        let address = address.into();
        let broadcast = match address {
            IpAddr::V4(v4) if prefix_len < 31 => {
                let hosts = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
                Some(Ipv4Addr::from_bits(v4.to_bits() | hosts))
            }
            _ => None,
        };
        Self {
            address,
            prefix_len,
            broadcast,
            label: None,
        }
    }
}

impl LocalAddress {
    /// Whether another address belongs to the subnet.
    pub fn contains(&self, other: IpAddr) -> bool {
        is_in_subnet(other, self.address, self.prefix_len)
    }
}

/// As in `eth0 (10.0.0.2)`.
impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.interface, self.address)
    }
}

/// Whether two addresses have the first `prefix_len` bits in common.
pub(crate) fn is_in_subnet(one: IpAddr, other: IpAddr, prefix_len: u8) -> bool {
    let prefix_len = u32::from(prefix_len);
    match (one.to_canonical(), other.to_canonical()) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let differing = one.to_bits() ^ other.to_bits();
            differing.leading_zeros() >= prefix_len
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let differing = one.to_bits() ^ other.to_bits();
            differing.leading_zeros() >= prefix_len
        }
        _ => false,
    }
}
