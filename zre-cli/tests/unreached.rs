//! Nodes that are heard and cannot be connected to.

mod support;

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use support::{Zre, bare_zre, run, text, zre};

/// Sends beacons for a TCP port until it is dropped.
struct Beacons {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Beacons {
    fn send(discovery: u16, port: u16) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        socket.set_broadcast(true).expect("it is a socket");
        let beacon = [b"ZRE\x01", &[7; 16][..], &port.to_be_bytes()].concat();
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let sent = socket.send_to(&beacon, ("127.255.255.255", discovery));
                sent.expect("loopback");
                thread::park_timeout(Duration::from_millis(100));
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Beacons {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// A port at which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    listener.local_addr().expect("it is bound").port()
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
    let _beacons = Beacons::send(25720, port);
    let said = heard_by(&mut zre("ping", 25720, &["--wait", "300ms"]), port);
    assert!(said.contains("refused"), "{said}");
}

#[test]
fn ping_waits_for_a_connection_that_is_still_being_made() {
    // The system accepts, but nobody answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = listener.local_addr().unwrap().port();
    let _beacons = Beacons::send(25721, port);
    let said = heard_by(&mut zre("ping", 25721, &["--wait", "300ms"]), port);
    assert!(said.contains("timed out"), "{said}");
}

#[test]
fn ping_tells_it_beside_those_that_were_found() {
    let port = closed_port();
    let _beacons = Beacons::send(25722, port);
    let (_bob, _) = Zre::pipe(25722, &["--name", "bob"]);
    let output = run(&mut zre("ping", 25722, &["--wait", "1s"]));
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("bob  "));
    assert!(text(&output.stderr).starts_with("heard 1 node but could not connect"));
}

#[test]
fn a_measurement_tells_it_and_fails() {
    let port = closed_port();
    let _beacons = Beacons::send(25723, port);
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
    let _beacons = Beacons::send(25724, port);
    let said = format!("heard 1 node but could not connect to tcp://127.0.0.1:{port}: ");
    let mut chat = Zre::start(&mut zre("chat", 25724, &[]));
    assert!(chat.line_with("heard").starts_with(&format!("* {said}")));
    let mut watch = Zre::start(&mut zre("ping", 25724, &["--watch"]));
    assert!(watch.line_with("heard").starts_with(&format!("! {said}")));
}

#[test]
fn a_pipe_logs_it_once() {
    let port = closed_port();
    let _beacons = Beacons::send(25725, port);
    let mut command = zre("pipe", 25725, &["-v"]);
    let mut pipe = Zre::start(command.stderr(Stdio::piped()));
    let warning = format!("WARN zre: heard 1 node but could not connect to tcp://127.0.0.1:{port}");
    let log = pipe.log();
    assert_eq!(log.count_until("attempt 3: ", &warning), 1);
    assert_eq!(log.count_until("attempt 4: ", &warning), 0);
}
