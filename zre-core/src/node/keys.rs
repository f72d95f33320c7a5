//! Keys: who is trusted, and which key belongs to whom.
//!
//! A node with a key ([`Security`]) talks with those that it trusts and that have proved to have
//! their key. A key that a beacon or a gossip tuple names is a hint, as everything in them: it is
//! that of a *place*, where the node connects with it. A peer's key is *proved* when it has said
//! HELLO over a connection that proves it. From then on nothing counts for this peer that has
//! another key. It enters when our connection to it is there, which proves the same key.

use core::net::SocketAddr;

use zre_proto::{Beacon, Hello, PeerId, curve::PublicKey};

use super::{
    Node,
    context::NodeContext,
    output::HelloOrigin,
    peer::{Peer, PeerEffect},
};
use crate::{
    config::KEY_HEADER,
    error::{Error, Fault},
    event::{Event, ExitReason, PeerKey, RefusedBy},
    notice::Notice,
    security::{Security, Trust},
    time::Instant,
};

/// What the application wishes.
impl Node {
    /// From now on these keys are trusted. A peer whose key is not among them exits with
    /// [`ExitReason::Refused`](crate::ExitReason::Refused); one that was refused before is met with
    /// its next beacon.
    ///
    /// # Errors
    ///
    /// [`Error::NoSecurity`] if the node has no key itself, or [`Error::Stopped`].
    pub fn set_trust(&mut self, trust: Trust, now: Instant) -> Result<(), Error> {
        self.command(now)?;
        let security = self.context.config.security.as_mut();
        let security = security.ok_or(Error::NoSecurity)?;
        security.trust = trust;
        self.context.strangers.forget();
        self.context.refusals.forget_refused();
        for peer in self.peers.distrusted(&self.context) {
            self.peers
                .exit(&peer, ExitReason::Refused, &mut self.context);
        }
        Ok(())
    }
}

/// What connections show of keys.
impl Node {
    /// With which key this node shows who it is, and with whom it talks; `None` if it talks with
    /// everybody in the open.
    pub fn security(&self) -> Option<&Security> {
        self.context.config.security.as_ref()
    }

    /// The key that belongs to a peer's identity, as it has proved to have it; `None` for one that
    /// has not said HELLO, or if this node has no key itself.
    pub fn proved_key(&self, peer: PeerId) -> Option<PublicKey> {
        self.peers.get(&peer).and_then(|known| known.key.proved())
    }

    /// Whether somebody who has proved to have a key may speak under an identity: the key must be
    /// trusted, and no other may belong to the identity. In a node without a key everybody may.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if it may not: close the connection. The peer is not to suffer from it.
    pub fn check_key(&self, peer: PeerId, proved: Option<PublicKey>) -> Result<(), Fault> {
        if self.context.config.security.is_none() {
            return Ok(());
        }
        let proved = proved.filter(|key| self.context.trusts(key));
        let proved = proved.ok_or(Fault::NotTrusted)?;
        match self.proved_key(peer) {
            Some(expected) if expected != proved => Err(Fault::OtherKey),
            _ => Ok(()),
        }
    }

    /// Somebody connected who has a key that is not trusted, and was refused.
    pub fn handle_untrusted(&mut self, peer: PeerId, key: PublicKey, now: Instant) {
        self.context.advance(now);
        // It may have become so since.
        if !self.context.trusts(&key) {
            self.context.tell_refused(peer, key, RefusedBy::Us, true);
        }
    }

    /// A peer that has proved to have this key has refused a connection, as it does not trust the
    /// key of this node. It is sought ever more rarely.
    pub fn handle_refused_key(&mut self, peer: PeerId, key: PublicKey, now: Instant) {
        self.context.advance(now);
        self.context.tell_refused(peer, key, RefusedBy::Them, true);
        // It may be another that refuses, to whom a forged beacon has led: then it is sought on.
        let mut places = self.peers.places(peer, &self.context.networks);
        let is_elsewhere = places.any(|(_, other)| other != Some(key));
        drop(places);
        if !is_elsewhere && !self.is_ready(peer) {
            self.context.refusals.note_refused(peer, self.context.now);
            self.remove_peer(peer, ExitReason::Refused, now);
        }
    }

    /// Gossip tells of a node whose key is not trusted.
    pub(crate) fn hear_untrusted(&mut self, peer: PeerId, key: PublicKey, now: Instant) {
        self.context.advance(now);
        self.context.tell_refused(peer, key, RefusedBy::Us, false);
    }

