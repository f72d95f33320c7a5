//! How a node ends.

use alloc::vec;

use bytes::{Buf as _, Bytes};

use super::{
    net::{Net, group, millis, secs},
    solo::{Solo, endpoint, hello, whisper},
};
use crate::{error::Error, event::Event};

const NOTHING: [&str; 0] = [];

#[test]
fn stopping_waits_until_peers_have_taken_what_was_sent() {
    let mut net = Net::of_two();
    net.capacity = 1000;
    net.wire(0, 1).ends[1].stalled = true;
    let (bob, now) = (net.id(1), net.now);
    let large = Bytes::from(vec![1; 100_000]);
    net.engine(0).whisper(bob, large.into(), now).unwrap();
    net.whisper(0, 1, "last words");
    net.stop(0);
    net.run(secs(3));
    assert_eq!(net.told(0), NOTHING);
    assert!(!net.engine(0).is_stopped());

    net.wire(0, 1).ends[1].stalled = false;
    net.settle();
    assert!(net.engine(0).is_stopped(), "without any time passing");
    assert_eq!(net.told(0), ["stop"]);
    net.run(millis(200));
    let expected = [
        "whisper alice 100000 octets",
        "whisper alice last words",
        "exit alice: said goodbye",
    ];
    assert_eq!(net.told(1), expected);
}

#[test]
fn stopping_lingers_no_longer_than_it_should_for_a_peer_that_does_not_read() {
    let mut net = Net::of_two();
    net.capacity = 1000;
    net.wire(0, 1).ends[1].stalled = true;
    let (bob, now) = (net.id(1), net.now);
    let large = Bytes::from(vec![1; 100_000]);
    net.engine(0).whisper(bob, large.into(), now).unwrap();
    net.stop(0);
    net.run(millis(4999));
    assert!(!net.engine(0).is_stopped());
    net.run(millis(1));
    assert!(net.engine(0).is_stopped());
    assert_eq!(net.told(0), ["stop"]);
    assert_eq!(net.engine(0).poll_timeout(), None);
    net.wire(0, 1).ends[1].stalled = false;
    net.run(millis(600));
    assert_eq!(net.told(1), ["exit alice: said goodbye"]);
    assert_eq!(net.open_wires(), 0);
}

#[test]
fn stopping_does_not_wait_for_a_peer_that_never_presented_itself() {
    let mut solo = Solo::new();
    solo.beacon([1; 16].into(), &endpoint(1));
    let (link, _) = solo.wanted.pop_front().unwrap();
    solo.engine.stop(solo.now);
    assert_eq!(solo.told(), ["stop"]);
    assert_eq!(solo.closed, [link]);
}

#[test]
fn a_peer_that_goes_while_stopping_waits_for_it_ends_the_wait() {
    let mut net = Net::of_two();
    net.wire(0, 1).ends[1].stalled = true;
    net.capacity = 10;
    net.whisper(0, 1, "never read");
    net.stop(0);
    net.settle();
    assert!(!net.engine(0).is_stopped());
    net.kill(1);
    net.settle();
    assert!(net.engine(0).is_stopped());
    assert_eq!(net.told(0).last().unwrap(), "stop");
}

#[test]
fn a_node_that_stops_refuses_commands_and_says_so_once() {
    let mut net = Net::of_two();
    let (bob, now) = (net.id(1), net.now);
    let chat = group("CHAT");
    let engine = net.engine(0);
    engine.stop(now);
    engine.stop(now);
    assert_eq!(engine.whisper(bob, "x".into(), now), Err(Error::Stopped));
    assert_eq!(engine.shout(&chat, "x".into(), now), Err(Error::Stopped));
    assert_eq!(engine.join(&chat, now), Err(Error::Stopped));
    assert_eq!(engine.leave(&chat, now), Err(Error::Stopped));
    assert_eq!(engine.ping(bob, now), Err(Error::Stopped));
    net.run(secs(60));
    net.stop(0);
    net.run(secs(1));
    assert_eq!(net.told(0), ["stop"]);
    assert_eq!(net.told(1), ["exit alice: said goodbye"]);
}

#[test]
fn what_happens_after_the_end_changes_nothing_and_leaves_nothing_open() {
    let mut solo = Solo::new();
    let mut puppet = solo.puppet(1);
    solo.engine.stop(solo.now);
    assert_eq!(solo.told(), ["stop"]);
    assert!(puppet.to.is_closed(&solo) && puppet.from.is_closed(&solo));

    puppet.to.send(&mut solo, 2, whisper("too late"));
    solo.engine.handle_closed(puppet.from.at, "", solo.now);
    solo.beacon([2; 16].into(), &endpoint(2));
    let mut late = solo.connect([3; 16].into());
    late.send(&mut solo, 1, hello(3));
    assert!(late.is_closed(&solo));
    assert_eq!(solo.told(), NOTHING);
    assert!(solo.wanted.is_empty());
    assert_eq!(solo.engine.poll_timeout(), None);
}

#[test]
fn a_connection_that_is_not_there_yet_is_closed_with_the_others() {
    let mut solo = Solo::new();
    let accepted = solo.accept();
    solo.beacon([1; 16].into(), &endpoint(1));
    let (opening, _) = solo.wanted.pop_front().unwrap();
    solo.engine.stop(solo.now);
    solo.drain();
    solo.closed.sort();
    assert_eq!(solo.closed, [accepted, opening]);
    assert!(solo.engine.write_buffer(accepted).is_none());
}

#[test]
fn the_last_beacon_goes_out_before_the_connections_close() {
    let mut net = Net::of_two();
    net.stop(0);
    let mut outputs = alloc::vec::Vec::new();
    while let Some(output) = net.engine(0).poll_output() {
        outputs.push(output);
    }
    let [super::super::Output::Datagram(beacon), rest @ ..] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(beacon.slice(20..).get_u16(), 0);
    assert_eq!(rest.len(), 2);
    assert_eq!(net.engine(0).poll_event(), Some(Event::Stop));
}
