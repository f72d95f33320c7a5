//! What a script holds for a moment to do something with one thing.

use std::{any::Any, net::Ipv4Addr, time::Duration};

use zre_core::{
    Config, Error, Node,
    proto::{Content, Endpoint, GroupName, PeerId},
};

use crate::{
    app::{App, Recorder},
    conditions::Conditions,
    metrics::Metrics,
    network::HostIndex,
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
    /// What happens to what crosses it, from now on.
    ///
    /// # Panics
    ///
    /// If the conditions are not [valid](Conditions::validate).
    pub fn set(&mut self, conditions: Conditions) {
        valid(&conditions);
        self.sim.world.network.lans[self.lan].conditions = conditions;
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
    /// What happens to what goes this way, from now on, in place of what holds on the LAN.
    ///
    /// # Panics
    ///
    /// If the conditions are not [valid](Conditions::validate).
    pub fn set(&mut self, conditions: Conditions) {
        valid(&conditions);
        let network = &mut self.sim.world.network;
        network.set_link(self.from, self.to, conditions);
    }

    /// Nothing goes this way any more.
    pub fn cut(&mut self) {
        self.sim.world.network.set_cut(self.from, self.to, true);
    }

    /// It goes again. What streams carried meanwhile comes when it is sent again, as with TCP: after a while that grows with
    /// the time that the link was cut.
    pub fn mend(&mut self) {
        self.sim.world.network.set_cut(self.from, self.to, false);
    }

    /// What came over connections that were opened this way is no longer read; senders are pushed back.
    pub fn stall(&mut self) {
        self.sim.world.set_stalled(self.from, self.to, true);
    }

    /// It is read again.
    pub fn unstall(&mut self) {
        self.sim.world.set_stalled(self.from, self.to, false);
    }

    /// Breaks the connections that were opened this way, for both ends at once.
    pub fn reset(&mut self) {
        self.sim.world.reset(self.from, self.to);
    }

    /// Ends the connections that were opened this way for the accepting end only.
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
    /// Puts it on another LAN, with an address there. Do so before nodes start on it.
    pub fn on(&mut self, lan: &str) -> &mut Self {
        let network = &mut self.sim.world.network;
        let lan = network.lan(lan);
        network.move_host(self.host, lan);
        self
    }

    /// Starts a node with the host's name.
    pub fn start(&mut self) {
        self.start_with(|_| {});
    }

    /// Starts a node with the host's name and a configuration of its own.
    pub fn start_with(&mut self, configure: impl FnOnce(&mut Config)) {
        let name = self.sim.world.network.hosts[self.host].name.clone();
        self.start_node(&name, configure);
    }

    /// Starts one more node on the host.
    pub fn start_node(&mut self, name: &str, configure: impl FnOnce(&mut Config)) {
        self.start_app(name, Recorder::default(), configure);
    }

    /// Starts one more node, with a program on it.
    ///
    /// # Panics
    ///
    /// If there is a node of this name, or the configuration is not [valid](Config::validate).
    pub fn start_app(&mut self, name: &str, app: impl App, configure: impl FnOnce(&mut Config)) {
        self.sim.start(name, self.host, Box::new(app), configure);
    }

    /// The processes are killed; the system ends their connections and refuses their ports.
    pub fn crash(&mut self) {
        for process in self.processes() {
            self.sim.world.kill(process, true);
        }
    }

    /// The power goes: nothing is said to anybody any more.
    pub fn power_off(&mut self) {
        for process in self.processes() {
            self.sim.world.kill(process, false);
        }
        self.sim.world.network.hosts[self.host].on = false;
    }

    /// Every node that has ended is started again, each with a new identity unless its configuration gives one, and with the program that was on
    /// it. The host is on and unfrozen then.
    pub fn restart(&mut self) {
        let state = &mut self.sim.world.network.hosts[self.host];
        (state.on, state.frozen) = (true, false);
        for process in self.processes() {
            self.sim.world.kill(process, true);
            let endpoint = self.sim.world.free_endpoint(self.host);
            self.sim.world.processes[process].config.endpoint = endpoint;
            self.sim.world.start_again(process);
        }
    }

    /// The processes stand still, as when a laptop stops them, while the system takes what comes as far as it has room.
    pub fn freeze(&mut self) {
        self.sim.world.network.hosts[self.host].frozen = true;
    }

    /// They go on.
    pub fn thaw(&mut self) {
        self.sim.world.network.hosts[self.host].frozen = false;
        self.sim.world.wake_host(self.host);
    }

    /// Pulls the cable.
    pub fn unplug(&mut self) {
        self.sim.world.network.hosts[self.host].plugged = false;
    }

    /// Puts it back.
    pub fn plug(&mut self) {
        self.sim.world.network.hosts[self.host].plugged = true;
    }

    /// From now on the host's clock gains so many microseconds in each second, or loses them.
    pub fn drift(&mut self, gain: i32) {
        let now = self.sim.world.now;
        self.sim.world.network.hosts[self.host]
            .clock
            .drift(now, gain);
        self.sim.world.wake_host(self.host);
    }

    /// The host's clock jumps ahead.
    pub fn jump_ahead(&mut self, by: Duration) {
        let now = self.sim.world.now;
        self.sim.world.network.hosts[self.host]
            .clock
            .jump_ahead(now, by);
        self.sim.world.wake_host(self.host);
    }

    /// The host's clock jumps back. For its nodes time stands still until it is where it was, as they are promised
    /// a clock that does not do so.
    pub fn jump_back(&mut self, by: Duration) {
        let now = self.sim.world.now;
        self.sim.world.network.hosts[self.host]
            .clock
            .jump_back(now, by);
        self.sim.world.wake_host(self.host);
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        self.sim.world.network.hosts[self.host].address
    }

    fn processes(&self) -> Vec<ProcessIndex> {
        let processes = self.sim.world.processes.iter().enumerate();
        processes
            .filter_map(|(index, process)| (process.host == self.host).then_some(index))
            .collect()
    }
}

/// A node.
#[derive(Debug)]
pub struct NodeHandle<'a> {
    pub(crate) sim: &'a mut Sim,
    pub(crate) process: ProcessIndex,
}

