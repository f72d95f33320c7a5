//! Nodes that find each other without beacons, and what they tell of that.

use std::{
    thread,
    time::{Duration, Instant},
};

use zre_core::{Beacons, FixedState};
use zre_tests::any_node::{NodeOptions, PATIENCE};

use crate::scene::{
    Player, Scene,
    Side::{Left, Right},
};

crate::behaviours![
    a_fixed_peer_is_met_without_beacons_and_again_when_it_comes_back,
    clients_of_a_gossip_hub_meet_and_the_hub_is_told_of,
];

fn a_fixed_peer_is_met_without_beacons_and_again_when_it_comes_back(scene: &Scene) {
    let (tcp_port, hears_nobody) = (Some(scene.port()), Beacons::To(vec![[127, 0, 0, 9].into()]));
    let sought = || NodeOptions {
        tcp_port,
        beacons: hears_nobody.clone(),
        ..scene.options("bob")
    };
    let endpoint = format!("tcp://127.0.0.1:{}", scene.port());
    let alice = scene.start(
        Left,
        NodeOptions {
            beacons: Beacons::Off,
            connect: vec![endpoint.clone()],
            ..scene.options("alice")
        },
    );
    for _ in 0..2 {
        let bob = scene.start(Right, sought());
        alice.sees(&["ENTER bob"]);
        bob.sees(&["ENTER alice"]);
        let fixed = alice.network().fixed_peers;
        assert_eq!(fixed[0].endpoint.to_string(), endpoint);
        assert_eq!(fixed[0].state, FixedState::Connected(bob.id()));
        assert_eq!(alice.network().networks[0].beacons_to, []);
        bob.stop();
        // Goodbyes are beacons, and Alice hears none.
        alice.sees(&["EXIT bob: connection lost"]);
    }
}

fn clients_of_a_gossip_hub_meet_and_the_hub_is_told_of(scene: &Scene) {
    let silent = |name| NodeOptions {
        beacons: Beacons::Off,
        ..scene.options(name)
    };
    let hub = scene.start(
        Left,
        NodeOptions {
            gossip_bind: Some("tcp://127.0.0.1:*".into()),
            ..silent("hub")
        },
    );
    let bound = hub.network().gossip_bound;
    let client = |name| NodeOptions {
        gossip_connect: vec![format!("tcp://{}", bound[0])],
        ..silent(name)
    };
    let alice = scene.start(Right, client("alice"));
    alice.sees(&["ENTER hub"]);
    hub.sees(&["ENTER alice"]);
    let bob = scene.start(Left, client("bob"));
    alice.sees(&["ENTER bob"]);
    hub.sees(&["ENTER bob"]);
    bob.sees_in_any_order(&["ENTER hub", "ENTER alice"]);
    assert!(alice.network().gossip_hubs[0].is_connected);
    until(&hub, |hub| hub.network().gossip_clients == 2);
}

fn until(player: &Player, is_so: impl Fn(&Player) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(player) {
        assert!(Instant::now() < deadline, "{:?}", player.network());
        thread::sleep(Duration::from_millis(10));
    }
}
