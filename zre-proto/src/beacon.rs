//! UDP discovery beacons (RFC 36/ZRE, "Node Discovery"; version 3 as in RFC 43/ZRE and zyre).

use core::num::NonZeroU16;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{curve::PublicKey, identity::PeerId};

/// The UDP port that IANA assigned to ZRE discovery.
pub const DISCOVERY_PORT: u16 = 5670;

const SIGNATURE: [u8; 3] = *b"ZRE";
const VERSION_PLAIN: u8 = 1;
const VERSION_CURVE: u8 = 3;

/// The datagram that announces a node, or that it is leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// The identity of the node.
    pub peer: PeerId,
    /// The TCP port that the node accepts connections on. `None`, which is 0 on the wire, says that
    /// the node is leaving.
    pub port: Option<NonZeroU16>,
    /// The node's CURVE public key. A beacon with a key has version 3, one without version 1.
    pub public_key: Option<PublicKey>,
}

/// Why a datagram is not a beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BeaconError {
    /// The datagram does not begin with `ZRE`.
    #[error("a datagram of {length} bytes does not begin with \"ZRE\"")]
    Signature {
        /// The length of the datagram in bytes.
        length: usize,
    },
    /// The version is not one of those known.
    #[error("beacon version {0}, expected 1 or 3")]
    Version(u8),
    /// The length is not that of the version.
    #[error("a version {version} beacon has {expected} bytes, not {length}")]
    Length {
        /// The beacon's version.
        version: u8,
        /// The length that this version has, in bytes.
        expected: usize,
        /// The length of the datagram in bytes.
        length: usize,
    },
}

impl Beacon {
    /// The length of a version 1 beacon, in bytes.
    pub const LEN_PLAIN: usize = 22;
    /// The length of a version 3 beacon, in bytes.
    pub const LEN_CURVE: usize = 54;

    /// Reads a whole datagram.
    ///
    /// # Errors
    ///
    /// [`BeaconError`] if the datagram is anything other than one beacon.
    pub fn decode(datagram: &[u8]) -> Result<Self, BeaconError> {
        let length = datagram.len();
        let version = match datagram.strip_prefix(&SIGNATURE) {
            None => return Err(BeaconError::Signature { length }),
            Some([]) => VERSION_PLAIN,
            Some([version, ..]) => *version,
        };
        let expected = match version {
            VERSION_PLAIN => Self::LEN_PLAIN,
            VERSION_CURVE => Self::LEN_CURVE,
            other => return Err(BeaconError::Version(other)),
        };
        let wrong_length = BeaconError::Length {
            version,
            expected,
            length,
        };
        if length != expected {
            return Err(wrong_length);
        }
        let (_, body) = datagram.split_at_checked(4).ok_or(wrong_length)?;
        let (uuid, body) = body.split_first_chunk::<16>().ok_or(wrong_length)?;
        let (port, key) = body.split_first_chunk::<2>().ok_or(wrong_length)?;
        Ok(Self {
            peer: (*uuid).into(),
            port: NonZeroU16::new(u16::from_be_bytes(*port)),
            public_key: key.first_chunk::<32>().copied().map(PublicKey::from),
        })
    }

    /// The datagram to broadcast.
    pub fn encode(&self) -> Bytes {
        let mut datagram = BytesMut::with_capacity(Self::LEN_CURVE);
        datagram.put_slice(&SIGNATURE);
        datagram.put_u8(match self.public_key {
            None => VERSION_PLAIN,
            Some(_) => VERSION_CURVE,
        });
        datagram.put_slice(&self.peer.to_bytes());
        datagram.put_u16(self.port.map_or(0, NonZeroU16::get));
        if let Some(key) = &self.public_key {
            datagram.put_slice(key.as_bytes());
        }
        datagram.freeze()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_leaving_node_has_port_zero() {
        let beacon = Beacon {
            peer: [9; 16].into(),
            port: None,
            public_key: None,
        };
        let datagram = beacon.encode();
        assert_eq!(datagram[20..], [0, 0]);
        assert_eq!(Beacon::decode(&datagram), Ok(beacon));
    }

    #[test]
    fn each_fault_is_named() {
        let error = |datagram: &[u8]| Beacon::decode(datagram).unwrap_err().to_string();
        assert_eq!(
            error(b"ZR"),
            "a datagram of 2 bytes does not begin with \"ZRE\""
        );
        assert_eq!(error(b"ZRE"), "a version 1 beacon has 22 bytes, not 3");
        assert_eq!(error(b"ZRE\x02"), "beacon version 2, expected 1 or 3");
        assert_eq!(
            error(b"ZRE\x01short"),
            "a version 1 beacon has 22 bytes, not 9"
        );
        assert_eq!(
            error(&[&b"ZRE\x03"[..], &[0; 18]].concat()),
            "a version 3 beacon has 54 bytes, not 22"
        );
    }
}
