//! Clients of a gossip hub with a key.

use zre_core::proto::{GossipMessage, GossipTuple};

use super::*;

attacks![
    clients_of_a_hub_without_a_trusted_key_are_not_heard,
    tuples_of_an_insider_divert_nothing_and_keep_nobody_out,
];

fn hub(stage: Stage) -> Scene {
    stage.begin_with(|setup| {
        setup.is_hub = true;
        setup.is_secured = true;
    })
}

fn tuple(peer: PeerId, endpoint: &Endpoint, public_key: Option<PublicKey>) -> Vec<u8> {
    let tuple = GossipTuple {
        peer,
        endpoint: endpoint.clone(),
        public_key,
    };
    frame(false, false, &tuple.to_message().encode())
}

fn said_hello() -> Vec<u8> {
    frame(false, false, &GossipMessage::Hello.encode())
}

fn clients_of_a_hub_without_a_trusted_key_are_not_heard(stage: Stage) {
    const ROUNDS: usize = 30;
    let scene = hub(stage);
    let listener = RawListener::start(Manner::NeverAnswers);
    let (endpoint, key) = (scene.gossip_endpoint(), random_key());
    let mut connections = Vec::new();
    for _ in 0..ROUNDS {
        let tuple = tuple(
            random_id(),
            listener.endpoint(),
            Some(key_of("carol").public()),
        );
        let mut open = RawPeer::open(&endpoint, random_id());
        let _ = open.send_raw(&[said_hello(), tuple.clone()].concat());
        connections.push(open);
        let mut sealed = SecuredPeer::hurry(&endpoint, victims_key(), &key, random_id())
            .expect("the hub says WELCOME");
        let bytes = sealed.seal_frames(&[said_hello(), tuple].concat());
        let _ = sealed.send_raw(&bytes);
        let closed = sealed.is_closed_within(DEADLINE);
        scene.demand(closed, "a sealed connection was left open");
        scene.chat_for(1);
    }
    demand_closed(&scene, &mut connections);
    let looks = listener.accepted();
    scene.demand(looks == 0, format_args!("{looks} connections to strangers"));
    demand_nothing_seen(&scene);
    demand_few_lines(&scene);
    scene.finish(
        format_args!("came {} times to a hub without a trusted key", 2 * ROUNDS),
        8 * MIB,
    );
}

fn tuples_of_an_insider_divert_nothing_and_keep_nobody_out(stage: Stage) {
    const FLOOD: usize = 3000;
    let scene = hub(stage);
    let own = key_of(INSIDER);
    let (secured, silent) = (
        SecuredListener::start(&own),
        RawListener::start(Manner::NeverAnswers),
    );
    let carol = random_id();
    let endpoint = scene.gossip_endpoint();
    let mut mallory =
        SecuredPeer::open(&endpoint, victims_key(), &own, random_id()).expect("its key is trusted");
    let keys = ["alice", "bob", "carol", INSIDER].map(|name| key_of(name).public());
    let mut lie = || {
        let mut bytes = said_hello();
        for peer in [scene.alice.id(), scene.bob.id(), carol] {
            for place in [secured.endpoint(), silent.endpoint()] {
                for key in keys {
                    bytes.extend(tuple(peer, place, Some(key)));
                }
                bytes.extend(tuple(peer, place, None));
            }
        }
        let bytes = mallory.seal_frames(&bytes);
        mallory.send_raw(&bytes)
    };
    for _ in 0..20 {
        let _ = lie();
        scene.chat_for(2);
    }
    let met = scene.newcomer_with(carol, |_| {}, || _ = lie());
    scene.demand(met.is_ok(), format_args!("carol: {met:?}"));
    let mut flooder =
        SecuredPeer::open(&endpoint, victims_key(), &own, random_id()).expect("its key is trusted");
    for number in 0..FLOOD {
        let key = random_key().public();
        let bytes = flooder.seal_frames(&tuple(random_id(), silent.endpoint(), Some(key)));
        let _ = flooder.send_raw(&bytes);
        if number % 100 == 0 {
            scene.chat_for(1);
        }
    }
    let stolen = contents(&secured);
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to the insider"),
    );
    let told = scene.facts().refused.len();
    scene.demand(
        told <= TOLD,
        format_args!("the program was told of {told} keys"),
    );
    demand_few_lines(&scene);
    scene.finish(
        format_args!("told of alice, bob and carol elsewhere, and of {FLOOD} keys"),
        16 * MIB,
    );
}
