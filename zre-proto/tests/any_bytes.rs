//! No bytes crash a decoder, and none make it reserve memory for what is not there.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

mod values;

use bytes::{Bytes, BytesMut};
use proptest::{prelude::*, sample::Index};
use zre_proto::{
    Beacon, Content, Endpoint, GossipMessage, GossipTuple, Message, MessageError, MessageLimits,
    PeerId, RoutingId,
    zmtp::{Command, CommandError, FrameHeader, Greeting},
};

/// Limits that stop nothing, so that only the decoder's own care is left.
const NO_LIMITS: MessageLimits = MessageLimits::new()
    .groups(u32::MAX)
    .headers(u32::MAX)
    .header_frame(usize::MAX);

/// A HELLO up to its groups: `AA A1`, id, version, sequence, endpoint `tcp://h:80`.
const HELLO_START: &[u8] = b"\xAA\xA1\x01\x02\0\x01\x0Atcp://h:80";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_bytes_are_survived(bytes in values::bytes(200)) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_valid_start_are_survived(
        id in any::<u8>(),
        fields in values::bytes(120),
    ) {
        decode_as_everything(&[&[0xAA, 0xA1, id, 2, 0, 1][..], &fields].concat());
        decode_as_everything(&[HELLO_START, &fields].concat());
        decode_as_everything(&[b"\x05READY", &fields[..]].concat());
        decode_as_everything(&[&b"tcp://"[..], &fields].concat());
    }

    #[test]
    fn any_change_to_a_valid_encoding_is_survived(
        bytes in valid_encoding(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut bytes = bytes.to_vec();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        decode_as_everything(&bytes);
    }

    #[test]
    fn what_is_read_is_written_so_that_it_reads_the_same(
        message in values::message(),
        change in change(),
    ) {
        let mut header = message.header().to_vec();
        change.apply(&mut header);
        let decode = |header: &[u8]| Message::decode(header, Content::default(), &NO_LIMITS);
        if let Ok(decoded) = decode(&header) {
            prop_assert_eq!(decode(&decoded.header()), Ok(decoded));
        }
    }

    #[test]
    fn a_header_cut_short_anywhere_is_truncated(message in values::message()) {
        let header = message.header();
        for length in 0..header.len() {
            let cut = Message::decode(&header[..length], Content::default(), &NO_LIMITS);
            prop_assert!(matches!(cut, Err(MessageError::Truncated(_))), "{}: {:?}", length, cut);
        }
    }

    #[test]
    fn a_beacon_of_another_length_is_none(beacon in values::beacon(), more in values::bytes(40)) {
        let datagram = beacon.encode();
        for length in 0..datagram.len() {
            prop_assert!(Beacon::decode(&datagram[..length]).is_err());
        }
        let longer = [&datagram[..], b"x", &more].concat();
        prop_assert!(Beacon::decode(&longer).is_err());
    }

    #[test]
    fn a_frame_header_cut_short_anywhere_needs_more(header in values::frame_header()) {
        let mut bytes = BytesMut::new();
        header.encode(&mut bytes);
        for length in 0..bytes.len() {
            prop_assert_eq!(FrameHeader::decode(&bytes[..length]), Ok(None));
        }
    }

    #[test]
    fn a_greeting_cut_short_anywhere_needs_more(bytes in values::greeting_bytes()) {
        for length in 0..bytes.len() {
            prop_assert_eq!(Greeting::decode(&bytes[..length]), Ok(None));
        }
    }

    #[test]
    fn a_ready_cut_short_inside_a_property_is_truncated(
        name in values::name(),
        value in values::text(),
    ) {
        let metadata = zre_proto::zmtp::Metadata::default().with(name, value);
        let body = Command::Ready(metadata).encode();
        let whole_name = b"\x05READY".len();
        for length in (0..whole_name).chain(whole_name + 1..body.len()) {
            let cut = Command::decode(&body[..length]);
            prop_assert!(matches!(cut, Err(CommandError::Truncated(_))), "{}: {:?}", length, cut);
        }
    }
}

/// Memory for 2^32 - 1 names would be over 100 GiB: reserving it would end the test process.
#[test]
fn a_count_that_no_bytes_stand_behind_fails_at_the_first_missing_one() {
    let groups = [HELLO_START, &[0xFF; 4]].concat();
    assert_eq!(truncated_field(groups), ("groups", 4, 0));
    let one_group = [HELLO_START, &[0xFF; 4], b"\0\0\0\x01g"].concat();
    assert_eq!(truncated_field(one_group), ("groups", 4, 0));
    let headers = [HELLO_START, b"\0\0\0\0\0\x01a", &[0xFF; 4]].concat();
    assert_eq!(truncated_field(headers), ("header name", 1, 0));
}

