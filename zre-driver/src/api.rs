//! What every adapter hands on under its own name.

pub use bytes::Bytes;
pub use uuid::Uuid;
pub use zre_core::{
    Beacons, ConfigError, Error, Event, ExitReason, Fault, FixedPeer, FixedState, GossipHubInfo,
    Limits, LinkError, NetworkInfo, Notice, PeerInfo, PeerKey, RefusedBy, SlowMembers, TrustedKeys,
    Unconfirmed, Voters,
    interfaces::{
        Interface, InterfaceAddress, InterfaceChoice, InterfaceState, Interfaces, IpVersion,
        PassedOver, WhyNot,
    },
    proto::{
        BeaconError, Content, DISCOVERY_PORT, Endpoint, EndpointError, GroupName, Headers, Host,
        IntoFrame, KeyedEndpoint, KeyedEndpointError, MessageError, PeerId, PeerIdError, RoutingId,
        RoutingIdError, ShortText, Text, ToStrError, TooLong, Truncated,
        curve::{
            Certificate, CertificateError, KeyError, KeyMetadata, Keypair, KeypairError,
            PassphraseError, PublicKey, SecretKey,
        },
        zmtp::{CommandError, FrameError, GreetingError},
    },
};

pub use zre_net::keys::{self, KeyFileError, KeyFileFault};

pub use crate::{
    hub::{Answer, Delivery, Lagged, Network, NetworkState, PeerRef, Stats},
    settings::{BindEndpoint, BindError, BindHost, NodeKey, SecurityError, StartError, Trust},
};
