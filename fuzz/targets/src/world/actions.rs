//! What the adversary can do to engines.

use std::net::SocketAddr;

use zre_proto::Endpoint;

use super::{Keys, READ, World};
use crate::adversary::{self, ScriptedGossip, ScriptedMessage};

impl World {
    /// It sends a datagram, from any address.
    pub(crate) fn datagram(&mut self, engine: usize, from: SocketAddr, datagram: &[u8]) {
        let tested = &mut self.engines[engine];
        if tested.hears_beacons() {
            tested.engine.handle_datagram(from, datagram, self.now);
        }
    }

    /// It sends a beacon of anybody's. The lowest bit of `flags` makes it a goodbye, the next one
    /// gives it a public key, and the next two say which.
    pub(crate) fn beacon(&mut self, engine: usize, from: u8, id: u8, flags: u8) {
        let from = (self.numbers.address)(from);
        let port = if flags & 1 == 1 { 0 } else { from.port() };
        let key = match self.keys {
            Some(keys) => keys.of_beacon(flags),
            None => [9; 32].into(),
        };
        let key = (flags & 2 == 2).then_some(key);
        let beacon = adversary::beacon((self.numbers.id)(id), port, key);
        self.datagram(engine, from, &beacon);
    }

    /// A datagram that an engine sent earlier comes again.
    pub(crate) fn repeat(&mut self, engine: usize, which: u8) {
        let which = usize::from(which).checked_rem(self.datagrams.len());
        if let Some((from, datagram)) = which.map(|which| self.datagrams[which].clone()) {
            self.datagram(engine, from, &datagram);
        }
    }

    pub(crate) fn connect(&mut self, engine: usize) {
        let from = (self.numbers.address)(0);
        self.connect_from(engine, from);
    }

    /// It connects from an address of its own.
    pub(crate) fn connect_from(&mut self, engine: usize, from: SocketAddr) {
        let tested = &mut self.engines[engine];
        if tested.addresses().is_empty() {
            return;
        }
        let network = tested.network_to(from);
        let link = tested.engine.handle_accepted(from, self.now);
        self.adversary.add(engine, link, false, false);
        self.adversary.note_network(engine, link, network);
    }

    /// It connects to the port for gossip.
    pub(crate) fn connect_for_gossip(&mut self, engine: usize) {
        let from = (self.numbers.address)(0);
        let tested = &mut self.engines[engine];
        if tested.addresses().is_empty() {
            return;
        }
        let network = tested.network_to(from);
        let link = tested.engine.handle_gossip_accepted(from, self.now);
        self.adversary.add(engine, link, false, false);
        self.adversary.note_network(engine, link, network);
    }

    /// It says a gossip message some times.
    pub(crate) fn gossip(&mut self, link: u8, times: u8, message: ScriptedGossip<'_>) {
        let Some(index) = self.adversary.choose(link) else {
            return;
        };
        let bytes = message.encode(self.numbers.id, self.numbers.address);
        for _ in 0..usize::from(times).max(1).min(self.adversary.messages) {
            self.adversary.messages -= 1;
            self.send_message(index, bytes.clone());
        }
    }

    /// It sends bytes of the script's own making.
    pub(crate) fn send_raw(&mut self, link: u8, bytes: &[u8]) {
        let Some(index) = self.adversary.choose(link) else {
            return;
        };
        if self.forged_sequence(index).is_some() {
            return;
        }
        let secret = self.adversary.secret;
        let raw = &mut self.adversary.connections[index].raw;
        raw.extend_from_slice(bytes);
        let mut windows = raw.windows(secret.len());
        self.adversary.knows_secret = windows.any(|bytes| bytes == secret);
        if !self.adversary.knows_secret {
            self.send(index, bytes);
        }
    }

    /// It says the handshake as anybody, once on a connection.
    pub(crate) fn greet(&mut self, link: u8, id: u8) {
        let Some(index) = self.adversary.choose(link) else {
            return;
        };
        let peer = (self.numbers.id)(id);
        let is_honest = self.honest.as_ref().is_some_and(|honest| honest.id == peer);
        let connection = &mut self.adversary.connections[index];
        // Behind raw bytes, what it says as the honest peer could be something else than a
        // handshake.
        if connection.greeted_as.is_none() && (connection.raw.is_empty() || !is_honest) {
            if let Some(keys) = self.keys {
                connection.greet_secured(peer, keys);
                return self.converse(index);
            }
            let handshake = connection.greet(peer);
            self.send(index, &handshake);
        }
    }

