//! The node of the asynchronous adapters.

use std::{
    future::poll_fn,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use zre_core::{
    Error, Event,
    proto::{Content, GroupName, PeerId, Text},
};

use crate::{
    handle::Handle,
    hub::{Hub, Stream},
    settings::{Builder, Runtime},
};

/// A running ZRE node.
///
/// It is a handle: clones are cheap, can be used from any task or thread, and are the same node.
/// Dropping the last one stops the node in the background; [`stop`](Node::stop) does so and waits.
/// What needs no waiting is in [`Handle`].
#[derive(Debug)]
pub struct Node<S: Stream>(Arc<Handle<S>>);

impl<S: Stream + Runtime> Node<S> {
    /// Begins a node with a name of at most 255 octets; see [`Builder`] for what else can be set.
    pub fn builder(name: impl Into<Text>) -> Builder<S> {
        Builder::new(name)
    }
}

impl<S: Stream> Node<S> {
    /// The node that an adapter has started.
    pub fn new(hub: Arc<Hub<S>>) -> Self {
        Self(Arc::new(Handle::new(hub)))
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
        let mut content = content.into();
        poll_fn(|cx| self.hub().poll_whisper(cx, peer, &mut content)).await
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
        let mut shout = self.hub().shout(group.try_into()?, content.into());
        poll_fn(|cx| shout.poll(cx)).await
    }

    /// Waits for the next event; `None` when the node has stopped. Each event goes to one caller.
    ///
    /// An application that does not take its events makes its peers wait with theirs: nothing is dropped.
    pub async fn recv(&self) -> Option<Event> {
        poll_fn(|cx| self.hub().poll_recv(cx)).await
    }

    /// The events as a stream that ends when the node has stopped. It holds the node like a clone.
    pub fn events(&self) -> Events<S> {
        Events { node: self.clone() }
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
        let mut answer = self.hub().answer(peer, number);
        poll_fn(|cx| answer.poll(cx)).await?;
        Ok(asked_at.elapsed())
    }

    /// Says goodbye, waits until what was sent is written and all sockets are closed.
    ///
    /// Peers that do not read are waited for no longer than the builder's `linger`. Events that
    /// have not been taken can still be; the last is [`Event::Stop`].
    pub async fn stop(&self) {
        self.hub().stop();
        poll_fn(|cx| self.hub().poll_finished(cx)).await;
    }
}

impl<S: Stream> Clone for Node<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Stream> Deref for Node<S> {
    type Target = Handle<S>;

    fn deref(&self) -> &Handle<S> {
        &self.0
    }
}

/// The events of a node, as a [`Stream`](futures_core::Stream); see [`Node::events`].
#[derive(Debug)]
pub struct Events<S: Stream> {
    node: Node<S>,
}

impl<S: Stream> futures_core::Stream for Events<S> {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.node.hub().poll_recv(cx)
    }
}
