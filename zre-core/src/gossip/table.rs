//! The tuples that are known, and when their peers are sought.
//!
//! # What is told
//!
//! A tuple is told to all others when it comes, and while its peer is there. It is told no more
//! when the peer has gone, or has not been found for `expired_after`.
//!
//! # Who is sought
//!
//! The peer of a new tuple is sought at once. One that is gone, or is not found, is sought again
//! with a growing pause: up to 10 s at first, and the longer it has not been there the less often.
//! One that has said goodbye is *dropped*: it is sought only if its tuple comes again, and then
//! only a few times, for a hub of zyre tells old tuples for ever.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use zre_proto::{GossipMessage, GossipTuple, KeyedEndpoint, PeerId, Text};

use super::{
    GossipOutput,
    share::{Origin, Shares},
};
use crate::{config::Config, engine::LinkId, time::Instant};

/// So many peers are sought at once, or a quarter of those that may be pending. The others wait for
/// their turn.
const SOUGHT_AT_ONCE: usize = 256;
/// The pause before a peer is sought again. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause while a peer has not been missing for long.
const USUAL_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause at all.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A tuple that nobody tells any more is forgotten when its peer has been missing for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// So often is the peer of a dropped tuple sought when it comes again.
const TRIES_WHEN_DROPPED: u32 = 3;
/// So often may a tuple change without rest. Hubs that contradict each other would go on for ever.
const CHANGES: u32 = 4;
/// After so long without a change, it may change as often again.
const REST: Duration = Duration::from_secs(10);
/// What a tuple takes besides its text.
const TUPLE_COST: usize = 32;

/// Where a tuple came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Hub(u32),
    Client(LinkId),
}

/// The place of a tuple in the order in which they are told; 0 if it is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Version(u64);

/// By what it is seen that there is something to tell or another time to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    last_version: u64,
    due_at: Option<Instant>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Table {
    tuples: BTreeMap<PeerId, Tuple>,
    told: BTreeMap<Version, PeerId>,
    due: BTreeSet<(Instant, PeerId)>,
    shares: Shares,
    last_version: u64,
    bytes: usize,
    /// How many are being sought.
    sought: usize,
    sought_limit: usize,
    tuples_limit: usize,
    bytes_limit: usize,
    expired_after: Duration,
    /// Whether this node has a key, so that it can connect to those alone that have one.
    is_secured: bool,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Tuple {
    value: Text,
    source: Source,
    origin: Origin,
    version: Version,
    state: State,
    /// Whether it has been there, since the tuple came.
    has_entered: bool,
    /// Whether it has said goodbye, and has not been there since.
    is_dropped: bool,
    /// Since when it is not there.
    since: Instant,
    /// How often it has been sought since.
    tries: u32,
    /// How often it has been sought because its tuple came again, and when it last did.
    repeats: u32,
    repeated_at: Instant,
    /// How often the value has changed without rest, and when it last did.
    changes: u32,
    changed_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its peer is there.
    There,
    Sought,
    /// It is sought then.
    Due(Instant),
    /// It is not sought.
    Idle,
}

/// What became of a tuple that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing follows, or the peer is due.
    Known,
    /// It is new, and has a key, which this node has not.
    Secured,
    /// The peer is there, and is said to be elsewhere now.
    Moved,
    /// There is no room for it.
    Full,
}

/// Looking.
impl Table {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            tuples: BTreeMap::new(),
            told: BTreeMap::new(),
            due: BTreeSet::new(),
            shares: Shares::new(config.limits.gossip_tuples, config.limits.gossip_bytes),
            last_version: 0,
            bytes: 0,
            sought: 0,
            sought_limit: SOUGHT_AT_ONCE.min(config.limits.pending_peers.div_ceil(4)),
            tuples_limit: config.limits.gossip_tuples,
            bytes_limit: config.limits.gossip_bytes,
            expired_after: config.expired_after,
            is_secured: config.security.is_some(),
        }
    }

    /// Whether an origin may bring a new tuple now, which counts.
    pub(super) fn may_bring(&mut self, origin: Origin, now: Instant) -> bool {
        self.shares.may_bring(origin, now)
    }

    pub(super) fn has(&self, peer: PeerId, value: &Text) -> bool {
        self.tuples
            .get(&peer)
            .is_some_and(|tuple| tuple.value == *value)
    }

    pub(super) fn source(&self, peer: PeerId) -> Option<Source> {
        self.tuples.get(&peer).map(|tuple| tuple.source)
    }

    /// The next tuple to be told that did not come from `source`.
    pub(super) fn next_after(&self, told: &mut Version, source: Source) -> Option<GossipMessage> {
        let from = Version(told.0 + 1);
        for (version, peer) in self.told.range(from..) {
            *told = *version;
            if let Some(tuple) = self.tuples.get(peer).filter(|it| it.source != source) {
                return Some(GossipMessage::Publish {
                    key: GossipTuple::key_of(*peer),
                    value: tuple.value.clone(),
                    ttl: 0,
                });
            }
        }
        None
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            last_version: self.last_version,
            due_at: self.due_at(),
        }
    }

    /// When the next peer is to be sought.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let next = self.due.first().map(|(at, _)| *at);
        // If all places are taken, one that becomes free comes with another call.
        next.filter(|_| self.sought < self.sought_limit)
    }
}

