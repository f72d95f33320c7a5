//! Texts of at most 255 bytes.

use alloc::{borrow::Cow, boxed::Box, string::String, vec::Vec};
use core::{convert::Infallible, fmt, ops::Deref, str::FromStr};

use bytes::Bytes;
use thiserror::Error;

use super::Text;

/// A text of at most 255 bytes: the `string` of RFC 36, whose length is one byte.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortText(Text);

/// The name of a group: at most 255 bytes. Two names are equal only if every byte is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(ShortText);

/// A text is longer than the 255 bytes that the wire can carry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{what} has {length} bytes, at most {} fit: shorten {start:?}…",
    ShortText::MAX_LEN
)]
#[non_exhaustive]
pub struct TooLong {
    /// What the text was meant to be, such as "group name".
    pub what: &'static str,
    /// The length in bytes.
    pub length: usize,
    /// The first 24 characters, to recognise it by.
    pub start: String,
}

impl ShortText {
    /// The most bytes that a short text can have.
    pub const MAX_LEN: usize = 255;

    /// The length as the wire carries it.
    pub(crate) fn length_byte(&self) -> u8 {
        // Checked when the text was made.
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }
}

impl TooLong {
    fn new(what: &'static str, text: &Text) -> Self {
        Self {
            what,
            length: text.len(),
            start: text.to_string_lossy().chars().take(24).collect(),
        }
    }

    /// The same error, with a more exact word for what the text was meant to be.
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

/// What the two have in common: construction with the check, and reading as [`Text`].
macro_rules! bounded_text {
    ($name:ident, $what:literal, $inner:ident, $wrap:expr, from $($source:ty)*) => {
        impl $name {
            fn checked(text: Text) -> Result<Self, TooLong> {
                if text.len() > ShortText::MAX_LEN {
                    return Err(TooLong::new($what, &text));
                }
                let wrap: fn(Text) -> Self = $wrap;
                Ok(wrap(text))
            }
        }

        impl Deref for $name {
            type Target = $inner;

            fn deref(&self) -> &$inner {
                &self.0
            }
        }

        $(
            impl TryFrom<$source> for $name {
                type Error = TooLong;

                fn try_from(text: $source) -> Result<Self, TooLong> {
                    Self::checked(text.into())
                }
            }
        )*

        impl<const N: usize> TryFrom<&[u8; N]> for $name {
            type Error = TooLong;

            fn try_from(bytes: &[u8; N]) -> Result<Self, TooLong> {
                Self::checked(bytes.into())
            }
        }

        impl FromStr for $name {
            type Err = TooLong;

            fn from_str(text: &str) -> Result<Self, TooLong> {
                Self::checked(text.into())
            }
        }

        impl From<char> for $name {
            fn from(char: char) -> Self {
                let wrap: fn(Text) -> Self = $wrap;
                wrap(char.into())
            }
        }

        impl From<&$name> for $name {
            fn from(text: &$name) -> Self {
                text.clone()
            }
        }

        impl From<$name> for Text {
            fn from(text: $name) -> Self {
                Self::clone(&text)
            }
        }

        impl From<&$name> for Text {
            fn from(text: &$name) -> Self {
                Self::clone(text)
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

bounded_text!(ShortText, "text", Text, ShortText,
    from Text &Text &str &&str &String String Box<str> Cow<'_, str>
    &[u8] Bytes Vec<u8> &Vec<u8> Box<[u8]> Cow<'_, [u8]>);
bounded_text!(GroupName, "group name", ShortText, |text| GroupName(ShortText(text)),
    from Text &Text &str &&str &String String Box<str> Cow<'_, str>
    &[u8] Bytes Vec<u8> &Vec<u8> Box<[u8]> Cow<'_, [u8]>);

impl From<ShortText> for GroupName {
    fn from(text: ShortText) -> Self {
        Self(text)
    }
}

impl From<&ShortText> for GroupName {
    fn from(text: &ShortText) -> Self {
        Self(text.clone())
    }
}

impl From<GroupName> for ShortText {
    fn from(name: GroupName) -> Self {
        name.0
    }
}

impl From<&GroupName> for ShortText {
    fn from(name: &GroupName) -> Self {
        name.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_short_text_holds_255_bytes_and_no_more() {
        assert!(ShortText::try_from("x".repeat(255)).is_ok());
        let error = GroupName::try_from("é".repeat(128)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "group name has 256 bytes, at most 255 fit: shorten \"éééééééééééééééééééééééé\"…"
        );
    }
}
