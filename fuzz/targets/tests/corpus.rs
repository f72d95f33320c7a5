//! Replays every committed input of every target, without a fuzzer.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what serves tests may fail as tests do")]

use std::{fs, panic, path::Path};

use zre_fuzz_targets::TARGETS;

/// What a corpus may grow to, so that this test stays quick.
const MOST_INPUTS: usize = 600;

/// One test, because the targets measure the heap of the process.
#[test]
fn every_committed_input_passes() {
    let mut failures = Vec::new();
    for (name, target) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../corpus")
            .join(name);
        let mut inputs: Vec<_> = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        inputs.sort();
        assert!((1..=MOST_INPUTS).contains(&inputs.len()), "{name}");
        for input in inputs {
            let bytes = fs::read(&input).unwrap();
            if panic::catch_unwind(|| target(&bytes)).is_err() {
                failures.push(format!("{name}: {}", input.display()));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
