//! The link that is tested.

use bytes::Bytes;
use zre_core::{Config, Limits, Link, LinkEvent};
use zre_proto::Content;

use crate::{heap::Meter, wire};

pub(super) const FIRST_FRAME: usize = 500;
pub(super) const CONTENT: usize = 2000;
pub(super) const MESSAGE: usize = CONTENT + FIRST_FRAME;
pub(super) const FRAMES: usize = 20;
/// The most bytes that the link is given at a time. It answers fewer, and all of them are taken
/// before it is given more.
pub(super) const MOST_READ: usize = 4000;
/// The most that a link may hold under these limits.
const HELD: isize = 256 << 10;

pub(super) fn limits() -> Limits {
    let endpoint = "tcp://10.0.0.1:1".parse().unwrap();
    let mut limits = Config::new(endpoint).limits;
    limits.message_size = CONTENT;
    limits.message_frames = FRAMES;
    limits.header_frame = FIRST_FRAME;
    limits
}

#[derive(Debug)]
pub(super) struct Tested {
    link: Link,
    held: isize,
    /// What it may have handed out.
    given: usize,
    failed: bool,
}

/// What followed from what a link was given.
pub(super) struct Heard {
    pub(super) events: Vec<LinkEvent>,
    pub(super) output: Bytes,
    /// It has ended in an error.
    pub(super) failed: bool,
}

impl Tested {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            held: 0,
            given: 0,
            failed: false,
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The link sends a message; gives what it writes.
    pub(super) fn send(&mut self, first: &[u8], rest: &Content) -> Bytes {
        let meter = Meter::start();
        self.link.send(first, rest);
        let output = wire::take_outbox(&mut self.link);
        self.held += meter.change();
        self.given += 2 * output.len();
        output
    }

    /// Gives the link some bytes to read.
    pub(super) fn read(&mut self, mut piece: &[u8]) -> Heard {
        let meter = Meter::start();
        self.given += 2 * piece.len();
        let mut events = Vec::new();
        while !piece.is_empty() && !self.failed {
            wire::read(&mut self.link, &mut piece, usize::MAX);
            self.take_events(&mut events);
        }
        self.held += meter.change();
        let handed_out = isize::try_from(self.given).unwrap();
        assert!(self.held <= HELD + handed_out, "holds {}", self.held);
        Heard {
            events,
            output: wire::take_outbox(&mut self.link),
            failed: self.failed,
        }
    }

    fn take_events(&mut self, events: &mut Vec<LinkEvent>) {
        loop {
            match self.link.next_event() {
                Ok(Some(event)) => {
                    events.push(event);
                    self.given += 256;
                }
                Ok(None) => return,
                Err(_) => {
                    self.failed = true;
                    return;
                }
            }
        }
    }
}
