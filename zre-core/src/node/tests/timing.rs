//! Time, deadlines and replay.

use core::time::Duration;
use std::{string::String, vec::Vec};

use zre_proto::Body;

use super::{
    config, endpoint, group,
    single_node::{FakePeer, SingleNode},
};
use crate::{Event, Instant, Node, NodeOutput, Seed, Verdict};

const SECOND: Duration = Duration::from_secs(1);

/// The same things happen to a node; what it wants done and tells.
fn history() -> (Vec<NodeOutput>, Vec<Event>) {
    let mut test = SingleNode::new();
    let mut peers: Vec<_> = (2..20)
        .map(|host| FakePeer::new(&std::format!("p{host}"), host))
        .collect();
    for peer in &mut peers {
        peer.hello.groups = [group("G")].into();
        test.hears(peer);
        let hello = peer.says_hello();
        let _verdict = test.gets(peer, hello);
    }
    test.node.shout(&group("G"), "hi".into(), test.now).unwrap();
    test.wait(SECOND * 7);
    test.hears_leaving(&peers[3]);
    test.wait(SECOND * 40);
    (test.outputs(), test.events())
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    assert_eq!(history(), history());
}

#[test]
fn the_seed_decides_the_identity_and_the_identity_the_default_name() {
    let node = |seed| {
        let mut config = config("alice", 1);
        config.name = None;
        Node::new(config, Seed::predictable([seed; 32]), Instant::default())
    };
    assert_eq!(node(1).id(), node(1).id());
    assert_ne!(node(1).id(), node(2).id());
    let digits: String = std::format!("{}", node(1).id()).chars().take(6).collect();
    assert_eq!(*node(1).name(), digits.as_str());
}

#[test]
fn a_beacon_goes_every_second_and_late_ones_are_not_made_up_for() {
    let mut test = SingleNode::new();
    test.drain();
    assert_eq!(test.wait(SECOND * 10), 10);
    assert_eq!(test.outputs().len(), 10);
    test.now = test.now + SECOND * 100;
    test.node.handle_timeout(test.now);
    assert_eq!(test.outputs().len(), 1);
    assert_eq!(test.node.poll_timeout(), Some(test.now + SECOND));
}

#[test]
fn repeated_and_early_timeouts_do_nothing() {
    let (mut test, _bob) = SingleNode::with_bob();
    test.wait(SECOND / 2);
    test.drain();
    let before = test.node.poll_timeout();
    for _ in 0..100 {
        test.node.handle_timeout(test.now);
    }
    assert_eq!(test.outputs(), []);
    assert_eq!(test.events(), []);
    assert_eq!(test.node.poll_timeout(), before);
}

#[test]
fn time_given_backwards_is_no_time_passed() {
    let (mut test, bob) = SingleNode::with_bob();
    test.wait(SECOND * 4);
    test.drain();
    let now = test.now;
    let before = test.node.poll_timeout();
    test.now = Instant::default();
    test.hears(&bob);
    test.node.handle_timeout(Instant::default());
    assert_eq!(test.node.poll_timeout(), before);
    assert_eq!(test.node.last_heard(bob.id), Some(now));
    test.node.stop(Instant::default());
    assert_eq!(test.told(), ["stop"]);
}

#[test]
fn the_end_of_time_is_no_overflow() {
    let (mut test, _bob) = SingleNode::with_bob();
    let end = Instant::from_micros(u64::MAX - 1);
    test.node.handle_timeout(end);
    test.hears(&FakePeer::new("carol", 3));
    test.now = end;
    test.hears(&FakePeer::new("dave", 4));
    // Nobody is given up unasked, not even when no time is left to answer.
    assert_eq!(test.told(), ["bob is evasive"]);
}

#[test]
fn a_node_that_slept_gives_its_peers_time_to_answer() {
    let (mut test, bob) = SingleNode::with_bob();
    test.now = test.now + SECOND * 60;
    test.node.handle_timeout(test.now);
    assert_eq!(test.told(), ["bob is evasive"]);
    assert!(test.node.poll_timeout() > Some(test.now));
    test.hears(&bob);
    test.wait(SECOND * 4);
    assert_eq!(test.told(), [""; 0]);
    // One that does not answer is asked but once.
    test.now = test.now + SECOND * 60;
    test.node.handle_timeout(test.now);
    test.wait(SECOND * 2);
    let told = ["bob is evasive", "bob exits: was silent for too long"];
    assert_eq!(test.told(), told);
}

