//! Simulated networks: the same each time, honest about what went wrong, and drawn.

mod support;

use std::{fs, path::PathBuf};

use serde_json::Value;
use support::{bare_zre, run, text};

/// Runs to the end; gives the exit code, the standard output and the standard error.
fn simulate(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run(bare_zre().arg("simulate").args(arguments));
    let code = output.status.code();
    (code, text(&output.stdout), text(&output.stderr))
}

fn succeed(arguments: &[&str]) -> String {
    let (code, output, errors) = simulate(arguments);
    assert_eq!(code, Some(0), "{output}{errors}");
    output
}

fn json(arguments: &[&str]) -> Value {
    let output = succeed(&[&["--json"], arguments].concat());
    serde_json::from_str(&output).expect("it is JSON")
}

/// A name for a file of one test, in the directory that cargo keeps for tests.
fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A network with all kinds of trouble.
const TROUBLE: [&str; 18] = [
    "--nodes",
    "20",
    "--duration",
    "20s",
    "--groups",
    "3",
    "--loss",
    "10%",
    "--jitter",
    "5ms",
    "--churn",
    "30",
    "--moves",
    "30",
    "--partition",
    "4s+3s",
    "--shouts",
    "2",
];

#[test]
fn the_same_seed_gives_the_same_output_and_another_another() {
    let with_seed = |seed| succeed(&[&TROUBLE[..], &["--growth", "--seed", seed]].concat());
    let first = with_seed("4");
    assert_eq!(first, with_seed("4"));
    let other = with_seed("8");
    let trace = |output: &str| {
        let (_, trace) = output.split_once("trace ").expect("the hash is told");
        trace.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(trace(&first).len(), 16, "{first}");
    assert_ne!(trace(&first), trace(&other));
}

#[test]
fn every_node_finds_every_other() {
    for level in ["messages", "bytes"] {
        let found = json(&["--nodes", "20", "--duration", "5s", "--level", level]);
        assert_eq!(found["agrees"], true, "{found}");
        assert_eq!(found["known_pairs"], 380);
        assert_eq!(found["fewest_peers"], 19);
        assert_eq!(found["most_peers"], 19);
        assert_eq!(found["beacons_lost"], 0);
        // Each sends one a second, from within the first.
        assert_eq!(found["beacons_sent"], 100);
        let after = found["converged_seconds_after_last_start"].as_f64();
        assert!(after.unwrap() < 0.1, "{after:?}");
        let course = found["course"].as_array().unwrap();
        let known = course
            .iter()
            .filter_map(|point| point["known_pairs"].as_u64());
        assert!(known.is_sorted(), "without faults nobody is lost");
    }
}

#[test]
fn nodes_with_keys_find_every_other() {
    for level in ["messages", "bytes"] {
        let secured = [
            "--nodes",
            "8",
            "--duration",
            "5s",
            "--level",
            level,
            "--keys",
        ];
        let found = json(&secured);
        assert_eq!(found["agrees"], true, "{found}");
        assert_eq!(found["known_pairs"], 56);
        let sent = found["beacons_sent"].as_u64().unwrap();
        assert_eq!(found["beacon_bytes"], 54 * sent, "each has a key");
    }
}

#[test]
fn a_network_with_trouble_agrees_in_the_end() {
    let found = json(&TROUBLE);
    assert_eq!(found["agrees"], true, "{found}");
    assert_eq!(found["broken"], Value::Array(vec![]));
    assert!(found["restarts"].as_u64().unwrap() > 3);
    assert!(found["moves"].as_u64().unwrap() > 3);
    assert!(found["beacons_lost"].as_u64().unwrap() > 100);
    let count = |what: &str| found[what].as_u64().unwrap();
    assert!(count("messages") > 500, "{found}");
    assert!(count("messages") < count("messages_sent"));
}

#[test]
fn a_partition_that_lasts_ends_sessions_and_its_end_brings_them_back() {
    let impatient = [
        "--nodes",
        "10",
        "--duration",
        "12s",
        "--evasive",
        "500ms",
        "--expired",
        "2s",
    ];
    let found = json(&[&impatient[..], &["--partition", "3s+5s"]].concat());
    let course = found["course"].as_array().unwrap();
    let known = |second: f64| {
        let mut points = course.iter().rev();
        let last = points.find(|point| point["seconds"].as_f64().unwrap() <= second);
        last.unwrap()["known_pairs"].as_u64().unwrap()
    };
    assert_eq!((known(2.9), known(7.9), known(12.0)), (90, 40, 90));
    assert!(found["settled_seconds"].as_f64().unwrap() > 8.0);
}

#[test]
fn wrong_views_at_the_end_are_told_and_fail() {
    let (code, output, _) = simulate(&["--nodes", "3", "--duration", "3s", "--loss", "100%"]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("n0 does not know n1"), "{output}");
    assert!(
        output.contains("At no time did everybody know everybody"),
        "{output}"
    );
}

#[test]
fn costs_per_pair_do_not_grow() {
    let found = json(&["--nodes", "60", "--duration", "5s", "--growth"]);
    let growth = found["growth"].as_array().unwrap();
    let nodes: Vec<_> = growth
        .iter()
        .map(|size| size["nodes"].as_u64().unwrap())
        .collect();
    assert_eq!(nodes, [6, 12, 24, 60]);
    for cost in ["happenings_per_pair", "tcp_bytes_per_pair"] {
        let costs = growth.iter().map(|size| size[cost].as_f64().unwrap());
        let costs: Vec<_> = costs.collect();
        // Names and addresses of larger networks have some digits more.
        let most = costs[0] * 1.1;
        assert!(
            costs.iter().all(|found| *found <= most),
            "{cost}: {costs:?}"
        );
    }
}

#[test]
fn the_picture_is_well_formed_and_the_same_each_time() {
    let path = scratch("network.svg");
    let file = path.to_str().expect("a path of plain letters");
    let draw = || {
        let output = succeed(&[&TROUBLE[..], &["--plot", file]].concat());
        (output, fs::read_to_string(&path).unwrap())
    };
    let (output, picture) = draw();
    assert!(
        output.contains("operations"),
        "it has the table of growth: {output}"
    );
    assert!(picture.starts_with("<svg "), "{picture}");
    for part in [
        "Finding each other",
        "two halves",
        "restart",
        "Messages delivered",
        "20 nodes",
    ] {
        assert!(picture.contains(part), "no {part:?}");
    }
    is_well_formed(&picture);
    assert_eq!(picture, draw().1);
    // Small ones have no smaller ones beside them.
    succeed(&["--nodes", "1", "--duration", "2s", "--plot", file]);
    is_well_formed(&fs::read_to_string(&path).unwrap());
}

/// Each element that begins ends, in order; every figure is one.
fn is_well_formed(picture: &str) {
    let mut open = Vec::new();
    for part in picture.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0]);
    assert!(
        !picture.contains("NaN") && !picture.contains("inf\""),
        "{picture}"
    );
}

