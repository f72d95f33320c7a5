//! Who a peer is, to applications and to ZeroMQ.

use core::{fmt, str::FromStr};

use thiserror::Error;
use uuid::Uuid;

/// The identity of a node for as long as it runs: a UUID (RFC 36, "Node Identification").
///
/// It is shown as zyre and pyre show it, as 32 uppercase hexadecimal digits, and read with or
/// without hyphens in either case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId {
    // Two numbers, as identities are compared and moved for every message.
    high: u64,
    low: u64,
}

impl PeerId {
    /// The identity as a UUID.
    pub fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(self.high, self.low)
    }

    /// The 16 octets that beacons carry.
    pub fn to_bytes(&self) -> [u8; 16] {
        self.uuid().into_bytes()
    }
}

impl From<Uuid> for PeerId {
    fn from(uuid: Uuid) -> Self {
        let (high, low) = uuid.as_u64_pair();
        Self { high, low }
    }
}

impl From<[u8; 16]> for PeerId {
    fn from(octets: [u8; 16]) -> Self {
        Uuid::from_bytes(octets).into()
    }
}

/// A text is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a UUID, which has 32 hexadecimal digits")]
pub struct PeerIdError(alloc::string::String);

impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<Self, PeerIdError> {
        let wrong = || PeerIdError(text.chars().take(64).collect());
        // `Uuid` also reads braces and URNs, which have other lengths.
        if !matches!(text.len(), 32 | 36) {
            return Err(wrong());
        }
        Uuid::try_parse(text).map(Self::from).map_err(|_| wrong())
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = Uuid::encode_buffer();
        f.pad(self.uuid().simple().encode_upper(&mut buffer))
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The ZeroMQ routing id (identity) of a node's outgoing connections: `0x01` and the UUID.
///
/// ZeroMQ reserves identities that begin with a zero octet, hence the octet in front.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutingId([u8; 17]);

impl RoutingId {
    /// The octets, as the `Identity` property of READY carries them.
    pub fn as_bytes(&self) -> &[u8; 17] {
        &self.0
    }

    /// Reads a routing id; `None` if it is not that of a ZRE node.
    pub fn from_bytes(octets: &[u8]) -> Option<Self> {
        let octets: [u8; 17] = octets.try_into().ok()?;
        matches!(octets, [1, ..]).then_some(Self(octets))
    }

    /// The peer whose routing id this is.
    pub fn peer(&self) -> PeerId {
        let [_, uuid @ ..] = self.0;
        uuid.into()
    }
}

impl fmt::Debug for RoutingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "01:{}", self.peer())
    }
}

impl From<PeerId> for RoutingId {
    fn from(peer: PeerId) -> Self {
        let mut octets = [1; 17];
        if let Some(uuid) = octets.last_chunk_mut::<16>() {
            *uuid = peer.to_bytes();
        }
        Self(octets)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_peer_id_reads_what_it_shows_and_hyphens_too() {
        let shown = "0123456789ABCDEF0123456789ABCDEF";
        let peer: PeerId = shown.parse().unwrap();
        assert_eq!(peer.to_string(), shown);
        assert_eq!("01234567-89ab-cdef-0123-456789abcdef".parse(), Ok(peer));
        assert_eq!(
            "bob".parse::<PeerId>().unwrap_err().to_string(),
            "\"bob\" is not a UUID, which has 32 hexadecimal digits"
        );
    }

    #[test]
    fn a_routing_id_is_01_and_the_uuid() {
        let peer = PeerId::from([7; 16]);
        let id = RoutingId::from(peer);
        assert_eq!(id.as_bytes()[..2], [1, 7]);
        assert_eq!(RoutingId::from_bytes(id.as_bytes()), Some(id));
        assert_eq!(id.peer(), peer);
        assert_eq!(RoutingId::from_bytes(&[2; 17]), None);
        assert_eq!(RoutingId::from_bytes(&[1; 16]), None);
    }
}
