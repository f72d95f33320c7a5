//! The interfaces of hosts, as processes see and use them.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use zre_core::{
    Beacons,
    interfaces::{LocalAddress, NetworkId},
    proto::{Endpoint, Host},
};

use super::{Process, ProcessIndex, World};
use crate::{
    network::{AddressIndex, HostIndex, is_link_local},
    trace::Note,
};

/// A network on which a process has sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenNetwork {
    pub(super) id: NetworkId,
    pub(super) address: AddressIndex,
    pub(super) interface: u32,
    pub(super) is_v6: bool,
}

impl World {
    /// The interfaces of a host have changed.
    pub(crate) fn interfaces_changed(&mut self, host: HostIndex) {
        for process in 0..self.processes.len() {
            if self.processes[process].host == host && self.is_awake(process) {
                self.tell_process(process);
                self.drain(process);
            }
        }
        self.changes += 1;
    }

    /// Tells a process which interfaces its host has, if it looks at them.
    pub(super) fn tell_process(&mut self, process: ProcessIndex) {
        if !self.looks_at_interfaces(process) {
            return;
        }
        let now = self.local(process);
        let interfaces = self.network.interfaces(self.processes[process].host);
        let machine = &mut self.processes[process].machine;
        machine.handle_interfaces(&interfaces, now);
    }

    pub(super) fn looks_at_interfaces(&self, process: ProcessIndex) -> bool {
        self.processes[process].config.networks.is_some()
    }

    /// A process opens its sockets on a network.
    pub(super) fn listen(&mut self, process: ProcessIndex, id: NetworkId, at: &LocalAddress) {
        let now = self.local(process);
        let address = self.network.addresses.number(at.address);
        let Process { host, port, .. } = self.processes[process];
        // The process was told of the address, and it may have gone since.
        let has_address = self.network.interface_with(host, address) == Some(at.index);
        let obstacle = match self.listener(host, address, port) {
            _ if !has_address => Some("cannot assign requested address"),
            Some(other) if other != process => Some("address in use"),
            _ => None,
        };
        if let Some(obstacle) = obstacle {
            let machine = &mut self.processes[process].machine;
            return machine.handle_not_listening(id, obstacle, now);
        }
        // Stays when the process ends: who connects then is refused by the system.
        self.listeners.insert((host, port), process);
        self.trace
            .note(self.now, process, Note::Listens(&at.to_string()));
        self.processes[process].networks.push(OpenNetwork {
            id,
            address,
            interface: at.index,
            is_v6: at.address.is_ipv6(),
        });
        self.processes[process]
            .machine
            .handle_listening(id, port, now);
    }

    /// A process closes its sockets on a network, and the connections that it has there.
    pub(super) fn leave(&mut self, process: ProcessIndex, id: NetworkId) {
        let networks = &mut self.processes[process].networks;
        let Some(place) = networks.iter().position(|it| it.id == id) else {
            return;
        };
        let left = networks.remove(place);
        let address = self.network.addresses.get(left.address).to_string();
        self.trace.note(self.now, process, Note::Leaves(&address));
        let ends: Vec<_> = self.processes[process].wires.iter().collect();
        for (wire, side) in ends {
            let end = self.end(wire, side).map(|end| (end.address(), end.link));
            if let Some((address, Some(link))) = end
                && address == left.address
            {
                self.processes[process].wires.remove(link);
                self.close_end(wire, side, "connection closed");
                let now = self.local(process);
                let machine = &mut self.processes[process].machine;
                machine.handle_closed(link, "its network is gone", now);
            }
        }
    }

    /// Whether a process accepts connections at an address of its host.
    pub(super) fn has_sockets_at(&self, process: ProcessIndex, address: AddressIndex) -> bool {
        let networks = &self.processes[process].networks;
        !self.looks_at_interfaces(process) || networks.iter().any(|it| it.address == address)
    }

    /// Whether a process receives beacons that come by an interface of its host.
    pub(super) fn hears(&self, process: ProcessIndex, interface: u32, is_v6: bool) -> bool {
        if self.processes[process].config.beacons == Beacons::Off {
            return false;
        }
        let networks = &self.processes[process].networks;
        let open = |it: &OpenNetwork| it.interface == interface && it.is_v6 == is_v6;
        match self.looks_at_interfaces(process) {
            true => networks.iter().any(open),
            false => !is_v6,
        }
    }

    /// Where an endpoint is, as a host understands it.
    pub(super) fn find(&self, host: HostIndex, endpoint: &Endpoint) -> Option<SocketAddr> {
        let port = endpoint.port().get();
        match endpoint.host() {
            Host::V6 {
                address,
                scope: Some(scope),
            } => {
                let by_name = || self.network.hosts[host].interface_by_name(scope);
                let scope = scope.parse().ok().or_else(by_name)?;
                Some(SocketAddrV6::new(*address, port, 0, scope).into())
            }
            // Looked up anew each time, as the name may lead elsewhere by now.
            Host::Name(name) => {
                let named = self.network.find_name(name)?;
                let address = self.network.named_address(named)?;
                Some(SocketAddr::new(address, port))
            }
            _ => endpoint.to_socket_addr(),
        }
    }

    /// How the system of a host shows an address to a process that it reaches at `at`.
    pub(super) fn seen_from(
        &self,
        host: HostIndex,
        at: AddressIndex,
        address: AddressIndex,
        port: u16,
    ) -> SocketAddr {
        let interface = self.network.interface_with(host, at).unwrap_or(0);
        seen_by(interface, self.network.addresses.get(address), port)
    }
}

/// How an address is shown to those who are reached by an interface.
pub(super) fn seen_by(interface: u32, address: IpAddr, port: u16) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if is_link_local(address) => {
            SocketAddrV6::new(v6, port, 0, interface).into()
        }
        _ => SocketAddr::new(address, port),
    }
}
