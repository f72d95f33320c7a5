//! Several nodes on a network in virtual time.
//!
//! Beacons reach everybody. A message goes to whoever is at the endpoint that its sender connected
//! to, and overtakes no other between the same two.

use core::{net::SocketAddr, time::Duration};
use std::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

use bytes::Bytes;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_proto::{Endpoint, Message, PeerId};

use super::{config, event_text::tell, zyre::Zyre};
use crate::{Event, Instant, Node, NodeOutput};

/// How long an engine waits for a HELLO after a connection has ended.
const LOST_GRACE: Duration = Duration::from_millis(500);

pub(super) struct Network {
    now: Instant,
    latency: Duration,
    /// How much later than the latency a message may come.
    jitter: Option<(Duration, ChaCha8Rng)>,
    stations: Vec<Station>,
    under_way: BTreeMap<(Instant, u64), Delivery>,
    count: u64,
    latest: BTreeMap<(usize, Endpoint), Instant>,
    hellos: usize,
    /// Whether a node is told when the connection that carries a peer's session ends.
    ends_are_noticed: bool,
}

/// One node's place on the network.
struct Station {
    endpoints: Vec<Endpoint>,
    machine: Machine,
    alive: bool,
    /// Where messages for a peer go, and over which connection.
    routes: BTreeMap<PeerId, (Endpoint, u64)>,
    /// The connection that a peer's latest HELLO came over.
    bound: BTreeMap<PeerId, u64>,
    events: Vec<Event>,
}

enum Machine {
    Node(Box<Node>),
    Zyre(Box<Zyre>),
}

enum Delivery {
    Beacon(SocketAddr, Bytes),
    Message(Endpoint, PeerId, u64, Message),
    End(Endpoint, PeerId, u64),
}

impl Network {
    pub(super) fn new() -> Self {
        Self {
            now: Instant::from_micros(1_000_000),
            latency: Duration::from_millis(1),
            jitter: None,
            stations: Vec::new(),
            under_way: BTreeMap::new(),
            count: 0,
            latest: BTreeMap::new(),
            hellos: 0,
            ends_are_noticed: false,
        }
    }

    /// Messages and beacons take up to this much longer, each its own time.
    pub(super) fn with_jitter(mut self, most: Duration, seed: u64) -> Self {
        self.jitter = Some((most, ChaCha8Rng::seed_from_u64(seed)));
        self
    }

    /// Who disconnects ends a connection, and our nodes at the other side notice, as with an
    /// engine.
    pub(super) fn with_ends_noticed(mut self) -> Self {
        self.ends_are_noticed = true;
        self
    }

    /// Starts a node of ours with the defaults, at an address of its own.
    pub(super) fn start(&mut self, name: &str) -> usize {
        let host = self.stations.len() + 1;
        self.start_with(config(name, host))
    }

    pub(super) fn start_with(&mut self, config: crate::Config) -> usize {
        let seed = [u8::try_from(self.stations.len() + 1).unwrap(); 32];
        let endpoint = config.endpoint.clone();
        let node = Node::new(config, seed, self.now);
        self.add(endpoint, Machine::Node(Box::new(node)))
    }

    /// Starts a model of zyre.
    pub(super) fn start_zyre(&mut self, name: &str) -> usize {
        let config = config(name, self.stations.len() + 1);
        let zyre = Zyre::new(name, config.endpoint.clone(), self.now);
        self.add(config.endpoint, Machine::Zyre(Box::new(zyre)))
    }

    /// Starts a model of zyre that is reached, and says so in its HELLO, at another endpoint too.
    pub(super) fn start_zyre_advertising(&mut self, name: &str, advertised: &Endpoint) -> usize {
        let station = self.start_zyre(name);
        let here = &mut self.stations[station];
        here.endpoints.push(advertised.clone());
        if let Machine::Zyre(zyre) = &mut here.machine {
            zyre.advertised = advertised.clone();
        }
        station
    }

    fn add(&mut self, endpoint: Endpoint, machine: Machine) -> usize {
        self.stations.push(Station {
            endpoints: [endpoint].into(),
            machine,
            alive: true,
            routes: BTreeMap::new(),
            bound: BTreeMap::new(),
            events: Vec::new(),
        });
        let station = self.stations.len() - 1;
        self.collect(station);
        station
    }

