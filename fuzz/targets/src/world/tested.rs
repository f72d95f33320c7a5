use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, Bytes};
use zre_core::{
    Beacons, Config, Engine, Instant, Limits, LinkId, Seed,
    interfaces::{LocalAddress, NetworkId},
};
use zre_proto::{Endpoint, PeerId};

use super::{EventOrder, NumberedWhispers};
use crate::adversary::group;

/// The port at which engines listen that look at interfaces.
pub(crate) const PORT: u16 = 49152;

/// The most bytes of one read.
pub(crate) const READ: usize = 4096;

/// An engine under test, its application, and its place on the network.
///
/// All reading and writing of its connections goes through here.
#[derive(Debug)]
pub(crate) struct TestedEngine {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) order: EventOrder,
    pub(crate) whispers: NumberedWhispers,
    pub(crate) is_stopping: bool,
    /// Whether the application takes events as soon as there are any.
    pub(crate) listens: bool,
    /// Whether its port takes connections of other engines.
    pub(crate) accepts: bool,
    /// Whether datagrams of the engines reach it, its own as well.
    pub(crate) gets_datagrams: bool,
    /// Where it has sockets, if it looks at the interfaces of its host.
    pub(crate) networks: Vec<(NetworkId, LocalAddress)>,
    /// Whether sockets can be opened that it asks for.
    pub(crate) opens_sockets: bool,
    /// Whether its system sends its beacons.
    pub(crate) sends_beacons: bool,
}

impl TestedEngine {
    pub(crate) fn new(config: Config, seed: Seed, now: Instant) -> Self {
        Self {
            limits: config.limits,
            engine: Engine::new(config, seed, now),
            order: EventOrder::default(),
            whispers: NumberedWhispers::default(),
            is_stopping: false,
            listens: true,
            accepts: true,
            gets_datagrams: true,
            networks: Vec::new(),
            opens_sockets: true,
            sends_beacons: true,
        }
    }

    /// Where it can be connected to.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let node = self.engine.node();
        match node.config().networks {
            Some(_) => {
                let addresses = self.networks.iter().map(|(_, on)| on.address);
                addresses.map(|address| (address, PORT).into()).collect()
            }
            None => node.endpoint().to_socket_addr().into_iter().collect(),
        }
    }

    /// Whether it has a socket for beacons.
    pub(crate) fn hears_beacons(&self) -> bool {
        let config = self.engine.node().config();
        config.beacons != Beacons::Off && !self.addresses().is_empty()
    }

    /// The network over which it sends to an address, if it looks at interfaces.
    pub(crate) fn network_to(&self, remote: SocketAddr) -> Option<NetworkId> {
        let direct = |(_, on): &&(NetworkId, LocalAddress)| on.contains(remote.ip());
        let found = self.networks.iter().find(direct);
        found.or(self.networks.first()).map(|(id, _)| *id)
    }

    /// The address from which it sends to another.
    pub(crate) fn address_to(&self, remote: SocketAddr) -> SocketAddr {
        let network = self.network_to(remote);
        let mut networks = self.networks.iter();
        let on = networks.find(|(id, _)| Some(*id) == network);
        on.map_or_else(|| self.addresses()[0], |(_, on)| (on.address, PORT).into())
    }

    /// The network with an address of its own, if it looks at interfaces.
    pub(crate) fn network_at(&self, own: IpAddr) -> Option<NetworkId> {
        let mut networks = self.networks.iter();
        networks
            .find(|(_, on)| on.address == own)
            .map(|(id, _)| *id)
    }

    /// Opens the sockets that the engine asks for, if that can be done.
    pub(crate) fn listen(&mut self, network: NetworkId, on: LocalAddress, now: Instant) {
        if !self.opens_sockets {
            return self
                .engine
                .handle_not_listening(network, "address in use", now);
        }
        self.networks.push((network, on));
        let port = PORT.try_into().unwrap();
        self.engine.handle_listening(network, port, now);
    }

    /// Lets the engine read at most `most` bytes of what came over a connection; says how many it
    /// read.
    pub(crate) fn read(
        &mut self,
        link: LinkId,
        source: &mut impl Buf,
        most: usize,
        now: Instant,
    ) -> usize {
        let most = source.remaining().min(most).min(READ);
        let Some(mut reader) = self.engine.reader(link) else {
            // The engine has closed it: the bytes go nowhere.
            source.advance(most);
            return most;
        };
        let buffer = reader.buffer();
        assert!(!buffer.is_empty());
        let count = most.min(buffer.len());
        source.copy_to_slice(&mut buffer[..count]);
        reader.commit(count, now);
        count
    }

    /// Takes at most `most` bytes that the engine wants to write; `None` if it does not know the
    /// connection. Tell it so with [`Engine::handle_written`].
    pub(crate) fn take_unsent(&mut self, link: LinkId, most: usize) -> Option<Bytes> {
        let unsent = self.unsent(link)?;
        Some(unsent.copy_to_bytes(unsent.remaining().min(most)))
    }

    /// What the engine wants to write.
    pub(crate) fn unsent(&mut self, link: LinkId) -> Option<&mut impl Buf> {
        self.engine.write_buffer(link)
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.engine.poll_timeout().is_some_and(|due| due <= now)
    }

    /// Lets the engine do what is due, after which nothing is.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.is_due(now) {
            self.engine.handle_timeout(now);
            assert!(!self.is_due(now), "a timer spins");
        }
    }

    /// The queries must say what the events said.
    pub(crate) fn check_queries(&self) {
        self.order.check_queries(&self.engine);
    }
}

/// The settings that the engines of all targets have in common.
pub(crate) fn config(endpoint: Endpoint, id: PeerId) -> Config {
    let mut config = Config::new(endpoint);
    config.id = Some(id);
    config.contest.insert(group(0));
    config.limits.peers = 6;
    config.limits.pending_peers = 4;
    config.limits.unclaimed_links = 4;
    config.limits.gossip_clients = 3;
    config.limits.gossip_tuples = 8;
    config.limits.headers_per_peer = 16;
    config.limits.header_frame = 2048;
    config.limits.message_frames = 16;
    config.limits.events = 64;
    config.limits.event_bytes = 256 << 10;
    config
}
