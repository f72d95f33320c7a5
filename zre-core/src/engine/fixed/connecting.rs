//! How connections to fixed endpoints are made, and tried again.

use core::{net::SocketAddr, time::Duration};

use zre_proto::{Body, Endpoint, GroupName, Message, RoutingId};

use super::{
    adoption::Place,
    entry::{Greeted, State},
};
use crate::{
    backlog::Patience,
    engine::{
        Engine, EnginePhase,
        context::{EngineTimer, Owner},
        link_state::LinkState,
        output::{OpenFor, Output},
        trust::NOT_TRUSTED,
    },
    link::{Connection, LinkEvent},
    notice::Notice,
};

/// After so long it is looked again who is at an endpoint that needs no connection, as the other
/// side says.
const LOOK_AGAIN: Duration = Duration::from_secs(120);

impl<C: Connection> Engine<C> {
    /// Tries all that wait, at the start and when there is a new network. What was this node's own
    /// place may be another's then.
    pub(in crate::engine) fn try_all_fixed(&mut self) {
        for number in 0..self.links.fixed.entries.len() {
            if let Some(entry) = self.links.fixed.get_mut(number) {
                entry.forget_own();
            }
            self.try_fixed(number);
        }
    }

    /// Other keys are trusted from now on: whoever is not any more is told nothing more, also where
    /// it is not known yet who is there.
    pub(in crate::engine) fn renew_fixed_trust(&mut self) {
        for number in 0..self.links.fixed.entries.len() {
            let entry = self.links.fixed.get_mut(number);
            // That of a peer has been closed with the peer.
            let connected = entry.filter(|entry| entry.link_id().is_some());
            let key = connected.and_then(|entry| entry.key);
            if key.is_some_and(|key| !self.node.trusts(&key)) {
                self.fixed_failed(number, NOT_TRUSTED);
            }
        }
        self.try_all_fixed();
    }

    /// The pause is over.
    pub(in crate::engine) fn try_fixed(&mut self, number: usize) {
        // Without a network there is nothing to tell the other side. It is tried when one comes.
        if self.phase != EnginePhase::Running || self.node.networks().next().is_none() {
            return;
        }
        let Some(entry) = self.links.fixed.get_mut(number) else {
            return;
        };
        if !entry.may_be_tried() {
            return;
        }
        // A name is looked up anew each time.
        entry.place = entry
            .endpoint
            .to_socket_addr()
            .map(|_| entry.endpoint.canonical());
        let (endpoint, place, key) = (entry.endpoint.clone(), entry.place.clone(), entry.key);
        if place.is_some_and(|place| !self.may_connect(number, &place)) || self.is_connected(number)
        {
            return;
        }
        if key.is_some_and(|key| !self.node.trusts(&key)) {
            return self.fixed_failed(number, NOT_TRUSTED);
        }
        let Some(security) = self.cx.client_security(key) else {
            return;
        };
        let config = self.node.config();
        let patience = Patience::until(self.cx.now + config.handshake_timeout, self.node.backlog());
        let link = self.cx.add_link(Owner::Fixed(number), patience.deadline());
        self.cx.deadlines.clear(EngineTimer::Fixed(number));
        let (own, limits) = (self.node.id().into(), config.limits);
        let connection = C::connecting(own, &limits, security);
        self.cx.outputs.push(Output::Open {
            link,
            endpoint,
            key,
            purpose: OpenFor::User,
        });
        if let Some(entry) = self.links.fixed.get_mut(number) {
            let link = LinkState::new(link, connection, self.cx.now);
            entry.state = State::Opening { link, patience };
        }
    }

    /// The endpoint has been looked up, and the connection is about to be made.
    pub(super) fn fixed_resolved(&mut self, number: usize, remote: SocketAddr) -> bool {
        let Some(place) = Endpoint::from_socket_addr(remote) else {
            self.fixed_failed(number, "it is not the address of one host");
            return false;
        };
        if let Some(entry) = self.links.fixed.get_mut(number) {
            entry.place = Some(place.canonical());
        }
        self.may_connect(number, &place)
    }

