//! The time that encoding and decoding take, and that CURVE takes.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "what criterion's macros make has none")]

use std::{hint::black_box, time::Duration};

use bytes::BytesMut;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zre_bench::{
    curve_work::{Direction, Handshakes, Outcome},
    work::{Encoded, beacon, messages},
};
use zre_core::proto::{
    Beacon,
    zmtp::{FrameHeader, Greeting, Mechanism},
};

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, message) in messages() {
        let mut out = BytesMut::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                black_box(&message).encode_header(&mut out);
            });
        });
    }
    let decoded = Beacon::decode(&beacon()).expect("it is one");
    group.bench_function("beacon", |bencher| {
        bencher.iter(|| black_box(&decoded).encode());
    });
    let header = FrameHeader {
        command: false,
        more: true,
        size: 1000,
    };
    let mut out = BytesMut::new();
    group.bench_function("frame header", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(&header).encode(&mut out);
        });
    });
    let greeting = Greeting::new(Mechanism::NULL, false);
    group.bench_function("greeting", |bencher| {
        bencher.iter(|| black_box(&greeting).encode());
    });
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, message) in messages() {
        let encoded = Encoded::new(&message);
        group.bench_function(name, |bencher| {
            let copy = || encoded.clone();
            bencher.iter_batched(
                copy,
                |encoded| black_box(encoded).decode(),
                BatchSize::SmallInput,
            );
        });
    }
    let bytes = beacon();
    group.bench_function("beacon", |bencher| {
        bencher.iter(|| Beacon::decode(black_box(&bytes)));
    });
    let bytes = [1, 200];
    group.bench_function("frame header", |bencher| {
        bencher.iter(|| FrameHeader::decode(black_box(&bytes)));
    });
    let bytes = Greeting::new(Mechanism::NULL, false).encode();
    group.bench_function("greeting", |bencher| {
        bencher.iter(|| Greeting::decode(black_box(&bytes)));
    });
}

fn curve_handshakes(criterion: &mut Criterion) {
    type Time = fn(&Outcome) -> Duration;
    let mut group = criterion.benchmark_group("curve handshake");
    let mut handshakes = Handshakes::new();
    for (name, time) in [
        ("connecting", (|outcome| outcome.client_time) as Time),
        ("accepting", |outcome| outcome.server_time),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|runs| (0..runs).map(|_| time(&handshakes.run())).sum());
        });
    }
}

fn curve_frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("curve seal and open");
    for size in [64, 64 << 10] {
        let (mut direction, mut message) = (Direction::new(), Direction::message(size));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                direction.seal(black_box(&mut message));
                direction.open(black_box(&mut message));
            });
        });
    }
}

criterion_group!(codecs, encode, decode, curve_handshakes, curve_frames);
criterion_main!(codecs);
