//! What every adapter hands on under its own name.

pub use bytes::Bytes;
pub use uuid::Uuid;
pub use zre_core::{
    ConfigError, Error, Event, ExitReason, Fault, Limits, LinkError, Notice, PeerInfo, SlowMembers,
    Unconfirmed,
    proto::{
        BeaconError, Content, DISCOVERY_PORT, Endpoint, EndpointError, GroupName, Headers, Host,
        IntoFrame, MessageError, PeerId, PeerIdError, RoutingId, RoutingIdError, ShortText, Text,
        ToStrError, TooLong, Truncated,
        zmtp::{CommandError, FrameError, GreetingError},
    },
};
pub use zre_net::{Interface, InterfaceChoice, InterfaceError};

pub use crate::{
    hub::{Lagged, Network, PeerRef, Stats},
    settings::StartError,
};
