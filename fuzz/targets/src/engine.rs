mod honest;

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use bytes::Buf as _;
use zre_core::{Config, Engine, Error, Event, Instant, LinkId, Output, Role};
use zre_proto::{Content, Endpoint, PeerId, RoutingId};

use crate::{
    heap::Meter,
    heard::Heard,
    script::{Reader, Trace},
    stranger::{self, Said, group},
    wire,
};
use honest::Honest;

pub(crate) const DATAGRAM: u8 = 0;
pub(crate) const CONNECT: u8 = 1;
pub(crate) const OCTETS: u8 = 2;

const PEERS: usize = 6;
const UNREADY_PEERS: usize = 4;
const UNREADY_LINKS: usize = 4;
const OUTBOUND: usize = 4096;
const MESSAGE: usize = 8192;
const EVENTS: usize = 64;
/// The most octets of one read.
const READ: usize = 4096;
/// What one read may bring beyond the limit on events: a message has eight octets at least.
const EVENTS_OF_A_READ: usize = READ / 8 + 4 * PEERS;
/// What may wait for a peer beyond its limit: one message, and what nobody can be made to wait with.
const UNREFUSABLE: usize = (1 << 20) + MESSAGE + 1024;

/// The most that an engine holds under these limits after a script as short as these are: the events with what
/// one read brings, a buffer to read into and a message for each connection, and what waits for six peers.
const HELD: usize = 4 << 20;
/// What it holds when the adversary has gone: one buffer to read into, and the honest peer.
const HELD_AFTERWARDS: usize = 256 << 10;

/// A script is not longer than this, so that no input takes long.
const STEPS: usize = 1000;
const MESSAGES: usize = 3000;
const TIME: Duration = Duration::from_secs(120);

/// An engine under a script of datagrams, octets, ends, time and commands, with an honest peer beside the
/// adversary.
///
/// All that the engine is polled for ends; events have their place; limits are kept, and the memory is
/// given back when the adversary has gone; and the honest peer is served as if it were alone: it
/// never exits, its connections stay, and what it says and what is said to it arrives whole and in order.
///
/// The adversary can say anything under other identities. Under the honest peer's it can send beacons, and
/// messages that do not fit its session. It cannot say HELLO as the honest peer: that is a restart, as no
/// signature tells them apart.
pub fn engine(octets: &[u8]) {
    let mut script = Reader(octets);
    let mut world = World::new();
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
    world.check_honest_peer_is_served();
    world.adversary_goes();
}

#[derive(Debug)]
enum Step<'a> {
    Datagram {
        from: u8,
        octets: &'a [u8],
    },
    Connect,
    Octets {
        link: u8,
        octets: &'a [u8],
    },
    Beacon {
        from: u8,
        who: u8,
        flags: u8,
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
    /// Whether the adversary takes the connections that the engine opens.
    Takes(bool),
    /// Whether the adversary reads what the engine writes.
    Reads(bool),
    Piece(u8),
    Wait {
        millis: u16,
    },
    /// The engine is asked for what is due too early.
    Early,
    /// It is told a time that is past.
    Past {
        millis: u16,
    },
    /// It is not called for a while, and its timeouts are late.
    Sleep {
        millis: u16,
    },
    Join(u8),
    Leave(u8),
    Whisper {
        who: u8,
        size: u16,
    },
    Shout {
        group: u8,
        size: u8,
    },
    Ping {
        who: u8,
    },
    Listen,
    HonestWhispers {
        size: u16,
    },
    HonestShouts {
        group: u8,
    },
    HonestJoins {
        group: u8,
    },
    HonestLeaves {
        group: u8,
    },
    HonestPiece(u8),
    WhisperToHonest {
        size: u16,
    },
    Stop {
        now: bool,
    },
}

