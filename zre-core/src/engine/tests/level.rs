//! What the connections of a test carry: bytes or whole messages. Most scenarios run with both.

use alloc::{
    collections::VecDeque,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use core::{fmt, net::SocketAddr};

use bytes::{Buf as _, Bytes};
use zre_proto::{Message, MessageLimits};

use crate::{
    config::{Config, Limits},
    engine::{Engine, LinkId},
    error::LinkError,
    link::{Caller, Connection, Link, LinkEvent, LinkSecurity, MessageLink, Role, tests::feed},
    seed::Seed,
    time::Instant,
};

/// Where an engine differs by what its connections carry.
pub(crate) trait Level: Connection + 'static {
    /// What crosses a connection in one go.
    type Piece: fmt::Debug + 'static;
    /// The other end of a connection, if the test plays it.
    type RemoteLink: fmt::Debug;

    /// Whether a message may cross in parts.
    const CAN_BE_CUT: bool;

    fn start(config: Config, seed: Seed, now: Instant) -> Engine<Self>;

    /// A connection came in; `from` is who the other side says it is, unless bytes tell that.
    fn accept(engine: &mut Engine<Self>, remote: SocketAddr, from: Caller, now: Instant) -> LinkId;

    /// A connection that the engine wants is refused by the other side, unless bytes tell that.
    fn refuse(engine: &mut Engine<Self>, link: LinkId, now: Instant);

    /// Takes what is to be written: up to so many bytes, or one message.
    fn write(engine: &mut Engine<Self>, link: LinkId, most: usize) -> Option<Self::Piece>;

    /// Reads once from a piece: up to so many bytes, or a message. Gives back what is left of it.
    fn read(
        engine: &mut Engine<Self>,
        link: LinkId,
        piece: Self::Piece,
        most: usize,
        now: Instant,
    ) -> Option<Self::Piece>;

    /// How many bytes wait to be written; `None` for a connection that the engine does not know.
    fn unwritten(engine: &mut Engine<Self>, link: LinkId) -> Option<usize>;

    fn size(piece: &Self::Piece) -> usize;

    /// How a piece is told in the trace of a network.
    fn describe(piece: &Self::Piece) -> String;

    fn remote(role: Role, security: LinkSecurity) -> Self::RemoteLink;

    /// The other end sends a message.
    fn queue(remote: &mut Self::RemoteLink, message: &Message);

    /// Takes what the other end writes.
    fn take_sent(remote: &mut Self::RemoteLink) -> Option<Self::Piece>;

    /// The other end reads; gives the messages that this completes.
    fn deliver(remote: &mut Self::RemoteLink, piece: Self::Piece) -> Vec<Message>;
}

impl Level for Link {
    type Piece = Bytes;
    type RemoteLink = Self;

    const CAN_BE_CUT: bool = true;

    fn start(config: Config, seed: Seed, now: Instant) -> Engine {
        Engine::new(config, seed, now)
    }

    fn accept(engine: &mut Engine, remote: SocketAddr, _: Caller, now: Instant) -> LinkId {
        engine.handle_accepted(remote, now)
    }

    fn refuse(_: &mut Engine, _: LinkId, _: Instant) {
        unreachable!("bytes tell that")
    }

    fn write(engine: &mut Engine, link: LinkId, most: usize) -> Option<Bytes> {
        let buffer = engine.write_buffer(link)?;
        let count = most.min(buffer.remaining());
        (count > 0).then(|| buffer.copy_to_bytes(count))
    }

    fn read(
        engine: &mut Engine,
        link: LinkId,
        mut piece: Bytes,
        most: usize,
        now: Instant,
    ) -> Option<Bytes> {
        // If the engine has closed it, the bytes are lost.
        let mut reader = engine.reader(link)?;
        let buffer = reader.buffer();
        let count = buffer.len().min(most).min(piece.len());
        assert!(count > 0, "no room to read");
        piece.copy_to_slice(&mut buffer[..count]);
        reader.commit(count, now);
        piece.has_remaining().then_some(piece)
    }

    fn unwritten(engine: &mut Engine, link: LinkId) -> Option<usize> {
        engine.write_buffer(link).map(|buffer| buffer.remaining())
    }

    fn size(piece: &Bytes) -> usize {
        piece.len()
    }

    fn describe(piece: &Bytes) -> String {
        format!("{} bytes", piece.len())
    }

