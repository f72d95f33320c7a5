//! What an application can wait for, besides events.

use std::task::{Context, Poll};

use zre_core::{
    Error, Node,
    proto::{Content, GroupName, PeerId, ShortText, Text, TooLong},
};

use super::{
    Hub, Stream,
    application::only_named,
    state::{Phase, State},
    waiters::{Awaited, OperationId},
};

impl<S: Stream> Hub<S> {
    /// Whispers when there is room.
    pub fn whisper(&self, peer: PeerId, content: Content) -> Whisper<'_, S> {
        Whisper {
            place: Place::new(self),
            peer,
            content,
        }
    }

    /// Shouts to the members that have room, then to the others when they have.
    pub fn shout(&self, group: GroupName, content: Content) -> Shout<'_, S> {
        Shout {
            place: Place::new(self),
            group,
            content,
            waiting: None,
            reached: 0,
        }
    }

    /// Asks a peer for an answer, to be waited for.
    ///
    /// # Errors
    ///
    /// As [`Engine::ping`](zre_core::Engine::ping).
    pub fn ping(&self, peer: PeerId) -> Result<Ping<'_, S>, Error> {
        let number = self.with(|state, now| state.engine.ping(peer, now))?;
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
            PeerRef::Name(name) => Awaited::Name(short(name)?),
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
}

fn short(name: Text) -> Result<ShortText, TooLong> {
    ShortText::try_from(name).map_err(|error| error.named("peer name"))
}

/// A peer, by its identity or by its name.
///
/// It is made from a [`PeerId`] or from text. A name means a peer only while exactly one peer has
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerRef {
    /// The peer with this identity.
    Id(PeerId),
    /// The only peer with this name.
    Name(Text),
}

impl From<PeerId> for PeerRef {
    fn from(peer: PeerId) -> Self {
        Self::Id(peer)
    }
}

impl From<&str> for PeerRef {
    fn from(name: &str) -> Self {
        Self::Name(name.into())
    }
}

impl From<String> for PeerRef {
    fn from(name: String) -> Self {
        Self::Name(name.into())
    }
}

impl From<&String> for PeerRef {
    fn from(name: &String) -> Self {
        Self::Name(name.as_str().into())
    }
}

impl From<Text> for PeerRef {
    fn from(name: Text) -> Self {
        Self::Name(name)
    }
}

impl From<ShortText> for PeerRef {
    fn from(name: ShortText) -> Self {
        Self::Name(Text::clone(&name))
    }
}

impl From<&ShortText> for PeerRef {
    fn from(name: &ShortText) -> Self {
        Self::Name(Text::clone(name))
    }
}

/// An operation's place among those who wait. Dropped, it waits no longer.
#[derive(Debug)]
struct Place<'h, S: Stream> {
    hub: &'h Hub<S>,
    /// `None` as long as it has not had to wait.
    id: OperationId,
}

impl<'h, S: Stream> Place<'h, S> {
    fn new(hub: &'h Hub<S>) -> Self {
        Self { hub, id: None }
    }
}

impl<S: Stream> Drop for Place<'_, S> {
    fn drop(&mut self) {
        if self.id.is_some() {
            let forgotten = self.hub.lock().waiters.forget(self.id);
            // A waker is the runtime's, so it is dropped when the lock is free again.
            drop(forgotten);
        }
    }
}

/// A whisper under way; see [`Hub::whisper`].
#[derive(Debug)]
pub struct Whisper<'h, S: Stream> {
    place: Place<'h, S>,
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
            place: Place { hub, id },
            peer,
            content,
        } = self;
        hub.with_message(|state, now| match state.whisper(*peer, content, now) {
            Err(Error::Full(_)) => {
                state.wait(id, [Awaited::Capacity(*peer)], cx, now);
                Poll::Pending
            }
            whispered => Poll::Ready(whispered),
        })
    }
}

impl<S> State<S> {
    /// Whispers if there is room, which takes the content.
    pub(super) fn whisper(
        &mut self,
        peer: PeerId,
        content: &mut Content,
        now: zre_core::Instant,
    ) -> Result<(), Error> {
        self.engine.whisper_from(peer, content, now)?;
        self.counters.note_sent(1);
        Ok(())
    }
}

/// A shout under way; see [`Hub::shout`].
#[derive(Debug)]
pub struct Shout<'h, S: Stream> {
    place: Place<'h, S>,
    group: GroupName,
    content: Content,
    /// The members that had no room; `None` before the first attempt.
    waiting: Option<Vec<PeerId>>,
    reached: usize,
}

impl<S: Stream> Shout<'_, S> {
    /// The error that names a member that it has not reached.
    pub fn full(&self) -> Error {
        let member = self.waiting.iter().flatten().next();
        member.map_or(Error::Stopped, |member| Error::Full(*member))
    }

    /// Goes on; says how many members it reached when there is none left that has no room.
    ///
    /// # Errors
    ///
    /// As [`Engine::shout`](zre_core::Engine::shout).
    pub fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<usize, Error>> {
        let Self {
            place: Place { hub, id },
            group,
            content,
            waiting,
            reached,
        } = self;
        hub.with(|state, now| {
            let content = content.clone();
            let shouted = match waiting {
                None => state.engine.shout(group, content, now)?,
                Some(peers) => state.engine.shout_to(peers, group, content, now)?,
            };
            state.counters.note_sent(shouted.reached);
            *reached += shouted.reached;
            if shouted.full.is_empty() {
                return Poll::Ready(Ok(*reached));
            }
            let full = waiting.insert(shouted.full);
            state.wait(id, full.iter().copied().map(Awaited::Capacity), cx, now);
            Poll::Pending
        })
    }
}

/// A PING under way; see [`Hub::ping`].
#[derive(Debug)]
pub struct Ping<'h, S: Stream> {
    place: Place<'h, S>,
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
            place: Place { hub, id },
            peer,
            number,
        } = self;
        hub.with(
            |state, now| match state.engine.node().is_answered(*peer, *number) {
                _ if state.engine.is_stopped() => Poll::Ready(Err(Error::Stopped)),
                None => Poll::Ready(Err(Error::UnknownPeer(*peer))),
                Some(true) => Poll::Ready(Ok(())),
                Some(false) => {
                    state.wait(id, [Awaited::Answer(*peer, *number)], cx, now);
                    Poll::Pending
                }
            },
        )
    }
}

/// Waiting for a peer; see [`Hub::wait_for_peer`].
#[derive(Debug)]
pub struct PeerWait<'h, S: Stream> {
    place: Place<'h, S>,
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
    place: Place<'h, S>,
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

impl<S: Stream> Place<'_, S> {
    /// Waits until something is found among what the node knows.
    fn poll_until<T>(
        &mut self,
        awaited: &Awaited,
        find: impl FnOnce(&Node) -> Option<T>,
        cx: &Context<'_>,
    ) -> Poll<Result<T, Error>> {
        let Self { hub, id } = self;
        hub.with(|state, now| {
            if state.phase != Phase::Running {
                return Poll::Ready(Err(Error::Stopped));
            }
            match find(state.engine.node()) {
                Some(found) => Poll::Ready(Ok(found)),
                None => {
                    state.wait(id, [awaited.clone()], cx, now);
                    Poll::Pending
                }
            }
        })
    }
}
