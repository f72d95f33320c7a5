//! Gossip messages, by which a hub tells its clients of nodes (zgossip of czmq; in no RFC).

use alloc::string::String;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{
    curve::{KeyError, PublicKey},
    endpoint::{Endpoint, EndpointError},
    identity::PeerId,
    reader::{Reader, Truncated},
    text::{ShortText, Text},
};

const SIGNATURE: u16 = 0xAAA0;
const VERSION: u8 = 1;
/// Signature, id and version.
const HEAD_LEN: usize = 4;

mod id {
    pub(super) const HELLO: u8 = 1;
    pub(super) const PUBLISH: u8 = 2;
    pub(super) const PING: u8 = 3;
    pub(super) const PONG: u8 = 4;
    pub(super) const INVALID: u8 = 5;
}

/// What a gossip client and its hub say to each other: one frame.
///
/// ```
/// use zre_proto::GossipMessage;
///
/// let frame = GossipMessage::Hello.encode();
/// assert_eq!(frame[..], [0xAA, 0xA0, 1, 1]);
/// assert_eq!(GossipMessage::decode(&frame)?, GossipMessage::Hello);
/// # Ok::<(), zre_proto::GossipError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GossipMessage {
    /// A client introduces itself. The hub answers with one [`Publish`](Self::Publish) for each
    /// tuple that it has.
    Hello,
    /// A tuple, from a client or from the hub. [`GossipTuple`] is what ZRE nodes make of it.
    Publish {
        /// What the value belongs to.
        key: ShortText,
        /// The value, in place of an earlier one of the same key.
        value: Text,
        /// For how many milliseconds it counts. Everybody sends 0, and nobody looks at it.
        ttl: u32,
    },
    /// A client asks for [`Pong`](Self::Pong): zyre's hub forgets a client that says nothing for a
    /// second.
    Ping,
    /// The hub answers [`Ping`](Self::Ping).
    Pong,
    /// The hub says that it does not know the client, which is to say [`Hello`](Self::Hello) again.
    Invalid,
}

/// Why a frame is not a gossip message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GossipError {
    /// The message ends inside a field.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The message does not begin with `AA A0`.
    #[error("gossip signature {0:04X}, expected AAA0")]
    Signature(u16),
    /// The version is not 1.
    #[error("gossip version {0}, expected 1")]
    Version(u8),
    /// The id is that of no message.
    #[error("gossip message {0} is not known, expected 1 to 5")]
    Id(u8),
    /// The message is longer than [`GossipMessage::MAX_LEN`].
    #[error("a gossip message of {0} bytes, at most {max} are taken", max = GossipMessage::MAX_LEN)]
    Length(usize),
    /// There are bytes behind the last field.
    #[error("{0} bytes behind the end of a gossip message")]
    Trailing(usize),
}

impl GossipMessage {
    /// The most bytes of a message that is decoded. A tuple of a ZRE node has some hundred.
    pub const MAX_LEN: usize = 4096;

    /// Reads a message from its frame.
    ///
    /// # Errors
    ///
    /// [`GossipError`] for anything that is not one message of at most
    /// [`MAX_LEN`](Self::MAX_LEN) bytes.
    pub fn decode(frame: &[u8]) -> Result<Self, GossipError> {
        if frame.len() > Self::MAX_LEN {
            return Err(GossipError::Length(frame.len()));
        }
        let mut fields = Reader::new(frame);
        let signature = fields.u16("signature")?;
        if signature != SIGNATURE {
            return Err(GossipError::Signature(signature));
        }
        let id = fields.u8("id")?;
        let version = fields.u8("version")?;
        if version != VERSION {
            return Err(GossipError::Version(version));
        }
        let message = Self::decode_fields(id, &mut fields)?;
        match fields.into_rest().len() {
            0 => Ok(message),
            trailing => Err(GossipError::Trailing(trailing)),
        }
    }

    fn decode_fields(id: u8, fields: &mut Reader<'_>) -> Result<Self, GossipError> {
        Ok(match id {
            id::HELLO => Self::Hello,
            id::PUBLISH => Self::Publish {
                // One byte tells its length.
                key: fields.string("key")?.try_into().unwrap_or_default(),
                value: fields.longstr("value")?.into(),
                ttl: fields.u32("ttl")?,
            },
            id::PING => Self::Ping,
            id::PONG => Self::Pong,
            id::INVALID => Self::Invalid,
            other => return Err(GossipError::Id(other)),
        })
    }

