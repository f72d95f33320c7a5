//! Mistakes of a program lead to clear errors.

use std::{net::TcpListener, time::Duration};

use zre_core::{
    Beacons,
    interfaces::IpVersion,
    proto::{
        PeerId,
        curve::{Keypair, SecretKey},
    },
};
use zre_driver::api::{NodeKey, Trust};
use zre_tests::{any_node::NodeOptions, raw_peer::random_id};

use crate::scene::{Player, Scene, Side::Left};

crate::behaviours![
    names_that_are_too_long_are_refused_at_the_start,
    names_that_are_too_long_are_refused_later_too,
    an_unknown_interface_is_answered_with_those_there_are,
    a_port_in_use_is_named,
    times_that_cannot_be_are_refused,
    what_contradicts_itself_or_is_empty_is_refused_with_the_remedy,
    keys_that_are_set_half_are_refused_with_the_choice,
    a_node_with_a_key_says_which,
    an_unknown_peer_is_named,
];

fn refused(scene: &Scene, change: impl FnOnce(&mut NodeOptions)) -> String {
    let mut options = scene.options("alice");
    change(&mut options);
    match scene.host(Left).start(options) {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    }
}

fn names_that_are_too_long_are_refused_at_the_start(scene: &Scene) {
    let long = "x".repeat(256);
    let errors = [
        (
            "name",
            refused(scene, |alice| alice.name = Some(long.clone())),
        ),
        (
            "group",
            refused(scene, |alice| alice.groups = vec![long.clone()]),
        ),
        (
            "header",
            refused(scene, |alice| {
                alice.headers = vec![(long.clone(), String::new())];
            }),
        ),
    ];
    for (_, error) in &errors {
        assert!(error.contains("has 256 bytes, at most 255 fit"), "{error}");
    }
    let longest = "y".repeat(255);
    let (_alice, bob) = scene.pair_with(
        |alice| {
            alice.name = Some(longest.clone());
            alice.groups = vec![longest.clone()];
        },
        |_| {},
    );
    bob.sees(&[
        &format!("ENTER {longest}"),
        &format!("JOIN {longest} {longest}"),
    ]);
    bob.notes("errors", format!("{errors:?}"));
}

fn names_that_are_too_long_are_refused_later_too(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let long = "x".repeat(256);
    let start = "x".repeat(64);
    let check = |what: &str, error: String| {
        assert!(
            error.contains("has 256 bytes, at most 255 fit"),
            "{what}: {error}"
        );
        assert!(error.contains(&start[..8]), "{what}: {error}");
        alice.notes(what, error);
    };
    check("join", alice.join(&long).unwrap_err().to_string());
    check("leave", alice.leave(&long).unwrap_err().to_string());
    check("shout", alice.shout(&long, "hi").unwrap_err().to_string());
    check(
        "try_shout",
        alice.try_shout(&long, "hi").unwrap_err().to_string(),
    );
    check(
        "peers_by_group",
        alice.peers_by_group(&long).unwrap_err().to_string(),
    );
    alice.join(&long[..255]).unwrap();
    bob.sees(&[&format!("JOIN alice {}", &long[..255])]);
}

fn an_unknown_interface_is_answered_with_those_there_are(scene: &Scene) {
    let by_name = refused(scene, |alice| alice.interfaces = vec!["wlan99".into()]);
    assert!(
        by_name.starts_with("no interface \"wlan99\"; there are: "),
        "{by_name}"
    );
    assert!(by_name.contains("lo (127.0.0.1"), "{by_name}");
    let by_address = refused(scene, |alice| alice.interfaces = vec!["192.0.2.77".into()]);
    assert!(
        by_address.starts_with("no interface with the address 192.0.2.77; there are: "),
        "{by_address}"
    );
    assert!(by_address.contains("lo (127.0.0.1"), "{by_address}");
}

fn a_port_in_use_is_named(scene: &Scene) {
    let taken = TcpListener::bind(("127.0.0.1", scene.port())).unwrap();
    let error = refused(scene, |alice| alice.tcp_port = Some(scene.port()));
    assert!(
        error.contains(&format!("127.0.0.1:{}", scene.port())),
        "{error}"
    );
    assert!(error.contains("in use"), "{error}");
    drop(taken);
    let free = scene.start(
        Left,
        NodeOptions {
            tcp_port: Some(scene.port()),
            ..scene.options("alice")
        },
    );
    assert_eq!(free.endpoint().port().get(), scene.port());
    let error = refused(scene, |bob| bob.tcp_port = Some(scene.port()));
    assert!(
        error.contains(&format!("127.0.0.1:{}", scene.port())),
        "{error}"
    );
}

fn times_that_cannot_be_are_refused(scene: &Scene) {
    let error = refused(scene, |alice| {
        alice.beacon_interval = Some(Duration::from_millis(1));
    });
    assert_eq!(error, "beacon_interval is 1ms: set it to 10ms or more");
    let error = refused(scene, |alice| alice.expired = Some(Duration::ZERO));
    assert_eq!(error, "expired_after is 0ns: set it to 10ms or more");
    let limits = zre_core::Limits::default().peers(0);
    let error = refused(scene, |alice| alice.limits = Some(limits));
    assert_eq!(error, "the limit peers is 0: set it to 1 or more");
}

