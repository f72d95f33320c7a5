//! The networks that this node is on, and where peers on each of them can reach it.

use alloc::{string::String, vec::Vec};
use core::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU16,
};

use zre_proto::{Endpoint, Host};

use crate::{
    config::Config,
    event::NetworkInfo,
    interfaces::{LocalAddress, NetworkId, OwnNetwork},
};

/// The networks of this node, the best first.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Networks {
    on: Vec<On>,
    /// What peers are told, wherever they are.
    advertise: Option<Endpoint>,
    /// What counts while there is no network.
    fallback: Endpoint,
    /// Whether they have ever been told.
    are_told: bool,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct On {
    network: OwnNetwork,
    /// Whether the last beacon could be sent.
    announces: bool,
    /// How many beacons of this node have come back from it.
    own_heard: u64,
}

/// What has changed.
#[derive(Debug)]
pub(super) struct NetworkChange {
    pub(super) joined: Vec<NetworkInfo>,
    pub(super) left: Vec<NetworkInfo>,
}

impl Networks {
    pub(super) fn new(config: &Config) -> Self {
        let only = config.networks.is_none().then(|| only(&config.endpoint));
        Self {
            on: only.into_iter().map(On::new).collect(),
            advertise: config.advertise.clone(),
            fallback: config.endpoint.clone(),
            are_told: false,
        }
    }

    /// Takes the networks that the node is on from now on. `None` if nothing changes, or if these
    /// are the first.
    pub(super) fn replace(&mut self, networks: Vec<OwnNetwork>) -> Option<NetworkChange> {
        let mut before = core::mem::take(&mut self.on);
        let mut joined = Vec::new();
        for network in networks {
            let known = before.iter().position(|on| on.network == network);
            let on = match known {
                Some(known) => before.remove(known),
                None => {
                    let on = On::new(network);
                    joined.push(on.info());
                    on
                }
            };
            self.on.push(on);
        }
        let left: Vec<_> = before.iter().map(On::info).collect();
        let are_first = !core::mem::replace(&mut self.are_told, true);
        let is_change = !(joined.is_empty() && left.is_empty());
        (is_change && !are_first).then_some(NetworkChange { joined, left })
    }

    /// Notes how a beacon went, and says whether that is new.
    pub(super) fn note_beacon(&mut self, network: NetworkId, is_sent: bool) -> bool {
        let mut on = self.on.iter_mut();
        let Some(on) = on.find(|on| on.network.id == network) else {
            return false;
        };
        core::mem::replace(&mut on.announces, is_sent) != is_sent
    }

    /// Where this node is, as it says when nobody in particular asks.
    pub(super) fn endpoint(&self) -> &Endpoint {
        let first = self.on.first().map(|on| &on.network.endpoint);
        let advertised = self.advertise.as_ref();
        advertised.or(first).unwrap_or(&self.fallback)
    }

    /// Whether the node is on a network, or says where it is whatever that may be.
    pub(super) fn are_there(&self) -> bool {
        !self.on.is_empty() || self.advertise.is_some()
    }

    /// Where a peer that is at this place can reach this node: on the network that they share, else
    /// on the first of the same IP version.
    pub(super) fn endpoint_for(&self, place: &Endpoint) -> &Endpoint {
        // Nearly always.
        if self.on.len() == 1 || self.advertise.is_some() {
            return self.endpoint();
        }
        let address = address_of(place);
        let shared = self
            .on
            .iter()
            .find(|on| address.is_some_and(|address| on.network.address.contains(address)));
        let like = |on: &&On| {
            address.is_some_and(|address| {
                let own = on.network.address.address;
                own.is_ipv4() == address.is_ipv4()
            })
        };
        let chosen = shared.or_else(|| self.on.iter().find(like));
        chosen.map_or_else(|| self.endpoint(), |on| &on.network.endpoint)
    }

    /// Whether a place is this node's own.
    pub(super) fn is_own(&self, place: &Endpoint) -> bool {
        let mut on = self.on.iter();
        on.any(|on| on.network.endpoint.is_same_place(place))
            || self.endpoint().is_same_place(place)
    }

    /// Whether an address is this node's own.
    pub(super) fn is_own_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let mut on = self.on.iter();
        on.any(|on| on.network.address.address == address)
    }

    /// A beacon of this node has come back from this address.
    pub(super) fn note_own(&mut self, from: IpAddr) {
        let from = from.to_canonical();
        let on = self.on.iter_mut();
        for on in on.filter(|on| on.network.address.address == from) {
            on.own_heard += 1;
        }
    }

    /// Where beacons go out, with the port that they give.
    pub(super) fn announced(&self) -> impl Iterator<Item = (NetworkId, NonZeroU16)> {
        self.on.iter().map(|on| {
            let endpoint = self.advertise.as_ref().unwrap_or(&on.network.endpoint);
            (on.network.id, endpoint.port())
        })
    }

    /// The networks, as the application sees them.
    pub(super) fn infos(&self) -> impl Iterator<Item = NetworkInfo> {
        self.on.iter().map(On::info)
    }

    /// How many beacons of this node have come back from each network.
    pub(super) fn own_heard(&self) -> impl Iterator<Item = (NetworkId, u64)> {
        self.on.iter().map(|on| (on.network.id, on.own_heard))
    }
}

impl On {
    fn new(network: OwnNetwork) -> Self {
        Self {
            network,
            announces: true,
            own_heard: 0,
        }
    }

    fn info(&self) -> NetworkInfo {
        NetworkInfo {
            interface: self.network.address.interface.clone(),
            address: self.network.address.address,
            endpoint: self.network.endpoint.clone(),
            announces: self.announces,
        }
    }
}

/// The network of a node that is never told of any.
fn only(endpoint: &Endpoint) -> OwnNetwork {
    let address = address_of(endpoint).unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    OwnNetwork {
        id: NetworkId::ONLY,
        address: LocalAddress {
            interface: String::new(),
            index: 0,
            address,
            prefix_len: 0,
            broadcast: None,
            is_loopback: address.is_loopback(),
        },
        endpoint: endpoint.clone(),
    }
}

fn address_of(place: &Endpoint) -> Option<IpAddr> {
    match place.host() {
        Host::V4(address) => Some((*address).into()),
        Host::V6 { address, .. } => Some(IpAddr::from(*address).to_canonical()),
        _ => None,
    }
}
