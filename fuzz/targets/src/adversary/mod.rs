//! The adversary: its connections, and how it makes what it sends.

mod gossip;
mod message;

use bytes::Bytes;
use zre_core::{Limits, Link, LinkId, Role, interfaces::NetworkId};
use zre_proto::{Beacon, PeerId, RoutingId, curve::PublicKey};

use crate::{wire, world::Keys};
pub(crate) use gossip::ScriptedGossip;
pub(crate) use message::{ScriptedMessage, group};

/// Somebody who connects and is connected to, and says what a script makes it say.
#[derive(Debug)]
pub(crate) struct Adversary {
    /// Also those that are closed: a script chooses among all of them by number.
    pub(crate) connections: Vec<Connection>,
    /// Whether connections that it refused count among these. Only the corpora need one or the
    /// other.
    pub(crate) counts_refused: bool,
    /// How many messages it may still send, so that no input takes long.
    pub(crate) messages: usize,
    /// Whether it takes the connections that engines open to it.
    pub(crate) accepts: bool,
    /// Whether it reads what engines write to it.
    pub(crate) reads: bool,
    /// How many bytes it sends at once, at first.
    pub(crate) piece: usize,
    /// What it cannot know, unless the fuzzer finds it out.
    pub(crate) secret: &'static [u8],
    /// Its raw bytes contain the secret, so nothing can be expected any more.
    pub(crate) knows_secret: bool,
}

/// A connection between an engine and the adversary.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The number of the engine, and its name for the connection.
    pub(crate) engine: usize,
    pub(crate) link: LinkId,
    /// Whether the engine opened it.
    pub(crate) is_outgoing: bool,
    pub(crate) is_closed: bool,
    /// Whether the engine asked for it to be closed.
    was_told_to_close: bool,
    /// The engine's network that it goes over, if the engine looks at interfaces.
    network: Option<NetworkId>,
    /// Who the adversary claimed to be in its handshake.
    pub(crate) greeted_as: Option<PeerId>,
    /// The number of the last message sent.
    sequence: u16,
    /// All raw bytes sent.
    pub(crate) raw: Vec<u8>,
    /// Its end of a connection with keys, until it breaks.
    secured: Option<Box<Link>>,
    /// What the engine wrote before.
    heard: Vec<u8>,
}

impl Adversary {
    pub(crate) fn new(messages: usize, piece: usize, secret: &'static [u8]) -> Self {
        Self {
            connections: Vec::new(),
            counts_refused: false,
            messages,
            accepts: true,
            reads: true,
            piece,
            secret,
            knows_secret: false,
        }
    }

    /// The connection that a script's number means, if it is open.
    pub(crate) fn choose(&self, number: u8) -> Option<usize> {
        let index = usize::from(number).checked_rem(self.connections.len())?;
        (!self.connections[index].is_closed).then_some(index)
    }

    /// Its open connections with an engine.
    pub(crate) fn connections_of(&self, engine: usize) -> impl Iterator<Item = &Connection> {
        let connections = self.connections.iter();
        connections.filter(move |one| one.engine == engine && !one.is_closed)
    }

    pub(crate) fn connections_of_mut(
        &mut self,
        engine: usize,
    ) -> impl Iterator<Item = &mut Connection> {
        let connections = self.connections.iter_mut();
        connections.filter(move |one| one.engine == engine && !one.is_closed)
    }

    pub(crate) fn add(&mut self, engine: usize, link: LinkId, is_outgoing: bool, is_closed: bool) {
        self.connections.push(Connection {
            engine,
            link,
            is_outgoing,
            is_closed,
            was_told_to_close: false,
            network: None,
            greeted_as: None,
            sequence: 0,
            raw: Vec::new(),
            secured: None,
            heard: Vec::new(),
        });
    }

    /// An engine opens a connection to it; says whether it takes it.
    pub(crate) fn accepts(&mut self, engine: usize, link: LinkId) -> bool {
        if self.accepts || self.counts_refused {
            self.add(engine, link, true, !self.accepts);
        }
        self.accepts
    }

