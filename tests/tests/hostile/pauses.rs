//! A peer that pauses for a second, as a busy or frozen process does, while others lie about it.

use zre_proto::Endpoint;
use zre_tests::raw_peer::{Manner, RawBeacon, RawListener, RawPeer, hello, random_id};

use crate::{
    crafted::whisper,
    log::Seen,
    scene::{Intruder, MIB, Scene, Stage},
};

attacks![
    a_forged_goodbye_does_not_end_the_session_of_a_peer_that_pauses,
    another_identity_in_a_beacon_at_the_endpoint_of_a_peer_that_pauses_does_not_push_it_out,
    another_identity_in_a_hello_at_the_endpoint_of_a_peer_that_pauses_does_not_push_it_out,
    a_hello_under_the_identity_of_a_peer_that_pauses_does_not_end_its_session,
    a_wrong_message_under_the_identity_of_a_peer_that_pauses_does_not_end_its_session,
];

fn a_forged_goodbye_does_not_end_the_session_of_a_peer_that_pauses(stage: Stage) {
    lie_about_a_pausing_peer(stage, "sent beacons of leaving", |scene, dora| {
        let beacon = RawBeacon::new(scene.port);
        for _ in 0..3 {
            beacon.announce(dora.id(), 0);
        }
        None
    });
}

fn another_identity_in_a_beacon_at_the_endpoint_of_a_peer_that_pauses_does_not_push_it_out(
    stage: Stage,
) {
    lie_about_a_pausing_peer(stage, "sent a beacon with its endpoint", |scene, dora| {
        RawBeacon::new(scene.port).announce(random_id(), port(dora.listener.endpoint()));
        None
    });
}

fn another_identity_in_a_hello_at_the_endpoint_of_a_peer_that_pauses_does_not_push_it_out(
    stage: Stage,
) {
    lie_about_a_pausing_peer(stage, "sent a HELLO with its endpoint", |scene, dora| {
        let mut mallory = scene.stranger();
        let _ = mallory.send(hello(dora.listener.endpoint(), "mallory"));
        Some((mallory, None))
    });
}

fn a_hello_under_the_identity_of_a_peer_that_pauses_does_not_end_its_session(stage: Stage) {
    lie_about_a_pausing_peer(stage, "sent a HELLO under its identity", |scene, dora| {
        let listener = RawListener::start(Manner::Reads);
        let mut mallory = RawPeer::open(scene.endpoint(), dora.id());
        let _ = mallory.send(hello(listener.endpoint(), "dora"));
        Some((mallory, Some(listener)))
    });
}

fn a_wrong_message_under_the_identity_of_a_peer_that_pauses_does_not_end_its_session(stage: Stage) {
    lie_about_a_pausing_peer(stage, "sent a wrong message in its name", |scene, dora| {
        let mut mallory = RawPeer::open(scene.endpoint(), dora.id());
        let _ = mallory.send_as(40_000, whisper("forged"));
        Some((mallory, None))
    });
}

/// A peer, honest but raw, pauses for a second and a half. Somebody lies about it at the beginning
/// of that. It must still be in session when it goes on.
fn lie_about_a_pausing_peer(
    stage: Stage,
    did: &str,
    lie: impl FnOnce(&Scene, &Intruder) -> Option<(RawPeer, Option<RawListener>)>,
) {
    let scene = stage.begin();
    let mut dora = scene.intruder(Manner::Reads);
    let beacon = RawBeacon::new(scene.port);
    let goes_on = |dora: &mut Intruder| {
        for _ in 0..20 {
            beacon.announce(dora.id(), port(dora.listener.endpoint()));
            dora.answer();
            scene.chat_for(2);
        }
    };
    goes_on(&mut dora);
    dora.listener.freeze();
    let liar = lie(&scene, &dora);
    scene.chat_for(150);
    dora.listener.thaw();
    goes_on(&mut dora);
    // It fails if the node has closed the connection.
    let _ = dora.peer.send(whisper("back"));
    let id = dora.id();
    scene.demand_in_time("what the peer says when it goes on", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 4))
    });
    let exits = scene.exits(id);
    scene.demand(
        exits.is_empty(),
        format_args!("exits of the peer: {exits:?}"),
    );
    drop(liar);
    scene.finish(format_args!("{did} while a peer paused for 1.5 s"), 8 * MIB);
}

fn port(endpoint: &Endpoint) -> u16 {
    endpoint.port().get()
}
