//! How a session with a peer begins, begins again and ends (RFC 36, "Node Discovery" and "HELLO").
//!
//! A peer is in one session at a time. We say HELLO when we learn of it ([`Greeting`]); when its
//! HELLO has come too, it enters, and the session is complete ([`Ready`]). Which of the two came
//! first makes no difference.
//!
//! # A HELLO in a complete session
//!
//! It means one of two things, and looks the same in both cases:
//!
//! * The peer has begun a new session: it was restarted, or has forgotten us. Then it waits for
//!   our HELLO. For the application this is one exit and one enter.
//! * It is a *reply*. When we begin a new session after a restart, our HELLO may reach a peer that
//!   holds the session for complete, and it takes that HELLO for a restart of ours. It then says
//!   HELLO once more, as zyre does. If we took this for another restart and said HELLO again, the
//!   two nodes would chase each other for ever.
//!
//! So for `evasive_after` after a restart one more HELLO from the same endpoint is taken for a
//! reply ([`HelloReply::MayCome`]). As this may be wrong, it is verified with a PING
//! ([`HelloReply::Verifying`]): a peer that is in the session answers it, and a peer that has begun
//! a new one does not, because it has no HELLO of ours. Without an answer in time it was a restart
//! after all: we say HELLO, and the application is told.
//!
//! # Where a HELLO is judged
//!
//! 1. [`admits`]: can it be the peer's, by the connection that it came over?
//! 2. [`check_hello_sequence`], and [`Context::names_ourselves`]: is it a HELLO to go by?
//! 3. [`Peer::take_hello`]: does it complete a session, reply to ours or begin a new one?
//!
//! The first of these is for callers who see connections. The other two hold for every HELLO.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use zre_proto::{Body, Endpoint, GroupName, Headers, Hello, Message, ShortText};

use super::{
    Effect, Peer,
    channel::Channel,
    liveness::{LEAVING_GRACE, Liveness, evasive_after},
};
use crate::{
    backlog::Patience,
    config::Config,
    error::Fault,
    event::{Event, ExitReason},
    node::{
        context::{Context, PING_INTERVAL},
        members::Members,
        output::Admission,
    },
    notice::Notice,
    time::Instant,
};

/// Initial time allowed for the PING that tells whether a HELLO was a reply to ours or began a new
/// session.
const REPLY_WAIT: Duration = Duration::from_millis(250);

/// We have said HELLO to every peer that we know, except to those that await an endpoint. The
/// question is whether the peer has said HELLO to us.
#[derive(Debug)]
pub(crate) enum Session {
    /// It has not: the peer is pending, and the application does not hear of it.
    Greeting(Greeting),
    /// It has entered.
    Ready(Box<Ready>),
}

/// The wait for a peer's HELLO.
#[derive(Debug)]
pub(crate) struct Greeting {
    give_up: Patience,
    /// Whether it has been given longer because what came in place of a HELLO was refused.
    was_refused: bool,
    /// Whether its goodbye has overtaken its HELLO.
    is_leaving: bool,
}

/// What a peer has said of itself, and how it stands.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(super) name: ShortText,
    /// Where it says that it accepts connections.
    pub(super) endpoint: Endpoint,
    pub(super) headers: Headers,
    /// In the order of their names. They are mostly one or two, for which a tree takes many times
    /// the memory.
    pub(super) groups: Vec<GroupName>,
    /// How often it has joined and left groups.
    pub(super) status: u8,
    pub(super) reply: HelloReply,
    pub(super) liveness: Liveness,
}

/// Whether the peer may still reply to our HELLO with one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelloReply {
    /// It knows of the session, so one more HELLO begins a new one.
    Settled,
    /// Until then one more HELLO is a reply. Its PING is given this time.
    MayCome { until: Instant, wait: Duration },
    /// A reply came, and this PING tells whether it was one.
    Verifying {
        ping: u64,
        patience: Patience,
        wait: Duration,
    },
}

/// A HELLO is the first message of its session (RFC 36, "HELLO").
pub(crate) fn check_hello_sequence(received: u16) -> Result<(), Fault> {
    match received {
        1 => Ok(()),
        _ => Err(Fault::Sequence {
            expected: 1,
            received,
        }),
    }
}

/// Whether a HELLO, or a message over a connection that is not bound to the peer, may be the
/// peer's. Other messages over a bound connection need no look at the peer.
pub(crate) fn admits(peer: Option<&Peer>, message: &Message, is_bound: bool) -> Admission {
    let received = message.sequence;
    let entered = peer.filter(|peer| peer.is_ready());
    match message.body {
        // A HELLO is the first message on a connection and never comes again.
        Body::Hello(_) if is_bound => {
            let expected = peer.map_or(0, |peer| peer.channel.sequence.expected());
            Admission::Violation(Fault::Sequence { expected, received })
        }
        Body::Hello(_) => match check_hello_sequence(received) {
            // It would end the session of a peer that need not have sent it.
            Err(fault) if entered.is_some() => Admission::Refused(fault),
            // With nobody else there to suffer, it is judged when it is handled.
            Ok(()) | Err(_) => Admission::Admitted,
        },
        _ if entered.is_some_and(|peer| peer.channel.sequence.fits(received)) => {
            Admission::Admitted
        }
        _ => Admission::Stray,
    }
}

