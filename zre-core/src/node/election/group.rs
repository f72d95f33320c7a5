//! The election in one group.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use zre_proto::{GroupName, PeerId};

use super::{Consequence, Elector, Step, Word};
use crate::time::Instant;

/// So long a challenger waits for answers. In a local network they take milliseconds.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// So long a challenger is followed that has not won. A zyre node waits for ever if a member does
/// not answer it, as pyre does not.
const FOLLOW_TIME: Duration = Duration::from_secs(3);

/// So long a contestant is alone before it leads: others may not have found it yet.
const ALONE_TIME: Duration = Duration::from_secs(3);

/// So long the one that is next has to begin when the leader is gone.
const SUCCESSION_TIME: Duration = Duration::from_millis(500);

/// So many elections may follow each other at once, and one more in each such time. In each of them
/// all voters are sent something, so without a limit one member could make this node flood the
/// others.
const MAX_ROUNDS: u32 = 64;
const ROUND_INTERVAL: Duration = Duration::from_millis(250);

/// The longest pause between two attempts of a contestant that cannot win: two to the power of
/// this, in seconds.
const MAX_BACKOFF: u32 = 6;

/// An election, and what is remembered for the next.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Election {
    group: GroupName,
    /// Whether this node wants to lead.
    contests: bool,
    /// Before then this node may not have met the others.
    alone_until: Instant,
    voters: BTreeMap<PeerId, Voter>,
    wave: Option<Wave>,
    /// The lowest of those who challenge the challenger in vain. It is followed next if the
    /// challenger goes.
    runner_up: Option<PeerId>,
    /// Who has won last, as long as it is in the group.
    leader: Option<PeerId>,
    deadline: Option<Instant>,
    /// How often this node has tried in vain to win.
    attempts: u32,
    rounds: Rounds,
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Voter {
    /// Whether it is of this implementation.
    is_ours: bool,
    /// Whether it has challenged.
    contests: bool,
    /// Whom it follows, as it said last.
    follows: Option<PeerId>,
    /// Whether we have sent it ELECT with the challenger that we follow.
    told: bool,
    /// Whether we have sent it LEADER after that.
    led: bool,
    /// Whether it has said since its last challenge that somebody has won.
    through: bool,
}

/// The challenger that we follow, which may be this node.
#[derive(Debug, Clone, Copy)]
struct Wave {
    challenger: PeerId,
    /// Whether it has won. For those who have not said so the election still goes on.
    decided: bool,
}

/// How many elections may begin.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Rounds {
    used: u32,
    since: Instant,
}

/// What this node wants.
impl Election {
    pub(super) fn new(group: GroupName) -> Self {
        Self {
            group,
            contests: false,
            alone_until: Instant::default(),
            voters: BTreeMap::new(),
            wave: None,
            runner_up: None,
            leader: None,
            deadline: None,
            attempts: 0,
            rounds: Rounds::default(),
        }
    }

    pub(super) fn contest(&mut self, step: &mut Step<'_>) {
        self.contests = true;
        self.alone_until = step.now + ALONE_TIME;
        match self.wave {
            // It would lose against a node of this implementation. Zyre nodes would follow it all
            // the same, as they forget who leads.
            Some(wave) if wave.challenger < step.me => self.announce(step),
            _ => self.challenge(step),
        }
    }

    /// Lets the others of this implementation know that this node contests, so that it is the only
    /// one that begins if it is next.
    fn announce(&mut self, step: &mut Step<'_>) {
        let electors = (step.electors)(&self.group).into_iter();
        for Elector { peer, .. } in electors.filter(|elector| elector.is_ours) {
            step.send(&self.group, peer, Word::Elect(step.me));
        }
    }

    pub(super) fn withdraw(&mut self, step: &mut Step<'_>) {
        self.contests = false;
        let is_open = self.follows(step.me) && self.leader != Some(step.me);
        // A zyre node that follows this one would hear of no other.
        if is_open && self.voters.values().all(|voter| voter.is_ours) {
            self.wave = None;
            return self.go_on(step);
        }
        self.give_up_lead(step);
    }

