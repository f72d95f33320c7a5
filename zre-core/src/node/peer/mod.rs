//! One peer: what a node knows of it, and the rules about its messages and its silence.
//!
//! * [`session`]: how a session begins, begins again and ends;
//! * [`messages`]: the messages inside a session, and the peer's groups;
//! * [`liveness`]: whether the peer is still there; [`places`] and [`moving`]: where;
//! * [`channel`], with [`sequence`] and [`pings`]: sending to the peer.
//!
//! A rule gets one peer and the [`NodeContext`], and does what concerns only these two. What is to
//! follow beyond that, it returns as a [`PeerEffect`], which the node carries out.

mod channel;
mod key;
mod liveness;
mod messages;
mod moving;
mod pings;
mod places;
mod sequence;
mod session;

use core::net::IpAddr;

use zre_proto::{Endpoint, GroupName, KeyedEndpoint, PeerId, curve::PublicKey};

use super::{
    context::{NodeContext, PING_INTERVAL},
    election::Word,
    networks::Networks,
    output::{HelloOrigin, NodeOutput},
    place::{address_of, source_of},
};
use crate::{
    event::{ExitReason, PeerInfo},
    time::Instant,
};
use channel::{Channel, EarlierChannel};
pub(super) use key::PeerKey;
pub(super) use liveness::{Suspicion, ask_after};
use places::OtherPlaces;
pub(super) use places::{heard_for, moved_after, moved_answer_time};
use session::Greeting;
pub(super) use session::{HelloMeaning, HelloReply, Ready, Session, admits, check_hello_sequence};

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Peer {
    /// Where messages for the peer go. It stays the same during a session, whatever HELLO says.
    pub(super) endpoint: Endpoint,
    pub(super) channel: Channel,
    pub(super) session: Session,
    /// The last sign of life: any message, or a beacon from the endpoint above.
    pub(super) heard_at: Instant,
    /// Whether a beacon came from the endpoint where it is, or is to be, connected.
    pub(super) is_announced: bool,
    /// Whether it is sought because gossip tells of it.
    pub(super) gossiped: Gossiped,
    /// The address that its HELLO came from, or that of the endpoint where it was met.
    pub(super) address: Option<IpAddr>,
    /// Where its beacons come from otherwise.
    others: OtherPlaces,
    /// With which key it is connected to.
    pub(super) key: PeerKey,
    /// Whether the connection to it leads to a node of this implementation, which takes part in
    /// elections.
    pub(super) is_elector: bool,
    /// Whether it has shown to be a zyre node.
    pub(super) is_voter: bool,
}

/// What the next session with a peer takes over.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    channel: EarlierChannel,
    places: OtherPlaces,
}

/// Whether a peer is sought because gossip tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gossiped {
    No,
    Yes,
    /// And it has been sought before, and was not found.
    Again,
}

/// What is to follow from a rule about a peer.
#[derive(Debug)]
#[must_use]
pub(super) enum PeerEffect {
    Nothing,
    /// What is awaited from the peer has changed: set its timer anew.
    Watch,
    /// The peer has moved: the session ends, and it is sought at another place.
    Move(KeyedEndpoint),
    /// Connect again and say HELLO once more, and set the timer anew. Never of a peer that awaits
    /// its endpoint.
    Reconnect,
    /// It does not answer where we are connected: connect there and say HELLO once more. Nothing of
    /// the application has been sent to it.
    Redirect(Endpoint),
    /// The peer has taken part in the election of a group that this node is in.
    Election {
        group: GroupName,
        word: Word,
    },
    /// The peer asks as early as only zyre does, if it hears our beacons.
    AsksEarly,
    /// The peer has joined a group that this node is in, or says so again.
    JoinedGroup(GroupName),
    /// The peer has left a group that this node is in.
    LeftGroup(GroupName),
    /// The peer is there, so the claimant that waits for its endpoint has no right to it.
    RejectClaimant(PeerId),
    /// The peer is gone.
    Exit(ExitReason),
}

impl Peer {
    /// A pending peer, to which nothing has been sent yet.
    pub(super) fn new(
        id: PeerId,
        place: KeyedEndpoint,
        earlier: Earlier,
        awaits_endpoint: bool,
        context: &NodeContext,
    ) -> Self {
        let Earlier {
            channel: earlier,
            places: mut others,
        } = earlier;
        let KeyedEndpoint { endpoint, key } = place;
        let heard_at = others.take(&endpoint, key.as_ref());
        let heard_for = heard_for(&context.config);
        Self {
            is_announced: heard_at.is_some_and(|at| context.now.since(at) < heard_for),
            gossiped: Gossiped::No,
            is_elector: false,
            is_voter: false,
            address: address_of(&endpoint),
            endpoint,
            channel: Channel::new(id, awaits_endpoint, earlier, context.last_ping),
            session: Session::Greeting(Greeting::new(context)),
            heard_at: context.now,
            others,
            key: PeerKey::said(key),
        }
    }

    pub(super) fn id(&self) -> PeerId {
        self.channel.peer
    }

