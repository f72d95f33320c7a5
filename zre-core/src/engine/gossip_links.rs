//! The connections for gossip: those to hubs, which we opened, and those from clients.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use zre_proto::{Endpoint, curve::PublicKey};

use super::{
    context::{EngineContext, EngineTimer, Owner},
    link_state::LinkState,
    output::{LinkId, OpenFor, Output},
    places::Places,
    trust::NOT_TRUSTED,
};
use crate::{
    config::Config,
    link::{Connection, GossipEnd},
    notice::Notice,
    time::Instant,
};

/// The longest pause between attempts to connect to a hub.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A client that has not said HELLO for so long is the first to make room.
const QUIET: Duration = Duration::from_secs(1);

/// All connections for gossip.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct GossipLinks<C> {
    hubs: Vec<Hub<C>>,
    /// In the order in which they came.
    clients: BTreeMap<LinkId, Client<C>>,
    places: Places,
    /// Whether something waits until there is room for it.
    pub(super) is_full: bool,
}

/// A hub that the user names.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Hub<C> {
    pub(super) endpoint: Endpoint,
    /// Its key, if this node has one itself.
    pub(super) key: Option<PublicKey>,
    pub(super) state: Option<LinkState<C>>,
    /// Where its name led to the last time.
    pub(super) remote: Option<SocketAddr>,
    is_open: bool,
    /// How many attempts have failed since a message came.
    failures: u32,
    /// Why the last one did, if it has been told.
    pub(super) error: Option<String>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Client<C> {
    state: LinkState<C>,
    remote: SocketAddr,
    has_said_hello: bool,
    /// The key that it has proved to have, in a node that has one itself.
    key: Option<PublicKey>,
    /// Whether that is not trusted, which it is being told.
    is_refused: bool,
}

impl<C: Connection> GossipLinks<C> {
    pub(super) fn new(config: &Config) -> Self {
        let hubs = config.gossip_connect.iter().map(|keyed| Hub {
            endpoint: keyed.endpoint.clone(),
            key: config.key_of(keyed),
            state: None,
            remote: None,
            is_open: false,
            failures: 0,
            error: None,
        });
        Self {
            hubs: hubs.collect(),
            clients: BTreeMap::new(),
            places: Places::default(),
            is_full: false,
        }
    }

    pub(super) fn get_mut(&mut self, owner: Owner, link: LinkId) -> Option<&mut LinkState<C>> {
        match owner {
            Owner::GossipClient => self.clients.get_mut(&link).map(|it| &mut it.state),
            Owner::GossipHub(hub) => self.hub_mut(hub)?.state.as_mut(),
            _ => None,
        }
    }

    pub(super) fn hubs(&self) -> &[Hub<C>] {
        &self.hubs
    }

    fn hub_mut(&mut self, hub: u32) -> Option<&mut Hub<C>> {
        self.hubs.get_mut(usize::try_from(hub).ok()?)
    }

    /// How many clients are connected.
    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Where a connection leads, as far as that is known.
    pub(super) fn remote(&self, owner: Owner, link: LinkId) -> Option<IpAddr> {
        let remote = match owner {
            Owner::GossipClient => Some(self.clients.get(&link)?.remote.ip()),
            Owner::GossipHub(hub) => {
                let hub = self.hubs.get(usize::try_from(hub).ok()?)?;
                let named = hub.endpoint.canonical().to_socket_addr();
                hub.remote.or(named).map(|remote| remote.ip())
            }
            _ => None,
        };
        remote.map(|remote| remote.to_canonical())
    }

    /// Where the name of a hub has led.
    pub(super) fn resolved(&mut self, number: u32, remote: SocketAddr) {
        if let Some(hub) = self.hub_mut(number) {
            hub.remote = Some(remote);
        }
    }

    /// Where a client is.
    pub(super) fn client(&self, link: LinkId) -> Option<SocketAddr> {
        self.clients.get(&link).map(|client| client.remote)
    }

    /// All that are there, clients last.
    pub(super) fn all(&self) -> Vec<(LinkId, Owner)> {
        let hubs = (0..).zip(&self.hubs);
        let hubs = hubs.filter_map(|(number, hub)| {
            let state = hub.state.as_ref()?;
            Some((state.id, Owner::GossipHub(number)))
        });
        let clients = self.clients.keys().map(|link| (*link, Owner::GossipClient));
        hubs.chain(clients).collect()
    }

