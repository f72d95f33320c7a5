//! What a simulation counts.

/// What nodes have sent, received and been told, since the simulation began.
///
/// A node that was started again goes on counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Datagrams broadcast.
    pub datagrams_sent: u64,
    /// Datagrams that came, each copy for itself.
    pub datagrams_received: u64,
    /// Datagrams that the network lost on their way to one node.
    pub datagrams_lost: u64,
    /// Octets of datagrams broadcast, without IP and UDP headers.
    pub datagram_octets: u64,
    /// Connections opened, successful or not.
    pub connections: u64,
    /// Octets written to connections, without IP and TCP headers. At [`Level::Messages`](crate::Level::Messages) handshakes are
    /// not among them.
    pub stream_octets: u64,
    /// Messages that applications sent with whisper and shout, each copy for itself, and that came.
    pub messages: u64,
    /// Events that applications were told.
    pub events: u64,
    /// Notices for the log.
    pub notices: u64,
    /// The most octets that ever waited on one connection to be written.
    pub most_unwritten: usize,
}

impl Metrics {
    /// These and others together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            datagrams_sent: self.datagrams_sent + other.datagrams_sent,
            datagrams_received: self.datagrams_received + other.datagrams_received,
            datagrams_lost: self.datagrams_lost + other.datagrams_lost,
            datagram_octets: self.datagram_octets + other.datagram_octets,
            connections: self.connections + other.connections,
            stream_octets: self.stream_octets + other.stream_octets,
            messages: self.messages + other.messages,
            events: self.events + other.events,
            notices: self.notices + other.notices,
            most_unwritten: self.most_unwritten.max(other.most_unwritten),
        }
    }
}
