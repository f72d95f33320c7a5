//! The examples in the help of the commands for one message, as a user would run them.

#![cfg(unix)]
#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use std::{
    env, fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

use support::{Zre, bare_zre, run, text};

/// The command lines below `Examples:`, without what is said about them.
fn examples(command: &str) -> Vec<String> {
    let help = text(&run(bare_zre().args([command, "--help"])).stdout);
    let (_, examples) = help.split_once("Examples:\n").expect("it has examples");
    let lines = examples.lines().take_while(|line| !line.is_empty());
    let bare = lines.map(|line| line.trim_start().split("   ").next().unwrap_or_default());
    bare.map(str::to_owned).collect()
}

/// A shell in which `zre` is this program, on loopback and on a port of its own.
fn shell(line: &str, directory: &Path, port: u16) -> Command {
    let zre = bare_zre();
    let program = Path::new(zre.get_program());
    let programs = program.parent().expect("it is in a directory").display();
    let path = env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", line])
        .current_dir(directory)
        .env("PATH", format!("{programs}:{path}"))
        .env("ZRE_INTERFACE", "127.0.0.1")
        .env("ZRE_PORT", port.to_string());
    shell
}

fn has_jq() -> bool {
    let mut jq = Command::new("jq");
    jq.arg("--version").stdout(Stdio::null()).status().is_ok()
}

#[test]
fn messages_are_sent() {
    let directory = tempfile::tempdir().expect("there is room");
    fs::write(directory.path().join("letter.txt"), "Dear printer").expect("there is room");
    let member = |name, groups| Zre::pipe(25840, &["--name", name, "--group", groups]).0;
    let mut bob = member("bob", "builds,workers");
    let (mut printer, _carol) = (member("printer", "workers"), member("carol", "workers"));
    let lines = [examples("whisper"), examples("shout")].concat();
    assert_eq!(lines.len(), 7, "{lines:#?}");
    for line in lines {
        let done = run(&mut shell(&line, directory.path(), 25840));
        assert_eq!(
            done.status.code(),
            Some(0),
            "{line}: {}",
            text(&done.stderr)
        );
        let shown = text(&done.stdout);
        let expected = match line.contains("--json") {
            true => r#"{"event":"CONFIRMED","#,
            false => "delivered to ",
        };
        assert!(shown.starts_with(expected), "{line}: {shown}");
    }
    for said in ["lunch?", "done"] {
        assert_eq!(bob.event("WHISPER").get("text"), Some(&said.into()));
    }
    assert_eq!(
        printer.event("WHISPER").get("text"),
        Some(&"Dear printer".into())
    );
    assert_eq!(printer.event("SHOUT").get("text"), Some(&"start".into()));
    bob.line_with(r#""text":"42 has failed""#);
}

#[test]
fn questions_are_answered() {
    let directory = tempfile::tempdir().expect("there is room");
    let (mut printer, _) = Zre::pipe(25842, &["--name=printer", "--group=workers", "--serve"]);
    let (mut camera, _) = Zre::pipe(25842, &["--name=camera", "--serve"]);
    for line in examples("request") {
        let asked = match line.contains("camera") {
            true => &mut camera,
            false => &mut printer,
        };
        let request = Zre::start(&mut shell(&line, directory.path(), 25842));
        let number = asked.event("REQUEST")["request"].clone();
        asked.send(&format!(
            r#"{{"do":"reply","request":{number},"text":"ready"}}"#
        ));
        let (code, lines) = request.finish();
        assert_eq!(code, Some(0), "{line}");
        let shown = lines.concat();
        let is_elsewhere = line.contains('>');
        assert_eq!(shown.contains("ready"), !is_elsewhere, "{line}: {shown}");
    }
    let picture = fs::read(directory.path().join("picture.jpg"));
    assert_eq!(picture.ok().as_deref(), Some(&b"ready"[..]));
}

#[test]
fn the_worker_and_the_question_of_the_page_on_requests_belong_together() {
    if !has_jq() {
        println!("skipped, as there is no jq");
        return;
    }
    let page = include_str!("../../docs/REQUESTS.md");
    let blocks = page
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next());
    let blocks: Vec<_> = blocks.flatten().collect();
    let [question, worker] = blocks[..] else {
        panic!("not two: {blocks:#?}");
    };
    let directory = tempfile::tempdir().expect("there is room");
    let mut worker = shell(worker, directory.path(), 25843);
    let mut worker = worker.process_group(0).spawn().expect("sh can be run");
    let asked = run(&mut shell(question, directory.path(), 25843));
    // The shell and what it has started.
    let group = format!("-{}", worker.id());
    let ended = Command::new("kill")
        .args(["-s", "TERM", "--", &group])
        .status();
    assert!(ended.expect("kill can be run").success());
    worker.wait().expect("it is our child");
    assert_eq!(
        (asked.status.code(), text(&asked.stdout)),
        (Some(0), "HELLO".to_owned())
    );
}

#[test]
fn messages_are_heard() {
    let directory = tempfile::tempdir().expect("there is room");
    let (mut bob, _) = Zre::pipe(25841, &["--name", "bob"]);
    let lines = examples("listen");
    assert_eq!(lines.len(), 3, "{lines:#?}");
    for line in lines {
        if line.contains("jq") && !has_jq() {
            println!("skipped, as there is no jq: {line}");
            continue;
        }
        // One that goes on for ever ends with the first message here, so that jq shows it.
        let line = match line.contains("--count") {
            true => line,
            false => line.replace("--group", "--count 1 --group"),
        };
        let mut listener = Zre::start(&mut shell(&line, directory.path(), 25841));
        let peer = bob.event("ENTER");
        let name = peer
            .get("name")
            .and_then(|name| name.as_str())
            .expect("a name");
        bob.send(&match line.contains("--group") {
            true => r#"{"do":"shout","group":"builds","text":"hello"}"#.to_owned(),
            false => format!(r#"{{"do":"whisper","peer":"{name}","text":"hello"}}"#),
        });
        let shown = listener.line(|_| true);
        let expected = ["bob: hello", "bob, to you alone: hello", "hello"];
        assert!(expected.contains(&&*shown), "{line}: {shown}");
        assert_eq!(listener.finish(), (Some(0), vec![]), "{line}");
        bob.event("EXIT");
    }
}
