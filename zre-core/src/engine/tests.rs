//! Scenarios of whole nodes in virtual time, over connections of bytes and of messages.
//!
//! [`network`] joins nodes with each other; [`single_engine`] faces one engine with peers that a
//! test plays itself.

mod backpressure;
mod budget;
mod connecting;
mod conversation;
mod exploration;
mod fixed;
mod giving_way;
mod gossip;
mod handover;
mod intruders;
mod laggards;
mod level;
mod limits;
mod links_of_ipv6;
mod meeting;
mod moves;
mod moving;
mod network;
mod networks;
mod networks_change;
mod outbound;
mod places;
mod precedence;
mod requests;
mod restarts;
mod secrets;
mod secured;
mod settling;
mod single_engine;
mod stopping;
mod suspicion;
