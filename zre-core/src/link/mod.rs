//! Connections: ZMTP in bytes (RFC 23/ZMTP 3.0, RFC 37/ZMTP 3.1), or whole messages.

mod as_connection;
mod connection;
mod curve;
mod gossip_messages;
mod handshake;
mod held;
mod message_link;
mod read_buffer;
mod recycler;
mod security;
mod write_buffer;

use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};

use bytes::{Buf as _, Bytes};
use zre_proto::{
    Content, GossipMessage,
    curve::{CurveError, MessageSealer, PublicKey},
    zmtp::{Command, FrameHeader, Greeting, Metadata},
};

use crate::{config::Limits, error::LinkError};
pub use connection::{Connection, GossipEnd, LinkEvent, Role};
use curve::{Cipher, CurveStep};
use handshake::Handshake;
use held::HeldFrames;
pub use message_link::{Caller, MessageLink};
pub(crate) use read_buffer::ReadBuffer;
pub use security::LinkSecurity;
pub use write_buffer::WriteBuffer;

/// The state of one ZMTP connection, in either role.
///
/// An [`Engine`](crate::Engine) holds its own. A link alone serves programs that play one side of
/// a connection to a node: tests, fuzzers, tools that look at what a node sends. The caller reads
/// into [`read_buffer`](Link::read_buffer), says how much it was with
/// [`handle_read`](Link::handle_read), takes events with [`next_event`](Link::next_event) until
/// there is none, and writes what [`write_buffer`](Link::write_buffer) holds. A link knows no ZRE:
/// it carries messages of one or more frames, in the open or [secured](Link::secured).
#[derive(Debug)]
pub struct Link {
    phase: LinkPhase,
    /// Whether the other side takes part in elections.
    is_elector: bool,
    handshake: Handshake,
    /// With CURVE, once the handshake is over.
    cipher: Option<Box<Cipher>>,
    limits: LinkLimits,
    input: ReadBuffer,
    /// How many bytes must be in the read buffer before there is more to decode. It only tells how
    /// much room to give; a wrong value would be slow and not wrong.
    wanted: usize,
    /// The first frame of the message that is being read, or was read last.
    first: Vec<u8>,
    /// The frames behind it, while more are to come.
    incoming: Option<Content>,
    incoming_size: usize,
    /// The memory that these keep.
    held: HeldFrames,
    /// The bytes of all messages' frames that have been taken, with their heads.
    taken: u64,
    output: WriteBuffer,
    /// Messages that wait for the end of the handshake.
    unsent: VecDeque<Multipart>,
    /// What these count in [`queued`](Link::queued).
    unsent_size: usize,
}

/// A message of one or more frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// The first frame.
    pub first: Bytes,
    /// The frames behind it.
    pub rest: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkPhase {
    Greeting,
    Handshake,
    Open,
    /// The other side is not trusted: what it says is not looked at.
    Refused,
}

/// The part of [`Limits`] that a link keeps.
#[derive(Debug, Clone, Copy)]
struct LinkLimits {
    first_frame: usize,
    message_size: usize,
    message_frames: usize,
}

impl LinkLimits {
    fn new(role: Role, limits: &Limits) -> Self {
        if let Role::Gossiping(_) = role {
            return Self {
                first_frame: GossipMessage::MAX_LEN,
                message_size: GossipMessage::MAX_LEN,
                message_frames: 0,
            };
        }
        Self {
            first_frame: limits.header_frame,
            // The limit is on content; the first frame, which has its own, counts besides.
            message_size: limits.message_size.saturating_add(limits.header_frame),
            message_frames: limits.message_frames,
        }
    }
}

impl Link {
    /// The most bytes of a command; READY has some sixty.
    const MAX_COMMAND: usize = 8 << 10;
    /// A content frame of at most this many bytes is copied into a block that it shares with other
    /// small frames.
    pub(crate) const SMALL_FRAME: usize = ReadBuffer::BLOCK;
    /// The memory that a larger one may share.
    pub(crate) const SHARED_BUFFER: usize = ReadBuffer::READ_SIZE;
    /// What an unsent message takes besides its bytes, so that many small ones count, too.
    const UNSENT_COST: usize = 128;

    /// A link in the open at its beginning, with a greeting to be written.
    pub fn new(role: Role, limits: &Limits) -> Self {
        Self::secured(role, limits, LinkSecurity::Open)
    }

