//! One peer: what a node knows of it, and the rules about its messages and its silence.
//!
//! * [`session`]: how a session begins, begins again and ends;
//! * [`messages`]: the messages inside a session, and the peer's groups;
//! * [`liveness`]: whether the peer is still there;
//! * [`channel`], with [`sequence`] and [`pings`]: sending to the peer.
//!
//! A rule gets one peer and the [`NodeContext`], and does what concerns only these two. What is to
//! follow beyond that, it returns as a [`PeerEffect`], which the node carries out.

mod channel;
mod liveness;
mod messages;
mod pings;
mod sequence;
mod session;

use alloc::boxed::Box;
use core::net::IpAddr;
use zre_proto::{Endpoint, GroupName, PeerId};

use super::{
    by_endpoint::address_of,
    context::{NodeContext, PING_INTERVAL},
    election::Word,
    output::NodeOutput,
};
use crate::{
    event::{ExitReason, PeerInfo},
    time::Instant,
};
use channel::Channel;
pub(super) use channel::Earlier;
pub(super) use liveness::{Suspicion, ask_after};
use session::{Greeting, Ready};
pub(super) use session::{HelloMeaning, HelloReply, Session, admits, check_hello_sequence};

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
    /// Another endpoint that its beacons come from, and when the last one came. Boxed, for few
    /// peers have one.
    other_endpoint: Option<Box<(Endpoint, Instant)>>,
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
    /// The peer has moved: the session ends, and it is sought at another endpoint.
    Move {
        endpoint: Endpoint,
        earlier: Earlier,
    },
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
        endpoint: Endpoint,
        earlier: Earlier,
        awaits_endpoint: bool,
        context: &NodeContext,
    ) -> Self {
        Self {
            is_announced: false,
            gossiped: Gossiped::No,
            address: address_of(&endpoint),
            endpoint,
            channel: Channel::new(id, awaits_endpoint, earlier, context.last_ping),
            session: Session::Greeting(Greeting::new(context)),
            heard_at: context.now,
            other_endpoint: None,
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
                suspicion.patience = context.patience(PING_INTERVAL);
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

    /// Where it may be reached: where it is connected, then where its last beacon came from, then
    /// what its HELLO says.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let heard_from = self.other_endpoint.as_ref().map(|other| &other.0);
        let others = heard_from.into_iter().chain(self.told_endpoint());
        let different = others.filter(|endpoint| !endpoint.is_same_place(&self.endpoint));
        core::iter::once(&self.endpoint).chain(different)
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

    /// Whether its last beacon from another endpoint than the one where it is connected came from
    /// here.
    pub(super) fn is_heard_at(&self, endpoint: &Endpoint) -> bool {
        let other = self.other_endpoint.as_deref();
        other.is_some_and(|(heard, _)| heard.is_same_place(endpoint))
    }

    pub(super) fn info(&self) -> Option<PeerInfo> {
        let ready = self.ready()?;
        Some(PeerInfo {
            id: self.id(),
            name: ready.name.clone(),
            endpoint: ready.endpoint.clone(),
            headers: ready.headers.clone(),
            groups: ready.groups.iter().cloned().collect(),
        })
    }

    /// Connects to the peer and says HELLO, with which our sequence numbers begin.
    pub(super) fn connect(&mut self, context: &mut NodeContext) {
        let (peer, endpoint) = (self.id(), self.endpoint.clone());
        // First, or the channel would drop the HELLO.
        self.channel.awaits_endpoint = false;
        self.channel.sequence.restart_sent();
        context
            .outputs
            .push_back(NodeOutput::Connect { peer, endpoint });
        let hello = context.hello_for(&self.endpoint);
        self.channel.send(hello.into(), context);
    }
}
