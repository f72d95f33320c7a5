//! Whether a peer is still there, and how it leaves.

use core::time::Duration;

use zre_proto::Body;

use super::{
    config, endpoint,
    scene::{Puppet, Scene},
};
use crate::{NodeOutput, Verdict};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_micros(1);
const NOTHING: [&str; 0] = [];

#[test]
fn a_silent_peer_is_asked_after_5_s_and_called_silent_a_second_later() {
    let (mut scene, _bob) = Scene::with_bob();
    scene.wait(SECOND * 5 - MOMENT);
    assert_eq!(scene.story(), NOTHING);
    assert_eq!(scene.sent_kinds(), []);
    scene.wait(MOMENT);
    assert_eq!(scene.story(), ["bob is evasive"]);
    assert_eq!(scene.sent_kinds(), [("PING", 2)]);
    scene.wait(SECOND - MOMENT);
    assert_eq!(scene.story(), NOTHING);
    scene.wait(MOMENT);
    assert_eq!(scene.story(), ["bob is silent"]);
    assert_eq!(scene.sent_kinds(), [("PING", 3)]);
}

#[test]
fn a_silent_peer_is_asked_every_second_and_gone_after_30_s() {
    let (mut scene, bob) = Scene::with_bob();
    scene.wait(SECOND * 30 - MOMENT);
    assert_eq!(scene.story(), ["bob is evasive", "bob is silent"]);
    assert_eq!(scene.sent_kinds().len(), 25);
    scene.wait(MOMENT);
    assert_eq!(scene.story(), ["bob exits: was silent for too long"]);
    assert!(
        scene
            .outputs()
            .contains(&NodeOutput::Disconnect { peer: bob.id })
    );
    assert_eq!(scene.node.peers().count(), 0);
}

#[test]
fn a_beacon_is_a_sign_of_life() {
    let (mut scene, bob) = Scene::with_bob();
    for _ in 0..60 {
        scene.wait(SECOND * 5 - MOMENT);
        scene.hears(&bob);
        assert_eq!(scene.node.last_heard(bob.id), Some(scene.now));
    }
    assert_eq!(scene.story(), NOTHING);
    assert_eq!(scene.sent_kinds(), []);
}

#[test]
fn any_message_is_a_sign_of_life() {
    let (mut scene, mut bob) = Scene::with_bob();
    for _ in 0..60 {
        scene.wait(SECOND * 5 - MOMENT);
        let message = bob.says(Body::PingOk);
        assert_eq!(scene.gets(&bob, message), Verdict::Accepted);
    }
    assert_eq!(scene.story(), NOTHING);
    assert_eq!(scene.sent_kinds(), []);
}

#[test]
fn an_answer_ends_evasion_and_5_s_later_it_can_begin_again() {
    let (mut scene, mut bob) = Scene::with_bob();
    for sequence in 2..6 {
        scene.wait(SECOND * 5);
        assert_eq!(scene.story(), ["bob is evasive"]);
        assert_eq!(scene.sent_kinds(), [("PING", sequence)]);
        let answer = bob.says(Body::PingOk);
        assert_eq!(scene.gets(&bob, answer), Verdict::Accepted);
    }
}

#[test]
fn both_timeouts_can_be_set() {
    let mut config = config("alice", 1);
    config.evasive_after = SECOND * 2;
    config.expired_after = SECOND * 4;
    let mut scene = Scene::with(config);
    scene.meet(&mut Puppet::new("bob", 2));
    scene.wait(SECOND * 2);
    assert_eq!(scene.story(), ["bob is evasive"]);
    scene.wait(SECOND);
    assert_eq!(scene.story(), ["bob is silent"]);
    scene.wait(SECOND - MOMENT);
    assert_eq!(scene.story(), NOTHING);
    scene.wait(MOMENT);
    assert_eq!(scene.story(), ["bob exits: was silent for too long"]);
}

