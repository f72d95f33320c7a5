//! The frames that a whisper or a shout carries.

mod compare;
mod into_frame;

use alloc::{borrow::Cow, string::String, vec, vec::Vec};
use core::{fmt, ops::Index, slice, str};

use bytes::Bytes;
use thiserror::Error;

pub use self::into_frame::IntoFrame;

/// The content of a WHISPER or SHOUT: zero or more frames of bytes.
///
/// Most messages have one frame, which is held without a list around it. Anything that is text or
/// bytes makes a content of one frame; a list, an array or a tuple of such things makes one frame
/// of each (see [`IntoFrame`]).
///
/// ```
/// use zre_proto::Content;
///
/// let hello = Content::from("hello");
/// assert_eq!(hello, "hello");
/// assert_eq!(hello.to_str()?, "hello");
///
/// let reading = Content::from(("temperature", vec![0, 21], String::from("°C")));
/// assert_eq!(reading.len(), 3);
/// assert_eq!(reading[1], [0, 21][..]);
/// # Ok::<(), zre_proto::ToStrError>(())
/// ```
///
/// # Copies
///
/// A frame is a [`Bytes`]: a clone of a content shares its frames. Owned values such as `String`,
/// `Vec<u8>` and `Bytes` become frames without a copy, borrowed ones are copied once. The engine of
/// `zre-core` writes a frame of more than 2 KiB from where it is; it copies smaller ones, so that
/// many small messages are written at once. A received frame of more than 4 KiB is usually a part
/// of the buffer that it was read into. A smaller one is copied, so that keeping it does not keep
/// such a buffer.
///
/// A frame made by [`Bytes::from_owner`] is dropped as soon as it has been written, while the node
/// is locked. The owner's `Drop` must not use the node, nor wait for a thread that does.
#[derive(Clone, Default)]
pub struct Content(Frames);

#[derive(Clone)]
enum Frames {
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Default for Frames {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// Why a content cannot be read as one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ToStrError {
    /// There is no frame, or more than one.
    #[error("the content has {frames} frames, expected one: read them with `frames()`")]
    Frames {
        /// How many frames there are.
        frames: usize,
    },
    /// The frame is not UTF-8.
    #[error("the content is not UTF-8: {0}; `to_string_lossy()` shows it nevertheless")]
    Utf8(#[from] str::Utf8Error),
}

impl Content {
    /// The frames in their order.
    pub fn frames(&self) -> &[Bytes] {
        match &self.0 {
            Frames::One(frame) => slice::from_ref(frame),
            Frames::Many(frames) => frames,
        }
    }

    /// The bytes of one frame, counted from 0, or `None` if there is no such frame.
    pub fn frame(&self, index: usize) -> Option<&[u8]> {
        self.frames().get(index).map(|frame| &frame[..])
    }

    /// The bytes of a content of exactly one frame, otherwise `None`.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self.frames() {
            [frame] => Some(frame),
            _ => None,
        }
    }

    /// The text of a content of exactly one frame.
    ///
    /// # Errors
    ///
    /// [`ToStrError`] if there is not exactly one frame, or if it is not UTF-8.
    pub fn to_str(&self) -> Result<&str, ToStrError> {
        let frames = self.len();
        let bytes = self.as_bytes().ok_or(ToStrError::Frames { frames })?;
        Ok(str::from_utf8(bytes)?)
    }

    /// All frames as text, joined without a separator, with U+FFFD where they are not UTF-8.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        match self.frames() {
            [frame] => String::from_utf8_lossy(frame),
            frames => {
                let texts = frames.iter().map(|frame| String::from_utf8_lossy(frame));
                texts.collect::<String>().into()
            }
        }
    }

    /// The number of frames.
    pub fn len(&self) -> usize {
        self.frames().len()
    }

    /// Whether there is no frame. One frame without bytes is a frame.
    pub fn is_empty(&self) -> bool {
        self.frames().is_empty()
    }

    /// The number of bytes of all frames together.
    pub fn byte_len(&self) -> usize {
        self.iter().map(Bytes::len).sum()
    }

    /// Adds a frame at the end.
    pub fn push(&mut self, frame: impl IntoFrame) {
        let frame = frame.into_frame();
        match &mut self.0 {
            // An empty list without memory of its own becomes a single frame.
            Frames::Many(frames) if frames.capacity() == 0 => self.0 = Frames::One(frame),
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

    /// The frames in their order.
    pub fn iter(&self) -> slice::Iter<'_, Bytes> {
        self.frames().iter()
    }
}

