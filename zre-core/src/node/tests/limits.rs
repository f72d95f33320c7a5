//! No peer makes a node grow without bound.

use core::time::Duration;

use bytes::Bytes;
use std::{
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use zre_proto::{Body, Content};

use super::{
    config, group,
    single_node::{FakePeer, SingleNode},
};
use crate::{Error, Fault, Notice, Verdict};

const SECOND: Duration = Duration::from_secs(1);

fn scene_with(limit: impl FnOnce(&mut crate::Limits)) -> SingleNode {
    let mut config = config("alice", 1);
    limit(&mut config.limits);
    let mut test = SingleNode::with(config);
    test.drain();
    test
}

/// Beacons of peers that nobody has heard of.
fn flood(test: &mut SingleNode, count: usize) {
    for number in 0..count {
        let stranger = FakePeer::new(&format!("x{number}"), 500 + number);
        test.hears(&stranger);
    }
}

#[test]
fn one_peer_more_than_the_limit_is_not_taken_in_until_another_has_gone() {
    let mut test = scene_with(|limits| limits.peers = 2);
    let mut peers: Vec<_> = ["bob", "carol", "dave"]
        .into_iter()
        .zip(2..)
        .map(|(name, host)| FakePeer::new(name, host))
        .collect();
    for peer in &mut peers {
        let hello = peer.says_hello();
        let _verdict = test.gets(peer, hello);
    }
    assert_eq!(test.told(), ["bob enters", "carol enters"]);
    let peer = peers[2].id;
    assert_eq!(test.notices(), [Notice::PeerLimit { peer, limit: 2 }]);
    test.node.handle_disconnect(peers[0].id, test.now);
    test.drain();
    let hello = peers[2].says_hello();
    assert_eq!(test.gets(&peers[2], hello), Verdict::Accepted);
    assert_eq!(test.told(), ["dave enters"]);
}

#[test]
fn a_flood_of_beacons_connects_to_no_more_than_the_limit_and_a_peer_that_says_hello_is_taken_in() {
    let mut test = scene_with(|limits| limits.pending_peers = 100);
    flood(&mut test, 5_000);
    assert_eq!(test.sent_kinds().len(), 100);
    let mut bob = FakePeer::new("bob", 2);
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(test.told(), ["bob enters"]);
}

#[test]
fn a_flood_of_beacons_takes_no_room_from_peers_that_say_hello() {
    let mut test = scene_with(|limits| limits.peers = 100);
    flood(&mut test, 5_000);
    for (number, host) in (0..100).zip(2..) {
        let mut peer = FakePeer::new(&format!("p{number}"), host);
        let hello = peer.says_hello();
        assert_eq!(test.gets(&peer, hello), Verdict::Accepted);
    }
    assert_eq!(test.node.peers().count(), 100);
}

#[test]
fn a_peer_that_restarts_during_a_flood_of_beacons_enters_again() {
    let mut test = scene_with(|limits| limits.pending_peers = 100);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    flood(&mut test, 5_000);
    test.drain();
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(test.told(), ["bob exits: restarted", "bob enters"]);
    assert!(test.node.is_ready(bob.id));
}

/// If it were ignored, later shouts to the group would miss the peer in silence.
#[test]
fn a_join_of_one_group_more_than_the_limit_ends_the_session() {
    let mut test = scene_with(|limits| limits.groups_per_peer = 3);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    for number in [0, 1, 2, 1] {
        let join = bob.joins(&group(&format!("G{number}")));
        assert_eq!(test.gets(&bob, join), Verdict::Accepted);
    }
    assert_eq!(test.told().len(), 3);
    let join = bob.joins(&group("G3"));
    let fault = Fault::TooManyGroups { limit: 3 };
    assert_eq!(test.gets(&bob, join), Verdict::Violation(fault));
    assert_eq!(
        test.told(),
        ["bob exits: broke the protocol: it joined more groups than groups_per_peer, which is 3"]
    );
    assert_eq!(test.node.peer_groups().count(), 0);
}

#[test]
fn notices_that_nobody_takes_are_bounded() {
    let mut test = scene_with(|limits| limits.peers = 1);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    flood(&mut test, 5_000);
    let notices = test.notices();
    assert!(notices.len() <= 257, "{}", notices.len());
    assert!(matches!(notices.last(), Some(Notice::Dropped(_))));
}

/// A HELLO that tells so much in one header.
fn tells(peer: &mut FakePeer, bytes: usize) -> zre_proto::Message {
    peer.hello.headers.set("X", "y".repeat(bytes)).unwrap();
    peer.says_hello()
}

#[test]
fn peers_that_tell_much_are_refused_over_the_limit_for_all_and_ordinary_ones_are_not() {
    let mut test = scene_with(|limits| limits.peer_data_bytes = 100_000);
    let mut entered = 0;
    for number in 0..40 {
        let mut peer = FakePeer::new(&format!("much{number}"), 100 + number);
        let hello = tells(&mut peer, 20_000);
        match test.gets(&peer, hello) {
            Verdict::Accepted => entered += 1,
            Verdict::Violation(Fault::TooMuchTold { limit: 100_000 }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(entered, 5, "2 KiB of each do not count");
    let refused = |notice: &Notice| matches!(notice, Notice::Refused { .. });
    assert!(test.notices().iter().any(refused));
    test.told();
    for number in 0..100 {
        let mut peer = FakePeer::new(&format!("p{number}"), 200 + number);
        let hello = tells(&mut peer, 1_000);
        assert_eq!(test.gets(&peer, hello), Verdict::Accepted);
    }
    assert_eq!(test.told().len(), 100);
}

#[test]
fn groups_count_among_what_peers_tell_and_a_join_beyond_the_limit_for_all_ends_the_session() {
    let mut test = scene_with(|limits| limits.peer_data_bytes = 10_000);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    let mut joined = 0;
    loop {
        let join = bob.joins(&group(&format!("{joined:0250}")));
        match test.gets(&bob, join) {
            Verdict::Accepted => joined += 1,
            Verdict::Violation(fault) => {
                assert_eq!(fault, Fault::TooMuchTold { limit: 10_000 });
                break;
            }
            Verdict::Ignored => panic!(),
        }
    }
    assert!((20..48).contains(&joined), "{joined}");
}

#[test]
fn what_peers_told_no_longer_counts_when_they_have_left_or_told_something_else() {
    let mut test = scene_with(|limits| limits.peer_data_bytes = 30_000);
    let mut bob = FakePeer::new("bob", 2);
    for round in 0..10 {
        // In turns a new peer, a restart and, within its window, a reply.
        let hello = tells(&mut bob, 20_000 + round);
        assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
        for number in 0..10 {
            let join = bob.joins(&group(&format!("G{number}")));
            assert_eq!(test.gets(&bob, join), Verdict::Accepted);
        }
        let (group, status) = (group("G3"), bob.hello.status.wrapping_add(1));
        let leave = bob.says(Body::Leave { group, status });
        assert_eq!(test.gets(&bob, leave), Verdict::Accepted);
        if round % 4 == 3 {
            test.node.handle_disconnect(bob.id, test.now);
            test.drain();
            assert_eq!(test.node.context.told.total(), 0);
        }
    }
}

#[test]
fn a_node_does_not_exceed_its_own_limits_with_groups_and_headers() {
    let mut test = scene_with(|limits| {
        limits.groups_per_peer = 2;
        limits.headers_per_peer = 1;
    });
    let now = test.now;
    for name in ["A", "B", "A"] {
        test.node.join(&group(name), now).unwrap();
    }
    let error = test.node.join(&group("C"), now).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the node would have 3 groups, and groups_per_peer is 2: peers with this limit would \
         refuse it; leave or remove some, or raise the limit at all nodes"
    );
    assert_eq!(test.node.own_groups().count(), 2);
    test.node.leave(&group("A"), now).unwrap();
    test.node.join(&group("C"), now).unwrap();

    test.node.set_header("X", "1", now).unwrap();
    test.node.set_header("X", "2", now).unwrap();
    let refused = test.node.set_header("Y", "3", now).unwrap_err();
    assert!(matches!(
        refused,
        Error::OwnLimit {
            limit: "headers_per_peer",
            ..
        }
    ));
    let refused = test
        .node
        .set_header("X", "y".repeat(1 << 20), now)
        .unwrap_err();
    assert!(matches!(
        refused,
        Error::OwnLimit {
            limit: "header_frame",
            ..
        }
    ));
    assert_eq!(test.node.headers()["X"], "2");
}

#[test]
fn a_node_is_congested_when_too_many_events_wait_and_relieved_at_half() {
    let mut test = scene_with(|limits| limits.events = 10);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    for _ in 0..10 {
        assert!(!test.node.is_congested());
        let whisper = bob.says(Body::Whisper {
            content: "x".into(),
        });
        let _verdict = test.gets(&bob, whisper);
    }
    assert!(test.node.is_congested());
    for _ in 0..5 {
        test.node.poll_event();
    }
    assert!(!test.node.is_congested());
    assert!(!test.node.may_take(bob.id), "all of it is bob's");
    for _ in 0..3 {
        test.node.poll_event();
    }
    assert!(test.node.may_take(bob.id));
}

#[test]
fn a_flooding_peer_is_not_taken_any_more_and_its_silence_keeps_no_dead_peer() {
    let mut test = scene_with(|limits| limits.events = 100);
    let (mut bob, mut carol) = (FakePeer::new("bob", 2), FakePeer::new("carol", 3));
    test.meet(&mut bob);
    test.meet(&mut carol);
    while test.node.may_take(bob.id) {
        let whisper = bob.says(Body::Whisper {
            content: "x".into(),
        });
        let _verdict = test.gets(&bob, whisper);
    }
    assert!(test.node.may_take(carol.id) && !test.node.is_congested());
    // Neither says any more. Bob may have, and it lies unread.
    test.wait(SECOND * 40);
    assert!(test.node.is_ready(bob.id) && !test.node.is_ready(carol.id));
    let told = test.told();
    let carols = told.iter().filter(|it| it.starts_with("carol"));
    let story = [
        "carol is evasive",
        "carol is silent",
        "carol exits: was silent for too long",
    ];
    assert!(carols.eq(&story), "{told:?}");
    test.wait(SECOND * 3);
    assert!(!test.node.is_ready(bob.id));
}

/// While the application has to catch up, nothing is read, and so no answer.
#[test]
fn whether_a_hello_was_an_answer_is_not_decided_while_answers_lie_unread() {
    let mut test = scene_with(|limits| limits.events = 10);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    for _ in 2..=3 {
        let hello = bob.says_hello();
        let _verdict = test.gets(&bob, hello);
    }
    for _ in 0..10 {
        let whisper = bob.says(Body::Whisper {
            content: "x".into(),
        });
        let _verdict = test.gets(&bob, whisper);
    }
    assert!(test.node.is_congested());
    test.wait(SECOND * 3);
    let restarts = |told: &[String]| told.iter().filter(|it| it.contains("restarted")).count();
    assert_eq!(restarts(&test.told()), 1, "the first HELLO was one");
    test.wait(SECOND / 2);
    let answer = bob.says(Body::PingOk);
    assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
    test.wait(SECOND * 3);
    assert_eq!(restarts(&test.told()), 0);
}

#[test]
fn a_node_is_congested_when_too_many_bytes_wait() {
    let mut test = scene_with(|limits| limits.event_bytes = 1000);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    let whisper = bob.says(Body::Whisper {
        content: vec![0; 1000].into(),
    });
    let _verdict = test.gets(&bob, whisper);
    assert!(test.node.is_congested());
    test.node.poll_event();
    assert!(!test.node.is_congested());
    assert!(!test.node.is_congested());
}

#[test]
fn empty_frames_that_wait_weigh_what_they_hold_in_memory() {
    let mut test = scene_with(|limits| limits.event_bytes = 1 << 20);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    // Two bytes each on the wire, and 32 in memory.
    let frames = vec![Bytes::new(); 60_000];
    for _ in 0..10 {
        let content = Content::from(frames.clone());
        let whisper = bob.says(Body::Whisper { content });
        let _verdict = test.gets(&bob, whisper);
    }
    assert!(test.node.is_congested());
}

#[test]
fn headers_that_wait_to_be_told_weigh_what_they_hold_in_memory() {
    let mut test = scene_with(|limits| limits.event_bytes = 1 << 20);
    let mut bob = FakePeer::new("bob", 2);
    bob.hello.headers.set("X", "y".repeat(1_000_000)).unwrap();
    for port in 50_000..50_010 {
        bob = bob.at(&format!("tcp://10.0.0.2:{port}"));
        let hello = bob.says_hello();
        let _verdict = test.gets(&bob, hello);
    }
    assert!(test.node.is_congested());
}

#[test]
fn the_grace_of_a_leaving_peer_waits_for_an_application_that_is_behind() {
    let mut test = scene_with(|limits| limits.events = 1);
    let mut bob = FakePeer::new("bob", 2);
    test.meet(&mut bob);
    let mut whisper = |text: &str| {
        bob.says(Body::Whisper {
            content: text.into(),
        })
    };
    let (first, second) = (whisper("one"), whisper("two"));
    let _verdict = test.gets(&bob, first);
    assert!(test.node.is_congested());
    test.hears_leaving(&bob);
    test.wait(core::time::Duration::from_secs(3));
    assert_eq!(test.told(), ["bob whispers one"]);
    let _verdict = test.gets(&bob, second);
    assert_eq!(test.told(), ["bob whispers two"]);
    test.wait(core::time::Duration::from_secs(7));
    assert_eq!(test.told().last().unwrap(), "bob exits: said goodbye");
}

/// Its HELLO may have come, and lie unread.
#[test]
fn a_peer_whose_hello_is_awaited_is_not_given_up_while_the_application_is_behind() {
    let mut test = scene_with(|limits| limits.events = 1);
    let (mut bob, mut carol) = (FakePeer::new("bob", 2), FakePeer::new("carol", 3));
    test.meet(&mut bob);
    let whisper = bob.says(Body::Whisper {
        content: "x".into(),
    });
    let _verdict = test.gets(&bob, whisper);
    assert!(test.node.is_congested());
    test.hears(&carol);
    test.wait(core::time::Duration::from_secs(20));
    assert_eq!(test.told(), ["bob whispers x"]);
    // The timer comes before the message.
    test.wait(core::time::Duration::from_secs(1));
    let hello = carol.says_hello();
    let _verdict = test.gets(&carol, hello);
    assert_eq!(test.hellos_sent(), 1);
    assert!(test.node.is_ready(carol.id));
}
