//! The interfaces of hosts, and their addresses.

use std::net::{IpAddr, Ipv4Addr};

use zre_core::interfaces::{Interface, IpVersion};

use super::{
    AddressIndex, HostIndex, HostInterface, LanIndex, Network,
    addresses::{link_local, local_v6, spare_v4, usual_v4},
    host::Assigned,
    routes::is_link_local,
};

impl Network {
    /// Adds an interface that leads nowhere.
    pub(crate) fn add_interface(&mut self, host: HostIndex, name: &str) -> u32 {
        self.hosts[host].add_interface(name)
    }

    pub(crate) fn remove_interface(&mut self, host: HostIndex, interface: u32) {
        self.take_addresses(host, interface);
        self.hosts[host]
            .interfaces
            .retain(|it| it.index != interface);
    }

    /// Puts an interface on another LAN, with addresses there.
    pub(crate) fn move_interface(&mut self, host: HostIndex, interface: u32, lan: LanIndex) {
        self.take_addresses(host, interface);
        self.interface_mut(host, interface).lan = Some(lan);
        let (has_v4, has_v6) = self.versions(lan);
        if has_v4 {
            let usual = std::iter::once(usual_v4(lan, host));
            let v4 = self.addresses.first_free(usual.chain(spare_v4(lan)));
            self.assign(host, interface, v4, 16);
        }
        if has_v6 {
            let v6 = self.addresses.first_free(local_v6(lan, host));
            self.assign(host, interface, v6, 64);
            self.add_address(host, interface, link_local((host, interface)), 64);
        }
    }

    /// Gives an interface addresses that nobody had before, apart from the link-local one.
    pub(crate) fn change_address(&mut self, host: HostIndex, interface: u32) {
        let Some(lan) = self.interface_mut(host, interface).lan else {
            return;
        };
        self.take_addresses(host, interface);
        let (has_v4, has_v6) = self.versions(lan);
        if has_v4 {
            let v4 = self.addresses.first_new(spare_v4(lan));
            self.assign(host, interface, v4, 16);
        }
        if has_v6 {
            let v6 = self.addresses.first_new(local_v6(lan, host));
            self.assign(host, interface, v6, 64);
            self.add_address(host, interface, link_local((host, interface)), 64);
        }
    }

    /// Takes all its addresses from an interface.
    pub(crate) fn take_addresses(&mut self, host: HostIndex, interface: u32) {
        for assigned in self.interface_mut(host, interface).addresses.split_off(0) {
            self.addresses.release(assigned.address, (host, interface));
        }
    }

    /// Gives an interface one address more.
    pub(crate) fn add_address(
        &mut self,
        host: HostIndex,
        interface: u32,
        address: IpAddr,
        prefix_len: u8,
    ) {
        let address = self.addresses.number(address);
        self.assign(host, interface, address, prefix_len);
    }

    /// Exchanges the addresses of the first interfaces of two hosts.
    pub(crate) fn swap_addresses(&mut self, one: HostIndex, other: HostIndex) {
        let places = [one, other].map(|host| {
            let first = self.hosts[host].interfaces.first();
            (host, first.map(|it| it.index))
        });
        let [(one, Some(first)), (other, Some(second))] = places else {
            return;
        };
        let ours = self.interface_mut(one, first).addresses.split_off(0);
        let theirs = self.interface_mut(other, second).addresses.split_off(0);
        for (host, interface, addresses) in [(one, first, theirs), (other, second, ours)] {
            for assigned in addresses {
                self.assign(host, interface, assigned.address, assigned.prefix_len);
            }
        }
    }

    /// The first IPv4 address of a host, else the one by which it reaches itself.
    pub(crate) fn main_address(&self, host: HostIndex) -> Ipv4Addr {
        let assigned = self.hosts[host]
            .interfaces
            .iter()
            .flat_map(|it| &it.addresses);
        let mut addresses = assigned.map(|it| self.addresses.get(it.address));
        let v4 = addresses.find_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        v4.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// Where the name of a host leads at the moment.
    pub(crate) fn named_address(&self, host: HostIndex) -> Option<IpAddr> {
        let assigned = self.hosts[host]
            .interfaces
            .iter()
            .flat_map(|it| &it.addresses);
        let addresses = assigned.map(|it| self.addresses.get(it.address));
        // Not in the DNS, as it counts on one link alone.
        let named = addresses.filter(|it| !is_link_local(*it));
        named.min_by_key(IpAddr::is_ipv6)
    }

    /// The interfaces of a host, as its system describes them to programs.
    pub(crate) fn interfaces(&self, host: HostIndex) -> Vec<Interface> {
        self.hosts[host].describe(&self.addresses)
    }

    pub(crate) fn interface_mut(&mut self, host: HostIndex, interface: u32) -> &mut HostInterface {
        self.hosts[host]
            .interface_mut(interface)
            .expect("only handles of interfaces change them")
    }

    /// Whether hosts get addresses of IPv4 on a LAN, and of IPv6.
    fn versions(&self, lan: LanIndex) -> (bool, bool) {
        match self.lans[lan].ip {
            IpVersion::V4 => (true, false),
            IpVersion::V6 => (false, true),
            // `Both`, and what may come.
            _ => (true, true),
        }
    }

    fn assign(&mut self, host: HostIndex, interface: u32, address: AddressIndex, prefix_len: u8) {
        self.addresses.assign(address, (host, interface));
        let assigned = Assigned {
            address,
            prefix_len,
        };
        self.interface_mut(host, interface).addresses.push(assigned);
    }
}
