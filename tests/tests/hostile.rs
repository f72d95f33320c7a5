//! What hostile and broken peers send, and that a node goes on serving its other peers meanwhile.
//!
//! Each test starts a victim and two honest nodes that whisper to and fro, attacks the victim over
//! raw sockets, and ends with the same [verdict](Scene::finish): no honest node saw another go, every
//! whisper came in order and in time, the process held no more memory than the attack may cost, and the
//! victim still takes in a newcomer. The tests run one at a time, each in a process of its own, because
//! memory is that of the process.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::Write,
    process,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Runtime,
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use zre_proto::{
    Body, Content, Endpoint, GroupName, Message,
    zmtp::{Command, Greeting, Mechanism},
};
use zre_tests::raw_peer::{
    Manner, RawBeacon, RawListener, RawPeer, encode, frame, frame_head, greeting, hello, random_id,
    ready,
};
use zre_tokio::{Builder, Error, Event, ExitReason, Fault, Limits, LinkError, Node, PeerId};

const DEADLINE: Duration = Duration::from_secs(5);
/// How long a whisper between honest nodes may take, in a debug build on a busy machine.
const WORST_DELAY: Duration = Duration::from_millis(1500);
const CHAT_PACE: Duration = Duration::from_millis(10);
const BEACON_INTERVAL: Duration = Duration::from_millis(100);
const MIB: usize = 1 << 20;

// --- messages that are no messages, or wrong ones ---

#[test]
fn a_wrong_status_is_noted_and_the_peer_stays() {
    let Some(scene) = Scene::start(26701) else {
        return;
    };
    let mut mallory = scene.intruder(Manner::Reads);
    let join = |status| Body::Join {
        group: group("CHAT"),
        status,
    };
    mallory.say(join(200));
    mallory.say(join(7));
    mallory.say(Body::Leave {
        group: group("CHAT"),
        status: 99,
    });
    mallory.say(Body::Leave {
        group: group("NEVER JOINED"),
        status: 0,
    });
    mallory.say(Body::Whisper {
        content: "still here".into(),
    });
    let id = mallory.id();
    scene.wait("the last whisper", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 10))
    });
    assert!(scene.facts().saw(&Seen::Join(id, "CHAT".into())));
    assert!(scene.facts().saw(&Seen::Leave(id, "CHAT".into())));
    assert_eq!(scene.exits(id), []);
    scene.wait_for_log("says status 200, counted 1");
    scene.wait_for_log("says status 99, counted 8");
    scene.finish(8 * MIB);
}

#[test]
fn a_truncated_hello_is_refused_wherever_it_ends() {
    let Some(scene) = Scene::start(26702) else {
        return;
    };
    let listener = RawListener::start(Manner::Reads);
    let whole = first_frame(1, hello(listener.endpoint(), "mallory"));
    for length in 0..whole.len() {
        let mut mallory = scene.stranger();
        let _ = mallory.send_frames(&[&whole[..length]]);
        assert!(
            mallory.is_closed_within(DEADLINE),
            "{length} of {} octets",
            whole.len()
        );
    }
    assert_eq!(scene.facts().enters(), 0);
    assert_eq!(listener.accepted(), 0);
    scene.wait_for_log("headers count needs 4 octets");
    scene.finish(8 * MIB);
}

#[test]
fn counts_that_no_message_can_hold_are_refused() {
    const ALL: [u8; 4] = [0xFF; 4];
    let Some(scene) = Scene::start(26703) else {
        return;
    };
    let start: &[u8] = b"\xAA\xA1\x01\x02\0\x01\x14tcp://127.0.0.1:9999";
    let no_groups = [0; 4];
    let frames: [(&str, Vec<&[u8]>); 7] = [
        ("groups", vec![start, &ALL]),
        ("many groups", vec![start, &[0, 0, 4, 1], &[0; 5000]]),
        ("groups without any", vec![start, &[0, 0, 4, 0]]),
        ("a group's length", vec![start, &[0, 0, 0, 1], &ALL, b"x"]),
        ("headers", vec![start, &no_groups, b"\0\x01m", &ALL]),
        (
            "many headers",
            vec![start, &no_groups, b"\0\x01m", &[0, 0, 1, 1], &[0; 5000]],
        ),
        (
            "a header's length",
            vec![
                start,
                &no_groups,
                b"\0\x01m",
                &[0, 0, 0, 1],
                b"\x01k",
                &ALL,
                b"v",
            ],
        ),
    ];
    for (what, parts) in frames {
        let mut mallory = scene.stranger();
        let _ = mallory.send_frames(&[&parts.concat()]);
        assert!(mallory.is_closed_within(DEADLINE), "{what}");
    }
    assert_eq!(scene.facts().enters(), 0);
    scene.wait_for_log("HELLO announces 4294967295 groups, the limit is 1024");
    scene.wait_for_log("HELLO announces 4294967295 headers, the limit is 256");
    scene.finish(8 * MIB);
}

#[test]
fn unknown_messages_count_in_the_sequence_and_are_ignored() {
    let Some(scene) = Scene::start(26704) else {
        return;
    };
    let mut mallory = scene.intruder(Manner::Reads);
    mallory.say(Body::Elect {
        group: group("CHAT"),
        challenger: "0123".try_into().unwrap(),
    });
    mallory.say(Body::Leader {
        group: group("CHAT"),
        leader: "0123".try_into().unwrap(),
    });
    for id in [0].into_iter().chain(11..=255) {
        let sequence = mallory.peer.next_sequence().to_be_bytes();
        let mut octets = vec![0xAA, 0xA1, id, 2];
        octets.extend(sequence);
        octets.extend([0xFF; 40]);
        mallory.peer.send_frames(&[&octets, b"content"]).unwrap();
    }
    mallory.say(Body::Whisper {
        content: "counted".into(),
    });
    let id = mallory.id();
    scene.wait("the whisper behind them", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 7))
    });
    assert_eq!(scene.exits(id), []);
    mallory.say(Body::Goodbye);
    scene.wait("the goodbye", |facts| {
        facts.saw(&Seen::Exit(id, ExitReason::Goodbye))
    });
    scene.finish(8 * MIB);
}

#[test]
fn messages_without_a_content_frame_are_delivered_empty() {
    let Some(scene) = Scene::start(26705) else {
        return;
    };
    let mut mallory = scene.intruder(Manner::Reads);
    let id = mallory.id();
    mallory.say(Body::Whisper {
        content: Content::default(),
    });
    mallory.say(Body::Shout {
        group: group("CHAT"),
        content: Content::default(),
    });
    mallory.say(Body::Shout {
        group: group(""),
        content: Content::default(),
    });
    scene.wait("all three", |facts| {
        facts.saw(&Seen::Whisper(id, 0, 0)) && facts.count(&Seen::Shout(id, 0, 0)) == 2
    });
    assert_eq!(scene.exits(id), []);
    scene.finish(8 * MIB);
}