#[test]
fn a_node_that_slept_behind_an_answer_asks_again() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.wait(SECOND * 5);
    let answer = bob.says(Body::PingOk);
    assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
    assert_eq!(test.told(), ["bob is evasive"]);
    test.now = test.now + SECOND * 34;
    test.node.handle_timeout(test.now);
    assert_eq!(test.told(), ["bob is evasive"]);
    test.wait(SECOND);
    assert_eq!(test.told(), ["bob exits: was silent for too long"]);
}

#[test]
fn a_node_that_slept_before_it_read_an_answer_asks_again() {
    for answers in [true, false] {
        let (mut test, mut bob) = SingleNode::with_bob();
        test.wait(SECOND * 5);
        assert_eq!(test.told(), ["bob is evasive"]);
        test.drain();
        test.now = test.now + SECOND * 34;
        test.node.handle_timeout(test.now);
        assert_eq!(test.told(), ["bob is silent"]);
        assert_eq!(test.sent_kinds(), [("PING", 3)]);
        if answers {
            let answer = bob.says(Body::PingOk);
            assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
        }
        test.wait(SECOND * 4);
        match answers {
            true => assert_eq!(test.told(), [""; 0]),
            false => assert_eq!(test.told(), ["bob exits: was silent for too long"]),
        }
    }
}

#[test]
fn a_node_that_slept_asks_a_peer_before_it_looks_at_another_endpoint() {
    let (mut test, bob) = SingleNode::with_bob();
    test.now = test.now + SECOND * 20;
    test.hears_at(&bob, &endpoint("10.7.0.2:49152"));
    assert_eq!(test.told(), [""; 0]);
    test.hears(&bob);
    test.wait(SECOND * 3);
    test.hears_at(&bob, &endpoint("10.7.0.2:49152"));
    assert_eq!(test.told(), [""; 0]);
}

#[test]
fn a_driver_that_sleeps_until_each_deadline_never_spins() {
    // A beacon each second, and for the peer at most one look for each PING, each beacon and each
    // timeout: presence, evasion, silence, expiry, greeting.
    let (mut test, bob) = SingleNode::with_bob();
    test.hears(&FakePeer::new("mute", 3));
    let deadlines = test.wait(SECOND * 60);
    assert!(deadlines <= 60 + 26 + 5, "{deadlines} deadlines in 60 s");
    assert_eq!(
        test.told(),
        [
            "bob is evasive",
            "bob is silent",
            "bob exits: was silent for too long"
        ]
    );
    assert!(!test.node.is_ready(bob.id));

    let (mut test, bob) = SingleNode::with_bob();
    let mut deadlines = 0;
    for _ in 0..60 {
        test.hears(&bob);
        deadlines += test.wait(SECOND);
    }
    assert!(deadlines <= 60 + 20, "{deadlines} deadlines in 60 s");
}

#[test]
fn a_node_wakes_as_seldom_for_many_peers_as_for_one() {
    let mut test = SingleNode::new();
    let mut peers: Vec<_> = (2..40)
        .map(|host| FakePeer::new(&std::format!("p{host}"), host))
        .collect();
    for peer in &mut peers {
        test.wait(Duration::from_millis(20));
        test.meet(peer);
    }
    let mut wakings = 0;
    for _ in 0..60 {
        // Each with a beacon of its own time in every second.
        for peer in &peers {
            wakings += test.wait(Duration::from_millis(20));
            test.hears(peer);
        }
        wakings += test.wait(SECOND - Duration::from_millis(20) * 38);
    }
    assert_eq!(test.told(), Vec::<String>::new());
    // A beacon every second, and a look at the peers every four.
    assert!((60..=76).contains(&wakings), "{wakings} in a minute");
}

#[test]
fn each_of_many_peers_is_called_evasive_in_its_own_time() {
    let mut test = SingleNode::new();
    let mut peers: Vec<_> = (2..11)
        .map(|host| FakePeer::new(&std::format!("p{host}"), host))
        .collect();
    for peer in &mut peers {
        test.meet(peer);
    }
    for (number, peer) in peers.iter_mut().enumerate() {
        test.wait(Duration::from_millis(100));
        // Half of them are heard by their beacons, half by messages.
        match number % 2 {
            0 => test.hears(peer),
            _ => {
                let message = peer.says(zre_proto::Body::Ping);
                let _verdict = test.gets(peer, message);
            }
        }
    }
    test.wait(SECOND * 5 - Duration::from_millis(900));
    for number in 2..11 {
        assert_eq!(test.told(), Vec::<String>::new());
        test.wait(Duration::from_millis(100));
        assert_eq!(test.told(), [std::format!("p{number} is evasive")]);
    }
}
