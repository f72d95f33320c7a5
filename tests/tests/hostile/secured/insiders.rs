//! Somebody whose key is trusted, and who lies.

use super::*;

attacks![
    an_insider_under_an_honest_identity_forges_nothing,
    an_insider_that_names_honest_places_and_keys_disturbs_nobody,
    lies_about_a_peer_with_a_key_that_pauses_do_not_end_its_session,
    a_recorded_session_that_is_played_again_is_not_heard,
];

fn an_insider_under_an_honest_identity_forges_nothing(stage: Stage) {
    const ROUNDS: usize = 30;
    let scene = stage.begin_secured();
    let own = key_of(INSIDER);
    let listener = SecuredListener::start(&own);
    let id = scene.alice.id();
    // The node does not wait for a message: its key tells that it is not alice.
    if let Ok(mut mallory) = open(&scene, &own, id) {
        let closed = mallory.is_closed_within(DEADLINE);
        scene.demand(closed, "a connection was left open");
    }
    let mut connections = Vec::new();
    for round in 0..ROUNDS {
        let mallory = SecuredPeer::hurry(scene.endpoint(), victims_key(), &own, id);
        let mut mallory = mallory.expect("WELCOME");
        let named = [own.public(), key_of("alice").public()][round % 2];
        let _ = mallory.send(keyed_hello(listener.endpoint(), "alice", named));
        for sequence in 2..500 {
            let _ = mallory.send_as(sequence, whisper("forged"));
        }
        let _ = mallory.send(Body::Goodbye);
        connections.push(mallory);
        scene.chat_for(2);
    }
    // And every number there is, on one connection.
    let mallory = SecuredPeer::hurry(scene.endpoint(), victims_key(), &own, id);
    let mut mallory = mallory.expect("WELCOME");
    let all = (0..=u16::MAX).flat_map(|sequence| mallory.sealed(sequence, whisper("forged")));
    let all: Vec<u8> = all.collect();
    mallory.send_in_background(all.into());
    connections.push(mallory);
    for mallory in &mut connections {
        let closed = mallory.is_closed_within(DEADLINE);
        scene.demand(closed, "a connection was left open");
    }
    let stolen = contents(&listener);
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to the insider"),
    );
    let looks = listener.accepted();
    scene.demand(
        looks == 0,
        format_args!("{looks} connections to the insider"),
    );
    scene.chat_for(30);
    demand_nothing_seen(&scene);
    scene.finish(
        format_args!("came {ROUNDS} times under alice's identity, with a trusted key"),
        24 * MIB,
    );
}

fn an_insider_that_names_honest_places_and_keys_disturbs_nobody(stage: Stage) {
    let scene = stage.begin_secured();
    let own = key_of(INSIDER);
    let listener = SecuredListener::start(&own);
    let places = [
        scene.alice.endpoint(),
        scene.bob.endpoint(),
        scene.endpoint().clone(),
    ];
    let mut connections = Vec::new();
    for place in places {
        let port = place.port();
        for text in [
            format!("tcp://127.0.0.1:{port}"),
            format!("tcp://[::ffff:127.0.0.1]:{port}"),
            format!("tcp://localhost:{port}"),
            format!("tcp://127.0.0.1:{port}|{}", own.public()),
        ] {
            let Ok(endpoint) = text.parse() else {
                continue;
            };
            for key in [own.public(), key_of("alice").public()] {
                let mut mallory = open(&scene, &own, random_id()).expect("its key is trusted");
                let _ = mallory.send(keyed_hello(&endpoint, "mallory", key));
                for _ in 0..20 {
                    let _ = mallory.send(Body::PingOk);
                }
                connections.push(mallory);
                scene.chat_for(5);
            }
        }
    }
    // A HELLO that says nothing of its key.
    let mut mallory = open(&scene, &own, random_id()).expect("its key is trusted");
    let _ = mallory.send(hello(listener.endpoint(), "mallory"));
    let closed = mallory.is_closed_within(DEADLINE);
    scene.demand(closed, "a HELLO without a key was taken");
    scene.chat_for(50);
    let said: usize = {
        let facts = scene.facts();
        let is_said = |seen: &&Seen| matches!(seen, Seen::Whisper(..) | Seen::Shout(..));
        facts.seen.iter().filter(is_said).count()
    };
    scene.demand(said == 0, format_args!("{said} messages were heard"));
    scene.finish("named honest places and keys as its own", 16 * MIB);
}