/// Beacons.
impl Peer {
    /// A beacon came. A peer heard from another endpoint is taken to have moved only when it does
    /// not answer at the one that is known: a host with two networks may be heard on both.
    pub(crate) fn take_beacon(&mut self, endpoint: Endpoint, context: &Context) -> Effect {
        let now = context.now;
        // It is back before it said HELLO. A peer that has entered has been asked already when it
        // said goodbye; the beacon may be that of its next life and does not clear it.
        if let Session::Greeting(greeting) = &mut self.session {
            greeting.is_leaving = false;
        }
        if self.endpoint == endpoint {
            self.heard_at = now;
            return Effect::Nothing;
        }
        self.other_endpoint = Some((endpoint.clone(), now));
        match self.has_moved(context) {
            true => Effect::Move {
                endpoint,
                sequence: self.channel.sequence.renewed(),
            },
            false => Effect::Nothing,
        }
    }

    /// Whether a peer that is heard from another endpoint can be reached only there. Its silence
    /// alone does not tell: it may be us who slept. So it must have been asked.
    fn has_moved(&mut self, context: &Context) -> bool {
        let heard_at = self.heard_at;
        let Session::Ready(ready) = &mut self.session else {
            return false;
        };
        let answer_due = evasive_after(&context.config) + PING_INTERVAL;
        context.now.since(heard_at) >= answer_due && ready.liveness.owes_answer(heard_at, context)
    }

    /// A beacon says that the peer leaves. What it sent before, even its HELLO, may still be under
    /// way on its connection. So it is gone when that connection ends, or after a moment.
    pub(crate) fn take_goodbye_beacon(&mut self, context: &mut Context) -> Effect {
        match &mut self.session {
            Session::Greeting(greeting) => {
                greeting.is_leaving = true;
                let soon = context.now + LEAVING_GRACE;
                greeting
                    .give_up
                    .move_to(soon.min(greeting.give_up.deadline()));
                Effect::Watch
            }
            Session::Ready(ready) => ready.liveness.goodbye(&mut self.channel, context),
        }
    }

    /// Whether its last beacon said goodbye.
    pub(crate) fn is_leaving(&self) -> bool {
        match &self.session {
            Session::Greeting(greeting) => greeting.is_leaving,
            Session::Ready(ready) => ready.liveness.has_said_goodbye(),
        }
    }
}

/// HELLO, and what is no HELLO.
impl Peer {
    /// A HELLO came that is number 1 and names nobody else.
    pub(crate) fn take_hello(
        &mut self,
        hello: Box<Hello>,
        members: &mut Members,
        context: &mut Context,
    ) -> Effect {
        let Session::Ready(ready) = &mut self.session else {
            return Effect::Enter(hello);
        };
        if let HelloReply::MayCome { until, wait } = ready.reply
            && context.now <= until
            && ready.endpoint == hello.endpoint
        {
            self.heard_at = context.now;
            ready.take_reply(*hello, wait, &mut self.channel, members, context);
            return Effect::Watch;
        }
        let reason = match ready.liveness.has_said_goodbye() {
            true => ExitReason::Goodbye,
            false => ExitReason::Restarted,
        };
        let sequence = self.channel.sequence.renewed();
        Effect::Restart {
            reason,
            sequence,
            hello,
        }
    }

    /// The HELLO that was awaited has come, and the application hears of the peer.
    pub(crate) fn enter(
        &mut self,
        hello: Hello,
        reply: HelloReply,
        members: &mut Members,
        context: &mut Context,
    ) {
        self.heard_at = context.now;
        self.channel.sequence.restart_received();
        context.events.push(Event::Enter {
            peer: self.id(),
            name: hello.name.clone(),
            endpoint: hello.endpoint.clone(),
            headers: hello.headers.clone(),
        });
        let mut ready = Ready {
            name: hello.name,
            endpoint: hello.endpoint,
            headers: hello.headers,
            groups: Vec::new(),
            status: hello.status,
            reply,
            liveness: Liveness::default(),
        };
        for group in hello.groups {
            ready.join(self.channel.peer, group, members, context);
        }
        self.session = Session::Ready(Box::new(ready));
    }

    /// The peer broke the protocol.
    pub(crate) fn refuse(&mut self, fault: Fault, context: &mut Context) -> Effect {
        let greeting = match &mut self.session {
            Session::Ready(_) => return Effect::Exit(ExitReason::ProtocolError(fault)),
            Session::Greeting(greeting) => greeting,
        };
        let peer = self.channel.peer;
        context.notices.push(Notice::Refused { peer, fault });
        if greeting.was_refused {
            return Effect::Nothing;
        }
        // A pending peer stays known for a time: if it were forgotten, its next beacon would begin
        // the same thing again every second.
        greeting.was_refused = true;
        let give_up_at = context.now + context.config.expired_after;
        greeting.give_up.move_to(give_up_at);
        Effect::Watch
    }
}

