//! Connections with CURVE, and somebody between their ends or at one of them.

mod messages;

use core::ops::Range;

use zre_proto::curve::{CurveError, Keypair};

use super::{
    curve::{client, keypair, open_pair, server, trusting},
    *,
};
use crate::Trust;

const WHOLE: Split = Split::Pieces(usize::MAX);
const GREETING: usize = Greeting::LEN;
/// Where the padding of HELLO stands behind the head of its frame, and the highest bit of the key
/// behind it, which X25519 does not use.
const PADDING: Range<usize> = 2 + 8..2 + 80;
const UNUSED_BIT: usize = (2 + 80) * 8 + 255;

/// What the ends say in turn behind their greetings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Hello,
    Welcome,
    Initiate,
    Ready,
}

impl Said {
    const COMMANDS: [Self; 4] = [Self::Hello, Self::Welcome, Self::Initiate, Self::Ready];

    fn by_client(self) -> bool {
        matches!(self, Self::Hello | Self::Initiate)
    }
}

/// A conversation in which somebody may change what is said.
struct Wire {
    client: Link,
    server: Link,
}

impl Wire {
    fn new() -> Self {
        Self {
            client: client(1, keypair(2).public()),
            server: server(2, trusting(&[1])),
        }
    }

    /// Up to the command, which is not delivered.
    fn until(mut self, said: Said) -> (Self, Vec<u8>) {
        let [client, server] = [written(&mut self.client), written(&mut self.server)];
        feed(&mut self.server, &client).unwrap();
        feed(&mut self.client, &server).unwrap();
        for next in Said::COMMANDS {
            let bytes = self.says(next);
            if next == said {
                return (self, bytes);
            }
            self.hears(next, &bytes).unwrap();
        }
        unreachable!("a command")
    }

    fn says(&mut self, said: Said) -> Vec<u8> {
        match said.by_client() {
            true => written(&mut self.client),
            false => written(&mut self.server),
        }
    }

    fn hears(&mut self, said: Said, bytes: &[u8]) -> Result<Vec<LinkEvent>, LinkError> {
        feed(self.hearer(said), bytes)
    }

    fn hearer(&mut self, said: Said) -> &mut Link {
        match said.by_client() {
            true => &mut self.server,
            false => &mut self.client,
        }
    }

    /// Carries the rest; whether both ends are open then.
    fn goes_on(&mut self) -> bool {
        for _ in 0..3 {
            let _ = carry(&mut self.client, &mut self.server, WHOLE);
            let _ = carry(&mut self.server, &mut self.client, WHOLE);
        }
        self.client.is_open() && self.server.is_open()
    }
}

/// An end with this role before its handshake, whose greeting has been taken.
fn ends() -> [Link; 2] {
    [client(1, keypair(2).public()), server(2, Trust::Any)].map(|mut link| {
        written(&mut link);
        link
    })
}

fn key_of(number: u8) -> Option<PublicKey> {
    Some(keypair(number).public())
}

#[test]
fn whatever_bit_of_a_handshake_is_changed_nobody_is_taken_for_another() {
    for said in Said::COMMANDS {
        let (_, bytes) = Wire::new().until(said);
        for bit in 0..bytes.len() * 8 {
            let (mut wire, mut bytes) = Wire::new().until(said);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let events = wire.hears(said, &bytes).unwrap_or_default();
            assert!(events.is_empty(), "{said:?}, bit {bit}: {events:?}");
            assert!(!wire.hearer(said).is_open(), "{said:?}, bit {bit}");
            let may_go_on = said == Said::Hello && PADDING.contains(&(bit / 8));
            assert_eq!(wire.goes_on(), may_go_on, "{said:?}, bit {bit}");
        }
    }
}

#[test]
fn the_bit_that_no_key_uses_is_noticed_later() {
    let (mut wire, mut bytes) = Wire::new().until(Said::Hello);
    bytes[UNUSED_BIT / 8] ^= 0x80;
    wire.hears(Said::Hello, &bytes).unwrap();
    carry(&mut wire.server, &mut wire.client, WHOLE).unwrap();
    let refused = carry(&mut wire.client, &mut wire.server, WHOLE);
    assert_eq!(refused, Err(CurveError::Vouch.into()));
}

