//! The events that wait for the application, whose turn it is, and deadlines that stand still while
//! a peer is not read.

mod aside;
mod patience;
mod queue;
#[cfg(test)]
mod tests;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use core::ops::{AddAssign, SubAssign};

use zre_proto::PeerId;

use crate::{config::Limits, event::Event};
use aside::Aside;
pub use patience::Patience;
pub(crate) use patience::ReliefWatch;
use patience::Reliefs;
use queue::Queue;

/// The events that the application has not taken yet.
///
/// # Turns
///
/// As long as few events wait, they stand in one queue in the order in which they came. When more
/// wait and they are not all of one peer, each peer has a queue and they take turns, so that a peer
/// that sends little does not wait behind all that another has sent. The events of one peer stay in
/// order. What is about no peer comes last.
///
/// # Limits
///
/// When as many events wait as the limits allow, the backlog is *congested* and no connection is
/// read. A peer is *held* when as much of its own waits as there is room left: its connections are
/// not read then, and the others' are. So one peer can take half of the room, two can take a third
/// each, and there is always room left for one more. A congestion is over when half of the limits
/// is free, and a peer is read again when about half of what it had has been taken; either ends
/// sooner if it lasts, see [`Backlog::relieve`].
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Backlog {
    /// Whether all events stand in `current`, in the order in which they came, and nobody is held
    /// or only the peer that has nearly all of them. Then nothing is known of them but their
    /// weight, which costs least.
    is_simple: bool,
    /// When so many are left in there, that peer may be read again.
    look_at: usize,
    /// What is taken next: first some events of any peers, then those of one peer alone.
    current: Queue,
    /// How many of these are of any peers, and whose the others are; not known while it is simple.
    mixed: usize,
    owner: Option<PeerId>,
    /// How many of the owner's events have been taken since its turn began.
    turn: usize,
    /// The peers that wait for their turn, and what each has. The owner is not among them.
    turns: VecDeque<PeerId>,
    others: BTreeMap<PeerId, Queue>,
    /// The events that are about no peer.
    last: Queue,
    /// The number of the newest event that is not in `current`.
    newest_elsewhere: u64,
    /// What waits elsewhere.
    aside: Aside,
    /// All that wait, here and elsewhere; while it is simple, only the weight is counted.
    total: Room,
    limits: Room,
    /// Half of the limits, rounded up.
    half: Room,
    /// Below this, events of any peers stand in one queue.
    little: Room,
    congested: bool,
    held: BTreeSet<PeerId>,
    reliefs: Reliefs,
    /// How many events have been queued since the beginning.
    queued: u64,
}

/// Some events, and the bytes that they hold; see [`Event::weight`].
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    events: usize,
    weight: usize,
}

