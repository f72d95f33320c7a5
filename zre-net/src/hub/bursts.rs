//! Messages that follow each other at once, and are therefore written together.
//!
//! A message is written by whoever sends it. In a burst that would be a system call for each, so there writes are put off
//! until it is worth one. What is still put off when the burst is over is written:
//!
//! - by the thread that sends, when it begins to wait for something;
//! - by the connection's task, when that runs on the thread that sends, which has then turned to something else;
//! - or else by the driver, which looks at the time.
//!
//! Another thread does not write in the middle of a burst: it would be woken for every few messages, and the sender
//! would wait for it.

use std::{
    collections::BTreeSet,
    thread::{self, ThreadId},
    time::Duration,
};

use bytes::Buf as _;
use zre_core::{Instant, LinkId};

use super::{State, links::Stream, since};

/// So long after the last look the driver looks again, while bursts go on.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// The connections on which writes are put off.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    links: BTreeSet<LinkId>,
    /// When the driver is to look for what has been put off for too long, if it is left to it.
    look_at: Option<Instant>,
    clock: Clock,
}

impl PutOff {
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }
}

/// The time of messages. To read the system's clock takes a sixth of all that is done to send a small one, so those that are
/// not written one by one share a reading.
#[derive(Debug, Default)]
struct Clock {
    read: Instant,
    /// How many more messages may have that time.
    left: u32,
}

impl Clock {
    /// How many messages share a reading.
    const SHARED_BY: u32 = 8;

    fn message_time(&mut self, now: impl FnOnce() -> Instant) -> Instant {
        if self.left == 0 {
            self.read = now();
            self.left = Self::SHARED_BY;
        }
        self.left -= 1;
        self.read
    }

    /// Something has been written now, so the next message is not to share its time.
    fn note_written(&mut self) {
        self.left = 0;
    }
}

/// How fast messages follow each other on a connection.
#[derive(Debug, Default)]
pub(super) struct Pace {
    written_at: Instant,
    /// How many have followed each other at once.
    burst: u32,
    /// Since when writes are put off, and by whom.
    put_off: Option<(Instant, ThreadId)>,
}

enum Turn {
    Write,
    /// Not now.
    PutOff,
    /// As for the one before.
    StillPutOff,
}

impl Pace {
    /// What comes so soon after a write follows it at once.
    const GAP: Duration = Duration::from_micros(4);
    /// So many may, and are written one by one: what somebody sends together is often no more.
    const SINGLES: u32 = 16;
    /// So many octets are worth a write.
    const ENOUGH: usize = 32 << 10;
    /// So long is anything put off while messages follow.
    const LONGEST: Duration = Duration::from_micros(200);

    fn next(&mut self, queued: usize, now: Instant) -> Turn {
        if self.is_put_off() {
            return match queued >= Self::ENOUGH || self.is_due(now) {
                true => Turn::Write,
                false => Turn::StillPutOff,
            };
        }
        self.burst = match now.since(self.written_at) < Self::GAP {
            true => self.burst.saturating_add(1),
            false => 0,
        };
        if self.burst <= Self::SINGLES || queued >= Self::ENOUGH {
            return Turn::Write;
        }
        self.put_off = Some((now, thread::current().id()));
        Turn::PutOff
    }

    pub(super) fn is_put_off(&self) -> bool {
        self.put_off.is_some()
    }

    fn is_due(&self, now: Instant) -> bool {
        self.put_off
            .is_some_and(|(since, _)| now.since(since) >= Self::LONGEST)
    }

    fn is_by(&self, thread: ThreadId) -> bool {
        self.put_off.is_some_and(|(_, by)| by == thread)
    }
}

impl<S: Stream> State<S> {
    /// The time of a message, which another just before may have shared.
    pub(super) fn message_time(&mut self) -> Instant {
        let epoch = self.epoch;
        self.put_off.clock.message_time(|| since(epoch))
    }

    /// There is something to write to a connection: writes it, or puts it off in the middle of a burst.
    pub(super) fn write(&mut self, link: LinkId, now: Instant) {
        let known = self.links.0.get_mut(&link);
        let Some(known) = known.filter(|known| known.is_writable()) else {
            return;
        };
        let outbox = self.engine.write_buffer(link);
        let queued = outbox.map_or(0, |outbox| outbox.remaining());
        match known.pace.next(queued, now) {
            Turn::Write => self.write_now(link, now),
            Turn::PutOff => {
                self.put_off.links.insert(link);
                if self.put_off.look_at.is_none()
                    && let Some(task) = known.task.take()
                {
                    self.woken.push(task);
                }
            }
            Turn::StillPutOff => {}
        }
    }

