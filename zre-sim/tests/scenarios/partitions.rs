//! Networks that fall apart and heal.

use zre_sim::{Conditions, Sim};

use crate::{
    acquainted, agree_within, comings_and_goings, nobody_left, secs, settle,
    support::{for_each_seed, pick},
    talk,
};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const ONE: [&str; 3] = ["a", "b", "c"];
const OTHER: [&str; 3] = ["d", "e", "f"];

/// TCP sends again what was lost after 0.2, 0.4, 0.8 s and so on, so what a cut of some seconds
/// kept back comes at the latest when it has lasted twice as long.
#[test]
fn a_short_partition_costs_no_peer_and_no_message() {
    for seconds in [1, 10] {
        for_each_seed(8, |level, seed| {
            let mut sim = Sim::with_level(level, seed);
            sim.lan("lan").set(Conditions::wifi());
            acquainted(&mut sim, &NAMES);
            talk(&mut sim, &NAMES, secs(1));
            sim.partition(&ONE, &OTHER);
            talk(&mut sim, &NAMES, secs(seconds));
            sim.heal();
            talk(&mut sim, &NAMES, secs(1));
            sim.run_for(secs(2 * seconds));
            settle(&mut sim, secs(0));
            let rounds = 10 + seconds * 10 + 10;
            assert_eq!(sim.metrics().messages, rounds * 6 * 5, "all have come");
            nobody_left(&mut sim, &NAMES);
        });
    }
}

#[test]
fn the_sides_of_a_long_partition_part_and_meet_again() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions::wifi());
        acquainted(&mut sim, &NAMES);
        talk(&mut sim, &NAMES, secs(1));
        for name in NAMES {
            sim.events_in_short(name);
        }
        sim.partition(&ONE, &OTHER);
        talk(&mut sim, &NAMES, secs(40));
        assert!(sim.agrees(), "{:?}", sim.differences());
        assert_eq!(sim.node("a").peer_names(), ["b", "c"]);
        // Who changes groups meanwhile is seen in the right ones afterwards.
        sim.node("a").leave("CHAT").expect("the node runs");
        sim.node("d").join("NEW").expect("the node runs");
        sim.heal();
        // The next beacon finds a peer; on lossy wifi it can be the third, or the connection is
        // lost a few times.
        agree_within(&mut sim, secs(10));
        talk(&mut sim, &NAMES, secs(2));
        settle(&mut sim, secs(0));
        for name in NAMES {
            assert_eq!(comings_and_goings(&mut sim, name), (3, 3), "at {name}");
        }
    });
}

#[test]
fn a_one_way_cut_heals_like_any_other() {
    for seconds in [1, 10, 40] {
        for_each_seed(5, |level, seed| {
            let mut sim = Sim::with_level(level, seed);
            acquainted(&mut sim, &["a", "b", "c"]);
            sim.link("a", "b").cut();
            talk(&mut sim, &["a", "b", "c"], secs(seconds));
            sim.heal();
            // Who was expired at one end only is told so when the other end's connections get
            // through again.
            sim.run_for(secs(2 * seconds));
            settle(&mut sim, secs(15));
            if seconds < 30 {
                nobody_left(&mut sim, &["a", "b", "c"]);
            }
        });
    }
}

#[test]
fn a_host_that_is_unplugged_again_and_again_settles() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        for round in 0..6 {
            sim.host("a").unplug();
            talk(&mut sim, &NAMES, secs(pick(seed, round, 50)));
            sim.host("a").plug();
            talk(&mut sim, &NAMES, secs(pick(seed, round + 10, 5)));
        }
        // A connection attempt that began before the cable was back is given up after the handshake
        // timeout, 10 s.
        sim.run_for(secs(60));
        settle(&mut sim, secs(0));
    });
}

#[test]
fn partitions_that_come_and_go_at_random_heal() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions::wifi());
        acquainted(&mut sim, &NAMES);
        for round in 0..8 {
            let bits = pick(seed, round, 64);
            let (one, other): (Vec<_>, Vec<_>) = (0..)
                .zip(NAMES)
                .partition(|(number, _)| bits >> number & 1 == 0);
            let names = |side: Vec<(u32, &'static str)>| -> Vec<_> {
                side.into_iter().map(|(_, name)| name).collect()
            };
            sim.partition(&names(one), &names(other));
            talk(&mut sim, &NAMES, secs(pick(seed, round + 10, 20)));
            if bits.is_multiple_of(3) {
                sim.heal();
            }
        }
        sim.heal();
        sim.run_for(secs(60));
        settle(&mut sim, secs(0));
    });
}
