//! `zre interfaces`.

#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use serde_json::Value;
use support::{bare_zre, run, text};

#[test]
fn every_interface_is_shown_with_what_a_node_makes_of_it() {
    let output = run(bare_zre().args(["interfaces", "--interface", "127.0.0.1"]));
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("connected, loopback\n"), "{shown}");
    assert!(shown.contains("used, broadcast 127.255.255.255"), "{shown}");
    assert!(shown.ends_with("A node is on lo (127.0.0.1).\n") || !cfg!(target_os = "linux"));
    assert!(shown.lines().all(|line| line.len() <= 80), "{shown}");
}

#[test]
fn the_ways_of_beacons_decide_what_is_shown() {
    for (flags, part) in [
        (&["--no-beacon"][..], "127.0.0.1/8 used\n"),
        (&["--multicast", "239.1.2.3"], "used, multicast 239.1.2.3"),
        (&["--beacon-to", "127.0.0.2"], "127.0.0.1/8 used\n"),
        (&["--ipv4"], "used, broadcast"),
    ] {
        let output = run(bare_zre()
            .args(["interfaces", "-i", "127.0.0.1"])
            .args(flags));
        let shown = text(&output.stdout);
        let words: Vec<_> = shown.split(' ').filter(|word| !word.is_empty()).collect();
        assert!(words.join(" ").contains(part), "{flags:?}: {shown}");
    }
}

#[test]
fn what_is_not_there_is_exit_code_1() {
    let output = run(bare_zre().args(["interfaces", "--interface", "nope,127.0.0.1"]));
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(shown.contains("There is no interface nope"), "{shown}");
}

#[test]
fn json_has_the_same_for_programs() {
    let mut command = bare_zre();
    let output = run(command.args(["interfaces", "-i", "127.0.0.1", "--json"]));
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(json["used"][0]["address"], "127.0.0.1");
    let interfaces = json["interfaces"].as_array().expect("a list");
    let loopback = interfaces.iter().find(|it| it["loopback"] == true);
    let loopback = loopback.expect("every machine has it");
    assert_eq!(loopback["state"], "connected");
    let address = &loopback["addresses"][0];
    assert_eq!(address["used"], true);
    assert_eq!(address["broadcast"], "127.255.255.255");
}
