//! The nodes of a simulation, as a script uses them.

use std::{any::Any, time::Duration};

use zre_core::{
    Choice, Error, IncomingRequest, Node, PeerInfo, RequestId, Trust,
    proto::{Content, Endpoint, GroupName, Headers, PeerId, ShortText, Text, curve::PublicKey},
};

use crate::{
    app::{App, Handle},
    machine::with_engine,
    metrics::Metrics,
    node_methods::node_methods,
    sim::Sim,
    world::ProcessIndex,
};

/// A node.
///
/// Its methods have the names and arguments of a real `Node`'s. They differ in one thing: time
/// passes only when the script [lets it](Sim::run_for), so no method can wait. Each says what it
/// does instead.
#[derive(Debug)]
pub struct NodeHandle<'a> {
    pub(crate) sim: &'a mut Sim,
    pub(crate) process: ProcessIndex,
}

impl NodeHandle<'_> {
    node_methods!();

    /// Kills its process; see [`HostHandle::crash`](crate::HostHandle::crash).
    pub fn kill(&mut self) {
        self.sim.world.kill(self.process, true);
    }

    /// From now on it has the same port each time its host is
    /// [restarted](crate::HostHandle::restart), as a real node whose port is set.
    pub fn keep_port(&mut self) {
        self.sim.world.processes[self.process].keeps_port = true;
    }

    /// From now on its program takes no events. When enough of them wait, the node stops reading.
    pub fn hold_events(&mut self) {
        self.sim.world.processes[self.process].takes_events = false;
    }

    /// Ends [`hold_events`](NodeHandle::hold_events), beginning with the events that wait.
    pub fn take_events(&mut self) {
        self.sim.world.processes[self.process].takes_events = true;
        self.sim.world.drain(self.process);
    }

    /// Makes the node number its messages as pyre and zyre.js do: 65534 is followed by 0. Call it
    /// right after the start.
    ///
    /// # Panics
    ///
    /// At [`Level::Bytes`](crate::Level::Bytes).
    pub fn wrap_early(&mut self) {
        let machine = &mut self.sim.world.processes[self.process].machine;
        assert!(
            machine.wrap_early(),
            "only nodes at the message level can number their messages like this"
        );
    }

    /// Whether it is over: it has said goodbye, or was killed.
    pub fn is_stopped(&self) -> bool {
        !self.sim.world.is_running(self.process)
    }

    /// The names of the peers that have entered, sorted.
    pub fn peer_names(&self) -> Vec<String> {
        let peers = self.node().peers();
        let mut names: Vec<_> = peers.map(|peer| self.sim.name_of(peer)).collect();
        names.sort();
        names
    }

    /// What it has sent and received, and how many events it had.
    pub fn metrics(&self) -> Metrics {
        self.sim.world.processes[self.process].metrics
    }

    /// The program on it.
    ///
    /// # Panics
    ///
    /// If its type is another.
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
    /// If its type is another.
    pub fn with_app<A: App, T>(&mut self, act: impl FnOnce(&mut A, &mut Handle<'_>) -> T) -> T {
        let name = self.sim.world.processes[self.process].name.clone();
        self.sim.world.with_app(self.process, |app, node| {
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

    fn node(&self) -> &Node {
        self.sim.world.processes[self.process].machine.node()
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Handle<'_>) -> T) -> T {
        self.sim.world.with_app(self.process, |_, node| act(node))
    }
}
