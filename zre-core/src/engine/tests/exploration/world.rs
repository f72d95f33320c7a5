//! Two honest nodes, the network between them, and what an adversary has put on it.

use std::{
    format,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    string::String,
    vec,
    vec::Vec,
};

use core::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
};

use bytes::Bytes;
use zre_proto::{Beacon, Body, Endpoint, Message, PeerId};

use super::{
    ledger::Ledger,
    wire::{Cut, End, Item, Wire},
};
use crate::{
    config::{Config, NetworkSettings},
    engine::{Engine, Output},
    event::Event,
    interfaces::{Interface, InterfaceAddress, Interfaces, IpVersion, NetworkId},
    link::MessageLink,
    node::tests as node_tests,
    seed::Seed,
    time::Instant,
};

pub(super) const ALICE: usize = 0;
pub(super) const BOB: usize = 1;
pub(super) const EVE: usize = 2;
/// Where they are reached.
pub(super) const PORT: u16 = 49152;
/// The group that they want to lead.
const GROUP: &str = "G";
/// Where the honest nodes' connections come from.
pub(super) const HONEST_PORT: u16 = 40_000;

/// A state of everything.
#[derive(Clone)]
pub(super) struct World {
    pub(super) now: Instant,
    /// Shared with the states before, as an action changes one of them at most.
    pub(super) hosts: [Rc<Host>; 2],
    pub(super) wires: Vec<Wire>,
    pub(super) datagrams: Vec<Datagram>,
    pub(super) ledger: Ledger,
    /// What may still be done that need not be.
    pub(super) budget: Budget,
    /// When the network or a host last failed.
    pub(super) failed_at: Option<Instant>,
    /// Whether the adversary takes connections.
    pub(super) eve_listens: bool,
    /// Whether beacons arrive when they are sent.
    pub(super) prompt_beacons: bool,
    /// Whether the nodes elect a leader.
    pub(super) elects: bool,
    /// An address at which nobody answers any more, and to which nothing comes.
    pub(super) dead: Option<IpAddr>,
    /// How many connections have been opened, HELLOs in them.
    pub(super) opened: u32,
    wires_made: u32,
}

#[derive(Clone)]
pub(super) struct Host {
    pub(super) engine: Engine<MessageLink>,
    /// Where it connects from, and is reached.
    pub(super) address: SocketAddr,
    /// Its networks, if it is told of them; the address is that of the first.
    networks: Vec<(NetworkId, SocketAddr)>,
    pub(super) frozen_until: Instant,
    /// Of everything above.
    digest: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    pub(super) to: usize,
    pub(super) content: Bytes,
}

/// How often each thing may still happen.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) lies: u8,
    pub(super) whispers: [u8; 2],
    pub(super) faults: u8,
    /// Whether one of these comes before time passes.
    pub(super) begins_at_once: bool,
    /// Until when these are done.
    pub(super) free_until: Instant,
    /// Until when the orders of events are explored.
    pub(super) until: Instant,
}

impl Host {
    pub(super) fn start(host: usize, port: u16, start: u8, elects: bool, now: Instant) -> Self {
        let name = ["alice", "bob"][host];
        let mut config = node_tests::config(name, host + 1);
        config.endpoint = Endpoint::new(config.endpoint.to_socket_addr().unwrap().ip(), nz(port));
        config.id = Some(id_of(host));
        if elects {
            config.groups = [node_tests::group(GROUP)].into();
            config.contest = config.groups.clone();
        }
        let address = config.endpoint.to_socket_addr().unwrap();
        let seed = Seed::predictable([start * 2 + u8::try_from(host).unwrap(); 32]);
        Self {
            engine: Self::engine(config, seed, now),
            address,
            networks: Vec::new(),
            frozen_until: Instant::default(),
            digest: 0,
        }
    }

    /// A host that is told its networks.
    fn start_mobile(host: usize, now: Instant) -> Self {
        let mut started = Self::start(host, PORT, 0, false, now);
        let mut config = started.engine.node().config().clone();
        config.networks = Some(NetworkSettings {
            interfaces: Interfaces::All,
            ip: IpVersion::V4,
        });
        let seed = Seed::predictable([u8::try_from(host).unwrap(); 32]);
        started.engine = Self::engine(config, seed, now);
        started
    }

    fn place_of(&self, network: NetworkId) -> SocketAddr {
        let mut networks = self.networks.iter();
        let found = networks.find(|(id, _)| *id == network);
        found.map_or(self.address, |(_, address)| *address)
    }

    fn engine(config: Config, seed: Seed, now: Instant) -> Engine<MessageLink> {
        Engine::with_messages(config, seed, now)
    }

