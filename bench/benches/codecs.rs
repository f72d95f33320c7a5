//! The time that encoding and decoding take.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "what criterion's macros make has none")]

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use zre_bench::work::{Encoded, beacon, messages};
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

criterion_group!(codecs, encode, decode);
criterion_main!(codecs);