    /// The node's process is gone; nobody is told.
    pub(super) fn vanish(&mut self, station: usize) {
        self.stations[station].alive = false;
    }

    /// The node's process is gone, and its connections end.
    pub(super) fn crash(&mut self, station: usize) {
        self.vanish(station);
        let id = self.id(station);
        for other in 0..self.stations.len() {
            if self.stations[other].alive {
                self.lose(other, id);
            }
        }
    }

    /// A node's connection to a peer ends, and the peer does not notice.
    pub(super) fn lose(&mut self, station: usize, peer: PeerId) {
        let now = self.now;
        match &mut self.stations[station].machine {
            Machine::Node(node) => node.handle_disconnect(peer, now),
            Machine::Zyre(zyre) => zyre.forget(peer),
        }
        self.collect(station);
    }

    /// One node hears another's beacon at once, as if it came from `endpoint`.
    pub(super) fn hear(&mut self, station: usize, other: usize, endpoint: &Endpoint) {
        let beacon = super::beacon(self.id(other), endpoint);
        let from = endpoint.to_socket_addr().unwrap();
        self.deliver_beacon(station, from, &beacon);
    }

    /// A command of the application.
    pub(super) fn node<T>(
        &mut self,
        station: usize,
        command: impl FnOnce(&mut Node, Instant) -> T,
    ) -> T {
        let now = self.now;
        let Machine::Node(node) = &mut self.stations[station].machine else {
            panic!("a model of zyre takes no commands");
        };
        let result = command(node, now);
        self.collect(station);
        result
    }

    pub(super) fn id(&self, station: usize) -> PeerId {
        match &self.stations[station].machine {
            Machine::Node(node) => node.id(),
            Machine::Zyre(zyre) => zyre.id,
        }
    }

    pub(super) fn endpoint(&self, station: usize) -> Endpoint {
        self.stations[station].endpoints[0].clone()
    }

    /// The peers that a node takes to be there.
    pub(super) fn peers(&self, station: usize) -> BTreeSet<PeerId> {
        match &self.stations[station].machine {
            Machine::Node(node) => node.peers().collect(),
            Machine::Zyre(zyre) => zyre.ready_peers().collect(),
        }
    }

    /// Takes what a node's application has heard since the last time.
    pub(super) fn events(&mut self, station: usize) -> Vec<Event> {
        core::mem::take(&mut self.stations[station].events)
    }

    /// The same in words.
    pub(super) fn story(&mut self, station: usize) -> Vec<String> {
        self.events(station).iter().map(tell).collect()
    }

    /// How many HELLOs anybody has sent since the last time.
    pub(super) fn hellos(&mut self) -> usize {
        core::mem::take(&mut self.hellos)
    }

    /// Delivers what is under way and what is sent on that account; no timer fires.
    pub(super) fn settle(&mut self) {
        let mut deliveries = 0;
        while let Some((&(at, _), _)) = self.under_way.first_key_value() {
            deliveries += 1;
            assert!(deliveries < 1_000_000, "the network does not settle");
            self.now = self.now.max(at);
            self.deliver_next();
        }
    }

