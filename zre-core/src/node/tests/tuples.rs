//! Peers that gossip tells of.

use core::time::Duration;

use zre_proto::Body;

use super::{
    endpoint, id_of,
    single_node::{FakePeer, SingleNode},
};
use crate::{
    NodeOutput, Verdict,
    node::{Sought, Standing},
};

fn sought(test: &mut SingleNode, peer: &FakePeer) -> Sought {
    let (place, now) = (peer.endpoint().clone(), test.now);
    test.node.handle_tuple(peer.id, place.into(), false, now)
}

#[test]
fn a_tuple_makes_the_node_say_hello_and_the_peer_enters_with_its_own() {
    let mut test = SingleNode::new();
    let mut bob = FakePeer::new("bob", 2);
    assert_eq!(sought(&mut test, &bob), Sought::Begun);
    assert_eq!(test.hellos_sent(), 1);
    assert_eq!(test.told(), [""; 0]);
    assert_eq!(sought(&mut test, &bob), Sought::Begun, "it is being sought");
    let hello = bob.says_hello();
    assert_eq!(test.gets(&bob, hello), Verdict::Accepted);
    assert_eq!(test.told(), ["bob enters"]);
    assert_eq!(sought(&mut test, &bob), Sought::There);
    assert_eq!(test.hellos_sent(), 0);
}

#[test]
fn a_tuple_is_no_sign_of_life() {
    let (mut test, bob) = SingleNode::with_bob();
    test.told();
    for _ in 0..32 {
        test.wait(Duration::from_secs(1));
        sought(&mut test, &bob);
        test.outputs();
    }
    let told = test.told();
    let expected = "bob exits: was silent for too long";
    assert_eq!(told.last().unwrap(), expected);
}

#[test]
fn a_tuple_of_this_node_or_at_its_place_is_nothing() {
    let mut test = SingleNode::new();
    let (own, now) = (test.node.endpoint().clone(), test.now);
    let id = test.node.id();
    let elsewhere = endpoint("10.0.0.9:1");
    let node = &mut test.node;
    assert_eq!(
        node.handle_tuple(id, elsewhere.into(), false, now),
        Sought::Never
    );
    let bob = id_of("bob");
    assert_eq!(
        node.handle_tuple(bob, own.into(), false, now),
        Sought::Never
    );
    assert_eq!(node.standing(bob), Standing::Gone);
}

#[test]
fn a_peer_that_gossip_alone_tells_of_is_forgotten_when_it_cannot_be_reached() {
    let mut test = SingleNode::new();
    let bob = FakePeer::new("bob", 2);
    test.node.watch_changes();
    sought(&mut test, &bob);
    test.node.handle_unreachable(bob.id, test.now);
    assert_eq!(test.node.standing(bob.id), Standing::Gone);
    assert_eq!(test.node.take_changes(), [(bob.id, false)].into());
    // One that is heard, too, would come again with its next beacon.
    sought(&mut test, &bob);
    test.hears(&bob);
    test.node.handle_unreachable(bob.id, test.now);
    assert_eq!(test.node.standing(bob.id), Standing::Unreachable);
}

#[test]
fn what_has_become_of_peers_is_told_once_and_whether_it_is_for_good() {
    let (mut test, mut bob) = SingleNode::with_bob();
    test.node.watch_changes();
    let goodbye = bob.says(Body::Goodbye);
    assert_eq!(test.gets(&bob, goodbye), Verdict::Accepted);
    assert_eq!(test.node.take_changes(), [(bob.id, true)].into());
    assert_eq!(test.node.take_changes(), [].into());
    let mut carol = FakePeer::new("carol", 3);
    test.meet(&mut carol);
    assert_eq!(test.node.take_changes(), [(carol.id, false)].into());
    assert_eq!(test.node.standing(carol.id), Standing::Ready);
}

/// Or a forged beacon would make this node drop a tuple.
#[test]
fn one_that_has_not_entered_is_not_gone_for_good_when_a_beacon_names_its_place() {
    let mut test = SingleNode::new();
    let bob = FakePeer::new("bob", 2);
    test.node.watch_changes();
    sought(&mut test, &bob);
    let intruder = FakePeer::new("intruder", 2);
    assert_eq!(intruder.endpoint(), bob.endpoint());
    test.hears(&intruder);
    assert_eq!(test.node.standing(bob.id), Standing::Gone);
    assert_eq!(test.node.take_changes(), [(bob.id, false)].into());
}

#[test]
fn a_node_that_has_said_goodbye_seeks_nobody() {
    let mut test = SingleNode::new();
    let mut config = test.node.config().clone();
    config.is_gossip_hub = true;
    test = SingleNode::with(config);
    let mut carol = FakePeer::new("carol", 3);
    test.meet(&mut carol);
    test.drain();
    test.node.say_goodbye(test.now);
    assert_eq!(test.sent_kinds(), [("GOODBYE", 2)]);
    let bob = FakePeer::new("bob", 2);
    assert_eq!(sought(&mut test, &bob), Sought::NotNow);
    test.hears(&bob);
    test.wait(Duration::from_secs(3));
    assert_eq!(test.outputs(), []);
    test.node.stop(test.now);
    let outputs = test.outputs();
    let is_message = |output: &NodeOutput| matches!(output, NodeOutput::Send { .. });
    assert!(!outputs.iter().any(is_message), "it has been said");
}
