//! Connections between processes: two streams, each in order, however the network is.

use std::collections::VecDeque;

use zre_core::{Instant, LinkId, proto::PeerId};

use crate::machine::Payload;

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    opener: End,
    taker: End,
    /// Who opened it; the process can be another by now.
    pub(crate) opened_by: PeerId,
    /// Where it was opened to.
    pub(crate) port: u16,
    /// How often connecting has been tried.
    pub(crate) attempts: u32,
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
    pub(crate) process: usize,
    /// `None` until its process knows of it.
    pub(crate) link: Option<LinkId>,
    /// Whether the process, or its system for it, has closed it.
    pub(crate) closed: bool,
    /// Whether it can be written.
    pub(crate) connected: bool,
    /// Whether there may be more to write than the other end has room for.
    pub(crate) wants: bool,
    /// Whether what arrives is left unread.
    pub(crate) stalled: bool,
    /// On its way to this end.
    pub(crate) flight: VecDeque<(Instant, Payload)>,
    /// Here, and not read.
    pub(crate) arrived: VecDeque<Payload>,
    /// Octets on their way to this end or unread.
    pub(crate) unread: usize,
    /// When the last piece comes; none comes before it.
    pub(crate) last_at: Instant,
    /// How often the first piece could not be delivered.
    pub(crate) failures: u32,
    /// Whether its end has been sent to it.
    pub(crate) ended: bool,
}

impl Wire {
    pub(crate) fn new(opener: (usize, PeerId), link: LinkId, to: usize, port: u16) -> Self {
        let (process, opened_by) = opener;
        Self {
            opener: End::new(process, Some(link)),
            taker: End::new(to, None),
            opened_by,
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

    /// Puts a piece on its way to an end, to come there at `at` or behind what is on its way already. Says when to
    /// look, if nobody does yet.
    pub(crate) fn carry(&mut self, to: Side, payload: Payload, at: Instant) -> Option<Instant> {
        let end = self.end_mut(to);
        if end.ended {
            return None;
        }
        end.ended = matches!(payload, Payload::End(_));
        let at = at.max(end.last_at);
        end.last_at = at;
        end.unread += payload.size();
        end.flight.push_back((at, payload));
        (end.flight.len() == 1).then_some(at)
    }
}

impl End {
    fn new(process: usize, link: Option<LinkId>) -> Self {
        Self {
            process,
            link,
            closed: false,
            connected: false,
            wants: false,
            stalled: false,
            flight: VecDeque::new(),
            arrived: VecDeque::new(),
            unread: 0,
            last_at: Instant::default(),
            failures: 0,
            ended: false,
        }
    }

    /// Takes what has come by now; says when to look for the rest.
    pub(crate) fn arrive(&mut self, now: Instant) -> Option<Instant> {
        self.failures = 0;
        let due = self.flight.iter().take_while(|(at, _)| *at <= now).count();
        let due = self.flight.drain(..due).map(|(_, payload)| payload);
        self.arrived.extend(due);
        release_if_empty(&mut self.flight);
        self.flight.front().map(|(at, _)| *at)
    }

    /// Takes the next piece to read.
    pub(crate) fn next_arrived(&mut self) -> Option<Payload> {
        let payload = self.arrived.pop_front();
        release_if_empty(&mut self.arrived);
        payload
    }

    /// Drops everything that comes or has come.
    pub(crate) fn discard(&mut self) {
        self.flight.clear();
        self.arrived.clear();
        self.unread = 0;
    }
}

/// A million idle connections keep no room for what they once carried.
pub(crate) fn release_if_empty<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        *queue = VecDeque::new();
    }
}