    /// The frame.
    pub fn encode(&self) -> Bytes {
        let mut frame = BytesMut::with_capacity(self.len());
        frame.put_u16(SIGNATURE);
        frame.put_u8(self.id());
        frame.put_u8(VERSION);
        if let Self::Publish { key, value, ttl } = self {
            frame.put_u8(key.length_byte());
            frame.put_slice(key.as_bytes());
            // More than four billion bytes exceed the limit long before.
            frame.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
            frame.put_slice(value.as_bytes());
            frame.put_u32(*ttl);
        }
        frame.freeze()
    }

    /// The length of the frame in bytes.
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        match self {
            Self::Publish { key, value, .. } => HEAD_LEN + 1 + key.len() + 4 + value.len() + 4,
            _ => HEAD_LEN,
        }
    }

    /// The name of this message in zgossip.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hello => "HELLO",
            Self::Publish { .. } => "PUBLISH",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::Invalid => "INVALID",
        }
    }

    fn id(&self) -> u8 {
        match self {
            Self::Hello => id::HELLO,
            Self::Publish { .. } => id::PUBLISH,
            Self::Ping => id::PING,
            Self::Pong => id::PONG,
            Self::Invalid => id::INVALID,
        }
    }
}

/// A tuple by which a ZRE node tells where it is: the key is its identity, as 32 hexadecimal
/// digits, the value its endpoint. With CURVE, `|` and the node's public key follow.
///
/// ```
/// use zre_proto::GossipTuple;
///
/// let key = "59874AE23774F72A7C43207B4115CA6A".try_into()?;
/// let tuple = GossipTuple::read(&key, &"tcp://10.90.0.1:9101".into())?;
/// assert_eq!(tuple.endpoint.port().get(), 9101);
/// assert_eq!(tuple.public_key, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipTuple {
    /// The node.
    pub peer: PeerId,
    /// Where it accepts connections.
    pub endpoint: Endpoint,
    /// Its CURVE public key.
    pub public_key: Option<PublicKey>,
}

/// Why a tuple is not one of a ZRE node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GossipTupleError {
    /// The key is not an identity.
    #[error("key {0:?} is not the UUID of a node, 32 hexadecimal digits")]
    Key(String),
    /// The value is not text.
    #[error("the value for {0} is not UTF-8")]
    Value(PeerId),
    /// The value does not begin with an endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// What follows the endpoint is not a public key.
    #[error("the key for {peer}: {error}")]
    PublicKey {
        /// The node.
        peer: PeerId,
        /// What is wrong with it.
        error: KeyError,
    },
}

impl GossipTuple {
    /// Reads key and value of a [`Publish`](GossipMessage::Publish).
    ///
    /// # Errors
    ///
    /// [`GossipTupleError`] if they are not those of a ZRE node.
    pub fn read(key: &ShortText, value: &Text) -> Result<Self, GossipTupleError> {
        let peer = Self::read_key(key)?;
        let value = value.as_str().ok_or(GossipTupleError::Value(peer))?;
        let (endpoint, public_key) = match value.split_once('|') {
            Some((endpoint, public_key)) => (endpoint, Some(public_key)),
            None => (value, None),
        };
        let endpoint = endpoint.parse()?;
        let public_key = public_key.map(str::parse).transpose();
        let public_key = public_key.map_err(|error| GossipTupleError::PublicKey { peer, error })?;
        Ok(Self {
            peer,
            endpoint,
            public_key,
        })
    }

    /// The message that tells of it.
    pub fn to_message(&self) -> GossipMessage {
        GossipMessage::Publish {
            key: Self::key_of(self.peer),
            value: match &self.public_key {
                Some(public_key) => alloc::format!("{}|{public_key}", self.endpoint).into(),
                None => alloc::format!("{}", self.endpoint).into(),
            },
            ttl: 0,
        }
    }

    /// The key of a node's tuple: its identity, as 32 uppercase hexadecimal digits.
    pub fn key_of(peer: PeerId) -> ShortText {
        // 32 bytes are few enough.
        alloc::format!("{peer}").try_into().unwrap_or_default()
    }

