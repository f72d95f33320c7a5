//! Gossip in raw bytes, and a hub that says what it is told to.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use zre_core::proto::Endpoint;
use zre_proto::zmtp::{FrameHeader, Greeting};
use zre_tests::raw_peer::{frame, greeting, ready};

pub(crate) const PONG: u8 = 4;
pub(crate) const INVALID: u8 = 5;

/// A message with its head.
pub(crate) fn gossip(number: u8, body: &[u8]) -> Vec<u8> {
    frame(
        false,
        false,
        &[b"\xAA\xA0", &[number, 1][..], body].concat(),
    )
}

/// PUBLISH of one tuple, with its head.
pub(crate) fn publish(key: &str, value: &str) -> Vec<u8> {
    let key_length = u8::try_from(key.len()).expect("a short key");
    let value_length = u32::try_from(value.len()).expect("a short value");
    let parts: [&[u8]; 5] = [
        &[key_length],
        key.as_bytes(),
        &value_length.to_be_bytes(),
        value.as_bytes(),
        &[0; 4],
    ];
    gossip(2, &parts.concat())
}

/// A hub that answers the handshake, and has its say about every message that comes, and about the
/// end of the handshake.
pub(crate) struct RawHub {
    endpoint: Endpoint,
    accepted: Arc<AtomicUsize>,
}

/// A client of such a hub.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

impl RawHub {
    /// `say` is told how many messages have come from this client.
    pub(crate) fn start(say: impl Fn(usize, &mut Client) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let accepted = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&accepted);
        let say = Arc::new(say);
        // The threads end with the process.
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                counted.fetch_add(1, Ordering::Relaxed);
                let say = Arc::clone(&say);
                thread::spawn(move || serve(stream, &*say));
            }
        });
        Self {
            endpoint: Endpoint::from_socket_addr(address).expect("an endpoint"),
            accepted,
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How many connections have come.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: TcpStream, say: &impl Fn(usize, &mut Client)) -> io::Result<()> {
    stream.write_all(&greeting())?;
    stream.write_all(&frame(true, false, &ready("ROUTER", None).encode()))?;
    stream.read_exact(&mut [0; Greeting::LEN])?;
    let mut client = Client(stream.try_clone()?);
    say(0, &mut client);
    let mut messages = 0;
    loop {
        let mut head = Vec::new();
        let header = loop {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
            if let Some((header, _)) = FrameHeader::decode(&head).map_err(io::Error::other)? {
                break header;
            }
        };
        let mut body = vec![0; usize::try_from(header.size).map_err(io::Error::other)?];
        stream.read_exact(&mut body)?;
        if !header.command {
            messages += 1;
            say(messages, &mut client);
        }
    }
}
