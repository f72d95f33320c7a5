//! The event loop, and the processes that it drives.

pub(crate) mod connections;
mod datagrams;
mod networks;
mod reach;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    num::NonZeroU16,
};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;
use zre_core::{
    Config, Event, Instant, Output, Seed,
    proto::{Endpoint, PeerId},
};

use crate::{
    app::{App, Handle},
    audit::Audit,
    in_short,
    machine::{Level, Machine},
    metrics::Metrics,
    network::{HostIndex, Network},
    schedule::Schedule,
    trace::{Note, Trace},
    wire::{HeldEnds, Side, Wire},
};
use connections::GOSSIP_PORT;
use datagrams::Flying;
use networks::OpenNetwork;
pub(crate) use reach::Reach;

/// The number of a process, in the order of their first starts. A restart keeps it.
pub(crate) type ProcessIndex = usize;
type WireIndex = usize;

/// The whole simulation: the network, the processes and the events to come.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) level: Level,
    pub(crate) seed: u64,
    pub(crate) network: Network,
    pub(crate) processes: Vec<Process>,
    pub(crate) by_id: BTreeMap<PeerId, ProcessIndex>,
    pub(crate) trace: Trace,
    pub(crate) audit: Audit,
    /// How many events there were, and starts and ends of processes. A condition of `run_until`
    /// is tried when it has changed.
    pub(crate) changes: u64,
    /// The process that listens on a host's port, or was the last to do so.
    listeners: BTreeMap<(HostIndex, u16), ProcessIndex>,
    wires: Vec<Option<Box<Wire>>>,
    schedule: Schedule<SimEvent>,
}

/// A node with the program on it.
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) host: HostIndex,
    pub(crate) port: u16,
    pub(crate) machine: Machine,
    pub(crate) app: Box<dyn App>,
    pub(crate) state: State,
    /// Whether its program takes events.
    pub(crate) takes_events: bool,
    pub(crate) metrics: Metrics,
    pub(crate) config: Config,
    /// Whether it has the same port each time it is started.
    pub(crate) keeps_port: bool,
    /// How often it was started.
    pub(crate) lives: u64,
    wires: HeldEnds,
    /// Where it has sockets, if it looks at the interfaces of its host.
    networks: Vec<OpenNetwork>,
    /// What came while the host was frozen, for later.
    pending: VecDeque<Pending>,
    /// The time of the timer that counts; timers for other times are outdated.
    wakes_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    /// It has said goodbye, or was killed.
    Ended,
}

#[derive(Debug)]
enum Pending {
    Datagram(SocketAddr, Bytes),
    Accept(WireIndex),
}

#[derive(Debug)]
enum SimEvent {
    Timer(ProcessIndex),
    Datagram(Flying),
    /// A request to connect reaches the other host.
    Connect(WireIndex),
    /// The answer reaches the opener.
    Connected(WireIndex),
    Refused(WireIndex, &'static str),
    /// Something may have come to this end.
    Arrival(WireIndex, Side),
    /// This end may write again.
    Room(WireIndex, Side),
}

impl World {
    pub(crate) fn new(level: Level, seed: u64) -> Self {
        Self {
            now: Instant::default(),
            level,
            seed,
            network: Network::new(seed),
            processes: Vec::new(),
            by_id: BTreeMap::new(),
            trace: Trace::new(),
            audit: Audit::default(),
            changes: 0,
            listeners: BTreeMap::new(),
            wires: Vec::new(),
            schedule: Schedule::new(),
        }
    }

