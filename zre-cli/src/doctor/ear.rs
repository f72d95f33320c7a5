//! Hears all beacons, also those that the node does not act on.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::{sync::mpsc, task::JoinSet};
use zre_net::socket::{DATAGRAM_SIZE, beacon::ReceiverAt};
use zre_tokio::{Beacons, zre_core::interfaces::LocalAddress};

/// So many datagrams may wait; further ones are lost, as in a socket.
const WAITING: usize = 1024;

/// Sockets that get a copy of what is broadcast and multicast to the discovery port.
#[derive(Debug)]
pub(super) struct Ear {
    datagrams: mpsc::Receiver<(SocketAddr, Vec<u8>)>,
    on: Vec<LocalAddress>,
    /// Read the sockets until this is dropped.
    _tasks: JoinSet<()>,
}

impl Ear {
    /// Listens on these networks, as a node does. Without beacons, nothing is heard.
    ///
    /// # Errors
    ///
    /// Most often [`AddrInUse`](io::ErrorKind::AddrInUse): another program holds the port and does
    /// not share it.
    pub(super) fn open(on: &[LocalAddress], beacons: &Beacons, port: u16) -> io::Result<Self> {
        let (sender, datagrams) = mpsc::channel(WAITING);
        let mut tasks = JoinSet::new();
        for receiver in receivers(on, beacons, port) {
            let socket = tokio::net::UdpSocket::from_std(receiver.open()?)?;
            tasks.spawn(forward(socket, sender.clone()));
        }
        Ok(Self {
            datagrams,
            on: on.to_owned(),
            _tasks: tasks,
        })
    }

    /// Waits for the next datagram from one of the networks. Without any, it waits for ever.
    pub(super) async fn next(&mut self) -> (SocketAddr, Vec<u8>) {
        loop {
            match self.datagrams.recv().await {
                Some((from, datagram)) if self.is_near(from) => return (from, datagram),
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Broadcasts come from all interfaces, and a node takes those of its networks alone.
    fn is_near(&self, from: SocketAddr) -> bool {
        let address = from.ip().to_canonical();
        self.on.iter().any(|on| match (address, from) {
            (IpAddr::V6(v6), SocketAddr::V6(from)) if v6.is_unicast_link_local() => {
                on.address.is_ipv6() && on.index == from.scope_id()
            }
            _ => on.contains(address),
        })
    }
}

/// Checks that a node could receive beacons on these networks, and closes its sockets again.
pub(super) fn check(on: &[LocalAddress], beacons: &Beacons, port: u16) -> io::Result<()> {
    let mut receivers = receivers(on, beacons, port).into_iter();
    receivers.try_for_each(|receiver| receiver.open().map(|_| ()))
}

fn receivers(on: &[LocalAddress], beacons: &Beacons, port: u16) -> Vec<ReceiverAt> {
    let mut receivers = Vec::new();
    for receiver in on.iter().filter_map(|on| ReceiverAt::of(on, port, beacons)) {
        if !receivers.contains(&receiver) {
            receivers.push(receiver);
        }
    }
    receivers
}

async fn forward(socket: tokio::net::UdpSocket, to: mpsc::Sender<(SocketAddr, Vec<u8>)>) {
    let mut buffer = [0; DATAGRAM_SIZE];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let datagram = buffer.get(..length).unwrap_or_default();
        let _is_full = to.try_send((from, datagram.to_owned()));
    }
}
