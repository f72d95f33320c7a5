//! One engine with a key, against strangers and against those whom it trusts.

use alloc::{format, string::ToString as _};

use zre_proto::{
    Body, PeerId,
    curve::{Keypair, PublicKey},
};

use super::super::{
    level::{Level, at_both_levels},
    network::{millis, secs},
    single_engine::{FakePeer, RemoteEnd, SingleEngine, config, endpoint, hello, whisper},
};
use crate::{
    error::Fault,
    node::tests::{beacon_with, keypair, trusting},
    notice::Notice,
    security::Security,
};

const NOTHING: [&str; 0] = [];
const HOST: &str = "10.0.1.1:40000";

at_both_levels! {
    a_stranger_under_a_peers_identity_is_refused_and_told_once,
    somebody_without_a_key_does_not_even_say_who_it_is,
    a_trusted_node_under_a_peers_identity_is_closed_at_once,
    a_trusted_node_that_came_before_the_peer_is_closed_at_its_first_word,
    a_hello_that_names_the_key_of_another_is_refused,
    a_peer_goes_on_over_a_second_connection_at_once,
    a_peer_that_says_hello_anew_begins_a_new_session_at_once,
    a_peer_that_does_so_again_within_a_minute_is_asked_first,
    a_forged_farewell_does_not_end_a_peer_that_answers,
    another_node_behind_the_place_of_a_peer_gets_no_hello,
    a_node_that_says_to_be_another_behind_a_peers_key_gets_no_hello,
    a_trusted_node_that_claims_the_place_of_another_takes_nothing_from_it,
    a_peer_that_is_sought_with_the_key_of_another_is_connected_to_anew,
    a_connection_that_was_let_in_before_its_key_was_removed_is_closed,
}

/// Trusts four peers, and a fifth that is called mallory.
fn secured<C: Level>() -> SingleEngine<C> {
    let names = ["peer1", "peer2", "peer3", "peer4", "mallory"];
    let mut config = config();
    config.security = Some(Security::new(keypair("own"), trusting(&names)));
    SingleEngine::with(config)
}

fn pair_of(number: u8) -> Keypair {
    keypair(&format!("peer{number}"))
}

fn hello_with(number: u8, key: PublicKey) -> Body {
    let Body::Hello(mut hello) = hello(number) else {
        unreachable!("it is a HELLO")
    };
    let key = key.to_string();
    hello.headers.set("X-PUBLICKEY", key).unwrap();
    Body::Hello(hello)
}

fn keyed_hello(number: u8) -> Body {
    hello_with(number, pair_of(number).public())
}

impl<C: Level> SingleEngine<C> {
    fn hear_key(&mut self, number: u8, key: PublicKey) {
        let place = endpoint(number);
        let beacon = beacon_with(PeerId::from([number; 16]), &place, Some(key));
        let from = place.to_socket_addr().unwrap();
        self.engine.handle_datagram(from, &beacon, self.now);
        self.drain();
    }

    /// A peer with a key, and a session that is complete on both sides.
    fn add_secured_peer(&mut self, number: u8) -> FakePeer<C> {
        let (id, own) = (PeerId::from([number; 16]), pair_of(number));
        self.hear_key(number, own.public());
        let from = self.answer_open_with_key(id, &own).unwrap();
        let to = self.connect_with_key(HOST, id, &own);
        let mut peer = FakePeer {
            id,
            endpoint: endpoint(number),
            sequence: 0,
            to,
            from,
        };
        peer.say(self, keyed_hello(number));
        assert_eq!(peer.from.received.len(), 1, "HELLO");
        assert_eq!(self.told(), [format!("peer{number} enters")]);
        peer
    }
}

/// Somebody with this key connects under the identity of a peer and does something; the peer must
/// not notice.
fn intrude<C: Level>(
    name: &str,
    deed: impl FnOnce(&mut RemoteEnd<C>, &mut SingleEngine<C>),
) -> SingleEngine<C> {
    let mut test = secured::<C>();
    let mut peer = test.add_secured_peer(1);
    let mut intruder = test.connect_with_key("10.0.0.66:6666", peer.id, &keypair(name));
    deed(&mut intruder, &mut test);
    // What it is told of keys is not about the peer.
    let told = test.told();
    assert!(
        told.iter().all(|it| it.ends_with("refused by us")),
        "{told:?}"
    );
    peer.is_undisturbed(&mut test);
    test
}

fn a_stranger_under_a_peers_identity_is_refused_and_told_once<C: Level>() {
    intrude::<C>("eve", |stranger, test| {
        assert_eq!(test.told(), ["010101 is refused by us"]);
        // It still gets to know why.
        assert!(!stranger.is_closed(test));
        for sequence in [0, 1, 2, 3] {
            stranger.send(test, sequence, whisper("I am peer1"));
        }
        test.run(millis(1000));
        assert!(stranger.is_closed(test));
        let again = test.connect_with_key("10.0.0.66:6667", [1; 16].into(), &keypair("eve"));
        test.run(millis(1000));
        assert!(again.is_closed(test));
        assert_eq!(test.told(), NOTHING);
    });
}

