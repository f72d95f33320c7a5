//! ZMTP commands (RFC 37, "Commands"; READY, ERROR, PING and PONG).

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{
    reader::{Reader, Truncated},
    text::{ShortText, Text},
};

/// The body of a command frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Ends the handshake and describes the sender.
    Ready(Metadata),
    /// The sender refuses the connection.
    Error {
        /// Why, in the sender's words.
        reason: ShortText,
    },
    /// Asks for a [`Pong`](Command::Pong).
    Ping {
        /// After how much silence the sender closes the connection, in tenths of a second; 0 for
        /// never.
        ttl: u16,
        /// Up to 16 bytes that the answer repeats.
        context: Bytes,
    },
    /// Answers a [`Ping`](Command::Ping).
    Pong {
        /// The context of the PING.
        context: Bytes,
    },
    /// A command with a name that this implementation does not know. Its data is not kept.
    Unknown {
        /// The command's name.
        name: ShortText,
    },
}

/// Why the body of a command frame is not a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The command ends inside a field.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The context of a PING or PONG is longer than 16 bytes.
    #[error("the context of a PING or PONG has {0} bytes, at most 16 are allowed")]
    Context(usize),
    /// A command or a property has an empty name.
    #[error("a command or property without a name")]
    NoName,
}

impl Command {
    /// Reads the body of a command frame.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if it is cut short, if a PING or PONG has a context of more than 16 bytes,
    /// or if a command or property has no name.
    pub fn decode(body: &[u8]) -> Result<Self, CommandError> {
        let mut fields = Reader::new(body);
        let name = fields.string("command name")?;
        Ok(match name {
            b"READY" => Self::Ready(Metadata::decode(fields)?),
            b"ERROR" => Self::Error {
                reason: read_short(fields.string("error reason")?),
            },
            b"PING" => Self::Ping {
                ttl: fields.u16("ping ttl")?,
                context: read_context(fields)?,
            },
            b"PONG" => Self::Pong {
                context: read_context(fields)?,
            },
            b"" => return Err(CommandError::NoName),
            _ => Self::Unknown {
                name: read_short(name),
            },
        })
    }

    /// The reason in the body of a command frame, if it is that of ERROR. Of CURVE's commands this
    /// is the only one that [`decode`](Self::decode) reads, too.
    pub fn error_reason(body: &[u8]) -> Option<ShortText> {
        match Self::decode(body.strip_prefix(b"\x05ERROR").and(Some(body))?) {
            Ok(Self::Error { reason }) => Some(reason),
            _ => None,
        }
    }

    /// The body of the command frame.
    ///
    /// A context of more than 16 bytes is written as it is, and so is an unknown command that has
    /// the name of a known one. Neither can be read back.
    pub fn encode(&self) -> Bytes {
        let mut body = BytesMut::new();
        match self {
            Self::Ready(metadata) => {
                body.put_slice(b"\x05READY");
                metadata.encode(&mut body);
            }
            Self::Error { reason } => {
                body.put_slice(b"\x05ERROR");
                put_short(&mut body, reason);
            }
            Self::Ping { ttl, context } => {
                body.put_slice(b"\x04PING");
                body.put_u16(*ttl);
                body.put_slice(context);
            }
            Self::Pong { context } => {
                body.put_slice(b"\x04PONG");
                body.put_slice(context);
            }
            Self::Unknown { name } => put_short(&mut body, name),
        }
        body.freeze()
    }
}

/// The properties with which a side describes itself in READY, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(ShortText, Text)>);

impl Metadata {
    /// The property that names the socket type, such as `DEALER`.
    pub const SOCKET_TYPE: &'static str = "Socket-Type";
    /// The property that carries the routing id.
    pub const IDENTITY: &'static str = "Identity";
    /// The property in which this implementation names the messages of no RFC that it understands:
    /// `ELECT`, for elections of leaders. Other implementations pass over it, as over all whose
    /// names begin with `X-` (RFC 37, "Connection Metadata").
    pub const UNDERSTANDS: &'static str = "X-ZRE-Understands";

    /// Adds a property.
    #[must_use]
    pub fn with(mut self, name: ShortText, value: impl Into<Text>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// The value of the first property with this name, in upper or lower case (RFC 37: names are
    /// case-insensitive).
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(key, _)| key.as_bytes().eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_bytes())
    }

    /// Reads properties up to the end.
    pub(crate) fn decode_all(properties: &[u8]) -> Result<Self, CommandError> {
        Self::decode(Reader::new(properties))
    }

    fn decode(mut fields: Reader<'_>) -> Result<Self, CommandError> {
        let mut properties = Vec::new();
        while !fields.is_empty() {
            let name = read_short(fields.string("property name")?);
            if name.is_empty() {
                return Err(CommandError::NoName);
            }
            properties.push((name, fields.longstr("property value")?.into()));
        }
        Ok(Self(properties))
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        for (name, value) in &self.0 {
            put_short(out, name);
            out.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
            out.put_slice(value.as_bytes());
        }
    }
}

fn read_context(fields: Reader<'_>) -> Result<Bytes, CommandError> {
    const MAX: usize = 16;
    let context = fields.into_rest();
    if context.len() > MAX {
        return Err(CommandError::Context(context.len()));
    }
    Ok(Bytes::copy_from_slice(context))
}

fn read_short(bytes: &[u8]) -> ShortText {
    // It always fits: it was read after a length of one byte.
    bytes.try_into().unwrap_or_default()
}

fn put_short(out: &mut BytesMut, text: &ShortText) {
    out.put_u8(text.length_byte());
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn property_names_are_found_in_any_case() {
        let body = &b"\x05READY\x0Bsocket-TYPE\0\0\0\x06ROUTER"[..];
        let Ok(Command::Ready(metadata)) = Command::decode(body) else {
            panic!("not READY")
        };
        assert_eq!(metadata.get(Metadata::SOCKET_TYPE), Some(&b"ROUTER"[..]));
        assert_eq!(metadata.get(Metadata::IDENTITY), None);
    }

    #[test]
    fn each_fault_is_named() {
        let error = |body: &'static [u8]| Command::decode(body).unwrap_err().to_string();
        assert_eq!(error(b""), "command name needs 1 bytes, 0 are left");
        assert_eq!(error(b"\x05REA"), "command name needs 5 bytes, 3 are left");
        assert_eq!(
            error(b"\x05READY\x01x\xFF\xFF\xFF\xFF"),
            "property value needs 4294967295 bytes, 0 are left"
        );
        assert_eq!(error(b"\x04PING\0"), "ping ttl needs 2 bytes, 1 are left");
        assert_eq!(
            error(b"\x04PING\0\x0012345678901234567"),
            "the context of a PING or PONG has 17 bytes, at most 16 are allowed"
        );
    }

    #[test]
    fn a_command_of_another_name_is_unknown_and_not_wrong() {
        let command = Command::decode(b"\x09SUBSCRIBEx");
        assert!(matches!(command, Ok(Command::Unknown { name }) if name == "SUBSCRIBE"));
    }
}
