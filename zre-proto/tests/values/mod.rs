//! Arbitrary values of every type that goes on the wire.

#![allow(dead_code, reason = "each test file takes what it needs")]

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU16,
};

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};
use zre_proto::{
    Beacon, Body, Content, Endpoint, GossipMessage, GossipTuple, GroupName, Headers, Hello,
    Message, PeerId, ShortText, Text,
    zmtp::{Command, FrameHeader, Greeting, Metadata},
};

/// The ids from 1 to this one are known.
const LAST_KNOWN_ID: u8 = 10;

pub(crate) fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

pub(crate) fn text() -> impl Strategy<Value = Text> {
    let utf8 = any::<String>().prop_map(Text::from);
    prop_oneof![utf8, bytes(600).prop_map(Text::from)]
}

pub(crate) fn short_text() -> impl Strategy<Value = ShortText> {
    let longest = vec(any::<u8>(), ShortText::MAX_LEN).prop_map(Bytes::from);
    let short = prop_oneof![4 => bytes(ShortText::MAX_LEN), 1 => longest];
    short.prop_map(|bytes| bytes.try_into().unwrap())
}

pub(crate) fn group() -> impl Strategy<Value = GroupName> {
    short_text().prop_map(|text| Text::clone(&text).try_into().unwrap())
}

pub(crate) fn peer() -> impl Strategy<Value = PeerId> {
    any::<[u8; 16]>().prop_map(PeerId::from)
}

pub(crate) fn beacon() -> impl Strategy<Value = Beacon> {
    let parts = (peer(), any::<u16>(), option::of(any::<[u8; 32]>()));
    parts.prop_map(|(peer, port, public_key)| Beacon {
        peer,
        port: NonZeroU16::new(port),
        public_key: public_key.map(Into::into),
    })
}

/// The notation of an address of either family, with or without a scope, or of a host name.
pub(crate) fn endpoint_text() -> impl Strategy<Value = String> {
    // Its last letter is in no number.
    let name = "[A-Za-z0-9._-]{0,239}[G-Wg-w_-]";
    let scope = "(%[A-Za-z0-9._-]{1,64})?";
    let v4 = (1..224_u8, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| format!("{a}.{b}.{c}.{d}"));
    let v6_address = any::<Ipv6Addr>().prop_filter("no host's", |address| {
        let stands_for = address.to_canonical();
        let broadcast = stands_for == IpAddr::from([255; 4]);
        !(stands_for.is_unspecified() || stands_for.is_multicast() || broadcast)
    });
    let v6 = (v6_address, scope).prop_map(|(address, scope)| format!("[{address}{scope}]"));
    let host = prop_oneof![v4, v6, name];
    (host, 1..=u16::MAX).prop_map(|(host, port)| format!("tcp://{host}:{port}"))
}

pub(crate) fn endpoint() -> impl Strategy<Value = Endpoint> {
    endpoint_text().prop_map(|text| text.parse().unwrap())
}

pub(crate) fn content() -> impl Strategy<Value = Content> {
    vec(bytes(300), 0..5).prop_map(Content::from)
}

pub(crate) fn headers() -> impl Strategy<Value = Headers> {
    vec((short_text(), text()), 0..6).prop_map(|pairs| {
        let mut headers = Headers::default();
        for (name, value) in pairs {
            headers.set(Text::clone(&name), value).unwrap();
        }
        headers
    })
}

pub(crate) fn hello() -> impl Strategy<Value = Hello> {
    let groups = vec(group(), 0..6).prop_map(BTreeSet::from_iter);
    let parts = (endpoint(), groups, any::<u8>(), short_text(), headers());
    parts.prop_map(|(endpoint, groups, status, name, headers)| Hello {
        endpoint,
        groups,
        status,
        name,
        headers,
    })
}

pub(crate) fn unknown() -> impl Strategy<Value = Body> {
    let id = prop_oneof![Just(0), LAST_KNOWN_ID + 1..=u8::MAX];
    id.prop_map(|id| Body::Unknown { id })
}

