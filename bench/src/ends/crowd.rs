//! Many nodes in one process that all know each other.

use std::time::{Duration, Instant};

use super::{
    idle_peers::enter,
    talker::{Start, Talker},
};
use crate::{
    Failure,
    job::{Figures, Job},
    process::{cpu_time, descriptors, resident},
    results::count,
};

/// Starts the nodes, waits until each knows all others, and measures what that takes.
pub(super) async fn measure<T: Talker>(job: &Job, nodes: usize) -> Result<Figures, Failure> {
    let connections = nodes * (nodes - 1);
    allow_descriptors(2 * connections + 4 * nodes + 100)?;
    // Descriptors that the runtime opens only once are open afterwards.
    T::sleep(Duration::from_millis(1)).await;
    let (open, memory) = (descriptors()?, resident()?);
    let begun = Instant::now();
    let mut started = Vec::new();
    for number in 0..nodes {
        started.push(T::start(&Start::new(format!("node-{number}"), job.port)).await?);
    }
    let start = begun.elapsed();
    for node in &started {
        enter(node, nodes - 1).await?;
    }
    let settled = begun.elapsed();
    // By then, surplus connections between the same two nodes are closed.
    T::sleep(Duration::from_secs(1)).await;
    let opened = descriptors()? - open;
    let grown = resident()? - memory;
    let (before, idle) = (cpu_time(), Instant::now());
    T::sleep(job.time).await;
    let share = (cpu_time() - before).as_secs_f64() / idle.elapsed().as_secs_f64();
    Ok(Figures::from([
        ("start_seconds".to_owned(), start.as_secs_f64()),
        ("settled_seconds".to_owned(), settled.as_secs_f64()),
        ("descriptors".to_owned(), count(opened)),
        (
            "more_descriptors".to_owned(),
            (count(opened) - count(2 * connections)) / count(nodes),
        ),
        ("idle_cpu_percent".to_owned(), share * 100.0),
        ("bytes_per_peer".to_owned(), grown / count(connections)),
    ]))
}

fn allow_descriptors(wanted: usize) -> Result<(), Failure> {
    let wanted = u64::try_from(wanted)?;
    let allowed = rlimit::increase_nofile_limit(wanted)?;
    if allowed < wanted {
        return Err(format!("needs {wanted} descriptors, the system allows {allowed}").into());
    }
    Ok(())
}
