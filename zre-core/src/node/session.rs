//! How a session with a peer begins and ends (RFC 36, "Node Discovery" and "HELLO").
//!
//! A peer is in one session at a time. We say HELLO when we learn of it; when its HELLO has come
//! too, the session is complete. A HELLO that completes a session is an answer. A HELLO on a
//! complete session is a restart: one exit, one HELLO back, one enter. A peer that also took
//! itself to be complete answers that HELLO with one more, as zyre does; in the time after a
//! restart such a HELLO is therefore an answer again, or the two would chase each other for ever.
//! Whether it was one, a PING tells: a peer that has begun anew does not answer before it has our HELLO.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use zre_proto::{Endpoint, Hello, PeerId};

use super::{
    Node, NodeOutput, Timer, Verdict,
    doubt::LEAVING_GRACE,
    peer::{Answer, Peer, Pings, Presence, Ready, Sequence, Session},
    presence::PING_INTERVAL,
    table::Heard,
};
use crate::{
    error::Fault,
    event::{Event, ExitReason, PeerInfo},
    notice::Notice,
};

/// How long a peer may take, at first, to answer whether a HELLO of its was an answer to ours.
const ANSWER_PATIENCE: Duration = Duration::from_millis(250);

impl Node {
    /// A beacon says that a peer is at an endpoint.
    ///
    /// A host with two networks may be heard on both. Its peer is therefore taken to have moved only
    /// when it does not answer where it was.
    pub(super) fn peer_appears(&mut self, peer: PeerId, endpoint: Endpoint) {
        if endpoint == self.config.endpoint {
            return;
        }
        let now = self.now;
        let known = match self.peers.hear(&peer, &endpoint, now) {
            Heard::Again => return,
            Heard::Known(known) => known,
            Heard::Stranger => return self.stranger_appears(peer, endpoint),
        };
        known.is_back();
        if known.endpoint == endpoint {
            known.heard_at = now;
            if known.is_ready() {
                self.peers.expect_beacons(&peer);
            }
            return;
        }
        known.elsewhere = Some((endpoint.clone(), now));
        let unanswered = self.config.evasive_after + PING_INTERVAL;
        let is_asked = known
            .asked_at()
            .is_some_and(|at| now.since(at) >= PING_INTERVAL);
        if is_asked && now.since(known.heard_at) >= unanswered {
            let sequence = known.sequence.renewed();
            self.exit(peer, ExitReason::ConnectionLost);
            self.meet(peer, endpoint, sequence);
        }
    }

    fn stranger_appears(&mut self, peer: PeerId, endpoint: Endpoint) {
        if let Some(owner) = self.owner_of(&endpoint, peer) {
            self.contest(owner, None);
        } else if self.has_room_for_beacon(peer) {
            self.meet(peer, endpoint, Sequence::default());
        }
    }

