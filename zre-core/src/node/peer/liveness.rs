//! Whether a peer is still there: evasive, suspected, expired (RFC 36, "Peer Lifetime").
//!
//! # Silence
//!
//! Any message is a sign of life, and so is a beacon from the endpoint that we are connected to.
//! A peer that is silent for `evasive_after` is asked with a PING and called evasive. While it does
//! not answer it is asked again every second, and called silent from the second time on. After
//! `expired_after` it is gone.
//!
//! A peer that no beacon has ever come from is asked when half of `evasive_after` is over, and the
//! application hears nothing of that. Else it would hear of each healthy peer that has nothing to
//! say.
//!
//! Nobody is given up who may have answered. A peer is always asked first and has a second for the
//! answer (see [`answer_time`]). If the timer comes late, this node slept, and the time to answer
//! begins again. If the application is behind, connections are not read, and nobody is given up
//! until it has caught up for a second ([`Patience`]).
//!
//! # Suspicion
//!
//! Some things make it likely that a peer is gone, but anybody can say them:
//!
//! * a beacon says that the peer leaves;
//! * somebody else gives the peer's endpoint as its own;
//! * a connection comes in under the peer's identity beside its own.
//!
//! One such message must not drive a peer away, so the peer becomes *suspected* and is asked with a
//! PING. Only the answer to this PING clears it: other messages may have been sent earlier, by a
//! node that has left since. Without the answer within `evasive_after` it is gone. So long a peer
//! may pause, in a debugger or under load. One that has left closes its connections, which shows at
//! once. The PING is queued behind all that waits for the peer, and the answer behind all that the
//! peer sends. A node cannot see how much that is; an engine can, and extends the suspicion while
//! the connections move.
//!
//! A program that is restarted with a new identity may say HELLO from the endpoint of the peer that
//! it was before, and must not be shut out. It is the *claimant* of that endpoint, and we connect
//! to it only when the old peer is gone.

use alloc::boxed::Box;
use core::time::Duration;

use zre_proto::{PeerId, ShortText};

use super::{PeerEffect, channel::Channel, places::moved_answer_time};
use crate::{
    backlog::Patience,
    config::Config,
    event::{Event, ExitReason},
    node::context::{MIN_INTERVAL, NodeContext, PING_INTERVAL},
    time::Instant,
};

/// What is known of whether a peer that has entered is still there.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Liveness {
    presence: Presence,
    /// Boxed, for hardly any peer is suspected.
    suspicion: Option<Box<Suspicion>>,
}

/// How far a silent peer has been asked.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
enum Presence {
    /// It is heard.
    Present,
    /// It is silent and has been asked, but not called evasive: it has not been silent for long
    /// enough, or its beacons come from another endpoint, so it is likely to be there.
    Asked(Question),
    /// It is silent and has been called evasive. It is asked again at `ping_at`.
    Evasive {
        question: Question,
        ping_at: Instant,
        /// Whether it has been called silent, too.
        silent: bool,
    },
}

/// When a peer was last heard.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastHeard {
    pub(super) at: Instant,
    /// Whether beacons come from the endpoint where it is connected.
    pub(super) is_announced: bool,
    /// When its last beacon from another endpoint came: no proof that it can be reached, but a
    /// reason not to call it evasive yet.
    pub(super) elsewhere_at: Option<Instant>,
}

/// A PING that a silent peer has to answer.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Question {
    asked_at: Instant,
    patience: Patience,
    /// Whether it was asked before the peer had been silent for `evasive_after`.
    is_early: bool,
}

/// The peer must answer a PING, or it is gone.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Suspicion {
    pub(crate) ping: u64,
    pub(crate) patience: Patience,
    /// Until when it has time to answer before it may be thought to have moved.
    pub(crate) asked: Patience,
    /// Why it is gone then.
    reason: ExitReason,
    /// The peer that waits for the endpoint. It may have gone meanwhile, or be connected elsewhere.
    pub(crate) claimant: Option<PeerId>,
}

/// What a silent peer is asked, and what the application hears of it.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Nothing: it may still answer the last PING.
    Wait,
    /// A PING of which the application hears nothing.
    AskUntold,
    /// A PING, and the application hears that the peer is evasive.
    CallEvasive,
    /// One more PING. With the first of them the application hears that the peer is silent.
    AskAgain,
}

/// How long a peer may be silent before it is asked. No beacons are to be expected from one that is
/// not announced.
pub(crate) fn ask_after(is_announced: bool, config: &Config) -> Duration {
    match is_announced {
        true => evasive_after(config),
        false => evasive_after(config) / 2,
    }
}

