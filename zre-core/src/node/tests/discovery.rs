//! How nodes find each other, and what an application then knows.

use core::time::Duration;
use std::{vec, vec::Vec};

use zre_proto::Body;

use super::{
    config, endpoint, group, id_of,
    single_node::{FakePeer, SingleNode},
};
use crate::{Event, Fault, NodeOutput, Notice, Verdict};

#[test]
fn the_first_output_is_a_beacon_with_the_nodes_port() {
    let mut test = SingleNode::new();
    let beacon = match test.node.poll_output() {
        Some(NodeOutput::Beacon { beacon, .. }) => beacon,
        other => panic!("{other:?}"),
    };
    assert_eq!(beacon.peer, test.node.id());
    assert_eq!(beacon.port, Some(test.node.endpoint().port()));
    assert_eq!(test.node.poll_output(), None);
}

#[test]
fn enter_tells_name_endpoint_and_headers_and_then_the_groups() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    bob.hello.groups = [group("B"), group("A")].into();
    bob.hello.headers.set("X-ROLE", "chat").unwrap();
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);

    let mut events = test.events().into_iter();
    let enter = Event::Enter {
        peer: bob.id,
        name: bob.hello.name.clone(),
        endpoint: bob.endpoint().clone(),
        headers: bob.hello.headers.clone(),
        key: None,
    };
    assert_eq!(events.next(), Some(enter));
    for name in ["A", "B"] {
        let join = Event::Join {
            peer: bob.id,
            name: bob.hello.name.clone(),
            group: group(name),
        };
        assert_eq!(events.next(), Some(join));
    }
    assert_eq!(events.next(), None);
}

#[test]
fn queries_tell_what_the_events_told() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    bob.hello.groups = [group("A"), group("B")].into();
    bob.hello.headers.set("X-ROLE", "chat").unwrap();
    test.meet(&mut bob);
    test.node.join(&group("OWN"), test.now).unwrap();

    let node = &test.node;
    assert_eq!(node.peers().collect::<Vec<_>>(), [bob.id]);
    let info = node.peer(bob.id).unwrap();
    assert_eq!((info.id, info.name), (bob.id, bob.hello.name.clone()));
    assert_eq!(info.endpoint, *bob.endpoint());
    assert_eq!(info.headers, bob.hello.headers);
    assert_eq!(info.groups, bob.hello.groups);
    assert_eq!(
        node.peers_by_group(&group("A")).collect::<Vec<_>>(),
        [bob.id]
    );
    assert_eq!(node.peers_by_group(&group("OWN")).count(), 0);
    assert_eq!(node.own_groups().collect::<Vec<_>>(), vec![&group("OWN")]);
    let groups: Vec<_> = node.peer_groups().cloned().collect();
    assert_eq!(groups, [group("A"), group("B")]);

    test.node.handle_disconnect(bob.id, test.now);
    assert_eq!(test.node.peers().count(), 0);
    assert_eq!(test.node.peer(bob.id), None);
    assert_eq!(test.node.peer_groups().count(), 0);
}

#[test]
fn peers_can_be_asked_for_all_at_once_and_by_name() {
    let mut test = SingleNode::new();
    for (name, host) in [("a", 2), ("b", 3), ("c", 4)] {
        let mut peer = FakePeer::new(name, host);
        if name == "c" {
            peer.hello.name = "a".try_into().unwrap();
        }
        test.meet(&mut peer);
    }
    let pending = FakePeer::new("d", 5);
    test.hears(&pending);

    let node = &test.node;
    let all: Vec<_> = node.peers().map(|peer| node.peer(peer).unwrap()).collect();
    assert_eq!(all.len(), 3);
    assert_eq!(node.peer_infos().collect::<Vec<_>>(), all);
    let named = |name: &str| node.peers_by_name(name).collect::<Vec<_>>();
    assert_eq!(named("a"), [id_of("a"), id_of("c")]);
    assert_eq!(named("b"), [id_of("b")]);
    assert_eq!(named("d"), []);
}

#[test]
fn our_hello_tells_name_endpoint_headers_groups_and_status() {
    let mut config = config("alice", 1);
    config.groups = [group("A"), group("B")].into();
    config.headers.set("X-ROLE", "chat").unwrap();
    let mut test = SingleNode::with(config.clone());
    test.drain();
    test.node.join(&group("C"), test.now).unwrap();
    test.hears(&FakePeer::new("bob", 2));
    let sent = test.sent();
    let [hello] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(hello.sequence, 1);
    let Body::Hello(hello) = &hello.body else {
        panic!("{hello:?}")
    };
    assert_eq!(hello.endpoint, config.endpoint);
    assert_eq!(hello.groups, [group("A"), group("B"), group("C")].into());
    assert_eq!(
        (hello.status, hello.name.clone()),
        (3, "alice".try_into().unwrap())
    );
    assert_eq!(hello.headers, config.headers);
}

