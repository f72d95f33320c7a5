//! What is said over one connection: HELLO, PING, and which tuples the other side has been told.

use alloc::string::String;
use core::{net::IpAddr, time::Duration};

use zre_proto::{Endpoint, GossipMessage, GossipTuple, PeerId, curve::PublicKey};

use super::{
    share::Origin,
    table::{Source, Table, Version},
    text_of,
};
use crate::{engine::LinkId, time::Instant};

/// A hub of zyre forgets a client that says nothing for a second.
const PING_AFTER: Duration = Duration::from_millis(400);
/// So many PINGs without any message, and the hub is gone. They are counted, and not the time: this
/// node may have slept.
const PINGS_UNANSWERED: u32 = 12;
/// HELLO is said, and answered with the whole table, once in this time.
const HELLO_PAUSE: Duration = Duration::from_secs(1);

/// What is at the other side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The hub with this number, to which this node has connected.
    Hub(u32),
    /// A client.
    Client,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Session {
    pub(super) side: Side,
    remote: Option<IpAddr>,
    /// Where this node is, for the other side.
    pub(super) own: Option<Endpoint>,
    /// What the other side has been told of that, and when.
    own_told: Option<(Endpoint, Instant)>,
    /// The last tuple that it has been told.
    told: Version,
    hello: Hello,
    /// Whether PING or PONG is to be sent.
    owes_answer: bool,
    owes_invalid: bool,
    /// When something was last sent.
    sent_at: Instant,
    /// How many PINGs have been sent since a message came.
    unanswered: u32,
    /// Whether a hub has answered a PING behind this node's own tuple.
    has_taken_own: bool,
    /// Whether a tuple of it may be in the table.
    pub(super) has_given: bool,
    pub(super) has_noted_bad: bool,
    pub(super) has_noted_limit: bool,
    /// Whether tuples of it have been dropped whose keys are not trusted.
    pub(super) has_given_untrusted: bool,
}

/// Whether the two sides know each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hello {
    /// The client has not said it.
    Awaited,
    /// This node is to say it then.
    Due(Instant),
    /// This node is to say it as soon as there is room.
    Owed,
    /// It was said then, or answered.
    Said(Instant),
}

impl Session {
    pub(super) fn new(side: Side, remote: Option<IpAddr>, now: Instant) -> Self {
        Self {
            side,
            remote,
            own: None,
            own_told: None,
            told: Version::default(),
            hello: match side {
                Side::Hub(_) => Hello::Owed,
                Side::Client => Hello::Awaited,
            },
            owes_answer: false,
            owes_invalid: false,
            sent_at: now,
            unanswered: 0,
            has_taken_own: false,
            has_given: false,
            has_noted_bad: false,
            has_noted_limit: false,
            has_given_untrusted: false,
        }
    }

    /// Whose share of the table its tuples count in.
    pub(super) fn origin(&self, link: LinkId) -> Origin {
        match (self.side, self.remote) {
            (Side::Hub(hub), _) => Origin::Hub(hub),
            (Side::Client, Some(remote)) if !remote.is_loopback() => Origin::Address(remote),
            (Side::Client, _) => Origin::Client(link),
        }
    }

    /// Whether tuples are taken from the other side: it is a hub, or a client that has said HELLO.
    pub(super) fn is_known(&self) -> bool {
        match self.side {
            Side::Hub(_) => true,
            Side::Client => matches!(self.hello, Hello::Said(_)),
        }
    }

    /// Whether a loopback address may be meant for this host.
    pub(super) fn may_be_on_this_host(&self) -> bool {
        let place = self.own.as_ref().and_then(Endpoint::to_socket_addr);
        let own = place.map(|place| place.ip());
        self.remote
            .is_some_and(|remote| remote.is_loopback() || Some(remote) == own)
    }

    /// Whether the hub has this node's own tuple, so that another is news and not the past.
    pub(super) fn has_taken_own(&self) -> bool {
        self.side == Side::Client || self.has_taken_own
    }

    /// The other side has another tuple under this node's identity: tells the own one again, unless
    /// that was a short while ago.
    pub(super) fn correct_own(&mut self, pause: Duration, now: Instant) {
        self.own_told
            .take_if(|(_, told_at)| now.since(*told_at) >= pause);
    }

