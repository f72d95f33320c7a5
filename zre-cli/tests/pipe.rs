//! `zre pipe`, as a script drives it.

#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::json;
use support::{Zre, bare_zre, closed_port, run, text, zre};

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
    let [network] = start["networks"].as_array().unwrap().as_slice() else {
        panic!("not one network: {start}");
    };
    let interface = network["interface"].as_str().unwrap();
    let loopback = json!({
        "interface": interface, "address": "127.0.0.1", "endpoint": endpoint, "announces": true,
    });
    assert_eq!(*network, loopback);
    pipe.send(r#"{"do":"network","id":1}"#);
    let answer = pipe.answer("id");
    assert_eq!(answer["networks"], json!([loopback]));
    assert_eq!(answer["connect"], json!([]));
    let passed_over = answer["passed_over"].as_array().expect("a list");
    assert!(passed_over.iter().all(|it| it["why"].is_string()));
    pipe.close_input();
    let (code, rest) = pipe.finish();
    assert_eq!(code, Some(0));
    assert_eq!(rest, [r#"{"event":"STOP","unconfirmed":[]}"#]);
}

#[test]
fn fixed_peers_and_gossip_hubs_are_told_with_their_state() {
    let [hub, tcp] = [closed_port(), closed_port()].map(|port| port.to_string());
    let [hub_at, tcp_at] = [&hub, &tcp].map(|port| format!("tcp://127.0.0.1:{port}"));
    let arguments = ["--gossip-bind", &hub_at, "--tcp-port", &tcp];
    let (mut bob, bob_id) = Zre::pipe(25620, &arguments);
    bob.send(r#"{"do":"network"}"#);
    assert_eq!(bob.answer("gossip_bind")["gossip_bind"], json!([hub_at]));
    let places = [
        "--no-beacon",
        "--connect",
        &tcp_at,
        "--gossip-connect",
        &hub_at,
    ];
    let (mut alice, _) = Zre::pipe(25621, &places);
    assert_eq!(alice.event("ENTER")["peer"], bob_id);
    let is_connected =
        |answer: &serde_json::Value| answer["gossip_connect"][0]["state"] == "connected";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let mut answer = serde_json::Value::Null;
    while !is_connected(&answer) {
        assert!(std::time::Instant::now() < deadline, "{answer}");
        alice.send(r#"{"do":"network"}"#);
        answer = alice.answer("connect");
    }
    let expected = json!([{"endpoint": tcp_at, "state": "connected", "peer": bob_id}]);
    assert_eq!(answer["connect"], expected);
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
    assert_eq!(whisper.get("text"), None);
    let whisper = bob.event("WHISPER");
    assert_eq!(whisper["frames"], json!(["68c3a90a"]));
    assert_eq!(whisper["text"], "hé\n");
}

#[test]
fn a_peer_can_be_named_where_only_one_has_the_name() {
    let ((mut alice, _), (mut bob, bob_id)) = pair(25610);
    alice.send(r#"{"do":"whisper","peer":"bob","text":["to","you"]}"#);
    assert_eq!(bob.event("WHISPER")["text"], json!(["to", "you"]));
    alice.send(r#"{"do":"whisper","peer":"carol","text":"x"}"#);
    let error = alice.answer("error");
    assert_eq!(
        error["error"],
        "line 2: there is no peer with the name 'carol'"
    );
    let (_other, other_id) = Zre::pipe(25610, &["--name", "bob"]);
    assert_eq!(alice.event("ENTER")["peer"], other_id);
    alice.send(r#"{"do":"whisper","peer":"bob","text":"x","id":"w"}"#);
    let error = alice.answer("error");
    let said = error["error"].as_str().unwrap();
    assert!(
        said.starts_with("line 3: 2 peers have the name 'bob'"),
        "{said}"
    );
    assert!(said.contains(&bob_id) && said.contains(&other_id), "{said}");
    assert_eq!(error["id"], "w");
}

#[test]
fn an_id_comes_back_in_the_answer_and_in_an_error() {
    let ((mut alice, _), (_bob, bob_id)) = pair(25611);
    alice.send(r#"{"do":"peers","id":1}"#);
    assert_eq!(alice.answer("peers"), json!({"peers": [bob_id], "id": 1}));
    alice.send(r#"{"id":{"a":[1, 2.50]},"do":"groups"}"#);
    let line = alice.line_with(r#""own""#);
    assert!(line.ends_with(r#","id":{"a":[1, 2.50]}}"#), "{line}");
    alice.send(r#"{"do":"join","id":"j"}"#);
    let error = alice.answer("error");
    assert_eq!(
        error,
        json!({"error": r#"line 3: "join" needs "group""#, "line": 3, "id": "j"})
    );
    alice.send(r#"{"do":"join","group":"A"}"#);
    alice.send(r#"{"do":"shout","group":"CHAT","text":"x","id":2}"#);
    assert_eq!(
        alice.answer("ok"),
        json!({"ok": true, "members": 1, "id": 2})
    );
    alice.send(r#"{"do":"whisper","peer":"bob","text":"x","id":3}"#);
    assert_eq!(alice.answer("ok"), json!({"ok": true, "id": 3}));
}

#[test]
fn lines_begin_with_their_time_on_request() {
    let (mut alice, _) = Zre::pipe(25615, &["--name", "alice"]);
    let mut bob = Zre::start(&mut zre("pipe", 25615, &["--times", "--name", "bob"]));
    bob.line_with("ENTER");
    bob.send(r#"{"do":"peers","id":1}"#);
    bob.line_with(r#""peers""#);
    bob.send("x");
    bob.line_with(r#""error""#);
    bob.send(r#"{"do":"whisper","peer":"alice","text":"hi","confirmed":true}"#);
    let confirmed = bob.event("CONFIRMED");
    let time = confirmed["time"].as_str().unwrap().to_owned();
    bob.close_input();
    let (_, rest) = bob.finish();
    let stop = rest.last().unwrap();
    let (before, line) = stop.split_at(r#"{"time":"2026-01-02T03:04:05.678901Z","#.len());
    assert_eq!(line, r#""event":"STOP","unconfirmed":[]}"#);
    let later = before.strip_prefix(r#"{"time":""#).unwrap();
    assert!(later > time.as_str(), "{time} {later}");
    let now = std::time::SystemTime::now();
    let age = now.duration_since(humantime::parse_rfc3339(&time).unwrap());
    assert!(age.unwrap().as_secs() < 60, "{time}");
    let enter = alice.event("ENTER");
    assert_eq!(enter.get("time"), None);
}

/// With the filter of the example in the help text.
#[test]
fn jq_shows_the_text_of_a_shout() {
    let help = text(&run(bare_zre().args(["pipe", "--help"])).stdout);
    let (_, filter) = help.split_once("jq -r '").expect("it has an example");
    let (filter, _) = filter.split_once('\'').expect("it ends");
    let (mut alice, _) = Zre::pipe(25616, &["--name", "alice"]);
    let mut command = zre("pipe", 25616, &["--group", "CHAT"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut pipe = piped.expect("zre can be run");
    let lines = pipe.stdout.take().expect("it is piped");
    let mut jq = Command::new("jq");
    let jq = jq.args(["--unbuffered", "-r", filter]).stdin(lines);
    alice.event("JOIN");
    alice.send(r#"{"do":"shout","group":"CHAT","text":"hello, wörld"}"#);
    match jq.stdout(Stdio::piped()).spawn() {
        Ok(mut jq) => {
            let mut shown = String::new();
            let mut output = BufReader::new(jq.stdout.take().expect("it is piped"));
            output.read_line(&mut shown).expect("it is text");
            assert_eq!(shown, "hello, wörld\n");
            drop(pipe.stdin.take());
            assert!(jq.wait().expect("it is our child").success());
        }
        Err(error) => println!("skipped, as there is no jq: {error}"),
    }
    drop(pipe.stdin.take());
    assert!(pipe.wait().expect("it is our child").success());
}

#[test]
fn flags_and_variables_describe_the_node() {
    let arguments = [
        "--header",
        "X-A=1,2,X-B=3",
        "--header=X-C=4",
        "--tcp-port=0",
        "--advertise=tcp://127.0.0.2:5000",
        "--interval=100ms",
        "--evasive=2s",
        "--expired=1m",
        "--linger=100ms",
        "--slow-members=wait",
    ];
    let (mut watcher, _) = Zre::pipe(25612, &["--group", "A,B", "--group", "C"]);
    watcher.send(r#"{"do":"groups"}"#);
    assert_eq!(watcher.answer("own")["own"], json!(["A", "B", "C"]));
    let mut described = zre("pipe", 25612, &arguments);
    let described = described.env("ZRE_NAME", "carol").env("ZRE_GROUPS", "D,E");
    let mut described = Zre::start(described);
    let start = described.event("START");
    assert_eq!(start["endpoint"], "tcp://127.0.0.2:5000");
    assert_eq!(start["name"], "carol");
    described.send(r#"{"do":"groups"}"#);
    assert_eq!(described.answer("own")["own"], json!(["D", "E"]));
    described.close_input();
    assert_eq!(described.finish().0, Some(0));
}

#[test]
fn enter_shows_headers_that_were_given_together() {
    let (mut alice, _) = Zre::pipe(25613, &[]);
    let flags = ["--name=bob", "--header", "X-A=1,2,X-B=3", "--header=X-C=4"];
    let (_bob, _) = Zre::pipe(25613, &flags);
    let enter = alice.event("ENTER");
    assert_eq!(
        enter["headers"],
        json!({"X-A": "1,2", "X-B": "3", "X-C": "4"})
    );
    assert_eq!(enter["endpoint"], enter["addr"]);
    let endpoint = enter["endpoint"].as_str().unwrap();
    assert!(endpoint.starts_with("tcp://127.0.0.1:"), "{endpoint}");
}

#[test]
fn variables_say_where_the_node_is() {
    let (mut alice, _) = Zre::pipe(25614, &["--name", "alice"]);
    for (variable, interface) in [("ZRE_INTERFACE", "lo"), ("ZSYS_INTERFACE", "127.0.0.1")] {
        let mut bob = bare_zre();
        let bob = bob.arg("pipe").env(variable, interface);
        let bob = Zre::start(bob.env("ZRE_PORT", "25614").env("ZRE_NAME", variable));
        assert_eq!(alice.event("ENTER")["name"], variable);
        drop(bob);
    }
}

#[test]
fn shouts_reach_the_members_of_a_group() {
    let ((mut alice, alice_id), (mut bob, _)) = pair(25602);
    alice.send(r#"{"do":"shout","group":"CHAT","text":"hi"}"#);
    let shout = bob.event("SHOUT");
    assert_eq!(shout["peer"], alice_id);
    assert_eq!(shout["group"], "CHAT");
    assert_eq!(shout["frames"], json!(["6869"]));
    assert_eq!(shout["text"], "hi");
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
            "line 3: there is no key 'grupp'",
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
    assert_eq!(rest.last().unwrap(), r#"{"event":"STOP","unconfirmed":[]}"#);
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
    assert_eq!(rest.last().unwrap(), r#"{"event":"STOP","unconfirmed":[]}"#);
}
