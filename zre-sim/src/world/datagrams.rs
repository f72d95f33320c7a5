//! How datagrams are sent and received.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use zre_core::{Beacons, interfaces::NetworkId};

use super::{Pending, ProcessIndex, SimEvent, World, networks::seen_by};
use crate::{
    network::{AddressIndex, Addresses, HostIndex, LOOPBACK, Path},
    trace::Note,
};

/// How many datagrams the system keeps for a stopped process: about Linux's 200 KiB.
const MOST_PENDING: usize = 256;

/// The port of ZRE's beacons; a node listens on it and sends from it.
const BEACON_PORT: u16 = 5670;

/// A datagram on its way.
#[derive(Debug, Clone)]
pub(super) struct Flying {
    from: u32,
    to: u32,
    source: AddressIndex,
    /// The interface of the receiver by which it comes.
    interface: u32,
    datagram: Bytes,
}

/// Where a datagram is sent from.
#[derive(Debug, Clone, Copy)]
struct Sender {
    process: ProcessIndex,
    host: HostIndex,
    interface: u32,
    source: AddressIndex,
    is_v6: bool,
}

impl World {
    /// A process sends a beacon on one of its networks.
    pub(super) fn announce(&mut self, process: ProcessIndex, network: NetworkId, datagram: Bytes) {
        let sender = self.sender(process, network);
        if let Some(sender) = sender {
            self.trace.note(self.now, process, Note::Sends(&datagram));
            let metrics = &mut self.processes[process].metrics;
            metrics.datagrams_sent += 1;
            metrics.datagram_bytes += datagram.len() as u64;
            self.broadcast(sender, &datagram);
        }
        if self.looks_at_interfaces(process) {
            let sent = sender.map(|_| ()).ok_or("network is unreachable");
            let now = self.local(process);
            let machine = &mut self.processes[process].machine;
            machine.handle_beacon_sent(network, sent, now);
        }
    }

    /// From where a process sends on a network; `None` if its system refuses.
    fn sender(&self, process: ProcessIndex, network: NetworkId) -> Option<Sender> {
        let host = self.processes[process].host;
        if !self.looks_at_interfaces(process) {
            return Some(self.only_sender(process, host));
        }
        let mut networks = self.processes[process].networks.iter();
        let open = networks.find(|it| it.id == network)?;
        let (source, interface) = (open.address, open.interface);
        let has_address = self.network.interface_with(host, source) == Some(interface);
        let state = self.network.hosts[host].interface(interface);
        let is_up = interface == LOOPBACK || state.is_some_and(|it| it.up);
        (has_address && is_up).then_some(Sender {
            process,
            host,
            interface,
            source,
            is_v6: open.is_v6,
        })
    }

    /// From where a process sends that does not look at interfaces: the first one.
    fn only_sender(&self, process: ProcessIndex, host: HostIndex) -> Sender {
        let first = self.network.hosts[host].interfaces.first();
        let address = first.and_then(|it| it.addresses.first());
        Sender {
            process,
            host,
            interface: first.map_or(LOOPBACK, |it| it.index),
            source: address.map_or(Addresses::LOOPBACK, |it| it.address),
            is_v6: false,
        }
    }

    fn broadcast(&mut self, sender: Sender, datagram: &Bytes) {
        if let Beacons::To(addresses) = &self.processes[sender.process].config.beacons {
            let addresses = addresses.clone();
            return self.send_to_each(sender, &addresses, datagram);
        }
        let lan = self.network.lan_of(sender.source);
        let group = self.group(sender.process, sender.is_v6);
        // A node hears itself, as with a real broadcast.
        for to in 0..self.processes.len() {
            if !self.is_running(to) || self.group(to, sender.is_v6) != group {
                continue;
            }
            let host = self.processes[to].host;
            if sender.interface == LOOPBACK {
                if host == sender.host {
                    self.put_datagram(sender, (to, LOOPBACK), datagram);
                }
                continue;
            }
            // By number, as sending needs the whole world; a host has few.
            for nth in 0..self.network.hosts[host].interfaces.len() {
                let interface = &self.network.hosts[host].interfaces[nth];
                let is_own = host == sender.host && interface.index == sender.interface;
                if is_own || (interface.lan.is_some() && interface.lan == lan) {
                    let index = interface.index;
                    self.put_datagram(sender, (to, index), datagram);
                }
            }
        }
    }

