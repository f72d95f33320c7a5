//! A connection that the driver watches, as the hub wants it.

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use mio::net::TcpStream;

/// A connection of a node. It is public only as the parameter of [`zre_net::Handle`].
#[derive(Debug)]
pub struct Tcp {
    stream: TcpStream,
    // The system tells once when a socket becomes ready; it is so until it would block.
    readable: AtomicBool,
    /// Whether the other side writes no more; that is told once, too.
    read_closed: AtomicBool,
    writable: AtomicBool,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            readable: AtomicBool::new(false),
            read_closed: AtomicBool::new(false),
            writable: AtomicBool::new(false),
        }
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

    /// Whether connecting is over, and how it went.
    pub(crate) fn poll_connected(&self) -> Poll<io::Result<()>> {
        if !self.writable.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        Poll::Ready(match self.stream.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(error),
        })
    }
}

/// What a socket is ready for is forgotten before it is tried, so that what the system says meanwhile counts.
fn attempt(
    ready: &AtomicBool,
    act: impl FnOnce() -> io::Result<usize>,
    is_spent: impl FnOnce(usize) -> bool,
) -> io::Result<usize> {
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

impl zre_net::Stream for Tcp {
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(&self.readable)
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(&self.writable)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len();
        let read = || (&self.stream).read(buffer);
        // Having got less than there was room for, there is nothing more; Unix systems tell when there is again.
        attempt(&self.readable, read, |count| {
            cfg!(unix) && count < room && !self.read_closed.load(Ordering::Acquire)
        })
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let write = || (&self.stream).write_vectored(slices);
        attempt(&self.writable, write, |_| false)
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
