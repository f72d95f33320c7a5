//! The peers of a node: by identity, by endpoint and by group, and the rules between two of them.

mod voting;

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use zre_proto::{Endpoint, GroupName, Hello, KeyedEndpoint, PeerId, curve::PublicKey};

use super::{
    by_endpoint::ByEndpoint,
    context::{NodeContext, NodeTimer},
    election::Elections,
    members::Members,
    networks::Networks,
    output::NodeOutput,
    peer::{Earlier, Peer, PeerEffect, Session, ask_after, heard_for},
    place::address_of,
    table::{Heard, Source, Table},
};
use crate::{
    config::Config,
    error::{Error, Fault},
    event::{ExitReason, Unconfirmed},
    notice::Notice,
    security::Security,
    time::Instant,
};

/// A peer that has not entered.
#[derive(Debug)]
pub(super) struct Sought {
    peer: PeerId,
    /// Where it is told to connect to.
    told: Endpoint,
    /// Whether it is sought on a network that the node is on.
    is_reached: bool,
}

/// All peers. The indexes hold only peers that are in the table.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Peers {
    table: Table,
    /// How many have not said HELLO.
    pending: usize,
    /// Which peer is connected at which endpoint, entered or not.
    by_endpoint: ByEndpoint,
    members: Members,
    elections: Elections,
}

/// Look-ups.
impl Peers {
    pub(super) fn get(&self, id: &PeerId) -> Option<&Peer> {
        self.table.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.table.get_mut(id)
    }

    /// A peer that has entered.
    pub(super) fn ready_mut(&mut self, id: &PeerId) -> Result<&mut Peer, Error> {
        let ready = self.table.get_mut(id).filter(|peer| peer.is_ready());
        ready.ok_or(Error::UnknownPeer(*id))
    }

    /// A peer, and the members of groups, which its messages change.
    pub(super) fn with_members(&mut self, id: &PeerId) -> Option<(&mut Peer, &mut Members)> {
        let peer = self.table.get_mut(id)?;
        Some((peer, &mut self.members))
    }

    /// Takes a beacon; see [`Table::hear`].
    #[inline(always)] // As there.
    pub(super) fn hear(
        &mut self,
        id: &PeerId,
        source: SocketAddr,
        config: &Config,
        now: Instant,
    ) -> Heard<'_> {
        self.table.hear(id, source, config, now)
    }

    /// Those that have entered, in the order of their identities.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Peer> {
        self.table.iter().filter(|peer| peer.is_ready())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.table.iter_mut()
    }

    pub(super) fn ids(&self) -> &[PeerId] {
        self.table.ids()
    }

    pub(super) fn members_of(&self, group: &GroupName) -> impl Iterator<Item = PeerId> {
        self.members.of(group)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.members.groups()
    }

    /// When the last sign of life came from a peer that has entered.
    pub(super) fn last_heard(&self, id: &PeerId) -> Option<Instant> {
        let (peer, heard_at) = self.table.last_heard(id)?;
        peer.is_ready().then_some(heard_at)
    }

    /// Which peer is connected, or is being connected, at a place.
    pub(super) fn at(&self, place: &Endpoint) -> Option<PeerId> {
        self.by_endpoint.get(place)
    }

    /// Where a peer may be reached, the likeliest first, without what belongs to another.
    pub(super) fn endpoints(
        &self,
        id: PeerId,
        networks: &Networks,
    ) -> impl Iterator<Item = &Endpoint> {
        let peer = self.table.get(&id);
        let endpoints = peer
            .into_iter()
            .flat_map(move |peer| peer.endpoints(networks));
        endpoints.filter(move |endpoint| {
            let owner = self.by_endpoint.get(endpoint);
            owner.is_none_or(|owner| owner == id)
        })
    }

    /// The same, each with its key.
    pub(super) fn places(
        &self,
        id: PeerId,
        networks: &Networks,
    ) -> impl Iterator<Item = (&Endpoint, Option<PublicKey>)> {
        let peer = self.table.get(&id);
        let places = peer
            .into_iter()
            .flat_map(move |peer| peer.keyed_endpoints(networks));
        places.filter(move |(endpoint, _)| {
            let owner = self.by_endpoint.get(endpoint);
            owner.is_none_or(|owner| owner == id)
        })
    }

    /// The peers whose key is not trusted. Their other places are forgotten whose key is not, too.
    pub(super) fn distrusted(&mut self, context: &NodeContext) -> Vec<PeerId> {
        let mut distrusted = Vec::new();
        for peer in self.table.iter_mut() {
            peer.forget_places(|key| !context.trusts(key));
            if peer.key.get().is_none_or(|key| !context.trusts(&key)) {
                distrusted.push(peer.id());
            }
        }
        distrusted
    }

    /// The first of [`endpoints`](Self::endpoints).
    pub(super) fn likeliest_endpoint(&self, id: PeerId, networks: &Networks) -> Option<&Endpoint> {
        let peer = self.table.get(&id)?;
        // Nearly always, and without a list of the others.
        if self.by_endpoint.get(&peer.endpoint) == Some(id) {
            return Some(&peer.endpoint);
        }
        self.endpoints(id, networks).next()
    }

    /// Whether a peer has entered and nothing can be sent to it yet: it is not known whether
    /// it, or another, is where it is connected or would be.
    pub(super) fn is_in_doubt(&self, id: &PeerId) -> bool {
        let known = self.table.get(id).filter(|peer| peer.is_ready());
        known.is_some_and(|peer| !peer.channel.is_usable())
    }

    /// Whether a peer is not connected, because another has entered at its endpoint and is asked.
    pub(super) fn awaits_endpoint(&self, id: &PeerId) -> bool {
        self.table
            .get(id)
            .is_some_and(|peer| peer.channel.awaits_endpoint)
    }
}

