//! The handle that applications hold.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_core::Stream;
use zre_net::{
    Hub, Interface, Runtime, Settings, StartError,
    core::{
        Error, Event, PeerInfo,
        proto::{Content, Endpoint, GroupName, PeerId, ShortText, Text},
    },
};

use crate::{driver, tcp::Tcp};

/// A running ZRE node.
///
/// It is a handle: clones are cheap, can be used from any task or thread, and are the same node.
/// Dropping the last one stops the node in the background; [`stop`](Node::stop) does so and waits.
#[derive(Clone)]
pub struct Node {
    handle: Arc<Handle>,
}

/// Stops the node when the last clone is gone.
struct Handle {
    hub: Arc<Hub<Tcp>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.hub.stop();
    }
}

/// A node that has not been started yet.
pub type Builder = zre_net::Builder<Tokio>;

/// The tokio runtime, as a [`zre_net::Runtime`].
#[derive(Debug, Clone, Copy)]
pub enum Tokio {}

impl Runtime for Tokio {
    type Starting = Starting;

    fn start(settings: Settings) -> Starting {
        Starting { settings }
    }
}

/// A node that starts when this is awaited.
#[derive(Debug)]
#[must_use = "a node does not start unless this is awaited"]
pub struct Starting {
    settings: Settings,
}

impl Future for Starting {
    type Output = Result<Node, StartError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Node::start(&self.settings))
    }
}

impl Node {
    /// Begins a node with a name of at most 255 octets; see [`Builder`] for what else can be set.
    pub fn builder(name: impl Into<Text>) -> Builder {
        Builder::new(name)
    }

    fn start(settings: &Settings) -> Result<Self, StartError> {
        tokio::runtime::Handle::try_current()
            .map_err(|error| StartError::Runtime(format!("a node needs tokio: {error}")))?;
        let bound = settings.bind()?;
        let hub = Arc::new(Hub::new(&bound)?);
        driver::spawn(Arc::clone(&hub), bound)?;
        let handle = Arc::new(Handle { hub });
        Ok(Self { handle })
    }

    /// Joins a group; does nothing if the node is in it already.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a name of more than 255 octets, [`Error::Stopped`].
    pub fn join<G>(&self, group: G) -> Result<(), Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        self.hub().join(&group.try_into()?)
    }

    /// Leaves a group; does nothing if the node is not in it.
    ///
    /// # Errors
    ///
    /// As [`join`](Node::join).
    pub fn leave<G>(&self, group: G) -> Result<(), Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        self.hub().leave(&group.try_into()?)
    }

    /// Sends a message to one peer. When too much waits for it already, this waits, until the
    /// peer reads on or is given up.
    ///
    /// A message is one frame (text or octets) or several; see [`Content`]. No frame at all is sent
    /// as one empty frame.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] if there is no such peer, also when it goes while this waits;
    /// [`Error::MessageTooLarge`], [`Error::Stopped`].
    pub async fn whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        let content = content.into();
        poll_fn(|cx| self.hub().poll_whisper(cx, peer, &content)).await
    }

    /// Sends a message to one peer if it can be done at once.
    ///
    /// # Errors
    ///
    /// As [`whisper`](Node::whisper), and [`Error::Full`] if too much waits for the peer already.
    pub fn try_whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        self.hub().try_whisper(peer, content.into())
    }

    /// Sends a message to all members of a group, and says how many they are. When too much waits
    /// for some of them already, the others get it at once, and this waits for those.
    ///
    /// The node need not be in the group. Dropped while it waits, some members have the message.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a group of more than 255 octets, [`Error::MessageTooLarge`],
    /// [`Error::Stopped`].
    pub async fn shout<G>(&self, group: G, content: impl Into<Content>) -> Result<usize, Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        let (group, content) = (group.try_into()?, content.into());
        let (mut waiting, mut reached) = (None, 0);
        poll_fn(|cx| {
            self.hub()
                .poll_shout(cx, &group, &content, &mut waiting, &mut reached)
        })
        .await
    }

    /// Sends a message to all members of a group if it can be done at once, and says how many they are.
    ///
    /// # Errors
    ///
    /// As [`shout`](Node::shout), and [`Error::Full`] if too much waits for a member already; then
    /// nobody gets it.
    pub fn try_shout<G>(&self, group: G, content: impl Into<Content>) -> Result<usize, Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        self.hub().try_shout(&group.try_into()?, content.into())
    }

    /// Waits for the next event; `None` when the node has stopped. Each event goes to one caller.
    ///
    /// An application that does not take its events makes its peers wait with theirs: nothing is dropped.
    pub async fn recv(&self) -> Option<Event> {
        poll_fn(|cx| self.hub().poll_recv(cx)).await
    }

    /// Takes the next event if there is one.
    pub fn try_recv(&self) -> Option<Event> {
        self.hub().try_recv()
    }

    /// The events as a [`Stream`] that ends when the node has stopped. It holds the node like a clone.
    pub fn events(&self) -> Events {
        Events { node: self.clone() }
    }

    /// Says goodbye, waits until what was sent is written and all sockets are closed.
    ///
    /// Peers that do not read are waited for no longer than the builder's `linger`. Events that
    /// have not been taken can still be; the last is [`Event::Stop`].
    pub async fn stop(&self) {
        self.hub().stop();
        poll_fn(|cx| self.hub().poll_finished(cx)).await;
    }

    /// The identity of this node.
    pub fn id(&self) -> PeerId {
        self.hub().id()
    }

    /// The name of this node.
    pub fn name(&self) -> &ShortText {
        self.hub().name()
    }

    /// Where this node accepts connections.
    pub fn endpoint(&self) -> &Endpoint {
        self.hub().endpoint()
    }

    /// The network interface that this node is on.
    pub fn interface(&self) -> &Interface {
        self.hub().interface()
    }

    /// The peers that have entered, in the order of their identities.
    pub fn peers(&self) -> Vec<PeerId> {
        self.hub().peers()
    }

    /// The name, endpoint, headers and groups of a peer; `None` if it has not entered or is gone.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.hub().peer(peer)
    }

    /// The peers in a group, in the order of their identities.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a name of more than 255 octets.
    pub fn peers_by_group<G>(&self, group: G) -> Result<Vec<PeerId>, Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        Ok(self.hub().peers_by_group(&group.try_into()?))
    }

    /// The groups that this node is in, in the order of their names.
    pub fn own_groups(&self) -> Vec<GroupName> {
        self.hub().own_groups()
    }

    /// The groups that any peer is in, in the order of their names.
    pub fn peer_groups(&self) -> Vec<GroupName> {
        self.hub().peer_groups()
    }

    /// Asks a peer for an answer and says how long it took. When the answer is there, the peer has
    /// handled all that was sent to it before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPeer`] if there is no such peer, also when it goes before it answers;
    /// [`Error::Stopped`].
    pub async fn ping(&self, peer: PeerId) -> Result<Duration, Error> {
        let asked_at = Instant::now();
        let number = self.hub().ping(peer)?;
        poll_fn(|cx| self.hub().poll_answered(cx, peer, number)).await?;
        Ok(asked_at.elapsed())
    }

    fn hub(&self) -> &Hub<Tcp> {
        &self.handle.hub
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id())
            .field("name", self.name())
            .field("endpoint", self.endpoint())
            .finish_non_exhaustive()
    }
}

/// The events of a node, as a stream; see [`Node::events`].
#[derive(Debug, Clone)]
pub struct Events {
    node: Node,
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.node.hub().poll_recv(cx)
    }
}