impl<'a> Step<'a> {
    fn read(script: &mut Reader<'a>) -> Self {
        match script.u8() % 26 {
            DATAGRAM => Self::Datagram {
                from: script.u8(),
                octets: script.octets(),
            },
            CONNECT => Self::Connect,
            OCTETS => Self::Octets {
                link: script.u8(),
                octets: script.octets(),
            },
            3 => Self::Beacon {
                from: script.u8(),
                who: script.u8(),
                flags: script.u8(),
            },
            4 => Self::Greet {
                link: script.u8(),
                who: script.u8(),
            },
            5 | 6 => Self::Say {
                link: script.u8(),
                skew: script.u8(),
                times: script.u8(),
                said: Said::read(script),
            },
            7 => Self::Close { link: script.u8() },
            8 => Self::Takes(script.bool()),
            9 => Self::Reads(script.bool()),
            10 => Self::Piece(script.u8()),
            11 => Self::Wait {
                millis: script.u16(),
            },
            12 => match script.u8() % 3 {
                0 => Self::Early,
                1 => Self::Past {
                    millis: script.u16(),
                },
                _ => Self::Sleep {
                    millis: script.u16(),
                },
            },
            13 => Self::Join(script.u8()),
            14 => Self::Leave(script.u8()),
            15 => Self::Whisper {
                who: script.u8(),
                size: script.u16(),
            },
            16 => Self::Shout {
                group: script.u8(),
                size: script.u8(),
            },
            17 => Self::Ping { who: script.u8() },
            18 => Self::Listen,
            19 => Self::HonestWhispers { size: script.u16() },
            20 => Self::HonestShouts { group: script.u8() },
            21 => Self::HonestJoins { group: script.u8() },
            22 => Self::HonestLeaves { group: script.u8() },
            23 => Self::HonestPiece(script.u8()),
            24 => Self::WhisperToHonest { size: script.u16() },
            _ => Self::Stop { now: script.bool() },
        }
    }
}

struct World {
    engine: Engine,
    now: Instant,
    ends_at: Instant,
    honest: Honest,
    strangers: Vec<Stranger>,
    heard: Heard,
    /// How many messages the adversary may still say.
    messages: usize,
    takes: bool,
    reads: bool,
    piece: usize,
    is_stopping: bool,
    /// The adversary has got hold of the honest peer's identity, and may do with it what it likes.
    is_forged: bool,
    meter: Meter,
    trace: Trace,
}

/// A connection between the engine and the adversary.
struct Stranger {
    link: LinkId,
    /// Whether the engine opened it.
    is_outgoing: bool,
    is_closed: bool,
    /// Whether the engine wanted it closed.
    is_close_told: bool,
    greeted_as: Option<PeerId>,
    sequence: u16,
    raw: Vec<u8>,
}

impl World {
    fn new() -> Self {
        let mut config = Config::new(endpoint(NODE_PLACE));
        config.id = Some(who(NODE));
        config.limits.peers = PEERS;
        config.limits.pending_peers = UNREADY_PEERS;
        config.limits.unclaimed_links = UNREADY_LINKS;
        config.limits.groups_per_peer = 16;
        config.limits.headers_per_peer = 16;
        config.limits.header_frame = 2048;
        config.limits.message_size = MESSAGE;
        config.limits.message_frames = 16;
        config.limits.outbound = OUTBOUND;
        config.limits.events = EVENTS;
        config.limits.event_bytes = 256 << 10;
        let now = Instant::from_micros(1_000_000);
        let mut engine = Engine::new(config, [1; 32], now);
        let honest = Honest::meet(&mut engine, now);
        let mut world = Self {
            engine,
            now,
            ends_at: now + TIME,
            honest,
            strangers: Vec::new(),
            heard: Heard::default(),
            messages: MESSAGES,
            takes: true,
            reads: true,
            piece: READ,
            is_stopping: false,
            is_forged: false,
            meter: Meter::start(),
            trace: Trace::new(),
        };
        world.settle();
        world.listen();
        world.meter = Meter::start();
        world
    }

