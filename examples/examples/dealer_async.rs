//! Hands out requests to the clients in a group and collects their answers, with async: on tokio,
//! smol or another executor (`--runtime`).
//!
//! Each client gets the next request in turn. If a client dies, the dealer notices within a
//! fraction of a second. Requests that are not answered in time go to other clients.
//!
//! In two terminals: `cargo run -p zre-examples --example client_async` and
//! `cargo run -p zre-examples --example dealer_async`.

#![forbid(unsafe_code)]

mod async_node;

use std::{
    error::Error,
    time::{Duration, Instant},
};

use async_node::AsyncNode;
use smol::future;
use zre_core::{Event, proto::GroupName};
use zre_examples::{Answer, Arguments, Assignment, GROUP, ROLE, WorkQueue};

/// The settings, which are the same for each runtime.
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
        "executor" => on_executor(&arguments),
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

/// The driver is an ordinary future: it runs wherever the program spawns it.
fn on_executor(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
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
    work: WorkQueue,
    group: GroupName,
    /// How many clients must be there before the first request goes out.
    min_clients: usize,
    has_begun: bool,
    end: Instant,
}

impl<N: AsyncNode> Dealer<N> {
    fn new(node: N, arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let patience = Duration::from_millis(arguments.value("patience-ms", 1000)?);
        Ok(Self {
            end: Instant::now() + arguments.time()?,
            min_clients: arguments.value("clients", 1)?,
            has_begun: false,
            work: WorkQueue::new(arguments.value("requests", 12)?, patience),
            group: GROUP.try_into()?,
            node,
        })
    }

    /// Hands out the requests, prints the answers and stops the node. `sleep` is the runtime's.
    async fn run<F>(&mut self, sleep: impl Fn(Duration) -> F) -> Result<(), Box<dyn Error>>
    where
        F: Future<Output = ()>,
    {
        self.run_until_answered(sleep).await?;
        for answer in self.work.answers() {
            println!("answer {}: {}", answer.id, answer.sum);
        }
        self.node.stop().await;
        match self.work.unanswered() {
            0 => Ok(()),
            unanswered => Err(format!("{unanswered} requests have no answer").into()),
        }
    }

    /// Runs until all requests are answered, or until the time is over.
    async fn run_until_answered<F>(
        &mut self,
        sleep: impl Fn(Duration) -> F,
    ) -> Result<(), zre_core::Error>
    where
        F: Future<Output = ()>,
    {
        while self.work.unanswered() > 0 && Instant::now() < self.end {
            let event = async { Some(self.node.recv().await) };
            let time_is_over = async {
                sleep(self.time_to_wait()).await;
                None
            };
            // If the time is over first, no event is lost: `recv` is cancel safe.
            match future::or(event, time_is_over).await {
                Some(Some(event)) => self.handle(event),
                Some(None) => return Ok(()),
                None => self.take_back_overdue(),
            }
            self.hand_out().await?;
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
    async fn hand_out(&mut self) -> Result<(), zre_core::Error> {
        self.has_begun |= self.work.clients() >= self.min_clients;
        while self.has_begun
            && let Some(Assignment { client, request }) = self.work.next_assignment(Instant::now())
        {
            match self.node.whisper(client, request.to_content()).await {
                // The client is gone. When its exit is handled, the request goes to another one.
                Ok(()) | Err(zre_core::Error::UnknownPeer(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