impl Backlog {
    /// So many events of a peer are taken before it is the next one's turn.
    const TURN: usize = 32;
    /// At most so many events of several peers stand in one queue.
    const MIXED: usize = 64;

    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            is_simple: true,
            look_at: 0,
            current: Queue::default(),
            mixed: 0,
            owner: None,
            turn: 0,
            turns: VecDeque::new(),
            others: BTreeMap::new(),
            last: Queue::default(),
            newest_elsewhere: 0,
            aside: Aside::default(),
            total: Room::default(),
            limits: Room {
                events: limits.events,
                weight: limits.event_bytes,
            },
            half: Room {
                events: limits.events.div_ceil(2),
                weight: limits.event_bytes.div_ceil(2),
            },
            little: Room {
                events: Self::MIXED.min(limits.events / 16),
                weight: limits.event_bytes / 16,
            },
            congested: false,
            held: BTreeSet::new(),
            reliefs: Reliefs::default(),
            queued: 0,
        }
    }

    pub(crate) fn push(&mut self, event: Event) {
        let weight = event.weight();
        let before = self.total.weight;
        self.queued += 1;
        self.total.weight += weight;
        // While little waits, nothing else is looked at.
        let is_little = self.current.events.len() < self.little.events
            && self.total.weight < self.little.weight
            && !matches!(event, Event::Stop { .. });
        if !self.is_simple || !is_little && !self.follows(&event, before) {
            self.push_in_turns(event, weight);
            return;
        }
        self.current.events.push_back(event);
        // Below half of the limits, no peer can have more than is free.
        if self.is_half() {
            self.hold_newest();
        }
    }

    /// Takes the next event.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        if !self.is_simple {
            return self.pop_in_turns();
        }
        let weight = self.current.events.front()?.weight();
        if self.current.events.len() <= self.look_at {
            return self.pop_and_look();
        }
        self.total.weight -= weight;
        self.current.events.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        match self.is_simple {
            true => self.current.events.len(),
            false => self.total.events - self.aside.total.events,
        }
    }

    /// How many events have been queued since the beginning.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// The waiting events that were queued after the first `count` of all events, in the order in
    /// which they came.
    pub(crate) fn after(&self, count: u64) -> impl Iterator<Item = &Event> {
        if self.is_simple {
            let newer = self.current.last(self.queued.saturating_sub(count));
            return Vec::new().into_iter().chain(newer);
        }
        let queues = self.others.values().chain([&self.last]);
        let queues = queues.filter(|_| self.newest_elsewhere > count);
        let mut elsewhere: Vec<_> = queues
            .flat_map(|queue| queue.numbered_after(count))
            .collect();
        if elsewhere.is_empty() {
            return Vec::new().into_iter().chain(self.current.after(count));
        }
        elsewhere.extend(self.current.numbered_after(count));
        elsewhere.sort_unstable_by_key(|(number, _)| *number);
        let events: Vec<_> = elsewhere.into_iter().map(|(_, event)| event).collect();
        events.into_iter().chain(self.current.last(0))
    }

    /// Whether as many events wait as the limits allow, so that no connection is read.
    pub(crate) fn is_congested(&self) -> bool {
        self.congested
    }

    /// Whether more may be read of a peer.
    pub(crate) fn may_take(&self, peer: PeerId) -> bool {
        !self.congested && (self.held.is_empty() || !self.held.contains(&peer))
    }

    /// Whether anybody is not read.
    pub(crate) fn is_holding(&self) -> bool {
        self.congested || !self.held.is_empty()
    }

    /// Ends what may end as there is some room, however little: for an application that takes
    /// events so slowly that half of them takes long.
    pub(crate) fn relieve(&mut self) {
        self.end_simplicity(self.queued);
        self.end_congestion(Room::ONE);
        // Collected first, as it changes the set.
        let held: Vec<_> = self.held.iter().copied().collect();
        for peer in held {
            self.release(peer, Room::ONE);
        }
        self.simplify();
    }

    /// Gives back the memory of a burst.
    pub(crate) fn release_memory(&mut self) {
        const KEPT: usize = 256;
        self.current.shrink_to(KEPT);
    }
}

/// Turns.
impl Backlog {
    /// Whether an event may stand behind all others though nothing is known of them: as few wait,
    /// or as it is of the same peer as the last. Those behind the first few are all of one peer.
    #[inline(never)] // As all that is longer: inlined, it makes the short way long.
    fn follows(&self, event: &Event, weight_before: usize) -> bool {
        let waiting = self.current.events.len();
        let is_little = waiting < self.little.events && weight_before < self.little.weight;
        match self.current.events.back() {
            Some(last) if !is_little => last.peer() == event.peer(),
            _ => !matches!(event, Event::Stop { .. }),
        }
    }

    /// From now on it is known whose the events are, and what their numbers are.
    fn end_simplicity(&mut self, newest: u64) {
        if !core::mem::take(&mut self.is_simple) {
            return;
        }
        let events = &self.current.events;
        self.total.events = events.len() + self.aside.total.events;
        self.current.weight = self.total.weight - self.aside.total.weight;
        self.owner = events.back().and_then(Event::peer);
        let first = events.range(..events.len().min(self.little.events));
        let others = first.enumerate().rev();
        let mut others = others.filter(|(_, event)| event.peer() != self.owner);
        self.mixed = others.next().map_or(0, |(place, _)| place + 1);
        self.turn = 0;
        self.current.number_up_to(newest);
    }