/// The frame of that number, counted from 0.
///
/// # Panics
///
/// If there is no such frame; [`frame`](Content::frame) returns an `Option`.
impl Index<usize> for Content {
    type Output = Bytes;

    #[expect(clippy::indexing_slicing, reason = "the documented panic of `Index`")]
    fn index(&self, index: usize) -> &Bytes {
        &self.frames()[index]
    }
}

impl<'a> IntoIterator for &'a Content {
    type Item = &'a Bytes;
    type IntoIter = slice::Iter<'a, Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Content {
    type Item = Bytes;
    type IntoIter = vec::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl<F: IntoFrame> FromIterator<F> for Content {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Self {
        let mut content = Self::default();
        content.extend(frames);
        content
    }
}

impl<F: IntoFrame> Extend<F> for Content {
    fn extend<I: IntoIterator<Item = F>>(&mut self, frames: I) {
        frames.into_iter().for_each(|frame| self.push(frame));
    }
}

/// As [`to_string_lossy`](Content::to_string_lossy).
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

/// The list of the frames.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

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
        assert_eq!(content.byte_len(), 3);
    }

    #[test]
    fn a_frame_pushed_to_an_empty_content_takes_no_list() {
        let mut content = Content::default();
        content.push("one");
        assert!(matches!(content.0, Frames::One(_)));
        content.push("two");
        content.push("three");
        assert_eq!(content, ["one", "two", "three"]);
    }

    #[test]
    fn frames_pushed_to_a_list_with_room_stay_in_it() {
        let list = Vec::<Bytes>::with_capacity(2);
        let start = list.as_ptr();
        let mut content = Content::from(list);
        content.push("one");
        content.push("two");
        assert_eq!(content.frames().as_ptr(), start);
        assert_eq!(content, ["one", "two"]);
    }

    #[test]
    fn one_frame_equals_itself_however_it_is_held() {
        let frame = Bytes::from_static(b"x");
        assert_eq!(Content::from(frame.clone()), Content::from(vec![frame]));
    }

    #[test]
    fn clones_share_their_frames() {
        let content = Content::from(vec![0_u8; 1024]);
        let clone = content.clone();
        assert_eq!(content[0].as_ptr(), clone[0].as_ptr());
    }

    #[test]
    fn owned_values_become_frames_without_a_copy() {
        let bytes = vec![1_u8; 64];
        let start = bytes.as_ptr();
        let list = Content::from(vec![bytes]);
        assert_eq!(list[0].as_ptr(), start);
        assert_eq!(Content::from(list.into_vec())[0].as_ptr(), start);
    }

    #[test]
    fn only_one_frame_is_one_text() {
        assert_eq!(Content::from("é").to_str(), Ok("é"));
        let why = |content: Content| content.to_str().unwrap_err().to_string();
        assert_eq!(
            why(Content::from(["a", "b"])),
            "the content has 2 frames, expected one: read them with `frames()`"
        );
        assert!(why(Content::from(b"caf\xE9")).starts_with("the content is not UTF-8: "));
        assert_eq!(Content::from(b"caf\xE9").to_string_lossy(), "caf\u{FFFD}");
        assert_eq!(Content::from(["a", "b"]).as_bytes(), None);
        assert_eq!(Content::default().as_bytes(), None);
        assert_eq!(Content::from("").as_bytes(), Some(&b""[..]));
    }

    #[test]
    fn a_content_shows_its_text_and_debugs_as_its_frames() {
        let content = Content::from(["a", "\n"]);
        assert_eq!(content.to_string(), "a\n");
        assert_eq!(format!("{content:?}"), r#"[b"a", b"\n"]"#);
    }
}
