//! Runs the example programs on the loopback interface.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test includes this module and uses a part of it"
)]

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, UdpSocket},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Much longer than any step takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running example. It is killed when this is dropped.
pub struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    lines: Vec<String>,
    errors: Option<JoinHandle<String>>,
    deadline: Instant,
}

/// How a program ended.
pub struct End {
    /// The exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// What it printed.
    pub lines: Vec<String>,
    /// What it printed on the standard error.
    pub errors: String,
}

impl Program {
    /// Starts an example on a discovery port.
    pub fn start(example: &str, port: u16, arguments: &[&str]) -> Self {
        let mut child = Command::new(path(example))
            .args(["--port", &port.to_string()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{example} cannot be run: {error}"));
        let stdout = child.stdout.take().expect("it is piped");
        let mut stderr = child.stderr.take().expect("it is piped");
        let errors = thread::spawn(move || {
            let mut text = String::new();
            // It fails only for text that is not UTF-8, which the examples do not print.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines();
            lines
                .map_while(Result::ok)
                .all(|line| sender.send(line).is_ok())
        });
        Self {
            name: example.to_owned(),
            input: child.stdin.take(),
            child,
            output,
            lines: Vec::new(),
            errors: Some(errors),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Writes a line to the program's input.
    pub fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}").expect("it reads its input");
    }

    /// Ends the program's input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits until a line contains this text. Lines that it has printed already count.
    pub fn wait_for(&mut self, part: &str) {
        while !self.lines.iter().any(|line| line.contains(part)) {
            if !self.next_line() {
                panic!("{} ended without {part:?}: {:#?}", self.name, self.lines);
            }
        }
    }

    /// Waits until the program ends.
    pub fn finish(mut self) -> End {
        while self.next_line() {}
        let status = self.child.wait().expect("it is our child");
        let errors = self.errors.take().and_then(|errors| errors.join().ok());
        End {
            code: status.code(),
            lines: std::mem::take(&mut self.lines),
            errors: errors.unwrap_or_default(),
        }
    }

    /// Waits until the program ends successfully; returns all lines.
    pub fn succeed(self) -> Vec<String> {
        let name = self.name.clone();
        let end = self.finish();
        assert_eq!(
            end.code,
            Some(0),
            "{name}: {:#?}\n{}",
            end.lines,
            end.errors
        );
        end.lines
    }

    /// Reads a line; returns `false` at the end of the output.
    fn next_line(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(left) {
            Ok(line) => self.lines.push(line),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{} is too slow, it printed {:#?}", self.name, self.lines)
            }
        }
        true
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It fails only if the program has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A discovery port for one test, so that tests that run at the same time do not meet.
pub fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.local_addr().expect("it is bound").port()
}

/// The path of an example. `cargo test` builds the examples as well, but `cargo test --test NAME`
/// does not: add `--examples`.
fn path(example: &str) -> PathBuf {
    let test = env::current_exe().expect("a test is a program");
    let built = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("it is in target/debug/deps");
    let name = format!("{example}{}", env::consts::EXE_SUFFIX);
    built.join("examples").join(name)
}

/// The lines without the one that names the TCP port, which differs each time.
pub fn without_endpoint(lines: Vec<String>) -> Vec<String> {
    let is_endpoint = |line: &String| line.contains("listens at tcp://127.0.0.1:");
    assert_eq!(
        lines.iter().filter(|line| is_endpoint(line)).count(),
        1,
        "{lines:#?}"
    );
    lines
        .into_iter()
        .filter(|line| !is_endpoint(line))
        .collect()
}
