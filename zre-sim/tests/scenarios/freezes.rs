//! Processes that stand still and go on.

use zre_sim::{Conditions, Sim};

use crate::{
    acquainted, agree_within, comings_and_goings, nobody_left, secs, settle,
    support::for_each_seed, talk,
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn a_short_freeze_costs_no_peer_and_no_message() {
    for seconds in [3, 20] {
        for_each_seed(6, |level, seed| {
            let mut sim = Sim::with_level(level, seed);
            sim.lan("lan").set(Conditions::wifi());
            acquainted(&mut sim, &NAMES);
            sim.host("a").freeze();
            talk(&mut sim, &NAMES[1..], secs(seconds));
            sim.host("a").thaw();
            talk(&mut sim, &NAMES, secs(1));
            settle(&mut sim, secs(2));
            assert_eq!(
                sim.metrics().messages,
                seconds * 10 * 4 * 4 + 10 * 5 * 4,
                "all have come"
            );
            nobody_left(&mut sim, &NAMES);
        });
    }
}

#[test]
fn a_peer_that_freezes_for_long_is_given_up_and_comes_back() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions::wifi());
        acquainted(&mut sim, &NAMES);
        sim.host("a").freeze();
        talk(&mut sim, &NAMES[1..], secs(60));
        assert_eq!(sim.node("b").peer_names(), ["c", "d", "e"]);
        sim.host("a").thaw();
        // It finds its connections ended, and meets everybody anew.
        agree_within(&mut sim, secs(10));
        talk(&mut sim, &NAMES, secs(2));
        settle(&mut sim, secs(0));
        for name in NAMES {
            let (enters, exits) = comings_and_goings(&mut sim, name);
            let (most_enters, most_exits) = if name == "a" { (8, 4) } else { (5, 1) };
            assert!(
                enters <= most_enters && exits <= most_exits,
                "{name}: {enters} {exits}"
            );
        }
    });
}

#[test]
fn everybody_freezes_as_a_suspended_machine_does_and_nobody_is_lost() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        for name in NAMES {
            sim.host(name).freeze();
        }
        sim.run_for(secs(3600));
        for name in NAMES {
            sim.host(name).thaw();
        }
        talk(&mut sim, &NAMES, secs(5));
        settle(&mut sim, secs(0));
        // Nobody is given up unasked, however long one has slept.
        nobody_left(&mut sim, &NAMES);
    });
}
