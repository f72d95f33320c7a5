//! The simulation, as a script uses it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    time::Duration,
};

use thiserror::Error;
use zre_core::{
    Config, Error as NodeError, Event, IncomingRequest, Instant, NetworkSettings, RequestId,
    proto::{Content, PeerId},
};

use crate::{
    app::{App, Recorder},
    clock::Clock,
    handles::{HostHandle, LanHandle, LinkHandle},
    in_short,
    machine::Level,
    metrics::Metrics,
    network::HostIndex,
    node_handle::NodeHandle,
    world::{ProcessIndex, Reach, World},
};

/// What a host's clock shows when the simulation begins. It is not zero, so that it can jump back.
const CLOCK_START: Duration = Duration::from_secs(1_000_000);

/// A simulated network.
///
/// Hosts, nodes and LANs are addressed by their names.
///
/// # Panics
///
/// A method that takes a name panics if there is nothing with that name, unless it makes it.
#[derive(Debug)]
pub struct Sim {
    pub(crate) world: World,
}

impl Sim {
    /// A network without hosts, at [`Level::Bytes`]. All randomness comes from the seed.
    pub fn new(seed: u64) -> Self {
        Self::with_level(Level::Bytes, seed)
    }

    /// A network without hosts. See [`Level`] for what the levels leave out.
    pub fn with_level(level: Level, seed: u64) -> Self {
        let mut world = World::new(level, seed);
        // LAN 0, where hosts are at first.
        world.network.lan("lan");
        Self { world }
    }

