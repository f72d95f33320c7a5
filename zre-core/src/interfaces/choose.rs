//! Which addresses are used, and why others are not.

use alloc::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{fmt, net::IpAddr};

use super::{
    Interface, InterfaceAddress, InterfaceChoice, InterfaceState, Interfaces, IpVersion,
    LocalAddress, is_in_subnet,
};
use crate::config::Beacons;

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Choice {
    /// The addresses to be used, the best first.
    pub used: Vec<LocalAddress>,
    /// All others, in the order in which the system lists them.
    pub passed_over: Vec<PassedOver>,
    /// What was asked for by name, address or subnet and is not there at all.
    pub missing: Vec<InterfaceChoice>,
}

/// An interface, or an address of it, that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassedOver {
    /// The name of the interface.
    pub interface: String,
    /// The address; `None` if the interface has none, or none that matters.
    pub address: Option<IpAddr>,
    /// Why it is not used.
    pub why: WhyNot,
}

/// Why an interface or an address is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyNot {
    /// The interface is switched off.
    Down,
    /// The interface has no carrier, and another has.
    NoCarrier,
    /// The interface has no address, or none of the IP versions that are used.
    NoAddress,
    /// It is a point-to-point link, or its subnet has no room for a broadcast address.
    CannotBroadcast,
    /// The interface cannot multicast.
    CannotMulticast,
    /// It is a loopback interface.
    Loopback,
    /// It was not asked for.
    NotAskedFor,
    /// Another goes before it: of the same interface, or one with the default route.
    Second,
}

/// Chooses among the interfaces of a machine.
///
/// `current` are the addresses in use so far: where the choice is left to the node, it does not
/// leave one that is still connected.
pub fn choose(
    interfaces: &[Interface],
    wanted: &Interfaces,
    ip: IpVersion,
    beacons: &Beacons,
    current: &[LocalAddress],
) -> Choice {
    let needs = Needs { ip, beacons };
    let used = match wanted {
        Interfaces::Default => default(interfaces, needs, current),
        Interfaces::All => all(interfaces, needs),
        Interfaces::Chosen(choices) => chosen(interfaces, choices, needs),
    };
    let missing = match wanted {
        Interfaces::Chosen(choices) => {
            let is_missing = |it: &&InterfaceChoice| !interfaces.iter().any(|on| it.is_met_by(on));
            choices.iter().filter(is_missing).cloned().collect()
        }
        Interfaces::Default | Interfaces::All => Vec::new(),
    };
    Choice {
        passed_over: passed_over(interfaces, wanted, needs, &used),
        used,
        missing,
    }
}

/// What an address must be good for.
#[derive(Debug, Clone, Copy)]
struct Needs<'a> {
    ip: IpVersion,
    beacons: &'a Beacons,
}

impl Needs<'_> {
    /// Who chooses an address means its version of IP, on loopback, too.
    fn of(self, choice: &InterfaceChoice) -> Self {
        let ip = match (self.ip, choice) {
            (IpVersion::Both, InterfaceChoice::Address(IpAddr::V6(_))) => IpVersion::V6,
            (ip, _) => ip,
        };
        Self { ip, ..self }
    }

    fn allow(self, address: IpAddr, is_loopback: bool) -> bool {
        match (self.ip, address) {
            (IpVersion::V4, IpAddr::V4(_)) | (IpVersion::V6, IpAddr::V6(_)) => true,
            (IpVersion::Both, IpAddr::V4(_)) => true,
            (IpVersion::Both, IpAddr::V6(_)) => !is_loopback,
            _ => false,
        }
    }

    /// What keeps beacons from going out from an address.
    fn obstacle(self, interface: &Interface, address: &InterfaceAddress) -> Option<WhyNot> {
        let is_v6 = address.address.is_ipv6();
        let needs_multicast = match self.beacons {
            Beacons::Off | Beacons::To(_) => return None,
            Beacons::Multicast(_) => true,
            Beacons::Broadcast => is_v6,
        };
        // Linux says of its loopback that it cannot multicast. With IPv4 it can. With IPv6 it
        // cannot, but who asks for loopback may have other ways to find peers.
        if needs_multicast && !(interface.can_multicast || interface.is_loopback) {
            return Some(WhyNot::CannotMulticast);
        }
        let needs_broadcast = !needs_multicast;
        (needs_broadcast && address.broadcast.is_none()).then_some(WhyNot::CannotBroadcast)
    }
}

