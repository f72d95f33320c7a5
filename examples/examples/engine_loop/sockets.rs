//! The sockets of a ZRE node. zre-net opens them, non-blocking and with the right options, and mio
//! waits for them.

use std::{
    error::Error,
    io::{self, ErrorKind, IoSlice, Read as _, Write as _},
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, event::Source, net};
use zre_core::{
    Beacons,
    interfaces::{Interfaces, IpVersion, LocalAddress, choose},
    proto::Endpoint,
};
use zre_net::socket::{
    self, ListenPort,
    beacon::{self, ReceiverAt},
};

/// The three sockets of a node: one receives beacons, one sends them, and one accepts connections.
pub(crate) struct Sockets {
    poll: Poll,
    ready: Events,
    /// Where the node is.
    address: LocalAddress,
    /// Where its beacons go.
    beacons_to: Vec<SocketAddr>,
    receiver: net::UdpSocket,
    sender: UdpSocket,
    listener: net::TcpListener,
}

/// A connection that is open or being opened.
pub(crate) struct Connection {
    stream: net::TcpStream,
    pub(crate) is_open: bool,
}

impl Sockets {
    pub(crate) fn bind(interface: &str, port: u16) -> Result<Self, Box<dyn Error>> {
        let (address, beacons) = (choose_address(interface)?, Beacons::Broadcast);
        let at = ReceiverAt::of(&address, port, &beacons).ok_or("there are beacons")?;
        let listener = socket::listen_on(&address, ListenPort::Fixed(0))?;
        let mut sockets = Self {
            poll: Poll::new()?,
            ready: Events::with_capacity(64),
            receiver: net::UdpSocket::from_std(at.open()?),
            sender: beacon::sender(&address, port, &beacons)?,
            beacons_to: beacon::targets(&address, port, &beacons),
            listener: net::TcpListener::from_std(listener),
            address,
        };
        watch(&sockets.poll, &mut sockets.receiver)?;
        watch(&sockets.poll, &mut sockets.listener)?;
        Ok(sockets)
    }

    /// Where peers connect to.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Box<dyn Error>> {
        let address = self.listener.local_addr()?;
        Ok(Endpoint::from_socket_addr(address).ok_or("peers cannot connect to this address")?)
    }

    /// Sleeps until a socket is ready, or until the time is over.
    pub(crate) fn wait(&mut self, time: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.ready, time) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn broadcast(&self, beacon: &[u8]) {
        for to in &self.beacons_to {
            // A lost beacon does no harm: the next one goes out in a second.
            let _ = self.sender.send_to(beacon, to);
        }
    }

    pub(crate) fn next_beacon(&self) -> Option<(SocketAddr, Vec<u8>)> {
        loop {
            let mut datagram = vec![0; socket::DATAGRAM_SIZE];
            let (length, from) = self.receiver.recv_from(&mut datagram).ok()?;
            datagram.truncate(length);
            // The socket may also receive datagrams from other networks.
            if self.address.contains(from.ip()) {
                return Some((from, datagram));
            }
        }
    }

    pub(crate) fn accept(&self) -> Option<(Connection, SocketAddr)> {
        loop {
            let (stream, remote) = self.listener.accept().ok()?;
            // This fails only if the connection is closed already. Then there is nothing to report.
            if let Ok(connection) = self.connection(stream, true) {
                return Some((connection, remote));
            }
        }
    }

    /// Starts to connect.
    pub(crate) fn open(&self, remote: SocketAddr) -> io::Result<Connection> {
        let stream = socket::connector_on(remote, [&self.address])?;
        socket::begin_connect(&stream, remote)?;
        self.connection(net::TcpStream::from_std(stream), false)
    }

    fn connection(&self, mut stream: net::TcpStream, is_open: bool) -> io::Result<Connection> {
        watch(&self.poll, &mut stream)?;
        Ok(Connection { stream, is_open })
    }
}

impl Connection {
    /// Checks whether the connection is open by now, in the way that mio recommends.
    pub(crate) fn finish_connecting(&mut self, patience: Duration) -> io::Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
            address => address?,
        };
        // TCP can connect a socket to itself.
        socket::refuse_self(&self.stream)?;
        socket::tune(&self.stream, patience)?;
        self.is_open = true;
        Ok(())
    }

    /// Reads what has come; returns 0 at the end of the stream.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Writes as much as the socket takes.
    pub(crate) fn write<'a>(
        &mut self,
        chunks: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<usize> {
        if !self.is_open {
            return Err(ErrorKind::WouldBlock.into());
        }
        // Systems limit how many slices one call takes.
        let slices: Vec<_> = chunks.take(64).map(IoSlice::new).collect();
        self.stream.write_vectored(&slices)
    }
}

fn watch(poll: &Poll, socket: &mut impl Source) -> io::Result<()> {
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(socket, Token(0), interest)
}

/// The first usable IPv4 address of the interface, or of the one that the library would choose. A
/// real program looks again when `zre_net::Watcher` tells it, and says so to the engine.
fn choose_address(interface: &str) -> Result<LocalAddress, Box<dyn Error>> {
    let wanted = match interface {
        "" => Interfaces::Default,
        name => Interfaces::Chosen(vec![name.into()]),
    };
    let (interfaces, beacons) = (zre_net::interfaces()?, Beacons::Broadcast);
    let choice = choose(&interfaces, &wanted, IpVersion::V4, &beacons, &[]);
    let first = choice.used.into_iter().next();
    Ok(first.ok_or("no such interface can carry beacons")?)
}
