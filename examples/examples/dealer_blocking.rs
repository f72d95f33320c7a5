//! Hands requests round-robin to the clients in a group and collects their answers, with `zre-blocking`.
//!
//! A client that dies is noticed within a fraction of a second, and one that does not answer in time is not waited for: what
//! it had goes to the others. In two terminals: `cargo run --example client_blocking` and `cargo run --example dealer_blocking`.

#![forbid(unsafe_code)]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use zre_blocking::{Event, GroupName, Node, RecvTimeoutError};
use zre_examples::{Answer, Arguments, Dealing, GROUP, ROLE};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&["clients", "requests", "patience-ms"])?;
    let patience = Duration::from_millis(arguments.value("patience-ms", 1000)?);
    let (name, role) = ROLE;
    let node = Node::builder(arguments.name("dealer"))
        .header(name, role)
        .interface(arguments.interface())
        .port(arguments.port()?)
        .start()?;
    let mut dealer = Dealer {
        end: Instant::now() + arguments.time()?,
        least: arguments.value("clients", 1)?,
        dealing: Dealing::new(arguments.value("requests", 12)?, patience),
        group: GROUP.try_into()?,
        node,
    };
    dealer.run()?;
    for answer in dealer.dealing.answers() {
        println!("answer {}: {}", answer.id, answer.sum);
    }
    dealer.node.stop();
    match dealer.dealing.unanswered() {
        0 => Ok(()),
        unanswered => Err(format!("{unanswered} requests have no answer").into()),
    }
}

struct Dealer {
    node: Node,
    dealing: Dealing,
    group: GroupName,
    /// How many clients are waited for before it begins.
    least: usize,
    end: Instant,
}

impl Dealer {
    /// Ends when all requests are answered, or when the time is over.
    fn run(&mut self) -> Result<(), zre_blocking::Error> {
        while self.dealing.unanswered() > 0 && Instant::now() < self.end {
            match self.node.recv_timeout(self.time_to_wait()) {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => {
                    self.take_back_overdue();
                }
                Err(_) => return Ok(()),
            }
            self.deal()?;
        }
        Ok(())
    }

    fn take_back_overdue(&mut self) {
        match self.dealing.handle_timeout(Instant::now()) {
            0 => {}
            count => println!("{count} requests were not answered in time"),
        }
    }

    fn time_to_wait(&self) -> Duration {
        let next = self.dealing.next_timeout().unwrap_or(self.end);
        next.min(self.end).saturating_duration_since(Instant::now())
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Join { peer, name, group } if group == self.group => {
                println!("{name} has come");
                self.dealing.client_came(peer);
            }
            Event::Leave { peer, name, group } if group == self.group => {
                println!("{name} has left");
                self.dealing.client_left(peer);
            }
            Event::Exit { peer, name, reason } => {
                if let Some(count) = self.dealing.client_left(peer) {
                    println!("{name} is gone: {reason}; {count} requests go to others");
                }
            }
            Event::Whisper { content, .. } => {
                if let Some(answer) = Answer::from_content(&content) {
                    self.dealing.answered(answer);
                }
            }
            _ => {}
        }
    }

    fn deal(&mut self) -> Result<(), zre_blocking::Error> {
        if self.dealing.clients() >= self.least {
            self.least = 0;
        }
        while self.least == 0
            && let Some(hand) = self.dealing.next_hand(Instant::now())
        {
            match self.node.whisper(hand.client, hand.request.to_content()) {
                // Its exit is among the next events, and then the request goes to another client.
                Ok(()) | Err(zre_blocking::Error::UnknownPeer(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
