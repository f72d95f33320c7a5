//! Beacons, gossip and fixed peers in any mixture, with trouble; afterwards all that lead to each
//! other know each other.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy takes only `#[test]` functions for tests"
)]

mod support;

use std::time::Duration;

use support::{for_each_seed, pick};
use zre_sim::{
    Level, Sim,
    core::{
        Beacons, Config, NetworkSettings,
        interfaces::Interfaces,
        proto::{Endpoint, PeerId},
    },
};

/// The first node of a host has this port.
const PORT: u16 = 49152;

/// How long after the last trouble everybody agrees at the latest: what was cut off is silent for
/// 30 s before it is gone, and TCP waits twice as long as a cut has lasted before it sends again.
const HEALING: Duration = Duration::from_secs(90);

#[test]
fn whatever_leads_nodes_to_each_other_they_agree_after_trouble() {
    for_each_seed(15, |level, seed| {
        let mut mixture = Mixture::new(level, seed);
        mixture.begin();
        for _ in 0..20 {
            mixture.trouble();
            let pause = mixture.dice.millis(3000);
            mixture.sim.run_for(pause);
            mixture.say_something();
        }
        let mut sim = mixture.heal();
        sim.run_for(HEALING);
        let differences = sim.differences();
        assert!(differences.is_empty(), "{differences:#?}");
        let before = sim.metrics().messages;
        let names: Vec<_> = sim.nodes().into_iter().map(String::from).collect();
        let mut expected = 0;
        for name in &names {
            expected += sim
                .node(name)
                .shout("ALL", format!("{name} is well"))
                .unwrap();
        }
        sim.run_for(Duration::from_secs(5));
        assert_eq!(sim.metrics().messages - before, expected as u64);
        assert!(sim.agrees(), "{:?}", sim.differences());
        sim.check_quiet().unwrap_or_else(|error| panic!("{error}"));
    });
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

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.roll(all.len() as u64)).unwrap()]
    }
}

struct Mixture {
    sim: Sim,
    dice: Dice,
    names: Vec<String>,
    said: u64,
}

impl Mixture {
    fn new(level: Level, seed: u64) -> Self {
        let mut sim = Sim::with_level(level, seed);
        if let Ok(path) = std::env::var("ZRE_TRACE") {
            let level = format!("{level:?}").to_lowercase();
            sim.trace_to(std::fs::File::create(format!("{path}.{level}")).unwrap());
        }
        Self {
            sim,
            dice: Dice { seed, drawn: 0 },
            names: Vec::new(),
            said: 0,
        }
    }

    /// Four to seven hosts on two or three LANs, with a router or without; the first two may be
    /// hubs.
    fn begin(&mut self) {
        let lans = ["lan", "far", "wifi"];
        let lans = &lans[..usize::try_from(2 + self.dice.roll(2)).unwrap()];
        if self.dice.roll(4) > 0 {
            self.sim.route("lan", "far");
        }
        let count = 4 + self.dice.roll(4);
        self.names = (0..count).map(|number| format!("h{number}")).collect();
        for number in 0..count {
            let name = self.names[usize::try_from(number).unwrap()].clone();
            let lan = self.dice.one_of(lans);
            self.sim.host(&name).on(lan);
            if self.dice.roll(3) == 0 {
                let second = self.dice.one_of(lans);
                let mut host = self.sim.host(&name);
                let mut second_interface = host.interface("eth1");
                second_interface.on(second).default_route(None);
            }
        }
        for number in 0..count {
            self.start(number);
            let pause = self.dice.millis(500);
            self.sim.run_for(pause);
        }
    }

    fn start(&mut self, number: u64) {
        let name = self.names[usize::try_from(number).unwrap()].clone();
        let roll = |dice: &mut Dice| dice.roll(2) == 0;
        let (is_on_all, has_beacons) = (roll(&mut self.dice), self.dice.roll(3) > 0);
        let keeps_identity = roll(&mut self.dice);
        let is_hub = number < 2 && roll(&mut self.dice);
        let hubs: Vec<Endpoint> = (0..2)
            .filter(|_| self.dice.roll(2) == 0)
            .map(|hub| format!("tcp://h{hub}:5670").parse().unwrap())
            .collect();
        let fixed: Vec<Endpoint> = (0..self.names.len())
            .filter(|_| self.dice.roll(4) == 0)
            .map(|other| format!("tcp://h{other}:{PORT}").parse().unwrap())
            .collect();
        let byte = u8::try_from(number).unwrap();
        self.sim.host(&name).start_with(|config: &mut Config| {
            let interfaces = match is_on_all {
                true => Interfaces::All,
                false => Interfaces::Default,
            };
            config.networks = Some(NetworkSettings {
                interfaces,
                ..NetworkSettings::default()
            });
            if !has_beacons {
                config.beacons = Beacons::Off;
            }
            if keeps_identity {
                let mut id = [0xAA; 16];
                id[0] = byte;
                config.id = Some(PeerId::from(id));
            }
            config.is_gossip_hub = is_hub;
            config.gossip_connect = hubs.into_iter().map(Into::into).collect();
            config.connect = fixed.into_iter().map(Into::into).collect();
        });
        self.sim.node(&name).keep_port();
        self.sim.node(&name).join("ALL").unwrap();
    }

    fn trouble(&mut self) {
        let name = self
            .dice
            .one_of(&self.names.iter().map(String::as_str).collect::<Vec<_>>());
        let name = name.to_owned();
        let other = self.dice.roll(self.names.len() as u64);
        let other = self.names[usize::try_from(other).unwrap()].clone();
        match self.dice.roll(12) {
            0 => self.sim.host(&name).crash(),
            1 => self.sim.host(&name).power_off(),
            2..=4 => self.restart(&name),
            5 => drop(self.sim.host(&name).interface("eth0").change_address()),
            6 => drop(self.sim.host(&name).interface("eth0").unplug()),
            7 => drop(self.sim.host(&name).interface("eth0").plug()),
            8 if name != other => self.sim.link(&name, &other).reset(),
            9 if name != other => self.sim.link(&name, &other).cut(),
            10 => self.sim.heal(),
            11 => {
                self.sim.host(&name).remove_interface("eth0");
                let pause = self.dice.millis(2000);
                self.sim.run_for(pause);
                self.sim.host(&name).interface("eth0").on("lan");
            }
            _ => {}
        }
    }

    fn restart(&mut self, name: &str) {
        self.sim.host(name).restart();
        self.sim.node(name).join("ALL").unwrap();
    }

    fn say_something(&mut self) {
        for name in self.names.clone() {
            if !self.sim.node(&name).is_stopped() {
                self.said += 1;
                let said = format!("{}", self.said);
                self.sim.node(&name).shout("ALL", said).unwrap();
            }
        }
    }

    fn heal(mut self) -> Sim {
        self.sim.heal();
        for name in self.names.clone() {
            self.sim.host(&name).plug();
            if self.sim.node(&name).is_stopped() && self.dice.roll(2) == 0 {
                self.restart(&name);
            }
        }
        self.sim
    }
}
