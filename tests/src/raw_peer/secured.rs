//! A raw peer that speaks CURVE, step by step, and can cheat at each of them.

use std::{
    io::{self, ErrorKind, Read, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Buf as _;
use zre_core::{Limits, Link, LinkEvent, LinkSecurity, Role, Seed, Trust};
use zre_proto::{
    Body, Endpoint, PeerId, RoutingId,
    curve::{
        BoxKey, Hello, Initiate, Keypair, MessageFlags, MessageSealer, PublicKey, Ready, SecretKey,
        Vouch, Welcome,
    },
    zmtp::{Command, Greeting, Mechanism, Metadata},
};

use super::{DEADLINE, RawPeer, encode, frame, listener::read_frame, random_id, ready, spawn};

/// A key that nobody else has.
pub fn random_key() -> Keypair {
    let bytes = [random_id(), random_id()].map(|half| half.to_bytes());
    let mut secret = [0; 32];
    secret.copy_from_slice(&bytes.concat());
    SecretKey::from(secret).into()
}

/// A client of CURVE before the end of its handshake.
#[derive(Debug)]
pub struct RawClient {
    peer: RawPeer,
    server: PublicKey,
    short: Keypair,
    first: BoxKey,
    /// All bytes that it has sent.
    pub said: Vec<u8>,
}

impl RawClient {
    /// Connects, and says HELLO to the owner of a key.
    ///
    /// # Errors
    ///
    /// When the node has closed the connection, or does not accept.
    pub fn hello(endpoint: &Endpoint, server: PublicKey) -> io::Result<Self> {
        let short = random_key();
        let first = BoxKey::new(&server, short.secret()).map_err(io::Error::other)?;
        let hello = Hello::seal(short.public(), &first).encode();
        let mut client = Self {
            peer: RawPeer::try_connect(endpoint)?,
            server,
            short,
            first,
            said: Vec::new(),
        };
        let bytes = [&secured_greeting()[..], &frame(true, false, &hello)].concat();
        client.say(&bytes)?;
        Ok(client)
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.said.extend(bytes);
        self.peer.send_raw(bytes)
    }

    /// Waits for WELCOME.
    ///
    /// # Errors
    ///
    /// When something else comes, or the connection ends.
    pub fn welcome(&mut self) -> io::Result<Welcome> {
        self.peer.stream.set_read_timeout(Some(DEADLINE))?;
        self.peer.stream.read_exact(&mut [0; Greeting::LEN])?;
        Welcome::decode(&self.command()?).map_err(io::Error::other)
    }

    fn command(&mut self) -> io::Result<Vec<u8>> {
        let (_, _, body) = read_frame(&mut self.peer.stream)?;
        Ok(body)
    }

    /// The body of INITIATE: it has the secret key of `own`, says that its key is `claimed`, and
    /// that it is `id`.
    ///
    /// # Errors
    ///
    /// When WELCOME comes from another server.
    pub fn initiate(
        &self,
        welcome: &Welcome,
        own: &Keypair,
        claimed: PublicKey,
        id: PeerId,
    ) -> io::Result<(Vec<u8>, BoxKey)> {
        let curve = io::Error::other;
        let (server_short, cookie) = welcome.open(&self.first).map_err(curve)?;
        let vouching = BoxKey::new(&server_short, own.secret()).map_err(curve)?;
        let random = random_id().to_bytes();
        let vouch = Vouch::seal(&self.short.public(), &self.server, random, &vouching);
        let last = BoxKey::new(&server_short, self.short.secret()).map_err(curve)?;
        let initiate = Initiate::seal(cookie, &claimed, &vouch, &metadata(id), &last);
        Ok((initiate.encode().to_vec(), last))
    }

    /// Sends a command.
    ///
    /// # Errors
    ///
    /// When the node has closed the connection.
    pub fn send(&mut self, command: &[u8]) -> io::Result<()> {
        self.say(&frame(true, false, command))
    }

    /// Waits for READY.
    ///
    /// # Errors
    ///
    /// When something else comes, or the connection ends. For ERROR it is
    /// [`PermissionDenied`](ErrorKind::PermissionDenied).
    pub fn ready(mut self, id: PeerId, last: &BoxKey) -> io::Result<SecuredPeer> {
        let body = self.command()?;
        if Command::error_reason(&body).is_some() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let ready = Ready::decode(&body).map_err(io::Error::other)?;
        let (_, sealer) = ready.client_messages(last);
        ready.open(last).map_err(io::Error::other)?;
        self.peer.id = id;
        let (peer, said) = (self.peer, self.said);
        Ok(SecuredPeer { peer, sealer, said })
    }

    /// Goes on as if READY had come.
    pub fn hurry(mut self, id: PeerId, last: &BoxKey) -> SecuredPeer {
        let (_, sealer) = Ready::seal(&metadata(id), last).client_messages(last);
        self.peer.id = id;
        let (peer, said) = (self.peer, self.said);
        SecuredPeer { peer, sealer, said }
    }

    /// It speaks without CURVE, or not at all, from now on.
    pub fn into_raw(self) -> RawPeer {
        self.peer
    }
}

/// What a client says of itself.
fn metadata(id: PeerId) -> Metadata {
    let identity = RoutingId::from(id).to_bytes();
    match ready("DEALER", Some(&identity)) {
        Command::Ready(metadata) => metadata,
        _ => unreachable!("it is READY"),
    }
}

/// The greeting of a ZMTP 3.1 peer with CURVE.
pub fn secured_greeting() -> [u8; Greeting::LEN] {
    Greeting::new(Mechanism::CURVE, false).encode()
}

/// A client of CURVE whose handshake is over.
#[derive(Debug)]
pub struct SecuredPeer {
    peer: RawPeer,
    sealer: MessageSealer,
    /// All bytes that it has sent.
    pub said: Vec<u8>,
}

impl SecuredPeer {
    /// Connects to the owner of a key, with a key and under an identity of its own.
    ///
    /// # Errors
    ///
    /// When the node refuses. If it says so, this is
    /// [`PermissionDenied`](ErrorKind::PermissionDenied).
    pub fn open(
        endpoint: &Endpoint,
        server: PublicKey,
        own: &Keypair,
        id: PeerId,
    ) -> io::Result<Self> {
        let mut client = RawClient::hello(endpoint, server)?;
        let welcome = client.welcome()?;
        let (initiate, last) = client.initiate(&welcome, own, own.public(), id)?;
        client.send(&initiate)?;
        client.ready(id, &last)
    }

    /// The same, without waiting for READY.
    ///
    /// # Errors
    ///
    /// When the node closes the connection before it has sent WELCOME.
    pub fn hurry(
        endpoint: &Endpoint,
        server: PublicKey,
        own: &Keypair,
        id: PeerId,
    ) -> io::Result<Self> {
        let mut client = RawClient::hello(endpoint, server)?;
        let welcome = client.welcome()?;
        let (initiate, last) = client.initiate(&welcome, own, own.public(), id)?;
        client.send(&initiate)?;
        Ok(client.hurry(id, &last))
    }

    /// Sends a message with the next sequence number.
    ///
    /// # Errors
    ///
    /// When the node has closed the connection.
    pub fn send(&mut self, body: Body) -> io::Result<()> {
        self.send_as(self.peer.next_sequence(), body)
    }

    /// Sends a message with a sequence number of the caller's choice, which counts from there on.
    ///
    /// # Errors
    ///
    /// When the node has closed the connection.
    pub fn send_as(&mut self, sequence: u16, body: Body) -> io::Result<()> {
        self.peer.skip_to(sequence);
        let bytes = self.sealed(sequence, body);
        self.said.extend(&bytes);
        self.peer.send_raw(&bytes)
    }

    /// A message as it is sent: each of its frames in a box.
    ///
    /// # Panics
    ///
    /// Never: it takes apart what it has made.
    pub fn sealed(&mut self, sequence: u16, body: Body) -> Vec<u8> {
        let plain = encode(sequence, body);
        let mut source = &plain[..];
        let mut sealed = Vec::new();
        while !source.is_empty() {
            let (command, more, body) = read_frame(&mut source).expect("a frame");
            let flags = MessageFlags { more, command };
            let mut message = [&MessageSealer::head(flags)[..], &body].concat();
            self.sealer.seal(&mut message);
            sealed.extend(frame(false, false, &message));
        }
        sealed
    }
}

impl Deref for SecuredPeer {
    type Target = RawPeer;

    fn deref(&self) -> &RawPeer {
        &self.peer
    }
}

impl DerefMut for SecuredPeer {
    fn deref_mut(&mut self) -> &mut RawPeer {
        &mut self.peer
    }
}

/// The endpoint that a peer with a key names: it takes everybody, and counts what comes.
#[derive(Debug)]
pub struct SecuredListener {
    endpoint: Endpoint,
    accepted: Arc<AtomicUsize>,
    messages: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl SecuredListener {
    /// Listens on 127.0.0.1 until the process ends.
    ///
    /// # Panics
    ///
    /// When there is no port left.
    pub fn start(own: &Keypair) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let this = Self {
            endpoint: Endpoint::from_socket_addr(address).expect("an endpoint"),
            accepted: Arc::default(),
            messages: Arc::default(),
        };
        let (accepted, messages) = (Arc::clone(&this.accepted), Arc::clone(&this.messages));
        let own = own.clone();
        let _ = spawn(move || {
            for stream in listener.incoming().flatten() {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (own, messages) = (own.clone(), Arc::clone(&messages));
                // It ends with the connection.
                let _ = spawn(move || serve(stream, own, &messages));
            }
        });
        this
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How many connections have come.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The first frames of the messages that have come.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        let messages = self.messages.lock();
        messages.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(mut stream: TcpStream, own: Keypair, messages: &Mutex<Vec<Vec<u8>>>) -> io::Result<()> {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(&random_id().to_bytes());
    let security = LinkSecurity::Server {
        own,
        trust: Arc::new(Trust::Any),
        seed: Seed::predictable(seed),
    };
    let mut link = Link::secured(Role::Accepting, &Limits::default(), security);
    loop {
        let output = link.write_buffer();
        let bytes = output.copy_to_bytes(output.remaining());
        stream.write_all(&bytes)?;
        match stream.read(link.read_buffer())? {
            0 => return Ok(()),
            count => link.handle_read(count),
        }
        while let Some(event) = link.next_event().map_err(io::Error::other)? {
            if let LinkEvent::Message(message) = event {
                let mut messages = messages.lock().unwrap_or_else(PoisonError::into_inner);
                messages.push(message.first.to_vec());
            }
        }
    }
}
