//! The target `curve_client`: a link that connects, and a server that may have the right key.

mod reference;
mod step;

use zre_core::{Link, LinkEvent, LinkSecurity, Role, Seed};
use zre_proto::{
    PeerId,
    curve::PublicKey,
    zmtp::{Greeting, Mechanism},
};

use super::{
    Change,
    boxes::{Key, Owner},
    commands::{self, FROM_SERVER},
    frames,
    server::keypair,
    tested::{self, Tested},
};
use crate::script::{Reader, Trace};
use reference::Reference;
use step::{Part, Step};
pub(super) use step::{honest_ready, honest_welcome};

/// A script of what servers do, one connection after the other, of which the script says whether
/// they have the secret key that the client expects. A connection opens only if they have. To
/// others the client does not say who it is. It ends in an error at the first wrong command, and at
/// no other, and holds no more than its limits allow.
pub fn curve_client(bytes: &[u8]) {
    let trace = Trace::new();
    let mut script = Reader(bytes);
    let mut client = Scene::new(script.read());
    while !script.is_empty() && client.steps < Scene::STEPS {
        let step = script.read();
        trace.show(&step);
        client.take(&step);
    }
}

struct Scene {
    /// Whether the fuzzer has the secret key of the server.
    has_key: bool,
    connection: u8,
    tested: Tested,
    reference: Reference,
    /// The bytes that the client reads at a time.
    piece: usize,
    /// What the next honest step is.
    next: Part,
    /// What this server has said, and those before it.
    said: Vec<Vec<u8>>,
    steps: usize,
}

impl Scene {
    const STEPS: usize = 100;
    const CONNECTIONS: u8 = 8;
    const SAID: usize = 50;

    fn new(lacks_key: bool) -> Self {
        let connection = 0;
        Self {
            has_key: !lacks_key,
            connection,
            tested: Tested::new(link(connection)),
            reference: Reference::default(),
            piece: tested::MOST_READ,
            next: Part::Greeting,
            said: Vec::new(),
            steps: 0,
        }
    }

    fn take(&mut self, step: &Step<'_>) {
        self.steps += 1;
        match step {
            Step::Honest => self.honest(&Change::None),
            Step::Almost { change } => self.honest(change),
            Step::Welcome { parts, change } => {
                let body = parts.body(&self.client_short(), self.has_key);
                self.say_frame(true, body, change);
            }
            Step::Ready { parts, change } => {
                let body = parts.body(&self.client_short(), self.has_key);
                self.say_frame(true, body, change);
            }
            Step::Message {
                number,
                flags,
                text,
                change,
            } => {
                let body = self.sealed(*number, *flags, text);
                self.say_frame(false, body, change);
            }
            Step::Again { index, change } => {
                let index = usize::from(*index) % self.said.len().max(1);
                if let Some(body) = self.said.get(index) {
                    self.say_frame(true, body.clone(), change);
                }
            }
            Step::Frame { flags, bytes } => {
                let mut frame = Vec::new();
                frames::put(&mut frame, flags & 1 == 1, flags & 2 == 2, bytes);
                self.say(&frame);
            }
            Step::Bytes { bytes } => self.say(bytes),
            Step::Pieces { size } => self.piece = 1 + usize::from(*size),
            Step::Reconnect => self.reconnect(),
        }
    }

    /// What a server does next that does as it should.
    fn honest(&mut self, change: &Change<'_>) {
        let (client, has_key) = (self.client_short(), self.has_key);
        match self.next {
            Part::Greeting => {
                self.next = Part::Welcome;
                let mut greeting = Greeting::new(Mechanism::CURVE, false).encode().to_vec();
                change.apply(&mut greeting);
                self.say(&greeting);
            }
            Part::Welcome => {
                self.next = Part::Ready;
                self.say_frame(true, step::honest_welcome(&client, has_key), change);
            }
            Part::Ready => {
                self.next = Part::Messages;
                self.say_frame(true, step::honest_ready(&client), change);
            }
            Part::Messages => {
                let body = self.sealed(0, 2, b"\x04PING\0\0context");
                self.say_frame(false, body, change);
            }
        }
    }

    /// A MESSAGE with a number so much above the next.
    fn sealed(&self, number: u8, flags: u8, text: &[u8]) -> Vec<u8> {
        let (key, last) = self.reference.messages();
        let shift = number.cast_signed().into();
        let number = last.wrapping_add(1).wrapping_add_signed(shift);
        commands::message(FROM_SERVER, number, &key, flags, text)
    }

    fn client_short(&self) -> Key {
        self.reference.client_short()
    }

    fn say_frame(&mut self, command: bool, mut body: Vec<u8>, change: &Change<'_>) {
        change.apply(&mut body);
        let mut frame = Vec::new();
        frames::put(&mut frame, command, false, &body);
        if self.said.len() < Self::SAID {
            self.said.push(body);
        }
        self.say(&frame);
    }

    fn say(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece) {
            if self.tested.has_failed() {
                return;
            }
            let heard = self.tested.read(piece);
            let expected = self.reference.read(piece, &heard.output);
            assert_eq!(heard.events, expected.events);
            assert_eq!(heard.failed, expected.wrong);
            if !self.has_key {
                assert_eq!(heard.events, []);
                assert!(!self.reference.knows_client(), "it said who it is");
            }
            heard.events.iter().for_each(check);
        }
    }

    fn reconnect(&mut self) {
        if self.connection + 1 == Self::CONNECTIONS {
            return;
        }
        self.connection += 1;
        self.tested = Tested::new(link(self.connection));
        self.reference = Reference::default();
        self.next = Part::Greeting;
    }
}

fn check(event: &LinkEvent) {
    let LinkEvent::Open { key, .. } = event else {
        panic!("{event:?} to a client");
    };
    assert_eq!(key.as_deref(), Some(&server_key()));
}

fn server_key() -> PublicKey {
    Owner::Server.public(&[0; 32]).into()
}

fn link(connection: u8) -> Link {
    let security = LinkSecurity::Client {
        own: keypair(Owner::Friend),
        server: server_key(),
        seed: Seed::predictable([connection; 32]),
    };
    let role = Role::Connecting(PeerId::from([7; 16]).into());
    Link::secured(role, &tested::limits(), security)
}
