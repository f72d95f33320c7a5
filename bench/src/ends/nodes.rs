//! Whispers between two nodes.

use std::time::Instant;

use bytes::Bytes;
use zre_tokio::{Content, Event, PeerId};

use super::{
    Allocations,
    talker::{Start, Talker},
    timing::{Cost, Enough, Kind, Times},
};
use crate::{
    Failure,
    job::{Figures, Job, Line},
};

/// Sends each message back until the last.
pub(super) async fn echo<T: Talker>(job: &Job) -> Result<Figures, Failure> {
    let node = server::<T>(job).await?;
    loop {
        let (client, content) = message(&node).await?;
        if kind(&content) == Kind::End {
            break;
        }
        node.whisper(client, content).await?;
    }
    node.stop().await;
    Ok(Figures::new())
}

/// Takes the times of round trips.
pub(super) async fn ask<T: Talker>(job: &Job) -> Result<Figures, Failure> {
    let (node, server) = client::<T>(job).await?;
    let content = content(Kind::Data, job.size);
    let mut times = Times::new(job.count);
    let warm = Instant::now() + job.warm_up;
    while Instant::now() < warm {
        node.whisper(server, content.clone()).await?;
        message(&node).await?;
    }
    let enough = Enough::new(job.count, job.time, job.size);
    for sent in 0.. {
        if enough.is_reached(sent) {
            break;
        }
        let begun = Instant::now();
        node.whisper(server, content.clone()).await?;
        message(&node).await?;
        times.add(begun.elapsed());
    }
    node.whisper(server, self::content(Kind::End, 1)).await?;
    node.stop().await;
    Ok(times.figures())
}

/// Counts messages, from the first one that is to be measured to the last.
pub(super) async fn count<T: Talker>(
    job: &Job,
    allocations: Option<Allocations>,
) -> Result<Figures, Failure> {
    let node = server::<T>(job).await?;
    while kind(&message(&node).await?.1) != Kind::Data {}
    let cost = Cost::begin(allocations);
    let mut messages = 1;
    let client = loop {
        let (client, content) = message(&node).await?;
        if kind(&content) == Kind::End {
            break client;
        }
        messages += 1;
    };
    let figures = cost.figures(messages);
    node.whisper(client, content(Kind::End, 1)).await?;
    node.stop().await;
    Ok(figures)
}

/// Sends as fast as it can.
pub(super) async fn send<T: Talker>(
    job: &Job,
    allocations: Option<Allocations>,
) -> Result<Figures, Failure> {
    let (node, server) = client::<T>(job).await?;
    let warm_up = content(Kind::WarmUp, job.size);
    let warm = Enough::new(usize::MAX, job.warm_up, job.size);
    for sent in 0.. {
        if warm.is_reached(sent) {
            break;
        }
        node.whisper(server, warm_up.clone()).await?;
    }
    let data = content(Kind::Data, job.size);
    let cost = Cost::begin(allocations);
    let enough = Enough::new(job.count, job.time, job.size);
    let mut sent = 0;
    while !enough.is_reached(sent) {
        node.whisper(server, data.clone()).await?;
        sent += 1;
    }
    node.whisper(server, content(Kind::End, 1)).await?;
    message(&node).await?;
    let figures = cost.figures(sent);
    node.stop().await;
    Ok(figures)
}

/// Starts the node that is there first.
async fn server<T: Talker>(job: &Job) -> Result<T, Failure> {
    let node = T::start(&Start::new("server", job.port)).await?;
    Line::Ready(String::new()).print()?;
    Ok(node)
}

/// Starts the node that begins, and waits until it knows the other.
async fn client<T: Talker>(job: &Job) -> Result<(T, PeerId), Failure> {
    let node = T::start(&Start::new("client", job.port)).await?;
    loop {
        match node.recv().await.ok_or("the node has stopped")? {
            Event::Enter { peer, .. } => return Ok((node, peer)),
            event => drop(event),
        }
    }
}

/// The next whisper.
pub(super) async fn message<T: Talker>(node: &T) -> Result<(PeerId, Content), Failure> {
    loop {
        match node.recv().await {
            Some(Event::Whisper { peer, content, .. }) => return Ok((peer, content)),
            Some(Event::Exit { name, reason, .. }) => {
                return Err(format!("{name} is gone: {reason}").into());
            }
            None => return Err("the node has stopped".into()),
            Some(_) => {}
        }
    }
}

pub(super) fn content(kind: Kind, size: usize) -> Content {
    Bytes::from(kind.message(size)).into()
}

pub(super) fn kind(content: &Content) -> Kind {
    Kind::of(content.frame(0).unwrap_or_default())
}
