//! Engines under test, without sockets: the clock, the network, a driver that carries out their
//! outputs, and what must hold for every engine whatever happens to it.

mod actions;
mod event_order;
mod honest;
mod keys;
mod network;
mod stream;
mod tested;
mod whispers;

use std::{fmt::Debug, net::SocketAddr, time::Duration};

use bytes::{Buf as _, Bytes};
use zre_core::{Event, Instant, LinkId, Output};
use zre_proto::{PeerId, curve::PublicKey};

use crate::{
    adversary::Adversary,
    heap::Meter,
    script::{FromScript, Reader, Trace},
};
use event_order::EventOrder;
pub(crate) use honest::HonestPeer;
pub(crate) use keys::{Keys, keyed};
pub(crate) use network::Names;
use stream::{End, Stream};
pub(crate) use tested::{PORT, READ, TestedEngine, config};
pub(crate) use whispers::{MARK, NumberedWhispers};

/// The most bytes of the engines' and the honest peer's messages.
pub(crate) const MESSAGE: usize = 8192;
/// The most that an engine holds under the limits that all targets set: the events with what one
/// read brings, a buffer to read into and a message for each connection, what waits for six peers,
/// and what is on its way.
const HELD: usize = 4 << 20;
/// What an engine holds when the adversary has gone: one buffer to read into, and one peer.
const HELD_AFTERWARDS: usize = 256 << 10;
/// What may wait for a peer beyond its limit: one message, and the messages of the session, which
/// no application can be made to wait with.
const BEYOND_OUTBOUND: usize = (1 << 20) + MESSAGE + 1024;
/// How many datagrams the adversary can repeat.
const REPEATABLE: usize = 200;
/// How often everything is looked at until nothing moves any more.
const ROUNDS: usize = 100_000;

/// Engines, the network between them, an adversary on it, and maybe an honest peer.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Instant,
    /// Scripts do not wait beyond this.
    pub(crate) ends_at: Instant,
    pub(crate) engines: Vec<TestedEngine>,
    /// The connections between the engines.
    pub(crate) streams: Vec<Stream>,
    /// What the engines sent so far, with the sender's address, for the adversary to repeat.
    pub(crate) datagrams: Vec<(SocketAddr, Bytes)>,
    /// A peer of the first engine's.
    pub(crate) honest: Option<HonestPeer>,
    pub(crate) adversary: Adversary,
    /// Who has which key, if they have any.
    pub(crate) keys: Option<Keys>,
    pub(crate) names: Names,
    /// Connections that engines did not want any more when it was known where they lead.
    unwanted: Vec<(usize, LinkId)>,
    pub(crate) numbers: Numbers,
    pub(crate) meter: Meter,
    pub(crate) trace: Trace,
}

/// What the numbers in a script mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) id: fn(u8) -> PeerId,
    pub(crate) address: fn(u8) -> SocketAddr,
}

impl World {
    pub(crate) fn new(
        engines: Vec<TestedEngine>,
        adversary: Adversary,
        numbers: Numbers,
        time: Duration,
        now: Instant,
    ) -> Self {
        Self {
            now,
            ends_at: now + time,
            engines,
            streams: Vec::new(),
            datagrams: Vec::new(),
            honest: None,
            adversary,
            keys: None,
            names: Names::Right,
            unwanted: Vec::new(),
            numbers,
            meter: Meter::start(),
            trace: Trace::new(),
        }
    }

    /// Plays at most so many steps of a script, and checks after each.
    pub(crate) fn play<'a, S: FromScript<'a> + Debug>(
        &mut self,
        mut script: Reader<'a>,
        steps: usize,
        play: fn(&mut Self, S),
    ) {
        for _ in 0..steps {
            if script.is_empty() || self.adversary.knows_secret {
                break;
            }
            let step: S = script.read();
            self.trace.show(&step);
            play(self, step);
            self.settle();
            self.check();
        }
    }

    /// What the limits promise.
    fn check(&mut self) {
        let said = self.engines.iter().map(|tested| tested.whispers.said);
        let said = said.max().unwrap_or_default();
        for tested in &self.engines {
            assert!(tested.engine.node().peers().count() <= tested.limits.peers);
            assert!(tested.whispers.last_received <= said);
        }
        self.check_connections();
        self.check_held(HELD);
    }

    fn check_connections(&mut self) {
        for (number, tested) in self.engines.iter_mut().enumerate() {
            let limits = tested.limits;
            let (mut outgoing, mut accepted) = (0, 0);
            for connection in self.adversary.connections_of(number) {
                match connection.is_outgoing {
                    true => outgoing += 1,
                    false => accepted += 1,
                }
                let unsent = tested.unsent(connection.link).expect("it is open");
                assert!(unsent.remaining() <= limits.outbound + BEYOND_OUTBOUND);
            }
            // Fixed peers and gossip hubs are the user's own.
            let own = tested.engine.node().config();
            let own = own.connect.len() + own.gossip_connect.len();
            assert!(outgoing < limits.peers + own);
            let strangers = limits.unclaimed_links + limits.gossip_clients;
            assert!(accepted < limits.peers + own + strangers);
        }
    }

    /// Each engine may hold so many bytes.
    fn check_held(&self, each: usize) {
        let held = self.meter.held();
        assert!(held <= each * self.engines.len(), "{held} bytes are held");
    }

