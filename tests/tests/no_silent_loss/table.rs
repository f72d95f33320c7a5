//! The table of all cells.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use crate::{
    cell::{Cell, Outcome},
    ledger::{Judgement, Ledger},
};

const COLUMNS: usize = 11;
const HEAD: [&str; COLUMNS] = [
    "fault",
    "adapter",
    "receiver",
    "sent",
    "accepted",
    "delivered",
    "confirmed",
    "unconfirmed",
    "exits",
    "longest to exit, s",
    "verdict",
];

pub(crate) fn print(cells: &[Cell], outcomes: &[Outcome], took: Duration) {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(cells.iter().zip(outcomes).map(line));
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    });
    let mut table = "\nNumbered messages under faults: how many were accepted and delivered, how \
                     many were confirmed where that was asked for, how many the sender was told \
                     of as not confirmed, and how long it took at most \
                     from an accepted message that was not delivered to its exit.\n\n"
        .to_owned();
    for line in &lines {
        let padded = line.iter().zip(widths);
        let padded: Vec<_> = padded
            .map(|(text, width)| format!("{text:width$}"))
            .collect();
        table.push_str(padded.join(" | ").trim_end());
        table.push('\n');
    }
    table.push_str(&format!("{} cells in {took:.1?}\n", cells.len()));
    // Not `print!`, which the test harness keeps to itself when all pass.
    let _ = io::stdout().write_all(table.as_bytes());
}

fn line((cell, outcome): (&Cell, &Outcome)) -> [String; COLUMNS] {
    let (fault, flavour, receiver, manner) = (
        cell.fault.name.to_owned(),
        cell.flavour.to_string(),
        cell.receiver.to_string(),
        cell.manner.to_string(),
    );
    let [
        accepted,
        delivered,
        confirmed,
        unconfirmed,
        exits,
        longest,
        verdict,
    ] = match &outcome.0 {
        Ok((ledger, judgement)) => seen(ledger, judgement),
        Err(_) => ["-", "-", "-", "-", "-", "-", "FAILED"].map(str::to_owned),
    };
    [
        fault,
        flavour,
        receiver,
        manner,
        accepted,
        delivered,
        confirmed,
        unconfirmed,
        exits,
        longest,
        verdict,
    ]
}

fn seen(ledger: &Ledger, judgement: &Judgement) -> [String; 7] {
    let mut reasons: Vec<_> = ledger.exits.iter().map(|it| it.reason.as_str()).collect();
    reasons.dedup();
    let exits = match reasons.as_slice() {
        [] => "-".to_owned(),
        reasons => format!("{} {}", ledger.exits.len(), reasons.join(" ")),
    };
    let longest = judgement.longest_to_exit.map_or_else(
        || "-".to_owned(),
        |time| format!("{}.{}", time / 1_000, time % 1_000 / 100),
    );
    let confirmed = ledger.confirmed.as_ref();
    let confirmed = confirmed.map_or_else(|| "-".to_owned(), |it| it.numbers.len().to_string());
    let verdict = match judgement.complaints.is_empty() {
        true => "ok",
        false => "FAILED",
    };
    [
        ledger.accepted.len().to_string(),
        ledger.delivered.len().to_string(),
        confirmed,
        ledger.unconfirmed().to_string(),
        exits,
        longest,
        verdict.to_owned(),
    ]
}