    /// Nothing need be known of the events any more if all stand in one queue, and nobody is held
    /// but the peer that has the last of them, for their number.
    fn simplify(&mut self) {
        let is_one = self.turns.is_empty() && self.last.events.is_empty();
        if !is_one || !self.current.are_up_to(self.queued) || !self.reliefs.are_few() {
            return;
        }
        self.look_at = 0;
        if self.is_holding() {
            let newest = self.current.events.back().and_then(Event::peer);
            let is_it = newest.is_some_and(|peer| self.held.contains(&peer));
            let wanted = self.limits.enough();
            let is_light = self.total.weight + wanted.weight <= self.free().weight;
            let is_light = is_light && self.aside.total.is_nothing();
            if self.congested || self.held.len() > 1 || !is_it || !is_light {
                return;
            }
            self.look_at = (self.limits.events - wanted.events) / 2 + self.mixed + 1;
        }
        self.current.forget_numbers();
        self.is_simple = true;
    }

    /// Takes the next event, with which the peer that is held may be read again.
    #[inline(never)]
    fn pop_and_look(&mut self) -> Option<Event> {
        self.end_simplicity(self.queued);
        self.pop_in_turns()
    }

    /// Queues the newest event, which is counted in the weight already.
    #[inline(never)]
    fn push_in_turns(&mut self, event: Event, weight: usize) {
        if self.is_simple {
            self.total.weight -= weight;
            self.end_simplicity(self.queued - 1);
            self.total.weight += weight;
        }
        let (number, peer) = (self.queued, event.peer());
        self.total.events += 1;
        let is_next = peer.is_some() && self.turns.is_empty() && self.may_mix(weight);
        if peer.is_none() {
            self.newest_elsewhere = number;
            self.last.push(event, number, weight);
        } else if peer == self.owner {
            self.current.push(event, number, weight);
        } else if is_next {
            self.mixed = self.current.events.len();
            (self.owner, self.turn) = (peer, 0);
            self.current.push(event, number, weight);
        } else if let Some(peer) = peer {
            self.newest_elsewhere = number;
            let turns = &mut self.turns;
            let queue = self.others.entry(peer).or_insert_with(|| {
                turns.push_back(peer);
                Queue::default()
            });
            queue.push(event, number, weight);
        }
        self.hold(peer);
    }

    /// Takes the next event, of the peer whose turn it is.
    #[inline(never)]
    fn pop_in_turns(&mut self) -> Option<Event> {
        if !self.turns.is_empty() && self.is_turn_over() {
            self.begin_turn();
        }
        let event = match self.current.pop() {
            Some(event) if self.mixed > 0 => {
                self.mixed -= 1;
                event
            }
            Some(event) => {
                self.turn += 1;
                event
            }
            None => self.last.pop()?,
        };
        self.total.events -= 1;
        self.total.weight -= event.weight();
        self.relieve_after(&event);
        self.simplify();
        Some(event)
    }

    /// Whether so little waits that all may stand in one queue. Whose these events are is not
    /// counted. `newest` is the weight of the event that was added last.
    fn may_mix(&self, newest: usize) -> bool {
        let waiting = self.current.events.len();
        let weight = self.total.weight - newest;
        waiting == 0 || waiting < self.little.events && weight < self.little.weight
    }

    fn is_turn_over(&self) -> bool {
        self.current.events.is_empty() || self.mixed == 0 && self.turn >= Self::TURN
    }

