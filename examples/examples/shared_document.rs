//! A text that several nodes edit at once. Each line typed is inserted in front. The text is
//! printed when it changes. End it with Ctrl-D.
//!
//! The logic is [`SharedDocument`], which `examples/tests/sharing.rs` tests in simulated networks.

#![forbid(unsafe_code)]

use std::{error::Error, io, thread};

use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver};
use zre_examples::{Arguments, Shared, SharedDocument, Tell};
use zre_tokio::{Node, Sender};

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
    let (outbox, tells) = mpsc::unbounded_channel();
    tokio::spawn(send(node.sender(), tells));
    let mut shown = document.text();
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return };
                let change = document.insert(0, &format!("{line} "));
                let _ = outbox.send(Tell::All(change));
            }
            event = node.recv() => {
                let Some(event) = event else { return };
                if let Some(tell) = document.handle_event(&event) {
                    let _ = outbox.send(tell);
                }
            }
        }
        if document.text() != shown {
            shown = document.text();
            println!("the text is {shown}");
        }
    }
}

/// Sends in a task of its own. A member that is slow has to be waited for, and this program is to
/// take events meanwhile.
async fn send(sender: Sender, mut tells: UnboundedReceiver<Tell>) {
    while let Some(tell) = tells.recv().await {
        // Each fails only if nobody is there to be told.
        match tell {
            Tell::One(peer, snapshot) => _ = sender.whisper(peer, snapshot).await,
            Tell::All(content) => _ = sender.shout(SharedDocument::GROUP, content).await,
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
