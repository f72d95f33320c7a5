//! What a user can set before a node starts, and what follows from it.

mod bind_endpoint;
mod check;
mod error;
mod security;
mod start;

use std::time::Duration;

use zre_core::{
    Beacons, Limits, SlowMembers, Voters,
    interfaces::{InterfaceChoice, Interfaces, IpVersion},
    proto::{
        Endpoint, EndpointError, GroupName, KeyedEndpoint, KeyedEndpointError, PeerId, Text,
        TooLong,
    },
};

pub use bind_endpoint::{BindEndpoint, BindError, BindHost};
pub use error::{Mistake, StartError};
pub(crate) use security::union;
pub use security::{NodeKey, Secret, SecurityError, Trust};
pub(crate) use start::{Prepared, there};

/// What has been set so far; an adapter's `Builder` says what each setting means.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the builder's methods of the same names document them"
)]
pub struct Settings {
    pub name: Option<Text>,
    pub id: Option<PeerId>,
    pub headers: Vec<(Text, Text)>,
    pub groups: Vec<GroupName>,
    pub interfaces: Interfaces,
    pub ip: IpVersion,
    pub port: Option<u16>,
    pub tcp_port: Option<u16>,
    pub advertise: Option<Endpoint>,
    pub beacons: Beacons,
    pub connect: Vec<KeyedEndpoint>,
    pub gossip_bind: Option<BindEndpoint>,
    pub gossip_connect: Vec<KeyedEndpoint>,
    pub key: Option<NodeKey>,
    pub trust: Option<Trust>,
    pub secret: Option<Secret>,
    pub beacon_interval: Option<Duration>,
    pub evasive_after: Option<Duration>,
    pub expired_after: Option<Duration>,
    pub handshake_timeout: Option<Duration>,
    pub reconnect_min: Option<Duration>,
    pub reconnect_max: Option<Duration>,
    pub linger: Option<Duration>,
    pub contest: Vec<GroupName>,
    pub voters: Voters,
    pub slow_members: SlowMembers,
    pub limits: Limits,
    pub seed: Option<[u8; 32]>,
    /// The first thing that was set and cannot be, to be told at the start.
    pub mistake: Option<Mistake>,
}