    /// When the adversary has gone, nothing of what it brought is left.
    pub(crate) fn check_held_afterwards(&mut self) {
        self.adversary.connections = Vec::new();
        self.datagrams = Vec::new();
        assert_eq!(self.unwanted, [], "they were to be closed");
        self.unwanted = Vec::new();
        self.check_held(HELD_AFTERWARDS);
    }

    /// Waits, at most until scripts end.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.wait_until(self.ends_at.min(self.now + time));
    }

    /// Steps from deadline to deadline; none may come again at once.
    pub(crate) fn wait_until(&mut self, end: Instant) {
        self.settle();
        loop {
            let engines = self.engines.iter();
            let due = engines.filter_map(|tested| tested.engine.poll_timeout());
            let beacon = self.honest.iter().map(|honest| honest.beacon_at);
            let Some(next) = due.chain(beacon).min().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(next);
            for tested in &mut self.engines {
                tested.handle_timeout(self.now);
            }
            if let Some(honest) = &mut self.honest {
                honest.handle_timeout(&mut self.engines[0], self.now);
            }
            self.settle();
        }
        self.now = self.now.max(end);
    }

    /// Carries out everything that can be, without any time passing.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ROUNDS {
            let mut any = false;
            for number in 0..self.engines.len() {
                any |= self.carry_out_outputs(number);
                if self.engines[number].listens && self.take_events(number) > 0 {
                    self.engines[number].check_queries();
                }
            }
            if let Some(honest) = &mut self.honest {
                any |= honest.exchange(&mut self.engines[0], self.now);
            }
            any |= self.carry();
            if !any {
                // Nothing happens any more on connections that are closed at both ends.
                self.streams.retain(|stream| !stream.is_closed());
                return;
            }
        }
        panic!("the engines do not come to rest");
    }

    /// The application of an engine takes all events; says how many there were.
    pub(crate) fn take_events(&mut self, number: usize) -> usize {
        let mut count = 0;
        while let Some(event) = self.engines[number].engine.poll_event() {
            count += 1;
            self.trace.show((self.millis(), number, &event));
            self.check_event(number, &event);
        }
        count
    }

    fn check_event(&mut self, number: usize, event: &Event) {
        let engines = self.engines.iter().enumerate();
        let others = engines.filter(|(other, _)| *other != number);
        let others: Vec<_> = others
            .map(|(_, tested)| tested.engine.node().id())
            .collect();
        let tested = &mut self.engines[number];
        assert!(tested.is_stopping || !matches!(event, Event::Stop { .. }));
        tested.order.check(event);
        if let Event::Enter { key, .. } = event {
            check_key(self.keys, key.as_ref().map(|key| key.public));
        }
        let is_other = |peer| others.contains(&peer);
        tested.whispers.check(event, is_other);
        if let Some(honest) = &mut self.honest {
            honest.check_event(event);
        }
    }

    /// An engine whispers the next number to the other; says whether it could.
    pub(crate) fn whisper_to_other(&mut self, from: usize, size: usize) -> bool {
        let peer = self.engines[1 - from].engine.node().id();
        let tested = &mut self.engines[from];
        let whisper = tested.whispers.next(size);
        let sent = tested.engine.whisper(peer, whisper, self.now);
        tested.whispers.said += u32::from(sent.is_ok());
        sent.is_ok()
    }

    fn carry_out_outputs(&mut self, number: usize) -> bool {
        let mut any = false;
        for _ in 0..ROUNDS {
            let engine = &mut self.engines[number].engine;
            while let Some(notice) = engine.poll_notice() {
                self.trace.show((number, notice));
            }
            let Some(output) = engine.poll_output() else {
                return any;
            };
            any = true;
            self.trace.show((self.millis(), number, &output));
            match output {
                Output::Datagram { network, datagram } => {
                    self.announce(number, network, datagram);
                }
                Output::Open {
                    link,
                    endpoint,
                    purpose,
                    ..
                } => self.open(number, link, &endpoint, purpose),
                Output::Close(link) => self.close(number, link),
                Output::Writable(_) => self.adversary_reads(),
                Output::Listen { network, address } => {
                    self.engines[number].listen(network, address, self.now);
                }
                Output::Leave(network) => self.leave(number, network),
                Output::Resume => {}
            }
        }
        panic!("outputs do not end");
    }

    fn close(&mut self, number: usize, link: LinkId) {
        let mut unwanted = self.unwanted.iter();
        if let Some(place) = unwanted.position(|one| *one == (number, link)) {
            self.unwanted.remove(place);
            return;
        }
        let is_this = |end: &End| (end.engine, end.link) == (number, link);
        for stream in &mut self.streams {
            // It may have been read to its end since the engine wanted it closed.
            if let Some(end) = stream.ends.iter().position(is_this) {
                return stream.close(end);
            }
        }
        match &mut self.honest {
            Some(honest) if honest.owns(link) => {
                let is_stopping = self.engines[number].is_stopping;
                assert!(is_stopping, "the honest peer is cut off");
                honest.close();
            }
            _ => self.adversary.close(number, link),
        }
    }

    fn millis(&self) -> u64 {
        self.now.as_micros() / 1000
    }
}

/// Only those enter who are trusted, with a key that they have.
fn check_key(keys: Option<Keys>, proved: Option<PublicKey>) {
    let Some(keys) = keys else {
        return assert_eq!(proved, None);
    };
    let mut trusted = vec![keys.member(0).public(), keys.member(1).public()];
    if keys.trust_adversary {
        trusted.push(keys.adversary().public());
    }
    assert!(trusted.contains(&proved.expect("it has proved its key")));
}
