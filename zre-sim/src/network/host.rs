//! A host and its network interfaces.

use std::net::IpAddr;

use zre_core::interfaces::{Interface, InterfaceAddress, InterfaceState};

use super::{AddressIndex, Addresses, LanIndex};
use crate::clock::Clock;

/// The system's number for the loopback interface.
pub(crate) const LOOPBACK: u32 = 1;

#[derive(Debug)]
pub(crate) struct HostState {
    pub(crate) name: String,
    /// In the order in which they were made; without loopback.
    pub(crate) interfaces: Vec<HostInterface>,
    pub(crate) clock: Clock,
    /// Whether the machine is on.
    pub(crate) on: bool,
    /// Whether its processes are stopped, while its system goes on receiving.
    pub(crate) frozen: bool,
    pub(crate) next_port: u16,
    next_interface: u32,
}

/// A network interface of a host.
#[derive(Debug)]
pub(crate) struct HostInterface {
    pub(crate) name: String,
    /// The system's number for it; never used twice on a host.
    pub(crate) index: u32,
    /// Where its cable leads to.
    pub(crate) lan: Option<LanIndex>,
    pub(crate) plugged: bool,
    /// Whether it is switched on.
    pub(crate) up: bool,
    /// The metric of the default route by it.
    pub(crate) default_route: Option<u32>,
    pub(crate) addresses: Vec<Assigned>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) address: AddressIndex,
    pub(crate) prefix_len: u8,
}

impl HostState {
    pub(super) fn new(name: &str, clock: Clock) -> Self {
        Self {
            name: name.into(),
            interfaces: Vec::new(),
            clock,
            on: true,
            frozen: false,
            next_port: 49152,
            next_interface: LOOPBACK + 1,
        }
    }

    /// Adds an interface that leads nowhere.
    pub(super) fn add_interface(&mut self, name: &str) -> u32 {
        let index = self.next_interface;
        self.next_interface += 1;
        self.interfaces.push(HostInterface {
            name: name.into(),
            index,
            lan: None,
            plugged: true,
            up: true,
            // As NetworkManager has it, cables go before wireless networks.
            default_route: Some(if name.starts_with('w') { 600 } else { 100 }),
            addresses: Vec::new(),
        });
        index
    }

    pub(crate) fn interface(&self, index: u32) -> Option<&HostInterface> {
        self.interfaces.iter().find(|it| it.index == index)
    }

    pub(super) fn interface_mut(&mut self, index: u32) -> Option<&mut HostInterface> {
        self.interfaces.iter_mut().find(|it| it.index == index)
    }

    pub(crate) fn interface_by_name(&self, name: &str) -> Option<u32> {
        let mut interfaces = self.interfaces.iter();
        interfaces.find(|it| it.name == name).map(|it| it.index)
    }

    /// All interfaces, as its system describes them to programs.
    pub(super) fn describe(&self, addresses: &Addresses) -> Vec<Interface> {
        let mut loopback = Interface::new("lo", LOOPBACK);
        loopback.is_loopback = true;
        let address = InterfaceAddress::new(addresses.get(Addresses::LOOPBACK), 8);
        loopback.addresses.push(address);
        let others = self.interfaces.iter().map(|it| it.describe(addresses));
        std::iter::once(loopback).chain(others).collect()
    }
}

impl HostInterface {
    /// Whether it carries anything at the moment, and where to.
    pub(crate) fn connected_to(&self) -> Option<LanIndex> {
        self.lan.filter(|_| self.up && self.plugged)
    }

    pub(crate) fn state(&self) -> InterfaceState {
        match self.connected_to() {
            _ if !self.up => InterfaceState::Down,
            Some(_) => InterfaceState::Connected,
            None => InterfaceState::NoCarrier,
        }
    }

    fn describe(&self, addresses: &Addresses) -> Interface {
        let mut described = Interface::new(self.name.clone(), self.index);
        described.state = self.state();
        // A route by an interface without an address leads nowhere.
        let has_address = !self.addresses.is_empty();
        described.default_route = self.default_route.filter(|_| has_address);
        described.addresses = self
            .addresses
            .iter()
            .map(|it| it.describe(addresses))
            .collect();
        described
    }
}

impl Assigned {
    fn describe(self, addresses: &Addresses) -> InterfaceAddress {
        let address: IpAddr = addresses.get(self.address);
        InterfaceAddress::new(address, self.prefix_len)
    }
}
