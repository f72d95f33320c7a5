//! What a simulation counts.

/// What nodes have sent and received and which events they had, since the simulation began.
///
/// Restarting a node does not reset its counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Datagrams broadcast, each counted once.
    pub datagrams_sent: u64,
    /// Datagrams that arrived, counted at each receiver.
    pub datagrams_received: u64,
    /// Datagrams that were lost on the way to a receiver.
    pub datagrams_lost: u64,
    /// Bytes of datagrams broadcast, without IP and UDP headers.
    pub datagram_bytes: u64,
    /// Connections opened, successful or not.
    pub connections: u64,
    /// Bytes written to connections, without IP and TCP headers. At
    /// [`Level::Messages`](crate::Level::Messages) without ZMTP's handshakes.
    pub stream_bytes: u64,
    /// Whispers and shouts that arrived, counted at each receiver.
    pub messages: u64,
    /// Events that were handed to programs.
    pub events: u64,
    /// Notices for the log.
    pub notices: u64,
    /// The most bytes that ever waited on one connection to be written.
    pub most_unwritten: usize,
}

impl Metrics {
    /// The sums of these counts and others; of `most_unwritten`, the larger one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            datagrams_sent: self.datagrams_sent + other.datagrams_sent,
            datagrams_received: self.datagrams_received + other.datagrams_received,
            datagrams_lost: self.datagrams_lost + other.datagrams_lost,
            datagram_bytes: self.datagram_bytes + other.datagram_bytes,
            connections: self.connections + other.connections,
            stream_bytes: self.stream_bytes + other.stream_bytes,
            messages: self.messages + other.messages,
            events: self.events + other.events,
            notices: self.notices + other.notices,
            most_unwritten: self.most_unwritten.max(other.most_unwritten),
        }
    }
}
