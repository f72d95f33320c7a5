//! Leaders of groups, with `zre pipe` and `zre chat`.

#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use serde_json::json;
use support::{Zre, zre};

const LOW: &str = "00000000000000000000000000000001";
const HIGH: &str = "F0000000000000000000000000000001";

#[test]
fn members_elect_whoever_contests_and_all_are_told() {
    let (mut bob, _) = Zre::pipe(25850, &["--name", "bob", "--group", "A,B"]);
    bob.send(r#"{"do":"leader","group":"A","id":1}"#);
    let nobody = json!({"group": "A", "peer": null, "name": null, "id": 1});
    assert_eq!(bob.answer("id"), nobody);
    let arguments = ["--name", "alice", "--uuid", HIGH, "--contest", "A,B"];
    let (mut alice, _) = Zre::pipe(25850, &arguments);
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let led = bob.event("LEADER");
        let group = led["group"].as_str().expect("a group");
        assert!(["A", "B"].contains(&group), "{led}");
        let expected = json!({"event": "LEADER", "group": group, "peer": HIGH, "name": "alice"});
        assert_eq!(led, expected);
        own.push(alice.event("LEADER"));
        others.push(led);
    }
    let group = |led: &serde_json::Value| led["group"].to_string();
    own.sort_by_key(group);
    others.sort_by_key(group);
    assert_eq!(own, others);
    for pipe in [&mut alice, &mut bob] {
        pipe.send(r#"{"do":"leader","group":"A","id":1}"#);
        let led = json!({"group": "A", "peer": HIGH, "name": "alice", "id": 1});
        assert_eq!(pipe.answer("id"), led);
    }
}

#[test]
fn a_pipe_contests_and_withdraws_while_it_runs() {
    let pipe = |name, uuid| {
        let arguments = ["--name", name, "--uuid", uuid, "--group", "A"];
        Zre::pipe(25851, &arguments).0
    };
    let (mut alice, mut bob) = (pipe("alice", LOW), pipe("bob", HIGH));
    alice.event("JOIN");
    bob.event("JOIN");
    alice.send(r#"{"do":"contest","group":"A","id":1}"#);
    assert_eq!(alice.answer("ok"), json!({"ok": true, "id": 1}));
    assert_eq!(bob.event("LEADER")["peer"], LOW);
    bob.send(r#"{"do":"contest","group":"A"}"#);
    alice.send(r#"{"do":"withdraw","group":"A"}"#);
    assert_eq!(alice.event("LEADER")["peer"], LOW);
    assert_eq!(alice.event("LEADER")["peer"], HIGH);
    assert_eq!(bob.event("LEADER")["peer"], HIGH);
}

#[test]
fn a_chat_shows_who_leads() {
    let arguments = ["--name", "alice", "--contest", "CHAT"];
    let mut alice = Zre::start(&mut zre("chat", 25852, &arguments));
    let mut bob = Zre::start(&mut zre("chat", 25852, &["--name", "bob"]));
    assert_eq!(bob.line_with("lead"), "* alice leads CHAT");
    assert_eq!(alice.line_with("lead"), "* you lead CHAT");
}
