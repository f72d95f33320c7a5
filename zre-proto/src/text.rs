//! Names and values as ZRE carries them: octets that are normally UTF-8.

use alloc::{borrow::Cow, string::String};
use core::{borrow::Borrow, convert::Infallible, fmt, str};

use bytes::Bytes;
use thiserror::Error;

use crate::octets::Octets;

/// A text of any length, as it stands on the wire.
///
/// ZRE does not say how text is encoded; every implementation means UTF-8. What is not UTF-8 is
/// kept octet for octet: it compares and goes back on the wire unchanged. [`Display`](fmt::Display)
/// and [`to_string_lossy`](Text::to_string_lossy) show U+FFFD in its place,
/// [`to_str`](Text::to_str) reports it. Cloning is cheap: 15 octets or fewer are held without
/// memory beside the text, more are shared.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Octets);

impl Text {
    /// The text, or where it stops being UTF-8.
    pub fn to_str(&self) -> Result<&str, str::Utf8Error> {
        str::from_utf8(self.as_bytes())
    }

    /// The text, with U+FFFD in place of each part that is not UTF-8.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// The octets as they stand on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The length in octets.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there is no octet at all.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl From<&[u8]> for Text {
    fn from(octets: &[u8]) -> Self {
        Self(octets.into())
    }
}

impl From<Bytes> for Text {
    fn from(octets: Bytes) -> Self {
        octets[..].into()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
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

/// A text of at most 255 octets: the `string` of RFC 36, whose length is one octet.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortText(Text);

impl ShortText {
    /// The most octets that a short text can have.
    pub const MAX_LEN: usize = 255;

    /// The length as the wire carries it.
    pub(crate) fn length_octet(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }
}

/// The name of a group: at most 255 octets, and equal only when every octet is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(ShortText);

/// A text is longer than the 255 octets that the wire can carry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{what} has {length} octets, at most {} fit: {start:?}…",
    ShortText::MAX_LEN
)]
pub struct TooLong {
    /// What the text was meant to be, such as "group name".
    pub what: &'static str,
    /// The length in octets.
    pub length: usize,
    /// The first 24 characters, to recognise it by.
    pub start: String,
}

impl TooLong {
    fn new(what: &'static str, text: &Text) -> Self {
        Self {
            what,
            length: text.len(),
            start: text.to_string_lossy().chars().take(24).collect(),
        }
    }

    /// The same error about a text that was meant to be something more exact.
    #[must_use]
    pub fn named(self, what: &'static str) -> Self {
        Self { what, ..self }
    }
}

impl From<Infallible> for TooLong {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What the two bounded texts have in common: construction with the check, and reading as [`Text`].
macro_rules! bounded_text {
    ($name:ident, $what:literal, $inner:ident, $wrap:expr) => {
        impl $name {
            fn checked(text: Text) -> Result<Self, TooLong> {
                if text.len() > ShortText::MAX_LEN {
                    return Err(TooLong::new($what, &text));
                }
                let wrap: fn(Text) -> Self = $wrap;
                Ok(wrap(text))
            }
        }

        impl core::ops::Deref for $name {
            type Target = $inner;

            fn deref(&self) -> &$inner {
                &self.0
            }
        }

        impl TryFrom<Text> for $name {
            type Error = TooLong;

            fn try_from(text: Text) -> Result<Self, TooLong> {
                Self::checked(text)
            }
        }

        impl TryFrom<Bytes> for $name {
            type Error = TooLong;

            fn try_from(octets: Bytes) -> Result<Self, TooLong> {
                Self::checked(octets.into())
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = TooLong;

            fn try_from(octets: &[u8]) -> Result<Self, TooLong> {
                Self::checked(octets.into())
            }
        }

        impl TryFrom<String> for $name {
            type Error = TooLong;

            fn try_from(text: String) -> Result<Self, TooLong> {
                Self::checked(text.into())
            }
        }

        impl TryFrom<&String> for $name {
            type Error = TooLong;

            fn try_from(text: &String) -> Result<Self, TooLong> {
                Self::checked(text.as_str().into())
            }
        }

        impl TryFrom<&str> for $name {
            type Error = TooLong;

            fn try_from(text: &str) -> Result<Self, TooLong> {
                Self::checked(text.into())
            }
        }

        impl From<&$name> for $name {
            fn from(text: &$name) -> Self {
                text.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

bounded_text!(ShortText, "text", Text, ShortText);
bounded_text!(GroupName, "group name", ShortText, |text| GroupName(
    ShortText(text)
));

/// All three compare with `str` and are looked up by their octets.
macro_rules! octet_views {
    ($($name:ident)*) => {$(
        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl Borrow<[u8]> for $name {
            fn borrow(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }
    )*};
}

octet_views!(Text ShortText GroupName);

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn octets_that_are_not_utf8_are_kept_and_shown_replaced() {
        let text = Text::from(Bytes::from_static(b"caf\xE9"));
        assert_eq!(text.as_bytes(), b"caf\xE9");
        assert_eq!(text.to_string(), "caf\u{FFFD}");
        assert_eq!(alloc::format!("{text:?}"), r#""caf\xe9""#);
        assert!(text.to_str().is_err());
    }

    #[test]
    fn a_short_text_holds_255_octets_and_no_more() {
        assert!(ShortText::try_from("x".repeat(255)).is_ok());
        let error = GroupName::try_from("é".repeat(128)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "group name has 256 octets, at most 255 fit: \"éééééééééééééééééééééééé\"…"
        );
    }
}
