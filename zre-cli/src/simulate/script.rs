//! What happens to a simulated network, and when.

use std::time::Duration;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

use super::{options::Options, program::below};

/// How long a restarted node is down.
const DOWN: Duration = Duration::from_secs(1);

/// One step of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Start(u32),
    Crash(u32),
    Restart(u32),
    /// Its host gets another address.
    Move(u32),
    Part,
    Heal,
    /// Look at the figures.
    Look,
}

/// All steps in order.
pub(super) fn script(options: &Options, nodes: u32) -> Vec<(Duration, Step)> {
    let mut chance = ChaCha8Rng::seed_from_u64(options.seed);
    let mut script: Vec<_> = (0..nodes)
        .map(|node| (moment(&mut chance, options.spread), Step::Start(node)))
        .collect();
    for (at, node) in in_the_midst(options, options.churn, nodes, &mut chance) {
        script.push((at, Step::Crash(node)));
        // A restart after the end is dropped, and the node stays down.
        script.push((at + DOWN, Step::Restart(node)));
    }
    for (at, node) in in_the_midst(options, options.moves, nodes, &mut chance) {
        script.push((at, Step::Move(node)));
    }
    if let Some(partition) = options.partition {
        script.push((partition.at, Step::Part));
        script.push((partition.at + partition.lasts, Step::Heal));
    }
    let step = look_interval(options.duration);
    let looks = (1..).map(|number| step * number);
    script.extend(
        looks
            .take_while(|at| *at < options.duration)
            .map(|at| (at, Step::Look)),
    );
    script.retain(|(at, _)| *at < options.duration);
    script.push((options.duration, Step::Look));
    // By time, then by kind, so that the same options give the same order.
    script.sort();
    script
}

/// Draws nodes, so many a minute, each with a moment after all have started and before the last
/// fifth of the time.
fn in_the_midst(
    options: &Options,
    rate: f64,
    nodes: u32,
    chance: &mut ChaCha8Rng,
) -> Vec<(Duration, u32)> {
    let span = (options.duration * 4 / 5).saturating_sub(options.spread);
    let count = in_whole((rate * span.as_secs_f64() / 60.0).round());
    let drawn = (0..count).map(|_| {
        let at = options.spread + moment(chance, span);
        let node = below(chance, usize::try_from(nodes).unwrap_or(usize::MAX));
        (at, u32::try_from(node).unwrap_or(0))
    });
    drawn.collect()
}

/// How often figures are taken: often enough for a picture.
pub(super) fn look_interval(duration: Duration) -> Duration {
    (duration / 3000).max(Duration::from_millis(10))
}

fn moment(chance: &mut ChaCha8Rng, within: Duration) -> Duration {
    let micros = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(chance.next_u64() % micros.saturating_add(1))
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a rate and a duration within their bounds"
)]
fn in_whole(number: f64) -> u64 {
    number as u64
}
