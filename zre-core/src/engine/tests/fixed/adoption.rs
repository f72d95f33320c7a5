//! One session comes of it, whoever finds whom first and by what.

use alloc::{format, vec::Vec};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_proto::{Body, Endpoint, PeerId};

use super::{NOTHING, fixed, is_greeted, to_peer_1, told};
use crate::{
    config::Beacons,
    engine::{
        LinkId,
        tests::{
            level::{Level, at_both_levels},
            network::{Network, group, millis, secs},
            single_engine::{SingleEngine, endpoint, hello, whisper},
        },
    },
    link::Link,
    notice::Notice,
};

at_both_levels! {
    nodes_that_find_each_other_in_any_order_and_by_all_means_enter_once,
    a_beacon_of_the_peer_adopts_the_connection_to_it,
    a_beacon_of_the_peer_adopts_the_connection_that_is_being_made_to_it,
    a_peer_that_was_found_by_beacons_is_not_connected_to_again,
    an_answer_that_comes_while_the_peer_is_sought_in_vain_is_enough,
    an_answer_to_a_connection_that_is_gone_does_no_harm,
    a_peer_whose_name_leads_to_ourselves_or_to_another_peer_is_not_connected_to,
    a_peer_whose_name_leads_to_another_that_is_just_being_lost_is_not_connected_to,
    a_peer_whose_name_leads_to_a_fixed_endpoint_gets_the_connection_to_it,
    groups_joined_before_the_peer_says_hello_are_told_in_order,
    a_fixed_connection_that_brings_no_hello_is_told_once_and_begun_anew,
    errors_of_the_endpoint_are_gone_when_a_peer_is_there,
    whatever_breaks_between_two_nodes_they_are_in_one_session_again_and_stay_in_it,
}

/// What two nodes know of each other.
#[derive(Debug, Clone, Copy)]
struct Knowledge {
    /// Whether each has the other as a fixed peer.
    fixed: [bool; 2],
    /// Whether each sends beacons.
    beacons: [bool; 2],
    /// How much later the second starts, in milliseconds.
    later: u64,
    latency: u64,
}

fn nodes_that_find_each_other_in_any_order_and_by_all_means_enter_once<C: Level>() {
    let choices = [[true, true], [true, false], [false, true]];
    for fixed in choices {
        for beacons in [[false, false], [true, false], [false, true], [true, true]] {
            for later in [0, 1, 3, 20, 60, 700, 5000] {
                for latency in [0, 1, 30] {
                    let knowledge = Knowledge {
                        fixed,
                        beacons,
                        later,
                        latency,
                    };
                    // Without latency there is nothing random.
                    let seeds = if latency == 0 { 1 } else { 2 };
                    (0..seeds).for_each(|seed| meet::<C>(knowledge, seed));
                }
            }
        }
    }
}

fn meet<C: Level>(knowledge: Knowledge, seed: u64) {
    let latency = knowledge.latency;
    let net = Network::<C>::new().with_latency(millis(latency));
    let mut net = net.with_jitter(millis(latency * 2), seed);
    let endpoints = ["tcp://10.0.0.1:49152", "tcp://10.0.0.2:49152"];
    for (host, name) in ["alice", "bob"].into_iter().enumerate() {
        let connect = &endpoints[1 - host..][..usize::from(knowledge.fixed[host])];
        let mut config = fixed(&net, name, connect);
        if knowledge.beacons[host] {
            config.beacons = Beacons::Broadcast;
        }
        net.add_with(config);
        if host == 0 {
            net.run(millis(knowledge.later));
        }
    }
    net.run(secs(45));
    let what = format!("{knowledge:?}, seed {seed}");
    assert_eq!(told(&mut net, 0), ["bob enters"], "{what}");
    assert_eq!(told(&mut net, 1), ["alice enters"], "{what}");
    assert_eq!(net.open_wires(), 2, "{what}");
    net.whisper(0, 1, "hello");
    net.whisper(1, 0, "hello");
    net.run(secs(45));
    assert_eq!(told(&mut net, 0), ["bob whispers hello"], "{what}");
    assert_eq!(told(&mut net, 1), ["alice whispers hello"], "{what}");
}

