//! What the processes of a measurement do.

mod confirmed;
mod crowd;
mod idle_peers;
mod libzmq;
mod nodes;
mod requests;
mod shout;
mod spin;
mod talker;
mod tcp;
mod timing;

use rustix::{
    process::getpid,
    thread::{CpuSet, sched_setaffinity},
};

use crate::{
    Failure,
    job::{Figures, Job, Line, Side, System, Task},
};
use talker::{Blocking, Smol, SmolThreads, Talker, Tokio, TokioCurve, TokioThreads};

/// Returns how many allocations this process has made so far, in a program that counts them.
pub type Allocations = fn() -> usize;

/// Does a job that is given as JSON, and prints the result.
///
/// # Errors
///
/// If this is not a job, or it cannot be done.
pub fn run(job: &str, allocations: Option<Allocations>) -> Result<(), Failure> {
    let job: Job = serde_json::from_str(job)?;
    let figures = figures(&job, allocations)?;
    Line::Figures(figures).print()
}

fn figures(job: &Job, allocations: Option<Allocations>) -> Result<Figures, Failure> {
    if let Some(core) = job.core {
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(Some(getpid()), &cores)?;
    }
    if job.task == Task::Spin {
        return spin::run(job.time);
    }
    match job.system {
        System::Tcp => tcp::run(job),
        System::Libzmq | System::LibzmqCurve => libzmq::run(job),
        System::Tokio => talk::<Tokio>(job, allocations),
        System::TokioThreads => talk::<TokioThreads>(job, allocations),
        System::Smol => talk::<Smol>(job, allocations),
        System::SmolThreads => talk::<SmolThreads>(job, allocations),
        System::Blocking => talk::<Blocking>(job, allocations),
        System::TokioCurve => talk::<TokioCurve>(job, allocations),
    }
}

fn talk<T: Talker>(job: &Job, allocations: Option<Allocations>) -> Result<Figures, Failure> {
    let job = job.clone();
    T::block_on(async move {
        let job = &job;
        match (job.task, job.side) {
            (Task::RoundTrip, Side::Server) => nodes::echo::<T>(job).await,
            (Task::RoundTrip, Side::Client) => nodes::ask::<T>(job).await,
            (Task::OneWay, Side::Server) => nodes::count::<T>(job, allocations).await,
            (Task::OneWay, Side::Client) => nodes::send::<T>(job, allocations).await,
            (Task::Confirmed, Side::Server) => nodes::count::<T>(job, allocations).await,
            (Task::Confirmed, Side::Client) => confirmed::send::<T>(job).await,
            (Task::Shout { members }, Side::Server) => shout::listen::<T>(job, members).await,
            (Task::Shout { members }, Side::Client) => shout::send::<T>(job, members).await,
            (Task::Requests, Side::Server) => requests::answer::<T>(job).await,
            (Task::Requests, Side::Client) => requests::ask::<T>(job).await,
            (Task::IdlePeers { peers }, Side::Server) => idle_peers::measure::<T>(job, peers).await,
            (Task::IdlePeers { peers }, Side::Client) => idle_peers::be::<T>(job, peers).await,
            (Task::Crowd { nodes }, _) => crowd::measure::<T>(job, nodes).await,
            (Task::Spin, _) => Err("a spinner needs no nodes".into()),
        }
    })
}
