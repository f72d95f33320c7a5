//! Which thread runs a node's loop: one of the application's that waits, or else the I/O thread.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tracing::warn;
use zre_net::{Bound, Hub};

use crate::{driver::Driver, park::Parker, tcp::Tcp, wakes::Wakes};

/// The selector's timeouts are no finer. Whoever waits until a moment nearer than that leaves the loop to the I/O
/// thread, and sleeps.
const PRECISION: Duration = Duration::from_millis(1);

/// So long after the last look the I/O thread looks again whether the application runs the loop.
const LOOK: Duration = Duration::from_millis(1);

/// Lends a node's [`Driver`] to one thread at a time.
///
/// A thread that waits for something takes the driver if it is free, and runs the loop until it has what it waits
/// for. So a message wakes only the thread that it is for. If another thread has the driver, it sleeps as a
/// follower until what it waits for is there, or until the driver is its to take.
///
/// The I/O thread runs the loop while the application does not. To tell it each time that the driver is free would
/// be a system call for each message. So it looks from time to time, and takes the driver if it is free and nobody
/// has had it since the last look. When one thread has had the driver from one look to the next, the I/O thread
/// sleeps, and is told when the driver is free.
pub(crate) struct Helm {
    state: Mutex<State>,
    io_thread: Condvar,
    wakes: Arc<Wakes>,
    caller: Waker,
}

struct State {
    /// `None` while a thread runs the loop, and when the node is over.
    driver: Option<Box<Driver>>,
    is_over: bool,
    /// How often the driver was taken or given back.
    moves: u64,
    /// Who sleeps and would take the driver.
    followers: VecDeque<Waker>,
    /// Whether the I/O thread is to be told when the driver is free. It is not when it runs the loop, nor when it looks.
    io_thread_sleeps: bool,
    /// Whether the I/O thread shall take the driver without a look.
    io_thread_is_called: bool,
}

impl Helm {
    pub(crate) fn new(hub: Arc<Hub<Tcp>>, bound: Bound) -> io::Result<Self> {
        let driver = Driver::new(hub, bound)?;
        let wakes = Arc::clone(driver.wakes());
        Ok(Self {
            state: Mutex::new(State {
                driver: Some(Box::new(driver)),
                is_over: false,
                moves: 0,
                followers: VecDeque::new(),
                io_thread_sleeps: false,
                io_thread_is_called: true,
            }),
            io_thread: Condvar::new(),
            caller: wakes.caller(),
            wakes,
        })
    }

