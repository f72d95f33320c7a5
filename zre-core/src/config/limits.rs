//! How much a node holds.

use zre_proto::MessageLimits;

/// How much a node holds, so that no peer can make it grow without bound.
///
/// The limits in bytes over all peers ([`unclaimed_bytes`](Limits#structfield.unclaimed_bytes),
/// [`unfinished_bytes`](Limits#structfield.unfinished_bytes),
/// [`peer_data_bytes`](Limits#structfield.peer_data_bytes),
/// [`outbound_total`](Limits#structfield.outbound_total),
/// [`event_bytes`](Limits#structfield.event_bytes) and
/// [`gossip_bytes`](Limits#structfield.gossip_bytes)) come to 185 MiB by default. What 4096 peers
/// take at most besides, 2 KiB of data each, and 256 gossip clients, 20 KiB each, makes it 198 MiB.
/// So a node survives in 256 MiB whatever its peers do. On a smaller machine, lower
/// [`message_size`](Limits#structfield.message_size) and
/// [`unfinished_bytes`](Limits#structfield.unfinished_bytes) first.
///
/// Every limit has a default, and a method of the same name that sets it:
///
/// ```
/// use zre_core::Limits;
///
/// let limits = Limits::default().peers(100).events(10);
/// assert_eq!((limits.peers, limits.events), (100, 10));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Limits {
    /// Peers at one time; 4096 unless set. A further peer is ignored until one is gone.
    ///
    /// Each peer takes two sockets. The adapters lower this default, `pending_peers` and
    /// `unclaimed_links` to what the process may have open when the node starts (`ulimit -n`), and
    /// leave some for newcomers and for the rest of the program. With the 1024 of many systems that
    /// makes 416 peers.
    ///
    /// The peers from one address can have three quarters of these places. The last quarter is for
    /// others.
    pub peers: usize,
    /// Peers that have not said HELLO yet, among [`peers`](Limits#structfield.peers); 1024 unless
    /// set.
    pub pending_peers: usize,
    /// Accepted connections that do not belong to a peer yet; 256 unless set. One more closes one
    /// of those from the address with the most connections: the one over which nothing has come for
    /// longest, if that is a second, or else the oldest. So however many come from one address,
    /// there are places for others.
    pub unclaimed_links: usize,
    /// Bytes that all these connections together may hold, most of them for unfinished messages;
    /// 8 MiB unless set. Beyond that, the connections are closed whose begun message has stood
    /// still longest, then the newest. It must be more than the largest HELLO that is expected.
    pub unclaimed_bytes: usize,
    /// Bytes of unfinished messages that all peers together may hold; 120 MiB unless set. Beyond
    /// that, the peer is removed whose begun message has stood still longest, then the newest; one
    /// moves with each 64 KiB that comes. It must be more than
    /// [`message_size`](Limits#structfield.message_size) and
    /// [`header_frame`](Limits#structfield.header_frame) together, or a message of that size
    /// cannot arrive.
    pub unfinished_bytes: usize,
    /// Bytes of names, endpoints, headers and groups that all peers together may tell; 8 MiB unless
    /// set. 2 KiB of each peer do not count, so that many large ones leave room for ordinary ones.
    /// Beyond that, a HELLO is refused that tells more than these 2 KiB, and a JOIN ends its
    /// session.
    pub peer_data_bytes: usize,
    /// Groups of one peer; 1024 unless set. A HELLO with more is refused, a further JOIN ends the
    /// session. This node itself may be in no more, as its peers most likely have the same limit.
    pub groups_per_peer: u32,
    /// Headers of one peer; 256 unless set. A HELLO with more is refused. This node itself may have
    /// no more.
    pub headers_per_peer: u32,
    /// Bytes of a message's first frame, which holds names, groups and headers; 1 MiB unless set.
    /// The HELLO of this node may have no more, either.
    pub header_frame: usize,
    /// Bytes of one message, sent or received, over all its frames; 112 MiB unless set.
    pub message_size: usize,
    /// Frames of one message's content, sent or received; 65,536 unless set.
    pub message_frames: usize,
    /// Bytes that may wait for one peer before sending to it waits or is refused; 8 MiB unless
    /// set. The message that crosses the limit is still accepted. JOIN, LEAVE, PING and answers to
    /// PING cannot be refused: beyond the limit, 1 MiB of them may wait, then the peer is removed.
    pub outbound: usize,
    /// Bytes that may wait for all peers together; 32 MiB unless set. Of each peer no more counts
    /// than [`outbound`](Limits#structfield.outbound). One half is divided equally among the peers:
    /// so much may always wait for each. Beyond its part a peer takes from the other half. When
    /// that is used up, sending waits or is refused to those that have used their part. When all
    /// is used up, peers are removed for which more than their part waits of what cannot be
    /// refused: they ask without reading.
    pub outbound_total: usize,
    /// Events that may wait for the application before the node stops reading; 4096 unless set.
    ///
    /// A peer is not read any more when as many events of its own wait as are still free, so that
    /// one peer alone can have half of them, and there is room for the others. While more than a
    /// few wait, the peers take turns of 32 events: the events of one peer keep their order, those
    /// of different peers may not.
    pub events: usize,
    /// Bytes that these events may hold before the node stops reading; 16 MiB unless set. They are
    /// shared among the peers as the number of events is. The message that crosses the limit is
    /// still kept. A frame
    /// of up to 4 KiB counts with its own length. A larger one may keep a read buffer alive, and
    /// counts with at least the 64 KiB of that.
    pub event_bytes: usize,
    /// Clients that may be connected to the gossip hub of this node; 256 unless set. One more
    /// closes one of those from the address with the most: one that has not said HELLO for a
    /// second, or else the one that has been silent for longest.
    pub gossip_clients: usize,
    /// Gossip tuples that are known; 4096 unless set. One source, a hub or all clients of one
    /// address, gives at most half of them; on loopback, each client does. Beyond that, a new tuple
    /// takes the place of one whose peer is not there, from the same source if that has its half,
    /// else from one that has given more, or it is ignored.
    pub gossip_tuples: usize,
    /// Bytes of these tuples; 1 MiB unless set. One source gives at most half of them.
    pub gossip_bytes: usize,
}

