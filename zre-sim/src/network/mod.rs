//! Hosts, the networks between them, and randomness.

mod addresses;
mod chance;
mod host;
mod interfaces;
mod routes;

use std::collections::BTreeMap;

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use zre_core::{Instant, interfaces::IpVersion};

use crate::{clock::Clock, conditions::Conditions};
pub(crate) use addresses::{AddressIndex, Addresses};
pub(crate) use host::{HostInterface, HostState, LOOPBACK};
pub(crate) use routes::{Path, is_link_local};

/// The number of a host, in the order in which they were made.
pub(crate) type HostIndex = usize;

/// The number of a LAN, in the order in which they were made.
pub(crate) type LanIndex = usize;

/// Everything between the nodes.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) hosts: Vec<HostState>,
    pub(crate) lans: Vec<Lan>,
    pub(crate) addresses: Addresses,
    /// The names of hosts, and others that lead to them.
    names: BTreeMap<String, HostIndex>,
    links: BTreeMap<(HostIndex, HostIndex), Link>,
    partitions: Vec<Partition>,
    chance: ChaCha8Rng,
}

#[derive(Debug)]
pub(crate) struct Lan {
    pub(crate) name: String,
    pub(crate) conditions: Conditions,
    /// Which addresses hosts get there.
    pub(crate) ip: IpVersion,
    /// The first LAN of those that routers connect with this one; itself if there is no router.
    routed: LanIndex,
}

/// One direction between two hosts, where it differs from the LAN.
#[derive(Debug, Default)]
struct Link {
    conditions: Option<Conditions>,
    cut: bool,
    /// Whether the last datagram was lost, if losses come in bursts.
    in_burst: bool,
    /// Until when streams use up the bandwidth.
    busy_until: Instant,
}

/// Two sides between which nothing crosses.
#[derive(Debug)]
struct Partition {
    /// By host: 1 or 2, and 0 for a host on neither side.
    sides: Vec<u8>,
}

impl Partition {
    fn side(&self, host: HostIndex) -> u8 {
        self.sides.get(host).copied().unwrap_or(0)
    }

    fn separates(&self, a: HostIndex, b: HostIndex) -> bool {
        matches!((self.side(a), self.side(b)), (1, 2) | (2, 1))
    }
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            hosts: Vec::new(),
            lans: Vec::new(),
            addresses: Addresses::new(),
            names: BTreeMap::new(),
            links: BTreeMap::new(),
            partitions: Vec::new(),
            chance: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The LAN with this name; makes it if there is none.
    pub(crate) fn lan(&mut self, name: &str) -> LanIndex {
        // There are few LANs, and scripts rarely ask: a list will do.
        if let Some(index) = self.lans.iter().position(|lan| lan.name == name) {
            return index;
        }
        assert!(self.lans.len() < 200, "a simulation has at most 200 LANs");
        self.lans.push(Lan {
            name: name.into(),
            conditions: Conditions::default(),
            ip: IpVersion::V4,
            routed: self.lans.len(),
        });
        self.lans.len() - 1
    }

    /// Adds a host with an interface on a LAN.
    pub(crate) fn add_host(&mut self, name: &str, lan: LanIndex, clock: Clock) -> HostIndex {
        self.hosts.push(HostState::new(name, clock));
        let host = self.hosts.len() - 1;
        self.names.insert(name.into(), host);
        let interface = self.add_interface(host, "eth0");
        self.move_interface(host, interface, lan);
        host
    }

    /// The host that has this name, or to which it leads.
    pub(crate) fn find_name(&self, name: &str) -> Option<HostIndex> {
        self.names.get(name).copied()
    }

    pub(crate) fn find_host(&self, name: &str) -> Option<HostIndex> {
        let found = self.find_name(name);
        found.filter(|host| self.hosts[*host].name == name)
    }

    /// From now on a name leads to this host.
    pub(crate) fn set_name(&mut self, name: &str, host: HostIndex) {
        self.names.insert(name.into(), host);
    }

