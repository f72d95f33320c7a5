//! Replays the recorded conversations, with an engine in place of one of the nodes.
//!
//! The bytes of one side go into an [`Engine`] that has the other side's identity and endpoint, at
//! the times of the recording. Its events must be those that `captures/README.md` describes. A
//! beacon is a sign of life to us but not to zyre, so here no peer falls silent; with gossip there
//! are no beacons. Of the nodes' ends, the recordings contain only pyre's last beacon and the end
//! of its connections.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use zre_core::{Config, Engine, Event, ExitReason, Instant, LinkId, Output, Seed};
use zre_proto::{
    Content, Headers, PeerId, RoutingId,
    zmtp::{Command, FrameHeader, Greeting, Metadata},
};
use zre_tests::capture::{Capture, Connection, Side};

const ALICE: &str = "10.90.0.1:49152";
const BOB: &str = "10.90.0.2:49152";
const PY: &str = "10.90.0.2:45957";

#[test]
fn in_bobs_place_we_hear_what_alice_of_zyre_says() {
    let heard = replay("zyre-zyre-null.pcap", ALICE, BOB);
    assert_eq!(heard, said_by_alice(ALICE));
}

#[test]
fn in_alices_place_we_hear_what_bob_of_zyre_says() {
    let heard = replay("zyre-zyre-null.pcap", BOB, ALICE);
    assert_eq!(heard, said_by_bob(BOB));
}

#[test]
fn in_pyres_place_we_hear_what_zyre_says() {
    let heard = replay("zyre-pyre-null.pcap", ALICE, PY);
    let expected = [
        enter("zy", ALICE, &[("X-HELLO", "World")]),
        join("zy", "CHAT"),
        whisper("zy", frames(&[b"hello", b"", b"\0\0\xFF"])),
        // Where pyre leaves, its connections end, and here we are pyre.
        "lost zy".into(),
    ];
    assert_eq!(heard, expected);
}

#[test]
fn in_zyres_place_we_hear_what_pyre_says_and_that_it_leaves() {
    let heard = replay("zyre-pyre-null.pcap", PY, ALICE);
    let expected = [
        enter("py", PY, &[("X-ROLE", "listener")]),
        join("py", "CHAT"),
        shout("py", "CHAT", ["hi", "j"].into()),
        leave("py", "CHAT"),
        "goodbye py".into(),
    ];
    assert_eq!(heard, expected);
}

#[test]
fn without_beacons_we_hear_the_same_by_connections_alone() {
    let (alice, bob) = ("10.90.0.1:9101", "10.90.0.2:9102");
    let heard = replay("zyre-zyre-gossip.pcap", alice, bob);
    let mut expected = said_by_alice(alice);
    expected.push("evasive alice".into());
    assert_eq!(heard, expected);
    let heard = replay("zyre-zyre-gossip.pcap", bob, alice);
    let mut expected = said_by_bob(bob);
    expected.push("evasive bob".into());
    assert_eq!(heard, expected);
}

#[test]
fn an_election_counts_in_the_sequence_and_is_passed_over() {
    let heard = replay("zyre-zyre-election.pcap", ALICE, BOB);
    assert_eq!(heard, said_by_alice(ALICE));
    let heard = replay("zyre-zyre-election.pcap", BOB, ALICE);
    assert_eq!(heard, said_by_bob(BOB));
}

/// What is heard of alice, who is zyre, in the conversations that were recorded with zyre.
fn said_by_alice(endpoint: &str) -> Vec<String> {
    vec![
        enter("alice", endpoint, &[("X-EMPTY", ""), ("X-HELLO", "World")]),
        join("alice", "EARLY"),
        join("alice", "CHAT"),
        whisper("alice", four_frames()),
    ]
}

/// The same of bob.
fn said_by_bob(endpoint: &str) -> Vec<String> {
    vec![
        enter("bob", endpoint, &[("X-ROLE", "listener")]),
        join("bob", "CHAT"),
        shout("bob", "CHAT", ["hi"].into()),
        leave("bob", "CHAT"),
    ]
}

