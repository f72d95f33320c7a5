//! Octets that came in and are not decoded yet.

use alloc::collections::VecDeque;
use core::ops::RangeInclusive;

use bytes::{Buf as _, Bytes, BytesMut};

/// A buffer to read into, whose octets leave it in front without being copied.
///
/// Small frames are read many at a time into a buffer that connections lend each other. A large one, when more of it
/// has come than a small rest, gets memory of its own of just its size, so that hardly anything of it is moved. What is set to
/// zero, and so really taken from the system, grows with what has come, never with what a peer announces.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// What was taken, what came and has not been taken, and behind it room that has been set to zero, so that any
    /// reader can write to it.
    buffer: BytesMut,
    /// Where in the buffer what came and has not been taken begins and ends.
    begin: usize,
    end: usize,
    used: Used,
    /// Memory for small frames.
    piece: BytesMut,
}

impl Inbox {
    /// How much room there is for one read, unless more of a large frame is to come: a frame of 64 KiB and what is before it fit.
    pub(super) const READ_SIZE: usize = (64 << 10) + 256;
    /// A frame of which more than this is to come is read into memory of its own.
    const LARGE: usize = 16 << 10;
    /// Room behind a large frame, for the beginning of the next.
    const BEHIND: usize = 64;
    /// Memory for a frame of at most this size is reserved at once, for a larger one only twice what has come.
    const RESERVED: usize = 1 << 20;
    /// So much room is set to zero at a time: as much again as has come, within these bounds.
    const STEP: RangeInclusive<usize> = 64 << 10..=256 << 10;
    /// With less room than this it is time for a new buffer.
    const LEAST_ROOM: usize = 4 << 10;
    /// Small frames lie side by side in pieces of this size.
    pub(super) const PIECE: usize = 4 << 10;
    /// A rest of at most this many octets moves out of a shared buffer.
    const SMALL_REST: usize = 4 << 10;

    /// What came and has not been taken.
    pub(super) fn filled(&self) -> &[u8] {
        self.buffer.get(self.begin..self.end).unwrap_or_default()
    }

    /// How many octets that are.
    pub(super) fn len(&self) -> usize {
        self.end - self.begin
    }

