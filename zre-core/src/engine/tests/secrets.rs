//! Secrets show in nothing that is written down.

use std::{format, net::SocketAddr, string::String};

use bytes::Buf as _;
use zre_proto::{
    PeerId,
    curve::{Keypair, SecretKey},
};

use crate::{Config, Engine, Instant, Link, LinkSecurity, Role, Security, Seed, Trust};

/// No bytes of it are found by chance.
const SECRET: [u8; 32] = *b"\xC1\x5A\x93\x2E\xB7\x44\xF9\x68\xD3\x1C\x8B\x77\xA2\xE6\x39\x50\
    \x9D\x21\xBE\x64\x07\xCB\x85\x3F\xE8\x12\xAD\x56\x7B\x90\x4E\xF3";
const SEED: [u8; 32] = *b"\x6E\xD9\x24\xB1\x8F\x53\xC7\x3A\xE2\x95\x1D\xF0\x47\xAB\x78\x36\
    \xCD\x59\x82\xBF\x11\x6A\xE4\x9C\x35\xD8\x73\x0F\xA6\x4B\xEE\x27";

/// Fails if part of a secret is in a text, in any notation.
fn assert_hidden(text: &str, secret: &[u8]) {
    // `{:#?}` writes each byte on a line of its own.
    let text: String = text.split_whitespace().collect();
    for part in secret.chunks(4) {
        let listed: String = part.iter().map(|byte| format!("{byte},")).collect();
        let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
        for notation in [&listed, &hex, &hex.to_uppercase()] {
            assert!(!text.contains(notation), "{notation} shows");
        }
    }
}

fn assert_hidden_in(text: &str) {
    assert_hidden(text, &SECRET);
    assert_hidden(text, &SEED);
    let z85 = SecretKey::from(SECRET).to_z85();
    for part in z85.as_bytes().chunks(5) {
        let part = core::str::from_utf8(part).unwrap();
        assert!(!text.contains(part), "{part} shows");
    }
}

fn keypair() -> Keypair {
    SecretKey::from(SECRET).into()
}

#[test]
fn a_test_that_finds_nothing_would_find_a_secret() {
    for text in [
        format!("{SECRET:?}"),
        format!("{SECRET:#?}"),
        format!("{SECRET:x?}").replace(", ", ""),
        String::from(&**SecretKey::from(SECRET).to_z85()),
    ] {
        let found = std::panic::catch_unwind(|| assert_hidden_in(&text));
        assert!(found.is_err(), "{text}");
    }
}

#[test]
fn neither_key_nor_seed_shows_in_an_engine_or_its_connections() {
    let now = Instant::default();
    let mut config = Config::new("tcp://10.0.0.1:1".parse().unwrap());
    config.security = Some(Security::new(keypair(), Trust::Any));
    assert_hidden_in(&format!("{config:?} {config:#?}"));
    let seed = Seed::predictable(SEED);
    assert_hidden_in(&format!("{seed:?}"));
    let mut engine = Engine::new(config, seed, now);
    let link = engine.handle_accepted(SocketAddr::from(([10, 0, 0, 2], 5)), now);
    assert_hidden_in(&format!("{engine:?} {engine:#?}"));
    // Up to the middle of a handshake, where the cookie's key is kept.
    let mut client = Link::secured(
        Role::Connecting(PeerId::from([7; 16]).into()),
        &crate::Limits::default(),
        LinkSecurity::Client {
            own: keypair(),
            server: keypair().public(),
            seed: Seed::predictable(SEED),
        },
    );
    assert_hidden_in(&format!("{client:?} {client:#?}"));
    for _ in 0..4 {
        let buffer = client.write_buffer();
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        read(&mut engine, link, &bytes, now);
        assert_hidden_in(&format!("{engine:?} {engine:#?}"));
        let Some(buffer) = engine.write_buffer(link) else {
            break;
        };
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        crate::link::tests::feed(&mut client, &bytes).unwrap();
        assert_hidden_in(&format!("{client:?} {client:#?}"));
    }
    assert!(client.is_open());
}

fn read(engine: &mut Engine, link: crate::LinkId, bytes: &[u8], now: Instant) {
    let Some(mut reader) = engine.reader(link) else {
        return;
    };
    reader.buffer()[..bytes.len()].copy_from_slice(bytes);
    reader.commit(bytes.len(), now);
}
