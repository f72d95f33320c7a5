//! What a node is told at its start.

use alloc::collections::BTreeSet;
use core::time::Duration;

use thiserror::Error;
use zre_proto::{Endpoint, GroupName, Headers, MessageLimits, PeerId, ShortText};

/// How a node presents itself, how patient it is, and how much it holds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The node's identity; made from the seed unless set.
    pub uuid: Option<PeerId>,
    /// The node's name; the first six digits of its identity unless set.
    pub name: Option<ShortText>,
    /// Where the node accepts connections, as peers shall reach it.
    pub endpoint: Endpoint,
    /// The headers that peers see on entering.
    pub headers: Headers,
    /// The groups that the node is in from the start.
    pub groups: BTreeSet<GroupName>,
    /// How often the node announces itself; every second unless set. The first beacon goes at once.
    pub beacon_interval: Duration,
    /// How long a peer may be silent before it is asked whether it is there; 5 s unless set. So long, too, may the
    /// connections of a peer stand still of which somebody claims that it is gone, while octets stand before the
    /// question or the answer.
    pub evasive_after: Duration,
    /// How long a peer may be silent before it is given up; 30 s unless set. So long, too, may a
    /// peer leave its connection unread while messages wait for it.
    pub expired_after: Duration,
    /// How long a connection may take until its peer has presented itself; 10 s unless set.
    pub handshake_timeout: Duration,
    /// How long to wait before the second attempt to connect; it doubles with each. 50 ms unless set.
    pub reconnect_min: Duration,
    /// How long to wait between attempts to connect at most; 2 s unless set.
    pub reconnect_max: Duration,
    /// How long stopping waits until peers have taken what was sent to them; 5 s unless set.
    pub linger: Duration,
    /// How much the node holds.
    pub limits: Limits,
}

/// How much a node holds, so that no peer can make it grow without bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Peers at one time; 4096 unless set. Who comes after that is not taken in until one has gone.
    pub peers: usize,
    /// Peers that have not presented themselves yet, of [`peers`](Limits::peers); 1024 unless set.
    pub unready_peers: usize,
    /// Accepted connections that belong to no peer yet; 256 unless set. One more closes the oldest.
    pub unready_links: usize,
    /// Octets that all these connections together may hold of messages whose end has not come; 16 MiB unless set. Beyond
    /// that those that hold most are closed. A HELLO must fit.
    pub unready_bytes: usize,
    /// Octets that all peers together may hold of messages whose end has not come; 1 GiB unless set. Beyond that the peer
    /// that holds most is gone. It should be several times [`message_size`](Limits::message_size).
    pub unfinished_bytes: usize,
    /// Groups of one peer; 1024 unless set. A HELLO with more is refused, a JOIN of one more ignored.
    pub groups_per_peer: u32,
    /// Headers of one peer; 256 unless set. A HELLO with more is refused.
    pub headers_per_peer: u32,
    /// Octets of a message's first frame, which holds names, groups and headers; 1 MiB unless set.
    pub header_frame: usize,
    /// Octets of one message, sent or received, over all its frames; 256 MiB unless set.
    pub message_size: usize,
    /// Frames of one message's content, sent or received; 65,536 unless set.
    pub message_frames: usize,
    /// Octets that may wait for one peer before sending to it waits or is refused; 8 MiB unless
    /// set. The message that crosses the limit is still taken.
    pub outbound: usize,
    /// Events that may wait for the application before reading stops; 4096 unless set. What one
    /// read brings is still taken.
    pub events: usize,
    /// Octets that these events may hold before reading stops; 64 MiB unless set. A frame of more than
    /// 4 KiB counts for at least the 64 KiB of the buffer that it may share. Smaller ones share pieces of 4 KiB, and count
    /// for themselves.
    pub event_bytes: usize,
}

impl Limits {
    /// The part that decoding a message needs.
    pub fn message(&self) -> MessageLimits {
        MessageLimits {
            groups: self.groups_per_peer,
            headers: self.headers_per_peer,
            header_frame: self.header_frame,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            peers: 4096,
            unready_peers: 1024,
            unready_links: 256,
            unready_bytes: 16 << 20,
            unfinished_bytes: 1 << 30,
            groups_per_peer: 1024,
            headers_per_peer: 256,
            header_frame: 1 << 20,
            message_size: 256 << 20,
            message_frames: 1 << 16,
            outbound: 8 << 20,
            events: 4096,
            event_bytes: 64 << 20,
        }
    }
}

/// A setting that no node can work with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A time is shorter than it can be.
    #[error("{setting} is {value:?}, it must be at least {least:?}")]
    TooShort {
        /// Which setting.
        setting: &'static str,
        /// What it is.
        value: Duration,
        /// The least that it can be.
        least: Duration,
    },
    /// A limit leaves no room for anything.
    #[error("the limit {0} is 0, it must be at least 1")]
    NoRoom(&'static str),
}

impl Config {
    /// The defaults, for a node that is reached at `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            uuid: None,
            name: None,
            endpoint,
            headers: Headers::default(),
            groups: BTreeSet::new(),
            beacon_interval: Duration::from_secs(1),
            evasive_after: Duration::from_secs(5),
            expired_after: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            reconnect_min: Duration::from_millis(50),
            reconnect_max: Duration::from_secs(2),
            linger: Duration::from_secs(5),
            limits: Limits::default(),
        }
    }

    /// Checks what a user may have set wrong.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that no node can work with.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let least = Duration::from_millis(10);
        for (setting, value) in [
            ("beacon interval", self.beacon_interval),
            ("evasive timeout", self.evasive_after),
            ("expired timeout", self.expired_after),
            ("handshake timeout", self.handshake_timeout),
            ("first reconnect delay", self.reconnect_min),
            ("longest reconnect delay", self.reconnect_max),
        ] {
            if value < least {
                return Err(ConfigError::TooShort {
                    setting,
                    value,
                    least,
                });
            }
        }
        let limits = &self.limits;
        for (limit, value) in [
            ("peers", limits.peers),
            ("unready_peers", limits.unready_peers),
            ("unready_links", limits.unready_links),
            ("unready_bytes", limits.unready_bytes),
            ("unfinished_bytes", limits.unfinished_bytes),
            ("header_frame", limits.header_frame),
            ("message_size", limits.message_size),
            ("message_frames", limits.message_frames),
            ("outbound", limits.outbound),
            ("events", limits.events),
            ("event_bytes", limits.event_bytes),
        ] {
            if value == 0 {
                return Err(ConfigError::NoRoom(limit));
            }
        }
        Ok(())
    }
}