impl NodeHandle<'_> {
    /// Sends a message to the node of this name.
    ///
    /// # Errors
    ///
    /// As [`Engine::whisper`](zre_core::Engine::whisper).
    pub fn whisper(&mut self, to: &str, content: impl Into<Content>) -> Result<(), Error> {
        let to = self.sim.node(to).id();
        self.act(|_, node| node.whisper(to, content))
    }

    /// Sends a message to the members of a group, and says to how many.
    ///
    /// # Errors
    ///
    /// As [`Engine::shout`](zre_core::Engine::shout).
    pub fn shout(&mut self, group: &str, content: impl Into<Content>) -> Result<usize, Error> {
        let group = group_name(group);
        self.act(|_, node| node.shout(&group, content))
    }

    /// Joins a group.
    ///
    /// # Panics
    ///
    /// If the node has stopped, or the name is longer than 255 octets.
    pub fn join(&mut self, group: &str) {
        let group = group_name(group);
        let joined = self.act(|_, node| node.join(&group));
        joined.unwrap_or_else(|error| panic!("cannot join {group}: {error}"));
    }

    /// Leaves a group.
    ///
    /// # Panics
    ///
    /// As [`join`](NodeHandle::join).
    pub fn leave(&mut self, group: &str) {
        let group = group_name(group);
        let left = self.act(|_, node| node.leave(&group));
        left.unwrap_or_else(|error| panic!("cannot leave {group}: {error}"));
    }

    /// Says goodbye, once peers have taken what was sent.
    pub fn stop(&mut self) {
        self.act(|_, node| node.stop());
    }

    /// Kills its process alone; see [`HostHandle::crash`].
    pub fn kill(&mut self) {
        self.sim.world.kill(self.process, true);
    }

    /// The program takes no more events, so the node reads no more messages when enough wait.
    pub fn hold_events(&mut self) {
        self.sim.world.processes[self.process].takes_events = false;
    }

    /// The program takes events again, beginning with those that wait.
    pub fn take_events(&mut self) {
        self.sim.world.processes[self.process].takes_events = true;
        self.sim.world.drain(self.process);
    }

    /// From now on the node counts its messages wrongly, as pyre and zyre.js do: 65534 is followed by 0. Call it right behind the
    /// start.
    ///
    /// # Panics
    ///
    /// At [`Level::Bytes`](crate::Level::Bytes).
    pub fn wrap_early(&mut self) {
        let machine = &mut self.sim.world.processes[self.process].machine;
        assert!(
            machine.wrap_early(),
            "only nodes at the level of messages can count wrongly"
        );
    }

    /// Its identity.
    pub fn id(&self) -> PeerId {
        self.sim.world.processes[self.process].machine.node().id()
    }

    /// Whether it runs: it has been started, and has neither stopped nor been killed.
    pub fn is_running(&self) -> bool {
        self.sim.world.is_running(self.process)
    }

    /// Where it accepts connections.
    pub fn endpoint(&self) -> &Endpoint {
        &self.sim.world.processes[self.process].config.endpoint
    }

    /// The names of the peers that have entered its view, sorted.
    pub fn peers(&self) -> Vec<String> {
        self.names(self.knowledge().peers())
    }

    /// The names of the peers that it knows in a group, sorted.
    pub fn members(&self, group: &str) -> Vec<String> {
        self.names(self.knowledge().peers_by_group(&group_name(group)))
    }

    /// What it has sent, received and been told.
    pub fn metrics(&self) -> Metrics {
        self.sim.world.processes[self.process].metrics
    }

    /// The program on it.
    ///
    /// # Panics
    ///
    /// If the program on it is another.
    pub fn app<A: App>(&self) -> &A {
        let process = &self.sim.world.processes[self.process];
        let app: &dyn Any = process.app.as_ref();
        let Some(app) = app.downcast_ref() else {
            panic!(
                "the program on node {:?} is not {}",
                process.name,
                std::any::type_name::<A>()
            );
        };
        app
    }

    /// Lets the program on it do something with the node.
    ///
    /// # Panics
    ///
    /// If the program on it is another.
    pub fn with_app<A: App, T>(
        &mut self,
        act: impl FnOnce(&mut A, &mut crate::Handle<'_>) -> T,
    ) -> T {
        let name = self.sim.world.processes[self.process].name.clone();
        self.act(|app, node| {
            let app: &mut dyn Any = app;
            let Some(app) = app.downcast_mut() else {
                panic!(
                    "the program on node {name:?} is not {}",
                    std::any::type_name::<A>()
                );
            };
            act(app, node)
        })
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut dyn App, &mut crate::Handle<'_>) -> T) -> T {
        self.sim.world.with_app(self.process, act)
    }

    fn knowledge(&self) -> &Node {
        self.sim.world.processes[self.process].machine.node()
    }

    fn names(&self, ids: impl Iterator<Item = PeerId>) -> Vec<String> {
        let mut names: Vec<_> = ids.map(|id| self.sim.name_of(id)).collect();
        names.sort();
        names
    }
}

fn valid(conditions: &Conditions) {
    if let Err(error) = conditions.validate() {
        panic!("no network is like this: {error}");
    }
}

fn group_name(name: &str) -> GroupName {
    let group = GroupName::try_from(name);
    group.unwrap_or_else(|error| panic!("{name:?} cannot be the name of a group: {error}"))
}
