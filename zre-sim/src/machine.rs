//! The engine of one process, at either level.

use std::{net::SocketAddr, num::NonZeroU16};

use bytes::{Buf as _, Bytes};
use zre_core::{
    Caller, Config, Engine, Error, Event, IncomingRequest, Instant, LinkId, MessageLink, Node,
    Notice, Output, RequestId, Seed,
    interfaces::{Interface, NetworkId},
    proto::{Content, GossipMessage, Message},
};

use crate::early_wrap::EarlyWrap;

/// What the connections of a simulation carry. Both levels run the
/// [`Engine`](zre_core::Engine) of real nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Bytes, as on a real wire: ZMTP's greetings and handshakes, and frames in pieces.
    #[default]
    Bytes,
    /// Whole messages: the same engine without ZMTP, so with no handshakes, frames and framing
    /// errors. Needs half the memory.
    Messages,
}

/// What a stream carries.
#[derive(Debug)]
pub(crate) enum Payload {
    Bytes(Bytes),
    Message(Box<Message>),
    Gossip(Box<GossipMessage>),
    /// Nothing more comes, and why.
    End(&'static str),
}

impl Payload {
    /// Bytes on the wire.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Message(message) => MessageLink::wire_size(message),
            Self::Gossip(message) => MessageLink::gossip_wire_size(message),
            Self::End(_) => 0,
        }
    }
}

/// An engine, of either level.
#[derive(Debug)]
pub(crate) enum Machine {
    Bytes(Box<Engine>),
    /// Perhaps with message numbers like those of pyre.
    Messages(Box<Engine<MessageLink>>, Option<Box<EarlyWrap>>),
}

/// Does something with the engine that is the same at either level.
macro_rules! with_engine {
    ($machine:expr, $engine:ident => $done:expr) => {
        match $machine {
            $crate::machine::Machine::Bytes($engine) => $done,
            $crate::machine::Machine::Messages($engine, _) => $done,
        }
    };
}

pub(crate) use with_engine;

impl Machine {
    pub(crate) fn new(level: Level, config: Config, seed: Seed, now: Instant) -> Self {
        match level {
            Level::Bytes => Self::Bytes(Box::new(Engine::new(config, seed, now))),
            Level::Messages => {
                let engine = Engine::with_messages(config, seed, now);
                Self::Messages(Box::new(engine), None)
            }
        }
    }

    /// Makes the node number its messages as pyre and zyre.js do; `false` at the byte level.
    pub(crate) fn wrap_early(&mut self) -> bool {
        match self {
            Self::Bytes(_) => false,
            Self::Messages(_, quirk) => {
                *quirk = Some(Box::default());
                true
            }
        }
    }

    /// `from` is only needed at the message level: at the other, the handshake says who it is, and
    /// proves its key.
    pub(crate) fn handle_accepted(
        &mut self,
        remote: SocketAddr,
        from: Caller,
        now: Instant,
    ) -> LinkId {
        match self {
            Self::Bytes(engine) => engine.handle_accepted(remote, now),
            Self::Messages(engine, _) => engine.handle_accepted(remote, from, now),
        }
    }

    /// A connection came in on the port for gossip.
    pub(crate) fn handle_gossip_accepted(&mut self, remote: SocketAddr, now: Instant) -> LinkId {
        with_engine!(self, engine => engine.handle_gossip_accepted(remote, now))
    }

    /// It is known where a connection leads. Says whether it is still wanted.
    pub(crate) fn handle_resolved(
        &mut self,
        link: LinkId,
        remote: SocketAddr,
        now: Instant,
    ) -> bool {
        with_engine!(self, engine => engine.handle_resolved(link, remote, now))
    }

    /// Reads what came over a connection. Gives back what is left if the engine reads no more of
    /// it.
    pub(crate) fn read(&mut self, link: LinkId, payload: Payload, now: Instant) -> Option<Payload> {
        match (self, payload) {
            (Self::Bytes(engine), Payload::Bytes(bytes)) => {
                read_bytes(engine, link, bytes, now).map(Payload::Bytes)
            }
            (Self::Messages(engine, quirk), Payload::Message(mut message)) => {
                // As with bytes, where the engine takes no more either.
                if !engine.may_read(link) {
                    return Some(Payload::Message(message));
                }
                if let Some(quirk) = quirk {
                    quirk.received(link, &mut message);
                }
                engine.handle_message(link, *message, now);
                None
            }
            (Self::Messages(engine, _), Payload::Gossip(message)) => {
                if !engine.may_read(link) {
                    return Some(Payload::Gossip(message));
                }
                engine.handle_gossip(link, *message, now);
                None
            }
            // A simulation has one level, so this does not happen.
            _ => None,
        }
    }

