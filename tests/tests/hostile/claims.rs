//! Strangers who claim to be an honest peer, whose UUID is in every beacon.

use std::sync::Arc;

use zre_core::ExitReason;
use zre_proto::{Body, PeerId};
use zre_tests::raw_peer::{Manner, RawBeacon, RawListener, RawPeer, encode, hello};

use crate::{
    crafted::{messages_at, some_endpoint, still_open, whisper, with_header},
    measure::WARNINGS,
    scene::{MIB, Scene, Stage},
};

attacks![
    whispers_with_every_sequence_number_under_an_honest_identity_forge_nothing,
    goodbyes_with_every_sequence_number_under_an_honest_identity_end_nothing,
    one_guess_on_each_of_many_connections_forges_nothing,
    a_hello_under_an_honest_identity_takes_no_session_over,
    a_copy_of_an_honest_hello_forges_nothing,
    many_hellos_under_one_honest_identity_are_all_turned_away,
    large_hellos_under_one_honest_identity_hold_little_memory,
    hellos_that_lead_nowhere_keep_nobody_from_its_own_identity,
    a_hello_that_drips_in_under_an_honest_identity_is_turned_away,
    answers_that_nobody_asked_for_end_the_session,
    a_second_node_under_an_honest_identity_is_named_in_the_log,
];

fn whispers_with_every_sequence_number_under_an_honest_identity_forge_nothing(stage: Stage) {
    try_every_number(stage, |sequence| encode(sequence, whisper("forged")));
}

fn goodbyes_with_every_sequence_number_under_an_honest_identity_end_nothing(stage: Stage) {
    try_every_number(stage, |sequence| encode(sequence, Body::Goodbye));
}

fn try_every_number(stage: Stage, message: impl Fn(u16) -> Vec<u8>) {
    let scene = stage.begin();
    let bytes: Arc<[u8]> = (0..=u16::MAX).flat_map(message).collect();
    let mut connections = [&scene.alice, &scene.bob].map(|honest| {
        let mallory = RawPeer::open(scene.endpoint(), honest.id());
        mallory.send_in_background(Arc::clone(&bytes));
        mallory
    });
    let open = still_open(&mut connections);
    scene.demand(open == 0, format_args!("{open} connections were left open"));
    scene.chat_for(30);
    scene.finish(
        "sent 65,536 messages under alice's and bob's identity",
        16 * MIB,
    );
}

fn one_guess_on_each_of_many_connections_forges_nothing(stage: Stage) {
    const GUESSES: u16 = 1500;
    let scene = stage.begin();
    let mut connections = Vec::new();
    for sequence in 2..GUESSES {
        let mut mallory = RawPeer::open(scene.endpoint(), scene.alice.id());
        let _ = mallory.send_as(sequence, whisper("forged"));
        connections.push(mallory);
    }
    let open = still_open(&mut connections);
    scene.demand(open == 0, format_args!("{open} connections were left open"));
    scene.chat_for(30);
    scene.finish(
        format_args!("came {GUESSES} times under alice's identity, each time with another number"),
        16 * MIB,
    );
}

fn a_hello_under_an_honest_identity_takes_no_session_over(stage: Stage) {
    let scene = stage.begin();
    let listeners = [(); 5].map(|()| RawListener::start(Manner::Reads));
    let mut connections = Vec::new();
    for listener in &listeners {
        let mut mallory = RawPeer::open(scene.endpoint(), scene.alice.id());
        let _ = mallory.send(hello(listener.endpoint(), "alice"));
        connections.push(mallory);
        scene.chat_for(20);
    }
    turned_away(&scene, &mut connections, &listeners);
    scene.finish("sent 5 HELLOs under alice's identity", 8 * MIB);
}

/// All of these connections must be closed, and no message have gone to the listeners.
fn turned_away(scene: &Scene, connections: &mut [RawPeer], listeners: &[RawListener]) {
    let open = still_open(connections);
    scene.demand(open == 0, format_args!("{open} connections were left open"));
    let stolen: usize = listeners.iter().map(messages_at).sum();
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to strangers"),
    );
}

fn a_copy_of_an_honest_hello_forges_nothing(stage: Stage) {
    let scene = stage.begin();
    let endpoint = scene.alice.endpoint();
    let mut mallory = RawPeer::open(scene.endpoint(), scene.alice.id());
    let _ = mallory.send(hello(&endpoint, "alice"));
    for _ in 0..50 {
        let _ = mallory.send(whisper("forged"));
    }
    turned_away(&scene, &mut [mallory], &[]);
    scene.chat_for(100);
    scene.finish("sent alice's HELLO and 50 whispers in her name", 8 * MIB);
}

fn many_hellos_under_one_honest_identity_are_all_turned_away(stage: Stage) {
    const HELLOS: usize = 300;
    let scene = stage.begin();
    let listener = RawListener::start(Manner::Reads);
    let mut connections = Vec::new();
    for _ in 0..HELLOS {
        let mut mallory = RawPeer::open(scene.endpoint(), scene.alice.id());
        let _ = mallory.send(hello(listener.endpoint(), "alice"));
        let _ = mallory.send(whisper("forged"));
        connections.push(mallory);
    }
    // A real newcomer comes while they wait.
    let newcomer = scene.newcomer();
    scene.demand(newcomer.is_ok(), format_args!("{newcomer:?}"));
    turned_away(&scene, &mut connections, &[listener]);
    scene.chat_for(50);
    scene.finish(
        format_args!("sent {HELLOS} HELLOs under alice's identity at once"),
        16 * MIB,
    );
}

