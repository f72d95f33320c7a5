//! What follows from a HELLO: whose session it begins, and where its sender is sought.

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};

use zre_proto::{Endpoint, Hello, Host, KeyedEndpoint, Message, PeerId, curve::PublicKey};

use super::{
    Node,
    context::PING_INTERVAL,
    networks::Networks,
    output::{Expectation, HelloOrigin, Verdict},
    peer::{Earlier, HelloMeaning, HelloReply, Peer, check_hello_sequence},
    place::{address_of, at_source},
    told,
};
use crate::{error::Fault, event::ExitReason, notice::Notice, security::Security, time::Instant};

impl Node {
    /// A HELLO has come over a connection that carries no session, and waits there: makes ready for
    /// the session, so that the peer can enter when both connections are there.
    ///
    /// If the peer has entered, its session ends, so ask it first whether it is still there.
    pub fn expect_hello(
        &mut self,
        peer: PeerId,
        sequence: u16,
        hello: &Hello,
        origin: HelloOrigin,
        now: Instant,
    ) -> Expectation {
        self.context.advance(now);
        if !self.running || self.has_said_goodbye {
            return Expectation::Ignored;
        }
        let key = match self.check_hello_key(peer, hello, origin) {
            Ok(key) => key,
            Err(fault) => {
                // It is not the peer's: that is not to suffer from it.
                let told = fault.clone();
                self.context
                    .notices
                    .push(Notice::Refused { peer, fault: told });
                return Expectation::Refused(fault);
            }
        };
        if let Err(fault) = check_hello_sequence(sequence) {
            let _violation = self.take_violation(peer, fault.clone());
            return Expectation::Refused(fault);
        }
        if let Some(what) = self.context.names_ourselves(peer, hello) {
            self.context.notices.push(Notice::OwnHello { peer, what });
            return Expectation::Ignored;
        }
        if let Err(fault) = self.check_told(peer, hello) {
            let _violation = self.take_violation(peer, fault.clone());
            return Expectation::Refused(fault);
        }
        let place = place_of(&hello.endpoint, origin.source, &self.context.networks);
        if self.context.networks.is_own(&place) {
            let what = "endpoint";
            self.context.notices.push(Notice::OwnHello { peer, what });
            return Expectation::Ignored;
        }
        let known = self.peers.get(&peer);
        match known.map(|known| known.judge_hello(hello, origin.came_at)) {
            Some(HelloMeaning::Reply) => return Expectation::Deliver,
            Some(HelloMeaning::First) => self.seek(peer, &place, key, origin),
            Some(HelloMeaning::NewSession(reason)) => {
                let reason = match known.is_some_and(|known| known.comes_from_elsewhere(origin)) {
                    true if reason == ExitReason::Restarted => ExitReason::ConnectionLost,
                    _ => reason,
                };
                let reply = HelloReply::after_restart(&self.context);
                // Our own HELLO goes out on a new connection, with which the new session begins
                // for the peer.
                let (to, context) = (keyed(&place, key), &mut self.context);
                self.peers.move_to(&peer, to, reason, context);
                self.note_proved(peer, key);
                self.await_connection(peer, &place, Some(reply));
                return Expectation::Await;
            }
            // Anybody can name the place of a peer that is about to enter.
            None if self.peers.is_held(&place, peer)
                && origin
                    .source_address()
                    .is_some_and(|source| !is_at(&place, source)) =>
            {
                return Expectation::Ignored;
            }
            // Its HELLO has overtaken its beacon, or its beacons do not reach us.
            None if self.peers.make_room_for_hello(
                peer,
                origin.source_address().or_else(|| address_of(&place)),
                &mut self.context,
            ) =>
            {
                let (at, context) = (keyed(&place, key), &mut self.context);
                self.peers
                    .meet_at_hello(peer, at, Earlier::default(), context);
            }
            None => return Expectation::Ignored,
        }
        self.note_proved(peer, key);
        self.await_connection(peer, &place, None);
        if let (Some(known), Some(source)) = (self.peers.get_mut(&peer), origin.source_address()) {
            known.address = Some(source);
        }
        Expectation::Await
    }

