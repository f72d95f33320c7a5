//! Nodes that find each other by gossip and at fixed endpoints, alone and beside beacons.

use zre_sim::{
    Level, Sim,
    core::{Beacons, Config, proto::PeerId},
};

use crate::{
    agree_within, comings_and_goings, millis, secs, settle,
    support::{for_each_seed, pick},
};

/// The first node of a host has this port.
const PORT: u16 = 49152;

/// How long it takes at most until nodes have met that hear no beacons of each other.
const MET: u64 = 4;

/// A network of two LANs with a router.
fn two_lans(level: Level, seed: u64) -> Sim {
    let mut sim = Sim::with_level(level, seed);
    sim.route("lan", "far");
    sim
}

fn start(sim: &mut Sim, name: &str, lan: &str, configure: impl FnOnce(&mut Config)) {
    sim.host(name).on(lan).start_with(configure);
    sim.node(name).join("CHAT").unwrap();
}

fn by_gossip(config: &mut Config) {
    config.beacons = Beacons::Off;
    config
        .gossip_connect
        .push("tcp://hub:5670".parse().unwrap());
}

fn start_hub(sim: &mut Sim) {
    start(sim, "hub", "lan", |config| {
        config.beacons = Beacons::Off;
        config.is_gossip_hub = true;
    });
}

/// Everybody sees everybody, and messages get through.
fn all_meet(sim: &mut Sim, limit: u64) {
    let count = sim.nodes().len() as u64;
    let met = sim.run_until(secs(limit), |sim| sim.known_pairs() == count * (count - 1));
    met.unwrap_or_else(|late| panic!("at {:?}: {late}", sim.now()));
    agree_within(sim, secs(1));
    all_hear_each_other(sim);
}

fn all_hear_each_other(sim: &mut Sim) {
    let names: Vec<_> = sim.nodes().into_iter().map(String::from).collect();
    let before = sim.metrics().messages;
    let mut expected = 0;
    for name in &names {
        let said = format!("{name} is here at {:?}", sim.now());
        expected += sim.node(name).shout("CHAT", said).unwrap();
    }
    sim.run_for(secs(1));
    assert_eq!(expected, names.len() * (names.len() - 1));
    assert_eq!(sim.metrics().messages - before, expected as u64);
}

/// Each of these nodes has seen each other one enter once, and none leave.
fn nobody_came_twice(sim: &mut Sim, names: &[&str]) {
    for name in names {
        let enters = names.len() - 1;
        assert_eq!(comings_and_goings(sim, name), (enters, 0), "{name}");
    }
}

#[test]
fn nodes_without_beacons_on_two_lans_meet_by_a_gossip_hub() {
    for_each_seed(4, |level, seed| {
        let mut sim = two_lans(level, seed);
        start_hub(&mut sim);
        for (name, lan) in [("a", "lan"), ("b", "lan"), ("c", "far"), ("d", "far")] {
            sim.run_for(millis(pick(seed, sim.nodes().len() as u64, 1000)));
            start(&mut sim, name, lan, by_gossip);
        }
        all_meet(&mut sim, MET);
        settle(&mut sim, secs(0));
        nobody_came_twice(&mut sim, &["hub", "a", "b", "c", "d"]);
    });
}

#[test]
fn a_gossip_hub_may_come_last_and_silence_does_not_matter_to_it() {
    for_each_seed(4, |level, seed| {
        let mut sim = two_lans(level, seed);
        sim.host("hub");
        for (name, lan) in [("a", "lan"), ("b", "far")] {
            start(&mut sim, name, lan, by_gossip);
        }
        sim.run_for(millis(pick(seed, 0, 20_000)));
        start_hub(&mut sim);
        all_meet(&mut sim, MET);
        sim.run_for(secs(60));
        start(&mut sim, "c", "far", by_gossip);
        all_meet(&mut sim, MET);
        nobody_came_twice(&mut sim, &["hub", "a", "b", "c"]);
    });
}

#[test]
fn a_gossip_hub_that_is_killed_and_restarted_costs_no_session_and_brings_back_nobody() {
    for_each_seed(6, |level, seed| {
        let mut sim = two_lans(level, seed);
        start_hub(&mut sim);
        for (name, lan) in [("a", "lan"), ("b", "far"), ("c", "far")] {
            start(&mut sim, name, lan, by_gossip);
        }
        all_meet(&mut sim, MET);
        match pick(seed, 0, 2) {
            0 => sim.host("hub").crash(),
            _ => sim.host("hub").power_off(),
        }
        sim.run_for(secs(pick(seed, 1, 50)));
        // While there is no hub, one goes and one comes.
        sim.host("c").crash();
        start(&mut sim, "d", "lan", by_gossip);
        sim.run_for(secs(pick(seed, 2, 20)));
        sim.host("hub").restart();
        sim.node("hub").join("CHAT").unwrap();
        agree_within(&mut sim, secs(40));
        sim.run_for(secs(60));
        settle(&mut sim, secs(0));
        assert_eq!(sim.node("a").peer_names(), ["b", "d", "hub"]);
        all_hear_each_other(&mut sim);
        for (one, other) in [("a", "b"), ("b", "a")] {
            let events = sim.events_in_short(one);
            let seen = events
                .iter()
                .filter(|line| line.starts_with(&format!("enter {other}")));
            assert_eq!(seen.count(), 1, "{one} tells {events:#?}");
        }
    });
}

