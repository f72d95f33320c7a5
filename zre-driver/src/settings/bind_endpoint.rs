//! Where a gossip hub listens.

use std::{
    convert::Infallible,
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use thiserror::Error;

/// Where a gossip hub listens: `tcp://*:5670` on all addresses of the machine,
/// `tcp://10.0.0.1:5670` on one of them, `tcp://eth0:5670` on the first address of an interface.
/// With `*` or 0 in place of the port, the system chooses one.
///
/// It is made from such a text, or from a [`SocketAddr`]. The brackets around an IPv6 address are
/// optional.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BindEndpoint {
    /// The host.
    pub host: BindHost,
    /// The port; 0 if the system is to choose.
    pub port: u16,
}

/// Where a gossip hub listens, without the port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BindHost {
    /// On all addresses of the machine, of the IP versions that the node uses.
    Any,
    /// On this address.
    Address(IpAddr),
    /// On the first address of the interface with this name.
    Interface(String),
}

/// Why a text does not say where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindError {
    /// The text does not begin with `tcp://`.
    #[error("{0:?} does not begin with \"tcp://\"")]
    Transport(String),
    /// There is no port, or it is neither a number up to 65535 nor `*`.
    #[error("{0:?} does not end with a port from 0 to 65535, or with * for any")]
    Port(String),
    /// The host is neither `*` nor an address nor the name of an interface.
    #[error("{0:?} has no valid address or name of an interface; * is for all")]
    Host(String),
}

impl FromStr for BindEndpoint {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        let shown = || text.to_owned();
        let rest = text
            .strip_prefix("tcp://")
            .ok_or_else(|| BindError::Transport(shown()))?;
        let (host, port) = rest
            .rsplit_once(':')
            .ok_or_else(|| BindError::Port(shown()))?;
        Ok(Self {
            port: parse_port(port).ok_or_else(|| BindError::Port(shown()))?,
            host: parse_host(host).ok_or_else(|| BindError::Host(shown()))?,
        })
    }
}

/// Only digits: `u16::from_str` takes a sign, too.
fn parse_port(text: &str) -> Option<u16> {
    if text == "*" {
        return Some(0);
    }
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

fn parse_host(text: &str) -> Option<BindHost> {
    if text == "*" {
        return Some(BindHost::Any);
    }
    let inside = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    if let Ok(address) = inside.unwrap_or(text).parse::<IpAddr>() {
        return Some(match address.is_unspecified() {
            true => BindHost::Any,
            false => BindHost::Address(address),
        });
    }
    let is_name = !text.is_empty() && !text.contains([':', '/', '[', ']']);
    is_name.then(|| BindHost::Interface(text.to_owned()))
}

impl From<SocketAddr> for BindEndpoint {
    fn from(address: SocketAddr) -> Self {
        let host = match address.ip().is_unspecified() {
            true => BindHost::Any,
            false => BindHost::Address(address.ip()),
        };
        let port = address.port();
        Self { host, port }
    }
}

impl TryFrom<&str> for BindEndpoint {
    type Error = BindError;

    fn try_from(text: &str) -> Result<Self, BindError> {
        text.parse()
    }
}

impl TryFrom<String> for BindEndpoint {
    type Error = BindError;

    fn try_from(text: String) -> Result<Self, BindError> {
        text.parse()
    }
}

impl TryFrom<&String> for BindEndpoint {
    type Error = BindError;

    fn try_from(text: &String) -> Result<Self, BindError> {
        text.parse()
    }
}

impl From<Infallible> for BindError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// As it is written, such as `tcp://*:5670`.
impl fmt::Display for BindEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host {
            BindHost::Any => write!(f, "tcp://*:{port}"),
            BindHost::Address(address) => write!(f, "tcp://{}", SocketAddr::new(*address, *port)),
            BindHost::Interface(name) => write!(f, "tcp://{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_an_address_and_an_interface_are_places_to_listen_at() {
        for (text, shown) in [
            ("tcp://*:5670", "tcp://*:5670"),
            ("tcp://*:*", "tcp://*:0"),
            ("tcp://0.0.0.0:1", "tcp://*:1"),
            ("tcp://[::]:1", "tcp://*:1"),
            ("tcp://10.0.0.1:0", "tcp://10.0.0.1:0"),
            ("tcp://fe80::1:5", "tcp://[fe80::1]:5"),
            ("tcp://eth0:5670", "tcp://eth0:5670"),
        ] {
            let parsed = text.parse::<BindEndpoint>();
            assert_eq!(parsed.map(|it| it.to_string()).as_deref(), Ok(shown));
        }
        let address: SocketAddr = "10.0.0.1:7".parse().unwrap();
        assert_eq!(BindEndpoint::from(address).to_string(), "tcp://10.0.0.1:7");
    }

    #[test]
    fn what_is_no_place_to_listen_at_is_refused_with_the_text() {
        for (text, error) in [
            ("*:5670", "\"*:5670\" does not begin with \"tcp://\""),
            (
                "tcp://*",
                "\"tcp://*\" does not end with a port from 0 to 65535, or with * for any",
            ),
            (
                "tcp://*:+1",
                "\"tcp://*:+1\" does not end with a port from 0 to 65535, or with * for any",
            ),
            (
                "tcp://:1",
                "\"tcp://:1\" has no valid address or name of an interface; * is for all",
            ),
        ] {
            let refused = text.parse::<BindEndpoint>().unwrap_err();
            assert_eq!(refused.to_string(), error);
        }
    }
}
