//! What happened in a node beside its events, for logs and for programs that watch it.

use alloc::{collections::VecDeque, string::String};
use core::net::SocketAddr;

use thiserror::Error;
use zre_proto::{BeaconError, Endpoint, GossipTupleError, PeerId, curve::PublicKey};

use crate::error::{Fault, LinkError};

/// Something that an application need not know, but that helps to find a mistake.
///
/// Notices change nothing. At most 256 wait; if nobody takes them, further ones are only counted.
///
/// A notice says what happened in words ([`Display`](core::fmt::Display)) and is sorted by its
/// [`kind`](Notice::kind). With the feature `serde` it can be serialized, as a map with `kind`,
/// `text` and, where there is one, `peer`.
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
    /// A node has a key, and this one has none: they cannot talk. It is noted for the first of such
    /// nodes, and not again.
    #[error(
        "ignored peer {peer} at {from}: it speaks CURVE only; give this node a key if it is to \
         talk with such nodes"
    )]
    SecuredPeer {
        /// The peer.
        peer: PeerId,
        /// Where its beacon came from.
        from: SocketAddr,
    },
    /// A node has no key, and this one has: they cannot talk. It is noted for the first of such
    /// nodes, and not again.
    #[error(
        "ignored peer {peer} at {from}: it has no key, and this node talks only with nodes that \
         have one"
    )]
    OpenPeer {
        /// The peer.
        peer: PeerId,
        /// Where its beacon came from.
        from: SocketAddr,
    },
    /// A node has a key that this node does not trust. Noted as
    /// [`Event::Refused`](crate::Event::Refused) is told.
    #[error("refused {peer}: its key {key} is not trusted here")]
    NotTrusted {
        /// Who it says it is.
        peer: PeerId,
        /// Its key.
        key: PublicKey,
    },
    /// A node does not trust the key of this one. Noted as
    /// [`Event::Refused`](crate::Event::Refused) is told.
    #[error("refused by {peer}, whose key is {key}: it does not trust the key of this node")]
    NotTrustedBy {
        /// The other node.
        peer: PeerId,
        /// Its key.
        key: PublicKey,
    },
    /// A beacon of a peer names another key than the peer has proved to have: it is forged, or two
    /// nodes have the same UUID. Noted once in a session.
    #[error("ignored a beacon from {from}: it gives {peer} another key than {peer} has proved")]
    OtherKey {
        /// The peer.
        peer: PeerId,
        /// Where the beacon came from.
        from: SocketAddr,
    },
    /// A peer was ignored because [`Limits::peers`](crate::Limits#structfield.peers) or
    /// [`Limits::pending_peers`](crate::Limits#structfield.pending_peers) is reached.
    #[error("ignored peer {peer}: the limit of {limit} peers is reached")]
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
    /// Another node announces itself with this node's own identity. Both have the same UUID: set
    /// another for one of them.
    #[error(
        "another node at {from} has this node's own identity: no two nodes may have the same UUID"
    )]
    OwnIdentity {
        /// Where it accepts connections.
        from: SocketAddr,
    },
    /// A gossip tuple says that this node's own identity is elsewhere. Another node has the same
    /// UUID, or the tuple is from an earlier start of this node.
    #[error(
        "gossip says that this node's own identity is at {endpoint}: no two nodes may have the \
         same UUID"
    )]
    OwnIdentityGossiped {
        /// Where the tuple says that it is.
        endpoint: Endpoint,
    },
    /// Gossip has brought a tuple that is not one of a ZRE node. Further ones from the same source
    /// are not noted.
    #[error("ignored a gossip tuple: {0}")]
    BadTuple(GossipTupleError),
    /// Gossip has brought the tuple of a node without a key, and this one has one. It is noted for
    /// the first, and not again.
    #[error(
        "ignored peer {peer} at {endpoint}, known by gossip: it has no key, and this node talks \
         only with nodes that have one"
    )]
    OpenTuple {
        /// The peer.
        peer: PeerId,
        /// Where it accepts connections.
        endpoint: Endpoint,
    },
    /// Gossip has brought the tuple of a node with a key, and this one has none. It is noted for
    /// the first, and not again.
    #[error("ignored peer {peer} at {endpoint}, known by gossip: it speaks CURVE only")]
    SecuredTuple {
        /// The peer.
        peer: PeerId,
        /// Where it accepts connections.
        endpoint: Endpoint,
    },
    /// A source of gossip tells more than it may, and some of it was ignored; see
    /// [`Limits::gossip_tuples`](crate::Limits#structfield.gossip_tuples). Noted once for each.
    #[error("ignored gossip tuples: {0} tells more than it may")]
    TupleLimit(String),
    /// No connection to a gossip hub can be made, or it has ended. It is tried again with a growing
    /// pause of up to 10 s, and noted once.
    #[error("no connection to the gossip hub {hub}: {error}; trying again")]
    GossipHubLost {
        /// The hub, as the user names it.
        hub: Endpoint,
        /// Why.
        error: String,
    },
    /// A gossip hub that was not there can be reached.
    #[error("connected to the gossip hub {hub}")]
    GossipHubFound {
        /// The hub, as the user names it.
        hub: Endpoint,
    },
    /// A client of the gossip hub of this node was disconnected because of what it did.
    #[error("closed the gossip connection from {remote}: {fault}")]
    GossipClientClosed {
        /// The client.
        remote: SocketAddr,
        /// What it did.
        fault: Fault,
    },
    /// A client of the gossip hub of this node was disconnected because
    /// [`Limits::gossip_clients`](crate::Limits#structfield.gossip_clients) is reached.
    #[error("closed the gossip connection from {remote}: there are more than {limit} clients")]
    GossipClientLimit {
        /// The client.
        remote: SocketAddr,
        /// The limit.
        limit: usize,
    },
    /// A connection came in under the identity of a peer that has another one and answers there: it
    /// was closed. Two nodes have the same UUID, or a stranger uses the peer's.
    #[error(
        "closed the connection from {remote}: it says that it is {peer}{}, but {peer} is at \
         {endpoint} and answers there; either two nodes have the same UUID, or one pretends to be \
         the other",
        At(claimed.as_ref())
    )]
    IdentityInUse {
        /// The peer.
        peer: PeerId,
        /// Where the peer accepts connections.
        endpoint: Endpoint,
        /// Where the refused connection came from.
        remote: SocketAddr,
        /// Where the other side says that it accepts connections, if it said so.
        claimed: Option<Endpoint>,
    },
    /// A peer has closed this node's connections several times before it said HELLO: it does not
    /// take what this node says of itself. Its beacons are ignored for a while.
    #[error(
        "{peer} at {endpoint} has closed our connection {count} times before it said HELLO: its \
         log may say what it does not take"
    )]
    RefusedByPeer {
        /// The peer.
        peer: PeerId,
        /// Where it was connected.
        endpoint: Endpoint,
        /// How often within a minute.
        count: u32,
    },
    /// A peer takes this node's connection and does not say HELLO.
    #[error(
        "{peer} takes our connection at {endpoint} but says no HELLO: can it connect to this \
         node, or is a firewall in the way?"
    )]
    NoHello {
        /// The peer.
        peer: PeerId,
        /// Where it is connected.
        endpoint: Endpoint,
    },
    /// A peer says HELLO, but no connection to it can be made: it does not enter.
    #[error(
        "{peer} says HELLO, but cannot be reached at {endpoint}: {error}; is a firewall in the \
         way, or its endpoint wrong?"
    )]
    Unreachable {
        /// The peer.
        peer: PeerId,
        /// Where it was sought last.
        endpoint: Endpoint,
        /// Why the last attempt failed.
        error: String,
    },
    /// A peer names the endpoint of another peer as its own. The other peer is being asked whether
    /// it is still there.
    #[error("{claimant} gives the endpoint of {peer} as its own")]
    Contested {
        /// The peer that is known there.
        peer: PeerId,
        /// The peer that claims to be there.
        claimant: PeerId,
    },
    /// A HELLO during a session was taken as the answer to this node's own.
    #[error("took HELLO from {peer} as an answer")]
    HelloAnswer {
        /// The peer.
        peer: PeerId,
    },
    /// A message came that belongs to no session with the peer.
    #[error("ignored {kind} from {peer}: it belongs to no session")]
    Stray {
        /// Who it claims to be from.
        peer: PeerId,
        /// What the message is.
        kind: &'static str,
    },
    /// A peer counts its joins and leaves differently from this node.
    #[error("peer {peer} says status {received}, counted {expected}")]
    Status {
        /// The peer.
        peer: PeerId,
        /// What this node counted.
        expected: u8,
        /// What the peer says.
        received: u8,
    },
    /// A peer sent a message that this node does not know.
    #[error("ignored {kind} from {peer}")]
    UnknownMessage {
        /// The peer.
        peer: PeerId,
        /// The message's name, if it has one.
        kind: &'static str,
    },
    /// A message of an election (ELECT or LEADER) came that this node has no part in.
    #[error("ignored {kind} from {peer}: {reason}")]
    IgnoredElection {
        /// The peer.
        peer: PeerId,
        /// "ELECT" or "LEADER".
        kind: &'static str,
        /// Why, in words.
        reason: &'static str,
    },
    /// An answer to a request came that answers nothing: it is the second, or came too late, or its
    /// peer was not asked. It was dropped.
    #[error("dropped an answer from peer {peer}: no open request to it has this ID")]
    StrayAnswer {
        /// The peer.
        peer: PeerId,
    },
    /// A peer wraps its sequence numbers from 65534 to 0, as pyre does. This node does the same
    /// towards it.
    #[error("peer {peer} wraps its sequence numbers early")]
    EarlyWrap {
        /// The peer.
        peer: PeerId,
    },
    /// A peer that had not entered broke the protocol, or a stranger did so under the identity of
    /// one that had. No session has ended.
    #[error("refused {peer}: {fault}")]
    Refused {
        /// Who it claims to be.
        peer: PeerId,
        /// What it did.
        fault: Fault,
    },
    /// A connection was closed because of what its other side did.
    #[error("closed the connection from {remote}: {error}")]
    LinkClosed {
        /// The other side.
        remote: SocketAddr,
        /// What is wrong.
        error: LinkError,
    },
    /// An accepted connection was closed because
    /// [`Limits::unclaimed_links`](crate::Limits#structfield.unclaimed_links) is reached: of those
    /// from the address with the most, nothing had come over it for longest, or it was the oldest.
    #[error(
        "closed the connection from {remote}: more than {limit} connections belong to no peer yet"
    )]
    LinkLimit {
        /// The other side.
        remote: SocketAddr,
        /// The limit.
        limit: usize,
    },
    /// An accepted connection was closed because
    /// [`Limits::unclaimed_bytes`](crate::Limits#structfield.unclaimed_bytes) is reached, and its
    /// begun message had stood still longest.
    #[error(
        "closed the connection from {remote}: \
         those that belong to no peer yet hold more than {limit} bytes"
    )]
    UnclaimedBytes {
        /// The other side.
        remote: SocketAddr,
        /// The limit in bytes.
        limit: usize,
    },
    /// A connection to a peer failed. It is tried again for as long as
    /// [`handshake_timeout`](crate::Config#structfield.handshake_timeout), then the peer is
    /// removed.
    #[error("could not connect to {peer} at {endpoint}, attempt {attempt}: {error}")]
    ConnectFailed {
        /// The peer.
        peer: PeerId,
        /// Its endpoint.
        endpoint: Endpoint,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// Why, as far as it is known.
        error: String,
    },
    /// Nobody is to be had at a fixed endpoint
    /// ([`Config::connect`](crate::Config#structfield.connect)). It is tried again for as long as
    /// the node runs, and noted when it begins and when the reason changes, then at most once in a
    /// minute.
    #[error("no peer at {endpoint}: {error}; trying again until there is one")]
    FixedPeer {
        /// The endpoint, as the user has written it.
        endpoint: Endpoint,
        /// Why the last attempt failed.
        error: String,
    },
    /// A fixed endpoint is this node's own. It is looked at again every two minutes, and no more is
    /// noted.
    #[error("the fixed peer at {endpoint} is this node itself")]
    OwnFixedPeer {
        /// The endpoint, as the user has written it.
        endpoint: Endpoint,
    },
    /// The sockets for a network that the node is to be on could not be opened. It is tried again
    /// every second, and noted once.
    #[error("cannot use {network}: {error}; trying again every second")]
    NotListening {
        /// The interface and its address.
        network: String,
        /// Why, in the system's words.
        error: String,
    },
    /// The system would not send a beacon. The next one is due one beacon interval later; nothing
    /// more is noted until one has been sent, and ten seconds have passed.
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
    /// The application has taken no event for a second, although some wait, while it waits for room
    /// to send, or for an answer while so many wait that not all peers are read. If the task that
    /// sends is the one that takes events, and its peers do the same, all of them may wait for each
    /// other.
    #[error(
        "{waiting} events wait and none has been taken for a second, while sending waits for room \
         or a request for its answer: do that in another task than the one that takes events"
    )]
    EventsNotTaken {
        /// How many events wait.
        waiting: usize,
    },
    /// Notices came faster than they were taken.
    #[error("{0} further notices were dropped")]
    Dropped(u64),
}

