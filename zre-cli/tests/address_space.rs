//! `zre` where the system allows it little address space.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
};

use support::Zre;

/// A pipe that may use 400 MB of address space, and what it writes.
fn confined_pipe(port: u16) -> (Child, BufReader<ChildStdout>) {
    let script = "ulimit -v 400000 && exec \"$@\"";
    let mut pipe = Command::new("sh")
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_zre")])
        .args(["pipe", "--interface", "127.0.0.1", "--name", "bob"])
        .args(["--port", &port.to_string()])
        .env_remove("MALLOC_ARENA_MAX")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    let mut output = BufReader::new(pipe.stdout.take().expect("it is piped"));
    let start = line(&mut output);
    assert!(start.contains("START"), "{start}");
    (pipe, output)
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("it is text");
    line
}

/// What the system says of a process; sizes are in kB.
fn status(pipe: &Child, what: &str) -> u32 {
    let status = fs::read_to_string(format!("/proc/{}/status", pipe.id())).expect("it runs");
    let value = status.lines().find_map(|line| line.strip_prefix(what));
    let number = value.and_then(|value| value.split_whitespace().next());
    number.and_then(|it| it.parse().ok()).expect(&status)
}

/// Lets it end; the node goes with its standard input.
fn end(mut pipe: Child) {
    drop(pipe.stdin.take());
    assert!(pipe.wait().expect("it ends").success());
}

#[test]
fn with_400_megabytes_of_address_space_most_of_it_is_left_for_messages() {
    let (pipe, output) = confined_pipe(25790);
    // There are more or fewer threads, as the machine has cores, and each has a stack of 2 MiB.
    let stacks = status(&pipe, "Threads:") * 2048;
    let kilobytes = status(&pipe, "VmSize:") - stacks;
    drop(output);
    end(pipe);
    assert!(kilobytes < 160_000, "{kilobytes} kB");
}

#[test]
fn a_whisper_as_long_as_messages_may_be_is_shown_without_a_copy_of_it() {
    const BYTES: usize = 100 << 20;
    let (bob, mut output) = confined_pipe(25791);
    let (mut alice, _) = Zre::pipe(25791, &["--name", "alice"]);
    alice.event("ENTER");
    let enter = line(&mut output);
    assert!(enter.contains("ENTER"), "{enter}");
    alice.send(&format!(
        r#"{{"do":"whisper","peer":"bob","text":"{}"}}"#,
        "x".repeat(BYTES)
    ));
    let mut beginning = [0; 200];
    output.read_exact(&mut beginning).expect("bob lives on");
    let beginning = String::from_utf8_lossy(&beginning);
    assert!(beginning.contains(r#""frames":["7878"#), "{beginning}");
    let mut rest = Vec::new();
    output.read_until(b'\n', &mut rest).expect("bob lives on");
    let text = rest.rsplit(|byte| *byte == b'"').nth(1);
    assert_eq!(text.map(<[u8]>::len), Some(BYTES));
    let peak = status(&bob, "VmHWM:");
    assert!(peak < 160_000, "{peak} kB");
    alice.close_input();
    let exit = line(&mut output);
    assert!(exit.contains("EXIT"), "{exit}");
    end(bob);
}
