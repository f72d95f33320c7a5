//! The address that a node tells its peers to connect to.

use alloc::{boxed::Box, string::String};
use core::{
    convert::Infallible,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU16,
    str::FromStr,
};

use thiserror::Error;

/// A TCP endpoint in ZeroMQ's notation: `tcp://host:port` (RFC 36, HELLO `endpoint`).
///
/// The port stands behind the last colon. The brackets around an IPv6 address are optional when it
/// is read, as zyre writes none, and are always shown.
///
/// Two endpoints are equal if they are written alike.
/// [`is_same_place`](Endpoint::is_same_place) tells whether they lead to the same place.
///
/// ```
/// use zre_proto::{Endpoint, Host};
///
/// let endpoint: Endpoint = "tcp://[fe80::1%eth0]:49152".parse()?;
/// assert!(matches!(endpoint.host(), Host::V6 { scope: Some(scope), .. } if &**scope == "eth0"));
/// assert_eq!(endpoint.to_string(), "tcp://[fe80::1%eth0]:49152");
/// # Ok::<(), zre_proto::EndpointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    host: Host,
    port: NonZeroU16,
}

/// The host of an endpoint: an address, or a name to look up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Host {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, in brackets in the notation.
    V6 {
        /// The address.
        address: Ipv6Addr,
        /// The zone of a link-local address, by name or number (RFC 4007).
        scope: Option<Box<str>>,
    },
    /// A host name to look up: letters, digits, `-`, `_` and `.`, at most 240 bytes. Its last label
    /// is not a number, as only addresses end in one. It may end with a dot.
    Name(Box<str>),
}

/// Why a text or an address is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text does not begin with `tcp://`.
    #[error("endpoint {0:?} does not begin with \"tcp://\"")]
    Transport(String),
    /// There is no port, or it is not a number from 1 to 65535.
    #[error("endpoint {0:?} does not end with a port from 1 to 65535")]
    Port(String),
    /// The host is neither an address of one host nor a host name.
    #[error("endpoint {0:?} has no valid address or host name")]
    Host(String),
    /// The socket address has port 0, or its address is not that of one host.
    #[error("{0} is not an endpoint: it needs the address of one host and a port from 1 to 65535")]
    Address(SocketAddr),
}

impl From<Infallible> for EndpointError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Endpoint {
    /// The endpoint at a socket address, with its scope. `None` if the port is 0, or if the address
    /// is unspecified, multicast or broadcast.
    pub fn from_socket_addr(address: SocketAddr) -> Option<Self> {
        let port = NonZeroU16::new(address.port())?;
        if !is_reachable(address.ip()) {
            return None;
        }
        let mut endpoint = Self::new(address.ip(), port);
        if let (Host::V6 { scope, .. }, SocketAddr::V6(address)) = (&mut endpoint.host, address)
            && address.scope_id() != 0
        {
            *scope = Some(alloc::format!("{}", address.scope_id()).into());
        }
        Some(endpoint)
    }

    /// The endpoint at an address and a port, without a scope.
    pub fn new(address: IpAddr, port: NonZeroU16) -> Self {
        let host = match address {
            IpAddr::V4(address) => Host::V4(address),
            IpAddr::V6(address) => Host::V6 {
                address,
                scope: None,
            },
        };
        Self { host, port }
    }

