//! `zre whisper`, `zre shout` and `zre listen`.

#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use support::{Zre, run, text, zre};

const NOBODY: &str = "0123456789ABCDEF0123456789ABCDEF";

/// Runs to the end with this on standard input.
fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped
        .stderr(Stdio::piped())
        .spawn()
        .expect("zre can be run");
    let mut standard_input = child.stdin.take().expect("it is piped");
    standard_input.write_all(input).expect("zre reads it");
    drop(standard_input);
    child.wait_with_output().expect("it is our child")
}

/// What a command that succeeds prints.
fn done(output: &Output) -> String {
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    text(&output.stdout)
}

/// What a command that fails says.
fn failed(output: &Output) -> String {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).expect(line)
}

#[test]
fn a_whisper_is_delivered_to_a_peer_by_its_name_or_its_uuid() {
    let (mut bob, bob_id) = Zre::pipe(25820, &["--name", "bob"]);
    let sent = run(&mut zre("whisper", 25820, &["bob", "two", "words"]));
    assert_eq!(done(&sent), "delivered to bob\n");
    let whisper = bob.event("WHISPER");
    assert_eq!(
        (&whisper["name"], &whisper["text"]),
        (&json!("tester"), &json!("two words"))
    );
    let sent = run(&mut zre("whisper", 25820, &[&bob_id, "-5", "--json"]));
    let confirmed = json!({"event": "CONFIRMED", "peer": bob_id});
    assert_eq!(parsed(&done(&sent)), confirmed);
    assert_eq!(bob.event("WHISPER")["text"], "-5");
    let timed = run(&mut zre(
        "whisper",
        25820,
        &["bob", "x", "--json", "--times"],
    ));
    assert!(parsed(&done(&timed))["time"].is_string());
}

#[test]
fn standard_input_is_sent_byte_for_byte() {
    let (mut bob, _) = Zre::pipe(25821, &["--name", "bob", "--group", "CHAT"]);
    let sent = run_with_input(&mut zre("whisper", 25821, &["bob"]), b"\xff\0\n");
    done(&sent);
    assert_eq!(bob.event("WHISPER")["frames"], json!(["ff000a"]));
    let sent = run_with_input(&mut zre("shout", 25821, &["CHAT", "-"]), b"a\nb\n");
    done(&sent);
    assert_eq!(bob.event("SHOUT")["text"], "a\nb\n");
}

#[test]
fn a_command_waits_for_whom_it_is_for() {
    let sending = Zre::start(&mut zre("whisper", 25822, &["bob", "hi", "--wait", "1m"]));
    let (mut carol, _) = Zre::pipe(25822, &["--name", "carol"]);
    carol.event("ENTER");
    let (mut bob, _) = Zre::pipe(25822, &["--name", "bob"]);
    assert_eq!(bob.event("WHISPER")["text"], "hi");
    assert_eq!(
        sending.finish(),
        (Some(0), vec!["delivered to bob".to_owned()])
    );
}

