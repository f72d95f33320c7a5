//! Peers that gossip tells of, and what gossip needs to know of them.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use zre_proto::{Endpoint, KeyedEndpoint, PeerId};

use super::{
    Node,
    peer::{Earlier, Gossiped, Peer, PeerEffect},
};
use crate::{event::ExitReason, time::Instant};

/// What became of a peer that gossip tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sought {
    /// It is being sought: [`Node::take_changes`] tells what comes of it.
    Begun,
    /// It has entered.
    There,
    /// It may be sought later: there is no room, or another peer is there.
    NotNow,
    /// It is to be sought soon: too many others are.
    Later,
    /// It cannot be there.
    Never,
}

/// How a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Gone,
    /// Its HELLO is awaited.
    Pending,
    /// It cannot be connected to, and is not tried any more.
    Unreachable,
    Ready,
}

/// The peers for which something has changed, and whether they have gone for good.
pub(crate) type Changes = BTreeMap<PeerId, bool>;

impl Node {
    /// Gossip says that a peer is there. That is no sign of life, as anybody can say it, and it may
    /// have been true long ago. So it takes nothing from anybody: it only makes this node connect
    /// and say HELLO, where nobody else is.
    ///
    /// `is_again` says whether the peer has been sought for it before.
    pub(crate) fn handle_tuple(
        &mut self,
        peer: PeerId,
        place: KeyedEndpoint,
        is_again: bool,
        now: Instant,
    ) -> Sought {
        let endpoint = &place.endpoint;
        self.context.advance(now);
        if !self.running || self.has_said_goodbye {
            return Sought::NotNow;
        }
        if peer == self.context.id || self.context.networks.is_own(endpoint) {
            return Sought::Never;
        }
        match self.peers.get(&peer) {
            Some(known) if known.is_ready() && known.key.proved() != place.key => Sought::There,
            Some(known) if known.is_ready() => {
                // It may have moved. If it is still where it was, it answers there.
                let mut places = known.endpoints(&self.context.networks);
                let is_known = places.any(|it| it.is_same_place(endpoint));
                drop(places);
                if !is_known {
                    self.suspect(peer, now);
                }
                Sought::There
            }
            Some(known) if known.may_be_sought_at(endpoint) => {
                if self.is_taken(endpoint, peer) {
                    return Sought::NotNow;
                }
                // The peer may have entered there on its side, and its HELLO be on its way: to
                // leave would end that session. If it says nothing, its time runs out, and it is
                // sought anew.
                if known.is_reached() {
                    return Sought::Begun;
                }
                self.carry_out(peer, PeerEffect::Move(place));
                self.note_sought(peer, is_again);
                Sought::Begun
            }
            Some(_) => Sought::Begun,
            None => {
                let sought = self.seek_stranger(peer, place);
                self.note_sought(peer, is_again);
                sought
            }
        }
    }

    /// Whether a peer is sought only because gossip tells of it.
    pub(crate) fn is_sought_for_gossip(&self, peer: PeerId) -> bool {
        let known = self.peers.get(&peer);
        known.is_some_and(|known| {
            let is_heard = known.is_announced || known.told_endpoint().is_some();
            known.gossiped != Gossiped::No && !is_heard
        })
    }

    fn note_sought(&mut self, peer: PeerId, is_again: bool) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.gossiped = match is_again {
                true => Gossiped::Again,
                false => Gossiped::Yes,
            };
        }
    }

    /// Whether a peer is sought once more because gossip tells of it: one attempt will do, and
    /// nobody need hear that it fails.
    pub(crate) fn is_sought_again(&self, peer: PeerId) -> bool {
        let known = self.peers.get(&peer);
        known.is_some_and(|known| {
            known.gossiped == Gossiped::Again && known.told_endpoint().is_none()
        })
    }

    fn seek_stranger(&mut self, peer: PeerId, place: KeyedEndpoint) -> Sought {
        let (peers, context) = (&mut self.peers, &mut self.context);
        let may_be_sought = !context.refusals.is_pausing(peer, context.now)
            && !peers.is_taken(&place.endpoint, peer)
            && peers.has_room_for_beacon(peer, &place.endpoint, context);
        if !may_be_sought {
            return Sought::NotNow;
        }
        peers.meet(peer, place, Earlier::default(), context);
        Sought::Begun
    }

    fn is_taken(&self, endpoint: &Endpoint, claimant: PeerId) -> bool {
        self.peers.is_taken(endpoint, claimant)
    }

    /// How a peer stands.
    pub(crate) fn standing(&self, peer: PeerId) -> Standing {
        match self.peers.get(&peer) {
            None => Standing::Gone,
            Some(known) if known.is_ready() => Standing::Ready,
            Some(known) if known.is_unreachable() => Standing::Unreachable,
            Some(_) => Standing::Pending,
        }
    }

    /// From now on, [`take_changes`](Self::take_changes) tells of peers. It has to be called.
    pub(crate) fn watch_changes(&mut self) {
        self.context.changes.get_or_insert_default();
    }

    /// The peers that have entered, have gone or could not be reached since this was last called.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let changes = self.context.changes.as_mut();
        changes.map(core::mem::take).unwrap_or_default()
    }

    /// Where this node is reached by somebody at this address; `None` while it is on no network, or
    /// on none that can be meant there.
    pub(crate) fn place_for(&self, remote: Option<IpAddr>) -> Option<Endpoint> {
        let networks = &self.context.networks;
        if !networks.are_there() {
            return None;
        }
        let place = match remote {
            // The port does not matter.
            Some(remote) => {
                networks.endpoint_for(&Endpoint::new(remote, networks.endpoint().port()))
            }
            None => networks.endpoint(),
        };
        let is_loopback = |place: &Endpoint| {
            let address = place.canonical().to_socket_addr();
            address.is_some_and(|address| address.ip().is_loopback())
        };
        let is_meant = remote.is_none_or(|remote| remote.is_loopback()) || !is_loopback(place);
        is_meant.then(|| place.clone())
    }
}

impl Peer {
    /// Whether it has not entered, and is better sought there.
    fn may_be_sought_at(&self, endpoint: &Endpoint) -> bool {
        let is_elsewhere = !self.endpoint.is_same_place(endpoint);
        let is_known_elsewhere = self.is_announced || self.told_endpoint().is_some();
        !self.is_ready() && (self.is_unreachable() || (is_elsewhere && !is_known_elsewhere))
    }

    /// Whether nothing but gossip says that it is where it is sought.
    pub(super) fn is_hearsay(&self) -> bool {
        self.gossiped != Gossiped::No && !self.is_announced
    }
}

impl ExitReason {
    /// Whether a peer that had entered and is gone for it is not to be sought.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Goodbye | Self::Replaced)
    }
}
