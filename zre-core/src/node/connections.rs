//! What callers who see connections can tell a node, and ask it.

use alloc::vec::Vec;
use core::{net::IpAddr, time::Duration};

use zre_proto::{Body, Hello, Message, PeerId};

use super::{
    Node,
    context::NodeTimer,
    output::{Admission, HelloOrigin},
    peer::{self, Peer, moved_after, moved_answer_time},
};
use crate::{backlog::Patience, error::Fault, event::ExitReason, notice::Notice, time::Instant};

/// The end of connections.
impl Node {
    /// The connection to or from a peer has ended, no other has taken its place, and everything
    /// that came over it has been handled.
    ///
    /// Report it a tenth of a second after it happened, and only if it is still true. A goodbye
    /// beacon, or the HELLO of a new session, may come after the end of a connection. Two nodes
    /// that report at once can go on ending each other's sessions.
    pub fn handle_disconnect(&mut self, peer: PeerId, now: Instant) {
        self.context.advance(now);
        let reason = match self.is_leaving(peer) {
            true => ExitReason::Goodbye,
            false => ExitReason::ConnectionLost,
        };
        if reason == ExitReason::ConnectionLost && self.has_lost_network() {
            return self.meet_again(peer);
        }
        // Two nodes that lose each other can go on ending each other's next session, as the end of
        // the last one is still on its way. So they pause, longer each time.
        if reason == ExitReason::ConnectionLost && self.is_ready(peer) {
            self.context.refusals.note_lost(peer, self.context.now);
        }
        self.remove_peer(peer, reason, now);
    }

    /// Whether this node's own networks have changed just now, which ends connections.
    fn has_lost_network(&self) -> bool {
        let time = moved_after(&self.context.config);
        let now = self.context.now;
        self.context.networks.have_changed(time, now)
    }

    /// A peer was lost with a network of this node's: it is met again at once where it is heard.
    fn meet_again(&mut self, peer: PeerId) {
        let (peers, context) = (&mut self.peers, &mut self.context);
        let Some(known) = peers.get_mut(&peer) else {
            return;
        };
        let reason = ExitReason::ConnectionLost;
        match known.heard_at_now(context) {
            Some(place) if known.is_ready() => peers.move_to(&peer, place, reason, context),
            _ => peers.exit(&peer, reason, context),
        }
    }

    /// Until when a HELLO of a peer should wait; `None` if it need not.
    ///
    /// Sessions with the peer may have been lost again and again: if its connection ends meanwhile,
    /// the HELLO belongs to a session that is over. Or another peer is just being met where the
    /// HELLO says that it comes from: that one has a second to say HELLO first.
    pub fn hello_waits_until(
        &self,
        peer: PeerId,
        hello: &Hello,
        origin: HelloOrigin,
        now: Instant,
    ) -> Option<Instant> {
        if self.is_ready(peer) {
            return None;
        }
        let until = self.context.refusals.hello_waits_until(peer);
        let until = until.max(self.other_comes_first_until(peer, hello, origin));
        until.filter(|until| now < *until)
    }

    /// A peer that has not said HELLO has closed our connection to it. If it does so again and
    /// again, its beacons are ignored for a growing time.
    pub fn handle_refused(&mut self, peer: PeerId, now: Instant) {
        self.context.advance(now);
        let endpoint = self.peers.get(&peer).map(|known| known.endpoint.clone());
        let count = self.context.refusals.note_refused(peer, self.context.now);
        // The first time it may be its end.
        if let Some(endpoint) = endpoint.filter(|_| count > 1) {
            let notice = Notice::RefusedByPeer {
                peer,
                endpoint,
                count,
            };
            self.context.notices.push(notice);
        }
        self.remove_peer(peer, ExitReason::Refused, now);
    }

    /// Removes a peer, for a reason that only its connections show. The application is told if the
    /// peer had entered.
    pub fn remove_peer(&mut self, peer: PeerId, reason: ExitReason, now: Instant) {
        self.context.advance(now);
        self.peers.exit(&peer, reason, &mut self.context);
    }
}

/// Whether a message is a peer's, and whether a peer is there.
impl Node {
    /// Whether a message may be handled as a peer's that came over a connection which does not
    /// carry the peer's session yet. Changes nothing.
    ///
    /// It must be a HELLO, which begins a session, or the next message in the peer's sequence.
    pub fn admits(&self, peer: PeerId, message: &Message) -> Admission {
        peer::admits(self.peers.get(&peer), message)
    }

