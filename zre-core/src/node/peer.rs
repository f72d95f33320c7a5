//! What a node knows of one peer.

use alloc::collections::BTreeSet;

use zre_proto::{Endpoint, GroupName, Headers, Host, PeerId, ShortText};

use crate::{event::PeerInfo, time::Instant};

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
}

/// We have said HELLO to every peer we know; the question is whether it has to us.
#[derive(Debug)]
pub(super) enum Session {
    /// The peer's HELLO has not come; until then the application does not hear of it.
    Greeting {
        give_up_at: Instant,
    },
    Ready(Ready),
}

#[derive(Debug)]
pub(super) struct Ready {
    pub(super) name: ShortText,
    pub(super) endpoint: Endpoint,
    pub(super) headers: Headers,
    pub(super) groups: BTreeSet<GroupName>,
    pub(super) status: u8,
    pub(super) presence: Presence,
    /// When a peer whose beacon says that it leaves is gone, if its connection has not ended before.
    pub(super) leaves_at: Option<Instant>,
    /// Until when a HELLO is the answer to ours and not another restart.
    pub(super) answer_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Present,
    /// Silent for so long that it is asked, and when it is asked next.
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

    pub(super) fn is_leaving(&self) -> bool {
        matches!(&self.session, Session::Ready(ready) if ready.leaves_at.is_some())
    }

    /// Whether a beacon from `endpoint` is of the process that we are connected to by a host name:
    /// the same port, and no address to tell otherwise.
    pub(super) fn is_same_process(&self, endpoint: &Endpoint) -> bool {
        matches!(self.endpoint.host(), Host::Name(_)) && self.endpoint.port() == endpoint.port()
    }

    pub(super) fn ready_mut(&mut self) -> Option<&mut Ready> {
        match &mut self.session {
            Session::Ready(ready) => Some(ready),
            Session::Greeting { .. } => None,
        }
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
            groups: ready.groups.clone(),
        })
    }
}

/// Answers come in the order of the questions, so counting them tells which is which.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pings {
    pub(super) sent: u64,
    pub(super) answered: u64,
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
