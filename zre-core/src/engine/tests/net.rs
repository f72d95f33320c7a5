//! Engines on one network: a clock that steps to the next deadline, and wires that carry octets.

use alloc::{collections::VecDeque, format, string::String, vec, vec::Vec};
use core::{net::SocketAddr, time::Duration};

use bytes::{Buf as _, Bytes};

use crate::{
    config::Config,
    engine::{Engine, LinkId, Output},
    event::Event,
    notice::Notice,
    time::Instant,
};
use zre_proto::{GroupName, PeerId, ShortText};

/// Engines, joined by wires.
pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) hosts: Vec<Host>,
    pub(super) wires: Vec<Wire>,
    /// How many octets are carried at once.
    pub(super) piece: usize,
    /// How many octets are on their way in one direction of a wire at most.
    pub(super) capacity: usize,
    /// Every output, and every amount of octets written.
    pub(super) trace: Vec<String>,
    beacons: Vec<(usize, Bytes)>,
}

/// An engine with what the world does to it.
pub(super) struct Host {
    pub(super) engine: Engine,
    pub(super) address: SocketAddr,
    pub(super) alive: bool,
    /// Whether its port takes connections.
    pub(super) listens: bool,
    /// Whether beacons reach it.
    pub(super) hears: bool,
    /// Whether its application takes events.
    pub(super) takes_events: bool,
    pub(super) events: Vec<Event>,
    pub(super) notices: Vec<Notice>,
    /// When it wanted to open a connection.
    pub(super) opened_at: Vec<Instant>,
    pub(super) timeouts: usize,
    pub(super) resumed: usize,
}

/// A connection; its first end is the one that connected.
pub(super) struct Wire {
    pub(super) ends: [WireEnd; 2],
    /// Nothing crosses any more, and nobody is told.
    pub(super) cut: bool,
}

pub(super) struct WireEnd {
    pub(super) host: usize,
    pub(super) link: LinkId,
    /// Whether the host leaves alone what has come here.
    pub(super) stalled: bool,
    arrived: VecDeque<u8>,
    writable: bool,
    /// The other end is closed; told when everything before has been read.
    ends: bool,
    closed: bool,
}

impl Net {
    pub(super) fn new() -> Self {
        Self {
            now: Instant::from_micros(1_000_000),
            hosts: Vec::new(),
            wires: Vec::new(),
            piece: usize::MAX,
            capacity: 64 << 10,
            trace: Vec::new(),
            beacons: Vec::new(),
        }
    }

    /// Two nodes that have entered each other's view; what they were told of it is taken.
    pub(super) fn of_two() -> Self {
        let mut net = Self::new();
        net.add("alice");
        net.add("bob");
        net.settle();
        assert_eq!(net.told(0), ["enter bob"]);
        assert_eq!(net.told(1), ["enter alice"]);
        net
    }

    pub(super) fn add(&mut self, name: &'static str) -> usize {
        let config = self.config(name);
        self.add_with(config)
    }

    /// A configuration for the host that comes next, at an endpoint of its own.
    pub(super) fn config(&self, name: &'static str) -> Config {
        let number = self.hosts.len() + 1;
        let endpoint = format!("tcp://10.0.0.{number}:49152").parse().unwrap();
        let mut config = Config::new(endpoint);
        config.name = Some(ShortText::try_from(name).unwrap());
        config
    }

    /// A host at the endpoint that its configuration names.
    pub(super) fn add_with(&mut self, config: Config) -> usize {
        let number = self.hosts.len();
        let address = config.endpoint.to_socket_addr().unwrap();
        let seed = [number.to_le_bytes()[0] + 1; 32];
        self.hosts.push(Host {
            engine: Engine::new(config, seed, self.now),
            address,
            alive: true,
            listens: true,
            hears: true,
            takes_events: true,
            events: Vec::new(),
            notices: Vec::new(),
            opened_at: Vec::new(),
            timeouts: 0,
            resumed: 0,
        });
        number
    }

    pub(super) fn engine(&mut self, host: usize) -> &mut Engine {
        &mut self.hosts[host].engine
    }

    pub(super) fn id(&self, host: usize) -> PeerId {
        self.hosts[host].engine.node().id()
    }

    pub(super) fn whisper(&mut self, from: usize, to: usize, text: &'static str) {
        let (to, now) = (self.id(to), self.now);
        self.engine(from).whisper(to, text.into(), now).unwrap();
    }

    pub(super) fn join(&mut self, host: usize, name: &'static str) {
        let now = self.now;
        self.engine(host).join(&group(name), now).unwrap();
    }

    pub(super) fn stop(&mut self, host: usize) {
        let now = self.now;
        self.engine(host).stop(now);
    }

    /// What the host's application has heard since it was last asked, in short.
    pub(super) fn told(&mut self, host: usize) -> Vec<String> {
        let events = core::mem::take(&mut self.hosts[host].events);
        events.iter().map(in_short).collect()
    }

