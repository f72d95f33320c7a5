//! The interfaces, with what a node makes of each.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;
use zre_tokio::{
    Beacons, InterfaceState, WhyNot,
    zre_core::interfaces::{Choice, Interface, InterfaceAddress, LocalAddress},
};

use crate::{failure::Failure, options::Placement};

/// All interfaces of this machine, with what a node makes of each.
#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    interfaces: Vec<Entry>,
    /// The addresses that are used, the best first.
    used: Vec<Used>,
    /// What was asked for and is not there.
    missing: Vec<String>,
    #[serde(skip)]
    addresses: Vec<LocalAddress>,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    index: u32,
    state: InterfaceWord,
    loopback: bool,
    point_to_point: bool,
    can_broadcast: bool,
    can_multicast: bool,
    /// The metric of its default route.
    default_route: Option<u32>,
    addresses: Vec<Address>,
}

#[derive(Debug, Serialize)]
struct Address {
    address: IpAddr,
    prefix_len: u8,
    broadcast: Option<Ipv4Addr>,
    label: Option<String>,
    used: bool,
    /// Why it is not used: a word that no version changes.
    why_not: Option<&'static str>,
    #[serde(skip)]
    shown: String,
}

#[derive(Debug, Serialize)]
struct Used {
    interface: String,
    address: IpAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum InterfaceWord {
    Connected,
    NoCarrier,
    Down,
}

impl Listing {
    /// What there is, and what a node that is placed so makes of it.
    pub(crate) fn of(placement: &Placement) -> Result<Self, Failure> {
        let interfaces = zre_net::interfaces()
            .map_err(|error| Failure::Told(format!("cannot list the interfaces: {error}")))?;
        Ok(Self::new(&interfaces, placement))
    }

    fn new(interfaces: &[Interface], placement: &Placement) -> Self {
        let choice = placement.choose(interfaces);
        let entry = |interface| Entry::new(interface, &choice, &placement.beacons);
        Self {
            interfaces: interfaces.iter().map(entry).collect(),
            used: choice.used.iter().map(Used::from).collect(),
            missing: choice.missing.iter().map(ToString::to_string).collect(),
            addresses: choice.used,
        }
    }

    /// Whether a node has a network, and all that it was to have.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty() && !self.used.is_empty()
    }

    /// The addresses that are used, the best first.
    pub(crate) fn addresses(&self) -> &[LocalAddress] {
        &self.addresses
    }

    /// What was asked for and is not there.
    pub(crate) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// The names of all interfaces.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.interfaces.iter().map(|entry| entry.name.as_str())
    }

    /// Why each interface that is not loopback is not used, as in `eth0 is down`.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let others = self.interfaces.iter().filter(|entry| !entry.loopback);
        others.map(Entry::reason).collect()
    }

    /// The interface with the default route, if there is one and it is not used.
    pub(crate) fn unused_default(&self) -> Option<&str> {
        let routed = self
            .interfaces
            .iter()
            .filter(|it| it.default_route.is_some());
        let best = routed.min_by_key(|it| it.default_route)?;
        let is_used = best.addresses.iter().any(|it| it.used);
        (!is_used).then_some(best.name.as_str())
    }

    /// One line for each interface and for each address, no longer than 80 columns.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let addresses = self.interfaces.iter().flat_map(|it| &it.addresses);
        let width = addresses.map(|it| it.text().len()).max().unwrap_or(0);
        self.interfaces
            .iter()
            .flat_map(move |entry| entry.lines(width))
    }

    /// What follows, in a sentence.
    pub(crate) fn conclusion(&self) -> String {
        if !self.missing.is_empty() {
            let missing = self.missing.join(", ");
            return format!("There is no interface {missing}: a node would not start.");
        }
        let used = self.used.iter();
        let used = used.map(|it| format!("{} ({})", it.interface, it.address));
        match used.collect::<Vec<_>>().as_slice() {
            [] => "A node has no network, and waits for one.".to_owned(),
            used => format!("A node is on {}.", used.join(", ")),
        }
    }
}

