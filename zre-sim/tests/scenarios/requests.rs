//! Requests to workers that die, in networks that lose and part. Each has exactly one outcome.

use std::collections::BTreeMap;

use zre_sim::{
    App, Conditions, Handle, Level, Sim,
    core::{
        Choice, Error, Event, IncomingRequest, Instant, RequestId,
        proto::{Content, PeerId},
    },
};

use super::{millis, secs};

const WORKERS: [&str; 4] = ["w0", "w1", "w2", "w3"];
const REQUESTS: usize = 2000;

/// Doubles a number.
struct Worker;

impl App for Worker {
    fn handle_event(&mut self, _: Event, node: &mut Handle<'_>) {
        // Also after a restart.
        node.serve_requests();
    }

    fn handle_request(&mut self, request: IncomingRequest, node: &mut Handle<'_>) {
        let number: u64 = request.content.to_str().unwrap().parse().unwrap();
        // Who asks may have gone, or have no room.
        let _lost = node.answer(&request, (number * 2).to_string());
    }
}

/// Asks something every few milliseconds, and notes the outcomes.
#[derive(Default)]
struct Asker {
    asks_at: Option<Instant>,
    asked: BTreeMap<RequestId, (PeerId, u64)>,
    outcomes: BTreeMap<&'static str, usize>,
    skipped: usize,
    left: usize,
}

