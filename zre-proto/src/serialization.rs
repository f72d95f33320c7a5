//! `Serialize` and `Deserialize` for the values (feature `serde`).

use alloc::{string::String, vec::Vec};
use core::{fmt, str};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

use crate::{
    Content, Endpoint, GroupName, Headers, PeerId, ShortText, Text,
    curve::{KeyMetadata, PublicKey},
};

/// In text formats its 32 hexadecimal digits, in binary formats its 16 bytes. It is read with or
/// without hyphens.
impl Serialize for PeerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.to_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for PeerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PeerIdVisitor;

        impl Visitor<'_> for PeerIdVisitor {
            type Value = PeerId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a UUID: 32 hexadecimal digits or 16 bytes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PeerId, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<PeerId, E> {
                bytes.try_into().map_err(E::custom)
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_str(PeerIdVisitor)
        } else {
            deserializer.deserialize_bytes(PeerIdVisitor)
        }
    }
}

/// In text formats its Z85, in binary formats its 32 bytes.
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.as_bytes().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => String::deserialize(deserializer)?
                .parse()
                .map_err(de::Error::custom),
            false => <[u8; 32]>::deserialize(deserializer).map(Self::from),
        }
    }
}

/// A list of pairs: the same name may come twice.
impl Serialize for KeyMetadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for KeyMetadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Vec::<(String, String)>::deserialize(deserializer)?;
        Ok(all.into_iter().collect())
    }
}

/// Its notation, `tcp://host:port`.
impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

macro_rules! texts {
    ($($name:ident)*) => {$(
        /// In text formats a string if it is UTF-8, otherwise a list of its bytes as numbers. In
        /// binary formats its bytes.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                TextOrBytes(self.as_bytes()).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let Buffer(bytes) = Buffer::deserialize(deserializer)?;
                Self::try_from(bytes).map_err(de::Error::custom)
            }
        }
    )*};
}

texts!(Text ShortText GroupName);

/// A list of its frames. In text formats a frame is a string if it is UTF-8, otherwise a list of
/// its bytes as numbers. In binary formats it is its bytes.
impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|frame| TextOrBytes(frame)))
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let frames = Vec::<Buffer>::deserialize(deserializer)?;
        Ok(frames.into_iter().map(|Buffer(bytes)| bytes).collect())
    }
}

/// A map of names to values. In text formats, where the keys of a map are strings, it is a list of
/// pairs if a name is not UTF-8.
impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let takes_strings = serializer.is_human_readable();
        if takes_strings && self.iter().any(|(name, _)| name.as_str().is_none()) {
            serializer.collect_seq(self)
        } else {
            serializer.collect_map(self)
        }
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers: a map, or a list of pairs, of names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Headers::default();
                while let Some(pair) = map.next_entry()? {
                    headers.extend([pair]);
                }
                Ok(headers)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Headers, A::Error> {
                let mut headers = Headers::default();
                while let Some(pair) = pairs.next_element()? {
                    headers.extend([pair]);
                }
                Ok(headers)
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_any(HeadersVisitor)
        } else {
            deserializer.deserialize_map(HeadersVisitor)
        }
    }
}

/// How bytes that are normally text are written.
struct TextOrBytes<'a>(&'a [u8]);

impl Serialize for TextOrBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(self.0);
        }
        match str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            // Not `serialize_bytes`, for which text formats have notations of their own.
            Err(_) => serializer.collect_seq(self.0),
        }
    }
}

/// The bytes that [`TextOrBytes`] wrote.
struct Buffer(Vec<u8>);

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BufferVisitor;

        impl<'de> Visitor<'de> for BufferVisitor {
            type Value = Buffer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or bytes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Buffer, E> {
                Ok(Buffer(text.into()))
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Buffer, E> {
                Ok(Buffer(bytes.into()))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Buffer, E> {
                Ok(Buffer(bytes))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Buffer, A::Error> {
                // Nothing is reserved by `size_hint`, which may be what a stranger announced.
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Buffer(bytes))
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_any(BufferVisitor)
        } else {
            deserializer.deserialize_byte_buf(BufferVisitor)
        }
    }
}