fn a_beacon_of_the_peer_adopts_the_connection_to_it<C: Level>() {
    let mut test = to_peer_1::<C>();
    let id = [1; 16].into();
    let mut from = test.answer_open();
    test.beacon(id, &endpoint(1));
    assert!(test.wanted.is_empty(), "no second connection");
    let mut to = test.connect(id);
    to.send(&mut test, 1, hello(1));
    from.exchange(&mut test);
    assert!(is_greeted(&from));
    assert_eq!(test.told(), ["peer1 enters"]);
    test.engine.whisper(id, "hello".into(), test.now).unwrap();
    from.exchange(&mut test);
    assert_eq!(from.received[2].sequence, 3);
}

fn a_beacon_of_the_peer_adopts_the_connection_that_is_being_made_to_it<C: Level>() {
    let mut test = to_peer_1::<C>();
    let id = [1; 16].into();
    test.beacon(id, &endpoint(1));
    assert_eq!(test.wanted.len(), 1);
    let from = test.answer_open();
    assert_eq!(
        from.received.len(),
        1,
        "the HELLO of the peer's own session"
    );
    let mut to = test.connect(id);
    to.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), ["peer1 enters"]);
    assert!(test.wanted.is_empty());
}

fn an_answer_that_comes_while_the_peer_is_sought_in_vain_is_enough<C: Level>() {
    let mut test = to_peer_1::<C>();
    let id = [3; 16].into();
    let mut to = test.connect(id);
    to.send(&mut test, 1, hello(3));
    let mut from = test.answer_open();
    assert!(is_greeted(&from));
    let (in_vain, at) = test.wanted.pop_front().unwrap();
    assert_eq!(at, endpoint(3));
    to.send(&mut test, 2, Body::PingOk);
    assert_eq!(test.told(), ["peer3 enters"]);
    assert!(test.closed.contains(&in_vain));
    test.engine.whisper(id, "hello".into(), test.now).unwrap();
    from.exchange(&mut test);
    assert_eq!(from.received[2].sequence, 3);
    test.run(secs(4));
    assert!(test.wanted.is_empty());
}

fn an_answer_to_a_connection_that_is_gone_does_no_harm<C: Level>() {
    let mut test = to_peer_1::<C>();
    let from = test.answer_open();
    test.engine.handle_closed(from.at, "reset", test.now);
    let mut to = test.connect([3; 16].into());
    to.queue(1, hello(3));
    to.send(&mut test, 2, Body::PingOk);
    let _from = test.answer_open();
    assert_eq!(test.told(), ["peer3 enters"]);
    to.send(&mut test, 3, whisper("hello"));
    assert_eq!(test.told(), ["peer3 whispers hello"]);
}

/// A peer that is known by a host name.
fn meet_by_name<C: Level>(test: &mut SingleEngine<C>, id: PeerId) -> LinkId {
    let name: Endpoint = "tcp://robot.example:49152".parse().unwrap();
    let now = test.engine.cx.now;
    let place = name.clone().into();
    test.engine.node.handle_tuple(id, place, false, now);
    test.engine.settle();
    test.drain();
    let (link, at) = test.wanted.pop_back().unwrap();
    assert_eq!(at, name);
    link
}

fn a_peer_whose_name_leads_to_another_that_is_just_being_lost_is_not_connected_to<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(2);
    let link = meet_by_name(&mut test, [5; 16].into());
    test.engine.handle_closed(peer.from.at, "reset", test.now);
    let remote = "10.0.1.2:49152".parse().unwrap();
    assert!(!test.engine.handle_resolved(link, remote, test.now));
}

fn a_peer_whose_name_leads_to_ourselves_or_to_another_peer_is_not_connected_to<C: Level>() {
    for place in ["10.0.0.1:49152", "10.0.1.2:49152"] {
        let mut test = SingleEngine::<C>::new();
        let mut peer = test.add_peer(2);
        let link = meet_by_name(&mut test, [5; 16].into());
        let remote = place.parse().unwrap();
        assert!(!test.engine.handle_resolved(link, remote, test.now));
        test.drain();
        assert!(test.closed.contains(&link));
        test.told();
        peer.is_undisturbed(&mut test);
    }
    let mut test = SingleEngine::<C>::new();
    let link = meet_by_name(&mut test, [5; 16].into());
    let remote = "10.0.1.7:49152".parse().unwrap();
    assert!(test.engine.handle_resolved(link, remote, test.now));
}

