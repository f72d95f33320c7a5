//! What a node writes to the log.

use std::{collections::BTreeMap, time::Duration};

use tracing::{debug, warn};
use zre_core::{Instant, Notice};

/// Something to write. It is written when no lock is held, for who reads the log may use the node.
#[derive(Debug)]
pub(super) enum Entry {
    Notice(Notice),
    /// So many warnings were not let through.
    Suppressed(u64),
}

impl Entry {
    pub(super) fn write(&self) {
        match self {
            Self::Notice(notice) if is_warning(notice) => warn!("{notice}"),
            Self::Notice(notice) => debug!("{notice}"),
            Self::Suppressed(count) => warn!("{count} further warnings were not written"),
        }
    }
}

/// Lets a bounded number of warnings of a kind through in a time, so that nobody who can send us
/// rubbish fills a disk with it; and counts all notices.
#[derive(Debug, Default)]
pub(super) struct LogQueue {
    window_began_at: Instant,
    warnings: BTreeMap<&'static str, u64>,
    admitted: Vec<Entry>,
    counts: BTreeMap<&'static str, u64>,
    suppressed: u64,
}

impl LogQueue {
    const WINDOW: Duration = Duration::from_secs(10);
    const MAX_OF_A_KIND: u64 = 50;

    pub(super) fn add(&mut self, notice: Notice, now: Instant) {
        // Also those that are not written.
        *self.counts.entry(notice.kind()).or_default() += 1;
        if !is_warning(&notice) || self.may_warn(&notice, now) {
            self.admitted.push(Entry::Notice(notice));
        } else {
            self.suppressed += 1;
        }
    }

    /// Takes what is to be written.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.admitted)
    }

    /// How many notices of each kind there have been.
    pub(super) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// How many warnings were not let through.
    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed
    }

    fn may_warn(&mut self, notice: &Notice, now: Instant) -> bool {
        if now.since(self.window_began_at) >= Self::WINDOW {
            self.begin_window(now);
        }
        let count = self.warnings.entry(notice.kind()).or_default();
        *count += 1;
        *count <= Self::MAX_OF_A_KIND
    }

    fn begin_window(&mut self, now: Instant) {
        let counts = std::mem::take(&mut self.warnings).into_values();
        let suppressed = counts
            .map(|count| count.saturating_sub(Self::MAX_OF_A_KIND))
            .sum();
        if suppressed > 0 {
            self.admitted.push(Entry::Suppressed(suppressed));
        }
        self.window_began_at = now;
    }
}

/// Whether a user who looks for a mistake wants to read it first.
fn is_warning(notice: &Notice) -> bool {
    !matches!(
        notice,
        Notice::ConnectFailed { .. }
            | Notice::HelloAnswer { .. }
            | Notice::EarlyWrap { .. }
            | Notice::Stray { .. }
            | Notice::UnknownMessage { .. }
            | Notice::IgnoredElection { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_is_counted_and_written_only_in_part() {
        let mut log = LogQueue::default();
        let now = Instant::from_micros(20_000_000);
        for _ in 0..60 {
            let error = String::new();
            log.add(Notice::NotAccepted { error }, now);
        }
        assert_eq!(log.take().len(), 50);
        assert_eq!(log.suppressed(), 10);
        assert_eq!(log.counts().get("not_accepted"), Some(&60));
        let error = String::new();
        log.add(Notice::BeaconNotSent { error }, now + LogQueue::WINDOW);
        let [Entry::Suppressed(10), Entry::Notice(_)] = &log.take()[..] else {
            panic!("what was left out is said when the window is over");
        };
    }
}
