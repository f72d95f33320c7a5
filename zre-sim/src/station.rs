//! One process on a host: an `Engine` that speaks octets, or a `Node` that speaks messages.

use std::net::SocketAddr;

use bytes::{Buf as _, Bytes};
use zre_core::{
    Config, Engine, Error, Event, Instant, LinkId, Notice, Output,
    proto::{Content, Endpoint, GroupName, Message, PeerId, RoutingId},
};

use crate::pipes::Pipes;

/// What a simulation carries between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Octets between [`Engine`]s: all is as on a real wire, ZMTP handshakes and broken frames included.
    #[default]
    Octets,
    /// Messages between [`Node`](zre_core::Node)s: the same ZRE, at a fraction of the time and memory.
    Messages,
}

/// One end of a connection, as its process knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Conn {
    Link(LinkId),
    Pipe(u64),
}

/// What a stream carries.
#[derive(Debug)]
pub(crate) enum Cargo {
    Octets(Bytes),
    Message(Box<Message>),
    /// Nothing more comes, and why.
    End(&'static str),
}

impl Cargo {
    /// Octets on the wire.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Octets(octets) => octets.len(),
            Self::Message(message) => wire_size(message),
            Self::End(_) => 0,
        }
    }
}

/// What a message takes on the wire with its frames' headers.
pub(crate) fn wire_size(message: &Message) -> usize {
    const FRAME_HEADER: usize = 2;
    let content = message.body.content();
    let content = content.map_or(0, |content| content.size() + content.len() * FRAME_HEADER);
    FRAME_HEADER + message.header_len() + content
}

/// What a process wants done.
#[derive(Debug)]
pub(crate) enum Action {
    Datagram(Bytes),
    Open { conn: Conn, to: Endpoint },
    Writable(Conn),
    Close(Conn),
    Resume,
}

#[derive(Debug)]
pub(crate) enum Station {
    Engine(Box<Engine>),
    Pipes(Box<Pipes>),
}

impl Station {
    pub(crate) fn new(level: Level, config: Config, seed: [u8; 32], now: Instant) -> Self {
        match level {
            Level::Octets => Self::Engine(Box::new(Engine::new(config, seed, now))),
            Level::Messages => Self::Pipes(Box::new(Pipes::new(config, seed, now))),
        }
    }

