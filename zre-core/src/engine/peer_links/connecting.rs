//! How the connection to a peer is made.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{net::IpAddr, time::Duration};

use zre_proto::{KeyedEndpoint, PeerId, curve::PublicKey};

use super::{LinksEffect, Outgoing, PeerLinks};
use crate::{
    backlog::Patience,
    engine::{
        attempts,
        context::{EngineContext, EngineTimer, Owner},
        link_state::LinkState,
        output::{OpenFor, Output},
    },
    event::ExitReason,
    link::Connection,
    node::Node,
    notice::Notice,
    time::Instant,
};

/// After so long without an answer a peer is tried elsewhere, if it is heard there.
pub(in crate::engine) const ELSEWHERE_AFTER: Duration = Duration::from_secs(2);
/// How often a peer is tried that has not entered, and never answered.
const TRIES: u32 = 3;
/// How long after the second the last of these attempts is made.
const LAST_TRY_AFTER: Duration = Duration::from_secs(1);

/// An attempt to connect.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Attempt {
    /// Where, and the key that the peer has to have there.
    pub(super) place: KeyedEndpoint,
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
    pub(super) fn first(
        place: KeyedEndpoint,
        patience: Patience,
        is_proven: bool,
        now: Instant,
    ) -> Self {
        Self {
            place,
            number: 1,
            first_at: now,
            patience,
            is_proven,
        }
    }

    /// What there is to tell when it has failed.
    pub(super) fn failure(&self, peer: PeerId, error: String) -> Notice {
        Notice::ConnectFailed {
            peer,
            endpoint: self.place.endpoint.clone(),
            attempt: self.number,
            error,
        }
    }

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

impl<C: Connection> PeerLinks<C> {
    /// Opens a connection to the peer, in place of an older one.
    ///
    /// `is_proven` says whether the peer has connected to us from the endpoint's address.
    pub(in crate::engine) fn open(
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
        let patience = Patience::until(cx.now, node.backlog());
        let attempt = Attempt::first(place, patience, is_proven, cx.now);
        self.connect(connection, Box::new(attempt), node, cx);
    }

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
    pub(in crate::engine) fn connected(
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
    pub(in crate::engine) fn is_to_elector(&self) -> bool {
        match &self.outgoing {
            Outgoing::Open(link) => link.connection.is_elector(),
            _ => false,
        }
    }

    /// The handshake is over: the peer's process is there. Gives where that is.
    pub(in crate::engine) fn opened(&mut self, cx: &mut EngineContext) -> Option<KeyedEndpoint> {
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

    pub(in crate::engine) fn handshake_timed_out(
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
    pub(super) fn attempt_failed(
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
            let notice = attempt.failure(self.peer, error.clone());
            cx.notices.push(notice);
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
    pub(in crate::engine) fn prove(
        &mut self,
        address: IpAddr,
        node: &Node,
        cx: &mut EngineContext,
    ) {
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
    pub(in crate::engine) fn next_place(&self, node: &Node) -> Option<KeyedEndpoint> {
        match &self.outgoing {
            Outgoing::Retrying { attempt, .. } => place_for_retry(self.peer, attempt.number, node),
            _ => None,
        }
    }

    /// The pause between two attempts to connect is over. A `greeting` comes in place of what
    /// waits.
    pub(in crate::engine) fn retry(
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

/// A connection to a peer that is to have this key. `None` if there must be none.
pub(in crate::engine) fn new_connection<C: Connection>(
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
