//! Attacks by hostile and broken peers. The node must go on serving its other peers.
//!
//! Each attack runs over raw sockets on loopback, against a victim on each adapter. Next to it, two
//! honest nodes talk with the victim and with each other. All attacks end with the same
//! [verdict](scene::Scene::finish): the honest nodes saw nothing but their conversation, every
//! whisper arrived in order and in time, the process held no more memory than the attack may cost,
//! and the victim still accepts a new peer. The victim, the honest nodes and the attackers have
//! 400 MB of address space together.
//!
//! Where an attack belongs: [`connections`] and [`handshakes`] are about connections that never
//! become peers, [`frames`] about incomplete messages, [`messages`] about wrong messages,
//! [`floods`] about too many valid ones, [`unread`] about data that nobody reads, [`identities`]
//! about false identities, [`claims`] about strangers who claim to be an honest peer, [`endpoints`]
//! about places that belong to others or lead nowhere, [`pauses`] about lies on a peer that pauses,
//! [`groups`] about one peer that stops the others, [`budgets`] about what many peers take
//! together, [`elections`] about ELECT and LEADER, [`beacons`] about datagrams, [`gossip`] about
//! hubs and their clients, [`fixed`] about what is found at fixed endpoints, [`ipv6`] about the
//! same over IPv6, [`secured`] about nodes with keys.
//!
//! `cargo test -p zre-tests --test hostile` prints the table. `ZRE_ATTACK=hello` in the environment
//! runs only the attacks with that in their name. Every attack runs in a process of its own,
//! because memory, descriptors and warnings are measured per process.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "an attack fails by panicking; clippy takes only `#[test]` functions for tests"
)]

/// Attacks that are functions of the same name.
macro_rules! attacks {
    ($($act:ident),+ $(,)?) => {
        pub(crate) const ALL: &[crate::Attack] = &[$(crate::Attack {
            name: stringify!($act),
            act: $act,
        }),+];
    };
}

mod beacons;
mod budgets;
mod cell;
mod claims;
mod connections;
mod crafted;
mod elections;
mod endpoints;
mod fixed;
mod floods;
mod frames;
mod gossip;
mod groups;
mod handshakes;
mod identities;
mod ipv6;
mod log;
mod measure;
mod messages;
mod newcomer;
mod pauses;
mod raw_hub;
mod scene;
mod secured;
mod table;
mod unread;

use std::{env, time::Instant};

use cell::{Cell, Outcome};
use scene::Stage;
use zre_tests::{any_node::Flavour, grid};

/// How many attacks run at once.
const WORKERS: usize = 5;

/// What the victim stands on.
const FLAVOURS: [Flavour; 3] = [Flavour::TokioMulti, Flavour::Smol, Flavour::Blocking];

/// Something that somebody may do to a node.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) act: fn(Stage),
}

const KINDS: [&[Attack]; 22] = [
    connections::ALL,
    handshakes::ALL,
    frames::ALL,
    messages::ALL,
    floods::ALL,
    unread::ALL,
    identities::ALL,
    beacons::ALL,
    elections::ALL,
    budgets::ALL,
    groups::ALL,
    pauses::ALL,
    endpoints::ALL,
    claims::ALL,
    gossip::ALL,
    fixed::ALL,
    ipv6::ALL,
    secured::ALL,
    secured::insiders::ALL,
    secured::beacons::ALL,
    secured::gossip::ALL,
    secured::between::ALL,
];

#[test]
fn every_attack_on_every_adapter() {
    if let Some(cell) = Cell::of_this_process() {
        let attack = KINDS
            .into_iter()
            .flatten()
            .find(|it| it.name == cell.attack);
        let attack = attack.expect("the attack that the process was started for");
        return cell::act(attack, &cell);
    }
    let wanted = env::var("ZRE_ATTACK").unwrap_or_default();
    let attacks = KINDS.into_iter().flatten();
    let attacks: Vec<&Attack> = attacks.filter(|it| it.name.contains(&wanted)).collect();
    let begun = Instant::now();
    let rows = run_all(&attacks);
    table::print(&attacks, &rows, begun.elapsed());
    let complaints: String = rows
        .iter()
        .flatten()
        .filter_map(Outcome::complaint)
        .collect();
    assert!(complaints.is_empty(), "{complaints}");
}

/// A row for each attack, with an outcome for each flavour.
fn run_all(attacks: &[&Attack]) -> Vec<Vec<Outcome>> {
    let ports = cell::Ports::claim();
    let cells = [attacks.len(), FLAVOURS.len()];
    grid::run(WORKERS, cells, |row, column| {
        let cell = Cell {
            attack: attacks[row].name.to_owned(),
            flavour: FLAVOURS[column],
            port: ports.of(row * FLAVOURS.len() + column),
        };
        cell.run()
    })
}