    /// Whether nobody is at a place to whom there is a connection already. If somebody is, the
    /// entry's own connection is closed.
    fn may_connect(&mut self, number: usize, place: &Endpoint) -> bool {
        match self.whose(place) {
            Place::Own => self.note_own(number),
            Place::Peer(peer) => self.note_connected(number, peer),
            // Two endpoints stand for one place. This one waits until it is known whose it is.
            Place::Fixed(other) if other != number => {
                self.close_fixed(number);
                self.wait_again(number);
            }
            Place::Free | Place::Fixed(_) => return true,
        }
        false
    }

    /// The system has made the connection.
    pub(in crate::engine) fn fixed_connected(&mut self, number: usize) {
        let link = self
            .links
            .fixed
            .get_mut(number)
            .and_then(|it| it.link_mut());
        if link.is_some_and(|link| link.connection.handle_connected()) {
            self.fixed_opened(number, None);
        }
        self.tell_fixed_writable(number);
    }

    /// Takes what came over a connection; no messages do. `false` if there is nothing.
    pub(in crate::engine) fn receive_fixed(&mut self, number: usize) -> bool {
        let limits = self.node.config().limits.message();
        let entry = self.links.fixed.get_mut(number);
        let Some(link) = entry.and_then(|entry| entry.link_mut()) else {
            return false;
        };
        match link.connection.receive(&limits) {
            Ok(None) => return false,
            Ok(Some(LinkEvent::Open { peer, .. })) => self.fixed_opened(number, peer),
            // Cannot happen: a link refuses messages where it only sends, and only one that accepts
            // refuses the other side.
            Ok(Some(LinkEvent::Message(_) | LinkEvent::Refused { .. })) => {}
            Err(fault) => {
                let error = alloc::format!("{fault}");
                self.fixed_failed(number, &error);
            }
        }
        true
    }

    /// The handshake is over: says HELLO, unless there is another connection to who is there.
    fn fixed_opened(&mut self, number: usize, said: Option<RoutingId>) {
        let said_peer = said.map(|said| said.peer());
        if said_peer == Some(self.node.id()) {
            return self.note_own(number);
        }
        match said_peer.filter(|peer| self.is_not_needed(*peer)) {
            Some(peer) => self.note_said(number, peer),
            None => self.greet(number, said_peer),
        }
    }

    fn greet(&mut self, number: usize, said_peer: Option<zre_proto::PeerId>) {
        let (config, now) = (self.node.config(), self.cx.now);
        let asked = self.links.fixed.unused_count();
        let Some(entry) = self.links.fixed.get_mut(number) else {
            return;
        };
        let State::Opening { mut link, .. } = core::mem::take(&mut entry.state) else {
            return;
        };
        let place = entry.place.as_ref().unwrap_or(&entry.endpoint);
        let hello = self.node.greeting(place);
        link.connection.send(&hello, &mut self.memory);
        let wait = entry.wait(config.expired_after.max(config.handshake_timeout));
        let patience = Patience::until(now + wait, self.node.backlog());
        let timer = EngineTimer::Handshake(link.id);
        self.cx.deadlines.set(timer, patience.deadline());
        entry.state = State::Greeted(Greeted {
            link,
            said_peer,
            sent: 1,
            asked,
            patience,
        });
        self.links.fixed.asked_at = Some(now);
        for _ in 0..asked {
            self.send_fixed(number, &Body::Ping);
        }
    }

    /// This node has joined or left a group, which is told to whoever has our HELLO.
    pub(in crate::engine) fn tell_fixed(&mut self, status_before: u8, group: &GroupName) {
        let status = self.node.own_status();
        if status == status_before {
            return;
        }
        let group = group.clone();
        let body = match self.node.own_groups().any(|own| *own == group) {
            true => Body::Join { group, status },
            false => Body::Leave { group, status },
        };
        for number in 0..self.links.fixed.entries.len() {
            self.send_fixed(number, &body);
        }
    }