/// What an engine at `ours` hears when the recorded node at `theirs` talks to it.
fn replay(file: &str, theirs: &str, ours: &str) -> Vec<String> {
    let capture = Capture::load(file);
    let mut replay = Replay::new(&capture, theirs.parse().unwrap(), ours.parse().unwrap());
    let mut deeds = replay.deeds(&capture);
    deeds.sort_by_key(|(at, _)| *at);
    for (at, deed) in deeds {
        replay.wait_until(at);
        replay.carry_out(deed);
        replay.take_outputs();
    }
    replay.wait_until(replay.now + Duration::from_secs(1));
    replay.heard
}

/// Something that the recorded node did.
enum Deed {
    Beacon(SocketAddr, Bytes),
    /// It connects to us, says something there, and ends it.
    Connect(SocketAddr),
    Say(Bytes),
    Hang(Side),
    /// It answers on the connection that we opened to it.
    Answer(Bytes),
}

struct Replay<'a> {
    engine: Engine,
    now: Instant,
    theirs: SocketAddr,
    /// The recorded connections: from them to us, and from us to them.
    to_us: &'a Connection,
    to_them: &'a Connection,
    accepted: Option<LinkId>,
    opened: Option<LinkId>,
    answers: BytesMut,
    written: BTreeMap<LinkId, usize>,
    heard: Vec<String>,
}

impl<'a> Replay<'a> {
    fn new(capture: &'a Capture, theirs: SocketAddr, ours: SocketAddr) -> Self {
        let to = |server| {
            let mut connections = capture.connections().iter();
            connections
                .find(|connection| connection.server == server && !connection.chunks().is_empty())
                .unwrap()
        };
        let (to_us, to_them) = (to(ours), to(theirs));
        let mut config = Config::new(format!("tcp://{ours}").parse().unwrap());
        config.id = Some(who_connects(to_them));
        Self {
            engine: Engine::new(config, Seed::predictable([1; 32]), Instant::default()),
            now: Instant::default(),
            theirs,
            to_us,
            to_them,
            accepted: None,
            opened: None,
            answers: BytesMut::new(),
            written: BTreeMap::new(),
            heard: Vec::new(),
        }
    }

    fn deeds(&self, capture: &Capture) -> Vec<(Instant, Deed)> {
        let at = |duration| Instant::default() + duration;
        let beacons = capture
            .datagrams()
            .iter()
            .filter(|datagram| datagram.from.ip() == self.theirs.ip())
            .map(|datagram| {
                let deed = Deed::Beacon(datagram.from, datagram.payload.clone());
                (at(datagram.at), deed)
            });
        let connect = (at(self.to_us.opened_at), Deed::Connect(self.to_us.client));
        let say =
            chunks(self.to_us, Side::Client).map(|(time, bytes)| (at(time), Deed::Say(bytes)));
        let answer =
            chunks(self.to_them, Side::Server).map(|(time, bytes)| (at(time), Deed::Answer(bytes)));
        let hang_up = [(self.to_us, Side::Client), (self.to_them, Side::Server)]
            .into_iter()
            .filter_map(|(connection, side)| Some((at(connection.closed_at?), Deed::Hang(side))));
        let first = [connect].into_iter().chain(beacons);
        first.chain(say).chain(answer).chain(hang_up).collect()
    }

    fn wait_until(&mut self, at: Instant) {
        while let Some(next) = self.engine.poll_timeout().filter(|next| *next <= at) {
            self.engine.handle_timeout(next);
            self.take_outputs();
        }
        self.now = at;
    }

