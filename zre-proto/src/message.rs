//! ZRE messages (RFC 36/ZRE, "Protocol Grammar"; ids 8 to 10 as zyre 2.0 sends them).

use alloc::{boxed::Box, collections::BTreeSet, string::String};

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::{
    content::Content,
    endpoint::{Endpoint, EndpointError, Host},
    headers::Headers,
    reader::{Reader, Truncated},
    text::{GroupName, ShortText, Text, TooLong},
};

const SIGNATURE: u16 = 0xAAA1;
const VERSION: u8 = 2;

mod id {
    pub(super) const HELLO: u8 = 1;
    pub(super) const WHISPER: u8 = 2;
    pub(super) const SHOUT: u8 = 3;
    pub(super) const JOIN: u8 = 4;
    pub(super) const LEAVE: u8 = 5;
    pub(super) const PING: u8 = 6;
    pub(super) const PING_OK: u8 = 7;
    pub(super) const ELECT: u8 = 8;
    pub(super) const LEADER: u8 = 9;
    pub(super) const GOODBYE: u8 = 10;
}

/// One ZRE message: what it says, and its place in the sender's sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The number of this message among those to one peer: 1 for HELLO, one more for each after it.
    pub sequence: u16,
    /// What the message says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// Presents the sender; the first message on every connection.
    Hello(Box<Hello>),
    /// A message for this peer alone. One without a content frame crashes a peer that runs pyre.
    Whisper {
        /// What it carries.
        content: Content,
    },
    /// A message for the members of a group. One without a content frame crashes a peer that runs
    /// pyre.
    Shout {
        /// The group.
        group: GroupName,
        /// What it carries.
        content: Content,
    },
    /// The sender has joined a group.
    Join {
        /// The group.
        group: GroupName,
        /// The sender's status counter after joining.
        status: u8,
    },
    /// The sender has left a group.
    Leave {
        /// The group.
        group: GroupName,
        /// The sender's status counter after leaving.
        status: u8,
    },
    /// Asks for [`PingOk`](Body::PingOk).
    Ping,
    /// Answers [`Ping`](Body::Ping), after everything that was sent before.
    PingOk,
    /// Takes part in the election of a group's leader (zyre, in no RFC).
    Elect {
        /// The group.
        group: GroupName,
        /// The UUID of the challenger, in the sender's spelling.
        challenger: ShortText,
    },
    /// Says who won the election (zyre, in no RFC).
    Leader {
        /// The group.
        group: GroupName,
        /// The UUID of the leader, in the sender's spelling.
        leader: ShortText,
    },
    /// The sender is leaving. zyre sends it only where no beacon could say so.
    Goodbye,
    /// A message with an id that this implementation does not know. It counts in the sequence; its
    /// fields are not kept.
    Unknown {
        /// The message's id on the wire.
        id: u8,
    },
}

/// How a node presents itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Where the sender accepts connections.
    pub endpoint: Endpoint,
    /// The groups that the sender is in.
    pub groups: BTreeSet<GroupName>,
    /// The sender's status counter: joins and leaves so far, modulo 256.
    pub status: u8,
    /// The sender's name.
    pub name: ShortText,
    /// The sender's headers.
    pub headers: Headers,
}

/// What a decoder accepts in one message.
///
/// ```
/// use zre_proto::MessageLimits;
///
/// let limits = MessageLimits::new().groups(16).headers(16);
/// assert_eq!((limits.groups, limits.header_frame), (16, 1 << 20));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageLimits {
    /// The most groups in a HELLO; 1024 unless set.
    pub groups: u32,
    /// The most headers in a HELLO; 256 unless set.
    pub headers: u32,
    /// The most bytes in the first frame of a message, which holds everything but the content;
    /// 1 MiB unless set.
    pub header_frame: usize,
}

impl MessageLimits {
    /// The default limits: 1024 groups, 256 headers, 1 MiB.
    pub const fn new() -> Self {
        Self {
            groups: 1024,
            headers: 256,
            header_frame: 1 << 20,
        }
    }

    /// Sets the most groups in a HELLO.
    #[must_use]
    pub const fn groups(self, groups: u32) -> Self {
        Self { groups, ..self }
    }

    /// Sets the most headers in a HELLO.
    #[must_use]
    pub const fn headers(self, headers: u32) -> Self {
        Self { headers, ..self }
    }

