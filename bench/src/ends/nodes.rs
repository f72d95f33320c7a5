//! Whispers between two nodes.

use bytes::Bytes;
use zre_tokio::{Content, Event, PeerId};

use super::{
    Allocations,
    talker::{Start, Talker},
    timing::{self, Cost, Exchange, Kind},
};
use crate::{
    Failure,
    job::{Figures, Job, Line},
};

/// Sends each message back, up to the last.
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

/// Measures round-trip times.
pub(super) async fn ask<T: Talker>(job: &Job) -> Result<Figures, Failure> {
    let mut client = Client::<T>::meet(job).await?;
    let figures = timing::ask(&mut client, job).await?;
    client.send(&content(Kind::End, 1)).await?;
    client.node.stop().await;
    Ok(figures)
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
    let mut client = Client::<T>::meet(job).await?;
    let figures = timing::send(&mut client, job, allocations).await?;
    client.node.stop().await;
    Ok(figures)
}

/// Starts the server's node.
pub(super) async fn server<T: Talker>(job: &Job) -> Result<T, Failure> {
    let node = T::start(&Start::new("server", job.port)).await?;
    Line::Ready(String::new()).print()?;
    Ok(node)
}

/// Starts the client's node, and waits until it knows the other.
pub(super) async fn meet<T: Talker>(job: &Job) -> Result<(T, PeerId), Failure> {
    let node = T::start(&Start::new("client", job.port)).await?;
    loop {
        match node.recv().await.ok_or("the node has stopped")? {
            Event::Enter { peer, .. } => return Ok((node, peer)),
            event => drop(event),
        }
    }
}

/// The client's node.
pub(super) struct Client<T> {
    pub(super) node: T,
    pub(super) server: PeerId,
}

impl<T: Talker> Client<T> {
    /// Starts the node, and waits until it knows the other.
    pub(super) async fn meet(job: &Job) -> Result<Self, Failure> {
        let (node, server) = meet(job).await?;
        Ok(Self { node, server })
    }
}

impl<T: Talker> Exchange for Client<T> {
    type Message = Content;

    fn message(kind: Kind, size: usize) -> Content {
        content(kind, size)
    }

    async fn send(&mut self, message: &Content) -> Result<(), Failure> {
        Ok(self.node.whisper(self.server, message.clone()).await?)
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        message(&self.node).await.map(drop)
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
