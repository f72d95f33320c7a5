//! Peers at endpoints that the user gives.

mod adoption;
mod strangers;
mod zyre;

use alloc::{format, string::String, vec::Vec};

use super::{
    level::{Level, at_both_levels},
    network::{Network, millis, secs},
    single_engine::{RemoteEnd, SingleEngine, config, endpoint},
};
use crate::{
    FixedState, Notice,
    config::{Beacons, Config, NetworkSettings},
    engine::Output,
    link::Link,
};

const NOTHING: [&str; 0] = [];

at_both_levels! {
    two_nodes_without_beacons_meet_at_a_fixed_endpoint_over_one_connection_each_way,
    an_endpoint_where_nobody_is_is_tried_for_ever_ever_more_slowly,
    one_warning_is_given_for_each_reason_and_not_for_each_attempt,
    errors_that_alternate_are_told_once_a_minute_at_most,
    a_peer_that_comes_late_is_found,
    a_peer_that_is_restarted_ten_times_enters_ten_times,
    another_node_at_the_endpoint_takes_the_place_of_the_one_before,
    a_peer_that_moves_behind_its_name_is_found_at_the_new_address,
    an_own_endpoint_is_told_once_and_never_connected_to,
    an_own_endpoint_behind_a_name_is_told_once_and_never_connected_to,
    a_name_and_an_address_of_one_peer_lead_to_one_session,
    a_node_without_a_network_tries_nothing_until_it_has_one,
    a_node_that_stops_closes_connections_that_await_a_hello,
}

/// A configuration for the host that comes next, which sends no beacons and has fixed peers.
pub(super) fn fixed<C: Level>(net: &Network<C>, name: &str, connect: &[&str]) -> Config {
    let mut config = net.config(name);
    config.beacons = Beacons::Off;
    config.connect = connect.iter().map(|text| text.parse().unwrap()).collect();
    config
}

/// What a host's application has heard since it was last asked.
pub(super) fn told<C: Level>(net: &mut Network<C>, host: usize) -> Vec<String> {
    net.told(host)
}

/// How far the fixed peers of a host are, in words.
fn shown<C: Level>(net: &mut Network<C>, host: usize) -> Vec<String> {
    let peers = net.engine(host).fixed_peers();
    peers.map(|peer| format!("{}", peer.state)).collect()
}

fn two_nodes_without_beacons_meet_at_a_fixed_endpoint_over_one_connection_each_way<C: Level>() {
    let mut net = Network::<C>::new();
    net.add_with(fixed(&net, "alice", &["tcp://10.0.0.2:49152"]));
    net.add_with(fixed(&net, "bob", &[]));
    net.run(secs(60));
    assert_eq!(told(&mut net, 0), ["bob enters"]);
    assert_eq!(told(&mut net, 1), ["alice enters"]);
    assert_eq!(net.open_wires(), 2);
    assert_eq!(shown(&mut net, 0), [format!("connected to {}", net.id(1))]);
    net.whisper(0, 1, "hello");
    net.whisper(1, 0, "hello");
    net.settle();
    assert_eq!(told(&mut net, 0), ["bob whispers hello"]);
    assert_eq!(told(&mut net, 1), ["alice whispers hello"]);
}

/// With [`Config::connect`] set to the endpoint of peer 1.
pub(super) fn to_peer_1<C: Level>() -> SingleEngine<C> {
    let mut config = config();
    config.connect = [endpoint(1).into()].into();
    let mut test = SingleEngine::with(config);
    test.drain();
    test
}

/// Whether nothing but the greeting of somebody who is not known has come.
pub(super) fn is_greeted<C: Level>(remote: &RemoteEnd<C>) -> bool {
    let kinds = remote.received.iter().map(|message| message.body.kind());
    let numbers = remote.received.iter().map(|message| message.sequence);
    kinds.eq(["HELLO", "PING"]) && numbers.eq([1, 2])
}

