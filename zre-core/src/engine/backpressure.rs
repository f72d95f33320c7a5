//! What happens when a peer does not take what is sent to it.

use alloc::boxed::Box;
use core::time::Duration;

use zre_proto::{Body, Message};

use crate::{config::Config, time::Instant};

/// How much may wait for a peer beyond the outbound limit: what nobody can be made to wait with,
/// such as answers and joins.
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
    pub(super) fn of_queue(queued: usize, config: &Config) -> Self {
        match queued >= config.limits.outbound {
            true => Self::Full,
            false => Self::Available,
        }
    }
}

/// Whether so much waits for a peer that it cannot be sent even what nobody can be made to wait
/// with. Messages of the application were refused before they came here.
pub(super) fn overflows(queued: usize, message: &Message, config: &Config) -> bool {
    let is_refusable = matches!(message.body, Body::Whisper { .. } | Body::Shout { .. });
    !is_refusable && queued > config.limits.outbound.saturating_add(UNREFUSABLE)
}

/// Watches that what waits for a peer moves. Boxed, as for most peers nothing waits.
#[derive(Debug, Default)]
pub(super) struct Progress(Option<Box<Stuck>>);

/// How far was written, and since when that has not changed.
#[derive(Debug, Clone, Copy)]
struct Stuck {
    written: u64,
    since: Instant,
}

/// What a check of a peer's progress came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing waits for it.
    Idle,
    /// Something waits, and is checked again then.
    CheckAt(Instant),
    /// It has taken nothing for so long that it is given up.
    Stalled,
}

impl Progress {
    pub(super) fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// `written` is how much has been written to the peer in all, if more waits.
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
        let give_up_at = stuck.since + config.expired_after;
        if now >= give_up_at {
            return Standing::Stalled;
        }
        // No setting makes this timer spin.
        let interval = (config.expired_after / 6).max(Duration::from_millis(1));
        Standing::CheckAt(give_up_at.min(now + interval))
    }
}

/// The PING that a suspected peer has to answer, and what has become of that which stood before it.
#[derive(Debug)]
pub(super) struct PendingPing {
    number: u64,
    asked_at: Instant,
    /// How much must be written until the PING is next.
    before: u64,
    /// How much was, up to there, when it was looked at.
    written: u64,
    /// When that was seen to have changed; from the beginning, if anything stood before the PING.
    moved_at: Option<Instant>,
}

impl PendingPing {
    pub(super) fn new(number: u64, written: u64, queued: usize, now: Instant) -> Self {
        Self {
            number,
            asked_at: now,
            before: written + queued as u64,
            written,
            moved_at: (queued > 0).then_some(now),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the peer gets more time, because its connections move: if something stands before
    /// the PING, or comes over the peer's own connection, the answer cannot be here yet.
    ///
    /// The connections may then be still for the evasive timeout, or for as long again as they
    /// have moved, but never for longer than the expired timeout. As long again, because a peer
    /// that is slow to take what stood before the PING is slow with what the system's buffers
    /// hold, too, and nobody knows how much that is. There is no other bound: what stands before
    /// the PING does not grow, bytes behind it count for nothing, and a peer whose own connection
    /// goes on is there.
    pub(super) fn deserves_more_time(
        &mut self,
        written: u64,
        read_at: Option<Instant>,
        config: &Config,
        now: Instant,
    ) -> bool {
        let written = written.min(self.before);
        if written > self.written {
            self.written = written;
            self.moved_at = Some(now);
        }
        let read_at = read_at.filter(|at| *at > self.asked_at);
        let Some(moved_at) = self.moved_at.max(read_at) else {
            return false;
        };
        let as_long_again = moved_at.since(self.asked_at);
        let patience = as_long_again
            .max(config.evasive_after)
            .min(config.expired_after);
        now.since(moved_at) < patience
    }
}
