//! How connections to peers are made, tried again, and found to be gone.

use alloc::vec::Vec;

use bytes::Buf as _;
use zre_proto::PeerId;

use super::{
    level::{Level, at_both_levels},
    network::{Network, millis, secs},
    single_engine::{SingleEngine, endpoint, hello, whisper},
};
use crate::{link::Link, notice::Notice};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    a_connection_that_is_never_answered_is_given_up_and_closed,
    a_refused_connection_to_a_peer_is_tried_again_ever_more_slowly,
    what_was_said_meanwhile_comes_in_order_when_a_connection_succeeds,
    a_peer_that_beacons_alone_is_tried_three_times_in_half_a_minute,
    a_peer_that_could_not_be_reached_is_tried_again_when_it_says_hello,
    a_peer_whose_port_refuses_three_times_does_not_enter,
    a_connection_without_a_handshake_is_given_up_and_closed,
    a_peer_whose_process_died_is_gone_well_within_a_second,
    what_a_dead_peer_sent_before_comes_before_its_exit,
    a_peer_that_only_lost_our_connection_to_it_is_gone_within_a_second,
    a_peer_that_lost_our_connection_to_it_is_gone_although_it_goes_on_talking,
    the_end_of_the_connection_from_a_peer_ends_its_session,
    a_peer_whose_hello_was_lost_is_greeted_anew_in_the_end,
}

/// Its session began anew, and our connection to it cannot be made any more.
fn a_refused_connection_to_a_peer_is_tried_again_ever_more_slowly<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let began = test.now;
    let peer = test.add_peer(1);
    let mut to = test.connect(peer.id);
    to.send(&mut test, 1, hello(1));
    test.engine.handle_closed(peer.to.at, "", test.now);
    test.drain();
    test.answer_open();
    // It seems to reply to our HELLO but does not answer, so it is greeted once more.
    test.engine.handle_closed(to.at, "", test.now);
    let mut to = test.connect(peer.id);
    to.send(&mut test, 1, hello(1));
    test.run(millis(250));
    let mut delays = Vec::new();
    test.notices.clear();
    while test.now.since(began) < secs(8) {
        let (link, to) = test.wanted.pop_front().unwrap();
        assert_eq!(to, endpoint(1));
        let refused_at = test.now;
        test.engine.handle_closed(link, "refused", test.now);
        while test.wanted.is_empty() {
            test.run(millis(1));
        }
        delays.push(test.now.since(refused_at));
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
    let attempts = test.notices.iter().filter_map(|notice| match notice {
        Notice::ConnectFailed { attempt, error, .. } if error == "refused" => Some(*attempt),
        _ => None,
    });
    assert!(attempts.eq(1..=u32::try_from(delays.len()).unwrap()));
}

fn what_was_said_meanwhile_comes_in_order_when_a_connection_succeeds<C: Level>() {
    let mut net = Network::<C>::new();
    net.add("alice");
    net.add("bob");
    net.hosts[1].listens = false;
    net.run(millis(500));
    net.join(0, "CHAT");
    assert_eq!(net.told(0), NOTHING, "bob cannot be reached");
    net.hosts[1].listens = true;
    net.run(secs(3));
    assert_eq!(net.told(0), ["bob enters"]);
    net.whisper(0, 1, "one");
    net.settle();
    let expected = ["alice enters", "alice joins CHAT", "alice whispers one"];
    assert_eq!(net.told(1), expected);
}

fn a_peer_that_beacons_alone_is_tried_three_times_in_half_a_minute<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut attempts = 0;
    for _ in 0..29 {
        test.beacon(PeerId::from([1; 16]), &endpoint(1));
        for _ in 0..10 {
            if let Some((link, _)) = test.wanted.pop_front() {
                test.engine.handle_closed(link, "refused", test.now);
                attempts += 1;
            }
            test.run(millis(100));
        }
    }
    assert_eq!(attempts, 3);
    test.beacon(PeerId::from([1; 16]), &endpoint(2));
    let sought_at: Vec<_> = test.wanted.iter().map(|(_, to)| to.clone()).collect();
    assert_eq!(sought_at, [endpoint(2)], "elsewhere it may be reached");
    test.wanted.clear();
    test.run(secs(40));
    test.beacon(PeerId::from([1; 16]), &endpoint(1));
    assert_eq!(
        test.wanted.len(),
        1,
        "half a minute later it is tried again"
    );
}

fn a_peer_that_could_not_be_reached_is_tried_again_when_it_says_hello<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let id = PeerId::from([1; 16]);
    test.beacon(id, &endpoint(1));
    for _ in 0..30 {
        if let Some((link, _)) = test.wanted.pop_front() {
            test.engine.handle_closed(link, "refused", test.now);
        }
        test.run(millis(100));
    }
    let mut to = test.connect(id);
    to.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), NOTHING);
    let (link, _) = test.wanted.pop_front().unwrap();
    test.wanted.push_front((link, endpoint(1)));
    let _from = test.answer_open();
    assert_eq!(test.told(), ["peer1 enters"]);
}

fn a_peer_whose_port_refuses_three_times_does_not_enter<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let id = PeerId::from([1; 16]);
    let mut to = test.connect(id);
    to.send(&mut test, 1, hello(1));
    let mut attempts = 0;
    for _ in 0..50 {
        if let Some((link, _)) = test.wanted.pop_front() {
            test.engine.handle_closed(link, "refused", test.now);
            attempts += 1;
        }
        test.run(millis(100));
    }
    assert_eq!(test.told(), NOTHING, "it has never entered");
    assert_eq!(attempts, 3);
    assert!(to.is_closed(&test));
    let is_told = |notice: &&Notice| match notice {
        Notice::Unreachable { error, .. } => error == "refused",
        _ => false,
    };
    assert_eq!(test.notices.iter().filter(is_told).count(), 1);
}

