//! One peer gives way to another at the same place, which goes on with the connection; see
//! [`NodeOutput::GiveWay`](crate::NodeOutput::GiveWay).

use zre_proto::PeerId;

use super::{Engine, link_state::LinkState, peer_links::PeerLinks};
use crate::{link::Connection, node::SentSoFar};

/// The open connection to a peer that has given way.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Given<C> {
    to: PeerId,
    link: LinkState<C>,
    sent: SentSoFar,
}

impl<C: Connection> Engine<C> {
    /// The node wants no connections with a peer any more.
    pub(super) fn disconnect(&mut self, peer: PeerId) {
        if let Some(links) = self.take_links(peer) {
            links.close(&mut self.cx);
        }
    }

    /// The same, but an open connection to the peer goes to another.
    pub(super) fn give_way(&mut self, peer: PeerId, to: PeerId, sent: SentSoFar) {
        if let Some(mut links) = self.take_links(peer) {
            self.given = links.take_open().map(|link| Given { to, link, sent });
            links.close(&mut self.cx);
        }
    }

    fn take_links(&mut self, peer: PeerId) -> Option<PeerLinks<C>> {
        self.laggards.forget(peer);
        self.release_fixed(peer);
        self.links.unclaimed.note_change();
        self.links.remove_peer(peer)
    }

    /// The node wants a connection to a peer. Gives it that of the peer that has given way to it,
    /// if there is one.
    pub(super) fn take_given(&mut self, peer: PeerId) -> bool {
        let Some(given) = self.given.take() else {
            return false;
        };
        if given.to != peer {
            given.link.close(&mut self.cx);
            return false;
        }
        self.node.note_greeted(peer, given.sent);
        let links = self.links.add_peer(peer);
        links.adopt_greeted(given.link, &self.node, &mut self.cx);
        self.note_elector(peer);
        self.links.unclaimed.note_change();
        true
    }
}
