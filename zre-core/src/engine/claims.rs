//! Who may speak for a peer.
//!
//! A connection that comes in says whose it is, and nothing proves that. Its first message decides,
//! and this is the one place where it is judged:
//!
//! * Nothing but a HELLO begins a session, and nothing but the next number of the peer's sequence
//!   goes on with one. Anything else closes the connection, so that nobody can try one number after
//!   the other.
//! * While the peer has another connection that lives, the newcomer is *parked*: its first message
//!   is kept, nothing more of it is handled, and the peer is asked (PING). If the answer comes over
//!   the peer's own connection, the newcomer is a stranger and is closed. If that connection ends,
//!   or no answer comes in time, the newcomer is the peer: restarted, or with a new connection in
//!   place of one that broke unnoticed.
//! * A newcomer whose HELLO begins a session is parked until our own connection to it is there. So
//!   a peer enters when both directions stand.
//! * If sessions with the peer have been lost again and again, its HELLO waits a little: if its
//!   connection ends meanwhile, the HELLO belongs to a session that is over. It also waits if
//!   another peer is just being met where it says that it is.
//!
//! In a node with a key, a connection proves a key before its first message. It must be the peer's,
//! which is settled before everything here (`trust.rs`); then the peer need not be asked.
//!
//! A parked connection is looked at again when something has changed that it waits for.

use alloc::{boxed::Box, vec::Vec};
use core::net::{IpAddr, SocketAddr};

use zre_proto::{Body, Content, Endpoint, Hello, Message, PeerId};

use super::{
    Engine,
    context::EngineTimer,
    delivery::deliver_in_session,
    fixed::proof,
    output::{LinkId, Output},
    peer_links::{ELSEWHERE_AFTER, PeerLinks},
};
use crate::{
    error::{Fault, LinkError},
    link::Connection,
    node::{Admission, Expectation, HelloOrigin, Node, Verdict, hello_weight},
    notice::Notice,
    time::Instant,
};

/// The first message of a parked connection, and what it waits for.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Claim {
    message: Box<Message>,
    /// When the message came.
    came_at: Instant,
    awaited: Awaited,
}

impl Claim {
    /// How many bytes of memory it holds, about.
    pub(super) fn weight(&self) -> usize {
        message_weight(&self.message)
    }

    /// Whether it waits for something that happens here, and not for the peer's answer.
    pub(super) fn awaits_us(&self) -> bool {
        matches!(self.awaited, Awaited::Proof(_) | Awaited::Connection)
    }
}

/// How many bytes of memory a message holds, about.
pub(super) fn message_weight(message: &Message) -> usize {
    size_of::<Message>()
        + match &message.body {
            Body::Hello(hello) => hello_weight(hello),
            body => body.content().map_or(0, Content::byte_len),
        }
}

/// What a parked connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The answer of the peer to this PING, or the end of the peer's own connection.
    Answer(u64),
    /// Our connection to the peer.
    Connection,
    /// What comes behind it, until then: it may answer our HELLO at a fixed endpoint.
    Proof(Instant),
    /// The end of a pause; see [`Node::hello_waits_until`].
    Pause,
}

/// How likely it is that a connection is the peer's, by where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Stranger,
    /// Beacons in the peer's name come from there.
    Heard,
    /// We are connected to the peer there.
    Connected,
}

/// What becomes of a parked connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// It waits on.
    Wait,
    /// The peer has another connection now: it is to be asked.
    Ask,
    /// Nothing speaks against it any more.
    Admit,
    /// Both connections are there: its message goes to the node.
    Deliver,
    /// The peer is somebody else.
    Stranger,
    /// The peer that it waited for is gone.
    Stale,
}

/// How likely it is that a connection from this address is the peer's.
fn rank(node: &Node, peer: PeerId, remote: IpAddr) -> Rank {
    let connected = node.likeliest_endpoint(peer);
    let host = connected.and_then(|at| at.canonical().to_socket_addr());
    match host.is_some_and(|host| host.ip() == remote.to_canonical()) {
        true => Rank::Connected,
        false if node.is_heard_from(peer, remote) => Rank::Heard,
        false => Rank::Stranger,
    }
}

impl<C: Connection> Engine<C> {
    /// The first message of a connection has come.
    pub(super) fn take_claim(&mut self, link: LinkId, peer: PeerId, message: Message) {
        let kind = message.body.kind();
        if !self.check_key(link, peer) {
            return;
        }
        if self.is_overtaken(link, peer, &message) {
            self.cx.notices.push(Notice::Stray { peer, kind });
            return self.links.unclaimed.close(link, &mut self.cx);
        }
        match self.node.admits(peer, &message) {
            Admission::Admitted if self.has_live_connection(peer) => {
                self.ask(link, peer, message, self.cx.now);
            }
            Admission::Admitted => self.admit(link, peer, message, self.cx.now),
            Admission::Foreign(fault) => {
                // The node would end the session for it, which a stranger must not bring about.
                self.cx.notices.push(Notice::Refused { peer, fault });
                self.links.unclaimed.close(link, &mut self.cx);
            }
            Admission::Stray => {
                self.cx.notices.push(Notice::Stray { peer, kind });
                self.node.suspect(peer, self.cx.now);
                self.links.unclaimed.close(link, &mut self.cx);
            }
        }
    }