    /// Asks again and again until there is an answer; `None` if the deadline comes first. In between, runs the loop
    /// or sleeps.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let lead_until = deadline.map(|at| at.checked_sub(PRECISION).unwrap_or(at));
        Parker::with(|parker, waker| {
            let mut follower = Follower {
                helm: self,
                waker,
                is_listed: false,
            };
            loop {
                parker.reset();
                let calls = self.wakes.calls();
                if let Poll::Ready(answer) = poll(&mut Context::from_waker(&self.caller)) {
                    return Some(answer);
                }
                if is_past(deadline) {
                    return None;
                }
                if let Some(mut lead) = follower.lead(!is_past(lead_until)) {
                    if let Some(answer) = lead.run(calls, lead_until, &mut poll) {
                        return Some(answer);
                    }
                    continue;
                }
                if let Poll::Ready(answer) = poll(&mut Context::from_waker(waker)) {
                    return Some(answer);
                }
                if !parker.park(deadline) {
                    return None;
                }
            }
        })
    }

    /// The I/O thread's part, until the node is over.
    pub(crate) fn serve(&self) {
        while let Some(mut lead) = self.await_free() {
            while lead.turn(None, None) && self.lock().followers.is_empty() {}
        }
    }

    /// Waits until the I/O thread is to run the loop; `None` when the node is over.
    fn await_free(&self) -> Option<Lead<'_>> {
        let mut state = self.lock();
        let mut seen = None;
        while !state.is_over {
            let is_as_seen = seen == Some(state.moves);
            let is_due = is_as_seen || seen.is_some() && self.wakes.are_some();
            seen = Some(state.moves);
            if (is_due || state.io_thread_is_called)
                && let Some(driver) = state.driver.take()
            {
                return Some(self.lent(driver, state));
            }
            if !is_as_seen {
                let woken = self.io_thread.wait_timeout(state, LOOK);
                (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.io_thread_sleeps = true;
            let woken = self
                .io_thread
                .wait_while(state, |state| state.io_thread_sleeps);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            seen = None;
        }
        None
    }

    fn lent(&self, driver: Box<Driver>, mut state: MutexGuard<'_, State>) -> Lead<'_> {
        state.moves += 1;
        state.io_thread_is_called = false;
        Lead {
            helm: self,
            driver: Some(driver),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Helm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helm").finish_non_exhaustive()
    }
}

/// A thread's right to run the loop. Dropped, it gives the driver back.
struct Lead<'h> {
    helm: &'h Helm,
    /// `None` when the node is over.
    driver: Option<Box<Driver>>,
}

impl Lead<'_> {
    /// Runs the loop until there is an answer, the moment comes, or the node is over.
    fn run<T>(
        &mut self,
        mut calls: usize,
        until: Option<Instant>,
        poll: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let Helm { wakes, caller, .. } = self.helm;
        while self.turn(Some(calls), until) {
            if wakes.calls() != calls {
                calls = wakes.calls();
                if let Poll::Ready(answer) = poll(&mut Context::from_waker(caller)) {
                    return Some(answer);
                }
            }
            if is_past(until) {
                return None;
            }
        }
        None
    }

    /// One turn of the loop; `false` when the node is over.
    fn turn(&mut self, calls: Option<usize>, until: Option<Instant>) -> bool {
        // A panic in there drops the driver: then the node is over, too.
        let Some(mut driver) = self.driver.take() else {
            return false;
        };
        let goes_on = driver.turn(calls, until).unwrap_or_else(|error| {
            warn!(%error, "the node cannot go on");
            false
        });
        self.driver = goes_on.then_some(driver);
        goes_on
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut state = self.helm.lock();
        state.moves += 1;
        let is_over = self.driver.is_none();
        state.is_over = is_over;
        state.driver = self.driver.take();
        let follower = state.followers.pop_front();
        let io_thread_sleeps = std::mem::take(&mut state.io_thread_sleeps);
        drop(state);
        if let Some(follower) = follower {
            follower.wake();
        }
        if io_thread_sleeps || is_over {
            self.helm.io_thread.notify_one();
        }
    }
}

/// A thread that waits.
struct Follower<'h> {
    helm: &'h Helm,
    waker: &'h Waker,
    is_listed: bool,
}

impl<'h> Follower<'h> {
    /// Takes the driver if it may and the driver is free. If not, sees to it that somebody has it.
    fn lead(&mut self, may_lead: bool) -> Option<Lead<'h>> {
        let mut state = self.helm.lock();
        match state.driver.take() {
            Some(driver) if may_lead => {
                self.strike(&mut state);
                return Some(self.helm.lent(driver, state));
            }
            Some(driver) => {
                state.driver = Some(driver);
                state.io_thread_is_called = true;
                drop(state);
                self.helm.io_thread.notify_one();
            }
            None if may_lead => {
                self.strike(&mut state);
                state.followers.push_back(self.waker.clone());
                self.is_listed = true;
            }
            None => {}
        }
        None
    }

    fn strike(&mut self, state: &mut State) {
        if std::mem::take(&mut self.is_listed) {
            state.followers.retain(|other| !other.will_wake(self.waker));
        }
    }
}

impl Drop for Follower<'_> {
    /// If it was its to take the driver, it is now another's.
    fn drop(&mut self) {
        if !self.is_listed {
            return;
        }
        let mut state = self.helm.lock();
        self.strike(&mut state);
        let next = match state.driver {
            Some(_) => state.followers.pop_front(),
            None => None,
        };
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
    }
}

fn is_past(moment: Option<Instant>) -> bool {
    moment.is_some_and(|moment| moment <= Instant::now())
}
