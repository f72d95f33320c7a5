//! Who has been woken, for whichever thread runs the loop.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
};

use mio::{Registry, Token};
use tracing::warn;

/// The token by which [`WakeQueue`] gets a thread out of the selector, and that of the driver.
pub(crate) const WAKE: Token = Token(0);

/// Collects what is woken, and gets the thread that runs the loop out of the selector if it sleeps
/// there.
pub(crate) struct WakeQueue {
    state: Mutex<State>,
    /// How often the application thread that runs the loop has been woken.
    calls: AtomicUsize,
    selector: mio::Waker,
}

#[derive(Default)]
struct State {
    tokens: Vec<Token>,
    /// Whether a thread sleeps in the selector, or is about to.
    sleeps: bool,
}

impl WakeQueue {
    pub(crate) fn new(registry: &Registry) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            state: Mutex::default(),
            calls: AtomicUsize::new(0),
            selector: mio::Waker::new(registry, WAKE)?,
        }))
    }

    /// A waker for what has this token: a task, or the driver.
    pub(crate) fn waker(self: &Arc<Self>, token: Token) -> Waker {
        let wake_queue = Arc::clone(self);
        Waker::from(Arc::new(TokenWaker { token, wake_queue }))
    }

    /// Calls the application thread that runs the loop, whichever it is.
    pub(crate) fn caller(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(Caller(Arc::clone(self))))
    }

    /// Another number than before if the [caller](WakeQueue::caller) has been woken since.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Acquire)
    }

    /// Swaps what has been woken for an empty list.
    pub(crate) fn swap(&self, tokens: &mut Vec<Token>) {
        mem::swap(&mut self.lock().tokens, tokens);
    }

    /// Whether anything has been woken that nobody has gone on with.
    pub(crate) fn are_some(&self) -> bool {
        !self.lock().tokens.is_empty()
    }

    /// Whether the selector may be slept in. If so, whoever is woken from now on gets the thread
    /// out of it.
    pub(crate) fn begin_sleep(&self, calls: Option<usize>) -> bool {
        // Under the lock, so that whoever wakes either is seen here or sees that this sleeps.
        let mut state = self.lock();
        state.sleeps = state.tokens.is_empty() && calls.is_none_or(|calls| calls == self.calls());
        state.sleeps
    }

    /// Needs no rousing any more.
    pub(crate) fn end_sleep(&self) {
        self.lock().sleeps = false;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rouse(&self, mut state: MutexGuard<'_, State>) {
        // Once is enough: it costs a system call.
        let sleeps = mem::take(&mut state.sleeps);
        drop(state);
        if sleeps && let Err(error) = self.selector.wake() {
            warn!(%error, "could not wake the thread that runs the node");
        }
    }
}

struct TokenWaker {
    token: Token,
    wake_queue: Arc<WakeQueue>,
}

impl Wake for TokenWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.wake_queue.lock();
        state.tokens.push(self.token);
        self.wake_queue.rouse(state);
    }
}

struct Caller(Arc<WakeQueue>);

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the lock, for who holds it is about to compare the number.
        self.0.calls.fetch_add(1, Ordering::AcqRel);
        self.0.rouse(self.0.lock());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use mio::{Events, Poll};

    use super::*;

    #[test]
    fn nobody_sleeps_over_what_was_woken_before() {
        let selector = Poll::new().unwrap();
        let wake_queue = WakeQueue::new(selector.registry()).unwrap();
        let (calls, link) = (wake_queue.calls(), Token(7));
        assert!(wake_queue.begin_sleep(Some(calls)));
        wake_queue.end_sleep();
        wake_queue.waker(link).wake();
        assert!(wake_queue.are_some());
        assert!(!wake_queue.begin_sleep(Some(calls)));
        let mut woken = Vec::new();
        wake_queue.swap(&mut woken);
        assert_eq!(woken, [link]);
        assert!(!wake_queue.are_some());
        assert!(wake_queue.begin_sleep(Some(calls)));
        wake_queue.end_sleep();
        wake_queue.caller().wake();
        assert!(!wake_queue.begin_sleep(Some(calls)));
        // Not the I/O thread's business.
        assert!(wake_queue.begin_sleep(None));
        wake_queue.end_sleep();
        assert!(wake_queue.begin_sleep(Some(wake_queue.calls())));
    }

    #[test]
    fn who_is_woken_rouses_a_sleeper_once_and_nobody_else() {
        let mut selector = Poll::new().unwrap();
        let wake_queue = WakeQueue::new(selector.registry()).unwrap();
        let mut events = Events::with_capacity(8);
        let mut is_roused = |within| {
            selector.poll(&mut events, Some(within)).unwrap();
            events.iter().any(|event| event.token() == WAKE)
        };
        for waker in [wake_queue.waker(Token(7)), wake_queue.caller()] {
            waker.wake_by_ref();
            assert!(!is_roused(Duration::ZERO), "nobody sleeps");
            wake_queue.swap(&mut Vec::new());
            assert!(wake_queue.begin_sleep(None));
            let patience = Duration::from_secs(20);
            let begun = Instant::now();
            let waking = thread::spawn(move || waker.wake());
            assert!(is_roused(patience));
            assert!(begun.elapsed() < patience);
            waking.join().unwrap();
            wake_queue.swap(&mut Vec::new());
            wake_queue.waker(WAKE).wake();
            assert!(!is_roused(Duration::ZERO), "it does not sleep any more");
            wake_queue.swap(&mut Vec::new());
        }
    }
}
