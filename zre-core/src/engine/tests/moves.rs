//! Who may say that a peer has moved, and when it is believed.

use core::time::Duration;
use std::{format, string::String, vec::Vec};

use zre_proto::{Body, Endpoint, PeerId};

use super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{FakePeer, RemoteEnd, SingleEngine, endpoint, hello, whisper},
};
use crate::event::Event;

const NOTHING: [&str; 0] = [];
const MOMENT: Duration = Duration::from_micros(1);

at_both_levels! {
    a_peer_that_moves_is_admitted_when_its_old_place_has_been_silent_for_one_and_a_half_seconds,
    a_beacon_from_the_old_place_keeps_the_patience,
    an_answer_from_the_old_place_closes_the_newcomer,
    a_newcomer_from_the_peers_own_address_waits_for_as_long_as_ever,
    a_newcomer_from_where_no_beacons_come_waits_for_as_long_as_ever,
    a_stranger_that_beacons_and_connects_gains_nothing_while_the_peer_pauses_for_a_second,
    a_peer_that_sends_no_beacons_has_no_less_time_to_answer_than_others,
    beacons_from_elsewhere_alone_do_not_move_a_peer_that_answers,
    beacons_from_elsewhere_that_stop_with_those_of_the_peer_do_not_move_it,
    a_peer_whose_answer_lies_unread_has_not_moved,
    a_peer_whose_connection_moves_has_not_moved,
    a_peer_that_moved_is_met_where_it_is_although_a_stranger_waits_too,
    a_newcomer_from_where_the_peer_is_heard_keeps_its_place,
    a_peer_that_is_never_heard_where_it_is_connected_has_longer_to_answer,
    a_peer_that_cannot_be_reached_where_it_moved_is_tried_where_it_was,
    what_was_not_confirmed_before_a_move_is_counted,
    a_node_that_slept_asks_before_it_believes_a_move,
}

/// Where peer 1 is heard, too.
fn elsewhere() -> Endpoint {
    "tcp://10.0.2.1:49152".parse().unwrap()
}

fn hello_at(place: &Endpoint) -> Body {
    let Body::Hello(mut hello) = hello(1) else {
        unreachable!("it is a HELLO")
    };
    hello.endpoint = place.clone();
    Body::Hello(hello)
}

/// A peer that is heard at its own place now, and has been at another.
fn heard_at_two<C: Level>() -> (SingleEngine<C>, FakePeer<C>) {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    test.beacon(peer.id, &elsewhere());
    test.run(secs(1));
    test.beacon(peer.id, &peer.endpoint);
    test.beacon(peer.id, &elsewhere());
    (test, peer)
}

/// Somebody says HELLO in the peer's name.
fn newcomer<C: Level>(test: &mut SingleEngine<C>, id: PeerId, from: &str) -> RemoteEnd<C> {
    let mut newcomer = test.connect_from(from, id);
    newcomer.send(test, 1, hello_at(&elsewhere()));
    newcomer
}

/// Beacons come from the other place alone, each second, for so long.
fn beacons_elsewhere<C: Level>(test: &mut SingleEngine<C>, peer: &mut FakePeer<C>, time: Duration) {
    let end = test.now + time;
    while test.now + secs(1) <= end {
        test.run(secs(1));
        test.beacon(peer.id, &elsewhere());
        peer.from.exchange(test);
    }
    test.run(end.since(test.now));
}

fn pings<C: Level>(peer: &FakePeer<C>) -> usize {
    let received = peer.from.received.iter();
    received.filter(|it| it.body == Body::Ping).count()
}

fn a_peer_that_moves_is_admitted_when_its_old_place_has_been_silent_for_one_and_a_half_seconds<
    C: Level,
>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    test.run(millis(200));
    let new = newcomer(&mut test, peer.id, "10.0.2.1:6666");
    beacons_elsewhere(&mut test, &mut peer, millis(1300) - MOMENT);
    assert_eq!(test.told(), NOTHING);
    test.run(MOMENT);
    assert_eq!(test.told(), ["peer1 exits: connection lost"]);
    let (_, sought) = test.wanted.back().unwrap();
    assert_eq!(*sought, elsewhere());
    let from = test.answer_open();
    assert_eq!(test.told(), ["peer1 enters"]);
    assert!(!new.is_closed(&test) && peer.to.is_closed(&test));
    assert_eq!(from.received.len(), 1, "HELLO");
}

