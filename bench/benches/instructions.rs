//! The number of instructions that the hot paths take, counted by valgrind. It is the same in every
//! run, so small changes are visible.
//!
//! `zre-bench-instructions` compares the counts with those in `baseline.json`.

#![forbid(unsafe_code)]
#![allow(missing_docs, unreachable_pub, reason = "what gungraun's macros make")]

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use gungraun::{library_benchmark, library_benchmark_group, main};
use zre_bench::{
    curve_work::{Direction, Handshakes},
    work::{self, Couple, Encoded, Watcher},
};
use zre_core::proto::{Beacon, BeaconError, Content, Message, MessageError};

/// Messages that are sent, and read, at once.
const BATCH: usize = 64;

fn message(name: &str) -> (Message, BytesMut) {
    (work::message(name), BytesMut::with_capacity(1024))
}

fn encoded(name: &str) -> Encoded {
    Encoded::new(&work::message(name))
}

fn sending(size: usize) -> (Couple, Content) {
    let (mut couple, content) = (Couple::new(), Bytes::from(vec![1; size]).into());
    // Memory that is allocated only once is there afterwards.
    couple.whisper(BATCH, &content);
    let bytes = couple.written();
    couple.read(&bytes);
    (couple, content)
}

fn reading(size: usize) -> (Couple, Bytes) {
    let (mut couple, content) = sending(size);
    couple.whisper(BATCH, &content);
    let bytes = couple.written();
    (couple, bytes)
}

#[library_benchmark]
#[bench::hello(message("hello"))]
#[bench::whisper(message("whisper"))]
#[bench::shout(message("shout"))]
#[bench::join(message("join"))]
#[bench::ping(message("ping"))]
fn encode((message, mut out): (Message, BytesMut)) -> (Message, BytesMut) {
    black_box(&message).encode_header(&mut out);
    (message, out)
}

#[library_benchmark]
#[bench::hello(encoded("hello"))]
#[bench::whisper(encoded("whisper"))]
#[bench::shout(encoded("shout"))]
#[bench::join(encoded("join"))]
#[bench::ping(encoded("ping"))]
fn decode(encoded: Encoded) -> Result<Message, MessageError> {
    black_box(encoded).decode()
}

#[library_benchmark]
#[bench::version_1(work::beacon())]
fn decode_beacon(bytes: Bytes) -> (Result<Beacon, BeaconError>, Bytes) {
    (Beacon::decode(black_box(&bytes)), bytes)
}

#[library_benchmark]
#[bench::of_16(sending(16))]
#[bench::of_1024(sending(1 << 10))]
#[bench::of_65536(sending(64 << 10))]
fn whispers_to_bytes((mut couple, content): (Couple, Content)) -> (Couple, Content, usize) {
    let bytes = couple.whisper(BATCH, black_box(&content));
    (couple, content, bytes)
}

#[library_benchmark]
#[bench::of_16(reading(16))]
#[bench::of_1024(reading(1 << 10))]
#[bench::of_65536(reading(64 << 10))]
fn bytes_to_whispers((mut couple, bytes): (Couple, Bytes)) -> (Couple, Bytes, usize) {
    let messages = couple.read(black_box(&bytes));
    (couple, bytes, messages)
}

#[library_benchmark]
#[bench::of_1000_known_peers(Watcher::new(1000))]
fn beacons(mut watcher: Watcher) -> Watcher {
    watcher.hear_all();
    watcher
}

fn sealing(size: usize) -> (Direction, Vec<u8>) {
    (Direction::new(), Direction::message(size))
}

fn opening(size: usize) -> (Direction, Vec<u8>) {
    let (mut direction, mut message) = sealing(size);
    direction.seal(&mut message);
    (direction, message)
}

#[library_benchmark]
#[bench::of_64(sealing(64))]
#[bench::of_65536(sealing(64 << 10))]
fn curve_seal((mut direction, mut message): (Direction, Vec<u8>)) -> (Direction, Vec<u8>) {
    direction.seal(black_box(&mut message));
    (direction, message)
}

#[library_benchmark]
#[bench::of_64(opening(64))]
#[bench::of_65536(opening(64 << 10))]
fn curve_open((mut direction, mut message): (Direction, Vec<u8>)) -> (Direction, Vec<u8>) {
    direction.open(black_box(&mut message));
    (direction, message)
}

#[library_benchmark]
#[bench::both_sides(Handshakes::new())]
fn curve_handshake(mut handshakes: Handshakes) -> Handshakes {
    black_box(handshakes.run());
    handshakes
}

library_benchmark_group!(
    name = curve,
    benchmarks = [curve_seal, curve_open, curve_handshake]
);
library_benchmark_group!(name = codecs, benchmarks = [encode, decode, decode_beacon]);
library_benchmark_group!(
    name = engine,
    benchmarks = [whispers_to_bytes, bytes_to_whispers, beacons]
);
main!(library_benchmark_groups = codecs, curve, engine);