fn somebody_without_a_key_does_not_even_say_who_it_is<C: Level>() {
    let mut test = secured::<C>();
    let mut peer = test.add_secured_peer(1);
    let mut stranger = test.connect(peer.id);
    stranger.send(&mut test, 1, hello(1));
    stranger.send(&mut test, 2, whisper("I am peer1"));
    assert!(stranger.is_closed(&test));
    assert!(matches!(
        test.notices.last(),
        Some(Notice::LinkClosed { .. })
    ));
    peer.is_undisturbed(&mut test);
}

fn a_trusted_node_under_a_peers_identity_is_closed_at_once<C: Level>() {
    let test = intrude::<C>("mallory", |insider, test| {
        assert!(insider.is_closed(test));
        for sequence in 0..10 {
            insider.send(test, sequence, whisper("I am peer1"));
        }
        assert_eq!(test.told(), NOTHING);
    });
    let fault = Fault::OtherKey;
    let peer = PeerId::from([1; 16]);
    assert!(test.notices.contains(&Notice::Refused { peer, fault }));
    assert!(test.wanted.is_empty());
}

fn a_trusted_node_that_came_before_the_peer_is_closed_at_its_first_word<C: Level>() {
    for word in [whisper("I am peer1"), keyed_hello(1)] {
        let mut test = secured::<C>();
        let id = PeerId::from([1; 16]);
        let mut insider = test.connect_with_key("10.0.0.66:6666", id, &keypair("mallory"));
        let mut peer = test.add_secured_peer(1);
        assert!(!insider.is_closed(&test));
        insider.send(&mut test, 2, word);
        assert!(insider.is_closed(&test));
        // Nor is the peer asked.
        peer.from.exchange(&mut test);
        assert_eq!(peer.from.received.len(), 1);
        peer.is_undisturbed(&mut test);
    }
}

fn a_hello_that_names_the_key_of_another_is_refused<C: Level>() {
    let mut test = secured::<C>();
    let (id, own) = (PeerId::from([2; 16]), keypair("mallory"));
    let mut insider = test.connect_with_key("10.0.0.66:6666", id, &own);
    assert!(!insider.is_closed(&test));
    insider.send(&mut test, 1, keyed_hello(2));
    assert!(insider.is_closed(&test));
    assert_eq!(test.told(), NOTHING);
    assert!(test.wanted.is_empty());
    // Its own it may name.
    let mut insider = test.connect_with_key("10.0.0.66:6666", id, &own);
    insider.send(&mut test, 1, hello_with(2, own.public()));
    assert_eq!(test.wanted.len(), 1);
}

fn a_peer_goes_on_over_a_second_connection_at_once<C: Level>() {
    let mut test = secured::<C>();
    let mut peer = test.add_secured_peer(1);
    let mut second = test.connect_with_key(HOST, peer.id, &pair_of(1));
    second.send(&mut test, 2, whisper("two"));
    assert_eq!(test.told(), ["peer1 whispers two"]);
    assert!(peer.to.is_closed(&test));
    (peer.to, peer.sequence) = (second, 2);
    peer.is_undisturbed(&mut test);
}

fn a_peer_that_says_hello_anew_begins_a_new_session_at_once<C: Level>() {
    let mut test = secured::<C>();
    let peer = test.add_secured_peer(1);
    let second = begins_anew(&mut test, &peer);
    assert_eq!(test.told(), ["peer1 exits: restarted", "peer1 enters"]);
    assert!(peer.to.is_closed(&test) && peer.from.is_closed(&test));
    assert!(!second.is_closed(&test));
}

fn a_peer_that_does_so_again_within_a_minute_is_asked_first<C: Level>() {
    let mut test = secured::<C>();
    let peer = test.add_secured_peer(1);
    begins_anew(&mut test, &peer);
    test.run(secs(12));
    test.told();
    let mut third = test.connect_with_key(HOST, peer.id, &pair_of(1));
    third.send(&mut test, 1, keyed_hello(1));
    assert_eq!(test.told(), NOTHING);
    assert!(!third.is_closed(&test));
}

/// The peer connects anew, and accepts our new connection.
fn begins_anew<C: Level>(test: &mut SingleEngine<C>, peer: &FakePeer<C>) -> RemoteEnd<C> {
    let own = pair_of(1);
    let mut second = test.connect_with_key(HOST, peer.id, &own);
    second.send(test, 1, keyed_hello(1));
    let from = test.answer_open_with_key(peer.id, &own).unwrap();
    assert_eq!(from.received.len(), 1, "HELLO");
    second
}