    /// A link at its beginning, with a greeting to be written. `security` must be that of a client
    /// where `role` connects, and that of a server where it accepts.
    pub fn secured(role: Role, limits: &Limits, security: LinkSecurity) -> Self {
        let handshake = Handshake::new(role, security);
        let mut output = WriteBuffer::default();
        // All of it at once: libzmq sends the rest of its own only when it has the start of this.
        output.put_slice(&handshake.greeting().encode());
        Self {
            phase: LinkPhase::Greeting,
            is_elector: false,
            handshake,
            cipher: None,
            limits: LinkLimits::new(role, limits),
            input: ReadBuffer::default(),
            wanted: 0,
            first: Vec::new(),
            incoming: None,
            incoming_size: 0,
            held: HeldFrames::default(),
            taken: 0,
            output,
            unsent: VecDeque::new(),
            unsent_size: 0,
        }
    }

    /// Room to read into: at least one byte. Report how many were read with
    /// [`handle_read`](Link::handle_read).
    pub fn read_buffer(&mut self) -> &mut [u8] {
        self.input.room(self.wanted)
    }

    /// So many bytes have been read into [`read_buffer`](Link::read_buffer).
    ///
    /// # Panics
    ///
    /// Panics if there was not so much room.
    pub fn handle_read(&mut self, count: usize) {
        self.input.fill(count);
    }

    /// Decodes what comes next; `None` if more must be read first.
    ///
    /// # Errors
    ///
    /// [`LinkError`] if the other side breaks the protocol; the link is then of no more use.
    pub fn next_event(&mut self) -> Result<Option<LinkEvent>, LinkError> {
        let event = self.decode_next()?;
        Ok(event.map(|event| match event {
            LinkEvent::Open { peer, key } => LinkEvent::Open { peer, key },
            LinkEvent::Refused { peer, key } => LinkEvent::Refused { peer, key },
            LinkEvent::Message(rest) => {
                let first = Bytes::copy_from_slice(&self.first);
                LinkEvent::Message(Multipart { first, rest })
            }
        }))
    }

    /// Decodes what comes next. Of a message, the first frame stays in `first` until the next call.
    fn decode_next(&mut self) -> Result<Option<LinkEvent<Content>>, LinkError> {
        // Between two messages; behind the first frame of one, `first` is still needed.
        if self.incoming.is_none() {
            self.clear_first();
        }
        loop {
            let decoded = match self.phase {
                LinkPhase::Greeting => self.read_greeting()?,
                LinkPhase::Handshake | LinkPhase::Open => self.read_frame()?,
                LinkPhase::Refused => {
                    self.input.advance(self.input.len());
                    Decoded::NeedMore
                }
            };
            match decoded {
                Decoded::NeedMore => return Ok(None),
                Decoded::Continue => {}
                Decoded::Event(event) => return Ok(Some(event)),
            }
        }
    }

    /// Whether the handshake is over.
    pub fn is_open(&self) -> bool {
        self.phase == LinkPhase::Open
    }

    /// Queues a message; it goes out behind the handshake.
    pub fn send(&mut self, first: &[u8], rest: &Content) {
        if self.is_open() {
            self.put_message(first, rest);
        } else {
            // Not into the write buffer: another attempt to connect may have to send it.
            let first = Bytes::copy_from_slice(first);
            let rest = rest.clone();
            self.unsent_size += first.len() + rest.byte_len() + Self::UNSENT_COST;
            self.unsent.push_back(Multipart { first, rest });
        }
    }

    fn put_message(&mut self, first: &[u8], rest: &Content) {
        match &mut self.cipher {
            Some(cipher) => self
                .output
                .put_sealed_message(first, rest, &mut cipher.sealer),
            None => self.output.put_message(first, rest),
        }
    }

    /// What is to be written, in this order.
    pub fn write_buffer(&mut self) -> &mut WriteBuffer {
        &mut self.output
    }

    /// How many bytes wait, before and behind the end of the handshake.
    pub fn queued(&self) -> usize {
        self.output.remaining() + self.unsent_size
    }

    fn read_greeting(&mut self) -> Result<Decoded, LinkError> {
        let Some(greeting) = Greeting::decode(self.input.filled())? else {
            self.wanted = Greeting::LEN;
            return Ok(Decoded::NeedMore);
        };
        self.input.advance(Greeting::LEN);
        self.wanted = 0;
        if let Some(first) = self.handshake.greeted(&greeting)? {
            self.output.put_command_body(&first);
        }
        self.phase = LinkPhase::Handshake;
        Ok(Decoded::Continue)
    }

