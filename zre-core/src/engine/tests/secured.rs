//! Nodes with keys: who meets whom, and what each side is told.

mod attacks;
mod forgeries;
mod gossip;

use alloc::{format, string::String, vec::Vec};

use zre_proto::curve::PublicKey;

use super::{
    level::{Level, at_both_levels},
    network::{Network, millis, secs},
};
use crate::{
    event::Event,
    node::tests::{id_of, keypair, trusting},
    notice::Notice,
    security::Security,
};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    nodes_that_trust_each_other_meet_and_talk,
    with_one_sided_trust_nobody_enters_and_each_side_is_told_once_who_refuses,
    nodes_that_do_not_trust_each_other_are_told_so_once,
    nodes_with_a_key_and_nodes_without_do_not_meet,
    a_beacon_with_the_key_of_a_peer_that_names_another_place_delays_it_and_gains_nothing,
    a_trusted_node_that_announces_itself_as_another_does_not_keep_that_one_out,
    a_peer_whose_key_is_no_longer_trusted_is_gone_at_once_on_both_sides,
    a_key_that_becomes_trusted_is_met_with_the_next_beacon,
    whoever_has_the_one_key_of_a_network_enters_and_nobody_else,
    a_peer_whose_machine_restarts_begins_a_new_session_at_once,
    two_copies_of_a_node_do_not_go_on_ending_each_others_sessions,
    fixed_peers_meet_by_their_keys,
    at_a_fixed_endpoint_nobody_with_another_key_gets_our_hello,
    a_fixed_peer_that_says_that_it_is_elsewhere_is_known_by_its_key,
    one_that_has_our_hello_at_a_fixed_endpoint_is_closed_when_its_key_is_no_longer_trusted,
}

fn key(name: &str) -> PublicKey {
    keypair(name).public()
}

fn pair<C: Level>(alice: &[&str], bob: &[&str]) -> Network<C> {
    let mut net = Network::new();
    net.add_secured("alice", alice);
    net.add_secured("bob", bob);
    net
}

/// How the test names a peer that has not entered.
fn short(name: &str) -> String {
    format!("{:.6}", id_of(name))
}

fn nodes_that_trust_each_other_meet_and_talk<C: Level>() {
    let mut net = pair::<C>(&["bob"], &["alice"]);
    net.run(secs(1));
    for (host, other) in [(0, "bob"), (1, "alice")] {
        let entered = net.hosts[host].events.first();
        let Some(Event::Enter { key: proved, .. }) = entered else {
            panic!("{entered:?}")
        };
        let proved = proved.as_ref().unwrap();
        assert_eq!(proved.public, key(other));
        assert_eq!(proved.metadata.name(), Some(other));
    }
    assert_eq!(net.told(0), ["bob enters"]);
    assert_eq!(net.told(1), ["alice enters"]);
    net.whisper(0, 1, "hello");
    net.whisper(1, 0, "hello yourself");
    net.run(secs(60));
    assert_eq!(net.told(0), ["bob whispers hello yourself"]);
    assert_eq!(net.told(1), ["alice whispers hello"]);
    net.stop(1);
    net.run(secs(1));
    assert_eq!(net.told(0), ["bob exits: said goodbye"]);
}

fn with_one_sided_trust_nobody_enters_and_each_side_is_told_once_who_refuses<C: Level>() {
    for start in [["alice", "bob"], ["bob", "alice"]] {
        let mut net = Network::<C>::new();
        for name in start {
            net.add_secured(name, if name == "alice" { &["bob"] } else { &[] });
            net.run(millis(2500));
        }
        net.run(secs(600));
        for (host, name) in start.into_iter().enumerate() {
            let expected = match name {
                "alice" => format!("{} is refused by them", short("bob")),
                _ => format!("{} is refused by us", short("alice")),
            };
            assert_eq!(net.told(host), [expected]);
        }
        assert_eq!(net.open_wires(), 0);
        let alice = start.iter().position(|name| *name == "alice").unwrap();
        let opened = |line: &&String| line.starts_with(&format!("{alice} Open"));
        let attempts = net.trace.iter().filter(opened).count();
        assert!((5..40).contains(&attempts), "{attempts} in ten minutes");
    }
}

fn nodes_that_do_not_trust_each_other_are_told_so_once<C: Level>() {
    let mut net = pair::<C>(&[], &[]);
    net.run(secs(60));
    assert_eq!(net.told(0), [format!("{} is refused by us", short("bob"))]);
    assert_eq!(
        net.told(1),
        [format!("{} is refused by us", short("alice"))]
    );
    assert!(net.wires.is_empty());
}

fn nodes_with_a_key_and_nodes_without_do_not_meet<C: Level>() {
    let mut net = Network::<C>::new();
    net.add_secured("alice", &["bob"]);
    net.add("bob");
    net.add("carol");
    net.run(secs(60));
    assert_eq!(net.told(0), NOTHING);
    assert_eq!(net.told(1), ["carol enters"]);
    let noted = |net: &Network<C>, host: usize| -> Vec<_> {
        net.hosts[host].notices.iter().map(Notice::kind).collect()
    };
    assert_eq!(noted(&net, 0), ["open_peer"]);
    assert_eq!(noted(&net, 1), ["secured_peer"]);
}

