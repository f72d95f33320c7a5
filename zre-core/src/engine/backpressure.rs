//! What happens when a peer does not take what is sent to it.

use alloc::boxed::Box;
use core::time::Duration;

use zre_proto::{Body, Message};

use crate::{config::Config, time::Instant};

/// How much may wait for a peer beyond the outbound limit: messages whose sender cannot be made to
/// wait, such as answers to PING and joins.
const UNREFUSABLE: usize = 1 << 20;

/// Whether a peer can be sent another message of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SendCapacity {
    Available,
    /// Not before something has been written to it, or before it is known whether it is there.
    Full,
    /// The connection to it is gone.
    Lost,
}

impl SendCapacity {
    pub(super) fn of_queue(queued: usize, limit: usize) -> Self {
        match queued >= limit {
            true => Self::Full,
            false => Self::Available,
        }
    }
}

/// Whether the sender of a message can be made to wait: it is one of the application.
pub(super) fn is_refusable(message: &Message) -> bool {
    matches!(message.body, Body::Whisper { .. } | Body::Shout { .. })
}

/// The bytes waiting for a peer that could not be refused, such as answers to its questions.
///
/// Write buffers do not tell whose bytes they have written, so this is an upper bound: what was
/// queued before an offset counts until the connection has been written so far.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Unrefusable {
    older: usize,
    /// The stream offset before which all older bytes stand.
    older_until: u64,
    newer: usize,
}

impl Unrefusable {
    /// So many have been queued behind `before` bytes, when `written` had been written.
    pub(super) fn note(&mut self, bytes: usize, written: u64, before: usize) {
        if before == 0 {
            // With a new connection, offsets begin anew.
            *self = Self::default();
        } else if written >= self.older_until {
            self.older = self.newer;
            self.older_until = written + before as u64;
            self.newer = 0;
        }
        self.newer += bytes;
    }

    /// How many wait at most.
    pub(super) fn waiting(&self, written: u64) -> usize {
        match written < self.older_until {
            true => self.older + self.newer,
            false => self.newer,
        }
    }

    /// Whether so much waits for a peer that it cannot be sent even a message that cannot be
    /// refused. What the application wanted to send does not count: a single message of its own
    /// may be larger than all limits, and both sides ask each other while it is on its way.
    pub(super) fn overflows(&self, written: u64, queued: usize, config: &Config) -> bool {
        queued > config.limits.outbound.saturating_add(UNREFUSABLE)
            && self.waiting(written) > UNREFUSABLE
    }
}

/// Watches that what waits for a peer moves. Boxed, as for most peers nothing waits.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Progress(Option<Box<Stuck>>);

/// How far was written, and since when that has not changed.
#[derive(Debug, Clone, Copy)]
struct Stuck {
    written: u64,
    since: Instant,
}

/// The result of checking a peer's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing waits for it.
    Idle,
    /// Something waits; check again then.
    CheckAt(Instant),
    /// It has taken nothing for `expired_after`.
    Stalled,
}

impl Progress {
    pub(super) fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// Since when nothing has been written to the peer; `None` if something has been since the
    /// last check.
    pub(super) fn stuck_since(&self, written: u64) -> Option<Instant> {
        let stuck = self.0.as_deref()?;
        (stuck.written == written).then_some(stuck.since)
    }

    /// `written` is how many bytes have been written to the peer in all; `None` if no more wait.
    pub(super) fn check(
        &mut self,
        written: Option<u64>,
        config: &Config,
        now: Instant,
    ) -> Standing {
        let Some(written) = written else {
            self.0 = None;
            return Standing::Idle;
        };
        let found = Stuck {
            written,
            since: now,
        };
        let stuck = self.0.get_or_insert_with(|| Box::new(found));
        if stuck.written != written {
            **stuck = found;
        }
        let stall_time = config.expired_after;
        let give_up_at = stuck.since + stall_time;
        if now >= give_up_at {
            return Standing::Stalled;
        }
        // Noting each write would be exact, and cost something for each. No setting makes this
        // timer spin.
        let interval = (stall_time / 6).max(Duration::from_millis(1));
        Standing::CheckAt(give_up_at.min(now + interval))
    }
}

/// The PING that a suspected peer has to answer, and how far the bytes before it have been written.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct PendingPing {
    number: u64,
    asked_at: Instant,
    /// The stream offset of the PING: it is next when so many bytes have been written.
    ping_offset: u64,
    /// The offset written at the last check, up to that of the PING.
    written_seen: u64,
    /// When that last grew. If bytes wait before the PING, it counts from when the PING was queued.
    progressed_at: Option<Instant>,
}

impl PendingPing {
    pub(super) fn new(number: u64, written: u64, queued: usize, now: Instant) -> Self {
        Self {
            number,
            asked_at: now,
            ping_offset: written + queued as u64,
            written_seen: written,
            progressed_at: (queued > 0).then_some(now),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the peer gets more time because its connections move: while bytes before the PING
    /// are written, or something comes over the peer's own connection, the answer cannot be here
    /// yet.
    ///
    /// After the last move the peer has the time `rest`, or as long again as the connections moved
    /// if that is longer, but never more than `expired_after`. As long again, because a peer that
    /// is slow to take the bytes before the PING is as slow with those in the system's buffers, and
    /// nobody knows how many these are.
    ///
    /// No other bound is needed: the bytes before the PING do not grow, those behind it do not
    /// count, and a peer whose own connection goes on is there.
    pub(super) fn deserves_more_time(
        &mut self,
        written: u64,
        read_at: Option<Instant>,
        rest: Duration,
        config: &Config,
        now: Instant,
    ) -> bool {
        let written = written.min(self.ping_offset);
        if written > self.written_seen {
            self.written_seen = written;
            self.progressed_at = Some(now);
        }
        // What was read before the question says nothing about it.
        let read_at = read_at.filter(|at| *at > self.asked_at);
        let Some(moved_at) = self.progressed_at.max(read_at) else {
            return false;
        };
        let as_long_again = moved_at.since(self.asked_at);
        let still_time = as_long_again.max(rest).min(config.expired_after);
        now.since(moved_at) < still_time
    }
}
