//! Hands out requests to the clients in a group and collects their answers, with `zre-blocking`.
//!
//! Each client gets the next request in turn. If a client dies, the dealer notices within a
//! fraction of a second. Requests that it has not answered, or not in time, go to other clients.
//!
//! In two terminals: `cargo run -p zre-examples --example client_blocking` and
//! `cargo run -p zre-examples --example dealer_blocking`.

#![forbid(unsafe_code)]

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use zre_blocking::{Node, PendingAnyRequest};
use zre_examples::{Arguments, Clients, GROUP, ROLE, Request, is_worth_another};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read(&["clients", "requests", "patience-ms"])?;
    let (name, role) = ROLE;
    let node = Node::builder(arguments.name("dealer"))
        .header(name, role)
        .interface(arguments.interface())
        .port(arguments.port()?)
        .start()?;
    let events = node.events();
    let telling = thread::spawn(move || {
        let mut clients = Clients::default();
        for line in events.filter_map(|event| clients.tell(&event)) {
            println!("{line}");
        }
    });
    let dealt = deal(&node, &arguments);
    node.stop();
    // It ends with the node.
    let _ = telling.join();
    dealt
}

/// Hands out the requests and prints the answers, until all have come or the time is over.
fn deal(node: &Node, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let end = Instant::now() + arguments.time()?;
    let time_left = || end.saturating_duration_since(Instant::now());
    let patience = Duration::from_millis(arguments.value("patience-ms", 1000)?);
    let (clients, count) = (
        arguments.value("clients", 1)?,
        arguments.value("requests", 12)?,
    );
    let too_few = || format!("not all of the {count} requests have an answer");
    let there = node.wait_for_group_timeout(GROUP, clients, time_left())?;
    there.ok_or_else(too_few)?;
    let ask = |number| -> Result<PendingAnyRequest, zre_blocking::Error> {
        let request = node.request_any(GROUP, Request::new(number).to_content());
        request.round_robin().timeout(patience).start()
    };
    let asked: Result<Vec<_>, _> = (1..=count).map(ask).collect();
    for (number, mut pending) in (1..).zip(asked?) {
        let sum = loop {
            match pending.wait_timeout(time_left()).ok_or_else(too_few)? {
                Ok(answer) => break answer.content,
                Err(error) if is_worth_another(&error) => {
                    println!("request {number} goes to another client: {error}");
                    node.wait_for_group_timeout(GROUP, 1, time_left())?;
                    pending = ask(number)?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        println!("answer {number}: {sum}");
    }
    Ok(())
}
