//! Sockets with the options that ZRE needs, ready to be given to any runtime.
//!
//! All of them are non-blocking. [`beacon`] has those for beacons, [`listen_on`] and
//! [`connector_on`] make those for connections.

pub mod beacon;
mod local;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use zre_core::interfaces::LocalAddress;

use crate::reach::canonical;

pub use local::{local_address, source_for};

#[cfg(unix)]
pub use std::os::fd::AsFd as AsSocket;
#[cfg(windows)]
pub use std::os::windows::io::AsSocket;

/// A buffer of this many bytes is longer than any beacon, so that a longer datagram shows as one.
pub const DATAGRAM_SIZE: usize = 64;

/// How long to wait before accepting again after the system could not.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Whether an error of accepting is that of one connection, so that the next may be accepted at
/// once.
pub fn is_per_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// First of the dynamic ports, which [`ListenPort::Free`] searches up to 65535.
const FIRST_FREE_PORT: u16 = 49152;
const FREE_PORTS: u16 = 16384;

/// Connections that wait to be accepted; the system may hold fewer.
const BACKLOG: i32 = 1024;

/// A host that vanished without a word is noticed after about a minute.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

/// So many bytes of a connection the system may hold that it has not sent.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 128 << 10;

fn shared_udp(local: SocketAddr) -> io::Result<Socket> {
    let socket = udp(local.ip())?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&local.into())?;
    Ok(socket)
}

fn private_udp(mut local: SocketAddr) -> io::Result<Socket> {
    local.set_port(0);
    let socket = udp(local.ip())?;
    socket.bind(&local.into())?;
    Ok(socket)
}

fn udp(address: IpAddr) -> io::Result<Socket> {
    open(address, Type::DGRAM, Protocol::UDP)
}

/// Which port a node listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenPort {
    /// This port and no other; 0 lets the system choose.
    Fixed(u16),
    /// The first free one of the dynamic ports, 49152 to 65535.
    Free {
        /// Where in the range to begin (modulo its 16384 ports). Take it from the node's seed, so
        /// that nodes that start together do not all try the same ports.
        start: u16,
    },
}

/// Opens the socket on which peers connect to the node.
///
/// A fixed port can be taken again at once after its last owner died.
///
/// # Errors
///
/// [`AddrInUse`](io::ErrorKind::AddrInUse) when the fixed port or every dynamic port is taken,
/// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) when `address` is not this machine's. The
/// message names address and port.
pub fn listener(address: impl Into<IpAddr>, port: ListenPort) -> io::Result<TcpListener> {
    listener_at(SocketAddr::new(address.into(), 0), port)
}

/// Opens the socket on which peers connect to the node in one of its networks.
///
/// A fixed port can be taken again at once after its last owner died. An IPv6 socket takes IPv6
/// connections alone.
///
/// # Errors
///
/// [`AddrInUse`](io::ErrorKind::AddrInUse) when the fixed port or every dynamic port is taken,
/// [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) when the address is no longer this
/// machine's. The message names address and port.
pub fn listen_on(address: &LocalAddress, port: ListenPort) -> io::Result<TcpListener> {
    listener_at(local_address(address, 0), port)
}

/// The port of `local` is not looked at.
fn listener_at(mut local: SocketAddr, port: ListenPort) -> io::Result<TcpListener> {
    match port {
        ListenPort::Fixed(port) => {
            local.set_port(port);
            listen(local, Reuse::AfterCrash).map_err(|error| cannot_listen(&error, local))
        }
        ListenPort::Free { start } => listen_on_free_port(local, start),
    }
}

fn listen_on_free_port(mut local: SocketAddr, start: u16) -> io::Result<TcpListener> {
    for port in free_ports(start) {
        local.set_port(port);
        match listen(local, Reuse::Never) {
            Err(error) if is_taken(&error) => {}
            Err(error) => return Err(cannot_listen(&error, local)),
            Ok(listener) => return Ok(listener),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!(
            "cannot listen on {}: all ports from {FIRST_FREE_PORT} on are taken",
            local.ip()
        ),
    ))
}

fn free_ports(start: u16) -> impl Iterator<Item = u16> {
    (0..FREE_PORTS).map(move |step| FIRST_FREE_PORT + start.wrapping_add(step) % FREE_PORTS)
}

/// Windows also forbids (`PermissionDenied`) the ports that it has set aside or another program
/// holds exclusively.
fn is_taken(error: &io::Error) -> bool {
    let forbidden = cfg!(windows) && error.kind() == io::ErrorKind::PermissionDenied;
    forbidden || error.kind() == io::ErrorKind::AddrInUse
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    /// Connections of the port's last owner that the system still winds up do not stand in the
    /// way. Windows needs nothing for that; there, `SO_REUSEADDR` would steal the port of a
    /// running program.
    AfterCrash,
    /// Where there is a choice, a port with such connections is passed over: peers of its last
    /// owner may still try it.
    Never,
}

