//! The sockets of the networks that a node is on.

mod receivers;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    num::NonZeroU16,
};

use zre_core::{
    Beacons,
    interfaces::{LocalAddress, NetworkId},
};
use zre_net::socket::{
    self, ListenPort,
    beacon::{self, ReceiverAt},
};

use super::driving::{Command, DriverQueue};
use receivers::Receivers;

/// Which listener of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListenerId {
    /// That of a network.
    Network(NetworkId),
    /// That of the gossip hub.
    Gossip,
}

/// Which receiver of a node; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReceiverId(u32);

/// What the sockets follow from.
#[derive(Debug, Clone)]
pub(crate) struct SocketSettings {
    /// The discovery port.
    pub(crate) port: u16,
    /// Where connections are accepted.
    pub(crate) listen: ListenPort,
    /// How the node announces itself.
    pub(crate) beacons: Beacons,
}

/// Opens and closes the sockets of networks, and sends beacons.
#[derive(Debug)]
pub(super) struct NetworkSockets {
    settings: SocketSettings,
    /// In the order of their ids.
    on: Vec<On>,
    receivers: Receivers,
    /// The port of the first listener: the others take it, too, where it is free.
    first_port: Option<u16>,
    sent: u64,
    /// Why sockets could not be opened, while the node starts.
    failures: Option<Vec<io::Error>>,
}

/// A network that the node is on.
#[derive(Debug)]
struct On {
    id: NetworkId,
    address: LocalAddress,
    /// Where it accepts connections.
    port: u16,
    /// `None` if no beacons are sent.
    sender: Option<UdpSocket>,
    sent: u64,
    /// Why the last beacon could not be sent; `None` if it was.
    error: Option<String>,
}

/// How the announcing goes on a network.
#[derive(Debug, Clone, Default)]
pub(super) struct Announcing {
    /// Where beacons go.
    pub(super) to: Vec<SocketAddr>,
    pub(super) sent: u64,
    pub(super) error: Option<String>,
}

impl NetworkSockets {
    pub(super) fn new(settings: SocketSettings) -> Self {
        Self {
            receivers: Receivers::default(),
            settings,
            on: Vec::new(),
            first_port: None,
            sent: 0,
            failures: Some(Vec::new()),
        }
    }

    /// Opens the sockets of a network and leaves to the driver those that it is to watch. Gives the
    /// port at which the node accepts connections there.
    pub(super) fn open(
        &mut self,
        id: NetworkId,
        address: &LocalAddress,
        driver: &mut DriverQueue,
    ) -> io::Result<NonZeroU16> {
        // An attempt before may have failed half-way.
        self.close(id, driver);
        let opened = self.try_open(id, address, driver);
        if let Err(error) = &opened {
            self.receivers.release(id, driver);
            let error = io::Error::new(error.kind(), error.to_string());
            if let Some(failures) = &mut self.failures {
                failures.push(error);
            }
        }
        opened
    }

    fn try_open(
        &mut self,
        id: NetworkId,
        address: &LocalAddress,
        driver: &mut DriverQueue,
    ) -> io::Result<NonZeroU16> {
        let listener = self.listen(address)?;
        let port = listener.local_addr()?.port();
        let listening = NonZeroU16::new(port).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let sender = match self.settings.beacons {
            Beacons::Off => None,
            _ => Some(self.open_for_beacons(id, address, driver)?),
        };
        self.first_port.get_or_insert(port);
        driver.push(Command::Listen(ListenerId::Network(id), listener));
        self.on.push(On {
            id,
            address: address.clone(),
            port,
            sender,
            sent: 0,
            error: None,
        });
        self.on.sort_by_key(|on| on.id);
        Ok(listening)
    }

    fn listen(&self, address: &LocalAddress) -> io::Result<std::net::TcpListener> {
        let listen = |port| socket::listen_on(address, port);
        let same = match (self.settings.listen, self.first_port) {
            (ListenPort::Fixed(port), _) if port != 0 => return listen(self.settings.listen),
            (_, Some(port)) => listen(ListenPort::Fixed(port)),
            (_, None) => return listen(self.settings.listen),
        };
        same.or_else(|_| listen(self.settings.listen))
    }

    /// Sees to it that beacons are received there, and gives the socket that sends them.
    fn open_for_beacons(
        &mut self,
        id: NetworkId,
        address: &LocalAddress,
        driver: &mut DriverQueue,
    ) -> io::Result<UdpSocket> {
        let SocketSettings { port, beacons, .. } = &self.settings;
        if let Some(at) = ReceiverAt::of(address, *port, beacons) {
            self.receivers.share(id, at, driver)?;
        }
        let sender = beacon::sender(address, *port, beacons)?;
        // What is sent to this address alone arrives there.
        self.receivers.add(id, sender.try_clone()?, driver);
        Ok(sender)
    }

