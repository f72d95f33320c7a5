//! The frames that a whisper or a shout carries.

use alloc::{string::String, vec, vec::Vec};
use core::slice;

use bytes::Bytes;

/// The content of a WHISPER or SHOUT: zero or more frames, shared and never copied.
///
/// Most messages have one frame, which is held without a list around it.
///
/// Frames made by [`Bytes::from_owner`] are let go as soon as they are written, while the node is locked: dropping their owner
/// must neither use the node nor wait for somebody who does.
///
/// ```
/// use zre_proto::Content;
///
/// let content = Content::from(["hello", "world"]);
/// assert_eq!(content.len(), 2);
/// assert_eq!(content.frame(0), Some(&b"hello"[..]));
/// assert_eq!(Content::from("hello").to_str_lossy(), "hello");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Content(Frames);

#[derive(Debug, Clone)]
enum Frames {
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Default for Frames {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Content {
    /// The frames in their order.
    pub fn frames(&self) -> &[Bytes] {
        match &self.0 {
            Frames::One(frame) => slice::from_ref(frame),
            Frames::Many(frames) => frames,
        }
    }

    /// The octets of one frame, counted from 0.
    pub fn frame(&self, index: usize) -> Option<&[u8]> {
        self.frames().get(index).map(|frame| &frame[..])
    }

    /// All frames as text, one after the other, with U+FFFD where they are not UTF-8.
    pub fn to_str_lossy(&self) -> String {
        self.frames()
            .iter()
            .map(|frame| String::from_utf8_lossy(frame))
            .collect()
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames().len()
    }

    /// Whether there is no frame; one frame of no octets is a frame.
    pub fn is_empty(&self) -> bool {
        self.frames().is_empty()
    }

    /// The octets of all frames together.
    pub fn size(&self) -> usize {
        self.frames().iter().map(Bytes::len).sum()
    }

    /// Adds a frame at the end.
    pub fn push(&mut self, frame: Bytes) {
        match &mut self.0 {
            Frames::Many(frames) if frames.is_empty() => self.0 = Frames::One(frame),
            Frames::Many(frames) => frames.push(frame),
            Frames::One(first) => {
                let first = core::mem::take(first);
                self.0 = Frames::Many(vec![first, frame]);
            }
        }
    }

    /// The frames as a list.
    pub fn into_vec(self) -> Vec<Bytes> {
        match self.0 {
            Frames::One(frame) => vec![frame],
            Frames::Many(frames) => frames,
        }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.frames() == other.frames()
    }
}

impl Eq for Content {}

impl<F: Into<Bytes>> FromIterator<F> for Content {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Self {
        let mut content = Self::default();
        frames
            .into_iter()
            .for_each(|frame| content.push(frame.into()));
        content
    }
}

impl From<Vec<Bytes>> for Content {
    fn from(frames: Vec<Bytes>) -> Self {
        Self(Frames::Many(frames))
    }
}

impl From<Bytes> for Content {
    fn from(frame: Bytes) -> Self {
        Self(Frames::One(frame))
    }
}

impl From<Vec<u8>> for Content {
    fn from(frame: Vec<u8>) -> Self {
        Bytes::from(frame).into()
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Bytes::copy_from_slice(text.as_bytes()).into()
    }
}

impl From<&[u8]> for Content {
    fn from(octets: &[u8]) -> Self {
        Bytes::copy_from_slice(octets).into()
    }
}

impl<const N: usize> From<&[u8; N]> for Content {
    fn from(octets: &[u8; N]) -> Self {
        octets[..].into()
    }
}

impl<const N: usize> From<[&str; N]> for Content {
    fn from(frames: [&str; N]) -> Self {
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        frames.into_iter().map(copy).collect()
    }
}

impl<const N: usize> From<[Bytes; N]> for Content {
    fn from(frames: [Bytes; N]) -> Self {
        frames.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushed_frames_come_back_in_order() {
        let frames = ["", "a", "bb"];
        let mut content = Content::default();
        for (count, frame) in frames.into_iter().enumerate() {
            assert_eq!(content.len(), count);
            content.push(Bytes::from_static(frame.as_bytes()));
        }
        assert_eq!(content.clone().into_vec(), frames);
        assert_eq!(content.size(), 3);
    }

    #[test]
    fn one_frame_equals_itself_however_it_is_held() {
        let frame = Bytes::from_static(b"x");
        assert_eq!(Content::from(frame.clone()), Content::from(vec![frame]));
    }

    #[test]
    fn clones_share_the_octets() {
        let content = Content::from(vec![0_u8; 1024]);
        let clone = content.clone();
        assert_eq!(content.frames()[0].as_ptr(), clone.frames()[0].as_ptr());
    }
}
