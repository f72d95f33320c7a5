//! All connections of an engine, wherever they are held.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::cmp::Reverse;

use zre_proto::PeerId;

use super::{
    backpressure::{SendCapacity, Standing},
    context::{EngineContext, EngineTimer, Owner},
    fixed::FixedPeers,
    gossip_links::GossipLinks,
    link_state::LinkState,
    output::LinkId,
    peer_links::{PeerLinks, capacity_unopened},
    unclaimed::UnclaimedLinks,
};
use crate::{config::Config, link::Connection, node::Node, time::Instant};

/// The unclaimed connections, and those of peers.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Links<C> {
    pub(super) unclaimed: UnclaimedLinks<C>,
    pub(super) fixed: FixedPeers<C>,
    /// Only if the node gossips.
    pub(super) gossip: Option<Box<GossipLinks<C>>>,
    peers: BTreeMap<PeerId, Box<PeerLinks<C>>>,
}

impl<C: Connection> Links<C> {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            unclaimed: UnclaimedLinks::new(),
            fixed: FixedPeers::new(config),
            gossip: config.gossips().then(|| Box::new(GossipLinks::new(config))),
            peers: BTreeMap::new(),
        }
    }

    /// The connections of a peer.
    pub(super) fn of_peer(&self, peer: PeerId) -> Option<&PeerLinks<C>> {
        self.peers.get(&peer).map(|links| &**links)
    }

    /// Whether a peer can be sent another message of the application, of which at most `limit`
    /// bytes may wait for each.
    pub(super) fn capacity(&self, peer: PeerId, limit: usize, node: &Node) -> SendCapacity {
        match self.of_peer(peer) {
            Some(links) => links.capacity(limit, node),
            None => capacity_unopened(peer, node),
        }
    }

    pub(super) fn of_peer_mut(&mut self, peer: PeerId) -> Option<&mut PeerLinks<C>> {
        self.peers.get_mut(&peer).map(|links| &mut **links)
    }

    /// The connections of a peer; makes a place for them if it has had none.
    pub(super) fn add_peer(&mut self, peer: PeerId) -> &mut PeerLinks<C> {
        let links = self.peers.entry(peer);
        links.or_insert_with(|| Box::new(PeerLinks::unopened(peer)))
    }

    pub(super) fn remove_peer(&mut self, peer: PeerId) -> Option<PeerLinks<C>> {
        self.peers.remove(&peer).map(|links| *links)
    }

    /// A connection, looked for where its owner is said to have it.
    pub(super) fn get_mut(&mut self, owner: Owner, link: LinkId) -> Option<&mut LinkState<C>> {
        match owner {
            Owner::Unclaimed => self.unclaimed.get_mut(link).map(|it| &mut it.state),
            Owner::Fixed(number) => self.fixed.get_mut(number)?.link_mut(),
            Owner::Outgoing(peer) => self.of_peer_mut(peer)?.outgoing_mut(),
            Owner::Incoming(peer) => self.of_peer_mut(peer)?.incoming_mut(),
            Owner::GossipClient | Owner::GossipHub(_) => self.gossip.as_mut()?.get_mut(owner, link),
        }
    }

    /// The connection among those of all peers whose begun message has stood still longest; the
    /// youngest if several have as long.
    pub(super) fn stillest_begun(&self) -> Option<Owner> {
        let of_peers = self.peers.values().flat_map(|links| links.links());
        let begun = of_peers.filter_map(|(link, owner)| Some((link.moved_at()?, link.id, owner)));
        let (_, _, owner) = begun.min_by_key(|(moved_at, id, _)| (*moved_at, Reverse(*id)))?;
        Some(owner)
    }

    /// Checks that begun messages do not stand still, and says which have for too long.
    pub(super) fn check_begun(&mut self, node: &Node, cx: &mut EngineContext) -> Vec<Owner> {
        let (config, backlog) = (node.config(), node.backlog());
        let mut stalled = Vec::new();
        let of_peers = self.peers.values_mut().flat_map(|links| links.links_mut());
        for (link, owner) in of_peers {
            let (Owner::Incoming(peer) | Owner::Outgoing(peer)) = owner else {
                continue;
            };
            match link.check_begun(peer, config, backlog, cx.now) {
                Standing::Idle => {}
                Standing::CheckAt(at) => cx.watch_begun(at, config),
                Standing::Stalled => stalled.push(owner),
            }
        }
        stalled
    }

    /// Checks that what waits for peers moves, and says for which of them it has not for too long.
    pub(super) fn check_progress(&mut self, node: &Node, cx: &mut EngineContext) -> Vec<PeerId> {
        let mut stalled = Vec::new();
        for (peer, links) in &mut self.peers {
            match links.check_progress(node, cx.now) {
                Standing::Idle => {}
                Standing::CheckAt(at) => cx.deadlines.set_earlier(EngineTimer::Progress, at),
                Standing::Stalled => stalled.push(*peer),
            }
        }
        stalled
    }

    /// How many bytes wait for all peers together, and how many these are. A single large message
    /// is the application's own, so of each peer no more counts than may wait for it.
    pub(super) fn count_outbound(&self, most: usize) -> (usize, usize) {
        let of_peers = self.peers.values().map(|links| links.queued().min(most));
        (of_peers.sum(), self.peers.len())
    }

    /// The peer that is removed when too much waits for all: of those that have asked for more than
    /// their `share`, the one that has taken nothing for longest. What the application sent to a
    /// peer is not the peer's fault, even if it pauses.
    pub(super) fn overflowing(&self, share: usize, now: Instant) -> Option<PeerId> {
        let of_peers = self.peers.iter().filter_map(|(peer, links)| {
            let since = links.idle_since(share, now)?;
            Some((since, Reverse(links.queued()), *peer))
        });
        of_peers.min().map(|(_, _, peer)| peer)
    }

    /// Whether stopping need not wait for anybody.
    pub(super) fn are_drained(&self, node: &Node) -> bool {
        self.peers.values().all(|links| links.is_drained(node))
    }

    /// Releases the memory of bursts.
    pub(super) fn release_memory(&mut self) {
        self.unclaimed.release_memory();
        self.fixed.release_memory();
        if let Some(gossip) = &mut self.gossip {
            gossip.release_memory();
        }
        for links in self.peers.values_mut() {
            links.release_memory();
        }
    }
}