    fn step(&mut self, step: Step<'_>) {
        let now = self.now;
        match step {
            Step::Datagram { from, octets } => {
                self.engine.handle_datagram(place(from), octets, now);
            }
            Step::Beacon {
                from,
                who: id,
                flags,
            } => {
                let from = place(from);
                let port = if flags & 1 == 1 { 0 } else { from.port() };
                let beacon = stranger::beacon(who(id), port, flags & 2 == 2);
                self.engine.handle_datagram(from, &beacon, now);
            }
            Step::Connect => {
                let link = self.engine.handle_accepted(place(0), now);
                self.strangers.push(Stranger::new(link, false));
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
                    let stranger = &mut self.strangers[index];
                    stranger.is_closed = true;
                    let link = stranger.link;
                    self.engine.handle_closed(link, "closed", now);
                }
            }
            Step::Takes(takes) => self.takes = takes,
            Step::Reads(reads) => {
                self.reads = reads;
                self.read_strangers();
            }
            Step::Piece(piece) => self.piece = usize::from(piece).max(1),
            Step::Wait { millis } => self.wait(Duration::from_millis(millis.into())),
            Step::Early => self.nothing_is_due(now),
            Step::Past { millis } => {
                let micros = now.as_micros().saturating_sub(1000 * u64::from(millis));
                self.nothing_is_due(Instant::from_micros(micros));
            }
            Step::Sleep { millis } => {
                self.now = self.ends_at.min(now + Duration::from_millis(millis.into()));
                self.honest.may_be_doubted = true;
            }
            Step::HonestWhispers { size } => self.honest.whisper(size),
            Step::HonestShouts { group: name } => self.honest.shout(group(name)),
            Step::HonestJoins { group: name } => self.honest.join(group(name)),
            Step::HonestLeaves { group: name } => self.honest.leave(group(name)),
            Step::HonestPiece(piece) => self.honest.piece = usize::from(piece).max(4),
            Step::Listen => self.listen(),
            Step::Join(_)
            | Step::Leave(_)
            | Step::Whisper { .. }
            | Step::Shout { .. }
            | Step::Ping { .. }
            | Step::WhisperToHonest { .. }
            | Step::Stop { .. } => self.command(&step),
        }
    }

    /// What the application wants.
    fn command(&mut self, step: &Step<'_>) {
        let now = self.now;
        let done = match *step {
            Step::Join(name) => self.engine.join(&group(name), now),
            Step::Leave(name) => self.engine.leave(&group(name), now),
            Step::Whisper { who: id, size } if who(id) != who(HONEST) => {
                let size = usize::from(size) % (2 * MESSAGE);
                let sent = self.engine.whisper(who(id), vec![0; size].into(), now);
                assert!(size <= MESSAGE || sent.is_err());
                sent
            }
            Step::Shout { group: name, size } => self.shout(name, size),
            Step::Ping { who: id } => self.engine.ping(who(id), now).map(|_| ()),
            Step::WhisperToHonest { size } => {
                let content: Content = vec![b'w'; usize::from(size) % MESSAGE].into();
                let sent = self.engine.whisper(who(HONEST), content.clone(), now);
                if !self.is_stopping {
                    assert_eq!(sent, Ok(()), "to the honest peer");
                    self.honest.will_hear_whisper(content);
                }
                sent
            }
            Step::Stop { now: at_once } => {
                self.is_stopping = true;
                match at_once {
                    true => self.engine.stop_now(now),
                    false => self.engine.stop(now),
                }
                Ok(())
            }
            _ => Ok(()),
        };
        if self.is_stopping {
            assert!(matches!(done, Ok(()) | Err(Error::Stopped)));
        } else {
            assert_ne!(done, Err(Error::Stopped));
        }
    }

    fn shout(&mut self, name: u8, size: u8) -> Result<(), Error> {
        let group = group(name);
        let content: Content = vec![b's'; size.into()].into();
        let members: BTreeSet<_> = self.engine.peers_by_group(&group).collect();
        let shouted = self.engine.shout(&group, content.clone(), self.now)?;
        assert!(shouted.reached + shouted.full.len() <= members.len());
        assert!(!shouted.full.contains(&who(HONEST)));
        if members.contains(&who(HONEST)) {
            self.honest.will_hear_shout(group, content);
        }
        Ok(())
    }

    fn nothing_is_due(&mut self, at: Instant) {
        let due = self.engine.poll_timeout();
        if due.is_none_or(|due| due > self.now) {
            self.engine.handle_timeout(at);
            assert_eq!(self.engine.poll_timeout(), due);
        }
    }

    /// Steps from deadline to deadline; none may come again at once.
    fn wait(&mut self, time: Duration) {
        let end = (self.now + time).min(self.ends_at);
        loop {
            let due = self.engine.poll_timeout();
            let next = due.map_or(self.honest.beacon_at, |due| due.min(self.honest.beacon_at));
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if due.is_some_and(|due| due <= self.now) {
                self.engine.handle_timeout(self.now);
                let due = self.engine.poll_timeout();
                assert!(due.is_none_or(|due| due > self.now), "a timer spins");
            }
            self.honest.beacon(&mut self.engine, self.now);
            self.settle();
        }
        self.now = self.now.max(end);
    }

    /// Octets of the adversary's own making.
    fn raw(&mut self, link: u8, octets: &[u8]) {
        let Some(index) = self.stranger(link) else {
            return;
        };
        let stranger = &mut self.strangers[index];
        if stranger.greeted_as == Some(who(HONEST)) {
            return;
        }
        stranger.raw.extend_from_slice(octets);
        let mut raw = stranger.raw.windows(16);
        self.is_forged = raw.any(|octets| octets == who(HONEST).to_bytes());
        if !self.is_forged {
            self.read(index, octets);
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
        // Raw octets in front could make something else of it.
        if stranger.greeted_as.is_none() && (stranger.raw.is_empty() || peer != who(HONEST)) {
            stranger.greeted_as = Some(peer);
            self.read(index, &wire::handshake(role));
        }
    }

    fn say(&mut self, link: u8, skew: u8, times: u8, said: Said) {
        let Some(index) = self.stranger(link) else {
            return;
        };
        let is_forgery = self.strangers[index].greeted_as == Some(who(HONEST));
        if is_forgery && matches!(said, Said::Hello { .. }) {
            return;
        }
        let place = match said {
            Said::Hello { place, .. } => place,
            _ => 0,
        };
        for _ in 0..usize::from(times).max(1).min(self.messages) {
            self.messages -= 1;
            let honest_sequence = self.honest.sequence;
            let stranger = &mut self.strangers[index];
            stranger.sequence = stranger.sequence.wrapping_add(1).wrapping_add(skew.into());
            if is_forgery {
                // Neither the next of the session nor, while the engine does not read, one of the next.
                stranger.sequence = honest_sequence + 2 + u16::from(skew);
            }
            let octets = said.octets(stranger.sequence, endpoint(place));
            self.read(index, &octets);
        }
    }

    /// One of the adversary's connections, if it is open.
    fn stranger(&self, index: u8) -> Option<usize> {
        let index = usize::from(index).checked_rem(self.strangers.len())?;
        (!self.strangers[index].is_closed).then_some(index)
    }

    /// The engine reads from one of the adversary's connections, if it wants to, in pieces that grow.
    fn read(&mut self, index: usize, mut octets: &[u8]) {
        let mut piece = self.piece;
        while !octets.is_empty() && !self.engine.is_congested() {
            let stranger = &self.strangers[index];
            if stranger.is_closed {
                return;
            }
            let link = stranger.link;
            let inbox = self.engine.inbox(link);
            assert!(!inbox.is_empty());
            let count = inbox.len().min(octets.len()).min(piece);
            let (now, later) = octets.split_at(count);
            inbox[..count].copy_from_slice(now);
            octets = later;
            piece = READ.min(2 * piece);
            self.engine.handle_read(link, count, self.now);
            self.settle();
        }
    }

    /// Takes every output, and lets the honest peer read and write, until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let outputs = self.take_outputs();
            while let Some(notice) = self.engine.poll_notice() {
                self.trace.show(notice);
            }
            let exchanged = self.honest.exchange(&mut self.engine, self.now);
            if !outputs && !exchanged {
                return;
            }
        }
        panic!("the engine does not come to rest");
    }

    fn take_outputs(&mut self) -> bool {
        let mut any = false;
        for _ in 0..10_000 {
            let Some(output) = self.engine.poll_output() else {
                return any;
            };
            any = true;
            self.trace.show(&output);
            match output {
                Output::Open { link, endpoint: to } => {
                    assert_ne!(to, endpoint(HONEST_PLACE), "it is connected already");
                    assert_ne!(to, endpoint(NODE_PLACE), "that is the engine itself");
                    self.strangers.push(Stranger::new(link, true));
                    match self.takes {
                        true => self.engine.handle_connected(link, self.now),
                        false => {
                            self.strangers.last_mut().unwrap().is_closed = true;
                            self.engine.handle_closed(link, "refused", self.now);
                        }
                    }
                }
                Output::Close(link) if self.honest.owns(link) => {
                    assert!(self.is_stopping, "the honest peer is cut off");
                    self.honest.close();
                }
                Output::Close(link) => {
                    let strangers = self.strangers.iter_mut();
                    let closed = strangers.rev().find(|stranger| stranger.link == link);
                    let closed = closed.expect("a connection of somebody's");
                    // The adversary may have ended it meanwhile.
                    closed.is_closed = true;
                    let told_before = core::mem::replace(&mut closed.is_close_told, true);
                    assert!(!told_before, "closed twice");
                }
                Output::Writable(_) => self.read_strangers(),
                Output::Datagram(_) | Output::Resume => {}
            }
        }
        panic!("outputs do not end");
    }

    /// The adversary takes what the engine wrote to it, if it reads at all.
    fn read_strangers(&mut self) {
        if !self.reads {
            return;
        }
        for stranger in self.strangers.iter().filter(|stranger| !stranger.is_closed) {
            if let Some(outbox) = self.engine.outbox(stranger.link) {
                outbox.advance(outbox.remaining());
            }
        }
        self.engine.handle_written(self.now);
    }

    /// The application takes all events; reading may go on, so there may be more.
    fn listen(&mut self) {
        let mut count = 0;
        loop {
            while let Some(event) = self.engine.poll_event() {
                count += 1;
                assert!(count <= EVENTS + EVENTS_OF_A_READ, "events pile up");
                self.trace.show(&event);
                self.heard.take(&event);
                if event.peer() == Some(who(HONEST)) {
                    self.honest.is_heard(&event);
                }
                assert!(self.is_stopping || event != Event::Stop);
            }
            self.heard.agrees_with(&self.engine);
            assert!(!self.engine.is_congested());
            self.settle();
            if !self.engine.has_events() {
                break;
            }
            count = 0;
        }
        self.honest.is_up_to_date();
    }

    /// What the limits promise.
    fn check(&mut self) {
        assert!(self.engine.peers().count() <= PEERS);
        let open = self.strangers.iter().filter(|stranger| !stranger.is_closed);
        let (outgoing, accepted): (Vec<_>, Vec<_>) =
            open.partition(|stranger| stranger.is_outgoing);
        assert!(accepted.len() < UNREADY_LINKS + PEERS);
        assert!(outgoing.len() < PEERS);
        for stranger in outgoing.into_iter().chain(accepted) {
            let outbox = self.engine.outbox(stranger.link);
            let waiting = outbox.expect("it is open").remaining();
            assert!(waiting <= OUTBOUND + UNREFUSABLE);
        }
        let held = self.meter.held();
        assert!(held <= HELD, "{held} octets are held");
    }

    fn check_honest_peer_is_served(&mut self) {
        if self.is_forged {
            return;
        }
        self.listen();
        if self.is_stopping {
            return;
        }
        self.honest.whisper(3);
        self.step(Step::WhisperToHonest { size: 3 });
        self.settle();
        self.listen();
        assert_eq!(
            self.honest.node_groups,
            self.engine.own_groups().cloned().collect()
        );
        assert!(self.engine.peers().any(|peer| peer == who(HONEST)));
    }

    /// What the adversary brought goes with it.
    fn adversary_goes(&mut self) {
        if self.is_forged {
            return;
        }
        self.takes = false;
        for index in 0..self.strangers.len() {
            let stranger = &mut self.strangers[index];
            if !core::mem::replace(&mut stranger.is_closed, true) {
                let link = stranger.link;
                self.engine.handle_closed(link, "gone", self.now);
                self.settle();
            }
        }
        self.ends_at = self.now + TIME;
        for _ in 0..8 {
            self.wait(Duration::from_secs(5));
            self.listen();
        }
        let left: Vec<_> = self.engine.peers().collect();
        if self.is_stopping {
            assert!(self.engine.is_stopped() && self.heard.is_stopped());
            assert_eq!((left, self.engine.poll_timeout()), (Vec::new(), None));
        } else {
            assert_eq!(left, [who(HONEST)]);
        }
        self.strangers = Vec::new();
        if self.is_stopping {
            self.honest.forget_unsent();
        }
        let held = self.meter.held();
        assert!(held <= HELD_AFTERWARDS, "{held} octets are still held");
    }
}

