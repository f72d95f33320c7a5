//! The target `curve_message`: an open connection in any role.

mod open;
mod step;

use bytes::Bytes;
use zre_proto::{
    Content,
    zmtp::{Command, FrameHeader},
};

use super::{
    commands,
    frames::{self, Frames},
    messages::{Incoming, Outgoing},
    tested::{self, Tested},
};
use crate::script::{Reader, Trace};
use open::Side;
use step::Step;

/// A script of frames that cross a connection after a good handshake, most of them sealed with the
/// right key. What comes out is what was sealed, in this order, up to the first frame that is
/// wrong, whatever the pieces. What the link says is sealed, each frame with a number of its own,
/// and opens to what it was given. It holds no more than its limits allow.
pub fn curve_message(bytes: &[u8]) {
    let trace = Trace::new();
    let mut script = Reader(bytes);
    let mut scene = Scene::new(Side::new(script.read()));
    while !script.is_empty() && scene.steps < Scene::STEPS && !scene.tested.has_failed() {
        let step = script.read();
        trace.show(&step);
        scene.take(&step);
    }
}

struct Scene {
    tested: Tested,
    incoming: Incoming,
    outgoing: Outgoing,
    /// What the other side has said, and what the link has answered.
    said: Frames,
    answered: Frames,
    /// The last number that was sealed.
    last: u64,
    sealed: Vec<Vec<u8>>,
    /// The bytes that the link reads at a time.
    piece: usize,
    steps: usize,
}

impl Scene {
    const STEPS: usize = 100;
    const SEALED: usize = 50;
    /// The most bytes of a frame: some more than the link takes.
    const MOST: u16 = 9000;

    fn new(side: Side) -> Self {
        let (tested, incoming, outgoing) = open::connection(side);
        Self {
            tested,
            last: incoming.direction.last,
            incoming,
            outgoing,
            said: Frames::default(),
            answered: Frames::default(),
            sealed: Vec::new(),
            piece: tested::MOST_READ,
            steps: 0,
        }
    }

    fn take(&mut self, step: &Step<'_>) {
        self.steps += 1;
        match step {
            Step::Frame { more, text } => self.say_sealed(u8::from(*more), text),
            Step::Large { more, size } => {
                let text = vec![7; usize::from(*size % Self::MOST)];
                self.say_sealed(u8::from(*more), &text);
            }
            Step::Ping { context } => {
                let context = Bytes::copy_from_slice(&context[..context.len().min(16)]);
                let ping = Command::Ping { ttl: 0, context };
                self.say_sealed(2, &ping.encode());
            }
            Step::Odd {
                number,
                flags,
                text,
                change,
            } => {
                let mut body = self.seal(*number, *flags, text);
                change.apply(&mut body);
                self.say_frame(0, &body);
            }
            Step::Later { more, text } => _ = self.seal(0, u8::from(*more), text),
            Step::Again {
                index,
                outer,
                change,
            } => {
                let index = usize::from(*index) % self.sealed.len().max(1);
                if let Some(body) = self.sealed.get(index) {
                    let mut body = body.clone();
                    change.apply(&mut body);
                    self.say_frame(*outer, &body);
                }
            }
            Step::InTheOpen { flags, bytes } => self.say_frame(*flags, bytes),
            Step::Announced { flags, size, shift } => self.announce(*flags, *size, *shift),
            Step::Bytes { bytes } => self.say(bytes),
            Step::Pieces { size } => self.piece = 1 + usize::from(*size),
            Step::Send { frames, size } => self.send(frames % 4, *size % Self::MOST),
        }
    }

    /// A MESSAGE with a number so much above the next. It is kept, too.
    fn seal(&mut self, shift: u8, flags: u8, text: &[u8]) -> Vec<u8> {
        let shift = shift.cast_signed().into();
        let number = self.last.wrapping_add(1).wrapping_add_signed(shift);
        self.last = self.last.max(number);
        let direction = &self.incoming.direction;
        let (prefix, key) = (direction.prefix, &direction.key);
        let body = commands::message(prefix, number, key, flags, text);
        if self.sealed.len() < Self::SEALED {
            self.sealed.push(body.clone());
        }
        body
    }

    fn say_sealed(&mut self, flags: u8, text: &[u8]) {
        let body = self.seal(0, flags, text);
        self.say_frame(0, &body);
    }

    fn say_frame(&mut self, outer: u8, body: &[u8]) {
        let mut frame = Vec::new();
        frames::put(&mut frame, outer & 1 == 1, outer & 2 == 2, body);
        self.say(&frame);
    }

    fn announce(&mut self, flags: u8, size: u16, shift: u8) {
        let header = FrameHeader {
            command: flags & 1 == 1,
            more: flags & 3 == 2,
            size: (u64::from(size) << (shift % 48)) & (u64::MAX >> 1),
        };
        let mut head = Vec::new();
        header.encode(&mut head);
        self.say(&head);
    }

    fn say(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            if self.tested.has_failed() {
                return;
            }
            let heard = self.tested.read(piece);
            self.said.add(piece);
            self.answered.add(&heard.output);
            let mut expected = Vec::new();
            let read = self.incoming.read(&mut self.said, &mut expected);
            assert_eq!(heard.events, expected);
            assert_eq!(heard.failed, read.is_err());
            let pings = &mut self.incoming.pings;
            self.outgoing.answers(&mut self.answered, pings);
            assert!(self.answered.is_empty(), "it says nothing else");
        }
    }

    /// The link sends a message with so many frames behind the first.
    fn send(&mut self, frames: u8, size: u16) {
        let frame = |number: u8| Bytes::from(vec![number; size.into()]);
        let rest: Content = (1..=frames).map(frame).collect();
        let output = self.tested.send(&frame(0), &rest);
        self.answered.add(&output);
        for number in 0..=frames {
            let more = u8::from(number < frames);
            let sent = self.outgoing.take(&mut self.answered);
            assert_eq!(sent, Some((more, frame(number))));
        }
        assert!(self.answered.is_empty(), "it says nothing else");
    }
}
