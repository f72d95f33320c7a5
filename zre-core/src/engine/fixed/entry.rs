//! One endpoint that the user has given, and how far it is.

use alloc::string::String;
use core::{net::IpAddr, time::Duration};

use zre_proto::{Endpoint, PeerId, curve::PublicKey};

use super::{FixedPeer, FixedState, adoption::address_of};
use crate::{
    backlog::Patience,
    engine::{link_state::LinkState, output::LinkId},
    node::Node,
    time::Instant,
};

/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(10);
/// The longest pause after connections that were there and brought no HELLO.
const LONGEST_UNANSWERED: Duration = Duration::from_secs(60);
/// The longest pause after a session that was short.
const LONGEST_AFTER_SESSION: Duration = Duration::from_secs(1);
/// A session that lasted so long was no short one.
const LASTING: Duration = Duration::from_secs(10);
/// The longest time that a connection waits for a HELLO.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// So long after an error has been told, another is told. The first does not count.
const TELL_PAUSE: Duration = Duration::from_secs(60);
/// So many messages follow our HELLO before the connection begins anew.
const MOST_SENT: u16 = 1000;

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Fixed<C> {
    pub(super) endpoint: Endpoint,
    /// The key of whoever is there, if this node has one itself.
    pub(in crate::engine) key: Option<PublicKey>,
    /// Where that was found to be, at the last attempt.
    pub(super) place: Option<Endpoint>,
    pub(super) state: State<C>,
    /// How many attempts in a row brought no session.
    failures: u32,
    /// How many of them were connections that brought no HELLO.
    unanswered: u32,
    /// How many sessions in a row were short.
    short_sessions: u32,
    /// Why the last attempt failed; gone when a peer is there.
    error: Option<String>,
    /// The peer that was here last, and where it said that it is.
    last: Option<(PeerId, Endpoint)>,
    /// The peer that the other side said it is, and that did not answer what it was asked here.
    not_here: Option<PeerId>,
    told: Told,
    /// Whether the user has been told that this node itself is there.
    is_own_told: bool,
}

