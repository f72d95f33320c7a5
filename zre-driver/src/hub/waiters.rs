//! Who waits for what.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    task::{Context, Waker},
};

use zre_core::{
    Event, Instant, LinkId, RequestId,
    proto::{GroupName, PeerId, ShortText},
};

use super::aftermath::Aftermath;

/// Something that one operation waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// That this time has come.
    Moment(Instant),
    /// That a peer can be sent another message, or is gone.
    Capacity(PeerId),
    /// The answer to the PING with this number.
    Answer(PeerId, u64),
    /// That a peer has entered.
    Peer(PeerId),
    /// That exactly one peer has this name.
    Name(ShortText),
    /// That so many peers are in a group.
    Members(GroupName, usize),
    /// That any peer comes or goes, joins or leaves.
    PeerChange,
    /// The outcome of a request.
    Outcome(RequestId),
}

/// What has changed since the last look, of all that somebody may wait for.
///
/// A look at everything that is awaited takes time for each peer that somebody waits for, so it is
/// left to what is rare. A connection that has moved concerns its peer alone.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Connections that have been read or written.
    moved: Vec<LinkId>,
    /// A connection has come or gone, and with it what can be sent.
    connections: bool,
    /// A peer has come or gone, has joined or left.
    peers: bool,
}

impl Changes {
    /// A connection has been read or written.
    pub(super) fn note_moved(&mut self, link: LinkId) {
        self.moved.push(link);
    }

    /// A connection has come or gone.
    pub(super) fn note_connections(&mut self) {
        self.connections = true;
    }

    pub(super) fn note_event(&mut self, event: &Event) {
        self.peers |= matches!(
            event,
            Event::Enter { .. } | Event::Exit { .. } | Event::Join { .. } | Event::Leave { .. }
        );
    }

    /// Whether this may have come true, whichever peer it is about.
    pub(super) fn concern(&self, awaited: &Awaited) -> bool {
        match awaited {
            // A peer that goes takes no more, and answers no more.
            Awaited::Capacity(_) | Awaited::Answer(..) => self.connections || self.peers,
            Awaited::Peer(_) | Awaited::Name(_) | Awaited::Members(..) | Awaited::PeerChange => {
                self.peers
            }
            Awaited::Moment(_) | Awaited::Outcome(_) => false,
        }
    }

    /// Whether a peer has come or gone, has joined or left.
    pub(super) fn are_of_peers(&self) -> bool {
        self.peers
    }

    /// Whether something has changed that is not one peer's.
    pub(super) fn are_general(&self) -> bool {
        self.connections || self.peers
    }

    /// The connections that have been read or written.
    pub(super) fn moved(&self) -> impl Iterator<Item = LinkId> {
        self.moved.iter().copied()
    }

    /// All has been looked at.
    pub(super) fn clear(&mut self) {
        self.moved.clear();
        (self.connections, self.peers) = (false, false);
    }
}

/// All who wait.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// For the next event.
    events: WakerSet,
    /// For the end of the node.
    end: WakerSet,
    /// For the next request of a peer.
    requests: WakerSet,
    /// For all else, by what they wait for.
    operations: BTreeMap<Awaited, WakerSet>,
    last_id: OperationId,
}

/// Which operation, counted from 1.
type OperationId = u64;

/// An operation's place among those who wait.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    /// 0 as long as it has not had to wait.
    id: OperationId,
    waits_for: WaitsFor,
}

/// What an operation has last waited for. It may have been woken since.
#[derive(Debug, Default)]
enum WaitsFor {
    #[default]
    Nothing,
    /// The next event.
    Event,
    /// The end of the node.
    End,
    /// The next request of a peer.
    Request,
    /// Any of these, which are in order.
    AnyOf(Vec<Awaited>),
}

impl Ticket {
    /// Whether it may have a waker here.
    pub(super) fn is_waiting(&self) -> bool {
        !matches!(self.waits_for, WaitsFor::Nothing)
    }
}

/// Beginning and ending to wait. An operation waits for one kind of thing all its life.
impl Waiters {
    /// Lets an operation wait for the next event.
    pub(super) fn wait_for_event(
        &mut self,
        ticket: &mut Ticket,
        cx: &Context<'_>,
        aftermath: &mut Aftermath,
    ) {
        let id = self.id_of(ticket);
        ticket.waits_for = WaitsFor::Event;
        self.events.put(id, cx, aftermath);
    }

