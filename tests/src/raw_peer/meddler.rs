//! Somebody between two nodes.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use zre_proto::{Endpoint, zmtp::Greeting};

use super::{frame, frame_head, listener::read_frame, spawn};

/// Somebody between a node and those who take this for its endpoint.
#[derive(Debug)]
pub struct Meddler {
    endpoint: Endpoint,
    deed: Arc<Mutex<Option<Deed>>>,
    connections: Arc<AtomicUsize>,
}

/// What a [`Meddler`] does with the next frame that is sent to the node, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It changes one bit of the body.
    Flip(usize),
    /// It leaves the frame out.
    LeaveOut,
    /// It passes the frame on twice.
    Repeat,
    /// It passes the frame on behind the next one.
    Delay,
    /// It puts a frame of its own before it.
    Insert,
    /// It closes the connection in the middle of the frame.
    Cut,
}

impl Meddler {
    /// Passes everything on to `node` and back, until it is told otherwise.
    ///
    /// # Panics
    ///
    /// When there is no port left, or `node` is no address.
    pub fn before(node: &Endpoint) -> Self {
        let node = node.to_socket_addr().expect("an address");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let this = Self {
            endpoint: Endpoint::from_socket_addr(address).expect("an endpoint"),
            deed: Arc::default(),
            connections: Arc::default(),
        };
        let (deed, connections) = (Arc::clone(&this.deed), Arc::clone(&this.connections));
        let _ = spawn(move || {
            for client in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let Ok(node) = TcpStream::connect(node) else {
                    continue;
                };
                let _ = between(client, node, &deed);
            }
        });
        this
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How many connections it has passed on.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Does this to the next frame behind a handshake that is sent to the node.
    pub fn meddle(&self, deed: Deed) {
        *self.deed.lock().unwrap_or_else(PoisonError::into_inner) = Some(deed);
    }

    /// Whether it has not been done yet.
    pub fn waits(&self) -> bool {
        let deed = self.deed.lock();
        deed.unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

fn between(client: TcpStream, node: TcpStream, deed: &Arc<Mutex<Option<Deed>>>) -> io::Result<()> {
    let (mut back, mut to_client) = (node.try_clone()?, client.try_clone()?);
    let _ = spawn(move || {
        let _ = io::copy(&mut back, &mut to_client);
        to_client.shutdown(Shutdown::Both)
    });
    let deed = Arc::clone(deed);
    let _ = spawn(move || {
        let _ = meddle(&client, &node, &deed);
        let _ = client.shutdown(Shutdown::Both);
        node.shutdown(Shutdown::Both)
    });
    Ok(())
}

fn meddle(
    mut client: &TcpStream,
    mut node: &TcpStream,
    deed: &Mutex<Option<Deed>>,
) -> io::Result<()> {
    let mut greeting = [0; Greeting::LEN];
    client.read_exact(&mut greeting)?;
    node.write_all(&greeting)?;
    let mut delayed = Vec::new();
    loop {
        let (command, more, mut body) = read_frame(&mut client)?;
        let is_message = body.starts_with(b"\x07MESSAGE");
        let done = match is_message {
            true => deed.lock().unwrap_or_else(PoisonError::into_inner).take(),
            false => None,
        };
        let mut repeated = Vec::new();
        match done {
            None => {}
            Some(Deed::Flip(bit)) => {
                let place = bit / 8 % body.len().max(1);
                if let Some(byte) = body.get_mut(place) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Some(Deed::LeaveOut) => continue,
            Some(Deed::Repeat) => repeated = frame(command, more, &body),
            Some(Deed::Delay) => {
                delayed = frame(command, more, &body);
                continue;
            }
            Some(Deed::Insert) => {
                node.write_all(&frame(false, false, b"\xAA\xA1\x06\x02\0\x02"))?;
            }
            Some(Deed::Cut) => {
                node.write_all(&frame_head(command, more, body.len() as u64))?;
                body.truncate(body.len() / 2);
                return node.write_all(&body);
            }
        }
        node.write_all(&frame(command, more, &body))?;
        node.write_all(&repeated)?;
        node.write_all(&std::mem::take(&mut delayed))?;
    }
}
