//! Whoever is at a fixed endpoint, or says that it is.

use alloc::format;
use core::time::Duration;

use zre_proto::{
    Body, Endpoint, Hello, PeerId, RoutingId,
    zmtp::{Command, Greeting, Mechanism},
};

use super::{NOTHING, is_greeted, to_peer_1};
use crate::{
    engine::{
        Engine, LinkId,
        tests::{
            level::{Level, at_both_levels},
            network::{millis, secs},
            single_engine::{FakePeer, RemoteEnd, SingleEngine, endpoint, hello, whisper},
        },
    },
    link::{Link, Role},
};

at_both_levels! {
    a_stranger_at_the_endpoint_gets_a_hello_and_nothing_else,
    another_node_that_comes_meanwhile_is_connected_to_where_it_says,
    one_that_pretends_to_answer_does_not_keep_the_fixed_peer_out,
    what_comes_between_a_hello_and_the_answer_is_handled_in_order,
    what_comes_behind_a_hello_that_waits_is_bounded,
}

fn hello_from(number: u8, at: &Endpoint) -> Body {
    let Body::Hello(hello) = hello(number) else {
        unreachable!()
    };
    let endpoint = at.clone();
    Body::from(Hello { endpoint, ..*hello })
}

/// Answers the engine's oldest wish to open a connection, and says who is there.
fn answer_as(test: &mut SingleEngine<Link>, id: PeerId) -> RemoteEnd<Link> {
    let (at, _) = test.wanted.pop_front().unwrap();
    let mut remote = RemoteEnd::new(at, Role::AcceptingAs(RoutingId::from(id)));
    test.engine.handle_connected(at, test.now);
    remote.exchange(test);
    remote
}

fn a_stranger_at_the_endpoint_gets_a_hello_and_nothing_else<C: Level>() {
    let mut test = to_peer_1::<C>();
    let mut stranger = test.answer_open();
    let mut peer = test.add_peer(2);
    peer.say(&mut test, whisper("hello"));
    test.engine
        .whisper(peer.id, "secret".into(), test.now)
        .unwrap();
    test.run(secs(20));
    stranger.exchange(&mut test);
    assert!(is_greeted(&stranger));
}

fn another_node_that_comes_meanwhile_is_connected_to_where_it_says<C: Level>() {
    let mut test = to_peer_1::<C>();
    let mut from = test.answer_open();
    // Even from the address of the fixed peer.
    let mut to = test.connect_from("10.0.1.1:6666", [3; 16].into());
    to.send(&mut test, 1, hello(3));
    test.run(millis(300));
    let mut from_peer_3 = test.answer_open();
    assert_eq!(test.told(), ["peer3 enters"]);
    to.send(&mut test, 2, whisper("hello"));
    assert_eq!(test.told(), ["peer3 whispers hello"]);
    let sent = test
        .engine
        .whisper([3; 16].into(), "hello".into(), test.now);
    assert_eq!(sent, Ok(()));
    from_peer_3.exchange(&mut test);
    assert_eq!(from_peer_3.received.len(), 2);
    // The fixed peer is still awaited.
    let mut to = test.connect([1; 16].into());
    to.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), ["peer1 enters"]);
    to.send(&mut test, 2, Body::PingOk);
    assert_eq!(test.told(), NOTHING);
    from.exchange(&mut test);
    assert!(is_greeted(&from));
}

/// A PING-OK behind its HELLO is made up: then the fixed peer gets what is meant for it.
fn one_that_pretends_to_answer_does_not_keep_the_fixed_peer_out<C: Level>() {
    let mut test = to_peer_1::<C>();
    let mut from = test.answer_open();
    let mut stranger = test.connect([3; 16].into());
    stranger.queue(1, hello(3));
    stranger.send(&mut test, 2, Body::PingOk);
    assert_eq!(test.told(), ["peer3 enters"]);
    let mut to = test.connect_from("10.0.1.1:6666", [1; 16].into());
    to.queue(1, hello(1));
    to.send(&mut test, 2, Body::PingOk);
    test.run(millis(300));
    let (link, at) = test.wanted.pop_front().unwrap();
    assert_eq!(at, endpoint(1));
    test.wanted.push_front((link, at));
    let mut anew = test.answer_open();
    assert_eq!(test.told(), ["peer1 enters"]);
    let sent = test
        .engine
        .whisper([1; 16].into(), "hello".into(), test.now);
    assert_eq!(sent, Ok(()));
    anew.exchange(&mut test);
    from.exchange(&mut test);
    assert_eq!(anew.received.len(), 2);
    assert!(is_greeted(&from), "{:?}", from.received);
    assert!(!to.is_closed(&test));
}

