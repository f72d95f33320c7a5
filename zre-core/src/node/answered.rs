//! Which questions peers answered in sessions that are over.

use alloc::collections::VecDeque;
use core::ops::Range;

use zre_proto::PeerId;

/// The questions (PING) that were answered in the last sessions that have ended. An answer can be
/// the last that a peer says, and whoever waits for it is to know of it.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Answered(VecDeque<(PeerId, Range<u64>)>);

impl Answered {
    /// Who waits for an answer looks soon after the session's end, so few are remembered.
    const REMEMBERED: usize = 1024;

    /// A session with a peer is over, in which it has answered the questions with these numbers.
    pub(super) fn note(&mut self, peer: PeerId, answered: Range<u64>) {
        if answered.is_empty() {
            return;
        }
        if self.0.len() == Self::REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((peer, answered));
    }

    pub(super) fn contains(&self, peer: PeerId, number: u64) -> bool {
        let mut latest_first = self.0.iter().rev();
        latest_first.any(|(other, answered)| *other == peer && answered.contains(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_the_last_sessions_are_known() {
        let peer = |number| PeerId::from([number; 16]);
        let mut answered = Answered::default();
        answered.note(peer(1), 3..5);
        answered.note(peer(1), 7..7);
        let known = [2, 3, 4, 5, 7].map(|number| answered.contains(peer(1), number));
        assert_eq!(known, [false, true, true, false, false]);
        assert!(!answered.contains(peer(2), 3));
        (0..Answered::REMEMBERED).for_each(|_| answered.note(peer(2), 1..2));
        assert!(!answered.contains(peer(1), 3));
        assert_eq!(answered.0.len(), Answered::REMEMBERED);
    }
}
