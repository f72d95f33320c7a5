//! Endpoints that belong to others, in any spelling, and endpoints that lead nowhere.

use zre_proto::Body;
use zre_tests::{
    any_node::AnyNode,
    raw_peer::{Manner, RawBeacon, RawListener, RawPeer, hello, random_id},
};

use crate::{
    crafted::{hello_naming, messages_at},
    scene::{MIB, Scene, Stage},
};

attacks![
    beacons_of_an_honest_identity_before_it_comes_divert_nothing,
    beacons_of_an_honest_identity_before_and_while_it_comes_divert_nothing,
    beacons_of_an_honest_identity_from_fifty_ports_divert_nothing,
    answers_that_nobody_asked_for_take_no_endpoint_over,
    answers_that_nobody_asked_for_keep_no_endpoint_from_its_owner,
    an_honest_endpoint_in_other_spellings_disturbs_no_session,
    the_victims_own_endpoint_in_other_spellings_is_ignored,
    host_names_in_hellos_are_not_looked_up,
    a_beacon_leads_to_few_connections,
    a_hello_leads_to_few_connections,
];

fn beacons_of_an_honest_identity_before_it_comes_divert_nothing(stage: Stage) {
    divert(stage, false);
}

fn beacons_of_an_honest_identity_before_and_while_it_comes_divert_nothing(stage: Stage) {
    divert(stage, true);
}

fn divert(stage: Stage, goes_on: bool) {
    let scene = stage.begin();
    let (listener, beacon) = (
        RawListener::start(Manner::Reads),
        RawBeacon::new(scene.port),
    );
    let (id, port) = (random_id(), listener.endpoint().port().get());
    for _ in 0..20 {
        beacon.announce(id, port);
        scene.chat_for(1);
    }
    let meanwhile = || {
        if goes_on {
            beacon.announce(id, port);
        }
    };
    let carol = scene.newcomer_with(id, |_| {}, meanwhile);
    scene.demand(carol.is_ok(), format_args!("carol: {carol:?}"));
    let stolen = messages_at(&listener);
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to a stranger"),
    );
    scene.finish("beaconed carol's identity before she came", 8 * MIB);
}

fn beacons_of_an_honest_identity_from_fifty_ports_divert_nothing(stage: Stage) {
    const PORTS: usize = 50;
    let scene = stage.begin();
    let beacon = RawBeacon::new(scene.port);
    let listeners: Vec<_> = (0..PORTS)
        .map(|_| RawListener::start(Manner::Reads))
        .collect();
    for listener in listeners.iter().cycle().take(3 * PORTS) {
        beacon.announce(scene.alice.id(), listener.endpoint().port().get());
        scene.chat_for(1);
    }
    scene.chat_for(50);
    let stolen: usize = listeners.iter().map(messages_at).sum();
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to strangers"),
    );
    let looks: usize = listeners.iter().map(RawListener::accepted).sum();
    // Bob and the victim may look once at each.
    scene.demand(
        looks <= 2 * PORTS,
        format_args!("{looks} connections to strangers"),
    );
    scene.finish(
        format_args!("beaconed alice's identity with {PORTS} ports, 3 times"),
        16 * MIB,
    );
}

fn answers_that_nobody_asked_for_take_no_endpoint_over(stage: Stage) {
    let scene = stage.begin();
    let endpoint = scene.alice.endpoint();
    let mut mallory = scene.stranger();
    let _ = mallory.send(hello(&endpoint, "mallory"));
    for _ in 0..200 {
        for _ in 0..20 {
            let _ = mallory.send(Body::PingOk);
        }
        scene.chat_for(1);
    }
    scene.finish(
        "sent a HELLO with alice's endpoint and 4,000 answers to no PING",
        8 * MIB,
    );
}

fn answers_that_nobody_asked_for_keep_no_endpoint_from_its_owner(stage: Stage) {
    let scene = stage.begin();
    let mut mallory = scene.intruder(Manner::Reads);
    let port = mallory.listener.endpoint().port();
    // She stays at the node, and leaves her port to the one who comes now.
    drop(mallory.listener);
    let carol = scene.newcomer_with(
        random_id(),
        |options| options.tcp_port = Some(port.get()),
        || {
            for _ in 0..20 {
                let _ = mallory.peer.send(Body::PingOk);
            }
        },
    );
    scene.demand(carol.is_ok(), format_args!("carol: {carol:?}"));
    scene.finish(
        "had carol's endpoint before her and sent answers to no PING",
        8 * MIB,
    );
}

