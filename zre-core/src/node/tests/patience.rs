//! Nobody is given up for a silence while its answer may lie unread, or before it could answer.

use core::time::Duration;

use zre_proto::Body;

use super::{
    config, endpoint,
    single_node::{FakePeer, SingleNode},
};
use crate::{Config, NodeOutput, Verdict};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
const NOTHING: [&str; 0] = [];

/// A node whose application is behind with what bob said last.
fn congested() -> (SingleNode, FakePeer) {
    let mut config = config("alice", 1);
    config.limits.events = 4;
    let (mut test, mut bob) = with_bob(config);
    for _ in 0..4 {
        let content = "x".into();
        let whisper = bob.says(Body::Whisper { content });
        assert_eq!(test.gets(&bob, whisper), Verdict::Accepted);
    }
    assert!(test.node.is_congested());
    (test, bob)
}

fn with_times(evasive_after: Duration, expired_after: Duration) -> (SingleNode, FakePeer) {
    let mut config = config("alice", 1);
    config.evasive_after = evasive_after;
    config.expired_after = expired_after;
    with_bob(config)
}

fn with_bob(config: Config) -> (SingleNode, FakePeer) {
    let mut test = SingleNode::with(config);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    (test, bob)
}

fn answers(test: &mut SingleNode, bob: &mut FakePeer) {
    let answer = bob.says(Body::PingOk);
    assert_eq!(test.gets(bob, answer), Verdict::Accepted);
}

#[test]
fn a_silent_peer_stays_while_its_answer_may_lie_unread() {
    let (mut test, mut bob) = congested();
    test.wait(SECOND * 60);
    assert!(test.node.is_ready(bob.id));
    // The application catches up, and what lay unread is read.
    assert_eq!(test.told().len(), 4);
    test.wait(SECOND / 2);
    answers(&mut test, &mut bob);
    test.wait(SECOND * 4);
    assert_eq!(test.told(), NOTHING);
}

#[test]
fn a_silent_peer_whose_answer_does_not_come_is_gone_2_s_after_a_congestion_has_ended() {
    let (mut test, _bob) = congested();
    test.wait(SECOND * 60);
    assert_eq!(test.told().len(), 4);
    test.wait(SECOND);
    assert_eq!(test.told(), NOTHING);
    test.wait(SECOND);
    assert_eq!(test.told(), ["bob exits: was silent for too long"]);
}

#[test]
fn a_peer_that_is_heard_elsewhere_is_not_looked_for_there_while_its_answer_may_lie_unread() {
    let (mut test, bob) = congested();
    let elsewhere = endpoint("10.7.0.2:49152");
    for _ in 0..20 {
        test.wait(SECOND);
        test.hears_at(&bob, &elsewhere);
    }
    assert!(test.node.is_ready(bob.id));
    assert_eq!(test.told().len(), 4);
    test.outputs();
    // The answer is not among what lay unread.
    for _ in 0..3 {
        test.wait(SECOND);
        test.hears_at(&bob, &elsewhere);
        // It takes what it is told: with a limit of 4 events, two of bob's would hold him up.
        while test.node.poll_event().is_some() {}
    }
    let connect = NodeOutput::Connect {
        peer: bob.id,
        endpoint: elsewhere,
        key: None,
    };
    assert!(test.outputs().contains(&connect));
}

#[test]
fn a_node_that_slept_behind_its_question_looks_for_nobody_elsewhere() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let elsewhere = endpoint("10.7.0.2:49152");
    test.wait(SECOND * 5);
    assert_eq!(test.told(), ["bob is evasive"]);
    test.now = test.now + SECOND * 60;
    test.hears_at(&bob, &elsewhere);
    assert_eq!(test.told(), NOTHING);
    answers(&mut test, &mut bob);
    test.wait(SECOND * 4);
    assert_eq!(test.told(), NOTHING);
    assert!(test.node.is_ready(bob.id));
}

#[test]
fn a_peer_is_never_asked_and_given_up_at_the_same_moment() {
    for expired_after in [10, 400, 3000].map(|millis| MILLI * millis) {
        let (mut test, mut bob) = with_times(expired_after, expired_after);
        let answer_time = SECOND.min(expired_after / 2);
        test.wait(expired_after);
        assert_eq!(test.sent_kinds(), [("PING", 2)]);
        test.wait(answer_time - MILLI);
        assert_eq!(test.told(), ["bob is evasive"]);
        answers(&mut test, &mut bob);
        test.wait(MILLI);
        assert_eq!(test.told(), NOTHING);
        assert!(test.node.is_ready(bob.id));
    }
}

#[test]
fn a_peer_that_is_asked_when_it_has_been_silent_for_too_long_is_gone_when_it_does_not_answer() {
    let (mut test, _bob) = with_times(SECOND * 3, SECOND * 3);
    test.wait(SECOND * 4);
    let story = ["bob is evasive", "bob exits: was silent for too long"];
    assert_eq!(test.told(), story);
}

#[test]
fn a_late_timer_ends_though_the_peer_has_answered_and_fallen_silent_again() {
    let (mut test, mut bob) = with_times(MILLI * 200, MILLI * 300);
    test.wait(MILLI * 200);
    assert_eq!(test.told(), ["bob is evasive"]);
    test.wait(MILLI * 50);
    answers(&mut test, &mut bob);
    test.now = test.now + MILLI * 450;
    test.node.handle_timeout(test.now);
    assert!(test.node.poll_timeout() > Some(test.now));
    assert_eq!(test.told(), NOTHING);
}
