//! A node with a key, and peers whose every beacon and HELLO the test chooses.

mod second_hello;

use core::time::Duration;
use std::{string::ToString as _, vec::Vec};

use zre_proto::{Beacon, Body, curve::PublicKey};

use super::{
    beacon_with, config, endpoint, id_of, keypair,
    single_node::{FakePeer, SingleNode},
    trusting,
};
use crate::{
    Error, Event, Expectation, Fault, HelloOrigin, NodeOutput, Notice, RefusedBy, Security, Seed,
    Trust, TrustedKeys, Verdict, node::Node,
};

const NOTHING: [&str; 0] = [];

impl SingleNode {
    /// Alice with a key, who trusts these.
    fn secured(names: &[&str]) -> Self {
        let mut config = config("alice", 1);
        config.security = Some(Security::new(keypair("alice"), trusting(names)));
        Self::with(config)
    }

    fn hears_key(&mut self, peer: &FakePeer, place: &str, key: PublicKey) {
        let place = endpoint(place);
        let datagram = beacon_with(peer.id, &place, Some(key));
        let from = place.to_socket_addr().unwrap();
        self.node.handle_beacon(from, &datagram, self.now);
    }

    /// A HELLO comes over a connection that has proved this key. If all is well, the peer enters.
    fn gets_hello(&mut self, peer: &mut FakePeer, proved: Option<PublicKey>) -> Expectation {
        let message = peer.says_hello();
        let Body::Hello(hello) = &message.body else {
            unreachable!("it is a HELLO")
        };
        let origin = HelloOrigin {
            source: peer.endpoint().to_socket_addr(),
            is_connected: true,
            came_at: self.now,
            key: proved,
        };
        let expected = self.node.expect_hello(peer.id, 1, hello, origin, self.now);
        if matches!(expected, Expectation::Await | Expectation::Deliver) {
            assert_eq!(self.gets(peer, message), Verdict::Accepted);
        }
        expected
    }

    fn places(&self, peer: &FakePeer) -> Vec<(std::string::String, Option<PublicKey>)> {
        let places = self.node.places(peer.id);
        places.map(|it| (it.endpoint.to_string(), it.key)).collect()
    }

    fn connected_to(&mut self) -> Vec<(std::string::String, Option<PublicKey>)> {
        let connect = |output| match output {
            NodeOutput::Connect { endpoint, key, .. } => Some((endpoint.to_string(), key)),
            _ => None,
        };
        self.outputs().into_iter().filter_map(connect).collect()
    }
}

/// Bob, whose HELLO has his key.
fn bob() -> FakePeer {
    with_key("bob", 2)
}

fn with_key(name: &str, host: usize) -> FakePeer {
    let mut peer = FakePeer::new(name, host);
    let key = key(name).to_string();
    peer.hello.headers.set("X-PUBLICKEY", key).unwrap();
    peer
}

fn key(name: &str) -> PublicKey {
    keypair(name).public()
}

#[test]
fn beacons_have_the_key_and_so_has_the_farewell() {
    let mut test = SingleNode::secured(&["bob"]);
    test.wait(Duration::from_secs(3));
    test.node.stop(test.now);
    let beacons = test
        .outputs()
        .into_iter()
        .filter_map(|output| match output {
            NodeOutput::Beacon { beacon, .. } => Some(beacon),
            _ => None,
        });
    let beacons: Vec<Beacon> = beacons.collect();
    assert!(beacons.len() > 3 && beacons.last().unwrap().port.is_none());
    for beacon in beacons {
        assert_eq!(beacon.public_key, Some(key("alice")));
        assert_eq!(beacon.encode().len(), 54);
    }
}

#[test]
fn hello_has_the_key_and_nobody_sets_it_by_hand() {
    let mut test = SingleNode::secured(&["bob"]);
    test.hears_key(&bob(), "10.0.0.2:49152", key("bob"));
    let sent = test.sent();
    let Body::Hello(hello) = &sent[0].body else {
        panic!("{sent:?}")
    };
    let expected = key("alice").to_string();
    assert_eq!(hello.headers.get("X-PUBLICKEY").unwrap(), &*expected);
    let set = test.node.set_header("X-PUBLICKEY", "x", test.now);
    assert_eq!(set, Err(Error::KeyHeader));
    let removed = test.node.remove_header("X-PUBLICKEY", test.now);
    assert_eq!(removed, Err(Error::KeyHeader));
    assert_eq!(test.node.headers().get("X-PUBLICKEY").unwrap(), &*expected);
    let mut open = SingleNode::new();
    let set = open.node.set_header("X-PUBLICKEY", "x", open.now);
    assert_eq!(set, Err(Error::KeyHeader));
}

