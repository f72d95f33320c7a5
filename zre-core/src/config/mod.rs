//! The settings that a node starts with.

mod keys;
mod limits;
mod own;

use alloc::{collections::BTreeSet, vec::Vec};
use core::{net::IpAddr, time::Duration};

use thiserror::Error;
use zre_proto::{
    Endpoint, GroupName, Headers, Hello, KeyedEndpoint, PeerId, ShortText, curve::PublicKey,
};

pub(crate) use self::keys::KEY_HEADER;
pub use self::limits::Limits;
pub(crate) use self::own::{OwnLimit, check_own};
use crate::{
    interfaces::{Interfaces, IpVersion},
    security::Security,
};

/// How a node presents itself, how long it waits for its peers, and how much it holds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The node's identity; made from the seed unless set. No two nodes may have the same.
    pub id: Option<PeerId>,
    /// The node's name; the first six digits of its identity unless set.
    pub name: Option<ShortText>,
    /// Where the node accepts connections, as peers can reach it. With
    /// [`networks`](Config#structfield.networks) it only counts until the node is on a network.
    pub endpoint: Endpoint,
    /// On which networks the node is to be. `None` if it is on one for ever, and reached at
    /// [`endpoint`](Config#structfield.endpoint).
    pub networks: Option<NetworkSettings>,
    /// Where peers are told to connect to, in place of where the node listens: behind a port
    /// mapping.
    pub advertise: Option<Endpoint>,
    /// How the node announces itself.
    pub beacons: Beacons,
    /// Fixed peers: endpoints where a peer is sought for as long as the node runs, whoever it is,
    /// and whether beacons come from there or not. An attempt that fails is followed by another,
    /// after pauses that double from [`reconnect_min`](Config#structfield.reconnect_min) to 10 s,
    /// or to a minute where connections are taken and no HELLO comes. Host names are looked up at
    /// each attempt. [`Engine::fixed_peers`](crate::Engine::fixed_peers) says how far they are.
    ///
    /// With [`security`](Config#structfield.security) each needs the key of whoever is there,
    /// unless all nodes have the same.
    pub connect: Vec<KeyedEndpoint>,
    /// Whether the node is a gossip hub: connections to its gossip port are reported with
    /// [`handle_gossip_accepted`](crate::Engine::handle_gossip_accepted).
    pub is_gossip_hub: bool,
    /// The gossip hubs that the node connects to; with [`security`](Config#structfield.security)
    /// with their keys, as in [`connect`](Config#structfield.connect).
    pub gossip_connect: Vec<KeyedEndpoint>,
    /// The key of the node, and with whom it talks. `None` if it talks with everybody in the open,
    /// and with nobody who has a key.
    pub security: Option<Security>,
    /// The headers that peers see when the node enters. A node with a key adds `X-PUBLICKEY`, which
    /// cannot be set here.
    pub headers: Headers,
    /// The groups that the node is in from the start.
    pub groups: BTreeSet<GroupName>,
    /// The groups that the node wants to lead, whenever it is in them; see
    /// [`Node::contest`](crate::Node::contest).
    pub contest: BTreeSet<GroupName>,
    /// To which members of a group messages of elections are sent.
    pub voters: Voters,
    /// How often the node announces itself; every second unless set, and at least 10 ms. The first
    /// beacon is sent at once.
    pub beacon_interval: Duration,
    /// After how long a silence a peer is called evasive and asked whether it is there; 5 s unless
    /// set, at least 10 ms and at most [`expired_after`](Config#structfield.expired_after). A peer
    /// that no beacon has come from is asked after half of it, too, and the application hears
    /// nothing of that.
    ///
    /// It is also how long the connections of a peer may stand still, while the node waits to hear
    /// from it whether it is there because another node claims to have replaced it.
    pub evasive_after: Duration,
    /// After how long a silence a peer is removed; 30 s unless set, and at least 10 ms. A peer that
    /// is asked has at least a second to answer, or half of this time if that is less. It is also
    /// how long a peer may leave its connection unread while messages wait for it.
    pub expired_after: Duration,
    /// How long a connection may take until its peer has said HELLO; 10 s unless set, and at least
    /// 10 ms.
    pub handshake_timeout: Duration,
    /// The pause before the second attempt to connect; 50 ms unless set, and at least 10 ms. It
    /// doubles with each further attempt.
    pub reconnect_min: Duration,
    /// The longest pause between attempts to connect; 2 s unless set, and at least 10 ms.
    pub reconnect_max: Duration,
    /// How long stopping waits until peers have received what was sent to them; 5 s unless set.
    pub linger: Duration,
    /// What a shout does about members that do not keep up; unless set, it passes over those that
    /// have had no room for 50 ms.
    pub slow_members: SlowMembers,
    /// How much the node holds.
    pub limits: Limits,
}

