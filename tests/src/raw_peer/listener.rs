//! Where a raw peer listens.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use socket2::SockRef;
use zre_proto::{
    Content, Endpoint, Message, MessageLimits,
    zmtp::{FrameHeader, Greeting},
};

use super::{DEADLINE, frame, greeting, ready, spawn};

/// What the system may hold for a connection that its owner leaves unread.
const SMALL_BUFFER: usize = 32 << 10;

/// What a [`RawListener`] does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It answers the handshake and reads.
    Reads,
    /// It answers the handshake, reads the HELLO behind it, and never again.
    NeverReads,
    /// It answers the handshake, reads the HELLO behind it, and from then on so many bytes a
    /// second.
    ReadsSlowly(usize),
    /// It takes connections and does nothing with them.
    NeverAnswers,
    /// It answers the handshake before it has come, and reads nothing. Hundreds of these cost
    /// little.
    Greets,
    /// It closes each connection at once.
    Closes,
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
    is_frozen: Mutex<bool>,
    changed: Condvar,
}

impl RawListener {
    /// Listens on 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When there is no port left.
    pub fn start(manner: Manner) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), manner)
    }

    /// Listens on an address of the caller's choice in 127.0.0.0/8, or on `::1`.
    ///
    /// # Panics
    ///
    /// When there is no port left.
    pub fn start_at(address: IpAddr, manner: Manner) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a free port");
        if matches!(manner, Manner::NeverReads | Manner::ReadsSlowly(_)) {
            // The system shall not take for it what it does not read.
            let socket = SockRef::from(&listener);
            socket.set_recv_buffer_size(SMALL_BUFFER).expect("a buffer");
        }
        let address = listener.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared::default());
        let (sender, messages) = mpsc::channel();
        let accepting = Arc::clone(&shared);
        let acceptor = spawn(move || accept(&listener, &accepting, manner, &sender));
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

    /// The next message from the node, if it is there already.
    pub fn try_receive(&self) -> Option<Message> {
        self.messages.try_recv().ok()
    }

    /// From now on it neither answers handshakes nor reads, as a process that is stopped. What it
    /// is reading now it reads to the end of the message.
    pub fn freeze(&self) {
        *self.shared.is_frozen() = true;
    }

    /// It goes on where it was frozen.
    pub fn thaw(&self) {
        *self.shared.is_frozen() = false;
        self.shared.changed.notify_all();
    }

    /// How many connections have come.
    pub fn accepted(&self) -> usize {
        self.shared.streams().len()
    }
}

impl Drop for RawListener {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.thaw();
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
    fn streams(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_frozen(&self) -> MutexGuard<'_, bool> {
        self.is_frozen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_until_thawed(&self) {
        let is_frozen = |is_frozen: &mut bool| *is_frozen;
        drop(self.changed.wait_while(self.is_frozen(), is_frozen));
    }

    /// Lets some time pass, or less when it is over.
    fn pause(&self, time: Duration) {
        let goes_on = |_: &mut bool| !self.over.load(Ordering::SeqCst);
        drop(
            self.changed
                .wait_timeout_while(self.is_frozen(), time, goes_on),
        );
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, manner: Manner, sender: &Sender<Message>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.over.load(Ordering::SeqCst) {
            return;
        }
        let Ok(held) = stream.try_clone() else { return };
        shared.streams().push(held);
        let (shared, sender) = (Arc::clone(shared), sender.clone());
        match manner {
            Manner::NeverAnswers => {}
            // It may be broken already, which is as good.
            Manner::Greets => _ = greet(&stream),
            // It may be broken already, which is as good.
            Manner::Closes => _ = stream.shutdown(Shutdown::Both),
            // It ends when the node closes the connection, or the listener is dropped.
            _ => _ = spawn(move || serve(stream, &shared, manner, &sender)),
        }
    }
}

fn serve(
    mut stream: TcpStream,
    shared: &Shared,
    manner: Manner,
    sender: &Sender<Message>,
) -> io::Result<()> {
    shared.wait_until_thawed();
    greet(&stream)?;
    stream.read_exact(&mut [0; Greeting::LEN])?;
    loop {
        shared.wait_until_thawed();
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
        if sender.send(message).is_err() {
            return Ok(());
        }
        match manner {
            Manner::NeverReads => return Ok(()),
            Manner::ReadsSlowly(rate) => return read_slowly(&mut stream, shared, rate),
            _ => {}
        }
    }
}

fn greet(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(&greeting())?;
    stream.write_all(&frame(true, false, &ready("ROUTER", Some(&[])).encode()))
}

fn read_slowly(stream: &mut TcpStream, shared: &Shared, rate: usize) -> io::Result<()> {
    const PACE: Duration = Duration::from_millis(20);
    let mut piece = vec![0; rate / 50];
    while stream.read(&mut piece)? > 0 {
        shared.pause(PACE);
    }
    Ok(())
}

/// Whether it is a command, whether more follow, and its body.
pub(super) fn read_frame(stream: &mut impl Read) -> io::Result<(bool, bool, Vec<u8>)> {
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
