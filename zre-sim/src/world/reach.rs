//! Which processes can know each other, and which have to.

use std::net::IpAddr;

use zre_core::{Beacons, Security, proto::Endpoint};

use super::{ProcessIndex, World, connections::GOSSIP_PORT, networks::seen_by};
use crate::network::{AddressIndex, Addresses, HostIndex, LanIndex};

/// Where the running processes are, and what leads them to each other.
#[derive(Debug)]
pub(crate) struct Reach {
    places: Vec<Places>,
    /// Pairs of places of which one has the other's endpoint in its settings.
    fixed: Vec<(usize, usize)>,
    /// For each place, the first of those that gossip connects it with; itself if it does not
    /// gossip.
    gossip: Vec<usize>,
    /// Whether all that can know each other have to.
    is_simple: bool,
    /// Whether any of them has a key.
    has_keys: bool,
}

/// Where a process is.
#[derive(Debug)]
struct Places {
    process: ProcessIndex,
    host: HostIndex,
    on: Vec<On>,
}

/// A network that a process is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct On {
    interface: u32,
    address: AddressIndex,
    is_v6: bool,
    lan: Option<LanIndex>,
    is_connected: bool,
    /// The group that takes the place of broadcasts.
    group: Option<IpAddr>,
    has_beacons: bool,
}

impl World {
    /// Where the running processes are, and what leads them to each other.
    pub(crate) fn reach(&self) -> Reach {
        let running = (0..self.processes.len()).filter(|process| self.is_running(*process));
        let places: Vec<_> = running.map(|process| self.places(process)).collect();
        let mut reach = Reach {
            fixed: Vec::new(),
            gossip: (0..places.len()).collect(),
            is_simple: !self.network.has_routers(),
            has_keys: places.iter().any(|it| self.security(it).is_some()),
            places,
        };
        for one in 0..reach.places.len() {
            let config = &self.processes[reach.places[one].process].config;
            for endpoint in &config.connect {
                let found = self.found_at(&reach, one, &endpoint.endpoint, |port| port);
                reach.fixed.extend(found.map(|other| (one, other)));
                reach.is_simple = false;
            }
            for endpoint in &config.gossip_connect {
                let hub = self.found_at(&reach, one, &endpoint.endpoint, |_| GOSSIP_PORT);
                if let Some(hub) = hub {
                    reach.join_gossip(one, hub);
                }
                reach.is_simple = false;
            }
        }
        reach
    }

    /// Whether two running processes have to know each other, if there is time enough. The numbers
    /// are places in [`Reach::processes`].
    pub(crate) fn must_know(&self, reach: &Reach, one: usize, other: usize) -> bool {
        if reach.has_keys && !self.trust_each_other(&reach.places[one], &reach.places[other]) {
            return false;
        }
        let hear = self.hear_each_other(&reach.places[one], &reach.places[other]);
        if hear || reach.is_simple {
            return hear;
        }
        let is_fixed = reach.fixed.contains(&(one, other)) || reach.fixed.contains(&(other, one));
        let gossips = reach.gossip[one] == reach.gossip[other];
        (is_fixed || gossips) && self.meet_on_routes(&reach.places[one], &reach.places[other])
    }

    /// Whether two running processes may know each other: one may have been told of the other
    /// earlier.
    pub(crate) fn may_know(&self, reach: &Reach, one: usize, other: usize) -> bool {
        let (a, b) = (&reach.places[one], &reach.places[other]);
        if reach.has_keys && !self.trust_each_other(a, b) {
            return false;
        }
        self.hear_each_other(a, b) || !reach.is_simple && self.can_connect(a, b)
    }

