//! Peers that close each connection which is made to them, or whose sessions are lost again and
//! again.

use alloc::collections::BTreeMap;
use core::time::Duration;

use zre_proto::PeerId;

use crate::time::Instant;

/// So many peers are remembered.
const MOST: usize = 256;
/// A peer that has not refused for so long is met at once again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// The pause after the second refusal. It doubles with each, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(30);
const LONGEST_WHEN_LOST: Duration = Duration::from_secs(2);
/// How long a HELLO waits after the third time. It doubles with each, up to [`LONGEST_WAIT`].
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Who refused or was lost, how often, and when beacons of theirs count again.
///
/// A peer that does not like what a HELLO says closes the connection. Its beacons go on, and each
/// would make this node try again.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Refusals(BTreeMap<PeerId, Refusal>);

#[derive(Debug, Clone, Copy)]
struct Refusal {
    count: u32,
    at: Instant,
    /// The longest pause: a connection that breaks again and again is no reason for a long one.
    longest: Duration,
}

impl Refusals {
    /// A peer has closed a connection before it said HELLO. Gives how often that was.
    pub(super) fn note_refused(&mut self, peer: PeerId, now: Instant) -> u32 {
        self.note(peer, LONGEST, now)
    }

    /// A peer was lost. Gives how often that was.
    pub(super) fn note_lost(&mut self, peer: PeerId, now: Instant) -> u32 {
        self.note(peer, LONGEST_WHEN_LOST, now)
    }

    /// Other keys are trusted from now on.
    pub(super) fn forget_refused(&mut self) {
        self.0.retain(|_, refusal| refusal.longest != LONGEST);
    }

    /// This node's own network has changed, which explains all losses.
    pub(super) fn forget_losses(&mut self) {
        self.0
            .retain(|_, refusal| refusal.longest != LONGEST_WHEN_LOST);
    }

    fn note(&mut self, peer: PeerId, longest: Duration, now: Instant) -> u32 {
        self.0
            .retain(|_, refusal| now.since(refusal.at) < FORGOTTEN_AFTER);
        if self.0.len() >= MOST && !self.0.contains_key(&peer) {
            return 1;
        }
        let first = Refusal {
            count: 0,
            at: now,
            longest,
        };
        let refusal = self.0.entry(peer).or_insert(first);
        refusal.count = refusal.count.saturating_add(1);
        (refusal.at, refusal.longest) = (now, longest);
        refusal.count
    }

    /// Whether beacons of a peer are to be ignored for now.
    pub(super) fn is_pausing(&self, peer: PeerId, now: Instant) -> bool {
        let refusal = self.0.get(&peer);
        refusal.is_some_and(|refusal| now.since(refusal.at) < refusal.pause())
    }

    /// Until when a HELLO of a peer that was lost should wait. Its connection may have ended
    /// already, and its end is on its way.
    ///
    /// After refusals it need not: whoever refuses may be a stranger to whom a forged beacon has
    /// led us, and would keep the peer waiting.
    pub(super) fn hello_waits_until(&self, peer: PeerId) -> Option<Instant> {
        let refusal = self.0.get(&peer);
        let refusal = refusal.filter(|refusal| refusal.longest == LONGEST_WHEN_LOST)?;
        // Before that it may be chance, or somebody who restarts a program a few times.
        let doublings = refusal.count.checked_sub(3)?;
        let wait = SHORTEST_WAIT.saturating_mul(2_u32.saturating_pow(doublings));
        Some(refusal.at + wait.min(LONGEST_WAIT))
    }
}

impl Refusal {
    fn pause(&self) -> Duration {
        // Once may be chance: a peer that is being restarted closes its connections, too.
        let Some(doublings) = self.count.checked_sub(2) else {
            return Duration::ZERO;
        };
        let pause = SHORTEST.saturating_mul(2_u32.saturating_pow(doublings));
        pause.min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    fn peer(number: u32) -> PeerId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        bytes.into()
    }

    #[test]
    fn a_peer_that_refuses_each_time_is_met_ever_more_rarely() {
        let mut refusals = Refusals::default();
        let mut now = 0;
        let mut waits = [0; 7];
        for wait in &mut waits {
            refusals.note_refused(peer(1), at(now));
            while refusals.is_pausing(peer(1), at(now)) {
                now += 1;
                *wait += 1;
            }
        }
        assert_eq!(waits, [0, 2, 4, 8, 16, 30, 30]);
        assert!(!refusals.is_pausing(peer(2), at(now)));
    }

    #[test]
    fn a_hello_waits_after_losses_and_never_after_refusals() {
        let mut refusals = Refusals::default();
        for _ in 0..10 {
            refusals.note_refused(peer(1), at(1));
        }
        assert_eq!(refusals.hello_waits_until(peer(1)), None);
        for _ in 0..2 {
            refusals.note_lost(peer(2), at(1));
        }
        assert_eq!(refusals.hello_waits_until(peer(2)), None);
        refusals.note_lost(peer(2), at(1));
        let end = at(1) + SHORTEST_WAIT;
        assert_eq!(refusals.hello_waits_until(peer(2)), Some(end));
    }

    #[test]
    fn refusals_of_long_ago_and_of_ever_new_peers_are_forgotten() {
        let mut refusals = Refusals::default();
        refusals.note_refused(peer(1), at(0));
        assert_eq!(refusals.note_refused(peer(1), at(60)), 1);
        (0..1000)
            .for_each(|number| assert_eq!(refusals.note_refused(peer(1000 + number), at(60)), 1));
        assert!(refusals.0.len() <= MOST);
    }
}