impl Entry {
    fn new(interface: &Interface, choice: &Choice, beacons: &Beacons) -> Self {
        let addresses = interface.addresses.iter();
        Self {
            name: interface.name.clone(),
            index: interface.index,
            state: interface.state.into(),
            loopback: interface.is_loopback,
            point_to_point: interface.is_point_to_point,
            can_broadcast: interface.can_broadcast,
            can_multicast: interface.can_multicast,
            default_route: interface.default_route,
            addresses: addresses
                .map(|address| Address::new(interface, address, choice, beacons))
                .collect(),
        }
    }

    fn reason(&self) -> String {
        let first = self.addresses.first();
        let why = match self.state {
            InterfaceWord::Down => "is down",
            InterfaceWord::NoCarrier => "has no carrier",
            InterfaceWord::Connected => first.map_or("has no address", |it| it.shown.as_str()),
        };
        format!("{} {}", self.name, why.trim_start_matches(NOT_USED))
    }

    fn lines(&self, width: usize) -> impl Iterator<Item = String> {
        let state = match self.state {
            InterfaceWord::Connected => "connected",
            InterfaceWord::NoCarrier => "no carrier",
            InterfaceWord::Down => "down",
        };
        let mut head = format!("{} ({}): {state}", self.name, self.index);
        for (word, is_so) in [
            ("loopback", self.loopback),
            ("point-to-point", self.point_to_point),
            ("default route", self.default_route.is_some()),
        ] {
            if is_so {
                head.push_str(", ");
                head.push_str(word);
            }
        }
        if self.addresses.is_empty() {
            head.push_str(", no address");
        }
        let addresses = self.addresses.iter();
        let addresses = addresses.map(move |it| format!("    {:width$}  {}", it.text(), it.shown));
        [head].into_iter().chain(addresses)
    }
}

const NOT_USED: &str = "not used: ";

impl Address {
    fn new(on: &Interface, it: &InterfaceAddress, choice: &Choice, beacons: &Beacons) -> Self {
        let used = choice.used.iter();
        let used = used
            .filter(|used| used.index == on.index && used.address == it.address)
            .count();
        let mut others = choice.passed_over.iter();
        let why_not = others
            .find(|other| other.interface == on.name && other.address == Some(it.address))
            .map(|other| other.why);
        let shown = match why_not.filter(|_| used == 0) {
            Some(why) => format!("{NOT_USED}{why}"),
            None => format!("used{}", way(it, beacons)),
        };
        Self {
            address: it.address,
            prefix_len: it.prefix_len,
            broadcast: it.broadcast,
            label: it.label.clone(),
            used: used > 0,
            why_not: why_not.filter(|_| used == 0).map(word),
            shown,
        }
    }

    fn text(&self) -> String {
        format!("{}/{}", self.address, self.prefix_len)
    }
}

/// How beacons go out from an address.
fn way(it: &InterfaceAddress, beacons: &Beacons) -> String {
    match (beacons, it.broadcast) {
        (Beacons::Off | Beacons::To(_), _) => String::new(),
        (Beacons::Multicast(group), _) if group.is_ipv6() == it.address.is_ipv6() => {
            format!(", multicast {group}")
        }
        (_, Some(broadcast)) => format!(", broadcast {broadcast}"),
        (_, None) => ", multicast ff02::1".to_owned(),
    }
}

/// The word for a reason, which no version changes.
fn word(why: WhyNot) -> &'static str {
    match why {
        WhyNot::Down => "down",
        WhyNot::NoCarrier => "no_carrier",
        WhyNot::NoAddress => "no_address",
        WhyNot::CannotBroadcast => "cannot_broadcast",
        WhyNot::CannotMulticast => "cannot_multicast",
        WhyNot::Loopback => "loopback",
        WhyNot::NotAskedFor => "not_asked_for",
        WhyNot::Second => "second",
        _ => "other",
    }
}

impl From<&LocalAddress> for Used {
    fn from(local: &LocalAddress) -> Self {
        Self {
            interface: local.interface.clone(),
            address: local.address,
        }
    }
}

