//! A connection in either role, read in arbitrary pieces: it ends in an error or goes on, holds no more
//! than its limits allow, and says the same whatever the pieces.

#![no_main]

use arbitrary::Arbitrary;
use bytes::Buf as _;
use libfuzzer_sys::fuzz_target;
use zre_core::{Config, Limits, Link, LinkError, LinkEvent, Role};
use zre_proto::{PeerId, RoutingId};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    accepting: bool,
    after_a_good_handshake: bool,
    pieces: [u8; 4],
    octets: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let whole = run(&input, &[u8::MAX]);
    let pieces = run(&input, &input.pieces);
    assert_eq!(whole, pieces);
});

type Said = (Vec<LinkEvent>, Option<LinkError>);

fn run(input: &Input<'_>, pieces: &[u8]) -> Said {
    let mut link = Link::new(role(input.accepting), &limits());
    if input.after_a_good_handshake {
        shake_hands(&mut link, !input.accepting);
    }
    feed(&mut link, input.octets, pieces)
}

fn role(accepting: bool) -> Role {
    match accepting {
        true => Role::Accepting,
        false => Role::Connecting(RoutingId::from(PeerId::from([7; 16]))),
    }
}

fn limits() -> Limits {
    let endpoint = "tcp://10.0.0.1:1".parse().expect("an endpoint");
    let mut limits = Config::new(endpoint).limits;
    limits.message_size = 2000;
    limits.message_frames = 20;
    limits.header_frame = 500;
    limits
}

fn shake_hands(link: &mut Link, other_accepts: bool) {
    let mut other = Link::new(role(other_accepts), &limits());
    for _ in 0..3 {
        let ours = take(link);
        let theirs = take(&mut other);
        feed(link, &theirs, &[u8::MAX]);
        feed(&mut other, &ours, &[u8::MAX]);
    }
    assert!(link.is_open());
}

fn take(link: &mut Link) -> Vec<u8> {
    let outbox = link.outbox();
    outbox.copy_to_bytes(outbox.remaining()).to_vec()
}

fn feed(link: &mut Link, mut octets: &[u8], pieces: &[u8]) -> Said {
    let mut events = Vec::new();
    let mut sizes = pieces.iter().cycle();
    while !octets.is_empty() {
        let inbox = link.inbox();
        assert!((1..=256 << 10).contains(&inbox.len()));
        let piece = sizes.next().map_or(1, |size| usize::from(*size).max(1));
        let (now, later) = octets.split_at(piece.min(inbox.len()).min(octets.len()));
        inbox[..now.len()].copy_from_slice(now);
        octets = later;
        link.handle_read(now.len());
        loop {
            match link.next_event() {
                Ok(Some(event)) => {
                    check(&event);
                    events.push(event);
                }
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
        assert!(link.queued() < 64 << 10);
    }
    (events, None)
}

fn check(event: &LinkEvent) {
    if let LinkEvent::Message(message) = event {
        assert!(message.first.len() <= 500);
        assert!(message.rest.size() <= 2500 && message.rest.len() <= 20);
    }
}
