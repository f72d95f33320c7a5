//! How a network carries what hosts send.

use alloc::{format, string::ToString as _};
use core::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use rand_chacha::rand_core::RngCore as _;
use zre_proto::{Endpoint, curve::PublicKey};

use super::{Network, wire::Wire};
use crate::{
    engine::{LinkId, Output, tests::level::Level},
    interfaces::NetworkId,
    link::Caller,
    time::Instant,
};

impl<C: Level> Network<C> {
    /// `false` if there is nothing to do now.
    pub(super) fn carry_some(&mut self) -> bool {
        let mut any = self.send() | self.deliver_datagrams();
        for wire in 0..self.wires.len() {
            for end in 0..2 {
                if self.read(wire, end) {
                    any = true;
                    // The answer leaves before anything else is read.
                    self.send();
                }
            }
        }
        self.wires.retain(Wire::is_open);
        any
    }

    /// Puts on the network what hosts want to send.
    fn send(&mut self) -> bool {
        let mut any = false;
        for host in 0..self.hosts.len() {
            if self.hosts[host].alive {
                any |= self.take_outputs(host);
                self.hosts[host].take_events();
            }
        }
        for wire in 0..self.wires.len() {
            for end in 0..2 {
                any |= self.write(wire, end);
            }
        }
        any
    }

    fn take_outputs(&mut self, host: usize) -> bool {
        let mut any = false;
        while let Some(output) = self.hosts[host].machine.poll_output() {
            any = true;
            self.trace.push(format!("{host} {output:?}"));
            match output {
                Output::Datagram { network, datagram } => {
                    self.send_datagram(host, network, datagram);
                }
                Output::Open {
                    link,
                    endpoint,
                    key,
                    ..
                } => self.open(host, link, &endpoint, key),
                Output::Writable(link) => {
                    if let Some((wire, end)) = self.find(host, link) {
                        self.wires[wire].ends[end].writable = true;
                    }
                }
                Output::Close(link) => {
                    if let Some((wire, end)) = self.find(host, link) {
                        self.close_end(wire, end);
                    }
                }
                Output::Resume => self.hosts[host].resumed += 1,
                Output::Listen { network, address } => {
                    self.listen(host, network, address.address);
                }
                Output::Leave(network) => self.leave(host, network),
            }
        }
        any
    }

    fn send_datagram(&mut self, from: usize, network: NetworkId, datagram: Bytes) {
        let mut sockets = self.hosts[from].sockets.iter();
        let found = sockets.find(|(id, _)| *id == network);
        let Some(mut address) = found.map(|(_, address)| *address) else {
            return;
        };
        if self.hosts[from].dead.contains(&address.ip()) {
            return;
        }
        address.set_port(5670);
        let at = self.now + self.delay();
        self.datagrams_sent += 1;
        let key = (at, self.datagrams_sent);
        self.datagrams.insert(key, (address, datagram));
    }

    /// Datagrams reach everybody.
    fn deliver_datagrams(&mut self) -> bool {
        let mut any = false;
        while let Some(next) = self.datagrams.first_entry()
            && next.key().0 <= self.now
        {
            any = true;
            let (from, datagram) = next.remove();
            let listening = self
                .hosts
                .iter_mut()
                .filter(|host| host.hears_from(from.ip()));
            for host in listening {
                host.machine.handle_datagram(from, &datagram, self.now);
            }
        }
        any
    }

    fn open(&mut self, client: usize, link: LinkId, to: &Endpoint, key: Option<PublicKey>) {
        let now = self.now;
        let machine = &mut self.hosts[client].machine;
        let found = to.to_socket_addr();
        let Some(to) = found.or_else(|| self.names.get(&to.to_string()).copied()) else {
            return machine.handle_closed(link, "no such host", now);
        };
        if !machine.handle_resolved(link, to, now) {
            return;
        }
        if !self.answers(client, to.ip()) {
            return self.unanswered.push((client, link));
        }
        let remote = SocketAddr::new(self.hosts[client].source_for(to.ip()), 40_000);
        let hub = self.hosts.iter().position(|host| host.is_hub_at(to));
        let server = || self.hosts.iter().position(|host| host.is_reached_at(to));
        let (server, accepted) = match hub {
            Some(hub) => (hub, self.hosts[hub].machine.accept_gossip(remote, now)),
            None => {
                let Some(server) = server() else {
                    let machine = &mut self.hosts[client].machine;
                    return machine.handle_closed(link, "connection refused", now);
                };
                let own_key = |host: usize| {
                    let security = self.hosts[host].machine.security();
                    security.map(|security| security.keypair.public())
                };
                if !C::CAN_BE_CUT && key != own_key(server) {
                    let machine = &mut self.hosts[client].machine;
                    return machine.handle_closed(link, "the handshake failed", now);
                }
                let from = Caller {
                    id: self.id(client).into(),
                    key: own_key(client),
                };
                let machine = &mut self.hosts[server].machine;
                let accepted = machine.accept(remote, from, now);
                let security = machine.security();
                let trusts = |key| security.is_none_or(|it| it.trust.admits(key).is_some());
                if !C::CAN_BE_CUT && !from.key.as_ref().is_none_or(trusts) {
                    return self.hosts[client].machine.handle_refused(link, now);
                }
                (server, accepted)
            }
        };
        self.wires.push(Wire::new(
            (client, link),
            (server, accepted),
            [remote.ip(), to.ip()],
        ));
        self.hosts[client].machine.handle_connected(link, now);
    }

