//! Which network interface a node uses, and the addresses that follow from it.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::str::FromStr;

use getifaddrs::{Address, InterfaceFilter, InterfaceFlags, NetworkAddress};

/// A network interface on which a node can send and receive beacons.
///
/// Each IPv4 address of an interface makes one `Interface`. It is a snapshot of the moment of
/// [`Interface::choose`] and does not follow later changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Interface {
    /// What the system calls the interface, such as `eth0`, without the label that an address may
    /// have; on Windows its friendly name, such as `Ethernet`.
    pub name: String,
    /// The node's own address on it.
    pub address: Ipv4Addr,
    /// Which bits of the address name the subnet; it leaves at least two bits for hosts. For an
    /// address whose own netmask leaves fewer, it is the smallest with the broadcast address.
    pub netmask: Ipv4Addr,
    /// Where beacons are sent, so that every host of the subnet gets them.
    pub broadcast: Ipv4Addr,
    /// Whether it connects this machine only with itself.
    pub loopback: bool,
}

impl Interface {
    /// Finds the interface that `choice` asks for among those of this machine.
    ///
    /// # Errors
    ///
    /// [`InterfaceError::NotFound`] when no interface has that name or address;
    /// [`InterfaceError::NoAddress`], [`InterfaceError::Down`] and
    /// [`InterfaceError::CannotBroadcast`] when one has it, but cannot carry beacons;
    /// [`InterfaceError::NoInterface`] when the choice was left to us and there is not even a
    /// loopback interface; [`InterfaceError::System`] when the system does not list its interfaces.
    pub fn choose(choice: &InterfaceChoice) -> Result<Interface, InterfaceError> {
        choose_from(&listed()?, choice)
    }

    /// Why the other interfaces of this machine, apart from loopback, cannot be used; one reason
    /// for each of their addresses, or for an interface without one.
    ///
    /// # Errors
    ///
    /// [`InterfaceError::System`] when the system does not list its interfaces.
    pub fn unusable() -> Result<Vec<InterfaceError>, InterfaceError> {
        Ok(unusable_of(&listed()?))
    }

    /// Tells whether an address belongs to the interface's subnet.
    ///
    /// Use it to drop datagrams that came in through another interface.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address & self.netmask == self.address & self.netmask
    }
}

/// As in `eth0 (10.0.0.2)`.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}

/// Which interface a node should use.
///
/// Made from text, a dotted IPv4 address means [`Address`](Self::Address), the empty string
/// means the default, and anything else is a [`Name`](Self::Name); so every text is a choice, and
/// whether it can be met only [`Interface::choose`] tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InterfaceChoice {
    /// The first interface that is up, is not loopback and can broadcast; without one, loopback.
    ///
    /// One that is connected (has a carrier) goes before one that is only switched on.
    #[default]
    FirstBroadcast,
    /// The interface of this name, with the first of its addresses that can broadcast; or the
    /// address with this label, such as `eth0:home`.
    Name(String),
    /// The interface that has exactly this address.
    Address(Ipv4Addr),
}

impl From<&str> for InterfaceChoice {
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(address) => Self::Address(address),
            Err(_) if text.is_empty() => Self::FirstBroadcast,
            Err(_) => Self::Name(text.to_owned()),
        }
    }
}

impl From<String> for InterfaceChoice {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Ipv4Addr> for InterfaceChoice {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address)
    }
}

impl FromStr for InterfaceChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text))
    }
}

/// What an error message calls the interface that was asked for.
impl fmt::Display for InterfaceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstBroadcast => f.write_str("interface that can broadcast"),
            Self::Name(name) => write!(f, "interface \"{}\"", name.escape_debug()),
            Self::Address(address) => write!(f, "interface with the address {address}"),
        }
    }
}

/// Why no interface could be chosen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterfaceError {
    /// No interface has the name or the address that was asked for.
    #[error("no {asked}; there are: {candidates}")]
    NotFound {
        /// What was asked for.
        asked: InterfaceChoice,
        /// The interfaces with an IPv4 address, as in `eth0 (10.0.0.2), lo (127.0.0.1)`.
        candidates: String,
    },
    /// The interface that was asked for is there, but has no IPv4 address.
    #[error("interface {name} has no IPv4 address: give it one, or wait until it has one")]
    NoAddress {
        /// Its name.
        name: String,
    },
    /// The interface that was asked for is switched off.
    #[error("interface {name} ({address}) is down")]
    Down {
        /// Its name.
        name: String,
        /// Its address.
        address: Ipv4Addr,
    },
    /// The interface that was asked for is a point-to-point link, or has a subnet without room for
    /// a broadcast address (`/31`, `/32`) and none that was set.
    #[error("interface {name} ({address}) cannot broadcast, so it cannot carry beacons")]
    CannotBroadcast {
        /// Its name.
        name: String,
        /// Its address.
        address: Ipv4Addr,
    },
    /// Nothing can carry beacons here: not even a loopback interface is up.
    #[error("no network interface is up and can broadcast, not even loopback")]
    NoInterface,
    /// The system did not list its interfaces.
    #[error("cannot list the network interfaces: {0}")]
    System(#[from] io::Error),
}

