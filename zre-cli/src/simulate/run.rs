//! Simulates one network.

use std::{fs::File, io::BufWriter, time::Duration};

use zre_sim::{
    Metrics, Sim,
    core::{Config, Security, Trust, proto::GroupName},
};

use super::{
    machine::pairs,
    options::Options,
    program::{Chatter, Rates},
    progress::Progress,
    script::{Step, script},
};
use crate::failure::Failure;

/// The result for one network.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) nodes: u32,
    pub(super) metrics: Metrics,
    /// Messages that nodes sent, each copy for itself.
    pub(super) sent: u64,
    /// When the last node started for the first time.
    last_start: Duration,
    /// When every node knew every other for the first time.
    pub(super) converged: Option<Duration>,
    /// When nodes were restarted.
    pub(super) restarts: Vec<Duration>,
    /// How often a node got another address.
    pub(super) moves: usize,
    /// The figures as they grew.
    pub(super) course: Vec<Look>,
    /// Peers of the nodes that run at the end: the fewest and the most.
    pub(super) peers: (usize, usize),
    /// Where views are wrong at the end, in words; empty if all are right.
    pub(super) differences: Vec<String>,
    /// Which rules were broken, in words.
    pub(super) broken: Vec<String>,
    pub(super) trace_hash: u64,
}

/// The figures at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) at: Duration,
    /// Pairs of a node and a peer that it knows.
    pub(super) known: u64,
    pub(super) metrics: Metrics,
}

impl Run {
    /// How long after the last start every node knew every other.
    pub(super) fn after_last_start(&self) -> Option<Duration> {
        Some(self.converged?.saturating_sub(self.last_start))
    }

    /// Since when every node has known every other, up to the end.
    pub(super) fn settled(&self) -> Option<Duration> {
        let all = pairs(self.nodes);
        let settled = self.course.iter().rev();
        Some(settled.take_while(|look| look.known == all).last()?.at)
    }

    /// Which part of all pairs know each other, from 0 to 1.
    pub(super) fn share(&self, look: &Look) -> f64 {
        match pairs(self.nodes) {
            0 => 1.0,
            // For a moment a node may be known twice: with its old identity and with its new one.
            all => (look.known as f64 / all as f64).min(1.0),
        }
    }

    /// How many pairs knew each other at the end.
    pub(super) fn known(&self) -> u64 {
        self.course.last().map_or(0, |look| look.known)
    }
}

/// Simulates a network.
pub(super) fn simulate(
    options: &Options,
    nodes: u32,
    trace: Option<File>,
    progress: &Progress,
) -> Result<Run, Failure> {
    let traced = trace.is_some();
    let mut network = Network::new(options, nodes, trace);
    for (at, step) in script(options, nodes) {
        network.run_until(at, progress);
        network.carry_out(step)?;
    }
    if traced {
        network
            .sim
            .finish_trace()
            .map_err(|error| Failure::Told(format!("cannot write the trace: {error}")))?;
    }
    Ok(network.into_run())
}

struct Network<'a> {
    options: &'a Options,
    nodes: u32,
    sim: Sim,
    /// Whom all nodes trust, if they have keys.
    trust: Option<Trust>,
    started: u32,
    last_start: Duration,
    converged: Option<Duration>,
    course: Vec<Look>,
    restarts: Vec<Duration>,
    moves: usize,
}

impl<'a> Network<'a> {
    fn new(options: &'a Options, nodes: u32, trace: Option<File>) -> Self {
        let mut sim = Sim::with_level(options.level.into(), options.seed);
        sim.lan("lan").set(options.conditions());
        if let Some(file) = trace {
            sim.trace_to(BufWriter::new(file));
        }
        // All hosts before the first node, so that their addresses are in the order of the names.
        for node in 0..nodes {
            sim.host(&name(node));
        }
        let trust = options.keys.then(|| {
            let names: Vec<_> = (0..nodes).map(name).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            sim.trust(&names)
        });
        Self {
            options,
            nodes,
            sim,
            trust,
            started: 0,
            last_start: Duration::ZERO,
            converged: None,
            course: Vec::new(),
            restarts: Vec::new(),
            moves: 0,
        }
    }

    fn run_until(&mut self, at: Duration, progress: &Progress) {
        let time = at.saturating_sub(self.sim.now());
        // Before the last start not all can know each other.
        if self.started == self.nodes && self.converged.is_none() {
            self.look_for_convergence(at);
        }
        self.sim.run_for(at.saturating_sub(self.sim.now()));
        progress.advance(self.nodes, time, || {
            let known = self.sim.known_pairs() as f64;
            let percent = 100.0 * known / pairs(self.nodes).max(1) as f64;
            let seconds = at.as_secs_f64();
            let nodes = self.nodes;
            format!("{nodes} nodes, {seconds:.2} s, {percent:.1} % of pairs know each other")
        });
    }

