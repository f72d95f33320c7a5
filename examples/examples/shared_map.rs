//! A map that several nodes share. `KEY=VALUE` on the standard input sets a value, `KEY=` removes
//! it. Each change is printed. End it with Ctrl-D.
//!
//! The logic is [`SharedMap`], which `examples/tests/sharing.rs` tests in simulated networks.

#![forbid(unsafe_code)]

use std::{
    error::Error,
    io,
    sync::mpsc::{self, Receiver, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use zre_blocking::{Node, RecvTimeoutError};
use zre_examples::{Arguments, Shared, SharedMap, Tell};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&[])?;
    let end = Instant::now() + arguments.time()?;
    let node = Node::builder(arguments.name("map"))
        .interface(arguments.interface())
        .port(arguments.port()?)
        .join(SharedMap::GROUP)
        .start()?;
    println!("{} listens at {}", node.name(), node.endpoint());
    share(&node, &lines(), end);
    node.stop();
    Ok(())
}

/// Runs until the input ends, or until the time is over.
fn share(node: &Node, lines: &Receiver<String>, end: Instant) {
    let mut map = SharedMap::default();
    let outbox = outbox(node.sender());
    while Instant::now() < end {
        let before = map.clone();
        match lines.try_recv() {
            Ok(line) => {
                let (key, value) = line.split_once('=').unwrap_or((&line, ""));
                let value = Some(value).filter(|value| !value.is_empty());
                let change = map.set(node.id(), key, value);
                let _ = outbox.send(Tell::All(change));
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        match node.recv_timeout(Duration::from_millis(10)) {
            Ok(event) => {
                if let Some(tell) = map.handle_event(&event) {
                    let _ = outbox.send(tell);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(_) => return,
        }
        if map != before {
            let shown: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            println!("the map is {}", shown.join(" "));
        }
    }
}

/// Sends in a thread of its own. A member that is slow has to be waited for, and this program is to
/// take events meanwhile.
fn outbox(sender: zre_blocking::Sender) -> mpsc::Sender<Tell> {
    let (outbox, tells) = mpsc::channel();
    thread::spawn(move || {
        for tell in tells {
            // Each fails only if nobody is there to be told.
            match tell {
                Tell::One(peer, snapshot) => _ = sender.whisper(peer, snapshot),
                Tell::All(content) => _ = sender.shout(SharedMap::GROUP, content),
            }
        }
    });
    outbox
}

/// The lines of the standard input.
fn lines() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        lines.all(|line| sender.send(line).is_ok())
    });
    receiver
}
