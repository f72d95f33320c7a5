//! Endpoints that no peer can have: a node does not connect there, whoever names them.
#![allow(
    clippy::unwrap_used,
    reason = "clippy takes only `#[test]` functions for tests"
)]

use std::{process, thread, time::Instant};

use zre_core::Notice;
use zre_tests::{
    any_node::{Flavour, Host, NodeOptions, PATIENCE},
    raw_peer::{RawPeer, hello, random_id},
};

#[test]
fn a_node_does_not_connect_to_itself_by_another_name() {
    for flavour in [Flavour::TokioMulti, Flavour::Smol, Flavour::Blocking] {
        let error = error_of_connecting(flavour, "localhost");
        assert!(
            error.ends_with(": it is this node's own"),
            "{flavour}: {error}"
        );
    }
}

#[test]
fn a_node_does_not_connect_where_no_host_is() {
    for flavour in [Flavour::TokioMulti, Flavour::Smol, Flavour::Blocking] {
        let error = error_of_connecting(flavour, "0.0.0.1");
        assert!(
            error.ends_with(": it is not the address of one host"),
            "{flavour}: {error}"
        );
    }
}

/// Why a node does not connect to a peer that says it is at this host, and at the node's own port.
fn error_of_connecting(flavour: Flavour, host: &str) -> String {
    let node = Host::new(flavour)
        .start(NodeOptions::local("alice", port()))
        .unwrap();
    let mut notices = node.notices();
    let endpoint = format!("tcp://{host}:{}", node.endpoint().port());
    let mut peer = RawPeer::open(&node.endpoint(), random_id());
    peer.send(hello(&endpoint.parse().unwrap(), "mallory"))
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match notices.try_recv() {
            Some(Notice::ConnectFailed { error, .. }) => return error,
            _ => thread::yield_now(),
        }
        assert!(Instant::now() < deadline, "it connects to {endpoint}");
    }
}

/// One for each process, and for each time that it asks.
fn port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let process = u16::try_from(process::id() % 80).unwrap();
    31_000 + process * 9 + NEXT.fetch_add(1, Ordering::Relaxed) % 9
}
