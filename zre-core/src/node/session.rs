//! How a session with a peer begins and ends (RFC 36, "Node Discovery" and "HELLO").
//!
//! A peer is in one session at a time. We say HELLO when we learn of it; when its HELLO has come
//! too, the session is complete. A HELLO that completes a session is an answer. A HELLO on a
//! complete session is a restart: one exit, one HELLO back, one enter. A peer that also took
//! itself to be complete answers that HELLO with one more, as zyre does; in the time after a
//! restart such a HELLO is therefore an answer again, or the two would chase each other for ever.

use alloc::collections::BTreeSet;
use core::time::Duration;

use zre_proto::{Body, Endpoint, Hello, PeerId};

use super::{
    Node, NodeOutput, Timer, Verdict,
    peer::{Peer, Pings, Presence, Ready, Sequence, Session},
    presence::PING_INTERVAL,
};
use crate::{
    error::Fault,
    event::{Event, ExitReason},
    notice::Notice,
};

/// How long a leaving peer's last messages may trail behind its beacon.
const LEAVING_GRACE: Duration = Duration::from_millis(500);

impl Node {
    /// A beacon says that a peer is at an endpoint.
    ///
    /// A host with two networks may be heard on both. Its peer is therefore sought elsewhere only
    /// when it has not answered where it is.
    pub(super) fn peer_appears(&mut self, peer: PeerId, endpoint: Endpoint) {
        if endpoint == self.config.endpoint {
            return;
        }
        match self.peers.get_mut(&peer) {
            Some(known) if known.endpoint == endpoint => {
                known.heard_at = self.now;
                if let Some(ready) = known.ready_mut() {
                    ready.leaves_at = None;
                }
            }
            Some(known) => {
                let silence = self.now.since(known.heard_at);
                if !known.is_ready() || silence >= self.config.evasive_after + PING_INTERVAL {
                    self.peer_moved(peer, endpoint);
                } else if known.is_same_process(&endpoint) {
                    known.heard_at = self.now;
                }
            }
            None => {
                self.replace_at(&endpoint, peer);
                self.meet(peer, endpoint, Sequence::default());
            }
        }
    }

    /// A beacon says that a peer leaves. What it sent before may still be under way on its
    /// connection, so it is gone when that ends, or after a moment.
    pub(super) fn peer_leaves(&mut self, peer: PeerId) {
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        let at = self.now + LEAVING_GRACE;
        match known.ready_mut() {
            Some(ready) => {
                ready.leaves_at.get_or_insert(at);
                self.deadlines.set(Timer::Peer(peer), at);
            }
            None => self.exit(peer, ExitReason::Goodbye),
        }
    }

