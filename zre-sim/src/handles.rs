//! The LANs, links and hosts of a simulation, as a script uses them.

use std::{net::Ipv4Addr, time::Duration};

use zre_core::{Config, interfaces::IpVersion, proto::Endpoint};

use crate::{
    app::{App, Recorder},
    conditions::Conditions,
    interface_handle::InterfaceHandle,
    network::{HostIndex, HostState},
    sim::Sim,
    world::ProcessIndex,
};

/// A LAN.
#[derive(Debug)]
pub struct LanHandle<'a> {
    pub(crate) sim: &'a mut Sim,
    pub(crate) lan: usize,
}

impl LanHandle<'_> {
    /// Sets the conditions for everything that crosses it from now on.
    ///
    /// # Panics
    ///
    /// If the conditions are not [valid](Conditions::validate).
    pub fn set(&mut self, conditions: Conditions) {
        valid(&conditions);
        self.sim.world.network.lans[self.lan].conditions = conditions;
    }

    /// Sets which addresses interfaces get that are put on it from now on: IPv4 alone, unless set.
    /// With IPv6, each has a unique local address and a link-local one.
    pub fn ip(&mut self, version: IpVersion) {
        self.sim.world.network.lans[self.lan].ip = version;
    }
}

/// One direction between two hosts.
#[derive(Debug)]
pub struct LinkHandle<'a> {
    pub(crate) sim: &'a mut Sim,
    pub(crate) from: HostIndex,
    pub(crate) to: HostIndex,
}

impl LinkHandle<'_> {
    /// Sets the conditions for everything in this direction from now on, in place of the LAN's.
    ///
    /// # Panics
    ///
    /// If the conditions are not [valid](Conditions::validate).
    pub fn set(&mut self, conditions: Conditions) {
        valid(&conditions);
        let network = &mut self.sim.world.network;
        network.set_link(self.from, self.to, conditions);
    }

    /// From now on nothing gets through in this direction.
    pub fn cut(&mut self) {
        self.sim.world.network.set_cut(self.from, self.to, true);
    }

    /// Ends a [`cut`](LinkHandle::cut). What streams carried meanwhile arrives when TCP sends it
    /// again, which takes the longer the longer the link was cut.
    pub fn mend(&mut self) {
        self.sim.world.network.set_cut(self.from, self.to, false);
    }

    /// From now on the connections that were opened in this direction are not read at the accepting
    /// end, so that senders have to wait.
    pub fn stall(&mut self) {
        self.sim.world.set_stalled(self.from, self.to, true);
    }

    /// Ends a [`stall`](LinkHandle::stall).
    pub fn unstall(&mut self) {
        self.sim.world.set_stalled(self.from, self.to, false);
    }

    /// Resets the connections that were opened in this direction, for both ends at once.
    pub fn reset(&mut self) {
        self.sim.world.reset(self.from, self.to);
    }

    /// Ends the connections that were opened in this direction, for the accepting end only.
    pub fn half_close(&mut self) {
        self.sim.world.half_close(self.from, self.to);
    }
}

/// A host.
#[derive(Debug)]
pub struct HostHandle<'a> {
    pub(crate) sim: &'a mut Sim,
    pub(crate) host: HostIndex,
}

