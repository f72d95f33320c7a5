//! Whose connection it is that was opened to a fixed endpoint; see the [module](super).

use core::net::{IpAddr, SocketAddr};

use zre_proto::{Endpoint, KeyedEndpoint, PeerId};

use super::{
    entry::{Fixed, State},
    proof::Behind,
};
use crate::{
    engine::{
        Engine,
        context::{EngineContext, EngineTimer},
        peer_links::PeerLinks,
    },
    link::Connection,
    node::SentSoFar,
    security::Security,
};

/// Who is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nobody that we know of.
    Free,
    /// This node itself.
    Own,
    /// A peer to which we are connected, or about to be.
    Peer(PeerId),
    /// Whoever is at this fixed endpoint: there is a connection, and it is not known to whom.
    Fixed(usize),
}

/// Which fixed endpoint's connection is a peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fit {
    number: usize,
    /// Whether it need not be verified.
    is_sure: bool,
}

/// What speaks for a peer that is about to be connected.
struct Evidence<'a> {
    peer: PeerId,
    /// Where it says that it is, or was heard.
    place: &'a KeyedEndpoint,
    /// Whether the nodes of this network have each their own key.
    key_tells: bool,
    /// Whether a HELLO of it waits.
    is_claimed: bool,
    /// How many PINGs it has answered although it was not asked otherwise.
    answers: usize,
}

/// A peer is to be connected.
impl<C: Connection> Engine<C> {
    /// The node wants a connection to a peer. Gives it that to a fixed endpoint, if there is one
    /// and it is the peer's.
    pub(in crate::engine) fn adopt_fixed(&mut self, peer: PeerId, place: &KeyedEndpoint) -> bool {
        self.release_elsewhere(peer, &place.endpoint);
        let links = self.links.of_peer(peer);
        if links.is_some_and(PeerLinks::is_ending) {
            return false;
        }
        let found = self.find_fixed(peer, place);
        match found {
            Some(fit) => self.adopt(fit, peer, place),
            None => self.node.allow_late_answers(peer, self.late_answers()),
        }
        found.is_some()
    }

    /// The peer whose HELLO waits has answered what was asked at a fixed endpoint, while a
    /// connection to where it says that it is is being made.
    pub(super) fn adopt_answering(&mut self, peer: PeerId) {
        let is_waiting = |links: &PeerLinks<C>| links.is_sought() && !links.is_open();
        if self.node.is_ready(peer) || !self.links.of_peer(peer).is_some_and(is_waiting) {
            return;
        }
        let Some(place) = self.node.places(peer).next() else {
            return;
        };
        if let Some(fit) = self.find_fixed(peer, &place) {
            self.adopt(fit, peer, &place);
        }
    }

    /// A peer's endpoint has been found to stand for the place of a fixed endpoint. Says whether
    /// the connection to that is the peer's now.
    pub(super) fn adopt_found(&mut self, number: usize, peer: PeerId) -> bool {
        let place = self.node.places(peer).next();
        let (Some(place), Some(entry)) = (place, self.links.fixed.get_mut(number)) else {
            return false;
        };
        if entry.key != place.key {
            return false;
        }
        if entry.may_be(peer) && !self.node.is_ready(peer) {
            let is_sure = true;
            self.adopt(Fit { number, is_sure }, peer, &place);
            return true;
        }
        if entry.greeted_mut().is_none() {
            // Nothing has been said over it yet, so the peer's own is as good.
            self.note_connected(number, peer);
        }
        false
    }

    /// The fixed endpoint whose connection goes to a peer that is to be connected at `endpoint`.
    fn find_fixed(&self, peer: PeerId, place: &KeyedEndpoint) -> Option<Fit> {
        let entries = &self.links.fixed.entries;
        // Mostly there are none.
        if entries.is_empty() {
            return None;
        }
        let evidence = self.evidence(peer, place);
        let there = entries.iter().position(|entry| evidence.is_at(entry));
        let answered = || {
            entries
                .iter()
                .position(|entry| evidence.has_answered(entry))
        };
        if let Some(number) = there.or_else(answered) {
            let is_sure = true;
            return Some(Fit { number, is_sure });
        }
        let said = entries.iter().position(|entry| evidence.is_said(entry));
        if let Some(number) = said {
            // Whoever says so has proved it, in a node with a key.
            let is_sure = evidence.key_tells;
            return Some(Fit { number, is_sure });
        }
        let number = entries.iter().position(|entry| evidence.has_key(entry))?;
        let is_sure = false;
        Some(Fit { number, is_sure })
    }