    /// Lets an operation wait for the end of the node.
    pub(super) fn wait_for_end(
        &mut self,
        ticket: &mut Ticket,
        cx: &Context<'_>,
        aftermath: &mut Aftermath,
    ) {
        let id = self.id_of(ticket);
        ticket.waits_for = WaitsFor::End;
        self.end.put(id, cx, aftermath);
    }

    /// Lets an operation wait for the next request of a peer.
    pub(super) fn wait_for_request(
        &mut self,
        ticket: &mut Ticket,
        cx: &Context<'_>,
        aftermath: &mut Aftermath,
    ) {
        let id = self.id_of(ticket);
        ticket.waits_for = WaitsFor::Request;
        self.requests.put(id, cx, aftermath);
    }

    /// Lets an operation wait for any of these, and for nothing that it waited for before.
    pub(super) fn wait_for_any(
        &mut self,
        ticket: &mut Ticket,
        awaited: impl IntoIterator<Item = Awaited>,
        cx: &Context<'_>,
        aftermath: &mut Aftermath,
    ) {
        let id = self.id_of(ticket);
        let mut awaited: Vec<_> = awaited.into_iter().collect();
        awaited.sort_unstable();
        if let WaitsFor::AnyOf(before) = std::mem::take(&mut ticket.waits_for) {
            let over = before
                .iter()
                .filter(|it| awaited.binary_search(it).is_err());
            let forgotten = over.filter_map(|it| self.forget_awaited(it, id));
            forgotten.for_each(|waker| aftermath.retire(waker));
        }
        for awaited in &awaited {
            // Looked for first: the others who wait for the same have cloned it already.
            let known = self.operations.get_mut(awaited);
            match known {
                Some(wakers) => wakers.put(id, cx, aftermath),
                None => {
                    let wakers = self.operations.entry(awaited.clone()).or_default();
                    wakers.put(id, cx, aftermath);
                }
            }
        }
        ticket.waits_for = WaitsFor::AnyOf(awaited);
    }

    /// The operation waits no longer. Drop what this gives when the hub is not locked.
    pub(super) fn forget(&mut self, ticket: &mut Ticket) -> Vec<Waker> {
        let id = ticket.id;
        match std::mem::take(&mut ticket.waits_for) {
            WaitsFor::Nothing => Vec::new(),
            WaitsFor::Event => self.events.remove(id).into_iter().collect(),
            WaitsFor::End => self.end.remove(id).into_iter().collect(),
            WaitsFor::Request => self.requests.remove(id).into_iter().collect(),
            WaitsFor::AnyOf(awaited) => {
                let awaited = awaited.iter();
                awaited
                    .filter_map(|it| self.forget_awaited(it, id))
                    .collect()
            }
        }
    }

    fn id_of(&mut self, ticket: &mut Ticket) -> OperationId {
        if ticket.id == 0 {
            self.last_id += 1;
            ticket.id = self.last_id;
        }
        ticket.id
    }

    fn forget_awaited(&mut self, awaited: &Awaited, id: OperationId) -> Option<Waker> {
        let wakers = self.operations.get_mut(awaited)?;
        let forgotten = wakers.remove(id);
        if wakers.is_empty() {
            self.operations.remove(awaited);
        }
        forgotten
    }
}

/// Waking.
impl Waiters {
    /// Whether an operation waits for anything but events and the end.
    pub(super) fn has_operations(&self) -> bool {
        !self.operations.is_empty()
    }

    /// Whether anybody waits for room to send.
    pub(super) fn await_capacity(&self) -> bool {
        let first = Awaited::Capacity([0; 16].into());
        let mut later = self.operations.range(first..);
        matches!(later.next(), Some((Awaited::Capacity(_), _)))
    }

    /// Whether anybody waits for the outcome of a request.
    pub(super) fn await_outcome(&self) -> bool {
        // They come behind all else.
        let last = self.operations.last_key_value();
        matches!(last, Some((Awaited::Outcome(_), _)))
    }

    /// Whether anybody waits for an answer.
    pub(super) fn await_answers(&self) -> bool {
        let first = Awaited::Answer([0; 16].into(), 0);
        let mut later = self.operations.range(first..);
        matches!(later.next(), Some((Awaited::Answer(..), _)))
    }

    /// The first moment that anybody waits for.
    pub(super) fn next_moment(&self) -> Option<Instant> {
        // They come before all else.
        match self.operations.first_key_value() {
            Some((Awaited::Moment(at), _)) => Some(*at),
            _ => None,
        }
    }

