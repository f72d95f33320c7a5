use super::*;

const LAN: InterfaceFlags = InterfaceFlags::UP
    .union(InterfaceFlags::RUNNING)
    .union(InterfaceFlags::BROADCAST);
const UNPLUGGED: InterfaceFlags = InterfaceFlags::UP.union(InterfaceFlags::BROADCAST);
const OFF: InterfaceFlags = InterfaceFlags::BROADCAST;
const LOOPBACK: InterfaceFlags = InterfaceFlags::UP
    .union(InterfaceFlags::RUNNING)
    .union(InterfaceFlags::LOOPBACK);
const TUNNEL: InterfaceFlags = InterfaceFlags::UP
    .union(InterfaceFlags::RUNNING)
    .union(InterfaceFlags::POINTTOPOINT);

fn ip(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

/// As the system lists it: `associated` is the broadcast address or the tunnel's other end.
fn listed(
    name: &str,
    flags: InterfaceFlags,
    address: &str,
    prefix: u32,
    associated: Option<&str>,
) -> Candidate {
    let netmask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    let address = NetworkAddress {
        address: ip(address),
        netmask: Some(Ipv4Addr::from_bits(netmask)),
        associated_address: associated.map(ip),
    };
    Candidate::new(name.to_owned(), flags, address)
}

fn lo() -> Candidate {
    listed("lo", LOOPBACK, "127.0.0.1", 8, Some("127.0.0.1"))
}

fn eth0() -> Candidate {
    listed("eth0", LAN, "10.0.0.2", 24, Some("10.0.0.255"))
}

fn all(candidates: &[Candidate]) -> Listed {
    Listed {
        candidates: candidates.to_vec(),
        without_address: vec!["wlan0".to_owned()],
    }
}

fn choose(candidates: &[Candidate], choice: &str) -> Result<Interface, String> {
    choose_from(&all(candidates), &choice.into()).map_err(|error| error.to_string())
}

fn chosen(candidates: &[Candidate], choice: &str) -> String {
    choose(candidates, choice)
        .expect("an interface")
        .to_string()
}

#[test]
fn the_first_interface_that_can_broadcast_is_the_default() {
    let tunnel = listed("tun0", TUNNEL, "10.8.0.2", 24, Some("10.8.0.1"));
    let off = listed("eth9", OFF, "10.9.0.1", 24, None);
    let second = listed("eth1", LAN, "10.1.0.2", 24, None);
    let all = [lo(), tunnel, off, eth0(), second];
    assert_eq!(chosen(&all, ""), "eth0 (10.0.0.2)");
}

#[test]
fn a_connected_interface_goes_before_an_unplugged_one() {
    let unplugged = listed("eth9", UNPLUGGED, "10.9.0.1", 24, None);
    let all = [lo(), unplugged.clone(), eth0()];
    assert_eq!(chosen(&all, ""), "eth0 (10.0.0.2)");
    if cfg!(not(windows)) {
        assert_eq!(chosen(&[lo(), unplugged], ""), "eth9 (10.9.0.1)");
    }
}

#[test]
fn loopback_is_taken_when_nothing_else_is_there() {
    let tunnel = listed("tun0", TUNNEL, "10.8.0.2", 24, Some("10.8.0.1"));
    let interface = choose(&[lo(), tunnel], "").expect("loopback");
    assert!(interface.loopback);
    assert_eq!(interface.broadcast, ip("127.255.255.255"));
}

#[test]
fn an_extra_host_address_on_loopback_is_passed_over() {
    let extra = listed("lo", LOOPBACK, "10.255.255.254", 32, None);
    assert_eq!(chosen(&[extra.clone(), lo()], ""), "lo (127.0.0.1)");
    assert_eq!(chosen(&[extra, lo()], "lo"), "lo (127.0.0.1)");
}

#[test]
fn without_any_interface_there_is_an_error() {
    assert!(matches!(
        choose_from(&all(&[]), &InterfaceChoice::FirstBroadcast),
        Err(InterfaceError::NoInterface)
    ));
}

#[test]
fn a_name_takes_the_first_address_and_an_address_takes_itself() {
    let second = listed("eth0", LAN, "10.0.1.2", 24, None);
    let all = [lo(), eth0(), second];
    assert_eq!(chosen(&all, "eth0"), "eth0 (10.0.0.2)");
    assert_eq!(chosen(&all, "10.0.1.2"), "eth0 (10.0.1.2)");
    assert_eq!(chosen(&all, "127.0.0.1"), "lo (127.0.0.1)");
}

#[cfg(unix)]
#[test]
fn an_address_with_a_label_is_found_by_it_and_by_its_interface() {
    let labelled = listed("eth0:home", LAN, "10.0.1.2", 24, None);
    let alone = [lo(), labelled.clone()];
    for choice in ["eth0", "eth0:home", "10.0.1.2", ""] {
        assert_eq!(chosen(&alone, choice), "eth0 (10.0.1.2)");
    }
    let second = [lo(), eth0(), labelled];
    assert_eq!(chosen(&second, "eth0"), "eth0 (10.0.0.2)");
    assert_eq!(chosen(&second, "eth0:home"), "eth0 (10.0.1.2)");
    let error = choose(&second, "eth0:work").unwrap_err();
    assert!(
        error.ends_with("eth0 (10.0.0.2), eth0:home (10.0.1.2)"),
        "{error}"
    );
    assert!(choose(&second, "home").is_err());
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    let all = [eth0(), lo()];
    assert_eq!(
        choose(&all, "eth7"),
        Err(r#"no interface "eth7"; there are: eth0 (10.0.0.2), lo (127.0.0.1)"#.to_owned())
    );
    assert_eq!(
        choose(&all, "10.0.0.3"),
        Err("no interface with the address 10.0.0.3; \
             there are: eth0 (10.0.0.2), lo (127.0.0.1)"
            .to_owned())
    );
    assert_eq!(
        choose(&[], "eth7"),
        Err(r#"no interface "eth7"; there are: none"#.to_owned())
    );
}

#[test]
fn an_interface_asked_for_that_cannot_broadcast_says_so() {
    let tunnel = listed("tun0", TUNNEL, "10.8.0.2", 24, Some("10.8.0.1"));
    let host = listed("eth1", LAN, "10.1.0.2", 32, Some("10.1.0.2"));
    let both = all(&[tunnel, host]);
    for choice in ["tun0", "eth1", "10.1.0.2"] {
        let result = choose_from(&both, &choice.into());
        assert!(matches!(
            result,
            Err(InterfaceError::CannotBroadcast { .. })
        ));
    }
}

#[test]
fn a_broadcast_address_that_is_set_is_taken_whatever_the_netmask_says() {
    let host = listed("eth1", LAN, "10.0.0.1", 32, Some("10.0.0.255"));
    let interface = choose(&[lo(), host], "").expect("eth1");
    assert_eq!(interface.broadcast, ip("10.0.0.255"));
    assert!(interface.contains(ip("10.0.0.77")) && !interface.contains(ip("10.0.1.77")));
    let odd = listed("eth1", LAN, "10.0.1.1", 32, Some("10.0.0.255"));
    let interface = choose(&[lo(), odd], "").expect("eth1");
    assert!(interface.contains(ip("10.0.0.77")) && interface.contains(ip("10.0.1.77")));
    assert!(!interface.contains(ip("10.0.2.1")));
}

#[test]
fn an_interface_without_an_address_is_not_said_to_be_missing() {
    assert_eq!(
        choose(&[lo(), eth0()], "wlan0"),
        Err(
            "interface wlan0 has no IPv4 address: give it one, or wait until it has one".to_owned()
        )
    );
}

#[test]
fn each_interface_that_cannot_be_used_has_its_reason() {
    let tunnel = listed("tun0", TUNNEL, "10.8.0.2", 24, Some("10.8.0.1"));
    let off = listed("eth9", OFF, "10.9.0.1", 24, None);
    let reasons = unusable_of(&all(&[lo(), tunnel, off, eth0()]));
    let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        [
            "interface tun0 (10.8.0.2) cannot broadcast, so it cannot carry beacons",
            "interface eth9 (10.9.0.1) is down",
            "interface wlan0 has no IPv4 address: give it one, or wait until it has one",
        ]
    );
}

#[test]
fn an_interface_asked_for_that_is_down_says_so() {
    let off = listed("eth9", OFF, "10.9.0.1", 24, None);
    assert_eq!(
        choose(&[off], "eth9"),
        Err("interface eth9 (10.9.0.1) is down".to_owned())
    );
}

#[test]
fn a_missing_broadcast_address_follows_from_the_netmask() {
    for given in [None, Some("0.0.0.0"), Some("10.0.4.2")] {
        let interface = choose(&[listed("eth0", LAN, "10.0.4.2", 22, given)], "");
        assert_eq!(interface.expect("eth0").broadcast, ip("10.0.7.255"));
    }
}

#[test]
fn the_subnet_contains_its_own_addresses_only() {
    let interface = choose(&[listed("eth0", LAN, "10.0.4.2", 22, None)], "").expect("eth0");
    assert!(interface.contains(ip("10.0.7.254")));
    assert!(interface.contains(interface.address));
    assert!(!interface.contains(ip("10.0.8.1")));
    assert!(!interface.contains(ip("127.0.0.1")));
}

#[test]
fn text_becomes_a_choice() {
    let parsed = |text: &str| text.parse::<InterfaceChoice>().expect("infallible");
    assert_eq!(parsed(""), InterfaceChoice::FirstBroadcast);
    assert_eq!(parsed("eth0"), InterfaceChoice::Name("eth0".to_owned()));
    assert_eq!(parsed("10.0.0"), InterfaceChoice::Name("10.0.0".to_owned()));
    assert_eq!(parsed("10.0.0.2"), InterfaceChoice::Address(ip("10.0.0.2")));
}

#[test]
fn this_machine_has_an_interface_and_loopback() {
    Interface::choose(&InterfaceChoice::FirstBroadcast).expect("an interface");
    let loopback = Interface::choose(&Ipv4Addr::LOCALHOST.into()).expect("loopback");
    assert!(loopback.loopback);
    assert_eq!(loopback.broadcast, ip("127.255.255.255"));
}
