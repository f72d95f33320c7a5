//! Datagrams: floods, broken ones, and ones that claim to come from others.

use zre_tests::raw_peer::{RawBeacon, random_id};

use crate::{
    crafted::{Noise, endpoint_of, silent_listeners},
    measure::descriptors,
    scene::{MIB, Stage},
};

attacks![
    malformed_beacons_are_dropped,
    a_beacon_that_names_another_peers_endpoint_does_not_push_that_peer_out,
    a_spoofed_goodbye_does_not_end_a_session_whose_beacons_go_on,
    a_spoofed_goodbye_does_not_end_a_session_at_the_default_pace_of_beacons,
    spoofed_goodbyes_do_not_keep_a_newcomer_out,
    a_beacon_flood_keeps_no_newcomer_out,
    beacons_that_lead_to_silent_ports_keep_no_newcomer_out,
    a_beacon_flood_with_another_peers_endpoint_does_not_push_that_peer_out,
];

fn malformed_beacons_are_dropped(stage: Stage) {
    let scene = stage.begin();
    let beacon = RawBeacon::new(scene.port);
    let mut noise = Noise(2);
    let id = random_id().to_bytes();
    let good = [&b"ZRE\x01"[..], &id, &[0x4E, 0x20]].concat();
    for length in 0..good.len() {
        beacon.send_raw(&good[..length]);
    }
    scene.wait_for_log("a version 1 beacon has 22 bytes, not 21");
    for version in (0..=255).filter(|version| !matches!(version, 1)) {
        let mut wrong = good.clone();
        wrong[3] = version;
        beacon.send_raw(&wrong);
    }
    // The socket's buffer holds some three hundred; the next ones shall all be looked at.
    scene.chat_for(3);
    beacon.send_raw(&[&good[..], b"x"].concat());
    beacon.send_raw(&[&good[..], &[0; 32]].concat());
    beacon.send_raw(&[&b"ZRE\x03"[..], &id, &[0x4E, 0x20], &[9; 32]].concat());
    scene.wait_for_log("it speaks CURVE only");
    for length in [64, 65, 1000, 60_000] {
        beacon.send_raw(&noise.bytes(length));
        beacon.send_raw(&[&good[..], &noise.bytes(length)].concat());
    }
    for _ in 0..2_000 {
        beacon.send_raw(&noise.bytes(22));
    }
    scene.wait_for_log("does not begin with \"ZRE\"");
    assert!(scene.facts().seen.is_empty());
    scene.finish("sent 2,300 malformed beacons", 8 * MIB);
}

fn a_beacon_that_names_another_peers_endpoint_does_not_push_that_peer_out(stage: Stage) {
    let scene = stage.begin();
    let port = scene.alice.endpoint().port().get();
    RawBeacon::new(scene.port).announce(random_id(), port);
    scene.chat_for(50);
    scene.finish("sent a beacon with alice's endpoint", 8 * MIB);
}

fn a_spoofed_goodbye_does_not_end_a_session_whose_beacons_go_on(stage: Stage) {
    let scene = stage.begin();
    let beacon = RawBeacon::new(scene.port);
    for _ in 0..20 {
        for id in [scene.alice.id(), scene.bob.id(), scene.victim.id()] {
            beacon.announce(id, 0);
        }
        scene.chat_for(5);
    }
    scene.finish("sent 60 beacons of leaving in the others' names", 8 * MIB);
}

fn a_spoofed_goodbye_does_not_end_a_session_at_the_default_pace_of_beacons(stage: Stage) {
    let scene = stage.begin_with(|setup| setup.beacon_interval = None);
    let beacon = RawBeacon::new(scene.port);
    for _ in 0..3 {
        beacon.announce(scene.alice.id(), 0);
        // Long enough for the grace of a leaving peer, whose messages come all the while.
        scene.chat_for(70);
    }
    scene.finish("sent 3 beacons of leaving in alice's name", 8 * MIB);
}

fn spoofed_goodbyes_do_not_keep_a_newcomer_out(stage: Stage) {
    let scene = stage.begin();
    let (beacon, id) = (RawBeacon::new(scene.port), random_id());
    let newcomer = scene.newcomer_with(id, |_| {}, || beacon.announce(id, 0));
    scene.demand(newcomer.is_ok(), format_args!("{newcomer:?}"));
    scene.finish("sent beacons of leaving in a newcomer's name", 8 * MIB);
}

fn a_beacon_flood_keeps_no_newcomer_out(stage: Stage) {
    let scene = stage.begin();
    let beacon = RawBeacon::new(scene.port);
    for turn in 0..20_000_u16 {
        // Below the ports that nodes and systems choose from.
        beacon.announce(random_id(), 10_000 + turn % 10_000);
        if turn % 2_000 == 0 {
            scene.chat_for(2);
        }
    }
    scene.chat_for(20);
    assert_eq!(scene.facts().enters(), 0);
    scene.finish("sent 20,000 beacons of random UUIDs", 64 * MIB);
}

fn a_beacon_flood_with_another_peers_endpoint_does_not_push_that_peer_out(stage: Stage) {
    const BEACONS: usize = 2000;
    let scene = stage.begin();
    let beacon = RawBeacon::new(scene.port);
    let ports = [&scene.alice, &scene.bob, &scene.victim].map(|node| node.endpoint().port().get());
    for (turn, port) in ports.into_iter().cycle().take(BEACONS).enumerate() {
        beacon.announce(random_id(), port);
        if turn % 100 == 0 {
            scene.chat_for(1);
        }
    }
    scene.chat_for(50);
    assert!(scene.facts().seen.is_empty());
    scene.finish(
        format_args!("sent {BEACONS} beacons of random UUIDs with the others' endpoints"),
        32 * MIB,
    );
}

fn beacons_that_lead_to_silent_ports_keep_no_newcomer_out(stage: Stage) {
    // Each takes a listener here and a connection of each of the three.
    let ports = (descriptors() / 8).min(1500);
    let room = ports / 3 * 2;
    let scene = stage.begin_with(|setup| setup.limits.pending_peers = room);
    let silent = silent_listeners(ports);
    let beacon = RawBeacon::new(scene.port);
    for (turn, listener) in silent.iter().enumerate() {
        beacon.announce(random_id(), endpoint_of(listener).port().get());
        // No faster than each can be taken: each leads to a connection of each of the three.
        if turn % 50 == 0 {
            scene.chat_for(1);
        }
    }
    scene.wait_for_log(&format!("the limit of {room} peers is reached"));
    scene.chat_for(50);
    assert_eq!(scene.facts().enters(), 0);
    scene.finish(
        format_args!("led each node to {ports} ports that never answer"),
        32 * MIB,
    );
}
