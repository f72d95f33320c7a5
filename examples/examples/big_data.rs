//! Two nodes send each other a lot at once. Run it twice; each sends 10,000 messages of 64 KiB, or
//! as many as `--count` says, to the first other node that it finds.
//!
//! Whispers wait when the peer is slow. Here a task of its own waits, so that this node goes on to
//! take events meanwhile: if both sent from the task that takes events, both would wait for ever.
//! `docs/BACKPRESSURE.md` explains it.

#![forbid(unsafe_code)]

use std::{error::Error, time::Instant};

use zre_examples::Arguments;
use zre_tokio::{Event, Node, PeerId, Sender};

const GROUP: &str = "BIG-DATA";
const SIZE: usize = 64 << 10;
const THANKS: &str = "thanks";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&["count"])?;
    let count: u32 = arguments.value("count", 10_000)?;
    let node = Node::builder(arguments.name("big-data"))
        .interface(arguments.interface())
        .port(arguments.port()?)
        .join(GROUP)
        .start()
        .await?;
    println!("{} listens at {}", node.name(), node.endpoint());
    tokio::time::timeout(arguments.time()?, exchange(&node, count)).await??;
    node.stop().await;
    Ok(())
}

/// Sends to the first member that there is, and takes what it sends.
async fn exchange(node: &Node, count: u32) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let (mut sending, mut received, mut is_thanked) = (None, 0, false);
    while received < count || !is_thanked {
        match node.recv().await.ok_or("the node has stopped")? {
            Event::Join { peer, group, .. } if group == GROUP && sending.is_none() => {
                sending = Some(tokio::spawn(send(node.sender(), peer, count)));
            }
            // The other has taken everything.
            Event::Whisper { content, .. } if content == THANKS => is_thanked = true,
            Event::Whisper { peer, content, .. } if content.byte_len() == SIZE => {
                received += 1;
                if received == count {
                    println!("received {received} messages in {:.1?}", begun.elapsed());
                    // One small message may be sent from here.
                    node.whisper(peer, THANKS).await?;
                }
            }
            Event::Exit { name, reason, .. } => return Err(format!("{name}: {reason}").into()),
            _ => {}
        }
    }
    println!("the other has {count} messages");
    Ok(sending.ok_or("nobody joined")?.await??)
}

/// Sends as fast as the peer takes it.
async fn send(sender: Sender, peer: PeerId, count: u32) -> Result<(), zre_tokio::Error> {
    for number in 0..count {
        let [fill, ..] = number.to_le_bytes();
        // Waits while the peer is slow.
        sender.whisper(peer, vec![fill; SIZE]).await?;
    }
    Ok(())
}