    /// Wakes those whose moment has come.
    pub(super) fn wake_moments(&mut self, now: Instant, aftermath: &mut Aftermath) {
        while let Some(at) = self.next_moment().filter(|at| *at <= now) {
            self.wake_awaited(&Awaited::Moment(at), aftermath);
        }
    }

    /// Wakes all who wait for events.
    pub(super) fn wake_for_event(&mut self, aftermath: &mut Aftermath) {
        self.events.wake(aftermath);
    }

    /// Wakes all who wait for requests of peers.
    pub(super) fn wake_for_request(&mut self, aftermath: &mut Aftermath) {
        self.requests.wake(aftermath);
    }

    /// Wakes who waits for the outcome of a request.
    pub(super) fn wake_for_outcome(&mut self, id: RequestId, aftermath: &mut Aftermath) {
        self.wake_awaited(&Awaited::Outcome(id), aftermath);
    }

    /// Wakes those whose wait is over, of all.
    pub(super) fn wake_met(
        &mut self,
        is_met: impl Fn(&Awaited) -> bool,
        aftermath: &mut Aftermath,
    ) {
        self.operations.retain(|awaited, wakers| {
            let is_met = is_met(awaited);
            if is_met {
                wakers.wake(aftermath);
            }
            !is_met
        });
    }

    /// Wakes those whose wait is over, of those who wait for this peer to take or answer something.
    pub(super) fn wake_met_by(
        &mut self,
        peer: PeerId,
        is_met: impl Fn(&Awaited) -> bool,
        aftermath: &mut Aftermath,
    ) {
        let capacity = Awaited::Capacity(peer);
        if self.operations.contains_key(&capacity) && is_met(&capacity) {
            self.wake_awaited(&capacity, aftermath);
        }
        // PINGs are answered in the order of their numbers.
        let answers = Awaited::Answer(peer, 0)..=Awaited::Answer(peer, u64::MAX);
        while let Some((answer, _)) = self.operations.range(answers.clone()).next()
            && is_met(answer)
        {
            let answer = answer.clone();
            self.wake_awaited(&answer, aftermath);
        }
    }

    fn wake_awaited(&mut self, awaited: &Awaited, aftermath: &mut Aftermath) {
        if let Some(mut wakers) = self.operations.remove(awaited) {
            wakers.wake(aftermath);
        }
    }

    /// The node is over: wakes all.
    pub(super) fn wake_all(&mut self, aftermath: &mut Aftermath) {
        self.events.wake(aftermath);
        self.end.wake(aftermath);
        self.requests.wake(aftermath);
        self.wake_met(|_| true, aftermath);
    }

    /// Whether something is met and nobody has been woken for it.
    pub(super) fn any_met(&self, is_met: impl Fn(&Awaited) -> bool) -> bool {
        // These come last. They are many, and are woken by their numbers.
        let is_outcome = |awaited: &&Awaited| matches!(awaited, Awaited::Outcome(_));
        let mut others = self.operations.keys().take_while(|it| !is_outcome(it));
        others.any(is_met)
    }
}

/// The wakers of those who wait for one thing.
#[derive(Debug, Default)]
struct WakerSet {
    // Mostly one waits, and then needs no memory of its own.
    first: Option<(OperationId, Waker)>,
    others: BTreeMap<OperationId, Waker>,
}

