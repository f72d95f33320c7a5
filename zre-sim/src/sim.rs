//! The vocabulary of a script.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    time::Duration,
};

use thiserror::Error;
use zre_core::{Config, Event, Instant, proto::PeerId};

use crate::{
    app::{App, Recorder},
    clock::Clock,
    handles::{HostHandle, LanHandle, LinkHandle, NodeHandle},
    in_short,
    machine::Level,
    metrics::Metrics,
    network::HostIndex,
    world::{ProcessIndex, World},
};

/// What a host's clock shows when the simulation begins: long after its own beginning, so that it can jump back.
const CLOCK_START: Duration = Duration::from_secs(1_000_000);

/// A simulated network.
///
/// Hosts, nodes and LANs are called by their names.
///
/// # Panics
///
/// All methods that take a name panic if nothing is called so, except those that say that they make it.
#[derive(Debug)]
pub struct Sim {
    pub(crate) world: World,
}

impl Sim {
    /// A network without hosts, of nodes that exchange octets. The seed decides all that is left to chance.
    pub fn new(seed: u64) -> Self {
        Self::with_level(Level::Bytes, seed)
    }

    /// The same, true to the wire or made for scale.
    pub fn with_level(level: Level, seed: u64) -> Self {
        let mut world = World::new(level, seed);
        world.network.lan("lan");
        Self { world }
    }

