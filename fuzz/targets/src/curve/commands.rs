//! The commands of CURVE, made of any parts, and taken apart.

use bytes::Bytes;
use zre_proto::{
    PeerId, RoutingId,
    zmtp::{Command, Metadata},
};

use super::boxes::{self, Key};

const HELLO: &[u8; 16] = b"CurveZMQHELLO---";
const WELCOME: &[u8; 8] = b"WELCOME-";
const VOUCH: &[u8; 8] = b"VOUCH---";
const INITIATE: &[u8; 16] = b"CurveZMQINITIATE";
const READY: &[u8; 16] = b"CurveZMQREADY---";
pub(super) const FROM_CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
pub(super) const FROM_SERVER: &[u8; 16] = b"CurveZMQMESSAGES";
pub(super) const COOKIE: usize = 96;

fn named(name: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![u8::try_from(name.len()).unwrap()];
    body.extend_from_slice(name.as_bytes());
    parts.iter().for_each(|part| body.extend_from_slice(part));
    body
}

pub(super) fn hello(client: &Key, number: u64, key: &Key, text: &[u8]) -> Vec<u8> {
    let sealed = boxes::seal(key, &boxes::numbered(HELLO, number), text);
    let number = number.to_be_bytes();
    named("HELLO", &[&[1, 0], &[0; 72], client, &number, &sealed])
}

pub(super) fn welcome(random: &[u8; 16], key: &Key, server: &Key, cookie: &[u8]) -> Vec<u8> {
    let text = [server, cookie].concat();
    let sealed = boxes::seal(key, &boxes::random(WELCOME, random), &text);
    named("WELCOME", &[random, &sealed])
}

pub(super) fn vouch(random: &[u8; 16], key: &Key, client: &Key, server: &Key) -> Vec<u8> {
    let text = [*client, *server].concat();
    let sealed = boxes::seal(key, &boxes::random(VOUCH, random), &text);
    [&random[..], &sealed].concat()
}

pub(super) struct Initiate<'a> {
    pub(super) cookie: &'a [u8],
    pub(super) number: u64,
    pub(super) long_term: Key,
    pub(super) vouch: &'a [u8],
    pub(super) metadata: &'a [u8],
}

impl Initiate<'_> {
    pub(super) fn seal(&self, key: &Key) -> Vec<u8> {
        let text = [&self.long_term[..], self.vouch, self.metadata].concat();
        let sealed = boxes::seal(key, &boxes::numbered(INITIATE, self.number), &text);
        let number = self.number.to_be_bytes();
        named("INITIATE", &[self.cookie, &number, &sealed])
    }
}

pub(super) fn ready(number: u64, key: &Key, metadata: &[u8]) -> Vec<u8> {
    let sealed = boxes::seal(key, &boxes::numbered(READY, number), metadata);
    named("READY", &[&number.to_be_bytes(), &sealed])
}

pub(super) fn message(
    prefix: &[u8; 16],
    number: u64,
    key: &Key,
    flags: u8,
    text: &[u8],
) -> Vec<u8> {
    let text = [&[flags], text].concat();
    let sealed = boxes::seal(key, &boxes::numbered(prefix, number), &text);
    named("MESSAGE", &[&number.to_be_bytes(), &sealed])
}

/// What stands behind the name, if it is this one.
fn behind<'a>(name: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    body.strip_prefix(&named(name, &[])[..])
}