    /// Those to whom messages of the election have been sent, or who have sent one.
    pub(super) fn voters(&self) -> BTreeSet<PeerId> {
        self.voters.keys().copied().collect()
    }

    pub(super) fn leader(&self) -> Option<PeerId> {
        self.leader
    }

    pub(super) fn follows(&self, challenger: PeerId) -> bool {
        self.wave.is_some_and(|wave| wave.challenger == challenger)
    }

    /// A leader that does not contest any more names the contestant that is to lead: in no message
    /// it could say that it steps down. Without one it goes on leading.
    fn give_up_lead(&mut self, step: &mut Step<'_>) {
        let leads = |wave: Wave| wave.decided && wave.challenger == step.me;
        if self.contests || !self.wave.is_some_and(leads) {
            return;
        }
        let contestants = self.voters.iter().filter(|(_, voter)| voter.contests);
        if let Some(next) = contestants.map(|(id, _)| *id).min() {
            self.name_next(next, step);
        }
    }

    /// Tells all voters that this contestant is to lead in place of this node.
    fn name_next(&mut self, next: PeerId, step: &mut Step<'_>) {
        self.begin(next, step);
        for (id, voter) in &mut self.voters {
            step.elect(&self.group, *id, voter, next);
        }
    }

    /// Whether this node leads although it does not want to, as nobody else does.
    fn leads_for_now(&self, step: &Step<'_>) -> bool {
        !self.contests && self.leader == Some(step.me)
    }
}

/// What peers say.
impl Election {
    pub(super) fn take_elect(&mut self, from: Elector, challenger: PeerId, step: &mut Step<'_>) {
        let Elector { peer, is_ours } = from;
        let voter = self.voters.entry(peer).or_default();
        (voter.is_ours, voter.follows) = (is_ours, Some(challenger));
        if challenger == step.me {
            self.take_answer(peer, step);
        } else if challenger == peer {
            voter.contests = true;
            self.take_challenge(peer, step);
        } else {
            self.take_vote(peer, challenger, step);
        }
    }

    /// A peer follows this node.
    fn take_answer(&mut self, peer: PeerId, step: &mut Step<'_>) {
        let Some(voter) = self.voters.get_mut(&peer) else {
            return;
        };
        match self.wave {
            Some(wave) if wave.challenger == step.me => {
                if !voter.told {
                    step.elect(&self.group, peer, voter, step.me);
                }
                // One of this implementation that says it once more has followed another
                // meanwhile, and has forgotten who leads.
                if wave.decided && (!voter.led || voter.is_ours) {
                    step.lead(&self.group, peer, voter, step.me);
                }
                self.win_if_all_follow(step);
            }
            // It has led until now, and says that this node is next.
            Some(wave) if self.contests && wave.challenger == peer => self.challenge(step),
            None if self.contests => self.challenge(step),
            Some(wave) if wave.challenger == peer => self.doubt(step),
            Some(wave) if !voter.told => step.elect(&self.group, peer, voter, wave.challenger),
            _ => {}
        }
    }

    /// A peer follows this node, which does not want to lead: it hears whom this node follows.
    pub(super) fn decline(&mut self, from: Elector, step: &mut Step<'_>) {
        match self.wave {
            Some(wave) if wave.challenger == from.peer && !wave.decided => self.doubt(step),
            Some(wave) => step.send(&self.group, from.peer, Word::Elect(wave.challenger)),
            None => {}
        }
    }

    /// The one that is followed says that it follows this node. Either it has not heard yet that it
    /// is next, and will begin, or it does not want to lead.
    fn doubt(&mut self, step: &Step<'_>) {
        let soon = step.now + SUCCESSION_TIME;
        self.deadline = Some(self.deadline.map_or(soon, |at| at.min(soon)));
    }