fn a_peer_whose_name_leads_to_a_fixed_endpoint_gets_the_connection_to_it<C: Level>() {
    let mut test = to_peer_1::<C>();
    let mut from = test.answer_open();
    let id = PeerId::from([1; 16]);
    let link = meet_by_name(&mut test, id);
    let remote = "10.0.1.1:49152".parse().unwrap();
    assert!(!test.engine.handle_resolved(link, remote, test.now));
    test.drain();
    let mut to = test.connect_from("10.0.1.1:6666", id);
    to.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), ["peer1 enters"]);
    test.engine.whisper(id, "hello".into(), test.now).unwrap();
    from.exchange(&mut test);
    assert_eq!(from.received[2].sequence, 3);
}

fn a_peer_that_was_found_by_beacons_is_not_connected_to_again<C: Level>() {
    let mut test = to_peer_1::<C>();
    let (link, _) = test.wanted.pop_front().unwrap();
    test.engine.handle_closed(link, "refused", test.now);
    let _peer = test.add_peer(1);
    test.run(secs(4));
    assert!(test.wanted.is_empty());
    let shown: Vec<_> = test.engine.fixed_peers().collect();
    assert_eq!(
        format!("{}", shown[0].state),
        format!("connected to {}", _peer.id)
    );
}

fn groups_joined_before_the_peer_says_hello_are_told_in_order<C: Level>() {
    let mut net = Network::<C>::new();
    net.add_with(fixed(&net, "alice", &["tcp://10.0.0.2:49152"]));
    net.add_with(fixed(&net, "bob", &[]));
    // Bob cannot reach alice for a while.
    net.hosts[0].listens = false;
    net.settle();
    net.join(0, "ONE");
    let now = net.now;
    net.engine(0).leave(&group("ONE"), now).unwrap();
    net.join(0, "TWO");
    net.run(millis(30));
    net.hosts[0].listens = true;
    net.run(secs(10));
    net.join(0, "THREE");
    net.settle();
    let told_to_bob = told(&mut net, 1);
    let expected = [
        "alice enters",
        "alice joins ONE",
        "alice leaves ONE",
        "alice joins TWO",
        "alice joins THREE",
    ];
    assert_eq!(told_to_bob, expected);
    let is_miscounted = |notice: &Notice| matches!(notice, Notice::Status { .. });
    assert!(!net.hosts[1].notices.iter().any(is_miscounted));
    assert_eq!(told(&mut net, 0), ["bob enters"]);
    assert_eq!(net.open_wires(), 2);
}

fn silences(notices: &[Notice]) -> usize {
    let is_silence = |notice: &&Notice| match notice {
        Notice::FixedPeer { error, .. } => error.contains("says no HELLO"),
        _ => false,
    };
    notices.iter().filter(is_silence).count()
}

fn a_fixed_connection_that_brings_no_hello_is_told_once_and_begun_anew<C: Level>() {
    let mut test = to_peer_1::<C>();
    let mut waits = Vec::new();
    for _ in 0..6 {
        let remote = test.answer_open();
        assert!(is_greeted(&remote));
        let greeted_at = test.now;
        while !remote.is_closed(&test) {
            test.run(secs(1));
        }
        waits.push(test.now.since(greeted_at).as_secs());
        while test.wanted.is_empty() {
            test.run(secs(1));
        }
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 600]);
    assert_eq!(silences(&test.notices), 1);
    assert_eq!(test.told(), NOTHING);
}

fn errors_of_the_endpoint_are_gone_when_a_peer_is_there<C: Level>() {
    let mut net = Network::<C>::new();
    net.add_with(fixed(&net, "alice", &["tcp://10.0.0.2:49152"]));
    net.run(secs(1));
    let error = |net: &mut Network<C>| net.engine(0).fixed_peers().next().unwrap().error;
    assert_eq!(error(&mut net).as_deref(), Some("connection refused"));
    net.add_with(fixed(&net, "bob", &[]));
    net.run(secs(5));
    assert_eq!(error(&mut net), None);
}

