//! Memory and places that many peers take together.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use zre_core::ExitReason;
use zre_proto::{Body, zmtp::Command};
use zre_tests::raw_peer::{
    Manner, RawBeacon, RawListener, RawPeer, encode, frame, frame_head, greeting, hello, random_id,
    ready,
};

use crate::{
    crafted::{first_frame, group, hello_naming, some_endpoint, still_open, whisper, with_header},
    log::Seen,
    measure::WARNINGS,
    scene::{DEADLINE, MIB, Scene, Stage},
};

attacks![
    large_messages_that_stand_still_end_their_peers_and_not_the_one_that_moves,
    small_frames_are_counted_with_the_memory_that_they_hold,
    two_hundred_peers_with_a_mebibyte_of_headers_stay_within_a_budget,
    twenty_four_peers_that_never_read_stay_within_a_budget,
    peers_from_one_address_leave_places_for_others,
    a_hello_beyond_the_limits_that_comes_again_and_again_costs_nothing,
    joins_without_end_end_the_session_at_the_limit,
    rubbish_of_all_kinds_leaves_the_log_readable,
];

fn large_messages_that_stand_still_end_their_peers_and_not_the_one_that_moves(stage: Stage) {
    const PEERS: usize = 16;
    const SENT: usize = 62;
    const HONEST: usize = 64 * MIB;
    let scene = stage.begin_with(|setup| setup.expired_timeout = Some(Duration::from_secs(3)));
    let mut intruders: Vec<_> = (0..PEERS).map(|_| scene.intruder(Manner::Reads)).collect();
    let piece: Arc<[u8]> = vec![7; MIB].into();
    let mut begun = Vec::new();
    for mallory in &mut intruders {
        let start = encode(2, whisper(""));
        // Without the empty frame at the end.
        let _ = mallory.peer.send_raw(&start[..start.len() - 2]);
        let size = (SENT + 1) * MIB;
        let _ = mallory
            .peer
            .send_raw(&frame_head(false, false, size as u64));
        begun.push(mallory.peer.repeat_in_background(Arc::clone(&piece), SENT));
    }
    // Sent or thrown out; and what the system has taken reaches the node in a second.
    for sending in begun {
        scene.demand(sending.join().is_ok(), "a thread has panicked");
    }
    scene.chat_for(100);
    let sending = scene.bob.begin_whisper(scene.victim.id(), vec![7; HONEST]);
    let beacon = RawBeacon::new(scene.port);
    let deadline = Instant::now() + 2 * DEADLINE;
    while scene.facts().all_exits() < PEERS && Instant::now() < deadline {
        // They are there all the while, they only do not go on.
        for mallory in &intruders {
            beacon.announce(mallory.id(), mallory.listener.endpoint().port().get());
        }
        scene.chat_for(20);
    }
    let exits = scene.facts().all_exits();
    scene.demand(exits == PEERS, format_args!("{exits} of {PEERS} have gone"));
    scene.demand(sending.wait().is_ok(), "bob cannot send");
    scene.demand_in_time("bob's large message", |facts| facts.large == [HONEST]);
    scene.finish(
        format_args!("began {PEERS} messages and left them at {SENT} MiB"),
        // The honest one at both ends, and what may be unfinished besides.
        2 * HONEST + 128 * MIB,
    );
}

fn small_frames_are_counted_with_the_memory_that_they_hold(stage: Stage) {
    const PAIRS: usize = 60;
    const ROUNDS: usize = 200;
    let scene = stage.begin();
    let begun = frame(false, true, &first_frame(1, whisper("")));
    let small = frame(false, true, &[7; 32]);
    let filler = frame(false, true, &first_frame(1, whisper("")));
    let filler = [filler, frame(false, false, &[7; 3900])].concat();
    let mut pairs: Vec<_> = (0..PAIRS)
        .map(|_| {
            let mut holds = scene.stranger();
            let _ = holds.send_raw(&begun);
            (holds, scene.stranger())
        })
        .collect();
    for _ in 0..ROUNDS {
        for (holds, fills) in &mut pairs {
            // They fail when the node has had enough of it.
            let _ = holds.send_raw(&small);
            let _ = fills.send_raw(&filler);
        }
        scene.chat_for(1);
    }
    scene.finish(
        format_args!(
            "sent {} frames of 32 bytes, each in memory of 4 KiB",
            PAIRS * ROUNDS
        ),
        24 * MIB,
    );
}