    /// Sets the most bytes in the first frame of a message.
    #[must_use]
    pub const fn header_frame(self, header_frame: usize) -> Self {
        Self {
            header_frame,
            ..self
        }
    }
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// Why frames are not a ZRE message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The message ends inside a field.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The message does not begin with `AA A1`.
    #[error("message signature {0:04X}, expected AAA1")]
    Signature(u16),
    /// The version is not 2.
    #[error("message version {0}, expected 2")]
    Version(u8),
    /// The first frame is longer than the limit.
    #[error("the first frame has {length} bytes, the limit is {limit}")]
    HeaderFrame {
        /// The frame's length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A HELLO announces more groups than the limit.
    #[error("HELLO announces {announced} groups, the limit is {limit}")]
    TooManyGroups {
        /// How many are announced.
        announced: u32,
        /// The limit.
        limit: u32,
    },
    /// A HELLO announces more headers than the limit.
    #[error("HELLO announces {announced} headers, the limit is {limit}")]
    TooManyHeaders {
        /// How many are announced.
        announced: u32,
        /// The limit.
        limit: u32,
    },
    /// A group in a HELLO has a name of more than 255 bytes, which no other message could carry.
    #[error("HELLO: {0}")]
    Group(#[from] TooLong),
    /// The endpoint in a HELLO is not one.
    #[error("HELLO: {0}")]
    Endpoint(#[from] EndpointError),
}

impl Message {
    /// Reads a message from its first frame and the frames behind it.
    ///
    /// As in zyre and pyre, content after a message that carries none is ignored, and so are bytes
    /// after the last field.
    ///
    /// # Errors
    ///
    /// [`MessageError`] for anything that is not a message within `limits`.
    pub fn decode(
        header: &[u8],
        content: Content,
        limits: &MessageLimits,
    ) -> Result<Self, MessageError> {
        if header.len() > limits.header_frame {
            return Err(MessageError::HeaderFrame {
                length: header.len(),
                limit: limits.header_frame,
            });
        }
        let mut fields = Reader::new(header);
        let signature = fields.u16("signature")?;
        if signature != SIGNATURE {
            return Err(MessageError::Signature(signature));
        }
        let id = fields.u8("id")?;
        let version = fields.u8("version")?;
        if version != VERSION {
            return Err(MessageError::Version(version));
        }
        Ok(Self {
            sequence: fields.u16("sequence")?,
            body: Body::decode(id, &mut fields, content, limits)?,
        })
    }

    /// The first frame: everything but the content.
    pub fn header(&self) -> Bytes {
        let mut frame = BytesMut::with_capacity(self.header_len());
        self.encode_header(&mut frame);
        frame.freeze()
    }

    /// The length of the first frame in bytes.
    pub fn header_len(&self) -> usize {
        6 + self.body.fields_len()
    }

    /// Writes the first frame to `out`: [`header_len`](Message::header_len) bytes.
    pub fn encode_header(&self, out: &mut impl BufMut) {
        // One `put_slice` is faster than four calls, and every message passes here.
        let [signature, signature_end] = SIGNATURE.to_be_bytes();
        let [sequence, sequence_end] = self.sequence.to_be_bytes();
        out.put_slice(&[
            signature,
            signature_end,
            self.body.id(),
            VERSION,
            sequence,
            sequence_end,
        ]);
        self.body.encode_fields(out);
    }
}

impl Body {
    /// The frames after the first, if this is a message that carries content.
    pub fn content(&self) -> Option<&Content> {
        match self {
            Self::Whisper { content } | Self::Shout { content, .. } => Some(content),
            _ => None,
        }
    }

    /// The name of this message in RFC 36 and in zyre.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hello(_) => "HELLO",
            Self::Whisper { .. } => "WHISPER",
            Self::Shout { .. } => "SHOUT",
            Self::Join { .. } => "JOIN",
            Self::Leave { .. } => "LEAVE",
            Self::Ping => "PING",
            Self::PingOk => "PING-OK",
            Self::Elect { .. } => "ELECT",
            Self::Leader { .. } => "LEADER",
            Self::Goodbye => "GOODBYE",
            Self::Unknown { .. } => "unknown message",
        }
    }

    fn id(&self) -> u8 {
        match self {
            Self::Hello(_) => id::HELLO,
            Self::Whisper { .. } => id::WHISPER,
            Self::Shout { .. } => id::SHOUT,
            Self::Join { .. } => id::JOIN,
            Self::Leave { .. } => id::LEAVE,
            Self::Ping => id::PING,
            Self::PingOk => id::PING_OK,
            Self::Elect { .. } => id::ELECT,
            Self::Leader { .. } => id::LEADER,
            Self::Goodbye => id::GOODBYE,
            Self::Unknown { id } => *id,
        }
    }

    fn decode(
        id: u8,
        fields: &mut Reader<'_>,
        content: Content,
        limits: &MessageLimits,
    ) -> Result<Self, MessageError> {
        Ok(match id {
            id::HELLO => Hello::decode(fields, limits)?.into(),
            id::WHISPER => Self::Whisper { content },
            id::SHOUT => Self::Shout {
                group: read_group(fields)?,
                content,
            },
            id::JOIN => Self::Join {
                group: read_group(fields)?,
                status: fields.u8("status")?,
            },
            id::LEAVE => Self::Leave {
                group: read_group(fields)?,
                status: fields.u8("status")?,
            },
            id::PING => Self::Ping,
            id::PING_OK => Self::PingOk,
            id::ELECT => Self::Elect {
                group: read_group(fields)?,
                challenger: read_string(fields, "challenger_id")?,
            },
            id::LEADER => Self::Leader {
                group: read_group(fields)?,
                leader: read_string(fields, "leader_id")?,
            },
            id::GOODBYE => Self::Goodbye,
            id => Self::Unknown { id },
        })
    }

    fn fields_len(&self) -> usize {
        match self {
            Self::Hello(hello) => hello.encoded_len(),
            Self::Shout { group, .. } => 1 + group.len(),
            Self::Join { group, .. } | Self::Leave { group, .. } => 1 + group.len() + 1,
            Self::Elect {
                group,
                challenger: id,
            }
            | Self::Leader { group, leader: id } => 1 + group.len() + 1 + id.len(),
            Self::Whisper { .. }
            | Self::Ping
            | Self::PingOk
            | Self::Goodbye
            | Self::Unknown { .. } => 0,
        }
    }

    fn encode_fields(&self, out: &mut impl BufMut) {
        match self {
            Self::Hello(hello) => hello.encode(out),
            Self::Shout { group, .. } => put_string(out, group),
            Self::Join { group, status } | Self::Leave { group, status } => {
                put_string(out, group);
                out.put_u8(*status);
            }
            Self::Elect {
                group,
                challenger: id,
            }
            | Self::Leader { group, leader: id } => {
                put_string(out, group);
                put_string(out, id);
            }
            Self::Whisper { .. }
            | Self::Ping
            | Self::PingOk
            | Self::Goodbye
            | Self::Unknown { .. } => {}
        }
    }
}

impl From<Hello> for Body {
    fn from(hello: Hello) -> Self {
        Self::Hello(Box::new(hello))
    }
}

impl Hello {
    fn decode(fields: &mut Reader<'_>, limits: &MessageLimits) -> Result<Self, MessageError> {
        Ok(Self {
            // Bytes that are not UTF-8 become U+FFFD, which no endpoint has.
            endpoint: String::from_utf8_lossy(fields.string("endpoint")?).parse()?,
            groups: read_groups(fields, limits.groups)?,
            status: fields.u8("status")?,
            name: read_string(fields, "name")?,
            headers: read_headers(fields, limits.headers)?,
        })
    }

