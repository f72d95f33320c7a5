//! The head of a ZMTP frame (RFC 37, "Framing").

use bytes::BufMut;
use thiserror::Error;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// The flags and the size that come before a frame's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether the body is a command and not part of a message.
    pub command: bool,
    /// Whether another frame of the same message follows; never with `command`.
    pub more: bool,
    /// The length of the body in bytes, below 2^63.
    pub size: u64,
}

/// Why bytes are not the head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Bits are set that RFC 37 reserves, or MORE on a command.
    #[error("frame flags {0:02X} are not among those of ZMTP 3")]
    Flags(u8),
    /// The highest bit of the size is set.
    #[error("frame size {0} is not below 2^63")]
    Size(u64),
}

impl FrameHeader {
    /// The most bytes that the head of a frame has.
    pub const MAX_LEN: usize = 9;

    /// Reads the head of a frame from the bytes received so far, with the length of the head.
    ///
    /// `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// [`FrameError`] as soon as the bytes cannot become the head of a frame.
    pub fn decode(received: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some((&flags, rest)) = received.split_first() else {
            return Ok(None);
        };
        let known = flags & !(MORE | LONG | COMMAND) == 0;
        if !known || flags & (COMMAND | MORE) == COMMAND | MORE {
            return Err(FrameError::Flags(flags));
        }
        let Some((size, length)) = decode_size(flags, rest) else {
            return Ok(None);
        };
        if size > i64::MAX.cast_unsigned() {
            return Err(FrameError::Size(size));
        }
        let header = Self {
            command: flags & COMMAND != 0,
            more: flags & MORE != 0,
            size,
        };
        Ok(Some((header, length)))
    }

    /// Writes the head in its shortest form.
    pub fn encode(&self, out: &mut impl BufMut) {
        let more = if self.more { MORE } else { 0 };
        let command = if self.command { COMMAND } else { 0 };
        match u8::try_from(self.size) {
            Ok(size) => out.put_slice(&[more | command, size]),
            Err(_) => {
                out.put_u8(more | command | LONG);
                out.put_u64(self.size);
            }
        }
    }
}

fn decode_size(flags: u8, rest: &[u8]) -> Option<(u64, usize)> {
    if flags & LONG == 0 {
        let [size] = *rest.first_chunk()?;
        Some((size.into(), 2))
    } else {
        Some((u64::from_be_bytes(*rest.first_chunk()?), 9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_frame_may_be_short() {
        let header = FrameHeader {
            command: false,
            more: true,
            size: 5,
        };
        let bytes = [3, 0, 0, 0, 0, 0, 0, 0, 5, b'h'];
        assert_eq!(FrameHeader::decode(&bytes), Ok(Some((header, 9))));
    }

    #[test]
    fn faults_are_named() {
        assert_eq!(FrameHeader::decode(&[8]), Err(FrameError::Flags(8)));
        assert_eq!(FrameHeader::decode(&[5]), Err(FrameError::Flags(5)));
        let bytes = [2, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(FrameHeader::decode(&bytes), Err(FrameError::Size(1 << 63)));
    }
}
