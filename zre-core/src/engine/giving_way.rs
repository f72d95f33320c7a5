//! One peer gives way to another at the same place, which goes on with the connection; see
//! [`NodeOutput::GiveWay`](crate::NodeOutput::GiveWay).

use zre_proto::PeerId;

use super::{Engine, link_state::LinkState, peer_links::PeerLinks};
use crate::link::Connection;

impl<C: Connection> Engine<C> {
    /// The node wants no connections with a peer any more.
    pub(super) fn disconnect(&mut self, peer: PeerId) {
        if let Some(links) = self.take_links(peer) {
            links.close(&mut self.cx);
        }
    }

    /// The node wants no connections with a peer any more, and next a connection to another, for
    /// which an open one is kept.
    pub(super) fn give_way(&mut self, peer: PeerId) {
        if let Some(mut links) = self.take_links(peer) {
            self.given = links.take_open();
            links.close(&mut self.cx);
        }
    }

    fn take_links(&mut self, peer: PeerId) -> Option<PeerLinks<C>> {
        self.laggards.forget(peer);
        self.release_fixed(peer);
        self.links.unclaimed.note_change();
        self.links.remove_peer(peer)
    }

    /// Gives a peer the connection of the one that has given way to it.
    pub(super) fn take_over(&mut self, peer: PeerId, link: LinkState<C>) {
        self.node.note_taken_over(peer);
        let links = self.links.add_peer(peer);
        links.adopt_greeted(link, &self.node, &mut self.cx);
        self.note_elector(peer);
        self.links.unclaimed.note_change();
    }
}
