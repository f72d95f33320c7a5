//! The headers that a node presents itself with.

use alloc::collections::btree_map::{self, BTreeMap, Entry};

use crate::text::{ShortText, Text, TooLong};

/// The headers of a node: names of at most 255 octets with values of any length (RFC 36, `dictionary`).
///
/// They iterate in the order of their names, whatever order they came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<ShortText, Text>);

impl Headers {
    /// The value of a header, or `None` if there is none of that name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&Text> {
        self.0.get(name.as_ref())
    }

    /// Sets a header, replacing an earlier value.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if the name has more than 255 octets.
    pub fn set(&mut self, name: impl Into<Text>, value: impl Into<Text>) -> Result<(), TooLong> {
        let name = ShortText::try_from(name.into()).map_err(|error| error.named("header name"))?;
        self.0.insert(name, value.into());
        Ok(())
    }

    /// Removes a header, and gives its value.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> Option<Text> {
        self.0.remove(name.as_ref())
    }

    /// Adds a header from the wire; of two with the same name the first stays, as in zyre.
    pub(crate) fn add(&mut self, name: ShortText, value: Text) {
        if let Entry::Vacant(vacant) = self.0.entry(name) {
            vacant.insert(value);
        }
    }

    /// The headers in the order of their names.
    pub fn iter(&self) -> btree_map::Iter<'_, ShortText, Text> {
        self.0.iter()
    }

    /// How many headers there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a ShortText, &'a Text);
    type IntoIter = btree_map::Iter<'a, ShortText, Text>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
