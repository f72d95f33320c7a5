//! Sleeping on the current thread until it is woken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

thread_local! {
    static PARKER: (Arc<Parker>, Waker) = {
        let parker = Arc::new(Parker {
            thread: thread::current(),
            woken: AtomicBool::new(false),
        });
        (Arc::clone(&parker), Waker::from(parker))
    };
}

/// Puts a thread to sleep and wakes it.
pub(crate) struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Parker {
    /// Uses the current thread's.
    pub(crate) fn with<T>(act: impl FnOnce(&Self, &Waker) -> T) -> T {
        PARKER.with(|(parker, waker)| act(parker, waker))
    }

    /// Forgets that it was woken; before asking for what it is to be woken for.
    pub(crate) fn reset(&self) {
        self.woken.store(false, Ordering::Release);
    }

    /// Sleeps until it has been woken since the last reset; `false` if the deadline comes first.
    pub(crate) fn park(&self, deadline: Option<Instant>) -> bool {
        // `park` also returns for others who unpark the thread, or for no reason.
        while !self.woken.load(Ordering::Acquire) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(left) if left.is_zero() => return false,
                Some(left) => thread::park_timeout(left),
            }
        }
        true
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The thread looks at the flag before it parks, so one unpark is enough.
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.thread.unpark();
        }
    }
}
