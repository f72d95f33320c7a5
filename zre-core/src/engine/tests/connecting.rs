//! How connections to peers are made, tried again, and found to be gone.

use alloc::vec::Vec;

use bytes::Buf as _;
use zre_proto::PeerId;

use super::{
    net::{Net, millis, secs},
    solo::{Solo, endpoint, hello, whisper},
};
use crate::notice::Notice;

const NOTHING: [&str; 0] = [];

#[test]
fn a_refused_connection_is_tried_again_ever_more_slowly() {
    let mut solo = Solo::new();
    let began = solo.now;
    solo.beacon(PeerId::from([1; 16]), &endpoint(1));
    let mut delays = Vec::new();
    while solo.now.since(began) < secs(8) {
        let (link, to) = solo.wanted.pop_front().unwrap();
        assert_eq!(to, endpoint(1));
        let refused_at = solo.now;
        solo.engine.handle_closed(link, "refused", solo.now);
        while solo.wanted.is_empty() {
            solo.run(millis(1));
        }
        delays.push(solo.now.since(refused_at));
    }
    let doubled = [50, 100, 200, 400, 800, 1600, 2000, 2000];
    for (delay, expected) in delays.iter().zip(doubled) {
        let (least, most) = (millis(expected * 3 / 4), millis(expected * 5 / 4 + 1));
        assert!(
            (least..=most).contains(delay),
            "{delay:?} in place of {expected} ms"
        );
    }
    let exact = delays
        .iter()
        .zip(doubled)
        .filter(|(delay, expected)| **delay == millis(*expected));
    assert!(exact.count() < 3, "there is jitter in {delays:?}");
    let attempts = solo.notices.iter().filter_map(|notice| match notice {
        Notice::ConnectFailed { attempt, error, .. } if error == "refused" => Some(*attempt),
        _ => None,
    });
    assert!(attempts.eq(1..=u32::try_from(delays.len()).unwrap()));
}

#[test]
fn what_was_said_meanwhile_comes_in_order_when_a_connection_succeeds() {
    let mut net = Net::new();
    net.add("alice");
    net.add("bob");
    net.hosts[1].listens = false;
    net.run(millis(500));
    assert_eq!(net.told(0), ["enter bob"]);
    net.whisper(0, 1, "one");
    net.run(secs(2));
    net.whisper(0, 1, "two");
    net.join(0, "CHAT");
    net.hosts[1].listens = true;
    net.run(secs(3));
    let expected = [
        "enter alice",
        "whisper alice one",
        "whisper alice two",
        "join alice CHAT",
    ];
    assert_eq!(net.told(1), expected);
    assert_eq!(net.told(0), NOTHING);
}

#[test]
fn a_peer_whose_port_refuses_for_the_handshake_timeout_is_gone() {
    let mut solo = Solo::new();
    let id = PeerId::from([1; 16]);
    let mut to = solo.connect(id);
    to.send(&mut solo, 1, hello(1));
    assert_eq!(solo.told(), ["enter puppet1"]);
    let mut told = Vec::new();
    let mut gone_after = secs(0);
    while told.is_empty() && gone_after < secs(60) {
        if let Some((link, _)) = solo.wanted.pop_front() {
            solo.engine.handle_closed(link, "refused", solo.now);
        }
        solo.run(millis(100));
        gone_after += millis(100);
        told = solo.told();
        told.retain(|event| event.starts_with("exit"));
    }
    assert_eq!(told, ["exit puppet1: connection lost"]);
    let expected = millis(9_900)..=millis(12_600);
    assert!(expected.contains(&gone_after), "after {gone_after:?}");
    assert!(to.is_closed(&solo));
}

#[test]
fn a_connection_that_is_never_answered_is_given_up_and_closed() {
    let mut solo = Solo::new();
    solo.beacon(PeerId::from([1; 16]), &endpoint(1));
    let (link, _) = solo.wanted.pop_front().unwrap();
    solo.run(millis(9_999));
    assert_eq!(solo.closed, []);
    solo.run(millis(2));
    assert_eq!(solo.closed, [link]);
    assert!(solo.engine.write_buffer(link).is_none());
    assert!(solo.wanted.is_empty());

    solo.beacon(PeerId::from([1; 16]), &endpoint(1));
    assert_eq!(solo.wanted.len(), 1, "a new beacon begins anew");
}

#[test]
fn a_connection_without_a_handshake_is_given_up_and_closed() {
    let mut solo = Solo::new();
    solo.beacon(PeerId::from([1; 16]), &endpoint(1));
    let (link, _) = solo.wanted.pop_front().unwrap();
    solo.run(secs(5));
    solo.engine.handle_connected(link, solo.now);
    solo.run(secs(6));
    assert_eq!(solo.closed, [link]);
}

