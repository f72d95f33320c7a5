//! Sockets with the options that ZRE needs, ready to be given to any runtime.
//!
//! All of them are non-blocking.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::interface::Interface;

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

/// Opens the socket that receives the beacons sent to `port` (ZRE's is 5670).
///
/// Any number of them, in any number of processes, each get a copy of every beacon. Except for
/// loopback on Linux, it also receives what arrives at other interfaces: drop the datagrams whose
/// source is not [contained](Interface::contains) in the interface's subnet.
///
/// # Errors
///
/// Most often [`AddrInUse`](io::ErrorKind::AddrInUse): another program holds the port and does not
/// share it. The message names the address.
pub fn beacon_receiver(interface: &Interface, port: u16) -> io::Result<UdpSocket> {
    let local = SocketAddr::from((receiver_address(interface), port));
    shared_udp(local)
        .map(UdpSocket::from)
        .map_err(|error| explain(&error, format_args!("cannot receive beacons on {local}")))
}

/// On Linux a socket bound to a broadcast address receives what is sent to that address and nothing
/// else. On loopback that is all we want; elsewhere peers may use another broadcast address than
/// ours, such as 255.255.255.255.
fn receiver_address(interface: &Interface) -> Ipv4Addr {
    let exact = cfg!(any(target_os = "linux", target_os = "android"));
    if interface.loopback && exact {
        interface.broadcast
    } else {
        Ipv4Addr::UNSPECIFIED
    }
}

/// Opens the socket that sends beacons to the interface's broadcast address.
///
/// It is bound to the interface's address, by which peers know the node's endpoint, and to source
/// port `port`, as zyre does; if that port is held by a program that does not share it, to
/// a port that the system chooses. There is nothing to be read from it.
///
/// # Errors
///
/// When the interface has lost its address, or the system has no sockets or ports left. The
/// message names the address.
pub fn beacon_sender(interface: &Interface, port: u16) -> io::Result<UdpSocket> {
    let local = SocketAddr::from((interface.address, port));
    sender_at(local)
        .map_err(|error| explain(&error, format_args!("cannot send beacons from {local}")))
}

fn sender_at(local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = shared_udp(local).or_else(|_| private_udp(local.ip()))?;
    socket.set_broadcast(true)?;
    // Datagrams sent straight to this address and port end up here and are never read. How little
    // can be reserved for them is the system's affair, and so is a refusal.
    let _ = socket.set_recv_buffer_size(1);
    Ok(socket.into())
}

fn shared_udp(local: SocketAddr) -> io::Result<Socket> {
    let socket = udp(local.ip())?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&local.into())?;
    Ok(socket)
}

fn private_udp(address: IpAddr) -> io::Result<Socket> {
    let socket = udp(address)?;
    socket.bind(&SocketAddr::new(address, 0).into())?;
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
    let address = address.into();
    match port {
        ListenPort::Fixed(port) => {
            let local = SocketAddr::new(address, port);
            listen(local, Reuse::AfterCrash).map_err(|error| cannot_listen(&error, local))
        }
        ListenPort::Free { start } => listen_on_free_port(address, start),
    }
}

