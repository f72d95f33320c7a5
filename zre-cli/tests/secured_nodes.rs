//! Nodes with keys on loopback: who meets whom, and what is told of keys.

#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Home, KEY_OF_PASSPHRASE, PASSPHRASE, Zre, closed_port, text};

const ALICE: &str = "--name alice --key alice --trust friends";
const BOB: &str = "--name bob --key bob --trust friends";

/// What the doctor says as JSON.
fn doctor(home: &Home, port: u16, flags: &str) -> Value {
    let output = home.run("doctor", port, &format!("--json --wait 2s {flags}"));
    let said = text(&output.stdout);
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{}", text(&output.stderr)))
}

/// Flags of a node that is heard several times while the doctor looks.
fn often(flags: &str) -> String {
    format!("{flags} --interval 200ms")
}

#[test]
fn peers_are_told_with_the_keys_that_they_have_proved() {
    let home = Home::new();
    let (mut alice, start) = home.pipe(25680, ALICE);
    assert_eq!(start["key"], home.key("alice"));
    let (mut bob, start) = home.pipe(25680, BOB);
    let bob_id = &start["uuid"];
    let enter = alice.event("ENTER");
    assert_eq!(enter["peer"], *bob_id);
    assert_eq!(enter["key"], home.key("bob"));
    assert_eq!(enter["certificate"], json!({"name": "bob"}));
    assert_eq!(bob.event("ENTER")["key"], home.key("alice"));
    alice.send(r#"{"do":"peers"}"#);
    let answer = alice.answer("peers");
    let id = bob_id.as_str().expect("a text");
    assert_eq!(
        answer,
        json!({"peers": [id], "keys": {id: home.key("bob")}})
    );
    alice.send(r#"{"do":"peer","peer":"bob","id":7}"#);
    let answer = alice.answer("id");
    assert_eq!((&answer["peer"], &answer["name"]), (bob_id, &json!("bob")));
    assert_eq!(answer["key"], home.key("bob"));
    assert_eq!(answer["certificate"], json!({"name": "bob"}));
    assert_eq!(answer["groups"], json!([]));
    alice.send(r#"{"do":"whisper","peer":"bob","text":"hi"}"#);
    assert_eq!(bob.event("WHISPER")["text"], "hi");
}

#[test]
fn nodes_in_the_open_have_no_keys_in_their_lines() {
    let (mut alice, start) = Home::new().pipe(25681, "--name alice");
    assert_eq!(start.get("key"), None);
    let (_bob, bob_id) = Zre::pipe(25681, &["--name", "bob"]);
    let enter = alice.event("ENTER");
    assert!(enter.get("key").is_none() && enter.get("certificate").is_none());
    alice.send(r#"{"do":"peers"}"#);
    assert_eq!(alice.answer("peers"), json!({"peers": [bob_id]}));
    alice.send(r#"{"do":"peer","peer":"bob"}"#);
    let answer = alice.answer("groups");
    assert_eq!(answer["peer"], bob_id);
    assert_eq!(answer.get("key"), None);
}

#[test]
fn both_sides_are_told_who_refuses_whom() {
    let home = Home::new();
    let (mut alice, start) = home.pipe(25682, ALICE);
    let (mut mallory, other) = home.pipe(25682, "--key mallory --trust any");
    let expected = json!({
        "event": "REFUSED", "peer": other["uuid"], "key": home.key("mallory"), "by": "us"
    });
    assert_eq!(alice.event("REFUSED"), expected);
    let expected = json!({
        "event": "REFUSED", "peer": start["uuid"], "key": home.key("alice"), "by": "them"
    });
    assert_eq!(mallory.event("REFUSED"), expected);
    for mut pipe in [alice, mallory] {
        pipe.close_input();
        let (code, rest) = pipe.finish();
        assert_eq!(code, Some(0));
        assert_eq!(rest, [r#"{"event":"STOP","unconfirmed":[]}"#]);
    }
}

#[test]
fn chat_and_ping_say_keys_and_refusals_in_words() {
    let home = Home::new();
    let flags: Vec<_> = ALICE.split(' ').collect();
    let mut alice = Zre::start(&mut home.zre(&["chat"], 25683, &flags));
    alice.line_with("* you are alice");
    let (_bob, _) = home.pipe(25683, &format!("{BOB} --group CHAT"));
    assert_eq!(
        alice.line_with("is here"),
        "* bob is here, with the key of bob"
    );
    alice.send("/who");
    assert!(
        alice
            .line_with("* bob, ")
            .ends_with(", with the key of bob")
    );
    let found = home.run("ping", 25683, BOB);
    let found = text(&found.stdout);
    let key = format!("    key {} (alice)\n", home.key("alice"));
    assert!(found.contains(&key), "{found}");
    assert!(!found.contains("X-PUBLICKEY"), "{found}");
    let refused = home.run("ping", 25683, "--key mallory --trust any");
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains(" refuses this node: it does not trust"),
        "{said}"
    );
    assert!(said.contains("error: found no node on"), "{said}");
    assert!(
        !said.contains("firewall") && !said.contains("WARN"),
        "{said}"
    );
    let told = alice.line_with("is refused");
    let key = home.key("mallory");
    assert!(
        told.ends_with(&format!("its key is not trusted here: {key}")),
        "{told}"
    );
}

#[test]
fn a_session_ends_when_the_file_of_its_key_is_removed_and_begins_when_it_comes_back() {
    let home = Home::new();
    home.keys(&["trust", "guests", "bob"]);
    home.keys(&["trust", "friends", "mallory"]);
    fs::remove_file(home.path("friends/bob")).expect("it is there");
    // The directories count together, and each is looked at.
    let (mut alice, _) = home.pipe(25684, &format!("{ALICE},guests"));
    let (_other, other) = home.pipe(25684, "--key mallory --trust friends");
    assert_eq!(alice.event("ENTER")["peer"], other["uuid"]);
    let (mut bob, _) = home.pipe(25684, BOB);
    assert_eq!(alice.event("ENTER")["key"], home.key("bob"));
    bob.event("ENTER");
    fs::remove_file(home.path("guests/bob")).expect("it is there");
    let exit = alice.event("EXIT");
    assert_eq!(
        (&exit["name"], &exit["reason"]),
        (&json!("bob"), &json!("REFUSED"))
    );
    bob.event("EXIT");
    alice.send(r#"{"do":"peers"}"#);
    let others = json!([other["uuid"]]);
    assert_eq!(alice.answer("peers")["peers"], others, "they stay");
    home.keys(&["trust", "friends", "bob"]);
    assert_eq!(alice.event("ENTER")["certificate"], json!({"name": "bob"}));
    bob.event("ENTER");
}

#[test]
fn whoever_has_the_passphrase_takes_part_whether_by_file_variable_or_derived_key() {
    let home = Home::new();
    home.keys(&["derive", "--secret-file", "secret", "all"]);
    let (mut alice, start) = home.pipe(25685, "--name alice --secret-file secret");
    assert_eq!(start["key"], KEY_OF_PASSPHRASE);
    let flags = ["--name", "bob", "--group", "CHAT"];
    let mut bob = home.zre(&["pipe"], 25685, &flags);
    let bob = Zre::start(bob.env("ZRE_SECRET", PASSPHRASE));
    assert_eq!(alice.event("ENTER")["name"], "bob");
    let carol = home.pipe(25685, "--name carol --key all --trust all");
    assert_eq!(alice.event("ENTER")["name"], "carol");
    drop((bob, carol));
    home.write("other", "dome unpaid swoop taffy blend");
    let (mut dave, _) = home.pipe(25685, "--name dave --secret-file other");
    assert_eq!(dave.event("REFUSED")["by"], "us");
    alice.close_input();
    assert!(alice.finish().1.iter().all(|line| !line.contains("dave")));
}

#[test]
fn a_fixed_peer_and_a_hub_are_met_by_their_keys() {
    let home = Home::new();
    let [tcp, hub] = [closed_port(), closed_port()];
    let bob = format!("{BOB} --tcp-port {tcp} --gossip-bind 127.0.0.1:{hub}");
    let (mut bob, _) = home.pipe(25686, &bob);
    let key = home.key("bob");
    for (port, place) in [
        (25687, format!("--connect 127.0.0.1:{tcp}|{key}")),
        (25688, format!("--gossip-connect 127.0.0.1:{hub}|{key}")),
    ] {
        let (mut alice, _) = home.pipe(port, &format!("{ALICE} --no-beacon {place}"));
        assert_eq!(alice.event("ENTER")["key"], key);
        assert_eq!(bob.event("ENTER")["key"], home.key("alice"));
        alice.close_input();
        alice.finish();
        bob.event("EXIT");
    }
    // Without its key, it is not known whom to trust there.
    let open = format!("{ALICE} --connect 127.0.0.1:{tcp}");
    let refused = home.run("pipe", 25687, &open);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("without a key") && said.contains("|KEY"),
        "{said}"
    );
}

#[test]
fn the_doctor_tells_nodes_with_keys_and_nodes_without_apart() {
    let home = Home::new();
    let (_alice, alice) = home.pipe(25689, &often(ALICE));
    let open = doctor(&home, 25689, "--name open");
    assert_eq!(open["faults"][0]["kind"], "curve_only", "{open}");
    assert_eq!(open["nodes"][0]["state"], "curve_only");
    assert_eq!(open["nodes"][0]["peer"], alice["uuid"]);
    let verdict = open["verdict"].as_str().expect("a text");
    assert!(verdict.contains("--key and --trust") && verdict.contains("--secret-file"));

    let (_carol, carol) = home.pipe(25690, &often("--name carol"));
    let alone = doctor(&home, 25690, BOB);
    assert_eq!(alone["faults"][0]["kind"], "in_the_open", "{alone}");
    assert_eq!(alone["nodes"][0]["peer"], carol["uuid"]);
    // Where others are met, it is no fault that some are apart.
    let (_alice, _) = home.pipe(25690, &often(ALICE));
    let met = doctor(&home, 25690, BOB);
    assert_eq!(met["faults"], json!([]), "{met}");
    let notes = met["notes"].as_array().expect("a list");
    assert!(
        notes.iter().any(|note| note["kind"] == "in_the_open"),
        "{met}"
    );
    assert_eq!(met["node"]["key"], home.key("bob"));
    let nodes = met["nodes"].as_array().expect("a list");
    let key = Value::from(home.key("alice"));
    assert!(nodes.iter().any(|node| node["key"] == key), "{met}");
}

#[test]
fn the_doctor_says_which_side_does_not_trust_the_other_and_what_is_wrong_with_files() {
    let home = Home::new();
    let (_alice, _) = home.pipe(25691, &often(ALICE));
    let refused = doctor(&home, 25691, "--key mallory --trust any");
    assert_eq!(
        refused["faults"][0]["kind"], "does_not_trust_us",
        "{refused}"
    );
    let verdict = refused["verdict"].as_str().expect("a text");
    assert!(verdict.contains(&home.key("mallory")), "{verdict}");
    let refusing = doctor(&home, 25691, "--key bob --trust nobody");
    assert_eq!(refusing["faults"][0]["kind"], "not_trusted", "{refusing}");
    let text = refusing["faults"][0]["text"].as_str().expect("a text");
    assert!(text.contains(&home.key("alice")), "{text}");
    let notes = refusing["notes"].as_array().expect("a list");
    let is_empty = |note: &&Value| {
        let text = note["text"].as_str().expect("a text");
        note["kind"] == "key_file" && text.contains("nobody: there is no certificate in it")
    };
    assert!(notes.iter().find(is_empty).is_some(), "{refusing}");
}
