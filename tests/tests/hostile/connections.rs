//! Connections that never become peers: too many, half-open, or without a free descriptor.

use std::{fs::File, time::Duration};

use zre_core::proto::Endpoint;
use zre_tests::raw_peer::{RawPeer, greeting, random_id};

use crate::{
    crafted::wait_until_open,
    measure::descriptors,
    scene::{DEADLINE, MIB, Scene, Stage},
};

attacks![
    half_open_connections_are_closed_in_the_end,
    ten_thousand_connections_that_come_and_go_keep_nobody_out,
    ten_thousand_connections_held_open_keep_nobody_out,
    ten_thousand_handshakes_without_a_hello_keep_nobody_out,
    a_node_without_descriptors_goes_on_talking_and_accepts_again,
];

fn half_open_connections_are_closed_in_the_end(stage: Stage) {
    let scene = stage.begin_with(|setup| setup.handshake_timeout = Some(Duration::from_secs(2)));
    let endpoint = scene.endpoint();
    let mut halves: Vec<_> = (0..40)
        .flat_map(|_| {
            let silent = RawPeer::connect(endpoint);
            let mut greeted = RawPeer::connect(endpoint);
            let _ = greeted.send_raw(&greeting());
            let opened = RawPeer::open(endpoint, random_id());
            [silent, greeted, opened]
        })
        .collect();
    for _ in 0..200 {
        drop(RawPeer::connect(endpoint));
        let mut shut = RawPeer::open(endpoint, random_id());
        shut.shut_write();
        assert!(shut.is_closed_within(DEADLINE));
    }
    for half in &mut halves {
        assert!(half.is_closed_within(DEADLINE));
    }
    scene.wait_for_log("no HELLO within the handshake timeout");
    scene.finish(
        "left 120 connections half-open, shut 200, dropped 200",
        16 * MIB,
    );
}

/// How many connections of those who never say HELLO a node keeps, unless set.
const KEPT: usize = 256;
const TEN_THOUSAND: usize = 10_000;

fn ten_thousand_connections_that_come_and_go_keep_nobody_out(stage: Stage) {
    let scene = stage.begin();
    for turn in 0..TEN_THOUSAND {
        let mut mallory = RawPeer::connect(scene.endpoint());
        match turn % 4 {
            0 => drop(mallory),
            1 => mallory.reset(),
            2 => {
                let _ = mallory.send_raw(&greeting());
                mallory.reset();
            }
            _ => mallory.shut_write(),
        }
        if turn % (2 * KEPT) == 0 {
            wait_until_accepted(&scene);
        }
    }
    wait_until_accepted(&scene);
    scene.finish(
        format_args!("opened {TEN_THOUSAND} connections, closed or reset each at once"),
        16 * MIB,
    );
}

fn ten_thousand_connections_held_open_keep_nobody_out(stage: Stage) {
    let scene = stage.begin();
    let held = hold(&scene, RawPeer::connect);
    scene.finish(
        format_args!("opened {held} connections, held all"),
        16 * MIB,
    );
}

fn ten_thousand_handshakes_without_a_hello_keep_nobody_out(stage: Stage) {
    let scene = stage.begin();
    let held = hold(&scene, |endpoint| RawPeer::open(endpoint, random_id()));
    scene.finish(
        format_args!("finished {held} handshakes, said nothing more, held all"),
        16 * MIB,
    );
}

/// Opens ten thousand connections, or as many as there are descriptors, and holds them until the
/// process ends. The node keeps the newest and closes the others. Says how many.
fn hold(scene: &Scene, open: impl Fn(&Endpoint) -> RawPeer) -> usize {
    let count = TEN_THOUSAND.min(descriptors() / 4 * 3 - KEPT);
    let (mut connections, mut closed) = (Vec::new(), Vec::new());
    let few = |connections: &mut Vec<RawPeer>| {
        // Which ones it closes is the node's choice.
        let closed = wait_until_open(scene, KEPT, connections);
        closed.unwrap_or_else(|open| panic!("{open} connections are left open"))
    };
    for turn in 0..count {
        connections.push(open(scene.endpoint()));
        // Not faster than the node accepts, or the system drops what it should see.
        if turn % KEPT == 0 {
            closed.extend(few(&mut connections));
        }
    }
    closed.extend(few(&mut connections));
    scene.wait_for_log("more than 256 connections belong to no peer yet");
    scene.chat_for(10);
    // For the newcomer, too, comes when all are there.
    std::mem::forget((connections, closed));
    count
}

/// Waits until the node has taken all connections that came before.
fn wait_until_accepted(scene: &Scene) {
    let mut last = RawPeer::connect(scene.endpoint());
    let _ = last.send_raw(b"junk");
    assert!(last.is_closed_within(DEADLINE));
}

fn a_node_without_descriptors_goes_on_talking_and_accepts_again(stage: Stage) {
    let scene = stage.begin();
    let mut ballast = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        ballast.push(file);
    }
    ballast.truncate(ballast.len() - 100);
    let mut connections = Vec::new();
    while let Ok(mallory) = RawPeer::try_connect(scene.endpoint()) {
        connections.push(mallory);
    }
    scene.wait_for_log("could not accept a connection");
    scene.chat_for(100);
    let refused = connections.len();
    drop((ballast, connections));
    scene.finish(
        format_args!("took the last 100 descriptors with {refused} connections"),
        8 * MIB,
    );
}
