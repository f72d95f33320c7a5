//! The search through all states.

use std::{
    collections::HashSet, eprintln, format, string::String, time::Instant as Clock, vec, vec::Vec,
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
    pub(super) fn run(self) -> usize {
        let begin = Clock::now();
        let mut figures = Figures::default();
        if let Err((what, trace)) = self.explore(&mut figures, usize::MAX) {
            let shortest = (1..trace.len()).find_map(|depth| {
                let found = self.explore(&mut Figures::default(), depth);
                found.err()
            });
            let (what, trace) = shortest.unwrap_or((what, trace));
            let lines: Vec<_> = trace.iter().map(|action| format!("  {action}\n")).collect();
            panic!("{}: {what}\n{}", self.name, lines.concat());
        }
        eprintln!("{}: {figures:?} in {:?}", self.name, begin.elapsed());
        figures.states
    }

    fn explore(&self, figures: &mut Figures, most: usize) -> Result<(), (String, Vec<Action>)> {
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
            figures.steps += 1;
            trace.push(action);
            if let Some(what) = world.ledger.broken {
                return Err((what, trace));
            }
            let key = (
                world.digest(),
                if most == usize::MAX { 0 } else { trace.len() },
            );
            if trace.len() > most || !seen.insert(key) {
                trace.pop();
                continue;
            }
            figures.states += 1;
            figures.deepest = figures.deepest.max(trace.len());
            assert!(figures.states <= self.limit, "{}: {figures:?}", self.name);
            let step = self.step(world);
            let is_last =
                step.world.due().is_empty() && !step.actions.as_slice().contains(&Action::Wait);
            if is_last && settled.insert(step.world.digest_of_network()) {
                figures.leaves += 1;
                let whole = figures.leaves.is_multiple_of(64);
                if let Err(what) = settle(step.world.clone(), whole) {
                    return Err((what, trace));
                }
            }
            path.push(step);
        }
        Ok(())
    }

    fn step(&self, world: World) -> Step {
        let actions = world.actions(&self.lies, &self.failures).into_iter();
        Step { world, actions }
    }
}

/// The adversary is gone, and nothing fails any more: everything must come right within a minute in
/// which the applications send. If `whole`, the network is watched for half a minute more.
fn settle(mut world: World, whole: bool) -> Result<(), String> {
    const MINUTE: Duration = Duration::from_secs(60);
    world.prompt_beacons = true;
    world.dismiss_eve();
    let begin = world.now;
    while world.now.since(begin) < MINUTE && (whole || !is_settled(&world)) {
        // Only who is sent to shows that it is there. Rarely, so that silence comes to its end.
        if world.now >= begin + MINUTE / 2 || world.now == begin {
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
    awaits.iter().all(|awaited| awaited.is_empty()) && world.is_healthy() && world.is_awake()
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
