//! Connections that break, end and dribble.

use zre_sim::{Conditions, Sim};

use crate::{
    acquainted, millis, nobody_left, secs, settle,
    support::{for_each_seed, pick},
    talk,
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[test]
fn streams_in_small_pieces_carry_the_same() {
    for_each_seed(4, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions {
            piece: Some(1 + pick(seed, 0, 7) as usize),
            window: 100 + pick(seed, 1, 1000) as usize,
            ..Conditions::wired()
        });
        acquainted(&mut sim, &NAMES);
        talk(&mut sim, &NAMES, secs(5));
        let b = sim.node("b").id();
        for number in 0..10 {
            sim.node("a").whisper(b, vec![number; 5000]).unwrap();
        }
        sim.run_for(secs(40));
        settle(&mut sim, secs(0));
        assert_eq!(sim.metrics().messages, 50 * 4 * 3 + 10);
        nobody_left(&mut sim, &NAMES);
    });
}

#[test]
fn a_reset_connection_ends_a_session_and_the_next_begins() {
    for_each_seed(10, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions::wifi());
        acquainted(&mut sim, &NAMES);
        for round in 0..5 {
            talk(&mut sim, &NAMES, millis(500));
            sim.link("a", "b").reset();
            if pick(seed, round, 2) == 0 {
                sim.link("b", "a").reset();
            }
            talk(&mut sim, &NAMES, millis(pick(seed, round + 10, 6000)));
        }
        // The loss is known after half a second, the next beacon comes within one, and wifi loses
        // some.
        settle(&mut sim, secs(8));
        // Others saw nothing of it.
        let events = sim.events_in_short("c");
        assert!(
            !events.iter().any(|line| line.starts_with("exit")),
            "{events:?}"
        );
    });
}

#[test]
fn a_connection_that_ends_one_way_only_is_made_anew() {
    for_each_seed(10, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        for round in 0..3 {
            talk(&mut sim, &NAMES, millis(500));
            sim.link("a", "b").half_close();
            talk(&mut sim, &NAMES, millis(pick(seed, round, 3000)));
        }
        settle(&mut sim, secs(10));
        let events = sim.events_in_short("c");
        assert!(
            !events.iter().any(|line| line.starts_with("exit")),
            "{events:?}"
        );
    });
}

#[test]
fn a_slow_line_delays_and_loses_nothing() {
    for_each_seed(3, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        sim.link("a", "b").set(Conditions {
            bandwidth: Some(2_000),
            latency: millis(300),
            ..Conditions::wifi()
        });
        let b = sim.node("b").id();
        for number in 0..60 {
            sim.node("a").whisper(b, vec![number; 1000]).unwrap();
            sim.run_for(millis(100));
        }
        sim.run_for(secs(40));
        settle(&mut sim, secs(0));
        assert_eq!(sim.metrics().messages, 60);
        nobody_left(&mut sim, &NAMES);
    });
}
