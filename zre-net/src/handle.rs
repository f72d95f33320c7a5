//! What applications do with a node at once, the same for every adapter.

use std::{fmt, sync::Arc};

use zre_core::{
    Error, Event, PeerInfo,
    proto::{Content, Endpoint, GroupName, PeerId, ShortText},
};

use crate::{
    hub::{Hub, Stream},
    interface::Interface,
};

/// A running node, as far as nothing has to be waited for.
///
/// Every adapter's `Node` is a counted pointer to one of these, so it has these methods, too. When the
/// last clone is dropped, the node stops in the background.
pub struct Handle<S: Stream> {
    hub: Arc<Hub<S>>,
}

impl<S: Stream> Handle<S> {
    /// The handle of a node that an adapter has started.
    pub fn new(hub: Arc<Hub<S>>) -> Self {
        Self { hub }
    }

    /// What an adapter builds its waiting methods on.
    pub fn hub(&self) -> &Hub<S> {
        &self.hub
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
        self.hub.join(&group.try_into()?)
    }

    /// Leaves a group; does nothing if the node is not in it.
    ///
    /// # Errors
    ///
    /// As [`join`](Handle::join).
    pub fn leave<G>(&self, group: G) -> Result<(), Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        self.hub.leave(&group.try_into()?)
    }

    /// Sends a message to one peer if it can be done at once.
    ///
    /// A message is one frame (text or octets) or several; see [`Content`]. No frame at all is sent
    /// as one empty frame.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] if too much waits for the peer already, [`Error::UnknownPeer`] if there is no such peer,
    /// [`Error::MessageTooLarge`], [`Error::Stopped`].
    pub fn try_whisper(&self, peer: PeerId, content: impl Into<Content>) -> Result<(), Error> {
        self.hub.try_whisper(peer, content.into())
    }

    /// Sends a message to all members of a group if it can be done at once, and says how many they are.
    ///
    /// The node need not be in the group.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] if too much waits for a member already; then nobody gets it. [`Error::TooLong`] for a
    /// group of more than 255 octets, [`Error::MessageTooLarge`], [`Error::Stopped`].
    pub fn try_shout<G>(&self, group: G, content: impl Into<Content>) -> Result<usize, Error>
    where
        G: TryInto<GroupName>,
        Error: From<G::Error>,
    {
        self.hub.try_shout(&group.try_into()?, content.into())
    }

    /// Takes the next event if there is one.
    pub fn try_recv(&self) -> Option<Event> {
        self.hub.try_recv()
    }

    /// The identity of this node.
    pub fn id(&self) -> PeerId {
        self.hub.id()
    }

    /// The name of this node.
    pub fn name(&self) -> &ShortText {
        self.hub.name()
    }

    /// Where this node accepts connections.
    pub fn endpoint(&self) -> &Endpoint {
        self.hub.endpoint()
    }

    /// The network interface that this node is on.
    pub fn interface(&self) -> &Interface {
        self.hub.interface()
    }

    /// The peers that have entered, in the order of their identities.
    pub fn peers(&self) -> Vec<PeerId> {
        self.hub.peers()
    }

    /// The name, endpoint, headers and groups of a peer; `None` if it has not entered or is gone.
    pub fn peer(&self, peer: PeerId) -> Option<PeerInfo> {
        self.hub.peer(peer)
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
        Ok(self.hub.peers_by_group(&group.try_into()?))
    }

    /// The groups that this node is in, in the order of their names.
    pub fn own_groups(&self) -> Vec<GroupName> {
        self.hub.own_groups()
    }

    /// The groups that any peer is in, in the order of their names.
    pub fn peer_groups(&self) -> Vec<GroupName> {
        self.hub.peer_groups()
    }
}

impl<S: Stream> Drop for Handle<S> {
    fn drop(&mut self) {
        self.hub.stop();
    }
}

impl<S: Stream> fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id())
            .field("name", self.name())
            .field("endpoint", self.endpoint())
            .finish_non_exhaustive()
    }
}
