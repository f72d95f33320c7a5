use alloc::{string::ToString, vec, vec::Vec};

use bytes::{Buf as _, BufMut as _, Bytes};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_proto::{
    PeerId, ShortText,
    zmtp::{CommandError, FrameError, GreetingError, Mechanism},
};

use super::*;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

#[test]
fn messages_cross_equal_however_the_octets_are_split() {
    for size in [0, 1, 255, 256, 70_000] {
        for frames in [1, 2, 100] {
            let message = numbered_message(frames, size);
            let by_octet = (frames * size <= 150_000).then_some(Split::Pieces(1));
            let splits = [
                Split::Pieces(usize::MAX),
                Split::Pieces(4093),
                Split::Seeded(1),
            ];
            for split in splits.into_iter().chain(by_octet) {
                let (mut dealer, mut router) = pair();
                for part in [&message, &numbered_message(1, 3), &message] {
                    dealer.send(&part.first, &part.rest);
                }
                let events = converse(&mut dealer, &mut router, split);
                let expected = [
                    LinkEvent::Open { peer: Some(id()) },
                    LinkEvent::Message(message.clone()),
                    LinkEvent::Message(numbered_message(1, 3)),
                    LinkEvent::Message(message.clone()),
                ];
                assert!(
                    events == expected,
                    "{frames} frames of {size} octets, {split:?}"
                );
                assert!(dealer.is_open());
            }
        }
    }
}

#[test]
fn a_connecting_link_learns_no_identity() {
    let (mut dealer, mut router) = pair();
    carry(&mut router, &mut dealer, Split::Pieces(1)).unwrap();
    carry(&mut dealer, &mut router, Split::Pieces(1)).unwrap();
    let events = carry(&mut router, &mut dealer, Split::Pieces(1)).unwrap();
    assert_eq!(events, [LinkEvent::Open { peer: None }]);
}

#[test]
fn all_of_our_greeting_is_there_before_the_other_side_has_said_anything() {
    let (mut dealer, _) = pair();
    let mut router = accepting();
    for link in [&mut dealer, &mut router] {
        assert_eq!(written(link), greeting(3, 1, b"NULL"));
        assert_eq!(feed(link, &greeting(3, 1, b"NULL")[..10]), Ok(vec![]));
        assert_eq!(written(link), b"");
        assert_eq!(feed(link, &greeting(3, 1, b"NULL")[10..]), Ok(vec![]));
        assert!(written(link).starts_with(b"\x04"));
    }
}

#[test]
fn messages_in_the_same_read_as_ready_come_behind_open() {
    let mut router = accepting();
    let octets = [
        greeting(3, 1, b"NULL"),
        ready("DEALER", &IDENTITY),
        frame(MORE, b"first"),
        frame(0, b""),
        frame(0, b"second"),
    ]
    .concat();
    let message = |first: &'static [u8], rest| {
        LinkEvent::Message(Multipart {
            first: Bytes::from_static(first),
            rest,
        })
    };
    let expected = [
        LinkEvent::Open { peer: Some(id()) },
        message(b"first", Bytes::new().into()),
        message(b"second", Content::default()),
    ];
    assert_eq!(feed(&mut router, &octets).unwrap(), expected);
}

