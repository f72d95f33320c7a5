//! The pattern of state that a group shares; `docs/SHARED-STATE.md` explains it.

use zre_core::{
    Event,
    proto::{Content, PeerId},
};

/// State of which each member of a group has a copy. Copies that have seen the same changes are
/// equal, in whichever order and however often they have seen them.
pub trait Shared {
    /// The group of those who share it.
    const GROUP: &'static str;

    /// Everything that this member knows.
    fn snapshot(&self) -> Content;

    /// Takes over what another member knows. Any peer can send anything: what cannot be read is
    /// ignored.
    fn merge(&mut self, content: &Content);

    /// Handles an event of the node. Returns what is to be sent.
    fn handle_event(&mut self, event: &Event) -> Option<Tell> {
        match event {
            // A member is new or has come back, or was too slow for a shout and has been passed
            // over. Tell it everything that it may have missed.
            Event::Join { peer, group, .. } | Event::Skipped { peer, group, .. }
                if *group == Self::GROUP =>
            {
                Some(Tell::One(*peer, self.snapshot()))
            }
            // Its last changes may have reached only some of us. Nobody else can pass them on.
            Event::Exit { .. } => Some(Tell::All(self.snapshot())),
            Event::Whisper { content, .. } => {
                self.merge(content);
                None
            }
            Event::Shout { group, content, .. } if *group == Self::GROUP => {
                self.merge(content);
                None
            }
            _ => None,
        }
    }
}

/// Something to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tell {
    /// To be whispered to this peer.
    One(PeerId, Content),
    /// To be shouted to the group.
    All(Content),
}
