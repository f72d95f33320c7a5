//! Decodes and encodes every byte of the recorded conversations with `zre-proto`.
//!
//! `captures/README.md` describes the conversations. The recordings stop a little early: pyre's
//! goodbye beacon is in them, but not zyre's, nor the GOODBYE of the one with gossip.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

use std::{collections::BTreeSet, net::SocketAddr};

use bytes::{Buf, Bytes, BytesMut};
use zre_proto::{
    Beacon, Body, Content, Headers, Hello, Message, MessageError, MessageLimits, PeerId, RoutingId,
    curve::{self, BoxKey, CurveError, Initiate, PublicKey, Ready, SecretKey, Welcome},
    zmtp::{Command, FrameHeader, Greeting, Mechanism, Metadata},
};
use zre_tests::capture::{Capture, Connection, Datagram, Side};

const ALICE: &str = "10.90.0.1:49152";
const BOB: &str = "10.90.0.2:49152";

#[test]
fn zyre_and_zyre_say_what_the_recording_tells() {
    let capture = Capture::load("zyre-zyre-null.pcap");
    assert_eq!(capture.connections().len(), 2);
    let alice_said = [
        message(1, alice_hello(ALICE)),
        message(2, join("CHAT", 2)),
        message(3, whisper(four_frames())),
        message(4, Body::Ping),
    ];
    let bob_said = [
        message(1, bob_hello(BOB, "bob")),
        message(2, join("CHAT", 1)),
        message(3, shout("CHAT", ["hi"].into())),
        message(4, leave("CHAT", 2)),
        message(5, Body::PingOk),
    ];
    assert_eq!(Link::to(BOB, &capture).messages(), alice_said);
    assert_eq!(Link::to(ALICE, &capture).messages(), bob_said);
}

#[test]
fn zyre_and_pyre_say_what_the_recording_tells() {
    let capture = Capture::load("zyre-pyre-null.pcap");
    assert_eq!(capture.connections().len(), 2);
    let py = "10.90.0.2:45957";
    let zy_hello = hello(ALICE, "zy", &[], 0, &[("X-HELLO", "World")]);
    let zy_said = [
        message(1, zy_hello),
        message(2, join("CHAT", 1)),
        message(3, whisper(frames(&[b"hello", b"", b"\0\0\xFF"]))),
        message(4, Body::Ping),
    ];
    let py_said = [
        message(1, bob_hello(py, "py")),
        message(2, join("CHAT", 1)),
        message(3, shout("CHAT", ["hi", "j"].into())),
        message(4, leave("CHAT", 2)),
        message(5, Body::PingOk),
    ];
    assert_eq!(Link::to(py, &capture).messages(), zy_said);
    assert_eq!(Link::to(ALICE, &capture).messages(), py_said);
}

#[test]
fn with_gossip_zyre_says_the_same_without_beacons() {
    let capture = Capture::load("zyre-zyre-gossip.pcap");
    let (alice, bob) = ("10.90.0.1:9101", "10.90.0.2:9102");
    let alice_said = [
        message(1, alice_hello(alice)),
        message(2, join("CHAT", 2)),
        message(3, whisper(four_frames())),
        message(4, Body::Ping),
    ];
    let bob_said = [
        message(1, bob_hello(bob, "bob")),
        message(2, join("CHAT", 1)),
        message(3, shout("CHAT", ["hi"].into())),
        message(4, leave("CHAT", 2)),
        message(5, Body::PingOk),
    ];
    assert_eq!(Link::to(bob, &capture).messages(), alice_said);
    assert_eq!(Link::to(alice, &capture).messages(), bob_said);
    assert_eq!(capture.datagrams(), []);
}

#[test]
fn in_an_election_the_lowest_uuid_challenges_and_leads() {
    let capture = Capture::load("zyre-zyre-election.pcap");
    assert_eq!(capture.connections().len(), 2);
    let (alice, bob) = (
        "393F04EF75774B75A8F4F7313B9B5A77",
        "5C6C6596F15E4792962272D7C5B9DBF9",
    );
    let alice_said = [
        message(1, alice_hello(ALICE)),
        message(2, join("CHAT", 2)),
        message(3, elect("CHAT", alice)),
        message(4, leader("CHAT", alice)),
        message(5, whisper(four_frames())),
        message(6, Body::Ping),
    ];
    let bob_said = [
        message(1, bob_hello(BOB, "bob")),
        message(2, join("CHAT", 1)),
        message(3, elect("CHAT", bob)),
        message(4, elect("CHAT", alice)),
        message(5, leader("CHAT", alice)),
        message(6, shout("CHAT", ["hi"].into())),
        message(7, leave("CHAT", 2)),
        message(8, Body::PingOk),
    ];
    let (to_bob, to_alice) = (Link::to(BOB, &capture), Link::to(ALICE, &capture));
    assert_eq!(to_bob.messages(), alice_said);
    assert_eq!(to_alice.messages(), bob_said);
    assert_eq!(to_bob.peer().to_string(), alice);
    assert_eq!(to_alice.peer().to_string(), bob);
}

