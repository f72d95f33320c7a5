use std::{collections::BTreeSet, num::NonZeroU16};

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use zre_proto::{
    Body, Content, Endpoint, GroupName, Headers, Hello, Message, MessageError, MessageLimits,
    PeerId, RoutingId, ShortText, Text,
};

use crate::{
    heap::Meter,
    wire::{self, short_text},
};

const LIMITS: MessageLimits = MessageLimits::new()
    .groups(16)
    .headers(16)
    .header_frame(1024);
/// The most that reading some bytes may take from the heap, for each of them: a group of no bytes
/// costs a name and its place in a set.
const COST: usize = 64;

/// The bytes are a first frame, the frames of a message, the parts of a value, and a text. What is
/// read is written so that it reads the same; what was built reads as it was; nothing is read
/// beyond the limits or takes memory that was only announced.
pub fn message(bytes: &[u8]) {
    let frame = Bytes::copy_from_slice(bytes);
    first_frame(&frame);
    frames(frame.clone());
    if let Ok(message) = Built::arbitrary(&mut Unstructured::new(bytes)) {
        built(&message.into());
    }
    text(frame);
}

fn first_frame(frame: &Bytes) {
    let meter = Meter::start();
    let decoded = decode(frame.clone(), Content::default());
    assert!(meter.taken() <= 4096 + COST * frame.len());
    match decoded {
        Ok(message) => reads_as_written(&message),
        Err(MessageError::HeaderFrame { length, limit }) => {
            assert_eq!((length, limit), (frame.len(), LIMITS.header_frame));
            assert!(length > limit);
        }
        Err(
            MessageError::TooManyGroups { announced, limit }
            | MessageError::TooManyHeaders { announced, limit },
        ) => assert!(announced > limit),
        Err(_) => {}
    }
    // Without limits of its own a decoder takes no more than it sees.
    let no_limits = MessageLimits::new()
        .groups(u32::MAX)
        .headers(u32::MAX)
        .header_frame(usize::MAX);
    let meter = Meter::start();
    _ = Message::decode(frame, Content::default(), &no_limits);
    assert!(meter.taken() <= 4096 + COST * frame.len());
}

fn frames(mut bytes: Bytes) {
    while let Some(message) = wire::take_frames(&mut bytes) {
        let frames = message.rest.clone();
        let Ok(message) = decode(message.first, message.rest) else {
            continue;
        };
        if let Some(content) = message.body.content() {
            assert_eq!(*content, frames);
        }
        reads_as_written(&message);
    }
}

fn reads_as_written(message: &Message) {
    if let Body::Hello(hello) = &message.body {
        assert!(hello.groups.len() <= LIMITS.groups as usize);
        assert!(hello.headers.len() <= LIMITS.headers as usize);
        endpoint_reads_as_shown(&hello.endpoint);
    }
    let again = read_back(message);
    assert_eq!(again.as_ref(), Ok(message));
    assert_eq!(again.unwrap().header(), message.header());
}

/// Writes a message as it stands on a connection, and reads that.
fn read_back(message: &Message) -> Result<Message, MessageError> {
    let header = message.header();
    assert_eq!(header.len(), message.header_len());
    let mut bytes = Vec::new();
    wire::put_message(&mut bytes, message);
    let mut bytes = Bytes::from(bytes);
    let frames = wire::take_frames(&mut bytes).expect("whole frames");
    assert!(bytes.is_empty());
    assert_eq!(frames.first, header);
    decode(frames.first, frames.rest)
}

fn decode(first: Bytes, rest: Content) -> Result<Message, MessageError> {
    Message::decode(&first, rest, &LIMITS)
}

/// What an application can build is read as it was built, or refused for a limit.
fn built(message: &Message) {
    match read_back(message) {
        Ok(again) => {
            assert_eq!(again, *message);
            assert_eq!(again.header(), message.header());
        }
        Err(MessageError::HeaderFrame { .. }) => {
            assert!(message.header_len() > LIMITS.header_frame);
        }
        Err(MessageError::TooManyGroups { .. } | MessageError::TooManyHeaders { .. }) => {
            assert!(matches!(message.body, Body::Hello(_)));
        }
        Err(error) => panic!("{message:?}: {error}"),
    }
}

