//! Whether a peer is still there: evasive, suspected, expired (RFC 36, "Peer Lifetime").
//!
//! # Silence
//!
//! Any message is a sign of life, and so is a beacon from the endpoint that we are connected to.
//! A peer that is silent for `evasive_after` is asked with a PING and called evasive. While it does
//! not answer it is asked again every second, and called silent from the second time on. After
//! `expired_after` it is gone. Nobody is given up without having been asked, however late the timer
//! comes: it may be this node that slept, and an answer may lie unread.
//!
//! # Suspicion
//!
//! Some things make it likely that a peer is gone, but anybody can say them:
//!
//! * a beacon says that the peer leaves;
//! * somebody else gives the peer's endpoint as its own;
//! * something comes under the peer's identity that does not fit its session.
//!
//! One such message must not drive a peer away, so the peer becomes *suspected* and is asked with a
//! PING. Only the answer to this very PING clears it: other messages may have been sent before, by
//! a node that has left since. Without the answer in time it is gone. The PING stands behind all
//! that waits for the peer, and the answer behind all that the peer sends. A node cannot see how
//! much that is; an engine can, and extends the suspicion while the connections move.
//!
//! A program that is restarted with a new identity says HELLO from the endpoint of the peer that it
//! was before, and must not be shut out. It enters at once as the *claimant* of that endpoint, but
//! is connected only when the old peer is gone.

use alloc::boxed::Box;
use core::time::Duration;

use zre_proto::{PeerId, ShortText};

use super::{Effect, channel::Channel};
use crate::{
    backlog::Patience,
    config::Config,
    event::{Event, ExitReason},
    node::context::{Context, PING_INTERVAL},
    time::Instant,
};

/// How long a leaving peer's last messages may trail behind its beacon.
pub(super) const LEAVING_GRACE: Duration = Duration::from_millis(500);

/// What is known of whether a peer that has entered is still there.
#[derive(Debug)]
pub(super) struct Liveness {
    presence: Presence,
    /// Boxed, for hardly any peer is suspected.
    suspicion: Option<Box<Suspicion>>,
}

/// How far a silent peer has been asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// It is heard.
    Present,
    /// It is silent and has been asked, but not called evasive: its beacons come from another
    /// endpoint, so it is likely to be there.
    Asked { since: Instant },
    /// It is silent and has been called evasive. It is asked again at `ping_at`.
    Evasive {
        since: Instant,
        ping_at: Instant,
        /// Whether it has been called silent, too.
        silent: bool,
    },
}

/// The peer must answer a PING, or it is gone.
#[derive(Debug)]
pub(crate) struct Suspicion {
    pub(crate) ping: u64,
    pub(crate) patience: Patience,
    /// Why it is gone then.
    reason: ExitReason,
    /// Who waits for its endpoint. It may have gone meanwhile, and have come again from another.
    pub(crate) claimant: Option<PeerId>,
}

/// What a silent peer is asked.
enum Question {
    None,
    /// A PING of which the application hears nothing.
    Quiet,
    /// A PING, and the application hears that the peer is evasive.
    First,
    /// One more PING. With the first of them the application hears that the peer is silent.
    Again {
        turns_silent: bool,
    },
}

/// How long a peer may be silent before it is asked.
pub(crate) fn evasive_after(config: &Config) -> Duration {
    config.evasive_after.min(config.expired_after)
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            presence: Presence::Present,
            suspicion: None,
        }
    }
}

/// Silence.
impl Liveness {
    /// Since when it has been asked whether it is there, as its silence demands.
    pub(super) fn asked_since(&self) -> Option<Instant> {
        match self.presence {
            Presence::Present => None,
            Presence::Asked { since } | Presence::Evasive { since, .. } => Some(since),
        }
    }

    /// Whether there is nothing to wait for but its silence.
    pub(super) fn is_quiet(&self) -> bool {
        self.presence == Presence::Present && self.suspicion.is_none()
    }

    /// When there is something to check.
    pub(super) fn next_check_at(&self, heard_at: Instant, config: &Config) -> Instant {
        let next = match self.presence {
            Presence::Present => heard_at + evasive_after(config),
            Presence::Asked { since } => since + PING_INTERVAL,
            Presence::Evasive { since, ping_at, .. } => {
                let expires_at = heard_at + config.expired_after;
                ping_at.min(expires_at.max(since + answer_time(config)))
            }
        };
        match &self.suspicion {
            Some(suspicion) => next.min(suspicion.patience.deadline()),
            None => next,
        }
    }

    /// The timer has run out: the peer is asked, or is gone. `other_at` is when its last beacon
    /// from another endpoint came: no proof that it can be reached, but a reason to ask quietly.
    pub(super) fn check(
        &mut self,
        heard_at: Instant,
        other_at: Option<Instant>,
        name: &ShortText,
        channel: &mut Channel,
        context: &mut Context,
    ) -> Effect {
        let now = context.now;
        if let Some(suspicion) = &mut self.suspicion
            && suspicion.patience.deadline() <= now
        {
            return match context.is_over(&mut suspicion.patience) {
                true => Effect::Exit(suspicion.reason.clone()),
                false => Effect::Watch,
            };
        }
        let evasive_after = evasive_after(&context.config);
        if now.since(heard_at) < evasive_after {
            self.presence = Presence::Present;
            return Effect::Watch;
        }
        if self.is_expired(heard_at, context) {
            return Effect::Exit(ExitReason::Expired);
        }
        let is_elsewhere = other_at.is_some_and(|at| now.since(at) < evasive_after);
        let question = self.next_question(heard_at, is_elsewhere, now);
        question.ask(name, channel, context);
        Effect::Watch
    }

