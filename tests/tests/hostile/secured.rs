//! Nodes with keys: strangers without a trusted key, insiders with one, and somebody in between.

use std::{
    io::{self, ErrorKind},
    time::Instant,
};

use zre_core::ExitReason;
use zre_proto::{
    Body, Endpoint, PeerId,
    curve::{Keypair, PublicKey},
};
use zre_tests::{
    any_node::NodeOptions,
    raw_peer::{
        Deed, Manner, Meddler, RawBeacon, RawClient, RawListener, RawPeer, SecuredListener,
        SecuredPeer, encode, frame, frame_head, hello, random_id, random_key, secured_greeting,
    },
};

use crate::{
    crafted::{Noise, still_open, whisper},
    log::Seen,
    measure::WARNINGS,
    scene::{DEADLINE, INSIDER, MIB, Scene, Stage, key_of},
};

attacks![
    connections_that_stop_behind_welcome_hold_little_and_keep_nobody_out,
    a_key_that_is_not_trusted_under_an_honest_identity_is_refused_and_told_once,
    a_flood_of_keys_that_are_not_trusted_is_refused,
    an_honest_key_without_its_secret_opens_nothing,
    handshakes_that_are_changed_anywhere_open_nothing,
    commands_of_every_kind_in_a_handshake_open_nothing,
    what_is_said_in_the_open_to_a_node_with_a_key_is_not_heard,
    an_insider_under_an_honest_identity_forges_nothing,
    an_insider_that_names_honest_places_and_keys_disturbs_nobody,
    forged_beacons_with_honest_keys_divert_and_end_nothing,
    beacons_with_keys_that_are_not_trusted_lead_nowhere,
    beacons_without_a_key_are_not_followed,
    a_recorded_session_that_is_played_again_is_not_heard,
    a_session_that_somebody_changes_on_its_way_ends_and_comes_back,
    bits_that_are_changed_in_a_sealed_session_end_it,
];

fn victims_key() -> PublicKey {
    key_of("victim").public()
}

fn open(scene: &Scene, own: &Keypair, id: PeerId) -> io::Result<SecuredPeer> {
    SecuredPeer::open(scene.endpoint(), victims_key(), own, id)
}

fn keyed_hello(endpoint: &Endpoint, name: &str, key: PublicKey) -> Body {
    let Body::Hello(mut hello) = hello(endpoint, name) else {
        unreachable!("a HELLO");
    };
    let set = hello.headers.set("X-PUBLICKEY", key.to_string());
    set.expect("a short name");
    Body::Hello(hello)
}

/// All of these must be closed.
fn demand_closed(scene: &Scene, connections: &mut [RawPeer]) {
    let open = still_open(connections);
    scene.demand(open == 0, format_args!("{open} connections were left open"));
}

/// Nobody may have entered, or said anything.
fn demand_nothing_seen(scene: &Scene) {
    let seen = scene.facts().seen.clone();
    scene.demand(seen.is_empty(), format_args!("the victim saw {seen:?}"));
}

fn demand_few_lines(scene: &Scene) {
    const LINES: usize = 400;
    let lines = WARNINGS.lines().len();
    scene.demand(lines <= LINES, format_args!("{lines} lines in the log"));
}

fn connections_that_stop_behind_welcome_hold_little_and_keep_nobody_out(stage: Stage) {
    const FLOOD: usize = 1000;
    let scene = stage.begin_secured();
    let mut connections = Vec::new();
    let mut welcomed = 0;
    for number in 0..FLOOD {
        let Ok(mut client) = RawClient::hello(scene.endpoint(), victims_key()) else {
            continue;
        };
        // It may have been closed for a younger one already.
        welcomed += usize::from(client.welcome().is_ok());
        connections.push(client);
        if number % 100 == 0 {
            scene.chat_for(1);
        }
    }
    scene.demand(welcomed > 100, format_args!("only {welcomed} were welcome"));
    let newcomer = scene.newcomer();
    scene.demand(newcomer.is_ok(), format_args!("{newcomer:?}"));
    scene.chat_for(50);
    let entered = scene.facts().enters();
    scene.demand(entered == 1, format_args!("{entered} entered"));
    scene.finish(
        format_args!("stopped behind WELCOME {FLOOD} times"),
        16 * MIB,
    );
}

