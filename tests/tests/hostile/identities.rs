//! Identities and endpoints that belong to others.

use zre_proto::{Body, Endpoint};
use zre_tests::raw_peer::{
    Manner, RawBeacon, RawListener, RawPeer, encode, frame, frame_head, hello,
};

use crate::{
    crafted::some_endpoint,
    log::Seen,
    scene::{DEADLINE, MIB, Stage},
};

attacks![
    a_hello_with_the_victims_own_endpoint_is_ignored,
    a_peer_with_the_victims_own_identity_is_refused,
    a_hello_that_names_another_peers_endpoint_does_not_push_that_peer_out,
    a_stranger_under_an_honest_peers_identity_does_not_disturb_its_session,
    a_wrong_hello_under_an_honest_peers_identity_does_not_disturb_its_session,
];

fn a_hello_with_the_victims_own_endpoint_is_ignored(stage: Stage) {
    let scene = stage.begin();
    let mut intruders = Vec::new();
    for _ in 0..100 {
        let mut mallory = scene.stranger();
        let _ = mallory.send(hello(scene.endpoint(), "mirror"));
        intruders.push(mallory);
    }
    scene.wait_for_log("it names this node's own endpoint");
    // The same place by a name.
    let port = scene.endpoint().port();
    let mut by_name = scene.stranger();
    let id = by_name.id();
    let endpoint: Endpoint = format!("tcp://localhost:{port}").parse().unwrap();
    by_name.send(hello(&endpoint, "mirror")).unwrap();
    scene.chat_for(50);
    assert!(
        scene.facts().seen.len() <= 2,
        "a storm: {:?}",
        scene.facts().seen
    );
    assert!(scene.facts().count(&Seen::Enter(id)) <= 1);
    scene.finish("sent 101 HELLOs with the victim's endpoint", 8 * MIB);
}

fn a_peer_with_the_victims_own_identity_is_refused(stage: Stage) {
    let scene = stage.begin();
    let listener = RawListener::start(Manner::Reads);
    let own = scene.victim.id();
    for _ in 0..50 {
        let mut mallory = RawPeer::open(scene.endpoint(), own);
        let _ = mallory.send(hello(listener.endpoint(), "doppelganger"));
        assert!(mallory.is_closed_within(DEADLINE));
    }
    let beacon = RawBeacon::new(scene.port);
    let port = listener.endpoint().port().get();
    for _ in 0..50 {
        beacon.announce(own, port);
    }
    scene.chat_for(30);
    assert!(scene.facts().seen.is_empty());
    assert_eq!(listener.accepted(), 0);
    scene.wait_for_log("the identity is this node's own");
    scene.finish(
        "came 50 times and sent 50 beacons under the victim's identity",
        8 * MIB,
    );
}

fn a_hello_that_names_another_peers_endpoint_does_not_push_that_peer_out(stage: Stage) {
    let scene = stage.begin();
    let endpoint = scene.alice.endpoint();
    let mut mallory = scene.stranger();
    let _ = mallory.send(hello(&endpoint, "mallory"));
    let _ = mallory.send(Body::Ping);
    scene.chat_for(50);
    scene.finish("sent a HELLO with alice's endpoint", 8 * MIB);
}

fn a_stranger_under_an_honest_peers_identity_does_not_disturb_its_session(stage: Stage) {
    let scene = stage.begin();
    let alice = scene.alice.id();
    let attacks: [Vec<u8>; 5] = [
        encode(40_000, Body::Goodbye),
        encode(1, Body::Ping),
        frame(false, false, b"junk"),
        frame_head(false, false, 1 << 62),
        b"\xFF\xFF\xFF".to_vec(),
    ];
    let mut intruders = Vec::new();
    for bytes in attacks.iter().cycle().take(60) {
        let mut mallory = RawPeer::open(scene.endpoint(), alice);
        let _ = mallory.send_raw(bytes);
        intruders.push(mallory);
    }
    scene.chat_for(50);
    scene.finish("came 60 times under alice's identity", 8 * MIB);
}

fn a_wrong_hello_under_an_honest_peers_identity_does_not_disturb_its_session(stage: Stage) {
    let scene = stage.begin();
    let mut mallory = RawPeer::open(scene.endpoint(), scene.alice.id());
    let _ = mallory.send_as(2, hello(&some_endpoint(), "not alice"));
    assert!(mallory.is_closed_within(DEADLINE));
    scene.chat_for(20);
    scene.finish(
        "sent a HELLO out of sequence under alice's identity",
        8 * MIB,
    );
}
