//! What it takes to send to one peer.

use core::{ops::Range, time::Duration};

use zre_proto::{Body, Message, PeerId};

use super::{pings::Pings, sequence::Sequence};
use crate::{
    node::{
        context::NodeContext,
        output::{NodeOutput, SentSoFar},
    },
    time::Instant,
};

/// After such a silence zyre asks, and pyre does not.
const EARLY: Range<Duration> = Duration::from_millis(500)..Duration::from_secs(9);

/// After such a silence gyre asks, which dies of ELECT.
const OF_GYRE: Range<Duration> = Duration::from_millis(2500)..Duration::from_secs(4);

/// Numbers what is sent to a peer, and says whether it can be sent at all.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Channel {
    pub(crate) peer: PeerId,
    /// Whether the peer is not connected yet, because the endpoint that it claims belongs to
    /// another peer, which is being asked whether it is still there.
    pub(crate) awaits_endpoint: bool,
    /// Whether nothing of the application is sent, until it is known whether it is the peer to whom
    /// we are connected.
    pub(crate) is_in_doubt: bool,
    pub(crate) sequence: Sequence,
    pub(crate) pings: Pings,
    /// When it was last sent something else than messages of the application.
    sent_at: Instant,
    /// When it has last asked early; see [`asks_early`](Self::asks_early).
    early_at: Option<Instant>,
}

/// What a new session takes over from the earlier one with the same peer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EarlierChannel {
    sequence: Sequence,
    late_answers: u64,
}

impl Channel {
    /// For a new session. `last_ping` is the highest number of a PING to any peer so far: no number
    /// shall mean two questions, also not to the same peer in two sessions.
    pub(super) fn new(
        peer: PeerId,
        awaits_endpoint: bool,
        earlier: EarlierChannel,
        last_ping: u64,
    ) -> Self {
        Self {
            peer,
            awaits_endpoint,
            is_in_doubt: false,
            sequence: earlier.sequence,
            pings: Pings::after(last_ping).with_late(earlier.late_answers),
            sent_at: Instant::default(),
            early_at: None,
        }
    }

    /// What the next session takes over: the numbers begin again, but the implementation is likely
    /// the same, and some questions may be answered late.
    pub(crate) fn earlier(&self) -> EarlierChannel {
        EarlierChannel {
            sequence: self.sequence.renewed(),
            late_answers: self.pings.late_answers(),
        }
    }

    /// What has been sent over the connection to the peer, for whoever takes that over.
    pub(crate) fn sent_so_far(&self) -> SentSoFar {
        SentSoFar {
            messages: self.sequence.sent(),
            pings: self.pings.outstanding(),
        }
    }

    /// The connection to the peer existed before, and this has been sent over it.
    pub(crate) fn note_greeted(&mut self, sent: SentSoFar) {
        self.sequence.set_sent(sent.messages);
        self.pings.expect_earlier_answers(sent.pings);
    }

    /// Whether messages of the application can be sent.
    pub(crate) fn is_usable(&self) -> bool {
        !self.awaits_endpoint && !self.is_in_doubt
    }

    /// Sends the next message of the session, or drops it if the peer is not connected: the HELLO
    /// that is sent when it is connected says everything anew.
    pub(crate) fn send(&mut self, body: Body, context: &mut NodeContext) {
        if self.awaits_endpoint {
            return;
        }
        let peer = self.peer;
        self.sent_at = context.now;
        let sequence = self.sequence.number_next();
        let message = Message { sequence, body };
        context
            .outputs
            .push_back(NodeOutput::Send { peer, message });
    }

    /// Sees to it that the peer confirms all that has been sent to it, and gives the number of the
    /// question whose answer does.
    pub(crate) fn confirm_all(&mut self, context: &mut NodeContext) -> u64 {
        match self.pings.confirm_all() {
            (_, true) => self.ping(context),
            (number, false) => {
                // The peer's next session must not take this number for another question.
                context.last_ping = context.last_ping.max(number);
                number
            }
        }
    }

    /// The peer asks (PING). Says whether only zyre asks so early after our last message, which it
    /// does when it is silent for five seconds. pyre does after ten, unless it hears our beacons.
    ///
    /// One such question may be an accident: the peer stood still, and had not read our message.
    /// pyre needs ten seconds for another.
    pub(crate) fn asks_early(&mut self, context: &NodeContext) -> bool {
        let silence = context.now.since(self.sent_at);
        if !EARLY.contains(&silence) || OF_GYRE.contains(&silence) {
            return false;
        }
        let before = self.early_at.replace(context.now);
        before.is_some_and(|at| context.now.since(at) < EARLY.end)
    }

    /// The peer may have begun a new session, in which no earlier question is answered.
    pub(crate) fn forget_unanswered(&mut self, context: &mut NodeContext) {
        context.answered.note(self.peer, self.pings.answered());
        self.pings.forget_unanswered();
    }

    /// Asks the question that somebody waits for, if the last has been answered.
    pub(crate) fn ask_if_due(&mut self, context: &mut NodeContext) {
        if self.pings.is_due() {
            self.ping(context);
        }
    }

    /// Asks the peer for an answer (PING), and gives the number of the question.
    ///
    /// A question to a peer that is not connected is numbered but not sent: it stays unanswered.
    pub(crate) fn ping(&mut self, context: &mut NodeContext) -> u64 {
        let number = self.pings.number_next();
        context.last_ping = context.last_ping.max(number);
        self.send(Body::Ping, context);
        number
    }
}
