//! A text that several people edit at once, over the CRDT of Yjs.

use yrs::{
    Doc, GetString as _, ReadTxn as _, StateVector, Text as _, TextRef, Transact as _, Update,
    updates::decoder::Decode as _,
};
use zre_core::proto::{Content, PeerId};

use crate::Shared;

/// A text. Every member of the group can edit it, also while it sees no other; what two insert or
/// remove meanwhile is all kept.
#[derive(Debug)]
pub struct SharedDocument {
    doc: Doc,
    text: TextRef,
}

impl SharedDocument {
    /// An empty text of the node with this identity.
    pub fn new(own: PeerId) -> Self {
        // Yjs tells writers apart by numbers of 53 bits. Two writers must not share one.
        let [.., a, b, c, d, e, f, g] = own.to_bytes();
        let number = u64::from_be_bytes([0, a, b, c, d, e, f, g]) >> 3;
        let doc = Doc::with_client_id(number);
        let text = doc.get_or_insert_text("text");
        Self { doc, text }
    }

    /// The text.
    pub fn text(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    /// Inserts something behind so many characters, or at the end. Returns what to shout to the
    /// group.
    pub fn insert(&mut self, at: usize, text: &str) -> Content {
        let at = self.offset(at);
        let mut change = self.doc.transact_mut();
        self.text.insert(&mut change, at, text);
        change.encode_update_v1().into()
    }

    /// Removes so many characters behind `at`, as far as there are any. Returns what to shout to
    /// the group.
    pub fn remove(&mut self, at: usize, count: usize) -> Content {
        let (from, to) = (self.offset(at), self.offset(at.saturating_add(count)));
        let mut change = self.doc.transact_mut();
        self.text.remove_range(&mut change, from, to - from);
        change.encode_update_v1().into()
    }

    /// How many bytes so many characters take, as Yjs counts here.
    fn offset(&self, characters: usize) -> u32 {
        let text = self.text();
        let bytes = text
            .chars()
            .take(characters)
            .map(char::len_utf8)
            .sum::<usize>();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl Shared for SharedDocument {
    const GROUP: &'static str = "DOCUMENT";

    fn snapshot(&self) -> Content {
        let nothing = StateVector::default();
        let state = self.doc.transact().encode_state_as_update_v1(&nothing);
        state.into()
    }

    fn merge(&mut self, content: &Content) {
        if let Ok(update) = Update::decode_v1(content.frame(0).unwrap_or_default()) {
            // It fails only for what is no change of a text.
            let _ = self.doc.transact_mut().apply_update(update);
        }
    }
}
