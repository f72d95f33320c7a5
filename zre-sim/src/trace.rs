//! A record of everything that happens: a hash and, on request, lines of text.

use std::{fmt, io::Write};

use xxhash_rust::xxh3::Xxh3;
use zre_core::{Instant, proto::GossipMessage};

use crate::machine::Payload;

/// Records everything that happens.
pub(crate) struct Trace {
    hash: Xxh3,
    lines: Option<Box<dyn Write>>,
    failed: Option<std::io::Error>,
}

/// One thing that happened at a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Note<'a> {
    Start(&'a str),
    Sends(&'a [u8]),
    Hears { from: usize, datagram: &'a [u8] },
    Opens { wire: usize },
    Accepts { wire: usize },
    Connected { wire: usize },
    Refused { wire: usize, why: &'a str },
    Reads { wire: usize, payload: &'a Payload },
    Closes { wire: usize },
    Event(&'a str),
    Listens(&'a str),
    Leaves(&'a str),
    Fault(&'a str),
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            hash: Xxh3::new(),
            lines: None,
            failed: None,
        }
    }

    pub(crate) fn write_to(&mut self, lines: Box<dyn Write>) {
        self.lines = Some(lines);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.digest()
    }

    /// The first error of the writer, once.
    pub(crate) fn finish(&mut self) -> std::io::Result<()> {
        if let Some(lines) = &mut self.lines {
            lines.flush()?;
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    pub(crate) fn note(&mut self, at: Instant, node: usize, note: Note<'_>) {
        let (kind, number, bytes) = note.parts();
        let head = [at.as_micros(), node as u64, kind, number];
        let mut fixed = [0; 32];
        for (place, value) in fixed.chunks_exact_mut(8).zip(head) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        self.hash.update(&fixed);
        self.hash.update(bytes);
        // A writer that failed is not tried again; `finish` reports its error.
        if let Some(lines) = &mut self.lines
            && let Err(error) = writeln!(lines, "{} {node} {note}", at.as_micros())
        {
            self.failed.get_or_insert(error);
            self.lines = None;
        }
    }
}

impl Note<'_> {
    /// Its kind, a number and bytes, which together say everything that is hashed.
    fn parts(&self) -> (u64, u64, &[u8]) {
        match *self {
            Self::Start(name) => (0, 0, name.as_bytes()),
            Self::Sends(datagram) => (1, datagram.len() as u64, datagram),
            Self::Hears { from, datagram } => (2, from as u64, datagram),
            Self::Opens { wire } => (3, wire as u64, &[]),
            Self::Accepts { wire } => (4, wire as u64, &[]),
            Self::Connected { wire } => (5, wire as u64, &[]),
            Self::Refused { wire, why } => (6, wire as u64, why.as_bytes()),
            Self::Reads { wire, payload } => match payload {
                Payload::Bytes(bytes) => (7, wire as u64, bytes),
                // Message kinds are above all others, so that the sequence number has room.
                Payload::Message(message) => (
                    0x100_0000 + u64::from(message.sequence),
                    (wire as u64) << 32 | payload.size() as u64,
                    message.body.kind().as_bytes(),
                ),
                Payload::Gossip(message) => (
                    0x200_0000,
                    (wire as u64) << 32 | payload.size() as u64,
                    match message.as_ref() {
                        GossipMessage::Publish { value, .. } => value.as_bytes(),
                        other => other.kind().as_bytes(),
                    },
                ),
                Payload::End(why) => (8, wire as u64, why.as_bytes()),
            },
            Self::Closes { wire } => (9, wire as u64, &[]),
            Self::Event(event) => (10, event.len() as u64, event.as_bytes()),
            Self::Fault(fault) => (11, 0, fault.as_bytes()),
            Self::Listens(at) => (12, 0, at.as_bytes()),
            Self::Leaves(at) => (13, 0, at.as_bytes()),
        }
    }
}

impl fmt::Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(name) => write!(f, "starts as {name}"),
            Self::Sends(datagram) => write!(f, "sends a datagram of {} bytes", datagram.len()),
            Self::Hears { from, datagram } => {
                write!(f, "receives {} bytes from {from}", datagram.len())
            }
            Self::Opens { wire } => write!(f, "opens connection {wire}"),
            Self::Accepts { wire } => write!(f, "accepts connection {wire}"),
            Self::Connected { wire } => write!(f, "is connected over {wire}"),
            Self::Refused { wire, why } => write!(f, "fails to open connection {wire}: {why}"),
            Self::Reads { wire, payload } => match payload {
                Payload::Bytes(bytes) => write!(f, "reads {} bytes from {wire}", bytes.len()),
                Payload::Message(message) => {
                    let (kind, sequence) = (message.body.kind(), message.sequence);
                    write!(f, "reads {kind} {sequence} from {wire}")
                }
                Payload::Gossip(message) => {
                    write!(f, "reads gossip {} ", message.kind())?;
                    if let GossipMessage::Publish { key, value, .. } = message.as_ref() {
                        write!(f, "{key} {value} ")?;
                    }
                    write!(f, "from {wire}")
                }
                Payload::End(why) => write!(f, "reads the end of {wire}: {why}"),
            },
            Self::Closes { wire } => write!(f, "closes connection {wire}"),
            Self::Event(event) => write!(f, "event: {event}"),
            Self::Listens(at) => write!(f, "listens on {at}"),
            Self::Leaves(at) => write!(f, "listens no more on {at}"),
            Self::Fault(fault) => write!(f, "{fault}"),
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("hash", &self.hash())
            .finish_non_exhaustive()
    }
}