    fn read_frame(&mut self) -> Result<Decoded, LinkError> {
        let Some((header, head_len)) = FrameHeader::decode(self.input.filled())? else {
            self.wanted = FrameHeader::MAX_LEN;
            return Ok(Decoded::NeedMore);
        };
        if self.cipher.is_some() {
            return self.read_sealed_frame(&header, head_len);
        }
        // Before anything is reserved for it: the size is what the other side announces.
        let size = self.check_size(&header)?;
        if !self.has_come(head_len, size) {
            return Ok(Decoded::NeedMore);
        }
        self.take_frame(header, size, head_len + size)
    }

    /// Whether all of a frame is there; if so, its head is taken.
    #[inline(always)]
    fn has_come(&mut self, head_len: usize, size: usize) -> bool {
        if self.input.len() - head_len < size {
            self.wanted = head_len + size;
            return false;
        }
        self.input.advance(head_len);
        self.wanted = 0;
        true
    }

    /// A frame is there whose box has been opened, or that had none. On the wire it has had
    /// `wire_size` bytes.
    // Else it is called for each frame, which takes a tenth of a small message's time.
    #[inline(always)]
    fn take_frame(
        &mut self,
        header: FrameHeader,
        size: usize,
        wire_size: usize,
    ) -> Result<Decoded, LinkError> {
        if header.command {
            return self.take_command(size);
        }
        self.taken += wire_size as u64;
        let content = match self.incoming.take() {
            // The first frame of a message is its header (RFC 36), and no content.
            None => {
                self.take_first(size);
                Content::default()
            }
            // One frame, as in nearly all messages, needs no list.
            Some(content) if content.is_empty() => self.take_content(size).into(),
            Some(mut content) => {
                content.push(self.take_content(size));
                content
            }
        };
        self.incoming_size += size;
        if header.more {
            self.held.add(content.frames().last(), &self.input);
            self.incoming = Some(content);
            return Ok(Decoded::Continue);
        }
        self.incoming_size = 0;
        self.held = HeldFrames::default();
        Ok(Decoded::Event(LinkEvent::Message(content)))
    }

    /// Reads a frame that is sealed. It is opened where it is.
    fn read_sealed_frame(
        &mut self,
        header: &FrameHeader,
        head_len: usize,
    ) -> Result<Decoded, LinkError> {
        let size = self.check_sealed_size(header)?;
        if !self.has_come(head_len, size) {
            return Ok(Decoded::NeedMore);
        }
        let Some(cipher) = &mut self.cipher else {
            return Ok(Decoded::Continue);
        };
        let flags = cipher.open(self.input.front_mut(size))?;
        self.input.advance(MessageSealer::OVERHEAD);
        let header = FrameHeader {
            command: flags.command,
            more: flags.more,
            size: (size - MessageSealer::OVERHEAD) as u64,
        };
        // Now it is known what it is.
        let inner = self.check_size(&header)?;
        self.take_frame(header, inner, head_len + size)
    }

    fn take_first(&mut self, size: usize) {
        // A large one has a buffer of its own, of which `take` lets go.
        if size <= Self::SMALL_FRAME {
            self.first.extend_from_slice(self.input.front(size));
            self.input.advance(size);
        } else {
            self.first.extend_from_slice(&self.input.take(size));
        }
    }

    fn take_content(&mut self, size: usize) -> Bytes {
        match size {
            ..=Self::SMALL_FRAME => self.input.copy(size),
            _ => self.input.take(size),
        }
    }

    /// Makes room for the next first frame. Drops the memory above 512 bytes, which only a HELLO
    /// needs.
    fn clear_first(&mut self) {
        const KEPT: usize = 512;
        if self.first.capacity() > KEPT {
            self.first = Vec::new();
        }
        self.first.clear();
    }

    /// The size of a frame's body, if it is within the limits together with the frames before it.
    fn check_size(&self, header: &FrameHeader) -> Result<usize, LinkError> {
        if header.command {
            let limit = Self::MAX_COMMAND;
            return match usize::try_from(header.size) {
                Ok(size) if size <= limit => Ok(size),
                _ => Err(LinkError::CommandTooLarge {
                    size: header.size,
                    limit,
                }),
            };
        }
        if self.phase != LinkPhase::Open {
            return Err(LinkError::NotReady("a message".into()));
        }
        if !self.handshake.may_receive() {
            return Err(LinkError::UnexpectedMessage);
        }
        // The first frame is not counted among the message's frames.
        let limit = self.limits.message_frames;
        let behind = self.incoming.as_ref().map(Content::len);
        let frames = behind.map_or(0, |behind| 1 + behind);
        if frames > limit {
            return Err(LinkError::TooManyFrames { limit });
        }
        let limit = match self.incoming {
            None => self.limits.first_frame,
            Some(_) => self.limits.message_size,
        };
        match usize::try_from(header.size) {
            // `incoming_size` has passed this check before and is at most the limit.
            Ok(size) if size <= limit - self.incoming_size => Ok(size),
            _ => Err(LinkError::MessageTooLarge {
                size: header.size.saturating_add(self.incoming_size as u64),
                limit,
            }),
        }
    }