    /// Looks at the parked connections, if something has changed that they wait for.
    pub(super) fn settle_claims(&mut self) {
        while self.links.unclaimed.take_changed() {
            for (link, peer) in self.claims_in_turn() {
                self.look_at_claim(link, peer);
                self.carry_out();
            }
        }
    }

    /// Suspected peers have not answered in time. Where somebody else is parked under their
    /// identity, their own connections are given up, and not their sessions.
    pub(super) fn give_up_own_connection(&mut self, peer: PeerId) -> bool {
        // One that has moved begins a new session where it is.
        if !self.has_live_connection(peer)
            || !self.links.unclaimed.is_claimed(peer)
            || self.node.has_moved(peer)
        {
            return false;
        }
        if let Some(links) = self.links.of_peer_mut(peer) {
            links.close_incoming(&mut self.cx);
        }
        self.links.unclaimed.note_change();
        true
    }

    /// The connection that carries a peer's session has ended. If another is parked that goes on
    /// with the session, the session does not end.
    pub(super) fn incoming_ended(&mut self, peer: PeerId) {
        if self.links.unclaimed.is_claimed(peer) {
            if let Some(links) = self.links.of_peer_mut(peer) {
                links.drop_incoming(&mut self.cx);
            }
            self.links.unclaimed.note_change();
            self.settle_claims();
            if self.has_live_connection(peer) || !self.node.is_ready(peer) {
                return;
            }
        }
        self.with_links(peer, PeerLinks::incoming_ended);
    }

    /// Whether a peer's own connection to us stands, as far as we know.
    fn has_live_connection(&self, peer: PeerId) -> bool {
        let links = self.links.of_peer(peer);
        self.node.is_ready(peer) && links.is_some_and(PeerLinks::has_incoming)
    }

    /// The parked connections, in the order in which they are looked at.
    ///
    /// A stranger on another host cannot connect from the peer's address. So where several say that
    /// they are one peer, those from its address come first, then those from where its beacons come
    /// from, too. Among these it is the youngest: a peer that connects anew leaves its older
    /// connections behind.
    fn claims_in_turn(&self) -> Vec<(LinkId, PeerId)> {
        let claims = self.links.unclaimed.claims();
        let mut claims: Vec<_> = claims
            .map(|(link, peer, remote)| (rank(&self.node, peer, remote), link, peer))
            .collect();
        claims.sort_unstable();
        let in_turn = claims.into_iter().rev();
        in_turn.map(|(_, link, peer)| (link, peer)).collect()
    }

    fn look_at_claim(&mut self, link: LinkId, peer: PeerId) {
        let Some(awaited) = self.links.unclaimed.claim(link).map(|it| it.awaited) else {
            return;
        };
        let finding = self.find(link, peer, awaited);
        if finding == Finding::Wait {
            return;
        }
        let Some((claim, remote)) = self.links.unclaimed.take_claim(link) else {
            return;
        };
        match finding {
            Finding::Wait => {}
            Finding::Ask if self.is_overtaken(link, peer, &claim.message) => {
                self.links.unclaimed.close(link, &mut self.cx);
            }
            Finding::Ask => self.ask(link, peer, *claim.message, claim.came_at),
            Finding::Admit => {
                self.admit(link, peer, *claim.message, claim.came_at);
                self.listen_to_rest(link);
            }
            Finding::Deliver => self.deliver_claim(link, peer, *claim.message, claim.came_at),
            Finding::Stranger => {
                let claimed = match claim.message.body {
                    Body::Hello(hello) => Some(hello.endpoint),
                    _ => None,
                };
                self.refuse_stranger(link, peer, remote, claimed);
            }
            Finding::Stale => self.links.unclaimed.close(link, &mut self.cx),
        }
    }

