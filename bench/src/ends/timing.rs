//! Counts messages and measures their times.

use std::time::{Duration, Instant};

use super::Allocations;
use crate::{
    Failure,
    job::{Figures, Job},
    process::cpu_time,
    results::count,
};

/// One end of a conversation, so that the same loops measure every system.
///
/// The methods are async. Those of a blocking system block until they are done.
pub(super) trait Exchange {
    type Message;

    fn message(kind: Kind, size: usize) -> Self::Message;

    async fn send(&mut self, message: &Self::Message) -> Result<(), Failure>;

    /// Waits for the next message and drops it.
    async fn receive(&mut self) -> Result<(), Failure>;
}

/// Measures round-trip times.
pub(super) async fn ask<E: Exchange>(end: &mut E, job: &Job) -> Result<Figures, Failure> {
    let message = E::message(Kind::Data, job.size);
    let mut times = Times::new(job.count);
    let warm = Instant::now() + job.warm_up;
    while Instant::now() < warm {
        end.send(&message).await?;
        end.receive().await?;
    }
    let enough = Enough::new(job.count, job.time, job.size);
    for sent in 0.. {
        if enough.is_reached(sent) {
            break;
        }
        let begun = Instant::now();
        end.send(&message).await?;
        end.receive().await?;
        times.add(begun.elapsed());
    }
    Ok(times.figures())
}

/// Sends as fast as it can, until the other end says that everything has arrived.
pub(super) async fn send<E: Exchange>(
    end: &mut E,
    job: &Job,
    allocations: Option<Allocations>,
) -> Result<Figures, Failure> {
    let message = E::message(Kind::WarmUp, job.size);
    let warm = Enough::new(usize::MAX, job.warm_up, job.size);
    for sent in 0.. {
        if warm.is_reached(sent) {
            break;
        }
        end.send(&message).await?;
    }
    let message = E::message(Kind::Data, job.size);
    let cost = Cost::begin(allocations);
    let enough = Enough::new(job.count, job.time, job.size);
    let mut sent = 0;
    while !enough.is_reached(sent) {
        end.send(&message).await?;
        sent += 1;
    }
    end.send(&E::message(Kind::End, 1)).await?;
    end.receive().await?;
    Ok(cost.figures(sent))
}

/// Says when enough has been sent: after a number of messages or after some time.
struct Enough {
    count: usize,
    end: Instant,
    stride: usize,
}

impl Enough {
    /// The clock is read for each large message, but only for some of the small ones.
    fn new(count: usize, time: Duration, size: usize) -> Self {
        let stride = if size < 4096 { 64 } else { 1 };
        let end = Instant::now() + time;
        Self { count, end, stride }
    }

    /// Whether to stop after this many messages.
    fn is_reached(&self, sent: usize) -> bool {
        sent >= self.count || (sent.is_multiple_of(self.stride) && Instant::now() >= self.end)
    }
}

/// Round-trip times.
struct Times(Vec<Duration>);

impl Times {
    fn new(most: usize) -> Self {
        Self(Vec::with_capacity(most.min(10_000_000)))
    }

    fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// In microseconds.
    fn figures(mut self) -> Figures {
        self.0.sort_unstable();
        let at = |share: f64| micros(self.0.get(rank(self.0.len(), share)));
        Figures::from([
            ("count".to_owned(), count(self.0.len())),
            ("p50_us".to_owned(), at(0.50)),
            ("p90_us".to_owned(), at(0.90)),
            ("p99_us".to_owned(), at(0.99)),
            ("max_us".to_owned(), at(1.0)),
        ])
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a length is one"
)]
fn rank(length: usize, share: f64) -> usize {
    ((count(length) * share).ceil() as usize).max(1) - 1
}

fn micros(time: Option<&Duration>) -> f64 {
    time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

/// What a flow of messages costs one side.
pub(super) struct Cost {
    begun: Instant,
    cpu: Duration,
    allocated: usize,
    allocations: Option<Allocations>,
}

impl Cost {
    /// Starts to measure.
    pub(super) fn begin(allocations: Option<Allocations>) -> Self {
        Self {
            allocations,
            allocated: allocations.map_or(0, |allocations| allocations()),
            cpu: cpu_time(),
            begun: Instant::now(),
        }
    }

    /// Stops after this many messages.
    pub(super) fn figures(&self, messages: usize) -> Figures {
        let seconds = self.begun.elapsed().as_secs_f64();
        let cpu = (cpu_time() - self.cpu).as_secs_f64();
        let messages = count(messages);
        let mut figures = Figures::from([
            ("count".to_owned(), messages),
            ("rate".to_owned(), messages / seconds),
            ("cpu_us".to_owned(), cpu * 1e6 / messages),
        ]);
        if let Some(allocations) = self.allocations {
            let allocated = count(allocations() - self.allocated);
            figures.insert("allocations".to_owned(), allocated / messages);
        }
        figures
    }
}

/// What a message is for, told by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not measured.
    WarmUp = 0,
    /// Measured.
    Data = 1,
    /// The last one.
    End = 2,
}

impl Kind {
    /// A message of this kind and size.
    pub(super) fn message(self, size: usize) -> Vec<u8> {
        vec![self as u8; size.max(1)]
    }

    pub(super) fn of(message: &[u8]) -> Self {
        match message.first() {
            Some(0) => Self::WarmUp,
            Some(1) => Self::Data,
            _ => Self::End,
        }
    }
}
