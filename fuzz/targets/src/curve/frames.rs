//! Greetings and frames, in whatever pieces they come.

use zre_proto::zmtp::{FrameHeader, Greeting};

/// What came and has not been taken.
#[derive(Debug, Default)]
pub(super) struct Frames(Vec<u8>);

/// The other side breaks the protocol.
#[derive(Debug)]
pub(super) struct Wrong;

impl Frames {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn greeting(&mut self) -> Result<Option<Greeting>, Wrong> {
        let greeting = Greeting::decode(&self.0).map_err(|_| Wrong)?;
        if greeting.is_some() {
            self.0.drain(..Greeting::LEN);
        }
        Ok(greeting)
    }

    /// Takes the next frame, if all of it is there and its head is allowed.
    pub(super) fn take(
        &mut self,
        allows: impl FnOnce(&FrameHeader) -> bool,
    ) -> Result<Option<(FrameHeader, Vec<u8>)>, Wrong> {
        let Some((header, length)) = FrameHeader::decode(&self.0).map_err(|_| Wrong)? else {
            return Ok(None);
        };
        if !allows(&header) {
            return Err(Wrong);
        }
        let size = usize::try_from(header.size).unwrap();
        if self.0.len() - length < size {
            return Ok(None);
        }
        self.0.drain(..length);
        Ok(Some((header, self.0.drain(..size).collect())))
    }

    /// The body of the next command, which the tested side has written as a whole.
    pub(super) fn command(&mut self) -> Option<Vec<u8>> {
        let (header, body) = self.take(|_| true).expect("it writes frames")?;
        assert!(header.command && !header.more);
        Some(body)
    }
}

/// Puts a frame in front of which stands its head.
pub(super) fn put(out: &mut Vec<u8>, command: bool, more: bool, body: &[u8]) {
    let header = FrameHeader {
        command,
        more: more && !command,
        size: body.len() as u64,
    };
    header.encode(out);
    out.extend_from_slice(body);
}
