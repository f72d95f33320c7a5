//! MESSAGE, in which each frame travels once the handshake is over (RFC 26, "The MESSAGE Command").

use super::boxes::{BoxKey, CurveError, MAC_LEN, short_nonce};

const NAME: [u8; 8] = *b"\x07MESSAGE";
/// The name, the number and the box's first bytes.
const HEAD_LEN: usize = NAME.len() + 8 + MAC_LEN;

const FROM_CLIENT: [u8; 16] = *b"CurveZMQMESSAGEC";
const FROM_SERVER: [u8; 16] = *b"CurveZMQMESSAGES";

/// What the first byte in the box of a MESSAGE says of the frame behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageFlags {
    /// Whether another frame of the same message follows.
    pub more: bool,
    /// Whether it is a command and no part of a message. libzmq sends PING and PONG so.
    pub command: bool,
}

impl MessageFlags {
    const MORE: u8 = 1;
    const COMMAND: u8 = 2;

    fn encode(self) -> u8 {
        let more = if self.more { Self::MORE } else { 0 };
        let command = if self.command { Self::COMMAND } else { 0 };
        more | command
    }

    fn decode(flags: u8) -> Result<Self, CurveError> {
        let more = flags & Self::MORE != 0;
        let command = flags & Self::COMMAND != 0;
        if flags & !(Self::MORE | Self::COMMAND) != 0 || (more && command) {
            return Err(CurveError::Flags(flags));
        }
        Ok(Self { more, command })
    }
}

/// Seals the frames that one side of a connection sends. Each gets a number, and none twice.
#[derive(Debug)]
pub struct MessageSealer {
    key: BoxKey,
    prefix: [u8; 16],
    /// The last number that was used.
    last: u64,
}

impl MessageSealer {
    /// How many bytes a MESSAGE has besides those of its frame.
    pub const OVERHEAD: usize = HEAD_LEN + 1;

    /// For the connecting side, which has used the numbers up to `last` in its handshake.
    pub(super) fn of_client(key: BoxKey, last: u64) -> Self {
        let prefix = FROM_CLIENT;
        Self { key, prefix, last }
    }

    /// For the accepting side.
    pub(super) fn of_server(key: BoxKey, last: u64) -> Self {
        let prefix = FROM_SERVER;
        Self { key, prefix, last }
    }

    /// What to put in front of the bytes of a frame before they are [sealed](Self::seal).
    pub fn head(flags: MessageFlags) -> [u8; Self::OVERHEAD] {
        let mut head = [0; Self::OVERHEAD];
        head[HEAD_LEN] = flags.encode();
        head
    }

    /// Makes a MESSAGE of a [`head`](Self::head) and the bytes of a frame behind it, in place.
    ///
    /// # Panics
    ///
    /// Panics if there is no whole head, or after 2^64 messages.
    pub fn seal(&mut self, message: &mut [u8]) {
        let (head, text) = message
            .split_first_chunk_mut::<HEAD_LEN>()
            .expect("begins with a head");
        self.last = self.last.checked_add(1).expect("no number comes twice");
        let mac = self.key.seal(&short_nonce(&self.prefix, self.last), text);
        // Three copies of known lengths. A loop took 6 % of the time of a small frame.
        let (name, rest) = head.split_at_mut(NAME.len());
        let (number, to_mac) = rest.split_at_mut(8);
        name.copy_from_slice(&NAME);
        number.copy_from_slice(&self.last.to_be_bytes());
        to_mac.copy_from_slice(&mac);
    }
}

/// Opens the frames that the other side of a connection sends. Each must have the number behind
/// that of the one before.
#[derive(Debug)]
pub struct MessageOpener {
    key: BoxKey,
    prefix: [u8; 16],
    /// The highest number that has come.
    last: u64,
    /// Whether that was the number of a MESSAGE, and no longer one of the handshake.
    has_begun: bool,
}

impl MessageOpener {
    /// For the accepting side.
    pub(super) fn from_client(key: BoxKey, last: u64) -> Self {
        Self::new(key, FROM_CLIENT, last)
    }

    /// For the connecting side.
    pub(super) fn from_server(key: BoxKey, last: u64) -> Self {
        Self::new(key, FROM_SERVER, last)
    }

    fn new(key: BoxKey, prefix: [u8; 16], last: u64) -> Self {
        Self {
            key,
            prefix,
            last,
            has_begun: false,
        }
    }

    /// Opens a MESSAGE in place: the frame's bytes begin behind
    /// [`OVERHEAD`](MessageSealer::OVERHEAD) bytes.
    ///
    /// # Errors
    ///
    /// [`CurveError`] if it is no MESSAGE, if its number is not the next, or if its box does not
    /// open with this connection's keys. The connection is then of no more use.
    pub fn open(&mut self, message: &mut [u8]) -> Result<MessageFlags, CurveError> {
        const MESSAGE: &str = "MESSAGE";
        let length = message.len();
        if message.first_chunk() != Some(&NAME) {
            return Err(CurveError::Name(MESSAGE));
        }
        let wrong_length = CurveError::Length {
            command: MESSAGE,
            length,
        };
        let (head, text) = message
            .split_first_chunk_mut::<HEAD_LEN>()
            .ok_or(wrong_length)?;
        let (number, mac) = number_and_mac(head).ok_or(wrong_length)?;
        if !self.is_next(number) {
            let (received, last) = (number, self.last);
            return Err(CurveError::Nonce { received, last });
        }
        if !self
            .key
            .open(&short_nonce(&self.prefix, number), &mac, text)
        {
            return Err(CurveError::Box(MESSAGE));
        }
        (self.last, self.has_begun) = (number, true);
        MessageFlags::decode(*text.first().ok_or(wrong_length)?)
    }

    /// Where numbers may be left out, whoever is between the two sides could take frames out of a
    /// message, and nobody would notice. No implementation leaves any out, but one may use other
    /// numbers for messages than for its handshake.
    fn is_next(&self, number: u64) -> bool {
        match self.has_begun {
            true => self.last.checked_add(1) == Some(number),
            false => number > self.last,
        }
    }
}

fn number_and_mac(head: &[u8; HEAD_LEN]) -> Option<(u64, [u8; MAC_LEN])> {
    let (number, mac) = head.get(NAME.len()..)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), *mac.first_chunk()?))
}
