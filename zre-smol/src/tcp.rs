//! A connection that async-io watches, as the hub wants it.

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    net::TcpStream,
    task::{Context, Poll},
};

use async_io::Async;
use zre_driver::zre_net::ForkSafe;

/// A connection that async-io watches.
#[derive(Debug)]
pub(crate) struct Tcp(pub(crate) ForkSafe<Async<TcpStream>>);

impl zre_driver::Stream for Tcp {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_writable(cx)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.get_ref().read(buffer)
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.get_ref().write_vectored(slices)
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Tcp {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for Tcp {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.0.as_socket()
    }
}
