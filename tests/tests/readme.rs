//! The first program of README.md, as a user would run it: twice, next to all kinds of peers.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use zre_tests::{Namespace, RealPeers, programs};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_example_is_the_program_in_the_readme() {
    let readme = include_str!("../../README.md");
    let (_, program) = readme
        .split_once("```rust,no_run\n")
        .expect("it has a program");
    let (program, _) = program.split_once("```\n").expect("the program ends");
    let example = include_str!("../../examples/examples/hello.rs");
    let (_, code) = example.split_once("\n\n").expect("a comment comes first");
    assert_eq!(code, program);
}

#[test]
fn the_program_greets_its_twin_and_goes_on_whoever_comes_and_goes() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let hello = example("zre-examples", "hello");
    let alice = Program::start(&network, &hello, "alice");
    let mut bob = Program::start(&network, &hello, "bob");
    for (one, other) in [(&alice, "bob"), (&bob, "alice")] {
        one.wait_for(&format!("{other} joined CHAT"));
        one.wait_for(&format!("{other} says: Welcome to CHAT!"));
    }

    // Longer where somebody looks for a rare end: `ZRE_README_SECONDS=60`.
    let seconds = env::var("ZRE_README_SECONDS").unwrap_or_else(|_| "3".into());
    let mut visitors = Program::start(&network, &example("zre-tests", "visitors"), &seconds);
    // It ends by itself, so this comes before the waits that have a time limit.
    visitors.wait_end();
    visitors.wait_for(" visits");
    alice.wait_for("odd joined CHAT");
    // Those that leave at once may not have been met.
    alice.wait_for("is gone: said goodbye");

    // Both have gone on: alice still hears what happens to bob.
    bob.kill();
    alice.wait_for("bob is gone: connection lost");
}

fn example(package: &str, name: &str) -> std::path::PathBuf {
    programs::example(package, name).unwrap_or_else(|error| panic!("{error}"))
}

/// A running program, and the lines that it has printed.
struct Program {
    child: Child,
    output: Arc<Output>,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Program {
    fn start(network: &Namespace, program: &Path, argument: &str) -> Self {
        let mut command: Command = network.command(program);
        command
            .arg(argument)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program can be run");
        let stdout = child.stdout.take().expect("it is piped");
        let output = Arc::<Output>::default();
        let printed = Arc::clone(&output);
        thread::spawn(move || {
            // Names need not be UTF-8, but a program prints them so.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                printed.add(line);
            }
        });
        Self { child, output }
    }

    /// Waits until a printed line contains this text.
    fn wait_for(&self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        let lines = self
            .output
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_missing = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(part));
        let left = deadline.saturating_duration_since(Instant::now());
        let (lines, waited) = self
            .output
            .more
            .wait_timeout_while(lines, left, is_missing)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "no {part:?} in {lines:#?}");
    }

    fn wait_end(&mut self) {
        let status = self.child.wait().expect("it is our child");
        assert!(status.success(), "{status}");
    }

    fn kill(&mut self) {
        assert_eq!(
            self.child.try_wait().expect("it is our child"),
            None,
            "it has ended"
        );
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
    }
}

impl Output {
    fn add(&self, line: String) {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
        self.more.notify_all();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
