//! Peers that are heard at several places, and peers and nodes that move.

use std::{string::String, vec::Vec};

use super::{
    level::{Level, at_both_levels},
    network::{Network, millis, secs, v4, v6},
};
use crate::link::MessageLink;

const NOTHING: [&str; 0] = [];

at_both_levels! {
    hosts_on_two_networks_meet_once_in_whatever_order_beacons_come,
    a_network_that_dies_at_our_side_moves_its_sessions_to_another,
    an_address_that_changes_is_found_within_two_beacon_intervals,
    a_network_that_dies_in_silence_is_left_by_both_sides,
}

/// What was told without the networks of the node itself.
fn told<C: Level>(net: &mut Network<C>, host: usize) -> Vec<String> {
    let told = net.told(host).into_iter();
    told.filter(|line| !line.starts_with("on ")).collect()
}

fn hosts_on_two_networks_meet_once_in_whatever_order_beacons_come<C: Level>() {
    let places = [
        [v4(0, 1), v4(1, 1), v4(0, 2), v4(1, 2)],
        [v4(0, 1), v6(0, 1), v4(0, 2), v6(0, 2)],
        [v4(0, 1), v4(0, 3), v4(0, 2), v4(0, 4)],
    ];
    for seed in 0..60 {
        for [alice1, alice2, bob1, bob2] in places {
            let mut net = Network::<C>::new();
            net = net.with_latency(millis(1)).with_jitter(millis(20), seed);
            let alice = net.add_with_addresses("alice", &[alice1, alice2]);
            net.run(millis(seed % 40));
            let bob = net.add_with_addresses("bob", &[bob1, bob2]);
            net.run(secs(20));
            assert_eq!(told(&mut net, alice), ["bob enters"], "{seed} {alice2}");
            assert_eq!(told(&mut net, bob), ["alice enters"], "{seed} {alice2}");
            assert_eq!(net.open_wires(), 2, "{seed} {alice2}");
        }
    }
}

/// Two hosts that share two networks, and have met.
fn two_on_two<C: Level>(phase: u64) -> Network<C> {
    let mut net = Network::<C>::new().with_latency(millis(1));
    net = net.with_jitter(millis(5), phase);
    net.add_with_addresses("alice", &[v4(0, 1), v4(1, 1)]);
    net.run(millis(phase));
    net.add_with_addresses("bob", &[v4(0, 2), v4(1, 2)]);
    net.run(millis(5300));
    assert_eq!(told(&mut net, 0), ["bob enters"]);
    assert_eq!(told(&mut net, 1), ["alice enters"]);
    net
}

/// Runs until both have met anew; gives how many milliseconds that took.
fn time_to_meet<C: Level>(net: &mut Network<C>) -> u64 {
    let begin = net.now;
    let mut entered = [false; 2];
    while entered != [true; 2] {
        net.run(millis(10));
        for (host, entered) in entered.iter_mut().enumerate() {
            let told = told(net, host);
            *entered |= told.iter().any(|line| line.ends_with("enters"));
            let is_move = |line: &String| {
                let ends = ["enters", "exits: connection lost", "whispers may be lost"];
                ends.iter().any(|end| line.ends_with(end))
            };
            assert!(told.iter().all(is_move), "{told:?}");
        }
        assert!(net.now.since(begin) < secs(20), "they do not meet");
    }
    let time = u64::try_from(net.now.since(begin).as_millis()).unwrap();
    net.run(secs(60));
    assert_eq!([told(net, 0), told(net, 1)], [NOTHING, NOTHING]);
    assert_eq!(net.open_wires(), 2);
    time
}

fn a_network_that_dies_at_our_side_moves_its_sessions_to_another<C: Level>() {
    for phase in (0..1000).step_by(70) {
        for gone in [0, 1] {
            let mut net = two_on_two::<C>(phase);
            net.whisper(1, 0, "may be lost");
            net.has_addresses(0, &[v4(1 - gone, 1)]);
            if net.whole_wires() == 2 {
                // The sessions were on the other network.
                net.run(secs(10));
                assert_eq!(told(&mut net, 1), NOTHING);
                continue;
            }
            let time = time_to_meet(&mut net);
            assert!(time <= 2000, "{time} ms in phase {phase}");
        }
    }
}

