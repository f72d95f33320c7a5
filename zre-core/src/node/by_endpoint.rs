//! Which peer is connected at which place.

use alloc::collections::BTreeMap;
use core::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU16,
};

use zre_proto::{Endpoint, Host, PeerId};

use super::table::plain;

/// The address of a place, unless that is a host name.
pub(super) fn address_of(endpoint: &Endpoint) -> Option<IpAddr> {
    match endpoint.host() {
        // Nearly all.
        Host::V4(address) => Some((*address).into()),
        _ => endpoint.canonical().to_socket_addr().map(|it| it.ip()),
    }
}

/// Places and their peers, however an endpoint is spelled. Those with an IPv4 address, as nearly
/// all, take a third of the memory of the others.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct ByEndpoint {
    plain: BTreeMap<(Ipv4Addr, NonZeroU16), PeerId>,
    others: BTreeMap<Endpoint, PeerId>,
}

impl ByEndpoint {
    pub(super) fn get(&self, endpoint: &Endpoint) -> Option<PeerId> {
        let found = match plain(endpoint) {
            Some(plain) => self.plain.get(&plain),
            None => self.others.get(&endpoint.canonical()),
        };
        found.copied()
    }

    pub(super) fn insert(&mut self, endpoint: &Endpoint, peer: PeerId) {
        match plain(endpoint) {
            Some(plain) => self.plain.insert(plain, peer),
            None => self.others.insert(endpoint.canonical(), peer),
        };
    }

    pub(super) fn remove(&mut self, endpoint: &Endpoint) {
        match plain(endpoint) {
            Some(plain) => self.plain.remove(&plain),
            None => self.others.remove(&endpoint.canonical()),
        };
    }
}
