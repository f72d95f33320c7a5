//! What a node knows of itself and of its peers. Nothing here changes anything.

use alloc::vec::Vec;

use zre_proto::{Endpoint, GroupName, Headers, KeyedEndpoint, PeerId, ShortText};

use super::{Node, peer::Peer};
use crate::{
    config::Config,
    event::{Event, NetworkInfo, PeerInfo, Unconfirmed},
    interfaces::NetworkId,
    time::Instant,
};

/// Who this node is.
impl Node {
    /// The identity of this node.
    pub fn id(&self) -> PeerId {
        self.context.id
    }

    /// The name of this node.
    pub fn name(&self) -> &ShortText {
        &self.context.own.name
    }

    /// Where this node accepts connections: what it advertises, or on the best network that it is
    /// on. A peer on another network is told another endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        self.context.networks.endpoint()
    }

    /// The networks that this node is on, the best first.
    pub fn networks(&self) -> impl Iterator<Item = NetworkInfo> {
        self.context.networks.infos()
    }

    /// How many of this node's own beacons have come back from each network. Without any, its
    /// broadcasts go nowhere.
    pub fn own_beacons_heard(&self) -> impl Iterator<Item = (NetworkId, u64)> {
        self.context.networks.own_heard()
    }

    /// Whether the node has been stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        !self.running
    }

    /// The settings that the node started with.
    pub fn config(&self) -> &Config {
        &self.context.config
    }

    /// The groups that this node is in, in the order of their names.
    pub fn own_groups(&self) -> impl Iterator<Item = &GroupName> {
        self.context.own.groups.iter()
    }

    /// The groups that this node wants to lead, in the order of their names.
    pub fn contested_groups(&self) -> impl Iterator<Item = &GroupName> {
        self.peers.contested_groups()
    }

    /// Who leads a group that this node is in: who was elected last, as long as that node is in the
    /// group. `None` if nobody is known to.
    pub fn leader(&self, group: &GroupName) -> Option<PeerId> {
        self.peers.leader(group)
    }

    /// The headers that peers met from now on see.
    pub fn headers(&self) -> &Headers {
        &self.context.own.headers
    }

    /// How many events there have been since the node began, taken or not.
    pub fn event_count(&self) -> u64 {
        self.context.events.queued()
    }

    /// How many events wait for the application.
    pub fn waiting_events(&self) -> usize {
        self.context.events.len()
    }

    /// The events that wait and were not among the first `count`, without taking them.
    pub fn events_after(&self, count: u64) -> impl Iterator<Item = &Event> {
        self.context.events.after(count)
    }
}

/// What is known of peers.
impl Node {
    /// The peers that have entered, in the order of their identities.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.peers.ready().map(Peer::id)
    }

    /// What is known of a peer; `None` if it has not entered or is gone.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        let known = self.peers.get(&peer)?;
        known.info(&self.context)
    }

    /// What is known of each peer that has entered, in the order of their identities.
    pub fn peer_infos(&self) -> impl Iterator<Item = PeerInfo> {
        let ready = self.peers.ready();
        ready.filter_map(|peer| peer.info(&self.context))
    }

    /// The peers of this name that have entered, in the order of their identities. Nothing keeps
    /// peers from having the same name.
    pub fn peers_by_name(&self, name: impl AsRef<[u8]>) -> impl Iterator<Item = PeerId> {
        let named = self
            .peers
            .ready()
            .filter(move |peer| peer.is_named(name.as_ref()));
        named.map(Peer::id)
    }

    /// The peers in a group, in the order of their identities.
    pub fn peers_by_group(&self, group: &GroupName) -> impl Iterator<Item = PeerId> {
        self.peers.members_of(group)
    }

    /// The groups that any peer is in, in the order of their names.
    pub fn peer_groups(&self) -> impl Iterator<Item = &GroupName> {
        self.peers.groups()
    }

    /// Whether the peer has entered and has not gone.
    pub fn is_ready(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(Peer::is_ready)
    }

    /// Whether the peer has said HELLO, even if it has not entered yet.
    pub fn has_said_hello(&self, peer: PeerId) -> bool {
        let known = self.peers.get(&peer);
        known.is_some_and(|known| known.told_endpoint().is_some())
    }

    /// Whether the peer's last beacon said that it leaves.
    pub fn is_leaving(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(Peer::is_leaving)
    }

    /// Whether the peer cannot be sent to yet, because another has entered at its endpoint and is
    /// being asked whether it is still there.
    pub fn awaits_endpoint(&self, peer: PeerId) -> bool {
        self.peers.awaits_endpoint(&peer)
    }

    /// Whether the peer has entered and nothing can be sent to it yet, because it is not known
    /// whether it is to it that this node is, or would be, connected.
    pub fn is_in_doubt(&self, peer: PeerId) -> bool {
        self.peers.is_in_doubt(&peer)
    }

    /// Where a peer may be reached, the likeliest first; nothing for a peer that is not known. A
    /// caller who cannot connect to one may try the next.
    pub fn endpoints(&self, peer: PeerId) -> impl Iterator<Item = &Endpoint> {
        self.peers.endpoints(peer, &self.context.networks)
    }

    /// The [`endpoints`](Node::endpoints) of a peer, each with the key that it must have there. No
    /// key if this node has none itself.
    pub fn places(&self, peer: PeerId) -> impl Iterator<Item = KeyedEndpoint> {
        let places = self.peers.places(peer, &self.context.networks);
        places.map(|(endpoint, key)| KeyedEndpoint {
            endpoint: endpoint.clone(),
            key,
        })
    }

    /// The first of [`endpoints`](Node::endpoints).
    pub(crate) fn likeliest_endpoint(&self, peer: PeerId) -> Option<&Endpoint> {
        self.peers.likeliest_endpoint(peer, &self.context.networks)
    }

    /// When the last sign of life came from a peer; `None` if it has not entered or is gone.
    pub fn last_heard(&self, peer: PeerId) -> Option<Instant> {
        self.peers.last_heard(&peer)
    }

    /// The peers that have not confirmed all messages which were accepted for them, in the order of
    /// their identities. A message is confirmed by the answer to a PING behind it. Peers are asked
    /// within a second of a message.
    pub fn unconfirmed(&self) -> Vec<Unconfirmed> {
        self.peers.unconfirmed().collect()
    }

    /// Whether some peer has not confirmed all messages.
    pub(crate) fn has_unconfirmed(&self) -> bool {
        self.peers.unconfirmed().next().is_some()
    }

    /// Whether a peer has answered the PING with this number; `None` if it will not: it is gone, or
    /// its session is another. What it answered before is known for a while.
    pub fn is_answered(&self, peer: PeerId, number: u64) -> Option<bool> {
        let known = self.peers.get(&peer).filter(|peer| peer.is_ready());
        let answered = known.and_then(|known| known.channel.pings.is_answered(number));
        let before = || self.context.answered.contains(peer, number);
        answered.or_else(|| before().then_some(true))
    }
}