#[test]
fn a_peer_that_answers_is_not_silent_however_short_the_evasive_timeout() {
    let mut config = config("alice", 1);
    config.evasive_after = SECOND / 2;
    let mut scene = Scene::with(config);
    let mut bob = Puppet::new("bob", 2);
    scene.meet(&mut bob);
    for _ in 0..100 {
        scene.wait(SECOND / 20);
        for (kind, _) in scene.sent_kinds() {
            if kind == "PING" {
                let answer = bob.says(Body::PingOk);
                let _verdict = scene.gets(&bob, answer);
            }
        }
    }
    let story = scene.story();
    assert!(
        !story.iter().any(|line| line == "bob is silent"),
        "{story:?}"
    );
}

#[test]
fn a_peer_whose_hello_never_comes_is_forgotten_and_its_next_beacon_begins_anew() {
    let mut scene = Scene::new();
    let mut bob = Puppet::new("bob", 2);
    scene.hears(&bob);
    scene.drain();
    // Beacons do not make up for it.
    for _ in 0..19 {
        scene.wait(SECOND / 2);
        scene.hears(&bob);
    }
    assert_eq!(scene.sent_kinds(), []);
    scene.wait(SECOND / 2);
    assert!(
        scene
            .outputs()
            .contains(&NodeOutput::Disconnect { peer: bob.id })
    );
    assert_eq!(scene.story(), NOTHING);
    scene.hears(&bob);
    assert_eq!(scene.sent_kinds(), [("HELLO", 1)]);
    let hello = bob.says_hello();
    assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(scene.story(), ["bob enters"]);
}

#[test]
fn what_a_leaving_peer_sent_before_comes_before_its_exit() {
    let (mut scene, mut bob) = Scene::with_bob();
    scene.hears_leaving(&bob);
    scene.wait(SECOND / 4);
    assert_eq!(scene.story(), NOTHING);
    let whisper = bob.says(Body::Whisper {
        content: "last".into(),
    });
    assert_eq!(scene.gets(&bob, whisper), Verdict::Accepted);
    scene.wait(SECOND);
    assert_eq!(
        scene.story(),
        ["bob whispers last", "bob exits: said goodbye"]
    );
}

#[test]
fn the_end_of_a_leaving_peers_connection_is_its_goodbye() {
    let (mut scene, bob) = Scene::with_bob();
    scene.hears_leaving(&bob);
    scene.node.handle_disconnect(bob.id, scene.now);
    assert_eq!(scene.story(), ["bob exits: said goodbye"]);
}

#[test]
fn a_goodbye_stays_one_when_the_peer_is_back_before_its_connection_has_ended() {
    let (mut scene, mut bob) = Scene::with_bob();
    scene.hears_leaving(&bob);
    scene.hears(&bob);
    let hello = bob.says_hello();
    assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(scene.story(), ["bob exits: said goodbye", "bob enters"]);
}

#[test]
fn a_goodbye_that_overtakes_the_hello_is_a_goodbye() {
    let mut scene = Scene::new();
    let mut bob = Puppet::new("bob", 2);
    scene.hears(&bob);
    scene.hears_leaving(&bob);
    let hello = bob.says_hello();
    assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
    scene.node.handle_disconnect(bob.id, scene.now);
    assert_eq!(scene.story(), ["bob enters", "bob exits: said goodbye"]);
}

#[test]
fn a_peer_that_answers_after_a_leaving_beacon_does_not_leave() {
    let (mut scene, mut bob) = Scene::with_bob();
    scene.hears_leaving(&bob);
    scene.wait(SECOND / 4);
    assert_eq!(scene.sent_kinds(), [("PING", 2)]);
    let answer = bob.says(Body::PingOk);
    assert_eq!(scene.gets(&bob, answer), Verdict::Accepted);
    scene.wait(SECOND * 4);
    assert_eq!(scene.story(), NOTHING);
    assert!(scene.node.is_ready(bob.id));
    scene.wait(SECOND);
    assert_eq!(scene.story(), ["bob is evasive"], "its timer goes on");
}

