//! The 64 octets that each side of a connection begins with (RFC 37, "The Greeting").

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
    /// Whether this side is the server of the mechanism; without meaning for NULL.
    pub as_server: bool,
}

/// The name of a security mechanism: 1 to 20 octets of uppercase letters, digits, `-`, `_`, `.` and `+`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mechanism([u8; 20]);

impl Mechanism {
    /// No security (RFC 37, "The NULL Security Mechanism").
    pub const NULL: Self = Self(*b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

    fn decode(octets: [u8; 20]) -> Option<Self> {
        let length = octets.iter().position(|octet| *octet == 0).unwrap_or(20);
        let (name, padding) = octets.split_at_checked(length)?;
        let valid = !name.is_empty()
            && name.iter().all(|octet| is_mechanism_char(*octet))
            && padding.iter().all(|octet| *octet == 0);
        valid.then_some(Self(octets))
    }
}

fn is_mechanism_char(octet: u8) -> bool {
    octet.is_ascii_uppercase() || octet.is_ascii_digit() || b"-_.+".contains(&octet)
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

/// Why octets are not a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GreetingError {
    /// The signature is not `FF`, eight octets of any value, `7F`.
    #[error("greeting octet {position} is {octet:02X}, expected {expected:02X}")]
    Signature {
        /// Which octet of the greeting, counted from 0.
        position: usize,
        /// The octet that is there.
        octet: u8,
        /// The octet that belongs there.
        expected: u8,
    },
    /// The other side speaks a protocol before ZMTP 3.0.
    #[error("ZMTP major version {0}, expected 3 or higher")]
    Version(u8),
    /// The name of the mechanism has octets that it may not have.
    #[error("the greeting names no valid security mechanism")]
    Mechanism,
}

impl Greeting {
    /// The length of a greeting, in octets.
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

    /// The octets to send.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut octets = [0; Self::LEN];
        // The 1 is padding by the specification; libzmq puts a length there.
        let parts = [0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, self.major, self.minor]
            .into_iter()
            .chain(self.mechanism.0)
            .chain([u8::from(self.as_server)]);
        octets
            .iter_mut()
            .zip(parts)
            .for_each(|(to, octet)| *to = octet);
        octets
    }

    /// Reads a greeting from what has been received so far; `None` if more is needed.
    ///
    /// # Errors
    ///
    /// [`GreetingError`]: for the signature and the version as soon as they are there, for the rest when all is.
    pub fn decode(received: &[u8]) -> Result<Option<Self>, GreetingError> {
        expect_octet(received, 0, 0xFF)?;
        expect_octet(received, 9, 0x7F)?;
        if let Some(major @ ..3) = received.get(10) {
            return Err(GreetingError::Version(*major));
        }
        match received.first_chunk::<{ Self::LEN }>() {
            Some(whole) => Self::decode_whole(whole).map(Some),
            None => Ok(None),
        }
    }

    fn decode_whole(octets: &[u8; Self::LEN]) -> Result<Self, GreetingError> {
        let [_, _, _, _, _, _, _, _, _, _, major, minor, rest @ ..] = octets;
        let (name, rest) = rest
            .split_first_chunk::<20>()
            .ok_or(GreetingError::Mechanism)?;
        Ok(Self {
            major: *major,
            minor: *minor,
            mechanism: Mechanism::decode(*name).ok_or(GreetingError::Mechanism)?,
            as_server: rest.first().is_some_and(|octet| octet & 1 == 1),
        })
    }
}

fn expect_octet(received: &[u8], position: usize, expected: u8) -> Result<(), GreetingError> {
    match received.get(position) {
        Some(&octet) if octet != expected => Err(GreetingError::Signature {
            position,
            octet,
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
    fn a_greeting_is_complete_at_its_last_octet_and_not_before() {
        let greeting = Greeting::new(Mechanism::NULL, false);
        let octets = greeting.encode();
        for length in 0..Greeting::LEN {
            assert_eq!(Greeting::decode(&octets[..length]), Ok(None));
        }
        assert_eq!(Greeting::decode(&octets), Ok(Some(greeting)));
    }

    #[test]
    fn a_fault_is_named_at_the_first_octet_that_shows_it() {
        let error = |octets: &[u8]| Greeting::decode(octets).unwrap_err().to_string();
        assert_eq!(error(b"GET /"), "greeting octet 0 is 47, expected FF");
        assert_eq!(
            error(b"\xFF\0\0\0\0\0\0\0\x01\x01"),
            "greeting octet 9 is 01, expected 7F"
        );
        assert_eq!(
            error(b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01"),
            "ZMTP major version 1, expected 3 or higher"
        );
        let mut octets = Greeting::new(Mechanism::NULL, false).encode();
        octets[13] = b'u';
        assert_eq!(
            error(&octets),
            "the greeting names no valid security mechanism"
        );
    }

    #[test]
    fn higher_versions_are_accepted() {
        let mut octets = Greeting::new(Mechanism::NULL, false).encode();
        octets[10] = 4;
        octets[11] = 9;
        let greeting = Greeting::decode(&octets).unwrap().unwrap();
        assert_eq!((greeting.major, greeting.minor), (4, 9));
    }
}