    fn find(&self, host: usize, link: LinkId) -> Option<(usize, usize)> {
        let end_of = |wire: &Wire<_>| {
            let mut ends = wire.ends.iter();
            ends.position(|end| (end.host, end.link) == (host, link))
        };
        let mut wires = self.wires.iter().enumerate();
        wires.find_map(|(number, wire)| Some((number, end_of(wire)?)))
    }

    pub(super) fn close_end(&mut self, wire: usize, end: usize) {
        self.wires[wire].ends[end].closed = true;
        if self.ends_are_told {
            let at = self.arrival(wire, end);
            self.wires[wire].ends[1 - end].ends_at = Some(at);
        }
    }

    /// When that arrives at the other end which is sent now at this one.
    fn arrival(&mut self, wire: usize, end: usize) -> Instant {
        let at = self.now + self.delay();
        let ends = &self.wires[wire].ends;
        let route = (ends[end].host, ends[1 - end].host);
        let latest = self.latest.entry(route).or_default();
        *latest = at.max(*latest);
        *latest
    }

    fn delay(&mut self) -> Duration {
        let extra = self.jitter.as_mut().map_or(Duration::ZERO, |(most, dice)| {
            most.mul_f64(f64::from(dice.next_u32()) / f64::from(u32::MAX))
        });
        self.latency + extra
    }

    fn write(&mut self, wire: usize, end: usize) -> bool {
        let (now, is_cut) = (self.now, !self.crosses(&self.wires[wire]));
        let [here, there] = [end, 1 - end].map(|end| &self.wires[wire].ends[end]);
        if here.closed || !here.writable || is_cut {
            return false;
        }
        let under_way: usize = there.arriving.iter().map(|(_, it)| C::size(it)).sum();
        let room = self.capacity.saturating_sub(under_way).min(self.piece);
        if room == 0 {
            return false;
        }
        let (host, link, is_open) = (here.host, here.link, !there.closed);
        let machine = &mut self.hosts[host].machine;
        // What cannot be cut and does not fit waits until the other side reads.
        if !C::CAN_BE_CUT && there.stalled && machine.unwritten(link) > room {
            return false;
        }
        let piece = machine.write(link, room, now);
        let has_more = machine.unwritten(link) > 0;
        self.wires[wire].ends[end].writable = has_more;
        let Some(piece) = piece else {
            return false;
        };
        let described = C::describe(&piece);
        self.trace
            .push(format!("{host} {link:?} writes {described}"));
        if !is_open && self.wires[wire].resets {
            self.wires[wire].ends[end].ends_at = Some(now);
        }
        if is_open {
            let at = self.arrival(wire, end);
            let there = &mut self.wires[wire].ends[1 - end];
            there.arriving.push_back((at, piece));
        }
        true
    }

    pub(super) fn read(&mut self, wire: usize, end: usize) -> bool {
        let next_at = self.next_at(&self.wires[wire], end);
        if next_at.is_none_or(|at| at > self.now) {
            return false;
        }
        let end = &mut self.wires[wire].ends[end];
        let machine = &mut self.hosts[end.host].machine;
        match end.arriving.pop_front() {
            Some((at, piece)) => {
                let rest = machine.read(end.link, piece, self.piece, self.now);
                if let Some(rest) = rest {
                    end.arriving.push_front((at, rest));
                }
            }
            None => {
                end.closed = true;
                machine.handle_closed(end.link, "connection reset", self.now);
            }
        }
        true
    }
}
