//! Two nodes that send each other a lot at once do not wait for each other.

mod support;

use support::{Program, free_port};

#[test]
fn two_nodes_exchange_ten_thousand_messages_of_64_kib_both_ways_at_once() {
    let port = free_port();
    let start = |name| Program::start("big_data", port, &["--name", name]);
    for program in ["alice", "bob"].map(start) {
        let lines = program.succeed();
        let [_, received, thanked] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert!(
            received.starts_with("received 10000 messages in "),
            "{received}"
        );
        assert_eq!(thanked, "the other has 10000 messages");
    }
}