    /// A LAN; makes it if there is none with this name. Hosts are on the LAN "lan" unless they are
    /// [put on another](HostHandle::on).
    pub fn lan(&mut self, name: &str) -> LanHandle<'_> {
        let lan = self.world.network.lan(name);
        LanHandle { sim: self, lan }
    }

    /// A host; makes it if there is none with this name.
    pub fn host(&mut self, name: &str) -> HostHandle<'_> {
        let host = self.find_host(name).unwrap_or_else(|| {
            let world = &mut self.world;
            let clock = Clock::new(world.now, Instant::default() + CLOCK_START);
            world.network.add_host(name, 0, clock)
        });
        HostHandle { sim: self, host }
    }

    /// A node that has been started. It may have ended since.
    pub fn node(&mut self, name: &str) -> NodeHandle<'_> {
        let process = self.process(name);
        NodeHandle { sim: self, process }
    }

    /// One direction between two hosts.
    pub fn link(&mut self, from: &str, to: &str) -> LinkHandle<'_> {
        let (from, to) = (self.host_index(from), self.host_index(to));
        LinkHandle {
            sim: self,
            from,
            to,
        }
    }

    /// From now on nothing gets from the hosts of one side to those of the other, in either
    /// direction.
    pub fn partition(&mut self, one: &[&str], other: &[&str]) {
        let index =
            |names: &[&str]| -> Vec<_> { names.iter().map(|name| self.host_index(name)).collect() };
        let (one, other) = (index(one), index(other));
        self.world.network.partition(&one, &other);
    }

    /// Ends all partitions, and mends all links that were [cut](LinkHandle::cut).
    pub fn heal(&mut self) {
        self.world.network.heal();
    }

    /// Swaps the addresses of two hosts, those of their first interfaces. Nodes that do not look at
    /// interfaces go on announcing their old endpoints.
    pub fn swap_addresses(&mut self, one: &str, other: &str) {
        let (one, other) = (self.host_index(one), self.host_index(other));
        self.world.network.swap_addresses(one, other);
        for host in [one, other] {
            self.world.interfaces_changed(host);
        }
    }

    /// From now on a host name leads to this host: to the address that it has at the moment of a
    /// look-up. The name of each host leads to it from the start.
    ///
    /// # Panics
    ///
    /// If it is the name of another host.
    pub fn set_name(&mut self, name: &str, host: &str) {
        let host = self.host_index(host);
        let is_taken = self.find_host(name).is_some_and(|other| other != host);
        assert!(!is_taken, "{name:?} is the name of another host");
        self.world.network.set_name(name, host);
    }

    /// Puts a router between two LANs: hosts on them can connect to each other, and do not hear
    /// each other's broadcasts. What the sender's LAN does to things counts on the whole way.
    pub fn route(&mut self, one: &str, other: &str) {
        let network = &mut self.world.network;
        let (one, other) = (network.lan(one), network.lan(other));
        network.connect_lans(one, other);
    }

    /// How much virtual time has passed.
    pub fn now(&self) -> Duration {
        self.world.now.since(Instant::default())
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.world.now + duration;
        while self.world.step(end) {}
        // The last event was before the end, or there was none.
        self.world.now = end;
    }

    /// Lets time pass until `condition` holds, and returns how long that took. The condition is
    /// tried after every event of a node, and after every start and end of one.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if it does not hold within `limit`. That time has passed then.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut condition: impl FnMut(&Self) -> bool,
    ) -> Result<Duration, TimedOut> {
        let begin = self.world.now;
        let end = begin + limit;
        if condition(self) {
            return Ok(Duration::ZERO);
        }
        // A condition may be expensive: it is not tried after each packet.
        let mut seen = self.world.changes;
        while self.world.step(end) {
            if self.world.changes != seen {
                seen = self.world.changes;
                if condition(self) {
                    return Ok(self.world.now.since(begin));
                }
            }
        }
        // A condition can also depend on the time.
        self.world.now = end;
        if condition(self) {
            return Ok(limit);
        }
        Err(TimedOut {
            limit,
            seed: self.world.seed,
            differences: self.differences(),
        })
    }

    /// Takes the events of a node since they were last taken.
    ///
    /// # Panics
    ///
    /// If a program of its own runs on the node: that one has the events.
    pub fn events(&mut self, node: &str) -> Vec<Event> {
        std::mem::take(&mut self.recorder(node).events)
    }

    /// Takes the outcomes of a node's requests since they were last taken, in the order in which
    /// they were known.
    ///
    /// # Panics
    ///
    /// As [`events`](Sim::events).
    pub fn outcomes(&mut self, node: &str) -> Vec<(RequestId, Result<Content, NodeError>)> {
        std::mem::take(&mut self.recorder(node).outcomes)
    }

    /// Takes the requests of peers to a node since they were last taken. It has them only if it
    /// [serves requests](NodeHandle::serve_requests).
    ///
    /// # Panics
    ///
    /// As [`events`](Sim::events).
    pub fn requests(&mut self, node: &str) -> Vec<IncomingRequest> {
        std::mem::take(&mut self.recorder(node).requests)
    }

    fn recorder(&mut self, node: &str) -> &mut Recorder {
        let process = self.process(node);
        // An upcast: `App` has `Any` as a supertrait.
        let app: &mut dyn std::any::Any = self.world.processes[process].app.as_mut();
        match app.downcast_mut::<Recorder>() {
            Some(recorder) => recorder,
            None => panic!("a program of its own runs on node {node:?}, it takes the events"),
        }
    }

    /// Takes the events of a node, [in short](in_short).
    ///
    /// # Panics
    ///
    /// As [`events`](Sim::events).
    pub fn events_in_short(&mut self, node: &str) -> Vec<String> {
        self.events(node).iter().map(in_short).collect()
    }

    /// Whether every running node knows exactly the running nodes that it can hear and reach in
    /// both directions, and their groups.
    ///
    /// Where there are [routers](Sim::route), or nodes with fixed peers or gossip, it knows those
    /// at least to which its beacons, fixed peers or hubs lead it, and none that it cannot reach.
    pub fn agrees(&self) -> bool {
        let reach = self.world.reach();
        let (known, all) = (self.world.audit.entered(), self.true_pairs(&reach));
        // Comparing all views is expensive. Their number is always known, and mostly differs.
        let may_agree = match reach.is_simple() {
            true => known == all,
            false => known >= all,
        };
        may_agree && self.all_differences(&reach).is_empty()
    }

    /// What running nodes believe wrongly of each other, in words; the first hundred.
    pub fn differences(&self) -> Vec<String> {
        self.all_differences(&self.world.reach())
    }

    fn all_differences(&self, reach: &Reach) -> Vec<String> {
        let nodes = 0..reach.processes().count();
        let found = nodes.flat_map(|node| self.differences_at(reach, node));
        found.take(100).collect()
    }

    /// How many pairs of a node and a peer that has entered there are: `n * (n - 1)` if `n` nodes
    /// all know each other.
    pub fn known_pairs(&self) -> u64 {
        self.world.audit.entered()
    }

    /// Checks the rules that always hold:
    ///
    /// * The events of a peer begin with one `Enter` and end with one `Exit`.
    /// * Messages arrive in order and once, and none that was not sent.
    /// * No connection had more bytes waiting than the limits allow, and no node more peers.
    ///
    /// # Errors
    ///
    /// [`Violations`] says which rules were broken, with the seed.
    pub fn check(&self) -> Result<(), Violations> {
        let mut broken = self.world.audit.broken().to_vec();
        for process in &self.world.processes {
            let limits = &process.config.limits;
            // Beyond the limit there may be one message more, and up to 1 MiB of what a node sends
            // by itself, such as JOIN and PING-OK.
            let most = limits.outbound + (1 << 20) + limits.message_size;
            let found = process.metrics.most_unwritten;
            if found > most {
                let name = &process.name;
                broken.push(format!("{found} bytes waited at {name}, more than {most}"));
            }
            let peers = process.machine.node().peers().count();
            if peers > limits.peers {
                let (name, limit) = (&process.name, limits.peers);
                broken.push(format!("{name} knows {peers} peers, its limit is {limit}"));
            }
        }
        self.verdict(broken)
    }

    /// Checks the rules of [`check`](Sim::check), and that no message is missing. Call it when the
    /// network is idle.
    ///
    /// # Errors
    ///
    /// [`Violations`] also counts messages that have not arrived, though both sides still have the
    /// session in which they were sent.
    pub fn check_quiet(&self) -> Result<(), Violations> {
        let mut broken = self
            .check()
            .err()
            .map_or_else(Vec::new, |found| found.broken);
        for (from, to, count) in self.world.audit.missing() {
            let (from, to) = (self.name_of(from), self.name_of(to));
            broken.push(format!("{count} messages from {from} to {to} are missing"));
        }
        self.verdict(broken)
    }

    /// The metrics of all nodes together.
    pub fn metrics(&self) -> Metrics {
        let all = self.world.processes.iter().map(|process| process.metrics);
        all.fold(Metrics::default(), Metrics::and)
    }

    /// The names of all nodes that are running, in the order of their first start.
    pub fn nodes(&self) -> Vec<&str> {
        let running = self.running().into_iter();
        running
            .map(|node| self.world.processes[node].name.as_str())
            .collect()
    }

    /// A hash of everything that has happened. The same seed and script give the same hash.
    pub fn trace_hash(&self) -> u64 {
        self.world.trace.hash()
    }

    /// From now on writes a line for everything that happens: the time in microseconds, the number
    /// of the node, and what happened.
    pub fn trace_to(&mut self, lines: impl Write + 'static) {
        self.world.trace.write_to(Box::new(lines));
    }

    /// Flushes the trace.
    ///
    /// # Errors
    ///
    /// The first error of the writer. After it, nothing was written any more.
    pub fn finish_trace(&mut self) -> std::io::Result<()> {
        self.world.trace.finish()
    }

    pub(crate) fn start(
        &mut self,
        name: &str,
        host: HostIndex,
        app: Box<dyn App>,
        configure: impl FnOnce(&mut Config),
    ) -> ProcessIndex {
        let taken = self
            .world
            .processes
            .iter()
            .any(|process| process.name == name);
        assert!(
            !taken,
            "there is a node {name:?} already; `restart` starts it again"
        );
        let config = self.configuration(name, host, configure);
        self.world.start(name, host, config, app)
    }

    fn configuration(
        &mut self,
        name: &str,
        host: HostIndex,
        configure: impl FnOnce(&mut Config),
    ) -> Config {
        // Before `configure`, which may set another one.
        let endpoint = self.world.free_endpoint(host);
        let mut config = Config::new(endpoint);
        config.networks = Some(NetworkSettings::default());
        config.name = Some(name.try_into().unwrap_or_else(|error| {
            panic!("{name:?} cannot be the name of a node: {error}");
        }));
        configure(&mut config);
        if let Err(error) = config.validate() {
            panic!("node {name:?} cannot start: {error}");
        }
        let is_modelled = self.world.level == Level::Messages && config.security.is_some();
        assert!(
            !(is_modelled && config.gossips()),
            "node {name:?} has a key and gossips: that can be simulated at Level::Bytes only"
        );
        config
    }

    pub(crate) fn name_of(&self, id: PeerId) -> String {
        match self.world.by_id.get(&id) {
            Some(process) => self.world.processes[*process].name.clone(),
            None => id.to_string(),
        }
    }

    fn find_host(&self, name: &str) -> Option<HostIndex> {
        self.world.network.find_host(name)
    }

    fn host_index(&self, name: &str) -> HostIndex {
        self.find_host(name)
            .unwrap_or_else(|| panic!("there is no host {name:?}"))
    }

    fn process(&self, name: &str) -> ProcessIndex {
        let found = self
            .world
            .processes
            .iter()
            .position(|process| process.name == name);
        found.unwrap_or_else(|| panic!("there is no node {name:?}"))
    }

    fn running(&self) -> Vec<ProcessIndex> {
        (0..self.world.processes.len())
            .filter(|process| self.world.is_running(*process))
            .collect()
    }

    /// How many pairs there are of a node and another that it has to know.
    fn true_pairs(&self, reach: &Reach) -> u64 {
        let nodes = 0..reach.processes().count();
        let known = |one: usize| nodes.clone().filter(move |other| *other != one);
        let pairs = nodes.clone().map(|one| {
            let known = known(one).filter(|other| self.world.must_know(reach, one, *other));
            known.count() as u64
        });
        pairs.sum()
    }

    fn differences_at(&self, reach: &Reach, node: usize) -> Vec<String> {
        let nodes: Vec<_> = reach.processes().collect();
        let view = self.world.processes[nodes[node]].machine.node();
        let name = &self.world.processes[nodes[node]].name;
        let mut found = Vec::new();
        // What is left of these at the end should not be there.
        let mut strangers: BTreeSet<_> = view.peers().collect();
        // Turned around from groups to peers once: asking for each peer would be quadratic.
        let mut members = BTreeMap::new();
        for group in view.peer_groups() {
            for peer in view.peers_by_group(group) {
                members.entry(peer).or_insert_with(Vec::new).push(group);
            }
        }
        for (number, other) in nodes.iter().enumerate() {
            if number == node || !self.world.may_know(reach, node, number) {
                continue;
            }
            let there = &self.world.processes[*other];
            let id = there.machine.node().id();
            if !strangers.remove(&id) {
                if self.world.must_know(reach, node, number) {
                    found.push(format!("{name} does not know {}", there.name));
                }
                continue;
            }
            // Both lists are in the order of the names, so they can be compared.
            let known = members.remove(&id).unwrap_or_default();
            let groups: Vec<_> = there.machine.node().own_groups().collect();
            if known != groups {
                let other = &there.name;
                found.push(format!(
                    "{name} believes {other} in {known:?}, it is in {groups:?}"
                ));
            }
        }
        let gone = strangers.into_iter().map(|peer| self.name_of(peer));
        found.extend(gone.map(|other| format!("{name} still knows {other}")));
        found
    }

    fn verdict(&self, broken: Vec<String>) -> Result<(), Violations> {
        match broken.is_empty() {
            true => Ok(()),
            false => Err(Violations {
                seed: self.world.seed,
                broken,
            }),
        }
    }
}

/// A condition did not hold in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "it did not happen within {limit:?} (seed {seed}); \
     views differ from the truth in: {differences:?}"
)]
pub struct TimedOut {
    /// How much virtual time it had.
    pub limit: Duration,
    /// The seed of the simulation.
    pub seed: u64,
    /// The [differences](Sim::differences) at the end.
    pub differences: Vec<String>,
}

/// Rules were broken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("broken with seed {seed}: {broken:#?}")]
pub struct Violations {
    /// The seed of the simulation.
    pub seed: u64,
    /// Each rule that was broken, in words; the first hundred.
    pub broken: Vec<String>,
}
