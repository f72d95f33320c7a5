//! Nodes with keys.

use zre_sim::{
    Level, Sim,
    core::{Beacons, Config, Security, Trust},
};

use crate::{
    agree_within, millis, secs, settle,
    support::{for_each_seed, for_each_seed_at},
    talk,
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Starts a node with its own key, which trusts these.
fn start(sim: &mut Sim, name: &str, trust: Trust) {
    let security = Security::new(sim.keypair(name), trust);
    sim.host(name).start_with(|config: &mut Config| {
        config.security = Some(security);
        config.groups.insert("CHAT".try_into().unwrap());
    });
}

/// Nodes that trust each other, and know each other.
fn friends(level: Level, seed: u64) -> Sim {
    let mut sim = Sim::with_level(level, seed);
    for name in NAMES {
        let trust = sim.trust(&NAMES);
        start(&mut sim, name, trust);
    }
    agree_within(&mut sim, secs(3));
    sim
}

fn forget(sim: &mut Sim, names: &[&str]) {
    for name in names {
        sim.events(name);
    }
}

fn refusals(sim: &mut Sim, name: &str) -> Vec<String> {
    let told = sim.events_in_short(name).into_iter();
    told.filter(|event| event.starts_with("refused")).collect()
}

#[test]
fn the_halves_of_a_network_of_which_one_has_no_keys_never_meet() {
    for_each_seed(5, |level, seed| {
        let mut sim = friends(level, seed);
        let open = ["e", "f", "g"];
        for name in open {
            sim.host(name).start();
            sim.node(name).join("CHAT").unwrap();
        }
        agree_within(&mut sim, secs(3));
        for _ in 0..15 {
            talk(&mut sim, &NAMES, millis(200));
            talk(&mut sim, &open, millis(200));
            sim.run_for(secs(2));
            assert_eq!(sim.known_pairs(), 4 * 3 + 3 * 2);
        }
        assert_eq!(sim.node("a").peer_names(), ["b", "c", "d"]);
        assert_eq!(sim.node("e").peer_names(), ["f", "g"]);
        assert_eq!(refusals(&mut sim, "a"), [""; 0]);
        let key = sim.keypair("a").public();
        assert_eq!(
            (sim.node("a").key(), sim.node("e").key()),
            (Some(key), None)
        );
        settle(&mut sim, secs(0));
    });
}

#[test]
fn a_node_whose_key_is_removed_is_gone_at_once_and_comes_back_with_it() {
    for_each_seed(10, |level, seed| {
        let mut sim = friends(level, seed);
        forget(&mut sim, &NAMES);
        let without = sim.trust(&["a", "b", "c"]);
        for name in ["a", "b", "c"] {
            sim.node(name).set_trust(without.clone()).unwrap();
            assert!(!sim.node(name).peer_names().contains(&"d".into()));
        }
        agree_within(&mut sim, secs(1));
        assert_eq!(sim.node("d").peer_names(), [""; 0]);
        talk(&mut sim, &["a", "b", "c"], secs(1));
        sim.run_for(secs(60));
        let told = sim.events_in_short("a");
        let of_d: Vec<_> = told.iter().filter(|it| it.contains(" d")).collect();
        assert_eq!(
            of_d,
            ["exit d: its connections, or ours, are refused"],
            "{told:?}"
        );
        assert!(refusals(&mut sim, "d").len() <= 3);
        for name in ["a", "b", "c"] {
            let all = sim.trust(&NAMES);
            sim.node(name).set_trust(all).unwrap();
        }
        agree_within(&mut sim, secs(2));
        settle(&mut sim, secs(0));
    });
}

#[test]
fn an_attacker_with_a_key_that_nobody_trusts_enters_nowhere_and_each_is_told_once() {
    for_each_seed(10, |level, seed| {
        let mut sim = friends(level, seed);
        // It trusts everybody, and says that it is one of them.
        start(&mut sim, "eve", Trust::Any);
        let id = sim.node("a").id();
        let security = Security::new(sim.keypair("mallory"), Trust::Any);
        sim.host("mallory").start_with(|config: &mut Config| {
            config.security = Some(security);
            config.id = Some(id);
        });
        forget(&mut sim, &NAMES);
        for _ in 0..30 {
            talk(&mut sim, &NAMES, millis(100));
            sim.run_for(secs(2));
            for name in ["eve", "mallory"] {
                // Whom the two know, they know from each other.
                let _told = sim.node(name).shout("CHAT", "let me in").unwrap();
            }
        }
        let eve = format!("refused {:.6} by us", sim.node("eve").id());
        for name in NAMES {
            let known = sim.node(name).peer_names();
            let others: Vec<_> = NAMES.iter().filter(|other| **other != name).collect();
            assert_eq!(known.len(), others.len(), "{known:?}");
            let told = sim.events_in_short(name);
            let count = told.iter().filter(|it| **it == eve).count();
            assert_eq!(count, 1, "{told:?}");
            assert!(!told.iter().any(|it| it.starts_with("exit")), "{told:?}");
            assert!(!told.iter().any(|it| it.contains("let me in")), "{told:?}");
        }
        sim.run_for(secs(1));
        sim.check_quiet().unwrap();
    });
}

#[test]
fn nodes_with_the_key_of_the_network_meet_and_one_with_another_does_not() {
    for_each_seed(5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        for (name, secret) in [("a", "one"), ("b", "one"), ("c", "one"), ("d", "two")] {
            let security = Security::shared(sim.keypair(secret));
            sim.host(name)
                .start_with(|config: &mut Config| config.security = Some(security));
            sim.node(name).join("CHAT").unwrap();
        }
        agree_within(&mut sim, secs(3));
        talk(&mut sim, &["a", "b", "c"], secs(1));
        sim.run_for(secs(30));
        assert_eq!(sim.node("a").peer_names(), ["b", "c"]);
        assert_eq!(sim.node("d").peer_names(), [""; 0]);
        settle(&mut sim, secs(0));
    });
}

#[test]
fn with_gossip_nodes_meet_by_the_keys_in_tuples() {
    for_each_seed_at(&[Level::Bytes], 5, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        let hub = sim.keypair("a").public();
        for name in NAMES {
            let security = Security::new(sim.keypair(name), sim.trust(&NAMES));
            sim.host(name).start_with(|config: &mut Config| {
                config.security = Some(security);
                config.beacons = Beacons::Off;
                config.is_gossip_hub = name == "a";
                if name != "a" {
                    let hub = format!("tcp://a:5670|{hub}");
                    config.gossip_connect.push(hub.parse().unwrap());
                }
            });
            sim.node(name).join("CHAT").unwrap();
        }
        agree_within(&mut sim, secs(10));
        assert_eq!(sim.known_pairs(), 12);
        talk(&mut sim, &NAMES, secs(5));
        settle(&mut sim, secs(0));
    });
}

#[test]
#[should_panic(expected = "Level::Bytes only")]
fn gossip_with_keys_is_not_simulated_with_messages() {
    let mut sim = Sim::with_level(Level::Messages, 1);
    let security = Security::shared(sim.keypair("network"));
    sim.host("a").start_with(|config: &mut Config| {
        config.security = Some(security);
        config.is_gossip_hub = true;
    });
}