    fn remote(role: Role, security: LinkSecurity) -> Self {
        Self::secured(role, &Limits::default(), security)
    }

    fn queue(remote: &mut Self, message: &Message) {
        let content = message.body.content().cloned().unwrap_or_default();
        remote.send(&message.header(), &content);
    }

    fn take_sent(remote: &mut Self) -> Option<Bytes> {
        let buffer = remote.write_buffer();
        let count = buffer.remaining();
        (count > 0).then(|| buffer.copy_to_bytes(count))
    }

    fn deliver(remote: &mut Self, piece: Bytes) -> Vec<Message> {
        let message = |event: LinkEvent| match event {
            LinkEvent::Message(message) => {
                let limits = MessageLimits::default();
                Some(Message::decode(&message.first, message.rest, &limits).unwrap())
            }
            LinkEvent::Open { .. } | LinkEvent::Refused { .. } => None,
        };
        let events = match feed(remote, &piece) {
            Err(LinkError::RefusedKey(_)) => Vec::new(),
            events => events.unwrap(),
        };
        events.into_iter().filter_map(message).collect()
    }
}

impl Level for MessageLink {
    type Piece = Message;
    /// What waits to be sent.
    type RemoteLink = VecDeque<Message>;

    const CAN_BE_CUT: bool = false;

    fn start(config: Config, seed: Seed, now: Instant) -> Engine<Self> {
        Engine::with_messages(config, seed, now)
    }

    fn accept(engine: &mut Engine<Self>, remote: SocketAddr, from: Caller, now: Instant) -> LinkId {
        engine.handle_accepted(remote, from, now)
    }

    fn refuse(engine: &mut Engine<Self>, link: LinkId, now: Instant) {
        engine.handle_refused(link, now);
    }

    fn write(engine: &mut Engine<Self>, link: LinkId, _: usize) -> Option<Message> {
        engine.next_message(link)
    }

    fn read(
        engine: &mut Engine<Self>,
        link: LinkId,
        piece: Message,
        _: usize,
        now: Instant,
    ) -> Option<Message> {
        engine.handle_message(link, piece, now);
        None
    }

    fn unwritten(engine: &mut Engine<Self>, link: LinkId) -> Option<usize> {
        engine.cx.owner(link)?;
        Some(engine.queued(link))
    }

    fn size(piece: &Message) -> usize {
        Self::wire_size(piece)
    }

    fn describe(piece: &Message) -> String {
        piece.body.kind().to_string()
    }

    fn remote(_: Role, _: LinkSecurity) -> VecDeque<Message> {
        VecDeque::new()
    }

    fn queue(remote: &mut VecDeque<Message>, message: &Message) {
        remote.push_back(message.clone());
    }

    fn take_sent(remote: &mut VecDeque<Message>) -> Option<Message> {
        remote.pop_front()
    }

    fn deliver(_: &mut VecDeque<Message>, piece: Message) -> Vec<Message> {
        vec![piece]
    }
}

/// Carries both ways all that waits between an engine and the other end of a connection, which may
/// not read. Gives the messages that came there.
pub(super) fn exchange<C: Level>(
    engine: &mut Engine<C>,
    link: LinkId,
    remote: &mut C::RemoteLink,
    reads: bool,
    now: Instant,
) -> Vec<Message> {
    let mut received = Vec::new();
    loop {
        let mut sent = C::take_sent(remote);
        let is_idle = sent.is_none();
        while let Some(piece) = sent {
            sent = C::read(engine, link, piece, usize::MAX, now);
        }
        let written = match reads {
            true => C::write(engine, link, usize::MAX),
            false => None,
        };
        engine.handle_written(now);
        match written {
            Some(piece) => received.extend(C::deliver(remote, piece)),
            None if is_idle => return received,
            None => {}
        }
    }
}

/// Makes two tests of each scenario that is generic over what connections carry.
macro_rules! at_both_levels {
    ($($scenario:ident),+ $(,)?) => {
        mod with_bytes {
            $(#[test]
            fn $scenario() {
                super::$scenario::<crate::link::Link>();
            })+
        }

        mod with_messages {
            $(#[test]
            fn $scenario() {
                super::$scenario::<crate::link::MessageLink>();
            })+
        }
    };
}
pub(super) use at_both_levels;
