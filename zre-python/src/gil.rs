//! Leaving Python while something takes time, and the end of the interpreter.
//!
//! When the interpreter ends, it ends each thread that wants to come back, and a process dies of
//! that if native code of another language is on the thread's stack. So at the end nothing leaves
//! Python any more, and what has left is waited for.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use pyo3::prelude::*;

/// How long the end waits for those who are away. All nodes have stopped by then.
const PATIENCE: Duration = Duration::from_secs(5);

static IS_ENDING: AtomicBool = AtomicBool::new(false);
static AWAY: AtomicUsize = AtomicUsize::new(0);

/// Counts a thread that has left Python.
struct Away;

impl Away {
    fn begin() -> Self {
        AWAY.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        AWAY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Does something while other threads run Python.
pub(crate) fn away<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    if is_ending() {
        return work();
    }
    let _away = Away::begin();
    py.detach(work)
}

/// Whether the interpreter is about to end.
pub(crate) fn is_ending() -> bool {
    IS_ENDING.load(Ordering::SeqCst)
}

/// From now on no thread leaves Python in this module. Waits for those that have left.
#[pyfunction]
pub(crate) fn end(py: Python<'_>) {
    IS_ENDING.store(true, Ordering::SeqCst);
    let deadline = Instant::now() + PATIENCE;
    while AWAY.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
        py.detach(|| sleep(Duration::from_millis(1)));
    }
}
