//! Future events, in the order of time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use zre_core::Instant;

/// Gives its entries in the order of their times, and those of one time in the order in which they
/// were put in.
///
/// Entries that are not due soon wait unsorted in buckets of 128 µs. That makes a million of them
/// cheap.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    soon: BinaryHeap<Reverse<Entry<T>>>,
    /// The bucket whose entries, and those of earlier ones, are in `soon`.
    bucket: u64,
    later: BTreeMap<u64, Vec<Reverse<Entry<T>>>>,
    count: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    number: u64,
    what: T,
}

impl<T> Schedule<T> {
    /// How many low bits of a time in microseconds do not count for its bucket: 128 µs.
    const BUCKET_BITS: u32 = 7;

    pub(crate) fn new() -> Self {
        Self {
            soon: BinaryHeap::new(),
            bucket: 0,
            later: BTreeMap::new(),
            count: 0,
        }
    }

    pub(crate) fn put(&mut self, at: Instant, what: T) {
        let number = self.count;
        self.count += 1;
        let entry = Reverse(Entry { at, number, what });
        let bucket = at.as_micros() >> Self::BUCKET_BITS;
        // Everything up to the end of this bucket has to be in `soon`.
        if bucket <= self.bucket {
            self.soon.push(entry);
        } else {
            self.later.entry(bucket).or_default().push(entry);
        }
    }

    /// Takes what comes first, if it is not after `end`.
    pub(crate) fn take(&mut self, end: Instant) -> Option<(Instant, T)> {
        // A bucket is sorted only when it is next.
        if self.soon.is_empty()
            && let Some((bucket, entries)) = self.later.pop_first()
        {
            self.bucket = bucket;
            self.soon = entries.into();
        }
        let Reverse(first) = self.soon.peek()?;
        if first.at > end {
            return None;
        }
        let Reverse(Entry { at, what, .. }) = self.soon.pop()?;
        Some((at, what))
    }
}

impl<T> Entry<T> {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.number)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_time_and_then_by_number_whenever_they_were_put_in() {
        let mut schedule = Schedule::new();
        let at = Instant::from_micros;
        for (time, what) in [(5000, 'e'), (10, 'a'), (900, 'c'), (900, 'd')] {
            schedule.put(at(time), what);
        }
        assert_eq!(schedule.take(at(5)), None);
        assert_eq!(schedule.take(at(10)), Some((at(10), 'a')));
        // Before what was looked at last, and far before what is next.
        assert_eq!(schedule.take(at(11)), None);
        schedule.put(at(12), 'b');
        let mut order = Vec::new();
        while let Some((_, what)) = schedule.take(at(10_000)) {
            order.push(what);
        }
        assert_eq!(order, ['b', 'c', 'd', 'e']);
    }
}
