//! Copies of what happens, for any number of independent receivers.

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    fmt,
    task::{Context, Poll, Waker},
};

use super::aftermath::{Aftermath, replace_waker};

/// A receiver was too slow, and this many items went past it.
///
/// It then goes on with the oldest item that is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too slow: missed {}", self.0)
    }
}

impl Error for Lagged {}

/// How much waits for one receiver before the oldest items go past it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeedLimit {
    pub(super) items: usize,
    /// The sum of what the items weigh.
    pub(super) weight: usize,
}

/// All receivers of one kind of item.
#[derive(Debug)]
pub(super) struct Feeds<T> {
    limit: FeedLimit,
    weigh: fn(&T) -> usize,
    feeds: BTreeMap<u64, Feed<T>>,
    last_id: u64,
    /// Nothing will come any more.
    is_over: bool,
}

/// What waits for one receiver.
#[derive(Debug)]
pub(super) struct Feed<T> {
    queue: VecDeque<T>,
    weight: usize,
    missed: u64,
    /// Who waits for more: one at most, as a receiver is not shared.
    waiter: Option<Waker>,
}

impl<T: Clone> Feeds<T> {
    pub(super) fn new(limit: FeedLimit, weigh: fn(&T) -> usize) -> Self {
        Self {
            limit,
            weigh,
            feeds: BTreeMap::new(),
            last_id: 0,
            is_over: false,
        }
    }

    /// Adds a receiver of all that is pushed from now on.
    pub(super) fn add(&mut self) -> u64 {
        self.last_id += 1;
        let feed = Feed {
            queue: VecDeque::new(),
            weight: 0,
            missed: 0,
            waiter: None,
        };
        self.feeds.insert(self.last_id, feed);
        self.last_id
    }

    /// Removes a receiver. Drop what this gives when the hub is not locked.
    pub(super) fn remove(&mut self, id: u64) -> Option<Feed<T>> {
        self.feeds.remove(&id)
    }

    /// Gives an item to each receiver.
    pub(super) fn push(&mut self, item: &T, aftermath: &mut Aftermath) {
        if self.feeds.is_empty() {
            return;
        }
        for feed in self.feeds.values_mut() {
            feed.weight += (self.weigh)(item);
            feed.queue.push_back(item.clone());
            while feed.queue.len() > self.limit.items || feed.weight > self.limit.weight {
                // One item alone is kept, however heavy it is.
                if feed.queue.len() == 1 {
                    break;
                }
                feed.missed += u64::from(feed.pop(self.weigh).is_some());
            }
            feed.wake(aftermath);
        }
    }

    /// Takes a receiver's next item.
    pub(super) fn pop(&mut self, id: u64) -> Option<Result<T, Lagged>> {
        let feed = self.feeds.get_mut(&id)?;
        // First what it missed, which was before all that is still there.
        match std::mem::take(&mut feed.missed) {
            0 => feed.pop(self.weigh).map(Ok),
            missed => Some(Err(Lagged(missed))),
        }
    }

    /// Takes a receiver's next item; `None` when there is none and none will come.
    pub(super) fn poll(
        &mut self,
        id: u64,
        cx: &Context<'_>,
        aftermath: &mut Aftermath,
    ) -> Poll<Option<Result<T, Lagged>>> {
        if let Some(item) = self.pop(id) {
            return Poll::Ready(Some(item));
        }
        match self.feeds.get_mut(&id) {
            Some(feed) if !self.is_over => {
                if let Some(old) = replace_waker(&mut feed.waiter, cx.waker()) {
                    aftermath.retire(old);
                }
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    }

    /// Nothing will come any more.
    pub(super) fn end(&mut self, aftermath: &mut Aftermath) {
        self.is_over = true;
        let feeds = self.feeds.values_mut();
        feeds.for_each(|feed| feed.wake(aftermath));
    }
}

impl<T> Feed<T> {
    fn pop(&mut self, weigh: fn(&T) -> usize) -> Option<T> {
        let item = self.queue.pop_front()?;
        self.weight -= weigh(&item);
        Some(item)
    }

    fn wake(&mut self, aftermath: &mut Aftermath) {
        if let Some(waiter) = self.waiter.take() {
            aftermath.wake(waiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feeds(items: usize, weight: usize) -> (Feeds<usize>, u64) {
        let mut feeds = Feeds::new(FeedLimit { items, weight }, |item| *item);
        let id = feeds.add();
        (feeds, id)
    }

    #[test]
    fn a_slow_receiver_is_told_how_much_it_missed_and_goes_on_with_the_rest() {
        let (mut feeds, id) = feeds(2, 1000);
        let other = feeds.add();
        for item in 1..=5 {
            feeds.push(&item, &mut Aftermath::default());
            assert_eq!(feeds.pop(other), Some(Ok(item)));
        }
        let taken = [(); 4].map(|()| feeds.pop(id));
        assert_eq!(
            taken,
            [Some(Err(Lagged(3))), Some(Ok(4)), Some(Ok(5)), None]
        );
        assert_eq!(feeds.pop(other), None);
    }

    #[test]
    fn what_waits_for_a_receiver_is_bounded_by_its_weight_too() {
        let (mut feeds, id) = feeds(100, 10);
        for item in [4, 4, 4, 99] {
            feeds.push(&item, &mut Aftermath::default());
        }
        assert_eq!(feeds.pop(id), Some(Err(Lagged(3))));
        assert_eq!(feeds.pop(id), Some(Ok(99)));
        assert_eq!(feeds.pop(id), None);
    }
}
