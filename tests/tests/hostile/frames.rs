//! Incomplete messages: lengths that are too large, messages that never end, bytes that arrive one
//! by one.

use zre_core::{ExitReason, Fault, Limits, LinkError};
use zre_proto::{Body, RoutingId};
use zre_tests::raw_peer::{
    Manner, RawListener, RawPeer, encode, frame, frame_head, greeting, hello, random_id, ready,
};

use crate::{
    crafted::{first_frame, group, some_endpoint, whisper},
    log::Seen,
    scene::{DEADLINE, MIB, Stage},
};

attacks![
    a_frame_announced_beyond_the_limit_closes_the_connection,
    a_frame_announced_within_the_limit_costs_only_what_has_come,
    strangers_cannot_make_the_node_hold_much_before_hello,
    hellos_that_stop_before_their_end_cost_no_more_than_each_may_hold,
    a_message_without_end_is_cut_off,
    bytes_that_come_one_at_a_time_are_understood_and_hold_up_nobody,
];

fn a_frame_announced_beyond_the_limit_closes_the_connection(stage: Stage) {
    let scene = stage.begin();
    let sizes = [
        (1 << 62, frame_head(false, false, 1 << 62)),
        (i64::MAX as u64, frame_head(false, true, i64::MAX as u64)),
        (3 << 30, frame_head(false, false, 3 << 30)),
    ];
    for (size, head) in sizes {
        let mut mallory = scene.intruder(Manner::Reads);
        let id = mallory.id();
        let _ = mallory.peer.send_raw(&head);
        for _ in 0..20 {
            let _ = mallory.peer.send_raw(b"x");
        }
        let fault = |reason: &ExitReason| {
            let ExitReason::ProtocolError(Fault::Link(error)) = reason else {
                return false;
            };
            matches!(error, LinkError::MessageTooLarge { size: told, .. } if *told == size)
        };
        scene.wait("its exit", |facts| facts.exits(id).iter().any(fault));
        assert!(mallory.peer.is_closed_within(DEADLINE));
    }
    let mut mallory = scene.stranger();
    let _ = mallory.send_raw(&[2, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    assert!(mallory.is_closed_within(DEADLINE));
    scene.wait_for_log("frame size 9223372036854775808 is not below 2^63");
    scene.finish("announced 3 GiB to 8 EiB on 4 connections", 8 * MIB);
}

fn a_frame_announced_within_the_limit_costs_only_what_has_come(stage: Stage) {
    let scene = stage.begin();
    let mut crawlers: Vec<_> = (0..20).map(|_| scene.intruder(Manner::Reads)).collect();
    for mallory in &mut crawlers {
        let bytes = encode(2, whisper(""));
        // Everything but the empty frame at the end, then one of 100 MiB in its place.
        mallory
            .peer
            .send_raw(&bytes[..bytes.len() - 2])
            .expect("a frame");
        let head = frame_head(false, false, 100 * MIB as u64);
        mallory.peer.send_raw(&head).expect("a head");
    }
    for _ in 0..50 {
        for mallory in &mut crawlers {
            mallory.peer.send_raw(b"x").expect("the node waits");
        }
        scene.chat_for(1);
    }
    assert_eq!(scene.facts().all_exits(), 0);
    scene.finish(
        "announced 100 MiB on 20 connections, sent 50 bytes",
        16 * MIB,
    );
}

fn strangers_cannot_make_the_node_hold_much_before_hello(stage: Stage) {
    let scene = stage.begin();
    let piece = vec![0; MIB];
    let mut strangers: Vec<_> = (0..8).map(|_| scene.stranger()).collect();
    for mallory in &mut strangers {
        let _ = mallory.send_raw(&frame_head(false, false, 250 * MIB as u64));
        for _ in 0..24 {
            // A node that refuses this closes the connection.
            if mallory.send_raw(&piece).is_err() {
                break;
            }
        }
    }
    scene.chat_for(30);
    scene.finish(
        "announced 250 MiB before HELLO 8 times, sent 24 MiB each",
        48 * MIB,
    );
}

fn hellos_that_stop_before_their_end_cost_no_more_than_each_may_hold(stage: Stage) {
    const STRANGERS: usize = 40;
    let scene = stage.begin();
    let most = Limits::default().header_frame;
    let start = first_frame(1, hello(&some_endpoint(), "endless"));
    let mut strangers = Vec::new();
    for _ in 0..STRANGERS {
        let mut mallory = scene.stranger();
        let _ = mallory.send_raw(&frame_head(false, false, most as u64));
        let _ = mallory.send_raw(&start);
        let _ = mallory.send_raw(&vec![0; most - start.len() - 1]);
        strangers.push(mallory);
    }
    scene.chat_for(50);
    assert_eq!(scene.facts().enters(), 0);
    scene.finish(
        format_args!("sent {STRANGERS} HELLOs of 1 MiB but for the last byte"),
        STRANGERS * most + 32 * MIB,
    );
}

fn a_message_without_end_is_cut_off(stage: Stage) {
    let scene = stage.begin();
    for size in [0, 1, 100] {
        let mut mallory = scene.intruder(Manner::Reads);
        let id = mallory.id();
        let first = first_frame(2, Body::Ping);
        let _ = mallory.peer.send_raw(&frame(false, true, &first));
        let frames = frame(false, true, &vec![7; size]).repeat(1000);
        for _ in 0..100 {
            let _ = mallory.peer.send_raw(&frames);
        }
        let fault = LinkError::TooManyFrames { limit: 65536 };
        let reason = ExitReason::ProtocolError(Fault::Link(fault));
        scene.wait("its exit", |facts| {
            facts.saw(&Seen::Exit(id, reason.clone()))
        });
        assert!(mallory.peer.is_closed_within(DEADLINE));
    }
    scene.finish("sent 100,000 frames of one message, 3 times", 48 * MIB);
}

fn bytes_that_come_one_at_a_time_are_understood_and_hold_up_nobody(stage: Stage) {
    const PEERS: usize = 20;
    const LENGTH: usize = 1000;
    let scene = stage.begin();
    let listeners = [(); PEERS].map(|()| RawListener::start(Manner::Reads));
    let mut crawlers = Vec::new();
    for listener in &listeners {
        let id = random_id();
        let identity = RoutingId::from(id);
        let ready = ready("DEALER", Some(&identity.to_bytes())).encode();
        let join = Body::Join {
            group: group("CHAT"),
            status: 1,
        };
        let bytes = [
            greeting().to_vec(),
            frame(true, false, &ready),
            encode(1, hello(listener.endpoint(), "crawler")),
            encode(2, join),
            encode(3, whisper(&"x".repeat(LENGTH))),
        ];
        crawlers.push((RawPeer::connect(scene.endpoint()), id, bytes.concat()));
    }
    let length = crawlers[0].2.len();
    for turn in 0..length {
        for (mallory, _, bytes) in &mut crawlers {
            mallory
                .send_raw(&bytes[turn..=turn])
                .expect("the node waits");
        }
        // Slow enough for most bytes to be a read of their own.
        if turn % 10 == 0 {
            scene.chat_for(1);
        }
    }
    for (_, id, _) in &crawlers {
        let whisper = Seen::Whisper(*id, 1, LENGTH);
        scene.wait("the crawler's whisper", |facts| facts.saw(&whisper));
        assert!(scene.facts().saw(&Seen::Join(*id, "CHAT".into())));
    }
    assert_eq!(scene.facts().all_exits(), 0);
    scene.finish(
        format_args!(
            "sent {} bytes one at a time, on {PEERS} connections",
            PEERS * length
        ),
        16 * MIB,
    );
}
