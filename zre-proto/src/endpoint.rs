//! The address that a node tells its peers to connect to.

use alloc::{boxed::Box, string::String};
use core::{
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

/// Where an endpoint's port is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A host name to look up: letters, digits, `-`, `_` and `.`, at most 240 octets, and not ending
    /// in a label of digits, which only addresses do.
    Name(Box<str>),
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The text does not begin with `tcp://`.
    #[error("endpoint {0:?} does not begin with \"tcp://\"")]
    Transport(String),
    /// There is no port, or it is not a number from 1 to 65535.
    #[error("endpoint {0:?} does not end with a port from 1 to 65535")]
    Port(String),
    /// The host is no address and no host name.
    #[error("endpoint {0:?} has no valid address or host name")]
    Host(String),
}

impl Endpoint {
    /// Puts an endpoint together from an address, with its scope; `None` if the port is 0 or the
    /// address is not that of one host.
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

    /// Puts an endpoint together from an address without a scope, and a port.
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

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
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

/// `u16::from_str` takes a sign, which no endpoint has.
fn parse_port(text: &str) -> Option<NonZeroU16> {
    let all_digits = text.bytes().all(|octet| octet.is_ascii_digit());
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

/// Whether there can be one host at the address; connecting to 0.0.0.0 would reach ourselves.
fn is_reachable(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

fn is_host_name(text: &str) -> bool {
    // Keeps `tcp://`, the name, `:` and the port within the 255 octets of a `string`.
    const MAX_LEN: usize = 240;
    let last_label = text.rsplit('.').next().unwrap_or(text);
    let is_number = last_label.bytes().all(|octet| octet.is_ascii_digit());
    is_name(text, MAX_LEN) && !is_number
}

fn is_name(text: &str, max_len: usize) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    (1..=max_len).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

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
