//! Commands that libzmq has made are opened, and made again byte by byte (`vectors/curve.txt`).

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

use zre_proto::{
    curve::{
        BoxKey, Cookie, CookieKey, Hello, Initiate, Keypair, MessageFlags, MessageOpener,
        MessageSealer, Ready, SecretKey, Vouch, Welcome,
    },
    zmtp::{Command, Metadata},
};

const VECTORS: &str = include_str!("vectors/curve.txt");

/// All values with this name, in their order.
fn all(name: &str) -> Vec<Vec<u8>> {
    let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter_map(|line| line.split_once(' '));
    lines
        .filter(|(it, _)| *it == name)
        .map(|(_, value)| hex::decode(value).unwrap())
        .collect()
}

fn one(name: &str) -> Vec<u8> {
    let [value] = <[Vec<u8>; 1]>::try_from(all(name)).unwrap();
    value
}

fn bytes<const N: usize>(name: &str) -> [u8; N] {
    one(name).try_into().unwrap()
}

fn pair(name: &str) -> Keypair {
    SecretKey::from(bytes::<32>(name)).into()
}

/// The keys of both sides of the connection.
struct Keys {
    client: Keypair,
    server: Keypair,
    short_client: Keypair,
    short_server: Keypair,
}

impl Keys {
    fn read() -> Self {
        Self {
            client: pair("client-secret"),
            server: pair("server-secret"),
            short_client: pair("client-short-secret"),
            short_server: pair("server-short-secret"),
        }
    }

    /// The key of two sides, which each of them computes.
    fn shared(one: &Keypair, other: &Keypair) -> [BoxKey; 2] {
        [(one, other), (other, one)].map(|(theirs, ours)| {
            BoxKey::new(&theirs.public(), ours.secret()).expect("keys of a usual kind")
        })
    }

    /// That of HELLO and WELCOME.
    fn first(&self) -> [BoxKey; 2] {
        Self::shared(&self.short_client, &self.server)
    }

    /// That of all that follows.
    fn last(&self) -> [BoxKey; 2] {
        Self::shared(&self.short_client, &self.short_server)
    }
}

fn metadata(of: &str) -> Metadata {
    let text = |text: &str| text.try_into().unwrap();
    let identity: &[u8] = match of {
        "DEALER" => b"\x01ABCDEFGHIJKLMNOP",
        _ => b"",
    };
    Metadata::default()
        .with(text("Socket-Type"), of.as_bytes().to_vec())
        .with(text("Identity"), identity.to_vec())
}

#[test]
fn hello_is_opened_and_made_again() {
    let keys = Keys::read();
    let hello = Hello::decode(&one("hello")).unwrap();
    assert_eq!(hello.client, keys.short_client.public());
    for key in keys.first() {
        assert_eq!(hello.open(&key), Ok(()));
        let ours = Hello::seal(keys.short_client.public(), &key);
        assert_eq!(ours.encode(), one("hello"));
        assert_eq!(ours.encode().len(), Hello::LEN);
    }
}

#[test]
fn welcome_and_its_cookie_are_opened_and_made_again() {
    let keys = Keys::read();
    let cookie_key = CookieKey::from(bytes::<32>("cookie-key"));
    let welcome = Welcome::decode(&one("welcome")).unwrap();
    for key in keys.first() {
        let (server, cookie) = welcome.open(&key).unwrap();
        assert_eq!(server, keys.short_server.public());
        let (client, secret) = cookie.open(&cookie_key).unwrap();
        assert_eq!(client, keys.short_client.public());
        assert_eq!(&secret, keys.short_server.secret());

        let ours = Cookie::seal(&client, &secret, bytes("cookie-nonce"), &cookie_key);
        assert!(ours == cookie);
        let ours = Welcome::seal(&server, &ours, bytes("welcome-nonce"), &key);
        assert_eq!(ours.encode(), one("welcome"));
        assert_eq!(ours.encode().len(), Welcome::LEN);
    }
}