impl App for Asker {
    fn handle_event(&mut self, _: Event, _: &mut Handle<'_>) {}

    fn handle_outcome(
        &mut self,
        id: RequestId,
        outcome: Result<Content, Error>,
        _: &mut Handle<'_>,
    ) {
        let (peer, number) = self.asked.remove(&id).expect("one outcome of each");
        let outcome = match outcome {
            Ok(answer) => {
                assert_eq!(answer, (number * 2).to_string());
                "answered"
            }
            Err(Error::Gone(of)) if of == peer => "gone",
            Err(Error::TimedOut(of)) if of == peer => "timed out",
            Err(error) => panic!("{error}"),
        };
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.asks_at.filter(|_| self.left > 0)
    }

    fn handle_timeout(&mut self, node: &mut Handle<'_>) {
        self.asks_at = Some(node.now() + millis(10));
        self.left -= 1;
        let (number, choice) = match self.left % 2 {
            0 => (self.left as u64, Choice::LeastBusy),
            _ => (self.left as u64, Choice::RoundRobin),
        };
        let asked = node.request_any("WORKERS", number.to_string(), choice, Some(secs(2)));
        match asked {
            Ok((peer, id)) => {
                let earlier = self.asked.insert(id, (peer, number));
                assert_eq!(earlier, None);
            }
            Err(Error::NoMembers(_) | Error::Full(_)) => self.skipped += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Asker {
    fn known(&self) -> usize {
        self.outcomes.values().sum()
    }

    fn count(&self, outcome: &str) -> usize {
        self.outcomes.get(outcome).copied().unwrap_or_default()
    }
}

/// A dealer and workers that know each other; the dealer begins to ask.
fn begin(level: Level, seed: u64) -> Sim {
    let mut sim = Sim::with_level(level, seed);
    sim.host("dealer")
        .start_app("dealer", Asker::default(), |_| {});
    for name in WORKERS {
        sim.host(name).start_app(name, Worker, |config| {
            config.groups.insert("WORKERS".parse().unwrap());
        });
    }
    sim.run_until(secs(10), Sim::agrees).unwrap();
    sim.node("dealer").with_app(|asker: &mut Asker, node| {
        asker.asks_at = Some(node.now() + millis(1));
        asker.left = REQUESTS;
    });
    sim
}

/// Lets everything come to an end: then each request has its outcome.
fn finish(sim: &mut Sim) -> (usize, usize, usize) {
    sim.run_for(secs(60));
    sim.check().unwrap_or_else(|error| panic!("{error}"));
    let dealer = sim.node("dealer");
    let asker = dealer.app::<Asker>();
    assert_eq!(asker.asked.len(), 0, "each has an outcome");
    assert_eq!(asker.known() + asker.skipped, REQUESTS);
    let counts = ["answered", "gone", "timed out"].map(|outcome| asker.count(outcome));
    counts.into()
}

const SEEDS: u64 = 5;

#[test]
fn all_requests_are_answered_where_nothing_goes_wrong() {
    for level in [Level::Bytes, Level::Messages] {
        let mut sim = begin(level, 1);
        assert_eq!(finish(&mut sim), (REQUESTS, 0, 0));
    }
}

#[test]
fn a_worker_that_dies_costs_its_open_requests_alone() {
    for seed in 0..SEEDS {
        let mut sim = begin(Level::Bytes, seed);
        for worker in ["w0", "w1"] {
            sim.run_for(secs(4));
            sim.host(worker).crash();
        }
        sim.run_for(secs(4));
        sim.host("w0").restart();
        let (answered, gone, late) = finish(&mut sim);
        assert!(gone + late <= 20, "{gone} are gone, {late} too late");
        assert!(answered >= REQUESTS - 20);
    }
}

#[test]
fn requests_to_workers_that_are_switched_off_are_over_in_time() {
    for seed in 0..SEEDS {
        let mut sim = begin(Level::Messages, seed);
        sim.run_for(secs(5));
        sim.host("w2").power_off();
        let (answered, gone, late) = finish(&mut sim);
        // It has as few open requests as the others, until it is known that it is gone.
        assert!(
            late > 0 && answered > REQUESTS / 2,
            "{answered}, {gone}, {late}"
        );
    }
}

#[test]
fn each_request_has_an_outcome_in_a_network_that_loses_and_parts() {
    for seed in 0..SEEDS {
        for level in [Level::Bytes, Level::Messages] {
            let mut sim = begin(level, seed);
            sim.lan("lan").set(Conditions::wifi());
            sim.run_for(secs(3));
            sim.partition(&["dealer", "w0"], &["w1", "w2", "w3"]);
            sim.run_for(secs(5));
            sim.heal();
            sim.run_for(secs(2));
            sim.host("w1").crash();
            sim.link("dealer", "w3").reset();
            sim.run_for(secs(1));
            sim.host("w1").restart();
            sim.host("w0").freeze();
            sim.run_for(secs(3));
            sim.host("w0").thaw();
            let (answered, gone, late) = finish(&mut sim);
            assert!(answered > REQUESTS / 2 && gone + late > 0);
        }
    }
}

#[test]
fn a_script_asks_and_answers() {
    let mut sim = Sim::new(7);
    for name in ["a", "b"] {
        sim.host(name).start();
    }
    sim.run_until(secs(10), Sim::agrees).unwrap();
    let (a, b) = (sim.node("a").id(), sim.node("b").id());
    let early = sim.node("a").request(b, "early", Some(secs(1))).unwrap();
    sim.run_for(millis(100));
    let seen = sim.events_in_short("b");
    assert!(seen.last().unwrap().ends_with("|early"), "{seen:?}");
    sim.node("b").serve_requests();
    let ids = ["x", "y"].map(|what| sim.node("a").request(b, what, None).unwrap());
    sim.run_for(millis(100));
    let requests = sim.requests("b");
    assert_eq!(requests.len(), 2);
    assert_eq!(sim.outcomes("a"), []);
    assert_eq!(sim.node("b").answer(&requests[0], "answer"), Ok(()));
    assert_eq!(sim.node("b").refuse(&requests[1]), Ok(()));
    let again = sim.node("b").answer(&requests[0], "again");
    assert_eq!(again, Err(Error::UnknownPeer(a)));
    sim.run_for(secs(2));
    let expected = [
        (ids[0], Ok("answer".into())),
        (ids[1], Err(Error::Refused(b))),
        (early, Err(Error::TimedOut(b))),
    ];
    assert_eq!(sim.outcomes("a"), expected);
    sim.check_quiet().unwrap();
}
