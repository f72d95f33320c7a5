//! Strangers name the place of a peer that is just being met.

use core::time::Duration;
use std::{format, vec::Vec};

use zre_proto::{Body, PeerId};

use super::{
    fixed::to_peer_1,
    level::{Level, at_both_levels},
    network::{Network, group, millis, secs},
    single_engine::{SingleEngine, endpoint, hello},
};
use crate::{
    config::Beacons,
    link::MessageLink,
    node::tests::{id_of, keypair},
};

/// Both say HELLO within a few milliseconds.
const STEP: Duration = Duration::from_micros(250);
const STEPS: u32 = 80;

at_both_levels! {
    who_takes_over_a_connection_goes_on_with_its_sequence,
    a_connection_that_is_not_open_is_not_taken_over,
    a_hello_from_elsewhere_waits_for_a_second,
    a_fixed_peer_that_says_that_it_is_where_another_is_met_enters,
}

/// The first beacon is forged, and leads to the peer.
fn who_takes_over_a_connection_goes_on_with_its_sequence<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let [peer, stranger] = [1, 66].map(|byte| PeerId::from([byte; 16]));
    test.beacon(stranger, &endpoint(1));
    let mut from = test.answer_open();
    test.engine.join(&group("G"), test.now).unwrap();
    test.drain();
    let mut to = test.connect_from("10.0.1.1:6666", peer);
    to.send(&mut test, 1, hello(1));
    assert_eq!(test.told(), ["peer1 enters"]);
    test.engine.whisper(peer, "hi".into(), test.now).unwrap();
    test.drain();
    from.exchange(&mut test);
    let received: Vec<_> = from
        .received
        .iter()
        .map(|it| (it.sequence, it.body.kind()))
        .collect();
    assert_eq!(received, [(1, "HELLO"), (2, "JOIN"), (3, "WHISPER")]);
    assert!(test.wanted.is_empty() && test.closed.is_empty());
}

/// Nothing has been said over it, and the newcomer may be there by now.
fn a_connection_that_is_not_open_is_not_taken_over<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let [earlier, later] = [1, 2].map(|byte| PeerId::from([byte; 16]));
    test.beacon(earlier, &endpoint(1));
    let (first, _) = test.wanted.pop_front().unwrap();
    test.beacon(later, &endpoint(1));
    assert_eq!(test.closed, [first]);
    assert_eq!(test.wanted.front().unwrap().1, endpoint(1));
}

#[test]
fn a_forged_beacon_ends_no_session_that_is_just_beginning() {
    for count in [1, 2, 20] {
        at_each_moment(|net, a, b| {
            let place = net.endpoint(b);
            for number in 0..count {
                net.hear_of(a, PeerId::from([66 + number; 16]), &place);
                net.run(STEP);
            }
        });
    }
}

/// It was heard where nobody is, and the node tries it where it is heard next.
#[test]
fn a_forged_beacon_of_a_peer_that_is_known_ends_no_session_that_is_just_beginning() {
    let stranger = PeerId::from([66; 16]);
    let nowhere = "tcp://10.0.0.99:1".parse().unwrap();
    at_each_moment_after(
        |net, a| {
            net.hear_of(a, stranger, &nowhere);
            net.run(secs(10));
        },
        |net, a, b| {
            let place = net.endpoint(b);
            net.hear_of(a, stranger, &place);
        },
    );
}

#[test]
fn a_hello_from_elsewhere_ends_no_session_that_is_just_beginning() {
    at_each_moment(add_liar);
}

#[test]
fn a_beacon_and_a_hello_from_elsewhere_end_no_session_that_is_just_beginning() {
    at_each_moment(|net, a, b| {
        let place = net.endpoint(b);
        net.hear_of(a, id_of("liar"), &place);
        add_liar(net, a, b);
    });
}

