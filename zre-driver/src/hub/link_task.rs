//! What a connection's task does.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use zre_core::{LinkId, OpenFor, interfaces::IpVersion};

use super::{Hub, Stream, driving::Command, state::State};

/// A connection's hold on the hub, for the task that makes it and then moves what goes over it.
#[derive(Debug)]
pub(crate) struct LinkTask<S: Stream> {
    hub: Arc<Hub<S>>,
    link: LinkId,
}

impl<S: Stream> LinkTask<S> {
    pub(super) fn new(hub: Arc<Hub<S>>, link: LinkId) -> Self {
        Self { hub, link }
    }

    /// The connection has been made.
    pub(crate) fn connected(&self, stream: Arc<S>, local: Option<SocketAddr>) {
        self.hub.with(|state, now| {
            let (connections, mut io) = state.io(now);
            connections.connected(self.link, stream, local, &mut io);
        });
    }

    /// Which versions of IP the node uses.
    pub(crate) fn ip(&self) -> IpVersion {
        self.hub.ip()
    }

    /// Opens a socket for a connection to a place, if it is wanted there.
    ///
    /// # Errors
    ///
    /// When the other side cannot be there, is this node itself or is connected already, or when
    /// the system refuses.
    pub(crate) fn begin(&self, remote: SocketAddr, purpose: OpenFor) -> io::Result<TcpStream> {
        self.hub
            .with(|state, now| state.begin(self.link, remote, purpose, now))
    }

    /// The connection cannot be had, or is gone.
    pub(crate) fn ended(&self, error: &str) {
        self.hub.with(|state, now| {
            let (connections, mut io) = state.io(now);
            connections.ended(self.link, error, &mut io);
        });
    }

    /// Waits until a connection that is being made is no longer wanted.
    pub(crate) fn poll_closed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.hub.lock();
        let Some(connection) = state.connections.get_mut(self.link) else {
            return Poll::Ready(());
        };
        let old = connection.set_task(cx);
        drop(state);
        // A waker is the runtime's, so it is dropped when the lock is free again.
        drop(old);
        Poll::Pending
    }

    /// Moves what there is to move over a connection, until it has ended.
    pub(crate) fn poll(&self, stream: &S, cx: &mut Context<'_>) -> Poll<()> {
        /// After so long it is the others' turn.
        const TURN: Duration = Duration::from_micros(500);
        if self.hub.is_forked() {
            // Before the socket is asked for anything, for it is the parent's.
            return Poll::Ready(());
        }
        let begun = Instant::now();
        let mut interest = self.watch(cx);
        while begun.elapsed() < TURN {
            let Some(Interest { readable, writable }) = interest else {
                return Poll::Ready(());
            };
            // An error shows again when reading or writing.
            let ready = Interest {
                readable: readable && stream.poll_readable(cx).is_ready(),
                writable: writable && stream.poll_writable(cx).is_ready(),
            };
            if ready == Interest::default() {
                return Poll::Pending;
            }
            interest = self.carry(stream, ready);
        }
        // There may be more, and no socket will tell.
        stream.yield_now(cx);
        Poll::Pending
    }

    /// What the connection waits for, `None` if it has ended. Wakes when that changes. Writes what
    /// was deferred, if it is time.
    fn watch(&self, cx: &Context<'_>) -> Option<Interest> {
        let mut state = self.hub.lock();
        let connection = state.connections.get_mut(self.link)?;
        let old = connection.set_task(cx);
        let has_deferred = connection.has_deferred();
        let interest = state.interest(self.link);
        drop(state);
        drop(old);
        if !has_deferred {
            return interest;
        }
        self.hub.with(|state, now| {
            let (connections, mut io) = state.io(now);
            connections.look_at_deferred(self.link, &mut io);
            state.interest(self.link)
        })
    }

    /// Reads the connection once if it is readable, and writes it if it is writable; gives what it
    /// then waits for, `None` if it has ended.
    fn carry(&self, stream: &S, ready: Interest) -> Option<Interest> {
        self.hub.with(|state, now| {
            let (connections, mut io) = state.io(now);
            if ready.writable {
                connections.unblock(self.link, &mut io);
            }
            // The application may have fallen behind since the task looked.
            if ready.readable && io.engine.may_read(self.link) {
                connections.read(self.link, stream, &mut io);
            }
            state.interest(self.link)
        })
    }
}

impl<S: Stream> Drop for LinkTask<S> {
    /// A runtime may catch the panic of a task. Nobody would read the connection any more then.
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        // What panicked may have been the engine, so it is left to the driver to tell it.
        let mut state = self.hub.lock();
        state.driver.push(Command::TaskPanicked(self.link));
        let waker = state.driver.take_waker();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What a connection waits for, or what it is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Interest {
    readable: bool,
    writable: bool,
}

impl<S> State<S> {
    fn interest(&mut self, link: LinkId) -> Option<Interest> {
        let writable = self.connections.get_mut(link)?.is_write_blocked();
        let readable = self.engine.may_read(link);
        if !readable {
            self.connections.wait_to_read(link);
        }
        Some(Interest { readable, writable })
    }
}
