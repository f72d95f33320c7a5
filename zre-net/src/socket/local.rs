//! Addresses of this machine as sockets want them.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use zre_core::interfaces::LocalAddress;

use crate::reach::canonical;

/// An address in use with a port, as a socket is bound to it. A link-local IPv6 address has the
/// scope of its interface.
#[must_use]
pub fn local_address(address: &LocalAddress, port: u16) -> SocketAddr {
    scoped(address.address, port, address.index)
}

/// An address with the scope that it needs, if any.
pub(super) fn scoped(address: IpAddr, port: u16, index: u32) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if needs_scope(address) => SocketAddrV6::new(v6, port, 0, index).into(),
        _ => SocketAddr::new(address, port),
    }
}

/// Whether an address means something else on each interface.
fn needs_scope(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        // Of a group it is the second half of the second byte: 1 for the interface, 2 for the link.
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.octets();
            v6.is_unicast_link_local() || (first == 0xff && matches!(second & 0x0f, 1 | 2))
        }
    }
}

/// From which of the node's addresses to connect to a peer, with port 0. `None` leaves it to the
/// system.
///
/// It is the one in whose subnet the peer is. Without such, it is the only one from which the peer
/// may be reached at all: of the same IP version, and loopback or not as the peer is. A link-local
/// peer is reached from a link-local address of the same interface alone.
#[must_use]
pub fn source_for<'a>(
    remote: SocketAddr,
    networks: impl IntoIterator<Item = &'a LocalAddress>,
) -> Option<SocketAddr> {
    let remote = canonical(remote);
    let networks = networks.into_iter();
    let usable: Vec<_> = networks.filter(|it| can_reach(it, remote)).collect();
    let same_subnet = usable.iter().find(|it| it.contains(remote.ip()));
    let source = same_subnet.or(match usable.as_slice() {
        [only] => Some(only),
        _ => None,
    });
    source.map(|source| local_address(source, 0))
}

pub(super) fn can_reach(local: &LocalAddress, remote: SocketAddr) -> bool {
    let (from, to) = (local.address, remote.ip());
    let is_same_kind = from.is_ipv4() == to.is_ipv4() && from.is_loopback() == to.is_loopback();
    is_same_kind
        && match remote {
            SocketAddr::V6(to) => {
                let needs_scope = needs_scope(from);
                let is_same_link = to.scope_id() == 0 || to.scope_id() == local.index;
                needs_scope == needs_scope_of(to) && (!needs_scope || is_same_link)
            }
            SocketAddr::V4(_) => true,
        }
}

fn needs_scope_of(address: SocketAddrV6) -> bool {
    needs_scope((*address.ip()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::local;

    fn source(remote: &str, networks: &[LocalAddress]) -> String {
        let remote = remote.parse().expect("an address");
        let source = source_for(remote, networks);
        source.map_or("any".to_owned(), |source| source.to_string())
    }

    #[test]
    fn a_link_local_address_is_bound_with_its_scope() {
        let bound = |address| local_address(&local("eth0", 2, address, 64), 7).to_string();
        assert_eq!(bound("fe80::2"), "[fe80::2%2]:7");
        assert_eq!(bound("fd94::2"), "[fd94::2]:7");
        let group = |text: &str| scoped(text.parse().expect("an address"), 7, 2).to_string();
        assert_eq!(group("ff02::1"), "[ff02::1%2]:7");
        assert_eq!(group("ff12::77"), "[ff12::77%2]:7");
        assert_eq!(group("ff05::77"), "[ff05::77]:7");
        assert_eq!(group("224.0.0.250"), "224.0.0.250:7");
    }

    #[test]
    fn a_peer_is_reached_from_its_own_subnet() {
        let networks = [
            local("eth0", 2, "10.0.0.2", 24),
            local("wlan0", 3, "10.1.0.2", 24),
            local("eth0", 2, "fd94::2", 64),
            local("lo", 1, "127.0.0.1", 8),
        ];
        assert_eq!(source("10.0.0.9:5", &networks), "10.0.0.2:0");
        assert_eq!(source("10.1.0.9:5", &networks), "10.1.0.2:0");
        assert_eq!(source("[::ffff:10.1.0.9]:5", &networks), "10.1.0.2:0");
        assert_eq!(source("127.0.0.9:5", &networks), "127.0.0.1:0");
        // The system knows the way there, and there is one IPv6 network.
        assert_eq!(source("192.168.7.7:5", &networks), "any");
        assert_eq!(source("192.168.7.7:5", &networks[..1]), "10.0.0.2:0");
        assert_eq!(source("[fd77::9]:5", &networks), "[fd94::2]:0");
    }

    #[test]
    fn a_source_is_bound_only_where_it_can_reach_the_peer() {
        let own = |address| [local("eth0", 2, address, 64)];
        let lo = [local("lo", 1, "127.0.0.1", 8)];
        let eth0 = [local("eth0", 2, "10.0.0.2", 24)];
        assert_eq!(source("10.0.0.2:5", &lo), "any");
        assert_eq!(source("127.0.0.1:5", &eth0), "any");
        assert_eq!(source("[fd94::1]:5", &eth0), "any");
        assert_eq!(source("[fe80::1%2]:5", &own("fe80::2")), "[fe80::2%2]:0");
        assert_eq!(source("[fe80::1]:5", &own("fe80::2")), "[fe80::2%2]:0");
        assert_eq!(source("[fe80::1%3]:5", &own("fe80::2")), "any");
        assert_eq!(source("[fe80::1%2]:5", &own("fd94::2")), "any");
        assert_eq!(source("[fd94::1]:5", &own("fe80::2")), "any");
    }
}
