//! Beacons with keys, and without.

use super::*;

attacks![
    forged_beacons_with_honest_keys_divert_and_end_nothing,
    forged_beacons_of_one_who_comes_later_divert_nothing_and_keep_nobody_out,
    beacons_with_a_trusted_key_lead_to_few_connections,
    beacons_with_keys_that_are_not_trusted_lead_nowhere,
    beacons_without_a_key_are_not_followed,
];

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

fn forged_beacons_of_one_who_comes_later_divert_nothing_and_keep_nobody_out(stage: Stage) {
    let scene = stage.begin_secured();
    let beacon = RawBeacon::new(scene.port);
    let own = key_of(INSIDER);
    let (secured, silent) = (
        SecuredListener::start(&own),
        RawListener::start(Manner::NeverAnswers),
    );
    let id = random_id();
    let lie = || {
        for key in [own.public(), key_of("carol").public()] {
            for endpoint in [secured.endpoint(), silent.endpoint()] {
                beacon.announce_key(id, endpoint.port().get(), key);
            }
            beacon.announce_key(id, 0, key);
        }
    };
    for _ in 0..20 {
        lie();
        scene.chat_for(1);
    }
    let carol = scene.newcomer_with(id, |_| {}, lie);
    scene.demand(carol.is_ok(), format_args!("carol: {carol:?}"));
    let stolen = contents(&secured);
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to the insider"),
    );
    scene.finish(
        "beaconed carol's identity before and while she came, with her key and another",
        8 * MIB,
    );
}

fn beacons_with_a_trusted_key_lead_to_few_connections(stage: Stage) {
    const TRIES: usize = 3;
    let scene = stage.begin_secured();
    let beacon = RawBeacon::new(scene.port);
    let listeners = [(); 10].map(|()| RawListener::start(Manner::Closes));
    for listener in &listeners {
        let port = listener.endpoint().port().get();
        beacon.announce_key(random_id(), port, key_of("carol").public());
    }
    scene.chat_for(400);
    let tries = listeners.each_ref().map(RawListener::accepted);
    // All three hear it.
    scene.demand(
        tries.iter().all(|tries| (1..=3 * TRIES).contains(tries)),
        format_args!("{tries:?} connections, allowed are {TRIES} by each node"),
    );
    demand_nothing_seen(&scene);
    scene.finish(
        "sent 10 beacons with a trusted key that lead to who closes connections",
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
        told <= TOLD,
        format_args!("the program was told of {told} keys"),
    );
    demand_nothing_seen(&scene);
    demand_few_lines(&scene);
    scene.finish(
        format_args!(
            "sent {FLOOD} beacons with keys that nobody trusts, of which {told} were told"
        ),
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
    scene.wait_for_log("it has no key, and this node talks only with nodes that have one");
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