#[test]
fn sequence_gaps_end_the_session_and_no_other() {
    let Some(scene) = Scene::start(26706) else {
        return;
    };
    for (sequence, body) in [
        (3, Body::Ping),
        (1, Body::Ping),
        (0, Body::Ping),
        (65535, Body::Ping),
        (4, hello(&some_endpoint(), "again")),
    ] {
        let mut mallory = scene.intruder(Manner::Reads);
        let id = mallory.id();
        mallory.peer.send_as(sequence, body).unwrap();
        let fault = Fault::Sequence {
            expected: 2,
            received: sequence,
        };
        scene.wait("its exit", |facts| {
            facts.saw(&Seen::Exit(id, ExitReason::ProtocolError(fault.clone())))
        });
        assert!(mallory.peer.is_closed_within(DEADLINE));
    }
    for sequence in [0, 2, 65535] {
        let mut mallory = scene.stranger();
        let _ = mallory.send_as(sequence, hello(&some_endpoint(), "late"));
        assert!(
            mallory.is_closed_within(DEADLINE),
            "HELLO numbered {sequence}"
        );
    }
    scene.wait_for_log("sequence number 65535, expected 1");
    scene.finish(8 * MIB);
}

#[test]
fn messages_before_hello_are_ignored_and_hello_is_still_taken() {
    let Some(scene) = Scene::start(26707) else {
        return;
    };
    let listener = RawListener::start(Manner::Reads);
    let mut mallory = scene.stranger();
    let id = mallory.id();
    let bodies = [
        Body::Whisper {
            content: "early".into(),
        },
        Body::Join {
            group: group("CHAT"),
            status: 1,
        },
        Body::Leave {
            group: group("CHAT"),
            status: 1,
        },
        Body::Ping,
        Body::PingOk,
        Body::Goodbye,
        Body::Unknown { id: 77 },
    ];
    for body in bodies.iter().cycle().take(2000) {
        mallory.send(body.clone()).unwrap();
    }
    assert!(scene.facts().seen.is_empty());
    mallory
        .send_as(1, hello(listener.endpoint(), "mallory"))
        .unwrap();
    mallory
        .send(Body::Whisper {
            content: "now".into(),
        })
        .unwrap();
    scene.wait("the whisper behind HELLO", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 3))
    });
    assert_eq!(
        scene.facts().seen,
        [Seen::Enter(id), Seen::Whisper(id, 1, 3)]
    );
    scene.finish(8 * MIB);
}

// --- identities and endpoints that belong to others ---

#[test]
fn a_hello_with_the_victims_own_endpoint_is_ignored() {
    let Some(scene) = Scene::start(26708) else {
        return;
    };
    let mut intruders = Vec::new();
    for _ in 0..100 {
        let mut mallory = scene.stranger();
        let _ = mallory.send(hello(scene.victim.endpoint(), "mirror"));
        intruders.push(mallory);
    }
    scene.wait_for_log("it names this node's own endpoint");
    // The same place by a name, which the node cannot know before it has connected to itself.
    let port = scene.victim.endpoint().port();
    let mut by_name = scene.stranger();
    let id = by_name.id();
    let endpoint: Endpoint = format!("tcp://localhost:{port}").parse().unwrap();
    by_name.send(hello(&endpoint, "mirror")).unwrap();
    scene.wait_for_log("the identity is this node's own");
    scene.chat_for(50);
    assert!(
        scene.facts().seen.len() <= 2,
        "a storm: {:?}",
        scene.facts().seen
    );
    assert!(scene.facts().count(&Seen::Enter(id)) <= 1);
    scene.finish(8 * MIB);
}

#[test]
fn a_peer_with_the_victims_own_identity_is_refused() {
    let Some(scene) = Scene::start(26709) else {
        return;
    };
    let listener = RawListener::start(Manner::Reads);
    let own = scene.victim.id();
    for _ in 0..50 {
        let mut mallory = RawPeer::open(scene.victim.endpoint(), own);
        let _ = mallory.send(hello(listener.endpoint(), "doppelganger"));
        assert!(mallory.is_closed_within(DEADLINE));
    }
    let beacon = RawBeacon::new(scene.port);
    let port = listener.endpoint().port().get();
    for _ in 0..50 {
        beacon.announce(own, port);
    }
    scene.chat_for(30);
    assert!(scene.facts().seen.is_empty());
    assert_eq!(listener.accepted(), 0);
    scene.wait_for_log("the identity is this node's own");
    scene.finish(8 * MIB);
}

#[test]
fn a_hello_that_names_another_peers_endpoint_does_not_push_that_peer_out() {
    let Some(scene) = Scene::start(26710) else {
        return;
    };
    let endpoint = scene.alice.endpoint().clone();
    let mut mallory = scene.stranger();
    let _ = mallory.send(hello(&endpoint, "mallory"));
    let _ = mallory.send(Body::Ping);
    scene.chat_for(50);
    scene.finish(8 * MIB);
}

#[test]
fn a_beacon_that_names_another_peers_endpoint_does_not_push_that_peer_out() {
    let Some(scene) = Scene::start(26711) else {
        return;
    };
    let port = scene.alice.endpoint().port().get();
    RawBeacon::new(scene.port).announce(random_id(), port);
    scene.chat_for(50);
    scene.finish(8 * MIB);
}

#[test]
fn a_stranger_under_an_honest_peers_identity_does_not_disturb_its_session() {
    let Some(scene) = Scene::start(26712) else {
        return;
    };
    let alice = scene.alice.id();
    let attacks: [Vec<u8>; 5] = [
        encode(40_000, Body::Goodbye),
        encode(1, Body::Ping),
        frame(false, false, b"junk"),
        frame_head(false, false, 1 << 62),
        b"\xFF\xFF\xFF".to_vec(),
    ];
    let mut intruders = Vec::new();
    for octets in attacks.iter().cycle().take(60) {
        let mut mallory = RawPeer::open(scene.victim.endpoint(), alice);
        let _ = mallory.send_raw(octets);
        intruders.push(mallory);
    }
    scene.chat_for(50);
    scene.finish(8 * MIB);
}

#[test]
fn a_wrong_hello_under_an_honest_peers_identity_does_not_disturb_its_session() {
    let Some(scene) = Scene::start(26734) else {
        return;
    };
    let mut mallory = RawPeer::open(scene.victim.endpoint(), scene.alice.id());
    let _ = mallory.send_as(2, hello(&some_endpoint(), "not alice"));
    assert!(mallory.is_closed_within(DEADLINE));
    scene.chat_for(20);
    scene.finish(8 * MIB);
}

