//! The target `gossip`: messages of the gossip protocol, and the tuples in them.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use zre_proto::{Endpoint, GossipMessage, GossipTuple, PeerId};

use crate::{heap::Meter, wire::short_text};

/// The most that reading a message may take from the heap, for each of its bytes.
const COST: usize = 8;

/// The bytes are a frame, a tuple's value, and the parts of a message. What is read is written so
/// that it reads the same; what was built reads as it was, unless it is too long; nothing is read
/// beyond the limit or takes memory that was only announced.
pub fn gossip(bytes: &[u8]) {
    frame(bytes);
    value(bytes);
    if let Ok(built) = Built::arbitrary(&mut Unstructured::new(bytes)) {
        message(&built.into());
    }
}

fn frame(bytes: &[u8]) {
    let meter = Meter::start();
    let decoded = GossipMessage::decode(bytes);
    assert!(meter.taken() <= 1024 + COST * bytes.len());
    let Ok(decoded) = decoded else {
        return;
    };
    assert!(bytes.len() <= GossipMessage::MAX_LEN);
    // There is one way to write each message.
    assert_eq!(decoded.encode(), bytes);
    assert_eq!(decoded.len(), bytes.len());
    if let GossipMessage::Publish { key, value, .. } = &decoded
        && let Ok(read) = GossipTuple::read(key, value)
    {
        tuple(&read);
    }
}

/// A value with a good key, as the endpoint in it is the harder part.
fn value(bytes: &[u8]) {
    let peer = PeerId::from([7; 16]);
    let key = GossipTuple::key_of(peer);
    if let Ok(read) = GossipTuple::read(&key, &Bytes::copy_from_slice(bytes).into()) {
        assert_eq!(read.peer, peer);
        tuple(&read);
    }
}

fn tuple(read: &GossipTuple) {
    let GossipMessage::Publish { key, value, ttl } = read.to_message() else {
        panic!("a tuple is published");
    };
    assert_eq!(ttl, 0);
    assert_eq!(GossipTuple::read(&key, &value).as_ref(), Ok(read));
    let endpoint: Result<Endpoint, _> = read.endpoint.to_string().parse();
    assert_eq!(endpoint.as_ref(), Ok(&read.endpoint));
}

fn message(built: &GossipMessage) {
    let frame = built.encode();
    assert_eq!(frame.len(), built.len());
    let fits = frame.len() <= GossipMessage::MAX_LEN;
    let decoded = GossipMessage::decode(&frame);
    assert_eq!(decoded.as_ref().ok(), fits.then_some(built));
}

/// The parts of any message.
#[derive(Arbitrary)]
enum Built<'a> {
    Hello,
    Publish(&'a [u8], &'a [u8], u32),
    Ping,
    Pong,
    Invalid,
}

impl From<Built<'_>> for GossipMessage {
    fn from(built: Built<'_>) -> Self {
        match built {
            Built::Hello => Self::Hello,
            Built::Publish(key, value, ttl) => Self::Publish {
                key: short_text(key),
                value: Bytes::copy_from_slice(value).into(),
                ttl,
            },
            Built::Ping => Self::Ping,
            Built::Pong => Self::Pong,
            Built::Invalid => Self::Invalid,
        }
    }
}
