//! An engine under a script of datagrams, octets, ends, time and commands: it does not panic, all
//! that it is polled for ends, it holds no more than its limits, and an honest peer beside is still served.

#![no_main]

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use arbitrary::Arbitrary;
use bytes::Buf as _;
use libfuzzer_sys::fuzz_target;
use zre_core::{Config, Engine, Event, Instant, LinkId, Output};
use zre_proto::{Body, Content, Hello, Message, PeerId, RoutingId};

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    Datagram(&'a [u8]),
    Beacon { peer: u8, port: u16 },
    Accept,
    Octets { link: u8, octets: &'a [u8] },
    Greet { link: u8, peer: u8 },
    Say { link: u8, sequence: u16, body: Said },
    Close { link: u8 },
    Wait { millis: u16 },
    Join(u8),
    Leave(u8),
    Whisper { peer: u8, size: u16 },
    Shout { group: u8 },
    Listen,
    Stop,
}

#[derive(Debug, Arbitrary)]
enum Said {
    Hello { port: u16, group: u8 },
    Whisper(u8),
    Shout(u8),
    Join(u8, u8),
    Leave(u8, u8),
    Ping,
    PingOk,
    Goodbye,
    Other(u8),
}

fuzz_target!(|steps: Vec<Step<'_>>| {
    let mut world = World::new();
    for step in &steps {
        world.step(step);
        world.settle();
    }
    world.check();
});

struct World {
    engine: Engine,
    now: Instant,
    links: Vec<LinkId>,
    closed: BTreeMap<LinkId, bool>,
    entered: BTreeMap<PeerId, bool>,
    stopped: bool,
}

impl World {
    fn new() -> Self {
        let mut config = Config::new("tcp://10.0.0.1:49152".parse().expect("an endpoint"));
        config.uuid = Some(peer(0));
        config.limits.peers = 8;
        config.limits.unready_peers = 4;
        config.limits.unready_links = 4;
        config.limits.events = 64;
        config.limits.outbound = 4096;
        let now = Instant::default();
        Self {
            engine: Engine::new(config, [1; 32], now),
            now,
            links: Vec::new(),
            closed: BTreeMap::new(),
            entered: BTreeMap::new(),
            stopped: false,
        }
    }

    fn step(&mut self, step: &Step<'_>) {
        let now = self.now;
        let from: SocketAddr = "10.0.0.2:5670".parse().expect("an address");
        match step {
            Step::Datagram(octets) => self.engine.handle_datagram(from, octets, now),
            Step::Beacon { peer: id, port } => {
                let beacon = zre_proto::Beacon {
                    peer: peer(*id),
                    port: core::num::NonZeroU16::new(*port),
                    public_key: None,
                };
                self.engine.handle_datagram(from, &beacon.encode(), now);
            }
            Step::Accept => {
                let link = self.engine.handle_accepted(from, now);
                self.links.push(link);
            }
            Step::Octets { link, octets } => self.read(*link, octets),
            Step::Greet { link, peer: id } => self.read(*link, &greeting(peer(*id))),
            Step::Say {
                link,
                sequence,
                body,
            } => self.read(*link, &message(*sequence, body)),
            Step::Close { link } => {
                if let Some(link) = self.link(*link) {
                    self.closed.insert(link, true);
                    self.engine.handle_closed(link, "closed", now);
                }
            }
            Step::Wait { millis } => self.wait(Duration::from_millis((*millis).into())),
            Step::Join(name) => _ = self.engine.join(&group(*name), now),
            Step::Leave(name) => _ = self.engine.leave(&group(*name), now),
            Step::Whisper { peer: id, size } => {
                let content = Content::from(vec![0; (*size).into()]);
                _ = self.engine.whisper(peer(*id), content, now);
            }
            Step::Shout { group: name } => _ = self.engine.shout(&group(*name), "x".into(), now),
            Step::Listen => while self.hear() {},
            Step::Stop => self.engine.stop(now),
        }
    }

