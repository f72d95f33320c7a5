//! What is left to do when the hub's lock is free again.

use std::task::Waker;

/// Wakers to be woken, and wakers to be dropped.
///
/// Both run code of the runtime's, and of the application's: a woken task may run at once, and the
/// last waker of a task may drop it with all that it holds, such as the last handle of the node. So
/// neither happens under the lock.
#[derive(Debug, Default)]
pub(super) struct Aftermath {
    // Mostly there is one, which then needs no memory of its own.
    woken: Option<Waker>,
    further: Vec<Waker>,
    retired: Vec<Waker>,
}

impl Aftermath {
    /// Has a waker woken.
    pub(super) fn wake(&mut self, waker: Waker) {
        if self.woken.is_none() {
            self.woken = Some(waker);
        } else {
            self.further.push(waker);
        }
    }

    /// Has a waker dropped that is not needed any more.
    pub(super) fn retire(&mut self, waker: Waker) {
        self.retired.push(waker);
    }

    /// Takes what is left to do, if there is anything. Mostly there is not, and to move it all the
    /// same would take two hundredths of the instructions of a small message.
    pub(super) fn take(&mut self) -> Option<Self> {
        let is_empty = self.woken.is_none() && self.retired.is_empty();
        (!is_empty).then(|| std::mem::take(self))
    }

    /// Wakes and drops. The hub must not be locked by this thread.
    pub(super) fn carry_out(self) {
        self.woken.into_iter().for_each(Waker::wake);
        self.further.into_iter().for_each(Waker::wake);
        // The retired are dropped last: nobody waits for that.
    }
}

/// A waker in place of an older one of the same task or operation.
pub(super) fn replace_waker(known: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match known {
        Some(known) if known.will_wake(waker) => None,
        _ => known.replace(waker.clone()),
    }
}
