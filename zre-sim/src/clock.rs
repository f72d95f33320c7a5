//! A host's clock, which may run fast or slow, and jump.

use std::time::Duration;

use zre_core::Instant;

/// What a clock shows: a straight line from one point, until the next change of its rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// A moment of true time.
    at: Instant,
    /// What the clock shows then.
    shows: Instant,
    /// How many of its microseconds pass in a million true ones.
    rate: u64,
}

impl Clock {
    /// The rate of a clock that is right.
    const TRUE_RATE: u64 = 1_000_000;

    pub(crate) fn new(now: Instant, shows: Instant) -> Self {
        Self {
            at: now,
            shows,
            rate: Self::TRUE_RATE,
        }
    }

    /// What it shows at a moment of true time.
    pub(crate) fn read(&self, now: Instant) -> Instant {
        let elapsed = now.since(self.at).as_micros() * u128::from(self.rate);
        self.shows + micros(elapsed / u128::from(Self::TRUE_RATE))
    }

    /// The first true microsecond at which it shows `local` or more.
    pub(crate) fn when(&self, local: Instant) -> Instant {
        // Rounded up: a timer that fires before its time on the local clock would fire again and
        // again at the same moment.
        let ahead = local.since(self.shows).as_micros() * u128::from(Self::TRUE_RATE);
        self.at + micros(ahead.div_ceil(u128::from(self.rate)))
    }

    /// From now on it gains this many microseconds in each second, or loses them.
    pub(crate) fn drift(&mut self, now: Instant, gain: i32) {
        let rate = i64::from(gain) + 1_000_000;
        // A clock that stood still could never reach a deadline.
        *self = Self {
            at: now,
            shows: self.read(now),
            rate: u64::try_from(rate).unwrap_or(0).max(1),
        };
    }

    pub(crate) fn jump_ahead(&mut self, now: Instant, by: Duration) {
        self.shows = self.read(now) + by;
        self.at = now;
    }

    pub(crate) fn jump_back(&mut self, now: Instant, by: Duration) {
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        let shows = self.read(now).as_micros().saturating_sub(by);
        self.shows = Instant::from_micros(shows);
        self.at = now;
    }
}

fn micros(count: u128) -> Duration {
    Duration::from_micros(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_its_own_is_found_in_true_time_whatever_the_clock_does() {
        let at = Instant::from_micros;
        let mut clock = Clock::new(at(0), at(1_000_000));
        assert_eq!(clock.read(at(7)), at(1_000_007));
        clock.drift(at(10), 250_000);
        assert_eq!(clock.read(at(14)), at(1_000_015));
        clock.jump_back(at(14), Duration::from_micros(10));
        for local in 1_000_005..1_000_100 {
            let when = clock.when(at(local));
            assert!(clock.read(when) >= at(local));
            assert!(when == at(14) || clock.read(at(when.as_micros() - 1)) < at(local));
        }
        clock.jump_ahead(at(20), Duration::from_secs(3));
        assert!(clock.when(at(1_000_100)) <= at(20));
    }
}
