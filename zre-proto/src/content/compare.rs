//! When contents are equal: to each other, to one frame's bytes, to a list of texts.

use alloc::{borrow::Cow, string::String, vec::Vec};

use bytes::Bytes;

use super::Content;

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.frames() == other.frames()
    }
}

impl Eq for Content {}

/// Equality with the bytes of one frame, from either side.
macro_rules! equals_one_frame {
    ($([$($parameter:tt)*] $other:ty)*) => {$(
        /// Whether there is exactly one frame, and it has these bytes.
        impl<$($parameter)*> PartialEq<$other> for Content {
            fn eq(&self, other: &$other) -> bool {
                let other: &[u8] = other.as_ref();
                self.as_bytes() == Some(other)
            }
        }

        /// Whether there is exactly one frame, and it has these bytes.
        impl<$($parameter)*> PartialEq<Content> for $other {
            fn eq(&self, other: &Content) -> bool {
                other == self
            }
        }
    )*};
}

equals_one_frame! {
    [] str
    [] &str
    [] String
    [] [u8]
    [] &[u8]
    [] Vec<u8>
    [] Bytes
    [const N: usize] [u8; N]
    [const N: usize] &[u8; N]
}

/// Whether there is exactly one frame, and it has this text.
impl PartialEq<Cow<'_, str>> for Content {
    fn eq(&self, other: &Cow<'_, str>) -> bool {
        *self == **other
    }
}

/// Whether the frames are these texts, in this order.
impl<const N: usize> PartialEq<[&str; N]> for Content {
    fn eq(&self, other: &[&str; N]) -> bool {
        self.frames() == other
    }
}