    fn encoded_len(&self) -> usize {
        let groups: usize = self.groups.iter().map(|group| 4 + group.len()).sum();
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| 1 + name.len() + 4 + value.len());
        let endpoint = 1 + self.endpoint_text().len();
        endpoint + 4 + groups + 1 + 1 + self.name.len() + 4 + headers.sum::<usize>()
    }

    fn encode(&self, out: &mut impl BufMut) {
        put_string(out, &self.endpoint_text());
        out.put_u32(wire_count(self.groups.len()));
        self.groups.iter().for_each(|group| put_longstr(out, group));
        out.put_u8(self.status);
        put_string(out, &self.name);
        out.put_u32(wire_count(self.headers.len()));
        for (name, value) in &self.headers {
            put_string(out, name);
            put_longstr(out, value);
        }
    }

    fn endpoint_text(&self) -> ShortText {
        let port = self.endpoint.port();
        let text = match self.endpoint.host() {
            // zyre adds the scope that it needs to a link-local address without brackets alone.
            Host::V6 {
                address,
                scope: None,
            } if address.is_unicast_link_local() => alloc::format!("tcp://{address}:{port}"),
            _ => alloc::format!("{}", self.endpoint),
        };
        // It always fits: `Endpoint` limits the length of its parts.
        text.try_into().unwrap_or_default()
    }
}

fn read_string(fields: &mut Reader<'_>, field: &'static str) -> Result<ShortText, MessageError> {
    Ok(fields.string(field)?.try_into()?)
}

fn read_group(fields: &mut Reader<'_>) -> Result<GroupName, MessageError> {
    Ok(fields.string("group")?.try_into()?)
}

fn read_groups(fields: &mut Reader<'_>, limit: u32) -> Result<BTreeSet<GroupName>, MessageError> {
    let announced = fields.u32("groups count")?;
    if announced > limit {
        return Err(MessageError::TooManyGroups { announced, limit });
    }
    (0..announced)
        .map(|_| Ok(fields.longstr("groups")?.try_into()?))
        .collect()
}

fn read_headers(fields: &mut Reader<'_>, limit: u32) -> Result<Headers, MessageError> {
    let announced = fields.u32("headers count")?;
    if announced > limit {
        return Err(MessageError::TooManyHeaders { announced, limit });
    }
    let mut headers = Headers::default();
    for _ in 0..announced {
        let name = read_string(fields, "header name")?;
        headers.add(name, fields.longstr("header value")?.into());
    }
    Ok(headers)
}