fn a_beacon_with_the_key_of_a_peer_that_names_another_place_delays_it_and_gains_nothing<
    C: Level,
>() {
    for is_before in [true, false] {
        let mut net = Network::<C>::new();
        net.add_secured("bob", &["alice"]);
        // She trusts everybody, and nobody trusts her.
        let eve = net.add_secured("eve", &["alice", "bob", "eve"]);
        let forge = |net: &mut Network<C>| {
            let place = net.endpoint(eve);
            net.hear_key(0, id_of("alice"), &place, key("alice"));
        };
        if is_before {
            forge(&mut net);
        }
        net.run(millis(500));
        net.hosts[0].events.clear();
        let alice = net.add_secured("alice", &["bob"]);
        net.run(secs(2));
        assert_eq!(net.told(0), ["alice enters"], "{is_before}");
        for number in 0..30 {
            forge(&mut net);
            net.whisper(0, alice, "for alice");
            net.run(secs(1));
            let told = net.told(alice);
            let whispers = told.iter().filter(|told| told.contains("for alice"));
            assert_eq!(whispers.count(), 1, "{number}");
        }
        assert_eq!(net.told(0), NOTHING);
        let told = net.told(eve);
        assert!(
            told.iter().all(|told| told.ends_with("by them")),
            "{told:?}"
        );
    }
}

fn a_trusted_node_that_announces_itself_as_another_does_not_keep_that_one_out<C: Level>() {
    let mut net = Network::<C>::new();
    net.add_secured("bob", &["alice", "mallory"]);
    let mallory = net.add_secured("mallory", &["bob"]);
    net.run(secs(2));
    let lie = |net: &mut Network<C>| {
        let place = net.endpoint(mallory);
        net.hear_key(0, id_of("alice"), &place, key("mallory"));
    };
    lie(&mut net);
    net.run(secs(1));
    net.told(0);
    let alice = net.add_secured("alice", &["bob"]);
    for _ in 0..5 {
        net.run(secs(1));
        lie(&mut net);
    }
    assert_eq!(net.told(0), ["alice enters"]);
    net.told(mallory);
    net.whisper(0, alice, "for alice");
    net.run(secs(30));
    assert_eq!(net.told(0), NOTHING);
    let stranger = format!("{} is refused by us", short("mallory"));
    assert_eq!(
        net.told(alice),
        ["bob enters", &stranger, "bob whispers for alice"]
    );
    assert_eq!(net.told(mallory), NOTHING);
}

fn a_peer_whose_key_is_no_longer_trusted_is_gone_at_once_on_both_sides<C: Level>() {
    let mut net = pair::<C>(&["bob"], &["alice"]);
    net.run(secs(2));
    net.forget_told();
    let now = net.now;
    net.engine(0).set_trust(trusting(&[]), now).unwrap();
    net.settle();
    assert_eq!(
        net.told(0)[0],
        "bob exits: its connections, or ours, are refused"
    );
    net.run(secs(300));
    let refused = format!("{} is refused by us", short("bob"));
    assert_eq!(net.told(0), [refused]);
    let told = net.told(1);
    let refused = format!("{} is refused by them", short("alice"));
    assert_eq!(told, ["alice exits: connection lost", &refused]);
    assert_eq!(net.open_wires(), 0);
}

fn a_key_that_becomes_trusted_is_met_with_the_next_beacon<C: Level>() {
    let mut net = pair::<C>(&["bob"], &[]);
    net.run(secs(100));
    net.forget_told();
    let now = net.now;
    net.engine(1).set_trust(trusting(&["alice"]), now).unwrap();
    net.run(secs(3));
    assert_eq!(net.told(0), ["bob enters"]);
    assert_eq!(net.told(1), ["alice enters"]);
}

fn whoever_has_the_one_key_of_a_network_enters_and_nobody_else<C: Level>() {
    let mut net = Network::<C>::new();
    for name in ["alice", "bob", "carol", "eve"] {
        let mut config = net.config_with_key(name, &[]);
        let secret = if name == "eve" { "wrong" } else { "secret" };
        config.security = Some(Security::shared(keypair(secret)));
        net.add_with(config);
    }
    net.run(secs(3));
    let mut told = net.told(0);
    told.sort_unstable();
    let eve = format!("{} is refused by us", short("eve"));
    assert_eq!(told, [&*eve, "bob enters", "carol enters"]);
    assert_eq!(net.peers(3), []);
    // The key says nothing of who it is, so an identity is asked for as in the open.
    net.kill(1);
    net.run(secs(2));
    assert_eq!(net.told(0), ["bob exits: connection lost"]);
}

