//! Messages whose arrival is confirmed.

use std::task::{Context, Poll};

use zre_core::{
    Error, Shouted,
    proto::{Content, GroupName, PeerId},
};

use super::{
    Hub, Stream,
    operations::{Place, Shout},
    state::State,
    waiters::Awaited,
};

/// What has become of a message for one member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// The member has it.
    Delivered,
    /// The member has gone before it confirmed it. It may have arrived all the same, unless the
    /// member, or its place in the group, was gone before there was room for it.
    Gone,
    /// The member had no room for it, so it was passed over and has not been sent it.
    Skipped,
}

impl<S: Stream> Hub<S> {
    /// Whispers when there is room, and waits until the peer confirms that it has the message.
    pub fn whisper_confirmed(&self, peer: PeerId, content: Content) -> ConfirmedWhisper<'_, S> {
        ConfirmedWhisper {
            place: Place::new(self),
            peer,
            stage: Stage::Waiting(content),
        }
    }

    /// Shouts, and waits until each member has confirmed that it has the message, or is gone.
    pub fn shout_confirmed(&self, group: GroupName, content: Content) -> ConfirmedShout<'_, S> {
        ConfirmedShout {
            place: Place::new(self),
            shout: Some(self.shout(group, content)),
            full: Vec::new(),
            open: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    /// Waits until a peer has confirmed all that has been sent to it so far.
    ///
    /// # Errors
    ///
    /// As [`Engine::confirm`](zre_core::Engine::confirm).
    pub fn flush(&self, peer: PeerId) -> Result<ConfirmedWhisper<'_, S>, Error> {
        let number = self.command(|engine, now| engine.confirm(peer, now))?;
        Ok(ConfirmedWhisper {
            place: Place::new(self),
            peer,
            stage: Stage::Sent(number),
        })
    }
}

/// A whisper whose arrival is waited for; see [`Hub::whisper_confirmed`].
#[derive(Debug)]
pub struct ConfirmedWhisper<'h, S: Stream> {
    place: Place<&'h Hub<S>, S>,
    peer: PeerId,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// There was no room yet.
    Waiting(Content),
    /// The answer with this number confirms it.
    Sent(u64),
}

impl<S: Stream> ConfirmedWhisper<'_, S> {
    /// The error for who gives up waiting.
    pub fn given_up(&self) -> Error {
        match self.stage {
            Stage::Waiting(_) => Error::Full(self.peer),
            Stage::Sent(_) => Error::Unconfirmed(self.peer),
        }
    }

    /// Whether the message is on its way, so that what is sent from now on comes behind it.
    pub fn is_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent(_))
    }

    /// Whispers if there is room now, and says whether it is confirmed.
    ///
    /// # Errors
    ///
    /// As [`Engine::whisper`](zre_core::Engine::whisper), but for [`Error::Full`]; and
    /// [`Error::Unconfirmed`].
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        self.place.hub.check_process()?;
        match self.outcome() {
            Some(outcome) => Poll::Ready(outcome),
            None => self.go_on(cx),
        }
    }

    /// What has become of the message, if that is known. To find out changes nothing, so nothing
    /// follows from it.
    fn outcome(&mut self) -> Option<Result<(), Error>> {
        let Stage::Sent(number) = self.stage else {
            return None;
        };
        let Place { hub, ticket } = &mut self.place;
        let mut state = hub.lock();
        let outcome = outcome(&state, self.peer, number)?;
        let forgotten = state.waiters.forget(ticket);
        // Its waker is the runtime's, so it is dropped when the lock is free again.
        drop(state);
        drop(forgotten);
        Some(outcome)
    }

    fn go_on(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let Self {
            place: Place { hub, ticket },
            peer,
            stage,
        } = self;
        let peer = *peer;
        hub.with_message(|state, now| {
            let content = match stage {
                Stage::Waiting(content) => content,
                Stage::Sent(number) => {
                    // It may have come since.
                    let outcome = outcome(state, peer, *number);
                    if outcome.is_none() {
                        state.wait_for_any(ticket, [Awaited::Answer(peer, *number)], cx, now);
                    }
                    return outcome.map_or(Poll::Pending, Poll::Ready);
                }
            };
            match state.whisper(peer, content, now) {
                Err(Error::Full(_)) => {
                    state.wait_for_any(ticket, [Awaited::Capacity(peer)], cx, now);
                    return Poll::Pending;
                }
                whispered => whispered?,
            }
            // Before anything else can happen to the session. Sending may have ended it.
            let confirmed = state.engine.confirm(peer, now);
            let number = confirmed.map_err(|_| Error::Unconfirmed(peer))?;
            *stage = Stage::Sent(number);
            state.wait_behind_message(ticket, [Awaited::Answer(peer, number)], cx, now);
            // Nothing sent is confirmed at once, and if the session has ended, this is woken.
            Poll::Pending
        })
    }
}

