//! Connections between processes: two streams, each in order, however the network is.

use std::collections::VecDeque;

use zre_core::{
    Instant, LinkId,
    proto::{PeerId, curve::PublicKey},
};

use crate::{machine::Payload, network::AddressIndex};

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    opener: End,
    taker: End,
    /// Who opened it; the process can be another by now.
    pub(crate) opened_by: PeerId,
    /// With messages; bytes prove them. A simulation has millions of wires, most in the open.
    pub(crate) keys: Option<Box<WireKeys>>,
    /// Whether the taker does not trust the opener, with messages.
    pub(crate) is_refused: bool,
    /// Where it was opened to.
    pub(crate) port: u16,
    /// How often connecting has been tried.
    pub(crate) attempts: u8,
}

/// The keys of a connection that its opener knows.
#[derive(Debug)]
pub(crate) struct WireKeys {
    pub(crate) own: PublicKey,
    /// That of whoever is to be at the other end.
    pub(crate) expected: Option<PublicKey>,
}

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that connected.
    Opener,
    /// The one that accepted.
    Taker,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Opener, Self::Taker];

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Opener => Self::Taker,
            Self::Taker => Self::Opener,
        }
    }
}

/// One end, and the stream that comes to it.
#[derive(Debug)]
pub(crate) struct End {
    /// `None` until its process knows of it.
    pub(crate) link: Option<LinkId>,
    /// What comes to it; mostly nothing, and a simulation has millions of ends.
    stream: Option<Box<Stream>>,
    process: u32,
    address: AddressIndex,
    /// Whether the process, or its system for it, has closed it.
    pub(crate) closed: bool,
    /// Whether it can be written.
    pub(crate) connected: bool,
    /// Whether there may be more to write than the other end has room for.
    pub(crate) wants: bool,
    /// Whether what arrives is left unread.
    pub(crate) stalled: bool,
    /// Whether its end has been sent to it.
    pub(crate) ended: bool,
}

/// What is on its way to an end, or there and unread.
#[derive(Debug, Default)]
struct Stream {
    flight: VecDeque<(Instant, Payload)>,
    arrived: VecDeque<Payload>,
    /// The bytes of both.
    size: usize,
    /// When the last piece comes; none comes before it.
    last_at: Instant,
    /// How often the first piece could not be delivered.
    failures: u32,
}

impl Wire {
    /// A connection that is being opened to a port.
    pub(crate) fn new(opener: End, opened_by: PeerId, taker: End, port: u16) -> Self {
        Self {
            opener,
            taker,
            opened_by,
            keys: None,
            is_refused: false,
            port,
            attempts: 0,
        }
    }

    pub(crate) fn end(&self, side: Side) -> &End {
        match side {
            Side::Opener => &self.opener,
            Side::Taker => &self.taker,
        }
    }

    pub(crate) fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Opener => &mut self.opener,
            Side::Taker => &mut self.taker,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.opener.closed && self.taker.closed
    }

    /// Puts a piece on its way to an end. It comes there at `at`, or behind what is on its way
    /// already. Says when to look, if nobody does yet.
    pub(crate) fn carry(&mut self, to: Side, payload: Payload, at: Instant) -> Option<Instant> {
        let end = self.end_mut(to);
        if end.ended {
            return None;
        }
        end.ended = matches!(payload, Payload::End(_));
        let stream = end.stream.get_or_insert_default();
        let at = at.max(stream.last_at);
        stream.last_at = at;
        stream.size += payload.size();
        stream.flight.push_back((at, payload));
        (stream.flight.len() == 1).then_some(at)
    }
}

impl End {
    /// The end of a process at an address of its host.
    pub(crate) fn new(process: usize, address: AddressIndex, link: Option<LinkId>) -> Self {
        Self {
            link,
            stream: None,
            process: number(process),
            address,
            closed: false,
            connected: false,
            wants: false,
            stalled: false,
            ended: false,
        }
    }

    pub(crate) fn process(&self) -> usize {
        self.process as usize
    }

