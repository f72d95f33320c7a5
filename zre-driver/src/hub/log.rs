//! What a node writes to the log.

use std::{collections::BTreeMap, time::Duration};

use tracing::{debug, info, warn};
use zre_core::{Event, Instant, NetworkInfo, Notice, interfaces::Choice, proto::PeerId};

/// The target of warnings of peers that say HELLO and cannot be reached, for a program that tells
/// its user by itself and leaves them out.
const UNREACHABLE: &str = "zre_driver::unreachable";

/// The target of warnings of nodes that are refused or refuse this one because of a key, for a
/// program that shows [`Event::Refused`] and leaves them out.
const REFUSED: &str = "zre_driver::refused";

/// Something to write. It is written when no lock is held, for who reads the log may use the node.
#[derive(Debug)]
pub(super) enum Entry {
    Warning(Notice),
    Detail(Notice),
    /// The node is on other networks than before.
    Change(String),
    /// So many warnings were not let through.
    Suppressed(u64),
}

impl Entry {
    pub(super) fn write(&self) {
        match self {
            Self::Warning(notice @ Notice::Unreachable { .. }) => {
                warn!(target: UNREACHABLE, "{notice}");
            }
            Self::Warning(notice @ (Notice::NotTrusted { .. } | Notice::NotTrustedBy { .. })) => {
                warn!(target: REFUSED, "{notice}");
            }
            Self::Warning(notice) => warn!("{notice}"),
            Self::Detail(notice) => debug!("{notice}"),
            Self::Change(change) => info!("{change}"),
            Self::Suppressed(count) => warn!("{count} further warnings were not written"),
        }
    }
}

/// Lets some warnings of a kind through at once and a few from then on, so that nobody who can send
/// us rubbish fills a disk with it, nor a lack that lasts; and counts all notices.
#[derive(Debug, Default)]
pub(super) struct LogQueue {
    window_began_at: Instant,
    /// How many warnings of a kind count as recent: one less with each window.
    recent: BTreeMap<&'static str, u64>,
    /// How many were left out since the last window began.
    left_out: u64,
    /// When it was last warned that a peer cannot be reached or cannot reach this node.
    warned_of: BTreeMap<(&'static str, PeerId), Instant>,
    admitted: Vec<Entry>,
    counts: BTreeMap<&'static str, u64>,
    suppressed: u64,
}

impl LogQueue {
    const WINDOW: Duration = Duration::from_secs(10);
    /// So many of a kind may come at once, and one in each window from then on.
    const MAX_OF_A_KIND: u64 = 50;
    /// How long a further attempt that fails in the same way is only a detail.
    const SAME: Duration = Duration::from_secs(600);
    /// Of so many peers it is known when they were warned of.
    const PEERS: usize = 256;

    pub(super) fn add(&mut self, notice: Notice, now: Instant) {
        // Also those that are not written.
        *self.counts.entry(notice.kind()).or_default() += 1;
        if !is_warning(&notice) || self.is_repeated(&notice, now) {
            self.admitted.push(Entry::Detail(notice));
        } else if self.may_warn(&notice, now) {
            self.admitted.push(Entry::Warning(notice));
        } else {
            self.suppressed += 1;
            self.left_out += 1;
        }
    }

