//! Valid messages, but too many of them, or as large as possible.

use std::{collections::BTreeSet, time::Duration};

use zre_core::{ExitReason, Fault};
use zre_proto::{Body, Headers, Hello, zmtp::Command};
use zre_tests::raw_peer::{Manner, RawListener, RawPeer, encode, frame, hello, random_id};

use crate::{
    crafted::{group, whisper},
    log::Seen,
    measure::descriptors,
    scene::{DEADLINE, MIB, Stage},
};

attacks![
    a_hello_flood_on_one_connection_ends_it,
    a_hello_flood_on_new_connections_makes_no_storm,
    a_hello_flood_of_random_identities_leaves_room_for_others,
    a_flood_of_messages_does_not_starve_other_peers,
    a_flood_of_zmtp_commands_costs_nothing,
    ten_thousand_hellos_of_random_identities_enter_up_to_the_limit,
    hellos_full_of_groups_and_headers_cost_what_they_hold,
    a_join_beyond_the_limit_ends_the_session,
    pings_without_end_are_all_answered,
];

fn a_hello_flood_on_one_connection_ends_it(stage: Stage) {
    let scene = stage.begin();
    let mut mallory = scene.intruder(Manner::Reads);
    let id = mallory.id();
    let endpoint = mallory.listener.endpoint().clone();
    let flood = encode(1, hello(&endpoint, "mallory")).repeat(1000);
    let _ = mallory.peer.send_raw(&flood);
    assert!(mallory.peer.is_closed_within(DEADLINE));
    scene.wait("its exit", |facts| !facts.exits(id).is_empty());
    assert_eq!(scene.facts().enters(), 1);
    assert_eq!(scene.exits(id).len(), 1);
    scene.finish("sent 1,000 HELLOs on one connection", 16 * MIB);
}

fn a_hello_flood_on_new_connections_makes_no_storm(stage: Stage) {
    const HELLOS: usize = 300;
    let scene = stage.begin();
    let listener = RawListener::start(Manner::Reads);
    let id = random_id();
    let mut connections = Vec::new();
    for _ in 0..HELLOS {
        let mut mallory = RawPeer::open(scene.endpoint(), id);
        let _ = mallory.send(hello(listener.endpoint(), "mallory"));
        connections.push(mallory);
    }
    scene.wait("the last connection taken", |facts| {
        // It is the one that still carries the session.
        facts.enters() > 0
    });
    let last = connections.last_mut().unwrap();
    let _ = last.send(whisper("the last"));
    scene.wait("a whisper over the last", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 8))
    });
    assert!(
        scene.facts().enters() <= HELLOS,
        "{} enters",
        scene.facts().enters()
    );
    let exits = scene.exits(id).len();
    assert_eq!(scene.facts().enters(), exits + 1);
    assert!(
        listener.accepted() <= HELLOS,
        "{} connections back",
        listener.accepted()
    );
    scene.finish(
        format_args!("sent {HELLOS} HELLOs of one peer on as many connections"),
        32 * MIB,
    );
}

fn a_hello_flood_of_random_identities_leaves_room_for_others(stage: Stage) {
    const HELLOS: usize = 600;
    let scene = stage.begin();
    let listeners: Vec<_> = (0..HELLOS / 2)
        .map(|_| RawListener::start(Manner::Greets))
        .collect();
    let mut connections = Vec::new();
    for (turn, listener) in listeners.iter().enumerate() {
        let mut mallory = scene.stranger();
        let _ = mallory.send(hello(listener.endpoint(), "sybil"));
        // Nobody listens there, so it does not enter.
        let mut dead = scene.stranger();
        let _ = dead.send(hello(&dead.dead_endpoint(), "sybil"));
        connections.push((mallory, dead));
        // Never so many at once that they push each other out before HELLO.
        if turn % 50 == 0 {
            scene.wait("those that can to enter", |facts| facts.enters() > turn);
        }
    }
    let entered = listeners.len();
    scene.wait("those that can to enter", |facts| facts.enters() == entered);
    drop(connections);
    scene.wait("their exits", |facts| facts.all_exits() == entered);
    scene.finish(
        format_args!("sent HELLO under {HELLOS} identities, and half of them entered"),
        48 * MIB,
    );
}

