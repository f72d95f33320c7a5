//! How one session with one peer begins, begins again and ends.

use core::time::Duration;

use zre_proto::Body;

use super::{
    group,
    single_node::{FakePeer, SingleNode},
};
use crate::{Fault, LinkError, NodeOutput, Verdict};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_hello_that_completes_a_session_is_an_answer() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    test.hears(&bob);
    assert_eq!(test.sent_kinds(), [("HELLO", 1)]);
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(test.told(), ["bob enters"]);
    assert_eq!(test.outputs(), []);
}

#[test]
fn a_hello_from_a_stranger_is_answered_once() {
    let mut test = SingleNode::new();
    test.drain();
    let mut bob = FakePeer::new("bob", 2);
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    test.hears(&bob);
    assert_eq!(test.told(), ["bob enters"]);
    assert_eq!(test.sent_kinds(), [("HELLO", 1)]);
}

#[test]
fn a_hello_on_a_complete_session_is_one_exit_one_hello_back_and_one_enter() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(test.told(), ["bob exits: restarted", "bob enters"]);
    let outputs = test.outputs();
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
    let (mut test, mut bob) = SingleNode::with_bob();
    for _ in 0..2 {
        let hello = bob.says_hello();
        assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    }
    assert_eq!(test.told(), ["bob exits: restarted", "bob enters"]);
    assert_eq!(test.hellos_sent(), 1);
    let whisper = bob.says(Body::Whisper {
        content: "on".into(),
    });
    assert_eq!(test.gets(&bob, whisper), Verdict::Accepted);
    assert_eq!(test.told(), ["bob whispers on"]);
}

#[test]
fn an_answer_brings_the_groups_up_to_date() {
    let (mut test, mut bob) = SingleNode::with_bob();
    bob.hello.groups = [group("A"), group("B")].into();
    let hello = bob.says_hello();
    let _verdict = test.gets(&bob, hello);
    test.drain();
    bob.hello.groups = [group("B"), group("C")].into();
    bob.hello.status = 7;
    let hello = bob.says_hello();
    let _verdict = test.gets(&bob, hello);
    assert_eq!(test.told(), ["bob leaves A", "bob joins C"]);
    test.drain();
    let join = bob.joins(&group("D"));
    let _verdict = test.gets(&bob, join);
    assert_eq!(test.notices(), []);
}

#[test]
fn a_restart_at_another_endpoint_is_never_an_answer() {
    let (mut test, mut bob) = SingleNode::with_bob();
    for port in 50000..50010 {
        bob = bob.at(&std::format!("tcp://10.0.0.2:{port}"));
        let hello = bob.says_hello();
        assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
        assert_eq!(test.told(), ["bob exits: restarted", "bob enters"]);
        assert_eq!(test.hellos_sent(), 1);
    }
}

#[test]
fn a_restart_long_after_the_last_is_a_restart() {
    let (mut test, mut bob) = SingleNode::with_bob();
    for _ in 0..3 {
        let hello = bob.says_hello();
        assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
        assert_eq!(test.told(), ["bob exits: restarted", "bob enters"]);
        for _ in 0..12 {
            test.wait(SECOND);
            test.hears(&bob);
        }
        test.drain();
    }
}

#[test]
fn a_peer_that_restarts_twice_within_the_answer_window_gets_a_hello_each_time() {
    // A peer in its third life has no session before our HELLO has come; if its HELLO is taken for
    // an answer, it waits in vain, and what is sent to it is lost.
    let (mut test, mut bob) = SingleNode::with_bob();
    for life in 2..=3 {
        let hello = bob.says_hello();
        let _verdict = test.gets(&bob, hello);
        let sent = test.sent_kinds();
        // Without a session it does not answer the PING that would tell an answer from a restart.
        let greeted_at_once = sent.first() == Some(&("HELLO", 1));
        test.wait(SECOND);
        let greeted = greeted_at_once || test.sent_kinds().contains(&("HELLO", 1));
        assert!(greeted, "life {life}");
    }
}

#[test]
fn a_restart_that_was_taken_for_an_answer_is_told_when_it_is_found_out() {
    // What was sent since the second life began is lost with it, so the application must hear of
    // the third.
    let (mut test, mut bob) = SingleNode::with_bob();
    bob.hello.groups = [group("A")].into();
    for _life in 2..=3 {
        let hello = bob.says_hello();
        let _verdict = test.gets(&bob, hello);
    }
    assert_eq!(
        test.told(),
        ["bob exits: restarted", "bob enters", "bob joins A"]
    );
    test.wait(SECOND);
    assert_eq!(
        test.told(),
        ["bob exits: restarted", "bob enters", "bob joins A"]
    );
    // The session goes on behind the HELLO that was taken.
    let whisper = bob.says(Body::Whisper {
        content: "on".into(),
    });
    assert_eq!(test.gets(&bob, whisper), Verdict::Accepted);
}

