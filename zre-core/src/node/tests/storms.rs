//! Nodes that restart, forget each other or swap places settle after one exchange.

use core::time::Duration;
use std::{format, string::String, vec::Vec};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

use super::{config, endpoint, id_of, network::Network};

const SECOND: Duration = Duration::from_secs(1);

/// Both have found each other, and that is told.
fn acquainted(network: &mut Network, one: usize, other: usize) {
    network.settle();
    assert_eq!(network.peers(one).len(), 1);
    assert_eq!(network.peers(other).len(), 1);
    network.events(one);
    network.events(other);
    network.hellos();
}

/// `one` forgets `other` and finds it again, twice within the time that a message takes: two HELLOs
/// are under way to a complete session.
fn chase(network: &mut Network, one: usize, other: usize) {
    for _ in 0..2 {
        let (peer, place) = (network.id(other), network.endpoint(other));
        network.lose(one, peer);
        network.hear(one, other, &place);
    }
}

#[track_caller]
fn assert_quiet(network: &mut Network, stations: &[usize]) {
    network.run(SECOND * 3);
    for &station in stations {
        network.events(station);
    }
    network.hellos();
    network.run(SECOND * 30);
    assert_eq!(network.hellos(), 0, "somebody still says HELLO");
    for &station in stations {
        assert_eq!(network.story(station), [] as [&str; 0]);
        assert_eq!(network.peers(station).len(), stations.len() - 1);
    }
}

#[test]
#[should_panic(expected = "does not settle")]
fn two_zyres_can_chase_each_other_for_ever() {
    let mut network = Network::new();
    let (one, other) = (network.start_zyre("one"), network.start_zyre("other"));
    acquainted(&mut network, one, other);
    chase(&mut network, one, other);
    network.settle();
}

#[test]
fn a_chase_between_a_node_and_zyre_ends_after_one_exchange() {
    for node_begins in [true, false] {
        let mut network = Network::new();
        let (node, zyre) = (network.start("node"), network.start_zyre("zyre"));
        acquainted(&mut network, node, zyre);
        match node_begins {
            true => chase(&mut network, node, zyre),
            false => chase(&mut network, zyre, node),
        }
        network.settle();
        assert!(network.hellos() <= 6);
        let exits = |story: Vec<String>| story.iter().filter(|line| line.contains("exits")).count();
        assert!(exits(network.story(node)) <= 3);
        assert!(exits(network.story(zyre)) <= 3);
        assert_quiet(&mut network, &[node, zyre]);
    }
}

#[test]
fn a_chase_between_two_nodes_ends_after_one_exchange() {
    let mut network = Network::new();
    let (one, other) = (network.start("one"), network.start("other"));
    acquainted(&mut network, one, other);
    chase(&mut network, one, other);
    network.settle();
    assert!(network.hellos() <= 5);
    assert_quiet(&mut network, &[one, other]);
}

#[test]
fn a_node_that_forgets_a_peer_and_finds_it_again_is_one_restart_for_it() {
    let mut network = Network::new();
    let (one, other) = (network.start("one"), network.start("other"));
    acquainted(&mut network, one, other);
    let peer = network.id(other);
    network.lose(one, peer);
    network.run(SECOND * 2);
    assert_eq!(
        network.story(one),
        ["other exits: connection lost", "other enters"]
    );
    assert_eq!(network.story(other), ["one exits: restarted", "one enters"]);
    assert_quiet(&mut network, &[one, other]);
}

#[test]
fn two_that_forget_each_other_at_once_enter_once_each() {
    let mut network = Network::new();
    let (one, other) = (network.start("one"), network.start("other"));
    acquainted(&mut network, one, other);
    let (one_id, other_id) = (network.id(one), network.id(other));
    network.lose(one, other_id);
    network.lose(other, one_id);
    network.run(SECOND * 2);
    assert_eq!(
        network.story(one),
        ["other exits: connection lost", "other enters"]
    );
    assert_eq!(
        network.story(other),
        ["one exits: connection lost", "one enters"]
    );
    assert_quiet(&mut network, &[one, other]);
}

