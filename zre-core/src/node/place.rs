//! Where somebody can be reached: endpoints and the sources of datagrams and connections.

use core::{
    net::{IpAddr, SocketAddr, SocketAddrV6},
    num::NonZeroU16,
};

use zre_proto::{Endpoint, Host};

/// The address of a place, unless that is a host name.
pub(super) fn address_of(endpoint: &Endpoint) -> Option<IpAddr> {
    match endpoint.host() {
        // Nearly all.
        Host::V4(address) => Some((*address).into()),
        _ => endpoint.canonical().to_socket_addr().map(|it| it.ip()),
    }
}

/// Where somebody is who was heard from `source`, which has the port at which it accepts
/// connections.
pub(super) fn at_source(mut source: SocketAddr) -> Endpoint {
    source.set_ip(source.ip().to_canonical());
    let port = NonZeroU16::new(source.port()).unwrap_or(NonZeroU16::MIN);
    Endpoint::from_socket_addr(source).unwrap_or_else(|| Endpoint::new(source.ip(), port))
}

/// What [`at_source`] makes the endpoint of.
pub(super) fn source_of(endpoint: &Endpoint) -> Option<SocketAddr> {
    let port = endpoint.port().get();
    match endpoint.host() {
        Host::V6 { address, .. } if address.to_ipv4_mapped().is_none() => {
            let scope = scope_of(endpoint).unwrap_or_default();
            Some(SocketAddrV6::new(*address, port, 0, scope).into())
        }
        _ => address_of(endpoint).map(|address| SocketAddr::new(address, port)),
    }
}

/// The number of the link on which a link-local address counts, if it is known.
pub(super) fn scope_of(endpoint: &Endpoint) -> Option<u32> {
    match endpoint.host() {
        Host::V6 {
            scope: Some(scope), ..
        } => scope.parse().ok(),
        _ => None,
    }
}

/// Whether an endpoint is the place that [`at_source`] gives. The source is in its canonical
/// notation. For each beacon this is asked a few times, so nothing is allocated.
pub(super) fn is_source(endpoint: &Endpoint, source: SocketAddr) -> bool {
    match (endpoint.host(), source) {
        // Nearly all.
        (Host::V4(address), SocketAddr::V4(source)) => {
            *address == *source.ip() && endpoint.port().get() == source.port()
        }
        (Host::V6 { address, .. }, SocketAddr::V6(source)) => {
            *address == *source.ip()
                && endpoint.port().get() == source.port()
                && (!address.is_unicast_link_local()
                    || scope_of(endpoint).is_none_or(|scope| scope == source.scope_id()))
        }
        (Host::V6 { address, .. }, SocketAddr::V4(source)) => {
            address.to_ipv4_mapped() == Some(*source.ip()) && endpoint.port().get() == source.port()
        }
        (Host::V4(_), SocketAddr::V6(_)) => false,
        _ => at_source(source).is_same_place(endpoint),
    }
}

/// Whether an endpoint counts on one link only.
pub(super) fn is_link_local(endpoint: &Endpoint) -> bool {
    matches!(endpoint.host(), Host::V6 { address, .. } if address.is_unicast_link_local())
}
