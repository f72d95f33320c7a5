use std::{
    process::exit,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
};

use fork::{Fork, fork, waitpid};
use zre_net::{
    Watcher, interfaces,
    zre_core::interfaces::{Interface, InterfaceState},
};

use crate::inside::{DEADLINE, inside, ip, until};

fn named(name: &str) -> Interface {
    let found = interfaces().expect("a list").into_iter();
    let mut found = found.filter(|it| it.name == name);
    found.next().unwrap_or_else(|| panic!("no {name}"))
}

fn addresses(name: &str) -> Vec<String> {
    let addresses = named(name).addresses.into_iter();
    let described = addresses.map(|it| {
        let broadcast = it.broadcast.map(|it| format!(" brd {it}"));
        let label = it.label.map(|it| format!(" {it}"));
        let (broadcast, label) = (broadcast.unwrap_or_default(), label.unwrap_or_default());
        format!("{}/{}{broadcast}{label}", it.address, it.prefix_len)
    });
    described.collect()
}

#[test]
fn interfaces_are_listed_with_state_addresses_and_routes() {
    inside(
        "interfaces::interfaces_are_listed_with_state_addresses_and_routes",
        || {
            ip("link add eth0 type veth peer name wire0");
            assert_eq!(named("eth0").state, InterfaceState::Down);
            ip("link set eth0 addrgenmode none");
            ip("link set eth0 up");
            assert_eq!(named("eth0").state, InterfaceState::NoCarrier);
            assert_eq!(addresses("eth0"), [""; 0]);
            ip("link set wire0 up");
            until("a carrier", || {
                named("eth0").state == InterfaceState::Connected
            });
            ip("addr add 10.0.0.1/32 brd 10.0.0.255 dev eth0");
            ip("addr add 10.1.0.1/24 brd + label eth0:home dev eth0");
            ip("addr add fe80::1/64 nodad dev eth0");
            ip("addr add fd94::1/64 nodad dev eth0");
            assert_eq!(
                addresses("eth0"),
                [
                    "10.0.0.1/24 brd 10.0.0.255",
                    "10.1.0.1/24 brd 10.1.0.255 eth0:home",
                    "fd94::1/64",
                    "fe80::1/64"
                ]
            );
            assert_eq!(
                addresses("lo"),
                ["127.0.0.1/8 brd 127.255.255.255", "::1/128"]
            );
            assert_eq!(named("eth0").default_route, None);
            ip("route add default via 10.1.0.2 metric 7");
            ip("-6 route add default via fe80::2 dev eth0 metric 5");
            assert_eq!(named("eth0").default_route, Some(5));
            assert_eq!(named("lo").default_route, None);
        },
    );
}

#[test]
fn an_address_is_listed_when_it_can_be_bound() {
    inside(
        "interfaces::an_address_is_listed_when_it_can_be_bound",
        || {
            ip("link add eth0 type veth peer name wire0");
            ip("link set wire0 up");
            ip("link set eth0 up");
            until("a link-local address", || addresses("eth0").len() == 1);
            ip("addr add fd94::7/64 dev eth0");
            assert_eq!(addresses("eth0").len(), 1, "it is still being tried");
            until("the end of that", || addresses("eth0").len() == 2);
            std::net::UdpSocket::bind("[fd94::7]:0").expect("bound");
        },
    );
}

fn watcher() -> (Watcher, Receiver<()>) {
    let (tell, told) = channel();
    let watcher = Watcher::new(move || {
        let _gone = tell.send(());
    });
    (watcher.expect("a watcher"), told)
}

/// Waits for a call, and for all that follow at once.
fn expect_call(told: &Receiver<()>, why: &str) {
    told.recv_timeout(DEADLINE)
        .unwrap_or_else(|_| panic!("nothing was told of {why}"));
    let quiet = std::time::Duration::from_millis(300);
    while told.recv_timeout(quiet).is_ok() {}
}

#[test]
fn a_watcher_hears_of_every_change_of_a_network() {
    inside(
        "interfaces::a_watcher_hears_of_every_change_of_a_network",
        || {
            ip("link add eth0 type veth peer name wire0");
            // Nothing else is to be told of.
            ip("link set eth0 addrgenmode none");
            ip("link set wire0 addrgenmode none");
            let (watcher, told) = watcher();
            for change in [
                "link set eth0 up",
                // The carrier comes, with the other end.
                "link set wire0 up",
                "addr add 10.0.0.1/24 dev eth0",
                "route add default via 10.0.0.2",
                "route del default",
                "addr add fd94::1/64 nodad dev eth0",
                "-6 route add default via fd94::2",
                "-6 route del default",
                "addr del fd94::1/64 dev eth0",
                "addr del 10.0.0.1/24 dev eth0",
                "link set wire0 down",
                "link set eth0 down",
                "link del eth0",
            ] {
                ip(change);
                expect_call(&told, change);
            }
            drop(watcher);
            assert_eq!(
                told.recv_timeout(DEADLINE),
                Err(RecvTimeoutError::Disconnected),
                "the thread has ended"
            );
        },
    );
}

#[test]
fn a_forked_child_neither_stops_its_parents_watcher_nor_lacks_one_of_its_own() {
    inside(
        "interfaces::a_forked_child_neither_stops_its_parents_watcher_nor_lacks_one_of_its_own",
        || {
            let (watching, told) = watcher();
            let child = match fork().expect("a child") {
                Fork::Parent(child) => child,
                Fork::Child => {
                    let (_own, told) = watcher();
                    drop(watching);
                    ip("link add child0 type veth peer name child1");
                    exit(i32::from(told.recv_timeout(DEADLINE).is_err()));
                }
            };
            assert_eq!(waitpid(child).expect("it ends"), 0, "the child is told");
            expect_call(&told, "what the child did");
            ip("link del child0");
            expect_call(&told, "what the parent did");
            drop(watching);
        },
    );
}