#[test]
fn a_spoofed_goodbye_does_not_end_a_session_whose_beacons_go_on() {
    let Some(scene) = Scene::start(26713) else {
        return;
    };
    let beacon = RawBeacon::new(scene.port);
    for _ in 0..20 {
        for id in [scene.alice.id(), scene.bob.id(), scene.victim.id()] {
            beacon.announce(id, 0);
        }
        scene.chat_for(5);
    }
    scene.finish(8 * MIB);
}

#[test]
fn a_spoofed_goodbye_does_not_end_a_session_at_the_default_pace_of_beacons() {
    let Some(scene) = Scene::start_with(26714, |setup| setup.beacon_interval = None) else {
        return;
    };
    let beacon = RawBeacon::new(scene.port);
    for _ in 0..3 {
        beacon.announce(scene.alice.id(), 0);
        // Long enough for the grace of a leaving peer, whose messages come all the while.
        scene.chat_for(70);
    }
    scene.finish(8 * MIB);
}

// --- connections that are no ZMTP ---

#[test]
fn junk_in_place_of_a_greeting_closes_the_connection() {
    let Some(scene) = Scene::start(26715) else {
        return;
    };
    let octets: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03",
        b"\0",
        // ZMTP 1.0: an anonymous identity, and one of 17 octets.
        b"\x01\0",
        b"\x12\0\x010123456789ABCDEF",
        // ZMTP 2.0: signature, revision 1, DEALER, an identity.
        b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01\x05\0\x11",
        b"\xFF\0\0\0\0\0\0\0\x01\x7F\x02",
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    ];
    for octets in octets {
        let mut mallory = RawPeer::connect(scene.victim.endpoint());
        let _ = mallory.send_raw(octets);
        assert!(
            mallory.is_closed_within(DEADLINE),
            "{:?}",
            octets.escape_ascii()
        );
    }
    let mut noise = Noise(1);
    for _ in 0..50 {
        let mut mallory = RawPeer::connect(scene.victim.endpoint());
        let mut octets = noise.octets(3000);
        octets[0] &= 0x7F;
        let _ = mallory.send_raw(&octets);
        assert!(mallory.is_closed_within(DEADLINE));
    }
    scene.wait_for_log("greeting octet 0 is 47, expected FF");
    scene.wait_for_log("ZMTP major version 1, expected 3 or higher");
    scene.finish(8 * MIB);
}

#[test]
fn junk_in_the_handshake_closes_the_connection() {
    let Some(scene) = Scene::start(26716) else {
        return;
    };
    let commands = [
        ready("DEALER", None),
        ready("DEALER", Some(b"")),
        ready("DEALER", Some(&[0; 17])),
        ready("DEALER", Some(&[1; 16])),
        ready("DEALER", Some(&[1; 255])),
        ready("ROUTER", Some(&[1; 17])),
        ready("PUB", Some(&[1; 17])),
        Command::Error {
            reason: "\u{1b}[2J".try_into().unwrap(),
        },
        Command::Ping {
            ttl: 0,
            context: vec![0; 17].into(),
        },
        Command::Unknown {
            name: "SUBSCRIBE".try_into().unwrap(),
        },
    ];
    for command in commands {
        let mut mallory = RawPeer::greet(scene.victim.endpoint(), &command);
        assert!(mallory.is_closed_within(DEADLINE), "{command:?}");
    }
    let mut other_mechanism = Greeting::new(Mechanism::NULL, true).encode();
    other_mechanism[12..17].copy_from_slice(b"CURVE");
    let mut no_mechanism = greeting();
    no_mechanism[12..16].fill(0);
    for octets in [
        other_mechanism.to_vec(),
        no_mechanism.to_vec(),
        [&greeting()[..], b"\xF8\x01"].concat(),
        [&greeting()[..], b"\x05\x01"].concat(),
        [&greeting()[..], b"\x00\x06\xAA\xA1\x06\x02\0\x01"].concat(),
        [&greeting()[..], b"\x04\x00"].concat(),
        [
            &greeting()[..],
            b"\x04\x10\x05READY\x01x\xFF\xFF\xFF\xFFabcd",
        ]
        .concat(),
        [&greeting()[..], &frame_head(true, false, 3 << 30)].concat(),
    ] {
        let mut mallory = RawPeer::connect(scene.victim.endpoint());
        let _ = mallory.send_raw(&octets);
        assert!(
            mallory.is_closed_within(DEADLINE),
            "{:?}",
            octets[10..].escape_ascii()
        );
    }
    assert_eq!(scene.facts().enters(), 0);
    scene.wait_for_log("the other side wants mechanism CURVE, this one NULL");
    scene.wait_for_log("the other side is a \"PUB\" socket, expected DEALER");
    scene.finish(8 * MIB);
}

#[test]
fn five_hundred_handshakes_of_one_octet_keep_nobody_out() {
    let Some(scene) = Scene::start(26717) else {
        return;
    };
    let mut crawlers: Vec<_> = (0..500)
        .map(|_| {
            let mut mallory = RawPeer::connect(scene.victim.endpoint());
            let _ = mallory.send_raw(&greeting()[..1]);
            mallory
        })
        .collect();
    // All but the newest 256 make room.
    for mallory in &mut crawlers[..244] {
        assert!(mallory.is_closed_within(DEADLINE));
    }
    for octet in &greeting()[1..] {
        for mallory in &mut crawlers[244..] {
            let _ = mallory.send_raw(&[*octet]);
        }
    }
    scene.wait_for_log("more than 256 connections have not said HELLO");
    // More come while the newcomer does.
    let endpoint = scene.victim.endpoint().clone();
    let over = Arc::new(AtomicBool::new(false));
    let crowd = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            for _ in 0..10 {
                for crawler in &mut crawlers {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    *crawler = RawPeer::connect(&endpoint);
                }
            }
        }
    });
    let newcomer = scene.newcomer();
    over.store(true, Ordering::SeqCst);
    crowd.join().unwrap();
    assert_eq!(newcomer, Ok(()));
    scene.finish(32 * MIB);
}

