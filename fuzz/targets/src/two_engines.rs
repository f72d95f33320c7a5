use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::{Buf as _, Bytes};
use zre_core::{Config, Engine, Event, Instant, LinkId, Output, Role};
use zre_proto::{Content, Endpoint, PeerId, RoutingId};

use crate::{
    heap::Meter,
    heard::Heard,
    script::{Reader, Trace},
    stranger::{self, Said, group},
    wire,
};

pub(crate) const DATAGRAM: u8 = 0;
pub(crate) const CONNECT: u8 = 1;
pub(crate) const OCTETS: u8 = 2;

const PEERS: usize = 6;
const EVENTS: usize = 64;
const MESSAGE: usize = 8192;
/// The most octets of one read.
const READ: usize = 4096;
/// What both engines hold at most, with what is on its way between them.
const HELD: usize = 8 << 20;
/// What they hold when the adversary has gone and they have found each other.
const HELD_AFTERWARDS: usize = 512 << 10;

/// A script is not longer than this, so that no input takes long.
const STEPS: usize = 800;
const MESSAGES: usize = 2000;
const TIME: Duration = Duration::from_secs(90);

/// What an honest whisper begins with, and the adversary does not know.
const MARK: &[u8; 8] = b"\x9Fhonest\xF7";

/// Two engines on one network, and an adversary that has it in its hands.
///
/// It holds back and splits what the engines write to each other, cuts their connections, refuses them
/// at the door, loses, repeats and invents datagrams, and talks to both engines under any identity, theirs
/// included. It cannot change what the engines say to each other.
///
/// Whatever it does, events have their place; what one engine whispers to the other is heard at most once
/// and in order, and in one session of both nothing is missing; all that an engine is polled for ends; and the
/// memory is bounded. When it has gone, each engine soon sees the other and nobody else, with its groups; whispers
/// arrive; and nobody enters or exits any more.
pub fn two_engines(octets: &[u8]) {
    let mut script = Reader(octets);
    let mut world = World::new(script.bool());
    for _ in 0..STEPS {
        if script.is_empty() || world.is_forged {
            break;
        }
        let step = Step::read(&mut script);
        world.trace.show(&step);
        world.step(step);
        world.settle();
        world.check();
    }
    if !world.is_forged {
        world.adversary_goes();
    }
}

#[derive(Debug)]
enum Step<'a> {
    Datagram {
        to: u8,
        from: u8,
        octets: &'a [u8],
    },
    Connect {
        to: u8,
    },
    Octets {
        link: u8,
        octets: &'a [u8],
    },
    Beacon {
        to: u8,
        from: u8,
        who: u8,
        flags: u8,
    },
    /// A datagram that an engine sent earlier comes again.
    Repeat {
        to: u8,
        which: u8,
    },
    Greet {
        link: u8,
        who: u8,
    },
    Say {
        link: u8,
        skew: u8,
        times: u8,
        said: Said,
    },
    Close {
        link: u8,
    },
    /// Whether the adversary takes the connections that the engines open to it.
    Takes(bool),
    /// Holds back what goes over a connection, or no more.
    Hold {
        wire: u8,
        end: u8,
        held: bool,
    },
    /// Lets so much through all the same.
    Trickle {
        wire: u8,
        end: u8,
        count: u8,
    },
    /// Ends a connection for both sides, with or without what is on its way.
    Cut {
        wire: u8,
        end: u8,
        loses: bool,
    },
    Piece(u8),
    /// Whether an engine's port takes connections.
    Door {
        host: u8,
        is_open: bool,
    },
    /// Whether datagrams reach an engine.
    Hears {
        host: u8,
        hears: bool,
    },
    /// Whether the application takes events.
    Listens {
        host: u8,
        listens: bool,
    },
    Wait {
        millis: u16,
    },
    Whisper {
        host: u8,
        size: u16,
    },
    Shout {
        host: u8,
        group: u8,
    },
    Join {
        host: u8,
        group: u8,
    },
    Leave {
        host: u8,
        group: u8,
    },
}

