//! A peer that can send anything: raw bytes over TCP and UDP, to test how a node reacts.
//!
//! All calls block, and have a deadline. Valid messages are built with `zre-proto`; the rest is
//! bytes.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use uuid::Uuid;
use zre_proto::{
    Beacon, Body, Content, Endpoint, Headers, Hello, Message, MessageLimits, PeerId, RoutingId,
    ShortText,
    zmtp::{Command, FrameHeader, Greeting, Mechanism, Metadata},
};

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
        let address = endpoint.to_socket_addr().expect("an address");
        let stream = TcpStream::connect_timeout(&address, DEADLINE)?;
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

    /// Connects, greets, and sends a command in place of a good READY.
    pub fn greet(endpoint: &Endpoint, command: &Command) -> Self {
        let mut peer = Self::connect(endpoint);
        let mut bytes = greeting().to_vec();
        bytes.extend(frame(true, false, &command.encode()));
        peer.send_raw(&bytes).expect("a greeting can be sent");
        peer
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
        thread::spawn(move || stream.write_all(&bytes));
    }

    /// Says that nothing more will be sent; what the node sends can still come.
    pub fn shut_write(&self) {
        // It may be closed already, which is as good.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Breaks the connection off: the node is told of an error, not of an end.
    pub fn reset(self) {
        // It may be broken already, which is as good.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
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

/// What a [`RawListener`] does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It answers the handshake and reads.
    Reads,
    /// It answers the handshake, reads the HELLO behind it, and never again.
    NeverReads,
    /// It answers the handshake, and reads so many bytes a second.
    ReadsSlowly(usize),
    /// It takes connections and does nothing with them.
    NeverAnswers,
}

/// The endpoint that a raw peer names in its HELLO. It closes everything when it is dropped.
#[derive(Debug)]
pub struct RawListener {
    endpoint: Endpoint,
    messages: Receiver<Message>,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl RawListener {
    /// Listens on 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When there is no port left.
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared::default());
        let (sender, messages) = mpsc::channel();
        let accepting = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&listener, &accepting, manner, &sender));
        Self {
            endpoint: Endpoint::from_socket_addr(address).expect("an endpoint"),
            messages,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The next message from the node; `None` if none comes in time.
    pub fn receive(&self) -> Option<Message> {
        self.messages.recv_timeout(DEADLINE).ok()
    }

    /// How many connections have come.
    pub fn accepted(&self) -> usize {
        self.shared.streams().len()
    }
}

impl Drop for RawListener {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let address = self.endpoint.to_socket_addr().expect("an address");
        // Wakes the acceptor; if this fails it is awake or gone.
        let _ = TcpStream::connect_timeout(&address, DEADLINE);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for stream in self.shared.streams().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn streams(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Shared, manner: Manner, sender: &Sender<Message>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(held) = stream.try_clone() else { return };
        shared.streams().push(held);
        let sender = sender.clone();
        if manner != Manner::NeverAnswers {
            // It ends when the node closes the connection, or the listener is dropped.
            thread::spawn(move || serve(stream, manner, &sender));
        }
    }
}

fn serve(mut stream: TcpStream, manner: Manner, sender: &Sender<Message>) -> io::Result<()> {
    stream.write_all(&greeting())?;
    stream.write_all(&frame(true, false, &ready("ROUTER", Some(&[])).encode()))?;
    stream.read_exact(&mut [0; Greeting::LEN])?;
    if let Manner::ReadsSlowly(bytes) = manner {
        return read_slowly(stream, bytes);
    }
    loop {
        let (is_command, mut more, first) = read_frame(&mut stream)?;
        if is_command {
            continue;
        }
        let mut content = Content::default();
        while more {
            let (_, goes_on, body) = read_frame(&mut stream)?;
            content.push(body);
            more = goes_on;
        }
        let message = Message::decode(&first, content, &MessageLimits::default())
            .map_err(io::Error::other)?;
        if sender.send(message).is_err() || manner == Manner::NeverReads {
            return Ok(());
        }
    }
}

fn read_slowly(mut stream: TcpStream, bytes_a_second: usize) -> io::Result<()> {
    let mut piece = vec![0; (bytes_a_second / 20).max(1)];
    loop {
        stream.read_exact(&mut piece)?;
        thread::sleep(Duration::from_millis(50));
    }
}

fn read_frame(stream: &mut TcpStream) -> io::Result<(bool, bool, Vec<u8>)> {
    let mut head = Vec::new();
    let header = loop {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
        if let Some((header, _)) = FrameHeader::decode(&head).map_err(io::Error::other)? {
            break header;
        }
    };
    let mut body = Vec::new();
    stream.take(header.size).read_to_end(&mut body)?;
    if body.len() as u64 != header.size {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok((header.command, header.more, body))
}

/// A UDP socket on 127.0.0.1 that sends to everybody on a discovery port.
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

    /// Says that `peer` listens on `port`; 0: that it leaves.
    pub fn announce(&self, peer: PeerId, port: u16) {
        let beacon = Beacon {
            peer,
            port: port.try_into().ok(),
            public_key: None,
        };
        self.send_raw(&beacon.encode());
    }

    /// Sends a datagram as it is.
    ///
    /// # Panics
    ///
    /// When loopback does not broadcast.
    pub fn send_raw(&self, datagram: &[u8]) {
        self.socket
            .send_to(datagram, self.target)
            .expect("loopback broadcasts");
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
