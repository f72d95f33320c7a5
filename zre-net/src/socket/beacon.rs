//! Sockets for beacons in any number of networks.
//!
//! A network has a [`sender`], and a receiver, which it may share with other networks:
//! [`ReceiverAt`] says which one. Beacons that are sent to this address alone arrive at the sender.
//! So it is read like a receiver.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use socket2::Socket;
use zre_core::{Beacons, interfaces::LocalAddress};

use super::{
    explain,
    local::{local_address, scoped},
    private_udp, shared_udp,
};

/// All nodes of the link, as zyre has it.
const ALL_NODES: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));

/// Beacons for a group stay on their link, as zyre has it.
const HOPS: u32 = 1;

/// A sender has room for some beacons that wait to be read.
const SENDER_BUFFER: usize = 16 << 10;

/// Whether a socket may be bound to an address that is not a host's, and receives what is sent to
/// that address and nothing else.
const HAS_EXACT: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Where the beacons of a network arrive. Networks for which it is equal share a receiver.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReceiverAt {
    local: SocketAddr,
    group: Option<Group>,
}

/// A multicast group on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Group {
    V4 { group: Ipv4Addr, on: Ipv4Addr },
    V6 { group: Ipv6Addr, on: u32 },
}

impl ReceiverAt {
    /// Where the beacons of a network arrive that are sent to `port` (ZRE's is 5670); `None` if the
    /// node has no beacons at all.
    ///
    /// All IPv4 networks in which beacons are broadcast share a receiver, apart from loopback on
    /// Linux. It also receives what comes in at other interfaces: drop beacons from outside of the
    /// networks in use. Multicasts are received at the network's interface alone.
    #[must_use]
    pub fn of(address: &LocalAddress, port: u16, beacons: &Beacons) -> Option<Self> {
        if matches!(beacons, Beacons::Off) {
            return None;
        }
        let group = group_for(address, beacons);
        let exactly = match group {
            Some(group) => Some(group),
            // Elsewhere peers may use another broadcast address than ours, such as 255.255.255.255.
            None if address.is_loopback => address.broadcast.map(IpAddr::V4),
            None => None,
        };
        let local = match (exactly.filter(|_| HAS_EXACT), address.address) {
            (Some(exactly), _) => exactly,
            (None, IpAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
            (None, IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Some(Self {
            local: scoped(local, port, address.index),
            group: group.and_then(|group| Group::on(group, address)),
        })
    }

    /// Opens the receiver.
    ///
    /// Any number of them, in any number of processes, each get a copy of every beacon.
    ///
    /// # Errors
    ///
    /// Most often [`AddrInUse`](io::ErrorKind::AddrInUse): another program holds the port and does
    /// not share it. When the interface is gone, it is another. The message names the address.
    pub fn open(&self) -> io::Result<UdpSocket> {
        let socket = shared_udp(self.local).and_then(|socket| {
            only_own_groups(&socket);
            if let Some(group) = &self.group {
                group.join(&socket)?;
            }
            Ok(socket)
        });
        match socket {
            Ok(socket) => Ok(socket.into()),
            Err(error) => Err(explain(
                &error,
                format_args!("cannot receive beacons on {self}"),
            )),
        }
    }
}

/// As in `0.0.0.0:5670`, or `[ff02::1%2]:5670`.
impl fmt::Display for ReceiverAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local)?;
        match &self.group {
            Some(Group::V4 { group, on }) => write!(f, " (group {group} at {on})"),
            Some(Group::V6 { group, .. }) if !HAS_EXACT => write!(f, " (group {group})"),
            _ => Ok(()),
        }
    }
}

impl Group {
    fn on(group: IpAddr, address: &LocalAddress) -> Option<Self> {
        match (group, address.address) {
            (IpAddr::V4(group), IpAddr::V4(on)) => Some(Self::V4 { group, on }),
            (IpAddr::V6(group), IpAddr::V6(_)) => Some(Self::V6 {
                group,
                on: address.index,
            }),
            _ => None,
        }
    }

