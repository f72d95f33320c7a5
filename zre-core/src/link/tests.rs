//! ZMTP in bytes.

mod curve;
mod curve_attacks;
mod gossip;
mod handshake;
mod memory;

use alloc::{string::ToString, vec, vec::Vec};

use bytes::{Buf as _, BufMut as _, Bytes};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_proto::{
    PeerId, RoutingId, ShortText,
    zmtp::{CommandError, FrameError, GreetingError, Mechanism},
};

use super::{as_connection::LinkMemory, *};

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

#[test]
fn messages_cross_equal_however_the_bytes_are_split() {
    for size in [0, 1, 255, 256, 70_000] {
        for frames in [1, 2, 100] {
            let message = numbered_message(frames, size);
            let by_byte = (frames * size <= 150_000).then_some(Split::Pieces(1));
            let splits = [
                Split::Pieces(usize::MAX),
                Split::Pieces(4093),
                Split::Seeded(1),
            ];
            for split in splits.into_iter().chain(by_byte) {
                let (mut dealer, mut router) = pair();
                for part in [&message, &numbered_message(1, 3), &message] {
                    dealer.send(&part.first, &part.rest);
                }
                let events = converse(&mut dealer, &mut router, split);
                let expected = [
                    LinkEvent::Open {
                        peer: Some(id()),
                        key: None,
                    },
                    LinkEvent::Message(message.clone()),
                    LinkEvent::Message(numbered_message(1, 3)),
                    LinkEvent::Message(message.clone()),
                ];
                assert!(
                    events == expected,
                    "{frames} frames of {size} bytes, {split:?}"
                );
                assert!(dealer.is_open());
            }
        }
    }
}

#[test]
fn a_ping_is_answered_by_a_pong_with_its_context() {
    for context in [&b""[..], b"ctx", &[0xC7; 16]] {
        let mut router = open_router();
        let ping = [b"\x04PING\0\x2A", context].concat();
        assert_eq!(feed(&mut router, &frame(COMMAND, &ping)), Ok(vec![]));
        let pong = [b"\x04PONG", context].concat();
        assert_eq!(written(&mut router), frame(COMMAND, &pong));
    }
}

#[test]
fn commands_after_the_handshake_that_mean_nothing_here_are_passed_over() {
    let mut router = open_router();
    let bytes = [
        frame(COMMAND, b"\x04PONGxyz"),
        frame(COMMAND, b"\x09SUBSCRIBEtopic"),
        ready("PUB", b"other"),
        frame(0, b"message"),
    ]
    .concat();
    let events = feed(&mut router, &bytes).unwrap();
    assert!(
        matches!(&events[..], [LinkEvent::Message(message)] if message.first == b"message"[..]),
        "{events:?}"
    );
    assert_eq!(router.queued(), 0);
}

#[test]
fn an_error_command_is_told_in_the_peers_words() {
    let error = frame(COMMAND, b"\x05ERROR\x07go away");
    let expected = LinkError::Refused("go away".into());
    assert_eq!(refused_after_greeting(&error), expected);
    assert_eq!(feed(&mut open_router(), &error), Err(expected));
}

#[test]
fn malformed_frames_and_commands_are_refused() {
    for flags in [8, 0x10, 0x80, COMMAND | MORE, COMMAND | MORE | LONG] {
        assert_eq!(
            feed(&mut open_router(), &[flags]),
            Err(LinkError::Frame(FrameError::Flags(flags)))
        );
    }
    let size = [LONG, 0x80, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        feed(&mut open_router(), &size),
        Err(LinkError::Frame(FrameError::Size(1 << 63)))
    );
    let long_context = [b"\x04PING\0\0", &[0; 17][..]].concat();
    assert_eq!(
        feed(&mut open_router(), &frame(COMMAND, &long_context)),
        Err(LinkError::Command(CommandError::Context(17)))
    );
    for cut in [&b""[..], b"\x04PIN", b"\x04PING\0", b"\x05ERROR\x09short"] {
        let error = feed(&mut open_router(), &frame(COMMAND, cut));
        assert!(
            matches!(error, Err(LinkError::Command(CommandError::Truncated(_)))),
            "{error:?}"
        );
    }
}

