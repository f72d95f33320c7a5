//! Requests to workers of which one is pyre and one zyre, with the program of docs/REQUESTS.md.

use std::time::Duration;

use serde_json::Value;
use zre_tests::{Namespace, Peer, PeerOptions, RealPeers, programs};

/// How long all requests may take.
const LONG: Duration = Duration::from_secs(120);

fn ours(network: &Namespace, arguments: &[&str], name: &str) -> Peer {
    let program = programs::example("zre-tests", "requests");
    let program = program.unwrap_or_else(|error| panic!("{error}"));
    Peer::command(network, program, arguments, &PeerOptions::new(name))
}

fn answers_of(done: &Value, peer: &Peer) -> u64 {
    done["answers"][peer.uuid()].as_u64().unwrap_or_default()
}

/// Asks 8 workers, of which two of ours are killed when a quarter has been asked.
fn ask_workers(count: u64) {
    let Some(rig) = RealPeers::available() else {
        return;
    };
    let network = rig.namespace();
    let asked = count.to_string();
    let asker = ours(&network, &["ask", &asked, "8"], "asker");
    let pyre = Peer::worker(&network, "pyre");
    let zyre = Peer::worker(&network, "zyre");
    let workers = [0, 1, 2, 3, 4, 5].map(|number| {
        let name = format!("worker{number}");
        ours(&network, &["serve"], &name)
    });
    asker.wait_for(LONG, |line| line["event"] == "QUARTER");
    workers[0].kill9();
    workers[1].kill9();
    let done = asker.wait_for(LONG, |line| line["event"] == "DONE");
    println!("{count} requests in {} ms: {done}", done["ms"]);
    // Each has one outcome.
    let errors = done["errors"].as_object().expect("a map");
    let gone = errors.get("gone").and_then(Value::as_u64);
    let gone = gone.unwrap_or_default();
    assert!(errors.keys().all(|error| error == "gone"), "{done}");
    let all = [&pyre, &zyre].into_iter().chain(&workers);
    let answered: u64 = all.map(|peer| answers_of(&done, peer)).sum();
    assert_eq!(answered + gone, count, "{done}");
    // No more than were under way.
    assert!(gone <= 64, "{done}");
    for peer in [&pyre, &zyre].into_iter().chain(&workers) {
        assert!(
            answers_of(&done, peer) > 0,
            "{} gave none: {done}",
            peer.name()
        );
    }
}

#[test]
fn pyre_and_zyre_answer_requests_among_workers_that_die() {
    ask_workers(20_000);
}

#[test]
#[ignore = "takes a minute"]
fn pyre_and_zyre_answer_a_hundred_thousand_requests() {
    ask_workers(100_000);
}
