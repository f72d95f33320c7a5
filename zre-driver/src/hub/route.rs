//! Where connections go, and from where.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
};

use zre_core::{
    Instant, LinkId, OpenFor,
    proto::{Endpoint, Host},
};

use super::state::State;

impl<S> State<S> {
    /// Where an endpoint is; `None` if that is to be looked up.
    pub(super) fn address_of(&self, endpoint: &Endpoint) -> Option<SocketAddr> {
        let (Host::V6 { address, scope }, port) = (endpoint.host(), endpoint.port().get()) else {
            return endpoint.to_socket_addr();
        };
        if let Some(v4) = address.to_ipv4_mapped() {
            return Some((v4, port).into());
        }
        let scope_id = match scope {
            _ if !address.is_unicast_link_local() => 0,
            Some(scope) => self.scope_id(scope)?,
            // It is known only with the interface, and mostly there is one.
            None => {
                let mut on = self.networks.addresses();
                on.find(|on| on.address.is_ipv6())?.index
            }
        };
        Some(SocketAddrV6::new(*address, port, 0, scope_id).into())
    }

    /// The system's number for an interface that is given by its number or name.
    fn scope_id(&self, scope: &str) -> Option<u32> {
        if let Ok(number) = scope.parse() {
            return Some(number);
        }
        let mut interfaces = self.interfaces.iter();
        let named = interfaces.find(|interface| interface.name == scope);
        named.map(|interface| interface.index)
    }

    /// Checks that a peer can be at an address. Anybody can name any address as a peer's, also one
    /// at which other programs of this machine trust whoever connects. What the user names may be
    /// anywhere.
    pub(super) fn check_remote(&self, remote: SocketAddr, purpose: OpenFor) -> io::Result<()> {
        let remote = zre_net::canonical(remote);
        let wrong = if !self.is_one_host(remote.ip()) {
            "it is not the address of one host".to_owned()
        } else if purpose == OpenFor::User {
            return Ok(());
        } else if remote.ip().is_loopback() && !self.is_on_loopback() {
            let on = self.networks.addresses().map(ToString::to_string);
            let on: Vec<_> = on.collect();
            format!("it is a loopback address, and this node is on {}", on.join(", "))
        } else if self.is_own(remote) {
            "it is this node's own".to_owned()
        } else {
            return Ok(());
        };
        let message = format!("no peer can be at {remote}: {wrong}");
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }

    fn is_one_host(&self, address: IpAddr) -> bool {
        match address {
            // All of 0.0.0.0/8 is "this network"; connecting to 0.0.0.0 reaches this machine.
            IpAddr::V4(v4) => {
                let [first, ..] = v4.octets();
                let mut on = self.networks.addresses();
                let is_broadcast = v4 == Ipv4Addr::BROADCAST || on.any(|on| on.broadcast == Some(v4));
                first != 0 && !v4.is_multicast() && !is_broadcast
            }
            IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
        }
    }

    fn is_on_loopback(&self) -> bool {
        self.networks.addresses().any(|on| on.is_loopback)
    }

    fn is_own(&self, remote: SocketAddr) -> bool {
        let advertised = self.engine.node().endpoint().to_socket_addr();
        advertised.is_some_and(|own| zre_net::canonical(own) == remote)
            || self.networks.is_own(remote)
    }

    /// Whether the engine wants a connection that the user asked for, now that it is known where
    /// to.
    pub(super) fn is_wanted(&mut self, _link: LinkId, _remote: SocketAddr, _now: Instant) -> bool {
        true
    }
}
