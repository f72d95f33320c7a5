//! The sockets of a ZRE node. zre-net makes them, non-blocking and with the right options; mio waits for them.

use std::{
    error::Error,
    io::{self, ErrorKind, IoSlice, Read as _, Write as _},
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, event::Source, net};
use zre_core::proto::Endpoint;
use zre_net::{Interface, socket};

/// A node needs three sockets: one receives beacons, one sends them, and one accepts connections.
pub(crate) struct Sockets {
    poll: Poll,
    ready: Events,
    interface: Interface,
    port: u16,
    receiver: net::UdpSocket,
    sender: UdpSocket,
    listener: net::TcpListener,
}

/// A connection, there or on its way.
pub(crate) struct Connection {
    stream: net::TcpStream,
    pub(crate) is_open: bool,
}

impl Sockets {
    pub(crate) fn bind(interface: &str, port: u16) -> Result<Self, Box<dyn Error>> {
        let interface = Interface::choose(&interface.into())?;
        let receiver = socket::beacon_receiver(&interface, port)?;
        let listener = socket::listener(interface.address, socket::ListenPort::Fixed(0))?;
        let mut sockets = Self {
            poll: Poll::new()?,
            ready: Events::with_capacity(64),
            sender: socket::beacon_sender(&interface, port)?,
            interface,
            port,
            receiver: net::UdpSocket::from_std(receiver),
            listener: net::TcpListener::from_std(listener),
        };
        watch(&sockets.poll, &mut sockets.receiver)?;
        watch(&sockets.poll, &mut sockets.listener)?;
        Ok(sockets)
    }

    /// Where peers shall connect to.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Box<dyn Error>> {
        let address = self.listener.local_addr()?;
        Ok(Endpoint::from_socket_addr(address).ok_or("nobody can connect there")?)
    }

    /// Sleeps until a socket has something, or the time is over.
    pub(crate) fn wait(&mut self, time: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.ready, time) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn broadcast(&self, beacon: &[u8]) {
        // One that is lost is no harm: the next goes in a second.
        let _ = self
            .sender
            .send_to(beacon, (self.interface.broadcast, self.port));
    }

    pub(crate) fn next_beacon(&self) -> Option<(SocketAddr, Vec<u8>)> {
        loop {
            let mut datagram = vec![0; socket::DATAGRAM_SIZE];
            let (length, from) = self.receiver.recv_from(&mut datagram).ok()?;
            datagram.truncate(length);
            // The socket may also hear other networks than the node's.
            match from {
                SocketAddr::V4(v4) if self.interface.contains(*v4.ip()) => {
                    return Some((from, datagram));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn accept(&self) -> Option<(Connection, SocketAddr)> {
        loop {
            let (stream, remote) = self.listener.accept().ok()?;
            // One that is closed already is not worth a word.
            if let Ok(connection) = self.connection(stream, true) {
                return Some((connection, remote));
            }
        }
    }

    /// Begins to connect.
    pub(crate) fn open(&self, endpoint: &Endpoint) -> io::Result<Connection> {
        let remote = endpoint.to_socket_addr();
        let remote = remote.ok_or_else(|| io::Error::other("host names are not looked up here"))?;
        let stream = socket::connector(remote, Some(self.interface.address.into()))?;
        socket::begin_connect(&stream, remote)?;
        self.connection(net::TcpStream::from_std(stream), false)
    }

    fn connection(&self, mut stream: net::TcpStream, is_open: bool) -> io::Result<Connection> {
        watch(&self.poll, &mut stream)?;
        Ok(Connection { stream, is_open })
    }
}

impl Connection {
    /// Sees whether the connection is there by now, in the way that mio recommends.
    pub(crate) fn finish_connecting(&mut self) -> io::Result<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
            address => address?,
        };
        // TCP can connect a port to itself.
        socket::refuse_self(&self.stream)?;
        socket::tune(&self.stream)?;
        self.is_open = true;
        Ok(())
    }

    /// Reads what is there; 0 at the end.
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
        // More pieces at once than most systems take are no use.
        let slices: Vec<_> = chunks.take(64).map(IoSlice::new).collect();
        self.stream.write_vectored(&slices)
    }
}

fn watch(poll: &Poll, socket: &mut impl Source) -> io::Result<()> {
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(socket, Token(0), interest)
}
