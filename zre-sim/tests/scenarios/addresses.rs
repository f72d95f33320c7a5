//! Hosts whose addresses change.

use zre_sim::{
    Level, Sim,
    core::{Config, proto::PeerId},
};

use crate::{
    agree_within, comings_and_goings, millis, secs, settle,
    support::{for_each_seed, pick},
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn identity(number: u8) -> PeerId {
    PeerId::from([number; 16])
}

fn acquainted(level: Level, seed: u64) -> Sim {
    acquainted_with(level, seed, |_| {})
}

fn acquainted_with(level: Level, seed: u64, configure: impl Fn(&mut Config)) -> Sim {
    let mut sim = Sim::with_level(level, seed);
    for (number, name) in (1..).zip(NAMES) {
        sim.host(name).start_with(|config| {
            config.id = Some(identity(number));
            configure(config);
        });
        sim.node(name).join("CHAT").expect("the node runs");
    }
    agree_within(&mut sim, secs(2));
    sim
}

/// Two machines come back with each other's address, and their nodes with the same identity and the
/// same port: each is now where the other was.
#[test]
fn two_hosts_that_swap_addresses_are_found_where_they_are() {
    for_each_seed(12, |level, seed| {
        let mut sim = acquainted(level, seed);
        let (first, second) = (
            sim.node("a").endpoint().clone(),
            sim.node("b").endpoint().clone(),
        );
        let died_quietly = pick(seed, 0, 2) == 0;
        for name in ["a", "b"] {
            match died_quietly {
                true => sim.host(name).power_off(),
                false => sim.host(name).crash(),
            }
        }
        sim.run_for(millis(pick(seed, 1, 3000)));
        sim.swap_addresses("a", "b");
        for (name, again, endpoint, number) in [("a", "a2", second, 1), ("b", "b2", first, 2)] {
            // Takes the machine back into service; what it starts goes at once.
            sim.host(name).restart();
            sim.node(name).kill();
            sim.host(name).start_node(again, |config| {
                config.id = Some(identity(number));
                config.endpoint = endpoint.clone();
            });
            sim.node(again).join("CHAT").expect("the node runs");
        }
        // Whether the old owner of an endpoint is there is asked for a second or two, and
        // connecting may be tried again.
        settle(&mut sim, secs(15));
        for name in ["c", "d"] {
            let (enters, exits) = comings_and_goings(&mut sim, name);
            assert!(
                enters <= 3 + 4 && exits <= 4,
                "no storm at {name}: {enters}, {exits}"
            );
        }
    });
}

/// An address plan goes wrong for a while, and nodes do not look: what they say of themselves leads
/// to each other.
#[test]
fn addresses_swapped_and_swapped_back_do_no_lasting_harm() {
    for_each_seed(8, |level, seed| {
        let mut sim = acquainted_with(level, seed, |config| config.networks = None);
        sim.swap_addresses("a", "b");
        sim.run_for(secs(pick(seed, 0, 60)));
        sim.swap_addresses("a", "b");
        sim.run_for(secs(40));
        settle(&mut sim, secs(0));
    });
}

#[test]
fn nodes_that_notice_a_swap_of_their_addresses_find_each_other_again() {
    for_each_seed(8, |level, seed| {
        let mut sim = acquainted(level, seed);
        sim.swap_addresses("a", "b");
        settle(&mut sim, secs(40));
        sim.swap_addresses("a", "b");
        settle(&mut sim, secs(40));
    });
}

#[test]
fn a_host_that_moves_to_another_lan_is_gone_here_and_found_there() {
    for_each_seed(6, |level, seed| {
        let mut sim = Sim::with_level(level, seed);
        for name in NAMES {
            if ["c", "d"].contains(&name) {
                sim.host(name).on("far");
            }
            sim.host(name).start();
        }
        agree_within(&mut sim, secs(2));
        match pick(seed, 0, 2) {
            0 => sim.host("a").crash(),
            _ => sim.host("a").power_off(),
        }
        sim.host("a").on("far");
        sim.host("a").restart();
        sim.run_until(secs(5), |sim| sim.known_pairs() >= 6)
            .unwrap();
        settle(&mut sim, secs(31));
        assert_eq!(sim.node("a").peer_names(), ["c", "d"]);
        assert_eq!(sim.node("b").peer_names(), [""; 0]);
    });
}
