//! What the doctor has found out, before it is judged.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    time::Duration,
};

use tokio::task::JoinSet;
use zre_tokio::{
    Beacons, Endpoint, FixedPeer, FixedState, GossipHubInfo, Interfaces, NetworkState, Node,
    PeerId, PublicKey,
};

use super::{
    ear,
    heard::HeardNode,
    holders::{self, Kind},
    look::Seen,
    probe::{self, Outcome, Probe},
};
use crate::{interfaces::Listing, options::Discovery};

/// What the doctor has found out.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) listing: Listing,
    /// Whether the choice of interfaces was left to the node.
    pub(super) is_default: bool,
    pub(super) beacons: Beacons,
    pub(super) advertise: Option<Endpoint>,
    /// The node's own public key, if it has one.
    pub(super) own_key: Option<PublicKey>,
    /// What is wrong with files of keys, although they can be used.
    pub(super) key_warnings: Vec<String>,
    /// The UDP port of beacons.
    pub(super) port: u16,
    pub(super) waited: Duration,
    /// Ports that another program holds.
    pub(super) held: Vec<Held>,
    /// Why the node did not start.
    pub(super) not_started: Option<String>,
    pub(super) node: Option<OwnNode>,
    pub(super) seen: Seen,
    /// The places that the user has given.
    pub(super) probes: Vec<Probe>,
    /// How many packets came for addresses that are not this machine's.
    pub(super) misaddressed: u64,
}

/// A port that another program holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) port: u16,
    /// The programs that have it open, as far as that is known.
    pub(super) by: Vec<String>,
    /// What the system says.
    pub(super) error: io::Error,
}

/// The doctor's own node.
#[derive(Debug)]
pub(super) struct OwnNode {
    pub(super) id: PeerId,
    pub(super) name: String,
    pub(super) endpoint: Endpoint,
    pub(super) networks: Vec<OwnNetwork>,
    pub(super) fixed_peers: Vec<FixedPeer>,
    pub(super) gossip_hubs: Vec<GossipHubInfo>,
}

/// A network that it is on.
#[derive(Debug)]
pub(super) struct OwnNetwork {
    pub(super) state: NetworkState,
    /// How many of its beacons have come back.
    pub(super) came_back: u64,
}

impl Facts {
    /// What is known before the node starts.
    pub(super) fn before(listing: Listing, discovery: &Discovery, waited: Duration) -> Self {
        let held = [udp(&listing, discovery), tcp(&listing, discovery)];
        Self {
            is_default: discovery.placement.interfaces == Interfaces::Default,
            beacons: discovery.placement.beacons.clone(),
            advertise: discovery.advertise.clone(),
            own_key: None,
            key_warnings: Vec::new(),
            port: discovery.port,
            waited,
            held: held.into_iter().flatten().collect(),
            not_started: None,
            node: None,
            seen: Seen::default(),
            probes: Vec::new(),
            misaddressed: 0,
            listing,
        }
    }

    /// Adds what the node has seen. What is heard of itself is taken out of it.
    pub(super) fn note_node(&mut self, node: &Node, mut seen: Seen) {
        let own = seen.heard.take(node.id());
        let network = node.network();
        let ports = network.networks.iter().map(|it| it.endpoint.port().get());
        let advertised = self.advertise.iter().map(|it| it.port().get());
        let ports: BTreeSet<u16> = ports.chain(advertised).collect();
        let networks = network.networks.into_iter();
        let networks: Vec<_> = networks
            .map(|state| OwnNetwork::new(state, own.as_ref(), &ports))
            .collect();
        let own_addresses: Vec<IpAddr> = networks.iter().map(|it| it.state.address).collect();
        let places = own.iter().flat_map(HeardNode::places);
        let elsewhere =
            places.filter(|at| !(own_addresses.contains(&at.ip()) && ports.contains(&at.port())));
        seen.own_identity.extend(elsewhere);
        seen.own_identity.sort();
        seen.own_identity.dedup();
        for (peer, heard) in seen.heard.nodes() {
            if let Some((one, other)) = heard.twins() {
                seen.twins
                    .insert(peer, [one.to_string(), other.to_string()]);
            }
        }
        self.node = Some(OwnNode {
            id: node.id(),
            name: node.name().to_string_lossy().into_owned(),
            endpoint: network.endpoint,
            networks,
            fixed_peers: network.fixed_peers,
            gossip_hubs: network.gossip_hubs,
        });
        self.seen = seen;
    }

    /// Adds what became of the places that the user has given. The node has gone further than a
    /// mere connection.
    pub(super) async fn note_probes(&mut self, probes: JoinSet<Probe>) {
        self.probes = probes.join_all().await;
        self.probes.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
        let Some(node) = &self.node else {
            return;
        };
        let peers = node.fixed_peers.iter();
        let peers = peers.map(|it| (probe::Kind::Peer, &it.endpoint, of_peer(it)));
        let hubs = node.gossip_hubs.iter();
        let hubs = hubs.map(|it| (probe::Kind::Hub, &it.endpoint, of_hub(it)));
        for (kind, endpoint, outcome) in peers.chain(hubs) {
            let mut probes = self.probes.iter_mut();
            let probe = probes.find(|it| it.kind == kind && it.endpoint == *endpoint);
            if let (Some(probe), Some(outcome)) = (probe, outcome)
                && probe.is_surpassed_by(&outcome)
            {
                probe.outcome = outcome;
            }
        }
    }
}

/// How far the node has come with a fixed peer.
fn of_peer(peer: &FixedPeer) -> Option<Outcome> {
    match peer.state {
        FixedState::Connected(peer) => Some(Outcome::Entered(peer)),
        FixedState::Own => Some(Outcome::Own),
        FixedState::Greeted => Some(Outcome::Silent("it says no HELLO".to_owned())),
        _ => peer.error.clone().map(Outcome::Silent),
    }
}

/// How far the node has come with a gossip hub.
fn of_hub(hub: &GossipHubInfo) -> Option<Outcome> {
    match hub.is_connected {
        true => Some(Outcome::Connected),
        false => hub.error.clone().map(Outcome::Silent),
    }
}

impl OwnNetwork {
    /// Whoever hears more of its beacons is right: the node, or the ear beside it.
    fn new(state: NetworkState, own: Option<&HeardNode>, ports: &BTreeSet<u16>) -> Self {
        let is_it = |at: SocketAddr| at.ip() == state.address && ports.contains(&at.port());
        let heard = own.map_or(0, |own| own.beacons_from(is_it));
        Self {
            came_back: heard.max(state.own_beacons_heard),
            state,
        }
    }
}

/// Whether the node cannot share the port of beacons.
fn udp(listing: &Listing, discovery: &Discovery) -> Option<Held> {
    let port = discovery.port;
    let beacons = &discovery.placement.beacons;
    let error = ear::check(listing.addresses(), beacons, port).err()?;
    let by = holders::of(Kind::Udp, port);
    Some(Held {
        kind: Kind::Udp,
        port,
        by,
        error,
    })
}

/// Whether the node cannot have the TCP port that it is to have.
fn tcp(listing: &Listing, discovery: &Discovery) -> Option<Held> {
    let port = discovery.tcp_port.filter(|port| *port != 0)?;
    let mut addresses = listing.addresses().iter();
    let error = addresses.find_map(|it| TcpListener::bind((it.address, port)).err())?;
    let by = holders::of(Kind::Tcp, port);
    Some(Held {
        kind: Kind::Tcp,
        port,
        by,
        error,
    })
}
