//! What a node says of itself, held against its own limits.

use zre_proto::{Hello, Message};

use super::Limits;

/// A limit that the node's own groups or headers exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnLimit {
    pub(crate) what: &'static str,
    pub(crate) value: usize,
    pub(crate) limit: &'static str,
    pub(crate) most: usize,
}

/// Checks a HELLO of this node against its own limits. Its peers most likely have the same, and
/// would refuse one that exceeds them.
pub(crate) fn check_own(hello: Hello, limits: &Limits) -> Result<(), OwnLimit> {
    let most = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    let (groups, headers) = (hello.groups.len(), hello.headers.len());
    let body = hello.into();
    let length = Message { sequence: 1, body }.header_len();
    let checks = [
        (
            "groups",
            groups,
            "groups_per_peer",
            most(limits.groups_per_peer),
        ),
        (
            "headers",
            headers,
            "headers_per_peer",
            most(limits.headers_per_peer),
        ),
        (
            "bytes of groups and headers",
            length,
            "header_frame",
            limits.header_frame,
        ),
    ];
    let exceeded = checks.into_iter().find(|(_, value, _, most)| value > most);
    match exceeded {
        None => Ok(()),
        Some((what, value, limit, most)) => Err(OwnLimit {
            what,
            value,
            limit,
            most,
        }),
    }
}