#[test]
fn a_peer_of_which_only_a_beacon_is_known_is_not_there_yet() {
    let mut test = SingleNode::new();
    let bob = FakePeer::new("bob", 2);
    test.hears(&bob);
    assert_eq!(test.events(), []);
    assert_eq!(test.node.peers().count(), 0);
    assert_eq!(test.node.peer(bob.id), None);
    assert_eq!(test.node.last_heard(bob.id), None);
}

#[test]
fn a_hello_with_our_own_identity_or_endpoint_is_dropped() {
    let own_endpoint = config("alice", 1).endpoint;
    for known in [false, true] {
        let mut test = SingleNode::new();
        let mut mallory = FakePeer::new("mallory", 9);
        if known {
            test.meet(&mut mallory);
        }
        test.drain();
        mallory.hello.endpoint = own_endpoint.clone();
        for _ in 0..100 {
            let hello = mallory.says_hello();
            assert_eq!(test.gets(&mallory, hello), Verdict::Ignored);
        }
        let mut ourselves = FakePeer::new("alice", 3);
        ourselves.id = test.node.id();
        let hello = ourselves.says_hello();
        assert_eq!(test.gets(&ourselves, hello), Verdict::Ignored);

        assert_eq!(test.events(), []);
        assert_eq!(test.outputs(), []);
        let own = |notice: &Notice| matches!(notice, Notice::OwnHello { .. });
        assert_eq!(
            test.notices().iter().filter(|notice| own(notice)).count(),
            101
        );
    }
}

#[test]
fn a_beacon_with_our_own_identity_or_endpoint_is_dropped() {
    let mut test = SingleNode::new();
    test.drain();
    let own_endpoint = test.node.endpoint().clone();
    test.hears_at(&FakePeer::new("mallory", 9), &own_endpoint);
    let mut ourselves = FakePeer::new("alice", 3);
    ourselves.id = test.node.id();
    test.hears(&ourselves);
    assert_eq!(test.outputs(), []);
}

#[test]
fn a_new_identity_at_a_known_endpoint_replaces_the_old_peer() {
    let (mut test, bob) = SingleNode::with_bob();
    let mut anew = FakePeer::new("bobby", 2);
    test.hears(&anew);
    assert_eq!(test.sent_kinds(), [("PING", 2)], "is bob still there?");
    test.wait(Duration::from_secs(5));
    let last = "bob exits: replaced by another node at its endpoint";
    assert_eq!(test.told().last().unwrap(), last);
    test.hears(&anew);
    let hello = anew.says_hello();
    assert_eq!(test.gets(&anew, hello), Verdict::Accepted);
    assert_eq!(test.told(), ["bobby enters"]);
    assert_eq!(test.node.peer(bob.id), None);
}

#[test]
fn a_peer_that_answers_is_not_replaced_and_the_claimant_of_its_endpoint_goes() {
    let (mut test, mut bob) = SingleNode::with_bob();
    let mut mallory = FakePeer::new("mallory", 2);
    let hello = mallory.says_hello();
    assert_eq!(test.gets(&mallory, hello), Verdict::Accepted);
    assert_eq!(test.sent_kinds(), [("PING", 2)], "only bob is sent to");
    let now = test.now;
    let whisper = test.node.whisper(mallory.id, "hello".into(), now);
    assert_eq!(whisper, Err(crate::Error::Full(mallory.id)));
    let answer = bob.says(Body::PingOk);
    assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
    test.wait(Duration::from_secs(2));
    let refused = std::format!(
        "mallory exits: broke the protocol: its endpoint is that of {}",
        bob.id
    );
    assert_eq!(test.told(), ["mallory enters", &refused]);
}

#[test]
fn of_two_that_claim_one_endpoint_the_later_waits_for_it_and_the_earlier_goes() {
    let (mut test, _bob) = SingleNode::with_bob();
    for name in ["carol", "dave", "dave"] {
        let mut claimant = FakePeer::new(name, 2);
        let hello = claimant.says_hello();
        assert_eq!(test.gets(&claimant, hello), Verdict::Accepted);
    }
    assert!(!test.node.is_ready(id_of("carol")));
    assert!(test.node.awaits_endpoint(id_of("dave")));
    let told = test.told();
    let exits: Vec<_> = told.iter().filter(|line| line.contains("exits")).collect();
    let replaced = "carol exits: replaced by another node at its endpoint";
    assert_eq!(exits, [replaced, "dave exits: restarted"]);
    test.wait(Duration::from_secs(5));
    assert!(!test.node.awaits_endpoint(id_of("dave")));
    assert!(test.node.is_ready(id_of("dave")));
}

