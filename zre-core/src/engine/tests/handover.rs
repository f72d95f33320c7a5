//! Connections that claim an identity which another connection already carries.

use alloc::vec;

use bytes::Bytes;
use zre_proto::{Body, PeerId};

use super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{FakePeer, RemoteEnd, SingleEngine, hello, whisper},
};
use crate::{link::Link, notice::Notice};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    a_second_connection_goes_on_with_the_sequence_if_the_first_does_not_answer,
    a_second_connection_goes_on_with_the_sequence_when_the_first_ends,
    a_second_connection_with_hello_begins_a_new_session_if_the_first_does_not_answer,
    a_second_connection_with_hello_begins_a_new_session_when_the_first_ends,
    a_second_connection_is_closed_if_the_peer_answers_over_the_first,
    a_second_connection_is_hardly_read_before_it_is_known_whose_it_is,
    a_second_connection_that_ends_before_it_is_known_whose_it_is_changes_nothing,
    a_second_connection_that_does_not_fit_is_closed_at_once,
    of_two_newcomers_the_one_from_the_peers_host_comes_first,
    more_newcomers_than_places_close_the_oldest,
    a_second_connection_that_only_greets_is_closed_in_the_end_and_changes_nothing,
    a_hello_that_a_younger_connection_has_overtaken_begins_nothing,
    hello_twice_on_one_connection_is_a_fault,
    a_gap_in_the_sequence_is_a_fault,
}

fn a_second_connection_goes_on_with_the_sequence_if_the_first_does_not_answer<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    peer.say(&mut test, whisper("two"));
    let mut second = test.connect(peer.id);
    second.send(&mut test, 3, whisper("three"));
    assert_eq!(test.told(), ["peer1 whispers two"]);
    test.write_all(peer.from.at);
    test.run(millis(4999));
    assert!(!peer.to.is_closed(&test) && !second.is_closed(&test));
    test.run(millis(1));
    assert_eq!(test.told(), ["peer1 whispers three"]);
    assert!(peer.to.is_closed(&test));

    let first = core::mem::replace(&mut peer.to, second);
    peer.sequence = 3;
    peer.say(&mut test, Body::PingOk);
    peer.is_undisturbed(&mut test);
    test.engine.handle_closed(first.at, "", test.now);
    test.run(secs(2));
    peer.is_undisturbed(&mut test);
}

fn a_second_connection_goes_on_with_the_sequence_when_the_first_ends<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    let mut second = test.connect(peer.id);
    second.send(&mut test, 2, whisper("two"));
    assert_eq!(test.told(), NOTHING);
    test.engine.handle_closed(peer.to.at, "reset", test.now);
    assert_eq!(test.told(), ["peer1 whispers two"]);
    assert!(!peer.from.is_closed(&test), "the session goes on");
    peer.to = second;
    peer.sequence = 2;
    peer.say(&mut test, Body::PingOk);
    peer.is_undisturbed(&mut test);
}

fn a_second_connection_with_hello_begins_a_new_session_if_the_first_does_not_answer<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    let mut second = test.connect(peer.id);
    second.send(&mut test, 1, hello(1));
    test.write_all(peer.from.at);
    test.run(millis(4999));
    assert_eq!(test.told(), NOTHING);
    test.run(millis(1));
    assert_eq!(test.told(), ["peer1 exits: restarted"]);
    assert!(peer.to.is_closed(&test) && peer.from.is_closed(&test));
    is_in_a_new_session(test, peer, second);
}

fn a_second_connection_with_hello_begins_a_new_session_when_the_first_ends<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    let mut second = test.connect(peer.id);
    second.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), NOTHING);
    test.engine.handle_closed(peer.to.at, "reset", test.now);
    assert_eq!(test.told(), ["peer1 exits: restarted"]);
    is_in_a_new_session(test, peer, second);
}