    /// Whether it has been silent for too long, and has had its chance to answer.
    fn is_expired(&self, heard_at: Instant, context: &Context) -> bool {
        let (config, now) = (&context.config, context.now);
        let Presence::Evasive { since, ping_at, .. } = self.presence else {
            return false;
        };
        now.since(heard_at) >= config.expired_after
            // It must not have answered since it was asked, and have had the time to.
            && heard_at < since
            && now.since(since) >= answer_time(config)
            // If we come late, we slept, and its answer may not have been read yet.
            && !is_late(ping_at, now)
    }

    /// The peer has been silent for `evasive_after`: what it is asked, and what it is then.
    fn next_question(&mut self, heard_at: Instant, is_elsewhere: bool, now: Instant) -> Question {
        let (presence, question) = match self.presence {
            Presence::Present if is_elsewhere => (Presence::Asked { since: now }, Question::Quiet),
            // It answered the last time and fell silent again.
            Presence::Asked { since } if heard_at >= since => {
                (Presence::Asked { since: now }, Question::Quiet)
            }
            Presence::Asked { since } if now.since(since) < PING_INTERVAL => return Question::None,
            Presence::Evasive { ping_at, .. } if now < ping_at => return Question::None,
            Presence::Evasive {
                since,
                ping_at,
                silent,
            } if heard_at < since => {
                // If we slept, the time to answer begins again.
                let since = if is_late(ping_at, now) { now } else { since };
                let turns_silent = !silent;
                (evasive(since, true, now), Question::Again { turns_silent })
            }
            Presence::Present | Presence::Asked { .. } | Presence::Evasive { .. } => {
                (evasive(now, false, now), Question::First)
            }
        };
        self.presence = presence;
        question
    }
}

/// Suspicion.
impl Liveness {
    pub(super) fn suspicion(&self) -> Option<&Suspicion> {
        self.suspicion.as_deref()
    }

    pub(super) fn suspicion_mut(&mut self) -> Option<&mut Suspicion> {
        self.suspicion.as_deref_mut()
    }

    /// There is reason to think that the peer is gone: it has this time to answer. A peer that is
    /// suspected already is not given more time, or repeated claims would keep a dead peer alive.
    pub(super) fn suspect(
        &mut self,
        reason: ExitReason,
        time: Duration,
        channel: &mut Channel,
        context: &mut Context,
    ) -> Effect {
        if self.suspicion.is_some() {
            return Effect::Nothing;
        }
        self.suspicion = Some(Box::new(Suspicion {
            ping: channel.ping(context),
            patience: context.patience(time),
            reason,
            claimant: None,
        }));
        Effect::Watch
    }

    /// A beacon says that the peer leaves. A node that is leaving answers no PING any more.
    pub(super) fn goodbye(&mut self, channel: &mut Channel, context: &mut Context) -> Effect {
        let effect = self.suspect(ExitReason::Goodbye, LEAVING_GRACE, channel, context);
        // It may have been suspected before for another reason, and this one says more.
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.reason = ExitReason::Goodbye;
        }
        effect
    }

    /// All PINGs up to this one have been answered. If that clears the peer, whoever claimed its
    /// endpoint was wrong: gives the claimant.
    pub(super) fn take_answer(&mut self, answered: u64) -> Option<PeerId> {
        let is_cleared = |suspicion: &mut Box<Suspicion>| suspicion.ping <= answered;
        self.suspicion.take_if(is_cleared)?.claimant
    }

    pub(super) fn has_said_goodbye(&self) -> bool {
        let suspicion = self.suspicion.as_ref();
        suspicion.is_some_and(|suspicion| suspicion.reason == ExitReason::Goodbye)
    }

    /// The peer is back. Other suspicions stay.
    pub(super) fn forget_goodbye(&mut self) {
        self.suspicion
            .take_if(|suspicion| suspicion.reason == ExitReason::Goodbye);
    }
}

impl Question {
    fn ask(self, name: &ShortText, channel: &mut Channel, context: &mut Context) {
        let (peer, name) = (channel.peer, name.clone());
        match self {
            Self::None => return,
            Self::First => context.tell_if_heard(Event::Evasive { peer, name }),
            Self::Again { turns_silent: true } => {
                context.tell_if_heard(Event::Silent { peer, name });
            }
            Self::Quiet | Self::Again { .. } => {}
        }
        channel.ping(context);
    }
}

fn evasive(since: Instant, silent: bool, now: Instant) -> Presence {
    Presence::Evasive {
        since,
        ping_at: now + PING_INTERVAL,
        silent,
    }
}

/// How long an evasive peer may take to answer at least, before it is given up.
fn answer_time(config: &Config) -> Duration {
    let between = config.expired_after.saturating_sub(config.evasive_after);
    between.min(PING_INTERVAL)
}

/// Whether we have slept over a check, and over any answer that came meanwhile.
fn is_late(check_at: Instant, now: Instant) -> bool {
    now.since(check_at) >= PING_INTERVAL
}
