//! Hands out requests to the clients in a group and collects their answers, with `zre-blocking`.
//!
//! Each client gets the next request in turn. If a client dies, the dealer notices within a
//! fraction of a second. Requests that are not answered in time go to other clients.
//!
//! In two terminals: `cargo run -p zre-examples --example client_blocking` and
//! `cargo run -p zre-examples --example dealer_blocking`.

#![forbid(unsafe_code)]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use zre_blocking::{Event, GroupName, Node, RecvTimeoutError};
use zre_examples::{Answer, Arguments, Assignment, GROUP, ROLE, WorkQueue};

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
        min_clients: arguments.value("clients", 1)?,
        has_begun: false,
        work: WorkQueue::new(arguments.value("requests", 12)?, patience),
        group: GROUP.try_into()?,
        node,
    };
    dealer.run()?;
    for answer in dealer.work.answers() {
        println!("answer {}: {}", answer.id, answer.sum);
    }
    dealer.node.stop();
    match dealer.work.unanswered() {
        0 => Ok(()),
        unanswered => Err(format!("{unanswered} requests have no answer").into()),
    }
}

struct Dealer {
    node: Node,
    work: WorkQueue,
    group: GroupName,
    /// How many clients must be there before the first request goes out.
    min_clients: usize,
    has_begun: bool,
    end: Instant,
}

impl Dealer {
    /// Runs until all requests are answered, or until the time is over.
    fn run(&mut self) -> Result<(), zre_blocking::Error> {
        while self.work.unanswered() > 0 && Instant::now() < self.end {
            match self.node.recv_timeout(self.time_to_wait()) {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => self.take_back_overdue(),
                Err(_) => return Ok(()),
            }
            self.hand_out()?;
        }
        Ok(())
    }

    fn take_back_overdue(&mut self) {
        match self.work.handle_timeout(Instant::now()) {
            0 => {}
            count => println!("{count} requests were not answered in time"),
        }
    }

    fn time_to_wait(&self) -> Duration {
        let next = self.work.next_timeout().unwrap_or(self.end);
        next.min(self.end).saturating_duration_since(Instant::now())
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Join { peer, name, group } if group == self.group => {
                println!("{name} has come");
                self.work.add_client(peer);
            }
            Event::Leave { peer, name, group } if group == self.group => {
                println!("{name} has left");
                self.work.remove_client(peer);
            }
            Event::Exit {
                peer, name, reason, ..
            } => {
                if let Some(count) = self.work.remove_client(peer) {
                    println!("{name} is gone: {reason}; {count} requests go to others");
                }
            }
            Event::Whisper { content, .. } => {
                if let Some(answer) = Answer::from_content(&content) {
                    self.work.answered(answer);
                }
            }
            _ => {}
        }
    }

    /// Sends the requests that wait, once enough clients are there.
    fn hand_out(&mut self) -> Result<(), zre_blocking::Error> {
        self.has_begun |= self.work.clients() >= self.min_clients;
        while self.has_begun
            && let Some(Assignment { client, request }) = self.work.next_assignment(Instant::now())
        {
            match self.node.whisper(client, request.to_content()) {
                // The client is gone. When its exit is handled, the request goes to another one.
                Ok(()) | Err(zre_blocking::Error::UnknownPeer(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
