//! The memory of large frames, used again when the application has dropped them.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::read_buffer::ReadBuffer;

/// Remembers large frames that were handed on, and reuses the memory of those that nobody holds any
/// more.
///
/// Getting new memory from the system and setting it to zero takes longer than filling it.
#[derive(Debug, Default)]
pub(super) struct Recycler {
    frames: VecDeque<Bytes>,
    size: usize,
}

impl Recycler {
    /// The bytes of all remembered frames together.
    const MAX_SIZE: usize = 4 << 20;
    /// Reused memory begins where the frame began, which is a few bytes later each time. This much
    /// more is reserved for that.
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

    /// Memory for `needed` bytes, of which any number may be initialised.
    pub(super) fn take_or_reserve(&mut self, needed: usize) -> BytesMut {
        self.take(needed)
            .unwrap_or_else(|| BytesMut::with_capacity(needed + Self::SLACK))
    }

    fn take(&mut self, needed: usize) -> Option<BytesMut> {
        // Much larger memory would be charged less than half of what it is, and larger frames
        // have better use for it.
        // The event queue charges a frame by its length, or `READ_SIZE` if that is more.
        let most = 2 * ReadBuffer::READ_SIZE.max(needed + Self::SLACK);
        let fits = |frame: &Bytes| frame.len() <= most && frame.is_unique();
        let free = self.frames.iter().position(fits)?;
        let frame = self.frames.remove(free)?;
        self.size -= frame.len();
        // It is unique, so this does not fail.
        let mut memory = frame.try_into_mut().ok()?;
        if memory.capacity() > most {
            return None;
        }
        memory.truncate(needed);
        // Too little of it is initialised: setting more than three quarters to zero is no gain.
        let missing = needed - memory.len();
        let fits = missing <= needed / 4 * 3 && memory.try_reclaim(missing);
        fits.then_some(memory)
    }
}
