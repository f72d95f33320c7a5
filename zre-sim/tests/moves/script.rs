//! Who changes its network, when and how.

use std::{collections::BTreeSet, fmt, time::Duration};

use zre_sim::{
    Conditions, Sim,
    core::{Config, Instant, NetworkSettings, interfaces::Interfaces},
};

use crate::{
    support::pick,
    talker::{Ledger, Talker},
};

/// When the last change begins at the latest.
const SPAN: u64 = 3000;

/// How long one change may take.
const LONGEST: u64 = 1500;

pub(crate) struct Script {
    pub(crate) hosts: Vec<Host>,
    pub(crate) steps: Vec<(Duration, Step)>,
    pub(crate) ledger: Ledger,
    conditions: Conditions,
}

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: String,
    has_wlan: bool,
    is_on_all: bool,
    change: Change,
    /// The LANs by which it can be reached when everything is over.
    ends_on: BTreeSet<&'static str>,
}

/// What happens to a host's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The address becomes another one.
    Address,
    /// The lease runs out, and the address comes again, or another.
    Lease,
    /// It goes over to another network that it has already.
    Overlap,
    /// The same, but the host has to find the other network first.
    Handover,
    /// It is on another network from one moment to the next.
    Jump,
    /// The interface is removed and made anew.
    Remade,
    /// The node starts before the network.
    Late,
    /// The host sleeps, and wakes with another address.
    Sleep,
    /// The cable is out for a while.
    Cable,
    /// Nothing: somebody has to stay.
    Nothing,
}

/// What is done to a host at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    host: String,
    what: Action,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    ChangeAddress,
    TakeAddress,
    On(&'static str, &'static str),
    Remove,
    Unplug,
    Plug,
    Down,
    Freeze,
    Thaw,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice { seed, drawn: 0 };
        let hosts: Vec<_> = (0..5 + dice.roll(4))
            .map(|number| Host::new(number, &mut dice))
            .collect();
        let mut steps: Vec<_> = hosts
            .iter()
            .flat_map(|host| host.steps(&mut dice))
            .collect();
        // Stable, so that the steps of one host stay in order.
        steps.sort_by_key(|(at, _)| *at);
        let conditions = match dice.roll(3) {
            0 => Conditions::wifi(),
            _ => Conditions::wired(),
        };
        Self {
            hosts,
            steps,
            ledger: Ledger::default(),
            conditions,
        }
    }

    /// Starts all nodes.
    pub(crate) fn begin(&self, sim: &mut Sim) {
        for lan in ["lan", "wifi"] {
            sim.lan(lan).set(self.conditions);
        }
        for host in &self.hosts {
            if host.change == Change::Late {
                sim.host(&host.name).remove_interface("eth0");
            }
            if host.has_wlan {
                sim.host(&host.name).interface("wlan0").on("wifi");
            }
            let talker = Talker::new(&host.name, &self.ledger);
            let is_on_all = host.is_on_all;
            sim.host(&host.name)
                .start_app(&host.name, talker, |config: &mut Config| {
                    let mut networks = NetworkSettings::default();
                    if is_on_all {
                        networks.interfaces = Interfaces::All;
                    }
                    config.networks = Some(networks);
                });
            sim.node(&host.name).join("ALL").unwrap();
        }
    }

    /// Whether beacons are lost.
    pub(crate) fn has_losses(&self) -> bool {
        self.conditions.loss > 0.0
    }

    /// How many pairs of a node and a peer that it sees there are in the end.
    pub(crate) fn pairs(&self) -> usize {
        self.meeting().count()
    }

    /// How often a host changes its network.
    pub(crate) fn changes(&self, name: &str) -> usize {
        let changes = |host: &&Host| host.name == name && host.change != Change::Nothing;
        self.hosts.iter().filter(changes).count()
    }

    /// Pairs that have heard nothing from each other since a time.
    pub(crate) fn unheard(&self, since: Instant) -> Vec<String> {
        let is_unheard = |(from, to): &(&Host, &Host)| {
            let heard = |account: &mut crate::talker::Account| account.is_heard_since(since);
            !self.ledger.account(&from.name, &to.name, heard)
        };
        let unheard = self.meeting().filter(is_unheard);
        unheard
            .map(|(from, to)| format!("{} from {}", to.name, from.name))
            .collect()
    }

    fn meeting(&self) -> impl Iterator<Item = (&Host, &Host)> {
        let pairs = self
            .hosts
            .iter()
            .flat_map(|one| self.hosts.iter().map(move |other| (one, other)));
        pairs.filter(|(one, other)| {
            one.name != other.name && !one.ends_on.is_disjoint(&other.ends_on)
        })
    }
}

