//! The application's side of the hub: what needs no waiting.

use std::sync::Arc;

use tracing::trace;
use zre_core::{
    Engine, Error, Event, Instant, Node,
    proto::{Content, GroupName, PeerId},
};

use super::{Hub, Signal, Stream, state::State, waiters::Ticket};

impl<S: Stream> Hub<S> {
    /// Asks the node something. The hub is locked meanwhile, so nothing of the application's may
    /// run: convert arguments before.
    pub fn read<R>(&self, ask: impl FnOnce(&Node) -> R) -> R {
        ask(self.lock().engine.node())
    }

    /// Tells the engine a wish that is no message. As for [`read`](Hub::read), nothing of the
    /// application's may run meanwhile.
    ///
    /// # Errors
    ///
    /// Those of the wish, and [`Error::Forked`].
    pub fn command<T>(
        &self,
        wish: impl FnOnce(&mut Engine, Instant) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.check_process()?;
        self.with(|state, now| wish(&mut state.engine, now))
    }

    /// Whispers if there is room.
    ///
    /// # Errors
    ///
    /// As [`Engine::whisper`], and [`Error::Forked`].
    pub fn try_whisper(&self, peer: PeerId, mut content: Content) -> Result<(), Error> {
        self.check_process()?;
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
    /// [`Engine::shout`], and [`Error::Forked`].
    pub fn try_shout(&self, group: &GroupName, content: Content) -> Result<usize, Error> {
        self.check_process()?;
        self.with(|state, now| {
            if let Some(peer) = state.engine.full_member(group) {
                // Who asks again is to find what this thread deferred written.
                state.write_own(now);
                return Err(Error::Full(peer));
            }
            let reached = state.engine.shout(group, content, now)?.reached;
            state.watch.note_sent(reached);
            Ok(reached)
        })
    }

    /// Takes the next event if there is one.
    pub fn try_recv(&self) -> Option<Event> {
        self.take_event(&mut Ticket::default())
    }

    /// Takes the next event if there is one, for an operation that then waits no longer.
    pub(super) fn take_event(&self, ticket: &mut Ticket) -> Option<Event> {
        let mut state = self.lock();
        let was_congested = state.engine.is_congested();
        let event = state.next_event()?;
        let is_relieved = was_congested && !state.engine.is_congested();
        let forgotten = state.waiters.forget(ticket);
        drop(state);
        drop(forgotten);
        if is_relieved {
            // Reading goes on. Nothing else follows from taking an event.
            self.with(|_, _| {});
        }
        trace!(?event, "event");
        Some(event)
    }

    /// Raises a signal while events wait, for as long as somebody holds it.
    pub fn signal(&self, signal: &Arc<dyn Signal>) {
        let mut state = self.lock();
        // What waits already raises it no more.
        if state.engine.node().has_events() || state.is_finished() {
            signal.raise();
        }
        state.signals.add(signal);
    }

    /// Begins to stop. In a forked child it closes the sockets, and the node goes on in the parent.
    pub fn stop(&self) {
        if self.is_forked() {
            self.close_in_child();
        } else {
            self.with(State::stop);
        }
    }

    /// Whether the node is over and its sockets are closed.
    pub fn is_stopped(&self) -> bool {
        self.lock().is_finished()
    }
}

/// The peer with this name, if exactly one has it.
pub fn only_named(node: &Node, name: impl AsRef<[u8]>) -> Option<PeerId> {
    let mut named = node.peers_by_name(name);
    let first = named.next()?;
    named.next().is_none().then_some(first)
}
