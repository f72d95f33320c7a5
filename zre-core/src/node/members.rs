//! Which peers are in which group.

use alloc::collections::{BTreeMap, BTreeSet};

use zre_proto::{GroupName, PeerId};

/// The groups that have members, and the members of each.
#[derive(Debug, Default)]
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

    /// The name as it is held already: all who are in a group share the memory of its name.
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
            if members.is_empty() {
                self.0.remove(group);
            }
        }
    }
}
