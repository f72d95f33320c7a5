//! Peers that have come with a new connection and were believed without a question.

use alloc::collections::BTreeMap;
use core::time::Duration;

use zre_proto::PeerId;

use crate::time::Instant;

/// A peer is believed again without a question after so long.
const PAUSE: Duration = Duration::from_secs(60);
/// So many peers are remembered.
const MOST: usize = 256;

/// When each peer was last believed by its key alone. Two copies of a node have one identity and
/// one key, and would go on ending each other's session.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Renewals(BTreeMap<PeerId, Instant>);

impl Renewals {
    /// Whether a peer may be believed without a question now, which counts.
    pub(super) fn may_begin(&mut self, peer: PeerId, now: Instant) -> bool {
        self.0.retain(|_, at| now.since(*at) < PAUSE);
        if self.0.contains_key(&peer) || self.0.len() >= MOST {
            return false;
        }
        self.0.insert(peer, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_believed_once_a_minute_and_not_too_many_are_remembered() {
        let mut renewals = Renewals::default();
        let at = |secs: u64| Instant::from_micros(secs * 1_000_000);
        let peer = |number: u16| {
            let mut bytes = [0; 16];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            PeerId::from(bytes)
        };
        assert!(renewals.may_begin(peer(1), at(0)));
        assert!(!renewals.may_begin(peer(1), at(59)));
        assert!(renewals.may_begin(peer(1), at(60)));
        let begun = (2..1000).filter(|number| renewals.may_begin(peer(*number), at(61)));
        assert_eq!(begun.count(), MOST - 1);
        assert!(renewals.may_begin(peer(5), at(200)));
    }
}
