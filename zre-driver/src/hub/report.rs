//! What a node says of itself.

use std::{collections::BTreeMap, net::SocketAddrV4};

use bytes::Buf as _;
use zre_core::{Event, proto::Endpoint};
use zre_net::Interface;

use super::{
    connection::{Stream, write_buffer},
    state::State,
};

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

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(super) struct Counters {
    received: u64,
    sent: u64,
}

impl Counters {
    pub(super) fn note(&mut self, event: &Event) {
        let is_message = matches!(event, Event::Whisper { .. } | Event::Shout { .. });
        self.received += u64::from(is_message);
    }

    pub(super) fn note_sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count as u64);
    }
}

impl<S: Stream> State<S> {
    pub(super) fn stats(&mut self) -> Stats {
        let Self {
            engine,
            connections,
            ..
        } = self;
        let waiting = connections.links().map(|link| {
            let buffer = write_buffer(engine, link);
            buffer.map_or(0, |buffer| buffer.remaining())
        });
        Stats {
            bytes_waiting: waiting.sum(),
            peers: self.engine.node().peers().count(),
            connections: self.connections.len(),
            events: self.engine.node().event_count(),
            messages_in: self.counters.received,
            messages_out: self.counters.sent,
            beacons_sent: self.beacons.sent,
            notices: self.log.counts().clone(),
            warnings_suppressed: self.log.suppressed(),
        }
    }
}
