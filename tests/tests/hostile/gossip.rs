//! Strangers at a gossip hub, and hubs that lie to their clients.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use zre_core::proto::Endpoint;
use zre_tests::raw_peer::{Manner, RawListener, RawPeer, frame, greeting, random_id, ready};

use crate::{
    crafted::{Noise, messages_at},
    raw_hub::{INVALID, PONG, RawHub, gossip, publish},
    scene::{DEADLINE, MIB, Scene, Setup, Stage},
};

attacks![
    junk_on_the_gossip_port_closes_the_connection,
    gossip_handshakes_that_stop_half_way_keep_nobody_out,
    a_hundred_thousand_tuples_keep_nobody_out,
    tuples_that_name_honest_peers_divert_nothing,
    tuples_of_a_peer_that_is_still_to_come_divert_nothing,
    tuples_that_name_the_victim_are_ignored,
    tuples_lead_to_few_connections,
    clients_of_a_hub_that_read_nothing_cost_little,
    hubs_that_do_nothing_right_cost_little,
    a_hub_that_calls_everything_invalid_is_not_asked_without_end,
    a_hub_that_floods_its_client_keeps_nobody_out,
];

fn hub(stage: Stage) -> Scene {
    stage.begin_with(|setup| setup.is_hub = true)
}

/// A client of the victim that has said HELLO.
fn client(scene: &Scene) -> RawPeer {
    let mut client = RawPeer::greet(&scene.gossip_endpoint(), &ready("DEALER", None));
    client.send_raw(&gossip(1, b"")).expect("the hub reads");
    client
}

fn junk_on_the_gossip_port_closes_the_connection(stage: Stage) {
    let scene = hub(stage);
    let endpoint = scene.gossip_endpoint();
    let mut noise = Noise(7);
    for _ in 0..20 {
        let mut mallory = RawPeer::connect(&endpoint);
        let mut bytes = noise.bytes(3000);
        bytes[0] &= 0x7F;
        let _ = mallory.send_raw(&bytes);
        assert!(mallory.is_closed_within(DEADLINE));
    }
    let bodies: [&[u8]; 12] = [
        b"",
        b"\xAA",
        b"\xAA\xA0",
        b"\xAA\xA0\x02",
        // Signature, number and version of others: ZRE's, none, a later one.
        b"\xAA\xA1\x01\x01",
        b"\xAA\xA0\x00\x01",
        b"\xAA\xA0\x06\x01",
        b"\xAA\xA0\x01\x02",
        // A key and a value that are longer than what is there.
        b"\xAA\xA0\x02\x01\xFFkey",
        b"\xAA\xA0\x02\x01\x03key\xFF\xFF\xFF\xFFvalue",
        b"\xAA\xA0\x02\x01\x03key\0\0\0\x05valu",
        b"\xAA\xA0\x02\x01\x03key\0\0\0\x05value\0\0",
    ];
    for body in bodies {
        let mut mallory = client(&scene);
        let _ = mallory.send_raw(&frame(false, false, body));
        let is_closed = mallory.is_closed_within(DEADLINE);
        scene.demand(is_closed, format_args!("{}: is open", body.escape_ascii()));
    }
    // Many frames, and one that is said to be of a gibibyte.
    let mut mallory = client(&scene);
    let _ = mallory.send_raw(&frame(false, true, b"\xAA\xA0\x01\x01").repeat(10_000));
    scene.demand(mallory.is_closed_within(DEADLINE), "frames without end");
    let mut mallory = client(&scene);
    let _ = mallory.send_raw(&zre_tests::raw_peer::frame_head(false, false, 1 << 30));
    scene.demand(mallory.is_closed_within(DEADLINE), "a frame of a gibibyte");
    scene.finish("sent junk on 34 connections to the gossip port", 8 * MIB);
}

fn gossip_handshakes_that_stop_half_way_keep_nobody_out(stage: Stage) {
    const EACH: usize = 200;
    let scene = hub(stage);
    let endpoint = scene.gossip_endpoint();
    let mut held = Vec::new();
    for _ in 0..EACH {
        held.push(RawPeer::connect(&endpoint));
        let mut greeted = RawPeer::connect(&endpoint);
        let _ = greeted.send_raw(&greeting());
        held.push(greeted);
        held.push(RawPeer::greet(&endpoint, &ready("DEALER", None)));
        scene.chat_for(1);
    }
    scene
        .newcomer()
        .unwrap_or_else(|error| scene.demand(false, error));
    scene.finish(
        format_args!(
            "left {} connections to the gossip port half-open",
            held.len()
        ),
        32 * MIB,
    );
}

