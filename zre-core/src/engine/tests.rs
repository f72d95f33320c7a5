//! Scenarios of whole nodes, octet by octet, in virtual time.
//!
//! [`net`] joins engines with each other; [`solo`] faces one engine with peers that a test plays itself.

mod connecting;
mod conversation;
mod doubts;
mod handover;
mod intruders;
mod limits;
mod net;
mod pressure;
mod restarts;
mod solo;
mod stopping;
