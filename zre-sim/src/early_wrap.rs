//! How pyre and zyre.js count messages.

use std::collections::BTreeMap;

use zre_core::{
    LinkId,
    proto::{Body, Message},
};

/// Translates between how the node counts and how pyre and zyre.js do: 65534 is followed by 0.
#[derive(Debug, Default)]
pub(crate) struct EarlyWrap {
    /// How many messages each connection has carried; they go one way only.
    carried: BTreeMap<LinkId, u64>,
}

impl EarlyWrap {
    const EARLY: u64 = 65_535;
    const RIGHT: u64 = 65_536;

    pub(crate) fn sent(&mut self, link: LinkId, message: &mut Message) {
        message.sequence = in_sequence(self.count(link, message), Self::EARLY);
    }

    /// Gives a message the number that the node expects, if it has the number that pyre expects.
    pub(crate) fn received(&mut self, link: LinkId, message: &mut Message) {
        let count = self.count(link, message);
        let fits = message.sequence == in_sequence(count, Self::EARLY);
        let right = in_sequence(count, Self::RIGHT);
        message.sequence = match fits {
            true => right,
            // Any other number will do: pyre would end the session, and the node is to do the same.
            false => right.wrapping_add(1000),
        };
    }

    fn count(&mut self, link: LinkId, message: &Message) -> u64 {
        let carried = self.carried.entry(link).or_default();
        *carried = match message.body {
            // RFC 36: HELLO has the number 1, and the session counts from there.
            Body::Hello(_) => 1,
            _ => *carried + 1,
        };
        *carried
    }
}

fn in_sequence(count: u64, wrap: u64) -> u16 {
    u16::try_from(count % wrap).unwrap_or(0)
}
