//! What a node says to a caller who sees connections.

use core::time::Duration;

use zre_proto::{Body, Message};

use super::{
    config,
    single_node::{FakePeer, SingleNode},
};
use crate::{Admission, ExitReason, Fault, Notice};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_micros(1);

fn out_of_sequence(expected: u16, received: u16) -> Fault {
    Fault::Sequence { expected, received }
}

fn numbered(sequence: u16, body: Body) -> Message {
    Message { sequence, body }
}

#[test]
fn a_hello_is_admitted_from_strangers_pending_peers_and_those_that_restart() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    let hello = bob.says_hello();
    assert_eq!(test.node.admits(bob.id, &hello), Admission::Admitted);
    test.hears(&bob);
    assert_eq!(test.node.admits(bob.id, &hello), Admission::Admitted);
    let _verdict = test.gets(&bob, hello.clone());
    assert_eq!(test.node.admits(bob.id, &hello), Admission::Admitted);
}

#[test]
fn a_hello_on_the_connection_of_a_session_breaks_the_protocol() {
    let (test, mut bob) = SingleNode::with_bob();
    let hello = bob.says_hello();
    let fault = out_of_sequence(2, 1);
    assert_eq!(test.node.check_bound(bob.id, &hello), Err(fault));
}

#[test]
fn a_hello_that_is_not_number_1_is_refused_for_a_peer_that_has_entered() {
    let (test, bob) = SingleNode::with_bob();
    let hello = numbered(2, bob.hello.clone().into());
    let refused = Admission::Foreign(out_of_sequence(1, 2));
    assert_eq!(test.node.admits(bob.id, &hello), refused);
}

#[test]
fn another_message_is_a_peers_if_its_connection_or_its_number_says_so() {
    let (test, bob) = SingleNode::with_bob();
    let admits = |sequence| test.node.admits(bob.id, &numbered(sequence, Body::Ping));
    assert_eq!(admits(2), Admission::Admitted);
    assert_eq!(admits(3), Admission::Stray);
    let message = numbered(3, Body::Ping);
    assert_eq!(test.node.check_bound(bob.id, &message), Ok(()));

    let mut test = SingleNode::new();
    let stranger = numbered(1, Body::Ping);
    let stray = test.node.admits(bob.id, &stranger);
    assert_eq!(stray, Admission::Stray);
    test.hears(&bob);
    let stray = test.node.admits(bob.id, &stranger);
    assert_eq!(stray, Admission::Stray);
}

#[test]
fn a_suspected_peer_has_the_evasive_timeout_from_now_to_answer() {
    for answers in [true, false] {
        let (mut test, mut bob) = SingleNode::with_bob();
        // Nothing has happened for a while when the reason comes.
        test.now = test.now + SECOND * 9 / 10;
        test.node.suspect(bob.id, test.now);
        assert_eq!(test.node.suspicion_ping(bob.id), Some(1));
        assert_eq!(test.sent_kinds(), [("PING", 2)]);
        test.hears(&bob);
        test.wait(SECOND * 5 - MOMENT);
        assert_eq!(test.told(), [""; 0]);
        if answers {
            let answer = bob.says(Body::PingOk);
            let _verdict = test.gets(&bob, answer);
            assert_eq!(test.node.suspicion_ping(bob.id), None);
        }
        test.wait(MOMENT);
        match answers {
            true => assert_eq!(test.told(), [""; 0]),
            false => assert_eq!(test.told(), ["bob exits: connection lost"]),
        }
    }
}

#[test]
fn a_caller_that_sees_a_peer_move_gives_it_a_second_more() {
    let (mut test, bob) = SingleNode::with_bob();
    test.node.suspect(bob.id, test.now);
    test.hears(&bob);
    test.now = test.now + SECOND * 4;
    for _ in 0..3 {
        test.hears(&bob);
        assert_eq!(test.node.overdue_suspects(test.now), []);
        test.now = test.now + SECOND;
        assert_eq!(test.node.overdue_suspects(test.now), [bob.id]);
        test.node.extend_suspicion(bob.id, test.now);
        test.node.handle_timeout(test.now);
        assert_eq!(test.told(), [""; 0]);
    }
    test.wait(SECOND);
    assert_eq!(test.told(), ["bob exits: connection lost"]);
}

#[test]
fn a_caller_removes_a_peer_for_a_reason_of_its_own() {
    let (mut test, bob) = SingleNode::with_bob();
    let reason = ExitReason::Stalled;
    test.node.remove_peer(bob.id, reason.clone(), test.now);
    test.node.remove_peer(bob.id, reason, test.now);
    assert_eq!(test.told(), ["bob exits: did not read what was sent to it"]);
    assert_eq!(test.notices(), [] as [Notice; 0]);
}

#[test]
fn a_callers_deadline_stands_still_while_the_application_is_behind() {
    let mut config = config("alice", 1);
    config.limits.events = 2;
    let mut test = SingleNode::with(config);
    let (now, due) = (test.now, test.now + SECOND);
    let mut patience = test.node.patience_until(due);
    assert!(!test.node.is_patience_over(&mut patience, SECOND, now));
    for host in 2..=3 {
        let mut peer = FakePeer::new("bob", host);
        peer.id = super::id_of(&std::format!("bob{host}"));
        let hello = peer.says_hello();
        let _verdict = test.gets(&peer, hello);
    }
    assert!(test.node.is_congested());
    assert!(!test.node.is_patience_over(&mut patience, SECOND, due));
    assert_eq!(patience.deadline(), due + SECOND);
    test.drain();
    let due = patience.deadline();
    assert!(!test.node.is_patience_over(&mut patience, SECOND, due));
    let due = patience.deadline();
    assert!(test.node.is_patience_over(&mut patience, SECOND, due));
}
