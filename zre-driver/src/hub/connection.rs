//! A connection as the hub sees it: its socket, whether that takes more, and how writes to it are
//! put together.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, IoSlice},
    sync::Arc,
    task::{Context, Poll, Waker},
    thread::ThreadId,
};

use bytes::Buf;
use zre_core::{Engine, Instant, LinkId, WriteBuffer};

use super::{
    coalesce::{Coalescer, Decision, Deferred, SharedClock},
    waiters::WakerSet,
};

/// A connected, non-blocking TCP stream of some runtime.
pub trait Stream: Send + Sync {
    /// Waits until the stream may be read.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Waits until the stream may be written.
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Wakes the task behind all others that can run, also those that are yet to hear of their
    /// sockets.
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

/// One connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    /// `None` while the connection is being made.
    stream: Option<Arc<S>>,
    /// Whether the socket took no more at the last attempt.
    write_blocked: bool,
    coalescer: Coalescer,
    /// Who runs [`Hub::poll_link`](super::Hub::poll_link) or waits in
    /// [`Hub::poll_closed`](super::Hub::poll_closed).
    task: Option<Waker>,
}

impl<S> Connection<S> {
    /// One that is being made, or that is there.
    pub(super) fn new(stream: Option<Arc<S>>) -> Self {
        Self {
            stream,
            write_blocked: false,
            coalescer: Coalescer::default(),
            task: None,
        }
    }

    /// The connection has been made.
    pub(super) fn set_stream(&mut self, stream: Arc<S>) {
        self.stream = Some(stream);
    }

    /// Whom to wake when the connection's task has something to do.
    pub(super) fn set_task(&mut self, cx: &Context<'_>) {
        let known = self.task.as_ref();
        if !known.is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
        }
    }

    /// Wakes the connection's task, which then comes again.
    pub(super) fn wake_task(&mut self, woken: &mut WakerSet) {
        if let Some(task) = self.task.take() {
            woken.push(task);
        }
    }

    pub(super) fn has_deferred(&self) -> bool {
        self.coalescer.is_deferred()
    }

    /// Whether what is deferred is to be written by this thread now.
    pub(super) fn is_deferred_by(&self, thread: ThreadId) -> bool {
        self.coalescer.is_by(thread)
    }

    /// Whether writes have been deferred for long enough.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.coalescer.is_due(now)
    }

    /// Whether the task waits for the socket to take more.
    pub(super) fn is_write_blocked(&self) -> bool {
        self.write_blocked
    }

    /// The socket may take more again.
    pub(super) fn unblock(&mut self) {
        self.write_blocked = false;
    }

    /// Whether the socket is there and has not said that it takes no more.
    fn is_writable(&self) -> bool {
        self.stream.is_some() && !self.write_blocked
    }
}

impl<S: Stream> Connection<S> {
    /// Writes until the buffer is empty or the socket takes no more; then the task waits for it.
    fn flush(&mut self, buffer: &mut WriteBuffer, woken: &mut WakerSet) -> io::Result<()> {
        /// So much at a time, or the others would wait for the end of a very long message.
        const BUDGET: usize = 4 << 20;
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        let mut total = 0;
        while buffer.has_remaining() {
            if total >= BUDGET {
                self.block(woken);
                break;
            }
            match write_once(&**stream, buffer) {
                Ok(count) => total += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.block(woken);
                    break;
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn block(&mut self, woken: &mut WakerSet) {
        self.write_blocked = true;
        self.wake_task(woken);
    }
}

/// One system call's worth.
fn write_once<S: Stream>(stream: &S, buffer: &mut WriteBuffer) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); 64];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(buffer.chunks()) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    let written = stream.try_write(slices.get(..count).unwrap_or_default())?;
    buffer.advance(written);
    Ok(written)
}

/// All connections.
#[derive(Debug)]
pub(super) struct Connections<S> {
    by_link: BTreeMap<LinkId, Connection<S>>,
    deferred: Deferred,
    clock: SharedClock,
}

impl<S> Default for Connections<S> {
    fn default() -> Self {
        Self {
            by_link: BTreeMap::new(),
            deferred: Deferred::default(),
            clock: SharedClock::default(),
        }
    }
}

impl<S> Connections<S> {
    pub(super) fn len(&self) -> usize {
        self.by_link.len()
    }

    pub(super) fn links(&self) -> impl Iterator<Item = LinkId> {
        self.by_link.keys().copied()
    }

