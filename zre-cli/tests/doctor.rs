//! `zre doctor` on loopback: what it says of a network, and of one that is broken.

#![allow(
    clippy::indexing_slicing,
    reason = "a key that is missing reads as null"
)]

mod support;

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    process,
};

use serde_json::Value;
use support::{Datagrams, Zre, beacon, closed_port, run, text, zre};

/// What `zre doctor --json` says, and its exit code.
fn doctor(port: u16, arguments: &[&str]) -> (Value, Option<i32>) {
    let mut arguments = [&["--json"], arguments].concat();
    if !arguments.contains(&"--wait") {
        arguments.extend(["--wait", "1s"]);
    }
    let output = run(&mut zre("doctor", port, &arguments));
    let said = text(&output.stdout);
    let json = serde_json::from_str(&said);
    let json: Value = json.unwrap_or_else(|_| panic!("{said}{}", text(&output.stderr)));
    assert_eq!(text(&output.stderr), "");
    assert_eq!(json["ok"], output.status.code() == Some(0), "{json}");
    (json, output.status.code())
}

/// It must find this fault first, and say these things about it.
fn must_find(port: u16, arguments: &[&str], kind: &str, parts: &[&str]) -> Value {
    let (json, code) = doctor(port, arguments);
    assert_eq!(code, Some(1), "{json}");
    assert_eq!(json["faults"][0]["kind"], kind, "{json}");
    let verdict = json["verdict"].as_str().expect("a text");
    for part in parts {
        assert!(verdict.contains(part), "{verdict}");
    }
    json
}

#[test]
fn nothing_wrong_and_nobody_there_is_said_and_is_exit_code_0() {
    let output = run(&mut zre("doctor", 25740, &["--wait", "1s"]));
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("Nothing is wrong here"), "{said}");
    assert!(said.contains("used, broadcast 127.255.255.255"), "{said}");
    assert!(
        said.contains(" beacons to 127.255.255.255:25740, "),
        "{said}"
    );
    assert!(!said.contains(", 0 came back"), "{said}");
    assert!(said.lines().all(|line| line.len() <= 80), "{said}");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn peers_that_are_met_are_shown_with_what_they_say_of_themselves() {
    let arguments = [
        "--name",
        "bob",
        "--header",
        "X-ROLE=print",
        "--interval",
        "200ms",
    ];
    let (mut bob, bob_id) = Zre::pipe(25741, &arguments);
    let (json, code) = doctor(25741, &[]);
    assert_eq!(code, Some(0), "{json}");
    assert_eq!(json["verdict"], "Everything is in order: met bob.");
    let node = &json["nodes"][0];
    assert_eq!(
        (&node["name"], &node["state"]),
        (&"bob".into(), &"entered".into())
    );
    assert_eq!(node["peer"], bob_id);
    assert_eq!(node["headers"]["X-ROLE"], "print");
    assert!(node["ping_ms"].as_f64().is_some(), "{json}");
    let interval = node["interval_ms"].as_f64().expect("it was heard");
    assert!((150.0..400.0).contains(&interval), "{interval}");
    // The doctor is a peer like any other, in a group of its own.
    assert_eq!(bob.event("ENTER")["name"], "doctor");
    assert_eq!(bob.event("EXIT")["reason"], "GOODBYE");
}

#[test]
fn a_node_that_is_heard_and_refuses_connections_is_named_with_the_error() {
    let port = closed_port();
    let _beacons = Datagrams::beacons(25742, port);
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let parts = [endpoint.as_str(), "refused", "still running"];
    let json = must_find(25742, &[], "not_connected", &parts);
    assert_eq!(json["nodes"][0]["state"], "not_connected");
    assert_eq!(json["nodes"][0]["peer"], "07".repeat(16));
}

#[test]
fn a_node_that_is_heard_and_answers_nothing_is_asked_whether_a_firewall_is_there() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = listener.local_addr().expect("it is bound").port();
    let _beacons = Datagrams::beacons(25743, port);
    let parts = ["timed out", "Is a firewall in the way?"];
    must_find(25743, &[], "not_connected", &parts);
}

#[test]
fn a_peer_that_cannot_connect_back_is_named() {
    let (_bob, bob_id) = Zre::pipe(25744, &["--name", "bob"]);
    let elsewhere = format!("tcp://127.0.0.1:{}", closed_port());
    let arguments = ["--advertise", &elsewhere, "--wait", "3s"];
    let parts = [bob_id.as_str(), "cannot connect to us", elsewhere.as_str()];
    // Where connections are refused at once, he gives up at once, and closes ours.
    let json = must_find(25744, &arguments, "refused_by_peer", &parts);
    assert_eq!(json["nodes"][0]["state"], "refused_by_peer");
}

