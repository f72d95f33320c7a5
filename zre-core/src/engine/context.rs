//! What the rules of connections may use besides their own state.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::time::Duration;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_proto::{PeerId, curve::PublicKey};

use super::{
    attempts::Attempts,
    begun::check_interval,
    keys::Keys,
    outbound::Outbound,
    output::{LinkId, Output, Outputs},
};
use crate::{
    backlog::{Backlog, Patience},
    config::{Config, Limits},
    deadlines::Deadlines,
    link::LinkSecurity,
    notice::Notices,
    security::{Security, Trust},
    seed::Seed,
    time::Instant,
};

/// By how much a handshake's deadline is extended that passed during a congestion.
const UNREAD_GRACE: Duration = Duration::from_secs(1);

/// The time, the outputs and deadlines of the engine, and which connection belongs to whom.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct EngineContext {
    pub(super) now: Instant,
    pub(super) outputs: Outputs,
    pub(super) deadlines: Deadlines<EngineTimer>,
    pub(super) notices: Notices,
    pub(super) attempts: Attempts,
    /// Bytes that all peers' connections hold of messages whose end has not come.
    pub(super) unfinished: usize,
    pub(super) outbound: Outbound,
    /// Whether the timer for begun messages is set.
    watches_begun: bool,
    owners: Owners,
    next_link: u64,
    generator: ChaCha8Rng,
    keys: Option<Box<Keys>>,
}

/// Where a connection is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// It came in, and no peer's session has been seen to use it.
    Unclaimed,
    /// We opened it to the fixed endpoint of this number, and do not know yet whose that is.
    Fixed(usize),
    /// We opened it to this peer.
    Outgoing(PeerId),
    /// It came in and carries this peer's session.
    Incoming(PeerId),
    /// It came in to our gossip hub.
    GossipClient,
    /// We opened it to the gossip hub with this number.
    GossipHub(u32),
}

/// Timers that are due at the same time fire in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EngineTimer {
    /// A connection has taken long to be made, or to be bound.
    Handshake(LinkId),
    /// Try again to open sockets on networks.
    Listen,
    /// Try again to connect.
    Reconnect(PeerId),
    /// Try again to connect to the fixed endpoint of this number.
    Fixed(usize),
    /// Try again to connect to the gossip hub with this number.
    GossipConnect(u32),
    /// Gossip has something to do.
    Gossip,
    /// See whether what waits for peers has moved. One timer for all, or in a large network most
    /// timers would be for peers for which nothing waits any more.
    Progress,
    /// See whether messages that peers have begun go on. One timer for all, too.
    Begun,
    /// The connection to a peer is gone, and that from it has not ended yet.
    Lost(PeerId),
    /// Somebody is not read: see whether there is some room.
    Relief,
    /// Tell how many more shouts have passed members over.
    Skipped,
    /// Stopping has waited for long enough.
    Linger,
}

impl EngineContext {
    pub(super) fn new(limits: &Limits, seed: &Seed, now: Instant) -> Self {
        // Stream 0 of the same seed gives the node's identity, which everybody sees: nobody shall
        // tell the jitter from that.
        let mut generator = ChaCha8Rng::from_seed(*seed.expose());
        generator.set_stream(1);
        Self {
            now,
            outputs: Outputs::default(),
            deadlines: Deadlines::new(),
            notices: Notices::default(),
            attempts: Attempts::new(now),
            unfinished: 0,
            outbound: Outbound::new(limits),
            watches_begun: false,
            owners: Owners::default(),
            next_link: 0,
            generator,
            keys: None,
        }
    }

    /// From now on all connections have keys, which come from a seed that is used for nothing else.
    pub(super) fn secure(&mut self, security: &Security, seed: Seed) {
        self.keys = Some(Box::new(Keys::new(security, seed)));
    }

    /// How a connection is protected to whoever has this key. `None` if there must be none: a node
    /// with a key connects to nobody whose key it does not know, and one in the open to nobody who
    /// has one.
    pub(super) fn client_security(&mut self, key: Option<PublicKey>) -> Option<LinkSecurity> {
        match (&mut self.keys, key) {
            (Some(keys), Some(key)) => Some(keys.client(key)),
            (None, None) => Some(LinkSecurity::Open),
            _ => None,
        }
    }

    /// Connections that come from now on are judged by this.
    pub(super) fn set_trust(&mut self, trust: Arc<Trust>) {
        if let Some(keys) = &mut self.keys {
            keys.set_trust(trust);
        }
    }

    /// How a connection is protected that came in.
    pub(super) fn server_security(&mut self) -> LinkSecurity {
        match &mut self.keys {
            Some(keys) => keys.server(),
            None => LinkSecurity::Open,
        }
    }

    /// Sees to it that begun messages are looked at by then, and soon in any case.
    pub(super) fn watch_begun(&mut self, at: Instant, config: &Config) {
        let at = at.min(self.now + check_interval(config));
        self.deadlines.set_earlier(EngineTimer::Begun, at);
        self.watches_begun = true;
    }

    /// Begins to watch begun messages, unless they are watched already.
    pub(super) fn begin_to_watch(&mut self, config: &Config) {
        if !self.watches_begun {
            self.watch_begun(self.now + config.expired_after, config);
        }
    }

    /// The timer for begun messages has fired.
    pub(super) fn end_watch(&mut self) {
        self.watches_begun = false;
    }

    /// Time does not go backwards.
    pub(super) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(super) fn owner(&self, link: LinkId) -> Option<Owner> {
        self.owners.get(link)
    }