pub(crate) fn body() -> impl Strategy<Value = Body> {
    let membership = || (group(), any::<u8>());
    prop_oneof![
        4 => hello().prop_map(Body::from),
        1 => content().prop_map(|content| Body::Whisper { content }),
        1 => (group(), content()).prop_map(|(group, content)| Body::Shout { group, content }),
        1 => membership().prop_map(|(group, status)| Body::Join { group, status }),
        1 => membership().prop_map(|(group, status)| Body::Leave { group, status }),
        1 => Just(Body::Ping),
        1 => Just(Body::PingOk),
        1 => (group(), short_text())
            .prop_map(|(group, challenger)| Body::Elect { group, challenger }),
        1 => (group(), short_text()).prop_map(|(group, leader)| Body::Leader { group, leader }),
        1 => Just(Body::Goodbye),
        1 => unknown(),
    ]
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    (any::<u16>(), body()).prop_map(|(sequence, body)| Message { sequence, body })
}

pub(crate) fn gossip() -> impl Strategy<Value = GossipMessage> {
    let publish = (short_text(), text(), any::<u32>());
    prop_oneof![
        1 => Just(GossipMessage::Hello),
        4 => publish.prop_map(|(key, value, ttl)| GossipMessage::Publish { key, value, ttl }),
        1 => Just(GossipMessage::Ping),
        1 => Just(GossipMessage::Pong),
        1 => Just(GossipMessage::Invalid),
    ]
}

pub(crate) fn gossip_tuple() -> impl Strategy<Value = GossipTuple> {
    let public_key = option::of(any::<[u8; 32]>());
    let parts = (peer(), endpoint(), public_key);
    parts.prop_map(|(peer, endpoint, public_key)| GossipTuple {
        peer,
        endpoint,
        public_key: public_key.map(Into::into),
    })
}

pub(crate) fn frame_header() -> impl Strategy<Value = FrameHeader> {
    let kind = prop_oneof![
        Just((false, false)),
        Just((false, true)),
        Just((true, false))
    ];
    let size = prop_oneof![
        0..=255_u64,
        Just(256),
        256..=i64::MAX.cast_unsigned(),
        Just(i64::MAX.cast_unsigned()),
    ];
    (kind, size).prop_map(|((command, more), size)| FrameHeader {
        command,
        more,
        size,
    })
}

/// A greeting as another implementation may send it: with padding and filler of any value.
pub(crate) fn greeting_bytes() -> impl Strategy<Value = [u8; Greeting::LEN]> {
    let version = (3..=u8::MAX, any::<u8>());
    let rest = (any::<bool>(), any::<[u8; 31]>());
    let parts = (any::<[u8; 8]>(), version, "[A-Z0-9_.+-]{1,20}", rest);
    parts.prop_map(
        |(padding, (major, minor), mechanism, (as_server, filler))| {
            let mut name = [0; 20];
            name[..mechanism.len()].copy_from_slice(mechanism.as_bytes());
            let signature = [&[0xFF][..], &padding, &[0x7F]].concat();
            let fields = [&[major, minor][..], &name, &[as_server.into()]].concat();
            let bytes = [signature, fields, filler.to_vec()].concat();
            bytes.try_into().unwrap()
        },
    )
}

pub(crate) fn greeting() -> impl Strategy<Value = Greeting> {
    greeting_bytes().prop_map(|bytes| Greeting::decode(&bytes).unwrap().unwrap())
}

/// The name of a command or property, which has at least one byte.
pub(crate) fn name() -> impl Strategy<Value = ShortText> {
    short_text().prop_filter("an empty name", |name| !name.is_empty())
}

pub(crate) fn metadata() -> impl Strategy<Value = Metadata> {
    vec((name(), text()), 0..6).prop_map(|properties| {
        let with = |metadata: Metadata, (name, value)| metadata.with(name, Text::clone(&value));
        properties.into_iter().fold(Metadata::default(), with)
    })
}

pub(crate) fn command() -> impl Strategy<Value = Command> {
    let known: [&str; 4] = ["READY", "ERROR", "PING", "PONG"];
    let other = name().prop_filter("a name that is known", move |name| {
        !known.iter().any(|known| *name == **known)
    });
    prop_oneof![
        3 => metadata().prop_map(Command::Ready),
        1 => short_text().prop_map(|reason| Command::Error { reason }),
        1 => (any::<u16>(), bytes(16)).prop_map(|(ttl, context)| Command::Ping { ttl, context }),
        1 => bytes(16).prop_map(|context| Command::Pong { context }),
        1 => other.prop_map(|name| Command::Unknown { name }),
    ]
}
