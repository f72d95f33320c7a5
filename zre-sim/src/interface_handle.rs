//! The network interfaces of a host, as a script uses them.

use std::net::IpAddr;

use crate::{
    network::{HostIndex, HostInterface},
    sim::Sim,
};

/// A network interface of a host.
///
/// The nodes of the host are told of each change at once, as a real system tells its programs, and
/// when it is thawed if it is [frozen](crate::HostHandle::freeze). A node without
/// [`Config::networks`](zre_core::Config#structfield.networks) does not look.
///
/// Connections whose address is gone carry nothing any more, and neither end is told. They go on if
/// their host gets the address back.
#[derive(Debug)]
pub struct InterfaceHandle<'a> {
    pub(crate) sim: &'a mut Sim,
    pub(crate) host: HostIndex,
    pub(crate) interface: u32,
}

impl InterfaceHandle<'_> {
    /// Puts it on a LAN, with an address there in place of those that it had. It is the address
    /// that the host had there before, if it is free.
    pub fn on(&mut self, lan: &str) -> &mut Self {
        let network = &mut self.sim.world.network;
        let lan = network.lan(lan);
        network.move_interface(self.host, self.interface, lan);
        self.changed()
    }

    /// Gives it another address on its LAN, which nobody has had as long as there are such. Nothing
    /// happens if it is on no LAN.
    pub fn change_address(&mut self) -> &mut Self {
        let network = &mut self.sim.world.network;
        network.change_address(self.host, self.interface);
        self.changed()
    }

    /// Gives it one address more. Whoever had it cannot be reached there any more.
    ///
    /// # Panics
    ///
    /// If the prefix is longer than an address.
    pub fn add_address(&mut self, address: impl Into<IpAddr>, prefix_len: u8) -> &mut Self {
        let address = address.into();
        let most = if address.is_ipv4() { 32 } else { 128 };
        assert!(prefix_len <= most, "{address}/{prefix_len} is no subnet");
        let network = &mut self.sim.world.network;
        network.add_address(self.host, self.interface, address, prefix_len);
        self.changed()
    }

    /// Takes all its addresses from it, as when the lease of its address runs out.
    pub fn take_addresses(&mut self) -> &mut Self {
        let network = &mut self.sim.world.network;
        network.take_addresses(self.host, self.interface);
        self.changed()
    }

    /// Unplugs its cable, or loses its wireless network. It keeps its addresses.
    pub fn unplug(&mut self) -> &mut Self {
        self.state().plugged = false;
        self.changed()
    }

    /// Ends an [`unplug`](InterfaceHandle::unplug).
    pub fn plug(&mut self) -> &mut Self {
        self.state().plugged = true;
        self.changed()
    }

    /// Switches it off. It keeps its addresses.
    pub fn down(&mut self) -> &mut Self {
        self.state().up = false;
        self.changed()
    }

    /// Ends a [`down`](InterfaceHandle::down).
    pub fn up(&mut self) -> &mut Self {
        self.state().up = true;
        self.changed()
    }

    /// Sets the metric of the default route by it, or that there is none. Without this it is 600
    /// for a name that begins with "w", and 100 for all others.
    pub fn default_route(&mut self, metric: Option<u32>) -> &mut Self {
        self.state().default_route = metric;
        self.changed()
    }

    /// Its addresses, in the order in which it got them.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let network = &self.sim.world.network;
        let interface = network.hosts[self.host].interface(self.interface);
        let assigned = interface.map_or(&[][..], |it| &it.addresses);
        assigned
            .iter()
            .map(|it| network.addresses.get(it.address))
            .collect()
    }

    fn state(&mut self) -> &mut HostInterface {
        let network = &mut self.sim.world.network;
        network.interface_mut(self.host, self.interface)
    }

    fn changed(&mut self) -> &mut Self {
        self.sim.world.interfaces_changed(self.host);
        self
    }
}