fn an_endpoint_where_nobody_is_is_tried_for_ever_ever_more_slowly<C: Level>() {
    let mut test = to_peer_1::<C>();
    let mut delays = Vec::new();
    for _ in 0..200 {
        let (link, to) = test.wanted.pop_front().unwrap();
        assert_eq!(to, endpoint(1));
        let refused_at = test.now;
        test.engine.handle_closed(link, "refused", test.now);
        while test.wanted.is_empty() {
            test.run(millis(10));
        }
        delays.push(test.now.since(refused_at));
    }
    let doubled = [50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000];
    for (delay, expected) in delays.iter().zip(doubled) {
        let (least, most) = (millis(expected * 3 / 4), millis(expected + 20));
        assert!((least..=most).contains(delay), "{delay:?}, {expected} ms");
    }
    assert!(delays.iter().all(|delay| *delay <= secs(11)));
    assert_eq!(test.told(), NOTHING);
}

fn one_warning_is_given_for_each_reason_and_not_for_each_attempt<C: Level>() {
    let mut test = to_peer_1::<C>();
    for error in ["refused", "unreachable", "refused"] {
        fail_for_a_while(&mut test, &[error]);
    }
    assert_eq!(
        errors_told(&test),
        ["refused", "unreachable", "refused"],
        "{:?}",
        test.notices
    );
    let shown: Vec<_> = test.engine.fixed_peers().collect();
    assert_eq!(shown[0].error.as_deref(), Some("refused"));
    assert_eq!(shown[0].endpoint, endpoint(1));
}

/// The engine's attempts fail for more than a minute, with one error after the other.
fn fail_for_a_while<C: Level>(test: &mut SingleEngine<C>, errors: &[&str]) {
    for error in errors.iter().cycle().take(8) {
        let (link, _) = test.wanted.pop_front().unwrap();
        test.engine.handle_closed(link, error, test.now);
        test.run(secs(10));
    }
}

fn errors_told<C: Level>(test: &SingleEngine<C>) -> Vec<String> {
    let errors = test.notices.iter().filter_map(|notice| match notice {
        Notice::FixedPeer {
            endpoint: at,
            error,
        } if *at == endpoint(1) => Some(error.clone()),
        _ => None,
    });
    errors.collect()
}

/// As where two routers answer by turns.
fn errors_that_alternate_are_told_once_a_minute_at_most<C: Level>() {
    let mut test = to_peer_1::<C>();
    for _ in 0..9 {
        fail_for_a_while(&mut test, &["refused", "unreachable"]);
    }
    let told = errors_told(&test).len();
    assert!((8..=14).contains(&told), "in 12 minutes: {told}");
    // The last is not forgotten.
    fail_for_a_while(&mut test, &["timed out"]);
    assert_eq!(errors_told(&test).last().unwrap(), "timed out");
    assert_eq!(errors_told(&test)[..2], ["refused", "unreachable"]);
}

fn a_peer_that_comes_late_is_found<C: Level>() {
    let mut net = Network::<C>::new();
    net.add_with(fixed(&net, "alice", &["tcp://10.0.0.2:49152"]));
    net.run(secs(300));
    assert_eq!(shown(&mut net, 0), ["waiting"]);
    net.add_with(fixed(&net, "bob", &[]));
    net.run(secs(11));
    assert_eq!(told(&mut net, 0), ["bob enters"]);
    assert_eq!(told(&mut net, 1), ["alice enters"]);
}

fn a_peer_that_is_restarted_ten_times_enters_ten_times<C: Level>() {
    let mut net = Network::<C>::new();
    net.add_with(fixed(&net, "alice", &["tcp://10.0.0.2:49152"]));
    for number in 1..=10 {
        let mut bob = fixed(&net, "bob", &[]);
        bob.endpoint = "tcp://10.0.0.2:49152".parse().unwrap();
        // Each second time under the same identity.
        bob.id = (number % 2 == 0).then(|| [7; 16].into());
        let bob = net.add_with(bob);
        net.run(secs(11));
        assert_eq!(told(&mut net, 0), ["bob enters"], "{number}");
        assert_eq!(told(&mut net, bob), ["alice enters"], "{number}");
        net.kill(bob);
        net.run(millis(u64::try_from(number).unwrap() * 300));
        assert_eq!(
            told(&mut net, 0),
            ["bob exits: connection lost"],
            "{number}"
        );
    }
}