/// How long a peer may be silent before it is called evasive.
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
    /// Whether nothing is awaited from the peer, so that only its silence matters.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self.presence, Presence::Present) && self.suspicion.is_none()
    }

    /// When there is something to check.
    pub(super) fn next_check_at(&self, heard: LastHeard, config: &Config) -> Instant {
        let heard_at = heard.at;
        let next = match &self.presence {
            // Signs of life do not move the timer. It is set again when it fires too early.
            Presence::Present => heard_at + ask_after(heard.is_announced, config),
            Presence::Asked(question) => question.patience.deadline(),
            Presence::Evasive {
                question, ping_at, ..
            } => match question.is_answered(heard_at) {
                // It cannot expire, so the time for that may be past: a timer set to it would fire
                // for ever.
                true => *ping_at,
                false => {
                    let expires_at = heard_at + config.expired_after;
                    expires_at.max(question.patience.deadline()).min(*ping_at)
                }
            },
        };
        match &self.suspicion {
            Some(suspicion) => next.min(suspicion.patience.deadline()),
            None => next,
        }
    }

    /// The timer has run out: the peer is asked, or is gone.
    pub(super) fn check(
        &mut self,
        heard: LastHeard,
        name: &ShortText,
        channel: &mut Channel,
        context: &mut NodeContext,
    ) -> PeerEffect {
        let (now, heard_at) = (context.now, heard.at);
        // A suspected peer has less time than a silent one, so this comes first.
        if let Some(suspicion) = &mut self.suspicion
            && suspicion.patience.deadline() <= now
        {
            return match context.is_over(&mut suspicion.patience, channel.peer) {
                true => PeerEffect::Exit(suspicion.reason.clone()),
                false => PeerEffect::Watch,
            };
        }
        if now.since(heard_at) < ask_after(heard.is_announced, &context.config) {
            self.presence = Presence::Present;
            return PeerEffect::Watch;
        }
        if self.is_expired(channel.peer, heard_at, context) {
            return PeerEffect::Exit(ExitReason::Expired);
        }
        let evasive_after = evasive_after(&context.config);
        let is_heard_elsewhere = heard
            .elsewhere_at
            .is_some_and(|at| now.since(at) < evasive_after);
        let step = self.next_step(channel.peer, heard_at, is_heard_elsewhere, context);
        self.take(step, heard_at, name, channel, context);
        PeerEffect::Watch
    }

    /// Whether it has been asked for its silence and has had its time to answer.
    pub(super) fn owes_answer(
        &mut self,
        peer: PeerId,
        heard_at: Instant,
        context: &NodeContext,
    ) -> bool {
        let (question, check_at) = match &mut self.presence {
            Presence::Present => return false,
            Presence::Asked(question) => {
                let check_at = question.patience.deadline();
                (question, check_at)
            }
            Presence::Evasive {
                question, ping_at, ..
            } => (question, *ping_at),
        };
        !question.is_answered(heard_at)
            // If we come late, we slept, and its answer may not have been read yet.
            && !is_late(check_at, context.now)
            // Nor may it have been read while the application was behind.
            && context.is_over(&mut question.patience, peer)
    }

    /// Whether it has been silent for too long, and has had its chance to answer.
    fn is_expired(&mut self, peer: PeerId, heard_at: Instant, context: &NodeContext) -> bool {
        // A peer that is only `Asked` is called evasive first, and asked once more.
        matches!(self.presence, Presence::Evasive { .. })
            && context.now.since(heard_at) >= context.config.expired_after
            && self.owes_answer(peer, heard_at, context)
    }

    /// What to do about a peer that has been silent for long enough to be asked.
    fn next_step(
        &mut self,
        peer: PeerId,
        heard_at: Instant,
        is_heard_elsewhere: bool,
        context: &NodeContext,
    ) -> Step {
        let has_evaded = context.now.since(heard_at) >= evasive_after(&context.config);
        match &mut self.presence {
            Presence::Present if is_heard_elsewhere || !has_evaded => Step::AskUntold,
            Presence::Present => Step::CallEvasive,
            // It answered the last time and fell silent again.
            Presence::Asked(question) if question.is_answered(heard_at) => Step::AskUntold,
            Presence::Asked(question) => match context.is_over(&mut question.patience, peer) {
                // It was asked early, and is likely to be there: it has a second more.
                true if is_heard_elsewhere && question.is_early => Step::AskUntold,
                true => Step::CallEvasive,
                false => Step::Wait,
            },
            // However often it answers and falls silent again, it is asked once in a second.
            Presence::Evasive { ping_at, .. } if context.now < *ping_at => Step::Wait,
            Presence::Evasive { question, .. } if question.is_answered(heard_at) => {
                match has_evaded {
                    true => Step::CallEvasive,
                    false => Step::AskUntold,
                }
            }
            Presence::Evasive { .. } => Step::AskAgain,
        }
    }

    fn take(
        &mut self,
        step: Step,
        heard_at: Instant,
        name: &ShortText,
        channel: &mut Channel,
        context: &mut NodeContext,
    ) {
        let (peer, name) = (channel.peer, name.clone());
        match step {
            Step::Wait => return,
            Step::AskUntold => {
                self.presence = Presence::Asked(Question::untold(heard_at, context));
            }
            Step::CallEvasive => {
                self.presence = Presence::Evasive {
                    question: Question::new(context),
                    ping_at: context.now + PING_INTERVAL,
                    silent: false,
                };
                context.push_unless_unread(Event::Evasive { peer, name });
            }
            Step::AskAgain => {
                if self.turns_silent(context) {
                    context.push_unless_unread(Event::Silent { peer, name });
                }
            }
        }
        channel.ping(context);
    }

    /// An evasive peer is asked once more. Says whether it turns silent with that.
    fn turns_silent(&mut self, context: &NodeContext) -> bool {
        let Presence::Evasive {
            question,
            ping_at,
            silent,
        } = &mut self.presence
        else {
            return false;
        };
        // If we slept, the time to answer begins again.
        if is_late(*ping_at, context.now) {
            *question = Question::new(context);
        }
        *ping_at = context.now + PING_INTERVAL;
        !core::mem::replace(silent, true)
    }
}