impl<'a> Step<'a> {
    fn read(script: &mut Reader<'a>) -> Self {
        match script.u8() % 22 {
            DATAGRAM => Self::Datagram {
                to: script.u8(),
                from: script.u8(),
                octets: script.octets(),
            },
            CONNECT => Self::Connect { to: script.u8() },
            OCTETS => Self::Octets {
                link: script.u8(),
                octets: script.octets(),
            },
            3 => Self::Beacon {
                to: script.u8(),
                from: script.u8(),
                who: script.u8(),
                flags: script.u8(),
            },
            4 => Self::Repeat {
                to: script.u8(),
                which: script.u8(),
            },
            5 => Self::Greet {
                link: script.u8(),
                who: script.u8(),
            },
            6 => Self::Say {
                link: script.u8(),
                skew: script.u8(),
                times: script.u8(),
                said: Said::read(script),
            },
            7 => Self::Close { link: script.u8() },
            8 => Self::Takes(script.bool()),
            9 => Self::Hold {
                wire: script.u8(),
                end: script.u8(),
                held: script.bool(),
            },
            10 => Self::Trickle {
                wire: script.u8(),
                end: script.u8(),
                count: script.u8(),
            },
            11 => Self::Cut {
                wire: script.u8(),
                end: script.u8(),
                loses: script.bool(),
            },
            12 => Self::Piece(script.u8()),
            13 => Self::Door {
                host: script.u8(),
                is_open: script.bool(),
            },
            14 => Self::Hears {
                host: script.u8(),
                hears: script.bool(),
            },
            15 => Self::Listens {
                host: script.u8(),
                listens: script.bool(),
            },
            16 | 17 => Self::Wait {
                millis: script.u16(),
            },
            18 => Self::Whisper {
                host: script.u8(),
                size: script.u16(),
            },
            19 => Self::Shout {
                host: script.u8(),
                group: script.u8(),
            },
            20 => Self::Join {
                host: script.u8(),
                group: script.u8(),
            },
            _ => Self::Leave {
                host: script.u8(),
                group: script.u8(),
            },
        }
    }
}

struct World {
    now: Instant,
    ends_at: Instant,
    hosts: [Host; 2],
    wires: Vec<Wire>,
    strangers: Vec<Stranger>,
    /// What the engines sent so far, for the adversary to repeat.
    datagrams: Vec<(SocketAddr, Bytes)>,
    messages: usize,
    takes: bool,
    piece: usize,
    /// The adversary has learnt the mark, and can whisper as an engine does.
    is_forged: bool,
    meter: Meter,
    trace: Trace,
}

struct Host {
    engine: Engine,
    is_open: bool,
    hears: bool,
    listens: bool,
    heard: Heard,
    /// How many whispers it said to the other, and the last that it heard from there.
    said: u32,
    heard_number: u32,
    /// The last that it heard since the other entered.
    in_session: Option<u32>,
}

/// A connection between the engines; its first end opened it.
struct Wire {
    ends: [End; 2],
}

/// Where octets arrive.
struct End {
    host: usize,
    link: LinkId,
    arrived: VecDeque<u8>,
    is_held: bool,
    /// Nothing comes behind what has arrived.
    has_ended: bool,
    is_closed: bool,
}

/// A connection between an engine and the adversary.
struct Stranger {
    host: usize,
    link: LinkId,
    is_outgoing: bool,
    is_closed: bool,
    is_greeted: bool,
    sequence: u16,
    raw: Vec<u8>,
}

impl World {
    fn new(have_met: bool) -> Self {
        let now = Instant::from_micros(1_000_000);
        let mut world = Self {
            now,
            ends_at: now + TIME,
            hosts: [0, 1].map(|host| Host::new(host, now)),
            wires: Vec::new(),
            strangers: Vec::new(),
            datagrams: Vec::new(),
            messages: MESSAGES,
            takes: true,
            piece: READ,
            is_forged: false,
            meter: Meter::start(),
            trace: Trace::new(),
        };
        if have_met {
            world.settle();
        }
        world
    }

