//! How one session with one peer begins, begins again and ends.

use core::time::Duration;

use zre_proto::Body;

use super::{
    group,
    scene::{Puppet, Scene},
};
use crate::{Fault, LinkError, NodeOutput, Verdict};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_hello_that_completes_a_session_is_an_answer() {
    let mut scene = Scene::new();
    let mut bob = Puppet::new("bob", 2);
    scene.hears(&bob);
    assert_eq!(scene.sent_kinds(), [("HELLO", 1)]);
    let hello = bob.says_hello();
    assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(scene.story(), ["bob enters"]);
    assert_eq!(scene.outputs(), []);
}

#[test]
fn a_hello_from_a_stranger_is_answered_once() {
    let mut scene = Scene::new();
    scene.drain();
    let mut bob = Puppet::new("bob", 2);
    let hello = bob.says_hello();
    assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
    scene.hears(&bob);
    assert_eq!(scene.story(), ["bob enters"]);
    assert_eq!(scene.sent_kinds(), [("HELLO", 1)]);
}

#[test]
fn a_hello_on_a_complete_session_is_one_exit_one_hello_back_and_one_enter() {
    let (mut scene, mut bob) = Scene::with_bob();
    let hello = bob.says_hello();
    assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(scene.story(), ["bob exits: restarted", "bob enters"]);
    let outputs = scene.outputs();
    assert!(matches!(
        &outputs[..],
        [
            NodeOutput::Disconnect { .. },
            NodeOutput::Connect { .. },
            NodeOutput::Send { message, .. },
            ..
        ] if message.sequence == 1 && message.body.kind() == "HELLO"
    ));
}

#[test]
fn the_hello_after_a_restart_is_an_answer() {
    let (mut scene, mut bob) = Scene::with_bob();
    for _ in 0..2 {
        let hello = bob.says_hello();
        assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
    }
    assert_eq!(scene.story(), ["bob exits: restarted", "bob enters"]);
    assert_eq!(scene.hellos_sent(), 1);
    let whisper = bob.says(Body::Whisper {
        content: "on".into(),
    });
    assert_eq!(scene.gets(&bob, whisper), Verdict::Accepted);
    assert_eq!(scene.story(), ["bob whispers on"]);
}

#[test]
fn an_answer_brings_the_groups_up_to_date() {
    let (mut scene, mut bob) = Scene::with_bob();
    bob.hello.groups = [group("A"), group("B")].into();
    let hello = bob.says_hello();
    let _verdict = scene.gets(&bob, hello);
    scene.drain();
    bob.hello.groups = [group("B"), group("C")].into();
    bob.hello.status = 7;
    let hello = bob.says_hello();
    let _verdict = scene.gets(&bob, hello);
    assert_eq!(scene.story(), ["bob leaves A", "bob joins C"]);
    scene.drain();
    let join = bob.joins(&group("D"));
    let _verdict = scene.gets(&bob, join);
    assert_eq!(scene.notices(), []);
}

#[test]
fn a_restart_at_another_endpoint_is_never_an_answer() {
    let (mut scene, mut bob) = Scene::with_bob();
    for port in 50000..50010 {
        bob = bob.at(&std::format!("tcp://10.0.0.2:{port}"));
        let hello = bob.says_hello();
        assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
        assert_eq!(scene.story(), ["bob exits: restarted", "bob enters"]);
        assert_eq!(scene.hellos_sent(), 1);
    }
}

#[test]
fn a_restart_long_after_the_last_is_a_restart() {
    let (mut scene, mut bob) = Scene::with_bob();
    for _ in 0..3 {
        let hello = bob.says_hello();
        assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
        assert_eq!(scene.story(), ["bob exits: restarted", "bob enters"]);
        for _ in 0..10 {
            scene.wait(SECOND);
            scene.hears(&bob);
        }
        scene.drain();
    }
}

#[test]
fn a_peer_that_restarts_twice_within_the_answer_window_gets_a_hello_each_time() {
    // A peer in its third life has no session before our HELLO has come; if its HELLO is taken for
    // an answer, it waits in vain, and what is sent to it is lost.
    let (mut scene, mut bob) = Scene::with_bob();
    for life in 2..=3 {
        let hello = bob.says_hello();
        let _verdict = scene.gets(&bob, hello);
        let sent = scene.sent_kinds();
        // Without a session it does not answer the PING that would tell an answer from a restart.
        let greeted_at_once = sent.first() == Some(&("HELLO", 1));
        scene.wait(SECOND);
        let greeted = greeted_at_once || scene.sent_kinds().contains(&("HELLO", 1));
        assert!(greeted, "life {life}");
    }
}

#[test]
fn a_restart_that_was_taken_for_an_answer_is_told_when_it_is_found_out() {
    // What was sent since the second life began is lost with it, so the application must hear of
    // the third.
    let (mut scene, mut bob) = Scene::with_bob();
    bob.hello.groups = [group("A")].into();
    for _life in 2..=3 {
        let hello = bob.says_hello();
        let _verdict = scene.gets(&bob, hello);
    }
    assert_eq!(
        scene.story(),
        ["bob exits: restarted", "bob enters", "bob joins A"]
    );
    scene.wait(SECOND);
    assert_eq!(
        scene.story(),
        ["bob exits: restarted", "bob enters", "bob joins A"]
    );
    // The session goes on behind the HELLO that was taken.
    let whisper = bob.says(Body::Whisper {
        content: "on".into(),
    });
    assert_eq!(scene.gets(&bob, whisper), Verdict::Accepted);
}

