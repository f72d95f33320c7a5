//! Bytes that came in and are not decoded yet.

use core::ops::RangeInclusive;

use bytes::{Buf as _, Bytes, BytesMut};

use super::recycler::Recycler;

/// A buffer to read into, whose bytes leave at the front without being copied.
///
/// Small frames are read many at a time into one buffer, which idle connections share. A large
/// frame gets memory of just its size once a good part of it has come, so that hardly any of it is
/// moved. Setting memory to zero really takes it from the system; how much is set to zero grows
/// with what has come, never with what a peer announces.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    /// In this order: bytes that were taken, bytes that were read and not taken (they are said to
    /// *wait*), and room that has been set to zero, so that any reader can write to it.
    buffer: BytesMut,
    /// Where the waiting bytes begin and end: `begin <= end <= buffer.len()`.
    begin: usize,
    end: usize,
    /// The memory in which the buffer lies. Its number is 0 if that is a copy for it alone.
    piece: Piece,
    /// The memory that the last frame was taken from which is not small.
    taken: Piece,
    shared: Shared,
}

/// A piece of memory that several frames share, by which these can be counted.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Piece {
    /// No two pieces of an engine have the same; never 0 for a piece with frames.
    pub(super) number: u64,
    pub(super) size: usize,
}

/// What goes to whichever connection is read.
#[derive(Debug, Default)]
struct Shared {
    recycler: Recycler,
    /// Memory that small frames share.
    block: BytesMut,
    block_number: u64,
    last_number: u64,
}

impl Shared {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

impl ReadBuffer {
    /// The room for one read, unless more of a large frame is to come. A frame of 64 KiB fits, with
    /// its head and the message's first frame.
    pub(super) const READ_SIZE: usize = (64 << 10) + 256;
    /// A frame of which more than this is missing is read into memory of its own.
    const LARGE: usize = 16 << 10;
    /// Room behind a large frame, for the beginning of the next.
    const BEHIND: usize = 64;
    /// Memory for a frame of at most this size is reserved at once, for a larger one at most
    /// `GROWTH` times what has come.
    const RESERVED: usize = 1 << 20;
    /// All of a very large frame is reserved as soon as one part in so many has come. So it is
    /// moved while it is small, and hardly more than its own memory is in use at any time.
    const GROWTH: usize = 4;
    /// How much room is set to zero at a time: as much as waits, within these bounds.
    const STEP: RangeInclusive<usize> = 64 << 10..=256 << 10;
    /// With less room than this, a read would be so small that a new buffer is cheaper.
    const LEAST_ROOM: usize = 4 << 10;
    /// Small frames are copied side by side into blocks of this size. So a small frame that the
    /// application keeps does not keep the whole read buffer, and no allocation is needed for each.
    pub(super) const BLOCK: usize = 4 << 10;
    /// A remainder of at most this many bytes moves out of a shared buffer.
    const SMALL_REMAINDER: usize = 4 << 10;