    /// The challenger does not stand any more, or has not won.
    fn pass_over(&mut self, challenger: PeerId, step: &mut Step<'_>) {
        // It is not waited for again, unless it challenges again.
        if let Some(voter) = self.voters.get_mut(&challenger) {
            voter.contests = false;
        }
        self.wave = None;
        self.go_on(step);
    }

    /// A peer challenges, for the first time or again. It counts answers from now on.
    fn take_challenge(&mut self, peer: PeerId, step: &mut Step<'_>) {
        let (wave, voter) = (self.wave, self.voters.get_mut(&peer));
        let (Some(wave), Some(voter)) = (wave, voter) else {
            return self.follow_or_challenge(peer, step);
        };
        let best = wave.challenger;
        // Otherwise it has challenged before it heard of the winner.
        let is_through = voter.led && core::mem::take(&mut voter.through);
        // All zyre nodes begin anew together, and this node with them. One of this implementation
        // has not heard of the winner.
        let begins_anew = match best == step.me {
            true => !voter.is_ours,
            false => peer == best || is_through && !voter.is_ours,
        };
        if wave.decided && best == step.me && !self.contests && peer > best {
            return self.give_up_lead(step);
        }
        if peer < best || wave.decided && begins_anew {
            return self.follow_or_challenge(peer, step);
        }
        if let Some(voter) = self.voters.get_mut(&peer) {
            // It may have been told before it began again, and has forgotten that.
            step.elect(&self.group, peer, voter, best);
        }
        if peer == best {
            self.deadline = Some(step.now + FOLLOW_TIME);
        } else if best != step.me {
            self.note_in_vain(peer);
        }
    }

    /// A peer challenges while a better one is followed.
    fn note_in_vain(&mut self, peer: PeerId) {
        self.runner_up = Some(self.runner_up.map_or(peer, |other| other.min(peer)));
    }

    /// A peer follows another's challenge.
    fn take_vote(&mut self, peer: PeerId, challenger: PeerId, step: &mut Step<'_>) {
        let (Some(wave), Some(voter)) = (self.wave, self.voters.get_mut(&peer)) else {
            return;
        };
        if peer == wave.challenger && challenger > peer {
            // It does not stand any more.
            return self.pass_over(peer, step);
        }
        if challenger < wave.challenger {
            // A zyre node that follows a better challenger will hear of it from us, too, when we
            // do. One of this implementation has told us before, and does not say it again.
            let better = self.voters.get(&challenger);
            if peer == wave.challenger && wave.decided && better.is_some_and(|it| it.is_ours) {
                self.follow_or_challenge(challenger, step);
            }
            return;
        }
        if !voter.told {
            step.elect(&self.group, peer, voter, wave.challenger);
        }
        if challenger > wave.challenger {
            return;
        }
        // To one of this implementation the leader says it.
        if wave.decided && !voter.led && !voter.is_ours {
            step.lead(&self.group, peer, voter, challenger);
        }
        if self.runner_up == Some(peer) {
            self.runner_up = None;
        }
    }

    /// A peer says who has won.
    pub(super) fn take_leader(&mut self, from: Elector, leader: PeerId, step: &mut Step<'_>) {
        let voter = self.voters.entry(from.peer).or_default();
        (voter.is_ours, voter.through) = (from.is_ours, true);
        if from.peer != leader {
            return;
        }
        match self.wave {
            Some(wave) if wave.challenger == leader && wave.decided => return,
            Some(wave) if wave.challenger == leader => {}
            // It has not heard of the better one.
            Some(wave) if wave.challenger < leader => {
                if !voter.told {
                    step.elect(&self.group, leader, voter, wave.challenger);
                }
                return self.note_in_vain(leader);
            }
            _ if !self.rounds.admit(step.now) => {
                self.note_in_vain(leader);
                return self.postpone(step);
            }
            _ if from.is_ours => self.follow(leader, step),
            // It has our ELECT, and has taken long to win.
            _ => self.voters.values_mut().for_each(|voter| voter.told = true),
        }
        self.decide(leader, step);
    }
}

