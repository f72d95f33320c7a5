//! The networks that this node is on, and where peers on each of them can reach it.

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    time::Duration,
};

use zre_proto::Endpoint;

use super::place::{address_of, is_link_local, is_source, scope_of};
use crate::{
    config::Config,
    event::NetworkInfo,
    interfaces::{LocalAddress, NetworkId, OwnNetwork},
    time::Instant,
};

/// For so long a beacon from a former address may be this node's own.
const FORMER_FOR: Duration = Duration::from_secs(300);

/// So long after it was told that beacons cannot be sent, it is told again.
const FAILS_AGAIN: Duration = Duration::from_secs(10);

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
    /// When one was last left.
    left_at: Option<Instant>,
    /// Addresses that were this node's own, the latest first, and when they were left. Its
    /// beacons may still be under way.
    former: VecDeque<(IpAddr, Instant)>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct On {
    network: OwnNetwork,
    /// Whether the last beacon could be sent, as it has been told.
    announces: bool,
    /// When it was last told that it could not.
    failed_at: Option<Instant>,
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
            left_at: None,
            former: VecDeque::new(),
        }
    }

    /// Takes the networks that the node is on from now on. `None` if nothing changes, or if these
    /// are the first.
    pub(super) fn replace(
        &mut self,
        networks: Vec<OwnNetwork>,
        now: Instant,
    ) -> Option<NetworkChange> {
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
        self.note_left(&before, now);
        let left: Vec<_> = before.iter().map(On::info).collect();
        let are_first = !core::mem::replace(&mut self.are_told, true);
        let is_change = !(joined.is_empty() && left.is_empty());
        (is_change && !are_first).then_some(NetworkChange { joined, left })
    }

    fn note_left(&mut self, left: &[On], now: Instant) {
        /// So many are remembered.
        const MOST: usize = 16;
        for on in left {
            self.left_at = Some(now);
            self.former.push_front((on.network.address.address, now));
            self.former.truncate(MOST);
        }
    }

    /// Whether one has been left within this time.
    pub(super) fn have_changed(&self, time: Duration, now: Instant) -> bool {
        self.left_at.is_some_and(|at| now.since(at) < time)
    }

    /// Notes how a beacon went, and says whether that is to be told: that one could not be sent is,
    /// once in ten seconds.
    pub(super) fn note_beacon(&mut self, network: NetworkId, is_sent: bool, now: Instant) -> bool {
        let mut on = self.on.iter_mut();
        let Some(on) = on.find(|on| on.network.id == network) else {
            return false;
        };
        if on.announces && !is_sent {
            if on.failed_at.is_some_and(|at| now.since(at) < FAILS_AGAIN) {
                return false;
            }
            on.failed_at = Some(now);
        }
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

    /// Whether peers are told the same, wherever they are.
    pub(super) fn are_one(&self) -> bool {
        self.on.len() == 1 || self.advertise.is_some()
    }

    /// Where a peer that is at this place can reach this node: on the network that they share, else
    /// on the first of the same IP version.
    pub(super) fn endpoint_for(&self, place: &Endpoint) -> &Endpoint {
        // Nearly always.
        if self.are_one() {
            return self.endpoint();
        }
        let address = address_of(place);
        let shared = self.on.iter().find(|on| on.reaches(place));
        let like = |on: &&On| {
            address.is_some_and(|address| {
                let own = on.network.address.address;
                own.is_ipv4() == address.is_ipv4()
            })
        };
        let chosen = shared.or_else(|| self.on.iter().find(like));
        chosen.map_or_else(|| self.endpoint(), |on| &on.network.endpoint)
    }

    /// Whether a place is on a network that this node is on; also if nobody knows.
    pub(super) fn reach(&self, place: &Endpoint) -> bool {
        !self.are_told || self.on.iter().any(|on| on.reaches(place))
    }

    /// The number of the link on which an address is; `None` if several can be meant.
    pub(super) fn link_of(&self, address: IpAddr) -> Option<u32> {
        let index = |on: &On| on.network.address.index;
        let mut on = self.on.iter();
        let found = on
            .find(|on| on.network.address.contains(address))
            .map(index);
        let mut all = self.on.iter().map(index);
        let first = all.next();
        let only = first.filter(|first| all.all(|other| other == *first));
        found.or(only).filter(|index| *index != 0)
    }

    /// Whether a place is this node's own.
    pub(super) fn is_own(&self, place: &Endpoint) -> bool {
        let scope = scope_of(place).filter(|_| is_link_local(place));
        let is_it = |on: &On| on.network.endpoint.is_same_place(place) && on.may_be_on(scope);
        self.on.iter().any(is_it)
            || (self.advertise.is_some() || self.on.is_empty())
                && self.endpoint().is_same_place(place)
    }

    /// Whether a beacon that names this place as its sender's names this node's own.
    pub(super) fn is_own_source(&self, source: SocketAddr) -> bool {
        let is_it = |on: &On| is_source(&on.network.endpoint, source) && on.may_be_on(link(source));
        self.on.iter().any(is_it)
            || (self.advertise.is_some() || self.on.is_empty())
                && is_source(self.endpoint(), source)
    }

    /// Whether an address is this node's own, or was a short while ago.
    pub(super) fn is_own_address(&self, address: IpAddr, now: Instant) -> bool {
        let address = address.to_canonical();
        let (mut on, mut former) = (self.on.iter(), self.former.iter());
        on.any(|on| on.network.address.address == address)
            || former.any(|(it, left_at)| *it == address && now.since(*left_at) < FORMER_FOR)
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
            failed_at: None,
            own_heard: 0,
        }
    }

    /// Whether a link-local address with this scope can be on this network.
    fn may_be_on(&self, scope: Option<u32>) -> bool {
        let index = self.network.address.index;
        index == 0 || scope.is_none_or(|scope| scope == index)
    }

    /// Whether a place is on this network.
    fn reaches(&self, place: &Endpoint) -> bool {
        let own = &self.network.address;
        match (is_link_local(place), scope_of(place)) {
            // It counts on one link, whatever other address this node has there.
            (true, Some(scope)) if own.index != 0 => own.index == scope && own.address.is_ipv6(),
            _ => address_of(place).is_some_and(|address| own.contains(address)),
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

/// The link that a datagram came in on, if its source is link-local.
fn link(source: SocketAddr) -> Option<u32> {
    match source {
        SocketAddr::V6(source) => Some(source.scope_id()).filter(|scope| *scope != 0),
        SocketAddr::V4(_) => None,
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
