//! What could make nodes chase each other for ever.

use zre_sim::{
    Conditions, Sim,
    core::{Config, proto::PeerId},
};

use crate::{
    acquainted, agree_within, comings_and_goings, millis, secs, settle,
    support::{for_each_seed, pick},
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[test]
fn fast_restarts_with_one_identity_cost_one_exchange_each() {
    for_each_seed(10, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        if seed.is_multiple_of(2) {
            sim.lan("lan").set(Conditions::wifi());
        }
        for (number, name) in (1..).zip(NAMES) {
            sim.host(name)
                .start_with(|config: &mut Config| config.id = Some(PeerId::from([number; 16])));
        }
        agree_within(&mut sim, secs(10));
        for name in NAMES {
            sim.events(name);
        }
        let restarts = 10;
        for round in 0..restarts {
            sim.host("a").crash();
            sim.host("a").restart();
            sim.run_for(millis(pick(seed, round, 300)));
        }
        settle(&mut sim, secs(10));
        for name in &NAMES[1..] {
            let (enters, exits) = comings_and_goings(&mut sim, name);
            let most = usize::try_from(restarts).unwrap() + 1;
            assert!(enters <= most, "{enters} enters at {name}");
            assert_eq!(enters, exits, "at {name}");
        }
    });
}

#[test]
fn two_that_restart_at_the_same_time_settle() {
    for_each_seed(20, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        for (number, name) in (1..).zip(["a", "b"]) {
            sim.host(name)
                .start_with(|config: &mut Config| config.id = Some(PeerId::from([number; 16])));
        }
        agree_within(&mut sim, secs(2));
        for round in 0..5 {
            for name in ["a", "b"] {
                sim.host(name).crash();
                sim.host(name).restart();
                sim.run_for(millis(pick(seed, round, 3)));
            }
            sim.run_for(millis(pick(seed, round + 10, 400)));
        }
        agree_within(&mut sim, secs(5));
        for name in ["a", "b"] {
            sim.events(name);
        }
        settle(&mut sim, secs(0));
        for name in ["a", "b"] {
            assert_eq!(comings_and_goings(&mut sim, name), (0, 0), "it is quiet");
        }
    });
}

#[test]
fn connections_that_break_all_the_time_make_no_storm() {
    for_each_seed(6, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        for name in NAMES {
            sim.events(name);
        }
        let rounds = 30;
        for round in 0..rounds {
            let from = NAMES[pick(seed, round, 4) as usize];
            let to = NAMES[pick(seed, round + 100, 4) as usize];
            if from != to {
                match pick(seed, round + 200, 2) {
                    0 => sim.link(from, to).reset(),
                    _ => sim.link(from, to).half_close(),
                }
            }
            sim.run_for(millis(pick(seed, round + 300, 400)));
        }
        // Half a second of doubt about what broke last, then a beacon.
        sim.run_for(secs(15));
        settle(&mut sim, secs(0));
        let mut exits = 0;
        for name in NAMES {
            exits += comings_and_goings(&mut sim, name).1;
        }
        // Each break costs its two ends at most one exit each, and one more if both directions had
        // to go.
        let most = usize::try_from(rounds).unwrap() * 4;
        assert!(exits <= most, "{exits} exits");
        sim.run_for(secs(60));
        for name in NAMES {
            assert_eq!(comings_and_goings(&mut sim, name), (0, 0), "it is quiet");
        }
    });
}

#[test]
fn a_network_that_flaps_settles_when_it_stands() {
    for_each_seed(6, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        acquainted(&mut sim, &NAMES);
        for round in 0..40 {
            sim.partition(&NAMES[..2], &NAMES[2..]);
            sim.run_for(millis(pick(seed, round, 1000)));
            sim.heal();
            sim.run_for(millis(pick(seed, round + 100, 300)));
        }
        sim.run_for(secs(10));
        settle(&mut sim, secs(0));
        for name in NAMES {
            assert_eq!(comings_and_goings(&mut sim, name), (3, 0), "at {name}");
        }
    });
}

/// Lives that follow each other faster than messages travel, under one identity and at one
/// endpoint: HELLOs cross, and come to sessions that are over or complete. Answered by one more
/// each, they would never end.
#[test]
fn lives_that_are_shorter_than_the_way_settle_after_one_exchange() {
    for_each_seed(20, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("lan").set(Conditions {
            latency: millis(pick(seed, 0, 300)),
            jitter: millis(1 + pick(seed, 1, 1000)),
            ..Conditions::perfect()
        });
        sim.host("a").start();
        sim.host("b")
            .start_with(|config| config.id = Some(PeerId::from([1; 16])));
        agree_within(&mut sim, secs(30));
        let endpoint = sim.node("b").endpoint().clone();
        let mut last = "b".to_string();
        for life in 0..6 {
            sim.run_for(millis(pick(seed, life + 10, 2500)));
            sim.node(&last).kill();
            last = format!("b{life}");
            sim.host("b").start_node(&last, |config| {
                config.id = Some(PeerId::from([1; 16]));
                config.endpoint = endpoint.clone();
            });
        }
        // What the last life broke is noticed, met again and answered. Each step is up to two
        // seconds under way, and a node may ask for five before it believes one.
        sim.run_for(secs(60));
        for name in ["a", &last] {
            sim.events(name);
        }
        settle(&mut sim, secs(0));
        sim.run_for(secs(20));
        for name in ["a", &last] {
            assert_eq!(comings_and_goings(&mut sim, name), (0, 0), "it is quiet");
        }
    });
}
