//! What has to come out of the frames behind a handshake.

use bytes::Bytes;
use zre_core::{LinkEvent, Multipart};
use zre_proto::{
    Content, GossipMessage,
    zmtp::{Command, FrameHeader},
};

use super::{
    boxes::Key,
    commands,
    frames::{Frames, Wrong},
    tested::{FIRST_FRAME, FRAMES, MESSAGE},
};

/// What a MESSAGE is longer than the frame in it.
pub(super) const OVERHEAD: u64 = 33;
pub(super) const COMMAND: u64 = 8 << 10;

/// What has to follow from some bytes.
pub(super) struct Expected {
    pub(super) events: Vec<LinkEvent>,
    /// It ends in an error.
    pub(super) wrong: bool,
}

/// What may come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    pub(super) first: usize,
    pub(super) message: usize,
    pub(super) frames: usize,
}

impl Allowed {
    pub(super) const ZRE: Self = Self {
        first: FIRST_FRAME,
        message: MESSAGE,
        frames: FRAMES,
    };
    pub(super) const GOSSIP: Self = Self {
        first: GossipMessage::MAX_LEN,
        message: GossipMessage::MAX_LEN,
        frames: 0,
    };
}

/// One direction of a connection: the key of its boxes, whose they are, and the last number.
#[derive(Debug, Clone)]
pub(super) struct Direction {
    pub(super) key: Key,
    pub(super) prefix: &'static [u8; 16],
    pub(super) last: u64,
}

/// What the tested side reads.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) direction: Direction,
    /// Whether a frame has come. Its number may be any that is higher than those of the handshake;
    /// from then on none may be left out.
    has_begun: bool,
    /// `None` if only commands may come.
    pub(super) allowed: Option<Allowed>,
    first: Option<Bytes>,
    rest: Content,
    /// The contexts of PINGs that have to be answered.
    pub(super) pings: Vec<Bytes>,
}

impl Incoming {
    pub(super) fn new(direction: Direction, allowed: Option<Allowed>) -> Self {
        Self {
            direction,
            has_begun: false,
            allowed,
            first: None,
            rest: Content::default(),
            pings: Vec::new(),
        }
    }

    /// What has come by now.
    pub(super) fn read(
        &mut self,
        frames: &mut Frames,
        events: &mut Vec<LinkEvent>,
    ) -> Result<(), Wrong> {
        while let Some((_, body)) = frames.take(|header| self.allows_sealed(header))? {
            self.open(&body, events)?;
        }
        Ok(())
    }

    fn allows_sealed(&self, header: &FrameHeader) -> bool {
        let inner = header.size.checked_sub(OVERHEAD);
        inner.is_some_and(|inner| inner <= COMMAND || self.allows(inner))
    }

    /// Whether the next frame of a message may have so many bytes.
    fn allows(&self, size: u64) -> bool {
        let Some(allowed) = self.allowed else {
            return false;
        };
        match &self.first {
            None => size <= allowed.first as u64,
            Some(first) => {
                let so_far = first.len() + self.rest.byte_len();
                self.rest.len() < allowed.frames && so_far as u64 + size <= allowed.message as u64
            }
        }
    }

    fn open(&mut self, body: &[u8], events: &mut Vec<LinkEvent>) -> Result<(), Wrong> {
        let Direction { key, prefix, last } = &mut self.direction;
        let (number, flags, text) = commands::open_message(body, prefix, key).ok_or(Wrong)?;
        if number <= *last || (self.has_begun && number - *last != 1) {
            return Err(Wrong);
        }
        (*last, self.has_begun) = (number, true);
        match flags {
            0 | 1 => self.frame(flags == 1, text, events),
            2 if text.len() as u64 <= COMMAND => self.command(&text),
            _ => Err(Wrong),
        }
    }

    fn frame(&mut self, more: bool, text: Bytes, events: &mut Vec<LinkEvent>) -> Result<(), Wrong> {
        if !self.allows(text.len() as u64) {
            return Err(Wrong);
        }
        match &self.first {
            None => self.first = Some(text),
            Some(_) => self.rest.push(text),
        }
        if !more {
            let first = self.first.take().unwrap();
            let rest = std::mem::take(&mut self.rest);
            events.push(LinkEvent::Message(Multipart { first, rest }));
        }
        Ok(())
    }

    fn command(&mut self, text: &Bytes) -> Result<(), Wrong> {
        match Command::decode(text).map_err(|_| Wrong)? {
            Command::Error { .. } => Err(Wrong),
            Command::Ping { context, .. } => {
                self.pings.push(context);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// What the tested side writes.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) direction: Direction,
}

impl Outgoing {
    /// The flags and the bytes of the next frame. Numbers follow each other.
    pub(super) fn take(&mut self, frames: &mut Frames) -> Option<(u8, Bytes)> {
        let (header, body) = frames.take(|_| true).expect("it writes frames")?;
        assert!(!header.command && !header.more, "nothing tells what it is");
        let Direction { key, prefix, last } = &mut self.direction;
        let opened = commands::open_message(&body, prefix, key);
        let (number, flags, text) = opened.expect("it seals with the keys of the connection");
        assert_eq!(number, *last + 1, "no number comes twice");
        *last = number;
        Some((flags, text))
    }

    /// The answers to PINGs, and nothing else.
    pub(super) fn answers(&mut self, frames: &mut Frames, pings: &mut Vec<Bytes>) {
        for context in pings.drain(..) {
            let (flags, text) = self.take(frames).expect("a PING is answered");
            assert_eq!(flags, 2);
            assert_eq!(Command::decode(&text), Ok(Command::Pong { context }));
        }
    }
}
