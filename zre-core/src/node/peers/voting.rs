//! Elections among the members of groups.

use alloc::{collections::BTreeSet, vec::Vec};

use zre_proto::{GroupName, PeerId};

use super::Peers;
use crate::{
    config::Voters,
    event::Event,
    node::{
        context::{NodeContext, NodeTimer},
        election::{Consequence, Elections, Elector, Step, Word},
        peer::{Peer, Ready},
    },
    notice::Notice,
};

/// What this node wants.
impl Peers {
    /// This node wants to lead a group.
    pub(in crate::node) fn stand_in(&mut self, group: &GroupName, context: &mut NodeContext) {
        let is_in_group = context.own.groups.contains(group);
        self.hold(context, |elections, step| {
            elections.contest(group, is_in_group, step);
        });
    }

    /// This node does not want to lead a group any more.
    pub(in crate::node) fn withdraw(&mut self, group: &GroupName, context: &mut NodeContext) {
        self.hold(context, |elections, step| elections.withdraw(group, step));
    }

    /// The groups that this node wants to lead.
    pub(in crate::node) fn contested_groups(&self) -> impl Iterator<Item = &GroupName> {
        self.elections.contested()
    }

    /// Who leads a group that this node is in.
    pub(in crate::node) fn leader(&self, group: &GroupName) -> Option<PeerId> {
        self.elections.leader(group)
    }

    /// This node has joined a group.
    pub(in crate::node) fn hold_election(&mut self, group: &GroupName, context: &mut NodeContext) {
        self.hold(context, |elections, step| elections.joined(group, step));
    }

    /// This node has left a group.
    pub(in crate::node) fn end_election(&mut self, group: &GroupName, context: &mut NodeContext) {
        self.hold(context, |elections, step| elections.left(group, step));
    }
}

/// What peers do.
impl Peers {
    /// A peer takes part in the election of a group that this node is in.
    pub(in crate::node) fn take_word(
        &mut self,
        group: &GroupName,
        peer: PeerId,
        word: Word,
        context: &mut NodeContext,
    ) {
        let is_in_group = context.own.groups.contains(group);
        if !is_in_group && self.take_late(group, peer, word, context) {
            return;
        }
        let known = self.get(&peer);
        let is_ours = known.is_some_and(|known| known.is_elector);
        let is_member = known.is_some_and(|known| known.is_in(group));
        let (kind, named) = match word {
            Word::Elect(named) => ("ELECT", named),
            Word::Leader(named) => ("LEADER", named),
        };
        let from = Elector { peer, is_ours };
        let reason = if !is_in_group {
            Some("this node is not in the group")
        } else if named == context.id && !self.elections.stands(group, named) {
            if let Word::Elect(_) = word {
                self.hold(context, |elections, step| {
                    elections.decline(group, from, step);
                });
            }
            Some("this node does not contest")
        } else if named == peer && matches!(word, Word::Leader(_)) && !is_member {
            // zyre nodes contest groups that they are not in, and wait for this.
            if !is_ours {
                self.say(&peer, word, group.clone(), context);
            }
            Some("its sender is not in the group")
        } else {
            None
        };
        if let Some(reason) = reason {
            let notice = Notice::IgnoredElection { peer, kind, reason };
            return context.notices.push(notice);
        }
        self.hold(context, |elections, step| {
            elections.take(group, from, word, step);
        });
    }

    fn take_late(
        &mut self,
        group: &GroupName,
        peer: PeerId,
        word: Word,
        context: &mut NodeContext,
    ) -> bool {
        let mut is_late = false;
        self.hold(context, |elections, step| {
            is_late = elections.take_late(group, peer, word, step);
        });
        is_late
    }

    /// A peer has joined a group that this node is in.
    pub(in crate::node) fn joined_group(
        &mut self,
        group: &GroupName,
        peer: PeerId,
        context: &mut NodeContext,
    ) {
        let known = self.get(&peer);
        if let Some(elector) = known.and_then(|peer| elector(peer, context)) {
            self.hold(context, |elections, step| {
                elections.elector_joined(group, elector, step);
            });
        }
    }

