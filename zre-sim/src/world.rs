//! The loop that everything happens in.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    time::Duration,
};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64_with_seed;
use zre_core::{
    Config, Event, Instant,
    proto::{Endpoint, PeerId, RoutingId},
};

use crate::{
    agenda::Agenda,
    app::{App, Handle},
    audit::Audit,
    in_short,
    metrics::Metrics,
    network::{HostIndex, Network},
    station::{Action, Cargo, Conn, Level, Station},
    trace::{Note, Trace},
    wire::{End, Side, Wire},
};

/// Which process, in the order of their starts. One that is started again keeps its number.
pub(crate) type ProcessIndex = usize;
type WireIndex = usize;

/// Datagrams that the system keeps for a process that stands still, as Linux does for 200 KiB.
const MOST_PENDING: usize = 256;
/// How often TCP tries to connect.
const CONNECT_ATTEMPTS: u32 = 7;

/// All that there is.
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
    /// How often an application was told something, or a process began or ended.
    pub(crate) changes: u64,
    /// Who listens at a host's port, or did last.
    listeners: BTreeMap<(HostIndex, u16), ProcessIndex>,
    wires: Vec<Option<Box<Wire>>>,
    agenda: Agenda<Happening>,
}

/// A node with the program on it.
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) host: HostIndex,
    pub(crate) port: u16,
    pub(crate) station: Station,
    pub(crate) app: Box<dyn App>,
    pub(crate) state: State,
    /// Whether the program takes events.
    pub(crate) takes_events: bool,
    pub(crate) metrics: Metrics,
    pub(crate) config: Config,
    /// How often it was started.
    pub(crate) lives: u64,
    wires: BTreeMap<Conn, (WireIndex, Side)>,
    /// What came while the host was frozen.
    pending: VecDeque<Pending>,
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
enum Happening {
    Timer(ProcessIndex),
    Datagram {
        from: ProcessIndex,
        to: ProcessIndex,
        datagram: Bytes,
    },
    /// The opener's wish to connect comes to the other host.
    Connect(WireIndex),
    /// The answer comes back.
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
            agenda: Agenda::new(),
        }
    }

    /// Lets the next thing happen, if it does before `end`.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        let Some((at, happening)) = self.agenda.take(end) else {
            return false;
        };
        self.now = self.now.max(at);
        match happening {
            Happening::Timer(process) => self.timer(process, at),
            Happening::Datagram { from, to, datagram } => self.hear(from, to, datagram),
            Happening::Connect(wire) => self.connect(wire),
            Happening::Connected(wire) => self.connected(wire),
            Happening::Refused(wire, why) => self.refused(wire, why),
            Happening::Arrival(wire, side) => self.arrival(wire, side),
            Happening::Room(wire, side) => self.write(wire, side),
        }
        true
    }

    pub(crate) fn is_running(&self, process: ProcessIndex) -> bool {
        self.processes[process].state == State::Running
    }

    /// A process that runs and can act now.
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
        let process = self.processes.len();
        let port = config.endpoint.port().get();
        let station = self.new_station(name, host, 0, config.clone());
        self.by_id.insert(station.id(), process);
        self.processes.push(Process {
            name: name.into(),
            host,
            port,
            station,
            app,
            state: State::Running,
            takes_events: true,
            metrics: Metrics::default(),
            config,
            lives: 1,
            wires: BTreeMap::new(),
            pending: VecDeque::new(),
            wakes_at: None,
        });
        self.started(process);
        process
    }

    /// A port that no node on the host has had.
    pub(crate) fn free_endpoint(&mut self, host: HostIndex) -> Endpoint {
        let host = &mut self.network.hosts[host];
        let port = NonZeroU16::new(host.next_port).unwrap_or(NonZeroU16::MIN);
        host.next_port = host.next_port.checked_add(1).unwrap_or(49152);
        Endpoint::new(host.address.into(), port)
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
        let station = self.new_station(&name, host, life, config);
        self.by_id.insert(station.id(), process);
        let again = &mut self.processes[process];
        again.station = station;
        again.state = State::Running;
        again.wakes_at = None;
        self.started(process);
    }

    fn new_station(&self, name: &str, host: HostIndex, life: u64, config: Config) -> Station {
        let mut seed = [0; 32];
        for (number, part) in (0_u64..).zip(seed.chunks_exact_mut(8)) {
            let salt = self.seed ^ life.rotate_left(32) ^ number.rotate_left(56);
            part.copy_from_slice(&xxh3_64_with_seed(name.as_bytes(), salt).to_le_bytes());
        }
        let now = self.network.hosts[host].clock.read(self.now);
        Station::new(self.level, config, seed, now)
    }

    fn started(&mut self, process: ProcessIndex) {
        self.changes += 1;
        let Process { host, port, .. } = self.processes[process];
        self.listeners.insert((host, port), process);
        let name = self.processes[process].name.clone();
        self.trace.note(self.now, process, Note::Start(&name));
        self.drain(process);
    }

    /// A process ends without a word; its system ends its connections if `host_lives`.
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
        let id = ended.station.id();
        let mut ends: Vec<_> = std::mem::take(&mut ended.wires).into_values().collect();
        for pending in std::mem::take(&mut ended.pending) {
            if let Pending::Accept(wire) = pending {
                ends.push((wire, Side::Taker));
            }
        }
        self.audit.ended(id);
        for (wire, side) in ends {
            if host_lives {
                self.close_end(wire, side, "connection reset");
            } else if let Some(wire) = &mut self.wires[wire] {
                wire.end_mut(side).closed = true;
                wire.end_mut(side).discard();
            }
        }
    }

    /// Lets a program do something with its node, and carries out what comes of it.
    pub(crate) fn with_app<T>(
        &mut self,
        process: ProcessIndex,
        act: impl FnOnce(&mut dyn App, &mut Handle<'_>) -> T,
    ) -> T {
        let now = self.local(process);
        let Process { station, app, .. } = &mut self.processes[process];
        let mut handle = Handle {
            station,
            audit: &mut self.audit,
            now,
        };
        let done = act(app.as_mut(), &mut handle);
        self.drain(process);
        done
    }

    /// Carries out what a process wants, and tells its program what it has to tell.
    pub(crate) fn drain(&mut self, process: ProcessIndex) {
        if !self.is_awake(process) {
            return;
        }
        loop {
            let mut any = false;
            while let Some(action) = self.processes[process].station.poll_action() {
                any = true;
                self.carry_out(process, action);
            }
            while self.processes[process].takes_events
                && let Some(event) = self.processes[process].station.poll_event()
            {
                any = true;
                self.tell(process, event);
            }
            while self.processes[process].station.poll_notice().is_some() {
                self.processes[process].metrics.notices += 1;
            }
            if !any {
                break;
            }
        }
        if self.processes[process].station.is_stopped() {
            self.finish(process, true);
        }
        self.arm(process);
    }

    fn tell(&mut self, process: ProcessIndex, event: Event) {
        self.changes += 1;
        let now = self.local(process);
        self.trace
            .note(self.now, process, Note::Event(&in_short(&event)));
        let Process {
            station,
            app,
            metrics,
            ..
        } = &mut self.processes[process];
        metrics.events += 1;
        if matches!(event, Event::Whisper { .. } | Event::Shout { .. }) {
            metrics.messages += 1;
        }
        self.audit.heard(station.id(), &event);
        let mut handle = Handle {
            station,
            audit: &mut self.audit,
            now,
        };
        app.handle_event(event, &mut handle);
    }

    /// Sets the agenda to the next thing that a process has to do by itself.
    fn arm(&mut self, process: ProcessIndex) {
        if !self.is_awake(process) {
            return;
        }
        let Process {
            station,
            app,
            wakes_at,
            host,
            ..
        } = &mut self.processes[process];
        let next = station
            .poll_timeout()
            .into_iter()
            .chain(app.poll_timeout())
            .min();
        let Some(next) = next else {
            return;
        };
        let at = self.network.hosts[*host].clock.when(next).max(self.now);
        if wakes_at.is_none_or(|armed| at < armed) {
            *wakes_at = Some(at);
            self.agenda.put(at, Happening::Timer(process));
        }
    }

    fn timer(&mut self, process: ProcessIndex, at: Instant) {
        if self.processes[process].wakes_at != Some(at) {
            return;
        }
        self.processes[process].wakes_at = None;
        self.look_at_timers(process);
    }

    fn look_at_timers(&mut self, process: ProcessIndex) {
        if !self.is_awake(process) {
            return;
        }
        let now = self.local(process);
        let Process { station, app, .. } = &mut self.processes[process];
        if station.poll_timeout().is_some_and(|due| due <= now) {
            station.handle_timeout(now);
        }
        if app.poll_timeout().is_some_and(|due| due <= now) {
            let mut handle = Handle {
                station,
                audit: &mut self.audit,
                now,
            };
            app.handle_timeout(&mut handle);
            let next = app.poll_timeout();
            assert!(
                next.is_none_or(|next| next > now),
                "the program on node {} has a timer that is not later than its handling",
                self.processes[process].name
            );
        }
        self.drain(process);
    }

    /// The clock of a host, or its being frozen, has changed.
    pub(crate) fn wake_host(&mut self, host: HostIndex) {
        for process in 0..self.processes.len() {
            if self.processes[process].host != host || !self.is_awake(process) {
                continue;
            }
            for pending in std::mem::take(&mut self.processes[process].pending) {
                match pending {
                    Pending::Datagram(from, datagram) => {
                        self.take_datagram(process, from, &datagram);
                    }
                    Pending::Accept(wire) => self.accept(wire),
                }
            }
            self.resume(process);
            self.processes[process].wakes_at = None;
            self.look_at_timers(process);
            self.arm(process);
        }
    }

    fn carry_out(&mut self, process: ProcessIndex, action: Action) {
        match action {
            Action::Datagram(datagram) => self.broadcast(process, datagram),
            Action::Open { conn, to } => self.open(process, conn, &to),
            Action::Writable(conn) => {
                if let Some((wire, side)) = self.processes[process].wires.get(&conn).copied() {
                    self.write(wire, side);
                }
            }
            Action::Close(conn) => {
                if let Some((wire, side)) = self.processes[process].wires.remove(&conn) {
                    self.trace.note(self.now, process, Note::Closes { wire });
                    self.close_end(wire, side, "connection closed");
                }
            }
            Action::Resume => self.resume(process),
        }
    }

    // Datagrams.

    fn broadcast(&mut self, from: ProcessIndex, datagram: Bytes) {
        self.trace.note(self.now, from, Note::Sends(&datagram));
        let sender = &mut self.processes[from];
        sender.metrics.datagrams_sent += 1;
        sender.metrics.datagram_octets += datagram.len() as u64;
        let (host, mut lost) = (sender.host, 0);
        let lan = self.network.hosts[host].lan;
        for to in 0..self.processes.len() {
            let receiver = self.processes[to].host;
            if !self.is_running(to) || self.network.hosts[receiver].lan != lan {
                continue;
            }
            let copies = self.network.datagram(host, receiver);
            lost += u64::from(copies == [None, None]);
            for delay in copies.into_iter().flatten() {
                let datagram = datagram.clone();
                let at = self.now + delay;
                self.agenda
                    .put(at, Happening::Datagram { from, to, datagram });
            }
        }
        self.processes[from].metrics.datagrams_lost += lost;
    }

    fn hear(&mut self, from: ProcessIndex, to: ProcessIndex, datagram: Bytes) {
        let sender = self.network.hosts[self.processes[from].host].address;
        let sender = SocketAddr::from((sender, 5670));
        let host = &self.network.hosts[self.processes[to].host];
        if !self.is_running(to) || !host.on {
            return;
        }
        if host.frozen {
            let pending = &mut self.processes[to].pending;
            if pending.len() < MOST_PENDING {
                pending.push_back(Pending::Datagram(sender, datagram));
            }
            return;
        }
        let datagram = &datagram;
        self.trace
            .note(self.now, to, Note::Hears { from, datagram });
        self.take_datagram(to, sender, datagram);
        self.drain(to);
    }

    fn take_datagram(&mut self, to: ProcessIndex, from: SocketAddr, datagram: &[u8]) {
        let now = self.local(to);
        let receiver = &mut self.processes[to];
        receiver.metrics.datagrams_received += 1;
        receiver.station.handle_datagram(from, datagram, now);
    }

    // Connections.

    fn open(&mut self, process: ProcessIndex, conn: Conn, to: &Endpoint) {
        let wire = self.wires.len();
        self.trace.note(self.now, process, Note::Opens { wire });
        self.processes[process].metrics.connections += 1;
        self.processes[process]
            .wires
            .insert(conn, (wire, Side::Opener));
        let host = to
            .to_socket_addr()
            .and_then(|to| self.network.host_at(to.ip()));
        let from = self.processes[process].host;
        let listener = host.and_then(|host| self.listeners.get(&(host, to.port().get())));
        let target = listener.copied().unwrap_or(process);
        self.wires.push(Some(Box::new(Wire::new(
            process,
            conn,
            target,
            to.port().get(),
        ))));
        match host {
            Some(host) if listener.is_some() => self.put_connect(wire, from, host),
            Some(host) if self.network.carries(from, host) => {
                let at = self.now + Duration::from_millis(1);
                self.agenda
                    .put(at, Happening::Refused(wire, "connection refused"));
            }
            _ => {
                let at = self.now + Duration::from_secs(3);
                self.agenda
                    .put(at, Happening::Refused(wire, "no route to host"));
            }
        }
    }

    fn put_connect(&mut self, wire: WireIndex, from: HostIndex, to: HostIndex) {
        let conditions = *self.network.conditions(from, to);
        let at = self.now + self.network.delay(&conditions);
        self.agenda.put(at, Happening::Connect(wire));
    }

    fn connect(&mut self, index: WireIndex) {
        let Some(wire) = &mut self.wires[index] else {
            return;
        };
        if wire.end(Side::Opener).closed {
            self.wires[index] = None;
            return;
        }
        let wire_port = wire.port;
        let (opener, taker) = (
            wire.end(Side::Opener).process,
            wire.end(Side::Taker).process,
        );
        let (from, to) = (self.processes[opener].host, self.processes[taker].host);
        let (there, back) = (
            self.network.carries(from, to),
            self.network.carries(to, from),
        );
        if !there || !back {
            wire.attempts += 1;
            let again = Duration::from_secs(1 << wire.attempts.min(10) >> 1);
            let happening = match wire.attempts < CONNECT_ATTEMPTS {
                true => Happening::Connect(index),
                false => Happening::Refused(index, "connection timed out"),
            };
            return self.agenda.put(self.now + again, happening);
        }
        let conditions = *self.network.conditions(to, from);
        let answer_at = self.now + self.network.delay(&conditions);
        if !self.is_running(taker) || self.processes[taker].port != wire_port {
            let happening = Happening::Refused(index, "connection refused");
            return self.agenda.put(answer_at, happening);
        }
        self.agenda.put(answer_at, Happening::Connected(index));
        if self.is_awake(taker) {
            self.accept(index);
        } else {
            self.processes[taker]
                .pending
                .push_back(Pending::Accept(index));
        }
    }

    fn accept(&mut self, index: WireIndex) {
        let Some(wire) = &self.wires[index] else {
            return;
        };
        let (opener, taker) = (
            wire.end(Side::Opener).process,
            wire.end(Side::Taker).process,
        );
        let remote = IpAddr::from(self.network.hosts[self.processes[opener].host].address);
        let port = 32768 + u16::try_from(index % 16384).unwrap_or(0);
        let from = RoutingId::from(self.processes[opener].station.id());
        let now = self.local(taker);
        self.trace
            .note(self.now, taker, Note::Accepts { wire: index });
        let process = &mut self.processes[taker];
        let conn = process
            .station
            .handle_accepted((remote, port).into(), from, now);
        process.wires.insert(conn, (index, Side::Taker));
        if let Some(wire) = &mut self.wires[index] {
            let end = wire.end_mut(Side::Taker);
            end.conn = Some(conn);
            end.connected = true;
        }
        self.drain(taker);
        self.read(index, Side::Taker);
    }

    fn connected(&mut self, index: WireIndex) {
        let Some(end) = self.end(index, Side::Opener).filter(|end| !end.closed) else {
            return;
        };
        end.connected = true;
        let (process, conn) = (end.process, end.conn);
        if let Some(conn) = conn.filter(|_| self.is_running(process)) {
            let now = self.local(process);
            self.trace
                .note(self.now, process, Note::Connected { wire: index });
            self.processes[process].station.handle_connected(conn, now);
            self.drain(process);
            self.write(index, Side::Opener);
        }
    }

    fn refused(&mut self, index: WireIndex, why: &'static str) {
        let Some(wire) = self.wires[index].take() else {
            return;
        };
        let end = wire.end(Side::Opener);
        let (process, conn) = (end.process, end.conn.filter(|_| !end.closed));
        if let Some(conn) = conn.filter(|_| self.is_running(process)) {
            let now = self.local(process);
            self.processes[process].wires.remove(&conn);
            self.trace
                .note(self.now, process, Note::Refused { wire: index, why });
            self.processes[process]
                .station
                .handle_closed(conn, why, now);
            self.drain(process);
        }
    }

    fn end(&mut self, wire: WireIndex, side: Side) -> Option<&mut End> {
        Some(self.wires.get_mut(wire)?.as_mut()?.end_mut(side))
    }

    /// Takes from a process what it has to write, as far as there is room.
    fn write(&mut self, index: WireIndex, side: Side) {
        let Some(wire) = self.wires.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let far = wire.end(side.other());
        let (to, mut unread, far_is_closed) = (far.process, far.unread, far.closed);
        let end = wire.end_mut(side);
        let (process, Some(conn)) = (end.process, end.conn) else {
            return;
        };
        if end.closed || !end.connected || !self.is_awake(process) {
            return;
        }
        let (from, to) = (self.processes[process].host, self.processes[to].host);
        let conditions = *self.network.conditions(from, to);
        let now = self.local(process);
        let writer = &mut self.processes[process];
        let unwritten = writer.station.unwritten(conn);
        writer.metrics.most_unwritten = writer.metrics.most_unwritten.max(unwritten);
        loop {
            if unread >= conditions.window {
                if let Some(end) = self.end(index, side) {
                    end.wants = true;
                }
                return;
            }
            let mut room = conditions.window - unread;
            if let Some(piece) = conditions.piece {
                room = self.network.up_to(piece).min(room);
            }
            let writer = &mut self.processes[process];
            let Some(cargo) = writer.station.write(conn, room, now) else {
                break;
            };
            writer.metrics.stream_octets += cargo.size() as u64;
            if far_is_closed {
                continue;
            }
            unread += cargo.size();
            self.send(index, side.other(), cargo);
        }
        if let Some(end) = self.end(index, side) {
            end.wants = false;
        }
        // Having written may be what a stop waits for.
        if self.processes[process].station.is_stopped() {
            self.drain(process);
        }
    }

    /// Puts something on its way to an end.
    fn send(&mut self, index: WireIndex, to: Side, cargo: Cargo) {
        let Some(wire) = &mut self.wires[index] else {
            return;
        };
        let sender = self.processes[wire.end(to.other()).process].host;
        let receiver = self.processes[wire.end(to).process].host;
        let at = self
            .network
            .stream(sender, receiver, cargo.size(), self.now);
        if let Some(at) = wire.carry(to, cargo, at) {
            self.agenda.put(at, Happening::Arrival(index, to));
        }
    }

    fn arrival(&mut self, index: WireIndex, side: Side) {
        let now = self.now;
        let Some(wire) = &mut self.wires[index] else {
            return;
        };
        let (process, sender) = (wire.end(side).process, wire.end(side.other()).process);
        let (from, to) = (self.processes[sender].host, self.processes[process].host);
        let end = wire.end_mut(side);
        if !self.network.carries(from, to) {
            let again = now + Network::retry_delay(end.failures);
            end.failures += 1;
            return self.agenda.put(again, Happening::Arrival(index, side));
        }
        if end.closed {
            return self.refuse_octets(index, side);
        }
        if let Some(next) = end.arrive(now) {
            self.agenda.put(next, Happening::Arrival(index, side));
        }
        self.read(index, side);
    }

    /// Something came to an end that is closed: its system answers with a reset.
    fn refuse_octets(&mut self, index: WireIndex, side: Side) {
        if let Some(end) = self.end(index, side) {
            end.discard();
        }
        self.send(index, side.other(), Cargo::End("connection reset"));
        self.forget_if_over(index);
    }

    /// Hands what has arrived to a process, as far as it takes it.
    fn read(&mut self, index: WireIndex, side: Side) {
        let mut any = false;
        while let Some((process, conn, cargo)) = self.next_arrived(index, side) {
            any = true;
            let now = self.local(process);
            let note = Note::Reads {
                wire: index,
                cargo: &cargo,
            };
            self.trace.note(self.now, process, note);
            if let Cargo::End(why) = cargo {
                self.processes[process].wires.remove(&conn);
                self.close_end(index, side, "connection closed");
                self.processes[process]
                    .station
                    .handle_closed(conn, why, now);
                self.drain(process);
                return;
            }
            let size = cargo.size();
            let left = self.processes[process].station.read(conn, cargo, now);
            if let Some(end) = self.end(index, side) {
                end.unread -= size - left.as_ref().map_or(0, Cargo::size);
                if let Some(left) = left {
                    end.arrived.push_front(left);
                }
            }
            self.drain(process);
        }
        if any {
            self.tell_of_room(index, side);
        }
    }

    fn next_arrived(
        &mut self,
        index: WireIndex,
        side: Side,
    ) -> Option<(ProcessIndex, Conn, Cargo)> {
        let end = self.end(index, side)?;
        let (process, conn) = (end.process, end.conn?);
        if end.closed || end.stalled || end.arrived.is_empty() {
            return None;
        }
        if !self.is_awake(process) || self.processes[process].station.is_congested() {
            return None;
        }
        let cargo = self.end(index, side)?.next_arrived()?;
        Some((process, conn, cargo))
    }

    /// The other end hears that it can write again, if it waits for that.
    fn tell_of_room(&mut self, index: WireIndex, side: Side) {
        let Some(wire) = &mut self.wires[index] else {
            return;
        };
        let (reader, writer) = (wire.end(side).process, wire.end(side.other()).process);
        if !std::mem::take(&mut wire.end_mut(side.other()).wants) {
            return;
        }
        let (from, to) = (self.processes[reader].host, self.processes[writer].host);
        let conditions = *self.network.conditions(from, to);
        let at = self.now + self.network.delay(&conditions);
        self.agenda.put(at, Happening::Room(index, side.other()));
    }

    /// Reads on everywhere, after a congestion or a freeze.
    pub(crate) fn resume(&mut self, process: ProcessIndex) {
        let ends: Vec<_> = self.processes[process].wires.values().copied().collect();
        for (wire, side) in ends {
            self.read(wire, side);
            self.write(wire, side);
        }
    }

    /// A process, or its system for it, closes its end. What was written before still goes.
    fn close_end(&mut self, index: WireIndex, side: Side, why: &'static str) {
        let Some(end) = self.end(index, side).filter(|end| !end.closed) else {
            return;
        };
        end.closed = true;
        end.discard();
        let connected = end.connected;
        let other = self.end(index, side.other());
        if connected || other.is_some_and(|other| other.connected) {
            self.send(index, side.other(), Cargo::End(why));
        }
        self.forget_if_over(index);
    }

    fn forget_if_over(&mut self, index: WireIndex) {
        if self.wires[index]
            .as_ref()
            .is_some_and(|wire| wire.is_over())
        {
            self.wires[index] = None;
        }
    }

    // Faults of connections.

    /// The connections that one host's processes opened to another's.
    fn wires_between(&self, from: HostIndex, to: HostIndex) -> Vec<WireIndex> {
        let host = |wire: &Wire, side| self.processes[wire.end(side).process].host;
        let is_between =
            |wire: &Wire| (host(wire, Side::Opener), host(wire, Side::Taker)) == (from, to);
        let wires = self.wires.iter().enumerate();
        wires
            .filter_map(|(index, wire)| {
                wire.as_ref()
                    .is_some_and(|wire| is_between(wire))
                    .then_some(index)
            })
            .collect()
    }

    /// Leaves what one host has sent to another unread there, or no longer.
    pub(crate) fn set_stalled(&mut self, from: HostIndex, to: HostIndex, stalled: bool) {
        for wire in self.wires_between(from, to) {
            if let Some(end) = self.end(wire, Side::Taker) {
                end.stalled = stalled;
            }
            self.read(wire, Side::Taker);
        }
    }

    /// Both ends of the connections learn that they are gone, and lose what was under way.
    pub(crate) fn reset(&mut self, from: HostIndex, to: HostIndex) {
        for wire in self.wires_between(from, to) {
            for side in Side::BOTH {
                if let Some(end) = self.end(wire, side).filter(|end| !end.closed && !end.ended) {
                    end.discard();
                    end.ended = true;
                    end.arrived.push_back(Cargo::End("connection reset"));
                }
            }
            for side in Side::BOTH {
                self.read(wire, side);
            }
        }
    }

    /// The accepting ends read an end behind what was sent; the opening ends learn nothing.
    pub(crate) fn half_close(&mut self, from: HostIndex, to: HostIndex) {
        for wire in self.wires_between(from, to) {
            let found = self.wires[wire].as_mut();
            if let Some(wire) = found {
                // The closing of the accepting end in answer stays on the way for ever.
                wire.end_mut(Side::Opener).ended = true;
            }
            self.send(wire, Side::Taker, Cargo::End("end of stream"));
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
