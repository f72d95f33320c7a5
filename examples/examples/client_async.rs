//! Answers requests from a dealer, with async: on tokio, smol or another executor (`--runtime`).
//!
//! `zre_tokio::Node` and `zre_smol::Node` have the same methods. The trait in `async_node` lets one
//! source use either. A program for one runtime uses that crate's `Node` and needs no trait.
//!
//! See `dealer_async`. Any combination of the two dealers and the two clients works.

#![forbid(unsafe_code)]

mod async_node;

use std::{cell::Cell, error::Error, process, time::Duration};

use async_node::AsyncNode;
use zre_core::Event;
use zre_examples::{Arguments, GROUP, Request, entered_dealer};

/// The settings, which are the same for each runtime.
macro_rules! builder {
    ($adapter:ident, $arguments:ident) => {
        $adapter::Node::builder($arguments.name("client"))
            .interface($arguments.interface())
            .port($arguments.port()?)
            .join(GROUP)
    };
}

const TIMED_OUT: &str = "no dealer came and left in time";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&["runtime", "die-after"])?;
    let die_after = arguments.value("die-after", u32::MAX)?;
    match arguments.value("runtime", "tokio".to_owned())?.as_str() {
        "tokio" => on_tokio(&arguments, die_after),
        "smol" => on_smol(&arguments, die_after),
        "executor" => on_executor(&arguments, die_after),
        other => Err(format!("there is no runtime {other}").into()),
    }
}

fn on_tokio(arguments: &Arguments, die_after: u32) -> Result<(), Box<dyn Error>> {
    let (time, builder) = (arguments.time()?, builder!(zre_tokio, arguments));
    tokio::runtime::Runtime::new()?.block_on(async {
        let node = builder.start().await?;
        let served = tokio::time::timeout(time, serve(node, die_after)).await;
        served.map_err(|_| TIMED_OUT.into())
    })
}

fn on_smol(arguments: &Arguments, die_after: u32) -> Result<(), Box<dyn Error>> {
    let (time, builder) = (arguments.time()?, builder!(zre_smol, arguments));
    let node = zre_smol::spawn(builder)?;
    smol::block_on(served_in_time(node, die_after, time))
}

/// The driver is an ordinary future: it runs wherever the program spawns it.
fn on_executor(arguments: &Arguments, die_after: u32) -> Result<(), Box<dyn Error>> {
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
    let timeout = async {
        smol::Timer::after(time).await;
        Err(TIMED_OUT.into())
    };
    smol::future::or(served, timeout).await
}

/// Answers requests until the dealer leaves.
async fn serve(node: impl AsyncNode, die_after: u32) {
    println!("{} waits for a dealer", node.name_text());
    let answered = Cell::new(0);
    let serving = node.serve(|content| {
        let request = Request::from_content(content)?;
        if answered.get() == die_after {
            die();
        }
        answered.set(answered.get() + 1);
        Some(request.sum().to_string().into())
    });
    // The events first, so that the dealer has entered when its requests are answered.
    smol::future::or(dealer_leaves(&node, &answered), serving).await;
    node.stop().await;
    println!("stopped");
}

async fn dealer_leaves(node: &impl AsyncNode, answered: &Cell<u32>) {
    let mut dealer = None;
    while let Some(event) = node.recv().await {
        if let Some((peer, name)) = entered_dealer(&event) {
            println!("{name} deals");
            dealer = Some(peer);
        }
        match event {
            Event::Exit {
                peer, name, reason, ..
            } if Some(peer) == dealer => {
                let answered = answered.get();
                return println!("{name} is gone: {reason}; answered {answered}");
            }
            _ => {}
        }
    }
}

/// Ends like a crash: without a goodbye, and with a request that is never answered.
fn die() -> ! {
    println!("dies");
    process::exit(3)
}