fn a_key_that_is_not_trusted_under_an_honest_identity_is_refused_and_told_once(stage: Stage) {
    const ROUNDS: usize = 100;
    let scene = stage.begin_secured();
    let (id, key) = (scene.alice.id(), random_key());
    let mut connections = Vec::new();
    for _ in 0..ROUNDS {
        let mut client = RawClient::hello(scene.endpoint(), victims_key()).expect("it accepts");
        let welcome = client.welcome().expect("WELCOME");
        let (initiate, last) = client
            .initiate(&welcome, &key, key.public(), id)
            .expect("the victim's WELCOME");
        client.send(&initiate).expect("it reads");
        // It does not wait for an answer.
        let _ = client.send(&encode(1, hello(&scene.alice.endpoint(), "alice")));
        let mut raw = client.into_raw();
        for sequence in 1..10 {
            let _ = raw.send_as(sequence, whisper("forged"));
        }
        connections.push(raw);
        drop(last);
        scene.chat_for(1);
    }
    demand_closed(&scene, &mut connections);
    let refused = open(&scene, &key, id).map(|_| ());
    let refused = refused.map_err(|error| error.kind());
    scene.demand(
        refused == Err(ErrorKind::PermissionDenied),
        format_args!("it was told {refused:?}"),
    );
    let told = scene.facts().refused.clone();
    scene.demand(
        told == [key.public()],
        format_args!("the program was told {told:?}"),
    );
    demand_nothing_seen(&scene);
    demand_few_lines(&scene);
    scene.finish(
        format_args!("came {ROUNDS} times under alice's identity with a key of its own"),
        8 * MIB,
    );
}

fn a_flood_of_keys_that_are_not_trusted_is_refused(stage: Stage) {
    const FLOOD: usize = 500;
    let scene = stage.begin_secured();
    let mut told = 0;
    for number in 0..FLOOD {
        let refused = open(&scene, &random_key(), random_id()).map(|_| ());
        match refused.map_err(|error| error.kind()) {
            Ok(()) => scene.demand(false, "a stranger was let in"),
            Err(ErrorKind::PermissionDenied) => told += 1,
            Err(_) => {}
        }
        if number % 50 == 0 {
            scene.chat_for(1);
        }
    }
    scene.demand(
        told > FLOOD / 2,
        format_args!("only {told} were told that they are refused"),
    );
    demand_nothing_seen(&scene);
    demand_few_lines(&scene);
    scene.finish(
        format_args!("came with {FLOOD} keys that are not trusted"),
        16 * MIB,
    );
}

