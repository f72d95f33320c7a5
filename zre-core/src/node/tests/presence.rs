//! Whether a peer is still there, and how it leaves.

use core::time::Duration;

use zre_proto::Body;

use super::{
    config, endpoint,
    single_node::{FakePeer, SingleNode},
};
use crate::{NodeOutput, Verdict};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_micros(1);
const NOTHING: [&str; 0] = [];

#[test]
fn a_silent_peer_is_asked_after_5_s_and_called_silent_a_second_later() {
    let (mut test, _bob) = SingleNode::with_bob();
    test.wait(SECOND * 5 - MOMENT);
    assert_eq!(test.told(), NOTHING);
    assert_eq!(test.sent_kinds(), []);
    test.wait(MOMENT);
    assert_eq!(test.told(), ["bob is evasive"]);
    assert_eq!(test.sent_kinds(), [("PING", 2)]);
    test.wait(SECOND - MOMENT);
    assert_eq!(test.told(), NOTHING);
    test.wait(MOMENT);
    assert_eq!(test.told(), ["bob is silent"]);
    assert_eq!(test.sent_kinds(), [("PING", 3)]);
}

#[test]
fn a_silent_peer_is_asked_every_second_and_gone_after_30_s() {
    let (mut test, bob) = SingleNode::with_bob();
    test.wait(SECOND * 30 - MOMENT);
    assert_eq!(test.told(), ["bob is evasive", "bob is silent"]);
    assert_eq!(test.sent_kinds().len(), 25);
    test.wait(MOMENT);
    assert_eq!(test.told(), ["bob exits: was silent for too long"]);
    assert!(
        test.outputs()
            .contains(&NodeOutput::Disconnect { peer: bob.id })
    );
    assert_eq!(test.node.peers().count(), 0);
}

#[test]
fn a_beacon_is_a_sign_of_life() {
    let (mut test, bob) = SingleNode::with_bob();
    for _ in 0..60 {
        test.wait(SECOND * 5 - MOMENT);
        test.hears(&bob);
        assert_eq!(test.node.last_heard(bob.id), Some(test.now));
    }
    assert_eq!(test.told(), NOTHING);
    assert_eq!(test.sent_kinds(), []);
}

#[test]
fn any_message_is_a_sign_of_life() {
    let (mut test, mut bob) = SingleNode::with_bob();
    for _ in 0..60 {
        test.wait(SECOND * 5 - MOMENT);
        let message = bob.says(Body::Ping);
        assert_eq!(test.gets(&bob, message), Verdict::Accepted);
        assert!(test.sent_kinds().iter().all(|(kind, _)| *kind == "PING-OK"));
    }
    assert_eq!(test.told(), NOTHING);
}

#[test]
fn an_answer_ends_evasion_and_5_s_later_it_can_begin_again() {
    let (mut test, mut bob) = SingleNode::with_bob();
    for sequence in 2..6 {
        test.wait(SECOND * 5);
        assert_eq!(test.told(), ["bob is evasive"]);
        assert_eq!(test.sent_kinds(), [("PING", sequence)]);
        let answer = bob.says(Body::PingOk);
        assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
    }
}

#[test]
fn both_timeouts_can_be_set() {
    let mut config = config("alice", 1);
    config.evasive_after = SECOND * 2;
    config.expired_after = SECOND * 4;
    let mut test = SingleNode::with(config);
    test.meet(&mut FakePeer::new("bob", 2));
    test.wait(SECOND * 2);
    assert_eq!(test.told(), ["bob is evasive"]);
    test.wait(SECOND);
    assert_eq!(test.told(), ["bob is silent"]);
    test.wait(SECOND - MOMENT);
    assert_eq!(test.told(), NOTHING);
    test.wait(MOMENT);
    assert_eq!(test.told(), ["bob exits: was silent for too long"]);
}

#[test]
fn a_peer_that_answers_is_not_silent_however_short_the_evasive_timeout() {
    let mut config = config("alice", 1);
    config.evasive_after = SECOND / 2;
    let mut test = SingleNode::with(config);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    for _ in 0..100 {
        test.wait(SECOND / 20);
        for (kind, _) in test.sent_kinds() {
            if kind == "PING" {
                let answer = bob.says(Body::PingOk);
                let _verdict = test.gets(&bob, answer);
            }
        }
    }
    let told = test.told();
    assert!(!told.iter().any(|line| line == "bob is silent"), "{told:?}");
}

#[test]
fn a_peer_whose_hello_never_comes_is_forgotten_and_its_next_beacon_begins_anew() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    test.hears(&bob);
    test.drain();
    // Beacons do not make up for it.
    for _ in 0..19 {
        test.wait(SECOND / 2);
        test.hears(&bob);
    }
    assert_eq!(test.sent_kinds(), []);
    test.wait(SECOND / 2);
    assert!(
        test.outputs()
            .contains(&NodeOutput::Disconnect { peer: bob.id })
    );
    assert_eq!(test.told(), NOTHING);
    test.hears(&bob);
    assert_eq!(test.sent_kinds(), [("HELLO", 1)]);
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(test.told(), ["bob enters"]);
}

#[test]
fn what_a_leaving_peer_sent_before_comes_before_its_exit() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.hears_leaving(&bob);
    test.wait(SECOND / 4);
    assert_eq!(test.told(), NOTHING);
    let whisper = bob.says(Body::Whisper {
        content: "last".into(),
    });
    assert_eq!(test.gets(&bob, whisper), Verdict::Accepted);
    test.wait(SECOND * 5);
    assert_eq!(
        test.told(),
        ["bob whispers last", "bob exits: said goodbye"]
    );
}

