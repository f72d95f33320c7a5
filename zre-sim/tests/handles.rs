//! What a script and a program can do with a simulated node.

use std::time::Duration;

use zre_core::{Error, Event};
use zre_sim::{App, Handle, Sim};

const SECOND: Duration = Duration::from_secs(1);

fn sim_of(names: &[&str]) -> Sim {
    let mut sim = Sim::new(1);
    for name in names {
        sim.host(name).start();
    }
    sim.run_until(SECOND * 3, Sim::agrees)
        .unwrap_or_else(|error| panic!("{error}"));
    sim
}

#[test]
fn a_node_knows_its_peers_by_identity_name_and_group() {
    let mut sim = sim_of(&["a", "b", "c"]);
    sim.node("b").join("CHAT").unwrap();
    sim.run_for(SECOND);
    let (b, c) = (sim.node("b").id(), sim.node("c").id());
    let a = sim.node("a");
    assert_eq!(a.peer_names(), ["b", "c"]);
    assert_eq!(a.peer_by_name("c"), Some(c));
    assert_eq!(a.peer_by_name("d"), None);
    assert_eq!(a.peers_by_group("CHAT"), Ok(vec![b]));
    assert_eq!(a.peer_groups(), ["CHAT"]);
    assert_eq!(a.own_groups(), [""; 0]);
    assert_eq!(a.peers().len(), a.peer_infos().len());
    assert_eq!(a.peer(b).unwrap().name, "b");
    assert_eq!(a.name(), "a");
    assert!(matches!(
        a.peers_by_group("x".repeat(256)),
        Err(Error::TooLong(_))
    ));
}

#[test]
fn a_header_set_later_is_seen_by_peers_that_are_met_later() {
    let mut sim = sim_of(&["a", "b"]);
    let mut a = sim.node("a");
    a.set_header("role", "printer").unwrap();
    assert_eq!(a.headers().get("role").unwrap(), "printer");
    let a = a.id();
    sim.host("c").start();
    sim.run_for(SECOND * 3);
    let seen = |sim: &mut Sim, by| sim.node(by).peer(a).unwrap().headers.get("role").cloned();
    assert_eq!(seen(&mut sim, "b"), None);
    assert_eq!(seen(&mut sim, "c").unwrap(), "printer");
    assert_eq!(sim.node("a").remove_header("role"), Ok(true));
    assert_eq!(sim.node("a").remove_header("role"), Ok(false));
}

#[test]
fn a_shout_passes_over_a_full_member_and_try_shout_reaches_all_or_nobody() {
    let mut sim = sim_of(&["a", "b", "c"]);
    for name in ["b", "c"] {
        sim.node(name).join("CHAT").unwrap();
    }
    sim.run_for(SECOND);
    let c = sim.node("c").id();
    assert_eq!(sim.node("a").try_shout("CHAT", "hello"), Ok(2));
    sim.host("c").freeze();
    let large = vec![0; 1 << 20];
    while sim.node("a").try_whisper(c, large.clone()).is_ok() {}
    assert_eq!(sim.node("a").whisper(c, "more"), Err(Error::Full(c)));
    assert_eq!(
        sim.node("a").try_shout("CHAT", "to all"),
        Err(Error::Full(c))
    );
    assert_eq!(sim.node("a").shout("CHAT", "to some"), Ok(1));
    sim.run_for(SECOND);
    let heard = sim.events_in_short("b");
    assert!(
        !heard.iter().any(|line| line.ends_with("to all")),
        "{heard:?}"
    );
    assert!(
        heard.iter().any(|line| line.ends_with("to some")),
        "{heard:?}"
    );
}

#[test]
fn a_ping_is_answered_later_and_a_node_stops_later() {
    let mut sim = sim_of(&["a", "b"]);
    let b = sim.node("b").id();
    let number = sim.node("a").ping(b).unwrap();
    assert_eq!(sim.node("a").is_answered(b, number), Some(false));
    sim.run_for(SECOND);
    assert_eq!(sim.node("a").is_answered(b, number), Some(true));
    sim.node("b").stop();
    sim.run_for(SECOND);
    assert!(sim.node("b").is_stopped());
    assert!(!sim.node("a").is_stopped());
    // What it has answered stays known, and it answers nothing more.
    assert_eq!(sim.node("a").is_answered(b, number), Some(true));
    assert_eq!(sim.node("a").is_answered(b, number + 1), None);
}

#[test]
fn a_program_uses_its_node_as_a_script_does() {
    /// Greets each peer by its name, in a group of its own.
    struct Greeter;
    impl App for Greeter {
        fn handle_event(&mut self, event: Event, node: &mut Handle<'_>) {
            if let Event::Enter { peer, name, .. } = event {
                node.join(name.as_str().unwrap_or("GUESTS")).unwrap();
                assert_eq!(node.peer_by_name(name.as_bytes()), Some(peer));
                node.whisper(peer, format!("hello from {}", node.name()))
                    .unwrap();
            }
        }
    }
    let mut sim = sim_of(&["b"]);
    sim.host("a").start_app("a", Greeter, |_| {});
    sim.run_for(SECOND * 3);
    assert_eq!(sim.node("a").own_groups(), ["b"]);
    let heard = sim.events_in_short("b");
    assert!(
        heard.contains(&"whisper a hello from a".into()),
        "{heard:?}"
    );
}