    /// Another process is at this end, before it knows of it.
    pub(crate) fn give_to(&mut self, process: usize) {
        self.process = number(process);
    }

    pub(crate) fn address(&self) -> AddressIndex {
        self.address
    }

    /// Bytes on their way to this end, or unread.
    pub(crate) fn unread(&self) -> usize {
        self.stream.as_ref().map_or(0, |stream| stream.size)
    }

    pub(crate) fn has_arrived(&self) -> bool {
        let stream = self.stream.as_ref();
        stream.is_some_and(|stream| !stream.arrived.is_empty())
    }

    /// Takes what has come by now; says when to look for the rest.
    pub(crate) fn arrive(&mut self, now: Instant) -> Option<Instant> {
        let stream = self.stream.as_mut()?;
        stream.failures = 0;
        let due = stream.flight.iter().take_while(|(at, _)| *at <= now);
        let due = due.count();
        let due = stream.flight.drain(..due).map(|(_, payload)| payload);
        stream.arrived.extend(due);
        stream.flight.front().map(|(at, _)| *at)
    }

    /// What is due could not be delivered; says how often that was so before.
    pub(crate) fn fail(&mut self) -> u32 {
        self.stream.as_mut().map_or(0, |stream| {
            stream.failures += 1;
            stream.failures - 1
        })
    }

    /// Takes the next piece to read.
    pub(crate) fn next_arrived(&mut self) -> Option<Payload> {
        let stream = self.stream.as_mut()?;
        let payload = stream.arrived.pop_front()?;
        stream.size -= payload.size();
        self.stream
            .take_if(|stream| stream.arrived.is_empty() && stream.flight.is_empty());
        Some(payload)
    }

    /// Puts back what was not read of the next piece.
    pub(crate) fn put_back(&mut self, rest: Payload) {
        let stream = self.stream.get_or_insert_default();
        stream.size += rest.size();
        stream.arrived.push_front(rest);
    }

    /// Drops everything that comes or has come.
    pub(crate) fn discard(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.flight.clear();
            stream.arrived.clear();
            stream.size = 0;
        }
    }

    /// Drops everything that comes or has come, and ends here at once.
    pub(crate) fn break_off(&mut self, why: &'static str) {
        self.discard();
        self.ended = true;
        let stream = self.stream.get_or_insert_default();
        stream.arrived.push_back(Payload::End(why));
    }
}

/// The ends that one process holds, by the numbers that it gives its connections.
///
/// An engine counts from 0, so a list with gaps does. It takes a third of the memory of a tree.
#[derive(Debug, Default)]
pub(crate) struct HeldEnds(Vec<Option<WireEnd>>);

#[derive(Debug, Clone, Copy)]
struct WireEnd {
    wire: u32,
    side: Side,
}

impl WireEnd {
    fn get(self) -> (usize, Side) {
        (self.wire as usize, self.side)
    }
}

impl HeldEnds {
    pub(crate) fn insert(&mut self, link: LinkId, wire: usize, side: Side) {
        let wire = u32::try_from(wire).expect("a simulation has fewer than 2^32 connections");
        let place = place(link);
        if place >= self.0.len() {
            self.0.resize(place + 1, None);
        }
        self.0[place] = Some(WireEnd { wire, side });
    }

    pub(crate) fn get(&self, link: LinkId) -> Option<(usize, Side)> {
        let end = self.0.get(place(link)).copied().flatten();
        end.map(WireEnd::get)
    }

    pub(crate) fn remove(&mut self, link: LinkId) -> Option<(usize, Side)> {
        let end = self.0.get_mut(place(link)).and_then(Option::take);
        end.map(WireEnd::get)
    }

    /// In the order in which the process got to know them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Side)> {
        self.0.iter().flatten().map(|end| end.get())
    }
}

fn number(process: usize) -> u32 {
    u32::try_from(process).expect("a simulation has fewer than 2^32 processes")
}

fn place(link: LinkId) -> usize {
    usize::try_from(link.as_u64()).expect("a simulation has fewer than 2^32 connections")
}