#[test]
fn a_peer_whose_process_died_is_gone_well_within_a_second() {
    let mut net = Net::of_two();
    net.run(secs(3));
    net.kill(1);
    net.run(millis(200));
    assert_eq!(net.told(0), ["exit bob: connection lost"]);
    assert_eq!(net.open_wires(), 0);
    net.run(secs(60));
    assert_eq!(net.told(0), NOTHING);
}

#[test]
fn what_a_dead_peer_sent_before_comes_before_its_exit() {
    let mut net = Net::of_two();
    net.run(secs(3));
    net.whisper(1, 0, "testament");
    net.wire(1, 0).ends[1].stalled = true;
    net.settle();
    net.kill(1);
    net.settle();
    net.run(millis(300));
    assert_eq!(net.told(0), NOTHING, "our own connection ended first");
    net.wire(1, 0).ends[1].stalled = false;
    net.run(millis(200));
    let expected = ["whisper bob testament", "exit bob: connection lost"];
    assert_eq!(net.told(0), expected);
}

#[test]
fn a_peer_that_only_lost_our_connection_to_it_is_gone_within_a_second() {
    let mut solo = Solo::new();
    let puppet = solo.puppet(1);
    solo.engine.handle_closed(puppet.from.at, "reset", solo.now);
    assert_eq!(solo.told(), NOTHING);
    let refused = solo.engine.whisper(puppet.id, "x".into(), solo.now);
    assert_eq!(refused, Err(crate::Error::UnknownPeer(puppet.id)));
    solo.run(millis(999));
    assert_eq!(solo.told(), ["exit puppet1: connection lost"]);
    assert!(puppet.to.is_closed(&solo));
}

#[test]
fn a_peer_that_lost_our_connection_to_it_is_gone_although_it_goes_on_talking() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    solo.engine.handle_closed(puppet.from.at, "reset", solo.now);
    for _ in 0..100 {
        if puppet.to.is_closed(&solo) {
            break;
        }
        puppet.sequence += 1;
        let body = whisper("still talking");
        puppet.to.send(&mut solo, puppet.sequence, body);
        solo.run(millis(400));
    }
    let told = solo.told();
    let last = told.last().unwrap();
    assert_eq!(last, "exit puppet1: connection lost", "40 s later");
}

#[test]
fn the_end_of_the_connection_from_a_peer_is_the_peers_end() {
    let mut solo = Solo::new();
    let puppet = solo.puppet(1);
    solo.engine.handle_closed(puppet.to.at, "", solo.now);
    let sent = solo.engine.whisper(puppet.id, "x".into(), solo.now);
    assert_eq!(sent, Err(crate::Error::UnknownPeer(puppet.id)));
    solo.run(millis(200));
    assert_eq!(solo.told(), ["exit puppet1: connection lost"]);
    assert_eq!(solo.closed, [puppet.from.at]);
}

/// A port that for a moment belonged to something else must not leave a peer that nobody can send to.
#[test]
fn a_peer_enters_only_if_it_can_be_sent_to() {
    let mut solo = Solo::new();
    let id = PeerId::from([1; 16]);
    solo.beacon(id, &endpoint(1));
    let (link, _) = solo.wanted.pop_front().unwrap();
    solo.engine.handle_connected(link, solo.now);
    solo.read(link, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert!(solo.closed.contains(&link));

    solo.run(secs(1));
    let mut to = solo.connect(id);
    to.send(&mut solo, 1, hello(1));
    solo.run(secs(3));
    if solo.told() != ["enter puppet1"] {
        return;
    }
    let sent = solo.engine.whisper(id, "hello".into(), solo.now);
    assert_eq!(sent, Ok(()));
    let (link, _) = solo.wanted.pop_front().expect("a connection to it");
    solo.engine.handle_connected(link, solo.now);
    assert!(solo.engine.write_buffer(link).unwrap().has_remaining());
}

/// libzmq connects again by itself, but what was sent before is gone: only our HELLO brings another.
#[test]
fn a_peer_whose_hello_was_lost_is_greeted_anew_in_the_end() {
    let mut solo = Solo::new();
    let id = PeerId::from([1; 16]);
    let mut to = solo.connect(id);
    solo.run(secs(1));
    solo.beacon(id, &endpoint(1));
    let mut from = solo.answer_open();
    assert_eq!(from.received.len(), 1, "HELLO");
    for _ in 0..120 {
        solo.run(secs(1));
        solo.beacon(id, &endpoint(1));
        from.exchange(&mut solo);
        if to.is_closed(&solo) {
            to = solo.connect(id);
        }
        if !solo.wanted.is_empty() {
            return;
        }
    }
    panic!("no other HELLO in two minutes");
}

#[test]
fn a_message_on_the_connection_that_only_sends_is_a_fault() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    puppet.from.send_raw(&mut solo, b"\xAA\xA1\x06\x02\0\x02");
    let expected = "exit puppet1: broke the protocol: a message on a connection that only sends";
    assert_eq!(solo.told(), [expected]);
    assert!(puppet.to.is_closed(&solo) && puppet.from.is_closed(&solo));
}