    /// The newest connection with an engine goes over this network.
    pub(crate) fn note_network(&mut self, engine: usize, link: LinkId, network: Option<NetworkId>) {
        let mut newest = self.connections.iter_mut().rev();
        let found = newest.find(|one| (one.engine, one.link) == (engine, link));
        found.expect("it has been added").network = network;
    }

    /// An engine leaves a network: gives the connections that were open there.
    pub(crate) fn leave(&mut self, engine: usize, network: NetworkId) -> Vec<LinkId> {
        let connections = self.connections.iter_mut();
        let there = connections.filter(|one| (one.engine, one.network) == (engine, Some(network)));
        there
            .filter_map(|one| (!core::mem::replace(&mut one.is_closed, true)).then_some(one.link))
            .collect()
    }

    /// An engine closes a connection with it.
    pub(crate) fn close(&mut self, engine: usize, link: LinkId) {
        let mut connections = self.connections.iter_mut().rev();
        let closed = connections.find(|one| (one.engine, one.link) == (engine, link));
        let closed = closed.expect("a connection of somebody's");
        // The adversary may have ended it meanwhile.
        closed.is_closed = true;
        closed.secured = None;
        assert!(!closed.was_told_to_close, "closed twice");
        closed.was_told_to_close = true;
    }
}

impl Connection {
    /// The bytes of a handshake as `peer`.
    pub(crate) fn greet(&mut self, peer: PeerId) -> Vec<u8> {
        self.greeted_as = Some(peer);
        wire::handshake(match self.is_outgoing {
            true => Role::Accepting,
            false => Role::Connecting(RoutingId::from(peer)),
        })
    }

    /// Begins a handshake as `peer` with the adversary's key, in place of what was.
    pub(crate) fn greet_secured(&mut self, peer: PeerId, keys: Keys) {
        self.greeted_as = Some(peer);
        let role = match self.is_outgoing {
            true => Role::Accepting,
            false => Role::Connecting(RoutingId::from(peer)),
        };
        let security = keys.of_adversary(self.engine, self.is_outgoing, [99; 32]);
        let link = Link::secured(role, &Limits::default(), security);
        self.secured = Some(Box::new(link));
        let heard = std::mem::take(&mut self.heard);
        self.hear(&heard);
    }

    /// Nothing more crosses it.
    pub(crate) fn end_security(&mut self) {
        self.secured = None;
    }

    pub(crate) fn is_secured(&self) -> bool {
        self.secured.is_some()
    }

    /// The engine has written this.
    pub(crate) fn hear(&mut self, mut bytes: &[u8]) {
        const GREETING: usize = 64;
        if self.greeted_as.is_none() && self.heard.len() < GREETING {
            self.heard.extend_from_slice(bytes);
        }
        while let Some(link) = &mut self.secured
            && !bytes.is_empty()
        {
            wire::read(link, &mut bytes, usize::MAX);
            while let Some(event) = link.next_event().transpose() {
                if event.is_err() {
                    self.secured = None;
                    return;
                }
            }
        }
    }

    /// Seals a message, which goes out behind the handshake.
    pub(crate) fn seal(&mut self, message: Vec<u8>) {
        // What is no message cannot be sealed.
        if let Some(frames) = wire::take_frames(&mut message.into())
            && let Some(link) = &mut self.secured
        {
            link.send(&frames.first, &frames.rest);
        }
    }

    /// What it has to say by now.
    pub(crate) fn take_sealed(&mut self) -> Bytes {
        let link = self.secured.as_mut();
        link.map(|link| wire::take_outbox(link)).unwrap_or_default()
    }

    /// The sequence number of the next message, or one that is `skew` further.
    pub(crate) fn next_sequence(&mut self, skew: u8) -> u16 {
        self.sequence = self.sequence.wrapping_add(1).wrapping_add(skew.into());
        self.sequence
    }
}

/// The bytes of a beacon; without a port it says that the peer goes.
pub(crate) fn beacon(peer: PeerId, port: u16, public_key: Option<PublicKey>) -> Vec<u8> {
    let beacon = Beacon {
        peer,
        port: core::num::NonZeroU16::new(port),
        public_key,
    };
    beacon.encode().to_vec()
}
