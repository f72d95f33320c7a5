//! Boxes and the commands around them: crypto_box opens what we seal, and the reverse; and whatever
//! has been changed, cut, moved or repeated is refused.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what serves tests may fail as tests do"
)]

use core::ops::Range;

use crypto_box::{
    SalsaBox,
    aead::{Aead as _, generic_array::GenericArray},
};
use proptest::prelude::*;
use zre_proto::{
    curve::{
        BoxKey, Cookie, CookieKey, CurveError, Hello, Initiate, Keypair, MessageFlags,
        MessageOpener, MessageSealer, PublicKey, Ready, SecretKey, Vouch, Welcome,
    },
    zmtp::{Command, Metadata},
};

/// Where the padding of HELLO stands, which nothing protects and nobody reads.
const PADDING: Range<usize> = 8..80;
/// The highest bit of C' in HELLO, which X25519 does not use. Whoever changes it gets an INITIATE
/// that vouches for another key.
const UNUSED_BIT: usize = 80 * 8 + 255;
const LAST: MessageFlags = MessageFlags {
    more: false,
    command: false,
};

/// Both sides of a connection, with what each has said in its handshake.
struct Conversation {
    /// C, S, C', S'.
    secrets: [[u8; 32]; 4],
    client: Keypair,
    server: Keypair,
    short_client: Keypair,
    short_server: Keypair,
    cookie_key: [u8; 32],
    first: BoxKey,
    last: BoxKey,
    vouching: BoxKey,
    hello: Vec<u8>,
    welcome: Vec<u8>,
    initiate: Vec<u8>,
    ready: Vec<u8>,
}

fn metadata() -> Metadata {
    let name = "Socket-Type".try_into().unwrap();
    Metadata::default().with(name, b"DEALER".to_vec())
}

fn shared(theirs: &Keypair, ours: &Keypair) -> BoxKey {
    BoxKey::new(&theirs.public(), ours.secret()).unwrap()
}

impl Conversation {
    fn new(secrets: [[u8; 32]; 4]) -> Self {
        let [client, server, short_client, short_server] =
            secrets.map(|secret| Keypair::from(SecretKey::from(secret)));
        let first = shared(&server, &short_client);
        let last = shared(&short_server, &short_client);
        let vouching = shared(&short_server, &client);
        let cookie_key = [5; 32];
        let (short, key) = (short_client.public(), CookieKey::from(cookie_key));
        let cookie = Cookie::seal(&short, short_server.secret(), [1; 16], &key);
        let welcome = Welcome::seal(&short_server.public(), &cookie, [2; 16], &first);
        let vouch = Vouch::seal(&short, &server.public(), [3; 16], &vouching);
        let initiate = Initiate::seal(cookie, &client.public(), &vouch, &metadata(), &last);
        Self {
            hello: Hello::seal(short, &first).encode().to_vec(),
            welcome: welcome.encode().to_vec(),
            initiate: initiate.encode().to_vec(),
            ready: Ready::seal(&metadata(), &last).encode().to_vec(),
            secrets,
            client,
            server,
            short_client,
            short_server,
            cookie_key,
            first,
            last,
            vouching,
        }
    }

    fn fixed() -> Self {
        Self::new([[1; 32], [2; 32], [3; 32], [4; 32]])
    }

    /// What crypto_box seals with for the first of these, in the order of `secrets`, as the second.
    fn independent(&self, theirs: usize, ours: usize) -> SalsaBox {
        let [theirs, ours] = [theirs, ours].map(|at| crypto_box::SecretKey::from(self.secrets[at]));
        SalsaBox::new(&theirs.public_key(), &ours)
    }

    fn messages(&self) -> Messages {
        let ready = Ready::decode(&self.ready).unwrap();
        let initiate = Initiate::decode(&self.initiate).unwrap();
        let (from_server, client) = ready.client_messages(&self.last);
        let (from_client, server) = initiate.server_messages(&self.last);
        Messages {
            client,
            server,
            from_client,
            from_server,
        }
    }

    /// A client's HELLO is accepted.
    fn takes_hello(&self, body: &[u8]) -> Result<(), CurveError> {
        let hello = Hello::decode(body)?;
        let key = BoxKey::new(&hello.client, self.server.secret())?;
        hello.open(&key)
    }

