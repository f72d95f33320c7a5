//! Readers that are slow, or do not read at all.

use zre_sim::{
    Conditions, Level, Sim,
    core::{Config, Error},
};

use crate::{
    agree_within, nobody_left, secs, settle,
    support::{for_each_seed, for_each_seed_at},
};

const NAMES: [&str; 4] = ["fast", "other", "sender", "slow"];

/// Nodes that hold little, so that little fills them.
fn small(sim: &mut Sim) {
    for name in NAMES {
        sim.host(name).start_with(little);
        sim.node(name).join("CHAT").expect("the node runs");
    }
    agree_within(sim, secs(3));
}

fn little(config: &mut Config) {
    config.limits.outbound = 64 << 10;
    config.limits.events = 64;
}

/// What is small enough that many fit a buffer, and can be told from all others.
fn message(number: usize) -> String {
    format!("{number:01000}")
}

/// Shouts until the slow one takes no more; says how many came to it and how many to everybody.
fn fill(sim: &mut Sim) -> usize {
    let mut taken = 0;
    for number in 0..2000 {
        let reached = sim.node("sender").shout("CHAT", message(number)).unwrap();
        assert!(reached >= 2, "the fast ones take everything");
        taken += usize::from(reached == 3);
        sim.run_for(crate::millis(5));
    }
    assert!(taken < 1000, "the slow one took {taken}");
    taken
}

/// Programs that shouted 2,000 messages: how many came to a node.
fn shouts_at(sim: &mut Sim, node: &str) -> usize {
    let events = sim.events_in_short(node);
    events
        .iter()
        .filter(|line| line.starts_with("shout"))
        .count()
}

#[test]
fn a_program_that_takes_no_events_slows_nobody_else_and_loses_nothing() {
    for_each_seed(3, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions {
            window: 16 << 10,
            ..Conditions::wired()
        });
        small(&mut sim);
        sim.node("slow").hold_events();
        let taken = fill(&mut sim);
        sim.run_for(secs(1));
        assert_eq!(shouts_at(&mut sim, "fast"), 2000);
        assert_eq!(shouts_at(&mut sim, "other"), 2000);
        assert_eq!(shouts_at(&mut sim, "slow"), 0);
        let slow = sim.node("slow").id();
        let full = sim.node("sender").whisper(slow, "one more");
        assert_eq!(full, Err(Error::Full(slow)));
        sim.node("slow").take_events();
        settle(&mut sim, secs(2));
        assert_eq!(shouts_at(&mut sim, "slow"), taken);
        sim.node("sender").whisper(slow, "one more").unwrap();
        settle(&mut sim, secs(0));
        nobody_left(&mut sim, &NAMES);
    });
}

/// Only an engine sees what its connections take.
#[test]
fn a_peer_that_never_reads_is_given_up_in_the_end() {
    for_each_seed_at(&[Level::Bytes], 4, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions {
            window: 16 << 10,
            ..Conditions::wired()
        });
        small(&mut sim);
        sim.link("sender", "slow").stall();
        fill(&mut sim);
        sim.run_for(secs(25));
        let events = sim.events_in_short("sender");
        let exit = events.iter().find(|line| line.starts_with("exit"));
        assert_eq!(exit.unwrap(), "exit slow: did not read what was sent to it");
        sim.link("sender", "slow").unstall();
        settle(&mut sim, secs(10));
        assert_eq!(sim.node("sender").peers().len(), 3);
    });
}

#[test]
fn streams_that_stand_still_for_a_while_go_on_without_loss() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        small(&mut sim);
        for (from, to) in [("sender", "slow"), ("slow", "sender"), ("fast", "slow")] {
            sim.link(from, to).stall();
        }
        crate::talk(&mut sim, &NAMES, secs(20));
        for (from, to) in [("sender", "slow"), ("slow", "sender"), ("fast", "slow")] {
            sim.link(from, to).unstall();
        }
        settle(&mut sim, secs(2));
        assert_eq!(sim.metrics().messages, 200 * 4 * 3);
        nobody_left(&mut sim, &NAMES);
    });
}
