//! How connections are opened, carry data, and end.

use std::{net::SocketAddr, time::Duration};

use zre_core::{
    Caller, LinkId, Security,
    proto::{Endpoint, curve::PublicKey},
};

use super::{Pending, ProcessIndex, SimEvent, WireIndex, World};
use crate::{
    machine::{Level, Payload},
    network::{AddressIndex, HostIndex, Network, Path},
    trace::Note,
    wire::{End, Side, Wire, WireKeys},
};

/// The port on which gossip hubs accept connections.
pub(crate) const GOSSIP_PORT: u16 = 5670;

/// How often TCP tries to connect before it gives up.
const CONNECT_ATTEMPTS: u8 = 7;

impl World {
    /// A process wants a connection: finds out where it leads, and opens it if it is still wanted.
    /// `key` is that of whoever is to be there.
    pub(super) fn open(
        &mut self,
        process: ProcessIndex,
        link: LinkId,
        to: &Endpoint,
        key: Option<PublicKey>,
    ) {
        let found = self.find(self.processes[process].host, to);
        let now = self.local(process);
        let machine = &mut self.processes[process].machine;
        match found {
            Some(remote) => {
                if machine.handle_resolved(link, remote, now) {
                    self.open_to(process, link, remote, key);
                }
            }
            None => machine.handle_closed(link, "name or service not known", now),
        }
    }

    fn open_to(
        &mut self,
        process: ProcessIndex,
        link: LinkId,
        to: SocketAddr,
        key: Option<PublicKey>,
    ) {
        let wire = self.wires.len();
        self.trace.note(self.now, process, Note::Opens { wire });
        let opener = &mut self.processes[process];
        opener.metrics.connections += 1;
        opener.wires.insert(link, wire, Side::Opener);
        let (from, opened_by) = (opener.host, opener.machine.node().id());
        let security = opener.machine.node().security();
        let keys = security.map(|security| WireKeys {
            own: security.keypair.public(),
            expected: key,
        });
        let port = to.port();
        let target = self.network.addresses.number(to.ip());
        let source = self.network.source(from, to, target);
        let host = source.and_then(|_| self.network.host_at(from, target));
        let is_routed = source.is_some();
        let source = source.unwrap_or_default();
        let listener = host.and_then(|host| self.listeners.get(&(host, port)));
        // Without a listener the wire needs another end, too; it is refused before that is used.
        let taker = listener.copied().unwrap_or(process);
        let (opener, taker) = (
            End::new(process, source, Some(link)),
            End::new(taker, target, None),
        );
        let (after, event) = match host {
            Some(host) if listener.is_some() => {
                let lan = self.network.lan_of(source);
                let conditions = *self.network.conditions(from, host, lan);
                (self.network.delay(&conditions), SimEvent::Connect(wire))
            }
            // A host answers at once that nobody listens; from no host there is no answer.
            Some(_) if self.network.path(from, source, target).is_some() => {
                let refused = SimEvent::Refused(wire, "connection refused");
                (Duration::from_millis(1), refused)
            }
            _ if !is_routed => {
                let refused = SimEvent::Refused(wire, "network is unreachable");
                (Duration::from_millis(1), refused)
            }
            _ => {
                let refused = SimEvent::Refused(wire, "no route to host");
                (Duration::from_secs(3), refused)
            }
        };
        let mut new = Wire::new(opener, opened_by, taker, port);
        new.keys = keys.map(Box::new);
        self.wires.push(Some(Box::new(new)));
        self.schedule.put(self.now + after, event);
    }