#[test]
fn a_dealer_connects_with_its_routing_id_to_a_router_that_sends_no_message() {
    for (file, connections) in [
        ("zyre-zyre-null.pcap", 2),
        ("zyre-pyre-null.pcap", 2),
        ("zyre-zyre-election.pcap", 2),
        ("zyre-zyre-gossip.pcap", 3),
    ] {
        let capture = Capture::load(file);
        let links: Vec<Link> = Link::all(&capture).collect();
        assert_eq!(links.len(), connections, "{file}");
        for link in links {
            assert_eq!(link.client.socket_type(), "DEALER", "{file}");
            assert_eq!(link.server.socket_type(), "ROUTER", "{file}");
            assert_eq!(link.server.identity(), b"", "{file}");
            let is_gossip = link.server_address.port() == 9100;
            assert_eq!(link.server.messages.is_empty(), !is_gossip, "{file}");
            assert_eq!(link.client.identity().is_empty(), is_gossip, "{file}");
        }
    }
}

#[test]
fn greetings_are_of_zmtp_3_1_without_security() {
    let expected = Greeting::new(Mechanism::NULL, false);
    for file in [
        "zyre-zyre-null.pcap",
        "zyre-pyre-null.pcap",
        "zyre-zyre-election.pcap",
        "zyre-zyre-gossip.pcap",
    ] {
        for link in Link::all(&Capture::load(file)) {
            assert_eq!(link.client.greeting, expected, "{file}");
            assert_eq!(link.server.greeting, expected, "{file}");
        }
    }
}

#[test]
fn gossip_is_no_zre_message() {
    let capture = Capture::load("zyre-zyre-gossip.pcap");
    let link = Link::to("10.90.0.1:9100", &capture);
    for frames in link.client.messages.iter().chain(&link.server.messages) {
        let error = decode_message(frames).unwrap_err();
        assert_eq!(error, MessageError::Signature(0xAAA0));
    }
}

#[test]
fn beacons_name_the_peer_that_connects_and_the_port_that_accepts() {
    for (file, count) in [
        ("zyre-zyre-null.pcap", 15),
        ("zyre-pyre-null.pcap", 15),
        ("zyre-zyre-election.pcap", 14),
    ] {
        let capture = Capture::load(file);
        assert_eq!(capture.datagrams().len(), count, "{file}");
        for datagram in capture.datagrams() {
            let beacon = read_beacon(datagram);
            let by_sender = Link::all(&capture).find(|link| link.is_from(datagram));
            assert_eq!(Some(beacon.peer), by_sender.map(|link| link.peer()));
            let to_sender = Link::all(&capture).find(|link| link.is_to(datagram));
            let port = to_sender.map(|link| link.server_address.port());
            assert!(beacon.port.is_none() || beacon.port.map(u16::from) == port);
            assert_eq!(beacon.public_key, None);
        }
    }
}

#[test]
fn a_leaving_pyre_says_so_in_its_last_beacon_and_in_no_other() {
    let capture = Capture::load("zyre-pyre-null.pcap");
    let beacons: Vec<Beacon> = capture.datagrams().iter().map(read_beacon).collect();
    let (last, before) = beacons.split_last().unwrap();
    let py = Link::to(ALICE, &capture).peer();
    assert_eq!((last.peer, last.port), (py, None));
    assert!(before.iter().all(|beacon| beacon.port.is_some()));
}

