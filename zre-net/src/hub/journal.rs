//! What a node writes to the log.

use std::{
    collections::HashMap,
    io,
    mem::{Discriminant, discriminant},
    time::Duration,
};

use tracing::{debug, warn};
use zre_core::{Instant, Notice};

/// Something to write.
#[derive(Debug)]
pub(super) enum Entry {
    Notice(Notice),
    /// Once in a beacon interval at most.
    BeaconNotSent(io::Error),
}

/// Writes notices as log lines, a bounded number of warnings of a kind in a time: whoever can send us rubbish
/// shall not fill a disk with it.
#[derive(Debug, Default)]
pub(super) struct Journal {
    window_began_at: Instant,
    warnings: HashMap<Discriminant<Notice>, u32>,
}

impl Journal {
    const WINDOW: Duration = Duration::from_secs(10);
    const MOST_OF_A_KIND: u32 = 50;

    pub(super) fn write(&mut self, entry: &Entry, now: Instant) {
        match entry {
            Entry::Notice(notice) => self.write_notice(notice, now),
            Entry::BeaconNotSent(error) => warn!(%error, "could not send a beacon"),
        }
    }

    fn write_notice(&mut self, notice: &Notice, now: Instant) {
        if !is_warning(notice) {
            debug!("{notice}");
        } else if self.may_warn(notice, now) {
            warn!("{notice}");
        }
    }

    fn may_warn(&mut self, notice: &Notice, now: Instant) -> bool {
        if now.since(self.window_began_at) >= Self::WINDOW {
            self.begin_window(now);
        }
        let count = self.warnings.entry(discriminant(notice)).or_default();
        *count += 1;
        *count <= Self::MOST_OF_A_KIND
    }

    fn begin_window(&mut self, now: Instant) {
        let most = Self::MOST_OF_A_KIND;
        let counts = self.warnings.drain().map(|(_, count)| count);
        let suppressed: u32 = counts.map(|count| count.saturating_sub(most)).sum();
        if suppressed > 0 {
            warn!("{suppressed} further warnings were not written");
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
    )
}