/// The peer's timer.
impl Peer {
    /// Whether there is nothing to wait for but the peer's silence.
    pub(crate) fn is_quiet(&self) -> bool {
        self.ready().is_some_and(|ready| {
            ready.liveness.is_quiet() && !matches!(ready.reply, HelloReply::Verifying { .. })
        })
    }

    /// When [`check`](Peer::check) has something to do: always after the moment of the last check.
    pub(crate) fn next_check_at(&self, config: &Config) -> Instant {
        let ready = match &self.session {
            Session::Greeting(greeting) => return greeting.give_up.deadline(),
            Session::Ready(ready) => ready,
        };
        let next = ready.liveness.next_check_at(self.heard_at, config);
        match &ready.reply {
            HelloReply::Verifying { patience, .. } => next.min(patience.deadline()),
            HelloReply::Settled | HelloReply::MayCome { .. } => next,
        }
    }

    /// The peer's timer has run out.
    pub(crate) fn check(&mut self, context: &mut Context) -> Effect {
        let ready = match &mut self.session {
            // The HELLO may have come and lie unread while the application is behind.
            Session::Greeting(greeting) => match context.is_over(&mut greeting.give_up) {
                true => return Effect::Exit(ExitReason::Expired),
                false => return Effect::Watch,
            },
            Session::Ready(ready) => ready,
        };
        if let HelloReply::Verifying { patience, wait, .. } = &mut ready.reply
            && context.is_over(patience)
        {
            let wait = *wait;
            return ready.reply_was_restart(wait, &mut self.channel, context);
        }
        let (heard_at, channel) = (self.heard_at, &mut self.channel);
        let other_at = self.other_endpoint.as_ref().map(|(_, at)| *at);
        let (liveness, name) = (&mut ready.liveness, &ready.name);
        liveness.check(heard_at, other_at, name, channel, context)
    }
}

impl Greeting {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            give_up: context.patience(context.config.handshake_timeout),
            was_refused: false,
            is_leaving: false,
        }
    }
}

impl HelloReply {
    /// Our HELLO goes to a peer that may hold its session for complete.
    pub(crate) fn after_restart(context: &Context) -> Self {
        Self::may_come(REPLY_WAIT, context)
    }

    fn may_come(wait: Duration, context: &Context) -> Self {
        let until = context.now + context.config.evasive_after;
        Self::MayCome { until, wait }
    }
}

impl Ready {
    pub(crate) fn groups(&self) -> &[GroupName] {
        &self.groups
    }

    pub(crate) fn into_name(self) -> ShortText {
        self.name
    }

    /// The session goes on, if the peer is in it, and the peer is asked whether it is. What it says
    /// of itself may have changed.
    fn take_reply(
        &mut self,
        hello: Hello,
        wait: Duration,
        channel: &mut Channel,
        members: &mut Members,
        context: &mut Context,
    ) {
        let peer = channel.peer;
        context.notices.push(Notice::HelloAnswer { peer });
        channel.sequence.restart_received();
        // A peer in a new session does not answer what was asked in the old one.
        channel.pings.forget_unanswered();
        self.liveness.forget_goodbye();
        self.name = hello.name;
        self.headers = hello.headers;
        self.set_groups(peer, hello.groups, members, context);
        self.status = hello.status;
        self.reply = HelloReply::Verifying {
            ping: channel.ping(context),
            patience: context.patience(wait),
            wait,
        };
    }

    /// What was taken for a reply began a new session, and the peer waits for our HELLO. What was
    /// sent in the old session since then may be lost, so the application hears of a restart.
    fn reply_was_restart(
        &mut self,
        wait: Duration,
        channel: &mut Channel,
        context: &mut Context,
    ) -> Effect {
        channel.pings.forget_unanswered();
        self.tell_restart(channel, context);
        // A peer that was only slow takes our HELLO for a restart and replies; it gets longer then.
        self.reply = HelloReply::may_come(wait.saturating_mul(2), context);
        Effect::Reconnect
    }

    /// Tells of a restart whose HELLO has been taken already.
    fn tell_restart(&self, channel: &Channel, context: &mut Context) {
        let (peer, name) = (channel.peer, &self.name);
        context.events.push(Event::Exit {
            peer,
            name: name.clone(),
            reason: ExitReason::Restarted,
        });
        context.events.push(Event::Enter {
            peer,
            name: name.clone(),
            endpoint: self.endpoint.clone(),
            headers: self.headers.clone(),
        });
        for group in &self.groups {
            let (name, group) = (name.clone(), group.clone());
            context.events.push(Event::Join { peer, name, group });
        }
    }
}