fn a_beacon_from_the_old_place_keeps_the_patience<C: Level>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    let began = test.now;
    newcomer(&mut test, peer.id, "10.0.2.1:6666");
    for _ in 0..4 {
        beacons_elsewhere(&mut test, &mut peer, secs(1));
        test.beacon(peer.id, &peer.endpoint.clone());
    }
    test.run(secs(1) - MOMENT);
    assert_eq!(test.told(), NOTHING);
    test.run(MOMENT);
    assert_eq!(test.told(), ["peer1 exits: connection lost"]);
    assert_eq!(test.now.since(began), secs(5));
}

fn an_answer_from_the_old_place_closes_the_newcomer<C: Level>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    let new = newcomer(&mut test, peer.id, "10.0.2.1:6666");
    beacons_elsewhere(&mut test, &mut peer, millis(1499));
    peer.say(&mut test, Body::PingOk);
    assert!(new.is_closed(&test));
    beacons_elsewhere(&mut test, &mut peer, secs(1));
    peer.is_undisturbed(&mut test);
}

fn exits_after<C: Level>(test: &mut SingleEngine<C>, peer: &mut FakePeer<C>) -> u64 {
    for second in 1..=20 {
        beacons_elsewhere(test, peer, secs(1));
        if test.told().iter().any(|line| line.contains("exits")) {
            return second;
        }
    }
    panic!("it does not exit")
}

fn a_newcomer_from_the_peers_own_address_waits_for_as_long_as_ever<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    test.beacon(peer.id, &peer.endpoint);
    let other_port = "tcp://10.0.1.1:5000".parse().unwrap();
    let mut new = test.connect_from("10.0.1.1:6666", peer.id);
    new.send(&mut test, 1, hello_at(&other_port));
    for _ in 0..4 {
        test.run(secs(1));
        test.beacon(peer.id, &other_port);
        test.write_all(peer.from.at);
    }
    assert_eq!(test.told(), NOTHING);
    test.run(secs(1));
    assert_eq!(test.told(), ["peer1 exits: restarted"]);
}

fn a_newcomer_from_where_no_beacons_come_waits_for_as_long_as_ever<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    test.beacon(peer.id, &peer.endpoint);
    newcomer(&mut test, peer.id, "10.0.2.1:6666");
    test.write_all(peer.from.at);
    test.run(secs(5) - MOMENT);
    assert_eq!(test.told(), NOTHING);
    test.run(MOMENT);
    assert_eq!(test.told(), ["peer1 exits: restarted"]);
}

/// The peer sends its beacons late, and answers late.
fn a_stranger_that_beacons_and_connects_gains_nothing_while_the_peer_pauses_for_a_second<
    C: Level,
>() {
    let mut test = SingleEngine::<C>::new();
    let mut peer = test.add_peer(1);
    for _ in 0..20 {
        test.beacon(peer.id, &peer.endpoint);
        // It pauses from now on, and should have sent a beacon after half of that.
        for _ in 0..14 {
            test.beacon(peer.id, &elsewhere());
            newcomer(&mut test, peer.id, "10.0.2.1:6666");
            test.run(millis(100));
        }
        test.beacon(peer.id, &peer.endpoint);
        peer.from.exchange(&mut test);
        while pings(&peer) > usize::from(peer.sequence) - 1 {
            peer.say(&mut test, Body::PingOk);
        }
        test.run(secs(1));
    }
    peer.is_undisturbed(&mut test);
}

fn a_peer_that_sends_no_beacons_has_no_less_time_to_answer_than_others<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let id = PeerId::from([1; 16]);
    let mut to = test.connect_from("10.0.1.1:6666", id);
    to.send(&mut test, 1, hello(1));
    let mut from = test.answer_open();
    assert_eq!(test.told(), ["peer1 enters"]);
    from.exchange(&mut test);
    // No message comes from it either, as it has nothing to say.
    test.run(secs(2));
    for _ in 0..23 {
        test.beacon(id, &elsewhere());
        newcomer(&mut test, id, "10.0.2.1:6666");
        test.run(millis(100));
        from.exchange(&mut test);
    }
    to.send(&mut test, 2, Body::PingOk);
    assert_eq!(test.told(), NOTHING);
    test.engine
        .whisper(id, "still here".into(), test.now)
        .unwrap();
}