    /// It is the next peer's turn. The queues change places; no event is moved.
    fn begin_turn(&mut self) {
        let Some(peer) = self.turns.pop_front() else {
            return;
        };
        let next = self.others.remove(&peer).unwrap_or_default();
        let before = core::mem::replace(&mut self.current, next);
        let owner = self.owner.replace(peer);
        self.turn = 0;
        if let Some(newest) = before.newest()
            && let Some(owner) = owner
        {
            self.newest_elsewhere = self.newest_elsewhere.max(newest);
            self.others.insert(owner, before);
            self.turns.push_back(owner);
        }
    }
}

/// Limits.
impl Backlog {
    /// Whether half of what may wait does, or more.
    fn is_half(&self) -> bool {
        self.len() + self.aside.total.events >= self.half.events
            || self.total.weight >= self.half.weight
    }

    /// So much waits that the peer whose event is the newest may be held.
    fn hold_newest(&mut self) {
        self.end_simplicity(self.queued);
        self.hold(self.owner);
        self.simplify();
    }

    /// An event of this peer has been added: stops reading if there is no more room.
    fn hold(&mut self, peer: Option<PeerId>) {
        let Room { events, weight } = self.limits;
        self.congested |= self.total.events >= events || self.total.weight >= weight;
        if let Some(peer) = peer
            && !self.has_room(peer, Room::ONE)
        {
            self.held.insert(peer);
        }
    }

    /// An event has been taken, which made room.
    fn relieve_after(&mut self, event: &Event) {
        let enough = self.limits.enough();
        self.end_congestion(enough);
        let Some(peer) = event.peer() else {
            return;
        };
        self.release(peer, enough);
        // Nothing is awaited any more from a peer that is gone and has not come again.
        if matches!(event, Event::Exit { .. }) && self.of_peer(peer).is_nothing() {
            self.reliefs.forget(peer);
        }
    }

    /// Ends a congestion if so much is free.
    fn end_congestion(&mut self, wanted: Room) {
        let free = self.free();
        if self.congested && free.events >= wanted.events && free.weight >= wanted.weight {
            self.congested = false;
            self.reliefs.note(None);
        }
    }

    /// Lets a peer be read again if there is so much room for it.
    fn release(&mut self, peer: PeerId, wanted: Room) {
        if self.held.contains(&peer) && self.has_room(peer, wanted) {
            self.held.remove(&peer);
            self.reliefs.note(Some(peer));
        }
    }

    /// Whether so much can be added of a peer before as much of its own waits as is free.
    fn has_room(&self, peer: PeerId, wanted: Room) -> bool {
        let (own, free) = (self.of_peer(peer), self.free());
        // One event may be as heavy as all that are allowed.
        own.is_nothing()
            || own.events + wanted.events <= free.events
                && own.weight.saturating_add(wanted.weight) <= free.weight
    }

    /// What waits of a peer, here and elsewhere, without what stands in the queue of several peers.
    /// Not asked while it is simple.
    fn of_peer(&self, peer: PeerId) -> Room {
        let (queue, mixed) = match self.owner == Some(peer) {
            true => (Some(&self.current), self.mixed),
            false => (self.others.get(&peer), 0),
        };
        let mut room = self.aside.of_peer(peer);
        if let Some(queue) = queue {
            room += Room {
                events: queue.events.len() - mixed,
                weight: queue.weight,
            };
        }
        room
    }

    fn free(&self) -> Room {
        Room {
            events: self.limits.events.saturating_sub(self.total.events),
            weight: self.limits.weight.saturating_sub(self.total.weight),
        }
    }
}

impl Room {
    const ONE: Self = Self {
        events: 1,
        weight: 1,
    };

    fn is_nothing(self) -> bool {
        self.events == 0 && self.weight == 0
    }

    /// So much more is to be free before reading goes on. With less, reading would stop and go on
    /// all the time.
    fn enough(self) -> Self {
        Self {
            events: (self.events / 2).max(1),
            weight: (self.weight / 2).max(1),
        }
    }
}

impl AddAssign for Room {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.weight += other.weight;
    }
}

impl SubAssign for Room {
    fn sub_assign(&mut self, other: Self) {
        self.events -= other.events;
        self.weight -= other.weight;
    }
}
