//! To which addresses a node may connect because a peer says so.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
};

use zre_core::interfaces::LocalAddress;

/// An address as its plain spelling: an IPv4 address inside an IPv6 address is that IPv4 address,
/// and only a link-local IPv6 address has a scope.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    match (address, address.ip().to_canonical()) {
        (SocketAddr::V6(v6), IpAddr::V6(ip)) if ip.is_unicast_link_local() => {
            SocketAddrV6::new(ip, v6.port(), 0, v6.scope_id()).into()
        }
        (_, ip) => SocketAddr::new(ip, address.port()),
    }
}

/// Checks that a peer can be at an address that a peer says, for a node in these networks.
///
/// `own` is where the node itself can be reached. Anybody can name any address as a peer's, also
/// one at which other programs of this machine trust whoever connects.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) says what is wrong: the address is no single
/// host's, is a loopback address although no network is loopback, is on a link of none of the
/// networks, or is the node's own.
pub fn check_peer_address(
    remote: SocketAddr,
    networks: &[LocalAddress],
    own: &[SocketAddr],
) -> io::Result<()> {
    let remote = canonical(remote);
    if remote.ip().is_loopback() && !networks.iter().any(|it| it.is_loopback) {
        let on = listed(networks);
        let wrong = format!("it is a loopback address, and this node is on {on}");
        return Err(no_peer_at(remote, &wrong));
    }
    if scope_of(remote).is_some_and(|scope| !networks.iter().any(|it| it.index == scope)) {
        return Err(no_peer_at(remote, "this node is not on that link"));
    }
    check_address(remote, networks, own)
}

/// Checks that a peer can be at an address that the user of the node has given: anywhere but at the
/// node itself.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) says what is wrong: the address is no single
/// host's, or is the node's own.
pub fn check_user_address(
    remote: SocketAddr,
    networks: &[LocalAddress],
    own: &[SocketAddr],
) -> io::Result<()> {
    check_address(canonical(remote), networks, own)
}

fn check_address(
    remote: SocketAddr,
    networks: &[LocalAddress],
    own: &[SocketAddr],
) -> io::Result<()> {
    let broadcasts = networks.iter().filter_map(|it| it.broadcast);
    if !is_host(remote.ip(), broadcasts) {
        return Err(no_peer_at(remote, "it is not the address of one host"));
    }
    match own.iter().any(|own| is_same(canonical(*own), remote)) {
        true => Err(no_peer_at(remote, "it is this node's own")),
        false => Ok(()),
    }
}

fn no_peer_at(remote: SocketAddr, wrong: &str) -> io::Error {
    let message = format!("no peer can be at {remote}: {wrong}");
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn listed(networks: &[LocalAddress]) -> String {
    let each: Vec<_> = networks.iter().map(ToString::to_string).collect();
    match each.is_empty() {
        true => "no network".to_owned(),
        false => each.join(", "),
    }
}

/// Whether two canonical addresses are the same place. Without a scope it may be on any link.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let is_same_link = match (scope_of(one), scope_of(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    (one.ip(), one.port()) == (other.ip(), other.port()) && is_same_link
}

fn scope_of(address: SocketAddr) -> Option<u32> {
    match address {
        SocketAddr::V4(_) => None,
        SocketAddr::V6(v6) => Some(v6.scope_id()).filter(|scope| *scope != 0),
    }
}