    /// Numbers a new connection, which has until `handshake_ends` to be made or bound.
    pub(super) fn add_link(&mut self, owner: Owner, handshake_ends: Instant) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.owners.insert(link, owner);
        self.deadlines
            .set(EngineTimer::Handshake(link), handshake_ends);
        link
    }

    /// An accepted connection turns out to carry a peer's session.
    pub(super) fn bind_link(&mut self, link: LinkId, peer: PeerId) {
        self.owners.insert(link, Owner::Incoming(peer));
        self.deadlines.clear(EngineTimer::Handshake(link));
    }

    /// A connection that we opened turns out to be to this peer.
    pub(super) fn give_link(&mut self, link: LinkId, peer: PeerId) {
        self.owners.insert(link, Owner::Outgoing(peer));
    }

    /// Whether a connection has had its time; one whose bytes may lie unread is given more.
    pub(super) fn is_handshake_over(
        &mut self,
        link: LinkId,
        patience: &mut Patience,
        backlog: &Backlog,
    ) -> bool {
        let is_over = patience.is_over(self.now, UNREAD_GRACE, None, backlog);
        if !is_over {
            self.deadlines
                .set(EngineTimer::Handshake(link), patience.deadline());
        }
        is_over
    }

    /// A connection is gone.
    pub(super) fn remove_link(&mut self, link: LinkId) {
        self.owners.remove(link);
        self.deadlines.clear(EngineTimer::Handshake(link));
    }

    /// Closes a connection from our side.
    pub(super) fn close_link(&mut self, link: LinkId) {
        self.remove_link(link);
        self.outputs.push(Output::Close(link));
    }

    /// A time less up to a quarter of it, so that not all peers try again at the same moment.
    pub(super) fn jitter(&mut self, time: Duration) -> Duration {
        let percent = 75 + self.generator.next_u32() % 26;
        time.saturating_mul(percent) / 100
    }
}

/// Where each connection is held.
///
/// A new connection has the highest number, so a sorted list only grows at its end. It takes half
/// the memory of a tree. Removing a connection moves those behind it; that is rare for old ones.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
struct Owners(Vec<(LinkId, Owner)>);

impl Owners {
    fn get(&self, link: LinkId) -> Option<Owner> {
        let place = self.find(link).ok()?;
        self.0.get(place).map(|(_, owner)| *owner)
    }

    fn insert(&mut self, link: LinkId, owner: Owner) {
        match self.find(link) {
            Ok(place) => {
                if let Some((_, known)) = self.0.get_mut(place) {
                    *known = owner;
                }
            }
            Err(place) => self.0.insert(place, (link, owner)),
        }
    }

    fn remove(&mut self, link: LinkId) {
        if let Ok(place) = self.find(link) {
            self.0.remove(place);
        }
    }

    /// The place of a connection, or where it would be.
    ///
    /// No number comes twice, so it is at most the distance from the first number, and there
    /// unless some between are gone: a search from there mostly ends at once.
    fn find(&self, link: LinkId) -> Result<usize, usize> {
        let (Some((first, _)), Some((last, _))) = (self.0.first(), self.0.last()) else {
            return Err(0);
        };
        if link > *last {
            return Err(self.0.len());
        }
        let distance = usize::try_from(link.0.saturating_sub(first.0)).unwrap_or(usize::MAX);
        let mut end = distance.saturating_add(1).min(self.0.len());
        let mut step = 1;
        loop {
            let start = end.saturating_sub(step);
            let part = self.0.get(start..end).unwrap_or_default();
            if start == 0 || part.first().is_some_and(|(known, _)| *known <= link) {
                let place = part.binary_search_by_key(&link, |(known, _)| *known);
                return place
                    .map(|place| start + place)
                    .map_err(|place| start + place);
            }
            (end, step) = (start, step * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_the_owner_that_was_named_last_until_it_is_gone() {
        let limits = Limits::default();
        let mut cx = EngineContext::new(&limits, &Seed::predictable([1; 32]), Instant::default());
        let peer = PeerId::from([7; 16]);
        let end = Instant::from_micros(10);
        let links = [Owner::Outgoing(peer), Owner::Unclaimed, Owner::Unclaimed];
        let [first, second, third] = links.map(|owner| cx.add_link(owner, end));
        cx.bind_link(third, peer);
        cx.close_link(second);
        assert_eq!(cx.owner(first), Some(Owner::Outgoing(peer)));
        assert_eq!(cx.owner(second), None);
        assert_eq!(cx.owner(third), Some(Owner::Incoming(peer)));
        assert!(cx.deadlines.due(end).eq([EngineTimer::Handshake(first)]));
    }

    #[test]
    fn connections_are_found_however_many_between_are_gone() {
        let mut owners = Owners::default();
        let kept = |number: u64| number % 7 == 3 || (40..60).contains(&number) || number > 180;
        for number in 0..200 {
            owners.insert(LinkId(number), Owner::Unclaimed);
        }
        for number in (0..200).filter(|number| !kept(*number)) {
            owners.remove(LinkId(number));
        }
        for number in 0..210 {
            let found = owners.get(LinkId(number)).is_some();
            assert_eq!(found, number < 200 && kept(number), "{number}");
            let place = owners.find(LinkId(number));
            let expected = owners
                .0
                .binary_search_by_key(&LinkId(number), |(known, _)| *known);
            assert_eq!(place, expected, "{number}");
        }
    }
}
