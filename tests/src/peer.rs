//! A node in a process of its own, driven by JSON lines: zyre, pyre or our own `zre pipe`.

mod log;
mod options;

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::any_node::Flavour;
use crate::netns::Namespace;
use crate::programs;

use log::Log;
pub use options::PeerOptions;

/// How long the waits that take no time of their own are patient.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running node. It is killed when this is dropped.
///
/// All waits panic, when their time is over, with everything that the node has said.
#[derive(Debug)]
pub struct Peer {
    child: Mutex<Child>,
    input: Mutex<Option<Sender<String>>>,
    log: Arc<Log>,
    start: Value,
}

impl Peer {
    /// Starts a node of zyre, the reference implementation in C.
    ///
    /// # Panics
    ///
    /// Panics when it does not start.
    pub fn zyre(network: &Namespace, options: &PeerOptions) -> Self {
        Self::python(network, "zyre_node.py", options)
    }

    /// Starts a node of pyre, the implementation in Python.
    ///
    /// # Panics
    ///
    /// Panics when it does not start.
    pub fn pyre(network: &Namespace, options: &PeerOptions) -> Self {
        Self::python(network, "pyre_node.py", options)
    }

    /// Starts the worker of docs/REQUESTS.md on pyre or zyre. It takes no commands, and says
    /// nothing after its start.
    ///
    /// # Panics
    ///
    /// Panics when it does not start.
    pub fn worker(network: &Namespace, implementation: &str) -> Self {
        let options = PeerOptions::new(implementation);
        Self::python_with(network, "worker.py", &[implementation], &options)
    }

    /// Starts our own `zre pipe`.
    ///
    /// # Panics
    ///
    /// Panics when it cannot be built or does not start.
    pub fn zre(network: &Namespace, options: &PeerOptions) -> Self {
        let zre = programs::zre().unwrap_or_else(|reason| panic!("{reason}"));
        let mut command = network.command(zre);
        command.arg("pipe");
        Self::start(command, options)
    }

    /// Starts a node of ours on this adapter.
    ///
    /// # Panics
    ///
    /// Panics when it cannot be built or does not start.
    pub fn ours(network: &Namespace, flavour: Flavour, options: &PeerOptions) -> Self {
        let program = programs::pipe_node().unwrap_or_else(|reason| panic!("{reason}"));
        Self::command(network, program, &[&flavour.to_string()], options)
    }

    /// Starts a program that speaks as `zre pipe` does, with these arguments before those of the
    /// options.
    ///
    /// # Panics
    ///
    /// Panics when it does not start.
    pub fn command(
        network: &Namespace,
        program: impl AsRef<OsStr>,
        arguments: &[&str],
        options: &PeerOptions,
    ) -> Self {
        let mut command = network.command(program);
        command.args(arguments);
        Self::start(command, options)
    }

    fn python(network: &Namespace, driver: &str, options: &PeerOptions) -> Self {
        Self::python_with(network, driver, &[], options)
    }

    fn python_with(
        network: &Namespace,
        driver: &str,
        arguments: &[&str],
        options: &PeerOptions,
    ) -> Self {
        let python = programs::python().unwrap_or_else(|reason| panic!("{reason}"));
        let mut command = network.command(python);
        command
            .arg("-B")
            .arg(format!("{}/{driver}", programs::PEERS))
            .args(arguments);
        Self::start(command, options)
    }

