//! What a node writes to the log.

use std::{
    collections::HashMap,
    io,
    mem::{Discriminant, discriminant},
    time::Duration,
};

use tracing::{debug, warn};
use zre_core::{Instant, Notice};

/// Something to write. It is written when no lock is held, for who reads the log may use the node.
#[derive(Debug)]
pub(super) enum Entry {
    Notice(Notice),
    /// Once in a beacon interval at most.
    BeaconNotSent(io::Error),
    /// So many warnings were not let through.
    Suppressed(u32),
}

impl Entry {
    pub(super) fn write(&self) {
        match self {
            Self::Notice(notice) if is_warning(notice) => warn!("{notice}"),
            Self::Notice(notice) => debug!("{notice}"),
            Self::BeaconNotSent(error) => warn!(%error, "could not send a beacon"),
            Self::Suppressed(count) => warn!("{count} further warnings were not written"),
        }
    }
}

/// Lets a bounded number of warnings of a kind through in a time: whoever can send us rubbish shall not fill a disk
/// with it.
#[derive(Debug, Default)]
pub(super) struct Journal {
    window_began_at: Instant,
    warnings: HashMap<Discriminant<Notice>, u32>,
    admitted: Vec<Entry>,
}

impl Journal {
    const WINDOW: Duration = Duration::from_secs(10);
    const MOST_OF_A_KIND: u32 = 50;

    pub(super) fn add(&mut self, notice: Notice, now: Instant) {
        if !is_warning(&notice) || self.may_warn(&notice, now) {
            self.admitted.push(Entry::Notice(notice));
        }
    }

    pub(super) fn add_unsent_beacon(&mut self, error: io::Error) {
        self.admitted.push(Entry::BeaconNotSent(error));
    }

    /// Takes what is to be written.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.admitted)
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
    )
}
