//! Invalid and wrong messages.

use zre_core::{ExitReason, Fault};
use zre_proto::{Body, Content};
use zre_tests::raw_peer::{Manner, RawListener, RawPeer, hello, random_id};

use crate::{
    crafted::{first_frame, group, some_endpoint, whisper},
    log::Seen,
    scene::{DEADLINE, MIB, Stage},
};

attacks![
    a_wrong_status_is_noted_and_the_peer_stays,
    a_truncated_hello_is_refused_wherever_it_ends,
    counts_that_no_message_can_hold_are_refused,
    unknown_messages_count_in_the_sequence_and_are_ignored,
    messages_without_a_content_frame_are_delivered_empty,
    sequence_gaps_end_the_session_and_no_other,
    messages_before_hello_close_the_connection_and_hello_is_still_taken,
];

fn a_wrong_status_is_noted_and_the_peer_stays(stage: Stage) {
    let scene = stage.begin();
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
    mallory.say(whisper("still here"));
    let id = mallory.id();
    scene.wait("the last whisper", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 10))
    });
    assert!(scene.facts().saw(&Seen::Join(id, "CHAT".into())));
    assert!(scene.facts().saw(&Seen::Leave(id, "CHAT".into())));
    assert_eq!(scene.exits(id), []);
    scene.wait_for_log("says status 200, counted 1");
    scene.wait_for_log("says status 99, counted 8");
    scene.finish("sent 4 messages with a wrong status", 8 * MIB);
}

fn a_truncated_hello_is_refused_wherever_it_ends(stage: Stage) {
    let scene = stage.begin();
    let listener = RawListener::start(Manner::Reads);
    let whole = first_frame(1, hello(listener.endpoint(), "mallory"));
    for length in 0..whole.len() {
        let mut mallory = scene.stranger();
        let _ = mallory.send_frames(&[&whole[..length]]);
        assert!(
            mallory.is_closed_within(DEADLINE),
            "{length} of {} bytes",
            whole.len()
        );
    }
    assert_eq!(scene.facts().enters(), 0);
    assert_eq!(listener.accepted(), 0);
    scene.wait_for_log("headers count needs 4 bytes");
    scene.finish(
        format_args!("sent {} shortened HELLOs", whole.len()),
        8 * MIB,
    );
}

fn counts_that_no_message_can_hold_are_refused(stage: Stage) {
    const ALL: [u8; 4] = [0xFF; 4];
    let scene = stage.begin();
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
    scene.finish("sent 7 HELLOs with up to 2^32 groups or headers", 8 * MIB);
}

fn unknown_messages_count_in_the_sequence_and_are_ignored(stage: Stage) {
    let scene = stage.begin();
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
        let mut bytes = vec![0xAA, 0xA1, id, 2];
        bytes.extend(sequence);
        bytes.extend([0xFF; 40]);
        mallory.peer.send_frames(&[&bytes, b"content"]).unwrap();
    }
    mallory.say(whisper("counted"));
    let id = mallory.id();
    scene.wait("the whisper behind them", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 7))
    });
    assert_eq!(scene.exits(id), []);
    mallory.say(Body::Goodbye);
    scene.wait("the goodbye", |facts| {
        facts.saw(&Seen::Exit(id, ExitReason::Goodbye))
    });
    scene.finish("sent 248 messages of other kinds", 8 * MIB);
}

fn messages_without_a_content_frame_are_delivered_empty(stage: Stage) {
    let scene = stage.begin();
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
    scene.finish("sent 3 messages without content", 8 * MIB);
}

fn sequence_gaps_end_the_session_and_no_other(stage: Stage) {
    let scene = stage.begin();
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
    scene.finish("sent 8 messages out of sequence", 8 * MIB);
}

fn messages_before_hello_close_the_connection_and_hello_is_still_taken(stage: Stage) {
    let scene = stage.begin();
    let listener = RawListener::start(Manner::Reads);
    let bodies = [
        whisper("early"),
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
    let id = random_id();
    for body in bodies.iter().cycle().take(70) {
        let mut mallory = RawPeer::open(scene.endpoint(), id);
        let _ = mallory.send(body.clone());
        let closed = mallory.is_closed_within(DEADLINE);
        scene.demand(closed, format_args!("left open behind {body:?}"));
    }
    assert!(scene.facts().seen.is_empty());
    let mut mallory = RawPeer::open(scene.endpoint(), id);
    let hello = hello(listener.endpoint(), "mallory");
    mallory.send(hello).expect("the node reads");
    mallory.send(whisper("now")).expect("the node reads");
    scene.wait("the whisper behind HELLO", |facts| {
        facts.saw(&Seen::Whisper(id, 1, 3))
    });
    assert_eq!(
        scene.facts().seen,
        [Seen::Enter(id), Seen::Whisper(id, 1, 3)]
    );
    scene.finish("sent 70 messages before HELLO", 8 * MIB);
}