    fn evidence<'a>(&self, peer: PeerId, place: &'a KeyedEndpoint) -> Evidence<'a> {
        let unclaimed = &self.links.unclaimed;
        let of_peer = unclaimed
            .claims()
            .filter(|(_, claimed, _)| *claimed == peer);
        let behind = of_peer.filter_map(|(link, _, _)| unclaimed.behind(link));
        Evidence {
            peer,
            place,
            key_tells: place.key.is_some()
                && !self.node.security().is_some_and(Security::is_shared),
            is_claimed: unclaimed.is_claimed(peer),
            answers: behind.map(Behind::answers).max().unwrap_or_default(),
        }
    }

    fn adopt(&mut self, fit: Fit, peer: PeerId, place: &KeyedEndpoint) {
        let Fit { number, is_sure } = fit;
        let (now, told) = (self.cx.now, place.endpoint.clone());
        let Some(entry) = self.links.fixed.get_mut(number) else {
            return;
        };
        let before = entry.adopt(peer, Some(told), now);
        self.cx.deadlines.clear(EngineTimer::Fixed(number));
        let links = self.links.add_peer(peer);
        match before {
            State::Opening { link, patience } => {
                links.adopt_unopened(link, place.clone(), patience, &mut self.cx);
            }
            State::Greeted(greeted) => {
                let timer = EngineTimer::Handshake(greeted.link.id);
                self.cx.deadlines.clear(timer);
                let sent = SentSoFar {
                    messages: greeted.sent,
                    pings: greeted.asked,
                };
                self.node.note_greeted(peer, sent);
                links.adopt_greeted(greeted.link, &self.node, &mut self.cx);
                self.note_elector(peer);
            }
            State::Waiting | State::Adopted { .. } | State::Own => {}
        }
        if !is_sure {
            self.node.doubt_place(peer, place.endpoint.clone());
        }
        self.links.unclaimed.note_change();
    }
}

/// A connection is there, and nothing has been said over it.
impl<C: Connection> Engine<C> {
    /// Whether the connection goes to a peer that is sought where its beacons come from, as the
    /// other side says. If it is not reached there, this is next. But one that has said HELLO is to
    /// answer here: it may not be reached there at all.
    pub(super) fn is_not_needed(&self, said_peer: PeerId) -> bool {
        let links = self.links.of_peer(said_peer);
        let is_claimed = self.links.unclaimed.is_claimed(said_peer);
        links.is_some_and(|links| links.is_open() || links.is_sought() && !is_claimed)
    }

    fn is_sought(&self, peer: PeerId) -> bool {
        self.links.of_peer(peer).is_some_and(PeerLinks::is_sought)
    }

    /// Whether the peer that was here last is connected, and says that it is where it was then.
    pub(super) fn is_connected(&mut self, number: usize) -> bool {
        let entry = self.links.fixed.entries.get(number);
        let Some((entry, peer)) = entry.and_then(|entry| Some((entry, entry.last_peer()?))) else {
            return false;
        };
        let told = self.node.likeliest_endpoint(peer);
        let is_open = self.links.of_peer(peer).is_some_and(PeerLinks::is_open);
        let is_connected = is_open && entry.was_adopted_by(peer, told);
        if is_connected {
            self.note_connected(number, peer);
        }
        is_connected
    }
}

/// Coming and going.
impl<C: Connection> Engine<C> {
    /// A peer is connected, or about to be, at the place of a fixed endpoint, over another
    /// connection.
    pub(super) fn note_connected(&mut self, number: usize, peer: PeerId) {
        let told = self.node.likeliest_endpoint(peer).cloned();
        self.do_without(number, peer, told);
    }

    /// There is another connection to the peer that the other side says it is. That it is may be a
    /// lie, so it is not remembered, and it is looked again after a while.
    pub(super) fn note_said(&mut self, number: usize, peer: PeerId) {
        self.do_without(number, peer, None);
        if let Some(entry) = self.links.fixed.get_mut(number) {
            entry.note_only_said();
        }
        self.look_again(number);
    }

    fn do_without(&mut self, number: usize, peer: PeerId, told: Option<Endpoint>) {
        self.close_fixed(number);
        let is_entered = self.node.is_ready(peer);
        if let Some(entry) = self.links.fixed.get_mut(number) {
            entry.adopt(peer, told, self.cx.now);
            if is_entered {
                entry.note_entered();
            }
        }
        self.cx.deadlines.clear(EngineTimer::Fixed(number));
    }

    /// A peer has entered.
    pub(in crate::engine) fn note_entered_at_fixed(&mut self, peer: PeerId) {
        let entries = self.links.fixed.entries.iter_mut();
        let of_peer = entries.filter(|entry| entry.adopted_by() == Some(peer));
        of_peer.for_each(Fixed::note_entered);
    }