impl HostHandle<'_> {
    /// Puts its first interface on another LAN, with an address there; see
    /// [`InterfaceHandle::on`].
    ///
    /// # Panics
    ///
    /// If it has no interface.
    pub fn on(&mut self, lan: &str) -> &mut Self {
        let first = self.state().interfaces.first();
        let name = first.map(|it| it.name.clone());
        let name = name.expect("a host without interfaces is on no LAN");
        self.interface(&name).on(lan);
        self
    }

    /// A network interface; makes it if there is none with this name. A new one leads nowhere until
    /// it is put [on](InterfaceHandle::on) a LAN. Every host begins with `eth0`, which is on the
    /// LAN "lan".
    pub fn interface(&mut self, name: &str) -> InterfaceHandle<'_> {
        let network = &mut self.sim.world.network;
        let found = network.hosts[self.host].interface_by_name(name);
        let interface = found.unwrap_or_else(|| network.add_interface(self.host, name));
        if found.is_none() {
            self.sim.world.interfaces_changed(self.host);
        }
        InterfaceHandle {
            sim: self.sim,
            host: self.host,
            interface,
        }
    }

    /// Removes an interface, with its addresses; does nothing if there is none with this name. What
    /// went over it is cut off without a word.
    pub fn remove_interface(&mut self, name: &str) -> &mut Self {
        if let Some(interface) = self.state().interface_by_name(name) {
            let network = &mut self.sim.world.network;
            network.remove_interface(self.host, interface);
            self.sim.world.interfaces_changed(self.host);
        }
        self
    }

    /// The names of its interfaces apart from loopback, in the order in which they were made.
    pub fn interfaces(&self) -> Vec<String> {
        let interfaces = self.state().interfaces.iter();
        interfaces.map(|it| it.name.clone()).collect()
    }

    /// Starts a node with the host's name.
    pub fn start(&mut self) {
        self.start_with(|_| {});
    }

    /// Starts a node with the host's name, and changes its configuration first.
    pub fn start_with(&mut self, configure: impl FnOnce(&mut Config)) {
        let name = self.sim.world.network.hosts[self.host].name.clone();
        self.start_node(&name, configure);
    }

    /// Starts another node on the host.
    pub fn start_node(&mut self, name: &str, configure: impl FnOnce(&mut Config)) {
        self.start_app(name, Recorder::default(), configure);
    }

    /// Starts another node on the host, with a program on it.
    ///
    /// # Panics
    ///
    /// If there is a node with this name, or the configuration is not [valid](Config::validate).
    pub fn start_app(&mut self, name: &str, app: impl App, configure: impl FnOnce(&mut Config)) {
        self.sim.start(name, self.host, Box::new(app), configure);
    }

    /// Kills its processes. The system closes their connections and refuses new ones.
    pub fn crash(&mut self) {
        for process in self.processes() {
            self.sim.world.kill(process, true);
        }
    }

    /// Switches it off. Nobody is told: its connections stay open at the other ends.
    pub fn power_off(&mut self) {
        for process in self.processes() {
            self.sim.world.kill(process, false);
        }
        // From now on nothing reaches it.
        self.sim.world.network.hosts[self.host].on = false;
    }

    /// Starts its nodes again, with the same programs. Each has a new identity unless its
    /// configuration names one, and a new port unless it [keeps](crate::NodeHandle::keep_port) it.
    /// Nodes that still run are killed first. The host is switched on and not frozen afterwards.
    pub fn restart(&mut self) {
        let state = &mut self.sim.world.network.hosts[self.host];
        (state.on, state.frozen) = (true, false);
        for process in self.processes() {
            self.sim.world.kill(process, true);
            // Another port, as a real node chooses one at each start.
            let mut endpoint = self.sim.world.free_endpoint(self.host);
            let again = &mut self.sim.world.processes[process];
            if again.keeps_port {
                let address = self.sim.world.network.main_address(self.host);
                endpoint = Endpoint::new(address.into(), again.config.endpoint.port());
            }
            again.config.endpoint = endpoint;
            self.sim.world.start_again(process);
        }
    }

    /// Stops its processes for a while, like a laptop that sleeps. The system goes on receiving as
    /// far as it has room.
    pub fn freeze(&mut self) {
        self.sim.world.network.hosts[self.host].frozen = true;
    }

    /// Ends a [`freeze`](HostHandle::freeze).
    pub fn thaw(&mut self) {
        self.sim.world.network.hosts[self.host].frozen = false;
        self.sim.world.wake_host(self.host);
    }

    /// Unplugs the cables of all its interfaces.
    pub fn unplug(&mut self) {
        self.set_plugged(false);
    }

    /// Plugs the cables of all its interfaces in again.
    pub fn plug(&mut self) {
        self.set_plugged(true);
    }

    /// From now on the host's clock gains this many microseconds in each second, or loses them.
    pub fn drift(&mut self, gain: i32) {
        let now = self.sim.world.now;
        self.sim.world.network.hosts[self.host]
            .clock
            .drift(now, gain);
        // Timers are scheduled in true time, which is another one for the same deadline now.
        self.sim.world.wake_host(self.host);
    }

    /// Sets the host's clock ahead.
    pub fn jump_ahead(&mut self, by: Duration) {
        let now = self.sim.world.now;
        self.sim.world.network.hosts[self.host]
            .clock
            .jump_ahead(now, by);
        self.sim.world.wake_host(self.host);
    }

    /// Sets the host's clock back. For its nodes, time stands still until the clock shows again
    /// what it showed: a node is promised a clock that does not go back.
    pub fn jump_back(&mut self, by: Duration) {
        let now = self.sim.world.now;
        self.sim.world.network.hosts[self.host]
            .clock
            .jump_back(now, by);
        self.sim.world.wake_host(self.host);
    }

    /// Its first IPv4 address; 127.0.0.1 if it has no other.
    pub fn address(&self) -> Ipv4Addr {
        self.sim.world.network.main_address(self.host)
    }

    fn set_plugged(&mut self, plugged: bool) {
        let interfaces = &mut self.sim.world.network.hosts[self.host].interfaces;
        interfaces.iter_mut().for_each(|it| it.plugged = plugged);
        self.sim.world.interfaces_changed(self.host);
    }

    fn state(&self) -> &HostState {
        &self.sim.world.network.hosts[self.host]
    }

    fn processes(&self) -> Vec<ProcessIndex> {
        let processes = self.sim.world.processes.iter().enumerate();
        processes
            .filter_map(|(index, process)| (process.host == self.host).then_some(index))
            .collect()
    }
}

fn valid(conditions: &Conditions) {
    if let Err(error) = conditions.validate() {
        panic!("no network is like this: {error}");
    }
}