    /// The bytes that wait.
    #[expect(
        clippy::indexing_slicing,
        reason = "begin and end stay in the buffer; an empty slice would pass for an empty frame"
    )]
    pub(super) fn filled(&self) -> &[u8] {
        &self.buffer[self.begin..self.end]
    }

    /// How many bytes wait.
    pub(super) fn len(&self) -> usize {
        self.end - self.begin
    }

    /// How much memory the buffer keeps. Up to 1 MiB, room that has not been set to zero does not
    /// count: the system has not given it yet.
    pub(super) fn held(&self) -> usize {
        const SHARED: usize = 2 * ReadBuffer::READ_SIZE + (2 << 10);
        const COUNTED_ALL: usize = ReadBuffer::RESERVED + 2 * ReadBuffer::READ_SIZE;
        match self.piece {
            Piece { number: 0, .. } => self.buffer.capacity(),
            Piece { size, .. } if size <= SHARED || size > COUNTED_ALL => size,
            _ => self.buffer.len(),
        }
    }

    /// Where the last small frame lies.
    pub(super) fn block_piece(&self) -> Piece {
        let (number, size) = (self.shared.block_number, Self::BLOCK);
        Piece { number, size }
    }

    /// Where the last frame lies that is not small.
    pub(super) fn taken_piece(&self) -> Piece {
        self.taken
    }

    /// Room for at least one byte. `wanted` is how many bytes must be there before there is more
    /// to decode.
    #[expect(
        clippy::indexing_slicing,
        reason = "end stays in the buffer; no room would pass for the end of the stream"
    )]
    pub(super) fn room(&mut self, wanted: usize) -> &mut [u8] {
        let missing = wanted.saturating_sub(self.len());
        // For the last few bytes of a frame no new buffer is made.
        let least = missing.clamp(1, Self::LEAST_ROOM);
        if self.buffer.len() - self.end < least {
            self.grow(missing);
        }
        &mut self.buffer[self.end..]
    }

    /// `count` bytes have been read into the room.
    pub(super) fn fill(&mut self, count: usize) {
        assert!(
            count <= self.buffer.len() - self.end,
            "read more than there was room for"
        );
        self.end += count;
    }

    /// Drops bytes at the front.
    pub(super) fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.len(), "dropped more than came");
        self.begin += count;
        // Nothing waits, so the whole buffer is room again, and nothing need be moved for it.
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        }
    }

    /// Takes bytes at the front. They share the buffer's memory.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        if self.piece.number == 0 {
            let (number, size) = (self.shared.next_number(), self.buffer.capacity());
            self.piece = Piece { number, size };
        }
        self.taken = self.piece;
        self.move_to_front();
        self.end -= count;
        let taken = self.buffer.split_to(count).freeze();
        // The rest shares its memory with what was taken. It moves out of that if the frame is so
        // large that its memory was made for it alone, or if moving is cheap.
        let is_little = self.end <= Self::SMALL_REMAINDER;
        if count > Self::READ_SIZE || count > Self::LARGE && is_little {
            self.buffer = BytesMut::from(self.filled());
            self.piece = Piece::default();
            self.shared.recycler.add(&taken);
        }
        taken
    }

    /// Takes bytes at the front as a copy, in a block that they share with a few others.
    #[expect(
        clippy::indexing_slicing,
        reason = "callers have compared with len; fewer bytes would pass for a shorter frame"
    )]
    pub(super) fn copy(&mut self, count: usize) -> Bytes {
        let shared = &mut self.shared;
        // A block that is used up lives on in the frames that were cut from it.
        if shared.block.capacity() < count {
            shared.block.reserve(count.max(Self::BLOCK));
            shared.block_number = shared.next_number();
        }
        let bytes = &self.buffer[self.begin..self.begin + count];
        shared.block.extend_from_slice(bytes);
        let copy = shared.block.split().freeze();
        self.advance(count);
        copy
    }

    /// The first of the bytes that wait.
    #[expect(
        clippy::indexing_slicing,
        reason = "callers have compared with len; fewer bytes would pass for a shorter frame"
    )]
    pub(super) fn front(&self, count: usize) -> &[u8] {
        &self.filled()[..count]
    }

    /// The same, to be changed.
    #[expect(
        clippy::indexing_slicing,
        reason = "callers have compared with len; fewer bytes would pass for a shorter frame"
    )]
    pub(super) fn front_mut(&mut self, count: usize) -> &mut [u8] {
        debug_assert!(count <= self.len(), "more than came");
        &mut self.buffer[self.begin..self.begin + count]
    }

    /// Takes the memory of `spare`, if little or nothing waits here, so that idle connections need
    /// none of their own.
    pub(super) fn borrow(&mut self, spare: &mut Self) {
        core::mem::swap(&mut self.shared, &mut spare.shared);
        // With more than that here, copying would cost more than the own buffer does.
        let waits = self.len();
        if waits <= Self::SMALL_REMAINDER
            && let Some(front) = spare.buffer.get_mut(..waits)
        {
            front.copy_from_slice(self.filled());
            core::mem::swap(&mut self.buffer, &mut spare.buffer);
            core::mem::swap(&mut self.piece, &mut spare.piece);
            (self.begin, self.end) = (0, waits);
        }
    }

    /// Gives that memory back, if what waits is small enough to be kept elsewhere.
    pub(super) fn give_back(&mut self, spare: &mut Self) {
        core::mem::swap(&mut self.shared, &mut spare.shared);
        let is_own = self.piece.number == 0 && self.len() > 0;
        // In the midst of a large frame it keeps its buffer, and so it does a small one of its own.
        if self.len() > Self::SMALL_REMAINDER
            || is_own && self.buffer.capacity() <= 2 * Self::SMALL_REMAINDER
        {
            return;
        }
        let remainder = BytesMut::from(self.filled());
        (self.begin, self.end) = (0, remainder.len());
        let buffer = core::mem::replace(&mut self.buffer, remainder);
        let piece = core::mem::take(&mut self.piece);
        // The better of the two is kept for others, unless it was made for one very large frame.
        if (spare.buffer.len()..=2 * Self::READ_SIZE).contains(&buffer.len()) {
            (spare.buffer, spare.piece) = (buffer, piece);
        }
    }

    /// Releases the memory for frames that are handed on.
    pub(super) fn release_memory(&mut self) {
        self.shared.recycler = Recycler::default();
        self.shared.block = BytesMut::new();
    }

    /// Brings what waits to the front of the buffer.
    fn move_to_front(&mut self) {
        // A little is moved, so that the room in front of it is used again; more stays in place.
        if self.len() <= Self::SMALL_REMAINDER {
            self.buffer.copy_within(self.begin..self.end, 0);
        } else {
            self.buffer.advance(self.begin);
        }
        self.end -= self.begin;
        self.begin = 0;
    }

    fn grow(&mut self, missing: usize) {
        self.move_to_front();
        let needed = self.end + missing.clamp(1, Self::LEAST_ROOM);
        self.buffer.truncate(self.end);
        if self.buffer.capacity() < needed {
            self.replace(missing);
        }
        // In steps, so that a peer that announces much and sends little takes little memory.
        let step = self.end.clamp(*Self::STEP.start(), *Self::STEP.end());
        let end = self.buffer.capacity().min(self.end + step);
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
    }

    /// Moves the waiting bytes to a new buffer with more room.
    fn replace(&mut self, missing: usize) {
        let room = match missing {
            ..=Self::LARGE => Self::READ_SIZE,
            _ => Self::next_room(self.end, missing) + Self::BEHIND,
        };
        let mut buffer = self.shared.recycler.take_or_reserve(self.end + room);
        if let Some(front) = buffer.get_mut(..self.end) {
            // Recycled memory. Behind this it is initialised, too, and need not be set to zero.
            front.copy_from_slice(self.buffer.as_ref());
        } else {
            buffer.clear();
            buffer.extend_from_slice(&self.buffer);
        }
        self.buffer = buffer;
        let (number, size) = (self.shared.next_number(), self.buffer.capacity());
        self.piece = Piece { number, size };
    }

    /// How much room a large frame gets, of which `come` bytes are there.
    fn next_room(come: usize, missing: usize) -> usize {
        let all = come + missing;
        let part = all / Self::GROWTH;
        // Just less than the part would mean to move nearly as much twice.
        let enough = if come >= part { all } else { part };
        let most = come.saturating_mul(Self::GROWTH);
        let room = enough.min(most).saturating_sub(come);
        missing.min(room.max(Self::RESERVED))
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}
