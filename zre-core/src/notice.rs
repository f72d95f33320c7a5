//! What a node did that no event tells: for the log.

use alloc::{collections::VecDeque, string::String};
use core::net::SocketAddr;

use thiserror::Error;
use zre_proto::{BeaconError, Endpoint, GroupName, PeerId};

use crate::error::{Fault, LinkError};

/// Something that the application need not hear of, but somebody who looks for a mistake will.
///
/// Notices change nothing. At most 256 wait; when nobody takes them, newer ones are only counted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Notice {
    /// A datagram on the discovery port is not a beacon that this node understands.
    #[error("ignored a datagram from {from}: {error}")]
    BadBeacon {
        /// Who sent it.
        from: SocketAddr,
        /// What is wrong with it.
        error: BeaconError,
    },
    /// A peer wants a secured connection, which this node does not offer.
    #[error("ignored peer {peer} at {from}: it speaks CURVE only")]
    SecuredPeer {
        /// The peer.
        peer: PeerId,
        /// Where its beacon came from.
        from: SocketAddr,
    },
    /// A peer was not taken in because the limit is reached.
    #[error("did not take in peer {peer}: the limit of {limit} peers is reached")]
    PeerLimit {
        /// The peer.
        peer: PeerId,
        /// The limit.
        limit: usize,
    },
    /// A HELLO names this node's own identity or endpoint.
    #[error("ignored HELLO from {peer}: it names this node's own {what}")]
    OwnHello {
        /// Who it claims to be from.
        peer: PeerId,
        /// "identity" or "endpoint".
        what: &'static str,
    },
    /// Somebody gives the endpoint of a peer as its own; the peer is asked whether it is still there.
    #[error("{claimant} gives the endpoint of {peer} as its own")]
    Contested {
        /// The peer that is known there.
        peer: PeerId,
        /// Who says that it is there.
        claimant: PeerId,
    },
    /// A HELLO on a running session was taken as the answer to this node's own.
    #[error("took HELLO from {peer} as an answer")]
    HelloAnswer {
        /// The peer.
        peer: PeerId,
    },
    /// A message came outside of any session.
    #[error("ignored {kind} from {peer}: no session with it")]
    Stray {
        /// Who it claims to be from.
        peer: PeerId,
        /// What the message is.
        kind: &'static str,
    },
    /// A peer counts its joins and leaves otherwise than this node.
    #[error("peer {peer} says status {received}, counted {expected}")]
    Status {
        /// The peer.
        peer: PeerId,
        /// What was counted here.
        expected: u8,
        /// What the peer says.
        received: u8,
    },
    /// A peer is in as many groups as the limit allows.
    #[error("ignored JOIN of {group:?} from {peer}: the limit of {limit} groups is reached")]
    GroupLimit {
        /// The peer.
        peer: PeerId,
        /// The group that it joined.
        group: GroupName,
        /// The limit.
        limit: u32,
    },
    /// A peer sent a message that this node does not know.
    #[error("ignored {kind} from {peer}")]
    UnknownMessage {
        /// The peer.
        peer: PeerId,
        /// The message's name, if it has one.
        kind: &'static str,
    },
    /// A peer wraps its sequence numbers from 65534 to 0, as pyre does, and is spoken to likewise.
    #[error("peer {peer} wraps its sequence numbers early")]
    EarlyWrap {
        /// The peer.
        peer: PeerId,
    },
    /// A peer that had not entered broke the protocol.
    #[error("refused {peer}: {fault}")]
    Refused {
        /// Who it claims to be.
        peer: PeerId,
        /// What it did.
        fault: Fault,
    },
    /// A connection was closed for its other side's fault.
    #[error("closed the connection from {remote}: {error}")]
    LinkClosed {
        /// The other side.
        remote: SocketAddr,
        /// What is wrong.
        error: LinkError,
    },
    /// An accepted connection was closed to make room for newer ones.
    #[error(
        "closed the connection from {remote}: more than {limit} connections have not said HELLO"
    )]
    LinkLimit {
        /// The other side.
        remote: SocketAddr,
        /// The limit.
        limit: usize,
    },
    /// An accepted connection was closed because it held more than any other of those that hold too much together.
    #[error(
        "closed the connection from {remote}: those that have not said HELLO hold more than {limit} octets"
    )]
    UnreadyBytes {
        /// The other side.
        remote: SocketAddr,
        /// The limit.
        limit: usize,
    },
    /// A connection to a peer failed; it will be tried again.
    #[error("could not connect to {peer} at {endpoint}, attempt {attempt}: {error}")]
    ConnectFailed {
        /// The peer.
        peer: PeerId,
        /// Where it should be.
        endpoint: Endpoint,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// Why, as far as it is known.
        error: String,
    },
    /// The system would not send a beacon. The next one is due one beacon interval later.
    #[error("could not send a beacon: {error}")]
    BeaconNotSent {
        /// Why, in the system's words.
        error: String,
    },
    /// The system could not receive a datagram on the discovery port.
    #[error("could not receive a beacon: {error}")]
    BeaconNotReceived {
        /// Why, in the system's words.
        error: String,
    },
    /// The system could not accept a connection. It is tried again after a pause.
    #[error("could not accept a connection: {error}")]
    NotAccepted {
        /// Why, in the system's words.
        error: String,
    },
    /// Notices came faster than they were taken.
    #[error("{0} further notices were dropped")]
    Dropped(u64),
}

impl Notice {
    /// What kind of notice it is, as one word for counters: `"bad_beacon"`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadBeacon { .. } => "bad_beacon",
            Self::SecuredPeer { .. } => "secured_peer",
            Self::PeerLimit { .. } => "peer_limit",
            Self::OwnHello { .. } => "own_hello",
            Self::Contested { .. } => "contested",
            Self::HelloAnswer { .. } => "hello_answer",
            Self::Stray { .. } => "stray",
            Self::Status { .. } => "status",
            Self::GroupLimit { .. } => "group_limit",
            Self::UnknownMessage { .. } => "unknown_message",
            Self::EarlyWrap { .. } => "early_wrap",
            Self::Refused { .. } => "refused",
            Self::LinkClosed { .. } => "link_closed",
            Self::LinkLimit { .. } => "link_limit",
            Self::UnreadyBytes { .. } => "unready_bytes",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::BeaconNotSent { .. } => "beacon_not_sent",
            Self::BeaconNotReceived { .. } => "beacon_not_received",
            Self::NotAccepted { .. } => "not_accepted",
            Self::Dropped(_) => "dropped",
        }
    }
}

/// A bounded queue of notices.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    queue: VecDeque<Notice>,
    dropped: u64,
}

impl Notices {
    const CAPACITY: usize = 256;

    pub(crate) fn push(&mut self, notice: Notice) {
        if self.queue.len() < Self::CAPACITY {
            self.queue.push_back(notice);
        } else {
            self.dropped += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Notice> {
        self.queue.pop_front().or_else(|| {
            let dropped = core::mem::take(&mut self.dropped);
            (dropped > 0).then_some(Notice::Dropped(dropped))
        })
    }
}