/// Coming and going.
impl Peers {
    /// A beacon came from a peer that is not known. A beacon alone is no claim to an endpoint where
    /// another peer has entered: it only makes us ask that one.
    pub(super) fn stranger_appears(
        &mut self,
        peer: PeerId,
        place: KeyedEndpoint,
        context: &mut NodeContext,
    ) {
        let endpoint = &place.endpoint;
        if context.refusals.is_pausing(peer, context.now) {
            return;
        }
        // Its beacons come again.
        if self.is_closed_to_beacons(endpoint, peer) {
            return self.note_contested(endpoint);
        }
        let other = self.other_at(endpoint, peer);
        if let Some(owner) = other.filter(|other| other.is_ready()) {
            self.contest(owner.id(), None, context);
        } else if other.is_some() || self.has_room_for_beacon(peer, endpoint, context) {
            self.meet(peer, place, Earlier::default(), context);
            if let Some(peer) = self.table.get_mut(&peer) {
                peer.is_announced = true;
            }
        }
    }

    /// Takes in a new peer and says HELLO to it. If another peer has entered at its endpoint, that
    /// one is asked first; a pending one is removed.
    pub(super) fn meet(
        &mut self,
        id: PeerId,
        place: KeyedEndpoint,
        earlier: Earlier,
        context: &mut NodeContext,
    ) {
        let is_contested = self.is_sought_by_another(&place.endpoint, id);
        let owner = self.owner_of(&place.endpoint, id, context);
        let mut peer = Peer::new(id, place, earlier, owner.is_some(), context);
        if is_contested {
            peer.note_contested();
        }
        self.insert(peer, context);
        // Behind the insertion: both of these look the peer up in the table.
        match owner {
            Some(owner) => self.contest(owner, Some(id), context),
            None => self.connect(&id, context),
        }
    }