#[cfg(test)]
impl Table {
    pub(super) fn len(&self) -> usize {
        self.tuples.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Tuples come and go.
impl Table {
    pub(super) fn take(
        &mut self,
        (source, origin): (Source, Origin),
        tuple: &GossipTuple,
        value: &Text,
        now: Instant,
    ) -> Taken {
        let peer = tuple.peer;
        match self.tuples.get(&peer) {
            Some(known) if known.value == *value => {
                self.comes_again(peer, now);
                return Taken::Known;
            }
            Some(known) if known.is_flapping(now) => return Taken::Known,
            Some(_) | None => {}
        }
        if !self.make_room(peer, origin, value.len() + TUPLE_COST) {
            return Taken::Full;
        }
        let known = self.tuples.get(&peer);
        let was_there = known.is_some_and(|it| it.state == State::There);
        let before = self.remove(peer);
        let changes = before.map_or(0, |it| it.next_changes(now));
        let is_secured = tuple.public_key.is_some() && !self.is_secured;
        self.insert(
            peer,
            Tuple {
                value: value.clone(),
                source,
                origin,
                version: Version::default(),
                state: match (was_there, is_secured) {
                    (true, _) => State::There,
                    (false, true) => State::Idle,
                    (false, false) => State::Due(now),
                },
                has_entered: was_there,
                is_dropped: false,
                since: now,
                tries: 0,
                repeats: 0,
                repeated_at: now,
                changes,
                changed_at: now,
            },
        );
        self.tell(peer);
        match (is_secured, was_there) {
            (true, _) => Taken::Secured,
            (false, true) => Taken::Moved,
            (false, false) => Taken::Known,
        }
    }

    /// The same tuple has come again: its peer may be back.
    fn comes_again(&mut self, peer: PeerId, now: Instant) {
        let Some(tuple) = self.tuples.get_mut(&peer) else {
            return;
        };
        let is_missing = match tuple.state {
            State::Due(at) => at > now,
            State::Idle => tuple.is_dropped,
            State::There | State::Sought => false,
        };
        let doubled = 2_u32.saturating_pow(tuple.repeats);
        let pause = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
        if !is_missing || now < tuple.repeated_at + pause {
            return;
        }
        tuple.repeats = tuple.repeats.saturating_add(1);
        tuple.repeated_at = now;
        tuple.tries = 0;
        self.set_state(peer, State::Due(now));
    }

    /// A connection has ended. Of a tuple whose peer cannot be asked, nothing else says that it is
    /// still there.
    pub(super) fn source_ended(&mut self, source: Source) {
        let is_unsure = |tuple: &Tuple| tuple.state == State::Idle && !tuple.is_dropped;
        let tuples = self.tuples.iter();
        let unsure = tuples.filter(|(_, tuple)| tuple.source == source && is_unsure(tuple));
        let unsure: Vec<_> = unsure.map(|(peer, _)| *peer).collect();
        for peer in unsure {
            self.remove(peer);
        }
    }

    /// Makes room for a tuple of so many bytes, in place of the one that its peer has.
    fn make_room(&mut self, peer: PeerId, origin: Origin, bytes: usize) -> bool {
        loop {
            let (mut tuples, mut of_all) = (self.tuples.len(), self.bytes);
            let mut held = self.shares.held(origin);
            if let Some(before) = self.tuples.get(&peer) {
                tuples -= 1;
                of_all -= before.bytes();
                if before.origin == origin {
                    held = held.without(before.bytes());
                }
            }
            let held = held.with(bytes);
            let has_place = tuples < self.tuples_limit && of_all + bytes <= self.bytes_limit;
            let loser = match (self.shares.is_within(held), has_place) {
                (true, true) => return true,
                (false, _) => self.most_dispensable(peer, |it| it.origin == origin),
                (true, false) => self.most_dispensable_of_others(peer, self.shares.weight(held)),
            };
            let Some(loser) = loser else {
                return false;
            };
            self.remove(loser);
        }
    }

    /// The tuple that is the first to make room: one that is dropped, or else one whose peer has
    /// never been there, or else one whose peer has been missing for longest.
    fn most_dispensable(
        &self,
        except: PeerId,
        is_meant: impl Fn(&Tuple) -> bool,
    ) -> Option<PeerId> {
        let tuples = self.tuples.iter();
        let missing = tuples.filter(|(peer, it)| {
            // One that is new, and has not been sought yet, does not make room for a newer one.
            **peer != except && it.state != State::There && !it.is_new() && is_meant(it)
        });
        let order = |it: &Tuple| (!it.is_dropped, it.has_entered, it.since);
        let first = missing.min_by_key(|(peer, it)| (order(it), **peer));
        first.map(|(peer, _)| *peer)
    }

    /// The tuple that is the first to make room for one of an origin that would have so much then.
    /// It is of one that has no less. Where all are new, the latest of the one that has most goes:
    /// others could fill the table for minutes.
    fn most_dispensable_of_others(&self, except: PeerId, weight: u128) -> Option<PeerId> {
        let weight_of = |it: &Tuple| self.shares.weight(self.shares.held(it.origin));
        let missing = self.most_dispensable(except, |it| it.is_dropped || weight_of(it) >= weight);
        missing.or_else(|| {
            let tuples = self.tuples.iter();
            let new = tuples.filter(|(peer, it)| **peer != except && it.is_new());
            let crowding = new.filter(|(_, it)| weight_of(it) > weight);
            let order = |it: &Tuple| (weight_of(it), it.state != State::Sought, it.since);
            let last = crowding.max_by_key(|(peer, it)| (order(it), **peer));
            last.map(|(peer, _)| *peer)
        })
    }

    fn insert(&mut self, peer: PeerId, tuple: Tuple) {
        let bytes = tuple.bytes();
        self.bytes += bytes;
        self.shares.add(tuple.origin, bytes);
        if let State::Due(at) = tuple.state {
            self.due.insert((at, peer));
        }
        self.tuples.insert(peer, tuple);
    }

    fn remove(&mut self, peer: PeerId) -> Option<Tuple> {
        self.leave_state(peer);
        self.tell_no_more(peer);
        let tuple = self.tuples.remove(&peer)?;
        let bytes = tuple.bytes();
        self.bytes -= bytes;
        self.shares.remove(tuple.origin, bytes);
        Some(tuple)
    }
}

/// Peers come and go.
impl Table {
    /// Takes the next peer that is to be sought, and where.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<GossipOutput> {
        while self.sought < self.sought_limit {
            let (at, peer) = *self.due.first()?;
            if at > now {
                return None;
            }
            let tuple = self.tuples.get(&peer);
            let found = tuple.and_then(|tuple| Some((tuple.place()?, tuple.is_sought_again())));
            let Some((place, is_again)) = found else {
                // Cannot happen: its value has been read.
                self.remove(peer);
                continue;
            };
            self.set_state(peer, State::Sought);
            return Some(GossipOutput::Seek {
                peer,
                place,
                is_again,
            });
        }
        None
    }

    /// The peer is there.
    pub(super) fn is_there(&mut self, peer: PeerId) {
        let Some(tuple) = self.tuples.get_mut(&peer) else {
            return;
        };
        tuple.has_entered = true;
        tuple.is_dropped = false;
        tuple.repeats = 0;
        let is_told = tuple.version != Version::default();
        self.set_state(peer, State::There);
        if !is_told {
            self.tell(peer);
        }
    }

    /// The peer has said goodbye, or it cannot be at the place that the tuple names.
    pub(super) fn drop(&mut self, peer: PeerId, now: Instant) {
        self.tell_no_more(peer);
        self.set_state(peer, State::Idle);
        if let Some(tuple) = self.tuples.get_mut(&peer) {
            tuple.is_dropped = true;
            tuple.since = now;
        }
    }

    /// The peer is gone, or has not been found. `percent` varies the pause before it is sought
    /// again.
    pub(super) fn is_missed(
        &mut self,
        peer: PeerId,
        is_source_live: bool,
        percent: u32,
        now: Instant,
    ) {
        let Some(tuple) = self.tuples.get_mut(&peer) else {
            return;
        };
        match tuple.state {
            State::There => {
                tuple.since = now;
                tuple.tries = 0;
            }
            State::Sought => tuple.tries = tuple.tries.saturating_add(1),
            // Nobody sought it for this tuple.
            State::Due(_) | State::Idle => return,
        }
        let missing_for = now.since(tuple.since);
        let was_there = tuple.state == State::There;
        if tuple.is_dropped && tuple.tries >= TRIES_WHEN_DROPPED {
            return self.set_state(peer, State::Idle);
        }
        if !is_source_live && missing_for >= FORGOTTEN_AFTER {
            self.remove(peer);
            return;
        }
        let pause = tuple.pause(missing_for) * percent / 100;
        self.set_state(peer, State::Due(now + pause));
        if was_there || missing_for >= self.expired_after {
            self.tell_no_more(peer);
        }
    }

    /// The peer could not be sought now, through no fault of its own.
    pub(super) fn postpone(&mut self, peer: PeerId, now: Instant) {
        let tuple = self.tuples.get(&peer);
        if tuple.is_some_and(|tuple| tuple.state == State::Sought) {
            self.set_state(peer, State::Due(now + FIRST_PAUSE));
        }
    }

    fn set_state(&mut self, peer: PeerId, state: State) {
        self.leave_state(peer);
        let Some(tuple) = self.tuples.get_mut(&peer) else {
            return;
        };
        tuple.state = state;
        match state {
            State::Sought => self.sought += 1,
            State::Due(at) => {
                self.due.insert((at, peer));
            }
            State::There | State::Idle => {}
        }
    }

    fn leave_state(&mut self, peer: PeerId) {
        let Some(tuple) = self.tuples.get_mut(&peer) else {
            return;
        };
        match core::mem::replace(&mut tuple.state, State::Idle) {
            State::Sought => self.sought -= 1,
            State::Due(at) => {
                self.due.remove(&(at, peer));
            }
            State::There | State::Idle => {}
        }
    }

    /// From now on the tuple is told, behind all others.
    fn tell(&mut self, peer: PeerId) {
        self.tell_no_more(peer);
        if let Some(tuple) = self.tuples.get_mut(&peer) {
            self.last_version += 1;
            tuple.version = Version(self.last_version);
            self.told.insert(tuple.version, peer);
        }
    }

    fn tell_no_more(&mut self, peer: PeerId) {
        if let Some(tuple) = self.tuples.get_mut(&peer) {
            self.told.remove(&core::mem::take(&mut tuple.version));
        }
    }
}

impl Tuple {
    fn bytes(&self) -> usize {
        self.value.len() + TUPLE_COST
    }

    fn place(&self) -> Option<KeyedEndpoint> {
        self.value.as_str()?.parse().ok()
    }

    /// Whether it has not been sought yet, or is for the first time.
    fn is_new(&self) -> bool {
        let is_sought = matches!(self.state, State::Due(_) | State::Sought);
        self.tries == 0 && !self.is_dropped && is_sought
    }

    /// Whether it need not be sought as eagerly as one that has just come.
    fn is_sought_again(&self) -> bool {
        self.tries > 0 || self.is_dropped
    }

    fn is_flapping(&self, now: Instant) -> bool {
        self.next_changes(now) > CHANGES
    }

    fn next_changes(&self, now: Instant) -> u32 {
        match now.since(self.changed_at) < REST {
            true => self.changes.saturating_add(1),
            false => 0,
        }
    }

    fn pause(&self, missing_for: Duration) -> Duration {
        let doubled = 2_u32.saturating_pow(self.tries);
        // One that has been there is worth more.
        let longest = match self.has_entered {
            true => missing_for / 60,
            false => missing_for / 4,
        };
        let longest = longest.clamp(USUAL_PAUSE, LONGEST_PAUSE);
        FIRST_PAUSE.saturating_mul(doubled).min(longest)
    }
}
