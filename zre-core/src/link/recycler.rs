//! Memory of large frames that were handed on.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::read_buffer::ReadBuffer;

/// Remembers large frames that were handed on, and uses the memory of those that nobody holds any
/// more.
///
/// To get such memory from the system anew, and to set it to zero, takes longer than to fill it.
#[derive(Debug, Default)]
pub(super) struct Recycler {
    frames: VecDeque<Bytes>,
    size: usize,
}

impl Recycler {
    /// The bytes of all remembered frames together.
    const MAX_SIZE: usize = 4 << 20;
    /// A frame's memory is used again from where the frame began, which is a few bytes further
    /// each time. This much more is reserved for that.
    const SLACK: usize = 1 << 10;

    pub(super) fn add(&mut self, frame: &Bytes) {
        self.frames.push_back(frame.clone());
        self.size += frame.len();
        while self.size > Self::MAX_SIZE
            && let Some(first) = self.frames.pop_front()
        {
            self.size -= first.len();
        }
    }

    /// Memory for so many bytes, of which any number may be initialised.
    pub(super) fn take_or_reserve(&mut self, needed: usize) -> BytesMut {
        self.take(needed)
            .unwrap_or_else(|| BytesMut::with_capacity(needed + Self::SLACK))
    }

    fn take(&mut self, needed: usize) -> Option<BytesMut> {
        // Much larger memory would be charged less than half of what it is, and larger frames
        // have better use for it.
        let most = 2 * ReadBuffer::READ_SIZE.max(needed + Self::SLACK);
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
