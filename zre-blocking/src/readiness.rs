//! Events waiting, as something that `poll(2)` and its like understand.

use std::{
    io::{self, Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use zre_driver::{Hub, Signal};

use crate::tcp::Tcp;

/// What [`Pair`] is made of.
#[cfg(unix)]
pub type Socket = std::os::unix::net::UnixStream;
/// What [`Pair`] is made of.
#[cfg(windows)]
pub type Socket = std::net::TcpStream;

/// A descriptor that is readable while events of a node wait, and when the node has stopped.
///
/// Put it into any event loop: `poll`, `epoll`, kqueue, GLib, Qt. When it is readable, take events
/// with `try_recv` until there is none; do not read from it. On Unix it is an
/// [`AsFd`](std::os::fd::AsFd); on Windows an `AsSocket`, to be watched by `WSAPoll` or
/// `WSAEventSelect`.
#[derive(Debug)]
pub struct Readiness {
    watched: Socket,
    // The hub raises it for as long as it is here.
    _signal: Arc<dyn Signal>,
}

/// Raised when a byte is on its way from one end to the other.
#[derive(Debug)]
pub struct Pair {
    raised: AtomicBool,
    written: Socket,
    read: Socket,
}

impl Readiness {
    pub(crate) fn new(hub: &Hub<Tcp>) -> io::Result<Self> {
        let (pair, watched) = Pair::new()?;
        let signal: Arc<dyn Signal> = Arc::new(pair);
        hub.signal(&signal);
        Ok(Self {
            watched,
            _signal: signal,
        })
    }
}

impl Pair {
    /// A pair that is not raised, and the socket that is readable while it is.
    pub fn new() -> io::Result<(Self, Socket)> {
        let (written, watched) = socket_pair()?;
        written.set_nonblocking(true)?;
        watched.set_nonblocking(true)?;
        let pair = Self {
            raised: AtomicBool::new(false),
            written,
            read: watched.try_clone()?,
        };
        Ok((pair, watched))
    }
}

impl Signal for Pair {
    fn raise(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            // If the system takes no byte now, the next event tries again.
            let written = (&self.written).write(&[1]);
            self.raised.store(written.is_ok(), Ordering::Release);
        }
    }

    fn lower(&self) {
        // A byte that is still under way is taken the next time.
        if self.raised.load(Ordering::Acquire) && (&self.read).read(&mut [0]).is_ok() {
            self.raised.store(false, Ordering::Release);
        }
    }
}

#[cfg(unix)]
fn socket_pair() -> io::Result<(Socket, Socket)> {
    Socket::pair()
}

/// Windows has no socket pairs, so two sockets on loopback meet.
#[cfg(windows)]
fn socket_pair() -> io::Result<(Socket, Socket)> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let one = Socket::connect(listener.local_addr()?)?;
    let address = one.local_addr()?;
    loop {
        let (other, from) = listener.accept()?;
        if from == address {
            return Ok((one, other));
        }
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Readiness {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.watched.as_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Readiness {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.watched.as_raw_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for Readiness {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.watched.as_socket()
    }
}