#[test]
fn whatever_bit_of_a_greeting_is_changed_nothing_is_said_in_the_open() {
    for bit in 0..GREETING * 8 {
        for end in [0, 1] {
            let mut wire = Wire::new();
            let mut greetings = [written(&mut wire.client), written(&mut wire.server)];
            greetings[end][bit / 8] ^= 1 << (bit % 8);
            let heard = feed(&mut wire.server, &greetings[0]);
            let answered = feed(&mut wire.client, &greetings[1]);
            for events in [heard, answered].into_iter().flatten() {
                assert_eq!(events, []);
            }
            // Such as the signature's filler.
            if wire.goes_on() {
                assert!(wire.client.cipher.is_some() && wire.server.cipher.is_some());
            }
        }
    }
}

#[test]
fn a_handshake_that_is_cut_short_opens_nothing() {
    for said in Said::COMMANDS {
        let (_, bytes) = Wire::new().until(said);
        for length in 0..bytes.len() {
            let (mut wire, bytes) = Wire::new().until(said);
            assert_eq!(wire.hears(said, &bytes[..length]), Ok(vec![]));
            assert!(!wire.hearer(said).is_open());
            // The frame may also say that it is shorter.
            let (mut wire, _) = Wire::new().until(said);
            let body = &bytes[if bytes[0] & LONG == 0 { 2 } else { 9 }..];
            let Some(body) = body.get(..length) else {
                continue;
            };
            if body.len() < bytes.len() - 9 {
                let refused = wire.hears(said, &frame(COMMAND, body));
                assert!(refused.is_err(), "{said:?}, {length}: {refused:?}");
            }
        }
    }
}

#[test]
fn commands_that_come_out_of_turn_are_refused() {
    let bodies = Said::COMMANDS.map(|said| Wire::new().until(said).1);
    for said in Said::COMMANDS {
        for (other, body) in Said::COMMANDS.into_iter().zip(&bodies) {
            if said == other {
                continue;
            }
            let (mut wire, _) = Wire::new().until(said);
            let refused = wire.hears(said, body);
            assert!(
                matches!(refused, Err(LinkError::Curve(CurveError::Name(_)))),
                "{other:?} in place of {said:?}: {refused:?}"
            );
            assert!(!wire.goes_on());
        }
    }
}

#[test]
fn a_command_that_is_repeated_is_refused() {
    for said in Said::COMMANDS {
        let (mut wire, bytes) = Wire::new().until(said);
        wire.hears(said, &bytes).unwrap();
        let refused = wire.hears(said, &bytes);
        assert!(
            matches!(refused, Err(LinkError::Curve(CurveError::Name(_)))),
            "{said:?}: {refused:?}"
        );
    }
}

/// With other keys each time, as no seed is used twice.
fn other_server() -> Link {
    let security = LinkSecurity::Server {
        own: keypair(2),
        trust: trusting(&[1]).into(),
        seed: crate::Seed::predictable([99; 32]),
    };
    Link::secured(Role::Accepting, &Limits::default(), security)
}

fn other_client() -> Link {
    let security = LinkSecurity::Client {
        own: keypair(1),
        server: keypair(2).public(),
        seed: crate::Seed::predictable([98; 32]),
    };
    Link::secured(Role::Connecting(id()), &Limits::default(), security)
}

/// Everything that both ends have said, up to a message each.
fn recording() -> [Vec<u8>; 2] {
    let mut wire = Wire::new();
    let mut said = [Vec::new(), Vec::new()];
    wire.client.send(b"of the client", &Content::default());
    wire.server.send(b"of the server", &Content::default());
    for _ in 0..5 {
        let [client, server] = [written(&mut wire.client), written(&mut wire.server)];
        feed(&mut wire.server, &client).unwrap();
        if feed(&mut wire.client, &server).is_err() {
            // A DEALER of ours takes no messages.
            assert!(wire.client.is_open());
        }
        said[0].extend(client);
        said[1].extend(server);
    }
    said
}

#[test]
fn a_recorded_session_that_is_played_again_opens_nothing() {
    let [by_client, by_server] = recording();
    let mut server = other_server();
    let refused = feed(&mut server, &by_client);
    assert_eq!(refused, Err(CurveError::Cookie.into()));
    let mut client = other_client();
    let refused = feed(&mut client, &by_server);
    assert_eq!(refused, Err(CurveError::Box("WELCOME").into()));
    assert!(!server.is_open() && !client.is_open());
}

#[test]
fn a_cookie_of_another_connection_to_the_same_server_is_refused() {
    let (_, initiate) = Wire::new().until(Said::Initiate);
    let mut other = Wire::new();
    other.server = other_server();
    let (mut other, _) = other.until(Said::Initiate);
    let refused = other.hears(Said::Initiate, &initiate);
    assert_eq!(refused, Err(CurveError::Cookie.into()));
}

