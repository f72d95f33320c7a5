//! The networks that the node is on, as JSON lines have them.

use serde::Serialize;
use zre_tokio::{NetworkInfo, NetworkState, Node};

/// A network that the node is on.
#[derive(Debug, Serialize)]
pub(crate) struct NetworkLine {
    pub(crate) interface: String,
    pub(crate) address: String,
    pub(crate) endpoint: String,
    /// Whether the last beacon could be sent.
    pub(crate) announces: bool,
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
