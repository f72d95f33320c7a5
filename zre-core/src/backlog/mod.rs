//! The events that wait for the application, whose turn it is, and deadlines that stand still while
//! a peer is not read.

mod patience;
mod queue;
#[cfg(test)]
mod tests;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use zre_proto::PeerId;

use crate::{config::Limits, event::Event};
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
/// each, and there is always room left for one more. Either is over when an eighth of the limits is
/// free again, or after a moment when there is any room at all; see [`Backlog::relieve`].
#[derive(Debug)]
pub(crate) struct Backlog {
    /// What is taken next: first `mixed` events of any peers, then those of `owner` alone.
    current: Queue,
    mixed: usize,
    owner: Option<PeerId>,
    /// How many of the owner's events have been taken since its turn began.
    turn: usize,
    /// The peers that wait for their turn, and what each has. The owner is not among them.
    turns: VecDeque<PeerId>,
    others: BTreeMap<PeerId, Queue>,
    /// The events that are about no peer.
    last: Queue,
    /// Whether `current` keeps the numbers of its events. As long as all events stand there, it
    /// need not: they are the last.
    is_numbered: bool,
    /// The number of the newest event that is not in `current`.
    newest_elsewhere: u64,
    /// All that wait.
    total: Room,
    limits: Room,
    /// Half of the limits, rounded up.
    half: Room,
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
            current: Queue::default(),
            mixed: 0,
            owner: None,
            turn: 0,
            turns: VecDeque::new(),
            others: BTreeMap::new(),
            last: Queue::default(),
            is_numbered: false,
            newest_elsewhere: 0,
            total: Room::default(),
            limits: Room {
                events: limits.events,
                weight: limits.event_bytes,
            },
            half: Room {
                events: limits.events.div_ceil(2),
                weight: limits.event_bytes.div_ceil(2),
            },
            congested: false,
            held: BTreeSet::new(),
            reliefs: Reliefs::default(),
            queued: 0,
        }
    }

    pub(crate) fn push(&mut self, event: Event) {
        let (peer, weight) = (event.peer(), event.weight());
        self.queued += 1;
        self.total.events += 1;
        self.total.weight += weight;
        // Nearly all: messages come in runs of one peer.
        if peer.is_some() && peer == self.owner {
            self.push_in_turn(event, weight);
        } else {
            self.push_aside(peer, event, weight);
        }
        // Below half of the limits, no peer can have more than is free.
        if self.total.events >= self.half.events || self.total.weight >= self.half.weight {
            self.hold(peer);
        }
    }

    /// Takes the next event.
    pub(crate) fn pop(&mut self) -> Option<Event> {
        if !self.turns.is_empty() && self.is_turn_over() {
            self.begin_turn();
        }
        let Some(event) = self.current.events.front() else {
            return self.pop_last();
        };
        let (weight, is_exit) = (event.weight(), matches!(event, Event::Exit { .. }));
        self.total.events -= 1;
        self.total.weight -= weight;
        if self.mixed > 0 {
            self.mixed -= 1;
        } else {
            self.current.weight -= weight;
            self.turn += 1;
        }
        if self.is_numbered {
            self.current.pop_number();
            self.is_numbered = self.total.events > 0;
        }
        if is_exit || self.is_holding() {
            return self.pop_and_relieve();
        }
        // Last, so that the event moves once.
        self.current.events.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.total.events == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.total.events
    }

    /// How many events have been queued since the beginning.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// The waiting events that were queued after the first `count` of all events, in the order in
    /// which they came.
    pub(crate) fn after(&self, count: u64) -> impl Iterator<Item = &Event> {
        let mut elsewhere = Vec::new();
        if self.newest_elsewhere > count {
            let queues = self.others.values().chain([&self.last, &self.current]);
            elsewhere.extend(queues.flat_map(|queue| queue.numbered_after(count)));
            elsewhere.sort_unstable_by_key(|(number, _)| *number);
        }
        let is_alone = elsewhere.is_empty();
        let current = is_alone.then(|| match self.is_numbered {
            true => self.current.after(count),
            false => self.current.last(self.queued.saturating_sub(count)),
        });
        let elsewhere = elsewhere.into_iter().map(|(_, event)| event);
        elsewhere.chain(current.into_iter().flatten())
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
    /// events so slowly that an eighth of the limits takes long.
    pub(crate) fn relieve(&mut self) {
        self.end_congestion(Room::ONE);
        // Collected first, as it changes the set.
        let held: Vec<_> = self.held.iter().copied().collect();
        for peer in held {
            self.release(peer, Room::ONE);
        }
    }

    /// Gives back the memory of a burst.
    pub(crate) fn release_memory(&mut self) {
        const KEPT: usize = 256;
        self.current.shrink_to(KEPT);
    }
}