#[test]
fn what_strangers_say_forges_no_line_in_the_log() {
    let Some(scene) = Scene::start(26735) else {
        return;
    };
    let reason = "x\n WARN forged \u{1b}[2J";
    let error = Command::Error {
        reason: reason.try_into().unwrap(),
    };
    for command in [error, ready("x\n WARN forged", Some(&[1; 17]))] {
        let mut mallory = RawPeer::greet(scene.victim.endpoint(), &command);
        assert!(mallory.is_closed_within(DEADLINE));
    }
    scene.wait_for_log("the other side refuses the connection");
    scene.wait_for_log("expected DEALER");
    let forged = lock(&WARNINGS.lines)
        .iter()
        .find(|line| line.trim_end().contains(['\n', '\u{1b}']))
        .cloned();
    assert_eq!(forged, None);
    scene.finish(8 * MIB);
}

#[test]
fn half_open_connections_are_closed_in_the_end() {
    let Some(scene) = Scene::start(26718) else {
        return;
    };
    let endpoint = scene.victim.endpoint();
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
        assert!(half.is_closed_within(Duration::from_secs(13)));
    }
    scene.wait_for_log("no HELLO within the handshake timeout");
    scene.finish(16 * MIB);
}

// --- too much of everything ---

#[test]
fn a_hello_flood_on_one_connection_ends_it() {
    let Some(scene) = Scene::start(26719) else {
        return;
    };
    let mut mallory = scene.intruder(Manner::Reads);
    let id = mallory.id();
    let endpoint = mallory.listener.endpoint().clone();
    let flood = encode(1, hello(&endpoint, "mallory")).repeat(1000);
    let _ = mallory.peer.send_raw(&flood);
    assert!(mallory.peer.is_closed_within(DEADLINE));
    scene.wait("its exit", |facts| !facts.exits(id).is_empty());
    assert_eq!(scene.facts().enters(), 1);
    assert_eq!(scene.exits(id).len(), 1);
    scene.finish(16 * MIB);
}

#[test]
fn a_hello_flood_on_new_connections_makes_no_storm() {
    const HELLOS: usize = 300;
    let Some(scene) = Scene::start(26720) else {
        return;
    };
    let listener = RawListener::start(Manner::Reads);
    let id = random_id();
    let mut connections = Vec::new();
    for _ in 0..HELLOS {
        let mut mallory = RawPeer::open(scene.victim.endpoint(), id);
        let _ = mallory.send(hello(listener.endpoint(), "mallory"));
        connections.push(mallory);
    }
    scene.wait("the last connection taken", |facts| {
        // It is the one that still carries the session.
        facts.enters() > 0
    });
    let last = connections.last_mut().unwrap();
    let _ = last.send(Body::Whisper {
        content: "the last".into(),
    });
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
    scene.finish(32 * MIB);
}

#[test]
fn a_hello_flood_of_random_identities_leaves_room_for_others() {
    const HELLOS: usize = 600;
    let Some(scene) = Scene::start(26721) else {
        return;
    };
    let listener = RawListener::start(Manner::Reads);
    let mut connections = Vec::new();
    for turn in 0..HELLOS {
        let mut mallory = scene.stranger();
        let endpoint = match turn % 2 {
            0 => listener.endpoint().clone(),
            _ => mallory.dead_endpoint(),
        };
        let _ = mallory.send(hello(&endpoint, "sybil"));
        connections.push(mallory);
        // Never so many at once that they push each other out before HELLO.
        if connections.len() % 100 == 0 {
            let entered = connections.len();
            scene.wait("all of them to enter", |facts| facts.enters() == entered);
        }
    }
    drop(connections);
    scene.wait("their exits", |facts| facts.all_exits() == HELLOS);
    scene.finish(48 * MIB);
}

#[test]
fn a_frame_announced_beyond_the_limit_closes_the_connection() {
    let Some(scene) = Scene::start(26722) else {
        return;
    };
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
        let fault = |reason: &ExitReason| matches!(reason, ExitReason::ProtocolError(Fault::Link(LinkError::MessageTooLarge { size: announced, .. })) if *announced == size);
        scene.wait("its exit", |facts| facts.exits(id).iter().any(fault));
        assert!(mallory.peer.is_closed_within(DEADLINE));
    }
    let mut mallory = scene.stranger();
    let _ = mallory.send_raw(&[2, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    assert!(mallory.is_closed_within(DEADLINE));
    scene.wait_for_log("frame size 9223372036854775808 is not below 2^63");
    scene.finish(8 * MIB);
}

#[test]
fn a_frame_announced_within_the_limit_costs_only_what_has_come() {
    let Some(scene) = Scene::start(26723) else {
        return;
    };
    let mut crawlers: Vec<_> = (0..20).map(|_| scene.intruder(Manner::Reads)).collect();
    for mallory in &mut crawlers {
        let octets = encode(2, Body::Whisper { content: "".into() });
        // Everything but the empty frame at the end, then one of 250 MiB in its place.
        mallory
            .peer
            .send_raw(&octets[..octets.len() - 2])
            .expect("a frame");
        let head = frame_head(false, false, 250 * MIB as u64);
        mallory.peer.send_raw(&head).expect("a head");
    }
    for _ in 0..50 {
        for mallory in &mut crawlers {
            mallory.peer.send_raw(b"x").expect("the node waits");
        }
        scene.chat_for(1);
    }
    assert_eq!(scene.facts().all_exits(), 0);
    scene.finish(16 * MIB);
}

#[test]
fn strangers_cannot_make_the_node_hold_much_before_hello() {
    let Some(scene) = Scene::start(26724) else {
        return;
    };
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
    scene.finish(48 * MIB);
}

#[test]
fn a_message_without_end_is_cut_off() {
    let Some(scene) = Scene::start(26725) else {
        return;
    };
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
    scene.finish(48 * MIB);
}

#[test]
fn a_ping_flood_that_reads_no_answer_ends_in_overflow() {
    let Some(scene) = Scene::start_with(26726, |setup| setup.limits.outbound = 64 << 10) else {
        return;
    };
    let mut mallory = scene.intruder(Manner::NeverReads);
    let id = mallory.id();
    mallory.flood_pings(1_500_000, |_| !scene.exits(id).is_empty());
    scene.wait("its exit", |facts| {
        facts.saw(&Seen::Exit(id, ExitReason::Overflow))
    });
    scene.finish(32 * MIB);
}

#[test]
fn a_ping_flood_before_the_handshake_is_answered_costs_no_more_than_the_limit() {
    let Some(scene) = Scene::start_with(26727, |setup| setup.limits.outbound = 64 << 10) else {
        return;
    };
    let mut mallory = scene.intruder(Manner::NeverAnswers);
    let id = mallory.id();
    mallory.flood_pings(400_000, |_| !scene.exits(id).is_empty());
    scene.wait("its exit", |facts| {
        facts.saw(&Seen::Exit(id, ExitReason::Overflow))
    });
    // 64 KiB and the 1 MiB for answers may wait.
    scene.finish(8 * MIB);
}

#[test]
fn a_flood_of_messages_does_not_starve_other_peers() {
    const ROUNDS: u16 = 10_000;
    let Some(scene) = Scene::start(26736) else {
        return;
    };
    let mut mallory = scene.intruder(Manner::Reads);
    let id = mallory.id();
    let (mut octets, mut status) = (Vec::new(), 0_u8);
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
            Body::Whisper {
                content: "x".into(),
            },
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
            octets.extend(encode(sequence, body));
        }
    }
    mallory.peer.skip_to(sequence);
    mallory.peer.send_raw(&octets).unwrap();
    mallory.say(Body::Whisper {
        content: "behind".into(),
    });
    scene.wait("the whisper behind them", |facts| {
        facts.seen.last() == Some(&Seen::Whisper(id, 1, 6))
    });
    assert_eq!(scene.facts().seen.len(), 2 + 4 * usize::from(ROUNDS));
    scene.finish(48 * MIB);
}

