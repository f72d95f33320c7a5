//! A peer that can send anything: raw bytes over TCP and UDP, to test how a node reacts.
//!
//! All calls block, and have a deadline. Valid messages are built with `zre-proto`; the rest is
//! bytes.

mod listener;
mod meddler;
mod secured;

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use socket2::{Domain, SockRef, Socket, Type};
use uuid::Uuid;
use zre_proto::{
    Beacon, Body, Endpoint, Headers, Hello, Message, PeerId, RoutingId, ShortText,
    curve::PublicKey,
    zmtp::{Command, FrameHeader, Greeting, Mechanism, Metadata},
};

pub use listener::{Manner, RawListener};
pub use meddler::{Deed, Meddler};
pub use secured::{RawClient, SecuredListener, SecuredPeer, random_key, secured_greeting};

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// A TCP connection to a node, as the DEALER of a peer or as something that is no peer at all.
#[derive(Debug)]
pub struct RawPeer {
    stream: TcpStream,
    id: PeerId,
    sequence: u16,
}

impl RawPeer {
    /// Connects and sends nothing.
    ///
    /// # Panics
    ///
    /// When nobody listens at `endpoint`.
    pub fn connect(endpoint: &Endpoint) -> Self {
        Self::try_connect(endpoint).expect("the node accepts")
    }

    /// Connects and sends nothing.
    ///
    /// # Errors
    ///
    /// When nobody listens at `endpoint`, or the system has no descriptors left.
    ///
    /// # Panics
    ///
    /// When `endpoint` is no address.
    pub fn try_connect(endpoint: &Endpoint) -> io::Result<Self> {
        Self::try_connect_by(None, endpoint)
    }

    /// Connects from an address of the caller's choice in 127.0.0.0/8, and sends nothing.
    ///
    /// # Errors
    ///
    /// As [`try_connect`](RawPeer::try_connect).
    ///
    /// # Panics
    ///
    /// When `endpoint` is no address.
    pub fn try_connect_from(source: Ipv4Addr, endpoint: &Endpoint) -> io::Result<Self> {
        // The usual address needs no bind, which takes a port that is free for all destinations.
        let source = (source != Ipv4Addr::LOCALHOST).then_some(source);
        Self::try_connect_by(source, endpoint)
    }