#[test]
fn a_reply_takes_a_goodbye_back() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let hello = bob.says_hello();
    let _verdict = test.gets(&bob, hello);
    test.hears_leaving(&bob);
    assert!(test.node.is_leaving(bob.id));
    let hello = bob.says_hello();
    let _verdict = test.gets(&bob, hello);
    assert!(!test.node.is_leaving(bob.id));
    test.drain();
    test.node.handle_disconnect(bob.id, test.now);
    assert_eq!(test.told(), ["bob exits: connection lost"]);
}

#[test]
fn a_reply_clears_a_peer_unless_another_is_at_its_endpoint() {
    for is_contested in [false, true] {
        let (mut test, mut bob) = SingleNode::with_bob();
        let hello = bob.says_hello();
        let _verdict = test.gets(&bob, hello);
        match is_contested {
            true => test.hears(&FakePeer::new("bobby", 2)),
            false => test.node.suspect(bob.id, test.now),
        }
        let asked = test.node.suspicion_ping(bob.id);
        assert!(asked.is_some());
        let hello = bob.says_hello();
        let _verdict = test.gets(&bob, hello);
        let still_asked = test.node.suspicion_ping(bob.id);
        assert_eq!(still_asked, asked.filter(|_| is_contested));
    }
}

#[test]
fn the_answer_to_one_ping_settles_a_reply_whatever_was_asked_before() {
    for asked_before in 0..3 {
        let (mut test, mut bob) = SingleNode::with_bob();
        let hello = bob.says_hello();
        let _verdict = test.gets(&bob, hello);
        for _ in 0..asked_before {
            test.node.ping(bob.id, test.now).unwrap();
        }
        let hello = bob.says_hello();
        let _verdict = test.gets(&bob, hello);
        test.drain();
        let answer = bob.says(Body::PingOk);
        let _verdict = test.gets(&bob, answer);
        test.wait(SECOND);
        assert_eq!(test.told(), [""; 0]);
    }
}

#[test]
fn a_reply_that_cannot_be_verified_is_given_twice_the_time_when_it_comes_again() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let moment = Duration::from_micros(1);
    let hello = bob.says_hello();
    let _verdict = test.gets(&bob, hello);
    for wait in [250, 500, 1000].map(Duration::from_millis) {
        let reply = bob.says_hello();
        let _verdict = test.gets(&bob, reply);
        test.drain();
        test.wait(wait - moment);
        assert_eq!(test.told(), [""; 0]);
        test.wait(moment);
        assert_eq!(test.told(), ["bob exits: restarted", "bob enters"]);
    }
}

#[test]
fn each_message_must_be_the_next_in_the_sequence() {
    for received in [2, 4, 0, 65535] {
        let (mut test, mut bob) = SingleNode::with_bob();
        let join = bob.joins(&group("A"));
        assert_eq!(test.gets(&bob, join), Verdict::Accepted);
        let mut whisper = bob.says(Body::Ping);
        whisper.sequence = received;
        let fault = Fault::Sequence {
            expected: 3,
            received,
        };
        assert_eq!(test.gets(&bob, whisper), Verdict::Violation(fault));
        let exit =
            std::format!("bob exits: broke the protocol: sequence number {received}, expected 3");
        assert_eq!(test.told(), ["bob joins A", &exit]);
        assert!(
            test.outputs()
                .contains(&NodeOutput::Disconnect { peer: bob.id })
        );
    }
}

#[test]
fn a_message_before_hello_belongs_to_no_session() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    let early = bob.says(Body::Ping);
    assert_eq!(test.gets(&bob, early.clone()), Verdict::Ignored);
    test.hears(&bob);
    assert_eq!(test.gets(&bob, early), Verdict::Ignored);
    assert_eq!(test.events(), []);
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
}

#[test]
fn a_fault_below_messages_is_an_exit_only_for_who_has_entered() {
    let fault = || Fault::from(LinkError::UnexpectedMessage);
    let (mut test, bob) = SingleNode::with_bob();
    test.node.handle_fault(bob.id, fault(), test.now);
    assert_eq!(
        test.told(),
        ["bob exits: broke the protocol: a message on a connection that only sends"]
    );

    let mut test = SingleNode::new();
    test.hears(&bob);
    test.drain();
    test.node.handle_fault(bob.id, fault(), test.now);
    for _ in 0..20 {
        test.wait(SECOND);
        test.hears(&bob);
    }
    assert_eq!(test.events(), []);
    assert_eq!(
        test.sent_kinds(),
        [],
        "it is not said HELLO to again and again"
    );
}

#[test]
fn a_connection_that_is_gone_is_an_exit_and_the_next_beacon_begins_anew() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.node.handle_disconnect(bob.id, test.now);
    assert_eq!(test.told(), ["bob exits: connection lost"]);
    test.meet(&mut bob);
    assert!(test.node.is_ready(bob.id));
}