    fn carry_out(&mut self, deed: Deed) {
        match deed {
            Deed::Beacon(from, bytes) => self.engine.handle_datagram(from, &bytes, self.now),
            Deed::Connect(from) => {
                self.accepted = Some(self.engine.handle_accepted(from, self.now));
            }
            Deed::Say(bytes) => {
                // Its PING-OK answered whoever was recorded. An answer that nobody asked for would
                // end the session.
                if bytes.windows(3).any(|part| part == b"\xAA\xA1\x07") {
                    let peer = who_connects(self.to_us);
                    self.engine.ping(peer, self.now).expect("it has entered");
                }
                self.read(self.accepted.unwrap(), &bytes);
            }
            Deed::Answer(bytes) => {
                self.answers.put(bytes);
                self.read_answers();
            }
            Deed::Hang(side) => {
                let link = match side {
                    Side::Client => self.accepted,
                    Side::Server => self.opened,
                };
                let link = link.unwrap();
                self.engine.handle_closed(link, "end", self.now);
            }
        }
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Open { link, endpoint, .. } => {
                    assert_eq!(endpoint.to_socket_addr(), Some(self.theirs));
                    assert_eq!(self.opened, None, "one connection to each peer");
                    self.opened = Some(link);
                    self.engine.handle_connected(link, self.now);
                    self.read_answers();
                }
                Output::Writable(link) => {
                    if let Some(outbox) = self.engine.write_buffer(link) {
                        *self.written.entry(link).or_default() += outbox.remaining();
                        outbox.advance(outbox.remaining());
                    }
                }
                Output::Listen { .. }
                | Output::Leave(_)
                | Output::Datagram { .. }
                | Output::Close(_)
                | Output::Resume => {}
            }
        }
        while let Some(event) = self.engine.poll_event() {
            self.heard.push(in_short(&event));
        }
    }

    /// What they answer waits until we have asked, should we be the slower.
    fn read_answers(&mut self) {
        if let Some(link) = self.opened {
            let bytes = self.answers.split();
            self.read(link, &bytes);
        }
    }

    fn read(&mut self, link: LinkId, bytes: &[u8]) {
        let mut reader = self.engine.reader(link).expect("the engine knows it");
        reader.buffer()[..bytes.len()].copy_from_slice(bytes);
        reader.commit(bytes.len(), self.now);
    }
}

fn chunks(connection: &Connection, from: Side) -> impl Iterator<Item = (Duration, Bytes)> {
    let chunks = connection.chunks().iter();
    chunks
        .filter(move |chunk| chunk.from == from)
        .map(|chunk| (chunk.at, chunk.bytes.clone()))
}

/// The peer that connected, by the identity in its READY.
fn who_connects(connection: &Connection) -> PeerId {
    let mut bytes = connection.bytes(Side::Client);
    bytes.advance(Greeting::LEN);
    let (head, length) = FrameHeader::decode(&bytes).unwrap().unwrap();
    bytes.advance(length);
    let body = bytes.split_to(usize::try_from(head.size).unwrap());
    let Command::Ready(metadata) = Command::decode(&body).unwrap() else {
        panic!("no READY")
    };
    let identity = metadata.get(Metadata::IDENTITY).unwrap();
    RoutingId::from_bytes(identity).unwrap().peer()
}

fn in_short(event: &Event) -> String {
    match event {
        Event::Enter {
            name,
            endpoint,
            headers,
            ..
        } => format!("enter {name} {endpoint} {}", shown(headers)),
        Event::Join { name, group, .. } => join(&name.to_string(), &group.to_string()),
        Event::Leave { name, group, .. } => leave(&name.to_string(), &group.to_string()),
        Event::Whisper { name, content, .. } => whisper(&name.to_string(), content.clone()),
        Event::Shout {
            name,
            group,
            content,
            ..
        } => shout(&name.to_string(), &group.to_string(), content.clone()),
        Event::Exit {
            name,
            reason: ExitReason::Goodbye,
            ..
        } => format!("goodbye {name}"),
        Event::Exit {
            name,
            reason: ExitReason::ConnectionLost,
            ..
        } => format!("lost {name}"),
        Event::Evasive { name, .. } => format!("evasive {name}"),
        other => format!("{other:?}"),
    }
}

fn shown(headers: &Headers) -> String {
    let pairs = headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

fn enter(name: &str, address: &str, headers: &[(&str, &str)]) -> String {
    let pairs = headers
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let headers = pairs.collect::<Vec<_>>().join(",");
    format!("enter {name} tcp://{address} {headers}")
}

fn join(name: &str, group: &str) -> String {
    format!("join {name} {group}")
}

fn leave(name: &str, group: &str) -> String {
    format!("leave {name} {group}")
}

fn whisper(name: &str, content: Content) -> String {
    format!("whisper {name} {}", in_hex(&content))
}

fn shout(name: &str, group: &str, content: Content) -> String {
    format!("shout {name} {group} {}", in_hex(&content))
}

fn in_hex(content: &Content) -> String {
    let frames = content.frames().iter().map(hex::encode);
    frames.collect::<Vec<_>>().join("|")
}

fn four_frames() -> Content {
    frames(&[b"hello", b"", b"\0\0\xFF", &[0xAA; 300]])
}

fn frames(frames: &[&'static [u8]]) -> Content {
    frames.iter().copied().collect()
}