impl Settings {
    /// The settings of a node with a name, and the default for everything else.
    pub fn named(name: impl Into<Text>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Adds a group, or remembers that it cannot be one.
    pub fn join<G>(&mut self, group: G)
    where
        G: TryInto<GroupName>,
        TooLong: From<G::Error>,
    {
        if let Some(group) = self.group(group) {
            self.groups.push(group);
        }
    }

    /// Adds a group that the node wants to lead, or remembers that it cannot be one.
    pub fn contest<G>(&mut self, group: G)
    where
        G: TryInto<GroupName>,
        TooLong: From<G::Error>,
    {
        if let Some(group) = self.group(group) {
            self.contest.push(group);
        }
    }

    fn group<G>(&mut self, group: G) -> Option<GroupName>
    where
        G: TryInto<GroupName>,
        TooLong: From<G::Error>,
    {
        match group.try_into() {
            Ok(group) => Some(group),
            Err(error) => {
                self.note_mistake(Mistake::TooLong(error.into()));
                None
            }
        }
    }

    /// Adds an interface, or some of its addresses, to those that were chosen. An empty name adds
    /// nothing, as it is mostly a variable that was not set.
    pub fn interface(&mut self, interface: impl Into<InterfaceChoice>) {
        let interface = interface.into();
        if matches!(&interface, InterfaceChoice::Name(name) if name.is_empty()) {
            return;
        }
        match &mut self.interfaces {
            Interfaces::Chosen(choices) => choices.push(interface),
            others => *others = Interfaces::Chosen(vec![interface]),
        }
    }

    /// Sets what peers are told of where to connect to, or remembers that it is no endpoint.
    pub fn advertise<E>(&mut self, endpoint: E)
    where
        E: TryInto<Endpoint>,
        EndpointError: From<E::Error>,
    {
        if let Some(endpoint) = self.endpoint("advertise", endpoint) {
            self.advertise = Some(endpoint);
        }
    }

    /// Sets the secret that all nodes have in common.
    pub fn secret(&mut self, passphrase: impl Into<String>) {
        self.secret = Some(Secret::new(passphrase));
    }

    /// Adds a fixed peer, or remembers that it is no endpoint.
    pub fn connect<E>(&mut self, endpoint: E)
    where
        E: TryInto<KeyedEndpoint>,
        KeyedEndpointError: From<E::Error>,
    {
        let endpoint = self.keyed("connect", endpoint);
        self.connect.extend(endpoint);
    }

    /// Adds a gossip hub, or remembers that it is no endpoint.
    pub fn gossip_connect<E>(&mut self, endpoint: E)
    where
        E: TryInto<KeyedEndpoint>,
        KeyedEndpointError: From<E::Error>,
    {
        let endpoint = self.keyed("gossip_connect", endpoint);
        self.gossip_connect.extend(endpoint);
    }

    /// Sets where the node is a gossip hub, or remembers that it is no such place.
    pub fn gossip_bind<E>(&mut self, endpoint: E)
    where
        E: TryInto<BindEndpoint>,
        BindError: From<E::Error>,
    {
        match endpoint.try_into() {
            Ok(endpoint) => self.gossip_bind = Some(endpoint),
            Err(error) => self.note_mistake(Mistake::GossipBind(error.into())),
        }
    }

    fn endpoint<E>(&mut self, setting: &'static str, endpoint: E) -> Option<Endpoint>
    where
        E: TryInto<Endpoint>,
        EndpointError: From<E::Error>,
    {
        match endpoint.try_into() {
            Ok(endpoint) => Some(endpoint),
            Err(error) => {
                let error = error.into();
                self.note_mistake(Mistake::Endpoint { setting, error });
                None
            }
        }
    }

    fn keyed<E>(&mut self, setting: &'static str, endpoint: E) -> Option<KeyedEndpoint>
    where
        E: TryInto<KeyedEndpoint>,
        KeyedEndpointError: From<E::Error>,
    {
        match endpoint.try_into() {
            Ok(endpoint) => Some(endpoint),
            Err(error) => {
                let error = KeyedEndpointError::from(error);
                self.note_mistake(Mistake::KeyedEndpoint { setting, error });
                None
            }
        }
    }

    /// The first is told.
    fn note_mistake(&mut self, mistake: Mistake) {
        self.mistake.get_or_insert(mistake);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::named("alice");
        change(&mut settings);
        settings.check().expect_err("it is wrong").to_string()
    }

    #[test]
    fn a_group_may_be_text_or_a_name_and_one_that_is_too_long_is_told_at_the_start() {
        let mut settings = Settings::default();
        let name = GroupName::try_from("NAME").unwrap();
        settings.join("TEXT");
        settings.join("OWNED".to_owned());
        settings.join(Text::from("ZRE"));
        settings.join(&name);
        settings.join(name);
        assert!(settings.check().is_ok());
        assert_eq!(settings.groups.len(), 5);
        let error = refused(|settings| {
            settings.join("x".repeat(256));
            settings.join("y".repeat(256));
        });
        assert!(error.contains("\"xxx"), "the first of them: {error}");
    }

    #[test]
    fn interfaces_peers_and_hubs_add_up_and_a_mistake_is_told_at_the_start() {
        let mut settings = Settings::default();
        settings.interface("eth0");
        settings.interface("");
        settings.interface(IpAddr::from([10, 0, 0, 1]));
        let chosen = Interfaces::Chosen(vec!["eth0".into(), "10.0.0.1".into()]);
        assert_eq!(settings.interfaces, chosen);
        let endpoint: Endpoint = "tcp://10.0.0.2:5000".parse().unwrap();
        settings.connect(&endpoint);
        settings.connect("tcp://host.example:1".to_owned());
        settings.gossip_connect(endpoint);
        settings.gossip_bind("tcp://*:5670");
        assert!(settings.check().is_ok());
        assert_eq!(
            (settings.connect.len(), settings.gossip_connect.len()),
            (2, 1)
        );
        let error = refused(|settings| settings.connect("10.0.0.2:5000"));
        assert_eq!(
            error,
            "connect: endpoint \"10.0.0.2:5000\" does not begin with \"tcp://\""
        );
        let error = refused(|settings| settings.gossip_bind("tcp://*"));
        assert!(error.starts_with("gossip_bind: \"tcp://*\" does not end with a port"));
    }

    #[test]
    fn beacons_that_find_nobody_are_refused_with_the_remedy() {
        let refused = |beacons: Beacons| refused(|settings| settings.beacons = beacons);
        assert!(refused(Beacons::Off).contains("name a peer with connect"));
        assert!(refused(Beacons::To(Vec::new())).contains("list of addresses for beacons"));
        let host = IpAddr::from([10, 0, 0, 1]);
        assert!(refused(Beacons::Multicast(host)).contains("cannot be multicast to 10.0.0.1"));
        let group = IpAddr::from([239, 0, 0, 1]);
        assert!(refused(Beacons::To(vec![host, group])).contains("cannot go to 239.0.0.1"));
        for way in ["connect", "gossip_connect", "gossip_bind"] {
            let mut settings = Settings {
                beacons: Beacons::Off,
                ..Settings::default()
            };
            match way {
                "connect" => settings.connect("tcp://10.0.0.1:1"),
                "gossip_connect" => settings.gossip_connect("tcp://10.0.0.1:1"),
                _ => settings.gossip_bind("tcp://10.0.0.1:1"),
            }
            assert!(settings.check().is_ok(), "{way}");
        }
    }

    #[test]
    fn an_address_of_the_version_that_is_not_used_is_refused() {
        let changes: [fn(&mut Settings); 5] = [
            |settings| settings.interface("10.0.0.1"),
            |settings| settings.interface("10.0.0.0/8"),
            |settings| settings.connect("tcp://10.0.0.1:1"),
            |settings| settings.gossip_bind("tcp://10.0.0.1:1"),
            |settings| settings.beacons = Beacons::Multicast([239, 0, 0, 1].into()),
        ];
        for change in changes {
            let refuse = |ip: IpVersion| {
                let mut settings = Settings::default();
                change(&mut settings);
                settings.ip = ip;
                settings.check()
            };
            let error = refuse(IpVersion::V6).expect_err("it is IPv4").to_string();
            assert!(error.contains("and the node uses IPv6 alone"), "{error}");
            assert!(refuse(IpVersion::V4).is_ok() && refuse(IpVersion::Both).is_ok());
        }
    }

    #[test]
    fn a_short_expired_after_alone_leaves_half_of_it_for_answers() {
        for (expired_after, evasive_after) in [(3000, 1500), (10, 10), (20_000, 5000)] {
            let settings = Settings {
                expired_after: Some(Duration::from_millis(expired_after)),
                ..Settings::default()
            };
            let config = settings.config(None).expect("the times are valid");
            assert_eq!(config.evasive_after, Duration::from_millis(evasive_after));
        }
    }

    #[test]
    fn times_that_contradict_each_other_are_refused_with_the_remedy() {
        let time = |millis| Some(Duration::from_millis(millis));
        let error = refused(|settings| {
            (settings.reconnect_min, settings.reconnect_max) = (time(20), time(10));
        });
        assert_eq!(
            error,
            "reconnect_min is 20ms, longer than reconnect_max, which is 10ms: \
             lower the one or raise the other"
        );
        let mut settings = Settings::default();
        (settings.reconnect_min, settings.reconnect_max) = (time(10), time(10));
        assert!(settings.check().is_ok(), "no growth is a choice");
        // Only what was set is held against each other.
        settings.expired_after = time(10);
        assert!(settings.check().is_ok());
    }
}
