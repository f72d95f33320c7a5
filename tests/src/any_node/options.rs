//! How a node is started.

use std::time::Duration;

use zre_core::{Limits, proto::Endpoint};
use zre_net::Builder;

/// How a node is started.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// Its name; none for that of its identity.
    pub name: Option<String>,
    /// Its identity.
    pub uuid: Option<uuid::Uuid>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// The groups that it is in from the start.
    pub groups: Vec<String>,
    /// Its network interface; none for the adapter's choice.
    pub interface: Option<String>,
    /// The discovery port.
    pub port: Option<u16>,
    /// The port on which it listens.
    pub tcp_port: Option<u16>,
    /// Where it says that it listens.
    pub advertise: Option<Endpoint>,
    /// The time between its beacons.
    pub beacon_interval: Option<Duration>,
    /// How long a peer may be silent until it is evasive.
    pub evasive: Option<Duration>,
    /// How long a peer may be silent until it is gone.
    pub expired: Option<Duration>,
    /// How long a connection may take until its HELLO.
    pub handshake: Option<Duration>,
    /// How long stopping waits for those who do not read.
    pub linger: Option<Duration>,
    /// How much it holds.
    pub limits: Option<Limits>,
}

impl NodeOptions {
    /// A node on loopback.
    pub fn local(name: &str, port: u16) -> Self {
        Self {
            name: Some(name.to_owned()),
            interface: Some("127.0.0.1".to_owned()),
            port: Some(port),
            ..Self::default()
        }
    }

    pub(super) fn builder<R>(self) -> Builder<R> {
        let mut builder = match self.name {
            Some(name) => Builder::new(name),
            None => Builder::unnamed(),
        };
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        for group in self.groups {
            builder = builder.join(group);
        }
        builder = apply(builder, self.uuid, Builder::uuid);
        builder = apply(builder, self.interface, Builder::interface);
        builder = apply(builder, self.port, Builder::port);
        builder = apply(builder, self.tcp_port, Builder::tcp_port);
        builder = apply(builder, self.advertise, Builder::advertise);
        builder = apply(builder, self.beacon_interval, Builder::beacon_interval);
        builder = apply(builder, self.evasive, Builder::evasive_timeout);
        builder = apply(builder, self.expired, Builder::expired_timeout);
        builder = apply(builder, self.handshake, Builder::handshake_timeout);
        builder = apply(builder, self.linger, Builder::linger);
        apply(builder, self.limits, Builder::limits)
    }
}

fn apply<R, T>(
    builder: Builder<R>,
    value: Option<T>,
    set: impl FnOnce(Builder<R>, T) -> Builder<R>,
) -> Builder<R> {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}
