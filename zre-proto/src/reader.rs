//! A cursor over received bytes that cannot overrun them.

use bytes::Buf as _;
use thiserror::Error;

/// A field is longer than what is left of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{field} needs {needed} bytes, {left} are left")]
#[non_exhaustive]
pub struct Truncated {
    /// The name of the field, as the specification spells it.
    pub field: &'static str,
    /// How many bytes the field needs.
    pub needed: usize,
    /// How many bytes are left.
    pub left: usize,
}

/// Takes fields off the front of a frame.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(frame: &'a [u8]) -> Self {
        Self { rest: frame }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn into_rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Truncated> {
        self.need(field, 1)?;
        Ok(self.rest.get_u8())
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, Truncated> {
        self.need(field, 2)?;
        Ok(self.rest.get_u16())
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, Truncated> {
        self.need(field, 4)?;
        Ok(self.rest.get_u32())
    }

    pub(crate) fn bytes(
        &mut self,
        field: &'static str,
        count: usize,
    ) -> Result<&'a [u8], Truncated> {
        self.need(field, count)?;
        let (bytes, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(bytes)
    }

    /// RFC 36 `string`: a length of one byte, then that many bytes.
    pub(crate) fn string(&mut self, field: &'static str) -> Result<&'a [u8], Truncated> {
        let length = self.u8(field)?;
        self.bytes(field, length.into())
    }

    /// RFC 36 `longstr`: a length of four bytes, then that many bytes.
    pub(crate) fn longstr(&mut self, field: &'static str) -> Result<&'a [u8], Truncated> {
        let length = self.u32(field)?;
        // Where `usize` has 16 bits, a longer field cannot be there.
        self.bytes(field, usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn need(&self, field: &'static str, needed: usize) -> Result<(), Truncated> {
        let left = self.rest.len();
        if left < needed {
            return Err(Truncated {
                field,
                needed,
                left,
            });
        }
        Ok(())
    }
}