fn default(
    interfaces: &[Interface],
    needs: Needs<'_>,
    current: &[LocalAddress],
) -> Vec<LocalAddress> {
    let usable = |it: &&Interface| !first_of_each(it, needs).is_empty();
    let others = interfaces.iter().filter(|it| !it.is_loopback);
    let best = others.filter(usable).min_by_key(|it| {
        let has_no_route = it.default_route.is_none();
        let is_unconnected = it.state != InterfaceState::Connected;
        // As of the ends of containers' cables: on most networks there is nobody behind them.
        let has_only_link_local = first_of_each(it, needs)
            .iter()
            .all(|used| is_link_local(used.address));
        (
            is_unconnected,
            has_no_route,
            it.default_route,
            has_only_link_local,
        )
    });
    let Some(best) = best else {
        let loopback = interfaces.iter().filter(|it| it.is_loopback);
        let mut usable = loopback.map(|it| first_of_each(it, needs));
        return usable.find(|used| !used.is_empty()).unwrap_or_default();
    };
    let mut used = first_of_each(best, needs);
    let kept = interfaces.iter().filter(|it| {
        let is_connected = it.state == InterfaceState::Connected && !it.is_loopback;
        is_connected && it.name != best.name && current.iter().any(|on| on.interface == it.name)
    });
    used.extend(kept.flat_map(|it| first_of_each(it, needs)));
    used
}

fn all(interfaces: &[Interface], needs: Needs<'_>) -> Vec<LocalAddress> {
    let mut used: Vec<LocalAddress> = Vec::new();
    let candidates = interfaces.iter().filter(|it| !it.is_loopback);
    let is_connected = |it: &Interface| it.state == InterfaceState::Connected;
    let usable = |it: &Interface| is_connected(it) && !it.usable(needs).is_empty();
    // A network without a carrier is kept only where there is no other: peers that are reached over
    // it are sought on the others at once.
    let others = candidates.clone().any(usable);
    for interface in candidates.filter(|it| !others || is_connected(it)) {
        for address in interface.usable(needs) {
            let is_covered = used
                .iter()
                .any(|other| other.index == interface.index && other.contains(address.address));
            // One address of each subnet, and one IPv6 address.
            let is_second_v6 = address.address.is_ipv6()
                && used
                    .iter()
                    .any(|other| other.index == interface.index && other.address.is_ipv6());
            if !is_covered && !is_second_v6 {
                used.push(interface.local(address));
            }
        }
    }
    used
}

fn chosen(
    interfaces: &[Interface],
    choices: &[InterfaceChoice],
    needs: Needs<'_>,
) -> Vec<LocalAddress> {
    let mut used: Vec<LocalAddress> = Vec::new();
    for choice in choices {
        let needs = needs.of(choice);
        for interface in interfaces {
            let addresses = match choice {
                InterfaceChoice::Name(name) if interface.name == *name => {
                    first_of_each(interface, needs)
                }
                _ => {
                    let usable = interface.usable(needs).into_iter();
                    let matching = usable.filter(|it| choice.matches(it));
                    matching.map(|it| interface.local(it)).collect()
                }
            };
            for address in addresses {
                if !used.contains(&address) {
                    used.push(address);
                }
            }
        }
    }
    used
}

/// The first usable address of each IP version. Without IPv4, a link-local one, too: a host that
/// has nothing else cannot reach any other.
fn first_of_each(interface: &Interface, needs: Needs<'_>) -> Vec<LocalAddress> {
    let usable = interface.usable(needs);
    let first = |is_v6: bool| usable.iter().find(|it| it.address.is_ipv6() == is_v6);
    // If the first is one already, there is no need for a second.
    let is_needed =
        needs.ip == IpVersion::V6 && !usable.first().is_some_and(|it| is_link_local(it.address));
    let link_local = usable.iter().find(|it| is_link_local(it.address));
    let chosen = [first(false), first(true), link_local.filter(|_| is_needed)];
    let chosen = chosen.into_iter().flatten();
    chosen.map(|it| interface.local(it)).collect()
}

fn passed_over(
    interfaces: &[Interface],
    wanted: &Interfaces,
    needs: Needs<'_>,
    used: &[LocalAddress],
) -> Vec<PassedOver> {
    let is_used = |interface: &Interface, address: IpAddr| {
        let mut used = used.iter();
        used.any(|it| it.index == interface.index && it.address == address)
    };
    let mut passed_over = Vec::new();
    for interface in interfaces {
        if interface.addresses.is_empty() {
            passed_over.push(interface.pass_over(None, WhyNot::NoAddress));
        }
        for address in &interface.addresses {
            if !is_used(interface, address.address) {
                let why = why_not(interface, address, wanted, needs, used);
                passed_over.push(interface.pass_over(Some(address.address), why));
            }
        }
    }
    passed_over
}

