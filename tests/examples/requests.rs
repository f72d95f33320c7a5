//! Asks a group of workers, or is one. Usage: `requests ask COUNT WORKERS --name=NAME` or
//! `requests serve --name=NAME`. It uses the default interface, so run it in a network namespace.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use zre_tokio::{Answer, Node, PeerId};

/// So many requests are under way at a time.
const AT_A_TIME: usize = 64;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let name = arguments.last().and_then(|it| it.strip_prefix("--name="));
    let node = Node::builder(name.ok_or("which name?")?);
    match &arguments[..] {
        [role, count, workers, _] if role == "ask" => {
            let node = started(node.start().await?);
            ask(node, count.parse()?, workers.parse()?).await
        }
        [role, _] if role == "serve" => serve(&started(node.join("WORKERS").start().await?)).await,
        _ => Err("ask or serve?".into()),
    }
}

fn started(node: Node) -> Node {
    let (uuid, name) = (node.id().to_string(), node.name().to_string());
    say(&json!({"event": "START", "uuid": uuid, "name": name}));
    node
}

fn say(line: &Value) {
    // Nothing to do if nobody listens.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Answers with what was asked, in capitals, as the worker in docs/REQUESTS.md does.
async fn serve(node: &Node) -> Result<(), Box<dyn Error>> {
    let mut requests = node.requests();
    while let Some(request) = requests.next().await {
        let answer = request.content().to_string_lossy().to_uppercase();
        // Who asks may have gone.
        let _gone = request.answer(answer).await;
    }
    Ok(())
}

/// Asks, and says what the outcomes were: how many answers each worker gave, and how often each
/// error came. An answer that is wrong, or of another than the one who was asked, is an error.
async fn ask(node: Node, count: usize, workers: usize) -> Result<(), Box<dyn Error>> {
    node.wait_for_group("WORKERS", workers).await?;
    say(&json!({"event": "READY"}));
    let (begun, next) = (std::time::Instant::now(), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..AT_A_TIME)
        .map(|_| tokio::spawn(ask_some(node.clone(), Arc::clone(&next), count)))
        .collect();
    let (mut answers, mut errors) = (BTreeMap::new(), BTreeMap::new());
    for task in tasks {
        for outcome in task.await? {
            match outcome {
                Ok(peer) => *answers.entry(peer.to_string()).or_insert(0) += 1,
                Err(error) => *errors.entry(error).or_insert(0) += 1,
            }
        }
    }
    let millis = begun.elapsed().as_millis();
    say(&json!({"event": "DONE", "answers": answers, "errors": errors, "ms": millis}));
    node.stop().await;
    Ok(())
}

async fn ask_some(
    node: Node,
    next: Arc<AtomicUsize>,
    count: usize,
) -> Vec<Result<PeerId, &'static str>> {
    let mut outcomes = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return outcomes;
        }
        if number == count / 4 {
            say(&json!({"event": "QUARTER"}));
        }
        let request = node.request_any("WORKERS", format!("request {number}"));
        outcomes.push(match request.timeout(Duration::from_secs(20)).await {
            Ok(Answer { peer, content, .. }) if content == format!("REQUEST {number}") => Ok(peer),
            Ok(_) => Err("wrong"),
            Err(zre_tokio::Error::Gone(_)) => Err("gone"),
            Err(zre_tokio::Error::TimedOut(_)) => Err("timed out"),
            Err(_) => Err("other"),
        });
    }
}