    /// A request to connect reaches the other host, if the network carries it.
    pub(super) fn connect(&mut self, index: WireIndex) {
        let Some(wire) = &self.wires[index] else {
            return;
        };
        let (opener, port) = (wire.end(Side::Opener), wire.port);
        // The opener has given up. Nobody else knows of this connection.
        if opener.closed {
            self.wires[index] = None;
            return;
        }
        let (source, target) = (opener.address(), wire.end(Side::Taker).address());
        let from = self.processes[opener.process()].host;
        // Connecting takes a packet there and one back.
        let there = self.network.path(from, source, target);
        let back = there.and_then(|there| self.network.path(there.to, target, source));
        let Some(back) = back else {
            return self.connect_again(index);
        };
        let conditions = *self.network.conditions(back.from, back.to, back.lan);
        let answer_at = self.now + self.network.delay(&conditions);
        // Another host may have the address by now.
        let Some(taker) = self.listener(back.from, target, port) else {
            let event = SimEvent::Refused(index, "connection refused");
            return self.schedule.put(answer_at, event);
        };
        if self.level == Level::Messages
            && let Err(why) = self.compare_keys(index, taker)
        {
            return self.schedule.put(answer_at, SimEvent::Refused(index, why));
        }
        if let Some(end) = self.end(index, Side::Taker) {
            end.give_to(taker);
        }
        self.schedule.put(answer_at, SimEvent::Connected(index));
        if self.is_awake(taker) {
            self.accept(index);
        } else {
            // The system of a frozen host accepts for its process.
            let pending = &mut self.processes[taker].pending;
            pending.push_back(Pending::Accept(index));
        }
    }

