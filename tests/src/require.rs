//! Skips tests where real peers cannot run, and says so.

use std::env;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::thread;

use crate::netns::{Lan, Namespace};
use crate::networks::Networks;
use crate::programs;

/// Proof that this machine can run real peers in networks of their own.
#[derive(Clone, Copy, Debug)]
pub struct RealPeers {
    _checked: (),
}

impl RealPeers {
    /// The proof, or `None` after one line on standard error that names the skipped test.
    ///
    /// # Panics
    ///
    /// Panics in place of skipping when `ZRE_REQUIRE_PEERS` is `1` in the environment.
    pub fn available() -> Option<Self> {
        static CHECKED: OnceLock<Result<(), String>> = OnceLock::new();
        match CHECKED.get_or_init(check) {
            Ok(()) => Some(Self { _checked: () }),
            Err(reason) => {
                skip(reason);
                None
            }
        }
    }

    /// A network of one host, for peers that share it.
    ///
    /// # Panics
    ///
    /// Panics when the system has run out of what a namespace takes.
    pub fn namespace(&self) -> Namespace {
        Namespace::new().unwrap_or_else(|error| panic!("cannot make a namespace: {error}"))
    }

    /// A network of several hosts, for peers that are to lose each other.
    ///
    /// # Panics
    ///
    /// Panics when the system has run out of what the namespaces take.
    pub fn lan(&self, hosts: usize) -> Lan {
        Lan::new(hosts).unwrap_or_else(|error| panic!("cannot make a network: {error}"))
    }

    /// Several networks, for hosts with several interfaces.
    ///
    /// # Panics
    ///
    /// Panics when the system has run out of what a namespace takes.
    pub fn networks(&self) -> Networks {
        Networks::new().unwrap_or_else(|error| panic!("cannot make networks: {error}"))
    }
}

fn check() -> Result<(), String> {
    // A switch too: a kernel can lack it where it has the rest.
    Lan::new(1).map_err(|error| format!("no network namespace: {error}"))?;
    let host = Networks::new().and_then(|networks| networks.try_host());
    host.map_err(|error| format!("no host with several interfaces: {error}"))?;
    programs::python()?;
    Ok(())
}

pub(crate) fn skip(reason: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    let required = env::var_os("ZRE_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{test} needs real peers: {reason}");
    // Not `eprintln!`, which the test harness would swallow. Nothing to do if nobody listens.
    let _ = writeln!(
        io::stderr(),
        "skipped {test}, which needs real peers: {reason}"
    );
}
