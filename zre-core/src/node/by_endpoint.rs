//! Which peer is connected at which place.

use alloc::collections::BTreeMap;
use core::{net::Ipv4Addr, num::NonZeroU16};

use zre_proto::{Endpoint, PeerId};

use super::{
    place::{is_link_local, scope_of},
    table::plain,
};

/// Places and their peers, however an endpoint is spelled. Those with an IPv4 address, as nearly
/// all, take a third of the memory of the others.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct ByEndpoint {
    plain: BTreeMap<(Ipv4Addr, NonZeroU16), PeerId>,
    others: BTreeMap<(Endpoint, Option<u32>), PeerId>,
}

/// A link-local address means another host on each link.
fn key(endpoint: &Endpoint) -> (Endpoint, Option<u32>) {
    let canonical = endpoint.canonical();
    let scope = is_link_local(&canonical)
        .then(|| scope_of(endpoint))
        .flatten();
    (canonical, scope)
}

impl ByEndpoint {
    pub(super) fn get(&self, endpoint: &Endpoint) -> Option<PeerId> {
        let found = match plain(endpoint) {
            Some(plain) => self.plain.get(&plain),
            None => self.others.get(&key(endpoint)),
        };
        found.copied()
    }

    pub(super) fn insert(&mut self, endpoint: &Endpoint, peer: PeerId) {
        match plain(endpoint) {
            Some(plain) => self.plain.insert(plain, peer),
            None => self.others.insert(key(endpoint), peer),
        };
    }

    pub(super) fn remove(&mut self, endpoint: &Endpoint) {
        match plain(endpoint) {
            Some(plain) => self.plain.remove(&plain),
            None => self.others.remove(&key(endpoint)),
        };
    }
}