    fn try_connect_by(source: Option<Ipv4Addr>, endpoint: &Endpoint) -> io::Result<Self> {
        let address = endpoint.to_socket_addr().expect("an address");
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        socket.connect_timeout(&address.into(), DEADLINE)?;
        let stream = TcpStream::from(socket);
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            id: random_id(),
            sequence: 0,
        })
    }

    /// Connects, greets and says READY as a DEALER with the identity of `id`.
    pub fn open(endpoint: &Endpoint, id: PeerId) -> Self {
        let identity = RoutingId::from(id);
        let mut peer = Self::greet(endpoint, &ready("DEALER", Some(&identity.to_bytes())));
        peer.id = id;
        peer
    }

    /// As [`open`](RawPeer::open), from an address of the caller's choice in 127.0.0.0/8.
    ///
    /// # Panics
    ///
    /// When nobody listens at `endpoint`.
    pub fn open_from(source: Ipv4Addr, endpoint: &Endpoint, id: PeerId) -> Self {
        let identity = RoutingId::from(id);
        let mut peer = Self::try_connect_from(source, endpoint).expect("the node accepts");
        peer.begin(&ready("DEALER", Some(&identity.to_bytes())));
        peer.id = id;
        peer
    }

    /// Connects, greets, and sends a command in place of a good READY.
    pub fn greet(endpoint: &Endpoint, command: &Command) -> Self {
        let mut peer = Self::connect(endpoint);
        peer.begin(command);
        peer
    }

    fn begin(&mut self, command: &Command) {
        let mut bytes = greeting().to_vec();
        bytes.extend(frame(true, false, &command.encode()));
        self.send_raw(&bytes).expect("a greeting can be sent");
    }

    /// Who this says it is.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// An endpoint at which nobody listens for as long as this connection is there: its own port.
    pub fn dead_endpoint(&self) -> Endpoint {
        let local = self.stream.local_addr().expect("a connected socket");
        Endpoint::from_socket_addr(local).expect("an endpoint")
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// When the node has closed the connection, or does not read for a long time.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a message with the next sequence number.
    ///
    /// # Errors
    ///
    /// As [`send_raw`](RawPeer::send_raw).
    pub fn send(&mut self, body: Body) -> io::Result<()> {
        self.send_as(self.sequence.wrapping_add(1), body)
    }

    /// Sends a message with a sequence number of the caller's choice, which counts from there on.
    ///
    /// # Errors
    ///
    /// As [`send_raw`](RawPeer::send_raw).
    pub fn send_as(&mut self, sequence: u16, body: Body) -> io::Result<()> {
        self.sequence = sequence;
        self.send_raw(&encode(sequence, body))
    }

    /// Sends frames of one message as they are, under the next sequence number or none at all.
    ///
    /// # Errors
    ///
    /// As [`send_raw`](RawPeer::send_raw).
    pub fn send_frames(&mut self, frames: &[&[u8]]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        let mut frames = frames.iter().peekable();
        while let Some(body) = frames.next() {
            bytes.extend(frame(false, frames.peek().is_some(), body));
        }
        self.send_raw(&bytes)
    }

    /// The sequence number that [`send`](RawPeer::send) would use.
    pub fn next_sequence(&self) -> u16 {
        self.sequence.wrapping_add(1)
    }

    /// The caller has sent messages up to this sequence number by itself.
    pub fn skip_to(&mut self, sequence: u16) {
        self.sequence = sequence;
    }

    /// Sends bytes as far as the node takes them, from a thread that ends with the connection.
    pub fn send_in_background(&self, bytes: Arc<[u8]>) {
        let mut stream = self.stream.try_clone().expect("a second handle");
        // That the node does not take them all is what such a test is about.
        spawn(move || stream.write_all(&bytes));
    }

    /// Sends the same bytes again and again, as far as the node takes them, from a thread that ends
    /// with the connection.
    pub fn repeat_in_background(
        &self,
        bytes: Arc<[u8]>,
        times: usize,
    ) -> JoinHandle<io::Result<()>> {
        let mut stream = self.stream.try_clone().expect("a second handle");
        spawn(move || (0..times).try_for_each(|_| stream.write_all(&bytes)))
    }

    /// Says that nothing more will be sent; what the node sends can still come.
    pub fn shut_write(&self) {
        // It may be closed already, which is as good.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes the connection, also for what is sent
    /// [in the background](RawPeer::repeat_in_background).
    pub fn hang_up(self) {
        // It may be closed already, which is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Breaks the connection off: the node is told of an error, not of an end.
    pub fn reset(self) {
        // It may be broken already, which is as good.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Whether the node has closed the connection; what it sent before is not looked at.
    ///
    /// # Panics
    ///
    /// When the system refuses to look without waiting.
    pub fn is_closed(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket");
        let mut bytes = [0; 4096];
        let is_closed = loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => break !is_timeout(&error),
            }
        };
        self.stream.set_nonblocking(false).expect("a socket");
        is_closed
    }

    /// Whether the node closes the connection in time; what it sends before is not looked at.
    pub fn is_closed_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut bytes = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            self.stream
                .set_read_timeout(Some(left))
                .expect("a read timeout");
            match self.stream.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return false,
                Err(_) => return true,
            }
        }
    }
}

/// The greeting of a ZMTP 3.1 peer without security.
pub fn greeting() -> [u8; Greeting::LEN] {
    Greeting::new(Mechanism::NULL, false).encode()
}

