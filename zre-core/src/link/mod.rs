//! One ZMTP connection: octets in and frames out (RFC 23/ZMTP 3.0, RFC 37/ZMTP 3.1).

mod handshake;
mod inbox;
mod outbox;

use alloc::{collections::VecDeque, string::String, vec::Vec};

use bytes::{Buf as _, Bytes};
use zre_proto::{
    Content, RoutingId,
    zmtp::{Command, FrameHeader, Greeting, Metadata},
};

use crate::{config::Limits, error::LinkError};
use handshake::Handshake;
pub(crate) use inbox::Inbox;
pub use outbox::Outbox;

/// The state of one ZMTP connection, in either role.
///
/// The caller reads into [`inbox`](Link::inbox), says how much it was, takes events with [`next_event`](Link::next_event)
/// until there is none, and writes what [`outbox`](Link::outbox) holds. A link knows no ZRE: it
/// carries messages of one or more frames. Only the NULL mechanism is offered.
#[derive(Debug)]
pub struct Link {
    phase: Phase,
    handshake: Handshake,
    limits: LinkLimits,
    inbox: Inbox,
    /// How many octets must be in the inbox before there is more to decode.
    wanted: usize,
    /// The first frame of the message that is being read, or was read last.
    first: Vec<u8>,
    /// The frames behind it, while more are to come.
    incoming: Option<Content>,
    incoming_size: usize,
    outbox: Outbox,
    /// Messages that wait for the end of the handshake, and their octets.
    backlog: VecDeque<Multipart>,
    backlog_size: usize,
}

/// Which end of a connection this is: in ZRE, messages go from the connecting to the accepting end only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A DEALER that connects, says who it is, and sends.
    Connecting(RoutingId),
    /// A ROUTER that accepts, learns who connects, and receives.
    Accepting,
}

/// A message of one or more frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// The first frame.
    pub first: Bytes,
    /// The frames behind it.
    pub rest: Content,
}

/// What came over a link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// The handshake is over; messages can cross.
    Open {
        /// Who is at the other end; always there on an accepting link, never on a connecting one.
        peer: Option<RoutingId>,
    },
    /// A whole message came.
    Message(Multipart),
}

/// The same for who looks at the first frame where it is.
#[derive(Debug)]
pub(crate) enum Incoming {
    Open {
        peer: Option<RoutingId>,
    },
    /// The frames behind the [first](Link::first).
    Message(Content),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Handshake,
    Open,
}

/// The part of [`Limits`] that a link keeps.
#[derive(Debug, Clone, Copy)]
struct LinkLimits {
    first_frame: usize,
    message_size: usize,
    message_frames: usize,
}

impl Link {
    /// The most octets of a command; READY has some sixty.
    const MAX_COMMAND: usize = 8 << 10;
    /// A content frame of at most this many octets is copied into a piece of memory of no more, so that one that is kept
    /// does not keep all that was read with it.
    pub(crate) const SMALL_FRAME: usize = Inbox::PIECE;
    /// The memory that a larger one may share.
    pub(crate) const SHARED_BUFFER: usize = Inbox::READ_SIZE;
    /// What a message in the backlog takes beside its octets.
    const BACKLOG_COST: usize = 128;

    /// A link at its beginning, with a greeting in its outbox.
    pub fn new(role: Role, limits: &Limits) -> Self {
        let handshake = Handshake::new(role);
        let mut outbox = Outbox::default();
        outbox.put_slice(&handshake.greeting().encode());
        Self {
            phase: Phase::Greeting,
            handshake,
            limits: LinkLimits {
                first_frame: limits.header_frame,
                message_size: limits.message_size.saturating_add(limits.header_frame),
                message_frames: limits.message_frames,
            },
            inbox: Inbox::default(),
            wanted: 0,
            first: Vec::new(),
            incoming: None,
            incoming_size: 0,
            outbox,
            backlog: VecDeque::new(),
            backlog_size: 0,
        }
    }

    /// Room to read into: at least one octet. Then say how many were read, with [`handle_read`](Link::handle_read).
    pub fn inbox(&mut self) -> &mut [u8] {
        self.inbox.room(self.wanted)
    }

    /// So many octets have been read into [`inbox`](Link::inbox).
    ///
    /// # Panics
    ///
    /// Panics if there was not so much room.
    pub fn handle_read(&mut self, count: usize) {
        self.inbox.fill(count);
    }

    /// Octets of memory for a message whose end has not come.
    pub(crate) fn held(&self) -> usize {
        let frames = self.incoming.as_ref().map_or(0, Content::len);
        self.inbox.held() + self.incoming_size + frames * size_of::<Bytes>()
    }

    /// Lends memory to read into, if little waits to be decoded.
    pub(crate) fn lend_inbox(&mut self, spare: &mut Inbox) {
        self.inbox.lend(spare);
    }

    /// Gives that memory back.
    pub(crate) fn return_inbox(&mut self, spare: &mut Inbox) {
        self.inbox.give_back(spare);
    }

    /// Decodes what comes next; `None` if more must be read first.
    ///
    /// # Errors
    ///
    /// [`LinkError`] if the other side breaks the protocol; the link is then of no more use.
    pub fn next_event(&mut self) -> Result<Option<LinkEvent>, LinkError> {
        let incoming = self.next_incoming()?;
        Ok(incoming.map(|incoming| match incoming {
            Incoming::Open { peer } => LinkEvent::Open { peer },
            Incoming::Message(rest) => {
                let first = Bytes::copy_from_slice(&self.first);
                LinkEvent::Message(Multipart { first, rest })
            }
        }))
    }

    /// The first frame of the message that came last, until the next is decoded.
    pub(crate) fn first(&self) -> &[u8] {
        &self.first
    }

