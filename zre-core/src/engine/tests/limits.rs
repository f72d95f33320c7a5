//! What strangers and peers can make a node hold.

use alloc::{vec, vec::Vec};

use bytes::{Buf as _, BufMut as _, Bytes};
use zre_proto::{Body, Content, PeerId};

use super::{
    net::{millis, secs},
    solo::{Solo, hello, whisper},
};
use crate::{error::LinkError, notice::Notice};

const NOTHING: [&str; 0] = [];

#[test]
fn an_accepted_connection_without_hello_is_closed_after_the_handshake_timeout() {
    let mut solo = Solo::new();
    let silent = solo.accept();
    let greets = solo.connect(PeerId::from([5; 16]));
    let mut strays = solo.connect(PeerId::from([6; 16]));
    solo.run(millis(5000));
    strays.send(&mut solo, 7, whisper("stray"));
    solo.run(millis(4999));
    assert_eq!(solo.closed, []);
    solo.run(millis(1));
    assert_eq!(solo.closed, [silent, greets.at, strays.at]);
    let timeouts = solo.notices.iter().filter(|notice| {
        matches!(
            notice,
            Notice::LinkClosed {
                error: LinkError::HandshakeTimeout,
                ..
            }
        )
    });
    assert_eq!(timeouts.count(), 3);
}

#[test]
fn a_connection_that_carries_a_session_is_not_closed_by_the_handshake_timeout() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    for _ in 0..25 {
        solo.run(secs(1));
        solo.beacon(puppet.id, &puppet.endpoint);
    }
    puppet.is_undisturbed(&mut solo);
}

#[test]
fn one_connection_too_many_closes_the_oldest_that_has_not_said_hello() {
    let mut solo = Solo::with_limits(|limits| limits.unclaimed_links = 3);
    let mut puppet = solo.puppet(1);
    let first = solo.accept();
    let second = solo.connect(PeerId::from([5; 16]));
    let third = solo.accept();
    assert_eq!(solo.closed, []);
    let fourth = solo.accept();
    assert_eq!(solo.closed, [first]);
    assert!(matches!(
        solo.notices[..],
        [Notice::LinkLimit { limit: 3, .. }]
    ));
    solo.accept();
    assert_eq!(solo.closed, [first, second.at]);
    solo.engine.handle_closed(third, "", solo.now);
    solo.engine.handle_closed(third, "", solo.now);
    solo.accept();
    assert_eq!(solo.closed.len(), 2, "one had gone by itself");
    solo.accept();
    assert_eq!(solo.closed.last(), Some(&fourth));
    puppet.is_undisturbed(&mut solo);
}

/// However connections end, the count of those without a session stays right.
#[test]
fn connections_that_come_and_go_in_every_way_leave_all_the_room_there_was() {
    let mut solo = Solo::with_limits(|limits| limits.unclaimed_links = 4);
    for round in 0..20_u8 {
        let gone = solo.accept();
        solo.engine.handle_closed(gone, "", solo.now);
        let junk = solo.accept();
        solo.read(junk, b"junk");
        let mut malformed = solo.connect(PeerId::from([200; 16]));
        malformed.send_raw(&mut solo, b"");
        solo.connect(solo.engine.id());

        let mut puppet = solo.puppet(round + 1);
        let mut second = solo.connect(puppet.id);
        second.send(&mut solo, 2, whisper("x"));
        match round % 3 {
            0 => second.send(&mut solo, 3, Body::Goodbye),
            1 => second.send(&mut solo, 7, Body::Ping),
            _ => solo.engine.handle_closed(puppet.from.at, "", solo.now),
        }
        puppet.to.exchange(&mut solo);
        solo.connect(PeerId::from([201; 16]));
        solo.run(secs(11));
        solo.told();
    }
    solo.closed.clear();
    let four: Vec<_> = (0..4).map(|_| solo.accept()).collect();
    assert_eq!(solo.closed, []);
    solo.accept();
    assert_eq!(solo.closed, four[..1]);
    solo.run(secs(11));
    assert_eq!(
        solo.engine.poll_timeout().map(|at| at > solo.now),
        Some(true)
    );
    solo.engine.stop(solo.now);
    solo.drain();
    assert!(solo.told().is_empty() || solo.engine.is_stopped());
    assert_eq!(solo.closed.len(), 5, "nothing else was open");
}

#[test]
fn strangers_with_ever_new_identities_make_no_more_peers_than_the_limit() {
    let mut solo = Solo::with_limits(|limits| {
        limits.peers = 4;
        limits.unclaimed_links = 4;
    });
    let mut links = 0;
    for number in 10..100 {
        let mut stranger = solo.connect(PeerId::from([number; 16]));
        stranger.send(&mut solo, 1, hello(number));
        links += 1;
    }
    assert_eq!(solo.engine.peers().count(), 4);
    assert_eq!(solo.wanted.len(), 4);
    assert_eq!(solo.closed.len(), links - 4 - 4);
}

/// The first frame of a message holds names, groups and headers; its limit is known before it has come.
#[test]
fn somebody_without_a_session_cannot_make_a_node_hold_a_large_first_frame() {
    let mut solo = Solo::with_limits(|limits| {
        limits.header_frame = 1000;
        limits.unclaimed_links = 256;
    });
    let stranger = solo.connect(PeerId::from([5; 16]));
    let mut head = vec![2];
    head.put_u64(100 << 20);
    solo.read(stranger.at, &head);
    for _ in 0..64 {
        solo.read(stranger.at, &[0; 16 << 10]);
    }
    assert!(stranger.is_closed(&solo), "it has sent a MiB of one frame");
}