#[test]
fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
    let limits = Limits {
        message_size: 1000,
        header_frame: 24,
        ..Limits::default()
    };
    let fits = [
        frame(MORE, &[1; 24]),
        frame(MORE, &[2; 400]),
        frame(0, &[3; 600]),
    ]
    .concat();
    let mut router = open_router_with(&limits);
    for _ in 0..3 {
        assert_eq!(feed(&mut router, &fits).unwrap().len(), 1);
    }

    let too_large = |size| LinkError::MessageTooLarge { size, limit: 1024 };
    let one_more = [frame(MORE, &[1; 24]), frame(MORE, &[2; 400])].concat();
    feed(&mut router, &one_more).unwrap();
    let head = [LONG, 0, 0, 0, 0, 0, 0, 2, 0x59];
    assert_eq!(feed(&mut router, &head), Err(too_large(1025)));

    let mut router = open_router_with(&limits);
    let largest = [LONG, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
    let size = i64::MAX.cast_unsigned();
    let first_too_large = LinkError::MessageTooLarge { size, limit: 24 };
    assert_eq!(feed(&mut router, &largest), Err(first_too_large));

    let mut router = open_router_with(&limits);
    feed(&mut router, &frame(MORE, &[1; 24])).unwrap();
    assert_eq!(feed(&mut router, &largest), Err(too_large(size + 24)));
}

#[test]
fn a_message_may_have_as_many_frames_as_the_limit_and_no_more() {
    let limits = Limits {
        message_frames: 3,
        ..Limits::default()
    };
    let mut router = open_router_with(&limits);
    let fits = [frame(MORE, b"").repeat(3), frame(0, b"")].concat();
    for _ in 0..3 {
        assert_eq!(feed(&mut router, &fits).unwrap().len(), 1);
    }
    let many = frame(MORE, b"").repeat(4);
    assert_eq!(feed(&mut router, &many), Ok(vec![]));
    let error = feed(&mut router, &frame(0, b""));
    assert_eq!(error, Err(LinkError::TooManyFrames { limit: 3 }));
}

#[test]
fn a_command_has_a_small_limit_of_its_own() {
    let mut head = vec![COMMAND | LONG];
    head.put_u64(8193);
    let expected = LinkError::CommandTooLarge {
        size: 8193,
        limit: 8192,
    };
    assert_eq!(refused_after_greeting(&head), expected);
    assert_eq!(feed(&mut open_router(), &head), Err(expected));

    let mut long_name = vec![255];
    long_name.resize(8192, b'X');
    let largest = frame(COMMAND, &long_name);
    assert_eq!(feed(&mut open_router(), &largest), Ok(vec![]));
}

#[test]
fn a_connecting_link_takes_no_message() {
    let (mut dealer, _) = pair();
    let bytes = [greeting(3, 1, b"NULL"), ready("ROUTER", b"")].concat();
    feed(&mut dealer, &bytes).unwrap();
    let mut head = vec![MORE | LONG];
    head.put_u64(1 << 20);
    assert_eq!(feed(&mut dealer, &head), Err(LinkError::UnexpectedMessage));
}

#[derive(Debug, Clone, Copy)]
enum Split {
    Pieces(usize),
    Seeded(u64),
}

