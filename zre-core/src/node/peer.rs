//! What a node knows of one peer.

use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

use zre_proto::{Endpoint, GroupName, Headers, PeerId, ShortText};

use crate::{
    event::{ExitReason, PeerInfo},
    time::Instant,
};

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    /// Where messages for the peer go.
    pub(super) endpoint: Endpoint,
    pub(super) session: Session,
    pub(super) sequence: Sequence,
    pub(super) pings: Pings,
    /// The last sign of life: any message, or a beacon from the endpoint above.
    pub(super) heard_at: Instant,
    /// Whether it is not connected yet, because another peer is known at its endpoint.
    pub(super) waits: bool,
    /// Another endpoint that its beacons come from, and when the last one came.
    pub(super) elsewhere: Option<(Endpoint, Instant)>,
}

/// We have said HELLO to every peer we know; the question is whether it has to us.
#[derive(Debug)]
pub(super) enum Session {
    /// The peer's HELLO has not come; until then the application does not hear of it.
    Greeting {
        give_up_at: Instant,
        /// How many congestions had ended when that was decided: its HELLO may lie unread meanwhile.
        reliefs: u64,
        /// Whether it has been given longer because what came in place of a HELLO was refused.
        refused: bool,
        /// Whether its goodbye has overtaken its HELLO.
        leaves: bool,
    },
    Ready(Box<Ready>),
}

#[derive(Debug)]
pub(super) struct Ready {
    pub(super) name: ShortText,
    pub(super) endpoint: Endpoint,
    pub(super) headers: Headers,
    /// In the order of their names. They are mostly one or two, for which a tree takes many times the room.
    pub(super) groups: Vec<GroupName>,
    pub(super) status: u8,
    pub(super) presence: Presence,
    /// Whether the peer knows of the session.
    pub(super) answer: Answer,
    /// Why it may be gone, if there is a reason.
    pub(super) doubt: Option<Doubt>,
}

/// The peer is asked whether it is there, and gone if it does not answer.
#[derive(Debug)]
pub(super) struct Doubt {
    pub(super) ping: u64,
    pub(super) until: Instant,
    /// How many congestions had ended when that was decided.
    pub(super) reliefs: u64,
    /// Why it is gone then.
    pub(super) reason: ExitReason,
    /// Who gives its endpoint as its own.
    pub(super) claimant: Option<PeerId>,
}

/// After we said HELLO to a peer that may have held its session for complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It knows of the session.
    Known,
    /// Until then, one more HELLO is an answer to ours and not another restart.
    MayCome { until: Instant, patience: Duration },
    /// Such a HELLO came. If it was an answer, the peer is in the session and answers this PING;
    /// if it was a restart, it waits for our HELLO and does not.
    Asked {
        ping: u64,
        until: Instant,
        /// How many congestions had ended when that was decided: its answer may lie unread meanwhile.
        reliefs: u64,
        patience: Duration,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Present,
    /// Silent for so long that it is asked, though its beacons are heard from elsewhere.
    Asked {
        since: Instant,
    },
    /// Silent for so long that it is asked again and again, and when it is asked next.
    Evasive {
        since: Instant,
        ping_at: Instant,
        silent: bool,
    },
}

impl Peer {
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.session, Session::Ready(_))
    }

    /// Whether its last beacon said goodbye.
    pub(super) fn is_leaving(&self) -> bool {
        match &self.session {
            Session::Greeting { leaves, .. } => *leaves,
            Session::Ready(ready) => ready.has_said_goodbye(),
        }
    }

    /// It announces itself anew. One that has entered is being asked already; its new life, if it is one, can be
    /// heard before the end of the old is.
    pub(super) fn is_back(&mut self) {
        if let Session::Greeting { leaves, .. } = &mut self.session {
            *leaves = false;
        }
    }

    /// Where it may be reached: where it is connected, where its last beacon came from, where it says.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let elsewhere = self.elsewhere.as_ref().map(|(endpoint, _)| endpoint);
        let own_words = match &self.session {
            Session::Ready(ready) => Some(&ready.endpoint),
            Session::Greeting { .. } => None,
        };
        let others = elsewhere.into_iter().chain(own_words);
        let different = others.filter(|endpoint| **endpoint != self.endpoint);
        core::iter::once(&self.endpoint).chain(different)
    }

    pub(super) fn ready(&self) -> Option<&Ready> {
        match &self.session {
            Session::Ready(ready) => Some(ready),
            Session::Greeting { .. } => None,
        }
    }

    /// Since when it has been asked whether it is there, as its silence demands; it may be us who slept.
    pub(super) fn asked_at(&self) -> Option<Instant> {
        match &self.session {
            Session::Greeting { .. } => None,
            Session::Ready(ready) => match ready.presence {
                Presence::Present => None,
                Presence::Asked { since } | Presence::Evasive { since, .. } => Some(since),
            },
        }
    }

    pub(super) fn ready_mut(&mut self) -> Option<&mut Ready> {
        match &mut self.session {
            Session::Ready(ready) => Some(ready),
            Session::Greeting { .. } => None,
        }
    }

    /// Whether it has entered under this name.
    pub(super) fn has_name(&self, name: &[u8]) -> bool {
        matches!(&self.session, Session::Ready(ready) if ready.name.as_bytes() == name)
    }

    pub(super) fn info(&self) -> Option<PeerInfo> {
        let Session::Ready(ready) = &self.session else {
            return None;
        };
        Some(PeerInfo {
            id: self.id,
            name: ready.name.clone(),
            endpoint: ready.endpoint.clone(),
            headers: ready.headers.clone(),
            groups: ready.groups.iter().cloned().collect(),
        })
    }
}

