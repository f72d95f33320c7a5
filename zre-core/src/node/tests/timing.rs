//! Time, deadlines and replay.

use core::time::Duration;
use std::{string::String, vec::Vec};

use zre_proto::Body;

use super::{
    config, endpoint, group,
    scene::{Puppet, Scene},
};
use crate::{Event, Instant, Node, NodeOutput, Verdict};

const SECOND: Duration = Duration::from_secs(1);

/// The same things happen to a node; what it wants done and tells.
fn history() -> (Vec<NodeOutput>, Vec<Event>) {
    let mut scene = Scene::new();
    let mut peers: Vec<_> = (2..20)
        .map(|host| Puppet::new(&std::format!("p{host}"), host))
        .collect();
    for peer in &mut peers {
        peer.hello.groups = [group("G")].into();
        scene.hears(peer);
        let hello = peer.says_hello();
        let _verdict = scene.gets(peer, hello);
    }
    scene
        .node
        .shout(&group("G"), "hi".into(), scene.now)
        .unwrap();
    scene.wait(SECOND * 7);
    scene.hears_leaving(&peers[3]);
    scene.wait(SECOND * 40);
    (scene.outputs(), scene.events())
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
        Node::new(config, [seed; 32], Instant::default())
    };
    assert_eq!(node(1).id(), node(1).id());
    assert_ne!(node(1).id(), node(2).id());
    let digits: String = std::format!("{}", node(1).id()).chars().take(6).collect();
    assert_eq!(*node(1).name(), digits.as_str());
}

#[test]
fn a_beacon_goes_every_second_and_late_ones_are_not_made_up_for() {
    let mut scene = Scene::new();
    scene.drain();
    assert_eq!(scene.wait(SECOND * 10), 10);
    assert_eq!(scene.outputs().len(), 10);
    scene.now = scene.now + SECOND * 100;
    scene.node.handle_timeout(scene.now);
    assert_eq!(scene.outputs().len(), 1);
    assert_eq!(scene.node.poll_timeout(), Some(scene.now + SECOND));
}

#[test]
fn repeated_and_early_timeouts_do_nothing() {
    let (mut scene, _bob) = Scene::with_bob();
    scene.wait(SECOND / 2);
    scene.drain();
    let before = scene.node.poll_timeout();
    for _ in 0..100 {
        scene.node.handle_timeout(scene.now);
    }
    assert_eq!(scene.outputs(), []);
    assert_eq!(scene.events(), []);
    assert_eq!(scene.node.poll_timeout(), before);
}

#[test]
fn time_given_backwards_is_no_time_passed() {
    let (mut scene, bob) = Scene::with_bob();
    scene.wait(SECOND * 4);
    scene.drain();
    let now = scene.now;
    let before = scene.node.poll_timeout();
    scene.now = Instant::default();
    scene.hears(&bob);
    scene.node.handle_timeout(Instant::default());
    assert_eq!(scene.node.poll_timeout(), before);
    assert_eq!(scene.node.last_heard(bob.id), Some(now));
    scene.node.stop(Instant::default());
    assert_eq!(scene.story(), ["stop"]);
}

#[test]
fn the_end_of_time_is_no_overflow() {
    let (mut scene, _bob) = Scene::with_bob();
    let end = Instant::from_micros(u64::MAX - 1);
    scene.node.handle_timeout(end);
    scene.hears(&Puppet::new("carol", 3));
    scene.now = end;
    scene.hears(&Puppet::new("dave", 4));
    // Nobody is given up unasked, not even when no time is left to answer.
    assert_eq!(scene.story(), ["bob is evasive"]);
}

#[test]
fn a_node_that_slept_gives_its_peers_time_to_answer() {
    let (mut scene, bob) = Scene::with_bob();
    scene.now = scene.now + SECOND * 60;
    scene.node.handle_timeout(scene.now);
    assert_eq!(scene.story(), ["bob is evasive"]);
    assert!(scene.node.poll_timeout() > Some(scene.now));
    scene.hears(&bob);
    scene.wait(SECOND * 4);
    assert_eq!(scene.story(), [""; 0]);
    // One that does not answer is asked but once.
    scene.now = scene.now + SECOND * 60;
    scene.node.handle_timeout(scene.now);
    scene.wait(SECOND * 2);
    let story = ["bob is evasive", "bob exits: was silent for too long"];
    assert_eq!(scene.story(), story);
}

