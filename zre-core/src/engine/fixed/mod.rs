//! Peers at endpoints that the user gives, whoever they are.
//!
//! For each endpoint of [`Config::connect`](crate::Config#structfield.connect) there is one entry.
//! It opens a connection, says HELLO over it without knowing to whom, and goes on until a peer is
//! there: with a growing pause, for ever. When the peer is known, our connection becomes the peer's
//! own (it is *adopted*), and the entry has nothing to do until the peer is gone. So there is never
//! a second connection with a second HELLO, which zyre and pyre would take for a restart.
//!
//! # Whose connection it is
//!
//! Our HELLO makes the other side connect to us and say HELLO, too. Nothing in that HELLO says
//! which of our connections it answers. What tells it, the best first:
//!
//! * *Place.* The peer says that it is where the connection goes; so does a beacon, or a gossip
//!   tuple. To connect there is what the node would do anyway, and the connection is there already.
//! * *Answer.* PINGs follow our HELLO, and the peer answers them although nobody else has asked it
//!   anything; see [`proof`]. So a peer is known that is behind a port mapping, or has several
//!   addresses, and says that it is elsewhere.
//! * *Identity.* One of our own nodes says in the handshake who it is (its READY has an identity).
//!   Two of these that seek each other await each other's answer, so after a moment this is enough.
//!   But it may be a lie, and is verified: when the peer has entered it is asked once more over
//!   this connection, and nothing of the application is sent to it before it has answered
//!   ([`Node::is_in_doubt`](crate::Node::is_in_doubt)). If it does not, it is sought where it says
//!   that it is, and the entry does not take it again for that reason.
//!
//! In a node with a key a connection goes to whoever has the key that the user gives. Nobody else
//! gets the HELLO, and nobody with another key is taken for who is there.
//!
//! # Strangers
//!
//! Whoever listens at the endpoint gets our HELLO, PINGs, and the groups that we join, and nothing
//! else. It can send nothing: the connecting end of a connection takes no message. Whoever says
//! another peer's identity there can delay that peer by a second, once. Whoever says this node's
//! identity, or that of a peer which is connected elsewhere, is asked again two minutes later.
//! Whoever connects to us and claims the place of a connection that goes to somebody else, as that
//! one's identity says, is refused unless it comes from that address.
//!
//! zyre and pyre do not say who they are. Where they are the fixed peer, somebody on the network
//! who claims its place at the right moment can delay its session, as with a forged beacon. So can
//! somebody who makes up the right number of PING-OKs behind a HELLO: what is meant for it goes to
//! the fixed peer then, which enters when that one is gone, or where it says that it is.

mod adoption;
mod connecting;
mod entry;
pub(super) mod proof;

use alloc::{string::String, vec::Vec};
use core::{fmt, net::SocketAddr};

use zre_proto::{Endpoint, PeerId};

use super::{Engine, context::Owner, output::LinkId, peer_links::PeerLinks};
use crate::{config::Config, link::Connection, time::Instant};
use adoption::Place;
use entry::Fixed;

/// The endpoints that the user has given, in the order of the settings.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct FixedPeers<C> {
    entries: Vec<Fixed<C>>,
    /// When somebody was last asked without knowing whom.
    asked_at: Option<Instant>,
}

/// An endpoint of [`Config::connect`](crate::Config#structfield.connect), and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FixedPeer {
    /// The endpoint, as the user has written it.
    pub endpoint: Endpoint,
    /// How far it is.
    pub state: FixedState,
    /// Why the last attempt failed, in the system's words; `None` if it did not, or since a peer
    /// has entered there.
    pub error: Option<String>,
}

/// How far a fixed peer is. Its [`Display`](fmt::Display) says it in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FixedState {
    /// The next attempt is due after a pause.
    Waiting,
    /// A connection is being made.
    Connecting,
    /// This node has said HELLO there, and no peer has entered yet.
    Greeted,
    /// This peer is there.
    Connected(PeerId),
    /// This node itself is there. It is tried again two minutes later, for what says so may be a
    /// lie, and when the node joins a network.
    Own,
}

