//! The engine's time.

use std::time;

use zre_core::Instant;

/// Tells the engine's time, which counts from an epoch.
#[derive(Debug)]
pub(super) struct Clock {
    epoch: time::Instant,
    messages: SharedTime,
}

impl Clock {
    /// A clock that begins now.
    pub(super) fn new() -> Self {
        Self {
            epoch: time::Instant::now(),
            messages: SharedTime::default(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::default() + self.epoch.elapsed()
    }

    /// The time of a message, which another just before may have shared.
    pub(super) fn message_time(&mut self) -> Instant {
        let epoch = self.epoch;
        self.messages.get(|| Instant::default() + epoch.elapsed())
    }

    /// Something has been written now, so the next message is not to share its time.
    pub(super) fn note_written(&mut self) {
        self.messages.note_written();
    }

    /// The system's time at one of the engine's.
    pub(super) fn to_system(&self, at: Instant) -> time::Instant {
        self.epoch + at.since(Instant::default())
    }
}

/// A reading of the clock that some messages share. Reading it takes a sixth of all that is done to
/// send a small message, so messages that are not written one by one share a reading.
#[derive(Debug, Default)]
struct SharedTime {
    read: Instant,
    /// How many more messages may have that time.
    left: u32,
}

impl SharedTime {
    /// How many messages share a reading.
    const SHARED_BY: u32 = 8;

    fn get(&mut self, now: impl FnOnce() -> Instant) -> Instant {
        if self.left == 0 {
            self.read = now();
            self.left = Self::SHARED_BY;
        }
        self.left -= 1;
        self.read
    }

    fn note_written(&mut self) {
        self.left = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_read_for_every_eighth_message_and_behind_each_write() {
        let at = Instant::from_micros;
        let mut shared = SharedTime::default();
        let mut time = |number| shared.get(|| at(number));
        let times: Vec<_> = (0..16).map(&mut time).collect();
        assert_eq!(times, [[at(0); 8], [at(8); 8]].concat());
        assert_eq!(time(16), at(16));
        shared.note_written();
        assert_eq!(shared.get(|| at(17)), at(17));
    }
}
