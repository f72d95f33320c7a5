//! All that can happen between two honest nodes, an adversary and a network that may fail once.
//!
//! Every order of events is tried, on real engines, up to the limits of each scenario.

mod action;
mod ledger;
mod lies;
mod search;
mod wire;
mod world;

use std::vec::Vec;

use core::time::Duration;

use action::{Failure, address};
use lies::Lie;
use search::Search;
use world::{ALICE, BOB, Budget, World};

/// What may happen besides what must, and for how many milliseconds; how many seconds are explored.
struct Plan {
    lies: u8,
    whispers: [u8; 2],
    faults: u8,
    free: u64,
    /// Whether a lie or a failure comes before time passes.
    at_once: bool,
    seconds: u64,
}

impl Plan {
    fn budget(&self, now: crate::Instant) -> Budget {
        Budget {
            lies: self.lies,
            whispers: self.whispers,
            faults: self.faults,
            begins_at_once: self.at_once,
            free_until: now + Duration::from_millis(self.free),
            until: now + Duration::from_secs(self.seconds),
        }
    }

    /// Two nodes in a session, in which nothing is under way.
    fn in_session(&self) -> World {
        self.settled(false)
    }

    /// Two nodes that have elected a leader of their group.
    fn in_group(&self) -> World {
        let world = self.settled(true);
        assert!(world.agrees());
        world
    }

    fn settled(&self, elects: bool) -> World {
        let mut world = World::new(self.budget(crate::Instant::default()), true, elects);
        while let Some(action) = world.due().first().copied() {
            world.act(action);
        }
        assert!(world.is_healthy());
        world.budget = self.budget(world.now);
        world
    }

    /// The same, with a bob that is told his networks.
    fn in_session_with_mobile_bob(&self, addresses: &[[u8; 2]]) -> World {
        let addresses: Vec<_> = addresses.iter().map(|parts| address(*parts)).collect();
        let mut world = World::new(self.budget(crate::Instant::default()), true, false);
        world.replace_bob(&addresses);
        while let Some(action) = world.due().first().copied() {
            world.act(action);
        }
        assert!(world.is_healthy());
        world.budget = self.budget(world.now);
        world
    }

    /// Two nodes that have just been started.
    fn beginning(&self, elects: bool) -> World {
        let mut world = World::new(self.budget(crate::Instant::default()), false, elects);
        world.budget = self.budget(world.now);
        world
    }
}

fn failures() -> Vec<Failure> {
    let mut failures = Vec::new();
    for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
        failures.push(Failure::Standstill { from, to });
        for for_opener in [true, false] {
            failures.push(Failure::HalfOpen {
                from,
                to,
                for_opener,
            });
        }
    }
    failures.extend([3, 8].map(|seconds| Failure::Freeze { host: BOB, seconds }));
    for told in [true, false] {
        failures.extend([true, false].map(|same_port| Failure::Restart {
            host: BOB,
            told,
            same_port,
        }));
        failures.extend([true, false].map(|resent| Failure::Rebind {
            host: BOB,
            told,
            resent,
        }));
    }
    failures
}

fn explore(name: &'static str, start: World, lies: &[Lie], failures: &[Failure]) {
    Search {
        name,
        start,
        lies: lies.to_vec(),
        failures: failures.to_vec(),
        limit: 400_000,
    }
    .run();
}

/// A whisper of either.
const ONE: [[u8; 2]; 2] = [[1, 0], [0, 1]];
/// A whisper of both, which takes three times as long.
const BOTH: [[u8; 2]; 1] = [[1, 1]];

#[test]
fn a_lie_among_whispers() {
    ONE.into_iter().for_each(lie_among);
}

#[test]
#[ignore = "takes a minute"]
fn a_lie_among_whispers_of_both() {
    BOTH.into_iter().for_each(lie_among);
}

fn lie_among(whispers: [u8; 2]) {
    let plan = Plan {
        lies: 1,
        whispers,
        faults: 0,
        free: 1000,
        at_once: false,
        seconds: 7,
    };
    explore("a lie among whispers", plan.in_session(), &lies::all(), &[]);
}

#[test]
fn two_lies_at_any_time() {
    let plan = Plan {
        lies: 2,
        whispers: [0, 0],
        faults: 0,
        free: 6000,
        at_once: true,
        seconds: 7,
    };
    explore("two lies", plan.in_session(), &lies::all(), &[]);
}

#[test]
fn a_lie_at_the_beginning() {
    let plan = Plan {
        lies: 1,
        whispers: [0, 0],
        faults: 0,
        free: 0,
        at_once: false,
        seconds: 1,
    };
    explore("the beginning", plan.beginning(false), &lies::all(), &[]);
}

#[test]
fn a_failure_among_whispers() {
    ONE.into_iter().for_each(failure_among);
}

#[test]
#[ignore = "takes two minutes"]
fn a_failure_among_whispers_of_both() {
    BOTH.into_iter().for_each(failure_among);
}

fn failure_among(whispers: [u8; 2]) {
    let plan = Plan {
        lies: 0,
        whispers,
        faults: 1,
        free: 1000,
        at_once: false,
        seconds: 7,
    };
    explore("a failure", plan.in_session(), &[], &failures());
}

#[test]
fn a_failure_and_a_lie() {
    let plan = Plan {
        lies: 1,
        whispers: [0, 0],
        faults: 1,
        free: 150,
        at_once: true,
        seconds: 7,
    };
    explore(
        "a failure and a lie",
        plan.in_session(),
        &lies::few(),
        &failures(),
    );
}

#[test]
fn an_election_at_the_beginning() {
    let plan = Plan {
        lies: 0,
        whispers: [0, 0],
        faults: 0,
        free: 0,
        at_once: false,
        seconds: 1,
    };
    let start = plan.beginning(true);
    explore("an election at the beginning", start, &[], &[]);
}

#[test]
fn an_elected_leader_a_failure_and_a_lie() {
    let plan = Plan {
        lies: 1,
        whispers: [0, 0],
        faults: 1,
        free: 150,
        at_once: true,
        seconds: 4,
    };
    explore(
        "an elected leader",
        plan.in_group(),
        &lies::few(),
        &failures(),
    );
}

#[test]
fn an_address_that_changes_and_a_lie() {
    let plan = Plan {
        lies: 1,
        whispers: [1, 0],
        faults: 1,
        free: 150,
        at_once: true,
        seconds: 4,
    };
    explore(
        "an address that changes and a lie",
        plan.in_session_with_mobile_bob(&[[0, 2]]),
        &lies::few(),
        &[Failure::Move { to: &[[0, 3]] }],
    );
}

#[test]
fn a_host_on_two_networks_of_which_one_dies_and_a_lie() {
    let plan = Plan {
        lies: 1,
        whispers: [1, 0],
        faults: 1,
        free: 150,
        at_once: true,
        seconds: 4,
    };
    explore(
        "two networks and a lie",
        plan.in_session_with_mobile_bob(&[[0, 2], [1, 2]]),
        &lies::few(),
        &[
            Failure::Move { to: &[[1, 2]] },
            Failure::Move { to: &[[0, 2]] },
            Failure::DeadNetwork { of: [0, 2] },
        ],
    );
}

#[test]
fn two_lies_while_a_host_pauses_for_a_second() {
    let plan = Plan {
        lies: 2,
        whispers: [0, 0],
        faults: 1,
        free: 1100,
        at_once: true,
        seconds: 4,
    };
    explore(
        "two lies and a pause",
        plan.in_session(),
        &lies::of_a_move(),
        &[Failure::Freeze {
            host: BOB,
            seconds: 1,
        }],
    );
}
