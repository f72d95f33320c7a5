//! Errors, sorted by whose fault they are.

use alloc::string::String;
use core::time::Duration;

use thiserror::Error;
use zre_proto::{
    GossipError, GroupName, MessageError, PeerId, TooLong,
    curve::CurveError,
    zmtp::{CommandError, FrameError, GreetingError},
};

use crate::config::OwnLimit;

/// A command of the application that cannot be carried out. It is never the fault of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// No peer with this identity has entered, or it is gone.
    #[error("there is no peer {0}: it has not entered, or it has left")]
    UnknownPeer(PeerId),
    /// The message was sent, and the peer has gone, or has begun a new session, before it confirmed
    /// it. It may have arrived all the same.
    #[error("peer {0} has gone before it confirmed the message, which may have arrived or not")]
    Unconfirmed(PeerId),
    /// The peer has gone, or has begun a new session, before it answered a request. It may have
    /// handled it all the same.
    #[error("peer {0} has gone before it answered, and may have done what was asked: ask another")]
    Gone(PeerId),
    /// The peer will not answer a request: its program refuses it, or has dropped it.
    #[error("peer {0} refuses the request: its log may say why, or ask another peer")]
    Refused(PeerId),
    /// The peer has not answered a request in time. An answer that comes later is dropped.
    #[error("peer {0} has not answered the request in time: allow more, or ask another peer")]
    TimedOut(PeerId),
    /// A request was to go to a group that no peer is in.
    #[error("no peer is in group {0}: wait for one, as with `wait_for_group`, and ask again")]
    NoMembers(GroupName),
    /// More bytes wait for this peer than [`Limits::outbound`](crate::Limits#structfield.outbound)
    /// allows, or it is not clear yet whether the peer or another one is at its endpoint. Nothing
    /// was sent to anybody.
    #[error("peer {0} reads more slowly than messages are sent to it: wait for it, or send less")]
    Full(PeerId),
    /// The message is larger than the limit.
    #[error(
        "the message has {size} bytes in {frames} frames, the limits are {size_limit} and \
         {frames_limit}: split it, or raise these limits at both nodes"
    )]
    MessageTooLarge {
        /// The bytes of all its frames.
        size: usize,
        /// The number of its frames.
        frames: usize,
        /// The limit on bytes.
        size_limit: usize,
        /// The limit on frames.
        frames_limit: usize,
    },
    /// A name does not fit on the wire.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The node would have more groups or headers than its own limits allow. Its peers most likely
    /// have the same limits, and would refuse it.
    #[error(
        "the node would have {value} {what}, and {limit} is {most}: peers with this limit would \
         refuse it; leave or remove some, or raise the limit at all nodes"
    )]
    OwnLimit {
        /// What there would be too much of, such as "groups".
        what: &'static str,
        /// How much there would be.
        value: usize,
        /// Which of the [`Limits`](crate::Limits).
        limit: &'static str,
        /// Its value.
        most: usize,
    },
    /// `X-PUBLICKEY` was to be set or removed. A node with a key sets it itself.
    #[error("the header X-PUBLICKEY is set by the node itself if it has a key")]
    KeyHeader,
    /// Keys were to be trusted, and the node has none itself. It cannot get one while it runs.
    #[error("the node has no key: start it with one to say which keys it trusts")]
    NoSecurity,
    /// The node has been stopped.
    #[error("the node has stopped")]
    Stopped,
    /// The call was made in a forked child of the process in which the node runs. The node goes on
    /// there and is not touched.
    #[error("the node runs in the parent of this process: start another one here, or do not fork")]
    Forked,
}

