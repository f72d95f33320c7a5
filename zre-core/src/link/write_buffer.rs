//! Bytes on their way out.

use alloc::collections::VecDeque;

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use zre_proto::{
    Content,
    curve::{MessageFlags, MessageSealer},
    zmtp::{Command, FrameHeader},
};

/// What is to be written to a connection. Small frames are copied into one piece, large ones are
/// written from where they are.
///
/// Write some or all of [`chunks`](WriteBuffer::chunks), then [`advance`](Buf::advance) by as much.
#[derive(Debug, Default)]
pub struct WriteBuffer {
    /// Complete pieces, in order.
    segments: VecDeque<Bytes>,
    /// The piece behind them, which grows.
    tail: BytesMut,
    /// The bytes of all pieces.
    remaining: usize,
    /// The bytes that have been written since the beginning.
    written: u64,
}

impl WriteBuffer {
    /// A frame of at most this many bytes is copied beside its neighbours, so that the system gets
    /// many small messages as one chunk. A larger one is written from where it is.
    const COPIED: usize = 2 << 10;
    /// A buffer that has been empty for a while keeps no more memory than this.
    const KEPT: usize = 16 << 10;

    /// The bytes to write, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        self.segments.iter().map(|segment| &segment[..]).chain(tail)
    }

    /// How many bytes have been written since the beginning.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn put_slice(&mut self, bytes: &[u8]) {
        self.tail.put_slice(bytes);
        self.remaining += bytes.len();
    }

    pub(super) fn put_command(&mut self, command: &Command) {
        self.put_command_body(&command.encode());
    }

    pub(super) fn put_message(&mut self, first: &[u8], rest: &Content) {
        self.put_frame_header(false, !rest.is_empty(), first.len());
        self.put_slice(first);
        let mut frames = rest.frames().iter().peekable();
        while let Some(frame) = frames.next() {
            self.put_frame_header(false, frames.peek().is_some(), frame.len());
            self.put_payload(frame);
        }
    }

    /// The body of a command whose first byte is the length of its name.
    pub(super) fn put_command_body(&mut self, body: &[u8]) {
        self.put_frame_header(true, false, body.len());
        self.put_slice(body);
    }

    /// The same, sealed.
    pub(super) fn put_sealed_command(&mut self, command: &Command, sealer: &mut MessageSealer) {
        let flags = MessageFlags {
            command: true,
            more: false,
        };
        self.put_sealed_frame(flags, &command.encode(), sealer);
    }

    /// A message of which each frame is sealed. That takes memory of its own, so the frames are
    /// copied there and sealed in place.
    pub(super) fn put_sealed_message(
        &mut self,
        first: &[u8],
        rest: &Content,
        sealer: &mut MessageSealer,
    ) {
        let flags = |more| MessageFlags {
            command: false,
            more,
        };
        self.put_sealed_frame(flags(!rest.is_empty()), first, sealer);
        let mut frames = rest.frames().iter().peekable();
        while let Some(frame) = frames.next() {
            self.put_sealed_frame(flags(frames.peek().is_some()), frame, sealer);
        }
    }

    fn put_sealed_frame(&mut self, flags: MessageFlags, text: &[u8], sealer: &mut MessageSealer) {
        let size = MessageSealer::OVERHEAD + text.len();
        if text.len() > Self::COPIED {
            self.end_tail();
            self.tail.reserve(FrameHeader::MAX_LEN + size);
        }
        // As libzmq sends it: no command, and nothing that tells of the frames behind it.
        self.put_frame_header(false, false, size);
        let begin = self.tail.len();
        self.put_slice(&MessageSealer::head(flags));
        self.put_slice(text);
        if let Some(message) = self.tail.get_mut(begin..) {
            sealer.seal(message);
        }
        if text.len() > Self::COPIED {
            self.end_tail();
        }
    }

    /// What has been copied so far goes before what follows.
    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.segments.push_back(self.tail.split().freeze());
        }
    }

    fn put_frame_header(&mut self, command: bool, more: bool, size: usize) {
        let size = size as u64;
        let before = self.tail.len();
        FrameHeader {
            command,
            more,
            size,
        }
        .encode(&mut self.tail);
        self.remaining += self.tail.len() - before;
    }

    fn put_payload(&mut self, payload: &Bytes) {
        if payload.len() <= Self::COPIED {
            self.put_slice(payload);
            return;
        }
        self.end_tail();
        self.segments.push_back(payload.clone());
        self.remaining += payload.len();
    }

    /// Releases the memory of a burst, if all of it has been written.
    pub(super) fn release_memory(&mut self) {
        if self.remaining > 0 {
            return;
        }
        // The tail also owns the memory of what was written before, so its capacity does not tell.
        // `try_reclaim` succeeds if there is more of that than is worth keeping.
        if self.tail.try_reclaim(Self::KEPT + 1) {
            self.tail = BytesMut::new();
        }
        self.segments.shrink_to(4);
    }
}

impl Buf for WriteBuffer {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.segments
            .front()
            .map_or(&self.tail[..], |segment| &segment[..])
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.remaining, "advanced past the end");
        self.remaining -= count;
        self.written += count as u64;
        let mut left = count;
        // The sum has been checked above, so the tail holds whatever is left at the end.
        while let Some(front) = self.segments.front_mut() {
            if front.len() > left {
                front.advance(left);
                return;
            }
            left -= front.len();
            self.segments.pop_front();
        }
        self.tail.advance(left);
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    fn written(buffer: &mut WriteBuffer, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while buffer.has_remaining() {
            let gathered: Vec<u8> = buffer.chunks().flatten().copied().collect();
            assert_eq!(gathered.len(), buffer.remaining());
            let count = step.min(gathered.len());
            all.extend(&gathered[..count]);
            buffer.advance(count);
        }
        all
    }

    #[test]
    fn bytes_leave_in_order_whatever_the_pieces() {
        let large = Bytes::from(vec![7; 5000]);
        let content = Content::from([Bytes::from_static(b"small"), large, Bytes::new()]);
        let mut reference = WriteBuffer::default();
        reference.put_message(b"first", &content);
        let expected = written(&mut reference, usize::MAX);
        assert_eq!(expected[..7], *b"\x01\x05first");
        for step in [1, 7, 4096] {
            let mut buffer = WriteBuffer::default();
            buffer.put_message(b"first", &content);
            assert_eq!(written(&mut buffer, step), expected);
        }
    }

    #[test]
    fn a_large_payload_is_not_copied() {
        let large = Bytes::from(vec![7; 5000]);
        let mut buffer = WriteBuffer::default();
        buffer.put_message(b"first", &large.clone().into());
        assert!(
            buffer
                .chunks()
                .any(|chunk| chunk.as_ptr() == large.as_ptr())
        );
    }
}
