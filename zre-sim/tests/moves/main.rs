//! Every node changes its network once, each in another way and at another time; afterwards all find each other again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy takes only `#[test]` functions for tests"
)]

mod script;
#[path = "../support/mod.rs"]
mod support;
mod talker;

use std::time::Duration;

use script::Script;
use support::for_each_seed;
use zre_sim::{Level, Sim, core::Instant};

/// How long after the last change everybody has found all others at the latest, and messages arrive: a peer that has
/// moved is sought elsewhere when one and a half beacon intervals have passed without a beacon, and one without an
/// answer. That may begin anew with a cable that is plugged in, which nobody announces.
const FOUND: Duration = Duration::from_secs(4);

/// The same where beacons are lost, mostly three in a row.
const FOUND_WITH_LOSSES: Duration = Duration::from_secs(8);

/// How long after that nodes that are out of reach are forgotten everywhere.
const FORGOTTEN: Duration = Duration::from_secs(40);

/// What the clocks of hosts show in the beginning.
const CLOCK_START: Duration = Duration::from_secs(1_000_000);

#[test]
fn every_node_changes_its_network_once_and_all_find_each_other_again() {
    for_each_seed(25, every_node_changes_its_network_once);
}

#[test]
#[ignore = "takes a minute; .ci/run runs it"]
fn every_node_changes_its_network_once_with_1000_seeds() {
    for_each_seed(500, every_node_changes_its_network_once);
}

fn every_node_changes_its_network_once(level: Level, seed: u64) {
    let script = Script::new(seed);
    let mut sim = Sim::with_level(level, seed);
    script.begin(&mut sim);
    sim.run_for(Duration::from_secs(2));
    let begin = sim.now();
    for (at, step) in &script.steps {
        let pause = (begin + *at).saturating_sub(sim.now());
        sim.run_for(pause);
        step.carry_out(&mut sim);
    }
    let limit = match script.has_losses() {
        true => FOUND_WITH_LOSSES,
        false => FOUND,
    };
    let changed = Instant::default() + CLOCK_START + sim.now();
    let found = sim.run_until(limit, |_| script.unheard(changed).is_empty());
    let unheard = script.unheard(changed);
    found.unwrap_or_else(|late| panic!("{late}\n{unheard:#?}\n{script}"));
    script.ledger.be_quiet();
    let agreed = sim.run_until(FORGOTTEN, Sim::agrees);
    agreed.unwrap_or_else(|late| panic!("{late}\n{script}"));
    sim.run_for(Duration::from_secs(1));
    assert!(sim.agrees(), "{:?}", sim.differences());
    assert_eq!(sim.known_pairs(), script.pairs() as u64);
    sim.check_quiet()
        .unwrap_or_else(|broken| panic!("{broken}"));
    script.ledger.for_each(|from, to, account| {
        let losses = account.losses();
        assert!(
            losses.is_empty(),
            "from {from} to {to}: {losses:#?}\n{script}"
        );
        // Each of the two may have cost them one.
        let sessions = account.sessions.len();
        let changes = script.changes(from) + script.changes(to);
        assert!(
            sessions <= 1 + changes,
            "from {from} to {to}: {sessions}\n{script}"
        );
    });
}
