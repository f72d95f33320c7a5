//! Z85, the text form of keys (RFC 32/Z85): 40 characters for 32 bytes.

/// The characters for 0 to 84.
const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// The characters of a key.
pub(super) const KEY_CHARS: usize = 40;

/// Writes a key.
pub(super) fn encode(key: &[u8; 32]) -> [u8; KEY_CHARS] {
    let mut text = [0; KEY_CHARS];
    let (groups, _) = key.as_chunks::<4>();
    let (places, _) = text.as_chunks_mut::<5>();
    for (group, place) in groups.iter().zip(places) {
        let mut rest = u32::from_be_bytes(*group);
        for digit in place.iter_mut().rev() {
            *digit = usize::try_from(rest % 85)
                .ok()
                .and_then(|value| DIGITS.get(value))
                .copied()
                .unwrap_or_default();
            rest /= 85;
        }
    }
    text
}

/// Reads a key; `None` unless it is one.
pub(super) fn decode(text: &[u8]) -> Option<[u8; 32]> {
    let text: &[u8; KEY_CHARS] = text.try_into().ok()?;
    let mut key = [0; 32];
    let (groups, _) = text.as_chunks::<5>();
    let (places, _) = key.as_chunks_mut::<4>();
    for (group, place) in groups.iter().zip(places) {
        let value = group.iter().try_fold(0_u32, |value, digit| {
            value.checked_mul(85)?.checked_add(value_of(*digit)?)
        })?;
        *place = value.to_be_bytes();
    }
    Some(key)
}

/// All digits are looked at, so that the time does not tell which one a secret key has.
fn value_of(digit: u8) -> Option<u32> {
    let mut found = None;
    for (value, known) in (0..).zip(DIGITS) {
        if *known == digit {
            found = Some(value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        // RFC 32 gives 8 bytes; a key has four times as many.
        let bytes = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B];
        let key: [u8; 32] = core::array::from_fn(|at| bytes[at % 8]);
        assert_eq!(&encode(&key), b"HelloWorldHelloWorldHelloWorldHelloWorld");
        assert_eq!(decode(&encode(&key)), Some(key));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(decode(b"HelloWorld"), None);
        assert_eq!(decode(&[b'~'; 40]), None);
        // Five times the last digit is more than 32 bits hold.
        assert_eq!(decode(&[b'#'; 40]), None);
        assert_eq!(decode(&[b'0'; 40]), Some([0; 32]));
    }
}
