//! A minute of everything that can go wrong, in an order that only the seed knows; then quiet, in
//! which all must be well.
//!
//! `ZRE_SEED=7 ZRE_TRACE=trace cargo test -p zre-sim --test chaos` writes what happens with one
//! seed, a file for each level.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy takes only `#[test]` functions for tests"
)]

mod support;

use std::{collections::BTreeSet, fs::File, time::Duration};

use support::{for_each_seed, pick};
use zre_sim::{
    Conditions, Level, Sim,
    core::{
        Config, Security, Trust,
        proto::{Endpoint, PeerId},
    },
};

/// How long after the last fault everybody agrees at the latest.
///
/// What was cut off is silent for 30 s before it is gone. TCP waits twice as long as a cut has
/// lasted before it sends again, and a minute is the longest cut here. A connection that is made
/// meanwhile is given up after 10 s.
const HEALING: Duration = Duration::from_secs(150);

#[test]
fn whatever_happens_heals() {
    for_each_seed(25, |level, seed| {
        let mut sim = chaos(level, seed, Keys::None);
        everybody_is_well_again(&mut sim);
    });
}

/// Elections among all else, with so many seeds that rare orders of events come, too. Only the
/// leaders are looked at.
#[test]
#[ignore = "takes two minutes with --release; for changes of the rules for elections"]
fn a_leader_is_agreed_on_with_10_000_seeds() {
    for_each_seed(10_000, |level, seed| {
        let mut sim = disturb(level, seed, Keys::None, |_| {});
        heal(&mut sim);
        sim.run_for(HEALING);
        leaders_are_agreed_on(&mut sim);
    });
}

#[test]
fn whatever_happens_to_nodes_with_keys_heals() {
    with_keys(25);
}

#[test]
#[ignore = "takes minutes; run it by hand after a change of the rules for keys"]
fn whatever_happens_to_nodes_with_keys_heals_with_300_seeds() {
    with_keys(150);
}

fn with_keys(count: u64) {
    for_each_seed(count, |level, seed| {
        let keys = match seed % 3 {
            0 => Keys::OfEachNode,
            1 => Keys::Shared,
            _ => Keys::Any,
        };
        let mut sim = chaos(level, seed, keys);
        everybody_is_well_again(&mut sim);
    });
}

fn everybody_is_well_again(sim: &mut Sim) {
    heal(sim);
    sim.run_for(HEALING);
    let differences = sim.differences();
    assert!(differences.is_empty(), "{differences:#?}");
    // What was said in trouble may have gone with its session; what is said now arrives.
    let before = sim.metrics().messages;
    let names: Vec<_> = sim.nodes().into_iter().map(String::from).collect();
    let mut expected = 0;
    for name in &names {
        let shouted = sim.node(name).shout("g0", format!("{name} is well"));
        expected += shouted.unwrap_or_else(|error| panic!("{name} cannot shout: {error}"));
    }
    sim.run_for(Duration::from_secs(5));
    assert_eq!(sim.metrics().messages - before, expected as u64);
    assert!(sim.agrees(), "{:?}", sim.differences());
    let checked = sim.check_quiet();
    checked.unwrap_or_else(|error| panic!("{error}"));
    leaders_are_agreed_on(sim);
}

/// The members of a group that know each other have one leader, if one of them contests.
fn leaders_are_agreed_on(sim: &mut Sim) {
    let group = "g0".try_into().unwrap();
    let names: Vec<_> = sim.nodes().into_iter().map(String::from).collect();
    let contests = |name: &&String| sim.node(name).contested_groups().contains(&group);
    let contestants: BTreeSet<_> = names.iter().filter(contests).collect();
    let contestants: BTreeSet<_> = contestants.iter().map(|name| sim.node(name).id()).collect();
    for name in &names {
        let node = sim.node(name);
        if node.own_groups().contains(&group) {
            let mut members = node.peers_by_group("g0").unwrap();
            members.push(node.id());
            let lowest = members
                .into_iter()
                .filter(|id| contestants.contains(id))
                .min();
            assert_eq!(node.leader("g0").unwrap(), lowest, "{name}");
        }
    }
}