impl fmt::Display for FixedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting"),
            Self::Connecting => f.write_str("connecting"),
            Self::Greeted => f.write_str("connected, no HELLO yet"),
            Self::Connected(peer) => write!(f, "connected to {peer}"),
            Self::Own => f.write_str("this node itself"),
        }
    }
}

impl<C> Default for FixedPeers<C> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            asked_at: None,
        }
    }
}

impl<C: Connection> FixedPeers<C> {
    pub(super) fn new(config: &Config) -> Self {
        let endpoints = config.connect.iter();
        let endpoints = endpoints.map(|keyed| (keyed.endpoint.clone(), config.key_of(keyed)));
        Self {
            entries: endpoints
                .map(|(endpoint, key)| Fixed::new(endpoint, key))
                .collect(),
            asked_at: None,
        }
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Fixed<C>> {
        self.entries.get_mut(number)
    }

    /// Releases the memory of bursts.
    pub(super) fn release_memory(&mut self) {
        let links = self.entries.iter_mut().filter_map(Fixed::link_mut);
        links.for_each(|link| link.connection.release_memory());
    }
}

impl<C: Connection> Engine<C> {
    /// The fixed peers, in the order of [`Config::connect`](crate::Config#structfield.connect), and
    /// how far each is.
    pub fn fixed_peers(&self) -> impl Iterator<Item = FixedPeer> {
        let entries = self.links.fixed.entries.iter();
        entries.map(|entry| entry.shown(&self.node))
    }

    /// The address for a connection that [`Output::Open`](crate::Output::Open) asks for is known,
    /// and it is about to be made. Says whether it should: not if this node itself is there, or a
    /// peer that is connected already. The engine has closed the connection then.
    ///
    /// Call it once for each attempt, also if there was no name to look up.
    pub fn handle_resolved(&mut self, link: LinkId, remote: SocketAddr, now: Instant) -> bool {
        self.cx.advance(now);
        let is_wanted = match self.cx.owner(link) {
            Some(Owner::Fixed(number)) => self.fixed_resolved(number, remote),
            // Nearly always, and nothing follows: parked connections need not be looked at.
            Some(Owner::Outgoing(peer)) if self.is_plain(peer, remote) => return true,
            Some(Owner::Outgoing(peer)) => self.peer_resolved(peer, remote),
            Some(Owner::GossipHub(hub)) => {
                self.gossip_resolved(hub, remote);
                true
            }
            Some(_) => true,
            None => false,
        };
        self.links.unclaimed.note_change();
        self.settle();
        is_wanted && self.cx.owner(link).is_some()
    }

    /// Whether the endpoint of a peer was a plain address, which the node has compared already.
    fn is_plain(&self, peer: PeerId, remote: SocketAddr) -> bool {
        let endpoint = self.links.of_peer(peer).and_then(PeerLinks::opening_to);
        endpoint.is_some_and(|it| it.canonical().to_socket_addr() == Some(remote))
    }

    /// A peer's endpoint has been looked up.
    fn peer_resolved(&mut self, peer: PeerId, remote: SocketAddr) -> bool {
        let links = self.links.of_peer(peer);
        if links.and_then(PeerLinks::opening_to).is_none() {
            return true;
        }
        let Some(place) = Endpoint::from_socket_addr(remote) else {
            return true;
        };
        let error = match self.whose(&place) {
            Place::Own => "this node itself is there",
            Place::Peer(other) if other != peer => "another peer is connected there",
            found => {
                self.node.note_place(peer, place);
                return match found {
                    Place::Fixed(number) => !self.adopt_found(number, peer),
                    Place::Free | Place::Own | Place::Peer(_) => true,
                };
            }
        };
        self.with_links(peer, |links, _, cx| links.refuse_place(error, cx));
        false
    }
}
