//! Hosts on one network, with wires between them and a clock that steps to the next deadline.
//!
//! `C` is what connections carry. A network of messages may have models of other implementations
//! among its hosts.

mod carry;
mod gossip;
mod lans;
mod machine;
mod wire;
mod zyre;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec,
    vec::Vec,
};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use zre_proto::{Endpoint, GroupName, PeerId, curve::PublicKey};

use super::level::Level;
use crate::{
    config::Config,
    engine::{Engine, LinkId},
    event::Event,
    interfaces::NetworkId,
    link::{Link, MessageLink},
    node::tests as node_tests,
    notice::Notice,
    security::Security,
    seed::Seed,
    time::Instant,
};
pub(crate) use gossip::{GOSSIP_PORT, ZyreGossip};
pub(crate) use lans::{v4, v6};
use machine::Machine;
use wire::Wire;
use zyre::Zyre;

/// Hosts, joined by wires.
pub(crate) struct Network<C: Level> {
    pub(crate) now: Instant,
    pub(crate) hosts: Vec<Host<C>>,
    pub(crate) wires: Vec<Wire<C::Piece>>,
    /// How many bytes are carried at once.
    pub(crate) piece: usize,
    /// How many bytes are on their way in one direction of a wire at most.
    pub(crate) capacity: usize,
    /// Where the host names of endpoints lead.
    pub(crate) names: BTreeMap<String, SocketAddr>,
    /// Every output, and everything written.
    pub(crate) trace: Vec<String>,
    /// How long everything is on its way.
    latency: Duration,
    /// How much longer it may be, each its own time.
    jitter: Option<(Duration, ChaCha8Rng)>,
    /// When the last of what is under way between two hosts arrives.
    latest: BTreeMap<(usize, usize), Instant>,
    /// Whether a host is told when the other end of a connection is closed.
    ends_are_told: bool,
    datagrams: BTreeMap<(Instant, usize), (SocketAddr, Bytes)>,
    datagrams_sent: usize,
    /// Addresses that hosts had: nobody answers there.
    former: BTreeSet<IpAddr>,
    /// Connections that nobody answers, at the host that opens them.
    unanswered: Vec<(usize, LinkId)>,
    /// How much of the trace has been searched for HELLOs.
    hellos_counted_to: usize,
}

/// A machine with what the world does to it.
pub(crate) struct Host<C: Level> {
    machine: Box<dyn Machine<C>>,
    pub(crate) address: SocketAddr,
    /// Where it is reached, too.
    pub(crate) other_address: Option<SocketAddr>,
    /// Where it listens, and sends beacons from, on each of its networks.
    sockets: Vec<(NetworkId, SocketAddr)>,
    /// Its addresses that nothing crosses to and from, without anybody being told.
    dead: BTreeSet<IpAddr>,
    alive: bool,
    /// Whether the machine sleeps: nothing happens there.
    pub(crate) sleeps: bool,
    /// Whether its port takes connections.
    pub(crate) listens: bool,
    /// Whether beacons reach it.
    pub(crate) hears: bool,
    /// Whether its application takes events.
    pub(crate) takes_events: bool,
    pub(crate) events: Vec<Event>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) timeouts: usize,
    pub(crate) resumed: usize,
}

/// Making a network.
impl<C: Level> Network<C> {
    pub(crate) fn new() -> Self {
        Self {
            now: Instant::from_micros(1_000_000),
            hosts: Vec::new(),
            wires: Vec::new(),
            piece: usize::MAX,
            capacity: 64 << 10,
            names: BTreeMap::new(),
            trace: Vec::new(),
            latency: Duration::ZERO,
            jitter: None,
            latest: BTreeMap::new(),
            ends_are_told: true,
            datagrams: BTreeMap::new(),
            datagrams_sent: 0,
            former: BTreeSet::new(),
            unanswered: Vec::new(),
            hellos_counted_to: 0,
        }
    }

    /// Everything is under way for so long.
    pub(crate) fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Everything is under way for up to this much longer, each its own time. On the way from one
    /// host to another nothing but beacons overtakes.
    pub(crate) fn with_jitter(mut self, most: Duration, seed: u64) -> Self {
        self.jitter = Some((most, ChaCha8Rng::seed_from_u64(seed)));
        self
    }