/// Which keys the nodes have.
#[derive(Debug, Clone, Copy)]
enum Keys {
    None,
    /// Each has its own and trusts those of the others.
    OfEachNode,
    /// All have the same.
    Shared,
    /// Each has its own and trusts any.
    Any,
}

impl Keys {
    fn of(self, sim: &Sim, name: &str) -> Option<Security> {
        Some(match self {
            Self::None => return None,
            Self::OfEachNode => {
                let names: Vec<_> = (0..6).flat_map(names_at).collect();
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                Security::new(sim.keypair(name), sim.trust(&names))
            }
            Self::Shared => Security::shared(sim.keypair("network")),
            Self::Any => Security::new(sim.keypair(name), Trust::Any),
        })
    }
}

/// The names of all nodes that can ever be on a host.
fn names_at(host: u8) -> Vec<String> {
    let first = (0..2).map(|node| format!("h{host}n{node}"));
    let successors = (0..=17).map(|node| format!("h{host}s{node}"));
    first.chain(successors).collect()
}

/// Draws from the seed, each time something else.
struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.drawn += 1;
        pick(self.seed, self.drawn, below)
    }

    fn millis(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.roll(below))
    }

    fn index(&mut self, below: usize) -> usize {
        usize::try_from(self.roll(below as u64)).unwrap_or(0)
    }
}

struct Chaos {
    level: Level,
    sim: Sim,
    dice: Dice,
    hosts: Vec<String>,
    /// Nodes, each with its host.
    nodes: Vec<(String, String)>,
    /// Nodes whose programs take no events. They do not send either: a message is held against the
    /// session that its sender was told of.
    held: BTreeSet<String>,
    said: u64,
    /// Whether hosts swap addresses; if not, they move between LANs.
    swaps: bool,
    keys: Keys,
}

fn chaos(level: Level, seed: u64, keys: Keys) -> Sim {
    disturb(level, seed, keys, |sim| {
        if let Err(broken) = sim.check() {
            panic!("at {:?}: {broken}", sim.now());
        }
    })
}

/// A minute of faults; `check` is called again and again.
fn disturb(level: Level, seed: u64, keys: Keys, check: impl Fn(&mut Sim)) -> Sim {
    let mut sim = Sim::with_level(level, seed);
    if let Ok(path) = std::env::var("ZRE_TRACE") {
        let level = format!("{level:?}").to_lowercase();
        let file = File::create(format!("{path}.{level}")).unwrap();
        sim.trace_to(file);
    }
    let mut chaos = Chaos {
        level,
        sim,
        dice: Dice { seed, drawn: 0 },
        hosts: Vec::new(),
        nodes: Vec::new(),
        held: BTreeSet::new(),
        said: 0,
        swaps: seed.is_multiple_of(2),
        keys,
    };
    chaos.begin();
    let end = Duration::from_secs(60);
    while chaos.sim.now() < end {
        if chaos.dice.roll(4) == 0 {
            chaos.fault();
        }
        for _ in 0..chaos.dice.roll(6) {
            chaos.talk();
        }
        let pause = match chaos.dice.roll(10) {
            0 => 5000,
            1..4 => 500,
            _ => 50,
        };
        let pause = chaos.dice.millis(pause);
        chaos.sim.run_for(pause);
        check(&mut chaos.sim);
    }
    chaos.sim
}

/// Whether a host is on the second LAN in the beginning.
fn is_far(host: &str) -> bool {
    ["h4", "h5"].contains(&host)
}

/// Ends every fault that lasts.
fn heal(sim: &mut Sim) {
    sim.heal();
    for lan in ["lan", "far"] {
        sim.lan(lan).set(Conditions::wired());
    }
    let hosts: Vec<_> = (0..6).map(|number| format!("h{number}")).collect();
    for host in &hosts {
        sim.host(host).plug();
        sim.host(host).thaw();
        sim.host(host).drift(0);
        for other in &hosts {
            if host != other {
                sim.link(host, other).set(Conditions::wired());
                sim.link(host, other).unstall();
            }
        }
    }
    let names: Vec<_> = sim.nodes().into_iter().map(String::from).collect();
    for name in names {
        sim.node(&name).take_events();
    }
}