/// The texts, identities and endpoints that messages carry.
fn text(bytes: Bytes) {
    let text = Text::from(bytes.clone());
    assert_eq!(text.as_bytes(), bytes);
    assert_eq!(
        text.to_str().is_ok(),
        text.to_str() == Ok(&*text.to_string())
    );
    let short = ShortText::try_from(bytes.clone());
    assert_eq!(short.is_ok(), bytes.len() <= ShortText::MAX_LEN);
    assert_eq!(GroupName::try_from(bytes.clone()).is_ok(), short.is_ok());
    if let Some(id) = RoutingId::from_bytes(&bytes) {
        assert_eq!(id.to_bytes()[..], bytes);
        assert_eq!(RoutingId::from(id.peer()), id);
    }
    let Ok(text) = text.to_str() else { return };
    if let Ok(peer) = text.parse::<PeerId>() {
        assert_eq!(peer.to_string().parse(), Ok(peer));
        assert_eq!(peer.to_string(), text.replace('-', "").to_uppercase());
    }
    for text in [text, &format!("tcp://{text}")] {
        if let Ok(endpoint) = text.parse() {
            endpoint_reads_as_shown(&endpoint);
            let canonical = endpoint.canonical();
            endpoint_reads_as_shown(&canonical);
            assert_eq!(canonical.canonical(), canonical);
        }
    }
}

fn endpoint_reads_as_shown(endpoint: &Endpoint) {
    let shown = endpoint.to_string();
    assert!(shown.len() <= ShortText::MAX_LEN, "{shown}");
    assert_eq!(shown.parse().as_ref(), Ok(endpoint));
    if let Some(address) = endpoint.to_socket_addr() {
        assert_eq!(Endpoint::from_socket_addr(address).as_ref(), Some(endpoint));
    }
}

/// The parts of any message that the types allow.
#[derive(Arbitrary)]
struct Built<'a> {
    sequence: u16,
    said: Said<'a>,
}

#[derive(Arbitrary)]
enum Said<'a> {
    Hello {
        address: core::net::SocketAddr,
        groups: Vec<&'a [u8]>,
        status: u8,
        name: &'a [u8],
        headers: Vec<(&'a [u8], &'a [u8])>,
    },
    Whisper(Vec<&'a [u8]>),
    Shout(&'a [u8], Vec<&'a [u8]>),
    Join(&'a [u8], u8),
    Leave(&'a [u8], u8),
    Ping,
    PingOk,
    Elect(&'a [u8], &'a [u8]),
    Leader(&'a [u8], &'a [u8]),
    Goodbye,
    Unknown(u8),
}

impl From<Built<'_>> for Message {
    fn from(built: Built<'_>) -> Self {
        let body = match built.said {
            Said::Hello {
                address,
                groups,
                status,
                name,
                headers,
            } => hello(address, &groups, status, name, &headers).into(),
            Said::Whisper(frames) => Body::Whisper {
                content: content(&frames),
            },
            Said::Shout(name, frames) => Body::Shout {
                group: group(name),
                content: content(&frames),
            },
            Said::Join(name, status) => Body::Join {
                group: group(name),
                status,
            },
            Said::Leave(name, status) => Body::Leave {
                group: group(name),
                status,
            },
            Said::Ping => Body::Ping,
            Said::PingOk => Body::PingOk,
            Said::Elect(name, challenger) => Body::Elect {
                group: group(name),
                challenger: short_text(challenger),
            },
            Said::Leader(name, leader) => Body::Leader {
                group: group(name),
                leader: short_text(leader),
            },
            Said::Goodbye => Body::Goodbye,
            // The first ids are those of known messages, which have fields.
            Said::Unknown(id) => Body::Unknown {
                id: if (1..=10).contains(&id) { 0 } else { id },
            },
        };
        Self {
            sequence: built.sequence,
            body,
        }
    }
}

fn hello(
    address: core::net::SocketAddr,
    groups: &[&[u8]],
    status: u8,
    name: &[u8],
    pairs: &[(&[u8], &[u8])],
) -> Hello {
    let port = NonZeroU16::new(address.port()).unwrap_or(NonZeroU16::MIN);
    let fallback = || Endpoint::new([10, 0, 0, 1].into(), port);
    let mut headers = Headers::default();
    for (name, value) in pairs {
        let value = Bytes::copy_from_slice(value);
        headers.set(Text::clone(&short_text(name)), value).unwrap();
    }
    Hello {
        endpoint: Endpoint::from_socket_addr(address).unwrap_or_else(fallback),
        groups: groups
            .iter()
            .map(|name| group(name))
            .collect::<BTreeSet<_>>(),
        status,
        name: short_text(name),
        headers,
    }
}

fn content(frames: &[&[u8]]) -> Content {
    frames
        .iter()
        .map(|frame| Bytes::copy_from_slice(frame))
        .collect()
}

fn group(bytes: &[u8]) -> GroupName {
    Text::clone(&short_text(bytes)).try_into().unwrap()
}
