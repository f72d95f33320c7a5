//! Bytes, messages and endpoints for attacks.

use std::{net::TcpListener, time::Instant};

use zre_proto::{Body, Endpoint, GroupName, Message};
use zre_tests::raw_peer::{RawListener, RawPeer, frame};

use crate::scene::{DEADLINE, Scene};

/// Bytes that look random and are the same each time.
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let next = || {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            self.0.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(count).collect()
    }
}

pub(crate) fn group(name: &str) -> GroupName {
    name.try_into().expect("a short name")
}

pub(crate) fn whisper(content: &str) -> Body {
    Body::Whisper {
        content: content.into(),
    }
}

/// Nobody connects there in these attacks: what names it is refused.
pub(crate) fn some_endpoint() -> Endpoint {
    "tcp://127.0.0.1:9".parse().expect("an endpoint")
}

/// So many places to which connections can be opened, on which nobody ever answers.
pub(crate) fn silent_listeners(count: usize) -> Vec<TcpListener> {
    let listener = |_| TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    (0..count).map(listener).collect()
}

pub(crate) fn endpoint_of(listener: &TcpListener) -> Endpoint {
    let address = listener.local_addr().expect("a bound socket");
    Endpoint::from_socket_addr(address).expect("an endpoint")
}

/// The first frame of a message, without its head.
pub(crate) fn first_frame(sequence: u16, body: Body) -> Vec<u8> {
    Message { sequence, body }.header().to_vec()
}

pub(crate) fn with_header(body: Body, size: usize) -> Body {
    let Body::Hello(mut hello) = body else {
        return body;
    };
    let added = hello.headers.set("X-HEAVY", "x".repeat(size));
    added.expect("a short name");
    Body::Hello(hello)
}

/// A HELLO whose endpoint is any text.
pub(crate) fn hello_naming(endpoint: &str, name: &str) -> Vec<u8> {
    let short = |text: &str| {
        let length = u8::try_from(text.len()).expect("a short text");
        [&[length], text.as_bytes()].concat()
    };
    let nothing = [0; 4];
    let (endpoint, name) = (short(endpoint), short(name));
    let parts: [&[u8]; 6] = [
        b"\xAA\xA1\x01\x02\0\x01",
        &endpoint,
        &nothing,
        &[0],
        &name,
        &nothing,
    ];
    frame(false, false, &parts.concat())
}

/// How many whispers and shouts have come to this listener since it was asked last.
pub(crate) fn messages_at(listener: &RawListener) -> usize {
    let messages = std::iter::from_fn(|| listener.try_receive());
    let has_content = |message: &Message| message.body.content().is_some();
    messages.filter(has_content).count()
}

/// Waits until no more than so many of these are open, and takes the others out. Says how many are
/// open if it takes too long.
pub(crate) fn wait_until_open(
    scene: &Scene,
    most: usize,
    connections: &mut Vec<RawPeer>,
) -> Result<Vec<RawPeer>, usize> {
    let deadline = Instant::now() + DEADLINE;
    let mut closed = Vec::new();
    loop {
        closed.extend(connections.extract_if(.., RawPeer::is_closed));
        match connections.len() {
            open if open <= most => return Ok(closed),
            open if Instant::now() > deadline => return Err(open),
            _ => scene.chat_for(1),
        }
    }
}

/// How many of these the node leaves open for longer than it may.
pub(crate) fn still_open(connections: &mut [RawPeer]) -> usize {
    let deadline = Instant::now() + DEADLINE;
    // One after the other, as each may be closed while another is waited for.
    let is_open = |mallory: &mut RawPeer| {
        let left = deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => !mallory.is_closed(),
            false => !mallory.is_closed_within(left),
        }
    };
    let open = connections.iter_mut().map(is_open);
    open.filter(|is_open| *is_open).count()
}