#[test]
fn who_is_not_there_is_told_with_who_is() {
    let soon = ["--wait", "300ms"];
    let said = failed(&run(zre("whisper", 25823, &["bob", "hi"]).args(soon)));
    for part in [
        "'bob'",
        "lo (127.0.0.1)",
        "port 25823",
        "300ms",
        "`zre doctor`",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let (_carol, carol_id) = Zre::pipe(25823, &["--name", "carol"]);
    for (to, part) in [("bob", "with the name 'bob'"), (NOBODY, NOBODY)] {
        let said = failed(&run(zre("whisper", 25823, &[to, "hi"]).args(soon)));
        for part in [part, "carol is there; --wait waits longer"] {
            assert!(said.contains(part), "{said}");
        }
    }
    let said = failed(&run(zre("shout", 25823, &["CHAT", "hi"]).args(soon)));
    assert!(said.contains("nobody is in the group 'CHAT'"), "{said}");
    let (_other, other_id) = Zre::pipe(25823, &["--name", "carol"]);
    let said = failed(&run(zre("whisper", 25823, &["carol", "hi"]).args(soon)));
    for part in [
        "2 peers have the name 'carol'",
        &carol_id,
        &other_id,
        "give a UUID",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_shout_is_delivered_to_all_members() {
    let (mut bob, bob_id) = Zre::pipe(25824, &["--name", "bob", "--group", "CHAT"]);
    let (mut carol, carol_id) = Zre::pipe(25824, &["--name", "carol", "--group", "CHAT"]);
    let (mut dave, _) = Zre::pipe(25824, &["--name", "dave"]);
    let members = ["--members", "2"];
    let sent = done(&run(zre("shout", 25824, &["CHAT", "hi"]).args(members)));
    assert!(
        ["delivered to bob, carol\n", "delivered to carol, bob\n"].contains(&&*sent),
        "{sent}"
    );
    for member in [&mut bob, &mut carol] {
        let shout = member.event("SHOUT");
        assert_eq!(
            (&shout["text"], &shout["group"]),
            (&json!("hi"), &json!("CHAT"))
        );
    }
    let sent = done(&run(
        zre("shout", 25824, &["CHAT", "hi", "--json"]).args(members)
    ));
    let confirmed = parsed(&sent);
    let delivered = confirmed["delivered"].as_array().unwrap();
    assert!(delivered.contains(&json!(bob_id)) && delivered.contains(&json!(carol_id)));
    let said = failed(&run(&mut zre(
        "shout",
        25824,
        &["CHAT", "hi", "--members", "3", "--wait", "300ms"],
    )));
    assert!(said.contains("only 2 of 3 members"), "{said}");
    dave.send(r#"{"do":"peers","id":"last"}"#);
    dave.close_input();
    let (_, lines) = dave.finish();
    assert!(!lines.concat().contains("SHOUT"), "{lines:?}");
}

/// A shout that bob, who stands still, does not confirm, and that carol has.
#[cfg(unix)]
fn unconfirmed_shout(port: u16) -> (Zre, Zre, Zre) {
    let (mut bob, _) = Zre::pipe(port, &["--name", "bob", "--group", "CHAT"]);
    let arguments = [
        "CHAT",
        "hi",
        "--members",
        "2",
        "--wait",
        "1m",
        "--linger",
        "100ms",
    ];
    let shout = Zre::start(zre("shout", port, &arguments).stderr(Stdio::piped()));
    bob.event("ENTER");
    bob.freeze();
    let (mut carol, _) = Zre::pipe(port, &["--name", "carol", "--group", "CHAT"]);
    assert_eq!(carol.event("SHOUT")["text"], "hi");
    (shout, bob, carol)
}

#[cfg(unix)]
#[test]
fn who_goes_before_confirming_has_not_got_the_message() {
    let (mut shout, bob, _carol) = unconfirmed_shout(25825);
    drop(bob);
    let said = shout.log();
    assert_eq!(
        shout.finish(),
        (Some(1), vec!["delivered to carol".to_owned()])
    );
    said.count_until(
        "error: not delivered to bob (gone before it was confirmed)",
        "",
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_command_says_how_far_it_has_come() {
    let (mut shout, _bob, _carol) = unconfirmed_shout(25826);
    let said = shout.log();
    shout.interrupt();
    said.count_until("error: interrupted before the message was confirmed", "");
    assert_eq!(shout.finish(), (Some(1), vec![]));

    let (mut dave, _) = Zre::pipe(25827, &["--name", "dave"]);
    let arguments = ["bob", "hi", "--wait", "1m"];
    let mut whisper = Zre::start(zre("whisper", 25827, &arguments).stderr(Stdio::piped()));
    dave.event("ENTER");
    let said = whisper.log();
    whisper.interrupt();
    said.count_until("error: interrupted before the message was sent", "");
    assert_eq!(whisper.finish(), (Some(1), vec![]));
}

#[test]
fn a_listener_shows_whispers_and_what_is_said_in_its_groups() {
    let mut listener = zre("listen", 25828, &["--group", "CHAT,ops", "--count", "4"]);
    let mut listener = Zre::start(listener.stderr(Stdio::piped()));
    let log = listener.log();
    log.count_until("listening as tester in CHAT, ops, on lo (127.0.0.1)", "");
    let send = |command, arguments: &[&str]| {
        let name = ["--name", "bob"];
        done(&run(zre(command, 25828, arguments).args(name)));
    };
    send("shout", &["CHAT", "to the group"]);
    send("shout", &["ops", "to the other"]);
    send("whisper", &["tester", "psst"]);
    // The last is confirmed, although the listener ends with it.
    let mut last = zre("shout", 25828, &["CHAT", "--name", "b\u{7}"]);
    done(&run_with_input(&mut last, b"\x1b[2J\n"));
    let lines = vec![
        "bob in CHAT: to the group".to_owned(),
        "bob in ops: to the other".to_owned(),
        "bob, to you alone: psst".to_owned(),
        r"b\u{7} in CHAT: \u{1b}[2J".to_owned(),
    ];
    assert_eq!(listener.finish(), (Some(0), lines));
}

#[test]
fn a_listener_prints_messages_as_the_pipe_does() {
    let arguments = ["--group", "CHAT", "--json", "--count", "2"];
    let mut listener = Zre::start(&mut zre("listen", 25829, &arguments));
    done(&run(&mut zre(
        "shout",
        25829,
        &["CHAT", "hi", "--name=bob"],
    )));
    let shout = listener.event("SHOUT");
    assert_eq!(
        (&shout["name"], &shout["text"]),
        (&json!("bob"), &json!("hi"))
    );
    done(&run(&mut zre(
        "whisper",
        25829,
        &["tester", "hi", "--name=bob"],
    )));
    let whisper = listener.event("WHISPER");
    assert_eq!(whisper["frames"], json!(["6869"]));
    assert_eq!(listener.finish(), (Some(0), vec![]));
}

#[test]
fn a_listener_ends_in_time_and_says_whether_enough_has_come() {
    let none = run(&mut zre("listen", 25830, &["--for", "100ms"]));
    assert_eq!(none.status.code(), Some(1));
    for (count, code) in [(&["--count", "2"][..], 1), (&[], 0)] {
        let mut listener = zre("listen", 25830, &["-g", "CHAT", "--for", "2s"]);
        let listener = Zre::start(listener.args(count));
        done(&run(&mut zre(
            "shout",
            25830,
            &["CHAT", "hi", "--name=bob"],
        )));
        assert_eq!(listener.finish(), (Some(code), vec!["bob: hi".to_owned()]));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_listener_says_goodbye() {
    let (mut bob, _) = Zre::pipe(25831, &["--name", "bob"]);
    let listener = Zre::start(&mut zre("listen", 25831, &["--group", "CHAT"]));
    bob.event("JOIN");
    listener.interrupt();
    assert_eq!(bob.event("EXIT")["reason"], "GOODBYE");
    assert_eq!(listener.finish(), (Some(0), vec![]));
}

#[test]
fn a_listener_ends_quietly_when_nobody_reads_what_it_prints() {
    let mut listener = zre("listen", 25832, &["--group", "CHAT", "--json"]);
    let piped = listener.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut listener = piped
        .stderr(Stdio::piped())
        .spawn()
        .expect("zre can be run");
    drop(listener.stdout.take());
    run(&mut zre("shout", 25832, &["CHAT", "hi"]));
    let output = listener.wait_with_output().expect("it is our child");
    assert_eq!(done(&output), "");
}
