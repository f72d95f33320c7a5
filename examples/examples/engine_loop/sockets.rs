//! The sockets of a ZRE node. zre-net opens them, non-blocking and with the right options, and mio
//! waits for them.

use std::{
    error::Error,
    io::{self, ErrorKind, IoSlice, Read as _, Write as _},
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, event::Source, net};
use zre_core::proto::Endpoint;
use zre_net::{Interface, socket};

/// The three sockets of a node: one receives beacons, one sends them, and one accepts connections.
pub(crate) struct Sockets {
    poll: Poll,
    ready: Events,
    interface: Interface,
    port: u16,
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
        // A lost beacon does no harm: the next one goes out in a second.
        let _ = self
            .sender
            .send_to(beacon, (self.interface.broadcast, self.port));
    }

    pub(crate) fn next_beacon(&self) -> Option<(SocketAddr, Vec<u8>)> {
        loop {
            let mut datagram = vec![0; socket::DATAGRAM_SIZE];
            let (length, from) = self.receiver.recv_from(&mut datagram).ok()?;
            datagram.truncate(length);
            // The socket may also receive datagrams from other networks.
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
            // This fails only if the connection is closed already. Then there is nothing to report.
            if let Ok(connection) = self.connection(stream, true) {
                return Some((connection, remote));
            }
        }
    }

    /// Starts to connect.
    pub(crate) fn open(&self, remote: SocketAddr) -> io::Result<Connection> {
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