    /// Carries out the next event, if it is due by `end`.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        let Some((at, event)) = self.schedule.take(end) else {
            return false;
        };
        self.now = self.now.max(at);
        match event {
            SimEvent::Timer(process) => self.timer(process, at),
            SimEvent::Datagram(datagram) => self.receive(datagram),
            SimEvent::Connect(wire) => self.connect(wire),
            SimEvent::Connected(wire) => self.connected(wire),
            SimEvent::Refused(wire, why) => self.refused(wire, why),
            SimEvent::Arrival(wire, side) => self.arrival(wire, side),
            SimEvent::Room(wire, side) => self.write(wire, side),
        }
        true
    }

    pub(crate) fn is_running(&self, process: ProcessIndex) -> bool {
        self.processes[process].state == State::Running
    }

    /// Whether a process runs, on a host that is on and not frozen.
    fn is_awake(&self, process: ProcessIndex) -> bool {
        let host = &self.network.hosts[self.processes[process].host];
        self.is_running(process) && host.on && !host.frozen
    }

    /// What the clock of a process's host shows.
    pub(crate) fn local(&self, process: ProcessIndex) -> Instant {
        let host = self.processes[process].host;
        self.network.hosts[host].clock.read(self.now)
    }

    pub(crate) fn start(
        &mut self,
        name: &str,
        host: HostIndex,
        config: Config,
        app: Box<dyn App>,
    ) -> ProcessIndex {
        // Pushed below: a process is never removed, so its number stays valid.
        let process = self.processes.len();
        let port = config.endpoint.port().get();
        let machine = self.new_machine(name, host, 0, config.clone());
        self.by_id.insert(machine.node().id(), process);
        self.processes.push(Process {
            name: name.into(),
            host,
            port,
            machine,
            app,
            state: State::Running,
            takes_events: true,
            metrics: Metrics::default(),
            config,
            keeps_port: false,
            lives: 1,
            wires: HeldEnds::default(),
            networks: Vec::new(),
            pending: VecDeque::new(),
            wakes_at: None,
        });
        self.started(process);
        process
    }

    /// An endpoint with a port that no node on the host has had.
    pub(crate) fn free_endpoint(&mut self, host: HostIndex) -> Endpoint {
        let address = self.network.main_address(host);
        let host = &mut self.network.hosts[host];
        let port = NonZeroU16::new(host.next_port).unwrap_or(NonZeroU16::MIN);
        host.next_port = host.next_port.checked_add(1).unwrap_or(49152);
        Endpoint::new(address.into(), port)
    }

    /// Starts an ended process again, with what `config` says now.
    pub(crate) fn start_again(&mut self, process: ProcessIndex) {
        let (name, host, config, life) = {
            let ended = &mut self.processes[process];
            ended.lives += 1;
            ended.port = ended.config.endpoint.port().get();
            (
                ended.name.clone(),
                ended.host,
                ended.config.clone(),
                ended.lives - 1,
            )
        };
        let machine = self.new_machine(&name, host, life, config);
        // The old identity stays in the map: events of the past still name it.
        self.by_id.insert(machine.node().id(), process);
        let again = &mut self.processes[process];
        again.machine = machine;
        again.state = State::Running;
        again.wakes_at = None;
        self.started(process);
    }

    fn new_machine(&self, name: &str, host: HostIndex, life: u64, config: Config) -> Machine {
        // Each life of each node has random numbers of its own, whatever the others draw.
        let mut seed = [0; 32];
        for (number, part) in (0_u64..).zip(seed.chunks_exact_mut(8)) {
            let salt = self.seed ^ life.rotate_left(32) ^ number.rotate_left(56);
            part.copy_from_slice(&xxh3_64_with_seed(name.as_bytes(), salt).to_le_bytes());
        }
        let now = self.network.hosts[host].clock.read(self.now);
        Machine::new(self.level, config, Seed::predictable(seed), now)
    }

    fn started(&mut self, process: ProcessIndex) {
        self.changes += 1;
        let Process { host, port, .. } = self.processes[process];
        if !self.looks_at_interfaces(process) {
            self.listeners.insert((host, port), process);
        }
        // Stays when the process ends: who connects then is refused by the system.
        if self.processes[process].config.is_gossip_hub {
            self.listeners.insert((host, GOSSIP_PORT), process);
        }
        let name = self.processes[process].name.clone();
        self.trace.note(self.now, process, Note::Start(&name));
        self.tell_process(process);
        self.drain(process);
    }

    /// Kills a process. Its system closes its connections if the host goes on.
    pub(crate) fn kill(&mut self, process: ProcessIndex, host_lives: bool) {
        if self.processes[process].state == State::Ended {
            return;
        }
        self.trace.note(self.now, process, Note::Fault("dies"));
        self.finish(process, host_lives);
    }

    fn finish(&mut self, process: ProcessIndex, host_lives: bool) {
        self.changes += 1;
        let ended = &mut self.processes[process];
        ended.state = State::Ended;
        ended.networks = Vec::new();
        let id = ended.machine.node().id();
        let mut ends: Vec<_> = std::mem::take(&mut ended.wires).iter().collect();
        // The system has accepted these connections, so it has to close them, too.
        for pending in std::mem::take(&mut ended.pending) {
            if let Pending::Accept(wire) = pending {
                ends.push((wire, Side::Taker));
            }
        }
        self.audit.ended(id);
        for (wire, side) in ends {
            if host_lives {
                self.close_end(wire, side, "connection reset");
            // Without a host nobody tells the other ends.
            } else if let Some(wire) = &mut self.wires[wire] {
                wire.end_mut(side).closed = true;
                wire.end_mut(side).discard();
            }
        }
    }

    /// Lets a program do something with its node, and carries out what follows.
    pub(crate) fn with_app<T>(
        &mut self,
        process: ProcessIndex,
        act: impl FnOnce(&mut dyn App, &mut Handle<'_>) -> T,
    ) -> T {
        let done = self.with_node(process, act);
        self.drain(process);
        done
    }

    /// Carries out the outputs of a process, and hands its events to its program, until there are
    /// no more.
    pub(crate) fn drain(&mut self, process: ProcessIndex) {
        if !self.is_awake(process) {
            return;
        }
        // A program that handles an event causes outputs, and taking an event can cause some, too.
        loop {
            let mut any = false;
            while let Some(output) = self.processes[process].machine.poll_output() {
                any = true;
                self.carry_out(process, output);
            }
            while self.processes[process].takes_events
                && let Some(event) = self.processes[process].machine.poll_event()
            {
                any = true;
                self.hand_over(process, event);
            }
            any |= self.hand_over_requests(process);
            // Nobody reads a log here; counting shows whether nodes complain.
            while self.processes[process].machine.poll_notice().is_some() {
                self.processes[process].metrics.notices += 1;
            }
            if !any {
                break;
            }
        }
        if self.processes[process].machine.is_stopped() {
            self.finish(process, true);
        }
        self.arm(process);
    }

    fn hand_over(&mut self, process: ProcessIndex, event: Event) {
        self.changes += 1;
        let now = self.local(process);
        self.trace
            .note(self.now, process, Note::Event(&in_short(&event)));
        let Process {
            machine,
            app,
            metrics,
            ..
        } = &mut self.processes[process];
        metrics.events += 1;
        if matches!(event, Event::Whisper { .. } | Event::Shout { .. }) {
            metrics.messages += 1;
        }
        // Before the program handles it: the answers belong to what the event began.
        self.audit.heard(machine.node().id(), &event);
        let mut handle = Handle {
            machine,
            audit: &mut self.audit,
            now,
        };
        app.handle_event(event, &mut handle);
    }

    /// Hands outcomes and requests of peers to the program; says whether there was any.
    fn hand_over_requests(&mut self, process: ProcessIndex) -> bool {
        let mut any = false;
        while let Some((id, outcome)) = self.processes[process].machine.poll_outcome() {
            any = true;
            let note = match &outcome {
                Ok(answer) => format!("{id:?} answered {} bytes", answer.byte_len()),
                Err(error) => format!("{id:?} {error}"),
            };
            self.note_request(process, &note);
            self.with_node(process, |app, node| app.handle_outcome(id, outcome, node));
        }
        while self.processes[process].takes_events
            && let Some(request) = self.processes[process].machine.poll_request()
        {
            any = true;
            let size = request.content.byte_len();
            self.note_request(process, &format!("asked by {}: {size} bytes", request.name));
            self.processes[process].metrics.messages += 1;
            self.with_node(process, |app, node| app.handle_request(request, node));
        }
        any
    }

    fn note_request(&mut self, process: ProcessIndex, note: &str) {
        self.changes += 1;
        self.trace.note(self.now, process, Note::Event(note));
    }

    fn with_node<T>(
        &mut self,
        process: ProcessIndex,
        act: impl FnOnce(&mut dyn App, &mut Handle<'_>) -> T,
    ) -> T {
        let now = self.local(process);
        let Process { machine, app, .. } = &mut self.processes[process];
        let mut handle = Handle {
            machine,
            audit: &mut self.audit,
            now,
        };
        act(app.as_mut(), &mut handle)
    }

    /// Schedules the timer of a process, for the earlier of its engine and its program.
    fn arm(&mut self, process: ProcessIndex) {
        if !self.is_awake(process) {
            return;
        }
        let Process {
            machine,
            app,
            wakes_at,
            host,
            ..
        } = &mut self.processes[process];
        let next = machine
            .poll_timeout()
            .into_iter()
            .chain(app.poll_timeout())
            .min();
        let Some(next) = next else {
            return;
        };
        let at = self.network.hosts[*host].clock.when(next).max(self.now);
        // A timer that is due earlier finds nothing to do then and sets this one. That costs less
        // than to remove it.
        if wakes_at.is_none_or(|armed| at < armed) {
            *wakes_at = Some(at);
            self.schedule.put(at, SimEvent::Timer(process));
        }
    }

    fn timer(&mut self, process: ProcessIndex, at: Instant) {
        // It has been replaced by an earlier one, or by a restart.
        if self.processes[process].wakes_at != Some(at) {
            return;
        }
        self.processes[process].wakes_at = None;
        self.handle_timers(process);
    }

    fn handle_timers(&mut self, process: ProcessIndex) {
        if !self.is_awake(process) {
            return;
        }
        let now = self.local(process);
        let Process { machine, app, .. } = &mut self.processes[process];
        // Both may be due, or neither, if the timer was set for what has been done since.
        if machine.poll_timeout().is_some_and(|due| due <= now) {
            machine.handle_timeout(now);
        }
        if app.poll_timeout().is_some_and(|due| due <= now) {
            let mut handle = Handle {
                machine,
                audit: &mut self.audit,
                now,
            };
            app.handle_timeout(&mut handle);
            let next = app.poll_timeout();
            // Otherwise the simulation would go on for ever at this moment.
            assert!(
                next.is_none_or(|next| next > now),
                "the program on node {} sets its timer to a time that has passed already",
                self.processes[process].name
            );
        }
        self.drain(process);
    }

    /// Lets the processes of a host look at the time again, after its clock was changed or it was
    /// frozen.
    pub(crate) fn wake_host(&mut self, host: HostIndex) {
        for process in 0..self.processes.len() {
            if self.processes[process].host != host || !self.is_awake(process) {
                continue;
            }
            // First what came meanwhile: peers may have been heard, and are not to expire now.
            for pending in std::mem::take(&mut self.processes[process].pending) {
                match pending {
                    Pending::Datagram(from, datagram) => {
                        self.take_datagram(process, from, &datagram);
                    }
                    Pending::Accept(wire) => self.accept(wire),
                }
            }
            // Its interfaces may have changed, too.
            self.tell_process(process);
            self.resume(process);
            // The timer that was set is for what the clock showed before.
            self.processes[process].wakes_at = None;
            self.handle_timers(process);
            self.arm(process);
        }
    }

    fn carry_out(&mut self, process: ProcessIndex, output: Output) {
        match output {
            Output::Datagram { network, datagram } => self.announce(process, network, datagram),
            Output::Open {
                link,
                endpoint,
                key,
                ..
            } => self.open(process, link, &endpoint, key),
            Output::Writable(link) => {
                if let Some((wire, side)) = self.processes[process].wires.get(link) {
                    self.write(wire, side);
                }
            }
            // The process may have lost this connection already: then there is nothing to close.
            Output::Close(link) => {
                if let Some((wire, side)) = self.processes[process].wires.remove(link) {
                    self.trace.note(self.now, process, Note::Closes { wire });
                    self.close_end(wire, side, "connection closed");
                }
            }
            Output::Resume => self.resume(process),
            Output::Listen { network, address } => self.listen(process, network, &address),
            Output::Leave(network) => self.leave(process, network),
        }
    }
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
