//! What every adapter promises, written once, and tested on all of them and between all of them.
//!
//! Each behaviour runs for each column of the table, on a discovery port of its own. It records a
//! trace: what each node saw, in order, and what calls returned. A cell passes if all assertions of
//! the behaviour hold, and if its trace equals those of the other columns, line by line.
//!
//! `cargo test -p zre-tests --test conformance` prints the tables. `ZRE_BEHAVIOUR=goodbye` in the
//! environment runs only the behaviours with that in their name.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a behaviour fails by panicking; clippy takes only `#[test]` functions for tests"
)]

mod asking;
mod confirming;
mod ending;
mod groups;
mod meeting;
mod messages;
mod mistakes;
mod networks;
mod pressure;
mod readiness;
mod receiving;
mod requesting;
mod scene;
mod subscribing;
mod trouble;

use std::{
    any::Any,
    env,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use scene::{Scene, Script};
use zre_tests::{
    any_node::Flavour::{self, AsyncStd, Blocking, Smol, TokioCurrent, TokioMulti},
    grid,
};

/// How many cells run at once.
const WORKERS: usize = 8;

/// Something that users can rely on.
pub(crate) struct Behaviour {
    pub(crate) name: &'static str,
    pub(crate) show: fn(&Scene),
    /// Where it can be shown.
    pub(crate) applies: fn([Flavour; 2]) -> bool,
}

/// Behaviours that are functions of the same name, on all flavours.
macro_rules! behaviours {
    ($($show:ident),+ $(,)?) => {
        pub(crate) const ALL: &[crate::Behaviour] = &[$(crate::Behaviour {
            name: stringify!($show),
            show: $show,
            applies: |_| true,
        }),+];
    };
}
pub(crate) use behaviours;

/// Alice's flavour and bob's.
const COLUMNS: [[Flavour; 2]; 11] = [
    [TokioMulti, TokioMulti],
    [TokioCurrent, TokioCurrent],
    [Smol, Smol],
    [AsyncStd, AsyncStd],
    [Blocking, Blocking],
    [TokioMulti, Smol],
    [TokioMulti, Blocking],
    [Smol, TokioMulti],
    [Smol, Blocking],
    [Blocking, TokioMulti],
    [Blocking, Smol],
];

const ADAPTERS: [(&str, Flavour); 3] = [
    ("tokio", TokioMulti),
    ("smol", Smol),
    ("blocking", Blocking),
];

enum Cell {
    NotHere,
    Shown { trace: String },
    Failed { why: String, trace: String },
}

#[test]
fn every_behaviour_on_every_adapter_and_between_them() {
    let wanted = env::var("ZRE_BEHAVIOUR").unwrap_or_default();
    let behaviours: Vec<&Behaviour> = [
        meeting::ALL,
        groups::ALL,
        messages::ALL,
        confirming::ALL,
        requesting::ALL,
        pressure::ALL,
        receiving::ALL,
        readiness::ALL,
        mistakes::ALL,
        networks::ALL,
        trouble::ALL,
        asking::ALL,
        subscribing::ALL,
        ending::ALL,
    ]
    .into_iter()
    .flatten()
    .filter(|behaviour| behaviour.name.contains(&wanted))
    .collect();
    let begun = Instant::now();
    let cells = [behaviours.len(), COLUMNS.len()];
    let mut rows = grid::run(WORKERS, cells, |row, column| {
        run(behaviours[row], COLUMNS[column])
    });
    let mut complaints = String::new();
    for (behaviour, row) in behaviours.iter().zip(&mut rows) {
        compare(row);
        for (cell, columns) in row.iter().zip(COLUMNS) {
            if let Cell::Failed { why, trace } = cell {
                let [alice, bob] = columns;
                complaints += &format!("\n{} ({alice}, {bob}): {why}\n{trace}", behaviour.name);
            }
        }
    }
    print_tables(&behaviours, &rows);
    println!("{} behaviours in {:?}", behaviours.len(), begun.elapsed());
    if env::var_os("ZRE_SHOW_TRACES").is_some() {
        print_traces(&behaviours, &rows);
    }
    assert!(complaints.is_empty(), "{complaints}");
}

fn run(behaviour: &Behaviour, flavours: [Flavour; 2]) -> Cell {
    if !(behaviour.applies)(flavours) {
        return Cell::NotHere;
    }
    let script = Arc::new(Script::default());
    let result = catch_unwind(AssertUnwindSafe(|| {
        let scene = Scene::new(flavours, Arc::clone(&script));
        (behaviour.show)(&scene);
    }));
    let trace = script.text();
    match result {
        Ok(()) => Cell::Shown { trace },
        Err(panic) => Cell::Failed {
            why: message(&*panic),
            trace,
        },
    }
}

fn message(panic: &dyn Any) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "a panic without words".to_owned())
}

/// A trace that is not that of the first column fails.
fn compare(row: &mut [Cell]) {
    let first = row.iter().find_map(|cell| match cell {
        Cell::Shown { trace } => Some(trace.clone()),
        _ => None,
    });
    for cell in row {
        if let (Cell::Shown { trace }, Some(first)) = (&*cell, &first)
            && trace != first
        {
            *cell = Cell::Failed {
                why: format!("the trace is not that of the first column, which is\n{first}"),
                trace: trace.clone(),
            };
        }
    }
}

fn print_tables(behaviours: &[&Behaviour], rows: &[Vec<Cell>]) {
    let width = behaviours
        .iter()
        .map(|behaviour| behaviour.name.len())
        .max();
    let width = width.unwrap_or_default();
    let single = Flavour::ALL.map(|flavour| (flavour.to_string(), [flavour; 2]));
    let pairs =
        ADAPTERS.map(|(left, a)| ADAPTERS.map(|(right, b)| (format!("{left}-{right}"), [a, b])));
    for columns in [&single[..], pairs.as_flattened()] {
        let mut table = format!("\n{:width$}", "");
        columns
            .iter()
            .for_each(|(title, _)| table.push_str(&format!(" | {title}")));
        table.push('\n');
        for (behaviour, row) in behaviours.iter().zip(rows) {
            table.push_str(&format!("{:width$}", behaviour.name));
            for (title, column) in columns {
                let index = COLUMNS.iter().position(|other| other == column);
                let mark = match index.and_then(|index| row.get(index)) {
                    Some(Cell::Shown { .. }) => "ok",
                    Some(Cell::Failed { .. }) => "FAILED",
                    Some(Cell::NotHere) | None => "-",
                };
                table.push_str(&format!(" | {mark:^0$}", title.len()));
            }
            table.push('\n');
        }
        // Not `print!`, which the test harness keeps to itself when all pass.
        let _ = io::stdout().write_all(table.as_bytes());
    }
}

fn print_traces(behaviours: &[&Behaviour], rows: &[Vec<Cell>]) {
    for (behaviour, row) in behaviours.iter().zip(rows) {
        println!("\n{}", behaviour.name);
        let shown = row.iter().find_map(|cell| match cell {
            Cell::Shown { trace } => Some(trace),
            _ => None,
        });
        print!("{}", shown.map_or("", |trace| trace));
    }
}
