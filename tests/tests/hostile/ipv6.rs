//! Strangers on IPv6.

use zre_tests::raw_peer::{Manner, RawBeacon, RawListener, RawPeer, random_id};

use crate::{
    crafted::{Noise, hello_naming, messages_at},
    scene::{DEADLINE, MIB, Scene, Stage},
};

attacks![
    junk_over_ipv6_closes_the_connection,
    beacons_of_an_honest_identity_over_ipv6_divert_nothing,
    endpoints_of_ipv6_that_nobody_can_mean_lead_nowhere,
    an_honest_endpoint_of_ipv6_in_other_spellings_disturbs_no_session,
];

fn on_ipv6(stage: Stage) -> Scene {
    stage.begin_with(|setup| setup.is_ipv6 = true)
}

fn junk_over_ipv6_closes_the_connection(stage: Stage) {
    let scene = on_ipv6(stage);
    let mut noise = Noise(9);
    for _ in 0..50 {
        let mut mallory = RawPeer::connect(scene.endpoint());
        let mut bytes = noise.bytes(3000);
        bytes[0] &= 0x7F;
        let _ = mallory.send_raw(&bytes);
        assert!(mallory.is_closed_within(DEADLINE));
    }
    let beacon = RawBeacon::new_v6(scene.port);
    for length in 0..100 {
        beacon.send_raw(&noise.bytes(length));
    }
    let intruder = scene.intruder(Manner::Reads);
    scene.chat_for(20);
    drop(intruder);
    scene.finish("sent junk on 50 connections and in 100 datagrams", 8 * MIB);
}

fn beacons_of_an_honest_identity_over_ipv6_divert_nothing(stage: Stage) {
    let scene = on_ipv6(stage);
    let local = std::net::Ipv6Addr::LOCALHOST.into();
    let listener = RawListener::start_at(local, Manner::Reads);
    let beacon = RawBeacon::new_v6(scene.port);
    let carol = random_id();
    let port = listener.endpoint().port().get();
    for id in [scene.alice.id(), scene.bob.id(), scene.victim.id(), carol] {
        for _ in 0..20 {
            beacon.announce(id, port);
            scene.chat_for(2);
        }
        beacon.announce(id, 0);
        scene.chat_for(5);
    }
    let met = scene.newcomer_with(carol, |_| {}, || beacon.announce(carol, port));
    scene.demand(met.is_ok(), format_args!("carol: {met:?}"));
    let stolen = messages_at(&listener);
    scene.demand(
        stolen == 0,
        format_args!("{stolen} messages went to a stranger"),
    );
    scene.finish("beaconed four honest identities", 8 * MIB);
}

const PLACES: [&str; 14] = [
    "tcp://[ff02::1]:5670",
    "tcp://ff05::1:5670",
    "tcp://[::]:5670",
    "tcp://[fe80::1]:5670",
    "tcp://[fe80::1%lo]:5670",
    "tcp://[fe80::1%1]:5670",
    "tcp://[fe80::1%4294967296]:5670",
    "tcp://[fe80::1%%]:5670",
    "tcp://fe80::1%nosuch:5670",
    "tcp://[::ffff:10.90.0.1]:5670",
    "tcp://[64:ff9b::1]:5670",
    "tcp://[::1:5670",
    "tcp://::1]:5670",
    "tcp://[2001:db8::1]:5670",
];

fn endpoints_of_ipv6_that_nobody_can_mean_lead_nowhere(stage: Stage) {
    let scene = on_ipv6(stage);
    let come = |place: &&str| {
        let mut mallory = RawPeer::open(scene.endpoint(), random_id());
        let _ = mallory.send_raw(&hello_naming(place, "mallory"));
        scene.chat_for(5);
        mallory
    };
    let strangers: Vec<_> = PLACES.iter().map(come).collect();
    scene.chat_for(150);
    let enters = scene.facts().enters();
    scene.demand(enters == 0, format_args!("{enters} have entered"));
    drop(strangers);
    scene.finish(
        format_args!("named {} places that nobody can mean", PLACES.len()),
        8 * MIB,
    );
}

fn an_honest_endpoint_of_ipv6_in_other_spellings_disturbs_no_session(stage: Stage) {
    let scene = on_ipv6(stage);
    let hosts = [
        "::1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::0001]",
        "[::1%lo]",
        "[::]",
        "localhost",
    ];
    let mut strangers = Vec::new();
    for honest in [&scene.alice, &scene.bob, &scene.victim] {
        let port = honest.endpoint().port();
        for host in hosts {
            let mut mallory = RawPeer::open(scene.endpoint(), random_id());
            let _ = mallory.send_raw(&hello_naming(&format!("tcp://{host}:{port}"), "mallory"));
            scene.chat_for(3);
            strangers.push(mallory);
        }
    }
    scene.chat_for(100);
    scene.finish("named three honest endpoints in 7 spellings", 8 * MIB);
}