    /// What has come, and the room behind it that has been set to zero.
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Room for at least one octet. `wanted` is how many octets must be there before there is more to decode.
    pub(super) fn room(&mut self, wanted: usize) -> &mut [u8] {
        let missing = wanted.saturating_sub(self.len());
        let least = missing.clamp(1, Self::LEAST_ROOM);
        if self.buffer.len() - self.end < least {
            self.grow(missing);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// So many octets have been read into the room.
    pub(super) fn fill(&mut self, count: usize) {
        assert!(
            count <= self.buffer.len() - self.end,
            "read more than there was room for"
        );
        self.end += count;
    }

    /// Drops octets in front.
    pub(super) fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.len(), "dropped more than came");
        self.begin += count;
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        }
    }

    /// Takes octets in front. They share the buffer's memory.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        self.move_to_front();
        self.end -= count;
        let taken = self.buffer.split_to(count).freeze();
        let is_little = self.end <= Self::SMALL_REST;
        if count > Self::READ_SIZE || count > Self::LARGE && is_little {
            // What comes behind shall not hold the memory of this.
            self.buffer = BytesMut::from(self.filled());
            self.used.add(&taken);
        }
        taken
    }

    /// Takes octets in front, into memory that they share with a few others.
    pub(super) fn copy(&mut self, count: usize) -> Bytes {
        if self.piece.capacity() < count {
            self.piece.reserve(count.max(Self::PIECE));
        }
        let octets = self.buffer.get(self.begin..self.begin + count);
        self.piece.extend_from_slice(octets.unwrap_or_default());
        self.advance(count);
        self.piece.split().freeze()
    }

    /// Lends the memory of `spare` to a connection of which little or nothing waits, so that idle ones need none.
    pub(super) fn lend(&mut self, spare: &mut Self) {
        self.swap_memory(spare);
        let waits = self.len();
        if waits <= Self::SMALL_REST
            && let Some(front) = spare.buffer.get_mut(..waits)
        {
            front.copy_from_slice(self.filled());
            core::mem::swap(&mut self.buffer, &mut spare.buffer);
            (self.begin, self.end) = (0, waits);
        }
    }

    /// Gives the memory back, if what waits is small enough to be kept elsewhere.
    pub(super) fn give_back(&mut self, spare: &mut Self) {
        self.swap_memory(spare);
        if self.len() > Self::SMALL_REST || self.buffer.capacity() <= 2 * Self::SMALL_REST {
            return;
        }
        let rest = BytesMut::from(self.filled());
        (self.begin, self.end) = (0, rest.len());
        let buffer = core::mem::replace(&mut self.buffer, rest);
        if (spare.buffer.len()..=2 * Self::READ_SIZE).contains(&buffer.len()) {
            spare.buffer = buffer;
        }
    }

    fn swap_memory(&mut self, spare: &mut Self) {
        core::mem::swap(&mut self.used, &mut spare.used);
        core::mem::swap(&mut self.piece, &mut spare.piece);
    }

    /// Lets go of the memory for frames that are handed on.
    pub(crate) fn forget_memory(&mut self) {
        self.used = Used::default();
        self.piece = BytesMut::new();
    }

    /// Brings what waits to the front of the buffer.
    fn move_to_front(&mut self) {
        if self.len() <= Self::SMALL_REST {
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
            let room = match missing {
                ..=Self::LARGE => Self::READ_SIZE,
                _ => missing.min(self.end.max(Self::RESERVED)) + Self::BEHIND,
            };
            let mut buffer = self.used.take_or_reserve(self.end + room);
            if let Some(front) = buffer.get_mut(..self.end) {
                front.copy_from_slice(self.buffer.as_ref());
            } else {
                buffer.clear();
                buffer.extend_from_slice(&self.buffer);
            }
            self.buffer = buffer;
        }
        let step = self.end.clamp(*Self::STEP.start(), *Self::STEP.end());
        let end = self.buffer.capacity().min(self.end + step);
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

/// Large frames that were handed on, for the memory of those that nobody holds any more: to take it from the system anew, and to set it to
/// zero, takes longer than to fill it.
#[derive(Debug, Default)]
struct Used {
    frames: VecDeque<Bytes>,
    size: usize,
}

impl Used {
    /// Octets of all frames together that are remembered.
    const MOST: usize = 4 << 20;
    /// A frame's memory is used again from where the frame began, which is a few octets further each time.
    const SLACK: usize = 1 << 10;

    fn add(&mut self, frame: &Bytes) {
        self.frames.push_back(frame.clone());
        self.size += frame.len();
        while self.size > Self::MOST
            && let Some(first) = self.frames.pop_front()
        {
            self.size -= first.len();
        }
    }

    /// Memory for so many octets, some or all of which are filled with something.
    fn take_or_reserve(&mut self, needed: usize) -> BytesMut {
        self.take(needed)
            .unwrap_or_else(|| BytesMut::with_capacity(needed + Self::SLACK))
    }

    fn take(&mut self, needed: usize) -> Option<BytesMut> {
        // What is much larger would be counted for half of what it is, and is wanted for something else.
        let most = 2 * Inbox::READ_SIZE.max(needed + Self::SLACK);
        let fits = |frame: &Bytes| frame.len() <= most && frame.is_unique();
        let free = self.frames.iter().position(fits)?;
        let frame = self.frames.remove(free)?;
        self.size -= frame.len();
        let mut memory = frame.try_into_mut().ok()?;
        if memory.capacity() > most {
            return None;
        }
        memory.truncate(needed);
        let missing = needed - memory.len();
        let fits = missing <= needed / 4 * 3 && memory.try_reclaim(missing);
        fits.then_some(memory)
    }
}
