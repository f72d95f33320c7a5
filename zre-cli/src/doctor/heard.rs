//! Whose beacons are heard.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::time::Instant;
use zre_net::zre_proto::Beacon;
use zre_tokio::PeerId;

/// So many nodes and so many senders of other things are remembered.
const MOST: usize = 500;

/// Everything that came in on the discovery port.
#[derive(Debug, Default)]
pub(super) struct Heard {
    nodes: BTreeMap<PeerId, HeardNode>,
    /// Who sends what is no beacon, the last error, and how often.
    strange: BTreeMap<IpAddr, (String, u64)>,
}

/// A node whose beacons are heard.
#[derive(Debug)]
pub(super) struct HeardNode {
    /// Where its beacons come from, with the port that they give, in the order of appearance.
    places: Vec<Place>,
    /// It accepts encrypted connections alone.
    pub(super) is_secured: bool,
    /// It has said goodbye.
    pub(super) has_left: bool,
    /// How often beacons came from a place again, after another of the same IP version.
    returns: u32,
}

#[derive(Debug)]
struct Place {
    at: SocketAddr,
    beacons: u32,
    first: Instant,
    last: Instant,
}

impl Heard {
    /// Notes a datagram.
    pub(super) fn note(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) {
        match Beacon::decode(datagram) {
            Ok(beacon) => self.note_beacon(from.ip().to_canonical(), &beacon, now),
            Err(error) => {
                let from = from.ip().to_canonical();
                if self.strange.len() < MOST || self.strange.contains_key(&from) {
                    let strange = self.strange.entry(from).or_default();
                    *strange = (error.to_string(), strange.1 + 1);
                }
            }
        }
    }

    fn note_beacon(&mut self, from: IpAddr, beacon: &Beacon, now: Instant) {
        if self.nodes.len() >= MOST && !self.nodes.contains_key(&beacon.peer) {
            return;
        }
        let node = self.nodes.entry(beacon.peer).or_insert(HeardNode {
            places: Vec::new(),
            is_secured: false,
            has_left: false,
            returns: 0,
        });
        node.is_secured = beacon.public_key.is_some();
        node.has_left = beacon.port.is_none();
        if let Some(port) = beacon.port {
            node.note_place(SocketAddr::new(from, port.get()), now);
        }
    }

    /// All nodes, by their identities.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (PeerId, &HeardNode)> {
        self.nodes.iter().map(|(peer, node)| (*peer, node))
    }

    /// Takes what is known of a node out.
    pub(super) fn take(&mut self, peer: PeerId) -> Option<HeardNode> {
        self.nodes.remove(&peer)
    }

    /// Who sends what is no beacon, what is wrong with it, and how often.
    pub(super) fn strange(&self) -> impl Iterator<Item = (IpAddr, &str, u64)> {
        let strange = self.strange.iter();
        strange.map(|(from, (error, count))| (*from, error.as_str(), *count))
    }
}

impl HeardNode {
    fn note_place(&mut self, at: SocketAddr, now: Instant) {
        let of_version = |it: &&Place| it.at.is_ipv4() == at.is_ipv4();
        let last = self
            .places
            .iter()
            .filter(of_version)
            .max_by_key(|it| it.last);
        let was_elsewhere = last.is_some_and(|it| it.at != at);
        let is_full = self.places.len() >= MOST;
        match self.places.iter_mut().find(|it| it.at == at) {
            Some(place) => {
                self.returns += u32::from(was_elsewhere);
                place.beacons += 1;
                place.last = now;
            }
            // Who sends from everywhere is heard all the same.
            None if is_full => {}
            None => self.places.push(Place {
                at,
                beacons: 1,
                first: now,
                last: now,
            }),
        }
    }

    /// Where its beacons come from, with the port that they give.
    pub(super) fn places(&self) -> impl Iterator<Item = SocketAddr> {
        self.places.iter().map(|place| place.at)
    }

    /// How many beacons came, from places of which this is true.
    pub(super) fn beacons_from(&self, is_so: impl Fn(SocketAddr) -> bool) -> u64 {
        let places = self.places.iter().filter(|place| is_so(place.at));
        places.map(|place| u64::from(place.beacons)).sum()
    }