    /// Until when a HELLO that comes from elsewhere than the place it names gives precedence to
    /// another peer that is being met there, or may be. Anybody can name a place.
    pub(super) fn other_comes_first_until(
        &self,
        peer: PeerId,
        hello: &Hello,
        origin: HelloOrigin,
    ) -> Option<Instant> {
        let place = place_of(&hello.endpoint, origin.source, &self.context.networks);
        let comes_from_there = is_at(&place, origin.source_address()?);
        let is_contested = self.peers.is_sought_by_another(&place, peer)
            || self.peers.get(&peer).is_some_and(Peer::is_contested);
        (is_contested && !comes_from_there).then(|| origin.came_at + PING_INTERVAL)
    }

    /// An attempt to connect to a peer has failed, and another will be made.
    pub fn handle_attempt_failed(&mut self, peer: PeerId, now: Instant) {
        self.context.advance(now);
        if let Some(known) = self.peers.get_mut(&peer) {
            known.note_failed_attempt();
        }
    }

    /// A connection to a peer that has not entered will be tried at another of its places: gives
    /// the HELLO to be said there, in place of all that waits for it. `None` if that is as good.
    pub(crate) fn greet_anew(&mut self, peer: PeerId, place: &Endpoint) -> Option<Message> {
        let context = &self.context;
        if context.networks.are_one() {
            return None;
        }
        let known = self
            .peers
            .get_mut(&peer)
            .filter(|known| !known.is_ready())?;
        known.channel.sequence.restart_sent();
        Some(Message {
            sequence: known.channel.sequence.number_next(),
            body: context.hello_for(place).into(),
        })
    }

    /// A connection to a peer has been made at one of its [`places`](Node::places), which need not
    /// be the first.
    pub fn handle_reached(&mut self, peer: PeerId, place: &KeyedEndpoint, now: Instant) {
        self.context.advance(now);
        self.peers.reached(&peer, place, &mut self.context);
        if let Some(key) = &place.key
            && self.context.strangers.take_refused(key)
        {
            self.apply(peer, |known, context| {
                known.await_hello_after_refusal(context)
            });
        }
    }

    /// The connection to a peer leads to a node that takes part in elections of leaders: its READY
    /// [says so](zre_proto::zmtp::Metadata::UNDERSTANDS). Whoever does not see READY need not call
    /// this; then this node sends the peer ELECT and LEADER only as [`Voters`](crate::Voters) says.
    pub fn handle_elector(&mut self, peer: PeerId, now: Instant) {
        self.context.advance(now);
        self.peers.note_elector(peer, &mut self.context);
    }

    /// No connection to a peer can be made any more. One that has not said HELLO stays known for
    /// [`expired_after`](crate::Config#structfield.expired_after), or its next beacon would make
    /// the caller try again.
    pub fn handle_unreachable(&mut self, peer: PeerId, now: Instant) {
        self.context.advance(now);
        self.apply(peer, Peer::give_up_connecting);
    }

    pub(super) fn take_hello(
        &mut self,
        peer: PeerId,
        sequence: u16,
        hello: Box<Hello>,
        came_at: Instant,
    ) -> Verdict {
        let origin = HelloOrigin {
            source: None,
            is_connected: true,
            came_at,
            key: None,
        };
        match self.expect_hello(peer, sequence, &hello, origin, self.context.now) {
            Expectation::Refused(fault) => return Verdict::Violation(fault),
            Expectation::Ignored => return Verdict::Ignored,
            Expectation::Deliver => {
                // In a session that begins anew, what it has said in elections is void.
                self.peers.forget_votes(peer, &mut self.context);
                if let Some((known, members)) = self.peers.with_members(&peer) {
                    let effect = known.take_reply(*hello, members, &mut self.context);
                    self.carry_out(peer, effect);
                }
                self.peers.joined_all(peer, &mut self.context);
            }
            // Our HELLO has gone out first, as the application may send as soon as the peer enters.
            Expectation::Await => self.peers.enter(&peer, *hello, &mut self.context),
        }
        Verdict::Accepted
    }

    fn await_connection(&mut self, peer: PeerId, told: &Endpoint, reply: Option<HelloReply>) {
        self.apply(peer, |known, context| {
            known.await_connection(told, reply, context)
        });
    }