fn an_honest_key_without_its_secret_opens_nothing(stage: Stage) {
    const ROUNDS: usize = 50;
    let scene = stage.begin_secured();
    let own = random_key();
    for name in ["alice", INSIDER, "victim"] {
        let claimed = key_of(name).public();
        for _ in 0..ROUNDS {
            let mut client = RawClient::hello(scene.endpoint(), victims_key()).expect("it accepts");
            let welcome = client.welcome().expect("WELCOME");
            let (initiate, last) = client
                .initiate(&welcome, &own, claimed, scene.alice.id())
                .expect("the victim's WELCOME");
            client.send(&initiate).expect("it reads");
            let answer = client.ready(scene.alice.id(), &last);
            // Not even that this key would be trusted.
            let kind = answer.map(|_| ()).map_err(|error| error.kind());
            let is_closed = matches!(
                kind,
                Err(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
            );
            scene.demand(
                is_closed,
                format_args!("{name}'s key was answered {kind:?}"),
            );
        }
        scene.chat_for(5);
    }
    // One who only looks like the node gets no further, either.
    let other = RawClient::hello(scene.endpoint(), key_of("alice").public());
    let welcome = other.and_then(|mut client| client.welcome());
    scene.demand(welcome.is_err(), "a HELLO for another key was answered");
    demand_nothing_seen(&scene);
    scene.finish(
        format_args!("claimed honest keys {} times", 3 * ROUNDS),
        8 * MIB,
    );
}

fn handshakes_that_are_changed_anywhere_open_nothing(stage: Stage) {
    const CHANGES: usize = 150;
    let scene = stage.begin_secured();
    let (id, own) = (random_id(), key_of(INSIDER));
    let mut noise = Noise(7);
    let mut connections = Vec::new();
    for number in 0..CHANGES {
        let mut client = RawClient::hello(scene.endpoint(), victims_key()).expect("it accepts");
        let welcome = client.welcome().expect("WELCOME");
        let (mut initiate, _) = client
            .initiate(&welcome, &own, own.public(), id)
            .expect("the victim's WELCOME");
        let at = number * initiate.len() / CHANGES;
        initiate[at] ^= 1 << (noise.bytes(1)[0] % 8);
        client.send(&initiate).expect("it reads");
        let mut raw = client.into_raw();
        let _ = raw.send(whisper("forged"));
        connections.push(raw);
        if number % 20 == 0 {
            scene.chat_for(1);
        }
    }
    demand_closed(&scene, &mut connections);
    demand_nothing_seen(&scene);
    demand_few_lines(&scene);
    scene.finish(
        format_args!("changed {CHANGES} handshakes of a trusted key"),
        8 * MIB,
    );
}

fn commands_of_every_kind_in_a_handshake_open_nothing(stage: Stage) {
    let scene = stage.begin_secured();
    let (id, own) = (random_id(), key_of(INSIDER));
    let mut noise = Noise(8);
    let names: [&[u8]; 7] = [
        b"\x05HELLO\x01\0",
        b"\x07WELCOME",
        b"\x08INITIATE",
        b"\x05READY",
        b"\x07MESSAGE",
        b"\x05ERROR\x03400",
        b"\x04PING\0\0",
    ];
    let mut connections = Vec::new();
    for (name, steps) in names
        .into_iter()
        .flat_map(|name| [0, 1].map(|it| (name, it)))
    {
        for length in [0, 16, 192, 8000] {
            let mut client = match steps {
                0 => {
                    let mut raw = RawPeer::connect(scene.endpoint());
                    let _ = raw.send_raw(&secured_greeting());
                    raw
                }
                _ => {
                    let client = RawClient::hello(scene.endpoint(), victims_key());
                    let mut client = client.expect("it accepts");
                    client.welcome().expect("WELCOME");
                    client.into_raw()
                }
            };
            let body = [name, &noise.bytes(length)].concat();
            let _ = client.send_raw(&frame(true, false, &body));
            let _ = client.send(whisper("forged"));
            connections.push(client);
        }
        scene.chat_for(2);
    }
    for size in [8193, 1 << 40] {
        let mut raw = RawPeer::connect(scene.endpoint());
        let _ = raw.send_raw(&secured_greeting());
        let _ = raw.send_raw(&frame_head(true, false, size));
        connections.push(raw);
    }
    demand_closed(&scene, &mut connections);
    // The same commands where only sealed ones belong, and a frame without end.
    let mut insiders = Vec::new();
    for name in names {
        let mut insider = open(&scene, &own, id).expect("it is trusted");
        let _ = insider.send_raw(&frame(true, false, &[name, &noise.bytes(100)].concat()));
        insiders.push(insider);
    }
    let mut insider = open(&scene, &own, id).expect("it is trusted");
    let _ = insider.send_raw(&frame_head(false, false, 1 << 50));
    insiders.push(insider);
    for insider in &mut insiders {
        let closed = insider.is_closed_within(DEADLINE);
        scene.demand(closed, "a sealed connection was left open");
    }
    demand_nothing_seen(&scene);
    scene.finish("sent commands of every kind in handshakes", 8 * MIB);
}

fn what_is_said_in_the_open_to_a_node_with_a_key_is_not_heard(stage: Stage) {
    const ROUNDS: usize = 50;
    let scene = stage.begin_secured();
    let listener = RawListener::start(Manner::Reads);
    let mut connections = Vec::new();
    for _ in 0..ROUNDS {
        for id in [scene.alice.id(), random_id()] {
            let mut mallory = RawPeer::open(scene.endpoint(), id);
            let key = key_of("alice").public();
            let _ = mallory.send(keyed_hello(listener.endpoint(), "alice", key));
            for sequence in 2..200 {
                let _ = mallory.send_as(sequence, whisper("forged"));
            }
            connections.push(mallory);
        }
        scene.chat_for(1);
    }
    demand_closed(&scene, &mut connections);
    let looks = listener.accepted();
    scene.demand(
        looks == 0,
        format_args!("{looks} connections to a stranger"),
    );
    demand_nothing_seen(&scene);
    demand_few_lines(&scene);
    scene.finish(
        format_args!("spoke without a key {} times", 2 * ROUNDS),
        8 * MIB,
    );
}

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

/// How many whispers and shouts have come to a listener.
fn contents(listener: &SecuredListener) -> usize {
    const WHISPER: u8 = 2;
    const SHOUT: u8 = 3;
    let messages = listener.messages();
    let ids = messages.iter().filter_map(|first| first.get(2));
    ids.filter(|id| matches!(**id, WHISPER | SHOUT)).count()
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

fn forged_beacons_with_honest_keys_divert_and_end_nothing(stage: Stage) {
    const ROUNDS: usize = 100;
    let scene = stage.begin_secured();
    let beacon = RawBeacon::new(scene.port);
    let own = key_of(INSIDER);
    let (secured, silent) = (
        SecuredListener::start(&own),
        RawListener::start(Manner::NeverAnswers),
    );
    let [alice, bob] = [&scene.alice, &scene.bob].map(|node| (node.id(), node.endpoint()));
    let ports = [
        secured.endpoint().port().get(),
        silent.endpoint().port().get(),
        bob.1.port().get(),
        0,
    ];
    for round in 0..ROUNDS {
        for port in ports {
            for key in [
                key_of("alice").public(),
                own.public(),
                key_of("bob").public(),
            ] {
                beacon.announce_key(alice.0, port, key);
            }
        }
        // Somebody who has not come yet, too.
        beacon.announce_key(bob.0, 0, key_of("bob").public());
        if round % 2 == 0 {
            scene.chat_for(2);
        }
    }
    scene.chat_for(50);
    let stolen = contents(&secured);
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to the insider"),
    );
    let looks = secured.accepted() + silent.accepted();
    // Bob and the victim may look, but not with each beacon.
    scene.demand(
        looks <= 40,
        format_args!("{looks} connections to strangers"),
    );
    demand_nothing_seen(&scene);
    scene.finish(
        format_args!("forged {} beacons of alice and bob", 13 * ROUNDS),
        8 * MIB,
    );
}

fn beacons_with_keys_that_are_not_trusted_lead_nowhere(stage: Stage) {
    const FLOOD: usize = 3000;
    let scene = stage.begin_secured();
    let beacon = RawBeacon::new(scene.port);
    let listener = RawListener::start(Manner::NeverAnswers);
    let port = listener.endpoint().port().get();
    for number in 0..FLOOD {
        beacon.announce_key(random_id(), port, random_key().public());
        if number % 20 == 0 {
            scene.chat_for(1);
        }
    }
    let looks = listener.accepted();
    scene.demand(looks == 0, format_args!("{looks} connections to strangers"));
    let told = scene.facts().refused.len();
    scene.demand(
        told <= 1024,
        format_args!("the program was told of {told} keys"),
    );
    demand_nothing_seen(&scene);
    demand_few_lines(&scene);
    scene.finish(
        format_args!("sent {FLOOD} beacons with keys that nobody trusts"),
        8 * MIB,
    );
}

fn beacons_without_a_key_are_not_followed(stage: Stage) {
    const ROUNDS: usize = 50;
    let scene = stage.begin_secured();
    let beacon = RawBeacon::new(scene.port);
    let listener = RawListener::start(Manner::Reads);
    let port = listener.endpoint().port().get();
    for _ in 0..ROUNDS {
        for id in [scene.alice.id(), scene.bob.id(), random_id()] {
            for port in [port, 0] {
                beacon.announce(id, port);
                beacon.announce_key(id, port, PublicKey::from([0; 32]));
            }
        }
        scene.chat_for(1);
    }
    scene.wait_for_log("without a key");
    let looks = listener.accepted();
    scene.demand(
        looks == 0,
        format_args!("{looks} connections to a stranger"),
    );
    demand_nothing_seen(&scene);
    demand_few_lines(&scene);
    scene.finish(
        format_args!("sent {} beacons without a key", 12 * ROUNDS),
        8 * MIB,
    );
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
    let heard = whispers(&scene.facts());
    scene.demand(heard == 11, format_args!("{heard} whispers were heard"));
    scene.finish(
        format_args!("played a recorded session {ROUNDS} times"),
        8 * MIB,
    );
}

/// Carol, whose connection to the victim leads past somebody.
fn meddle_with(stage: Stage, deeds: &[Deed], did: &str) {
    let scene = stage.begin_secured();
    let meddler = Meddler::before(scene.endpoint());
    let id = random_id();
    scene.facts().newcomers.insert(id);
    let carol = scene.alice.host().start(NodeOptions {
        uuid: Some(id.uuid()),
        beacons: zre_core::Beacons::Off,
        connect: vec![format!("{}|{}", meddler.endpoint(), victims_key())],
        ..scene.honest()
    });
    let carol = carol.expect("a node on loopback");
    let victim = scene.victim.id();
    let enters = |facts: &crate::log::Facts| facts.count(&Seen::Enter(id));
    let mut sent = 0;
    let mut send_until = |what: &str, done: &dyn Fn() -> bool| {
        let deadline = Instant::now() + 2 * DEADLINE;
        while !done() {
            if Instant::now() > deadline {
                scene.demand(false, format_args!("waited in vain for {what}"));
                return;
            }
            // It fails while she is not connected.
            if carol.try_whisper(victim, format!("number {sent}")).is_ok() {
                sent += 1;
            }
            scene.chat_for(1);
        }
    };
    send_until("carol", &|| !scene.facts().heard.is_empty());
    for (turn, deed) in deeds.iter().enumerate() {
        let before = scene.facts().exits(id).len();
        meddler.meddle(*deed);
        send_until("the deed", &|| !meddler.waits());
        send_until("the end of her session", &|| {
            scene.facts().exits(id).len() > before
        });
        let entered = turn + 2;
        send_until("her return", &|| enters(&scene.facts()) >= entered);
        let heard = scene.facts().heard.len();
        send_until("what she says", &|| scene.facts().heard.len() > heard);
    }
    let facts = scene.facts();
    let exits = facts.exits(id);
    let heard = facts.heard.clone();
    drop(facts);
    let known = |exit: &ExitReason| {
        matches!(
            exit,
            ExitReason::ProtocolError(_) | ExitReason::ConnectionLost | ExitReason::Restarted
        )
    };
    scene.demand(exits.iter().all(known), format_args!("{exits:?}"));
    // In order, none twice, and none that she has not said.
    let numbers = heard.iter().map(|text| {
        let number = text.strip_prefix("number ")?.parse::<u64>().ok()?;
        (number < sent).then_some(number)
    });
    let numbers: Option<Vec<u64>> = numbers.collect();
    let is_true = numbers.is_some_and(|it| it.windows(2).all(|pair| pair[0] < pair[1]));
    scene.demand(is_true, format_args!("heard {heard:?}"));
    scene.finish(did, 16 * MIB);
}

fn a_session_that_somebody_changes_on_its_way_ends_and_comes_back(stage: Stage) {
    let deeds = [
        Deed::LeaveOut,
        Deed::Repeat,
        Deed::Delay,
        Deed::Insert,
        Deed::Cut,
    ];
    meddle_with(
        stage,
        &deeds,
        "left out, repeated, delayed, inserted and cut sealed frames",
    );
}

fn bits_that_are_changed_in_a_sealed_session_end_it(stage: Stage) {
    // In the name, the number, the authenticator, the flags and the frame.
    let bits = [3, 8 * 15, 8 * 20, 8 * 32, 8 * 32 + 1, 8 * 36 + 5];
    let deeds = bits.map(Deed::Flip);
    meddle_with(stage, &deeds, "changed 6 bits of sealed frames");
}
