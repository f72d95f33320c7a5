//! Peers that every program must survive: one whose name is not UTF-8, and many that leave as soon
//! as they have come. Usage: `visitors SECONDS`. It uses the default interface, so run it in a
//! network namespace.

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

use zre_blocking::{Node, Text};

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = env::args().nth(1).ok_or("how many seconds?")?;
    let end = Instant::now() + Duration::from_secs(seconds.parse()?);
    let _odd = Node::builder(Text::from(&b"\xff\xfe odd"[..]))
        .join("CHAT")
        .start()?;
    let mut visits = 0;
    while Instant::now() < end {
        let visitor = Node::builder(format!("visitor {visits}"))
            .join("CHAT")
            .start()?;
        // Every second one leaves before it can have met anybody.
        if visits % 2 == 0 {
            let _entered = visitor.recv_timeout(Duration::from_secs(1));
        }
        let leave_at = Instant::now() + Duration::from_millis(visits % 11);
        while Instant::now() < leave_at {
            let _event = visitor.recv_timeout(leave_at.saturating_duration_since(Instant::now()));
        }
        visitor.stop();
        visits += 1;
    }
    println!("{visits} visits");
    Ok(())
}
