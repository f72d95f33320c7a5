//! What a node does about its peers when its own networks change, or its machine slept.

use core::net::IpAddr;
use std::{format, string::String, vec, vec::Vec};

use zre_proto::{Body, Endpoint, PeerId};

use super::{
    level::{Level, at_both_levels},
    network::{Network, millis, secs, v4},
    single_engine::{RemoteEnd, SingleEngine, config, hello},
};
use crate::{
    FixedState,
    config::{Config, NetworkSettings},
    engine::LinkId,
    interfaces::{Interface, InterfaceAddress, Interfaces, IpVersion},
    link::Link,
    notice::Notice,
};

at_both_levels! {
    a_peer_sought_on_a_network_that_goes_is_sought_elsewhere_and_told_where_we_are,
    a_peer_sought_while_our_address_changes_is_told_the_new_one,
    a_peer_heard_only_on_a_network_that_goes_is_met_by_its_next_beacon,
    a_peer_that_could_not_be_reached_is_tried_again_when_a_network_comes,
    a_peer_tried_on_another_network_is_told_where_we_are_there,
    a_peer_lost_with_our_network_is_met_again_at_once_where_else_it_is_heard,
    a_peer_lost_with_our_address_is_met_again_at_once_where_it_was,
    a_peer_that_was_lost_again_and_again_is_met_at_once_when_our_network_changes,
    a_hello_over_a_network_that_has_died_since_begins_nothing,
    a_network_that_comes_and_goes_often_delays_nobody,
    a_fixed_endpoint_that_was_our_own_is_tried_when_our_address_has_changed,
    a_machine_that_sleeps_for_an_hour_finds_its_peers_at_once,
}

fn interface(number: u8, address: impl Into<IpAddr>) -> Interface {
    let mut interface = Interface::new(format!("eth{number}"), u32::from(number) + 2);
    let address = address.into();
    let prefix_len = if address.is_ipv4() { 16 } else { 64 };
    interface.addresses = vec![InterfaceAddress::new(address, prefix_len)];
    interface
}

/// An engine at 10.0.0.1, 10.1.0.1 and so on, as many as `count`.
pub(super) fn on_networks<C: Level>(count: u8) -> SingleEngine<C> {
    on_networks_with(count, config())
}

fn on_networks_with<C: Level>(count: u8, mut config: Config) -> SingleEngine<C> {
    config.networks = Some(NetworkSettings {
        interfaces: Interfaces::All,
        ip: IpVersion::Both,
    });
    let mut test = SingleEngine::with(config);
    let interfaces: Vec<_> = (0..count).map(|lan| interface(lan, v4(lan, 1))).collect();
    is_on(&mut test, &interfaces);
    test
}

fn is_on<C: Level>(test: &mut SingleEngine<C>, interfaces: &[Interface]) {
    test.engine.handle_interfaces(interfaces, test.now);
    test.drain();
}

fn id() -> PeerId {
    PeerId::from([1; 16])
}

fn place(address: IpAddr) -> Endpoint {
    Endpoint::new(address, 49152.try_into().unwrap())
}

/// What the peer is told at the other end of the connection that the engine wants last.
fn told_at_last<C: Level>(test: &mut SingleEngine<C>) -> (String, String) {
    let (link, sought) = test.wanted.pop_back().unwrap();
    test.wanted.clear();
    test.wanted.push_back((link, sought.clone()));
    let end = test.answer_open();
    (format!("{sought}"), told::<C>(&end))
}

fn told<C: Level>(end: &RemoteEnd<C>) -> String {
    let [message] = &end.received[..] else {
        panic!("{:?}", end.received)
    };
    let Body::Hello(hello) = &message.body else {
        panic!("{message:?}")
    };
    assert_eq!(message.sequence, 1);
    format!("{}", hello.endpoint)
}