    fn take_digest(&mut self, text: &mut String) {
        use core::fmt::Write as _;
        text.clear();
        write!(text, "{:?}", self.engine).unwrap();
        let mut hasher = DefaultHasher::new();
        hasher.write(text.as_bytes());
        (self.address, self.frozen_until, &self.networks).hash(&mut hasher);
        self.digest = hasher.finish();
    }
}

fn subnet(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(v4) => v4.octets()[2],
        IpAddr::V6(_) => 0,
    }
}

fn nz(port: u16) -> core::num::NonZeroU16 {
    port.try_into().unwrap()
}

pub(super) fn id_of(host: usize) -> PeerId {
    node_tests::id_of(["alice", "bob", "eve"][host])
}

pub(super) fn address_of(host: usize) -> SocketAddr {
    let host = [1, 2, 66][host];
    SocketAddr::from(([10, 0, 0, host], 49152))
}

impl World {
    /// Both nodes have just been started; their first beacons are under way. If it `elects`, both
    /// want to lead a group.
    pub(super) fn new(budget: Budget, prompt_beacons: bool, elects: bool) -> Self {
        let now = Instant::from_micros(1_000_000);
        let hosts = [ALICE, BOB].map(|host| Rc::new(Host::start(host, 49152, 0, elects, now)));
        let mut world = Self {
            now,
            hosts,
            wires: Vec::new(),
            datagrams: Vec::new(),
            ledger: Ledger::default(),
            budget,
            failed_at: None,
            eve_listens: true,
            prompt_beacons,
            elects,
            dead: None,
            opened: 0,
            wires_made: 0,
        };
        world.drain(ALICE);
        world.drain(BOB);
        world
    }

    /// Bob has these addresses from now on.
    pub(super) fn move_bob(&mut self, addresses: &[IpAddr]) {
        let interface = |(place, address): (usize, &IpAddr)| {
            let mut interface =
                Interface::new(format!("eth{place}"), u32::from(subnet(*address)) + 1);
            interface.addresses = vec![InterfaceAddress::new(*address, 24)];
            interface
        };
        let interfaces: Vec<_> = addresses.iter().enumerate().map(interface).collect();
        self.call(BOB, |engine, now| {
            engine.handle_interfaces(&interfaces, now);
        });
    }

    /// In place of the bob that was started, one that is told its networks.
    pub(super) fn replace_bob(&mut self, addresses: &[IpAddr]) {
        self.hosts[BOB] = Rc::new(Host::start_mobile(BOB, self.now));
        self.move_bob(addresses);
    }

    fn listen(&mut self, host: usize, network: NetworkId, address: IpAddr) {
        let now = self.now;
        let it = self.host(host);
        it.networks.push((network, SocketAddr::new(address, PORT)));
        it.address = it.networks[0].1;
        it.engine.handle_listening(network, nz(PORT), now);
    }

    /// The network is gone with all connections by it, and the other side is not told.
    fn leave(&mut self, host: usize, network: NetworkId) {
        let it = self.host(host);
        let left = it.place_of(network);
        it.networks.retain(|(id, _)| *id != network);
        if let Some((_, first)) = it.networks.first() {
            it.address = *first;
        }
        self.dead = Some(left.ip());
        let now = self.now;
        let mut ended = Vec::new();
        for wire in &mut self.wires {
            let opener_left = wire.opener.host == host && wire.from.ip() == left.ip();
            let acceptor_left = wire.acceptor.host == host && wire.to.ip() == left.ip();
            for (end, has_left) in [
                (&mut wire.opener, opener_left),
                (&mut wire.acceptor, acceptor_left),
            ] {
                if has_left && end.is_open {
                    end.is_open = false;
                    ended.extend(end.link);
                }
            }
            if opener_left || acceptor_left {
                wire.cut(Cut::Silent, now);
                wire.queue.clear();
            }
        }
        self.wires.retain(|wire| !wire.is_gone());
        for link in ended {
            let engine = &mut self.host(host).engine;
            engine.handle_closed(link, "the network is gone", now);
        }
    }

    /// Nothing crosses the network of this address any more, and nobody is told.
    pub(super) fn deaden(&mut self, address: IpAddr) {
        self.dead = Some(address);
        let now = self.now;
        for wire in &mut self.wires {
            if [wire.from.ip(), wire.to.ip()].contains(&address) {
                wire.cut(Cut::Silent, now);
            }
        }
    }

    /// Where a host connects from: by a network that lives, if it has one.
    fn source_of(&self, host: usize) -> SocketAddr {
        let host = &self.hosts[host];
        let mut networks = host.networks.iter().map(|(_, address)| *address);
        let living = networks.find(|address| self.dead != Some(address.ip()));
        living.unwrap_or(host.address)
    }

