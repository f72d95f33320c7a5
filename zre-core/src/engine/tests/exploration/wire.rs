//! Connections of the explored world.

use std::{collections::VecDeque, fmt};

use core::{net::SocketAddr, time::Duration};

use zre_proto::{Message, PeerId};

use crate::{engine::LinkId, time::Instant};

/// After so long a silence the system's probes have shown that a connection is dead.
const IDLE: Duration = Duration::from_secs(60);
/// After so long it gives up what the other side has not acknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// A connection. Messages go from its opener to its acceptor only.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    /// For traces; it says nothing of the state.
    pub(super) number: u32,
    pub(super) opener: End,
    pub(super) acceptor: End,
    /// Where the opener connects from, and where to.
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// Who the opener says it is.
    pub(super) identity: PeerId,
    pub(super) is_connected: bool,
    /// What is under way to the acceptor.
    pub(super) queue: VecDeque<Item>,
    /// Whether the end of the connection is under way to the opener.
    pub(super) ends_for_opener: bool,
    pub(super) cut: Cut,
    /// When the system gives the connection up, at the opener and at the acceptor.
    pub(super) given_up_at: [Option<Instant>; 2],
    /// The number of the last message that the adversary sent.
    pub(super) sent: u16,
    /// Whether her first message cannot be the peer's.
    pub(super) misfits: bool,
}

#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) host: usize,
    pub(super) link: Option<LinkId>,
    pub(super) is_open: bool,
}

/// What is under way to an acceptor.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// The connection itself.
    Accept,
    Message(Message),
    /// Its end.
    End,
}

/// Whether anything crosses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Whole,
    /// Nothing crosses any more, and nobody is told.
    Silent,
    /// Nothing crosses any more; the opener is told when it writes.
    Resets,
}

impl Wire {
    /// The opener writes.
    pub(super) fn write(&mut self, item: Item, now: Instant) {
        match self.cut {
            Cut::Whole if self.is_accepting() => self.queue.push_back(item),
            Cut::Whole => {}
            Cut::Silent => self.await_acknowledgement(now),
            Cut::Resets => self.ends_for_opener = self.opener.is_open,
        }
    }

    /// Nothing crosses from now on.
    pub(super) fn cut(&mut self, cut: Cut, now: Instant) {
        self.cut = cut;
        self.given_up_at = [Some(now + IDLE); 2];
        if self.queue.iter().any(|it| matches!(it, Item::Message(_))) {
            self.await_acknowledgement(now);
        }
    }

    fn await_acknowledgement(&mut self, now: Instant) {
        let at = now + UNACKNOWLEDGED;
        let known = &mut self.given_up_at[0];
        *known = Some(known.map_or(at, |known| known.min(at)));
    }

    /// When the system gives it up at an end that is still open.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let ends = [&self.opener, &self.acceptor].into_iter();
        let open = ends.zip(self.given_up_at).filter(|(end, _)| end.is_open);
        open.filter_map(|(_, at)| at).min()
    }

    /// The opener closes it.
    pub(super) fn close_opener(&mut self) {
        self.opener.is_open = false;
        self.ends_for_opener = false;
        if self.cut == Cut::Whole && self.is_accepting() {
            self.queue.push_back(Item::End);
        }
    }

    /// The acceptor closes it; what it has not read is lost.
    pub(super) fn close_acceptor(&mut self) {
        self.acceptor.is_open = false;
        self.queue.clear();
        if self.cut == Cut::Whole {
            self.ends_for_opener = self.opener.is_open;
        }
    }

    /// Whether the acceptor has it, or will have it.
    pub(super) fn is_accepting(&self) -> bool {
        self.acceptor.is_open || matches!(self.queue.front(), Some(Item::Accept))
    }

    /// Whether nobody knows it any more.
    pub(super) fn is_gone(&self) -> bool {
        !self.opener.is_open && !self.is_accepting()
    }

    pub(super) fn joins(&self, opener: usize, acceptor: usize) -> bool {
        (self.opener.host, self.acceptor.host) == (opener, acceptor)
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("the connection"),
            Self::Message(message) => write!(f, "{:?}", message.body.kind()),
            Self::End => f.write_str("its end"),
        }
    }
}
