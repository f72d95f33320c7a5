//! What a client has to do, told by one that knows the keys of both sides.

use zre_core::LinkEvent;
use zre_proto::{
    PeerId, RoutingId,
    zmtp::{Greeting, Mechanism},
};

use super::super::{
    boxes::{self, Key, Owner},
    commands::{self, FROM_CLIENT, FROM_SERVER},
    frames::{Frames, Wrong},
    messages::{COMMAND, Direction, Expected, Incoming, Outgoing},
};

#[derive(Debug, Default)]
pub(super) struct Reference {
    /// What the server has said, and what the client has answered.
    input: Frames,
    output: Frames,
    phase: Phase,
    knows_client: bool,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Greeting,
    Welcome {
        /// C'.
        client: Key,
    },
    Ready {
        client: Key,
        /// That of C' and S', if the fuzzer has the secret key of one of them.
        key: Option<Key>,
    },
    Open(Box<(Incoming, Outgoing)>),
    Wrong,
}

impl Reference {
    /// C', once it is known.
    pub(super) fn client_short(&self) -> Key {
        match &self.phase {
            Phase::Welcome { client } | Phase::Ready { client, .. } => *client,
            _ => [7; 32],
        }
    }

    /// Whether the client has said who it is.
    pub(super) fn knows_client(&self) -> bool {
        self.knows_client
    }

    /// With what the server seals its messages, and its last number.
    pub(super) fn messages(&self) -> (Key, u64) {
        match &self.phase {
            Phase::Open(open) => (open.0.direction.key, open.0.direction.last),
            _ => ([7; 32], 1),
        }
    }

    /// The client has read this, and written that.
    pub(super) fn read(&mut self, input: &[u8], output: &[u8]) -> Expected {
        self.input.add(input);
        self.output.add(output);
        let mut events = Vec::new();
        if self.follow(&mut events).is_err() {
            self.phase = Phase::Wrong;
        }
        assert!(self.output.is_empty(), "it says nothing else");
        let wrong = matches!(self.phase, Phase::Wrong);
        Expected { events, wrong }
    }

    fn follow(&mut self, events: &mut Vec<LinkEvent>) -> Result<(), Wrong> {
        loop {
            let next = match &mut self.phase {
                Phase::Greeting => self.greeting()?,
                Phase::Welcome { client } => {
                    let client = *client;
                    self.welcome(client)?
                }
                Phase::Ready { key, .. } => {
                    let key = *key;
                    self.ready(key, events)?
                }
                Phase::Open(open) => {
                    let (incoming, outgoing) = &mut **open;
                    let read = incoming.read(&mut self.input, events);
                    outgoing.answers(&mut self.output, &mut incoming.pings);
                    return read;
                }
                Phase::Wrong => return Err(Wrong),
            };
            match next {
                Some(phase) => self.phase = phase,
                None => return Ok(()),
            }
        }
    }

    fn greeting(&mut self) -> Result<Option<Phase>, Wrong> {
        if let Ok(Some(ours)) = self.output.greeting() {
            assert_eq!(ours, Greeting::new(Mechanism::CURVE, false));
        }
        match self.input.greeting()? {
            Some(greeting) if greeting.mechanism == Mechanism::CURVE => Ok(Some(self.take_hello())),
            Some(_) => Err(Wrong),
            None => Ok(None),
        }
    }

    fn take_hello(&mut self) -> Phase {
        let hello = self.output.command().expect("a greeting is answered");
        let server = Owner::Server.secret();
        let client = commands::open_hello(&hello, |client| boxes::shared(client, &server));
        let client = client.expect("it is for this server");
        Phase::Welcome { client }
    }

    fn command(&mut self) -> Result<Option<Vec<u8>>, Wrong> {
        let frame = self
            .input
            .take(|header| header.command && header.size <= COMMAND)?;
        Ok(frame.map(|(_, body)| body))
    }

    fn welcome(&mut self, client: Key) -> Result<Option<Phase>, Wrong> {
        let Some(body) = self.command()? else {
            return Ok(None);
        };
        let long_term = boxes::shared(&client, &Owner::Server.secret()).ok_or(Wrong)?;
        let (server, cookie) = commands::open_welcome(&body, &long_term).ok_or(Wrong)?;
        // A short-term key of low order protects nothing.
        boxes::shared(&server, &Owner::Friend.secret()).ok_or(Wrong)?;
        let initiate = self.output.command().expect("a right WELCOME is answered");
        self.knows_client = true;
        let secret = Owner::known(&server).map(Owner::secret);
        let key = secret.map(|secret| {
            check_initiate(&initiate, &client, &secret, &cookie);
            boxes::shared(&client, &secret).unwrap()
        });
        Ok(Some(Phase::Ready { client, key }))
    }

    fn ready(
        &mut self,
        key: Option<Key>,
        events: &mut Vec<LinkEvent>,
    ) -> Result<Option<Phase>, Wrong> {
        let Some(body) = self.command()? else {
            return Ok(None);
        };
        // Nobody seals with a secret key that nobody has.
        let key = key.ok_or(Wrong)?;
        let (last, metadata) = commands::open_ready(&body, &key).ok_or(Wrong)?;
        let (socket_type, peer) = commands::read_metadata(&metadata).ok_or(Wrong)?;
        if socket_type != b"ROUTER" {
            return Err(Wrong);
        }
        let key_of_server = Some(super::server_key());
        events.push(LinkEvent::Open {
            peer,
            key: key_of_server.map(Box::new),
        });
        let direction = |prefix, last| Direction { key, prefix, last };
        let incoming = Incoming::new(direction(FROM_SERVER, last), None);
        // INITIATE had the second number.
        let outgoing = Outgoing {
            direction: direction(FROM_CLIENT, 2),
        };
        Ok(Some(Phase::Open(Box::new((incoming, outgoing)))))
    }
}

/// What the client says of itself: its key, and that it is the one of this connection.
fn check_initiate(body: &[u8], client: &Key, server_secret: &Key, cookie: &[u8]) {
    let key = boxes::shared(client, server_secret).unwrap();
    let opened = commands::open_initiate(body, &key).expect("it is for this server");
    assert_eq!(opened.cookie, cookie);
    assert_eq!(opened.number, 2);
    let own = Owner::Friend.public(&[0; 32]);
    assert_eq!(opened.long_term, own);
    let vouch_key = boxes::shared(&own, server_secret).unwrap();
    let server = Owner::Server.public(&[0; 32]);
    assert!(opened.vouches_for(client, &server, &vouch_key));
    let id = RoutingId::from(PeerId::from([7; 16]));
    let expected = Some((b"DEALER".to_vec(), Some(id)));
    assert_eq!(commands::read_metadata(&opened.metadata), expected);
}
