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
//! * It is a *reply*. After a restart of the peer we say HELLO. If the peer regards the session as
//!   complete by then, it takes our HELLO for a restart of ours and says HELLO once more, as zyre
//!   does. If we took this for another restart and said HELLO again, the two nodes would go on like
//!   that for ever.
//!
//! So for twice `evasive_after` after a restart, one more HELLO from the same endpoint is taken for
//! a reply ([`HelloReply::MayCome`]). As this may be wrong, it is verified with a PING
//! ([`HelloReply::Verifying`]): a peer that is in the session answers it; a peer that has begun a
//! new one does not, because it has no HELLO of ours. Without an answer in time it was a restart
//! after all: we say HELLO, and the application is told.
//!
//! # Where a HELLO is judged
//!
//! 1. `Node::check_bound` or [`admits`], for callers who see connections: can it be the peer's, by
//!    the connection that it came over?
//! 2. `Node::expect_hello`, for every HELLO: is it valid ([`check_hello_sequence`],
//!    [`NodeContext::names_ourselves`])? From a peer that is not known it begins a session.
//! 3. [`Peer::judge_hello`], for a known peer: does it complete the session, reply to our HELLO, or
//!    begin a new session?
//! 4. The peer enters when its HELLO has come and our connection to it is there. A caller who does
//!    not see connections lets it enter at once.

use alloc::{boxed::Box, vec::Vec};
use core::{net::SocketAddr, time::Duration};

use zre_proto::{
    Body, Endpoint, GroupName, Headers, Hello, KeyedEndpoint, Message, ShortText, curve::PublicKey,
};

use super::{
    Gossiped, Peer, PeerEffect,
    channel::Channel,
    liveness::{LastHeard, Liveness, evasive_after},
};
use crate::{
    backlog::Patience,
    config::Config,
    error::Fault,
    event::{Event, ExitReason},
    node::{
        context::{NodeContext, PING_INTERVAL},
        members::Members,
        output::{Admission, NodeOutput, SentSoFar},
        place::{at_source, is_link_local, is_source, scope_of},
        told,
    },
    notice::Notice,
    time::Instant,
};

/// Initial time allowed for the PING that tells whether a HELLO was a reply to ours or began a new
/// session. In a local network the answer takes a few milliseconds; a peer in a new session waits
/// for our HELLO meanwhile. It doubles each time it proves too short.
const REPLY_WAIT: Duration = Duration::from_millis(250);

/// How much later than the goodbye beacon of a peer that has not entered its HELLO may come.
const LEAVING_GRACE: Duration = Duration::from_millis(500);

/// We have said HELLO to every peer that we know, except to those that await an endpoint. The
/// question is whether the peer has said HELLO to us.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) enum Session {
    /// It has not: the peer is pending, and the application does not hear of it.
    Greeting(Greeting),
    /// It has entered.
    Ready(Box<Ready>),
}

/// The wait for a peer's HELLO.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Greeting {
    give_up: Patience,
    /// When our HELLO is said once more; see [`key`](super::key).
    pub(super) says_again_at: Option<Instant>,
    /// Whether it has been given longer because what came in place of a HELLO was refused.
    was_refused: bool,
    /// Whether its goodbye has overtaken its HELLO.
    is_leaving: bool,
    /// Whether the last attempt to connect to it failed.
    has_failed: bool,
    /// Whether our connection to it is there.
    is_reached: bool,
    /// Whether beacons have named another peer at the same place.
    is_contested: bool,
    /// Whether we have stopped trying to connect to it.
    is_unreachable: bool,
    /// Where it says that it accepts connections, if its HELLO has come and waits until our
    /// connection to it is there.
    told: Option<Box<Endpoint>>,
    /// Whether it may reply to our HELLO once it has entered.
    reply: HelloReply,
    /// Where it is rather than where we are connected.
    likelier: Option<Box<Endpoint>>,
    /// What the peer that gave way to it has been sent.
    sent_before: Option<Box<SentSoFar>>,
}

