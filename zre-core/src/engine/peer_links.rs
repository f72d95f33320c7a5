//! The two connections of a peer: the one that we opened to it, and the one that it opened to us.

mod adopted;
mod connecting;
mod ending;

use alloc::boxed::Box;
use core::time::Duration;

use zre_proto::{Body, Message, PeerId, curve::PublicKey};

use super::{
    backpressure::{PendingPing, Progress, SendCapacity, Standing, Unrefusable, is_refusable},
    context::{EngineContext, EngineTimer, Owner},
    link_state::LinkState,
    output::LinkId,
};
use crate::{
    backlog::Patience, error::Fault, event::ExitReason, link::Connection, node::Node, time::Instant,
};
use connecting::Attempt;
pub(super) use connecting::{ELSEWHERE_AFTER, new_connection};

/// The connections to and from one peer.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct PeerLinks<C> {
    peer: PeerId,
    outgoing: Outgoing<C>,
    incoming: Option<LinkState<C>>,
    progress: Progress,
    unrefusable: Unrefusable,
    /// The PING that a suspected peer has to answer.
    ping: Option<Box<PendingPing>>,
    /// Whether it is not known if it is to the peer that we are connected; see
    /// [`Node::is_in_doubt`].
    pub(super) is_in_doubt: bool,
}

/// The connection that we opened to a peer.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
enum Outgoing<C> {
    /// The node has not asked for it, or the peer is about to be removed.
    #[default]
    Unopened,
    /// It is being made, or is in its handshake; messages wait in it.
    Opening {
        link: LinkState<C>,
        attempt: Box<Attempt>,
    },
    Open(LinkState<C>),
    /// An attempt failed. The messages of the failed connection wait for the next.
    Retrying {
        failed: C,
        attempt: Box<Attempt>,
    },
    /// It was open and broke.
    Lost {
        since: Instant,
        patience: Patience,
    },
}

/// What is to follow for the peer from a rule about its connections.
#[derive(Debug)]
#[must_use]
pub(super) enum LinksEffect {
    Nothing,
    /// It is gone, for a reason that only connections show.
    Remove(ExitReason),
    /// An attempt to connect to it failed, and another will be made.
    AttemptFailed,
    /// It has closed our connection before it said HELLO.
    Refused,
    /// It has this key, and does not trust that of this node.
    RefusedKey(PublicKey),
    /// No connection to it can be made.
    Unreachable,
    /// Its connections are gone.
    Disconnected,
    /// It broke the protocol.
    Fault(Fault),
}

impl<C: Connection> PeerLinks<C> {
    pub(super) fn unopened(peer: PeerId) -> Self {
        Self {
            peer,
            outgoing: Outgoing::Unopened,
            incoming: None,
            progress: Progress::default(),
            unrefusable: Unrefusable::default(),
            ping: None,
            is_in_doubt: false,
        }
    }

    /// The node says HELLO anew, so what waited for the old session is dropped with it.
    fn begin_anew(&mut self, cx: &mut EngineContext) {
        self.close_outgoing(cx);
        self.clear_timers(cx);
        self.progress = Progress::default();
        self.ping = None;
        self.is_in_doubt = false;
    }

    /// The peer is gone.
    pub(super) fn close(mut self, cx: &mut EngineContext) {
        self.clear_timers(cx);
        self.close_outgoing(cx);
        self.close_incoming(cx);
    }

    /// An accepted connection turns out to carry the peer's session. An older one gives way
    /// (ROUTER_HANDOVER).
    pub(super) fn bind(&mut self, link: LinkState<C>, cx: &mut EngineContext) {
        cx.bind_link(link.id, self.peer);
        if let Some(old) = self.incoming.replace(link) {
            old.close(cx);
        }
    }

    /// Whether the peer's session is carried by a connection that came in later than this one.
    pub(super) fn is_overtaken(&self, link: LinkId) -> bool {
        self.incoming
            .as_ref()
            .is_some_and(|incoming| incoming.id > link)
    }

    /// Whether the connection that the peer opened to us stands.
    pub(super) fn has_incoming(&self) -> bool {
        self.incoming.is_some()
    }

