//! Hosts, the networks between them, and randomness.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use zre_core::Instant;

use crate::{clock::Clock, conditions::Conditions};

/// The number of a host, in the order in which they were made.
pub(crate) type HostIndex = usize;

/// How long TCP waits before its first retransmission.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// Everything between the nodes.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) hosts: Vec<HostState>,
    pub(crate) lans: Vec<Lan>,
    by_address: BTreeMap<Ipv4Addr, HostIndex>,
    by_name: BTreeMap<String, HostIndex>,
    links: BTreeMap<(HostIndex, HostIndex), Link>,
    partitions: Vec<Partition>,
    chance: ChaCha8Rng,
}

#[derive(Debug)]
pub(crate) struct Lan {
    pub(crate) name: String,
    pub(crate) conditions: Conditions,
}

#[derive(Debug)]
pub(crate) struct HostState {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) lan: usize,
    pub(crate) clock: Clock,
    /// Whether the machine is on.
    pub(crate) on: bool,
    /// Whether its cable is in.
    pub(crate) plugged: bool,
    /// Whether its processes are stopped, while its system goes on receiving.
    pub(crate) frozen: bool,
    pub(crate) next_port: u16,
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
            by_address: BTreeMap::new(),
            by_name: BTreeMap::new(),
            links: BTreeMap::new(),
            partitions: Vec::new(),
            chance: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The LAN with this name; makes it if there is none.
    pub(crate) fn lan(&mut self, name: &str) -> usize {
        // There are few LANs, and scripts rarely ask: a list will do.
        if let Some(index) = self.lans.iter().position(|lan| lan.name == name) {
            return index;
        }
        assert!(self.lans.len() < 200, "a simulation has at most 200 LANs");
        self.lans.push(Lan {
            name: name.into(),
            conditions: Conditions::default(),
        });
        self.lans.len() - 1
    }

    pub(crate) fn add_host(&mut self, name: &str, lan: usize, clock: Clock) -> HostIndex {
        let address = address(lan, self.hosts.len());
        self.hosts.push(HostState {
            name: name.into(),
            address,
            lan,
            clock,
            on: true,
            plugged: true,
            frozen: false,
            next_port: 49152,
        });
        let index = self.hosts.len() - 1;
        self.by_address.insert(address, index);
        self.by_name.insert(name.into(), index);
        index
    }

    /// Gives a host another address. A host that had it cannot be reached until it gets another.
    pub(crate) fn set_address(&mut self, host: HostIndex, address: Ipv4Addr) {
        let old = std::mem::replace(&mut self.hosts[host].address, address);
        // When two hosts swap, the old address belongs to the other one already.
        if self.by_address.get(&old) == Some(&host) {
            self.by_address.remove(&old);
        }
        self.by_address.insert(address, host);
    }

    pub(crate) fn host_at(&self, address: IpAddr) -> Option<HostIndex> {
        match address {
            IpAddr::V4(address) => self.by_address.get(&address).copied(),
            IpAddr::V6(_) => None,
        }
    }

    pub(crate) fn find_host(&self, name: &str) -> Option<HostIndex> {
        self.by_name.get(name).copied()
    }

    /// Puts a host on another LAN, with an address there.
    pub(crate) fn move_host(&mut self, host: HostIndex, lan: usize) {
        self.hosts[host].lan = lan;
        let address = address(lan, host);
        self.set_address(host, address);
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

    /// Whether something that is sent now reaches the other host.
    pub(crate) fn carries(&self, from: HostIndex, to: HostIndex) -> bool {
        let (Some(one), Some(other)) = (self.hosts.get(from), self.hosts.get(to)) else {
            return false;
        };
        let connected = one.on && other.on && one.plugged && other.plugged && one.lan == other.lan;
        // Inside a host neither cable nor LAN matters.
        from == to && one.on
            || connected
                && !self.links.get(&(from, to)).is_some_and(|link| link.cut)
                && !self.partitions.iter().any(|cut| cut.separates(from, to))
    }

    /// The conditions from one host to another.
    pub(crate) fn conditions(&self, from: HostIndex, to: HostIndex) -> &Conditions {
        const INSIDE_A_HOST: &Conditions = &Conditions {
            latency: Duration::from_micros(20),
            ..Conditions::perfect()
        };
        if from == to {
            return INSIDE_A_HOST;
        }
        // Most networks have no links of their own, and this is asked for every datagram.
        let link = match self.links.is_empty() {
            true => None,
            false => self.links.get(&(from, to)),
        };
        if let Some(conditions) = link.and_then(|link| link.conditions.as_ref()) {
            return conditions;
        }
        let lan = self
            .hosts
            .get(from)
            .and_then(|host| self.lans.get(host.lan));
        lan.map_or(INSIDE_A_HOST, |lan| &lan.conditions)
    }

    /// How long each copy of a datagram takes. There is none if it is lost, and two if it is
    /// duplicated.
    pub(crate) fn datagram(&mut self, from: HostIndex, to: HostIndex) -> [Option<Duration>; 2] {
        // No random number is drawn for what cannot arrive.
        if !self.carries(from, to) {
            return [None, None];
        }
        let conditions = *self.conditions(from, to);
        if self.is_lost(from, to, &conditions) {
            return [None, None];
        }
        // Each copy has its own delay, so the second one may come first.
        let mut delay = self.delay(&conditions);
        if self.happens(conditions.reorder) {
            delay = delay.saturating_mul(10);
        }
        let again = self.happens(conditions.duplicate);
        [Some(delay), again.then(|| self.delay(&conditions))]
    }

    /// When a piece of a stream arrives that is sent now.
    pub(crate) fn stream(
        &mut self,
        from: HostIndex,
        to: HostIndex,
        size: usize,
        now: Instant,
    ) -> Instant {
        let conditions = *self.conditions(from, to);
        let mut sent = now;
        if let Some(bandwidth) = conditions.bandwidth {
            let link = self.links.entry((from, to)).or_default();
            let micros = (size as u64).saturating_mul(1_000_000) / bandwidth;
            // All streams of a direction share its bandwidth: one waits for the other.
            link.busy_until = link.busy_until.max(now) + Duration::from_micros(micros);
            sent = link.busy_until;
        }
        if self.happens(conditions.loss) {
            sent = sent + FIRST_RETRY;
        }
        sent + self.delay(&conditions)
    }

    /// How long TCP waits before it sends something again that was lost `failures` times before.
    pub(crate) fn retry_delay(failures: u32) -> Duration {
        let doubled = FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures.min(10)));
        doubled.min(Duration::from_secs(120))
    }

    pub(crate) fn delay(&mut self, conditions: &Conditions) -> Duration {
        let jitter = u64::try_from(conditions.jitter.as_micros()).unwrap_or(u64::MAX);
        let more = match jitter {
            0 => 0,
            jitter => self.chance.next_u64() % jitter.saturating_add(1),
        };
        conditions.latency + Duration::from_micros(more)
    }

    /// A number from 1 to `most`.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        // The slight bias of a remainder does not matter here.
        let drawn = self.chance.next_u64() % (most.max(1) as u64);
        usize::try_from(drawn).unwrap_or(0) + 1
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && f64::from(self.chance.next_u32()) < share * (f64::from(u32::MAX) + 1.0)
    }

    /// Losses come in bursts of the given mean length, so often that their share is right
    /// (Gilbert's model).
    fn is_lost(&mut self, from: HostIndex, to: HostIndex, conditions: &Conditions) -> bool {
        let Conditions { loss, burst, .. } = *conditions;
        // Without bursts each loss is independent; with a share of 0 or 1 there is nothing to draw.
        if loss <= 0.0 || loss >= 1.0 || burst <= 1.0 {
            return self.happens(loss);
        }
        let in_burst = self
            .links
            .get(&(from, to))
            .is_some_and(|link| link.in_burst);
        let lost = if in_burst {
            // A burst ends so often that it has its mean length.
            !self.happens(1.0 / burst)
        } else {
            // Bursts begin so often that they make up the share of all datagrams.
            self.happens((loss / (burst * (1.0 - loss))).min(1.0))
        };
        // Only a change is written, so that a link without losses needs no entry.
        if lost != in_burst {
            self.links.entry((from, to)).or_default().in_burst = lost;
        }
        lost
    }
}

/// The address of a host on a LAN: 10.LAN.high.low.
fn address(lan: usize, host: HostIndex) -> Ipv4Addr {
    let number = u16::try_from(host + 1).expect("a simulation has at most 65,534 hosts");
    let [high, low] = number.to_be_bytes();
    let lan = u8::try_from(lan).expect("a simulation has at most 200 LANs");
    Ipv4Addr::new(10, lan, high, low)
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
            let lost: Vec<_> = (0..100_000)
                .map(|_| network.datagram(0, 1) == [None, None])
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
            .map(|_| network.stream(0, 1, 1000, now).as_micros())
            .collect();
        assert_eq!(times, [1000, 2000, 3000]);
        let back = network.stream(1, 0, 1000, now);
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
