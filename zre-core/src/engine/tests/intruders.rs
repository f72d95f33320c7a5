//! Strangers, who know every identity on the network and may claim it.

use alloc::vec::Vec;

use zre_proto::{Body, PeerId, zmtp::Command};

use super::{
    net::{millis, secs},
    solo::{Far, Puppet, Solo, hello, whisper},
};
use crate::{
    error::{Fault, LinkError},
    notice::Notice,
};

const NOTHING: [&str; 0] = [];

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
        intrude(|stranger, solo| stranger.send_raw(solo, malformed));
    }
}

#[test]
fn messages_out_of_sequence_under_a_peers_identity_do_not_disturb_it() {
    for sequence in [0, 1, 3, 700, 65_535] {
        intrude(|stranger, solo| stranger.send(solo, sequence, whisper("I am puppet1")));
        intrude(|stranger, solo| stranger.send(solo, sequence, Body::Goodbye));
    }
}

#[test]
fn hello_out_of_sequence_under_a_peers_identity_does_not_disturb_it() {
    for sequence in [0, 2, 65_535] {
        intrude(|stranger, solo| stranger.send(solo, sequence, hello(1)));
    }
}

#[test]
fn hello_with_our_own_endpoint_under_a_peers_identity_does_not_disturb_it() {
    intrude(|stranger, solo| {
        let Body::Hello(mut hello) = hello(1) else {
            unreachable!("it is a HELLO")
        };
        hello.endpoint = solo.engine.node().endpoint().clone();
        stranger.send(solo, 1, Body::Hello(hello));
    });
}

#[test]
fn a_stranger_that_breaks_the_connection_or_lets_it_time_out_does_not_disturb_the_peer() {
    intrude(|stranger, solo| solo.read(stranger.at, &[0xFF; 50]));
    intrude(|stranger, solo| solo.engine.handle_closed(stranger.at, "reset", solo.now));
    intrude(|stranger, solo| {
        for _ in 0..11 {
            solo.run(secs(1));
            let endpoint = super::solo::endpoint(1);
            solo.beacon(PeerId::from([1; 16]), &endpoint);
        }
        assert!(stranger.is_closed(solo));
    });
}

#[test]
fn an_error_command_from_a_stranger_does_not_disturb_the_peer() {
    intrude(|stranger, solo| {
        let reason = "no".try_into().unwrap();
        let error = Command::Error { reason }.encode();
        let head = [4, u8::try_from(error.len()).unwrap()];
        solo.read(stranger.at, &[&head[..], &error].concat());
        assert!(stranger.is_closed(solo));
    });
}

#[test]
fn messages_before_hello_from_somebody_unknown_are_passed_over() {
    let mut solo = Solo::new();
    let mut stranger = solo.connect(PeerId::from([5; 16]));
    stranger.send(&mut solo, 1, whisper("hello?"));
    stranger.send(&mut solo, 2, Body::Ping);
    assert_eq!(solo.told(), NOTHING);
    assert!(matches!(
        solo.notices[..],
        [Notice::Stray { .. }, Notice::Stray { .. }]
    ));
    assert!(solo.wanted.is_empty());
}

#[test]
fn nobody_connects_under_our_own_identity() {
    let mut solo = Solo::new();
    let stranger = solo.connect(solo.engine.node().id());
    assert!(stranger.is_closed(&solo));
    assert!(solo.notices.iter().any(|notice| matches!(
        notice,
        Notice::LinkClosed {
            error: LinkError::OwnIdentity,
            ..
        }
    )));
    assert_eq!(solo.told(), NOTHING);
    assert!(solo.wanted.is_empty());
}

#[test]
fn junk_on_an_accepted_connection_closes_it_with_a_notice() {
    let mut solo = Solo::new();
    let link = solo.accept();
    solo.read(link, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(solo.closed, [link]);
    assert!(solo.engine.write_buffer(link).is_none());
    assert!(matches!(
        solo.notices[..],
        [Notice::LinkClosed {
            error: LinkError::Greeting(_),
            ..
        }]
    ));
    assert_eq!(solo.run(millis(900)), 0, "no timer is left behind");
}

#[test]
fn a_hello_with_another_number_than_1_from_somebody_unknown_is_refused() {
    let mut solo = Solo::new();
    let mut stranger = solo.connect(PeerId::from([5; 16]));
    stranger.send(&mut solo, 2, hello(5));
    assert!(stranger.is_closed(&solo));
    let refused = solo.notices.iter().any(|notice| {
        let fault = Fault::Sequence {
            expected: 1,
            received: 2,
        };
        matches!(notice, Notice::Refused { fault: told, .. } if *told == fault)
    });
    assert!(refused);
    assert_eq!(solo.told(), Vec::<&str>::new());
}

/// A stranger connects under the identity of a peer and does something; the peer must not notice.
fn intrude(deed: impl FnOnce(&mut Far, &mut Solo)) {
    let mut solo = Solo::new();
    let mut puppet: Puppet = solo.puppet(1);
    let mut stranger = solo.connect(puppet.id);
    deed(&mut stranger, &mut solo);
    puppet.is_undisturbed(&mut solo);
}