    /// Steps from deadline to deadline; none may come again at once for ever.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100_000 {
            match self.engine.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.engine.handle_timeout(self.now);
                    self.settle();
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("a timer spins");
    }

    fn link(&self, index: u8) -> Option<LinkId> {
        let count = self.links.len();
        let index = usize::from(index).checked_rem(count)?;
        self.links.get(index).copied()
    }

    fn read(&mut self, link: u8, mut octets: &[u8]) {
        let Some(link) = self
            .link(link)
            .filter(|link| !self.closed.contains_key(link))
        else {
            return;
        };
        while !octets.is_empty() && !self.engine.is_congested() && !self.closed.contains_key(&link)
        {
            let inbox = self.engine.inbox(link);
            let (now, later) = octets.split_at(inbox.len().min(octets.len()));
            inbox[..now.len()].copy_from_slice(now);
            octets = later;
            self.engine.handle_read(link, now.len(), self.now);
            self.settle();
        }
    }

    /// Takes every output; whatever is opened connects, and is never read from.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            match self.engine.poll_output() {
                Some(Output::Open { link, .. }) => {
                    self.links.push(link);
                    self.engine.handle_connected(link, self.now);
                }
                Some(Output::Close(link)) => _ = self.closed.insert(link, true),
                Some(Output::Writable(link)) if self.links.len() % 2 == 0 => {
                    if let Some(outbox) = self.engine.outbox(link) {
                        outbox.advance(outbox.remaining());
                    }
                    self.engine.handle_written(self.now);
                }
                Some(_) => {}
                None => {
                    while self.engine.poll_notice().is_some() {}
                    return;
                }
            }
        }
        panic!("outputs do not end");
    }

    /// Takes one event and checks its place in the peer's life.
    fn hear(&mut self) -> bool {
        let Some(event) = self.engine.poll_event() else {
            return false;
        };
        assert!(!self.stopped, "an event behind Stop");
        match event {
            Event::Enter { peer, .. } => {
                assert_eq!(self.entered.insert(peer, true), None, "entered twice");
            }
            Event::Exit { peer, .. } => {
                assert_eq!(self.entered.remove(&peer), Some(true), "exit of nobody");
            }
            Event::Stop => self.stopped = true,
            Event::Join { peer, .. }
            | Event::Leave { peer, .. }
            | Event::Whisper { peer, .. }
            | Event::Shout { peer, .. }
            | Event::Evasive { peer, .. }
            | Event::Silent { peer, .. } => {
                assert!(self.entered.contains_key(&peer), "{peer} has not entered");
            }
            _ => {}
        }
        true
    }

    fn check(&mut self) {
        assert!(self.engine.peers().count() <= 8);
        while self.hear() {}
        self.settle();
        let known: Vec<_> = self.engine.peers().collect();
        let heard: Vec<_> = self.entered.keys().copied().collect();
        if !self.stopped {
            assert_eq!(known, heard, "the queries say what the events said");
        }
        self.wait(Duration::from_secs(100));
        while self.hear() {}
    }
}

fn peer(id: u8) -> PeerId {
    PeerId::from([id % 6; 16])
}

fn group(name: u8) -> zre_proto::GroupName {
    format!("G{}", name % 4).try_into().expect("a group")
}

fn greeting(id: PeerId) -> Vec<u8> {
    let endpoint = "tcp://10.0.0.1:1".parse().expect("an endpoint");
    let limits = Config::new(endpoint).limits;
    let role = zre_core::Role::Connecting(RoutingId::from(id));
    let mut ours = zre_core::Link::new(role, &limits);
    let mut theirs = zre_core::Link::new(zre_core::Role::Accepting, &limits);
    let mut said = Vec::new();
    for _ in 0..2 {
        let octets = take(&mut ours);
        said.extend_from_slice(&octets);
        deliver(&mut theirs, &octets);
        deliver(&mut ours, &take(&mut theirs));
    }
    said
}

fn take(link: &mut zre_core::Link) -> Vec<u8> {
    let outbox = link.outbox();
    outbox.copy_to_bytes(outbox.remaining()).to_vec()
}

fn deliver(link: &mut zre_core::Link, octets: &[u8]) {
    link.inbox()[..octets.len()].copy_from_slice(octets);
    link.handle_read(octets.len());
    while let Ok(Some(_)) = link.next_event() {}
}

fn message(sequence: u16, said: &Said) -> Vec<u8> {
    let body = match said {
        Said::Hello { port, group: name } => Body::Hello(Hello {
            endpoint: format!("tcp://10.0.0.2:{}", port % 6 + 1)
                .parse()
                .expect("an endpoint"),
            groups: [group(*name)].into(),
            status: 1,
            name: "fuzz".try_into().expect("a name"),
            headers: zre_proto::Headers::default(),
        }),
        Said::Whisper(size) => Body::Whisper {
            content: vec![0; usize::from(*size)].into(),
        },
        Said::Shout(name) => Body::Shout {
            group: group(*name),
            content: "x".into(),
        },
        Said::Join(name, status) => Body::Join {
            group: group(*name),
            status: *status,
        },
        Said::Leave(name, status) => Body::Leave {
            group: group(*name),
            status: *status,
        },
        Said::Ping => Body::Ping,
        Said::PingOk => Body::PingOk,
        Said::Goodbye => Body::Goodbye,
        Said::Other(id) => Body::Unknown { id: *id },
    };
    // Small sequence numbers are the likely ones.
    let message = Message {
        sequence: sequence % 8,
        body,
    };
    let header = message.header();
    let content = message.body.content().cloned().unwrap_or_default();
    let mut octets = Vec::new();
    let frames = content.frames();
    put_frame(&mut octets, !frames.is_empty(), &header);
    for (index, frame) in frames.iter().enumerate() {
        put_frame(&mut octets, index + 1 < frames.len(), frame);
    }
    octets
}

fn put_frame(octets: &mut Vec<u8>, more: bool, body: &[u8]) {
    let header = zre_proto::zmtp::FrameHeader {
        command: false,
        more,
        size: body.len() as u64,
    };
    header.encode(octets);
    octets.extend_from_slice(body);
}
