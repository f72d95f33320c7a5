//! Runs the real `zre` on the loopback interface.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    missing_docs,
    reason = "each test includes it for itself, and uses a part"
)]

mod datagrams;
mod home;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener},
    process::{Child, ChildStderr, ChildStdin, Command, Output, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

pub use datagrams::{Datagrams, beacon};
pub use home::{Home, KEY_OF_PASSPHRASE, PASSPHRASE};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running `zre`. It is killed when this is dropped.
pub struct Zre {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    /// Lines that came, but that nobody has waited for yet.
    passed: Vec<String>,
}

/// The command with its arguments, on loopback and on a port of its own.
pub fn zre(command: &str, port: u16, arguments: &[&str]) -> Command {
    let mut zre = bare_zre();
    let port = port.to_string();
    zre.args([command, "--interface", "127.0.0.1", "--port", &port])
        .args(arguments)
        .env("USER", "tester");
    zre
}

/// The command without arguments, and without the variables that stand in for them.
pub fn bare_zre() -> Command {
    let mut zre = Command::new(env!("CARGO_BIN_EXE_zre"));
    for variable in [
        "RUST_LOG",
        "USERNAME",
        "ZRE_CONNECT",
        "ZRE_NAME",
        "ZRE_GROUPS",
        "ZRE_INTERFACE",
        "ZRE_PORT",
        "ZRE_SECRET",
        "ZSYS_INTERFACE",
        "ZSYS_IPV4_MCAST_ADDRESS",
        "ZSYS_IPV6",
        "ZSYS_IPV6_MCAST_ADDRESS",
    ] {
        zre.env_remove(variable);
    }
    zre
}

/// Runs to the end without any input.
pub fn run(command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null());
    command.output().expect("zre can be run")
}

/// A port at which nobody listens.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    listener.local_addr().expect("it is bound").port()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Zre {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("zre can be run");
        let output = lines(child.stdout.take().expect("it is piped"));
        Self {
            input: child.stdin.take(),
            output,
            child,
            passed: Vec::new(),
        }
    }

    /// Starts a pipe, and says which UUID it has.
    pub fn pipe(port: u16, arguments: &[&str]) -> (Self, String) {
        let mut pipe = Self::start(&mut zre("pipe", port, arguments));
        let start = pipe.event("START");
        let uuid = start.get("uuid").and_then(Value::as_str);
        (pipe, uuid.expect("START has a UUID").to_owned())
    }

    pub fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}").expect("zre reads its input");
    }

    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for the first line that matches and that no wait has returned yet.
    pub fn line(&mut self, matches: impl Fn(&str) -> bool) -> String {
        if let Some(found) = self.passed.iter().position(|line| matches(line)) {
            return self.passed.remove(found);
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(line) if matches(&line) => return line,
                Ok(line) => self.passed.push(line),
                Err(error) => panic!("{error}; the lines were {:#?}", self.passed),
            }
        }
    }

    /// Waits for a line that contains this text.
    pub fn line_with(&mut self, part: &str) -> String {
        self.line(|line| line.contains(part))
    }

    /// Waits for a JSON line that has this key.
    pub fn answer(&mut self, key: &str) -> Value {
        let line = self.line(|line| json(line).get(key).is_some());
        json(&line)
    }

    /// Waits for a JSON line about an event of this kind.
    pub fn event(&mut self, kind: &str) -> Value {
        let line = self.line(|line| json(line).get("event") == Some(&kind.into()));
        json(&line)
    }

    /// Waits for the end, and returns the exit code and the lines that nobody has waited for.
    pub fn finish(mut self) -> (Option<i32>, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        let mut rest = std::mem::take(&mut self.passed);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("{error}; the lines were {rest:#?}"),
            }
        }
        (self.exit_code(deadline), rest)
    }

    fn exit_code(&mut self, deadline: Instant) -> Option<i32> {
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "zre does not end");
            thread::yield_now();
        }
    }

    /// Presses Ctrl-C.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        signal(&self.child, "INT");
    }

    /// Lets the process stand still.
    #[cfg(unix)]
    pub fn freeze(&self) {
        signal(&self.child, "STOP");
        // It takes effect a moment later. Elsewhere than on Linux nobody tells when.
        let state = format!("/proc/{}/stat", self.child.id());
        let deadline = Instant::now() + PATIENCE;
        while fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") T ")) {
            assert!(Instant::now() < deadline, "it does not stand still");
            thread::yield_now();
        }
    }

    /// Lets the process go on.
    #[cfg(unix)]
    pub fn thaw(&self) {
        signal(&self.child, "CONT");
    }

    /// Takes standard error, if it is piped.
    pub fn errors(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("it is piped")
    }

    /// The lines of standard error, if it is piped.
    pub fn log(&mut self) -> Log {
        Log(lines(self.errors()))
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}

/// The lines of a log.
pub struct Log(Receiver<String>);

impl Log {
    /// Waits for a line with this text, and returns how many of those up to it have the other.
    pub fn count_until(&self, part: &str, other: &str) -> usize {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("{error}; the log was {lines:#?}"),
            }
            if lines.last().is_some_and(|line| line.contains(part)) {
                return lines.iter().filter(|line| line.contains(other)).count();
            }
        }
    }
}

/// Sends a signal, such as `TERM`.
#[cfg(unix)]
pub fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let status = Command::new("kill").args(["-s", name, &id]).status();
    assert!(status.expect("kill can be run").success());
}

/// Waits for the end of a process for so long.
pub fn exit_code_within(child: &mut Child, time: Duration) -> Option<i32> {
    let deadline = Instant::now() + time;
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status.code();
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("zre does not end within {time:?}");
        }
        thread::yield_now();
    }
}

impl Drop for Zre {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_default()
}
