//! What is accepted is delivered, or its sender is told.
//!
//! A node of ours whispers numbered messages to a receiver on another host, across a switch that
//! loses frames, while the receiver dies, freezes or is slow, or right before the sender stops.
//! Each message whose whisper was accepted must be delivered in order, or an `Exit` of the receiver
//! must follow within `expired_after` and two seconds. What `stop` could not deliver, it must
//! count. Where messages are to be confirmed, each that was has reached the receiver's program,
//! and each that was not was told to the program that sent it, and counted.
//!
//! Where something belongs: [`fault`] says what goes wrong, [`scene`] has the hosts and processes,
//! [`ledger`] judges what was accepted against what came of it.
//!
//! `cargo test -p zre-tests --test no_silent_loss` prints the table. `ZRE_LOSS=all` in the
//! environment tries every fault on every adapter with every kind of receiver, `ZRE_LOSS=cut` does
//! so with the faults that have this in their name.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value that lacks a key gives null, which compares as unequal"
)]

mod cell;
mod fault;
mod ledger;
mod scene;
mod table;

use std::{env, time::Instant};

use cell::{Cell, Manner, Receiver};
use fault::{ALL, Fault};
use zre_tests::{RealPeers, Switch, any_node::Flavour, grid};

/// How many cells run at once. They mostly wait.
const WORKERS: usize = 16;

const FLAVOURS: [Flavour; 3] = [Flavour::TokioMulti, Flavour::Smol, Flavour::Blocking];

/// What differs between the adapters: sockets that stand still, and stopping.
const ON_EACH_ADAPTER: [&str; 4] = [
    "cut for ever",
    "large frames lost",
    "stop behind 1,000",
    "stop before a slow receiver",
];
/// What differs between the implementations: answers, buffers, and what a goodbye cuts off.
const WITH_EACH_RECEIVER: [&str; 7] = [
    "none",
    "10 % lost",
    "large frames lost",
    "receiver killed",
    "receiver frozen for ever",
    "stop behind 1,000",
    "stop behind 20,000",
];

/// Confirmed messages, on each adapter.
const CONFIRMED_ON_EACH_ADAPTER: [&str; 6] = [
    "none",
    "cut for ever",
    "large frames lost",
    "receiver killed",
    "receiver frozen for ever",
    "stop behind 1,000",
];
/// Confirmed messages on one adapter.
const CONFIRMED: [&str; 5] = [
    "10 % lost",
    "cut for longer than peers are missed",
    "receiver frozen for 3 s",
    "stop behind 20,000",
    "stop before a slow receiver",
];
/// Messages confirmed by receivers that are not ours.
const CONFIRMED_WITH_EACH_RECEIVER: [&str; 3] = ["none", "cut for ever", "stop behind 1,000"];
/// Shouts that are to be confirmed.
const SHOUTS: [&str; 4] = [
    "none",
    "cut for ever",
    "receiver frozen for ever",
    "stop behind 1,000",
];

#[test]
fn what_is_accepted_is_delivered_or_its_sender_is_told() {
    if RealPeers::available().is_none() || !Switch::is_available() {
        return;
    }
    let cells = wanted();
    let begun = Instant::now();
    let outcomes = grid::run(WORKERS, [cells.len(), 1], |row, _| cells[row].run()).concat();
    table::print(&cells, &outcomes, begun.elapsed());
    let of_each = cells.iter().zip(&outcomes);
    let complaints: String = of_each
        .filter_map(|(cell, outcome)| outcome.complaint(cell))
        .collect();
    assert!(complaints.is_empty(), "{complaints}");
}

fn wanted() -> Vec<Cell> {
    let wanted = env::var("ZRE_LOSS").unwrap_or_default();
    let is_wanted = |cell: &Cell| match wanted.as_str() {
        "" => cell.is_in_short_run(),
        "all" => true,
        name => cell.fault.name.contains(name),
    };
    every_cell().filter(is_wanted).collect()
}

fn every_cell() -> impl Iterator<Item = Cell> {
    let with_flavours = |fault: &'static Fault| FLAVOURS.map(|flavour| (fault, flavour));
    ALL.iter()
        .flat_map(with_flavours)
        .flat_map(|(fault, flavour)| {
            Receiver::ALL.map(|receiver| {
                Manner::ALL.map(|manner| Cell {
                    fault,
                    flavour,
                    receiver,
                    manner,
                })
            })
        })
        .flatten()
        .filter(|cell| cell.receiver == Receiver::Zre || !cell.fault.is_for_ours())
        // The program beside other implementations is in no group.
        .filter(|cell| cell.receiver == Receiver::Zre || cell.manner != Manner::Shouts)
}

impl Cell {
    /// All faults once, and where adapters or implementations differ, those that show it.
    fn is_in_short_run(&self) -> bool {
        let (first, name) = (self.flavour == Flavour::TokioMulti, self.fault.name);
        match (self.manner, self.receiver) {
            (Manner::Plain, _) => self.is_in_short_run_of_plain(),
            (Manner::Shouts, _) => first && SHOUTS.contains(&name),
            (_, Receiver::Zre) if CONFIRMED_ON_EACH_ADAPTER.contains(&name) => true,
            (_, Receiver::Zre) => first && CONFIRMED.contains(&name),
            _ => first && CONFIRMED_WITH_EACH_RECEIVER.contains(&name),
        }
    }

    fn is_in_short_run_of_plain(&self) -> bool {
        let first = self.flavour == Flavour::TokioMulti;
        match self.receiver {
            Receiver::Zre => first || ON_EACH_ADAPTER.contains(&self.fault.name),
            _ if first => WITH_EACH_RECEIVER.contains(&self.fault.name),
            _ => self.fault.name == "stop behind 1,000",
        }
    }
}

#[test]
fn the_short_run_names_faults_that_exist() {
    let named = [
        &ON_EACH_ADAPTER[..],
        &WITH_EACH_RECEIVER,
        &CONFIRMED_ON_EACH_ADAPTER,
        &CONFIRMED,
        &CONFIRMED_WITH_EACH_RECEIVER,
        &SHOUTS,
    ];
    for name in named.concat() {
        assert!(ALL.iter().any(|fault| fault.name == name), "{name}");
    }
}