impl Limits {
    /// The limits that decoding a message needs.
    pub fn message(&self) -> MessageLimits {
        MessageLimits::new()
            .groups(self.groups_per_peer)
            .headers(self.headers_per_peer)
            .header_frame(self.header_frame)
    }

    /// The limits in bytes and in numbers of things that must be at least 1, with their names.
    pub(crate) fn must_not_be_zero(&self) -> [(&'static str, usize); 16] {
        // The limits that are missing here may be 0: a peer need not be in groups or have headers.
        [
            ("peers", self.peers),
            ("pending_peers", self.pending_peers),
            ("unclaimed_links", self.unclaimed_links),
            ("unclaimed_bytes", self.unclaimed_bytes),
            ("unfinished_bytes", self.unfinished_bytes),
            ("peer_data_bytes", self.peer_data_bytes),
            ("header_frame", self.header_frame),
            ("message_size", self.message_size),
            ("message_frames", self.message_frames),
            ("outbound", self.outbound),
            ("outbound_total", self.outbound_total),
            ("events", self.events),
            ("event_bytes", self.event_bytes),
            ("gossip_clients", self.gossip_clients),
            ("gossip_tuples", self.gossip_tuples),
            ("gossip_bytes", self.gossip_bytes),
        ]
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers: 4096,
            pending_peers: 1024,
            unclaimed_links: 256,
            unclaimed_bytes: 8 << 20,
            unfinished_bytes: 120 << 20,
            peer_data_bytes: 8 << 20,
            groups_per_peer: 1024,
            headers_per_peer: 256,
            header_frame: 1 << 20,
            message_size: 112 << 20,
            message_frames: 1 << 16,
            outbound: 8 << 20,
            outbound_total: 32 << 20,
            events: 4096,
            event_bytes: 16 << 20,
            gossip_clients: 256,
            gossip_tuples: 4096,
            gossip_bytes: 1 << 20,
        }
    }
}

