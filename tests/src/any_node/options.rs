//! The settings of a node.

use std::time::Duration;

use zre_core::{
    Beacons, Limits, SlowMembers, Voters,
    interfaces::{Interfaces, IpVersion},
    proto::Endpoint,
};
use zre_driver::{
    Settings,
    api::{NodeKey, Trust},
};

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
    /// Its network interfaces, or the single word `all`; none for the adapter's choice.
    pub interfaces: Vec<String>,
    /// Which versions of IP it uses.
    pub ip: IpVersion,
    /// How it announces itself.
    pub beacons: Beacons,
    /// Its fixed peers.
    pub connect: Vec<String>,
    /// Where it is a gossip hub.
    pub gossip_bind: Option<String>,
    /// The gossip hubs that it connects to.
    pub gossip_connect: Vec<String>,
    /// The discovery port.
    pub port: Option<u16>,
    /// The port on which it listens.
    pub tcp_port: Option<u16>,
    /// Where it says that it listens.
    pub advertise: Option<Endpoint>,
    /// Its key.
    pub key: Option<NodeKey>,
    /// With whom it talks.
    pub trust: Option<Trust>,
    /// What all nodes have in common.
    pub secret: Option<String>,
    /// What all that is random comes from.
    pub seed: Option<[u8; 32]>,
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
    /// The groups that it wants to lead.
    pub contest: Vec<String>,
    /// To whom it sends messages of elections.
    pub voters: Voters,
    /// What its shouts do about slow members.
    pub slow_members: SlowMembers,
    /// How much it holds.
    pub limits: Option<Limits>,
}

impl NodeOptions {
    /// A node on loopback.
    pub fn local(name: &str, port: u16) -> Self {
        Self {
            name: Some(name.to_owned()),
            interfaces: vec!["127.0.0.1".to_owned()],
            port: Some(port),
            ..Self::default()
        }
    }

    /// As an adapter's builder collects them.
    pub(super) fn settings(self) -> Settings {
        let mut settings = self.name.map(Settings::named).unwrap_or_default();
        for (name, value) in self.headers {
            settings.headers.push((name.into(), value.into()));
        }
        for group in self.groups {
            settings.join(group);
        }
        for interface in self.interfaces {
            match interface.as_str() {
                "all" => settings.interfaces = Interfaces::All,
                _ => settings.interface(interface),
            }
        }
        settings.ip = self.ip;
        settings.beacons = self.beacons;
        for endpoint in self.connect {
            settings.connect(endpoint);
        }
        if let Some(endpoint) = self.gossip_bind {
            settings.gossip_bind(endpoint);
        }
        for endpoint in self.gossip_connect {
            settings.gossip_connect(endpoint);
        }
        settings.key = self.key;
        settings.trust = self.trust;
        if let Some(secret) = self.secret {
            settings.secret(secret);
        }
        settings.seed = self.seed;
        settings.id = self.uuid.map(Into::into);
        settings.port = self.port;
        settings.tcp_port = self.tcp_port;
        settings.advertise = self.advertise;
        settings.beacon_interval = self.beacon_interval;
        settings.evasive_after = self.evasive;
        settings.expired_after = self.expired;
        settings.handshake_timeout = self.handshake;
        settings.linger = self.linger;
        for group in self.contest {
            settings.contest(group);
        }
        settings.voters = self.voters;
        settings.slow_members = self.slow_members;
        settings.limits = self.limits.unwrap_or_default();
        settings
    }
}
