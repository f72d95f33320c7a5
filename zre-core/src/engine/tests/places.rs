//! Where a peer is sought when what it says, where it is heard and where it comes from differ.

use alloc::{format, vec::Vec};

use zre_proto::{Body, Endpoint, PeerId};

use super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{RemoteEnd, SingleEngine, endpoint, hello},
};
use crate::{
    Error,
    link::{Link, Role},
    notice::Notice,
};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    a_forged_beacon_does_not_lead_messages_astray,
    a_forged_beacon_where_nobody_answers_costs_nothing,
    a_peer_that_answers_where_it_is_connected_is_not_sought_elsewhere,
    a_peer_that_is_reached_where_another_has_entered_meanwhile_has_no_place_there,
    a_place_is_the_same_in_every_spelling,
    a_host_name_is_not_looked_up,
    loopback_of_another_host_is_not_ours,
    a_peer_that_closes_each_connection_is_met_ever_more_rarely,
    one_address_leaves_places_for_others,
}

fn id(number: u8) -> PeerId {
    PeerId::from([number; 16])
}

/// A beacon of peer 1 comes from peer 9's endpoint, and its HELLO from its own host.
fn heard_at_9<C: Level>() -> (SingleEngine<C>, RemoteEnd<C>) {
    let mut test = SingleEngine::<C>::new();
    test.beacon(id(1), &endpoint(9));
    assert_eq!(test.wanted.front().unwrap().1, endpoint(9));
    let to = test.connect_from("10.0.1.1:6666", id(1));
    (test, to)
}

fn a_forged_beacon_does_not_lead_messages_astray<C: Level>() {
    let (mut test, mut to) = heard_at_9::<C>();
    let mut stranger = test.answer_open();
    to.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), ["peer1 enters"]);
    let whispered = test.engine.whisper(id(1), "for peer1".into(), test.now);
    assert_eq!(
        whispered,
        Err(Error::Full(id(1))),
        "nobody knows who is there"
    );
    assert!(test.engine.is_full(id(1)));
    stranger.exchange(&mut test);
    test.run(millis(1000));
    assert_eq!(test.wanted.front().unwrap().1, endpoint(1));
    let mut peer = test.answer_open();
    test.engine
        .whisper(id(1), "for peer1".into(), test.now)
        .unwrap();
    peer.exchange(&mut test);
    stranger.exchange(&mut test);
    let kinds =
        |end: &RemoteEnd<C>| -> Vec<_> { end.received.iter().map(|it| it.body.kind()).collect() };
    assert_eq!(kinds(&peer), ["HELLO", "WHISPER"]);
    assert_eq!(kinds(&stranger), ["HELLO", "PING"]);
    assert_eq!(test.told(), NOTHING, "its session goes on");
}

fn a_forged_beacon_where_nobody_answers_costs_nothing<C: Level>() {
    let (mut test, mut to) = heard_at_9::<C>();
    to.send(&mut test, 1, hello(1));
    let (_, sought) = test.wanted.pop_back().unwrap();
    assert_eq!(sought, endpoint(1));
    assert_eq!(test.told(), NOTHING);
}

/// A host in two networks is at both places.
fn a_peer_that_answers_where_it_is_connected_is_not_sought_elsewhere<C: Level>() {
    let (mut test, mut to) = heard_at_9::<C>();
    let mut from = test.answer_open();
    to.send(&mut test, 1, hello(1));
    from.exchange(&mut test);
    to.send(&mut test, 2, Body::PingOk);
    assert!(!test.engine.is_full(id(1)));
    test.run(secs(3));
    assert!(test.wanted.is_empty());
    test.engine.whisper(id(1), "x".into(), test.now).unwrap();
    assert_eq!(test.told(), ["peer1 enters"]);
}

/// While a connection to peer 9 is being made where peer 1 is heard, too, peer 1 enters there.
fn a_peer_that_is_reached_where_another_has_entered_meanwhile_has_no_place_there<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    test.beacon(id(9), &endpoint(9));
    test.beacon(id(9), &endpoint(1));
    let (refused, _) = test.wanted.pop_front().unwrap();
    test.engine.handle_closed(refused, "refused", test.now);
    test.run(millis(100));
    let (late, sought) = test.wanted.pop_front().unwrap();
    assert_eq!(sought, endpoint(1));
    let mut peer = test.add_peer(1);
    test.engine.handle_connected(late, test.now);
    RemoteEnd::new(late, Role::Accepting).exchange(&mut test);
    assert_eq!(test.closed, [late]);
    // The place is still its own: who claims it makes nobody connect there.
    test.beacon(id(8), &endpoint(1));
    assert!(test.wanted.is_empty());
    peer.from.exchange(&mut test);
    peer.say(&mut test, Body::PingOk);
    peer.is_undisturbed(&mut test);
}