fn put_string(out: &mut impl BufMut, text: &ShortText) {
    out.put_u8(text.length_byte());
    out.put_slice(text.as_bytes());
}

fn put_longstr(out: &mut impl BufMut, text: &Text) {
    out.put_u32(wire_count(text.len()));
    out.put_slice(text.as_bytes());
}

fn wire_count(count: usize) -> u32 {
    // Four billion groups or headers, or a header of 4 GiB, exceed every limit long before.
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn decode(header: &'static [u8]) -> Result<Message, MessageError> {
        let limits = MessageLimits::new().groups(2).headers(1).header_frame(64);
        Message::decode(header, Content::default(), &limits)
    }

    #[test]
    fn a_link_local_endpoint_goes_out_without_brackets() {
        for (endpoint, written) in [
            ("tcp://[fe80::1]:49152", "tcp://fe80::1:49152"),
            ("tcp://[fd94::1]:49152", "tcp://[fd94::1]:49152"),
        ] {
            let hello = Hello {
                endpoint: endpoint.parse().unwrap(),
                groups: [].into(),
                status: 0,
                name: ShortText::default(),
                headers: Headers::default(),
            };
            let message = Message {
                sequence: 1,
                body: hello.into(),
            };
            let bytes = message.header();
            let text = &bytes[7..];
            assert!(
                text.starts_with(written.as_bytes()),
                "{}",
                text.escape_ascii()
            );
            let read = Message::decode(&bytes, Content::default(), &MessageLimits::default());
            assert_eq!(read.unwrap(), message);
        }
    }

    #[test]
    fn each_fault_is_named() {
        for (header, message) in [
            (&b"\xAA"[..], "signature needs 2 bytes, 1 are left"),
            (
                b"\xAA\xA3\x06\x02\0\x01",
                "message signature AAA3, expected AAA1",
            ),
            (b"\xAA\xA1\x06\x03\0\x01", "message version 3, expected 2"),
            (b"\xAA\xA1\x06\x02\0", "sequence needs 2 bytes, 1 are left"),
            (
                b"\xAA\xA1\x04\x02\0\x02\x09CHAT",
                "group needs 9 bytes, 4 are left",
            ),
            (
                b"\xAA\xA1\x04\x02\0\x02\x04CHAT",
                "status needs 1 bytes, 0 are left",
            ),
            (
                b"\xAA\xA1\x01\x02\0\x01\x03udp",
                "HELLO: endpoint \"udp\" does not begin with \"tcp://\"",
            ),
            (
                b"\xAA\xA1\x01\x02\0\x01\x0Atcp://h:80\xFF\xFF\xFF\xFF",
                "HELLO announces 4294967295 groups, the limit is 2",
            ),
            (
                b"\xAA\xA1\x01\x02\0\x01\x0Atcp://h:80\0\0\0\x01\xFF\xFF\xFF\xFF",
                "groups needs 4294967295 bytes, 0 are left",
            ),
            (
                b"\xAA\xA1\x01\x02\0\x01\x0Atcp://h:80\0\0\0\0\0\x01a\0\0\0\x02",
                "HELLO announces 2 headers, the limit is 1",
            ),
            (&[0xAA; 65], "the first frame has 65 bytes, the limit is 64"),
        ] {
            assert_eq!(decode(header).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_group_in_hello_that_no_join_could_name_is_an_error() {
        let mut header = b"\xAA\xA1\x01\x02\0\x01\x0Atcp://h:80\0\0\0\x01\0\0\x01\0".to_vec();
        header.extend([b'g'; 256]);
        let error = Message::decode(&header, Content::default(), &MessageLimits::default());
        assert!(matches!(error, Err(MessageError::Group(_))), "{error:?}");
    }

    #[test]
    fn of_two_headers_with_one_name_the_first_counts() {
        let header = b"\xAA\xA1\x01\x02\0\x01\x0Atcp://h:80\0\0\0\0\0\x01a\
            \0\0\0\x02\x01K\0\0\0\x01x\x01K\0\0\0\x01y";
        let message = Message::decode(header, Content::default(), &MessageLimits::default());
        let Ok(Message {
            body: Body::Hello(hello),
            ..
        }) = message
        else {
            panic!("{message:?}")
        };
        assert_eq!(hello.headers.get("K").unwrap(), "x");
    }

    #[test]
    fn an_unknown_id_is_a_message_with_a_sequence() {
        let message = decode(b"\xAA\xA1\x63\x02\0\x09whatever").unwrap();
        assert_eq!(message.sequence, 9);
        assert_eq!(message.body, Body::Unknown { id: 0x63 });
    }
}
