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
    /// is not a number, as only addresses end in one.
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
        match text.parse() {
            Ok(address) => is_reachable(IpAddr::V4(address)).then_some(Self::V4(address)),
            Err(_) => is_host_name(text).then(|| Self::Name(text.into())),
        }
    }

    fn parse_v6(inside: &str) -> Option<Self> {
        let (address, scope) = match inside.split_once('%') {
            Some((address, scope)) => (address, Some(scope)),
            None => (inside, None),
        };
        if scope.is_some_and(|scope| !is_name(scope, 64)) {
            return None;
        }
        let address: Ipv6Addr = address.parse().ok()?;
        let scope = scope.map(Into::into);
        is_reachable(address.into()).then_some(Self::V6 { address, scope })
    }
}

/// Whether the address can be that of one host. Connecting to 0.0.0.0 would reach this host.
fn is_reachable(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

fn is_host_name(text: &str) -> bool {
    // `tcp://`, the name, `:` and the port fit into the 255 bytes of a `string` (RFC 36).
    const MAX_LEN: usize = 240;
    let last_label = text.rsplit('.').next().unwrap_or(text);
    let is_number = last_label.bytes().all(|byte| byte.is_ascii_digit());
    is_name(text, MAX_LEN) && !is_number
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
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
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
        for address in ["0.0.0.0:5", "[::]:5", "224.0.0.1:5", "1.2.3.4:0"] {
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
