//! Connections that claim an identity which another connection already carries.

use bytes::Bytes;
use zre_proto::{Body, PeerId};

use super::{
    level::{Level, at_both_levels},
    network::secs,
    single_engine::{SingleEngine, hello, whisper},
};
use crate::link::Link;

const NOTHING: [&str; 0] = [];

at_both_levels! {
    a_second_connection_takes_over_with_the_next_sequence_number,
    a_second_connection_with_hello_begins_a_new_session,
    a_second_connection_that_only_greets_is_closed_in_the_end_and_changes_nothing,
    a_hello_that_a_younger_connection_has_overtaken_begins_nothing,
    hello_twice_on_one_connection_is_a_fault,
    a_gap_in_the_sequence_is_a_fault,
}

fn a_second_connection_takes_over_with_the_next_sequence_number<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    peer.say(&mut test, whisper("two"));
    let mut second = test.connect(peer.id);
    assert!(!peer.to.is_closed(&test), "the handshake is not enough");
    second.send(&mut test, 3, whisper("three"));
    let expected = ["peer1 whispers two", "peer1 whispers three"];
    assert_eq!(test.told(), expected);
    assert!(peer.to.is_closed(&test));

    let first = core::mem::replace(&mut peer.to, second);
    peer.sequence = 3;
    peer.is_undisturbed(&mut test);
    test.engine.handle_closed(first.at, "", test.now);
    peer.is_undisturbed(&mut test);
}

fn a_second_connection_with_hello_begins_a_new_session<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    let mut second = test.connect(peer.id);
    second.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), ["peer1 exits: restarted", "peer1 enters"]);
    assert!(peer.to.is_closed(&test) && peer.from.is_closed(&test));

    peer.from = test.answer_open();
    peer.to = second;
    peer.sequence = 1;
    assert!(matches!(peer.from.received[0].body, Body::Hello(_)));
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