    /// The grace of a leaving peer is over; it goes on while the application has to catch up.
    pub(super) fn peer_has_left(&mut self, peer: PeerId) {
        if !self.is_congested() {
            self.exit(peer, ExitReason::Goodbye);
            return;
        }
        let at = self.now + LEAVING_GRACE;
        if let Some(ready) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) {
            ready.leaves_at = Some(at);
            self.deadlines.set(Timer::Peer(peer), at);
        }
    }

    pub(super) fn hello(&mut self, peer: PeerId, sequence: u16, hello: Hello) -> Verdict {
        if sequence != 1 {
            let expected = 1;
            let received = sequence;
            return self.refuse(peer, Fault::Sequence { expected, received });
        }
        if let Some(what) = self.names_ourselves(peer, &hello) {
            self.notices.push(Notice::OwnHello { peer, what });
            return Verdict::Ignored;
        }
        match self.peers.get(&peer) {
            None => self.hello_from_stranger(peer, hello),
            Some(known) if known.is_ready() => self.hello_again(peer, hello),
            Some(known) => {
                // Where its beacon came from is a better address than the one it gives itself,
                // unless the port says that the beacon was an earlier life's.
                if known.endpoint.port() != hello.endpoint.port() {
                    self.peer_moved(peer, hello.endpoint.clone());
                }
                self.complete(peer, hello);
                Verdict::Accepted
            }
        }
    }

    /// A peer broke the protocol. One that has not entered stays known until it is given up, so that
    /// its beacons do not begin the same thing every second.
    pub(super) fn refuse(&mut self, peer: PeerId, fault: Fault) -> Verdict {
        match self.peers.get_mut(&peer) {
            Some(known) if known.is_ready() => {
                self.exit(peer, ExitReason::ProtocolError(fault.clone()));
            }
            known => {
                if let Some(known) = known {
                    let give_up_at = self.now + self.config.expired_after;
                    known.session = Session::Greeting { give_up_at };
                    self.deadlines.set(Timer::Peer(peer), give_up_at);
                }
                let fault = fault.clone();
                self.notices.push(Notice::Refused { peer, fault });
            }
        }
        Verdict::Refused(fault)
    }

    fn names_ourselves(&self, peer: PeerId, hello: &Hello) -> Option<&'static str> {
        if peer == self.id {
            Some("identity")
        } else if hello.endpoint == self.config.endpoint {
            Some("endpoint")
        } else {
            None
        }
    }

    fn hello_from_stranger(&mut self, peer: PeerId, hello: Hello) -> Verdict {
        self.replace_at(&hello.endpoint, peer);
        self.make_room_for_stranger();
        if !self.meet(peer, hello.endpoint.clone(), Sequence::default()) {
            return Verdict::Ignored;
        }
        self.complete(peer, hello);
        Verdict::Accepted
    }

    fn hello_again(&mut self, peer: PeerId, hello: Hello) -> Verdict {
        let now = self.now;
        let Some(known) = self.peers.get_mut(&peer) else {
            return Verdict::Ignored;
        };
        let is_answer = known.ready_mut().is_some_and(|ready| {
            ready.endpoint == hello.endpoint && ready.answer_until.is_some_and(|until| now <= until)
        });
        if is_answer {
            self.take_answer(peer, hello);
        } else {
            let sequence = known.sequence.renewed();
            self.exit(peer, ExitReason::Restarted);
            self.replace_at(&hello.endpoint, peer);
            self.meet(peer, hello.endpoint.clone(), sequence);
            self.complete(peer, hello);
            if let Some(ready) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) {
                ready.answer_until = Some(now + self.config.evasive_after);
            }
        }
        Verdict::Accepted
    }

    /// The session goes on; only what the peer says of itself may have changed.
    fn take_answer(&mut self, peer: PeerId, hello: Hello) {
        let now = self.now;
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        known.sequence.restart_received();
        known.heard_at = now;
        let Some(ready) = known.ready_mut() else {
            return;
        };
        ready.answer_until = None;
        ready.leaves_at = None;
        let stale: BTreeSet<_> = ready.groups.difference(&hello.groups).cloned().collect();
        self.notices.push(Notice::HelloAnswer { peer });
        for group in stale {
            self.peer_left_group(peer, &group);
        }
        for group in &hello.groups {
            self.peer_joined_group(peer, group);
        }
        if let Some(ready) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) {
            ready.status = hello.status;
        }
    }

    /// A peer that has no session yet is elsewhere than we thought, or one with a session has gone silent there.
    fn peer_moved(&mut self, peer: PeerId, endpoint: Endpoint) {
        let sequence = self
            .peers
            .get(&peer)
            .map_or_else(Sequence::default, |known| known.sequence.renewed());
        self.exit(peer, ExitReason::Replaced);
        self.replace_at(&endpoint, peer);
        self.meet(peer, endpoint, sequence);
    }

    /// Whoever was at an endpoint where another peer now answers is gone.
    fn replace_at(&mut self, endpoint: &Endpoint, newcomer: PeerId) {
        if let Some(&old) = self.by_endpoint.get(endpoint)
            && old != newcomer
        {
            self.exit(old, ExitReason::Replaced);
        }
    }

    /// A peer that says HELLO is worth more than one of which only a beacon is known.
    fn make_room_for_stranger(&mut self) {
        let limits = self.config.limits;
        if self.peers.len() < limits.peers && self.unready < limits.unready_peers {
            return;
        }
        let oldest = self
            .peers
            .values()
            .filter(|peer| !peer.is_ready())
            .min_by_key(|peer| (peer.heard_at, peer.id));
        if let Some(id) = oldest.map(|peer| peer.id) {
            self.exit(id, ExitReason::Expired);
        }
    }

    /// Says HELLO to a new peer; `false` if there is no room for one.
    fn meet(&mut self, peer: PeerId, endpoint: Endpoint, sequence: Sequence) -> bool {
        let limits = self.config.limits;
        let limit = if self.peers.len() >= limits.peers {
            Some(limits.peers)
        } else if self.unready >= limits.unready_peers {
            Some(limits.unready_peers)
        } else {
            None
        };
        if let Some(limit) = limit {
            self.notices.push(Notice::PeerLimit { peer, limit });
            return false;
        }
        let give_up_at = self.now + self.config.handshake_timeout;
        self.peers.insert(
            peer,
            Peer {
                id: peer,
                endpoint: endpoint.clone(),
                session: Session::Greeting { give_up_at },
                sequence,
                pings: Pings::default(),
                heard_at: self.now,
            },
        );
        self.unready += 1;
        self.by_endpoint.insert(endpoint.clone(), peer);
        self.deadlines.set(Timer::Peer(peer), give_up_at);
        self.outputs
            .push_back(NodeOutput::Connect { peer, endpoint });
        self.send(peer, Body::Hello(self.own_hello()));
        true
    }

    /// The peer's HELLO has come to a session that waited for it.
    fn complete(&mut self, peer: PeerId, hello: Hello) {
        self.replace_at(&hello.endpoint, peer);
        let now = self.now;
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        let name = hello.name.detached();
        let headers = hello.headers.detached();
        known.heard_at = now;
        known.sequence.restart_received();
        known.session = Session::Ready(Ready {
            name: name.clone(),
            endpoint: hello.endpoint.clone(),
            headers: headers.clone(),
            groups: BTreeSet::new(),
            status: hello.status,
            presence: Presence::Present,
            leaves_at: None,
            answer_until: None,
        });
        self.unready -= 1;
        self.deadlines
            .set(Timer::Peer(peer), now + self.config.evasive_after);
        self.events.push(Event::Enter {
            peer,
            name,
            endpoint: hello.endpoint,
            headers,
        });
        for group in &hello.groups {
            self.peer_joined_group(peer, group);
        }
    }
}
