//! The network interfaces of this machine.

mod addresses;
mod routes;
mod system;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
};

use zre_core::interfaces::{Interface, InterfaceAddress, InterfaceState};

pub(crate) use system::index_of;

/// Lists the network interfaces of this machine with their addresses.
///
/// It is a snapshot of this moment. They come in the order in which the system lists them, and so
/// do the addresses of each, but of its IPv6 addresses those that are temporary (RFC 8981) or
/// deprecated come last. An IPv6 address that the system does not use yet, or never will because
/// another host has it (duplicate address detection), is left out. Both are known on Linux alone.
///
/// The metric of a default route is known on Linux. Elsewhere it is 0 for the interface that the
/// system would use, and the others count as having none.
///
/// # Errors
///
/// When the system does not list its interfaces, as in some sandboxes.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let mut interfaces = assemble(system::listed()?);
    addresses::tidy(&mut interfaces);
    routes::add_default_routes(&mut interfaces);
    Ok(interfaces)
}

/// A line of the system's list: an interface, with one of its addresses or without.
#[derive(Debug, Clone)]
struct Listed {
    /// On Unix an address with a label is listed under it, such as `eth0:home`.
    name: String,
    index: u32,
    flags: Flags,
    address: Option<ListedAddress>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    up: bool,
    running: bool,
    loopback: bool,
    point_to_point: bool,
    broadcast: bool,
    multicast: bool,
}

#[derive(Debug, Clone, Copy)]
struct ListedAddress {
    address: IpAddr,
    prefix_len: u8,
    /// What is set as its broadcast address.
    broadcast: Option<Ipv4Addr>,
}

fn assemble(listed: impl IntoIterator<Item = Listed>) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for listed in listed {
        let name = interface_name(&listed.name);
        let known = interfaces.iter().position(|it| it.index == listed.index);
        let known = known.unwrap_or_else(|| {
            interfaces.push(new_interface(name, listed.index, listed.flags));
            interfaces.len() - 1
        });
        let (Some(interface), Some(address)) = (interfaces.get_mut(known), listed.address) else {
            continue;
        };
        let label = (name != listed.name).then(|| listed.name.clone());
        let address = new_address(listed.flags, address, label);
        interface.addresses.push(address);
    }
    interfaces
}

/// Without the label of an address: names of interfaces have no colon on Unix.
fn interface_name(listed: &str) -> &str {
    match listed.split_once(':') {
        Some((interface, _)) if cfg!(unix) => interface,
        _ => listed,
    }
}

fn new_interface(name: &str, index: u32, flags: Flags) -> Interface {
    let mut interface = Interface::new(name, index);
    interface.state = state(flags);
    interface.is_loopback = flags.loopback;
    interface.is_point_to_point = flags.point_to_point;
    interface.can_broadcast = can_broadcast(flags);
    interface.can_multicast = flags.multicast;
    interface
}

fn state(flags: Flags) -> InterfaceState {
    match (flags.up, flags.running) {
        (_, true) => InterfaceState::Connected,
        // On Windows, UP only says that the adapter could carry IP: an unplugged one has it too.
        (true, false) if !cfg!(windows) => InterfaceState::NoCarrier,
        _ => InterfaceState::Down,
    }
}

/// Linux does not say so of loopback, and does it.
fn can_broadcast(flags: Flags) -> bool {
    flags.loopback || (flags.broadcast && !flags.point_to_point)
}

fn new_address(flags: Flags, listed: ListedAddress, label: Option<String>) -> InterfaceAddress {
    let mut address = InterfaceAddress::new(listed.address, listed.prefix_len);
    address.label = label;
    if let IpAddr::V4(v4) = listed.address {
        let set_up = listed.broadcast.filter(|set_up| is_set_up(*set_up, v4));
        address.broadcast = match flags {
            _ if !can_broadcast(flags) => None,
            Flags { loopback: true, .. } => address.broadcast,
            // A /32 may have one that was set by hand.
            _ => set_up.or(address.broadcast),
        };
        if let (Some(broadcast), 31..) = (address.broadcast, listed.prefix_len) {
            address.prefix_len = prefix_with(v4, broadcast);
        }
    }
    address
}

/// An address set up without a broadcast address is listed with none, 0.0.0.0 or itself.
fn is_set_up(broadcast: Ipv4Addr, address: Ipv4Addr) -> bool {
    !broadcast.is_unspecified() && broadcast != address
}

/// The length of the prefix of the smallest subnet that has both an address and a broadcast
/// address.
fn prefix_with(address: Ipv4Addr, broadcast: Ipv4Addr) -> u8 {
    let common = (address.to_bits() ^ broadcast.to_bits()).leading_zeros();
    let network = 32 - broadcast.to_bits().trailing_ones();
    u8::try_from(common.min(network).min(30)).unwrap_or(0)
}
