//! A cheaply cloned byte string, for names and header values, which are nearly always short.

use alloc::sync::Arc;
use core::hash::{Hash, Hasher};

/// Immutable bytes: up to 15 are held in place, more are shared behind an `Arc`.
///
/// Both variants and the tag consist of whole words. With a tag of one byte, the compiler would
/// move the bytes beside it in smaller pieces than they are read back in, and the processor stalls
/// on such a read. Every event moves a name.
#[derive(Clone)]
#[repr(u64)]
pub(crate) enum SmallBytes {
    /// The last byte is the number of bytes used before it.
    Inline([u8; Self::INLINE_LEN + 1]),
    Shared(Arc<[u8]>),
}

impl SmallBytes {
    /// With the length byte this takes exactly the room of a pointer and a length.
    const INLINE_LEN: usize = 15;

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            // The length never exceeds 15; `get` spares the code for a panic.
            Self::Inline([bytes @ .., len]) => bytes.get(..(*len).into()).unwrap_or_default(),
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Default for SmallBytes {
    fn default() -> Self {
        Self::Inline(Default::default())
    }
}

impl From<&[u8]> for SmallBytes {
    fn from(slice: &[u8]) -> Self {
        let mut inline = [0; Self::INLINE_LEN + 1];
        let [bytes @ .., len] = &mut inline;
        match (bytes.get_mut(..slice.len()), u8::try_from(slice.len())) {
            (Some(front), Ok(count)) => {
                front.copy_from_slice(slice);
                *len = count;
                Self::Inline(inline)
            }
            _ => Self::Shared(slice.into()),
        }
    }
}

impl PartialEq for SmallBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for SmallBytes {}

impl PartialOrd for SmallBytes {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SmallBytes {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for SmallBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As a slice is hashed, so that `Borrow<[u8]>` is lawful for what holds these bytes.
        self.as_slice().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn bytes_of_any_number_are_kept_in_24() {
        assert_eq!(size_of::<SmallBytes>(), 24);
        for len in [0, 1, 14, 15, 16, 255, 256, 300, 70_000] {
            let slice: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let bytes = SmallBytes::from(&slice[..]);
            assert_eq!(bytes.as_slice(), slice);
            assert_eq!(bytes.clone().as_slice(), slice);
            assert_eq!(matches!(bytes, SmallBytes::Inline(_)), len <= 15);
        }
    }

    #[test]
    fn they_are_ordered_as_slices_are() {
        let texts = ["", "a", "a\0", "b", "ba", "bb".repeat(20).leak(), "c"];
        for one in texts {
            for other in texts {
                let bytes = [one, other].map(|text| SmallBytes::from(text.as_bytes()));
                assert_eq!(bytes[0].cmp(&bytes[1]), one.cmp(other));
                assert_eq!(bytes[0] == bytes[1], one == other);
            }
        }
    }
}