fn large_hellos_under_one_honest_identity_hold_little_memory(stage: Stage) {
    const HELLOS: usize = 100;
    let scene = stage.begin();
    let listener = RawListener::start(Manner::Reads);
    let heavy = with_header(hello(listener.endpoint(), "alice"), 1000 << 10);
    let bytes: Arc<[u8]> = encode(1, heavy).into();
    let mut connections: Vec<_> = (0..HELLOS)
        .map(|_| {
            let mallory = RawPeer::open(scene.endpoint(), scene.alice.id());
            mallory.send_in_background(Arc::clone(&bytes));
            mallory
        })
        .collect();
    turned_away(&scene, &mut connections, &[listener]);
    scene.chat_for(50);
    scene.finish(
        format_args!("sent {HELLOS} HELLOs of 1 MiB under alice's identity"),
        32 * MIB,
    );
}

fn hellos_that_lead_nowhere_keep_nobody_from_its_own_identity(stage: Stage) {
    let scene = stage.begin();
    let silent = RawListener::start(Manner::NeverAnswers);
    let closing = RawListener::start(Manner::Closes);
    let nowhere = [silent.endpoint(), closing.endpoint(), &some_endpoint()].map(Clone::clone);
    for endpoint in nowhere {
        let mut mallory = scene.stranger();
        let _ = mallory.send(hello(&endpoint, "carol"));
        scene.chat_for(10);
        let carol = scene.newcomer_with(mallory.id(), |_| {}, || {});
        scene.demand(carol.is_ok(), format_args!("behind {endpoint}: {carol:?}"));
    }
    scene.finish("sent HELLOs in the name of 3 who came behind", 8 * MIB);
}

fn a_hello_that_drips_in_under_an_honest_identity_is_turned_away(stage: Stage) {
    let scene = stage.begin();
    let listener = RawListener::start(Manner::Reads);
    let bytes = encode(1, hello(listener.endpoint(), "alice"));
    let mut connections: Vec<_> = (0..20)
        .map(|_| RawPeer::open(scene.endpoint(), scene.alice.id()))
        .collect();
    for byte in &bytes {
        for mallory in &mut connections {
            let _ = mallory.send_raw(&[*byte]);
        }
        scene.chat_for(1);
    }
    turned_away(&scene, &mut connections, &[listener]);
    scene.chat_for(50);
    scene.finish(
        "sent 20 HELLOs under alice's identity byte by byte",
        8 * MIB,
    );
}

fn answers_that_nobody_asked_for_end_the_session(stage: Stage) {
    const ANSWERS: usize = 1000;
    let scene = stage.begin();
    let mut mallory = scene.intruder(Manner::Reads);
    let id = mallory.id();
    for _ in 0..ANSWERS {
        let _ = mallory.peer.send(Body::PingOk);
    }
    scene.demand_in_time("the end of the session", |facts| is_fault(facts.exits(id)));
    scene.finish(format_args!("sent {ANSWERS} answers to no PING"), 8 * MIB);
}

fn is_fault(exits: Vec<ExitReason>) -> bool {
    matches!(exits[..], [ExitReason::ProtocolError(_)])
}

fn a_second_node_under_an_honest_identity_is_named_in_the_log(stage: Stage) {
    const ROUNDS: usize = 30;
    let scene = stage.begin();
    let (listener, beacon) = (
        RawListener::start(Manner::Reads),
        RawBeacon::new(scene.port),
    );
    let mut connections = Vec::new();
    for _ in 0..ROUNDS {
        beacon.announce(scene.alice.id(), listener.endpoint().port().get());
        let mut mallory = RawPeer::open(scene.endpoint(), scene.alice.id());
        let _ = mallory.send(hello(listener.endpoint(), "alice"));
        connections.push(mallory);
        // A tenth of a second.
        scene.chat_for(10);
    }
    // Each of the two others may look once a second.
    let looks = listener.accepted();
    scene.demand(
        looks <= 12,
        format_args!("{looks} connections to the second node"),
    );
    scene.demand(
        names_both(&scene, scene.alice.id(), &listener),
        "no line in the log names both nodes of one identity",
    );
    turned_away(&scene, &mut connections, &[listener]);
    scene.finish(
        format_args!("beaconed and sent HELLO {ROUNDS} times under alice's identity"),
        8 * MIB,
    );
}

/// Whether a line in the log says that two nodes have this identity, and where both are.
fn names_both(scene: &Scene, id: PeerId, other: &RawListener) -> bool {
    let id = id.to_string();
    let ports = [scene.alice.endpoint(), other.endpoint().clone()]
        .map(|endpoint| format!("127.0.0.1:{}", endpoint.port()));
    let says_all =
        |line: &String| line.contains(&id) && ports.iter().all(|port| line.contains(port));
    WARNINGS.lines().iter().any(says_all)
}
