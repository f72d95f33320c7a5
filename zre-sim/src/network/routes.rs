//! How things get from one address to another.

use std::net::{IpAddr, SocketAddr};

use zre_core::interfaces::InterfaceState;

use super::{
    AddressIndex, Addresses, HostIndex, HostInterface, LanIndex, Network,
    addresses::Place,
    host::{Assigned, LOOPBACK},
};

/// A way that is open, from one host to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) from: HostIndex,
    pub(crate) to: HostIndex,
    /// The LAN whose conditions hold; `None` inside a host.
    pub(crate) lan: Option<LanIndex>,
}

impl Network {
    /// The host that has an address, as another host sees it.
    pub(crate) fn host_at(&self, from: HostIndex, address: AddressIndex) -> Option<HostIndex> {
        match address {
            Addresses::LOOPBACK => Some(from),
            address => self.addresses.owner(address).map(|(host, _)| host),
        }
    }

    /// The way from a host's address to another address, if something that is sent now gets there.
    pub(crate) fn path(
        &self,
        from: HostIndex,
        source: AddressIndex,
        target: AddressIndex,
    ) -> Option<Path> {
        let to = self.host_at(from, target)?;
        let has_source = self.host_at(from, source) == Some(from);
        if !has_source || !self.hosts[from].on {
            return None;
        }
        // Inside a host neither cable nor LAN matters.
        if from == to {
            let lan = None;
            return Some(Path { from, to, lan });
        }
        let (sender, receiver) = (self.interface_at(source)?, self.interface_at(target)?);
        let lan = sender.connected_to()?;
        let crosses = self.leads(lan, receiver.connected_to()?);
        let lan = Some(lan);
        (crosses && self.carries(from, to)).then_some(Path { from, to, lan })
    }

    /// The way of a stream that began at one address and ends at another, open or not.
    pub(crate) fn way(&self, from: HostIndex, source: AddressIndex, to: HostIndex) -> Path {
        let lan = self.lan_of(source);
        Path { from, to, lan }
    }

    /// The way from one interface to another, for what is sent to all interfaces of a LAN.
    pub(crate) fn broadcast_path(&self, from: Place, to: Place) -> Option<Path> {
        let ((from, sender), (to, receiver)) = (from, to);
        if from == to {
            let is_on = self.hosts[from].on;
            return is_on.then_some(Path {
                from,
                to,
                lan: None,
            });
        }
        let lan = self.hosts[from].interface(sender)?.connected_to();
        let crosses = lan.is_some() && lan == self.hosts[to].interface(receiver)?.connected_to();
        (crosses && self.carries(from, to)).then_some(Path { from, to, lan })
    }

    /// Whether nothing between two hosts is broken that is not an interface.
    pub(crate) fn carries(&self, from: HostIndex, to: HostIndex) -> bool {
        let both_on = self.hosts[from].on && self.hosts[to].on;
        both_on
            && !self.links.get(&(from, to)).is_some_and(|link| link.cut)
            && !self.partitions.iter().any(|cut| cut.separates(from, to))
    }

    /// Whether a packet for one address gets from one LAN to the other.
    fn leads(&self, from: LanIndex, to: LanIndex) -> bool {
        self.lans[from].routed == self.lans[to].routed
    }

    fn interface_at(&self, address: AddressIndex) -> Option<&HostInterface> {
        let (host, interface) = self.addresses.owner(address)?;
        self.hosts[host].interface(interface)
    }

    /// The LAN by which an address sends, whether it can at the moment or not.
    pub(crate) fn lan_of(&self, address: AddressIndex) -> Option<LanIndex> {
        self.interface_at(address)?.lan
    }

    /// The address from which a host sends to another, whose number this is: one on the same
    /// subnet, else by the default route. `None` if no route leads there.
    pub(crate) fn source(
        &self,
        host: HostIndex,
        target: SocketAddr,
        number: AddressIndex,
    ) -> Option<AddressIndex> {
        if self.host_at(host, number) == Some(host) {
            return Some(number);
        }
        let state = &self.hosts[host];
        let up = state.interfaces.iter();
        let up = up.filter(|it| it.state() != InterfaceState::Down);
        let addresses = up.flat_map(|it| it.addresses.iter().map(move |address| (it, address)));
        let same_version =
            addresses.filter(|(_, it)| self.ip(it).is_ipv4() == target.ip().is_ipv4());
        let candidates: Vec<_> = same_version.collect();
        let direct = candidates
            .iter()
            .find(|(on, it)| self.is_direct(on, it, target));
        let routed = candidates
            .iter()
            .filter(|(on, it)| on.default_route.is_some() && !is_link_local(self.ip(it)))
            .filter(|_| !is_link_local(target.ip()))
            .min_by_key(|(on, _)| on.default_route);
        let (_, assigned) = direct.or(routed)?;
        Some(assigned.address)
    }

    fn ip(&self, assigned: &Assigned) -> IpAddr {
        self.addresses.get(assigned.address)
    }

    fn is_direct(&self, on: &HostInterface, assigned: &Assigned, target: SocketAddr) -> bool {
        let own = self.ip(assigned);
        match target {
            // Every interface has the subnet fe80::/64: the scope says which is meant.
            SocketAddr::V6(target) if is_link_local((*target.ip()).into()) => {
                is_link_local(own) && target.scope_id() == on.index
            }
            _ => is_in_subnet(own, target.ip(), assigned.prefix_len),
        }
    }

    /// The interface of a host that has an address; loopback has its own number.
    pub(crate) fn interface_with(&self, host: HostIndex, address: AddressIndex) -> Option<u32> {
        match address {
            Addresses::LOOPBACK => Some(LOOPBACK),
            address => {
                let owner = self.addresses.owner(address);
                owner
                    .filter(|(owner, _)| *owner == host)
                    .map(|(_, index)| index)
            }
        }
    }
}

pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn is_in_subnet(one: IpAddr, other: IpAddr, prefix_len: u8) -> bool {
    let prefix_len = u32::from(prefix_len);
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.to_bits() ^ other.to_bits()).leading_zeros() >= prefix_len
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (one.to_bits() ^ other.to_bits()).leading_zeros() >= prefix_len
        }
        _ => false,
    }
}