fn a_peer_sought_on_a_network_that_goes_is_sought_elsewhere_and_told_where_we_are<C: Level>() {
    let mut test = on_networks::<C>(2);
    test.beacon(id(), &place(v4(0, 9)));
    test.beacon(id(), &place(v4(1, 9)));
    assert_eq!(test.wanted.len(), 1);
    is_on(&mut test, &[interface(1, v4(1, 1))]);
    let (sought, told) = told_at_last(&mut test);
    assert_eq!(sought, "tcp://10.1.0.9:49152");
    assert_eq!(told, "tcp://10.1.0.1:49152");
}

fn a_peer_sought_while_our_address_changes_is_told_the_new_one<C: Level>() {
    let mut test = on_networks::<C>(1);
    test.beacon(id(), &place(v4(0, 9)));
    is_on(&mut test, &[interface(0, v4(0, 77))]);
    assert_eq!(test.wanted.len(), 2);
    let (sought, told) = told_at_last(&mut test);
    assert_eq!(sought, "tcp://10.0.0.9:49152");
    assert_eq!(told, "tcp://10.0.0.77:49152");
}

fn a_peer_heard_only_on_a_network_that_goes_is_met_by_its_next_beacon<C: Level>() {
    let mut test = on_networks::<C>(2);
    test.beacon(id(), &place(v4(0, 9)));
    is_on(&mut test, &[interface(1, v4(1, 1))]);
    assert_eq!(test.wanted.len(), 1);
    test.beacon(id(), &place(v4(1, 9)));
    let (sought, told) = told_at_last(&mut test);
    assert_eq!(sought, "tcp://10.1.0.9:49152");
    assert_eq!(told, "tcp://10.1.0.1:49152");
}

fn a_peer_that_could_not_be_reached_is_tried_again_when_a_network_comes<C: Level>() {
    let mut test = on_networks::<C>(1);
    test.beacon(id(), &place(v4(1, 9)));
    for _ in 0..50 {
        while let Some((link, _)) = test.wanted.pop_front() {
            test.engine
                .handle_closed(link, "unreachable network", test.now);
            test.drain();
        }
        test.run(millis(100));
    }
    is_on(&mut test, &[interface(0, v4(0, 1)), interface(1, v4(1, 1))]);
    let (sought, told) = told_at_last(&mut test);
    assert_eq!(sought, "tcp://10.1.0.9:49152");
    assert_eq!(told, "tcp://10.1.0.1:49152");
}

fn a_peer_tried_on_another_network_is_told_where_we_are_there<C: Level>() {
    let mut test = on_networks::<C>(2);
    test.beacon(id(), &place(v4(0, 9)));
    test.beacon(id(), &place(v4(1, 9)));
    let now = test.now;
    let group = super::network::group("G");
    test.engine.join(&group, now).unwrap();
    let (link, _) = test.wanted.pop_front().unwrap();
    test.engine.handle_closed(link, "refused", test.now);
    test.run(millis(100));
    let (sought, told) = told_at_last(&mut test);
    assert_eq!(sought, "tcp://10.1.0.9:49152");
    assert_eq!(told, "tcp://10.1.0.1:49152");
    test.engine.leave(&group, now).unwrap();
}

/// A session with a peer that is connected at the first of these, and heard at all.
fn session_with<C: Level>(test: &mut SingleEngine<C>, places: &[IpAddr]) -> [LinkId; 2] {
    for address in places {
        test.beacon(id(), &place(*address));
    }
    let from = test.answer_open();
    let mut to = test.connect_from(&format!("{}:6666", places[0]), id());
    let Body::Hello(mut hello) = hello(1) else {
        unreachable!("it is a HELLO")
    };
    hello.endpoint = place(places[0]);
    to.send(test, 1, Body::Hello(hello));
    assert_eq!(test.told().last().unwrap(), "peer1 enters");
    // From where it is connected, a beacon must have come while it was in session.
    for address in places {
        test.beacon(id(), &place(*address));
    }
    [from.at, to.at]
}

