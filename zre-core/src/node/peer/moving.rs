//! Whether a peer is still where it is connected.
//!
//! A host in two networks is heard from both, so a beacon from another place means nothing by
//! itself. The peer *has moved* if all of this is true:
//!
//! * for one and a half beacon intervals no beacon has come from the place where it is connected,
//!   nor any message; for a peer that never sent beacons from there, this time begins when it has
//!   been asked in vain;
//! * beacons from another address go on meanwhile;
//! * it has been asked where it is connected (PING), and has not answered for a beacon interval.
//!
//! It is asked when it was heard where it is connected, and is heard at the other place alone. If a
//! HELLO comes in its name over a new connection, it is asked at once, and found out sooner, also
//! if it left before its first beacon there. Then the session ends, and the next begins where the
//! peer is heard.
//!
//! Anybody can send beacons in a peer's name. But while the peer is there, its own beacons or its
//! answer come, and nothing happens to it.

use core::{net::SocketAddr, time::Duration};

use zre_proto::{Endpoint, KeyedEndpoint};

use super::{
    Peer, PeerEffect, PeerKey, Session,
    liveness::evasive_after,
    places::{Place, heard_for, moved_after},
};
use crate::{
    config::Config,
    event::ExitReason,
    node::{
        context::{NodeContext, PING_INTERVAL},
        place::address_of,
    },
    time::Instant,
};

impl Peer {
    /// Where it has been heard otherwise within this time; the likeliest place.
    pub(in crate::node) fn heard_elsewhere(
        &self,
        time: Duration,
        context: &NodeContext,
    ) -> Option<&Place> {
        let is_meant = |place: &Place| context.now.since(place.at) < time;
        self.others.likeliest(is_meant, &context.networks)
    }

    /// It is connected elsewhere than it was to be. Gives where that was.
    pub(in crate::node) fn settle_at(&mut self, place: KeyedEndpoint) -> Endpoint {
        let mut places = self.places();
        let KeyedEndpoint { endpoint, key } = place;
        self.is_announced = places.take(&endpoint, key.as_ref()).is_some();
        self.others = places;
        if self.key.get() != key {
            self.key = PeerKey::said(key);
        }
        core::mem::replace(&mut self.endpoint, endpoint)
    }

    /// Where it is connected, or is to be, with its key.
    pub(in crate::node) fn place(&self) -> KeyedEndpoint {
        KeyedEndpoint {
            endpoint: self.endpoint.clone(),
            key: self.key.get(),
        }
    }

    /// Where it is heard, on a network that this node is on; rather where it is connected.
    pub(in crate::node) fn heard_at_now(&self, context: &NodeContext) -> Option<KeyedEndpoint> {
        let (time, networks) = (heard_for(&context.config), &context.networks);
        let is_heard = self.is_announced && context.now.since(self.heard_at) < time;
        if is_heard && networks.reach(&self.endpoint) {
            return Some(self.place());
        }
        let other = self.heard_elsewhere(time, context);
        let other = other.filter(|place| networks.reach(&place.endpoint));
        other.map(Place::keyed)
    }

    /// Notes a beacon from another place if nothing else follows from it, as mostly while the peer
    /// is heard where it is connected.
    pub(in crate::node) fn hears_again(
        &mut self,
        from: SocketAddr,
        config: &Config,
        now: Instant,
    ) -> bool {
        self.ready()
            .is_some_and(|ready| ready.liveness.is_unsuspected())
            && now.since(self.heard_at) < moved_after(config)
            && self.others.note_again(from, now)
    }

    /// A beacon has come from another place: asks the peer if it is not heard any more where it is
    /// connected.
    pub(super) fn doubt_connection(
        &mut self,
        source: SocketAddr,
        context: &mut NodeContext,
    ) -> PeerEffect {
        let silence = context.now.since(self.heard_at);
        let is_on_another_address = address_of(&self.endpoint) != Some(source.ip());
        if self.is_announced && is_on_another_address && silence >= moved_after(&context.config) {
            let _watched = self.suspect(ExitReason::ConnectionLost, context);
        }
        match self.suspicion() {
            // From now on it may be thought to have moved.
            Some(_) => PeerEffect::Watch,
            None => PeerEffect::Nothing,
        }
    }

    /// When it will have moved, if it is not heard before; `None` if it is not asked, or not heard
    /// elsewhere.
    pub(super) fn moves_at(&self, config: &Config) -> Option<Instant> {
        let suspicion = self.suspicion()?;
        if self.channel.awaits_endpoint {
            return None;
        }
        let mut others = self.others.iter();
        let is_heard_elsewhere = others.any(|place| self.tells_of_move(place, config));
        let asked_until = suspicion.asked.deadline();
        let at = match self.is_announced {
            true => asked_until.max(self.heard_at + moved_after(config)),
            // No beacon is missing, so it is silent only since it was asked.
            false => asked_until + moved_after(config),
        };
        is_heard_elsewhere.then_some(at)
    }

    /// Where it is, if it has moved.
    pub(in crate::node) fn has_moved(&mut self, context: &NodeContext) -> Option<KeyedEndpoint> {
        let config = &context.config;
        self.moves_at(config).filter(|at| *at <= context.now)?;
        let peer = self.id();
        let asked = &mut self.suspicion_mut()?.asked;
        // Its beacons and its answer may lie unread.
        if let Some(until) = context.unread_until() {
            asked.move_to(until);
            return None;
        }
        if !context.is_over(asked, peer) {
            return None;
        }
        let is_meant = |place: &Place| self.tells_of_move(place, config);
        let likeliest = self.others.likeliest(is_meant, &context.networks);
        likeliest.map(Place::keyed)
    }

    /// Whether beacons from a place mean that it has moved there, if it does not answer. One that
    /// was sent together with the last from where it is connected tells nothing. One from another
    /// port of the same address tells of a restart, for which a peer has more time.
    fn tells_of_move(&self, place: &Place, config: &Config) -> bool {
        place.at >= self.heard_at + moved_after(config) / 3
            && address_of(&place.endpoint) != address_of(&self.endpoint)
    }

    /// Whether it does not answer where it is connected, whether beacons came from there or not.
    /// Its silence alone does not tell: it may be us who slept. So it must have been asked.
    pub(super) fn is_lost_where_connected(&mut self, context: &NodeContext) -> bool {
        let heard_at = self.heard_at;
        let Session::Ready(ready) = &mut self.session else {
            return false;
        };
        let answer_due = evasive_after(&context.config) + PING_INTERVAL;
        // It may be given more time, as its connection moves.
        let suspicion = ready.liveness.suspicion();
        let has_time = suspicion.is_some_and(|it| it.asked.deadline() > context.now);
        !has_time
            && context.now.since(heard_at) >= answer_due
            && ready
                .liveness
                .owes_answer(self.channel.peer, heard_at, context)
    }
}
