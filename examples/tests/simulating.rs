//! The tally in simulated networks and on real nodes.

mod support;

use std::time::Duration;

use support::{Program, free_port};
use zre_core::{Event, proto::PeerId};
use zre_examples::{COUNTERS, Tally};
use zre_sim::{App, Conditions, Handle, Level, Sim};

#[derive(Default)]
struct TallyApp(Tally);

impl App for TallyApp {
    fn handle_event(&mut self, event: Event, node: &mut Handle<'_>) {
        if let Some((peer, counts)) = self.0.handle_event(&event) {
            let _ = node.whisper(peer, counts);
        }
    }
}

fn press(sim: &mut Sim, name: &str) {
    sim.node(name).with_app(|app: &mut TallyApp, node| {
        let _ = node.shout(COUNTERS, app.0.press(node.id()));
    });
}

fn all_show(sim: &mut Sim, names: &[&str], total: u64) -> bool {
    let mut shown = names
        .iter()
        .map(|name| sim.node(name).app::<TallyApp>().0.total());
    shown.all(|shown| shown == total)
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn counters(seed: u64, level: Level) -> Sim {
    let mut sim = Sim::with_level(level, seed);
    sim.lan("lan").set(Conditions::wifi());
    for name in NAMES {
        sim.host(name).start_app(name, TallyApp::default(), |_| {});
        sim.node(name).join(COUNTERS).expect("the node runs");
    }
    let found = sim.run_until(Duration::from_secs(20), Sim::agrees);
    assert!(found.is_ok(), "{found:?}");
    sim
}

#[test]
fn both_sides_of_a_partition_count_and_agree_later_whatever_the_seed() {
    for seed in 0..10 {
        let mut sim = counters(seed, Level::Messages);
        press(&mut sim, "a");
        sim.partition(&["a", "b"], &["c", "d", "e"]);
        for name in NAMES {
            press(&mut sim, name);
        }
        // Long enough for each side to notice that the other is gone.
        sim.run_for(Duration::from_secs(60));
        assert!(all_show(&mut sim, &["a", "b"], 3), "seed {seed}");
        assert!(!all_show(&mut sim, &NAMES, 6), "seed {seed}");
        sim.heal();
        sim.run_for(Duration::from_secs(20));
        assert!(all_show(&mut sim, &NAMES, 6), "seed {seed}");
        sim.check().unwrap();
    }
}

#[test]
fn a_late_node_learns_of_the_presses_of_nodes_that_are_gone() {
    let mut sim = counters(1, Level::Bytes);
    press(&mut sim, "a");
    press(&mut sim, "b");
    sim.run_for(Duration::from_secs(2));
    sim.host("a").crash();
    sim.host("f").start_app("f", TallyApp::default(), |_| {});
    sim.node("f").join(COUNTERS).unwrap();
    sim.run_for(Duration::from_secs(20));
    assert!(all_show(&mut sim, &["b", "c", "d", "e", "f"], 2));
}

#[test]
fn text_that_is_no_count_is_ignored() {
    let id = PeerId::from([7; 16]);
    let mut tally = Tally::default();
    let most = u64::MAX;
    for content in [
        "",
        "x",
        "1 2",
        "\n\n",
        &format!("{id} -1"),
        &format!("{id} {most}"),
    ] {
        let event = Event::Whisper {
            peer: id,
            name: "x".try_into().unwrap(),
            content: content.into(),
        };
        assert_eq!(tally.handle_event(&event), None);
    }
    tally.press(id);
    assert_eq!(tally.total(), most);
}

#[test]
fn real_nodes_count_together() {
    let port = free_port();
    let mut alice = Program::start("tally", port, &["--name", "alice"]);
    let mut bob = Program::start("tally", port, &["--name", "bob"]);
    alice.send("");
    bob.wait_for("the total is 1");
    bob.send("");
    alice.wait_for("the total is 2");
    alice.close_input();
    bob.close_input();
    for program in [alice, bob] {
        assert_eq!(program.succeed().last().unwrap(), "stopped at 2");
    }
}

#[test]
fn the_guide_shows_the_code_of_the_tally() {
    let page = include_str!("../../docs/SIMULATING.md");
    let (_, code) = include_str!("../src/tally.rs")
        .split_once("\n\n")
        .expect("a heading");
    assert!(page.contains(code.trim()), "copy examples/src/tally.rs");
}