fn a_forged_farewell_does_not_end_a_peer_that_answers<C: Level>() {
    let mut test = secured::<C>();
    let mut peer = test.add_secured_peer(1);
    let farewell = zre_proto::Beacon {
        peer: peer.id,
        port: None,
        public_key: Some(pair_of(1).public()),
    };
    let from = "10.0.1.1:5670".parse().unwrap();
    let datagram = farewell.encode();
    test.engine.handle_datagram(from, &datagram, test.now);
    peer.from.exchange(&mut test);
    let asked = peer.from.received.last().unwrap();
    assert!(matches!(asked.body, Body::Ping));
    peer.say(&mut test, Body::PingOk);
    test.run(secs(4));
    peer.is_undisturbed(&mut test);
}

fn another_node_behind_the_place_of_a_peer_gets_no_hello<C: Level>() {
    let mut test = secured::<C>();
    // A beacon names the place of peer 2, who has not the key of peer 1.
    test.hear_key(1, pair_of(1).public());
    let two = test.answer_open_with_key(PeerId::from([2; 16]), &pair_of(2));
    assert!(two.is_none());
    assert_eq!(test.told(), NOTHING);
}

/// Only over bytes does the other side say who it is.
fn a_node_that_says_to_be_another_behind_a_peers_key_gets_no_hello<C: Level>() {
    let mut test = secured::<C>();
    // A beacon gives the identity of peer 1 the place and the key of peer 2.
    let place = endpoint(2);
    let id = PeerId::from([1; 16]);
    let beacon = beacon_with(id, &place, Some(pair_of(2).public()));
    let from = place.to_socket_addr().unwrap();
    test.engine.handle_datagram(from, &beacon, test.now);
    test.drain();
    let two = test.answer_open_with_key(PeerId::from([2; 16]), &pair_of(2));
    let two = two.unwrap();
    if C::CAN_BE_CUT {
        assert!(two.is_closed(&test));
        assert!(two.received.is_empty());
    }
    assert_eq!(test.told(), NOTHING);
}

fn a_trusted_node_that_claims_the_place_of_another_takes_nothing_from_it<C: Level>() {
    let mut test = secured::<C>();
    let mut peer = test.add_secured_peer(1);
    let (id, own) = (PeerId::from([2; 16]), pair_of(2));
    let mut insider = test.connect_with_key("10.0.0.66:6666", id, &own);
    let Body::Hello(mut hello) = keyed_hello(2) else {
        unreachable!("it is a HELLO")
    };
    hello.endpoint = "tcp://[::ffff:10.0.1.1]:49152".parse().unwrap();
    insider.send(&mut test, 1, Body::Hello(hello));
    // It is asked whether it is still there, and nobody is connected to meanwhile.
    assert!(test.wanted.is_empty());
    peer.from.exchange(&mut test);
    peer.say(&mut test, Body::PingOk);
    assert!(insider.is_closed(&test));
    peer.is_undisturbed(&mut test);
}

fn a_peer_that_is_sought_with_the_key_of_another_is_connected_to_anew<C: Level>() {
    let mut test = secured::<C>();
    let (id, own) = (PeerId::from([1; 16]), pair_of(1));
    // Somebody who is trusted announces himself as peer 1, and takes our HELLO.
    test.hear_key(1, keypair("mallory").public());
    let insider = test.answer_open_with_key(id, &keypair("mallory")).unwrap();
    assert_eq!(insider.received.len(), 1, "HELLO");
    let mut to = test.connect_with_key(HOST, id, &own);
    to.send(&mut test, 1, keyed_hello(1));
    assert!(insider.is_closed(&test));
    assert_eq!(test.told(), NOTHING);
    let from = test.answer_open_with_key(id, &own).unwrap();
    assert_eq!(from.received.len(), 1, "HELLO");
    assert_eq!(test.told(), ["peer1 enters"]);
}

fn a_connection_that_was_let_in_before_its_key_was_removed_is_closed<C: Level>() {
    let mut test = secured::<C>();
    let silent = test.connect_with_key(HOST, PeerId::from([1; 16]), &pair_of(1));
    let peer = test.add_secured_peer(2);
    let trust = trusting(&["peer3"]);
    test.engine.set_trust(trust, test.now).unwrap();
    test.drain();
    assert!(silent.is_closed(&test));
    assert!(peer.to.is_closed(&test) && peer.from.is_closed(&test));
    let exit = "peer2 exits: its connections, or ours, are refused";
    assert_eq!(test.told(), [exit]);
    let again = test.connect_with_key(HOST, PeerId::from([2; 16]), &pair_of(2));
    assert_eq!(test.told(), ["020202 is refused by us"]);
    test.run(secs(1));
    assert!(again.is_closed(&test));
}
