//! `zre pipe` while a peer, or whoever reads its output or its log, does not read.

#![cfg(unix)]
#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdout, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use support::{Zre, exit_code_within, signal, zre};

/// More than the kernel and the node hold for a peer that does not read.
const TOO_MUCH: usize = 24;

/// Only one test at a time moves so much.
static MOVES: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    MOVES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whispers 1 MiB with each id from 0 on.
fn whisper_too_much(alice: &mut Zre, peer: &str) {
    let padding = "ff".repeat(1 << 20);
    for number in 0..TOO_MUCH {
        let frames = [&hex::encode(number.to_string()), padding.as_str()];
        let whisper = json!({"do": "whisper", "peer": peer, "frames": frames, "id": number});
        alice.send(&whisper.to_string());
    }
}

/// Waits for all of them in their order. They are too long to be read as JSON.
fn expect_too_much(bob: &mut Zre) {
    for number in 0..TOO_MUCH {
        let whisper = bob.line(|line| line.starts_with(r#"{"event":"WHISPER""#));
        let number = hex::encode(number.to_string());
        let frames = format!(r#""frames":["{number}","ffff"#);
        let beginning = whisper.get(..300).unwrap_or_default();
        assert!(beginning.contains(&frames), "{beginning}");
    }
}

fn answer_to(pipe: &mut Zre, id: &str) -> Value {
    let line = pipe.line_with(&format!(r#""id":"{id}"}}"#));
    serde_json::from_str(&line).expect("it is JSON")
}

/// Alice, bob who stands still and carol; the others are in the group CHAT.
fn with_frozen_bob(port: u16, arguments: &[&str]) -> (Zre, Zre, Zre) {
    let arguments = [&["--name", "alice"], arguments].concat();
    let (mut alice, _) = Zre::pipe(port, &arguments);
    let (mut bob, _) = Zre::pipe(port, &["--name", "bob", "--group", "CHAT"]);
    let (mut carol, _) = Zre::pipe(port, &["--name", "carol", "--group", "CHAT"]);
    for _ in 0..2 {
        alice.event("JOIN");
        bob.event("ENTER");
        carol.event("ENTER");
    }
    bob.freeze();
    (alice, bob, carol)
}

#[test]
fn other_lines_are_answered_while_whispers_wait_and_their_order_is_kept() {
    let _alone = alone();
    let (mut alice, mut bob, mut carol) = with_frozen_bob(25700, &[]);
    whisper_too_much(&mut alice, "bob");
    alice.send(r#"{"do":"peers","id":"peers"}"#);
    let peers = answer_to(&mut alice, "peers");
    assert_eq!(peers["peers"].as_array().map(Vec::len), Some(2));
    alice.send(r#"{"do":"whisper","peer":"carol","text":"hi","id":"carol"}"#);
    assert_eq!(answer_to(&mut alice, "carol")["ok"], true);
    assert_eq!(carol.event("WHISPER")["text"], "hi");
    bob.thaw();
    expect_too_much(&mut bob);
    for number in 0..TOO_MUCH {
        let line = alice.line_with(&format!(r#""id":{number}}}"#));
        assert_eq!(line, format!(r#"{{"ok":true,"id":{number}}}"#));
    }
}

#[test]
fn a_whisper_that_waits_holds_up_no_group() {
    let _alone = alone();
    let (mut alice, _bob, mut carol) = with_frozen_bob(25701, &[]);
    whisper_too_much(&mut alice, "bob");
    alice.send(r#"{"do":"shout","group":"CHAT","text":"one"}"#);
    assert_eq!(carol.event("SHOUT")["text"], "one");
    alice.send(r#"{"do":"peers","id":"peers"}"#);
    let peers = answer_to(&mut alice, "peers");
    assert_eq!(
        peers["peers"].as_array().map(Vec::len),
        Some(2),
        "bob is not given up"
    );
}

#[test]
fn a_stop_waits_for_whispers_as_long_as_the_node_lingers() {
    let _alone = alone();
    let (mut alice, _bob, _carol) = with_frozen_bob(25702, &["--linger", "200ms"]);
    whisper_too_much(&mut alice, "bob");
    alice.send(r#"{"do":"stop"}"#);
    let (code, lines) = alice.finish();
    assert_eq!(code, Some(0));
    assert!(lines.last().unwrap().starts_with(r#"{"event":"STOP""#));
    let not_sent = format!(
        r#"{{"error":"line {TOO_MUCH}: not sent, as the node stops","line":{TOO_MUCH},"id":{}}}"#,
        TOO_MUCH - 1
    );
    assert!(lines.contains(&not_sent), "{:?}", lines.last());
    let answers = lines.iter().filter(|line| line.contains(r#""id":"#));
    assert_eq!(answers.count(), TOO_MUCH, "each line is answered");
}

#[test]
fn the_end_of_the_input_waits_until_all_is_sent() {
    let _alone = alone();
    let (mut alice, _) = Zre::pipe(25703, &["--name", "alice", "--linger", "200ms"]);
    let mut bob = Zre::start(&mut zre("ping", 25703, &["--watch", "--name", "bob"]));
    bob.line_with("+ alice");
    alice.event("ENTER");
    bob.freeze();
    whisper_too_much(&mut alice, "bob");
    alice.send(r#"{"do":"peers","id":"last"}"#);
    alice.close_input();
    answer_to(&mut alice, "last");
    bob.thaw();
    for number in 0..TOO_MUCH {
        alice.line_with(&format!(r#"{{"ok":true,"id":{number}}}"#));
    }
    assert_eq!(alice.finish().0, Some(0));
}

#[test]
fn replies_to_a_peer_that_does_not_read_hold_up_nobody_else() {
    /// More MiB than fit into the room for what waits, too.
    const REQUESTS: usize = 64 + TOO_MUCH + 8;
    let _alone = alone();
    let (mut alice, mut bob, mut carol) = with_frozen_bob(25709, &["--serve"]);
    bob.thaw();
    for _ in 0..REQUESTS {
        bob.send(r#"{"do":"request","peer":"alice","text":"x"}"#);
    }
    let numbers = (0..REQUESTS).map(|_| alice.event("REQUEST")["request"].clone());
    let numbers: Vec<_> = numbers.collect();
    bob.freeze();
    let text = "x".repeat(1 << 20);
    for number in numbers {
        alice.send(&json!({"do": "reply", "request": number, "text": text}).to_string());
    }
    carol.send(r#"{"do":"request","peer":"alice","text":"x","id":"carol"}"#);
    let request = alice.event("REQUEST")["request"].clone();
    alice.send(&json!({"do": "reply", "request": request, "text": "y"}).to_string());
    assert_eq!(answer_to(&mut carol, "carol")["text"], "y");
    let refused = alice.answer("error")["error"].to_string();
    assert!(refused.contains("the request is refused"), "{refused}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_nothing_and_tells_what_was_dropped() {
    const WHISPERS: u64 = 40_000;
    let mut command = zre("pipe", 25704, &["--name", "alice"]);
    let mut alice = Zre::start(command.env("RUST_LOG", "trace").stderr(Stdio::piped()));
    let mut errors = alice.errors();
    let (mut bob, _) = Zre::pipe(25704, &["--name", "bob"]);
    alice.send(r#"{"do":"quiet","on":true}"#);
    bob.event("ENTER");
    bob.send(&json!({"do": "flood", "peer": "alice", "count": WHISPERS}).to_string());
    bob.send(r#"{"do":"whisper","peer":"alice","text":"done"}"#);
    alice.event("WHISPER");
    alice.send(r#"{"do":"count"}"#);
    let counted = alice.answer("count");
    assert_eq!(counted, json!({"count": WHISPERS, "in_order": true}));
    let reading = std::thread::spawn(move || {
        let mut log = Vec::new();
        errors.read_to_end(&mut log).map(|_| log)
    });
    alice.send(r#"{"do":"stop"}"#);
    assert_eq!(alice.finish().0, Some(0));
    let log = reading.join().unwrap().unwrap();
    let log = String::from_utf8_lossy(&log);
    assert!(
        log.contains("lines were dropped here"),
        "{} bytes",
        log.len()
    );
}

/// Alice, whose output is not read, and who has got more from bob than fits into a pipe.
fn with_unread_output(port: u16, linger: &str) -> (Child, BufReader<ChildStdout>) {
    const WHISPERS: usize = 2000;
    let mut alice = zre("pipe", port, &["--name", "alice", "--linger", linger])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("zre can be run");
    let mut output = BufReader::with_capacity(1, alice.stdout.take().expect("it is piped"));
    let mut start = String::new();
    output.read_line(&mut start).expect("zre starts");
    let start: Value = serde_json::from_str(&start).expect("it is JSON");
    let (mut bob, _) = Zre::pipe(port, &["--name", "bob"]);
    bob.event("ENTER");
    let text = "x".repeat(1000);
    let line = json!({"do": "whisper", "peer": start["uuid"], "text": text}).to_string();
    for _ in 0..WHISPERS {
        bob.send(&line);
    }
    // The end says that all have been sent, and alice has been asked to confirm that she has them.
    bob.close_input();
    assert_eq!(bob.finish().0, Some(0));
    (alice, output)
}

#[test]
fn a_stop_does_not_wait_for_an_output_that_nobody_reads() {
    let (mut alice, mut output) = with_unread_output(25705, "500ms");
    let mut input = alice.stdin.take().unwrap();
    writeln!(input, r#"{{"do":"stop"}}"#).unwrap();
    let code = exit_code_within(&mut alice, Duration::from_secs(5));
    assert_eq!(code, Some(1));
    let mut said = String::new();
    alice
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let lost = said
        .strip_prefix("error: up to ")
        .and_then(|said| said.split_once(" lines"));
    let lost: u64 = lost.expect(&said).0.parse().expect(&said);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    // ENTER, the whispers, perhaps EXIT, and STOP; and those of which it is not known whether they
    // are read.
    let told = rest.lines().count() as u64 + lost;
    assert!((2002..2020).contains(&told), "{told}: {said}");
}

#[test]
fn a_signal_does_not_wait_for_an_output_that_nobody_reads() {
    let (mut alice, _output) = with_unread_output(25706, "500ms");
    signal(&alice, "TERM");
    let code = exit_code_within(&mut alice, Duration::from_secs(5));
    assert_eq!(code, Some(1));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let (mut alice, _output) = with_unread_output(25707, "1h");
    let (mut carol, _) = Zre::pipe(25707, &["--name", "carol"]);
    carol.event("ENTER");
    signal(&alice, "TERM");
    assert_eq!(carol.event("EXIT")["reason"], "GOODBYE");
    signal(&alice, "INT");
    let code = exit_code_within(&mut alice, Duration::from_secs(5));
    assert_eq!(code, Some(130));
}

#[test]
fn a_command_that_stands_still_at_its_output_is_ended_by_a_signal() {
    let (_reader, mut full) = std::io::pipe().expect("there are pipes");
    full.write_all(&[b'x'; 64 * 1024])
        .expect("a pipe holds 64 KiB");
    let mut watch = zre("ping", 25708, &["--watch", "--linger", "10ms"])
        .stdout(full)
        .spawn()
        .expect("zre can be run");
    // Whom it sees it has to show.
    let (mut bob, _) = Zre::pipe(25708, &["--name", "bob"]);
    bob.event("ENTER");
    signal(&watch, "TERM");
    // 143, if it stood still when the signal came.
    let code = exit_code_within(&mut watch, Duration::from_secs(10));
    assert!(code.is_some());
}