/// On which networks a node is to be; see
/// [`Engine::handle_interfaces`](crate::Engine::handle_interfaces).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Which interfaces.
    pub interfaces: Interfaces,
    /// Which versions of IP.
    pub ip: IpVersion,
}

/// To which members of a group the messages of elections, ELECT and LEADER, are sent. pyre and
/// zyre.js end the session with whoever sends them one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Voters {
    /// To those that are known to take part: nodes of this implementation, zyre nodes that have
    /// taken part in an election while this node knew them, and all in a network with keys.
    ///
    /// A zyre node that has said nothing of elections is known by its PINGs, of which it sends one
    /// in five seconds unless it is told otherwise. So in a group in which no zyre node contests,
    /// zyre nodes may learn of the leader ten seconds later. A node of zyre.js that does not hear
    /// this node's beacons, though its own are heard, PINGs in the same way and is taken for one of
    /// zyre.
    #[default]
    Known,
    /// To all members: no member is a node of pyre or zyre.js.
    All,
}

/// How a node announces itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Beacons {
    /// To the broadcast address of each IPv4 network, and to the IPv6 group `ff02::1`, as zyre
    /// does.
    #[default]
    Broadcast,
    /// To this multicast group; the IP version that it does not belong to goes on as with
    /// [`Broadcast`](Self::Broadcast). All nodes need the same.
    Multicast(IpAddr),
    /// To these addresses, each alone, for networks that filter broadcasts. Of two nodes in one
    /// subnet, one has to list the other. Where they are in different subnets, both need this
    /// setting: others drop beacons from beyond their subnet.
    To(Vec<IpAddr>),
    /// Not at all: peers are found by gossip or at fixed endpoints.
    Off,
}

/// What a shout does about the members of its group that have no room for it, because as much waits
/// for them as [`Limits::outbound`](Limits#structfield.outbound) allows. All others have got it at
/// once.
///
/// Whoever waits for room is who shouts: while one shout waits for a member, the next does not go
/// to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum SlowMembers {
    /// The shout waits for them, then passes them over: they do not get it, and the application is
    /// told with [`Event::Skipped`](crate::Event::Skipped). Further shouts pass over such a member
    /// without waiting while it has no room, until no more than half of the outbound limit waits
    /// for it.
    Skip {
        /// How long one shout waits for all of them together; 0 does not wait.
        after: Duration,
    },
    /// The shout waits until each of them has room, or is given up
    /// ([`expired_after`](Config#structfield.expired_after)). Nobody misses a message, and one slow
    /// member makes the whole group as slow.
    Wait,
}

impl SlowMembers {
    /// How long a shout waits for members that have no room before it passes them over; `None` if
    /// it waits until they have.
    pub fn skipped_after(self) -> Option<Duration> {
        match self {
            Self::Skip { after } => Some(after),
            Self::Wait => None,
        }
    }
}

impl Default for SlowMembers {
    fn default() -> Self {
        Self::Skip {
            after: Duration::from_millis(50),
        }
    }
}

/// A setting that no node can work with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A time is too short.
    #[error("{setting} is {value:?}: set it to {least:?} or more")]
    TooShort {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        value: Duration,
        /// The shortest time that it can be.
        least: Duration,
    },
    /// A peer would be removed before it is asked whether it is there.
    #[error(
        "evasive_after is {evasive_after:?}, longer than expired_after, which is \
         {expired_after:?}: a peer would be removed before it is asked whether it is there; \
         lower the one or raise the other"
    )]
    EvasiveAfterExpired {
        /// After how long a silence a peer would be asked.
        evasive_after: Duration,
        /// After how long a silence a peer would be removed.
        expired_after: Duration,
    },
    /// A limit is 0, with which nothing works.
    #[error("the limit {0} is 0: set it to 1 or more")]
    NoRoom(&'static str),
    /// The node has more groups or headers than its own limits allow. Its peers most likely have
    /// the same limits, and would refuse it each time they meet it.
    #[error(
        "the node has {value} {what}, and {limit} is {most}: peers with this limit refuse it; \
         take fewer, or raise the limit at all nodes"
    )]
    OwnLimit {
        /// What there is too much of, such as "groups".
        what: &'static str,
        /// How much there is.
        value: usize,
        /// Which of the [`Limits`].
        limit: &'static str,
        /// Its value.
        most: usize,
    },
    /// The node has a key, so it talks with nobody of whom it does not know the key.
    #[error(
        "{setting} has {keyed} without a key, and this node talks with several: add the key of \
         whoever is there, as in {keyed}|KEY"
    )]
    NoKey {
        /// Which setting.
        setting: &'static str,
        /// What it says.
        keyed: KeyedEndpoint,
    },
    /// The node has no key, and can connect to nobody who has one.
    #[error(
        "{setting} has {}|KEY, and a node without a key cannot connect to one that has a key: \
         give the node a key, too, or leave out |KEY", keyed.endpoint
    )]
    UnusedKey {
        /// Which setting.
        setting: &'static str,
        /// What it says.
        keyed: KeyedEndpoint,
    },
    /// `X-PUBLICKEY` is among the [`headers`](Config#structfield.headers). A node sets it itself.
    #[error(
        "the header X-PUBLICKEY is set by the node itself if it has a key: leave it out, and give \
         the node a key"
    )]
    KeyHeader,
}

