//! Nodes that end and begin anew.

use zre_sim::{
    Level, Sim,
    core::{Config, proto::PeerId},
};

use crate::{
    acquainted, agree_within, comings_and_goings, millis, secs, settle,
    support::{for_each_seed, pick},
    talk,
};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Nodes that keep their identity when they are started again.
fn with_fixed_identities(level: Level, seed: u64) -> Sim {
    let mut sim = Sim::with_level(level, seed);
    for (number, name) in (1..).zip(NAMES) {
        sim.host(name).start_with(|config: &mut Config| {
            config.id = Some(PeerId::from([number; 16]));
            config.groups.insert("CHAT".try_into().unwrap());
        });
    }
    agree_within(&mut sim, secs(2));
    sim
}

#[test]
fn everybody_is_restarted_in_turn() {
    for_each_seed(6, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        for (round, name) in (0..).zip(NAMES) {
            let graceful = pick(seed, round, 2) == 0;
            if graceful {
                sim.node(name).stop();
                sim.run_for(millis(10 + pick(seed, round + 10, 1000)));
            } else {
                sim.host(name).crash();
            }
            // A dead process is known in well under a second.
            agree_within(&mut sim, millis(900));
            sim.host(name).restart();
            sim.node(name).join("CHAT").expect("the node runs");
            agree_within(&mut sim, secs(2));
            talk(&mut sim, &NAMES, secs(1));
        }
        settle(&mut sim, secs(0));
        for (place, name) in NAMES.iter().enumerate() {
            // Its peers' restarts since its own: its first life tells the earlier ones.
            let (enters, exits) = comings_and_goings(&mut sim, name);
            let before = place;
            let after = NAMES.len() - 1 - place;
            assert_eq!(enters, 5 + before + 5 + after, "at {name}");
            assert_eq!(exits, before + after, "at {name}");
        }
    });
}

#[test]
fn a_restart_with_the_same_identity_is_one_exit_and_one_enter() {
    for_each_seed(10, |level, seed| {
        let mut sim = with_fixed_identities(level, seed);
        for name in NAMES {
            sim.events_in_short(name);
        }
        let quick = pick(seed, 0, 2) == 0;
        match pick(seed, 1, 3) {
            0 => sim.host("a").crash(),
            1 => sim.host("a").power_off(),
            _ => sim.node("a").stop(),
        }
        sim.run_for(millis(if quick { 1 } else { pick(seed, 2, 4000) }));
        sim.host("a").restart();
        // Of a power cut nobody is told, so the others ask for a while before they believe it.
        settle(&mut sim, secs(12));
        for name in &NAMES[1..] {
            assert_eq!(comings_and_goings(&mut sim, name), (1, 1), "at {name}");
        }
    });
}

#[test]
fn the_power_fails_and_comes_back() {
    for_each_seed(6, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        sim.host("a").power_off();
        talk(&mut sim, &NAMES[1..], secs(1 + pick(seed, 0, 20)));
        sim.host("a").restart();
        sim.node("a").join("CHAT").expect("the node runs");
        sim.run_for(secs(5));
        // The new node is known at once.
        let id = sim.node("a").id();
        assert_eq!(sim.node("a").peer_names(), NAMES[1..]);
        assert!(
            sim.node("b").peer_names().contains(&"a".to_string()),
            "{id}"
        );
        // The old one only when it has been silent for 30 s; its last sign of life may be a second
        // old.
        settle(&mut sim, secs(31));
    });
}

#[test]
fn all_restart_at_once_with_the_same_identities() {
    for_each_seed(6, |level, seed| {
        let mut sim = with_fixed_identities(level, seed);
        for round in 0..5 {
            for (number, name) in (0..).zip(NAMES) {
                match pick(seed, round * 10 + number, 3) {
                    0 => sim.host(name).crash(),
                    1 => sim.host(name).power_off(),
                    _ => {}
                }
                sim.run_for(millis(pick(seed, round * 10 + number + 100, 50)));
                sim.host(name).restart();
            }
            sim.run_for(millis(pick(seed, round + 200, 1500)));
        }
        settle(&mut sim, secs(10));
    });
}

#[test]
fn another_node_at_a_known_endpoint_replaces_the_old_one() {
    for_each_seed(10, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        let endpoint = sim.node("a").endpoint().clone();
        // Nobody sees it go.
        sim.host("a").power_off();
        sim.run_for(millis(pick(seed, 0, 5000)));
        sim.host("a").restart();
        sim.node("a").kill();
        sim.host("a")
            .start_node("new", |config| config.endpoint = endpoint.clone());
        sim.node("new").join("CHAT").expect("the node runs");
        // Long before the old one would have expired: it is asked for a second, and its port's new
        // owner is connected at its next beacon.
        settle(&mut sim, secs(10));
        assert_eq!(sim.node("b").peer_names(), ["c", "d", "e", "f", "new"]);
    });
}