fn a_connection_that_is_never_answered_is_given_up_and_closed<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    test.beacon(PeerId::from([1; 16]), &endpoint(1));
    let (link, _) = test.wanted.pop_front().unwrap();
    test.run(millis(9_999));
    assert_eq!(test.closed, []);
    test.run(millis(2));
    assert_eq!(test.closed, [link]);
    assert!(test.unwritten(link).is_none());
    assert!(test.wanted.is_empty());

    test.beacon(PeerId::from([1; 16]), &endpoint(1));
    assert!(test.wanted.is_empty(), "it is known for a while");
    test.run(secs(30));
    test.beacon(PeerId::from([1; 16]), &endpoint(1));
    assert_eq!(test.wanted.len(), 1, "a new beacon begins anew");
}

fn a_connection_without_a_handshake_is_given_up_and_closed<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    test.beacon(PeerId::from([1; 16]), &endpoint(1));
    let (link, _) = test.wanted.pop_front().unwrap();
    test.run(secs(5));
    test.engine.handle_connected(link, test.now);
    test.run(secs(6));
    assert_eq!(test.closed, [link]);
}

fn a_peer_whose_process_died_is_gone_well_within_a_second<C: Level>() {
    let mut net = Network::<C>::of_two();
    net.run(secs(3));
    net.kill(1);
    net.run(millis(200));
    assert_eq!(net.told(0), ["bob exits: connection lost"]);
    assert_eq!(net.open_wires(), 0);
    net.run(secs(60));
    assert_eq!(net.told(0), NOTHING);
}

fn what_a_dead_peer_sent_before_comes_before_its_exit<C: Level>() {
    let mut net = Network::<C>::of_two();
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
    let expected = ["bob whispers testament", "bob exits: connection lost"];
    assert_eq!(net.told(0), expected);
}

fn a_peer_that_only_lost_our_connection_to_it_is_gone_within_a_second<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    test.engine.handle_closed(peer.from.at, "reset", test.now);
    assert_eq!(test.told(), NOTHING);
    let refused = test.engine.whisper(peer.id, "x".into(), test.now);
    assert_eq!(refused, Err(crate::Error::UnknownPeer(peer.id)));
    test.run(millis(999));
    assert_eq!(test.told(), ["peer1 exits: connection lost"]);
    assert!(peer.to.is_closed(&test));
}

fn a_peer_that_lost_our_connection_to_it_is_gone_although_it_goes_on_talking<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    test.engine.handle_closed(peer.from.at, "reset", test.now);
    for _ in 0..100 {
        if peer.to.is_closed(&test) {
            break;
        }
        peer.sequence += 1;
        let body = whisper("still talking");
        peer.to.send(&mut test, peer.sequence, body);
        test.run(millis(400));
    }
    let told = test.told();
    let last = told.last().unwrap();
    assert_eq!(last, "peer1 exits: connection lost", "40 s later");
}

fn the_end_of_the_connection_from_a_peer_ends_its_session<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    test.engine.handle_closed(peer.to.at, "", test.now);
    let sent = test.engine.whisper(peer.id, "x".into(), test.now);
    assert_eq!(sent, Err(crate::Error::UnknownPeer(peer.id)));
    test.run(millis(200));
    assert_eq!(test.told(), ["peer1 exits: connection lost"]);
    assert_eq!(test.closed, [peer.from.at]);
}

/// A port that belonged to something else for a moment must not leave a peer that nobody can send
/// to.
#[test]
fn a_peer_enters_only_if_it_can_be_sent_to() {
    let mut test = SingleEngine::<Link>::new();
    let id = PeerId::from([1; 16]);
    test.beacon(id, &endpoint(1));
    let (link, _) = test.wanted.pop_front().unwrap();
    test.engine.handle_connected(link, test.now);
    test.read(link, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert!(test.closed.contains(&link));

    test.run(secs(1));
    let mut to = test.connect(id);
    to.send(&mut test, 1, hello(1));
    test.run(secs(3));
    if test.told() != ["peer1 enters"] {
        return;
    }
    let sent = test.engine.whisper(id, "hello".into(), test.now);
    assert_eq!(sent, Ok(()));
    let (link, _) = test.wanted.pop_front().expect("a connection to it");
    test.engine.handle_connected(link, test.now);
    assert!(test.engine.write_buffer(link).unwrap().has_remaining());
}

/// libzmq connects again by itself, but what was sent before is lost: only our HELLO brings
/// another.
fn a_peer_whose_hello_was_lost_is_greeted_anew_in_the_end<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let id = PeerId::from([1; 16]);
    let mut to = test.connect(id);
    test.run(secs(1));
    test.beacon(id, &endpoint(1));
    let mut from = test.answer_open();
    assert_eq!(from.received.len(), 1, "HELLO");
    for _ in 0..120 {
        test.run(secs(1));
        test.beacon(id, &endpoint(1));
        from.exchange(&mut test);
        if to.is_closed(&test) {
            to = test.connect(id);
        }
        if !test.wanted.is_empty() {
            return;
        }
    }
    panic!("no other HELLO in two minutes");
}

#[test]
fn a_message_on_the_connection_that_only_sends_is_a_fault() {
    let mut test = SingleEngine::<Link>::new();
    let mut peer = test.add_peer(1);
    peer.from.send_raw(&mut test, b"\xAA\xA1\x06\x02\0\x02");
    let expected = "peer1 exits: broke the protocol: a message on a connection that only sends";
    assert_eq!(test.told(), [expected]);
    assert!(peer.to.is_closed(&test) && peer.from.is_closed(&test));
}
