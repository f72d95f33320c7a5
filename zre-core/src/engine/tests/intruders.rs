//! Strangers, who know every identity on the network and may claim it.

use alloc::vec::Vec;

use zre_proto::{Body, PeerId, zmtp::Command};

use super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{RemoteEnd, SingleEngine, hello, whisper},
};
use crate::{
    error::{Fault, LinkError},
    link::Link,
    notice::Notice,
};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    hello_with_our_own_endpoint_under_a_peers_identity_does_not_disturb_it,
    hello_out_of_sequence_under_a_peers_identity_does_not_disturb_it,
    messages_out_of_sequence_under_a_peers_identity_do_not_disturb_it,
    a_message_before_hello_from_somebody_unknown_closes_the_connection,
    nobody_connects_under_our_own_identity,
    a_hello_with_another_number_than_1_from_somebody_unknown_is_refused,
}

#[test]
fn malformed_messages_under_a_peers_identity_do_not_disturb_it() {
    for malformed in [
        &b""[..],
        b"\xAA",
        b"GET / HTTP/1.1",
        b"\xAA\xA1\x06\x03\0\x02",
        b"\xAA\xA1\x01\x02\0\x01\x03udp",
        b"\xAA\xA1\x04\x02\0\x02\x09CHAT",
    ] {
        intrude::<Link>(|stranger, test| stranger.send_raw(test, malformed));
    }
}

fn messages_out_of_sequence_under_a_peers_identity_do_not_disturb_it<C: Level>() {
    for sequence in [0, 1, 3, 700, 65_535] {
        intrude::<C>(|stranger, test| stranger.send(test, sequence, whisper("I am peer1")));
        intrude::<C>(|stranger, test| stranger.send(test, sequence, Body::Goodbye));
    }
}

fn hello_out_of_sequence_under_a_peers_identity_does_not_disturb_it<C: Level>() {
    for sequence in [0, 2, 65_535] {
        intrude::<C>(|stranger, test| stranger.send(test, sequence, hello(1)));
    }
}

fn hello_with_our_own_endpoint_under_a_peers_identity_does_not_disturb_it<C: Level>() {
    intrude::<C>(|stranger, test| {
        let Body::Hello(mut hello) = hello(1) else {
            unreachable!("it is a HELLO")
        };
        hello.endpoint = test.engine.node().endpoint().clone();
        stranger.send(test, 1, Body::Hello(hello));
    });
}

#[test]
fn a_stranger_that_breaks_the_connection_or_lets_it_time_out_does_not_disturb_the_peer() {
    intrude::<Link>(|stranger, test| test.read(stranger.at, &[0xFF; 50]));
    intrude::<Link>(|stranger, test| test.engine.handle_closed(stranger.at, "reset", test.now));
    intrude::<Link>(|stranger, test| {
        for _ in 0..11 {
            test.run(secs(1));
            let endpoint = super::single_engine::endpoint(1);
            test.beacon(PeerId::from([1; 16]), &endpoint);
        }
        assert!(stranger.is_closed(test));
    });
}

#[test]
fn an_error_command_from_a_stranger_does_not_disturb_the_peer() {
    intrude::<Link>(|stranger, test| {
        let reason = "no".try_into().unwrap();
        let error = Command::Error { reason }.encode();
        let head = [4, u8::try_from(error.len()).unwrap()];
        test.read(stranger.at, &[&head[..], &error].concat());
        assert!(stranger.is_closed(test));
    });
}

fn a_message_before_hello_from_somebody_unknown_closes_the_connection<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut stranger = test.connect(PeerId::from([5; 16]));
    stranger.send(&mut test, 1, whisper("hello?"));
    assert!(stranger.is_closed(&test));
    assert_eq!(test.told(), NOTHING);
    assert!(matches!(test.notices[..], [Notice::Stray { .. }]));
    assert!(test.wanted.is_empty());
}

fn nobody_connects_under_our_own_identity<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let stranger = test.connect(test.engine.node().id());
    assert!(stranger.is_closed(&test));
    assert!(test.notices.iter().any(|notice| matches!(
        notice,
        Notice::LinkClosed {
            error: LinkError::OwnIdentity,
            ..
        }
    )));
    assert_eq!(test.told(), NOTHING);
    assert!(test.wanted.is_empty());
}

#[test]
fn junk_on_an_accepted_connection_closes_it_with_a_notice() {
    let mut test = SingleEngine::<Link>::new();
    let link = test.accept();
    test.read(link, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(test.closed, [link]);
    assert!(test.engine.write_buffer(link).is_none());
    assert!(matches!(
        test.notices[..],
        [Notice::LinkClosed {
            error: LinkError::Greeting(_),
            ..
        }]
    ));
    assert_eq!(test.run(millis(900)), 0, "no timer is left behind");
}

fn a_hello_with_another_number_than_1_from_somebody_unknown_is_refused<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut stranger = test.connect(PeerId::from([5; 16]));
    stranger.send(&mut test, 2, hello(5));
    assert!(stranger.is_closed(&test));
    let refused = test.notices.iter().any(|notice| {
        let fault = Fault::Sequence {
            expected: 1,
            received: 2,
        };
        matches!(notice, Notice::Refused { fault: told, .. } if *told == fault)
    });
    assert!(refused);
    assert_eq!(test.told(), Vec::<&str>::new());
}

/// A stranger connects under the identity of a peer and does something; the peer must not notice.
fn intrude<C: Level>(deed: impl FnOnce(&mut RemoteEnd<C>, &mut SingleEngine<C>)) {
    let mut test = SingleEngine::new();
    let mut peer = test.add_peer(1);
    let mut stranger = test.connect(peer.id);
    deed(&mut stranger, &mut test);
    peer.is_undisturbed(&mut test);
}
