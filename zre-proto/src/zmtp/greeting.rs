//! The 64 bytes that each side of a connection begins with (RFC 37, "The Greeting").

use alloc::string::String;
use core::fmt;

use thiserror::Error;

/// The greeting of one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The major version of the protocol, 3 or higher.
    pub major: u8,
    /// The minor version of the protocol; any is accepted.
    pub minor: u8,
    /// The security mechanism.
    pub mechanism: Mechanism,
    /// Whether this side is the server of the mechanism. It has no meaning for NULL.
    pub as_server: bool,
}

/// The name of a security mechanism: 1 to 20 uppercase letters, digits, `-`, `_`, `.` and `+`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mechanism([u8; 20]);

impl Mechanism {
    /// No security (RFC 37, "The NULL Security Mechanism").
    pub const NULL: Self = Self(*b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

    /// Authentication and encryption with public keys (RFC 25/ZMTP-CURVE).
    pub const CURVE: Self = Self(*b"CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

    fn decode(bytes: [u8; 20]) -> Option<Self> {
        let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(20);
        let (name, padding) = bytes.split_at_checked(length)?;
        let valid = !name.is_empty()
            && name.iter().all(|byte| is_mechanism_char(*byte))
            && padding.iter().all(|byte| *byte == 0);
        valid.then_some(Self(bytes))
    }
}

fn is_mechanism_char(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_.+".contains(&byte)
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(String::from_utf8_lossy(&self.0).trim_end_matches('\0'))
    }
}

impl fmt::Debug for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why bytes are not a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GreetingError {
    /// The signature is not `FF`, eight bytes of any value, `7F`.
    #[error("byte {position} of the greeting is {byte:02X}, expected {expected:02X}")]
    Signature {
        /// Where in the greeting, counted from 0.
        position: usize,
        /// The byte that is there.
        byte: u8,
        /// The byte that belongs there.
        expected: u8,
    },
    /// The other side speaks a protocol before ZMTP 3.0.
    #[error("ZMTP major version {0}, expected 3 or higher")]
    Version(u8),
    /// The name of the mechanism is empty, or has characters that it may not have.
    #[error("the greeting names no valid security mechanism")]
    Mechanism,
}

impl Greeting {
    /// The length of a greeting, in bytes.
    pub const LEN: usize = 64;

    /// A greeting of ZMTP 3.1 with the given mechanism.
    pub fn new(mechanism: Mechanism, as_server: bool) -> Self {
        Self {
            major: 3,
            minor: 1,
            mechanism,
            as_server,
        }
    }

    /// The bytes to send.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        // RFC 37 calls bytes 1 to 8 padding. libzmq writes a 1 into the last one, as in the length
        // field of ZMTP 1.0, and so do we.
        let parts = [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, self.major, self.minor]
            .into_iter()
            .chain(self.mechanism.0)
            .chain([u8::from(self.as_server)]);
        bytes
            .iter_mut()
            .zip(parts)
            .for_each(|(to, byte)| *to = byte);
        bytes
    }

    /// Reads a greeting from what has been received so far; `None` if more is needed.
    ///
    /// # Errors
    ///
    /// [`GreetingError`]: for the signature and the version as soon as they have arrived, for the
    /// rest when the greeting is complete.
    pub fn decode(received: &[u8]) -> Result<Option<Self>, GreetingError> {
        expect_byte(received, 0, 0xFF)?;
        expect_byte(received, 9, 0x7F)?;
        if let Some(major @ ..3) = received.get(10) {
            return Err(GreetingError::Version(*major));
        }
        match received.first_chunk::<{ Self::LEN }>() {
            Some(whole) => Self::decode_whole(whole).map(Some),
            None => Ok(None),
        }
    }

    fn decode_whole(bytes: &[u8; Self::LEN]) -> Result<Self, GreetingError> {
        let [_, _, _, _, _, _, _, _, _, _, major, minor, rest @ ..] = bytes;
        let (name, rest) = rest
            .split_first_chunk::<20>()
            .ok_or(GreetingError::Mechanism)?;
        Ok(Self {
            major: *major,
            minor: *minor,
            mechanism: Mechanism::decode(*name).ok_or(GreetingError::Mechanism)?,
            as_server: rest.first().is_some_and(|byte| byte & 1 == 1),
        })
    }
}

fn expect_byte(received: &[u8], position: usize, expected: u8) -> Result<(), GreetingError> {
    match received.get(position) {
        Some(&byte) if byte != expected => Err(GreetingError::Signature {
            position,
            byte,
            expected,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_greeting_is_complete_at_its_last_byte_and_not_before() {
        let greeting = Greeting::new(Mechanism::NULL, false);
        let bytes = greeting.encode();
        for length in 0..Greeting::LEN {
            assert_eq!(Greeting::decode(&bytes[..length]), Ok(None));
        }
        assert_eq!(Greeting::decode(&bytes), Ok(Some(greeting)));
    }

    #[test]
    fn a_fault_is_named_at_the_first_byte_that_shows_it() {
        let error = |bytes: &[u8]| Greeting::decode(bytes).unwrap_err().to_string();
        assert_eq!(error(b"GET /"), "byte 0 of the greeting is 47, expected FF");
        assert_eq!(
            error(b"\xFF\0\0\0\0\0\0\0\x01\x01"),
            "byte 9 of the greeting is 01, expected 7F"
        );
        assert_eq!(
            error(b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01"),
            "ZMTP major version 1, expected 3 or higher"
        );
        let mut bytes = Greeting::new(Mechanism::NULL, false).encode();
        bytes[13] = b'u';
        assert_eq!(
            error(&bytes),
            "the greeting names no valid security mechanism"
        );
    }

    #[test]
    fn higher_versions_are_accepted() {
        let mut bytes = Greeting::new(Mechanism::NULL, false).encode();
        bytes[10] = 4;
        bytes[11] = 9;
        let greeting = Greeting::decode(&bytes).unwrap().unwrap();
        assert_eq!((greeting.major, greeting.minor), (4, 9));
    }
}
