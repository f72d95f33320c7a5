//! Scripts: what the octets of a target that has a story to tell mean, step by step.

use std::{env, fmt};

use bytes::Bytes;

use crate::{engine, two_engines};

/// Reads a script from octets. Behind the end there are zeros.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u8(&mut self) -> u8 {
        let first = self.0.split_off_first();
        first.copied().unwrap_or_default()
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    pub(crate) fn bool(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    /// Two octets with the length, and so many octets, or all there are.
    pub(crate) fn octets(&mut self) -> &'a [u8] {
        let length = usize::from(self.u16()).min(self.0.len());
        let (octets, rest) = self.0.split_at(length);
        self.0 = rest;
        octets
    }
}

/// Shows what happens in a script, if the environment has `ZRE_FUZZ_TRACE`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trace(bool);

impl Trace {
    pub(crate) fn new() -> Self {
        Self(env::var_os("ZRE_FUZZ_TRACE").is_some())
    }

    pub(crate) fn show(self, what: impl fmt::Debug) {
        if self.0 {
            eprintln!("{what:?}");
        }
    }
}

/// Something that a recorded node did.
#[derive(Debug, Clone)]
pub enum Deed {
    /// It sent a datagram.
    Datagram(Bytes),
    /// It opened a connection.
    Connect,
    /// It said something there.
    Octets(Bytes),
}

/// The script for the target `engine` in which the node meets who did this.
pub fn for_engine(deeds: &[Deed]) -> Vec<u8> {
    write(deeds, |deed| match deed {
        Deed::Datagram(_) => &[engine::DATAGRAM, 0],
        Deed::Connect => &[engine::CONNECT],
        Deed::Octets(_) => &[engine::OCTETS, 0],
    })
}

/// The script for the target `two_engines` in which the first engine meets who did this.
pub fn for_two_engines(deeds: &[Deed]) -> Vec<u8> {
    write(deeds, |deed| match deed {
        Deed::Datagram(_) => &[two_engines::DATAGRAM, 0, 0],
        Deed::Connect => &[two_engines::CONNECT, 0],
        Deed::Octets(_) => &[two_engines::OCTETS, 0],
    })
}

fn write(deeds: &[Deed], start: fn(&Deed) -> &'static [u8]) -> Vec<u8> {
    let mut script = Vec::new();
    for deed in deeds {
        script.extend_from_slice(start(deed));
        if let Deed::Datagram(octets) | Deed::Octets(octets) = deed {
            let length = u16::try_from(octets.len()).expect("a short chunk");
            script.extend_from_slice(&length.to_be_bytes());
            script.extend_from_slice(octets);
        }
    }
    script
}
