//! Answers requests from a dealer, with `zre-blocking`: an ordinary program without async.
//!
//! See `dealer_blocking`. Any combination of the two dealers and the two clients works.

#![forbid(unsafe_code)]

use std::{
    error::Error,
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Instant,
};

use zre_blocking::{Event, Node, Requests};
use zre_examples::{Arguments, GROUP, Request, entered_dealer};

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
    // From now on requests wait for this, so none is lost.
    let requests = node.requests();
    let next = || {
        let left = end.saturating_duration_since(Instant::now());
        node.recv_timeout(left).map_err(|_| "no dealer in time")
    };
    let (dealer, name) = loop {
        if let Some(found) = entered_dealer(&next()?) {
            break found;
        }
    };
    println!("{name} deals");
    let answered = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&answered);
    let serving = thread::spawn(move || serve(requests, &counted, die_after));
    let reason = loop {
        match next()? {
            Event::Exit { peer, reason, .. } if peer == dealer => break reason,
            _ => {}
        }
    };
    let answered = answered.load(Ordering::Relaxed);
    println!("{name} is gone: {reason}; answered {answered}");
    node.stop();
    // It ends with the node.
    let _ = serving.join();
    println!("stopped");
    Ok(())
}

/// Answers requests until the node stops.
fn serve(requests: Requests, answered: &AtomicU32, die_after: u32) {
    for request in requests {
        // Dropped, it is refused.
        let Some(asked) = Request::from_content(request.content()) else {
            continue;
        };
        if answered.load(Ordering::Relaxed) == die_after {
            die();
        }
        // It fails if the dealer is gone.
        if request.answer(asked.sum().to_string()).is_ok() {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Ends like a crash: without a goodbye, and with a request that is never answered.
fn die() -> ! {
    println!("dies");
    process::exit(3)
}