    fn start(mut command: Command, options: &PeerOptions) -> Self {
        let mut child = command
            .args(options.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let log = Arc::new(Log::new(options.name()));
        let input = child.stdin.take().map(write_in_background);
        if let Some(output) = child.stdout.take() {
            read_lines_in_background(output, log.clone());
        }
        if let Some(errors) = child.stderr.take() {
            read_errors_in_background(errors, log.clone());
        }
        let mut peer = Self {
            child: Mutex::new(child),
            input: Mutex::new(input),
            log,
            start: Value::Null,
        };
        peer.start = peer.wait_for(PATIENCE, |line| is_event(line, "START"));
        peer
    }

    /// Its UUID: 32 uppercase hex digits.
    pub fn uuid(&self) -> &str {
        text_of(&self.start, "uuid")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        text_of(&self.start, "name")
    }

    /// Its endpoint: `tcp://address:port`.
    pub fn endpoint(&self) -> &str {
        text_of(&self.start, "endpoint")
    }

    /// Its public key in Z85, if it has one and says so.
    pub fn key(&self) -> Option<&str> {
        self.start.get("key").and_then(Value::as_str)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    /// Gives it a command. Returns at once, also when the node does not read.
    pub fn send(&self, command: &Value) {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(input) = input.as_ref() {
            // Fails only after the node's end, which the next wait will tell.
            let _ = input.send(command.to_string());
        }
    }

    /// Has it join a group.
    pub fn join(&self, group: &str) {
        self.send(&json!({"do": "join", "group": group}));
    }

    /// Has it leave a group.
    pub fn leave(&self, group: &str) {
        self.send(&json!({"do": "leave", "group": group}));
    }

    /// Has a node of zyre contest in the elections of a group, whether it has joined it or not.
    pub fn contest(&self, group: &str) {
        self.send(&json!({"do": "contest", "group": group}));
    }

    /// Does not want to lead a group any more. Of our implementation only.
    pub fn withdraw(&self, group: &str) {
        self.send(&json!({"do": "withdraw", "group": group}));
    }

    /// Has it send these frames to one peer.
    pub fn whisper<F: AsRef<[u8]>>(&self, peer: &str, frames: &[F]) {
        self.send(&json!({"do": "whisper", "peer": peer, "frames": in_hex(frames)}));
    }

    /// Has it send these frames to a group.
    pub fn shout<F: AsRef<[u8]>>(&self, group: &str, frames: &[F]) {
        self.send(&json!({"do": "shout", "group": group, "frames": in_hex(frames)}));
    }

    /// Has it whisper the numbers from 0 up to `count`, as text.
    pub fn flood(&self, peer: &str, count: u64) {
        self.send(&json!({"do": "flood", "peer": peer, "count": count}));
    }

    /// Has it count the numbers that come in, not report each; returns when it does so.
    ///
    /// # Panics
    ///
    /// Panics when it does not answer in time.
    pub fn count_quietly(&self) {
        self.send(&json!({"do": "quiet", "on": true}));
        self.ask("count", "count");
    }

    /// The UUIDs of the peers that it knows.
    pub fn peers(&self) -> Vec<String> {
        strings_of(&self.ask("peers", "peers"), "peers")
    }

    /// The groups that it is in.
    pub fn own_groups(&self) -> Vec<String> {
        strings_of(&self.ask("groups", "own"), "own")
    }

    /// The groups that its peers are in.
    pub fn peer_groups(&self) -> Vec<String> {
        strings_of(&self.ask("groups", "peer"), "peer")
    }

    /// Waits for a line that no wait has returned yet; lines that do not match stay for other
    /// waits.
    ///
    /// # Panics
    ///
    /// Panics when there is none in time, or when the node ended without it.
    pub fn wait_for(&self, within: Duration, matches: impl Fn(&Value) -> bool) -> Value {
        self.log.wait_for(Instant::now() + within, matches)
    }

    /// As [`wait_for`](Self::wait_for), but gives up in time: then `None`.
    pub fn try_wait_for(
        &self,
        within: Duration,
        matches: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        self.log.try_wait_for(Instant::now() + within, matches).ok()
    }

    /// Waits for an event of this kind about the peer with this UUID, for [`PATIENCE`].
    ///
    /// # Panics
    ///
    /// Panics when there is none in time, or when the node ended without it.
    pub fn wait_event(&self, kind: &str, peer: &str) -> Value {
        self.wait_for(PATIENCE, |line| {
            is_event(line, kind) && text_of(line, "peer") == peer
        })
    }

    /// Listens for this long.
    ///
    /// # Panics
    ///
    /// Panics when it says anything meanwhile, other than on which networks it is: addresses of
    /// IPv6 take a moment to come.
    pub fn says_nothing_for(&self, time: Duration) {
        self.log.stays_quiet_until(Instant::now() + time);
    }

    /// Waits until at least this many numbers were counted, and returns whether all were in order.
    ///
    /// # Panics
    ///
    /// Panics when there are fewer in time.
    pub fn wait_count(&self, within: Duration, count: u64) -> bool {
        let deadline = Instant::now() + within;
        loop {
            let answer = self.ask("count", "count");
            if answer.get("count").and_then(Value::as_u64) >= Some(count) {
                return answer.get("in_order") == Some(&Value::Bool(true));
            }
            assert!(
                Instant::now() < deadline,
                "{}: {answer}, not {count}, within {within:?}\n{}",
                self.name(),
                self.log
            );
            // There is no event to wait for; asking without a pause would slow the node down.
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Every event so far, in order; answers to commands are not among them.
    pub fn events(&self) -> Vec<Value> {
        let mut lines = self.log.lines();
        lines.retain(|line| line.get("event").is_some());
        lines
    }

    /// The last lines that it wrote to standard error. A node of ours writes its warnings there.
    pub fn complaints(&self) -> Vec<String> {
        self.log.complaints()
    }

    /// All that it has said, for a panic to show.
    pub fn said(&self) -> String {
        self.log.to_string()
    }

    /// What is picked from every line so far, in order. Nothing but that is copied.
    pub fn pick<T>(&self, pick: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        self.log.pick(pick)
    }

    /// Every event about other nodes so far, each as a short text, such as `JOIN bob CHAT` or
    /// `WHISPER bob 6869 00`.
    ///
    /// Peers are named as their `ENTER` said. `EVASIVE` and `SILENT` are left out, for whether they
    /// come, and how often, depends on how fast the machine is.
    pub fn trace(&self) -> Vec<String> {
        log::trace(&self.events())
    }

    /// Every error that it reported so far.
    pub fn errors(&self) -> Vec<Value> {
        let mut lines = self.log.lines();
        lines.retain(|line| line.get("error").is_some());
        lines
    }

    /// Stops it so that it says goodbye, and waits for the end of its process.
    ///
    /// # Panics
    ///
    /// Panics when it does not stop in time or reports a failure.
    pub fn stop(&self) {
        self.send(&json!({"do": "stop"}));
        self.wait_for(PATIENCE, |line| is_event(line, "STOP"));
        let status = self.wait_exit();
        assert!(status.success(), "{}: {status}\n{}", self.name(), self.log);
    }

    /// Waits for the end of its process.
    ///
    /// # Panics
    ///
    /// Panics when it has not ended in time.
    pub fn wait_exit(&self) -> ExitStatus {
        self.log.wait_closed(Instant::now() + PATIENCE);
        // It closed its output with its end, so this takes no time.
        self.child()
            .wait()
            .expect("a child of ours can be waited for")
    }

    /// Kills it without a chance to say goodbye.
    ///
    /// # Panics
    ///
    /// Panics when the system refuses.
    pub fn kill9(&self) {
        let mut child = self.child();
        child.kill().expect("a child of ours can be killed");
        child.wait().expect("a child of ours can be waited for");
    }

    /// Stops its process in its tracks: the system keeps its connections, it answers nothing.
    ///
    /// # Panics
    ///
    /// Panics when the process has ended.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen process go on.
    ///
    /// # Panics
    ///
    /// Panics when the process has ended.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let mut child = self.child();
        let running = matches!(child.try_wait(), Ok(None));
        assert!(running, "{} has ended\n{}", self.name(), self.log);
        let status = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(
            status.as_ref().is_ok_and(ExitStatus::success),
            "kill -s {signal}: {status:?}"
        );
    }

    fn ask(&self, command: &str, answer_key: &str) -> Value {
        self.send(&json!({"do": command}));
        self.wait_for(PATIENCE, |line| line.get(answer_key).is_some_and(is_answer))
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut child = self.child();
        // Fails only if the node has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn write_in_background(mut input: ChildStdin) -> Sender<String> {
    let (sender, lines) = mpsc::channel::<String>();
    thread::spawn(move || {
        for line in lines {
            if writeln!(input, "{line}").is_err() {
                return;
            }
        }
    });
    sender
}

fn read_lines_in_background(output: impl Read + Send + 'static, log: Arc<Log>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(io::Result::ok) {
            let parsed = serde_json::from_str(&line);
            log.push(parsed.unwrap_or_else(|_| json!({"error": "not JSON", "line": line})));
        }
        log.close();
    });
}

fn read_errors_in_background(errors: impl Read + Send + 'static, log: Arc<Log>) {
    thread::spawn(move || {
        for line in BufReader::new(errors).lines().map_while(io::Result::ok) {
            log.push_complaint(line);
        }
    });
}

fn is_event(line: &Value, kind: &str) -> bool {
    text_of(line, "event") == kind
}

fn is_answer(value: &Value) -> bool {
    value.is_array() || value.is_number()
}

fn text_of<'a>(line: &'a Value, key: &str) -> &'a str {
    line.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn strings_of(line: &Value, key: &str) -> Vec<String> {
    let items = line.get(key).and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn in_hex<F: AsRef<[u8]>>(frames: &[F]) -> Vec<String> {
    frames.iter().map(hex::encode).collect()
}
