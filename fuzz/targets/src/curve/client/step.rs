//! What a server can do.

use super::super::{
    Change,
    boxes::{self, Key, Owner},
    commands,
};
use crate::script::{FromScript, Reader, choices};

/// Where an honest server is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Greeting,
    Welcome,
    Ready,
    Messages,
}

choices! {
    #[derive(Debug)]
    pub(super) enum Step<'a> from 'a, one of 16 {
        0..=3 => Honest,
        4..=5 => Almost { change: Change<'a> },
        6 | 7 => Welcome { parts: WelcomeParts<'a>, change: Change<'a> },
        8 | 9 => Ready { parts: ReadyParts<'a>, change: Change<'a> },
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

impl Between {
    fn key(&self, client_short: &Key, has_key: bool) -> Key {
        let theirs = Owner::new(self.theirs).public(client_short);
        let ours = match Owner::with_secret(self.ours) {
            Owner::Server if !has_key => Owner::OtherServer,
            ours => ours,
        };
        boxes::shared_or_weak(&theirs, &ours.secret())
    }
}

/// A WELCOME: how it is sealed, and what is in it.
#[derive(Debug)]
pub(super) struct WelcomeParts<'a> {
    sealed: Between,
    server: u8,
    random: u8,
    cookie: &'a [u8],
}

impl<'a> FromScript<'a> for WelcomeParts<'a> {
    fn from_script(script: &mut Reader<'a>) -> Self {
        Self {
            sealed: script.read(),
            server: script.read(),
            random: script.read(),
            cookie: script.read(),
        }
    }
}

impl WelcomeParts<'_> {
    pub(super) fn body(&self, client_short: &Key, has_key: bool) -> Vec<u8> {
        let key = self.sealed.key(client_short, has_key);
        let server = Owner::new(self.server).public(client_short);
        let mut cookie = self.cookie.to_vec();
        // Mostly as long as it must be.
        if self.random < 200 {
            cookie.resize(commands::COOKIE, 0);
        }
        commands::welcome(&[self.random; 16], &key, &server, &cookie)
    }
}

/// A READY: how it is sealed, and what is in it.
#[derive(Debug)]
pub(super) struct ReadyParts<'a> {
    sealed: Between,
    number: u8,
    metadata: u8,
    raw: &'a [u8],
}

impl<'a> FromScript<'a> for ReadyParts<'a> {
    fn from_script(script: &mut Reader<'a>) -> Self {
        Self {
            sealed: script.read(),
            number: script.read(),
            metadata: script.read(),
            raw: script.read(),
        }
    }
}

impl ReadyParts<'_> {
    pub(super) fn body(&self, client_short: &Key, has_key: bool) -> Vec<u8> {
        let key = self.sealed.key(client_short, has_key);
        // The last ones have no successor.
        let number = u64::from(self.number).wrapping_sub(4);
        let metadata = commands::metadata("ROUTER", self.metadata, self.raw);
        commands::ready(number, &key, &metadata)
    }
}

impl FromScript<'_> for Between {
    fn from_script(script: &mut Reader<'_>) -> Self {
        Self {
            theirs: script.read(),
            ours: script.read(),
        }
    }
}

pub(in crate::curve) fn honest_welcome(client_short: &Key, has_key: bool) -> Vec<u8> {
    let long_term = match has_key {
        true => Owner::Server,
        false => Owner::OtherServer,
    };
    let key = boxes::shared_or_weak(client_short, &long_term.secret());
    let server = Owner::ShortTerm.public(client_short);
    commands::welcome(&[1; 16], &key, &server, &[2; commands::COOKIE])
}

pub(in crate::curve) fn honest_ready(client_short: &Key) -> Vec<u8> {
    let key = boxes::shared_or_weak(client_short, &Owner::ShortTerm.secret());
    commands::ready(1, &key, &commands::metadata("ROUTER", 0, &[]))
}
