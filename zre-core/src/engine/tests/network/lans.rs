//! Hosts on several networks, and networks that come and go.
//!
//! The first two parts of an address say which network it belongs to.

use alloc::{format, vec, vec::Vec};
use core::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU16,
};

use super::{Host, Network, wire::Wire};
use crate::{
    config::{Config, NetworkSettings},
    engine::{LinkId, tests::level::Level},
    interfaces::{Interface, InterfaceAddress, Interfaces, IpVersion, NetworkId},
    node::tests as node_tests,
};

const PORT: u16 = 49152;

impl<C: Level> Network<C> {
    /// A host with an interface for each of these addresses.
    pub(crate) fn add_with_addresses(&mut self, name: &str, addresses: &[IpAddr]) -> usize {
        let config = self.config_with_networks(name);
        let host = self.add_with(config);
        self.hosts[host].sockets.clear();
        self.has_addresses(host, addresses);
        host
    }

    fn config_with_networks(&self, name: &str) -> Config {
        let mut config = node_tests::config(name, self.hosts.len() + 1);
        config.networks = Some(NetworkSettings {
            interfaces: Interfaces::All,
            ip: IpVersion::Both,
        });
        config
    }

    /// The host has these addresses from now on.
    pub(crate) fn has_addresses(&mut self, host: usize, addresses: &[IpAddr]) {
        let interfaces: Vec<_> = addresses.iter().map(interface).collect();
        let now = self.now;
        self.hosts[host].machine.handle_interfaces(&interfaces, now);
        self.carry();
    }

    /// Nothing comes to an address of a host any more, or from there, and nobody is told.
    pub(crate) fn deaden(&mut self, host: usize, address: IpAddr) {
        self.hosts[host].dead.insert(address);
    }

    /// The addresses of the newest connection that `from` opened to `to`.
    pub(crate) fn addresses_of(&mut self, from: usize, to: usize) -> [IpAddr; 2] {
        self.wire(from, to).addresses
    }

    /// How many connections something crosses.
    pub(crate) fn whole_wires(&self) -> usize {
        let wires = self.wires.iter();
        wires.filter(|wire| self.crosses(wire)).count()
    }

    pub(super) fn listen(&mut self, host: usize, network: NetworkId, address: IpAddr) {
        let port = NonZeroU16::new(PORT).unwrap();
        self.former.remove(&address);
        for wire in &mut self.wires {
            let mut ends = wire.ends.iter().zip(&wire.addresses);
            if ends.any(|(end, at)| end.closed && *at == address) {
                (wire.is_cut, wire.resets) = (false, true);
            }
        }
        let it = &mut self.hosts[host];
        it.sockets.push((network, SocketAddr::new(address, PORT)));
        it.address = it.sockets[0].1;
        it.machine.handle_listening(network, port, self.now);
    }

    /// The sockets of a network are closed, and all connections by it.
    pub(super) fn leave(&mut self, host: usize, network: NetworkId) {
        let sockets = &mut self.hosts[host].sockets;
        let Some(place) = sockets.iter().position(|(id, _)| *id == network) else {
            return;
        };
        let address = sockets.remove(place).1.ip();
        self.former.insert(address);
        let mut closed: Vec<LinkId> = Vec::new();
        for wire in &mut self.wires {
            for end in 0..2 {
                if wire.ends[end].host == host && wire.addresses[end] == address {
                    wire.is_cut = true;
                    wire.ends[end].closed = true;
                    closed.push(wire.ends[end].link);
                }
            }
        }
        for link in closed {
            let machine = &mut self.hosts[host].machine;
            machine.handle_closed(link, "the network is gone", self.now);
        }
    }

    /// Whether anything crosses a wire.
    pub(super) fn crosses(&self, wire: &Wire<C::Piece>) -> bool {
        let mut ends = wire.ends.iter().zip(&wire.addresses);
        !wire.is_cut && !ends.any(|(end, address)| self.hosts[end.host].dead.contains(address))
    }

    /// Whether a host that connects there gets an answer, be it a refusal.
    pub(super) fn answers(&self, client: usize, to: IpAddr) -> bool {
        let source = self.hosts[client].source_for(to);
        let dead = |address: &IpAddr| self.hosts.iter().any(|host| host.dead.contains(address));
        !self.former.contains(&to) && !dead(&to) && !self.hosts[client].dead.contains(&source)
    }
}

impl<C: Level> Host<C> {
    /// The address that it connects from.
    pub(super) fn source_for(&self, to: IpAddr) -> IpAddr {
        let own = self.sockets.iter().map(|(_, address)| address.ip());
        let mut shared = own.filter(|own| lan(*own) == lan(to));
        shared.next().unwrap_or(self.address.ip())
    }

    pub(super) fn hears_from(&self, other: IpAddr) -> bool {
        self.alive && !self.sleeps && self.hears && self.is_in_lan_of(other)
    }

    fn is_in_lan_of(&self, other: IpAddr) -> bool {
        let mut own = self.sockets.iter().map(|(_, address)| address.ip());
        own.any(|own| lan(own) == lan(other) && !self.dead.contains(&own))
    }
}

fn lan(address: IpAddr) -> [u8; 2] {
    match address.to_canonical() {
        IpAddr::V4(v4) => [v4.octets()[0], v4.octets()[1]],
        IpAddr::V6(v6) => [v6.octets()[0], v6.octets()[1]],
    }
}

fn interface(address: &IpAddr) -> Interface {
    let [_, number] = lan(*address);
    let index = u32::from(number) + 2;
    let mut interface = Interface::new(format!("eth{number}"), index);
    interface.addresses = vec![InterfaceAddress::new(*address, 16)];
    interface
}

/// The address of a host on an IPv4 network.
pub(crate) fn v4(lan: u8, host: u8) -> IpAddr {
    IpAddr::from([10, lan, 0, host])
}

/// The address of a host on an IPv6 network.
pub(crate) fn v6(lan: u8, host: u8) -> IpAddr {
    let first = u16::from_be_bytes([0xFD, lan]);
    IpAddr::from(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, host.into()))
}