    fn find(&self, link: LinkId, peer: PeerId, awaited: Awaited) -> Finding {
        let is_live = self.has_live_connection(peer);
        match awaited {
            Awaited::Answer(_) if !is_live => Finding::Admit,
            Awaited::Answer(number) => match self.node.is_answered(peer, number) {
                Some(true) => Finding::Stranger,
                Some(false) => Finding::Wait,
                None => Finding::Ask,
            },
            Awaited::Pause if self.claim_waits(link, peer) => Finding::Wait,
            Awaited::Pause if is_live => Finding::Ask,
            Awaited::Pause => Finding::Admit,
            Awaited::Proof(_) if is_live => Finding::Ask,
            Awaited::Proof(until) if self.cx.now < until && !self.is_answered(link, peer) => {
                Finding::Wait
            }
            Awaited::Proof(_) => Finding::Admit,
            // Somebody else has entered under this identity meanwhile.
            Awaited::Connection if is_live => Finding::Ask,
            Awaited::Connection => match self.links.of_peer(peer) {
                Some(links) if links.is_open() && self.is_left_behind(link, peer) => Finding::Stale,
                Some(links) if links.is_open() => Finding::Deliver,
                Some(links) if !links.is_given_up() => Finding::Wait,
                _ if self.node.awaits_endpoint(peer) => Finding::Wait,
                _ => Finding::Stale,
            },
        }
    }

    /// Whether a HELLO came over a network that has died since: we could not connect to the peer
    /// there, and have reached it elsewhere.
    fn is_left_behind(&self, link: LinkId, peer: PeerId) -> bool {
        let unclaimed = &self.links.unclaimed;
        let waits = unclaimed.claim(link).map(|claim| claim.came_at);
        let is_old = waits.is_some_and(|since| self.cx.now.since(since) >= ELSEWHERE_AFTER);
        let remote = unclaimed.remote(link);
        is_old && remote.is_some_and(|it| rank(&self.node, peer, it.ip()) == Rank::Heard)
    }

    /// Whether a HELLO came late. A younger connection carries the session, so this HELLO was sent
    /// before it: it belongs to a session that is over, and would end the present one.
    fn is_overtaken(&self, link: LinkId, peer: PeerId, message: &Message) -> bool {
        let links = self.links.of_peer(peer);
        matches!(message.body, Body::Hello(_))
            && links.is_some_and(|links| links.is_overtaken(link))
    }

    /// Parks a connection and asks the peer, whose own connection stands. One that has proved by
    /// its key to be the peer's need not wait.
    fn ask(&mut self, link: LinkId, peer: PeerId, message: Message, came_at: Instant) {
        if self.is_believed(link, peer) {
            return self.admit(link, peer, message, came_at);
        }
        self.node.suspect(peer, self.cx.now);
        let Some(number) = self.node.suspicion_ping(peer) else {
            // It has entered, so it can be asked. Without a question there is no answer.
            return self.links.unclaimed.close(link, &mut self.cx);
        };
        self.park(link, message, came_at, Awaited::Answer(number));
    }

    /// Nobody else speaks for the peer.
    fn admit(&mut self, link: LinkId, peer: PeerId, message: Message, came_at: Instant) {
        if !self.check_key(link, peer) {
            return;
        }
        let Body::Hello(hello) = &message.body else {
            return match self.node.admits(peer, &message) {
                Admission::Admitted => self.deliver_claim(link, peer, message, came_at),
                // Its own connection went on before it ended.
                _ => self.links.unclaimed.close(link, &mut self.cx),
            };
        };
        let origin = self.origin(link, peer, came_at);
        let waits_until = self
            .node
            .hello_waits_until(peer, hello, origin, self.cx.now);
        if let Some(end) = waits_until {
            self.cx.deadlines.set(EngineTimer::Handshake(link), end);
            return self.park(link, message, came_at, Awaited::Pause);
        }
        let source = origin.source;
        if self.is_kept_for_another(peer, &hello.endpoint, source) {
            return self.links.unclaimed.close(link, &mut self.cx);
        }
        if self.may_be_answer(link, peer, &hello.endpoint) {
            let until = self.cx.now + proof::WAIT;
            self.cx.deadlines.set(EngineTimer::Handshake(link), until);
            if let Some(unclaimed) = self.links.unclaimed.get_mut(link) {
                unclaimed.behind.has_waited = true;
            }
            return self.park(link, message, came_at, Awaited::Proof(until));
        }
        let (sequence, now) = (message.sequence, self.cx.now);
        match self.node.expect_hello(peer, sequence, hello, origin, now) {
            Expectation::Await => {
                self.park(link, message, came_at, Awaited::Connection);
                let links = self.links.of_peer_mut(peer);
                if let (Some(links), Some(source)) = (links, source) {
                    links.prove(source.ip().to_canonical(), &self.node, &mut self.cx);
                }
            }
            Expectation::Deliver => self.deliver_claim(link, peer, message, came_at),
            Expectation::Refused(_) | Expectation::Ignored => {
                self.links.unclaimed.close(link, &mut self.cx);
            }
        }
    }

