//! Whatever is written is read as it was.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

mod values;

use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use zre_proto::{
    Beacon, Body, Content, Endpoint, GossipMessage, GossipTuple, GroupName, Host, Message,
    MessageError, MessageLimits, PeerId, RoutingId, ShortText, Text,
    zmtp::{Command, FrameHeader, Greeting, Mechanism, Metadata},
};

proptest! {
    #[test]
    fn a_beacon_comes_back(beacon in values::beacon()) {
        let datagram = beacon.encode();
        let (version, length) = match beacon.public_key {
            None => (1, Beacon::LEN_PLAIN),
            Some(_) => (3, Beacon::LEN_CURVE),
        };
        prop_assert_eq!((datagram[3], datagram.len()), (version, length));
        prop_assert_eq!(Beacon::decode(&datagram), Ok(beacon));
    }

    #[test]
    fn a_gossip_message_comes_back_and_has_the_length_it_promises(message in values::gossip()) {
        let frame = message.encode();
        prop_assert_eq!(frame.len(), message.len());
        prop_assert_eq!(GossipMessage::decode(&frame), Ok(message));
    }

    #[test]
    fn a_gossip_tuple_comes_back(tuple in values::gossip_tuple()) {
        let GossipMessage::Publish { key, value, .. } = tuple.to_message() else {
            panic!("no tuple")
        };
        prop_assert_eq!(GossipTuple::read(&key, &value), Ok(tuple));
    }

    #[test]
    fn a_message_comes_back_and_has_the_length_it_promises(message in values::message()) {
        let header = message.header();
        prop_assert_eq!(header.len(), message.header_len());
        prop_assert_eq!(decode(header, &message), Ok(message));
    }

    #[test]
    fn a_hello_comes_back_with_the_headers_that_it_had(hello in values::hello()) {
        let message = Message { sequence: 1, body: hello.clone().into() };
        let decoded = decode(message.header(), &message);
        let Ok(Message { body: Body::Hello(decoded), .. }) = decoded else {
            panic!("no HELLO")
        };
        prop_assert_eq!(decoded.headers.len(), hello.headers.len());
        for (name, value) in &hello.headers {
            prop_assert_eq!(decoded.headers.get(name), Some(value));
        }
    }

    #[test]
    fn an_unknown_message_keeps_its_id_and_sequence(
        body in values::unknown(),
        fields in values::bytes(64),
    ) {
        let message = Message { sequence: 9, body };
        let header = [message.header(), fields].concat();
        prop_assert_eq!(decode(header.into(), &message), Ok(message));
    }

    #[test]
    fn a_header_is_written_the_same_into_any_buffer(message in values::message()) {
        let mut out = b"before".to_vec();
        message.encode_header(&mut out);
        prop_assert_eq!(&out[b"before".len()..], message.header());
    }

    #[test]
    fn an_endpoint_comes_back(text in values::endpoint_text()) {
        let endpoint: Endpoint = text.parse()?;
        prop_assert_eq!(endpoint.to_string(), text);
        prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }

    #[test]
    fn an_endpoint_comes_back_without_its_brackets(text in values::endpoint_text()) {
        let endpoint: Endpoint = text.replace(['[', ']'], "").parse()?;
        prop_assert_eq!(endpoint.to_string(), text);
    }

    #[test]
    fn the_canonical_endpoint_is_the_same_place(endpoint in values::endpoint()) {
        let canonical = endpoint.canonical();
        prop_assert!(canonical.is_same_place(&endpoint));
        prop_assert_eq!(canonical.canonical(), canonical.clone());
        prop_assert_eq!(canonical.to_string().parse(), Ok(canonical));
    }

    #[test]
    fn an_address_comes_back_from_its_endpoint(ip in any::<IpAddr>(), port in 1..=u16::MAX) {
        let address = SocketAddr::new(ip, port);
        let Some(endpoint) = Endpoint::from_socket_addr(address) else {
            let ip = ip.to_canonical();
            let broadcast = ip == IpAddr::from([255; 4]);
            prop_assert!(ip.is_unspecified() || ip.is_multicast() || broadcast);
            return Ok(());
        };
        prop_assert_eq!(endpoint.to_socket_addr(), Some(address));
        let read: Endpoint = endpoint.to_string().parse()?;
        prop_assert_eq!(read.to_socket_addr(), Some(address));
        prop_assert_eq!(matches!(read.host(), Host::V4(_)), ip.is_ipv4());
    }

    #[test]
    fn a_frame_header_comes_back_whatever_follows(
        header in values::frame_header(),
        body in values::bytes(20),
    ) {
        let mut bytes = BytesMut::new();
        header.encode(&mut bytes);
        let length = bytes.len();
        prop_assert_eq!(length, if header.size < 256 { 2 } else { FrameHeader::MAX_LEN });
        bytes.extend_from_slice(&body);
        prop_assert_eq!(FrameHeader::decode(&bytes), Ok(Some((header, length))));
    }

    #[test]
    fn a_greeting_comes_back(greeting in values::greeting()) {
        let bytes = greeting.encode();
        prop_assert_eq!(Greeting::decode(&bytes), Ok(Some(greeting)));
    }

    #[test]
    fn a_greeting_is_read_field_by_field(bytes in values::greeting_bytes()) {
        let greeting = Greeting::decode(&bytes).unwrap().unwrap();
        prop_assert_eq!(&[greeting.major, greeting.minor], &bytes[10..12]);
        let mechanism = greeting.mechanism.to_string();
        let (name, padding) = bytes[12..32].split_at(mechanism.len());
        prop_assert_eq!(name, mechanism.as_bytes());
        prop_assert!(padding.iter().all(|byte| *byte == 0));
        prop_assert_eq!(bytes[32], u8::from(greeting.as_server));
    }

    #[test]
    fn a_command_comes_back(command in values::command()) {
        prop_assert_eq!(Command::decode(&command.encode()), Ok(command));
    }

    #[test]
    fn metadata_gives_the_first_property_of_a_name(
        mut metadata in values::metadata(),
        value in values::text(),
    ) {
        let earlier = metadata.get(Metadata::IDENTITY).map(<[u8]>::to_vec);
        let name: ShortText = "iDENTITY".try_into()?;
        metadata = metadata.with(name, Text::clone(&value));
        let Ok(Command::Ready(decoded)) = Command::decode(&Command::Ready(metadata).encode()) else {
            panic!("no READY")
        };
        let expected = earlier.as_deref().unwrap_or(value.as_bytes());
        prop_assert_eq!(decoded.get(Metadata::IDENTITY), Some(expected));
    }

    #[test]
    fn a_peer_id_comes_back(bytes in any::<[u8; 16]>()) {
        let peer = PeerId::from(bytes);
        prop_assert_eq!(peer.to_bytes(), bytes);
        prop_assert_eq!(PeerId::from(peer.uuid()), peer);
        prop_assert_eq!(peer.to_string().parse(), Ok(peer));
        prop_assert_eq!(peer.to_string().to_lowercase().parse(), Ok(peer));
        prop_assert_eq!(peer.uuid().hyphenated().to_string().parse(), Ok(peer));
    }

    #[test]
    fn a_routing_id_comes_back(peer in values::peer()) {
        let id = RoutingId::from(peer);
        prop_assert_eq!(id.to_bytes()[0], 1);
        prop_assert_eq!(id.peer(), peer);
        prop_assert_eq!(RoutingId::from_bytes(&id.to_bytes()), Some(id));
    }

    #[test]
    fn a_text_keeps_its_bytes_and_orders_as_they_do(
        one in values::bytes(40),
        two in values::bytes(40),
    ) {
        let text = Text::from(one.clone());
        prop_assert_eq!(text.as_bytes(), &one);
        prop_assert_eq!(text.len(), one.len());
        prop_assert_eq!(text.to_str().ok(), str::from_utf8(&one).ok());
        prop_assert_eq!(text.to_string(), String::from_utf8_lossy(&one));
        prop_assert_eq!(text.cmp(&Text::from(two.clone())), one.cmp(&two));
    }

    #[test]
    fn bounded_texts_are_those_of_at_most_255_bytes(bytes in values::bytes(600)) {
        let fits = bytes.len() <= ShortText::MAX_LEN;
        let short = ShortText::try_from(bytes.clone());
        let group = GroupName::try_from(bytes.clone());
        let expected = fits.then(|| bytes.to_vec());
        prop_assert_eq!(short.map(|text| text.as_bytes().to_vec()).ok(), expected.clone());
        prop_assert_eq!(group.map(|name| name.as_bytes().to_vec()).ok(), expected);
    }
}

