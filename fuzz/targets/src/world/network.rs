//! The network between engines: datagrams, connections, and networks that engines leave.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use bytes::Bytes;
use zre_core::{
    LinkId, OpenFor,
    interfaces::{Interface, NetworkId},
};
use zre_proto::{Endpoint, Host};

use super::{End, PORT, REPEATABLE, Stream, World};

/// Connections to this port are for gossip.
const GOSSIP_PORT: u16 = 5670;

/// Where host names lead.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Names {
    /// "first" and "second" to the engines.
    Right,
    /// The other way round.
    Swapped,
    /// All to one address.
    To(IpAddr),
    Nowhere,
}

impl World {
    /// The interfaces of an engine's host are these from now on.
    pub(crate) fn has_interfaces(&mut self, engine: usize, interfaces: &[Interface]) {
        let engine = &mut self.engines[engine].engine;
        engine.handle_interfaces(interfaces, self.now);
    }

    /// An engine sends a beacon, if its system does.
    pub(super) fn announce(&mut self, from: usize, network: NetworkId, datagram: Bytes) {
        let tested = &mut self.engines[from];
        let sends = tested.sends_beacons;
        if tested.engine.node().config().networks.is_some() {
            let sent = sends.then_some(()).ok_or("network is unreachable");
            tested.engine.handle_beacon_sent(network, sent, self.now);
        }
        let mut networks = tested.networks.iter();
        let on = networks.find(|(id, _)| *id == network);
        let address = match on {
            Some((_, on)) => Some((on.address, PORT).into()),
            None => tested.addresses().first().copied(),
        };
        if let Some(address) = address.filter(|_| sends) {
            self.broadcast(address, datagram);
        }
    }

    fn broadcast(&mut self, from: SocketAddr, datagram: Bytes) {
        for tested in &mut self.engines {
            if tested.gets_datagrams && tested.hears_beacons() {
                tested.engine.handle_datagram(from, &datagram, self.now);
            }
        }
        if self.datagrams.len() < REPEATABLE {
            self.datagrams.push((from, datagram));
        }
    }

    pub(super) fn open(&mut self, client: usize, link: LinkId, to: &Endpoint, purpose: OpenFor) {
        let found = self.find(to);
        let tested = &mut self.engines[client];
        let is_own = found.is_some_and(|found| tested.addresses().contains(&found));
        let engine = &mut tested.engine;
        let Some(remote) = found else {
            return engine.handle_closed(link, "name not known", self.now);
        };
        // As a driver checks addresses that peers give: this one may have become its own since.
        if purpose == OpenFor::Peer && is_own {
            return engine.handle_closed(link, "this node itself is there", self.now);
        }
        if !engine.handle_resolved(link, remote, self.now) {
            return self.unwanted.push((client, link));
        }
        let server = self.server_at(remote);
        // That a hub of the settings is its own, a node does not know.
        let is_gossip = remote.port() == GOSSIP_PORT;
        assert!(
            is_gossip || server != Some(client),
            "that is the engine itself"
        );
        if let Some(honest) = &self.honest {
            let place = Endpoint::from_socket_addr(remote);
            assert_ne!(
                place.as_ref(),
                Some(&honest.endpoint),
                "it is connected already"
            );
        }
        let accepts = match server {
            Some(server) => {
                let is_hub = self.engines[server].engine.node().config().is_gossip_hub;
                let accepts = self.engines[server].accepts && self.can_send(client);
                accepts && (is_hub || !is_gossip)
            }
            None => self.adversary.accepts(client, link),
        };
        if !accepts {
            let engine = &mut self.engines[client].engine;
            return engine.handle_closed(link, "connection refused", self.now);
        }
        let network = self.engines[client].network_to(remote);
        match server {
            Some(server) => self.connect_engines((client, link), server, remote),
            None => self.adversary.note_network(client, link, network),
        }
        let engine = &mut self.engines[client].engine;
        engine.handle_connected(link, self.now);
    }

    /// Where an endpoint is.
    fn find(&self, endpoint: &Endpoint) -> Option<SocketAddr> {
        let port = endpoint.port().get();
        match endpoint.host() {
            Host::Name(name) => Some((self.look_up(name)?, port).into()),
            Host::V6 {
                address,
                scope: Some(scope),
            } => {
                let scope = scope.parse().ok()?;
                Some(SocketAddrV6::new(*address, port, 0, scope).into())
            }
            _ => endpoint.to_socket_addr(),
        }
    }

    fn look_up(&self, name: &str) -> Option<IpAddr> {
        let number = match (self.names, name) {
            (Names::To(address), _) => return Some(address),
            (Names::Right, "first") | (Names::Swapped, "second") => 0,
            (Names::Right, "second") | (Names::Swapped, "first") => 1,
            _ => return None,
        };
        let addresses = self.engines.get(number)?.addresses();
        addresses.first().map(SocketAddr::ip)
    }

    fn connect_engines(&mut self, client: (usize, LinkId), server: usize, to: SocketAddr) {
        let (client, link) = client;
        let mut from = self.engines[client].address_to(to);
        from.set_port(40_000);
        let is_gossip = to.port() == GOSSIP_PORT;
        let engine = &mut self.engines[server].engine;
        let accepted = match is_gossip {
            true => engine.handle_gossip_accepted(from, self.now),
            false => engine.handle_accepted(from, self.now),
        };
        let from = self.engines[client].network_to(to);
        let at = self.engines[server].network_at(to.ip());
        let ends = [End::new(client, link, from), End::new(server, accepted, at)];
        self.streams.push(Stream::new(ends, is_gossip));
    }

    /// The engine that listens at an address.
    fn server_at(&self, to: SocketAddr) -> Option<usize> {
        let is_at = |address: &SocketAddr| {
            let is_port = [address.port(), GOSSIP_PORT].contains(&to.port());
            address.ip() == to.ip() && is_port
        };
        let mut engines = self.engines.iter();
        engines.position(|tested| tested.addresses().iter().any(is_at))
    }

    fn can_send(&self, engine: usize) -> bool {
        !self.engines[engine].addresses().is_empty()
    }

    /// An engine closes its sockets on a network, and the connections there. The other ends hear
    /// nothing of that, and nothing more.
    pub(super) fn leave(&mut self, number: usize, network: NetworkId) {
        self.engines[number]
            .networks
            .retain(|(id, _)| *id != network);
        let mut gone = self.adversary.leave(number, network);
        for stream in &mut self.streams {
            gone.extend(stream.leave(number, network));
        }
        for link in gone {
            let engine = &mut self.engines[number].engine;
            engine.handle_closed(link, "its network is gone", self.now);
        }
    }
}