#[test]
fn two_that_restart_at_once_under_their_old_identities_settle() {
    let mut network = Network::new();
    let mut start = |name: &str, host| {
        let mut config = config(name, host);
        config.id = Some(id_of(name));
        network.start_with(config)
    };
    let (one, other) = (start("one", 1), start("other", 2));
    acquainted(&mut network, one, other);
    network.vanish(one);
    network.vanish(other);
    let mut start = |name: &str, host| {
        let mut config = config(name, host);
        config.id = Some(id_of(name));
        network.start_with(config)
    };
    let (one, other) = (start("one", 1), start("other", 2));
    network.settle();
    assert_eq!(network.story(one), ["other enters"]);
    assert_eq!(network.story(other), ["one enters"]);
    assert_quiet(&mut network, &[one, other]);
}

#[test]
fn two_peers_that_swap_endpoints_settle() {
    let mut network = Network::new();
    let alice = network.start("alice");
    let start = |network: &mut Network, name: &str, host| {
        let mut config = config(name, host);
        config.id = Some(id_of(name));
        network.start_with(config)
    };
    let (bob, carol) = (
        start(&mut network, "bob", 20),
        start(&mut network, "carol", 30),
    );
    network.settle();
    assert_eq!(network.story(alice), ["bob enters", "carol enters"]);
    network.vanish(bob);
    network.vanish(carol);
    let (bob, carol) = (
        start(&mut network, "bob", 30),
        start(&mut network, "carol", 20),
    );
    network.run(SECOND * 3);
    let story = network.story(alice);
    for name in ["bob", "carol"] {
        let count = |what: &str| {
            let line = format!("{name} {what}");
            story.iter().filter(|told| told.starts_with(&line)).count()
        };
        assert_eq!((count("exits"), count("enters")), (1, 1), "{story:?}");
    }
    assert_quiet(&mut network, &[alice, bob, carol]);
}

#[test]
fn ten_restarts_in_a_second_with_new_identities_are_one_enter_and_one_exit_each() {
    let mut network = Network::new();
    let alice = network.start("alice");
    let mut bob = None;
    for life in 0..10 {
        if let Some(bob) = bob {
            network.crash(bob);
        }
        bob = Some(network.start_with(config(&format!("bob{life}"), 20)));
        network.run(SECOND / 10);
    }
    let mut expected = Vec::new();
    for life in 0..10 {
        if life > 0 {
            let before = life - 1;
            expected.push(format!("bob{before} exits: connection lost"));
        }
        expected.push(format!("bob{life} enters"));
    }
    assert_eq!(network.story(alice), expected);
    assert_quiet(&mut network, &[alice, bob.unwrap()]);
}

/// Ten lives of bob under one identity in one second, as alice sees them.
fn ten_lives(end: fn(&mut Network, usize), place: fn(usize) -> crate::Config) -> Vec<String> {
    let mut network = Network::new();
    let alice = network.start("alice");
    let mut bob = None;
    for life in 0..10 {
        if let Some(bob) = bob {
            end(&mut network, bob);
        }
        let mut config = place(life);
        config.id = Some(id_of("bob"));
        let born = network.start_with(config);
        bob = Some(born);
        let place = network.endpoint(alice);
        network.hear(born, alice, &place);
        network.run(SECOND / 10);
    }
    network.run(SECOND);
    let found = network.peers(bob.unwrap());
    assert_eq!(found.len(), 1, "the last life has found alice");
    let story = network.story(alice);
    assert_quiet(&mut network, &[alice, bob.unwrap()]);
    story
}

#[track_caller]
fn assert_one_enter_per_life(story: &[String], exit: &str) {
    assert_eq!(story.len(), 19, "{story:?}");
    for (index, line) in story.iter().enumerate() {
        let expected = if index % 2 == 0 { "bob enters" } else { exit };
        assert_eq!(line, expected);
    }
}

#[test]
fn ten_restarts_in_a_second_under_one_identity_are_one_enter_each() {
    let story = ten_lives(Network::crash, |_| config("bob", 20));
    assert_one_enter_per_life(&story, "bob exits: connection lost");
}

#[test]
fn ten_restarts_in_a_second_at_new_ports_are_one_enter_each() {
    let story = ten_lives(Network::vanish, |life| {
        let mut config = config("bob", 20);
        config.endpoint = endpoint(&format!("10.0.0.20:{}", 50000 + life));
        config
    });
    assert_one_enter_per_life(&story, "bob exits: restarted");
}