    /// Takes in a new peer whose HELLO has come. Whoever is at its place may have ours already, if
    /// a beacon under another identity has led us there. To close that connection would end the
    /// session on the other side, so the peer takes it over.
    pub(super) fn meet_at_hello(
        &mut self,
        id: PeerId,
        place: KeyedEndpoint,
        earlier: Earlier,
        context: &mut NodeContext,
    ) {
        // A key that all nodes have does not tell who is there.
        let security = context.config.security.as_ref();
        let is_shared = security.is_some_and(Security::is_shared);
        let pending = self.other_at(&place.endpoint, id).filter(|other| {
            let is_same = other.key.get() == place.key && !is_shared;
            other.is_reached() && is_same
        });
        let Some((other, sent)) = pending.map(|it| (it.id(), it.channel.sent_so_far())) else {
            return self.meet(id, place, earlier, context);
        };
        let give_way = NodeOutput::GiveWay {
            peer: other,
            to: id,
        };
        self.exit_with(&other, ExitReason::Replaced, give_way, context);
        let mut peer = Peer::new(id, place, earlier, false, context);
        peer.note_sent_before(sent);
        self.insert(peer, context);
        self.connect(&id, context);
    }

    fn insert(&mut self, peer: Peer, context: &mut NodeContext) {
        let id = peer.id();
        self.table.insert(peer);
        self.pending += 1;
        self.watch(&id, context);
    }

    /// Ends a session for this reason, and takes the peer in again at another place.
    pub(super) fn move_to(
        &mut self,
        id: &PeerId,
        place: KeyedEndpoint,
        reason: ExitReason,
        context: &mut NodeContext,
    ) {
        let earlier = self.end(id, reason, context);
        self.meet(*id, place, earlier, context);
    }

    /// Takes a peer that has not entered in again at another place, which its HELLO names; see
    /// [`meet_at_hello`](Self::meet_at_hello).
    pub(super) fn move_at_hello(
        &mut self,
        id: &PeerId,
        place: KeyedEndpoint,
        context: &mut NodeContext,
    ) {
        let earlier = self.end(id, ExitReason::Replaced, context);
        self.meet_at_hello(*id, place, earlier, context);
    }

    /// Ends a session and takes the peer in again at another place, where it is heard. If another
    /// peer is about to enter there, it is forgotten until its next beacon.
    pub(super) fn follow_to(
        &mut self,
        id: &PeerId,
        place: KeyedEndpoint,
        context: &mut NodeContext,
    ) {
        let reason = ExitReason::ConnectionLost;
        match self.is_closed_to_beacons(&place.endpoint, *id) {
            true => {
                self.note_contested(&place.endpoint);
                self.exit(id, reason, context);
            }
            false => self.move_to(id, place, reason, context),
        }
    }

    /// Ends a session, and gives what the next takes over.
    fn end(&mut self, id: &PeerId, reason: ExitReason, context: &mut NodeContext) -> Earlier {
        let earlier = self.table.get_mut(id).map(|peer| peer.earlier());
        self.exit(id, reason, context);
        earlier.unwrap_or_default()
    }

    /// The connection to a peer has been made at this place. It is over if another is there, who
    /// came since the connection was asked for.
    pub(super) fn reached(
        &mut self,
        id: &PeerId,
        reached: &KeyedEndpoint,
        context: &mut NodeContext,
    ) {
        let place = &reached.endpoint;
        if let Some(peer) = self.table.get_mut(id) {
            peer.note_reached();
        }
        let is_elsewhere = |peer: &Peer| {
            let is_there = peer.endpoint.is_same_place(place) && peer.key.get() == reached.key;
            !is_there && !peer.channel.awaits_endpoint
        };
        let Some(peer) = self.table.get(id).filter(|peer| is_elsewhere(peer)) else {
            return;
        };
        // It proved its key while another was tried that somebody had named.
        if peer.key.proved().is_some() && peer.key.proved() != reached.key {
            return self.connect(id, context);
        }
        // Anybody can name a place in a HELLO, which takes nothing from a peer that has entered.
        let gives_way = !peer.is_ready() && self.is_closed_to_beacons(place, *id);
        if gives_way || self.owner_of(place, *id, context).is_some() {
            return self.exit(id, ExitReason::Unreachable, context);
        }
        let Some((peer, source)) = self.table.entry(id) else {
            return;
        };
        source.forget_endpoint();
        let before = peer.settle_at(reached.clone());
        if self.by_endpoint.get(&before) == Some(*id) {
            self.by_endpoint.remove(&before);
        }
        self.by_endpoint.insert(place, *id);
    }

