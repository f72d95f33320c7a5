use arbitrary::{Arbitrary, Unstructured};
use zre_core::{Config, Limits, Link, LinkError, LinkEvent, Role};
use zre_proto::{PeerId, RoutingId};

use crate::{heap::Meter, wire};

const FIRST_FRAME: usize = 500;
const MESSAGE: usize = 2000;
const FRAMES: usize = 20;
/// The most that a link may hold under these limits: one message and a command being read, the room
/// for one read, and the answers that nobody takes.
const HELD: usize = 256 << 10;

/// A connection in either role, read in arbitrary pieces: it ends in an error or goes on, holds no
/// more than its limits allow, and says the same whatever the pieces.
pub fn link(bytes: &[u8]) {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(bytes)) else {
        return;
    };
    let whole = run(&input, &[usize::MAX]);
    let pieces = run(&input, &input.pieces.map(usize::from));
    assert_eq!(whole, pieces);
    assert_eq!(run(&input, &[1]), whole);
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    accepting: bool,
    after_a_good_handshake: bool,
    pieces: [u8; 4],
    bytes: &'a [u8],
}

/// What came out of a link, the error it ended with, and what it wants written.
type Said = (Vec<LinkEvent>, Option<LinkError>, Vec<u8>);

fn run(input: &Input<'_>, pieces: &[usize]) -> Said {
    let mut link = Link::new(role(input.accepting), &limits());
    if input.after_a_good_handshake {
        let theirs = wire::handshake(role(!input.accepting));
        let opened = wire::feed(&mut link, &theirs);
        assert!(link.is_open() && matches!(opened[..], [LinkEvent::Open { .. }]));
        wire::take_outbox(&mut link);
    }
    let (events, error) = feed(&mut link, input.bytes, pieces);
    let is_connecting = !input.accepting;
    for event in &events {
        check(event, is_connecting);
    }
    let opens = |event: &&LinkEvent| matches!(event, LinkEvent::Open { .. });
    let opened = events.iter().filter(opens).count() + usize::from(input.after_a_good_handshake);
    assert_eq!(opened, usize::from(link.is_open()), "it opens once");
    (events, error, wire::take_outbox(&mut link).to_vec())
}

fn role(accepting: bool) -> Role {
    match accepting {
        true => Role::Accepting,
        false => Role::Connecting(RoutingId::from(PeerId::from([7; 16]))),
    }
}

fn limits() -> Limits {
    let endpoint = "tcp://10.0.0.1:1".parse().unwrap();
    let mut limits = Config::new(endpoint).limits;
    limits.message_size = MESSAGE;
    limits.message_frames = FRAMES;
    limits.header_frame = FIRST_FRAME;
    limits
}

fn feed(
    link: &mut Link,
    mut bytes: &[u8],
    pieces: &[usize],
) -> (Vec<LinkEvent>, Option<LinkError>) {
    let meter = Meter::start();
    let mut events = Vec::new();
    let mut sizes = pieces.iter().cycle();
    while !bytes.is_empty() {
        let piece = sizes.next().map_or(1, |size| (*size).max(1));
        wire::read(link, &mut bytes, piece);
        loop {
            match link.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
        assert!(link.queued() < 64 << 10);
        assert!(meter.held() <= HELD + 256 * events.len());
    }
    (events, None)
}

fn check(event: &LinkEvent, is_connecting: bool) {
    match event {
        LinkEvent::Open { peer, .. } => assert!(peer.is_some() || is_connecting),
        LinkEvent::Message(message) => {
            assert!(message.first.len() <= FIRST_FRAME);
            let size = message.first.len() + message.rest.byte_len();
            assert!(size <= MESSAGE + FIRST_FRAME && message.rest.len() <= FRAMES);
        }
        other => panic!("{other:?}"),
    }
}