    /// The address or host name.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> NonZeroU16 {
        self.port
    }

    /// The socket address, if the host is a plain address: no name to look up, no scope to resolve.
    pub fn to_socket_addr(&self) -> Option<SocketAddr> {
        let address = match &self.host {
            Host::V4(address) => (*address).into(),
            Host::V6 {
                address,
                scope: None,
            } => (*address).into(),
            Host::V6 { scope: Some(_), .. } | Host::Name(_) => return None,
        };
        Some(SocketAddr::new(address, self.port.get()))
    }

    /// The same endpoint in the one notation that all spellings of it share, to compare and to look
    /// up with.
    ///
    /// An IPv4 address in IPv6 notation becomes IPv4, an IPv6 address loses its scope, and a host
    /// name its capitals and the dot at its end. `localhost` becomes 127.0.0.1. Other names are not
    /// looked up, so a name and its address stay different.
    ///
    /// ```
    /// use zre_proto::Endpoint;
    ///
    /// let endpoint: Endpoint = "tcp://[::ffff:10.0.0.1]:5670".parse()?;
    /// assert_eq!(endpoint.canonical().to_string(), "tcp://10.0.0.1:5670");
    /// # Ok::<(), zre_proto::EndpointError>(())
    /// ```
    #[must_use]
    pub fn canonical(&self) -> Self {
        let host = self.host.canonical();
        Self { host, ..*self }
    }

    /// Whether both endpoints have the same [`canonical`](Endpoint::canonical) notation, and do not
    /// name two links.
    ///
    /// The same link-local address can belong to another host on each link. So two such endpoints
    /// with different numbers for scopes are two places. A scope that is missing, or is a name, may
    /// be any.
    pub fn is_same_place(&self, other: &Self) -> bool {
        // Nearly all.
        if let (Host::V4(one), Host::V4(other_address)) = (&self.host, &other.host) {
            return one == other_address && self.port == other.port;
        }
        self.port == other.port
            && self.host.canonical() == other.host.canonical()
            && !self.host.is_on_another_link_than(&other.host)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tcp://{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => write!(f, "{address}"),
            Self::V6 {
                address,
                scope: None,
            } => write!(f, "[{address}]"),
            Self::V6 {
                address,
                scope: Some(scope),
            } => write!(f, "[{address}%{scope}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl TryFrom<SocketAddr> for Endpoint {
    type Error = EndpointError;

    fn try_from(address: SocketAddr) -> Result<Self, EndpointError> {
        Self::from_socket_addr(address).ok_or(EndpointError::Address(address))
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: &str) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl TryFrom<&String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: &String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl From<&Endpoint> for Endpoint {
    fn from(endpoint: &Endpoint) -> Self {
        endpoint.clone()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        // The text may come from the network: an error does not keep all of it.
        let shown = || text.chars().take(80).collect();
        let rest = text
            .strip_prefix("tcp://")
            .ok_or_else(|| EndpointError::Transport(shown()))?;
        let (host, port) = rest
            .rsplit_once(':')
            .ok_or_else(|| EndpointError::Port(shown()))?;
        Ok(Self {
            port: parse_port(port).ok_or_else(|| EndpointError::Port(shown()))?,
            host: Host::parse(host).ok_or_else(|| EndpointError::Host(shown()))?,
        })
    }
}

/// Only digits: `u16::from_str` takes a sign, too.
fn parse_port(text: &str) -> Option<NonZeroU16> {
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[') {
            return Self::parse_v6(inside.strip_suffix(']')?);
        }
        // zyre writes IPv6 addresses without brackets. No other host has a colon.
        if text.contains(':') {
            return Self::parse_v6(text);
        }
        match text.parse() {
            Ok(address) => is_reachable(IpAddr::V4(address)).then_some(Self::V4(address)),
            Err(_) => is_host_name(text).then(|| Self::Name(text.into())),
        }
    }

    /// An IPv6 address without brackets, with or without a scope.
    fn parse_v6(text: &str) -> Option<Self> {
        let (address, scope) = match text.split_once('%') {
            Some((address, scope)) => (address, Some(scope)),
            None => (text, None),
        };
        if scope.is_some_and(|scope| !is_name(scope, 64)) {
            return None;
        }
        let address: Ipv6Addr = address.parse().ok()?;
        let scope = scope.map(Into::into);
        is_reachable(address.into()).then_some(Self::V6 { address, scope })
    }

    fn is_on_another_link_than(&self, other: &Self) -> bool {
        match (self.link_number(), other.link_number()) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        }
    }

    /// The number of the link on which a link-local address counts, if it is known.
    fn link_number(&self) -> Option<u32> {
        match self {
            Self::V6 {
                address,
                scope: Some(scope),
            } if address.is_unicast_link_local() => scope.parse().ok(),
            _ => None,
        }
    }

    fn canonical(&self) -> Self {
        match self {
            Self::V4(address) => Self::V4(*address),
            Self::V6 { address, .. } => match address.to_ipv4_mapped() {
                Some(address) => Self::V4(address),
                None => Self::V6 {
                    address: *address,
                    scope: None,
                },
            },
            Self::Name(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                match name.eq_ignore_ascii_case("localhost") {
                    true => Self::V4(Ipv4Addr::LOCALHOST),
                    false => Self::Name(name.to_ascii_lowercase().into()),
                }
            }
        }
    }
}