    /// The process is gone: the system closes what it had open, and refuses its port.
    pub(super) fn kill(&mut self, host: usize) {
        self.hosts[host].alive = false;
        for wire in 0..self.wires.len() {
            for end in 0..2 {
                if self.wires[wire].ends[end].host == host {
                    self.close_end(wire, end);
                }
            }
        }
    }

    /// The machine is gone: nothing crosses any more, and nobody is told.
    pub(super) fn unplug(&mut self, host: usize) {
        self.hosts[host].alive = false;
        for wire in &mut self.wires {
            wire.cut |= wire.ends.iter().any(|end| end.host == host);
        }
    }

    /// The newest connection that `from` opened to `to`.
    pub(super) fn wire(&mut self, from: usize, to: usize) -> &mut Wire {
        let mut newest_first = self.wires.iter_mut().rev();
        newest_first
            .find(|wire| wire.ends[0].host == from && wire.ends[1].host == to)
            .unwrap()
    }

    /// Ends the connection that `from` opened to `to`, in the middle, for both sides.
    pub(super) fn break_wire(&mut self, from: usize, to: usize) {
        for end in &mut self.wire(from, to).ends {
            end.ends = true;
        }
    }

    /// Reads one piece from the stalled connection that `from` opened to `to`.
    pub(super) fn read_once(&mut self, from: usize, to: usize) {
        let ends = |wire: &Wire| (wire.ends[0].host, wire.ends[1].host) == (from, to);
        let wire = self.wires.iter().rposition(ends).unwrap();
        self.wires[wire].ends[1].stalled = false;
        self.read(wire, 1);
        self.wires[wire].ends[1].stalled = true;
    }

    /// Carries everything that is on its way, without any time passing.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000_000 {
            if !self.carry_some() {
                return;
            }
        }
        panic!("the network never comes to rest");
    }

    /// Lets time pass, in steps from one deadline to the next.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        while let Some(next) = self.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            for host in 0..self.hosts.len() {
                self.time_out(host);
            }
            self.settle();
        }
        self.now = end;
    }

    /// How many connections are open at either end.
    pub(super) fn open_wires(&self) -> usize {
        let is_open = |wire: &&Wire| wire.ends.iter().any(|end| !end.closed);
        self.wires.iter().filter(is_open).count()
    }

    fn next_timeout(&self) -> Option<Instant> {
        let living = self.hosts.iter().filter(|host| host.alive);
        living.filter_map(|host| host.engine.poll_timeout()).min()
    }

    fn time_out(&mut self, number: usize) {
        let now = self.now;
        let host = &mut self.hosts[number];
        if !host.alive || host.engine.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        host.timeouts += 1;
        host.engine.handle_timeout(now);
        let next = host.engine.poll_timeout();
        assert!(next.is_none_or(|at| at > now), "a timer spins");
    }

    /// `false` if nothing is left to do.
    fn carry_some(&mut self) -> bool {
        let mut any = false;
        for host in 0..self.hosts.len() {
            if self.hosts[host].alive {
                any |= self.take_outputs(host);
                self.take_events(host);
            }
        }
        for (from, beacon) in core::mem::take(&mut self.beacons) {
            any = true;
            self.broadcast(from, &beacon);
        }
        for wire in 0..self.wires.len() {
            for end in 0..2 {
                any |= self.write(wire, end) | self.read(wire, end);
            }
        }
        any
    }

    fn take_events(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        while let Some(notice) = host.engine.poll_notice() {
            host.notices.push(notice);
        }
        while host.takes_events
            && let Some(event) = host.engine.poll_event()
        {
            host.events.push(event);
        }
    }

    fn take_outputs(&mut self, host: usize) -> bool {
        let mut any = false;
        while let Some(output) = self.hosts[host].engine.poll_output() {
            any = true;
            self.trace.push(format!("{host} {output:?}"));
            match output {
                Output::Datagram(beacon) => self.beacons.push((host, beacon)),
                Output::Open { link, endpoint } => {
                    self.hosts[host].opened_at.push(self.now);
                    self.open(host, link, endpoint.to_socket_addr().unwrap());
                }
                Output::Writable(link) => {
                    if let Some((wire, end)) = self.find(host, link) {
                        self.wires[wire].ends[end].writable = true;
                    }
                }
                Output::Close(link) => {
                    let found = self.find(host, link);
                    if let Some((wire, end)) = found {
                        self.close_end(wire, end);
                    }
                }
                Output::Resume => self.hosts[host].resumed += 1,
            }
        }
        any
    }

    fn broadcast(&mut self, from: usize, beacon: &[u8]) {
        let (mut address, now) = (self.hosts[from].address, self.now);
        address.set_port(5670);
        for host in self
            .hosts
            .iter_mut()
            .filter(|host| host.alive && host.hears)
        {
            host.engine.handle_datagram(address, beacon, now);
        }
    }

    fn open(&mut self, client: usize, link: LinkId, to: SocketAddr) {
        let now = self.now;
        let server = self
            .hosts
            .iter()
            .position(|host| host.address == to && host.alive && host.listens);
        let Some(server) = server else {
            let engine = self.engine(client);
            return engine.handle_closed(link, "connection refused", now);
        };
        let mut remote = self.hosts[client].address;
        remote.set_port(40_000);
        let accepted = self.engine(server).handle_accepted(remote, now);
        self.wires.push(Wire {
            ends: [WireEnd::new(client, link), WireEnd::new(server, accepted)],
            cut: false,
        });
        self.engine(client).handle_connected(link, now);
    }

    fn find(&self, host: usize, link: LinkId) -> Option<(usize, usize)> {
        let ends = |wire: &Wire| {
            let ends = wire.ends.iter();
            ends.map(|end| (end.host, end.link))
                .position(|end| end == (host, link))
        };
        let mut wires = self.wires.iter().enumerate();
        wires.find_map(|(number, wire)| Some((number, ends(wire)?)))
    }

    fn close_end(&mut self, wire: usize, end: usize) {
        let wire = &mut self.wires[wire];
        wire.ends[end].closed = true;
        wire.ends[1 - end].ends = true;
    }

    fn write(&mut self, wire: usize, end: usize) -> bool {
        let wire = &mut self.wires[wire];
        let there = wire.ends[1 - end].arrived.len();
        let is_open = !wire.ends[1 - end].closed;
        let here = &mut wire.ends[end];
        let room = self.capacity.saturating_sub(there).min(self.piece);
        if here.closed || !here.writable || room == 0 || wire.cut {
            return false;
        }
        let host = &mut self.hosts[here.host];
        let Some(outbox) = host.engine.write_buffer(here.link) else {
            here.writable = false;
            return false;
        };
        let count = room.min(outbox.remaining());
        let octets = outbox.copy_to_bytes(count);
        here.writable = outbox.has_remaining();
        host.engine.handle_written(self.now);
        self.trace
            .push(format!("{} {:?} writes {count}", here.host, here.link));
        if is_open {
            wire.ends[1 - end].arrived.extend(octets);
        }
        true
    }

    fn read(&mut self, wire: usize, end: usize) -> bool {
        let wire = &mut self.wires[wire];
        let end = &mut wire.ends[end];
        let engine = &mut self.hosts[end.host].engine;
        if end.closed || end.stalled || wire.cut || engine.is_congested() {
            return false;
        }
        if end.arrived.is_empty() {
            if end.ends {
                end.closed = true;
                engine.handle_closed(end.link, "connection reset", self.now);
            }
            return end.ends && end.closed;
        }
        let Some(mut reader) = engine.reader(end.link) else {
            // The engine has closed it, which this end has yet to hear.
            end.arrived.clear();
            return true;
        };
        let buffer = reader.buffer();
        let count = buffer.len().min(self.piece).min(end.arrived.len());
        assert!(count > 0, "no room to read");
        let octets: Vec<u8> = end.arrived.drain(..count).collect();
        buffer[..count].copy_from_slice(&octets);
        reader.commit(count, self.now);
        true
    }
}

