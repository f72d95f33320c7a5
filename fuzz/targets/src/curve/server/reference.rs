//! What a server has to do, told by one that knows the keys of both sides.

use zre_core::LinkEvent;
use zre_proto::{
    curve::PublicKey,
    zmtp::{Command, Greeting, Mechanism},
};

use super::super::{
    boxes::{self, Key, Owner},
    commands::{self, FROM_CLIENT, FROM_SERVER},
    frames::{Frames, Wrong},
    messages::{Allowed, COMMAND, Direction, Expected, Incoming, Outgoing},
};

#[derive(Debug)]
pub(super) struct Reference {
    trusts_anybody: bool,
    /// What the client has said, and what the server has answered.
    input: Frames,
    output: Frames,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Greeting,
    Hello,
    Initiate(Welcomed),
    Open(Box<(Incoming, Outgoing)>),
    Refused,
    Wrong,
}

#[derive(Debug, Clone)]
struct Welcomed {
    /// C'.
    client: Key,
    /// Its owner, unless it is only a number.
    owner: Option<Owner>,
    /// S'.
    server: Key,
    cookie: Vec<u8>,
}

impl Reference {
    pub(super) fn new(trusts_anybody: bool) -> Self {
        Self {
            trusts_anybody,
            input: Frames::default(),
            output: Frames::default(),
            phase: Phase::Greeting,
        }
    }

    /// The cookie of this connection, if there is one yet.
    pub(super) fn cookie(&self) -> Vec<u8> {
        match &self.phase {
            Phase::Initiate(welcomed) => welcomed.cookie.clone(),
            _ => vec![1; commands::COOKIE],
        }
    }

    pub(super) fn server_short(&self) -> Key {
        match &self.phase {
            Phase::Initiate(welcomed) => welcomed.server,
            _ => [7; 32],
        }
    }

    /// With what the client seals its messages, and its last number.
    pub(super) fn messages(&self) -> (Key, u64) {
        match &self.phase {
            Phase::Open(open) => (open.0.direction.key, open.0.direction.last),
            _ => ([7; 32], 2),
        }
    }

    /// The server has read this, and written that.
    pub(super) fn read(&mut self, input: &[u8], output: &[u8]) -> Expected {
        self.input.add(input);
        self.output.add(output);
        let mut events = Vec::new();
        if self.follow(&mut events).is_err() {
            self.phase = Phase::Wrong;
        }
        assert!(self.output.is_empty(), "nothing else is answered");
        let wrong = matches!(self.phase, Phase::Wrong);
        Expected { events, wrong }
    }

    fn follow(&mut self, events: &mut Vec<LinkEvent>) -> Result<(), Wrong> {
        loop {
            let next = match &mut self.phase {
                Phase::Greeting => self.greeting()?,
                Phase::Hello => self.hello()?,
                Phase::Initiate(welcomed) => {
                    let welcomed = welcomed.clone();
                    self.initiate(&welcomed, events)?
                }
                Phase::Open(open) => {
                    let (incoming, outgoing) = &mut **open;
                    let read = incoming.read(&mut self.input, events);
                    outgoing.answers(&mut self.output, &mut incoming.pings);
                    return read;
                }
                Phase::Refused => return Ok(()),
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
            Some(greeting) if greeting.mechanism == Mechanism::CURVE => Ok(Some(Phase::Hello)),
            Some(_) => Err(Wrong),
            None => Ok(None),
        }
    }

    fn command(&mut self) -> Result<Option<Vec<u8>>, Wrong> {
        let frame = self
            .input
            .take(|header| header.command && header.size <= COMMAND)?;
        Ok(frame.map(|(_, body)| body))
    }

    fn hello(&mut self) -> Result<Option<Phase>, Wrong> {
        let Some(body) = self.command()? else {
            return Ok(None);
        };
        let own = Owner::Server.secret();
        let client = commands::open_hello(&body, |client| boxes::shared(client, &own));
        let client = client.ok_or(Wrong)?;
        let welcome = self.output.command().expect("a right HELLO is answered");
        let key = boxes::shared(&client, &own).unwrap();
        let opened = commands::open_welcome(&welcome, &key);
        let (server, cookie) = opened.expect("it is for this client");
        Ok(Some(Phase::Initiate(Welcomed {
            client,
            owner: Owner::known(&client),
            server,
            cookie,
        })))
    }

    fn initiate(
        &mut self,
        welcomed: &Welcomed,
        events: &mut Vec<LinkEvent>,
    ) -> Result<Option<Phase>, Wrong> {
        let Some(body) = self.command()? else {
            return Ok(None);
        };
        let server = &welcomed.server;
        // Nobody seals with a secret key that nobody has.
        let client_secret = welcomed.owner.ok_or(Wrong)?.secret();
        let key = boxes::shared(server, &client_secret).expect("no weak key");
        let opened = commands::open_initiate(&body, &key).ok_or(Wrong)?;
        let long_term = Owner::known(&opened.long_term).ok_or(Wrong)?;
        let vouch_key = boxes::shared(server, &long_term.secret()).ok_or(Wrong)?;
        let own = Owner::Server.public(&[0; 32]);
        if opened.cookie != welcomed.cookie
            || !opened.vouches_for(&welcomed.client, &own, &vouch_key)
        {
            return Err(Wrong);
        }
        let metadata = commands::read_metadata(&opened.metadata).ok_or(Wrong)?;
        let (socket_type, identity) = metadata;
        let is_dealer = socket_type == b"DEALER";
        let public = PublicKey::from(opened.long_term);
        if !self.trusts_anybody && !matches!(long_term, Owner::Server | Owner::Friend) {
            self.is_told_so();
            let peer = identity.filter(|_| is_dealer);
            events.push(LinkEvent::Refused {
                peer,
                key: public.into(),
            });
            return Ok(Some(Phase::Refused));
        }
        self.is_ready(&key);
        let peer = Some(identity.filter(|_| is_dealer).ok_or(Wrong)?);
        let key_of_client = Some(public);
        events.push(LinkEvent::Open {
            peer,
            key: key_of_client.map(Box::new),
        });
        Ok(Some(open(key, opened.number)))
    }

    fn is_told_so(&mut self) {
        let error = self.output.command().expect("it is told");
        let reason = "400".try_into().unwrap();
        assert_eq!(Command::decode(&error), Ok(Command::Error { reason }));
    }

    fn is_ready(&mut self, key: &Key) {
        let ready = self.output.command().expect("a right INITIATE is answered");
        let (number, metadata) = commands::open_ready(&ready, key).expect("it is for this client");
        assert_eq!(number, 1);
        let (socket_type, _) = commands::read_metadata(&metadata).unwrap();
        assert_eq!(socket_type, b"ROUTER");
    }
}

fn open(key: Key, last: u64) -> Phase {
    let from_client = Direction {
        key,
        prefix: FROM_CLIENT,
        last,
    };
    let from_server = Direction {
        key,
        prefix: FROM_SERVER,
        last: 1,
    };
    let incoming = Incoming::new(from_client, Some(Allowed::ZRE));
    let outgoing = Outgoing {
        direction: from_server,
    };
    Phase::Open(Box::new((incoming, outgoing)))
}