#[test]
fn ten_restarts_in_a_second_whose_ends_nobody_reports_settle() {
    // Without the ends of connections nothing tells a quick restart from an answer to our HELLO, so
    // not every life is told; each that is, once.
    let story = ten_lives(Network::vanish, |_| config("bob", 20));
    let lives = story.iter().filter(|told| *told == "bob enters").count();
    let exits = story.iter().filter(|told| *told == "bob exits: restarted");
    assert_eq!(exits.count(), lives - 1, "{story:?}");
    assert_eq!(story.len(), 2 * lives - 1, "{story:?}");
}

#[test]
fn a_peer_that_advertises_another_port_than_its_beacons_enters_once() {
    let mut network = Network::new();
    let node = network.start("node");
    let zyre = network.start_zyre_advertising("zyre", &endpoint("10.0.0.2:55555"));
    network.settle();
    assert_eq!(network.story(node), ["zyre enters"]);
    assert_eq!(network.story(zyre), ["node enters"]);
    assert_quiet(&mut network, &[node, zyre]);
}

#[test]
fn a_host_that_is_heard_on_two_networks_at_once_enters_once() {
    let mut network = Network::new();
    let node = network.start("node");
    network.settle();
    let second = endpoint("10.9.0.2:49152");
    let zyre = network.start_zyre_advertising("zyre", &second);
    let first = network.endpoint(zyre);
    network.hear(node, zyre, &first);
    network.hear(node, zyre, &second);
    network.settle();
    assert_eq!(network.story(node), ["zyre enters"]);
    assert_eq!(network.story(zyre), ["node enters"]);
}

/// Random forgetting, random delays: afterwards everybody is there for everybody, and it is quiet.
fn settles_after_chaos(network: Network, seed: u64, with_zyre: bool) {
    let mut network = network.with_jitter(Duration::from_millis(50), seed);
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let one = network.start("one");
    let other = match with_zyre {
        true => network.start_zyre("other"),
        false => network.start("other"),
    };
    network.run(SECOND / 4);
    for _ in 0..1 + dice.next_u32() % 8 {
        let (from, to) = match dice.next_u32() % 2 {
            0 => (one, other),
            _ => (other, one),
        };
        let (peer, place) = (network.id(to), network.endpoint(to));
        if dice.next_u32() % 3 > 0 {
            network.lose(from, peer);
        }
        network.hear(from, to, &place);
        network.run(Duration::from_millis(u64::from(dice.next_u32() % 60)));
    }
    // Two that forget each other at the same moment can leave one waiting for a HELLO that its earlier
    // record of the other has swallowed. It gives up in the end: a node of ours after 10 s, zyre after 30.
    network.run(SECOND * if with_zyre { 35 } else { 12 });
    let hellos = network.hellos();
    assert!(hellos < 60, "seed {seed}: {hellos} HELLOs");
    network.events(one);
    network.events(other);
    network.run(SECOND * 30);
    assert_eq!(network.hellos(), 0, "seed {seed}: still says HELLO");
    assert_eq!(network.story(one), [] as [&str; 0], "seed {seed}");
    assert_eq!(network.story(other), [] as [&str; 0], "seed {seed}");
    let (one_id, other_id) = (network.id(one), network.id(other));
    assert!(network.peers(one).contains(&other_id), "seed {seed}");
    assert!(network.peers(other).contains(&one_id), "seed {seed}");
    network.node(one, |node, now| {
        node.whisper(other_id, "you".into(), now).unwrap();
    });
    network.settle();
    assert_eq!(network.story(other), ["one whispers you"], "seed {seed}");
}

#[test]
fn two_nodes_settle_whatever_they_forget_and_whenever_messages_come() {
    (0..300).for_each(|seed| settles_after_chaos(Network::new(), seed, false));
}

#[test]
fn a_node_and_zyre_settle_whatever_they_forget_and_whenever_messages_come() {
    (0..300).for_each(|seed| settles_after_chaos(Network::new(), seed, true));
}

#[test]
fn two_nodes_that_notice_when_connections_end_settle_whatever_they_forget() {
    (0..300).for_each(|seed| {
        settles_after_chaos(Network::new().with_ends_noticed(), seed, false);
    });
}

#[test]
fn a_node_that_notices_when_connections_end_settles_with_zyre_whatever_they_forget() {
    (0..300).for_each(|seed| {
        settles_after_chaos(Network::new().with_ends_noticed(), seed, true);
    });
}