    fn step(&mut self, step: Step<'_>) {
        let now = self.now;
        match step {
            Step::Datagram { to, from, octets } => self.datagram(to, place(from), octets),
            Step::Beacon {
                to,
                from,
                who: id,
                flags,
            } => {
                let from = place(from);
                let port = if flags & 1 == 1 { 0 } else { from.port() };
                self.datagram(to, from, &stranger::beacon(who(id), port, flags & 2 == 2));
            }
            Step::Repeat { to, which } => {
                let which = usize::from(which).checked_rem(self.datagrams.len());
                if let Some((from, octets)) = which.map(|which| self.datagrams[which].clone()) {
                    self.datagram(to, from, &octets);
                }
            }
            Step::Connect { to } => {
                let host = usize::from(to % 2);
                let link = self.hosts[host].engine.handle_accepted(place(0), now);
                self.strangers.push(Stranger::new(host, link, false));
            }
            Step::Octets { link, octets } => self.raw(link, octets),
            Step::Greet { link, who: id } => self.greet(link, who(id)),
            Step::Say {
                link,
                skew,
                times,
                said,
            } => self.say(link, skew, times, said),
            Step::Close { link } => {
                if let Some(index) = self.stranger(link) {
                    self.close_stranger(index);
                }
            }
            Step::Takes(takes) => self.takes = takes,
            Step::Hold { wire, end, held } => {
                if let Some(end) = self.end(wire, end) {
                    end.is_held = held;
                }
            }
            Step::Trickle { wire, end, count } => {
                let wire = usize::from(wire).checked_rem(self.wires.len());
                if let Some(wire) = wire {
                    self.read(wire, (end % 2).into(), count.into(), true);
                }
            }
            Step::Cut { wire, end, loses } => self.cut(wire, end, loses),
            Step::Piece(piece) => self.piece = usize::from(piece).max(8),
            Step::Door { host, is_open } => self.host(host).is_open = is_open,
            Step::Hears { host, hears } => self.host(host).hears = hears,
            Step::Listens { host, listens } => self.host(host).listens = listens,
            Step::Wait { millis } => {
                let end = self.ends_at.min(now + Duration::from_millis(millis.into()));
                self.wait(end);
            }
            Step::Whisper { host, size } => {
                self.whisper((host % 2).into(), size);
            }
            Step::Shout { host, group: name } => {
                let sent = self.host(host).engine.shout(&group(name), "x".into(), now);
                assert!(sent.is_ok());
            }
            Step::Join { host, group: name } => {
                self.host(host).engine.join(&group(name), now).unwrap();
            }
            Step::Leave { host, group: name } => {
                self.host(host).engine.leave(&group(name), now).unwrap();
            }
        }
    }

    fn host(&mut self, host: u8) -> &mut Host {
        &mut self.hosts[usize::from(host % 2)]
    }

    fn datagram(&mut self, to: u8, from: SocketAddr, octets: &[u8]) {
        let now = self.now;
        self.host(to).engine.handle_datagram(from, octets, now);
    }

    /// Whispers the next number to the other engine; says whether it could.
    fn whisper(&mut self, host: usize, size: u16) -> bool {
        let number = self.hosts[host].said + 1;
        let mut content: Content = [&MARK[..], &number.to_be_bytes()].concat().into();
        content.push(vec![b'h'; usize::from(size) % MESSAGE]);
        let peer = self.hosts[1 - host].engine.id();
        let now = self.now;
        let sent = self.hosts[host].engine.whisper(peer, content, now);
        self.hosts[host].said += u32::from(sent.is_ok());
        sent.is_ok()
    }

    fn end(&mut self, wire: u8, end: u8) -> Option<&mut End> {
        let wire = usize::from(wire).checked_rem(self.wires.len())?;
        Some(&mut self.wires[wire].ends[usize::from(end % 2)])
    }

    /// Ends a connection: at one end at once, at the other when what is on its way there has come.
    fn cut(&mut self, wire: u8, end: u8, loses: bool) {
        let first = self.end(wire, end).map(|end| {
            end.arrived.clear();
            end.has_ended = true;
            end.is_held = false;
        });
        if first.is_some()
            && let Some(other) = self.end(wire, end.wrapping_add(1))
        {
            other.has_ended = true;
            if loses {
                other.arrived.clear();
            }
        }
    }

    fn raw(&mut self, link: u8, octets: &[u8]) {
        let Some(index) = self.stranger(link) else {
            return;
        };
        let stranger = &mut self.strangers[index];
        stranger.raw.extend_from_slice(octets);
        let mut raw = stranger.raw.windows(MARK.len());
        self.is_forged = raw.any(|octets| octets == MARK);
        if !self.is_forged {
            self.read_stranger(index, octets);
        }
    }

    fn greet(&mut self, link: u8, peer: PeerId) {
        let Some(index) = self.stranger(link) else {
            return;
        };
        let stranger = &mut self.strangers[index];
        let role = match stranger.is_outgoing {
            true => Role::Accepting,
            false => Role::Connecting(RoutingId::from(peer)),
        };
        if !core::mem::replace(&mut stranger.is_greeted, true) {
            self.read_stranger(index, &wire::handshake(role));
        }
    }

