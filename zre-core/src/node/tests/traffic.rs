//! The messages inside a session: sequence, groups, status, and those that are not known.

use std::{time::Duration, vec, vec::Vec};

use zre_proto::{Body, Message};

use super::{
    group,
    single_node::{FakePeer, SingleNode},
};
use crate::{Notice, Verdict};

#[test]
fn a_peer_that_wraps_early_is_recognised_and_spoken_to_likewise() {
    let (mut test, mut pyre) = SingleNode::with_bob();
    while pyre.sequence < 65534 {
        let ping = pyre.says(Body::Ping);
        assert_eq!(test.gets(&pyre, ping), Verdict::Accepted);
        if test.outputs().len() != 1 {
            panic!("one PING-OK for each PING");
        }
    }
    // Our own counter stands at 65534, too.
    pyre.sequence = 65535;
    let ping = pyre.says(Body::Ping);
    assert_eq!(ping.sequence, 0);
    assert_eq!(test.gets(&pyre, ping), Verdict::Accepted);
    assert_eq!(test.sent_kinds(), [("PING-OK", 0)]);
    assert_eq!(test.notices(), [Notice::EarlyWrap { peer: pyre.id }]);
    let ping = pyre.says(Body::Ping);
    assert_eq!(test.gets(&pyre, ping), Verdict::Accepted);
    assert_eq!(test.sent_kinds(), [("PING-OK", 1)]);

    // From then on both directions, without another notice.
    while pyre.sequence < 65534 {
        let ping = pyre.says(Body::Ping);
        assert_eq!(test.gets(&pyre, ping), Verdict::Accepted);
    }
    let numbers: Vec<_> = test
        .sent_kinds()
        .iter()
        .map(|(_, number)| *number)
        .collect();
    assert_eq!(numbers.last(), Some(&65534));
    pyre.sequence = 65535;
    let ping = pyre.says(Body::Ping);
    assert_eq!(test.gets(&pyre, ping), Verdict::Accepted);
    assert_eq!(test.sent_kinds(), [("PING-OK", 0)]);
    assert_eq!(test.notices(), []);
    assert_eq!(test.events(), []);
}

#[test]
fn a_peer_that_does_not_wrap_early_is_spoken_to_as_the_rfc_says() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let mut last = Vec::new();
    for _ in 0..65_540 {
        let ping = bob.says(Body::Ping);
        assert_eq!(test.gets(&bob, ping), Verdict::Accepted);
        last = test.sent_kinds();
    }
    assert_eq!(last, [("PING-OK", 5)]);
    assert_eq!(test.events(), []);
}

#[test]
fn ping_is_answered() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let ping = bob.says(Body::Ping);
    assert_eq!(test.gets(&bob, ping), Verdict::Accepted);
    assert_eq!(test.sent_kinds(), [("PING-OK", 2)]);
}

#[test]
fn messages_that_are_not_known_count_and_are_ignored() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let unknown = [0, 200].map(|id| Body::Unknown { id });
    for body in unknown {
        let kind = body.kind();
        let message = bob.says(body);
        assert_eq!(test.gets(&bob, message), Verdict::Accepted);
        let peer = bob.id;
        assert_eq!(test.notices(), [Notice::UnknownMessage { peer, kind }]);
    }
    let ping = bob.says(Body::Ping);
    assert_eq!(test.gets(&bob, ping), Verdict::Accepted);
    assert_eq!(test.events(), []);
}

#[test]
fn joins_leaves_whispers_and_shouts_are_told_in_their_order() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let whisper = Body::Whisper {
        content: "one".into(),
    };
    let shout = Body::Shout {
        group: group("A"),
        content: "two".into(),
    };
    let leave = Body::Leave {
        group: group("A"),
        status: 2,
    };
    let messages = vec![
        bob.joins(&group("A")),
        bob.says(whisper),
        bob.says(shout),
        bob.says(leave),
    ];
    for message in messages {
        assert_eq!(test.gets(&bob, message), Verdict::Accepted);
    }
    assert_eq!(
        test.told(),
        [
            "bob joins A",
            "bob whispers one",
            "bob shouts two to A",
            "bob leaves A"
        ]
    );
    assert_eq!(test.node.peer_groups().count(), 0);
    assert_eq!(test.notices(), []);
}

#[test]
fn a_doubled_join_and_a_leave_of_no_member_are_no_event_and_count() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let leave = |group_name: &str, status| Body::Leave {
        group: group(group_name),
        status,
    };
    let messages = vec![
        bob.joins(&group("A")),
        bob.joins(&group("A")),
        bob.says(leave("B", 3)),
        bob.says(leave("A", 4)),
    ];
    for message in messages {
        assert_eq!(test.gets(&bob, message), Verdict::Accepted);
    }
    assert_eq!(test.told(), ["bob joins A", "bob leaves A"]);
    assert_eq!(test.notices(), []);
}

/// The status counters of what was sent.
fn statuses(sent: &[Message]) -> Vec<u8> {
    let status = |message: &Message| match &message.body {
        Body::Join { status, .. } | Body::Leave { status, .. } => Some(*status),
        _ => None,
    };
    sent.iter().filter_map(status).collect()
}

