//! Elections of a group's leader, as zyre holds them (in no RFC).
//!
//! Each member of the group takes part, and those who want to lead *contest*. A contestant sends
//! ELECT with its own identity, the *challenger*, to all members. The lowest challenger wins: a
//! member follows it, and sends ELECT with its identity once to each other member. When the
//! challenger has one from each, it sends LEADER to all. They pass that on to each other, and the
//! election is over for a member when it has LEADER from each other.
//!
//! # Who is sent what
//!
//! pyre and zyre.js end the session with whoever sends them ELECT or LEADER. So this node sends
//! them only to *voters*, which are
//!
//! * the nodes of this implementation, whose READY says so
//!   ([`UNDERSTANDS`](zre_proto::zmtp::Metadata::UNDERSTANDS));
//! * members that have sent ELECT themselves;
//! * members that ask as often as zyre does (PING), and whose beacons we hear: pyre and zyre.js do
//!   not ask a node whose beacons they hear, and that one mostly hears theirs;
//! * all members, where a key is needed to enter, as only zyre and this implementation have keys;
//!   and where the user says so ([`Voters::All`](crate::Voters::All)).
//!
//! This does not stop an election among zyre nodes. A zyre node sends ELECT to each member but the
//! one from whom it first heard of the challenger. That is not this node if we have not sent it
//! ELECT. So it sends ELECT to us, is a voter from then on, and gets ours.
//!
//! # What differs from zyre
//!
//! With these fewer elections fail when messages are late, and fewer messages are sent:
//!
//! * The challenger sends ELECT and LEADER to each voter itself, so its word alone counts. What
//!   others pass on may be from an election that is over. Nodes of this implementation pass nothing
//!   on to each other.
//! * zyre answers the challenger when it has ELECT from all other members. But it forgets who has
//!   sent it when an election begins again, and then waits for ever. We answer at once.
//! * A challenger that has no answer from a voter after a second wins without it, unless another
//!   voter follows a lower challenger. A challenger that has not won after three seconds is
//!   followed no longer. So nobody who is silent blocks a group.
//! * A contestant that nobody else can lead becomes the leader when it has been alone for three
//!   seconds. zyre never elects one that has been alone from the start.
//! * When somebody joins, the leader tells it. Only zyre contestants begin anew then.
//! * Contestants of this implementation make themselves known. When the leader goes, the lowest of
//!   them begins, and the others follow it.

mod group;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use zre_proto::{Body, GroupName, PeerId, ShortText};

use crate::time::Instant;
use group::Election;

/// So long on the way a message is at most that was sent to a member which had left.
const LEAVING_TIME: Duration = Duration::from_secs(5);

/// So many of them are answered.
const MAX_LATE: u32 = 256;

/// What ELECT and LEADER say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The sender follows this challenger, or is it.
    Elect(PeerId),
    /// This challenger has won.
    Leader(PeerId),
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

/// A member to whom ELECT and LEADER may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Elector {
    pub(super) peer: PeerId,
    /// Whether it is known to be of this implementation, and so needs fewer messages than zyre.
    pub(super) is_ours: bool,
}

/// What a rule may look at, and what follows from it.
pub(super) struct Step<'a> {
    me: PeerId,
    now: Instant,
    /// The members of the group that are known to be voters.
    electors: &'a dyn Fn(&GroupName) -> Vec<Elector>,
    follows: Vec<Consequence>,
}

/// What follows from a rule, in the order in which it is to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consequence {
    /// A member is to be sent this.
    Send(GroupName, PeerId, Word),
    /// The group has another leader.
    Leader(GroupName, PeerId),
}

impl<'a> Step<'a> {
    pub(super) fn new(
        me: PeerId,
        now: Instant,
        electors: &'a dyn Fn(&GroupName) -> Vec<Elector>,
    ) -> Self {
        Self {
            me,
            now,
            electors,
            follows: Vec::new(),
        }
    }

    fn send(&mut self, group: &GroupName, to: PeerId, word: Word) {
        let consequence = Consequence::Send(group.clone(), to, word);
        self.follows.push(consequence);
    }

    pub(super) fn consequences(self) -> Vec<Consequence> {
        self.follows
    }
}

/// The elections in the groups that this node is in, and the groups that it contests.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Elections {
    contested: BTreeSet<GroupName>,
    /// Those in which something has been said, or which this node contests.
    groups: BTreeMap<GroupName, Election>,
    /// Those that this node has left.
    left: BTreeMap<GroupName, Left>,
}

/// A group that this node has left.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Left {
    at: Instant,
    voters: BTreeSet<PeerId>,
    /// How many late messages have been answered.
    answers: u32,
}

impl Left {
    /// Whether a message of somebody who does not know that yet is to be answered, which is
    /// counted.
    fn admits_late(&mut self, now: Instant) -> bool {
        self.answers += 1;
        now.since(self.at) < LEAVING_TIME && self.answers <= MAX_LATE
    }
}