/// The head of a first frame of 900,000 octets, and so many of them.
fn begin_of_a_large_hello(octets: usize) -> Vec<u8> {
    let mut frame = vec![2];
    frame.put_u64(900_000);
    frame.resize(9 + octets, 0);
    frame
}

#[test]
fn connections_without_a_session_hold_no_more_than_the_limit_together() {
    let mut solo = Solo::with_limits(|limits| limits.unclaimed_bytes = 4 << 20);
    let mut puppet = solo.puppet(1);
    let patient = solo.connect(PeerId::from([5; 16]));
    solo.read(patient.at, &begin_of_a_large_hello(100));
    let strangers: Vec<_> = (0..100)
        .map(|number| {
            let stranger = solo.connect(PeerId::from([100 + number; 16]));
            solo.read(stranger.at, &begin_of_a_large_hello(600_000));
            stranger.at
        })
        .collect();
    let left = strangers.iter().filter(|at| !solo.closed.contains(at));
    assert!((4..=6).contains(&left.count()), "{:?}", solo.closed);
    assert!(!patient.is_closed(&solo), "it holds little");
    assert!(
        solo.notices.iter().all(
            |notice| matches!(notice, Notice::UnclaimedBytes { limit, .. } if *limit == 4 << 20)
        )
    );

    // What is small comes through, and the session is not disturbed.
    let mut newcomer = solo.connect(PeerId::from([6; 16]));
    newcomer.send(&mut solo, 1, hello(6));
    assert_eq!(solo.told(), ["enter puppet6"]);
    puppet.is_undisturbed(&mut solo);

    // The room of those who are gone is there again.
    solo.run(secs(11));
    solo.closed.clear();
    for number in 0..4 {
        let stranger = solo.connect(PeerId::from([200 + number; 16]));
        solo.read(stranger.at, &begin_of_a_large_hello(600_000));
    }
    assert_eq!(solo.closed, []);
}

#[test]
fn empty_frames_of_those_without_a_session_count_too() {
    let mut solo = Solo::with_limits(|limits| limits.unclaimed_bytes = 1 << 20);
    let stranger = solo.connect(PeerId::from([7; 16]));
    for sent in 0..1000 {
        // MORE and no octet.
        solo.read(stranger.at, &[1, 0].repeat(60));
        if stranger.is_closed(&solo) {
            assert!(sent > 100, "so little is no fault");
            return;
        }
    }
    panic!("60,000 frames are held");
}

#[test]
fn what_a_peer_sends_in_its_session_does_not_count_for_those_without() {
    let mut solo = Solo::with_limits(|limits| limits.unclaimed_bytes = 1 << 20);
    let mut puppet = solo.puppet(1);
    let content = Content::from(vec![0; 5 << 20]);
    puppet.say(&mut solo, Body::Whisper { content });
    assert_eq!(solo.closed, []);
    assert_eq!(solo.told(), ["whisper puppet1 5242880 octets"]);
    puppet.is_undisturbed(&mut solo);
}

#[test]
fn messages_without_an_end_hold_no_more_than_the_limit_together() {
    let mut solo = Solo::with_limits(|limits| limits.unfinished_bytes = 2 << 20);
    let mut honest = solo.puppet(1);
    let patient = solo.puppet(2);
    solo.read(patient.to.at, &begin_of_a_large_hello(100));
    for number in 3..10 {
        let puppet = solo.puppet(number);
        solo.read(puppet.to.at, &begin_of_a_large_hello(600_000));
        let told = solo.told();
        let exits = told.iter().filter(|line| line.starts_with("exit"));
        assert_eq!(exits.count(), usize::from(number > 4), "{number}: {told:?}");
        honest.is_undisturbed(&mut solo);
    }
    assert!(solo.engine.peer(patient.id).is_some(), "it holds little");

    // What has ended no longer counts.
    for _ in 0..100 {
        let content = Content::from(vec![0; 100_000]);
        honest.say(&mut solo, Body::Whisper { content });
        assert_eq!(solo.told(), ["whisper puppet1 100000 octets"]);
    }
}

/// A frame costs memory also if it has no octets.
#[test]
fn events_with_many_empty_frames_stop_reading_in_the_end() {
    let mut solo = Solo::with_limits(|limits| limits.event_bytes = 1 << 20);
    let mut puppet = solo.puppet(1);
    solo.takes_events = false;
    for _ in 0..20 {
        let content: Content = (0..60_000).map(|_| Bytes::new()).collect();
        puppet.say(&mut solo, Body::Whisper { content });
        if solo.engine.is_congested() {
            return;
        }
    }
    panic!("1,200,000 frames wait, and it still reads");
}

#[test]
fn an_outbound_limit_may_be_as_high_as_can_be() {
    let mut solo = Solo::with_limits(|limits| limits.outbound = usize::MAX);
    let mut puppet = solo.puppet(1);
    puppet.is_undisturbed(&mut solo);
}

#[test]
fn a_connection_from_nobody_is_answered_by_a_greeting_only() {
    let mut solo = Solo::new();
    let link = solo.accept();
    assert_eq!(solo.engine.outbox(link).unwrap().remaining(), 64);
    assert_eq!(solo.told(), NOTHING);
}
