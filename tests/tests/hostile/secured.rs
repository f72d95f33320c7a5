//! Nodes with keys, and strangers who have none that is trusted; [`insiders`] with one, forged
//! [`beacons`], clients of a [`gossip`] hub, and somebody [`between`] two nodes.

pub(crate) mod beacons;
pub(crate) mod between;
pub(crate) mod gossip;
pub(crate) mod insiders;

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
];

/// How many keys of strangers a program may be told of in the time of an attack.
const TOLD: usize = 256;

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
    scene.demand_in_time("the program to be told", |facts| !facts.refused.is_empty());
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
    let mut answered = 0;
    for number in 0..FLOOD {
        let refused = open(&scene, &random_key(), random_id()).map(|_| ());
        match refused.map_err(|error| error.kind()) {
            Ok(()) => scene.demand(false, "a stranger was let in"),
            Err(ErrorKind::PermissionDenied) => answered += 1,
            Err(_) => {}
        }
        if number % 50 == 0 {
            scene.chat_for(1);
        }
    }
    scene.demand(
        answered > FLOOD / 2,
        format_args!("only {answered} were told that they are refused"),
    );
    let told = scene.facts().refused.len();
    scene.demand(
        told <= TOLD,
        format_args!("the program was told of {told} keys"),
    );
    demand_nothing_seen(&scene);
    demand_few_lines(&scene);
    scene.finish(
        format_args!("came with {FLOOD} keys that are not trusted, of which {told} were told"),
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

/// How many whispers and shouts have come to a listener.
fn contents(listener: &SecuredListener) -> usize {
    const WHISPER: u8 = 2;
    const SHOUT: u8 = 3;
    let messages = listener.messages();
    let ids = messages.iter().filter_map(|first| first.get(2));
    ids.filter(|id| matches!(**id, WHISPER | SHOUT)).count()
}