/// What this node wants.
impl Elections {
    /// This node wants to lead a group from now on, as soon as it is in it.
    pub(super) fn contest(&mut self, group: &GroupName, is_in_group: bool, step: &mut Step<'_>) {
        if self.contested.insert(group.clone()) && is_in_group {
            self.joined(group, step);
        }
    }

    /// This node stands in no further election of a group.
    pub(super) fn withdraw(&mut self, group: &GroupName, step: &mut Step<'_>) {
        if self.contested.remove(group)
            && let Some(election) = self.groups.get_mut(group)
        {
            election.withdraw(step);
        }
    }

    pub(super) fn contested(&self) -> impl Iterator<Item = &GroupName> {
        self.contested.iter()
    }

    /// This node has joined a group.
    pub(super) fn joined(&mut self, group: &GroupName, step: &mut Step<'_>) {
        if self.contested.contains(group) {
            self.election(group).contest(step);
        }
    }

    /// This node has left a group.
    pub(super) fn left(&mut self, group: &GroupName, step: &Step<'_>) {
        self.left
            .retain(|_, left| step.now.since(left.at) < LEAVING_TIME);
        if let Some(election) = self.groups.remove(group) {
            let left = Left {
                at: step.now,
                voters: election.voters(),
                answers: 0,
            };
            self.left.insert(group.clone(), left);
        }
    }

    /// A peer has said this of a group that this node is not in. If the node has just left it, the
    /// peer does not know that yet, and a zyre node would wait for the answer for ever. Says
    /// whether that is so.
    pub(super) fn take_late(
        &mut self,
        group: &GroupName,
        peer: PeerId,
        word: Word,
        step: &mut Step<'_>,
    ) -> bool {
        let Some(left) = self.left.get_mut(group) else {
            return false;
        };
        if !left.admits_late(step.now) {
            return false;
        }
        if let Word::Elect(challenger) = word
            && challenger != step.me
        {
            step.send(group, peer, word);
            // The peer counts this only until it hears that we have left, and the challenger counts
            // it all the same. But anybody can name one, and it may be a node of pyre.
            if challenger != peer && left.voters.contains(&challenger) {
                step.send(group, challenger, word);
            }
        }
        true
    }

    /// Who leads a group, as far as this node knows.
    pub(super) fn leader(&self, group: &GroupName) -> Option<PeerId> {
        self.groups.get(group)?.leader()
    }

    /// Whether this node has reason to expect its own identity in ELECT or LEADER.
    pub(super) fn stands(&self, group: &GroupName, me: PeerId) -> bool {
        self.contested.contains(group)
            || self
                .groups
                .get(group)
                .is_some_and(|it| it.follows(me) || it.leader() == Some(me))
    }
}

/// What peers do in groups that this node is in.
impl Elections {
    /// A peer has said this.
    pub(super) fn take(
        &mut self,
        group: &GroupName,
        from: Elector,
        word: Word,
        step: &mut Step<'_>,
    ) {
        let election = self.election(group);
        match word {
            Word::Elect(challenger) => election.take_elect(from, challenger, step),
            Word::Leader(leader) => election.take_leader(from, leader, step),
        }
    }

    /// A peer follows this node in a group that it does not want to lead.
    pub(super) fn decline(&mut self, group: &GroupName, from: Elector, step: &mut Step<'_>) {
        if let Some(election) = self.groups.get_mut(group) {
            election.decline(from, step);
        }
    }

    /// A voter has joined a group, or a member is found to be one.
    pub(super) fn elector_joined(
        &mut self,
        group: &GroupName,
        elector: Elector,
        step: &mut Step<'_>,
    ) {
        if let Some(election) = self.groups.get_mut(group) {
            election.elector_joined(elector, step);
        }
    }

    /// A peer has left a group.
    pub(super) fn peer_left(&mut self, group: &GroupName, peer: PeerId, step: &mut Step<'_>) {
        if let Some(election) = self.groups.get_mut(group) {
            election.forget(peer, step);
        }
    }

    /// A peer is gone, or begins anew.
    pub(super) fn peer_gone(&mut self, peer: PeerId, step: &mut Step<'_>) {
        for election in self.groups.values_mut() {
            election.forget(peer, step);
        }
    }

    fn election(&mut self, group: &GroupName) -> &mut Election {
        self.groups
            .entry(group.clone())
            .or_insert_with(|| Election::new(group.clone()))
    }
}

/// Time.
impl Elections {
    /// When something is to be done if nothing comes before.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.groups.values().filter_map(Election::deadline).min()
    }

    pub(super) fn handle_timeout(&mut self, step: &mut Step<'_>) {
        for election in self.groups.values_mut() {
            if election.deadline().is_some_and(|at| at <= step.now) {
                election.handle_timeout(step);
            }
        }
    }
}
