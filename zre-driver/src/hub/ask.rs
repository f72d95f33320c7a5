//! Requests to peers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use zre_core::{
    Choice, Error, Instant, RequestId,
    proto::{Content, GroupName, PeerId},
};

use super::{
    Hub, Stream,
    operations::Place,
    state::State,
    waiters::{Awaited, Ticket},
};

/// The answer to a request that went to one member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Who was asked.
    pub peer: PeerId,
    /// The answer.
    pub content: Content,
}

/// Whom a request is for.
#[derive(Debug, Clone)]
pub enum Recipient {
    /// This peer.
    Peer(PeerId),
    /// One member of this group.
    Any(GroupName, Choice),
}

impl<S: Stream> Hub<S> {
    /// Asks a peer or a member of a group, and waits for the answer, no longer than this.
    pub fn request(
        self: &Arc<Self>,
        to: Recipient,
        content: Content,
        timeout: Option<Duration>,
    ) -> Ask<S> {
        Ask {
            place: Place::new(Arc::clone(self)),
            to,
            timeout,
            stage: Stage::Unsent(content, None),
        }
    }

    /// Asks all members of a group, and waits for each answer no longer than this.
    ///
    /// # Errors
    ///
    /// [`Error::NoMembers`], [`Error::MessageTooLarge`], [`Error::Stopped`], [`Error::Forked`].
    pub fn request_all(
        self: &Arc<Self>,
        group: GroupName,
        content: Content,
        timeout: Option<Duration>,
    ) -> Result<AskAll<S>, Error> {
        self.check_process()?;
        let mut all = AskAll {
            place: Place::new(Arc::clone(self)),
            content,
            unsent: Vec::new(),
            due: None,
            open: BTreeMap::new(),
            known: VecDeque::new(),
        };
        self.with_message(|state, now| {
            all.unsent = state.engine.node().peers_by_group(&group).collect();
            if state.is_stopping() {
                return Err(Error::Stopped);
            } else if all.unsent.is_empty() {
                return Err(Error::NoMembers(group));
            }
            all.due = timeout.map(|timeout| now + timeout);
            all.send(state, false, now)
        })?;
        Ok(all)
    }
}

/// A request under way; see [`Hub::request`].
#[derive(Debug)]
pub struct Ask<S: Stream> {
    place: Place<Arc<Hub<S>>, S>,
    to: Recipient,
    timeout: Option<Duration>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// There was no room yet. Since the first attempt it is known when the time is over.
    Unsent(Content, Option<Instant>),
    Sent(PeerId, RequestId),
    Done,
}

