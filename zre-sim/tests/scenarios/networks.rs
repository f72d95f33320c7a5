//! Hosts with several interfaces, which come and go.

use zre_sim::{
    Level, Sim,
    core::{Config, NetworkSettings, interfaces::Interfaces},
};

use crate::{
    agree_within, comings_and_goings, crowd, nobody_left, secs, settle, support::for_each_seed,
};

/// How long after a change everybody has found the others again at the latest.
const FOUND: u64 = 8;

/// A node that is on all networks of its host.
fn on_all(config: &mut Config) {
    config.networks = Some(NetworkSettings {
        interfaces: Interfaces::All,
        ..NetworkSettings::default()
    });
}

fn acquainted(level: Level, seed: u64, names: &[&str]) -> Sim {
    let mut sim = Sim::with_level(level, seed);
    crowd(&mut sim, names);
    agree_within(&mut sim, secs(2));
    for name in names {
        sim.events(name);
    }
    sim
}

#[test]
fn a_node_is_told_of_its_networks_and_announces_itself_on_each() {
    for_each_seed(2, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.host("a").interface("wlan0").on("wifi");
        sim.host("a").start_with(on_all);
        sim.host("b").start();
        sim.host("c").on("wifi").start();
        sim.run_until(secs(2), |sim| sim.known_pairs() == 4)
            .unwrap();
        assert_eq!(sim.node("a").peer_names(), ["b", "c"]);
        // Each is told where it can reach the node.
        let (a, b, c) = (sim.node("a").id(), "10.0.0.1", "10.1.0.1");
        for (name, address) in [("b", b), ("c", c)] {
            let known = sim.node(name).peer(a).unwrap().endpoint.to_string();
            assert!(known.contains(address), "{name} knows a at {known}");
        }
        settle(&mut sim, secs(0));
    });
}

#[test]
fn an_address_that_changes_is_found_again() {
    for_each_seed(4, |level, seed| {
        let mut sim = acquainted(level, seed, &["a", "b", "c"]);
        sim.host("a").interface("eth0").change_address();
        let events = sim.events_in_short("a");
        assert_eq!(events.first().unwrap(), "network eth0 10.0.255.254");
        settle(&mut sim, secs(FOUND));
        for name in ["b", "c"] {
            let (enters, exits) = comings_and_goings(&mut sim, name);
            assert!(enters <= 1 && exits <= 1, "{name}: {enters}, {exits}");
        }
    });
}

#[test]
fn a_host_that_moves_to_another_network_is_found_there() {
    for_each_seed(4, |level, seed| {
        let mut sim = acquainted(level, seed, &["a", "b", "c"]);
        sim.host("d").on("far").start();
        sim.node("d").join("CHAT").unwrap();
        sim.host("a").interface("eth0").on("far");
        sim.run_until(secs(FOUND), |sim| sim.known_pairs() >= 4)
            .unwrap();
        settle(&mut sim, secs(40));
        assert_eq!(sim.node("a").peer_names(), ["d"]);
        assert_eq!(sim.node("b").peer_names(), ["c"]);
    });
}

#[test]
fn a_node_that_starts_before_its_network_is_found_when_that_comes() {
    for_each_seed(4, |level, seed| {
        let mut sim = acquainted(level, seed, &["b", "c"]);
        sim.host("a").remove_interface("eth0").start();
        sim.node("a").join("CHAT").unwrap();
        sim.run_for(secs(3));
        assert_eq!(sim.node("a").peers(), []);
        assert!(sim.agrees(), "{:?}", sim.differences());
        sim.host("a").interface("eth0").on("lan");
        sim.run_until(secs(1), |sim| sim.known_pairs() == 6)
            .unwrap();
        settle(&mut sim, secs(0));
        nobody_left(&mut sim, &["a", "b", "c"]);
    });
}

#[test]
fn nodes_on_loopback_alone_meet_inside_their_host() {
    for_each_seed(2, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.host("a").remove_interface("eth0");
        sim.host("a").start_node("a1", |_| {});
        sim.host("a").start_node("a2", |_| {});
        sim.host("b").start();
        sim.run_until(secs(2), |sim| sim.known_pairs() == 2)
            .unwrap();
        settle(&mut sim, secs(0));
        assert_eq!(sim.node("a1").peer_names(), ["a2"]);
    });
}