/// Whether the address can be that of one host. Connecting to 0.0.0.0 would reach this host.
fn is_reachable(address: IpAddr) -> bool {
    // An IPv4 address in IPv6 notation is connected to as what it stands for.
    let address = address.to_canonical();
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

fn is_host_name(text: &str) -> bool {
    // `tcp://`, the name, `:` and the port fit into the 255 bytes of a `string` (RFC 36).
    const MAX_LEN: usize = 240;
    let without_root = text.strip_suffix('.').unwrap_or(text);
    let last_label = without_root.rsplit('.').next().unwrap_or(without_root);
    is_name(text, MAX_LEN) && !last_label.is_empty() && !is_number(last_label)
}

/// Whether the system would read a host name with this last label as an IPv4 address. It also takes
/// the hexadecimal notation.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or(label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn is_name(text: &str, max_len: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=max_len).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    #[test]
    fn every_notation_shows_as_it_was_read() {
        for text in [
            "tcp://10.90.0.1:49152",
            "tcp://[::1]:1",
            "tcp://[fe80::1%eth0]:65535",
            "tcp://robot-1.local:5671",
            "tcp://Robot-1.local.:5671",
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn brackets_are_optional_and_the_port_stands_behind_the_last_colon() {
        for (text, shown) in [
            ("tcp://fd94::1:49152", "tcp://[fd94::1]:49152"),
            ("tcp://::1:1", "tcp://[::1]:1"),
            ("tcp://fe80::1%eth0:65535", "tcp://[fe80::1%eth0]:65535"),
            ("tcp://1:2:3:4:5:6:7:8:9", "tcp://[1:2:3:4:5:6:7:8]:9"),
            (
                "tcp://::ffff:10.94.0.2:49152",
                "tcp://[::ffff:10.94.0.2]:49152",
            ),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown);
        }
    }

    #[test]
    fn one_place_has_one_canonical_notation_however_it_is_spelled() {
        for (text, canonical) in [
            ("tcp://127.0.0.1:5", "tcp://127.0.0.1:5"),
            ("tcp://[::ffff:127.0.0.1]:5", "tcp://127.0.0.1:5"),
            ("tcp://localhost:5", "tcp://127.0.0.1:5"),
            ("tcp://LocalHost.:5", "tcp://127.0.0.1:5"),
            ("tcp://[fe80::1%eth0]:5", "tcp://[fe80::1]:5"),
            ("tcp://fe80:0::1%2:5", "tcp://[fe80::1]:5"),
            ("tcp://[::1]:5", "tcp://[::1]:5"),
            ("tcp://Robot.Local.:5", "tcp://robot.local:5"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            let expected: Endpoint = canonical.parse().unwrap();
            assert_eq!(endpoint.canonical(), expected, "{text}");
            assert!(endpoint.is_same_place(&expected), "{text}");
        }
    }

    #[test]
    fn other_ports_and_other_hosts_are_other_places() {
        let endpoint = |text: &str| text.parse::<Endpoint>().unwrap();
        for (one, other) in [
            ("tcp://127.0.0.1:5", "tcp://localhost:6"),
            ("tcp://127.0.0.1:5", "tcp://127.0.0.2:5"),
            ("tcp://127.0.0.1:5", "tcp://[::1]:5"),
            ("tcp://robot:5", "tcp://robot.local:5"),
        ] {
            assert!(
                !endpoint(one).is_same_place(&endpoint(other)),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn what_the_system_would_read_as_an_address_is_no_host_name() {
        for host in [
            "0x7f000001",
            "0X7F.1",
            "127.1",
            "127.0.0.1.",
            "0x",
            ".",
            "host..",
        ] {
            let endpoint = format!("tcp://{host}:5").parse::<Endpoint>();
            assert!(
                matches!(endpoint, Err(EndpointError::Host(_))),
                "{host}: {endpoint:?}"
            );
        }
    }

    #[test]
    fn each_fault_is_named_with_the_text() {
        for (text, message) in [
            (
                "udp://1.2.3.4:5",
                "endpoint \"udp://1.2.3.4:5\" does not begin with \"tcp://\"",
            ),
            (
                "tcp://1.2.3.4",
                "endpoint \"tcp://1.2.3.4\" does not end with a port from 1 to 65535",
            ),
            (
                "tcp://1.2.3.4:0",
                "endpoint \"tcp://1.2.3.4:0\" does not end with a port from 1 to 65535",
            ),
            (
                "tcp://1.2.3.4:+5",
                "endpoint \"tcp://1.2.3.4:+5\" does not end with a port from 1 to 65535",
            ),
            (
                "tcp://:5",
                "endpoint \"tcp://:5\" has no valid address or host name",
            ),
            (
                "tcp://256.0.0.1:5",
                "endpoint \"tcp://256.0.0.1:5\" has no valid address or host name",
            ),
            (
                "tcp://0.0.0.0:5",
                "endpoint \"tcp://0.0.0.0:5\" has no valid address or host name",
            ),
            (
                "tcp://*:5",
                "endpoint \"tcp://*:5\" has no valid address or host name",
            ),
            (
                "tcp://[::1:5",
                "endpoint \"tcp://[::1:5\" has no valid address or host name",
            ),
            (
                "tcp://[::1%]:5",
                "endpoint \"tcp://[::1%]:5\" has no valid address or host name",
            ),
            (
                "tcp://1.2.3.4:5:6",
                "endpoint \"tcp://1.2.3.4:5:6\" has no valid address or host name",
            ),
            (
                "tcp://fd94::1",
                "endpoint \"tcp://fd94::1\" has no valid address or host name",
            ),
            (
                "tcp://[::ffff:0.0.0.0]:5",
                "endpoint \"tcp://[::ffff:0.0.0.0]:5\" has no valid address or host name",
            ),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_socket_address_that_no_peer_could_reach_is_refused_with_the_reason() {
        let error = |address: &str| {
            let address: SocketAddr = address.parse().unwrap();
            Endpoint::try_from(address).unwrap_err().to_string()
        };
        for address in [
            "0.0.0.0:5",
            "[::]:5",
            "224.0.0.1:5",
            "[::ffff:255.255.255.255]:5",
            "1.2.3.4:0",
        ] {
            assert_eq!(
                error(address),
                format!(
                    "{address} is not an endpoint: \
                     it needs the address of one host and a port from 1 to 65535"
                )
            );
        }
    }

    #[test]
    fn only_plain_addresses_are_socket_addresses() {
        let address = |text: &str| text.parse::<Endpoint>().unwrap().to_socket_addr();
        assert_eq!(
            address("tcp://1.2.3.4:5"),
            Some("1.2.3.4:5".parse().unwrap())
        );
        assert_eq!(address("tcp://[fe80::1%2]:5"), None);
        assert_eq!(address("tcp://host:5"), None);
    }
}