fn a_flood_of_messages_does_not_starve_other_peers(stage: Stage) {
    const ROUNDS: u16 = 10_000;
    let scene = stage.begin();
    let mut mallory = scene.intruder(Manner::Reads);
    let id = mallory.id();
    let (mut bytes, mut status) = (Vec::new(), 0_u8);
    let mut sequence = 1;
    for _ in 0..ROUNDS {
        let group = group("CHAT");
        let (joined, left) = (status.wrapping_add(1), status.wrapping_add(2));
        status = left;
        let bodies = [
            Body::Join {
                group: group.clone(),
                status: joined,
            },
            whisper("x"),
            Body::Shout {
                group: group.clone(),
                content: "x".into(),
            },
            Body::Leave {
                group,
                status: left,
            },
        ];
        for body in bodies {
            sequence += 1;
            bytes.extend(encode(sequence, body));
        }
    }
    mallory.peer.skip_to(sequence);
    mallory.peer.send_raw(&bytes).unwrap();
    mallory.say(whisper("behind"));
    scene.wait("the whisper behind them", |facts| {
        facts.seen.last() == Some(&Seen::Whisper(id, 1, 6))
    });
    assert_eq!(scene.facts().seen.len(), 2 + 4 * usize::from(ROUNDS));
    scene.finish(
        format_args!("sent {} messages that are events", 4 * u32::from(ROUNDS)),
        48 * MIB,
    );
}

fn a_flood_of_zmtp_commands_costs_nothing(stage: Stage) {
    let scene = stage.begin();
    let mut mallory = scene.intruder(Manner::NeverReads);
    let id = mallory.id();
    let ping = Command::Ping {
        ttl: 1,
        context: vec![7; 16].into(),
    };
    let unknown = Command::Unknown {
        name: "NONSENSE".try_into().unwrap(),
    };
    let commands = [ping, unknown]
        .map(|command| frame(true, false, &command.encode()))
        .concat()
        .repeat(500);
    for _ in 0..200 {
        mallory.peer.send_raw(&commands).unwrap();
    }
    mallory.say(whisper("behind"));
    scene.wait("the whisper behind them", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 6))
    });
    scene.finish("sent 200,000 ZMTP commands", 16 * MIB);
}

fn ten_thousand_hellos_of_random_identities_enter_up_to_the_limit(stage: Stage) {
    const TOO_MANY: usize = 100;
    let peers = (descriptors() / 20).min(400);
    let scene = stage.begin_with(|setup| {
        setup.limits.peers = peers;
        // Nobody shall go for want of time.
        setup.handshake_timeout = Some(Duration::from_secs(300));
        setup.expired_timeout = Some(Duration::from_secs(300));
    });
    // Each that enters takes two more at the node, and two for where it says that it listens.
    let count = (descriptors() / 4 * 3 - 6 * peers).min(10_000);
    let listeners: Vec<_> = (0..peers + TOO_MANY)
        .map(|_| RawListener::start(Manner::Greets))
        .collect();
    let mut connections: Vec<RawPeer> = Vec::with_capacity(count);
    // A quarter is for other addresses. Alice and bob hold two places.
    let places = peers - peers / 4 - 2;
    for turn in 0..count {
        // Connections are not read in the order in which they came.
        if turn == places || turn < places && turn % 100 == 0 {
            scene.wait("those that there is room for to enter", |facts| {
                facts.enters() == turn
            });
        }
        let mut mallory = scene.stranger();
        let endpoint = match listeners.get(turn) {
            Some(listener) => listener.endpoint().clone(),
            None => mallory.dead_endpoint(),
        };
        let _ = mallory.send(hello(&endpoint, "sybil"));
        connections.push(mallory);
        // Those beyond the limit push each other out.
        if turn >= peers + 512 && turn % 100 == 0 {
            assert!(connections[turn - 512].is_closed_within(DEADLINE), "{turn}");
        }
    }
    scene.chat_for(20);
    assert_eq!(scene.facts().enters(), places);
    assert_eq!(scene.facts().all_exits(), 0);
    drop((connections, listeners));
    // Not all of them: a port that is free now can be another attack's soon, and answers again.
    scene.wait("most of them to go", |facts| facts.all_exits() > peers / 2);
    scene.finish(
        format_args!("sent {count} HELLOs of random UUIDs to a node for {peers} peers"),
        64 * MIB,
    );
}