/// Its HELLO has been taken, and our connection to it is awaited.
fn is_in_a_new_session<C: Level>(
    mut test: SingleEngine<C>,
    mut peer: FakePeer<C>,
    to: RemoteEnd<C>,
) {
    peer.from = test.answer_open();
    assert_eq!(test.told(), ["peer1 enters"]);
    peer.to = to;
    peer.sequence = 1;
    assert!(matches!(peer.from.received[0].body, Body::Hello(_)));
    peer.is_undisturbed(&mut test);
}

fn a_second_connection_is_closed_if_the_peer_answers_over_the_first<C: Level>() {
    for body in [hello(1), whisper("I am peer1"), Body::Goodbye, Body::PingOk] {
        let mut test = SingleEngine::<C>::new();
        let mut peer = test.add_peer(1);
        let mut second = test.connect(peer.id);
        let sequence = match body {
            Body::Hello(_) => 1,
            _ => 2,
        };
        second.send(&mut test, sequence, body);
        peer.from.exchange(&mut test);
        assert_eq!(peer.from.received.last().unwrap().body, Body::Ping);
        peer.say(&mut test, Body::PingOk);
        assert!(second.is_closed(&test));
        let is_told = |notice: &Notice| matches!(notice, Notice::IdentityInUse { .. });
        assert!(test.notices.iter().any(is_told));
        peer.is_undisturbed(&mut test);
    }
}

fn a_second_connection_that_ends_before_it_is_known_whose_it_is_changes_nothing<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    let mut second = test.connect(peer.id);
    second.send(&mut test, 1, hello(1));
    assert!(test.engine.may_read(second.at), "to see its end");
    test.engine.handle_closed(second.at, "reset", test.now);
    peer.say(&mut test, Body::PingOk);
    peer.is_undisturbed(&mut test);
}

fn a_second_connection_is_hardly_read_before_it_is_known_whose_it_is<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    let mut second = test.connect(peer.id);
    assert!(test.engine.may_read(second.at));
    let large = Bytes::from(vec![1; 10_000]);
    for number in 2..10 {
        let content = large.clone().into();
        second.queue(number, Body::Whisper { content });
    }
    second.exchange(&mut test);
    assert!(!test.engine.may_read(second.at) && test.engine.may_read(peer.to.at));
    assert_eq!(test.told(), NOTHING);
    test.engine.handle_closed(peer.to.at, "reset", test.now);
    second.exchange(&mut test);
    assert_eq!(test.told(), ["peer1 whispers 10000 bytes"; 8]);
    assert!(test.engine.may_read(second.at));
    peer.to = second;
    peer.sequence = 9;
    peer.say(&mut test, Body::PingOk);
    peer.is_undisturbed(&mut test);
}

fn a_second_connection_that_does_not_fit_is_closed_at_once<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    for sequence in (0..=65_535).filter(|sequence| *sequence != 2).step_by(111) {
        let mut second = test.connect(peer.id);
        second.send(&mut test, sequence, whisper("I am peer1"));
        assert!(second.is_closed(&test), "{sequence}");
    }
    peer.from.exchange(&mut test);
    let pings = peer.from.received.iter();
    assert_eq!(pings.filter(|it| it.body == Body::Ping).count(), 1);
    peer.say(&mut test, Body::PingOk);
    peer.is_undisturbed(&mut test);
}

/// A stranger on another host cannot connect from there.
fn of_two_newcomers_the_one_from_the_peers_host_comes_first<C: Level>() {
    for own_first in [true, false] {
        let mut test = SingleEngine::<C>::new();
        let peer = test.add_peer(1);
        let own = |test: &mut SingleEngine<C>| {
            let mut own = test.connect_from("10.0.1.1:6666", peer.id);
            own.send(test, 2, whisper("from its host"));
            own
        };
        let first = own_first.then(|| own(&mut test));
        let mut stranger = test.connect(peer.id);
        stranger.send(&mut test, 2, whisper("from elsewhere"));
        let own = first.unwrap_or_else(|| own(&mut test));
        test.engine.handle_closed(peer.to.at, "reset", test.now);
        assert_eq!(test.told(), ["peer1 whispers from its host"]);
        assert!(!own.is_closed(&test));
    }
}

