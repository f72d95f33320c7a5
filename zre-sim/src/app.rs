//! What runs on a node: the program under test.

use std::{any::Any, time::Duration};

use zre_core::{
    Choice, Error, Event, IncomingRequest, Instant, Node, PeerInfo, RequestId, Trust,
    proto::{Content, Endpoint, GroupName, Headers, PeerId, ShortText, Text, curve::PublicKey},
};

use crate::{
    audit::Audit,
    machine::{Machine, with_engine},
    node_methods::node_methods,
};

/// A program over a node, driven by its events and its own timer.
///
/// The page `docs/SIMULATING.md` shows how the same logic runs here and on a real node. An event is
/// handed out at the moment at which it happens.
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

    /// A request of this program has its outcome: the answer, or why there is none. The default
    /// does nothing.
    fn handle_outcome(
        &mut self,
        id: RequestId,
        outcome: Result<Content, Error>,
        node: &mut Handle<'_>,
    ) {
        let _ = (id, outcome, node);
    }

    /// A peer asks something, and the node [serves requests](Handle::serve_requests). The default
    /// refuses.
    fn handle_request(&mut self, request: IncomingRequest, node: &mut Handle<'_>) {
        let _gone = node.refuse(&request);
    }

    /// When [`handle_timeout`](App::handle_timeout) is to be called, by the host's clock. `None`,
    /// the default, means never.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The time of [`poll_timeout`](App::poll_timeout) has come. Afterwards that method must give a
    /// later time, or none.
    fn handle_timeout(&mut self, node: &mut Handle<'_>) {
        let _ = node;
    }
}

/// Keeps all events, outcomes of requests and requests of peers for the script. It runs on each
/// node that has no program of its own.
#[derive(Debug, Default)]
pub struct Recorder {
    pub(crate) events: Vec<Event>,
    pub(crate) outcomes: Vec<(RequestId, Result<Content, Error>)>,
    pub(crate) requests: Vec<IncomingRequest>,
}

impl App for Recorder {
    fn handle_event(&mut self, event: Event, _: &mut Handle<'_>) {
        self.events.push(event);
    }

    fn handle_outcome(
        &mut self,
        id: RequestId,
        outcome: Result<Content, Error>,
        _: &mut Handle<'_>,
    ) {
        self.outcomes.push((id, outcome));
    }

    fn handle_request(&mut self, request: IncomingRequest, _: &mut Handle<'_>) {
        self.requests.push(request);
    }
}

/// A node, as a program on it uses it.
///
/// Its methods have the names and arguments of a real `Node`'s. They differ in one thing: no
/// virtual time passes inside a method, so none can wait. Each says what it does instead.
#[derive(Debug)]
pub struct Handle<'a> {
    pub(crate) machine: &'a mut Machine,
    pub(crate) audit: &'a mut Audit,
    pub(crate) now: Instant,
}

impl Handle<'_> {
    node_methods!();

    /// What the host's clock shows.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Whether the node has said goodbye and closed its connections.
    pub fn is_stopped(&self) -> bool {
        self.machine.is_stopped()
    }

    fn node(&self) -> &Node {
        self.machine.node()
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        act(self)
    }

    pub(crate) fn send_to(&mut self, peer: PeerId, content: Content) -> Result<(), Error> {
        // The audit counts only what the engine has taken. A clone shares the bytes.
        let sent = content.clone();
        with_engine!(self.machine, engine => engine.whisper(peer, content, self.now))?;
        self.audit.sent(self.id(), peer, &sent);
        Ok(())
    }

    /// Sends to one member after the other, so that the audit knows which of them get it.
    pub(crate) fn send_to_group(
        &mut self,
        group: &GroupName,
        content: &Content,
    ) -> Result<usize, Error> {
        let members: Vec<_> = self.node().peers_by_group(group).collect();
        let mut reached = 0;
        for peer in members {
            let shouted = with_engine!(self.machine, engine => {
                engine.shout_to(&[peer], group, content.clone(), self.now)
            })?;
            // A member that is full, or gone since, does not get it.
            if shouted.reached == 1 {
                self.audit.sent(self.id(), peer, content);
                reached += 1;
            }
            let slow_members = self.node().config().slow_members;
            if slow_members.skipped_after().is_some() {
                with_engine!(self.machine, engine => {
                    engine.skip(&shouted.full, group, self.now);
                });
            }
        }
        Ok(reached)
    }
}