/// What a peer has said of itself, and how it stands.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Ready {
    pub(super) name: ShortText,
    /// Where it says that it accepts connections.
    pub(super) endpoint: Endpoint,
    pub(super) headers: Headers,
    /// In the order of their names. Most peers are in one or two groups, for which a tree takes
    /// many times the memory.
    pub(super) groups: Vec<GroupName>,
    /// How much it has told of itself, with its groups.
    pub(in crate::node) told: usize,
    /// How often it has joined and left groups.
    pub(super) status: u8,
    pub(super) reply: HelloReply,
    pub(super) liveness: Liveness,
    /// Boxed, for hardly any peer's place is in doubt.
    pub(super) doubt: Option<Box<PlaceDoubt>>,
}

/// Whether it is the peer to whom we are connected. A forged beacon may have led us there.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct PlaceDoubt {
    /// Only the peer can answer this PING, as it goes where we are connected.
    pub(super) ping: u64,
    patience: Patience,
    /// Where the peer is otherwise.
    likelier: Endpoint,
}

/// Whether the peer may still reply to our HELLO with one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelloReply {
    /// It will not: one more HELLO begins a new session.
    Settled,
    /// One more HELLO that comes `until` then is a reply. The PING to verify it is given `wait`.
    MayCome { until: Instant, wait: Duration },
    /// What seems a reply has come. The answer to this PING shows that it was one.
    Verifying {
        ping: u64,
        patience: Patience,
        wait: Duration,
    },
}

/// What a HELLO means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HelloMeaning {
    /// The peer has not entered: its session begins.
    First,
    /// It replies to ours; see the [module](self).
    Reply,
    /// It begins a new session, and the present one ends for this reason.
    NewSession(ExitReason),
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

/// Whether a message over a connection that is not bound to the peer may be the peer's.
pub(crate) fn admits(peer: Option<&Peer>, message: &Message) -> Admission {
    let received = message.sequence;
    let entered = peer.filter(|peer| peer.is_ready());
    match message.body {
        Body::Hello(_) => match check_hello_sequence(received) {
            // It would end the session of a peer that need not have sent it.
            Err(fault) if entered.is_some() => Admission::Foreign(fault),
            // No session can suffer: the fault is noted when the message is handled.
            Ok(()) | Err(_) => Admission::Admitted,
        },
        // Only the peer knows the next number. A peer whose connection broke and was made anew by
        // its ZeroMQ library goes on with it.
        _ if entered.is_some_and(|peer| peer.channel.sequence.fits(received)) => {
            Admission::Admitted
        }
        _ => Admission::Stray,
    }
}

/// Beacons.
impl Peer {
    /// A beacon came. One from another endpoint does not mean that the peer has moved: a host in
    /// two networks may be heard from both. It has moved if it does not answer where it is
    /// connected; see [`moving`](super::moving).
    pub(crate) fn take_beacon(
        &mut self,
        source: SocketAddr,
        key: Option<&PublicKey>,
        context: &mut NodeContext,
    ) -> PeerEffect {
        let (now, key) = (context.now, key.copied());
        // A pending peer that said goodbye is back. One that has entered is asked since its
        // goodbye, and only its answer clears it: this beacon may be from its next start.
        if let Session::Greeting(greeting) = &mut self.session {
            greeting.is_leaving = false;
        }
        if is_source(&self.endpoint, source) && self.key.get() == key {
            (self.heard_at, self.is_announced) = (now, true);
            return match self.has_learnt_link(source) {
                true => PeerEffect::Move(KeyedEndpoint {
                    endpoint: at_source(source),
                    key,
                }),
                false => PeerEffect::Nothing,
            };
        }
        let endpoint = at_source(source);
        let is_first = self.others.note(source, endpoint.clone(), key, now);
        // One that could not be reached where it was heard first is sought here.
        let is_sought = is_first && self.is_unreachable();
        match is_sought || self.is_lost_where_connected(context) {
            true => PeerEffect::Move(KeyedEndpoint { endpoint, key }),
            false => self.doubt_connection(source, context),
        }
    }

    /// Whether a beacon tells on which link a peer is that has not entered. A HELLO that came
    /// another way did not tell, and without it nothing leads there.
    fn has_learnt_link(&self, source: SocketAddr) -> bool {
        let has_scope = matches!(source, SocketAddr::V6(it) if it.scope_id() != 0);
        has_scope
            && !self.is_ready()
            && is_link_local(&self.endpoint)
            && scope_of(&self.endpoint).is_none()
    }

