//! The networks that the node is on, as the pipe writes them.

use serde::Serialize;
use zre_tokio::{NetworkInfo, NetworkState, Node};

/// A network that the node is on.
#[derive(Debug, Serialize)]
pub(super) struct NetworkLine {
    interface: String,
    address: String,
    endpoint: String,
    /// Whether the last beacon could be sent.
    announces: bool,
}

impl NetworkLine {
    /// The networks of a node, the best first.
    pub(super) fn of(node: &Node) -> Vec<Self> {
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

    pub(super) fn all(networks: &[NetworkInfo]) -> Vec<Self> {
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
