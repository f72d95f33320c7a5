//! Octets that came in and are not decoded yet.

use bytes::{Buf as _, Bytes, BytesMut};

/// A buffer to read into, whose octets leave it in front without being copied.
///
/// It grows with what has come, never with what a peer announces.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// What came, and behind it room that has been set to zero, so that any reader can write to it.
    buffer: BytesMut,
    filled: usize,
}

impl Inbox {
    /// How much room there is for one read, unless more of a large frame is to come.
    pub(super) const READ_SIZE: usize = 64 << 10;
    /// With less room than this it is time for a new buffer.
    const LEAST_ROOM: usize = 4 << 10;
    /// A rest of at most this many octets moves out of a shared buffer.
    const SMALL_REST: usize = 4 << 10;

    /// What came and has not been taken.
    pub(super) fn filled(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Room for at least one octet. `wanted` is how many octets must be there before there is more to decode.
    pub(super) fn room(&mut self, wanted: usize) -> &mut [u8] {
        let missing = wanted.saturating_sub(self.filled);
        let least = missing.clamp(1, Self::LEAST_ROOM);
        if self.buffer.len() - self.filled < least {
            self.grow(missing);
        }
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// So many octets have been read into the room.
    pub(super) fn fill(&mut self, count: usize) {
        assert!(
            count <= self.buffer.len() - self.filled,
            "read more than there was room for"
        );
        self.filled += count;
    }

    /// Drops octets in front.
    pub(super) fn advance(&mut self, count: usize) {
        self.buffer.advance(count);
        self.filled -= count;
    }

    /// Takes octets in front. They share the buffer's memory.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        self.filled -= count;
        let taken = self.buffer.split_to(count).freeze();
        if count > Self::READ_SIZE {
            // What comes behind shall not hold the memory of this.
            self.buffer = BytesMut::from(self.filled());
        }
        taken
    }

    /// Takes octets in front, into memory of their own.
    pub(super) fn copy(&mut self, count: usize) -> Bytes {
        let copied = Bytes::copy_from_slice(self.filled().get(..count).unwrap_or_default());
        self.advance(count);
        copied
    }

    /// Lends the memory of `spare` to a connection of which nothing waits, so that idle ones need none.
    pub(super) fn lend(&mut self, spare: &mut Self) {
        if self.filled == 0 {
            core::mem::swap(&mut self.buffer, &mut spare.buffer);
            spare.filled = 0;
        }
    }

    /// Gives the memory back, if what waits is small enough to be kept elsewhere.
    pub(super) fn give_back(&mut self, spare: &mut Self) {
        if self.filled > Self::SMALL_REST {
            return;
        }
        let rest = BytesMut::from(self.filled());
        let buffer = core::mem::replace(&mut self.buffer, rest);
        if (spare.buffer.len()..=2 * Self::READ_SIZE).contains(&buffer.len()) {
            spare.buffer = buffer;
        }
    }

    /// At most doubles what has come.
    fn grow(&mut self, missing: usize) {
        let room = missing.min(self.filled).max(Self::READ_SIZE);
        self.buffer.truncate(self.filled);
        self.buffer.reserve(room);
        self.buffer.resize(self.filled + room, 0);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}