    /// Whether it has entered.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.session, Session::Ready(_))
    }

    pub(super) fn ready(&self) -> Option<&Ready> {
        match &self.session {
            Session::Ready(ready) => Some(ready),
            Session::Greeting(_) => None,
        }
    }

    pub(super) fn is_named(&self, name: &[u8]) -> bool {
        self.ready()
            .is_some_and(|ready| ready.name.as_bytes() == name)
    }

    pub(super) fn is_in(&self, group: &GroupName) -> bool {
        self.ready()
            .is_some_and(|ready| ready.groups.binary_search(group).is_ok())
    }

    /// There is reason to think that it is gone: it is asked and has `evasive_after` to answer. A
    /// pending peer is not asked, as its HELLO is awaited anyway.
    pub(super) fn suspect(&mut self, reason: ExitReason, context: &mut NodeContext) -> PeerEffect {
        match &mut self.session {
            Session::Ready(ready) => {
                let channel = &mut self.channel;
                ready.liveness.suspect(reason, channel, context)
            }
            Session::Greeting(_) => PeerEffect::Nothing,
        }
    }

    /// Gives it a second more to answer, if it is suspected.
    pub(super) fn extend_suspicion(&mut self, context: &mut NodeContext) -> PeerEffect {
        match self.suspicion_mut() {
            Some(suspicion) => {
                let longer = context.patience(PING_INTERVAL);
                // One that may have moved still has time otherwise.
                if suspicion.patience.deadline() < longer.deadline() {
                    suspicion.patience = longer;
                }
                suspicion.asked = longer;
                PeerEffect::Watch
            }
            None => PeerEffect::Nothing,
        }
    }

    pub(super) fn suspicion(&self) -> Option<&Suspicion> {
        self.ready()?.liveness.suspicion()
    }

    pub(super) fn suspicion_mut(&mut self) -> Option<&mut Suspicion> {
        match &mut self.session {
            Session::Ready(ready) => ready.liveness.suspicion_mut(),
            Session::Greeting(_) => None,
        }
    }

    /// Where it may be reached: where it is connected, then where its beacons come from, the
    /// likeliest first, then what its HELLO says.
    pub(super) fn endpoints(&self, networks: &Networks) -> impl Iterator<Item = &Endpoint> {
        self.keyed_endpoints(networks).map(|(endpoint, _)| endpoint)
    }

    /// The same, each with its key.
    pub(super) fn keyed_endpoints(
        &self,
        networks: &Networks,
    ) -> impl Iterator<Item = (&Endpoint, Option<PublicKey>)> {
        let heard = self.others.in_turn(networks);
        let is_known = |told: &&Endpoint| {
            let heard = heard.iter().map(|(endpoint, _)| *endpoint);
            let mut known = core::iter::once(&self.endpoint).chain(heard);
            known.any(|known| known.is_same_place(told))
        };
        let told = self.told_endpoint().filter(|told| !is_known(told));
        let own = core::iter::once(&self.endpoint).chain(told);
        let mut own = own.map(|endpoint| (endpoint, self.key.get()));
        own.next().into_iter().chain(heard).chain(own)
    }

    /// Forgets its other places with a key that is meant.
    pub(super) fn forget_places(&mut self, is_meant: impl Fn(&PublicKey) -> bool) {
        self.others.keep_where(|key| !is_meant(key));
    }

    /// The peer has proved to have a key: no place counts any more that has another.
    pub(super) fn prove_key(&mut self, key: PublicKey) {
        self.key.prove(key);
        self.others.keep(&key);
    }

    /// Whether a HELLO comes from another place where it is heard, so that it has moved there.
    pub(super) fn comes_from_elsewhere(&self, origin: HelloOrigin) -> bool {
        let source = origin.source_address();
        source.is_some_and(|source| {
            self.is_heard_from(source) && address_of(&self.endpoint) != Some(source)
        })
    }

    /// What its next session takes over.
    pub(super) fn earlier(&self) -> Earlier {
        Earlier {
            channel: self.channel.earlier(),
            places: match self.is_unreachable() {
                // All of them have been tried.
                true => OtherPlaces::default(),
                false if self.is_ready() => self.places(),
                // Where it was sought it has not answered.
                false => self.others.clone(),
            },
        }
    }

    /// Where its beacons come from.
    fn places(&self) -> OtherPlaces {
        let mut places = self.others.clone();
        if let Some(source) = source_of(&self.endpoint).filter(|_| self.is_announced) {
            places.note(source, self.endpoint.clone(), self.key.get(), self.heard_at);
        }
        places
    }

    /// Whether its HELLO waits and came from the address where it is being connected, and its
    /// beacons come from there, too.
    pub(super) fn is_where_it_came_from(&self) -> bool {
        let is_waiting = !self.is_ready() && self.told_endpoint().is_some();
        is_waiting
            && self.is_announced
            && !self.is_unreachable()
            && self.address == address_of(&self.endpoint)
    }

    /// Whether beacons come from here, and not only from the place where it is connected.
    pub(super) fn is_heard_at(&self, endpoint: &Endpoint) -> bool {
        let mut others = self.others.iter();
        others.any(|place| place.endpoint.is_same_place(endpoint))
    }

    /// Whether beacons come from this address, and not only from the one where it is connected.
    pub(super) fn is_heard_from(&self, address: IpAddr) -> bool {
        let mut others = self.others.iter();
        others.any(|place| address_of(&place.endpoint) == Some(address.to_canonical()))
    }

    pub(super) fn info(&self, context: &NodeContext) -> Option<PeerInfo> {
        let ready = self.ready()?;
        Some(PeerInfo {
            id: self.id(),
            name: ready.name.clone(),
            endpoint: ready.endpoint.clone(),
            headers: ready.headers.clone(),
            groups: ready.groups.iter().cloned().collect(),
            key: context.describe_key(self.key.proved()),
        })
    }

    /// Connects to the peer and says HELLO, with which our sequence numbers begin.
    pub(super) fn connect(&mut self, context: &mut NodeContext) {
        let (peer, endpoint) = (self.id(), self.endpoint.clone());
        self.forget_reached();
        // First, or the channel would drop the HELLO.
        self.channel.awaits_endpoint = false;
        self.channel.sequence.restart_sent();
        self.is_elector = false;
        let key = self.key.get();
        context.outputs.push_back(NodeOutput::Connect {
            peer,
            endpoint,
            key,
        });
        let hello = context.hello_for(&self.endpoint);
        self.channel.send(hello.into(), context);
    }
}
