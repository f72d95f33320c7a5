//! Which operations can go on, for an event loop.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
};

use pyo3::prelude::*;
use zre_blocking::{Pair, Socket};
use zre_driver::Signal as _;

use crate::gil::away;

/// The operations of a node that can go on. Its descriptor is readable while there are some.
#[pyclass(frozen)]
pub(crate) struct Wakeups {
    shared: Arc<Shared>,
    watched: Socket,
}

#[derive(Debug)]
struct Shared {
    ready: Mutex<Ready>,
    pair: Pair,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Ready {
    numbers: Vec<u64>,
    is_closed: bool,
}

/// Wakes one operation.
struct Wakeup {
    number: u64,
    shared: Arc<Shared>,
}

#[pymethods]
impl Wakeups {
    #[new]
    fn new() -> PyResult<Self> {
        let (pair, watched) = Pair::new()?;
        let shared = Arc::new(Shared {
            ready: Mutex::default(),
            pair,
            changed: Condvar::new(),
        });
        Ok(Self { shared, watched })
    }

    /// The descriptor, which is readable while operations can go on.
    fn fileno(&self) -> i64 {
        descriptor(&self.watched)
    }

    /// Takes the numbers of the operations that can go on.
    fn take(&self) -> Vec<u64> {
        let mut ready = self.shared.ready();
        self.shared.pair.lower();
        mem::take(&mut ready.numbers)
    }

    /// Waits until there are some, for event loops that watch no descriptors. False when it is
    /// closed.
    fn wait(&self, py: Python<'_>) -> bool {
        away(py, || {
            let ready = self.shared.ready();
            let is_idle = |ready: &mut Ready| ready.numbers.is_empty() && !ready.is_closed;
            let ready = self.shared.changed.wait_while(ready, is_idle);
            !ready.unwrap_or_else(PoisonError::into_inner).is_closed
        })
    }

    /// Ends waiting.
    fn close(&self) {
        self.shared.ready().is_closed = true;
        self.shared.changed.notify_all();
    }
}

impl Wakeups {
    pub(crate) fn waker(&self, number: u64) -> Waker {
        let shared = Arc::clone(&self.shared);
        Arc::new(Wakeup { number, shared }).into()
    }
}

impl Shared {
    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        let mut ready = self.shared.ready();
        ready.numbers.push(self.number);
        self.shared.pair.raise();
        self.shared.changed.notify_all();
    }
}

/// What Python's `select` and its event loops watch.
pub(crate) fn descriptor(socket: &Socket) -> i64 {
    #[cfg(unix)]
    return std::os::fd::AsRawFd::as_raw_fd(socket).into();
    #[cfg(windows)]
    return std::os::windows::io::AsRawSocket::as_raw_socket(socket) as i64;
}
