//! The figures as tables for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    compare::rival,
    job::System,
    machine::Machine,
    results::{Experiment, Results, mib},
    targets::{self, Bound},
};

/// A column: its head, the figure, and a factor for the figure.
type Column = (&'static str, &'static str, f64);

/// The whole report as text.
pub fn text(machine: &Machine, results: &Results) -> String {
    let mut text = describe(machine);
    for experiment in results.experiments() {
        text.push('\n');
        text += &table(results, experiment);
    }
    text.push('\n');
    text += &standings(results);
    for (experiment, system, why) in results.failures() {
        let _ = writeln!(text, "not measured: {experiment}, {system}: {why}");
    }
    text
}

fn describe(machine: &Machine) -> String {
    format!(
        "{}, {} cores, {} MiB, Linux {}, {}, libzmq {}\n",
        machine.processor,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.compiler,
        machine.libzmq
    )
}

fn columns(experiment: Experiment) -> Vec<Column> {
    match experiment {
        Experiment::RoundTrip { .. } => vec![
            ("p50 us", "p50_us", 1.0),
            ("p90 us", "p90_us", 1.0),
            ("p99 us", "p99_us", 1.0),
            ("max us", "max_us", 1.0),
        ],
        Experiment::OneWay { size } => vec![
            ("messages/s", "rate", 1.0),
            ("MiB/s", "rate", mib(size)),
            ("sender CPU us", "sender_cpu_us", 1.0),
            ("receiver CPU us", "receiver_cpu_us", 1.0),
        ],
        Experiment::Confirmed { .. } => vec![
            ("plain messages/s", "plain_rate", 1.0),
            ("confirmed", "confirmed_rate", 1.0),
            ("ratio", "ratio", 1.0),
        ],
        Experiment::Shout { .. } => vec![
            ("whisper CPU us", "whisper_cpu_us", 1.0),
            ("shout CPU us", "shout_cpu_us", 1.0),
            ("ratio", "ratio", 1.0),
        ],
        Experiment::Request { .. } => vec![
            ("whisper us", "whisper_us", 1.0),
            ("request us", "request_us", 1.0),
            ("ratio", "ratio", 1.0),
        ],
        Experiment::IdlePeer => vec![("KiB", "bytes", 1.0 / 1024.0)],
        Experiment::Crowd => vec![
            ("started s", "start_seconds", 1.0),
            ("settled s", "settled_seconds", 1.0),
            ("descriptors", "descriptors", 1.0),
            ("more a node", "more_descriptors", 1.0),
            ("idle CPU %", "idle_cpu_percent", 1.0),
            ("KiB a peer", "bytes_per_peer", 1.0 / 1024.0),
        ],
        Experiment::Allocations { .. } => vec![
            ("sender", "sender_allocations", 1.0),
            ("receiver", "receiver_allocations", 1.0),
        ],
    }
}

/// The medians of one experiment. Those of the first column are also shown as multiples of the
/// rival's. Systems that encrypt have a rival of their own, which is named.
fn table(results: &Results, experiment: Experiment) -> String {
    let columns = columns(experiment);
    let mut text = format!("{experiment}\n{:14}", "");
    for (head, ..) in &columns {
        let _ = write!(text, " {head:>15}");
    }
    let usual = rival(experiment, System::Tcp);
    if let Some(rival) = usual {
        let _ = write!(text, " {:>15}", format!("x {rival}"));
    }
    text.push('\n');
    for system in results.systems() {
        let median = |figure| results.median(experiment, system, figure);
        let Some((_, first, _)) = columns
            .first()
            .filter(|(_, figure, _)| median(figure).is_some())
        else {
            continue;
        };
        let _ = write!(text, "{system:14}");
        for (_, figure, scale) in &columns {
            let shown = median(figure).map_or("-".to_owned(), |value| number(value * scale));
            let _ = write!(text, " {shown:>15}");
        }
        let rival = rival(experiment, system);
        let ratio = rival.and_then(|rival| results.ratio(experiment, system, rival, first));
        if let Some(ratio) = ratio {
            let _ = write!(text, " {ratio:>15.2}");
        }
        if let Some(other) = rival.filter(|_| ratio.is_some() && rival != usual) {
            let _ = write!(text, " x {other}");
        }
        text.push('\n');
    }
    text
}

fn number(value: f64) -> String {
    match value.abs() {
        1000.0.. => format!("{value:.0}"),
        100.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Each target, and whether each system meets it.
fn standings(results: &Results) -> String {
    let systems: Vec<System> = results
        .systems()
        .into_iter()
        .filter(|system| system.is_node())
        .collect();
    let mut text = format!("{:43}{:>20}", "Target", "bound");
    for system in &systems {
        let _ = write!(text, "{:>16}", system.to_string());
    }
    text.push('\n');
    let (mut met, mut measured) = (0, 0);
    for target in targets::all() {
        let standings: Vec<_> = systems
            .iter()
            .map(|system| target.standing(results, *system))
            .collect();
        if standings.iter().all(Option::is_none) {
            continue;
        }
        let bound = bound(target.bound);
        let _ = write!(
            text,
            "{:43}{:>20}",
            target.name,
            format!("{bound} {}", target.unit)
        );
        for standing in standings {
            let shown = match standing {
                Some(standing) => {
                    (met, measured) = (met + usize::from(standing.pass), measured + 1);
                    let word = if standing.pass { "PASS" } else { "SHORT" };
                    format!("{} {word:5}", number(standing.figure))
                }
                None => "-     ".to_owned(),
            };
            let _ = write!(text, "{shown:>16}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{met} of {measured} meet their target.");
    text
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::AtMost(most) => format!("<= {most}"),
        Bound::AtLeast(least) => format!(">= {least}"),
    }
}

/// The whole report as one JSON value.
pub fn json(machine: &Machine, results: &Results) -> Value {
    let rounds: Vec<Value> = results
        .rounds()
        .map(|(experiment, system, figures)| {
            json!({"measured": experiment, "system": system, "rounds": figures})
        })
        .collect();
    let failures: Vec<Value> = results
        .failures()
        .iter()
        .map(|(experiment, system, why)| {
            json!({"measured": experiment, "system": system, "why": why})
        })
        .collect();
    let mut targets = Vec::new();
    for target in targets::all() {
        for system in results.systems() {
            if let Some(standing) = target
                .standing(results, system)
                .filter(|_| system.is_node())
            {
                targets.push(json!({
                    "target": target.name,
                    "bound": format!("{} {}", bound(target.bound), target.unit).trim_end(),
                    "system": system,
                    "figure": standing.figure,
                    "pass": standing.pass,
                }));
            }
        }
    }
    json!({"machine": machine, "results": rounds, "targets": targets, "failures": failures})
}
