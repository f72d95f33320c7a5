//! Hosts with several interfaces, which come and go.

use std::net::{Ipv4Addr, Ipv6Addr};

use zre_sim::{
    Level, Sim,
    core::{
        Beacons, Config, NetworkSettings,
        interfaces::{Interfaces, IpVersion},
    },
};

use crate::{
    agree_within, comings_and_goings, crowd, millis, nobody_left, secs, settle,
    support::{for_each_seed, pick},
    talk,
};

/// How long after a change everybody has found the others again at the latest.
const FOUND: u64 = 4;

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

/// What a node whispers reaches each of its peers within the time in which a change is to be over.
fn hears(sim: &mut Sim, from: &str, peers: &[&str]) {
    hears_within(sim, from, peers, FOUND);
}

fn hears_within(sim: &mut Sim, from: &str, peers: &[&str], seconds: u64) {
    let limit = sim.now() + secs(seconds);
    let mut unheard: Vec<_> = peers.to_vec();
    while !unheard.is_empty() {
        assert!(sim.now() < limit, "{unheard:?} do not hear {from}");
        let said = format!("at {:?}", sim.now());
        for peer in &unheard {
            let id = sim.node(peer).id();
            // Before it is met again it is not known.
            let _unknown = sim.node(from).whisper(id, said.clone());
        }
        sim.run_for(millis(100));
        unheard.retain(|peer| {
            let events = sim.events_in_short(peer);
            !events.contains(&format!("whisper {from} {said}"))
        });
    }
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
        hears(&mut sim, "a", &["b", "c"]);
        hears(&mut sim, "b", &["a", "c"]);
        settle(&mut sim, secs(0));
        for name in ["b", "c"] {
            let (enters, exits) = comings_and_goings(&mut sim, name);
            assert!(enters <= 1 && exits <= 1, "{name}: {enters}, {exits}");
        }
    });
}

/// The beacons of the place that it leaves have never been heard.
#[test]
fn a_peer_that_changes_its_address_right_after_it_was_met_is_found_again() {
    for_each_seed(4, |level, seed| {
        let mut sim = acquainted(level, seed, &["a", "b"]);
        sim.host("c").remove_interface("eth0").start();
        sim.node("c").join("CHAT").unwrap();
        // Its beacons come with a regular beat: at once, and then once a second.
        sim.run_for(millis(pick(seed, 0, 1000)));
        sim.host("c").interface("eth0").on("lan");
        sim.run_for(millis(5));
        assert!(sim.agrees(), "{:?}", sim.differences());
        sim.host("a").interface("eth0").change_address();
        // Nothing has been heard of the place that it left, so its peers are as patient as ever.
        hears_within(&mut sim, "a", &["b", "c"], 7);
        settle(&mut sim, secs(0));
    });
}