fn listen_on_free_port(address: IpAddr, start: u16) -> io::Result<TcpListener> {
    for port in free_ports(start) {
        let local = SocketAddr::new(address, port);
        match listen(local, Reuse::Never) {
            Err(error) if is_taken(&error) => {}
            Err(error) => return Err(cannot_listen(&error, local)),
            Ok(listener) => return Ok(listener),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("cannot listen on {address}: all ports from {FIRST_FREE_PORT} on are taken"),
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

/// Opens a socket, not yet connected, for a connection to `remote`.
///
/// It is bound to the address `local`, so that a machine with several interfaces shows the peer the
/// one it knows from the beacon. It is left unbound where that could not work: when one of the two
/// is a loopback address and the other is not, or one is IPv4 and the other IPv6. On Linux it has a
/// port when it is connected, elsewhere at once.
///
/// [`begin_connect`] connects it. When it is connected, call [`refuse_self`] and [`tune`].
///
/// # Errors
///
/// When `local` is not this machine's address, or the system has no sockets left, or where the port
/// is chosen here, no ports. The message names the addresses.
pub fn connector(remote: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let source = local.filter(|local| can_reach(*local, remote.ip()));
    connector_from(remote, source).map_err(|error| {
        let source = source.map(|source| format!(" from {source}"));
        let source = source.unwrap_or_default();
        explain(&error, format_args!("cannot connect to {remote}{source}"))
    })
}

fn can_reach(local: IpAddr, remote: IpAddr) -> bool {
    local.is_ipv4() == remote.is_ipv4() && local.is_loopback() == remote.is_loopback()
}

fn connector_from(remote: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = tcp(remote.ip())?;
    if let Some(source) = source {
        choose_port_late(&socket);
        socket.bind(&SocketAddr::new(source, 0).into())?;
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

/// Begins to connect a socket made by [`connector`]. When it is writable it is connected, or
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

/// The first IPv4 address that a host name stands for: nodes are found over IPv4.
///
/// # Errors
///
/// [`NotFound`](io::ErrorKind::NotFound) if there is none.
pub(crate) fn first_ipv4(
    addresses: impl IntoIterator<Item = SocketAddr>,
) -> io::Result<SocketAddr> {
    let first = addresses.into_iter().find(SocketAddr::is_ipv4);
    first.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no IPv4 address"))
}

fn tcp(address: IpAddr) -> io::Result<Socket> {
    open(address, Type::STREAM, Protocol::TCP)
}

fn open(address: IpAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let domain = Domain::for_address(SocketAddr::new(address, 0));
    let socket = Socket::new(domain, kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn explain(error: &io::Error, what: fmt::Arguments<'_>) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(5);

    fn loopback() -> Interface {
        Interface::choose(&Ipv4Addr::LOCALHOST.into()).expect("a loopback interface")
    }

    fn free_udp_port() -> u16 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.local_addr().expect("an address").port()
    }

    fn local_port(listener: &TcpListener) -> u16 {
        listener.local_addr().expect("an address").port()
    }

    #[cfg(target_os = "linux")]
    fn receive(receiver: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        receiver.set_nonblocking(false).expect("blocking");
        receiver.set_read_timeout(Some(DEADLINE)).expect("deadline");
        let mut buffer = [0; 64];
        let (length, from) = receiver.recv_from(&mut buffer).expect("a datagram");
        (buffer[..length].to_vec(), from)
    }

    fn is_nonblocking(socket: &UdpSocket) -> bool {
        let nothing = socket.recv_from(&mut [0; 1]).expect_err("nothing to read");
        nothing.kind() == ErrorKind::WouldBlock
    }

    /// A connection whose two ends are blocking, with a deadline: (connecting, accepting).
    fn connect(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let remote = listener.local_addr().expect("an address");
        let stream = connector(remote, Some(remote.ip())).expect("a connector");
        SockRef::from(&stream)
            .connect_timeout(&remote.into(), DEADLINE)
            .expect("a connection");
        listener.set_nonblocking(false).expect("blocking");
        let (accepted, _) = listener.accept().expect("a connection");
        for end in [&stream, &accepted] {
            end.set_nonblocking(false).expect("blocking");
            end.set_read_timeout(Some(DEADLINE)).expect("deadline");
        }
        (stream, accepted)
    }

    // Other systems do not treat loopback as a broadcast network.
    #[cfg(target_os = "linux")]
    #[test]
    fn every_receiver_on_loopback_gets_a_copy_of_a_beacon() {
        let (interface, port) = (loopback(), free_udp_port());
        let receivers = [(); 2].map(|()| beacon_receiver(&interface, port).expect("a receiver"));
        let senders = [(); 2].map(|()| beacon_sender(&interface, port).expect("a sender"));
        for sender in &senders {
            sender
                .send_to(b"beacon", (interface.broadcast, port))
                .expect("sent");
        }
        for receiver in receivers.iter().chain(&receivers) {
            let from = SocketAddr::from((interface.address, port));
            assert_eq!(receive(receiver), (b"beacon".to_vec(), from));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_receiver_on_loopback_hears_broadcasts_only() {
        let (interface, port) = (loopback(), free_udp_port());
        let receiver = beacon_receiver(&interface, port).expect("a receiver");
        let sender = beacon_sender(&interface, port).expect("a sender");
        for (text, to) in [
            (b"unicast", interface.address),
            (b"beacon!", interface.broadcast),
        ] {
            sender.send_to(text, (to, port)).expect("sent");
        }
        assert_eq!(receive(&receiver).0, b"beacon!");
    }

    #[test]
    fn beacon_sockets_do_not_block() {
        let (interface, port) = (loopback(), free_udp_port());
        assert!(is_nonblocking(
            &beacon_receiver(&interface, port).expect("a receiver")
        ));
        assert!(is_nonblocking(
            &beacon_sender(&interface, port).expect("a sender")
        ));
    }

    #[test]
    fn a_sender_holds_next_to_nothing_that_nobody_reads() {
        let sender = beacon_sender(&loopback(), free_udp_port()).expect("a sender");
        let held = SockRef::from(&sender).recv_buffer_size().expect("a size");
        assert!(held < 10_000, "{held} bytes");
    }

    #[test]
    fn a_sender_whose_port_is_held_uses_another() {
        let holder = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let held = holder.local_addr().expect("an address").port();
        let sender = beacon_sender(&loopback(), held).expect("a sender");
        let local = sender.local_addr().expect("an address");
        assert_eq!(local.ip(), Ipv4Addr::LOCALHOST);
        assert_ne!(local.port(), held);
        assert!(SockRef::from(&sender).broadcast().expect("an option"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_receiver_whose_port_is_held_names_the_address() {
        let interface = loopback();
        let holder = UdpSocket::bind((interface.broadcast, 0)).expect("a free port");
        let held = holder.local_addr().expect("an address").port();
        let error = beacon_receiver(&interface, held).expect_err("held");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let start = format!("cannot receive beacons on 127.255.255.255:{held}: ");
        assert!(error.to_string().starts_with(&start), "{error}");
    }

    #[test]
    fn the_search_for_a_port_tries_each_dynamic_port_once() {
        for start in [0, 7, 16383, 16384, u16::MAX] {
            let mut ports: Vec<u16> = free_ports(start).collect();
            assert_eq!(ports[0], 49152 + start % 16384);
            ports.sort_unstable();
            assert_eq!(ports, (49152..=u16::MAX).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_listener_passes_over_a_taken_port() {
        let any =
            |start| listener(Ipv4Addr::LOCALHOST, ListenPort::Free { start }).expect("a listener");
        let first = any(4711);
        assert!(local_port(&first) >= 49152);
        let second = any(local_port(&first) - 49152);
        assert_ne!(local_port(&first), local_port(&second));
        assert!(local_port(&second) >= 49152);
    }

    #[test]
    fn a_fixed_port_that_is_taken_is_named() {
        let first = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
        let taken = local_port(&first);
        let error = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(taken)).expect_err("taken");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let start = format!("cannot listen on 127.0.0.1:{taken}: ");
        assert!(error.to_string().starts_with(&start), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_ends_the_search_at_once() {
        let elsewhere = Ipv4Addr::new(203, 0, 113, 77);
        let error = listener(elsewhere, ListenPort::Free { start: 0 }).expect_err("not ours");
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("203.0.113.77:49152"), "{error}");
    }

    #[test]
    fn a_listener_does_not_block() {
        let listener = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
        let nobody = listener.accept().expect_err("nobody connects");
        assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_fixed_port_can_be_taken_again_at_once() {
        let first = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
        let port = local_port(&first);
        let (mut stream, accepted) = connect(&first);
        drop((accepted, first));
        // This side closes second, so the listener's side lingers in TIME_WAIT.
        assert_eq!(stream.read(&mut [0; 1]).expect("closed"), 0);
        drop(stream);
        listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(port)).expect("the port again");
    }

    #[test]
    fn a_connection_comes_from_the_interface_and_sends_at_once() {
        let listener = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
        let (stream, accepted) = connect(&listener);
        for end in [&stream, &accepted] {
            refuse_self(end).expect("two ends");
            tune(end, DEADLINE).expect("tuned");
            assert!(end.nodelay().expect("nodelay"));
            assert!(SockRef::from(end).keepalive().expect("keepalive"));
        }
        assert_eq!(
            accepted.peer_addr().expect("a peer"),
            stream.local_addr().expect("an address")
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_connected_to_itself_is_refused() {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = tcp(local.ip()).expect("a socket");
        socket.bind(&local.into()).expect("bound");
        let stream = TcpStream::from(socket);
        let itself = stream.local_addr().expect("bound");
        SockRef::from(&stream)
            .connect_timeout(&itself.into(), DEADLINE)
            .expect("TCP allows it");
        let error = refuse_self(&stream).expect_err("itself");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_connector_has_its_address_at_once_and_its_port_when_it_is_connected() {
        let listener = listener(Ipv4Addr::LOCALHOST, ListenPort::Fixed(0)).expect("a listener");
        let remote = listener.local_addr().expect("an address");
        let source = IpAddr::from(Ipv4Addr::new(127, 0, 0, 3));
        let stream = connector(remote, Some(source)).expect("a connector");
        assert_eq!(stream.local_addr().expect("bound"), (source, 0).into());
        begin_connect(&stream, remote).expect("on its way");
        let local = stream.local_addr().expect("bound");
        assert!(local.ip() == source && local.port() != 0, "{local}");
    }

    #[test]
    fn a_source_is_bound_only_where_it_can_reach_the_peer() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(can_reach(ip("127.0.0.1"), ip("127.0.0.2")));
        assert!(can_reach(ip("10.0.0.2"), ip("192.168.7.7")));
        assert!(!can_reach(ip("127.0.0.1"), ip("10.0.0.2")));
        assert!(!can_reach(ip("10.0.0.2"), ip("127.0.0.1")));
        assert!(!can_reach(ip("10.0.0.2"), ip("fe80::1")));
    }

    #[test]
    fn a_connector_from_a_foreign_address_names_it() {
        let remote = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 1), 5670));
        let foreign = IpAddr::from(Ipv4Addr::new(203, 0, 113, 77));
        let error = connector(remote, Some(foreign)).expect_err("not ours");
        let start = "cannot connect to 203.0.113.1:5670 from 203.0.113.77: ";
        assert!(error.to_string().starts_with(start), "{error}");
    }
}