    /// Connects to a peer at another endpoint than before.
    pub(super) fn redirect(&mut self, id: &PeerId, endpoint: Endpoint, context: &mut NodeContext) {
        let owner = self.owner_of(&endpoint, *id, context);
        let Some((peer, source)) = self.table.entry(id) else {
            return;
        };
        source.forget_endpoint();
        let key = peer.key.get();
        let before = peer.settle_at(KeyedEndpoint { endpoint, key });
        if self.by_endpoint.get(&before) == Some(*id) {
            self.by_endpoint.remove(&before);
        }
        match owner {
            // Somebody else has entered there.
            Some(_) => self.exit(id, ExitReason::Unreachable, context),
            None => self.connect(id, context),
        }
    }

    /// The host name of the endpoint that a peer is being connected at stands for this place.
    pub(super) fn locate(&mut self, id: &PeerId, place: Endpoint) {
        let Some(peer) = self.table.get_mut(id) else {
            return;
        };
        let name = core::mem::replace(&mut peer.endpoint, place);
        if self.by_endpoint.get(&name) == Some(*id) {
            self.by_endpoint.remove(&name);
            self.by_endpoint.insert(&peer.endpoint, *id);
        }
    }

    /// Says HELLO to a peer on a new connection, which makes its endpoint its own.
    pub(super) fn connect(&mut self, id: &PeerId, context: &mut NodeContext) {
        if let Some(peer) = self.table.get_mut(id) {
            peer.connect(context);
            self.by_endpoint.insert(&peer.endpoint, *id);
        }
    }

    /// The first HELLO of a pending peer has come.
    pub(super) fn enter(&mut self, id: &PeerId, hello: Hello, context: &mut NodeContext) {
        let Some((peer, source)) = self.table.entry(id).filter(|(peer, _)| !peer.is_ready()) else {
            return;
        };
        let is_leaving = peer.is_leaving();
        context.note_change(*id, false);
        self.pending -= 1;
        peer.enter(hello, &mut self.members, context);
        watch(peer, source, context);
        // Its goodbye has overtaken its HELLO, and counts from now on.
        if is_leaving && matches!(peer.take_goodbye_beacon(context), PeerEffect::Watch) {
            watch(peer, source, context);
        }
        self.joined_all(*id, context);
    }

    /// Removes a peer; the application is told if it had entered. A claimant that waits for its
    /// endpoint is connected now.
    pub(super) fn exit(&mut self, id: &PeerId, reason: ExitReason, context: &mut NodeContext) {
        let disconnect = NodeOutput::Disconnect { peer: *id };
        self.exit_with(id, reason, disconnect, context);
    }

    /// The same; the output says what becomes of the peer's connections.
    fn exit_with(
        &mut self,
        id: &PeerId,
        reason: ExitReason,
        output: NodeOutput,
        context: &mut NodeContext,
    ) {
        let Some(removed) = self.remove(id) else {
            return;
        };
        let peer = *id;
        // Of one that has not entered nothing is known: anybody may have claimed its place.
        context.note_change(peer, reason.is_final() && removed.is_ready());
        self.forget_votes(peer, context);
        // A timer that is left behind would check the peer's next session.
        context.deadlines.clear(NodeTimer::Peer(peer));
        context.outputs.push_back(output);
        let claimant = removed.suspicion().and_then(|suspicion| suspicion.claimant);
        let pings = &removed.channel.pings;
        let unconfirmed = pings.unconfirmed();
        context.answered.note(peer, pings.answered());
        if let Session::Ready(mut ready) = removed.session {
            context.told.change(&mut ready.told, 0);
            let name = ready.into_name();
            context.tell_exit(peer, name, reason, unconfirmed);
        }
        // It may have gone meanwhile, and have come again from another endpoint.
        if let Some(claimant) = claimant.filter(|claimant| self.awaits_endpoint(claimant)) {
            self.connect(&claimant, context);
        }
    }

