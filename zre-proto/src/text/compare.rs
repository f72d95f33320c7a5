//! Comparing texts with strings, and finding them in maps by their bytes.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::borrow::Borrow;

use super::{GroupName, ShortText, Text};

/// Equality with one type, from either side.
macro_rules! equals {
    ($name:ident: $($other:ty)*) => {$(
        impl PartialEq<$other> for $name {
            fn eq(&self, other: &$other) -> bool {
                let other: &[u8] = other.as_ref();
                self.as_bytes() == other
            }
        }

        impl PartialEq<$name> for $other {
            fn eq(&self, other: &$name) -> bool {
                other == self
            }
        }
    )*};
}

macro_rules! byte_views {
    ($($name:ident)*) => {$(
        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        // Lawful, since these types compare and hash exactly as their bytes do. `Borrow<str>`
        // would not be: a `str` hashes differently, and not every text is one.
        impl Borrow<[u8]> for $name {
            fn borrow(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        equals!($name: str &str String [u8] &[u8] Vec<u8>);

        impl PartialEq<Cow<'_, str>> for $name {
            fn eq(&self, other: &Cow<'_, str>) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<$name> for Cow<'_, str> {
            fn eq(&self, other: &$name) -> bool {
                other == self
            }
        }
    )*};
}

byte_views!(Text ShortText GroupName);
