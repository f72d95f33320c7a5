//! A text that several nodes edit at once. Each line typed is inserted in front. The text is printed
//! when it changes. End it with Ctrl-D.
//!
//! The logic is [`SharedDocument`], which `examples/tests/sharing.rs` tests in simulated networks.

#![forbid(unsafe_code)]

use std::{error::Error, io, thread};

use tokio::sync::mpsc::{self, Receiver};
use zre_examples::{Arguments, Shared, SharedDocument, Tell};
use zre_tokio::Node;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&[])?;
    let node = Node::builder(arguments.name("document"))
        .interface(arguments.interface())
        .port(arguments.port()?)
        .join(SharedDocument::GROUP)
        .start()
        .await?;
    println!("{} listens at {}", node.name(), node.endpoint());
    let time = arguments.time()?;
    // Nothing is left undone when the time is over.
    let _ = tokio::time::timeout(time, share(&node, lines())).await;
    node.stop().await;
    Ok(())
}

/// Runs until the input ends.
async fn share(node: &Node, mut lines: Receiver<String>) {
    let mut document = SharedDocument::new(node.id());
    let mut shown = document.text();
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return };
                // It fails only if the node has stopped.
                let change = document.insert(0, &format!("{line} "));
                let _ = node.shout(SharedDocument::GROUP, change).await;
            }
            event = node.recv() => {
                let Some(event) = event else { return };
                // Each fails only if nobody is there to be told.
                match document.handle_event(&event) {
                    Some(Tell::One(peer, snapshot)) => _ = node.whisper(peer, snapshot).await,
                    Some(Tell::All(snapshot)) => {
                        let _ = node.shout(SharedDocument::GROUP, snapshot).await;
                    }
                    None => {}
                }
            }
        }
        if document.text() != shown {
            shown = document.text();
            println!("the text is {shown}");
        }
    }
}

/// The lines of the standard input.
fn lines() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        lines.all(|line| sender.blocking_send(line).is_ok())
    });
    receiver
}
