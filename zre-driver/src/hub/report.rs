//! What a node says of itself.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
};

use zre_core::{
    FixedPeer, GossipHubInfo, NetworkInfo,
    interfaces::{InterfaceChoice, PassedOver},
    proto::Endpoint,
};

use super::{Hub, Stream, state::State};

/// Where a node is on the network, and whether others can find it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// Where the node accepts connections, as it tells peers with which it shares no network.
    pub endpoint: Endpoint,
    /// The networks that the node is on, the best first. While there is none, nobody finds it.
    pub networks: Vec<NetworkState>,
    /// The other interfaces and addresses of this machine, and why they are not used.
    pub passed_over: Vec<PassedOver>,
    /// What was asked for and is not there at all. The node is there as soon as it comes.
    pub missing: Vec<InterfaceChoice>,
    /// The fixed peers, in the order in which they were set, and how far each is.
    pub fixed_peers: Vec<FixedPeer>,
    /// The gossip hubs that the node connects to, in the order in which they were set.
    pub gossip_hubs: Vec<GossipHubInfo>,
    /// Where the node is a gossip hub; empty if it is none.
    pub gossip_bound: Vec<SocketAddr>,
    /// How many are connected to this node as a gossip hub.
    pub gossip_clients: usize,
}

/// A network that a node is on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkState {
    /// The name of the interface.
    pub interface: String,
    /// The node's address on it.
    pub address: IpAddr,
    /// Where the node accepts connections there.
    pub endpoint: Endpoint,
    /// Where its beacons go: a broadcast or multicast address, or listed ones, and the discovery
    /// port. Empty if none are sent there.
    pub beacons_to: Vec<SocketAddr>,
    /// How many beacons have been sent there.
    pub beacons_sent: u64,
    /// Why the last beacon could not be sent; `None` if it was. While beacons cannot be sent, nodes
    /// that start later do not find this one.
    pub beacon_error: Option<String>,
    /// How many of its own beacons the node has heard there. Mostly a node hears all of them; none
    /// can mean that a firewall drops what comes in.
    pub own_beacons_heard: u64,
}

/// As in `eth0 (10.0.0.2), wlan0 (10.1.0.2)`, or `no network`.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.networks.is_empty() {
            return f.write_str("no network");
        }
        let networks = self.networks.iter().map(ToString::to_string);
        f.write_str(&networks.collect::<Vec<_>>().join(", "))
    }
}

/// As in `eth0 (10.0.0.2)`.
impl fmt::Display for NetworkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.interface, self.address)
    }
}

/// What a node has done since it began, and what it holds now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Peers that have entered and are there.
    pub peers: usize,
    /// TCP connections, also those that are being made. A peer has two.
    pub connections: usize,
    /// Bytes that wait to be written to connections.
    pub bytes_waiting: usize,
    /// Events since the beginning, taken or not.
    pub events: u64,
    /// Whispers and shouts received.
    pub messages_in: u64,
    /// Whispers sent, and copies of shouts.
    pub messages_out: u64,
    /// Beacons sent.
    pub beacons_sent: u64,
    /// Notices since the beginning, by their [kind](zre_core::Notice::kind).
    pub notices: BTreeMap<&'static str, u64>,
    /// Warnings that were left out of the log, because there were too many of their kind.
    pub warnings_suppressed: u64,
}

impl<S: Stream> Hub<S> {
    /// Where the node is on the network, and whether others can find it.
    pub fn network(&self) -> Network {
        let state = self.lock();
        let (node, choice) = (state.engine.node(), state.engine.choice());
        let networks = node.networks().zip(node.own_beacons_heard());
        Network {
            endpoint: node.endpoint().clone(),
            networks: networks
                .map(|(info, (_, heard))| state.network(info, heard))
                .collect(),
            passed_over: choice.passed_over.clone(),
            missing: choice.missing.clone(),
            fixed_peers: state.engine.fixed_peers().collect(),
            gossip_hubs: state.engine.gossip_hubs().collect(),
            gossip_clients: state.engine.gossip_clients(),
            gossip_bound: state.gossip_at.clone(),
        }
    }

    /// What the node has done so far, and what it holds.
    pub fn stats(&self) -> Stats {
        let State {
            engine,
            connections,
            watch,
            networks,
            ..
        } = &mut *self.lock();
        Stats {
            bytes_waiting: connections.bytes_waiting(engine),
            peers: engine.node().peers().count(),
            connections: connections.len(),
            events: engine.node().event_count(),
            messages_in: watch.received() + engine.node().request_count(),
            messages_out: watch.sent(),
            beacons_sent: networks.sent(),
            notices: watch.notice_counts().clone(),
            warnings_suppressed: watch.suppressed(),
        }
    }
}

impl<S> State<S> {
    fn network(&self, info: NetworkInfo, own_beacons_heard: u64) -> NetworkState {
        let NetworkInfo {
            interface,
            address,
            endpoint,
            ..
        } = info;
        let announcing = self.networks.announcing(&interface, address);
        NetworkState {
            interface,
            address,
            endpoint,
            beacons_to: announcing.to,
            beacons_sent: announcing.sent,
            beacon_error: announcing.error,
            own_beacons_heard,
        }
    }
}
