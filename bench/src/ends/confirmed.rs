//! What it costs to have each message confirmed.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use zre_tokio::{Content, Error, PeerId};

use super::{
    nodes::Client,
    shout::median,
    talker::{AsyncNode, Talker},
    timing::{Exchange as _, Kind},
};
use crate::{
    Failure,
    job::{Figures, Job},
    results::count,
};

/// So many messages are under way at a time.
pub(super) const UNDER_WAY: usize = 1000;
/// Each of the two kinds of sending takes turns so often.
const TURNS: u32 = 8;

/// Sends plain whispers and confirmed ones in turn, and compares their rates. All have arrived when
/// a turn ends.
pub(super) async fn send<T: Talker>(job: &Job) -> Result<Figures, Failure> {
    let mut client = Client::<T>::meet(job).await?;
    let content: Content = Bytes::from(Kind::Data.message(job.size)).into();
    let messages = (job.count / TURNS as usize).next_multiple_of(UNDER_WAY);
    let (mut plain, mut confirmed) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let (node, peer) = (&client.node, client.server);
        let begun = Instant::now();
        for _ in 0..messages {
            node.whisper(peer, content.clone()).await?;
        }
        node.flush(peer).await?;
        let without = begun.elapsed();
        let begun = Instant::now();
        node.whisper_all_confirmed(peer, &content, messages).await?;
        // The first turn warms up.
        if turn > 0 {
            plain.push(rate(messages, without));
            confirmed.push(rate(messages, begun.elapsed()));
        }
    }
    client.send(&super::nodes::content(Kind::End, 1)).await?;
    client.receive().await?;
    client.node.stop().await;
    let (plain, confirmed) = (median(plain), median(confirmed));
    Ok(Figures::from([
        ("plain_rate".to_owned(), plain),
        ("confirmed_rate".to_owned(), confirmed),
        ("ratio".to_owned(), confirmed / plain),
    ]))
}

fn rate(messages: usize, time: Duration) -> f64 {
    count(messages) / time.as_secs_f64()
}

/// Whispers, each confirmed, with [`UNDER_WAY`] of them at a time.
pub(super) async fn whisper_all<N: AsyncNode>(
    node: &N,
    peer: PeerId,
    content: &Content,
    messages: usize,
) -> Result<(), Error> {
    let mut under_way = VecDeque::with_capacity(UNDER_WAY);
    for _ in 0..messages {
        if under_way.len() == UNDER_WAY {
            next(&mut under_way).await?;
        }
        let mut whisper = Box::pin(node.whisper_confirmed(peer, content.clone()));
        // It is sent when it is polled.
        if let Poll::Ready(confirmed) = poll_once(whisper.as_mut()).await {
            confirmed?;
        } else {
            under_way.push_back(whisper);
        }
    }
    while !under_way.is_empty() {
        next(&mut under_way).await?;
    }
    Ok(())
}

async fn next<F: Future<Output = Result<(), Error>>>(
    under_way: &mut VecDeque<Pin<Box<F>>>,
) -> Result<(), Error> {
    match under_way.pop_front() {
        Some(first) => first.await,
        None => Ok(()),
    }
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
