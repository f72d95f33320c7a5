//! What a node says of itself.

use std::{collections::BTreeMap, net::SocketAddrV4};

use zre_core::proto::Endpoint;
use zre_net::Interface;

use super::{Hub, Local, Stream, state::State};

/// Where a node is on the network, and whether others can find it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Network {
    /// The interface in use.
    pub interface: Interface,
    /// Where the node accepts connections, as it tells its peers.
    pub endpoint: Endpoint,
    /// Where its beacons go: the broadcast address of the interface, and the discovery port.
    pub broadcast: SocketAddrV4,
    /// How many beacons have been sent.
    pub beacons_sent: u64,
    /// Why the last beacon could not be sent; `None` if it was. While beacons cannot be sent, nodes
    /// that start later do not find this one.
    pub beacon_error: Option<String>,
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
    /// The state of the network.
    pub fn network(&self) -> Network {
        let Local {
            endpoint,
            interface,
            ..
        } = self.local();
        let state = self.lock();
        Network {
            interface: interface.clone(),
            endpoint: endpoint.clone(),
            broadcast: state.beacons.broadcast(),
            beacons_sent: state.beacons.sent(),
            beacon_error: state.beacons.error().map(ToOwned::to_owned),
        }
    }

    /// What the node has done so far, and what it holds.
    pub fn stats(&self) -> Stats {
        let State {
            engine,
            connections,
            watch,
            beacons,
            ..
        } = &mut *self.lock();
        Stats {
            bytes_waiting: connections.bytes_waiting(engine),
            peers: engine.node().peers().count(),
            connections: connections.len(),
            events: engine.node().event_count(),
            messages_in: watch.received(),
            messages_out: watch.sent(),
            beacons_sent: beacons.sent(),
            notices: watch.notice_counts().clone(),
            warnings_suppressed: watch.suppressed(),
        }
    }
}