#[test]
fn initiate_and_its_vouch_are_opened_and_made_again() {
    let keys = Keys::read();
    let initiate = Initiate::decode(&one("initiate")).unwrap();
    let cookie_key = CookieKey::from(bytes::<32>("cookie-key"));
    assert!(initiate.cookie.open(&cookie_key).is_ok());
    let short = keys.short_client.public();
    for key in keys.last() {
        let (client, vouch, found) = initiate.clone().open(&key).unwrap();
        assert_eq!(client, keys.client.public());
        assert_eq!(found, metadata("DEALER"));
        for key in Keys::shared(&keys.client, &keys.short_server) {
            let server = keys.server.public();
            assert_eq!(vouch.check(&short, &server, &key), Ok(()));
            let ours = Vouch::seal(&short, &server, bytes("vouch-nonce"), &key);
            assert_eq!(ours, vouch);
        }
        let cookie = initiate.cookie;
        let ours = Initiate::seal(cookie, &client, &vouch, &metadata("DEALER"), &key);
        assert_eq!(ours.encode(), one("initiate"));
    }
}

#[test]
fn ready_is_opened_and_made_again() {
    let ready = Ready::decode(&one("ready")).unwrap();
    for key in Keys::read().last() {
        assert_eq!(ready.clone().open(&key), Ok(metadata("ROUTER")));
        let ours = Ready::seal(&metadata("ROUTER"), &key);
        assert_eq!(ours.encode(), one("ready"));
    }
}

/// What opens and seals the messages of both sides: first the connecting one.
fn messages() -> [(MessageOpener, MessageSealer); 2] {
    let [client, server] = Keys::read().last();
    let ready = Ready::decode(&one("ready")).unwrap();
    let initiate = Initiate::decode(&one("initiate")).unwrap();
    [
        ready.client_messages(&client),
        initiate.server_messages(&server),
    ]
}

fn large() -> Vec<u8> {
    [(); 2].iter().flat_map(|()| 0..=255).collect()
}

/// Frames of a message, and commands, with their flags.
fn open_all(opener: &mut MessageOpener, messages: Vec<Vec<u8>>) -> Vec<(MessageFlags, Vec<u8>)> {
    let open = |mut message: Vec<u8>| {
        let flags = opener.open(&mut message).unwrap();
        (flags, message.split_off(MessageSealer::OVERHEAD))
    };
    messages.into_iter().map(open).collect()
}

fn seal(sealer: &mut MessageSealer, flags: MessageFlags, frame: &[u8]) -> Vec<u8> {
    let mut message = [&MessageSealer::head(flags)[..], frame].concat();
    sealer.seal(&mut message);
    message
}

const MORE: MessageFlags = MessageFlags {
    more: true,
    command: false,
};
const LAST: MessageFlags = MessageFlags {
    more: false,
    command: false,
};
const COMMAND: MessageFlags = MessageFlags {
    more: false,
    command: true,
};

#[test]
fn messages_of_the_connecting_side_are_opened_and_made_again() {
    let [(_, mut sealer), (mut opener, _)] = messages();
    let sent = all("message-from-client");
    let frames = open_all(&mut opener, sent.clone());
    let expected = [
        (MORE, b"hello".to_vec()),
        (MORE, Vec::new()),
        (LAST, large()),
    ];
    assert_eq!(frames[..3], expected);
    assert!(frames.len() > 3, "libzmq has sent PING");
    for (flags, frame) in &frames[3..] {
        assert_eq!(*flags, COMMAND);
        assert!(matches!(
            Command::decode(frame),
            Ok(Command::Ping { ttl: 0, .. })
        ));
    }
    for ((flags, frame), message) in frames.iter().zip(&sent) {
        assert_eq!(seal(&mut sealer, *flags, frame), *message);
    }
}

#[test]
fn messages_of_the_accepting_side_are_opened_and_made_again() {
    let [(mut opener, _), (_, mut sealer)] = messages();
    let sent = all("message-from-server");
    let frames = open_all(&mut opener, sent.clone());
    assert_eq!(frames[..2], [(MORE, b"hello".to_vec()), (LAST, large())]);
    assert!(frames.len() > 2, "libzmq has answered PING");
    for (flags, frame) in &frames[2..] {
        assert_eq!(*flags, COMMAND);
        assert!(matches!(Command::decode(frame), Ok(Command::Pong { .. })));
    }
    for ((flags, frame), message) in frames.iter().zip(&sent) {
        assert_eq!(seal(&mut sealer, *flags, frame), *message);
    }
}

#[test]
fn error_is_read_and_made_again() {
    let reason = Command::error_reason(&one("error")).unwrap();
    assert_eq!(reason, "400");
    assert_eq!(Command::Error { reason }.encode(), one("error"));
}
