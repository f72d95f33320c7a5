//! Many requests to workers of all adapters, of which some die while they are asked.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy takes only `#[test]` functions for tests"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use zre_core::{Error, proto::PeerId};
use zre_tests::any_node::{
    AnyNode,
    Flavour::{self, Blocking, Smol, TokioCurrent, TokioMulti},
    Host, NodeOptions,
};

const WORKERS: [Flavour; 8] = [
    // These two die.
    TokioCurrent,
    Smol,
    TokioMulti,
    TokioCurrent,
    Smol,
    Smol,
    Blocking,
    Blocking,
];
/// So many requests are under way at a time.
const AT_A_TIME: usize = 64;

struct Tally {
    count: usize,
    next: AtomicUsize,
    answered: AtomicUsize,
    gone: AtomicUsize,
}

impl Tally {
    /// The number of the next request.
    fn next(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.count).then_some(number)
    }

    fn known(&self) -> usize {
        self.answered.load(Ordering::Relaxed) + self.gone.load(Ordering::Relaxed)
    }
}

/// Asks as long as there is something to ask; says how many answers each worker gave.
async fn ask_some(node: zre_tokio::Node, tally: Arc<Tally>) -> BTreeMap<PeerId, usize> {
    let mut answers = BTreeMap::new();
    while let Some(number) = tally.next() {
        let request = node.request_any("WORKERS", number.to_string());
        match request.timeout(Duration::from_secs(60)).await {
            Ok(answer) => {
                assert_eq!(answer.content, [&*number.to_string(), "done"]);
                *answers.entry(answer.peer).or_insert(0) += 1;
                tally.answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::Gone(_)) => _ = tally.gone.fetch_add(1, Ordering::Relaxed),
            Err(error) => panic!("{error}"),
        }
    }
    answers
}

fn worker(host: &Arc<Host>, name: &str, port: u16) -> AnyNode {
    let mut options = NodeOptions::local(name, port);
    options.groups = vec!["WORKERS".into()];
    let worker = host.start(options).unwrap();
    // It serves as long as the node runs.
    let _serving = worker.requests().serve(|asked| {
        let mut answer = asked.clone();
        answer.push("done");
        answer
    });
    worker
}

fn ask_workers_that_die(count: usize, port: u16) {
    let hosts = WORKERS.map(Host::new);
    let mut workers: Vec<_> = (0..)
        .zip(&hosts)
        .map(|(number, host)| worker(host, &format!("worker{number}"), port))
        .collect();
    let ids: Vec<PeerId> = workers.iter().map(AnyNode::id).collect();
    let [first, second, _alive @ ..] = hosts;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let begun = Instant::now();
    let tally = Arc::new(Tally {
        count,
        next: AtomicUsize::new(0),
        answered: AtomicUsize::new(0),
        gone: AtomicUsize::new(0),
    });
    let node = runtime.block_on(async {
        let builder = zre_tokio::Node::builder("asker").interface("127.0.0.1");
        let node = builder.port(port).start().await.unwrap();
        node.wait_for_group("WORKERS", WORKERS.len()).await.unwrap();
        node
    });
    let tasks: Vec<_> = (0..AT_A_TIME)
        .map(|_| runtime.spawn(ask_some(node.clone(), Arc::clone(&tally))))
        .collect();
    for (part, host) in [(4, first), (2, second)] {
        while tally.known() < count / part {
            assert!(begun.elapsed() < Duration::from_secs(300), "they hang");
            // Nothing wakes for this.
            thread::park_timeout(Duration::from_millis(1));
        }
        let dies = workers.remove(0).into_bare();
        assert!(host.end_abruptly());
        drop(dies);
    }
    let answers = runtime.block_on(async {
        let mut answers = BTreeMap::new();
        for task in tasks {
            for (peer, count) in task.await.unwrap() {
                *answers.entry(peer).or_insert(0) += count;
            }
        }
        node.stop().await;
        answers
    });
    let gone = tally.gone.load(Ordering::Relaxed);
    println!(
        "{count} requests in {:?}, {gone} gone: {answers:?}",
        begun.elapsed()
    );
    assert_eq!(tally.known(), count, "each has one outcome");
    assert_eq!(answers.values().sum::<usize>() + gone, count);
    // No more than were under way.
    assert!((1..=AT_A_TIME).contains(&gone), "{gone} are gone");
    assert!(ids.iter().all(|id| answers.contains_key(id)), "{answers:?}");
}

#[test]
fn each_request_to_workers_that_die_has_one_outcome() {
    ask_workers_that_die(20_000, 15_681);
}

#[test]
#[ignore = "takes some time"]
fn each_of_a_hundred_thousand_requests_to_workers_that_die_has_one_outcome() {
    ask_workers_that_die(100_000, 15_682);
}
