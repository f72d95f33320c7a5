//! Nobody is given up for a silence while its answer may lie unread, or before it could answer.

use core::time::Duration;

use zre_proto::Body;

use super::{
    config, endpoint,
    scene::{Puppet, Scene},
};
use crate::{Config, NodeOutput, Verdict};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);
const NOTHING: [&str; 0] = [];

/// A node whose application is behind with what bob said last.
fn congested() -> (Scene, Puppet) {
    let mut config = config("alice", 1);
    config.limits.events = 4;
    let (mut scene, mut bob) = with_bob(config);
    for _ in 0..4 {
        let content = "x".into();
        let whisper = bob.says(Body::Whisper { content });
        assert_eq!(scene.gets(&bob, whisper), Verdict::Accepted);
    }
    assert!(scene.node.is_congested());
    (scene, bob)
}

fn with_times(evasive_after: Duration, expired_after: Duration) -> (Scene, Puppet) {
    let mut config = config("alice", 1);
    config.evasive_after = evasive_after;
    config.expired_after = expired_after;
    with_bob(config)
}

fn with_bob(config: Config) -> (Scene, Puppet) {
    let mut scene = Scene::with(config);
    let mut bob = Puppet::new("bob", 2);
    scene.meet(&mut bob);
    (scene, bob)
}

fn answers(scene: &mut Scene, bob: &mut Puppet) {
    let answer = bob.says(Body::PingOk);
    assert_eq!(scene.gets(bob, answer), Verdict::Accepted);
}

#[test]
fn a_silent_peer_stays_while_its_answer_may_lie_unread() {
    let (mut scene, mut bob) = congested();
    scene.wait(SECOND * 60);
    assert!(scene.node.is_ready(bob.id));
    // The application catches up, and what lay unread is read.
    assert_eq!(scene.story().len(), 4);
    scene.wait(SECOND / 2);
    answers(&mut scene, &mut bob);
    scene.wait(SECOND * 4);
    assert_eq!(scene.story(), NOTHING);
}

#[test]
fn a_silent_peer_whose_answer_does_not_come_is_gone_2_s_after_a_congestion_has_ended() {
    let (mut scene, _bob) = congested();
    scene.wait(SECOND * 60);
    assert_eq!(scene.story().len(), 4);
    scene.wait(SECOND);
    assert_eq!(scene.story(), NOTHING);
    scene.wait(SECOND);
    assert_eq!(scene.story(), ["bob exits: was silent for too long"]);
}

#[test]
fn a_peer_that_is_heard_elsewhere_is_not_looked_for_there_while_its_answer_may_lie_unread() {
    let (mut scene, bob) = congested();
    let elsewhere = endpoint("10.7.0.2:49152");
    for _ in 0..20 {
        scene.wait(SECOND);
        scene.hears_at(&bob, &elsewhere);
    }
    assert!(scene.node.is_ready(bob.id));
    assert_eq!(scene.story().len(), 4);
    scene.outputs();
    // The answer is not among what lay unread.
    for _ in 0..3 {
        scene.wait(SECOND);
        scene.hears_at(&bob, &elsewhere);
    }
    let connect = NodeOutput::Connect {
        peer: bob.id,
        endpoint: elsewhere,
    };
    assert!(scene.outputs().contains(&connect));
}

#[test]
fn a_node_that_slept_behind_its_question_looks_for_nobody_elsewhere() {
    let (mut scene, mut bob) = Scene::with_bob();
    let elsewhere = endpoint("10.7.0.2:49152");
    scene.wait(SECOND * 5);
    assert_eq!(scene.story(), ["bob is evasive"]);
    scene.now = scene.now + SECOND * 60;
    scene.hears_at(&bob, &elsewhere);
    assert_eq!(scene.story(), NOTHING);
    answers(&mut scene, &mut bob);
    scene.wait(SECOND * 4);
    assert_eq!(scene.story(), NOTHING);
    assert!(scene.node.is_ready(bob.id));
}

#[test]
fn a_peer_is_never_asked_and_given_up_at_the_same_moment() {
    for expired_after in [10, 400, 3000].map(|millis| MILLI * millis) {
        let (mut scene, mut bob) = with_times(expired_after, expired_after);
        let answer_time = SECOND.min(expired_after / 2);
        scene.wait(expired_after);
        assert_eq!(scene.sent_kinds(), [("PING", 2)]);
        scene.wait(answer_time - MILLI);
        assert_eq!(scene.story(), ["bob is evasive"]);
        answers(&mut scene, &mut bob);
        scene.wait(MILLI);
        assert_eq!(scene.story(), NOTHING);
        assert!(scene.node.is_ready(bob.id));
    }
}

#[test]
fn a_peer_that_is_asked_when_it_has_been_silent_for_too_long_is_gone_when_it_does_not_answer() {
    let (mut scene, _bob) = with_times(SECOND * 3, SECOND * 3);
    scene.wait(SECOND * 4);
    let story = ["bob is evasive", "bob exits: was silent for too long"];
    assert_eq!(scene.story(), story);
}

#[test]
fn a_late_timer_ends_though_the_peer_has_answered_and_fallen_silent_again() {
    let (mut scene, mut bob) = with_times(MILLI * 200, MILLI * 300);
    scene.wait(MILLI * 200);
    assert_eq!(scene.story(), ["bob is evasive"]);
    scene.wait(MILLI * 50);
    answers(&mut scene, &mut bob);
    scene.now = scene.now + MILLI * 450;
    scene.node.handle_timeout(scene.now);
    assert!(scene.node.poll_timeout() > Some(scene.now));
    assert_eq!(scene.story(), NOTHING);
}
