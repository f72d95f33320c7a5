//! A doctor and other programs on hosts.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use zre_tests::{Namespace, programs};

/// What `zre doctor` said on a host, and its exit code.
pub(crate) struct Said {
    pub(crate) text: String,
    code: Option<i32>,
}

/// Runs `zre doctor`, for two seconds unless told otherwise.
pub(crate) fn doctor(on: &Namespace, arguments: &[&str]) -> Said {
    let wait: &[&str] = match arguments.contains(&"--wait") {
        true => &[],
        false => &["--wait", "2s"],
    };
    let output = zre(on, "doctor")
        .args(wait)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("zre can be run");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("$ zre doctor {}\n{text}", arguments.join(" "));
    Said {
        text,
        code: output.status.code(),
    }
}

impl Said {
    /// It must have found a fault, and its verdict must say these things.
    pub(crate) fn must_blame(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.text);
        self.verdict_must_have(parts);
    }

    /// It must have found no fault.
    pub(crate) fn must_be_content(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(0), "{}", self.text);
        self.verdict_must_have(parts);
    }

    fn verdict_must_have(&self, parts: &[&str]) {
        let (_, verdict) = self.text.split_once("\nVerdict\n").expect("a verdict");
        let words: Vec<_> = verdict.split_whitespace().collect();
        let verdict = words.join(" ");
        for part in parts {
            assert!(verdict.contains(part), "no {part:?} in: {}", self.text);
        }
    }
}

/// The command of this workspace on a host, without the variables that change what it does.
pub(crate) fn zre(on: &Namespace, subcommand: &str) -> Command {
    let program = programs::zre().unwrap_or_else(|error| panic!("{error}"));
    let mut zre = on.command(program);
    for variable in ["RUST_LOG", "ZRE_INTERFACE", "ZRE_PORT", "ZSYS_INTERFACE"] {
        zre.env_remove(variable);
    }
    zre.arg(subcommand);
    zre
}

/// A program that runs until this is dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts `zre pipe`.
    pub(crate) fn pipe(on: &Namespace, arguments: &[&str]) -> Self {
        Self::start(zre(on, "pipe").args(arguments))
    }

    /// Starts a program, and waits for its first line.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be run");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it is text");
        assert!(!line.is_empty(), "it says nothing");
        // Whatever else it says is read, so that it never waits.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