#[test]
fn a_goodbye_is_id_10_and_nothing_more() {
    let goodbye = Message {
        sequence: 0x0105,
        body: Body::Goodbye,
    };
    assert_eq!(goodbye.header()[..], *b"\xAA\xA1\x0A\x02\x01\x05");
}

#[test]
fn our_greeting_is_zmtp_3_1_with_a_filler_of_zeros() {
    let bytes = Greeting::new(Mechanism::NULL, false).encode();
    assert_eq!((bytes[0], bytes[9]), (0xFF, 0x7F));
    assert_eq!(bytes[10..16], *b"\x03\x01NULL");
    assert_eq!(bytes[16..], [0; 48]);
}

#[test]
fn a_frame_of_256_bytes_is_the_first_long_one() {
    let encoded = |size| {
        let mut out = Vec::new();
        let header = FrameHeader {
            command: true,
            more: false,
            size,
        };
        header.encode(&mut out);
        out
    };
    assert_eq!(encoded(255), [4, 255]);
    assert_eq!(encoded(256), [6, 0, 0, 0, 0, 0, 0, 1, 0]);
}

/// Reads a header together with the content of the message that it was written for.
fn decode(header: Bytes, message: &Message) -> Result<Message, MessageError> {
    let content = message.body.content().cloned();
    let content = content.unwrap_or_else(|| Content::from("ignored"));
    Message::decode(&header, content, &MessageLimits::default())
}