    /// Closes the sockets of a network; gives its address if the node was on it.
    pub(super) fn close(
        &mut self,
        id: NetworkId,
        driver: &mut DriverQueue,
    ) -> Option<LocalAddress> {
        self.receivers.release(id, driver);
        let place = self.on.iter().position(|on| on.id == id)?;
        driver.push(Command::CloseListener(ListenerId::Network(id)));
        Some(self.on.remove(place).address)
    }

    /// Closes all sockets that are here, and opens none any more.
    pub(super) fn close_all(&mut self) {
        self.on.clear();
        self.receivers.clear();
    }

    /// Why sockets could not be opened when the node started; for who asks first.
    pub(super) fn take_failures(&mut self) -> Vec<io::Error> {
        self.failures.take().unwrap_or_default()
    }
}

/// Beacons.
impl NetworkSockets {
    /// Sends a beacon. One that cannot be sent is not worth waiting for: the next comes in a
    /// second.
    pub(super) fn send(&mut self, id: NetworkId, datagram: &[u8]) -> Result<(), String> {
        let targets = self.targets(id);
        let Some(on) = self.on.iter_mut().find(|on| on.id == id) else {
            return Ok(());
        };
        let Some(sender) = &on.sender else {
            return Ok(());
        };
        let mut error = None;
        for target in targets {
            match sender.send_to(datagram, target) {
                Ok(_) => (on.sent, self.sent) = (on.sent + 1, self.sent + 1),
                Err(failed) => error = error.or(Some(failed.to_string())),
            }
        }
        on.error.clone_from(&error);
        error.map_or(Ok(()), Err)
    }

    /// Where the beacons of a network go.
    fn targets(&self, id: NetworkId) -> Vec<SocketAddr> {
        let Some(on) = self.on.iter().find(|on| on.id == id) else {
            return Vec::new();
        };
        let mut targets = self.possible_targets(on);
        if let Beacons::To(_) = self.settings.beacons {
            targets.retain(|target| self.carrier(target.ip()) == Some(id));
        }
        targets
    }

    fn possible_targets(&self, on: &On) -> Vec<SocketAddr> {
        let SocketSettings { port, beacons, .. } = &self.settings;
        beacon::targets(&on.address, *port, beacons)
    }

    /// From which network a listed address is told: the one that contains it, or else the first
    /// from which it can be told at all.
    fn carrier(&self, address: IpAddr) -> Option<NetworkId> {
        let can_reach = |on: &&On| {
            let targets = self.possible_targets(on);
            targets.iter().any(|target| target.ip() == address)
        };
        let containing = self.on.iter().find(|on| on.address.contains(address));
        let carrier = containing.or_else(|| self.on.iter().find(can_reach));
        carrier.map(|on| on.id)
    }

    /// Whether a datagram from there may be a beacon of a node on one of the networks. A receiver
    /// hears other networks, too.
    pub(super) fn hears(&self, from: SocketAddr) -> bool {
        if let Beacons::To(_) = self.settings.beacons {
            return true;
        }
        let address = from.ip().to_canonical();
        self.on.iter().any(|on| match (address, from) {
            (IpAddr::V6(v6), SocketAddr::V6(from)) if v6.is_unicast_link_local() => {
                on.address.address.is_ipv6() && on.address.index == from.scope_id()
            }
            _ => on.address.contains(address),
        })
    }

    /// How many beacons have been sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// How the announcing goes at one of the node's addresses.
    pub(super) fn announcing(&self, interface: &str, address: IpAddr) -> Announcing {
        let mut on = self.on.iter();
        let is_meant =
            |on: &&On| on.address.interface == interface && on.address.address == address;
        let on = on.find(is_meant);
        on.map_or_else(Announcing::default, |on| Announcing {
            to: self.targets(on.id),
            sent: on.sent,
            error: on.error.clone(),
        })
    }
}

/// Connections.
impl NetworkSockets {
    /// The addresses of the node.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &LocalAddress> {
        self.on.iter().map(|on| &on.address)
    }

    /// Where the node accepts connections.
    pub(super) fn listening(&self) -> impl Iterator<Item = SocketAddr> {
        let on = self.on.iter();
        on.map(|on| socket::local_address(&on.address, on.port))
    }
}