fn another_node_at_the_endpoint_takes_the_place_of_the_one_before<C: Level>() {
    let mut net = Network::<C>::new();
    net.add_with(fixed(&net, "alice", &["tcp://10.0.0.2:49152"]));
    net.add_with(fixed(&net, "bob", &[]));
    net.run(secs(20));
    told(&mut net, 0);
    net.kill(1);
    let mut carol = fixed(&net, "carol", &[]);
    carol.endpoint = "tcp://10.0.0.2:49152".parse().unwrap();
    net.add_with(carol);
    net.run(secs(1));
    assert_eq!(
        told(&mut net, 0),
        ["bob exits: connection lost", "carol enters"]
    );
    assert_eq!(shown(&mut net, 0), [format!("connected to {}", net.id(2))]);
}

fn a_peer_that_moves_behind_its_name_is_found_at_the_new_address<C: Level>() {
    let mut net = Network::<C>::new();
    let name = "tcp://robot.example:49152";
    net.add_with(fixed(&net, "alice", &[name]));
    net.run(secs(5));
    assert_eq!(shown(&mut net, 0), ["waiting"], "the name is not known yet");
    for host in 1..=3 {
        net.names.clear();
        net.names.insert(
            name.into(),
            format!("10.0.0.{}:49152", host + 1).parse().unwrap(),
        );
        let robot = net.add_with(fixed(&net, "robot", &[]));
        assert_eq!(robot, host);
        net.run(secs(11));
        assert_eq!(told(&mut net, 0), ["robot enters"]);
        assert_eq!(told(&mut net, robot), ["alice enters"]);
        net.unplug(robot);
        net.run(secs(40));
        assert_eq!(
            told(&mut net, 0).last().unwrap(),
            "robot exits: was silent for too long"
        );
    }
}

fn own_notices(notices: &[Notice]) -> usize {
    let is_own = |notice: &&Notice| matches!(notice, Notice::OwnFixedPeer { .. });
    notices.iter().filter(is_own).count()
}

fn an_own_endpoint_is_told_once_and_never_connected_to<C: Level>() {
    let mut net = Network::<C>::new();
    net.add_with(fixed(&net, "alice", &["tcp://[::ffff:10.0.0.1]:49152"]));
    net.run(secs(1000));
    assert_eq!(own_notices(&net.hosts[0].notices), 1);
    assert_eq!(shown(&mut net, 0), ["this node itself"]);
    assert!(!net.trace.iter().any(|line| line.contains("Open")));
}

fn an_own_endpoint_behind_a_name_is_told_once_and_never_connected_to<C: Level>() {
    let mut net = Network::<C>::new();
    let name = "tcp://alice.example:49152";
    net.names
        .insert(name.into(), "10.0.0.1:49152".parse().unwrap());
    net.add_with(fixed(&net, "alice", &[name]));
    net.run(secs(1000));
    assert_eq!(own_notices(&net.hosts[0].notices), 1);
    assert_eq!(shown(&mut net, 0), ["this node itself"]);
    assert_eq!(net.open_wires(), 0);
}