    /// A beacon says that a peer leaves. What it sent before, be it only its HELLO, may still be under way on
    /// its connection, so it is gone when that ends, or after a moment.
    pub(super) fn peer_leaves(&mut self, peer: PeerId) {
        let soon = self.now + LEAVING_GRACE;
        match self.peers.get_mut(&peer).map(|known| &mut known.session) {
            Some(Session::Greeting {
                give_up_at, leaves, ..
            }) => {
                *leaves = true;
                *give_up_at = soon.min(*give_up_at);
                self.look_again(peer);
            }
            Some(Session::Ready(_)) => self.doubt_after_goodbye(peer),
            None => {}
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
            Some(_) => {
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
                if let Some(known) = known
                    && let Session::Greeting {
                        give_up_at,
                        refused: refused @ false,
                        ..
                    } = &mut known.session
                {
                    *refused = true;
                    *give_up_at = self.now + self.config.expired_after;
                    self.deadlines.set(Timer::Peer(peer), *give_up_at);
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
        if !self.make_room_for_hello(peer) {
            return Verdict::Ignored;
        }
        self.meet(peer, hello.endpoint.clone(), Sequence::default());
        self.complete(peer, hello);
        Verdict::Accepted
    }

    fn hello_again(&mut self, peer: PeerId, hello: Hello) -> Verdict {
        let now = self.now;
        let Some(known) = self.peers.get_mut(&peer) else {
            return Verdict::Ignored;
        };
        let patience = known.ready_mut().and_then(|ready| match ready.answer {
            Answer::MayCome { until, patience }
                if now <= until && ready.endpoint == hello.endpoint =>
            {
                Some(patience)
            }
            _ => None,
        });
        if let Some(patience) = patience {
            self.take_answer(peer, hello, patience);
        } else {
            let sequence = known.sequence.renewed();
            let reason = match known.is_leaving() {
                true => ExitReason::Goodbye,
                false => ExitReason::Restarted,
            };
            self.exit(peer, reason);
            self.meet(peer, hello.endpoint.clone(), sequence);
            self.complete(peer, hello);
            self.await_answer(peer, ANSWER_PATIENCE);
        }
        Verdict::Accepted
    }

    /// Our HELLO may find a peer that holds the session for complete.
    fn await_answer(&mut self, peer: PeerId, patience: Duration) {
        let until = self.now + self.config.evasive_after;
        if let Some(ready) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) {
            ready.answer = Answer::MayCome { until, patience };
        }
    }

    /// The session goes on, if the peer is in it: it is asked. Only what it says of itself may have changed.
    fn take_answer(&mut self, peer: PeerId, hello: Hello, patience: Duration) {
        self.notices.push(Notice::HelloAnswer { peer });
        let (until, reliefs) = (self.now + patience, self.events.reliefs());
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        known.sequence.restart_received();
        known.heard_at = self.now;
        known.pings.forget_unanswered();
        let ping = known.pings.sent + 1;
        if let Some(ready) = known.ready_mut() {
            ready.name = hello.name;
            ready.headers = hello.headers;
            ready.forget_goodbye();
            ready.answer = Answer::Asked {
                ping,
                until,
                reliefs,
                patience,
            };
            let mut stale = ready.groups.clone();
            stale.retain(|group| !hello.groups.contains(group));
            stale
                .iter()
                .for_each(|group| self.peer_left_group(peer, group));
        }
        for group in &hello.groups {
            self.peer_joined_group(peer, group);
        }
        if let Some(ready) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) {
            ready.status = hello.status;
        }
        self.send_ping(peer);
        self.look_again(peer);
    }

    /// What was taken for an answer was a new session that waits for our HELLO. What was sent in the old one since may be
    /// lost, so the application hears of a restart. A peer that was only slow restarts and answers; it is given longer
    /// next time.
    pub(super) fn say_hello_again(&mut self, peer: PeerId) {
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        known.pings.forget_unanswered();
        let patience = match known.ready_mut().map(|ready| ready.answer) {
            Some(Answer::Asked { patience, .. }) => patience.saturating_mul(2),
            _ => ANSWER_PATIENCE,
        };
        self.tell_restart(peer);
        self.connect(peer);
        self.await_answer(peer, patience);
    }

    /// Tells of a restart whose HELLO has been taken already.
    fn tell_restart(&mut self, peer: PeerId) {
        let Some(info) = self.peer(peer) else {
            return;
        };
        let PeerInfo {
            name,
            endpoint,
            headers,
            groups,
            ..
        } = info;
        self.events.push(Event::Exit {
            peer,
            name: name.clone(),
            reason: ExitReason::Restarted,
        });
        self.events.push(Event::Enter {
            peer,
            name: name.clone(),
            endpoint,
            headers,
        });
        for group in groups {
            let name = name.clone();
            self.events.push(Event::Join { peer, name, group });
        }
    }

    /// Whether there is room for a peer of which only a beacon is known.
    fn has_room_for_beacon(&mut self, peer: PeerId) -> bool {
        let limits = self.config.limits;
        let limit = if self.unready >= limits.pending_peers {
            limits.pending_peers
        } else {
            limits.peers
        };
        let has_room = self.unready < limits.pending_peers && self.peers.len() < limits.peers;
        if !has_room {
            self.notices.push(Notice::PeerLimit { peer, limit });
        }
        has_room
    }

    /// A peer that says HELLO is worth more than one of which only a beacon is known.
    fn make_room_for_hello(&mut self, peer: PeerId) -> bool {
        let limit = self.config.limits.peers;
        if self.peers.len() < limit {
            return true;
        }
        let oldest = match self.unready {
            0 => None,
            _ => {
                let unready = self.peers.iter().filter(|peer| !peer.is_ready());
                unready.min_by_key(|peer| (peer.heard_at, peer.id))
            }
        };
        match oldest.map(|oldest| oldest.id) {
            Some(oldest) => {
                self.exit(oldest, ExitReason::Expired);
                true
            }
            None => {
                self.notices.push(Notice::PeerLimit { peer, limit });
                false
            }
        }
    }

    /// Takes in a new peer and says HELLO to it, unless another is known at its endpoint.
    fn meet(&mut self, peer: PeerId, endpoint: Endpoint, sequence: Sequence) {
        let owner = self.owner_of(&endpoint, peer);
        let give_up_at = self.now + self.config.handshake_timeout;
        let known = Peer {
            id: peer,
            endpoint,
            session: Session::Greeting {
                give_up_at,
                reliefs: self.events.reliefs(),
                refused: false,
                leaves: false,
            },
            sequence,
            pings: Pings::after(self.last_ping),
            heard_at: self.now,
            waits: owner.is_some(),
            elsewhere: None,
        };
        self.peers.insert(known);
        self.unready += 1;
        self.look_again(peer);
        match owner {
            Some(owner) => self.contest(owner, Some(peer)),
            None => self.connect(peer),
        }
    }

    /// Says HELLO on a new connection.
    pub(super) fn connect(&mut self, peer: PeerId) {
        let hello = self.own_hello();
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        known.waits = false;
        known.sequence.restart_sent();
        let endpoint = known.endpoint.clone();
        self.by_endpoint.insert(endpoint.clone(), peer);
        self.outputs
            .push_back(NodeOutput::Connect { peer, endpoint });
        self.send(peer, hello.into());
    }

    /// The peer's HELLO has come to a session that waited for it.
    fn complete(&mut self, peer: PeerId, hello: Hello) {
        let now = self.now;
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        let (name, headers) = (hello.name, hello.headers);
        let leaves = known.is_leaving();
        known.heard_at = now;
        known.sequence.restart_received();
        known.session = Session::Ready(Box::new(Ready {
            name: name.clone(),
            endpoint: hello.endpoint.clone(),
            headers: headers.clone(),
            groups: Vec::new(),
            status: hello.status,
            presence: Presence::Present,
            answer: Answer::Known,
            doubt: None,
        }));
        self.unready -= 1;
        self.look_again(peer);
        self.events.push(Event::Enter {
            peer,
            name,
            endpoint: hello.endpoint,
            headers,
        });
        for group in &hello.groups {
            self.peer_joined_group(peer, group);
        }
        if leaves {
            self.doubt_after_goodbye(peer);
        }
    }
}
