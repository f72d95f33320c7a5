//! Which peers are in which group.

use alloc::collections::{BTreeMap, BTreeSet};

use zre_proto::{GroupName, PeerId};

/// The groups that have members, and the members of each.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Members(BTreeMap<GroupName, BTreeSet<PeerId>>);

impl Members {
    /// The members of a group, in the order of their identities.
    pub(super) fn of(&self, group: &GroupName) -> impl Iterator<Item = PeerId> {
        self.0.get(group).into_iter().flatten().copied()
    }

    /// The groups that have members, in the order of their names.
    pub(super) fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.0.keys()
    }

    /// The same name with the memory that is held already, so that a group's name is in memory once
    /// however many peers are in it.
    pub(super) fn shared_name(&self, group: GroupName) -> GroupName {
        match self.0.get_key_value(&group) {
            Some((held, _)) => held.clone(),
            None => group,
        }
    }

    pub(super) fn add(&mut self, group: GroupName, peer: PeerId) {
        self.0.entry(group).or_default().insert(peer);
    }

    pub(super) fn remove(&mut self, group: &GroupName, peer: PeerId) {
        if let Some(members) = self.0.get_mut(group) {
            members.remove(&peer);
            // Or names that somebody joins and leaves would pile up.
            if members.is_empty() {
                self.0.remove(group);
            }
        }
    }
}
