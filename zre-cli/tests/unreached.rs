//! Nodes that are heard and cannot be connected to.

mod support;

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Command, Stdio},
};

use support::{Datagrams, Zre, bare_zre, closed_port, run, text, zre};

/// Connects to a node, and says HELLO for one that accepts connections at a TCP port.
fn say_hello(node: &str, port: u16) -> TcpStream {
    let greeting = [&[0xff][..], &[0; 8], b"\x7f\x03\0NULL", &[0; 48]].concat();
    let identity = [b"\x01", &[9; 16][..]].concat();
    let properties = [("Socket-Type", &b"DEALER"[..]), ("Identity", &identity)];
    let mut ready = b"\x05READY".to_vec();
    for (name, value) in properties {
        ready.push(u8::try_from(name.len()).expect("it is short"));
        ready.extend_from_slice(name.as_bytes());
        ready.extend_from_slice(
            &u32::try_from(value.len())
                .expect("it is short")
                .to_be_bytes(),
        );
        ready.extend_from_slice(value);
    }
    let short = |text: &str| {
        [
            &[u8::try_from(text.len()).expect("it is short")],
            text.as_bytes(),
        ]
        .concat()
    };
    let endpoint = short(&format!("tcp://127.0.0.1:{port}"));
    // HELLO 1 of version 2, with no groups, the status 0 and no headers.
    let hello = [
        b"\xaa\xa1\x01\x02\0\x01",
        &endpoint[..],
        &[0; 5],
        &short("bob"),
        &[0; 4],
    ]
    .concat();
    let frame = |flags: u8, body: &[u8]| {
        [
            &[flags, u8::try_from(body.len()).expect("it is short")],
            body,
        ]
        .concat()
    };
    let mut stream = TcpStream::connect(node).expect("it listens");
    let all = [greeting, frame(4, &ready), frame(0, &hello)].concat();
    stream.write_all(&all).expect("it reads");
    stream
}

/// Runs to the end; it must end with 1, having heard the node on that port.
fn heard_by(command: &mut Command, port: u16) -> String {
    let output = run(command);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let heard = format!("error: heard 1 node but could not connect to tcp://127.0.0.1:{port}: ");
    assert!(said.starts_with(&heard), "{said}");
    assert!(said.ends_with("; is a firewall in the way?\n"), "{said}");
    said
}

#[test]
fn ping_tells_who_is_heard_and_cannot_be_connected_to() {
    let port = closed_port();
    let _beacons = Datagrams::beacons(25720, port);
    let said = heard_by(&mut zre("ping", 25720, &["--wait", "300ms"]), port);
    assert!(said.contains("refused"), "{said}");
}

#[test]
fn ping_waits_for_a_connection_that_is_still_being_made() {
    // The system accepts, but nobody answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = listener.local_addr().unwrap().port();
    let _beacons = Datagrams::beacons(25721, port);
    let said = heard_by(&mut zre("ping", 25721, &["--wait", "300ms"]), port);
    assert!(said.contains("timed out"), "{said}");
}

#[test]
fn ping_tells_it_beside_those_that_were_found() {
    let port = closed_port();
    let _beacons = Datagrams::beacons(25722, port);
    let (_bob, _) = Zre::pipe(25722, &["--name", "bob"]);
    let output = run(&mut zre("ping", 25722, &["--wait", "1s"]));
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("bob  "));
    assert!(text(&output.stderr).starts_with("heard 1 node but could not connect"));
}

#[test]
fn a_measurement_tells_it_and_fails() {
    let port = closed_port();
    let _beacons = Datagrams::beacons(25723, port);
    let mut command = bare_zre();
    command.args([
        "perf",
        "run",
        "-i",
        "127.0.0.1",
        "-p",
        "25723",
        "-w",
        "300ms",
    ]);
    heard_by(&mut command, port);
}

#[test]
fn a_chat_and_a_watch_show_it() {
    let port = closed_port();
    let _beacons = Datagrams::beacons(25724, port);
    let said = format!("heard 1 node but could not connect to tcp://127.0.0.1:{port}: ");
    let mut chat = Zre::start(&mut zre("chat", 25724, &[]));
    assert!(chat.line_with("heard").starts_with(&format!("* {said}")));
    let mut watch = Zre::start(&mut zre("ping", 25724, &["--watch"]));
    assert!(watch.line_with("heard").starts_with(&format!("! {said}")));
}

#[test]
fn a_pipe_logs_it_once() {
    let port = closed_port();
    let _beacons = Datagrams::beacons(25725, port);
    let mut command = zre("pipe", 25725, &["-v"]);
    let mut pipe = Zre::start(command.stderr(Stdio::piped()));
    let warning = format!("WARN zre: heard 1 node but could not connect to tcp://127.0.0.1:{port}");
    let log = pipe.log();
    assert_eq!(log.count_until("attempt 3: ", &warning), 1);
}

#[test]
fn a_pipe_logs_a_peer_that_says_hello_and_cannot_be_reached_once() {
    let port = closed_port();
    let mut pipe = Zre::start(zre("pipe", 25726, &[]).stderr(Stdio::piped()));
    let start = pipe.event("START");
    let endpoint = start.get("endpoint").and_then(|endpoint| endpoint.as_str());
    let address = endpoint
        .and_then(|it| it.strip_prefix("tcp://"))
        .expect("an endpoint");
    let mut bob = say_hello(address, port);
    // It is closed when the node gives him up.
    bob.read_to_end(&mut Vec::new()).expect("it is closed");
    let mut errors = pipe.errors();
    pipe.close_input();
    assert_eq!(pipe.finish().0, Some(0));
    let mut log = String::new();
    errors.read_to_string(&mut log).expect("it is text");
    let heard = format!("WARN zre: heard 1 node but could not connect to tcp://127.0.0.1:{port}: ");
    assert!(log.contains(&heard), "{log}");
    assert_eq!(log.matches(&format!(":{port}")).count(), 1, "{log}");
}