fn close<C: Level>(test: &mut SingleEngine<C>, links: [LinkId; 2]) {
    for link in links {
        test.engine
            .handle_closed(link, "the network is gone", test.now);
    }
    test.drain();
}

fn a_peer_lost_with_our_network_is_met_again_at_once_where_else_it_is_heard<C: Level>() {
    let mut test = on_networks::<C>(2);
    let links = session_with(&mut test, &[v4(0, 9), v4(1, 9)]);
    is_on(&mut test, &[interface(1, v4(1, 1))]);
    close(&mut test, links);
    test.run(millis(100));
    assert_eq!(test.told().last().unwrap(), "peer1 exits: connection lost");
    let (sought, told) = told_at_last(&mut test);
    assert_eq!(sought, "tcp://10.1.0.9:49152");
    assert_eq!(told, "tcp://10.1.0.1:49152");
}

fn a_peer_lost_with_our_address_is_met_again_at_once_where_it_was<C: Level>() {
    let mut test = on_networks::<C>(1);
    let links = session_with(&mut test, &[v4(0, 9)]);
    is_on(&mut test, &[interface(0, v4(0, 77))]);
    close(&mut test, links);
    test.run(millis(100));
    assert_eq!(test.told().last().unwrap(), "peer1 exits: connection lost");
    let (sought, told) = told_at_last(&mut test);
    assert_eq!(sought, "tcp://10.0.0.9:49152");
    assert_eq!(told, "tcp://10.0.0.77:49152");
}

fn a_peer_that_was_lost_again_and_again_is_met_at_once_when_our_network_changes<C: Level>() {
    let mut test = on_networks::<C>(1);
    for _ in 0..3 {
        let links = session_with(&mut test, &[v4(0, 9)]);
        close(&mut test, links);
        test.run(secs(3));
    }
    let links = session_with(&mut test, &[v4(0, 9)]);
    close(&mut test, links);
    test.run(millis(100));
    test.beacon(id(), &place(v4(0, 9)));
    assert!(test.wanted.is_empty(), "it pauses");
    is_on(&mut test, &[interface(0, v4(0, 77))]);
    test.beacon(id(), &place(v4(0, 9)));
    assert_eq!(test.wanted.len(), 1);
}

/// The peer could not hear us any more over the connection that its HELLO came over.
fn a_hello_over_a_network_that_has_died_since_begins_nothing<C: Level>() {
    let mut test = on_networks::<C>(2);
    test.told();
    test.beacon(id(), &place(v4(0, 9)));
    test.beacon(id(), &place(v4(1, 9)));
    let named = |address: IpAddr| {
        let Body::Hello(mut hello) = hello(1) else {
            unreachable!("it is a HELLO")
        };
        hello.endpoint = place(address);
        Body::Hello(hello)
    };
    let mut dead = test.connect_from("10.0.0.9:6666", id());
    dead.send(&mut test, 1, named(v4(0, 9)));
    test.run(millis(2100));
    let (sought, _) = told_at_last(&mut test);
    assert_eq!(sought, "tcp://10.1.0.9:49152");
    assert!(dead.is_closed(&test));
    assert_eq!(test.told(), [""; 0]);
    let mut to = test.connect_from("10.1.0.9:6666", id());
    to.send(&mut test, 1, named(v4(1, 9)));
    assert_eq!(test.told(), ["peer1 enters"]);
}

fn a_network_that_comes_and_goes_often_delays_nobody<C: Level>() {
    let mut net = Network::<C>::new().with_latency(millis(1));
    net.add_with_addresses("alice", &[v4(0, 1)]);
    net.add_with_addresses("bob", &[v4(0, 2)]);
    net.run(secs(3));
    for round in 0..12 {
        net.has_addresses(0, &[]);
        net.run(millis(1300));
        net.has_addresses(0, &[v4(0, 1)]);
        net.run(millis(2500));
        let (alice, bob) = (net.id(0), net.id(1));
        assert_eq!(net.peers(0), [bob], "{round}");
        assert_eq!(net.peers(1), [alice], "{round}");
    }
}