/// Which errors the user has been told.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Told {
    /// The last, unless a peer has entered since.
    last: Option<String>,
    has_any: bool,
    /// When one was last told that was not the first.
    at: Option<Instant>,
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) enum State<C> {
    /// Until its timer fires.
    #[default]
    Waiting,
    /// A connection is being made, or is in its handshake.
    Opening {
        link: LinkState<C>,
        patience: Patience,
    },
    /// We have said HELLO.
    Greeted(Greeted<C>),
    /// This peer is there, and the connection is among its own.
    Adopted {
        peer: PeerId,
        since: Instant,
        /// Whether only the other side says that it is this peer, which is connected elsewhere.
        is_only_said: bool,
    },
    /// It is this node itself that is there.
    Own,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Greeted<C> {
    pub(super) link: LinkState<C>,
    /// Who the other side said it is, if it did.
    pub(super) said_peer: Option<PeerId>,
    /// How many messages we have sent, with the HELLO.
    pub(super) sent: u16,
    /// How many PINGs were among them.
    pub(super) asked: usize,
    /// Until when a HELLO must have come.
    pub(super) patience: Patience,
}

impl<C> Fixed<C> {
    pub(super) fn new(endpoint: Endpoint, key: Option<PublicKey>) -> Self {
        Self {
            key,
            place: None,
            endpoint,
            state: State::Waiting,
            failures: 0,
            unanswered: 0,
            short_sessions: 0,
            error: None,
            last: None,
            not_here: None,
            told: Told::default(),
            is_own_told: false,
        }
    }

    pub(crate) fn link_mut(&mut self) -> Option<&mut LinkState<C>> {
        match &mut self.state {
            State::Opening { link, .. } => Some(link),
            State::Greeted(greeted) => Some(&mut greeted.link),
            State::Waiting | State::Adopted { .. } | State::Own => None,
        }
    }

    pub(super) fn link_id(&self) -> Option<LinkId> {
        match &self.state {
            State::Opening { link, .. } => Some(link.id),
            State::Greeted(greeted) => Some(greeted.link.id),
            State::Waiting | State::Adopted { .. } | State::Own => None,
        }
    }

    /// Whether it is to be tried when its timer fires. Who is there may have been a lie, or another
    /// may be there by now.
    pub(super) fn may_be_tried(&self) -> bool {
        match self.state {
            State::Waiting | State::Own => true,
            State::Adopted { is_only_said, .. } => is_only_said,
            State::Opening { .. } | State::Greeted(_) => false,
        }
    }

    /// It need not be this node itself any more that is there.
    pub(super) fn forget_own(&mut self) {
        if matches!(self.state, State::Own) {
            self.state = State::Waiting;
            self.is_own_told = false;
        }
    }

    /// This node itself is there, or the other side says so. Says whether that is news.
    pub(super) fn note_own(&mut self) -> bool {
        self.state = State::Own;
        !core::mem::replace(&mut self.is_own_told, true)
    }

    pub(super) fn greeted_mut(&mut self) -> Option<&mut Greeted<C>> {
        match &mut self.state {
            State::Greeted(greeted) => Some(greeted),
            _ => None,
        }
    }

    pub(super) fn adopted_by(&self) -> Option<PeerId> {
        match self.state {
            State::Adopted { peer, .. } => Some(peer),
            _ => None,
        }
    }

    /// The peer that is there, unless only the other side says so.
    pub(super) fn surely_adopted_by(&self) -> Option<PeerId> {
        match self.state {
            State::Adopted {
                peer,
                is_only_said: false,
                ..
            } => Some(peer),
            _ => None,
        }
    }

    /// Whether this is where the user's endpoint leads.
    pub(super) fn is_at(&self, place: &Endpoint) -> bool {
        let found = self.place.as_ref();
        self.endpoint.is_same_place(place) || found.is_some_and(|it| it.is_same_place(place))
    }

    /// Whether this peer was here last, and says that it is still where it was then.
    pub(super) fn was_adopted_by(&self, peer: PeerId, told: Option<&Endpoint>) -> bool {
        self.last
            .as_ref()
            .is_some_and(|(last, place)| *last == peer && Some(place) == told)
    }

    pub(super) fn last_peer(&self) -> Option<PeerId> {
        self.last.as_ref().map(|(peer, _)| *peer)
    }

    /// Who the other side of the connection says it is.
    pub(super) fn said_peer(&self) -> Option<PeerId> {
        match &self.state {
            State::Greeted(greeted) => greeted.said_peer,
            _ => None,
        }
    }

    /// The address that the connection goes to.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.place.as_ref().and_then(address_of)
    }

    /// Whether it awaits a HELLO, and that of this peer may be it.
    pub(super) fn may_be(&self, peer: PeerId) -> bool {
        let State::Greeted(greeted) = &self.state else {
            return false;
        };
        self.not_here != Some(peer) && greeted.said_peer.is_none_or(|said| said == peer)
    }

    /// How many PINGs have been sent to whoever is there; 0 if our HELLO has not.
    pub(super) fn asked(&self) -> usize {
        match &self.state {
            State::Greeted(greeted) => greeted.asked,
            _ => 0,
        }
    }

    /// The peer that the other side said it is has not answered over this connection.
    pub(super) fn note_not_here(&mut self, peer: PeerId) {
        self.not_here = Some(peer);
        self.last = None;
    }

    /// A peer is there. Gives the state before.
    pub(super) fn adopt(&mut self, peer: PeerId, told: Option<Endpoint>, now: Instant) -> State<C> {
        self.last = told.map(|told| (peer, told));
        let adopted = State::Adopted {
            peer,
            since: now,
            is_only_said: false,
        };
        core::mem::replace(&mut self.state, adopted)
    }

    /// That the peer is there is only what the other side says.
    pub(super) fn note_only_said(&mut self) {
        if let State::Adopted { is_only_said, .. } = &mut self.state {
            *is_only_said = true;
        }
    }

    /// A session has begun.
    pub(super) fn note_entered(&mut self) {
        (self.failures, self.unanswered) = (0, 0);
        (self.error, self.told.last) = (None, None);
        self.is_own_told = false;
    }

    /// The peer that was there is gone. Gives the pause before the next attempt.
    pub(super) fn release(&mut self, shortest: Duration, now: Instant) -> Duration {
        if let State::Adopted { since, .. } = core::mem::take(&mut self.state) {
            let is_short = now.since(since) < LASTING;
            self.short_sessions = match is_short {
                true => self.short_sessions.saturating_add(1),
                false => 0,
            };
        }
        let doublings = self.short_sessions.saturating_sub(1);
        doubled(shortest, doublings, LONGEST_AFTER_SESSION.max(shortest))
    }

    /// An attempt has brought nothing. Gives the pause before the next, and whether the user is to
    /// be told of the error.
    pub(super) fn fail(
        &mut self,
        error: &str,
        shortest: Duration,
        now: Instant,
    ) -> (Duration, bool) {
        let was_greeted = matches!(core::mem::take(&mut self.state), State::Greeted(_));
        if self.error.as_deref() != Some(error) {
            self.error = Some(error.into());
        }
        let is_news = self.told.note(error, now);
        let (count, longest) = match was_greeted {
            true => (&mut self.unanswered, LONGEST_UNANSWERED),
            false => (&mut self.failures, LONGEST),
        };
        let pause = doubled(shortest, *count, longest.max(shortest));
        *count = count.saturating_add(1);
        (pause, is_news)
    }

    /// How long to wait for a HELLO: longer each time that none came.
    pub(super) fn wait(&self, shortest: Duration) -> Duration {
        doubled(shortest, self.unanswered, LONGEST_WAIT.max(shortest))
    }

    /// What is to be seen of it.
    pub(super) fn shown(&self, node: &Node) -> FixedPeer {
        let state = match &self.state {
            State::Waiting => FixedState::Waiting,
            State::Opening { .. } => FixedState::Connecting,
            State::Adopted { peer, .. } if node.is_ready(*peer) => FixedState::Connected(*peer),
            State::Greeted(_) | State::Adopted { .. } => FixedState::Greeted,
            State::Own => FixedState::Own,
        };
        FixedPeer {
            endpoint: self.endpoint.clone(),
            state,
            error: self.error.clone(),
        }
    }
}

impl Told {
    /// Whether an error is to be told: another than the last, after a pause.
    fn note(&mut self, error: &str, now: Instant) -> bool {
        let is_early = self.at.is_some_and(|at| now.since(at) < TELL_PAUSE);
        if self.last.as_deref() == Some(error) || is_early {
            return false;
        }
        if core::mem::replace(&mut self.has_any, true) {
            self.at = Some(now);
        }
        self.last = Some(error.into());
        true
    }
}

impl<C> Greeted<C> {
    /// The number of the next message; `None` if there have been too many.
    pub(super) fn number_next(&mut self) -> Option<u16> {
        let next = self.sent + 1;
        (next <= MOST_SENT).then(|| {
            self.sent = next;
            next
        })
    }
}

fn doubled(shortest: Duration, doublings: u32, longest: Duration) -> Duration {
    let pause = shortest.saturating_mul(2_u32.saturating_pow(doublings));
    pause.min(longest)
}
