//! The target `curve_server`: a link that accepts, and a client of which the fuzzer has the keys.

mod reference;
mod step;

use zre_core::{Link, LinkEvent, LinkSecurity, Role, Seed, Trust, TrustedKeys};
use zre_proto::{
    curve::{Keypair, PublicKey, SecretKey},
    zmtp::{Greeting, Mechanism},
};

use super::{
    boxes::{Key, Owner},
    commands::{self, FROM_CLIENT},
    frames,
    tested::{self, Tested},
};
use crate::script::{Reader, Trace};
use reference::Reference;
use step::{Part, Step};
pub(super) use step::{honest_hello, honest_initiate};

/// A script of what clients do, one connection after the other. A connection opens only if the
/// client has shown the secret key of one that is trusted, for this connection and this server. It
/// is refused if that key is not trusted, ends in an error at the first wrong command, and at no
/// other. It holds no more than its limits allow.
pub fn curve_server(bytes: &[u8]) {
    let trace = Trace::new();
    let mut script = Reader(bytes);
    let mut server = Scene::new(script.read());
    while !script.is_empty() && server.steps < Scene::STEPS {
        let step = script.read();
        trace.show(&step);
        server.take(&step);
    }
}

struct Scene {
    trusts_anybody: bool,
    connection: u8,
    tested: Tested,
    reference: Reference,
    /// The bytes that the server reads at a time.
    piece: usize,
    /// What the next honest step is.
    next: Part,
    /// What this client has said, and those before it.
    said: Vec<Vec<u8>>,
    earlier_cookie: Vec<u8>,
    steps: usize,
}

impl Scene {
    const STEPS: usize = 100;
    const CONNECTIONS: u8 = 8;
    const SAID: usize = 50;

    fn new(trusts_anybody: bool) -> Self {
        let connection = 0;
        Self {
            trusts_anybody,
            connection,
            tested: Tested::new(link(trusts_anybody, connection)),
            reference: Reference::new(trusts_anybody),
            piece: tested::MOST_READ,
            next: Part::Greeting,
            said: Vec::new(),
            earlier_cookie: vec![0; commands::COOKIE],
            steps: 0,
        }
    }

    fn take(&mut self, step: &Step<'_>) {
        self.steps += 1;
        match step {
            Step::Honest { who } => self.honest(Owner::with_secret(*who), None),
            Step::Almost { who, change } => self.honest(Owner::with_secret(*who), Some(change)),
            Step::Hello { parts, change } => {
                let body = parts.body(&self.server_short());
                self.say_command(body, change);
            }
            Step::Initiate { parts, change } => {
                let cookie = match parts.cookie % 3 {
                    0 => self.reference.cookie(),
                    1 => self.earlier_cookie.clone(),
                    _ => vec![7; commands::COOKIE],
                };
                let body = parts.body(&cookie, &self.server_short());
                self.say_command(body, change);
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
                    self.say_command(body.clone(), change);
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

    /// What a client does next that does as it should.
    fn honest(&mut self, who: Owner, change: Option<&super::Change<'_>>) {
        let unchanged = super::Change::None;
        let change = change.unwrap_or(&unchanged);
        match self.next {
            Part::Greeting => {
                self.next = Part::Hello;
                let mut greeting = Greeting::new(Mechanism::CURVE, false).encode().to_vec();
                change.apply(&mut greeting);
                self.say(&greeting);
            }
            Part::Hello => {
                self.next = Part::Initiate;
                self.say_command(step::honest_hello(), change);
            }
            Part::Initiate => {
                self.next = Part::Messages;
                let (cookie, server) = (self.reference.cookie(), self.server_short());
                self.say_command(step::honest_initiate(who, &cookie, &server), change);
            }
            Part::Messages => {
                let body = self.sealed(0, 0, b"message");
                self.say_frame(false, body, change);
            }
        }
    }

    /// A MESSAGE with a number so much above the next.
    fn sealed(&self, number: u8, flags: u8, text: &[u8]) -> Vec<u8> {
        let (key, last) = self.reference.messages();
        let number = last
            .wrapping_add(1)
            .wrapping_add_signed(number.cast_signed().into());
        commands::message(FROM_CLIENT, number, &key, flags, text)
    }

    fn server_short(&self) -> Key {
        self.reference.server_short()
    }

    fn say_command(&mut self, body: Vec<u8>, change: &super::Change<'_>) {
        self.say_frame(true, body, change);
    }

    fn say_frame(&mut self, command: bool, mut body: Vec<u8>, change: &super::Change<'_>) {
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
            heard.events.iter().for_each(|event| self.check(event));
        }
    }

    fn check(&self, event: &LinkEvent) {
        let absent = PublicKey::from(Owner::Absent.public(&[0; 32]));
        match event {
            LinkEvent::Open { key, .. } => {
                let key = key.as_deref().expect("there is no other way to open");
                assert_ne!(*key, absent, "nobody here has its secret");
                assert!(trust(self.trusts_anybody).admits(key).is_some());
            }
            LinkEvent::Refused { key, .. } => {
                assert!(trust(self.trusts_anybody).admits(key).is_none());
            }
            _ => {}
        }
    }

    fn reconnect(&mut self) {
        if self.connection + 1 == Self::CONNECTIONS {
            return;
        }
        self.connection += 1;
        self.earlier_cookie = self.reference.cookie();
        self.tested = Tested::new(link(self.trusts_anybody, self.connection));
        self.reference = Reference::new(self.trusts_anybody);
        self.next = Part::Greeting;
    }
}

fn link(trusts_anybody: bool, connection: u8) -> Link {
    let security = LinkSecurity::Server {
        own: keypair(Owner::Server),
        trust: trust(trusts_anybody).into(),
        seed: Seed::predictable([connection; 32]),
    };
    Link::secured(Role::Accepting, &tested::limits(), security)
}

pub(super) fn keypair(owner: Owner) -> Keypair {
    let secret = SecretKey::from(owner.secret());
    let public = PublicKey::from(owner.public(&[0; 32]));
    Keypair::new(public, secret).expect("they belong together")
}

pub(super) fn trust(anybody: bool) -> Trust {
    if anybody {
        return Trust::Any;
    }
    let trusted = [Owner::Server, Owner::Friend, Owner::Absent];
    let keys = trusted.map(|owner| PublicKey::from(owner.public(&[0; 32])));
    TrustedKeys::from(keys).into()
}
