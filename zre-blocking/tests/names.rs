//! Every type that a signature mentions has a name in this crate.

use std::{error::Error as StdError, fmt::Debug};

use zre_blocking::{
    BeaconError, Beacons, BindEndpoint, BindError, BindHost, Builder, Bytes, CommandError,
    ConfigError, Content, DISCOVERY_PORT, Endpoint, EndpointError, Error, Event, Events,
    ExitReason, Fault, FixedPeer, FixedState, FrameError, GossipHubInfo, GreetingError, GroupName,
    Headers, Host, Interface, InterfaceAddress, InterfaceChoice, InterfaceState, Interfaces,
    IntoFrame, IpVersion, Lagged, Limits, LinkError, MessageError, Network, NetworkInfo,
    NetworkState, Node, Notice, Notices, PassedOver, PeerId, PeerIdError, PeerInfo, PeerRef,
    Readiness, RecvTimeoutError, RoutingId, RoutingIdError, Sender, ShortText, StartError, Stats,
    Subscription, Text, ToStrError, TooLong, Truncated, Unconfirmed, Uuid, WhyNot,
};

fn is_value<T: Debug + Clone + Send + Sync + 'static>() {}

fn is_error<T: StdError + Send + Sync + 'static>() {}

fn is_handle<T: Debug + Send + Sync + 'static>() {}

#[test]
fn every_type_has_a_name_here() {
    is_value::<(Bytes, Content, Endpoint, GroupName, Headers, Host)>();
    is_value::<(PeerId, RoutingId, ShortText, Text, Uuid)>();
    is_value::<(
        Event,
        ExitReason,
        PeerInfo,
        Unconfirmed,
        PeerRef,
        Notice,
        Limits,
    )>();
    is_value::<(Network, Stats, Interface, InterfaceChoice, Builder)>();
    is_value::<(
        Beacons,
        Interfaces,
        IpVersion,
        NetworkInfo,
        BindEndpoint,
        BindHost,
    )>();
    is_value::<(InterfaceAddress, InterfaceState, PassedOver, WhyNot)>();
    is_value::<(NetworkState, FixedPeer, FixedState, GossipHubInfo)>();
    is_handle::<(Node, Sender, Events, Subscription, Notices)>();
    is_handle::<Readiness>();
    let _frame: Bytes = "a frame".into_frame();
    assert_eq!(DISCOVERY_PORT, 5670);
}

#[test]
fn every_error_has_a_name_here() {
    is_error::<Error>();
    is_error::<StartError>();
    is_error::<ConfigError>();
    is_error::<BindError>();
    is_error::<Lagged>();
    is_error::<TooLong>();
    is_error::<ToStrError>();
    is_error::<EndpointError>();
    is_error::<PeerIdError>();
    is_error::<RoutingIdError>();
    is_error::<RecvTimeoutError>();
    // What a fault and a notice hold.
    is_error::<Fault>();
    is_error::<LinkError>();
    is_error::<MessageError>();
    is_error::<Truncated>();
    is_error::<BeaconError>();
    is_error::<GreetingError>();
    is_error::<FrameError>();
    is_error::<CommandError>();
}

/// What each conversion fails with is what it is called here.
#[test]
fn conversions_fail_with_errors_that_have_names() {
    let _: Result<Endpoint, EndpointError> = "nowhere".parse();
    let _: Result<PeerId, PeerIdError> = "nobody".parse();
    let _: Result<GroupName, TooLong> = "CHAT".try_into();
    let _: Result<&str, ToStrError> = Content::from("text").to_str().map(|_| "text");
    let _: Option<&Host> = "tcp://127.0.0.1:1"
        .parse()
        .ok()
        .as_ref()
        .map(Endpoint::host);
}

#[cfg(feature = "serde")]
#[test]
fn values_are_serialized_by_a_feature() {
    fn is_both<T: serde::Serialize + serde::de::DeserializeOwned>() {}
    fn is_written<T: serde::Serialize>() {}

    is_both::<(Event, ExitReason, PeerInfo, Unconfirmed, Limits)>();
    is_both::<(
        PeerId,
        Endpoint,
        Text,
        ShortText,
        GroupName,
        Headers,
        Content,
    )>();
    is_written::<Notice>();
}
