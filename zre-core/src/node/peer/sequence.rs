//! The sequence numbers of the messages to and from one peer.

/// The sequence numbers of both directions (RFC 36, "Protocol Grammar": `sequence`).
///
/// Numbers wrap from 65535 to 0. pyre and zyre.js wrap from 65534 to 0; once such a peer has
/// shown itself by doing so, it is counted its way in both directions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sequence {
    sent: u16,
    received: u16,
    wraps_early: bool,
}

impl Sequence {
    /// Takes the number for the next message to the peer.
    pub(crate) fn number_next(&mut self) -> u16 {
        self.sent = self.after(self.sent);
        self.sent
    }

    pub(crate) fn expected(&self) -> u16 {
        self.after(self.received)
    }

    pub(crate) fn fits(&self, received: u16) -> bool {
        received == self.expected() || self.shows_early_wrap(received)
    }

    /// Whether `received` can only be next if the peer wraps early.
    pub(crate) fn shows_early_wrap(&self, received: u16) -> bool {
        !self.wraps_early && self.expected() == u16::MAX && received == 0
    }

    pub(crate) fn accept(&mut self, received: u16) {
        // Before `received` changes, which is what shows it.
        self.wraps_early |= self.shows_early_wrap(received);
        self.received = received;
    }

    /// The peer starts over with its HELLO.
    pub(crate) fn restart_received(&mut self) {
        self.received = 1;
    }

    /// We start over with our HELLO.
    pub(crate) fn restart_sent(&mut self) {
        self.sent = 0;
    }

    /// How many messages have been sent, from our HELLO on, until the numbers wrap.
    pub(crate) fn sent(&self) -> u16 {
        self.sent
    }

    /// So many messages have been sent, from our HELLO on.
    pub(crate) fn set_sent(&mut self, sent: u16) {
        self.sent = sent;
    }

    /// A new session with the same implementation.
    pub(crate) fn renewed(&self) -> Self {
        Self {
            wraps_early: self.wraps_early,
            ..Self::default()
        }
    }

    fn after(&self, number: u16) -> u16 {
        // pyre counts modulo 65535, so its last number is 65534.
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