fn what_comes_between_a_hello_and_the_answer_is_handled_in_order<C: Level>() {
    let mut test = to_peer_1::<C>();
    let mut from = test.answer_open();
    let id = [3; 16].into();
    let mut to = test.connect(id);
    to.send(&mut test, 1, hello(3));
    to.send(&mut test, 2, whisper("one"));
    to.queue(3, whisper("two"));
    assert_eq!(test.told(), NOTHING);
    to.queue(4, Body::PingOk);
    to.send(&mut test, 5, whisper("three"));
    let expected = ["enters", "whispers one", "whispers two", "whispers three"];
    assert_eq!(test.told(), expected.map(|what| format!("peer3 {what}")));
    from.exchange(&mut test);
    assert!(is_greeted(&from));
    assert_eq!(test.engine.whisper(id, "hello".into(), test.now), Ok(()));
    assert!(test.wanted.is_empty());
}

/// Whatever comes behind a HELLO that waits, it is bounded.
fn what_comes_behind_a_hello_that_waits_is_bounded<C: Level>() {
    let mut test = to_peer_1::<C>();
    let _from = test.answer_open();
    let mut to = test.connect([3; 16].into());
    to.send(&mut test, 1, hello(3));
    for number in 2..200 {
        to.send(&mut test, number, whisper("hello"));
    }
    let behind = test.engine.links.unclaimed.behind(to.at).unwrap();
    assert_eq!(behind.messages.len(), 16);
    test.run(millis(300));
    let _from_peer_3 = test.answer_open();
    test.run(millis(1));
    to.exchange(&mut test);
    assert_eq!(test.told().len(), 199);
}

#[test]
fn one_that_says_a_peers_identity_at_the_endpoint_gains_nothing() {
    let mut test = to_peer_1::<Link>();
    let fixed = test.wanted.pop_front().unwrap();
    let mut peer = test.add_peer(2);
    test.wanted.push_front(fixed.clone());
    let mut stranger = answer_as(&mut test, peer.id);
    stranger.exchange(&mut test);
    assert!(
        stranger.received.is_empty(),
        "the peer has our HELLO already"
    );
    assert!(test.closed.contains(&fixed.0));
    peer.is_undisturbed(&mut test);
}

/// The peer's HELLO comes while the stranger's connection awaits one.
#[test]
fn one_that_says_a_peers_identity_before_the_peer_comes_gets_nothing_of_the_application() {
    let mut test = to_peer_1::<Link>();
    let id = PeerId::from([2; 16]);
    let mut stranger = answer_as(&mut test, id);
    let mut to = test.connect_from("10.0.1.2:6666", id);
    to.send(&mut test, 1, hello(2));
    test.run(millis(300));
    assert_eq!(test.told(), ["peer2 enters"]);
    let sent = test.engine.whisper(id, "secret".into(), test.now);
    assert_eq!(
        sent,
        Err(crate::Error::Full(id)),
        "it is not known who is there"
    );
    stranger.exchange(&mut test);
    test.run(millis(1100));
    assert!(stranger.is_closed(&test));
    let kinds = stranger.received.iter().map(|message| message.body.kind());
    assert!(kinds.eq(["HELLO", "PING", "PING"]));
    let (_, sought) = test.wanted.front().unwrap();
    assert_eq!(*sought, endpoint(2));
    let mut from = test.answer_open();
    test.engine.whisper(id, "secret".into(), test.now).unwrap();
    from.exchange(&mut test);
    assert_eq!(from.received.len(), 2, "HELLO and the whisper");
    assert_eq!(test.told(), NOTHING);
}

/// Nor does it delay the peer a second time.
#[test]
fn one_that_goes_on_saying_a_peers_identity_delays_it_once() {
    let mut test = to_peer_1::<Link>();
    let id = PeerId::from([2; 16]);
    let mut to = None;
    for round in 0..4 {
        let mut stranger = answer_as(&mut test, id);
        let mut anew = test.connect_from("10.0.1.2:6666", id);
        anew.send(&mut test, 1, hello(2));
        test.run(millis(300));
        if round == 0 {
            assert_eq!(test.told(), ["peer2 enters"]);
            test.run(millis(1000));
        }
        let (_, sought) = test.wanted.front().unwrap();
        assert_eq!(*sought, endpoint(2));
        let _from = test.answer_open();
        if round > 0 {
            assert_eq!(test.told(), ["peer2 enters"]);
        }
        test.engine.whisper(id, "secret".into(), test.now).unwrap();
        stranger.exchange(&mut test);
        let is_whisper =
            |message: &&zre_proto::Message| matches!(message.body, Body::Whisper { .. });
        assert_eq!(stranger.received.iter().find(is_whisper), None);
        test.engine.handle_closed(anew.at, "", test.now);
        to = Some(anew);
        while test.wanted.is_empty() {
            test.run(secs(1));
        }
        assert_eq!(test.told().last().unwrap(), "peer2 exits: connection lost");
    }
    assert!(to.is_some());
}