    /// A host that closes a connection, or dies, tells nobody.
    pub(crate) fn with_ends_untold(mut self) -> Self {
        self.ends_are_told = false;
        self
    }

    /// Two nodes that have entered each other's view; what they were told of it is taken.
    pub(crate) fn of_two() -> Self {
        let mut net = Self::new();
        net.add("alice");
        net.add("bob");
        net.settle();
        assert_eq!(net.told(0), ["bob enters"]);
        assert_eq!(net.told(1), ["alice enters"]);
        net
    }

    pub(crate) fn add(&mut self, name: &str) -> usize {
        let config = self.config(name);
        self.add_with(config)
    }

    /// A node with a key of its own, which trusts these.
    pub(crate) fn add_secured(&mut self, name: &str, trusted: &[&str]) -> usize {
        let config = self.config_with_key(name, trusted);
        self.add_with(config)
    }

    pub(crate) fn config_with_key(&self, name: &str, trusted: &[&str]) -> Config {
        let mut config = self.config(name);
        config.id = Some(node_tests::id_of(name));
        let security = Security::new(node_tests::keypair(name), node_tests::trusting(trusted));
        config.security = Some(security);
        config
    }

    /// A configuration for the host that comes next, at an endpoint of its own.
    pub(crate) fn config(&self, name: &str) -> Config {
        node_tests::config(name, self.hosts.len() + 1)
    }

    /// A host at the endpoint that its configuration names.
    pub(crate) fn add_with(&mut self, config: Config) -> usize {
        let endpoint = config.endpoint.clone();
        let seed = Seed::predictable([self.hosts.len().to_le_bytes()[0] + 1; 32]);
        let engine = C::start(config, seed, self.now);
        self.add_machine(&endpoint, Box::new(engine))
    }

    pub(super) fn add_machine(
        &mut self,
        endpoint: &Endpoint,
        machine: Box<dyn Machine<C>>,
    ) -> usize {
        self.hosts.push(Host {
            machine,
            address: endpoint.to_socket_addr().unwrap(),
            other_address: None,
            sockets: vec![(NetworkId::ONLY, endpoint.to_socket_addr().unwrap())],
            dead: BTreeSet::new(),
            alive: true,
            sleeps: false,
            listens: true,
            hears: true,
            takes_events: true,
            events: Vec::new(),
            notices: Vec::new(),
            timeouts: 0,
            resumed: 0,
        });
        self.hosts.len() - 1
    }
}

/// Models of other implementations.
impl Network<MessageLink> {
    pub(crate) fn add_zyre(&mut self, name: &str) -> usize {
        let endpoint = self.config(name).endpoint;
        self.add_zyre_that_tells(name, &endpoint)
    }

    pub(crate) fn add_zyre_at(&mut self, name: &str, endpoint: &Endpoint) -> usize {
        let zyre = Zyre::new(name, endpoint.clone(), endpoint.clone(), self.now);
        self.add_machine(endpoint, Box::new(zyre))
    }

    /// A zyre that says in its HELLO that it is elsewhere than where it is reached.
    pub(crate) fn add_zyre_that_tells(&mut self, name: &str, told: &Endpoint) -> usize {
        let endpoint = self.config(name).endpoint;
        let zyre = Zyre::new(name, endpoint.clone(), told.clone(), self.now);
        self.add_machine(&endpoint, Box::new(zyre))
    }

    /// A zyre that is reached, and says so in its HELLO, at another endpoint too.
    pub(crate) fn add_zyre_advertising(&mut self, name: &str, advertised: &Endpoint) -> usize {
        let host = self.add_zyre_that_tells(name, advertised);
        self.hosts[host].other_address = advertised.to_socket_addr();
        host
    }

    /// How many HELLOs anybody has sent since it was last asked.
    pub(crate) fn hellos(&mut self) -> usize {
        let new = &self.trace[self.hellos_counted_to..];
        let hellos = new.iter().filter(|line| line.ends_with("writes HELLO"));
        let count = hellos.count();
        self.hellos_counted_to = self.trace.len();
        count
    }
}

/// What applications do and hear.
impl<C: Level> Network<C> {
    pub(crate) fn engine(&mut self, host: usize) -> &mut Engine<C> {
        self.hosts[host].machine.engine()
    }

