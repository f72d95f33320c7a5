//! Whether a program waits for itself.

use std::time::Duration;

use zre_core::Instant;

/// Notices when the application takes no events while it waits for room to send.
///
/// Its peers may do the same: then each waits for the other to take events, and nothing moves until
/// one of them gives the other up.
#[derive(Debug, Default)]
pub(super) struct JamWatch(Option<Jam>);

/// Sending waits, and events wait.
#[derive(Debug, Clone, Copy)]
struct Jam {
    /// How many events had been taken when this was first seen.
    taken: u64,
    /// When it will have lasted for long enough to be told; `None` if it has been told.
    told_at: Option<Instant>,
}

impl JamWatch {
    /// So long may an application be busy with one event.
    const PATIENCE: Duration = Duration::from_secs(1);

    pub(super) fn is_watching(&self) -> bool {
        self.0.is_some()
    }

    /// When to look again.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.0?.told_at
    }

    /// Nothing waits to be sent.
    pub(super) fn end(&mut self) {
        // What has been told stays told until an event is taken.
        self.0.take_if(|jam| jam.told_at.is_some());
    }

    /// `is_jammed` says whether sending waits and events wait now, and `taken` how many events have
    /// been taken in all. Says whether it has been so for a second and not been told: once, until
    /// an event is taken.
    pub(super) fn is_new(&mut self, is_jammed: bool, taken: u64, now: Instant) -> bool {
        if !is_jammed {
            self.end();
            return false;
        }
        let begun = Jam {
            taken,
            told_at: Some(now + Self::PATIENCE),
        };
        let jam = self.0.get_or_insert(begun);
        if jam.taken != taken {
            *jam = begun;
        }
        jam.told_at.take_if(|at| *at <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(1000 * millis)
    }

    #[test]
    fn a_jam_is_told_once_after_a_second() {
        let mut watch = JamWatch::default();
        assert!(!watch.is_new(true, 7, at(0)));
        assert_eq!(watch.look_at(), Some(at(1000)));
        assert!(!watch.is_new(true, 7, at(999)));
        assert!(watch.is_new(true, 7, at(1000)));
        assert_eq!(watch.look_at(), None);
        assert!(!watch.is_new(true, 7, at(5000)));
        assert!(!watch.is_new(false, 7, at(5000)));
        assert!(!watch.is_new(true, 7, at(9000)), "it is the same");
    }

    #[test]
    fn an_event_that_is_taken_ends_a_jam() {
        let mut watch = JamWatch::default();
        assert!(!watch.is_new(true, 7, at(0)));
        assert!(!watch.is_new(true, 8, at(900)));
        assert!(!watch.is_new(true, 8, at(1800)));
        assert!(watch.is_new(true, 8, at(1900)));
        assert!(!watch.is_new(true, 9, at(2000)));
        assert!(watch.is_new(true, 9, at(3000)), "another");
    }

    #[test]
    fn sending_that_waits_for_moments_only_is_no_jam() {
        let mut watch = JamWatch::default();
        for round in 0..50 {
            assert!(!watch.is_new(true, 7, at(100 * round)));
            assert!(!watch.is_new(false, 7, at(100 * round + 50)));
        }
    }
}
