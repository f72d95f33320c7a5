//! What peers tell of themselves, which the node keeps: names, endpoints, headers and groups.

use zre_proto::{GroupName, Hello, MessageError, Text};

use crate::{config::Limits, error::Fault};

/// So much of each peer does not count, so that those with much leave room for ordinary ones.
const FREE: usize = 2 << 10;
/// What a text takes besides its bytes, in a list or a tree.
const TEXT: usize = 2 * size_of::<Text>();

/// What all peers together have told, as far as it counts.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Told(usize);

impl Told {
    /// Whether a peer may tell so much in place of what it had told `before`.
    pub(super) fn check(&self, before: usize, after: usize, limits: &Limits) -> Result<(), Fault> {
        let limit = limits.peer_data_bytes;
        let total = self.0 - counted(before) + counted(after);
        match total <= limit {
            true => Ok(()),
            false => Err(Fault::TooMuchTold { limit }),
        }
    }

    /// What a peer has told is another now.
    pub(super) fn change(&mut self, told: &mut usize, after: usize) {
        self.0 = self.0 - counted(*told) + counted(after);
        *told = after;
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        self.0
    }
}

fn counted(told: usize) -> usize {
    told.saturating_sub(FREE)
}

/// What a HELLO tells, without its groups.
pub(super) fn weight(hello: &Hello) -> usize {
    let headers = hello.headers.iter();
    let headers = headers.map(|(name, value)| name.len() + value.len() + 2 * TEXT);
    // The endpoint may have a name of 255 bytes at most, and is mostly an address.
    hello.name.len() + 2 * TEXT + headers.sum::<usize>()
}

/// What a HELLO tells.
pub(crate) fn hello_weight(hello: &Hello) -> usize {
    let groups: usize = hello.groups.iter().map(group_weight).sum();
    weight(hello) + groups
}

pub(super) fn group_weight(group: &GroupName) -> usize {
    group.len() + 2 * TEXT
}

/// Checks what a HELLO tells against the limits for one peer and for all; `before` is what its peer
/// has told so far.
pub(super) fn check_hello(
    hello: &Hello,
    before: usize,
    told: &Told,
    limits: &Limits,
) -> Result<(), Fault> {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    // Bytes have been checked before they were decoded; whole messages may come from elsewhere.
    let (announced, limit) = (count(hello.groups.len()), limits.groups_per_peer);
    if announced > limit {
        return Err(MessageError::TooManyGroups { announced, limit }.into());
    }
    let (announced, limit) = (count(hello.headers.len()), limits.headers_per_peer);
    if announced > limit {
        return Err(MessageError::TooManyHeaders { announced, limit }.into());
    }
    told.check(before, hello_weight(hello), limits)
}
