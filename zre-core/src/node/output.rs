//! What a node wants done, and what it says of messages.

use core::net::{IpAddr, SocketAddr};

use zre_proto::{Beacon, Endpoint, Message, PeerId, curve::PublicKey};

use crate::{error::Fault, interfaces::NetworkId, time::Instant};

/// What a node wants done, in this order.
///
/// Whoever drives a node has to carry out all of them, so a new one is meant to break the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeOutput {
    /// Announce the node on a network.
    Beacon {
        /// The network.
        network: NetworkId,
        /// What to send.
        beacon: Beacon,
    },
    /// Connect to a peer, in place of an older connection to it; messages for it follow.
    Connect {
        /// The peer.
        peer: PeerId,
        /// Where it accepts connections.
        endpoint: Endpoint,
        /// The key that it must have there; `None` if this node has none itself.
        key: Option<PublicKey>,
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
    /// One peer gives way to another, whose HELLO names the place to which there is a connection
    /// for the first. Only callers of [`Node::handle_reached`](crate::Node::handle_reached) get
    /// this. They may do as for [`Disconnect`](Self::Disconnect), as a [`Connect`](Self::Connect)
    /// for the other follows.
    ///
    /// [`Engine`](crate::Engine) goes on with the connection: whoever is there has been sent HELLO
    /// over it, and would take its end for the end of the session.
    GiveWay {
        /// The peer that gives way.
        peer: PeerId,
        /// The peer to connect to.
        to: PeerId,
    },
}

/// What has been sent over a connection before it was known who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SentSoFar {
    /// How many messages, with HELLO.
    pub(crate) messages: u16,
    /// How many PINGs without an answer are among them.
    pub(crate) pings: usize,
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
    Violation(Fault),
}

/// How a HELLO came; see [`Node::expect_hello`](crate::Node::expect_hello).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HelloOrigin {
    /// Where its connection came from. A stranger on another host cannot forge it. So it
    /// decides between the endpoint that the HELLO names and the one that a beacon came from, and
    /// it takes the place of a host name, which is not looked up.
    pub source: Option<SocketAddr>,
    /// Whether our connection to the peer is there already.
    pub is_connected: bool,
    /// When it came. It may have waited for the peer to answer a question.
    pub came_at: Instant,
    /// The key that its sender has proved to have, in a node that has one itself. Without it, such
    /// a node refuses the HELLO.
    pub key: Option<PublicKey>,
}

impl HelloOrigin {
    /// The address that it came from.
    pub(super) fn source_address(&self) -> Option<IpAddr> {
        self.source.map(|source| source.ip().to_canonical())
    }
}

/// What is to be done with a HELLO that came over a connection which carries no session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Expectation {
    /// Give it to [`Node::handle_message`](crate::Node::handle_message) when the connection to the
    /// peer is there, and read nothing more before that. The connection has been asked for.
    Await,
    /// Give it to [`Node::handle_held_message`](crate::Node::handle_held_message) at once.
    Deliver,
    /// It is wrong, and has been noted: close the connection.
    Refused(Fault),
    /// It begins no session: close the connection.
    Ignored,
}

/// Whether a message over a connection that is not *bound* may be handled as a peer's.
///
/// Anybody can connect under any identity. A connection is bound to a peer once a message over it
/// has been [accepted](Verdict::Accepted). What comes over another must prove that it is the
/// peer's, or a stranger could drive the peer away.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Give it to [`Node::handle_message`](crate::Node::handle_message). If it is accepted, bind
    /// the connection to the peer in place of an older one.
    Admitted,
    /// It cannot be a message of the peer, which is not to suffer from it: close the connection.
    Foreign(Fault),
    /// It does not fit the peer's session. Drop it, and [`suspect`](crate::Node::suspect) the
    /// peer: its own connection may have broken unnoticed, and messages may be missing.
    Stray,
}