    pub(crate) fn zyre_gossip(&mut self, host: usize) -> &mut ZyreGossip {
        self.hosts[host].machine.zyre_gossip()
    }

    pub(crate) fn id(&self, host: usize) -> PeerId {
        self.hosts[host].machine.id()
    }

    pub(crate) fn endpoint(&self, host: usize) -> Endpoint {
        self.hosts[host].address.try_into().unwrap()
    }

    /// The peers that a host takes to be there.
    pub(crate) fn peers(&self, host: usize) -> Vec<PeerId> {
        self.hosts[host].machine.peers()
    }

    pub(crate) fn whisper(&mut self, from: usize, to: usize, text: &'static str) {
        let (to, now) = (self.id(to), self.now);
        self.engine(from).whisper(to, text.into(), now).unwrap();
    }

    pub(crate) fn join(&mut self, host: usize, name: &str) {
        let now = self.now;
        self.engine(host).join(&group(name), now).unwrap();
    }

    pub(crate) fn stop(&mut self, host: usize) {
        let now = self.now;
        self.engine(host).stop(now);
    }

    /// What applications have heard so far is of no interest.
    pub(crate) fn forget_told(&mut self) {
        self.hosts.iter_mut().for_each(|host| host.events.clear());
    }

    /// What the host's application has heard since it was last asked, in words.
    pub(crate) fn told(&mut self, host: usize) -> Vec<String> {
        let events = core::mem::take(&mut self.hosts[host].events);
        events.iter().map(node_tests::event_text::tell).collect()
    }
}