const IDENTITY: [u8; 17] = [1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

fn id() -> RoutingId {
    PeerId::from([7; 16]).into()
}

fn pair() -> (Link, Link) {
    let dealer = Link::new(Role::Connecting(id()), &Limits::default());
    (dealer, accepting())
}

fn accepting() -> Link {
    Link::new(Role::Accepting, &Limits::default())
}

fn open_router() -> Link {
    open_router_with(&Limits::default())
}

fn open_router_with(limits: &Limits) -> Link {
    let mut router = Link::new(Role::Accepting, limits);
    let bytes = [greeting(3, 1, b"NULL"), ready("DEALER", &IDENTITY)].concat();
    assert_eq!(feed(&mut router, &bytes).unwrap().len(), 1);
    written(&mut router);
    router
}

fn refused_after_greeting(bytes: &[u8]) -> LinkError {
    let mut router = accepting();
    feed(&mut router, &greeting(3, 1, b"NULL")).unwrap();
    feed(&mut router, bytes).unwrap_err()
}

/// Whose frames and bytes are all different, so that a swap shows.
fn numbered_message(frames: usize, size: usize) -> Multipart {
    let byte = |position: usize| position.to_le_bytes()[0] ^ position.to_le_bytes()[1];
    let frame = |number: usize| {
        (0..size)
            .map(move |at| byte(at + number))
            .collect::<Vec<_>>()
    };
    Multipart {
        first: frame(0).into(),
        rest: (1..frames).map(frame).collect(),
    }
}

fn greeting(major: u8, minor: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut bytes = [
        &b"\xFF\0\0\0\0\0\0\0\x01\x7F"[..],
        &[major, minor],
        mechanism,
    ]
    .concat();
    bytes.resize(64, 0);
    bytes
}

/// READY of another implementation.
fn ready(socket_type: &'static str, identity: &[u8]) -> Vec<u8> {
    ready_with(socket_type, identity, None)
}

fn ready_with(
    socket_type: &'static str,
    identity: &[u8],
    understands: Option<&'static str>,
) -> Vec<u8> {
    let name = |name: &'static str| ShortText::try_from(name).unwrap();
    let mut metadata = Metadata::default()
        .with(name("Socket-Type"), socket_type)
        .with(name("Identity"), Bytes::copy_from_slice(identity));
    if let Some(understands) = understands {
        metadata = metadata.with(name("X-ZRE-Understands"), understands);
    }
    frame(COMMAND, &Command::Ready(metadata).encode())
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match u8::try_from(body.len()) {
        Ok(size) => bytes.extend([flags, size]),
        Err(_) => {
            bytes.push(flags | LONG);
            bytes.put_u64(body.len() as u64);
        }
    }
    bytes.extend(body);
    bytes
}

fn written(link: &mut Link) -> Vec<u8> {
    let buffer = link.write_buffer();
    buffer.copy_to_bytes(buffer.remaining()).into()
}

/// Reads as a socket would: never more than there is room for.
pub(crate) fn feed(link: &mut Link, mut bytes: &[u8]) -> Result<Vec<LinkEvent>, LinkError> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let room = link.read_buffer();
        let (now, later) = bytes.split_at(room.len().min(bytes.len()));
        room[..now.len()].copy_from_slice(now);
        bytes = later;
        link.handle_read(now.len());
        while let Some(event) = link.next_event()? {
            events.push(event);
        }
    }
    Ok(events)
}

fn carry(from: &mut Link, to: &mut Link, split: Split) -> Result<Vec<LinkEvent>, LinkError> {
    let bytes = written(from);
    let mut bytes = &bytes[..];
    let mut generator = match split {
        Split::Seeded(seed) => ChaCha8Rng::seed_from_u64(seed),
        Split::Pieces(_) => ChaCha8Rng::seed_from_u64(0),
    };
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let piece = match split {
            Split::Pieces(piece) => piece,
            Split::Seeded(_) => 1 + generator.next_u32() as usize % 3000,
        };
        let (now, later) = bytes.split_at(piece.min(bytes.len()));
        events.extend(feed(to, now)?);
        bytes = later;
    }
    Ok(events)
}

/// Carries everything both ways; gives what the router told.
fn converse(dealer: &mut Link, router: &mut Link, split: Split) -> Vec<LinkEvent> {
    let mut events = Vec::new();
    while dealer.write_buffer().has_remaining() || router.write_buffer().has_remaining() {
        events.extend(carry(dealer, router, split).unwrap());
        carry(router, dealer, split).unwrap();
    }
    events
}