fn listen(local: SocketAddr, reuse: Reuse) -> io::Result<TcpListener> {
    let socket = tcp(local.ip())?;
    socket.set_reuse_address(cfg!(unix) && reuse == Reuse::AfterCrash)?;
    socket.bind(&local.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn cannot_listen(error: &io::Error, local: SocketAddr) -> io::Error {
    explain(error, format_args!("cannot listen on {local}"))
}

/// Opens a socket, not yet connected, for a connection to `remote` from one of the node's networks.
///
/// It is bound to the address that [`source_for`] says, so that the peer sees the one that it knows
/// from the beacon; else the system chooses. On Linux it has a port when it is connected, elsewhere
/// at once.
///
/// [`begin_connect`] connects it. When it is connected, call [`refuse_self`] and [`tune`].
///
/// # Errors
///
/// When the address is no longer this machine's, or the system has no sockets left, or where the
/// port is chosen here, no ports. The message names the addresses.
pub fn connector_on<'a>(
    remote: SocketAddr,
    networks: impl IntoIterator<Item = &'a LocalAddress>,
) -> io::Result<TcpStream> {
    connector_from(remote, source_for(remote, networks))
}

fn connector_from(remote: SocketAddr, source: Option<SocketAddr>) -> io::Result<TcpStream> {
    bound_connector(remote, source).map_err(|error| {
        let source = source.map(|source| format!(" from {}", source.ip()));
        let source = source.unwrap_or_default();
        explain(&error, format_args!("cannot connect to {remote}{source}"))
    })
}

fn bound_connector(remote: SocketAddr, source: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = tcp(remote.ip())?;
    if let Some(source) = source {
        choose_port_late(&socket);
        socket.bind(&source.into())?;
    }
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// Lets the system choose the port when the socket is connected. When it is bound, the system does
/// not know yet to whom, and looks for one that nobody uses, which takes long where thousands are
/// in use.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    not(target_env = "uclibc")
))]
fn choose_port_late(socket: &Socket) {
    use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
    // A system that cannot do it finds a port all the same.
    let _unsupported = setsockopt(socket, IpBindAddressNoPort, &true);
}

#[cfg(not(all(
    any(target_os = "linux", target_os = "android"),
    not(target_env = "uclibc")
)))]
fn choose_port_late(_: &Socket) {}

/// Begins to connect a socket made by [`connector_on`]. When it is writable it is connected, or
/// [`take_error`](TcpStream::take_error) says why it is not.
///
/// # Errors
///
/// When the system knows at once that it cannot be done.
pub fn begin_connect(socket: &TcpStream, remote: SocketAddr) -> io::Result<()> {
    match SockRef::from(socket).connect(&remote.into()) {
        Err(error) if is_under_way(&error) => Ok(()),
        result => result,
    }
}

#[cfg(unix)]
fn is_under_way(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS)
}

#[cfg(windows)]
fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Where a connection is at this machine; `None` if the system does not say, as when it is closed.
pub fn local_end(stream: &impl AsSocket) -> Option<SocketAddr> {
    let local = SockRef::from(stream).local_addr().ok()?;
    local.as_socket().map(canonical)
}

/// Refuses a connection that a socket made to itself.
///
/// Connecting to a dynamic port of this machine on which nobody listens succeeds now and then:
/// when the system picks that very port as the source. Call it on every connection opened.
///
/// # Errors
///
/// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) for such a connection;
/// [`NotConnected`](io::ErrorKind::NotConnected) for one that is closed already.
pub fn refuse_self(stream: &impl AsSocket) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let (local, remote) = (socket.local_addr()?, socket.peer_addr()?);
    if local.as_socket() == remote.as_socket() {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(())
}

/// Sets what every connection needs, accepted or opened.
///
/// Small messages leave at once, and a peer whose host vanished is noticed after about 60 s without
/// traffic.
///
/// What was written must be taken in time, as the system keeps it and does not say whether it has
/// arrived. On Linux and Android the connection fails (`TimedOut`) in these cases
/// (`TCP_USER_TIMEOUT`):
///
/// - Something sent has not been acknowledged for `patience`, however much else arrives. That is so
///   when the path drops large packets alone, or when this machine has lost its address.
/// - The other side has taken nothing for `patience` although something waits for it: its window
///   was zero all the time. Its acknowledgements of the probes do not count. One that pauses for
///   less goes on.
///
/// Other systems have no such option, or none that can be set here. There the connection fails when
/// the system has sent a segment again and again in vain: after some 20 s on Windows (5 times by
/// default), after some minutes on macOS and the BSDs (12 times). As long as the other side
/// acknowledges the probes of a zero window it does not fail there.
///
/// On Linux and Android only 128 KiB are held by the system that it has not sent
/// (`TCP_NOTSENT_LOWAT`). What waits beyond that is still the program's, which then sees a slow
/// peer take something often. Otherwise the system tells that there is room when a third of a
/// buffer of 4 MiB is free.
///
/// # Errors
///
/// When the connection is closed already, on some systems.
pub fn tune(stream: &impl AsSocket, patience: Duration) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_TIME)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&keepalive)?;
    bound_unsent(&socket, patience)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bound_unsent(socket: &Socket, patience: Duration) -> io::Result<()> {
    // Zero would mean the system's own limit.
    let patience = patience.max(Duration::from_millis(1));
    or_unsupported(socket.set_tcp_user_timeout(Some(patience)))?;
    or_unsupported(socket.set_tcp_notsent_lowat(UNSENT))
}

/// A system that only looks like Linux, as in a sandbox, may lack an option, and works without it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn or_unsupported(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
        result => result,
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bound_unsent(_: &Socket, _: Duration) -> io::Result<()> {
    Ok(())
}

fn tcp(address: IpAddr) -> io::Result<Socket> {
    open(address, Type::STREAM, Protocol::TCP)
}

fn open(address: IpAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let domain = Domain::for_address(SocketAddr::new(address, 0));
    let socket = Socket::new(domain, kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // The other version has sockets of its own. Systems that cannot be told do it anyway.
        let _as_it_is = socket.set_only_v6(true);
    }
    Ok(socket)
}

fn explain(error: &io::Error, what: fmt::Arguments<'_>) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