impl<S: Stream> Ask<S> {
    /// Whether the request is on its way, so that what is sent from now on comes behind it.
    pub fn is_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent(..))
    }

    /// Sends the request if there is room now, and says what its outcome is.
    ///
    /// # Errors
    ///
    /// As [`Engine::request_any`](zre_core::Engine::request_any), [`Error::Full`] if there is no
    /// room until the time is over; [`Error::Gone`], [`Error::Refused`], [`Error::TimedOut`].
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Answer, Error>> {
        let Self {
            place: Place { hub, ticket },
            to,
            timeout,
            stage,
        } = self;
        hub.check_process()?;
        let polled = hub.with_message(|state, now| {
            if let Stage::Unsent(content, due) = stage {
                let is_over = due.is_some_and(|at| at <= now);
                let due = first_due(due, *timeout, now);
                if is_over {
                    // It may have room now, and would answer for nothing.
                    return Poll::Ready(Err(to.full(state)));
                }
                match to.ask(state, content, due.map(|at| at.since(now)), now) {
                    Ok((peer, id)) => *stage = Stage::Sent(peer, id),
                    Err(Error::Full(_)) if due.is_none_or(|at| now < at) => {
                        to.wait_for_room(state, ticket, due, cx, now);
                        return Poll::Pending;
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            let Stage::Sent(peer, id) = *stage else {
                return Poll::Ready(Err(Error::Stopped));
            };
            match state.engine.take_outcome(id) {
                Some(outcome) => Poll::Ready(outcome.map(|content| Answer { peer, content })),
                None => {
                    state.wait_for_any(ticket, [Awaited::Outcome(id)], cx, now);
                    Poll::Pending
                }
            }
        });
        if polled.is_ready() {
            *stage = Stage::Done;
        }
        polled
    }
}

impl<S: Stream> Drop for Ask<S> {
    fn drop(&mut self) {
        if let Stage::Sent(_, id) = self.stage {
            let hub = &self.place.hub;
            hub.with(|state, _| state.engine.forget_request(id));
        }
    }
}

/// When the time is over, which begins with the first attempt.
fn first_due(
    due: &mut Option<Instant>,
    timeout: Option<Duration>,
    now: Instant,
) -> Option<Instant> {
    *due = due.or_else(|| timeout.map(|timeout| now + timeout));
    *due
}

impl Recipient {
    fn ask<S: Stream>(
        &self,
        state: &mut State<S>,
        content: &mut Content,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Result<(PeerId, RequestId), Error> {
        let engine = &mut state.engine;
        let asked = match self {
            Self::Peer(peer) => {
                let id = engine.request_from(*peer, content, timeout, now)?;
                (*peer, id)
            }
            Self::Any(group, choice) => {
                engine.request_any(group, content, *choice, timeout, now)?
            }
        };
        state.watch.note_sent(1);
        Ok(asked)
    }

    /// The error for who has waited for room in vain.
    fn full<S: Stream>(&self, state: &State<S>) -> Error {
        match self {
            Self::Peer(peer) => Error::Full(*peer),
            Self::Any(group, _) => {
                let member = state.engine.node().peers_by_group(group).next();
                member.map_or_else(|| Error::NoMembers(group.clone()), Error::Full)
            }
        }
    }

    /// Waits until any of them has room, or until the time is over.
    fn wait_for_room<S: Stream>(
        &self,
        state: &mut State<S>,
        ticket: &mut Ticket,
        due: Option<Instant>,
        cx: &Context<'_>,
        now: Instant,
    ) {
        let mut awaited: Vec<_> = due.map(Awaited::Moment).into_iter().collect();
        match self {
            Self::Peer(peer) => awaited.push(Awaited::Capacity(*peer)),
            Self::Any(group, _) => {
                let engine = &state.engine;
                let members = engine.node().peers_by_group(group);
                // The connection of another is lost. It makes no room, it leaves.
                let full = members.filter(|peer| engine.is_full(*peer));
                awaited.extend(full.map(Awaited::Capacity));
                // Or the members are others.
                awaited.push(Awaited::PeerChange);
            }
        }
        state.wait_for_any(ticket, awaited, cx, now);
    }
}

/// A request to all members of a group; see [`Hub::request_all`].
#[derive(Debug)]
pub struct AskAll<S: Stream> {
    place: Place<Arc<Hub<S>>, S>,
    content: Content,
    /// The members that had no room yet.
    unsent: Vec<PeerId>,
    due: Option<Instant>,
    open: BTreeMap<RequestId, PeerId>,
    known: VecDeque<(PeerId, Result<Content, Error>)>,
}

impl<S: Stream> AskAll<S> {
    /// Whether the request is on its way to each member that gets it.
    pub fn is_sent(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Waits for the next outcome; `None` when each member has one.
    pub fn poll_next(
        &mut self,
        cx: &Context<'_>,
    ) -> Poll<Option<(PeerId, Result<Content, Error>)>> {
        if let Some(known) = self.known.pop_front() {
            return Poll::Ready(Some(known));
        }
        let hub = Arc::clone(&self.place.hub);
        if let Err(error) = hub.check_process() {
            return Poll::Ready(self.give_up(&error));
        }
        hub.with_message(|state, now| {
            let is_over = self.due.is_some_and(|at| at <= now);
            if let Err(error) = self.send(state, is_over, now) {
                return Poll::Ready(self.give_up(&error));
            }
            self.take_outcomes(state);
            if let Some(known) = self.known.pop_front() {
                return Poll::Ready(Some(known));
            }
            if self.open.is_empty() && self.unsent.is_empty() {
                return Poll::Ready(None);
            }
            self.wait(state, cx, now);
            Poll::Pending
        })
    }

    /// Sends to the members that have room now. A member that is gone, and one that has no room
    /// until the time is over, have their outcome.
    fn send(&mut self, state: &mut State<S>, is_over: bool, now: Instant) -> Result<(), Error> {
        let timeout = self.due.map(|at| at.since(now));
        for peer in std::mem::take(&mut self.unsent) {
            if is_over {
                self.known.push_back((peer, Err(Error::Full(peer))));
                continue;
            }
            // Its frames are shared, not copied.
            let content = self.content.clone();
            match state.engine.request(peer, content, timeout, now) {
                Ok(id) => {
                    state.watch.note_sent(1);
                    self.open.insert(id, peer);
                }
                Err(Error::Full(_)) => self.unsent.push(peer),
                Err(error @ Error::UnknownPeer(_)) => self.known.push_back((peer, Err(error))),
                // It is the same for all of them.
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take_outcomes(&mut self, state: &mut State<S>) {
        let known = &mut self.known;
        self.open.retain(|id, peer| {
            let outcome = state.engine.take_outcome(*id);
            let is_open = outcome.is_none();
            known.extend(outcome.map(|outcome| (*peer, outcome)));
            is_open
        });
    }

    fn wait(&mut self, state: &mut State<S>, cx: &Context<'_>, now: Instant) {
        let outcomes = self.open.keys().map(|id| Awaited::Outcome(*id));
        let capacity = self.unsent.iter().map(|peer| Awaited::Capacity(*peer));
        let moment = self.due.filter(|_| !self.unsent.is_empty());
        let awaited = outcomes.chain(capacity).chain(moment.map(Awaited::Moment));
        let ticket = &mut self.place.ticket;
        state.wait_for_any(ticket, awaited, cx, now);
    }

    /// The node is over: so it is for one of those that have no outcome.
    fn give_up(&mut self, error: &Error) -> Option<(PeerId, Result<Content, Error>)> {
        let (open, unsent) = (std::mem::take(&mut self.open), &mut self.unsent);
        let peers = open.into_values().chain(unsent.drain(..));
        let outcomes = peers.map(|peer| (peer, Err(error.clone())));
        self.known.extend(outcomes);
        self.known.pop_front()
    }
}

impl<S: Stream> Drop for AskAll<S> {
    fn drop(&mut self) {
        if !self.open.is_empty() {
            let (hub, open) = (&self.place.hub, std::mem::take(&mut self.open));
            hub.with(|state, _| {
                for id in open.into_keys() {
                    state.engine.forget_request(id);
                }
            });
        }
    }
}