fn an_address_that_changes_is_found_within_two_beacon_intervals<C: Level>() {
    let mut longest = 0;
    for phase in (0..1000).step_by(70) {
        let mut net = Network::<C>::new().with_latency(millis(1));
        net = net.with_jitter(millis(5), phase);
        net.add_with_addresses("alice", &[v4(0, 1)]);
        net.run(millis(phase));
        net.add_with_addresses("bob", &[v4(0, 2)]);
        net.run(millis(5300));
        let _met = [told(&mut net, 0), told(&mut net, 1)];
        net.has_addresses(0, &[v4(0, 77)]);
        longest = longest.max(time_to_meet(&mut net));
    }
    assert!(longest <= 2000, "{longest} ms");
}

fn a_network_that_dies_in_silence_is_left_by_both_sides<C: Level>() {
    let mut longest = 0;
    for phase in (0..1000).step_by(70) {
        let mut net = two_on_two::<C>(phase);
        let [from, _] = net.addresses_of(0, 1);
        net.deaden(0, from);
        longest = longest.max(time_to_meet(&mut net));
    }
    assert!(longest <= 3300, "{longest} ms");
}

#[test]
fn zyre_is_met_again_by_a_node_whose_address_changes() {
    for phase in (0..1000).step_by(70) {
        let mut net = Network::<MessageLink>::new().with_latency(millis(1));
        let alice = net.add_with_addresses("alice", &[v4(0, 1)]);
        net.run(millis(phase));
        let zyre = net.add_zyre("zyre");
        net.run(millis(5300));
        let _met = [told(&mut net, alice), told(&mut net, zyre)];
        net.has_addresses(alice, &[v4(0, 77)]);
        net.run(millis(2000));
        assert_eq!(
            told(&mut net, alice),
            ["zyre exits: connection lost", "zyre enters"]
        );
        assert_eq!(
            told(&mut net, zyre).last().map(String::as_str),
            Some("alice enters")
        );
        net.run(secs(60));
        assert_eq!(told(&mut net, alice), NOTHING);
        assert_eq!(told(&mut net, zyre), NOTHING, "{phase}");
    }
}

#[test]
fn zyre_meets_a_node_with_two_addresses_once_in_whatever_order_beacons_come() {
    for seed in 0..100 {
        for addresses in [[v4(0, 1), v4(0, 3)], [v4(1, 1), v4(0, 1)]] {
            let mut net = Network::<MessageLink>::new();
            net = net.with_latency(millis(1)).with_jitter(millis(20), seed);
            let alice = net.add_with_addresses("alice", &addresses);
            net.run(millis(seed % 40));
            let zyre = net.add_zyre("zyre");
            net.run(secs(40));
            assert_eq!(told(&mut net, alice), ["zyre enters"], "{seed}");
            assert_eq!(told(&mut net, zyre), ["alice enters"], "{seed}");
        }
    }
}

#[test]
fn zyre_is_met_again_by_a_node_that_loses_one_of_two_networks() {
    for phase in (0..1000).step_by(70) {
        let mut net = Network::<MessageLink>::new().with_latency(millis(1));
        let alice = net.add_with_addresses("alice", &[v4(0, 1), v4(0, 3)]);
        net.run(millis(phase));
        let zyre = net.add_zyre("zyre");
        net.run(millis(5300));
        let _met = [told(&mut net, alice), told(&mut net, zyre)];
        net.has_addresses(alice, &[v4(0, 3)]);
        net.run(millis(2000));
        assert_eq!(net.peers(alice), [net.id(zyre)], "{phase}");
        assert_eq!(net.peers(zyre), [net.id(alice)], "{phase}");
        net.run(secs(60));
        assert!(told(&mut net, alice).len() <= 2);
        assert!(told(&mut net, zyre).len() <= 2);
    }
}
