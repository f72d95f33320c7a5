//! What an application can wait for.

use std::{
    ops::Deref,
    sync::Arc,
    task::{Context, Poll},
};

use zre_core::{
    Error, Event, Instant, Node, Shouted,
    proto::{Content, GroupName, PeerId, ShortText},
};

use super::{
    Hub, PeerRef, Stream,
    application::only_named,
    state::State,
    waiters::{Awaited, Ticket},
};

/// Everything that waits is an object, which is polled until it is done. Dropped, it waits no
/// longer.
impl<S: Stream> Hub<S> {
    /// Takes the next event when there is one.
    pub fn recv(&self) -> Recv<&Self, S> {
        Recv(Place::new(self))
    }

    /// Whispers when there is room.
    pub fn whisper(&self, peer: PeerId, content: Content) -> Whisper<'_, S> {
        Whisper {
            place: Place::new(self),
            peer,
            content,
        }
    }

    /// Shouts to the members that have room, then to the others when they have, as long as
    /// [`Config::slow_members`](zre_core::Config#structfield.slow_members) says.
    pub fn shout(&self, group: GroupName, content: Content) -> Shout<'_, S> {
        Shout {
            place: Place::new(self),
            group,
            content,
            waiting: None,
            skips_at: None,
            reached: 0,
        }
    }

    /// Asks a peer for an answer, to be waited for.
    ///
    /// # Errors
    ///
    /// As [`Engine::ping`](zre_core::Engine::ping).
    pub fn ping(&self, peer: PeerId) -> Result<Ping<'_, S>, Error> {
        let number = self.command(|engine, now| engine.ping(peer, now))?;
        Ok(Ping {
            place: Place::new(self),
            peer,
            number,
        })
    }

    /// Waits until a peer has entered.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a name of more than 255 bytes, which no peer can have.
    pub fn wait_for_peer(&self, peer: PeerRef) -> Result<PeerWait<'_, S>, Error> {
        let place = Place::new(self);
        let awaited = match peer {
            PeerRef::Id(peer) => Awaited::Peer(peer),
            PeerRef::Name(name) => {
                let name = ShortText::try_from(name);
                Awaited::Name(name.map_err(|error| error.named("peer name"))?)
            }
        };
        Ok(PeerWait { place, awaited })
    }

    /// Waits until so many peers are in a group.
    pub fn wait_for_group(&self, group: GroupName, count: usize) -> GroupWait<'_, S> {
        GroupWait {
            place: Place::new(self),
            group,
            count,
        }
    }

    /// Waits until the node has stopped and its sockets are closed.
    pub fn stopped(&self) -> Stopped<'_, S> {
        Stopped(Place::new(self))
    }
}

/// An operation's place among those who wait.
#[derive(Debug)]
pub(super) struct Place<H: Deref<Target = Hub<S>>, S: Stream> {
    pub(super) hub: H,
    pub(super) ticket: Ticket,
}

impl<H: Deref<Target = Hub<S>>, S: Stream> Place<H, S> {
    pub(super) fn new(hub: H) -> Self {
        let ticket = Ticket::default();
        Self { hub, ticket }
    }
}

impl<H: Deref<Target = Hub<S>>, S: Stream> Drop for Place<H, S> {
    fn drop(&mut self) {
        // Who has not had to wait need not lock the hub for it.
        if self.ticket.is_waiting() {
            let forgotten = self.hub.lock().waiters.forget(&mut self.ticket);
            // Its waker is the runtime's, so it is dropped when the lock is free again.
            drop(forgotten);
        }
    }
}

/// Waiting for the next event; see [`Hub::recv`].
#[derive(Debug)]
pub struct Recv<H: Deref<Target = Hub<S>>, S: Stream>(Place<H, S>);

impl<S: Stream> Recv<Arc<Hub<S>>, S> {
    /// As [`Hub::recv`], without borrowing the hub.
    pub fn owned(hub: Arc<Hub<S>>) -> Self {
        Self(Place::new(hub))
    }
}

