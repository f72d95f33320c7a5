//! A node that trusts a directory of certificates.

use std::fs;

use tempfile::TempDir;
use zre_core::{
    Event, ExitReason,
    proto::curve::{Keypair, SecretKey},
};
use zre_net::keys::write_public;

use super::net::Net;
use crate::{
    Settings,
    settings::{NodeKey, Trust},
};

fn keypair(number: u8) -> Keypair {
    SecretKey::from([number; 32]).into()
}

/// Alice trusts the directory, bob trusts alice.
fn set(settings: &mut Settings, trusted: &TempDir) {
    let name = settings.name.as_ref().and_then(|name| name.to_str().ok());
    let is_alice = name == Some("node0");
    settings.key = Some(NodeKey::Pair(keypair(if is_alice { 1 } else { 2 })));
    settings.trust = Some(match is_alice {
        true => Trust::dir(trusted.path()),
        false => keypair(1).public().into(),
    });
}

#[test]
fn a_peer_exits_when_its_certificate_goes_and_enters_when_it_comes_back() {
    let trusted = TempDir::new().unwrap();
    let path = trusted.path().join("bob");
    write_public(&path, &keypair(2).into()).unwrap();
    let mut net = Net::of::<2>(|settings| set(settings, &trusted));
    let [alice, bob] = net.hubs();
    let bob_id = bob.local().id;
    assert_eq!(bob.local().key, Some(keypair(2).public()));
    assert!(alice.read(|node| node.is_ready(bob_id)));
    fs::remove_file(&path).unwrap();
    net.run_until(|_| !alice.read(|node| node.is_ready(bob_id)));
    let exit = std::iter::from_fn(|| alice.try_recv());
    let mut exit = exit.filter(|event| matches!(event, Event::Exit { .. }));
    let Some(Event::Exit { peer, reason, .. }) = exit.next() else {
        panic!("bob has not left");
    };
    assert_eq!((peer, reason), (bob_id, ExitReason::Refused));
    write_public(&path, &keypair(2).into()).unwrap();
    let trusts_again = |_: &Net| {
        let trust = |security: &zre_core::Security| security.trust.clone();
        let trust = alice.read(|node| node.security().map(trust));
        trust.is_some_and(|it| it.admits(&keypair(2).public()).is_some())
    };
    net.run_until(trusts_again);
    net.meet();
}