    /// Checks a message that came over the connection which carries the peer's session, before it
    /// is handled. Changes nothing.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if it is a HELLO: that comes first on a connection and never again. Report it
    /// with [`handle_fault`](Node::handle_fault) and close the connection.
    pub fn check_bound(&self, peer: PeerId, message: &Message) -> Result<(), Fault> {
        match message.body {
            Body::Hello(_) => {
                let known = self.peers.get(&peer);
                let expected = known.map_or(0, |known| known.channel.sequence.expected());
                let received = message.sequence;
                Err(Fault::Sequence { expected, received })
            }
            // Nearly all messages. Their numbers are checked when they are handled.
            _ => Ok(()),
        }
    }

    /// A message came under a peer's identity that does not fit its session: asks the peer whether
    /// it is there, and removes it if it does not answer. Either its connection broke unnoticed and
    /// messages are missing, or a stranger uses its identity and all is well; the answer tells.
    pub fn suspect(&mut self, peer: PeerId, now: Instant) {
        self.context.advance(now);
        self.apply(peer, |known, context| {
            known.suspect(ExitReason::ConnectionLost, context)
        });
    }

    /// The number of the PING that a suspected peer must answer; `None` if it is not suspected.
    ///
    /// A caller who sees connections notes how much is to be written before this PING when it is
    /// sent. While that shrinks, or something comes from the peer, the answer cannot be here yet.
    pub fn suspicion_ping(&self, peer: PeerId) -> Option<u64> {
        let suspicion = self.peers.get(&peer)?.suspicion()?;
        Some(suspicion.ping)
    }

    /// The peers that [`handle_timeout`](Node::handle_timeout) would remove, or look for elsewhere,
    /// because they have not answered in time.
    ///
    /// A peer whose answer may lie unread, as the node does not take its messages, is not among
    /// them, and its time is extended.
    pub fn overdue_suspects(&mut self, now: Instant) -> Vec<PeerId> {
        self.context.advance(now);
        self.context.note_timeout();
        // A suspected peer always has a timer of its own, so the due timers name them all.
        let due = self.context.deadlines.due(now);
        let peers = due.filter_map(|timer| match timer {
            NodeTimer::Peer(peer) => Some(peer),
            NodeTimer::Beacon
            | NodeTimer::Silence
            | NodeTimer::Confirmation
            | NodeTimer::Election
            | NodeTimer::Request => None,
        });
        let due: Vec<_> = peers.collect();
        let is_overdue = |peer: &PeerId| {
            let Some(known) = self.peers.get_mut(peer) else {
                return false;
            };
            if known.has_moved(&self.context).is_some() {
                return true;
            }
            let suspicion = known.suspicion_mut();
            let Some(suspicion) = suspicion.filter(|it| it.patience.deadline() <= now) else {
                return false;
            };
            let is_overdue = self.context.is_over(&mut suspicion.patience, *peer);
            if !is_overdue {
                self.peers.watch(peer, &mut self.context);
            }
            is_overdue
        };
        due.into_iter().filter(is_overdue).collect()
    }

    /// How long the connections of an overdue suspect may stand still. A peer that is heard only
    /// elsewhere has less time than others.
    pub(crate) fn suspect_may_rest(&mut self, peer: PeerId) -> Duration {
        let has_moved = self.has_moved(peer);
        let config = &self.context.config;
        match has_moved {
            true => moved_answer_time(config).min(config.evasive_after),
            false => config.evasive_after,
        }
    }

    /// Whether a suspected peer that has not answered in time is not heard where it is connected,
    /// but elsewhere.
    pub(crate) fn has_moved(&mut self, peer: PeerId) -> bool {
        let known = self.peers.get_mut(&peer);
        known.is_some_and(|known| known.has_moved(&self.context).is_some())
    }

    /// Whether beacons of a peer that has entered come from this address, too.
    pub(crate) fn is_heard_from(&self, peer: PeerId, address: IpAddr) -> bool {
        let known = self.peers.get(&peer);
        known.is_some_and(|known| known.is_heard_from(address))
    }

    /// Gives a suspected peer a second more to answer.
    pub fn extend_suspicion(&mut self, peer: PeerId, now: Instant) {
        self.context.advance(now);
        self.apply(peer, Peer::extend_suspicion);
    }
}

/// Deadlines that stand still while connections are not read.
impl Node {
    /// A deadline for something that a peer must do. It stands still while the node
    /// [does not take](Node::may_take) the peer's messages.
    pub fn patience_until(&self, until: Instant) -> Patience {
        Patience::until(until, &self.context.events)
    }

    /// Whether a peer's deadline is over. If the node did not take the peer's messages meanwhile,
    /// it is not: the deadline is then moved to `extension` from now, so look at
    /// [`Patience::deadline`] again. `None` is for whoever is no known peer: that deadline stands
    /// still only while the node [is congested](Node::is_congested).
    pub fn is_patience_over(
        &self,
        patience: &mut Patience,
        peer: Option<PeerId>,
        extension: Duration,
        now: Instant,
    ) -> bool {
        patience.is_over(now, extension, peer, &self.context.events)
    }
}
