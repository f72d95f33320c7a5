//! `zre doctor` on networks that are broken, each in one way: it says the cause. And what other
//! commands show of a network that changes.
//!
//! With `--nocapture`, what it says is shown.

mod broken;
mod moves;
mod page;
mod rig;
