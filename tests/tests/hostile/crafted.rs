//! Bytes, messages and endpoints for attacks.

use std::net::TcpListener;

use zre_proto::{Body, Endpoint, GroupName, Message};

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