#[test]
fn the_end_of_a_leaving_peers_connection_is_its_goodbye() {
    let (mut test, bob) = SingleNode::with_bob();
    test.hears_leaving(&bob);
    test.node.handle_disconnect(bob.id, test.now);
    assert_eq!(test.told(), ["bob exits: said goodbye"]);
}

#[test]
fn a_goodbye_stays_one_when_the_peer_is_back_before_its_connection_has_ended() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.hears_leaving(&bob);
    test.hears(&bob);
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(test.told(), ["bob exits: said goodbye", "bob enters"]);
}

#[test]
fn a_goodbye_that_overtakes_the_hello_is_a_goodbye() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    test.hears(&bob);
    test.hears_leaving(&bob);
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    test.node.handle_disconnect(bob.id, test.now);
    assert_eq!(test.told(), ["bob enters", "bob exits: said goodbye"]);
}

#[test]
fn a_peer_that_answers_after_a_leaving_beacon_does_not_leave() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.hears_leaving(&bob);
    test.wait(SECOND / 4);
    assert_eq!(test.sent_kinds(), [("PING", 2)]);
    let answer = bob.says(Body::PingOk);
    assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
    test.wait(SECOND * 4);
    assert_eq!(test.told(), NOTHING);
    assert!(test.node.is_ready(bob.id));
    test.wait(SECOND);
    assert_eq!(test.told(), ["bob is evasive"], "its timer goes on");
}

#[test]
fn a_peer_that_takes_its_goodbye_back_is_not_asked_again_before_its_turn() {
    let mut config = config("alice", 1);
    config.evasive_after = SECOND / 5;
    let mut test = SingleNode::with(config);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    test.wait(SECOND / 5);
    assert_eq!(test.told(), ["bob is evasive"]);
    test.wait(SECOND / 10);
    test.hears_leaving(&bob);
    assert_eq!(test.sent_kinds(), [("PING", 2), ("PING", 3)]);
    for _ in 0..2 {
        let answer = bob.says(Body::PingOk);
        assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
    }
    test.wait(SECOND * 9 / 10 - MOMENT);
    assert_eq!(test.told(), NOTHING);
    assert_eq!(test.sent_kinds(), []);
    test.wait(MOMENT);
    assert_eq!(test.told(), ["bob is evasive"]);
}

#[test]
fn leaving_beacons_one_after_the_other_do_not_put_the_exit_off() {
    let (mut test, bob) = SingleNode::with_bob();
    for _ in 0..13 {
        test.hears_leaving(&bob);
        test.wait(SECOND * 4 / 10);
    }
    assert_eq!(test.told().last().unwrap(), "bob exits: said goodbye");
}

#[test]
fn a_peer_that_leaves_before_its_hello_is_forgotten_after_half_a_second() {
    let mut test = SingleNode::new();
    let bob = FakePeer::new("bob", 2);
    let disconnect = NodeOutput::Disconnect { peer: bob.id };
    test.hears(&bob);
    test.hears_leaving(&bob);
    test.wait(SECOND / 2 - MOMENT);
    assert!(!test.outputs().contains(&disconnect));
    test.wait(MOMENT);
    assert!(test.outputs().contains(&disconnect));
    // It may also come when the time is nearly over anyway, and gives no more of it.
    test.hears(&bob);
    test.wait(SECOND * 10 - SECOND / 4);
    test.hears_leaving(&bob);
    test.drain();
    test.wait(SECOND / 4);
    assert!(test.outputs().contains(&disconnect));
}

#[test]
fn a_leaving_beacon_of_a_peer_that_never_entered_is_no_event() {
    let mut test = SingleNode::new();
    let bob = FakePeer::new("bob", 2);
    test.hears_leaving(&bob);
    test.hears(&bob);
    test.hears_leaving(&bob);
    test.wait(SECOND);
    assert_eq!(test.told(), NOTHING);
}

#[test]
fn goodbye_is_an_exit() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let goodbye = bob.says(Body::Goodbye);
    assert_eq!(test.gets(&bob, goodbye), Verdict::Accepted);
    assert_eq!(test.told(), ["bob exits: said goodbye"]);
}

#[test]
fn a_peer_that_has_gone_silent_is_looked_for_where_its_beacons_come_from() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let elsewhere = endpoint("10.7.0.2:49152");
    test.wait(SECOND * 7);
    test.drain();
    test.hears_at(&bob, &elsewhere);
    let outputs = test.outputs();
    let connect = NodeOutput::Connect {
        peer: bob.id,
        endpoint: elsewhere,
        key: None,
    };
    assert!(outputs.contains(&connect), "{outputs:?}");
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(test.told().len(), 2, "one exit, one enter");
}

#[test]
fn a_peer_that_is_connected_by_another_address_than_its_beacons_is_not_evasive() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    // Its HELLO comes before its first beacon, and names an address that is not the beacon's.
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    test.drain();
    for _ in 0..20 {
        test.hears_at(&bob, &endpoint("10.7.0.2:49152"));
        test.wait(SECOND);
        for (kind, _) in test.sent_kinds() {
            if kind == "PING" {
                let answer = bob.says(Body::PingOk);
                let _verdict = test.gets(&bob, answer);
            }
        }
    }
    assert_eq!(test.told(), NOTHING);
}
