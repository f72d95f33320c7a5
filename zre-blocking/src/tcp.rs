//! A connection that the I/O thread watches, as the hub wants it.

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use mio::net::TcpStream;

/// A connection that a node's I/O thread watches. It is public only as the parameter of [`zre_net::Handle`].
#[derive(Debug)]
pub struct Tcp {
    stream: TcpStream,
    // The system tells once when a socket becomes ready; it is so until it would block.
    readable: AtomicBool,
    writable: AtomicBool,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            readable: AtomicBool::new(false),
            writable: AtomicBool::new(false),
        }
    }

    /// The system says what the socket is ready for.
    pub(crate) fn set_ready(&self, event: &mio::event::Event) {
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
fn attempt<T>(ready: &AtomicBool, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    ready.store(false, Ordering::Release);
    let result = act();
    if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
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
        attempt(&self.readable, || (&self.stream).read(buffer))
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        attempt(&self.writable, || (&self.stream).write_vectored(slices))
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