impl Stranger {
    fn new(link: LinkId, is_outgoing: bool) -> Self {
        Self {
            link,
            is_outgoing,
            is_closed: false,
            is_close_told: false,
            greeted_as: None,
            sequence: 0,
            raw: Vec::new(),
        }
    }
}

const NODE: u8 = 6;
const HONEST: u8 = 7;

/// Identities: the adversary's, the engine's, the honest peer's.
fn who(id: u8) -> PeerId {
    match id % 8 {
        NODE => PeerId::from([0xEE; 16]),
        HONEST => PeerId::from(*b"an honest peer's"),
        id => PeerId::from([id; 16]),
    }
}

const NODE_PLACE: u8 = 6;
const HONEST_PLACE: u8 = 7;

/// Addresses: the adversary's, the engine's, the honest peer's, and another port of its.
fn place(place: u8) -> SocketAddr {
    match place % 9 {
        NODE_PLACE => ([10, 0, 0, 1], 49152).into(),
        HONEST_PLACE => ([10, 0, 1, 1], 49152).into(),
        8 => ([10, 0, 1, 1], 1).into(),
        place => ([10, 0, 0, 2], u16::from(place) + 1).into(),
    }
}

fn endpoint(number: u8) -> Endpoint {
    Endpoint::from_socket_addr(place(number)).unwrap()
}