const TUPLES: usize = 100_000;
/// How many connections so many tuples may lead to, of three nodes. On loopback, where nobody else
/// is to be protected, nodes try more than on a network.
const FEW: usize = TUPLES / 100;

fn a_hundred_thousand_tuples_keep_nobody_out(stage: Stage) {
    let scene = hub(stage);
    let listener = RawListener::start(Manner::Closes);
    let mut mallory = client(&scene);
    let mut sent = 0;
    for _ in 0..TUPLES / 1000 {
        let tuples: Vec<u8> = (0..1000)
            .flat_map(|_| publish(&random_id().to_string(), &listener.endpoint().to_string()))
            .collect();
        if mallory.send_raw(&tuples).is_err() {
            break;
        }
        sent += 1000;
    }
    scene.chat_for(100);
    few_looks(&scene, &[listener], FEW);
    scene
        .newcomer()
        .unwrap_or_else(|error| scene.demand(false, error));
    scene.finish(format_args!("published {sent} tuples"), 32 * MIB);
}

fn tuples_that_name_honest_peers_divert_nothing(stage: Stage) {
    let scene = hub(stage);
    let listener = RawListener::start(Manner::Reads);
    let mut mallory = client(&scene);
    for _ in 0..20 {
        for honest in [&scene.alice, &scene.bob, &scene.victim] {
            let tuple = publish(&honest.id().to_string(), &listener.endpoint().to_string());
            mallory.send_raw(&tuple).expect("the hub reads");
        }
        scene.chat_for(10);
    }
    nothing_stolen(&scene, &listener);
    scene.finish(
        "published another endpoint for each honest node, 20 times",
        8 * MIB,
    );
}

fn tuples_of_a_peer_that_is_still_to_come_divert_nothing(stage: Stage) {
    let scene = hub(stage);
    let listener = RawListener::start(Manner::Reads);
    let mut mallory = client(&scene);
    let id = random_id();
    let tuple = publish(&id.to_string(), &listener.endpoint().to_string());
    mallory.send_raw(&tuple).expect("the hub reads");
    scene.chat_for(20);
    let meanwhile = || mallory.send_raw(&tuple).expect("the hub reads");
    let carol = scene.newcomer_with(id, |_| {}, meanwhile);
    scene.demand(carol.is_ok(), format_args!("carol: {carol:?}"));
    nothing_stolen(&scene, &listener);
    scene.finish("published carol's identity before she came", 8 * MIB);
}

fn tuples_that_name_the_victim_are_ignored(stage: Stage) {
    let scene = hub(stage);
    let mut mallory = client(&scene);
    let port = scene.endpoint().port();
    let hosts = [
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "localhost",
        "0.0.0.0",
        "127.0.0.2",
        "[::1]",
    ];
    let places = hosts.map(|host| format!("tcp://{host}:{port}"));
    let places = places
        .into_iter()
        .chain([scene.gossip_endpoint().to_string()]);
    for place in places {
        for id in [random_id(), scene.victim.id()] {
            let tuple = publish(&id.to_string(), &place);
            mallory.send_raw(&tuple).expect("the hub reads");
        }
    }
    for text in [
        "",
        "|",
        "tcp://",
        "tcp://127.0.0.1:0",
        "inproc://x",
        "tcp://127.0.0.1:9|short",
    ] {
        for id in [
            random_id().to_string(),
            String::new(),
            "no identity".to_owned(),
        ] {
            mallory
                .send_raw(&publish(&id, text))
                .expect("the hub reads");
        }
    }
    scene.chat_for(150);
    let seen = scene.facts().seen.clone();
    scene.demand(seen.is_empty(), format_args!("the victim saw {seen:?}"));
    scene.finish("published the victim's endpoint in 7 spellings", 8 * MIB);
}

/// How often a node may try to reach one that never answers and that only a tuple names.
const TRIES: usize = 3;

fn tuples_lead_to_few_connections(stage: Stage) {
    let scene = hub(stage);
    let listeners = [(); 10].map(|()| RawListener::start(Manner::Closes));
    let mut mallory = client(&scene);
    for turn in 0..10 {
        for listener in &listeners {
            let value = listener.endpoint().to_string();
            let tuple = publish(&random_id().to_string(), &value);
            mallory.send_raw(&tuple).expect("the hub reads");
        }
        scene.chat_for(if turn == 9 { 400 } else { 1 });
    }
    // All three hear of ten at each place.
    few_looks(&scene, &listeners, 3 * 10 * TRIES);
    scene.finish(
        "published 100 tuples that lead to 10 who close connections",
        8 * MIB,
    );
}