fn beacons_from_elsewhere_alone_do_not_move_a_peer_that_answers<C: Level>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    for _ in 0..60 {
        beacons_elsewhere(&mut test, &mut peer, secs(1));
        test.run(millis(900));
        peer.from.exchange(&mut test);
        while pings(&peer) > usize::from(peer.sequence) - 1 {
            peer.say(&mut test, Body::PingOk);
        }
    }
    assert!(pings(&peer) <= 60, "{}", pings(&peer));
    peer.is_undisturbed(&mut test);
}

/// The peer's machine pauses, with all its networks.
fn beacons_from_elsewhere_that_stop_with_those_of_the_peer_do_not_move_it<C: Level>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    newcomer(&mut test, peer.id, "10.0.2.1:6666");
    test.run(millis(4900));
    assert_eq!(test.told(), NOTHING);
    peer.from.exchange(&mut test);
    peer.say(&mut test, Body::PingOk);
    peer.is_undisturbed(&mut test);
}

fn a_peer_whose_answer_lies_unread_has_not_moved<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.events = 64);
    let mut peer = test.add_peer(1);
    test.beacon(peer.id, &peer.endpoint);
    newcomer(&mut test, peer.id, "10.0.2.1:6666");
    test.takes_events = false;
    for _ in 0..12 {
        while test.engine.may_read(peer.to.at) && !peer.to.is_closed(&test) {
            peer.say(&mut test, whisper("much"));
        }
        test.beacon(peer.id, &elsewhere());
        test.run(millis(1000));
    }
    assert!(!peer.to.is_closed(&test), "it has answered long ago");
    test.takes_events = true;
    test.drain();
    test.told();
    peer.say(&mut test, Body::PingOk);
    assert!(!peer.to.is_closed(&test));
}

/// What waits before the question is taken slowly.
fn a_peer_whose_connection_moves_has_not_moved<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let peer = test.add_peer(1);
    test.beacon(peer.id, &peer.endpoint);
    for _ in 0..20 {
        let sent = test
            .engine
            .whisper(peer.id, "much before the question".into(), test.now);
        sent.unwrap();
    }
    test.drain();
    newcomer(&mut test, peer.id, "10.0.2.1:6666");
    for _ in 0..20 {
        test.beacon(peer.id, &elsewhere());
        test.run(millis(500));
        let _written = C::write(&mut test.engine, peer.from.at, 20);
        test.engine.handle_written(test.now);
        test.drain();
        if C::unwritten(&mut test.engine, peer.from.at) == Some(0) {
            break;
        }
        let told = test.told();
        assert!(!told.iter().any(|line| line.contains("exits")), "{told:?}");
    }
    assert!(!peer.to.is_closed(&test));
}

fn a_peer_that_moved_is_met_where_it_is_although_a_stranger_waits_too<C: Level>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    let own = newcomer(&mut test, peer.id, "10.0.2.1:6666");
    let mut stranger = test.connect_from("10.0.0.66:6666", peer.id);
    stranger.send(&mut test, 1, hello(66));
    assert!(exits_after(&mut test, &mut peer) <= 2);
    let (link, sought) = test.wanted.pop_back().unwrap();
    assert_eq!(sought, elsewhere());
    test.wanted.clear();
    test.wanted.push_back((link, sought));
    test.answer_open();
    assert_eq!(test.told(), ["peer1 enters"]);
    assert!(!own.is_closed(&test));
}

fn a_newcomer_from_where_the_peer_is_heard_keeps_its_place<C: Level>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    let own = newcomer(&mut test, peer.id, "10.0.2.1:6666");
    for number in 0..12 {
        let remote = format!("10.0.0.{}:6666", 60 + number % 6);
        let mut stranger = test.connect_from(&remote, peer.id);
        stranger.send(&mut test, 1, hello(66));
    }
    assert!(!own.is_closed(&test));
    assert!(exits_after(&mut test, &mut peer) <= 2);
    assert!(!own.is_closed(&test));
}

