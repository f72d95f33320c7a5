//! `zre chat` without a terminal.

mod support;

use support::{Zre, zre};

fn chat(port: u16, arguments: &[&str]) -> Zre {
    let mut chat = Zre::start(&mut zre("chat", port, arguments));
    chat.line_with("* you are ");
    chat
}

#[test]
fn lines_go_to_everyone_in_the_group() {
    let mut alice = chat(25620, &["--name", "alice"]);
    let mut bob = chat(25620, &["--name", "bob"]);
    assert_eq!(alice.line_with("bob"), "* bob is here");
    assert_eq!(bob.line_with("alice"), "* alice is here");
    alice.send("hello");
    assert_eq!(bob.line_with("alice"), "alice: hello");
    bob.send("//who");
    assert_eq!(alice.line_with("bob"), "bob: /who");
    bob.close_input();
    assert_eq!(alice.line_with("bob"), "* bob has left");
    assert_eq!(bob.finish().0, Some(0));
}

#[test]
fn the_input_waits_for_somebody_to_hear_it() {
    let mut listener = chat(25621, &["--name", "listener", "--group", "ops"]);
    let mut speaker = Zre::start(&mut zre("chat", 25621, &["--group", "ops"]));
    speaker.send("built");
    speaker.close_input();
    assert_eq!(listener.line_with("tester: "), "tester: built");
    // It may be gone before its goodbye can be told from a broken connection.
    listener.line(|line| line.starts_with("* tester ") && !line.ends_with("is here"));
    assert_eq!(speaker.finish().0, Some(0));
}

#[test]
fn what_others_send_cannot_control_the_terminal() {
    let mut chat = chat(25622, &["--name", "alice"]);
    let (mut mallory, _) = Zre::pipe(25622, &["--name", "m\u{1b}[31m", "--group", "CHAT"]);
    assert_eq!(chat.line_with("is here"), r"* m\u{1b}[31m is here");
    mallory.event("JOIN");
    mallory.send(r#"{"do":"shout","group":"CHAT","text":"\u001b[2J\n* alice has left\u009b"}"#);
    assert_eq!(
        chat.line_with(": "),
        r"m\u{1b}[31m: \u{1b}[2J\n* alice has left\u{9b}"
    );
}

#[test]
fn commands_begin_with_a_slash() {
    let mut alice = chat(25623, &["--name", "alice"]);
    let (mut bob, bob_id) = Zre::pipe(25623, &["--name", "bob", "--group=CHAT"]);
    bob.event("JOIN");
    alice.line_with("bob is here");
    alice.send("/who");
    alice.line_with("* alice, that is you");
    assert!(alice.line_with("* bob, ").contains(&bob_id));
    alice.send("/fly");
    alice.line_with("there is no command /fly");
    alice.send("/help");
    alice.line_with("/quit");
    alice.send("/quit");
    assert_eq!(alice.finish().0, Some(0));
    assert_eq!(bob.event("EXIT")["reason"], "GOODBYE");
}

#[test]
fn lines_go_to_the_first_of_several_groups() {
    let mut alice = chat(25625, &["--name", "alice", "--group", "ops,dev"]);
    let (mut bob, _) = Zre::pipe(25625, &["--name", "bob", "--group", "ops,dev"]);
    assert_eq!(alice.line_with("bob"), "* bob is here");
    bob.send(r#"{"do":"shout","group":"dev","text":"merged"}"#);
    assert_eq!(alice.line_with("merged"), "bob in dev: merged");
    alice.send("thanks");
    let shout = bob.event("SHOUT");
    assert_eq!(shout.get("group"), Some(&"ops".into()));
}

#[test]
fn a_whisper_is_shown_as_one_and_other_groups_are_not() {
    let mut alice = chat(25624, &["--name", "alice"]);
    let (mut bob, _) = Zre::pipe(25624, &["--name", "bob", "--group", "OTHER"]);
    let alice_id = bob.event("ENTER")["peer"].clone();
    bob.send(r#"{"do":"shout","group":"OTHER","text":"unheard"}"#);
    bob.send(&format!(
        r#"{{"do":"whisper","peer":{alice_id},"text":"psst"}}"#
    ));
    assert_eq!(alice.line_with("psst"), "bob, to you alone: psst");
    alice.close_input();
    let (_, rest) = alice.finish();
    assert!(!rest.concat().contains("bob is here"), "{rest:?}");
    assert!(!rest.concat().contains("unheard"), "{rest:?}");
}
