//! Invalid ZMTP handshakes, and handshakes that never end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use zre_proto::zmtp::{Command, Greeting, Mechanism};
use zre_tests::raw_peer::{RawPeer, frame_head, greeting, random_id, ready};

use crate::{
    crafted::{Noise, wait_until_open},
    measure::WARNINGS,
    scene::{DEADLINE, MIB, Stage},
};

attacks![
    junk_in_place_of_a_greeting_closes_the_connection,
    junk_in_the_handshake_closes_the_connection,
    what_strangers_say_forges_no_line_in_the_log,
    five_hundred_handshakes_of_one_byte_keep_nobody_out,
    handshakes_that_crawl_on_without_end_are_cut_off,
];

fn junk_in_place_of_a_greeting_closes_the_connection(stage: Stage) {
    let scene = stage.begin();
    let bytes: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03",
        b"\0",
        // ZMTP 1.0: an anonymous identity, and one of 17 bytes.
        b"\x01\0",
        b"\x12\0\x010123456789ABCDEF",
        // ZMTP 2.0: signature, revision 1, DEALER, an identity.
        b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01\x05\0\x11",
        b"\xFF\0\0\0\0\0\0\0\x01\x7F\x02",
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    ];
    for bytes in bytes {
        let mut mallory = RawPeer::connect(scene.endpoint());
        let _ = mallory.send_raw(bytes);
        assert!(
            mallory.is_closed_within(DEADLINE),
            "{:?}",
            bytes.escape_ascii()
        );
    }
    let mut noise = Noise(1);
    for _ in 0..50 {
        let mut mallory = RawPeer::connect(scene.endpoint());
        let mut bytes = noise.bytes(3000);
        bytes[0] &= 0x7F;
        let _ = mallory.send_raw(&bytes);
        assert!(mallory.is_closed_within(DEADLINE));
    }
    scene.wait_for_log("byte 0 of the greeting is 47, expected FF");
    scene.wait_for_log("ZMTP major version 1, expected 3 or higher");
    scene.finish("sent junk on 59 connections", 8 * MIB);
}

fn junk_in_the_handshake_closes_the_connection(stage: Stage) {
    let scene = stage.begin();
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
        let mut mallory = RawPeer::greet(scene.endpoint(), &command);
        assert!(mallory.is_closed_within(DEADLINE), "{command:?}");
    }
    let mut other_mechanism = Greeting::new(Mechanism::NULL, true).encode();
    other_mechanism[12..17].copy_from_slice(b"CURVE");
    let mut no_mechanism = greeting();
    no_mechanism[12..16].fill(0);
    for bytes in [
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
        let mut mallory = RawPeer::connect(scene.endpoint());
        let _ = mallory.send_raw(&bytes);
        assert!(
            mallory.is_closed_within(DEADLINE),
            "{:?}",
            bytes[10..].escape_ascii()
        );
    }
    assert_eq!(scene.facts().enters(), 0);
    scene.wait_for_log("the other side wants mechanism CURVE, this one NULL");
    scene.wait_for_log("the other side is a \"PUB\" socket, expected DEALER");
    scene.finish("sent 18 wrong commands and greetings", 8 * MIB);
}

fn what_strangers_say_forges_no_line_in_the_log(stage: Stage) {
    let scene = stage.begin();
    let reason = "x\n WARN forged \u{1b}[2J";
    let error = Command::Error {
        reason: reason.try_into().unwrap(),
    };
    for command in [error, ready("x\n WARN forged", Some(&[1; 17]))] {
        let mut mallory = RawPeer::greet(scene.endpoint(), &command);
        assert!(mallory.is_closed_within(DEADLINE));
    }
    scene.wait_for_log("the other side refuses the connection");
    scene.wait_for_log("expected DEALER");
    let forged = WARNINGS
        .lines()
        .iter()
        .find(|line| line.trim_end().contains(['\n', '\u{1b}']))
        .cloned();
    assert_eq!(forged, None);
    scene.finish("sent line ends and escapes in 2 commands", 8 * MIB);
}

fn five_hundred_handshakes_of_one_byte_keep_nobody_out(stage: Stage) {
    let scene = stage.begin();
    let mut crawlers: Vec<_> = (0..500)
        .map(|_| {
            let mut mallory = RawPeer::connect(scene.endpoint());
            let _ = mallory.send_raw(&greeting()[..1]);
            mallory
        })
        .collect();
    // All but 256 make room.
    let closed = wait_until_open(&scene, 256, &mut crawlers);
    assert_eq!(closed.map(|closed| closed.len()), Ok(244));
    for byte in &greeting()[1..] {
        for mallory in &mut crawlers {
            let _ = mallory.send_raw(&[*byte]);
        }
    }
    scene.wait_for_log("more than 256 connections belong to no peer yet");
    // More come while the newcomer does.
    let endpoint = scene.endpoint().clone();
    let over = Arc::new(AtomicBool::new(false));
    let crowd = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            for _ in 0..20 {
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
    scene.finish("began 500 handshakes and sent byte after byte", 32 * MIB);
}

fn handshakes_that_crawl_on_without_end_are_cut_off(stage: Stage) {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let scene = stage.begin_with(|setup| setup.handshake_timeout = Some(TIMEOUT));
    let endless_ready = [
        &greeting()[..],
        b"\x06\0\0\0\0\0\0\x10\0\x05READY",
        &[1; 4000],
    ];
    let endless_hello = [&[0; 0], &frame_head(false, false, 65536)[..], &[b'x'; 4000]];
    let mut crawlers = Vec::new();
    for _ in 0..60 {
        let mut in_ready = RawPeer::connect(scene.endpoint());
        let _ = in_ready.send_raw(&greeting());
        crawlers.push((RawPeer::connect(scene.endpoint()), endless_ready.concat()));
        crawlers.push((in_ready, endless_ready[1..].concat()));
        crawlers.push((
            RawPeer::open(scene.endpoint(), random_id()),
            endless_hello.concat(),
        ));
    }
    let (begun, count) = (Instant::now(), crawlers.len());
    for turn in 0..4000 {
        // A write fails when the node has closed the connection, and not before.
        crawlers.retain_mut(|(mallory, bytes)| mallory.send_raw(&bytes[turn..=turn]).is_ok());
        if crawlers.is_empty() || begun.elapsed() > TIMEOUT + DEADLINE {
            break;
        }
        scene.chat_for(1);
    }
    assert_eq!(crawlers.len(), 0, "still there after {:?}", begun.elapsed());
    assert!(begun.elapsed() > TIMEOUT / 2, "{:?}", begun.elapsed());
    scene.wait_for_log("no HELLO within the handshake timeout");
    scene.finish(
        format_args!("sent {count} greetings, READYs and HELLOs byte by byte for ever"),
        16 * MIB,
    );
}