#[test]
fn a_node_that_slept_behind_an_answer_asks_again() {
    let (mut scene, mut bob) = Scene::with_bob();
    scene.wait(SECOND * 5);
    let answer = bob.says(Body::PingOk);
    assert_eq!(scene.gets(&bob, answer), Verdict::Accepted);
    assert_eq!(scene.story(), ["bob is evasive"]);
    scene.now = scene.now + SECOND * 34;
    scene.node.handle_timeout(scene.now);
    assert_eq!(scene.story(), ["bob is evasive"]);
    scene.wait(SECOND);
    assert_eq!(scene.story(), ["bob exits: was silent for too long"]);
}

#[test]
fn a_node_that_slept_before_it_read_an_answer_asks_again() {
    for answers in [true, false] {
        let (mut scene, mut bob) = Scene::with_bob();
        scene.wait(SECOND * 5);
        assert_eq!(scene.story(), ["bob is evasive"]);
        scene.drain();
        scene.now = scene.now + SECOND * 34;
        scene.node.handle_timeout(scene.now);
        assert_eq!(scene.story(), ["bob is silent"]);
        assert_eq!(scene.sent_kinds(), [("PING", 3)]);
        if answers {
            let answer = bob.says(Body::PingOk);
            assert_eq!(scene.gets(&bob, answer), Verdict::Accepted);
        }
        scene.wait(SECOND * 4);
        match answers {
            true => assert_eq!(scene.story(), [""; 0]),
            false => assert_eq!(scene.story(), ["bob exits: was silent for too long"]),
        }
    }
}

#[test]
fn a_node_that_slept_looks_for_nobody_elsewhere_unasked() {
    let (mut scene, bob) = Scene::with_bob();
    scene.now = scene.now + SECOND * 20;
    scene.hears_at(&bob, &endpoint("10.7.0.2:49152"));
    assert_eq!(scene.story(), [""; 0]);
    scene.hears(&bob);
    scene.wait(SECOND * 3);
    scene.hears_at(&bob, &endpoint("10.7.0.2:49152"));
    assert_eq!(scene.story(), [""; 0]);
}

#[test]
fn a_driver_that_sleeps_until_each_deadline_never_spins() {
    // A beacon each second, and for the peer at most one look for each PING, each beacon and each
    // timeout: presence, evasion, silence, expiry, greeting.
    let (mut scene, bob) = Scene::with_bob();
    scene.hears(&Puppet::new("mute", 3));
    let deadlines = scene.wait(SECOND * 60);
    assert!(deadlines <= 60 + 26 + 5, "{deadlines} deadlines in 60 s");
    assert_eq!(
        scene.story(),
        [
            "bob is evasive",
            "bob is silent",
            "bob exits: was silent for too long"
        ]
    );
    assert!(!scene.node.is_ready(bob.id));

    let (mut scene, bob) = Scene::with_bob();
    let mut deadlines = 0;
    for _ in 0..60 {
        scene.hears(&bob);
        deadlines += scene.wait(SECOND);
    }
    assert!(deadlines <= 60 + 20, "{deadlines} deadlines in 60 s");
}

#[test]
fn a_node_wakes_as_seldom_for_many_peers_as_for_one() {
    let mut scene = Scene::new();
    let mut peers: Vec<_> = (2..40)
        .map(|host| Puppet::new(&std::format!("p{host}"), host))
        .collect();
    for peer in &mut peers {
        scene.wait(Duration::from_millis(20));
        scene.meet(peer);
    }
    let mut wakings = 0;
    for _ in 0..60 {
        // Each with a beacon of its own time in every second.
        for peer in &peers {
            wakings += scene.wait(Duration::from_millis(20));
            scene.hears(peer);
        }
        wakings += scene.wait(SECOND - Duration::from_millis(20) * 38);
    }
    assert_eq!(scene.story(), Vec::<String>::new());
    // A beacon every second, and a look at the peers every four.
    assert!((60..=76).contains(&wakings), "{wakings} in a minute");
}

#[test]
fn each_of_many_peers_is_called_evasive_in_its_own_time() {
    let mut scene = Scene::new();
    let mut peers: Vec<_> = (2..11)
        .map(|host| Puppet::new(&std::format!("p{host}"), host))
        .collect();
    for peer in &mut peers {
        scene.meet(peer);
    }
    for (number, peer) in peers.iter_mut().enumerate() {
        scene.wait(Duration::from_millis(100));
        // Half of them are heard by their beacons, half by messages.
        match number % 2 {
            0 => scene.hears(peer),
            _ => {
                let message = peer.says(zre_proto::Body::PingOk);
                let _verdict = scene.gets(peer, message);
            }
        }
    }
    scene.wait(SECOND * 5 - Duration::from_millis(900));
    for number in 2..11 {
        assert_eq!(scene.story(), Vec::<String>::new());
        scene.wait(Duration::from_millis(100));
        assert_eq!(scene.story(), [std::format!("p{number} is evasive")]);
    }
}
