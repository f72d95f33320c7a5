//! A counter that all nodes share. Each line typed adds one; the total is printed when it changes.
//! End it with Ctrl-D.
//!
//! The logic is [`Tally`], which `docs/SIMULATING.md` tests in a simulated network. This program
//! connects it to a real node.

#![forbid(unsafe_code)]

use std::{
    error::Error,
    io,
    sync::mpsc::{self, Receiver, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use zre_blocking::{Node, RecvTimeoutError};
use zre_examples::{Arguments, COUNTERS, Tally};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&[])?;
    let end = Instant::now() + arguments.time()?;
    let node = Node::builder(arguments.name("tally"))
        .interface(arguments.interface())
        .port(arguments.port()?)
        .join(COUNTERS)
        .start()?;
    println!("{} listens at {}", node.name(), node.endpoint());
    let mut tally = Tally::default();
    count(&node, &mut tally, &presses(), end);
    node.stop();
    println!("stopped at {}", tally.total());
    Ok(())
}

/// Runs until the input ends, or until the time is over.
fn count(node: &Node, tally: &mut Tally, presses: &Receiver<()>, end: Instant) {
    let mut shown = 0;
    while Instant::now() < end {
        match presses.try_recv() {
            Ok(()) => {
                // It fails only if the node has stopped.
                let _ = node.shout(COUNTERS, tally.press(node.id()));
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return,
        }
        match node.recv_timeout(Duration::from_millis(10)) {
            Ok(event) => {
                if let Some((peer, counts)) = tally.handle_event(&event) {
                    // It fails if the peer is gone. Then its exit is among the next events.
                    let _ = node.whisper(peer, counts);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(_) => return,
        }
        if tally.total() != shown {
            shown = tally.total();
            println!("the total is {shown}");
        }
    }
}

/// Gives one item for each line of standard input.
fn presses() -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = io::stdin().lines().map_while(Result::ok);
        lines.map(|_| ()).all(|()| sender.send(()).is_ok())
    });
    receiver
}