/// A method for each field, as a struct that may grow cannot be written as a literal elsewhere.
macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty;)*) => {
        /// Each of these sets the limit of its name and returns all of them.
        impl Limits {
            $(
                $(#[$doc])*
                #[must_use]
                pub const fn $field(self, $field: $type) -> Self {
                    Self { $field, ..self }
                }
            )*
        }
    };
}

setters! {
    /// Sets the most [`peers`](Limits#structfield.peers) at one time.
    peers: usize;
    /// Sets the most [peers that have not said HELLO](Limits#structfield.pending_peers).
    pending_peers: usize;
    /// Sets the most [connections without a peer](Limits#structfield.unclaimed_links).
    unclaimed_links: usize;
    /// Sets the most bytes that [connections without a peer](Limits#structfield.unclaimed_bytes)
    /// hold together.
    unclaimed_bytes: usize;
    /// Sets the most bytes of [unfinished messages](Limits#structfield.unfinished_bytes) that all
    /// peers hold together.
    unfinished_bytes: usize;
    /// Sets the most bytes that [all peers tell](Limits#structfield.peer_data_bytes) of themselves.
    peer_data_bytes: usize;
    /// Sets the most [groups of one peer](Limits#structfield.groups_per_peer).
    groups_per_peer: u32;
    /// Sets the most [headers of one peer](Limits#structfield.headers_per_peer).
    headers_per_peer: u32;
    /// Sets the most bytes of a message's [first frame](Limits#structfield.header_frame).
    header_frame: usize;
    /// Sets the most [bytes of one message](Limits#structfield.message_size).
    message_size: usize;
    /// Sets the most [frames of one message](Limits#structfield.message_frames).
    message_frames: usize;
    /// Sets the most bytes that [wait for one peer](Limits#structfield.outbound).
    outbound: usize;
    /// Sets the most bytes that [wait for all peers](Limits#structfield.outbound_total) together.
    outbound_total: usize;
    /// Sets the most [events that wait](Limits#structfield.events) for the application.
    events: usize;
    /// Sets the most [bytes that these events hold](Limits#structfield.event_bytes).
    event_bytes: usize;
    /// Sets the most [clients](Limits#structfield.gossip_clients) of the gossip hub.
    gossip_clients: usize;
    /// Sets the most [gossip tuples](Limits#structfield.gossip_tuples) that are known.
    gossip_tuples: usize;
    /// Sets the most [bytes of gossip tuples](Limits#structfield.gossip_bytes).
    gossip_bytes: usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setter_sets_its_own_limit() {
        let limits = Limits::default()
            .peers(1)
            .pending_peers(2)
            .unclaimed_links(3)
            .unclaimed_bytes(4)
            .unfinished_bytes(5)
            .groups_per_peer(6)
            .headers_per_peer(7)
            .header_frame(8)
            .message_size(9)
            .message_frames(10)
            .outbound(11)
            .events(12)
            .event_bytes(13)
            .peer_data_bytes(14)
            .outbound_total(15)
            .gossip_clients(16)
            .gossip_tuples(17)
            .gossip_bytes(18);
        let expected = Limits {
            peers: 1,
            pending_peers: 2,
            unclaimed_links: 3,
            unclaimed_bytes: 4,
            unfinished_bytes: 5,
            groups_per_peer: 6,
            headers_per_peer: 7,
            header_frame: 8,
            message_size: 9,
            message_frames: 10,
            outbound: 11,
            events: 12,
            event_bytes: 13,
            peer_data_bytes: 14,
            outbound_total: 15,
            gossip_clients: 16,
            gossip_tuples: 17,
            gossip_bytes: 18,
        };
        assert_eq!(limits, expected);
        assert_eq!(
            limits.message(),
            MessageLimits::new().groups(6).headers(7).header_frame(8)
        );
    }
}
