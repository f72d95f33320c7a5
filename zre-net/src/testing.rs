//! Addresses for tests.

use std::net::IpAddr;

use zre_core::{
    Beacons,
    interfaces::{
        Interface, InterfaceAddress, InterfaceChoice, Interfaces, IpVersion, LocalAddress, choose,
    },
};

/// An address of an interface as a node uses it.
pub(crate) fn local(name: &str, index: u32, address: &str, prefix_len: u8) -> LocalAddress {
    let ip: IpAddr = address.parse().expect("an address");
    let mut interface = Interface::new(name, index);
    interface.is_loopback = ip.is_loopback();
    interface.addresses = vec![InterfaceAddress::new(ip, prefix_len)];
    chosen(&[interface], ip)
}

/// This machine's own.
pub(crate) fn loopback() -> LocalAddress {
    let listed = crate::interfaces().expect("a list");
    chosen(&listed, IpAddr::from([127, 0, 0, 1]))
}

fn chosen(interfaces: &[Interface], address: IpAddr) -> LocalAddress {
    let wanted = Interfaces::Chosen(vec![InterfaceChoice::Address(address)]);
    let ip = match address {
        IpAddr::V4(_) => IpVersion::V4,
        IpAddr::V6(_) => IpVersion::V6,
    };
    let chosen = choose(interfaces, &wanted, ip, &Beacons::Broadcast, &[]);
    chosen.used.into_iter().next().expect("it is there")
}