#[test]
fn a_flood_of_zmtp_commands_costs_nothing() {
    let Some(scene) = Scene::start(26728) else {
        return;
    };
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
    mallory.say(Body::Whisper {
        content: "behind".into(),
    });
    scene.wait("the whisper behind them", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 6))
    });
    scene.finish(16 * MIB);
}

#[test]
fn a_peer_that_never_reads_is_full_then_stalled_and_holds_up_nobody() {
    let Some(scene) = Scene::start_with(26729, |setup| {
        setup.limits.outbound = MIB;
        setup.expired_timeout = Some(Duration::from_millis(1500));
    }) else {
        return;
    };
    let mut mallory = scene.intruder(Manner::NeverReads);
    let id = mallory.id();
    let large = Content::from(vec![7; 128 << 10]);
    let full = (0..1000).find_map(|_| scene.victim.try_whisper(id, large.clone()).err());
    assert_eq!(full, Some(Error::Full(id)));
    let victim = scene.victim.clone();
    let patient = scene
        .runtime
        .spawn(async move { victim.whisper(id, large).await });
    // It is there all the while, it only does not read.
    let deadline = Instant::now() + DEADLINE;
    while scene.exits(id).is_empty() && Instant::now() < deadline {
        let _ = mallory.peer.send(Body::PingOk);
        scene.chat_for(5);
    }
    assert_eq!(scene.exits(id), [ExitReason::Stalled]);
    let refused = scene
        .runtime
        .block_on(async { timeout(DEADLINE, patient).await.expect("in time") });
    assert_eq!(refused.unwrap(), Err(Error::UnknownPeer(id)));
    assert_eq!(
        scene.victim.try_whisper(id, "x"),
        Err(Error::UnknownPeer(id))
    );
    scene.finish(32 * MIB);
}

#[test]
fn undelivered_hellos_stop_the_reading_when_they_hold_the_limit() {
    let Some(scene) = Scene::start_with(26730, |setup| setup.limits.event_bytes = MIB) else {
        return;
    };
    scene.hold_events();
    let listener = RawListener::start(Manner::Reads);
    let id = random_id();
    let hello = with_header(hello(listener.endpoint(), "heavy"), 900 << 10);
    let hello: Arc<[u8]> = encode(1, hello).into();
    let mut connections = Vec::new();
    for _ in 0..100 {
        let mallory = RawPeer::open(scene.victim.endpoint(), id);
        mallory.send_in_background(Arc::clone(&hello));
        connections.push(mallory);
    }
    scene.chat_for(100);
    scene.release_events();
    drop(connections);
    scene.finish(32 * MIB);
}

#[test]
fn small_undelivered_whispers_pin_no_more_memory_than_the_limit() {
    let Some(scene) = Scene::start_with(26731, |setup| {
        setup.limits.event_bytes = MIB;
        setup.limits.events = 1000;
    }) else {
        return;
    };
    let mut mallory = scene.intruder(Manner::Reads);
    scene.hold_events();
    let mut stream = Vec::new();
    let padding = [0; 120 << 10];
    for _ in 0..600 {
        stream.clear();
        let sequence = mallory.peer.next_sequence();
        let mut unknown = vec![0xAA, 0xA1, 77, 2];
        unknown.extend((sequence + 1).to_be_bytes());
        unknown.extend(padding);
        let whisper = Body::Whisper {
            content: "x".into(),
        };
        stream.extend(encode(sequence, whisper));
        stream.extend(frame(false, false, &unknown));
        mallory.peer.skip_to(sequence + 1);
        if mallory.peer.send_raw(&stream).is_err() {
            break;
        }
    }
    scene.chat_for(20);
    scene.release_events();
    scene.finish(24 * MIB);
}

// --- datagrams ---

#[test]
fn a_beacon_flood_keeps_no_newcomer_out() {
    let Some(scene) = Scene::start(26732) else {
        return;
    };
    let beacon = RawBeacon::new(scene.port);
    for turn in 0..20_000_u16 {
        // Below the ports that nodes and systems choose from.
        beacon.announce(random_id(), 20_000 + turn % 10_000);
        if turn % 2_000 == 0 {
            scene.chat_for(2);
        }
    }
    scene.wait_for_log("the limit of 1024 peers is reached");
    assert_eq!(scene.facts().enters(), 0);
    scene.finish(64 * MIB);
}

#[test]
fn malformed_beacons_are_dropped() {
    let Some(scene) = Scene::start(26733) else {
        return;
    };
    let beacon = RawBeacon::new(scene.port);
    let mut noise = Noise(2);
    let id = *random_id().as_bytes();
    let good = [&b"ZRE\x01"[..], &id, &[0x4E, 0x20]].concat();
    for length in 0..good.len() {
        beacon.send_raw(&good[..length]);
    }
    scene.wait_for_log("a version 1 beacon has 22 octets, not 21");
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
        beacon.send_raw(&noise.octets(length));
        beacon.send_raw(&[&good[..], &noise.octets(length)].concat());
    }
    for _ in 0..2_000 {
        beacon.send_raw(&noise.octets(22));
    }
    scene.wait_for_log("does not begin with \"ZRE\"");
    assert!(scene.facts().seen.is_empty());
    scene.finish(8 * MIB);
}

// --- the scene ---

/// A victim and two honest nodes that talk, and everything that was seen of them.
struct Scene {
    name: String,
    port: u16,
    victim: Node,
    alice: Node,
    bob: Node,
    log: Arc<Log>,
    held: watch::Sender<bool>,
    chats: Vec<tokio::task::JoinHandle<()>>,
    memory: MemoryWatch,
    runtime: Runtime,
    _alone: MutexGuard<'static, ()>,
}

