//! Nodes that find each other.

use zre_sim::{Conditions, Sim};

use crate::{
    agree_within, comings_and_goings, millis, secs, settle,
    support::{for_each_seed, pick},
    talk,
};

#[test]
fn nodes_find_each_other_at_once_and_each_enters_once() {
    for_each_seed(6, |level, seed| {
        let count = [2, 5, 20][pick(seed, 0, 3) as usize];
        let names: Vec<_> = (0..count).map(|number| format!("n{number}")).collect();
        let mut sim = Sim::with_level(level, seed);
        for name in &names {
            sim.host(name).start();
            sim.node(name).join("CHAT").expect("the node runs");
        }
        // A peer's first beacon is enough; nobody waits for the second.
        agree_within(&mut sim, millis(500));
        settle(&mut sim, secs(0));
        for name in &names {
            assert_eq!(comings_and_goings(&mut sim, name), (count - 1, 0));
            assert_eq!(
                sim.node(name).peers_by_group("CHAT").unwrap().len(),
                count - 1
            );
        }
    });
}

#[test]
fn late_comers_learn_the_groups_as_they_are() {
    for_each_seed(10, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        for number in 0..8 {
            let name = format!("n{number}");
            sim.host(&name).start();
            let group = |salt| format!("g{}", pick(seed, number * 10 + salt, 3));
            sim.node(&name).join(group(0)).expect("the node runs");
            sim.run_for(millis(pick(seed, number, 700)));
            sim.node(&name).join(group(1)).expect("the node runs");
            sim.node(&name).leave(group(2)).expect("the node runs");
        }
        settle(&mut sim, secs(2));
    });
}

#[test]
fn nodes_on_one_host_know_each_other_and_lans_stay_apart() {
    for_each_seed(10, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.lan("far").set(Conditions::wifi());
        for host in ["a", "b", "c", "d"] {
            if ["c", "d"].contains(&host) {
                sim.host(host).on("far");
            }
            for number in 0..3 {
                let name = format!("{host}{number}");
                sim.host(host).start_node(&name, |_| {});
                sim.node(&name).join("CHAT").expect("the node runs");
            }
        }
        settle(&mut sim, secs(6));
        assert_eq!(
            sim.node("a0").peer_names(),
            ["a1", "a2", "b0", "b1", "b2"],
            "those of its own LAN"
        );
        assert_eq!(sim.node("d2").peer_names(), ["c0", "c1", "c2", "d0", "d1"]);
        talk(&mut sim, &["a0", "c0"], secs(2));
        settle(&mut sim, secs(0));
        assert!(sim.events_in_short("b1").len() > 5 + 15, "b1 hears a0");
        assert!(
            !sim.events_in_short("b2")
                .iter()
                .any(|line| line.contains("c0")),
            "b2 hears nothing of c0"
        );
    });
}

#[test]
fn a_host_without_network_has_its_own_nodes() {
    for_each_seed(10, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        sim.host("a").unplug();
        sim.host("a").start();
        sim.host("a").start_node("a2", |_| {});
        sim.host("b").start();
        settle(&mut sim, secs(2));
        assert_eq!(sim.node("a").peer_names(), ["a2"]);
        sim.host("a").plug();
        settle(&mut sim, secs(5));
        assert_eq!(sim.node("b").peer_names(), ["a", "a2"]);
    });
}
