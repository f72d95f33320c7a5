//! Elections of a group's leader, as zyre holds them (in no RFC). This node takes part and does not
//! contest: zyre nodes get no leader unless every member of the group answers.
//!
//! Those who contest send ELECT with their own identity, the *challenger*, to all members. The
//! lowest challenger wins: a member follows it, and sends ELECT with its identity once to each
//! other member. When the challenger has one from each, it sends LEADER to all. They pass that on
//! to each other, and the election is over for a member when it has LEADER from each other.
//!
//! pyre and zyre.js end the session with whoever sends them ELECT or LEADER. So this node sends
//! them only to *voters*: members that have sent ELECT themselves. This does not stop an election
//! among zyre nodes. A zyre node sends ELECT to each member but the one from whom it first heard of
//! the challenger. That is not this node if we have not sent it ELECT. So it sends ELECT to us, is
//! a voter from then on, and gets ours. Two of our nodes send each other nothing, and do not wait
//! for each other.
//!
//! Two things differ from zyre, because with them fewer elections fail when messages are late:
//!
//! * The challenger sends ELECT and LEADER to each member itself, so its word alone counts. What
//!   others pass on may be from an election that is over.
//! * zyre answers the challenger when it has ELECT from all other members. But it forgets who has
//!   sent it when an election begins again, and then waits for ever. We answer at once.

use alloc::{collections::BTreeMap, vec::Vec};

use zre_proto::{Body, GroupName, PeerId, ShortText};

/// What ELECT and LEADER say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The sender follows this challenger, or is it.
    Elect(PeerId),
    /// This challenger has won.
    Leader(PeerId),
}

/// What is to be sent, and to whom.
pub(super) type Words = Vec<(PeerId, Word)>;

/// The elections in the groups that this node is in.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Elections(BTreeMap<GroupName, Election>);

/// The election in one group, and what is remembered for the next.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Election {
    /// The members that have sent ELECT.
    voters: BTreeMap<PeerId, Voter>,
    wave: Option<Wave>,
    /// The lowest of those who challenge the challenger in vain. It is followed next if the
    /// challenger goes.
    runner_up: Option<PeerId>,
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Voter {
    /// Whether we have sent it ELECT with the challenger that we follow.
    told: bool,
    /// Whether we have sent it LEADER after that.
    led: bool,
    /// Whether it has said since its last challenge that somebody has won.
    through: bool,
}

/// The challenger that we follow.
#[derive(Debug, Clone, Copy)]
struct Wave {
    challenger: PeerId,
    /// Whether it has won. For those who have not said so the election still goes on.
    decided: bool,
}

impl Word {
    pub(super) fn into_body(self, group: GroupName) -> Body {
        // 32 digits always fit.
        let text = |id| ShortText::try_from(alloc::format!("{id}")).unwrap_or_default();
        match self {
            Self::Elect(id) => Body::Elect {
                group,
                challenger: text(id),
            },
            Self::Leader(id) => Body::Leader {
                group,
                leader: text(id),
            },
        }
    }
}

impl Elections {
    /// A peer has said this of a group that this node is in.
    pub(super) fn take(&mut self, group: &GroupName, peer: PeerId, word: Word) -> Words {
        let election = self.0.entry(group.clone()).or_default();
        let mut words = Words::new();
        match word {
            Word::Elect(challenger) => election.take_elect(peer, challenger, &mut words),
            Word::Leader(leader) => election.take_leader(peer, leader, &mut words),
        }
        words
    }

    /// A peer has left a group.
    pub(super) fn peer_left(&mut self, group: &GroupName, peer: PeerId) -> Words {
        let mut words = Words::new();
        if let Some(election) = self.0.get_mut(group) {
            election.forget(peer, &mut words);
        }
        words
    }

    /// A peer is gone, or begins anew.
    pub(super) fn peer_gone(&mut self, peer: PeerId) -> Vec<(GroupName, Words)> {
        let words_in = |(group, election): (&GroupName, &mut Election)| {
            let mut words = Words::new();
            election.forget(peer, &mut words);
            (!words.is_empty()).then(|| (group.clone(), words))
        };
        self.0.iter_mut().filter_map(words_in).collect()
    }