impl From<OwnLimit> for ConfigError {
    fn from(exceeded: OwnLimit) -> Self {
        let OwnLimit {
            what,
            value,
            limit,
            most,
        } = exceeded;
        Self::OwnLimit {
            what,
            value,
            limit,
            most,
        }
    }
}

impl Config {
    /// Whether peers are told by a message that the node leaves: no beacon may say so.
    pub(crate) fn says_goodbye(&self) -> bool {
        self.gossips() || self.beacons == Beacons::Off
    }

    /// The key of whoever is at an endpoint of the user: the one that is given, or that of all
    /// nodes if they have the same.
    pub(crate) fn key_of(&self, keyed: &KeyedEndpoint) -> Option<PublicKey> {
        let only_key = || self.security.as_ref().and_then(Security::only_key);
        keyed.key.or_else(only_key)
    }

    /// Whether the node has anything to do with gossip.
    pub fn gossips(&self) -> bool {
        self.is_gossip_hub || !self.gossip_connect.is_empty()
    }

    /// The defaults, for a node that peers reach at `endpoint`.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            id: None,
            name: None,
            endpoint,
            networks: None,
            advertise: None,
            beacons: Beacons::default(),
            connect: Vec::new(),
            is_gossip_hub: false,
            gossip_connect: Vec::new(),
            security: None,
            headers: Headers::default(),
            groups: BTreeSet::new(),
            contest: BTreeSet::new(),
            voters: Voters::default(),
            beacon_interval: Duration::from_secs(1),
            evasive_after: Duration::from_secs(5),
            expired_after: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            reconnect_min: Duration::from_millis(50),
            reconnect_max: Duration::from_secs(2),
            linger: Duration::from_secs(5),
            slow_members: SlowMembers::default(),
            limits: Limits::default(),
        }
    }

    /// Checks the settings that a user may have got wrong.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that no node can work with, and how to correct it.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.check_times()?;
        self.check_keys()?;
        let mut limits = self.limits.must_not_be_zero().into_iter();
        match limits.find(|(_, value)| *value == 0) {
            Some((limit, _)) => Err(ConfigError::NoRoom(limit)),
            None => Ok(check_own(self.hello(), &self.limits)?),
        }
    }

    /// What the node says of itself when it starts, if it has a name.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            endpoint: self.endpoint.clone(),
            groups: self.groups.clone(),
            // Peers compare the status with the joins that they see, and those of HELLO count.
            status: self.groups.len().to_le_bytes()[0],
            name: self.name.clone().unwrap_or_default(),
            headers: self.all_headers(),
        }
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let least = Duration::from_millis(10);
        let times = [
            ("beacon_interval", self.beacon_interval),
            // First, as a builder derives the default of `evasive_after` from it: the setting that
            // the user wrote is to be named.
            ("expired_after", self.expired_after),
            ("evasive_after", self.evasive_after),
            ("handshake_timeout", self.handshake_timeout),
            ("reconnect_min", self.reconnect_min),
            ("reconnect_max", self.reconnect_max),
        ];
        if let Some((setting, value)) = times.into_iter().find(|(_, value)| *value < least) {
            return Err(ConfigError::TooShort {
                setting,
                value,
                least,
            });
        }
        let (evasive_after, expired_after) = (self.evasive_after, self.expired_after);
        if evasive_after > expired_after {
            return Err(ConfigError::EvasiveAfterExpired {
                evasive_after,
                expired_after,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::{
        format,
        string::{String, ToString},
    };

    use super::*;

    fn refusal(change: impl FnOnce(&mut Config)) -> Option<String> {
        let mut config = Config::new("tcp://10.0.0.1:1".parse().unwrap());
        change(&mut config);
        config.validate().err().map(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(refusal(|_| {}), None);
    }

    #[test]
    fn a_time_under_10_ms_is_refused_with_its_name_and_the_least() {
        type Time = fn(&mut Config) -> &mut Duration;
        let times: [(&str, Time); 6] = [
            ("beacon_interval", |config| &mut config.beacon_interval),
            ("evasive_after", |config| &mut config.evasive_after),
            ("expired_after", |config| &mut config.expired_after),
            ("handshake_timeout", |config| &mut config.handshake_timeout),
            ("reconnect_min", |config| &mut config.reconnect_min),
            ("reconnect_max", |config| &mut config.reconnect_max),
        ];
        for (name, time) in times {
            let refused = refusal(|config| *time(config) = Duration::from_micros(9_999));
            let expected = format!("{name} is 9.999ms: set it to 10ms or more");
            assert_eq!(refused, Some(expected));
        }
        let least = Duration::from_millis(10);
        let refused = refusal(|config| {
            for (_, time) in times {
                *time(config) = least;
            }
        });
        assert_eq!(refused, None);
    }

    #[test]
    fn evasive_after_expired_is_refused_and_as_long_as_it_is_not() {
        let times = |evasive, expired| {
            refusal(|config| {
                config.evasive_after = Duration::from_millis(evasive);
                config.expired_after = Duration::from_millis(expired);
            })
        };
        assert_eq!(times(4000, 4000), None);
        assert_eq!(
            times(40_000, 4000).unwrap(),
            "evasive_after is 40s, longer than expired_after, which is 4s: a peer would be \
             removed before it is asked whether it is there; lower the one or raise the other"
        );
    }

    #[test]
    fn a_limit_of_0_is_refused_with_its_name() {
        let refused = |limits: Limits| refusal(|config| config.limits = limits);
        for (name, limits) in [
            ("peers", Limits::default().peers(0)),
            ("pending_peers", Limits::default().pending_peers(0)),
            ("unclaimed_links", Limits::default().unclaimed_links(0)),
            ("unclaimed_bytes", Limits::default().unclaimed_bytes(0)),
            ("unfinished_bytes", Limits::default().unfinished_bytes(0)),
            ("peer_data_bytes", Limits::default().peer_data_bytes(0)),
            ("header_frame", Limits::default().header_frame(0)),
            ("message_size", Limits::default().message_size(0)),
            ("message_frames", Limits::default().message_frames(0)),
            ("outbound", Limits::default().outbound(0)),
            ("outbound_total", Limits::default().outbound_total(0)),
            ("events", Limits::default().events(0)),
            ("event_bytes", Limits::default().event_bytes(0)),
            ("gossip_clients", Limits::default().gossip_clients(0)),
            ("gossip_tuples", Limits::default().gossip_tuples(0)),
            ("gossip_bytes", Limits::default().gossip_bytes(0)),
        ] {
            let expected = format!("the limit {name} is 0: set it to 1 or more");
            assert_eq!(refused(limits), Some(expected));
        }
        assert_eq!(
            refused(Limits::default().groups_per_peer(0).headers_per_peer(0)),
            None
        );
    }

    #[test]
    fn more_groups_or_headers_than_the_own_limits_are_refused_with_their_names() {
        let groups = |count| {
            refusal(|config| {
                let names = (0..count).map(|number| format!("G{number}"));
                config.groups = names.map(|name| name.parse().unwrap()).collect();
            })
        };
        assert_eq!(groups(1024), None);
        assert_eq!(
            groups(1025).unwrap(),
            "the node has 1025 groups, and groups_per_peer is 1024: peers with this limit refuse \
             it; take fewer, or raise the limit at all nodes"
        );
        let headers = |count, size| {
            refusal(|config| {
                for number in 0..count {
                    let (name, value) = (format!("X-{number}"), "y".repeat(size));
                    config.headers.set(name, value).unwrap();
                }
            })
        };
        assert_eq!(headers(256, 1), None);
        let error = headers(257, 1).unwrap();
        assert!(error.starts_with("the node has 257 headers, and headers_per_peer is 256"));
        let error = headers(2, 1 << 20).unwrap();
        assert!(error.contains("bytes of groups and headers, and header_frame is 1048576"));
    }
}