    /// Closes all connections from our side.
    pub(super) fn close_all(&mut self, cx: &mut EngineContext) {
        for hub in &mut self.hubs {
            hub.is_open = false;
            if let Some(state) = hub.state.take() {
                cx.close_link(state.id);
            }
        }
        while let Some(link) = self.clients.keys().next().copied() {
            self.close_client(link, cx);
        }
        self.is_full = false;
    }

    pub(super) fn release_memory(&mut self) {
        let hubs = self.hubs.iter_mut().filter_map(|hub| hub.state.as_mut());
        let clients = self.clients.values_mut().map(|client| &mut client.state);
        hubs.chain(clients)
            .for_each(|state| state.connection.release_memory());
    }
}

/// Connections to hubs.
impl<C: Connection> GossipLinks<C> {
    /// Connects to a hub, unless there is a connection or one is being made.
    pub(super) fn open(&mut self, number: u32, config: &Config, cx: &mut EngineContext) {
        let Some(hub) = self.hub_mut(number).filter(|hub| hub.state.is_none()) else {
            return;
        };
        cx.deadlines.clear(EngineTimer::GossipConnect(number));
        if hub.key.is_some_and(|key| !config.trusts(&key)) {
            return self.lost(number, NOT_TRUSTED, config, cx);
        }
        let Some(security) = cx.client_security(hub.key) else {
            return;
        };
        let ends_at = cx.now + config.handshake_timeout;
        let link = cx.add_link(Owner::GossipHub(number), ends_at);
        let connection = C::gossiping(GossipEnd::Client, &config.limits, security);
        hub.state = Some(LinkState::new(link, connection, cx.now));
        cx.outputs.push(Output::Open {
            link,
            endpoint: hub.endpoint.clone(),
            key: hub.key,
            purpose: OpenFor::User,
        });
    }

    /// The handshake with a hub is over.
    pub(super) fn opened(&mut self, number: u32, cx: &mut EngineContext) {
        if let Some(hub) = self.hub_mut(number) {
            hub.is_open = true;
            if let Some(state) = &hub.state {
                cx.deadlines.clear(EngineTimer::Handshake(state.id));
            }
        }
    }

    /// A message has come from a hub: it is one, and if it was lost, it is back.
    pub(super) fn note_message(&mut self, number: u32, cx: &mut EngineContext) {
        if let Some(hub) = self.hub_mut(number) {
            hub.failures = 0;
            if hub.error.take().is_some() {
                let hub = hub.endpoint.clone();
                cx.notices.push(Notice::GossipHubFound { hub });
            }
        }
    }

    /// The connection to a hub could not be made, or has ended: it is tried again after a pause,
    /// which doubles with each attempt that fails.
    pub(super) fn lost(
        &mut self,
        number: u32,
        error: &str,
        config: &Config,
        cx: &mut EngineContext,
    ) {
        let Some(hub) = self.hub_mut(number) else {
            return;
        };
        if let Some(state) = hub.state.take() {
            cx.remove_link(state.id);
        }
        hub.is_open = false;
        // Once for each time that it is lost, and not for each attempt.
        if hub.error.is_none() {
            cx.notices.push(Notice::GossipHubLost {
                hub: hub.endpoint.clone(),
                error: error.into(),
            });
        }
        hub.error = Some(error.into());
        let doubled = 2_u32.saturating_pow(hub.failures);
        hub.failures = hub.failures.saturating_add(1);
        let pause = config.reconnect_min.saturating_mul(doubled);
        let at = cx.now + cx.jitter(pause.min(LONGEST_PAUSE));
        cx.deadlines.set(EngineTimer::GossipConnect(number), at);
    }

    /// There may be a way now to hubs that could not be reached. An attempt that is under way may
    /// have taken another.
    pub(super) fn hurry(&mut self, config: &Config, cx: &mut EngineContext) {
        for number in (0..).take(self.hubs.len()) {
            if let Some(hub) = self.hub_mut(number).filter(|hub| !hub.is_open) {
                hub.failures = 0;
                if let Some(state) = hub.state.take() {
                    cx.close_link(state.id);
                }
                self.open(number, config, cx);
            }
        }
    }
}

