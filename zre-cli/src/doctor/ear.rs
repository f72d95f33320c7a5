//! Hears all beacons, also those that the node does not act on.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{sync::mpsc, task::JoinSet};
use zre_net::socket::DATAGRAM_SIZE;
use zre_tokio::{Beacons, zre_core::interfaces::LocalAddress};

/// So many datagrams may wait; further ones are lost, as in a socket.
const WAITING: usize = 1024;

/// The group of all nodes on a link, to which IPv6 beacons go.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Sockets that hear what is broadcast and multicast to the discovery port.
///
/// On Linux they hear nothing else: of what is sent to this host alone there is one copy, and it is
/// a node's.
#[derive(Debug)]
pub(super) struct Ear {
    datagrams: mpsc::Receiver<(SocketAddr, Vec<u8>)>,
    /// Read the sockets until this is dropped.
    _tasks: JoinSet<()>,
}

impl Ear {
    /// Listens on these networks.
    ///
    /// # Errors
    ///
    /// Most often [`AddrInUse`](io::ErrorKind::AddrInUse): another program holds the port and does
    /// not share it.
    pub(super) fn open(on: &[LocalAddress], beacons: &Beacons, port: u16) -> io::Result<Self> {
        let (sender, datagrams) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        for local in places(on, beacons, port) {
            let socket = tokio::net::UdpSocket::from_std(listen(local)?)?;
            let sender = sender.clone();
            tasks.spawn(async move {
                let mut buffer = [0; DATAGRAM_SIZE];
                // What cannot be received for a moment comes again.
                while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    let _is_full = sender.try_send((from, datagram.to_owned()));
                }
            });
        }
        Ok(Self {
            datagrams,
            _tasks: tasks,
        })
    }

    /// Waits for the next datagram. Without networks, it waits for ever.
    pub(super) async fn next(&mut self) -> (SocketAddr, Vec<u8>) {
        match self.datagrams.recv().await {
            Some(datagram) => datagram,
            None => std::future::pending().await,
        }
    }
}

/// Checks that a node could receive beacons on these networks, and closes its sockets again.
pub(super) fn check(on: &[LocalAddress], port: u16) -> io::Result<()> {
    for local in on {
        let address = match (local.address, local.broadcast) {
            (IpAddr::V4(_), Some(broadcast)) if local.is_loopback => broadcast.into(),
            (IpAddr::V4(_), _) => Ipv4Addr::UNSPECIFIED.into(),
            (IpAddr::V6(_), _) => Ipv6Addr::UNSPECIFIED.into(),
        };
        bind(SocketAddr::new(address, port))?;
    }
    Ok(())
}

/// What is listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    at: SocketAddr,
    /// The interface, by an address or its number, on which this group is joined.
    join: Option<(IpAddr, u32)>,
}

fn places(on: &[LocalAddress], beacons: &Beacons, port: u16) -> Vec<Place> {
    let mut places = Vec::new();
    let mut add = |at: SocketAddr, join| {
        let place = Place { at, join };
        if !places.contains(&place) {
            places.push(place);
        }
    };
    for local in on {
        let join = Some((local.address, local.index));
        match (local.address, beacons) {
            (address, Beacons::Multicast(group)) if group.is_ipv4() == address.is_ipv4() => {
                add(with_scope(*group, port, local.index), join);
            }
            (IpAddr::V6(_), _) => add(with_scope(ALL_NODES.into(), port, local.index), join),
            (IpAddr::V4(_), _) => {
                let all = Ipv4Addr::BROADCAST;
                for broadcast in local.broadcast.into_iter().chain([all]) {
                    // Loopback has a broadcast address of its own, and hears no other.
                    if !(local.is_loopback && broadcast == all) {
                        add(SocketAddrV4::new(broadcast, port).into(), None);
                    }
                }
            }
        }
    }
    places
}

fn with_scope(address: IpAddr, port: u16, index: u32) -> SocketAddr {
    match address {
        IpAddr::V4(address) => SocketAddrV4::new(address, port).into(),
        IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, index).into(),
    }
}

fn listen(place: Place) -> io::Result<UdpSocket> {
    // Only there does a socket on such an address hear what is sent to it, and nothing else.
    let is_exact = cfg!(any(target_os = "linux", target_os = "android"));
    let any: IpAddr = match place.at {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let at = match is_exact {
        true => place.at,
        false => SocketAddr::new(any, place.at.port()),
    };
    let socket = bind(at)?;
    match (place.at.ip(), place.join) {
        (IpAddr::V4(group), Some((IpAddr::V4(local), _))) => {
            socket.join_multicast_v4(&group, &local)?;
        }
        (IpAddr::V6(group), Some((_, index))) => socket.join_multicast_v6(&group, index)?,
        _ => {}
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A socket that shares its port with all who do the same.
fn bind(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&at.into())?;
    Ok(socket)
}