#[test]
fn a_peer_that_takes_its_goodbye_back_is_not_asked_again_before_its_turn() {
    let mut config = config("alice", 1);
    config.evasive_after = SECOND / 5;
    let mut scene = Scene::with(config);
    let mut bob = Puppet::new("bob", 2);
    scene.meet(&mut bob);
    scene.wait(SECOND / 5);
    assert_eq!(scene.story(), ["bob is evasive"]);
    scene.wait(SECOND / 10);
    scene.hears_leaving(&bob);
    assert_eq!(scene.sent_kinds(), [("PING", 2), ("PING", 3)]);
    for _ in 0..2 {
        let answer = bob.says(Body::PingOk);
        assert_eq!(scene.gets(&bob, answer), Verdict::Accepted);
    }
    // The time for the goodbye ends before the second that an evasive peer has.
    scene.wait(SECOND * 9 / 10 - MOMENT);
    assert_eq!(scene.story(), NOTHING);
    assert_eq!(scene.sent_kinds(), []);
    scene.wait(MOMENT);
    assert_eq!(scene.story(), ["bob is evasive"]);
}

#[test]
fn leaving_beacons_one_after_the_other_do_not_put_the_exit_off() {
    let (mut scene, bob) = Scene::with_bob();
    for _ in 0..10 {
        scene.hears_leaving(&bob);
        scene.wait(SECOND * 4 / 10);
    }
    assert_eq!(scene.story(), ["bob exits: said goodbye"]);
}

#[test]
fn a_peer_that_leaves_before_its_hello_is_forgotten_after_half_a_second() {
    let mut scene = Scene::new();
    let bob = Puppet::new("bob", 2);
    let disconnect = NodeOutput::Disconnect { peer: bob.id };
    scene.hears(&bob);
    scene.hears_leaving(&bob);
    scene.wait(SECOND / 2 - MOMENT);
    assert!(!scene.outputs().contains(&disconnect));
    scene.wait(MOMENT);
    assert!(scene.outputs().contains(&disconnect));
    // It may also come when the time is nearly over anyway, and gives no more of it.
    scene.hears(&bob);
    scene.wait(SECOND * 10 - SECOND / 4);
    scene.hears_leaving(&bob);
    scene.drain();
    scene.wait(SECOND / 4);
    assert!(scene.outputs().contains(&disconnect));
}

#[test]
fn a_leaving_beacon_of_a_peer_that_never_entered_is_no_event() {
    let mut scene = Scene::new();
    let bob = Puppet::new("bob", 2);
    scene.hears_leaving(&bob);
    scene.hears(&bob);
    scene.hears_leaving(&bob);
    scene.wait(SECOND);
    assert_eq!(scene.story(), NOTHING);
}

#[test]
fn goodbye_is_an_exit() {
    let (mut scene, mut bob) = Scene::with_bob();
    let goodbye = bob.says(Body::Goodbye);
    assert_eq!(scene.gets(&bob, goodbye), Verdict::Accepted);
    assert_eq!(scene.story(), ["bob exits: said goodbye"]);
}

#[test]
fn a_peer_that_has_gone_silent_is_looked_for_where_its_beacons_come_from() {
    let (mut scene, mut bob) = Scene::with_bob();
    let elsewhere = endpoint("10.7.0.2:49152");
    scene.wait(SECOND * 7);
    scene.drain();
    scene.hears_at(&bob, &elsewhere);
    let outputs = scene.outputs();
    let connect = NodeOutput::Connect {
        peer: bob.id,
        endpoint: elsewhere,
    };
    assert!(outputs.contains(&connect), "{outputs:?}");
    let hello = bob.says_hello();
    assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(scene.story().len(), 2, "one exit, one enter");
}

#[test]
fn a_peer_that_is_connected_by_another_address_than_its_beacons_is_not_evasive() {
    let mut scene = Scene::new();
    let mut bob = Puppet::new("bob", 2);
    // Its HELLO comes before its first beacon, and names an address that is not the beacon's.
    let hello = bob.says_hello();
    assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
    scene.drain();
    for _ in 0..20 {
        scene.hears_at(&bob, &endpoint("10.7.0.2:49152"));
        scene.wait(SECOND);
        for (kind, _) in scene.sent_kinds() {
            if kind == "PING" {
                let answer = bob.says(Body::PingOk);
                let _verdict = scene.gets(&bob, answer);
            }
        }
    }
    assert_eq!(scene.story(), NOTHING);
}
