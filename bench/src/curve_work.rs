//! The work of CURVE that the benches time and count: handshakes of both roles, and frames.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use zre_core::proto::{
    curve::{
        BoxKey, Cookie, CookieKey, Hello, Initiate, Keypair, MessageFlags, MessageOpener,
        MessageSealer, PublicKey, Ready, SecretKey, Vouch, Welcome,
    },
    zmtp::Metadata,
};

use crate::keys::keypair;

/// What one side opens and seals messages with.
type Messages = (MessageOpener, MessageSealer);

/// Two sides that shake hands again and again, with new short-term keys each time.
#[derive(Debug)]
pub struct Handshakes {
    client: Keypair,
    server: Keypair,
    number: u64,
}

/// What a handshake leads to, and how long each side has worked for it.
#[derive(Debug)]
pub struct Outcome {
    /// The connecting side's.
    pub client: Messages,
    /// The accepting side's.
    pub server: Messages,
    /// The time of the connecting side.
    pub client_time: Duration,
    /// The time of the accepting side.
    pub server_time: Duration,
}

impl Handshakes {
    /// Two sides that have not met.
    pub fn new() -> Self {
        Self {
            client: keypair("client"),
            server: keypair("server"),
            number: 0,
        }
    }

    /// Runs a handshake, from the keys of both sides to those of their messages.
    ///
    /// # Panics
    ///
    /// Panics if a side refuses what the other says.
    pub fn run(&mut self) -> Outcome {
        let [client_secret, server_secret] = [self.secret(), self.secret()];
        let begun = Instant::now();
        let (client, hello) = Client::new(&self.client, self.server.public(), client_secret);
        let client_begun = begun.elapsed();
        let begun = Instant::now();
        let (server, welcome) = Server::new(&self.server, server_secret, &hello);
        let server_begun = begun.elapsed();
        let begun = Instant::now();
        let (client, initiate) = client.welcomed(&welcome);
        let client_welcomed = begun.elapsed();
        let begun = Instant::now();
        let (server, ready) = server.initiated(&initiate);
        let server_time = server_begun + begun.elapsed();
        let begun = Instant::now();
        let client = client.ready(&ready);
        Outcome {
            client,
            server,
            client_time: client_begun + client_welcomed + begun.elapsed(),
            server_time,
        }
    }

    /// A new secret key, as random ones would be.
    fn secret(&mut self) -> SecretKey {
        self.number += 1;
        keypair(&self.number.to_string()).secret().clone()
    }
}

impl Default for Handshakes {
    fn default() -> Self {
        Self::new()
    }
}

/// The connecting side after its HELLO.
struct Client<'a> {
    long_term: &'a Keypair,
    server: PublicKey,
    short_term: Keypair,
    /// That of C' and S.
    key: BoxKey,
}

impl<'a> Client<'a> {
    fn new(long_term: &'a Keypair, server: PublicKey, secret: SecretKey) -> (Self, BytesMut) {
        let short_term = Keypair::from(secret);
        let key = box_key(&server, short_term.secret());
        let hello = Hello::seal(short_term.public(), &key).encode();
        let client = Self {
            long_term,
            server,
            short_term,
            key,
        };
        (client, hello)
    }

    fn welcomed(self, welcome: &[u8]) -> (Initiated, BytesMut) {
        let welcome = Welcome::decode(welcome).expect("it is WELCOME");
        let (server, cookie) = welcome.open(&self.key).expect("it is for this side");
        let key = box_key(&server, self.short_term.secret());
        let vouching = box_key(&server, self.long_term.secret());
        let client = self.short_term.public();
        let vouch = Vouch::seal(&client, &self.server, [1; 16], &vouching);
        let own = self.long_term.public();
        let initiate = Initiate::seal(cookie, &own, &vouch, &Metadata::default(), &key);
        (Initiated { key }, initiate.encode())
    }
}

/// The connecting side after its INITIATE.
struct Initiated {
    /// That of C' and S'.
    key: BoxKey,
}

impl Initiated {
    fn ready(self, ready: &[u8]) -> Messages {
        let ready = Ready::decode(ready).expect("it is READY");
        let messages = ready.client_messages(&self.key);
        ready.open(&self.key).expect("it is for this side");
        messages
    }
}

/// The accepting side after its WELCOME: it keeps no keys but those of the cookie.
struct Server {
    long_term: PublicKey,
    cookie_key: CookieKey,
}

impl Server {
    fn new(long_term: &Keypair, secret: SecretKey, hello: &[u8]) -> (Self, BytesMut) {
        let hello = Hello::decode(hello).expect("it is HELLO");
        let key = box_key(&hello.client, long_term.secret());
        hello.open(&key).expect("it is for this side");
        let short_term = Keypair::from(secret);
        let cookie_key = CookieKey::from([7; 32]);
        let cookie = Cookie::seal(&hello.client, short_term.secret(), [2; 16], &cookie_key);
        let welcome = Welcome::seal(&short_term.public(), &cookie, [3; 16], &key);
        let server = Self {
            long_term: long_term.public(),
            cookie_key,
        };
        (server, welcome.encode())
    }

    fn initiated(self, initiate: &[u8]) -> (Messages, BytesMut) {
        let initiate = Initiate::decode(initiate).expect("it is INITIATE");
        let (client, secret) = initiate.cookie.open(&self.cookie_key).expect("it is ours");
        let key = box_key(&client, &secret);
        let messages = initiate.server_messages(&key);
        let (long_term, vouch, _) = initiate.open(&key).expect("it is for this side");
        let vouching = box_key(&long_term, &secret);
        let checked = vouch.check(&client, &self.long_term, &vouching);
        checked.expect("the key vouches for this connection");
        (messages, Ready::seal(&Metadata::default(), &key).encode())
    }
}

fn box_key(theirs: &PublicKey, ours: &SecretKey) -> BoxKey {
    BoxKey::new(theirs, ours).expect("these keys are not weak")
}

/// One direction of a connection: one side seals frames, the other opens them.
#[derive(Debug)]
pub struct Direction {
    sealer: MessageSealer,
    opener: MessageOpener,
}

impl Direction {
    /// From the connecting side to the accepting one.
    pub fn new() -> Self {
        let outcome = Handshakes::new().run();
        let (_, sealer) = outcome.client;
        let (opener, _) = outcome.server;
        Self { sealer, opener }
    }

    /// Room for a MESSAGE with a frame of so many bytes.
    pub fn message(size: usize) -> Vec<u8> {
        let mut message = MessageSealer::head(MessageFlags::default()).to_vec();
        message.resize(message.len() + size, 1);
        message
    }

    /// Seals a frame that is in its place in a [`message`](Direction::message).
    pub fn seal(&mut self, message: &mut [u8]) {
        // An opened message has its head no more.
        let head = MessageSealer::head(MessageFlags::default());
        if let Some(to) = message.first_chunk_mut() {
            *to = head;
        }
        self.sealer.seal(message);
    }

    /// Opens what was sealed last.
    ///
    /// # Panics
    ///
    /// Panics if it does not open.
    pub fn open(&mut self, message: &mut [u8]) {
        self.opener.open(message).expect("it was sealed last");
    }
}

impl Default for Direction {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_opened_as_they_were_before_they_were_sealed() {
        let mut direction = Direction::new();
        for size in [0, 64, 64 << 10] {
            let mut message = Direction::message(size);
            for _ in 0..3 {
                direction.seal(&mut message);
                direction.open(&mut message);
                let frame = &message[MessageSealer::OVERHEAD..];
                assert_eq!(frame, vec![1; size]);
            }
        }
    }
}
