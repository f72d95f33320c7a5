//! Members of a group who do not read, and floods that leave quiet peers no turn.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use zre_core::ExitReason;
use zre_proto::Body;
use zre_tests::raw_peer::{Manner, encode};

use crate::{
    crafted::{group, whisper},
    log::{FEED, Seen},
    scene::{DEADLINE, Intruder, MIB, Scene, Stage},
};

attacks![
    a_stuck_member_of_a_group_does_not_hold_up_the_others,
    a_slow_member_of_a_group_does_not_hold_up_the_others,
    a_frozen_member_of_a_group_does_not_hold_up_the_others,
    one_flooder_leaves_quiet_peers_their_turn,
    ten_flooders_leave_quiet_peers_their_turn,
];

fn a_stuck_member_of_a_group_does_not_hold_up_the_others(stage: Stage) {
    shout_past(stage, "read nothing", Manner::NeverReads, |member| {
        // It is there all the while, it only does not read.
        let _ = member.peer.send(Body::Unknown { id: 77 });
    });
}

fn a_slow_member_of_a_group_does_not_hold_up_the_others(stage: Stage) {
    shout_past(
        stage,
        "read 50 KB/s",
        Manner::ReadsSlowly(50_000),
        |member| {
            let _ = member.peer.send(Body::Unknown { id: 77 });
        },
    );
}

fn a_frozen_member_of_a_group_does_not_hold_up_the_others(stage: Stage) {
    shout_past(stage, "froze", Manner::NeverReads, |_| {});
}

/// The victim shouts 4 MB/s to bob and to a member that does not take as much.
fn shout_past(stage: Stage, did: &str, manner: Manner, live: impl Fn(&mut Intruder)) {
    const SHOUTS: u64 = 200;
    let scene = stage.begin_with(|setup| setup.limits.outbound = MIB);
    let mut member = member(&scene, manner);
    let id = member.id();
    scene.begin_feed(64 << 10, Duration::from_millis(16));
    let deadline = Instant::now() + 2 * DEADLINE;
    while scene.facts().feed.received < SHOUTS && Instant::now() < deadline {
        live(&mut member);
        scene.chat_for(5);
    }
    let received = scene.facts().feed.received;
    scene.demand(
        received >= SHOUTS,
        format_args!("bob got {received} shouts"),
    );
    scene.demand_in_time("the word that it misses something", |facts| {
        facts.saw(&Seen::Skipped(id)) || !facts.exits(id).is_empty()
    });
    scene.finish(format_args!("{did} while 4 MB/s were shouted"), 32 * MIB);
}

fn member(scene: &Scene, manner: Manner) -> Intruder {
    let mut member = scene.intruder(manner);
    let id = member.id();
    member.say(Body::Join {
        group: group(FEED),
        status: 1,
    });
    scene.wait("it to join", |facts| {
        facts.saw(&Seen::Join(id, FEED.into()))
    });
    member
}

fn one_flooder_leaves_quiet_peers_their_turn(stage: Stage) {
    flood_a_slow_application(stage, 1);
}

fn ten_flooders_leave_quiet_peers_their_turn(stage: Stage) {
    flood_a_slow_application(stage, 10);
}

fn flood_a_slow_application(stage: Stage, flooders: usize) {
    let mut scene = stage.begin();
    // From the number behind HELLO's once around, so it can be sent again and again.
    let numbers = (0..=u16::MAX).map(|number| number.wrapping_add(2));
    let flood: Arc<[u8]> = numbers
        .flat_map(|number| encode(number, whisper("flood")))
        .collect();
    let flooders: Vec<_> = (0..flooders)
        .map(|_| scene.intruder(Manner::Reads))
        .collect();
    let ids: Vec<_> = flooders.iter().map(Intruder::id).collect();
    scene.facts().unheard.extend(&ids);
    scene.slow_events_down();
    scene.demand_delay(Duration::from_millis(500));
    for mallory in &flooders {
        mallory.peer.repeat_in_background(Arc::clone(&flood), 20);
    }
    scene.chat_for(200);
    let newcomer = scene.newcomer();
    scene.demand(newcomer.is_ok(), format_args!("in the flood: {newcomer:?}"));
    let exits: Vec<ExitReason> = ids.iter().flat_map(|id| scene.exits(*id)).collect();
    scene.demand(
        exits.is_empty(),
        format_args!("exits of flooders: {exits:?}"),
    );
    for mallory in flooders {
        mallory.peer.hang_up();
    }
    scene.speed_events_up();
    scene.finish(
        format_args!(
            "flooded an application of 2,000 events a second from {} peers",
            ids.len()
        ),
        48 * MIB,
    );
}