    fn say(&mut self, link: u8, skew: u8, times: u8, said: Said) {
        let place = match said {
            Said::Hello { place, .. } => place,
            _ => 0,
        };
        for _ in 0..usize::from(times).max(1).min(self.messages) {
            self.messages -= 1;
            let Some(index) = self.stranger(link) else {
                return;
            };
            let stranger = &mut self.strangers[index];
            stranger.sequence = stranger.sequence.wrapping_add(1).wrapping_add(skew.into());
            let octets = said.octets(stranger.sequence, endpoint(place));
            self.read_stranger(index, &octets);
        }
    }

    fn stranger(&self, index: u8) -> Option<usize> {
        let index = usize::from(index).checked_rem(self.strangers.len())?;
        (!self.strangers[index].is_closed).then_some(index)
    }

    fn close_stranger(&mut self, index: usize) {
        let stranger = &mut self.strangers[index];
        if !core::mem::replace(&mut stranger.is_closed, true) {
            let engine = &mut self.hosts[stranger.host].engine;
            engine.handle_closed(stranger.link, "closed", self.now);
        }
    }

    /// An engine reads from one of the adversary's connections, if it wants to.
    fn read_stranger(&mut self, index: usize, mut octets: &[u8]) {
        let mut piece = self.piece;
        while !octets.is_empty() && !self.strangers[index].is_closed {
            let Stranger { host, link, .. } = self.strangers[index];
            let engine = &mut self.hosts[host].engine;
            if engine.is_congested() {
                return;
            }
            let inbox = engine.inbox(link);
            let count = inbox.len().min(octets.len()).min(piece);
            let (now, later) = octets.split_at(count);
            inbox[..count].copy_from_slice(now);
            octets = later;
            piece = READ.min(2 * piece);
            engine.handle_read(link, count, self.now);
            self.settle();
        }
    }

    /// Steps from deadline to deadline; none may come again at once.
    fn wait(&mut self, end: Instant) {
        self.settle();
        loop {
            let due = self
                .hosts
                .iter()
                .filter_map(|host| host.engine.poll_timeout());
            let Some(next) = due.min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            for host in &mut self.hosts {
                if host
                    .engine
                    .poll_timeout()
                    .is_some_and(|due| due <= self.now)
                {
                    host.engine.handle_timeout(self.now);
                    let due = host.engine.poll_timeout();
                    assert!(due.is_none_or(|due| due > self.now), "a timer spins");
                }
            }
            self.settle();
        }
        self.now = self.now.max(end);
    }

