//! Our nodes in networks of real zyre and pyre nodes.

#![allow(
    clippy::indexing_slicing,
    reason = "a JSON value that lacks a key gives null, which compares as unequal"
)]

mod election;
mod exchange;
mod kind;
mod meeting;
mod once;
mod requests;
mod restarts;
mod trouble;
mod wrapping;
