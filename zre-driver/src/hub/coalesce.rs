//! Writing messages that follow each other at once together.
//!
//! A message is written by whoever sends it. In a burst that would be a system call for each, so
//! there writes are deferred until it is worth one. What is still deferred when the burst is over
//! is written:
//!
//! - by the thread that sends, when it begins to wait for something;
//! - by an operation that waits for a confirmation of what it sent, when its task comes round to
//!   it again: until then the task may send more;
//! - by the connection's task, when that runs on the thread that sends, which has then turned to
//!   something else;
//! - or else by the driver, which looks at the time.
//!
//! Another thread does not write in the middle of a burst: it would be woken for every few
//! messages, and the sender would wait for it.

use std::{
    collections::BTreeSet,
    thread::{self, ThreadId},
    time::Duration,
};

use zre_core::{Instant, LinkId};

/// While bursts go on, the driver looks for overdue writes this often.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The connections on which writes are deferred.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    links: BTreeSet<LinkId>,
    /// When the driver is to look for overdue writes, if that is left to it.
    look_at: Option<Instant>,
    /// Whether an operation has been asked to look.
    is_asked: bool,
}

impl Deferred {
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    pub(super) fn add(&mut self, link: LinkId) {
        self.links.insert(link);
    }

    pub(super) fn remove(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.is_asked &= !self.links.is_empty();
    }

    /// Whether an operation is to be asked to write what is deferred: something is, and none has
    /// been asked.
    pub(super) fn is_to_ask(&mut self) -> bool {
        !self.links.is_empty() && !std::mem::replace(&mut self.is_asked, true)
    }

    /// Whether an operation has been asked.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    pub(super) fn links(&self) -> impl Iterator<Item = LinkId> {
        self.links.iter().copied()
    }

    /// Leaves what is deferred now to the driver, if it goes on for too long.
    pub(super) fn leave_to_driver(&mut self, now: Instant) {
        self.look_at.get_or_insert(now + Coalescer::LONGEST);
    }

    /// Whether it is time for the driver to look.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.look_at.take_if(|at| *at <= now).is_some()
    }

    /// The driver has looked, and looks again later if there is reason to.
    pub(super) fn looked(&mut self, now: Instant) {
        if !self.is_empty() {
            self.look_at = Some(now + LOOK_AGAIN);
        }
    }
}

/// Decides for one connection whether a message is written at once or with those that follow.
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    written_at: Instant,
    /// How many messages have followed each other at once.
    burst: u32,
    /// Since when writes are deferred, and by whom.
    deferred: Option<(Instant, ThreadId)>,
}

/// What is to be done about a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Write it now.
    Write,
    /// Write it later; it is the first of those that are.
    Defer,
    /// Write it later, as the one before.
    StillDefer,
}

impl Coalescer {
    /// A message that comes so soon after a write follows it at once.
    const GAP: Duration = Duration::from_micros(4);
    /// So many may, and are written one by one: what somebody sends together is often no more.
    const SINGLES: u32 = 16;
    /// So many bytes are worth a write.
    const ENOUGH: usize = 32 << 10;
    /// A write is deferred no longer than this while messages follow.
    const LONGEST: Duration = Duration::from_micros(200);

    pub(super) fn decide(&mut self, queued: usize, now: Instant) -> Decision {
        if self.is_deferred() {
            return match queued >= Self::ENOUGH || self.is_due(now) {
                true => Decision::Write,
                false => Decision::StillDefer,
            };
        }
        // A pause ends a burst.
        self.burst = match now.since(self.written_at) < Self::GAP {
            true => self.burst.saturating_add(1),
            false => 0,
        };
        if self.burst <= Self::SINGLES || queued >= Self::ENOUGH {
            return Decision::Write;
        }
        self.deferred = Some((now, thread::current().id()));
        Decision::Defer
    }

    /// What comes now is one of many, however long ago the last was written.
    pub(super) fn go_on_in_burst(&mut self, now: Instant) {
        self.burst = self.burst.max(Self::SINGLES);
        self.written_at = now;
    }

    /// All has been written that could be; says whether anything had been deferred.
    pub(super) fn note_written(&mut self, now: Instant) -> bool {
        self.written_at = now;
        self.deferred.take().is_some()
    }

    pub(super) fn is_deferred(&self) -> bool {
        self.deferred.is_some()
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.deferred
            .is_some_and(|(since, _)| now.since(since) >= Self::LONGEST)
    }

    pub(super) fn is_by(&self, thread: ThreadId) -> bool {
        self.deferred.is_some_and(|(_, by)| by == thread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(1_000_000 + micros)
    }

    /// Asks about each message, a microsecond apart, and writes when it is to; says which were
    /// written.
    fn written(coalescer: &mut Coalescer, begin: u64, count: u64, queued: usize) -> Vec<u64> {
        let mut written = Vec::new();
        for number in 0..count {
            let now = at(begin + number);
            if coalescer.decide(queued, now) == Decision::Write {
                written.push(number);
                coalescer.note_written(now);
            }
        }
        written
    }

    #[test]
    fn what_is_sent_together_is_written_one_by_one_as_long_as_it_is_little() {
        let mut coalescer = Coalescer::default();
        let singles = u64::from(Coalescer::SINGLES);
        let expected: Vec<_> = (0..=singles).collect();
        assert_eq!(written(&mut coalescer, 0, 100, 26), expected);
        assert!(coalescer.is_deferred() && coalescer.is_by(thread::current().id()));
        assert!(!coalescer.is_by(thread::spawn(|| thread::current().id()).join().unwrap()));
    }

    #[test]
    fn what_is_deferred_is_written_when_it_is_worth_it_or_has_waited_for_long_enough() {
        let mut coalescer = Coalescer::default();
        written(&mut coalescer, 0, 100, 26);
        let enough = Coalescer::ENOUGH;
        assert_eq!(coalescer.decide(enough - 1, at(100)), Decision::StillDefer);
        assert_eq!(coalescer.decide(enough, at(100)), Decision::Write);
        let since = u64::from(Coalescer::SINGLES) + 1;
        assert!(!coalescer.is_due(at(since + 199)));
        assert!(coalescer.is_due(at(since + 200)));
        assert_eq!(coalescer.decide(26, at(since + 200)), Decision::Write);
    }

    #[test]
    fn a_pause_ends_a_burst() {
        let mut coalescer = Coalescer::default();
        let mut now = 0;
        for _ in 0..100 {
            assert_eq!(written(&mut coalescer, now, 10, 26).len(), 10);
            now += 10 + 4;
        }
    }
}
