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
    handshakes(&seeds);
    sealed_messages(&seeds);
    networks_with_keys(&seeds);
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

/// What sides do that do as they should, and some that repeat themselves.
fn handshakes(seeds: &Seeds) {
    const AGAIN: [u8; 3] = [11, 0, 0];
    const IN_SMALL_PIECES: [u8; 2] = [14, 0];
    const RECONNECT: [u8; 1] = [15];
    for mode in [0, 1] {
        // A friend, a stranger, and one with the server's own key.
        for who in [1, 2, 0] {
            let steps = |count| [0, who].repeat(count);
            seeds.write("curve_server", &[&[mode][..], &steps(6)].concat());
            for (before, odd) in [
                (0, &IN_SMALL_PIECES[..]),
                (2, &AGAIN),
                (3, &AGAIN),
                (4, &RECONNECT),
            ] {
                let script = [&[mode], &steps(before)[..], odd, &steps(4)].concat();
                seeds.write("curve_server", &script);
            }
        }
        // A server with the right key, and one without it.
        let steps = |count| vec![0; count];
        for (before, odd) in [
            (0, &IN_SMALL_PIECES[..]),
            (2, &AGAIN),
            (3, &AGAIN),
            (4, &RECONNECT),
        ] {
            let script = [&[mode], &steps(before)[..], odd, &steps(4)].concat();
            seeds.write("curve_client", &script);
        }
    }
}

/// Each side reads messages, PINGs, and frames one beyond a limit, and says something.
fn sealed_messages(seeds: &Seeds) {
    let frame = |more: u8, text: &[u8]| [&[0, more, 0, 4][..], text].concat();
    let large = |more: u8, size: u16| [&[3, more][..], &size.to_be_bytes()].concat();
    for side in 0..4 {
        for script in [
            [frame(1, b"text"), frame(0, b"more"), frame(0, b"next")].concat(),
            [
                frame(0, b"text"),
                vec![5, 0, 3, 7, 7, 7],
                vec![15, 2, 0, 100],
            ]
            .concat(),
            [vec![14, 0], frame(1, b"text"), large(0, 300)].concat(),
            large(0, 501),
            [large(1, 500), large(0, 2001)].concat(),
            [vec![8, 0, 0, 1, 1], frame(0, b"text"), vec![9, 0, 0, 0]].concat(),
            [frame(0, b"text"), vec![9, 0, 0, 0]].concat(),
            [frame(1, b"text").repeat(21), frame(0, b"last")].concat(),
        ] {
            seeds.write("curve_message", &[&[side][..], &script].concat());
        }
    }
}

/// The adversary meets engines with keys: it is trusted, or is not, or all have the same key.
fn networks_with_keys(seeds: &Seeds) {
    // A beacon with its key, two handshakes, HELLO, a whisper, and time.
    let at_engine = |id: u8| {
        [
            &[3, 0, id, 2, 1, 4, 0, id, 4, 1, id][..],
            &[5, 1, 0, 1, 0, 0, 3, 2, 6, 1, 0, 2, 1, 0, 9, 1, 11, 39, 16],
        ]
        .concat()
    };
    let at_two_engines = |id: u8| {
        [
            &[3, 0, 0, id, 2, 1, 0, 5, 0, id, 5, 1, id][..],
            &[6, 1, 0, 1, 0, 0, 3, 2, 16, 39, 16, 18, 0, 0, 9],
        ]
        .concat()
    };
    for keys in [0x80, 0xA0, 0xC0, 0xE0] {
        // As somebody else, and as the honest peer.
        for (id, mode) in [1, 7]
            .into_iter()
            .flat_map(|id| [0, 2, 4, 8].map(|mode| (id, mode)))
        {
            let script = [&[keys | mode][..], &at_engine(id)].concat();
            seeds.write("engine", &script);
        }
        // As somebody else, and as the second engine.
        for (id, mode) in [2, 1]
            .into_iter()
            .flat_map(|id| [0, 1, 2, 4, 8, 20, 24].map(|mode| (id, mode)))
        {
            let script = [&[keys | mode][..], &at_two_engines(id)].concat();
            seeds.write("two_engines", &script);
        }
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
