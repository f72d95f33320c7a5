//! The two connections of a peer: the one that we opened to it, and the one that it opened to us.

mod adopted;

use alloc::{
    boxed::Box,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{net::IpAddr, time::Duration};

use zre_proto::{Body, KeyedEndpoint, Message, PeerId, curve::PublicKey};

use super::{
    attempts,
    backpressure::{PendingPing, Progress, SendCapacity, Standing, Unrefusable, is_refusable},
    context::{EngineContext, EngineTimer, Owner},
    link_state::LinkState,
    output::{LinkId, OpenFor, Output},
};
use crate::{
    backlog::{Backlog, Patience},
    error::Fault,
    event::ExitReason,
    link::Connection,
    node::Node,
    notice::Notice,
    time::Instant,
};

/// How long the connection from a peer may be idle after the connection to it broke.
const LOST_GRACE: Duration = Duration::from_millis(500);
/// How long it may go on at most after that: what is sent to the peer meanwhile is refused, and a
/// program that sent something before is to hear of the end.
const LOST_AT_MOST: Duration = Duration::from_millis(500);
/// How much later than the end of the connections a goodbye beacon, or the HELLO of a new session,
/// may come.
const BEACON_GRACE: Duration = Duration::from_millis(100);

/// How often a peer is tried that has not entered, and never answered.
const TRIES: u32 = 3;
/// How long after the second the last of these attempts is made.
const LAST_TRY_AFTER: Duration = Duration::from_secs(1);
/// After so long without an answer a peer is tried elsewhere, if it is heard there.
pub(super) const ELSEWHERE_AFTER: Duration = Duration::from_secs(2);

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

/// An attempt to connect.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Attempt {
    /// Where, and the key that the peer has to have there.
    place: KeyedEndpoint,
    /// Counted from 1.
    number: u32,
    /// When the first attempt was made.
    first_at: Instant,
    /// When this attempt is given up.
    patience: Patience,
    /// Whether the peer is known to be at the endpoint's address, as it has connected from there.
    is_proven: bool,
}

impl Attempt {
    /// Whether no further attempt is made.
    ///
    /// Anybody can name any address. So one that never answered is tried three times, or once at
    /// each of its places if these are more, or we would multiply traffic for whoever wants to
    /// flood it. A peer that has entered is tried for as long as a handshake may take.
    fn is_last(&self, peer: PeerId, node: &Node, now: Instant) -> bool {
        let is_over = now.since(self.first_at) >= node.config().handshake_timeout;
        is_over || (self.number >= tries(peer, node) && !node.is_ready(peer))
    }

    /// The pause before the next attempt: it doubles with each, up to `reconnect_max`. The last of
    /// few attempts is not made at once.
    fn pause(&self, peer: PeerId, node: &Node) -> Duration {
        let config = node.config();
        if self.number + 1 == tries(peer, node) && !node.is_ready(peer) {
            return LAST_TRY_AFTER.min(config.reconnect_max);
        }
        let doubled = 2_u32.saturating_pow(self.number.saturating_sub(1));
        let pause = config.reconnect_min.saturating_mul(doubled);
        pause.min(config.reconnect_max)
    }
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

