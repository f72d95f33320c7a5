//! A counter that nodes share: an application to try in a simulated network before it runs on a real one.
//!
//! `docs/SIMULATING.md` explains it, and holds everything below this line.

use std::collections::BTreeMap;

use zre_core::{
    Event,
    proto::{Content, GroupName, PeerId},
};

/// The group of those who count together.
pub const COUNTERS: &str = "COUNTERS";

/// What the logic needs from a node.
pub trait Network {
    /// Sends to everybody in the group.
    fn shout(&mut self, group: &GroupName, content: Content);

    /// Sends to one peer.
    fn whisper(&mut self, peer: PeerId, content: Content);
}

/// How often each node was pressed, as far as this one knows. All that have heard of each other show the same total.
#[derive(Debug, Clone)]
pub struct Tally {
    id: PeerId,
    group: GroupName,
    counts: BTreeMap<PeerId, u64>,
}

impl Tally {
    /// The tally of the node with this identity.
    pub fn new(id: PeerId, group: GroupName) -> Self {
        Self {
            id,
            group,
            counts: BTreeMap::new(),
        }
    }

    /// How often all nodes together were pressed.
    pub fn total(&self) -> u64 {
        self.counts
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// This node is pressed, and the others are told.
    pub fn press(&mut self, network: &mut impl Network) {
        let count = self.counts.entry(self.id).or_default();
        *count = count.saturating_add(1);
        let news = format!("{} {count}", self.id);
        network.shout(&self.group, news.into());
    }

    /// Something happened on the network.
    pub fn handle_event(&mut self, event: &Event, network: &mut impl Network) {
        match event {
            // Somebody is new, or back: tell all that they may have missed, also of those who are gone.
            Event::Join { peer, group, .. } if *group == self.group => {
                network.whisper(*peer, self.to_content());
            }
            Event::Whisper { content, .. } | Event::Shout { content, .. } => self.merge(content),
            _ => {}
        }
    }

    fn to_content(&self) -> Content {
        let counts = self.counts.iter();
        let lines: Vec<_> = counts.map(|(id, count)| format!("{id} {count}")).collect();
        lines.join("\n").into()
    }

    /// Counts only grow, so the larger is the newer, in whatever order they come. Anybody can send anything: what is no
    /// count is ignored.
    fn merge(&mut self, content: &Content) {
        for line in content.to_string_lossy().lines() {
            let read = line.split_once(' ').and_then(|(id, count)| {
                let id: PeerId = id.parse().ok()?;
                let count: u64 = count.parse().ok()?;
                Some((id, count))
            });
            if let Some((id, count)) = read {
                let known = self.counts.entry(id).or_default();
                *known = count.max(*known);
            }
        }
    }
}
