//! What certificates say of a key.

use alloc::{string::String, sync::Arc, vec::Vec};

/// What a certificate says of the owner of a key: names and values, in their order. Most have a
/// `name`. Clones share their memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct KeyMetadata(Option<Arc<[(String, String)]>>);

impl KeyMetadata {
    /// The first value with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.iter();
        all.find(|(it, _)| *it == name).map(|(_, value)| value)
    }

    /// The value of `name`.
    pub fn name(&self) -> Option<&str> {
        self.get("name")
    }

    /// The names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.as_deref().unwrap_or_default();
        all.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for KeyMetadata {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(all: I) -> Self {
        let all = all.into_iter();
        let all: Vec<_> = all
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self((!all.is_empty()).then(|| all.into()))
    }
}
