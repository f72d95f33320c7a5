//! The hub's connections.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, IoSlice},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Buf;
use zre_core::LinkId;

use super::{Hub, State, bursts::Pace};
use crate::wakers::Wakers;

/// A connected, non-blocking TCP stream of some runtime.
pub trait Stream: Send + Sync {
    /// Waits until the stream may be read.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Waits until the stream may be written.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Wakes the task behind all others that can run, also those that are yet to hear of their sockets.
    fn yield_now(&self, cx: &mut Context<'_>) {
        cx.waker().wake_by_ref();
    }

    /// Reads what is there, at most as much as the buffer is long; 0 at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] if there is nothing yet.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes as much as the socket takes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::WouldBlock`] if it takes nothing now.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

#[derive(Debug)]
pub(super) struct Links<S>(pub(super) BTreeMap<LinkId, LinkState<S>>);

#[derive(Debug)]
pub(super) struct LinkState<S> {
    /// `None` while the connection is being made.
    stream: Option<Arc<S>>,
    /// Whether the socket took no more at the last attempt.
    write_blocked: bool,
    pub(super) pace: Pace,
    /// Who runs [`Hub::poll_link`] or waits in [`Hub::poll_closed`].
    pub(super) task: Option<Waker>,
}

impl<S> LinkState<S> {
    /// Whether the socket is there and has not said that it takes no more.
    pub(super) fn is_writable(&self) -> bool {
        self.stream.is_some() && !self.write_blocked
    }
}

impl<S> Default for Links<S> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<S> Links<S> {
    pub(super) fn add_opening(&mut self, link: LinkId) {
        self.insert(link, None);
    }

    fn insert(&mut self, link: LinkId, stream: Option<Arc<S>>) {
        let state = LinkState {
            stream,
            write_blocked: false,
            pace: Pace::default(),
            task: None,
        };
        self.0.insert(link, state);
    }

    pub(super) fn remove(&mut self, link: LinkId, woken: &mut Wakers) {
        if let Some(LinkState {
            task: Some(waker), ..
        }) = self.0.remove(&link)
        {
            woken.push(waker);
        }
    }

    pub(super) fn wake_all(&mut self, woken: &mut Wakers) {
        self.0
            .values_mut()
            .filter_map(|state| state.task.take())
            .for_each(|waker| woken.push(waker));
    }

    pub(super) fn clear(&mut self, woken: &mut Wakers) {
        self.wake_all(woken);
        self.0.clear();
    }
}

impl<S: Stream> Hub<S> {
    /// A connection came in; run [`poll_link`](Hub::poll_link) for it.
    pub fn accepted(&self, stream: Arc<S>, remote: SocketAddr) -> LinkId {
        self.with(|state, now| {
            let link = state.engine.handle_accepted(remote, now);
            state.links.insert(link, Some(stream));
            link
        })
    }

    /// A connection that [`Task::Open`](crate::Task::Open) asked for is there; run [`poll_link`](Hub::poll_link) for it.
    pub fn opened(&self, link: LinkId, stream: Arc<S>) {
        self.with(|state, now| {
            if let Some(known) = state.links.0.get_mut(&link) {
                known.stream = Some(stream);
                state.engine.handle_connected(link, now);
            }
        });
    }

    /// A connection that [`Task::Open`](crate::Task::Open) asked for cannot be had.
    pub fn open_failed(&self, link: LinkId, error: &io::Error) {
        self.with(|state, now| {
            state.links.0.remove(&link);
            state.engine.handle_closed(link, &error.to_string(), now);
            state.senders.move_to(&mut state.woken);
        });
    }

    /// Waits until a connection that is being made is no longer wanted.
    pub fn poll_closed(&self, link: LinkId, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        match state.links.0.get_mut(&link) {
            Some(known) => {
                known.task = Some(cx.waker().clone());
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

    /// What a connection waits for, `None` if it has ended. Wakes when that changes. Writes what was put off, if it is time.
    fn watch_link(&self, link: LinkId, cx: &Context<'_>) -> Option<Interest> {
        let mut state = self.lock();
        let known = state.links.0.get_mut(&link)?;
        if !known
            .task
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            known.task = Some(cx.waker().clone());
        }
        if known.pace.is_put_off() {
            drop(state);
            return self.with(|state, now| {
                state.look_at_put_off(link, now);
                state.interest(link)
            });
        }
        state.interest(link)
    }

    /// Reads a connection once if it is readable, and writes it if it is writable; gives what it then waits for,
    /// `None` if it has ended.
    fn carry(&self, link: LinkId, stream: &S, ready: Interest) -> Option<Interest> {
        self.with(|state, now| {
            if ready.writable {
                state.unblock(link);
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
            writable: self.links.0.get(&link)?.write_blocked,
        })
    }

    fn read(&mut self, link: LinkId, stream: &S, now: zre_core::Instant) {
        if !self.links.0.contains_key(&link) {
            return;
        }
        let Some(mut reader) = self.engine.reader(link) else {
            return;
        };
        let result = stream.try_read(reader.buffer());
        if let Ok(count @ 1..) = result {
            return reader.commit(count, now);
        }
        drop(reader);
        match result {
            Ok(_) => self.ended(link, "the other side closed it", now),
            Err(error) if is_transient(&error) => {}
            Err(error) => self.ended(link, &error.to_string(), now),
        }
    }

    fn unblock(&mut self, link: LinkId) {
        if let Some(known) = self.links.0.get_mut(&link) {
            known.write_blocked = false;
        }
    }

    /// Writes a connection's outbox until it is empty or the socket takes no more.
    pub(super) fn write_now(&mut self, link: LinkId, now: zre_core::Instant) {
        let Some(LinkState {
            stream: Some(stream),
            write_blocked: false,
            ..
        }) = self.links.0.get(&link)
        else {
            return;
        };
        let stream = Arc::clone(stream);
        match self.write_until_blocked(link, &stream) {
            Ok(Written::All) => {}
            Ok(Written::Blocked) => self.block(link),
            Err(error) => self.ended(link, &error.to_string(), now),
        }
        self.note_written(link);
        self.engine.handle_written(now);
        self.senders.move_to(&mut self.woken);
    }

    fn write_until_blocked(&mut self, link: LinkId, stream: &S) -> io::Result<Written> {
        /// So much at a time, or the others would wait for the end of a very long message.
        const BUDGET: usize = 4 << 20;
        let mut total = 0;
        while let Some(outbox) = self.engine.write_buffer(link).filter(Buf::has_remaining) {
            let mut slices = [IoSlice::new(&[]); 64];
            let mut count = 0;
            for (slice, chunk) in slices.iter_mut().zip(outbox.chunks()) {
                *slice = IoSlice::new(chunk);
                count += 1;
            }
            match stream.try_write(slices.get(..count).unwrap_or_default()) {
                Ok(written) => {
                    outbox.advance(written);
                    total += written;
                    if total >= BUDGET {
                        return Ok(Written::Blocked);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Written::Blocked),
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Written::All)
    }

    /// The connection's task is to wait until it can be written again.
    fn block(&mut self, link: LinkId) {
        if let Some(known) = self.links.0.get_mut(&link) {
            known.write_blocked = true;
            if let Some(task) = known.task.take() {
                self.woken.push(task);
            }
        }
    }

    fn ended(&mut self, link: LinkId, error: &str, now: zre_core::Instant) {
        self.links.remove(link, &mut self.woken);
        self.engine.handle_closed(link, error, now);
        self.senders.move_to(&mut self.woken);
    }
}

enum Written {
    All,
    Blocked,
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
