//! A connection as the hub sees it: its socket, whether that takes more, and how writes to it are
//! put together.

use std::{
    io::{self, ErrorKind, IoSlice},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll, Waker},
    thread::ThreadId,
};

use bytes::Buf as _;
use zre_core::{Instant, WriteBuffer, interfaces::LocalAddress};

use super::{
    aftermath::{Aftermath, replace_waker},
    coalesce::{Coalescer, Decision},
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
    /// Where it is at this machine, as far as that is known.
    local: Option<SocketAddr>,
    /// Whether the socket took no more at the last attempt.
    write_blocked: bool,
    coalescer: Coalescer,
    /// Who polls the connection's [`LinkTask`](super::LinkTask).
    task: Option<Waker>,
}

impl<S> Connection<S> {
    /// One that is being made, or that is there.
    pub(super) fn new(stream: Option<Arc<S>>, local: Option<SocketAddr>) -> Self {
        Self {
            stream,
            local,
            write_blocked: false,
            coalescer: Coalescer::default(),
            task: None,
        }
    }

    /// The connection has been made.
    pub(super) fn set_stream(&mut self, stream: Arc<S>, local: Option<SocketAddr>) {
        self.stream = Some(stream);
        self.local = local;
    }

    /// It is known where the connection begins.
    pub(super) fn set_local(&mut self, local: Option<SocketAddr>) {
        self.local = local;
    }

    /// Whether the connection begins or ends at one of the node's addresses.
    pub(super) fn is_at(&self, own: &LocalAddress) -> bool {
        self.local.is_some_and(|local| {
            // Another interface may have the same link-local address.
            let is_elsewhere = match (own.address, local) {
                (IpAddr::V6(v6), SocketAddr::V6(local)) if v6.is_unicast_link_local() => {
                    local.scope_id() != own.index
                }
                _ => false,
            };
            local.ip().to_canonical() == own.address && !is_elsewhere
        })
    }

    /// Drops the socket, which is closed unless the connection's task has it, too.
    pub(super) fn close_socket(&mut self) {
        self.stream = None;
    }

    /// Whom to wake when the connection's task has something to do. Drop what this gives when the
    /// hub is not locked.
    pub(super) fn set_task(&mut self, cx: &Context<'_>) -> Option<Waker> {
        replace_waker(&mut self.task, cx.waker())
    }

    /// Wakes the connection's task, which then comes again.
    pub(super) fn wake_task(&mut self, aftermath: &mut Aftermath) {
        if let Some(task) = self.task.take() {
            aftermath.wake(task);
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
    pub(super) fn is_writable(&self) -> bool {
        self.stream.is_some() && !self.write_blocked
    }
}

impl<S: Stream> Connection<S> {
    /// What comes now is one of many.
    pub(super) fn go_on_in_burst(&mut self, now: Instant) {
        self.coalescer.go_on_in_burst(now);
    }

    /// Whether what waits is to be written now, or with what follows in a burst.
    pub(super) fn decide(&mut self, queued: usize, now: Instant) -> Decision {
        self.coalescer.decide(queued, now)
    }

    /// Writes until the buffer is empty or the socket takes no more; then the task waits for it.
    pub(super) fn flush(
        &mut self,
        buffer: &mut WriteBuffer,
        aftermath: &mut Aftermath,
    ) -> io::Result<()> {
        /// So much at a time, or the others would wait for the end of a very long message.
        const BUDGET: usize = 4 << 20;
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        let mut total = 0;
        while buffer.has_remaining() {
            if total >= BUDGET {
                // The task finds the socket writable at once, but other tasks have their turn.
                self.block(aftermath);
                break;
            }
            match write_once(&**stream, buffer) {
                Ok(count) => total += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.block(aftermath);
                    break;
                }
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// All has been written that could be; says whether anything had been deferred.
    pub(super) fn note_written(&mut self, now: Instant) -> bool {
        self.coalescer.note_written(now)
    }

    fn block(&mut self, aftermath: &mut Aftermath) {
        self.write_blocked = true;
        self.wake_task(aftermath);
    }
}

/// One system call's worth.
fn write_once<S: Stream>(stream: &S, buffer: &mut WriteBuffer) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); 64];
    let mut count = 0;
    // More pieces than these wait for the next call.
    for (slice, chunk) in slices.iter_mut().zip(buffer.chunks()) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    let written = stream.try_write(slices.get(..count).unwrap_or_default())?;
    if written == 0 {
        // To try again would be to try for ever, with the hub locked.
        return Err(ErrorKind::WriteZero.into());
    }
    buffer.advance(written);
    Ok(written)
}

/// Whether an error says only that the socket is to be tried again later.
pub(super) fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
