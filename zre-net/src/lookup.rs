//! Looking up host names, for which the system makes a thread wait.

use std::{
    io,
    net::{SocketAddr, SocketAddrV6, ToSocketAddrs as _},
    sync::atomic::{AtomicUsize, Ordering},
};

use zre_core::proto::{Endpoint, Host};

use crate::{interfaces::index_of, reach::canonical};

/// A host name that is to be looked up, one of [`MOST`](Lookup::MOST) in this process.
///
/// A peer chooses the name and its name server, which may take long to answer, and the runtime's
/// threads for what waits are the application's, too.
#[derive(Debug)]
pub struct Lookup {
    host: String,
    port: u16,
    _turn: Turn,
}

impl Lookup {
    /// So many are looked up at one time.
    pub const MOST: usize = 4;

    /// The host of an endpoint.
    ///
    /// # Errors
    ///
    /// When too many others are being looked up; the engine tries again later.
    pub fn of(endpoint: &Endpoint) -> io::Result<Self> {
        static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
        let turn = Turn::take(&UNDER_WAY)?;
        Ok(Self {
            host: endpoint.host().to_string(),
            port: endpoint.port().get(),
            _turn: turn,
        })
    }

    /// Asks the system for all addresses of the host, IPv4 and IPv6, the one that it would try
    /// first in front; call it where waiting is allowed.
    ///
    /// # Errors
    ///
    /// When there is no such host.
    pub fn addresses(self) -> io::Result<Vec<SocketAddr>> {
        let found = (self.host.as_str(), self.port).to_socket_addrs()?;
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found.map(canonical) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        match addresses.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(addresses),
        }
    }
}

/// The address that an endpoint names by itself; `None` if its host is a name, for which there is
/// [`Lookup`].
///
/// The scope of a link-local IPv6 address, as in `fe80::1%eth0` or `fe80::1%2`, becomes the number
/// of the interface without a look-up.
///
/// # Errors
///
/// [`NotFound`](io::ErrorKind::NotFound) when there is no interface of that name.
pub fn plain_address(endpoint: &Endpoint) -> io::Result<Option<SocketAddr>> {
    let Host::V6 {
        address,
        scope: Some(scope),
    } = endpoint.host()
    else {
        return Ok(endpoint.to_socket_addr().map(canonical));
    };
    let index = match scope.parse() {
        Ok(index) => index,
        Err(_) => index_of(scope).map_err(|_| {
            let message = format!("there is no interface {scope} for {endpoint}");
            io::Error::new(io::ErrorKind::NotFound, message)
        })?,
    };
    let address = SocketAddrV6::new(*address, endpoint.port().get(), 0, index);
    Ok(Some(canonical(address.into())))
}

/// Counts as long as it is there.
#[derive(Debug)]
struct Turn(&'static AtomicUsize);

impl Turn {
    fn take(under_way: &'static AtomicUsize) -> io::Result<Self> {
        let turn = Self(under_way);
        match under_way.fetch_add(1, Ordering::AcqRel) {
            others if others < Lookup::MOST => Ok(turn),
            _ => Err(io::Error::other(format!(
                "{} other host names are being looked up",
                Lookup::MOST
            ))),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_of_names_is_looked_up_at_one_time() {
        static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
        let turns: Vec<_> = (0..Lookup::MOST)
            .map(|_| Turn::take(&UNDER_WAY).expect("a turn"))
            .collect();
        let error = Turn::take(&UNDER_WAY).expect_err("too many");
        assert_eq!(error.to_string(), "4 other host names are being looked up");
        drop(turns);
        Turn::take(&UNDER_WAY).expect("a turn again");
    }

    #[test]
    fn all_addresses_of_a_host_are_found_each_once() {
        let endpoint = "tcp://localhost:5670".parse().expect("an endpoint");
        let found = Lookup::of(&endpoint).and_then(Lookup::addresses);
        let found = found.expect("found");
        let v4: Vec<_> = found.iter().filter(|it| it.is_ipv4()).collect();
        assert_eq!(v4, [&SocketAddr::from(([127, 0, 0, 1], 5670))]);
        assert!(found.iter().all(|it| it.ip().is_loopback()), "{found:?}");
    }

    #[test]
    fn an_address_needs_no_look_up_even_with_a_scope() {
        let plain = |endpoint: &str| {
            let endpoint = endpoint.parse().expect("an endpoint");
            plain_address(&endpoint).map(|address| address.map(|it| it.to_string()))
        };
        let is = |endpoint: &str, address: &str| {
            let found = plain(endpoint).expect("it is plain");
            assert_eq!(found.as_deref(), Some(address), "{endpoint}");
        };
        is("tcp://10.0.0.1:5", "10.0.0.1:5");
        is("tcp://[::ffff:10.0.0.1]:5", "10.0.0.1:5");
        is("tcp://fd94::1:5", "[fd94::1]:5");
        is("tcp://[fe80::1%7]:5", "[fe80::1%7]:5");
        is("tcp://[fd94::1%7]:5", "[fd94::1]:5");
        assert_eq!(plain("tcp://localhost:5").expect("a name"), None);
        let lo = crate::testing::loopback();
        let scoped = format!("tcp://[fe80::1%{}]:5", lo.interface);
        if cfg!(unix) {
            is(&scoped, &format!("[fe80::1%{}]:5", lo.index));
        }
        let error = plain("tcp://[fe80::1%eth77]:5").expect_err("no such interface");
        assert_eq!(
            error.to_string(),
            "there is no interface eth77 for tcp://[fe80::1%eth77]:5"
        );
    }
}
