//! Looking up host names beside the runtime, which is not to wait for them.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread,
};

use zre_net::Lookup;

/// Looks up a host name on a thread of its own, so that a slow name holds up nothing else. There
/// are at most [`Lookup::MOST`] in a process. Dropped, the look-up goes on, as the system cannot be
/// told to end it, but nothing waits for it: neither the node nor a runtime that ends.
///
/// # Errors
///
/// When the system has no threads left.
pub(crate) fn look_up(
    lookup: Lookup,
) -> io::Result<impl Future<Output = io::Result<Vec<SocketAddr>>> + Send> {
    let answer = Arc::<Answer>::default();
    let found = Arc::clone(&answer);
    let name = "zre-lookup".into();
    thread::Builder::new()
        .name(name)
        .spawn(move || found.set(lookup.addresses()))?;
    Ok(std::future::poll_fn(move |cx| answer.poll(cx)))
}

#[derive(Default)]
struct Answer(Mutex<State>);

#[derive(Default)]
struct State {
    found: Option<io::Result<Vec<SocketAddr>>>,
    waker: Option<Waker>,
}

impl Answer {
    fn set(&self, found: io::Result<Vec<SocketAddr>>) {
        let mut state = self.lock();
        state.found = Some(found);
        let waker = state.waker.take();
        // Who is woken polls at once, and locks.
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<io::Result<Vec<SocketAddr>>> {
        let mut state = self.lock();
        match state.found.take() {
            Some(found) => Poll::Ready(found),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