impl<H: Deref<Target = Hub<S>>, S: Stream> Recv<H, S> {
    /// Takes the next event; `None` behind [`Event::Stop`], or when nobody drives the node any
    /// more. It may be polled again for the one after it.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<Event>> {
        let Place { hub, ticket } = &mut self.0;
        if let Some(event) = hub.take_event(ticket) {
            return Poll::Ready(Some(event));
        }
        // Asked again, as one may have come since, and only what is under this lock is not missed.
        hub.with(|state, now| match state.next_event() {
            Some(event) => Poll::Ready(Some(event)),
            None if state.is_finished() => Poll::Ready(None),
            None => {
                // This thread may be the one that has written messages, and sends no more now.
                state.write_own(now);
                let State {
                    waiters, aftermath, ..
                } = state;
                waiters.wait_for_event(ticket, cx, aftermath);
                Poll::Pending
            }
        })
    }
}

/// Waiting for the end of the node; see [`Hub::stopped`].
#[derive(Debug)]
pub struct Stopped<'h, S: Stream>(Place<&'h Hub<S>, S>);

impl<S: Stream> Stopped<'_, S> {
    /// Waits until the node is over.
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Place { hub, ticket } = &mut self.0;
        hub.with(|state, _| {
            if state.is_finished() {
                return Poll::Ready(());
            }
            let State {
                waiters, aftermath, ..
            } = state;
            waiters.wait_for_end(ticket, cx, aftermath);
            Poll::Pending
        })
    }
}

/// A whisper under way; see [`Hub::whisper`].
#[derive(Debug)]
pub struct Whisper<'h, S: Stream> {
    place: Place<&'h Hub<S>, S>,
    peer: PeerId,
    content: Content,
}

impl<S: Stream> Whisper<'_, S> {
    /// The error for who gives up waiting.
    pub fn full(&self) -> Error {
        Error::Full(self.peer)
    }

    /// Whispers if there is room now, which takes the content.
    ///
    /// # Errors
    ///
    /// As [`Engine::whisper`](zre_core::Engine::whisper), but for [`Error::Full`].
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let Self {
            place: Place { hub, ticket },
            peer,
            content,
        } = self;
        hub.check_process()?;
        hub.with_message(|state, now| match state.whisper(*peer, content, now) {
            Err(Error::Full(_)) => {
                state.wait_for_any(ticket, [Awaited::Capacity(*peer)], cx, now);
                Poll::Pending
            }
            whispered => Poll::Ready(whispered),
        })
    }
}

/// A shout under way; see [`Hub::shout`].
#[derive(Debug)]
pub struct Shout<'h, S: Stream> {
    place: Place<&'h Hub<S>, S>,
    group: GroupName,
    content: Content,
    /// The members that had no room; `None` before the first attempt.
    waiting: Option<Vec<PeerId>>,
    /// When it passes over those that still have no room.
    skips_at: Option<Instant>,
    reached: usize,
}

impl<S: Stream> Shout<'_, S> {
    /// The error that names a member that it has not reached.
    pub fn full(&self) -> Error {
        let member = self.waiting.iter().flatten().next();
        member.map_or(Error::Stopped, |member| Error::Full(*member))
    }

    /// Goes on; says how many members it reached when there is none left that has no room, or when
    /// those have been waited for long enough.
    ///
    /// # Errors
    ///
    /// As [`Engine::shout`](zre_core::Engine::shout).
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<usize, Error>> {
        self.poll_with(cx, |_, _, _| {})
    }

    /// As [`poll`](Shout::poll), and hands on what each attempt did, under the same lock.
    pub(super) fn poll_noting(
        &mut self,
        cx: &Context<'_>,
        note: impl FnOnce(&mut State<S>, &Shouted, Instant),
    ) -> Poll<Result<usize, Error>> {
        self.poll_with(cx, note)
    }

    /// The members that it has waited for in vain.
    pub(super) fn skipped(&self) -> impl Iterator<Item = PeerId> {
        self.waiting.iter().flatten().copied()
    }

    fn poll_with(
        &mut self,
        cx: &Context<'_>,
        note: impl FnOnce(&mut State<S>, &Shouted, Instant),
    ) -> Poll<Result<usize, Error>> {
        let Self {
            place: Place { hub, ticket },
            group,
            content,
            waiting,
            skips_at,
            reached,
        } = self;
        hub.check_process()?;
        hub.with(|state, now| {
            // Its frames are shared, not copied.
            let content = content.clone();
            let shouted = match waiting {
                None => state.engine.shout(group, content, now)?,
                Some(peers) => state.engine.shout_to(peers, group, content, now)?,
            };
            state.watch.note_sent(shouted.reached);
            note(state, &shouted, now);
            *reached += shouted.reached;
            if shouted.full.is_empty() {
                *waiting = Some(Vec::new());
                return Poll::Ready(Ok(*reached));
            }
            let is_first = waiting.is_none();
            let full = waiting.insert(shouted.full);
            if is_first {
                *skips_at = skip_time(state.engine.node(), now);
            }
            if skips_at.is_some_and(|at| at <= now) {
                state.engine.skip(full, group, now);
                return Poll::Ready(Ok(*reached));
            }
            let capacity = full.iter().copied().map(Awaited::Capacity);
            let awaited = capacity.chain(skips_at.map(Awaited::Moment));
            state.wait_for_any(ticket, awaited, cx, now);
            Poll::Pending
        })
    }
}