/// What happens to whom, for messages of failure.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for host in &self.hosts {
            writeln!(f, "{host:?}")?;
        }
        for (at, step) in &self.steps {
            writeln!(f, "{at:?}: {} {:?}", step.host, step.what)?;
        }
        Ok(())
    }
}

impl Host {
    fn new(number: u64, dice: &mut Dice) -> Self {
        use Change::*;
        let changes = [
            Address, Lease, Overlap, Handover, Jump, Remade, Late, Sleep, Cable, Nothing,
        ];
        let change = changes[usize::try_from(dice.roll(changes.len() as u64)).unwrap()];
        // Of hosts with two networks that stay on the first, nodes on all are on both in the end;
        // others would be on the first, or on both if it was away for a while.
        let has_wlan =
            change == Overlap || change != Handover && change != Jump && dice.roll(3) == 0;
        let is_on_all = has_wlan && change != Overlap || dice.roll(2) == 0;
        let ends_on = match change {
            Overlap | Handover | Jump => BTreeSet::from(["wifi"]),
            _ if has_wlan => BTreeSet::from(["lan", "wifi"]),
            _ => BTreeSet::from(["lan"]),
        };
        Self {
            name: format!("h{number}"),
            has_wlan,
            is_on_all,
            change,
            ends_on,
        }
    }

    fn steps(&self, dice: &mut Dice) -> Vec<(Duration, Step)> {
        let at = dice.roll(SPAN);
        let later = at + dice.roll(LONGEST);
        let again = [Action::On("eth0", "lan"), Action::ChangeAddress];
        let again = again[usize::try_from(dice.roll(2)).unwrap()];
        let dies = [Action::Remove, Action::Unplug, Action::Down];
        let dies = dies[usize::try_from(dice.roll(3)).unwrap()];
        let steps = match self.change {
            Change::Address => vec![(at, Action::ChangeAddress)],
            Change::Lease => vec![(at, Action::TakeAddress), (later, again)],
            Change::Overlap => vec![(at, dies)],
            Change::Handover => vec![(at, Action::On("wlan0", "wifi")), (later, dies)],
            Change::Jump => vec![(at, Action::On("eth0", "wifi"))],
            Change::Remade => vec![(at, Action::Remove), (later, Action::On("eth0", "lan"))],
            Change::Late => vec![(at, Action::On("eth0", "lan"))],
            Change::Sleep => vec![(at, Action::Freeze), (later, again), (later, Action::Thaw)],
            Change::Cable => vec![(at, Action::Unplug), (later, Action::Plug)],
            Change::Nothing => Vec::new(),
        };
        let steps = steps.into_iter().map(|(at, what)| {
            let host = self.name.clone();
            (Duration::from_millis(at), Step { host, what })
        });
        steps.collect()
    }
}

impl Step {
    pub(crate) fn carry_out(&self, sim: &mut Sim) {
        let mut host = sim.host(&self.host);
        match self.what {
            Action::ChangeAddress => drop(host.interface("eth0").change_address()),
            Action::TakeAddress => drop(host.interface("eth0").take_addresses()),
            Action::On(name, lan) => drop(host.interface(name).on(lan)),
            Action::Remove => drop(host.remove_interface("eth0")),
            Action::Unplug => drop(host.interface("eth0").unplug()),
            Action::Plug => drop(host.interface("eth0").plug()),
            Action::Down => drop(host.interface("eth0").down()),
            Action::Freeze => host.freeze(),
            Action::Thaw => host.thaw(),
        }
    }
}

struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.drawn += 1;
        pick(self.seed, self.drawn, below)
    }
}