    /// A server's WELCOME is accepted.
    fn takes_welcome(&self, body: &[u8]) -> Result<(PublicKey, Cookie), CurveError> {
        Welcome::decode(body)?.open(&self.first)
    }

    /// A client's INITIATE is accepted, as it would be by a server: gives the key that it proves.
    fn takes_initiate(&self, body: &[u8]) -> Result<PublicKey, CurveError> {
        let initiate = Initiate::decode(body)?;
        let (short, secret) = initiate.cookie.open(&CookieKey::from(self.cookie_key))?;
        let (client, vouch, _) = initiate.open(&BoxKey::new(&short, &secret)?)?;
        let vouching = BoxKey::new(&client, &secret)?;
        vouch.check(&short, &self.server.public(), &vouching)?;
        Ok(client)
    }

    fn takes_ready(&self, body: &[u8]) -> Result<Metadata, CurveError> {
        Ready::decode(body)?.open(&self.last)
    }

    /// Whether each of the four commands is accepted if it comes in place of this one.
    fn takes(&self, command: usize, body: &[u8]) -> bool {
        match command {
            0 => self.takes_hello(body).is_ok(),
            1 => self.takes_welcome(body).is_ok(),
            2 => self.takes_initiate(body).is_ok(),
            _ => self.takes_ready(body).is_ok(),
        }
    }

    fn commands(&self) -> [&[u8]; 4] {
        [&self.hello, &self.welcome, &self.initiate, &self.ready]
    }
}

/// What seals and opens the messages of both sides.
struct Messages {
    client: MessageSealer,
    server: MessageSealer,
    from_client: MessageOpener,
    from_server: MessageOpener,
}

fn seal(sealer: &mut MessageSealer, flags: MessageFlags, frame: &[u8]) -> Vec<u8> {
    let mut message = [&MessageSealer::head(flags)[..], frame].concat();
    sealer.seal(&mut message);
    message
}

fn open(opener: &mut MessageOpener, message: &[u8]) -> Result<(MessageFlags, Vec<u8>), CurveError> {
    let mut message = message.to_vec();
    let flags = opener.open(&mut message)?;
    Ok((flags, message.split_off(MessageSealer::OVERHEAD)))
}

/// What crypto_box opens.
fn opened(key: &SalsaBox, nonce: &[&[u8]], sealed: &[u8]) -> Vec<u8> {
    let nonce = nonce.concat();
    key.decrypt(GenericArray::from_slice(&nonce), sealed)
        .expect("the box of the other library")
}

/// What crypto_box seals.
fn sealed(key: &SalsaBox, nonce: &[&[u8]], text: &[u8]) -> Vec<u8> {
    let nonce = nonce.concat();
    key.encrypt(GenericArray::from_slice(&nonce), text).unwrap()
}

fn secrets() -> impl Strategy<Value = [[u8; 32]; 4]> {
    any::<[[u8; 32]; 4]>()
}

fn flags() -> impl Strategy<Value = MessageFlags> {
    prop_oneof![
        Just((false, false)),
        Just((true, false)),
        Just((false, true))
    ]
    .prop_map(|(more, command)| MessageFlags { more, command })
}

/// The texts of HELLO and WELCOME: 64 zeros; S' and the cookie.
const HELLO_TEXT: usize = 64;
const WELCOME_TEXT: usize = 128;

/// Texts of any length, often of those that a command has.
fn boxed_texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(any::<u8>(), HELLO_TEXT),
        Just(vec![0; HELLO_TEXT]),
        prop::collection::vec(any::<u8>(), WELCOME_TEXT),
    ]
}