/// An IPv4 address of this machine, usable or not.
#[derive(Debug, Clone)]
struct Candidate {
    name: String,
    /// What the address is called, such as `eth0:home`, if it has a name of its own.
    label: Option<String>,
    address: Ipv4Addr,
    netmask: Ipv4Addr,
    broadcast: Option<Ipv4Addr>,
    loopback: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Down,
    /// Switched on, but without a carrier.
    Unconnected,
    Connected,
}

/// What the system lists.
#[derive(Debug, Default)]
struct Listed {
    candidates: Vec<Candidate>,
    /// The names of interfaces without an IPv4 address.
    without_address: Vec<String>,
}

fn choose_from(listed: &Listed, choice: &InterfaceChoice) -> Result<Interface, InterfaceError> {
    let candidates = &listed.candidates;
    match choice {
        InterfaceChoice::FirstBroadcast => first_broadcast(candidates),
        InterfaceChoice::Name(name) if listed.without_address.contains(name) => {
            Err(InterfaceError::NoAddress { name: name.clone() })
        }
        InterfaceChoice::Name(name) => asked_for(candidates, choice, |c| c.is_called(name)),
        InterfaceChoice::Address(address) => {
            asked_for(candidates, choice, |c| c.address == *address)
        }
    }
}

fn first_broadcast(candidates: &[Candidate]) -> Result<Interface, InterfaceError> {
    let first = |loopback: bool, state: State| {
        candidates
            .iter()
            .filter(|c| c.loopback == loopback && c.state == state)
            .find_map(|c| c.usable().ok())
    };
    first(false, State::Connected)
        .or_else(|| first(false, State::Unconnected))
        .or_else(|| first(true, State::Connected))
        .or_else(|| first(true, State::Unconnected))
        .ok_or(InterfaceError::NoInterface)
}

/// The first match that is usable; without one, what is wrong with the first match.
fn asked_for(
    candidates: &[Candidate],
    choice: &InterfaceChoice,
    matches: impl Fn(&Candidate) -> bool,
) -> Result<Interface, InterfaceError> {
    let matching = || candidates.iter().filter(|c| matches(c));
    let Some(first) = matching().next() else {
        return Err(InterfaceError::NotFound {
            asked: choice.clone(),
            candidates: render(candidates),
        });
    };
    matching()
        .find_map(|c| c.usable().ok())
        .map_or_else(|| first.usable(), Ok)
}

fn unusable_of(listed: &Listed) -> Vec<InterfaceError> {
    let others = listed.candidates.iter().filter(|c| !c.loopback);
    let reasons = others.filter_map(|c| c.usable().err());
    let without = listed.without_address.iter().cloned();
    let without = without.map(|name| InterfaceError::NoAddress { name });
    reasons.chain(without).collect()
}

fn render(candidates: &[Candidate]) -> String {
    if candidates.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<_> = candidates
        .iter()
        .map(|c| format!("{} ({})", c.label.as_ref().unwrap_or(&c.name), c.address))
        .collect();
    each.join(", ")
}

impl Candidate {
    fn usable(&self) -> Result<Interface, InterfaceError> {
        let (name, address) = (self.name.clone(), self.address);
        if self.state == State::Down {
            return Err(InterfaceError::Down { name, address });
        }
        let Some(broadcast) = self.broadcast else {
            return Err(InterfaceError::CannotBroadcast { name, address });
        };
        Ok(Interface {
            name,
            address,
            netmask: self.netmask,
            broadcast,
            loopback: self.loopback,
        })
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.label.as_deref() == Some(name)
    }

    /// `name` is what the system lists: on Unix a label, where the address has one.
    fn new(name: String, flags: InterfaceFlags, address: NetworkAddress<Ipv4Addr>) -> Self {
        let netmask = address.netmask.unwrap_or(Ipv4Addr::BROADCAST);
        let loopback = flags.contains(InterfaceFlags::LOOPBACK);
        let broadcast = broadcast(flags, &address, netmask);
        // Names of interfaces have no colon there.
        let interface = match name.split_once(':') {
            Some((interface, _)) if cfg!(unix) => interface.to_owned(),
            _ => name.clone(),
        };
        Self {
            label: (interface != name).then_some(name),
            name: interface,
            address: address.address,
            netmask: match broadcast {
                Some(broadcast) if (!netmask).to_bits() < 3 => {
                    subnet_with(address.address, broadcast)
                }
                _ => netmask,
            },
            broadcast,
            loopback,
            state: state(flags),
        }
    }
}