    /// The size of a frame that is sealed, if what is in it is within the limits. It is not known
    /// yet whether that is a command.
    fn check_sealed_size(&self, header: &FrameHeader) -> Result<usize, LinkError> {
        let (limit, overhead) = (Self::MAX_COMMAND, MessageSealer::OVERHEAD);
        let Some(inner) = header.size.checked_sub(overhead as u64) else {
            return Err(LinkError::Curve(CurveError::Length {
                command: "MESSAGE",
                length: usize::try_from(header.size).unwrap_or_default(),
            }));
        };
        let size = match usize::try_from(inner) {
            Ok(size) if size <= limit => size,
            _ => self.check_size(&FrameHeader {
                command: false,
                more: false,
                size: inner,
            })?,
        };
        Ok(size + overhead)
    }

    /// The body of a command is there.
    fn take_command(&mut self, size: usize) -> Result<Decoded, LinkError> {
        if self.phase == LinkPhase::Handshake
            && let Some(step) = self.handshake.take_curve(self.input.front(size))?
        {
            self.input.advance(size);
            return self.follow_curve(step);
        }
        let command = Command::decode(self.input.front(size))?;
        self.input.advance(size);
        match (command, self.phase) {
            (Command::Error { reason }, _) => {
                Err(LinkError::Refused(reason.to_string_lossy().into()))
            }
            (Command::Ping { context, .. }, LinkPhase::Open) => {
                self.answer_ping(context);
                Ok(Decoded::Continue)
            }
            // PONG, and commands of later versions of ZMTP.
            (_, LinkPhase::Open) => Ok(Decoded::Continue),
            (Command::Ready(metadata), _) => self.open(&metadata, None),
            (other, _) => Err(LinkError::NotReady(command_name(&other))),
        }
    }

    fn follow_curve(&mut self, step: CurveStep) -> Result<Decoded, LinkError> {
        match step {
            CurveStep::Reply(body) => {
                self.output.put_command_body(&body);
                Ok(Decoded::Continue)
            }
            CurveStep::Open(open) => {
                if let Some(reply) = open.reply {
                    self.output.put_command_body(&reply);
                }
                self.cipher = Some(Box::new(open.cipher));
                self.open(&open.metadata, Some(open.key))
            }
            CurveStep::Refused { key, metadata } => {
                let reason = curve::NO_ACCESS.try_into().unwrap_or_default();
                self.output.put_command(&Command::Error { reason });
                self.phase = LinkPhase::Refused;
                // Whoever it is need not say so.
                let peer = self.handshake.ready(&metadata).ok().flatten();
                Ok(Decoded::Event(LinkEvent::Refused {
                    peer,
                    key: Box::new(key),
                }))
            }
        }
    }

    fn open(&mut self, metadata: &Metadata, key: Option<PublicKey>) -> Result<Decoded, LinkError> {
        let peer = self.handshake.ready(metadata)?;
        self.phase = LinkPhase::Open;
        self.is_elector = handshake::understands_elect(metadata);
        self.unsent_size = 0;
        // Messages may go only behind our READY, which has been queued before.
        for Multipart { first, rest } in core::mem::take(&mut self.unsent) {
            self.put_message(&first, &rest);
        }
        let key = key.map(Box::new);
        Ok(Decoded::Event(LinkEvent::Open { peer, key }))
    }

    /// Stops answering PINGs while the peer does not read our PONGs.
    fn answer_ping(&mut self, context: Bytes) {
        if self.output.remaining() < Self::MAX_COMMAND {
            let pong = Command::Pong { context };
            match &mut self.cipher {
                Some(cipher) => self.output.put_sealed_command(&pong, &mut cipher.sealer),
                None => self.output.put_command(&pong),
            }
        }
    }
}

enum Decoded {
    NeedMore,
    Continue,
    Event(LinkEvent<Content>),
}

fn command_name(command: &Command) -> String {
    match command {
        Command::Ping { .. } => "PING".into(),
        Command::Pong { .. } => "PONG".into(),
        Command::Unknown { name } => alloc::format!("command {:?}", name.to_string_lossy()),
        _ => "a command".into(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
