//! Hands out requests to the clients in a group and collects their answers, with async: on tokio,
//! smol or another executor (`--runtime`).
//!
//! Each client gets the next request in turn. If a client dies, the dealer notices within a
//! fraction of a second. Requests that it has not answered, or not in time, go to other clients.
//!
//! In two terminals: `cargo run -p zre-examples --example client_async` and
//! `cargo run -p zre-examples --example dealer_async`.

#![forbid(unsafe_code)]

mod async_node;

use std::{error::Error, time::Duration};

use async_node::AsyncNode;
use smol::future;
use zre_examples::{Arguments, Clients, GROUP, ROLE, Request, is_worth_another};

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
        deal(node, arguments, tokio::time::sleep(arguments.time()?)).await
    })
}

fn on_smol(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let node = zre_smol::spawn(builder!(zre_smol, arguments))?;
    smol::block_on(deal(node, arguments, sleep(arguments.time()?)))
}

/// The driver is an ordinary future: it runs wherever the program spawns it.
fn on_executor(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (node, driver) = builder!(zre_smol, arguments).start()?;
    let executor = smol::LocalExecutor::new();
    executor.spawn(driver).detach();
    let deal = deal(node, arguments, sleep(arguments.time()?));
    smol::block_on(executor.run(deal))
}

async fn sleep(time: Duration) {
    smol::Timer::after(time).await;
}

/// Hands out the requests, prints the answers and stops the node. `end` is when the time is over.
async fn deal(
    node: impl AsyncNode,
    arguments: &Arguments,
    end: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let patience = Duration::from_millis(arguments.value("patience-ms", 1000)?);
    let (clients, count) = (
        arguments.value("clients", 1)?,
        arguments.value("requests", 12)?,
    );
    let asking = smol::LocalExecutor::new();
    let asked = async {
        node.wait_for_group(GROUP, clients).await?;
        let tasks: Vec<_> = (1..=count)
            .map(|number| asking.spawn(ask(&node, number, patience)))
            .collect();
        for task in tasks {
            println!("{}", task.await?);
        }
        Ok(true)
    };
    let told = async {
        let mut clients = Clients::default();
        while let Some(event) = node.recv().await {
            let line = clients.tell(&event);
            line.iter().for_each(|line| println!("{line}"));
        }
        Ok(false)
    };
    let over = async {
        end.await;
        Ok(false)
    };
    // The events first, so that what has happened is told before what came of it.
    let all = future::or(told, future::or(asking.run(asked), over)).await;
    node.stop().await;
    match all {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("not all of the {count} requests have an answer").into()),
        Err(error) => Err(error),
    }
}

/// Asks one client after the other until one answers.
async fn ask(
    node: &impl AsyncNode,
    number: i64,
    patience: Duration,
) -> Result<String, Box<dyn Error>> {
    let request = Request::new(number).to_content();
    loop {
        match node.ask(GROUP, request.clone(), patience).await {
            Ok(sum) => return Ok(format!("answer {number}: {sum}")),
            Err(error) if is_worth_another(&error) => {
                println!("request {number} goes to another client: {error}");
                node.wait_for_group(GROUP, 1).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
