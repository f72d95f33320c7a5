//! Gossip between nodes with keys.

use alloc::{format, vec::Vec};

use super::{
    super::network::{Network, secs},
    key, short,
};
use crate::{config::Beacons, link::Link, node::tests::trusting, notice::Notice};

const NOTHING: [&str; 0] = [];

/// A node that gossips, and sends no beacons.
fn add(net: &mut Network<Link>, name: &str, trusted: &[&str], hub: Option<usize>) -> usize {
    let mut config = net.config_with_key(name, trusted);
    config.beacons = Beacons::Off;
    config.is_gossip_hub = hub.is_none();
    let hub = hub.map(|hub| (net.gossip_endpoint(hub), key("hub")).into());
    config.gossip_connect = hub.into_iter().collect();
    net.add_with(config)
}

#[test]
fn nodes_meet_by_a_hub_with_keys() {
    let mut net = Network::new();
    let hub = add(&mut net, "hub", &["alice", "bob"], None);
    let alice = add(&mut net, "alice", &["hub", "bob"], Some(hub));
    let bob = add(&mut net, "bob", &["hub", "alice"], Some(hub));
    net.run(secs(3));
    for host in [hub, alice, bob] {
        let told = net.told(host);
        assert_eq!(told.len(), 2, "{told:?}");
    }
    net.whisper(alice, bob, "hello");
    net.run(secs(10));
    assert_eq!(net.told(bob), ["alice whispers hello"]);
}

#[test]
fn a_hub_lets_nobody_in_whom_it_does_not_trust() {
    let mut net = Network::new();
    let hub = add(&mut net, "hub", &["alice"], None);
    let eve = add(&mut net, "eve", &["hub", "alice"], Some(hub));
    net.run(secs(30));
    assert_eq!(net.told(hub), NOTHING);
    assert_eq!(net.engine(hub).gossip_clients(), 0);
    let closed = |notice: &&Notice| notice.kind() == "gossip_client_closed";
    assert!(net.hosts[hub].notices.iter().any(|it| closed(&it)));
    let error = net.engine(eve).gossip_hubs().next().unwrap().error;
    assert!(error.unwrap().contains("does not trust the key"));
}

#[test]
fn a_client_with_another_key_of_the_hub_is_not_connected() {
    let mut net = Network::new();
    let hub = add(&mut net, "hub", &["alice"], None);
    let mut config = net.config_with_key("alice", &["hub", "bob"]);
    config.beacons = Beacons::Off;
    config.gossip_connect = [(net.gossip_endpoint(hub), key("bob")).into()].into();
    let alice = net.add_with(config);
    net.run(secs(30));
    assert!(!net.engine(alice).gossip_hubs().next().unwrap().is_connected);
    assert_eq!(net.told(alice), NOTHING);
}

#[test]
fn a_hub_whose_key_is_not_trusted_is_told_nothing() {
    let mut net = Network::new();
    let hub = add(&mut net, "hub", &["alice"], None);
    let alice = add(&mut net, "alice", &["bob", "carol"], Some(hub));
    let is_connected = |net: &mut Network<Link>| {
        let hub = net.engine(alice).gossip_hubs().next().unwrap();
        let is_told = hub.error.as_deref() == Some("its key is not trusted");
        assert_eq!(is_told, !hub.is_connected);
        hub.is_connected
    };
    net.run(secs(20));
    assert!(!is_connected(&mut net));
    assert_eq!(net.open_wires(), 0);
    for (trusted, connects) in [(["hub", "bob"], true), (["bob", "carol"], false)] {
        let now = net.now;
        let trust = trusting(&trusted);
        net.engine(alice).set_trust(trust, now).unwrap();
        net.run(secs(2));
        assert_eq!(is_connected(&mut net), connects);
    }
    assert_eq!(net.open_wires(), 0);
}

#[test]
fn tuples_without_a_trusted_key_are_dropped_until_the_key_is_trusted() {
    let mut net = Network::new();
    let hub = add(&mut net, "hub", &["alice", "bob"], None);
    let alice = add(&mut net, "alice", &["hub"], Some(hub));
    let bob = add(&mut net, "bob", &["hub", "alice"], Some(hub));
    net.run(secs(5));
    // Bob is told of Alice, connects to her, and is refused.
    let refused = format!("{} is refused by us", short("bob"));
    let mut told = net.told(alice);
    told.sort_unstable();
    assert_eq!(told, [&*refused, "hub enters"]);
    let told = net.told(bob);
    assert!(told.contains(&format!("{} is refused by them", short("alice"))));
    let to_bob = format!("{}", net.hosts[bob].address.ip());
    let opens = |line: &&alloc::string::String| {
        line.starts_with(&format!("{alice} Open")) && line.contains(&to_bob)
    };
    assert_eq!(net.trace.iter().find(opens), None);
    // Bob seeks her ever less often. It is she who seeks him, as the hub tells her of him again.
    net.run(secs(60));
    let now = net.now;
    let trust = trusting(&["hub", "bob"]);
    net.engine(alice).set_trust(trust, now).unwrap();
    net.run(secs(2));
    assert_eq!(net.told(alice), ["bob enters"]);
    assert_eq!(net.told(bob), ["alice enters"]);
}

#[test]
fn a_client_that_is_not_trusted_any_more_is_closed() {
    let mut net = Network::new();
    let hub = add(&mut net, "hub", &["alice", "bob"], None);
    add(&mut net, "alice", &["hub"], Some(hub));
    net.run(secs(3));
    net.told(hub);
    let now = net.now;
    net.engine(hub).set_trust(trusting(&["bob"]), now).unwrap();
    net.run(secs(10));
    assert_eq!(net.engine(hub).gossip_clients(), 0);
    let told: Vec<_> = net.told(hub);
    assert_eq!(
        told[0],
        "alice exits: its connections, or ours, are refused"
    );
    assert_eq!(net.peers(hub), []);
}