    /// Whether a key is trusted; none is in a node without a key.
    pub(crate) fn trusts(&self, key: &PublicKey) -> bool {
        self.context.trusts(key)
    }

    /// Whether a HELLO may be of a peer, by the key that its connection has proved and the one that
    /// it names. Gives that key.
    pub(super) fn check_hello_key(
        &self,
        peer: PeerId,
        hello: &Hello,
        origin: HelloOrigin,
    ) -> Result<Option<PublicKey>, Fault> {
        if self.context.config.security.is_none() {
            return Ok(None);
        }
        // One that was held has been checked when it came.
        let proved = origin.key.or_else(|| self.proved_key(peer));
        self.check_key(peer, proved)?;
        let said = hello.headers.get(KEY_HEADER);
        let said = said.and_then(|key| key.as_str()?.parse().ok());
        match said == proved {
            true => Ok(proved),
            false => Err(Fault::KeyHeader),
        }
    }
}

/// Beacons.
impl Node {
    /// A beacon came to a node with a key, or one that has a key to a node without, or something
    /// that is no beacon.
    #[inline(never)]
    pub(super) fn hear_other(&mut self, from: SocketAddr, datagram: &[u8]) {
        let beacon = match Beacon::decode(datagram) {
            _ if !self.running || self.has_said_goodbye => return,
            Ok(beacon) if beacon.peer == self.context.id => {
                return self.hear_own(from, beacon.port);
            }
            Ok(beacon) => beacon,
            Err(error) => {
                let notice = Notice::BadBeacon { from, error };
                return self.context.notices.push(notice);
            }
        };
        let peer = beacon.peer;
        let (Some(key), true) = (&beacon.public_key, self.security().is_some()) else {
            return self.note_others(peer, from, beacon.public_key.is_some());
        };
        match self.peers.get_mut(&peer).map(|known| &mut known.key) {
            Some(known) if known.proved().is_some_and(|proved| proved != *key) => {
                if known.note_other() {
                    self.context.notices.push(Notice::OtherKey { peer, from });
                }
                return;
            }
            // Mostly: who is not trusted any more is not known any more.
            Some(known) if known.proved().is_some() => {}
            _ if !self.context.trusts(key) => {
                return self.context.tell_refused(peer, *key, RefusedBy::Us, false);
            }
            _ => {}
        }
        match beacon.port {
            Some(port) => self.peer_appears(peer, from, port, Some(key)),
            None => self.apply(peer, |known, context| {
                known.take_keyed_goodbye(key, context)
            }),
        }
    }

    /// Nodes with a key and nodes without hear each other's beacons and cannot talk. That is noted
    /// once, and not for each.
    fn note_others(&mut self, peer: PeerId, from: SocketAddr, is_secured: bool) {
        let noted = &mut self.context.strangers.has_noted_others;
        if core::mem::replace(noted, true) {
            return;
        }
        self.context.notices.push(match is_secured {
            true => Notice::SecuredPeer { peer, from },
            false => Notice::OpenPeer { peer, from },
        });
    }
}

impl Peer {
    /// A beacon with this key says that the peer leaves. One with a key that belongs to another
    /// place of it says nothing.
    fn take_keyed_goodbye(&mut self, key: &PublicKey, context: &mut NodeContext) -> PeerEffect {
        match self.key.get() == Some(*key) {
            true => self.take_goodbye_beacon(context),
            false => PeerEffect::Nothing,
        }
    }
}

impl NodeContext {
    pub(super) fn trusts(&self, key: &PublicKey) -> bool {
        self.config.trusts(key)
    }

    /// A key, and what is known of its owner.
    pub(super) fn describe_key(&self, key: Option<PublicKey>) -> Option<PeerKey> {
        let (key, security) = (key?, self.config.security.as_ref()?);
        let metadata = security.trust.admits(&key).unwrap_or_default();
        Some(PeerKey::new(key, metadata))
    }

    /// Tells the application that a key is refused, if that is news.
    pub(super) fn tell_refused(
        &mut self,
        peer: PeerId,
        key: PublicKey,
        by: RefusedBy,
        is_proved: bool,
    ) {
        // It comes again: then there may be room for it.
        if self.events.is_congested() && !self.strangers.is_told(key, by) {
            return;
        }
        if self.strangers.note(key, by, is_proved, self.now) {
            self.notices.push(match by {
                RefusedBy::Us => Notice::NotTrusted { peer, key },
                RefusedBy::Them => Notice::NotTrustedBy { peer, key },
            });
            self.events.push(Event::Refused { peer, key, by });
        }
    }
}
