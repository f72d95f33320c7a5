//! What the programs that embed the core print.

mod support;

use support::{PATIENCE, Program, free_port, without_endpoint};
use zre_blocking::{Event, Node};

fn node(port: u16) -> Node {
    Node::builder("friend")
        .interface("127.0.0.1")
        .port(port)
        .join("CHAT")
        .start()
        .expect("a node")
}

fn next(node: &Node) -> Event {
    node.recv_timeout(PATIENCE).expect("an event in time")
}

/// The next shout or whisper, as text.
fn next_message(node: &Node) -> String {
    loop {
        match next(node) {
            Event::Shout { content, .. } => return format!("shout: {content}"),
            Event::Whisper { content, .. } => return format!("whisper: {content}"),
            _ => {}
        }
    }
}

fn next_exit(node: &Node) -> String {
    loop {
        if let Event::Exit { name, reason, .. } = next(node) {
            return format!("{name} {reason}");
        }
    }
}

#[test]
fn two_engine_loops_greet_each_other() {
    let port = free_port();
    let start = |name| Program::start("engine_loop", port, &["--name", name]);
    let (alice, bob) = (start("alice"), start("bob"));
    for (program, other) in [(alice, "bob"), (bob, "alice")] {
        let mut lines = without_endpoint(program.succeed());
        // Only the node that leaves last sees the other one leave.
        lines.retain(|line| *line != format!("{other} is gone: said goodbye"));
        // The order depends on which of the two is faster.
        lines.sort();
        let expected = [
            format!("{other} is here"),
            format!("{other} says: hello from {other}"),
            format!("{other} whispers: I heard you"),
            "stopped".to_owned(),
        ];
        assert_eq!(lines, expected);
    }
}

#[test]
fn an_engine_loop_talks_to_an_ordinary_node() {
    let port = free_port();
    let node = node(port);
    let program = Program::start("engine_loop", port, &[]);
    assert_eq!(next_message(&node), "shout: hello from engine");
    node.shout("CHAT", "good morning").expect("sent");
    assert_eq!(next_message(&node), "whisper: I heard you");
    let engine = node.peers()[0];
    node.whisper(engine, "I heard you, too").expect("sent");
    let expected = [
        "friend is here",
        "friend says: good morning",
        "friend whispers: I heard you, too",
        "stopped",
    ];
    assert_eq!(without_endpoint(program.succeed()), expected);
    assert_eq!(next_exit(&node), "engine said goodbye");
}

#[test]
fn a_large_message_goes_through_an_engine_loop() {
    let port = free_port();
    let node = node(port);
    let mut program = Program::start("engine_loop", port, &[]);
    assert_eq!(next_message(&node), "shout: hello from engine");
    let large = "x".repeat(8 << 20);
    node.shout("CHAT", large.as_str()).expect("sent");
    program.wait_for(&large);
    assert_eq!(next_message(&node), "whisper: I heard you");
}

#[test]
fn an_engine_loop_that_is_flooded_loses_nothing() {
    let port = free_port();
    const COUNT: usize = 50_000;
    let node = node(port);
    let program = Program::start("engine_loop", port, &[]);
    assert_eq!(next_message(&node), "shout: hello from engine");
    let engine = node.peers()[0];
    for number in 0..COUNT {
        node.whisper(engine, number.to_string()).expect("sent");
    }
    node.shout("CHAT", "that was all").expect("sent");
    let lines = without_endpoint(program.succeed());
    let numbers = lines
        .iter()
        .filter_map(|line| line.strip_prefix("friend whispers: "));
    assert!(numbers.eq((0..COUNT).map(|number| number.to_string())));
}

#[test]
fn an_engine_loop_without_a_peer_ends_in_time() {
    let program = Program::start("engine_loop", free_port(), &["--seconds", "1"]);
    assert_eq!(without_endpoint(program.succeed()), ["stopped"]);
}

#[test]
fn a_node_over_libzmq_talks_to_one_of_tokio() {
    let lines = Program::start("libzmq_node", free_port(), &[]).succeed();
    // The two sides print at the same time, each in its own order.
    let side = |name: &str| -> Vec<_> {
        let prefix = format!("{name}: ");
        lines
            .iter()
            .filter_map(|line| line.strip_prefix(&prefix))
            .collect()
    };
    assert_eq!(
        side("libzmq"),
        ["ordinary is here", "ordinary whispers: welcome"]
    );
    let expected = [
        "over-libzmq is here",
        r#"over-libzmq shouts ["hello", "over libzmq"]"#,
        "over-libzmq whispers: thanks",
        "over-libzmq is gone: said goodbye",
    ];
    assert_eq!(side("tokio"), expected);
    assert_eq!(lines.last().map(String::as_str), Some("both have stopped"));
}

#[cfg(unix)]
#[test]
fn a_poll_loop_watches_a_node_and_the_standard_input() {
    let port = free_port();
    let node = node(port);
    let mut program = Program::start("poll_loop", port, &[]);
    program.wait_for("friend joins CHAT");
    program.send("hello");
    program.send("are you there?");
    assert_eq!(next_message(&node), "shout: hello");
    assert_eq!(next_message(&node), "shout: are you there?");
    node.shout("CHAT", "yes").expect("sent");
    program.wait_for("friend says: yes");
    node.stop();
    program.wait_for("friend is gone");
    program.send("alone");
    program.close_input();
    let expected = [
        "friend is here",
        "friend joins CHAT",
        "sent to 1",
        "sent to 1",
        "friend says: yes",
        "friend is gone: said goodbye",
        "sent to 0",
        "stopped",
    ];
    assert_eq!(without_endpoint(program.succeed()), expected);
}

#[cfg(unix)]
#[test]
fn a_poll_loop_ends_in_time() {
    let program = Program::start("poll_loop", free_port(), &["--seconds", "1"]);
    let expected = ["the time is over", "stopped"];
    assert_eq!(without_endpoint(program.succeed()), expected);
}

#[test]
fn a_wrong_argument_is_named() {
    let end = Program::start("engine_loop", free_port(), &["--colour", "red"]).finish();
    assert_eq!((end.code, end.lines), (Some(1), vec![]));
    assert!(
        end.errors.contains("there is no argument --colour"),
        "{}",
        end.errors
    );
}