fn hellos_full_of_groups_and_headers_cost_what_they_hold(stage: Stage) {
    const PEERS: usize = 20;
    const GROUPS: usize = 1024;
    const HEADERS: usize = 256;
    let scene = stage.begin();
    let name = |number: usize| format!("{number:0>250}");
    let groups: BTreeSet<_> = (0..GROUPS).map(|number| group(&name(number))).collect();
    let mut headers = Headers::default();
    for number in 0..HEADERS {
        let added = headers.set(name(number), "x".repeat(2700));
        added.expect("a short name");
    }
    let listeners = [(); PEERS].map(|()| RawListener::start(Manner::Reads));
    let (mut connections, mut bytes) = (Vec::new(), 0);
    for listener in &listeners {
        let heavy = Body::from(Hello {
            endpoint: listener.endpoint().clone(),
            groups: groups.clone(),
            status: 0,
            name: "heavy".try_into().expect("a short name"),
            headers: headers.clone(),
        });
        let heavy = encode(1, heavy);
        bytes = heavy.len();
        assert!(bytes > MIB - (MIB >> 4), "{bytes} bytes are not much");
        let mut mallory = scene.stranger();
        mallory.send_raw(&heavy).expect("the node reads");
        connections.push(mallory);
    }
    scene.wait_for_log("take more than peer_data_bytes");
    scene.chat_for(10);
    assert_eq!(scene.facts().all_exits(), 0);
    let entered = scene.facts().enters();
    assert!((4..=8).contains(&entered), "{entered} fit into 8 MiB");
    scene.finish(
        format_args!(
            "came {PEERS} times with {GROUPS} groups and {HEADERS} headers, {bytes} bytes"
        ),
        2 * PEERS * MIB + 16 * MIB,
    );
}

fn a_join_beyond_the_limit_ends_the_session(stage: Stage) {
    const GROUPS: u32 = 1024;
    let scene = stage.begin();
    let mut mallory = scene.intruder(Manner::Reads);
    let id = mallory.id();
    let mut bytes = Vec::new();
    for number in 0..=GROUPS {
        let group = group(&format!("{number:0>200}"));
        let [.., status] = (number + 1).to_be_bytes();
        bytes.extend(encode(
            mallory.peer.next_sequence(),
            Body::Join { group, status },
        ));
        mallory.peer.skip_to(mallory.peer.next_sequence());
    }
    mallory.peer.send_raw(&bytes).expect("the node reads");
    scene.wait("its exit", |facts| !facts.exits(id).is_empty());
    let fault = Fault::TooManyGroups { limit: GROUPS };
    assert_eq!(scene.exits(id), [ExitReason::ProtocolError(fault)]);
    let joined: BTreeSet<String> = scene.facts().seen.iter().filter_map(group_joined).collect();
    assert_eq!(joined.len(), GROUPS as usize);
    assert!(scene.victim.peer_groups().is_empty());
    scene.finish(
        format_args!("joined {GROUPS} groups and one more"),
        16 * MIB,
    );
}

fn group_joined(seen: &Seen) -> Option<String> {
    match seen {
        Seen::Join(_, group) => Some(group.clone()),
        _ => None,
    }
}

fn pings_without_end_are_all_answered(stage: Stage) {
    const PINGS: u16 = 50_000;
    let scene = stage.begin();
    let mut mallory = scene.intruder(Manner::Reads);
    let mut bytes = Vec::new();
    for _ in 0..PINGS {
        bytes.extend(encode(mallory.peer.next_sequence(), Body::Ping));
        mallory.peer.skip_to(mallory.peer.next_sequence());
    }
    mallory.peer.send_raw(&bytes).expect("the node reads");
    for answer in 0..PINGS {
        let message = mallory.listener.receive().expect("an answer");
        assert_eq!((message.sequence, message.body), (answer + 2, Body::PingOk));
    }
    scene.finish(
        format_args!("sent {PINGS} PINGs and read the answers"),
        32 * MIB,
    );
}