fn a_peer_whose_machine_restarts_begins_a_new_session_at_once<C: Level>() {
    let mut net = pair::<C>(&["bob"], &["alice"]);
    net.run(secs(2));
    net.forget_told();
    let config = {
        let mut config = net.config_with_key("bob", &["alice"]);
        config.endpoint = net.endpoint(1);
        config
    };
    net.unplug(1);
    let bob = net.add_with(config);
    net.run(millis(1100));
    assert_eq!(net.told(0), ["bob exits: restarted", "bob enters"]);
    assert_eq!(net.told(bob), ["alice enters"]);
    net.whisper(0, bob, "again");
    net.run(secs(60));
    assert_eq!(net.told(0), NOTHING);
    assert_eq!(net.told(bob), ["alice whispers again"]);
}

fn two_copies_of_a_node_do_not_go_on_ending_each_others_sessions<C: Level>() {
    let mut net = pair::<C>(&["bob"], &["alice"]);
    net.run(secs(2));
    net.told(0);
    net.add_secured("bob", &["alice"]);
    net.run(secs(600));
    let told = net.told(0);
    assert!(told.len() <= 40, "{} in ten minutes: {told:?}", told.len());
}

fn fixed_peers_meet_by_their_keys<C: Level>() {
    let mut net = Network::<C>::new();
    let alice = net.add_secured("alice", &["bob", "carol"]);
    net.hosts[alice].hears = false;
    let mut config = net.config_with_key("bob", &["alice", "carol"]);
    config.connect = [(net.endpoint(alice), key("alice")).into()].into();
    let bob = net.add_with(config);
    net.hosts[bob].hears = false;
    net.run(secs(2));
    assert_eq!(net.told(alice), ["bob enters"]);
    assert_eq!(net.told(bob), ["alice enters"]);
    net.whisper(bob, alice, "hello");
    net.run(secs(60));
    assert_eq!(net.told(alice), ["bob whispers hello"]);
    assert_eq!(net.told(bob), NOTHING);
    assert_eq!(net.open_wires(), 2);
}

fn at_a_fixed_endpoint_nobody_with_another_key_gets_our_hello<C: Level>() {
    let mut net = Network::<C>::new();
    let mallory = net.add_secured("mallory", &["bob"]);
    let mut config = net.config_with_key("bob", &["alice", "mallory"]);
    config.connect = [(net.endpoint(mallory), key("alice")).into()].into();
    let bob = net.add_with(config);
    (net.hosts[bob].hears, net.hosts[mallory].hears) = (false, false);
    net.run(secs(60));
    assert_eq!(net.told(mallory), NOTHING);
    assert_eq!(net.told(bob), NOTHING);
    let fixed = net.engine(bob).fixed_peers().next().unwrap();
    assert!(fixed.error.is_some());
    let now = net.now;
    let trust = trusting(&["mallory"]);
    net.engine(bob).set_trust(trust, now).unwrap();
    net.run(secs(30));
    let fixed = net.engine(bob).fixed_peers().next().unwrap();
    assert_eq!(fixed.error.unwrap(), "its key is not trusted");
}

fn one_that_has_our_hello_at_a_fixed_endpoint_is_closed_when_its_key_is_no_longer_trusted<C>()
where
    C: Level,
{
    let mut net = Network::<C>::new();
    let alice = net.add_secured("alice", &["bob"]);
    let mut config = net.config_with_key("bob", &["alice", "carol"]);
    config.connect = [(net.endpoint(alice), key("alice")).into()].into();
    // So she cannot answer.
    config.advertise = Some("tcp://10.0.0.77:7".parse().unwrap());
    let bob = net.add_with(config);
    (net.hosts[bob].hears, net.hosts[alice].hears) = (false, false);
    net.run(millis(500));
    assert!(net.is_joined(bob, alice));
    let now = net.now;
    let trust = trusting(&["carol"]);
    net.engine(bob).set_trust(trust, now).unwrap();
    net.run(millis(10));
    assert!(!net.is_joined(bob, alice));
    let fixed = net.engine(bob).fixed_peers().next().unwrap();
    assert_eq!(fixed.error.unwrap(), "its key is not trusted");
}

fn a_fixed_peer_that_says_that_it_is_elsewhere_is_known_by_its_key<C: Level>() {
    let mut net = Network::<C>::new();
    let mut config = net.config_with_key("alice", &["bob"]);
    config.advertise = Some("tcp://10.0.0.77:7".parse().unwrap());
    let alice = net.add_with(config);
    let mut config = net.config_with_key("bob", &["alice", "carol"]);
    config.connect = [(net.endpoint(alice), key("alice")).into()].into();
    let bob = net.add_with(config);
    (net.hosts[bob].hears, net.hosts[alice].hears) = (false, false);
    net.run(secs(5));
    assert_eq!(net.told(bob), ["alice enters"]);
    assert_eq!(net.told(alice), ["bob enters"]);
    net.whisper(bob, alice, "hello");
    net.run(secs(30));
    assert_eq!(net.told(alice), ["bob whispers hello"]);
    assert_eq!(net.told(bob), NOTHING);
    let elsewhere = |line: &&String| line.contains("Open") && line.contains("10.0.0.77");
    assert_eq!(net.trace.iter().find(elsewhere), None);
}
