//! What a node wants done, and what it says of messages.

use zre_proto::{Beacon, Endpoint, Message, PeerId};

use crate::error::Fault;

/// What a node wants done, in this order.
///
/// Whoever drives a node has to carry out all of them, so a new one is meant to break the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeOutput {
    /// Broadcast this.
    Beacon(Beacon),
    /// Connect to a peer, in place of an older connection to it; messages for it follow.
    Connect {
        /// The peer.
        peer: PeerId,
        /// Where it accepts connections.
        endpoint: Endpoint,
    },
    /// Send a message to a connected peer, in order and without loss.
    Send {
        /// The peer.
        peer: PeerId,
        /// The message.
        message: Message,
    },
    /// Close the connection to a peer, and that from it; what is still unsent can be dropped.
    Disconnect {
        /// The peer.
        peer: PeerId,
    },
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It belongs to the peer's session.
    Accepted,
    /// It belongs to no session and changed nothing.
    Ignored,
    /// The peer broke the protocol with it and is gone, if it was there.
    Refused(Fault),
}

/// Whether a message may be handled as a peer's, by the connection that it came over.
///
/// Anybody can connect under any identity. A connection is *bound* to a peer once a message over
/// it has been [accepted](Verdict::Accepted); what comes over another must prove that it is the
/// peer's, or the peer could be driven away by a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Give it to [`Node::handle_message`](crate::Node::handle_message). If it is accepted and the
    /// connection was not bound, bind it to the peer in place of an older one.
    Admitted,
    /// The peer broke the protocol: report it with
    /// [`Node::handle_fault`](crate::Node::handle_fault) and close the connection.
    Violation(Fault),
    /// It cannot be a message of the peer, which is not to suffer from it: close the connection.
    Refused(Fault),
    /// It does not fit the peer's session. Drop it, and [`suspect`](crate::Node::suspect) the
    /// peer: its own connection may have broken unnoticed, and messages may be missing.
    Stray,
}
