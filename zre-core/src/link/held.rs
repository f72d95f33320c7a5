//! What the frames of a message keep whose end has not come.

use bytes::Bytes;

use super::read_buffer::ReadBuffer;

/// The memory that the frames of an unfinished message keep.
///
/// A frame of at most 64 KiB shares a piece of memory with others. While it is held, all of that
/// piece is, so the piece counts, and not the frame. It counts once for each message.
#[derive(Debug, Default)]
pub(super) struct HeldFrames {
    size: usize,
    /// The numbers of the pieces in which the last frames lie, small and larger ones.
    block: u64,
    buffer: u64,
}

impl HeldFrames {
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Another frame is held, the one that was taken from `input` last; `None` for the first frame
    /// of a message, which is a copy of its own.
    pub(super) fn add(&mut self, frame: Option<&Bytes>, input: &ReadBuffer) {
        let Some(frame) = frame else {
            return;
        };
        let (known, piece) = match frame.len() {
            ..=ReadBuffer::BLOCK => (&mut self.block, input.block_piece()),
            _ => (&mut self.buffer, input.taken_piece()),
        };
        if *known != piece.number {
            *known = piece.number;
            self.size += piece.size.max(frame.len());
        }
    }
}