const PROPERTIES: &[u8] = b"\x0BSocket-Type\0\0\0\x06DEALER";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn crypto_box_opens_what_we_seal(secrets in secrets(), flags in flags(),
        frame in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let we = Conversation::new(secrets);
        let [first, last] = [we.independent(1, 2), we.independent(3, 2)];

        let hello = &we.hello[112..];
        let text = opened(&first, &[b"CurveZMQHELLO---", &hello[..8]], &hello[8..]);
        prop_assert_eq!(text, [0; 64]);
        let text = opened(&first, &[b"WELCOME-", &we.welcome[8..24]], &we.welcome[24..]);
        prop_assert_eq!(&text[..32], we.short_server.public().to_bytes());
        prop_assert_eq!(&text[32..], &we.initiate[9..105], "the cookie comes back");

        let initiate = &we.initiate[105..];
        let text = opened(&last, &[b"CurveZMQINITIATE", &initiate[..8]], &initiate[8..]);
        prop_assert_eq!(&text[..32], we.client.public().to_bytes());
        prop_assert_eq!(&text[128..], PROPERTIES);
        let vouching = we.independent(0, 3);
        let vouch = opened(&vouching, &[b"VOUCH---", &text[32..48]], &text[48..128]);
        prop_assert_eq!(&vouch[..32], we.short_client.public().to_bytes());
        prop_assert_eq!(&vouch[32..], we.server.public().to_bytes());

        let text = opened(&last, &[b"CurveZMQREADY---", &we.ready[6..14]], &we.ready[14..]);
        prop_assert_eq!(text, PROPERTIES);

        let mut messages = we.messages();
        for (sealer, prefix) in [
            (&mut messages.client, b"CurveZMQMESSAGEC"),
            (&mut messages.server, b"CurveZMQMESSAGES"),
        ] {
            let message = seal(sealer, flags, &frame);
            let text = opened(&last, &[prefix, &message[8..16]], &message[16..]);
            prop_assert_eq!(text[0], u8::from(flags.more) + 2 * u8::from(flags.command));
            prop_assert_eq!(&text[1..], &frame);
        }
    }

    #[test]
    fn we_open_what_crypto_box_seals(secrets in secrets(), flags in flags(),
        number in any::<u64>(), random in any::<[u8; 16]>(),
        frame in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let we = Conversation::new(secrets);
        let [first, last] = [we.independent(1, 2), we.independent(3, 2)];
        let number = number.to_be_bytes();

        let hello = sealed(&first, &[b"CurveZMQHELLO---", &number], &[0; 64]);
        let hello = [&we.hello[..112], &number, &hello].concat();
        prop_assert_eq!(we.takes_hello(&hello), Ok(()));

        let text = [we.short_server.public().as_bytes(), &we.initiate[9..105]].concat();
        let welcome = sealed(&first, &[b"WELCOME-", &random], &text);
        let welcome = [b"\x07WELCOME", &random[..], &welcome].concat();
        let (server, _) = we.takes_welcome(&welcome).unwrap();
        prop_assert_eq!(server, we.short_server.public());

        let keys = [we.short_client.public(), we.server.public()].map(|key| key.to_bytes());
        let vouch = sealed(&we.independent(3, 0), &[b"VOUCH---", &random], &keys.concat());
        let text = [we.client.public().as_bytes(), &random[..], &vouch, PROPERTIES].concat();
        let initiate = sealed(&last, &[b"CurveZMQINITIATE", &number], &text);
        let initiate = [&we.initiate[..105], &number, &initiate].concat();
        prop_assert_eq!(we.takes_initiate(&initiate), Ok(we.client.public()));

        let ready = sealed(&last, &[b"CurveZMQREADY---", &number], PROPERTIES);
        let ready = [b"\x05READY", &number[..], &ready].concat();
        prop_assert_eq!(we.takes_ready(&ready), Ok(metadata()));

        let number = (u64::from_be_bytes(number) | 0x10).to_be_bytes();
        let text = [&[u8::from(flags.more) + 2 * u8::from(flags.command)], &frame[..]].concat();
        let mut messages = we.messages();
        for (opener, prefix) in [
            (&mut messages.from_client, b"CurveZMQMESSAGEC"),
            (&mut messages.from_server, b"CurveZMQMESSAGES"),
        ] {
            let message = sealed(&last, &[prefix, &number], &text);
            let message = [b"\x07MESSAGE", &number[..], &message].concat();
            prop_assert_eq!(open(opener, &message), Ok((flags, frame.clone())));
            // The same number, and lower ones.
            let again = open(opener, &message);
            prop_assert!(matches!(again, Err(CurveError::Nonce { .. })), "{again:?}");
        }
    }

    /// Whoever has a key can seal anything with it.
    #[test]
    fn any_text_in_a_right_box_is_survived(text in boxed_texts()) {
        let we = Conversation::fixed();
        let last = we.independent(3, 2);
        let number = 9_u64.to_be_bytes();
        let ready = sealed(&last, &[b"CurveZMQREADY---", &number], &text);
        let _ = we.takes_ready(&[b"\x05READY", &number[..], &ready].concat());
        let initiate = sealed(&last, &[b"CurveZMQINITIATE", &number], &text);
        let initiate = [&we.initiate[..105], &number, &initiate].concat();
        prop_assert!(we.takes_initiate(&initiate).is_err(), "nobody vouches");
        let message = sealed(&last, &[b"CurveZMQMESSAGEC", &number], &text);
        let message = [b"\x07MESSAGE", &number[..], &message].concat();
        let expected = match text.split_first() {
            Some((flags @ 0..=2, frame)) => {
                let (more, command) = (*flags == 1, *flags == 2);
                Ok((MessageFlags { more, command }, frame.to_vec()))
            }
            Some((flags, _)) => Err(CurveError::Flags(*flags)),
            None => Err(CurveError::Length { command: "MESSAGE", length: message.len() }),
        };
        prop_assert_eq!(open(&mut we.messages().from_client, &message), expected);
        let hello = sealed(&we.independent(1, 2), &[b"CurveZMQHELLO---", &number], &text);
        let hello = [&we.hello[..112], &number, &hello].concat();
        prop_assert_eq!(we.takes_hello(&hello).is_ok(), text == [0; HELLO_TEXT]);
        let welcome = sealed(&we.independent(1, 2), &[b"WELCOME-", &[9; 16]], &text);
        let welcome = [b"\x07WELCOME", &[9; 16][..], &welcome].concat();
        let of_its_size = text.len() == WELCOME_TEXT;
        prop_assert_eq!(we.takes_welcome(&welcome).is_ok(), of_its_size, "any key, any cookie");
    }

    #[test]
    fn any_bytes_are_survived(
        name in prop::sample::select(vec![
            &b""[..], b"\x05HELLO\x01\0", b"\x07WELCOME", b"\x08INITIATE", b"\x05READY",
            b"\x05ERROR", b"\x07MESSAGE",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let we = Conversation::fixed();
        let body = [name, &bytes].concat();
        for command in 0..4 {
            prop_assert!(!we.takes(command, &body));
        }
        let mut messages = we.messages();
        prop_assert!(open(&mut messages.from_client, &body).is_err());
        prop_assert!(open(&mut messages.from_server, &body).is_err());
        let _ = Command::error_reason(&body);
    }

    #[test]
    fn keys_of_others_open_nothing(secrets in secrets(), replaced in 0_usize..4) {
        let we = Conversation::fixed();
        let mut theirs = we.secrets;
        theirs[replaced] = secrets[replaced];
        let they = Conversation::new(theirs);
        // Who has another key than is meant: C' goes with HELLO, and C with INITIATE.
        prop_assert_eq!(we.takes_hello(&they.hello).is_ok(), replaced != 1);
        prop_assert_eq!(we.takes_welcome(&they.welcome).is_ok(), !matches!(replaced, 1 | 2));
        let expected = match replaced {
            0 => Ok(they.client.public()),
            1 => Err(CurveError::Vouch),
            // It brings a cookie of its own.
            _ => Ok(we.client.public()),
        };
        prop_assert_eq!(we.takes_initiate(&they.initiate), expected);
        prop_assert_eq!(we.takes_ready(&they.ready).is_ok(), !matches!(replaced, 2 | 3));
    }
}

#[test]
fn a_single_bit_that_is_changed_is_noticed() {
    let we = Conversation::fixed();
    for (command, body) in we.commands().into_iter().enumerate() {
        assert!(we.takes(command, body));
        for bit in 0..body.len() * 8 {
            let mut changed = body.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let may_pass = command == 0 && (PADDING.contains(&(bit / 8)) || bit == UNUSED_BIT);
            assert_eq!(
                we.takes(command, &changed),
                may_pass,
                "{command}, bit {bit}"
            );
        }
    }
    let mut messages = we.messages();
    let message = seal(&mut messages.client, LAST, b"whatever it is");
    for bit in 0..message.len() * 8 {
        let mut changed = message.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            open(&mut messages.from_client, &changed).is_err(),
            "bit {bit}"
        );
    }
    assert!(open(&mut messages.from_client, &message).is_ok());
}