fn two_hundred_peers_with_a_mebibyte_of_headers_stay_within_a_budget(stage: Stage) {
    const PEERS: usize = 200;
    const TURN: Duration = Duration::from_millis(20);
    let scene = stage.begin();
    let listeners: Vec<_> = (0..PEERS)
        .map(|_| RawListener::start(Manner::Reads))
        .collect();
    let mut strangers = Vec::new();
    for listener in &listeners {
        let mut mallory = scene.stranger();
        let heavy = with_header(hello(listener.endpoint(), "heavy"), 1000 << 10);
        // It fails if the node has had enough of it.
        let _ = mallory.send(heavy);
        let id = mallory.id();
        // Not so many at once that they push each other out before they have entered.
        scene.log.wait(TURN, |facts| facts.saw(&Seen::Enter(id)));
        strangers.push(mallory);
    }
    scene.chat_for(50);
    scene.finish(
        format_args!("came {PEERS} times with 1 MiB of headers"),
        128 * MIB,
    );
}

fn twenty_four_peers_that_never_read_stay_within_a_budget(stage: Stage) {
    const PEERS: usize = 24;
    let scene = stage.begin();
    let intruders: Vec<_> = (0..PEERS)
        .map(|_| scene.intruder(Manner::NeverReads))
        .collect();
    let mut taken = 0;
    for mallory in &intruders {
        let refused = |_: &usize| {
            let content = vec![7; 64 << 10];
            scene.victim.try_whisper(mallory.id(), content).is_ok()
        };
        taken += (0..200).take_while(refused).count();
        scene.chat_for(1);
    }
    scene.chat_for(20);
    scene.finish(
        format_args!("read nothing of {taken} whispers of 64 KiB at {PEERS} peers"),
        96 * MIB,
    );
}

fn peers_from_one_address_leave_places_for_others(stage: Stage) {
    const PLACES: usize = 20;
    const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
    let scene = stage.begin_with(|setup| setup.limits.peers = PLACES);
    let mut strangers = Vec::new();
    for _ in 0..2 * PLACES {
        let listener = RawListener::start_at(SOURCE.into(), Manner::Reads);
        let mut mallory = RawPeer::open_from(SOURCE, scene.endpoint(), random_id());
        let _ = mallory.send(hello(listener.endpoint(), "sybil"));
        strangers.push((mallory, listener));
        scene.chat_for(1);
    }
    scene.finish(
        format_args!(
            "came {} times from one address to {PLACES} places",
            2 * PLACES
        ),
        16 * MIB,
    );
}

fn a_hello_beyond_the_limits_that_comes_again_and_again_costs_nothing(stage: Stage) {
    const HELLOS: usize = 200;
    let scene = stage.begin();
    let (listener, id) = (RawListener::start(Manner::Reads), random_id());
    let beacon = RawBeacon::new(scene.port);
    let Body::Hello(mut hello) = hello(listener.endpoint(), "greedy") else {
        unreachable!("a HELLO");
    };
    hello.groups = (0..1025).map(|number| group(&number.to_string())).collect();
    let bytes = encode(1, Body::Hello(hello));
    let mut connections = Vec::new();
    for turn in 0..HELLOS {
        let mut mallory = RawPeer::open(scene.endpoint(), id);
        let _ = mallory.send_raw(&bytes);
        connections.push(mallory);
        if turn % 10 == 0 {
            beacon.announce(id, listener.endpoint().port().get());
            scene.chat_for(5);
        }
    }
    let open = still_open(&mut connections);
    scene.demand(open == 0, format_args!("{open} connections were left open"));
    scene.chat_for(30);
    let (seen, looks) = (scene.facts().seen.clone(), listener.accepted());
    scene.demand(seen.is_empty(), format_args!("the victim saw {seen:?}"));
    // Each of the three may look a few times.
    scene.demand(looks <= 9, format_args!("{looks} connections to it"));
    demand_few_lines(&scene);
    scene.finish(
        format_args!("sent {HELLOS} HELLOs with 1,025 groups"),
        8 * MIB,
    );
}

