//! What a request costs more than two whispers.

use std::time::Instant;

use super::{
    nodes::{content, kind, meet, message, server},
    shout::median,
    talker::Talker,
    timing::Kind,
};
use crate::{
    Failure,
    job::{Figures, Job},
    results::count,
};

/// Sends whispers back, and answers requests with what was asked, in turn. Each part ends with the
/// last of a batch, and all of it when the client goes.
pub(super) async fn answer<T: Talker>(job: &Job) -> Result<Figures, Failure> {
    let node = server::<T>(job).await?;
    let mut requests = node.requests();
    loop {
        loop {
            // It fails when the client has gone.
            let Ok((client, content)) = message(&node).await else {
                return Ok(Figures::new());
            };
            let is_last = kind(&content) == Kind::End;
            node.whisper(client, content).await?;
            if is_last {
                break;
            }
        }
        while kind(&T::answer_next(&mut requests).await?) != Kind::End {}
    }
}

/// Sends a message and waits for it to come back, by whispers and by requests in turn.
pub(super) async fn ask<T: Talker>(job: &Job) -> Result<Figures, Failure> {
    let (node, server) = meet::<T>(job).await?;
    let (mut whispers, mut requests) = (Vec::new(), Vec::new());
    // The first batches warm up.
    for _ in 0..=BATCHES {
        let begun = Instant::now();
        for number in 1..=job.count {
            node.whisper(server, part(job, number)).await?;
            message(&node).await?;
        }
        whispers.push(begun.elapsed());
        let begun = Instant::now();
        for number in 1..=job.count {
            node.request(server, part(job, number)).await?;
        }
        requests.push(begun.elapsed());
    }
    node.stop().await;
    let [whisper, request] = [whispers, requests].map(|times| {
        let measured = times.into_iter().skip(1);
        median(measured.map(|time| time.as_secs_f64()).collect()) * 1e6 / count(job.count)
    });
    Ok(Figures::from([
        ("whisper_us".to_owned(), whisper),
        ("request_us".to_owned(), request),
        ("ratio".to_owned(), request / whisper),
    ]))
}

const BATCHES: usize = 9;

/// A message of a batch, of which the last says so.
fn part(job: &Job, number: usize) -> zre_tokio::Content {
    match number == job.count {
        true => content(Kind::End, job.size),
        false => content(Kind::Data, job.size),
    }
}
