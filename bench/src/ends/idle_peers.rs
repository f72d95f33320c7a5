//! The memory that a connected peer takes while it does nothing.

use std::time::Duration;

use zre_tokio::Event;

use super::talker::{Start, Talker};
use crate::{
    Failure,
    job::{Figures, Job, Line},
    process::resident,
    results::count,
};

/// Peers that enter before memory is measured first. Memory that is allocated only once is there
/// afterwards.
const FIRST: usize = 32;

/// Measures how much the process grows while peers enter.
pub(super) async fn measure<T: Talker>(job: &Job, peers: usize) -> Result<Figures, Failure> {
    let node = T::start(&Start::new("server", job.port)).await?;
    Line::Ready(String::new()).print()?;
    enter(&node, FIRST).await?;
    let before = resident()?;
    enter(&node, peers).await?;
    // By then, memory that is needed only for entering is given back.
    T::sleep(Duration::from_secs(1)).await;
    let growth = resident()? - before;
    node.stop().await;
    let each = growth / count(peers);
    Ok(Figures::from([("bytes".to_owned(), each)]))
}

/// Waits until this many more have entered.
pub(super) async fn enter<T: Talker>(node: &T, peers: usize) -> Result<(), Failure> {
    let mut entered = 0;
    while entered < peers {
        let event = node.recv().await.ok_or("the node has stopped")?;
        entered += usize::from(matches!(event, Event::Enter { .. }));
        if let Event::Exit { name, reason, .. } = event {
            return Err(format!("{name} is gone: {reason}").into());
        }
    }
    Ok(())
}

/// Runs the peers, which know only the node of the other process, until that node leaves.
pub(super) async fn be<T: Talker>(job: &Job, peers: usize) -> Result<Figures, Failure> {
    let mut nodes = Vec::new();
    for number in 0..FIRST + peers {
        let start = Start {
            loner: true,
            ..Start::new(format!("peer-{number}"), job.port)
        };
        let node = T::start(&start).await?;
        enter(&node, 1).await?;
        nodes.push(node);
    }
    let first = nodes.first().ok_or("no peer")?;
    while let Some(event) = first.recv().await {
        if matches!(event, Event::Exit { .. }) {
            break;
        }
    }
    Ok(Figures::new())
}
