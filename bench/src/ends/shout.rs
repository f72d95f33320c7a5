//! What a message to many peers costs the sender, with shouts and with whispers.

use bytes::Bytes;
use zre_tokio::{Content, Event, PeerId};

use super::{
    nodes::{content, kind, message},
    talker::{Start, Talker},
    timing::Kind,
};
use crate::{
    Failure,
    job::{Figures, Job, Line},
    process::cpu_time,
    results::count,
};

const GROUP: &str = "MEMBERS";

/// Runs all members of the group. They receive messages and answer the last of each batch.
pub(super) async fn listen<T: Talker>(job: &Job, members: usize) -> Result<Figures, Failure> {
    let mut nodes = Vec::new();
    for number in 0..members {
        let start = Start {
            group: Some(GROUP),
            ..Start::new(format!("member-{number}"), job.port)
        };
        nodes.push(T::start(&start).await?);
    }
    Line::Ready(String::new()).print()?;
    loop {
        for node in &nodes {
            let Some(sender) = last_of_batch(node).await? else {
                return Ok(Figures::new());
            };
            node.whisper(sender, content(Kind::End, 1)).await?;
        }
    }
}

/// Waits for the end of a batch. Returns who sent it; `None` if the sender is done.
async fn last_of_batch<T: Talker>(node: &T) -> Result<Option<PeerId>, Failure> {
    loop {
        match node.recv().await.ok_or("the node has stopped")? {
            Event::Whisper { peer, content, .. } if kind(&content) == Kind::End => {
                return Ok(Some(peer));
            }
            Event::Exit { name, .. } if name == "sender" => return Ok(None),
            _ => {}
        }
    }
}

/// Sends batches by whispers and by shouts in turn, and compares the processor time of this
/// process.
pub(super) async fn send<T: Talker>(job: &Job, members: usize) -> Result<Figures, Failure> {
    let node = T::start(&Start::new("sender", job.port)).await?;
    let mut peers = Vec::new();
    while peers.len() < members {
        if let Event::Join { peer, .. } = node.recv().await.ok_or("the node has stopped")? {
            peers.push(peer);
        }
    }
    let sender = Sender {
        node: &node,
        peers: &peers,
        content: Bytes::from(Kind::Data.message(job.size)).into(),
        // As much as may wait for a peer, so that both meet the same backpressure.
        messages: ((8 << 20) / job.size.max(1)).clamp(1, 1000),
    };
    sender.whispers().await?;
    sender.shouts().await?;
    let (mut whispers, mut shouts) = (Vec::new(), Vec::new());
    for _ in 0..job.count {
        whispers.push(sender.whispers().await?);
        shouts.push(sender.shouts().await?);
    }
    node.stop().await;
    let (whisper, shout) = (median(whispers), median(shouts));
    Ok(Figures::from([
        ("whisper_cpu_us".to_owned(), whisper),
        ("shout_cpu_us".to_owned(), shout),
        ("ratio".to_owned(), shout / whisper),
    ]))
}

struct Sender<'n, T> {
    node: &'n T,
    peers: &'n [PeerId],
    content: Content,
    messages: usize,
}

impl<T: Talker> Sender<'_, T> {
    async fn whispers(&self) -> Result<f64, Failure> {
        let before = cpu_time();
        for _ in 0..self.messages {
            for peer in self.peers {
                self.node.whisper(*peer, self.content.clone()).await?;
            }
        }
        self.finish().await?;
        Ok(self.each(cpu_time() - before))
    }

    async fn shouts(&self) -> Result<f64, Failure> {
        let before = cpu_time();
        for _ in 0..self.messages {
            let reached = self.node.shout(GROUP, self.content.clone()).await?;
            if reached != self.peers.len() {
                return Err(format!("a shout reached {reached} members").into());
            }
        }
        self.finish().await?;
        Ok(self.each(cpu_time() - before))
    }

    /// Waits until all members have received everything.
    async fn finish(&self) -> Result<(), Failure> {
        for peer in self.peers {
            self.node.whisper(*peer, content(Kind::End, 1)).await?;
        }
        for _ in self.peers {
            message(self.node).await?;
        }
        Ok(())
    }

    /// Microseconds for each copy that was delivered.
    fn each(&self, cpu: std::time::Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / count(self.messages * self.peers.len())
    }
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