    fn read_key(key: &ShortText) -> Result<PeerId, GossipTupleError> {
        let digits = key.as_str().filter(|key| key.len() == 32);
        let peer = digits.and_then(|digits| digits.parse().ok());
        peer.ok_or_else(|| GossipTupleError::Key(key.to_string_lossy().chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString, vec::Vec};

    use super::*;

    /// From a recording of two zyre nodes.
    const PUBLISH: &[u8] = b"\xAA\xA0\x02\x01\x2059874AE23774F72A7C43207B4115CA6A\
        \0\0\0\x14tcp://10.90.0.1:9101\0\0\0\0";

    #[test]
    fn what_zyre_publishes_is_read_and_written_alike() {
        let message = GossipMessage::decode(PUBLISH).unwrap();
        let GossipMessage::Publish { key, value, ttl: 0 } = &message else {
            panic!("{message:?}")
        };
        let tuple = GossipTuple::read(key, value).unwrap();
        assert_eq!(tuple.peer.to_string(), "59874AE23774F72A7C43207B4115CA6A");
        assert_eq!(tuple.endpoint.to_string(), "tcp://10.90.0.1:9101");
        assert_eq!(tuple.to_message().encode(), PUBLISH);
    }

    #[test]
    fn messages_without_fields_are_four_bytes() {
        for (id, message) in [
            (1, GossipMessage::Hello),
            (3, GossipMessage::Ping),
            (4, GossipMessage::Pong),
            (5, GossipMessage::Invalid),
        ] {
            let frame = [0xAA, 0xA0, id, 1];
            assert_eq!(message.encode(), frame[..]);
            assert_eq!(GossipMessage::decode(&frame), Ok(message));
        }
    }

    #[test]
    fn each_fault_is_named() {
        let refused = |frame: &[u8]| GossipMessage::decode(frame).unwrap_err().to_string();
        for (frame, error) in [
            (&b"\xAA"[..], "signature needs 2 bytes, 1 are left"),
            (b"\xAA\xA1\x01\x01", "gossip signature AAA1, expected AAA0"),
            (b"\xAA\xA0\x01\x02", "gossip version 2, expected 1"),
            (
                b"\xAA\xA0\x06\x01",
                "gossip message 6 is not known, expected 1 to 5",
            ),
            (
                b"\xAA\xA0\x03\x01xy",
                "2 bytes behind the end of a gossip message",
            ),
            (
                b"\xAA\xA0\x02\x01\x20short",
                "key needs 32 bytes, 5 are left",
            ),
            (
                b"\xAA\xA0\x02\x01\0\xFF\xFF\xFF\xFF",
                "value needs 4294967295 bytes, 0 are left",
            ),
            (
                &[0xAA; 4097],
                "a gossip message of 4097 bytes, at most 4096 are taken",
            ),
        ] {
            assert_eq!(refused(frame), error);
        }
    }

    #[test]
    fn a_message_cut_short_anywhere_is_truncated() {
        for length in 0..PUBLISH.len() {
            let cut = GossipMessage::decode(&PUBLISH[..length]);
            assert!(matches!(cut, Err(GossipError::Truncated(_))), "{length}");
        }
    }

    #[test]
    fn a_tuple_with_a_key_keeps_it() {
        let key = GossipTuple::key_of([0xAB; 16].into());
        let public_key = "0123456789".repeat(4);
        let value = format!("tcp://10.0.0.1:9|{public_key}").into();
        let tuple = GossipTuple::read(&key, &value).unwrap();
        assert_eq!(tuple.endpoint.to_string(), "tcp://10.0.0.1:9");
        assert!(
            tuple
                .public_key
                .is_some_and(|it| it.to_string() == *public_key)
        );
        let GossipMessage::Publish { value: again, .. } = tuple.to_message() else {
            panic!("no tuple")
        };
        assert_eq!(again, value);
    }

    #[test]
    fn tuples_of_others_are_told_apart() {
        let id = GossipTuple::key_of([0xAB; 16].into());
        let hyphens = "abababab-abab-abab-abab-abababababab".try_into().unwrap();
        let read = |key: &ShortText, value: &[u8]| {
            let error = GossipTuple::read(key, &value.into()).unwrap_err();
            error.to_string()
        };
        let not_a_key = "is not the UUID of a node, 32 hexadecimal digits";
        let expected = format!("key \"color\" {not_a_key}");
        assert_eq!(read(&"color".try_into().unwrap(), b"tcp://h:1"), expected);
        assert!(read(&hyphens, b"tcp://h:1").ends_with(not_a_key));
        assert!(read(&id, b"\xFF").ends_with("is not UTF-8"));
        assert!(read(&id, b"red").contains("does not begin with \"tcp://\""));
        assert!(read(&id, b"tcp://0.0.0.0:1").contains("no valid address"));
        let no_key = "is not a public key, which has 40 characters of Z85";
        assert!(read(&id, b"tcp://h:1|key").ends_with(no_key));
        let long: Vec<_> = b"tcp://h:1|".iter().copied().chain([b'k'; 41]).collect();
        assert!(read(&id, &long).ends_with(no_key));
    }
}