    /// Whether two processes have no keys, or each has one that the other trusts.
    fn trust_each_other(&self, one: &Places, other: &Places) -> bool {
        let trusts = |security: &Security, other: &Security| {
            let key = other.keypair.public();
            security.trust.admits(&key).is_some()
        };
        match (self.security(one), self.security(other)) {
            (Some(one), Some(other)) => trusts(one, other) && trusts(other, one),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    fn security(&self, places: &Places) -> Option<&Security> {
        self.processes[places.process].machine.node().security()
    }

    fn places(&self, process: ProcessIndex) -> Places {
        let host = self.processes[process].host;
        let state = &self.network.hosts[host];
        let beacons = &self.processes[process].config.beacons;
        let on = |interface: u32, address, is_v6| {
            let found = state.interface(interface);
            let group = self.group(process, is_v6);
            On {
                interface,
                address,
                is_v6,
                lan: found.and_then(|it| it.lan),
                is_connected: found.is_some_and(|it| it.connected_to().is_some()),
                group,
                has_beacons: *beacons != Beacons::Off,
            }
        };
        let on = match self.looks_at_interfaces(process) {
            true => {
                let networks = self.processes[process].networks.iter();
                networks
                    .map(|it| on(it.interface, it.address, it.is_v6))
                    .collect()
            }
            false => {
                let interfaces = state.interfaces.iter();
                let first = |addresses: &[_]| addresses.first().copied();
                let assigned = interfaces.filter_map(|it| Some((it.index, first(&it.addresses)?)));
                assigned
                    .map(|(index, it)| on(index, it.address, false))
                    .collect()
            }
        };
        Places { process, host, on }
    }

    /// The place of the process that accepts connections at an endpoint, as another one sees it.
    fn found_at(
        &self,
        reach: &Reach,
        from: usize,
        endpoint: &Endpoint,
        port: impl FnOnce(u16) -> u16,
    ) -> Option<usize> {
        let remote = self.find(reach.places[from].host, endpoint)?;
        let address = self.network.addresses.find(remote.ip())?;
        let host = self.network.host_at(reach.places[from].host, address)?;
        let process = self.listener(host, address, port(remote.port()))?;
        let found = reach.places.iter().position(|it| it.process == process);
        let found = found.filter(|found| *found != from)?;
        let (from, to) = (&reach.places[from], &reach.places[found]);
        let source = self.network.source(from.host, remote, address)?;
        let leads = self.network.path(from.host, source, address).is_some()
            && self.network.path(to.host, address, source).is_some();
        leads.then_some(found)
    }

    /// Whether two processes are on a network on which each hears the other and can connect to it.
    fn hear_each_other(&self, one: &Places, other: &Places) -> bool {
        let (from, to) = (one.host, other.host);
        // Inside a host neither cable nor LAN matters.
        let share = |a: &On, b: &On| {
            let is_same = from == to && a.interface == b.interface;
            let is_lan = a.lan.is_some() && a.lan == b.lan;
            let is_open = from == to || a.is_connected && b.is_connected;
            let talk = a.has_beacons && b.has_beacons && a.group == b.group && a.is_v6 == b.is_v6;
            talk && (is_same || is_lan && is_open)
        };
        pairs(one, other).any(|(a, b)| share(a, b))
            // A session needs a connection in each direction.
            && self.network.carries(from, to)
            && self.network.carries(to, from)
    }

    /// Whether each of two processes can connect to the other, if it knows all its addresses.
    fn can_connect(&self, one: &Places, other: &Places) -> bool {
        pairs(one, other).any(|(a, b)| {
            let is_inside = a.address != Addresses::LOOPBACK || one.host == other.host;
            let open = |host, from, to| self.network.path(host, from, to).is_some();
            is_inside
                && open(one.host, a.address, b.address)
                && open(other.host, b.address, a.address)
        })
    }

    /// Whether each of two processes connects to the other by an address to which the other one's
    /// own connections lead: so whatever one is told of the other is right.
    fn meet_on_routes(&self, one: &Places, other: &Places) -> bool {
        let routed = |from: &Places, to: &On| {
            let target = self.network.addresses.get(to.address);
            let target = seen_by(to.interface, target, GOSSIP_PORT);
            self.network.source(from.host, target, to.address)
        };
        pairs(one, other).any(|(a, b)| {
            let are_routes =
                routed(one, b) == Some(a.address) && routed(other, a) == Some(b.address);
            let open = |host, from, to| self.network.path(host, from, to).is_some();
            are_routes
                && open(one.host, a.address, b.address)
                && open(other.host, b.address, a.address)
        })
    }
}

impl Reach {
    /// The running processes, in the order of their first start.
    pub(crate) fn processes(&self) -> impl Iterator<Item = ProcessIndex> {
        self.places.iter().map(|place| place.process)
    }

    /// Whether all that can know each other have to.
    pub(crate) fn is_simple(&self) -> bool {
        self.is_simple
    }

    fn join_gossip(&mut self, one: usize, hub: usize) {
        let (one, hub) = (self.gossip[one], self.gossip[hub]);
        let all = self.gossip.iter_mut();
        all.filter(|it| **it == one).for_each(|it| *it = hub);
    }
}

fn pairs<'a>(one: &'a Places, other: &'a Places) -> impl Iterator<Item = (&'a On, &'a On)> {
    one.on
        .iter()
        .flat_map(|a| other.on.iter().map(move |b| (a, b)))
}
