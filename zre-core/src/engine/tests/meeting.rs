//! Nodes, ours and models of others, that find each other, and how many HELLOs that takes.

use std::{format, vec::Vec};

use zre_proto::PeerId;

use super::network::{Network, group, millis, secs};
use crate::link::MessageLink;

#[test]
fn a_node_that_starts_later_and_one_that_started_before_find_each_other() {
    let mut net = network();
    let alice = net.add("alice");
    net.settle();
    let bob = net.add("bob");
    net.settle();
    assert_eq!(net.told(alice), ["bob enters"]);
    assert_eq!(net.told(bob), ["alice enters"]);
    assert_eq!(net.hellos(), 2);
}

#[test]
fn two_that_start_at_once_say_hello_once_each() {
    let mut net = network();
    let (alice, bob) = (net.add("alice"), net.add("bob"));
    net.settle();
    assert_eq!(net.told(alice), ["bob enters"]);
    assert_eq!(net.told(bob), ["alice enters"]);
    assert_eq!(net.hellos(), 2);
}

#[test]
fn a_node_and_zyre_find_each_other_whoever_starts_first() {
    for node_first in [true, false] {
        let mut net = network();
        let start = |net: &mut Network<MessageLink>, node: bool| match node {
            true => net.add("node"),
            false => net.add_zyre("zyre"),
        };
        let first = start(&mut net, node_first);
        net.settle();
        let second = start(&mut net, !node_first);
        net.settle();
        assert_eq!(net.told(first).len(), 1);
        assert_eq!(net.told(second).len(), 1);
        assert_eq!(net.hellos(), 2);
    }
}

#[test]
fn a_node_may_shout_to_a_group_that_it_is_not_in() {
    let mut net = network();
    let (alice, bob) = (net.add("alice"), net.add("bob"));
    net.join(bob, "G");
    net.settle();
    net.told(bob);
    let now = net.now;
    let shouted = net.engine(alice).shout(&group("G"), "hi".into(), now);
    assert_eq!(shouted.unwrap().reached, 1);
    net.settle();
    assert_eq!(net.told(bob), ["alice shouts hi to G"]);
}

#[test]
fn groups_are_known_to_all_nodes_whoever_joins_first() {
    let mut net = network();
    let (alice, bob) = (net.add("alice"), net.add("bob"));
    net.join(alice, "A");
    net.settle();
    net.join(bob, "A");
    net.settle();
    let members = |net: &mut Network<MessageLink>, host| {
        let node = net.engine(host).node();
        node.peers_by_group(&group("A")).collect::<Vec<PeerId>>()
    };
    assert_eq!(members(&mut net, alice), [net.id(bob)]);
    assert_eq!(members(&mut net, bob), [net.id(alice)]);
    net.run(secs(60));
    assert_eq!(net.told(alice), ["bob enters", "bob joins A"]);
    assert_eq!(net.hellos(), 2);
}

#[test]
fn seventy_thousand_messages_each_way_wrap_without_an_exit() {
    let mut net = network();
    let (alice, bob) = (net.add("alice"), net.add("bob"));
    net.settle();
    net.told(alice);
    net.told(bob);
    for _ in 0..70_000 {
        net.whisper(alice, bob, "a");
        net.whisper(bob, alice, "b");
        net.settle();
    }
    for (host, line) in [(alice, "bob whispers b"), (bob, "alice whispers a")] {
        let told = net.told(host);
        assert_eq!(told.len(), 70_000);
        assert!(told.iter().all(|event| event == line));
    }
    assert_eq!(net.hellos(), 2);
}

#[test]
fn a_node_that_stops_is_gone_for_the_others_at_once() {
    let mut net = Network::<MessageLink>::new().with_latency(millis(1));
    let (alice, bob) = (net.add("alice"), net.add("bob"));
    net.settle();
    net.told(alice);
    net.stop(bob);
    net.run(millis(10));
    assert_eq!(net.told(alice), ["bob exits: said goodbye"]);
}

#[test]
fn a_network_of_fifty_is_quiet_for_a_minute() {
    let mut net = network();
    let hosts: Vec<_> = (0..50)
        .map(|number| net.add(&format!("n{number}")))
        .collect();
    net.run(secs(60));
    assert_eq!(net.hellos(), 50 * 49);
    for host in hosts {
        assert_eq!(net.peers(host).len(), 49);
        let told = net.told(host);
        assert_eq!(told.len(), 49);
        assert!(told.iter().all(|line| line.ends_with(" enters")));
    }
}

/// Messages take their time, and nobody is told when a connection ends.
fn network() -> Network<MessageLink> {
    Network::new().with_latency(millis(1)).with_ends_untold()
}
