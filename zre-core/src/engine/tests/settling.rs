//! Nodes that restart, forget each other or swap places settle after one exchange.

use core::time::Duration;
use std::{format, string::String, vec::Vec};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

use super::network::{Network, millis, secs};
use crate::{
    config::Config,
    link::MessageLink,
    node::tests::{config, endpoint, id_of},
};

/// Where no end of a connection is told, a node asks a peer for so long before it believes that
/// another connection is the peer's.
const ASKING: Duration = Duration::from_secs(6);

#[test]
#[should_panic(expected = "does not settle")]
fn two_zyres_can_chase_each_other_for_ever() {
    let mut net = network();
    let (one, other) = (net.add_zyre("one"), net.add_zyre("other"));
    acquainted(&mut net, one, other);
    chase(&mut net, one, other);
    net.settle();
}

#[test]
fn a_chase_between_a_node_and_zyre_ends_after_one_exchange() {
    for node_begins in [true, false] {
        let mut net = network();
        let (node, zyre) = (net.add("node"), net.add_zyre("zyre"));
        acquainted(&mut net, node, zyre);
        match node_begins {
            true => chase(&mut net, node, zyre),
            false => chase(&mut net, zyre, node),
        }
        net.run(ASKING);
        assert!(net.hellos() <= 6);
        let exits = |told: Vec<String>| told.iter().filter(|line| line.contains("exits")).count();
        assert!(exits(net.told(node)) <= 3);
        assert!(exits(net.told(zyre)) <= 3);
        assert_quiet(&mut net, &[node, zyre]);
    }
}

#[test]
fn a_chase_between_two_nodes_ends_after_one_exchange() {
    let mut net = network();
    let (one, other) = (net.add("one"), net.add("other"));
    acquainted(&mut net, one, other);
    chase(&mut net, one, other);
    net.run(ASKING);
    assert!(net.hellos() <= 5);
    assert_quiet(&mut net, &[one, other]);
}

#[test]
fn a_node_that_forgets_a_peer_and_finds_it_again_is_one_restart_for_it() {
    let mut net = network();
    let (one, other) = (net.add("one"), net.add("other"));
    acquainted(&mut net, one, other);
    net.forget(one, other);
    net.run(secs(2) + ASKING);
    assert_eq!(
        net.told(one),
        ["other exits: connection lost", "other enters"]
    );
    assert_eq!(net.told(other), ["one exits: restarted", "one enters"]);
    assert_quiet(&mut net, &[one, other]);
}

#[test]
fn two_that_forget_each_other_at_once_enter_once_each() {
    let mut net = network();
    let (one, other) = (net.add("one"), net.add("other"));
    acquainted(&mut net, one, other);
    net.forget(one, other);
    net.forget(other, one);
    net.run(secs(2));
    assert_eq!(
        net.told(one),
        ["other exits: connection lost", "other enters"]
    );
    assert_eq!(
        net.told(other),
        ["one exits: connection lost", "one enters"]
    );
    assert_quiet(&mut net, &[one, other]);
}

#[test]
fn two_that_restart_at_once_under_their_old_identities_settle() {
    let mut net = network();
    let start = |net: &mut Network<MessageLink>| {
        let one = net.add_with(config_with_id("one", 1));
        (one, net.add_with(config_with_id("other", 2)))
    };
    let (one, other) = start(&mut net);
    acquainted(&mut net, one, other);
    net.unplug(one);
    net.unplug(other);
    let (one, other) = start(&mut net);
    net.settle();
    assert_eq!(net.told(one), ["other enters"]);
    assert_eq!(net.told(other), ["one enters"]);
    assert_quiet(&mut net, &[one, other]);
}

#[test]
fn two_peers_that_swap_endpoints_settle() {
    let mut net = network();
    let alice = net.add("alice");
    let bob = net.add_with(config_with_id("bob", 20));
    let carol = net.add_with(config_with_id("carol", 30));
    net.settle();
    assert_eq!(net.told(alice), ["bob enters", "carol enters"]);
    net.unplug(bob);
    net.unplug(carol);
    let bob = net.add_with(config_with_id("bob", 30));
    let carol = net.add_with(config_with_id("carol", 20));
    net.run(secs(8));
    let told = net.told(alice);
    for name in ["bob", "carol"] {
        let count = |what: &str| {
            let line = format!("{name} {what}");
            told.iter().filter(|told| told.starts_with(&line)).count()
        };
        assert_eq!((count("exits"), count("enters")), (1, 1), "{told:?}");
    }
    assert_quiet(&mut net, &[alice, bob, carol]);
}