/// Messages for the one that moved away must not reach the one that moved in.
#[test]
fn an_address_that_another_node_takes_over_does_not_mislead_messages() {
    for_each_seed(8, |level, seed| {
        let mut sim = acquainted(level, seed, &["a", "b", "c", "d"]);
        let names = ["a", "b", "c", "d"];
        let vacant = sim.host("a").address();
        // All have the same port.
        sim.host("a").interface("eth0").change_address();
        talk(&mut sim, &names, millis(pick(seed, 0, 4000)));
        sim.host("b")
            .interface("eth0")
            .take_addresses()
            .add_address(vacant, 16);
        talk(&mut sim, &names, secs(8));
        sim.check().unwrap_or_else(|broken| panic!("{broken}"));
        hears(&mut sim, "a", &["b", "c", "d"]);
        hears(&mut sim, "b", &["a", "c", "d"]);
        settle(&mut sim, secs(40));
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
fn a_peer_on_two_networks_is_one_session_and_goes_on_over_one_when_the_other_dies() {
    for_each_seed(4, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        for name in ["a", "b", "c"] {
            sim.host(name).interface("wlan0").on("wifi");
            sim.host(name).start_with(on_all);
            sim.node(name).join("CHAT").unwrap();
        }
        agree_within(&mut sim, secs(2));
        sim.run_for(secs(10));
        for name in ["a", "b", "c"] {
            assert_eq!(
                comings_and_goings(&mut sim, name),
                (2, 0),
                "{name} is on both"
            );
        }
        match pick(seed, 0, 3) {
            0 => drop(sim.host("a").remove_interface("eth0")),
            1 => drop(sim.host("a").interface("eth0").down()),
            _ => drop(sim.host("a").interface("eth0").unplug()),
        }
        hears(&mut sim, "a", &["b", "c"]);
        hears(&mut sim, "b", &["a", "c"]);
        settle(&mut sim, secs(0));
        for name in ["a", "b", "c"] {
            let (enters, exits) = comings_and_goings(&mut sim, name);
            assert!(enters <= 2 && exits <= 2, "{name}: {enters}, {exits}");
        }
    });
}

#[test]
fn an_interface_that_is_made_anew_is_used_again() {
    for_each_seed(4, |level, seed| {
        let mut sim = acquainted(level, seed, &["a", "b", "c"]);
        let before = sim.host("a").address();
        sim.host("a").remove_interface("eth0");
        assert_eq!(
            sim.events_in_short("a").first().unwrap(),
            "network lo 127.0.0.1"
        );
        sim.run_for(millis(pick(seed, 0, 10_000)));
        sim.host("a").interface("eth0").on("lan");
        assert_eq!(sim.host("a").address(), before);
        // It is where it was, so the others ask it once more over the connections that are dead.
        hears_within(&mut sim, "a", &["b", "c"], 7);
        settle(&mut sim, secs(40));
    });
}

/// As when a program starts while the system still waits for its address.
#[test]
fn a_laptop_that_wakes_elsewhere_is_found_there_with_its_new_address() {
    for_each_seed(4, |level, seed| {
        let mut sim = acquainted(level, seed, &["a", "b", "c"]);
        sim.host("d").on("far").start();
        sim.node("d").join("CHAT").unwrap();
        sim.host("a").freeze();
        sim.run_for(secs(pick(seed, 0, 120)));
        sim.host("a").on("far");
        sim.host("a").thaw();
        hears(&mut sim, "a", &["d"]);
        settle(&mut sim, secs(40));
        assert_eq!(sim.node("a").peer_names(), ["d"]);
    });
}

#[test]
fn nodes_meet_over_ipv6_alone_and_over_both() {
    for_each_seed(2, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("six").ip(IpVersion::V6);
        sim.lan("both").ip(IpVersion::Both);
        for (name, lan) in [("a", "six"), ("b", "six"), ("c", "both"), ("d", "both")] {
            sim.host(name).on(lan).start();
            sim.node(name).join("CHAT").unwrap();
        }
        sim.run_until(secs(2), |sim| sim.known_pairs() == 4)
            .unwrap();
        let endpoint = sim.node("a").endpoint().to_string();
        assert!(endpoint.starts_with("tcp://[fd00:"), "{endpoint}");
        sim.host("a").interface("eth0").change_address();
        sim.host("c").interface("eth0").change_address();
        hears(&mut sim, "a", &["b"]);
        hears(&mut sim, "c", &["d"]);
        settle(&mut sim, secs(40));
    });
}

#[test]
fn nodes_with_link_local_addresses_alone_meet() {
    for_each_seed(2, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        for (number, name) in (1..).zip(["a", "b", "c"]) {
            let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xff, number);
            let mut host = sim.host(name);
            // So that the scope of the link is another number at each.
            for other in 1..number {
                host.interface(&format!("veth{other}")).down();
            }
            host.remove_interface("eth0")
                .interface("eth0")
                .on("lan")
                .take_addresses();
            host.interface("eth0").add_address(address, 64);
            host.start();
            sim.node(name).join("CHAT").unwrap();
        }
        sim.run_until(secs(2), |sim| sim.known_pairs() == 6)
            .unwrap();
        settle(&mut sim, secs(0));
    });
}

#[test]
fn nodes_with_multicast_or_listed_addresses_meet_those_that_hear_them() {
    for_each_seed(2, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        let group = Beacons::Multicast(Ipv4Addr::new(224, 0, 0, 250).into());
        for name in ["a", "b"] {
            sim.host(name)
                .start_with(|config| config.beacons = group.clone());
        }
        sim.host("c").start();
        let listed = Beacons::To(vec![sim.host("a").address().into()]);
        sim.host("d").start_with(|config| config.beacons = listed);
        sim.run_for(secs(5));
        assert_eq!(sim.node("a").peer_names(), ["b", "d"]);
        assert_eq!(sim.node("b").peer_names(), ["a"]);
        // Broadcasts reach everybody who is in no group.
        assert_eq!(sim.node("c").peer_names(), ["d"]);
        sim.check_quiet().unwrap();
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
