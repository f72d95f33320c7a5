//! Sequence numbers that wrap, in the right way and in pyre's.

use zre_sim::{Level, Sim};

use crate::{
    agree_within, millis, nobody_left, secs, settle,
    support::{for_each_seed, for_each_seed_at},
};

/// More than there are sequence numbers.
const MANY: u32 = 66_000;

fn whisper_many(sim: &mut Sim, from: &str, to: &str, label: &str) {
    let peer = sim.node(to).id();
    for number in 0..MANY {
        let whispered = sim.node(from).whisper(peer, format!("{label} {number}"));
        whispered.unwrap_or_else(|error| panic!("{from} to {to}, number {number}: {error}"));
        if number % 500 == 0 {
            sim.run_for(millis(20));
        }
    }
    sim.run_for(secs(1));
}

#[test]
fn right_peers_wrap_and_lose_nothing() {
    for_each_seed(1, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.host("a").start();
        sim.host("b").start();
        agree_within(&mut sim, secs(1));
        whisper_many(&mut sim, "a", "b", "there");
        whisper_many(&mut sim, "b", "a", "back");
        settle(&mut sim, secs(0));
        assert_eq!(sim.metrics().messages, 2 * u64::from(MANY));
        nobody_left(&mut sim, &["a", "b"]);
    });
}

#[test]
fn a_peer_that_wraps_early_is_understood_and_spoken_to_its_way() {
    for_each_seed_at(&[Level::Messages], 1, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.host("a").start();
        sim.host("pyre").start();
        sim.node("pyre").wrap_early();
        agree_within(&mut sim, secs(1));
        // It shows itself before it is spoken to so often.
        whisper_many(&mut sim, "pyre", "a", "back");
        whisper_many(&mut sim, "a", "pyre", "there");
        settle(&mut sim, secs(0));
        assert_eq!(sim.metrics().messages, 2 * u64::from(MANY));
        nobody_left(&mut sim, &["a", "pyre"]);
    });
}

/// Nothing on the wire tells how a peer counts before its own numbers wrap. So one that is sent to
/// more than it sends drops us once in 65,535 messages, as it does with zyre, and both meet again.
#[test]
fn a_peer_that_wraps_early_unseen_is_met_again() {
    for_each_seed_at(&[Level::Messages], 1, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.host("a").start();
        sim.host("pyre").start();
        sim.node("pyre").wrap_early();
        agree_within(&mut sim, secs(1));
        let pyre = sim.node("pyre").id();
        for number in 0..MANY {
            // It is gone for a moment behind number 65,535.
            let _gone = sim.node("a").whisper(pyre, format!("{number}"));
            if number % 500 == 0 {
                sim.run_for(millis(20));
            }
        }
        settle(&mut sim, secs(15));
        let events = sim.events_in_short("pyre");
        let exits = events.iter().filter(|line| line.starts_with("exit"));
        assert_eq!(exits.count(), 1);
    });
}
