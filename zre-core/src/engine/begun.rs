//! Messages that have begun to come over a connection and have not ended.

use core::time::Duration;

use zre_proto::PeerId;

use super::backpressure::Standing;
use crate::{
    backlog::{Backlog, Patience},
    config::Config,
    time::Instant,
};

/// By how much the time of a begun message is extended that passed during a congestion.
const UNREAD_GRACE: Duration = Duration::from_secs(1);

/// How far a begun message has come, and since when it stands still.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Begun {
    /// The bytes of all messages so far, and when they last grew.
    come: u64,
    grew_at: Instant,
    /// The bytes when it last moved on, and when that was.
    moved_to: u64,
    moved_at: Instant,
    /// Until when more must come, made at a check from this time on.
    patience: Option<(Instant, Patience)>,
}

impl Begun {
    /// It moves on with each so many bytes. Single bytes do not count, or a peer could hold much
    /// memory against others with hardly any.
    const MOVE: u64 = 64 << 10;

    pub(super) fn new(come: u64, now: Instant) -> Self {
        Self {
            come,
            grew_at: now,
            moved_to: come,
            moved_at: now,
            patience: None,
        }
    }

    /// So many bytes have come by now.
    pub(super) fn note(&mut self, come: u64, now: Instant) {
        // It shrinks by a command that has come in part, which is no message.
        if come > self.come {
            (self.come, self.grew_at) = (come, now);
        }
        if come >= self.moved_to + Self::MOVE {
            (self.moved_to, self.moved_at) = (come, now);
        }
    }

    /// When it last moved on.
    pub(super) fn moved_at(&self) -> Instant {
        self.moved_at
    }

    /// Whether it has stood still for too long. That time stands still while the application is
    /// behind, for then connections are not read.
    pub(super) fn check(
        &mut self,
        peer: PeerId,
        config: &Config,
        backlog: &Backlog,
        now: Instant,
    ) -> Standing {
        let grew_at = self.grew_at;
        let current = self.patience.take().filter(|(from, _)| *from == grew_at);
        let (_, mut patience) = current.unwrap_or_else(|| {
            // A check that comes late does not end it: this program may have slept, too.
            let until = (grew_at + config.expired_after).max(now + check_interval(config));
            (grew_at, Patience::until(until, backlog))
        });
        if patience.is_over(now, UNREAD_GRACE, Some(peer), backlog) {
            return Standing::Stalled;
        }
        self.patience = Some((grew_at, patience));
        Standing::CheckAt(patience.deadline())
    }
}

/// How often begun messages are looked at. No setting makes this timer spin.
pub(super) fn check_interval(config: &Config) -> Duration {
    (config.expired_after / 6).max(Duration::from_millis(1))
}
