//! The application's side of the hub.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tracing::trace;
use zre_core::{
    Error, Event, Node, PeerInfo,
    proto::{Content, GroupName, Headers, PeerId, ShortText, Text},
};

use super::{
    Hub, Stream,
    report::{Network, Stats},
    state::{Phase, Signal},
};

impl<S: Stream> Hub<S> {
    /// Joins a group.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn join(&self, group: &GroupName) -> Result<(), Error> {
        self.with(|state, now| state.engine.join(group, now))
    }

    /// Leaves a group.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn leave(&self, group: &GroupName) -> Result<(), Error> {
        self.with(|state, now| state.engine.leave(group, now))
    }

    /// Whispers if there is room.
    ///
    /// # Errors
    ///
    /// As [`Engine::whisper`](zre_core::Engine::whisper).
    pub fn try_whisper(&self, peer: PeerId, mut content: Content) -> Result<(), Error> {
        self.with_message(|state, now| {
            let whispered = state.whisper(peer, &mut content, now);
            if let Err(Error::Full(_)) = whispered {
                state.write_own(now);
            }
            whispered
        })
    }

    /// Shouts if there is room at every member, and says how many they are.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] if there is a member without room; then nobody gets it. As
    /// [`Engine::shout`](zre_core::Engine::shout).
    pub fn try_shout(&self, group: &GroupName, content: Content) -> Result<usize, Error> {
        self.with(|state, now| {
            if let Some(peer) = state.engine.full_member(group) {
                state.write_own(now);
                return Err(Error::Full(peer));
            }
            let reached = state.engine.shout(group, content, now)?.reached;
            state.counters.note_sent(reached);
            Ok(reached)
        })
    }

    /// Takes the next event; `None` behind [`Event::Stop`], or when nobody drives the node any
    /// more.
    pub fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<Event>> {
        if let Some(event) = self.try_recv() {
            return Poll::Ready(Some(event));
        }
        self.with(|state, now| match state.next_event() {
            Some(event) => Poll::Ready(Some(event)),
            None if state.is_finished() => Poll::Ready(None),
            None => {
                state.write_own(now);
                state.waiters.events.register(cx, &mut state.woken);
                Poll::Pending
            }
        })
    }

    /// Takes the next event if there is one.
    pub fn try_recv(&self) -> Option<Event> {
        let mut state = self.lock();
        let was_congested = state.engine.is_congested();
        let event = state.next_event();
        let is_relieved = was_congested && !state.engine.is_congested();
        drop(state);
        if is_relieved {
            // Reading goes on. Nothing else follows from taking an event.
            self.with(|_, _| {});
        }
        if let Some(event) = &event {
            trace!(?event, "event");
        }
        event
    }

    /// Raises a signal while events wait, for as long as somebody holds it.
    pub fn signal(&self, signal: &Arc<dyn Signal>) {
        self.lock().add_signal(signal);
    }

    /// The peers that have entered.
    pub fn peers(&self) -> Vec<PeerId> {
        self.lock().engine.node().peers().collect()
    }

    /// What is known of all peers that have entered.
    pub fn peer_infos(&self) -> Vec<PeerInfo> {
        self.lock().engine.node().peer_infos().collect()
    }

    /// What is known of a peer.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.lock().engine.node().peer(peer)
    }

    /// The only peer of this name.
    pub fn peer_by_name(&self, name: &[u8]) -> Option<PeerId> {
        only_named(self.lock().engine.node(), name)
    }

    /// The peers in a group.
    pub fn peers_by_group(&self, group: &GroupName) -> Vec<PeerId> {
        self.lock().engine.node().peers_by_group(group).collect()
    }

    /// The groups that this node is in.
    pub fn own_groups(&self) -> Vec<GroupName> {
        self.lock().engine.node().own_groups().cloned().collect()
    }

    /// The groups that peers are in.
    pub fn peer_groups(&self) -> Vec<GroupName> {
        self.lock().engine.node().peer_groups().cloned().collect()
    }

    /// The headers that peers see when they meet this node.
    pub fn headers(&self) -> Headers {
        self.lock().engine.node().headers().clone()
    }

    /// Sets a header for peers that are met from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn set_header(&self, name: ShortText, value: Text) -> Result<(), Error> {
        self.with(|state, now| state.engine.set_header(Text::clone(&name), value, now))
    }

    /// Removes a header for peers that are met from now on, and says whether there was one.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn remove_header(&self, name: &[u8]) -> Result<bool, Error> {
        self.with(|state, now| state.engine.remove_header(name, now))
    }

    /// The state of the network.
    pub fn network(&self) -> Network {
        let state = self.lock();
        Network {
            interface: self.interface.clone(),
            endpoint: self.endpoint.clone(),
            broadcast: self.broadcast,
            beacons_sent: state.beacons.sent,
            beacon_error: state.beacons.error.clone(),
        }
    }

    /// What the node has done so far, and what it holds.
    pub fn stats(&self) -> Stats {
        self.lock().stats()
    }

    /// Begins to stop.
    pub fn stop(&self) {
        self.with(|state, now| {
            if state.phase == Phase::Running {
                state.phase = Phase::Stopping;
            }
            state.engine.stop(now);
            state.write_all(now);
        });
    }

    /// Whether the node is over and its sockets are closed.
    pub fn is_stopped(&self) -> bool {
        self.lock().is_finished()
    }

    /// Waits until the node has stopped and its sockets are closed.
    pub fn poll_stopped(&self, cx: &Context<'_>) -> Poll<()> {
        self.with(|state, _| {
            if state.is_finished() {
                return Poll::Ready(());
            }
            state.waiters.stopped.register(cx, &mut state.woken);
            Poll::Pending
        })
    }
}

/// The peer with this name, if exactly one has it.
pub(super) fn only_named(node: &Node, name: impl AsRef<[u8]>) -> Option<PeerId> {
    let mut named = node.peers_by_name(name);
    let first = named.next()?;
    named.next().is_none().then_some(first)
}
