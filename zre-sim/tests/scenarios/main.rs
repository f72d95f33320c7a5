//! Nodes in all the trouble that a network can make, each scenario with many seeds.
//!
//! After each, every node's view must equal the truth, and what holds always must have held: see
//! `settle`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "clippy takes only `#[test]` functions for tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod clocks;
mod convergence;
mod discovery;
mod freezes;
mod keys;
mod limits;
mod networks;
mod partitions;
mod pressure;
mod requests;
mod restarts;
mod storms;
mod streams;
mod wifi;
mod wrap;

use std::time::Duration;

use zre_sim::{Sim, core::Event};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Hosts with a node each, all in the group CHAT.
fn crowd(sim: &mut Sim, names: &[&str]) {
    for name in names {
        sim.host(name).start();
        sim.node(name).join("CHAT").expect("the node runs");
    }
}

/// A crowd whose members know each other.
fn acquainted(sim: &mut Sim, names: &[&str]) {
    crowd(sim, names);
    agree_within(sim, secs(10));
}

fn agree_within(sim: &mut Sim, limit: Duration) -> Duration {
    let agreed = sim.run_until(limit, Sim::agrees);
    agreed.unwrap_or_else(|error| panic!("at {:?}: {error}", sim.now()))
}

/// Everybody comes to agree within a limit and goes on doing so, nothing is missing, and no rule
/// was broken.
fn settle(sim: &mut Sim, limit: Duration) {
    agree_within(sim, limit);
    sim.run_for(secs(10));
    assert!(sim.agrees(), "{:?}", sim.differences());
    let checked = sim.check_quiet();
    checked.unwrap_or_else(|error| panic!("{error}"));
}

/// Lets time pass in which each of these nodes shouts something new every 100 ms.
fn talk(sim: &mut Sim, names: &[&str], duration: Duration) {
    let end = sim.now() + duration;
    while sim.now() < end {
        for name in names {
            let said = format!("{name} at {:?}", sim.now());
            let shouted = sim.node(name).shout("CHAT", said);
            shouted.unwrap_or_else(|error| panic!("{name} cannot shout: {error}"));
        }
        sim.run_for(millis(100));
    }
}

/// How many of a node's events since the last look begin or end a peer's presence.
fn comings_and_goings(sim: &mut Sim, node: &str) -> (usize, usize) {
    let events = sim.events(node);
    let enters = events
        .iter()
        .filter(|event| matches!(event, Event::Enter { .. }));
    let exits = events
        .iter()
        .filter(|event| matches!(event, Event::Exit { .. }));
    (enters.count(), exits.count())
}

/// No node has seen a peer go since the last look.
fn nobody_left(sim: &mut Sim, names: &[&str]) {
    for name in names {
        let events = sim.events_in_short(name);
        let left = events.iter().find(|line| line.starts_with("exit"));
        assert_eq!(left, None, "{name} tells: {events:#?}");
    }
}
