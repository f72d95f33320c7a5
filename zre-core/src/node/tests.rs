//! What applications and peers see of a node.
//!
//! `SingleNode` is one node with peers that the test plays. Several nodes, with connections between
//! them, are in `engine/tests`.

mod admission;
mod commands;
mod discovery;
mod election;
pub(crate) mod event_text;
mod limits;
mod patience;
mod presence;
mod requests;
mod secured;
mod session;
mod single_node;
mod timing;
mod traffic;
mod tuples;

use std::{format, vec::Vec};

use bytes::Bytes;
use zre_proto::{
    Beacon, Endpoint, GroupName, PeerId,
    curve::{KeyMetadata, Keypair, PublicKey, SecretKey},
};

use crate::{Config, Event, Instant, Node, NodeOutput, Seed, Trust};

#[test]
fn two_nodes_joined_by_hand() {
    let now = Instant::default();
    let config = |port| Config::new(format!("tcp://10.0.0.1:{port}").parse().unwrap());
    let mut alice = Node::new(config(49152), Seed::predictable([1; 32]), now);
    let mut bob = Node::new(config(49153), Seed::predictable([2; 32]), now);

    // Carries all that one node wants done to the other, and says whether there was anything.
    let carry = |from: &mut Node, to: &mut Node| {
        let outputs: Vec<_> = core::iter::from_fn(|| from.poll_output()).collect();
        for output in &outputs {
            match output.clone() {
                NodeOutput::Beacon { beacon, .. } => {
                    to.handle_beacon("10.0.0.1:5670".parse().unwrap(), &beacon.encode(), now);
                }
                NodeOutput::Send { message, .. } => {
                    let _verdict = to.handle_message(&from.id().into(), message, now);
                }
                NodeOutput::Connect { .. }
                | NodeOutput::Disconnect { .. }
                | NodeOutput::GiveWay { .. } => {}
            }
        }
        !outputs.is_empty()
    };

    bob.join(&group("CHAT"), now).unwrap();
    while carry(&mut alice, &mut bob) | carry(&mut bob, &mut alice) {}
    assert_eq!(alice.shout(&group("CHAT"), "hello".into(), now), Ok(1));
    while carry(&mut alice, &mut bob) | carry(&mut bob, &mut alice) {}

    assert!(matches!(alice.poll_event(), Some(Event::Enter { peer, .. }) if peer == bob.id()));
    assert!(matches!(alice.poll_event(), Some(Event::Join { group, .. }) if group == "CHAT"));
    assert!(matches!(bob.poll_event(), Some(Event::Enter { peer, .. }) if peer == alice.id()));
    let shout = bob.poll_event();
    assert!(matches!(shout, Some(Event::Shout { content, .. }) if content == "hello"));
}

/// The defaults for a node of that name at 10.0.0.`host`.
pub(crate) fn config(name: &str, host: usize) -> Config {
    let (high, low) = (host / 250, host % 250);
    let mut config = Config::new(endpoint(&format!("10.0.{high}.{low}:49152")));
    config.name = Some(name.try_into().unwrap());
    config
}

pub(crate) fn endpoint(address: &str) -> Endpoint {
    format!("tcp://{address}").parse().unwrap()
}

pub(crate) fn group(name: &str) -> GroupName {
    name.try_into().unwrap()
}

/// An identity that depends on the name alone.
pub(crate) fn id_of(name: &str) -> PeerId {
    let mut bytes = [0xA5; 16];
    for (byte, from) in bytes.iter_mut().zip(name.bytes()) {
        *byte = from;
    }
    bytes.into()
}

pub(crate) fn beacon(peer: PeerId, endpoint: &Endpoint) -> Bytes {
    beacon_with(peer, endpoint, None)
}

pub(crate) fn beacon_with(
    peer: PeerId,
    endpoint: &Endpoint,
    public_key: Option<PublicKey>,
) -> Bytes {
    let port = Some(endpoint.port());
    Beacon {
        peer,
        port,
        public_key,
    }
    .encode()
}

/// A key that depends on the name alone.
pub(crate) fn keypair(name: &str) -> Keypair {
    let mut bytes = [0x5A; 32];
    for (byte, from) in bytes.iter_mut().zip(name.bytes()) {
        *byte = from;
    }
    SecretKey::from(bytes).into()
}

/// These nodes are trusted, and their certificates have their names.
pub(crate) fn trusting(names: &[&str]) -> Trust {
    let keys = names.iter().map(|name| {
        let metadata = KeyMetadata::from_iter([("name", *name)]);
        (keypair(name).public(), metadata)
    });
    Trust::Keys(keys.collect())
}
