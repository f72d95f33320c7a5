//! Which thread runs a node's loop: one of the application's that waits, or else the I/O thread.

#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tracing::warn;
use zre_driver::Hub;

use crate::{park::Parker, reactor::EventLoop, tcp::Tcp, wake_queue::WakeQueue};

/// The selector's timeouts are no finer. Whoever waits until a moment nearer than that leaves the
/// loop to the I/O thread, and sleeps.
const PRECISION: Duration = Duration::from_millis(1);

/// The I/O thread looks this often whether the application runs the loop.
const LOOK: Duration = Duration::from_millis(1);

/// Lends a node's [`EventLoop`] to one thread at a time (the pattern Leader/Followers).
///
/// A thread that waits for something becomes the leader if there is none, and runs the loop until
/// it has what it waits for. So a message wakes only the thread that it is for. If another thread
/// is the leader, it sleeps as a follower until what it waits for is there, or until it can become
/// the leader.
///
/// The I/O thread runs the loop while the application does not. To tell it each time that the loop
/// is free would be a system call for each message. So it looks from time to time, and takes the
/// loop if it is free and nobody has had it since the last look. When one thread has had the loop
/// from one look to the next, the I/O thread sleeps, and is told when the loop is free.
pub(crate) struct Leadership {
    state: Mutex<State>,
    io_thread: Condvar,
    wake_queue: Arc<WakeQueue>,
    caller: Waker,
}

struct State {
    /// `None` while a thread runs the loop, and when the node is over.
    event_loop: Option<Box<EventLoop>>,
    is_over: bool,
    /// How often the loop was taken or given back.
    moves: u64,
    /// Who sleeps and would become the leader.
    followers: VecDeque<Waker>,
    /// Whether the I/O thread is to be told when the loop is free. It is not when it runs the loop,
    /// nor when it looks.
    io_thread_sleeps: bool,
    /// Whether the I/O thread shall take the loop without a look.
    io_thread_is_called: bool,
}

impl Leadership {
    pub(crate) fn new(hub: Arc<Hub<Tcp>>) -> io::Result<Self> {
        let mut event_loop = EventLoop::new(hub)?;
        let wake_queue = event_loop.wake_queue();
        Ok(Self {
            state: Mutex::new(State {
                event_loop: Some(Box::new(event_loop)),
                is_over: false,
                moves: 0,
                followers: VecDeque::new(),
                io_thread_sleeps: false,
                io_thread_is_called: true,
            }),
            io_thread: Condvar::new(),
            caller: wake_queue.caller(),
            wake_queue,
        })
    }

