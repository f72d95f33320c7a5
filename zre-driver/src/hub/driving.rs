//! The driver's side of the hub.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use zre_core::{LinkId, Notice, proto::Endpoint};

use super::{Hub, Stream, state::State};

/// Something for the driver to do.
#[derive(Debug)]
pub enum Command {
    /// Connect, then call [`Hub::opened`] or [`Hub::open_failed`].
    Open {
        /// The connection's id.
        link: LinkId,
        /// Where to.
        endpoint: Endpoint,
    },
    /// Ask for the [deadline](Hub::deadline) anew.
    Reschedule,
    /// The node has stopped: close the sockets, then call [`Hub::finish`].
    Finish,
}

impl<S: Stream> Hub<S> {
    /// Takes the driver's next command.
    pub fn poll_command(&self, cx: &Context<'_>) -> Poll<Command> {
        self.with(|state, _| {
            if let Some(command) = state.commands.pop_front() {
                return Poll::Ready(command);
            }
            if state.engine.is_stopped() {
                return Poll::Ready(Command::Finish);
            }
            if state.next_timeout() != state.scheduled {
                return Poll::Ready(Command::Reschedule);
            }
            state.waiters.driver.register(cx, &mut state.woken);
            Poll::Pending
        })
    }

    /// When [`timeout`](Hub::timeout) is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let mut state = self.lock();
        state.scheduled = state.next_timeout();
        let after = state.scheduled?.since(zre_core::Instant::default());
        Some(self.epoch + after)
    }

    /// The deadline is there.
    pub fn timeout(&self) {
        self.with(|state, now| {
            state.write_overdue(now);
            if state.engine.poll_timeout().is_some_and(|at| at <= now) {
                state.engine.handle_timeout(now);
            }
        });
    }

    /// A datagram came in on the discovery port.
    pub fn datagram(&self, from: SocketAddr, datagram: &[u8]) {
        let SocketAddr::V4(from_v4) = from else {
            return;
        };
        // Outside Linux's loopback, the socket hears other interfaces, too.
        if self.interface.contains(*from_v4.ip()) {
            self.with(|state, now| state.engine.handle_datagram(from, datagram, now));
        }
    }

    /// The driver could not do something that the user ought to hear of.
    pub fn report(&self, notice: Notice) {
        self.with(|state, now| state.report(notice, now));
    }

    /// Nobody drives the node any more: its sockets are closed, or the runtime is gone.
    pub fn finish(&self) {
        self.with(|state, now| state.engine.stop_now(now));
        // In a second step, as the first still sends the goodbye.
        self.with(|state, _| state.finish());
    }

    /// A connection came in; run [`poll_link`](Hub::poll_link) for it.
    pub fn accepted(&self, stream: Arc<S>, remote: SocketAddr) -> LinkId {
        self.with(|state, now| {
            let link = state.engine.handle_accepted(remote, now);
            state.connections.add(link, Some(stream));
            link
        })
    }

    /// A connection that [`Command::Open`] asked for is there; run [`poll_link`](Hub::poll_link)
    /// for it.
    pub fn opened(&self, link: LinkId, stream: Arc<S>) {
        self.with(|state, now| {
            if let Some(connection) = state.connections.get_mut(link) {
                connection.set_stream(stream);
                state.engine.handle_connected(link, now);
            }
        });
    }

    /// A connection that [`Command::Open`] asked for cannot be had.
    pub fn open_failed(&self, link: LinkId, error: &io::Error) {
        self.with(|state, now| state.ended(link, &error.to_string(), now));
    }

    /// Waits until a connection that is being made is no longer wanted.
    pub fn poll_closed(&self, link: LinkId, cx: &Context<'_>) -> Poll<()> {
        match self.lock().connections.get_mut(link) {
            Some(connection) => {
                connection.set_task(cx);
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }

    /// Moves what there is to move over a connection, until it has ended.
    pub fn poll_link(&self, link: LinkId, stream: &S, cx: &mut Context<'_>) -> Poll<()> {
        /// After so long it is the others' turn.
        const TURN: Duration = Duration::from_micros(500);
        let begun = Instant::now();
        let mut interest = self.watch_link(link, cx);
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
            interest = self.carry(link, stream, ready);
        }
        stream.yield_now(cx);
        Poll::Pending
    }

    /// What a connection waits for, `None` if it has ended. Wakes when that changes. Writes what
    /// was deferred, if it is time.
    fn watch_link(&self, link: LinkId, cx: &Context<'_>) -> Option<Interest> {
        let mut state = self.lock();
        let connection = state.connections.get_mut(link)?;
        connection.set_task(cx);
        if !connection.has_deferred() {
            return state.interest(link);
        }
        drop(state);
        self.with(|state, now| {
            state.look_at_deferred(link, now);
            state.interest(link)
        })
    }

    /// Reads a connection once if it is readable, and writes it if it is writable; gives what it
    /// then waits for, `None` if it has ended.
    fn carry(&self, link: LinkId, stream: &S, ready: Interest) -> Option<Interest> {
        self.with(|state, now| {
            if ready.writable
                && let Some(connection) = state.connections.get_mut(link)
            {
                connection.unblock();
                state.write_now(link, now);
            }
            if ready.readable && !state.engine.is_congested() {
                state.read(link, stream, now);
            }
            state.interest(link)
        })
    }
}

/// What a connection waits for, or what it is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Interest {
    readable: bool,
    writable: bool,
}

impl<S: Stream> State<S> {
    fn interest(&self, link: LinkId) -> Option<Interest> {
        Some(Interest {
            readable: !self.engine.is_congested(),
            writable: self.connections.get(link)?.is_write_blocked(),
        })
    }
}