#[test]
fn ten_restarts_in_a_second_with_new_identities_are_one_enter_and_one_exit_each() {
    let told = ten_starts(dies, |life| config(&format!("bob{life}"), 20));
    let mut expected = Vec::new();
    for life in 0..10 {
        if life > 0 {
            let before = life - 1;
            expected.push(format!("bob{before} exits: connection lost"));
        }
        expected.push(format!("bob{life} enters"));
    }
    assert_eq!(told, expected);
}

#[test]
fn ten_restarts_in_a_second_under_one_identity_are_one_enter_each() {
    let told = ten_starts(dies, |_| config_with_id("bob", 20));
    assert_one_enter_per_start(&told, "bob exits: connection lost");
}

#[test]
fn ten_restarts_in_a_second_at_new_ports_are_one_enter_each() {
    let told = ten_starts(dies, at_a_new_port);
    assert_one_enter_per_start(&told, "bob exits: connection lost");
}

#[test]
fn ten_restarts_in_a_second_whose_ends_nobody_reports_settle() {
    told_once_each(&ten_starts(vanishes, |_| config_with_id("bob", 20)));
}

#[test]
fn ten_restarts_in_a_second_at_new_ports_whose_ends_nobody_reports_settle() {
    told_once_each(&ten_starts(vanishes, at_a_new_port));
}

fn at_a_new_port(life: usize) -> Config {
    let mut config = config_with_id("bob", 20);
    config.endpoint = endpoint(&format!("10.0.0.20:{}", 50000 + life));
    config
}

/// Without the ends of connections, bob is asked for a while before a new life of his is believed.
/// So not every life is told; each that is, once.
#[track_caller]
fn told_once_each(told: &[String]) {
    let lives = told.iter().filter(|told| *told == "bob enters").count();
    let exits = told.iter().filter(|told| *told == "bob exits: restarted");
    assert_eq!(exits.count(), lives - 1, "{told:?}");
    assert_eq!(told.len(), 2 * lives - 1, "{told:?}");
}

#[test]
fn a_peer_that_advertises_another_port_than_its_beacons_enters_once() {
    let mut net = network();
    let node = net.add("node");
    let zyre = net.add_zyre_advertising("zyre", &endpoint("10.0.0.2:55555"));
    net.settle();
    assert_eq!(net.told(node), ["zyre enters"]);
    assert_eq!(net.told(zyre), ["node enters"]);
    assert_quiet(&mut net, &[node, zyre]);
}

#[test]
fn a_host_that_is_heard_on_two_networks_at_once_enters_once() {
    let mut net = network();
    let node = net.add("node");
    net.settle();
    let second = endpoint("10.9.0.2:49152");
    let zyre = net.add_zyre_advertising("zyre", &second);
    let first = net.endpoint(zyre);
    net.hear(node, zyre, &first);
    net.hear(node, zyre, &second);
    net.settle();
    assert_eq!(net.told(node), ["zyre enters"]);
    assert_eq!(net.told(zyre), ["node enters"]);
}

#[test]
fn two_nodes_settle_whatever_they_forget_and_whenever_messages_come() {
    (0..300).for_each(|seed| settles_after_chaos(network(), seed, false));
}

#[test]
fn a_node_and_zyre_settle_whatever_they_forget_and_whenever_messages_come() {
    (0..300).for_each(|seed| settles_after_chaos(network(), seed, true));
}

#[test]
fn two_nodes_that_notice_when_connections_end_settle_whatever_they_forget() {
    (0..300).for_each(|seed| settles_after_chaos(network_that_tells_ends(), seed, false));
}

#[test]
fn a_node_that_notices_when_connections_end_settles_with_zyre_whatever_they_forget() {
    (0..300).for_each(|seed| settles_after_chaos(network_that_tells_ends(), seed, true));
}

/// Both have found each other, and that is told.
fn acquainted(net: &mut Network<MessageLink>, one: usize, other: usize) {
    net.settle();
    assert_eq!(net.peers(one).len(), 1);
    assert_eq!(net.peers(other).len(), 1);
    net.told(one);
    net.told(other);
    net.hellos();
}

/// `one` forgets `other` and finds it again, twice within the time that a message takes: two HELLOs
/// are under way to a complete session.
fn chase(net: &mut Network<MessageLink>, one: usize, other: usize) {
    let endpoint = net.endpoint(other);
    for _ in 0..2 {
        net.forget(one, other);
        net.hear(one, other, &endpoint);
        net.run(millis(1) / 4);
    }
}

