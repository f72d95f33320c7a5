//! What the suites of scenes with real peers share.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value that lacks a key gives null, which compares as unequal"
)]

use std::{
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{Peer, RealPeers, any_node::Flavour, grid, programs};

/// The adapters. Of two flavours of one, the more usual.
pub const ADAPTERS: [Flavour; 3] = [Flavour::TokioMulti, Flavour::Smol, Flavour::Blocking];

/// How many scenes are played at once. They mostly wait.
const WORKERS: usize = 6;

/// How often a whisper is repeated that may have been lost.
const PROBE_PACE: Duration = Duration::from_millis(50);

/// Plays a scene on each adapter, if this machine can play any.
pub fn on_each_adapter(play: impl Fn(&RealPeers, Flavour) + Sync) {
    in_all_cases(&ADAPTERS, |rig, flavour| play(rig, *flavour));
}

/// Plays a scene in each of these cases, some at once, if this machine can play any.
pub fn in_all_cases<T: Sync>(cases: &[T], play: impl Fn(&RealPeers, &T) + Sync) {
    if let Some(rig) = RealPeers::available() {
        // Built now, not while a time is measured.
        programs::pipe_node().unwrap_or_else(|reason| panic!("{reason}"));
        lateness(Instant::now());
        grid::run(WORKERS, [cases.len(), 1], |case, _| {
            play(&rig, &cases[case]);
        });
    }
}

/// What is measured from a moment on, and told in the test's output.
#[derive(Debug)]
pub struct Clock {
    what: String,
    started: Instant,
}

impl Clock {
    /// Begins to measure. `what` says what has happened.
    pub fn start(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            started: Instant::now(),
        }
    }

    /// Says how long it took.
    ///
    /// # Panics
    ///
    /// When it took longer than this, and some more on a busy machine.
    #[track_caller]
    pub fn stop(&self, event: &str, allowed: Duration) {
        let Self { what, started } = self;
        let took = started.elapsed();
        println!("{what}: {event} after {} ms", took.as_millis());
        let allowed = allowed + 10 * lateness(*started);
        assert!(
            took <= allowed,
            "{what}: {event} after {took:?}, not {allowed:?}"
        );
    }
}

/// By how much a thread that waits was woken too late at most, from a moment on.
fn lateness(since: Instant) -> Duration {
    const PACE: Duration = Duration::from_millis(20);
    static LATE: Mutex<Vec<(Instant, Duration)>> = Mutex::new(Vec::new());
    static MEASURED: Once = Once::new();
    let seen = || LATE.lock().unwrap_or_else(PoisonError::into_inner);
    MEASURED.call_once(|| {
        // Ends with the process.
        thread::spawn(move || {
            loop {
                let begun = Instant::now();
                thread::park_timeout(PACE);
                let late = begun.elapsed().saturating_sub(PACE);
                if late > PACE {
                    seen().push((begun, late));
                }
            }
        });
    });
    let seen = seen();
    let later = seen.iter().filter(|(begun, _)| *begun + PACE >= since);
    later.map(|(_, late)| *late).max().unwrap_or_default()
}

/// Each sees the other enter.
pub fn meet(here: &Peer, there: &Peer) {
    here.wait_event("ENTER", there.uuid());
    there.wait_event("ENTER", here.uuid());
}

/// Every one sees every other enter.
pub fn all_meet(peers: &[&Peer]) {
    for (index, here) in peers.iter().enumerate() {
        for there in &peers[index + 1..] {
            meet(here, there);
        }
    }
}

/// Waits until each of the two has got a whisper that the other has sent from now on, however many
/// are lost before.
///
/// # Panics
///
/// When that takes longer than this.
#[track_caller]
pub fn talk(here: &Peer, there: &Peer, within: Duration) {
    let deadline = Instant::now() + within;
    let first = next_probe();
    let mut waiting = vec![(here, there), (there, here)];
    while !waiting.is_empty() {
        for (from, to) in &waiting {
            from.whisper(to.uuid(), &[next_probe().to_string()]);
        }
        waiting.retain(|(from, to)| !hears_probe(from, to, first));
        let missing = waiting.first().map(|(from, to)| (from.name(), to.name()));
        assert!(
            missing.is_none() || Instant::now() < deadline,
            "nothing comes from {missing:?} within {within:?}\n{}\n{}",
            here.said(),
            there.said()
        );
    }
}

fn next_probe() -> u64 {
    static PROBES: AtomicU64 = AtomicU64::new(0);
    PROBES.fetch_add(1, Ordering::Relaxed)
}

fn hears_probe(from: &Peer, to: &Peer, first: u64) -> bool {
    let heard = to.try_wait_for(PROBE_PACE, |line| {
        let is_whisper = line["event"] == "WHISPER" && line["peer"] == from.uuid();
        let text = line["frames"][0]
            .as_str()
            .and_then(|it| hex::decode(it).ok());
        let number = text.and_then(|it| String::from_utf8(it).ok()?.parse::<u64>().ok());
        is_whisper && number.is_some_and(|it| it >= first)
    });
    heard.is_some()
}

/// Whispers and shouts, small and large, between any two.
pub fn converse(peers: &[&Peer]) {
    let large: Vec<u8> = (0..=250).cycle().take(100_000).collect();
    let frames = [b"hello".to_vec(), vec![], large];
    let sent = json!(frames.each_ref().map(hex::encode));
    for peer in peers {
        peer.join("CHAT");
    }
    for from in peers {
        for to in peers.iter().filter(|to| to.uuid() != from.uuid()) {
            to.wait_event("JOIN", from.uuid());
            from.whisper(to.uuid(), &frames);
            let whisper = to.wait_event("WHISPER", from.uuid());
            assert!(whisper["frames"] == sent, "{} got it wrong", to.name());
        }
    }
    for from in peers {
        from.shout("CHAT", &frames);
        for to in peers.iter().filter(|to| to.uuid() != from.uuid()) {
            let shout = to.wait_event("SHOUT", from.uuid());
            assert!(shout["frames"] == sent, "{} got it wrong", to.name());
        }
    }
}

/// All have met once, and nobody has gone.
pub fn assert_one_session(peers: &[&Peer]) {
    for here in peers {
        for there in peers.iter().filter(|there| there.uuid() != here.uuid()) {
            let seen = ["ENTER", "EXIT"].map(|event| told(here, event, there));
            assert_eq!(
                seen,
                [1, 0],
                "{} of {}: {:?}",
                here.name(),
                there.name(),
                here.trace()
            );
        }
    }
}

/// How often a node has told this of the peer.
pub fn told(by: &Peer, event: &str, about: &Peer) -> usize {
    let is_it = |line: &Value| line["event"] == event && line["peer"] == about.uuid();
    by.pick(|line| is_it(line).then_some(())).len()
}