    /// Whether there is room for what a HELLO tells of its peer.
    fn check_told(&self, peer: PeerId, hello: &Hello) -> Result<(), Fault> {
        let before = self.peers.get(&peer).and_then(Peer::ready);
        let before = before.map_or(0, |ready| ready.told);
        let context = &self.context;
        told::check_hello(hello, before, &context.told, &context.config.limits)
    }

    /// A peer that a beacon brought says HELLO. If it names another place, the beacon may have been
    /// forged. The HELLO's place is likely right if the HELLO came from there, or another beacon
    /// did. But a host in two networks is at both places, and would take a second HELLO for a new
    /// session: where we are connected already, the peer is asked.
    fn seek(
        &mut self,
        peer: PeerId,
        place: &Endpoint,
        key: Option<PublicKey>,
        origin: HelloOrigin,
    ) {
        let (source, is_connected) = (origin.source_address(), origin.is_connected);
        let is_shared = self.security().is_some_and(Security::is_shared);
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        if known.key.get() != key {
            // It was sought with a key that is not its own.
            let (to, context) = (keyed(place, key), &mut self.context);
            return self.peers.move_at_hello(&peer, to, context);
        }
        // It has proved to be whoever has the key of this place.
        let is_known = key.is_some() && !is_shared;
        if is_known && is_connected {
            return;
        }
        if known.is_where_it_came_from() {
            // Whoever says HELLO first keeps the identity, until it is known whether it is there.
            return;
        }
        let is_elsewhere = !known.endpoint.is_same_place(place);
        let is_proven =
            is_known || known.is_heard_at(place) || source.is_some_and(|ip| is_at(place, ip));
        let place = match is_elsewhere && is_proven {
            true if is_connected => return known.doubt_place(place.clone()),
            true => place.clone(),
            // Tried again, as it is there.
            false if known.is_unreachable() => known.endpoint.clone(),
            // A tuple may have led us to a stranger, and another that is true come too late.
            false if is_elsewhere && known.is_hearsay() => {
                return known.doubt_place(place.clone());
            }
            false => return,
        };
        let to = keyed(&place, key);
        self.peers.move_at_hello(&peer, to, &mut self.context);
    }

    /// A peer that is known has proved to have a key.
    fn note_proved(&mut self, peer: PeerId, key: Option<PublicKey>) {
        if let (Some(known), Some(key)) = (self.peers.get_mut(&peer), key) {
            known.prove_key(key);
        }
    }
}

fn keyed(place: &Endpoint, key: Option<PublicKey>) -> KeyedEndpoint {
    let endpoint = place.clone();
    KeyedEndpoint { endpoint, key }
}

/// Where to connect to a node that gives this endpoint as its own and was heard from `source`.
fn place_of(told: &Endpoint, source: Option<SocketAddr>, networks: &Networks) -> Endpoint {
    let Some(from) = source else {
        return told.clone();
    };
    let source = from.ip().to_canonical();
    let means_another_host = match address_of(told) {
        // On the sender's own host only: nobody else can mean it.
        Some(address) => address.is_loopback() && !source.is_loopback(),
        None => true,
    };
    match means_another_host {
        true => {
            let mut place = from;
            place.set_port(told.port().get());
            at_source(place)
        }
        false => with_scope_of(from, told, networks),
    }
}

/// A link-local address counts on one link, and its sender cannot know what we call that: it is the
/// link that the sender was heard on.
fn with_scope_of(source: SocketAddr, told: &Endpoint, networks: &Networks) -> Endpoint {
    let Host::V6 { address, .. } = told.host() else {
        return told.clone();
    };
    if !address.is_unicast_link_local() {
        return told.clone();
    }
    let scope = match source {
        SocketAddr::V6(source) if source.scope_id() != 0 => Some(source.scope_id()),
        _ => networks.link_of(source.ip()),
    };
    let Some(scope) = scope else {
        return told.clone();
    };
    let place = SocketAddrV6::new(*address, told.port().get(), 0, scope);
    Endpoint::from_socket_addr(place.into()).unwrap_or_else(|| told.clone())
}

fn is_at(endpoint: &Endpoint, address: IpAddr) -> bool {
    address_of(endpoint) == Some(address.to_canonical())
}