    /// A peer is gone: it, or somebody else, is sought again at its fixed endpoint.
    pub(in crate::engine) fn release_fixed(&mut self, peer: PeerId) {
        self.release_where(peer, |_| true);
    }

    /// A peer is connected at another place from now on.
    fn release_elsewhere(&mut self, peer: PeerId, endpoint: &Endpoint) {
        let links = self.links.of_peer(peer);
        if links.is_some_and(|links| links.is_in_doubt) {
            let entries = self.links.fixed.entries.iter_mut();
            let of_peer = entries.filter(|entry| entry.adopted_by() == Some(peer));
            of_peer.for_each(|entry| entry.note_not_here(peer));
        }
        self.release_where(peer, |entry| !entry.is_at(endpoint));
    }

    fn release_where(&mut self, peer: PeerId, is_meant: impl Fn(&Fixed<C>) -> bool) {
        let shortest = self.node.config().reconnect_min;
        let cx: &mut EngineContext = &mut self.cx;
        for (number, entry) in self.links.fixed.entries.iter_mut().enumerate() {
            if entry.adopted_by() == Some(peer) && is_meant(entry) {
                let pause = entry.release(shortest, cx.now);
                let at = cx.now + cx.jitter(pause);
                cx.deadlines.set(EngineTimer::Fixed(number), at);
            }
        }
    }
}

/// Places.
impl<C: Connection> Engine<C> {
    /// Who is at a place, as far as there are connections.
    pub(super) fn whose(&self, place: &Endpoint) -> Place {
        if self.node.is_own_place(place) {
            return Place::Own;
        }
        let known = self.node.peer_at(place);
        // One that has entered has its place also while its connection has just ended.
        let known = known.filter(|peer| self.is_sought(*peer) || self.node.is_ready(*peer));
        if let Some(peer) = known {
            return Place::Peer(peer);
        }
        let mut entries = self.links.fixed.entries.iter().enumerate();
        let found = entries.find_map(|(number, entry)| {
            let is_here = entry
                .place
                .as_ref()
                .is_some_and(|it| it.is_same_place(place));
            let who = match entry.surely_adopted_by() {
                Some(peer) => Place::Peer(peer),
                None if entry.link_id().is_some() => Place::Fixed(number),
                None => return None,
            };
            is_here.then_some(who)
        });
        found.unwrap_or(Place::Free)
    }

    /// Whether a HELLO names the place of a fixed endpoint, where somebody else has said who it is,
    /// and does not come from there.
    pub(in crate::engine) fn is_kept_for_another(
        &self,
        peer: PeerId,
        told: &Endpoint,
        source: Option<SocketAddr>,
    ) -> bool {
        let mut entries = self.links.fixed.entries.iter();
        entries.any(|entry| {
            let is_said = entry.said_peer().is_some_and(|said| said != peer);
            let source = source.map(|source| source.ip().to_canonical());
            is_said && entry.is_at(told) && source.is_some() && entry.address() != source
        })
    }
}

impl Evidence<'_> {
    /// Whether the peer is where the connection goes. No message has been sent over one that is
    /// being made, so it does not matter who else may be there.
    fn is_at<C>(&self, entry: &Fixed<C>) -> bool {
        let is_free = match &entry.state {
            State::Opening { .. } => true,
            State::Greeted(greeted) => greeted.said_peer.is_none_or(|said| said == self.peer),
            State::Waiting | State::Adopted { .. } | State::Own => false,
        };
        is_free && entry.is_at(&self.place.endpoint) && entry.key == self.place.key
    }

    /// Whether the peer has the key of whoever is there, and has proved it. Another node may have
    /// the same, so it is asked all the same, unless it has said who it is.
    fn has_key<C>(&self, entry: &Fixed<C>) -> bool {
        let has_key = self.key_tells && entry.key == self.place.key;
        has_key && self.is_claimed && entry.may_be(self.peer)
    }

    /// Whether it has answered what was asked there.
    fn has_answered<C>(&self, entry: &Fixed<C>) -> bool {
        let is_answered = self.answers > 0 && entry.asked() == self.answers;
        is_answered && entry.may_be(self.peer) && entry.key == self.place.key
    }

    /// Whether the other side has said that it is the peer. A beacon is not enough then: the peer
    /// may not know of us, and never say HELLO.
    fn is_said<C>(&self, entry: &Fixed<C>) -> bool {
        let is_said = entry.said_peer() == Some(self.peer);
        is_said && self.is_claimed && entry.may_be(self.peer) && entry.key == self.place.key
    }
}

pub(super) fn address_of(place: &Endpoint) -> Option<IpAddr> {
    place.canonical().to_socket_addr().map(|it| it.ip())
}