#[test]
fn a_beacon_with_a_trusted_key_makes_us_connect_with_that_key() {
    let mut test = SingleNode::secured(&["bob"]);
    test.hears_key(&bob(), "10.0.0.2:49152", key("bob"));
    let expected = ("tcp://10.0.0.2:49152".into(), Some(key("bob")));
    assert_eq!(test.connected_to(), [expected]);
}

#[test]
fn a_key_that_is_not_trusted_is_told_once_and_nobody_connects() {
    let mut test = SingleNode::secured(&["bob"]);
    for _ in 0..100 {
        test.hears_key(&with_key("carol", 3), "10.0.0.3:49152", key("carol"));
        test.wait(Duration::from_secs(30));
    }
    let refused = Event::Refused {
        peer: id_of("carol"),
        key: key("carol"),
        by: RefusedBy::Us,
    };
    assert_eq!(test.events(), [refused]);
    assert!(matches!(test.notices()[..], [Notice::NotTrusted { .. }]));
    assert!(test.connected_to().is_empty());
}

#[test]
fn of_keys_that_somebody_makes_up_64_are_told_in_ten_minutes() {
    let mut test = SingleNode::secured(&["bob"]);
    for number in 0..5000_u16 {
        let mut forged = [9; 32];
        forged[..2].copy_from_slice(&number.to_be_bytes());
        test.hears_key(&with_key("carol", 3), "10.0.0.3:49152", forged.into());
    }
    assert_eq!(test.events().len(), 64);
    assert!(test.notices().len() <= 64);
    // One who proves that the key is his own is told all the same.
    test.node
        .handle_untrusted(id_of("dave"), key("dave"), test.now);
    assert_eq!(test.events().len(), 1);
}

#[test]
fn nodes_without_a_key_are_noted_once_by_those_with_one_and_the_other_way_round() {
    let mut secured = SingleNode::secured(&["bob"]);
    let mut open = SingleNode::new();
    for host in 2..50 {
        secured.hears(&FakePeer::new("x", host));
        secured.hears_leaving(&FakePeer::new("x", host));
        open.hears_key(&with_key("bob", host), "10.0.0.2:49152", key("bob"));
    }
    assert!(matches!(secured.notices()[..], [Notice::OpenPeer { .. }]));
    assert!(matches!(open.notices()[..], [Notice::SecuredPeer { .. }]));
    for mut test in [secured, open] {
        assert!(test.connected_to().is_empty());
        assert!(test.events().is_empty());
    }
}

