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
    while Instant::now() < end {
        let before = map.clone();
        match lines.try_recv() {
            Ok(line) => {
                let (key, value) = line.split_once('=').unwrap_or((&line, ""));
                let value = Some(value).filter(|value| !value.is_empty());
                // It fails only if the node has stopped.
                let _ = node.shout(SharedMap::GROUP, map.set(node.id(), key, value));
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        match node.recv_timeout(Duration::from_millis(10)) {
            Ok(event) => {
                // Each fails only if nobody is there to be told.
                match map.handle_event(&event) {
                    Some(Tell::One(peer, snapshot)) => _ = node.whisper(peer, snapshot),
                    Some(Tell::All(snapshot)) => _ = node.shout(SharedMap::GROUP, snapshot),
                    None => {}
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

/// The lines of the standard input.
fn lines() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        lines.all(|line| sender.send(line).is_ok())
    });
    receiver
}