    /// A LAN, made if there is none of this name. Hosts are on the one called "lan" unless they are put on another.
    pub fn lan(&mut self, name: &str) -> LanHandle<'_> {
        let lan = self.world.network.lan(name);
        LanHandle { sim: self, lan }
    }

    /// A host, made if there is none of this name.
    pub fn host(&mut self, name: &str) -> HostHandle<'_> {
        let host = self.find_host(name).unwrap_or_else(|| {
            let world = &mut self.world;
            let clock = Clock::new(world.now, Instant::default() + CLOCK_START);
            world.network.add_host(name, 0, clock)
        });
        HostHandle { sim: self, host }
    }

    /// A node that has been started; it may have ended.
    pub fn node(&mut self, name: &str) -> NodeHandle<'_> {
        let process = self.process(name);
        NodeHandle { sim: self, process }
    }

    /// What goes from one host to another.
    pub fn link(&mut self, from: &str, to: &str) -> LinkHandle<'_> {
        let (from, to) = (self.host_index(from), self.host_index(to));
        LinkHandle {
            sim: self,
            from,
            to,
        }
    }

    /// From now on nothing crosses between these hosts and those, in either direction.
    pub fn partition(&mut self, one: &[&str], other: &[&str]) {
        let index =
            |names: &[&str]| -> Vec<_> { names.iter().map(|name| self.host_index(name)).collect() };
        let (one, other) = (index(one), index(other));
        self.world.network.partition(&one, &other);
    }

    /// Ends all partitions and mends all cut links.
    pub fn heal(&mut self) {
        self.world.network.heal();
    }

    /// Two hosts get each other's address. Start their nodes again, or they stay at endpoints that lead elsewhere.
    pub fn swap_addresses(&mut self, one: &str, other: &str) {
        let (one, other) = (self.host_index(one), self.host_index(other));
        let network = &mut self.world.network;
        let (first, second) = (network.hosts[one].address, network.hosts[other].address);
        network.set_address(one, second);
        network.set_address(other, first);
    }

    /// How much virtual time has passed.
    pub fn now(&self) -> Duration {
        self.world.now.since(Instant::default())
    }

    /// Lets time pass.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.world.now + duration;
        while self.world.step(end) {}
        self.world.now = end;
    }

    /// Lets time pass until `condition` holds, and says how long that took. It is looked at whenever an application
    /// has been told something.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if it does not hold within `limit`, which has passed then.
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
        let mut seen = self.world.changes;
        while self.world.step(end) {
            if self.world.changes != seen {
                seen = self.world.changes;
                if condition(self) {
                    return Ok(self.world.now.since(begin));
                }
            }
        }
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

    /// Takes the events that a node has told since they were last taken, if no program of its own runs on it.
    pub fn events(&mut self, node: &str) -> Vec<Event> {
        let process = self.process(node);
        let app: &mut dyn std::any::Any = self.world.processes[process].app.as_mut();
        match app.downcast_mut::<Recorder>() {
            Some(recorder) => std::mem::take(&mut recorder.events),
            None => panic!("a program of its own runs on node {node:?}, it takes the events"),
        }
    }

    /// The same, [in short](in_short).
    pub fn story(&mut self, node: &str) -> Vec<String> {
        self.events(node).iter().map(in_short).collect()
    }

    /// Whether every running node's view equals the truth: it knows the running nodes that it can exchange with in both
    /// directions and no others, and their groups.
    pub fn agrees(&self) -> bool {
        // The views are counted all the time; to compare them is dear.
        self.world.audit.entered() == self.true_pairs() && self.differences().is_empty()
    }

    /// In what the views of running nodes differ from the truth, in words; the first hundred.
    pub fn differences(&self) -> Vec<String> {
        let running = self.running();
        let found = running.iter().flat_map(|node| self.differences_at(*node));
        found.take(100).collect()
    }

    /// How many pairs of a node and a peer that has entered its view there are: with `n` nodes that all know each other,
    /// `n * (n - 1)`.
    pub fn known_pairs(&self) -> u64 {
        self.world.audit.entered()
    }

    /// Checks what must hold always: that the events of a peer are one `Enter`, its deeds and one `Exit`; that messages arrive
    /// in order, once, and none that was not sent; that no connection held more than the outbound limit and
    /// what may pass it.
    ///
    /// # Errors
    ///
    /// [`Violations`] tells what was broken, with the seed.
    pub fn check(&self) -> Result<(), Violations> {
        let mut broken = self.world.audit.broken().to_vec();
        for process in &self.world.processes {
            let limits = &process.config.limits;
            // What nobody can be made to wait with, and the message that crosses the limit.
            let most = limits.outbound + (1 << 20) + limits.message_size;
            let found = process.metrics.most_unwritten;
            if found > most {
                let name = &process.name;
                broken.push(format!("{found} octets waited at {name}, more than {most}"));
            }
            let peers = process.machine.node().peers().count();
            if peers > limits.peers {
                let (name, limit) = (&process.name, limits.peers);
                broken.push(format!("{name} knows {peers} peers, its limit is {limit}"));
            }
        }
        self.verdict(broken)
    }

    /// Checks as [`check`](Sim::check), and that nothing is missing: call it when nothing is under way any more.
    ///
    /// # Errors
    ///
    /// [`Violations`] tells also of messages that were sent within a session that both sides still hold, and have not arrived.
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

    /// What all nodes together have sent, received and been told.
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

    /// A hash over everything that has happened; equal for equal seeds and scripts.
    pub fn trace_hash(&self) -> u64 {
        self.world.trace.hash()
    }

    /// From now on also writes down everything that happens, a line each: microseconds, the node's number, what.
    pub fn trace_to(&mut self, lines: impl Write + 'static) {
        self.world.trace.write_to(Box::new(lines));
    }

    /// Flushes the trace.
    ///
    /// # Errors
    ///
    /// The first error of its writer, behind which nothing was written any more.
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
        let endpoint = self.world.free_endpoint(host);
        let mut config = Config::new(endpoint);
        config.name = Some(name.try_into().unwrap_or_else(|error| {
            panic!("{name:?} cannot be the name of a node: {error}");
        }));
        configure(&mut config);
        if let Err(error) = config.validate() {
            panic!("node {name:?} cannot start: {error}");
        }
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

    fn can_exchange(&self, one: ProcessIndex, other: ProcessIndex) -> bool {
        let host = |process: ProcessIndex| self.world.processes[process].host;
        let network = &self.world.network;
        let carries = |from, to| network.carries(host(from), host(to));
        one != other && carries(one, other) && carries(other, one)
    }

    fn true_pairs(&self) -> u64 {
        let running = self.running();
        let mut pairs = 0;
        for one in &running {
            let others = running
                .iter()
                .filter(|other| self.can_exchange(*one, **other));
            pairs += others.count() as u64;
        }
        pairs
    }

    fn differences_at(&self, node: ProcessIndex) -> Vec<String> {
        let view = self.world.processes[node].machine.node();
        let name = &self.world.processes[node].name;
        let mut found = Vec::new();
        let mut strangers: BTreeSet<_> = view.peers().collect();
        let mut members = BTreeMap::new();
        for group in view.peer_groups() {
            for peer in view.peers_by_group(group) {
                members.entry(peer).or_insert_with(Vec::new).push(group);
            }
        }
        for other in self.running() {
            if !self.can_exchange(node, other) {
                continue;
            }
            let there = &self.world.processes[other];
            let id = there.machine.node().id();
            if !strangers.remove(&id) {
                found.push(format!("{name} does not know {}", there.name));
                continue;
            }
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

/// A condition did not come to hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "it did not happen within {limit:?} (seed {seed}); views differ from the truth in: {differences:?}"
)]
pub struct TimedOut {
    /// How long it was waited for.
    pub limit: Duration,
    /// The seed of the simulation.
    pub seed: u64,
    /// In what the nodes' views differed from the truth then.
    pub differences: Vec<String>,
}

/// What must hold did not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("broken with seed {seed}: {broken:#?}")]
pub struct Violations {
    /// The seed of the simulation.
    pub seed: u64,
    /// Each rule that was broken, in words; the first hundred.
    pub broken: Vec<String>,
}