#[test]
fn a_node_of_a_gossip_hub_that_changes_its_address_is_found_again() {
    for_each_seed(4, |level, seed| {
        let mut sim = two_lans(level, seed);
        start_hub(&mut sim);
        for (name, lan) in [("a", "lan"), ("b", "far"), ("c", "far")] {
            start(&mut sim, name, lan, by_gossip);
        }
        all_meet(&mut sim, MET);
        sim.host("a").interface("eth0").change_address();
        sim.run_for(secs(pick(seed, 0, 3)));
        sim.host("b").interface("eth0").on("lan");
        sim.run_for(secs(15));
        agree_within(&mut sim, secs(30));
        all_hear_each_other(&mut sim);
        settle(&mut sim, secs(0));
    });
}

#[test]
fn two_lans_with_beacons_are_one_network_by_fixed_peers() {
    for_each_seed(4, |level, seed| {
        let mut sim = two_lans(level, seed);
        for (name, lan) in [("a", "lan"), ("b", "lan"), ("c", "far"), ("d", "far")] {
            start(&mut sim, name, lan, |config| {
                // Each of one LAN names each of the other, or the other way round, or both.
                let names = match (pick(seed, 0, 3), lan) {
                    (0 | 2, "lan") => ["c", "d"],
                    (1 | 2, "far") => ["a", "b"],
                    _ => return,
                };
                let endpoints = names.map(|name| format!("tcp://{name}:{PORT}"));
                config
                    .connect
                    .extend(endpoints.map(|it| it.parse().unwrap()));
            });
        }
        all_meet(&mut sim, MET);
        settle(&mut sim, secs(0));
        nobody_came_twice(&mut sim, &["a", "b", "c", "d"]);
    });
}

#[test]
fn a_fixed_peer_that_is_restarted_ten_times_is_found_ten_times() {
    for_each_seed(4, |level, seed| {
        let mut sim = two_lans(level, seed);
        let has_identity = pick(seed, 0, 2) == 0;
        start(&mut sim, "b", "far", |config| {
            config.id = has_identity.then(|| PeerId::from([7; 16]));
        });
        sim.node("b").keep_port();
        start(&mut sim, "a", "lan", |config| {
            config
                .connect
                .push(format!("tcp://b:{PORT}").parse().unwrap());
        });
        all_meet(&mut sim, MET);
        for number in 1..=10 {
            let is_quiet = pick(seed, number, 3) == 0;
            match is_quiet {
                true => sim.host("b").power_off(),
                false => sim.host("b").crash(),
            }
            sim.run_for(millis(pick(seed, 100 + number, 5000)));
            sim.host("b").restart();
            sim.node("b").join("CHAT").unwrap();
            sim.run_for(secs(5));
            all_meet(&mut sim, 30);
        }
        let (enters, exits) = comings_and_goings(&mut sim, "a");
        assert_eq!((enters, exits), (11, 10));
        settle(&mut sim, secs(0));
    });
}

#[test]
fn a_fixed_peer_is_sought_where_its_name_leads() {
    for_each_seed(4, |level, seed| {
        let mut sim = two_lans(level, seed);
        start(&mut sim, "b", "far", |_| {});
        sim.set_name("server", "b");
        start(&mut sim, "a", "lan", |config| {
            config
                .connect
                .push(format!("tcp://server:{PORT}").parse().unwrap());
        });
        all_meet(&mut sim, MET);
        // Another address behind the name.
        sim.host("b").interface("eth0").change_address();
        sim.run_for(secs(40));
        all_meet(&mut sim, MET);
        // Another machine behind it.
        sim.host("b").crash();
        start(&mut sim, "c", "far", |_| {});
        sim.set_name("server", "c");
        all_meet(&mut sim, 40);
        settle(&mut sim, secs(0));
    });
}

#[test]
fn a_fixed_peer_may_come_long_after_and_its_name_with_it() {
    for_each_seed(4, |level, seed| {
        let mut sim = two_lans(level, seed);
        start(&mut sim, "a", "lan", |config| {
            config
                .connect
                .push(format!("tcp://server:{PORT}").parse().unwrap());
        });
        sim.run_for(secs(pick(seed, 0, 300)));
        start(&mut sim, "b", "far", |_| {});
        sim.run_for(secs(pick(seed, 1, 10)));
        sim.set_name("server", "b");
        all_meet(&mut sim, 60);
        nobody_came_twice(&mut sim, &["a", "b"]);
    });
}

#[test]
fn beacons_gossip_and_fixed_peers_together_make_one_session_for_each_peer() {
    for_each_seed(6, |level, seed| {
        let mut sim = two_lans(level, seed);
        start(&mut sim, "hub", "lan", |config| config.is_gossip_hub = true);
        let names = ["a", "b", "c", "d", "e"];
        for (number, name) in (0..).zip(names) {
            let lan = ["lan", "far"][number % 2];
            start(&mut sim, name, lan, |config| {
                config
                    .gossip_connect
                    .push("tcp://hub:5670".parse().unwrap());
                for other in &names[..number] {
                    config
                        .connect
                        .push(format!("tcp://{other}:{PORT}").parse().unwrap());
                }
            });
            sim.run_for(millis(pick(seed, number as u64, 300)));
        }
        all_meet(&mut sim, MET);
        sim.run_for(secs(60));
        nobody_came_twice(&mut sim, &["hub", "a", "b", "c", "d", "e"]);
        // One goes and comes back somewhere else.
        sim.host("b").crash();
        sim.host("b").restart();
        sim.node("b").join("CHAT").unwrap();
        all_meet(&mut sim, 40);
        settle(&mut sim, secs(0));
    });
}