    /// Carries everything that may go, without any time passing.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut any = false;
            for host in 0..2 {
                any |= self.take_outputs(host);
                self.listen(host);
            }
            for wire in 0..self.wires.len() {
                for end in 0..2 {
                    any |= self.write(wire, end) | self.read(wire, end, self.piece, false);
                }
            }
            if !any {
                self.forget_closed();
                return;
            }
        }
        panic!("the network does not come to rest");
    }

    /// Nothing happens any more on connections that are closed at both ends.
    fn forget_closed(&mut self) {
        let is_closed = |wire: &Wire| wire.ends.iter().all(|end| end.is_closed);
        self.wires.retain(|wire| !is_closed(wire));
    }

    fn take_outputs(&mut self, host: usize) -> bool {
        let mut any = false;
        for _ in 0..100_000 {
            while let Some(notice) = self.hosts[host].engine.poll_notice() {
                self.trace.show((host, notice));
            }
            let Some(output) = self.hosts[host].engine.poll_output() else {
                return any;
            };
            any = true;
            self.trace
                .show((self.now.as_micros() / 1000, host, &output));
            match output {
                Output::Datagram(octets) => self.broadcast(host, octets),
                Output::Open { link, endpoint } => self.open(host, link, &endpoint),
                Output::Close(link) => self.closed(host, link),
                Output::Writable(_) | Output::Resume => {}
            }
        }
        panic!("outputs do not end");
    }

    fn broadcast(&mut self, from: usize, octets: Bytes) {
        let address = address(from);
        if self.datagrams.len() < 200 {
            self.datagrams.push((address, octets.clone()));
        }
        let now = self.now;
        for host in &mut self.hosts {
            if host.hears {
                host.engine.handle_datagram(address, &octets, now);
            }
        }
    }

    fn open(&mut self, client: usize, link: LinkId, to: &Endpoint) {
        let now = self.now;
        let server = 1 - client;
        let is_other = to.to_socket_addr() == Some(address(server));
        assert_ne!(to.to_socket_addr(), Some(address(client)), "that is itself");
        let is_taken = match is_other {
            true => self.hosts[server].is_open,
            false => self.takes,
        };
        if !is_taken {
            let engine = &mut self.hosts[client].engine;
            return engine.handle_closed(link, "connection refused", now);
        }
        if is_other {
            let mut remote = address(client);
            remote.set_port(40_000);
            let accepted = self.hosts[server].engine.handle_accepted(remote, now);
            let ends = [End::new(client, link), End::new(server, accepted)];
            self.wires.push(Wire { ends });
        } else {
            self.strangers.push(Stranger::new(client, link, true));
        }
        self.hosts[client].engine.handle_connected(link, now);
    }

    fn closed(&mut self, host: usize, link: LinkId) {
        for wire in &mut self.wires {
            let here = wire
                .ends
                .iter()
                .position(|end| (end.host, end.link) == (host, link));
            // It may have been read to its end since the engine wanted it closed.
            if let Some(here) = here {
                wire.ends[here].is_closed = true;
                wire.ends[1 - here].has_ended = true;
                return;
            }
        }
        let strangers = self.strangers.iter_mut().rev();
        let mut of_host = strangers.filter(|stranger| stranger.host == host);
        let closed = of_host.find(|stranger| stranger.link == link);
        let closed = closed.expect("a connection of somebody's");
        // The adversary may have ended it meanwhile.
        closed.is_closed = true;
    }

    /// What an end writes arrives at the other, as far as there is room.
    fn write(&mut self, wire: usize, end: usize) -> bool {
        let wire = &mut self.wires[wire];
        let room = (64 << 10) - wire.ends[1 - end].arrived.len();
        let here = &wire.ends[end];
        if here.is_closed || here.has_ended {
            return false;
        }
        let engine = &mut self.hosts[here.host].engine;
        let Some(outbox) = engine.outbox(here.link) else {
            return false;
        };
        let count = outbox.remaining().min(room);
        if count == 0 {
            return false;
        }
        let octets = outbox.copy_to_bytes(count);
        engine.handle_written(self.now);
        if !wire.ends[1 - end].is_closed {
            wire.ends[1 - end].arrived.extend(octets);
        }
        true
    }

    fn read(&mut self, wire: usize, end: usize, most: usize, also_held: bool) -> bool {
        let end = &mut self.wires[wire].ends[end];
        let engine = &mut self.hosts[end.host].engine;
        if end.is_closed || end.is_held && !also_held || engine.is_congested() {
            return false;
        }
        if end.arrived.is_empty() {
            if end.has_ended {
                end.is_closed = true;
                engine.handle_closed(end.link, "connection reset", self.now);
            }
            return end.has_ended;
        }
        let inbox = engine.inbox(end.link);
        let count = inbox.len().min(most).min(end.arrived.len()).min(READ);
        let octets: Vec<u8> = end.arrived.drain(..count).collect();
        inbox[..count].copy_from_slice(&octets);
        engine.handle_read(end.link, count, self.now);
        count > 0
    }

    fn listen(&mut self, number: usize) {
        let other = self.hosts[1 - number].engine.id();
        let host = &mut self.hosts[number];
        if !host.listens {
            return;
        }
        let mut any = false;
        while let Some(event) = host.engine.poll_event() {
            any = true;
            self.trace
                .show((self.now.as_micros() / 1000, number, &event));
            host.heard.take(&event);
            match event {
                Event::Enter { peer, .. } if peer == other => host.in_session = None,
                Event::Whisper { peer, content, .. } => {
                    if let Some(number) = number_of(&content) {
                        assert_eq!(peer, other);
                        host.hear(number);
                    }
                }
                _ => {}
            }
        }
        if any {
            host.heard.agrees_with(&host.engine);
        }
    }

    /// What the limits promise.
    fn check(&mut self) {
        for host in &self.hosts {
            assert!(host.engine.peers().count() <= PEERS);
            assert!(host.heard_number <= self.hosts.iter().map(|host| host.said).max().unwrap());
        }
        let held = self.meter.held();
        assert!(held <= HELD, "{held} octets are held");
    }

    /// Nobody stands between the engines any more.
    fn adversary_goes(&mut self) {
        self.takes = false;
        self.piece = READ;
        for index in 0..self.strangers.len() {
            self.close_stranger(index);
            self.settle();
        }
        for end in self.wires.iter_mut().flat_map(|wire| &mut wire.ends) {
            end.is_held = false;
        }
        for host in &mut self.hosts {
            (host.is_open, host.hears, host.listens) = (true, true, true);
        }
        self.wait(self.now + Duration::from_secs(45));
        self.find_each_other();
        let turns = self.hosts.each_ref().map(|host| host.heard.turns);
        for host in 0..2 {
            assert!(self.whisper(host, 3), "the other can be sent to");
        }
        self.wait(self.now + Duration::from_secs(15));
        assert_eq!(turns, self.hosts.each_ref().map(|host| host.heard.turns));
        for host in 0..2 {
            assert_eq!(self.hosts[host].said, self.hosts[1 - host].heard_number);
        }
        assert_eq!(self.wires.len(), 2, "one connection each way");
        self.strangers = Vec::new();
        self.datagrams = Vec::new();
        let held = self.meter.held();
        assert!(held <= HELD_AFTERWARDS, "{held} octets are still held");
    }

    /// Each engine sees the other, with its groups, and nobody else.
    fn find_each_other(&mut self) {
        for host in 0..2 {
            let (here, there) = (&self.hosts[host].engine, &self.hosts[1 - host].engine);
            assert!(here.peers().eq([there.id()]), "{host} sees the other alone");
            let info = here.peer(there.id()).unwrap();
            assert_eq!(info.endpoint, *there.endpoint());
            assert!(info.groups.iter().eq(there.own_groups()));
        }
    }
}

