//! How many bytes the heap of this process holds.
//!
//! Other threads that allocate at the same time disturb a measurement, so tests that measure take
//! turns.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Measures from a beginning on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter(Stats);

impl Meter {
    pub(crate) fn start() -> Self {
        Self(HEAP.stats())
    }

    /// How many bytes have been taken, also if they have been given back.
    pub(crate) fn taken(&self) -> usize {
        (HEAP.stats() - self.0).bytes_allocated
    }

    /// How many bytes more are held than at the beginning.
    pub(crate) fn held(&self) -> usize {
        let change = HEAP.stats() - self.0;
        change
            .bytes_allocated
            .saturating_sub(change.bytes_deallocated)
    }
}
