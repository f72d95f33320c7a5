//! `zre doctor` on networks that are broken, each in one way: it says the cause.
//!
//! With `--nocapture`, what it says is shown.

mod broken;
mod page;
mod rig;