    fn send_fixed(&mut self, number: usize, body: &Body) {
        let entry = self.links.fixed.get_mut(number);
        let Some(greeted) = entry.and_then(|entry| entry.greeted_mut()) else {
            return;
        };
        let Some(sequence) = greeted.number_next() else {
            return self.fixed_failed(number, "it takes our messages but says no HELLO");
        };
        let body = body.clone();
        let connection = &mut greeted.link.connection;
        connection.send(&Message { sequence, body }, &mut self.memory);
        self.tell_fixed_writable(number);
    }

    fn tell_fixed_writable(&mut self, number: usize) {
        let entry = self.links.fixed.get_mut(number);
        if let Some(link) = entry.and_then(|entry| entry.link_mut()) {
            link.tell_writable(&mut self.cx.outputs);
        }
    }

    /// The time for the handshake, or for a HELLO, may be over.
    pub(in crate::engine) fn fixed_timed_out(&mut self, number: usize) {
        let (cx, backlog) = (&mut self.cx, self.node.backlog());
        let Some(entry) = self.links.fixed.get_mut(number) else {
            return;
        };
        let (id, patience, error) = match &mut entry.state {
            State::Opening { link, patience } => (link.id, patience, "timed out"),
            State::Greeted(greeted) => {
                let error = "it takes our connection but says no HELLO: can it connect to this \
                             node, or is a firewall in the way?";
                (greeted.link.id, &mut greeted.patience, error)
            }
            State::Waiting | State::Adopted { .. } | State::Own => return,
        };
        if cx.is_handshake_over(id, patience, backlog) {
            self.fixed_failed(number, error);
        }
    }

    /// An attempt has brought nothing.
    pub(in crate::engine) fn fixed_failed(&mut self, number: usize, error: &str) {
        let shortest = self.node.config().reconnect_min;
        self.close_fixed_link(number);
        let Some(entry) = self.links.fixed.get_mut(number) else {
            return;
        };
        let (pause, is_news) = entry.fail(error, shortest, self.cx.now);
        if is_news {
            self.cx.notices.push(Notice::FixedPeer {
                endpoint: entry.endpoint.clone(),
                error: error.into(),
            });
        }
        let at = self.cx.now + self.cx.jitter(pause);
        self.cx.deadlines.set(EngineTimer::Fixed(number), at);
    }

    /// Closes the connection of an entry, if it has one.
    pub(super) fn close_fixed(&mut self, number: usize) {
        self.close_fixed_link(number);
        if let Some(entry) = self.links.fixed.get_mut(number) {
            entry.state = State::Waiting;
        }
    }

    fn close_fixed_link(&mut self, number: usize) {
        let entry = self.links.fixed.get_mut(number);
        if let Some(link) = entry.and_then(|entry| entry.link_id())
            // It is unknown already if it has ended by itself.
            && self.cx.owner(link).is_some()
        {
            self.cx.close_link(link);
        }
    }

    /// Tries again after the shortest pause.
    pub(super) fn wait_again(&mut self, number: usize) {
        let pause = self.node.config().reconnect_max;
        let at = self.cx.now + self.cx.jitter(pause);
        self.cx.deadlines.set(EngineTimer::Fixed(number), at);
    }

    /// Looks again later, as what the other side says may be a lie.
    pub(super) fn look_again(&mut self, number: usize) {
        let at = self.cx.now + self.cx.jitter(LOOK_AGAIN);
        self.cx.deadlines.set(EngineTimer::Fixed(number), at);
    }

    /// This node itself is at the endpoint, or the other side says so.
    fn note_own(&mut self, number: usize) {
        self.close_fixed(number);
        self.look_again(number);
        if let Some(entry) = self.links.fixed.get_mut(number)
            && entry.note_own()
        {
            let endpoint = entry.endpoint.clone();
            self.cx.notices.push(Notice::OwnFixedPeer { endpoint });
        }
    }

    /// Closes all connections, as the node stops.
    pub(in crate::engine) fn close_all_fixed(&mut self) {
        for number in 0..self.links.fixed.entries.len() {
            self.close_fixed(number);
        }
    }
}
