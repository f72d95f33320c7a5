use super::*;

const LAN: Flags = Flags {
    up: true,
    running: true,
    loopback: false,
    point_to_point: false,
    broadcast: true,
    multicast: true,
};
const LOOPBACK: Flags = Flags {
    loopback: true,
    broadcast: false,
    multicast: false,
    ..LAN
};
const TUNNEL: Flags = Flags {
    point_to_point: true,
    broadcast: false,
    ..LAN
};

/// As the system lists it, with the broadcast address that it names.
fn listed(
    name: &str,
    index: u32,
    flags: Flags,
    address: &str,
    prefix_len: u8,
    broadcast: Option<&str>,
) -> Listed {
    let broadcast = broadcast.map(|text| text.parse().expect("an address"));
    let address = ListedAddress {
        address: address.parse().expect("an address"),
        prefix_len,
        broadcast,
    };
    Listed {
        address: Some(address),
        ..bare(name, index, flags)
    }
}

fn bare(name: &str, index: u32, flags: Flags) -> Listed {
    Listed {
        name: name.to_owned(),
        index,
        flags,
        address: None,
    }
}

/// As in `10.0.0.2/24 brd 10.0.0.255`.
fn described(address: &InterfaceAddress) -> String {
    let broadcast = address.broadcast.map(|it| format!(" brd {it}"));
    let broadcast = broadcast.unwrap_or_default();
    format!("{}/{}{broadcast}", address.address, address.prefix_len)
}

fn one(listed: Listed) -> String {
    let interfaces = assemble([listed]);
    described(&interfaces[0].addresses[0])
}

fn lan(address: &str, prefix_len: u8, broadcast: Option<&str>) -> String {
    one(listed("eth0", 2, LAN, address, prefix_len, broadcast))
}

#[test]
fn the_lines_of_an_interface_are_joined_in_the_order_of_the_system() {
    let interfaces = assemble([
        bare("lo", 1, LOOPBACK),
        bare("eth0", 2, LAN),
        bare("tun0", 3, TUNNEL),
        listed("lo", 1, LOOPBACK, "127.0.0.1", 8, None),
        listed("eth0", 2, LAN, "10.0.1.2", 24, Some("10.0.1.255")),
        listed("eth0", 2, LAN, "10.0.0.2", 24, Some("10.0.0.255")),
        listed("eth0", 2, LAN, "fd00::2", 64, None),
        listed("eth0", 2, LAN, "fe80::2", 64, None),
    ]);
    let told: Vec<_> = interfaces.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "lo (127.0.0.1)",
            "eth0 (10.0.1.2, 10.0.0.2, fd00::2, fe80::2)",
            "tun0"
        ]
    );
    assert_eq!(interfaces[1].index, 2);
    assert_eq!(described(&interfaces[1].addresses[2]), "fd00::2/64");
}

#[cfg(unix)]
#[test]
fn an_address_with_a_label_belongs_to_its_interface() {
    let interfaces = assemble([
        listed("eth0", 2, LAN, "10.0.0.2", 24, None),
        listed("eth0:home", 2, LAN, "10.0.1.2", 24, None),
    ]);
    assert_eq!(interfaces.len(), 1);
    assert_eq!(interfaces[0].name, "eth0");
    let labels = interfaces[0].addresses.iter();
    let labels: Vec<_> = labels.map(|it| it.label.as_deref()).collect();
    assert_eq!(labels, [None, Some("eth0:home")]);
    // The first line of an interface may have a label, too.
    let alone = assemble([listed("eth0:home", 2, LAN, "10.0.1.2", 24, None)]);
    assert_eq!(alone[0].name, "eth0");
}

#[test]
fn flags_say_what_an_interface_can_do_and_whether_it_is_connected() {
    let of = |flags| assemble([bare("x", 1, flags)]).remove(0);
    let lan = of(LAN);
    assert_eq!(lan.state, InterfaceState::Connected);
    assert!(lan.can_broadcast && lan.can_multicast);
    assert!(!lan.is_loopback && !lan.is_point_to_point);
    let lo = of(LOOPBACK);
    assert!(lo.is_loopback && lo.can_broadcast && !lo.can_multicast);
    let tunnel = of(TUNNEL);
    assert!(tunnel.is_point_to_point && !tunnel.can_broadcast && tunnel.can_multicast);
    let off = Flags {
        up: false,
        running: false,
        ..LAN
    };
    assert_eq!(of(off).state, InterfaceState::Down);
    let unplugged = of(Flags {
        running: false,
        ..LAN
    });
    let state = match cfg!(windows) {
        true => InterfaceState::Down,
        false => InterfaceState::NoCarrier,
    };
    assert_eq!(unplugged.state, state);
}

#[test]
fn a_missing_broadcast_address_follows_from_the_prefix() {
    for given in [None, Some("0.0.0.0"), Some("10.0.4.2")] {
        assert_eq!(lan("10.0.4.2", 22, given), "10.0.4.2/22 brd 10.0.7.255");
    }
    assert_eq!(
        lan("10.0.4.2", 22, Some("255.255.255.255")),
        "10.0.4.2/22 brd 255.255.255.255"
    );
    for prefix_len in [31, 32] {
        let host = lan("10.1.0.2", prefix_len, Some("10.1.0.2"));
        assert_eq!(host, format!("10.1.0.2/{prefix_len}"));
    }
}

#[test]
fn a_broadcast_address_that_is_set_is_taken_whatever_the_prefix_says() {
    let lan = |address, broadcast| lan(address, 32, Some(broadcast));
    assert_eq!(lan("10.0.0.1", "10.0.0.255"), "10.0.0.1/24 brd 10.0.0.255");
    assert_eq!(lan("10.0.1.1", "10.0.0.255"), "10.0.1.1/23 brd 10.0.0.255");
    assert_eq!(lan("10.0.0.1", "10.0.0.3"), "10.0.0.1/30 brd 10.0.0.3");
    assert_eq!(lan("10.0.0.1", "10.0.0.4"), "10.0.0.1/29 brd 10.0.0.4");
    assert_eq!(
        lan("10.0.0.1", "255.255.255.255"),
        "10.0.0.1/0 brd 255.255.255.255"
    );
}

#[test]
fn a_tunnel_has_no_broadcast_address_and_loopback_has_that_of_its_subnet() {
    let tunnel = listed("tun0", 3, TUNNEL, "10.8.0.2", 24, Some("10.8.0.1"));
    assert_eq!(one(tunnel), "10.8.0.2/24");
    let lo = |address, prefix_len| {
        let lo = listed("lo", 1, LOOPBACK, address, prefix_len, Some("127.0.0.1"));
        one(lo)
    };
    assert_eq!(lo("127.0.0.1", 8), "127.0.0.1/8 brd 127.255.255.255");
    assert_eq!(lo("10.255.255.254", 32), "10.255.255.254/32");
}

#[test]
fn this_machine_has_loopback() {
    let interfaces = interfaces().expect("a list");
    let lo = interfaces.iter().find(|it| it.is_loopback);
    let lo = lo.expect("loopback");
    assert_eq!(lo.state, InterfaceState::Connected);
    assert!(
        lo.addresses
            .iter()
            .map(described)
            .any(|it| it == "127.0.0.1/8 brd 127.255.255.255")
    );
}