fn more_newcomers_than_places_close_the_oldest<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    let mut own = test.connect_from("10.0.1.1:6666", peer.id);
    own.send(&mut test, 2, whisper("from its host"));
    for _ in 0..20 {
        let mut stranger = test.connect(peer.id);
        stranger.send(&mut test, 2, whisper("from elsewhere"));
    }
    assert_eq!(test.closed.len(), 17);
    assert!(!own.is_closed(&test));
    peer.say(&mut test, Body::PingOk);
    assert_eq!(test.closed.len(), 21);
    peer.is_undisturbed(&mut test);
}

fn a_second_connection_that_only_greets_is_closed_in_the_end_and_changes_nothing<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    let second = test.connect(peer.id);
    test.beacon(peer.id, &peer.endpoint);
    test.run(secs(4));
    test.beacon(peer.id, &peer.endpoint);
    test.run(secs(4));
    test.beacon(peer.id, &peer.endpoint);
    test.run(secs(3));
    assert!(second.is_closed(&test));
    peer.is_undisturbed(&mut test);
}

fn a_hello_that_a_younger_connection_has_overtaken_begins_nothing<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut late = test.connect(PeerId::from([1; 16]));
    let mut peer = test.add_peer(1);
    late.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), NOTHING);
    assert!(late.is_closed(&test));
    peer.is_undisturbed(&mut test);
}

fn hello_twice_on_one_connection_is_a_fault<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    peer.to.send(&mut test, 1, hello(1));
    let expected = "peer1 exits: broke the protocol: sequence number 1, expected 2";
    assert_eq!(test.told(), [expected]);
    assert!(peer.to.is_closed(&test) && peer.from.is_closed(&test));
}

fn a_gap_in_the_sequence_is_a_fault<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    peer.to.send(&mut test, 3, whisper("three"));
    let expected = "peer1 exits: broke the protocol: sequence number 3, expected 2";
    assert_eq!(test.told(), [expected]);
    assert!(peer.to.is_closed(&test) && peer.from.is_closed(&test));
}

#[test]
fn a_malformed_message_of_a_peer_is_a_fault() {
    let mut test = SingleEngine::<Link>::new();
    let mut peer = test.add_peer(1);
    peer.to
        .send_raw(&mut test, b"\xAA\xA1\x04\x02\0\x02\x09CHAT");
    let expected = "peer1 exits: broke the protocol: group needs 9 bytes, 4 are left";
    assert_eq!(test.told(), [expected]);
    assert!(peer.to.is_closed(&test) && peer.from.is_closed(&test));
}

#[test]
fn a_malformed_hello_does_not_repeat_every_second() {
    let mut test = SingleEngine::<Link>::new();
    let id = PeerId::from([1; 16]);
    let endpoint = super::single_engine::endpoint(1);
    for _ in 0..29 {
        test.beacon(id, &endpoint);
        if !test.wanted.is_empty() {
            let from = test.answer_open();
            assert_eq!(from.received.len(), 1, "HELLO");
            let mut to = test.connect(id);
            to.send_raw(&mut test, b"\xAA\xA1\x01\x02\0\x01\x03udp");
            assert!(to.is_closed(&test));
            assert!(!from.is_closed(&test));
        }
        test.run(secs(1));
    }
    assert_eq!(test.told(), NOTHING);
    // One connection for the peer, one from it.
    assert_eq!(test.closed.len(), 1, "{:?}", test.closed);
}

#[test]
fn what_one_connection_left_unread_does_not_reach_another() {
    let mut test = SingleEngine::<Link>::new();
    let closed = test.accept();
    test.engine.handle_closed(closed, "", test.now);
    test.read(closed, b"bytes that were on their way");
    let mut peer = test.add_peer(1);
    test.read(closed, &Bytes::from_static(&[4; 100]));
    peer.is_undisturbed(&mut test);
}