fn lies_about_a_peer_with_a_key_that_pauses_do_not_end_its_session(stage: Stage) {
    let scene = stage.begin_secured();
    let (beacon, key, own) = (RawBeacon::new(scene.port), key_of("carol"), key_of(INSIDER));
    let (place, elsewhere) = (SecuredListener::start(&key), SecuredListener::start(&own));
    let id = random_id();
    let mut dora = open(&scene, &key, id).expect("its key is trusted");
    let hello = |key: &Keypair| keyed_hello(place.endpoint(), "dora", key.public());
    dora.send(hello(&key)).expect("it reads");
    scene.wait("dora to enter", |facts| facts.saw(&Seen::Enter(id)));
    // She does nothing from now on.
    let mut liars = Vec::new();
    for port in [0, elsewhere.endpoint().port().get()] {
        for key in [&key, &own] {
            beacon.announce_key(id, port, key.public());
        }
    }
    beacon.announce_key(random_id(), place.endpoint().port().get(), own.public());
    for liar in [id, random_id()] {
        let mallory = SecuredPeer::hurry(scene.endpoint(), victims_key(), &own, liar);
        let mut mallory = mallory.expect("WELCOME");
        let _ = mallory.send(hello(&own));
        let _ = mallory.send_as(40_000, whisper("forged"));
        liars.push(mallory);
    }
    scene.chat_for(150);
    // It fails if the node has closed the connection.
    let _ = dora.send(whisper("back"));
    const PING: u8 = 6;
    let is_ping = |first: &&Vec<u8>| first.get(2) == Some(&PING);
    for _ in 0..place.messages().iter().filter(is_ping).count() {
        let _ = dora.send(Body::PingOk);
    }
    scene.demand_in_time("what dora says when she goes on", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 4))
    });
    let exits = scene.exits(id);
    scene.demand(exits.is_empty(), format_args!("exits of dora: {exits:?}"));
    // Alice and bob, who have not met her, may say HELLO there.
    let told = (elsewhere.messages().len(), contents(&elsewhere));
    scene.demand(
        told.0 <= 2 && told.1 == 0,
        format_args!("{told:?} messages and contents went elsewhere"),
    );
    scene.finish("lied about a peer that paused for 1.5 s", 8 * MIB);
}

fn a_recorded_session_that_is_played_again_is_not_heard(stage: Stage) {
    const ROUNDS: usize = 30;
    let scene = stage.begin_secured();
    let own = key_of(INSIDER);
    let listener = SecuredListener::start(&own);
    let id = random_id();
    let mut session = open(&scene, &own, id).expect("its key is trusted");
    let said = session.send(keyed_hello(listener.endpoint(), "insider", own.public()));
    said.expect("it reads");
    scene.wait("the insider to enter", |facts| facts.saw(&Seen::Enter(id)));
    for _ in 0..10 {
        session.send(whisper("once")).expect("it reads");
    }
    let whispers = |facts: &crate::log::Facts| facts.count(&Seen::Whisper(id, 1, 4));
    scene.demand_in_time("ten whispers", |facts| whispers(facts) == 10);
    let recording = session.said.clone();
    let mut connections = Vec::new();
    for _ in 0..ROUNDS {
        let mut mallory = RawPeer::connect(scene.endpoint());
        let _ = mallory.send_raw(&recording);
        connections.push(mallory);
        scene.chat_for(1);
    }
    demand_closed(&scene, &mut connections);
    // Nor is the last message heard once more on its own connection.
    let last = session.sealed(12, whisper("last"));
    session.send_raw(&last).expect("it reads");
    let _ = session.send_raw(&last);
    let closed = session.is_closed_within(DEADLINE);
    scene.demand(closed, "a message that came twice was taken");
    // What was taken before the end may come to the log behind it.
    scene.demand_in_time("eleven whispers", |facts| whispers(facts) >= 11);
    let heard = whispers(&scene.facts());
    scene.demand(heard == 11, format_args!("{heard} whispers were heard"));
    scene.finish(
        format_args!("played a recorded session {ROUNDS} times"),
        8 * MIB,
    );
}
