//! The process that a node's sockets belong to.

use std::{
    fmt, io, mem,
    ops::Deref,
    sync::{Mutex, MutexGuard, TryLockError},
    thread,
    time::{Duration, Instant},
};

use crate::socket::AsSocket;

/// The process in which this was made.
///
/// `fork` makes a child with the same memory and the same sockets, but with the calling thread
/// alone. What the child reads from a socket is lost to its parent, and a lock that another thread
/// held stays locked there for ever. So a node asks before it does either.
///
/// A child is noticed if it was made by the system's `fork` function, which runs the handlers of
/// `pthread_atfork`; a child made by a bare system call is not. Windows has no such thing.
#[derive(Debug, Clone)]
pub struct Process(forkguard::Guard);

impl Process {
    /// The process that calls this.
    ///
    /// # Errors
    ///
    /// When the system has no memory left.
    pub fn current() -> io::Result<Self> {
        match forkguard::Guard::try_new() {
            Ok(guard) => Ok(Self(guard)),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    /// Whether the caller is in the process in which this was made. It costs no system call.
    #[inline]
    #[must_use]
    pub fn is_current(&self) -> bool {
        // A guard says so once, so it is a copy that is asked.
        !self.0.clone().detected_fork()
    }
}

/// A socket that its runtime watches. In a child of the process it is closed without the runtime.
///
/// The runtime would take it off the list of what it watches. On Linux that list (epoll) is the
/// parent's, too, which would hear of its own socket no more.
pub struct ForkSafe<S: AsSocket> {
    /// `None` only while this is dropped.
    socket: Option<S>,
    process: Process,
}

impl<S: AsSocket> ForkSafe<S> {
    /// A socket of a process.
    pub fn new(socket: S, process: &Process) -> Self {
        Self {
            socket: Some(socket),
            process: process.clone(),
        }
    }
}

impl<S: AsSocket> Deref for ForkSafe<S> {
    type Target = S;

    fn deref(&self) -> &S {
        match &self.socket {
            Some(socket) => socket,
            None => unreachable!("it is taken out when this is dropped, and not before"),
        }
    }
}

impl<S: AsSocket> Drop for ForkSafe<S> {
    fn drop(&mut self) {
        if !self.process.is_current()
            && let Some(socket) = self.socket.take()
        {
            close_only(socket);
        }
    }
}

/// Closes a socket and does nothing else that dropping it would do.
#[cfg(unix)]
fn close_only(socket: impl AsSocket) {
    use std::os::fd::AsRawFd as _;

    let descriptor = socket.as_fd().as_raw_fd();
    // Else it would be closed twice.
    mem::forget(socket);
    // It is gone whatever this says.
    let _closed = nix::unistd::close(descriptor);
}

#[cfg(not(unix))]
fn close_only(socket: impl AsSocket) {
    mem::drop(socket);
}

impl<S: AsSocket + fmt::Debug> fmt::Debug for ForkSafe<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// In a forked child the lock may stay taken for ever, if a thread of the parent had it just then.
pub(crate) fn lock_soon<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(error)) => return Some(error.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => return None,
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
}