    /// Sets a peer's timer to when there is something to check.
    pub(super) fn watch(&mut self, id: &PeerId, context: &mut NodeContext) {
        if let Some((peer, source)) = self.table.entry(id) {
            watch(peer, source, context);
        }
    }

    /// Takes a peer out of all indexes.
    fn remove(&mut self, id: &PeerId) -> Option<Peer> {
        let peer = self.table.remove(id)?;
        // A claimant has the endpoint too, but does not own it.
        if self.by_endpoint.get(&peer.endpoint) == Some(*id) {
            self.by_endpoint.remove(&peer.endpoint);
        }
        match &peer.session {
            Session::Greeting(_) => self.pending -= 1,
            Session::Ready(ready) => {
                for group in ready.groups() {
                    self.members.remove(group, *id);
                }
            }
        }
        Some(peer)
    }
}

/// Changes of this node's own networks.
impl Peers {
    /// The peers that have not entered, and what they are told.
    pub(super) fn sought(&self, networks: &Networks) -> Vec<Sought> {
        // Saves a walk over all peers: mostly there is no pending one.
        if self.pending == 0 {
            return Vec::new();
        }
        let pending = self.table.iter();
        let pending = pending.filter(|peer| !peer.is_ready() && !peer.channel.awaits_endpoint);
        let sought = pending.map(|peer| Sought {
            peer: peer.id(),
            told: networks.endpoint_for(&peer.endpoint).clone(),
            is_reached: networks.reach(&peer.endpoint),
        });
        sought.collect()
    }

    /// The networks have changed while a peer was sought. If it was told an endpoint that is gone,
    /// or is sought where nothing leads any more, or has been given up, it is sought anew. A peer
    /// that is heard nowhere else is forgotten until its next beacon.
    pub(super) fn seek_anew(&mut self, sought: &Sought, context: &mut NodeContext) {
        let Some(peer) = self.table.get_mut(&sought.peer) else {
            return;
        };
        let networks = &context.networks;
        let is_reached = networks.reach(&peer.endpoint);
        let place = match peer.heard_elsewhere(heard_for(&context.config), context) {
            Some(other) if !is_reached && networks.reach(&other.endpoint) => other.keyed(),
            _ if sought.is_reached && !is_reached => {
                return self.exit(&sought.peer, ExitReason::Unreachable, context);
            }
            _ if peer.is_unreachable() || *networks.endpoint_for(&peer.endpoint) != sought.told => {
                peer.place()
            }
            _ => return,
        };
        self.move_to(&sought.peer, place, ExitReason::Unreachable, context);
    }
}

/// Two peers at one endpoint.
impl Peers {
    /// The peer that is connected at an endpoint and has entered, if it is another than `claimant`.
    /// One that has not entered gives way: nothing is lost with it.
    pub(super) fn owner_of(
        &mut self,
        endpoint: &Endpoint,
        claimant: PeerId,
        context: &mut NodeContext,
    ) -> Option<PeerId> {
        let owner = self.other_at(endpoint, claimant)?;
        let (owner, is_ready) = (owner.id(), owner.is_ready());
        if is_ready {
            return Some(owner);
        }
        self.exit(&owner, ExitReason::Replaced, context);
        None
    }

    /// The peer that is, or is being, connected at an endpoint, if it is another than `claimant`.
    fn other_at(&self, endpoint: &Endpoint, claimant: PeerId) -> Option<&Peer> {
        let owner = self.by_endpoint.get(endpoint);
        self.get(&owner.filter(|owner| *owner != claimant)?)
    }