impl WakerSet {
    fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }

    /// Adds an operation's waker, in place of an older one of it.
    fn put(&mut self, id: OperationId, cx: &Context<'_>, aftermath: &mut Aftermath) {
        if self.is_empty() {
            self.first = Some((id, cx.waker().clone()));
            return;
        }
        let known = match &mut self.first {
            Some((first, known)) if *first == id => known,
            _ => match self.others.entry(id) {
                Entry::Vacant(place) => {
                    place.insert(cx.waker().clone());
                    return;
                }
                Entry::Occupied(known) => known.into_mut(),
            },
        };
        if !known.will_wake(cx.waker()) {
            aftermath.retire(std::mem::replace(known, cx.waker().clone()));
        }
    }

    fn remove(&mut self, id: OperationId) -> Option<Waker> {
        match self.first.take_if(|(first, _)| *first == id) {
            Some((_, waker)) => Some(waker),
            None => self.others.remove(&id),
        }
    }

    fn wake(&mut self, aftermath: &mut Aftermath) {
        if let Some((_, waker)) = self.first.take() {
            aftermath.wake(waker);
        }
        if !self.others.is_empty() {
            let others = std::mem::take(&mut self.others);
            others.into_values().for_each(|waker| aftermath.wake(waker));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn peer(number: u8) -> PeerId {
        [number; 16].into()
    }

    fn capacity(peers: &[u8]) -> impl Iterator<Item = Awaited> {
        peers.iter().map(|number| Awaited::Capacity(peer(*number)))
    }

    /// Waits, and does at once what is left to do.
    fn wait_for(
        waiters: &mut Waiters,
        ticket: &mut Ticket,
        awaited: impl IntoIterator<Item = Awaited>,
        count: &Arc<Count>,
    ) {
        let (waker, mut aftermath) = (Waker::from(Arc::clone(count)), Aftermath::default());
        let cx = Context::from_waker(&waker);
        waiters.wait_for_any(ticket, awaited, &cx, &mut aftermath);
        aftermath.carry_out();
    }

    /// Who waits for any of these peers, and how often it has been woken.
    fn wait(waiters: &mut Waiters, peers: &[u8]) -> (Ticket, Arc<Count>) {
        let (mut ticket, count) = (Ticket::default(), Arc::<Count>::default());
        wait_for(waiters, &mut ticket, capacity(peers), &count);
        (ticket, count)
    }

    fn has_capacity(waiters: &mut Waiters, number: u8) {
        let mut aftermath = Aftermath::default();
        waiters.wake_met(
            |awaited| *awaited == Awaited::Capacity(peer(number)),
            &mut aftermath,
        );
        aftermath.carry_out();
    }

    #[test]
    fn only_those_who_wait_for_a_peer_are_woken_for_it() {
        let mut waiters = Waiters::default();
        let waits = [&[2][..], &[1], &[2, 3], &[1, 2]];
        let counts = waits.map(|peers| wait(&mut waiters, peers).1);
        let mut woken = |number| {
            has_capacity(&mut waiters, number);
            counts
                .each_ref()
                .map(|count| count.0.swap(0, Ordering::Relaxed))
        };
        assert_eq!(woken(4), [0, 0, 0, 0]);
        assert_eq!(woken(2), [1, 0, 1, 1]);
        assert_eq!(woken(2), [0, 0, 0, 0], "each is woken once");
        assert_eq!(woken(1), [0, 1, 0, 1]);
        assert_eq!(woken(3), [0, 0, 1, 0]);
        assert!(!waiters.has_operations());
    }

    #[test]
    fn who_waits_for_something_else_waits_no_longer_for_what_it_did() {
        let mut waiters = Waiters::default();
        let (mut ticket, count) = wait(&mut waiters, &[1, 2]);
        wait_for(&mut waiters, &mut ticket, capacity(&[3]), &count);
        for number in [1, 2] {
            has_capacity(&mut waiters, number);
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        drop(waiters.forget(&mut ticket));
        assert!(!waiters.has_operations());
        has_capacity(&mut waiters, 3);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_peer_that_moves_costs_no_look_at_what_others_are_awaited_for() {
        let mut waiters = Waiters::default();
        let (mut tickets, count) = (Vec::new(), Arc::<Count>::default());
        for number in 0..=u8::MAX {
            let mut ticket = Ticket::default();
            let answers = (0..4).map(|answer| Awaited::Answer(peer(number), answer));
            let all = answers.chain([Awaited::Capacity(peer(number))]);
            wait_for(&mut waiters, &mut ticket, all, &count);
            tickets.push(ticket);
        }
        let (looks, mut aftermath) = (Cell::new(0), Aftermath::default());
        let is_met = |awaited: &Awaited| {
            looks.set(looks.get() + 1);
            matches!(awaited, Awaited::Answer(_, 0 | 1))
        };
        waiters.wake_met_by(peer(7), is_met, &mut aftermath);
        aftermath.carry_out();
        // The capacity, the two answers that are there, and the first that is not.
        assert_eq!(looks.get(), 4);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_does_not_concern_what_is_awaited_costs_no_look() {
        let mut changes = Changes::default();
        let (capacity, name) = (Awaited::Capacity(peer(1)), Awaited::Peer(peer(1)));
        assert!(!changes.concern(&capacity) && !changes.concern(&name));
        changes.note_connections();
        assert!(changes.concern(&capacity) && !changes.concern(&name));
        changes.clear();
        changes.note_event(&Event::Stop {
            unconfirmed: vec![],
        });
        assert!(!changes.are_general());
        changes.note_event(&Event::Exit {
            peer: peer(1),
            name: "bob".try_into().expect("short"),
            reason: zre_core::ExitReason::Goodbye,
            unconfirmed: 0,
        });
        assert!(changes.concern(&capacity) && changes.concern(&name));
    }
}