fn a_machine_that_sleeps_for_an_hour_finds_its_peers_at_once<C: Level>() {
    let mut net = Network::<C>::new().with_latency(millis(1));
    for name in ["alice", "bob", "carol", "dave"] {
        net.add(name);
    }
    net.run(secs(3));
    net.hosts[0].sleeps = true;
    net.run(secs(3600));
    net.hosts[0].sleeps = false;
    let before = net.hosts[0].timeouts;
    net.run(millis(1200));
    assert_eq!(net.peers(0).len(), 3);
    assert!(net.peers(1).contains(&net.id(0)));
    let fired = net.hosts[0].timeouts - before;
    assert!(fired < 20, "{fired} times");
    for host in 0..4 {
        net.told(host);
    }
    net.run(secs(60));
    for host in 0..4 {
        assert_eq!(net.told(host), [""; 0]);
    }
}

#[test]
fn a_clock_that_jumps_by_an_hour_sends_one_beacon_and_one_question_to_each_peer() {
    let mut test = SingleEngine::<Link>::new();
    let mut peers: Vec<_> = (1..=20).map(|number| test.add_peer(number)).collect();
    test.announced.clear();
    test.now = test.now + secs(3600);
    test.engine.handle_timeout(test.now);
    test.drain();
    assert!(test.engine.poll_timeout().is_some_and(|at| at > test.now));
    assert_eq!(test.announced.len(), 1);
    for peer in &mut peers {
        peer.from.exchange(&mut test);
        let pings = peer.from.received.iter();
        assert_eq!(pings.filter(|it| it.body == Body::Ping).count(), 1);
        peer.say(&mut test, Body::PingOk);
    }
    let told = test.told();
    assert!(!told.iter().any(|line| line.contains("exits")), "{told:?}");
}

#[test]
fn our_own_beacon_on_another_interface_or_from_a_former_address_is_not_anothers() {
    let mut test = on_networks::<Link>(2);
    let own = test.engine.node().id();
    let heard = |test: &mut SingleEngine<Link>, from: IpAddr| {
        test.beacon(own, &place(from));
        let is_told = |notice: &Notice| matches!(notice, Notice::OwnIdentity { .. });
        test.notices.iter().any(is_told)
    };
    // Both interfaces are on one cable.
    assert!(!heard(&mut test, v4(0, 1)) && !heard(&mut test, v4(1, 1)));
    is_on(&mut test, &[interface(1, v4(1, 1))]);
    assert!(!heard(&mut test, v4(0, 1)), "it was sent before");
    assert!(heard(&mut test, v4(1, 9)));
    assert!(test.wanted.is_empty());
}

#[test]
fn another_node_with_our_identity_at_our_former_address_is_told_after_a_while() {
    let mut test = on_networks::<Link>(2);
    let own = test.engine.node().id();
    is_on(&mut test, &[interface(1, v4(1, 1))]);
    test.run(secs(301));
    test.beacon(own, &place(v4(0, 1)));
    let is_told = |notice: &Notice| matches!(notice, Notice::OwnIdentity { .. });
    assert!(test.notices.iter().any(is_told));
}

fn a_fixed_endpoint_that_was_our_own_is_tried_when_our_address_has_changed<C: Level>() {
    let mut config = config();
    config.connect = [place(v4(0, 1)).into()].into();
    let mut test = on_networks_with::<C>(1, config);
    let shown = |test: &SingleEngine<C>| test.engine.fixed_peers().next().unwrap().state;
    assert_eq!(shown(&test), FixedState::Own);
    is_on(&mut test, &[interface(0, v4(0, 77))]);
    assert_eq!(shown(&test), FixedState::Connecting);
    assert_eq!(test.wanted[0].1, place(v4(0, 1)));
}
