//! `zre pipe`, as a script drives it.

#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use serde_json::json;
use support::{Zre, zre};

const NOBODY: &str = "0123456789ABCDEF0123456789ABCDEF";

/// Two pipes that have found each other: the second is in the group CHAT.
fn pair(port: u16) -> ((Zre, String), (Zre, String)) {
    let mut alice = Zre::pipe(port, &["--name", "alice", "--header", "X-ROLE=test=1"]);
    let mut bob = Zre::pipe(port, &["--name=bob", "--group", "CHAT"]);
    let enter = bob.0.event("ENTER");
    assert_eq!(enter["peer"], alice.1);
    assert_eq!(enter["name"], "alice");
    assert_eq!(enter["headers"], json!({"X-ROLE": "test=1"}));
    assert_eq!(alice.0.event("ENTER")["peer"], bob.1);
    let join = alice.0.event("JOIN");
    assert_eq!(join["peer"], bob.1);
    assert_eq!(join["group"], "CHAT");
    (alice, bob)
}

#[test]
fn start_comes_first_and_tells_who_and_where() {
    let arguments = ["--name", "alice", "--uuid", NOBODY];
    let mut pipe = Zre::start(&mut zre("pipe", 25600, &arguments));
    let start = pipe.event("START");
    assert_eq!(start["uuid"], NOBODY);
    assert_eq!(start["name"], "alice");
    let endpoint = start["endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with("tcp://127.0.0.1:"), "{endpoint}");
    pipe.close_input();
    let (code, rest) = pipe.finish();
    assert_eq!(code, Some(0));
    assert_eq!(rest, [r#"{"event":"STOP"}"#]);
}

#[test]
fn whispers_reach_one_peer_as_frames_or_text() {
    let ((mut alice, alice_id), (mut bob, bob_id)) = pair(25601);
    alice.send(
        &json!({"do": "whisper", "peer": bob_id, "frames": ["00ff", "", "6869"]}).to_string(),
    );
    alice
        .send(&json!({"do": "whisper", "peer": bob_id.to_lowercase(), "text": "hé\n"}).to_string());
    let whisper = bob.event("WHISPER");
    assert_eq!(whisper["peer"], alice_id);
    assert_eq!(whisper["name"], "alice");
    assert_eq!(whisper["frames"], json!(["00ff", "", "6869"]));
    assert_eq!(bob.event("WHISPER")["frames"], json!(["68c3a90a"]));
}

#[test]
fn shouts_reach_the_members_of_a_group() {
    let ((mut alice, alice_id), (mut bob, _)) = pair(25602);
    alice.send(r#"{"do":"shout","group":"CHAT","text":"hi"}"#);
    let shout = bob.event("SHOUT");
    assert_eq!(shout["peer"], alice_id);
    assert_eq!(shout["group"], "CHAT");
    assert_eq!(shout["frames"], json!(["6869"]));
}

#[test]
fn joining_and_leaving_is_seen_and_listed() {
    let ((mut alice, alice_id), (mut bob, bob_id)) = pair(25603);
    alice.send(r#"{"do":"join","group":"A"}"#);
    assert_eq!(bob.event("JOIN")["group"], "A");
    alice.send(r#"{"do":"groups"}"#);
    let groups = alice.answer("own");
    assert_eq!(groups, json!({"own": ["A"], "peer": ["CHAT"]}));
    bob.send(r#"{"do":"peers"}"#);
    assert_eq!(bob.answer("peers"), json!({"peers": [alice_id]}));
    bob.send(r#"{"do":"leave","group":"CHAT"}"#);
    let leave = alice.event("LEAVE");
    assert_eq!(leave["peer"], bob_id);
    assert_eq!(leave["name"], "bob");
    assert_eq!(leave["group"], "CHAT");
}

#[test]
fn a_wrong_line_is_answered_and_the_next_is_read() {
    let (mut pipe, _) = Zre::pipe(25604, &[]);
    let unknown = format!(r#"{{"do":"whisper","peer":"{NOBODY}","text":"x"}}"#);
    for (line, reason) in [
        ("hello", "line 1: "),
        (r#"{"do":"join"}"#, r#"line 2: "join" needs "group""#),
        (
            r#"{"do":"join","grupp":"A"}"#,
            "line 3: unknown field `grupp`",
        ),
        (
            unknown.as_str(),
            "line 4: there is no peer 0123456789ABCDEF",
        ),
    ] {
        pipe.send(line);
        let error = pipe.answer("error");
        let error = error["error"].as_str().unwrap();
        assert!(error.starts_with(reason), "{error}");
    }
    pipe.send(r#"{"do":"peers"}"#);
    assert_eq!(pipe.answer("peers"), json!({"peers": []}));
}

#[test]
fn stop_says_goodbye_and_ends_with_stop() {
    let ((mut alice, alice_id), (mut bob, _)) = pair(25605);
    alice.send(r#"{"do":"stop"}"#);
    let (code, rest) = alice.finish();
    assert_eq!(code, Some(0));
    assert_eq!(rest.last().unwrap(), r#"{"event":"STOP"}"#);
    let exit = bob.event("EXIT");
    assert_eq!(exit["peer"], alice_id);
    assert_eq!(exit["name"], "alice");
    assert_eq!(exit["reason"], "GOODBYE");
}

#[test]
fn the_end_of_the_input_stops_after_the_last_line() {
    let ((mut alice, _), (mut bob, bob_id)) = pair(25606);
    for number in 0..1000 {
        let text = number.to_string();
        alice.send(&json!({"do": "whisper", "peer": bob_id, "text": text}).to_string());
    }
    alice.close_input();
    assert_eq!(alice.finish().0, Some(0));
    for number in 0..1000 {
        let frame = hex::encode(number.to_string());
        assert_eq!(bob.event("WHISPER")["frames"], json!([frame]));
    }
    bob.event("EXIT");
}

#[test]
fn a_killed_peer_is_told_from_one_that_left() {
    let ((alice, _), (mut bob, _)) = pair(25607);
    drop(alice);
    assert_eq!(bob.event("EXIT")["reason"], "CONNECTION_LOST");
}

#[test]
fn a_flood_is_counted_when_told_to_be_quiet() {
    let ((mut alice, _), (mut bob, bob_id)) = pair(25608);
    bob.send(r#"{"do":"quiet","on":true}"#);
    bob.send(r#"{"do":"count"}"#);
    assert_eq!(bob.answer("count"), json!({"count": 0, "in_order": true}));
    alice.send(&json!({"do": "flood", "peer": bob_id, "count": 5000}).to_string());
    alice.send(&json!({"do": "whisper", "peer": bob_id, "text": "done"}).to_string());
    let first = bob.event("WHISPER");
    assert_eq!(first["frames"], json!([hex::encode("done")]));
    bob.send(r#"{"do":"count"}"#);
    assert_eq!(
        bob.answer("count"),
        json!({"count": 5000, "in_order": true})
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_pipe_says_goodbye() {
    let ((alice, _), (mut bob, _)) = pair(25609);
    alice.interrupt();
    assert_eq!(bob.event("EXIT")["reason"], "GOODBYE");
    let (code, rest) = alice.finish();
    assert_eq!(code, Some(0));
    assert_eq!(rest.last().unwrap(), r#"{"event":"STOP"}"#);
}