fn whatever_breaks_between_two_nodes_they_are_in_one_session_again_and_stay_in_it<C: Level>() {
    for seed in 0..60 {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let net = Network::<C>::new().with_latency(millis(2));
        let mut net = net.with_jitter(millis(10), seed);
        let endpoints = ["tcp://10.0.0.1:49152", "tcp://10.0.0.2:49152"];
        net.add_with(fixed(&net, "alice", &endpoints[1..]));
        let of_bob = &endpoints[..usize::from(seed % 2 == 0)];
        net.add_with(fixed(&net, "bob", of_bob));
        for _ in 0..8 {
            net.run(millis(u64::from(dice.next_u32() % 4000)));
            let from = usize::from(dice.next_u32() % 2 == 0);
            match dice.next_u32() % 3 {
                0 => net.forget(from, 1 - from),
                1 if net.is_joined(from, 1 - from) => net.break_wire(from, 1 - from),
                _ => net.hosts[from].listens ^= true,
            }
        }
        net.hosts.iter_mut().for_each(|host| host.listens = true);
        net.run(secs(150));
        told(&mut net, 0);
        told(&mut net, 1);
        net.run(secs(150));
        assert_eq!(told(&mut net, 0), NOTHING, "{seed}");
        assert_eq!(told(&mut net, 1), NOTHING, "{seed}");
        assert_eq!(net.open_wires(), 2, "{seed}");
        net.whisper(0, 1, "hello");
        net.whisper(1, 0, "hello");
        net.run(secs(5));
        assert_eq!(told(&mut net, 0), ["bob whispers hello"], "{seed}");
        assert_eq!(told(&mut net, 1), ["alice whispers hello"], "{seed}");
    }
}

/// Ours behind a port mapping: it says in the handshake who it is.
#[test]
fn one_of_ours_behind_a_port_mapping_is_known_by_its_identity() {
    for later in [0, 3, 700] {
        let mut net = Network::<Link>::new();
        let mut bob = fixed(&net, "bob", &["tcp://10.0.0.2:49152"]);
        net.add_with(fixed(&net, "alice", &["tcp://203.0.113.7:5000"]));
        net.run(millis(later));
        // Bob says that he is at an address that nobody can reach.
        bob.endpoint = "tcp://10.0.0.2:49152".parse().unwrap();
        bob.advertise = Some("tcp://192.168.7.7:49152".parse().unwrap());
        bob.connect.clear();
        net.add_with(bob);
        net.hosts[1].other_address = Some("203.0.113.7:5000".parse().unwrap());
        net.run(secs(60));
        assert_eq!(told(&mut net, 0), ["bob enters"], "{later}");
        assert_eq!(told(&mut net, 1), ["alice enters"], "{later}");
        net.whisper(0, 1, "hello");
        net.settle();
        assert_eq!(told(&mut net, 1), ["alice whispers hello"]);
        assert_eq!(net.open_wires(), 2);
    }
}

/// Both have each other as fixed peers, and both are behind port mappings.
#[test]
fn two_of_ours_behind_port_mappings_that_seek_each_other_enter_once() {
    for later in [0, 1, 2, 3, 5, 8, 13, 40, 700, 3000] {
        for latency in [0, 1, 20, 60] {
            let mut net = Network::<Link>::new().with_latency(millis(latency));
            let public = ["203.0.113.1:5000", "203.0.113.2:5000"];
            for (host, name) in ["alice", "bob"].into_iter().enumerate() {
                let other = format!("tcp://{}", public[1 - host]);
                let mut config = fixed(&net, name, &[&other]);
                let told = format!("tcp://192.168.{host}.7:49152");
                config.advertise = Some(told.parse().unwrap());
                net.add_with(config);
                net.hosts[host].other_address = Some(public[host].parse().unwrap());
                if host == 0 {
                    net.run(millis(later));
                }
            }
            net.run(secs(90));
            assert_eq!(told(&mut net, 0), ["bob enters"], "{later} {latency}");
            assert_eq!(told(&mut net, 1), ["alice enters"], "{later} {latency}");
            assert_eq!(net.open_wires(), 2);
        }
    }
}

#[test]
fn joins_to_somebody_who_says_no_hello_are_bounded() {
    let mut test = to_peer_1::<Link>();
    let mut from = test.answer_open();
    from.reads = false;
    for number in 0..600 {
        let name = group(&format!("{number}"));
        test.engine.join(&name, test.now).unwrap();
        test.engine.leave(&name, test.now).unwrap();
        test.drain();
    }
    assert!(from.is_closed(&test), "1200 messages");
    test.run(secs(1));
    let from = test.answer_open();
    assert!(matches!(from.received[0].body, Body::Hello(_)));
}