#[test]
fn the_trace_says_what_happened() {
    let path = scratch("network.trace");
    let file = path.to_str().expect("a path of plain letters");
    succeed(&["--nodes", "3", "--duration", "2s", "--trace", file]);
    let trace = fs::read_to_string(&path).unwrap();
    for part in ["starts as n0", "sends a datagram", "event: enter n1"] {
        assert!(trace.contains(part), "no {part:?} in {trace}");
    }
}

#[test]
fn what_this_machine_needed_goes_to_standard_error() {
    let (_, output, errors) = simulate(&["--nodes", "5", "--duration", "2s"]);
    assert!(errors.contains("wall time"), "{errors}");
    assert!(errors.contains("of memory at most"), "{errors}");
    assert!(!output.contains("wall"), "{output}");
}

#[test]
fn a_wrong_option_is_named_with_what_was_expected() {
    for (flags, parts) in [
        (["--nodes", "0"], ["'0'", "--nodes", "from 1 to 60000"]),
        (["--nodes", "many"], ["'many'", "--nodes", "whole number"]),
        (["--seed", "x"], ["'x'", "--seed", "whole number"]),
        (
            ["--duration", "30"],
            ["'30'", "--duration", "write 30ms or 30s"],
        ),
        (
            ["--duration", "0s"],
            ["'0s'", "--duration", "longer than 0"],
        ),
        (["--latency", "2 moons"], ["'2 moons'", "--latency", "unit"]),
        (["--loss", "120%"], ["'120%'", "--loss", "5% or 0.05"]),
        (["--burst", "0.5"], ["'0.5'", "--burst", "from 1"]),
        (["--bandwidth", "fast"], ["'fast'", "--bandwidth", "128K"]),
        (["--churn", "-1"], ["'-1'", "--churn", "such as 0.5"]),
        (["--moves", "often"], ["'often'", "--moves", "such as 0.5"]),
        (["--partition", "5s"], ["'5s'", "--partition", "5s+10s"]),
        (
            ["--partition", "40s+1s"],
            ["--partition", "40s", "--duration is 30s"],
        ),
        (["--spread", "30s"], ["--spread", "30s", "shorter"]),
        (
            ["--interval", "1ms"],
            ["--interval", "1ms", "at least 10ms"],
        ),
        (
            ["--evasive", "30s"],
            ["--evasive 30s", "--expired 30s", "lower"],
        ),
        (["--size", "7"], ["'7'", "--size", "from 8 to 1M"]),
        (
            ["--level", "bits"],
            ["'bits'", "--level", "messages, bytes"],
        ),
        (["--plot", "/"], ["cannot write", "/", ""]),
    ] {
        let (code, output, errors) = simulate(&flags);
        assert_eq!(
            (code, output.as_str()),
            (Some(2), ""),
            "{flags:?}: {errors}"
        );
        for part in parts {
            assert!(errors.contains(part), "{flags:?}, no {part:?}: {errors}");
        }
    }
}

#[test]
fn help_ends_with_examples() {
    let help = succeed(&["--help"]);
    assert!(help.contains("Examples:"), "{help}");
    assert!(help.contains("Exit codes:"), "{help}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_network_that_does_not_fit_in_memory_is_refused_before_it_starts() {
    let (code, output, errors) = simulate(&["--nodes", "60000", "--level", "bytes"]);
    assert_eq!((code, output.as_str()), (Some(2), ""), "{errors}");
    for part in ["60000 nodes needs about", " GiB free: ", "use fewer nodes"] {
        assert!(errors.contains(part), "no {part:?}: {errors}");
    }
}