    /// Whether another peer than `claimant` is about to enter at an endpoint: its HELLO has come,
    /// and our connection to it is being made.
    pub(super) fn is_held(&self, endpoint: &Endpoint, claimant: PeerId) -> bool {
        let owner = self.other_at(endpoint, claimant);
        owner.is_some_and(|owner| !owner.is_ready() && owner.told_endpoint().is_some())
    }

    /// Whether a beacon of `claimant` counts for nothing at an endpoint, as another peer is about
    /// to enter there, or our connection to it is there and its HELLO is awaited: for all that we
    /// know it has entered on its side.
    fn is_closed_to_beacons(&self, endpoint: &Endpoint, claimant: PeerId) -> bool {
        let owner = self.other_at(endpoint, claimant);
        self.is_held(endpoint, claimant) || owner.is_some_and(Peer::is_reached)
    }

    /// A beacon of another peer has named an endpoint, and counted for nothing.
    fn note_contested(&mut self, endpoint: &Endpoint) {
        let owner = self.by_endpoint.get(endpoint);
        if let Some(owner) = owner.and_then(|owner| self.get_mut(&owner)) {
            owner.note_contested();
        }
    }

    /// Whether another peer than `claimant` may be about to enter at an endpoint.
    pub(super) fn is_sought_by_another(&self, endpoint: &Endpoint, claimant: PeerId) -> bool {
        let owner = self.other_at(endpoint, claimant);
        owner.is_some_and(|owner| !owner.is_ready() && !owner.is_unreachable())
    }

    /// Whether another peer than `claimant` is, or may be, at an endpoint.
    pub(super) fn is_taken(&self, endpoint: &Endpoint, claimant: PeerId) -> bool {
        let owner = self.other_at(endpoint, claimant);
        owner.is_some_and(|owner| !owner.is_unreachable())
    }

    /// Another node claims a peer's endpoint, so the peer is suspected to be gone. If `claimant` is
    /// given, it waits to be connected in place of the peer.
    pub(super) fn contest(
        &mut self,
        owner: PeerId,
        claimant: Option<PeerId>,
        context: &mut NodeContext,
    ) {
        let Some((peer, source)) = self.table.entry(&owner) else {
            return;
        };
        let effect = peer.suspect(ExitReason::Replaced, context);
        if matches!(effect, PeerEffect::Watch) {
            watch(peer, source, context);
        }
        let Some(claimant) = claimant else {
            return;
        };
        let suspicion = peer.suspicion_mut();
        let earlier = suspicion.and_then(|suspicion| suspicion.claimant.replace(claimant));
        context.notices.push(Notice::Contested {
            peer: owner,
            claimant,
        });
        // The last claim counts: whoever claimed before has been replaced at the endpoint, too.
        let is_displaced = |earlier: &PeerId| *earlier != claimant && self.awaits_endpoint(earlier);
        if let Some(earlier) = earlier.filter(is_displaced) {
            self.exit(&earlier, ExitReason::Replaced, context);
        }
    }

    /// A peer has shown that it is there: whoever still waits for its endpoint goes.
    pub(super) fn reject(&mut self, claimant: &PeerId, owner: PeerId, context: &mut NodeContext) {
        // As in `exit`: the claimant may be connected elsewhere by now.
        if self.awaits_endpoint(claimant) {
            let fault = Fault::Endpoint(owner);
            self.exit(claimant, ExitReason::ProtocolError(fault), context);
        }
    }
}

/// Limits.
impl Peers {
    /// Whether there is room for a peer of which only a beacon is known.
    pub(super) fn has_room_for_beacon(
        &self,
        peer: PeerId,
        place: &Endpoint,
        context: &mut NodeContext,
    ) -> bool {
        let limits = &context.config.limits;
        // Anybody can send beacons, so those alone must not fill the table.
        let limit = if self.pending >= limits.pending_peers {
            limits.pending_peers
        } else if self.table.len() >= limits.peers
            || self.is_crowded(address_of(place), limits.peers)
        {
            limits.peers
        } else {
            return true;
        };
        context.notices.push(Notice::PeerLimit { peer, limit });
        false
    }