    /// Lets time pass, exactly from one deadline to the next.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_step().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            if self
                .under_way
                .first_key_value()
                .is_some_and(|(key, _)| key.0 <= self.now)
            {
                self.deliver_next();
            } else {
                self.fire_timers();
            }
        }
        self.now = end;
    }

    fn next_step(&self) -> Option<Instant> {
        let delivery = self.under_way.first_key_value().map(|(key, _)| key.0);
        let living = self.stations.iter().filter(|station| station.alive);
        let timers = living.filter_map(|station| station.machine.poll_timeout());
        timers.chain(delivery).min()
    }

    fn fire_timers(&mut self) {
        let now = self.now;
        for index in 0..self.stations.len() {
            let station = &mut self.stations[index];
            let due = station.machine.poll_timeout().is_some_and(|at| at <= now);
            if station.alive && due {
                station.machine.handle_timeout(now);
                let next = station.machine.poll_timeout();
                assert!(next.is_none_or(|at| at > now), "a timer spins");
                self.collect(index);
            }
        }
    }

    fn deliver_next(&mut self) {
        let Some((_, delivery)) = self.under_way.pop_first() else {
            return;
        };
        match delivery {
            Delivery::Beacon(from, datagram) => {
                for station in 0..self.stations.len() {
                    self.deliver_beacon(station, from, &datagram);
                }
            }
            Delivery::End(to, from, connection) => {
                if let Some(station) = self.station_at(&to)
                    && self.stations[station].bound.get(&from) == Some(&connection)
                    && matches!(self.stations[station].machine, Machine::Node(_))
                {
                    self.lose(station, from);
                }
            }
            Delivery::Message(to, from, connection, message) => {
                let now = self.now;
                if let Some(station) = self.station_at(&to) {
                    if message.body.kind() == "HELLO" {
                        self.stations[station].bound.insert(from, connection);
                    }
                    match &mut self.stations[station].machine {
                        Machine::Node(node) => {
                            let _verdict = node.handle_message(&from.into(), message, now);
                        }
                        Machine::Zyre(zyre) => zyre.handle_message(from, message, now),
                    }
                    self.collect(station);
                }
            }
        }
    }

    fn deliver_beacon(&mut self, station: usize, from: SocketAddr, datagram: &[u8]) {
        let now = self.now;
        if !self.stations[station].alive {
            return;
        }
        match &mut self.stations[station].machine {
            Machine::Node(node) => node.handle_beacon(from, datagram, now),
            Machine::Zyre(zyre) => zyre.handle_beacon(from, datagram),
        }
        self.collect(station);
    }

    /// Puts a node's outputs on the network and its events on the list.
    fn collect(&mut self, index: usize) {
        let id = self.id(index);
        while let Some(output) = self.stations[index].machine.poll_output() {
            match output {
                NodeOutput::Beacon(beacon) => {
                    let from = self.endpoint(index).to_socket_addr().unwrap();
                    let at = self.now + self.delay();
                    self.post(at, Delivery::Beacon(from, beacon.encode()));
                }
                NodeOutput::Connect { peer, endpoint } => {
                    self.count += 1;
                    let route = (endpoint, self.count);
                    self.stations[index].routes.insert(peer, route);
                }
                NodeOutput::Disconnect { peer } => {
                    let route = self.stations[index].routes.remove(&peer);
                    let (to, connection) =
                        route.expect("disconnects only whom it has connected to");
                    if self.ends_are_noticed {
                        let at = self.now + self.delay() + LOST_GRACE;
                        self.post(at, Delivery::End(to, id, connection));
                    }
                }
                NodeOutput::Send { peer, message } => {
                    let to = self.stations[index].routes.get(&peer);
                    let (to, connection) = to.expect("sends only where it has connected").clone();
                    self.hellos += usize::from(message.body.kind() == "HELLO");
                    let delivery = Delivery::Message(to.clone(), id, connection, message);
                    self.post_in_order(index, to, delivery);
                }
            }
        }
        let station = &mut self.stations[index];
        station
            .events
            .extend(core::iter::from_fn(|| station.machine.poll_event()));
    }

    fn station_at(&self, endpoint: &Endpoint) -> Option<usize> {
        let mut stations = self.stations.iter();
        stations.position(|station| station.alive && station.endpoints.contains(endpoint))
    }

    /// After all that is under way between the two.
    fn post_in_order(&mut self, from: usize, to: Endpoint, delivery: Delivery) {
        let at = self.now + self.delay();
        let latest = self.latest.entry((from, to)).or_default();
        *latest = at.max(*latest);
        let at = *latest;
        self.post(at, delivery);
    }

    fn post(&mut self, at: Instant, delivery: Delivery) {
        self.count += 1;
        self.under_way.insert((at, self.count), delivery);
    }

    fn delay(&mut self) -> Duration {
        let extra = self.jitter.as_mut().map_or(Duration::ZERO, |(most, dice)| {
            most.mul_f64(f64::from(dice.next_u32()) / f64::from(u32::MAX))
        });
        self.latency + extra
    }
}

impl Machine {
    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Node(node) => node.handle_timeout(now),
            Self::Zyre(zyre) => zyre.handle_timeout(now),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Node(node) => node.poll_timeout(),
            Self::Zyre(zyre) => Some(zyre.beacon_at),
        }
    }

    fn poll_output(&mut self) -> Option<NodeOutput> {
        match self {
            Self::Node(node) => node.poll_output(),
            Self::Zyre(zyre) => zyre.outputs.pop_front(),
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Node(node) => node.poll_event(),
            Self::Zyre(zyre) => zyre.events.pop_front(),
        }
    }
}