fn a_name_and_an_address_of_one_peer_lead_to_one_session<C: Level>() {
    let mut net = Network::<C>::new().with_latency(millis(20));
    let names = ["tcp://bob.example:49152", "tcp://robert.example:49152"];
    for name in names {
        net.names
            .insert(name.into(), "10.0.0.2:49152".parse().unwrap());
    }
    let connect = [names[0], "tcp://10.0.0.2:49152", names[1]];
    net.add_with(fixed(&net, "alice", &connect));
    net.add_with(fixed(&net, "bob", &[]));
    net.run(secs(60));
    assert_eq!(told(&mut net, 0), ["bob enters"]);
    assert_eq!(told(&mut net, 1), ["alice enters"]);
    assert_eq!(net.open_wires(), 2);
    let connected = format!("connected to {}", net.id(1));
    assert_eq!(shown(&mut net, 0), [&*connected, &*connected, &*connected]);
}

fn a_node_without_a_network_tries_nothing_until_it_has_one<C: Level>() {
    let mut config = config();
    config.connect = [endpoint(1).into()].into();
    config.networks = Some(NetworkSettings::default());
    let mut test = SingleEngine::<C>::with(config);
    test.run(secs(60));
    assert!(test.wanted.is_empty());
    test.engine
        .handle_interfaces(&[super::networks::eth0()], test.now);
    let network = match test.engine.poll_output() {
        Some(Output::Listen { network, .. }) => network,
        other => panic!("{other:?}"),
    };
    let port = 49_152.try_into().unwrap();
    test.engine.handle_listening(network, port, test.now);
    test.drain();
    assert_eq!(test.wanted.len(), 1);
}

fn a_node_that_stops_closes_connections_that_await_a_hello<C: Level>() {
    let mut test = to_peer_1::<C>();
    let remote = test.answer_open();
    assert!(is_greeted(&remote));
    test.engine.stop(test.now);
    test.drain();
    assert!(remote.is_closed(&test));
    assert_eq!(test.engine.poll_timeout(), None);
}

/// As on a machine that reaches itself by an address which it does not know.
#[test]
fn a_node_that_reaches_itself_through_a_port_mapping_knows_its_own_identity() {
    let mut net = Network::<Link>::new();
    net.add_with(fixed(&net, "alice", &["tcp://10.9.9.9:1"]));
    net.hosts[0].other_address = Some("10.9.9.9:1".parse().unwrap());
    net.run(secs(1000));
    assert_eq!(own_notices(&net.hosts[0].notices), 1);
    assert_eq!(shown(&mut net, 0), ["this node itself"]);
    assert_eq!(told(&mut net, 0), NOTHING);
}

/// It is looked again who is there, and the peer hears nothing of it.
#[test]
fn a_peer_behind_a_port_mapping_that_is_connected_otherwise_stays_in_one_session() {
    let mut net = Network::<Link>::new();
    let name = "tcp://bob.example:5000";
    for (host, connect) in [&[name][..], &[]].into_iter().enumerate() {
        let mut config = fixed(&net, ["alice", "bob"][host], connect);
        config.beacons = Beacons::Broadcast;
        net.add_with(config);
    }
    net.run(secs(20));
    net.hosts[0].notices.clear();
    let mapped = "203.0.113.7:5000".parse().unwrap();
    net.hosts[1].other_address = Some(mapped);
    net.names.insert(name.into(), mapped);
    net.run(secs(1000));
    assert_eq!(told(&mut net, 0), ["bob enters"]);
    assert_eq!(told(&mut net, 1), ["alice enters"]);
    assert_eq!(net.open_wires(), 2);
    assert_eq!(shown(&mut net, 0), [format!("connected to {}", net.id(1))]);
    assert_eq!(
        (&*net.hosts[0].notices, &*net.hosts[1].notices),
        (&[][..], &[][..])
    );
}

#[test]
fn states_are_told_in_words() {
    let words = [
        FixedState::Waiting,
        FixedState::Connecting,
        FixedState::Greeted,
        FixedState::Own,
    ];
    let words: Vec<_> = words.iter().map(|state| format!("{state}")).collect();
    let expected = [
        "waiting",
        "connecting",
        "connected, no HELLO yet",
        "this node itself",
    ];
    assert_eq!(words, expected);
}
