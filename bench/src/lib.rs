//! Measures ZRE nodes against bare TCP and libzmq, and says which targets they meet.
//!
//! The program starts itself for each end of each measurement, so that two new processes talk to
//! each other over loopback. [`compare`](compare::run) starts them and reads their figures;
//! [`ends`] is what they do.

#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

pub mod compare;
pub mod curve_work;
pub mod ends;
pub mod instructions;
pub mod job;
pub mod keys;
pub mod machine;
pub mod pair;
pub mod plan;
pub mod plot;
pub mod process;
pub mod report;
pub mod results;
pub mod targets;
pub mod work;

/// Why a measurement failed.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