    /// Opens a connection to the peer, in place of an older one.
    ///
    /// `is_proven` says whether the peer has connected to us from the endpoint's address.
    pub(super) fn open(
        &mut self,
        place: KeyedEndpoint,
        is_proven: bool,
        node: &Node,
        cx: &mut EngineContext,
    ) {
        // Both connections have ended, so the peer is about to be removed. A new connection would
        // keep it.
        if self.is_lost() && self.incoming.is_none() {
            return;
        }
        self.begin_anew(cx);
        let Some(connection) = new_connection(place.key, node, cx) else {
            return;
        };
        let attempt = Attempt {
            place,
            number: 1,
            first_at: cx.now,
            patience: Patience::until(cx.now, node.backlog()),
            is_proven,
        };
        self.connect(connection, Box::new(attempt), node, cx);
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

/// How the connection to the peer is made.
impl<C: Connection> PeerLinks<C> {
    fn connect(
        &mut self,
        connection: C,
        mut attempt: Box<Attempt>,
        node: &Node,
        cx: &mut EngineContext,
    ) {
        // Whoever connects from an address can hardly make us flood another by naming it. So floods
        // of beacons keep no peer waiting that says HELLO itself.
        let may_begin = attempt.is_proven
            || ((!node.is_sought_for_gossip(self.peer)
                || cx
                    .attempts
                    .may_begin_gossiped(&attempt.place.endpoint, cx.now))
                && cx.attempts.begin(&attempt.place.endpoint, cx.now));
        if !may_begin {
            let at = cx.now + cx.jitter(attempts::PAUSE);
            cx.deadlines.set(EngineTimer::Reconnect(self.peer), at);
            // It was no attempt.
            attempt.number -= 1;
            self.outgoing = Outgoing::Retrying {
                failed: connection,
                attempt,
            };
            return;
        }
        let give_up_at = cx.now + node.config().handshake_timeout;
        attempt.patience = Patience::until(give_up_at, node.backlog());
        let link = cx.add_link(Owner::Outgoing(self.peer), give_up_at);
        let elsewhere_at = give_up_at.min(cx.now + ELSEWHERE_AFTER);
        let timer = EngineTimer::Handshake(link);
        cx.deadlines.set_earlier(timer, elsewhere_at);
        let KeyedEndpoint { endpoint, key } = attempt.place.clone();
        cx.outputs.push(Output::Open {
            link,
            endpoint,
            key,
            purpose: OpenFor::Peer,
        });
        let link = LinkState::new(link, connection, cx.now);
        self.outgoing = Outgoing::Opening { link, attempt };
    }

    /// The system has made the connection to the peer. Gives where it is, if the handshake is over.
    pub(super) fn connected(
        &mut self,
        node: &Node,
        cx: &mut EngineContext,
    ) -> Option<KeyedEndpoint> {
        let link = self.outgoing_mut();
        let is_open = link.is_some_and(|link| link.connection.handle_connected());
        let place = is_open.then(|| self.opened(cx)).flatten();
        self.tell_writable(node, cx);
        place
    }

    /// Whether what the peer is sent goes to a node that takes part in elections.
    pub(super) fn is_to_elector(&self) -> bool {
        match &self.outgoing {
            Outgoing::Open(link) => link.connection.is_elector(),
            _ => false,
        }
    }

    /// The handshake is over: the peer's process is there. Gives where that is.
    pub(super) fn opened(&mut self, cx: &mut EngineContext) -> Option<KeyedEndpoint> {
        let mut place = None;
        // From now on a failure is a lost connection and no failed attempt: what was written may
        // have arrived, so it cannot be sent again over another.
        self.outgoing = match core::mem::take(&mut self.outgoing) {
            Outgoing::Opening { link, attempt } => {
                if !attempt.is_proven {
                    cx.attempts.answered(&attempt.place.endpoint);
                }
                cx.deadlines.clear(EngineTimer::Handshake(link.id));
                place = Some(attempt.place);
                Outgoing::Open(link)
            }
            other => other,
        };
        place
    }

    pub(super) fn handshake_timed_out(
        &mut self,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        let Outgoing::Opening { link, attempt } = &mut self.outgoing else {
            return LinksEffect::Nothing;
        };
        let id = link.id;
        let is_early = cx.now < attempt.patience.deadline();
        if is_early && (node.is_congested() || node.endpoints(self.peer).nth(1).is_none()) {
            let timer = EngineTimer::Handshake(id);
            cx.deadlines.set(timer, attempt.patience.deadline());
            return LinksEffect::Nothing;
        }
        // READY may have come and lie unread.
        if !is_early && !cx.is_handshake_over(id, &mut attempt.patience, node.backlog()) {
            return LinksEffect::Nothing;
        }
        let effect = self.attempt_failed("timed out", node, cx);
        cx.outputs.push(Output::Close(id));
        effect
    }

    /// The attempt to connect that is under way has failed. Tries again after a pause, for as long
    /// as a handshake may take; a peer that cannot be reached for that long is gone.
    fn attempt_failed(
        &mut self,
        error: impl Into<String>,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        let Outgoing::Opening { mut link, attempt } = core::mem::take(&mut self.outgoing) else {
            return LinksEffect::Nothing;
        };
        let error = error.into();
        if !node.is_sought_again(self.peer) {
            cx.notices.push(Notice::ConnectFailed {
                peer: self.peer,
                endpoint: attempt.place.endpoint.clone(),
                attempt: attempt.number,
                error: error.clone(),
            });
        }
        link.uncount(&mut cx.unfinished);
        cx.remove_link(link.id);
        if attempt.is_last(self.peer, node, cx.now) {
            if node.has_said_hello(self.peer) {
                cx.notices.push(Notice::Unreachable {
                    peer: self.peer,
                    endpoint: attempt.place.endpoint,
                    error,
                });
            }
            return LinksEffect::Unreachable;
        }
        let at = cx.now + cx.jitter(attempt.pause(self.peer, node));
        cx.deadlines.set(EngineTimer::Reconnect(self.peer), at);
        self.outgoing = Outgoing::Retrying {
            failed: link.connection,
            attempt,
        };
        LinksEffect::AttemptFailed
    }

    /// The peer has said HELLO from this address. If an attempt to connect to it there waits
    /// because too many others are without an answer, it need not.
    pub(super) fn prove(&mut self, address: IpAddr, node: &Node, cx: &mut EngineContext) {
        let Outgoing::Retrying { attempt, .. } = &mut self.outgoing else {
            return;
        };
        let place = attempt.place.endpoint.canonical().to_socket_addr();
        if attempt.number == 0 && place.is_some_and(|place| place.ip() == address) {
            attempt.is_proven = true;
            cx.deadlines.clear(EngineTimer::Reconnect(self.peer));
            // It is a first attempt, so it cannot be the last.
            let _nothing = self.retry(None, node, cx);
        }
    }

    /// Where the next attempt to connect will be made.
    pub(super) fn next_place(&self, node: &Node) -> Option<KeyedEndpoint> {
        match &self.outgoing {
            Outgoing::Retrying { attempt, .. } => place_for_retry(self.peer, attempt.number, node),
            _ => None,
        }
    }

    /// The pause between two attempts to connect is over. A `greeting` comes in place of what
    /// waits.
    pub(super) fn retry(
        &mut self,
        greeting: Option<C>,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        let (failed, mut attempt) = match core::mem::take(&mut self.outgoing) {
            Outgoing::Retrying { failed, attempt } => (failed, attempt),
            // The node has asked for another connection meanwhile.
            other => {
                self.outgoing = other;
                return LinksEffect::Nothing;
            }
        };
        // Asked anew: its beacons may come from elsewhere by now, or it is not known any more.
        let Some(place) = place_for_retry(self.peer, attempt.number, node) else {
            return LinksEffect::Remove(ExitReason::ConnectionLost);
        };
        let connection = greeting.or_else(|| {
            let mut connection: C = new_connection(place.key, node, cx)?;
            connection.take_unsent(failed);
            Some(connection)
        });
        let Some(connection) = connection else {
            return LinksEffect::Remove(ExitReason::ConnectionLost);
        };
        attempt.is_proven &= attempt.place.endpoint.is_same_place(&place.endpoint);
        attempt.place = place;
        attempt.number += 1;
        self.connect(connection, attempt, node, cx);
        LinksEffect::Nothing
    }
}

/// How connections end.
impl<C: Connection> PeerLinks<C> {
    /// The system says that the connection to the peer cannot be made, or has ended.
    pub(super) fn outgoing_ended(
        &mut self,
        error: &str,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        match &mut self.outgoing {
            Outgoing::Opening { .. } => self.attempt_failed(error, node, cx),
            Outgoing::Open(link) => {
                link.uncount(&mut cx.unfinished);
                cx.remove_link(link.id);
                if !node.is_ready(self.peer) {
                    self.outgoing = Outgoing::Unopened;
                    return LinksEffect::Refused;
                }
                // While the peer's own connection goes on, what it sent may still come there.
                let grace = match self.incoming {
                    Some(_) => LOST_GRACE,
                    None => BEACON_GRACE,
                };
                self.lose(grace, node.backlog(), cx);
                LinksEffect::Nothing
            }
            Outgoing::Unopened | Outgoing::Retrying { .. } | Outgoing::Lost { .. } => {
                LinksEffect::Nothing
            }
        }
    }

    /// The connection from the peer has ended, and another may be its.
    pub(super) fn drop_incoming(&mut self, cx: &mut EngineContext) {
        if let Some(mut incoming) = self.incoming.take() {
            incoming.uncount(&mut cx.unfinished);
            cx.remove_link(incoming.id);
        }
    }

    /// The connection from the peer has ended. No more messages can come, so the session is over
    /// and the connection to the peer is closed, too.
    pub(super) fn incoming_ended(&mut self, node: &Node, cx: &mut EngineContext) -> LinksEffect {
        self.drop_incoming(cx);
        cx.deadlines.clear(EngineTimer::Reconnect(self.peer));
        self.close_outgoing(cx);
        self.lose(BEACON_GRACE, node.backlog(), cx);
        match node.is_leaving(self.peer) {
            // Its goodbye is here already, so there is nothing to wait for.
            true => LinksEffect::Disconnected,
            false => LinksEffect::Nothing,
        }
    }

    /// What came over the connection to the peer breaks the protocol.
    pub(super) fn outgoing_broken(
        &mut self,
        fault: Fault,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        if let Outgoing::Opening { link, .. } = &self.outgoing {
            let id = link.id;
            let effect = self.attempt_failed(fault.to_string(), node, cx);
            cx.outputs.push(Output::Close(id));
            return effect;
        }
        self.close_outgoing(cx);
        match node.is_ready(self.peer) {
            // For a pending peer a fault would only be noted, and it would wait without a
            // connection until its time is over.
            true => LinksEffect::Fault(fault),
            false => LinksEffect::Remove(ExitReason::ConnectionLost),
        }
    }

    /// The handshake is over, and shows that somebody else is there.
    pub(super) fn refuse_opened(
        &mut self,
        error: &str,
        node: &Node,
        cx: &mut EngineContext,
    ) -> LinksEffect {
        let Outgoing::Opening { link, .. } = &self.outgoing else {
            return LinksEffect::Nothing;
        };
        let id = link.id;
        let effect = self.attempt_failed(error, node, cx);
        cx.outputs.push(Output::Close(id));
        effect
    }

    /// What came over the connection from the peer breaks the protocol.
    pub(super) fn incoming_broken(&mut self, fault: Fault, cx: &mut EngineContext) -> LinksEffect {
        self.close_incoming(cx);
        LinksEffect::Fault(fault)
    }

    /// The connection to the peer broke some time ago. The peer may be gone, or only our connection
    /// to it. What it sent before still comes over its own connection. So the peer is removed when
    /// that ends, or when nothing more comes over it.
    pub(super) fn check_lost(&mut self, node: &Node, cx: &mut EngineContext) -> LinksEffect {
        let Outgoing::Lost { since, patience } = &mut self.outgoing else {
            return LinksEffect::Nothing;
        };
        let (now, since) = (cx.now, *since);
        let Some(incoming) = &self.incoming else {
            return LinksEffect::Disconnected;
        };
        let is_idle = now.since(incoming.read_at) >= LOST_GRACE;
        // A peer that sends on and on cannot be kept for ever, as it cannot be sent to.
        let may_be_over = is_idle || now.since(since) >= LOST_AT_MOST;
        if patience.is_over(now, LOST_GRACE, Some(self.peer), node.backlog()) {
            if may_be_over {
                return LinksEffect::Disconnected;
            }
            *patience = Patience::until(now + LOST_GRACE, node.backlog());
        }
        cx.deadlines
            .set(EngineTimer::Lost(self.peer), patience.deadline());
        LinksEffect::Nothing
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.outgoing, Outgoing::Lost { .. })
    }

    fn lose(&mut self, grace: Duration, backlog: &Backlog, cx: &mut EngineContext) {
        let patience = Patience::until(cx.now + grace, backlog);
        cx.deadlines
            .set(EngineTimer::Lost(self.peer), patience.deadline());
        let since = cx.now;
        self.outgoing = Outgoing::Lost { since, patience };
    }

    fn close_outgoing(&mut self, cx: &mut EngineContext) {
        if let Outgoing::Opening { link, .. } | Outgoing::Open(link) =
            core::mem::take(&mut self.outgoing)
        {
            link.close(cx);
        }
    }

    /// Closes the connection that the peer opened to us, if there is one.
    pub(super) fn close_incoming(&mut self, cx: &mut EngineContext) {
        if let Some(incoming) = self.incoming.take() {
            incoming.close(cx);
        }
    }

    fn clear_timers(&self, cx: &mut EngineContext) {
        cx.deadlines.clear(EngineTimer::Reconnect(self.peer));
        cx.deadlines.clear(EngineTimer::Lost(self.peer));
    }

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

/// A connection to a peer that is to have this key. `None` if there must be none.
pub(super) fn new_connection<C: Connection>(
    key: Option<PublicKey>,
    node: &Node,
    cx: &mut EngineContext,
) -> Option<C> {
    let security = cx.client_security(key)?;
    Some(C::connecting(
        node.id().into(),
        &node.config().limits,
        security,
    ))
}

/// How often a peer is tried that has not entered.
fn tries(peer: PeerId, node: &Node) -> u32 {
    if node.is_sought_again(peer) {
        return 1;
    }
    let places = node.endpoints(peer).count();
    u32::try_from(places).unwrap_or(TRIES).max(TRIES)
}

/// The place for the next attempt. The peer may have moved, or the endpoint in its HELLO may not
/// be reachable from here, so attempts take turns among all that are known.
fn place_for_retry(peer: PeerId, attempts_before: u32, node: &Node) -> Option<KeyedEndpoint> {
    let places: Vec<_> = node.places(peer).collect();
    let turn = usize::try_from(attempts_before).unwrap_or_default();
    let turn = turn.checked_rem(places.len())?;
    places.get(turn).cloned()
}
