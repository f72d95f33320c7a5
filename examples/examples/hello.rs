//! The first program of README.md. Start it twice.

use zre_tokio::{Event, Node};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or("alice".into());
    let node = Node::builder(name).join("CHAT").start().await?;
    println!("{} is waiting for others", node.name());

    while let Some(event) = node.recv().await {
        match event {
            // A peer joined a group. Greet it, unless it has left again in the meantime.
            Event::Join { peer, name, group } => {
                println!("{name} joined {group}");
                if let Err(error) = node.whisper(peer, format!("Welcome to {group}!")).await {
                    println!("{name} was not greeted: {error}");
                }
            }
            Event::Whisper { name, content, .. } => println!("{name} says: {content}"),
            Event::Exit { name, reason, .. } => println!("{name} is gone: {reason}"),
            _ => {}
        }
    }
    Ok(())
}
