//! The builder.

/// Defines an adapter's `Builder`; the adapter adds `start`.
#[macro_export]
macro_rules! builder {
    () => {
        /// A node that has not been started yet.
        ///
        /// Everything has a default. What is wrong with a setting is said by
        /// [`start`](Builder::start).
        #[derive(Debug, Clone)]
        #[must_use = "a node begins with `start`"]
        pub struct Builder {
            settings: $crate::Settings,
        }

        impl Builder {
            /// A node with a name of 1 to 255 bytes, and the default for everything else.
            pub fn new(name: impl Into<Text>) -> Self {
                $crate::Settings::named(name).into()
            }

            /// A node whose name is the first six digits of its identity.
            pub fn unnamed() -> Self {
                $crate::Settings::default().into()
            }

            /// The node's identity, as a [`PeerId`] or a [`Uuid`]; random unless set. No two nodes
            /// may have the same.
            pub fn id(mut self, id: impl Into<PeerId>) -> Self {
                self.settings.id = Some(id.into());
                self
            }

            /// Adds a header that peers see when they meet the node; its name has at most 255
            /// bytes.
            pub fn header(mut self, name: impl Into<Text>, value: impl Into<Text>) -> Self {
                self.settings.headers.push((name.into(), value.into()));
                self
            }

            /// Adds headers: a map, or an array of pairs. See [`header`](Builder::header).
            pub fn headers<K, V>(mut self, headers: impl IntoIterator<Item = (K, V)>) -> Self
            where
                K: Into<Text>,
                V: Into<Text>,
            {
                let headers = headers.into_iter();
                let headers = headers.map(|(name, value)| (name.into(), value.into()));
                self.settings.headers.extend(headers);
                self
            }

            /// Is in a group from the start: a [`GroupName`], or text of 1 to 255 bytes.
            pub fn join<G>(mut self, group: G) -> Self
            where
                G: TryInto<GroupName>,
                TooLong: From<G::Error>,
            {
                self.settings.join(group);
                self
            }

            /// Is in some groups from the start. See [`join`](Builder::join).
            pub fn groups<G>(self, groups: impl IntoIterator<Item = G>) -> Self
            where
                G: TryInto<GroupName>,
                TooLong: From<G::Error>,
            {
                groups.into_iter().fold(self, Self::join)
            }

            /// Wants to lead a group whenever the node is in it; see [`Node::contest`]. It does not
            /// join the group: see [`join`](Builder::join).
            pub fn contest<G>(mut self, group: G) -> Self
            where
                G: TryInto<GroupName>,
                TooLong: From<G::Error>,
            {
                self.settings.contest(group);
                self
            }

            /// To which members of a group messages of elections are sent: to those that are known
            /// to take part, unless set. See [`Voters`].
            pub fn voters(mut self, voters: Voters) -> Self {
                self.settings.voters = voters;
                self
            }

            /// Adds a network interface: by name (`eth0`), by one of its addresses (`10.0.0.2`), or
            /// by a subnet (`10.0.0.0/8`). Of an interface that is named, the node uses the first
            /// address of each IP version. An empty name adds nothing.
            ///
            /// Unless set, the node is on the interface with the default route; see
            /// [`interfaces`](Builder::interfaces). One that is down or has no address yet is
            /// waited for.
            pub fn interface(mut self, interface: impl Into<InterfaceChoice>) -> Self {
                self.settings.interface(interface);
                self
            }

            /// On which network interfaces the node is, in place of what was set before;
            /// [`Interfaces::Default`] unless set. It follows what changes while it runs, and
            /// [`Event::Network`] tells.
            pub fn interfaces(mut self, interfaces: Interfaces) -> Self {
                self.settings.interfaces = interfaces;
                self
            }

            /// Which versions of IP the node uses; both unless set, where an interface has both.
            pub fn ip(mut self, ip: IpVersion) -> Self {
                self.settings.ip = ip;
                self
            }

            /// How the node announces itself; by broadcast, with IPv6 by multicast, unless set.
            ///
            /// With [`Beacons::Off`] it needs [`connect`](Builder::connect),
            /// [`gossip_connect`](Builder::gossip_connect) or
            /// [`gossip_bind`](Builder::gossip_bind).
            pub fn beacons(mut self, beacons: Beacons) -> Self {
                self.settings.beacons = beacons;
                self
            }

            /// Adds a fixed peer: an [`Endpoint`], or text such as `tcp://10.0.0.2:5000` or
            /// `tcp://host.example:5000`. The node connects to it, and does so again whenever it
            /// is gone, for as long as it runs. A host name is looked up for each attempt.
            pub fn connect<E>(mut self, endpoint: E) -> Self
            where
                E: TryInto<KeyedEndpoint>,
                KeyedEndpointError: From<E::Error>,
            {
                self.settings.connect(endpoint);
                self
            }

            /// Is a gossip hub at a place: text such as `tcp://*:5670`, `tcp://10.0.0.1:5670` or
            /// `tcp://eth0:5670`, or a [`SocketAddr`](::std::net::SocketAddr). Port 0 or `*` lets
            /// the system choose. Nodes that connect there hear of each other.
            pub fn gossip_bind<E>(mut self, endpoint: E) -> Self
            where
                E: TryInto<BindEndpoint>,
                BindError: From<E::Error>,
            {
                self.settings.gossip_bind(endpoint);
                self
            }

            /// Adds a gossip hub that the node connects to: an [`Endpoint`], or text such as
            /// `tcp://10.0.0.1:5670`. Nodes at the same hub find each other without beacons.
            pub fn gossip_connect<E>(mut self, endpoint: E) -> Self
            where
                E: TryInto<KeyedEndpoint>,
                KeyedEndpointError: From<E::Error>,
            {
                self.settings.gossip_connect(endpoint);
                self
            }

            /// The key of the node: a [`Keypair`], or the file that has it. The node then talks
            /// only with those whom it [trusts](Builder::trust) and who trust it, and nobody else
            /// can read or change what they say. It needs [`trust`](Builder::trust).
            ///
            /// `zre keys new alice` makes the files `alice`, which is for the others, and
            /// `alice_secret`. They are certificates of czmq.
            ///
            /// ```no_run
            #[doc = concat!("use ", env!("CARGO_CRATE_NAME"), "::{Node, NodeKey, Trust};")]
            ///
            /// let alice = Node::builder("alice")
            ///     .key(NodeKey::file("alice"))
            ///     .trust(Trust::dir("trusted"));
            /// ```
            pub fn key(mut self, key: impl Into<NodeKey>) -> Self {
                self.settings.key = Some(key.into());
                self
            }

            /// With whom the node talks: keys, certificates, a directory of them that it watches
            /// ([`Trust::dir`]), or anybody who has a key ([`Trust::Any`]). It needs
            /// [`key`](Builder::key).
            ///
            /// A fixed peer or a gossip hub is set together with its key, as in
            /// `tcp://10.0.0.2:5000|KEY`, unless only one key is trusted.
            pub fn trust(mut self, trust: impl Into<Trust>) -> Self {
                self.settings.trust = Some(trust.into());
                self
            }

            /// A passphrase of at least 12 characters that all nodes of the network have in
            /// common, in place of [`key`](Builder::key) and [`trust`](Builder::trust). The key of
            /// all of them is [made](Keypair::from_passphrase) from it, which takes
            /// [`start`](Builder::start) 0.1 to 0.3 s of CPU and 64 MiB of memory.
            ///
            /// Whoever hears the network can try one guess after the other, so it needs to be hard
            /// to guess: five random words. Nodes with the same secret cannot be told apart by
            /// their key.
            ///
            /// ```no_run
            #[doc = concat!("use ", env!("CARGO_CRATE_NAME"), "::Node;")]
            ///
            /// let alice = Node::builder("alice").secret("dome unpaid swoop taffy blend");
            /// ```
            pub fn secret(mut self, secret: impl Into<::std::string::String>) -> Self {
                self.settings.secret(secret);
                self
            }

            /// The UDP port of the beacons; 5670 unless set. Only nodes on the same port find each
            /// other.
            pub fn port(mut self, port: u16) -> Self {
                self.settings.port = Some(port);
                self
            }

            /// The TCP port for connections; a free one from 49152 to 65535 unless set. 0 lets the
            /// system choose. A node on several networks has this port on each of them; without
            /// this setting it has the same on all where that is free.
            pub fn tcp_port(mut self, port: u16) -> Self {
                self.settings.tcp_port = Some(port);
                self
            }

            /// Where peers shall connect to, if that is not where the node listens: behind a port
            /// mapping. An [`Endpoint`], or text such as `tcp://host.example:5000`.
            pub fn advertise<E>(mut self, endpoint: E) -> Self
            where
                E: TryInto<Endpoint>,
                EndpointError: From<E::Error>,
            {
                self.settings.advertise(endpoint);
                self
            }

            $crate::builder_times! {
                /// How often the node announces itself; 1 s unless set, at least 10 ms. Peers of
                /// other implementations may give up a node after 5 s without a beacon.
                beacon_interval,
                /// How long a peer may be silent before it is asked whether it is there; 5 s unless
                /// set, at least 10 ms, and below [`expired_after`](Builder::expired_after).
                evasive_after,
                /// How long a peer may be silent before it is given up; 30 s unless set, at least
                /// 10 ms. So long, too, may a peer leave unread what is sent to it.
                expired_after,
                /// How long a connection may take until its peer has presented itself; 10 s unless
                /// set, at least 10 ms.
                handshake_timeout,
                /// How long to wait before the second attempt to connect; it doubles with each. 50
                /// ms unless set, at least 10 ms.
                reconnect_min,
                /// How long to wait between attempts to connect at most; 2 s unless set, at least
                /// 10 ms and [`reconnect_min`](Builder::reconnect_min).
                reconnect_max,
                /// How long stopping waits until peers have taken what was sent to them; 5 s unless
                /// set.
                linger,
            }

            /// What a shout does about members of its group that do not keep up. Unless set, it
            /// waits for them for 50 ms in all and then passes them over, which
            /// [`Event::Skipped`] tells; see [`SlowMembers`].
            pub fn slow_members(mut self, slow_members: SlowMembers) -> Self {
                self.settings.slow_members = slow_members;
                self
            }

            /// How much the node holds; see [`Limits`] for the defaults.
            pub fn limits(mut self, limits: Limits) -> Self {
                self.settings.limits = limits;
                self
            }

            /// What all that is random comes from; the operating system's random numbers unless
            /// set. A node with a key or a secret cannot have it: whoever knows the seed could read
            /// what it says.
            pub fn seed(mut self, seed: [u8; 32]) -> Self {
                self.settings.seed = Some(seed);
                self
            }
        }

        #[doc(hidden)]
        impl From<$crate::Settings> for Builder {
            fn from(settings: $crate::Settings) -> Self {
                Self { settings }
            }
        }
    };
}

/// The setters of times.
#[doc(hidden)]
#[macro_export]
macro_rules! builder_times {
    ($($(#[$doc:meta])+ $name:ident),+ $(,)?) => {$(
        $(#[$doc])+
        pub fn $name(mut self, time: ::std::time::Duration) -> Self {
            self.settings.$name = Some(time);
            self
        }
    )+};
}