/// Who comes and goes.
impl Election {
    pub(super) fn elector_joined(&mut self, elector: Elector, step: &mut Step<'_>) {
        let Elector { peer, is_ours } = elector;
        match self.wave {
            // All zyre nodes have to hear of each other again, or the new one hears too few.
            Some(wave) if wave.challenger == step.me && !is_ours && self.contests => {
                self.challenge(step);
            }
            Some(wave) if wave.challenger == step.me => {
                let voter = self.voters.entry(peer).or_default();
                voter.is_ours = is_ours;
                step.elect(&self.group, peer, voter, step.me);
                let is_first = self.voters.len() == 1;
                if is_first && !wave.decided {
                    self.deadline = Some(step.now + ANSWER_TIME);
                }
            }
            None if self.contests && self.deadline.is_none() => self.challenge(step),
            // As in `announce`.
            _ if self.contests && is_ours => {
                step.send(&self.group, peer, Word::Elect(step.me));
            }
            _ => {}
        }
    }

    /// A peer takes no part any more.
    pub(super) fn forget(&mut self, peer: PeerId, step: &mut Step<'_>) {
        self.voters.remove(&peer);
        if self.leader == Some(peer) {
            self.leader = None;
        }
        if self.runner_up == Some(peer) {
            self.runner_up = None;
        }
        if self.follows(peer) {
            self.wave = None;
            self.go_on(step);
        } else if self.follows(step.me) {
            self.win_if_all_follow(step);
        }
    }

    /// The challenger that was followed is gone, or has not won.
    fn go_on(&mut self, step: &mut Step<'_>) {
        self.deadline = None;
        match self.next_challenger() {
            Some(next) if self.leads_for_now(step) => self.name_next(next, step),
            Some(next) if !self.contests || next < step.me => {
                let in_vain = self.runner_up.filter(|other| *other != next);
                self.follow_if_admitted(next, step);
                self.runner_up = self.runner_up.or(in_vain);
                // It begins as soon as it knows that it is next.
                let soon = step.now + SUCCESSION_TIME;
                self.deadline = self.deadline.map(|at| at.min(soon));
            }
            _ if self.contests || self.leads_for_now(step) => self.challenge(step),
            _ => {}
        }
    }

    /// The lowest of those who have challenged in vain, perhaps because they saw the other go
    /// before we did, and of those who will challenge now. Zyre nodes are waited for.
    fn next_challenger(&self) -> Option<PeerId> {
        let voters = self.voters.iter();
        let contestants = voters.filter(|(_, voter)| voter.contests && voter.is_ours);
        let contestants = contestants.map(|(id, _)| *id);
        contestants.chain(self.runner_up).min()
    }
}

/// Time.
impl Election {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn handle_timeout(&mut self, step: &mut Step<'_>) {
        self.deadline = None;
        match self.wave {
            Some(wave) if wave.decided => {}
            Some(wave) if wave.challenger == step.me => {
                let mut voters = self.voters.values();
                match voters.any(|voter| voter.follows.is_some_and(|lower| lower < step.me)) {
                    true => self.pause(step),
                    false => self.win(step),
                }
            }
            Some(wave) => self.pass_over(wave.challenger, step),
            None => self.go_on(step),
        }
    }

    /// A voter follows somebody of whom this node has not heard.
    fn pause(&mut self, step: &Step<'_>) {
        self.wave = None;
        let pause = Duration::from_secs(1 << self.attempts.min(MAX_BACKOFF));
        self.attempts += 1;
        self.deadline = Some(step.now + pause);
    }
}

/// How an election begins.
impl Election {
    /// Begins an election in which this node stands.
    fn challenge(&mut self, step: &mut Step<'_>) {
        if !self.rounds.admit(step.now) {
            return self.postpone(step);
        }
        for elector in (step.electors)(&self.group) {
            let voter = self.voters.entry(elector.peer).or_default();
            voter.is_ours = elector.is_ours;
        }
        self.begin(step.me, step);
        self.deadline = Some(step.now + ANSWER_TIME);
        for (id, voter) in &mut self.voters {
            voter.follows = None;
            step.elect(&self.group, *id, voter, step.me);
        }
        self.win_if_all_follow(step);
    }

