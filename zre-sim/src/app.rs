//! What runs on a node: the program under test.

use std::any::Any;

use zre_core::{
    Error, Event, Instant,
    proto::{Content, GroupName, PeerId},
};

use crate::{audit::Audit, machine::Machine};

/// A program over a node, driven by its events and its own timer.
///
/// Write an application's logic against this, and it runs in virtual time; the guide shows how the same logic runs on a
/// real node. A simulation hands out events in the same moment in which they happen.
///
/// ```
/// use zre_core::Event;
/// use zre_sim::{App, Handle};
///
/// /// Answers every whisper with what it said.
/// struct Echo;
///
/// impl App for Echo {
///     fn handle_event(&mut self, event: Event, node: &mut Handle<'_>) {
///         if let Event::Whisper { peer, content, .. } = event {
///             let _gone = node.whisper(peer, content);
///         }
///     }
/// }
/// ```
pub trait App: Any {
    /// The node has something to tell.
    fn handle_event(&mut self, event: Event, node: &mut Handle<'_>);

    /// When [`handle_timeout`](App::handle_timeout) has something to do, by the host's clock; never unless it says so.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Time has passed. Afterwards [`poll_timeout`](App::poll_timeout) must give a later time, or none.
    fn handle_timeout(&mut self, node: &mut Handle<'_>) {
        let _ = node;
    }
}

/// Keeps all events, for a script to look at; what runs on a node unless another program does.
#[derive(Debug, Default)]
pub struct Recorder {
    pub(crate) events: Vec<Event>,
}

impl App for Recorder {
    fn handle_event(&mut self, event: Event, _: &mut Handle<'_>) {
        self.events.push(event);
    }
}

/// A node, as a program on it uses it.
#[derive(Debug)]
pub struct Handle<'a> {
    pub(crate) machine: &'a mut Machine,
    pub(crate) audit: &'a mut Audit,
    pub(crate) now: Instant,
}

impl Handle<'_> {
    /// What the host's clock shows.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The identity of this node.
    pub fn id(&self) -> PeerId {
        self.machine.node().id()
    }

    /// The peers that have entered, in the order of their identities.
    pub fn peers(&self) -> Vec<PeerId> {
        self.machine.node().peers().collect()
    }

    /// The peers in a group, in the order of their identities.
    pub fn members(&self, group: &GroupName) -> Vec<PeerId> {
        self.machine.node().peers_by_group(group).collect()
    }

    /// The groups that this node is in, in the order of their names.
    pub fn own_groups(&self) -> Vec<GroupName> {
        self.machine.node().own_groups().cloned().collect()
    }

    /// Sends a message to one peer.
    ///
    /// # Errors
    ///
    /// As [`Engine::whisper`](zre_core::Engine::whisper).
    pub fn whisper(&mut self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        let content = content.into();
        self.machine.whisper(peer, content.clone(), self.now)?;
        self.audit.sent(self.machine.node().id(), peer, &content);
        Ok(())
    }

    /// Sends a message to the members of a group that have room for it, and says how many they are.
    ///
    /// # Errors
    ///
    /// As [`Engine::shout`](zre_core::Engine::shout).
    pub fn shout(
        &mut self,
        group: &GroupName,
        content: impl Into<Content>,
    ) -> Result<usize, Error> {
        let content = content.into();
        let mut reached = 0;
        for peer in self.members(group) {
            if self
                .machine
                .shout_to(peer, group, content.clone(), self.now)?
            {
                self.audit.sent(self.machine.node().id(), peer, &content);
                reached += 1;
            }
        }
        Ok(reached)
    }

    /// Joins a group; does nothing if the node is in it already.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn join(&mut self, group: &GroupName) -> Result<(), Error> {
        self.machine.join(group, self.now)
    }

    /// Leaves a group; does nothing if the node is not in it.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`].
    pub fn leave(&mut self, group: &GroupName) -> Result<(), Error> {
        self.machine.leave(group, self.now)
    }

    /// Asks a peer for an answer, and gives the question's number for [`is_answered`](Handle::is_answered).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] or [`Error::Stopped`].
    pub fn ping(&mut self, peer: PeerId) -> Result<u64, Error> {
        self.machine.ping(peer, self.now)
    }

    /// Whether a peer has answered, and so handled all that was sent to it before; `None` if it will not.
    pub fn is_answered(&self, peer: PeerId, number: u64) -> Option<bool> {
        self.machine.node().is_answered(peer, number)
    }

    /// Says goodbye, once peers have taken what was sent; the last event is [`Event::Stop`].
    pub fn stop(&mut self) {
        self.machine.stop(self.now);
    }
}
