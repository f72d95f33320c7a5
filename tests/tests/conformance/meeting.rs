//! Nodes find each other and know each other.

use std::time::Duration;

use uuid::Uuid;
use zre_core::proto::{Endpoint, PeerId};

use crate::scene::{
    Scene,
    Side::{Left, Right},
};

crate::behaviours![
    nodes_meet_with_name_headers_and_endpoint,
    nodes_meet_without_waiting_for_a_second_beacon,
    a_node_has_the_identity_it_is_given,
    a_node_without_a_name_is_called_by_its_identity,
    names_and_headers_may_be_any_bytes,
    many_nodes_all_meet,
    a_node_is_told_where_to_be_reached,
    nodes_on_another_discovery_port_are_not_met,
];

fn nodes_meet_with_name_headers_and_endpoint(scene: &Scene) {
    let (alice, bob) = scene.pair_with(
        |alice| {
            alice.headers = vec![
                ("X-ROLE".into(), "chat".into()),
                ("X-EMPTY".into(), "".into()),
            ];
        },
        |_| {},
    );
    assert_eq!(alice.next(), "ENTER bob");
    let entered = bob.next();
    assert!(
        entered.contains("X-ROLE=chat") && entered.contains("X-EMPTY="),
        "{entered}"
    );
    assert_eq!(alice.peers(), [bob.id()]);
    assert_eq!(bob.peers(), [alice.id()]);
    let known = bob.peer(alice.id()).expect("alice is known");
    assert_eq!(known.id, alice.id());
    assert_eq!(known.name.to_string(), "alice");
    assert_eq!(known.endpoint, alice.endpoint());
    assert_eq!(known.headers.iter().count(), 2);
    assert_eq!(known.groups.len(), 0);
    assert_eq!(alice.name(), "alice");
    let address = alice.endpoint().to_socket_addr().expect("an address");
    assert_eq!(address.ip().to_string(), "127.0.0.1");
    assert!(address.port() >= 49152, "{address}");
    assert_eq!(alice.address().to_string(), "127.0.0.1");
}

fn nodes_meet_without_waiting_for_a_second_beacon(scene: &Scene) {
    let never = Some(Duration::from_secs(3600));
    let (alice, bob) = scene.pair_with(
        |alice| alice.beacon_interval = never,
        |bob| bob.beacon_interval = never,
    );
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
}

fn a_node_has_the_identity_it_is_given(scene: &Scene) {
    let uuid = Uuid::from_u128(0x0123_4567_89AB_CDEF);
    let (alice, bob) = scene.pair_with(|alice| alice.uuid = Some(uuid), |_| {});
    assert_eq!(alice.id(), PeerId::from(uuid));
    bob.sees(&["ENTER alice"]);
    assert_eq!(bob.peers(), [PeerId::from(uuid)]);
}

fn a_node_without_a_name_is_called_by_its_identity(scene: &Scene) {
    let uuid = Uuid::from_u128(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF);
    let (alice, bob) = scene.pair_with(
        |alice| (alice.name, alice.uuid) = (None, Some(uuid)),
        |_| {},
    );
    assert_eq!(alice.name(), "012345");
    bob.sees(&["ENTER 012345"]);
}

fn names_and_headers_may_be_any_bytes(scene: &Scene) {
    let name = "Zoë 🦀 %s\n\t\"";
    let (_alice, bob) = scene.pair_with(
        |alice| {
            alice.name = Some(name.into());
            alice.headers = vec![("ключ=".into(), "значение".repeat(1000))];
            alice.groups = vec!["группа".into()];
        },
        |_| {},
    );
    let entered = bob.next();
    let header = format!("ключ=={}", "значение".repeat(1000));
    assert_eq!(entered, format!("ENTER {name} {header}"));
    bob.sees(&[&format!("JOIN {name} группа")]);
}

fn many_nodes_all_meet(scene: &Scene) {
    let sides = [Left, Right, Left, Right, Left, Right];
    let nodes = sides.map(|side| (side, uuid::Uuid::from_u128(rand())));
    let mut players = Vec::new();
    for (number, (side, uuid)) in nodes.into_iter().enumerate() {
        let mut options = scene.options(&format!("node{number}"));
        options.uuid = Some(uuid);
        players.push(scene.start(side, options));
    }
    for player in &players {
        let others = players.iter().filter(|other| other.id() != player.id());
        let wanted: Vec<String> = others
            .map(|other| format!("ENTER {}", other.name()))
            .collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        player.sees_in_any_order(&wanted);
        let mut ids: Vec<PeerId> = players.iter().map(|other| other.id()).collect();
        ids.retain(|id| *id != player.id());
        ids.sort();
        assert_eq!(player.peers(), ids, "in the order of their identities");
    }
}

fn rand() -> u128 {
    zre_tests::raw_peer::random_id().uuid().as_u128()
}

fn a_node_is_told_where_to_be_reached(scene: &Scene) {
    let port = scene.port();
    let endpoint: Endpoint = format!("tcp://localhost:{port}").parse().unwrap();
    let (alice, bob) = scene.pair_with(
        |alice| {
            alice.tcp_port = Some(port);
            alice.advertise = Some(endpoint.clone());
        },
        |_| {},
    );
    alice.sees(&["ENTER bob"]);
    bob.sees(&["ENTER alice"]);
    assert_eq!(alice.endpoint(), endpoint);
    assert_eq!(
        bob.peer(alice.id()).map(|peer| peer.endpoint),
        Some(endpoint)
    );
    bob.whisper(alice.id(), "hi").unwrap();
    alice.sees(&["WHISPER bob hi"]);
}

fn nodes_on_another_discovery_port_are_not_met(scene: &Scene) {
    let (alice, bob) = scene.pair_with(|_| {}, |bob| bob.port = Some(scene.port() + 6000));
    alice.sees_nothing_for(Duration::from_millis(300));
    assert_eq!((alice.peers(), bob.peers()), (vec![], vec![]));
}
