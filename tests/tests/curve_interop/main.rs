//! Links with CURVE and what others have made of it: omq-proto in memory, and libzmq over loopback.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

mod libzmq;
mod omq;

use std::sync::Arc;

use bytes::{Buf, Bytes};
use zre_core::{
    GossipEnd, Limits, Link, LinkError, LinkEvent, LinkSecurity, Role, Seed, Trust, TrustedKeys,
};
use zre_proto::{
    Content, PeerId, RoutingId,
    curve::{Keypair, PublicKey, SecretKey},
};

/// The key of our link, and that of the others.
const OURS: u8 = 1;
const THEIRS: u8 = 2;
/// A key that nobody here has.
const NOBODYS: u8 = 3;

fn keypair(number: u8) -> Keypair {
    SecretKey::from([number; 32]).into()
}

fn key(number: u8) -> PublicKey {
    keypair(number).public()
}

fn trusting(number: u8) -> Trust {
    TrustedKeys::from([key(number)]).into()
}

/// Who connects.
fn id() -> RoutingId {
    PeerId::from([9; 16]).into()
}

/// A link that connects to whoever has a key.
fn connecting(role: Role, server: u8) -> Link {
    let security = LinkSecurity::Client {
        own: keypair(OURS),
        server: key(server),
        seed: Seed::predictable([OURS; 32]),
    };
    Link::secured(role, &Limits::default(), security)
}

fn dealer(server: u8) -> Link {
    connecting(Role::Connecting(id()), server)
}

fn gossip_client() -> Link {
    connecting(Role::Gossiping(GossipEnd::Client), THEIRS)
}

/// A link that accepts.
fn accepting(role: Role, trust: Trust) -> Link {
    let security = LinkSecurity::Server {
        own: keypair(OURS),
        trust: Arc::new(trust),
        seed: Seed::predictable([OURS; 32]),
    };
    Link::secured(role, &Limits::default(), security)
}

fn router(trust: Trust) -> Link {
    accepting(Role::Accepting, trust)
}

fn gossip_hub() -> Link {
    accepting(Role::Gossiping(GossipEnd::Hub), trusting(THEIRS))
}

/// What a link tells when it is open.
fn opened(peer: Option<RoutingId>) -> LinkEvent {
    let key = Some(key(THEIRS));
    let key = key.map(Box::new);
    LinkEvent::Open { peer, key }
}

/// The frames of a message.
type Frames = Vec<Bytes>;

/// Messages of every shape: one frame and many, empty and of 1 MiB.
fn messages() -> Vec<Frames> {
    let bytes = |size| -> Bytes { (0..251).cycle().take(size).collect() };
    let sizes: [&[usize]; 9] = [
        &[1],
        &[0],
        &[0, 0],
        &[10, 1 << 20],
        &[10, 0, 1, 3000, 0],
        &[500_000],
        // With its head, just below, at and above the largest short frame.
        &[222, 221, 223],
        &[10, 65_535, 65_536, 65_537],
        &[2; 100],
    ];
    let message = |sizes: &[usize]| sizes.iter().map(|size| bytes(*size)).collect();
    sizes.map(message).into()
}

/// Those that gossip may carry.
fn small_messages() -> Vec<Frames> {
    let sizes = [1, 0, 32, 4096, 7];
    sizes.map(|size| vec![Bytes::from(vec![5; size])]).into()
}

/// Lets a link send a message.
fn send(link: &mut Link, frames: &Frames) {
    let rest: Content = frames[1..].iter().cloned().collect();
    link.send(&frames[0], &rest);
}

/// Takes what a link has to write.
fn written(link: &mut Link) -> Bytes {
    let output = link.write_buffer();
    output.copy_to_bytes(output.remaining())
}

/// Lets a link read, and gives what comes of it.
fn read(link: &mut Link, mut bytes: &[u8]) -> Result<Vec<LinkEvent>, LinkError> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let room = link.read_buffer();
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        link.handle_read(count);
        bytes = &bytes[count..];
        while let Some(event) = link.next_event()? {
            events.push(event);
        }
    }
    Ok(events)
}

/// The messages among events.
fn messages_of(events: Vec<LinkEvent>) -> Vec<Frames> {
    let message = |event| match event {
        LinkEvent::Message(message) => Some(message),
        _ => None,
    };
    let messages = events.into_iter().filter_map(message);
    messages
        .map(|message| {
            let rest = message.rest.frames().iter().cloned();
            std::iter::once(message.first).chain(rest).collect()
        })
        .collect()
}

/// Messages in short, for a test that fails.
fn shapes(messages: &[Frames]) -> Vec<Vec<usize>> {
    let shape = |message: &Frames| message.iter().map(Bytes::len).collect();
    messages.iter().map(shape).collect()
}

/// Compares without printing megabytes.
fn assert_same(came: &[Frames], expected: &[Frames]) {
    assert_eq!(shapes(came), shapes(expected));
    assert!(came == expected, "the bytes differ");
}
