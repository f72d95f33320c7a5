//! Writes first inputs for the fuzz targets, from the recorded conversations in `tests/captures`
//! and from values one beyond a limit.
//!
//! `cargo run -p zre-fuzz-targets --example seeds -- <directory>` makes a directory for each target
//! there. The inputs are named after their content, so running it again changes nothing.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

use std::{
    collections::hash_map::DefaultHasher,
    env, fs,
    hash::{Hash as _, Hasher as _},
    num::NonZeroU16,
    path::PathBuf,
};

use bytes::{Buf as _, Bytes};
use zre_fuzz_targets::recorded::{self, Recorded};
use zre_proto::{
    Beacon, Body, Headers, Hello, Message,
    zmtp::{FrameHeader, Greeting},
};
use zre_tests::capture::{Capture, Connection, Side};

const CAPTURES: [&str; 5] = [
    "zyre-zyre-null.pcap",
    "zyre-pyre-null.pcap",
    "zyre-zyre-election.pcap",
    "zyre-zyre-gossip.pcap",
    "zyre-zyre-curve.pcap",
];
/// The most bytes of an input; nothing in the recordings that is longer is worth its size.
const MOST: usize = 4000;

fn main() {
    let directory = env::args().nth(1).expect("the directory of the corpora");
    let seeds = Seeds(directory.into());
    for capture in CAPTURES {
        let capture = Capture::load(capture);
        for datagram in capture.datagrams() {
            seeds.write("beacon", &datagram.payload);
        }
        for connection in capture.connections() {
            for side in [Side::Client, Side::Server] {
                one_side(&seeds, connection, side);
            }
        }
        for connection in capture.connections() {
            let recorded = recorded(&capture, connection);
            seeds.write("engine", &recorded::for_engine(&recorded));
            seeds.write("two_engines", &recorded::for_two_engines(&recorded));
        }
    }
    beyond_the_limits(&seeds);
}

/// What nobody has recorded: values one beyond what the targets allow.
fn beyond_the_limits(seeds: &Seeds) {
    let beacon = Beacon {
        peer: [7; 16].into(),
        port: NonZeroU16::new(49152),
        public_key: None,
    };
    seeds.write("beacon", &[&beacon.encode()[..], &[0]].concat());
    for (groups, headers) in [(17, 0), (0, 17), (16, 16)] {
        seeds.write("message", &hello(groups, headers).header());
    }
    seeds.write("message", &[&hello(1, 1).header()[..], &[0; 1024]].concat());
    for text in ["h:65536", "h:0", "h:+80", "[fe80::1%eth0]:1", "0.0.0.0:1"] {
        seeds.write("message", text.as_bytes());
    }
    for value in [
        "tcp://10.0.0.1:1",
        "tcp://10.0.0.1:1|",
        "udp://10.0.0.1:1",
        "tcp://[fe80::1]:1",
    ] {
        seeds.write("gossip", value.as_bytes());
    }
    seeds.write("zmtp", &[&b"\x04PING\0\0"[..], &[7; 17]].concat());
    seeds.write("zmtp", &[2, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    // Behind a good handshake: too long a first frame, too long a message, and too many frames.
    let after_handshake = [1, 1, 255, 1, 10, 54];
    let frame = |more: u8, size: u16| {
        [
            &[more | 2, 0, 0, 0, 0, 0, 0],
            &size.to_be_bytes()[..],
            &vec![7; size.into()],
        ]
        .concat()
    };
    for frames in [
        vec![frame(0, 501)],
        vec![frame(1, 500), frame(0, 2001)],
        [vec![frame(1, 1); 21], vec![frame(0, 1)]].concat(),
    ] {
        seeds.write("link", &[&after_handshake[..], &frames.concat()].concat());
    }
}

fn hello(groups: u8, headers: u8) -> Message {
    let name = |number: u8| format!("{number}");
    let mut pairs = Headers::default();
    (0..headers).for_each(|number| pairs.set(name(number), "").unwrap());
    Message {
        sequence: 1,
        body: Body::from(Hello {
            endpoint: "tcp://10.0.0.1:49152".parse().unwrap(),
            groups: (0..groups)
                .map(|number| name(number).try_into().unwrap())
                .collect(),
            status: groups,
            name: name(groups).try_into().unwrap(),
            headers: pairs,
        }),
    }
}

/// What one side of a connection said: as a conversation, frame by frame, and message by message.
fn one_side(seeds: &Seeds, connection: &Connection, side: Side) {
    let bytes = connection.bytes(side);
    seeds.write("zmtp", &bytes);
    let pieces = [255, 1, 10, 54];
    let accepting = u8::from(side == Side::Client);
    seeds.write("link", &[&[accepting, 0], &pieces[..], &bytes].concat());
    let mut rest = bytes;
    rest.advance(Greeting::LEN.min(rest.len()));
    seeds.write("link", &[&[accepting, 1], &pieces[..], &rest].concat());
    let mut message = Vec::new();
    while let Some((header, whole, body)) = take_frame(&mut rest) {
        let target = match body.first_chunk() {
            _ if header.command => "zmtp",
            Some([0xAA, 0xA0]) => "gossip",
            _ => "message",
        };
        seeds.write(target, &body);
        message.extend_from_slice(&whole);
        if !header.more {
            seeds.write("message", &message);
            message.clear();
        }
    }
}

/// A frame with its head, and without it.
fn take_frame(bytes: &mut Bytes) -> Option<(FrameHeader, Bytes, Bytes)> {
    let (header, length) = FrameHeader::decode(bytes).ok()??;
    let whole = bytes.split_to(length + usize::try_from(header.size).unwrap());
    Some((header, whole.clone(), whole.slice(length..)))
}

/// What a recorded node did on one connection that it opened, with its first beacon in front.
fn recorded(capture: &Capture, connection: &Connection) -> Vec<Recorded> {
    let from = connection.client.ip();
    let mut beacons = capture.datagrams().iter();
    let beacon = beacons.find(|datagram| datagram.from.ip() == from);
    let beacon = beacon.map(|datagram| Recorded::Datagram(datagram.payload.clone()));
    let chunks = connection.chunks().iter();
    let said = chunks
        .filter(|chunk| chunk.from == Side::Client)
        .map(|chunk| Recorded::Bytes(chunk.bytes.clone()));
    let first = beacon.into_iter().chain([Recorded::Connect]);
    first.chain(said).collect()
}

struct Seeds(PathBuf);

impl Seeds {
    fn write(&self, target: &str, bytes: &[u8]) {
        if bytes.is_empty() || bytes.len() > MOST {
            return;
        }
        let directory = self.0.join(target);
        fs::create_dir_all(&directory).unwrap();
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let name = format!("seed-{:016x}", hasher.finish());
        fs::write(directory.join(name), bytes).unwrap();
    }
}
