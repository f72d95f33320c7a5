//! What strangers and peers can make a node hold.

use alloc::{vec, vec::Vec};

use bytes::{Buf as _, BufMut as _, Bytes};
use zre_proto::{Body, Content, PeerId};

use super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{SingleEngine, hello, whisper},
};
use crate::{
    link::Link,
    {error::LinkError, notice::Notice},
};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    an_accepted_connection_without_hello_is_closed_after_the_handshake_timeout,
    a_connection_that_carries_a_session_is_not_closed_by_the_handshake_timeout,
    one_connection_too_many_closes_the_oldest_that_has_not_said_hello,
    strangers_with_ever_new_identities_make_no_more_peers_than_the_limit,
    what_a_peer_sends_in_its_session_does_not_count_for_those_without,
    events_with_many_empty_frames_stop_reading_in_the_end,
    an_outbound_limit_may_be_as_high_as_can_be,
}

fn an_accepted_connection_without_hello_is_closed_after_the_handshake_timeout<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let silent = test.accept();
    let greets = test.connect(PeerId::from([5; 16]));
    let mut strays = test.connect(PeerId::from([6; 16]));
    test.run(millis(5000));
    strays.send(&mut test, 7, whisper("stray"));
    assert_eq!(test.closed, [strays.at], "at once");
    test.run(millis(4999));
    assert_eq!(test.closed.len(), 1);
    test.run(millis(1));
    assert_eq!(test.closed, [strays.at, silent, greets.at]);
    let timeouts = test.notices.iter().filter(|notice| {
        matches!(
            notice,
            Notice::LinkClosed {
                error: LinkError::HandshakeTimeout,
                ..
            }
        )
    });
    assert_eq!(timeouts.count(), 2);
}

fn a_connection_that_carries_a_session_is_not_closed_by_the_handshake_timeout<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    for _ in 0..25 {
        test.run(secs(1));
        test.beacon(peer.id, &peer.endpoint);
    }
    peer.is_undisturbed(&mut test);
}

fn one_connection_too_many_closes_the_oldest_that_has_not_said_hello<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.unclaimed_links = 3);
    let mut peer = test.add_peer(1);
    let first = test.accept();
    let second = test.connect(PeerId::from([5; 16]));
    let third = test.accept();
    assert_eq!(test.closed, []);
    let fourth = test.accept();
    assert_eq!(test.closed, [first]);
    assert!(matches!(
        test.notices[..],
        [Notice::LinkLimit { limit: 3, .. }]
    ));
    test.accept();
    assert_eq!(test.closed, [first, second.at]);
    test.engine.handle_closed(third, "", test.now);
    test.engine.handle_closed(third, "", test.now);
    test.accept();
    assert_eq!(test.closed.len(), 2, "one had gone by itself");
    test.accept();
    assert_eq!(test.closed.last(), Some(&fourth));
    peer.is_undisturbed(&mut test);
}

/// However connections end, the count of those without a session stays right.
#[test]
fn connections_that_come_and_go_in_every_way_leave_all_the_room_there_was() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.unclaimed_links = 4);
    for round in 0..20_u8 {
        let gone = test.accept();
        test.engine.handle_closed(gone, "", test.now);
        let junk = test.accept();
        test.read(junk, b"junk");
        let mut malformed = test.connect(PeerId::from([200; 16]));
        malformed.send_raw(&mut test, b"");
        test.connect(test.engine.node().id());

        let mut peer = test.add_peer(round + 1);
        let mut second = test.connect(peer.id);
        second.send(&mut test, 2, whisper("x"));
        match round % 3 {
            0 => second.send(&mut test, 3, Body::Goodbye),
            1 => second.send(&mut test, 7, Body::Ping),
            _ => test.engine.handle_closed(peer.from.at, "", test.now),
        }
        peer.to.exchange(&mut test);
        test.connect(PeerId::from([201; 16]));
        test.run(secs(11));
        test.told();
    }
    test.closed.clear();
    let four: Vec<_> = (0..4).map(|_| test.accept()).collect();
    assert_eq!(test.closed, []);
    test.accept();
    assert_eq!(test.closed, four[..1]);
    test.run(secs(11));
    assert_eq!(
        test.engine.poll_timeout().map(|at| at > test.now),
        Some(true)
    );
    test.engine.stop(test.now);
    test.drain();
    assert!(test.told().is_empty() || test.engine.is_stopped());
    assert_eq!(test.closed.len(), 5, "nothing else was open");
}

fn strangers_with_ever_new_identities_make_no_more_peers_than_the_limit<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| {
        limits.peers = 4;
        limits.unclaimed_links = 4;
    });
    let (mut links, mut opened) = (0, 0);
    for number in 10..100 {
        let mut stranger = test.connect(PeerId::from([number; 16]));
        stranger.send(&mut test, 1, hello(number));
        links += 1;
        if !test.wanted.is_empty() {
            test.answer_open();
            opened += 1;
        }
    }
    assert_eq!(test.engine.node().peers().count(), 4);
    assert_eq!(opened, 4);
    assert_eq!(test.closed.len(), links - 4);
}