    /// Stops at the moment when every node knows every other, if that is before `end`.
    fn look_for_convergence(&mut self, end: Duration) {
        let all = pairs(self.nodes);
        let time = end.saturating_sub(self.sim.now());
        let converged = |sim: &Sim| sim.known_pairs() >= all;
        // The condition always holds at the end: otherwise `run_until` would list all differences,
        // which is expensive.
        let _ = self
            .sim
            .run_until(time, |sim| converged(sim) || sim.now() >= end);
        if converged(&self.sim) {
            self.converged = Some(self.sim.now());
            self.look();
        }
    }

    fn carry_out(&mut self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Start(node) => self.start(node)?,
            Step::Crash(node) => self.sim.host(&name(node)).crash(),
            Step::Restart(node) => {
                self.sim.host(&name(node)).restart();
                self.restarts.push(self.sim.now());
            }
            Step::Move(node) => {
                let name = name(node);
                self.sim.host(&name).interface("eth0").change_address();
                self.moves += 1;
            }
            Step::Part => self.part(),
            Step::Heal => self.sim.heal(),
            Step::Look => self.look(),
        }
        Ok(())
    }

    fn start(&mut self, node: u32) -> Result<(), Failure> {
        let options = self.options;
        let group = match options.groups {
            0 => None,
            groups => Some(group(node % groups)?),
        };
        let rates = Rates {
            whispers: options.whispers,
            shouts: options.shouts,
            size: options.size as usize,
        };
        let seed = options.seed.rotate_left(32) ^ u64::from(node);
        let program = Chatter::new(seed, group.clone(), rates);
        let nodes = self.nodes as usize;
        let (name, trust) = (name(node), self.trust.clone());
        let security = trust.map(|trust| Security::new(self.sim.keypair(&name), trust));
        let configure = |config: &mut Config| {
            config.groups.extend(group);
            config.security = security;
            config.beacon_interval = options.presence.interval;
            config.evasive_after = options.presence.evasive();
            config.expired_after = options.presence.expired;
            // The defaults are for real networks, which are smaller.
            let limits = &mut config.limits;
            limits.peers = limits.peers.max(nodes);
            limits.pending_peers = limits.pending_peers.max(nodes);
            limits.unclaimed_links = limits.unclaimed_links.max(nodes);
        };
        self.sim.host(&name).start_app(&name, program, configure);
        self.sim
            .node(&name)
            .with_app(|program: &mut Chatter, node| program.begin(node.now()));
        self.started += 1;
        self.last_start = self.sim.now();
        Ok(())
    }

    fn part(&mut self) {
        let names: Vec<_> = (0..self.nodes).map(name).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let (one, other) = names.split_at(names.len() / 2);
        self.sim.partition(one, other);
    }

    fn look(&mut self) {
        self.course.push(Look {
            at: self.sim.now(),
            known: self.sim.known_pairs(),
            metrics: self.sim.metrics(),
        });
    }

    fn into_run(mut self) -> Run {
        let broken = self.sim.check().err().map(|found| found.broken);
        // Comparing all views is expensive. `agrees` mostly only counts them.
        let differences = match self.sim.agrees() {
            true => Vec::new(),
            false => self.sim.differences(),
        };
        let mut peers: Option<(usize, usize)> = None;
        let mut sent = 0;
        for name in (0..self.nodes).map(name) {
            let node = self.sim.node(&name);
            sent += node.app::<Chatter>().sent;
            if !node.is_stopped() {
                let count = node.peers().len();
                let (fewest, most) = peers.unwrap_or((count, count));
                peers = Some((fewest.min(count), most.max(count)));
            }
        }
        Run {
            nodes: self.nodes,
            metrics: self.sim.metrics(),
            sent,
            last_start: self.last_start,
            converged: self.converged,
            restarts: self.restarts,
            moves: self.moves,
            course: self.course,
            peers: peers.unwrap_or_default(),
            differences,
            broken: broken.unwrap_or_default(),
            trace_hash: self.sim.trace_hash(),
        }
    }
}

fn name(node: u32) -> String {
    format!("n{node}")
}

fn group(number: u32) -> Result<GroupName, Failure> {
    let name = format!("group-{number}");
    GroupName::try_from(name.as_str()).map_err(|error| Failure::Told(error.to_string()))
}
