//! Nodes on networks of every kind, with real zyre and pyre nodes: several interfaces, networks
//! that move, IPv6, gossip and fixed peers.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value that lacks a key gives null, which compares as unequal"
)]

mod beacons;
mod fixed;
mod gossip;
mod ipv6;
mod ledger;
mod moving;
mod rig;
mod scene;
mod several;