#[test]
fn a_curve_node_has_beacons_of_version_3_with_one_key_for_each_peer() {
    let capture = Capture::load("zyre-zyre-curve.pcap");
    let mut nodes = BTreeSet::new();
    for datagram in capture.datagrams() {
        let beacon = read_beacon(datagram);
        assert_eq!(datagram.payload[3], 3);
        assert_eq!(beacon.port.map(u16::from), Some(49152));
        nodes.insert((datagram.from, beacon.peer, beacon.public_key.unwrap()));
    }
    let key_starts: Vec<_> = nodes
        .iter()
        .map(|(.., key)| key.as_bytes()[..4].to_vec())
        .collect();
    assert_eq!(key_starts, [b"\x64\x6F\xBD\x71", b"\x69\x26\x12\x35"]);
}

#[test]
fn a_curve_connection_says_so_in_its_greeting_and_has_the_framing_of_any_other() {
    let capture = Capture::load("zyre-zyre-curve.pcap");
    assert_eq!(capture.connections().len(), 2);
    for connection in capture.connections() {
        for (side, commands) in [
            (Side::Client, ["HELLO", "INITIATE"]),
            (Side::Server, ["WELCOME", "READY"]),
        ] {
            let mut bytes = connection.bytes(side);
            let greeting = take_greeting(&mut bytes);
            assert_eq!(greeting.mechanism.to_string(), "CURVE");
            // RFC 25 has the server say so here; libzmq leaves the byte 0 on both sides.
            assert!(!greeting.as_server);
            let frames = take_frames(bytes).into_iter();
            let (handshake, sealed): (Vec<_>, Vec<_>) = frames.partition(|(head, _)| head.command);
            assert_eq!(names(&handshake), commands);
            let sealed = names(&sealed);
            assert_eq!(sealed.is_empty(), side == Side::Server);
            assert!(sealed.iter().all(|name| name == "MESSAGE"));
        }
    }
}

#[test]
fn the_commands_of_a_curve_handshake_are_read_and_written_as_they_came() {
    let capture = Capture::load("zyre-zyre-curve.pcap");
    let mut clients = BTreeSet::new();
    for connection in capture.connections() {
        let [hello, initiate] = commands(connection, Side::Client);
        let [welcome, ready] = commands(connection, Side::Server);
        assert_eq!(hello.len(), curve::Hello::LEN);
        assert_eq!(welcome.len(), Welcome::LEN);
        let read = curve::Hello::decode(&hello).unwrap();
        assert_eq!(read.encode(), hello);
        assert_eq!(Welcome::decode(&welcome).unwrap().encode(), welcome);
        assert_eq!(Initiate::decode(&initiate).unwrap().encode(), initiate);
        assert_eq!(Ready::decode(&ready).unwrap().encode(), ready);
        clients.insert(read.client);
    }
    // Each connection has a short-term key of its own, which is no key of a node.
    let beacons = capture.datagrams().iter().map(read_beacon);
    clients.extend(beacons.filter_map(|beacon| beacon.public_key));
    assert_eq!(clients.len(), 4);
}

/// The keys of the recording are not known.
#[test]
fn without_the_keys_nothing_of_a_curve_connection_opens() {
    let key = BoxKey::new(&PublicKey::from([9; 32]), &SecretKey::from([1; 32])).unwrap();
    for connection in Capture::load("zyre-zyre-curve.pcap").connections() {
        let [hello, initiate] = commands(connection, Side::Client);
        let [welcome, ready] = commands(connection, Side::Server);
        let hello = curve::Hello::decode(&hello).unwrap();
        assert_eq!(hello.open(&key), Err(CurveError::Box("HELLO")));
        let welcome = Welcome::decode(&welcome).unwrap();
        assert_eq!(welcome.open(&key), Err(CurveError::Box("WELCOME")));
        let initiate = Initiate::decode(&initiate).unwrap();
        let (mut opener, _) = initiate.server_messages(&key);
        for message in sealed(connection, Side::Client) {
            // It has come so far that only the box is left: its name, length and number are right.
            let mut message = message.to_vec();
            assert_eq!(opener.open(&mut message), Err(CurveError::Box("MESSAGE")));
        }
        assert_eq!(initiate.open(&key), Err(CurveError::Box("INITIATE")));
        let ready = Ready::decode(&ready).unwrap();
        assert_eq!(ready.open(&key), Err(CurveError::Box("READY")));
    }
}

