//! What every adapter hands on under its own name.

pub use zre_core::{
    ConfigError, Error, Event, ExitReason, Fault, Limits, LinkError, PeerInfo,
    proto::{Content, Endpoint, GroupName, Headers, PeerId, ShortText, Text, TooLong},
};

pub use crate::{
    interface::{Interface, InterfaceChoice, InterfaceError},
    settings::StartError,
};