fn clients_of_a_hub_that_read_nothing_cost_little(stage: Stage) {
    let scene = hub(stage);
    let deaf: Vec<_> = (0..50).map(|_| client(&scene)).collect();
    let mut mallory = client(&scene);
    let ids: Vec<_> = (0..50).map(|_| random_id().to_string()).collect();
    let mut sent = 0;
    for turn in 0..400 {
        // Each time another value, which the hub is to tell all.
        let value = format!("tcp://127.0.0.1:{}", 1 + turn % 9);
        let tuples: Vec<u8> = ids.iter().flat_map(|id| publish(id, &value)).collect();
        if mallory.send_raw(&tuples).is_err() {
            break;
        }
        sent += ids.len();
    }
    scene.chat_for(50);
    drop(deaf);
    scene.finish(
        format_args!("published {sent} changes to 50 clients that read nothing"),
        32 * MIB,
    );
}

/// The victim is a client of these.
fn client_of(stage: Stage, hubs: Vec<Endpoint>) -> Scene {
    stage.begin_with(|setup: &mut Setup| {
        setup.hubs = hubs.iter().map(ToString::to_string).collect();
    })
}

fn hubs_that_do_nothing_right_cost_little(stage: Stage) {
    let manners = [
        Manner::NeverAnswers,
        Manner::Closes,
        Manner::Greets,
        Manner::NeverReads,
    ];
    let listeners = manners.map(RawListener::start);
    let junk = RawHub::start(|_, hub| {
        // It may be closed already, which is as good.
        let _ = hub.send(&Noise(3).bytes(100));
    });
    let pong = RawHub::start(|_, hub| _ = hub.send(&gossip(PONG, b"").repeat(100)));
    let hubs = listeners.iter().map(RawListener::endpoint);
    let hubs = hubs.chain([junk.endpoint(), pong.endpoint()]).cloned();
    let scene = client_of(stage, hubs.collect());
    scene.chat_for(400);
    few_looks(&scene, &listeners, 15);
    let looks = junk.accepted();
    scene.demand(
        looks <= 15,
        format_args!("{looks} connections to a hub that says junk"),
    );
    scene.finish("was six hubs that do nothing right", 8 * MIB);
}

fn a_hub_that_calls_everything_invalid_is_not_asked_without_end(stage: Stage) {
    let received = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&received);
    let hub = RawHub::start(move |_, hub| {
        counted.fetch_add(1, Ordering::Relaxed);
        let _ = hub.send(&gossip(INVALID, b""));
    });
    let scene = client_of(stage, vec![hub.endpoint().clone()]);
    scene.chat_for(300);
    let received = received.load(Ordering::Relaxed);
    scene.demand(
        (1..=300).contains(&received),
        format_args!("{received} messages to a hub that calls everything invalid"),
    );
    scene.finish(format_args!("answered INVALID {received} times"), 8 * MIB);
}

fn a_hub_that_floods_its_client_keeps_nobody_out(stage: Stage) {
    let listener = RawListener::start(Manner::Closes);
    let place = listener.endpoint().to_string();
    let hub = RawHub::start(move |message, hub| {
        if message != 0 {
            return;
        }
        for _ in 0..500 {
            let tuples: Vec<u8> = (0..200)
                .flat_map(|_| publish(&random_id().to_string(), &place))
                .collect();
            if hub.send(&tuples).is_err() {
                return;
            }
            thread::yield_now();
        }
    });
    let scene = client_of(stage, vec![hub.endpoint().clone()]);
    scene.chat_for(200);
    few_looks(&scene, &[listener], FEW);
    scene.finish("was a hub that published 100,000 tuples", 32 * MIB);
}

fn nothing_stolen(scene: &Scene, listener: &RawListener) {
    let stolen = messages_at(listener);
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to a stranger"),
    );
}

fn few_looks(scene: &Scene, listeners: &[RawListener], most: usize) {
    let looks: Vec<_> = listeners.iter().map(RawListener::accepted).collect();
    scene.demand(
        looks.iter().all(|looks| *looks <= most),
        format_args!("{looks:?} connections, allowed are {most} to each"),
    );
}