#[test]
fn a_claimant_that_came_again_from_an_endpoint_of_its_own_is_left_alone() {
    for bob_answers in [true, false] {
        let (mut test, mut bob) = SingleNode::with_bob();
        let mut carol = FakePeer::new("carol", 2);
        let hello = carol.says_hello();
        assert_eq!(test.gets(&carol, hello), Verdict::Accepted);
        test.node.handle_disconnect(carol.id, test.now);
        let mut carol = FakePeer::new("carol", 3);
        let hello = carol.says_hello();
        assert_eq!(test.gets(&carol, hello), Verdict::Accepted);
        test.drain();
        if bob_answers {
            let answer = bob.says(Body::PingOk);
            assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
        } else {
            test.wait(Duration::from_secs(5));
            let told = test.told();
            assert!(told.iter().any(|line| line.starts_with("bob exits")));
        }
        assert!(!test.sent_kinds().contains(&("HELLO", 1)));
        assert!(test.node.is_ready(carol.id));
    }
}

#[test]
fn a_hello_from_a_stranger_at_a_known_endpoint_replaces_the_old_peer() {
    let (mut test, _bob) = SingleNode::with_bob();
    let mut anew = FakePeer::new("bobby", 2);
    let hello = anew.says_hello();
    assert_eq!(test.gets(&anew, hello), Verdict::Accepted);
    assert_eq!(test.sent_kinds(), [("PING", 2)], "is bob still there?");
    test.wait(Duration::from_secs(5));
    let told = test.told();
    assert_eq!(told.first().unwrap(), "bobby enters");
    let last = "bob exits: replaced by another node at its endpoint";
    assert_eq!(told.last().unwrap(), last);
    assert!(test.sent_kinds().contains(&("HELLO", 1)), "to bobby");
}

#[test]
fn a_hello_that_is_not_the_first_message_is_refused() {
    let mut test = SingleNode::new();
    let bob = FakePeer::new("bob", 2);
    let mut hello = bob.clone().says_hello();
    hello.sequence = 2;
    let fault = Fault::Sequence {
        expected: 1,
        received: 2,
    };
    assert_eq!(
        test.gets(&bob, hello.clone()),
        Verdict::Violation(fault.clone())
    );
    assert_eq!(test.events(), []);

    let (mut test, bob) = SingleNode::with_bob();
    assert_eq!(test.gets(&bob, hello), Verdict::Violation(fault));
    assert_eq!(
        test.told(),
        ["bob exits: broke the protocol: sequence number 2, expected 1"]
    );
}

#[test]
fn a_secured_peer_and_a_malformed_beacon_are_noted_and_ignored() {
    let mut test = SingleNode::new();
    test.drain();
    let bob = FakePeer::new("bob", 2);
    let from = bob.endpoint().to_socket_addr().unwrap();
    let secured = zre_proto::Beacon {
        peer: bob.id,
        port: Some(bob.endpoint().port()),
        public_key: Some([1; 32].into()),
    };
    test.node.handle_beacon(from, &secured.encode(), test.now);
    test.node.handle_beacon(from, b"nonsense", test.now);
    assert_eq!(test.outputs(), []);
    let notices = test.notices();
    assert!(matches!(
        notices[..],
        [Notice::SecuredPeer { .. }, Notice::BadBeacon { .. }]
    ));
}

#[test]
fn messages_go_where_the_beacon_came_from_and_enter_tells_the_advertised_endpoint() {
    let mut test = SingleNode::new();
    test.drain();
    let mut bob = FakePeer::new("bob", 2).at("tcp://bob.example:49152");
    test.hears_at(&bob, &endpoint("10.0.0.2:49152"));
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    let connect = NodeOutput::Connect {
        peer: bob.id,
        endpoint: endpoint("10.0.0.2:49152"),
        key: None,
    };
    let outputs = test.outputs();
    assert_eq!(outputs.first(), Some(&connect));
    assert_eq!(outputs.len(), 2);
    assert_eq!(test.node.peer(bob.id).unwrap().endpoint, *bob.endpoint());
}

#[test]
fn a_claimant_is_not_connected_while_the_peer_at_its_endpoint_may_answer() {
    for hellos in 1..=5 {
        let (mut test, mut bob) = SingleNode::with_bob();
        let mut claimant = FakePeer::new("mallory", 2);
        for _ in 0..hellos {
            let hello = claimant.says_hello();
            assert_eq!(test.gets(&claimant, hello), Verdict::Accepted);
        }
        test.wait(Duration::from_millis(999));
        let connects = |output: &NodeOutput| matches!(output, NodeOutput::Connect { .. });
        assert!(!test.outputs().iter().any(connects), "{hellos} HELLOs");

        let answer = bob.says(Body::PingOk);
        assert_eq!(test.gets(&bob, answer), Verdict::Accepted);
        assert!(!test.node.is_ready(claimant.id));
        // The endpoint is still bob's: whoever claims it makes us ask bob again.
        let mut other = FakePeer::new("trudy", 2);
        let hello = other.says_hello();
        assert_eq!(test.gets(&other, hello), Verdict::Accepted);
        assert!(test.node.awaits_endpoint(other.id));
        assert_eq!(test.sent_kinds(), [("PING", 3)], "{hellos} HELLOs");
        assert!(test.node.is_ready(bob.id));
    }
}
