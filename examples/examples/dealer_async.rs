//! Hands requests round-robin to the clients in a group and collects their answers, on tasks: one source for tokio,
//! smol and a bare executor (`--runtime`).
//!
//! A client that dies is noticed within a fraction of a second, and one that does not answer in time is not waited for: what
//! it had goes to the others. In two terminals: `cargo run --example client_async` and `cargo run --example dealer_async`.

#![forbid(unsafe_code)]

mod async_node;

use std::{
    error::Error,
    time::{Duration, Instant},
};

use async_node::AsyncNode;
use smol::future;
use zre_core::{Event, proto::GroupName};
use zre_examples::{Answer, Arguments, Dealing, GROUP, ROLE};

/// The same settings for either runtime.
macro_rules! builder {
    ($adapter:ident, $arguments:ident) => {
        $adapter::Node::builder($arguments.name("dealer"))
            .header(ROLE.0, ROLE.1)
            .interface($arguments.interface())
            .port($arguments.port()?)
    };
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&["runtime", "clients", "requests", "patience-ms"])?;
    match arguments.value("runtime", "tokio".to_owned())?.as_str() {
        "tokio" => on_tokio(&arguments),
        "smol" => on_smol(&arguments),
        "executor" => on_an_executor(&arguments),
        other => Err(format!("there is no runtime {other}").into()),
    }
}

fn on_tokio(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let builder = builder!(zre_tokio, arguments);
    tokio::runtime::Runtime::new()?.block_on(async {
        let node = builder.start().await?;
        Dealer::new(node, arguments)?.run(tokio::time::sleep).await
    })
}

fn on_smol(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let node = zre_smol::spawn(builder!(zre_smol, arguments))?;
    let mut dealer = Dealer::new(node, arguments)?;
    smol::block_on(dealer.run(sleep))
}

/// The driver is a future like others: it runs wherever the program spawns it.
fn on_an_executor(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (node, driver) = builder!(zre_smol, arguments).start()?;
    let executor = smol::LocalExecutor::new();
    executor.spawn(driver).detach();
    let mut dealer = Dealer::new(node, arguments)?;
    smol::block_on(executor.run(dealer.run(sleep)))
}

async fn sleep(time: Duration) {
    smol::Timer::after(time).await;
}

struct Dealer<N> {
    node: N,
    dealing: Dealing,
    group: GroupName,
    /// How many clients are waited for before it begins.
    least: usize,
    end: Instant,
}

impl<N: AsyncNode> Dealer<N> {
    fn new(node: N, arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let patience = Duration::from_millis(arguments.value("patience-ms", 1000)?);
        Ok(Self {
            end: Instant::now() + arguments.time()?,
            least: arguments.value("clients", 1)?,
            dealing: Dealing::new(arguments.value("requests", 12)?, patience),
            group: GROUP.try_into()?,
            node,
        })
    }

    /// Deals, prints the answers and stops the node. `sleep` is the runtime's.
    async fn run<F>(&mut self, sleep: impl Fn(Duration) -> F) -> Result<(), Box<dyn Error>>
    where
        F: Future<Output = ()>,
    {
        self.deal_until_answered(sleep).await?;
        for answer in self.dealing.answers() {
            println!("answer {}: {}", answer.id, answer.sum);
        }
        self.node.stop().await;
        match self.dealing.unanswered() {
            0 => Ok(()),
            unanswered => Err(format!("{unanswered} requests have no answer").into()),
        }
    }

    /// Ends when all requests are answered, or when the time is over.
    async fn deal_until_answered<F>(
        &mut self,
        sleep: impl Fn(Duration) -> F,
    ) -> Result<(), zre_core::Error>
    where
        F: Future<Output = ()>,
    {
        while self.dealing.unanswered() > 0 && Instant::now() < self.end {
            let event = async { Some(self.node.recv().await) };
            let time_is_over = async {
                sleep(self.time_to_wait()).await;
                None
            };
            // No event is lost when the time is over first: `recv` takes one only when it gives it.
            match future::or(event, time_is_over).await {
                Some(Some(event)) => self.handle(event),
                Some(None) => return Ok(()),
                None => {
                    self.take_back_overdue();
                }
            }
            self.deal().await?;
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

    async fn deal(&mut self) -> Result<(), zre_core::Error> {
        if self.dealing.clients() >= self.least {
            self.least = 0;
        }
        while self.least == 0
            && let Some(hand) = self.dealing.next_hand(Instant::now())
        {
            match self
                .node
                .whisper(hand.client, hand.request.to_content())
                .await
            {
                // Its exit is among the next events, and then the request goes to another client.
                Ok(()) | Err(zre_core::Error::UnknownPeer(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
