//! A connection whose handshake is over.

use bytes::Bytes;
use zre_core::{GossipEnd, Link, LinkEvent, LinkSecurity, Role, Seed};
use zre_proto::{
    PeerId,
    zmtp::{Greeting, Mechanism},
};

use super::super::{
    boxes::{self, Key, Owner},
    client, commands,
    commands::{FROM_CLIENT, FROM_SERVER},
    frames::{self, Frames},
    messages::{Allowed, Direction, Incoming, Outgoing},
    server,
    tested::{self, Tested},
};

/// Which side is tested.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Accepting,
    Connecting,
    Hub,
    GossipClient,
}

impl Side {
    pub(super) fn new(number: u8) -> Self {
        match number % 4 {
            0 => Self::Accepting,
            1 => Self::Connecting,
            2 => Self::Hub,
            _ => Self::GossipClient,
        }
    }

    fn role(self) -> Role {
        match self {
            Self::Accepting => Role::Accepting,
            Self::Connecting => Role::Connecting(PeerId::from([7; 16]).into()),
            Self::Hub => Role::Gossiping(GossipEnd::Hub),
            Self::GossipClient => Role::Gossiping(GossipEnd::Client),
        }
    }

    fn is_server(self) -> bool {
        matches!(self, Self::Accepting | Self::Hub)
    }

    fn security(self) -> LinkSecurity {
        let seed = Seed::predictable([1; 32]);
        match self.is_server() {
            true => LinkSecurity::Server {
                own: server::keypair(Owner::Server),
                trust: server::trust(false).into(),
                seed,
            },
            false => LinkSecurity::Client {
                own: server::keypair(Owner::Friend),
                server: Owner::Server.public(&[0; 32]).into(),
                seed,
            },
        }
    }

    fn allowed(self) -> Option<Allowed> {
        match self {
            Self::Accepting => Some(Allowed::ZRE),
            Self::Connecting => None,
            Self::Hub | Self::GossipClient => Some(Allowed::GOSSIP),
        }
    }
}

/// The link, what it reads, and what it writes.
pub(super) fn connection(side: Side) -> (Tested, Incoming, Outgoing) {
    let link = Link::secured(side.role(), &tested::limits(), side.security());
    let mut handshake = Handshake {
        tested: Tested::new(link),
        output: Frames::default(),
        events: Vec::new(),
    };
    let greeting = Greeting::new(Mechanism::CURVE, false).encode();
    handshake.say(&greeting);
    handshake.output.greeting().unwrap();
    let key = match side.is_server() {
        true => handshake.as_client(),
        false => handshake.as_server(),
    };
    assert!(matches!(handshake.events[..], [LinkEvent::Open { .. }]));
    let server = Direction {
        key,
        prefix: FROM_SERVER,
        last: 1,
    };
    let client = Direction {
        key,
        prefix: FROM_CLIENT,
        last: 2,
    };
    let (theirs, ours) = match side.is_server() {
        true => (client, server),
        false => (server, client),
    };
    let incoming = Incoming::new(theirs, side.allowed());
    (handshake.tested, incoming, Outgoing { direction: ours })
}

struct Handshake {
    tested: Tested,
    output: Frames,
    events: Vec<LinkEvent>,
}

impl Handshake {
    fn as_client(&mut self) -> Key {
        self.say_command(&server::honest_hello());
        let short = Owner::ShortTerm.secret();
        let key = boxes::shared(&Owner::Server.public(&[0; 32]), &short).unwrap();
        let welcome = self.output.command().unwrap();
        let (server_short, cookie) = commands::open_welcome(&welcome, &key).unwrap();
        let initiate = server::honest_initiate(Owner::Friend, &cookie, &server_short);
        self.say_command(&initiate);
        self.output.command().unwrap();
        boxes::shared(&server_short, &short).unwrap()
    }

    fn as_server(&mut self) -> Key {
        let hello = self.output.command().unwrap();
        let own = Owner::Server.secret();
        let client = commands::open_hello(&hello, |client| boxes::shared(client, &own)).unwrap();
        self.say_command(&client::honest_welcome(&client, true));
        self.output.command().unwrap();
        self.say_command(&client::honest_ready(&client));
        boxes::shared(&client, &Owner::ShortTerm.secret()).unwrap()
    }

    fn say_command(&mut self, body: &[u8]) {
        let mut frame = Vec::new();
        frames::put(&mut frame, true, false, body);
        self.say(&Bytes::from(frame));
    }

    fn say(&mut self, bytes: &[u8]) {
        let heard = self.tested.read(bytes);
        assert!(!heard.failed);
        self.events.extend(heard.events);
        self.output.add(&heard.output);
    }
}