/// What a test changes in the victim; the honest nodes take its pace of beacons.
struct Setup {
    beacon_interval: Option<Duration>,
    expired_timeout: Option<Duration>,
    limits: Limits,
}

/// A raw peer that has entered, with the endpoint that its HELLO named.
struct Intruder {
    peer: RawPeer,
    listener: RawListener,
}

impl Scene {
    /// The scene, or nothing if the test has been run by another process.
    fn start(port: u16) -> Option<Self> {
        Self::start_with(port, |_| {})
    }

    fn start_with(port: u16, change: impl FnOnce(&mut Setup)) -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = lock(&ALONE);
        if ran_elsewhere() {
            return None;
        }
        capture_warnings();
        let mut setup = Setup {
            beacon_interval: Some(BEACON_INTERVAL),
            expired_timeout: None,
            limits: Limits::default(),
        };
        change(&mut setup);
        let runtime = Runtime::new().expect("a runtime");
        let start = |name: &str| {
            let builder = paced(Node::builder(name), port, setup.beacon_interval);
            let builder = match (name, setup.expired_timeout) {
                ("victim", Some(time)) => builder.limits(setup.limits).expired_timeout(time),
                ("victim", None) => builder.limits(setup.limits),
                _ => builder,
            };
            runtime
                .block_on(async { builder.start().await })
                .expect("a node on loopback")
        };
        let (victim, alice, bob) = (start("victim"), start("alice"), start("bob"));
        let (held, _) = watch::channel(false);
        let mut scene = Self {
            name: thread::current().name().unwrap_or("?").to_owned(),
            port,
            log: Arc::new(Log::new([victim.id(), alice.id(), bob.id()])),
            victim,
            alice,
            bob,
            held,
            chats: Vec::new(),
            memory: MemoryWatch::default(),
            runtime,
            _alone: alone,
        };
        scene.begin_to_talk();
        scene.memory = MemoryWatch::start();
        Some(scene)
    }

    fn begin_to_talk(&mut self) {
        let nodes = [&self.victim, &self.alice, &self.bob].map(Node::clone);
        for node in nodes.clone() {
            let held = (node.id() == self.victim.id()).then(|| self.held.subscribe());
            self.runtime
                .spawn(collect(node, held, Arc::clone(&self.log)));
        }
        self.wait("the three to meet", |facts| facts.met.len() == 6);
        for from in &nodes {
            for to in nodes.iter().filter(|to| to.id() != from.id()) {
                let chat = chat(from.clone(), to.id(), Arc::clone(&self.log));
                self.chats.push(self.runtime.spawn(chat));
            }
        }
        self.chat_for(3);
    }

    /// A connection whose handshake is over, under an identity of its own; it has not said HELLO.
    fn stranger(&self) -> RawPeer {
        RawPeer::open(self.victim.endpoint(), random_id())
    }

    /// A raw peer that has entered at the victim.
    fn intruder(&self, manner: Manner) -> Intruder {
        let listener = RawListener::start(manner);
        let mut peer = self.stranger();
        peer.send(hello(listener.endpoint(), "mallory"))
            .expect("the node reads");
        let id = peer.id();
        self.wait("the intruder to enter", |facts| facts.saw(&Seen::Enter(id)));
        if manner != Manner::NeverAnswers {
            let answer = listener.receive().expect("the victim's HELLO");
            assert!(matches!(answer.body, Body::Hello(_)));
            assert_eq!(answer.sequence, 1);
        }
        Intruder { peer, listener }
    }

    /// The victim's application takes no more events.
    fn hold_events(&self) {
        self.held.send_replace(true);
        self.log.facts().victim_is_held = true;
    }

    fn release_events(&self) {
        let mut facts = self.log.facts();
        facts.victim_is_held = false;
        facts.forgiven_until = self.log.epoch.elapsed();
        drop(facts);
        self.held.send_replace(false);
    }

    /// Waits until each honest node has got so many more whispers from each other.
    fn chat_for(&self, whispers: u64) {
        let victim = self.victim.id();
        let before = self.facts().talk.clone();
        self.wait("the chat to go on", |facts| {
            let goes_on = |(pair, talk): (&(PeerId, PeerId), &Talk)| {
                let held = facts.victim_is_held && pair.1 == victim;
                let got = before.get(pair).map_or(0, |talk| talk.received);
                held || talk.received >= got + whispers
            };
            let all = facts.talk.len() == 6 && facts.talk.iter().all(goes_on);
            all || !facts.complaints.is_empty()
        });
    }

    fn wait(&self, what: &str, condition: impl Fn(&Facts) -> bool) {
        let (facts, waited) = self
            .log
            .changed
            .wait_timeout_while(self.facts(), 2 * DEADLINE, |facts| !condition(facts))
            .unwrap_or_else(PoisonError::into_inner);
        let seen = facts.seen.len();
        let last: Vec<_> = facts.seen.iter().rev().take(10).collect();
        assert!(
            !waited.timed_out(),
            "waited in vain for {what}; of {seen} events the last are, backwards, {last:?}; complaints: {:?}",
            facts.complaints
        );
    }

    fn wait_for_log(&self, text: &str) {
        let lines = lock(&WARNINGS.lines);
        let (lines, waited) = WARNINGS
            .changed
            .wait_timeout_while(lines, DEADLINE, |lines| {
                !lines.iter().any(|line| line.contains(text))
            })
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            !waited.timed_out(),
            "no line in the log says {text:?}: {:?}",
            lines.iter().take(20).collect::<Vec<_>>()
        );
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.log.facts()
    }

    fn exits(&self, peer: PeerId) -> Vec<ExitReason> {
        self.facts().exits(peer)
    }

    /// Ends the chat, lets a newcomer in, and judges; `memory` is by how many octets the process may have grown.
    fn finish(mut self, memory: usize) {
        let newcomer = self.newcomer();
        self.log.over.store(true, Ordering::SeqCst);
        let chats = std::mem::take(&mut self.chats);
        self.runtime.block_on(async {
            for chat in chats {
                timeout(DEADLINE, chat)
                    .await
                    .expect("whispers are taken")
                    .expect("no panic");
            }
        });
        self.wait("the last whispers", |facts| {
            facts.talk.values().all(|talk| talk.received == talk.sent)
                || !facts.complaints.is_empty()
        });
        let grown = self.memory.stop();
        let facts = self.facts();
        let worst = facts
            .talk
            .values()
            .map(|talk| talk.worst)
            .max()
            .unwrap_or_default();
        let warnings = WARNINGS.count.load(Ordering::SeqCst);
        eprintln!(
            "{}: worst delay {} ms, memory +{:.1} MiB of {} allowed, {warnings} warnings, {} events",
            self.name,
            worst.as_millis(),
            grown as f64 / MIB as f64,
            memory / MIB,
            facts.seen.len(),
        );
        let mut complaints = facts.complaints.clone();
        complaints.extend(newcomer.err());
        if worst > WORST_DELAY {
            complaints.push(format!("a whisper took {worst:?}"));
        }
        if grown > memory {
            complaints.push(format!(
                "memory grew by {grown} octets, allowed are {memory}"
            ));
        }
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    /// Another honest node comes, and talks with the victim both ways.
    fn newcomer(&self) -> Result<(), String> {
        let interval = Some(BEACON_INTERVAL);
        let builder = paced(Node::builder("carol"), self.port, interval);
        let (victim, log) = (&self.victim, &self.log);
        let visit = async {
            let carol = builder.start().await.map_err(|error| error.to_string())?;
            let next = async |wanted: fn(&Event) -> bool| {
                while let Some(event) = carol.recv().await {
                    if event_peer(&event) == Some(victim.id()) && wanted(&event) {
                        break;
                    }
                }
            };
            next(|event| matches!(event, Event::Enter { .. })).await;
            let hello = carol.whisper(victim.id(), "hello from carol").await;
            hello.map_err(|error| error.to_string())?;
            let whisper = Seen::Whisper(carol.id(), 1, 16);
            log.until(|facts| facts.saw(&whisper)).await;
            let answer = victim.whisper(carol.id(), "welcome").await;
            answer.map_err(|error| error.to_string())?;
            next(|event| matches!(event, Event::Whisper { .. })).await;
            Ok(())
        };
        self.runtime.block_on(async {
            let visited = timeout(DEADLINE, visit).await;
            visited.unwrap_or_else(|_| Err("the newcomer was not served in time".into()))
        })
    }
}