#[test]
fn a_discovery_port_that_is_not_shared_is_named_with_the_program() {
    let _holder = UdpSocket::bind("0.0.0.0:25745").expect("it is free");
    let parts = ["UDP port 25745", "not shared", "--port"];
    let json = must_find(25745, &[], "udp_port_held", &parts);
    if cfg!(target_os = "linux") {
        let holder = format!("(process {})", process::id());
        assert!(json["verdict"].as_str().expect("a text").contains(&holder));
    }
    assert_eq!(json["node"], Value::Null);
}

#[test]
fn a_tcp_port_that_is_taken_is_named_with_the_program() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = holder.local_addr().expect("it is bound").port().to_string();
    let parts = ["TCP port", &port, "--tcp-port"];
    must_find(25746, &["--tcp-port", &port], "tcp_port_held", &parts);
}

#[test]
fn another_node_with_the_own_uuid_is_named_with_its_place() {
    let uuid = "0A".repeat(16);
    let mut bob = Zre::start(&mut zre("pipe", 25747, &["--uuid", &uuid]));
    let start = bob.event("START");
    let place = start["endpoint"]
        .as_str()
        .expect("a text")
        .replace("tcp://", "");
    must_find(
        25747,
        &["--uuid", &uuid],
        "own_uuid",
        &[&place, &uuid, "--uuid"],
    );
}

#[test]
fn two_nodes_with_one_uuid_are_named() {
    let ports = [closed_port(), closed_port()];
    let beacons = ports.map(|port| beacon(1, &[], port));
    let _beacons = Datagrams::send(25748, beacons.to_vec());
    let [one, other] = ports.map(|port| format!("127.0.0.1:{port}"));
    let parts = ["same UUID", one.as_str(), other.as_str(), "07070707"];
    must_find(25748, &[], "same_uuid", &parts);
}

#[test]
fn a_node_that_encrypts_and_one_of_another_version_are_told_apart() {
    let curve = beacon(3, &[9; 32], 5000);
    let beacons = Datagrams::send(25749, vec![curve]);
    let json = must_find(25749, &[], "curve_only", &["CURVE"]);
    assert_eq!(json["nodes"][0]["state"], "curve_only");
    drop(beacons);
    let _beacons = Datagrams::send(25749, vec![beacon(2, &[], 5000)]);
    let parts = ["127.0.0.1", "beacon version 2"];
    must_find(25749, &[], "malformed_beacon", &parts);
}

#[test]
fn what_another_program_sends_is_no_fault() {
    let _other = Datagrams::send(25750, vec![b"M-SEARCH".to_vec()]);
    let (json, code) = doctor(25750, &[]);
    assert_eq!(code, Some(0), "{json}");
    let notes = json["notes"].as_array().expect("a list");
    assert!(notes.iter().any(|note| note["kind"] == "other_program"));
    assert_eq!(json["strange"][0]["from"], "127.0.0.1");
}

#[test]
fn a_peer_and_a_hub_that_do_not_answer_are_named() {
    let endpoint = format!("tcp://127.0.0.1:{}", closed_port());
    for (flag, what) in [
        ("--connect", "the peer"),
        ("--gossip-connect", "the gossip hub"),
    ] {
        let parts = [what, endpoint.as_str(), "refused"];
        let json = must_find(25751, &[flag, &endpoint], "no_answer", &parts);
        assert_eq!(json["given"][0]["state"], "no_connection");
    }
}

#[test]
fn a_fixed_peer_that_enters_without_beacons_is_in_order() {
    let port = closed_port().to_string();
    let (_bob, bob_id) = Zre::pipe(25754, &["--name", "bob", "--tcp-port", &port]);
    let endpoint = format!("tcp://127.0.0.1:{port}");
    // Who has no beacons does not wonder about those of others.
    let _stranger = Datagrams::beacons(25755, closed_port());
    let (json, code) = doctor(25755, &["--no-beacon", "--connect", &endpoint]);
    assert_eq!(code, Some(0), "{json}");
    assert_eq!(json["verdict"], "Everything is in order: met bob.");
    assert_eq!(json["given"][0]["state"], "entered");
    assert_eq!(json["nodes"][0]["peer"], bob_id);
    assert_eq!(json["nodes"][0]["beacons"], 0);
}

#[test]
fn an_interface_that_is_not_there_is_answered_with_those_that_are() {
    let arguments = ["--interface", "nope"];
    let parts = ["no interface nope", "Name one of these: "];
    let json = must_find(25752, &arguments, "no_such_interface", &parts);
    assert_eq!(json["interfaces"]["missing"][0], "nope");
}

#[test]
fn contradictions_are_exit_code_2() {
    let output = run(&mut zre("doctor", 25753, &["--no-beacon"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--connect"));
}