fn joins_without_end_end_the_session_at_the_limit(stage: Stage) {
    const JOINS: u16 = 50_000;
    const GROUPS: usize = 1024;
    let scene = stage.begin();
    let mut mallory = scene.intruder(Manner::Reads);
    let id = mallory.id();
    let mut bytes = Vec::new();
    for number in 0..JOINS {
        let group = group(&format!("{number:0>255}"));
        let status = number.wrapping_add(1).to_be_bytes()[1];
        bytes.extend(encode(
            mallory.peer.next_sequence(),
            Body::Join { group, status },
        ));
        mallory.peer.skip_to(mallory.peer.next_sequence());
        // It fails when the node has closed the connection.
        if bytes.len() > MIB && mallory.peer.send_raw(&bytes).is_err() {
            break;
        }
        if bytes.len() > MIB {
            bytes.clear();
        }
    }
    // Were they only ignored, later shouts would miss the peer in silence.
    scene.demand_in_time("its exit", |facts| {
        matches!(facts.exits(id)[..], [ExitReason::ProtocolError(_)])
    });
    let closed = mallory.peer.is_closed_within(DEADLINE);
    scene.demand(closed, "its connection was left open");
    let joined: BTreeSet<String> = scene.facts().seen.iter().filter_map(group_joined).collect();
    let joined = joined.len();
    scene.demand(joined == GROUPS, format_args!("{joined} groups joined"));
    let groups = scene.victim.peer_groups().len();
    scene.demand(groups == 0, format_args!("{groups} groups left"));
    scene.finish(format_args!("joined {JOINS} groups"), 16 * MIB);
}

fn group_joined(seen: &Seen) -> Option<String> {
    match seen {
        Seen::Join(_, group) => Some(group.clone()),
        _ => None,
    }
}

/// How many lines an attack may leave in the log: some of each kind, of each of the three nodes.
const LINES: usize = 400;

fn demand_few_lines(scene: &Scene) {
    let lines = WARNINGS.lines().len();
    scene.demand(lines <= LINES, format_args!("{lines} lines in the log"));
}

fn rubbish_of_all_kinds_leaves_the_log_readable(stage: Stage) {
    const ROUNDS: usize = 300;
    let scene = stage.begin();
    let beacon = RawBeacon::new(scene.port);
    let error = Command::Error {
        reason: "rubbish".try_into().expect("a short text"),
    };
    for round in 0..ROUNDS {
        let mut http = RawPeer::connect(scene.endpoint());
        let _ = http.send_raw(b"GET / HTTP/1.1\r\n\r\n");
        drop(RawPeer::greet(
            scene.endpoint(),
            &ready("PUB", Some(&[1; 17])),
        ));
        drop(RawPeer::greet(scene.endpoint(), &error));
        let mut old = RawPeer::connect(scene.endpoint());
        let _ = old.send_raw(&[&greeting()[..], b"\xF8\x01"].concat());
        for bytes in [
            hello_naming("ftp://example", "mallory"),
            hello_naming("tcp://127.0.0.1:0", "mallory"),
            encode(7, hello(&some_endpoint(), "late")),
            frame(false, false, b"junk"),
            frame_head(false, false, 1 << 62),
        ] {
            let mut mallory = scene.stranger();
            let _ = mallory.send_raw(&bytes);
        }
        for datagram in [&b"ZRE\x02"[..], b"junk", &[0xFF; 22]] {
            beacon.send_raw(datagram);
        }
        if round % 10 == 0 {
            scene.chat_for(1);
        }
    }
    scene.chat_for(50);
    demand_few_lines(&scene);
    scene.finish(
        format_args!("sent {} pieces of rubbish of 12 kinds", 12 * ROUNDS),
        16 * MIB,
    );
}
