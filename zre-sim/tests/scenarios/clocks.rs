//! Clocks that are wrong.

use std::time::Duration;

use zre_sim::{Conditions, Sim};

use crate::{
    acquainted, millis, nobody_left, secs, settle,
    support::{for_each_seed, pick},
    talk,
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn a_clock_that_jumps_ahead_drives_nobody_away() {
    for_each_seed(6, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        for (round, jump) in [1, 6, 31, 3600, 1_000_000].into_iter().enumerate() {
            sim.run_for(millis(pick(seed, round as u64, 3000)));
            sim.host("a").jump_ahead(secs(jump));
            talk(&mut sim, &NAMES, secs(3));
        }
        settle(&mut sim, secs(0));
        assert_eq!(sim.metrics().messages, 5 * 30 * 5 * 4);
        nobody_left(&mut sim, &NAMES);
    });
}

#[test]
fn a_clock_that_jumps_back_drives_nobody_away() {
    for jump in [1, 10, 100] {
        for_each_seed(4, |level, seed| {
            let mut sim = Sim::with_level(level, seed);
            acquainted(&mut sim, &NAMES);
            // For its nodes time stands still that long; they answer meanwhile.
            sim.host("a").jump_back(secs(jump));
            talk(&mut sim, &NAMES, secs(2));
            sim.run_for(secs(jump + 10));
            settle(&mut sim, secs(0));
            nobody_left(&mut sim, &NAMES);
        });
    }
}

#[test]
fn clocks_that_run_fast_and_slow_change_nothing() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions::wifi());
        for (number, name) in (0..).zip(NAMES) {
            // Up to 30 % fast or slow.
            let gain = i32::try_from(pick(seed, number, 600_001)).unwrap() - 300_000;
            sim.host(name).drift(gain);
            sim.host(name).start();
            sim.node(name).join("CHAT").expect("the node runs");
        }
        talk(&mut sim, &NAMES, secs(120));
        settle(&mut sim, secs(0));
        nobody_left(&mut sim, &NAMES);
    });
}

#[test]
fn clocks_may_jump_while_nodes_meet_and_part() {
    for_each_seed(6, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        for (number, name) in (0..).zip(NAMES) {
            sim.host(name).start();
            sim.node(name).join("CHAT").expect("the node runs");
            sim.run_for(Duration::from_micros(pick(seed, number, 2000)));
            let by = secs(pick(seed, number + 10, 60));
            match pick(seed, number + 20, 3) {
                0 => sim.host(name).jump_ahead(by),
                1 => sim
                    .host(name)
                    .jump_back(millis(pick(seed, number + 30, 5000))),
                _ => {}
            }
        }
        settle(&mut sim, secs(30));
        for (number, name) in (0..).zip(NAMES) {
            if pick(seed, number + 40, 2) == 0 {
                sim.host(name).crash();
                let other = NAMES[pick(seed, number + 50, 5) as usize];
                sim.host(other)
                    .jump_ahead(secs(pick(seed, number + 60, 100)));
                sim.host(name).restart();
            }
        }
        settle(&mut sim, secs(30));
    });
}
