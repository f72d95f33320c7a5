//! Looking up host names, for which the system makes a thread wait.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::atomic::{AtomicUsize, Ordering},
};

use zre_core::proto::Endpoint;

use crate::socket;

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

    /// Asks the system; call it where waiting is allowed.
    ///
    /// # Errors
    ///
    /// When there is no such host, or it has no IPv4 address.
    pub fn run(self) -> io::Result<SocketAddr> {
        socket::first_ipv4((self.host.as_str(), self.port).to_socket_addrs()?)
    }
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
    fn the_name_of_this_machine_is_found() {
        let endpoint = "tcp://localhost:5670".parse().expect("an endpoint");
        let found = Lookup::of(&endpoint).and_then(Lookup::run);
        assert_eq!(found.expect("found").to_string(), "127.0.0.1:5670");
    }
}