#[test]
fn a_reply_takes_a_goodbye_back() {
    let (mut scene, mut bob) = Scene::with_bob();
    let hello = bob.says_hello();
    let _verdict = scene.gets(&bob, hello);
    scene.hears_leaving(&bob);
    assert!(scene.node.is_leaving(bob.id));
    let hello = bob.says_hello();
    let _verdict = scene.gets(&bob, hello);
    assert!(!scene.node.is_leaving(bob.id));
    scene.drain();
    scene.node.handle_disconnect(bob.id, scene.now);
    assert_eq!(scene.story(), ["bob exits: connection lost"]);
}

#[test]
fn a_reply_leaves_another_suspicion_as_it_is() {
    let (mut scene, mut bob) = Scene::with_bob();
    let hello = bob.says_hello();
    let _verdict = scene.gets(&bob, hello);
    scene.node.suspect(bob.id, scene.now);
    let asked = scene.node.suspicion_ping(bob.id);
    assert!(asked.is_some());
    let hello = bob.says_hello();
    let _verdict = scene.gets(&bob, hello);
    assert_eq!(scene.node.suspicion_ping(bob.id), asked);
}

#[test]
fn the_answer_to_one_ping_settles_a_reply_whatever_was_asked_before() {
    for asked_before in 0..3 {
        let (mut scene, mut bob) = Scene::with_bob();
        let hello = bob.says_hello();
        let _verdict = scene.gets(&bob, hello);
        for _ in 0..asked_before {
            scene.node.ping(bob.id, scene.now).unwrap();
        }
        let hello = bob.says_hello();
        let _verdict = scene.gets(&bob, hello);
        scene.drain();
        let answer = bob.says(Body::PingOk);
        let _verdict = scene.gets(&bob, answer);
        scene.wait(SECOND);
        assert_eq!(scene.story(), [""; 0]);
    }
}

#[test]
fn a_reply_that_cannot_be_verified_is_given_twice_the_time_when_it_comes_again() {
    let (mut scene, mut bob) = Scene::with_bob();
    let moment = Duration::from_micros(1);
    let hello = bob.says_hello();
    let _verdict = scene.gets(&bob, hello);
    for wait in [250, 500, 1000].map(Duration::from_millis) {
        let reply = bob.says_hello();
        let _verdict = scene.gets(&bob, reply);
        scene.drain();
        scene.wait(wait - moment);
        assert_eq!(scene.story(), [""; 0]);
        scene.wait(moment);
        assert_eq!(scene.story(), ["bob exits: restarted", "bob enters"]);
    }
}

#[test]
fn each_message_must_be_the_next_in_the_sequence() {
    for received in [2, 4, 0, 65535] {
        let (mut scene, mut bob) = Scene::with_bob();
        let join = bob.joins(&group("A"));
        assert_eq!(scene.gets(&bob, join), Verdict::Accepted);
        let mut whisper = bob.says(Body::Ping);
        whisper.sequence = received;
        let fault = Fault::Sequence {
            expected: 3,
            received,
        };
        assert_eq!(scene.gets(&bob, whisper), Verdict::Violation(fault));
        let exit =
            std::format!("bob exits: broke the protocol: sequence number {received}, expected 3");
        assert_eq!(scene.story(), ["bob joins A", &exit]);
        assert!(
            scene
                .outputs()
                .contains(&NodeOutput::Disconnect { peer: bob.id })
        );
    }
}

#[test]
fn a_message_before_hello_belongs_to_no_session() {
    let mut scene = Scene::new();
    let mut bob = Puppet::new("bob", 2);
    let early = bob.says(Body::Ping);
    assert_eq!(scene.gets(&bob, early.clone()), Verdict::Ignored);
    scene.hears(&bob);
    assert_eq!(scene.gets(&bob, early), Verdict::Ignored);
    assert_eq!(scene.events(), []);
    let hello = bob.says_hello();
    assert_eq!(scene.gets(&bob, hello), Verdict::Accepted);
}

#[test]
fn a_fault_below_messages_is_an_exit_only_for_who_has_entered() {
    let fault = || Fault::from(LinkError::UnexpectedMessage);
    let (mut scene, bob) = Scene::with_bob();
    scene.node.handle_fault(bob.id, fault(), scene.now);
    assert_eq!(
        scene.story(),
        ["bob exits: broke the protocol: a message on a connection that only sends"]
    );

    let mut scene = Scene::new();
    scene.hears(&bob);
    scene.drain();
    scene.node.handle_fault(bob.id, fault(), scene.now);
    for _ in 0..20 {
        scene.wait(SECOND);
        scene.hears(&bob);
    }
    assert_eq!(scene.events(), []);
    assert_eq!(
        scene.sent_kinds(),
        [],
        "it is not said HELLO to again and again"
    );
}

#[test]
fn a_connection_that_is_gone_is_an_exit_and_the_next_beacon_begins_anew() {
    let (mut scene, mut bob) = Scene::with_bob();
    scene.node.handle_disconnect(bob.id, scene.now);
    assert_eq!(scene.story(), ["bob exits: connection lost"]);
    scene.meet(&mut bob);
    assert!(scene.node.is_ready(bob.id));
}
