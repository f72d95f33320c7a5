//! A connection that the reactor watches, as the hub wants it.

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use mio::{Interest, Registry, Token, net::TcpStream};

/// A connection of a node.
#[derive(Debug)]
pub struct Tcp {
    stream: TcpStream,
    source: Arc<Source>,
}

/// What a socket is ready for, as far as the system has told. It tells once when a socket becomes
/// ready; the socket is so until it would block.
#[derive(Debug)]
pub(crate) struct Source {
    token: Token,
    readable: AtomicBool,
    /// Whether the other side writes no more; that is told once, too.
    read_closed: AtomicBool,
    writable: AtomicBool,
}

impl Source {
    pub(crate) fn new(token: Token) -> Self {
        Self {
            token,
            readable: AtomicBool::new(false),
            read_closed: AtomicBool::new(false),
            writable: AtomicBool::new(false),
        }
    }

    /// The token of the socket and of its task.
    pub(crate) fn token(&self) -> Token {
        self.token
    }

    /// The system says what the socket is ready for.
    pub(crate) fn set_ready(&self, event: &mio::event::Event) {
        if event.is_read_closed() || event.is_error() {
            self.read_closed.store(true, Ordering::Release);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.readable.store(true, Ordering::Release);
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            self.writable.store(true, Ordering::Release);
        }
    }

    /// Receives from the socket, or accepts, if it may be ready; it is so until it would block.
    pub(crate) fn attempt_read<T>(
        &self,
        act: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        if !self.readable.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        // Only the thread that runs the loop sets it, and that is this one.
        match act() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable.store(false, Ordering::Release);
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }
}

impl Tcp {
    /// Has a socket watched.
    pub(crate) fn watched(
        mut stream: TcpStream,
        source: Arc<Source>,
        registry: &Registry,
    ) -> io::Result<Self> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut stream, source.token, interest)?;
        Ok(Self { stream, source })
    }

    pub(crate) fn source(&self) -> Arc<Source> {
        Arc::clone(&self.source)
    }

    /// Whether connecting is over, and how it went.
    pub(crate) fn poll_connected(&self) -> Poll<io::Result<()>> {
        if !self.source.writable.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        Poll::Ready(match self.stream.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(error),
        })
    }
}

/// What a socket is ready for is forgotten before it is tried, so that what the system says
/// meanwhile counts.
fn attempt(
    ready: &AtomicBool,
    act: impl FnOnce() -> io::Result<usize>,
    is_spent: impl FnOnce(usize) -> bool,
) -> io::Result<usize> {
    // The selector runs on another thread, perhaps just now.
    ready.store(false, Ordering::Release);
    let result = act();
    let would_block = match &result {
        Ok(count) => is_spent(*count),
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    };
    if !would_block {
        ready.store(true, Ordering::Release);
    }
    result
}

fn poll(ready: &AtomicBool) -> Poll<io::Result<()>> {
    if ready.load(Ordering::Acquire) {
        Poll::Ready(Ok(()))
    } else {
        Poll::Pending
    }
}

impl zre_driver::Stream for Tcp {
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(&self.source.readable)
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(&self.source.writable)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        let read = || (&self.stream).read(buffer);
        // Having got less than there was room for, there is nothing more; Unix systems tell when
        // there is again. The end of the stream they have told already, if it is there.
        attempt(&self.source.readable, read, |count| {
            cfg!(unix) && count < room && !self.source.read_closed.load(Ordering::Acquire)
        })
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let write = || (&self.stream).write_vectored(slices);
        attempt(&self.source.writable, write, |_| false)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Tcp {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for Tcp {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.stream.as_socket()
    }
}