fn named(text: &str) -> Body {
    let Body::Hello(mut hello) = hello(7) else {
        unreachable!("it is a HELLO")
    };
    hello.endpoint = text.parse().unwrap();
    Body::Hello(hello)
}

fn a_place_is_the_same_in_every_spelling<C: Level>() {
    for spelling in ["tcp://10.0.1.1:49152", "tcp://[::ffff:10.0.1.1]:49152"] {
        let mut test = SingleEngine::<C>::new();
        let mut peer = test.add_peer(1);
        let mut claimant = test.connect(id(7));
        claimant.send(&mut test, 1, named(spelling));
        assert!(test.wanted.is_empty(), "{spelling}");
        peer.from.exchange(&mut test);
        peer.say(&mut test, Body::PingOk);
        assert!(claimant.is_closed(&test), "{spelling}");
        peer.is_undisturbed(&mut test);
    }
    for spelling in ["tcp://10.0.0.1:49152", "tcp://[::ffff:10.0.0.1]:49152"] {
        let mut test = SingleEngine::<C>::new();
        let mut claimant = test.connect(id(7));
        claimant.send(&mut test, 1, named(spelling));
        assert!(test.wanted.is_empty(), "{spelling}");
        let is_told = |notice: &Notice| matches!(notice, Notice::OwnHello { .. });
        assert!(test.notices.iter().any(is_told), "{spelling}");
    }
}

fn a_host_name_is_not_looked_up<C: Level>() {
    assert_eq!(
        sought::<C>("tcp://somebody.example:5000"),
        "tcp://10.0.0.66:5000"
    );
}

fn loopback_of_another_host_is_not_ours<C: Level>() {
    for spelling in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
        let sought = sought::<C>(&format!("tcp://{spelling}:5000"));
        assert_eq!(sought, "tcp://10.0.0.66:5000", "{spelling}");
    }
}

/// Where somebody at 10.0.0.66 is sought that gives this endpoint as its own.
fn sought<C: Level>(told: &str) -> alloc::string::String {
    let mut test = SingleEngine::<C>::new();
    let mut somebody = test.connect(id(7));
    somebody.send(&mut test, 1, named(told));
    let (_, sought): (_, Endpoint) = test.wanted.pop_front().unwrap();
    alloc::string::ToString::to_string(&sought)
}

fn a_peer_that_closes_each_connection_is_met_ever_more_rarely<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let mut met_at = Vec::new();
    for second in 0..60 {
        test.beacon(id(1), &endpoint(1));
        if !test.wanted.is_empty() {
            met_at.push(second);
            let from = test.answer_open();
            test.engine
                .handle_closed(from.at, "the other side closed it", test.now);
            test.drain();
        }
        test.run(secs(1));
    }
    assert_eq!(met_at, [0, 1, 3, 7, 15, 31]);
    let is_told = |notice: &&Notice| matches!(notice, Notice::RefusedByPeer { .. });
    assert_eq!(test.notices.iter().filter(is_told).count(), 5);
}

fn one_address_leaves_places_for_others<C: Level>() {
    let mut test = SingleEngine::<C>::with_limits(|limits| limits.peers = 8);
    let mut crowd = Vec::new();
    for number in 10..30 {
        let mut stranger = test.connect_from("10.0.2.1:6666", id(number));
        stranger.send(
            &mut test,
            1,
            named(&format!("tcp://10.0.2.1:{}", 5000 + u16::from(number))),
        );
        if !test.wanted.is_empty() {
            crowd.push(test.answer_open());
        }
        test.told();
    }
    assert_eq!(crowd.len(), 6);
    let mut newcomer = test.connect_from("10.0.1.1:6666", id(1));
    newcomer.send(&mut test, 1, hello(1));
    test.answer_open();
    assert_eq!(test.told(), ["peer1 enters"]);
}

/// Two nodes with one UUID, of which the second comes.
#[test]
fn our_own_identity_in_anothers_beacon_is_told() {
    let mut test = SingleEngine::<Link>::new();
    let own = test.engine.node().id();
    let own_endpoint = test.engine.node().endpoint().clone();
    test.beacon(own, &own_endpoint);
    assert!(test.notices.is_empty(), "our own broadcast");
    test.beacon(own, &"tcp://10.0.1.9:5000".parse().unwrap());
    let from = "10.0.1.9:5000".parse().unwrap();
    assert_eq!(test.notices, [Notice::OwnIdentity { from }]);
}
