//! IPv6: addresses that count on one link, and IPv4 in IPv6 notation.

use core::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::{format, string::String, vec};

use zre_proto::{Body, Endpoint, PeerId};

use super::{
    level::{Level, at_both_levels},
    networks_change::on_networks,
    single_engine::{SingleEngine, hello},
};
use crate::interfaces::{Interface, InterfaceAddress};

at_both_levels! {
    a_link_local_place_gets_the_link_that_its_hello_came_in_on,
    a_link_local_place_gets_the_link_of_the_network_that_its_hello_came_in_on,
    the_same_link_local_address_on_two_links_is_two_hosts,
    a_hello_that_did_not_tell_the_link_is_helped_by_a_beacon,
    zyre_with_ipv6_that_connects_by_ipv4_enters,
    a_peer_that_is_heard_by_both_versions_of_ip_is_one,
}

fn link_local(host: u16, link: u32, port: u16) -> SocketAddr {
    let address = Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, host);
    SocketAddrV6::new(address, port, 0, link).into()
}

fn named(number: u8, endpoint: &str) -> Body {
    let Body::Hello(mut hello) = hello(number) else {
        unreachable!("it is a HELLO")
    };
    hello.endpoint = endpoint.parse().unwrap();
    Body::Hello(hello)
}

fn id(number: u8) -> PeerId {
    PeerId::from([number; 16])
}

/// Where somebody is sought that says HELLO from `source` and gives this endpoint as its own.
fn sought<C: Level>(test: &mut SingleEngine<C>, source: &str, endpoint: &str) -> String {
    let mut to = test.connect_from(source, id(1));
    to.send(test, 1, named(1, endpoint));
    format!("{}", test.wanted.back().unwrap().1)
}

fn a_link_local_place_gets_the_link_that_its_hello_came_in_on<C: Level>() {
    // As zyre writes it, and whatever the sender calls the link.
    for endpoint in ["tcp://fe80::9:49152", "tcp://[fe80::9%eth7]:49152"] {
        let mut test = SingleEngine::<C>::new();
        let sought = sought(&mut test, "[fe80::9%3]:6666", endpoint);
        assert_eq!(sought, "tcp://[fe80::9%3]:49152");
    }
}

fn a_link_local_place_gets_the_link_of_the_network_that_its_hello_came_in_on<C: Level>() {
    let mut test = on_networks::<C>(2);
    let sought = sought(&mut test, "[::ffff:10.1.0.9]:6666", "tcp://fe80::9:49152");
    assert_eq!(sought, "tcp://[fe80::9%3]:49152");
}

fn the_same_link_local_address_on_two_links_is_two_hosts<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let place: Endpoint = "tcp://[fe80::9]:49152".parse().unwrap();
    for (number, link) in [(1, 2), (2, 3)] {
        test.beacon_from(link_local(9, link, 5670), id(number), &place);
        let (_, sought) = test.wanted.back().unwrap();
        assert_eq!(format!("{sought}"), format!("tcp://[fe80::9%{link}]:49152"));
        test.answer_open();
        let mut to = test.connect_from(&format!("[fe80::9%{link}]:6666"), id(number));
        to.send(&mut test, 1, named(number, "tcp://fe80::9:49152"));
        assert_eq!(test.told(), [format!("peer{number} enters")]);
    }
    assert!(test.wanted.is_empty());
    assert_eq!(test.engine.node().peers().count(), 2);
}

fn a_hello_that_did_not_tell_the_link_is_helped_by_a_beacon<C: Level>() {
    let mut test = SingleEngine::<C>::new();
    let first = sought(&mut test, "10.0.0.66:6666", "tcp://fe80::9:49152");
    assert_eq!(first, "tcp://[fe80::9]:49152");
    let place: Endpoint = "tcp://[fe80::9]:49152".parse().unwrap();
    test.beacon_from(link_local(9, 3, 5670), id(1), &place);
    let (link, at) = test.wanted.pop_back().unwrap();
    assert_eq!(format!("{at}"), "tcp://[fe80::9%3]:49152");
    test.wanted.clear();
    test.wanted.push_back((link, at));
    test.answer_open();
    assert_eq!(test.told(), ["peer1 enters"]);
}

/// It hears our IPv4 beacon, too, and connects to `::ffff:10.0.0.1`.
fn zyre_with_ipv6_that_connects_by_ipv4_enters<C: Level>() {
    for beacon_first in [true, false] {
        for source in ["10.0.0.9:6666", "[::ffff:10.0.0.9]:6666"] {
            let mut test = on_networks::<C>(1);
            let place: Endpoint = "tcp://[fd94::9]:49152".parse().unwrap();
            let beacon = |test: &mut SingleEngine<C>| test.beacon(id(1), &place);
            if beacon_first {
                beacon(&mut test);
            }
            let mut to = test.connect_from(source, id(1));
            to.send(&mut test, 1, named(1, "tcp://fd94::9:49152"));
            if !beacon_first {
                beacon(&mut test);
            }
            assert_eq!(test.wanted.len(), 1);
            assert_eq!(test.wanted[0].1, place);
            test.answer_open();
            assert_eq!(test.told(), ["peer1 enters"]);
        }
    }
}

fn a_peer_that_is_heard_by_both_versions_of_ip_is_one<C: Level>() {
    let mut test = on_networks::<C>(1);
    let mut eth0 = Interface::new("eth0", 2);
    eth0.addresses = vec![
        InterfaceAddress::new([10, 0, 0, 1], 16),
        InterfaceAddress::new("fe80::1".parse::<Ipv6Addr>().unwrap(), 64),
    ];
    test.engine.handle_interfaces(&[eth0], test.now);
    test.drain();
    test.told();
    let v4: Endpoint = "tcp://10.0.0.9:49152".parse().unwrap();
    let v6: Endpoint = "tcp://[fe80::9]:49153".parse().unwrap();
    let beacons = |test: &mut SingleEngine<C>| {
        test.beacon(id(1), &v4);
        test.beacon_from(link_local(9, 2, 5670), id(1), &v6);
    };
    beacons(&mut test);
    let mut from = test.answer_open();
    let mut to = test.connect_from("[fe80::9%2]:6666", id(1));
    to.send(&mut test, 1, named(1, "tcp://[fe80::9]:49153"));
    from.exchange(&mut test);
    // Where it is connected is not where its HELLO came from, so it is asked.
    assert_eq!(from.received.last().unwrap().body, Body::Ping);
    to.send(&mut test, 2, Body::PingOk);
    for _ in 0..60 {
        test.run(crate::engine::tests::network::secs(1));
        beacons(&mut test);
    }
    assert_eq!(test.told(), ["peer1 enters"]);
    assert!(test.wanted.is_empty() && !test.engine.is_full(id(1)));
    from.exchange(&mut test);
    assert_eq!(from.received.len(), 2, "no further question");
}
