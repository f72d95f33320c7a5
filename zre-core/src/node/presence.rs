//! Whether a peer is still there (RFC 36, "Peer Lifetime").
//!
//! Signs of life only note the time. The peer's one timer compares it with the timeouts when it
//! fires, so that a message costs no timer.

use core::time::Duration;

use zre_proto::PeerId;

use super::{
    Node, Timer,
    peer::{Presence, Ready, Session},
};
use crate::{
    event::{Event, ExitReason},
    time::Instant,
};

/// How often an evasive peer is asked, and how long it may take to answer before it is called silent.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(1);

/// What a look at a peer finds.
enum Finding {
    Gone(ExitReason),
    Left,
    Fine,
    TurnsEvasive,
    Ask { silent: bool },
}

impl Node {
    /// Acts on a peer's timer and sets it anew.
    pub(super) fn check_presence(&mut self, peer: PeerId) {
        match self.look_at(peer) {
            Some(Finding::Gone(reason)) => self.exit(peer, reason),
            Some(Finding::Left) => self.peer_has_left(peer),
            Some(Finding::Fine) => self.look_again(peer),
            Some(Finding::TurnsEvasive) => {
                self.presence_event(peer, |peer, name| Event::Evasive { peer, name });
                self.send_ping(peer);
                self.look_again(peer);
            }
            Some(Finding::Ask { silent }) => {
                if silent {
                    self.presence_event(peer, |peer, name| Event::Silent { peer, name });
                }
                self.send_ping(peer);
                self.look_again(peer);
            }
            None => {}
        }
    }

    fn look_at(&mut self, peer: PeerId) -> Option<Finding> {
        let now = self.now;
        let peer = self.peers.get_mut(&peer)?;
        let silence = now.since(peer.heard_at);
        let ready = match &mut peer.session {
            Session::Greeting { give_up_at } if *give_up_at <= now => {
                return Some(Finding::Gone(ExitReason::Expired));
            }
            Session::Greeting { .. } => return Some(Finding::Fine),
            Session::Ready(ready) => ready,
        };
        if ready.leaves_at.is_some_and(|at| at <= now) {
            return Some(Finding::Left);
        }
        if silence >= self.config.expired_after {
            return Some(Finding::Gone(ExitReason::Expired));
        }
        if silence < self.config.evasive_after {
            ready.presence = Presence::Present;
            return Some(Finding::Fine);
        }
        Some(ready.grow_evasive(now))
    }

    fn look_again(&mut self, peer: PeerId) {
        let Some(known) = self.peers.get(&peer) else {
            return;
        };
        let at = match &known.session {
            Session::Greeting { give_up_at } => *give_up_at,
            Session::Ready(ready) => {
                let next = match ready.presence {
                    Presence::Present => known.heard_at + self.config.evasive_after,
                    Presence::Evasive { ping_at, .. } => ping_at,
                };
                next.min(known.heard_at + self.config.expired_after)
                    .min(ready.leaves_at.unwrap_or(next))
            }
        };
        self.deadlines.set(Timer::Peer(peer), at);
    }

    fn presence_event(&mut self, peer: PeerId, event: fn(PeerId, zre_proto::ShortText) -> Event) {
        if let Some(info) = self.peers.get_mut(&peer).and_then(|peer| peer.ready_mut()) {
            let event = event(peer, info.name.clone());
            self.events.push(event);
        }
    }
}

impl Ready {
    fn grow_evasive(&mut self, now: Instant) -> Finding {
        match &mut self.presence {
            Presence::Present => {
                self.presence = Presence::Evasive {
                    since: now,
                    ping_at: now + PING_INTERVAL,
                    silent: false,
                };
                Finding::TurnsEvasive
            }
            Presence::Evasive { ping_at, .. } if *ping_at > now => Finding::Fine,
            Presence::Evasive {
                since,
                ping_at,
                silent,
            } => {
                *ping_at = now + PING_INTERVAL;
                let turns_silent = !*silent && now.since(*since) >= PING_INTERVAL;
                *silent |= turns_silent;
                Finding::Ask {
                    silent: turns_silent,
                }
            }
        }
    }
}
