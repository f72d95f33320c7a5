//! Who a peer is, to applications and to ZeroMQ.

use alloc::string::String;
use core::{convert::Infallible, fmt, str::FromStr};

use thiserror::Error;
use uuid::Uuid;

/// The identity of a node for as long as it runs: a UUID (RFC 36, "Node Identification").
///
/// It is shown as zyre and pyre show it, as 32 uppercase hexadecimal digits. It is read in either
/// case, with or without hyphens.
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

    /// The 16 bytes that beacons carry.
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

impl From<PeerId> for Uuid {
    fn from(peer: PeerId) -> Self {
        peer.uuid()
    }
}

impl From<[u8; 16]> for PeerId {
    fn from(bytes: [u8; 16]) -> Self {
        Uuid::from_bytes(bytes).into()
    }
}

impl From<PeerId> for [u8; 16] {
    fn from(peer: PeerId) -> Self {
        peer.to_bytes()
    }
}

impl From<&PeerId> for PeerId {
    fn from(peer: &PeerId) -> Self {
        *peer
    }
}

/// A text or bytes are not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(transparent)]
pub struct PeerIdError(#[from] PeerIdFault);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum PeerIdFault {
    #[error("{0:?} is not a UUID, which has 32 hexadecimal digits")]
    Text(String),
    #[error("{0} bytes are not a UUID, which has 16")]
    Length(usize),
}

impl From<Infallible> for PeerIdError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<Self, PeerIdError> {
        let wrong = || PeerIdFault::Text(text.chars().take(64).collect());
        // `Uuid` also reads braces and URNs, which have other lengths.
        if !matches!(text.len(), 32 | 36) {
            return Err(wrong().into());
        }
        let uuid = Uuid::try_parse(text).map_err(|_| wrong())?;
        Ok(uuid.into())
    }
}

impl TryFrom<&str> for PeerId {
    type Error = PeerIdError;

    fn try_from(text: &str) -> Result<Self, PeerIdError> {
        text.parse()
    }
}

impl TryFrom<String> for PeerId {
    type Error = PeerIdError;

    fn try_from(text: String) -> Result<Self, PeerIdError> {
        text.parse()
    }
}

impl TryFrom<&String> for PeerId {
    type Error = PeerIdError;

    fn try_from(text: &String) -> Result<Self, PeerIdError> {
        text.parse()
    }
}

/// From the 16 bytes that beacons carry.
impl TryFrom<&[u8]> for PeerId {
    type Error = PeerIdError;

    fn try_from(bytes: &[u8]) -> Result<Self, PeerIdError> {
        let wrong = |_| PeerIdFault::Length(bytes.len());
        let bytes: [u8; 16] = bytes.try_into().map_err(wrong)?;
        Ok(bytes.into())
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

/// The ZeroMQ routing id (identity) of a node's outgoing connections: the byte 1 and the UUID.
///
/// ZeroMQ reserves identities that begin with a zero byte, and a UUID may begin with one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Held as the peer's identity and not as its 17 bytes: whole words move with every message, and a
// value at odd addresses made the processor wait for its own writes.
pub struct RoutingId(PeerId);

/// Bytes are not the routing id of a ZRE node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{length} bytes are not the routing id of a ZRE node, which is 01 and a UUID of 16 bytes")]
#[non_exhaustive]
pub struct RoutingIdError {
    /// The number of bytes.
    pub length: usize,
}

impl RoutingId {
    /// The bytes, as the `Identity` property of READY carries them.
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [1; 17];
        if let Some(uuid) = bytes.last_chunk_mut::<16>() {
            *uuid = self.0.to_bytes();
        }
        bytes
    }

    /// Reads a routing id; `None` if it is not that of a ZRE node.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [1, uuid @ ..] => {
                let uuid: [u8; 16] = uuid.try_into().ok()?;
                Some(Self(uuid.into()))
            }
            _ => None,
        }
    }

    /// The peer whose routing id this is.
    pub fn peer(&self) -> PeerId {
        self.0
    }
}

impl TryFrom<&[u8]> for RoutingId {
    type Error = RoutingIdError;

    fn try_from(bytes: &[u8]) -> Result<Self, RoutingIdError> {
        let length = bytes.len();
        Self::from_bytes(bytes).ok_or(RoutingIdError { length })
    }
}

impl fmt::Debug for RoutingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "01:{}", self.peer())
    }
}

impl From<PeerId> for RoutingId {
    fn from(peer: PeerId) -> Self {
        Self(peer)
    }
}

impl From<RoutingId> for PeerId {
    fn from(id: RoutingId) -> Self {
        id.peer()
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
    fn a_peer_id_is_read_from_16_bytes_and_no_other_number() {
        assert_eq!(PeerId::try_from(&[7; 16][..]), Ok([7; 16].into()));
        assert_eq!(
            PeerId::try_from(&[7; 17][..]).unwrap_err().to_string(),
            "17 bytes are not a UUID, which has 16"
        );
    }

    #[test]
    fn a_routing_id_is_01_and_the_uuid() {
        let peer = PeerId::from([7; 16]);
        let id = RoutingId::from(peer);
        assert_eq!(id.to_bytes()[..2], [1, 7]);
        assert_eq!(RoutingId::from_bytes(&id.to_bytes()), Some(id));
        assert_eq!(id.peer(), peer);
        assert_eq!(RoutingId::from_bytes(&[2; 17]), None);
        assert_eq!(RoutingId::from_bytes(&[1; 16]), None);
        assert_eq!(RoutingId::try_from(&id.to_bytes()[..]), Ok(id));
        assert_eq!(
            RoutingId::try_from(&[1; 16][..]).unwrap_err().to_string(),
            "16 bytes are not the routing id of a ZRE node, which is 01 and a UUID of 16 bytes"
        );
    }
}