#[test]
fn the_messages_of_a_curve_connection_are_numbered_behind_its_handshake() {
    for connection in Capture::load("zyre-zyre-curve.pcap").connections() {
        let numbers: Vec<_> = sealed(connection, Side::Client)
            .iter()
            .map(|message| u64::from_be_bytes(message[8..16].try_into().unwrap()))
            .collect();
        // HELLO has 1, INITIATE has 2.
        let expected: Vec<_> = (3..).take(numbers.len()).collect();
        assert_eq!(numbers, expected);
        assert!(numbers.len() > 3);
    }
}

/// The two commands of the handshake that one side of a CURVE connection sends.
fn commands(connection: &Connection, side: Side) -> [Bytes; 2] {
    let frames = curve_frames(connection, side).into_iter();
    let commands: Vec<_> = frames
        .filter(|(head, _)| head.command)
        .map(|(_, body)| body)
        .collect();
    commands.try_into().unwrap()
}

/// The frames behind the handshake.
fn sealed(connection: &Connection, side: Side) -> Vec<Bytes> {
    let frames = curve_frames(connection, side).into_iter();
    frames
        .filter(|(head, _)| !head.command)
        .map(|(_, body)| body)
        .collect()
}

fn curve_frames(connection: &Connection, side: Side) -> Vec<(FrameHeader, Bytes)> {
    let mut bytes = connection.bytes(side);
    take_greeting(&mut bytes);
    take_frames(bytes)
}

/// The names by which the frames of a CURVE connection begin, in clear.
fn names(frames: &[(FrameHeader, Bytes)]) -> Vec<String> {
    let name = |body: &Bytes| String::from_utf8(body[1..=body[0].into()].to_vec()).unwrap();
    frames.iter().map(|(_, body)| name(body)).collect()
}

/// A connection, with what both sides said on it.
struct Link {
    client_address: SocketAddr,
    server_address: SocketAddr,
    client: Said,
    server: Said,
}

impl Link {
    fn all(capture: &Capture) -> impl Iterator<Item = Self> {
        let connections = capture.connections().iter();
        connections
            .filter(|connection| !connection.chunks().is_empty())
            .map(Self::read)
    }

    fn to(server: &str, capture: &Capture) -> Self {
        let server: SocketAddr = server.parse().unwrap();
        let link = Self::all(capture).find(|link| link.server_address == server);
        link.unwrap_or_else(|| panic!("nobody connects to {server}"))
    }

    fn read(connection: &Connection) -> Self {
        Self {
            client_address: connection.client,
            server_address: connection.server,
            client: Said::read(connection.bytes(Side::Client)),
            server: Said::read(connection.bytes(Side::Server)),
        }
    }

    /// The peer that connected, by its routing id.
    fn peer(&self) -> PeerId {
        RoutingId::from_bytes(self.client.identity())
            .unwrap()
            .peer()
    }

    /// What the peer that connected said, written again to see that nothing is lost.
    fn messages(&self) -> Vec<Message> {
        let messages = self.client.messages.iter();
        messages.map(|frames| read_message(frames)).collect()
    }

    fn is_from(&self, datagram: &Datagram) -> bool {
        self.client_address.ip() == datagram.from.ip()
    }

    fn is_to(&self, datagram: &Datagram) -> bool {
        self.server_address.ip() == datagram.from.ip()
    }
}

/// What one side of a connection said.
struct Said {
    greeting: Greeting,
    ready: Metadata,
    messages: Vec<Vec<Bytes>>,
}

impl Said {
    fn read(mut bytes: Bytes) -> Self {
        let greeting = take_greeting(&mut bytes);
        let mut frames = take_frames(bytes).into_iter();
        let (head, body) = frames.next().unwrap();
        assert!(head.command);
        Self {
            greeting,
            ready: read_ready(body),
            messages: join_frames(frames),
        }
    }

    fn socket_type(&self) -> &str {
        str::from_utf8(self.ready.get(Metadata::SOCKET_TYPE).unwrap()).unwrap()
    }

    fn identity(&self) -> &[u8] {
        self.ready.get(Metadata::IDENTITY).unwrap()
    }
}

/// The padding of the signature is not compared: it says nothing (RFC 37), and libzmq puts there
/// how long its identity is.
fn take_greeting(bytes: &mut Bytes) -> Greeting {
    let greeting = Greeting::decode(bytes).unwrap().unwrap();
    let received = bytes.split_to(Greeting::LEN);
    let written = greeting.encode();
    assert_eq!((written[0], &written[9..]), (received[0], &received[9..]));
    greeting
}

