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
mod tests;
