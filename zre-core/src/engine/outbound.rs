//! How much may wait to be written for all peers together.

use core::time::Duration;

use crate::{config::Limits, time::Instant};

/// What waits for all peers, and how much may wait for one of them.
///
/// One half of [`Limits::outbound_total`] is divided equally among the peers: so much may always
/// wait for each, whatever waits for others. Beyond its part a peer takes from the other half. When
/// that is used up, sending is refused to all who have used their part.
///
/// Write buffers count for themselves, and tell nobody what is written from them. So what is known
/// here is only an upper bound, and all peers are counted when it gets near the limit.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Outbound {
    /// What was found to wait at the last count, and all that has been queued since.
    most: usize,
    /// All are counted when that has come so far.
    count_at: usize,
    counted_at: Instant,
    /// How much may wait for each peer; `None` while there is enough for all.
    share: Option<usize>,
}

impl Outbound {
    /// How long a count holds while there is not enough for all.
    const FRESH: Duration = Duration::from_millis(1);

    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            count_at: limits.outbound_total / 2,
            ..Self::default()
        }
    }

    /// How much may wait for one peer before sending to it is refused.
    pub(super) fn limit(&self, limits: &Limits) -> usize {
        let share = self.share.unwrap_or(usize::MAX);
        limits.outbound.min(share)
    }

    pub(super) fn note_queued(&mut self, bytes: usize) {
        self.most = self.most.saturating_add(bytes);
    }

    /// Whether all peers must be counted.
    pub(super) fn must_count(&self, now: Instant) -> bool {
        self.most >= self.count_at || self.share.is_some() && now >= self.counted_at + Self::FRESH
    }

    /// So much waits for so many peers. Gives the part of each if that is more than the limit.
    pub(super) fn counted(
        &mut self,
        waiting: usize,
        peers: usize,
        limits: &Limits,
        now: Instant,
    ) -> Option<usize> {
        let total = limits.outbound_total;
        let share = total / 2 / peers.max(1);
        self.most = waiting;
        self.counted_at = now;
        // Not again for each message while it stays just below a half.
        self.count_at = (total / 2).max(waiting.saturating_add(total / 16));
        self.share = (waiting >= total / 2).then_some(share);
        (waiting > total).then_some(share)
    }

    /// Something that waited is gone: the next count comes at once.
    pub(super) fn count_again(&mut self) {
        self.count_at = 0;
    }
}
