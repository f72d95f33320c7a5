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
        usize::try_from(self.change()).unwrap_or_default()
    }

    /// How many bytes more are held than at the beginning, or fewer.
    pub(crate) fn change(&self) -> isize {
        let change = HEAP.stats() - self.0;
        let signed = |bytes: usize| isize::try_from(bytes).unwrap();
        signed(change.bytes_allocated) - signed(change.bytes_deallocated)
    }
}