impl Ready {
    pub(super) fn has_said_goodbye(&self) -> bool {
        let reason = self.doubt.as_ref().map(|doubt| &doubt.reason);
        reason == Some(&ExitReason::Goodbye)
    }

    pub(super) fn forget_goodbye(&mut self) {
        self.doubt
            .take_if(|doubt| doubt.reason == ExitReason::Goodbye);
    }
}

/// PINGs and their answers. Answers come in the order of the questions, so counting them tells which is which.
///
/// Numbers go on from one session of the node to the next, so that none means two questions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pings {
    /// Questions up to this one belong to an earlier session and get no answer any more.
    forgotten: u64,
    pub(super) sent: u64,
    pub(super) answered: u64,
}

impl Pings {
    pub(super) fn after(last: u64) -> Self {
        Self {
            forgotten: last,
            sent: last,
            answered: last,
        }
    }

    /// An answer that nobody asked for counts for nothing.
    pub(super) fn count_answer(&mut self) {
        self.answered = self.sent.min(self.answered + 1);
    }

    pub(super) fn forget_unanswered(&mut self) {
        *self = Self::after(self.sent);
    }

    /// Whether a question has been answered; `None` if it will not be.
    pub(super) fn is_answered(&self, number: u64) -> Option<bool> {
        (number > self.forgotten).then_some(number <= self.answered)
    }
}

/// The sequence numbers of both directions (RFC 36, "Protocol Grammar": `sequence`).
///
/// Numbers wrap from 65535 to 0. pyre and zyre.js wrap from 65534 to 0; once such a peer has
/// shown itself by doing so, it is counted its way in both directions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sequence {
    sent: u16,
    received: u16,
    wraps_early: bool,
}

impl Sequence {
    /// Takes the number for the next message to the peer.
    pub(super) fn number_next(&mut self) -> u16 {
        self.sent = self.after(self.sent);
        self.sent
    }

    pub(super) fn expected(&self) -> u16 {
        self.after(self.received)
    }

    pub(super) fn fits(&self, received: u16) -> bool {
        received == self.expected() || self.shows_early_wrap(received)
    }

    /// Whether `received` can only be next if the peer wraps early.
    pub(super) fn shows_early_wrap(&self, received: u16) -> bool {
        !self.wraps_early && self.expected() == u16::MAX && received == 0
    }

    pub(super) fn accept(&mut self, received: u16) {
        self.wraps_early |= self.shows_early_wrap(received);
        self.received = received;
    }

    /// The peer starts over with its HELLO.
    pub(super) fn restart_received(&mut self) {
        self.received = 1;
    }

    /// We start over with our HELLO.
    pub(super) fn restart_sent(&mut self) {
        self.sent = 0;
    }

    /// A new session with the same implementation.
    pub(super) fn renewed(&self) -> Self {
        Self {
            wraps_early: self.wraps_early,
            ..Self::default()
        }
    }

    fn after(&self, number: u16) -> u16 {
        if self.wraps_early && number == u16::MAX - 1 {
            0
        } else {
            number.wrapping_add(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received_up_to(received: u16) -> Sequence {
        Sequence {
            received,
            ..Sequence::default()
        }
    }

    #[test]
    fn numbers_wrap_from_65535_to_0() {
        let mut sequence = received_up_to(65535);
        assert!(sequence.fits(0));
        sequence.accept(0);
        assert!(!sequence.wraps_early);
        assert!(sequence.fits(1));
    }

    #[test]
    fn a_peer_that_wraps_early_is_in_order_and_is_sent_to_likewise() {
        let mut sequence = received_up_to(65534);
        assert!(sequence.fits(65535));
        assert!(sequence.fits(0));
        sequence.accept(0);
        assert!(sequence.fits(1));
        assert!(!sequence.fits(0));

        sequence.received = 65534;
        assert!(!sequence.fits(65535));
        sequence.sent = 65533;
        assert_eq!(sequence.number_next(), 65534);
        assert_eq!(sequence.number_next(), 0);
    }

    #[test]
    fn a_gap_does_not_fit() {
        let sequence = received_up_to(7);
        assert!(!sequence.fits(7));
        assert!(!sequence.fits(9));
        assert!(!sequence.fits(0));
    }
}