    pub(crate) fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        match self {
            Self::Engine(engine) => engine.handle_datagram(from, datagram, now),
            Self::Pipes(pipes) => pipes.handle_datagram(from, datagram, now),
        }
    }

    /// `from` is only needed where no octets tell it.
    pub(crate) fn handle_accepted(
        &mut self,
        remote: SocketAddr,
        from: RoutingId,
        now: Instant,
    ) -> Conn {
        match self {
            Self::Engine(engine) => Conn::Link(engine.handle_accepted(remote, now)),
            Self::Pipes(pipes) => Conn::Pipe(pipes.handle_accepted(from)),
        }
    }

    pub(crate) fn handle_connected(&mut self, conn: Conn, now: Instant) {
        match (self, conn) {
            (Self::Engine(engine), Conn::Link(link)) => engine.handle_connected(link, now),
            (Self::Pipes(pipes), Conn::Pipe(pipe)) => pipes.handle_connected(pipe),
            _ => {}
        }
    }

    pub(crate) fn handle_closed(&mut self, conn: Conn, why: &str, now: Instant) {
        match (self, conn) {
            (Self::Engine(engine), Conn::Link(link)) => engine.handle_closed(link, why, now),
            (Self::Pipes(pipes), Conn::Pipe(pipe)) => pipes.handle_closed(pipe, now),
            _ => {}
        }
    }

    /// Reads what came over a connection, and gives back what it did not read, being congested.
    pub(crate) fn read(&mut self, conn: Conn, cargo: Cargo, now: Instant) -> Option<Cargo> {
        match (self, conn, cargo) {
            (Self::Engine(engine), Conn::Link(link), Cargo::Octets(mut octets)) => {
                while octets.has_remaining() {
                    if engine.is_congested() {
                        return Some(Cargo::Octets(octets));
                    }
                    let Some(mut reader) = engine.reader(link) else {
                        break;
                    };
                    let buffer = reader.buffer();
                    let count = buffer.len().min(octets.len());
                    octets.copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
                    reader.commit(count, now);
                }
                None
            }
            (Self::Pipes(pipes), Conn::Pipe(pipe), Cargo::Message(message)) => {
                if pipes.node.is_congested() {
                    return Some(Cargo::Message(message));
                }
                pipes.handle_message(pipe, *message, now);
                None
            }
            _ => None,
        }
    }

    /// Takes what is to be written to a connection, `room` octets at most where it can be cut.
    pub(crate) fn write(&mut self, conn: Conn, room: usize, now: Instant) -> Option<Cargo> {
        match (self, conn) {
            (Self::Engine(engine), Conn::Link(link)) => {
                let outbox = engine.write_buffer(link)?;
                let count = room.min(outbox.remaining());
                let octets = outbox.copy_to_bytes(count);
                engine.handle_written(now);
                (count > 0).then_some(Cargo::Octets(octets))
            }
            (Self::Pipes(pipes), Conn::Pipe(pipe)) => pipes
                .next_for(pipe, now)
                .map(|message| Cargo::Message(Box::new(message))),
            _ => None,
        }
    }

    /// How many octets wait to be written to a connection.
    pub(crate) fn unwritten(&mut self, conn: Conn) -> usize {
        match (self, conn) {
            (Self::Engine(engine), Conn::Link(link)) => engine
                .write_buffer(link)
                .map_or(0, |outbox| outbox.remaining()),
            (Self::Pipes(pipes), Conn::Pipe(pipe)) => pipes.queued_on(pipe),
            _ => 0,
        }
    }

    pub(crate) fn is_congested(&self) -> bool {
        match self {
            Self::Engine(engine) => engine.is_congested(),
            Self::Pipes(pipes) => pipes.node.is_congested(),
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        match self {
            Self::Engine(engine) => engine.is_stopped(),
            Self::Pipes(pipes) => pipes.is_stopped(),
        }
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        match self {
            Self::Engine(engine) => engine.poll_output().map(|output| match output {
                Output::Datagram(octets) => Action::Datagram(octets),
                Output::Open { link, endpoint } => Action::Open {
                    conn: Conn::Link(link),
                    to: endpoint,
                },
                Output::Writable(link) => Action::Writable(Conn::Link(link)),
                Output::Close(link) => Action::Close(Conn::Link(link)),
                Output::Resume => Action::Resume,
            }),
            Self::Pipes(pipes) => pipes.poll_action(),
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Engine(engine) => engine.poll_event(),
            Self::Pipes(pipes) => pipes.poll_event(),
        }
    }

    pub(crate) fn poll_notice(&mut self) -> Option<Notice> {
        match self {
            Self::Engine(engine) => engine.poll_notice(),
            Self::Pipes(pipes) => pipes.node.poll_notice(),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Engine(engine) => engine.poll_timeout(),
            Self::Pipes(pipes) => pipes.poll_timeout(),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Engine(engine) => engine.handle_timeout(now),
            Self::Pipes(pipes) => pipes.handle_timeout(now),
        }
    }

    pub(crate) fn join(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        match self {
            Self::Engine(engine) => engine.join(group, now),
            Self::Pipes(pipes) => pipes.node.join(group, now),
        }
    }

    pub(crate) fn leave(&mut self, group: &GroupName, now: Instant) -> Result<(), Error> {
        match self {
            Self::Engine(engine) => engine.leave(group, now),
            Self::Pipes(pipes) => pipes.node.leave(group, now),
        }
    }

    pub(crate) fn whisper(
        &mut self,
        peer: PeerId,
        content: Content,
        now: Instant,
    ) -> Result<(), Error> {
        match self {
            Self::Engine(engine) => engine.whisper(peer, content, now),
            Self::Pipes(pipes) => pipes.whisper(peer, content, now),
        }
    }

    /// Shouts to one member; `Ok(false)` if it is full, or no member any more.
    pub(crate) fn shout_to(
        &mut self,
        peer: PeerId,
        group: &GroupName,
        content: Content,
        now: Instant,
    ) -> Result<bool, Error> {
        match self {
            Self::Engine(engine) => {
                let shouted = engine.shout_to(&[peer], group, content, now)?;
                Ok(shouted.reached == 1)
            }
            Self::Pipes(pipes) => pipes.shout_to(peer, group, content, now),
        }
    }

    pub(crate) fn ping(&mut self, peer: PeerId, now: Instant) -> Result<u64, Error> {
        match self {
            Self::Engine(engine) => engine.ping(peer, now),
            Self::Pipes(pipes) => pipes.node.ping(peer, now),
        }
    }

    pub(crate) fn is_answered(&self, peer: PeerId, number: u64) -> Option<bool> {
        match self {
            Self::Engine(engine) => engine.node().is_answered(peer, number),
            Self::Pipes(pipes) => pipes.node.is_answered(peer, number),
        }
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        match self {
            Self::Engine(engine) => engine.stop(now),
            Self::Pipes(pipes) => pipes.stop(now),
        }
    }

    pub(crate) fn id(&self) -> PeerId {
        match self {
            Self::Engine(engine) => engine.node().id(),
            Self::Pipes(pipes) => pipes.node.id(),
        }
    }

    pub(crate) fn peers(&self) -> Vec<PeerId> {
        match self {
            Self::Engine(engine) => engine.node().peers().collect(),
            Self::Pipes(pipes) => pipes.node.peers().collect(),
        }
    }

    pub(crate) fn members(&self, group: &GroupName) -> Vec<PeerId> {
        match self {
            Self::Engine(engine) => engine.node().peers_by_group(group).collect(),
            Self::Pipes(pipes) => pipes.node.peers_by_group(group).collect(),
        }
    }

    pub(crate) fn own_groups(&self) -> Vec<GroupName> {
        match self {
            Self::Engine(engine) => engine.node().own_groups().cloned().collect(),
            Self::Pipes(pipes) => pipes.node.own_groups().cloned().collect(),
        }
    }

    pub(crate) fn peer_groups(&self) -> Vec<GroupName> {
        match self {
            Self::Engine(engine) => engine.node().peer_groups().cloned().collect(),
            Self::Pipes(pipes) => pipes.node.peer_groups().cloned().collect(),
        }
    }
}