impl WireEnd {
    fn new(host: usize, link: LinkId) -> Self {
        Self {
            host,
            link,
            stalled: false,
            arrived: VecDeque::new(),
            writable: false,
            ends: false,
            closed: false,
        }
    }
}

pub(super) fn group(name: &'static str) -> GroupName {
    name.try_into().unwrap()
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An event in a few words.
pub(super) fn in_short(event: &Event) -> String {
    let frames = |content: &zre_proto::Content| {
        let frames = content.frames().iter();
        let shown = frames.map(|frame| match frame.len() {
            ..64 => String::from_utf8_lossy(frame).into_owned(),
            length => format!("{length} octets"),
        });
        shown.collect::<Vec<_>>().join("|")
    };
    match event {
        Event::Enter { name, .. } => format!("enter {name}"),
        Event::Exit { name, reason, .. } => format!("exit {name}: {reason}"),
        Event::Join { name, group, .. } => format!("join {name} {group}"),
        Event::Leave { name, group, .. } => format!("leave {name} {group}"),
        Event::Whisper { name, content, .. } => format!("whisper {name} {}", frames(content)),
        Event::Shout {
            name,
            group,
            content,
            ..
        } => format!("shout {name} {group} {}", frames(content)),
        Event::Evasive { name, .. } => format!("evasive {name}"),
        Event::Silent { name, .. } => format!("silent {name}"),
        Event::Stop => "stop".into(),
    }
}

#[test]
fn a_wire_carries_no_more_than_its_capacity() {
    let mut net = Net::of_two();
    net.wire(0, 1).ends[1].stalled = true;
    let (bob, now) = (net.id(1), net.now);
    let large = Bytes::from(vec![1; 1 << 20]);
    net.engine(0).whisper(bob, large.into(), now).unwrap();
    net.settle();
    assert_eq!(net.wire(0, 1).ends[1].arrived.len(), 64 << 10);
}
