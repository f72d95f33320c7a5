//! Secured networks of our nodes and real zyre nodes: CURVE, certificates, and who talks with whom.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value that lacks a key gives null, which compares as unequal"
)]

mod certificates;
mod changes;
mod exchange;
mod mixed;
mod passphrase;
mod people;
mod rig;
mod table;
