//! Whether a peer is still there (RFC 36, "Peer Lifetime").
//!
//! Signs of life only note the time. One timer of the node looks for silence among all the peers with which there is
//! nothing else to wait for; it fires once in some seconds, however many they are. Any other peer has a timer of its own.

use core::time::Duration;

use zre_proto::PeerId;

use super::{
    Node, Timer,
    peer::{Answer, Peer, Presence, Ready, Session},
};
use crate::{
    config::Config,
    event::{Event, ExitReason},
    time::Instant,
};

/// How often an evasive peer is asked, and how long it may take to answer before it is called silent.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(1);

/// How long an evasive peer may take to answer at least, before it is given up.
fn answer_time(config: &Config) -> Duration {
    let between = config.expired_after.saturating_sub(config.evasive_after);
    between.min(PING_INTERVAL)
}

/// Whether we have slept over a look, and over any answer that came meanwhile.
fn is_late(look_at: Instant, now: Instant) -> bool {
    now.since(look_at) >= PING_INTERVAL
}

/// What a look at a peer finds.
enum Finding {
    Gone(ExitReason),
    Fine,
    /// It has not answered that it knows of the session.
    DidNotKnow,
    /// It has not answered whether it is there.
    IsNotThere,
    AsksQuietly,
    TurnsEvasive,
    AsksAgain {
        turns_silent: bool,
    },
}