impl Host {
    fn new(number: usize, now: Instant) -> Self {
        let mut config = Config::new(Endpoint::from_socket_addr(address(number)).unwrap());
        config.id = Some(who(A + u8::try_from(number).unwrap()));
        config.limits.peers = PEERS;
        config.limits.pending_peers = 4;
        config.limits.unclaimed_links = 4;
        config.limits.groups_per_peer = 32;
        config.limits.headers_per_peer = 16;
        config.limits.header_frame = 2048;
        config.limits.message_size = MESSAGE + 64;
        config.limits.message_frames = 16;
        config.limits.outbound = 16 << 10;
        config.limits.events = EVENTS;
        config.limits.event_bytes = 256 << 10;
        Self {
            engine: Engine::new(config, [u8::try_from(number).unwrap(); 32], now),
            is_open: true,
            hears: true,
            listens: true,
            heard: Heard::default(),
            said: 0,
            heard_number: 0,
            in_session: None,
        }
    }

    fn hear(&mut self, number: u32) {
        assert!(number > self.heard_number, "heard again, or out of order");
        if let Some(last) = self.in_session {
            assert_eq!(number, last + 1, "something is missing");
        }
        self.heard_number = number;
        self.in_session = Some(number);
    }
}

impl End {
    fn new(host: usize, link: LinkId) -> Self {
        Self {
            host,
            link,
            arrived: VecDeque::new(),
            is_held: false,
            has_ended: false,
            is_closed: false,
        }
    }
}

impl Stranger {
    fn new(host: usize, link: LinkId, is_outgoing: bool) -> Self {
        Self {
            host,
            link,
            is_outgoing,
            is_closed: false,
            is_greeted: false,
            sequence: 0,
            raw: Vec::new(),
        }
    }
}

/// The number of a whisper that an engine was told to say; `None` for the adversary's.
fn number_of(content: &Content) -> Option<u32> {
    let number = content.frame(0)?.strip_prefix(MARK)?;
    Some(u32::from_be_bytes(number.try_into().unwrap()))
}

/// The engines' identities come first.
const A: u8 = 0;

/// Identities: the engines' and the adversary's.
fn who(id: u8) -> PeerId {
    PeerId::from([id % 6 + 1; 16])
}

fn address(host: usize) -> SocketAddr {
    place(u8::try_from(host).unwrap() + PLACE_OF_A)
}

const PLACE_OF_A: u8 = 4;

/// Addresses: the adversary's, the engines', and other ports of theirs.
fn place(place: u8) -> SocketAddr {
    match place % 8 {
        PLACE_OF_A => ([10, 0, 0, 1], 49152).into(),
        5 => ([10, 0, 0, 2], 49152).into(),
        6 => ([10, 0, 0, 1], 1).into(),
        7 => ([10, 0, 0, 2], 1).into(),
        place => ([10, 0, 0, 3], u16::from(place) + 1).into(),
    }
}

fn endpoint(number: u8) -> Endpoint {
    Endpoint::from_socket_addr(place(number)).unwrap()
}
