//! Confirmed delivery with `zre pipe`.

#![cfg(unix)]
#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use serde_json::{Value, json};
use support::Zre;

/// Alice, and bob, who is in the group CHAT.
fn pair(port: u16, arguments: &[&str]) -> (Zre, (Zre, String)) {
    let arguments = [&["--name", "alice"], arguments].concat();
    let (mut alice, _) = Zre::pipe(port, &arguments);
    let (mut bob, bob_id) = Zre::pipe(port, &["--name=bob", "--group", "CHAT"]);
    bob.event("ENTER");
    assert_eq!(alice.event("JOIN")["peer"], bob_id);
    (alice, (bob, bob_id))
}

fn answer_to(pipe: &mut Zre, id: &str) -> Value {
    let line = pipe.line_with(&format!(r#""id":"{id}"}}"#));
    serde_json::from_str(&line).expect("it is JSON")
}

#[test]
fn a_whisper_is_confirmed_to_whoever_asks_for_it() {
    let (mut alice, (mut bob, bob_id)) = pair(25800, &[]);
    alice.send(r#"{"do":"whisper","peer":"bob","text":"hi","confirmed":true,"id":7}"#);
    let confirmed = json!({"event": "CONFIRMED", "peer": bob_id, "id": 7});
    assert_eq!(alice.event("CONFIRMED"), confirmed);
    assert_eq!(bob.event("WHISPER")["text"], "hi");
    alice.send(r#"{"do":"whisper","peer":"bob","text":"hi","confirmed":true}"#);
    let confirmed = json!({"event": "CONFIRMED", "peer": bob_id});
    assert_eq!(alice.event("CONFIRMED"), confirmed);
    alice.send(r#"{"do":"whisper","peer":"bob","text":"hi","confirmed":false,"id":8}"#);
    assert_eq!(alice.answer("ok"), json!({"ok": true, "id": 8}));
}

#[test]
fn a_shout_is_confirmed_with_what_has_become_of_it_for_each_member() {
    let (mut alice, (mut bob, bob_id)) = pair(25801, &[]);
    let (mut carol, carol_id) = Zre::pipe(25801, &["--name=carol", "--group", "CHAT"]);
    assert_eq!(alice.event("JOIN")["peer"], carol_id);
    let shout = r#"{"do":"shout","group":"CHAT","text":"hi","confirmed":true,"id":"both"}"#;
    alice.send(shout);
    let confirmed = answer_to(&mut alice, "both");
    let mut both = [bob_id.clone(), carol_id.clone()];
    both.sort();
    let mut delivered: Vec<String> =
        serde_json::from_value(confirmed["delivered"].clone()).expect("a list");
    delivered.sort();
    assert_eq!(delivered, both);
    assert_eq!(confirmed["event"], "CONFIRMED");
    assert_eq!(confirmed["group"], "CHAT");
    assert_eq!(
        (&confirmed["gone"], &confirmed["skipped"]),
        (&json!([]), &json!([]))
    );
    bob.event("SHOUT");
    carol.event("SHOUT");

    carol.freeze();
    alice.send(&shout.replace("both", "one"));
    bob.event("SHOUT");
    drop(carol);
    let confirmed = answer_to(&mut alice, "one");
    assert_eq!(confirmed["delivered"], json!([bob_id]));
    assert_eq!(confirmed["gone"], json!([carol_id]));

    let nobody = r#"{"do":"shout","group":"NOBODY","text":"hi","confirmed":true}"#;
    alice.send(nobody);
    let expected = json!({
        "event": "CONFIRMED", "group": "NOBODY", "delivered": [], "gone": [], "skipped": []
    });
    assert_eq!(alice.event("CONFIRMED"), expected);
}

#[test]
fn a_peer_that_goes_before_it_confirms_is_told_as_an_error() {
    let (mut alice, (bob, bob_id)) = pair(25802, &[]);
    bob.freeze();
    alice.send(r#"{"do":"whisper","peer":"bob","text":"hi","confirmed":true,"id":"w"}"#);
    alice.send(r#"{"do":"flush","peer":"bob","id":"f"}"#);
    alice.send(r#"{"do":"peers","id":"p"}"#);
    answer_to(&mut alice, "p");
    drop(bob);
    for (line, id) in [(1, "w"), (2, "f")] {
        let said = format!(
            "line {line}: peer {bob_id} has gone before it confirmed the message, which may have \
             arrived or not"
        );
        let error = json!({"error": said, "line": line, "id": id});
        assert_eq!(answer_to(&mut alice, id), error);
    }
    assert_eq!(alice.event("EXIT")["unconfirmed"], 1);
}

#[test]
fn what_is_not_confirmed_yet_holds_up_no_other_line() {
    let (mut alice, (mut bob, bob_id)) = pair(25803, &[]);
    bob.freeze();
    for number in 0..500 {
        let whisper = json!({
            "do": "whisper", "peer": "bob", "text": number.to_string(), "confirmed": true,
            "id": format!("c{number}"),
        });
        alice.send(&whisper.to_string());
    }
    alice.send(r#"{"do":"whisper","peer":"bob","text":"500","id":"sent"}"#);
    assert_eq!(answer_to(&mut alice, "sent")["ok"], true);
    alice.send(r#"{"do":"shout","group":"CHAT","text":"501","id":"shouted"}"#);
    assert_eq!(answer_to(&mut alice, "shouted")["members"], 1);
    alice.send(r#"{"do":"flush","peer":"bob","id":"flushed"}"#);
    bob.thaw();
    for number in 0..500 {
        assert_eq!(bob.event("WHISPER")["text"], number.to_string());
        let confirmed = answer_to(&mut alice, &format!("c{number}"));
        assert_eq!(confirmed["event"], "CONFIRMED");
    }
    let flushed = json!({"event": "CONFIRMED", "peer": bob_id, "id": "flushed"});
    assert_eq!(answer_to(&mut alice, "flushed"), flushed);
    assert_eq!(bob.event("WHISPER")["text"], "500");
    assert_eq!(bob.event("SHOUT")["text"], "501");
}

#[test]
fn what_is_not_confirmed_when_the_pipe_stops_is_answered() {
    let (mut alice, (bob, _)) = pair(25804, &["--linger", "200ms"]);
    bob.freeze();
    alice.send(r#"{"do":"whisper","peer":"bob","text":"hi","confirmed":true,"id":1}"#);
    alice.send(r#"{"do":"stop"}"#);
    let error = alice.answer("error");
    let said = "line 1: not confirmed, as the node stops: it may have arrived or not";
    assert_eq!(error, json!({"error": said, "line": 1, "id": 1}));
    let (code, rest) = alice.finish();
    assert_eq!(code, Some(0));
    assert!(rest.last().unwrap().contains(r#""messages":1"#), "{rest:?}");
}