#[test]
fn a_message_queued_before_the_handshake_goes_out_behind_it() {
    let (mut dealer, _) = pair();
    dealer.send(b"early", &["content"].into());
    assert_eq!(written(&mut dealer), greeting(3, 1, b"NULL"));
    assert!(dealer.queued() >= 12, "{}", dealer.queued());

    feed(&mut dealer, &greeting(3, 1, b"NULL")).unwrap();
    let ours = ready("DEALER", &IDENTITY);
    assert_eq!(written(&mut dealer), ours, "nothing before their READY");
    assert!(!dealer.is_open());

    feed(&mut dealer, &ready("ROUTER", b"")).unwrap();
    let message = [frame(MORE, b"early"), frame(0, b"content")].concat();
    assert_eq!(dealer.queued(), message.len());
    assert_eq!(written(&mut dealer), message);
    assert_eq!(dealer.queued(), 0);
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
fn pings_without_reading_the_pongs_do_not_grow_the_write_buffer() {
    let mut router = open_router();
    let ping = frame(COMMAND, &[b"\x04PING\0\0", &[9; 16][..]].concat());
    for _ in 0..100 {
        feed(&mut router, &ping.repeat(1000)).unwrap();
    }
    assert!(router.queued() < 16 << 10, "{} octets", router.queued());
    written(&mut router);
    feed(&mut router, &ping).unwrap();
    assert!(router.queued() > 0, "who reads again is answered again");
}

#[test]
fn commands_after_the_handshake_that_mean_nothing_here_are_passed_over() {
    let mut router = open_router();
    let octets = [
        frame(COMMAND, b"\x04PONGxyz"),
        frame(COMMAND, b"\x09SUBSCRIBEtopic"),
        ready("PUB", b"other"),
        frame(0, b"message"),
    ]
    .concat();
    let events = feed(&mut router, &octets).unwrap();
    assert!(
        matches!(&events[..], [LinkEvent::Message(message)] if message.first == b"message"[..]),
        "{events:?}"
    );
    assert_eq!(router.queued(), 0);
}

#[test]
fn peers_of_zmtp_3_0_and_of_any_later_version_are_accepted() {
    for (major, minor) in [(3, 0), (3, 1), (3, 2), (3, 255), (4, 0), (255, 0)] {
        let mut router = accepting();
        let octets = [
            greeting(major, minor, b"NULL"),
            ready("DEALER", &IDENTITY),
            frame(0, b"hello"),
        ]
        .concat();
        let events = feed(&mut router, &octets).unwrap();
        assert_eq!(events.len(), 2, "{major}.{minor}");
    }
}

#[test]
fn property_names_are_read_in_any_case_and_others_are_passed_over() {
    let mut router = accepting();
    let body = [
        &b"\x05READY\x0BSOCKET-type\0\0\0\x06DEALER"[..],
        &b"\x05X-Foo\0\0\0\x03bar\x08identity\0\0\0\x11"[..],
        &IDENTITY,
    ]
    .concat();
    let octets = [greeting(3, 1, b"NULL"), frame(COMMAND, &body)].concat();
    let events = feed(&mut router, &octets).unwrap();
    assert_eq!(events, [LinkEvent::Open { peer: Some(id()) }]);
}

#[test]
fn what_is_no_greeting_is_refused_as_soon_as_it_shows() {
    let refused = |octets: &[u8]| feed(&mut accepting(), octets).unwrap_err();
    assert_eq!(
        refused(b"G"),
        LinkError::Greeting(GreetingError::Signature {
            position: 0,
            byte: b'G',
            expected: 0xFF
        })
    );
    assert_eq!(
        refused(b"\xFF\0\0\0\0\0\0\0\x01\x7E"),
        LinkError::Greeting(GreetingError::Signature {
            position: 9,
            byte: 0x7E,
            expected: 0x7F
        })
    );
    for major in 0..3 {
        assert_eq!(
            refused(&greeting(major, 0, b"NULL")[..11]),
            LinkError::Greeting(GreetingError::Version(major))
        );
    }
    assert_eq!(
        refused(&greeting(3, 0, b"null")),
        LinkError::Greeting(GreetingError::Mechanism)
    );
}

#[test]
fn another_mechanism_is_refused_by_name() {
    for mechanism in [&b"PLAIN"[..], b"CURVE"] {
        let error = feed(&mut accepting(), &greeting(3, 1, mechanism)).unwrap_err();
        let expected = LinkError::Mechanism {
            theirs: core::str::from_utf8(mechanism).unwrap().into(),
            ours: Mechanism::NULL.to_string(),
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn a_message_before_ready_is_refused() {
    assert_eq!(
        refused_after_greeting(&frame(0, b"message")),
        LinkError::NotReady("a message".into())
    );
}

#[test]
fn a_command_other_than_ready_before_the_handshake_is_over_is_refused() {
    assert_eq!(
        refused_after_greeting(&frame(COMMAND, b"\x04PING\0\0")),
        LinkError::NotReady("PING".into())
    );
    assert_eq!(
        refused_after_greeting(&frame(COMMAND, b"\x05HELLO")),
        LinkError::NotReady("command \"HELLO\"".into())
    );
}

#[test]
fn only_a_dealer_may_connect_and_only_to_a_router() {
    for theirs in ["ROUTER", "REQ", "PUB", "dealer", ""] {
        assert_eq!(
            refused_after_greeting(&ready(theirs, &IDENTITY)),
            LinkError::SocketType {
                theirs: theirs.into(),
                expected: "DEALER"
            }
        );
    }
    let (mut dealer, _) = pair();
    let octets = [greeting(3, 1, b"NULL"), ready("DEALER", b"")].concat();
    assert_eq!(
        feed(&mut dealer, &octets),
        Err(LinkError::SocketType {
            theirs: "DEALER".into(),
            expected: "ROUTER"
        })
    );
}

#[test]
fn who_connects_has_to_say_who_it_is() {
    let mut other_kind = IDENTITY;
    other_kind[0] = 2;
    for (identity, length) in [
        (&b""[..], 0),
        (&IDENTITY[1..], 16),
        (&other_kind, 17),
        (&[1; 18], 18),
    ] {
        assert_eq!(
            refused_after_greeting(&ready("DEALER", identity)),
            LinkError::Identity(length)
        );
    }
    let without = frame(COMMAND, b"\x05READY\x0BSocket-Type\0\0\0\x06DEALER");
    assert_eq!(refused_after_greeting(&without), LinkError::Identity(0));
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
fn what_is_announced_reserves_nothing() {
    let mut router = open_router();
    let mut head = vec![LONG];
    head.put_u64(Limits::default().message_size as u64);
    feed(&mut router, &frame(MORE, b"first")).unwrap();
    feed(&mut router, &head).unwrap();
    for sent in 0..20 {
        assert!(router.input.capacity() <= 256 << 10, "after {sent} octets");
        feed(&mut router, b"x").unwrap();
    }
    for _ in 0..16 {
        feed(&mut router, &[0; 64 << 10]).unwrap();
    }
    let capacity = router.input.capacity();
    assert!(capacity <= 4 << 20, "{capacity} for one MiB that came");
}

#[test]
fn the_memory_of_a_large_frame_is_used_again_when_nobody_holds_it() {
    let mut router = open_router();
    let mut next = |fill: u8| -> Bytes {
        let octets = [frame(MORE, b"first"), frame(0, &vec![fill; 60_000])].concat();
        let mut events = feed(&mut router, &octets).unwrap();
        match events.pop() {
            Some(LinkEvent::Message(message)) => message.rest.frames()[0].clone(),
            other => panic!("{other:?}"),
        }
    };
    let mut reused = 0;
    let held = next(1);
    let mut last = next(2).as_ptr() as usize;
    for fill in 3..100 {
        let frame = next(fill);
        assert_eq!(frame, vec![fill; 60_000]);
        let place = frame.as_ptr() as usize;
        reused += u32::from(place.abs_diff(last) < 100);
        last = place;
    }
    assert_eq!(held, vec![1; 60_000], "what is held stays as it is");
    assert!(reused > 40, "used again {reused} times");
}

#[test]
fn connections_that_lend_each_other_memory_read_what_they_would_alone() {
    let sizes = [1, 5000, 20, 3, 70_000, 0, 4096, 4097, 700];
    let octet = |number: usize| number.to_le_bytes()[0];
    let mut octets = Vec::new();
    for (number, size) in sizes.into_iter().enumerate() {
        octets.extend(frame(MORE, &vec![octet(number); size]));
        octets.extend(frame(COMMAND, b"\x01X"));
    }
    octets.extend(frame(0, b"last"));
    let octets = octets.repeat(3);
    let alone = feed(&mut open_router(), &octets).unwrap();
    assert_eq!(alone.len(), 3);
    for piece in [1, 61, 4093, 66_000, usize::MAX] {
        let (mut one, mut other, mut spare) = (open_router(), open_router(), LinkMemory::default());
        let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
        for now in octets.chunks(piece) {
            for (link, events) in [(&mut one, &mut of_one), (&mut other, &mut of_other)] {
                link.borrow_memory(&mut spare);
                events.extend(feed(link, now).unwrap());
                link.return_memory(&mut spare);
            }
        }
        assert!(of_one == alone && of_other == alone, "pieces of {piece}");
    }
}

#[test]
fn of_memory_that_is_lent_a_small_rest_keeps_nothing() {
    let (mut link, mut spare) = (open_router(), LinkMemory::default());
    for rest in [100, 2000] {
        for _ in 0..3 {
            link.borrow_memory(&mut spare);
            assert!(link.read_buffer().len() > 60 << 10, "{rest}");
            let octets = frame(0, &vec![1; 2 * rest]);
            feed(&mut link, &octets[..rest]).unwrap();
            link.return_memory(&mut spare);
            assert_eq!(link.unfinished(), rest);
            link.borrow_memory(&mut spare);
            feed(&mut link, &octets[rest..]).unwrap();
            link.return_memory(&mut spare);
        }
    }
}

#[test]
fn a_large_frame_has_memory_of_its_own_when_enough_of_it_has_come() {
    let (mut link, mut spare) = (open_router(), LinkMemory::default());
    let mut read = |link: &mut Link, octets: &[u8]| {
        link.borrow_memory(&mut spare);
        feed(link, octets).unwrap();
        link.return_memory(&mut spare);
        link.unfinished()
    };
    let octets = [frame(MORE, b"first"), frame(0, &[1; 1 << 20])].concat();
    for octet in octets[..1000].chunks(1) {
        let held = read(&mut link, octet);
        assert!(held < 2000, "{held} for so little");
    }
    read(&mut link, &octets[1000..70_000]);
    let room = link.read_buffer().len();
    assert!(room >= 32 << 10, "{room}");
    let held = link.unfinished();
    assert!(
        held <= 2 * 70_000 + 100,
        "{held}, no more than twice what came"
    );
}

#[test]
fn the_memory_of_a_huge_frame_is_not_used_for_a_small_one() {
    let mut router = open_router();
    let octets = [frame(MORE, b"first"), frame(0, &vec![1; 4 << 20])].concat();
    feed(&mut router, &octets).unwrap();
    feed(&mut router, &frame(MORE, b"first")).unwrap();
    let capacity = router.input.capacity();
    assert!(capacity <= 256 << 10, "{capacity}");
}

#[test]
fn who_connects_takes_no_message() {
    let (mut dealer, _) = pair();
    let octets = [greeting(3, 1, b"NULL"), ready("ROUTER", b"")].concat();
    feed(&mut dealer, &octets).unwrap();
    let mut head = vec![MORE | LONG];
    head.put_u64(1 << 20);
    assert_eq!(feed(&mut dealer, &head), Err(LinkError::UnexpectedMessage));
}

#[test]
fn a_small_frame_that_is_kept_keeps_its_own_size_whatever_comes_beside_it() {
    let mut router = open_router();
    let mut octets = frame(MORE, b"");
    for _ in 0..1000 {
        octets.extend(frame(MORE, &[1; 20]));
        octets.extend(frame(COMMAND, b"\x01X"));
        octets.extend(frame(MORE, &[2; 5000]));
    }
    octets.extend(frame(0, b"last"));
    let mut events = feed(&mut router, &octets).unwrap();
    let Some(LinkEvent::Message(message)) = events.pop() else {
        panic!("{events:?}");
    };
    let small = message.rest.frames().iter().filter(|it| it.len() == 20);
    let places: Vec<_> = small.map(|it| it.as_ptr() as usize).collect();
    let apart = places.windows(2).filter(|two| two[0] + 20 != two[1]);
    assert!(apart.count() <= 1000 * 20 / 4000, "they lie side by side");
}

#[test]
fn there_is_always_room_to_read() {
    let mut router = open_router();
    for size in [0, 1, 4095, 65_535, 65_536, 300_000] {
        for octet in frame(0, &vec![5; size]).chunks(8191) {
            assert!(!router.read_buffer().is_empty());
            feed(&mut router, octet).unwrap();
        }
    }
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
    let octets = [greeting(3, 1, b"NULL"), ready("DEALER", &IDENTITY)].concat();
    assert_eq!(feed(&mut router, &octets).unwrap().len(), 1);
    written(&mut router);
    router
}

fn refused_after_greeting(octets: &[u8]) -> LinkError {
    let mut router = accepting();
    feed(&mut router, &greeting(3, 1, b"NULL")).unwrap();
    feed(&mut router, octets).unwrap_err()
}

/// Whose frames and octets are all different, so that a swap shows.
fn numbered_message(frames: usize, size: usize) -> Multipart {
    let octet = |position: usize| position.to_le_bytes()[0] ^ position.to_le_bytes()[1];
    let frame = |number: usize| {
        (0..size)
            .map(move |at| octet(at + number))
            .collect::<Vec<_>>()
    };
    Multipart {
        first: frame(0).into(),
        rest: (1..frames).map(frame).collect(),
    }
}

fn greeting(major: u8, minor: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut octets = [
        &b"\xFF\0\0\0\0\0\0\0\x01\x7F"[..],
        &[major, minor],
        mechanism,
    ]
    .concat();
    octets.resize(64, 0);
    octets
}

fn ready(socket_type: &'static str, identity: &[u8]) -> Vec<u8> {
    let name = |name: &'static str| ShortText::try_from(name).unwrap();
    let metadata = Metadata::default()
        .with(name("Socket-Type"), socket_type)
        .with(name("Identity"), Bytes::copy_from_slice(identity));
    frame(COMMAND, &Command::Ready(metadata).encode())
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    match u8::try_from(body.len()) {
        Ok(size) => octets.extend([flags, size]),
        Err(_) => {
            octets.push(flags | LONG);
            octets.put_u64(body.len() as u64);
        }
    }
    octets.extend(body);
    octets
}

fn written(link: &mut Link) -> Vec<u8> {
    let buffer = link.write_buffer();
    buffer.copy_to_bytes(buffer.remaining()).into()
}

/// Reads as a socket would: never more than there is room for.
pub(crate) fn feed(link: &mut Link, mut octets: &[u8]) -> Result<Vec<LinkEvent>, LinkError> {
    let mut events = Vec::new();
    while !octets.is_empty() {
        let room = link.read_buffer();
        let (now, later) = octets.split_at(room.len().min(octets.len()));
        room[..now.len()].copy_from_slice(now);
        octets = later;
        link.handle_read(now.len());
        while let Some(event) = link.next_event()? {
            events.push(event);
        }
    }
    Ok(events)
}

fn carry(from: &mut Link, to: &mut Link, split: Split) -> Result<Vec<LinkEvent>, LinkError> {
    let octets = written(from);
    let mut octets = &octets[..];
    let mut generator = match split {
        Split::Seeded(seed) => ChaCha8Rng::seed_from_u64(seed),
        Split::Pieces(_) => ChaCha8Rng::seed_from_u64(0),
    };
    let mut events = Vec::new();
    while !octets.is_empty() {
        let piece = match split {
            Split::Pieces(piece) => piece,
            Split::Seeded(_) => 1 + generator.next_u32() as usize % 3000,
        };
        let (now, later) = octets.split_at(piece.min(octets.len()));
        events.extend(feed(to, now)?);
        octets = later;
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