/// The first frame of a message holds names, groups and headers. It has a limit of its own.
#[test]
fn somebody_without_a_session_cannot_make_a_node_hold_a_large_first_frame() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| {
        limits.header_frame = 1000;
        limits.unclaimed_links = 256;
    });
    let stranger = test.connect(PeerId::from([5; 16]));
    let mut head = vec![2];
    head.put_u64(100 << 20);
    test.read(stranger.at, &head);
    for _ in 0..64 {
        test.read(stranger.at, &[0; 16 << 10]);
    }
    assert!(stranger.is_closed(&test), "it has sent a MiB of one frame");
}

/// The head of a first frame of 900,000 bytes, and so many of them.
fn begin_of_a_large_hello(bytes: usize) -> Vec<u8> {
    let mut frame = vec![2];
    frame.put_u64(900_000);
    frame.resize(9 + bytes, 0);
    frame
}

#[test]
fn connections_without_a_session_hold_no_more_than_the_limit_together() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.unclaimed_bytes = 4 << 20);
    let mut peer = test.add_peer(1);
    let patient = test.connect(PeerId::from([5; 16]));
    test.read(patient.at, &begin_of_a_large_hello(100));
    let strangers: Vec<_> = (0..100)
        .map(|number| {
            let stranger = test.connect(PeerId::from([100 + number; 16]));
            test.read(stranger.at, &begin_of_a_large_hello(600_000));
            stranger.at
        })
        .collect();
    let left = strangers.iter().filter(|at| !test.closed.contains(at));
    assert!((4..=6).contains(&left.count()), "{:?}", test.closed);
    assert!(!patient.is_closed(&test), "it holds little");
    assert!(
        test.notices.iter().all(
            |notice| matches!(notice, Notice::UnclaimedBytes { limit, .. } if *limit == 4 << 20)
        )
    );

    // What is small comes through, and the session is not disturbed.
    let mut newcomer = test.connect(PeerId::from([6; 16]));
    newcomer.send(&mut test, 1, hello(6));
    test.answer_open();
    assert_eq!(test.told(), ["peer6 enters"]);
    peer.is_undisturbed(&mut test);

    // The room of those who are gone is there again.
    test.run(secs(11));
    test.closed.clear();
    for number in 0..4 {
        let stranger = test.connect(PeerId::from([200 + number; 16]));
        test.read(stranger.at, &begin_of_a_large_hello(600_000));
    }
    assert_eq!(test.closed, []);
}

#[test]
fn empty_frames_of_those_without_a_session_count_too() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.unclaimed_bytes = 1 << 20);
    let stranger = test.connect(PeerId::from([7; 16]));
    for sent in 0..1000 {
        // MORE and no byte.
        test.read(stranger.at, &[1, 0].repeat(60));
        if stranger.is_closed(&test) {
            assert!(sent > 100, "so little is no fault");
            return;
        }
    }
    panic!("60,000 frames are held");
}

fn what_a_peer_sends_in_its_session_does_not_count_for_those_without<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.unclaimed_bytes = 1 << 20);
    let mut peer = test.add_peer(1);
    let content = Content::from(vec![0; 5 << 20]);
    peer.say(&mut test, Body::Whisper { content });
    assert_eq!(test.closed, []);
    assert_eq!(test.told(), ["peer1 whispers 5242880 bytes"]);
    peer.is_undisturbed(&mut test);
}

#[test]
fn messages_without_an_end_hold_no_more_than_the_limit_together() {
    let mut test = SingleEngine::<Link>::with_limits(|limits| limits.unfinished_bytes = 2 << 20);
    let mut honest = test.add_peer(1);
    let patient = test.add_peer(2);
    test.read(patient.to.at, &begin_of_a_large_hello(100));
    for number in 3..10 {
        let peer = test.add_peer(number);
        test.read(peer.to.at, &begin_of_a_large_hello(600_000));
        let told = test.told();
        let exits = told.iter().filter(|line| line.contains(" exits: "));
        assert_eq!(exits.count(), usize::from(number > 4), "{number}: {told:?}");
        honest.is_undisturbed(&mut test);
    }
    assert!(
        test.engine.node().peer(patient.id).is_some(),
        "it holds little"
    );

    // What has ended no longer counts.
    for _ in 0..100 {
        let content = Content::from(vec![0; 100_000]);
        honest.say(&mut test, Body::Whisper { content });
        assert_eq!(test.told(), ["peer1 whispers 100000 bytes"]);
    }
}

/// A frame costs memory also if it has no bytes.
fn events_with_many_empty_frames_stop_reading_in_the_end<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.event_bytes = 1 << 20);
    let mut peer = test.add_peer(1);
    test.takes_events = false;
    for _ in 0..20 {
        let content: Content = (0..60_000).map(|_| Bytes::new()).collect();
        peer.say(&mut test, Body::Whisper { content });
        if test.engine.is_congested() {
            return;
        }
    }
    panic!("1,200,000 frames wait, and it still reads");
}

fn an_outbound_limit_may_be_as_high_as_can_be<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.outbound = usize::MAX);
    let mut peer = test.add_peer(1);
    peer.is_undisturbed(&mut test);
}

#[test]
fn a_connection_from_nobody_is_answered_by_a_greeting_only() {
    let mut test = SingleEngine::<Link>::new();
    let link = test.accept();
    assert_eq!(test.engine.write_buffer(link).unwrap().remaining(), 64);
    assert_eq!(test.told(), NOTHING);
}
