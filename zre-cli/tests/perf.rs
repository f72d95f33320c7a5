//! `zre perf`.

mod support;

use std::process::Command;

use serde_json::Value;
use support::{Zre, bare_zre, run, text, zre};

/// `zre perf serve` or `zre perf run`, on loopback and on a port of its own.
fn perf(side: &str, port: u16, arguments: &[&str]) -> Command {
    let mut zre = bare_zre();
    let port = port.to_string();
    zre.args(["perf", side, "--interface", "127.0.0.1", "--port", &port])
        .args(arguments);
    zre
}

fn serve(port: u16, arguments: &[&str]) -> Zre {
    let mut serving = Zre::start(&mut perf("serve", port, arguments));
    serving.line_with("serving as");
    serving
}

const SHORT: [&str; 4] = ["--count", "50", "--sizes", "16,3K"];

#[test]
fn a_run_shows_round_trips_rates_and_shouts_of_each_size() {
    let mut serving = serve(25680, &[]);
    let output = run(&mut perf("run", 25680, &SHORT));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let lines: Vec<&str> = shown.lines().collect();
    let heads: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.get(..12))
        .map(str::trim)
        .collect();
    let expected = [
        "with zre-per",
        "round trip",
        "16",
        "3K",
        "one way",
        "16",
        "3K",
        "shout",
        "16",
        "3K",
    ];
    assert_eq!(heads, expected, "{shown}");
    // Nothing moves on what is no terminal.
    assert_eq!(text(&output.stderr), "");
    serving.line_with("zre-perf-run measures");
}

#[test]
fn json_has_the_figures_with_their_units() {
    let _serving = serve(25681, &[]);
    let mut running = Zre::start(&mut perf("run", 25681, &["--json", "--count", "9"]));
    let figures = running.answer("figures");
    let first = |name: &str| figures.pointer(&format!("/figures/{name}/0")).cloned();
    let trips = first("round_trips").expect("there are some");
    assert_eq!(trips.get("count"), Some(&9.into()));
    let at = |name| trips.get(name).and_then(Value::as_f64).expect("a number");
    assert!(0.0 < at("p50_us") && at("p50_us") <= at("max_us"));
    let one_way = first("one_way").expect("there is one");
    assert_eq!(one_way.get("receivers"), Some(&1.into()));
    assert!(first("shouts").is_some());
    assert_eq!(running.finish().0, Some(0));
}

#[test]
fn the_node_to_measure_with_can_be_named() {
    let (_one, mut two) = (serve(25682, &[]), serve(25682, &["--name", "two"]));
    let output = run(&mut perf(
        "run",
        25682,
        &[&SHORT[..], &["--peer", "two"]].concat(),
    ));
    let shown = text(&output.stdout);
    assert!(shown.starts_with("with two  "), "{shown}");
    two.line_with("measures");
    let wanted = ["--peer", "three", "--wait", "200ms"];
    let output = run(&mut perf("run", 25682, &wanted));
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("no node 'three' that serves"), "{said}");
}

#[test]
fn a_node_that_does_not_serve_is_left_alone() {
    let (_pipe, _) = Zre::pipe(25683, &["--group", "ZRE-PERF"]);
    let output = run(&mut perf("run", 25683, &["--wait", "500ms"]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    let said = text(&output.stderr);
    assert!(said.contains("zre perf serve"), "{said}");
    assert!(said.contains("port 25683"), "{said}");
}

#[test]
fn time_ends_a_measurement_that_count_does_not() {
    let _serving = serve(25684, &[]);
    let bounds = ["--count", "10000000", "--duration", "50ms", "--sizes", "16"];
    let output = run(&mut perf("run", 25684, &bounds));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_node_that_goes_away_is_told() {
    let serving = serve(25685, &[]);
    let bounds = ["--count", "10000000", "--duration", "1h"];
    let mut running = perf("run", 25685, &bounds);
    let running = running
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("zre can be run");
    let mut serving = serving;
    serving.line_with("measures");
    drop(serving);
    let output = running.wait_with_output().expect("it is our child");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: "));
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_before_it_found_anybody_fails() {
    let mut other = Zre::start(&mut zre("ping", 25688, &["--watch"]));
    let running = Zre::start(&mut perf("run", 25688, &["--wait", "1h"]));
    other.line_with("+ zre-perf-run");
    running.interrupt();
    let (code, shown) = running.finish();
    assert_eq!(code, Some(1));
    assert_eq!(shown, [""; 0]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_shows_what_it_has() {
    let mut serving = serve(25686, &[]);
    let bounds = ["--json", "--count", "10000000", "--duration", "1h"];
    let mut running = Zre::start(&mut perf("run", 25686, &bounds));
    serving.line_with("measures");
    running.interrupt();
    let figures = running.answer("figures");
    assert_eq!(figures.pointer("/figures/shouts/0"), None);
    assert_eq!(figures.pointer("/peer/name"), Some(&"zre-perf".into()));
    assert_eq!(running.finish().0, Some(0));
    serving.interrupt();
    assert_eq!(serving.finish().0, Some(0));
}

#[test]
fn a_wrong_flag_is_named_with_what_was_expected() {
    for (flags, part) in [
        (["--sizes", "16,65M"], "from 1 to 64M"),
        (["--sizes", "0"], "from 1 to 64M"),
        (["--count", "1"], "from 2 to 10000000"),
        (["--count", "x"], "from 2 to 10000000"),
        (["--duration", "0s"], "longer than 0"),
        (["--duration", "61m"], "at most 1h"),
        (["--duration", "2"], "write 2ms or 2s"),
        (["--wait", "x"], "such as 250ms"),
        (["--evasive", "31s"], "lower --evasive"),
    ] {
        let output = run(&mut perf("run", 25687, &flags));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: "), "{said}");
        assert!(said.contains(part), "{flags:?}: {said}");
    }
}

#[test]
fn help_ends_with_examples() {
    for side in [
        &["perf", "--help"][..],
        &["perf", "run", "--help"],
        &["perf", "serve", "--help"],
    ] {
        let output = run(bare_zre().args(side));
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0));
        assert!(help.contains("Examples:"), "{help}");
        assert!(help.contains("Exit codes:"), "{help}");
    }
}
