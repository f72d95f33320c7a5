//! Naming a peer.

use zre_core::proto::{PeerId, ShortText, Text};

/// A peer, by its identity or by its name.
///
/// It is made from a [`PeerId`] or from text. A name means a peer only while exactly one peer has
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerRef {
    /// The peer with this identity.
    Id(PeerId),
    /// The only peer with this name.
    Name(Text),
}

impl From<PeerId> for PeerRef {
    fn from(peer: PeerId) -> Self {
        Self::Id(peer)
    }
}

impl From<&str> for PeerRef {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for PeerRef {
    fn from(name: String) -> Self {
        Self::Name(name.into())
    }
}

impl From<&String> for PeerRef {
    fn from(name: &String) -> Self {
        Self::Name(name.as_str().into())
    }
}

impl From<Text> for PeerRef {
    fn from(name: Text) -> Self {
        Self::Name(name)
    }
}

impl From<ShortText> for PeerRef {
    fn from(name: ShortText) -> Self {
        Self::Name(Text::clone(&name))
    }
}

impl From<&ShortText> for PeerRef {
    fn from(name: &ShortText) -> Self {
        Self::Name(Text::clone(name))
    }
}
