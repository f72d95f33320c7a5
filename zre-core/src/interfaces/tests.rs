use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::*;
use crate::config::Beacons;

fn interface(name: &str, index: u32, addresses: &[(&str, u8)]) -> Interface {
    let mut interface = Interface::new(name, index);
    let addresses = addresses.iter();
    interface.addresses = addresses
        .map(|(address, prefix)| {
            let address: IpAddr = address.parse().unwrap();
            InterfaceAddress::new(address, *prefix)
        })
        .collect();
    interface
}

fn lo() -> Interface {
    let mut lo = interface("lo", 1, &[("127.0.0.1", 8), ("::1", 128)]);
    (lo.is_loopback, lo.can_multicast) = (true, false);
    lo
}

fn eth0() -> Interface {
    let mut eth0 = interface(
        "eth0",
        2,
        &[("10.0.0.2", 24), ("fe80::2", 64), ("fd00::2", 64)],
    );
    eth0.default_route = Some(100);
    eth0
}

fn docker0() -> Interface {
    interface("docker0", 3, &[("172.17.0.1", 16)])
}

fn used_with(interfaces: &[Interface], wanted: &Interfaces, ip: IpVersion) -> Vec<String> {
    let choice = choose(interfaces, wanted, ip, &Beacons::Broadcast, &[]);
    choice.used.iter().map(ToString::to_string).collect()
}

fn used(interfaces: &[Interface], choice: &str) -> Vec<String> {
    let wanted = match choice {
        "" => Interfaces::Default,
        "all" => Interfaces::All,
        name => Interfaces::Chosen(vec![name.into()]),
    };
    used_with(interfaces, &wanted, IpVersion::V4)
}

#[test]
fn the_interface_with_the_default_route_is_the_default_wherever_it_is_listed() {
    assert_eq!(used(&[lo(), docker0(), eth0()], ""), ["eth0 (10.0.0.2)"]);
    assert_eq!(used(&[lo(), eth0(), docker0()], ""), ["eth0 (10.0.0.2)"]);
}

#[test]
fn without_a_default_route_it_is_the_first_that_is_connected() {
    let mut unplugged = interface("eth9", 9, &[("10.9.0.1", 24)]);
    unplugged.state = InterfaceState::NoCarrier;
    assert_eq!(
        used(&[lo(), unplugged.clone(), docker0()], ""),
        ["docker0 (172.17.0.1)"]
    );
    assert_eq!(used(&[lo(), unplugged], ""), ["eth9 (10.9.0.1)"]);
}

#[test]
fn without_a_default_route_one_with_link_local_addresses_alone_comes_after_the_others() {
    let veth = interface("veth1", 2, &[("fe80::1", 64)]);
    let wanted = Interfaces::Default;
    assert_eq!(
        used_with(&[lo(), veth.clone(), docker0()], &wanted, IpVersion::Both),
        ["docker0 (172.17.0.1)"]
    );
    assert_eq!(
        used_with(&[lo(), veth], &wanted, IpVersion::Both),
        ["veth1 (fe80::1)"]
    );
}

#[test]
fn loopback_is_the_last_resort() {
    let mut off = eth0();
    off.state = InterfaceState::Down;
    assert_eq!(used(&[lo(), off], ""), ["lo (127.0.0.1)"]);
}

#[test]
fn both_ip_versions_are_used_with_a_global_address_before_a_link_local_one() {
    let all = [lo(), eth0()];
    let used = |ip| used_with(&all, &Interfaces::Default, ip);
    assert_eq!(used(IpVersion::Both), ["eth0 (10.0.0.2)", "eth0 (fd00::2)"]);
    assert_eq!(used(IpVersion::V6), ["eth0 (fd00::2)", "eth0 (fe80::2)"]);
    assert_eq!(used(IpVersion::V4), ["eth0 (10.0.0.2)"]);
    let used = |ip| used_with(&[lo()], &Interfaces::Default, ip);
    assert_eq!(used(IpVersion::Both), ["lo (127.0.0.1)"]);
    assert_eq!(used(IpVersion::V6), ["lo (::1)"]);
}

#[test]
fn a_name_an_address_a_label_and_a_subnet_choose() {
    let mut two = interface("eth1", 4, &[("10.1.0.2", 24), ("10.2.0.2", 24)]);
    two.addresses[1].label = Some("eth1:home".into());
    let all = [lo(), eth0(), two];
    assert_eq!(used(&all, "eth1"), ["eth1 (10.1.0.2)"]);
    assert_eq!(used(&all, "10.2.0.2"), ["eth1 (10.2.0.2)"]);
    assert_eq!(used(&all, "eth1:home"), ["eth1 (10.2.0.2)"]);
    assert_eq!(
        used(&all, "10.0.0.0/14"),
        ["eth0 (10.0.0.2)", "eth1 (10.1.0.2)", "eth1 (10.2.0.2)"]
    );
    assert_eq!(used(&all, "127.0.0.1"), ["lo (127.0.0.1)"]);
}