#[test]
fn status_is_exact_through_three_hundred_joins_and_leaves() {
    let (mut test, _bob) = SingleNode::with_bob();
    for _ in 0..150 {
        test.node.join(&group("A"), test.now).unwrap();
        // These two do nothing, so they do not count.
        test.node.join(&group("A"), test.now).unwrap();
        test.node.leave(&group("B"), test.now).unwrap();
        test.node.leave(&group("A"), test.now).unwrap();
    }
    let expected: Vec<u8> = (1..=255).chain(0..=44).collect();
    assert_eq!(statuses(&test.sent()), expected);
    test.hears(&super::single_node::FakePeer::new("carol", 3));
    let hello = test.sent().pop().unwrap();
    assert!(matches!(hello.body, Body::Hello(hello) if hello.status == 44));
}

#[test]
fn a_peer_that_has_our_hello_hears_of_joins_before_its_own_hello_has_come() {
    let mut test = SingleNode::new();
    test.hears(&super::single_node::FakePeer::new("bob", 2));
    test.node.join(&group("A"), test.now).unwrap();
    assert_eq!(test.sent_kinds(), [("HELLO", 1), ("JOIN", 2)]);
}

#[test]
fn a_wrong_status_is_noted_and_adopted() {
    let (mut test, mut bob) = SingleNode::with_bob();
    bob.hello.status = 99;
    let join = bob.joins(&group("A"));
    assert_eq!(test.gets(&bob, join), Verdict::Accepted);
    let notice = Notice::Status {
        peer: bob.id,
        expected: 1,
        received: 100,
    };
    assert_eq!(test.notices(), [notice]);
    let join = bob.joins(&group("B"));
    assert_eq!(test.gets(&bob, join), Verdict::Accepted);
    assert_eq!(test.notices(), []);
    assert_eq!(test.told(), ["bob joins A", "bob joins B"]);
}

#[test]
fn a_status_that_wraps_is_right() {
    let (mut test, mut bob) = SingleNode::with_bob();
    for _ in 0..300 {
        let join = bob.joins(&group("A"));
        assert_eq!(test.gets(&bob, join), Verdict::Accepted);
    }
    assert_eq!(test.notices(), []);
}

#[test]
fn messages_that_are_to_be_confirmed_share_questions() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let id = bob.id;
    let confirm = |test: &mut SingleNode| {
        test.node.whisper(id, "x".into(), test.now).unwrap();
        test.node.confirm(id, test.now).unwrap()
    };
    let numbers: Vec<_> = (0..100).map(|_| confirm(&mut test)).collect();
    let is_confirmed = |test: &SingleNode, at: usize| {
        let number = numbers[at];
        test.node.is_answered(id, number)
    };
    let kinds = test.sent_kinds();
    assert_eq!(kinds.iter().filter(|(kind, _)| *kind == "PING").count(), 1);
    assert_eq!(is_confirmed(&test, 0), Some(false));
    let answer = bob.says(Body::PingOk);
    assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
    assert_eq!(is_confirmed(&test, 0), Some(true));
    assert_eq!(is_confirmed(&test, 1), Some(false));
    assert_eq!(test.sent_kinds().len(), 1, "one question for the other 99");
    let answer = bob.says(Body::PingOk);
    assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
    assert!((0..100).all(|at| is_confirmed(&test, at) == Some(true)));
    assert_eq!(test.sent_kinds(), []);
}

#[test]
fn what_a_peer_has_confirmed_stays_so_when_it_goes_or_the_node_stops() {
    let confirm = |test: &mut SingleNode, bob: &mut FakePeer| {
        test.node.whisper(bob.id, "x".into(), test.now).unwrap();
        let number = test.node.confirm(bob.id, test.now).unwrap();
        let answer = bob.says(Body::PingOk);
        assert_eq!(test.gets(bob, answer), Verdict::Accepted);
        number
    };
    let (mut test, mut bob) = SingleNode::with_bob();
    let confirmed = confirm(&mut test, &mut bob);
    test.node.whisper(bob.id, "y".into(), test.now).unwrap();
    let open = test.node.confirm(bob.id, test.now).unwrap();
    let goodbye = bob.says(Body::Goodbye);
    assert_eq!(test.gets(&bob, goodbye), Verdict::Accepted);
    test.node.handle_disconnect(bob.id, test.now);
    assert_eq!(test.node.is_answered(bob.id, confirmed), Some(true));
    assert_eq!(test.node.is_answered(bob.id, open), None);

    let (mut test, mut bob) = SingleNode::with_bob();
    let confirmed = confirm(&mut test, &mut bob);
    test.node.stop(test.now);
    assert_eq!(test.node.is_answered(bob.id, confirmed), Some(true));
}

#[test]
fn what_a_peer_has_not_confirmed_before_it_restarts_is_never_confirmed() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        test.node.whisper(bob.id, "x".into(), test.now).unwrap();
        numbers.push(test.node.confirm(bob.id, test.now).unwrap());
    }
    test.drain();
    // Long after our own HELLO, so that this one is no reply.
    test.wait(Duration::from_secs(4));
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    test.node.whisper(bob.id, "y".into(), test.now).unwrap();
    let later = test.node.confirm(bob.id, test.now).unwrap();
    let answer = bob.says(Body::PingOk);
    assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
    assert_eq!(test.node.is_answered(bob.id, later), Some(true));
    for number in numbers {
        assert_eq!(test.node.is_answered(bob.id, number), None);
    }
}
