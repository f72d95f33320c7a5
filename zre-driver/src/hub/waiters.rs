//! Who waits for what.
//!
//! Nothing in the hub has to remember to wake anybody: each time that the engine has been told
//! something, [`Waiters::wake_met`] looks what of all that is awaited has come true.

use std::task::{Context, Waker};

use zre_core::proto::{GroupName, PeerId, ShortText};

/// Something that one operation waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
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
}

impl Awaited {
    /// Whether it can come true only by an event.
    pub(super) fn needs_event(&self) -> bool {
        matches!(self, Self::Peer(_) | Self::Name(_) | Self::Members(..))
    }
}

/// All who wait.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// For the next event.
    pub(super) events: WakerSet,
    /// For something that the driver has to do.
    pub(super) driver: WakerSet,
    /// For the end of the node.
    pub(super) stopped: WakerSet,
    /// For all else, in the order of what they wait for, so that each is looked at once.
    operations: Vec<Operation>,
    last_id: u64,
}

/// An operation that waits; it has an entry for each thing that it waits for.
#[derive(Debug)]
pub(super) struct Operation {
    awaited: Awaited,
    id: u64,
    waker: Waker,
}

/// Which operation, from when it waits for the first time.
pub(super) type OperationId = Option<u64>;

impl Waiters {
    /// Lets an operation wait for any of these, and for nothing that it waited for before.
    pub(super) fn wait(
        &mut self,
        id: &mut OperationId,
        awaited: impl IntoIterator<Item = Awaited>,
        cx: &Context<'_>,
    ) {
        if id.is_some() {
            // Its task runs now, so dropping wakers of the task runs nothing of the runtime's.
            drop(self.forget(*id));
        }
        let id = *id.get_or_insert_with(|| {
            self.last_id += 1;
            self.last_id
        });
        let new = awaited.into_iter().map(|awaited| Operation {
            awaited,
            id,
            waker: cx.waker().clone(),
        });
        self.operations.extend(new);
        self.operations
            .sort_unstable_by(|one, other| one.awaited.cmp(&other.awaited));
    }

    /// The operation waits no longer. Drop what this gives when the hub is not locked.
    pub(super) fn forget(&mut self, id: OperationId) -> Vec<Operation> {
        let is_its = |operation: &mut Operation| Some(operation.id) == id;
        self.operations.extract_if(.., is_its).collect()
    }

    /// Whether an operation waits for anything.
    pub(super) fn has_operations(&self) -> bool {
        !self.operations.is_empty()
    }

    /// Moves the wakers of those whose wait is over to `woken`.
    pub(super) fn wake_met(
        &mut self,
        mut is_met: impl FnMut(&Awaited) -> bool,
        woken: &mut WakerSet,
    ) {
        let mut begin = 0;
        while let Some(first) = self.operations.get(begin) {
            let is_same = |operation: &&Operation| operation.awaited == first.awaited;
            let count = self
                .operations
                .iter()
                .skip(begin)
                .take_while(is_same)
                .count();
            let end = begin + count;
            if is_met(&first.awaited) {
                let met = self.operations.drain(begin..end);
                met.for_each(|operation| woken.push(operation.waker));
            } else {
                begin = end;
            }
        }
    }

    /// Moves the wakers of all who wait to `woken`.
    pub(super) fn wake_all(&mut self, woken: &mut WakerSet) {
        self.events.move_to(woken);
        self.driver.move_to(woken);
        self.stopped.move_to(woken);
        self.wake_met(|_| true, woken);
    }
}

/// The wakers of those who wait for one thing; mostly one.
#[derive(Debug, Default)]
pub(super) struct WakerSet {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl WakerSet {
    /// More than a program lets wait at one time; then most of them wait in vain.
    const MANY: usize = 256;

    /// Adds a waker. Those who wait no longer do not say so: if there are too many, all are moved
    /// to `woken`, and those who still wait come again.
    pub(super) fn register(&mut self, cx: &Context<'_>, woken: &mut Self) {
        let mut known = self.first.iter().chain(&self.others);
        if known.any(|waker| waker.will_wake(cx.waker())) {
            return;
        }
        if self.others.len() > Self::MANY {
            self.move_to(woken);
        }
        self.push(cx.waker().clone());
    }

    /// Moves all wakers over to `woken`.
    pub(super) fn move_to(&mut self, woken: &mut Self) {
        if let Some(first) = self.first.take() {
            woken.push(first);
            self.others.drain(..).for_each(|waker| woken.push(waker));
        }
    }

    pub(super) fn push(&mut self, waker: Waker) {
        if self.first.is_none() {
            self.first = Some(waker);
        } else {
            self.others.push(waker);
        }
    }

    pub(super) fn wake(self) {
        if let Some(first) = self.first {
            first.wake();
            self.others.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
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

    /// Who waits for any of these peers, and how often it has been woken.
    fn wait(waiters: &mut Waiters, peers: &[u8]) -> (OperationId, Arc<Count>) {
        let (mut id, count) = (None, Arc::<Count>::default());
        let waker = Waker::from(Arc::clone(&count));
        let awaited = peers.iter().map(|number| Awaited::Capacity(peer(*number)));
        waiters.wait(&mut id, awaited, &Context::from_waker(&waker));
        (id, count)
    }

    fn has_capacity(waiters: &mut Waiters, number: u8) {
        let mut woken = WakerSet::default();
        waiters.wake_met(
            |awaited| *awaited == Awaited::Capacity(peer(number)),
            &mut woken,
        );
        woken.wake();
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
        let (mut id, count) = wait(&mut waiters, &[1, 2]);
        let waker = Waker::from(Arc::clone(&count));
        let awaited = [Awaited::Capacity(peer(3))];
        waiters.wait(&mut id, awaited, &Context::from_waker(&waker));
        for number in [1, 2] {
            has_capacity(&mut waiters, number);
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        waiters.forget(id);
        has_capacity(&mut waiters, 3);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }
}