/// Where a beacon on this address has to go, if the interface can broadcast at all.
fn broadcast(
    flags: InterfaceFlags,
    address: &NetworkAddress<Ipv4Addr>,
    netmask: Ipv4Addr,
) -> Option<Ipv4Addr> {
    let computed = subnet_broadcast(address.address, netmask);
    if flags.contains(InterfaceFlags::LOOPBACK) {
        return computed;
    }
    if flags.contains(InterfaceFlags::POINTTOPOINT) || !flags.contains(InterfaceFlags::BROADCAST) {
        return None;
    }
    // An address set up without a broadcast address is listed with none, 0.0.0.0 or itself.
    let set_up = address
        .associated_address
        .filter(|set_up| !set_up.is_unspecified() && *set_up != address.address);
    // A /32 may have one that was set by hand.
    set_up.or(computed)
}

/// The netmask of the smallest subnet that has both an address and a broadcast address.
fn subnet_with(address: Ipv4Addr, broadcast: Ipv4Addr) -> Ipv4Addr {
    let differing = 32 - (address.to_bits() ^ broadcast.to_bits()).leading_zeros();
    let hosts = broadcast.to_bits().trailing_ones().max(differing).max(2);
    Ipv4Addr::from_bits(u32::MAX.checked_shl(hosts).unwrap_or(0))
}

/// The highest address of the subnet; none in a `/31` or `/32`, where all addresses are hosts.
fn subnet_broadcast(address: Ipv4Addr, netmask: Ipv4Addr) -> Option<Ipv4Addr> {
    let hosts = !netmask;
    (hosts.to_bits() > 1).then_some(address | hosts)
}

fn state(flags: InterfaceFlags) -> State {
    let up = flags.contains(InterfaceFlags::UP);
    let running = flags.contains(InterfaceFlags::RUNNING);
    match (up, running) {
        (_, true) => State::Connected,
        // On Windows, UP only says that the adapter could carry IPv4: an unplugged one has it too.
        (true, false) if !cfg!(windows) => State::Unconnected,
        _ => State::Down,
    }
}