#[test]
fn who_chooses_an_address_means_its_version() {
    let choose = |address: &str| {
        let wanted = Interfaces::Chosen(vec![address.into()]);
        used_with(&[lo(), eth0()], &wanted, IpVersion::Both)
    };
    assert_eq!(choose("::1"), ["lo (::1)"]);
    assert_eq!(choose("fe80::2"), ["eth0 (fe80::2)"]);
    assert_eq!(choose("10.0.0.2"), ["eth0 (10.0.0.2)"]);
}

#[test]
fn all_means_each_subnet_once_and_no_loopback() {
    let many = interface(
        "eth1",
        4,
        &[("10.1.0.2", 24), ("10.1.0.3", 24), ("10.2.0.2", 24)],
    );
    let all = [lo(), eth0(), many];
    assert_eq!(
        used(&all, "all"),
        ["eth0 (10.0.0.2)", "eth1 (10.1.0.2)", "eth1 (10.2.0.2)"]
    );
    assert_eq!(used(&[lo()], "all"), [""; 0]);
}

#[test]
fn all_leaves_what_has_no_carrier_while_another_has_one() {
    let (mut eth0, mut eth1) = (eth0(), interface("eth1", 4, &[("10.1.0.2", 24)]));
    eth0.state = InterfaceState::NoCarrier;
    let one_works = [lo(), eth0.clone(), eth1.clone()];
    assert_eq!(used(&one_works, "all"), ["eth1 (10.1.0.2)"]);
    eth1.state = InterfaceState::NoCarrier;
    let none_works = [lo(), eth0.clone(), eth1];
    let both = ["eth0 (10.0.0.2)", "eth1 (10.1.0.2)"];
    assert_eq!(used(&none_works, "all"), both);
    // One that cannot be used does not count.
    let unaddressed = interface("eth2", 5, &[]);
    assert_eq!(used(&[lo(), eth0, unaddressed], "all"), ["eth0 (10.0.0.2)"]);
}

#[test]
fn a_tunnel_will_do_where_no_beacon_is_broadcast() {
    let mut tunnel = interface("tun0", 5, &[("10.8.0.2", 32)]);
    (tunnel.is_point_to_point, tunnel.can_broadcast) = (true, false);
    let all = [lo(), eth0(), tunnel];
    let wanted = Interfaces::Chosen(vec!["tun0".into()]);
    let choose = |beacons| choose(&all, &wanted, IpVersion::Both, &beacons, &[]);
    let refused = choose(Beacons::Broadcast);
    assert!(refused.used.is_empty() && refused.missing.is_empty());
    let told: Vec<_> = refused
        .passed_over
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        told.contains(&"tun0 (10.8.0.2) cannot broadcast".into()),
        "{told:?}"
    );
    assert!(
        told.contains(&"eth0 (10.0.0.2) was not asked for".into()),
        "{told:?}"
    );
    assert_eq!(choose(Beacons::Off).used[0].to_string(), "tun0 (10.8.0.2)");
}

#[test]
fn a_node_stays_where_it_was_while_that_is_connected() {
    let mut wlan0 = interface("wlan0", 6, &[("10.3.0.2", 24)]);
    wlan0.default_route = Some(600);
    let choose = |all: &[Interface], current: &[LocalAddress]| {
        let (wanted, ip) = (Interfaces::Default, IpVersion::V4);
        choose(all, &wanted, ip, &Beacons::Broadcast, current).used
    };
    let before = choose(&[lo(), wlan0.clone()], &[]);
    let mut all = [lo(), wlan0, eth0()];
    let names =
        |used: &[LocalAddress]| -> Vec<_> { used.iter().map(|it| it.interface.clone()).collect() };
    let both = choose(&all, &before);
    assert_eq!(names(&both), ["eth0", "wlan0"]);
    all[1].state = InterfaceState::NoCarrier;
    assert_eq!(names(&choose(&all, &both)), ["eth0"]);
    // Loopback was a makeshift.
    let loopback = choose(&[lo()], &[]);
    assert_eq!(names(&choose(&all, &loopback)), ["eth0"]);
}

#[test]
fn what_is_not_there_is_named() {
    let wanted = Interfaces::Chosen(vec!["eth0".into(), "eth7".into(), "10.7.0.0/16".into()]);
    let choice = choose(
        &[lo(), eth0()],
        &wanted,
        IpVersion::V4,
        &Beacons::Broadcast,
        &[],
    );
    assert_eq!(choice.missing, ["eth7".into(), "10.7.0.0/16".into()]);
    assert_eq!(choice.used.len(), 1);
}
