//! The page "secure a network in five minutes": its commands are run as they stand there, one after
//! the other, in one empty directory on loopback.

#![cfg(unix)]

mod support;

use std::{
    env, fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use support::{Zre, bare_zre, text};
use tempfile::TempDir;

const PAGE: &str = include_str!("../../docs/SECURE-IN-FIVE-MINUTES.md");

/// Longer than nodes take to see that a file is gone.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_command_of_the_page_does_what_the_page_says() {
    let home = Home::new();
    let mut chat = None;
    let commands: Vec<_> = blocks("sh").flat_map(str::lines).collect();
    assert!(commands.len() > 12, "{commands:?}");
    for command in commands {
        match command.split_once("     # ") {
            Some((command, said)) => home.must_fail(command, said),
            None if command.starts_with("zre chat ") => {
                // The one before ends.
                drop(chat.take());
                chat = Some(home.start(command));
            }
            None => home.must_succeed(command),
        }
    }
    let mut chat = chat.expect("the page has one");
    let refused = chat.line_with("is refused: its key is not trusted here: ");
    assert!(refused.starts_with("* node "), "{refused}");
    home.must_have_written();
}

#[test]
fn the_page_is_for_the_flags_and_files_that_there_are() {
    for part in [
        "--key",
        "--trust",
        "--secret-file",
        "ZRE_SECRET",
        "zre keys derive",
    ] {
        assert!(PAGE.contains(part), "{part}");
    }
}

/// The directory in which the commands run.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("there is a directory for temporary files"))
    }

    /// A shell that finds this `zre`, whose nodes are on loopback and on a port of their own.
    fn shell(&self, command: &str) -> Command {
        let zre = env!("CARGO_BIN_EXE_zre");
        let bin = zre.rsplit_once('/').expect("it is a path").0;
        let path = env::var("PATH").unwrap_or_default();
        // It takes out the variables that would change what the commands do.
        let clean = bare_zre();
        let mut shell = Command::new("sh");
        for (variable, value) in clean.get_envs() {
            assert_eq!(value, None);
            shell.env_remove(variable);
        }
        shell
            .args(["-c", command])
            .current_dir(self.0.path())
            .env("PATH", format!("{bin}:{path}"))
            .env("ZRE_INTERFACE", "127.0.0.1")
            .env("ZRE_PORT", "25675")
            .stdin(Stdio::null());
        shell
    }

    fn run(&self, command: &str) -> (bool, String) {
        let output = self.shell(command).output().expect("there is a shell");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), text(&said))
    }

    fn must_succeed(&self, command: &str) {
        let (is_done, said) = self.run(command);
        assert!(is_done, "{command}: {said}");
    }

    /// Runs it again while it succeeds: a node sees within a second that a file is gone.
    fn must_fail(&self, command: &str, expected: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (is_done, said) = self.run(command);
            if !is_done {
                assert!(said.contains(expected), "{command}: {said}");
                return;
            }
            assert!(Instant::now() < deadline, "{command}: {said}");
        }
    }

    /// Starts a chat, and waits until it runs.
    fn start(&self, command: &str) -> Zre {
        let mut chat = Zre::start(&mut self.shell(&format!("exec {command}")));
        chat.line_with("* you are alice");
        chat
    }

    fn must_have_written(&self) {
        let read = |name: &str| fs::read_to_string(self.0.path().join(name)).expect(name);
        let secret = read("secret");
        assert!(secret.trim().len() >= 32, "it cannot be guessed");
        assert!(read("network/all_secret").contains("secret-key"));
        assert!(!read("friends/alice").contains("secret-key"));
    }
}

/// The code blocks of a language.
fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let fence = format!("{language}\n");
    let parts = PAGE.split("```").skip(1).step_by(2);
    parts.filter_map(move |part| part.strip_prefix(fence.as_str()))
}
