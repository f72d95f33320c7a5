//! A counter that nodes share: an application to test in a simulated network first.
//!
//! `docs/SIMULATING.md` explains it and contains all the code of this file.

use std::collections::BTreeMap;

use zre_core::{
    Event,
    proto::{Content, GroupName, PeerId},
};

/// The group of the nodes that count together.
pub const COUNTERS: &str = "COUNTERS";

/// What the logic needs from a node.
pub trait Network {
    /// Sends a message to all members of a group.
    fn shout(&mut self, group: &GroupName, content: Content);

    /// Sends a message to one peer.
    fn whisper(&mut self, peer: PeerId, content: Content);
}

/// How often each node was pressed, as far as this one knows. Nodes that have heard of the same
/// presses show the same total.
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

    /// Counts a press of this node and tells the others.
    pub fn press(&mut self, network: &mut impl Network) {
        let count = self.counts.entry(self.id).or_default();
        *count = count.saturating_add(1);
        let news = format!("{} {count}", self.id);
        network.shout(&self.group, news.into());
    }

    /// Handles an event of the node.
    pub fn handle_event(&mut self, event: &Event, network: &mut impl Network) {
        match event {
            // A peer is new or has come back. Tell it everything that it may have missed, also the
            // presses of nodes that are gone.
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

    /// Takes over the counts that are larger than those known. A count only grows, so the order in
    /// which they arrive does not matter. Any peer can send anything: other text is ignored.
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