fn number(rest: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = rest.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

/// C', if whoever made it has the other key of the box.
pub(super) fn open_hello(body: &[u8], key: impl FnOnce(&Key) -> Option<Key>) -> Option<Key> {
    let rest = behind("HELLO", body)?;
    let rest = rest.strip_prefix(&[1, 0])?.get(72..)?;
    let (client, rest) = rest.split_first_chunk()?;
    let (number, sealed) = number(rest)?;
    let text = boxes::open(&key(client)?, &boxes::numbered(HELLO, number), sealed)?;
    (text == [0; 64]).then_some(*client)
}

/// S' and the cookie.
pub(super) fn open_welcome(body: &[u8], key: &Key) -> Option<(Key, Vec<u8>)> {
    let (random, sealed) = behind("WELCOME", body)?.split_first_chunk::<16>()?;
    let text = boxes::open(key, &boxes::random(WELCOME, random), sealed)?;
    let (server, cookie) = text.split_first_chunk()?;
    (cookie.len() == COOKIE).then(|| (*server, cookie.to_vec()))
}

/// An INITIATE of which the outer box has been opened.
pub(super) struct Opened {
    pub(super) cookie: Vec<u8>,
    pub(super) number: u64,
    pub(super) long_term: Key,
    vouch: Vec<u8>,
    pub(super) metadata: Vec<u8>,
}

pub(super) fn open_initiate(body: &[u8], key: &Key) -> Option<Opened> {
    let (cookie, rest) = behind("INITIATE", body)?.split_first_chunk::<COOKIE>()?;
    let (number, sealed) = number(rest)?;
    let text = boxes::open(key, &boxes::numbered(INITIATE, number), sealed)?;
    let (long_term, rest) = text.split_first_chunk()?;
    let (vouch, metadata) = rest.split_first_chunk::<96>()?;
    Some(Opened {
        cookie: cookie.to_vec(),
        number,
        long_term: *long_term,
        vouch: vouch.to_vec(),
        metadata: metadata.to_vec(),
    })
}

impl Opened {
    /// Whether the owner of the long-term key vouches for C' towards S; `key` is that of C and S'.
    pub(super) fn vouches_for(&self, client: &Key, server: &Key, key: &Key) -> bool {
        let (random, sealed) = self.vouch.split_at(16);
        let text = boxes::open(key, &boxes::random(VOUCH, random), sealed);
        text == Some([*client, *server].concat())
    }
}

/// The number and the metadata.
pub(super) fn open_ready(body: &[u8], key: &Key) -> Option<(u64, Vec<u8>)> {
    let (number, sealed) = number(behind("READY", body)?)?;
    let text = boxes::open(key, &boxes::numbered(READY, number), sealed)?;
    Some((number, text))
}

/// The number, the flags and the bytes of the frame.
pub(super) fn open_message(body: &[u8], prefix: &[u8; 16], key: &Key) -> Option<(u64, u8, Bytes)> {
    let (number, sealed) = number(behind("MESSAGE", body)?)?;
    let text = boxes::open(key, &boxes::numbered(prefix, number), sealed)?;
    let (flags, _) = text.split_first()?;
    let flags = *flags;
    Some((number, flags, Bytes::from(text).slice(1..)))
}

/// The identity that the fuzzer's side has.
pub(super) fn identity() -> RoutingId {
    PeerId::from([9; 16]).into()
}

/// What a side says of itself: as it should, or almost so, or anything.
pub(super) fn metadata(socket_type: &'static str, variant: u8, raw: &[u8]) -> Vec<u8> {
    let identity = Bytes::copy_from_slice(&identity().to_bytes());
    let one = |name: &'static str, value: Bytes| {
        Metadata::default().with(name.try_into().unwrap(), value)
    };
    let honest = one(Metadata::SOCKET_TYPE, socket_type.into());
    let named = |name: &'static str, value| honest.clone().with(name.try_into().unwrap(), value);
    let metadata = match variant {
        1 => named(Metadata::IDENTITY, identity).with("X".try_into().unwrap(), "y"),
        2 => honest,
        3 => one(Metadata::SOCKET_TYPE, "PAIR".into()),
        4 => named("IDENTITY", identity),
        5 => named(Metadata::IDENTITY, Bytes::copy_from_slice(raw)),
        6 => return raw.to_vec(),
        _ => named(Metadata::IDENTITY, identity),
    };
    behind("READY", &Command::Ready(metadata).encode())
        .unwrap()
        .to_vec()
}

/// The type of a socket and its identity, if that is metadata.
pub(super) fn read_metadata(bytes: &[u8]) -> Option<(Vec<u8>, Option<RoutingId>)> {
    let body = Bytes::from(named("READY", &[bytes]));
    let Ok(Command::Ready(metadata)) = Command::decode(&body) else {
        return None;
    };
    let socket_type = metadata.get(Metadata::SOCKET_TYPE).unwrap_or_default();
    let identity = metadata.get(Metadata::IDENTITY).unwrap_or_default();
    Some((socket_type.to_vec(), RoutingId::from_bytes(identity)))
}