    /// Writes what was put off on a connection, or leaves it to the driver if the burst may still go on.
    pub(super) fn look_at_put_off(&mut self, link: LinkId, now: Instant) {
        let Some(known) = self.links.0.get(&link) else {
            return;
        };
        if known.pace.is_by(thread::current().id()) || known.pace.is_due(now) {
            self.write_now(link, now);
        } else {
            self.put_off.look_at.get_or_insert(now + Pace::LONGEST);
        }
    }

    /// Writes what was put off on this thread, as it sends no more now.
    pub(super) fn write_own(&mut self, now: Instant) {
        if !self.put_off.links.is_empty() {
            let thread = thread::current().id();
            self.write_those(|pace| pace.is_by(thread), now);
        }
    }

    /// Writes all that was put off.
    pub(super) fn write_all(&mut self, now: Instant) {
        self.write_those(|_| true, now);
    }

    /// Writes what has been put off for long enough, if it is time to look.
    pub(super) fn write_due(&mut self, now: Instant) {
        if self.put_off.look_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        self.write_those(|pace| pace.is_due(now), now);
        if !self.put_off.links.is_empty() {
            self.put_off.look_at = Some(now + LOOK_AGAIN);
        }
    }

    /// A connection has been written as far as that is possible.
    pub(super) fn note_written(&mut self, link: LinkId) {
        let written_at = self.now();
        self.put_off.clock.note_written();
        if let Some(known) = self.links.0.get_mut(&link) {
            known.pace.written_at = written_at;
            if known.pace.put_off.take().is_some() {
                self.put_off.links.remove(&link);
            }
        }
    }

    fn write_those(&mut self, are_meant: impl Fn(&Pace) -> bool, now: Instant) {
        let links = &self.links.0;
        self.put_off.links.retain(|link| links.contains_key(link));
        let is_meant = |link: &LinkId| links.get(link).is_some_and(|known| are_meant(&known.pace));
        let meant: Vec<_> = self
            .put_off
            .links
            .iter()
            .copied()
            .filter(is_meant)
            .collect();
        for link in meant {
            self.write_now(link, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(1_000_000 + micros)
    }

    /// Asks for a turn for each message, a microsecond apart, and writes when it is to; says which were written.
    fn written(pace: &mut Pace, begin: u64, count: u64, queued: usize) -> Vec<u64> {
        let mut written = Vec::new();
        for number in 0..count {
            let now = at(begin + number);
            if matches!(pace.next(queued, now), Turn::Write) {
                written.push(number);
                pace.written_at = now;
                pace.put_off = None;
            }
        }
        written
    }

    #[test]
    fn what_is_sent_together_is_written_one_by_one_as_long_as_it_is_little() {
        let mut pace = Pace::default();
        let singles = u64::from(Pace::SINGLES);
        let expected: Vec<_> = (0..=singles).collect();
        assert_eq!(written(&mut pace, 0, 100, 26), expected);
        assert!(pace.is_put_off() && pace.is_by(thread::current().id()));
        assert!(!pace.is_by(thread::spawn(|| thread::current().id()).join().unwrap()));
    }

    #[test]
    fn what_is_put_off_is_written_when_it_is_worth_it_or_has_waited_for_long_enough() {
        let mut pace = Pace::default();
        written(&mut pace, 0, 100, 26);
        assert!(matches!(
            pace.next(Pace::ENOUGH - 1, at(100)),
            Turn::StillPutOff
        ));
        assert!(matches!(pace.next(Pace::ENOUGH, at(100)), Turn::Write));
        let since = u64::from(Pace::SINGLES) + 1;
        assert!(!pace.is_due(at(since + 199)));
        assert!(pace.is_due(at(since + 200)));
        assert!(matches!(pace.next(26, at(since + 200)), Turn::Write));
    }

    #[test]
    fn the_clock_is_read_for_every_eighth_message_and_behind_each_write() {
        let mut clock = Clock::default();
        let mut time = |number| clock.message_time(|| at(number));
        let times: Vec<_> = (0..16).map(&mut time).collect();
        assert_eq!(times, [[at(0); 8], [at(8); 8]].concat());
        assert_eq!(time(16), at(16));
        clock.note_written();
        assert_eq!(clock.message_time(|| at(17)), at(17));
    }

    #[test]
    fn a_pause_ends_a_burst() {
        let mut pace = Pace::default();
        let mut now = 0;
        for _ in 0..100 {
            assert_eq!(written(&mut pace, now, 10, 26).len(), 10);
            now += 10 + 4;
        }
    }
}