    /// This node has left a group.
    pub(super) fn end(&mut self, group: &GroupName) {
        self.0.remove(group);
    }
}

impl Election {
    fn take_elect(&mut self, peer: PeerId, challenger: PeerId, words: &mut Words) {
        self.voters.entry(peer).or_default();
        match peer == challenger {
            true => self.take_challenge(peer, words),
            false => self.take_vote(peer, challenger, words),
        }
    }

    /// A peer challenges, for the first time or again. It counts answers from now on.
    fn take_challenge(&mut self, peer: PeerId, words: &mut Words) {
        let (wave, voter) = (self.wave, self.voters.get_mut(&peer));
        let (Some(wave), Some(voter)) = (wave, voter) else {
            return self.follow(peer, words);
        };
        // Otherwise it has challenged before it heard of the winner.
        let is_through = voter.led && core::mem::take(&mut voter.through);
        let best = wave.challenger;
        if peer < best || wave.decided && (peer == best || is_through) {
            return self.follow(peer, words);
        }
        // It may have been told before it began again, and has forgotten that.
        (voter.told, voter.led) = (true, false);
        words.push((peer, Word::Elect(best)));
        if peer != best {
            self.runner_up = Some(self.runner_up.map_or(peer, |other| other.min(peer)));
        }
    }

    /// A peer follows another's challenge.
    fn take_vote(&mut self, peer: PeerId, challenger: PeerId, words: &mut Words) {
        let (Some(wave), Some(voter)) = (self.wave, self.voters.get_mut(&peer)) else {
            return;
        };
        // One that follows a better challenger will hear of it from us, too, when we do.
        if challenger < wave.challenger {
            return;
        }
        if !voter.told {
            voter.told = true;
            words.push((peer, Word::Elect(wave.challenger)));
        }
        if challenger > wave.challenger {
            return;
        }
        if wave.decided && !voter.led {
            voter.led = true;
            words.push((peer, Word::Leader(challenger)));
        }
        if self.runner_up == Some(peer) {
            self.runner_up = None;
        }
    }

    /// A peer says who has won.
    fn take_leader(&mut self, peer: PeerId, leader: PeerId, words: &mut Words) {
        if let Some(voter) = self.voters.get_mut(&peer) {
            voter.through = true;
        }
        if peer != leader || self.running() != Some(leader) {
            return;
        }
        // Some zyre nodes die of LEADER without an ELECT before it.
        for (id, voter) in &mut self.voters {
            if !voter.told {
                words.push((*id, Word::Elect(leader)));
            }
            words.push((*id, Word::Leader(leader)));
            (voter.told, voter.led) = (true, true);
        }
        self.runner_up = None;
        self.wave = Some(Wave {
            challenger: leader,
            decided: true,
        });
    }

    /// Follows a challenger from now on, and tells all voters.
    fn follow(&mut self, challenger: PeerId, words: &mut Words) {
        self.runner_up = None;
        self.wave = Some(Wave {
            challenger,
            decided: false,
        });
        for (id, voter) in &mut self.voters {
            (voter.told, voter.led) = (true, false);
            words.push((*id, Word::Elect(challenger)));
        }
    }

    /// A peer takes no part any more.
    fn forget(&mut self, peer: PeerId, words: &mut Words) {
        self.voters.remove(&peer);
        if self.runner_up == Some(peer) {
            self.runner_up = None;
        }
        if self.wave.is_some_and(|wave| wave.challenger == peer) {
            self.wave = None;
            // It may have challenged again because it saw the other go before we did.
            if let Some(next) = self.runner_up {
                self.follow(next, words);
            }
        }
    }

    /// The challenger that we follow, unless it has won.
    fn running(&self) -> Option<PeerId> {
        let running = self.wave.filter(|wave| !wave.decided);
        running.map(|wave| wave.challenger)
    }
}