    /// How often it announces itself, if that can be told.
    pub(super) fn interval(&self) -> Option<Duration> {
        let best = self.places.iter().max_by_key(|place| place.beacons)?;
        let intervals = best.beacons.checked_sub(1).filter(|count| *count > 0)?;
        Some((best.last - best.first) / intervals)
    }

    /// Two places at which two nodes with this identity seem to be: the beacons come from both by
    /// turns, and with different ports. One node on two networks has the same port on both.
    pub(super) fn twins(&self) -> Option<(SocketAddr, SocketAddr)> {
        let first = self.places.first().filter(|_| self.returns > 0)?;
        let is_other =
            |it: &&Place| it.at.is_ipv4() == first.at.is_ipv4() && it.at.port() != first.at.port();
        let other = self.places.iter().find(is_other)?;
        Some((first.at, other.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beacon(peer: u8, port: u16) -> Vec<u8> {
        [b"ZRE\x01", &[peer; 16][..], &port.to_be_bytes()].concat()
    }

    fn heard(beacons: &[(&str, u8, u16)]) -> Heard {
        let (mut heard, start) = (Heard::default(), Instant::now());
        for (count, (from, peer, port)) in (0..).zip(beacons) {
            let from = SocketAddr::new(from.parse().unwrap(), 5670);
            let now = start + Duration::from_millis(500) * count;
            heard.note(from, &beacon(*peer, *port), now);
        }
        heard
    }

    fn node(heard: &Heard) -> &HeardNode {
        heard.nodes().next().expect("it is heard").1
    }

    #[test]
    fn beacons_are_counted_for_each_place_and_their_interval_is_measured() {
        let heard = heard(&[
            ("10.0.0.2", 1, 7),
            ("fe80::2", 1, 7),
            ("10.0.0.2", 1, 7),
            ("fe80::2", 1, 7),
            ("10.0.0.2", 1, 7),
        ]);
        let node = node(&heard);
        assert_eq!(node.interval(), Some(Duration::from_secs(1)));
        assert_eq!(node.beacons_from(|at| at.is_ipv4()), 3);
        assert_eq!(node.beacons_from(|at| at.is_ipv6()), 2);
        assert_eq!(node.twins(), None);
    }

    #[test]
    fn two_nodes_of_one_identity_are_told_from_one_that_was_started_anew() {
        let (one, other) = (("10.0.0.2", 1, 7), ("10.0.0.3", 1, 8));
        assert!(node(&heard(&[one, other, one])).twins().is_some());
        assert!(node(&heard(&[one, one, other, other])).twins().is_none());
        // One node, with cable and radio on the same network.
        let second = ("10.0.0.3", 1, 7);
        assert!(node(&heard(&[one, second, one, second])).twins().is_none());
    }

    #[test]
    fn what_is_no_beacon_is_counted_for_each_sender() {
        let mut heard = Heard::default();
        let from: SocketAddr = "10.0.0.9:1".parse().unwrap();
        heard.note(from, b"hello", Instant::now());
        heard.note(from, b"ZRE\x02", Instant::now());
        let strange: Vec<_> = heard.strange().collect();
        assert_eq!(
            strange,
            [(from.ip(), "beacon version 2, expected 1 or 3", 2)]
        );
        assert_eq!(heard.nodes().count(), 0);
    }

    #[test]
    fn a_node_that_leaves_or_wants_a_key_is_known_as_such() {
        let mut heard = heard(&[("10.0.0.2", 1, 7), ("10.0.0.2", 1, 0)]);
        assert!(node(&heard).has_left);
        let secured = [b"ZRE\x03", &[2; 16][..], &[0, 9], &[5; 32]].concat();
        heard.note("10.0.0.3:1".parse().unwrap(), &secured, Instant::now());
        let secured = heard.take(PeerId::from([2; 16])).expect("it is heard");
        assert!(secured.is_secured && !secured.has_left);
    }
}
