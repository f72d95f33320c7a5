//! What frames and contents are made of.

use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};

use bytes::{Bytes, BytesMut};

use super::{Content, Frames};

/// A value that makes one frame of a [`Content`]: text or bytes, owned or borrowed.
///
/// Whatever implements it can be sent as it is, or in a `Vec`, a slice, an array, an iterator or a
/// tuple of two to four, which make one frame of each element. Implement it for a type of your own
/// to send that.
///
/// ```
/// use bytes::Bytes;
/// use zre_proto::{Content, IntoFrame};
///
/// struct Temperature(i16);
///
/// impl IntoFrame for Temperature {
///     fn into_frame(self) -> Bytes {
///         self.0.to_be_bytes().into_frame()
///     }
/// }
///
/// assert_eq!(Content::from(("kitchen", Temperature(21))).len(), 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither text nor bytes, of which a frame can be made",
    note = "a `Content` is made of text or bytes, or of a list, an array or a tuple of them"
)]
pub trait IntoFrame {
    /// The bytes of the frame.
    fn into_frame(self) -> Bytes;
}

/// Types that `Bytes` takes over without a copy.
macro_rules! owned {
    ($($owned:ty)*) => {$(
        impl IntoFrame for $owned {
            fn into_frame(self) -> Bytes {
                self.into()
            }
        }
    )*};
}

owned!(Bytes BytesMut String Vec<u8> Box<[u8]>);

impl IntoFrame for Box<str> {
    fn into_frame(self) -> Bytes {
        String::from(self).into()
    }
}

impl IntoFrame for &str {
    fn into_frame(self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
}

impl IntoFrame for &[u8] {
    fn into_frame(self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl<const N: usize> IntoFrame for [u8; N] {
    fn into_frame(self) -> Bytes {
        Bytes::copy_from_slice(&self)
    }
}

impl IntoFrame for Cow<'_, str> {
    fn into_frame(self) -> Bytes {
        self.into_owned().into()
    }
}

impl IntoFrame for Cow<'_, [u8]> {
    fn into_frame(self) -> Bytes {
        self.into_owned().into()
    }
}

/// `&String`, `&Vec<u8>`, `&[u8; 4]`, and what iterators over slices give, such as `&&str`.
impl<F: IntoFrame + Clone> IntoFrame for &F {
    fn into_frame(self) -> Bytes {
        self.clone().into_frame()
    }
}

/// One frame.
impl<F: IntoFrame> From<F> for Content {
    fn from(frame: F) -> Self {
        Self(Frames::One(frame.into_frame()))
    }
}

/// One frame of each element.
impl<F: IntoFrame> From<Vec<F>> for Content {
    fn from(frames: Vec<F>) -> Self {
        // From a `Vec<Bytes>` this collects into the same memory.
        let frames = frames.into_iter().map(F::into_frame).collect();
        Self(Frames::Many(frames))
    }
}

/// One frame of each element.
impl<F: IntoFrame + Clone> From<&Vec<F>> for Content {
    fn from(frames: &Vec<F>) -> Self {
        frames.iter().collect()
    }
}

/// One frame of each element.
impl<F: IntoFrame + Clone> From<&[F]> for Content {
    fn from(frames: &[F]) -> Self {
        frames.iter().collect()
    }
}

/// One frame of each element.
impl<F: IntoFrame, const N: usize> From<[F; N]> for Content {
    fn from(frames: [F; N]) -> Self {
        frames.into_iter().collect()
    }
}

/// One frame of each element.
impl<F: IntoFrame + Clone, const N: usize> From<&[F; N]> for Content {
    fn from(frames: &[F; N]) -> Self {
        frames.iter().collect()
    }
}

/// Tuples whose elements may be of different types.
macro_rules! tuples {
    ($(($($frame:ident)*))*) => {$(
        /// One frame of each element.
        impl<$($frame: IntoFrame),*> From<($($frame),*)> for Content {
            #[allow(non_snake_case, reason = "a type and its value have the same name here")]
            fn from(($($frame),*): ($($frame),*)) -> Self {
                [$($frame.into_frame()),*].into()
            }
        }
    )*};
}

tuples!((A B) (A B C) (A B C D));
