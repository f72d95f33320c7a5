//! What dealers and clients print, in several combinations.

mod support;

use support::{Program, free_port};
use zre_blocking::{Event, Node};

/// An example, and the arguments that choose its runtime.
type Example = (&'static str, &'static [&'static str]);

const BLOCKING_DEALER: Example = ("dealer_blocking", &[]);
const TOKIO_DEALER: Example = ("dealer_async", &["--runtime", "tokio"]);
const SMOL_DEALER: Example = ("dealer_async", &["--runtime", "smol"]);
const EXECUTOR_DEALER: Example = ("dealer_async", &["--runtime", "executor"]);

const BLOCKING_CLIENT: Example = ("client_blocking", &[]);
const TOKIO_CLIENT: Example = ("client_async", &["--runtime", "tokio"]);
const SMOL_CLIENT: Example = ("client_async", &["--runtime", "smol"]);
const EXECUTOR_CLIENT: Example = ("client_async", &["--runtime", "executor"]);

fn start((example, runtime): Example, port: u16, arguments: &[&str]) -> Program {
    Program::start(example, port, &[runtime, arguments].concat())
}

fn answers(lines: &[String]) -> Vec<&str> {
    let answers = lines.iter().filter(|line| line.starts_with("answer "));
    answers.map(String::as_str).collect()
}

/// One client dies at the second of its requests. The other client gets that one, and the third if
/// the dealer had sent it before the death.
fn survives_a_death(dealer: Example, lives: Example, dies: Example) {
    let port = free_port();
    let mortal = start(dies, port, &["--name", "mortal", "--die-after", "1"]);
    let client = start(lives, port, &["--name", "survivor"]);
    // The time limit is far away, so the dealer must notice the death itself.
    let patience = [
        "--requests",
        "6",
        "--clients",
        "2",
        "--patience-ms",
        "60000",
    ];
    let lines = start(dealer, port, &patience).succeed();

    let sums: Vec<_> = [1, 3, 6, 10, 15, 21].into_iter().zip(1..).collect();
    let expected: Vec<_> = sums
        .iter()
        .map(|(sum, id)| format!("answer {id}: {sum}"))
        .collect();
    assert_eq!(answers(&lines), expected);
    let death = "mortal is gone: connection lost";
    assert!(lines.iter().any(|line| line == death), "{lines:#?}");
    let moved = |line: &&String| line.contains(" goes to another client: ");
    let moved = lines.iter().filter(moved).count();
    assert!((1..=2).contains(&moved), "{lines:#?}");

    let death = mortal.finish();
    assert_eq!(death.code, Some(3));
    assert_eq!(
        death.lines,
        ["mortal waits for a dealer", "dealer deals", "dies"]
    );
    let expected = [
        "survivor waits for a dealer",
        "dealer deals",
        "dealer is gone: said goodbye; answered 5",
        "stopped",
    ];
    assert_eq!(client.succeed(), expected);
}

#[test]
fn a_blocking_dealer_survives_a_client_that_dies() {
    survives_a_death(BLOCKING_DEALER, BLOCKING_CLIENT, TOKIO_CLIENT);
}

#[test]
fn a_dealer_on_tokio_survives_a_client_that_dies() {
    survives_a_death(TOKIO_DEALER, TOKIO_CLIENT, SMOL_CLIENT);
}

#[test]
fn a_dealer_on_smol_survives_a_client_that_dies() {
    survives_a_death(SMOL_DEALER, SMOL_CLIENT, EXECUTOR_CLIENT);
}

#[test]
fn a_dealer_on_a_bare_executor_survives_a_client_that_dies() {
    survives_a_death(EXECUTOR_DEALER, EXECUTOR_CLIENT, BLOCKING_CLIENT);
}

/// A member of the group that never answers delays the dealer, but does not stop it.
fn does_not_wait_forever(dealer: Example, client: Example) {
    let port = free_port();
    let mute = Node::builder("mute")
        .interface("127.0.0.1")
        .port(port)
        .join("ADDERS")
        .start()
        .expect("a node");
    let client = start(client, port, &[]);
    let arguments = ["--requests", "3", "--clients", "2", "--patience-ms", "100"];
    let lines = start(dealer, port, &arguments).succeed();
    assert_eq!(
        answers(&lines),
        ["answer 1: 1", "answer 2: 3", "answer 3: 6"]
    );
    let late = |line: &String| line.contains("has not answered the request in time");
    assert!(lines.iter().any(late), "{lines:#?}");
    client.succeed();
    let asked =
        std::iter::from_fn(|| mute.try_recv()).any(|event| matches!(event, Event::Whisper { .. }));
    assert!(asked);
}

#[test]
fn a_blocking_dealer_does_not_wait_forever() {
    does_not_wait_forever(BLOCKING_DEALER, TOKIO_CLIENT);
}

#[test]
fn an_async_dealer_does_not_wait_forever() {
    does_not_wait_forever(TOKIO_DEALER, BLOCKING_CLIENT);
}

#[test]
fn a_program_without_a_partner_ends_in_time_and_fails() {
    let (port, other_port) = (free_port(), free_port());
    // Dealers do not work with dealers, nor clients with clients.
    let dealers = [BLOCKING_DEALER, TOKIO_DEALER, SMOL_DEALER, EXECUTOR_DEALER];
    let clients = [BLOCKING_CLIENT, TOKIO_CLIENT, SMOL_CLIENT, EXECUTOR_CLIENT];
    let dealers = dealers.map(|dealer| start(dealer, port, &["--seconds", "1"]));
    let clients = clients.map(|client| start(client, other_port, &["--seconds", "1"]));
    for dealer in dealers {
        let end = dealer.finish();
        assert_eq!((end.code, end.lines), (Some(1), vec![]));
        assert!(
            end.errors.contains("not all of the 12 requests have"),
            "{}",
            end.errors
        );
    }
    for client in clients {
        let end = client.finish();
        assert_eq!(end.code, Some(1));
        assert!(end.errors.contains("no dealer"), "{}", end.errors);
    }
}