#[track_caller]
fn assert_quiet(net: &mut Network<MessageLink>, hosts: &[usize]) {
    net.run(secs(12));
    for &host in hosts {
        net.told(host);
    }
    net.hellos();
    net.run(secs(30));
    assert_eq!(net.hellos(), 0, "somebody still says HELLO");
    for &host in hosts {
        assert_eq!(net.told(host), [] as [&str; 0]);
        assert_eq!(net.peers(host).len(), hosts.len() - 1);
    }
}

/// Ten lives of bob in one second, as alice hears of them.
fn ten_starts(
    end: fn(&mut Network<MessageLink>, usize),
    config: fn(usize) -> Config,
) -> Vec<String> {
    let mut net = network_that_tells_ends();
    let alice = net.add("alice");
    let mut bob = None;
    for life in 0..10 {
        if let Some(bob) = bob {
            end(&mut net, bob);
        }
        let born = net.add_with(config(life));
        bob = Some(born);
        let endpoint = net.endpoint(alice);
        net.hear(born, alice, &endpoint);
        net.run(millis(5));
    }
    net.run(secs(12));
    let (bob, told) = (bob.unwrap(), net.told(alice));
    assert_eq!(net.peers(bob).len(), 1, "the last life has found alice");
    assert_quiet(&mut net, &[alice, bob]);
    told
}

/// Its process ends, and alice notices that. A goodbye beacon could come for a tenth of a second.
fn dies(net: &mut Network<MessageLink>, host: usize) {
    net.kill(host);
    net.run(millis(101));
}

/// Its machine is gone, and nobody notices.
fn vanishes(net: &mut Network<MessageLink>, host: usize) {
    net.run(millis(95));
    net.unplug(host);
}

#[track_caller]
fn assert_one_enter_per_start(told: &[String], exit: &str) {
    assert_eq!(told.len(), 19, "{told:?}");
    for (index, line) in told.iter().enumerate() {
        let expected = if index % 2 == 0 { "bob enters" } else { exit };
        assert_eq!(line, expected);
    }
}

fn config_with_id(name: &str, host: usize) -> Config {
    let mut config = config(name, host);
    config.id = Some(id_of(name));
    config
}

/// Random forgetting, random delays: afterwards everybody is there for everybody, and it is quiet.
fn settles_after_chaos(net: Network<MessageLink>, seed: u64, with_zyre: bool) {
    let mut net = net.with_jitter(millis(50), seed);
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let one = net.add("one");
    let other = match with_zyre {
        true => net.add_zyre("other"),
        false => net.add("other"),
    };
    net.run(millis(250));
    for _ in 0..1 + dice.next_u32() % 8 {
        let (from, to) = match dice.next_u32() % 2 {
            0 => (one, other),
            _ => (other, one),
        };
        if dice.next_u32() % 3 > 0 {
            net.forget(from, to);
        }
        let endpoint = net.endpoint(to);
        net.hear(from, to, &endpoint);
        net.run(millis(u64::from(dice.next_u32() % 60)));
    }
    // Two that forget each other at the same moment can leave one waiting for a HELLO that its
    // earlier record of the other has swallowed. It gives up in the end: a node of ours after 10 s,
    // zyre after 30.
    net.run(secs(if with_zyre { 45 } else { 25 }));
    let hellos = net.hellos();
    assert!(hellos < 60, "seed {seed}: {hellos} HELLOs");
    net.told(one);
    net.told(other);
    net.run(secs(30));
    assert_eq!(net.hellos(), 0, "seed {seed}: still says HELLO");
    assert_eq!(net.told(one), [] as [&str; 0], "seed {seed}");
    assert_eq!(net.told(other), [] as [&str; 0], "seed {seed}");
    let (one_id, other_id) = (net.id(one), net.id(other));
    assert!(net.peers(one).contains(&other_id), "seed {seed}");
    assert!(net.peers(other).contains(&one_id), "seed {seed}");
    net.whisper(one, other, "you");
    net.settle();
    assert_eq!(net.told(other), ["one whispers you"], "seed {seed}");
}

/// Messages take their time, and nobody is told when a connection ends: not even the other side of
/// one that is closed.
fn network() -> Network<MessageLink> {
    network_that_tells_ends().with_ends_untold()
}

fn network_that_tells_ends() -> Network<MessageLink> {
    Network::new().with_latency(millis(1))
}