fn take_frames(mut bytes: Bytes) -> Vec<(FrameHeader, Bytes)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (head, length) = FrameHeader::decode(&bytes).unwrap().unwrap();
        let mut written = BytesMut::new();
        head.encode(&mut written);
        assert_eq!(written, bytes[..length]);
        bytes.advance(length);
        let size = usize::try_from(head.size).unwrap();
        frames.push((head, bytes.split_to(size)));
    }
    frames
}

fn join_frames(frames: impl Iterator<Item = (FrameHeader, Bytes)>) -> Vec<Vec<Bytes>> {
    let mut messages = vec![Vec::new()];
    for (head, body) in frames {
        assert!(!head.command);
        messages.last_mut().unwrap().push(body);
        if !head.more {
            messages.push(Vec::new());
        }
    }
    let unfinished = messages.pop();
    assert_eq!(unfinished, Some(Vec::new()), "the last message is cut off");
    messages
}

fn read_ready(body: Bytes) -> Metadata {
    let command = Command::decode(&body).unwrap();
    assert_eq!(command.encode(), body);
    let Command::Ready(metadata) = command else {
        panic!("{command:?} in place of READY");
    };
    metadata
}

fn read_beacon(datagram: &Datagram) -> Beacon {
    assert_eq!(datagram.from.port(), zre_proto::DISCOVERY_PORT);
    assert_eq!(datagram.to, "10.90.0.255:5670".parse().unwrap());
    let beacon = Beacon::decode(&datagram.payload).unwrap();
    assert_eq!(beacon.encode(), datagram.payload);
    beacon
}

/// Headers have no order on the wire and we sort them, so a HELLO may come back in other bytes:
/// then it must have as many, and mean the same.
fn read_message(frames: &[Bytes]) -> Message {
    let message = decode_message(frames).unwrap();
    let written = message.header();
    if matches!(message.body, Body::Hello(_)) && written != frames[0] {
        assert_eq!(written.len(), frames[0].len());
        assert_eq!(decode_message(&[written]).unwrap(), message);
    } else {
        assert_eq!(written, frames[0]);
    }
    let content = message.body.content().map_or(&[][..], Content::frames);
    assert_eq!(content, &frames[1..]);
    message
}

fn decode_message(frames: &[Bytes]) -> Result<Message, MessageError> {
    let (header, content) = frames.split_first().unwrap();
    let content = content.iter().cloned().collect();
    Message::decode(header, content, &MessageLimits::default())
}

fn message(sequence: u16, body: Body) -> Message {
    Message { sequence, body }
}

fn alice_hello(address: &str) -> Body {
    let headers = [("X-EMPTY", ""), ("X-HELLO", "World")];
    hello(address, "alice", &["EARLY"], 1, &headers)
}

fn bob_hello(address: &str, name: &str) -> Body {
    hello(address, name, &[], 0, &[("X-ROLE", "listener")])
}

fn hello(address: &str, name: &str, groups: &[&str], status: u8, pairs: &[(&str, &str)]) -> Body {
    let mut headers = Headers::default();
    for (name, value) in pairs {
        headers.set(*name, *value).unwrap();
    }
    Body::from(Hello {
        endpoint: format!("tcp://{address}").parse().unwrap(),
        groups: groups.iter().map(|&g| g.try_into().unwrap()).collect(),
        status,
        name: name.try_into().unwrap(),
        headers,
    })
}

fn whisper(content: Content) -> Body {
    Body::Whisper { content }
}

fn four_frames() -> Content {
    frames(&[b"hello", b"", b"\0\0\xFF", &[0xAA; 300]])
}

fn frames(frames: &[&'static [u8]]) -> Content {
    frames.iter().copied().collect()
}

fn shout(group: &str, content: Content) -> Body {
    let group = group.try_into().unwrap();
    Body::Shout { group, content }
}

fn join(group: &str, status: u8) -> Body {
    let group = group.try_into().unwrap();
    Body::Join { group, status }
}

fn leave(group: &str, status: u8) -> Body {
    let group = group.try_into().unwrap();
    Body::Leave { group, status }
}

fn elect(group: &str, challenger: &str) -> Body {
    Body::Elect {
        group: group.try_into().unwrap(),
        challenger: challenger.try_into().unwrap(),
    }
}

fn leader(group: &str, leader: &str) -> Body {
    Body::Leader {
        group: group.try_into().unwrap(),
        leader: leader.try_into().unwrap(),
    }
}