/// Its HELLO names a place of which nothing is heard, as behind a port mapping.
fn a_peer_that_is_never_heard_where_it_is_connected_has_longer_to_answer<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let id = PeerId::from([1; 16]);
    let mut to = test.connect_from("10.0.2.1:6666", id);
    to.send(&mut test, 1, hello(1));
    let from = test.answer_open();
    assert_eq!(test.told(), ["peer1 enters"]);
    let began = test.now;
    let mut new = test.connect_from("10.0.2.1:6667", id);
    new.send(&mut test, 1, hello(1));
    while test.now.since(began) < millis(2400) {
        test.beacon(id, &elsewhere());
        test.run(millis(100));
        test.write_all(from.at);
    }
    assert_eq!(test.told(), NOTHING);
    assert!(!to.is_closed(&test));
}

fn a_peer_that_cannot_be_reached_where_it_moved_is_tried_where_it_was<C: Level>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    beacons_elsewhere(&mut test, &mut peer, secs(3));
    assert_eq!(test.told(), ["peer1 exits: connection lost"]);
    let (link, sought) = test.wanted.pop_front().unwrap();
    assert_eq!(sought, elsewhere());
    test.engine.handle_closed(link, "refused", test.now);
    test.drain();
    test.run(millis(60));
    assert_eq!(test.wanted.front().unwrap().1, peer.endpoint);
}

fn what_was_not_confirmed_before_a_move_is_counted<C: Level>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    for _ in 0..7 {
        test.engine
            .whisper(peer.id, "lost".into(), test.now)
            .unwrap();
    }
    test.write_all(peer.from.at);
    newcomer(&mut test, peer.id, "10.0.2.1:6666");
    test.takes_events = false;
    beacons_elsewhere(&mut test, &mut peer, secs(2));
    let events = core::iter::from_fn(|| test.engine.poll_event());
    let counts: Vec<_> = events
        .filter_map(|event| match event {
            Event::Exit { unconfirmed, .. } => Some(unconfirmed),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [7]);
}

fn a_node_that_slept_asks_before_it_believes_a_move<C: Level>() {
    let (mut test, mut peer) = heard_at_two::<C>();
    newcomer(&mut test, peer.id, "10.0.2.1:6666");
    test.run(millis(900));
    test.beacon(peer.id, &elsewhere());
    // Nothing is read for 3 s. Then a beacon comes first, and the timers.
    test.now = test.now + secs(3);
    test.beacon(peer.id, &elsewhere());
    test.engine.handle_timeout(test.now);
    assert_eq!(test.told(), NOTHING);
    peer.from.exchange(&mut test);
    peer.say(&mut test, Body::PingOk);
    peer.is_undisturbed(&mut test);
}

/// What is said of an unknown peer's places.
#[test]
fn a_peer_that_cannot_be_reached_is_tried_at_all_places_where_it_is_heard() {
    let mut test = SingleEngine::<crate::link::Link>::new();
    let id = PeerId::from([1; 16]);
    let places: Vec<Endpoint> = (1..=4)
        .map(|number| format!("tcp://10.0.{number}.1:49152").parse().unwrap())
        .collect();
    for place in &places {
        test.beacon(id, place);
        test.run(millis(1));
    }
    let mut tried = Vec::new();
    while test.now < crate::Instant::from_micros(9_000_000) {
        while let Some((link, at)) = test.wanted.pop_front() {
            tried.push(at);
            test.engine.handle_closed(link, "refused", test.now);
            test.drain();
        }
        test.run(millis(10));
    }
    tried.sort();
    assert_eq!(tried, places, "each once");
}

#[test]
fn a_peer_that_does_not_answer_where_it_is_heard_is_tried_elsewhere_after_two_seconds() {
    let mut test = SingleEngine::<crate::link::Link>::new();
    let id = PeerId::from([1; 16]);
    test.beacon(id, &endpoint(1));
    test.beacon(id, &elsewhere());
    assert_eq!(test.wanted.len(), 1);
    test.run(millis(2100));
    let sought: Vec<String> = test.wanted.iter().map(|(_, at)| format!("{at}")).collect();
    assert_eq!(sought, ["tcp://10.0.1.1:49152", "tcp://10.0.2.1:49152"]);
    test.wanted.pop_front();
    test.answer_open();
    let mut to = test.connect_from("10.0.2.1:6666", id);
    to.send(&mut test, 1, hello_at(&elsewhere()));
    assert_eq!(test.told(), ["peer1 enters"]);
    assert!(!test.engine.is_full(id));
}
