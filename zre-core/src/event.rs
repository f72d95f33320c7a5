//! What the application hears from its node.

use alloc::collections::BTreeSet;

use bytes::Bytes;
use zre_proto::{Content, Endpoint, GroupName, Headers, PeerId, ShortText, Text};

use crate::{error::Fault, link::Link};

/// Something that happened on the network.
///
/// The events of one peer come in the order of its deeds: one `Enter`, then whatever it
/// does, then one `Exit`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A peer is there and can be sent to. A `Join` for each of its groups follows.
    Enter {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// Where it says that it accepts connections.
        endpoint: Endpoint,
        /// The headers that it presents.
        headers: Headers,
    },
    /// A peer is gone.
    Exit {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// Why it is held to be gone.
        reason: ExitReason,
    },
    /// A peer has joined a group.
    Join {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// The group.
        group: GroupName,
    },
    /// A peer has left a group.
    Leave {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// The group.
        group: GroupName,
    },
    /// A peer has sent a message to this node alone.
    Whisper {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// The message.
        content: Content,
    },
    /// A peer has sent a message to a group.
    Shout {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
        /// The group.
        group: GroupName,
        /// The message.
        content: Content,
    },
    /// A peer has been silent for the evasive timeout and is being asked whether it is there.
    Evasive {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
    },
    /// An evasive peer has not answered for a second.
    Silent {
        /// The peer.
        peer: PeerId,
        /// Its name.
        name: ShortText,
    },
    /// This node has stopped; no event follows.
    Stop,
}

impl Event {
    /// The peer that the event is about; `None` for [`Stop`](Event::Stop).
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Enter { peer, .. }
            | Self::Exit { peer, .. }
            | Self::Join { peer, .. }
            | Self::Leave { peer, .. }
            | Self::Whisper { peer, .. }
            | Self::Shout { peer, .. }
            | Self::Evasive { peer, .. }
            | Self::Silent { peer, .. } => Some(*peer),
            Self::Stop => None,
        }
    }

    /// What the event holds in memory, roughly, in bytes.
    pub fn weight(&self) -> usize {
        let held = match self {
            Self::Whisper { content, .. } | Self::Shout { content, .. } => {
                content.frames().iter().map(frame_weight).sum()
            }
            Self::Enter { headers, .. } => headers
                .iter()
                .map(|(name, value)| name.len() + value.len() + 2 * size_of::<Text>())
                .sum(),
            _ => 0,
        };
        size_of::<Self>() + held
    }
}

/// A frame that is not small shares the buffer that it was read into.
fn frame_weight(frame: &Bytes) -> usize {
    let octets = match frame.len() {
        small @ ..=Link::SMALL_FRAME => small,
        large => large.max(Link::SHARED_BUFFER),
    };
    octets + size_of::<Bytes>()
}

/// Why a peer is held to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitReason {
    /// It said that it leaves.
    Goodbye,
    /// It was silent for the expired timeout.
    Expired,
    /// Its connection broke or its port refuses: the process is gone, or the way to it.
    ConnectionLost,
    /// It broke the protocol.
    ProtocolError(Fault),
    /// It began a new session with the same identity; an `Enter` follows.
    Restarted,
    /// Another node answers at its endpoint.
    Replaced,
    /// It did not read its connection for the expired timeout while messages waited for it.
    Stalled,
    /// It did not read its connection while it made this node answer it again and again.
    Overflow,
}

impl core::fmt::Display for ExitReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Goodbye => "said goodbye",
            Self::Expired => "was silent for too long",
            Self::ConnectionLost => "connection lost",
            Self::ProtocolError(fault) => return write!(f, "broke the protocol: {fault}"),
            Self::Restarted => "restarted",
            Self::Replaced => "replaced by another node at its endpoint",
            Self::Stalled => "did not read what was sent to it",
            Self::Overflow => "did not read the answers it asked for",
        })
    }
}

/// What is known of a peer that has entered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Its identity.
    pub id: PeerId,
    /// Its name.
    pub name: ShortText,
    /// Where it says that it accepts connections.
    pub endpoint: Endpoint,
    /// The headers that it presents.
    pub headers: Headers,
    /// The groups that it is in.
    pub groups: BTreeSet<GroupName>,
}