/// Turns.
impl Backlog {
    /// Queues an event of the peer whose turn it is, or the first of one whose turn it is now.
    fn push_in_turn(&mut self, event: Event, weight: usize) {
        if self.is_numbered {
            self.current.push_number(self.queued);
        }
        self.current.weight += weight;
        self.current.events.push_back(event);
    }

    /// Queues an event that is not of the peer whose turn it is.
    fn push_aside(&mut self, peer: Option<PeerId>, event: Event, weight: usize) {
        let Some(peer) = peer else {
            self.begin_numbers();
            self.last.push(event, self.queued, weight);
            return;
        };
        if self.turns.is_empty() && self.may_mix(weight) {
            self.mixed = self.current.events.len();
            self.current.weight = 0;
            (self.owner, self.turn) = (Some(peer), 0);
            self.push_in_turn(event, weight);
            return;
        }
        self.begin_numbers();
        let turns = &mut self.turns;
        let queue = self.others.entry(peer).or_insert_with(|| {
            turns.push_back(peer);
            Queue::default()
        });
        queue.push(event, self.queued, weight);
    }

    /// The newest event is about to be queued elsewhere than those that came before.
    fn begin_numbers(&mut self) {
        self.newest_elsewhere = self.queued;
        if !self.is_numbered {
            self.is_numbered = true;
            self.current.number_before(self.queued);
        }
    }

    /// Whether so little waits that all may stand in one queue. Whose these events are is not
    /// counted. `newest` is the weight of the event that was added last.
    fn may_mix(&self, newest: usize) -> bool {
        let waiting = self.current.events.len();
        let weight = self.total.weight - newest;
        let few = Self::MIXED.min(self.limits.events / 16);
        waiting == 0 || waiting < few && weight < self.limits.weight / 16
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

    /// Takes the next event that is about no peer.
    fn pop_last(&mut self) -> Option<Event> {
        let event = self.last.events.pop_front()?;
        self.last.pop_number();
        self.total.events -= 1;
        self.total.weight -= event.weight();
        self.is_numbered = self.total.events > 0;
        self.end_congestion(self.limits.eighth());
        Some(event)
    }
}

/// Limits.
impl Backlog {
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

    /// Takes the next event, which is not counted any more, and sees whether that made enough room.
    fn pop_and_relieve(&mut self) -> Option<Event> {
        let event = self.current.events.pop_front()?;
        self.relieve_after(&event);
        Some(event)
    }

    /// An event has been taken, which made room.
    fn relieve_after(&mut self, event: &Event) {
        let enough = self.limits.eighth();
        self.end_congestion(enough);
        let Some(peer) = event.peer() else {
            return;
        };
        self.release(peer, enough);
        // Nothing is awaited any more from a peer that is gone and has not come again.
        if matches!(event, Event::Exit { .. }) && self.of_peer(peer).events == 0 {
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
        own.events == 0
            || own.events + wanted.events <= free.events
                && own.weight.saturating_add(wanted.weight) <= free.weight
    }

    /// What waits of a peer, without what stands in the queue of several peers.
    fn of_peer(&self, peer: PeerId) -> Room {
        let (queue, mixed) = match self.owner == Some(peer) {
            true => (Some(&self.current), self.mixed),
            false => (self.others.get(&peer), 0),
        };
        queue.map_or(Room::default(), |queue| Room {
            events: queue.events.len() - mixed,
            weight: queue.weight,
        })
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

    /// So much is to be free before reading goes on. With less, reading would stop and go on with
    /// each event.
    fn eighth(self) -> Self {
        Self {
            events: (self.events / 8).max(1),
            weight: (self.weight / 8).max(1),
        }
    }
}
