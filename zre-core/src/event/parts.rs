//! What events tell of peers and networks.

use alloc::{collections::BTreeSet, string::String};
use core::{fmt, net::IpAddr};

use zre_proto::{
    Endpoint, GroupName, Headers, PeerId, ShortText,
    curve::{KeyMetadata, PublicKey},
};

/// What a node knows about a peer that has entered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its identity.
    pub id: PeerId,
    /// Its name.
    pub name: ShortText,
    /// Where it says that it accepts connections.
    pub endpoint: Endpoint,
    /// Its headers.
    pub headers: Headers,
    /// The groups that it is in.
    pub groups: BTreeSet<GroupName>,
    /// The key that it has proved to have; `None` if this node has none itself.
    #[cfg_attr(feature = "serde", serde(default))]
    pub key: Option<PeerKey>,
}

/// The key of a peer, which it has proved to have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PeerKey {
    /// The key.
    pub public: PublicKey,
    /// What its certificate says of its owner, if this node has one.
    #[cfg_attr(feature = "serde", serde(default))]
    pub metadata: KeyMetadata,
}

impl PeerKey {
    /// A key, and what is known of its owner.
    pub fn new(public: PublicKey, metadata: KeyMetadata) -> Self {
        Self { public, metadata }
    }
}

/// As in `key 0123… (alice)`.
impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.public)?;
        match self.metadata.name() {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

/// Who refuses whom for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum RefusedBy {
    /// This node does not trust the other.
    Us,
    /// The other does not trust this node.
    Them,
}

impl RefusedBy {
    /// The word for it in JSON lines: `us` or `them`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Them => "them",
        }
    }
}

/// A peer that has not confirmed all messages which were accepted for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Unconfirmed {
    /// The peer.
    pub peer: PeerId,
    /// Its name.
    pub name: ShortText,
    /// How many whispers and shouts it has not confirmed. Some may have arrived all the same.
    pub messages: u64,
}

impl Unconfirmed {
    /// So many messages to a peer.
    pub fn new(peer: PeerId, name: ShortText, messages: u64) -> Self {
        Self {
            peer,
            name,
            messages,
        }
    }
}

/// A network that a node is on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NetworkInfo {
    /// The name of the interface.
    pub interface: String,
    /// The node's address on it.
    pub address: IpAddr,
    /// Where the node accepts connections there.
    pub endpoint: Endpoint,
    /// Whether the last beacon could be sent. Also true if none is sent.
    pub announces: bool,
}

/// As in `eth0 (tcp://10.0.0.2:49152)`.
impl fmt::Display for NetworkInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beacons = match self.announces {
            true => "",
            false => ", beacons cannot be sent",
        };
        write!(f, "{} ({}{beacons})", self.interface, self.endpoint)
    }
}