    pub(super) fn describe(&self) -> String {
        text_of(self.remote)
    }
}

/// What comes.
impl Session {
    /// A message came.
    pub(super) fn note_message(&mut self) {
        self.unanswered = 0;
    }

    /// A message other than a tuple of somebody who is known.
    pub(super) fn take(&mut self, message: &GossipMessage, now: Instant) {
        match (self.side, message) {
            (Side::Hub(_), GossipMessage::Invalid) => self.begin_again(now),
            (Side::Hub(_), GossipMessage::Pong) => {
                self.has_taken_own = self.own_told.is_some() || self.own.is_none();
            }
            // A hub says nothing else.
            (Side::Hub(_), _) => {}
            (Side::Client, GossipMessage::Ping) => self.owes_answer = true,
            (Side::Client, GossipMessage::Hello) => self.take_hello(now),
            // As zyre does.
            (Side::Client, _) => self.owes_invalid |= !self.is_known(),
        }
    }

    fn take_hello(&mut self, now: Instant) {
        if let Hello::Said(at) = self.hello
            && now.since(at) < HELLO_PAUSE
        {
            return;
        }
        self.hello = Hello::Said(now);
        self.own_told = None;
        self.told = Version::default();
    }

    /// The hub does not know this node, or is to tell everything again.
    pub(super) fn begin_again(&mut self, now: Instant) {
        if let Hello::Said(at) = self.hello {
            self.hello = Hello::Due(now.max(at + HELLO_PAUSE));
            self.own_told = None;
            self.told = Version::default();
            self.has_taken_own = false;
        }
    }
}

/// Time.
impl Session {
    /// When there is something to say, if nothing else happens.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match (self.side, self.hello) {
            (Side::Client, _) => None,
            (Side::Hub(_), Hello::Due(at)) => Some(at),
            (Side::Hub(_), _) => Some(self.sent_at + PING_AFTER),
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due_at().is_some_and(|at| at <= now)
    }

    /// It is time to say something to a hub. Says whether it does not answer.
    pub(super) fn check(&mut self, now: Instant) -> bool {
        // If it cannot be written, it counts all the same, and time goes on.
        self.sent_at = now;
        if let Hello::Due(_) = self.hello {
            self.hello = Hello::Owed;
            return false;
        }
        self.owes_answer = true;
        self.unanswered += 1;
        self.unanswered > PINGS_UNANSWERED
    }
}

/// What is sent.
impl Session {
    pub(super) fn next_message(
        &mut self,
        own: (PeerId, Option<PublicKey>),
        source: Source,
        table: &Table,
        now: Instant,
    ) -> Option<GossipMessage> {
        let message = self.next(own, source, table, now)?;
        self.sent_at = now;
        Some(message)
    }

    fn next(
        &mut self,
        own: (PeerId, Option<PublicKey>),
        source: Source,
        table: &Table,
        now: Instant,
    ) -> Option<GossipMessage> {
        match self.hello {
            Hello::Due(_) => return None,
            Hello::Owed => {
                self.hello = Hello::Said(now);
                return Some(GossipMessage::Hello);
            }
            Hello::Said(_) => {
                let next = self.own_tuple(own, now);
                let next = next.or_else(|| table.next_after(&mut self.told, source));
                if next.is_some() {
                    return next;
                }
            }
            Hello::Awaited => {}
        }
        if core::mem::take(&mut self.owes_invalid) {
            return Some(GossipMessage::Invalid);
        }
        // Behind the tuples, so that it says that all have been told.
        core::mem::take(&mut self.owes_answer).then_some(match self.side {
            Side::Hub(_) => GossipMessage::Ping,
            Side::Client => GossipMessage::Pong,
        })
    }

    fn own_tuple(
        &mut self,
        (peer, public_key): (PeerId, Option<PublicKey>),
        now: Instant,
    ) -> Option<GossipMessage> {
        let place = self.own.as_ref()?;
        if self
            .own_told
            .as_ref()
            .is_some_and(|(told, _)| told == place)
        {
            return None;
        }
        self.own_told = Some((place.clone(), now));
        let tuple = GossipTuple {
            peer,
            endpoint: place.clone(),
            public_key,
        };
        Some(tuple.to_message())
    }
}
