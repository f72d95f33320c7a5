//! What each origin has given to the table, and may give.

use alloc::collections::BTreeMap;
use core::{net::IpAddr, time::Duration};

use crate::{engine::LinkId, time::Instant};

/// So many origins that have nothing in the table any more are remembered.
const MOST_EMPTY: usize = 1024;

/// Whose share a tuple counts in. The clients of one address have one share, or each new connection
/// would bring a new one. On loopback all come from one address, so there each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Hub(u32),
    Address(IpAddr),
    Client(LinkId),
}

/// The shares of all origins.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Shares {
    all: BTreeMap<Origin, Share>,
    tuples_limit: usize,
    bytes_limit: usize,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Share {
    held: Held,
    budget: TupleBudget,
}

/// What an origin has in the table.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) tuples: usize,
    pub(super) bytes: usize,
}

impl Shares {
    /// For a table with these limits. One origin may have half of it.
    pub(super) fn new(tuples_limit: usize, bytes_limit: usize) -> Self {
        Self {
            all: BTreeMap::new(),
            tuples_limit,
            bytes_limit,
        }
    }

    /// Whether an origin may bring a new tuple now, which counts.
    pub(super) fn may_bring(&mut self, origin: Origin, now: Instant) -> bool {
        if !self.all.contains_key(&origin) && self.all.len() >= MOST_EMPTY {
            self.all.retain(|_, share| share.held.tuples > 0);
        }
        let most = half(self.tuples_limit);
        let share = self.all.entry(origin).or_insert_with(|| Share {
            held: Held::default(),
            budget: TupleBudget::new(most, now),
        });
        share.budget.take(now)
    }

    pub(super) fn held(&self, origin: Origin) -> Held {
        let share = self.all.get(&origin);
        share.map(|share| share.held).unwrap_or_default()
    }

    /// Whether that is no more than one origin may have.
    pub(super) fn is_within(&self, held: Held) -> bool {
        held.tuples <= half(self.tuples_limit) && held.bytes <= half(self.bytes_limit)
    }

    /// How much of the table that is, to be compared with that of others.
    pub(super) fn weight(&self, held: Held) -> u128 {
        let product = |one: usize, other: usize| one as u128 * other as u128;
        let tuples = product(held.tuples, self.bytes_limit);
        tuples.max(product(held.bytes, self.tuples_limit))
    }

    pub(super) fn add(&mut self, origin: Origin, bytes: usize) {
        if let Some(share) = self.all.get_mut(&origin) {
            share.held = share.held.with(bytes);
        }
    }

    /// What it may still bring is remembered when nothing is left.
    pub(super) fn remove(&mut self, origin: Origin, bytes: usize) {
        if let Some(share) = self.all.get_mut(&origin) {
            share.held = share.held.without(bytes);
        }
    }
}

impl Held {
    /// With one more tuple, of so many bytes.
    pub(super) fn with(self, bytes: usize) -> Self {
        Self {
            tuples: self.tuples + 1,
            bytes: self.bytes + bytes,
        }
    }

    /// Without one of its tuples, of so many bytes.
    pub(super) fn without(self, bytes: usize) -> Self {
        Self {
            tuples: self.tuples - 1,
            bytes: self.bytes - bytes,
        }
    }
}

/// How many new tuples one origin may bring: as many at once as it has places in the table, then
/// some each second.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct TupleBudget {
    left: usize,
    most: usize,
    at: Instant,
}

impl TupleBudget {
    const ONE_MORE_IN: Duration = Duration::from_millis(50);

    fn new(most: usize, now: Instant) -> Self {
        Self {
            left: most,
            most,
            at: now,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let passed = now.since(self.at).as_micros() / Self::ONE_MORE_IN.as_micros();
        if passed > 0 {
            let more = usize::try_from(passed).unwrap_or(usize::MAX);
            self.left = self.left.saturating_add(more).min(self.most);
            self.at = now;
        }
        let may = self.left > 0;
        self.left -= usize::from(may);
        may
    }
}

fn half(limit: usize) -> usize {
    limit.div_ceil(2)
}
