//! Takes requests from a dealer, on tasks: one source for tokio, smol and a bare executor (`--runtime`).
//!
//! `zre_tokio::Node` and `zre_smol::Node` have the same methods; `async_node` puts a trait over them.
//! A program for one runtime names that crate's `Node` and needs no trait.
//!
//! See `dealer_async`. Any mix of the two dealers and the two clients works.

#![forbid(unsafe_code)]

mod async_node;

use std::{error::Error, process, time::Duration};

use async_node::AsyncNode;
use zre_core::{Event, proto::Headers};
use zre_examples::{Arguments, GROUP, ROLE, Request};

/// The same settings for either runtime.
macro_rules! builder {
    ($adapter:ident, $arguments:ident) => {
        $adapter::Node::builder($arguments.name("client"))
            .interface($arguments.interface())
            .port($arguments.port()?)
            .join(GROUP)
    };
}

const TOO_LATE: &str = "no dealer came and went in time";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&["runtime", "die-after"])?;
    let die_after = arguments.value("die-after", u32::MAX)?;
    match arguments.value("runtime", "tokio".to_owned())?.as_str() {
        "tokio" => on_tokio(&arguments, die_after),
        "smol" => on_smol(&arguments, die_after),
        "executor" => on_an_executor(&arguments, die_after),
        other => Err(format!("there is no runtime {other}").into()),
    }
}

fn on_tokio(arguments: &Arguments, die_after: u32) -> Result<(), Box<dyn Error>> {
    let (time, builder) = (arguments.time()?, builder!(zre_tokio, arguments));
    tokio::runtime::Runtime::new()?.block_on(async {
        let node = builder.start().await?;
        let served = tokio::time::timeout(time, serve(node, die_after)).await;
        served.map_err(|_| TOO_LATE.into())
    })
}

fn on_smol(arguments: &Arguments, die_after: u32) -> Result<(), Box<dyn Error>> {
    let (time, builder) = (arguments.time()?, builder!(zre_smol, arguments));
    let node = zre_smol::spawn(builder)?;
    smol::block_on(served_in_time(node, die_after, time))
}

/// The driver is a future like others: it runs wherever the program spawns it.
fn on_an_executor(arguments: &Arguments, die_after: u32) -> Result<(), Box<dyn Error>> {
    let (time, builder) = (arguments.time()?, builder!(zre_smol, arguments));
    let (node, driver) = builder.start()?;
    let executor = smol::LocalExecutor::new();
    executor.spawn(driver).detach();
    smol::block_on(executor.run(served_in_time(node, die_after, time)))
}

async fn served_in_time(
    node: impl AsyncNode,
    die_after: u32,
    time: Duration,
) -> Result<(), Box<dyn Error>> {
    let served = async {
        serve(node, die_after).await;
        Ok(())
    };
    let too_late = async {
        smol::Timer::after(time).await;
        Err(TOO_LATE.into())
    };
    smol::future::or(served, too_late).await
}

/// Ends when the dealer goes.
async fn serve(node: impl AsyncNode, die_after: u32) {
    println!("{} waits for a dealer", node.shown_name());
    let mut answered = 0;
    let mut dealer = None;
    while let Some(event) = node.recv().await {
        match event {
            Event::Enter {
                peer,
                name,
                headers,
                ..
            } if is_dealer(&headers) => {
                println!("{name} deals");
                dealer = Some(peer);
            }
            Event::Whisper { peer, content, .. } => {
                let Some(request) = Request::from_content(&content) else {
                    continue;
                };
                if answered == die_after {
                    die();
                }
                answered += 1;
                // If the dealer is gone, its exit is the next event.
                let _ = node.whisper(peer, request.answer().to_content()).await;
            }
            Event::Exit {
                peer, name, reason, ..
            } if Some(peer) == dealer => {
                println!("{name} is gone: {reason}; answered {answered}");
                break;
            }
            _ => {}
        }
    }
    node.stop().await;
    println!("stopped");
}

fn is_dealer(headers: &Headers) -> bool {
    let (name, role) = ROLE;
    headers
        .get(name)
        .is_some_and(|value| value.as_bytes() == role.as_bytes())
}

/// As a crash: no goodbye, and a request that is never answered.
fn die() -> ! {
    println!("dies");
    process::exit(3)
}