    /// Follows a challenger, unless this node contests and is the better one.
    fn follow_or_challenge(&mut self, peer: PeerId, step: &mut Step<'_>) {
        match self.contests && step.me < peer {
            true => self.challenge(step),
            false => self.follow_if_admitted(peer, step),
        }
    }

    fn follow_if_admitted(&mut self, challenger: PeerId, step: &mut Step<'_>) {
        match self.rounds.admit(step.now) {
            true => self.follow(challenger, step),
            false => {
                self.note_in_vain(challenger);
                self.postpone(step);
            }
        }
    }

    fn postpone(&mut self, step: &Step<'_>) {
        self.wave = None;
        self.deadline = Some(step.now + ROUND_INTERVAL);
    }

    /// Follows a challenger from now on, and tells it and all zyre nodes.
    fn follow(&mut self, challenger: PeerId, step: &mut Step<'_>) {
        self.begin(challenger, step);
        for (id, voter) in &mut self.voters {
            match voter.is_ours && *id != challenger {
                true => (voter.told, voter.led) = (false, false),
                false => step.elect(&self.group, *id, voter, challenger),
            }
        }
    }

    fn begin(&mut self, challenger: PeerId, step: &Step<'_>) {
        self.runner_up = None;
        self.deadline = Some(step.now + FOLLOW_TIME);
        self.wave = Some(Wave {
            challenger,
            decided: false,
        });
    }
}

/// How an election ends.
impl Election {
    fn win_if_all_follow(&mut self, step: &mut Step<'_>) {
        if self.wave.is_none_or(|wave| wave.decided) {
            return;
        }
        if self.voters.is_empty() && step.now < self.alone_until {
            self.deadline = Some(self.alone_until);
        } else if self
            .voters
            .values()
            .all(|voter| voter.follows == Some(step.me))
        {
            self.win(step);
        }
    }

    fn win(&mut self, step: &mut Step<'_>) {
        self.decide(step.me, step);
        self.give_up_lead(step);
    }

    fn decide(&mut self, leader: PeerId, step: &mut Step<'_>) {
        for (id, voter) in &mut self.voters {
            // Of this implementation, only the leader says who leads.
            if voter.is_ours && leader != step.me || voter.led {
                continue;
            }
            // Some zyre nodes die of LEADER without an ELECT before it.
            if !voter.told {
                step.elect(&self.group, *id, voter, leader);
            }
            step.lead(&self.group, *id, voter, leader);
        }
        (self.runner_up, self.deadline, self.attempts) = (None, None, 0);
        self.wave = Some(Wave {
            challenger: leader,
            decided: true,
        });
        if self.leader != Some(leader) {
            self.leader = Some(leader);
            let consequence = Consequence::Leader(self.group.clone(), leader);
            step.follows.push(consequence);
        }
    }
}

impl Rounds {
    /// Whether another election may begin, which is counted.
    fn admit(&mut self, now: Instant) -> bool {
        while self.used > 0 && now.since(self.since) >= ROUND_INTERVAL {
            self.used -= 1;
            self.since = self.since + ROUND_INTERVAL;
        }
        if self.used == 0 {
            self.since = now;
        }
        let is_admitted = self.used < MAX_ROUNDS;
        self.used += u32::from(is_admitted);
        is_admitted
    }
}

impl Step<'_> {
    fn elect(&mut self, group: &GroupName, to: PeerId, voter: &mut Voter, challenger: PeerId) {
        (voter.told, voter.led) = (true, false);
        self.send(group, to, Word::Elect(challenger));
    }

    fn lead(&mut self, group: &GroupName, to: PeerId, voter: &mut Voter, leader: PeerId) {
        voter.led = true;
        self.send(group, to, Word::Leader(leader));
    }
}