/// A node that gives the place of `b` as its own and says HELLO to `a`.
fn add_liar(net: &mut Network<MessageLink>, a: usize, b: usize) {
    let mut config = net.config("liar");
    config.id = Some(id_of("liar"));
    config.beacons = Beacons::Off;
    config.advertise = Some(net.endpoint(b));
    config.connect = [net.endpoint(a).into()].into();
    net.add_with(config);
}

/// The peer that is being met says nothing.
fn a_hello_from_elsewhere_waits_for_a_second<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let [silent, newcomer] = [1, 2].map(|byte| PeerId::from([byte; 16]));
    test.beacon(silent, &endpoint(1));
    let _from = test.answer_open();
    let mut to = test.connect_from("10.0.7.7:6666", newcomer);
    to.send(&mut test, 1, hello(1));
    test.run(millis(990));
    assert_eq!(test.told(), [""; 0]);
    test.run(millis(20));
    assert_eq!(test.told(), ["peer1 enters"]);
}

/// Its answer to what was asked at the fixed endpoint shows that it is there.
fn a_fixed_peer_that_says_that_it_is_where_another_is_met_enters<C: Level>() {
    let mut test = to_peer_1::<C>();
    let _fixed = test.answer_open();
    test.beacon(PeerId::from([66; 16]), &endpoint(3));
    let _other = test.answer_open();
    let mut to = test.connect_from("10.0.1.3:6666", PeerId::from([3; 16]));
    to.send(&mut test, 1, hello(3));
    to.send(&mut test, 2, Body::PingOk);
    test.run(secs(3));
    assert_eq!(test.told(), ["peer3 enters"]);
}

/// Whoever knows a trusted key can name it in a beacon. So can each member of the network.
#[test]
fn a_forged_beacon_with_any_trusted_key_ends_no_session_that_is_just_beginning() {
    for name in ["alice", "bob", "carol"] {
        for step in 0..STEPS {
            let mut net = Network::<MessageLink>::new().with_latency(millis(1));
            let alice = net.add_secured("alice", &["bob", "carol"]);
            net.run(secs(1));
            let bob = net.add_secured("bob", &["alice", "carol"]);
            net.run(STEP * step);
            let place = net.endpoint(bob);
            net.hear_key(
                alice,
                PeerId::from([66; 16]),
                &place,
                keypair(name).public(),
            );
            net.run(secs(20));
            let context = format!("key of {name}, step {step}");
            let mut told = net.told(alice);
            told.retain(|line| !line.ends_with("is refused by us"));
            assert_eq!(told, ["bob enters"], "{context}");
            assert_eq!(net.told(bob), ["alice enters"], "{context}");
        }
    }
}

/// A node and another that starts later, or zyre, meet once, whenever something else happens.
fn at_each_moment(happens: impl Fn(&mut Network<MessageLink>, usize, usize)) {
    at_each_moment_after(|_, _| {}, happens);
}

/// The same, and something has happened before the other starts.
fn at_each_moment_after(
    before: impl Fn(&mut Network<MessageLink>, usize),
    happens: impl Fn(&mut Network<MessageLink>, usize, usize),
) {
    for (is_zyre, step) in [false, true]
        .into_iter()
        .flat_map(|it| (0..STEPS).map(move |step| (it, step)))
    {
        let mut net = Network::new().with_latency(millis(1));
        let a = net.add("a");
        net.run(secs(1));
        before(&mut net, a);
        let b = match is_zyre {
            true => net.add_zyre("b"),
            false => net.add("b"),
        };
        net.run(STEP * step);
        happens(&mut net, a, b);
        net.run(secs(20));
        let context = format!("zyre: {is_zyre}, step {step}");
        assert_eq!(net.told(a), ["b enters"], "{context}");
        assert_eq!(net.told(b), ["a enters"], "{context}");
        net.whisper(a, b, "hi");
        net.run(secs(1));
        assert_eq!(net.told(b), ["a whispers hi"], "{context}");
    }
}