#[test]
fn a_peer_enters_with_its_key_and_what_is_known_of_its_owner() {
    let mut test = SingleNode::secured(&["bob", "carol"]);
    let mut bob = bob();
    test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
    let expected = test.gets_hello(&mut bob, Some(key("bob")));
    assert_eq!(expected, Expectation::Await);
    let events = test.events();
    let [
        Event::Enter {
            key: Some(entered), ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(entered.public, key("bob"));
    assert_eq!(entered.metadata.name(), Some("bob"));
    let info = test.node.peer(bob.id).unwrap();
    assert_eq!(info.key.as_ref(), Some(&**entered));
    assert_eq!(test.node.proved_key(bob.id), Some(key("bob")));
}

#[test]
fn a_hello_counts_only_with_the_key_that_its_connection_has_proved() {
    let refuses = |proved: Option<&str>, said: Option<&str>, fault: Fault| {
        let mut test = SingleNode::secured(&["bob", "carol"]);
        let mut bob = bob();
        bob.hello.headers.remove("X-PUBLICKEY");
        if let Some(said) = said {
            bob.hello.headers.set("X-PUBLICKEY", said).unwrap();
        }
        let refused = test.gets_hello(&mut bob, proved.map(key));
        assert_eq!(refused, Expectation::Refused(fault));
        assert_eq!(test.told(), NOTHING);
        assert!(test.connected_to().is_empty());
        // Not even if it is given to the node all the same.
        let hello = bob.says_hello();
        assert!(matches!(test.gets(&bob, hello), Verdict::Violation(_)));
        assert_eq!(test.told(), NOTHING);
    };
    let keys = ["bob", "carol", "eve"].map(|name| key(name).to_string());
    let [bob, carol, eve] = keys.each_ref().map(|key| Some(&**key));
    refuses(None, bob, Fault::NotTrusted);
    refuses(Some("eve"), eve, Fault::NotTrusted);
    refuses(Some("bob"), None, Fault::KeyHeader);
    refuses(Some("bob"), carol, Fault::KeyHeader);
    refuses(Some("bob"), Some("no key"), Fault::KeyHeader);
    refuses(Some("carol"), bob, Fault::KeyHeader);
}

#[test]
fn nothing_counts_for_a_peer_that_has_another_key() {
    let mut test = SingleNode::secured(&["bob", "mallory"]);
    let mut bob = bob();
    test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
    let _entered = test.gets_hello(&mut bob, Some(key("bob")));
    test.drain();
    let mut insider = with_key("mallory", 9);
    insider.id = bob.id;
    let refused = test.gets_hello(&mut insider, Some(key("mallory")));
    assert_eq!(refused, Expectation::Refused(Fault::OtherKey));
    assert_eq!(
        test.node.check_key(bob.id, Some(key("mallory"))),
        Err(Fault::OtherKey)
    );
    for _ in 0..20 {
        test.hears_key(&insider, "10.0.0.9:49152", key("mallory"));
        // Its farewell, too.
        let farewell = Beacon {
            peer: bob.id,
            port: None,
            public_key: Some(key("mallory")),
        };
        let from = "10.0.0.9:5670".parse().unwrap();
        test.node.handle_beacon(from, &farewell.encode(), test.now);
        test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
        test.wait(Duration::from_secs(1));
    }
    assert_eq!(test.told(), NOTHING);
    assert_eq!(test.places(&bob).len(), 1);
    assert!(test.connected_to().is_empty());
    let other = |notice: &&Notice| matches!(notice, Notice::OtherKey { .. });
    assert_eq!(test.notices().iter().filter(other).count(), 1);
}

#[test]
fn a_forged_beacon_is_one_place_among_others_until_the_peer_proves_its_key() {
    let beacons = [
        ("10.0.0.2:49152", "mallory"),
        ("10.0.0.9:1", "bob"),
        ("10.0.0.2:49152", "bob"),
    ];
    for first in 0..3 {
        let mut test = SingleNode::secured(&["bob", "mallory"]);
        let mut bob = bob();
        for number in 0..3 {
            let (place, name) = beacons[(first + number) % 3];
            test.hears_key(&bob, place, key(name));
        }
        let mut places = test.places(&bob);
        places.sort_unstable();
        let place = |(place, name)| (std::format!("tcp://{place}"), Some(key(name)));
        let mut expected = beacons.map(place);
        expected.sort_unstable();
        assert_eq!(places, expected);
        test.drain();
        let _entered = test.gets_hello(&mut bob, Some(key("bob")));
        assert_eq!(test.told(), ["bob enters"]);
        let places = test.places(&bob);
        assert!(places.iter().all(|(_, it)| *it == Some(key("bob"))));
    }
}

#[test]
fn a_connection_to_another_key_that_was_tried_before_the_peer_proved_its_own_is_not_taken() {
    let mut test = SingleNode::secured(&["bob", "mallory"]);
    let mut bob = bob();
    test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
    test.hears_key(&bob, "10.0.0.9:1", key("mallory"));
    test.drain();
    let hello = bob.says_hello();
    let Body::Hello(said) = &hello.body else {
        unreachable!("it is a HELLO")
    };
    let origin = HelloOrigin {
        source: bob.endpoint().to_socket_addr(),
        is_connected: false,
        came_at: test.now,
        key: Some(key("bob")),
    };
    let expected = test.node.expect_hello(bob.id, 1, said, origin, test.now);
    assert_eq!(expected, Expectation::Await);
    let reached = (endpoint("10.0.0.9:1"), key("mallory")).into();
    test.node.handle_reached(bob.id, &reached, test.now);
    let own = ("tcp://10.0.0.2:49152".into(), Some(key("bob")));
    assert_eq!(test.connected_to(), [own]);
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(test.told(), ["bob enters"]);
}

#[test]
fn a_hello_with_another_key_than_the_place_that_a_beacon_named_is_connected_to_with_its_own() {
    let mut test = SingleNode::secured(&["bob", "mallory"]);
    let mut bob = bob();
    test.hears_key(&bob, "10.0.0.9:1", key("mallory"));
    test.drain();
    let _entered = test.gets_hello(&mut bob, Some(key("bob")));
    let expected = ("tcp://10.0.0.2:49152".into(), Some(key("bob")));
    assert_eq!(test.connected_to(), [expected]);
    assert_eq!(test.told(), ["bob enters"]);
}

#[test]
fn a_key_that_is_no_longer_trusted_ends_its_session_and_a_new_one_is_met_with_its_next_beacon() {
    let mut test = SingleNode::secured(&["bob"]);
    let (mut bob, carol) = (bob(), with_key("carol", 3));
    test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
    let _entered = test.gets_hello(&mut bob, Some(key("bob")));
    test.hears_key(&carol, "10.0.0.3:49152", key("carol"));
    test.drain();
    test.node.set_trust(trusting(&["carol"]), test.now).unwrap();
    assert_eq!(
        test.told(),
        ["bob exits: its connections, or ours, are refused"]
    );
    let closed = test.outputs();
    assert!(matches!(closed[..], [NodeOutput::Disconnect { peer }] if peer == bob.id));
    test.hears_key(&carol, "10.0.0.3:49152", key("carol"));
    let expected = ("tcp://10.0.0.3:49152".into(), Some(key("carol")));
    assert_eq!(test.connected_to(), [expected]);
    test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
    assert!(matches!(
        test.events()[..],
        [Event::Refused {
            by: RefusedBy::Us,
            ..
        }]
    ));
    let mut open = SingleNode::new();
    let refused = open.node.set_trust(Trust::Any, open.now);
    assert_eq!(refused, Err(Error::NoSecurity));
}

#[test]
fn whoever_refuses_our_key_is_told_once_and_sought_ever_more_rarely() {
    let mut test = SingleNode::secured(&["bob"]);
    let bob = bob();
    let (mut told, mut connects) = (Vec::new(), 0);
    for _ in 0..600 {
        test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
        if !test.connected_to().is_empty() {
            connects += 1;
            test.node.handle_refused_key(bob.id, key("bob"), test.now);
        }
        told.extend(test.events());
        test.wait(Duration::from_secs(1));
    }
    let refused = Event::Refused {
        peer: bob.id,
        key: key("bob"),
        by: RefusedBy::Them,
    };
    assert_eq!(told, [refused]);
    assert!((15..30).contains(&connects), "{connects}");
}

#[test]
fn a_refusal_is_told_again_when_the_peer_has_entered_meanwhile() {
    let mut test = SingleNode::secured(&["bob"]);
    let mut bob = bob();
    for _ in 0..3 {
        test.node.handle_refused_key(bob.id, key("bob"), test.now);
        let refused = std::format!("{:.6} is refused by them", bob.id);
        assert_eq!(test.told(), [refused]);
        test.node.handle_refused_key(bob.id, key("bob"), test.now);
        let _entered = test.gets_hello(&mut bob, Some(key("bob")));
        assert_eq!(test.told(), ["bob enters"]);
        test.node
            .remove_peer(bob.id, crate::ExitReason::ConnectionLost, test.now);
        test.drain();
    }
}

#[test]
fn a_tuple_with_another_key_than_a_peer_has_proved_asks_it_nothing() {
    let mut test = SingleNode::secured(&["bob", "mallory"]);
    let mut bob = bob();
    let _entered = test.gets_hello(&mut bob, Some(key("bob")));
    test.drain();
    for name in ["mallory", "bob"] {
        let place = (endpoint("10.0.0.9:1"), key(name)).into();
        let now = test.now;
        let sought = test.node.handle_tuple(bob.id, place, false, now);
        assert_eq!(sought, crate::node::Sought::There);
        let asked = usize::from(name == "bob");
        assert_eq!(test.sent_kinds().len(), asked, "{name}");
    }
}

#[test]
fn one_who_refuses_at_the_place_of_another_hides_nobody() {
    let mut test = SingleNode::secured(&["bob", "mallory"]);
    let bob = bob();
    test.hears_key(&bob, "10.0.0.9:1", key("mallory"));
    test.hears_key(&bob, "10.0.0.2:49152", key("bob"));
    test.drain();
    test.node
        .handle_refused_key(bob.id, key("mallory"), test.now);
    let places = test.places(&bob);
    assert!(places.contains(&("tcp://10.0.0.2:49152".into(), Some(key("bob")))));
}

#[test]
fn in_a_network_with_one_key_everybody_who_has_it_enters() {
    let mut config = config("alice", 1);
    config.security = Some(Security::shared(keypair("all")));
    let mut test = SingleNode::with(config);
    for (name, host) in [("bob", 2), ("carol", 3)] {
        let mut peer = FakePeer::new(name, host);
        let text = key("all").to_string();
        peer.hello.headers.set("X-PUBLICKEY", text).unwrap();
        test.hears_key(&peer, &peer.endpoint().to_string()[6..], key("all"));
        let expected = test.gets_hello(&mut peer, Some(key("all")));
        assert_eq!(expected, Expectation::Await);
        assert_eq!(test.told(), [std::format!("{name} enters")]);
    }
}

#[test]
fn the_secret_key_is_not_shown() {
    let mut config = config("alice", 1);
    let keys: TrustedKeys = [key("bob")].into();
    config.security = Some(Security::new(keypair("alice"), keys.into()));
    let secret = keypair("alice").secret().to_z85();
    let node = Node::new(config, Seed::predictable([7; 32]), Default::default());
    assert!(!std::format!("{node:?}").contains(&**secret));
}