    /// It says a message some times.
    pub(crate) fn say(&mut self, link: u8, skew: u8, times: u8, message: ScriptedMessage) {
        let Some(index) = self.adversary.choose(link) else {
            return;
        };
        let address = (self.numbers.address)(message.address());
        let endpoint = Endpoint::from_socket_addr(address).unwrap();
        for _ in 0..usize::from(times).max(1).min(self.adversary.messages) {
            let forged = self.forged_sequence(index);
            if forged.is_some() && matches!(message, ScriptedMessage::Hello { .. }) {
                return;
            }
            self.adversary.messages -= 1;
            let sequence = self.adversary.connections[index].next_sequence(skew);
            let sequence = forged.map_or(sequence, |forged| forged + u16::from(skew));
            let message = message.encode(sequence, endpoint.clone(), self.keys);
            self.send_message(index, message);
        }
    }

    pub(crate) fn hang_up(&mut self, link: u8) {
        if let Some(index) = self.adversary.choose(link) {
            self.end_connection(index);
        }
    }

    /// It ends all its connections, and takes no others.
    pub(crate) fn adversary_goes(&mut self) {
        self.adversary.accepts = false;
        for index in 0..self.adversary.connections.len() {
            self.end_connection(index);
            self.settle();
        }
    }

    fn end_connection(&mut self, index: usize) {
        let connection = &mut self.adversary.connections[index];
        connection.end_security();
        if !core::mem::replace(&mut connection.is_closed, true) {
            let engine = &mut self.engines[connection.engine].engine;
            engine.handle_closed(connection.link, "connection closed", self.now);
        }
    }

    /// It reads what the engines wrote to it, if it reads at all.
    pub(crate) fn adversary_reads(&mut self) {
        if !self.adversary.reads {
            return;
        }
        for (number, tested) in self.engines.iter_mut().enumerate() {
            for connection in self.adversary.connections_of_mut(number) {
                let bytes = tested.take_unsent(connection.link, usize::MAX);
                connection.hear(&bytes.unwrap_or_default());
            }
            tested.engine.handle_written(self.now);
        }
    }

    /// If it greeted as the honest peer, whose session it may not take over: a sequence number that
    /// is neither the next of the session nor, while the engine does not read, one of the next.
    fn forged_sequence(&self, index: usize) -> Option<u16> {
        let greeted_as = self.adversary.connections[index].greeted_as;
        let honest = self.honest.as_ref();
        // With a key of its own, it cannot.
        let can = self.keys.is_none_or(Keys::can_be_confused);
        let forged = honest.filter(|honest| can && greeted_as == Some(honest.id));
        forged.map(|honest| honest.sequence + 2)
    }

    /// It says a message, sealed if the connection has keys.
    fn send_message(&mut self, index: usize, message: Vec<u8>) {
        let connection = &mut self.adversary.connections[index];
        if !connection.is_secured() {
            return self.send(index, &message);
        }
        connection.seal(message);
        self.converse(index);
    }

    /// It goes on with a connection that has keys until neither side has more to say.
    fn converse(&mut self, index: usize) {
        loop {
            let connection = &mut self.adversary.connections[index];
            let said = connection.take_sealed();
            self.send(index, &said);
            let connection = &mut self.adversary.connections[index];
            let tested = &mut self.engines[connection.engine];
            let answer = match connection.is_closed {
                true => None,
                false => tested.take_unsent(connection.link, usize::MAX),
            };
            let answer = answer.unwrap_or_default();
            connection.hear(&answer);
            tested.engine.handle_written(self.now);
            self.settle();
            if said.is_empty() && answer.is_empty() {
                return;
            }
        }
    }

    /// An engine reads what the adversary sends, while it wants to, in pieces that grow.
    fn send(&mut self, index: usize, mut bytes: &[u8]) {
        let mut piece = self.adversary.piece;
        while !bytes.is_empty() {
            let connection = &self.adversary.connections[index];
            let tested = &mut self.engines[connection.engine];
            if connection.is_closed || !tested.engine.may_read(connection.link) {
                return;
            }
            tested.read(connection.link, &mut bytes, piece, self.now);
            piece = READ.min(2 * piece);
            self.settle();
        }
    }
}