    /// A peer has entered, or is found to be one that takes part in elections.
    pub(in crate::node) fn joined_all(&mut self, peer: PeerId, context: &mut NodeContext) {
        let ready = self.get(&peer).and_then(Peer::ready);
        let groups = ready.into_iter().flat_map(Ready::groups);
        let common: BTreeSet<_> = groups
            .filter(|group| context.own.groups.contains(*group))
            .cloned()
            .collect();
        for group in common {
            self.joined_group(&group, peer, context);
        }
    }

    /// The connection to a peer leads to a node that takes part in elections.
    pub(in crate::node) fn note_elector(&mut self, peer: PeerId, context: &mut NodeContext) {
        if let Some(known) = self.get_mut(&peer)
            && !core::mem::replace(&mut known.is_elector, true)
        {
            self.joined_all(peer, context);
        }
    }

    /// A peer asks as early as zyre does. If it is heard itself, it hears our beacons, too, and so
    /// is a zyre node: others do not ask then.
    pub(in crate::node) fn note_question(&mut self, peer: PeerId, context: &mut NodeContext) {
        if let Some(known) = self.get_mut(&peer)
            && known.is_announced
            && !core::mem::replace(&mut known.is_voter, true)
        {
            self.joined_all(peer, context);
        }
    }

    /// A peer has left a group that this node is in.
    pub(in crate::node) fn left_group(
        &mut self,
        group: &GroupName,
        peer: PeerId,
        context: &mut NodeContext,
    ) {
        self.hold(context, |elections, step| {
            elections.peer_left(group, peer, step);
        });
    }

    /// A peer is gone or begins anew: it takes no part in running elections.
    pub(in crate::node) fn forget_votes(&mut self, peer: PeerId, context: &mut NodeContext) {
        self.hold(context, |elections, step| elections.peer_gone(peer, step));
    }

    /// Time has passed.
    pub(in crate::node) fn check_elections(&mut self, context: &mut NodeContext) {
        self.hold(context, Elections::handle_timeout);
    }
}

impl Peers {
    /// Applies a rule, and carries out what follows.
    fn hold(
        &mut self,
        context: &mut NodeContext,
        rule: impl FnOnce(&mut Elections, &mut Step<'_>),
    ) {
        // In most nodes nobody elects anybody.
        let (table, members) = (&self.table, &self.members);
        let electors = |group: &GroupName| -> Vec<Elector> {
            let known = members.of(group).filter_map(|id| table.get(&id));
            known.filter_map(|peer| elector(peer, context)).collect()
        };
        let mut step = Step::new(context.id, context.now, &electors);
        rule(&mut self.elections, &mut step);
        for consequence in step.consequences() {
            match consequence {
                Consequence::Send(group, peer, word) => self.say(&peer, word, group, context),
                Consequence::Leader(group, peer) => self.tell_leader(group, peer, context),
            }
        }
        match self.elections.next_deadline() {
            Some(at) => context.deadlines.set(NodeTimer::Election, at),
            None => context.deadlines.clear(NodeTimer::Election),
        }
    }

    fn say(&mut self, peer: &PeerId, word: Word, group: GroupName, context: &mut NodeContext) {
        if let Some(peer) = self.table.get_mut(peer).filter(|peer| peer.is_ready()) {
            peer.channel.send(word.into_body(group), context);
        }
    }

    fn tell_leader(&self, group: GroupName, peer: PeerId, context: &mut NodeContext) {
        let is_self = peer == context.id;
        let known = self.table.get(&peer).and_then(Peer::ready);
        let name = match known {
            Some(ready) => ready.name().clone(),
            None => context.own.name.clone(),
        };
        context.events.push(Event::Leader {
            group,
            peer,
            name,
            is_self,
        });
    }
}

/// A peer as a voter, if it is known to take part in elections.
fn elector(peer: &Peer, context: &NodeContext) -> Option<Elector> {
    let config = &context.config;
    // Of the implementations that die of ELECT, none has keys.
    let is_known = peer.is_elector
        || peer.is_voter
        || config.security.is_some()
        || config.voters == Voters::All;
    is_known.then(|| Elector {
        peer: peer.id(),
        is_ours: peer.is_elector,
    })
}