impl Chaos {
    /// Six hosts on two LANs, some with two nodes, of which some keep their identity and some hold
    /// little.
    fn begin(&mut self) {
        for number in 0..6 {
            let host = format!("h{number}");
            if is_far(&host) {
                self.sim.host(&host).on("far");
            }
            for node in 0..=self.dice.roll(2) {
                let name = format!("{host}n{node}");
                let keeps_identity = self.dice.roll(2) == 0;
                let is_small = self.dice.roll(4) == 0;
                let [first, second] = [number, node].map(|part| u8::try_from(part).unwrap_or(0));
                let security = self.keys.of(&self.sim, &name);
                self.sim
                    .host(&host)
                    .start_node(&name, |config: &mut Config| {
                        config.security = security;
                        if number % 2 == 0 {
                            config.contest.insert("g0".try_into().unwrap());
                        }
                        if keeps_identity {
                            let mut id = [0xAA; 16];
                            (id[0], id[1]) = (first, second);
                            config.id = Some(PeerId::from(id));
                        }
                        if is_small {
                            config.limits.outbound = 4 << 10;
                            config.limits.events = 16;
                        }
                    });
                self.nodes.push((name, host.clone()));
            }
            self.hosts.push(host);
            let pause = self.dice.millis(300);
            self.sim.run_for(pause);
        }
    }

    /// A program does something, if its process can.
    fn talk(&mut self) {
        let place = self.dice.index(self.nodes.len());
        let (name, _) = self.nodes[place].clone();
        if self.sim.node(&name).is_stopped() {
            return;
        }
        self.said += 1;
        let said = match self.dice.roll(8) {
            0 => format!("{:01000}", self.said),
            _ => format!("{}", self.said),
        };
        let group = format!("g{}", self.dice.roll(3));
        match self.dice.roll(6) {
            0 => self.sim.node(&name).join(&group).expect("the node runs"),
            1 => self.sim.node(&name).leave(&group).expect("the node runs"),
            _ if self.held.contains(&name) => {}
            2 | 3 => {
                let peers = self.sim.node(&name).peer_names();
                if !peers.is_empty() {
                    let peer = &peers[self.dice.index(peers.len())];
                    let peer = self.sim.node(peer).id();
                    // It may be full, or have been another's identity.
                    let _full = self.sim.node(&name).whisper(peer, said);
                }
            }
            _ => {
                let shouted = self.sim.node(&name).shout(&group, said);
                shouted.unwrap_or_else(|error| panic!("{name} cannot shout: {error}"));
            }
        }
    }