    /// Asks again and again until there is an answer; `None` if the deadline comes first. In
    /// between, runs the loop or sleeps.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let lead_until = deadline.map(|at| at.checked_sub(PRECISION).unwrap_or(at));
        Parker::with(|parker, waker| {
            let mut follower = Follower {
                leadership: self,
                waker,
                is_listed: false,
            };
            loop {
                // Both before asking, so that what comes true after it is not slept over.
                parker.reset();
                let calls = self.wake_queue.calls();
                if let Poll::Ready(answer) = poll(&mut Context::from_waker(&self.caller)) {
                    return Some(answer);
                }
                if is_past(deadline) {
                    return None;
                }
                // In the last millisecond a leader would oversleep, so the I/O thread leads then.
                if let Some(mut leader) = follower.lead(!is_past(lead_until)) {
                    if let Some(answer) = leader.run(calls, lead_until, &mut poll) {
                        return Some(answer);
                    }
                    continue;
                }
                // Another leads. Before sleeping, so that this thread is woken and not the leader.
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
        while let Some(mut leader) = self.await_free() {
            // As soon as a thread of the application waits, that one is to lead.
            while leader.turn(None, None) && self.lock().followers.is_empty() {}
        }
    }

    /// Waits until the I/O thread is to run the loop; `None` when the node is over.
    fn await_free(&self) -> Option<Leader<'_>> {
        let mut state = self.lock();
        let mut seen = None;
        while !state.is_over {
            // Nobody has taken or given back the loop since the last look.
            let is_as_seen = seen == Some(state.moves);
            let is_due = is_as_seen || seen.is_some() && self.wake_queue.are_some();
            seen = Some(state.moves);
            if (is_due || state.io_thread_is_called)
                && let Some(event_loop) = state.event_loop.take()
            {
                return Some(self.lent(event_loop, state));
            }
            if !is_as_seen {
                let woken = self.io_thread.wait_timeout(state, LOOK);
                (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // One thread has had it all the time. It tells when it gives the loop back.
            state.io_thread_sleeps = true;
            let woken = self
                .io_thread
                .wait_while(state, |state| state.io_thread_sleeps);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            seen = None;
        }
        None
    }

    fn lent(&self, event_loop: Box<EventLoop>, mut state: MutexGuard<'_, State>) -> Leader<'_> {
        state.moves += 1;
        state.io_thread_is_called = false;
        Leader {
            leadership: self,
            event_loop: Some(event_loop),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread that runs a node while no thread of the application does.
///
/// # Errors
///
/// When the system has no threads left.
pub(crate) fn spawn_io_thread(leadership: &Arc<Leadership>) -> io::Result<JoinHandle<()>> {
    let leadership = Arc::clone(leadership);
    thread::Builder::new()
        .name("zre".into())
        .spawn(move || leadership.serve())
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership").finish_non_exhaustive()
    }
}

/// A thread's right to run the loop. Dropped, it gives the loop back.
struct Leader<'h> {
    leadership: &'h Leadership,
    /// `None` when the node is over.
    event_loop: Option<Box<EventLoop>>,
}

impl Leader<'_> {
    /// Runs the loop until there is an answer, the moment comes, or the node is over.
    fn run<T>(
        &mut self,
        mut calls: usize,
        until: Option<Instant>,
        poll: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let Leadership {
            wake_queue, caller, ..
        } = self.leadership;
        while self.turn(Some(calls), until) {
            if wake_queue.calls() != calls {
                calls = wake_queue.calls();
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
        // A panic in there drops the loop: then the node is over, too.
        let Some(mut event_loop) = self.event_loop.take() else {
            return false;
        };
        let goes_on = event_loop.turn(calls, until).unwrap_or_else(|error| {
            warn!(%error, "the node cannot go on");
            false
        });
        self.event_loop = goes_on.then_some(event_loop);
        goes_on
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        let mut state = self.leadership.lock();
        state.moves += 1;
        let is_over = self.event_loop.is_none();
        state.is_over = is_over;
        state.event_loop = self.event_loop.take();
        let follower = state.followers.pop_front();
        let io_thread_sleeps = std::mem::take(&mut state.io_thread_sleeps);
        // Who is woken wants this lock first.
        drop(state);
        if let Some(follower) = follower {
            follower.wake();
        }
        if io_thread_sleeps || is_over {
            self.leadership.io_thread.notify_one();
        }
    }
}

/// A thread that waits.
struct Follower<'h> {
    leadership: &'h Leadership,
    waker: &'h Waker,
    is_listed: bool,
}

impl<'h> Follower<'h> {
    /// Takes the loop if it may and the loop is free. If not, sees to it that somebody has it.
    fn lead(&mut self, may_lead: bool) -> Option<Leader<'h>> {
        let mut state = self.leadership.lock();
        match state.event_loop.take() {
            Some(event_loop) if may_lead => {
                self.strike(&mut state);
                return Some(self.leadership.lent(event_loop, state));
            }
            Some(event_loop) => {
                state.event_loop = Some(event_loop);
                state.io_thread_is_called = true;
                drop(state);
                self.leadership.io_thread.notify_one();
            }
            None if may_lead => {
                // It may have been listed before, or woken meanwhile; it is to be there once.
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
    /// If it was its to take the loop, it is now another's.
    fn drop(&mut self) {
        if !self.is_listed {
            return;
        }
        let mut state = self.leadership.lock();
        self.strike(&mut state);
        let next = match state.event_loop {
            // Who gave the loop back may have woken this thread alone.
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
