//! The table of all attacks.

use std::{
    fmt::Display,
    io::{self, Write as _},
    time::Duration,
};

use crate::{
    Attack, FLAVOURS,
    cell::{Outcome, Report},
    scene::MIB,
};

/// Prints a line for each attack; where two or more numbers stand together they are those of the
/// adapters.
pub(crate) fn print(attacks: &[&Attack], rows: &[Vec<Outcome>], took: Duration) {
    let adapters = FLAVOURS.map(|flavour| flavour.to_string()).join(" / ");
    let mut lines = vec![[
        "attack".to_owned(),
        "what the attacker did".to_owned(),
        "memory, MiB".to_owned(),
        "allowed".to_owned(),
        "worst delay, ms".to_owned(),
        "events".to_owned(),
        "exits".to_owned(),
        "descriptors".to_owned(),
        "CPU, s".to_owned(),
        "verdict".to_owned(),
    ]];
    for (attack, row) in attacks.iter().zip(rows) {
        lines.push(line(attack, row));
    }
    let widths: [usize; 10] = std::array::from_fn(|column| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    });
    let mut table = format!(
        "\nHonest nodes under attack, on {adapters}: how far the process grew at most, how long a \
         whisper took at most or a member of a group waited for the next shout, what they saw \
         that they should not, and how many exits of each other that was; how \
         many descriptors the process had at most, and how long it computed. In the process are \
         the three nodes and the attackers; it has 400 MB of address space.\n\n"
    );
    for line in &lines {
        let cells = line.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        table.push_str(cells.join(" | ").trim_end());
        table.push('\n');
    }
    table.push_str(&format!("{} attacks in {took:.1?}\n", attacks.len()));
    // Not `print!`, which the test harness keeps to itself when all pass.
    let _ = io::stdout().write_all(table.as_bytes());
}

fn line(attack: &Attack, row: &[Outcome]) -> [String; 10] {
    let report = |outcome: &Outcome| outcome.report.clone();
    let first = row.iter().find_map(report);
    let first = |show: fn(Report) -> String| first.clone().map_or_else(String::new, show);
    let failed = |outcome: &Outcome| if outcome.failed() { "FAILED" } else { "ok" };
    let verdicts: Vec<_> = row.iter().map(failed).collect();
    [
        attack.name.replace('_', " "),
        first(|report| report.did),
        of_each(row, |report| format!("{:.1}", in_mib(report.memory))),
        first(|report| format!("{:.0}", in_mib(report.memory_allowed))),
        of_each(row, |report| report.worst_delay),
        of_each(row, |report| report.strays),
        of_each(row, |report| report.exits),
        of_each(row, |report| report.descriptors),
        of_each(row, |report| format!("{:.1}", in_seconds(report.computed))),
        match verdicts.iter().all(|verdict| *verdict == "ok") {
            true => "ok".to_owned(),
            false => verdicts.join(" / "),
        },
    ]
}

fn of_each<T: Display>(row: &[Outcome], show: impl Fn(&Report) -> T) -> String {
    let shown = row.iter().map(|outcome| match &outcome.report {
        Some(report) => show(report).to_string(),
        None => "-".to_owned(),
    });
    shown.collect::<Vec<_>>().join(" / ")
}

#[allow(clippy::cast_precision_loss, reason = "only shown")]
fn in_mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

#[allow(clippy::cast_precision_loss, reason = "only shown")]
fn in_seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}
