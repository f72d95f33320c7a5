//! Errors, sorted by whose fault they are.

use alloc::string::String;

use thiserror::Error;
use zre_proto::{
    MessageError, PeerId, TooLong,
    zmtp::{CommandError, FrameError, GreetingError},
};

/// A command that the application cannot have: its own mistake, or the wrong moment; never a peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no peer with this identity, or it is gone.
    #[error("there is no peer {0}")]
    UnknownPeer(PeerId),
    /// More octets wait for this peer than the outbound limit; nothing was sent to anybody.
    #[error("peer {0} does not read as fast as it is sent to")]
    Full(PeerId),
    /// The message is larger than the limit.
    #[error(
        "the message has {size} octets in {frames} frames, the limits are {size_limit} and {frames_limit}"
    )]
    MessageTooLarge {
        /// The octets of all its frames.
        size: usize,
        /// How many frames it has.
        frames: usize,
        /// The limit on octets.
        size_limit: usize,
        /// The limit on frames.
        frames_limit: usize,
    },
    /// A name does not fit on the wire.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The node has been stopped.
    #[error("the node has stopped")]
    Stopped,
}

impl From<core::convert::Infallible> for Error {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

/// What a peer did that the protocol forbids.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// A message is missing, doubled or out of order.
    #[error("sequence number {received}, expected {expected}")]
    Sequence {
        /// The number that should have come.
        expected: u16,
        /// The number that came.
        received: u16,
    },
    /// Frames are not a ZRE message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The endpoint that it gives as its own is that of another peer, which is there.
    #[error("its endpoint is that of {0}")]
    Endpoint(PeerId),
    /// The connection does not speak ZMTP as ZRE uses it.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The other side does not greet as ZMTP 3 does.
    #[error(transparent)]
    Greeting(#[from] GreetingError),
    /// The other side wants another security mechanism.
    #[error("the other side wants mechanism {theirs}, this one {ours}")]
    Mechanism {
        /// What the other side wants.
        theirs: String,
        /// What this side offers.
        ours: String,
    },
    /// The head of a frame is malformed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A command is malformed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A frame or a message is larger than the limit.
    #[error("a message of at least {size} octets, the limit is {limit}")]
    MessageTooLarge {
        /// The octets announced so far.
        size: u64,
        /// The limit in octets.
        limit: usize,
    },
    /// A message has more frames than the limit.
    #[error("a message of more than {limit} frames")]
    TooManyFrames {
        /// The limit.
        limit: usize,
    },
    /// All peers together have begun more than the limit, and this one most of it.
    #[error("messages without an end hold more than {limit} octets, most of them this one")]
    TooMuchUnfinished {
        /// The limit in octets.
        limit: usize,
    },
    /// A command is larger than any that ZRE needs.
    #[error("a command of {size} octets, the limit is {limit}")]
    CommandTooLarge {
        /// The octets announced.
        size: u64,
        /// The limit in octets.
        limit: usize,
    },
    /// Something other than READY or ERROR came during the handshake.
    #[error("{0} during the handshake, expected READY")]
    NotReady(String),
    /// The other side sent ERROR.
    #[error("the other side refuses the connection: {0:?}")]
    Refused(String),
    /// The other side's socket is of a type that ZRE does not use on this end.
    #[error("the other side is a {theirs:?} socket, expected {expected}")]
    SocketType {
        /// The type that the other side names.
        theirs: String,
        /// The type that belongs there.
        expected: &'static str,
    },
    /// A connecting node did not say who it is.
    #[error("the identity has {0} octets, expected 01 and a UUID")]
    Identity(usize),
    /// Somebody connects under this node's own identity.
    #[error("the identity is this node's own")]
    OwnIdentity,
    /// A message came where only commands may.
    #[error("a message on a connection that only sends")]
    UnexpectedMessage,
    /// The handshake, or the HELLO behind it, did not come in time.
    #[error("no HELLO within the handshake timeout")]
    HandshakeTimeout,
}