fn listed() -> io::Result<Listed> {
    let mut listed = Listed::default();
    for interface in InterfaceFilter::new().get()? {
        #[cfg(windows)]
        let name = interface.description;
        #[cfg(not(windows))]
        let name = interface.name;
        match interface.address {
            Address::V4(address) => {
                let candidate = Candidate::new(name, interface.flags, address);
                listed.candidates.push(candidate);
            }
            _ if interface.flags.contains(InterfaceFlags::LOOPBACK) => {}
            _ => listed.without_address.push(name),
        }
    }
    let has_address = |name: &String| listed.candidates.iter().any(|c| c.name == *name);
    listed.without_address.retain(|name| !has_address(name));
    listed.without_address.sort_unstable();
    listed.without_address.dedup();
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: InterfaceFlags = InterfaceFlags::UP
        .union(InterfaceFlags::RUNNING)
        .union(InterfaceFlags::BROADCAST);
    const UNPLUGGED: InterfaceFlags = InterfaceFlags::UP.union(InterfaceFlags::BROADCAST);
    const OFF: InterfaceFlags = InterfaceFlags::BROADCAST;
    const LOOPBACK: InterfaceFlags = InterfaceFlags::UP
        .union(InterfaceFlags::RUNNING)
        .union(InterfaceFlags::LOOPBACK);
    const TUNNEL: InterfaceFlags = InterfaceFlags::UP
        .union(InterfaceFlags::RUNNING)
        .union(InterfaceFlags::POINTTOPOINT);

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().expect("an address")
    }

    /// As the system lists it: `associated` is the broadcast address or the tunnel's other end.
    fn listed(
        name: &str,
        flags: InterfaceFlags,
        address: &str,
        prefix: u32,
        associated: Option<&str>,
    ) -> Candidate {
        let netmask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        let address = NetworkAddress {
            address: ip(address),
            netmask: Some(Ipv4Addr::from_bits(netmask)),
            associated_address: associated.map(ip),
        };
        Candidate::new(name.to_owned(), flags, address)
    }

    fn lo() -> Candidate {
        listed("lo", LOOPBACK, "127.0.0.1", 8, Some("127.0.0.1"))
    }

    fn eth0() -> Candidate {
        listed("eth0", LAN, "10.0.0.2", 24, Some("10.0.0.255"))
    }

    fn all(candidates: &[Candidate]) -> Listed {
        Listed {
            candidates: candidates.to_vec(),
            without_address: vec!["wlan0".to_owned()],
        }
    }

    fn choose(candidates: &[Candidate], choice: &str) -> Result<Interface, String> {
        choose_from(&all(candidates), &choice.into()).map_err(|error| error.to_string())
    }

    fn chosen(candidates: &[Candidate], choice: &str) -> String {
        choose(candidates, choice)
            .expect("an interface")
            .to_string()
    }

    #[test]
    fn the_first_interface_that_can_broadcast_is_the_default() {
        let tunnel = listed("tun0", TUNNEL, "10.8.0.2", 24, Some("10.8.0.1"));
        let off = listed("eth9", OFF, "10.9.0.1", 24, None);
        let second = listed("eth1", LAN, "10.1.0.2", 24, None);
        let all = [lo(), tunnel, off, eth0(), second];
        assert_eq!(chosen(&all, ""), "eth0 (10.0.0.2)");
    }

    #[test]
    fn a_connected_interface_goes_before_an_unplugged_one() {
        let unplugged = listed("eth9", UNPLUGGED, "10.9.0.1", 24, None);
        let all = [lo(), unplugged.clone(), eth0()];
        assert_eq!(chosen(&all, ""), "eth0 (10.0.0.2)");
        if cfg!(not(windows)) {
            assert_eq!(chosen(&[lo(), unplugged], ""), "eth9 (10.9.0.1)");
        }
    }

    #[test]
    fn loopback_is_taken_when_nothing_else_is_there() {
        let tunnel = listed("tun0", TUNNEL, "10.8.0.2", 24, Some("10.8.0.1"));
        let interface = choose(&[lo(), tunnel], "").expect("loopback");
        assert!(interface.loopback);
        assert_eq!(interface.broadcast, ip("127.255.255.255"));
    }

    #[test]
    fn an_extra_host_address_on_loopback_is_passed_over() {
        let extra = listed("lo", LOOPBACK, "10.255.255.254", 32, None);
        assert_eq!(chosen(&[extra.clone(), lo()], ""), "lo (127.0.0.1)");
        assert_eq!(chosen(&[extra, lo()], "lo"), "lo (127.0.0.1)");
    }

    #[test]
    fn without_any_interface_there_is_an_error() {
        assert!(matches!(
            choose_from(&all(&[]), &InterfaceChoice::FirstBroadcast),
            Err(InterfaceError::NoInterface)
        ));
    }

    #[test]
    fn a_name_takes_the_first_address_and_an_address_takes_itself() {
        let second = listed("eth0", LAN, "10.0.1.2", 24, None);
        let all = [lo(), eth0(), second];
        assert_eq!(chosen(&all, "eth0"), "eth0 (10.0.0.2)");
        assert_eq!(chosen(&all, "10.0.1.2"), "eth0 (10.0.1.2)");
        assert_eq!(chosen(&all, "127.0.0.1"), "lo (127.0.0.1)");
    }

    #[cfg(unix)]
    #[test]
    fn an_address_with_a_label_is_found_by_it_and_by_its_interface() {
        let labelled = listed("eth0:home", LAN, "10.0.1.2", 24, None);
        let alone = [lo(), labelled.clone()];
        for choice in ["eth0", "eth0:home", "10.0.1.2", ""] {
            assert_eq!(chosen(&alone, choice), "eth0 (10.0.1.2)");
        }
        let second = [lo(), eth0(), labelled];
        assert_eq!(chosen(&second, "eth0"), "eth0 (10.0.0.2)");
        assert_eq!(chosen(&second, "eth0:home"), "eth0 (10.0.1.2)");
        let error = choose(&second, "eth0:work").unwrap_err();
        assert!(
            error.ends_with("eth0 (10.0.0.2), eth0:home (10.0.1.2)"),
            "{error}"
        );
        assert!(choose(&second, "home").is_err());
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let all = [eth0(), lo()];
        assert_eq!(
            choose(&all, "eth7"),
            Err(r#"no interface "eth7"; there are: eth0 (10.0.0.2), lo (127.0.0.1)"#.to_owned())
        );
        assert_eq!(
            choose(&all, "10.0.0.3"),
            Err("no interface with the address 10.0.0.3; \
                 there are: eth0 (10.0.0.2), lo (127.0.0.1)"
                .to_owned())
        );
        assert_eq!(
            choose(&[], "eth7"),
            Err(r#"no interface "eth7"; there are: none"#.to_owned())
        );
    }

    #[test]
    fn an_interface_asked_for_that_cannot_broadcast_says_so() {
        let tunnel = listed("tun0", TUNNEL, "10.8.0.2", 24, Some("10.8.0.1"));
        let host = listed("eth1", LAN, "10.1.0.2", 32, Some("10.1.0.2"));
        let both = all(&[tunnel, host]);
        for choice in ["tun0", "eth1", "10.1.0.2"] {
            let result = choose_from(&both, &choice.into());
            assert!(matches!(
                result,
                Err(InterfaceError::CannotBroadcast { .. })
            ));
        }
    }

    #[test]
    fn a_broadcast_address_that_is_set_is_taken_whatever_the_netmask_says() {
        let host = listed("eth1", LAN, "10.0.0.1", 32, Some("10.0.0.255"));
        let interface = choose(&[lo(), host], "").expect("eth1");
        assert_eq!(interface.broadcast, ip("10.0.0.255"));
        assert!(interface.contains(ip("10.0.0.77")) && !interface.contains(ip("10.0.1.77")));
        let odd = listed("eth1", LAN, "10.0.1.1", 32, Some("10.0.0.255"));
        let interface = choose(&[lo(), odd], "").expect("eth1");
        assert!(interface.contains(ip("10.0.0.77")) && interface.contains(ip("10.0.1.77")));
        assert!(!interface.contains(ip("10.0.2.1")));
    }

    #[test]
    fn an_interface_without_an_address_is_not_said_to_be_missing() {
        assert_eq!(
            choose(&[lo(), eth0()], "wlan0"),
            Err(
                "interface wlan0 has no IPv4 address: give it one, or wait until it has one"
                    .to_owned()
            )
        );
    }

    #[test]
    fn each_interface_that_cannot_be_used_has_its_reason() {
        let tunnel = listed("tun0", TUNNEL, "10.8.0.2", 24, Some("10.8.0.1"));
        let off = listed("eth9", OFF, "10.9.0.1", 24, None);
        let reasons = unusable_of(&all(&[lo(), tunnel, off, eth0()]));
        let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        assert_eq!(
            reasons,
            [
                "interface tun0 (10.8.0.2) cannot broadcast, so it cannot carry beacons",
                "interface eth9 (10.9.0.1) is down",
                "interface wlan0 has no IPv4 address: give it one, or wait until it has one",
            ]
        );
    }

    #[test]
    fn an_interface_asked_for_that_is_down_says_so() {
        let off = listed("eth9", OFF, "10.9.0.1", 24, None);
        assert_eq!(
            choose(&[off], "eth9"),
            Err("interface eth9 (10.9.0.1) is down".to_owned())
        );
    }

    #[test]
    fn a_missing_broadcast_address_follows_from_the_netmask() {
        for given in [None, Some("0.0.0.0"), Some("10.0.4.2")] {
            let interface = choose(&[listed("eth0", LAN, "10.0.4.2", 22, given)], "");
            assert_eq!(interface.expect("eth0").broadcast, ip("10.0.7.255"));
        }
    }

    #[test]
    fn the_subnet_contains_its_own_addresses_only() {
        let interface = choose(&[listed("eth0", LAN, "10.0.4.2", 22, None)], "").expect("eth0");
        assert!(interface.contains(ip("10.0.7.254")));
        assert!(interface.contains(interface.address));
        assert!(!interface.contains(ip("10.0.8.1")));
        assert!(!interface.contains(ip("127.0.0.1")));
    }

    #[test]
    fn text_becomes_a_choice() {
        let parsed = |text: &str| text.parse::<InterfaceChoice>().expect("infallible");
        assert_eq!(parsed(""), InterfaceChoice::FirstBroadcast);
        assert_eq!(parsed("eth0"), InterfaceChoice::Name("eth0".to_owned()));
        assert_eq!(parsed("10.0.0"), InterfaceChoice::Name("10.0.0".to_owned()));
        assert_eq!(parsed("10.0.0.2"), InterfaceChoice::Address(ip("10.0.0.2")));
    }

    #[test]
    fn this_machine_has_an_interface_and_loopback() {
        Interface::choose(&InterfaceChoice::FirstBroadcast).expect("an interface");
        let loopback = Interface::choose(&Ipv4Addr::LOCALHOST.into()).expect("loopback");
        assert!(loopback.loopback);
        assert_eq!(loopback.broadcast, ip("127.255.255.255"));
    }
}
