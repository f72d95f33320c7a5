//! The node itself.

use std::{sync::Arc, time::Duration};

use futures_lite::{StreamExt as _, future};
use zre_core::{
    Error, Event, PeerInfo,
    proto::{Content, Endpoint, GroupName, PeerId, curve::PublicKey},
};

use super::{Delivery, Host, PATIENCE, Pending};

/// What waiting for an event came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event.
    Event(Event),
    /// None will come: the node has stopped.
    Ended,
    /// None came in time.
    Late,
}

/// A node of any flavour. Like the adapters' nodes it is a handle.
#[derive(Clone, Debug)]
pub struct AnyNode {
    // Before its runtime, so that it goes first.
    pub(super) node: Inner,
    pub(super) host: Arc<Host>,
}

#[derive(Clone, Debug)]
pub(super) enum Inner {
    Tokio(zre_tokio::Node),
    Smol(zre_smol::Node),
    Blocking(zre_blocking::Node),
}

/// The same at once, whatever the node.
macro_rules! at_once {
    ($self:ident, $node:ident => $call:expr) => {
        match &$self.node {
            Inner::Tokio($node) => $call,
            Inner::Smol($node) => $call,
            Inner::Blocking($node) => $call,
        }
    };
}

/// The same, whatever the node, in a task or on a thread of its own.
macro_rules! beside {
    ($self:ident, $node:ident => $call:expr) => {
        match &$self.node {
            Inner::Tokio($node) => {
                let $node = $node.clone();
                $self.host.run(async move { $call.await })
            }
            Inner::Smol($node) => {
                let $node = $node.clone();
                $self.host.run(async move { $call.await })
            }
            Inner::Blocking($node) => {
                let $node = $node.clone();
                Pending::on_thread(move || $call)
            }
        }
    };
}

/// The same as a future that is dropped after a while, and as a method of zre-blocking that ends by
/// itself.
macro_rules! within {
    ($self:ident, $time:ident, $node:ident => $call:expr, $blocking:expr) => {
        match &$self.node {
            Inner::Tokio($node) => {
                let $node = $node.clone();
                $self.host.run_within($time, async move { $call.await })
            }
            Inner::Smol($node) => {
                let $node = $node.clone();
                $self.host.run_within($time, async move { $call.await })
            }
            Inner::Blocking($node) => $blocking,
        }
    };
}

#[allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "as the adapters' methods; and a panic when something hangs"
)]
impl AnyNode {
    /// The runtime that it is on.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The node, if it is one of zre-blocking.
    pub fn as_blocking(&self) -> Option<&zre_blocking::Node> {
        match &self.node {
            Inner::Blocking(node) => Some(node),
            _ => None,
        }
    }

    /// The node without its runtime, which can be ended then.
    pub fn into_bare(self) -> BareNode {
        BareNode(self.node)
    }

    /// Waits for an event.
    pub fn recv(&self, within: Duration) -> Next {
        let received = within!(self, within, node => node.recv(), match node.recv_timeout(within) {
            Ok(event) => Some(Some(event)),
            Err(zre_blocking::RecvTimeoutError::Stopped) => Some(None),
            Err(_) => None,
        });
        match received {
            Some(Some(event)) => Next::Event(event),
            Some(None) => Next::Ended,
            None => Next::Late,
        }
    }

    /// Waits for an event in a task of the [host](Host::run). With zre-blocking it holds up its
    /// thread.
    pub async fn recv_in_task(&self) -> Option<Event> {
        match &self.node {
            Inner::Tokio(node) => node.recv().await,
            Inner::Smol(node) => node.recv().await,
            Inner::Blocking(node) => node.recv(),
        }
    }

    /// Begins to wait for an event, without an end.
    pub fn begin_recv(&self) -> Pending<Option<Event>> {
        beside!(self, node => node.recv())
    }