    /// Makes room for a peer that says HELLO, which is worth more than one of which only a beacon
    /// is known: the pending peer that was heard least recently goes.
    pub(super) fn make_room_for_hello(
        &mut self,
        peer: PeerId,
        address: Option<IpAddr>,
        context: &mut NodeContext,
    ) -> bool {
        let limit = context.config.limits.peers;
        if self.is_crowded(address, limit) {
            context.notices.push(Notice::PeerLimit { peer, limit });
            return false;
        }
        if self.table.len() < limit {
            return true;
        }
        let Some(oldest) = self.oldest_pending() else {
            context.notices.push(Notice::PeerLimit { peer, limit });
            return false;
        };
        self.exit(&oldest, ExitReason::Expired, context);
        true
    }

    /// Whether the peers from one address have three quarters of all places. The last quarter is
    /// for others: whoever has one address, and makes up identities, does not keep them out.
    fn is_crowded(&self, address: Option<IpAddr>, limit: usize) -> bool {
        let share = limit - limit / 4;
        // Saves a walk over all peers: mostly there is room.
        if self.table.len() < share {
            return false;
        }
        let Some(address) = address.map(|address| address.to_canonical()) else {
            return false;
        };
        let from_address = self.table.iter();
        let from_address = from_address.filter(|peer| peer.address == Some(address));
        from_address.count() >= share
    }

    fn oldest_pending(&self) -> Option<PeerId> {
        // Saves a walk over all peers: mostly there is no pending one.
        if self.pending == 0 {
            return None;
        }
        let pending = self.table.iter().filter(|peer| !peer.is_ready());
        // The identity decides between equals, so that a replay removes the same one.
        let oldest = pending.min_by_key(|peer| (peer.heard_at, peer.id()))?;
        Some(oldest.id())
    }
}

/// Silence.
impl Peers {
    /// The peers without a timer of their own that may have been silent for long enough to be
    /// asked. Sets the timer for the next.
    ///
    /// Signs of life only note the time. So one timer for all quiet peers fires once in some
    /// seconds, however many they are.
    pub(super) fn silent(&mut self, context: &mut NodeContext) -> Vec<PeerId> {
        let time = |is_announced| ask_after(is_announced, &context.config);
        let (silent, next) = self.table.silent(time, context.now);
        if let Some(next) = next {
            context.deadlines.set_earlier(NodeTimer::Silence, next);
        }
        silent
    }
}

/// Confirmation.
impl Peers {
    /// Asks the peers that have been sent something since they were last asked.
    pub(super) fn ask_for_confirmation(&mut self, context: &mut NodeContext) {
        context.awaits_confirmation = false;
        for peer in self.table.iter_mut().filter(|peer| peer.is_ready()) {
            if peer.channel.pings.has_uncovered() {
                peer.channel.ping(context);
            }
        }
    }

    /// The peers that have not confirmed everything, in the order of their identities.
    pub(super) fn unconfirmed(&self) -> impl Iterator<Item = Unconfirmed> {
        self.ready().filter_map(|peer| {
            let messages = peer.channel.pings.unconfirmed();
            let name = peer.ready()?.name().clone();
            (messages > 0).then(|| Unconfirmed::new(peer.id(), name, messages))
        })
    }
}

/// Sets a peer's timer to when there is something to check. A quiet peer, from which nothing is
/// awaited, needs none: [`NodeTimer::Silence`] serves all of these.
fn watch(peer: &Peer, source: &mut Source, context: &mut NodeContext) {
    let (timer, at) = (
        NodeTimer::Peer(peer.id()),
        peer.next_check_at(&context.config),
    );
    let is_quiet = peer.is_quiet();
    source.set_quiet(is_quiet, peer.is_announced, peer.heard_at);
    if is_quiet {
        context.deadlines.clear(timer);
        context.deadlines.set_earlier(NodeTimer::Silence, at);
    } else {
        context.deadlines.set(timer, at);
    }
}
