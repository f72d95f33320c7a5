//! The octets of a text, which are nearly always few.

use alloc::sync::Arc;
use core::hash::{Hash, Hasher};

/// Octets that are cloned without being allocated anew: a few lie here, more are shared.
///
/// All of it is whole words. Were the tag one octet, those beside it would be moved in smaller pieces than they are read
/// in, for which a processor waits; and a name is moved with every event.
#[derive(Clone)]
#[repr(u64)]
pub(crate) enum Octets {
    /// The last is how many those before it are.
    Few([u8; Self::FEW + 1]),
    Many(Arc<[u8]>),
}

impl Octets {
    /// As many as take no more room than a pointer and a length would.
    const FEW: usize = 15;

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Few([octets @ .., len]) => octets.get(..(*len).into()).unwrap_or_default(),
            Self::Many(octets) => octets,
        }
    }
}

impl Default for Octets {
    fn default() -> Self {
        Self::Few(Default::default())
    }
}

impl From<&[u8]> for Octets {
    fn from(slice: &[u8]) -> Self {
        let mut few = [0; Self::FEW + 1];
        let [octets @ .., len] = &mut few;
        match (octets.get_mut(..slice.len()), u8::try_from(slice.len())) {
            (Some(front), Ok(count)) => {
                front.copy_from_slice(slice);
                *len = count;
                Self::Few(few)
            }
            _ => Self::Many(slice.into()),
        }
    }
}

impl PartialEq for Octets {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Octets {}

impl PartialOrd for Octets {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Octets {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Octets {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn any_number_of_octets_is_kept_in_little_room() {
        assert_eq!(size_of::<Octets>(), 24);
        for len in [0, 1, 14, 15, 16, 255, 256, 300, 70_000] {
            let slice: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let octets = Octets::from(&slice[..]);
            assert_eq!(octets.as_slice(), slice);
            assert_eq!(octets.clone().as_slice(), slice);
            assert_eq!(matches!(octets, Octets::Few(_)), len <= 15);
        }
    }

    #[test]
    fn they_are_ordered_as_slices_are() {
        let texts = ["", "a", "a\0", "b", "ba", "bb".repeat(20).leak(), "c"];
        for one in texts {
            for other in texts {
                let octets = [one, other].map(|text| Octets::from(text.as_bytes()));
                assert_eq!(octets[0].cmp(&octets[1]), one.cmp(other));
                assert_eq!(octets[0] == octets[1], one == other);
            }
        }
    }
}
