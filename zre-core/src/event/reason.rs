//! Why sessions end.

use core::fmt;

use crate::error::Fault;

/// Why a node considers a peer gone.
///
/// With the feature `serde`, a reason is its [`as_str`](ExitReason::as_str), and a protocol error
/// is a map of that to the fault in words. Read back, the fault is a
/// [`Fault::Described`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "SCREAMING_SNAKE_CASE")
)]
#[non_exhaustive]
pub enum ExitReason {
    /// It said that it is leaving.
    Goodbye,
    /// It was silent for [`expired_after`](crate::Config#structfield.expired_after) or longer, and
    /// did not answer when it was asked.
    Expired,
    /// Its connection broke, or its port refuses connections: the process has ended, the network
    /// between is cut, or the peer has moved to another address.
    ConnectionLost,
    /// It broke the protocol.
    ProtocolError(Fault),
    /// It began a new session with the same identity. An `Enter` follows.
    Restarted,
    /// Another node gave the peer's endpoint as its own, and the peer did not answer when it was
    /// asked.
    Replaced,
    /// It left its connection unread for
    /// [`expired_after`](crate::Config#structfield.expired_after) while messages waited for it.
    Stalled,
    /// It left its connection unread while it made this node send one answer after the other.
    Overflow,
    /// It can be heard, but no connection to it can be made: a firewall is in the way, or the
    /// endpoint that it gives is wrong.
    Unreachable,
    /// It closes each connection that is made to it, or its key is no longer trusted;
    /// [`Engine::set_trust`](crate::Engine::set_trust).
    Refused,
}

impl ExitReason {
    /// The word for this reason in JSON lines and logs, which stays the same in all versions:
    /// `GOODBYE`, `EXPIRED`, `CONNECTION_LOST`, `PROTOCOL_ERROR`, `RESTARTED`, `REPLACED`,
    /// `STALLED`, `OVERFLOW`, `UNREACHABLE` or `REFUSED`. [`Display`](fmt::Display) says it in a
    /// sentence.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Goodbye => "GOODBYE",
            Self::Expired => "EXPIRED",
            Self::ConnectionLost => "CONNECTION_LOST",
            Self::ProtocolError(_) => "PROTOCOL_ERROR",
            Self::Restarted => "RESTARTED",
            Self::Replaced => "REPLACED",
            Self::Stalled => "STALLED",
            Self::Overflow => "OVERFLOW",
            Self::Unreachable => "UNREACHABLE",
            Self::Refused => "REFUSED",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Goodbye => "said goodbye",
            Self::Expired => "was silent for too long",
            Self::ConnectionLost => "connection lost",
            Self::ProtocolError(fault) => return write!(f, "broke the protocol: {fault}"),
            Self::Restarted => "restarted",
            Self::Replaced => "replaced by another node at its endpoint",
            Self::Stalled => "did not read what was sent to it",
            Self::Overflow => "did not read the answers it asked for",
            Self::Unreachable => "cannot be reached",
            Self::Refused => "its connections, or ours, are refused",
        })
    }
}
