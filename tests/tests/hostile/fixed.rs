//! What is found at fixed endpoints.

use zre_core::proto::Endpoint;
use zre_tests::raw_peer::{Manner, RawListener, RawPeer, hello, random_id};

use crate::{
    crafted::{Noise, messages_at},
    raw_hub::{RawHub, gossip},
    scene::{MIB, Scene, Setup, Stage},
};

attacks![
    fixed_endpoints_that_lead_nowhere_cost_little,
    a_fixed_endpoint_at_which_an_honest_identity_answers_diverts_nothing,
    a_fixed_endpoint_with_ever_new_identities_keeps_nobody_out,
    a_fixed_endpoint_that_is_the_nodes_own_or_an_honest_one_is_no_session_more,
];

fn with_fixed(stage: Stage, endpoints: &[Endpoint]) -> Scene {
    stage.begin_with(|setup: &mut Setup| {
        setup.fixed = endpoints.iter().map(ToString::to_string).collect();
    })
}

fn fixed_endpoints_that_lead_nowhere_cost_little(stage: Stage) {
    let manners = [
        Manner::NeverAnswers,
        Manner::Closes,
        Manner::Greets,
        Manner::Reads,
        Manner::NeverReads,
    ];
    let listeners = manners.map(RawListener::start);
    // A ROUTER says nothing to a peer of its own accord, and gossip is not spoken here.
    let junk = RawHub::start(|_, client| _ = client.send(&Noise(5).bytes(1000)));
    let hub = RawHub::start(|_, client| _ = client.send(&gossip(1, b"").repeat(1000)));
    let endpoints = listeners.iter().map(RawListener::endpoint);
    let endpoints = endpoints.chain([junk.endpoint(), hub.endpoint()]).cloned();
    let scene = with_fixed(stage, &endpoints.collect::<Vec<_>>());
    scene.chat_for(400);
    let looks = listeners.iter().map(RawListener::accepted);
    let looks: Vec<_> = looks.chain([junk.accepted(), hub.accepted()]).collect();
    scene.demand(
        looks.iter().all(|looks| (1..=15).contains(looks)),
        format_args!("{looks:?} connections to fixed endpoints"),
    );
    let seen = scene.facts().seen.clone();
    scene.demand(seen.is_empty(), format_args!("the victim saw {seen:?}"));
    scene.finish("listened at 7 fixed endpoints, where no peer is", 8 * MIB);
}

fn a_fixed_endpoint_at_which_an_honest_identity_answers_diverts_nothing(stage: Stage) {
    let listener = RawListener::start(Manner::Reads);
    let scene = with_fixed(stage, &[listener.endpoint().clone()]);
    let mut strangers = Vec::new();
    for honest in [&scene.alice, &scene.bob, &scene.victim] {
        let mut mallory = RawPeer::open(scene.endpoint(), honest.id());
        // It may be closed already, which is as good.
        let _ = mallory.send(hello(listener.endpoint(), "mallory"));
        strangers.push(mallory);
        scene.chat_for(50);
    }
    let stolen = messages_at(&listener);
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to a stranger"),
    );
    scene.finish(
        "said at a fixed endpoint that it is alice, bob and the victim",
        8 * MIB,
    );
}

fn a_fixed_endpoint_with_ever_new_identities_keeps_nobody_out(stage: Stage) {
    const IDENTITIES: usize = 100;
    let listener = RawListener::start(Manner::Reads);
    let scene = with_fixed(stage, &[listener.endpoint().clone()]);
    for _ in 0..IDENTITIES {
        let mut mallory = RawPeer::open(scene.endpoint(), random_id());
        let _ = mallory.send(hello(listener.endpoint(), "mallory"));
        scene.chat_for(2);
    }
    let enters = scene.facts().enters();
    let looks = listener.accepted();
    scene.demand(looks <= 3 * IDENTITIES, format_args!("{looks} connections"));
    scene.finish(
        format_args!("was {IDENTITIES} identities at a fixed endpoint, {enters} entered"),
        16 * MIB,
    );
}

fn a_fixed_endpoint_that_is_the_nodes_own_or_an_honest_one_is_no_session_more(stage: Stage) {
    let port = stage.port;
    let scene = stage.begin_with(|setup: &mut Setup| {
        // Two are the victim itself, one is where nobody listens.
        setup.tcp_port = Some(port);
        setup.fixed = [
            format!("tcp://127.0.0.1:{port}"),
            format!("tcp://localhost:{port}"),
            "tcp://127.0.0.1:9".to_owned(),
        ]
        .into();
    });
    scene.chat_for(300);
    let seen = scene.facts().seen.clone();
    scene.demand(seen.is_empty(), format_args!("the victim saw {seen:?}"));
    scene.finish("gave the victim itself as a fixed peer, twice", 8 * MIB);
}