/// What happens to hosts and wires.
impl<C: Level> Network<C> {
    /// The process is gone: the system closes what it had open, and refuses its port.
    pub(crate) fn kill(&mut self, host: usize) {
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
    pub(crate) fn unplug(&mut self, host: usize) {
        self.hosts[host].alive = false;
        for wire in &mut self.wires {
            wire.is_cut |= wire.ends.iter().any(|end| end.host == host);
        }
    }

    /// A host gives up a peer without any reason.
    pub(crate) fn forget(&mut self, host: usize, peer: usize) {
        let (peer, now) = (self.id(peer), self.now);
        self.hosts[host].machine.forget(peer, now);
        self.carry();
    }

    /// A host hears another's beacon at once, as if it came from `endpoint`.
    pub(crate) fn hear(&mut self, host: usize, other: usize, endpoint: &Endpoint) {
        self.hear_of(host, self.id(other), endpoint);
    }

    /// A host hears a beacon at once, which says that this peer is there.
    pub(crate) fn hear_of(&mut self, host: usize, peer: PeerId, endpoint: &Endpoint) {
        let beacon = node_tests::beacon(peer, endpoint);
        let (from, now) = (endpoint.to_socket_addr().unwrap(), self.now);
        let machine = &mut self.hosts[host].machine;
        machine.handle_datagram(from, &beacon, now);
        self.carry();
    }

    /// A host hears a beacon with a key at once, which says that this peer is there.
    pub(crate) fn hear_key(
        &mut self,
        host: usize,
        peer: PeerId,
        endpoint: &Endpoint,
        key: PublicKey,
    ) {
        let beacon = node_tests::beacon_with(peer, endpoint, Some(key));
        let (from, now) = (endpoint.to_socket_addr().unwrap(), self.now);
        let machine = &mut self.hosts[host].machine;
        machine.handle_datagram(from, &beacon, now);
        self.carry();
    }

    /// The newest connection that `from` opened to `to`.
    pub(crate) fn wire(&mut self, from: usize, to: usize) -> &mut Wire<C::Piece> {
        let newest_first = self.wires.iter_mut().rev();
        let mut found = newest_first.filter(|wire| wire.joins(from, to));
        found.next().unwrap()
    }

    /// Whether there is a connection that `from` opened to `to`.
    pub(crate) fn is_joined(&self, from: usize, to: usize) -> bool {
        self.wires.iter().any(|wire| wire.joins(from, to))
    }

    /// Ends the connection that `from` opened to `to`, in the middle, for both sides.
    pub(crate) fn break_wire(&mut self, from: usize, to: usize) {
        let now = self.now;
        for end in &mut self.wire(from, to).ends {
            end.ends_at = Some(now);
        }
    }

    /// Reads one piece from the stalled connection that `from` opened to `to`, if it is there yet.
    pub(crate) fn read_once(&mut self, from: usize, to: usize) {
        let newest = self.wires.iter().rposition(|wire| wire.joins(from, to));
        let Some(wire) = newest else {
            return;
        };
        self.wires[wire].ends[1].stalled = false;
        self.read(wire, 1);
        self.wires[wire].ends[1].stalled = true;
    }

    /// How many connections are open at either end.
    pub(crate) fn open_wires(&self) -> usize {
        self.wires.iter().filter(|wire| wire.is_open()).count()
    }
}

/// Time.
impl<C: Level> Network<C> {
    /// Carries everything that is on its way, and what is sent on that account. No timer fires.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            if self.carry_some() {
                continue;
            }
            match self.next_arrival() {
                Some(at) => self.now = self.now.max(at),
                None => return,
            }
        }
        panic!("the network does not settle");
    }

    /// Lets time pass, in steps from one deadline to the next.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.carry();
        while let Some(next) = self.next_step().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            // What comes at the same moment comes before the timers.
            self.carry();
            for host in 0..self.hosts.len() {
                self.time_out(host);
            }
            self.carry();
        }
        self.now = end;
    }

    /// Carries everything that arrives now.
    fn carry(&mut self) {
        for _ in 0..100_000 {
            if !self.carry_some() {
                return;
            }
        }
        panic!("the network does not settle");
    }

    fn next_step(&self) -> Option<Instant> {
        let living = self.hosts.iter().filter(|host| host.alive && !host.sleeps);
        let timeouts = living.filter_map(|host| host.machine.poll_timeout());
        timeouts.chain(self.next_arrival()).min()
    }

    fn next_arrival(&self) -> Option<Instant> {
        let datagram = self.datagrams.keys().next().map(|(at, _)| *at);
        let wires = self.wires.iter();
        let at_ends = wires.flat_map(|wire| [0, 1].map(|end| self.next_at(wire, end)));
        at_ends.chain([datagram]).flatten().min()
    }

    /// When a host has something to read at the end of a wire.
    fn next_at(&self, wire: &Wire<C::Piece>, end: usize) -> Option<Instant> {
        let at = &wire.ends[end];
        let machine = &self.hosts[at.host].machine;
        let may_read = machine.may_read(at.link) && !self.hosts[at.host].sleeps;
        let crosses = self.crosses(wire);
        wire.next_at(end).filter(|_| may_read && crosses)
    }

    fn time_out(&mut self, host: usize) {
        let now = self.now;
        let host = &mut self.hosts[host];
        let machine = &mut host.machine;
        if !host.alive || host.sleeps || machine.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        host.timeouts += 1;
        machine.handle_timeout(now);
        let next = machine.poll_timeout();
        assert!(next.is_none_or(|at| at > now), "a timer spins");
    }
}

impl<C: Level> Host<C> {
    fn is_hub_at(&self, address: SocketAddr) -> bool {
        let hub = SocketAddr::new(self.address.ip(), GOSSIP_PORT);
        self.alive && self.listens && address == hub
    }

    fn is_reached_at(&self, address: SocketAddr) -> bool {
        let mut addresses = self.sockets.iter().map(|(_, address)| *address);
        let is_one = addresses.any(|it| it == address) || self.other_address == Some(address);
        self.alive && self.listens && is_one
    }

    fn take_events(&mut self) {
        let machine = &mut self.machine;
        self.notices
            .extend(core::iter::from_fn(|| machine.poll_notice()));
        while self.takes_events
            && let Some(event) = machine.poll_event()
        {
            self.events.push(event);
        }
    }
}

pub(crate) fn group(name: &str) -> GroupName {
    node_tests::group(name)
}

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_wire_carries_no_more_than_its_capacity() {
    let mut net = Network::<Link>::of_two();
    net.wire(0, 1).ends[1].stalled = true;
    let (bob, now) = (net.id(1), net.now);
    let large = Bytes::from(alloc::vec![1; 1 << 20]);
    net.engine(0).whisper(bob, large.into(), now).unwrap();
    net.settle();
    let arriving = net.wire(0, 1).ends[1].arriving.iter();
    assert_eq!(
        arriving.map(|(_, piece)| piece.len()).sum::<usize>(),
        64 << 10
    );
}
