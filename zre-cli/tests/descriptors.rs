//! `zre` where the system lets it open few files.

#![cfg(unix)]

mod support;

use std::{
    net::TcpStream,
    process::{Command, Stdio},
};

use support::{Zre, run, text, zre};

/// The same command, started by a shell that first sets a limit with `ulimit`.
fn limited(limit: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("ulimit {limit} && exec \"$@\"");
    shell.args(["-c", &script, "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (variable, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(variable, value),
            None => shell.env_remove(variable),
        };
    }
    shell
}

#[cfg(target_os = "linux")]
#[test]
fn the_limit_that_can_be_raised_is() {
    let command = zre("pipe", 25740, &[]);
    let mut pipe = Zre::start(&mut limited("-Sn 64", &command));
    pipe.event("START");
    let path = format!("/proc/{}/limits", pipe.process_id());
    let limits = std::fs::read_to_string(path).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = files
        .and_then(|line| line.split_whitespace().nth(3))
        .unwrap();
    assert_ne!(soft, "64");
}

#[test]
fn a_limit_under_which_nothing_runs_is_named_with_a_remedy() {
    // Enough for the runtime, but not for a node; then for the node, too, but not for the rest.
    for limit in ["-n 12", "-n 14"] {
        let command = zre("pipe", 25742, &[]);
        let output = run(&mut limited(limit, &command));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: cannot start"), "{said}");
        assert!(said.contains("raise the limit with `ulimit -n`"), "{said}");
    }
}

#[test]
fn a_pipe_without_descriptors_says_so_and_goes_on() {
    let command = zre("pipe", 25741, &["--name", "alice"]);
    // The pipe itself needs 17. The node lets 16 strangers in when there are so few.
    let mut alice = Zre::start(limited("-n 24", &command).stderr(Stdio::piped()));
    let log = alice.log();
    let start = alice.event("START");
    let endpoint = start.get("endpoint").and_then(|endpoint| endpoint.as_str());
    let address = endpoint.and_then(|it| it.strip_prefix("tcp://")).unwrap();
    let strangers: Vec<_> = (0..40)
        .map_while(|_| TcpStream::connect(address).ok())
        .collect();
    let said = log.count_until("could not accept a connection", "Too many open files");
    assert_eq!(said, 1);
    alice.send(r#"{"do":"peers"}"#);
    assert!(alice.answer("peers").get("peers").is_some());
    drop(strangers);
    let (mut bob, _) = Zre::pipe(25741, &["--name", "bob"]);
    alice.event("ENTER");
    bob.event("ENTER");
}