/// When a shout that waits for members from now on passes them over.
fn skip_time(node: &Node, now: Instant) -> Option<Instant> {
    let after = node.config().slow_members.skipped_after()?;
    Some(now + after)
}

/// A PING under way; see [`Hub::ping`].
#[derive(Debug)]
pub struct Ping<'h, S: Stream> {
    place: Place<&'h Hub<S>, S>,
    peer: PeerId,
    number: u64,
}

impl<S: Stream> Ping<'_, S> {
    /// Waits until the answer has come.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] if the peer goes, or begins a new session, before it answers;
    /// [`Error::Stopped`].
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let Self {
            place: Place { hub, ticket },
            peer,
            number,
        } = self;
        hub.check_process()?;
        hub.with(
            |state, now| match state.engine.node().is_answered(*peer, *number) {
                _ if state.engine.is_stopped() => Poll::Ready(Err(Error::Stopped)),
                None => Poll::Ready(Err(Error::UnknownPeer(*peer))),
                Some(true) => Poll::Ready(Ok(())),
                Some(false) => {
                    state.wait_for_any(ticket, [Awaited::Answer(*peer, *number)], cx, now);
                    Poll::Pending
                }
            },
        )
    }
}

/// Waiting for a peer; see [`Hub::wait_for_peer`].
#[derive(Debug)]
pub struct PeerWait<'h, S: Stream> {
    place: Place<&'h Hub<S>, S>,
    awaited: Awaited,
}

impl<S: Stream> PeerWait<'_, S> {
    /// Waits until the peer is there, and says who it is.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<PeerId, Error>> {
        let awaited = &self.awaited;
        let find = |node: &Node| match awaited {
            Awaited::Peer(peer) => node.is_ready(*peer).then_some(*peer),
            Awaited::Name(name) => only_named(node, name),
            _ => None,
        };
        self.place.poll_until(awaited, find, cx)
    }
}

/// Waiting for members of a group; see [`Hub::wait_for_group`].
#[derive(Debug)]
pub struct GroupWait<'h, S: Stream> {
    place: Place<&'h Hub<S>, S>,
    group: GroupName,
    count: usize,
}

impl<S: Stream> GroupWait<'_, S> {
    /// Waits until they are there, and says who they are.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Vec<PeerId>, Error>> {
        let (group, count) = (&self.group, self.count);
        let find = |node: &Node| {
            let members: Vec<_> = node.peers_by_group(group).collect();
            (members.len() >= count).then_some(members)
        };
        let awaited = Awaited::Members(group.clone(), count);
        self.place.poll_until(&awaited, find, cx)
    }
}

impl<S: Stream> Place<&Hub<S>, S> {
    /// Waits until something is found among what the node knows.
    fn poll_until<T>(
        &mut self,
        awaited: &Awaited,
        find: impl FnOnce(&Node) -> Option<T>,
        cx: &Context<'_>,
    ) -> Poll<Result<T, Error>> {
        let Self { hub, ticket } = self;
        hub.check_process()?;
        hub.with(|state, now| {
            if state.is_stopping() {
                return Poll::Ready(Err(Error::Stopped));
            }
            match find(state.engine.node()) {
                Some(found) => Poll::Ready(Ok(found)),
                None => {
                    state.wait_for_any(ticket, [awaited.clone()], cx, now);
                    Poll::Pending
                }
            }
        })
    }
}
