//! Answers requests from a dealer, with `zre-blocking`: an ordinary program without async.
//!
//! See `dealer_blocking`. Any combination of the two dealers and the two clients works.

#![forbid(unsafe_code)]

use std::{error::Error, process, time::Instant};

use zre_blocking::{Event, Node, RecvTimeoutError};
use zre_examples::{Arguments, GROUP, ROLE, Request};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&["die-after"])?;
    let end = Instant::now() + arguments.time()?;
    let die_after = arguments.value("die-after", u32::MAX)?;
    let node = Node::builder(arguments.name("client"))
        .interface(arguments.interface())
        .port(arguments.port()?)
        .join(GROUP)
        .start()?;
    println!("{} waits for a dealer", node.name());
    serve(&node, end, die_after)?;
    node.stop();
    println!("stopped");
    Ok(())
}

/// Answers requests until the dealer leaves, or until the time is over.
fn serve(node: &Node, end: Instant, die_after: u32) -> Result<(), Box<dyn Error>> {
    let mut answered = 0;
    let mut dealer = None;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match node.recv_timeout(left) {
            Ok(Event::Enter {
                peer,
                name,
                headers,
                ..
            }) if is_dealer(&headers) => {
                println!("{name} deals");
                dealer = Some(peer);
            }
            Ok(Event::Whisper { peer, content, .. }) => {
                let Some(request) = Request::from_content(&content) else {
                    continue;
                };
                if answered == die_after {
                    die();
                }
                answered += 1;
                // It fails if the dealer is gone. Then its exit is among the next events.
                let _ = node.whisper(peer, request.answer().to_content());
            }
            Ok(Event::Exit {
                peer, name, reason, ..
            }) if Some(peer) == dealer => {
                println!("{name} is gone: {reason}; answered {answered}");
                return Ok(());
            }
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Err("no dealer in time".into()),
            Err(_) => return Ok(()),
        }
    }
}

fn is_dealer(headers: &zre_blocking::Headers) -> bool {
    let (name, role) = ROLE;
    headers.get(name).is_some_and(|value| value == role)
}

/// Ends like a crash: without a goodbye, and with a request that is never answered.
fn die() -> ! {
    println!("dies");
    process::exit(3)
}
