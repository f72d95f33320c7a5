//! What the commands show when the networks of their machine change.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use zre_tests::{Host, RealPeers};

use crate::rig::zre;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_chat_and_a_watch_show_a_short_line_when_the_address_changes() {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let networks = rig.networks();
    let host = networks.host_on("office", "10.90.0.1/24");
    let chat = Shown::start(&host, &["chat", "--name", "alice", "--ipv4"]);
    let watch = Shown::start(&host, &["ping", "--watch", "--ipv4"]);
    chat.wait_for("you are alice in CHAT, on eth0 (10.90.0.1)");
    watch.wait_for("+ alice");
    host.change_address("eth0", "10.90.0.1/24", "10.90.0.11/24");
    for shown in [&chat, &watch] {
        shown.wait_for("network: now on eth0 (10.90.0.11)");
    }
}

/// A command, and what it shows.
struct Shown {
    child: Child,
    lines: Receiver<String>,
}

impl Shown {
    fn start(on: &Host, command: &[&str]) -> Self {
        let (subcommand, arguments) = command.split_first().expect("a command");
        let mut zre = zre(on, subcommand);
        zre.args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = zre.spawn().expect("zre can be run");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = output.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Waits for a line with this text.
    fn wait_for(&self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(part) => return,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{error}: no {part:?} in {seen:#?}"),
            }
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
