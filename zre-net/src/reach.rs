//! To which addresses a node may connect because a peer says so.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
};

use crate::interface::Interface;

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

/// Checks that a peer can be at an address, for a node on this interface.
///
/// `own` is where the node itself can be reached. Anybody can name any address as a peer's, also
/// one at which other programs of this machine trust whoever connects.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) says what is wrong: the address is no single
/// host's, is a loopback address although the interface is not loopback, or is the node's own.
pub fn check_remote(
    remote: SocketAddr,
    interface: &Interface,
    own: &[SocketAddr],
) -> io::Result<()> {
    let remote = canonical(remote);
    let wrong = if !is_one_host(remote.ip(), interface) {
        "it is not the address of one host".to_owned()
    } else if remote.ip().is_loopback() && !interface.loopback {
        format!("it is a loopback address, and this node is on {interface}")
    } else if own.iter().any(|own| canonical(*own) == remote) {
        "it is this node's own".to_owned()
    } else {
        return Ok(());
    };
    let message = format!("no peer can be at {remote}: {wrong}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

fn is_one_host(address: IpAddr, interface: &Interface) -> bool {
    match address {
        // All of 0.0.0.0/8 is "this network"; connecting to 0.0.0.0 reaches this machine.
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            let is_broadcast = v4 == Ipv4Addr::BROADCAST || v4 == interface.broadcast;
            first != 0 && !v4.is_multicast() && !is_broadcast
        }
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(address: Ipv4Addr) -> Interface {
        let loopback = address.is_loopback();
        Interface {
            name: "eth0".to_owned(),
            address,
            netmask: Ipv4Addr::new(255, 255, 255, 0),
            broadcast: Ipv4Addr::from_bits(address.to_bits() | 255),
            loopback,
        }
    }

    fn refused(remote: &str, own: Ipv4Addr) -> Option<String> {
        let own_endpoint = SocketAddr::new(own.into(), 50_000);
        let remote = remote.parse().expect("an address");
        let checked = check_remote(remote, &interface(own), &[own_endpoint]);
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn a_node_on_a_network_connects_to_hosts_alone() {
        let own = Ipv4Addr::new(10, 0, 0, 2);
        for remote in [
            "10.0.0.3:50000",
            "10.0.0.2:50001",
            "192.168.7.7:1",
            "[fe80::1]:5",
        ] {
            assert_eq!(refused(remote, own), None, "{remote}");
        }
        for remote in [
            "127.0.0.1:80",
            "127.9.9.9:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
            "0.0.0.0:80",
            "0.1.2.3:80",
            "[::]:80",
            "[::ffff:0.0.0.0]:80",
            "224.0.0.1:80",
            "[ff02::1]:80",
            "255.255.255.255:80",
            "10.0.0.255:80",
        ] {
            assert!(refused(remote, own).is_some(), "{remote}");
        }
        assert_eq!(
            refused("[::ffff:127.0.0.1]:80", own).as_deref(),
            Some(
                "no peer can be at 127.0.0.1:80: it is a loopback address, and this node is on \
                 eth0 (10.0.0.2)"
            )
        );
    }

    #[test]
    fn a_node_does_not_connect_to_itself_however_that_is_spelled() {
        for own in [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::LOCALHOST] {
            for remote in [format!("{own}:50000"), format!("[::ffff:{own}]:50000")] {
                let error = refused(&remote, own).expect("itself");
                assert!(error.ends_with(": it is this node's own"), "{error}");
            }
            assert_eq!(refused(&format!("{own}:50001"), own), None);
        }
    }

    #[test]
    fn a_node_on_loopback_connects_to_loopback() {
        assert_eq!(refused("127.0.0.1:50001", Ipv4Addr::LOCALHOST), None);
        assert_eq!(refused("127.0.0.2:50000", Ipv4Addr::LOCALHOST), None);
    }
}