    /// Decodes what comes next, as [`next_event`](Link::next_event).
    pub(crate) fn next_incoming(&mut self) -> Result<Option<Incoming>, LinkError> {
        if self.incoming.is_none() {
            self.forget_first();
        }
        loop {
            let step = match self.phase {
                Phase::Greeting => self.read_greeting()?,
                Phase::Handshake | Phase::Open => self.read_frame()?,
            };
            match step {
                Step::NeedMore => return Ok(None),
                Step::Continue => {}
                Step::Incoming(incoming) => return Ok(Some(incoming)),
            }
        }
    }

    /// Whether the handshake is over.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Queues a message; it goes out behind the handshake.
    pub fn send(&mut self, first: &[u8], rest: &Content) {
        if self.is_open() {
            self.outbox.put_message(first, rest);
        } else {
            let first = Bytes::copy_from_slice(first);
            let rest = rest.clone();
            self.backlog_size += first.len() + rest.size() + Self::BACKLOG_COST;
            self.backlog.push_back(Multipart { first, rest });
        }
    }

    /// What is to be written, in this order.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// How many octets wait, before and behind the end of the handshake.
    pub fn queued(&self) -> usize {
        self.outbox.remaining() + self.backlog_size
    }

    /// Takes over the messages that another link to the same peer could not send.
    pub(crate) fn take_backlog(&mut self, failed: &mut Self) {
        self.backlog = core::mem::take(&mut failed.backlog);
        self.backlog_size = core::mem::take(&mut failed.backlog_size);
    }

    fn read_greeting(&mut self) -> Result<Step, LinkError> {
        let Some(greeting) = Greeting::decode(self.inbox.filled())? else {
            self.wanted = Greeting::LEN;
            return Ok(Step::NeedMore);
        };
        self.inbox.advance(Greeting::LEN);
        self.wanted = 0;
        let ready = self.handshake.greeted(&greeting)?;
        self.outbox.put_command(&ready);
        self.phase = Phase::Handshake;
        Ok(Step::Continue)
    }

    fn read_frame(&mut self) -> Result<Step, LinkError> {
        let Some((header, head_len)) = FrameHeader::decode(self.inbox.filled())? else {
            self.wanted = FrameHeader::MAX_LEN;
            return Ok(Step::NeedMore);
        };
        let size = self.check_size(&header)?;
        if self.inbox.len() - head_len < size {
            self.wanted = head_len + size;
            return Ok(Step::NeedMore);
        }
        self.inbox.advance(head_len);
        self.wanted = 0;
        if header.command {
            let body = self.inbox.filled().get(..size).unwrap_or_default();
            let command = Command::decode(body)?;
            self.inbox.advance(size);
            return self.take_command(command);
        }
        let content = match self.incoming.take() {
            None => {
                self.take_first(size);
                Content::default()
            }
            Some(content) if content.is_empty() => self.take_content(size).into(),
            Some(mut content) => {
                content.push(self.take_content(size));
                content
            }
        };
        self.incoming_size += size;
        if header.more {
            self.incoming = Some(content);
            return Ok(Step::Continue);
        }
        self.incoming_size = 0;
        Ok(Step::Incoming(Incoming::Message(content)))
    }

    fn take_first(&mut self, size: usize) {
        if size <= Self::SMALL_FRAME {
            let octets = self.inbox.filled().get(..size).unwrap_or_default();
            self.first.extend_from_slice(octets);
            self.inbox.advance(size);
        } else {
            self.first.extend_from_slice(&self.inbox.take(size));
        }
    }

    fn take_content(&mut self, size: usize) -> Bytes {
        match size {
            ..=Self::SMALL_FRAME => self.inbox.copy(size),
            _ => self.inbox.take(size),
        }
    }

    /// Keeps the memory for the next first frame, if it is no more than all but HELLO can take.
    fn forget_first(&mut self) {
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
        if self.phase != Phase::Open {
            return Err(LinkError::NotReady("a message".into()));
        }
        if !self.handshake.is_accepting() {
            return Err(LinkError::UnexpectedMessage);
        }
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
            Ok(size) if size <= limit - self.incoming_size => Ok(size),
            _ => Err(LinkError::MessageTooLarge {
                size: header.size.saturating_add(self.incoming_size as u64),
                limit,
            }),
        }
    }

    fn take_command(&mut self, command: Command) -> Result<Step, LinkError> {
        match (command, self.phase) {
            (Command::Error { reason }, _) => {
                Err(LinkError::Refused(reason.to_string_lossy().into()))
            }
            (Command::Ping { context, .. }, Phase::Open) => {
                self.answer_ping(context);
                Ok(Step::Continue)
            }
            (_, Phase::Open) => Ok(Step::Continue),
            (Command::Ready(metadata), _) => self.open(&metadata),
            (other, _) => Err(LinkError::NotReady(command_name(&other))),
        }
    }

    fn open(&mut self, metadata: &Metadata) -> Result<Step, LinkError> {
        let peer = self.handshake.ready(metadata)?;
        self.phase = Phase::Open;
        self.backlog_size = 0;
        for Multipart { first, rest } in core::mem::take(&mut self.backlog) {
            self.outbox.put_message(&first, &rest);
        }
        Ok(Step::Incoming(Incoming::Open { peer }))
    }

    /// Who asks without reading the answers gets no more of them.
    fn answer_ping(&mut self, context: Bytes) {
        if self.outbox.remaining() < Self::MAX_COMMAND {
            self.outbox.put_command(&Command::Pong { context });
        }
    }
}

enum Step {
    NeedMore,
    Continue,
    Incoming(Incoming),
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
