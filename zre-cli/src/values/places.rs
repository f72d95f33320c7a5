//! How interfaces, addresses and endpoints are written on the command line.

use std::{borrow::Cow, net::IpAddr};

use zre_tokio::{BindEndpoint, Endpoint, InterfaceChoice, KeyedEndpoint, PublicKey};

/// Reads the name of a network interface, one of its addresses, or a subnet.
pub(crate) fn interface(text: &str) -> Result<InterfaceChoice, String> {
    const EXPECTED: &str = "expected the name of an interface, an IPv4 address or an IPv6 address \
         of it, a subnet such as 10.0.0.0/8, or `all`";
    match InterfaceChoice::from(text) {
        // No system has such names.
        InterfaceChoice::Name(name) if name.is_empty() || name == "*" || name.contains('/') => {
            Err(EXPECTED.to_owned())
        }
        // A link-local address is one interface's anyway.
        InterfaceChoice::Name(name) => match name.split_once('%') {
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                Ok(InterfaceChoice::from(address))
            }
            _ => Ok(InterfaceChoice::Name(name)),
        },
        choice => Ok(choice),
    }
}

/// Reads where a node accepts connections; `tcp://` may be left out.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    const EXPECTED: &str = "expected an endpoint such as tcp://10.0.0.2:5000 or \
         tcp://host.example:5000, with a port from 1 to 65535";
    with_transport(text)
        .parse()
        .map_err(|_| EXPECTED.to_owned())
}

/// Reads an endpoint and, behind `|`, the key of whoever is there.
pub(crate) fn keyed_endpoint(text: &str) -> Result<KeyedEndpoint, String> {
    let Some((endpoint, key)) = text.split_once('|') else {
        return Ok(self::endpoint(text)?.into());
    };
    let endpoint = self::endpoint(endpoint)?;
    let key: PublicKey = key.parse().map_err(|_| {
        format!(
            "expected a public key behind {endpoint}|, which has 40 characters of Z85; has the \
             shell changed it? Write all of it in single quotes"
        )
    })?;
    Ok((endpoint, key).into())
}

/// Reads where a gossip hub listens.
pub(crate) fn bind_endpoint(text: &str) -> Result<BindEndpoint, String> {
    const EXPECTED: &str = "expected where to listen, such as tcp://*:5670, tcp://10.0.0.1:5670 or \
         tcp://eth0:5670";
    with_transport(text)
        .parse()
        .map_err(|_| EXPECTED.to_owned())
}

/// Reads an IP address.
pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| "expected an IPv4 or IPv6 address; names are not looked up here".to_owned())
}

fn with_transport(text: &str) -> Cow<'_, str> {
    match text.contains("://") {
        true => text.into(),
        false => format!("tcp://{text}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_a_name_an_address_or_a_subnet() {
        for (text, shown) in [
            ("eth0", "eth0"),
            ("eth0:home", "eth0:home"),
            ("Local Area Connection", "Local Area Connection"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("fe80::1%eth0", "fe80::1"),
            ("a%b", "a%b"),
        ] {
            let read = interface(text).map(|choice| choice.to_string());
            assert_eq!(read.as_deref(), Ok(shown));
        }
        for wrong in ["", "*", "10.0.0.0/33", "eth0/24"] {
            assert!(interface(wrong).unwrap_err().contains("`all`"), "{wrong}");
        }
    }

    #[test]
    fn an_endpoint_needs_no_transport_but_a_port() {
        for (text, shown) in [
            ("tcp://10.0.0.2:5000", "tcp://10.0.0.2:5000"),
            ("10.0.0.2:5000", "tcp://10.0.0.2:5000"),
            ("host.example:1", "tcp://host.example:1"),
            ("[fe80::1%eth0]:7", "tcp://[fe80::1%eth0]:7"),
        ] {
            let read = endpoint(text).map(|endpoint| endpoint.to_string());
            assert_eq!(read.as_deref(), Ok(shown));
        }
        for wrong in ["", "10.0.0.2", "10.0.0.2:0", "udp://10.0.0.2:1", "*:1"] {
            assert!(endpoint(wrong).unwrap_err().contains("tcp://"), "{wrong}");
        }
        let bound = bind_endpoint("*:5670").map(|endpoint| endpoint.to_string());
        assert_eq!(bound.as_deref(), Ok("tcp://*:5670"));
        assert!(bind_endpoint("*").unwrap_err().contains("tcp://*:5670"));
    }

    #[test]
    fn a_key_follows_behind_a_bar() {
        let key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
        let read = keyed_endpoint(&format!("hub:5670|{key}"));
        let read = read.map(|keyed| keyed.to_string());
        assert_eq!(read, Ok(format!("tcp://hub:5670|{key}")));
        assert_eq!(keyed_endpoint("hub:5670").map(|it| it.key), Ok(None));
        for (text, expected) in [
            ("hub:5670|", "behind tcp://hub:5670|"),
            ("hub:5670|short", "40 characters"),
            ("hub|short", "such as tcp://"),
        ] {
            let refused = keyed_endpoint(text).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
