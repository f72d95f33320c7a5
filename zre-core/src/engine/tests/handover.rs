//! Connections that claim an identity which another connection already carries.

use bytes::Bytes;
use zre_proto::{Body, PeerId};

use super::{
    net::secs,
    solo::{Solo, hello, whisper},
};

const NOTHING: [&str; 0] = [];

#[test]
fn a_second_connection_takes_over_with_the_next_sequence_number() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    puppet.say(&mut solo, whisper("two"));
    let mut second = solo.connect(puppet.id);
    assert!(!puppet.to.is_closed(&solo), "the handshake is not enough");
    second.send(&mut solo, 3, whisper("three"));
    let expected = ["whisper puppet1 two", "whisper puppet1 three"];
    assert_eq!(solo.told(), expected);
    assert!(puppet.to.is_closed(&solo));

    let first = core::mem::replace(&mut puppet.to, second);
    puppet.sequence = 3;
    puppet.is_undisturbed(&mut solo);
    solo.engine.handle_closed(first.at, "", solo.now);
    puppet.is_undisturbed(&mut solo);
}

#[test]
fn a_second_connection_with_hello_is_a_new_life() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    let mut second = solo.connect(puppet.id);
    second.send(&mut solo, 1, hello(1));
    assert_eq!(solo.told(), ["exit puppet1: restarted", "enter puppet1"]);
    assert!(puppet.to.is_closed(&solo) && puppet.from.is_closed(&solo));

    puppet.from = solo.answer_open();
    puppet.to = second;
    puppet.sequence = 1;
    assert!(matches!(puppet.from.received[0].body, Body::Hello(_)));
    puppet.is_undisturbed(&mut solo);
}

#[test]
fn a_second_connection_that_only_greets_is_closed_in_the_end_and_changes_nothing() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    let second = solo.connect(puppet.id);
    solo.beacon(puppet.id, &puppet.endpoint);
    solo.run(secs(4));
    solo.beacon(puppet.id, &puppet.endpoint);
    solo.run(secs(4));
    solo.beacon(puppet.id, &puppet.endpoint);
    solo.run(secs(3));
    assert!(second.is_closed(&solo));
    puppet.is_undisturbed(&mut solo);
}

#[test]
fn a_hello_that_a_younger_connection_has_overtaken_begins_nothing() {
    let mut solo = Solo::new();
    let mut late = solo.connect(PeerId::from([1; 16]));
    let mut puppet = solo.puppet(1);
    late.send(&mut solo, 1, hello(1));
    assert_eq!(solo.told(), NOTHING);
    assert!(late.is_closed(&solo));
    puppet.is_undisturbed(&mut solo);
}

#[test]
fn hello_twice_on_one_connection_is_a_fault() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    puppet.to.send(&mut solo, 1, hello(1));
    let expected = "exit puppet1: broke the protocol: sequence number 1, expected 2";
    assert_eq!(solo.told(), [expected]);
    assert!(puppet.to.is_closed(&solo) && puppet.from.is_closed(&solo));
}

#[test]
fn a_gap_in_the_sequence_is_a_fault() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    puppet.to.send(&mut solo, 3, whisper("three"));
    let expected = "exit puppet1: broke the protocol: sequence number 3, expected 2";
    assert_eq!(solo.told(), [expected]);
    assert!(puppet.to.is_closed(&solo) && puppet.from.is_closed(&solo));
}

#[test]
fn a_malformed_message_of_a_peer_is_a_fault() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    puppet
        .to
        .send_raw(&mut solo, b"\xAA\xA1\x04\x02\0\x02\x09CHAT");
    let expected = "exit puppet1: broke the protocol: group needs 9 bytes, 4 are left";
    assert_eq!(solo.told(), [expected]);
    assert!(puppet.to.is_closed(&solo) && puppet.from.is_closed(&solo));
}

#[test]
fn a_malformed_hello_does_not_repeat_every_second() {
    let mut solo = Solo::new();
    let id = PeerId::from([1; 16]);
    let endpoint = super::solo::endpoint(1);
    for _ in 0..29 {
        solo.beacon(id, &endpoint);
        if !solo.wanted.is_empty() {
            let from = solo.answer_open();
            assert_eq!(from.received.len(), 1, "HELLO");
            let mut to = solo.connect(id);
            to.send_raw(&mut solo, b"\xAA\xA1\x01\x02\0\x01\x03udp");
            assert!(to.is_closed(&solo));
            assert!(!from.is_closed(&solo));
        }
        solo.run(secs(1));
    }
    assert_eq!(solo.told(), NOTHING);
    // One connection for the peer, one from it.
    assert_eq!(solo.closed.len(), 1, "{:?}", solo.closed);
}

#[test]
fn what_one_connection_left_unread_does_not_reach_another() {
    let mut solo = Solo::new();
    let closed = solo.accept();
    solo.engine.handle_closed(closed, "", solo.now);
    solo.read(closed, b"octets that were on their way");
    let mut puppet = solo.puppet(1);
    solo.read(closed, &Bytes::from_static(&[4; 100]));
    puppet.is_undisturbed(&mut solo);
}