    /// Takes something to write to a connection: at most `room` bytes, or one whole message.
    pub(crate) fn write(&mut self, link: LinkId, room: usize, now: Instant) -> Option<Payload> {
        match self {
            Self::Bytes(engine) => {
                // The buffer is a chain of frames; a piece can end anywhere in it.
                let buffer = engine.write_buffer(link)?;
                let count = room.min(buffer.remaining());
                let bytes = buffer.copy_to_bytes(count);
                engine.handle_written(now);
                (count > 0).then_some(Payload::Bytes(bytes))
            }
            Self::Messages(engine, _) if engine.is_gossip(link) => {
                let message = engine.next_gossip(link)?;
                engine.handle_written(now);
                Some(Payload::Gossip(Box::new(message)))
            }
            Self::Messages(engine, quirk) => {
                let mut message = engine.next_message(link)?;
                engine.handle_written(now);
                // After the engine has numbered it correctly.
                if let Some(quirk) = quirk {
                    quirk.sent(link, &mut message);
                }
                Some(Payload::Message(Box::new(message)))
            }
        }
    }

    /// How many bytes wait to be written to a connection.
    pub(crate) fn unwritten(&mut self, link: LinkId) -> usize {
        match self {
            Self::Bytes(engine) => engine.write_buffer(link).map_or(0, |it| it.remaining()),
            Self::Messages(engine, _) => engine.queued(link),
        }
    }

    pub(crate) fn handle_interfaces(&mut self, interfaces: &[Interface], now: Instant) {
        with_engine!(self, engine => engine.handle_interfaces(interfaces, now));
    }

    pub(crate) fn handle_listening(&mut self, network: NetworkId, port: u16, now: Instant) {
        let port = NonZeroU16::new(port).unwrap_or(NonZeroU16::MIN);
        with_engine!(self, engine => engine.handle_listening(network, port, now));
    }

    pub(crate) fn handle_not_listening(&mut self, network: NetworkId, why: &str, now: Instant) {
        with_engine!(self, engine => engine.handle_not_listening(network, why, now));
    }

    pub(crate) fn handle_beacon_sent(
        &mut self,
        network: NetworkId,
        sent: Result<(), &str>,
        now: Instant,
    ) {
        with_engine!(self, engine => engine.handle_beacon_sent(network, sent, now));
    }

    pub(crate) fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        with_engine!(self, engine => engine.handle_datagram(from, datagram, now));
    }

    pub(crate) fn handle_connected(&mut self, link: LinkId, now: Instant) {
        match self {
            Self::Bytes(engine, ..) => engine.handle_connected(link, now),
            Self::Messages(engine, ..) => {
                engine.handle_connected(link, now);
                // At the level of bytes the handshake says so.
                engine.handle_elector(link, now);
            }
        }
    }

    /// The other side does not trust this node's key. At the byte level, the connection says so.
    pub(crate) fn handle_refused(&mut self, link: LinkId, now: Instant) {
        match self {
            Self::Bytes(_) => {}
            Self::Messages(engine, _) => engine.handle_refused(link, now),
        }
    }

    pub(crate) fn handle_closed(&mut self, link: LinkId, why: &str, now: Instant) {
        with_engine!(self, engine => engine.handle_closed(link, why, now));
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        with_engine!(self, engine => engine.handle_timeout(now));
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        with_engine!(self, engine => engine.poll_output())
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        with_engine!(self, engine => engine.poll_event())
    }

    /// A request that has got its outcome.
    pub(crate) fn poll_outcome(&mut self) -> Option<(RequestId, Result<Content, Error>)> {
        with_engine!(self, engine => {
            let id = engine.poll_settled()?;
            Some((id, engine.take_outcome(id)?))
        })
    }

    pub(crate) fn poll_request(&mut self) -> Option<IncomingRequest> {
        with_engine!(self, engine => engine.poll_request())
    }

    pub(crate) fn poll_notice(&mut self) -> Option<Notice> {
        with_engine!(self, engine => engine.poll_notice())
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        with_engine!(self, engine => engine.poll_timeout())
    }

    pub(crate) fn may_read(&self, link: LinkId) -> bool {
        with_engine!(self, engine => engine.may_read(link))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        with_engine!(self, engine => engine.is_stopped())
    }

    /// The node of the engine, to be asked what it knows.
    pub(crate) fn node(&self) -> &Node {
        with_engine!(self, engine => engine.node())
    }
}

fn read_bytes(engine: &mut Engine, link: LinkId, mut bytes: Bytes, now: Instant) -> Option<Bytes> {
    while bytes.has_remaining() {
        // Each frame can be the one that makes the application fall behind.
        if !engine.may_read(link) {
            return Some(bytes);
        }
        let mut reader = engine.reader(link)?;
        let buffer = reader.buffer();
        let count = buffer.len().min(bytes.len());
        // `count` is at most the length of the buffer.
        bytes.copy_to_slice(&mut buffer[..count]);
        reader.commit(count, now);
    }
    None
}
