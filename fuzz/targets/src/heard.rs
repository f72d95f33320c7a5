//! What an application hears, held against the order that [`Event`] promises.

use std::collections::{BTreeMap, BTreeSet};

use zre_core::{Engine, Event};
use zre_proto::{GroupName, PeerId};

/// The peers that have entered by what was heard, and their groups.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    peers: BTreeMap<PeerId, BTreeSet<GroupName>>,
    stopped: bool,
    /// How many enters and exits there were.
    pub(crate) turns: usize,
}

impl Heard {
    /// Takes note of an event, which must have its place: a peer enters, does something, and exits.
    pub(crate) fn take(&mut self, event: &Event) {
        assert!(!self.stopped, "{event:?} behind Stop");
        match event {
            Event::Enter { peer, .. } => {
                self.turns += 1;
                let earlier = self.peers.insert(*peer, BTreeSet::new());
                assert_eq!(earlier, None, "{peer} enters twice");
            }
            Event::Exit { peer, .. } => {
                self.turns += 1;
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
            Event::Stop => self.stopped = true,
            other => {
                let peer = other.peer().expect("it is about a peer");
                self.groups(peer);
            }
        }
    }

    /// Once everything has been heard, the queries say what the events said.
    pub(crate) fn agrees_with(&self, engine: &Engine) {
        if self.stopped {
            assert_eq!(engine.node().peers().count(), 0);
            return;
        }
        let known: Vec<_> = engine.node().peers().collect();
        let heard: Vec<_> = self.peers.keys().copied().collect();
        assert_eq!(known, heard);
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
        self.stopped
    }

    fn groups(&mut self, peer: PeerId) -> &mut BTreeSet<GroupName> {
        let groups = self.peers.get_mut(&peer);
        groups.unwrap_or_else(|| panic!("{peer} has not entered"))
    }
}