    /// Adds a change of the node's networks, with the reasons why some have been left.
    pub(super) fn add_change(&mut self, event: &Event, left: &[NetworkInfo], choice: &Choice) {
        let reasons = left.iter().map(|left| reason(left, choice));
        let reasons: Vec<_> = reasons.collect();
        self.admitted.push(Entry::Change(match reasons.is_empty() {
            true => event.to_string(),
            false => format!("{event}: {}", reasons.join(", ")),
        }));
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

    /// Whether the same was warned of not long ago: a peer whose beacons come is tried again and
    /// again.
    fn is_repeated(&mut self, notice: &Notice, now: Instant) -> bool {
        let (Notice::Unreachable { peer, .. } | Notice::NoHello { peer, .. }) = notice else {
            return false;
        };
        let is_recent = |at: Instant| now.since(at) < Self::SAME;
        let key = (notice.kind(), *peer);
        if self.warned_of.get(&key).copied().is_some_and(is_recent) {
            return true;
        }
        if self.warned_of.len() >= Self::PEERS {
            self.warned_of.retain(|_, at| is_recent(*at));
        }
        // Beyond them, only the limit of each kind is left.
        if self.warned_of.len() < Self::PEERS {
            self.warned_of.insert(key, now);
        }
        false
    }

    fn may_warn(&mut self, notice: &Notice, now: Instant) -> bool {
        self.begin_window(now);
        let recent = self.recent.entry(notice.kind()).or_default();
        let may = *recent < Self::MAX_OF_A_KIND;
        *recent += u64::from(may);
        may
    }

    /// Begins another window if the last is over, and says what was left out in it.
    fn begin_window(&mut self, now: Instant) {
        let windows = now.since(self.window_began_at).as_secs() / Self::WINDOW.as_secs();
        if windows == 0 {
            return;
        }
        self.window_began_at = now;
        self.recent.retain(|_, recent| {
            *recent = recent.saturating_sub(windows);
            *recent > 0
        });
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            self.admitted.push(Entry::Suppressed(left_out));
        }
    }
}

/// Why a network has been left.
fn reason(left: &NetworkInfo, choice: &Choice) -> String {
    let NetworkInfo {
        interface, address, ..
    } = left;
    let others = choice.passed_over.iter();
    let others = others.filter(|it| it.interface == *interface);
    let mut others = others.filter(|it| it.address.is_none_or(|other| other == *address));
    match others.next() {
        Some(passed_over) => passed_over.to_string(),
        None => format!("{interface} has not the address {address} any more"),
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
            | Notice::StrayAnswer { .. }
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
        let [Entry::Suppressed(10), Entry::Warning(_)] = &log.take()[..] else {
            panic!("what was left out is said when the window is over");
        };
    }

    #[test]
    fn a_peer_that_is_tried_again_and_again_is_warned_of_once_in_a_while() {
        let mut log = LogQueue::default();
        let begin = Instant::from_micros(20_000_000);
        let mut warnings = Vec::new();
        for turn in 0..120 {
            for peer in [1, 2] {
                let notice = Notice::NoHello {
                    peer: [peer; 16].into(),
                    endpoint: "tcp://10.0.0.2:5000".parse().unwrap(),
                };
                log.add(notice, begin + Duration::from_secs(10) * turn);
            }
            let entries = log.take();
            let warned = entries.iter().filter(|it| matches!(it, Entry::Warning(_)));
            warnings.extend(warned.map(|_| turn));
            assert_eq!(entries.len(), 2, "the others are details");
        }
        assert_eq!(warnings, [0, 0, 60, 60]);
        assert_eq!(log.suppressed(), 0);
    }

    #[test]
    fn only_so_many_peers_are_remembered() {
        let mut log = LogQueue::default();
        let begin = Instant::from_micros(20_000_000);
        for number in 0..1000_u128 {
            let notice = Notice::Unreachable {
                peer: number.to_be_bytes().into(),
                endpoint: "tcp://10.0.0.2:5000".parse().unwrap(),
                error: String::new(),
            };
            log.add(notice, begin);
        }
        assert_eq!(log.warned_of.len(), LogQueue::PEERS);
        assert_eq!(log.take().len(), 50);
    }

    #[test]
    fn what_is_wrong_all_the_time_is_written_ever_more_rarely() {
        let mut log = LogQueue::default();
        let begin = Instant::from_micros(20_000_000);
        // For an hour, five times a second, as when no descriptors are left.
        let mut written = 0;
        for turn in 0..5 * 3600 {
            let error = String::new();
            log.add(
                Notice::NotAccepted { error },
                begin + Duration::from_millis(200) * turn,
            );
            written += log.take().len();
        }
        // 50 in the first window, then one in each, and what the one before left out.
        assert_eq!(written, 50 + 359 + 358);
        assert_eq!(log.counts().get("not_accepted"), Some(&(5 * 3600)));
    }
}
