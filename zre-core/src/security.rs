//! With which key a node shows who it is, and with whom it talks.

use alloc::collections::BTreeMap;

use zre_proto::curve::{KeyMetadata, Keypair, PublicKey};

/// The key of a node, and the keys of those with whom it talks. With it, a node talks to nobody who
/// has not proved to have one of these keys, and nobody else can read or change what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Security {
    /// The key of this node.
    pub keypair: Keypair,
    /// With whom it talks.
    pub trust: Trust,
}

impl Security {
    /// A node with this key, which talks with these.
    pub fn new(keypair: Keypair, trust: Trust) -> Self {
        Self { keypair, trust }
    }

    /// A network of which all nodes have the same key, as one that is made from a passphrase. Who
    /// has it may call itself anything: the members cannot be told apart by it.
    pub fn shared(keypair: Keypair) -> Self {
        let own = TrustedKeys::from([keypair.public()]);
        let trust = Trust::Keys(own);
        Self { keypair, trust }
    }

    /// Whether all nodes of the network have this node's key.
    pub fn is_shared(&self) -> bool {
        self.only_key() == Some(self.keypair.public())
    }

    /// The key of whoever the node talks with, if that can only be one.
    pub fn only_key(&self) -> Option<PublicKey> {
        let Trust::Keys(keys) = &self.trust else {
            return None;
        };
        let mut keys = keys.0.keys().copied();
        let first = keys.next();
        first.filter(|_| keys.next().is_none())
    }
}

/// With whom a node talks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// With those who have these keys.
    Keys(TrustedKeys),
    /// With anybody who has any key. What is said can still be read by these two alone, but anybody
    /// may take part.
    Any,
}

impl Trust {
    /// Whether it includes a key; gives what is known of that.
    pub fn admits(&self, key: &PublicKey) -> Option<KeyMetadata> {
        match self {
            Self::Keys(keys) => keys.0.get(key).cloned(),
            Self::Any => Some(KeyMetadata::default()),
        }
    }
}

impl From<TrustedKeys> for Trust {
    fn from(keys: TrustedKeys) -> Self {
        Self::Keys(keys)
    }
}

/// Keys that are trusted, and what is known of their owners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedKeys(BTreeMap<PublicKey, KeyMetadata>);

impl TrustedKeys {
    /// Adds a key, or replaces what is known of its owner.
    pub fn insert(&mut self, key: PublicKey, metadata: KeyMetadata) {
        self.0.insert(key, metadata);
    }

    /// The keys, in the order of their bytes, and what is known of their owners.
    pub fn iter(&self) -> impl Iterator<Item = (&PublicKey, &KeyMetadata)> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(PublicKey, KeyMetadata)> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = (PublicKey, KeyMetadata)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl FromIterator<PublicKey> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        let keys = keys.into_iter();
        keys.map(|key| (key, KeyMetadata::default())).collect()
    }
}

impl<const N: usize> From<[PublicKey; N]> for TrustedKeys {
    fn from(keys: [PublicKey; N]) -> Self {
        keys.into_iter().collect()
    }
}