const SPELLINGS: [&str; 14] = [
    "tcp://[::ffff:127.0.0.1]:",
    "tcp://[::FFFF:7f00:1]:",
    "tcp://::ffff:127.0.0.1:",
    "tcp://[0:0:0:0:0:ffff:127.0.0.1]:",
    "tcp://localhost:",
    "tcp://LocalHost:",
    "tcp://[::1]:",
    "tcp://::1:",
    "tcp://0.0.0.0:",
    "tcp://[::]:",
    "tcp://127.0.0.2:",
    "tcp://127.1:",
    "tcp://2130706433:",
    "tcp://127.0.0.1:0",
];

fn an_honest_endpoint_in_other_spellings_disturbs_no_session(stage: Stage) {
    let scene = stage.begin();
    let strangers = [&scene.alice, &scene.bob].map(|honest| name(&scene, honest));
    scene.chat_for(150);
    drop(strangers);
    scene.finish(
        format_args!(
            "named alice's and bob's endpoint in {} spellings",
            SPELLINGS.len()
        ),
        8 * MIB,
    );
}

fn the_victims_own_endpoint_in_other_spellings_is_ignored(stage: Stage) {
    let scene = stage.begin();
    let strangers = name(&scene, &scene.victim);
    scene.chat_for(150);
    let seen = scene.facts().seen.clone();
    scene.demand(seen.is_empty(), format_args!("the victim saw {seen:?}"));
    drop(strangers);
    scene.finish(
        format_args!(
            "named the victim's endpoint in {} spellings",
            SPELLINGS.len()
        ),
        8 * MIB,
    );
}

/// Strangers send HELLOs with an honest node's endpoint, in all spellings.
fn name(scene: &Scene, honest: &AnyNode) -> Vec<RawPeer> {
    let port = honest.endpoint().port();
    let come = |spelling: &&str| {
        let mut mallory = scene.stranger();
        let _ = mallory.send_raw(&hello_naming(&format!("{spelling}{port}"), "mallory"));
        scene.chat_for(3);
        mallory
    };
    SPELLINGS.iter().map(come).collect()
}

fn host_names_in_hellos_are_not_looked_up(stage: Stage) {
    const HELLOS: usize = 200;
    let scene = stage.begin();
    let listener = RawListener::start(Manner::Reads);
    // Whoever looked it up would find nobody.
    let endpoint = format!("tcp://peer.invalid:{}", listener.endpoint().port());
    let mut strangers = Vec::new();
    for _ in 0..HELLOS {
        let mut mallory = scene.stranger();
        let _ = mallory.send_raw(&hello_naming(&endpoint, "mallory"));
        strangers.push(mallory);
    }
    scene.chat_for(100);
    // The node connects to where the HELLO came from.
    let connections = listener.accepted();
    scene.demand(
        (1..=HELLOS).contains(&connections),
        format_args!("{connections} connections to where the HELLOs came from"),
    );
    let enters = scene.facts().enters();
    scene.demand(
        enters <= 1,
        format_args!("{enters} at one place have entered"),
    );
    scene.finish(
        format_args!("sent {HELLOS} HELLOs with a host name"),
        16 * MIB,
    );
}

/// How often a node may try to connect to somebody who has never answered.
const TRIES: usize = 3;

fn a_beacon_leads_to_few_connections(stage: Stage) {
    let scene = stage.begin();
    let beacon = RawBeacon::new(scene.port);
    let listeners = [(); 10].map(|()| RawListener::start(Manner::Closes));
    for listener in &listeners {
        beacon.announce(random_id(), listener.endpoint().port().get());
    }
    scene.chat_for(400);
    // All three hear it.
    few_tries(&scene, &listeners, 3 * TRIES);
    scene.finish(
        "sent 10 beacons that lead to who closes connections",
        8 * MIB,
    );
}

fn a_hello_leads_to_few_connections(stage: Stage) {
    let scene = stage.begin();
    let listeners = [(); 10].map(|()| RawListener::start(Manner::Closes));
    let strangers = listeners.each_ref().map(|listener| {
        let mut mallory = scene.stranger();
        let _ = mallory.send(hello(listener.endpoint(), "mallory"));
        mallory
    });
    scene.chat_for(400);
    few_tries(&scene, &listeners, TRIES);
    drop(strangers);
    scene.finish(
        "sent 10 HELLOs that lead to who closes connections",
        8 * MIB,
    );
}

fn few_tries(scene: &Scene, listeners: &[RawListener], most: usize) {
    let tries: Vec<_> = listeners.iter().map(RawListener::accepted).collect();
    scene.demand(
        tries.iter().all(|tries| *tries <= most),
        format_args!("{tries:?} connections, allowed are {most} to each"),
    );
}