impl Node {
    /// Acts on a peer's timer and sets it anew.
    pub(super) fn check_presence(&mut self, peer: PeerId) {
        match self.look_at(peer) {
            Some(Finding::Gone(reason)) => self.exit(peer, reason),
            Some(Finding::Fine) => self.look_again(peer),
            Some(Finding::IsNotThere) => self.doubt_is_due(peer),
            Some(Finding::DidNotKnow) => {
                self.say_hello_again(peer);
                self.look_again(peer);
            }
            Some(Finding::AsksQuietly) => {
                self.send_ping(peer);
                self.look_again(peer);
            }
            Some(Finding::TurnsEvasive) => {
                self.presence_event(peer, |peer, name| Event::Evasive { peer, name });
                self.send_ping(peer);
                self.look_again(peer);
            }
            Some(Finding::AsksAgain { turns_silent }) => {
                if turns_silent {
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
        let expired_after = self.config.expired_after;
        let evasive_after = self.config.evasive_after.min(expired_after);
        let (is_congested, ended) = (self.is_congested(), self.events.reliefs());
        let peer = self.peers.get_mut(&peer)?;
        let silence = now.since(peer.heard_at);
        let ready = match &mut peer.session {
            Session::Greeting {
                give_up_at,
                reliefs,
                ..
            } if *give_up_at <= now && (is_congested || *reliefs != ended) => {
                *give_up_at = now + PING_INTERVAL;
                *reliefs = ended;
                return Some(Finding::Fine);
            }
            Session::Greeting { give_up_at, .. } if *give_up_at <= now => {
                return Some(Finding::Gone(ExitReason::Expired));
            }
            Session::Greeting { .. } => return Some(Finding::Fine),
            Session::Ready(ready) => ready,
        };
        if let Answer::Asked { until, reliefs, .. } = &mut ready.answer
            && *until <= now
        {
            if !is_congested && *reliefs == ended {
                return Some(Finding::DidNotKnow);
            }
            *until = now + PING_INTERVAL;
            *reliefs = ended;
        }
        if ready.doubt.as_ref().is_some_and(|doubt| doubt.until <= now) {
            return Some(Finding::IsNotThere);
        }
        if silence < evasive_after {
            ready.presence = Presence::Present;
            return Some(Finding::Fine);
        }
        // Nobody is given up unasked, or before its answer can have been read, however late we look: it may be us who
        // slept.
        if silence >= expired_after
            && let Presence::Evasive { since, ping_at, .. } = ready.presence
            && peer.heard_at < since
            && now.since(since) >= answer_time(&self.config)
            && !is_late(ping_at, now)
        {
            return Some(Finding::Gone(ExitReason::Expired));
        }
        let elsewhere = peer.elsewhere.as_ref();
        let is_elsewhere = elsewhere.is_some_and(|(_, at)| now.since(*at) < evasive_after);
        Some(ready.grow_evasive(peer.heard_at, is_elsewhere, now))
    }

    /// Sets a timer to when there is something to see.
    pub(super) fn look_again(&mut self, peer: PeerId) {
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        let quiet = known.is_quiet();
        let at = known.look_again_at(&self.config);
        self.peers.set_quiet(&peer, quiet);
        if quiet {
            self.deadlines.clear(Timer::Peer(peer));
            self.deadlines.set_earlier(Timer::Silence, at);
        } else {
            self.deadlines.set(Timer::Peer(peer), at);
        }
    }

    /// Acts on the timer of all quiet peers and sets it anew.
    pub(super) fn check_silence(&mut self) {
        let time = self.config.evasive_after.min(self.config.expired_after);
        let (silent, next) = self.peers.silent(time, self.now);
        if let Some(next) = next {
            self.deadlines.set_earlier(Timer::Silence, next);
        }
        for peer in silent {
            self.check_presence(peer);
        }
    }

    fn presence_event(&mut self, peer: PeerId, event: fn(PeerId, zre_proto::ShortText) -> Event) {
        // Nobody misses these who has not taken thousands of others.
        if self.is_congested() {
            return;
        }
        if let Some(info) = self.peers.get_mut(&peer).and_then(Peer::ready_mut) {
            let event = event(peer, info.name.clone());
            self.events.push(event);
        }
    }
}

impl Peer {
    /// Whether there is nothing to wait for but its silence.
    fn is_quiet(&self) -> bool {
        self.ready().is_some_and(|ready| {
            ready.presence == Presence::Present
                && ready.doubt.is_none()
                && !matches!(ready.answer, Answer::Asked { .. })
        })
    }

    /// When there is something to see: always after the moment of the last look.
    fn look_again_at(&self, config: &Config) -> Instant {
        let ready = match &self.session {
            Session::Greeting { give_up_at, .. } => return *give_up_at,
            Session::Ready(ready) => ready,
        };
        let presence = match ready.presence {
            Presence::Present => self.heard_at + config.evasive_after.min(config.expired_after),
            Presence::Asked { since } => since + PING_INTERVAL,
            Presence::Evasive { since, ping_at, .. } => {
                let expires_at = self.heard_at + config.expired_after;
                ping_at.min(expires_at.max(since + answer_time(config)))
            }
        };
        let answer = match ready.answer {
            Answer::Asked { until, .. } => Some(until),
            Answer::Known | Answer::MayCome { .. } => None,
        };
        let doubt = ready.doubt.as_ref().map(|doubt| doubt.until);
        let others = [answer, doubt].into_iter().flatten();
        others.fold(presence, Instant::min)
    }
}

impl Ready {
    /// The peer has been silent for the evasive timeout.
    fn grow_evasive(&mut self, heard_at: Instant, is_elsewhere: bool, now: Instant) -> Finding {
        match self.presence {
            Presence::Present if is_elsewhere => {
                self.presence = Presence::Asked { since: now };
                Finding::AsksQuietly
            }
            Presence::Asked { since } if heard_at >= since => {
                self.presence = Presence::Asked { since: now };
                Finding::AsksQuietly
            }
            Presence::Asked { since } if now.since(since) < PING_INTERVAL => Finding::Fine,
            Presence::Evasive { ping_at, .. } if ping_at > now => Finding::Fine,
            Presence::Evasive {
                since,
                ping_at,
                silent,
            } if heard_at < since => {
                self.presence = Presence::Evasive {
                    since: if is_late(ping_at, now) { now } else { since },
                    ping_at: now + PING_INTERVAL,
                    silent: true,
                };
                let turns_silent = !silent;
                Finding::AsksAgain { turns_silent }
            }
            Presence::Present | Presence::Asked { .. } | Presence::Evasive { .. } => {
                self.presence = Presence::Evasive {
                    since: now,
                    ping_at: now + PING_INTERVAL,
                    silent: false,
                };
                Finding::TurnsEvasive
            }
        }
    }
}
