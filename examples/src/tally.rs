//! A counter that nodes share: an application to test in a simulated network first.

use std::collections::BTreeMap;

use zre_core::{
    Event,
    proto::{Content, PeerId},
};

/// The group of the nodes that count together.
pub const COUNTERS: &str = "COUNTERS";

/// How often each node was pressed, as far as this one knows. Nodes that have heard of the same
/// presses show the same total.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: BTreeMap<PeerId, u64>,
}

impl Tally {
    /// How often all nodes together were pressed.
    pub fn total(&self) -> u64 {
        self.counts
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Counts a press of the node with this identity. Returns what to shout to the group.
    pub fn press(&mut self, own: PeerId) -> Content {
        let count = self.counts.entry(own).or_default();
        *count = count.saturating_add(1);
        format!("{own} {count}").into()
    }

    /// Handles an event of the node. Returns what to whisper, and to whom.
    pub fn handle_event(&mut self, event: &Event) -> Option<(PeerId, Content)> {
        match event {
            // A peer is new or has come back. Tell it everything that it may have missed, also the
            // presses of nodes that are gone.
            Event::Join { peer, group, .. } if *group == COUNTERS => {
                Some((*peer, self.to_content()))
            }
            Event::Whisper { content, .. } | Event::Shout { content, .. } => {
                self.merge(content);
                None
            }
            _ => None,
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