    /// Whether an attempt to connect gets an answer.
    pub(super) fn is_answered(&self, wire: &Wire) -> bool {
        let ends = [Some(wire.from.ip()), Some(wire.to.ip())];
        self.dead.is_none() || !ends.contains(&self.dead)
    }

    pub(super) fn host(&mut self, host: usize) -> &mut Host {
        Rc::make_mut(&mut self.hosts[host])
    }

    /// Calls an engine and carries out what it wants.
    pub(super) fn call(
        &mut self,
        host: usize,
        call: impl FnOnce(&mut Engine<MessageLink>, Instant),
    ) {
        let now = self.now;
        call(&mut self.host(host).engine, now);
        self.drain(host);
    }

    pub(super) fn drain(&mut self, host: usize) {
        while let Some(output) = self.host(host).engine.poll_output() {
            self.carry_out(host, output);
        }
        while let Some(notice) = self.host(host).engine.poll_notice() {
            self.ledger.note(host, &notice);
        }
        while let Some(event) = self.host(host).engine.poll_event() {
            self.hear(host, &event);
        }
        self.wires.retain(|wire| !wire.is_gone());
        std::thread_local! {
            static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
        }
        TEXT.with_borrow_mut(|text| self.host(host).take_digest(text));
    }

    fn hear(&mut self, host: usize, event: &Event) {
        self.ledger.hear(host, event);
    }

    fn carry_out(&mut self, host: usize, output: Output) {
        match output {
            Output::Datagram {
                network,
                datagram: content,
            } => {
                let mut from = self.hosts[host].place_of(network);
                if self.dead == Some(from.ip()) {
                    return;
                }
                from.set_port(5670);
                self.send_datagram(Datagram {
                    from,
                    to: 1 - host,
                    content,
                });
            }
            Output::Open { link, endpoint, .. } => {
                let to = endpoint.to_socket_addr().unwrap();
                self.check_place(host, link, to);
                let mut from = self.source_of(host);
                from.set_port(HONEST_PORT);
                let opener = End {
                    host,
                    link: Some(link),
                    is_open: true,
                };
                self.add_wire(opener, from, to, id_of(host));
            }
            Output::Writable(link) => self.write(host, link),
            Output::Close(link) => self.close(host, link),
            Output::Listen { network, address } => self.listen(host, network, address.address),
            Output::Leave(network) => self.leave(host, network),
            Output::Resume => {}
        }
    }

    /// A node never connects to itself, nor to the place of a peer that is there for another.
    fn check_place(&mut self, host: usize, link: crate::LinkId, to: SocketAddr) {
        let peer = self.hosts[host].engine.peer_of(link);
        match self.host_at(to) {
            Some(at) if at == host => self.ledger.fail("a node connects to itself".into()),
            Some(at) if at != EVE && self.ledger.is_calm && peer != Some(id_of(at)) => {
                self.ledger
                    .fail("a peer's place is taken for another's".into());
            }
            _ => {}
        }
    }

    pub(super) fn add_wire(
        &mut self,
        opener: End,
        from: SocketAddr,
        to: SocketAddr,
        identity: PeerId,
    ) -> &mut Wire {
        self.opened += 1;
        self.wires_made += 1;
        self.wires.push(Wire {
            number: self.wires_made,
            opener,
            acceptor: End {
                host: self.host_at(to).unwrap_or(EVE),
                link: None,
                is_open: false,
            },
            from,
            to,
            identity,
            is_connected: false,
            queue: vec![Item::Accept].into(),
            ends_for_opener: false,
            cut: Cut::Whole,
            given_up_at: [None; 2],
            sent: 0,
            misfits: false,
        });
        self.wires.last_mut().unwrap()
    }

    /// Who takes connections there.
    pub(super) fn host_at(&self, address: SocketAddr) -> Option<usize> {
        let mut address = address;
        address.set_ip(address.ip().to_canonical());
        let at = |host: usize| {
            let host = &self.hosts[host];
            let mut networks = host.networks.iter();
            match host.networks.is_empty() {
                true => host.address == address,
                false => networks.any(|(_, at)| *at == address),
            }
        };
        let honest = [ALICE, BOB].into_iter().find(|host| at(*host));
        honest.or((self.eve_listens && address == address_of(EVE)).then_some(EVE))
    }

    fn write(&mut self, host: usize, link: crate::LinkId) {
        let Some(place) = self.find(host, link) else {
            return;
        };
        while let Some(message) = self.host(host).engine.next_message(link) {
            match self.wires[place].acceptor.host {
                EVE => self.eve_reads(place, &message),
                _ => self.wires[place].write(Item::Message(message), self.now),
            }
        }
        let now = self.now;
        self.host(host).engine.handle_written(now);
    }