    /// What a handshake does where there is none: both sides have a key or none of them, and the
    /// taker's is the one that the opener expects.
    fn compare_keys(&mut self, index: WireIndex, taker: ProcessIndex) -> Result<(), &'static str> {
        let Some(wire) = &mut self.wires[index] else {
            return Ok(());
        };
        let security = self.processes[taker].machine.node().security();
        let theirs = security.map(|security| security.keypair.public());
        let (own, expected) = match &wire.keys {
            Some(keys) => (Some(keys.own), keys.expected),
            None => (None, None),
        };
        match (expected, theirs) {
            (Some(expected), Some(theirs)) if expected != theirs => {
                return Err("the other side has another key");
            }
            (Some(_), None) => return Err("the other side has no key"),
            (None, Some(_)) => return Err("the other side has a key"),
            _ => {}
        }
        let admits =
            |security: &Security| own.is_some_and(|own| security.trust.admits(&own).is_some());
        wire.is_refused = !security.is_none_or(admits);
        Ok(())
    }

    /// The process that accepts connections at an address and a port of a host.
    pub(super) fn listener(
        &self,
        host: HostIndex,
        at: AddressIndex,
        port: u16,
    ) -> Option<ProcessIndex> {
        let listener = *self.listeners.get(&(host, port))?;
        let process = &self.processes[listener];
        let listens = match port {
            GOSSIP_PORT => process.config.is_gossip_hub,
            // A process that was started again listens on another port.
            port => process.port == port && self.has_sockets_at(listener, at),
        };
        (listens && self.is_running(listener)).then_some(listener)
    }

    /// Nothing came back: TCP tries again after 1 s, 2 s, 4 s and so on.
    fn connect_again(&mut self, index: WireIndex) {
        let Some(wire) = &mut self.wires[index] else {
            return;
        };
        wire.attempts += 1;
        let again = Duration::from_secs(1 << wire.attempts.min(10) >> 1);
        let event = match wire.attempts < CONNECT_ATTEMPTS {
            true => SimEvent::Connect(index),
            false => SimEvent::Refused(index, "connection timed out"),
        };
        self.schedule.put(self.now + again, event);
    }

    /// The process at the other host learns of a new connection.
    pub(super) fn accept(&mut self, index: WireIndex) {
        let Some(wire) = &self.wires[index] else {
            return;
        };
        let (taker, at) = (
            wire.end(Side::Taker).process(),
            wire.end(Side::Taker).address(),
        );
        // Any port will do, as long as the connections of a test do not share one.
        let port = 32768 + u16::try_from(index % 16384).unwrap_or(0);
        let opener = wire.end(Side::Opener).address();
        let remote = self.seen_from(self.processes[taker].host, at, opener, port);
        let from = Caller {
            id: wire.opened_by.into(),
            key: wire.keys.as_ref().map(|keys| keys.own),
        };
        let is_gossip = wire.port == GOSSIP_PORT;
        let now = self.local(taker);
        self.trace
            .note(self.now, taker, Note::Accepts { wire: index });
        let process = &mut self.processes[taker];
        let link = match is_gossip {
            true => process.machine.handle_gossip_accepted(remote, now),
            false => process.machine.handle_accepted(remote, from, now),
        };
        process.wires.insert(link, index, Side::Taker);
        if let Some(wire) = &mut self.wires[index] {
            let end = wire.end_mut(Side::Taker);
            end.link = Some(link);
            end.connected = true;
        }
        self.drain(taker);
        // Something may have arrived while the host was frozen.
        self.read(index, Side::Taker);
    }

    /// The opener learns that it is connected, and begins to write.
    pub(super) fn connected(&mut self, index: WireIndex) {
        let Some(end) = self.end(index, Side::Opener).filter(|end| !end.closed) else {
            return;
        };
        end.connected = true;
        let (process, link) = (end.process(), end.link);
        let is_refused = self.wires[index].as_ref().is_some_and(|it| it.is_refused);
        if let Some(link) = link.filter(|_| self.is_running(process)) {
            let now = self.local(process);
            self.trace
                .note(self.now, process, Note::Connected { wire: index });
            let machine = &mut self.processes[process].machine;
            match is_refused {
                true => machine.handle_refused(link, now),
                false => machine.handle_connected(link, now),
            }
            self.drain(process);
            self.write(index, Side::Opener);
        }
    }

    /// The opener learns that it cannot connect.
    pub(super) fn refused(&mut self, index: WireIndex, why: &'static str) {
        // A refused connection has no other end, so it is forgotten here.
        let Some(wire) = self.wires[index].take() else {
            return;
        };
        let end = wire.end(Side::Opener);
        let (process, link) = (end.process(), end.link.filter(|_| !end.closed));
        if let Some(link) = link.filter(|_| self.is_running(process)) {
            let now = self.local(process);
            self.processes[process].wires.remove(link);
            self.trace
                .note(self.now, process, Note::Refused { wire: index, why });
            self.processes[process]
                .machine
                .handle_closed(link, why, now);
            self.drain(process);
        }
    }

    pub(super) fn end(&mut self, wire: WireIndex, side: Side) -> Option<&mut End> {
        Some(self.wires.get_mut(wire)?.as_mut()?.end_mut(side))
    }

    /// Takes from a process what it has to write, as far as the stream has room.
    pub(super) fn write(&mut self, index: WireIndex, side: Side) {
        let Some((process, link)) = self.writer(index, side) else {
            return;
        };
        let writer = &mut self.processes[process];
        let unwritten = writer.machine.unwritten(link);
        writer.metrics.most_unwritten = writer.metrics.most_unwritten.max(unwritten);
        let is_full = self.write_pieces(index, side, (process, link));
        if let Some(end) = self.end(index, side) {
            end.wants = is_full;
        }
        // A node that stops waits until everything is written.
        if !is_full && self.processes[process].machine.is_stopped() {
            self.drain(process);
        }
    }

    /// The process that writes at an end, and its name for the connection; `None` if it cannot
    /// write now.
    fn writer(&self, index: WireIndex, side: Side) -> Option<(ProcessIndex, LinkId)> {
        let end = self.wires.get(index)?.as_ref()?.end(side);
        let (process, link) = (end.process(), end.link?);
        let can_write = !end.closed && end.connected && self.is_awake(process);
        can_write.then_some((process, link))
    }

    /// Sends until nothing is left or the window is full; says whether the window is full.
    fn write_pieces(
        &mut self,
        index: WireIndex,
        side: Side,
        (process, link): (ProcessIndex, LinkId),
    ) -> bool {
        let Some(way) = self.way(index, side.other()) else {
            return false;
        };
        let Some(far) = self.end(index, side.other()) else {
            return false;
        };
        let (mut unread, far_is_closed) = (far.unread(), far.closed);
        let conditions = *self.network.conditions(way.from, way.to, way.lan);
        let now = self.local(process);
        while unread < conditions.window {
            let mut room = conditions.window - unread;
            if let Some(piece) = conditions.piece {
                room = self.network.up_to(piece).min(room);
            }
            let writer = &mut self.processes[process];
            let Some(payload) = writer.machine.write(link, room, now) else {
                return false;
            };
            writer.metrics.stream_bytes += payload.size() as u64;
            // As with TCP: until its reset arrives, a closed end takes everything and drops it.
            if !far_is_closed {
                unread += payload.size();
                self.send(index, side.other(), payload);
            }
        }
        true
    }

    /// Sends something to an end.
    fn send(&mut self, index: WireIndex, to: Side, payload: Payload) {
        let Some(way) = self.way(index, to) else {
            return;
        };
        let at = self.network.stream(way, payload.size(), self.now);
        let Some(wire) = &mut self.wires[index] else {
            return;
        };
        if let Some(at) = wire.carry(to, payload, at) {
            self.schedule.put(at, SimEvent::Arrival(index, to));
        }
    }

    /// The way to an end from the other one, open or not.
    fn way(&self, index: WireIndex, to: Side) -> Option<Path> {
        let wire = self.wires.get(index)?.as_ref()?;
        let (sender, receiver) = (wire.end(to.other()), wire.end(to));
        let host = |end: &End| self.processes[end.process()].host;
        let (from, source) = (host(sender), sender.address());
        Some(self.network.way(from, source, host(receiver)))
    }

    /// Looks at what has arrived at an end.
    pub(super) fn arrival(&mut self, index: WireIndex, side: Side) {
        let now = self.now;
        let Some(wire) = &mut self.wires[index] else {
            return;
        };
        let (process, target) = (wire.end(side).process(), wire.end(side).address());
        let (sender, source) = (
            wire.end(side.other()).process(),
            wire.end(side.other()).address(),
        );
        let path = self
            .network
            .path(self.processes[sender].host, source, target);
        let end = wire.end_mut(side);
        // What was under way when the network failed is sent again, later and later.
        let Some(path) = path else {
            let again = now + Network::retry_delay(end.fail());
            return self.schedule.put(again, SimEvent::Arrival(index, side));
        };
        // The host that has the address now knows nothing of this connection, and says so.
        if path.to != self.processes[process].host {
            end.break_off("connection reset");
            return self.send(index, side.other(), Payload::End("connection reset"));
        }
        if end.closed {
            return self.refuse_data(index, side);
        }
        if let Some(next) = end.arrive(now) {
            self.schedule.put(next, SimEvent::Arrival(index, side));
        }
        self.read(index, side);
    }

    /// Something arrived at an end that is closed: its system answers with a reset.
    fn refuse_data(&mut self, index: WireIndex, side: Side) {
        if let Some(end) = self.end(index, side) {
            end.discard();
        }
        self.send(index, side.other(), Payload::End("connection reset"));
        self.forget_if_over(index);
    }

    /// Hands what has arrived to a process, as far as the process takes it.
    pub(super) fn read(&mut self, index: WireIndex, side: Side) {
        let mut any = false;
        while let Some((process, link, payload)) = self.next_arrived(index, side) {
            any = true;
            let now = self.local(process);
            let note = Note::Reads {
                wire: index,
                payload: &payload,
            };
            self.trace.note(self.now, process, note);
            if let Payload::End(why) = payload {
                // First removed, so that what the engine does now finds the connection closed.
                self.processes[process].wires.remove(link);
                self.close_end(index, side, "connection closed");
                self.processes[process]
                    .machine
                    .handle_closed(link, why, now);
                self.drain(process);
                return;
            }
            // An engine that is behind leaves a rest, and is asked again when it has resumed.
            let left = self.processes[process].machine.read(link, payload, now);
            if let (Some(left), Some(end)) = (left, self.end(index, side)) {
                end.put_back(left);
            }
            self.drain(process);
        }
        if any {
            self.tell_of_room(index, side);
        }
    }

    /// The next piece that a process can read, with the process and its name for the connection.
    fn next_arrived(
        &mut self,
        index: WireIndex,
        side: Side,
    ) -> Option<(ProcessIndex, LinkId, Payload)> {
        let end = self.end(index, side)?;
        let (process, link) = (end.process(), end.link?);
        if end.closed || end.stalled || !end.has_arrived() {
            return None;
        }
        if !self.is_awake(process) || !self.processes[process].machine.may_read(link) {
            return None;
        }
        let payload = self.end(index, side)?.next_arrived()?;
        Some((process, link, payload))
    }

    /// Tells the other end that it can write again, if it waits for that.
    fn tell_of_room(&mut self, index: WireIndex, side: Side) {
        let Some(wire) = &mut self.wires[index] else {
            return;
        };
        if !std::mem::take(&mut wire.end_mut(side.other()).wants) {
            return;
        }
        let Some(way) = self.way(index, side.other()) else {
            return;
        };
        // TCP's window update needs its time, too.
        let conditions = *self.network.conditions(way.from, way.to, way.lan);
        let at = self.now + self.network.delay(&conditions);
        self.schedule.put(at, SimEvent::Room(index, side.other()));
    }

    /// Goes on reading and writing on all connections, after a congestion or a freeze.
    pub(crate) fn resume(&mut self, process: ProcessIndex) {
        let ends: Vec<_> = self.processes[process].wires.iter().collect();
        for (wire, side) in ends {
            self.read(wire, side);
            self.write(wire, side);
        }
    }

    /// A process, or its system for it, closes its end. What was written before still arrives.
    pub(super) fn close_end(&mut self, index: WireIndex, side: Side, why: &'static str) {
        let Some(end) = self.end(index, side).filter(|end| !end.closed) else {
            return;
        };
        end.closed = true;
        end.discard();
        // If neither end ever was connected, there is nobody to tell.
        let connected = end.connected;
        let other = self.end(index, side.other());
        if connected || other.is_some_and(|other| other.connected) {
            self.send(index, side.other(), Payload::End(why));
        }
        self.forget_if_over(index);
    }

    fn forget_if_over(&mut self, index: WireIndex) {
        if self.wires[index]
            .as_ref()
            .is_some_and(|wire| wire.is_over())
        {
            self.wires[index] = None;
        }
    }
}