impl From<OwnLimit> for Error {
    fn from(exceeded: OwnLimit) -> Self {
        let OwnLimit {
            what,
            value,
            limit,
            most,
        } = exceeded;
        Self::OwnLimit {
            what,
            value,
            limit,
            most,
        }
    }
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
    /// A message is missing, repeated or out of order.
    #[error("sequence number {received}, expected {expected}")]
    Sequence {
        /// The number of the next message.
        expected: u16,
        /// The number that the message had.
        received: u16,
    },
    /// Frames are not a ZRE message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A frame is not a gossip message.
    #[error(transparent)]
    Gossip(#[from] GossipError),
    /// The peer joined one group more than
    /// [`groups_per_peer`](crate::Limits#structfield.groups_per_peer) allows.
    #[error("it joined more groups than groups_per_peer, which is {limit}")]
    TooManyGroups {
        /// The limit.
        limit: u32,
    },
    /// All peers together have told more of themselves than
    /// [`peer_data_bytes`](crate::Limits#structfield.peer_data_bytes) allows, and this one was the
    /// last to do so.
    #[error("headers and groups of all peers take more than peer_data_bytes, which is {limit}")]
    TooMuchTold {
        /// The limit in bytes.
        limit: usize,
    },
    /// The peer names the endpoint of another peer as its own, and that other peer is there.
    #[error("its endpoint is that of {0}")]
    Endpoint(PeerId),
    /// A HELLO has no header `X-PUBLICKEY`, or another key there than its connection has proved.
    #[error("its HELLO names another key than its connection has proved, or none")]
    KeyHeader,
    /// A connection has proved another key than the one that belongs to its identity.
    #[error("its key is another than the one that belongs to this identity")]
    OtherKey,
    /// A message came that must come over a connection that has proved a key this node trusts.
    #[error("it has not proved to have a key that this node trusts")]
    NotTrusted,
    /// A PING-OK came that answers no PING.
    #[error("PING-OK that nobody asked for")]
    UnaskedAnswer,
    /// The connection does not speak ZMTP as ZRE uses it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A fault in words. No node reports it: it is what is read back from a serialized fault.
    #[error("{0}")]
    Described(String),
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The greeting of the other side is not that of ZMTP 3.
    #[error(transparent)]
    Greeting(#[from] GreetingError),
    /// The other side uses another security mechanism.
    #[error("the other side wants mechanism {theirs}, this one {ours}")]
    Mechanism {
        /// The mechanism of the other side.
        theirs: String,
        /// The mechanism of this side.
        ours: String,
    },
    /// The head of a frame is malformed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A command is malformed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A frame or a message is larger than the limit.
    #[error("a message of at least {size} bytes, the limit is {limit}")]
    MessageTooLarge {
        /// The bytes announced so far.
        size: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A message has more frames than the limit.
    #[error("a message of more than {limit} frames")]
    TooManyFrames {
        /// The limit.
        limit: usize,
    },
    /// The unfinished messages of all peers together hold more than the limit, and that of this
    /// peer has stood still longest, or is the newest of those that have as long.
    #[error(
        "unfinished messages of all peers hold more than {limit} bytes, and this peer's has stood \
         still longest"
    )]
    TooMuchUnfinished {
        /// The limit in bytes.
        limit: usize,
    },
    /// A message was begun, and no further byte of it came for so long; see
    /// [`expired_after`](crate::Config#structfield.expired_after).
    #[error("a message was begun, and nothing more of it came for {0:?}")]
    MessageStandsStill(Duration),
    /// A command is larger than any that ZRE needs.
    #[error("a command of {size} bytes, the limit is {limit}")]
    CommandTooLarge {
        /// The bytes announced.
        size: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// A command of CURVE is wrong, or was made with other keys.
    #[error(transparent)]
    Curve(#[from] CurveError),
    /// Something other than READY or ERROR came during the handshake.
    #[error("{0} during the handshake, expected READY")]
    NotReady(String),
    /// The other side sent ERROR.
    #[error("the other side refuses the connection: {0:?}")]
    Refused(String),
    /// The other side has proved who it is, and sent ERROR then: it does not trust the key of this
    /// side.
    #[error("the other side does not trust the key of this node: {0:?}")]
    RefusedKey(String),
    /// The other side's socket is of a type that ZRE does not use at this end.
    #[error("the other side is a {theirs:?} socket, expected {expected}")]
    SocketType {
        /// The type that the other side names.
        theirs: String,
        /// The type that belongs there.
        expected: &'static str,
    },
    /// A connecting node did not say who it is.
    #[error("the identity has {0} bytes, expected 01 and a UUID")]
    Identity(usize),
    /// The other side connects with this node's own identity.
    #[error("the identity is this node's own")]
    OwnIdentity,
    /// A message came on a connection on which only commands may come.
    #[error("a message on a connection that only sends")]
    UnexpectedMessage,
    /// The handshake was not completed in time, or no HELLO followed it in time.
    #[error("no HELLO within the handshake timeout")]
    HandshakeTimeout,
}