    fn find(&self, host: usize, link: crate::LinkId) -> Option<usize> {
        let is_end = |end: &End| end.host == host && end.link == Some(link);
        let mut wires = self.wires.iter();
        wires.position(|wire| is_end(&wire.opener) || is_end(&wire.acceptor))
    }

    fn close(&mut self, host: usize, link: crate::LinkId) {
        let Some(place) = self.find(host, link) else {
            return;
        };
        let wire = &mut self.wires[place];
        if wire.opener.host != host || wire.opener.link != Some(link) {
            let is_in_use = wire.opener.host != EVE && wire.opener.is_open;
            self.ledger.has_closed_honest |= is_in_use;
            wire.close_acceptor();
        } else if wire.is_connected {
            wire.close_opener();
        } else {
            self.wires.remove(place);
        }
    }

    pub(super) fn send_datagram(&mut self, datagram: Datagram) {
        // One that is sent under a peer's own roof is not waited for.
        if self.prompt_beacons {
            self.deliver_datagram(&datagram);
        } else {
            self.datagrams.push(datagram);
        }
    }

    pub(super) fn deliver_datagram(&mut self, datagram: &Datagram) {
        let (from, content) = (datagram.from, datagram.content.clone());
        self.call(datagram.to, |engine, now| {
            engine.handle_datagram(from, &content, now);
        });
    }

    /// What is sent to the adversary: she answers questions.
    fn eve_reads(&mut self, place: usize, message: &Message) {
        match &message.body {
            Body::Whisper { content } => self.ledger.leak(content),
            Body::Ping => {
                self.ledger.eve_may_answer = true;
                let host = self.wires[place].opener.host;
                let mut own = self.wires.iter_mut().rev();
                if let Some(wire) = own.find(|wire| wire.joins(EVE, host)) {
                    wire.lie(Body::PingOk, self.now);
                }
            }
            _ => {}
        }
    }

    /// Whether both sessions stand on connections that are whole.
    pub(super) fn is_healthy(&self) -> bool {
        [(ALICE, BOB), (BOB, ALICE)]
            .into_iter()
            .all(|(from, to)| self.is_joined(from, to))
    }

    /// Whether both nodes have the same leader, if they elect one: the lower of them.
    pub(super) fn agrees(&self) -> bool {
        let leads = |host: &Rc<Host>| host.engine.node().leader(&node_tests::group(GROUP));
        let first = [ALICE, BOB].map(id_of).into_iter().min();
        !self.elects || self.hosts.iter().all(|host| leads(host) == first)
    }

    fn is_joined(&self, from: usize, to: usize) -> bool {
        let peer = |host: usize, end: &End| self.hosts[host].engine.peer_of(end.link?);
        self.hosts[from].engine.node().is_ready(id_of(to))
            && self.wires.iter().any(|wire| {
                wire.joins(from, to)
                    && wire.cut == Cut::Whole
                    && wire.opener.is_open
                    && wire.acceptor.is_open
                    && peer(from, &wire.opener) == Some(id_of(to))
                    && peer(to, &wire.acceptor) == Some(id_of(from))
            })
    }

    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.digest_of_network().hash(&mut hasher);
        (self.budget, &self.ledger, self.failed_at).hash(&mut hasher);
        hasher.finish()
    }

    /// Of the nodes and what is between them.
    pub(super) fn digest_of_network(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.now, self.dead).hash(&mut hasher);
        (self.hosts[0].digest, self.hosts[1].digest).hash(&mut hasher);
        // Added up, as their order means nothing.
        let wires = self.wires.iter().map(|wire| {
            let wire = Wire {
                number: 0,
                ..wire.clone()
            };
            hash(&format!("{wire:?}"))
        });
        let datagrams = self.datagrams.iter().map(|it| hash(&format!("{it:?}")));
        let sum = wires.chain(datagrams).fold(0, u64::wrapping_add);
        sum.hash(&mut hasher);
        hasher.finish()
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

impl Wire {
    /// The adversary sends the next message.
    pub(super) fn lie(&mut self, body: Body, now: Instant) {
        self.sent = self.sent.wrapping_add(1);
        let sequence = self.sent;
        self.write(Item::Message(Message { sequence, body }), now);
    }
}

pub(super) fn beacon(peer: PeerId, port: Option<u16>) -> Bytes {
    Beacon {
        peer,
        port: port.map(nz),
        public_key: None,
    }
    .encode()
}