impl Intruder {
    fn id(&self) -> PeerId {
        self.peer.id()
    }

    fn say(&mut self, body: Body) {
        self.peer.send(body).expect("the node reads");
    }

    /// Sends PINGs until the node closes the connection, or it is enough.
    fn flood_pings(&mut self, count: usize, enough: impl Fn(usize) -> bool) {
        const BURST: usize = 1000;
        for sent in (0..count).step_by(BURST) {
            let mut octets = Vec::with_capacity(BURST * 8);
            for _ in 0..BURST {
                let sequence = self.peer.next_sequence();
                octets.extend(encode(sequence, Body::Ping));
                self.peer.skip_to(sequence);
            }
            if self.peer.send_raw(&octets).is_err() || enough(sent) {
                return;
            }
        }
    }
}

/// Runs the current test in a process of its own, unless this is one: what an earlier test has left
/// free in the heap would hide what an attack takes.
fn ran_elsewhere() -> bool {
    const MARK: &str = "ZRE_HOSTILE_TEST";
    let thread = thread::current();
    // With one thread for all tests, libtest does not tell the name of a test.
    let name = thread.name().filter(|name| *name != "main");
    let Some(name) = name.filter(|_| env::var_os(MARK).is_none()) else {
        return false;
    };
    let output = process::Command::new(env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture"])
        .env(MARK, "1")
        .output()
        .expect("this program runs once more");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed as shown above");
    true
}

fn paced(builder: Builder, port: u16, beacons: Option<Duration>) -> Builder {
    let builder = builder.interface("127.0.0.1").port(port);
    match beacons {
        Some(interval) => builder.beacon_interval(interval),
        None => builder,
    }
}

// --- what was seen ---

#[derive(Debug)]
struct Log {
    honest: [PeerId; 3],
    victim: PeerId,
    epoch: Instant,
    over: AtomicBool,
    facts: Mutex<Facts>,
    changed: Condvar,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Facts {
    /// Which honest node has seen which enter.
    met: BTreeSet<(PeerId, PeerId)>,
    /// What the victim's application heard of others than the honest.
    seen: Vec<Seen>,
    talk: BTreeMap<(PeerId, PeerId), Talk>,
    victim_is_held: bool,
    /// What was sent to the victim before this had to wait for its application.
    forgiven_until: Duration,
    complaints: Vec<String>,
}

/// The whispers from one honest node to another.
#[derive(Debug, Clone, Default)]
struct Talk {
    sent: u64,
    received: u64,
    worst: Duration,
}

/// An event without its content: frames and octets are only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Enter(PeerId),
    Exit(PeerId, ExitReason),
    Join(PeerId, String),
    Leave(PeerId, String),
    Whisper(PeerId, usize, usize),
    Shout(PeerId, usize, usize),
    Quiet(PeerId),
}

impl Facts {
    fn saw(&self, wanted: &Seen) -> bool {
        self.seen.contains(wanted)
    }

    fn count(&self, wanted: &Seen) -> usize {
        self.seen.iter().filter(|seen| *seen == wanted).count()
    }

    fn enters(&self) -> usize {
        let is_enter = |seen: &&Seen| matches!(seen, Seen::Enter(_));
        self.seen.iter().filter(is_enter).count()
    }

    fn all_exits(&self) -> usize {
        let is_exit = |seen: &&Seen| matches!(seen, Seen::Exit(..));
        self.seen.iter().filter(is_exit).count()
    }

    fn exits(&self, peer: PeerId) -> Vec<ExitReason> {
        let exit = |seen: &Seen| match seen {
            Seen::Exit(id, reason) if *id == peer => Some(reason.clone()),
            _ => None,
        };
        self.seen.iter().filter_map(exit).collect()
    }
}

impl Log {
    fn new(honest: [PeerId; 3]) -> Self {
        let [victim, ..] = honest;
        Self {
            honest,
            victim,
            epoch: Instant::now(),
            over: AtomicBool::new(false),
            facts: Mutex::default(),
            changed: Condvar::new(),
            changes: watch::channel(()).0,
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        lock(&self.facts)
    }

    fn change(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts());
        self.changed.notify_all();
        self.changes.send_replace(());
    }

    async fn until(&self, condition: impl Fn(&Facts) -> bool) {
        let mut changes = self.changes.subscribe();
        while !condition(&self.facts()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn name(&self, id: PeerId) -> &'static str {
        let names = ["victim", "alice", "bob"];
        let known = self
            .honest
            .iter()
            .zip(names)
            .find(|(known, _)| **known == id);
        known.map_or("somebody", |(_, name)| name)
    }

    fn take(&self, at: PeerId, event: &Event) {
        let Some(peer) = event_peer(event) else {
            return;
        };
        if !self.honest.contains(&peer) {
            if at == self.victim
                && let Some(seen) = condense(peer, event)
            {
                self.change(|facts| facts.seen.push(seen));
            }
            return;
        }
        match event {
            Event::Enter { .. } => self.change(|facts| {
                facts.met.insert((at, peer));
            }),
            Event::Whisper { content, .. } => self.take_talk((peer, at), &content.to_str_lossy()),
            Event::Exit { reason, .. } => {
                let (at, peer) = (self.name(at), self.name(peer));
                self.change(|facts| {
                    facts
                        .complaints
                        .push(format!("{at} saw {peer} go: {reason}"));
                });
            }
            _ => {}
        }
    }

    fn take_talk(&self, pair: (PeerId, PeerId), text: &str) {
        let mut parts = text.split(' ').map(str::parse::<u64>);
        let (Some(Ok(number)), Some(Ok(sent_at))) = (parts.next(), parts.next()) else {
            let complaint = format!("a whisper that nobody sent: {text:?}");
            return self.change(|facts| facts.complaints.push(complaint));
        };
        let sent_at = Duration::from_micros(sent_at);
        let delay = self.epoch.elapsed().saturating_sub(sent_at);
        let names = (self.name(pair.0), self.name(pair.1));
        self.change(|facts| {
            let forgiven = pair.1 == self.victim && sent_at <= facts.forgiven_until;
            let talk = facts.talk.entry(pair).or_default();
            if number != talk.received + 1 {
                let received = talk.received;
                let complaint = format!("{names:?}: whisper {number} came behind {received}");
                facts.complaints.push(complaint);
            } else if !forgiven {
                talk.worst = talk.worst.max(delay);
            }
            if let Some(talk) = facts.talk.get_mut(&pair) {
                talk.received = number;
            }
        });
    }
}

async fn collect(node: Node, mut held: Option<watch::Receiver<bool>>, log: Arc<Log>) {
    loop {
        if let Some(held) = &mut held
            && held.wait_for(|held| !held).await.is_err()
        {
            return;
        }
        let Some(event) = node.recv().await else {
            return;
        };
        log.take(node.id(), &event);
    }
}

async fn chat(node: Node, to: PeerId, log: Arc<Log>) {
    let pair = (node.id(), to);
    let mut pace = interval(CHAT_PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while !log.over.load(Ordering::SeqCst) {
        pace.tick().await;
        number += 1;
        let text = format!("{number} {}", log.epoch.elapsed().as_micros());
        if let Err(error) = node.whisper(to, text).await {
            let names = (log.name(pair.0), log.name(pair.1));
            log.change(|facts| facts.complaints.push(format!("{names:?}: {error}")));
            return;
        }
        log.change(|facts| facts.talk.entry(pair).or_default().sent = number);
    }
}

fn event_peer(event: &Event) -> Option<PeerId> {
    match event {
        Event::Enter { peer, .. }
        | Event::Exit { peer, .. }
        | Event::Join { peer, .. }
        | Event::Leave { peer, .. }
        | Event::Whisper { peer, .. }
        | Event::Shout { peer, .. }
        | Event::Evasive { peer, .. }
        | Event::Silent { peer, .. } => Some(*peer),
        _ => None,
    }
}

fn condense(peer: PeerId, event: &Event) -> Option<Seen> {
    Some(match event {
        Event::Enter { .. } => Seen::Enter(peer),
        Event::Exit { reason, .. } => Seen::Exit(peer, reason.clone()),
        Event::Join { group, .. } => Seen::Join(peer, group.to_string()),
        Event::Leave { group, .. } => Seen::Leave(peer, group.to_string()),
        Event::Whisper { content, .. } => Seen::Whisper(peer, content.len(), content.size()),
        Event::Shout { content, .. } => Seen::Shout(peer, content.len(), content.size()),
        Event::Evasive { .. } | Event::Silent { .. } => Seen::Quiet(peer),
        _ => return None,
    })
}

// --- memory and log ---

/// Watches how far the resident memory of the process grows; on Linux only, elsewhere it never does.
#[derive(Default)]
struct MemoryWatch {
    before: usize,
    peak: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

impl MemoryWatch {
    fn start() -> Self {
        let before = resident().unwrap_or_default();
        let mut watch = Self {
            before,
            peak: Arc::new(AtomicUsize::new(before)),
            ..Self::default()
        };
        let (peak, over) = (Arc::clone(&watch.peak), Arc::clone(&watch.over));
        watch.watcher = Some(thread::spawn(move || {
            while let Some(now) = resident().filter(|_| !over.load(Ordering::SeqCst)) {
                peak.fetch_max(now, Ordering::SeqCst);
                thread::park_timeout(Duration::from_millis(5));
            }
        }));
        watch
    }

    /// By how many octets it has grown at most.
    fn stop(&mut self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        if let Some(watcher) = self.watcher.take() {
            watcher.thread().unpark();
            watcher.join().expect("the watcher does not panic");
        }
        self.peak.load(Ordering::SeqCst).saturating_sub(self.before)
    }
}

fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

/// What the nodes of the running test warn of.
static WARNINGS: Warnings = Warnings {
    lines: Mutex::new(Vec::new()),
    count: AtomicUsize::new(0),
    changed: Condvar::new(),
};

struct Warnings {
    lines: Mutex<Vec<String>>,
    count: AtomicUsize,
    changed: Condvar,
}

struct WarningsWriter;

impl Write for WarningsWriter {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        const KEPT: usize = 5000;
        WARNINGS.count.fetch_add(1, Ordering::SeqCst);
        let mut lines = lock(&WARNINGS.lines);
        if lines.len() < KEPT {
            lines.push(String::from_utf8_lossy(line).into_owned());
            WARNINGS.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn capture_warnings() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
            .with_ansi(false)
            .without_time()
            .with_writer(|| WarningsWriter)
            .init();
    });
    WARNINGS.count.store(0, Ordering::SeqCst);
    lock(&WARNINGS.lines).clear();
}

// --- small things ---

/// Octets that look random and are the same each time.
struct Noise(u64);

impl Noise {
    fn octets(&mut self, count: usize) -> Vec<u8> {
        let next = || {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            self.0.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(count).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn group(name: &str) -> GroupName {
    name.try_into().expect("a short name")
}

/// Nobody connects there in these tests: what names it is refused.
fn some_endpoint() -> Endpoint {
    "tcp://127.0.0.1:9".parse().expect("an endpoint")
}

fn first_frame(sequence: u16, body: Body) -> Vec<u8> {
    Message { sequence, body }.header().to_vec()
}

fn with_header(body: Body, size: usize) -> Body {
    let Body::Hello(mut hello) = body else {
        return body;
    };
    let added = hello.headers.set("X-HEAVY", "x".repeat(size));
    added.expect("a short name");
    Body::Hello(hello)
}
