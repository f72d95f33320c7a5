//! What the user gets wrong is said in a sentence.

mod support;

use std::{
    io::{self, Write},
    net::UdpSocket,
    process::{Command, Stdio},
};

use support::{run, text, zre};

/// Runs to the end, and returns what was said about it.
fn refused(command: &mut Command) -> String {
    let output = run(command);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(text(&output.stdout), "");
    assert!(said.starts_with("error: "), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_wrong_flag_is_named_with_what_was_expected() {
    let long = "x".repeat(256);
    for (flags, parts) in [
        (["--uuid", "bob"], ["'bob'", "32 hexadecimal digits"]),
        (["--header", "x"], ["'x'", "NAME=VALUE"]),
        (["--header", "=x"], ["'=x'", "NAME=VALUE"]),
        (["--name", &long], ["256 octets", "255"]),
        (["--group", &long], ["256 octets", "255"]),
        (["--interval", "0"], ["beacon interval", "at least 10ms"]),
        (["--interval", "x"], ["'x'", "--interval"]),
        (["--unknown", "x"], ["--unknown", "--help"]),
    ] {
        let said = refused(&mut zre("pipe", 25660, &flags));
        for part in parts {
            assert!(said.contains(part), "{flags:?}: {said}");
        }
    }
    let said = refused(&mut zre("ping", 25660, &["--wait", "-1"]));
    assert!(said.contains("--wait"), "{said}");
}

#[test]
fn an_unknown_interface_is_answered_with_those_that_exist() {
    for command in ["chat", "ping", "pipe"] {
        let mut zre = Command::new(env!("CARGO_BIN_EXE_zre"));
        let said = refused(zre.args([command, "--interface", "nope"]));
        assert!(said.contains(r#"no interface "nope""#), "{said}");
        assert!(said.contains("127.0.0.1"), "{said}");
    }
}

#[test]
fn a_port_that_another_program_holds_is_named() {
    let holder = UdpSocket::bind("0.0.0.0:25661").unwrap();
    let said = refused(&mut zre("pipe", 25661, &[]));
    assert!(said.contains("25661"), "{said}");
    drop(holder);
}

#[test]
fn a_wrong_filter_for_the_log_is_named() {
    let said = refused(zre("pipe", 25662, &[]).env("RUST_LOG", "a=b=c"));
    assert!(said.contains("RUST_LOG"), "{said}");
}

#[test]
fn the_log_goes_to_standard_error() {
    let output = run(&mut zre("pipe", 25663, &["-v"]));
    assert!(text(&output.stderr).contains("started"));
    assert!(!text(&output.stdout).contains("DEBUG"));
}

#[test]
fn an_output_that_nobody_reads_ends_the_command_quietly() {
    for (command, port) in [("chat", 25664), ("pipe", 25665)] {
        let mut child = zre(command, port, &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        // Something to say, if the first line was taken just before.
        let mut input = child.stdin.take().unwrap();
        let _ = input.write_all(b"/help\n");
        let errors = io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(errors, "", "{command}");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{command}");
    }
}

#[test]
fn help_ends_with_examples() {
    for command in ["chat", "ping", "pipe"] {
        let output = run(Command::new(env!("CARGO_BIN_EXE_zre")).args([command, "--help"]));
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0));
        assert!(help.contains("Examples:"), "{help}");
        assert!(help.contains("Exit codes:"), "{help}");
    }
}