    /// Sends to addresses, each alone, as far as there is a way.
    fn send_to_each(&mut self, sender: Sender, addresses: &[IpAddr], datagram: &Bytes) {
        for address in addresses.iter().filter(|it| it.is_ipv6() == sender.is_v6) {
            let target = self.network.addresses.number(*address);
            let host = self.network.host_at(sender.host, target);
            let Some(host) = host else {
                continue;
            };
            let interface = self.network.interface_with(host, target);
            let path = self.network.path(sender.host, sender.source, target);
            for to in 0..self.processes.len() {
                if let Some(interface) = interface
                    && self.is_running(to)
                    && self.processes[to].host == host
                {
                    self.put_on_path(sender, path, (to, interface), datagram);
                }
            }
        }
    }

    /// The group to which a process sends its beacons in place of a broadcast.
    pub(super) fn group(&self, process: ProcessIndex, is_v6: bool) -> Option<IpAddr> {
        match self.processes[process].config.beacons {
            Beacons::Multicast(group) if group.is_ipv6() == is_v6 => Some(group),
            _ => None,
        }
    }

    /// Sends a datagram to a process that may hear what comes by an interface of its host.
    fn put_datagram(&mut self, sender: Sender, to: (ProcessIndex, u32), datagram: &Bytes) {
        let (receiver, interface) = to;
        let from = (sender.host, sender.interface);
        let host = self.processes[receiver].host;
        let path = self.network.broadcast_path(from, (host, interface));
        self.put_on_path(sender, path, to, datagram);
    }

    fn put_on_path(
        &mut self,
        sender: Sender,
        path: Option<Path>,
        (to, interface): (ProcessIndex, u32),
        datagram: &Bytes,
    ) {
        if !self.hears(to, interface, sender.is_v6) {
            return;
        }
        let copies = self.network.datagram(path);
        if copies == [None, None] {
            self.processes[sender.process].metrics.datagrams_lost += 1;
        }
        for delay in copies.into_iter().flatten() {
            let flying = Flying {
                from: number(sender.process),
                to: number(to),
                source: sender.source,
                interface,
                datagram: datagram.clone(),
            };
            self.schedule
                .put(self.now + delay, SimEvent::Datagram(flying));
        }
    }

    pub(super) fn receive(&mut self, flying: Flying) {
        let (from, to) = (flying.from as ProcessIndex, flying.to as ProcessIndex);
        let datagram = flying.datagram;
        let sender = self.network.addresses.get(flying.source);
        let sender = seen_by(flying.interface, sender, BEACON_PORT);
        let is_v6 = sender.is_ipv6();
        let host = &self.network.hosts[self.processes[to].host];
        if !self.is_running(to) || !host.on || !self.hears(to, flying.interface, is_v6) {
            return;
        }
        if host.frozen {
            let pending = &mut self.processes[to].pending;
            // A full buffer drops what comes, as a UDP socket does.
            if pending.len() < MOST_PENDING {
                pending.push_back(Pending::Datagram(sender, datagram));
            }
            return;
        }
        let datagram = &datagram;
        self.trace
            .note(self.now, to, Note::Hears { from, datagram });
        self.take_datagram(to, sender, datagram);
        self.drain(to);
    }

    pub(super) fn take_datagram(&mut self, to: ProcessIndex, from: SocketAddr, datagram: &[u8]) {
        let now = self.local(to);
        let receiver = &mut self.processes[to];
        receiver.metrics.datagrams_received += 1;
        receiver.machine.handle_datagram(from, datagram, now);
    }
}

fn number(process: ProcessIndex) -> u32 {
    u32::try_from(process).expect("a simulation has fewer than 2^32 processes")
}