#[test]
fn whoever_has_only_the_public_key_of_a_server_or_a_client_gets_nowhere() {
    // A server that says it is the one that the client expects.
    let mut client = client(1, keypair(2).public());
    let mut impostor = server(3, Trust::Any);
    carry(&mut impostor, &mut client, WHOLE).unwrap();
    let refused = carry(&mut client, &mut impostor, WHOLE);
    assert_eq!(refused, Err(CurveError::Box("HELLO").into()));
    // A client that has another secret key than the public key that it names.
    let (mut wire, _) = Wire::new().until(Said::Hello);
    wire.client = Link::secured(
        Role::Connecting(id()),
        &Limits::default(),
        LinkSecurity::Client {
            own: keypair(3),
            server: keypair(2).public(),
            seed: crate::Seed::predictable([3; 32]),
        },
    );
    let server = wire.says(Said::Welcome);
    feed(&mut wire.client, &server).unwrap();
    assert!(!wire.goes_on());
}

#[test]
fn messages_before_the_end_of_the_handshake_are_refused() {
    let sealed = {
        let (mut client, _) = open_pair();
        client.send(b"x", &Content::default());
        written(&mut client)
    };
    for said in Said::COMMANDS {
        for bytes in [
            sealed.clone(),
            frame(0, b"x"),
            frame(MORE, b""),
            frame(COMMAND, &sealed[2..]),
            ready("DEALER", &IDENTITY),
            ready("ROUTER", b""),
            frame(COMMAND, b"\x04PING\0\0"),
            frame(COMMAND, b"\x04PONG"),
            frame(COMMAND, b""),
            frame(COMMAND, b"\x09SUBSCRIBE"),
        ] {
            let (mut wire, _) = Wire::new().until(said);
            let refused = wire.hears(said, &bytes);
            assert!(refused.is_err(), "{bytes:x?} in place of {said:?}");
            assert!(!wire.goes_on() && !wire.hearer(said).is_open());
        }
    }
}

#[test]
fn a_mechanism_that_is_not_curve_is_refused_by_both_ends() {
    for mechanism in [&b"NULL"[..], b"PLAIN", b"", b"CURVX", b"CURVE2", b"curve"] {
        for mut link in ends() {
            let refused = feed(&mut link, &greeting(3, 1, mechanism));
            assert!(
                matches!(
                    refused,
                    Err(LinkError::Mechanism { .. } | LinkError::Greeting(GreetingError::Mechanism))
                ),
                "{refused:?}"
            );
            assert!(written(&mut link).is_empty(), "nothing more is said");
        }
    }
    let (dealer, router) = pair();
    for mut link in [dealer, router] {
        written(&mut link);
        let refused = feed(&mut link, &greeting(3, 1, b"CURVE"));
        assert!(matches!(refused, Err(LinkError::Mechanism { .. })));
        assert!(written(&mut link).is_empty());
    }
}

/// Both ends of a connection say whose turn it is by their roles, not by what they greet with.
#[test]
fn two_ends_with_the_same_role_do_not_meet() {
    let mut clients = [
        client(1, keypair(2).public()),
        client(2, keypair(1).public()),
    ];
    let greetings = clients.each_mut().map(written);
    feed(&mut clients[0], &greetings[1]).unwrap();
    feed(&mut clients[1], &greetings[0]).unwrap();
    let hellos = clients.each_mut().map(written);
    for (link, hello) in clients.iter_mut().zip(hellos.iter().rev()) {
        let refused = feed(link, hello);
        assert_eq!(refused, Err(CurveError::Name("WELCOME").into()));
    }
    let mut servers = [server(1, Trust::Any), server(2, Trust::Any)];
    let greetings = servers.each_mut().map(written);
    feed(&mut servers[0], &greetings[1]).unwrap();
    feed(&mut servers[1], &greetings[0]).unwrap();
    assert_eq!(
        servers.map(|mut it| written(&mut it)),
        [Vec::new(), Vec::<u8>::new()]
    );
}

