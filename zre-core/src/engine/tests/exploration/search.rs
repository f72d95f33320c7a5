//! The search through all states.

use std::{
    collections::{BTreeMap, HashSet},
    eprintln, format,
    string::String,
    time::Instant as Clock,
    vec,
    vec::Vec,
};

use core::time::Duration;

use super::{
    action::{Action, Failure},
    lies::Lie,
    world::{ALICE, BOB, World},
};

/// What is explored.
pub(super) struct Search {
    pub(super) name: &'static str,
    pub(super) start: World,
    pub(super) lies: Vec<Lie>,
    pub(super) failures: Vec<Failure>,
    /// How many states there may be.
    pub(super) limit: usize,
}

/// A state, and what is still to be tried in it.
struct Step {
    world: World,
    actions: vec::IntoIter<Action>,
}

#[derive(Debug, Default)]
struct Figures {
    states: usize,
    steps: usize,
    leaves: usize,
    deepest: usize,
}

impl Search {
    /// Visits every state once, and lets the network settle from each that is the last.
    pub(super) fn run(self) {
        let begin = Clock::now();
        let mut run = Run::default();
        self.explore(&mut run);
        let figures = &run.figures;
        eprintln!("{}: {figures:?} in {:?}", self.name, begin.elapsed());
        assert!(run.faults.is_empty(), "{}", run.report());
    }

    fn explore(&self, run: &mut Run) {
        let mut seen = HashSet::new();
        let mut settled = HashSet::new();
        let mut path = vec![self.step(self.start.clone())];
        let mut trace = Vec::new();
        while let Some(step) = path.last_mut() {
            let Some(action) = step.actions.next() else {
                path.pop();
                trace.pop();
                continue;
            };
            let mut world = step.world.clone();
            world.act(action);
            run.figures.steps += 1;
            trace.push(action);
            if let Some(what) = world.ledger.broken {
                run.note(what, &trace);
                trace.pop();
                continue;
            }
            if !seen.insert(world.digest()) {
                trace.pop();
                continue;
            }
            run.figures.states += 1;
            run.figures.deepest = run.figures.deepest.max(trace.len());
            let figures = &run.figures;
            assert!(figures.states <= self.limit, "{}: {figures:?}", self.name);
            let step = self.step(world);
            if step.is_last() && settled.insert(step.world.digest_of_network()) {
                run.figures.leaves += 1;
                let whole = run.figures.leaves.is_multiple_of(64);
                if let Err(what) = settle(step.world.clone(), whole) {
                    run.note(what, &trace);
                }
            }
            path.push(step);
        }
    }

    fn step(&self, world: World) -> Step {
        let actions = world.actions(&self.lies, &self.failures).into_iter();
        Step { world, actions }
    }
}

impl Step {
    /// Whether nothing more happens of itself in the time that is explored.
    fn is_last(&self) -> bool {
        self.world.due().is_empty() && !self.actions.as_slice().contains(&Action::Wait)
    }
}

/// What a search has found so far.
#[derive(Default)]
struct Run {
    figures: Figures,
    /// The shortest way to each fault, by what it is and what was done for it.
    faults: BTreeMap<String, Vec<Action>>,
}

impl Run {
    fn note(&mut self, what: String, trace: &[Action]) {
        let is_deed = |action: &&Action| matches!(action, Action::Lie(_) | Action::Fail(_));
        let deeds: Vec<_> = trace.iter().filter(is_deed).collect();
        let known = self.faults.entry(format!("{what} after {deeds:?}"));
        let known = known.or_insert_with(|| trace.to_vec());
        if trace.len() < known.len() {
            *known = trace.to_vec();
        }
    }

    fn report(&self) -> String {
        let faults = self.faults.iter();
        let told = faults.map(|(what, trace)| format!("{what}:\n  {trace:?}\n"));
        told.collect()
    }
}

/// The adversary is gone, and nothing fails any more: everything must come right within a minute
/// and a half, in which the applications send. If `whole`, the network is watched for half a minute
/// more.
fn settle(mut world: World, whole: bool) -> Result<(), String> {
    /// The system finds out within a minute that an idle connection is dead.
    const TIME: Duration = Duration::from_secs(90);
    world.prompt_beacons = true;
    world.dismiss_eve();
    let begin = world.now;
    while world.now.since(begin) < TIME && (whole || !is_settled(&world)) {
        // Only who is sent to shows that it is there. Rarely, so that silence comes to its end.
        if world.now >= begin + TIME / 2 || world.now == begin {
            whisper(&mut world);
        }
        run(&mut world)?;
    }
    if !is_settled(&world) {
        return Err("it does not settle".into());
    }
    let opened = world.opened;
    whisper(&mut world);
    let end = world.now + Duration::from_secs(if whole { 30 } else { 1 });
    while world.now <= end {
        run(&mut world)?;
    }
    match () {
        () if world.opened != opened => Err("connections are opened for ever".into()),
        () if !is_settled(&world) => Err("it does not stay settled".into()),
        () => Ok(()),
    }
}

fn whisper(world: &mut World) {
    for host in [ALICE, BOB] {
        // At most one waits for its end.
        if world.ledger.awaits(host).is_empty() {
            world.whisper(host);
        }
    }
}

fn is_settled(world: &World) -> bool {
    let awaits = [ALICE, BOB].map(|host| world.ledger.awaits(host));
    awaits.iter().all(|awaited| awaited.is_empty())
        && world.is_healthy()
        && world.is_awake()
        && world.agrees()
}

/// Lets everything happen that is due, and time pass once.
fn run(world: &mut World) -> Result<(), String> {
    for _ in 0..10_000 {
        let Some(action) = world.due().first().copied() else {
            world.act(Action::Wait);
            return match world.ledger.broken.take() {
                Some(what) => Err(format!("later, {what}")),
                None => Ok(()),
            };
        };
        world.act(action);
    }
    Err("it does not come to rest".into())
}