fn what_contradicts_itself_or_is_empty_is_refused_with_the_remedy(scene: &Scene) {
    let error = refused(scene, |alice| {
        alice.evasive = Some(Duration::from_secs(30));
        alice.expired = Some(Duration::from_secs(10));
    });
    assert!(
        error.starts_with("evasive_after is 30s, longer than expired_after, which is 10s: "),
        "{error}"
    );
    let error = refused(scene, |alice| alice.beacons = Beacons::Off);
    assert!(
        error.starts_with("beacons are off, and the node has nothing else to find peers by: "),
        "{error}"
    );
    let error = refused(scene, |alice| alice.connect = vec!["10.0.0.1:5".into()]);
    assert_eq!(
        error,
        "connect: endpoint \"10.0.0.1:5\" does not begin with \"tcp://\""
    );
    let error = refused(scene, |alice| alice.ip = IpVersion::V6);
    assert_eq!(
        error,
        "the interface is 127.0.0.1, and the node uses IPv6 alone: take another address, or both \
         versions of IP"
    );
    let error = refused(scene, |alice| alice.name = Some(String::new()));
    assert!(error.starts_with("the node name is empty; "), "{error}");
    let error = refused(scene, |alice| alice.groups = vec![String::new()]);
    assert!(
        error.starts_with("the name of a group is empty; "),
        "{error}"
    );
}

/// A pair that is the same in every run.
fn keypair() -> Keypair {
    SecretKey::from([1; 32]).into()
}

fn keys_that_are_set_half_are_refused_with_the_choice(scene: &Scene) {
    let key = || Some(NodeKey::from(keypair()));
    let secret = || Some("correct horse battery staple".to_owned());
    let error = refused(scene, |alice| alice.key = key());
    assert!(
        error.starts_with("the node has a key, and nothing says with whom it talks: set trust "),
        "{error}"
    );
    let error = refused(scene, |alice| alice.trust = Some(Trust::Any));
    assert!(error.contains("trusts keys and has none itself"), "{error}");
    let error = refused(scene, |alice| {
        (alice.key, alice.trust, alice.secret) = (key(), Some(Trust::Any), secret());
    });
    assert!(error.contains("has a key and a secret"), "{error}");
    let error = refused(scene, |alice| {
        (alice.trust, alice.secret) = (Some(keypair().public().into()), secret());
    });
    assert!(error.contains("leave out trust"), "{error}");
    let error = refused(scene, |alice| {
        (alice.secret, alice.seed) = (secret(), Some([1; 32]));
    });
    assert!(error.contains("leave out the seed"), "{error}");
    let error = refused(scene, |alice| {
        alice.headers = vec![("X-PUBLICKEY".to_owned(), keypair().public().to_string())];
    });
    assert!(
        error.starts_with("the header X-PUBLICKEY is set by the node itself"),
        "{error}"
    );
    let error = refused(scene, |alice| alice.secret = Some("swordfish".to_owned()));
    assert!(error.contains("9 characters and needs 12"), "{error}");
    assert!(!error.contains("swordfish"), "{error}");
    let error = refused(scene, |alice| {
        (alice.key, alice.trust) = (Some(NodeKey::file("/nowhere/alice")), Some(Trust::Any));
    });
    assert!(error.starts_with("/nowhere/alice: "), "{error}");
    let error = refused(scene, |alice| {
        (alice.key, alice.trust) = (key(), Some(Trust::dir("/nowhere/trusted")));
    });
    assert!(error.starts_with("/nowhere/trusted: "), "{error}");
}

fn a_node_with_a_key_says_which(scene: &Scene) {
    let open = scene.host(Left).start(scene.options("alice")).unwrap();
    assert_eq!(open.key(), None);
    let mut options = scene.options("bob");
    (options.key, options.trust) = (Some(keypair().into()), Some(Trust::Any));
    let keyed = scene.host(Left).start(options).unwrap();
    assert_eq!(keyed.key(), Some(keypair().public()));
    let mut options = scene.options("carol");
    options.secret = Some("correct horse battery staple".to_owned());
    let shared = scene.host(Left).start(options).unwrap();
    let derived = Keypair::from_passphrase("correct horse battery staple").unwrap();
    assert_eq!(shared.key(), Some(derived.public()));
}

fn an_unknown_peer_is_named(scene: &Scene) {
    let (alice, bob) = scene.pair();
    let nobody = random_id();
    scene.name(nobody, "nobody");
    no_way_to(&alice, nobody, "nobody");
    // A node is no peer of itself.
    no_way_to(&alice, alice.id(), "alice");
    bob.stop();
    alice.sees(&["EXIT bob: said goodbye"]);
    no_way_to(&alice, bob.id(), "bob");
}

fn no_way_to(alice: &Player, peer: PeerId, name: &str) {
    let why = format!("there is no peer {name}: it has not entered, or it has left");
    alice.fails("whisper", alice.whisper(peer, "hi"), &why);
    alice.fails("try_whisper", alice.try_whisper(peer, "hi"), &why);
    alice.fails("ping", alice.ping(peer), &why);
    assert_eq!(alice.peer(peer), None);
}

#[test]
fn tokio_refuses_to_start_where_there_is_no_runtime() {
    let options = zre_tokio::Node::builder("alice").interface("127.0.0.1");
    let refused = futures_lite::future::block_on(options.start());
    let error = refused.expect_err("there is no runtime").to_string();
    assert!(error.starts_with("a node needs tokio: "), "{error}");
}