/// A place that may be known.
struct At<'a>(Option<&'a Endpoint>);

impl core::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

impl Notice {
    /// The word for this kind of notice, for counters and filters, such as `bad_beacon` or
    /// `connect_failed`. It stays the same in all versions.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::BadBeacon { .. } => "bad_beacon",
            Self::SecuredPeer { .. } => "secured_peer",
            Self::OpenPeer { .. } | Self::OpenTuple { .. } => "open_peer",
            Self::NotTrusted { .. } => "not_trusted",
            Self::NotTrustedBy { .. } => "not_trusted_by",
            Self::OtherKey { .. } => "other_key",
            Self::PeerLimit { .. } => "peer_limit",
            Self::OwnHello { .. } => "own_hello",
            Self::OwnIdentity { .. } => "own_identity",
            Self::OwnIdentityGossiped { .. } => "own_identity",
            Self::BadTuple(_) => "bad_tuple",
            Self::SecuredTuple { .. } => "secured_peer",
            Self::TupleLimit(_) => "tuple_limit",
            Self::GossipHubLost { .. } => "gossip_hub_lost",
            Self::GossipHubFound { .. } => "gossip_hub_found",
            Self::GossipClientClosed { .. } => "gossip_client_closed",
            Self::GossipClientLimit { .. } => "gossip_client_limit",
            Self::IdentityInUse { .. } => "identity_in_use",
            Self::RefusedByPeer { .. } => "refused_by_peer",
            Self::NoHello { .. } => "no_hello",
            Self::Unreachable { .. } => "unreachable",
            Self::Contested { .. } => "contested",
            Self::HelloAnswer { .. } => "hello_answer",
            Self::Stray { .. } => "stray",
            Self::Status { .. } => "status",
            Self::UnknownMessage { .. } => "unknown_message",
            Self::IgnoredElection { .. } => "ignored_election",
            Self::StrayAnswer { .. } => "stray_answer",
            Self::EarlyWrap { .. } => "early_wrap",
            Self::Refused { .. } => "refused",
            Self::LinkClosed { .. } => "link_closed",
            Self::LinkLimit { .. } => "link_limit",
            Self::UnclaimedBytes { .. } => "unclaimed_bytes",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::FixedPeer { .. } => "fixed_peer",
            Self::OwnFixedPeer { .. } => "own_fixed_peer",
            Self::NotListening { .. } => "not_listening",
            Self::BeaconNotSent { .. } => "beacon_not_sent",
            Self::BeaconNotReceived { .. } => "beacon_not_received",
            Self::NotAccepted { .. } => "not_accepted",
            Self::EventsNotTaken { .. } => "events_not_taken",
            Self::Dropped(_) => "dropped",
        }
    }

    /// The peer that the notice is about, if it is about one.
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::SecuredPeer { peer, .. }
            | Self::OpenPeer { peer, .. }
            | Self::OpenTuple { peer, .. }
            | Self::NotTrusted { peer, .. }
            | Self::NotTrustedBy { peer, .. }
            | Self::OtherKey { peer, .. }
            | Self::SecuredTuple { peer, .. }
            | Self::PeerLimit { peer, .. }
            | Self::OwnHello { peer, .. }
            | Self::IdentityInUse { peer, .. }
            | Self::RefusedByPeer { peer, .. }
            | Self::NoHello { peer, .. }
            | Self::Unreachable { peer, .. }
            | Self::Contested { peer, .. }
            | Self::HelloAnswer { peer }
            | Self::Stray { peer, .. }
            | Self::Status { peer, .. }
            | Self::UnknownMessage { peer, .. }
            | Self::IgnoredElection { peer, .. }
            | Self::StrayAnswer { peer }
            | Self::EarlyWrap { peer }
            | Self::Refused { peer, .. }
            | Self::ConnectFailed { peer, .. } => Some(*peer),
            Self::BadBeacon { .. }
            | Self::OwnIdentity { .. }
            | Self::OwnIdentityGossiped { .. }
            | Self::BadTuple(_)
            | Self::TupleLimit(_)
            | Self::GossipHubLost { .. }
            | Self::GossipHubFound { .. }
            | Self::GossipClientClosed { .. }
            | Self::GossipClientLimit { .. }
            | Self::LinkClosed { .. }
            | Self::LinkLimit { .. }
            | Self::UnclaimedBytes { .. }
            | Self::FixedPeer { .. }
            | Self::OwnFixedPeer { .. }
            | Self::NotListening { .. }
            | Self::BeaconNotSent { .. }
            | Self::BeaconNotReceived { .. }
            | Self::NotAccepted { .. }
            | Self::EventsNotTaken { .. }
            | Self::Dropped(_) => None,
        }
    }
}

/// A bounded queue of notices.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Notices {
    queue: VecDeque<Notice>,
    dropped: u64,
}

impl Notices {
    const CAPACITY: usize = 256;

    pub(crate) fn push(&mut self, notice: Notice) {
        // The first are kept and not the last: they show how it began.
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
