//! The networks that the node is on, as JSON lines have them.

use serde::Serialize;
use zre_tokio::{
    FixedPeer, FixedState, GossipHubInfo, NetworkInfo, NetworkState, Node, PassedOver,
};

/// All that a node says of where it is and of how it finds its peers.
#[derive(Debug, Serialize)]
pub(crate) struct Everything {
    networks: Vec<NetworkLine>,
    passed_over: Vec<PassedOverLine>,
    connect: Vec<PlaceLine>,
    gossip_connect: Vec<PlaceLine>,
    /// Where the node is a gossip hub.
    gossip_bind: Vec<String>,
}

/// An interface, or an address of it, that is not used.
#[derive(Debug, Serialize)]
struct PassedOverLine {
    interface: String,
    address: Option<String>,
    why: String,
}

/// A fixed peer or a gossip hub.
#[derive(Debug, Serialize)]
struct PlaceLine {
    endpoint: String,
    /// A word that no version changes.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A network that the node is on.
#[derive(Debug, Serialize)]
pub(crate) struct NetworkLine {
    pub(crate) interface: String,
    pub(crate) address: String,
    pub(crate) endpoint: String,
    /// Whether the last beacon could be sent.
    pub(crate) announces: bool,
}

impl Everything {
    pub(crate) fn of(node: &Node) -> Self {
        let network = node.network();
        let gossip_bound = network.gossip_bound.iter();
        Self {
            networks: network.networks.iter().map(NetworkLine::now).collect(),
            passed_over: network.passed_over.iter().map(Into::into).collect(),
            connect: network.fixed_peers.iter().map(Into::into).collect(),
            gossip_connect: network.gossip_hubs.iter().map(Into::into).collect(),
            gossip_bind: gossip_bound.map(|at| format!("tcp://{at}")).collect(),
        }
    }
}

impl NetworkLine {
    /// The networks of a node, the best first.
    pub(crate) fn of(node: &Node) -> Vec<Self> {
        let networks = node.network().networks;
        networks.iter().map(Self::now).collect()
    }

    fn now(network: &NetworkState) -> Self {
        Self {
            interface: network.interface.clone(),
            address: network.address.to_string(),
            endpoint: network.endpoint.to_string(),
            announces: network.beacon_error.is_none(),
        }
    }

    pub(crate) fn all(networks: &[NetworkInfo]) -> Vec<Self> {
        networks.iter().map(Self::from).collect()
    }
}

impl From<&NetworkInfo> for NetworkLine {
    fn from(network: &NetworkInfo) -> Self {
        Self {
            interface: network.interface.clone(),
            address: network.address.to_string(),
            endpoint: network.endpoint.to_string(),
            announces: network.announces,
        }
    }
}

impl From<&PassedOver> for PassedOverLine {
    fn from(passed_over: &PassedOver) -> Self {
        Self {
            interface: passed_over.interface.clone(),
            address: passed_over.address.map(|address| address.to_string()),
            why: passed_over.why.to_string(),
        }
    }
}

impl From<&FixedPeer> for PlaceLine {
    fn from(peer: &FixedPeer) -> Self {
        let (state, id) = match peer.state {
            FixedState::Waiting => ("waiting", None),
            FixedState::Connecting => ("connecting", None),
            FixedState::Greeted => ("greeted", None),
            FixedState::Connected(id) => ("connected", Some(id.to_string())),
            FixedState::Own => ("own", None),
            _ => ("other", None),
        };
        Self {
            endpoint: peer.endpoint.to_string(),
            state,
            peer: id,
            error: peer.error.clone(),
        }
    }
}

impl From<&GossipHubInfo> for PlaceLine {
    fn from(hub: &GossipHubInfo) -> Self {
        Self {
            endpoint: hub.endpoint.to_string(),
            state: match hub.is_connected {
                true => "connected",
                false => "waiting",
            },
            peer: None,
            error: hub.error.clone(),
        }
    }
}