/// Faults of connections.
impl World {
    /// The connections that one host's processes opened to another's.
    fn wires_between(&self, from: HostIndex, to: HostIndex) -> Vec<WireIndex> {
        let host = |wire: &Wire, side| self.processes[wire.end(side).process()].host;
        let is_between =
            |wire: &Wire| (host(wire, Side::Opener), host(wire, Side::Taker)) == (from, to);
        let wires = self.wires.iter().enumerate();
        wires
            .filter_map(|(index, wire)| {
                wire.as_ref()
                    .is_some_and(|wire| is_between(wire))
                    .then_some(index)
            })
            .collect()
    }

    /// Sets whether a host leaves unread what another one sends over connections that it opened.
    pub(crate) fn set_stalled(&mut self, from: HostIndex, to: HostIndex, stalled: bool) {
        for wire in self.wires_between(from, to) {
            if let Some(end) = self.end(wire, Side::Taker) {
                end.stalled = stalled;
            }
            // If it is read again, this takes what has arrived.
            self.read(wire, Side::Taker);
        }
    }

    /// Both ends learn that the connection is gone, and what was under way is lost.
    pub(crate) fn reset(&mut self, from: HostIndex, to: HostIndex) {
        for wire in self.wires_between(from, to) {
            for side in Side::BOTH {
                if let Some(end) = self.end(wire, side).filter(|end| !end.closed && !end.ended) {
                    end.break_off("connection reset");
                }
            }
            // Only now, as reading the end of one side closes the other.
            for side in Side::BOTH {
                self.read(wire, side);
            }
        }
    }

    /// The accepting ends read the end after what was sent. The opening ends learn nothing.
    pub(crate) fn half_close(&mut self, from: HostIndex, to: HostIndex) {
        for wire in self.wires_between(from, to) {
            let found = self.wires[wire].as_mut();
            if let Some(wire) = found {
                // So that the answer of the accepting end, which closes as well, never arrives.
                wire.end_mut(Side::Opener).ended = true;
            }
            self.send(wire, Side::Taker, Payload::End("end of stream"));
        }
    }
}