    /// Whether hosts can connect to others that they do not hear.
    pub(crate) fn has_routers(&self) -> bool {
        let mut lans = self.lans.iter().enumerate();
        lans.any(|(number, lan)| lan.routed != number)
    }

    /// Puts a router between two LANs.
    pub(crate) fn connect_lans(&mut self, one: LanIndex, other: LanIndex) {
        let (one, other) = (self.lans[one].routed, self.lans[other].routed);
        let all = self.lans.iter_mut();
        all.filter(|lan| lan.routed == other)
            .for_each(|lan| lan.routed = one);
    }

    pub(crate) fn partition(&mut self, one: &[HostIndex], other: &[HostIndex]) {
        let mut sides = vec![0; self.hosts.len()];
        for (side, hosts) in [(1, one), (2, other)] {
            for host in hosts {
                if let Some(found) = sides.get_mut(*host) {
                    *found = side;
                }
            }
        }
        self.partitions.push(Partition { sides });
    }

    /// Ends partitions and mends every cut link.
    pub(crate) fn heal(&mut self) {
        self.partitions.clear();
        self.links.values_mut().for_each(|link| link.cut = false);
    }

    pub(crate) fn set_link(&mut self, from: HostIndex, to: HostIndex, conditions: Conditions) {
        self.links.entry((from, to)).or_default().conditions = Some(conditions);
    }

    pub(crate) fn set_cut(&mut self, from: HostIndex, to: HostIndex, cut: bool) {
        self.links.entry((from, to)).or_default().cut = cut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_hosts() -> Network {
        let mut network = Network::new(1);
        let lan = network.lan("lan");
        let clock = Clock::new(Instant::default(), Instant::default());
        network.add_host("a", lan, clock);
        network.add_host("b", lan, clock);
        network
    }

    fn way(from: HostIndex, to: HostIndex) -> Path {
        let lan = Some(0);
        Path { from, to, lan }
    }

    #[test]
    fn datagrams_are_lost_in_the_share_and_the_runs_that_were_asked_for() {
        for burst in [1.0, 5.0] {
            let mut network = two_hosts();
            network.set_link(
                0,
                1,
                Conditions {
                    loss: 0.3,
                    burst,
                    ..Conditions::perfect()
                },
            );
            let there = way(0, 1);
            let lost: Vec<_> = (0..100_000)
                .map(|_| network.datagram(Some(there)) == [None, None])
                .collect();
            let count = lost.iter().filter(|lost| **lost).count();
            let runs = lost
                .windows(2)
                .filter(|pair| *pair == [false, true])
                .count();
            assert!((28_500..31_500).contains(&count), "{count} of 100,000");
            let mean = count as f64 / runs as f64;
            // Independent losses follow each other now and then.
            let expected = if burst == 1.0 { 1.0 / 0.7 } else { burst };
            assert!((mean / expected - 1.0).abs() < 0.1, "runs of {mean}");
        }
    }

    #[test]
    fn a_line_carries_its_bandwidth_and_no_more() {
        let mut network = two_hosts();
        let bandwidth = Some(1_000_000);
        network.set_link(
            0,
            1,
            Conditions {
                bandwidth,
                ..Conditions::perfect()
            },
        );
        let now = Instant::default();
        let times: Vec<_> = (0..3)
            .map(|_| network.stream(way(0, 1), 1000, now).as_micros())
            .collect();
        assert_eq!(times, [1000, 2000, 3000]);
        let back = network.stream(way(1, 0), 1000, now);
        assert!(back.as_micros() <= 300, "the other direction is free");
    }

    #[test]
    fn a_partition_separates_its_sides_only() {
        let mut network = two_hosts();
        let clock = Clock::new(Instant::default(), Instant::default());
        network.add_host("c", 0, clock);
        network.partition(&[0], &[1]);
        assert!(!network.carries(0, 1) && !network.carries(1, 0));
        assert!(network.carries(0, 2) && network.carries(2, 1));
        network.heal();
        assert!(network.carries(0, 1));
    }
}