/// Nor does it keep the fixed peer out for as long as that peer is there.
#[test]
fn one_that_says_a_connected_peers_identity_keeps_the_fixed_peer_out_for_two_minutes() {
    let mut test = to_peer_1::<Link>();
    let fixed = test.wanted.pop_front().unwrap();
    let mut peer = test.add_peer(2);
    test.wanted.push_front(fixed);
    answer_as(&mut test, peer.id);
    assert_eq!(test.wanted.len(), 0);
    for _ in 0..4 {
        // It says so again and again.
        let waited = wait_for_attempt(&mut test, &mut peer);
        assert!((secs(90)..=secs(125)).contains(&waited), "{waited:?}");
        let again = answer_as(&mut test, peer.id);
        assert!(again.received.is_empty());
        assert!(again.is_closed(&test));
    }
    wait_for_attempt(&mut test, &mut peer);
    let from = answer_as(&mut test, [1; 16].into());
    assert!(is_greeted(&from));
    assert_eq!(test.notices, []);
}

/// Waits until the engine wants a connection, while the peer talks.
fn wait_for_attempt(test: &mut SingleEngine<Link>, peer: &mut FakePeer<Link>) -> Duration {
    let since = test.now;
    while test.wanted.is_empty() && test.now.since(since) < secs(600) {
        test.run(secs(2));
        peer.say(test, whisper("hello"));
        assert_eq!(test.told(), ["peer2 whispers hello"]);
    }
    test.now.since(since)
}

#[test]
fn one_that_says_our_own_identity_keeps_the_fixed_peer_out_for_two_minutes() {
    let mut test = to_peer_1::<Link>();
    let own = test.engine.node.id();
    for _ in 0..4 {
        assert!(answer_as(&mut test, own).received.is_empty());
        test.run(secs(89));
        assert_eq!(test.wanted.len(), 0);
        while test.wanted.is_empty() && test.now.as_micros() < 1_000_000_000 {
            test.run(secs(1));
        }
    }
    assert_eq!(test.notices.len(), 1, "{:?}", test.notices);
    let from = answer_as(&mut test, [1; 16].into());
    assert!(is_greeted(&from));
}

#[test]
fn one_from_elsewhere_that_names_the_place_of_another_is_refused() {
    let mut test = to_peer_1::<Link>();
    let bob = PeerId::from([1; 16]);
    let _from = answer_as(&mut test, bob);
    let mut stranger = test.connect_from("10.0.1.66:6666", [9; 16].into());
    stranger.send(&mut test, 1, hello_from(9, &endpoint(1)));
    assert!(stranger.is_closed(&test));
    assert!(test.wanted.is_empty());
    let mut to = test.connect_from("10.0.1.1:6666", bob);
    to.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), ["peer1 enters"]);
}

#[test]
fn rubbish_and_messages_at_the_endpoint_only_close_the_connection() {
    let mut curve = Greeting::new(Mechanism::NULL, false).encode();
    curve[12..17].copy_from_slice(b"CURVE");
    let garbage: [&[u8]; 4] = [
        &curve,
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0; 200],
        &[0xFF; 200],
    ];
    let mut test = to_peer_1::<Link>();
    for bytes in garbage {
        let (link, _) = test.wanted.pop_front().unwrap();
        test.engine.handle_connected(link, test.now);
        test.read(link, bytes);
        assert!(test.closed.contains(&link));
        test.run(secs(11));
    }
    let mut stranger = test.answer_open();
    stranger.send_raw(&mut test, b"\xAA\xA1\x06\x02\0\x02");
    assert!(stranger.is_closed(&test));
    assert_eq!(test.told(), NOTHING);
}

#[test]
fn pings_of_zmtp_without_end_grow_nothing() {
    let mut test = to_peer_1::<Link>();
    let (link, _) = test.wanted.front().cloned().unwrap();
    let stranger = test.answer_open();
    let body = Command::Ping {
        ttl: 1,
        context: "0123456789abcdef".into(),
    };
    let body = body.encode();
    let mut ping = alloc::vec![4, u8::try_from(body.len()).unwrap()];
    ping.extend_from_slice(&body);
    for _ in 0..10_000 {
        test.read(link, &ping);
    }
    assert!(unwritten(&mut test.engine, link) < 16 << 10);
    assert!(!stranger.is_closed(&test));
}

fn unwritten(engine: &mut Engine, link: LinkId) -> usize {
    Link::unwritten(engine, link).unwrap()
}
