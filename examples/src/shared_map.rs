//! A map that several nodes share. For each key, the last writer wins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zre_core::proto::{Content, PeerId};

use crate::Shared;

/// Texts by name. Every member of the group can change it, also while it sees no other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedMap {
    entries: BTreeMap<String, Entry>,
}

/// A value, and who wrote it when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    stamp: Stamp,
    /// `None` if it was removed: who has not heard of that would bring it back.
    value: Option<String>,
}

/// When something was written. Later than all that its writer had seen of the map; of two that did
/// not see each other, the larger identity is taken for the later one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Stamp {
    count: u64,
    writer: String,
}

impl SharedMap {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key)?.value.as_deref()
    }

    /// All keys with their values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.entries.iter();
        entries.filter_map(|(key, entry)| Some((key.as_str(), entry.value.as_deref()?)))
    }

    /// Sets a value, or removes it with `None`, as the node with this identity. Returns what to
    /// shout to the group.
    pub fn set(&mut self, own: PeerId, key: &str, value: Option<&str>) -> Content {
        let counts = self.entries.values().map(|entry| entry.stamp.count);
        let entry = Entry {
            stamp: Stamp {
                count: counts.max().unwrap_or_default().saturating_add(1),
                writer: own.to_string(),
            },
            value: value.map(str::to_owned),
        };
        let change = BTreeMap::from([(key.to_owned(), entry)]);
        let content = to_content(&change);
        self.take_over(change);
        content
    }

    fn take_over(&mut self, entries: BTreeMap<String, Entry>) {
        for (key, entry) in entries {
            let known = self.entries.get(&key);
            if known.is_none_or(|known| known.stamp < entry.stamp) {
                self.entries.insert(key, entry);
            }
        }
    }
}

impl Shared for SharedMap {
    const GROUP: &'static str = "MAP";

    fn snapshot(&self) -> Content {
        to_content(&self.entries)
    }

    fn merge(&mut self, content: &Content) {
        let json = content.frame(0).unwrap_or_default();
        if let Ok(entries) = serde_json::from_slice(json) {
            self.take_over(entries);
        }
    }
}

/// One frame of JSON.
fn to_content(entries: &BTreeMap<String, Entry>) -> Content {
    serde_json::to_vec(entries).unwrap_or_default().into()
}
