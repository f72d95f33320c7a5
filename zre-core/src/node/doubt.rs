//! When there is reason to ask whether a peer is still there: a beacon says that it leaves, or somebody
//! else gives its endpoint as its own or uses its identity.
//!
//! Anybody can say these things, and one message shall not drive a peer away, so it is asked with a PING.
//! A node that is leaving does not answer any more.
//!
//! Only the answer to that PING settles it: other messages may have been sent before, by a node that has left
//! since. But the PING stands behind all that waits for the peer, and the answer behind all that the peer sends. A
//! node knows nothing of that: an engine, which does, gives the peer more time.
//!
//! A node that was restarted with a new identity says HELLO from the endpoint of the peer that it was before, and
//! must not be shut out. It enters at once, but is connected only when the old peer is gone.

use alloc::vec::Vec;
use core::time::Duration;

use zre_proto::{Endpoint, PeerId};

use super::{
    Node, Timer,
    peer::{Doubt, Peer},
    presence::PING_INTERVAL,
};
use crate::{error::Fault, event::ExitReason, notice::Notice, time::Instant};

/// How long a leaving peer's last messages may trail behind its beacon.
pub(super) const LEAVING_GRACE: Duration = Duration::from_millis(500);

impl Node {
    /// The peer that is known at an endpoint and has entered, if it is another than `claimant`. One that has not
    /// entered gives way.
    pub(super) fn owner_of(&mut self, endpoint: &Endpoint, claimant: PeerId) -> Option<PeerId> {
        let owner = *self.by_endpoint.get(endpoint)?;
        if owner == claimant {
            return None;
        }
        if !self.is_ready(owner) {
            self.exit(owner, ExitReason::Replaced);
            return None;
        }
        Some(owner)
    }

    /// Somebody else is said to be at a peer's endpoint: `claimant` waits to be connected, if it is given.
    pub(super) fn contest(&mut self, owner: PeerId, claimant: Option<PeerId>) {
        self.ask(owner, ExitReason::Replaced, PING_INTERVAL);
        let Some(claimant) = claimant else {
            return;
        };
        self.notices.push(Notice::Contested {
            peer: owner,
            claimant,
        });
        let doubt = self.doubt_of(owner);
        let earlier = doubt.and_then(|doubt| doubt.claimant.replace(claimant));
        let is_other = |earlier: &PeerId| *earlier != claimant && self.is_waiting(*earlier);
        if let Some(earlier) = earlier.filter(is_other) {
            self.exit(earlier, ExitReason::Replaced);
        }
    }

    /// Something came under a peer's identity that does not fit its session. If its connection broke
    /// unnoticed and this is a new one, messages are missing; if it was a stranger, nothing is.
    pub(crate) fn doubt(&mut self, peer: PeerId) {
        if self.is_ready(peer) {
            self.ask(peer, ExitReason::ConnectionLost, PING_INTERVAL);
        }
    }

    /// The peer has answered: it is there, and whoever claimed its endpoint is not.
    pub(super) fn doubt_is_answered(&mut self, peer: PeerId) {
        let Some(ready) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) else {
            return;
        };
        let claimant = ready.doubt.take().and_then(|doubt| doubt.claimant);
        // It may have gone meanwhile, and have come again from an endpoint of its own.
        if let Some(claimant) = claimant.filter(|claimant| self.is_waiting(*claimant)) {
            let fault = Fault::Endpoint(peer);
            self.exit(claimant, ExitReason::ProtocolError(fault));
        }
    }

    /// A beacon says that the peer leaves.
    pub(super) fn doubt_after_goodbye(&mut self, peer: PeerId) {
        self.ask(peer, ExitReason::Goodbye, LEAVING_GRACE);
        if let Some(doubt) = self.doubt_of(peer) {
            doubt.reason = ExitReason::Goodbye;
        }
    }

    /// The peer has not answered in time. It is given more if the application had to catch up meanwhile.
    pub(super) fn doubt_is_due(&mut self, peer: PeerId) {
        let (now, reliefs, is_congested) = (self.now, self.events.reliefs(), self.is_congested());
        let Some(doubt) = self.doubt_of(peer) else {
            return;
        };
        if is_congested || doubt.reliefs != reliefs {
            self.wait_longer(peer, now);
        } else {
            let reason = doubt.reason.clone();
            self.exit(peer, reason);
        }
    }

    /// The peers that [`handle_timeout`](Node::handle_timeout) would give up because they have not answered in time.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<PeerId> {
        let due = self.deadlines.due(now).filter_map(|timer| match timer {
            Timer::Peer(peer) => Some(peer),
            Timer::Beacon | Timer::Silence => None,
        });
        due.filter(|peer| {
            self.doubt_about(*peer)
                .is_some_and(|doubt| doubt.until <= now)
        })
        .collect()
    }

    /// Gives a peer more time to answer.
    pub(crate) fn wait_longer(&mut self, peer: PeerId, now: Instant) {
        self.advance(now);
        let (until, reliefs) = (self.now + PING_INTERVAL, self.events.reliefs());
        if let Some(doubt) = self.doubt_of(peer) {
            doubt.until = until;
            doubt.reliefs = reliefs;
            self.look_again(peer);
        }
    }

    /// The number of the PING that a peer should answer, if there is a doubt that it is there.
    pub(crate) fn question(&self, peer: PeerId) -> Option<u64> {
        self.doubt_about(peer).map(|doubt| doubt.ping)
    }

    fn ask(&mut self, peer: PeerId, reason: ExitReason, patience: Duration) {
        let (until, reliefs) = (self.now + patience, self.events.reliefs());
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        let ping = known.pings.sent + 1;
        let Some(ready) = known.ready_mut() else {
            return;
        };
        if ready.doubt.is_none() {
            ready.doubt = Some(Doubt {
                ping,
                until,
                reliefs,
                reason,
                claimant: None,
            });
            self.send_ping(peer);
            self.look_again(peer);
        }
    }

    fn doubt_about(&self, peer: PeerId) -> Option<&Doubt> {
        self.peers.get(&peer)?.ready()?.doubt.as_ref()
    }

    fn doubt_of(&mut self, peer: PeerId) -> Option<&mut Doubt> {
        self.peers.get_mut(&peer)?.ready_mut()?.doubt.as_mut()
    }
}
