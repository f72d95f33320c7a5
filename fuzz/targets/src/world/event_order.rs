use std::collections::{BTreeMap, BTreeSet};

use zre_core::{Engine, Event};
use zre_proto::{GroupName, PeerId};

/// Holds an engine's events against the order that [`Event`] promises, and against its queries.
#[derive(Debug, Default)]
pub(crate) struct EventOrder {
    /// The peers that are there by the events so far, with their groups.
    peers: BTreeMap<PeerId, BTreeSet<GroupName>>,
    is_stopped: bool,
    /// How many events said that a peer entered or exited.
    pub(crate) enters_and_exits: usize,
}

impl EventOrder {
    /// The next event, which must have its place: a peer enters, does something, and exits.
    pub(crate) fn check(&mut self, event: &Event) {
        assert!(!self.is_stopped, "{event:?} behind Stop");
        match event {
            Event::Enter { peer, .. } => {
                self.enters_and_exits += 1;
                let earlier = self.peers.insert(*peer, BTreeSet::new());
                assert_eq!(earlier, None, "{peer} enters twice");
            }
            Event::Exit { peer, .. } => {
                self.enters_and_exits += 1;
                let earlier = self.peers.remove(peer);
                assert!(earlier.is_some(), "{peer} exits and was not there");
            }
            Event::Join { peer, group, .. } => {
                let is_new = self.groups(*peer).insert(group.clone());
                assert!(is_new, "{peer} joins {group} twice");
            }
            Event::Leave { peer, group, .. } => {
                let was_in = self.groups(*peer).remove(group);
                assert!(was_in, "{peer} leaves {group} and was not in it");
            }
            Event::Stop { .. } => self.is_stopped = true,
            // It is about no peer, or about one that does not enter.
            Event::Network { .. } | Event::Refused { .. } | Event::Leader { is_self: true, .. } => {
            }
            Event::Leader { peer, group, .. } => {
                assert!(self.groups(*peer).contains(group), "{peer} leads {group}");
            }
            other => {
                let peer = other.peer().expect("it is about a peer");
                self.groups(peer);
            }
        }
    }

    /// Once all events have been taken, the queries say what the events said.
    pub(crate) fn check_queries(&self, engine: &Engine) {
        if self.is_stopped {
            assert_eq!(engine.node().peers().count(), 0);
            return;
        }
        let known: Vec<_> = engine.node().peers().collect();
        let entered: Vec<_> = self.peers.keys().copied().collect();
        assert_eq!(known, entered);
        let mut members: BTreeMap<&GroupName, Vec<PeerId>> = BTreeMap::new();
        for (peer, groups) in &self.peers {
            let info = engine.node().peer(*peer).expect("it has entered");
            assert_eq!(info.groups, *groups);
            groups
                .iter()
                .for_each(|group| members.entry(group).or_default().push(*peer));
        }
        assert!(engine.node().peer_groups().eq(members.keys().copied()));
        for (group, peers) in members {
            assert!(engine.node().peers_by_group(group).eq(peers));
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    fn groups(&mut self, peer: PeerId) -> &mut BTreeSet<GroupName> {
        let groups = self.peers.get_mut(&peer);
        groups.unwrap_or_else(|| panic!("{peer} has not entered"))
    }
}