    fn join(&self, socket: &Socket) -> io::Result<()> {
        match self {
            Self::V4 { group, on } => socket.join_multicast_v4(group, on),
            Self::V6 { group, on } => socket.join_multicast_v6(group, *on),
        }
    }
}

/// The group to which beacons go from an address; `None` if they go elsewhere.
fn group_for(address: &LocalAddress, beacons: &Beacons) -> Option<IpAddr> {
    match (beacons, address.address) {
        (Beacons::Off, _) => None,
        (Beacons::Multicast(group), own) if group.is_ipv4() == own.is_ipv4() => Some(*group),
        (_, IpAddr::V4(_)) => None,
        (_, IpAddr::V6(_)) => Some(ALL_NODES),
    }
}

/// On Linux a socket also gets what is sent to the groups of other programs, unless it says so.
fn only_own_groups(socket: &Socket) {
    #[cfg(target_os = "linux")]
    {
        // Where it is refused, what comes with it is dropped like everything that is no beacon.
        let _refused = socket.set_multicast_all_v4(false);
        let _refused = socket.set_multicast_all_v6(false);
    }
    #[cfg(not(target_os = "linux"))]
    let _all_do_so = socket;
}

/// Opens the socket that sends the beacons of a network. It is read, too: what is sent to this
/// address alone arrives here.
///
/// It is bound to the network's address, by which peers know the node's endpoint, and to source
/// port `port`, as zyre does; if that port is held by a program that does not share it, to a port
/// that the system chooses. Where several nodes have the same address, only one of them gets what
/// is sent to the address alone.
///
/// Nodes on the same machine hear multicasts, too.
///
/// # Errors
///
/// When the interface has lost its address, or the system has no sockets or ports left. The message
/// names the address.
pub fn sender(address: &LocalAddress, port: u16, beacons: &Beacons) -> io::Result<UdpSocket> {
    let local = local_address(address, port);
    let socket = shared_udp(local).or_else(|_| private_udp(local));
    let prepared = socket.and_then(|socket| {
        prepare_sender(&socket, address, beacons)?;
        Ok(socket)
    });
    match prepared {
        Ok(socket) => Ok(socket.into()),
        Err(error) => Err(explain(
            &error,
            format_args!("cannot send beacons from {local}"),
        )),
    }
}

fn prepare_sender(socket: &Socket, address: &LocalAddress, beacons: &Beacons) -> io::Result<()> {
    // How little can be reserved is the system's affair, and so is a refusal.
    let _refused = socket.set_recv_buffer_size(SENDER_BUFFER);
    let is_to_group = group_for(address, beacons).is_some();
    match address.address {
        IpAddr::V4(own) => {
            socket.set_broadcast(true)?;
            if is_to_group {
                socket.set_multicast_if_v4(&own)?;
                socket.set_multicast_ttl_v4(HOPS)?;
                socket.set_multicast_loop_v4(true)?;
            }
        }
        IpAddr::V6(_) => {
            socket.set_multicast_if_v6(address.index)?;
            socket.set_multicast_hops_v6(HOPS)?;
            socket.set_multicast_loop_v6(true)?;
        }
    }
    Ok(())
}

/// Where the beacons of a network are sent.
///
/// It is one address, none with [`Beacons::Off`] or where a broadcast is impossible, and with
/// [`Beacons::To`] those of the list that are of the network's IP version and on loopback, if it
/// is, or not. A link-local address there means the network's own link.
#[must_use]
pub fn targets(address: &LocalAddress, port: u16, beacons: &Beacons) -> Vec<SocketAddr> {
    let is_same_kind = |to: &&IpAddr| {
        to.is_ipv4() == address.address.is_ipv4() && to.is_loopback() == address.is_loopback
    };
    let to: Vec<IpAddr> = match beacons {
        Beacons::Off => Vec::new(),
        Beacons::To(listed) => listed.iter().filter(is_same_kind).copied().collect(),
        _ => {
            let broadcast = || address.broadcast.map(IpAddr::V4);
            let to = group_for(address, beacons).or_else(broadcast);
            to.into_iter().collect()
        }
    };
    let to = to.into_iter().map(|to| scoped(to, port, address.index));
    to.collect()
}

#[cfg(test)]
mod tests;