#[test]
fn what_is_cut_or_longer_is_refused() {
    let we = Conversation::fixed();
    for (command, body) in we.commands().into_iter().enumerate() {
        for length in 0..body.len() {
            assert!(!we.takes(command, &body[..length]), "{command}, {length}");
        }
        assert!(!we.takes(command, &[body, &[0]].concat()));
    }
    let mut messages = we.messages();
    let message = seal(&mut messages.client, LAST, b"whatever it is");
    for length in 0..message.len() {
        assert!(open(&mut messages.from_client, &message[..length]).is_err());
    }
    let longer = [&message[..], &[0]].concat();
    assert!(open(&mut messages.from_client, &longer).is_err());
    assert!(open(&mut messages.from_client, &message).is_ok());
}

#[test]
fn a_command_is_taken_in_place_of_no_other() {
    let we = Conversation::fixed();
    let bodies = we.commands();
    for command in 0..bodies.len() {
        for (other, body) in bodies.iter().enumerate() {
            assert_eq!(we.takes(command, body), command == other);
            // Not under another's name, either.
            let named = usize::from(bodies[command][0]) + 1;
            let renamed = [&bodies[command][..named], &body[usize::from(body[0]) + 1..]].concat();
            assert_eq!(we.takes(command, &renamed), command == other);
        }
    }
}

