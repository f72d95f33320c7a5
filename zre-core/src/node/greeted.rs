//! For an engine that says HELLO at an endpoint before it knows whose that is.

use zre_proto::{Endpoint, Message, PeerId};

use super::{
    Node,
    output::{NodeOutput, SentSoFar},
    peer::Peer,
};

impl Node {
    /// The HELLO for whoever is at a place.
    pub(crate) fn greeting(&self, place: &Endpoint) -> Message {
        Message {
            sequence: 1,
            body: self.context.hello_for(place).into(),
        }
    }

    /// How often this node has joined and left groups (RFC 36, `status`).
    pub(crate) fn own_status(&self) -> u8 {
        self.context.own.status
    }

    /// Whether this node itself is at a place.
    pub(crate) fn is_own_place(&self, place: &Endpoint) -> bool {
        self.context.networks.is_own(place)
    }

    /// The peer that is connected at a place, or is being connected there.
    pub(crate) fn peer_at(&self, place: &Endpoint) -> Option<PeerId> {
        self.peers.at(place)
    }

    /// The host name of the endpoint that a peer is being connected at stands for this place, at
    /// which nobody else is.
    pub(crate) fn note_place(&mut self, peer: PeerId, place: Endpoint) {
        self.peers.locate(&peer, place);
    }

    /// The connection that was asked for last exists already, and over it a peer has been sent
    /// HELLO and what followed.
    pub(crate) fn note_greeted(&mut self, peer: PeerId, sent: SentSoFar) {
        // Nothing but the HELLO for the new connection waits: outputs are carried out before
        // anything else is done.
        let outputs = &mut self.context.outputs;
        outputs
            .retain(|output| !matches!(output, NodeOutput::Send { peer: to, .. } if *to == peer));
        if let Some(known) = self.peers.get_mut(&peer) {
            known.channel.note_greeted(sent);
            known.note_reached();
        }
    }

    /// A peer has taken over the connection of the one that gave way to it.
    pub(crate) fn note_taken_over(&mut self, peer: PeerId) {
        let known = self.peers.get_mut(&peer);
        if let Some(sent) = known.and_then(Peer::take_sent_before) {
            self.note_greeted(peer, sent);
        }
    }

    /// It is not certain that a peer which is about to enter is the one to whom this node is
    /// connected. When it has entered, it is asked over that connection, and sought at `likelier`
    /// if it does not answer.
    pub(crate) fn doubt_place(&mut self, peer: PeerId, likelier: Endpoint) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.doubt_place(likelier);
        }
    }

    /// A peer may answer questions that were put elsewhere, before it was known to whom.
    pub(crate) fn allow_late_answers(&mut self, peer: PeerId, most: usize) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.channel.pings.allow_late_answers(most);
        }
    }
}
