//! Counting messages and taking their times.

use std::time::{Duration, Instant};

use crate::{ends::Allocations, job::Figures, process::cpu_time, results::count};

/// When enough has been sent: after so many messages or so much time.
pub(super) struct Enough {
    count: usize,
    end: Instant,
    stride: usize,
}

impl Enough {
    /// The clock is looked at for each large message, and for some of the small ones.
    pub(super) fn new(count: usize, time: Duration, size: usize) -> Self {
        let stride = if size < 4096 { 64 } else { 1 };
        let end = Instant::now() + time;
        Self { count, end, stride }
    }

    /// Whether to stop after so many.
    pub(super) fn is_reached(&self, sent: usize) -> bool {
        sent >= self.count || (sent.is_multiple_of(self.stride) && Instant::now() >= self.end)
    }
}

/// Round-trip times.
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn new(most: usize) -> Self {
        Self(Vec::with_capacity(most.min(10_000_000)))
    }

    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// In microseconds.
    pub(super) fn figures(mut self) -> Figures {
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
    /// From now on.
    pub(super) fn begin(allocations: Option<Allocations>) -> Self {
        Self {
            allocations,
            allocated: allocations.map_or(0, |allocations| allocations()),
            cpu: cpu_time(),
            begun: Instant::now(),
        }
    }

    /// Until now, for so many messages.
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

/// What a message is for, told by its first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not measured.
    WarmUp = 0,
    /// Measured.
    Data = 1,
    /// None follows.
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
