//! Interfaces and sockets in a network of the test's own, so that no packet leaves it.
#![cfg(target_os = "linux")]

mod inside;
mod interfaces;
mod sockets;