/// A READY command for a socket of this type.
pub fn ready(socket_type: &'static str, identity: Option<&[u8]>) -> Command {
    let property = |name: &'static str| ShortText::try_from(name).expect("a short name");
    let metadata = Metadata::default().with(property(Metadata::SOCKET_TYPE), socket_type);
    Command::Ready(match identity {
        Some(identity) => metadata.with(
            property(Metadata::IDENTITY),
            Bytes::copy_from_slice(identity),
        ),
        None => metadata,
    })
}

/// A ZMTP frame with its head.
pub fn frame(command: bool, more: bool, body: &[u8]) -> Vec<u8> {
    let mut bytes = frame_head(command, more, body.len() as u64);
    bytes.extend(body);
    bytes
}

/// The head of a ZMTP frame whose body may never come.
pub fn frame_head(command: bool, more: bool, size: u64) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let header = FrameHeader {
        command,
        more,
        size,
    };
    header.encode(&mut bytes);
    bytes.to_vec()
}

/// A whole message, with the heads of its frames.
pub fn encode(sequence: u16, body: Body) -> Vec<u8> {
    let content = body.content().cloned().unwrap_or_default();
    let first = Message { sequence, body }.header();
    let mut bytes = frame(false, !content.is_empty(), &first);
    let mut frames = content.frames().iter().peekable();
    while let Some(body) = frames.next() {
        bytes.extend(frame(false, frames.peek().is_some(), body));
    }
    bytes
}

/// A HELLO without groups and headers.
pub fn hello(endpoint: &Endpoint, name: &str) -> Body {
    Body::from(Hello {
        endpoint: endpoint.clone(),
        groups: [].into(),
        status: 0,
        name: name.try_into().expect("a short name"),
        headers: Headers::default(),
    })
}

/// An identity that nobody else has.
pub fn random_id() -> PeerId {
    // The seed of each hasher is random, and differs from one to the next.
    use std::hash::{BuildHasher as _, RandomState};
    let half = || RandomState::new().hash_one(Instant::now());
    Uuid::from_u64_pair(half(), half()).into()
}

/// A UDP socket on loopback that sends to everybody on a discovery port.
#[derive(Debug)]
pub struct RawBeacon {
    socket: UdpSocket,
    target: SocketAddr,
}

impl RawBeacon {
    /// A socket for the discovery port `port`.
    ///
    /// # Panics
    ///
    /// When the system has no sockets left.
    pub fn new(port: u16) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.set_broadcast(true).expect("broadcasts");
        Self {
            socket,
            target: (Ipv4Addr::new(127, 255, 255, 255), port).into(),
        }
    }

    /// A socket of IPv6 for the discovery port `port`. Loopback has no groups, so each datagram
    /// goes to one of those who listen there.
    ///
    /// # Panics
    ///
    /// When the system has no sockets left, or no IPv6.
    pub fn new_v6(port: u16) -> Self {
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("a free port");
        Self {
            socket,
            target: (Ipv6Addr::LOCALHOST, port).into(),
        }
    }

    /// Says that `peer` listens on `port`; 0: that it leaves.
    pub fn announce(&self, peer: PeerId, port: u16) {
        let beacon = Beacon {
            peer,
            port: port.try_into().ok(),
            public_key: None,
        };
        self.send_raw(&beacon.encode());
    }

    /// The same, with a key.
    pub fn announce_key(&self, peer: PeerId, port: u16, key: PublicKey) {
        let beacon = Beacon {
            peer,
            port: port.try_into().ok(),
            public_key: Some(key),
        };
        self.send_raw(&beacon.encode());
    }

    /// Sends a datagram as it is.
    ///
    /// # Panics
    ///
    /// When loopback does not take it.
    pub fn send_raw(&self, datagram: &[u8]) {
        self.socket
            .send_to(datagram, self.target)
            .expect("loopback takes all");
    }
}

/// A thread with a small stack: hundreds of them shall fit into a limited address space.
fn spawn<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    const STACK: usize = 128 << 10;
    let builder = thread::Builder::new().stack_size(STACK);
    builder.spawn(act).expect("a thread")
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