    fn fault(&mut self) {
        let host = self.hosts[self.dice.index(self.hosts.len())].clone();
        let other = self.hosts[self.dice.index(self.hosts.len())].clone();
        let lan = ["lan", "far"][self.dice.index(2)];
        let by = self.dice.millis(10_000);
        match self.dice.roll(27) {
            0 => {
                let conditions = self.conditions();
                self.sim.lan(lan).set(conditions);
            }
            1 if host != other => {
                let conditions = self.conditions();
                self.sim.link(&host, &other).set(conditions);
            }
            2 => {
                let bits = self.dice.roll(64);
                let sides = |side| -> Vec<&str> {
                    let numbered = (0..).zip(&self.hosts);
                    let chosen = numbered.filter(|(number, _)| bits >> number & 1 == side);
                    chosen.map(|(_, host)| host.as_str()).collect()
                };
                let (one, two) = (sides(0), sides(1));
                self.sim.partition(&one, &two);
            }
            3 | 4 => self.sim.heal(),
            5 if host != other => self.sim.link(&host, &other).cut(),
            6 if host != other => self.sim.link(&host, &other).reset(),
            7 if host != other => self.sim.link(&host, &other).half_close(),
            // Without handshakes a connection that is not read can keep a HELLO of long ago.
            8 if host != other && self.level == Level::Bytes => match self.dice.roll(2) {
                0 => self.sim.link(&host, &other).stall(),
                _ => self.sim.link(&host, &other).unstall(),
            },
            9 => self.sim.host(&host).unplug(),
            10 => self.sim.host(&host).plug(),
            11 => self.sim.host(&host).freeze(),
            12 | 13 => self.sim.host(&host).thaw(),
            14 => {
                self.end(&host);
                self.sim.host(&host).restart();
            }
            15 => {
                self.end(&host);
                let pause = self.dice.millis(3000);
                self.sim.run_for(pause);
                self.sim.host(&host).restart();
            }
            16 => {
                let gain = i32::try_from(self.dice.roll(100_000)).unwrap_or(0) - 50_000;
                self.sim.host(&host).drift(gain);
            }
            17 => match self.dice.roll(2) {
                0 => self.sim.host(&host).jump_ahead(by * 10),
                _ => self.sim.host(&host).jump_back(by),
            },
            18 | 19 => {
                let place = self.dice.index(self.nodes.len());
                let (name, _) = self.nodes[place].clone();
                if self.dice.roll(2) == 0 {
                    self.sim.node(&name).hold_events();
                    self.held.insert(name);
                } else {
                    self.sim.node(&name).take_events();
                    self.held.remove(&name);
                }
            }
            20 | 21 => self.succeed(),
            // A host that moves gets the address there that was always meant for it, which must be
            // free.
            22 if self.swaps && host != other && is_far(&host) == is_far(&other) => {
                self.end(&host);
                self.end(&other);
                self.sim.swap_addresses(&host, &other);
                self.sim.host(&host).restart();
                self.sim.host(&other).restart();
            }
            23 if !self.swaps => {
                self.end(&host);
                self.sim.host(&host).on(lan);
                self.sim.host(&host).restart();
            }
            // Nodes go on meanwhile.
            24 => drop(self.sim.host(&host).interface("eth0").change_address()),
            25 => {
                self.sim.host(&host).remove_interface("eth0");
                let pause = self.dice.millis(3000);
                self.sim.run_for(pause);
                self.sim.host(&host).interface("eth0").on(lan);
            }
            26 if !self.swaps => drop(self.sim.host(&host).interface("eth0").on(lan)),
            _ => {}
        }
    }

    /// A node dies, and a new one begins at its endpoint.
    fn succeed(&mut self) {
        let place = self.dice.index(self.nodes.len());
        let (name, host) = self.nodes[place].clone();
        if self.sim.node(&name).is_stopped() || self.nodes.len() > 16 {
            return;
        }
        let port = self.sim.node(&name).endpoint().port();
        self.sim.node(&name).kill();
        let pause = self.dice.millis(1000);
        self.sim.run_for(pause);
        let address = self.sim.host(&host).address();
        let successor = format!("{host}s{}", self.nodes.len());
        let security = self.keys.of(&self.sim, &successor);
        self.sim.host(&host).start_node(&successor, |config| {
            config.security = security;
            config.endpoint = Endpoint::new(address.into(), port);
        });
        self.nodes.push((successor, host));
    }

    /// The nodes of a host end, one way or another.
    fn end(&mut self, host: &str) {
        match self.dice.roll(4) {
            0 => self.sim.host(host).crash(),
            1 => self.sim.host(host).power_off(),
            2 => {
                let here = self.nodes.iter().filter(|(_, place)| place == host);
                for (name, _) in here {
                    if !self.sim.node(name).is_stopped() {
                        self.sim.node(name).stop();
                    }
                }
            }
            _ => {}
        }
    }

    fn conditions(&mut self) -> Conditions {
        let share = |roll| roll as f64 / 100.0;
        let (piece, bandwidth) = (self.dice.index(2000), self.dice.roll(1_000_000));
        Conditions {
            latency: self.dice.millis(300),
            jitter: self.dice.millis(100),
            loss: share(self.dice.roll(40)),
            burst: 1.0 + share(self.dice.roll(500)),
            duplicate: share(self.dice.roll(20)),
            reorder: share(self.dice.roll(20)),
            piece: (self.dice.roll(3) == 0).then_some(1 + piece),
            bandwidth: (self.dice.roll(3) == 0).then_some(10_000 + bandwidth),
            window: 1000 + self.dice.index(100_000),
        }
    }
}
