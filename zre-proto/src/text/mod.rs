//! Names and values as ZRE carries them: bytes that are normally UTF-8.

mod bounded;
mod compare;

use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
use core::{convert::Infallible, fmt, str};

use bytes::Bytes;

pub use self::bounded::{GroupName, ShortText, TooLong};
use crate::small_bytes::SmallBytes;

/// A text of any length, as it stands on the wire.
///
/// ZRE does not specify how text is encoded; every implementation means UTF-8. Bytes that are not
/// UTF-8 are kept as they are: they compare and go back on the wire unchanged.
/// [`Display`](fmt::Display) and [`to_string_lossy`](Text::to_string_lossy) show U+FFFD in their
/// place, [`to_str`](Text::to_str) and [`as_str`](Text::as_str) refuse them.
///
/// Cloning is cheap: up to 15 bytes are held in place, longer texts are shared.
///
/// A map with `Text`, [`ShortText`] or [`GroupName`] as its key can be searched by the bytes of a
/// name, without making a key first. A search by `&str` would not be correct: `str` hashes
/// differently from its bytes.
///
/// ```
/// use std::collections::HashMap;
/// use zre_proto::Text;
///
/// let ages = HashMap::from([(Text::from("alice"), 30)]);
/// assert_eq!(ages.get("alice".as_bytes()), Some(&30));
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(SmallBytes);

impl Text {
    /// The text as a `str`.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`](str::Utf8Error) says where the text stops being UTF-8.
    pub fn to_str(&self) -> Result<&str, str::Utf8Error> {
        str::from_utf8(self.as_bytes())
    }

    /// The text as a `str`, or `None` if it is not UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.to_str().ok()
    }

    /// The text, with U+FFFD in place of each part that is not UTF-8.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// The bytes as they stand on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the text has no bytes.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl<const N: usize> From<&[u8; N]> for Text {
    fn from(bytes: &[u8; N]) -> Self {
        bytes[..].into()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<char> for Text {
    fn from(char: char) -> Self {
        (&*char.encode_utf8(&mut [0; 4])).into()
    }
}

/// Types that hold text or bytes, and can give a slice of them.
macro_rules! from_holders {
    ($($holder:ty, $slice:ident;)*) => {$(
        impl From<$holder> for Text {
            fn from(text: $holder) -> Self {
                text.$slice().into()
            }
        }
    )*};
}

from_holders! {
    &&str, as_bytes;
    String, as_bytes;
    &String, as_bytes;
    Box<str>, as_bytes;
    Cow<'_, str>, as_bytes;
    Bytes, as_ref;
    Vec<u8>, as_slice;
    &Vec<u8>, as_slice;
    Box<[u8]>, as_ref;
    Cow<'_, [u8]>, as_ref;
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl str::FromStr for Text {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_string_lossy())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_kept_and_shown_replaced() {
        let text = Text::from(Bytes::from_static(b"caf\xE9"));
        assert_eq!(text.as_bytes(), b"caf\xE9");
        assert_eq!(text.to_string(), "caf\u{FFFD}");
        assert_eq!(alloc::format!("{text:?}"), r#""caf\xe9""#);
        assert!(text.to_str().is_err());
        assert_eq!(text.as_str(), None);
    }
}