#[test]
fn a_length_that_no_bytes_stand_behind_is_not_taken() {
    let most = usize::try_from(u32::MAX).unwrap();
    let group = [HELLO_START, b"\0\0\0\x01", &[0xFF; 4], b"g"].concat();
    assert_eq!(truncated_field(group), ("groups", most, 1));
    let value = [HELLO_START, b"\0\0\0\0\0\x01a\0\0\0\x01\x01K", &[0xFF; 4]].concat();
    assert_eq!(truncated_field(value), ("header value", most, 0));
    let property = Command::decode(b"\x05READY\x01K\xFF\xFF\xFF\xFFv");
    assert!(matches!(property, Err(CommandError::Truncated(at)) if at.needed == most));
}

#[test]
fn a_count_above_its_limit_is_refused_and_one_at_it_is_not() {
    let limits = MessageLimits::new().groups(2).headers(1).header_frame(64);
    let decode = |groups: u8, headers: u8| {
        let list = |count: u8, item: &[u8]| {
            let items = item.repeat(count.into());
            [&[0, 0, 0, count], &items[..]].concat()
        };
        let groups = list(groups, b"\0\0\0\x01g");
        let headers = list(headers, b"\x01K\0\0\0\x01v");
        let header = [HELLO_START, &groups, b"\0\x01a", &headers].concat();
        Message::decode(&header, Content::default(), &limits)
    };
    assert!(decode(2, 1).is_ok());
    let (groups, headers) = (decode(3, 0), decode(0, 2));
    assert!(matches!(
        groups,
        Err(MessageError::TooManyGroups { announced: 3, .. })
    ));
    assert!(matches!(
        headers,
        Err(MessageError::TooManyHeaders { announced: 2, .. })
    ));
}

#[test]
fn a_first_frame_at_its_limit_is_read_and_one_above_it_is_refused() {
    let limits = MessageLimits::new().header_frame(6);
    let decode = |header: &'static [u8]| Message::decode(header, Content::default(), &limits);
    assert!(decode(b"\xAA\xA1\x06\x02\0\x02").is_ok());
    let above = decode(b"\xAA\xA1\x06\x02\0\x02x");
    assert!(matches!(
        above,
        Err(MessageError::HeaderFrame { length: 7, .. })
    ));
}

fn truncated_field(header: Vec<u8>) -> (&'static str, usize, usize) {
    match Message::decode(&header, Content::default(), &NO_LIMITS) {
        Err(MessageError::Truncated(at)) => (at.field, at.needed, at.left),
        other => panic!("{other:?}"),
    }
}

fn decode_as_everything(bytes: &[u8]) {
    let _ = Beacon::decode(bytes);
    let _ = Message::decode(bytes, Content::default(), &MessageLimits::default());
    let _ = Message::decode(bytes, Content::from(bytes), &NO_LIMITS);
    if let Ok(GossipMessage::Publish { key, value, .. }) = GossipMessage::decode(bytes) {
        let _ = GossipTuple::read(&key, &value);
    }
    let _ = Command::decode(bytes);
    let _ = FrameHeader::decode(bytes);
    let _ = Greeting::decode(bytes);
    let _ = RoutingId::from_bytes(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = text.parse::<Endpoint>();
    let _ = text.parse::<PeerId>();
}

fn valid_encoding() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => values::message().prop_map(|message| message.header()),
        1 => values::beacon().prop_map(|beacon| beacon.encode()),
        1 => values::gossip().prop_map(|message| message.encode()),
        1 => values::gossip_tuple().prop_map(|tuple| tuple.to_message().encode()),
        2 => values::command().prop_map(|command| command.encode()),
        1 => values::greeting_bytes().prop_map(|bytes| bytes.to_vec().into()),
        1 => values::endpoint_text().prop_map(Bytes::from),
        1 => values::frame_header().prop_map(|header| {
            let mut bytes = BytesMut::new();
            header.encode(&mut bytes);
            bytes.freeze()
        }),
    ]
}

#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Truncate(Index),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let (Self::Set(at, _) | Self::Insert(at, _) | Self::Remove(at) | Self::Truncate(at)) = self;
        let at = at.index(bytes.len().max(1));
        match self {
            _ if bytes.is_empty() => {}
            Self::Set(_, byte) => bytes[at] = *byte,
            Self::Insert(_, byte) => bytes.insert(at, *byte),
            Self::Remove(_) => drop(bytes.remove(at)),
            Self::Truncate(_) => bytes.truncate(at),
        }
    }
}

/// Bytes of only ones or only zeros are the likeliest to make a length or a count go wrong.
fn change() -> impl Strategy<Value = Change> {
    let byte = || prop_oneof![any::<u8>(), Just(0xFF), Just(0)];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        any::<Index>().prop_map(Change::Remove),
        any::<Index>().prop_map(Change::Truncate),
    ]
}