    /// How a HELLO came over a connection.
    fn origin(&self, link: LinkId, peer: PeerId, came_at: Instant) -> HelloOrigin {
        HelloOrigin {
            source: self.links.unclaimed.remote(link),
            is_connected: self.links.of_peer(peer).is_some_and(PeerLinks::is_open),
            came_at,
            key: self.links.unclaimed.key(link),
        }
    }

    /// Whether a HELLO that is parked is still to wait.
    fn claim_waits(&self, link: LinkId, peer: PeerId) -> bool {
        let claim = self.links.unclaimed.claim(link);
        claim.is_some_and(|claim| {
            let origin = self.origin(link, peer, claim.came_at);
            let waits_until = |hello: &Hello| {
                self.node
                    .hello_waits_until(peer, hello, origin, self.cx.now)
            };
            matches!(&claim.message.body, Body::Hello(hello) if waits_until(hello).is_some())
        })
    }

    fn park(&mut self, link: LinkId, message: Message, came_at: Instant, awaited: Awaited) {
        let claim = Claim {
            message: Box::new(message),
            came_at,
            awaited,
        };
        let rank = |peer, remote| rank(&self.node, peer, remote);
        self.links.unclaimed.park(link, claim, rank, &mut self.cx);
    }

    /// Gives the first message to the node, and the connection to the peer.
    fn deliver_claim(&mut self, link: LinkId, peer: PeerId, message: Message, came_at: Instant) {
        let (node, now) = (&mut self.node, self.cx.now);
        let verdict = node.handle_held_message(&peer.into(), message, came_at, now);
        if verdict != Verdict::Accepted {
            return self.links.unclaimed.close(link, &mut self.cx);
        }
        // First what the node wants: a new session closes the old connections, and would otherwise
        // close the one that is bound here.
        self.carry_out();
        if !self.node.is_ready(peer) {
            return self.links.unclaimed.close(link, &mut self.cx);
        }
        let Some(unclaimed) = self.links.unclaimed.remove(link) else {
            return;
        };
        self.note_entered_at_fixed(peer);
        let was_held = unclaimed.is_read_ahead();
        let links = self.links.add_peer(peer);
        links.bind(unclaimed.state, &mut self.cx);
        links.is_in_doubt = self.node.is_in_doubt(peer);
        let memory = &mut self.memory;
        if let Some(incoming) = links.incoming_mut() {
            // It may have been read ahead while it was parked.
            incoming.connection.borrow_memory(memory);
        }
        self.deliver_behind(peer, unclaimed.behind.messages);
        let owner = self.cx.owner(link);
        let owner = owner.and_then(|owner| self.deliver_all(link, owner));
        self.count_unfinished(link, owner);
        if was_held {
            self.cx.outputs.push(Output::Resume);
        }
    }

    /// Handles what came behind the first message and was decoded while that waited.
    fn deliver_behind(&mut self, peer: PeerId, messages: Vec<Message>) {
        for message in messages {
            let has_incoming = |links: &PeerLinks<C>| links.has_incoming();
            // It broke the protocol with the last one.
            if !self.links.of_peer(peer).is_some_and(has_incoming) {
                return;
            }
            let verdict = deliver_in_session(&mut self.node, peer, message, self.cx.now);
            if let (Verdict::Violation(_), Some(links)) = (verdict, self.links.of_peer_mut(peer)) {
                links.close_incoming(&mut self.cx);
            }
            self.carry_out();
        }
    }

    fn refuse_stranger(
        &mut self,
        link: LinkId,
        peer: PeerId,
        remote: SocketAddr,
        claimed: Option<Endpoint>,
    ) {
        if let Some(endpoint) = self.node.likeliest_endpoint(peer).cloned() {
            self.cx.notices.push(Notice::IdentityInUse {
                peer,
                endpoint,
                remote,
                claimed,
            });
        }
        self.links.unclaimed.close(link, &mut self.cx);
    }

    /// Closes a connection that carries no session for what came over it.
    pub(super) fn refuse_unclaimed(
        &mut self,
        link: LinkId,
        said_peer: Option<PeerId>,
        fault: Fault,
    ) {
        let is_link_fault = match &fault {
            Fault::Link(error) => {
                let error: LinkError = error.clone();
                self.links.unclaimed.refuse(link, error, &mut self.cx);
                true
            }
            _ => {
                self.links.unclaimed.close(link, &mut self.cx);
                false
            }
        };
        let Some(peer) = said_peer else {
            return;
        };
        if !self.node.is_ready(peer) {
            // The node keeps a pending peer for longer then, so that its next beacon does not begin
            // the same thing again. Of an unknown one there is only a notice.
            self.node.handle_fault(peer, fault, self.cx.now);
        } else if !is_link_fault {
            // A stranger must not end the session of a peer that has entered. What is wrong with a
            // link has been told above, with its address.
            self.cx.notices.push(Notice::Refused { peer, fault });
        }
    }
}