    pub(super) fn get(&self, link: LinkId) -> Option<&Connection<S>> {
        self.by_link.get(&link)
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Connection<S>> {
        self.by_link.get_mut(&link)
    }

    pub(super) fn add(&mut self, link: LinkId, stream: Option<Arc<S>>) {
        self.by_link.insert(link, Connection::new(stream));
    }

    /// Forgets a connection; its task ends when it looks for it.
    pub(super) fn remove(&mut self, link: LinkId, woken: &mut WakerSet) {
        if let Some(mut connection) = self.by_link.remove(&link) {
            connection.wake_task(woken);
            self.deferred.remove(link);
        }
    }

    pub(super) fn wake_all(&mut self, woken: &mut WakerSet) {
        let connections = self.by_link.values_mut();
        connections.for_each(|connection| connection.wake_task(woken));
    }

    pub(super) fn clear(&mut self, woken: &mut WakerSet) {
        self.wake_all(woken);
        *self = Self::default();
    }

    /// The time of a message, which another just before may have shared.
    pub(super) fn message_time(&mut self, now: impl FnOnce() -> Instant) -> Instant {
        self.clock.message_time(now)
    }

    /// When the driver is to [look](Connections::overdue) for overdue writes.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.deferred.look_at()
    }

    /// Leaves what is deferred to the driver, if the burst goes on.
    pub(super) fn leave_to_driver(&mut self, now: Instant) {
        self.deferred.leave_to_driver(now);
    }

    /// The connections on which writes are deferred, of those that are meant.
    pub(super) fn deferred(&self, is_meant: impl Fn(&Connection<S>) -> bool) -> Vec<LinkId> {
        let is_meant = |link: &LinkId| self.get(*link).is_some_and(&is_meant);
        // An empty vector takes no memory.
        self.deferred.links().filter(is_meant).collect()
    }

    /// Whether it is time for the driver to look for overdue writes.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        self.deferred.take_due(now)
    }

    /// The driver has looked.
    pub(super) fn looked(&mut self, now: Instant) {
        self.deferred.looked(now);
    }
}

/// How a write ended.
#[derive(Debug)]
pub(super) enum Written {
    /// Nothing was tried: there is no such connection, it cannot be written, or it is deferred.
    Not,
    /// As far as the socket takes it.
    Done,
    /// The connection is broken.
    Failed(io::Error),
}

impl<S: Stream> Connections<S> {
    /// There is something to write to a connection: writes it, or defers it in a burst.
    pub(super) fn write(
        &mut self,
        link: LinkId,
        engine: &mut Engine,
        now: Instant,
        clock: impl FnOnce() -> Instant,
        woken: &mut WakerSet,
    ) -> Written {
        let known = self.by_link.get_mut(&link);
        let Some(connection) = known.filter(|connection| connection.is_writable()) else {
            return Written::Not;
        };
        let queued = write_buffer(engine, link).map_or(0, |buffer| buffer.remaining());
        match connection.coalescer.decide(queued, now) {
            Decision::Write => self.write_now(link, engine, clock, woken),
            Decision::Defer => {
                // The task looks whether the burst is over, unless the driver looks anyway.
                if self.deferred.look_at().is_none() {
                    connection.wake_task(woken);
                }
                self.deferred.add(link);
                Written::Not
            }
            Decision::StillDefer => Written::Not,
        }
    }

    /// Writes what there is to write to a connection.
    pub(super) fn write_now(
        &mut self,
        link: LinkId,
        engine: &mut Engine,
        clock: impl FnOnce() -> Instant,
        woken: &mut WakerSet,
    ) -> Written {
        let known = self.by_link.get_mut(&link);
        let Some(connection) = known.filter(|connection| connection.is_writable()) else {
            return Written::Not;
        };
        let flushed = match write_buffer(engine, link) {
            Some(buffer) => connection.flush(buffer, woken),
            None => Ok(()),
        };
        // The time after the write, so that what follows it at once is seen to.
        if connection.coalescer.note_written(clock()) {
            self.deferred.remove(link);
        }
        self.clock.note_written();
        match flushed {
            Ok(()) => Written::Done,
            Err(error) => Written::Failed(error),
        }
    }
}

/// What is to be written to a connection; the one place that asks the engine for it.
pub(super) fn write_buffer(engine: &mut Engine, link: LinkId) -> Option<&mut WriteBuffer> {
    engine.write_buffer(link)
}

/// Reads a connection once into the engine, and says how much was read: 0 at the end of the stream.
/// The one place that reads.
pub(super) fn read<S: Stream>(
    engine: &mut Engine,
    link: LinkId,
    stream: &S,
    now: Instant,
) -> io::Result<usize> {
    // The engine has closed it, and the hub is about to: there is nobody to read for.
    let Some(mut reader) = engine.reader(link) else {
        return Err(ErrorKind::WouldBlock.into());
    };
    let count = stream.try_read(reader.buffer())?;
    if count > 0 {
        reader.commit(count, now);
    }
    Ok(count)
}

/// Whether an error says only that the socket is to be tried again later.
pub(super) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
