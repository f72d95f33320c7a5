//! The time that the core needs from a command to bytes, from bytes to an event, and for beacons.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "what criterion's macros make has none")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zre_bench::work::{Couple, Watcher};
use zre_core::proto::Content;

/// Messages that are sent, and read, at once.
const BATCH: usize = 64;

fn content(size: usize) -> Content {
    Bytes::from(vec![1; size]).into()
}

/// Messages are numbered, so each read needs new bytes. The other engine writes them; that is not
/// timed.
fn read(bencher: &mut Bencher<'_>, size: usize) {
    let (mut couple, content) = (Couple::new(), content(size));
    bencher.iter_custom(|batches| {
        let mut time = Duration::ZERO;
        for _ in 0..batches {
            couple.whisper(BATCH, &content);
            let bytes = couple.written();
            let begun = Instant::now();
            black_box(couple.read(black_box(&bytes)));
            time += begun.elapsed();
        }
        time
    });
}

fn write(bencher: &mut Bencher<'_>, size: usize) {
    let (mut couple, content) = (Couple::new(), content(size));
    bencher.iter_custom(|batches| {
        let mut time = Duration::ZERO;
        for _ in 0..batches {
            let begun = Instant::now();
            black_box(couple.whisper(BATCH, black_box(&content)));
            time += begun.elapsed();
            let bytes = couple.written();
            couple.read(&bytes);
        }
        time
    });
}

fn engine(criterion: &mut Criterion) {
    for (name, bench) in [
        ("command to bytes", write as fn(&mut Bencher<'_>, usize)),
        ("bytes to event", read),
    ] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(64));
        for size in [16, 1 << 10, 64 << 10] {
            group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, size| {
                bench(bencher, *size);
            });
        }
    }
}

fn beacons(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("beacons");
    group.throughput(Throughput::Elements(1000));
    let mut watcher = Watcher::new(1000);
    group.bench_function("of 1000 known peers", |bencher| {
        bencher.iter(|| watcher.hear_all());
    });
}

criterion_group!(core, engine, beacons);
criterion_main!(core);