impl From<InterfaceState> for InterfaceWord {
    fn from(state: InterfaceState) -> Self {
        match state {
            InterfaceState::Down => Self::Down,
            InterfaceState::NoCarrier => Self::NoCarrier,
            _ => Self::Connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use zre_tokio::{Interfaces, IpVersion};

    use super::*;

    fn interface(name: &str, index: u32, addresses: &[(&str, u8)]) -> Interface {
        let mut interface = Interface::new(name, index);
        let addresses = addresses.iter();
        interface.addresses = addresses
            .map(|(address, prefix)| {
                InterfaceAddress::new(address.parse::<IpAddr>().unwrap(), *prefix)
            })
            .collect();
        interface
    }

    fn machine() -> [Interface; 4] {
        let mut lo = interface("lo", 1, &[("127.0.0.1", 8), ("::1", 128)]);
        lo.is_loopback = true;
        let mut eth0 = interface(
            "eth0",
            2,
            &[("10.0.0.2", 24), ("fe80::2", 64), ("fd00::2", 64)],
        );
        eth0.default_route = Some(100);
        let docker0 = interface("docker0", 3, &[("172.17.0.1", 16)]);
        let mut eth1 = interface("eth1", 4, &[]);
        eth1.state = InterfaceState::Down;
        [lo, docker0, eth1, eth0]
    }

    fn listing(interfaces: Interfaces) -> Listing {
        let placement = Placement {
            interfaces,
            ip: IpVersion::Both,
            beacons: Beacons::Broadcast,
            ip_is_set_by: None,
        };
        Listing::new(&machine(), &placement)
    }

    #[test]
    fn each_address_is_shown_with_its_use_or_the_reason_why_it_has_none() {
        let listing = listing(Interfaces::Default);
        let lines: Vec<_> = listing.lines().collect();
        let expected = [
            "lo (1): connected, loopback",
            "    127.0.0.1/8    not used: is loopback",
            "    ::1/128        not used: is loopback",
            "docker0 (3): connected",
            "    172.17.0.1/16  not used: comes after another",
            "eth1 (4): down, no address",
            "eth0 (2): connected, default route",
            "    10.0.0.2/24    used, broadcast 10.0.0.255",
            "    fe80::2/64     not used: comes after another",
            "    fd00::2/64     used, multicast ff02::1",
        ];
        assert_eq!(lines, expected);
        let said = "A node is on eth0 (10.0.0.2), eth0 (fd00::2).";
        assert_eq!(listing.conclusion(), said);
        assert!(listing.is_complete());
        assert_eq!(listing.unused_default(), None);
    }

    #[test]
    fn what_is_missing_and_the_default_route_that_is_not_used_are_named() {
        let chosen = |name: &str| listing(Interfaces::Chosen(vec![name.into()]));
        let nope = chosen("nope");
        assert!(!nope.is_complete());
        let said = "There is no interface nope: a node would not start.";
        assert_eq!(nope.conclusion(), said);
        assert_eq!(chosen("docker0").unused_default(), Some("eth0"));
        let down = chosen("eth1");
        assert!(!down.is_complete());
        assert_eq!(
            down.conclusion(),
            "A node has no network, and waits for one."
        );
        let reasons = down.reasons();
        assert!(reasons.contains(&"eth1 is down".to_owned()), "{reasons:?}");
        assert!(
            reasons.contains(&"eth0 was not asked for".to_owned()),
            "{reasons:?}"
        );
    }

    #[test]
    fn json_has_the_same_with_words_that_stay() {
        let json = serde_json::to_value(listing(Interfaces::Default)).unwrap();
        let of = |name: &str| {
            let all = json["interfaces"].as_array().unwrap();
            all.iter().find(|it| it["name"] == name).unwrap().clone()
        };
        let eth0 = of("eth0");
        assert_eq!(
            (eth0["state"].as_str(), eth0["default_route"].as_u64()),
            (Some("connected"), Some(100))
        );
        assert_eq!(
            eth0["addresses"][0],
            serde_json::json!({
                "address": "10.0.0.2", "prefix_len": 24, "broadcast": "10.0.0.255",
                "label": null, "used": true, "why_not": null,
            })
        );
        assert_eq!(of("docker0")["addresses"][0]["why_not"], "second");
        assert_eq!(of("eth1")["state"], "down");
        assert_eq!(json["used"][0]["address"], "10.0.0.2");
    }
}