/// Both sides have one key: only the names in the nonces tell their messages apart.
#[test]
fn a_message_that_comes_back_to_its_sender_is_refused() {
    let mut messages = Conversation::fixed().messages();
    let client = seal(&mut messages.client, LAST, b"x");
    let _ = seal(&mut messages.server, LAST, b"x");
    let server = seal(&mut messages.server, LAST, b"x");
    assert_eq!(client[8..16], server[8..16], "their numbers are the same");
    let refused = Err(CurveError::Box("MESSAGE"));
    assert_eq!(open(&mut messages.from_server, &client), refused);
    assert_eq!(open(&mut messages.from_client, &server), refused);
    assert!(open(&mut messages.from_client, &client).is_ok());
    assert!(open(&mut messages.from_server, &server).is_ok());
}

#[test]
fn a_message_that_is_repeated_or_out_of_order_is_refused() {
    let mut messages = Conversation::fixed().messages();
    let mut say = || seal(&mut messages.client, LAST, b"x");
    let [first, second, third] = [say(), say(), say()];
    let opener = &mut messages.from_client;
    let refused = |received, last| Err(CurveError::Nonce { received, last });
    assert!(open(opener, &first).is_ok());
    assert_eq!(open(opener, &first), refused(3, 3));
    // One is missing: it could be in the middle of a message.
    assert_eq!(open(opener, &third), refused(5, 3));
    assert!(open(opener, &second).is_ok());
    assert_eq!(open(opener, &first), refused(3, 4));
    assert!(open(opener, &third).is_ok());
    assert_eq!(open(opener, &third), refused(5, 5));
}

/// Nothing can follow it.
#[test]
fn the_highest_number_is_the_last() {
    let we = Conversation::fixed();
    let last = we.independent(3, 2);
    let mut messages = we.messages();
    for number in [u64::MAX - 1, u64::MAX] {
        let number = number.to_be_bytes();
        let message = sealed(&last, &[b"CurveZMQMESSAGEC", &number], &[0]);
        let message = [b"\x07MESSAGE", &number[..], &message].concat();
        assert_eq!(
            open(&mut messages.from_client, &message),
            Ok((LAST, Vec::new()))
        );
        assert!(open(&mut messages.from_client, &message).is_err());
    }
    let next = seal(&mut messages.client, LAST, b"x");
    assert!(open(&mut messages.from_client, &next).is_err());

    // The same in a handshake: no message can follow, and none does harm.
    let number = u64::MAX.to_be_bytes();
    let ready = sealed(&last, &[b"CurveZMQREADY---", &number], PROPERTIES);
    let ready = Ready::decode(&[b"\x05READY", &number[..], &ready].concat()).unwrap();
    let (mut opener, _) = ready.client_messages(&we.last);
    let message = seal(&mut messages.server, LAST, b"x");
    assert!(open(&mut opener, &message).is_err());
}