    /// Whether the connection that we opened to the peer is there.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.outgoing, Outgoing::Open(_))
    }

    /// Whether we do not try to connect to the peer.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.outgoing, Outgoing::Unopened | Outgoing::Lost { .. })
    }

    /// The connection that the peer opened to us.
    pub(super) fn incoming_mut(&mut self) -> Option<&mut LinkState<C>> {
        self.incoming.as_mut()
    }

    /// The connection that we opened to the peer, open or not.
    pub(super) fn outgoing_mut(&mut self) -> Option<&mut LinkState<C>> {
        match &mut self.outgoing {
            Outgoing::Opening { link, .. } | Outgoing::Open(link) => Some(link),
            Outgoing::Unopened | Outgoing::Retrying { .. } | Outgoing::Lost { .. } => None,
        }
    }

    fn outgoing(&self) -> Option<&LinkState<C>> {
        match &self.outgoing {
            Outgoing::Opening { link, .. } | Outgoing::Open(link) => Some(link),
            Outgoing::Unopened | Outgoing::Retrying { .. } | Outgoing::Lost { .. } => None,
        }
    }
}

/// Sending.
impl<C: Connection> PeerLinks<C> {
    /// Queues a message.
    pub(super) fn send(
        &mut self,
        message: &Message,
        memory: &mut C::Memory,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        let queued = self.queued();
        let written = self.written();
        if !is_refusable(message) && self.unrefusable.overflows(written, queued, node.config()) {
            return LinksEffect::Remove(ExitReason::Overflow);
        }
        // Before the PING is queued itself, so that only what stands before it counts.
        if matches!(message.body, Body::Ping) {
            self.note_ping(node, cx.now);
        }
        match &mut self.outgoing {
            Outgoing::Opening { link, .. } | Outgoing::Open(link) => {
                link.connection.send(message, memory);
                self.tell_writable(node, cx);
            }
            Outgoing::Retrying { failed, .. } => failed.send(message, memory),
            // Nothing reaches a peer that is about to be removed.
            Outgoing::Unopened | Outgoing::Lost { .. } => {}
        }
        self.note_queued(queued, message, cx);
        LinksEffect::Nothing
    }

    /// A message has been queued behind so many bytes.
    fn note_queued(&mut self, before: usize, message: &Message, cx: &mut EngineContext) {
        let bytes = self.queued().saturating_sub(before);
        cx.outbound.note_queued(bytes);
        if !is_refusable(message) {
            self.unrefusable.note(bytes, self.written(), before);
        }
    }

    /// Since when the peer takes nothing, or now if it has taken something of late; `None` unless
    /// more than `share` waits for it that could not be refused.
    pub(super) fn idle_since(&self, share: usize, now: Instant) -> Option<Instant> {
        let written = self.written();
        let asks_too_much = self.unrefusable.waiting(written) > share;
        asks_too_much.then(|| self.progress.stuck_since(written).unwrap_or(now))
    }

    /// Whether the peer can be sent another message, if at most `limit` bytes may wait for it.
    pub(super) fn capacity(&self, limit: usize, node: &Node) -> SendCapacity {
        match &self.outgoing {
            Outgoing::Lost { .. } => SendCapacity::Lost,
            Outgoing::Unopened => capacity_unopened(self.peer, node),
            _ if self.is_in_doubt => SendCapacity::Full,
            _ => SendCapacity::of_queue(self.queued(), limit),
        }
    }

    /// How many bytes wait for the peer.
    pub(super) fn queued(&self) -> usize {
        match &self.outgoing {
            Outgoing::Opening { link, .. } | Outgoing::Open(link) => link.connection.queued(),
            Outgoing::Retrying { failed, .. } => failed.queued(),
            Outgoing::Unopened | Outgoing::Lost { .. } => 0,
        }
    }

    /// Whether stopping need not wait for the peer: it has taken everything, or never said HELLO.
    pub(super) fn is_drained(&self, node: &Node) -> bool {
        self.queued() == 0 || !node.is_ready(self.peer)
    }