#[test]
fn commands_larger_than_any_are_refused_before_memory_is_reserved() {
    for said in Said::COMMANDS {
        for size in [8193, 1 << 30, (1 << 63) - 1] {
            let (mut wire, _) = Wire::new().until(said);
            let mut head = vec![LONG | COMMAND];
            head.put_u64(size);
            let refused = wire.hears(said, &head);
            let expected = LinkError::CommandTooLarge { size, limit: 8192 };
            assert_eq!(refused, Err(expected));
        }
        // The largest that is allowed is read, and is not what belongs here.
        let (mut wire, _) = Wire::new().until(said);
        let refused = wire.hears(said, &frame(COMMAND, &[7; 8192]));
        assert!(matches!(
            refused,
            Err(LinkError::Curve(CurveError::Name(_)))
        ));
        let mut named = vec![
            b"\x05HELLO\x01\0".as_slice(),
            b"\x07WELCOME",
            b"\x08INITIATE",
            b"\x05READY",
        ];
        for name in named.drain(..) {
            let (mut wire, _) = Wire::new().until(said);
            let body = [name, &vec![0; 8192 - name.len()]].concat();
            let refused = wire.hears(said, &frame(COMMAND, &body));
            assert!(matches!(refused, Err(LinkError::Curve(_))), "{refused:?}");
        }
    }
}

#[test]
fn an_error_of_any_length_is_told_in_the_words_of_the_other_side() {
    for reason in ["", "400", &"x".repeat(255)] {
        let text = ShortText::try_from(reason.to_string()).unwrap();
        let bytes = frame(COMMAND, &Command::Error { reason: text }.encode());
        for said in Said::COMMANDS {
            let (mut wire, _) = Wire::new().until(said);
            let expected = match said {
                // WELCOME has shown that the server has its key.
                Said::Ready => LinkError::RefusedKey(reason.to_string()),
                _ => LinkError::Refused(reason.to_string()),
            };
            assert_eq!(wire.hears(said, &bytes), Err(expected));
        }
        // Behind the handshake it would have to be sealed.
        let (mut client, _) = open_pair();
        assert!(matches!(
            feed(&mut client, &bytes),
            Err(LinkError::Curve(_))
        ));
    }
    for cut in [&b"\x05ERROR"[..], b"\x05ERROR\x05400"] {
        let (mut wire, _) = Wire::new().until(Said::Ready);
        let refused = wire.hears(Said::Ready, &frame(COMMAND, cut));
        assert!(matches!(
            refused,
            Err(LinkError::Curve(CurveError::Name(_)))
        ));
    }
}

/// Whoever floods with connections that stop after WELCOME holds no more than this for each.
#[test]
fn a_connection_that_stops_behind_welcome_holds_little() {
    let (mut wire, _) = Wire::new().until(Said::Initiate);
    assert_eq!(wire.server.queued(), 0);
    wire.server.return_memory(&mut LinkMemory::default());
    let held = Connection::unfinished(&wire.server);
    assert!(held < 1024, "{held} bytes");
    // The handshake itself, which is not counted there.
    let handshake = size_of::<Handshake>() + size_of::<super::super::curve::CurveHandshake>();
    assert!(handshake < 512, "{handshake} bytes");
}

#[test]
fn a_client_that_is_refused_makes_the_server_hold_and_say_nothing_more() {
    let mut server = server(2, trusting(&[9]));
    let mut client = client(1, keypair(2).public());
    let mut refused = Vec::new();
    for _ in 0..4 {
        refused.extend(carry(&mut client, &mut server, WHOLE).unwrap());
        if refused.is_empty() {
            carry(&mut server, &mut client, WHOLE).unwrap();
        }
    }
    assert!(matches!(&refused[..], [LinkEvent::Refused { key, .. }] if Some(**key) == key_of(1)));
    written(&mut server);
    for _ in 0..100 {
        assert_eq!(feed(&mut server, &[7; 10_000]), Ok(vec![]));
    }
    assert_eq!((server.queued(), Connection::unread(&server)), (0, 0));
}

/// What a link, or an error of one, shows of itself has no byte of a secret key.
#[test]
fn neither_links_nor_errors_show_keys() {
    let secrets: Vec<Keypair> = [1, 2].map(keypair).into();
    for said in Said::COMMANDS {
        let (wire, _) = Wire::new().until(said);
        let shown = alloc::format!("{:?} {:?}", wire.client, wire.server);
        for secret in &secrets {
            assert!(!shown.contains(&**secret.secret().to_z85()));
        }
        for byte in ["1, 1, 1, 1", "2, 2, 2, 2", "01010101", "02020202"] {
            assert!(!shown.contains(byte), "{shown}");
        }
    }
}