    /// A beacon says that the peer leaves. Messages that it sent before, even its HELLO, may still
    /// be on their way. So a peer that has entered is removed when its connection ends, or if it
    /// does not answer for `evasive_after`; another half a second later.
    pub(crate) fn take_goodbye_beacon(&mut self, context: &mut NodeContext) -> PeerEffect {
        match &mut self.session {
            Session::Greeting(greeting) => {
                greeting.is_leaving = true;
                // It may have little time left anyway, and gets no more for leaving.
                let soon = context.now + LEAVING_GRACE;
                greeting
                    .give_up
                    .move_to(soon.min(greeting.give_up.deadline()));
                PeerEffect::Watch
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
    /// What a HELLO that is number 1 and names nobody else means.
    pub(crate) fn judge_hello(&self, hello: &Hello, came_at: Instant) -> HelloMeaning {
        let Session::Ready(ready) = &self.session else {
            return HelloMeaning::First;
        };
        // A peer that awaits its endpoint has no HELLO of ours to reply to, and cannot be asked.
        if let HelloReply::MayCome { until, .. } = ready.reply
            && !self.channel.awaits_endpoint
            && came_at <= until
            // A new process would mostly have another port.
            && ready.endpoint == hello.endpoint
        {
            return HelloMeaning::Reply;
        }
        HelloMeaning::NewSession(match ready.liveness.has_said_goodbye() {
            true => ExitReason::Goodbye,
            false => ExitReason::Restarted,
        })
    }

    /// The peer replies to our HELLO.
    pub(crate) fn take_reply(
        &mut self,
        hello: Hello,
        members: &mut Members,
        context: &mut NodeContext,
    ) -> PeerEffect {
        let Session::Ready(ready) = &mut self.session else {
            return PeerEffect::Nothing;
        };
        let HelloReply::MayCome { wait, .. } = ready.reply else {
            return PeerEffect::Nothing;
        };
        self.heard_at = context.now;
        ready.take_reply(hello, wait, &mut self.channel, members, context);
        PeerEffect::Watch
    }

    /// Its HELLO has come, and waits until our connection to it is there.
    pub(crate) fn await_connection(
        &mut self,
        told: &Endpoint,
        reply: Option<HelloReply>,
        context: &NodeContext,
    ) -> PeerEffect {
        let Session::Greeting(greeting) = &mut self.session else {
            return PeerEffect::Nothing;
        };
        greeting.told = Some(Box::new(told.clone()));
        greeting.says_again_at = None;
        greeting.reply = reply.unwrap_or(greeting.reply);
        // Whoever connects gives up after one such time, and says why.
        let time = context.config.handshake_timeout.saturating_mul(2);
        greeting.give_up.move_to(context.now + time);
        PeerEffect::Watch
    }

    /// It has not said HELLO where it was heard first. If it is also heard elsewhere, it is sought
    /// there: the first beacon may have been forged.
    fn seek_elsewhere(&mut self, context: &NodeContext) -> PeerEffect {
        match self.heard_elsewhere(evasive_after(&context.config), context) {
            Some(place) => PeerEffect::Move(place.keyed()),
            None => PeerEffect::Exit(ExitReason::Expired),
        }
    }

    /// Its time to say HELLO is over. If we can connect to it, it may not be able to connect to us.
    fn note_no_hello(&self, context: &mut NodeContext) {
        if let Session::Greeting(greeting) = &self.session
            && !(greeting.is_unreachable || greeting.is_leaving || greeting.was_refused)
        {
            context.notices.push(Notice::NoHello {
                peer: self.id(),
                endpoint: self.endpoint.clone(),
            });
        }
    }

    /// Beacons name another peer at the same place, or did before.
    pub(crate) fn note_contested(&mut self) {
        if let Session::Greeting(greeting) = &mut self.session {
            greeting.is_contested = true;
        }
    }

    /// Whether it has not entered, and beacons have named another peer at the same place.
    pub(crate) fn is_contested(&self) -> bool {
        matches!(&self.session, Session::Greeting(greeting) if greeting.is_contested)
    }

    /// Another at the same place has given way to it, and has been sent this.
    pub(crate) fn note_sent_before(&mut self, sent: SentSoFar) {
        if let Session::Greeting(greeting) = &mut self.session {
            greeting.sent_before = Some(Box::new(sent));
        }
    }

    /// What the peer that gave way to it has been sent.
    pub(crate) fn take_sent_before(&mut self) -> Option<SentSoFar> {
        match &mut self.session {
            Session::Greeting(greeting) => greeting.sent_before.take().map(|sent| *sent),
            Session::Ready(_) => None,
        }
    }

    /// A connection to it is asked for, in place of an older one.
    pub(crate) fn forget_reached(&mut self) {
        if let Session::Greeting(greeting) = &mut self.session {
            greeting.is_reached = false;
        }
    }

    /// Our connection to it is there.
    pub(crate) fn note_reached(&mut self) {
        if let Session::Greeting(greeting) = &mut self.session {
            greeting.is_reached = true;
        }
    }

    /// Whether it has not entered and our connection to it is there.
    pub(crate) fn is_reached(&self) -> bool {
        matches!(&self.session, Session::Greeting(greeting) if greeting.is_reached)
    }

    /// An attempt to connect to it has failed.
    pub(crate) fn note_failed_attempt(&mut self) {
        if let Session::Greeting(greeting) = &mut self.session {
            greeting.has_failed = true;
        }
    }

    /// It is likely to be there rather than where we are connected.
    pub(crate) fn doubt_place(&mut self, likelier: Endpoint) {
        if let Session::Greeting(greeting) = &mut self.session {
            greeting.likelier = Some(Box::new(likelier));
        }
    }

    /// No connection to it can be made. It stays known for a time, or its next beacon would make us
    /// try again.
    pub(crate) fn give_up_connecting(&mut self, context: &mut NodeContext) -> PeerEffect {
        let Session::Greeting(greeting) = &mut self.session else {
            return PeerEffect::Exit(ExitReason::Unreachable);
        };
        if greeting.told.is_some() {
            // It is there, and will come again.
            return PeerEffect::Exit(ExitReason::Unreachable);
        }
        if self.gossiped != Gossiped::No && !self.is_announced {
            // No beacon brings it back: gossip knows when it is sought again.
            return PeerEffect::Exit(ExitReason::Unreachable);
        }
        greeting.is_unreachable = true;
        greeting.is_reached = false;
        let peer = self.channel.peer;
        context.note_change(peer, false);
        context.outputs.push_back(NodeOutput::Disconnect { peer });
        let give_up_at = context.now + context.config.expired_after;
        greeting.give_up.move_to(give_up_at);
        PeerEffect::Watch
    }

    /// Whether we have stopped trying to connect to a peer that has not entered.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(&self.session, Session::Greeting(greeting) if greeting.is_unreachable)
    }

    /// What a peer that has not entered says of where it accepts connections.
    pub(crate) fn told_endpoint(&self) -> Option<&Endpoint> {
        match &self.session {
            Session::Greeting(greeting) => greeting.told.as_deref(),
            Session::Ready(ready) => Some(&ready.endpoint),
        }
    }

    /// The HELLO that was awaited has come, and the application hears of the peer.
    pub(crate) fn enter(&mut self, hello: Hello, members: &mut Members, context: &mut NodeContext) {
        let Session::Greeting(greeting) = &mut self.session else {
            return;
        };
        let (reply, likelier) = (greeting.reply, greeting.likelier.take());
        self.heard_at = context.now;
        self.channel.sequence.restart_received();
        let key = self.key.proved();
        if let Some(key) = key {
            context.strangers.forget_key(key);
        }
        // Before its groups are joined, so that `Enter` is the peer's first event.
        context.events.push(Event::Enter {
            peer: self.id(),
            name: hello.name.clone(),
            endpoint: hello.endpoint.clone(),
            headers: hello.headers.clone(),
            key: context.describe_key(key).map(Box::new),
        });
        let mut told = 0;
        context.told.change(&mut told, told::weight(&hello));
        let mut ready = Ready {
            told,
            name: hello.name,
            endpoint: hello.endpoint,
            headers: hello.headers,
            groups: Vec::new(),
            status: hello.status,
            reply,
            liveness: Liveness::default(),
            doubt: likelier.map(|likelier| {
                Box::new(PlaceDoubt {
                    ping: self.channel.ping(context),
                    patience: context.patience(PING_INTERVAL),
                    likelier: *likelier,
                })
            }),
        };
        self.channel.is_in_doubt = ready.doubt.is_some();
        for group in hello.groups {
            ready.join(self.channel.peer, group, members, context);
        }
        self.session = Session::Ready(Box::new(ready));
    }

    /// The peer broke the protocol: it is gone if it had entered, and noted otherwise.
    pub(crate) fn take_violation(&mut self, fault: Fault, context: &mut NodeContext) -> PeerEffect {
        let greeting = match &mut self.session {
            Session::Ready(_) => return PeerEffect::Exit(ExitReason::ProtocolError(fault)),
            Session::Greeting(greeting) => greeting,
        };
        // It comes again and again, and is noted once in that time.
        if greeting.was_refused {
            return PeerEffect::Nothing;
        }
        let peer = self.channel.peer;
        context.notices.push(Notice::Refused { peer, fault });
        // It stays known for a time. If it were forgotten, its next beacon would make us connect
        // and say HELLO again, every second.
        greeting.was_refused = true;
        let give_up_at = context.now + context.config.expired_after;
        greeting.give_up.move_to(give_up_at);
        PeerEffect::Watch
    }
}

/// The peer's timer.
impl Peer {
    /// Whether nothing is awaited from the peer, so that only its silence matters.
    pub(crate) fn is_quiet(&self) -> bool {
        self.ready().is_some_and(|ready| {
            ready.liveness.is_quiet()
                && !matches!(ready.reply, HelloReply::Verifying { .. })
                && ready.doubt.is_none()
        })
    }

    /// When [`check`](Peer::check) has something to do: always after the moment of the last check.
    pub(crate) fn next_check_at(&self, config: &Config) -> Instant {
        let ready = match &self.session {
            Session::Greeting(greeting) => {
                let give_up_at = greeting.give_up.deadline();
                return greeting
                    .says_again_at
                    .map_or(give_up_at, |at| at.min(give_up_at));
            }
            Session::Ready(ready) => ready,
        };
        let next = ready.liveness.next_check_at(self.last_heard(), config);
        let next = self.moves_at(config).map_or(next, |at| next.min(at));
        let next = match &ready.doubt {
            Some(doubt) => next.min(doubt.patience.deadline()),
            None => next,
        };
        // One timer serves a peer for all that is awaited from it.
        match &ready.reply {
            HelloReply::Verifying { patience, .. } => next.min(patience.deadline()),
            HelloReply::Settled | HelloReply::MayCome { .. } => next,
        }
    }

    /// The peer's timer has run out.
    pub(crate) fn check(&mut self, context: &mut NodeContext) -> PeerEffect {
        if self.says_hello_again(context) {
            return PeerEffect::Reconnect;
        }
        let ready = match &mut self.session {
            // The HELLO may have come and lie unread while the application is behind.
            Session::Greeting(greeting) => {
                match context.is_over(&mut greeting.give_up, self.channel.peer) {
                    true if greeting.has_failed && !greeting.is_unreachable => {
                        return self.give_up_connecting(context);
                    }
                    true => {
                        self.note_no_hello(context);
                        return self.seek_elsewhere(context);
                    }
                    false => return PeerEffect::Watch,
                }
            }
            Session::Ready(ready) => ready,
        };
        if let HelloReply::Verifying { patience, wait, .. } = &mut ready.reply
            && context.is_over(patience, self.channel.peer)
        {
            let wait = *wait;
            let key = self.key.proved();
            return ready.reply_was_restart(wait, key, &mut self.channel, context);
        }
        if let Some(doubt) = &mut ready.doubt
            && context.is_over(&mut doubt.patience, self.channel.peer)
        {
            let likelier = doubt.likelier.clone();
            ready.doubt = None;
            self.channel.is_in_doubt = false;
            return PeerEffect::Redirect(likelier);
        }
        if let Some(place) = self.has_moved(context) {
            return PeerEffect::Move(place);
        }
        let heard = self.last_heard();
        let Session::Ready(ready) = &mut self.session else {
            return PeerEffect::Nothing;
        };
        let channel = &mut self.channel;
        let (liveness, name) = (&mut ready.liveness, &ready.name);
        liveness.check(heard, name, channel, context)
    }

    fn last_heard(&self) -> LastHeard {
        LastHeard {
            at: self.heard_at,
            is_announced: self.is_announced,
            elsewhere_at: self.others.last_at(),
        }
    }
}

impl Greeting {
    pub(super) fn new(context: &NodeContext) -> Self {
        Self {
            give_up: context.patience(context.config.handshake_timeout),
            says_again_at: None,
            was_refused: false,
            is_leaving: false,
            has_failed: false,
            is_reached: false,
            is_contested: false,
            sent_before: None,
            is_unreachable: false,
            told: None,
            reply: HelloReply::Settled,
            likelier: None,
        }
    }
}

impl HelloReply {
    /// Our HELLO goes to a peer that may regard the session as complete and reply with another.
    pub(crate) fn after_restart(context: &NodeContext) -> Self {
        Self::may_come(REPLY_WAIT, context)
    }

    fn may_come(wait: Duration, context: &NodeContext) -> Self {
        // The peer may ask us first whether we have really begun anew, for `evasive_after`. So may
        // the one before.
        let asking = evasive_after(&context.config).saturating_mul(2);
        let until = context.now + asking + PING_INTERVAL;
        Self::MayCome { until, wait }
    }
}

impl Ready {
    pub(crate) fn groups(&self) -> &[GroupName] {
        &self.groups
    }

    pub(crate) fn name(&self) -> &ShortText {
        &self.name
    }

    pub(crate) fn into_name(self) -> ShortText {
        self.name
    }

    /// What seems a reply has come: the session goes on, and a PING verifies that the peer is in
    /// it. What the HELLO says of the peer may have changed.
    fn take_reply(
        &mut self,
        hello: Hello,
        wait: Duration,
        channel: &mut Channel,
        members: &mut Members,
        context: &mut NodeContext,
    ) {
        let peer = channel.peer;
        context.notices.push(Notice::HelloAnswer { peer });
        // The peer counts its messages from this HELLO on.
        channel.sequence.restart_received();
        // A peer in a new session does not answer what was asked in the old one.
        channel.forget_unanswered(context);
        self.liveness.forget_own_end();
        let groups: usize = self.groups.iter().map(told::group_weight).sum();
        context
            .told
            .change(&mut self.told, told::weight(&hello) + groups);
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

    /// What seemed a reply began a new session, and the peer waits for our HELLO. Messages that we
    /// sent since then may be lost, so the application is told of a restart.
    fn reply_was_restart(
        &mut self,
        wait: Duration,
        key: Option<PublicKey>,
        channel: &mut Channel,
        context: &mut NodeContext,
    ) -> PeerEffect {
        self.tell_restart(key, channel, context);
        channel.pings.forget_unconfirmed();
        channel.forget_unanswered(context);
        // Nobody answers what was asked before.
        self.liveness.forget_own_end();
        // We say HELLO once more, to which the peer may reply again if it was only slow to answer;
        // the doubled time brings such an exchange to an end.
        self.reply = HelloReply::may_come(wait.saturating_mul(2), context);
        PeerEffect::Reconnect
    }

    /// Tells the application of a restart whose HELLO has been taken for a reply.
    fn tell_restart(&self, key: Option<PublicKey>, channel: &Channel, context: &mut NodeContext) {
        let (peer, name) = (channel.peer, &self.name);
        let unconfirmed = channel.pings.unconfirmed();
        context.tell_exit(peer, name.clone(), ExitReason::Restarted, unconfirmed);
        context.events.push(Event::Enter {
            peer,
            name: name.clone(),
            endpoint: self.endpoint.clone(),
            headers: self.headers.clone(),
            key: context.describe_key(key).map(Box::new),
        });
        // As after every `Enter`. No `Leave` came before: `Exit` ends all memberships.
        for group in &self.groups {
            let (name, group) = (name.clone(), group.clone());
            context.events.push(Event::Join { peer, name, group });
        }
    }
}