#[test]
fn a_number_is_used_once_by_each_side() {
    let mut messages = Conversation::fixed().messages();
    for (sealer, first) in [(&mut messages.client, 3_u64), (&mut messages.server, 2)] {
        for number in first..first + 300 {
            let message = seal(sealer, LAST, b"");
            assert_eq!(message[8..16], number.to_be_bytes());
        }
    }
}

#[test]
fn a_bit_that_is_changed_in_a_short_term_key_is_noticed_by_the_vouch() {
    let we = Conversation::fixed();
    let mut changed = we.hello.clone();
    changed[UNUSED_BIT / 8] ^= 0x80;
    let hello = Hello::decode(&changed).unwrap();
    // The cookie remembers what has come.
    let key = CookieKey::from(we.cookie_key);
    let cookie = Cookie::seal(&hello.client, we.short_server.secret(), [1; 16], &key);
    let cookie = Welcome::seal(&we.short_server.public(), &cookie, [2; 16], &we.first)
        .open(&we.first)
        .unwrap()
        .1;
    let (short, server) = (we.short_client.public(), we.server.public());
    let vouch = Vouch::seal(&short, &server, [3; 16], &we.vouching);
    let initiate = Initiate::seal(cookie, &we.client.public(), &vouch, &metadata(), &we.last);
    let refused = we.takes_initiate(&initiate.encode());
    assert_eq!(refused, Err(CurveError::Vouch));
}

#[test]
fn a_vouch_for_another_connection_or_server_is_refused() {
    let we = Conversation::fixed();
    let other = Keypair::from(SecretKey::from([9; 32])).public();
    let (short, server) = (we.short_client.public(), we.server.public());
    for (vouched, towards) in [(other, server), (short, other), (server, short)] {
        let vouch = Vouch::seal(&vouched, &towards, [3; 16], &we.vouching);
        let refused = vouch.check(&short, &server, &we.vouching);
        assert_eq!(refused, Err(CurveError::Vouch));
    }
    // By somebody else than who is said to.
    let stranger = BoxKey::new(&we.short_server.public(), &SecretKey::from([9; 32])).unwrap();
    let vouch = Vouch::seal(&short, &server, [3; 16], &stranger);
    let refused = vouch.check(&short, &server, &we.vouching);
    assert_eq!(refused, Err(CurveError::Box("INITIATE")));
}

#[test]
fn a_cookie_of_another_connection_is_refused() {
    let we = Conversation::fixed();
    let other = CookieKey::from([6; 32]);
    let (short, secret) = (we.short_client.public(), we.short_server.secret());
    let cookie = Cookie::seal(&short, secret, [1; 16], &other);
    let opened = cookie.open(&CookieKey::from(we.cookie_key));
    assert_eq!(opened, Err(CurveError::Cookie));
    assert!(cookie.open(&other).is_ok());
}

/// With such a key of theirs, what is shared is known to everybody.
#[test]
fn keys_of_low_order_are_refused() {
    let order_8 = [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ];
    let near_p = [0xEC, 0xED, 0xEE].map(|first| {
        let mut key = [0xFF; 32];
        (key[0], key[31]) = (first, 0x7F);
        key
    });
    let small = [0, 1].map(|first| {
        let mut key = [0; 32];
        key[0] = first;
        key
    });
    let order_8 = order_8.map(|key| hex::decode(key).unwrap().try_into().unwrap());
    let secret = SecretKey::from([7; 32]);
    for mut key in [&small[..], &order_8, &near_p].concat() {
        for _ in 0..2 {
            let shared = BoxKey::new(&PublicKey::from(key), &secret);
            assert_eq!(shared.map(|_| ()), Err(CurveError::WeakKey), "{key:02x?}");
            // The highest bit does not count.
            key[31] ^= 0x80;
        }
    }
}