fn why_not(
    interface: &Interface,
    address: &InterfaceAddress,
    wanted: &Interfaces,
    needs: Needs<'_>,
    used: &[LocalAddress],
) -> WhyNot {
    if let Interfaces::Chosen(choices) = wanted
        && !choices
            .iter()
            .any(|choice| choice.asks_for(interface, address))
    {
        return WhyNot::NotAskedFor;
    }
    if interface.state == InterfaceState::Down {
        return WhyNot::Down;
    }
    if interface.is_loopback && !matches!(wanted, Interfaces::Chosen(_)) {
        return WhyNot::Loopback;
    }
    if !needs.allow(address.address, interface.is_loopback) {
        return WhyNot::NotAskedFor;
    }
    if let Some(obstacle) = needs.obstacle(interface, address) {
        return obstacle;
    }
    let is_interface_used = used.iter().any(|it| it.index == interface.index);
    match interface.state {
        InterfaceState::NoCarrier if !is_interface_used => WhyNot::NoCarrier,
        _ => WhyNot::Second,
    }
}

impl Interface {
    /// Its usable addresses, the best of each IP version first: of IPv6, those that are not
    /// link-local go before those that are, as with zyre.
    fn usable(&self, needs: Needs<'_>) -> Vec<&InterfaceAddress> {
        if self.state == InterfaceState::Down {
            return Vec::new();
        }
        let addresses = self.addresses.iter();
        let mut usable: Vec<_> = addresses
            .filter(|it| needs.allow(it.address, self.is_loopback))
            .filter(|it| needs.obstacle(self, it).is_none())
            .collect();
        usable.sort_by_key(|it| is_link_local(it.address));
        usable
    }

    fn local(&self, address: &InterfaceAddress) -> LocalAddress {
        LocalAddress {
            interface: self.name.clone(),
            index: self.index,
            address: address.address,
            prefix_len: address.prefix_len,
            broadcast: address.broadcast,
            is_loopback: self.is_loopback,
        }
    }

    fn pass_over(&self, address: Option<IpAddr>, why: WhyNot) -> PassedOver {
        PassedOver {
            interface: self.name.clone(),
            address,
            why,
        }
    }
}

impl InterfaceChoice {
    /// Whether anything of an interface is meant, usable or not.
    fn is_met_by(&self, interface: &Interface) -> bool {
        match self {
            Self::Name(name) if interface.name == *name => true,
            _ => interface.addresses.iter().any(|it| self.matches(it)),
        }
    }

    /// Whether an address is meant, by itself or with its interface.
    fn asks_for(&self, interface: &Interface, address: &InterfaceAddress) -> bool {
        match self {
            Self::Name(name) if interface.name == *name => true,
            _ => self.matches(address),
        }
    }

    /// Whether an address is meant by itself.
    fn matches(&self, it: &InterfaceAddress) -> bool {
        match self {
            Self::Name(name) => it.label.as_ref() == Some(name),
            Self::Address(address) => it.address == *address,
            Self::Subnet {
                address,
                prefix_len,
            } => is_in_subnet(it.address, *address, *prefix_len),
        }
    }
}

/// Whether an address counts on one link alone.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// As in `eth1 (10.1.0.2) is down`.
impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.map(|address| format!(" ({address})"));
        let address = address.unwrap_or_default();
        write!(f, "{}{address} {}", self.interface, self.why)
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "is down",
            Self::NoCarrier => "has no carrier",
            Self::NoAddress => "has no address",
            Self::CannotBroadcast => "cannot broadcast",
            Self::CannotMulticast => "cannot multicast",
            Self::Loopback => "is loopback",
            Self::NotAskedFor => "was not asked for",
            Self::Second => "comes after another",
        })
    }
}

/// As in `eth0 (10.0.0.2), lo (127.0.0.1)`: what there is, for error messages.
impl fmt::Display for super::Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.addresses.is_empty() {
            return Ok(());
        }
        let addresses = self.addresses.iter().map(|it| it.address.to_string());
        write!(f, " ({})", addresses.collect::<Vec<_>>().join(", "))
    }
}
