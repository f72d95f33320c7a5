//! A progress bar for a run.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Steps of the bar for one measurement.
const PARTS: u64 = 1000;

/// A bar on standard error, if that is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    done: u64,
}

impl Progress {
    /// For so many measurements.
    pub(super) fn new(measurements: usize) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::new(measurements as u64 * PARTS)
        } else {
            ProgressBar::hidden()
        };
        // The template is a constant; if it were wrong, the default style would do.
        if let Ok(style) = ProgressStyle::with_template("{msg:20} {wide_bar} {percent:>3} %") {
            bar.set_style(style);
        }
        Self { bar, done: 0 }
    }

    /// A measurement begins: it ends after so many messages or so much time.
    pub(super) fn begin(&mut self, what: String, count: u64, time: Duration) -> Measurement<'_> {
        self.bar.set_message(what);
        let from = self.done * PARTS;
        self.done += 1;
        let now = Instant::now();
        Measurement {
            bar: &self.bar,
            from,
            count,
            begun: now,
            end: now + time,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A measurement under way.
#[derive(Debug)]
pub(super) struct Measurement<'p> {
    bar: &'p ProgressBar,
    from: u64,
    count: u64,
    begun: Instant,
    end: Instant,
}

impl Measurement<'_> {
    /// Whether it goes on after so many messages.
    pub(super) fn goes_on(&self, messages: u64) -> bool {
        let now = Instant::now();
        if messages.is_multiple_of(256) {
            self.show(messages, now);
        }
        messages < self.count && now < self.end
    }

    fn show(&self, messages: u64, now: Instant) {
        let by_count = messages * PARTS / self.count;
        let whole = (self.end - self.begun).as_millis().max(1);
        let by_time = (now - self.begun).as_millis() * u128::from(PARTS) / whole;
        let part = by_count.max(u64::try_from(by_time).unwrap_or(PARTS));
        self.bar.set_position(self.from + part.min(PARTS));
    }
}
