//! A connection of tokio's, as the hub wants it.

use std::{
    io::{self, IoSlice},
    task::{Context, Poll},
};

use tokio::net::TcpStream;
use zre_driver::zre_net::ForkSafe;

/// A connection that tokio watches.
#[derive(Debug)]
pub(crate) struct Tcp(pub(crate) ForkSafe<TcpStream>);

impl zre_driver::Stream for Tcp {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx)
    }

    /// A task that merely wakes itself would run some sixty times before tokio looks at sockets
    /// again.
    fn yield_now(&self, cx: &mut Context<'_>) {
        let yielding = std::pin::pin!(tokio::task::yield_now());
        let _woken_later = yielding.poll(cx);
    }

    #[cfg(not(unix))]
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }

    /// Having got less than there was room for, there is nothing more, and Unix systems tell when
    /// there is again: so tokio is told that the next read would block, in place of trying it.
    #[cfg(unix)]
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::io::Read as _;

        let mut all_there_was = None;
        let result = self.0.try_io(tokio::io::Interest::READABLE, || {
            let count = (&*socket2::SockRef::from(&*self.0)).read(buffer)?;
            if (1..buffer.len()).contains(&count) {
                // Only an error makes tokio forget that the socket was readable.
                all_there_was = Some(count);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(count)
        });
        all_there_was.map_or(result, Ok)
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
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
