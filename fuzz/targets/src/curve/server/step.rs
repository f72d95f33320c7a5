//! What a client can do.

use super::super::{
    Change,
    boxes::{self, Key, Owner},
    commands::{self, Initiate},
};
use crate::script::{FromScript, Reader, choices};

/// Where an honest client is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Greeting,
    Hello,
    Initiate,
    Messages,
}

choices! {
    #[derive(Debug)]
    pub(super) enum Step<'a> from 'a, one of 16 {
        0..=3 => Honest { who: u8 },
        4..=5 => Almost { who: u8, change: Change<'a> },
        6 => Hello { parts: HelloParts, change: Change<'a> },
        7..=9 => Initiate { parts: InitiateParts<'a>, change: Change<'a> },
        10 => Message { number: u8, flags: u8, text: &'a [u8], change: Change<'a> },
        /// What was said before, on this connection or on another.
        11 => Again { index: u8, change: Change<'a> },
        12 => Frame { flags: u8, bytes: &'a [u8] },
        13 => Bytes { bytes: &'a [u8] },
        14 => Pieces { size: u8 },
        15 => Reconnect,
    }
}

/// Between which two a box is sealed: the owner of a public and of a secret key.
#[derive(Debug)]
struct Between {
    theirs: u8,
    ours: u8,
}

impl FromScript<'_> for Between {
    fn from_script(script: &mut Reader<'_>) -> Self {
        Self {
            theirs: script.read(),
            ours: script.read(),
        }
    }
}

impl Between {
    fn key(&self, server_short: &Key) -> Key {
        let theirs = Owner::new(self.theirs).public(server_short);
        let ours = Owner::with_secret(self.ours).secret();
        boxes::shared_or_weak(&theirs, &ours)
    }
}

/// A HELLO: which key it says, which numbers, and how it is sealed.
#[derive(Debug)]
pub(super) struct HelloParts {
    client: u8,
    number: u8,
    sealed: Between,
    text: u8,
}

impl FromScript<'_> for HelloParts {
    fn from_script(script: &mut Reader<'_>) -> Self {
        Self {
            client: script.read(),
            number: script.read(),
            sealed: script.read(),
            text: script.read(),
        }
    }
}

impl HelloParts {
    pub(super) fn body(&self, server_short: &Key) -> Vec<u8> {
        let client = Owner::new(self.client).public(server_short);
        // Mostly as it must be.
        let text = [self.text / 128; 64];
        let number = self.number.into();
        commands::hello(&client, number, &self.sealed.key(server_short), &text)
    }
}

/// An INITIATE, and the vouch in it.
#[derive(Debug)]
pub(super) struct InitiateParts<'a> {
    pub(super) cookie: u8,
    number: u8,
    sealed: Between,
    long_term: u8,
    vouched: Between,
    client: u8,
    server: u8,
    metadata: u8,
    raw: &'a [u8],
}

impl<'a> FromScript<'a> for InitiateParts<'a> {
    fn from_script(script: &mut Reader<'a>) -> Self {
        Self {
            cookie: script.read(),
            number: script.read(),
            sealed: script.read(),
            long_term: script.read(),
            vouched: script.read(),
            client: script.read(),
            server: script.read(),
            metadata: script.read(),
            raw: script.read(),
        }
    }
}

impl InitiateParts<'_> {
    pub(super) fn body(&self, cookie: &[u8], server_short: &Key) -> Vec<u8> {
        let public = |owner| Owner::new(owner).public(server_short);
        let vouch = commands::vouch(
            &[self.number; 16],
            &self.vouched.key(server_short),
            &public(self.client),
            &public(self.server),
        );
        let initiate = Initiate {
            cookie,
            // The last ones have no successor.
            number: u64::from(self.number).wrapping_sub(4),
            long_term: public(self.long_term),
            vouch: &vouch,
            metadata: &commands::metadata("DEALER", self.metadata, self.raw),
        };
        initiate.seal(&self.sealed.key(server_short))
    }
}

pub(in crate::curve) fn honest_hello() -> Vec<u8> {
    let (client, server) = (Owner::ShortTerm, Owner::Server);
    let key = boxes::shared_or_weak(&server.public(&[0; 32]), &client.secret());
    commands::hello(&client.public(&[0; 32]), 1, &key, &[0; 64])
}

pub(in crate::curve) fn honest_initiate(who: Owner, cookie: &[u8], server_short: &Key) -> Vec<u8> {
    let public = |owner: Owner| owner.public(server_short);
    let client = Owner::ShortTerm;
    let vouch = commands::vouch(
        &[1; 16],
        &boxes::shared_or_weak(server_short, &who.secret()),
        &public(client),
        &public(Owner::Server),
    );
    let initiate = Initiate {
        cookie,
        number: 2,
        long_term: public(who),
        vouch: &vouch,
        metadata: &commands::metadata("DEALER", 0, &[]),
    };
    initiate.seal(&boxes::shared_or_weak(server_short, &client.secret()))
}
