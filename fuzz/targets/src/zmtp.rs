use arbitrary::{Arbitrary, Unstructured};
use bytes::{Buf as _, Bytes};
use zre_proto::zmtp::{Command, FrameHeader, Greeting, Metadata};

use crate::{heap::Meter, wire::short_text};

/// The most that reading a command may take from the heap, for each of its bytes.
const COST: usize = 64;

/// The bytes are a greeting, a frame's head, a command, a whole conversation, and the parts of
/// commands. Each decoder asks for more only while the answer can change, and what is read is
/// written so that it reads the same.
pub fn zmtp(bytes: &[u8]) {
    greeting(bytes);
    frame_header(bytes);
    command(Bytes::copy_from_slice(bytes));
    conversation(Bytes::copy_from_slice(bytes));
    if let Ok(parts) = Parts::arbitrary(&mut Unstructured::new(bytes)) {
        built(&parts);
    }
}

fn greeting(bytes: &[u8]) {
    let decoded = Greeting::decode(bytes);
    for length in 0..bytes.len().min(Greeting::LEN) {
        match Greeting::decode(&bytes[..length]) {
            Ok(None) => {}
            early => assert_eq!(early, decoded, "a refusal is final"),
        }
    }
    let Ok(Some(greeting)) = decoded else {
        assert!(decoded.is_err() || bytes.len() < Greeting::LEN);
        return;
    };
    assert!(greeting.major >= 3);
    assert!(greeting.mechanism.to_string().len() <= 20);
    let written = greeting.encode();
    assert_eq!(Greeting::decode(&written), Ok(Some(greeting.clone())));
    // The padding says nothing, and only one bit of the last bytes does.
    assert_eq!(written[9..32], bytes[9..32]);
    assert_eq!(written[32], bytes[32] & 1);
}

fn frame_header(bytes: &[u8]) {
    let decoded = FrameHeader::decode(bytes);
    for length in 0..bytes.len().min(FrameHeader::MAX_LEN) {
        match FrameHeader::decode(&bytes[..length]) {
            Ok(None) => {}
            early => assert_eq!(early, decoded, "an answer is final"),
        }
    }
    let Ok(Some((header, length))) = decoded else {
        assert!(decoded.is_err() || bytes.len() < FrameHeader::MAX_LEN);
        return;
    };
    assert!(length <= FrameHeader::MAX_LEN.min(bytes.len()));
    assert!(header.size < 1 << 63);
    assert!(!(header.command && header.more));
    let mut written = Vec::new();
    header.encode(&mut written);
    assert!(written.len() <= length, "the shortest form");
    let read = FrameHeader::decode(&written);
    assert_eq!(read, Ok(Some((header, written.len()))));
}

fn command(body: Bytes) {
    let meter = Meter::start();
    let decoded = Command::decode(&body);
    assert!(meter.taken() <= 1024 + COST * body.len());
    let Ok(command) = decoded else { return };
    let written = command.encode();
    assert_eq!(Command::decode(&written).as_ref(), Ok(&command));
    match &command {
        Command::Ready(_) => assert_eq!(written, body),
        Command::Ping { context, .. } | Command::Pong { context } => {
            assert_eq!(written, body);
            assert!(context.len() <= 16);
        }
        // What stands behind an error's reason, or an unknown name, is not kept.
        _ => assert!(body.starts_with(&written)),
    }
    if let Command::Ready(metadata) = &command {
        for name in [Metadata::SOCKET_TYPE, Metadata::IDENTITY] {
            assert_eq!(metadata.get(name), metadata.get(&name.to_uppercase()));
        }
    }
}

/// A greeting, and frames behind it.
fn conversation(mut bytes: Bytes) {
    if let Ok(Some(_)) = Greeting::decode(&bytes) {
        bytes.advance(Greeting::LEN);
    }
    while let Ok(Some((header, length))) = FrameHeader::decode(&bytes) {
        let left = bytes.len() - length;
        let Some(size) = usize::try_from(header.size)
            .ok()
            .filter(|size| *size <= left)
        else {
            return;
        };
        bytes.advance(length);
        let body = bytes.split_to(size);
        if header.command {
            command(body);
        }
    }
}

fn built(parts: &Parts<'_>) {
    let mut metadata = Metadata::default();
    for (name, value) in &parts.properties {
        let name = short_text(name);
        if !name.is_empty() {
            metadata = metadata.with(name, Bytes::copy_from_slice(value));
        }
    }
    let context = Bytes::copy_from_slice(&parts.context[..parts.context.len().min(16)]);
    let ttl = parts.ttl;
    for command in [
        Command::Ready(metadata),
        Command::Error {
            reason: short_text(parts.reason),
        },
        Command::Ping {
            ttl,
            context: context.clone(),
        },
        Command::Pong { context },
    ] {
        assert_eq!(Command::decode(&command.encode()), Ok(command));
    }
    let header = FrameHeader {
        command: parts.command,
        more: parts.more && !parts.command,
        size: parts.size >> 1,
    };
    let mut written = Vec::new();
    header.encode(&mut written);
    let read = FrameHeader::decode(&written);
    assert_eq!(read, Ok(Some((header, written.len()))));
}

#[derive(Arbitrary)]
struct Parts<'a> {
    properties: Vec<(&'a [u8], &'a [u8])>,
    reason: &'a [u8],
    context: &'a [u8],
    ttl: u16,
    command: bool,
    more: bool,
    size: u64,
}