impl Question {
    fn new(context: &NodeContext) -> Self {
        Self {
            asked_at: context.now,
            patience: context.patience(answer_time(&context.config)),
            is_early: false,
        }
    }

    /// One that is asked before the peer is called evasive, if there is time left until then.
    fn untold(heard_at: Instant, context: &NodeContext) -> Self {
        let evades_at = heard_at + evasive_after(&context.config);
        let left = evades_at.since(context.now);
        match left.is_zero() {
            true => Self::new(context),
            false => Self {
                asked_at: context.now,
                patience: context.patience(left),
                is_early: true,
            },
        }
    }

    /// Whether the peer has been heard since. Any sign of life will do.
    fn is_answered(&self, heard_at: Instant) -> bool {
        heard_at >= self.asked_at
    }
}

/// Suspicion.
impl Liveness {
    pub(super) fn suspicion(&self) -> Option<&Suspicion> {
        self.suspicion.as_deref()
    }

    pub(super) fn is_unsuspected(&self) -> bool {
        self.suspicion.is_none()
    }

    pub(super) fn suspicion_mut(&mut self) -> Option<&mut Suspicion> {
        self.suspicion.as_deref_mut()
    }

    /// There is reason to think that the peer is gone: it is asked and has `evasive_after` to
    /// answer. A peer that is suspected already gets no more time, or repeated claims would keep a
    /// dead peer.
    pub(super) fn suspect(
        &mut self,
        reason: ExitReason,
        channel: &mut Channel,
        context: &mut NodeContext,
    ) -> PeerEffect {
        if let Some(suspicion) = &mut self.suspicion {
            // The peer has begun anew since it was asked, so no answer would come.
            if channel.pings.is_answered(suspicion.ping).is_none() {
                suspicion.ping = channel.ping(context);
            }
            return PeerEffect::Nothing;
        }
        self.suspicion = Some(Box::new(Suspicion {
            ping: channel.ping(context),
            patience: context.patience(evasive_after(&context.config)),
            asked: context.patience(moved_answer_time(&context.config)),
            reason,
            claimant: None,
        }));
        PeerEffect::Watch
    }

    /// A beacon says that the peer leaves. If it does, it answers no PING any more.
    pub(super) fn goodbye(
        &mut self,
        channel: &mut Channel,
        context: &mut NodeContext,
    ) -> PeerEffect {
        let effect = self.suspect(ExitReason::Goodbye, channel, context);
        // Its own word replaces the reason that a suspicion had before.
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.reason = ExitReason::Goodbye;
        }
        effect
    }

    /// All PINGs up to this one have been answered. If that clears the peer, gives the claimant of
    /// its endpoint, who was wrong.
    pub(super) fn take_answer(&mut self, answered: u64) -> Option<PeerId> {
        let is_cleared = |suspicion: &mut Box<Suspicion>| suspicion.ping <= answered;
        self.suspicion.take_if(is_cleared)?.claimant
    }

    pub(super) fn has_said_goodbye(&self) -> bool {
        let suspicion = self.suspicion.as_ref();
        suspicion.is_some_and(|suspicion| suspicion.reason == ExitReason::Goodbye)
    }

    /// The peer has said HELLO, and another question verifies that it is in the session. The
    /// suspicion that another has taken its endpoint stays.
    pub(super) fn forget_own_end(&mut self) {
        self.suspicion
            .take_if(|suspicion| suspicion.reason != ExitReason::Replaced);
    }
}

/// How long a silent peer has at least to answer, before it is given up: a second, or half of
/// `expired_after` if that is less. It is never 0, so that no peer is asked and given up at once.
fn answer_time(config: &Config) -> Duration {
    PING_INTERVAL
        .min(config.expired_after / 2)
        .max(MIN_INTERVAL)
}

/// Whether we have slept over a check, and over any answer that came meanwhile.
fn is_late(check_at: Instant, now: Instant) -> bool {
    now.since(check_at) >= PING_INTERVAL
}