/// Connections from clients.
impl<C: Connection> GossipLinks<C> {
    /// A connection came in. If they are too many, one of those goes that come from the address
    /// with the most: one that has not said HELLO in its first second, or else the one that has
    /// been silent for longest.
    pub(super) fn accept(
        &mut self,
        remote: SocketAddr,
        config: &Config,
        cx: &mut EngineContext,
    ) -> (LinkId, Option<LinkId>) {
        let ends_at = cx.now + config.handshake_timeout;
        let link = cx.add_link(Owner::GossipClient, ends_at);
        let connection = C::gossiping(GossipEnd::Hub, &config.limits, cx.server_security());
        let client = Client {
            state: LinkState::new(link, connection, cx.now),
            remote,
            has_said_hello: false,
            key: None,
            is_refused: false,
        };
        self.clients.insert(link, client);
        self.places.add(remote.ip());
        let limit = config.limits.gossip_clients;
        let surplus = (self.clients.len() > limit).then(|| self.most_dispensable(cx.now));
        let surplus = surplus.flatten();
        if let Some((link, remote)) = surplus {
            cx.notices.push(Notice::GossipClientLimit { remote, limit });
            self.close_client(link, cx);
        }
        (link, surplus.map(|(link, _)| link))
    }

    fn most_dispensable(&self, now: Instant) -> Option<(LinkId, SocketAddr)> {
        let most = self.places.most();
        let crowding = self.clients.iter();
        let crowding = crowding.filter(|(_, it)| self.places.of(it.remote.ip()) == most);
        let order = |it: &Client<C>| {
            let is_new = now.since(it.state.read_at) < QUIET;
            let rank = match it.has_said_hello {
                true => 1,
                false if is_new => 2,
                false => 0,
            };
            (rank, it.state.read_at)
        };
        let first = crowding.min_by_key(|(link, it)| (order(it), **link));
        first.map(|(link, it)| (*link, it.remote))
    }

    /// A client has said HELLO, which it had to do in time.
    pub(super) fn note_hello(&mut self, link: LinkId, cx: &mut EngineContext) {
        if let Some(client) = self.clients.get_mut(&link) {
            client.has_said_hello = true;
            cx.deadlines.clear(EngineTimer::Handshake(link));
        }
    }

    /// A client has proved to have a key.
    pub(super) fn note_key(&mut self, link: LinkId, key: Option<PublicKey>) {
        if let Some(client) = self.clients.get_mut(&link) {
            client.key = key;
        }
    }

    /// A client is refused. Gives where it is.
    pub(super) fn refuse(&mut self, link: LinkId) -> Option<SocketAddr> {
        let client = self.clients.get_mut(&link)?;
        client.is_refused = true;
        Some(client.remote)
    }

    /// Whether a client is refused.
    pub(super) fn is_refused(&self, link: LinkId) -> bool {
        self.clients
            .get(&link)
            .is_some_and(|client| client.is_refused)
    }

    /// The connections of hubs and clients whose key is meant.
    pub(super) fn with_key(&self, is_meant: impl Fn(&PublicKey) -> bool) -> Vec<(LinkId, Owner)> {
        let is_meant = |key: Option<PublicKey>| key.as_ref().is_some_and(&is_meant);
        let hubs = (0..).zip(&self.hubs);
        let hubs = hubs.filter(|(_, hub)| is_meant(hub.key));
        let hubs = hubs.filter_map(|(number, hub)| {
            let state = hub.state.as_ref()?;
            Some((state.id, Owner::GossipHub(number)))
        });
        let clients = self.clients.iter().filter(|(_, it)| is_meant(it.key));
        let clients = clients.map(|(link, _)| (*link, Owner::GossipClient));
        hubs.chain(clients).collect()
    }

    /// Takes a connection out that has ended.
    pub(super) fn remove_client(
        &mut self,
        link: LinkId,
        cx: &mut EngineContext,
    ) -> Option<SocketAddr> {
        let client = self.clients.remove(&link)?;
        self.places.remove(client.remote.ip());
        cx.remove_link(link);
        Some(client.remote)
    }

    /// Closes a connection from our side.
    pub(super) fn close_client(
        &mut self,
        link: LinkId,
        cx: &mut EngineContext,
    ) -> Option<SocketAddr> {
        let remote = self.remove_client(link, cx)?;
        cx.outputs.push(Output::Close(link));
        Some(remote)
    }
}

/// What is known of a gossip hub that the node connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GossipHubInfo {
    /// Where it is, as the user says.
    pub endpoint: Endpoint,
    /// Whether this node is connected to it.
    pub is_connected: bool,
    /// Why not, if the last attempt failed.
    pub error: Option<String>,
}

impl<C> Hub<C> {
    pub(super) fn info(&self) -> GossipHubInfo {
        GossipHubInfo {
            endpoint: self.endpoint.clone(),
            is_connected: self.is_open,
            error: self.error.clone(),
        }
    }
}