/// A shout whose arrival is waited for; see [`Hub::shout_confirmed`].
#[derive(Debug)]
pub struct ConfirmedShout<'h, S: Stream> {
    place: Place<&'h Hub<S>, S>,
    /// Gone when all members that have room have got it.
    shout: Option<Shout<'h, S>>,
    /// The members that had no room the last time.
    full: Vec<PeerId>,
    /// The members that have not confirmed it, and the numbers of the answers that do.
    open: Vec<(PeerId, u64)>,
    outcomes: Vec<(PeerId, Delivery)>,
}

impl<S: Stream> ConfirmedShout<'_, S> {
    /// Whether the message is on its way to each member that gets it.
    pub fn is_sent(&self) -> bool {
        self.shout.is_none()
    }

    /// Goes on; gives what has become of the message for each member, when that is known.
    ///
    /// # Errors
    ///
    /// As [`Engine::shout`](zre_core::Engine::shout).
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Vec<(PeerId, Delivery)>, Error>> {
        let is_new = self.shout.is_some();
        if let Some(shout) = &mut self.shout {
            let (open, outcomes, full) = (&mut self.open, &mut self.outcomes, &mut self.full);
            let shouted = shout.poll_noting(cx, |state, shouted, now| {
                for member in &shouted.sent_to {
                    match state.engine.confirm(*member, now) {
                        Ok(number) => open.push((*member, number)),
                        Err(_) => outcomes.push((*member, Delivery::Gone)),
                    }
                }
                let passed_over = shouted.passed_over.iter();
                outcomes.extend(passed_over.map(|member| (*member, Delivery::Skipped)));
                let waited_for = std::mem::replace(full, shouted.full.clone()).into_iter();
                let gone = waited_for.filter(|member| !is_named(shouted, *member));
                outcomes.extend(gone.map(|member| (member, Delivery::Gone)));
            });
            match shouted {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(reached) => reached?,
            };
            let skipped = shout.skipped().map(|member| (member, Delivery::Skipped));
            self.outcomes.extend(skipped);
            self.shout = None;
        }
        let Self {
            place: Place { hub, ticket },
            open,
            outcomes,
            ..
        } = self;
        hub.check_process()?;
        hub.with(|state, now| {
            open.retain(|(member, number)| {
                let outcome = is_confirmed(state, *member, *number);
                outcomes.extend(outcome.map(|outcome| (*member, outcome)));
                outcome.is_none()
            });
            if open.is_empty() {
                return Poll::Ready(Ok(std::mem::take(outcomes)));
            }
            let answers = open.iter();
            let answers = answers.map(|(member, number)| Awaited::Answer(*member, *number));
            match is_new {
                true => state.wait_behind_message(ticket, answers, cx, now),
                false => state.wait_for_any(ticket, answers, cx, now),
            }
            Poll::Pending
        })
    }
}

/// Whether anything has become of a shout for a member.
fn is_named(shouted: &Shouted, member: PeerId) -> bool {
    let all = [&shouted.sent_to, &shouted.passed_over, &shouted.full];
    all.into_iter().flatten().any(|named| *named == member)
}

/// The same of a whisper.
fn outcome<S: Stream>(state: &State<S>, peer: PeerId, number: u64) -> Option<Result<(), Error>> {
    match is_confirmed(state, peer, number)? {
        Delivery::Delivered => Some(Ok(())),
        Delivery::Gone | Delivery::Skipped => Some(Err(Error::Unconfirmed(peer))),
    }
}

/// What has become of messages that the answer with this number confirms; `None` while that is
/// open.
fn is_confirmed<S: Stream>(state: &State<S>, peer: PeerId, number: u64) -> Option<Delivery> {
    match state.engine.node().is_answered(peer, number) {
        Some(true) => Some(Delivery::Delivered),
        Some(false) => None,
        None => Some(Delivery::Gone),
    }
}