fn is_host(address: IpAddr, broadcasts: impl IntoIterator<Item = Ipv4Addr>) -> bool {
    match address {
        // All of 0.0.0.0/8 is "this network"; connecting to 0.0.0.0 reaches this machine.
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            let mut broadcasts = broadcasts.into_iter();
            let is_broadcast = v4 == Ipv4Addr::BROADCAST || broadcasts.any(|it| it == v4);
            first != 0 && !v4.is_multicast() && !is_broadcast
        }
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{socket::local_address, testing::local};

    fn peer(remote: &str, networks: &[LocalAddress]) -> Option<String> {
        told(check_peer_address, remote, networks)
    }

    fn user(remote: &str, networks: &[LocalAddress]) -> Option<String> {
        told(check_user_address, remote, networks)
    }

    /// What is wrong, for a node that listens on port 50000 everywhere.
    fn told(
        check: fn(SocketAddr, &[LocalAddress], &[SocketAddr]) -> io::Result<()>,
        remote: &str,
        networks: &[LocalAddress],
    ) -> Option<String> {
        let own: Vec<_> = networks
            .iter()
            .map(|it| local_address(it, 50_000))
            .collect();
        let checked = check(remote.parse().expect("an address"), networks, &own);
        checked.err().map(|error| error.to_string())
    }

    fn networks() -> [LocalAddress; 3] {
        [
            local("eth0", 2, "10.0.0.2", 24),
            local("wlan0", 3, "10.1.0.2", 24),
            local("eth0", 2, "fe80::2", 64),
        ]
    }

    #[test]
    fn a_peer_is_at_a_host_of_the_networks_or_beyond_them() {
        for remote in [
            "10.0.0.3:50000",
            "10.1.0.3:50000",
            "10.0.0.2:50001",
            "192.168.7.7:1",
            "[fd94::7]:5",
            "[fe80::1]:5",
            "[fe80::1%2]:5",
        ] {
            assert_eq!(peer(remote, &networks()), None, "{remote}");
        }
        for remote in [
            "127.0.0.1:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
            "0.0.0.0:80",
            "[::ffff:0.1.2.3]:80",
            "[::]:80",
            "224.0.0.1:80",
            "[ff02::1%2]:80",
            "255.255.255.255:80",
            "10.0.0.255:80",
            "10.1.0.255:80",
            "[fe80::1%7]:5",
        ] {
            assert!(peer(remote, &networks()).is_some(), "{remote}");
        }
        assert_eq!(
            peer("127.0.0.1:80", &networks()).as_deref(),
            Some(
                "no peer can be at 127.0.0.1:80: it is a loopback address, and this node is on \
                 eth0 (10.0.0.2), wlan0 (10.1.0.2), eth0 (fe80::2)"
            )
        );
        let alone = peer("[::1]:80", &[]).expect("refused");
        assert!(alone.ends_with("this node is on no network"), "{alone}");
    }

    #[test]
    fn loopback_is_for_nodes_on_it_and_for_the_user() {
        let lo = [local("lo", 1, "127.0.0.1", 8)];
        assert_eq!(peer("127.0.0.1:50001", &lo), None);
        assert_eq!(peer("127.0.0.2:50000", &lo), None);
        assert!(peer("127.255.255.255:80", &lo).is_some());
        for remote in ["127.0.0.1:50000", "[::1]:80", "[fe80::1%7]:5"] {
            assert_eq!(user(remote, &networks()), None, "{remote}");
        }
        for remote in ["0.0.0.0:80", "[::]:80", "10.1.0.255:80", "[ff02::1]:80"] {
            assert!(user(remote, &networks()).is_some(), "{remote}");
        }
    }

    #[test]
    fn the_node_itself_is_no_peer_however_it_is_spelled_and_whoever_says_so() {
        for remote in [
            "10.0.0.2:50000",
            "[::ffff:10.1.0.2]:50000",
            "[fe80::2%2]:50000",
            "[fe80::2]:50000",
        ] {
            for check in [peer, user] {
                let error = check(remote, &networks()).expect("itself");
                assert!(error.ends_with(": it is this node's own"), "{error}");
            }
        }
        // Another host of another link may have the same address.
        assert_eq!(user("[fe80::2%3]:50000", &networks()), None);
    }

    #[test]
    fn a_canonical_address_has_a_scope_only_if_it_needs_one() {
        let canonical = |text: &str| canonical(text.parse().expect("an address")).to_string();
        assert_eq!(canonical("[::ffff:10.0.0.1]:5"), "10.0.0.1:5");
        assert_eq!(canonical("[fe80::1%2]:5"), "[fe80::1%2]:5");
        assert_eq!(canonical("[fd94::1%2]:5"), "[fd94::1]:5");
    }
}