    /// Asks that the connection to the peer is written if something waits in it, and begins to
    /// watch that this moves.
    pub(super) fn tell_writable(&mut self, node: &Node, cx: &mut EngineContext) {
        if let Some(link) = self.outgoing_mut() {
            link.tell_writable(&mut cx.outputs);
        }
        // While it is watched, its timer is set: nothing to do for each further message.
        if !self.progress.is_watched()
            && let Standing::CheckAt(at) = self.check_progress(node, cx.now)
        {
            cx.deadlines.set_earlier(EngineTimer::Progress, at);
        }
    }

    /// A peer that reads nothing while something waits for it is removed after `expired_after`.
    pub(super) fn check_progress(&mut self, node: &Node, now: Instant) -> Standing {
        // During a handshake messages wait without output; that has its own deadline.
        let connection = self.outgoing().map(|link| &link.connection);
        let written = connection.filter(|it| it.has_output()).map(C::written);
        self.progress.check(written, node.config(), now)
    }

    /// A PING is about to be queued. If a suspected peer must answer it, notes what waits before
    /// it.
    fn note_ping(&mut self, node: &Node, now: Instant) {
        let Some(number) = node.suspicion_ping(self.peer) else {
            return;
        };
        // Later PINGs, for its silence, do not move the offset of this one.
        if self
            .ping
            .as_ref()
            .is_none_or(|ping| ping.number() != number)
        {
            let ping = PendingPing::new(number, self.written(), self.queued(), now);
            self.ping = Some(Box::new(ping));
        }
    }

    /// Whether a suspected peer, which has not answered in time, cannot have answered yet.
    /// Its connections may stand still for `rest`.
    pub(super) fn deserves_more_time(&mut self, rest: Duration, node: &Node, now: Instant) -> bool {
        let (written, read_at) = (
            self.written(),
            self.incoming.as_ref().map(|incoming| incoming.read_at),
        );
        let ping = self.ping.as_mut();
        ping.is_some_and(|ping| ping.deserves_more_time(written, read_at, rest, node.config(), now))
    }

    /// How many bytes have been written on the connection to the peer.
    fn written(&self) -> u64 {
        self.outgoing().map_or(0, |link| link.connection.written())
    }
}

/// All that are there.
impl<C: Connection> PeerLinks<C> {
    /// Releases the memory of bursts.
    pub(super) fn release_memory(&mut self) {
        if let Some(outgoing) = self.outgoing_mut() {
            outgoing.connection.release_memory();
        }
        if let Some(incoming) = &mut self.incoming {
            incoming.connection.release_memory();
        }
    }

    /// The connections that are there.
    pub(super) fn links(&self) -> impl Iterator<Item = (&LinkState<C>, Owner)> {
        let outgoing = self.outgoing().into_iter();
        let outgoing = outgoing.map(|link| (link, Owner::Outgoing(self.peer)));
        let incoming = self.incoming.iter();
        let incoming = incoming.map(|link| (link, Owner::Incoming(self.peer)));
        outgoing.chain(incoming)
    }

    /// The connections that are there.
    pub(super) fn links_mut(&mut self) -> impl Iterator<Item = (&mut LinkState<C>, Owner)> {
        let peer = self.peer;
        let outgoing = match &mut self.outgoing {
            Outgoing::Opening { link, .. } | Outgoing::Open(link) => Some(link),
            Outgoing::Unopened | Outgoing::Retrying { .. } | Outgoing::Lost { .. } => None,
        };
        let outgoing = outgoing.map(|link| (link, Owner::Outgoing(peer)));
        let incoming = self.incoming.as_mut();
        let incoming = incoming.map(|link| (link, Owner::Incoming(peer)));
        outgoing.into_iter().chain(incoming)
    }
}

/// Whether a peer can be sent to for which the node has asked no connection. It may await an
/// endpoint that another peer has. If it is not known, the node will say so when it is sent to.
pub(super) fn capacity_unopened(peer: PeerId, node: &Node) -> SendCapacity {
    match node.awaits_endpoint(peer) && node.is_ready(peer) {
        true => SendCapacity::Full,
        false => SendCapacity::Available,
    }
}