    /// Takes an event that is there.
    pub fn try_recv(&self) -> Option<Event> {
        at_once!(self, node => node.try_recv())
    }

    /// Begins to collect all that the stream or iterator of events gives.
    pub fn begin_events(&self) -> Pending<Vec<Event>> {
        match &self.node {
            Inner::Tokio(node) => self.host.run(node.events().collect()),
            Inner::Smol(node) => self.host.run(node.events().collect()),
            Inner::Blocking(node) => {
                let events = node.events();
                Pending::on_thread(move || events.collect())
            }
        }
    }

    /// Whispers, however long it takes.
    pub fn whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        self.begin_whisper(peer, content).wait()
    }

    /// Whispers in a task of the [host](Host::run), however long it takes. With zre-blocking it
    /// holds up its thread.
    pub async fn whisper_in_task(
        &self,
        peer: PeerId,
        content: impl Into<Content>,
    ) -> Result<(), Error> {
        match &self.node {
            Inner::Tokio(node) => node.whisper(peer, content).await,
            Inner::Smol(node) => node.whisper(peer, content).await,
            Inner::Blocking(node) => node.whisper(peer, content),
        }
    }

    /// Begins to whisper.
    pub fn begin_whisper(
        &self,
        peer: PeerId,
        content: impl Into<Content>,
    ) -> Pending<Result<(), Error>> {
        let content = content.into();
        beside!(self, node => node.whisper(peer, content))
    }

    /// Begins to whisper one after the other, each when the last has been taken.
    pub fn begin_whispers(
        &self,
        peer: PeerId,
        contents: Vec<Content>,
    ) -> Pending<Result<(), Error>> {
        macro_rules! each {
            ($node:ident) => {{
                let node = $node.clone();
                self.host.run(async move {
                    for content in contents {
                        node.whisper(peer, content).await?;
                    }
                    Ok(())
                })
            }};
        }
        match &self.node {
            Inner::Tokio(node) => each!(node),
            Inner::Smol(node) => each!(node),
            Inner::Blocking(node) => {
                let node = node.clone();
                Pending::on_thread(move || {
                    contents
                        .into_iter()
                        .try_for_each(|content| node.whisper(peer, content))
                })
            }
        }
    }

    /// Whispers, and waits until the peer has confirmed it.
    pub fn whisper_confirmed(
        &self,
        peer: PeerId,
        content: impl Into<Content>,
    ) -> Result<(), Error> {
        self.begin_whisper_confirmed(peer, content).wait()
    }

    /// Begins to do so.
    pub fn begin_whisper_confirmed(
        &self,
        peer: PeerId,
        content: impl Into<Content>,
    ) -> Pending<Result<(), Error>> {
        let content = content.into();
        beside!(self, node => node.whisper_confirmed(peer, content))
    }

    /// Shouts, and waits until all members have confirmed it or are gone.
    pub fn shout_confirmed(
        &self,
        group: &str,
        content: impl Into<Content>,
    ) -> Result<Vec<(PeerId, Delivery)>, Error> {
        self.begin_shout_confirmed(group, content).wait()
    }

    /// Begins to do so.
    pub fn begin_shout_confirmed(
        &self,
        group: &str,
        content: impl Into<Content>,
    ) -> Pending<Result<Vec<(PeerId, Delivery)>, Error>> {
        let (group, content) = (group.to_owned(), content.into());
        beside!(self, node => node.shout_confirmed(group.as_str(), content))
    }

    /// Waits until a peer has confirmed all that it was sent.
    pub fn flush(&self, peer: PeerId) -> Result<(), Error> {
        let flush = beside!(self, node => node.flush(peer));
        flush.wait()
    }

    /// Whispers, and gives up after a while: then [`Error::Full`].
    pub fn whisper_within(
        &self,
        within: Duration,
        peer: PeerId,
        content: impl Into<Content>,
    ) -> Result<(), Error> {
        let content = content.into();
        within!(self, within, node => node.whisper(peer, content),
            Some(node.whisper_timeout(peer, content, within)))
        .unwrap_or(Err(Error::Full(peer)))
    }

    /// Whispers if there is room.
    pub fn try_whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        at_once!(self, node => node.try_whisper(peer, content))
    }

    /// Shouts, however long it takes.
    pub fn shout(&self, group: &str, content: impl Into<Content>) -> Result<usize, Error> {
        self.begin_shout(group, content).wait()
    }

    /// Shouts in a task of the [host](Host::run), however long it takes. With zre-blocking it holds
    /// up its thread.
    pub async fn shout_in_task(
        &self,
        group: &str,
        content: impl Into<Content>,
    ) -> Result<usize, Error> {
        match &self.node {
            Inner::Tokio(node) => node.shout(group, content).await,
            Inner::Smol(node) => node.shout(group, content).await,
            Inner::Blocking(node) => node.shout(group, content),
        }
    }

    /// Begins to shout.
    pub fn begin_shout(
        &self,
        group: &str,
        content: impl Into<Content>,
    ) -> Pending<Result<usize, Error>> {
        let (group, content) = (group.to_owned(), content.into());
        beside!(self, node => node.shout(group.as_str(), content))
    }

    /// Shouts, and gives up after a while: then `None`, and [`Error::Full`] of zre-blocking too.
    pub fn shout_within(
        &self,
        within: Duration,
        group: &str,
        content: impl Into<Content>,
    ) -> Option<Result<usize, Error>> {
        let (group, content) = (group.to_owned(), content.into());
        within!(self, within, node => node.shout(group.as_str(), content),
        match node.shout_timeout(group.as_str(), content, within) {
            Err(Error::Full(_)) => None,
            result => Some(result),
        })
    }

    /// Shouts if all members have room.
    pub fn try_shout(&self, group: &str, content: impl Into<Content>) -> Result<usize, Error> {
        at_once!(self, node => node.try_shout(group, content))
    }

    /// Joins a group.
    pub fn join(&self, group: &str) -> Result<(), Error> {
        at_once!(self, node => node.join(group))
    }

    /// Leaves a group.
    pub fn leave(&self, group: &str) -> Result<(), Error> {
        at_once!(self, node => node.leave(group))
    }

    /// Wants to lead a group.
    pub fn contest(&self, group: &str) -> Result<(), Error> {
        at_once!(self, node => node.contest(group))
    }

    /// Does not want to lead a group any more.
    pub fn withdraw(&self, group: &str) -> Result<(), Error> {
        at_once!(self, node => node.withdraw(group))
    }

    /// Who leads a group.
    pub fn leader(&self, group: &str) -> Result<Option<PeerId>, Error> {
        at_once!(self, node => node.leader(group))
    }

    /// Asks a peer for an answer.
    pub fn ping(&self, peer: PeerId) -> Result<Duration, Error> {
        self.begin_ping(peer).wait()
    }

    /// Begins to ask a peer for an answer.
    pub fn begin_ping(&self, peer: PeerId) -> Pending<Result<Duration, Error>> {
        beside!(self, node => node.ping(peer))
    }

    /// Stops it and waits until it has.
    pub fn stop(&self) {
        self.begin_stop().wait();
    }

    /// Begins to stop it.
    pub fn begin_stop(&self) -> Pending<()> {
        beside!(self, node => node.stop())
    }

    /// Its identity.
    pub fn id(&self) -> PeerId {
        at_once!(self, node => node.id())
    }

    /// Its name.
    pub fn name(&self) -> String {
        at_once!(self, node => node.name().to_string())
    }

    /// Its public key, if it has one.
    pub fn key(&self) -> Option<PublicKey> {
        at_once!(self, node => node.key())
    }

    /// Where it listens.
    pub fn endpoint(&self) -> Endpoint {
        at_once!(self, node => node.endpoint())
    }

    /// Its address on its first network.
    ///
    /// # Panics
    ///
    /// When it is on none.
    pub fn address(&self) -> std::net::IpAddr {
        let networks = self.network().networks;
        let first = networks.first().expect("it is on a network");
        first.address
    }

    /// Its peers.
    pub fn peers(&self) -> Vec<PeerId> {
        at_once!(self, node => node.peers())
    }

    /// What it knows of a peer.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        at_once!(self, node => node.peer(peer))
    }

    /// What it knows of all its peers.
    pub fn peer_infos(&self) -> Vec<PeerInfo> {
        at_once!(self, node => node.peer_infos())
    }

    /// The only peer of this name.
    pub fn peer_by_name(&self, name: &str) -> Option<PeerId> {
        at_once!(self, node => node.peer_by_name(name))
    }

    /// Its own headers, as text.
    pub fn headers(&self) -> Vec<String> {
        let headers = at_once!(self, node => node.headers());
        headers
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    /// Sets a header while it runs.
    pub fn set_header(&self, name: &str, value: &str) -> Result<(), Error> {
        at_once!(self, node => node.set_header(name, value))
    }

    /// Removes a header while it runs.
    pub fn remove_header(&self, name: &str) -> Result<bool, Error> {
        at_once!(self, node => node.remove_header(name))
    }

    /// Its place on the network.
    pub fn network(&self) -> zre_tokio::Network {
        at_once!(self, node => node.network())
    }

    /// What it has done.
    pub fn stats(&self) -> zre_tokio::Stats {
        at_once!(self, node => node.stats())
    }

    /// Whether it is over.
    pub fn is_stopped(&self) -> bool {
        at_once!(self, node => node.is_stopped())
    }

    /// Begins to wait for a peer.
    pub fn begin_wait_for_peer(
        &self,
        peer: impl Into<zre_tokio::PeerRef>,
    ) -> Pending<Result<PeerId, Error>> {
        let peer = peer.into();
        beside!(self, node => node.wait_for_peer(peer))
    }

    /// Begins to wait until so many peers are in a group.
    pub fn begin_wait_for_group(
        &self,
        group: &str,
        count: usize,
    ) -> Pending<Result<Vec<PeerId>, Error>> {
        let group = group.to_owned();
        beside!(self, node => node.wait_for_group(group.as_str(), count))
    }

    /// The peers in a group.
    pub fn peers_by_group(&self, group: &str) -> Result<Vec<PeerId>, Error> {
        at_once!(self, node => node.peers_by_group(group))
    }

    /// The groups that it is in.
    pub fn own_groups(&self) -> Vec<GroupName> {
        at_once!(self, node => node.own_groups())
    }

    /// The groups that its peers are in.
    pub fn peer_groups(&self) -> Vec<GroupName> {
        at_once!(self, node => node.peer_groups())
    }
}

/// A node whose runtime is held by nobody.
#[derive(Debug)]
pub struct BareNode(Inner);

impl BareNode {
    /// What there is to be had of it when its runtime has ended: its last events, and what joining
    /// comes to. `None` if it hangs.
    pub fn after_the_end(self) -> Option<(Vec<Event>, String)> {
        let joined = match &self.0 {
            Inner::Tokio(node) => node.join("CHAT"),
            Inner::Smol(node) => node.join("CHAT"),
            Inner::Blocking(node) => node.join("CHAT"),
        };
        let events = Pending::on_thread(move || match self.0 {
            Inner::Tokio(node) => future::block_on(async {
                let events = node.events().collect().await;
                node.stop().await;
                events
            }),
            Inner::Smol(node) => future::block_on(async {
                let events = node.events().collect().await;
                node.stop().await;
                events
            }),
            Inner::Blocking(node) => node.events().collect(),
        });
        let events = events.0.recv_timeout(PATIENCE).ok()?;
        Some((events, format!("join: {joined:?}")))
    }
}
